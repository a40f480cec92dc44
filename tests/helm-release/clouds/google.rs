//! Google's clusters: logins with a service account's key, and with the worker's own account.
//!
//! The responses are those of "Using OAuth 2.0 for Server to Server Applications"
//! (<https://developers.google.com/identity/protocols/oauth2/service-account>), of the metadata server
//! (<https://cloud.google.com/compute/docs/metadata/overview>) and of `projects.locations.clusters.get`
//! (<https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters/get>).

use super::*;

const EMAIL: &str = "deployer@project-1.iam.gserviceaccount.com";

/// A stand-in for Google: the token server, the metadata server and the API of its Kubernetes in one.
fn start(key: &AppKey, cluster: &Arc<StandIn>) -> StandIn {
    let (key, cluster) = (key.clone(), Arc::clone(cluster));
    StandIn::start(move |request| answer(&key, &cluster, request))
}

fn answer(key: &AppKey, cluster: &StandIn, request: &RecordedRequest) -> Response {
    let granted = || Response::json(200, &json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" }));
    let of_worker = request.header("metadata-flavor") == Some("Google");
    match (request.method.as_str(), request.path()) {
        ("POST", "/token") => match verified(key, request) {
            Ok(()) => granted(),
            Err(problem) => Response::json(400, &json!({ "error": "invalid_grant", "error_description": problem })),
        },
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") if of_worker => granted(),
        ("GET", "/computeMetadata/v1/project/project-id") if of_worker => Response::text(200, "project-1"),
        ("GET", "/v1/projects/project-1/locations/europe-west1/clusters/production")
            if request.header("authorization") == Some(&format!("Bearer {TOKEN}")) =>
        {
            let address = cluster.url().replace("https://", "");
            Response::json(
                200,
                &json!({
                    "name": "production", "endpoint": address, "status": "RUNNING",
                    "masterAuth": { "clusterCaCertificate": authority_data(cluster) },
                }),
            )
        }
        _ => Response::json(404, &json!({ "error": { "code": 404, "message": "Not found", "status": "NOT_FOUND" } })),
    }
}

/// The checks of Google before it grants a token.
fn verified(key: &AppKey, request: &RecordedRequest) -> Result<(), String> {
    if request.form("grant_type").as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return Err("another grant type".to_owned());
    }
    let assertion = request.form("assertion").ok_or("no assertion")?;
    let (header, claims) = key.verified(&assertion).ok_or("Invalid JWT Signature.")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let (from, to) = (claims["iat"].as_u64().unwrap_or(u64::MAX), claims["exp"].as_u64().unwrap_or_default());
    let host = request.header("host").unwrap_or_default();
    let is_valid = header == json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" })
        && claims["iss"] == EMAIL
        && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && claims["aud"] == format!("http://{host}/token")
        && from <= now
        && to > now
        && to - from <= 3600;
    if is_valid { Ok(()) } else { Err(format!("Invalid JWT: {header} {claims}")) }
}

fn source(google: &StandIn, key: &AppKey) -> Value {
    let account = json!({
        "type": "service_account", "project_id": "project-1", "private_key_id": "key-1", "private_key": key.pkcs8,
        "client_email": EMAIL, "token_uri": format!("{}/token", google.url()),
    });
    json!({
        "release": "demo", "gcloud_cluster_auth": true, "gcloud_service_account_key_file": account.to_string(),
        "gcloud_k8s_cluster_name": "production", "gcloud_k8s_zone": "europe-west1",
    })
}

#[test]
fn logs_in_with_a_service_account_key() {
    let key = AppKey::new();
    let cluster = Arc::new(api_server(|token| token == TOKEN));
    let google = start(&key, &cluster);
    let container = [("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", google.url() + "/")];
    check_succeeds(&source(&google, &key), &container.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert_eq!((google.recorded_requests().len(), cluster.recorded_requests().len()), (2, 1));
}

#[test]
fn logs_in_with_the_workers_service_account() {
    let cluster = Arc::new(api_server(|token| token == TOKEN));
    let google = start(&AppKey::new(), &cluster);
    let host = google.url().replace("http://", "");
    let source = json!({
        "release": "demo", "gcloud_cluster_auth": true, "gcloud_workload_identity_enabled": true,
        "gcloud_k8s_cluster_name": "production", "gcloud_k8s_zone": "europe-west1",
    });
    check_succeeds(
        &source,
        &[("GCE_METADATA_HOST", &host), ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", &google.url())],
    );
}

/// A stand-in for Google for a real cluster. Each token that it grants is bound to a Secret with the token's number, and its expiry
/// says that it must be renewed at once.
fn start_for(namespace: &Arc<Namespace>, granted: &Arc<Mutex<Vec<String>>>) -> StandIn {
    let (namespace, granted) = (Arc::clone(namespace), Arc::clone(granted));
    StandIn::start(move |request| match (request.method.as_str(), request.path()) {
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => {
            let mut granted = granted.lock().unwrap();
            let token = token_of_secret(&namespace, granted.len());
            granted.push(token);
            // A token is renewed a minute before its expiry.
            Response::json(200, &json!({ "access_token": granted.last(), "expires_in": 62 }))
        }
        ("GET", "/computeMetadata/v1/project/project-id") => Response::text(200, "project-1"),
        ("GET", "/v1/projects/project-1/locations/europe-west1/clusters/production") => {
            let cluster = namespace.cluster();
            let authority = json!({ "clusterCaCertificate": STANDARD.encode(cluster.authority()) });
            let endpoint = cluster.url().replace("https://", "");
            Response::json(200, &json!({ "endpoint": endpoint, "status": "RUNNING", "masterAuth": authority }))
        }
        _ => Response::text(404, "not found"),
    })
}

fn token_of_secret(namespace: &Namespace, number: usize) -> String {
    let name = format!("lease-{number}");
    namespace.kubectl(&["create", "secret", "generic", &name]);
    let bound = format!("--bound-object-name={name}");
    namespace.kubectl(&["create", "token", "deployer", "--bound-object-kind=Secret", &bound]).trim().to_owned()
}

#[test]
fn renews_a_token_that_expires_while_helm_waits() {
    let Some(cluster) = jetway_tests::kubernetes::cluster() else { return };
    for helm in Helm::BOTH {
        let namespace = Arc::new(cluster.namespace());
        namespace.account("deployer", &[("*", "secrets,pods"), ("*", "deployments.apps,replicasets.apps")]);
        let granted = Arc::new(Mutex::new(Vec::new()));
        let google = start_for(&namespace, &granted);
        let source = json!({
            "release": "demo", "namespace": namespace.name(), "gcloud_cluster_auth": true,
            "gcloud_workload_identity_enabled": true, "gcloud_k8s_cluster_name": "production",
            "gcloud_k8s_zone": "europe-west1",
        });
        let inputs = crate::support::inputs(&[("waits.yaml", "podAnnotations: {jetway.test/ready: \"false\"}\n")]);
        let params = json!({ "chart": "chart", "values": "waits.yaml", "check_is_ready": true, "timeout": "90s" });
        let host = google.url().replace("http://", "");
        let running = put(helm, cluster.programs(), &source, params, inputs.path())
            .env("GCE_METADATA_HOST", &host)
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", &google.url())
            .spawn();
        crate::support::wait_for_status(&namespace, 1, "pending-install");
        let pod = || {
            let pods = namespace.kubectl_json(&["get", "pods", "--output=json"]);
            let is_running = pods["items"][0]["status"]["phase"] == "Running";
            is_running.then(|| pods["items"][0]["metadata"]["name"].as_str().expect("a name").to_owned())
        };
        let pod = wait_until(Duration::from_mins(1), pod).expect("a pod that runs");
        // All tokens so far are revoked, which takes effect after some seconds.
        let ending = granted.lock().unwrap().clone();
        let leases: Vec<String> = (0..ending.len()).map(|number| format!("lease-{number}")).collect();
        let delete: Vec<&str> = ["delete", "secret"].into_iter().chain(leases.iter().map(String::as_str)).collect();
        namespace.kubectl(&delete);
        let ended = || {
            let ended = ending.iter().all(|token| {
                let source = crate::support::source_with_token(cluster, &namespace, token);
                check(&source, &[]).stderr.contains("rejected the credentials")
            });
            ended.then_some(())
        };
        wait_until(Duration::from_mins(1), ended).expect("the tokens are revoked");
        let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } }).to_string();
        namespace.kubectl(&["patch", "pod", &pod, "--subresource=status", "--patch", &ready]);
        let outcome = running.wait(Duration::from_mins(2));
        assert_eq!(outcome.json()["version"]["revision"], "1", "{helm:?}");
        assert!(granted.lock().unwrap().len() > ending.len(), "{helm:?}");
    }
}

#[test]
fn asks_the_metadata_server_without_the_proxy() {
    // Behind a proxy, the metadata server of the proxy's machine would respond.
    let proxy = StandIn::start(|_| Response::json(200, &json!({ "access_token": TOKEN })));
    let source = json!({
        "release": "demo", "gcloud_cluster_auth": true, "gcloud_workload_identity_enabled": true,
        "gcloud_k8s_cluster_name": "production", "gcloud_k8s_zone": "europe-west1",
    });
    let server = ("GCE_METADATA_HOST", "metadata.invalid");
    check(&source, &[server, ("HTTP_PROXY", &proxy.url())]).failed();
    check(&with(source, json!({ "proxy": proxy.url() })), &[server]).failed();
    assert_eq!(proxy.recorded_requests(), []);
}

#[test]
fn error_for_an_unknown_key_does_not_show_it() {
    let (key, other) = (AppKey::new(), AppKey::generate());
    let cluster = Arc::new(api_server(|_| false));
    let google = start(&key, &cluster);
    let outcome = check(&source(&google, &other), &[]);
    outcome.failed();
    let messages = messages(&outcome);
    assert!(messages.starts_with(&format!("error: cannot log in as `{EMAIL}`\n")), "{messages}");
    assert!(messages.contains("Invalid JWT Signature."), "{messages}");
    let line = other.pkcs8.lines().nth(3).expect("a line of the key");
    assert!(!outcome.stderr.contains(line), "{}", outcome.stderr);
    assert!(cluster.recorded_requests().is_empty());
}
