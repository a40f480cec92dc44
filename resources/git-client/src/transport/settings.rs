//! Applies the settings of `git_config` to git commands and to the clone.

use anyhow::Context as _;
use git2::Repository;
use jetway::{Console, Context, Result};

use crate::source::remote::Remote;
use crate::source::setting::Setting;

/// The private file with the settings, which git includes.
const FILE: &str = "git_config";

/// The settings that have no effect, each with the reason. A name that ends with a dot stands for a whole section.
const INEFFECTIVE: [(&str, &str); 5] = [
    ("clone.defaultRemoteName", "a get names the remote `origin`, which tasks and puts rely on"),
    ("core.editor", "a put never waits for an editor"),
    ("pull.", "the params `merge` and `rebase` set how a put catches up with the branch"),
    ("rebase.rebaseMerges", "a put with `rebase` keeps merges"),
    ("sequence.editor", "a put never waits for an editor"),
];

/// The setting that has no effect if the source has a login or a passphrase.
const ASKPASS: (&str, &str) = ("core.askPass", "git gets its credentials from the source");

/// The setting that has no effect if the source configures ssh.
const SSH: (&str, &str) = ("ssh.variant", "the source configures ssh, which must then be OpenSSH");

/// Warns about settings that have no effect.
pub(crate) fn warn_of_ineffective(settings: &[Setting], has_askpass: bool, has_ssh: bool, console: &Console) {
    let ineffective = || INEFFECTIVE.into_iter().chain(has_askpass.then_some(ASKPASS)).chain(has_ssh.then_some(SSH));
    for Setting { name, .. } in settings {
        let lower = name.to_ascii_lowercase();
        let is_same = |ineffective: &str| {
            let ineffective = ineffective.to_ascii_lowercase();
            lower == ineffective || (ineffective.ends_with('.') && lower.starts_with(&ineffective))
        };
        if let Some((_, why)) = ineffective().find(|(ineffective, _)| is_same(ineffective)) {
            console.warn(format_args!("`{name}` in `git_config` has no effect: {why}"));
        }
    }
}

/// The remotes in rewrite rules that contain a login.
pub(crate) fn remotes_with_logins(settings: &[Setting]) -> impl Iterator<Item = Remote> {
    settings.iter().filter_map(|setting| Some(setting.without_login()?.1))
}

/// Writes the settings to a private file; returns its path, or `None` if there are no settings.
pub(crate) fn install(context: &Context, settings: &[Setting]) -> Result<Option<std::path::PathBuf>> {
    if settings.is_empty() {
        return Ok(None);
    }
    let path = context.private_directory().write(FILE, b"")?;
    let write = || {
        let mut configuration = git2::Config::open(&path)?;
        settings.iter().try_for_each(|setting| {
            let without_login = setting.without_login().map(|(setting, _)| setting);
            let Setting { name, value } = without_login.as_ref().unwrap_or(setting);
            configuration.set_str(name, value)
        })
    };
    write().context("cannot write the settings of `git_config`")?;
    Ok(Some(path))
}

/// Whether these settings or the machine's configuration rewrite addresses (`url.<base>.insteadOf`).
pub(crate) fn rewrite_addresses(settings: &[Setting]) -> bool {
    let is_rewrite = |name: &str| name.to_ascii_lowercase().starts_with("url.");
    let machine_rewrites = || {
        let configuration = git2::Config::open_default()?;
        let mut entries = configuration.entries(Some("^url\\."))?;
        Ok::<_, git2::Error>(entries.next().is_some())
    };
    settings.iter().any(|setting| is_rewrite(&setting.name)) || machine_rewrites().unwrap_or_default()
}

/// Writes the settings into a clone for the following tasks, except credentials.
pub fn write_to_clone(repository: &Repository, settings: &[Setting]) -> Result<()> {
    let write = || {
        let mut configuration = repository.config()?.open_level(git2::ConfigLevel::Local)?;
        let kept = settings.iter().filter(|setting| !setting.is_secret());
        kept.into_iter().try_for_each(|setting| configuration.set_str(&setting.name, &setting.value))
    };
    write().context("cannot write the settings of `git_config` into the clone")
}
