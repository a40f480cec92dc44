//! The values that a put hands to helm.

use std::path::PathBuf;

use anyhow::anyhow;
use jetway::{Advise as _, Context, Inputs, Result};

use crate::params::Params;

/// The files of values that are there.
pub(crate) fn files(context: &Context, params: &Params, inputs: &Inputs) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in params.values.files() {
        match inputs.find(file)? {
            Some(path) => found.push(path),
            None if params.skip_missing_values => {
                context.console().step(format_args!("there is no `{file}`: it is left out"));
            }
            None => {
                return Err(anyhow!("there is no file `{file}` in the inputs")
                    .hint("`skip_missing_values` leaves out what is not there"));
            }
        }
    }
    Ok(found)
}
