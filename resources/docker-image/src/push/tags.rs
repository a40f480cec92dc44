//! The tags of a put: from the source, from files, from a version.

use anyhow::{Context as _, anyhow};
use jetway::{Advise as _, Error, Inputs, Result, trimmed};
use semver::Version as Semantic;

use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::params::put::PutParams;
use crate::reference::is_tag;
use crate::registry::Registry;
use crate::source::Source;
use crate::tag_version;

/// The tags to push, without duplicates. The first one is the put's version.
pub(crate) async fn of_put(
    registry: &Registry<'_>,
    flavour: Flavour,
    source: &Source,
    params: &PutParams,
    inputs: &Inputs,
) -> Result<Vec<String>> {
    let plan = Plan::read(flavour, source, params, inputs)?;
    let mut tags = plan.before;
    if let Some(version) = &plan.version {
        tags.push(with_variant(&version.to_string(), source.variant()));
        if params.bump_aliases && version.pre.is_empty() {
            let there = registry.tags().await?.unwrap_or_default();
            tags.extend(aliases(&there, version, source.variant()));
        }
    } else if params.bump_aliases {
        registry.context().console().warn("`bump_aliases` has no effect without `version`");
    }
    tags.extend(plan.after);
    if plan.unused_prefix {
        registry.context().console().warn("`tag_prefix` has no effect without `tag_file` or `tags_file`");
    }
    settle(tags)
}

/// Removes duplicates, and checks that each is a valid tag.
fn settle(tags: Vec<String>) -> Result<Vec<String>> {
    let mut settled: Vec<String> = Vec::new();
    for tag in tags {
        if tag.parse::<Digest>().is_ok() {
            return Err(anyhow!("`{tag}` is a digest; an image can be pushed only under a tag"))
                .hint("set `tags`, `version` or another key of the params to the tag to push");
        }
        if !is_tag(&tag) {
            return Err(anyhow!("`{tag}` is not a valid tag: use at most 128 letters, digits, `_`, `.` and `-`"));
        }
        if !settled.contains(&tag) {
            settled.push(tag);
        }
    }
    if settled.is_empty() {
        return Err(anyhow!("the put has no tag to push"))
            .hint("set `tag` in the source, or `version`, `tags`, `tags_file`, `tag_file`, `additional_tags` or `tag_as_latest` in the params");
    }
    Ok(settled)
}

/// The tags that are known before the first request to the registry.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Tags that come before the version's.
    before: Vec<String>,
    version: Option<Semantic>,
    /// Tags that come after the version's.
    after: Vec<String>,
    unused_prefix: bool,
}

impl Plan {
    fn read(flavour: Flavour, source: &Source, params: &PutParams, inputs: &Inputs) -> Result<Self> {
        let prefix = trimmed(params.tag_prefix.as_deref());
        let prefixed = |tag: &str| format!("{}{tag}", prefix.unwrap_or_default());
        let version = trimmed(params.version.as_deref()).and_then(tag_version::parse);
        let (key, file) = match (trimmed(params.tag_file.as_deref()), trimmed(params.tag.as_deref())) {
            (None, old) => ("tag", old),
            (new, _) => ("tag_file", new),
        };
        let mut before: Vec<String> =
            params.tags.iter().filter_map(|tag| trimmed(Some(tag))).map(str::to_owned).collect();
        let of_several = trimmed(params.tags_file.as_deref());
        if let Some(file) = of_several {
            before.extend(several(inputs, "tags_file", file)?.iter().map(|tag| prefixed(tag)));
        }
        if let Some(file) = file {
            before.push(prefixed(&one(inputs, key, file)?));
        }
        if before.is_empty() {
            before.extend(source.tag().or(flavour.usual_tag().filter(|_| version.is_none())).map(str::to_owned));
        }
        let mut after = Vec::new();
        if let Some(file) = trimmed(params.additional_tags.as_deref()) {
            let text = read(inputs, "additional_tags", file)?;
            let tags = text.split_whitespace();
            after.extend(
                tags.map(|tag| if flavour.prefixes_additional_tags() { prefixed(tag) } else { tag.to_owned() }),
            );
        }
        let unused_prefix = prefix.is_some()
            && file.or(of_several).is_none()
            && (after.is_empty() || !flavour.prefixes_additional_tags());
        if unused_prefix && flavour.prefixes_additional_tags() {
            return Err(anyhow!("`tag_prefix` requires tags from files"))
                .hint("set `additional_tags`, `tags_file` or `tag_file` to a file with tags");
        }
        if params.tag_as_latest {
            after.push("latest".to_owned());
        }
        Ok(Self { before, version, after, unused_prefix })
    }
}

/// The tag in a file.
fn one(inputs: &Inputs, key: &str, file: &str) -> Result<String> {
    let text = read(inputs, key, file)?;
    let tag = text.trim();
    if tag.is_empty() { Err(without_tag(key, file)) } else { Ok(tag.to_owned()) }
}

/// The tags in a file; at least one.
fn several(inputs: &Inputs, key: &str, file: &str) -> Result<Vec<String>> {
    let text = read(inputs, key, file)?;
    let tags: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if tags.is_empty() { Err(without_tag(key, file)) } else { Ok(tags) }
}

fn without_tag(key: &str, file: &str) -> Error {
    anyhow!("file `{file}` (`{key}`) contains no tag")
}

fn read(inputs: &Inputs, key: &str, file: &str) -> Result<String> {
    let content = || {
        let found = inputs.find(file)?.context("the file does not exist in the inputs")?;
        String::from_utf8(inputs.read(&found)?).map_err(|_| anyhow!("it is not valid UTF-8"))
    };
    content().with_context(|| format!("cannot read file `{file}` (`{key}`)"))
}

fn with_variant(tag: &str, variant: Option<&str>) -> String {
    variant.map_or_else(|| tag.to_owned(), |variant| format!("{tag}-{variant}"))
}

/// The aliases of a version, except those of which the registry has a newer version.
///
/// Versions of other variants, and pre-releases, do not count as newer.
fn aliases(there: &[String], version: &Semantic, variant: Option<&str>) -> Vec<String> {
    let suffix = variant.map(|variant| format!("-{variant}"));
    let of_variant = |tag: &'_ String| {
        let text = match &suffix {
            Some(suffix) => tag.strip_suffix(suffix.as_str())?,
            None => tag,
        };
        tag_version::parse(text).filter(|version| version.pre.is_empty())
    };
    let newer: Vec<Semantic> =
        there.iter().filter_map(of_variant).filter(|known| known.cmp_precedence(version).is_gt()).collect();
    let mut aliases = Vec::new();
    if newer.is_empty() {
        aliases.push(variant.unwrap_or("latest").to_owned());
    }
    if !newer.iter().any(|known| known.major == version.major) {
        aliases.push(with_variant(&version.major.to_string(), variant));
    }
    if !newer.iter().any(|known| (known.major, known.minor) == (version.major, version.minor)) {
        aliases.push(with_variant(&format!("{}.{}", version.major, version.minor), variant));
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bumped(there: &[&str], version: &str, variant: Option<&str>) -> String {
        let there: Vec<String> = there.iter().map(ToString::to_string).collect();
        aliases(&there, &tag_version::parse(version).unwrap(), variant).join(" ")
    }

    #[test]
    fn version_gets_aliases_without_newer_version() {
        for (there, version, variant, expected) in [
            (&[][..], "1.2.3", None, "latest 1 1.2"),
            (&["1.2.2", "1.1.9", "0.9", "1", "1.2", "latest"], "1.2.3", None, "latest 1 1.2"),
            (&["1.2.3"], "1.2.3", None, "latest 1 1.2"),
            (&["1.2.4"], "1.2.3", None, ""),
            (&["1.3.0"], "1.2.3", None, "1.2"),
            (&["2.0.0"], "1.2.3", None, "1 1.2"),
            (&["2"], "1.2.3", None, "1 1.2"),
            (&["v1.3"], "1.2.3", None, "1.2"),
            (&["2.0.0-rc.1", "1.2.4-alpha"], "1.2.3", None, "latest 1 1.2"),
            (&["2.0.0-alpine", "1.3.0-alpine"], "1.2.3", None, "latest 1 1.2"),
            (&["2.0.0", "1.3.0"], "1.2.3", Some("alpine"), "alpine 1-alpine 1.2-alpine"),
            (&["1.3.0-alpine"], "1.2.3", Some("alpine"), "1.2-alpine"),
            (&["1.3.0-rc.1-alpine"], "1.2.3", Some("alpine"), "alpine 1-alpine 1.2-alpine"),
            (&["nonsense", "1.2.3.4"], "1.2.3", None, "latest 1 1.2"),
        ] {
            assert_eq!(bumped(there, version, variant), expected, "{there:?} {version} {variant:?}");
        }
    }

    struct Case {
        root: tempfile::TempDir,
    }

    impl Case {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in [("tag", "1.0\n"), ("more", "a b\nc\n"), ("none", " \n"), ("bad", "x/y")] {
                std::fs::write(root.path().join(name), text).unwrap();
            }
            Self { root }
        }

        fn plan(&self, flavour: Flavour, source: &str, params: &str) -> Result<(String, String)> {
            let source: Source = serde_json::from_str(&format!(r#"{{"repository":"x"{source}}}"#)).unwrap();
            let params: PutParams = serde_json::from_str(&format!("{{{params}}}")).unwrap();
            let inputs = Inputs::new(self.root.path()).unwrap();
            let plan = Plan::read(flavour, &source, &params, &inputs)?;
            Ok((plan.before.join(" "), plan.after.join(" ")))
        }
    }

    #[test]
    fn flavours_have_their_own_default_tag_and_prefix() {
        use Flavour::{DockerImage, RegistryImage};
        let case = Case::new();
        for (flavour, source, params, before, after) in [
            (DockerImage, "", "", "latest", ""),
            (RegistryImage, "", "", "", ""),
            (DockerImage, r#","tag":"x""#, "", "x", ""),
            (DockerImage, r#","tag":"x""#, r#""tag_prefix":"v""#, "x", ""),
            (DockerImage, r#","tag":"x""#, r#""tag":"tag","tag_prefix":"v""#, "v1.0", ""),
            (DockerImage, "", r#""tag_file":"tag","tag":"none""#, "1.0", ""),
            (DockerImage, "", r#""tag_file":"tag","additional_tags":"more","tag_prefix":"v""#, "v1.0", "a b c"),
            (DockerImage, "", r#""version":"1.2""#, "", ""),
            (DockerImage, "", r#""tag_file":"tag","tag_as_latest":true"#, "1.0", "latest"),
            (RegistryImage, r#","tag":"x""#, r#""additional_tags":"more","tag_prefix":"v""#, "x", "va vb vc"),
            (RegistryImage, "", r#""additional_tags":"more""#, "", "a b c"),
            (DockerImage, r#","tag":"x""#, r#""tags":["1","2",""]"#, "1 2", ""),
            (DockerImage, "", r#""tags":["1"],"tag_as_latest":true,"additional_tags":"more""#, "1", "a b c latest"),
            (DockerImage, "", r#""tags":["1"],"tags_file":"more","tag_prefix":"v""#, "1 va vb vc", ""),
            (DockerImage, "", r#""tags":[]"#, "latest", ""),
            (RegistryImage, r#","tag":"x""#, r#""tags_file":"more""#, "a b c", ""),
        ] {
            let (found_before, found_after) = case.plan(flavour, source, params).unwrap();
            assert_eq!((found_before.as_str(), found_after.as_str()), (before, after), "{flavour:?} {source} {params}");
        }
    }

    #[test]
    fn reports_invalid_tag_files() {
        use Flavour::RegistryImage;
        let case = Case::new();
        for (params, problem) in [
            (r#""tag_file":"gone""#, "cannot read file `gone` (`tag_file`): the file does not exist in the inputs"),
            (r#""tag":"none""#, "file `none` (`tag`) contains no tag"),
            (
                r#""additional_tags":"../x""#,
                "cannot read file `../x` (`additional_tags`): `../x` is outside the directory of the inputs",
            ),
            (r#""tags_file":"none""#, "file `none` (`tags_file`) contains no tag"),
            (r#""tag_prefix":"v","tags":["1"]"#, "`tag_prefix` requires tags from files"),
            (r#""tag_prefix":"v""#, "`tag_prefix` requires tags from files"),
            (r#""tag_prefix":"v","additional_tags":"none""#, "`tag_prefix` requires tags from files"),
        ] {
            let error = case.plan(RegistryImage, "", params).unwrap_err();
            let lines: Vec<String> = jetway::lines(&error)
                .iter()
                .filter(|line| !matches!(line, jetway::Line::Hint(_)))
                .map(|line| line.text().to_owned())
                .collect();
            assert_eq!(lines.join(": "), problem, "{params}");
        }
        assert!(settle(vec!["x/y".to_owned()]).is_err());
        assert_eq!(settle(vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]).unwrap(), ["a", "b"]);
        assert_eq!(settle(Vec::new()).unwrap_err().to_string(), "the put has no tag to push");
    }
}
