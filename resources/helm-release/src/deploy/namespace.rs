//! `create_namespace`: helm tries to create the namespace for each new release, and fails without the permission to create it, even
//! if it exists.

use jetway::Result;
use serde_json::json;

use crate::cluster::kubernetes::{Asked, CORE, is_gone, is_outdated, is_refused};
use crate::target::Target;

/// Whether helm must create the namespace of the release.
pub(crate) async fn is_to_be_created(target: &Target<'_>) -> Result<bool> {
    let Target { context, kubernetes, namespace, params, .. } = target;
    if !params.create_namespace {
        return Ok(false);
    }
    let asked = |verb| Asked { api: CORE, kind: "namespaces", namespace: "", verb };
    match kubernetes.read(asked("get"), Some(namespace), &[], "application/json").await {
        Ok(_) => return Ok(false),
        Err(error) if is_gone(&error) => return Ok(true),
        Err(error) if is_refused(&error) => {}
        Err(error) => return Err(error),
    }
    // A user who may not read the namespace finds out by a dry run of its creation whether it exists.
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    match kubernetes.try_create(asked("create"), &object).await {
        Ok(()) => Ok(true),
        Err(error) if is_outdated(&error) => Ok(false),
        Err(error) if is_refused(&error) => {
            context.console().step(format_args!(
                "the user may neither read nor create the namespace `{namespace}`: it is not created, and must \
                 exist"
            ));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
