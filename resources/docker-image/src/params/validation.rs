//! Validates the params of a put.

use std::net::IpAddr;

use jetway::{Parameters, Problems, trimmed};

use crate::params::paths;
use crate::params::put::{CacheTo, PutParams, switch};
use crate::reference::{Repository, is_tag};
use crate::source::size::bytes;
use crate::tag_version;

/// The placeholder for the address of the engine's host.
const GATEWAY: &str = "host-gateway";

/// The ulimits that engines support.
const LIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// No limit.
const UNLIMITED: i64 = -1;

/// The problem of an invalid tag.
const NO_TAG: &str = "is not a valid tag: use at most 128 letters, digits, `_`, `.` and `-`";

impl Parameters for PutParams {
    fn validate(&self, problems: &mut Problems) {
        let paths = [
            ("image", &self.image),
            ("load", &self.load),
            ("load_file", &self.load_file),
            ("import_file", &self.import_file),
            ("tag_file", &self.tag_file),
            ("tag", &self.tag),
            ("tags_file", &self.tags_file),
            ("additional_tags", &self.additional_tags),
            ("build", &self.build),
            ("dockerfile", &self.dockerfile),
            ("build_args_file", &self.build_args_file),
            ("labels_file", &self.labels_file),
            ("load_base", &self.load_base),
        ];
        for (key, path) in paths {
            if let Some(path) = trimmed(path.as_deref()) {
                problems.require_input(key, paths::relative(path));
            }
        }
        self.validate_origin(problems);
        self.validate_build(problems);
        self.validate_tags(problems);
        if let Some(text) = trimmed(self.version.as_deref())
            && tag_version::parse(text).is_none()
        {
            problems.add(
                "version",
                format!("`{text}` is not a semantic version that is valid as a tag, such as `1.2.3` or `1.2.3-rc.1`"),
            );
        }
    }
}

impl PutParams {
    fn validate_tags(&self, problems: &mut Problems) {
        for (index, tag) in self.tags.iter().enumerate() {
            if !trimmed(Some(tag)).is_none_or(is_tag) {
                problems.add(format!("tags[{index}]"), NO_TAG);
            }
        }
        let one = [("tag_file", &self.tag_file), ("tag", &self.tag)];
        let one = one.into_iter().find(|(_, value)| trimmed(value.as_deref()).is_some());
        let all = [
            ("tags", self.tags.iter().any(|tag| trimmed(Some(tag)).is_some())),
            ("tags_file", trimmed(self.tags_file.as_deref()).is_some()),
        ];
        if let (Some((one, _)), Some((all, _))) = (one, all.into_iter().find(|(_, is_set)| *is_set)) {
            problems.add(
                all,
                format!("excludes `{one}`, a file with one tag: set `additional_tags` to a file with more tags"),
            );
        }
    }

    fn validate_build(&self, problems: &mut Problems) {
        for (index, path) in self.load_bases.iter().enumerate() {
            problems.require_input(&format!("load_bases[{index}]"), paths::relative(path));
        }
        if let Some(word) = trimmed(self.docker_buildkit.as_deref())
            && switch(word).is_none()
        {
            problems.add("docker_buildkit", format!("expected `1` or `0`, found `{word}`"));
        }
        if let Some(tag) = trimmed(self.cache_tag.as_deref()) {
            if !is_tag(tag) {
                problems.add("cache_tag", NO_TAG);
            }
        } else if self.cache_to == Some(CacheTo::Registry) {
            problems.add("cache_to", "`registry` requires `cache_tag`, under which the image is pushed too");
        }
        validate_build_options(self, problems);
    }

    fn validate_origin(&self, problems: &mut Problems) {
        let origins = [
            ("image", &self.image),
            ("load", &self.load),
            ("load_file", &self.load_file),
            ("import_file", &self.import_file),
            ("pull_repository", &self.pull_repository),
            ("build", &self.build),
        ];
        let given: Vec<&str> =
            origins.iter().filter(|(_, value)| trimmed(value.as_deref()).is_some()).map(|(key, _)| *key).collect();
        if let [first, second, ..] = given.as_slice() {
            problems.add(*second, format!("excludes `{first}`: both keys name the image"));
        }
        for (key, value, needed, other) in [
            ("load_repository", &self.load_repository, "load_file", &self.load_file),
            ("load_tag", &self.load_tag, "load_repository", &self.load_repository),
            ("pull_tag", &self.pull_tag, "pull_repository", &self.pull_repository),
        ] {
            if trimmed(value.as_deref()).is_some() && trimmed(other.as_deref()).is_none() {
                problems.add(key, format!("requires `{needed}`"));
            }
        }
        if let Some(Err(problem)) = trimmed(self.pull_repository.as_deref()).map(str::parse::<Repository>) {
            problems.add("pull_repository", problem);
        }
        if let Some(tag) = trimmed(self.pull_tag.as_deref())
            && !is_tag(tag)
        {
            problems.add("pull_tag", NO_TAG);
        }
    }
}

/// Validates the build options.
fn validate_build_options(params: &PutParams, problems: &mut Problems) {
    for (name, address) in &params.extra_hosts {
        let key = format!("extra_hosts.{name}");
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        if !is_name(name.trim()) {
            problems.add(&key, "is not a valid host name: use letters, digits, `.`, `-` and `_`");
        }
        let address = address.trim();
        if address != GATEWAY && address.parse::<IpAddr>().is_err() {
            problems.add(&key, format!("`{address}` is not an IP address; expected an IP address or `{GATEWAY}`"));
        }
    }
    for (key, size) in [("shm_size", &params.shm_size), ("memory", &params.memory)] {
        if let Some(size) = trimmed(size.as_deref())
            && bytes(size).is_none()
        {
            problems.add(
                key,
                format!("`{size}` is not a size; expected a number of bytes, or a number with `k`, `m` or `g`"),
            );
        }
    }
    for (name, limit) in &params.ulimits {
        let (key, (soft, hard)) = (format!("ulimits.{name}"), limit.range());
        if !LIMITS.contains(&name.as_str()) {
            problems.add(&key, format!("unknown limit; expected one of {}", LIMITS.join(", ")));
        }
        if soft.min(hard) < UNLIMITED || (hard != UNLIMITED && (soft == UNLIMITED || soft > hard)) {
            problems.add(&key, "`soft` must not exceed `hard`, and neither may be negative; `-1` means unlimited");
        }
    }
    if let Some(asking) = params.asks_for_buildkit() {
        for key in params.keys_of_classic_builder() {
            problems.add(key, format!("requires the classic builder, but `{asking}` requires BuildKit"));
        }
    }
}
