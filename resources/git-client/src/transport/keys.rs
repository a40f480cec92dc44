//! Writes the private keys of a source to files for ssh.

use std::path::PathBuf;

use jetway::{Context, Result, Secret};

use crate::access::Access;
use crate::source::private_key::normalised;

/// A private key in a private file.
#[derive(Debug)]
pub(crate) struct Key {
    /// The path of the file.
    pub(crate) file: PathBuf,
    /// The passphrase, if the key is encrypted.
    pub(crate) passphrase: Option<Secret>,
    /// The ssh user, if the address has none.
    pub(crate) user: Option<String>,
}

/// All private keys of a source.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The source's `private_key`, the default for all ssh connections.
    pub(crate) main: Option<Key>,
    /// The keys of submodules, with the submodule's `url` in `.gitmodules`.
    pub(crate) submodules: Vec<(String, Key)>,
}

impl Keys {
    /// Writes the keys to the private directory of the verb.
    pub(crate) fn write(context: &Context, access: &Access) -> Result<Self> {
        let write = |name: &str, key: &Secret, passphrase: &Option<Secret>, user: &Option<String>| {
            let file = context.private_directory().write(name, normalised(key.expose()).as_bytes())?;
            let passphrase = passphrase.clone().filter(|passphrase| !passphrase.is_empty());
            Ok::<_, jetway::Error>(Key { file, passphrase, user: user.clone().filter(|user| !user.is_empty()) })
        };
        let mut keys = Self::default();
        if let Some(key) = access.private_key.as_ref().filter(|key| !key.is_empty()) {
            keys.main = Some(write("private_key", key, &access.private_key_passphrase, &access.private_key_user)?);
        }
        for (index, entry) in access.submodule_credentials.iter().enumerate() {
            if let Some((url, key)) = entry.key() {
                let name = format!("submodule_key_{index}");
                let key = write(&name, key, &entry.private_key_passphrase, &entry.private_key_user)?;
                keys.submodules.push((url.to_owned(), key));
            }
        }
        Ok(keys)
    }

    /// Iterates over all keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Key> {
        self.main.iter().chain(self.submodules.iter().map(|(_, key)| key))
    }
}
