//! Valid certificates of private authorities, and certificates that every client must reject, for all types that use HTTPS.

use crate::certificates::{self, Authority, Identity, Kind};
use crate::stand_in::{Response, StandIn};
use crate::verb::Outcome;

/// The error messages with which a type must reject certificates. Each list contains parts of the message.
pub struct Refusals<'t> {
    /// For an expired certificate.
    pub expired: &'t [&'t str],
    /// For a certificate of another host.
    pub other_host: &'t [&'t str],
    /// For a certificate of an unknown authority.
    pub unknown: &'t [&'t str],
}

/// Runs a type against servers with all these certificates. `ask` gets the URL of a server and the certificate of an authority,
/// and runs a verb that sends a request to the server. The server responds to every request with 404.
///
/// # Panics
/// If a valid certificate is rejected, an invalid one is accepted, or a message does not have the expected parts.
pub fn check(refusals: &Refusals<'_>, ask: impl Fn(&str, &str) -> Outcome) {
    let serve = |authority: &str, identity: &Identity| {
        StandIn::start_tls_with(authority, identity, |_| Response::text(404, "nothing is here"))
    };
    let takes = |kind: &str, authority: &str, identity: &Identity| {
        let server = serve(authority, identity);
        let outcome = ask(&server.url(), authority);
        assert!(!server.recorded_requests().is_empty(), "{kind}: {}", outcome.stderr);
    };
    for kind in Kind::ALL {
        let authority = Authority::of(kind);
        takes(&format!("{kind:?}"), authority.pem(), &authority.server(&["localhost"]));
    }
    let (authority, identity) = certificates::signed_by_rsa_pss("localhost");
    takes("RSA-PSS", &authority, &identity);
    let authority = Authority::of(Kind::P521);
    let refuses = |identity: &Identity, trusted: &Authority, parts: &[&str]| {
        let server = serve(authority.pem(), identity);
        let outcome = ask(&server.url(), trusted.pem());
        outcome.failed();
        let is_said = |part: &&&str| !outcome.stderr.contains(**part);
        assert_eq!(parts.iter().find(is_said), None, "{}", outcome.stderr);
        // What a library prints of its own values.
        assert!(!outcome.stderr.contains("Context {") && !outcome.stderr.contains("Error("), "{}", outcome.stderr);
        assert!(server.recorded_requests().is_empty(), "{}", outcome.stderr);
    };
    refuses(&authority.expired_server(&["localhost"]), &authority, refusals.expired);
    refuses(&authority.server(&["other.example"]), &authority, refusals.other_host);
    refuses(&authority.server(&["localhost"]), &Authority::of(Kind::P521), refusals.unknown);
}

/// The messages of the SDK's HTTP client.
pub const REFUSALS: Refusals<'_> = Refusals {
    expired: &["the server's certificate has expired on 2020-01-01", "`localhost` needs a new certificate"],
    other_host: &[
        "the server's certificate is for another name: `other.example`",
        "use a name of the certificate in the address; the certificate is not valid for `localhost`",
    ],
    unknown: &["localhost", "the server's certificate is not signed by a trusted authority", "`ca_certs`"],
};
