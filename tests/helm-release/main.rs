//! Black-box tests of the helm-release resource: the binary against a Kubernetes with releases of helm, and against
//! stand-ins for clouds that verify signatures.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: an unexpected result ends the test"
)]

mod abort;
mod access;
mod applying;
mod bad_input;
mod charts;
mod check;
mod clouds;
mod connection;
mod containers;
mod crds;
mod diagnosis;
mod diff;
mod error_texts;
mod get;
mod given_access;
mod hooks;
mod kubeconfigs;
mod override_values;
mod put;
mod readme;
mod recovery;
mod removal;
mod rollback;
mod support;
mod testing;
mod waiting;
