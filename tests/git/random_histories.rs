//! Random histories with merges and tags: a check returns the same versions as git lists.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use jetway_tests::git;
use jetway_tests::repository::Repository;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{check_in, refs, with};
use jetway_tests::verb::{Container, Verb};

const BRANCHES: [&str; 3] = ["main", "left", "right"];
const FILES: [&str; 4] = ["a/x", "a/y.md", "b/x", "c"];
const SUBJECTS: [&str; 3] = ["feat: more", "fix: less", "chore: other"];

#[derive(Debug, Clone)]
enum Step {
    Commit { branch: usize, file: usize, subject: usize, minutes: u64 },
    Merge { into: usize, from: usize, minutes: u64 },
    Tag { at: usize, is_annotated: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let (branch, minutes) = (0..BRANCHES.len(), 0..3_u64);
    prop_oneof![
        6 => (branch.clone(), 0..FILES.len(), 0..SUBJECTS.len(), minutes.clone())
            .prop_map(|(branch, file, subject, minutes)| Step::Commit { branch, file, subject, minutes }),
        2 => (branch.clone(), branch, minutes).prop_map(|(into, from, minutes)| Step::Merge { into, from, minutes }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, is_annotated)| Step::Tag { at, is_annotated }),
    ]
}

/// Creates the repository of the steps. The other branches begin at the first commit of `main`.
fn make_repository(steps: &[Step]) -> Repository {
    let repository = Repository::new();
    let mut stream = String::new();
    let (mut marks, mut tags, mut now) = (1, 0, git::FIRST_COMMIT);
    let who = format!("{} <{}>", git::IDENTITY.0, git::IDENTITY.1);
    write!(
        stream,
        "commit refs/heads/main\nmark :1\ncommitter {who} {now} +0000\ndata 5\nfirst\nM 100644 inline a/x\ndata 1\n0\n\n"
    )
    .expect("a string");
    let mut tips = [1; BRANCHES.len()];
    for step in steps {
        match *step {
            Step::Commit { branch, file, subject, minutes } => {
                (marks, now) = (marks + 1, now + 60 * minutes);
                let (branch_name, subject, content) = (BRANCHES[branch], SUBJECTS[subject], marks.to_string());
                write!(
                    stream,
                    "commit refs/heads/{branch_name}\nmark :{marks}\ncommitter {who} {now} +0000\ndata {}\n{subject}\n\
                     from :{}\nM 100644 inline {}\ndata {}\n{content}\n\n",
                    subject.len(),
                    tips[branch],
                    FILES[file],
                    content.len()
                )
                .expect("a string");
                tips[branch] = marks;
            }
            Step::Merge { into, from, minutes } if tips[into] != tips[from] => {
                (marks, now) = (marks + 1, now + 60 * minutes);
                write!(
                    stream,
                    "commit refs/heads/{}\nmark :{marks}\ncommitter {who} {now} +0000\ndata 5\nmerge\nfrom :{}\nmerge :{}\n\
                     M 100644 inline merged\ndata 1\n0\n\n",
                    BRANCHES[into], tips[into], tips[from]
                )
                .expect("a string");
                tips[into] = marks;
            }
            Step::Merge { .. } => {}
            Step::Tag { at, is_annotated } => {
                let commit = at % marks + 1;
                tags += 1;
                let name = format!("v{}", tags * 7 % 31);
                if is_annotated {
                    writeln!(stream, "tag {name}\nfrom :{commit}\ntagger {who} {now} +0000\ndata 1\nt")
                        .expect("a string");
                } else {
                    writeln!(stream, "reset refs/tags/{name}\nfrom :{commit}\n").expect("a string");
                }
            }
        }
    }
    let arguments = ["fast-import", "--quiet", "--force", "--date-format=raw"];
    let mut child =
        git::command(repository.path()).args(arguments).stdin(Stdio::piped()).spawn().expect("start git fast-import");
    child.stdin.take().expect("a pipe").write_all(stream.as_bytes()).expect("write to git fast-import");
    assert!(child.wait().expect("wait for git fast-import").success(), "{stream}");
    repository
}

/// The lines of the output of git.
fn lines(repository: &Repository, arguments: &[&str]) -> Vec<String> {
    repository.git(arguments).lines().map(str::to_owned).collect()
}

fn hold<T: std::fmt::Debug>(cases: u32, strategy: impl Strategy<Value = T>, law: impl Fn(T)) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let law = |value| {
        law(value);
        Ok(())
    };
    TestRunner::new(config).run(&strategy, law).expect("the law holds");
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 3..25)
}

#[test]
fn commits_agree_with_git_rev_list() {
    let filters = prop::sample::select(vec![
        (vec![], json!({})),
        (vec!["--", "a"], json!({ "paths": ["a"] })),
        (vec!["--", "*x"], json!({ "paths": ["*x"] })),
        (vec!["--", "a", ":(exclude)*.md"], json!({ "paths": ["a"], "ignore_paths": ["*.md"] })),
        (vec!["--grep=^f", "--grep=merge"], json!({ "commit_filter": { "include": ["^f", "merge"] } })),
        (
            vec!["--invert-grep", "--grep=fix", "--", "b"],
            json!({ "commit_filter": { "exclude": ["fix"] }, "paths": ["b"] }),
        ),
    ]);
    hold(12, (steps(), filters, any::<usize>()), |(steps, (arguments, keys), known): (_, (Vec<&str>, Value), _)| {
        let repository = make_repository(&steps);
        let source = with(json!({ "uri": repository.file_url(), "branch": "main", "version_depth": 99 }), keys);
        let list = |range: &str| {
            lines(&repository, &[&["rev-list", "--first-parent", "--reverse", range], arguments.as_slice()].concat())
        };
        let container = Container::new();
        assert_eq!(refs(&check_in(&container, &source, None)), list("main"));
        let chain = lines(&repository, &["rev-list", "--first-parent", "main"]);
        let known = &chain[known % chain.len()];
        let expected: Vec<String> = [known.clone()].into_iter().chain(list(&format!("{known}..main"))).collect();
        for container in [container, Container::new()] {
            assert_eq!(refs(&check_in(&container, &source, Some(known))), expected);
        }
    });
}

#[test]
fn tags_agree_with_git_tag() {
    let keys =
        prop::sample::select(vec![json!({}), json!({ "branch": "main" }), json!({ "branch": "left", "paths": ["a"] })]);
    let with_tags = steps().prop_map(|mut steps| {
        steps.push(Step::Tag { at: 0, is_annotated: false });
        steps
    });
    hold(12, (with_tags, keys, any::<usize>()), |(steps, keys, known)| {
        let repository = make_repository(&steps);
        if repository.git(&["branch", "--list", "left"]).is_empty() && keys["branch"] == "left" {
            return;
        }
        let source =
            with(json!({ "uri": repository.file_url(), "tag_filter": "v*", "version_depth": 99 }), keys.clone());
        let mut arguments = vec!["tag", "--list", "v*", "--sort=creatordate"];
        if let Some(branch) = keys["branch"].as_str() {
            arguments.extend(["--merged", branch]);
        }
        let all = lines(&repository, &arguments);
        let changes = |tag: &String| {
            let commit = repository.resolve(&format!("{tag}^{{commit}}"));
            let newest = repository.git(&["rev-list", "--first-parent", "-1", &commit, "--", "a"]);
            keys["paths"].is_null() || newest == commit
        };
        let container = Container::new();
        let expected: Vec<String> = all.iter().filter(|tag| changes(tag)).cloned().collect();
        assert_eq!(refs(&check_in(&container, &source, None)), expected);
        if all.is_empty() {
            return;
        }
        let (known, newer) = all[known % all.len()..].split_first().expect("a tag");
        let version = json!({ "ref": known, "commit": repository.resolve(&format!("{known}^{{commit}}")) });
        let outcome = Verb::check("git").request(&json!({ "source": source, "version": version })).run();
        let newer = newer.iter().filter(|tag| changes(tag));
        assert_eq!(refs(&outcome), [known].into_iter().chain(newer).cloned().collect::<Vec<_>>());
        assert_eq!(outcome.json()[0], version);
    });
}

#[test]
fn tag_ancestors_agree_with_git_rev_list() {
    hold(8, (steps(), any::<usize>()), |(mut steps, known): (Vec<Step>, usize)| {
        steps.push(Step::Tag { at: known, is_annotated: true });
        let repository = make_repository(&steps);
        let source = json!({
            "uri": repository.file_url(), "branch": "main", "tag_regex": "v[0-9]+",
            "tag_behaviour": "match_tag_ancestors", "version_depth": 99,
        });
        let tags = lines(&repository, &["tag", "--list", "v*", "--merged", "main"]);
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let outcome = Verb::check("git").request(&json!({ "source": source, "version": null })).run();
        if tags.is_empty() {
            assert_eq!(refs(&outcome), Vec::<String>::new());
            return;
        }
        let before = lines(&repository, &[&["rev-list"], tags.as_slice()].concat());
        let mut chains = lines(&repository, &[&["rev-list", "--first-parent", "main"], tags.as_slice()].concat());
        chains.retain(|commit| before.contains(commit));
        let mut found = refs(&outcome);
        // Versions are in topological order: parents come before children.
        for (index, commit) in found.iter().enumerate() {
            let older = lines(&repository, &["rev-list", commit]);
            assert!(found[index + 1..].iter().all(|later| !older.contains(later)), "{found:?}");
        }
        found.sort();
        chains.sort();
        assert_eq!(found, chains);
    });
}
