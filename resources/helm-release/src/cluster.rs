//! The cluster: finds its API server, logs in without any cloud's command-line tools, and sends requests.

pub(crate) mod aws;
pub(crate) mod connection;
pub(crate) mod digitalocean;
pub(crate) mod google;
pub(crate) mod handover;
pub(crate) mod impersonation;
pub(crate) mod in_cluster;
pub(crate) mod kubeconfig;
pub(crate) mod kubernetes;
pub(crate) mod lookup;
pub(crate) mod renewal;
