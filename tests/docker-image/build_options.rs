//! put with `build`: options of the build steps and of the cache.

use jetway_tests::engine::{self, Images};
use jetway_tests::registry::Registry;
use serde_json::{Value, json};

use crate::build::{inputs, put, run};
use crate::support::{merge, messages, source};

/// The steps print their environment.
const RECIPE: &str = "FROM BASE\nRUN cp /etc/hosts /seen && df -k /dev/shm >> /seen && ulimit -Sn >> /seen && ulimit -Hn >> /seen \
                      && ulimit -c >> /seen && ip -o link >> /seen && date +%s%N >> /seen \
                      && cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes >> /seen 2> /dev/null; true\n";

/// The output of the steps of a build with these params.
fn seen(name: &str, params: Value) -> String {
    let registry = Registry::start();
    let repository = registry.repository(name);
    let _images = Images::of(&repository);
    let inputs = inputs(&[("app/Dockerfile", RECIPE)]);
    let mut all = json!({ "build": "app", "no_cache": true });
    merge(&mut all, params);
    put(&source(&registry, name, json!({})), &all, inputs.path()).succeeded();
    run(&format!("{repository}:latest"), &["cat", "/seen"])
}

#[test]
fn network_and_extra_hosts_apply_with_either_builder() {
    if !engine::require() {
        return;
    }
    let hosts = json!({ "db.test": "10.1.2.3", "six.test": "2001:db8::1" });
    for builder in ["0", "1"] {
        let params = json!({ "docker_buildkit": builder, "network": "none", "extra_hosts": hosts });
        let text = seen(&format!("none-{builder}"), params);
        let links = text.lines().filter(|line| line.contains(": <") && !line.contains(": lo: "));
        assert_eq!(links.count(), 0, "{builder}: {text}");
        let has = |address: &str, name: &str| {
            text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == [address, name])
        };
        assert!(has("10.1.2.3", "db.test") && has("2001:db8::1", "six.test"), "{builder}: {text}");
        let host = seen(&format!("host-{builder}"), json!({ "docker_buildkit": builder, "network": "host" }));
        assert!(host.contains(": docker0: ") || host.contains(": eth0: "), "{builder}: {host}");
    }
}

#[test]
fn limits_apply_with_the_classic_builder() {
    if !engine::require() {
        return;
    }
    let limits = json!({ "nofile": { "soft": 1111, "hard": 2222 }, "core": 0 });
    let text = seen("bounds", json!({ "shm_size": "32m", "memory": "256m", "ulimits": limits }));
    assert!(text.lines().any(|line| line.starts_with("shm") && line.contains(" 32768 ")), "{text}");
    assert!(text.contains("\n1111\n2222\n0\n"), "{text}");
    assert!(text.lines().any(|line| line == "268435456"), "{text}");
}

#[test]
fn no_cache_runs_all_steps_again() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let repository = registry.repository("anew");
    let _images = Images::of(&repository);
    let inputs = inputs(&[("app/Dockerfile", RECIPE)]);
    for builder in ["0", "1"] {
        let steps = |more: Value| {
            let mut params = json!({ "build": "app", "docker_buildkit": builder, "cache": true });
            merge(&mut params, more);
            let outcome = put(&source(&registry, "anew", json!({})), &params, inputs.path());
            outcome.succeeded();
            let line = outcome.stderr.lines().find(|line| line.contains("cached steps: ")).unwrap();
            line.split(": ").last().unwrap().to_owned()
        };
        steps(json!({}));
        assert_eq!(steps(json!({})), "1 of 1", "{builder}");
        assert_eq!(steps(json!({ "no_cache": true })), "0 of 1", "{builder}");
    }
}

/// With `pull`, the engine pulls an image even if it has it.
#[test]
fn pull_fetches_newer_base_images() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let base = registry.repository("base");
    let _images = (Images::of(&base), Images::of(&registry.repository("app")));
    let files = inputs(&[
        ("base/Dockerfile", "FROM BASE\nRUN echo old > /age\n"),
        ("app/Dockerfile", &format!("FROM {base}\n")),
    ]);
    put(&source(&registry, "base", json!({})), &json!({ "build": "base" }), files.path()).succeeded();
    let request = |pull: bool| {
        let before = registry.requests().len();
        put(&source(&registry, "app", json!({})), &json!({ "build": "app", "pull": pull }), files.path()).succeeded();
        registry.requests().split_off(before).iter().filter(|request| request.contains("/base/manifests/")).count()
    };
    assert_eq!(request(false), 0);
    assert!(request(true) > 0);
}

#[test]
fn reports_squash_without_experimental_features() {
    if !engine::require() {
        return;
    }
    let registry = Registry::start();
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\nCOPY a /\n"), ("app/a", "a")]);
    let outcome = put(&source(&registry, "one", json!({})), &json!({ "build": "app", "squash": true }), inputs.path());
    outcome.failed();
    assert!(outcome.stderr.contains("squash is only supported with experimental mode"), "{}", outcome.stderr);
}

#[test]
fn rejects_invalid_build_options_before_starting_an_engine() {
    let registry = Registry::start();
    let inputs = inputs(&[("app/Dockerfile", "FROM scratch\n")]);
    let params = json!({
        "build": "app", "extra_hosts": { "a b": "10.0.0.1", "db": "db.test" }, "shm_size": "lots",
        "memory": "1t", "ulimits": { "files": 3, "nofile": { "soft": 2, "hard": 1 } }, "squash": true, "ssh": "key",
    });
    let refused = |params: &Value| {
        let outcome = put(&source(&registry, "x", json!({})), params, inputs.path());
        outcome.failed();
        messages(&outcome)
    };
    let text = refused(&json!({ "build": "app", "network": "bridge" }));
    assert!(text.contains("`params.network`: expected `default`, `none` or `host`, found `bridge`"), "{text}");
    let text = refused(&params);
    for problem in [
        "`params.extra_hosts.a b`: is not a valid host name",
        "`params.extra_hosts.db`: `db.test` is not an IP address; expected an IP address or `host-gateway`",
        "`params.shm_size`: `lots` is not a size; expected a number of bytes, or a number with `k`, `m` or `g`",
        "`params.memory`: `1t` is not a size",
        "`params.ulimits.files`: unknown limit; expected one of core, cpu, data,",
        "`params.ulimits.nofile`: `soft` must not exceed `hard`",
        "`params.squash`: requires the classic builder, but `ssh` requires BuildKit",
    ] {
        assert!(text.contains(problem), "{problem}: {text}");
    }
}
