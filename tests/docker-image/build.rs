//! put with `build`: the params, and the resulting image in the registry.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use jetway_tests::engine::{self, BASE, Images, docker};
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::scratch;
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{merge, source};

/// A put with this machine's engine.
pub(crate) fn put(source: &Value, params: &Value, inputs: &Path) -> Outcome {
    by_engine(source, params, inputs).run()
}

pub(crate) fn by_engine(source: &Value, params: &Value, inputs: &Path) -> Verb {
    let mut source = source.clone();
    merge(&mut source, json!({ "docker_host": format!("unix://{}", engine::SOCKET) }));
    let socket = format!("{0}:{0}", engine::SOCKET);
    Verb::put("docker-image")
        .request(&json!({ "source": source, "params": params }))
        .dir(inputs)
        .docker_arguments(["--volume", &socket])
}

/// A directory of inputs with these files.
pub(crate) fn inputs(files: &[(&str, &str)]) -> TempDir {
    let root = scratch::directory();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.replace("BASE", BASE)).unwrap();
    }
    root
}

/// The output of a command in a container of the pushed image, which the engine has to pull.
pub(crate) fn run(image: &str, command: &[&str]) -> String {
    let (repository, _) = image.rsplit_once(':').unwrap();
    Images::of(repository).remove();
    docker(&["pull", "--quiet", image]);
    let mut arguments = vec!["run", "--rm", "--network", "none", image];
    arguments.extend(command);
    docker(&arguments)
}

#[test]
fn builds_pushes_and_reuses_its_cache() {
    if !engine::require() {
        return;
    }
    for (builder, first_said, step, none, all) in [
        ("1", "ERROR: ", "[3/3] RUN sh /app > /made", "0 of 2", "2 of 2"),
        ("0", "no cache from", "Step 3/4 : RUN sh /app > /made", "0 of 3", "3 of 3"),
    ] {
        let registry = Registry::with(&Manner { htpasswd: true, ..Manner::default() });
        let repository = registry.repository("gcr/artifact-app");
        let _images = Images::of(&repository);
        let source = source(&registry, "gcr/artifact-app", json!({ "username": USER, "password": PASSWORD }));
        // All tests share the engine's cache: the marker makes the steps unique.
        let recipe = "FROM BASE\nCOPY app /app\nRUN sh /app > /made\nCMD [\"cat\", \"/made\"]\n";
        let inputs = inputs(&[
            ("artifact-app/Dockerfile", recipe),
            ("artifact-app/app", &format!("echo made by $0 # {repository}\n")),
            ("metadata/short-commit-hash", "abc1234\n"),
        ]);
        let params = json!({
            "build": "artifact-app/", "cache": true, "cache_tag": "latest", "docker_buildkit": builder,
            "tag": "metadata/short-commit-hash", "tag_as_latest": true,
        });
        let first = put(&source, &params, inputs.path());
        let answer = first.json();
        let digest = answer["version"]["digest"].as_str().unwrap().to_owned();
        assert_eq!(answer["version"], json!({ "digest": digest }));
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        assert_eq!(answer["metadata"][0]["name"], "image");
        assert_eq!(answer["metadata"][0]["value"].as_str().unwrap().len(), 12);
        assert!(first.stderr.contains(first_said), "{}", first.stderr);
        assert!(first.stderr.contains(step), "{}", first.stderr);
        assert!(first.stderr.contains(&format!("cached steps: {none}")), "{}", first.stderr);
        assert!(!first.stderr.contains(PASSWORD) && !first.stderr.contains("{\""), "{}", first.stderr);
        assert_eq!(first.leftovers(), Vec::<std::path::PathBuf>::new());

        // Another worker: its engine has no images.
        Images::of(&repository).remove();
        let second = put(&source, &params, inputs.path());
        let again = second.json()["version"]["digest"].clone();
        // BuildKit's cache metadata in the image may change when the cache is used for the first time.
        assert!(builder == "1" || again == digest, "{again}");
        assert!(second.stderr.contains(&format!("cached steps: {all}")), "{}", second.stderr);

        Images::of(&repository).remove();
        let login = scratch::directory();
        let config = login.path().to_str().unwrap();
        docker(&["--config", config, "login", "--username", USER, "--password", PASSWORD, &registry.host()]);
        for tag in ["abc1234", "latest"] {
            let image = format!("{repository}:{tag}");
            docker(&["--config", config, "pull", "--quiet", &image]);
            assert_eq!(docker(&["run", "--rm", "--network", "none", &image]), "made by /app", "{tag}");
        }
    }
}

#[test]
fn reads_args_labels_and_stage_from_params_and_files() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("args");
    let _images = Images::of(&repository);
    let inputs = inputs(&[
        (
            "ci/Dockerfile.app",
            "FROM BASE AS app\nARG NAME\nARG NUMBER\nARG LIST\nARG FROM_FILE\nARG BUILD\nARG http_proxy\nCOPY x /x\n\
             RUN echo \"$NAME|$NUMBER|$LIST|$FROM_FILE|$BUILD|$http_proxy\" > /args\nFROM app AS never\nRUN false\n",
        ),
        ("app/x", "x"),
        ("args.json", r#"{"NAME": "from $BUILD_NAME", "FROM_FILE": true}"#),
        ("labels.json", r#"{"b": "2", "c": 3}"#),
        ("text", "some text\n"),
        ("tags", "one two\nthree\n"),
        ("version", "1.2\n"),
    ]);
    let params = json!({
        "build": "app", "dockerfile": "ci/Dockerfile.app", "target_name": "app",
        "build_args": { "NAME": "loses", "NUMBER": 1.10, "LIST": ["a"], "FROM_FILE": { "file": "text" },
            "BUILD": "$BUILD_NAME of ${BUILD_JOB_NAME} $HOME" },
        "build_args_file": "args.json",
        "labels": { "a": "$BUILD_NAME", "b": "1" }, "labels_file": "labels.json",
        "tag_file": "version", "tag_prefix": "v", "additional_tags": "tags",
    });
    let verb = by_engine(&source(&registry, "args", json!({})), &params, inputs.path());
    let outcome = verb.env("HTTP_PROXY", "http://proxy.example:3128").env("NO_PROXY", "localhost").run();
    assert_eq!(outcome.json()["metadata"][2]["value"], "v1.2 one two three");
    let printed = run(&format!("{repository}:three"), &["cat", "/args"]);
    assert_eq!(printed, "from $BUILD_NAME|1.1|[\"a\"]|true|42 of build $HOME|http://proxy.example:3128");
    let labels = docker(&["inspect", "--format", "{{json .Config.Labels}}", &format!("{repository}:three")]);
    let labels: Value = serde_json::from_str(&labels).unwrap();
    assert_eq!(labels, json!({ "a": "$BUILD_NAME", "b": "2", "c": "3" }));
    for tag in ["v1.2", "one", "two", "three"] {
        docker(&["pull", "--quiet", &format!("{repository}:{tag}")]);
    }
}

/// A build context with names, links and modes of every kind, and a Dockerfile that lists them.
fn strange_context(dockerfile: &str) -> TempDir {
    let root = inputs(&[
        (dockerfile, "FROM BASE\nCOPY . /c\nRUN cd /c && find . | sort > /list && ls -l exec | cut -c1-10 >> /list\n"),
        (
            "app/.dockerignore",
            "# a comment\nnode_modules\n!node_modules/keep\n**/*.log\n!important.log\nDockerfile*\n.dockerignore\n",
        ),
        ("app/node_modules/a/index.js", ""),
        ("app/node_modules/keep/index.js", ""),
        ("app/deep/er/x.log", ""),
        ("app/important.log", ""),
        ("app/exec", "#!/bin/sh\n"),
        ("app/name with ü and spaces", ""),
        (&format!("app/{}/{}", "d".repeat(110), "f".repeat(120)), ""),
        ("outside", "secret"),
    ]);
    let app = root.path().join("app");
    symlink("../../etc/passwd", app.join("link")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o751);
    fs::set_permissions(app.join("exec"), mode).unwrap();
    fs::File::create(app.join("hole")).unwrap().set_len(64 * 1024 * 1024).unwrap();
    root
}

/// The content of that image, which is the same for both builders.
pub(crate) fn strange_contents() -> String {
    let (long, name) = ("d".repeat(110), "f".repeat(120));
    let all = [
        ".",
        &format!("./{long}"),
        &format!("./{long}/{name}"),
        "./deep",
        "./deep/er",
        "./exec",
        "./hole",
        "./important.log",
        "./link",
        "./name with ü and spaces",
        "./node_modules",
        "./node_modules/keep",
        "./node_modules/keep/index.js",
    ];
    format!("{}\n-rwxr-x--x", all.join("\n"))
}

#[test]
fn context_omits_ignored_files_and_keeps_all_others() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    for (builder, repository) in [("0", "ignored-classic"), ("1", "ignored-kit")] {
        for (dockerfile, more) in
            [("app/Dockerfile", json!({})), ("ci/Dockerfile", json!({ "dockerfile": "ci/Dockerfile" }))]
        {
            let name = registry.repository(repository);
            let _images = Images::of(&name);
            let inputs = strange_context(dockerfile);
            let mut params = json!({ "build": "app", "docker_buildkit": builder });
            merge(&mut params, more);
            put(&source(&registry, repository, json!({})), &params, inputs.path()).succeeded();
            assert_eq!(run(&format!("{name}:latest"), &["cat", "/list"]), strange_contents(), "{builder} {dockerfile}");
        }
    }
}

#[test]
fn ignore_file_next_to_the_dockerfile_has_precedence() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let inputs = inputs(&[
        ("app/special.dockerfile", "FROM BASE\nCOPY . /c\nRUN ls /c > /list\n"),
        ("app/special.dockerfile.dockerignore", "b\n*.dockerfile*\n"),
        ("app/.dockerignore", "a\n"),
        ("app/a", ""),
        ("app/b", ""),
    ]);
    for (builder, repository) in [("0", "beside-classic"), ("1", "beside-kit")] {
        let name = registry.repository(repository);
        let _images = Images::of(&name);
        let params = json!({ "build": "app", "dockerfile": "app/special.dockerfile", "docker_buildkit": builder });
        put(&source(&registry, repository, json!({})), &params, inputs.path()).succeeded();
        assert_eq!(run(&format!("{name}:latest"), &["cat", "/list"]), "a", "{builder}");
    }
}

/// The Dockerfile and `.dockerignore` may be links, and a context may contain sockets and pipes.
#[test]
fn accepts_links_sockets_and_pipes_in_a_context() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let recipe = "FROM BASE\nCOPY . /c\nRUN cd /c && find . -type f | sort > /list\n";
    for (builder, repository) in [("0", "links-classic"), ("1", "links-kit")] {
        let name = registry.repository(repository);
        for (target, more) in [
            ("Dockerfile.prod", json!({})),
            ("../ci/Dockerfile", json!({})),
            ("Dockerfile.prod", json!({ "dockerfile": "ci/Dockerfile" })),
        ] {
            let _images = Images::of(&name);
            let inputs = inputs(&[
                ("app/Dockerfile.prod", recipe),
                ("ci/Dockerfile", recipe),
                ("app/ignored", "secret\nDockerfile*\n.dockerignore\nignored\n"),
                ("app/secret", "s"),
                ("app/kept", "k"),
                ("app/run/pid", "1"),
            ]);
            let app = inputs.path().join("app");
            symlink(target, app.join("Dockerfile")).unwrap();
            symlink("ignored", app.join(".dockerignore")).unwrap();
            let _socket = UnixListener::bind(app.join("run/socket")).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, app.join("run/pipe"), rustix::fs::Mode::RUSR).unwrap();
            let mut params = json!({ "build": "app", "docker_buildkit": builder });
            merge(&mut params, more);
            put(&source(&registry, repository, json!({})), &params, inputs.path()).succeeded();
            let list = run(&format!("{name}:latest"), &["cat", "/list"]);
            assert_eq!(list, "./kept\n./run/pid", "{builder} {target}");
        }
    }
}

#[test]
fn finds_context_by_every_spelling_of_its_path() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let name = registry.repository("spelling");
    let inputs = inputs(&[
        ("app/Dockerfile", "FROM BASE\nCOPY kept /\n"),
        ("app/kept", "k"),
        ("ci/Dockerfile", "FROM BASE\nCOPY app/kept /\n"),
    ]);
    symlink("app", inputs.path().join("link")).unwrap();
    for (context, dockerfile) in [
        (".", Some("ci/Dockerfile")),
        ("./", Some("./ci/Dockerfile")),
        ("app/", None),
        ("app/../app", None),
        ("link", None),
    ] {
        let _images = Images::of(&name);
        let mut params = json!({ "build": context });
        if let Some(dockerfile) = dockerfile {
            params["dockerfile"] = json!(dockerfile);
        }
        put(&source(&registry, "spelling", json!({})), &params, inputs.path()).succeeded();
        assert_eq!(run(&format!("{name}:latest"), &["cat", "/kept"]), "k", "{context}");
    }
}

#[test]
fn uses_bases_and_caches_from_directories_of_a_get() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("bases");
    let _images = [Images::of(&repository), Images::of("jetway-tests/loaded")];
    let inputs = inputs(&[
        ("app/Dockerfile", "FROM jetway-tests/loaded:one\nRUN echo x > /x\n"),
        ("base/repository", "jetway-tests/loaded\n"),
        ("base/tag", "one\n"),
    ]);
    docker(&["tag", BASE, "jetway-tests/saved:two"]);
    let archive = inputs.path().join("base/image");
    docker(&["save", "--output", archive.to_str().unwrap(), "jetway-tests/saved:two"]);
    let id = docker(&["inspect", "--format", "{{.Id}}", BASE]);
    docker(&["rmi", "jetway-tests/saved:two"]);
    fs::write(inputs.path().join("base/image-id"), format!("{id}\n")).unwrap();
    let source = source(&registry, "bases", json!({}));
    let params =
        json!({ "build": "app", "load_bases": ["base"], "cache_from": ["base", format!("{repository}:none")] });
    let outcome = put(&source, &params, inputs.path());
    outcome.succeeded();
    assert_eq!(run(&format!("{repository}:latest"), &["cat", "/x"]), "x");
    let params = json!({ "build": "app", "load_base": "app" });
    let refused = put(&source, &params, inputs.path());
    assert!(refused.failed().stderr.contains("`app` has no file `image`"), "{}", refused.stderr);
}

#[test]
fn base_in_private_registry_uses_its_own_credentials() {
    if !engine::require() {
        return;
    }
    let private = Registry::with(&Manner { htpasswd: true, ..Manner::default() });
    let public = Registry::start();
    let base = private.repository("team/base");
    let login = scratch::directory();
    let config = login.path().to_str().unwrap();
    docker(&["--config", config, "login", "--username", USER, "--password", PASSWORD, &private.host()]);
    docker(&["tag", BASE, &format!("{base}:1")]);
    docker(&["--config", config, "push", "--quiet", &format!("{base}:1")]);
    let inputs = inputs(&[("app/Dockerfile", &format!("FROM {base}:1\nRUN echo {base} > /x\n"))]);
    for builder in ["0", "1"] {
        let repository = public.repository(&format!("built-{builder}"));
        let _images = [Images::of(&repository), Images::of(&base)];
        // The engine does not pull an image that it has.
        Images::of(&base).remove();
        let params = json!({ "build": "app", "docker_buildkit": builder });
        let known = json!([{ "registry": private.host(), "username": USER, "password": PASSWORD }]);
        let keys =
            json!({ "additional_private_registries": known, "username": "another", "password": "an0ther-s3cret" });
        let outcome = put(&source(&public, &format!("built-{builder}"), keys), &params, inputs.path());
        outcome.succeeded();
        assert_eq!(run(&format!("{repository}:latest"), &["cat", "/x"]), base);
        assert!(!outcome.stderr.contains(PASSWORD), "{}", outcome.stderr);
    }
    // Without credentials nothing is fetched, and the error names the image.
    for builder in ["0", "1"] {
        let stranger = private.repository(&format!("team/other-{builder}"));
        let inputs = crate::build::inputs(&[("app/Dockerfile", &format!("FROM {stranger}:1\nLABEL a=b\n"))]);
        let params = json!({ "build": "app", "docker_buildkit": builder });
        let outcome = put(&source(&public, "none", json!({})), &params, inputs.path());
        outcome.failed();
        assert!(outcome.stderr.contains(&format!("{stranger}:1")), "{}", outcome.stderr);
    }
}
