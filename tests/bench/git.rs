//! The git resource on a history of 25,000 commits, served over smart HTTP.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jetway_tests::checkout::Checkout;
use jetway_tests::http_git::HttpGit;
use jetway_tests::large_repository::{Size, add_branches, add_tags, add_wide_branch, large_repository};
use jetway_tests::verb::{Container, Verb};
use jetway_tests::{git, scratch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// Measures the usual cases.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let bench = Bench::new();
    in_turns(runs, bench.cases())
}

/// Measures the cases that write tens of thousands of files or refs. A run takes up to half a minute, so there are at most three.
pub(crate) fn measure_large(runs: usize) -> Vec<Measured> {
    let bench = Bench::new();
    bench.add_large_repositories();
    in_turns(runs.min(MAX_LARGE_RUNS), bench.large_cases())
}

/// What the large cases are, for the head of the table.
pub(crate) const LARGE: &str = "60,000 files, 100,000 tags and 20,000 branches over HTTP on loopback, at most 3 runs";

const MAX_LARGE_RUNS: usize = 3;

/// The sizes of those cases.
const MANY_FILES: usize = 60_000;
const MANY_TAGS: usize = 100_000;
const MANY_BRANCHES: usize = 20_000;

/// What all cases share: the server, and a place for what they write.
struct Bench {
    /// First, so that it ends before what it serves is removed.
    server: HttpGit,
    directory: TempDir,
    url: String,
    tip: String,
    /// A commit that is 2,000 behind it.
    long_ago: String,
    checkout: Checkout,
    /// Directories are new for each run: making files where as many were just removed costs the file system extra.
    counter: Cell<usize>,
    /// What the latest check left behind stays for the next one, as in a worker's container.
    container: Container,
}

/// The tip or the list of refs, a fetch or two, and the choice by path.
const CHILDREN_OF_A_CHECK: usize = 6;

/// A fetch or a clone and its completion, the checkout, and what tells of the commit.
const CHILDREN_OF_A_GET: usize = 10;

impl Bench {
    fn new() -> Self {
        let kept = large_repository(Size::default());
        let directory = scratch::directory();
        // A copy takes the pushes (and shares the packs), so that the kept repository is the same for every run.
        let kept = kept.to_str().expect("UTF-8");
        git::run(directory.path(), &["clone", "-q", "--mirror", kept, "large.git"]);
        let repository = directory.path().join("large.git");
        for (key, value) in [("http.receivepack", "true"), ("uploadpack.allowFilter", "true"), ("gc.auto", "0")] {
            git::run(&repository, &["config", key, value]);
        }
        git::run(directory.path(), &["clone", "-q", "--mirror", kept, "tagged.git"]);
        let tagged = directory.path().join("tagged.git");
        git::run(&tagged, &["config", "uploadpack.allowFilter", "true"]);
        add_tags(&tagged, 5_000);
        for branch in ["pushed", "put"] {
            git::run(&repository, &["branch", branch, "main"]);
        }
        let tip = git::run(&repository, &["rev-parse", "main"]);
        let long_ago = git::run(&repository, &["rev-parse", "main~2000"]);
        let server = HttpGit::serve(directory.path());
        let url = server.url("large.git");
        let inputs = directory.path().join("inputs");
        std::fs::create_dir(&inputs).expect("create a directory");
        let checkout = Checkout::clone(&url, &inputs, "code");
        Self { directory, server, url, tip, long_ago, checkout, counter: Cell::new(0), container: Container::new() }
    }

    /// Adds the repositories of the large cases to the server.
    fn add_large_repositories(&self) {
        let directory = self.directory.path();
        git::run(directory, &["clone", "-q", "--mirror", "large.git", "many.git"]);
        let many = directory.join("many.git");
        git::run(&many, &["config", "uploadpack.allowFilter", "true"]);
        add_tags(&many, MANY_TAGS);
        add_branches(&many, MANY_BRANCHES);
        git::run(directory, &["init", "-q", "--bare", "--initial-branch=main", "wide.git"]);
        add_wide_branch(&directory.join("wide.git"), "main", MANY_FILES);
    }

    fn cases(&self) -> Vec<Case<'_>> {
        [self.checks(), self.checks_of_much(), self.gets(), self.puts()].into_iter().flatten().collect()
    }

    /// Nothing or little has changed.
    fn checks(&self) -> Vec<Case<'_>> {
        let source = json!({ "uri": self.url, "branch": "main" });
        let unchanged = json!({ "source": source, "version": { "ref": self.tip } });
        let first = json!({ "source": source });
        let moving = json!({ "uri": self.url, "branch": "moving" });
        let unreadable = json!({ "source": { "uri": self.url, "branch": "main", "brunch": "main" } });
        // The redactor's cost is all that differs.
        let long_secret: String =
            (0..8_000).map(|line| format!("  key-{line}: {:060}\n", line * 7_919)).collect::<Vec<_>>().concat();
        let mut with_long_secret = unreadable.clone();
        with_long_secret["source"]["password"] = json!(long_secret);
        let megabytes = |count: u64| Some(count * 1024 * 1024);
        vec![
            self.raw("git ls-remote", |_| {
                let mut command = self.git(self.directory.path());
                command.args(["ls-remote", &self.url, "refs/heads/main"]);
                command
            }),
            self.verb(
                "check, nothing new",
                Some("git ls-remote"),
                Limits { ratio: Some(1.3), children: Some(1), peak_rss: megabytes(25), ..Limits::default() },
                move |bench| bench.run(&Verb::check("git"), &unchanged, bench.container.clone()),
            ),
            self.verb("check, the first one", Some("git ls-remote"), by_few(2.5, CHILDREN_OF_A_CHECK), move |bench| {
                bench.run(&Verb::check("git"), &first, Container::new())
            }),
            self.raw("git fetch, 20 commits", |bench| {
                let mirror = bench.mirror("large.git");
                let refspec = "+refs/heads/moving:refs/heads/moving";
                bench.move_branch("moving", "main~20");
                git::run(&mirror, &["fetch", "--quiet", "--depth=1", "--filter=tree:0", "origin", refspec]);
                bench.move_branch("moving", "main");
                let mut fetch = bench.git(&mirror);
                fetch.args(["fetch", "--quiet", "--filter=tree:0", "origin", refspec]);
                fetch
            }),
            self.verb(
                "check, 20 new commits",
                Some("git fetch, 20 commits"),
                by_few(1.5, CHILDREN_OF_A_CHECK),
                move |bench| {
                    let container = Container::new();
                    bench.move_branch("moving", "main~20");
                    Verb::check("git").container(&container).request(&json!({ "source": moving })).run().succeeded();
                    bench.move_branch("moving", "main");
                    let version = git::run(&bench.directory.path().join("large.git"), &["rev-parse", "main~20"]);
                    let request = json!({ "source": moving, "version": { "ref": version } });
                    bench.run(&Verb::check("git"), &request, container)
                },
            ),
            Case {
                succeeds: false,
                ..self.verb(
                    "check, unknown key",
                    None,
                    Limits { wall: Some(Duration::from_millis(10)), ..Limits::default() },
                    move |bench| bench.run(&Verb::check("git"), &unreadable, bench.container.clone()),
                )
            },
            Case {
                succeeds: false,
                ..self.verb(
                    "check, unknown key, a secret of 8,000 lines",
                    None,
                    Limits { wall: Some(Duration::from_millis(60)), ..Limits::default() },
                    move |bench| bench.run(&Verb::check("git"), &with_long_secret, bench.container.clone()),
                )
            },
        ]
    }

    /// A container that knows nothing yet, and much to know.
    fn checks_of_much(&self) -> Vec<Case<'_>> {
        let tags = json!({ "source": { "uri": self.server.url("tagged.git"), "tag_filter": "v*" } });
        let by_path = json!({ "uri": self.url, "branch": "main", "paths": ["area-1/folder-01"] });
        let far_back = json!({ "source": by_path, "version": { "ref": self.long_ago } });
        vec![
            self.raw("git fetch, 5,000 tags", |bench| {
                let mut fetch = bench.git(&bench.mirror("tagged.git"));
                fetch.args(["fetch", "--quiet", "--depth=1", "--filter=tree:0", "origin", "+refs/tags/*:refs/tags/*"]);
                fetch
            }),
            self.verb(
                "check, 5,000 tags",
                Some("git fetch, 5,000 tags"),
                by_few(1.5, CHILDREN_OF_A_CHECK),
                move |bench| bench.run(&Verb::check("git"), &tags, Container::new()),
            ),
            // Two fetches, since no one command brings what is after a commit that is not here; then the choice by path.
            self.raw("git fetch, a commit, then 2,000 more; git rev-list", |bench| {
                let mirror = bench.mirror("large.git");
                git::run(&mirror, &["config", "remote.origin.promisor", "true"]);
                let mut command = bench.git(&mirror);
                command.env("COMMIT", &bench.long_ago).env("PLACE", &mirror);
                in_shell(
                    &command,
                    "cd \"$PLACE\" && git fetch --quiet --no-tags --filter=blob:none --depth=1 origin \"$COMMIT:refs/known\" \
                     && git fetch --quiet --no-tags --filter=blob:none origin main \
                     && git rev-list --first-parent refs/known..FETCH_HEAD -- area-1/folder-01",
                )
            }),
            self.verb(
                "check, 2,000 commits by path",
                Some("git fetch, a commit, then 2,000 more; git rev-list"),
                by_few(1.25, CHILDREN_OF_A_CHECK),
                move |bench| bench.run(&Verb::check("git"), &far_back, Container::new()),
            ),
        ]
    }

    fn gets(&self) -> Vec<Case<'_>> {
        let source = json!({ "uri": self.url, "branch": "main" });
        let shallow = json!({ "source": source, "version": { "ref": self.tip }, "params": { "depth": 1 } });
        let old = json!({ "source": source, "version": { "ref": self.long_ago }, "params": { "depth": 1 } });
        let whole = json!({ "source": source, "version": { "ref": self.tip } });
        vec![
            self.raw("git clone --depth 1", |bench| bench.clone(&["--depth", "1"])),
            self.get("get, depth 1", "git clone --depth 1", 1.25, shallow),
            self.raw("git fetch and checkout of a commit 2,000 back", |bench| bench.fetch_and_check_out("")),
            // A get fetches the tip of the branch, too, for `origin/main`.
            self.raw("the same, with the tip for origin/main", |bench| {
                bench.fetch_and_check_out("main:refs/remotes/origin/main")
            }),
            self.get("get, depth 1, 2,000 back", "the same, with the tip for origin/main", 1.15, old),
            self.raw("git clone --single-branch", |bench| bench.clone(&["--no-tags"])),
            self.get("get, whole", "git clone --single-branch", 1.1, whole),
        ]
    }

    /// Cases at the size of the largest repositories.
    fn large_cases(&self) -> Vec<Case<'_>> {
        let wide = self.server.url("wide.git");
        let get = json!({ "source": { "uri": wide, "branch": "main" }, "params": { "depth": 1 } });
        let many = self.server.url("many.git");
        let tags = json!({ "source": { "uri": many, "tag_filter": "v*" } });
        let branches = json!({ "source": { "uri": many, "version_type": "branches", "branch_regex": "team/.*" } });
        vec![
            self.raw("git clone --depth 1, 60,000 files", {
                let wide = wide.clone();
                move |bench| bench.clone_from(&wide, &["--depth", "1"])
            }),
            self.get("get, depth 1, 60,000 files", "git clone --depth 1, 60,000 files", 1.1, get),
            self.raw("git fetch, 100,000 tags", |bench| {
                let mut fetch = bench.git(&bench.mirror("many.git"));
                fetch.args(["fetch", "--quiet", "--depth=1", "--filter=tree:0", "origin", "+refs/tags/*:refs/tags/*"]);
                fetch
            }),
            self.verb(
                "check, 100,000 tags",
                Some("git fetch, 100,000 tags"),
                by_few(1.0, CHILDREN_OF_A_CHECK),
                move |bench| bench.run(&Verb::check("git"), &tags, Container::new()),
            ),
            self.raw("git ls-remote --heads, 20,000 branches", |bench| {
                let mut command = bench.git(bench.directory.path());
                command.args(["ls-remote", "--heads", &bench.server.url("many.git")]);
                command
            }),
            self.verb(
                "check, 20,000 branches",
                Some("git ls-remote --heads, 20,000 branches"),
                by_few(1.5, CHILDREN_OF_A_CHECK),
                move |bench| bench.run(&Verb::check("git"), &branches, Container::new()),
            ),
        ]
    }

    fn puts(&self) -> Vec<Case<'_>> {
        let put = json!({ "source": { "uri": self.url, "branch": "put" }, "params": { "repository": "code" } });
        vec![
            self.raw("git push", |bench| {
                bench.commit();
                let mut command = bench.git(bench.checkout.path());
                command.args(["push", "--quiet", &bench.url, "HEAD:refs/heads/pushed"]);
                command
            }),
            self.verb("put", Some("git push"), at_most(1.5), move |bench| {
                bench.commit();
                let inputs = bench.checkout.path().parent().expect("a checkout is in a directory");
                bench.run(&Verb::put("git").dir(inputs), &put, Container::new())
            }),
        ]
    }

    fn get<'a>(&'a self, name: &'static str, floor: &'static str, ratio: f64, request: Value) -> Case<'a> {
        self.verb(name, Some(floor), by_few(ratio, CHILDREN_OF_A_GET), move |bench| {
            let destination = bench.fresh_path();
            std::fs::create_dir(&destination).expect("create a destination");
            bench.run(&Verb::get("git").dir(destination), &request, Container::new())
        })
    }

    /// Fetches the commit 2,000 back and a refspec, which may be empty, and checks the commit out.
    fn fetch_and_check_out(&self, refspec: &str) -> Command {
        let path = self.fresh_path();
        let mut command = self.git(self.directory.path());
        command.env("URL", &self.url).env("COMMIT", &self.long_ago).env("PLACE", path).env("REFSPEC", refspec);
        in_shell(
            &command,
            "git init --quiet \"$PLACE\" && cd \"$PLACE\" && git fetch --quiet --depth 1 \"$URL\" $COMMIT $REFSPEC \
             && git checkout --quiet --detach \"$COMMIT\"",
        )
    }

    fn clone(&self, options: &[&str]) -> Command {
        self.clone_from(&self.url, options)
    }

    fn clone_from(&self, url: &str, options: &[&str]) -> Command {
        let mut command = self.git(self.directory.path());
        command.args(["clone", "--quiet", "--single-branch", "--branch", "main"]).args(options);
        command.arg(url).arg(self.fresh_path());
        command
    }

    fn raw<'a>(&'a self, name: &'static str, command: impl Fn(&'a Self) -> Command + 'a) -> Case<'a> {
        let prepare = move || Run::raw(command(self));
        Case { name, floor: None, limits: Limits::default(), succeeds: true, prepare: Box::new(prepare) }
    }

    fn verb<'a>(
        &'a self,
        name: &'static str,
        floor: Option<&'static str>,
        limits: Limits,
        run: impl Fn(&'a Self) -> Run + 'a,
    ) -> Case<'a> {
        Case { name, floor, limits, succeeds: true, prepare: Box::new(move || run(self)) }
    }

    fn run(&self, verb: &Verb, request: &Value, container: Container) -> Run {
        let input = self.fresh_path();
        std::fs::write(&input, request.to_string()).expect("write a request");
        Run::verb(verb, input, container)
    }

    /// The raw command, with the configuration that the resource's own git gets.
    fn git(&self, directory: &Path) -> Command {
        let verb = Verb::check("git").command(&self.container);
        let system = verb.get_envs().find(|(name, _)| *name == "GIT_CONFIG_SYSTEM").and_then(|(_, value)| value);
        let mut command = git::command(directory);
        command.env_remove("GIT_CONFIG_NOSYSTEM").env("GIT_CONFIG_SYSTEM", system.expect("the image's configuration"));
        command
    }

    /// An empty bare repository whose `origin` is one of the server's.
    fn mirror(&self, name: &str) -> PathBuf {
        let path = self.fresh_path();
        let path_text = path.to_str().expect("UTF-8");
        git::run(self.directory.path(), &["init", "--quiet", "--bare", path_text]);
        git::run(&path, &["config", "remote.origin.url", &self.server.url(name)]);
        path
    }

    /// Makes a branch on the server point somewhere else.
    fn move_branch(&self, name: &str, to: &str) {
        let repository = self.directory.path().join("large.git");
        git::run(&repository, &["update-ref", &format!("refs/heads/{name}"), to]);
    }

    /// Writes a commit that the server has under no name: each push sends one.
    fn commit(&self) {
        self.checkout.commit("Push me", &[("pushed.txt", &self.next().to_string())]);
    }

    fn next(&self) -> usize {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    fn fresh_path(&self) -> PathBuf {
        self.directory.path().join(format!("run-{}", self.next()))
    }
}

fn at_most(ratio: f64) -> Limits {
    Limits { ratio: Some(ratio), ..Limits::default() }
}

/// The same, in so few processes that nothing can be asked of one per commit or per tag.
fn by_few(ratio: f64, children: usize) -> Limits {
    Limits { children: Some(children), ..at_most(ratio) }
}

/// The commands of a script, with the environment of `command`: what people write for want of one command.
fn in_shell(command: &Command, script: &str) -> Command {
    let mut shell = Command::new("sh");
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.args(["-euc", script]).env_clear().envs(variables);
    shell
}
