//! put: this release deploys nothing yet, and says so.

use jetway::{Advise as _, Response, Result, anyhow};

use crate::version::Version;

/// The params of the established resource's put.
pub(crate) const NOT_YET: &[&str] = &[
    "params.atomic",
    "params.chart",
    "params.check_is_ready",
    "params.cleanup_on_fail",
    "params.create_namespace",
    "params.debug",
    "params.delete_namespace",
    "params.devel",
    "params.diff_opts",
    "params.force",
    "params.history_max",
    "params.kubeconfig",
    "params.kubeconfig_path",
    "params.namespace",
    "params.override_values",
    "params.post_renderer",
    "params.release",
    "params.replace",
    "params.reset_values",
    "params.reuse_values",
    "params.show_diff",
    "params.skip_missing_values",
    "params.test",
    "params.test_logs",
    "params.timeout",
    "params.token_path",
    "params.uninstall",
    "params.values",
    "params.version",
    "params.wait",
    "params.wait_for_jobs",
];

/// Refuses.
pub(crate) fn put() -> Result<Response<Version>> {
    Err(anyhow!("this release of the type deploys nothing").hint("check and get work; a task deploys with helm"))
}
