//! The delivery pipeline, job by job: the images of the resource types in containers, as a worker runs them.

use jetway_tests::delivery::World;
use jetway_tests::worker::{Build, Status, Worker};
use serde_json::{Value, json};

use crate::story::{Step, Story};
use crate::transcript::without_colours;

/// How many lines of what a step said are shown.
const SHOWN: usize = 6;

/// The longest line that is shown whole.
const WIDTH: usize = 150;

/// How long a deploy may take, in seconds: one of them is to fail.
const DEPLOY_TIMEOUT: u64 = 15;

/// Values for pods that never become ready.
const NEVER_READY: &str = "podAnnotations: {jetway.test/ready: \"false\"}\n";

/// Tells the chapter, where there is an engine for it.
pub(crate) fn tell(story: &mut Story) {
    story.chapter("the delivery pipeline: from a commit to production");
    let world = story.step("git, a registry, Kubernetes, GitHub, Jira and Slack are there", |step| {
        let mut world = World::start();
        match &mut world {
            Some(world) => world.deploy_timeout = DEPLOY_TIMEOUT,
            None => step.say("They are not, or there is no container engine: the pipeline is not told here."),
        }
        world
    });
    let Some(Some(world)) = world else { return };
    let chapter = Chapter { worker: world.worker("delivery.yml"), world };
    story.step("somebody pushes a commit to `develop`", |step| chapter.pushes(step, "hello", ""));
    story.step("build: the image, with the last one for a cache", |step| chapter.builds(step));
    story.step("unit-tests: in the image, their outcome on the commit", |step| chapter.tests(step));
    story.step("staging: deployed and tested, and a ticket opened in Jira", |step| chapter.deploys(step));
    story.step("production: not without a go", |step| chapter.waits(step));
    story.step("production: after grace has said so on GitHub", |step| chapter.goes(step));
    story.step("production-by-ticket: after the ticket is approved in Jira", |step| chapter.goes_by_ticket(step));
    story.step("a commit that does not come up", |step| chapter.pushes(step, "hello # again", NEVER_READY));
    story.step("staging: taken back, and tested again", |step| chapter.goes_back(step));
}

struct Chapter {
    /// Before the world, since its containers end first.
    worker: Worker,
    world: World,
}

impl Chapter {
    fn pushes(&self, step: &mut Step<'_>, word: &str, values: &str) {
        let commit = self.world.push_for_staging(word, values);
        step.same("the branch is at the commit", &self.world.code.tip("develop"), &commit);
    }

    fn builds(&self, step: &mut Step<'_>) {
        let Some(build) = self.run(step, "build", Status::Succeeded) else { return };
        let digest = text(&build.versions["artifact-image"]["digest"]);
        let tag = self.world.code.tip("develop")[..7].to_owned();
        step.same("the registry has it by the commit's short hash", &self.world.digest("team/app", &tag), &digest);
        step.same("and as `latest`", &self.world.digest("team/app", "latest"), &digest);
    }

    fn tests(&self, step: &mut Step<'_>) {
        self.run(step, "unit-tests", Status::Succeeded);
        let statuses = self.world.statuses(&self.world.code.tip("develop"));
        step.same("the commit has its statuses", &statuses.join(", "), &said_of_the_commit());
    }

    fn deploys(&self, step: &mut Step<'_>) {
        let Some(build) = self.run(step, "staging", Status::Succeeded) else { return };
        let version = json!({ "release": "app", "revision": "1" });
        step.same("the put names the revision", &build.versions["staging"], &version);
        step.same("two pods run the image", &World::running(&self.world.staging).len(), &2);
        step.same("Jira has the ticket", &self.world.tickets().join(", "), &"OPS-1 To Do".to_owned());
        self.shows_slack(step);
    }

    fn waits(&self, step: &mut Step<'_>) {
        for job in ["production", "production-by-ticket"] {
            let is_waiting = self.worker.run(job).is_none();
            step.expect(&format!("`{job}` has no go yet, and is not run"), is_waiting);
        }
    }

    fn goes(&self, step: &mut Step<'_>) {
        let commit = self.world.code.tip("develop");
        self.world.github.set_status(&commit, "go-no-go", "success", "grace");
        self.run(step, "production", Status::Succeeded);
        step.same("three pods run the image", &World::running(&self.world.production).len(), &3);
        let messages = self.world.deployments().into_iter().flat_map(|(_, states)| states).collect::<Vec<_>>();
        step.same("GitHub knows of the deployment", &messages.join(", "), &"in_progress, success".to_owned());
    }

    fn goes_by_ticket(&self, step: &mut Step<'_>) {
        self.world.jira.move_to(600, "OPS-1", "Approved");
        self.run(step, "production-by-ticket", Status::Succeeded);
        step.same("the put deployed again", &World::revisions(&self.world.production).len(), &2);
        step.same("the ticket is closed", &self.world.tickets().join(", "), &"OPS-1 Done".to_owned());
        step.same("it has links to both builds", &self.world.jira.links("OPS-1").len(), &2);
    }

    fn goes_back(&self, step: &mut Step<'_>) {
        let before = World::running(&self.world.staging);
        self.run(step, "build", Status::Succeeded);
        self.run(step, "unit-tests", Status::Succeeded);
        let Some(build) = self.run(step, "staging", Status::Failed) else { return };
        step.expect("it says what runs now", build.log.contains("revision 3 is deployed now"));
        let same = World::running(&self.world.staging) == before;
        step.expect("the pods are those of the image before", same);
        self.shows_slack(step);
    }

    /// Runs a job, and shows the end of what each of its steps said.
    fn run(&self, step: &mut Step<'_>, job: &str, status: Status) -> Option<Build> {
        let Some(build) = self.worker.run(job) else {
            step.expect(&format!("`{job}` has its inputs"), false);
            return None;
        };
        for messages in build.log.split("── ").skip(1) {
            let (title, messages) = messages.split_once('\n').unwrap_or((messages, ""));
            let lines: Vec<&str> = messages.lines().filter(|line| !line.trim().is_empty()).collect();
            let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN)).map(|line| short(step, line));
            step.show(&format!("{title:<22}"), &shown.collect::<Vec<_>>().join("\n"));
            if lines.is_empty() {
                step.show(&format!("{title:<22}"), "(says nothing)");
            }
        }
        step.expect(&format!("`{job}` {}", status.word()), build.status == status);
        Some(build)
    }

    fn shows_slack(&self, step: &Step<'_>) {
        step.show("slack", &self.world.heard().join("\n"));
    }
}

/// A line as it is, unless it is too long; then without its colours and its end.
fn short(step: &Step<'_>, line: &str) -> String {
    let plain = without_colours(line);
    if plain.chars().count() > WIDTH {
        return plain.chars().take(WIDTH).chain(['…']).collect();
    }
    if step.is_coloured() { line.to_owned() } else { plain }
}

fn said_of_the_commit() -> String {
    "concourse-ci/unit-tests success, concourse-ci/unit-tests pending".to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
