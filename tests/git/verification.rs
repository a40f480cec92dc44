//! get with keys in the source: only commits with a signature by one of them are checked out.

use std::fs;
use std::path::Path;

use jetway_tests::http_git::HttpGit;
use jetway_tests::layer::{Layer, require};
use jetway_tests::repository::Repository;
use jetway_tests::scratch;
use jetway_tests::signing::{Gpg, SshSigner};
use jetway_tests::stand_in::{Response, StandIn};
use jetway_tests::verb::{Outcome, Verb};
use serde_json::{Value, json};

use crate::support::{messages, request, source, with};

/// Runs a get of the commit, and asserts that a failed get has left no file outside of `.git`.
fn get(repository: &Repository, version: Option<&str>, keys: Value) -> Outcome {
    get_with(repository, version, keys, json!({}))
}

fn get_with(repository: &Repository, version: Option<&str>, keys: Value, params: Value) -> Outcome {
    let destination = scratch::directory();
    let source = with(source(&repository.file_url()), keys);
    let outcome = Verb::get("git").dir(destination.path()).request(&request(&source, version, &params)).run();
    let is_empty = files(destination.path()).is_empty();
    assert_eq!(is_empty, outcome.code != Some(0), "{:?}: {}", files(destination.path()), outcome.stderr);
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
    outcome
}

fn files(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).expect("list the destination").flatten();
    names.map(|entry| entry.file_name().into_string().expect("UTF-8")).filter(|name| name != ".git").collect()
}

/// The message of a refusal, with COMMIT in place of the hash.
fn refusal(outcome: &Outcome, commit: &str) -> String {
    outcome.failed();
    messages(outcome).replace(commit, "COMMIT")
}

const REFUSED: &str = "error: The commit COMMIT is not signed by a key that the source names\n  caused by: ";

mod gpg {
    use super::*;

    #[test]
    fn accepts_a_commit_signed_by_a_trusted_key() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let (ada, grace) = (gpg.signer("Ada"), gpg.signer_by_subkey("Grace"));
        let repository = Repository::new();
        let by_ada = repository.signed_commit(&ada, "one", ("a", "1"));
        let by_grace = repository.signed_commit(&grace, "two", ("b", "1"));
        let keys = json!({ "commit_verification_keys": [ada.public, grace.public] });
        for (version, params) in [
            (Some(by_ada.as_str()), json!({})),
            (Some(by_grace.as_str()), json!({ "depth": 1 })),
            (None, json!({})),
            (None, json!({ "depth": 1 })),
        ] {
            let outcome = get_with(&repository, version, keys.clone(), params);
            assert_eq!(outcome.json()["version"]["ref"], version.unwrap_or(&by_grace));
        }
        let outcome = get(&repository, Some(&by_ada), keys);
        let expected = format!(
            "commit {by_ada} has a good signature by Ada <ada@example.com> ({})\nchecked out {by_ada} one\n",
            ada.fingerprint
        );
        assert_eq!(messages(&outcome), expected);
    }

    #[test]
    fn refuses_a_commit_without_a_signature() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let ada = gpg.signer("Ada");
        let repository = Repository::new();
        repository.signed_commit(&ada, "one", ("a", "1"));
        let commit = repository.commit("two", &[("b", "1")]);
        let keys = json!({ "commit_verification_keys": [ada.public] });
        assert_eq!(
            refusal(&get(&repository, Some(&commit), keys), &commit),
            "error: The commit COMMIT is not signed\n"
        );
    }

    #[test]
    fn refuses_signatures_of_other_keys() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let (ada, eve) = (gpg.signer("Ada"), gpg.signer("Eve"));
        let repository = Repository::new();
        let commit = repository.signed_commit(&eve, "one", ("a", "1"));
        let keys = json!({ "commit_verification_keys": [ada.public] });
        let id = &eve.fingerprint[24..];
        assert_eq!(
            refusal(&get(&repository, Some(&commit), keys), &commit),
            format!("{REFUSED}it is signed by the GPG key `{id}`, which the source does not name\n")
        );
    }

    #[test]
    fn refuses_a_commit_changed_after_signing() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let ada = gpg.signer("Ada");
        let repository = Repository::new();
        let signed = repository.signed_commit(&ada, "one", ("a", "1"));
        let text = repository.git(&["cat-file", "commit", &signed]);
        let commit = repository.raw_commit(&text.replace("\n\none", "\n\none, and more\n"));
        let keys = json!({ "commit_verification_keys": [ada.public] });
        assert_eq!(
            refusal(&get(&repository, Some(&commit), keys.clone()), &commit),
            format!("{REFUSED}it was changed after the GPG key `{}` signed it\n", &ada.fingerprint[24..])
        );
        // A commit with two signatures: users could see one, while the other is verified.
        let (header, rest) = text.split_once("gpgsig ").expect("a signature");
        let (signature, message) = rest.split_once("\n\n").expect("a message");
        let commit = repository.raw_commit(&format!("{header}gpgsig {signature}\ngpgsig {signature}\n\n{message}\n"));
        let messages = refusal(&get(&repository, Some(&commit), keys.clone()), &commit);
        assert_eq!(messages, format!("{REFUSED}it has more than one signature\n"));
        // A signature only in the message.
        let commit = repository.raw_commit(&format!("{header}\n{message}\ngpgsig {signature}\n"));
        let messages = refusal(&get(&repository, Some(&commit), keys), &commit);
        assert_eq!(messages, "error: The commit COMMIT is not signed\n");
    }

    #[test]
    fn refuses_expired_and_revoked_keys() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let (old, ada) = (gpg.expired_signer("Old"), gpg.signer("Ada"));
        let repository = Repository::new();
        let by_old = repository.signed_commit(&old, "one", ("a", "1"));
        let by_ada = repository.signed_commit(&ada, "two", ("b", "1"));
        let outcome = get(&repository, Some(&by_old), json!({ "commit_verification_keys": [old.public] }));
        assert_eq!(
            refusal(&outcome, &by_old),
            format!(
                "{REFUSED}the GPG key `{}` (Old <old@example.com>) has expired\n\
                 hint: if its owner has extended its validity, update the key in the source\n",
                &old.fingerprint[24..]
            )
        );
        let outcome = get(&repository, Some(&by_ada), json!({ "commit_verification_keys": [gpg.revoked(&ada)] }));
        assert_eq!(
            refusal(&outcome, &by_ada),
            format!("{REFUSED}the GPG key `{}` (Ada <ada@example.com>) has been revoked\n", &ada.fingerprint[24..])
        );
    }

    #[test]
    fn merges_copies_of_a_key_with_the_newest_expiry() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let (old, ada) = (gpg.expired_signer("Old"), gpg.signer("Ada"));
        let repository = Repository::new();
        let by_old = repository.signed_commit(&old, "one", ("a", "1"));
        let renewed = gpg.renewed(&old);
        for keys in [
            json!([old.public, renewed]),
            json!([renewed, old.public]),
            json!([format!("{}\n{}", old.public, renewed)]),
            json!([ada.public, old.public, ada.public, renewed, old.public]),
        ] {
            get(&repository, Some(&by_old), json!({ "commit_verification_keys": keys })).succeeded();
        }
    }

    #[test]
    fn empty_key_from_a_template_is_an_error() {
        let repository = Repository::new();
        repository.commit("unsigned", &[("a", "1")]);
        let server = HttpGit::serve(repository.root());
        let empty = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n\n-----END PGP PUBLIC KEY BLOCK-----\n";
        for more in [json!({}), json!({ "commit_verification_key_ids": ["0".repeat(40)] })] {
            let keys = with(json!({ "commit_verification_keys": [empty] }), more);
            let source = with(source(&server.url(repository.name())), keys);
            let destination = scratch::directory();
            let outcome = Verb::get("git").dir(destination.path()).request(&request(&source, None, &json!({}))).run();
            outcome.failed();
            let expected = "`source.commit_verification_keys[0]`: Invalid GPG key in: armour without a key\n";
            assert!(messages(&outcome).contains(expected), "{}", messages(&outcome));
            assert_eq!(server.requests(), []);
            assert_eq!(files(destination.path()), Vec::<String>::new());
        }
    }

    #[test]
    fn does_not_apply_to_checks() {
        let repository = Repository::new();
        let commit = repository.commit("unsigned", &[("a", "1")]);
        let source = with(source(&repository.file_url()), json!({ "commit_verification_key_ids": ["0".repeat(40)] }));
        assert_eq!(crate::support::refs(&crate::support::check(&source, None)), [commit]);
    }
}

mod keyserver {
    use super::*;

    /// The response to a "get" operation: an armoured key (draft-shaw-openpgp-hkp-00, 3.1.2.1, "machine readable" by
    /// 3.2.1.1) with the media type of RFC 3156 (7).
    fn armoured(keys: &str) -> Response {
        Response::bytes(200, "application/pgp-keys", keys)
    }

    fn serving(answer: Response) -> StandIn {
        StandIn::start(move |_| answer.clone())
    }

    fn keys(server: &StandIn, id: &str) -> Value {
        json!({ "commit_verification_key_ids": [id], "gpg_keyserver": server.url() })
    }

    #[test]
    fn provides_the_key_of_an_id() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let ada = gpg.signer("Ada");
        let repository = Repository::new();
        let commit = repository.signed_commit(&ada, "one", ("a", "1"));
        let server = serving(armoured(&ada.public));
        let hkp = server.url().replace("http://", "hkp://");
        let id = &ada.fingerprint[24..];
        for keys in [keys(&server, &ada.fingerprint), keys(&server, &format!("0x{}", id.to_lowercase()))] {
            get(&repository, Some(&commit), with(keys, json!({ "gpg_keyserver": hkp }))).succeeded();
        }
        let request: Vec<String> = server.recorded_requests().into_iter().map(|request| request.target).collect();
        let target = |id: &str| format!("/pks/lookup?op=get&options=mr&search=0x{id}");
        assert_eq!(request, [target(&ada.fingerprint), target(id)]);
    }

    #[test]
    fn certificate_is_verified() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let ada = gpg.signer("Ada");
        let repository = Repository::new();
        let commit = repository.signed_commit(&ada, "one", ("a", "1"));
        let key = armoured(&ada.public);
        let server = StandIn::start_tls(move |_| key.clone());
        let hkps = server.url().replace("https://", "hkps://");
        let keys = json!({ "commit_verification_key_ids": [ada.fingerprint], "gpg_keyserver": hkps });
        let messages = refusal(&get(&repository, Some(&commit), keys.clone()), &commit);
        assert!(
            messages.contains("caused by: the server's certificate is not signed by a trusted authority"),
            "{messages}"
        );

        get(&repository, Some(&commit), with(keys, json!({ "ca_certs": [server.authority()] }))).succeeded();
    }

    #[test]
    fn cannot_inject_another_key() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let (ada, eve) = (gpg.signer("Ada"), gpg.signer("Eve"));
        let repository = Repository::new();
        let commit = repository.signed_commit(&eve, "one", ("a", "1"));
        // Instead of the requested key.
        let server = serving(armoured(&eve.public));
        let outcome = get(&repository, Some(&commit), keys(&server, &ada.fingerprint));
        assert_eq!(
            refusal(&outcome, &commit),
            format!(
                "fetching a GPG key from http://127.0.0.1:[PORT]\n\
                 error: cannot fetch the GPG key `{}` from `http://127.0.0.1:[PORT]`\n  \
                 caused by: the server sent another key: {}\n\
                 hint: give the fingerprint of the primary key, not that of a subkey\n",
                ada.fingerprint, eve.fingerprint
            )
        );
        // In addition to the requested key.
        let server = serving(armoured(&format!("{}\n{}", eve.public, ada.public)));
        let outcome = get(&repository, Some(&commit), keys(&server, &ada.fingerprint));
        assert!(refusal(&outcome, &commit).contains("which the source does not name"), "{}", messages(&outcome));
    }

    #[test]
    fn without_the_key_fails_with_a_hint() {
        let repository = Repository::new();
        let commit = repository.commit("one", &[("a", "1")]);
        let id = "0".repeat(40);
        // RFC 9110 (15.5.5): the server has no such resource.
        let server = serving(Response::text(404, "No keys found"));
        let outcome = get(&repository, Some(&commit), keys(&server, &id));
        let messages = refusal(&outcome, &commit);
        assert!(messages.contains(&format!("error: cannot fetch the GPG key `{id}`")), "{messages}");
        assert!(messages.contains("404"), "{messages}");
        assert!(
            messages.contains("hint: put a key that is not published into `commit_verification_keys`"),
            "{messages}"
        );
        // An HTML page of a proxy in front of the keyserver.
        let server = serving(Response::bytes(200, "text/html", "<html>captcha</html>"));
        let messages = refusal(&get(&repository, Some(&commit), keys(&server, &id)), &commit);
        assert!(messages.contains("caused by: the server sent text without `-----BEGIN PGP"), "{messages}");
    }
}

mod ssh {
    use super::*;

    #[test]
    fn accepts_a_commit_signed_by_an_allowed_signer() {
        for kind in ["ed25519", "ecdsa", "rsa"] {
            let person = SshSigner::new(kind);
            let repository = Repository::new();
            let commit = repository.signed_commit(&person.signer(), "one", ("a", "1"));
            let line = format!("# ours\nada@example.com,*@example.org namespaces=\"git\" {}", person.public);
            for params in [json!({}), json!({ "depth": 1 })] {
                let keys = json!({ "allowed_signers": line });
                let outcome = get_with(&repository, Some(&commit), keys, params);
                outcome.succeeded();
                let messages = messages(&outcome);
                assert!(
                    messages.contains(&format!("commit {commit} has a good signature by ada@example.com")),
                    "{messages}"
                );
            }
        }
    }

    #[test]
    fn refuses_other_signatures() {
        let (ada, eve) = (SshSigner::new("ed25519"), SshSigner::new("ed25519"));
        let repository = Repository::new();
        let unsigned = repository.commit("none", &[("n", "1")]);
        let signed = repository.signed_commit(&ada.signer(), "one", ("a", "1"));
        let by_eve = repository.signed_commit(&eve.signer(), "two", ("b", "1"));
        let keys = json!({ "allowed_signers": format!("ada@example.com {}", ada.public) });
        let messages = |commit: &str, keys: &Value| refusal(&get(&repository, Some(commit), keys.clone()), commit);
        assert_eq!(messages(&unsigned, &keys), "error: The commit COMMIT is not signed\n");
        let not_allowed = |fingerprint: &str| {
            format!(
                "{REFUSED}it is signed by the SSH key `{fingerprint}`, which `allowed_signers` does not allow at the commit time\n"
            )
        };
        assert_eq!(messages(&by_eve, &keys), not_allowed(&eve.signer().fingerprint));

        let text = repository.git(&["cat-file", "commit", &signed]);
        let changed = repository.raw_commit(&text.replace("\n\none", "\n\none, and more\n"));
        let refused = messages(&changed, &keys);
        assert!(
            refused.starts_with(&format!("{REFUSED}its signature does not match: the commit was changed")),
            "{refused}"
        );

        // A signature for another namespace (`file`) is refused.
        let (header, message) = text.split_once("gpgsig ").expect("a signature");
        let message = message.split_once("\n\n").expect("a message").1;
        let content = format!("{header}\n{message}\n");
        let signature = ada.sign("file", &content).trim_end().replace('\n', "\n ");
        let for_files = repository.raw_commit(&format!("{header}gpgsig {signature}\n\n{message}\n"));
        assert!(messages(&for_files, &keys).starts_with(REFUSED));
        let signature = ada.sign("git", &content).trim_end().replace('\n', "\n ");
        let for_git = repository.raw_commit(&format!("{header}gpgsig {signature}\n\n{message}\n"));
        get(&repository, Some(&for_git), keys).succeeded();
    }

    #[test]
    fn validity_of_a_key_is_checked_at_the_commit_time() {
        let ada = SshSigner::new("ed25519");
        let repository = Repository::new();
        // The commit is from today, since git signs with the clock of the machine.
        let commit = repository.signed_commit(&ada.signer(), "one", ("a", "1"));
        for (option, is_allowed) in [
            ("valid-before=\"20000101\"", false),
            ("valid-after=\"20000101\"", true),
            ("valid-after=\"29990101\"", false),
        ] {
            let keys = json!({ "allowed_signers": format!("ada@example.com {option} {}", ada.public) });
            let outcome = get(&repository, Some(&commit), keys);
            assert_eq!(outcome.code == Some(0), is_allowed, "{option}: {}", outcome.stderr);
        }
    }

    #[test]
    fn allowed_signers_combine_with_gpg_keys() {
        if !require(Layer::Program("gpg")) {
            return;
        }
        let gpg = Gpg::new();
        let (ada, grace) = (gpg.signer("Ada"), SshSigner::new("ed25519"));
        let repository = Repository::new();
        let by_ada = repository.signed_commit(&ada, "one", ("a", "1"));
        let by_grace = repository.signed_commit(&grace.signer(), "two", ("b", "1"));
        let of_ada = json!({ "commit_verification_keys": [ada.public] });
        let of_grace = json!({ "allowed_signers": format!("grace {}", grace.public) });
        let both = with(of_ada.clone(), of_grace.clone());
        get(&repository, Some(&by_ada), both.clone()).succeeded();
        get(&repository, Some(&by_grace), both).succeeded();
        assert_eq!(
            refusal(&get(&repository, Some(&by_ada), of_grace), &by_ada),
            format!(
                "{REFUSED}it is signed with a GPG key, but the source names only SSH keys\n\
                 hint: add the GPG key to `commit_verification_keys`\n"
            )
        );
        assert_eq!(
            refusal(&get(&repository, Some(&by_grace), of_ada), &by_grace),
            format!(
                "{REFUSED}it is signed with an SSH key, but the source names only GPG keys\n\
                 hint: add the SSH key to `allowed_signers`\n"
            )
        );
    }
}

#[test]
fn invalid_keys_are_refused_before_the_fetch() {
    let armoured = |kind: &str, body: &str| format!("-----BEGIN PGP {kind}-----\n\n{body}\n-----END PGP {kind}-----\n");
    let source = json!({
        "uri": "https://git.invalid/app.git",
        "commit_verification_keys": [
            "abcd",
            armoured("PRIVATE KEY BLOCK", "lFgE"),
            armoured("PUBLIC KEY BLOCK", "abc$"),
            armoured("PUBLIC KEY BLOCK", "aGVsbG8="),
        ],
        "commit_verification_key_ids": ["A4EC9B2F", "ada@example.com"],
        "gpg_keyserver": "ldap://keys.example",
        "allowed_signers": "ada@example.com",
    });
    let destination = scratch::directory();
    let outcome = Verb::get("git").dir(destination.path()).request(&request(&source, None, &json!({}))).run();
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        format!(
            "error: the request has 8 problems (jetway-git {})\n    \
             `source.commit_verification_keys[0]`: Invalid GPG key in: text without `-----BEGIN PGP ...-----` and \
             `-----END PGP ...-----` on lines of their own\n    \
             `source.commit_verification_keys[1]`: Invalid GPG key in: a private key instead of the public key \
             (`gpg --armor --export`)\n    \
             `source.commit_verification_keys[2]`: Invalid GPG key in: armour whose body is not base64\n    \
             `source.commit_verification_keys[3]`: Invalid GPG key in: truncated or malformed packets\n    \
             `source.commit_verification_key_ids[0]`: must be a fingerprint of 40 hexadecimal digits or a key id of 16; \
             shorter ids can be forged\n    \
             `source.commit_verification_key_ids[1]`: must be a fingerprint of 40 hexadecimal digits or a key id of 16; \
             shorter ids can be forged\n    \
             `source.gpg_keyserver`: must be the address of a keyserver, such as `hkps://keyserver.ubuntu.com`\n    \
             `source.allowed_signers`: has no SSH public key in line 1 (expected `NAME ssh-ed25519 AAAA...`)\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}
