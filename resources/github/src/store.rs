//! A cache for the next check in the same container. It holds responses, so that the server need not send (and count) them again,
//! and a GitHub App's token until it expires.
//!
//! Only this user can read the file. A file with another owner, other permissions or invalid content is ignored. The token is
//! encrypted with a key derived from the App's private key. The private key comes with every request and is never on disk, so
//! the file alone does not reveal the token.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::{CacheFile, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The maximum size of the file, in bytes.
const MAX_SIZE: u64 = 32 * 1024 * 1024;

/// The content of the cache, and its path.
#[derive(Debug)]
pub(crate) struct Store {
    file: CacheFile,
    kept: Content,
    /// The entries that this check has used or added; only these are saved.
    used: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    #[serde(default)]
    answers: BTreeMap<String, CachedPage>,
    #[serde(default)]
    token: Option<String>,
}

/// A cached page, and its `ETag`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CachedPage {
    pub(crate) etag: String,
    pub(crate) next: Option<String>,
    pub(crate) items: Value,
}

/// A token and its expiry, in seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct CachedToken {
    token: String,
    ends: i64,
}

impl Store {
    /// Opens the cache in `directory` for this server and repository.
    pub(crate) fn open(directory: &Path, type_name: &str, server: &str, repository: &str) -> Self {
        let name = digest(&[b"jetway", type_name.as_bytes(), server.as_bytes(), repository.as_bytes()]);
        let name = name.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let file = CacheFile::new(directory.join(format!("jetway-{type_name}-{name:016x}.json")), MAX_SIZE);
        let kept = file.read().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, kept, used: Content::default() }
    }

    /// The cached page for a request.
    pub(crate) fn page(&self, request: &str) -> Option<&CachedPage> {
        self.used.answers.get(request).or_else(|| self.kept.answers.get(request))
    }

    /// Caches a page.
    pub(crate) fn keep(&mut self, request: &str, page: CachedPage) {
        self.used.answers.insert(request.to_owned(), page);
    }

    /// The cached token for `login`, and its expiry.
    pub(crate) fn token(&mut self, login: &Login<'_>) -> Option<(Secret, i64)> {
        let sealed = self.kept.token.clone()?;
        let opened = open(login, &sealed)?;
        self.used.token = Some(sealed);
        Some((Secret::new(opened.token), opened.ends))
    }

    /// Caches a token.
    pub(crate) fn keep_token(&mut self, login: &Login<'_>, token: &Secret, ends: i64) {
        self.used.token = seal(login, &CachedToken { token: token.expose().to_owned(), ends });
    }

    /// Removes the token from the cache.
    pub(crate) fn forget_token(&mut self) {
        self.kept.token = None;
        self.used.token = None;
    }

    /// Saves the entries that this check used. Errors are ignored, because the next check works without the cache.
    pub(crate) fn save(&self) {
        let _ = self.write();
    }

    fn write(&self) -> std::io::Result<()> {
        self.file.write(&serde_json::to_vec(&self.used)?)
    }
}

/// The identity that a token belongs to. A cached token can be decrypted only with the identity that it was encrypted with.
#[derive(Debug)]
pub(crate) struct Login<'s> {
    pub(crate) private_key: &'s Secret,
    /// Server, App, installation and repository.
    pub(crate) names: [&'s str; 4],
}

impl Login<'_> {
    fn key(&self) -> Option<LessSafeKey> {
        let key = digest(&[b"jetway github token", self.private_key.expose().trim().as_bytes()]);
        UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
    }

    fn bound_to(&self) -> Aad<Vec<u8>> {
        Aad::from(digest(&self.names.map(str::as_bytes)))
    }
}

fn seal(login: &Login<'_>, sealed: &CachedToken) -> Option<String> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let mut bytes = serde_json::to_vec(sealed).ok()?;
    login.key()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), login.bound_to(), &mut bytes).ok()?;
    Some(STANDARD.encode([&nonce[..], &bytes].concat()))
}

fn open(login: &Login<'_>, text: &str) -> Option<CachedToken> {
    let bytes = STANDARD.decode(text).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let opened = login.key()?.open_in_place(nonce, login.bound_to(), &mut sealed).ok()?;
    serde_json::from_slice(opened).ok()
}

/// The SHA-256 of several texts, each prefixed with its length.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = Digest::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    fn page() -> CachedPage {
        CachedPage { etag: "\"x\"".to_owned(), next: None, items: serde_json::json!([1]) }
    }

    fn kept_in(directory: &Path) -> PathBuf {
        let mut store = Store::open(directory, "test", "server", "o/n");
        store.keep("a", page());
        store.save();
        fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()
    }

    #[test]
    fn pages_are_cached_per_repository() {
        let directory = tempfile::tempdir().unwrap();
        let path = kept_in(directory.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Store::open(directory.path(), "test", "server", "o/n").page("a").unwrap().etag, "\"x\"");
        assert!(Store::open(directory.path(), "test", "server", "o/m").page("a").is_none());
    }

    #[test]
    fn save_drops_pages_that_were_not_used() {
        let directory = tempfile::tempdir().unwrap();
        kept_in(directory.path());
        Store::open(directory.path(), "test", "server", "o/n").save();
        assert!(Store::open(directory.path(), "test", "server", "o/n").page("a").is_none());
    }

    #[test]
    fn open_ignores_a_file_that_is_damaged_shared_or_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let path = kept_in(directory.path());
        let is_used = || Store::open(directory.path(), "test", "server", "o/n").page("a").is_some();
        let content = fs::read(&path).unwrap();
        fs::write(&path, &content[..content.len() / 2]).unwrap();
        assert!(!is_used());
        fs::write(&path, &content).unwrap();
        assert!(is_used());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!is_used());
        fs::remove_file(&path).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, &content).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(!is_used());
        // Saving replaces the symlink, not its target.
        kept_in(directory.path());
        assert_eq!(fs::read(&elsewhere).unwrap(), content);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!is_used());
        Store::open(directory.path(), "test", "server", "o/n").save();
    }

    #[test]
    fn token_can_be_decrypted_only_with_its_own_identity() {
        let directory = tempfile::tempdir().unwrap();
        let (key, other) = (Secret::new("key\n"), Secret::new("other"));
        let login = |private_key, repository| Login { private_key, names: ["server", "1", "", repository] };
        let mut store = Store::open(directory.path(), "test", "server", "o/n");
        store.keep_token(&login(&key, "o/n"), &Secret::new("ghs_token"), 5);
        store.save();
        let path = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
        assert!(!fs::read_to_string(path).unwrap().contains("ghs_token"));
        let opened = |login| Store::open(directory.path(), "test", "server", "o/n").token(&login);
        let (token, ends) = opened(login(&key, "o/n")).unwrap();
        assert_eq!((token.expose(), ends), ("ghs_token", 5));
        assert!(opened(login(&other, "o/n")).is_none());
        assert!(opened(login(&key, "o/m")).is_none());
    }
}
