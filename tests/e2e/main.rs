//! End-to-end tests of whole pipelines: the images of the resource types in containers, as a Concourse worker runs them, against
//! real servers of git, images and Kubernetes and stand-ins of GitHub, Jira and Slack.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "test code")]

mod bundles;
mod delivery;
mod legacy;
mod own_pipeline;
mod readme;
mod worker;
