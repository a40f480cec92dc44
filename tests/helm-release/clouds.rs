//! Clusters of clouds: what is asked of each, signed as it must be, and what comes of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jetway_tests::aws::Key;
use jetway_tests::github::AppKey;
use jetway_tests::kubernetes::{Helm, Namespace};
use jetway_tests::process::wait_until;
use jetway_tests::scratch;
use jetway_tests::stand_in::{Answer, Asked, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{put, revisions, said, with};

const TOKEN: &str = "ya29.s3cret-token-of-a-cloud";

/// An API server that knows one release, and whoever `knows` recognises by a bearer token.
fn api_server(knows: impl Fn(&str) -> bool + Send + Sync + 'static) -> StandIn {
    StandIn::start_tls(move |asked| {
        let token = asked.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        if !token.is_some_and(&knows) {
            return Answer::json(401, &json!({ "kind": "Status", "message": "Unauthorized" }));
        }
        let labels = json!({ "name": "demo", "owner": "helm", "status": "deployed", "version": "1" });
        Answer::json(200, &json!({ "metadata": {}, "items": [{ "metadata": { "labels": labels } }] }))
    })
}

fn authority_data(server: &StandIn) -> String {
    STANDARD.encode(server.authority())
}

fn check(source: &Value, environment: &[(&str, &str)]) -> Outcome {
    let verb = Verb::check("helm-release").request(&json!({ "source": source }));
    environment.iter().fold(verb, |verb, (name, value)| verb.env(name, value)).run()
}

#[track_caller]
fn gets_in(source: &Value, environment: &[(&str, &str)]) {
    let outcome = check(source, environment);
    assert_eq!(outcome.json(), revisions([1]));
    assert!(outcome.leftovers().is_empty(), "{:?}", outcome.leftovers());
}

mod google {
    use super::*;

    const EMAIL: &str = "deployer@project-1.iam.gserviceaccount.com";

    /// Google: the token server, the metadata server and the API of its Kubernetes in one.
    fn start(key: &AppKey, cluster: &Arc<StandIn>) -> StandIn {
        let (key, cluster) = (key.clone(), Arc::clone(cluster));
        StandIn::start(move |asked| answer(&key, &cluster, asked))
    }

    fn answer(key: &AppKey, cluster: &StandIn, asked: &Asked) -> Answer {
        let granted =
            || Answer::json(200, &json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" }));
        let of_worker = asked.header("metadata-flavor") == Some("Google");
        match (asked.method.as_str(), asked.path()) {
            ("POST", "/token") => match verified(key, asked) {
                Ok(()) => granted(),
                Err(problem) => Answer::json(400, &json!({ "error": "invalid_grant", "error_description": problem })),
            },
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") if of_worker => granted(),
            ("GET", "/computeMetadata/v1/project/project-id") if of_worker => Answer::text(200, "project-1"),
            ("GET", "/v1/projects/project-1/locations/europe-west1/clusters/production")
                if asked.header("authorization") == Some(&format!("Bearer {TOKEN}")) =>
            {
                let address = cluster.url().replace("https://", "");
                Answer::json(
                    200,
                    &json!({
                        "name": "production", "endpoint": address, "status": "RUNNING",
                        "masterAuth": { "clusterCaCertificate": authority_data(cluster) },
                    }),
                )
            }
            _ => Answer::json(404, &json!({ "error": { "code": 404, "message": "Not found", "status": "NOT_FOUND" } })),
        }
    }

    /// What Google looks at before it grants a token.
    fn verified(key: &AppKey, asked: &Asked) -> Result<(), String> {
        if asked.form("grant_type").as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Err("another grant".to_owned());
        }
        let assertion = asked.form("assertion").ok_or("no assertion")?;
        let (header, claims) = key.verified(&assertion).ok_or("Invalid JWT Signature.")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let (from, to) = (claims["iat"].as_u64().unwrap_or(u64::MAX), claims["exp"].as_u64().unwrap_or_default());
        let host = asked.header("host").unwrap_or_default();
        let is_as_it_must_be = header == json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" })
            && claims["iss"] == EMAIL
            && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
            && claims["aud"] == format!("http://{host}/token")
            && from <= now
            && to > now
            && to - from <= 3600;
        if is_as_it_must_be { Ok(()) } else { Err(format!("Invalid JWT: {header} {claims}")) }
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
    fn a_service_account_gets_in_by_a_signed_token() {
        let key = AppKey::new();
        let cluster = Arc::new(api_server(|token| token == TOKEN));
        let google = start(&key, &cluster);
        let container = [("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", google.url() + "/")];
        gets_in(&source(&google, &key), &container.each_ref().map(|(name, value)| (*name, value.as_str())));
        assert_eq!((google.asked().len(), cluster.asked().len()), (2, 1));
    }

    #[test]
    fn a_worker_gets_in_by_its_own_account() {
        let cluster = Arc::new(api_server(|token| token == TOKEN));
        let google = start(&AppKey::new(), &cluster);
        let host = google.url().replace("http://", "");
        let source = json!({
            "release": "demo", "gcloud_cluster_auth": true, "gcloud_workload_identity_enabled": true,
            "gcloud_k8s_cluster_name": "production", "gcloud_k8s_zone": "europe-west1",
        });
        gets_in(&source, &[("GCE_METADATA_HOST", &host), ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", &google.url())]);
    }

    /// Google, for a cluster that is real: each token that it grants ends with a Secret of that number, and soon by its own words.
    fn start_for(namespace: &Arc<Namespace>, granted: &Arc<Mutex<Vec<String>>>) -> StandIn {
        let (namespace, granted) = (Arc::clone(namespace), Arc::clone(granted));
        StandIn::start(move |asked| match (asked.method.as_str(), asked.path()) {
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => {
                let mut granted = granted.lock().unwrap();
                let token = token_until(&namespace, granted.len());
                granted.push(token);
                // A minute before its end a token is given up.
                Answer::json(200, &json!({ "access_token": granted.last(), "expires_in": 62 }))
            }
            ("GET", "/computeMetadata/v1/project/project-id") => Answer::text(200, "project-1"),
            ("GET", "/v1/projects/project-1/locations/europe-west1/clusters/production") => {
                let cluster = namespace.cluster();
                let authority = json!({ "clusterCaCertificate": STANDARD.encode(cluster.authority()) });
                let endpoint = cluster.url().replace("https://", "");
                Answer::json(200, &json!({ "endpoint": endpoint, "status": "RUNNING", "masterAuth": authority }))
            }
            _ => Answer::text(404, "no such thing"),
        })
    }

    fn token_until(namespace: &Namespace, number: usize) -> String {
        let name = format!("lease-{number}");
        namespace.kubectl(&["create", "secret", "generic", &name]);
        let bound = format!("--bound-object-name={name}");
        namespace.kubectl(&["create", "token", "deployer", "--bound-object-kind=Secret", &bound]).trim().to_owned()
    }

    #[test]
    fn a_token_that_ends_while_helm_waits_is_renewed() {
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
            // All tokens of so far come to their end, which the API server takes some seconds to see.
            let ending = granted.lock().unwrap().clone();
            let leases: Vec<String> = (0..ending.len()).map(|number| format!("lease-{number}")).collect();
            let delete: Vec<&str> = ["delete", "secret"].into_iter().chain(leases.iter().map(String::as_str)).collect();
            namespace.kubectl(&delete);
            let ended = || {
                let ended = ending.iter().all(|token| {
                    let source = crate::support::source_with_token(cluster, &namespace, token);
                    check(&source, &[]).stderr.contains("does not know who is calling")
                });
                ended.then_some(())
            };
            wait_until(Duration::from_mins(1), ended).expect("the tokens end");
            let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } }).to_string();
            namespace.kubectl(&["patch", "pod", &pod, "--subresource=status", "--patch", &ready]);
            let outcome = running.wait(Duration::from_mins(2));
            assert_eq!(outcome.json()["version"]["revision"], "1", "{helm:?}");
            assert!(granted.lock().unwrap().len() > ending.len(), "{helm:?}");
        }
    }

    #[test]
    fn no_proxy_is_asked_who_the_worker_is() {
        // By way of one it would be the proxy's machine that answers.
        let proxy = StandIn::start(|_| Answer::json(200, &json!({ "access_token": TOKEN })));
        let source = json!({
            "release": "demo", "gcloud_cluster_auth": true, "gcloud_workload_identity_enabled": true,
            "gcloud_k8s_cluster_name": "production", "gcloud_k8s_zone": "europe-west1",
        });
        let server = ("GCE_METADATA_HOST", "metadata.invalid");
        check(&source, &[server, ("HTTP_PROXY", &proxy.url())]).failed();
        check(&with(source, json!({ "proxy": proxy.url() })), &[server]).failed();
        assert_eq!(proxy.asked(), []);
    }

    #[test]
    fn a_key_that_google_does_not_know_is_refused_and_not_shown() {
        let (key, other) = (AppKey::new(), AppKey::generate());
        let cluster = Arc::new(api_server(|_| false));
        let google = start(&key, &cluster);
        let outcome = check(&source(&google, &other), &[]);
        outcome.failed();
        let said = said(&outcome);
        assert!(said.starts_with(&format!("error: cannot log in as `{EMAIL}`\n")), "{said}");
        assert!(said.contains("Invalid JWT Signature."), "{said}");
        let line = other.pkcs8.lines().nth(3).expect("a line of the key");
        assert!(!outcome.stderr.contains(line), "{}", outcome.stderr);
        assert!(cluster.asked().is_empty());
    }
}

mod amazon {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";
    const WEB_TOKEN: &str = "eyJ.web-identity.s3cret";

    fn user() -> Key {
        Key::new("AKIAUSER", "s3cret/key+of=the-user")
    }

    /// The key of the role, once it is assumed.
    fn session() -> Key {
        Key { session: Some("session+token/of=the-role".to_owned()), ..Key::new("ASIAROLE", "s3cret/key+of=the-role") }
    }

    /// Amazon: the token service, Kubernetes' service and those of containers and machines in one. The cluster is described
    /// to whoever signs with `key`.
    fn start(key: Key, cluster: &Arc<StandIn>) -> StandIn {
        let cluster = Arc::clone(cluster);
        StandIn::start(move |asked| match (asked.method.as_str(), asked.path()) {
            ("POST", "/") => assume(asked),
            ("GET", "/clusters/production") => match key.has_signed(asked, "eu-west-1", "eks") {
                Ok(()) => {
                    let authority = json!({ "data": authority_data(&cluster) });
                    Answer::json(
                        200,
                        &json!({ "cluster": { "endpoint": cluster.url(), "certificateAuthority": authority } }),
                    )
                }
                Err(problem) => Answer::json(403, &json!({ "message": problem })),
            },
            ("GET", "/container") if asked.header("authorization") == Some("s3cret-of-the-container") => given(),
            ("PUT", "/latest/api/token") if asked.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                Answer::text(200, "s3cret-of-the-machine")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/")
                if asked.header("x-aws-ec2-metadata-token") == Some("s3cret-of-the-machine") =>
            {
                Answer::text(200, "the-role")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/the-role")
                if asked.header("x-aws-ec2-metadata-token") == Some("s3cret-of-the-machine") =>
            {
                given()
            }
            _ => Answer::text(404, "no such thing"),
        })
    }

    /// The role's key as the services of containers and machines give it.
    fn given() -> Answer {
        let key = session();
        Answer::json(
            200,
            &json!({
                "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.session,
                "Expiration": "2099-01-01T00:00:00Z",
            }),
        )
    }

    fn assume(asked: &Asked) -> Answer {
        let refuse = |code: &str, message: &str| {
            let text = format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            );
            Answer { headers: vec![("Content-Type".into(), "text/xml".into())], ..Answer::text(403, text) }
        };
        if asked.form("RoleArn").as_deref() != Some(ROLE) || asked.form("Version").as_deref() != Some("2011-06-15") {
            return refuse("AccessDenied", "You are not authorized to perform: sts:AssumeRole");
        }
        match asked.form("Action").as_deref() {
            Some("AssumeRole") => match user().has_signed(asked, "eu-west-1", "sts") {
                Ok(()) => {}
                Err(problem) => return refuse("SignatureDoesNotMatch", &problem),
            },
            Some("AssumeRoleWithWebIdentity") if asked.form("WebIdentityToken").as_deref() == Some(WEB_TOKEN) => {}
            _ => return refuse("AccessDenied", "no such token"),
        }
        let key = session();
        let (id, secret, token) = (key.id, key.secret, key.session.unwrap_or_default());
        Answer::text(
            200,
            format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                 <AssumedRoleUser><Arn>{ROLE}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{id}</AccessKeyId>\
                 <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
            ),
        )
    }

    /// Whether a token is a URL by which that key asks who it is, for the cluster `production`.
    fn is_signed_by(key: &Key, token: &str) -> bool {
        let Some(url) = token.strip_prefix("k8s-aws-v1.").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()) else {
            return false;
        };
        let url = String::from_utf8(url).expect("a URL");
        let (host, target) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
        assert!(target.contains("Action=GetCallerIdentity&Version=2011-06-15") && target.contains("X-Amz-Expires=60&"));
        // As the cluster sends it on to Amazon.
        let asked = Asked {
            method: "GET".to_owned(),
            target: format!("/{target}"),
            headers: vec![("host".to_owned(), host.to_owned()), ("x-k8s-aws-id".to_owned(), "production".to_owned())],
            body: Vec::new(),
        };
        key.has_signed(&asked, "eu-west-1", "sts").is_ok()
    }

    fn cluster_for(key: Key) -> Arc<StandIn> {
        Arc::new(api_server(move |token| is_signed_by(&key, token)))
    }

    fn source(more: Value) -> Value {
        let aws = crate::support::with(json!({ "region": "eu-west-1", "cluster_name": "production" }), more);
        json!({ "release": "demo", "aws": aws })
    }

    fn keys() -> Value {
        json!({ "access_key_id": user().id, "secret_access_key": user().secret })
    }

    #[test]
    fn a_user_s_keys_get_in() {
        let cluster = cluster_for(user());
        let amazon = start(user(), &cluster);
        gets_in(&source(json!({ "user": keys() })), &[("AWS_ENDPOINT_URL", &amazon.url())]);
        assert_eq!(amazon.asked().len(), 1);
    }

    #[test]
    fn helm_gets_in_by_tokens_that_this_program_signs_for_it() {
        let Some(real) = jetway_tests::kubernetes::cluster() else { return };
        let cluster = cluster_for(user());
        let amazon = start(user(), &cluster);
        let inputs = crate::support::inputs(&[]);
        for helm in Helm::BOTH {
            let before = cluster.asked().len();
            let source = source(json!({ "user": keys() }));
            let put = put(helm, real.programs(), &source, json!({ "chart": "chart" }), inputs.path());
            // That cluster knows no more than one release by its name: what counts is who asks it.
            put.env("AWS_ENDPOINT_URL", &amazon.url()).run().failed();
            let asked = cluster.asked().split_off(before);
            let tokens: Vec<&str> = asked_by_helm(&asked).map(bearer).collect();
            assert!(!tokens.is_empty(), "{helm:?} asked nothing: {asked:?}");
            assert!(tokens.iter().all(|token| is_signed_by(&user(), token)), "{helm:?}: {tokens:?}");
        }
    }

    /// Amazon, for a worker with an identity of its own: the keys that it is given are other ones each time, and a token signed
    /// with them is given up two seconds later.
    fn start_granting(granted: &Arc<Mutex<Vec<SystemTime>>>, cluster: &Arc<StandIn>) -> StandIn {
        let (granted, cluster) = (Arc::clone(granted), Arc::clone(cluster));
        StandIn::start(move |asked| match (asked.method.as_str(), asked.path()) {
            ("GET", "/container") => {
                let mut granted = granted.lock().unwrap();
                let end = SystemTime::now() + Duration::from_secs(62);
                let key = numbered(granted.len());
                granted.push(end);
                Answer::json(
                    200,
                    &json!({
                        "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.session,
                        "Expiration": jiff::Timestamp::try_from(end).unwrap().to_string(),
                    }),
                )
            }
            ("GET", "/clusters/production") => {
                let authority = json!({ "data": authority_data(&cluster) });
                let found = json!({ "endpoint": cluster.url(), "certificateAuthority": authority });
                Answer::json(200, &json!({ "cluster": found }))
            }
            _ => Answer::text(404, "no such thing"),
        })
    }

    fn numbered(number: usize) -> Key {
        let session = Some(format!("session+token/of={number}"));
        Key { session, ..Key::new(&format!("ASIAROLE{number:04}"), "s3cret/key+of=the-role") }
    }

    #[test]
    fn a_token_whose_keys_end_while_helm_works_is_signed_anew() {
        let Some(real) = jetway_tests::kubernetes::cluster() else { return };
        let inputs = crate::support::inputs(&[]);
        for helm in Helm::BOTH {
            let granted = Arc::new(Mutex::new(Vec::<SystemTime>::new()));
            let knows = Arc::clone(&granted);
            // The cluster lets the keys of a token come to their end before it answers, as a long wait would.
            let cluster = Arc::new(api_server(move |token| {
                let ends = knows.lock().unwrap().clone();
                let signer = (0..ends.len()).find(|number| is_signed_by(&numbered(*number), token));
                let given_up = signer.map(|number| ends[number] - Duration::from_mins(1));
                let Some(given_up) = given_up else { return false };
                std::thread::sleep(given_up.duration_since(SystemTime::now()).unwrap_or_default());
                true
            }));
            let amazon = start_granting(&granted, &cluster);
            let put = put(helm, real.programs(), &source(json!({})), json!({ "chart": "chart" }), inputs.path());
            // That cluster knows no more than one release by its name: what counts is who asks it.
            put.env("AWS_ENDPOINT_URL", &amazon.url())
                .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", amazon.url()))
                .run()
                .failed();
            let tokens: Vec<String> = asked_by_helm(&cluster.asked()).map(|asked| bearer(asked).to_owned()).collect();
            let ways: HashSet<&String> = tokens.iter().collect();
            assert!(ways.len() > 1, "{helm:?} asked {} times, by one token", tokens.len());
        }
    }

    fn asked_by_helm(asked: &[Asked]) -> impl Iterator<Item = &Asked> {
        asked
            .iter()
            .filter(|asked| asked.header("user-agent").is_some_and(|agent| agent.to_lowercase().starts_with("helm")))
    }

    fn bearer(asked: &Asked) -> &str {
        asked.header("authorization").unwrap_or_default().trim_start_matches("Bearer ")
    }

    #[test]
    fn a_role_is_assumed_by_the_user() {
        let cluster = cluster_for(session());
        let amazon = start(session(), &cluster);
        let environment = [("AWS_ENDPOINT_URL", amazon.url())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        for more in [
            json!({ "user": keys(), "role": ROLE }),
            json!({ "user": keys(), "role": { "arn": ROLE } }),
            json!({ "user": keys(), "role_arn": ROLE }),
            json!({ "user": crate::support::with(keys(), json!({ "role_arn": ROLE })) }),
        ] {
            gets_in(&source(more), &environment);
        }
        let (_, session_name) = amazon
            .asked()
            .iter()
            .find_map(|asked| Some((asked.form("RoleArn")?, asked.form("RoleSessionName")?)))
            .expect("a role is assumed");
        assert_eq!(session_name, "EKSAssumeRoleSession");
    }

    #[test]
    fn a_worker_s_own_identity_gets_in() {
        let cluster = cluster_for(session());
        let amazon = start(session(), &cluster);
        let url = amazon.url();
        let directory = scratch::directory();
        let token = directory.path().join("token");
        std::fs::write(&token, format!("{WEB_TOKEN}\n")).expect("write the token");
        let (token, container) = (token.to_str().expect("UTF-8").to_owned(), format!("{url}/container"));
        let environments: [&[(&str, &str)]; 3] = [
            &[("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", &token)],
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "s3cret-of-the-container"),
            ],
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)],
        ];
        for environment in environments {
            let mut all = vec![("AWS_ENDPOINT_URL_EKS", url.as_str()), ("AWS_ENDPOINT_URL_STS", url.as_str())];
            all.extend(environment);
            gets_in(&source(json!({})), &all);
        }
    }

    #[test]
    fn what_amazon_refuses_is_said_with_advice_and_without_secrets() {
        let cluster = cluster_for(user());
        let amazon = start(user(), &cluster);
        let wrong = json!({ "access_key_id": "AKIAUSER", "secret_access_key": "hunter2hunter2" });
        let outcome = check(&source(json!({ "user": wrong, "role": ROLE })), &[("AWS_ENDPOINT_URL", &amazon.url())]);
        outcome.failed();
        let text = said(&outcome);
        assert!(text.starts_with(&format!("error: cannot assume the role `{ROLE}`\n")), "{text}");
        assert!(
            text.contains("the token service refuses (SignatureDoesNotMatch): the signature is another one"),
            "{text}"
        );
        assert!(text.ends_with("hint: is the secret access key right, and is the worker's clock?\n"), "{text}");
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        let outcome = check(&source(json!({})), &[("AWS_EC2_METADATA_DISABLED", "true")]);
        outcome.failed();
        assert!(said(&outcome).starts_with("error: there are no credentials for AWS\n"), "{}", outcome.stderr);
    }
}

mod digitalocean {
    use super::*;

    const ACCESS: &str = "dop_v1_s3cret";

    #[test]
    fn a_token_gets_a_kubeconfig_and_that_gets_in() {
        let cluster = api_server(|token| token == TOKEN);
        let (server, authority) = (cluster.url(), authority_data(&cluster));
        let api = StandIn::start(move |asked| {
            if asked.header("authorization") != Some(&format!("Bearer {ACCESS}")) {
                return Answer::json(401, &json!({ "id": "Unauthorized", "message": "Unable to authenticate you" }));
            }
            assert_eq!(asked.path(), "/v2/kubernetes/clusters/bd5f5959-5e1e/kubeconfig");
            Answer::text(
                200,
                format!(
                    "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    \
                     server: {server}\n  name: do-ams3-one\ncontexts:\n- context:\n    cluster: do-ams3-one\n    \
                     user: do-ams3-one-admin\n  name: do-ams3-one\ncurrent-context: do-ams3-one\nkind: Config\n\
                     preferences: {{}}\nusers:\n- name: do-ams3-one-admin\n  user:\n    token: {TOKEN}\n"
                ),
            )
        });
        let source = |token: &str| {
            let digitalocean = json!({ "cluster_id": "bd5f5959-5e1e", "access_token": token });
            json!({ "release": "demo", "digitalocean": digitalocean })
        };
        let environment = [("DIGITALOCEAN_API_URL", api.url())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        gets_in(&source(ACCESS), &environment);
        let outcome = check(&source("dop_v1_hunter2"), &environment);
        outcome.failed();
        assert!(said(&outcome).contains("Unable to authenticate you"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}
