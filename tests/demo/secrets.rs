//! The secrets of the story: masked where a request is shown, looked for wherever something came out.

use std::path::Path;

use base64::Engine as _;
use serde_json::Value;

/// What stands for a secret in a request that is shown.
const MASK: &str = "•••";

/// A line of a key that is shorter than this is too common to be told from others.
const MIN_LINE_LENGTH: usize = 16;

/// Every secret that a request of the story may hold.
#[derive(Default)]
pub(crate) struct Secrets {
    whole: Vec<String>,
    /// The forms in which one might come out.
    forms: Vec<String>,
}

impl Secrets {
    /// Remembers a password or a key.
    pub(crate) fn keep(&mut self, secret: &str) {
        self.whole.push(secret.to_owned());
        if secret.contains('\n') {
            // All of a key's first and last lines is common to all keys.
            let lines = secret.lines().filter(|line| line.len() >= MIN_LINE_LENGTH && !line.starts_with("-----"));
            self.forms.extend(lines.map(str::to_owned));
        } else {
            self.forms.push(secret.to_owned());
        }
    }

    /// Remembers a user's password, and what both are in the header of a request.
    pub(crate) fn keep_password(&mut self, user: &str, password: &str) {
        self.keep(password);
        self.forms.push(base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")));
    }

    /// The request as it may be shown.
    pub(crate) fn masked(&self, request: &Value) -> Value {
        match request {
            Value::String(text) if self.whole.contains(text) => Value::from(MASK),
            Value::Array(items) => items.iter().map(|item| self.masked(item)).collect(),
            Value::Object(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), self.masked(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// Whether any of them is in a text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }

    /// Whether any of them is in a file below a directory.
    pub(crate) fn are_below(&self, directory: &Path) -> bool {
        let Ok(entries) = std::fs::read_dir(directory) else { return false };
        entries.flatten().any(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => self.are_below(&entry.path()),
            Ok(kind) if kind.is_file() => self.are_in_file(&entry.path()),
            _ => false,
        })
    }

    /// Whether any of them is in a file.
    pub(crate) fn are_in_file(&self, path: &Path) -> bool {
        std::fs::read(path).is_ok_and(|content| self.are_in(&String::from_utf8_lossy(&content)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_shown_without_them() {
        let mut secrets = Secrets::default();
        secrets.keep_password("ci", "hunter2");
        let request = json!({ "source": { "username": "ci", "password": "hunter2" }, "list": ["hunter2", 1] });
        let shown = json!({ "source": { "username": "ci", "password": MASK }, "list": [MASK, 1] });
        assert_eq!(secrets.masked(&request), shown);
    }

    #[test]
    fn they_are_found_in_every_form() {
        let mut secrets = Secrets::default();
        secrets.keep_password("ci", "hunter2");
        secrets.keep("-----BEGIN KEY-----\nAAAABBBBCCCCDDDD\n-----END KEY-----\n");
        for text in ["x hunter2", "Basic Y2k6aHVudGVyMg==", "AAAABBBBCCCCDDDD"] {
            assert!(secrets.are_in(text), "{text}");
        }
        assert!(!secrets.are_in("-----BEGIN KEY-----"));
    }
}
