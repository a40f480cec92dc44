//! `WWW-Authenticate`: a registry's authentication challenges (RFC 9110, section 11.6.1).

use jetway::http::HttpResponse;

/// An authentication challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic,
    /// A bearer token.
    Bearer {
        /// The URL of the token server.
        realm: String,
        service: String,
        /// The scope that the token needs.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The supported challenges of a response. Bearer comes first: a registry that offers both may accept a password
    /// only for tokens.
    pub(crate) fn all(response: &HttpResponse) -> Vec<Self> {
        let headers = response.headers().get_all("www-authenticate");
        sorted(headers.iter().filter_map(|value| value.to_str().ok()).flat_map(Self::parse).collect())
    }

    /// The supported challenges in a header's value, in order.
    pub(crate) fn parse(value: &str) -> Vec<Self> {
        let understood = challenges(value).filter_map(|(scheme, parameters)| {
            if scheme.eq_ignore_ascii_case("basic") {
                return Some(Self::Basic);
            }
            let get = |name: &str| parameter(&parameters, name);
            let realm = get("realm").filter(|realm| scheme.eq_ignore_ascii_case("bearer") && !realm.is_empty())?;
            let scope = get("scope").filter(|scope| !scope.is_empty());
            Some(Self::Bearer { realm, service: get("service").unwrap_or_default(), scope })
        });
        understood.collect()
    }
}

fn sorted(mut challenges: Vec<Challenge>) -> Vec<Challenge> {
    challenges.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    challenges.dedup();
    challenges
}

/// A non-standard parameter of a response's bearer challenge.
pub(crate) fn bearer_parameter(response: &HttpResponse, name: &str) -> Option<String> {
    let headers = response.headers().get_all("www-authenticate");
    let mut all = headers.iter().filter_map(|value| value.to_str().ok()).flat_map(challenges);
    all.find_map(|(scheme, parameters)| {
        scheme.eq_ignore_ascii_case("bearer").then(|| parameter(&parameters, name)).flatten()
    })
}

type Parameters = Vec<(String, String)>;

fn parameter(parameters: &Parameters, name: &str) -> Option<String> {
    parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// The challenges in a header's value, each a scheme with its parameters.
fn challenges(value: &str) -> impl Iterator<Item = (&str, Parameters)> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (scheme, parameters, after) = next_challenge(rest)?;
        rest = after;
        Some((scheme, parameters))
    })
}

/// A scheme with its parameters, and the rest of the text.
fn next_challenge(text: &str) -> Option<(&str, Parameters, &str)> {
    let text = text.trim_start_matches([' ', ',', '\t']);
    let (scheme, mut rest) = word(text)?;
    let mut parameters = Vec::new();
    loop {
        let before = rest.trim_start_matches([' ', ',', '\t']);
        // A word without `=` is the next scheme.
        let Some((name, after)) = word(before) else { return Some((scheme, parameters, before)) };
        let Some(after) = after.trim_start().strip_prefix('=') else { return Some((scheme, parameters, before)) };
        let (value, after) = value(after.trim_start());
        parameters.push((name.to_owned(), value));
        rest = after;
    }
}

fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|character: char| !(character.is_ascii_alphanumeric() || "-_.".contains(character)));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (!word.is_empty()).then_some((word, rest))
}

/// A value, quoted or not, and the rest of the text.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: &str, scope: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: service.into(), scope: scope.map(str::to_owned) }
    }

    #[test]
    fn parses_challenges_in_several_spellings() {
        for (value, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                vec![bearer("https://auth.docker.io/token", "registry.docker.io", Some("repository:a/b:pull,push"))],
            ),
            (r#"bearer realm="https://h/t" , service=x"#, vec![bearer("https://h/t", "x", None)]),
            (r#"Negotiate, Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            (r#"Digest realm="a, Basic", nonce="x", Bearer realm="r""#, vec![bearer("r", "", None)]),
            ("BASIC", vec![Challenge::Basic]),
            (r#"Bearer realm="a\"b""#, vec![bearer("a\"b", "", None)]),
            (r#"Basic realm="x", Bearer realm="r",service="s""#, vec![Challenge::Basic, bearer("r", "s", None)]),
            (r#"Bearer error="invalid_token""#, vec![]),
            ("Bearer", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(Challenge::parse(value), expected, "{value}");
        }
    }

    #[test]
    fn prefers_bearer_to_basic() {
        let both = vec![Challenge::Basic, bearer("r", "", None), Challenge::Basic];
        assert_eq!(sorted(both), [bearer("r", "", None), Challenge::Basic]);
    }

    proptest! {
        #[test]
        fn never_panics(value in "(Bearer|Basic|[a-z]+)? ?([a-z]{1,8}=?\"?[ -~é]{0,12}\"?,? ?){0,6}") {
            let _ = Challenge::parse(&value);
        }
    }
}
