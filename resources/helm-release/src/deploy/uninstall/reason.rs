//! The reason why helm could not delete a release, which helm prints only as debug output.

use std::path::Path;

use crate::error_texts::{NOT_DELETED_HELM_3, NOT_DELETED_HELM_4};

/// Removes the debug output from the standard error of `helm uninstall --debug`, except for the reason.
pub(super) fn without_debug_output(stderr: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut reason: Vec<String> = Vec::new();
    let mut is_in_reason = false;
    for line in stderr.lines() {
        if line.starts_with("level=DEBUG ") {
            is_in_reason = false;
            if let Some((_, text)) = line.split_once(NOT_DELETED_HELM_4) {
                reason.extend(unquoted(text).lines().map(str::to_owned));
            }
        } else if let Some((place, text)) = debug_line_of_helm_3(line) {
            // A stack trace follows.
            if place == "helm.go" {
                break;
            }
            let begin = text.strip_prefix(NOT_DELETED_HELM_3);
            reason.extend(begin.map(str::to_owned));
            is_in_reason = begin.is_some();
        } else if is_in_reason && !line.starts_with("Error:") {
            reason.push(line.to_owned());
        } else {
            is_in_reason = false;
            kept.push(line.to_owned());
        }
    }
    kept.extend(reason);
    kept.join("\n")
}

/// The source file and the text of a line such as `uninstall.go:102: 2026-11-28 ... [debug] text`.
fn debug_line_of_helm_3(line: &str) -> Option<(&str, &str)> {
    let (head, text) = line.split_once(" [debug] ")?;
    let (place, _) = head.split_once(':')?;
    Path::new(place).extension().is_some_and(|extension| extension == "go").then_some((place, text))
}

/// Decodes a quoted Go string.
fn unquoted(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_reason_in_debug_output_of_helm_3_and_helm_4() {
        let three = "uninstall.go:102: 2026-11-28 22:13:23.3 +0000 UTC m=+0.1 [debug] uninstall: Deleting a3\n\
                     uninstall.go:124: 2026-11-28 22:13:23.3 +0000 UTC m=+0.2 [debug] uninstall: Failed to delete release: [no matches for kind \"Gadget\"\n\
                     ensure CRDs are installed first]\nError: failed to delete release: a3\n\
                     helm.go:86: 2026-11-28 22:13:23.3 +0000 UTC m=+0.2 [debug] failed to delete release: a3\nhelm.sh/helm/v3/pkg\n\tuninstall.go:125\n";
        let four = "level=DEBUG msg=\"uninstall: deleting release\" name=a4\n\
                    level=DEBUG msg=\"uninstall: Failed to delete release\" error=\"[no matches for kind \\\"Gadget\\\"\\nensure CRDs are installed first]\"\n\
                    Error: failed to delete release: a4\n";
        for (messages, name) in [(three, "a3"), (four, "a4")] {
            let expected = format!(
                "Error: failed to delete release: {name}\n[no matches for kind \"Gadget\"\nensure CRDs are installed first]"
            );
            assert_eq!(without_debug_output(messages), expected);
        }
        assert_eq!(without_debug_output("warning: a\nError: b\n"), "warning: a\nError: b");
    }
}
