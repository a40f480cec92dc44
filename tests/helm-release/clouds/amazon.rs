//! Amazon's clusters: logins with a user's keys, with a role, and with the worker's identity.
//!
//! The responses are those of EKS (<https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html>), of STS
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>), of a container's credentials
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>) and of a machine's
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>).

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

/// A stand-in for Amazon: the token service, EKS, and the credential services of containers and machines in one. A request that is
/// signed with `key` gets the description of the cluster.
fn start(key: Key, cluster: &Arc<StandIn>) -> StandIn {
    let cluster = Arc::clone(cluster);
    StandIn::start(move |request| match (request.method.as_str(), request.path()) {
        ("POST", "/") => assume(request),
        ("GET", "/clusters/production") => match key.has_signed(request, "eu-west-1", "eks") {
            Ok(()) => cluster_description(&cluster),
            Err(problem) => Response::json(403, &json!({ "message": problem })),
        },
        ("GET", "/container") if request.header("authorization") == Some("s3cret-of-the-container") => credentials(),
        ("PUT", "/latest/api/token") if request.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
            Response::text(200, "s3cret-of-the-machine")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/")
            if request.header("x-aws-ec2-metadata-token") == Some("s3cret-of-the-machine") =>
        {
            Response::text(200, "the-role")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/the-role")
            if request.header("x-aws-ec2-metadata-token") == Some("s3cret-of-the-machine") =>
        {
            credentials()
        }
        _ => Response::text(404, "not found"),
    })
}

/// EKS's description of the cluster.
fn cluster_description(cluster: &StandIn) -> Response {
    let authority = json!({ "data": authority_data(cluster) });
    Response::json(200, &json!({ "cluster": { "endpoint": cluster.url(), "certificateAuthority": authority } }))
}

/// The role's key in a response of the credential services of containers and machines.
fn credentials() -> Response {
    let key = session();
    Response::json(
        200,
        &json!({
            "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.session,
            "Expiration": "2099-01-01T00:00:00Z",
        }),
    )
}

fn assume(request: &RecordedRequest) -> Response {
    let refuse = |code: &str, message: &str| {
        let text =
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>");
        Response { headers: vec![("Content-Type".into(), "text/xml".into())], ..Response::text(403, text) }
    };
    if request.form("RoleArn").as_deref() != Some(ROLE) || request.form("Version").as_deref() != Some("2011-06-15") {
        return refuse("AccessDenied", "You are not authorized to perform: sts:AssumeRole");
    }
    match request.form("Action").as_deref() {
        Some("AssumeRole") => match user().has_signed(request, "eu-west-1", "sts") {
            Ok(()) => {}
            Err(problem) => return refuse("SignatureDoesNotMatch", &problem),
        },
        Some("AssumeRoleWithWebIdentity") if request.form("WebIdentityToken").as_deref() == Some(WEB_TOKEN) => {}
        _ => return refuse("AccessDenied", "no such token"),
    }
    let key = session();
    let (id, secret, token) = (key.id, key.secret, key.session.unwrap_or_default());
    Response::bytes(
        200,
        "text/xml",
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <AssumedRoleUser><Arn>{ROLE}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{id}</AccessKeyId>\
             <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

/// Whether a token is a URL of `GetCallerIdentity` for the cluster `production` that is signed with the key.
fn is_signed_by(key: &Key, token: &str) -> bool {
    let Some(url) = token.strip_prefix("k8s-aws-v1.").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()) else {
        return false;
    };
    let url = String::from_utf8(url).expect("a URL");
    let (host, target) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    assert!(target.contains("Action=GetCallerIdentity&Version=2011-06-15") && target.contains("X-Amz-Expires=60&"));
    // The request that the cluster sends to Amazon.
    let request = RecordedRequest {
        method: "GET".to_owned(),
        target: format!("/{target}"),
        headers: vec![("host".to_owned(), host.to_owned()), ("x-k8s-aws-id".to_owned(), "production".to_owned())],
        body: Vec::new(),
    };
    key.has_signed(&request, "eu-west-1", "sts").is_ok()
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
fn logs_in_with_the_keys_of_a_user() {
    let cluster = cluster_for(user());
    let amazon = start(user(), &cluster);
    check_succeeds(&source(json!({ "user": keys() })), &[("AWS_ENDPOINT_URL", &amazon.url())]);
    assert_eq!(amazon.recorded_requests().len(), 1);
}

#[test]
fn helm_logs_in_with_tokens_of_this_program() {
    let Some(real) = jetway_tests::kubernetes::cluster() else { return };
    let cluster = cluster_for(user());
    let amazon = start(user(), &cluster);
    let inputs = crate::support::inputs(&[]);
    for helm in Helm::BOTH {
        let before = cluster.recorded_requests().len();
        let source = source(json!({ "user": keys() }));
        let put = put(helm, real.programs(), &source, json!({ "chart": "chart" }), inputs.path());
        // The put fails, since this API server has only a list of records. The tokens of the requests matter.
        put.env("AWS_ENDPOINT_URL", &amazon.url()).run().failed();
        let requests = cluster.recorded_requests().split_off(before);
        let tokens: Vec<&str> = asked_by_helm(&requests).map(bearer).collect();
        assert!(!tokens.is_empty(), "{helm:?} sent no request: {requests:?}");
        assert!(tokens.iter().all(|token| is_signed_by(&user(), token)), "{helm:?}: {tokens:?}");
    }
}

/// A stand-in for Amazon that gives the worker new keys in each response. They expire after 62 s, and a token is renewed a minute
/// before the expiry of its keys: two seconds later.
fn start_granting(granted: &Arc<Mutex<Vec<SystemTime>>>, cluster: &Arc<StandIn>) -> StandIn {
    let (granted, cluster) = (Arc::clone(granted), Arc::clone(cluster));
    StandIn::start(move |request| match (request.method.as_str(), request.path()) {
        ("GET", "/container") => {
            let mut granted = granted.lock().unwrap();
            let end = SystemTime::now() + Duration::from_secs(62);
            let key = numbered(granted.len());
            granted.push(end);
            Response::json(
                200,
                &json!({
                    "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.session,
                    "Expiration": jiff::Timestamp::try_from(end).unwrap().to_string(),
                }),
            )
        }
        ("GET", "/clusters/production") => cluster_description(&cluster),
        _ => Response::text(404, "not found"),
    })
}

fn numbered(number: usize) -> Key {
    let session = Some(format!("session+token/of={number}"));
    Key { session, ..Key::new(&format!("ASIAROLE{number:04}"), "s3cret/key+of=the-role") }
}

#[test]
fn renews_a_token_whose_keys_expire_while_helm_runs() {
    let Some(real) = jetway_tests::kubernetes::cluster() else { return };
    let inputs = crate::support::inputs(&[]);
    for helm in Helm::BOTH {
        let granted = Arc::new(Mutex::new(Vec::<SystemTime>::new()));
        let expiries = Arc::clone(&granted);
        // The API server delays each response until the token must be renewed, as a long wait would.
        let cluster = Arc::new(api_server(move |token| {
            let ends = expiries.lock().unwrap().clone();
            let signer = (0..ends.len()).find(|number| is_signed_by(&numbered(*number), token));
            let renewal = signer.map(|number| ends[number] - Duration::from_mins(1));
            let Some(renewal) = renewal else { return false };
            std::thread::sleep(renewal.duration_since(SystemTime::now()).unwrap_or_default());
            true
        }));
        let amazon = start_granting(&granted, &cluster);
        let put = put(helm, real.programs(), &source(json!({})), json!({ "chart": "chart" }), inputs.path());
        // The put fails, since this API server has only a list of records. The tokens of the requests matter.
        put.env("AWS_ENDPOINT_URL", &amazon.url())
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", amazon.url()))
            .run()
            .failed();
        let requests = cluster.recorded_requests();
        let tokens: HashSet<&str> = asked_by_helm(&requests).map(bearer).collect();
        assert!(tokens.len() > 1, "{helm:?} used {} tokens: {requests:?}", tokens.len());
    }
}

fn asked_by_helm(requests: &[RecordedRequest]) -> impl Iterator<Item = &RecordedRequest> {
    requests
        .iter()
        .filter(|request| request.header("user-agent").is_some_and(|agent| agent.to_lowercase().starts_with("helm")))
}

fn bearer(request: &RecordedRequest) -> &str {
    request.header("authorization").unwrap_or_default().trim_start_matches("Bearer ")
}

#[test]
fn assumes_a_role_with_the_users_keys() {
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
        check_succeeds(&source(more), &environment);
    }
    let (_, session_name) = amazon
        .recorded_requests()
        .iter()
        .find_map(|request| Some((request.form("RoleArn")?, request.form("RoleSessionName")?)))
        .expect("a role is assumed");
    assert_eq!(session_name, "EKSAssumeRoleSession");
}

#[test]
fn logs_in_with_the_workers_identity() {
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
        check_succeeds(&source(json!({})), &all);
    }
}

#[test]
fn errors_of_amazon_have_a_hint_and_no_secrets() {
    let cluster = cluster_for(user());
    let amazon = start(user(), &cluster);
    let wrong = json!({ "access_key_id": "AKIAUSER", "secret_access_key": "hunter2hunter2" });
    let outcome = check(&source(json!({ "user": wrong, "role": ROLE })), &[("AWS_ENDPOINT_URL", &amazon.url())]);
    outcome.failed();
    let text = messages(&outcome);
    assert!(text.starts_with(&format!("error: cannot assume the role `{ROLE}`\n")), "{text}");
    assert!(
        text.contains("the token service rejected the request (SignatureDoesNotMatch): the signature is another one"),
        "{text}"
    );
    assert!(text.ends_with("hint: are the secret access key and the worker's clock correct?\n"), "{text}");
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    let outcome = check(&source(json!({})), &[("AWS_EC2_METADATA_DISABLED", "true")]);
    outcome.failed();
    assert!(messages(&outcome).starts_with("error: there are no credentials for AWS\n"), "{}", outcome.stderr);
}
