//! Logins to other hosts.

use std::sync::Arc;

use jetway::http::HttpClient;

use crate::reference::Repository;
use crate::registry::auth::Auth;

/// A login to another host.
pub(super) struct Other {
    pub(super) repository: Repository,
    pub(super) auth: Arc<Auth>,
    pub(super) http: HttpClient,
}
