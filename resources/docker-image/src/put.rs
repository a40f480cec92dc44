//! put: pushes an image to its registry.

mod glob;
pub(crate) mod ready;

use std::path::Path;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Inputs, Response, Result, trimmed};

use self::ready::Ready;
use crate::build::Build;
use crate::engine::build_engine::BuildEngine;
use crate::flavour::Flavour;
use crate::params::put::PutParams;
use crate::source::Source;
use crate::version::Version;

/// Pushes an image to its registry, and signs it there.
pub(crate) async fn put(
    context: &Context,
    flavour: Flavour,
    source: &Source,
    mut params: PutParams,
    inputs: &Path,
) -> Result<Response<Version>> {
    if source.content_trust.is_some() {
        return Err(anyhow!("`content_trust` (Notary v1 signatures) is not supported"))
            .hint("Notary v1 is retired; set `cosign` to sign images with a cosign key");
    }
    crate::params::paths::make_relative(&mut params, inputs);
    let params = &params;
    let inputs = Inputs::new(inputs)?;
    if let Some(directory) = trimmed(params.build.as_deref()) {
        let build = Build::plan(context, flavour, source, params, directory, &inputs).await?;
        let found = BuildEngine::find(context, source, &build.registries(), build.features()).await?;
        let outcome = build.run(&found.engine).await;
        found.stop().await;
        return outcome;
    }
    let Some(origin) = params.origin() else {
        return Err(anyhow!("the params name no image to push"))
            .hint("set `image`, `load`, `load_file`, `import_file` or `pull_repository` to an existing image, or `build` to a directory to build");
    };
    Ready::new(context, flavour, source, params, &inputs).put(origin).await
}
