//! What the documentation says is what the code does: tables come from the types, examples are valid pipelines.
//!
//! `make docs` (`JETWAY_UPDATE_DOCS=1`) writes the tables anew instead of comparing them.
#![allow(clippy::expect_used, clippy::panic, reason = "test code: an unexpected value must fail the test at once")]

mod published;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jetway::docs;
use jetway_tests::{binaries, scratch};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").to_owned()
}

/// The README of each crate that has one, and the workspace's own.
fn readmes() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("resources")).expect("list the crates").flatten();
    let mut readmes: Vec<PathBuf> = crates.map(|entry| entry.path().join("README.md")).collect();
    readmes.push(root().join("README.md"));
    readmes.retain(|path| path.exists());
    readmes.sort();
    readmes
}

/// All pages: the READMEs, those in `docs`, and those beside the workspace's own README.
fn pages() -> Vec<PathBuf> {
    let folders = [root(), root().join("docs"), root().join("examples/releases")];
    let listed = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("list a folder").flatten());
    let mut pages: Vec<PathBuf> = listed.map(|entry| entry.path()).chain(readmes()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.dedup();
    pages
}

/// The folder of a type: two of them are one crate.
fn folder(kind: &str) -> &str {
    if kind == "registry-image" { "docker-image" } else { kind }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The blocks of a language, each with the number of the line after its fence.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    // How far a block that has begun is indented, as one in a list is.
    let mut inside = None;
    for (number, line) in text.lines().enumerate() {
        let content = line.trim_start();
        if inside.is_some() && content.starts_with("```") {
            inside = None;
        } else if let Some(indent) = inside {
            let (_, block) = blocks.last_mut().expect("a block has begun");
            block.push_str(line.get(indent..).unwrap_or(content));
            block.push('\n');
        } else if content == format!("```{language}") {
            inside = Some(line.len() - content.len());
            blocks.push((number + 2, String::new()));
        }
    }
    blocks
}

#[test]
fn parameter_tables_are_those_of_the_types() {
    for kind in jetway_cli::types() {
        let path = root().join("resources").join(folder(kind.name())).join("README.md");
        let text = read(&path);
        let filled = docs::fill(&kind, &text).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        if std::env::var_os("JETWAY_UPDATE_DOCS").is_some() {
            fs::write(&path, filled).expect("write the README");
        } else {
            assert!(text == filled, "{} is out of date: `make docs` writes it anew", path.display());
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(linked.exists(), "{}: there is no {file}", page.display());
            let anchors =
                || read(&linked).lines().filter_map(|line| line.strip_prefix('#')).map(anchor).collect::<Vec<_>>();
            assert!(heading.is_empty() || anchors().contains(&heading.to_owned()), "{}: {target}", page.display());
        }
    }
}

/// The name that a heading has in links.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

#[test]
fn every_key_has_a_word_of_documentation() {
    for kind in jetway_cli::types() {
        for part in [jetway::Part::Source, jetway::Part::GetParams, jetway::Part::PutParams, jetway::Part::Version] {
            let schema = kind.schema(part);
            let properties = schema["properties"].as_object().expect("a part has properties");
            for (key, property) in properties {
                assert!(property["description"].is_string(), "{} {part:?}: `{key}` is not documented", kind.name());
            }
        }
    }
}

#[test]
fn examples_are_valid_pipelines() {
    let directory = scratch::directory();
    for readme in pages() {
        for (line, block) in blocks(&read(&readme), "yaml") {
            let pipeline = whole_pipeline(&block, &readme);
            let file = directory.path().join("pipeline.yml");
            fs::write(&file, &pipeline).expect("write the pipeline");
            let output = Command::new(binaries::named("jetway"))
                .args([Path::new("validate"), &file])
                .output()
                .expect("run jetway validate");
            let messages =
                String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{}:{line}: {messages}", readme.display());
        }
    }
}

#[test]
fn the_pipelines_of_the_repository_are_valid() {
    let pipelines = fs::read_dir(root().join("tests/pipelines"))
        .expect("the pipelines")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .chain([root().join("ci/pipeline.yml")]);
    let output =
        Command::new(binaries::named("jetway")).arg("validate").args(pipelines).output().expect("run jetway validate");
    let messages = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && messages.contains("no problems"), "{messages}");
}

/// A real Concourse cannot run everywhere, so that what brings one up is held to what it is about.
#[test]
fn the_concourse_that_make_brings_up_is_given_what_there_is() {
    let folder = root().join("tests/concourse");
    let compose: Value = serde_saphyr::from_str(&read(&folder.join("compose.yml"))).expect("YAML");
    let volumes = compose["services"]["concourse"]["volumes"].as_array().expect("a list");
    let expected = ["git", "docker-image", "registry-image"]
        .map(|kind| format!("../../target/bundles/{kind}:/usr/local/concourse/resource-types/{kind}:ro"));
    assert_eq!(volumes.iter().map(|volume| volume.as_str().expect("text")).collect::<Vec<_>>(), expected);
    let registry = json!({ "registry": "registry:5000" });
    let vars: Value = serde_saphyr::from_str(&read(&folder.join("vars.example.yml"))).expect("YAML");
    let pipelines =
        ["base-types", "delivery", "legacy"].map(|name| (root().join(format!("tests/pipelines/{name}.yml")), &vars));
    for (file, vars) in pipelines.into_iter().chain([(folder.join("smoke.yml"), &registry)]) {
        let vars = vars.as_object().expect("keys and values");
        jetway_cli::resolved(&file, vars).unwrap_or_else(|problem| panic!("{problem}"));
    }
    let validated = Command::new(binaries::named("jetway")).arg("validate").arg(folder.join("smoke.yml")).output();
    let messages = String::from_utf8_lossy(&validated.expect("run jetway validate").stdout).into_owned();
    assert!(messages.contains("no problems") && messages.contains("3 of 3"), "{messages}");
}

#[test]
fn editors_find_the_mistakes_of_a_source_and_none_in_the_examples() {
    let directory = scratch::directory();
    let mut jetway = Command::new(binaries::named("jetway"));
    let status = jetway.args(["schema", "--all"]).arg(directory.path()).status().expect("run jetway schema");
    assert!(status.success());
    let schema = |name: &str| {
        let text = read(&directory.path().join(format!("{name}.json")));
        let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}.json: {error}"))
    };
    for kind in jetway_cli::types() {
        let nothing = json!({ "source": {}, "unknown": {} });
        assert!(!schema(kind.name()).is_valid(&nothing), "{}", kind.name());
    }
    let pipelines = schema("pipeline");
    let mistakes = |pipeline: &str| -> Vec<String> {
        let pipeline: Value = serde_saphyr::from_str(pipeline).expect("YAML");
        pipelines.iter_errors(&pipeline).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    for readme in pages() {
        for (line, block) in blocks(&read(&readme), "yaml") {
            let found = mistakes(&whole_pipeline(&block, &readme));
            assert!(found.is_empty(), "{}:{line}: {found:#?}", readme.display());
        }
    }
    for (source, expected) in [
        ("type: git, source: {url: x}", "/resources/0/source"),
        ("type: git", "/resources/0: \"source\" is a required property"),
        ("type: jetway-slack, source: {url: x, channel: [1]}", "/resources/0/source"),
        ("type: registry-image, source: {repository: x, semver_constraint: {}}", "/resources/0/source"),
    ] {
        let found = mistakes(&format!("resources: [{{name: it, {source}}}]"));
        assert!(found.iter().any(|mistake| mistake.starts_with(expected)), "{source}: {found:#?}");
    }
    for fine in ["type: time", "type: git, source: ((source))", "type: s3, source: {bucket: x}"] {
        assert_eq!(mistakes(&format!("resources: [{{name: it, {fine}}}]")), Vec::<String>::new(), "{fine}");
    }
    // A name of ours may be somebody else's in a pipeline, and a type may give its resources what they need.
    for (definition, is_held) in [
        ("source: {repository: somebody/slack-resource}", false),
        ("source: {repository: registry.example.com/jetway-slack}", true),
        ("source: {repository: ((host))/jetway-slack}, defaults: {url: ((url))}", false),
    ] {
        let pipeline = format!(
            "resource_types: [{{name: slack, type: registry-image, {definition}}}]\n\
             resources: [{{name: it, type: slack, source: {{anything: goes}}}}]"
        );
        assert_eq!(mistakes(&pipeline).is_empty(), !is_held, "{definition}");
    }
}

/// A piece of a plan or of resources becomes a pipeline that it could stand in.
fn whole_pipeline(block: &str, readme: &Path) -> String {
    let kind = readme.parent().and_then(Path::file_name).expect("a README is in a folder").to_string_lossy();
    let indented = format!("  {}\n", block.trim_end().replace('\n', "\n  "));
    if block.starts_with("- put: ") || block.starts_with("- get: ") {
        let name = block.lines().next().and_then(|line| line.get(7..)).unwrap_or_default().trim();
        format!(
            "resources:\n- {{name: {name}, type: {kind}, source: ((source))}}\njobs:\n- name: job\n  plan:\n{indented}"
        )
    } else {
        block.to_owned()
    }
}

#[test]
fn every_type_is_in_the_readme_and_in_the_map() {
    let (readme, map) = (read(&root().join("README.md")), read(&root().join("ARCHITECTURE.md")));
    for kind in jetway_cli::types() {
        assert!(
            readme.contains(&format!("resources/{}/README.md", folder(kind.name()))),
            "README.md lacks {}",
            kind.name()
        );
        assert!(map.contains(&format!("jetway-{}", kind.name())), "ARCHITECTURE.md lacks {}", kind.name());
    }
}
