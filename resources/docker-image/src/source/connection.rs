//! Connection settings for a registry: TLS trust, and where TLS is optional.

use std::net::IpAddr;
use std::time::Duration;

use jetway::http::{ClientCertificate, HttpSettings};
use jetway::{Problems, trimmed};

use crate::reference::registry_of;
use crate::source::Source;
use crate::source::shapes::{Insecure, is_registry};

/// The schemes that may be used for a registry, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schemes {
    /// Only `https`.
    Encrypted,
    /// `https`, with a fallback to `http`.
    Any,
}

impl Source {
    /// The schemes that may be used for a registry. A registry on this machine or in a private network may always use
    /// `http`.
    pub(crate) fn schemes(&self, registry: &str, is_main: bool) -> Schemes {
        let allowed = matches!(self.insecure, Some(Insecure::All(true))) && is_main;
        let nearby = is_nearby(registry);
        if allowed || nearby || self.is_unchecked(registry) { Schemes::Any } else { Schemes::Encrypted }
    }

    /// The HTTP settings for a registry.
    pub(crate) fn http(&self, registry: &str) -> HttpSettings {
        let client = self.client_certs.iter().find(|client| is_registry(&client.domain, registry));
        HttpSettings {
            ca_certs: self.ca_certs.iter().filter(|ca| ca.is_for(registry)).map(|ca| ca.pem().to_owned()).collect(),
            insecure: self.is_unchecked(registry),
            client_certificate: client
                .map(|client| ClientCertificate { certificate: client.cert.clone(), key: client.key.clone() }),
            connect_timeout: Duration::from_secs(self.connect_timeout.into()),
            read_timeout: self.patience(),
            ..HttpSettings::default()
        }
    }

    /// Whether a registry's certificate is not verified.
    fn is_unchecked(&self, registry: &str) -> bool {
        let named: &[String] = match &self.insecure {
            Some(Insecure::Registries(registries)) => registries,
            _ => &[],
        };
        named
            .iter()
            .chain(&self.insecure_registries)
            .filter_map(|text| trimmed(Some(text)))
            .any(|text| covers(text, registry))
    }

    pub(super) fn validate_connection(&self, problems: &mut Problems) {
        let ca_certs = self.ca_certs.iter().map(|ca| ca.pem().to_owned()).collect();
        HttpSettings { ca_certs, ..HttpSettings::default() }.validate(problems);
        for (index, client) in self.client_certs.iter().enumerate() {
            let certificate = ClientCertificate { certificate: client.cert.clone(), key: client.key.clone() };
            certificate.validate(
                &format!("client_certs[{index}].cert"),
                &format!("client_certs[{index}].key"),
                problems,
            );
            if let Err(problem) = registry_of(&client.domain) {
                problems.add(format!("client_certs[{index}].domain"), problem);
            }
        }
        for (index, registry) in self.additional_private_registries.iter().enumerate() {
            if let Err(problem) = registry_of(&registry.registry) {
                problems.add(format!("additional_private_registries[{index}].registry"), problem);
            }
        }
    }
}

/// The host without its port.
fn host_of(registry: &str) -> &str {
    if let Some((address, _)) = registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    registry.split_once(':').map_or(registry, |(host, _)| host)
}

/// Whether a registry is on this machine, or has a private address or name.
pub(crate) fn is_nearby(registry: &str) -> bool {
    let host = host_of(registry);
    if host.rsplit('.').next().is_some_and(|last| ["localhost", "local"].contains(&last)) {
        return true;
    }
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

/// Whether an entry of `insecure_registries` covers a registry: the same host and port, or a network that contains its
/// address.
fn covers(entry: &str, registry: &str) -> bool {
    let network = entry
        .split_once('/')
        .and_then(|(address, length)| Some((address.parse::<IpAddr>().ok()?, length.parse::<u32>().ok()?)));
    match (network, host_of(registry).parse::<IpAddr>()) {
        (Some((IpAddr::V4(network), length)), Ok(IpAddr::V4(address))) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            length <= 32 && network.to_bits() & mask == address.to_bits() & mask
        }
        (Some((IpAddr::V6(network), length)), Ok(IpAddr::V6(address))) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            length <= 128 && network.to_bits() & mask == address.to_bits() & mask
        }
        (Some(_), _) => false,
        (None, _) => is_registry(entry, registry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: &str) -> Source {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn plain_http_is_for_local_or_listed_registries() {
        let of = |json: &str, registry: &str| source(json).schemes(registry, true);
        for registry in ["localhost:5000", "127.0.0.1", "[::1]:5000", "10.1.2.3:80", "192.168.0.9", "nas.local"] {
            assert_eq!(of(r#"{"repository":"x"}"#, registry), Schemes::Any, "{registry}");
        }
        for registry in ["registry-1.docker.io", "8.8.8.8", "registry:5000", "localhost.example"] {
            assert_eq!(of(r#"{"repository":"x"}"#, registry), Schemes::Encrypted, "{registry}");
        }
        assert_eq!(of(r#"{"repository":"x","insecure":true}"#, "registry:5000"), Schemes::Any);
        assert_eq!(of(r#"{"repository":"x","insecure_registries":["registry:5000"]}"#, "registry:5000"), Schemes::Any);
        assert_eq!(of(r#"{"repository":"x","insecure_registries":["registry"]}"#, "registry:5000"), Schemes::Encrypted);
    }

    #[test]
    fn insecure_applies_only_to_listed_registries() {
        let unchecked = |json: &str, registry: &str| source(json).http(registry).insecure;
        assert!(!unchecked(r#"{"repository":"x","insecure":true}"#, "registry:5000"));
        assert!(unchecked(r#"{"repository":"x","insecure":["registry:5000"]}"#, "registry:5000"));
        assert!(unchecked(r#"{"repository":"x","insecure_registries":["10.0.0.0/8"]}"#, "10.9.9.9:5000"));
        assert!(!unchecked(r#"{"repository":"x","insecure_registries":["10.0.0.0/8"]}"#, "11.9.9.9:5000"));
        assert!(unchecked(r#"{"repository":"x","insecure_registries":["0.0.0.0/0"]}"#, "11.9.9.9:5000"));
        assert!(!unchecked(r#"{"repository":"x","insecure_registries":["0.0.0.0/0"]}"#, "registry"));
    }

    #[test]
    fn uses_timeouts_of_the_source() {
        let http = source(r#"{"repository":"x","connect_timeout":7,"read_timeout":8}"#).http("h");
        assert_eq!((http.connect_timeout, http.read_timeout), (Duration::from_secs(7), Duration::from_secs(8)));
    }

    #[test]
    fn ca_with_domain_applies_only_to_that_registry() {
        let source = source(r#"{"repository":"x","ca_certs":["a",{"domain":"h:5000","cert":"b"}]}"#);
        assert_eq!(source.http("h:5000").ca_certs, ["a", "b"]);
        assert_eq!(source.http("h").ca_certs, ["a"]);
    }
}
