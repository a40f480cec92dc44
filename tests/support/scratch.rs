//! Temporary directories, all below one root that a container can mount at the same path.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The directory with the fixtures of all test processes of this user.
///
/// Its path is fixed so that a container can mount it and see each `file://` repository at the same path as the test. Its content
/// belongs to the [`TempDir`]s that [`directory`] returns.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let user = rustix::process::getuid().as_raw();
        let root = std::env::temp_dir().join(format!("jetway-tests-{user}"));
        std::fs::create_dir_all(&root).expect("create the root of the tests' temporary directories");
        // Symlinks are resolved once, so that the output of programs that resolve them still matches.
        root.canonicalize().expect("resolve the root of the tests' temporary directories")
    })
}

/// A new directory, removed when the value is dropped.
pub fn directory() -> TempDir {
    tempfile::Builder::new().tempdir_in(root()).expect("create a temporary directory")
}

/// Cargo's target directory, which caches fixtures that are expensive to build.
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").join("target"),
        PathBuf::from,
    )
}
