//! Parses tags as semantic versions, leniently.

use semver::{BuildMetadata, Prerelease, Version};

/// The prefixes of pre-releases; a pipeline may add others.
const PRE_RELEASES: [&str; 3] = ["alpha", "beta", "rc"];

/// Parses a tag as a version: an optional `v`, one to three numbers, and an optional pre-release.
///
/// Missing numbers are zero, and leading zeros are allowed: `2024.01` is 2024.1.0.
pub(crate) fn parse(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, pre) = text.split_once('-').map_or((text, ""), |(numbers, pre)| (numbers, pre));
    if text.contains('-') && pre.is_empty() {
        return None;
    }
    let mut parts = numbers.split('.').map(|part| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<u64>().ok() } else { None }
    });
    let (major, minor, patch) = (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() {
        return None;
    }
    Some(Version { major, minor, patch, pre: Prerelease::new(pre).ok()?, build: BuildMetadata::EMPTY })
}

/// The pre-releases that count as versions.
#[derive(Debug)]
pub(crate) struct PreReleases<'s> {
    /// Whether pre-releases count at all. A constraint with a pre-release (`>=1.2-0`) does not enable them, because
    /// authors often write it to mean "any version".
    pub(crate) wanted: bool,
    /// Additional prefixes of pre-releases.
    pub(crate) prefixes: &'s [String],
}

impl PreReleases<'_> {
    pub(crate) fn admit(&self, version: &Version) -> bool {
        let pre = version.pre.as_str();
        if pre.is_empty() {
            return true;
        }
        if !self.wanted {
            return false;
        }
        let prefixes = || self.prefixes.iter().map(String::as_str).filter(|prefix| !prefix.is_empty());
        // A dash inside means that a variant follows, unless the pipeline has set prefixes.
        if prefixes().next().is_none() && pre.contains('-') {
            return false;
        }
        PRE_RELEASES.into_iter().chain(prefixes()).any(|prefix| pre.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_tags_as_versions_leniently() {
        for (tag, version) in [
            ("1.2.3", "1.2.3"),
            ("v1.2", "1.2.0"),
            ("1", "1.0.0"),
            ("2024.01.05", "2024.1.5"),
            ("20240105", "20240105.0.0"),
            ("1.2.3-rc.1", "1.2.3-rc.1"),
            ("1.2-rc1", "1.2.0-rc1"),
            ("1.2.3-alpine-3", "1.2.3-alpine-3"),
        ] {
            assert_eq!(parse(tag).map(|version| version.to_string()).as_deref(), Some(version), "{tag}");
        }
        for tag in [
            "latest",
            "V1",
            "1.2.",
            "1.2.3.4",
            "1.2.3-01",
            "1.2.3-rc.01",
            "18446744073709551616",
            "1.2.3-",
            "v",
            "",
            "1.x",
            "1.2.3_4",
            "-1",
            "+1",
        ] {
            assert_eq!(parse(tag), None, "{tag}");
        }
    }

    #[test]
    fn pre_releases_count_only_if_requested() {
        let admits = |wanted: bool, prefixes: &[&str], tag: &str| {
            let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            PreReleases { wanted, prefixes: &prefixes }.admit(&parse(tag).unwrap())
        };
        assert!(admits(false, &[], "1.0.0") && !admits(false, &[], "1.0.0-rc.1"));
        for tag in ["1.0.0-rc.1", "1.0.0-rc1", "1.0.0-rc", "1.0.0-alpha", "1.0.0-beta.2", "1.0.0-rcfoo"] {
            assert!(admits(true, &[], tag), "{tag}");
        }
        for tag in ["1.0.0-alpine", "1.0.0-rc.1-alpine", "1.0.0-dev", "1.0.0-1"] {
            assert!(!admits(true, &[], tag), "{tag}");
        }
        assert!(admits(true, &["dev"], "1.0.0-dev-2") && admits(true, &["dev"], "1.0.0-rc.1-x"));
        assert!(!admits(true, &["dev"], "1.0.0-alpine"));
    }
}
