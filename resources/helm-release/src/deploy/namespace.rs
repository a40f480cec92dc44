//! `create_namespace`: helm tries to create the namespace for each new release, and fails without the permission to create it, even
//! if it exists.

use jetway::Result;
use serde_json::json;

use crate::cluster::kubernetes::{ApiResource, CORE, is_conflict, is_forbidden, is_not_found};
use crate::target::Target;

/// Whether helm must create the namespace of the release.
pub(crate) async fn must_be_created(target: &Target<'_>) -> Result<bool> {
    let Target { context, kubernetes, namespace, params, .. } = target;
    if !params.create_namespace {
        return Ok(false);
    }
    let resource = |verb| ApiResource { api: CORE, kind: "namespaces", namespace: "", verb };
    match kubernetes.read(resource("get"), Some(namespace), &[], "application/json").await {
        Ok(_) => return Ok(false),
        Err(error) if is_not_found(&error) => return Ok(true),
        Err(error) if is_forbidden(&error) => {}
        Err(error) => return Err(error),
    }
    // Without permission to read the namespace, a dry run of its creation shows whether it exists.
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    match kubernetes.dry_run_create(resource("create"), &object).await {
        Ok(()) => Ok(true),
        Err(error) if is_conflict(&error) => Ok(false),
        Err(error) if is_forbidden(&error) => {
            context.console().step(format_args!(
                "the user may neither read nor create the namespace `{namespace}`: it is not created, and must \
                 exist"
            ));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
