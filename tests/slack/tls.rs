//! Certificates: which servers a put trusts, by `ca_certs`, by the system, or by the built-in list.

use std::path::Path;
use std::process::{Command, Stdio};

use jetway_tests::layer::{self, Layer, require};
use jetway_tests::scratch;
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::tls_cases;
use jetway_tests::verb::Runner;
use serde_json::{Value, json};

use crate::support::{inputs, messages, put, put_step};

fn server() -> (StandIn, Value) {
    let server = StandIn::start_tls(|_| Response::text(200, "ok"));
    let source = json!({ "url": format!("{}/services/T0/w3bh00kt0k3nw3bh00kt0k3n", server.url()) });
    (server, source)
}

fn with(source: &Value, key: &str, value: Value) -> Value {
    let mut source = source.clone();
    source[key] = value;
    source
}

#[test]
fn rejects_unknown_ca() {
    let (server, source) = server();
    let outcome = put(&source, json!({ "text": "x" }));
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot send the message to the webhook's channel\n  \
         caused by: `POST https://localhost:[PORT]/...` got no complete response\n  \
         caused by: the server's certificate is not signed by a trusted authority\n\
         hint: add the certificate of its authority, in PEM form, to `ca_certs`\n"
    );
    assert!(server.recorded_requests().is_empty());
}

#[test]
fn trusts_ca_of_ca_certs() {
    let (server, source) = server();
    for entry in [json!(server.authority()), json!({ "domain": "localhost", "cert": server.authority() })] {
        put(&with(&source, "ca_certs", json!([entry])), json!({ "text": "x" })).succeeded();
    }
    assert_eq!(server.recorded_requests().len(), 2);
}

#[test]
fn insecure_trusts_any_certificate() {
    let (server, source) = server();
    put(&with(&source, "insecure", json!("true")), json!({ "text": "x" })).succeeded();
    assert_eq!(server.recorded_requests().len(), 1);
}

#[test]
fn trusts_system_ca() {
    let (server, source) = server();
    let inputs = inputs(&[]);
    let bundle = scratch::directory();
    let file = bundle.path().join("ca.pem");
    std::fs::write(&file, server.authority()).expect("write a bundle");
    let step = put_step(&source, json!({ "text": "x" }), inputs.path());
    step.env("SSL_CERT_FILE", file.to_str().expect("UTF-8")).run().succeeded();
    assert_eq!(server.recorded_requests().len(), 1);
}

mod in_the_image {
    use super::*;

    /// Runs a put in a container, with a directory mounted at `/etc/ssl/certs` as a worker mounts its own.
    fn put(source: &Value, certificates: Option<&Path>) -> (bool, String) {
        let inputs = inputs(&[("request", &json!({ "source": source, "params": { "text": "x" } }).to_string())]);
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--interactive", "--network", "host", "--entrypoint", "/opt/resource/out"]);
        command.arg("--volume").arg(format!("{}:/tmp/build/put", inputs.path().display()));
        if let Some(certificates) = certificates {
            command.arg("--volume").arg(format!("{}:/etc/ssl/certs:ro", certificates.display()));
        }
        command.arg(layer::image_name("slack")).arg("/tmp/build/put");
        let request = std::fs::File::open(inputs.path().join("request")).expect("open the request");
        let output = command.stdin(request).stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("run docker");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[test]
    fn trusts_the_workers_cas_or_else_built_in_ones() {
        if Runner::chosen() != Runner::Image || !require(Layer::Image("slack")) {
            return;
        }
        let (server, source) = server();
        // Without system certificates, the built-in list is used.
        let (succeeded, messages) = put(&source, None);
        assert!(!succeeded && messages.contains("`ca_certs`"), "{messages}");
        for name in ["ca-certificates.crt", "5f5f5f5f.0"] {
            let worker = scratch::directory();
            std::fs::write(worker.path().join(name), server.authority()).expect("write a certificate");
            let (succeeded, messages) = put(&source, Some(worker.path()));
            assert!(succeeded, "{name}: {messages}");
        }
        assert_eq!(server.recorded_requests().len(), 2);
    }
}

#[test]
fn accepts_every_kind_of_certificate_and_rejects_bad_ones_with_a_reason() {
    tls_cases::check(&tls_cases::REFUSALS, |url, authority| {
        let source = json!({ "url": format!("{url}/services/T0/w3bh00kt0k3n"), "ca_certs": [authority] });
        put(&source, json!({ "text": "x" }))
    });
}
