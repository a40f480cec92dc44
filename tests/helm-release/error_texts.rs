//! The texts by which errors are recognised: the real helm and the real API server print them.

use std::fs;
use std::path::Path;

use jetway_helm_release::error_texts::{ERROR_TEXTS, KnownError};
use jetway_tests::kubernetes::{Helm, Namespace, cluster};
use jetway_tests::scratch;
use serde_json::Value;
use tempfile::TempDir;

use crate::crds::Kind;
use crate::recovery::Deploying;
use crate::support::{FAILS, add_hook, inputs, noise, wait_for_status};

/// Compares each text of the error with the outputs of commands that report it, for both versions of helm.
fn compare(error: KnownError, outputs: fn(&Namespace, Helm) -> Vec<String>) {
    let Some(cluster) = cluster() else { return };
    for helm in Helm::BOTH {
        let major = if helm == Helm::Three { 3 } else { 4 };
        let outputs = outputs(&cluster.namespace(), helm);
        for text in ERROR_TEXTS.iter().filter(|text| text.error == error) {
            let is_found = outputs.iter().any(|output| text.is_in(output));
            assert_eq!(is_found, text.helm.contains(&major), "{helm:?}: {text:?}\n{}", outputs.join("\n"));
        }
    }
}

/// A test for each error.
macro_rules! tests {
    ($($test:ident: $error:ident in $outputs:ident;)*) => {
        $(
            #[test]
            fn $test() {
                compare(KnownError::$error, $outputs);
            }
        )*

        #[test]
        fn every_text_has_a_test() {
            let tested = [$(KnownError::$error),*];
            for text in ERROR_TEXTS {
                assert!(tested.contains(&text.error) && !text.helm.is_empty(), "{text:?}");
            }
        }
    };
}

tests! {
    field_conflict: FieldConflict in upgrade_after_a_scale;
    foreign_object: ForeignObject in install_over_a_config_map;
    too_large: TooLarge in installs_of_large_objects;
    unknown_kind: UnknownKind in dry_run_of_an_unknown_kind;
    unknown_kind_of_deployed_revision: UnknownKindOfDeployedRevision in upgrade_and_uninstall_without_the_kind;
    immutable_field: ImmutableField in upgrades_of_immutable_fields;
    missing_namespace: MissingNamespace in install_into_a_missing_namespace;
    locked: Locked in commands_during_another_operation;
    atomic_rollback_failed: AtomicRollbackFailed in atomic_commands_with_failing_hooks;
    chart_lock_out_of_sync: ChartLockOutOfSync in builds_with_an_outdated_lock_file;
    not_deleted: NotDeleted in upgrade_and_uninstall_without_the_kind;
    failed_revision: FailedRevision in descriptions_of_failed_revisions;
}

/// Runs helm with a new cache, since a cached list of kinds may be outdated. Returns its output.
fn run(namespace: &Namespace, helm: Helm, arguments: &[&str]) -> String {
    let cache = scratch::directory();
    let output = namespace.helm_command(helm).env("KUBECACHEDIR", cache.path()).args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The chart of the inputs.
fn chart(inputs: &TempDir) -> String {
    inputs.path().join("chart").display().to_string()
}

/// A chart with one template.
fn chart_of(template: &str) -> TempDir {
    let inputs = scratch::directory();
    write_chart(&inputs.path().join("chart"), "one", "1.0.0", "");
    fs::create_dir(inputs.path().join("chart/templates")).unwrap();
    fs::write(inputs.path().join("chart/templates/one.yaml"), template).unwrap();
    inputs
}

fn write_chart(directory: &Path, name: &str, version: &str, more: &str) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n{more}"))
        .unwrap();
}

/// The option that waits for the workloads themselves: helm 4's own strategy may watch those of the previous revision.
fn wait(helm: Helm) -> &'static str {
    if helm == Helm::Three { "--wait" } else { "--wait=legacy" }
}

fn upgrade_after_a_scale(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let inputs = inputs(&[]);
    run(namespace, helm, &["install", "demo", &chart(&inputs)]);
    namespace.kubectl(&["scale", "deployment/demo", "--replicas=2"]);
    vec![run(namespace, helm, &["upgrade", "demo", &chart(&inputs)])]
}

fn install_over_a_config_map(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let inputs = chart_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n");
    namespace.kubectl(&["create", "configmap", "settings"]);
    vec![run(namespace, helm, &["install", "demo", &chart(&inputs)])]
}

fn installs_of_large_objects(namespace: &Namespace, helm: Helm) -> Vec<String> {
    // A record is compressed, and this cannot be.
    let large_record = chart_of("");
    fs::write(large_record.path().join("chart/large.bin"), noise(1_400_000)).unwrap();
    // More than etcd accepts in a request, and more than the API server accepts. The records of these releases are small.
    let large_objects = [2_000_000, 4_000_000].map(|size| {
        let revision = "apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: large}\nrevision: 1\n";
        chart_of(&format!("{revision}data: {{text: {{{{ repeat {size} \"a\" }}}}}}\n"))
    });
    let all = [large_record].into_iter().chain(large_objects).enumerate();
    all.map(|(index, inputs)| run(namespace, helm, &["install", &format!("demo{index}"), &chart(&inputs)])).collect()
}

fn dry_run_of_an_unknown_kind(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let inputs = chart_of("apiVersion: unknown.jetway.test/v1\nkind: Widget\nmetadata: {name: one}\n");
    vec![run(namespace, helm, &["upgrade", "--install", "--dry-run=server", "demo", &chart(&inputs)])]
}

fn upgrade_and_uninstall_without_the_kind(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let kind = Kind::new(namespace);
    let inputs = kind.inputs();
    run(namespace, helm, &["install", "demo", &chart(&inputs)]);
    kind.delete();
    for file in ["crds/widgets.yaml", "templates/widget.yaml"] {
        fs::remove_file(inputs.path().join("chart").join(file)).unwrap();
    }
    vec![
        run(namespace, helm, &["upgrade", "demo", &chart(&inputs)]),
        run(namespace, helm, &["uninstall", "demo", "--debug"]),
    ]
}

fn upgrades_of_immutable_fields(namespace: &Namespace, helm: Helm) -> Vec<String> {
    ["Deployment", "StatefulSet"]
        .map(|kind| {
            let service = if kind == "StatefulSet" { "serviceName: '{{ .Values.app }}', " } else { "" };
            let labels = "{app: '{{ .Values.app }}'}";
            let inputs = chart_of(&format!(
                "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: demo}}\nspec: {{{service}replicas: 0, selector: {{matchLabels: \
                 {labels}}}, template: {{metadata: {{labels: {labels}}}, spec: {{containers: [{{name: app, image: app}}]}}}}}}\n"
            ));
            let release = kind.to_lowercase();
            run(namespace, helm, &["install", &release, &chart(&inputs), "--set=app=a"]);
            run(namespace, helm, &["upgrade", &release, &chart(&inputs), "--set=app=b"])
        })
        .into()
}

fn install_into_a_missing_namespace(namespace: &Namespace, helm: Helm) -> Vec<String> {
    vec![run(namespace, helm, &["install", "demo", &chart(&inputs(&[])), "--namespace=jetway-missing"])]
}

fn commands_during_another_operation(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let inputs = inputs(&[]);
    run(namespace, helm, &["install", "demo", &chart(&inputs)]);
    let _other = Deploying::start(namespace, helm);
    wait_for_status(namespace, 2, "pending-upgrade");
    // The record of another install that helm has not found in its list.
    namespace.kubectl(&["create", "secret", "generic", "sh.helm.release.v1.taken.v1"]);
    vec![
        run(namespace, helm, &["upgrade", "demo", &chart(&inputs)]),
        run(namespace, helm, &["install", "demo", &chart(&inputs)]),
        run(namespace, helm, &["install", "taken", &chart(&inputs)]),
    ]
}

fn atomic_commands_with_failing_hooks(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let inputs = inputs(&[]);
    let options = ["--atomic", wait(helm), "--timeout=5s", "--set=image=broken"];
    let run = |arguments: [&str; 3], options: &[&str]| run(namespace, helm, &[&arguments[..], options].concat());
    add_hook(inputs.path(), "pre-rollback", FAILS);
    run(["install", "demo", &chart(&inputs)], &[]);
    let upgrade = run(["upgrade", "demo", &chart(&inputs)], &options);
    add_hook(inputs.path(), "pre-delete", FAILS);
    vec![upgrade, run(["install", "other", &chart(&inputs)], &options)]
}

fn builds_with_an_outdated_lock_file(namespace: &Namespace, helm: Helm) -> Vec<String> {
    let directory = scratch::directory();
    let (whole, part) = (directory.path().join("whole"), directory.path().join("part"));
    let dependency =
        |version: &str| format!("dependencies:\n- {{name: part, version: {version}, repository: file://../part}}\n");
    write_chart(&part, "part", "1.0.0", "");
    write_chart(&whole, "whole", "1.0.0", &dependency("^1.0.0"));
    let run = |verb: &str| run(namespace, helm, &["dependency", verb, whole.to_str().unwrap()]);
    run("update");
    // The directory has another version than the lock file.
    write_chart(&part, "part", "2.0.0", "");
    let other_version = run("build");
    // The lock file was written for another range of versions.
    write_chart(&whole, "whole", "1.0.0", &dependency("^2.0.0"));
    vec![other_version, run("build")]
}

fn descriptions_of_failed_revisions(namespace: &Namespace, helm: Helm) -> Vec<String> {
    // An object that has become immutable cannot be changed back.
    let fixed =
        chart_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\nimmutable: {{ .Values.immutable }}\n");
    run(namespace, helm, &["install", "fixed", &chart(&fixed), "--set=immutable=false"]);
    run(namespace, helm, &["upgrade", "fixed", &chart(&fixed), "--set=immutable=true"]);
    run(namespace, helm, &["rollback", "fixed", "1"]);
    let inputs = inputs(&[]);
    let hooked = chart(&inputs);
    add_hook(inputs.path(), "pre-install", FAILS);
    run(namespace, helm, &["install", "first", &hooked]);
    add_hook(inputs.path(), "pre-upgrade", FAILS);
    run(namespace, helm, &["install", "second", &hooked]);
    run(namespace, helm, &["upgrade", "second", &hooked]);
    let descriptions = ["fixed", "first", "second"].map(|release| {
        let history: Value =
            serde_json::from_str(&namespace.helm(helm, &["history", release, "--output=json"])).unwrap();
        history.as_array().unwrap().last().unwrap()["description"].as_str().unwrap().to_owned()
    });
    for description in &descriptions {
        assert!(KnownError::FailedRevision.begins(description), "{helm:?}: {descriptions:?}");
    }
    descriptions.into()
}
