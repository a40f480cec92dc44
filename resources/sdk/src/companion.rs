//! Companions: small programs that children of a resource type call back, such as git's askpass or a kubeconfig's exec
//! plugin. They are the type's own binary under another name, so that an image carries no script and a secret reaches
//! the child that needs it through a private file and a pipe.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;

use crate::build_metadata::BuildMetadata;
use crate::console::stderr_console;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::private_directory::PrivateDirectory;
use crate::runtime::block_on;

/// A program that children call back under `name`.
#[derive(Debug, Clone, Copy)]
pub struct Companion {
    /// The file name that it is called by. It must not be a verb's.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&CompanionCall) -> Result<CompanionAnswer>,
}

/// One call of a companion.
#[derive(Debug)]
pub struct CompanionCall {
    /// The private directory that the companion was installed in, where the type has left what the companion needs.
    pub directory: PathBuf,
    /// The arguments that the child gave.
    pub arguments: Vec<OsString>,
}

impl CompanionCall {
    /// Does what takes waiting, such as a request, in surroundings like a verb's: a signal ends it, and what it left in a
    /// private directory of its own is removed.
    pub fn wait_for<T>(&self, work: impl AsyncFnOnce(&Context) -> Result<T>) -> Result<T> {
        let context = Context::new(BuildMetadata::from_environment(), stderr_console(), std::env::temp_dir());
        let outcome = block_on(&context, work(&context));
        context.private_directory().remove();
        outcome
    }
}

/// What a companion does in the end.
#[derive(Debug)]
pub enum CompanionAnswer {
    /// Prints this on standard output.
    Print(Vec<u8>),
    /// Becomes this program.
    Become(Command),
    /// Nothing more: it has done its work on standard input and output itself.
    Done,
    /// Refuses, so that the child gives up.
    Refuse,
}

impl Companion {
    /// Puts the companion into the private directory and returns the path by which a child calls it.
    pub fn install(&self, private: &PrivateDirectory) -> Result<PathBuf> {
        self.install_at(&private.path()?)
    }

    /// The same in a directory inside the private one, for a companion that is to know other things there. Its call
    /// names that directory.
    pub fn install_in(&self, private: &PrivateDirectory, name: &str) -> Result<PathBuf> {
        self.install_at(&private.directory(name)?)
    }

    fn install_at(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join(self.name);
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        if !path.exists() {
            std::os::unix::fs::symlink(&own, &path)
                .with_context(|| format!("cannot install the companion `{}`", path.display()))?;
        }
        Ok(path)
    }

    /// Does what the child asked for; `program` is the path that it called.
    pub(crate) fn serve(&self, program: &Path, arguments: Vec<OsString>) -> Result<ExitCode> {
        let directory = program.parent().unwrap_or(Path::new(".")).to_owned();
        match (self.run)(&CompanionCall { directory, arguments })? {
            CompanionAnswer::Print(bytes) => {
                use std::io::Write as _;
                std::io::stdout().write_all(&bytes).context("cannot write to standard output")?;
                Ok(ExitCode::SUCCESS)
            }
            CompanionAnswer::Become(mut command) => {
                let error = command.exec();
                let program = command.get_program().to_string_lossy().into_owned();
                Err(Error::new(error).context(format!("cannot run `{program}`")))
            }
            CompanionAnswer::Done => Ok(ExitCode::SUCCESS),
            CompanionAnswer::Refuse => Ok(ExitCode::FAILURE),
        }
    }
}
