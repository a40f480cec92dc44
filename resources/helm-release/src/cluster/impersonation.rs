//! Impersonation: the user, groups and attributes of a kubeconfig to act as. Without it, requests would have the rights of the
//! account that logs in, which are usually wider.

use jetway::http::HttpRequest;
use jetway::percent_encode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The identity to impersonate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Impersonation {
    /// The user; `None` if nothing is impersonated.
    pub(crate) user: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) groups: Vec<String>,
    /// Further attributes, each with its values.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl Impersonation {
    /// Adds the headers to a request; see "User impersonation" in the documentation of Kubernetes' authentication.
    pub(crate) fn add_to(&self, mut request: HttpRequest) -> HttpRequest {
        let Some(user) = &self.user else { return request };
        request = request.header("impersonate-user", user);
        if let Some(uid) = &self.uid {
            request = request.header("impersonate-uid", uid);
        }
        for group in &self.groups {
            request = request.add_header("impersonate-group", group);
        }
        for (key, values) in &self.extra {
            let name = format!("impersonate-extra-{}", escaped(key));
            for value in values {
                request = request.add_header(&name, value);
            }
        }
        request
    }

    /// Writes the keys of the user in a kubeconfig.
    pub(crate) fn write(&self, user: &mut Map<String, Value>) {
        let Some(name) = &self.user else { return };
        user.insert("as".to_owned(), json!(name));
        if let Some(uid) = &self.uid {
            user.insert("as-uid".to_owned(), json!(uid));
        }
        if !self.groups.is_empty() {
            user.insert("as-groups".to_owned(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            user.insert("as-user-extra".to_owned(), json!(self.extra));
        }
    }
}

/// The key in a header's name. Like client-go, percent-encodes the characters that are not allowed there.
fn escaped(key: &str) -> String {
    percent_encode(key, "!#$&'*+^`|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_keys_that_are_not_header_names() {
        assert_eq!(escaped("reason"), "reason");
        assert_eq!(escaped("example.com/ticket%1"), "example.com%2Fticket%251");
    }
}
