//! Repositories of charts: helm's own list of them, written here, so that no password is an argument.

use std::collections::BTreeSet;

use jetway::http::{Url, authority_problem};
use jetway::{Advise as _, Problems, Result, Secret, address_secrets, anyhow};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::source::{Source, given, set};
use crate::target::Target;

/// The repository that helm knew by itself once.
const STABLE: &str = "stable";

/// Where it is kept now.
const STABLE_URL: &str = "https://charts.helm.sh/stable";

/// A repository of charts.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Repository {
    /// Its name in `chart: NAME/CHART`.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The user to log in as.
    pub username: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// The certificate of the authority that alone may speak for it, in PEM form.
    pub ca_cert: Option<String>,
    /// Accept any certificate of its.
    #[serde(default)]
    pub insecure: bool,
    /// Send user and password to other hosts, too, when its index leads there.
    #[serde(default)]
    pub pass_credentials: bool,
}

/// The address of the repository `stable`, or whether there is one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StableRepository {
    /// Whether there is one.
    Wanted(bool),
    /// Its address.
    Url(String),
}

impl Source {
    /// The address of the repository `stable`, when there is to be one.
    fn stable(&self) -> Option<&str> {
        match self.stable_repo.as_ref()? {
            StableRepository::Wanted(false) => None,
            StableRepository::Wanted(true) => Some(STABLE_URL),
            StableRepository::Url(url) => Some(url.trim()).filter(|url| !url.is_empty()),
        }
    }

    /// The option for a command that fetches from that repository (a name, or an address as dependencies have it). What a
    /// repository says of its certificate helm heeds for the index alone.
    pub(crate) fn repository_option(&self, repository: &str) -> Option<&'static str> {
        let named = repository.trim_start_matches("alias:").trim_start_matches('@');
        let is_it = |one: &&Repository| {
            one.name.trim() == named || one.url.trim().trim_end_matches('/') == repository.trim().trim_end_matches('/')
        };
        self.repos.iter().find(is_it)?.insecure.then_some("--insecure-skip-tls-verify")
    }

    /// The names of all repositories.
    pub(crate) fn repositories(&self) -> Vec<&str> {
        let stable = self.stable().map(|_| STABLE);
        self.repos.iter().map(|repository| repository.name.trim()).chain(stable).collect()
    }
}

/// Notes what is wrong with the repositories.
pub(crate) fn rules(source: &Source, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for (index, repository) in source.repos.iter().enumerate() {
        let at = |key: &str| format!("repos[{index}].{key}");
        let name = repository.name.trim();
        if name.is_empty() || name.starts_with('-') || name.contains(|character: char| !is_of_name(character)) {
            problems.add(at("name"), "expected a name: letters, digits, `-`, `_` and `.`");
        } else if !names.insert(name) {
            problems.add(at("name"), format!("is the name of another repository, too: `{name}`"));
        }
        address_rules(&repository.url, &at("url"), problems);
        let (user, password) = (given(repository.username.as_ref()), set(repository.password.as_ref()));
        match (user, password) {
            (Some(_), None) => problems.add(at("password"), "required beside `username`, but missing"),
            (None, Some(_)) => problems.add(at("username"), "required beside `password`, but missing"),
            _ => {}
        }
        if let Some(problem) = given(repository.ca_cert.as_ref()).and_then(authority_problem) {
            problems.add(at("ca_cert"), problem);
        }
    }
    if let Some(url) = source.stable() {
        address_rules(url, "stable_repo", problems);
        if names.contains(STABLE) {
            problems.add("stable_repo", "names the repository `stable`, and so does `repos`; leave one out");
        }
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.".contains(character)
}

fn address_rules(url: &str, key: &str, problems: &mut Problems) {
    let url = url.trim();
    if url.starts_with("oci://") {
        problems.add_with_hint(
            key,
            "is the address of a registry, which has no index",
            format!("a chart there is `chart: {url}/CHART`, and `private_registry` logs in"),
        );
    } else if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        problems.add(key, "expected an address, `https://...`");
    }
}

/// The passwords and tokens in addresses.
pub(crate) fn hidden_secrets(source: &Source) -> Vec<String> {
    let addresses = source.repos.iter().map(|repository| repository.url.trim()).chain(source.stable());
    addresses.flat_map(address_secrets).collect()
}

/// Tells helm of the repositories, and of these addresses where none of the source's has them. None of them is asked yet.
pub(crate) fn write(target: &Target<'_>, others: &[String]) -> Result<()> {
    let Target { context, source, helm, .. } = target;
    let mut entries = Vec::new();
    for (index, repository) in source.repos.iter().enumerate() {
        let authority = given(repository.ca_cert.as_ref()).map(|text| {
            context.private_directory().write(format!("repository-{index}.pem"), format!("{text}\n").as_bytes())
        });
        entries.push(json!({
            "name": repository.name.trim(), "url": repository.url.trim(),
            "username": given(repository.username.as_ref()).unwrap_or_default(),
            "password": set(repository.password.as_ref()).map(Secret::expose).unwrap_or_default(),
            "caFile": authority.transpose()?.unwrap_or_default(),
            "insecure_skip_tls_verify": repository.insecure, "pass_credentials_all": repository.pass_credentials,
        }));
    }
    entries.extend(source.stable().map(|url| json!({ "name": STABLE, "url": url })));
    let known = source.repos.iter().map(|repository| repository.url.trim()).chain(source.stable());
    let new = others.iter().filter(|url| !known.clone().any(|known| known.trim_end_matches('/') == url.as_str()));
    entries.extend(
        new.enumerate().map(|(index, url)| json!({ "name": format!("jetway-dependency-{index}"), "url": url })),
    );
    if entries.is_empty() {
        return Ok(());
    }
    let list: Value = json!({ "apiVersion": "v1", "repositories": entries });
    helm.configure("repositories.yaml", list.to_string().as_bytes())
}

/// Fetches the index of a repository.
pub(crate) async fn update(target: &Target<'_>, name: &str) -> Result<()> {
    let Target { context, helm, .. } = target;
    context.console().step(format_args!("fetching the index of the repository `{name}`"));
    let told = helm.command("repo").arg("update").arg("--").arg(name).quiet().run().await?;
    // Helm 3 ends well without an index, too.
    if told.is_success() && helm.cached(&format!("repository/{name}-index.yaml")).is_file() {
        return Ok(());
    }
    // Why there is none is among the words for when all is well.
    let noise = ["Hang tight", "Update Complete", "...Successfully"];
    let (said, last) = (told.text(), told.stderr.trim().to_owned());
    let lines = said.lines().chain(last.lines()).filter(|line| !noise.iter().any(|noise| line.starts_with(noise)));
    Err(anyhow!(lines.collect::<Vec<_>>().join("\n"))
        .context(format!("cannot fetch the index of the repository `{name}`"))
        .hint("its address and login are in `repos` of the source"))
}
