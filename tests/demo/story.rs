//! The story: steps that show what they do, say what they expect, and are counted.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jetway_tests::verb::{Runner, Verb};
use serde_json::Value;

use crate::secrets::Secrets;
use crate::transcript::{Ink, Palette, Transcript, laid_out, time};

/// A server that tells what it was request.
pub(crate) trait Server {
    /// Forgets what it was asked so far.
    fn forget(&self);

    /// What it was asked since, in a few words.
    fn saw(&self) -> String;
}

/// All steps so far.
pub(crate) struct Story {
    transcript: Transcript,
    secrets: Secrets,
    began: Instant,
    told: Vec<FinishedStep>,
}

/// A step that is over.
struct FinishedStep {
    title: String,
    wrong: Vec<String>,
    took: Duration,
}

/// A step that is being told.
pub(crate) struct Step<'s> {
    transcript: &'s Transcript,
    secrets: &'s mut Secrets,
    wrong: Vec<String>,
}

/// What a verb or a command did.
pub(crate) struct Ran {
    /// The exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed, where that is JSON; else null.
    pub(crate) response: Value,
    /// What it printed, as it is.
    pub(crate) stdout: String,
    /// What it told people.
    pub(crate) stderr: String,
    /// Whether it showed a secret, or left one in the container.
    pub(crate) leaks: bool,
}

impl Story {
    pub(crate) fn begin(transcript: Transcript) -> Self {
        // A fixture that panics ends its step, and the step tells why: once is enough.
        let default = std::panic::take_hook();
        let teller = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() != teller {
                default(panic);
            }
        }));
        let told_by = match Runner::chosen() {
            Runner::Binary if cfg!(debug_assertions) => "by debug builds; `make bench` has the figures that count",
            Runner::Binary => "by release builds",
            Runner::Image => "by the images, each verb in a container",
        };
        transcript.line(&transcript.palette().paint(Ink::Title, "Jetway: what the resource types do, step by step"));
        transcript.line(&transcript.palette().paint(Ink::Faint, &format!("({told_by})")));
        Self { transcript, secrets: Secrets::default(), began: Instant::now(), told: Vec::new() }
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&self, title: &str) {
        self.transcript.heading(title);
    }

    /// Tells one step, and gives what `act` gives unless it could not be told to its end.
    pub(crate) fn step<T>(&mut self, title: &str, act: impl FnOnce(&mut Step<'_>) -> T) -> Option<T> {
        let palette = self.transcript.palette();
        self.transcript.line("");
        self.transcript.line(&palette.paint(Ink::Title, &format!("{:>2}  {title}", self.told.len() + 1)));
        let mut step = Step { transcript: &self.transcript, secrets: &mut self.secrets, wrong: Vec::new() };
        let began = Instant::now();
        let given = catch_unwind(AssertUnwindSafe(|| act(&mut step)));
        let took = began.elapsed();
        let given = given.map_err(|panic| step.claim("the step can be told to its end", Err(words(&*panic)))).ok();
        let wrong = step.wrong;
        self.told.push(FinishedStep { title: title.to_owned(), wrong, took });
        given
    }

    /// Ends with the table, and says whether all was as it should be.
    pub(crate) fn end(self) -> bool {
        let Self { transcript, told, began, .. } = self;
        let palette = transcript.palette();
        transcript.heading("Summary");
        let width = told.iter().map(|step| step.title.chars().count()).max().unwrap_or_default();
        for (index, step) in told.iter().enumerate() {
            let outcome = if step.wrong.is_empty() {
                palette.paint(Ink::Good, "ok   ")
            } else {
                palette.paint(Ink::Bad, "WRONG")
            };
            let title = format!("{:<width$}", step.title);
            transcript.line(&format!("{:>2}  {title}  {outcome}  {:>8}", index + 1, time(step.took)));
            for wrong in &step.wrong {
                transcript.line(&format!("    {}", palette.paint(Ink::Bad, &format!("✗ {wrong}"))));
            }
        }
        let wrong = told.iter().filter(|step| !step.wrong.is_empty()).count();
        let ink = if wrong == 0 { Ink::Good } else { Ink::Bad };
        let counts = format!("{} steps: {} ok, {wrong} wrong", told.len(), told.len() - wrong);
        transcript.line("");
        transcript.line(&format!("{}, in {}", palette.paint(ink, &counts), time(began.elapsed())));
        wrong == 0
    }
}

impl Step<'_> {
    /// Says why the step is here, or what happens in it that is no verb.
    pub(crate) fn say(&self, text: &str) {
        self.transcript.line(&format!("    {text}"));
    }

    /// Shows a text with a label beside it.
    pub(crate) fn show(&self, label: &str, text: &str) {
        self.transcript.labelled(label, text);
    }

    /// Whether what is shown may have colours.
    pub(crate) fn is_coloured(&self) -> bool {
        self.transcript.palette() == Palette::Coloured
    }

    /// The secrets, to tell of one more or to look for them.
    pub(crate) fn secrets(&mut self) -> &mut Secrets {
        self.secrets
    }

    /// Something that is to be so.
    pub(crate) fn expect(&mut self, claim: &str, holds: bool) {
        self.claim(claim, if holds { Ok(()) } else { Err(String::new()) });
    }

    /// Something that is to be the same as something else.
    pub(crate) fn same<T: PartialEq + Display>(&mut self, claim: &str, found: &T, expected: &T) {
        let difference = || format!("found `{found}`, expected `{expected}`").replace('\n', "\\n");
        let held = if found == expected { Ok(()) } else { Err(difference()) };
        self.claim(claim, held);
    }

    /// Runs a verb as a worker does, with `name` to show what it is called with.
    pub(crate) fn verb(&mut self, name: &str, verb: Verb, request: &Value, server: &dyn Server) -> Ran {
        self.show("run", &format!("/opt/resource/{name}"));
        self.show("in", &laid_out(&self.secrets.masked(request)));
        let verb = match self.transcript.palette() {
            Palette::Plain => verb.env("NO_COLOR", "1"),
            Palette::Coloured => verb,
        };
        server.forget();
        let outcome = verb.request(request).run();
        let stdout = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let left = outcome.leftovers().iter().any(|path| path.is_file() && self.secrets.are_in_file(path));
        self.came_out(outcome.code, stdout, outcome.stderr, outcome.elapsed, server, left)
    }

    /// Runs a program of ours as a person does, in `directory`. `shown` is the command line that a person would type.
    pub(crate) fn command(
        &mut self,
        shown: &str,
        program: &Path,
        directory: &Path,
        arguments: &[&str],
        server: &dyn Server,
    ) -> Ran {
        self.show("run", shown);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .envs([("PATH", jetway_tests::git::search_path().as_str()), ("HOME", "/nonexistent"), ("LC_ALL", "C")])
            .stdin(Stdio::null());
        if self.transcript.palette() == Palette::Plain {
            command.env("NO_COLOR", "1");
        }
        server.forget();
        let began = Instant::now();
        let output = command.output().unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
        let elapsed = began.elapsed();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.came_out(output.status.code(), text(output.stdout), text(output.stderr), elapsed, server, false)
    }

    fn came_out(
        &mut self,
        code: Option<i32>,
        stdout: String,
        stderr: String,
        elapsed: Duration,
        server: &dyn Server,
        left: bool,
    ) -> Ran {
        let response = serde_json::from_str(&stdout).unwrap_or_default();
        match &response {
            Value::Null => self.show("out", &stdout),
            response => self.show("out", &laid_out(response)),
        }
        self.show("err", &stderr);
        let ended = code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"));
        let cost = format!("{ended}, {}, {}", time(elapsed), server.saw());
        self.show("cost", &self.transcript.palette().paint(Ink::Faint, &cost));
        let leaks = left || self.secrets.are_in(&stdout) || self.secrets.are_in(&stderr);
        if leaks {
            self.expect("no secret comes out or stays behind", false);
        }
        Ran { code, response, stdout, stderr, leaks }
    }

    fn claim(&mut self, claim: &str, held: Result<(), String>) {
        let palette = self.transcript.palette();
        match held {
            Ok(()) => self.transcript.line(&format!("    {} {claim}", palette.paint(Ink::Good, "✓"))),
            Err(why) => {
                let wrong = if why.is_empty() { claim.to_owned() } else { format!("{claim}: {why}") };
                self.transcript.line(&format!("    {}", palette.paint(Ink::Bad, &format!("✗ {wrong}"))));
                self.wrong.push(wrong);
            }
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").trim_end().to_owned()
}
