//! The git resource: a pipeline's day with a repository that others push to as well.

use std::fs;
use std::path::{Path, PathBuf};

use jetway_tests::git;
use jetway_tests::verb::{Container, Verb};
use serde_json::{Value, json};

use crate::stage::{Stage, USER};
use crate::story::{Ran, Step, Story};
use crate::transcript::counted;

/// The files beside the work tree that tasks read, in the order in which they are shown.
const TOLD_FILES: [&str; 9] =
    ["ref", "short_ref", "author", "author_date", "committer", "branch", "tags", "describe_ref", "commit_message"];

/// Tells the chapter.
pub(crate) fn tell(story: &mut Story, stage: &Stage) {
    let chapter = Chapter::new(stage);
    story.chapter("git");
    story.step("check, the first one", |step| chapter.checks_first(step));
    story.step("somebody else pushes", |step| chapter.somebody_pushes(step));
    story.step("check again, from the version", |step| chapter.checks_again(step));
    story.step("check once more, nothing new", |step| chapter.checks_without_news(step));
    story.step("get, all of the history", |step| chapter.gets(step));
    story.step("get over ssh with a deploy key, git.depth: 1", |step| chapter.gets_shallowly(step));
    story.step("what a task finds in .git", |step| chapter.looks_around(step));
    story.step("put with rebase, the branch has moved meanwhile", |step| chapter.puts(step));
    story.step("the same put again", |step| chapter.puts_again(step));
    story.step("a typo in the source", |step| chapter.mistypes(step));
    story.step("a wrong password", |step| chapter.forgets_the_password(step));
}

struct Chapter<'s> {
    stage: &'s Stage,
    /// The commit that the first check is to find.
    start: String,
    /// A worker keeps the container of a resource's checks.
    container: Container,
    /// What a build's steps hand on to each other: each artifact is a directory in it.
    inputs: PathBuf,
}

impl<'s> Chapter<'s> {
    fn new(stage: &'s Stage) -> Self {
        let inputs = stage.workspace.path().join("build");
        Self { stage, start: stage.tip(), container: Container::new(), inputs }
    }

    fn checks_first(&self, step: &mut Step<'_>) {
        let ran = self.check(step, &json!({ "source": self.stage.http_source(), "version": null }));
        step.same("it gives one version, the tip of the branch", &ran.response, &versions(&[&self.start]));
        let read = self.stage.http.bytes_sent();
        step.expect("it read less than 16 KiB of the history", read < 16 * 1024);
    }

    fn somebody_pushes(&self, step: &mut Step<'_>) {
        let colleague = &self.stage.colleague;
        for (message, file) in [
            ("Count the figures", "figures.txt"),
            ("Mend a comma [ci skip]", "README.md"),
            ("Sort the figures", "sorted.txt"),
        ] {
            let commit = colleague.commit(message, &[(file, message)]);
            step.show("push", &format!("{} {message}", &commit[..7]));
        }
        self.stage.colleague_pushes();
        step.same("the server has the new tip", &self.stage.tip(), &colleague.head());
    }

    fn checks_again(&self, step: &mut Step<'_>) {
        let ran = self.check(step, &self.request(&json!({ "ref": self.start })));
        let [first, tip] = ["main~2", "main"].map(|revision| self.stage.repository.resolve(revision));
        let expected = versions(&[&self.start, &first, &tip]);
        step.same(
            "it gives the version and what is newer, oldest first, without the skipped one",
            &ran.response,
            &expected,
        );
    }

    fn checks_without_news(&self, step: &mut Step<'_>) {
        let tip = self.stage.tip();
        let ran = self.check(step, &self.request(&json!({ "ref": tip })));
        step.same("it gives that version alone", &ran.response, &versions(&[&tip]));
        let fetched = self.stage.http.bytes_sent();
        step.expect("the server was asked for a name, and no object was fetched", fetched < 2 * 1024);
    }

    fn gets(&self, step: &mut Step<'_>) {
        let tip = self.stage.tip();
        let directory = self.artifact("app");
        let verb = Verb::get("git").dir(&directory);
        let ran = step.verb("in build/app", verb, &self.request(&json!({ "ref": tip })), &self.stage.http);
        step.same("the response names the version", &ran.response["version"], &json!({ "ref": tip }));
        self.expect_checkout(step, &directory, &tip, self.stage.repository.history(&tip).len());
    }

    fn gets_shallowly(&self, step: &mut Step<'_>) {
        let tip = self.stage.tip();
        let directory = self.artifact("shallow");
        let request = json!({
            "source": self.stage.ssh_source(), "version": { "ref": tip }, "params": { "git.depth": 1 }
        });
        let ran = step.verb("in build/shallow", Verb::get("git").dir(&directory), &request, self.stage.ssh());
        step.same("the response names the version", &ran.response["version"], &json!({ "ref": tip }));
        self.expect_checkout(step, &directory, &tip, 1);
    }

    fn looks_around(&self, step: &mut Step<'_>) {
        let files = self.inputs.join("app/.git");
        let read = |name: &str| fs::read_to_string(files.join(name)).unwrap_or_else(|error| format!("({error})"));
        for name in TOLD_FILES {
            let content = read(name);
            let shown = if content.is_empty() { "(empty)" } else { content.trim_end() };
            step.show(&format!("{name:<14}"), shown);
        }
        let tip = self.stage.colleague.head();
        step.same("ref is the version", &read("ref"), &format!("{tip}\n"));
        step.same("short_ref is its beginning, without a line's end", &read("short_ref"), &tip[..7].to_owned());
        step.same("commit_message is the message", &read("commit_message"), &"Sort the figures\n".to_owned());
        let metadata: Value = serde_json::from_str(&read("metadata.json")).unwrap_or_default();
        step.same("metadata.json begins with the commit", &metadata[0], &json!({ "name": "commit", "value": tip }));
    }

    fn puts(&self, step: &mut Step<'_>) {
        step.say("A task commits to what the get fetched, and the colleague is faster.");
        let task = self.inputs.join("app");
        fs::write(task.join("VERSION"), "1.2.3\n").expect("write a file");
        git::run(&task, &["add", "VERSION"]);
        git::run(&task, &["commit", "--quiet", "--message", "Release 1.2.3"]);
        let theirs = self.stage.colleague.commit("Round the figures", &[("rounded.txt", "9\n")]);
        self.stage.colleague_pushes();

        let ran = self.put(step);
        let tip = self.stage.tip();
        step.same("the response names the server's tip", &ran.response["version"], &json!({ "ref": tip }));
        step.same("it stands on the colleague's commit", &self.stage.repository.resolve("main~1"), &theirs);
        step.same("the task's file is there", &self.stage.repository.file("main", "VERSION"), &"1.2.3".to_owned());
    }

    fn puts_again(&self, step: &mut Step<'_>) {
        step.say("A worker was lost, and the build runs the step once more.");
        let tip = self.stage.tip();
        let ran = self.put(step);
        step.same("the response names the same version", &ran.response["version"], &json!({ "ref": tip }));
        step.same("the server's tip is where it was", &self.stage.tip(), &tip);
        let pushes = self.stage.http.requests_to("/git-receive-pack");
        step.expect("no commit was sent", pushes.iter().all(|seen| seen.method != "POST"));
    }

    fn mistypes(&self, step: &mut Step<'_>) {
        let source = json!({ "uri": self.stage.http_url(), "brnach": "main" });
        let ran = self.check(step, &json!({ "source": source, "version": null }));
        expect_failure(step, &ran);
        step.expect("it says what was meant", ran.stderr.contains("did you mean `branch`?"));
        step.expect("the server was not asked", self.stage.http.requests().is_empty());
    }

    fn forgets_the_password(&self, step: &mut Step<'_>) {
        let wrong = "h0rse correct/battery";
        step.secrets().keep_password(USER, wrong);
        let mut source = self.stage.http_source();
        source["password"] = Value::from(wrong);
        let ran = self.check(step, &json!({ "source": source, "version": { "ref": self.start } }));
        expect_failure(step, &ran);
        step.expect("the advice is to look at the password", ran.stderr.contains("check `username` and `password`"));
        step.expect("no output and no file holds it", !ran.leaks);
        step.expect("it was not tried again and again", self.stage.http.requests().len() <= 4);
    }

    fn check(&self, step: &mut Step<'_>, request: &Value) -> Ran {
        step.verb("check", Verb::check("git").container(&self.container), request, &self.stage.http)
    }

    fn put(&self, step: &mut Step<'_>) -> Ran {
        let params = json!({ "repository": "app", "rebase": true });
        let request = json!({ "source": self.stage.http_source(), "params": params });
        step.verb("out build", Verb::put("git").dir(&self.inputs), &request, &self.stage.http)
    }

    fn request(&self, version: &Value) -> Value {
        json!({ "source": self.stage.http_source(), "version": version })
    }

    /// An empty directory for a get to fill.
    fn artifact(&self, name: &str) -> PathBuf {
        let directory = self.inputs.join(name);
        fs::create_dir_all(&directory).expect("create a directory");
        directory
    }

    /// The work tree is the version's, with so many commits of history, and with nothing of what opened the door.
    fn expect_checkout(&self, step: &mut Step<'_>, directory: &Path, version: &str, commits: usize) {
        let git = |arguments: &[&str]| git::run(directory, arguments);
        step.same("HEAD is the version", &git(&["rev-parse", "HEAD"]), &version.to_owned());
        let tree = self.stage.repository.resolve(&format!("{version}^{{tree}}"));
        step.same("the files are the version's", &git(&["rev-parse", "HEAD^{tree}"]), &tree);
        step.same("nothing in them is changed", &git(&["status", "--porcelain"]), &String::new());
        let history = git(&["rev-list", "--count", "HEAD"]);
        step.same(&format!("the history has {}", counted(commits, "commit")), &history, &commits.to_string());
        let kept = step.secrets().are_below(directory);
        step.expect("no credential is left in it", !kept);
    }
}

/// What a check gives.
fn versions(commits: &[&str]) -> Value {
    commits.iter().map(|commit| json!({ "ref": commit })).collect()
}

/// A verb fails with exit code 1 and has nothing to say to Concourse.
fn expect_failure(step: &mut Step<'_>, ran: &Ran) {
    step.expect("it fails and prints no version", ran.code == Some(1) && ran.stdout.is_empty());
}
