//! Validates a source before it is used.

use jetway::{Parameters, Problems, trimmed};

use crate::constraint::Constraint;
use crate::digest::Digest;
use crate::pattern;
use crate::reference::{Repository, is_tag, registry_of};
use crate::signing_key::SigningKey;
use crate::source::docker_config;
use crate::source::shapes::DockerConfig;
use crate::source::size::bytes;
use crate::source::{Sort, Source};

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        if let Err(problem) = self.repository.trim().parse::<Repository>() {
            problems.add("repository", problem);
        }
        if let Some(tag) = self.tag()
            && !is_tag(tag)
            && tag.parse::<Digest>().is_err()
        {
            problems.add("tag", "is not a valid tag: use at most 128 letters, digits, `_`, `.` and `-`");
        }
        if let Some(size) = trimmed(self.max_unpacked_size.as_deref())
            && bytes(size).is_none()
        {
            problems.add("max_unpacked_size", format!("expected a size such as `500m` or `20g`, found `{size}`"));
        }
        for (key, pattern) in [
            ("tag_regex", &self.tag_regex),
            ("label_regex", &self.label_regex),
            ("annotation_regex", &self.annotation_regex),
        ] {
            if let Some(Err(problem)) = trimmed(pattern.as_deref()).map(pattern::compile) {
                problems.add(key, format!("is not a valid pattern: {problem}"));
            }
        }
        if let Some(Err(problem)) = trimmed(self.semver_constraint.as_deref()).map(str::parse::<Constraint>) {
            problems.add("semver_constraint", problem);
        }
        self.validate_sort(problems);
        if let Some(Err(problem)) = self.cosign.as_ref().map(|cosign| SigningKey::examine(&cosign.key)) {
            problems.add("cosign.key", problem);
        }
        if trimmed(self.aws_role_arn.as_deref()).is_some() && !self.aws_role_arns.is_empty() {
            problems.add("aws_role_arns", "excludes `aws_role_arn`: set either one role or a list of roles");
        }
        if self.azure_acr && self.repository.trim().parse::<Repository>().is_ok_and(|repository| repository.is_on_hub())
        {
            problems.add(
                "azure_acr",
                "requires the name of an Azure registry in `repository`, such as `team.azurecr.io/app`",
            );
        }
        if self.azure_acr && trimmed(self.aws_region.as_deref()).is_some() {
            problems.add("azure_acr", "excludes `aws_region`: a registry belongs to either Azure or AWS");
        }
        if let Some(DockerConfig::Text(text)) = &self.docker_config
            && let Err(problem) = docker_config::parse(text.expose())
        {
            problems.add("docker_config", problem);
        }
        let mirrors = self.mirrors();
        for (index, mirror) in mirrors.iter().enumerate() {
            if let Err(problem) = registry_of(mirror.host) {
                let one = mirrors.len() == 1;
                problems.add(if one { "registry_mirror".into() } else { format!("registry_mirror[{index}]") }, problem);
            }
        }
        self.validate_connection(problems);
        self.validate_engine(problems);
    }

    fn hidden_secrets(&self) -> Vec<String> {
        let mut secrets = self.docker_config.as_ref().map(|config| config.config().secrets()).unwrap_or_default();
        // All values are redacted, since it does not matter which of them are secrets.
        let of_trust = self.content_trust.iter().flat_map(serde_json::Map::values);
        secrets.extend(of_trust.filter_map(|value| value.as_str()).filter(|text| text.len() >= 8).map(str::to_owned));
        secrets
    }
}

impl Source {
    fn validate_sort(&self, problems: &mut Problems) {
        let Some(sort) = self.sort else { return };
        let Some(pattern) = trimmed(self.tag_regex.as_deref()) else {
            problems.add("sort", "requires `tag_regex`");
            return;
        };
        if self.created_at_sort && sort != Sort::Created {
            problems.add("sort", "excludes `created_at_sort`: both keys set the order");
        }
        if let Ok(pattern) = pattern::compile(pattern)
            && pattern.capture_names().flatten().count() > 1
        {
            problems.add("sort", "`tag_regex` has several named groups; tags can be sorted by only one");
        }
    }
}
