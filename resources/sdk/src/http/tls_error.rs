//! Messages for TLS errors. The library's own text, which is for programmers, is never shown.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{
    AlertDescription, CertificateError, Error, InconsistentKeys, InvalidMessage, OtherError, PeerIncompatible,
};

use super::transport_error::TransportKind;

/// The server's certificate is not signed by one of the only trusted authorities.
#[derive(Debug)]
pub(crate) struct ForeignAuthority;

impl fmt::Display for ForeignAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the server's certificate is not signed by the authority that is set for it")
    }
}

impl std::error::Error for ForeignAuthority {}

/// The kind of the error, its message, and its hint. `host` is the server's name in messages.
pub(crate) fn explain(error: &Error, host: &str) -> (TransportKind, String, Option<String>) {
    let tls = |text: &str, hint: Option<&str>| (TransportKind::Tls, text.to_owned(), hint.map(str::to_owned));
    match error {
        Error::InvalidCertificate(reason) => {
            let (text, hint) = explain_certificate(reason, host);
            (TransportKind::Certificate, text, hint)
        }
        Error::AlertReceived(alert) => {
            let (text, hint) = explain_alert(*alert);
            (TransportKind::Alert, text, hint.map(str::to_owned))
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            tls("the server does not speak TLS on this port", Some("is it an `http://` server?"))
        }
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => tls(OLD_VERSIONS, None),
        Error::PeerIncompatible(_) => tls("the server and this client have no TLS parameters in common", None),
        Error::NoApplicationProtocol => tls("the server speaks neither HTTP/1.1 nor HTTP/2 on this port", None),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            tls("the client certificate does not match its key", None)
        }
        Error::NoCertificatesPresented => tls("the server sent no certificate", None),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => {
            tls("the server violated the TLS protocol", Some("does a proxy or a firewall modify the connection?"))
        }
        _ => tls("TLS failed", None),
    }
}

const OLD_VERSIONS: &str = "the server supports only TLS versions older than 1.2";

fn explain_alert(alert: AlertDescription) -> (String, Option<&'static str>) {
    match alert {
        AlertDescription::CertificateRequired => ("the server requires a client certificate".to_owned(), None),
        // TLS 1.2 has the same alert for a missing certificate and for a wrong one.
        AlertDescription::BadCertificate | AlertDescription::UnknownCA => {
            ("the server rejects the client certificate, or requires one".to_owned(), None)
        }
        AlertDescription::HandshakeFailure => (
            "the server refused the TLS handshake (alert `handshake_failure`)".to_owned(),
            Some("does it require a client certificate, or an old TLS version or cipher?"),
        ),
        AlertDescription::ProtocolVersion => (OLD_VERSIONS.to_owned(), None),
        AlertDescription::UnrecognisedName => ("the server does not know a host of this name".to_owned(), None),
        other => (format!("the server ended TLS with the alert {}", alert_name(&format!("{other:?}"))), None),
    }
}

/// The name of an alert by RFC 8446, from the library's name: `DecryptError` becomes `decrypt_error`.
pub(crate) fn alert_name(name: &str) -> String {
    let mut text = String::from("`");
    let mut after_small = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_small {
            text.push('_');
        }
        after_small = character.is_ascii_lowercase();
        text.push(character.to_ascii_lowercase());
    }
    text.push('`');
    text
}

fn explain_certificate(reason: &CertificateError, host: &str) -> (String, Option<String>) {
    let renew = || Some(format!("{host} needs a new certificate"));
    match reason {
        CertificateError::Other(OtherError(reason)) if reason.is::<ForeignAuthority>() => (reason.to_string(), None),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate is not signed by a trusted authority".to_owned(),
            Some("add the certificate of its authority, in PEM form, to `ca_certs`".to_owned()),
        ),
        CertificateError::Expired => ("the server's certificate has expired".to_owned(), renew()),
        CertificateError::ExpiredContext { not_after, .. } => {
            (format!("the server's certificate has expired{}", on_day("on", *not_after)), renew())
        }
        CertificateError::NotValidYet => {
            ("the server's certificate is not valid yet".to_owned(), Some("is the worker's clock right?".to_owned()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!("the server's certificate is not valid{}", on_day("before", *not_before)),
            Some("is the worker's clock right?".to_owned()),
        ),
        CertificateError::NotValidForName => (format!("the server's certificate is not valid for {host}"), renew()),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "the server's certificate names no host".to_owned(),
            Some(format!("{host} needs a certificate that has a subject alternative name")),
        ),
        CertificateError::NotValidForNameContext { presented, expected } => {
            // Each name has the form `DnsName("a.example")`.
            let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
            let text = format!("the server's certificate is for another name: `{}`", names.join("`, `"));
            (
                text,
                Some(format!(
                    "use a name of the certificate in the address; the certificate is not valid for `{}`",
                    expected.to_str()
                )),
            )
        }
        CertificateError::Revoked => ("the server's certificate was revoked".to_owned(), renew()),
        CertificateError::BadEncoding => ("the server's certificate is damaged".to_owned(), renew()),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("the server's certificate is not for servers (its extended key usage)".to_owned(), renew())
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "the server's certificate, or that of its authority, is signed with an unsupported algorithm".to_owned(),
            Some(
                "supported: RSA with 2048 bits or more, ECDSA and Ed25519, with SHA-256, SHA-384 or SHA-512".to_owned(),
            ),
        ),
        CertificateError::UnhandledCriticalExtension => {
            ("the server's certificate has an unsupported critical extension".to_owned(), renew())
        }
        _ => ("the server's certificate is not acceptable".to_owned(), renew()),
    }
}

/// ` on 2020-01-31`.
fn on_day(word: &str, time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map(|time| format!(" {word} {}", time.strftime("%Y-%m-%d"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_alerts_like_the_rfc() {
        assert_eq!(alert_name("DecryptError"), "`decrypt_error`");
        assert_eq!(alert_name("UnknownCA"), "`unknown_ca`");
    }

    #[test]
    fn shows_no_debug_text_of_the_library() {
        let unsupported = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![6, 9],
            supported_algorithms: Vec::new(),
        };
        let errors = [
            Error::InvalidCertificate(unsupported),
            Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure),
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            Error::PeerMisbehaved(rustls::PeerMisbehaved::MissingKeyShare),
            Error::AlertReceived(AlertDescription::InsufficientSecurity),
            Error::General("General { .. }".to_owned()),
        ];
        for error in errors {
            let (_, text, hint) = explain(&error, "`h.example`");
            let messages = format!("{text} {}", hint.unwrap_or_default());
            let debug =
                ["{", "[", "Unsupported", "ApplicationVer", "NoCipher", "MissingKey", "InsufficientSec", "General"];
            assert!(!debug.iter().any(|debug| messages.contains(debug)), "{messages}");
        }
    }
}
