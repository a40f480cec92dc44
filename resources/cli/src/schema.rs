//! `jetway schema`: prints the JSON Schema of a type's parts, for editors.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use jetway::{Advise as _, Part, ResourceType, Result, nearest};

use crate::catalogue::Catalogue;
use crate::print::print;
use crate::schema_bundle;
use crate::type_schema::{whole, with_vars};

/// The arguments of `jetway schema`.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArguments {
    /// The type; if absent, lists the types
    #[arg(value_name = "TYPE")]
    kind: Option<String>,

    /// Print the schema of this part only
    #[arg(long, value_enum, requires = "kind")]
    part: Option<PartArgument>,

    /// Write a schema for each type and `pipeline.json` for whole pipelines into a directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "kind")]
    all: Option<PathBuf>,
}

/// The parts of a schema.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PartArgument {
    /// `source:` of a resource
    Source,
    /// `params:` of a get step
    Get,
    /// `params:` of a put step
    Put,
    /// A version
    Version,
}

impl PartArgument {
    fn part(self) -> Part {
        match self {
            Self::Source => Part::Source,
            Self::Get => Part::GetParams,
            Self::Put => Part::PutParams,
            Self::Version => Part::Version,
        }
    }
}

/// Prints a schema or the list of types.
pub(crate) fn run(arguments: &SchemaArguments, catalogue: &Catalogue) -> Result<()> {
    if let Some(directory) = &arguments.all {
        return schema_bundle::write(directory, catalogue);
    }
    let Some(name) = &arguments.kind else {
        return print(&listing(catalogue));
    };
    let kind = named(name, catalogue)?;
    let schema = match arguments.part {
        Some(part) => with_vars(kind.schema(part.part())),
        None => whole(kind),
    };
    print(&format!("{schema:#}\n"))
}

/// Lists the types, one per line.
pub(crate) fn listing(catalogue: &Catalogue) -> String {
    let width = catalogue.types().iter().map(|kind| kind.name().len()).max().unwrap_or_default();
    let mut text = String::new();
    for kind in catalogue.types() {
        let _ = writeln!(text, "{:width$}  {} ({})", kind.name(), kind.about(), kind.release());
    }
    text
}

/// Finds a type by name, or fails with the list of valid names.
pub(crate) fn named(name: &str, catalogue: &Catalogue) -> Result<ResourceType> {
    let names = || catalogue.types().iter().map(ResourceType::name);
    catalogue.named(name).ok_or_else(|| {
        let error = anyhow!("unknown type `{name}`");
        match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("supported types: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::catalogue;

    #[test]
    fn suggests_a_type_for_an_unknown_one() {
        let error = named("exmaple", &catalogue()).unwrap_err();
        let lines: Vec<_> = jetway::lines(&error).iter().map(|line| line.text().to_owned()).collect();
        assert_eq!(lines, ["unknown type `exmaple`", "did you mean `example`?"]);
    }
}
