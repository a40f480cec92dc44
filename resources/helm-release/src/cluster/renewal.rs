//! Renews the token of a cloud's cluster.

use jetway::{Context, Result, anyhow};

use super::connection::Token;
use super::{aws, google};
use crate::source::{ClusterKeys, Source};

/// Logs in to the cloud that the source names, and returns the new token.
pub(super) async fn renewed_token(context: &Context, source: &Source) -> Result<Token> {
    match source.cluster_keys() {
        Some(ClusterKeys::Google) => google::log_in(context, source).await,
        Some(ClusterKeys::Aws(aws)) => aws::log_in(context, source, aws).await,
        _ => Err(anyhow!("the source names no cloud to log in to")),
    }
}
