//! Where cargo has put the examples that the tests run as processes.

use std::path::PathBuf;

/// An example's executable. The whole `cargo test` builds the examples first, `cargo test --test NAME` does not.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "`{}` is not built: run the whole `cargo test`, or `cargo build --examples --all-features` first",
        path.display()
    );
    path
}
