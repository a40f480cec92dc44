//! Repositories of charts: writes helm's list of repositories, so that no password is in an argument.

use jetway::{Advise as _, Result, Secret, anyhow, trimmed};
use serde_json::{Value, json};

use crate::source::repository::STABLE;
use crate::target::Target;

/// Writes helm's list of repositories: those of the source, and these other addresses. No repository is contacted yet.
pub(crate) fn write(target: &Target<'_>, others: &[String]) -> Result<()> {
    let Target { context, source, helm, .. } = target;
    let repositories = source.repositories();
    let mut entries = Vec::new();
    for (index, repository) in repositories.listed.iter().enumerate() {
        let authority = trimmed(repository.ca_cert.as_ref()).map(|text| {
            context.private_directory().write(format!("repository-{index}.pem"), format!("{text}\n").as_bytes())
        });
        entries.push(json!({
            "name": repository.name.trim(), "url": repository.url.trim(),
            "username": trimmed(repository.username.as_ref()).unwrap_or_default(),
            "password": Secret::non_empty(repository.password.as_ref()).map(Secret::expose).unwrap_or_default(),
            "caFile": authority.transpose()?.unwrap_or_default(),
            "insecure_skip_tls_verify": repository.insecure, "pass_credentials_all": repository.pass_credentials,
        }));
    }
    entries.extend(repositories.stable.map(|url| json!({ "name": STABLE, "url": url })));
    let known = repositories.urls();
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
    let finished = helm.command("repo").arg("update").arg("--").arg(name).quiet().run().await?;
    // helm 3 exits with 0 even if it has no index.
    if finished.is_success() && helm.cached(&format!("repository/{name}-index.yaml")).is_file() {
        return Ok(());
    }
    // helm prints the reason on standard output, among its messages of success.
    let noise = ["Hang tight", "Update Complete", "...Successfully"];
    let (messages, last) = (finished.text(), finished.stderr.trim().to_owned());
    let lines = messages.lines().chain(last.lines()).filter(|line| !noise.iter().any(|noise| line.starts_with(noise)));
    Err(anyhow!(lines.collect::<Vec<_>>().join("\n"))
        .context(format!("cannot fetch the index of the repository `{name}`"))
        .hint("its address and login are in `repos` of the source"))
}
