//! Settings of git from `git_config`: for the children of a verb, and for the clone.

use anyhow::Context as _;
use git2::Repository;
use jetway::{Console, Context, Result};

use crate::source::remote::Remote;
use crate::source::setting::Setting;

/// The private file that git is told to include.
const FILE: &str = "git_config";

/// The settings that have no effect, since a verb decides what they are about, and why. A name that ends with a dot stands for the
/// whole section.
const UNUSED: [(&str, &str); 5] = [
    ("clone.defaultRemoteName", "a get names the remote `origin`, which tasks and puts rely on"),
    ("core.editor", "a put never waits for an editor"),
    ("pull.", "the params `merge` and `rebase` set how a put catches up with the branch"),
    ("rebase.rebaseMerges", "a put with `rebase` keeps merges"),
    ("sequence.editor", "a put never waits for an editor"),
];

/// Those that have no effect beside a login or passphrase of the source.
const ASKPASS: (&str, &str) = ("core.askPass", "git gets its credentials from the source");

/// Those that have no effect beside keys of the source that are about ssh.
const SSH: (&str, &str) = ("ssh.variant", "the source configures ssh, which is then OpenSSH");

/// Says which settings have no effect, and why.
pub(crate) fn warn_of_unused(settings: &[Setting], has_askpass: bool, has_ssh: bool, console: &Console) {
    let unused = || UNUSED.into_iter().chain(has_askpass.then_some(ASKPASS)).chain(has_ssh.then_some(SSH));
    for Setting { name, .. } in settings {
        let lower = name.to_ascii_lowercase();
        let is_same = |unused: &str| {
            let unused = unused.to_ascii_lowercase();
            lower == unused || (unused.ends_with('.') && lower.starts_with(&unused))
        };
        if let Some((_, why)) = unused().find(|(unused, _)| is_same(unused)) {
            console.warn(format_args!("`{name}` in `git_config` has no effect: {why}"));
        }
    }
}

/// The addresses with logins that settings lead to.
pub(crate) fn remotes(settings: &[Setting]) -> impl Iterator<Item = Remote> {
    settings.iter().filter_map(|setting| Some(setting.without_login()?.1))
}

/// Writes the settings where only children of this verb look; returns the file, if there is anything in it.
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

/// Whether git may go to another address than the one it is told (`url.<base>.insteadOf`), by these settings or by the
/// machine's.
pub(crate) fn rewrite_addresses(settings: &[Setting]) -> bool {
    let is_rewrite = |name: &str| name.to_ascii_lowercase().starts_with("url.");
    let of_machine = || {
        let configuration = git2::Config::open_default()?;
        let mut entries = configuration.entries(Some("^url\\."))?;
        Ok::<_, git2::Error>(entries.next().is_some())
    };
    settings.iter().any(|setting| is_rewrite(&setting.name)) || of_machine().unwrap_or_default()
}

/// Writes the settings into a clone, for the tasks that follow. Credentials do not belong there.
pub(crate) fn keep(repository: &Repository, settings: &[Setting]) -> Result<()> {
    let keep = || {
        let mut configuration = repository.config()?.open_level(git2::ConfigLevel::Local)?;
        let kept = settings.iter().filter(|setting| !setting.is_secret());
        kept.into_iter().try_for_each(|setting| configuration.set_str(&setting.name, &setting.value))
    };
    keep().context("cannot write the settings of `git_config` into the clone")
}
