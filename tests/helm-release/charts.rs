//! Charts from repositories and registries, and the plugins that they may need.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway_tests::aws::Key;
use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::registry::{Manner, PASSWORD, Registry, USER};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Response, StandIn};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{chart, check, inputs, messages, put, revisions, source, watched, with};

/// The chart as an archive with this version.
fn package(namespace: &Namespace, version: &str, directory: &Path) -> PathBuf {
    let (chart, version_argument) = (chart(), format!("--version={version}"));
    let arguments =
        ["package", chart.to_str().unwrap(), &version_argument, "--destination", directory.to_str().unwrap()];
    namespace.helm(Helm::Four, &arguments);
    directory.join(format!("demo-{version}.tgz"))
}

/// The files of a chart repository.
fn repository(namespace: &Namespace) -> TempDir {
    let directory = scratch::directory();
    for version in ["1.0.0", "1.1.0"] {
        package(namespace, version, directory.path());
    }
    namespace.helm(Helm::Four, &["repo", "index", directory.path().to_str().unwrap()]);
    directory
}

/// A server for these files, with or without a password.
///
/// "The Chart Repository Guide" (<https://helm.sh/docs/topics/chart_repository/>): any HTTP server that serves YAML and
/// tar files, with an `index.yaml` at the URL of the repository. The media types are those of RFC 9512 (2.1) and RFC
/// 6713 (3), the 401 that of RFC 7617 (2), the 404 that of RFC 9110 (15.5.5).
fn file_server(
    files: &Path,
    password: bool,
) -> impl Fn(&jetway_tests::stand_in::RecordedRequest) -> Response + Send + Sync + 'static {
    let files = files.to_owned();
    move |request| {
        let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        if password && request.header("authorization") != Some(&expected) {
            return Response::text(401, "who are you?").with("WWW-Authenticate", "Basic realm=\"charts\"");
        }
        let path = request.path().trim_start_matches('/');
        let media_type = if Path::new(path).extension().is_some_and(|ending| ending == "yaml") {
            "application/yaml"
        } else {
            "application/gzip"
        };
        match fs::read(files.join(path)) {
            Ok(content) => Response::bytes(200, media_type, content),
            Err(_) => Response::text(404, "not here"),
        }
    }
}

#[test]
fn fetches_a_version_from_a_repository_with_a_password() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let files = repository(&namespace);
        let server = StandIn::start(file_server(files.path(), true));
        // No server listens there: a put sends no request to a repository that it does not need.
        let repos = json!([
            { "name": "ours", "url": server.url(), "username": USER, "password": PASSWORD },
            { "name": "other", "url": "http://127.0.0.1:1" },
        ]);
        let source = with(source(&namespace), json!({ "repos": repos, "stable_repo": "http://127.0.0.1:1/stable" }));
        let inputs = inputs(&[]);
        let (programs, log) = watched(helm, cluster.programs(), inputs.path());
        let run = |params: Value| put(helm, &programs, &source, params, inputs.path()).run();
        let outcome = run(json!({ "chart": "ours/demo", "version": "1.0.0" }));
        assert_eq!(outcome.json()["metadata"][2]["value"], "demo-1.0.0", "{helm:?}");
        assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
        let outcome = run(json!({ "chart": "ours/demo" }));
        assert_eq!(outcome.json()["metadata"][2]["value"], "demo-1.1.0", "{helm:?}");
        assert_eq!(check(&source, revisions([1])[0].clone()).json(), revisions([1, 2]));
        assert!(!fs::read_to_string(log).unwrap().contains(PASSWORD));
        assert!(!outcome.stderr.contains(PASSWORD), "{}", outcome.stderr);

        let outcome = run(json!({ "chart": "other/demo" }));
        outcome.failed();
        let text = messages(&outcome);
        assert!(text.contains("cannot fetch the index of the repository `other`"), "{helm:?}: {text}");
        assert!(text.contains("connection refused"), "{helm:?}: {text}");
        let outcome = run(json!({ "chart": "orus/demo" }));
        outcome.failed();
        assert!(
            messages(&outcome).contains("hint: the repositories of the source are `ours`, `other`, `stable`"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn version_may_be_in_a_file() {
    let Some(cluster) = cluster() else { return };
    let namespace = cluster.namespace();
    let files = repository(&namespace);
    let wanted = "0.0.0-feature-xxx-7913-v1-f8201fe-chart-1";
    for version in [wanted, "0.0.0-feature-xxx-7913-v1-f8201fe-chart-2"] {
        package(&namespace, version, files.path());
    }
    namespace.helm(Helm::Four, &["repo", "index", files.path().to_str().unwrap()]);
    let server = StandIn::start(file_server(files.path(), false));
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let source = with(source(&namespace), json!({ "repos": [{ "name": "ours", "url": server.url() }] }));
        let inputs = inputs(&[]);
        let deploys = |version: &str, chart: &str| {
            let params = json!({ "chart": "ours/demo", "version": version });
            let outcome = put(helm, cluster.programs(), &source, params, inputs.path()).run();
            assert_eq!(outcome.json()["metadata"][2]["value"], chart, "{helm:?}");
        };
        for end in ["", "\n", "\r\n", " \n\n"] {
            fs::write(inputs.path().join("version.txt"), format!("{wanted}{end}")).unwrap();
            deploys("version.txt", &format!("demo-{wanted}"));
        }
        deploys(wanted, &format!("demo-{wanted}"));
        deploys("^1.0.0", "demo-1.1.0");
    }
}

#[test]
fn devel_accepts_a_development_version() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let files = repository(&namespace);
        package(&namespace, "2.0.0-beta.1", files.path());
        namespace.helm(Helm::Four, &["repo", "index", files.path().to_str().unwrap()]);
        let server = StandIn::start(file_server(files.path(), false));
        let source = with(source(&namespace), json!({ "repos": [{ "name": "ours", "url": server.url() }] }));
        let inputs = inputs(&[]);
        for (devel, chart) in [(false, "demo-1.1.0"), (true, "demo-2.0.0-beta.1")] {
            let params = json!({ "chart": "ours/demo", "devel": devel });
            let outcome = put(helm, cluster.programs(), &source, params, inputs.path()).run();
            assert_eq!(outcome.json()["metadata"][2]["value"], chart, "{helm:?}");
        }
    }
}

#[test]
fn trusts_the_ca_cert_of_a_repository() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let files = repository(&namespace);
        let server = StandIn::start_tls(file_server(files.path(), false));
        let inputs = inputs(&[]);
        let run = |more: Value, repository: Value| {
            let repository = with(json!({ "name": "ours", "url": server.url() }), repository);
            let source = with(with(source(&namespace), json!({ "repos": [repository] })), more);
            put(helm, cluster.programs(), &source, json!({ "chart": "ours/demo" }), inputs.path()).run()
        };
        let outcome = run(json!({}), json!({}));
        outcome.failed();
        assert!(messages(&outcome).contains("certificate"), "{helm:?}: {}", outcome.stderr);
        run(json!({}), json!({ "ca_cert": server.authority() })).succeeded();
        run(json!({ "ca_certs": [server.authority()] }), json!({})).succeeded();
        run(json!({}), json!({ "insecure": true })).succeeded();
    }
}

#[test]
fn fetches_dependencies_of_a_chart_in_the_inputs() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let files = repository(&namespace);
        let server = StandIn::start(file_server(files.path(), true));
        let repos = json!([{ "name": "ours", "url": server.url(), "username": USER, "password": PASSWORD }]);
        let source = with(source(&namespace), json!({ "repos": repos }));
        let metadata = format!(
            "apiVersion: v2\nname: whole\nversion: 2.0.0\ndependencies:\n- {{name: demo, version: 1.0.0, repository: '{}'}}\n",
            server.url()
        );
        let inputs = scratch::directory();
        fs::create_dir(inputs.path().join("whole")).unwrap();
        fs::write(inputs.path().join("whole/Chart.yaml"), metadata).unwrap();
        let outcome = put(helm, cluster.programs(), &source, json!({ "chart": "whole" }), inputs.path()).run();
        assert_eq!(outcome.json()["metadata"][2]["value"], "whole-2.0.0", "{helm:?}");
        assert!(namespace.kubectl(&["get", "deployments", "--output=name"]).contains("demo"));
    }
}

/// A chart in the inputs that depends on `demo` 1.0 from this repository.
fn whole(inputs: &Path, url: &str) -> PathBuf {
    let directory = inputs.join("whole");
    fs::create_dir(&directory).unwrap();
    let metadata = format!(
        "apiVersion: v2\nname: whole\nversion: 2.0.0\ndependencies:\n- {{name: demo, version: ^1.0.0, repository: '{url}'}}\n"
    );
    fs::write(directory.join("Chart.yaml"), metadata).unwrap();
    directory
}

#[test]
fn fetches_the_versions_of_a_lock_file_without_changing_it() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let files = repository(&namespace);
        let server = StandIn::start(file_server(files.path(), false));
        let inputs = scratch::directory();
        let directory = whole(inputs.path(), &server.url());
        // The lock file was written when 1.0.0 was the newest version.
        let later = files.path().join("demo-1.1.0.tgz");
        let aside = files.path().join("later");
        fs::rename(&later, &aside).unwrap();
        let index = || namespace.helm(Helm::Four, &["repo", "index", files.path().to_str().unwrap()]);
        index();
        namespace.helm(helm, &["dependency", "update", directory.to_str().unwrap()]);
        fs::remove_dir_all(directory.join("charts")).unwrap();
        fs::rename(&aside, &later).unwrap();
        index();
        let lock = fs::read_to_string(directory.join("Chart.lock")).unwrap();
        let deploy =
            |source: &Value| put(helm, cluster.programs(), source, json!({ "chart": "whole" }), inputs.path()).run();
        deploy(&source(&namespace)).succeeded();
        let charts = || -> Vec<_> {
            fs::read_dir(directory.join("charts"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        assert_eq!(charts(), ["demo-1.0.0.tgz"], "{helm:?}");
        assert_eq!(fs::read_to_string(directory.join("Chart.lock")).unwrap(), lock, "{helm:?}");
        // An outdated lock file is a warning.
        let newer = fs::read_to_string(directory.join("Chart.yaml")).unwrap().replace("^1.0.0", "^1.1.0");
        fs::write(directory.join("Chart.yaml"), newer).unwrap();
        let outcome = deploy(&source(&namespace));
        outcome.succeeded();
        assert!(
            messages(&outcome).contains("warning: the chart's lock file does not match its dependencies"),
            "{}",
            outcome.stderr
        );
        assert_eq!(charts(), ["demo-1.1.0.tgz"], "{helm:?}");
        assert_eq!(fs::read_to_string(directory.join("Chart.lock")).unwrap(), lock, "{helm:?}");
    }
}

#[test]
fn dependencies_in_charts_need_no_repository() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = scratch::directory();
        let directory = whole(inputs.path(), "http://127.0.0.1:1");
        fs::create_dir(directory.join("charts")).unwrap();
        package(&namespace, "1.0.0", &directory.join("charts"));
        let outcome =
            put(helm, cluster.programs(), &source(&namespace), json!({ "chart": "whole" }), inputs.path()).run();
        outcome.succeeded();
        assert!(
            messages(&outcome).contains("are in its directory `charts`: nothing is fetched\n"),
            "{}",
            outcome.stderr
        );
        assert!(!directory.join("Chart.lock").exists());
        // Without a copy in `charts/`, the repository is used.
        fs::remove_dir_all(directory.join("charts")).unwrap();
        put(helm, cluster.programs(), &source(&namespace), json!({ "chart": "whole" }), inputs.path()).run().failed();
    }
}

/// Pushes the chart to the registry, with these options for a login.
fn push(namespace: &Namespace, registry: &Registry, options: &[&str]) {
    let directory = scratch::directory();
    let archive = package(namespace, "1.0.0", directory.path());
    let config = directory.path().join("config.json");
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    fs::write(&config, json!({ "auths": { registry.host(): { "auth": auth } } }).to_string()).unwrap();
    let (address, config) = (format!("oci://{}/charts", registry.host()), config.display().to_string());
    let mut arguments = vec!["push", archive.to_str().unwrap(), &address, "--registry-config", &config];
    arguments.extend(options);
    namespace.helm(Helm::Four, &arguments);
}

#[test]
fn logs_in_to_a_private_registry() {
    let Some(cluster) = cluster() else { return };
    let registry = Registry::with(&Manner { htpasswd: true, ..Manner::default() });
    push(&cluster.namespace(), &registry, &["--plain-http"]);
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        let (programs, log) = watched(helm, cluster.programs(), inputs.path());
        let params = json!({ "chart": format!("oci://{}/charts/demo", registry.host()), "version": "1.0.0" });
        let run = |registries: Value| {
            let source = with(source(&namespace), json!({ "private_registry": registries }));
            put(helm, &programs, &source, params.clone(), inputs.path()).run()
        };
        let login = json!({ "host": registry.host(), "username": USER, "password": PASSWORD, "plain_http": true });
        let outcome = run(login.clone());
        assert_eq!(outcome.json()["metadata"][2]["value"], "demo-1.0.0", "{helm:?}");
        assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
        run(json!([{ "host": "other.example", "username": "a", "password": "bcd" }, login])).succeeded();
        assert!(!fs::read_to_string(log).unwrap().contains(PASSWORD));
        let wrong =
            run(json!({ "host": registry.host(), "username": USER, "password": "wr0ng-s3cret", "plain_http": true }));
        wrong.failed();
        assert!(!wrong.stderr.contains("wr0ng-s3cret"), "{}", wrong.stderr);
        assert!(messages(&wrong).contains("`helm upgrade` ended with exit code 1"), "{}", wrong.stderr);
    }
}

#[test]
fn trusts_ca_certs_for_a_registry() {
    let Some(cluster) = cluster() else { return };
    let registry = Registry::with(&Manner { tls: true, ..Manner::default() });
    push(&cluster.namespace(), &registry, &["--insecure-skip-tls-verify"]);
    let namespace = cluster.namespace();
    let inputs = inputs(&[]);
    let params = json!({ "chart": format!("oci://{}/charts/demo", registry.host()) });
    // Helm 3 always uses plain HTTP for localhost.
    let run = |more: Value| {
        put(Helm::Four, cluster.programs(), &with(source(&namespace), more), params.clone(), inputs.path()).run()
    };
    run(json!({})).failed();
    run(json!({ "ca_certs": [registry.authority()] })).succeeded();
    run(json!({ "private_registry": { "host": registry.host(), "insecure": true } })).succeeded();
}

#[test]
fn logs_in_to_ecr_with_a_password_of_amazon() {
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let Some(cluster) = cluster() else { return };
    // <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html>, in the protocol `AWS JSON 1.1`.
    let amazon_json =
        |status: u16, body: &Value| Response::bytes(status, "application/x-amz-json-1.1", body.to_string());
    let ecr = StandIn::start(move |request| {
        if let Err(problem) = Key::new("AKIDEXAMPLE", SECRET).has_signed(request, "eu-west-1", "ecr") {
            return amazon_json(400, &json!({ "__type": "InvalidSignatureException", "message": problem }));
        }
        let token = STANDARD.encode("AWS:s3cret-of-ecr");
        let endpoint = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let data = json!([{ "authorizationToken": token, "expiresAt": 1.7e9, "proxyEndpoint": endpoint }]);
        amazon_json(200, &json!({ "authorizationData": data }))
    });
    let namespace = cluster.namespace();
    let source = with(
        source(&namespace),
        json!({ "private_registry": { "ecr": { "region": "eu-west-1", "account_id": "123456789012" } } }),
    );
    let inputs = inputs(&[]);
    // A program instead of helm logs the credentials.
    let programs = inputs.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let program = programs.join(Helm::Four.program());
    let log = inputs.path().join("log");
    let script = format!("#!/bin/sh\ncat \"$HELM_CONFIG_HOME/registry/config.json\" >{}\nexit 1\n", log.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = |secret: &str| {
        put(Helm::Four, &programs, &source, json!({ "chart": "oci://x/y" }), inputs.path())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_ENDPOINT_URL_ECR", &ecr.url())
            .run()
    };
    run(SECRET).failed();
    let config: Value = serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
    let auth = &config["auths"]["123456789012.dkr.ecr.eu-west-1.amazonaws.com"]["auth"];
    assert_eq!(auth, &STANDARD.encode("AWS:s3cret-of-ecr"));
    let wrong = run("wr0ngXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    wrong.failed();
    assert!(messages(&wrong).contains("cannot get credentials for ECR in `eu-west-1`"), "{}", wrong.stderr);
    // The registry in the params overrides the source's keys and the worker's identity.
    fs::remove_file(&log).unwrap();
    let user = json!({ "access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET });
    let of_put = json!({ "region": "eu-west-1", "account_id": "123456789012", "profile": "charts", "user": user });
    let params = json!({ "chart": "oci://x/y", "private_registry": { "ecr": of_put } });
    put(Helm::Four, &programs, &source, params, inputs.path())
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wr0ngXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .env("AWS_ENDPOINT_URL_ECR", &ecr.url())
        .run()
        .failed();
    assert!(fs::read_to_string(&log).unwrap().contains(&STANDARD.encode("AWS:s3cret-of-ecr")));
}

#[test]
fn installs_plugins_from_the_inputs_and_from_archives() {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = cluster.namespace();
        let inputs = inputs(&[]);
        // A plugin that downloads charts with its own URL scheme.
        let plugin = inputs.path().join("plugin");
        fs::create_dir(&plugin).unwrap();
        let metadata = match helm {
            Helm::Three => {
                "name: shelf\nversion: 1.0.0\nusage: x\ndescription: x\ncommand: $HELM_PLUGIN_DIR/fetch\ndownloaders: [{command: fetch, protocols: [shelf]}]\n"
            }
            Helm::Four => {
                "apiVersion: v1\ntype: getter/v1\nname: shelf\nversion: 1.0.0\nruntime: subprocess\nconfig: {protocols: [shelf]}\n\
                 runtimeConfig: {protocolCommands: [{protocols: [shelf], platformCommand: [{command: fetch}]}]}\n"
            }
        };
        fs::write(plugin.join("plugin.yaml"), metadata).unwrap();
        let archive = package(&namespace, "1.0.0", inputs.path());
        fs::write(plugin.join("fetch"), format!("#!/bin/sh\ncat {}\n", archive.display())).unwrap();
        fs::set_permissions(plugin.join("fetch"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let packed = std::process::Command::new("tar")
            .args(["--create", "--gzip", "--file"])
            .arg(inputs.path().join("shelf-1.0.0.tar.gz"))
            .arg("--directory")
            .arg(&plugin)
            .args(["plugin.yaml", "fetch"])
            .status();
        assert!(packed.unwrap().success());
        let server = StandIn::start(file_server(inputs.path(), false));
        let run = |plugins: Value| {
            let source = with(source(&namespace), json!({ "plugins": plugins }));
            put(helm, cluster.programs(), &source, json!({ "chart": "shelf://charts/demo-1.0.0.tgz" }), inputs.path())
                .run()
        };
        run(json!([])).failed();
        let outcome = run(json!([{ "url": "plugin" }]));
        assert_eq!(outcome.json()["metadata"][2]["value"], "demo-1.0.0", "{helm:?}: {}", outcome.stderr);
        assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
        run(json!([{ "url": format!("{}/shelf-1.0.0.tar.gz", server.url()), "verify": false }])).succeeded();
        let missing = run(json!([{ "url": format!("{}/none-1.0.0.tar.gz", server.url()) }]));
        missing.failed();
        assert!(messages(&missing).contains("hint: a plugin is a directory in the inputs"), "{}", missing.stderr);
    }
}

#[test]
fn rejects_contradictory_keys() {
    let source = json!({
        "cluster_url": "http://127.0.0.1:1", "release": "demo",
        "repos": [
            { "name": "a/b", "url": "https://charts.example.com" },
            { "name": "a", "url": "oci://registry.example.com/charts", "username": "x" },
            { "name": "a", "url": "charts.example.com", "ca_cert": "x" },
        ],
        "stable_repo": "ftp://x", "plugins": [{ "url": "https://bob:s3cret@git.example.com/p" }, { "url": "-x" }],
        "private_registry": [
            { "ecr": { "region": "EU", "account_id": "12" }, "host": "x" }, { "username": "x", "password": "abc" },
            { "host": "https://x/y" },
        ],
    });
    let outcome = check(&source, Value::Null);
    outcome.failed();
    let text = messages(&outcome);
    for line in [
        "`source.repos[0].name`: expected a name: letters, digits, `-`, `_` and `.`\n",
        "`source.repos[1].url`: is the address of a registry, which has no index; write `chart: oci://registry.example.com/charts/CHART`",
        "`source.repos[1].password`: required with `username`, but missing\n",
        "`source.repos[2].name`: another repository has the same name: `a`\n",
        "`source.repos[2].url`: expected an address, `https://...`\n",
        "`source.repos[2].ca_cert`: expected certificates in PEM form",
        "`source.stable_repo`: expected an address, `https://...`\n",
        "`source.plugins[0].url`: must not contain a password or a token",
        "`source.plugins[1].url`: must not begin with `-`\n",
        "`source.private_registry[0].host`: conflicts with `ecr`; remove one\n",
        "`source.private_registry[0].ecr.region`: expected the name of a region",
        "`source.private_registry[0].ecr.account_id`: expected 12 digits",
        "`source.private_registry[1].host`: required, but missing; set `ecr` instead",
        "`source.private_registry[2].host`: expected a host without a scheme and a path",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}
