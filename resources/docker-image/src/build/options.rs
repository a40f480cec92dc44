//! How an engine is to go about a build: what its steps may reach and use, and what is done anew.

use std::net::IpAddr;

use jetway::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::engine::Query;
use crate::put::Params;
use crate::source::set;

/// What stands for the address of the engine's machine.
const GATEWAY: &str = "host-gateway";

/// The limits that engines know.
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

/// The network of a build's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// One of their own, with a way out.
    Default,
    /// None at all.
    None,
    /// That of the engine's machine.
    Host,
}

/// A limit of processes.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limit {
    /// For good. `-1` is no limit.
    Fixed(i64),
    /// One that a process may raise.
    Range {
        /// The limit at first.
        soft: i64,
        /// What it may be raised to.
        hard: i64,
    },
}

impl Limit {
    fn range(self) -> (i64, i64) {
        match self {
            Self::Fixed(limit) => (limit, limit),
            Self::Range { soft, hard } => (soft, hard),
        }
    }
}

/// What an engine is told of them. The rules have seen that they are what they are to be.
pub(super) fn query(params: &Params) -> Query {
    let mut query = Query::new();
    let switches = [("nocache", params.no_cache), ("pull", params.pull), ("squash", params.squash)];
    query.extend(switches.into_iter().filter(|(_, is_on)| *is_on).map(|(key, _)| (key, "1".to_owned())));
    if let Some(network) = params.network {
        let network = match network {
            Network::Default => "default",
            Network::None => "none",
            Network::Host => "host",
        };
        query.push(("networkmode", network.to_owned()));
    }
    for (name, address) in &params.extra_hosts {
        query.push(("extrahosts", format!("{}:{}", name.trim(), address.trim())));
    }
    for (key, size) in [("shmsize", &params.shm_size), ("memory", &params.memory)] {
        if let Some(size) = set(size.as_deref()).and_then(bytes) {
            query.push((key, size.to_string()));
        }
    }
    if !params.ulimits.is_empty() {
        let limit = |(name, limit): (&String, &Limit)| {
            let (soft, hard) = limit.range();
            json!({ "Name": name, "Soft": soft, "Hard": hard })
        };
        let limits: Vec<_> = params.ulimits.iter().map(limit).collect();
        query.push(("ulimits", json!(limits).to_string()));
    }
    query
}

/// What is wrong with them.
pub(crate) fn rules(params: &Params, problems: &mut Problems) {
    for (name, address) in &params.extra_hosts {
        let key = format!("extra_hosts.{name}");
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        if !is_name(name.trim()) {
            problems.add(&key, "is no name of a host: letters, digits, `.`, `-` and `_`");
        }
        let address = address.trim();
        if address != GATEWAY && address.parse::<IpAddr>().is_err() {
            problems.add(&key, format!("`{address}` is no address; expected one, or `{GATEWAY}`"));
        }
    }
    for (key, size) in [("shm_size", &params.shm_size), ("memory", &params.memory)] {
        if let Some(size) = set(size.as_deref())
            && bytes(size).is_none()
        {
            problems.add(key, format!("`{size}` is no size; expected bytes, or a number with `k`, `m` or `g`"));
        }
    }
    for (name, limit) in &params.ulimits {
        let (key, (soft, hard)) = (format!("ulimits.{name}"), limit.range());
        if !LIMITS.contains(&name.as_str()) {
            problems.add(&key, format!("is no limit; expected one of {}", LIMITS.join(", ")));
        }
        if soft.min(hard) < UNLIMITED || (hard != UNLIMITED && (soft == UNLIMITED || soft > hard)) {
            problems.add(&key, "`soft` is `hard` at most, and neither is below zero; `-1` is no limit");
        }
    }
    if let Some(asking) = params.asks_for_buildkit() {
        for key in params.keys_of_classic_builder() {
            problems.add(key, format!("is for the classic builder; `{asking}` asks for BuildKit"));
        }
    }
}

impl Params {
    /// The keys that are set and only the classic builder has. An engine's BuildKit may ignore them silently.
    fn keys_of_classic_builder(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("shm_size", set(self.shm_size.as_deref()).is_some()),
            ("memory", set(self.memory.as_deref()).is_some()),
            ("ulimits", !self.ulimits.is_empty()),
            ("squash", self.squash),
        ];
        keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    /// The key that asks for the classic builder.
    pub(super) fn asks_for_classic_builder(&self) -> Option<&'static str> {
        self.keys_of_classic_builder().next()
    }
}

/// A size in bytes: `268435456`, `256m`, `256MB`, `1.5g`. Units are powers of 1024, as docker has them.
pub(crate) fn bytes(size: &str) -> Option<u64> {
    let size = size.trim().to_ascii_lowercase();
    let end = size.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(size.len());
    let (number, unit) = size.split_at_checked(end)?;
    let shift = match unit.trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let tenths = part.parse::<u64>().ok().filter(|_| part.len() == 1)?;
    let unit = 1_u64.checked_shl(shift)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(unit.checked_mul(tenths)? / 10).filter(|bytes| (1..=i64::MAX.unsigned_abs()).contains(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_docker_writes_them() {
        for (text, expected) in [
            ("268435456", 268_435_456),
            ("1b", 1),
            ("64k", 65_536),
            ("256m", 268_435_456),
            ("256 MB", 268_435_456),
            ("256MiB", 268_435_456),
            ("1.5g", 1_610_612_736),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in
            ["", "0", "m", "-1", "1t", "1.25g", "1.g", ".5g", "1 2", "9223372036854775808", "99999999999g", "1ü"]
        {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
