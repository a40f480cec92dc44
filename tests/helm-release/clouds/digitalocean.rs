//! DigitalOcean's clusters, by a token of its API: "Retrieve the kubeconfig for a Kubernetes Cluster" and "Statuses & Errors" of
//! <https://docs.digitalocean.com/reference/api/digitalocean/>.

use super::*;

const ACCESS: &str = "dop_v1_s3cret";

#[test]
fn logs_in_with_the_kubeconfig_that_a_token_gives() {
    let cluster = api_server(|token| token == TOKEN);
    let (server, authority) = (cluster.url(), authority_data(&cluster));
    let api = StandIn::start(move |request| {
        if request.header("authorization") != Some(&format!("Bearer {ACCESS}")) {
            return Response::json(401, &json!({ "id": "Unauthorized", "message": "Unable to authenticate you" }));
        }
        assert_eq!(request.path(), "/v2/kubernetes/clusters/bd5f5959-5e1e/kubeconfig");
        Response::text(
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
    check_succeeds(&source(ACCESS), &environment);
    let outcome = check(&source("dop_v1_hunter2"), &environment);
    outcome.failed();
    assert!(messages(&outcome).contains("Unable to authenticate you"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
}
