//! Temporary directories, all below one root that an image's container can be given at the same path.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The directory that holds every fixture of the test processes of this user.
///
/// It has one name for all of them so that a container can mount it and see each `file://` repository where the test
/// sees it; what is in it belongs to the [`TempDir`]s that [`directory`] gives.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let user = rustix::process::getuid().as_raw();
        let root = std::env::temp_dir().join(format!("jetway-tests-{user}"));
        std::fs::create_dir_all(&root).expect("create the root of the tests' temporary directories");
        // Links resolved once, so that what a program prints after resolving them is still recognised.
        root.canonicalize().expect("resolve the root of the tests' temporary directories")
    })
}

/// A new directory, removed when the value is dropped.
pub fn directory() -> TempDir {
    tempfile::Builder::new().tempdir_in(root()).expect("create a temporary directory")
}

/// Cargo's target directory: where what is costly to make is kept from one run to the next.
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").join("target"),
        PathBuf::from,
    )
}
