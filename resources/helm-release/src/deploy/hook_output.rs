//! The output of hooks and tests. It is read while they run, since a chart's delete policy may delete their pods at the end. A
//! warning names output that could not be read.

mod pods;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use jetway::{Context, Interrupted, Result};
use jiff::Timestamp;

use crate::cluster::kubernetes::{is_forbidden, is_not_found};
use crate::records::Records;
use crate::records::release::{Hook, Release};
use crate::target::Target;
use crate::target::shown_logs::ShownLogs;
use pods::{HookName, HookPod, Pods, Run};

/// The pauses between reads of the record that names the hooks: until the first one is found, and after that.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LATER_PAUSE: Duration = Duration::from_secs(2);

/// How long to wait for logs to end after helm has exited.
const DRAIN: Duration = Duration::from_secs(3);

/// The maximum number of hooks that are followed.
const MAX_HOOKS: usize = 20;

/// The maximum size of a log, in bytes; the end is kept.
const MAX_LOG_SIZE: usize = 256 * 1024;

/// The hooks that helm may run in a command.
pub(crate) enum Hooks<'r> {
    /// The tests of a release.
    Tests(&'r Release),
    /// The hooks of a release that is uninstalled.
    Removal(&'r Release),
    /// The hooks of revisions after this one.
    After(u64),
}

/// Runs a command of helm, and shows the output of its hooks in the meantime. Problems with the output never fail the command.
pub(crate) async fn run_and_show<T>(
    target: &Target<'_>,
    hooks: Hooks<'_>,
    mut command: Pin<Box<dyn Future<Output = Result<T>> + '_>>,
) -> Result<T> {
    let follower = Follower::new(target, &hooks);
    if !follower.is_needed() {
        return command.await;
    }
    Box::pin(follower.note_old_pods()).await?;
    let mut tasks = Vec::new();
    let outcome = poll_fn(|context| {
        if let Poll::Ready(outcome) = command.as_mut().poll(context) {
            return Poll::Ready(outcome);
        }
        follower.advance(&mut tasks, context);
        Poll::Pending
    })
    .await;
    if target.context.interrupt().received().is_none() {
        let mut limit = pin!(target.context.interrupt().sleep(DRAIN));
        poll_fn(|context| {
            follower.advance(&mut tasks, context);
            let is_done = !tasks.iter().any(|task| task.reads_a_log) || limit.as_mut().poll(context).is_ready();
            if is_done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    drop(tasks);
    follower.show_unfinished();
    if target.context.interrupt().received().is_none() {
        Box::pin(follower.warn_of_lost_output(target)).await?;
    }
    outcome
}

/// A task that runs concurrently with helm.
enum Job {
    /// Find the record that names the hooks.
    FindHooks,
    /// Follow the pods of a hook.
    Watch(HookName),
    /// Read a log to its end.
    Read(Run),
}

struct Task<'f> {
    reads_a_log: bool,
    future: Pin<Box<dyn Future<Output = ()> + 'f>>,
}

/// A log that is being read.
struct Output {
    run: Run,
    text: Vec<u8>,
    is_cut: bool,
}

struct Follower<'t> {
    context: Context,
    pods: Pods<'t>,
    records: Records<'t>,
    release: &'t str,
    shown_logs: &'t ShownLogs,
    /// By this machine's clock, which is also helm's.
    began: Timestamp,
    /// The latest revision before the command, if it creates revisions.
    after: Option<u64>,
    jobs: RefCell<Vec<Job>>,
    hooks: RefCell<BTreeSet<HookName>>,
    /// The uids of pods from before this command.
    old_pods: RefCell<BTreeSet<String>>,
    /// The creation time of the record whose hooks run, by the API server's clock.
    since: Cell<Option<Timestamp>>,
    /// The hooks with a pod that was seen.
    seen: RefCell<BTreeSet<HookName>>,
    started_runs: RefCell<BTreeSet<Run>>,
    outputs: RefCell<Vec<Rc<RefCell<Output>>>>,
    has_warned: Cell<bool>,
}

impl<'t> Follower<'t> {
    fn new(target: &'t Target<'_>, hooks: &Hooks<'_>) -> Self {
        let (known, after): (Vec<&Hook>, _) = match hooks {
            Hooks::Tests(release) => (release.tests().collect(), None),
            Hooks::Removal(release) => (release.hooks_of("-delete").collect(), None),
            Hooks::After(revision) => (Vec::new(), Some(*revision)),
        };
        let known: BTreeSet<HookName> = known.into_iter().filter_map(HookName::of).take(MAX_HOOKS).collect();
        let mut jobs: Vec<Job> = known.iter().cloned().map(Job::Watch).collect();
        jobs.extend(after.map(|_| Job::FindHooks));
        Self {
            context: target.context.clone(),
            pods: Pods::new(target.context, &target.kubernetes, &target.namespace),
            records: target.records(),
            release: &target.release,
            shown_logs: &target.shown_logs,
            began: Timestamp::now(),
            after,
            jobs: RefCell::new(jobs),
            hooks: RefCell::new(known),
            old_pods: RefCell::default(),
            since: Cell::new(None),
            seen: RefCell::default(),
            started_runs: RefCell::default(),
            outputs: RefCell::default(),
            has_warned: Cell::new(false),
        }
    }

    fn is_needed(&self) -> bool {
        !self.jobs.borrow().is_empty()
    }

    /// Notes the pods of earlier runs of the hooks.
    async fn note_old_pods(&self) -> Result<()> {
        let hooks: Vec<HookName> = self.hooks.borrow().iter().cloned().collect();
        for hook in hooks {
            match self.pods.list(&hook).await {
                Ok(pods) => self.old_pods.borrow_mut().extend(pods.into_iter().map(|pod| pod.metadata.uid)),
                Err(error) if Interrupted::caused(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Polls all tasks, and starts the jobs that they have queued.
    fn advance<'f>(&'f self, tasks: &mut Vec<Task<'f>>, context: &mut TaskContext<'_>) {
        loop {
            tasks.retain_mut(|task| task.future.as_mut().poll(context).is_pending());
            let jobs = mem::take(&mut *self.jobs.borrow_mut());
            if jobs.is_empty() {
                return;
            }
            tasks.extend(jobs.into_iter().map(|job| match job {
                Job::FindHooks => Task { reads_a_log: false, future: Box::pin(self.find_hooks()) },
                Job::Watch(hook) => Task { reads_a_log: false, future: Box::pin(self.watch(hook)) },
                Job::Read(run) => Task { reads_a_log: true, future: Box::pin(self.read(run)) },
            }));
        }
    }

    /// Follows the pods of a hook until it is dropped.
    async fn watch(&self, hook: HookName) {
        if let Err(error) = self.pods.follow(&hook, |pod| self.note(&hook, pod)).await {
            self.warn_once(true, format_args!("the output of hooks and tests is not shown while they run: {error:#}"));
        }
    }

    /// Finds the hooks in the records of new revisions.
    async fn find_hooks(&self) {
        let Some(mut known) = self.after else { return };
        let mut pause = FIRST_PAUSE;
        loop {
            if self.context.interrupt().sleep(pause).await.is_err() {
                return;
            }
            let Ok(records) = self.records.list(self.release).await else { continue };
            let Some(newest) = records.last().filter(|newest| newest.revision > known) else { continue };
            let Ok(Some(release)) = self.records.read(self.release, newest.revision).await else { continue };
            (known, pause) = (newest.revision, LATER_PAUSE);
            if self.since.get().is_none() {
                self.since.set(newest.created);
            }
            for hook in release.hooks_of("-").filter_map(HookName::of) {
                let mut hooks = self.hooks.borrow_mut();
                if hooks.len() < MAX_HOOKS && hooks.insert(hook.clone()) {
                    self.jobs.borrow_mut().push(Job::Watch(hook));
                }
            }
        }
    }

    /// Queues the logs of a pod, unless it is from before this command.
    fn note(&self, hook: &HookName, pod: &HookPod) {
        let is_old = self.old_pods.borrow().contains(&pod.metadata.uid)
            || self.since.get().is_some_and(|since| pod.created().is_some_and(|created| created < since));
        if is_old {
            return;
        }
        self.seen.borrow_mut().insert(hook.clone());
        for run in pod.runs() {
            if self.started_runs.borrow_mut().insert(run.clone()) {
                self.jobs.borrow_mut().push(Job::Read(run));
            }
        }
    }

    /// Reads a log to its end, and shows it.
    async fn read(&self, run: Run) {
        let output = Rc::new(RefCell::new(Output { run: run.clone(), text: Vec::new(), is_cut: false }));
        self.outputs.borrow_mut().push(Rc::clone(&output));
        let read = async {
            let mut response = self.pods.log(&run).await?;
            while let Some(bytes) = response.chunk().await? {
                let mut output = output.borrow_mut();
                output.text.extend_from_slice(&bytes);
                let surplus = output.text.len().saturating_sub(MAX_LOG_SIZE);
                if surplus > 0 {
                    output.text.drain(..surplus);
                    output.is_cut = true;
                }
            }
            Ok(())
        };
        let read: Result<()> = read.await;
        self.outputs.borrow_mut().retain(|other| !Rc::ptr_eq(other, &output));
        match read {
            Ok(()) => self.show(&output.borrow(), ""),
            Err(error) if Interrupted::caused(&error) => self.show(&output.borrow(), ", so far"),
            Err(error) => {
                if !output.borrow().text.is_empty() {
                    self.show(&output.borrow(), ", so far");
                }
                let why = if is_not_found(&error) {
                    "the pod was deleted before its log was read".to_owned()
                } else {
                    format!("{error:#}")
                };
                self.warn_once(is_forbidden(&error), format_args!("the output of `{}` is lost: {why}", run.pod));
            }
        }
    }

    fn show(&self, output: &Output, how_far: &str) {
        let Run { uid, pod, container, .. } = &output.run;
        self.shown_logs.add(uid, container);
        let console = self.context.console();
        let text = String::from_utf8_lossy(&output.text);
        if text.trim().is_empty() {
            console.step(format_args!("the log of `{pod}` (container `{container}`{how_far}) is empty"));
            return;
        }
        let which = if output.is_cut { "end of the log" } else { "log" };
        console.step(format_args!("the {which} of `{pod}` (container `{container}`{how_far}):"));
        for line in text.lines() {
            console.relay(&format!("  | {line}"));
        }
    }

    /// Shows the logs that have not ended, as far as they were read.
    fn show_unfinished(&self) {
        for output in mem::take(&mut *self.outputs.borrow_mut()) {
            self.show(&output.borrow(), ", so far");
        }
    }

    /// Warns of hooks that have run, but whose pod was deleted before it was seen.
    async fn warn_of_lost_output(&self, target: &Target<'_>) -> Result<()> {
        if self.hooks.borrow().is_empty() || self.has_warned.get() {
            return Ok(());
        }
        let newest = match target.records().list(self.release).await {
            Ok(records) => records.last().map(|newest| newest.revision),
            Err(error) if Interrupted::caused(&error) => return Err(error),
            Err(_) => None,
        };
        let Some(newest) = newest else { return Ok(()) };
        let release = match target.records().read(self.release, newest).await {
            Ok(Some(release)) => release,
            Err(error) if Interrupted::caused(&error) => return Err(error),
            Ok(None) | Err(_) => return Ok(()),
        };
        let ran = release.hooks.iter().flatten().filter(|hook| hook.last_run.started_since(self.began));
        for hook in ran.filter(|hook| hook.is_deleted_when_done()).filter_map(HookName::of) {
            if self.hooks.borrow().contains(&hook) && !self.seen.borrow().contains(&hook) {
                self.context.console().warn(format_args!(
                    "the output of the hook `{}` is lost: its delete policy removed the pod before it could be read",
                    hook.name
                ));
            }
        }
        Ok(())
    }

    /// Warns. A problem that is the same for all pods, such as a missing permission, is reported only once.
    fn warn_once(&self, is_general: bool, text: impl std::fmt::Display) {
        if !(is_general && self.has_warned.replace(true)) {
            self.context.console().warn(text);
        }
    }
}
