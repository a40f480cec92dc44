//! Settings of git that a pipeline gives by `git_config`.

use anyhow::Context as _;
use git2::Repository;
use jetway::{Context, Problems, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The private file that git is told to include.
const FILE: &str = "git_config";

/// One setting of git.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Setting {
    /// Its name, such as `http.proxy`.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Setting {
    /// Notes what is wrong with it.
    pub(crate) fn rules(&self, index: usize, problems: &mut Problems) {
        // A section, perhaps something in quotes between, and a key that begins with a letter (git-config(1), "Syntax").
        let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let (section, key) = (self.name.split('.').next(), self.name.rsplit('.').next());
        let named = self.name.contains('.')
            && section.is_some_and(is_word)
            && key.is_some_and(|key| is_word(key) && key.starts_with(|c: char| c.is_ascii_alphabetic()))
            && !self.name.contains(['\n', '\0']);
        if !named {
            problems.add(format!("git_config[{index}].name"), "is not the name of a setting, such as `core.longPaths`");
        }
        if self.value.contains('\0') {
            problems.add(format!("git_config[{index}].value"), "must not contain a NUL character");
        }
    }

    /// Whether the value is a credential by the setting's nature.
    pub(crate) fn is_secret(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        ["extraheader", "password", "passwd", "token", "secret", "cookie"].iter().any(|word| name.contains(word))
    }
}

/// Writes the settings where only children of this verb look; returns the file, if there is anything in it.
pub(crate) fn install(context: &Context, settings: &[Setting]) -> Result<Option<std::path::PathBuf>> {
    if settings.is_empty() {
        return Ok(None);
    }
    let path = context.private_directory().write(FILE, b"")?;
    let write = || {
        let mut configuration = git2::Config::open(&path)?;
        settings.iter().try_for_each(|setting| configuration.set_str(&setting.name, &setting.value))
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
