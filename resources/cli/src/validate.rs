//! `jetway validate`: checks pipelines against Jetway's resource types.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use jetway::Result;

use crate::catalogue::Catalogue;
use crate::given::VarArguments;
use crate::pipeline::document;
use crate::position::Severity;
use crate::print::print;
use crate::report::{Report, report};

/// The arguments of `jetway validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArguments {
    /// The pipeline files
    #[arg(required = true, value_name = "PIPELINE")]
    files: Vec<PathBuf>,

    /// Fail on every unknown key, even if the resource would only warn about it
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    vars: VarArguments,
}

/// Validates every file and prints the result. The exit code is 1 for problems and 2 for a file that cannot be used.
pub(crate) fn run(arguments: &ValidateArguments, catalogue: &Catalogue) -> Result<ExitCode> {
    let vars = arguments.vars.read()?;
    let mut text = String::new();
    let mut total = Total { files: arguments.files.len(), ..Total::default() };
    for file in &arguments.files {
        match document(file) {
            Ok(document) => {
                let report = report(document, &vars, catalogue, arguments.strict);
                total.add(&report);
                for finding in report.findings {
                    let _ = writeln!(text, "{}:{finding}", file.display());
                }
            }
            Err(unusable) => {
                total.unusable += 1;
                let _ = writeln!(text, "{unusable}");
            }
        }
    }
    let _ = writeln!(text, "{total}");
    print(&text)?;
    Ok(ExitCode::from(total.exit_code()))
}

/// The totals for all files.
#[derive(Default)]
struct Total {
    files: usize,
    unusable: usize,
    problems: usize,
    warnings: usize,
    resources: usize,
    of_jetway_types: usize,
}

impl Total {
    fn add(&mut self, report: &Report) {
        let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
        self.problems += count(Severity::Problem);
        self.warnings += count(Severity::Warning);
        self.resources += report.resources;
        self.of_jetway_types += report.of_jetway_types;
    }

    fn exit_code(&self) -> u8 {
        if self.unusable > 0 { 2 } else { u8::from(self.problems > 0) }
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if self.unusable > 0 {
            parts.push(format!("{} cannot be used", counted(self.unusable, "file")));
        }
        match self.problems {
            0 if self.unusable > 0 => {}
            0 => parts.push("no problems".to_owned()),
            problems => parts.push(counted(problems, "problem")),
        }
        if self.warnings > 0 {
            parts.push(counted(self.warnings, "warning"));
        }
        let resources = counted(self.resources, "resource");
        write!(formatter, "{} in {}", parts.join(", "), counted(self.files, "pipeline"))?;
        write!(formatter, "; {} of {resources} validated", self.of_jetway_types)
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
