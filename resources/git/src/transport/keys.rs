//! The private keys of a source, as files that ssh can be told of.

use std::path::PathBuf;

use jetway::{Context, Result, Secret};

use crate::source::Source;
use crate::source::private_key::normalised;

/// A private key in a private file.
#[derive(Debug)]
pub(crate) struct Key {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// What opens it, when it is encrypted.
    pub(crate) passphrase: Option<Secret>,
    /// The user to log in as where the address names none.
    pub(crate) user: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The source's own, for whatever is reached by ssh.
    pub(crate) main: Option<Key>,
    /// Those of submodules, each with the address in `.gitmodules`.
    pub(crate) submodules: Vec<(String, Key)>,
}

impl Keys {
    /// Writes them where only children of this verb look.
    pub(crate) fn write(context: &Context, source: &Source) -> Result<Self> {
        let write = |name: &str, key: &Secret, passphrase: &Option<Secret>, user: &Option<String>| {
            let file = context.private_directory().write(name, normalised(key.expose()).as_bytes())?;
            let passphrase = passphrase.clone().filter(|passphrase| !passphrase.is_empty());
            Ok::<_, jetway::Error>(Key { file, passphrase, user: user.clone().filter(|user| !user.is_empty()) })
        };
        let mut keys = Self::default();
        if let Some(key) = source.private_key.as_ref().filter(|key| !key.is_empty()) {
            keys.main = Some(write("private_key", key, &source.private_key_passphrase, &source.private_key_user)?);
        }
        for (index, entry) in source.submodule_credentials.iter().enumerate() {
            if let Some((url, key)) = entry.key() {
                let name = format!("submodule_key_{index}");
                let key = write(&name, key, &entry.private_key_passphrase, &entry.private_key_user)?;
                keys.submodules.push((url.to_owned(), key));
            }
        }
        Ok(keys)
    }

    /// Each of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Key> {
        self.main.iter().chain(self.submodules.iter().map(|(_, key)| key))
    }
}
