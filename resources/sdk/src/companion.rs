//! Companions: programs that children of a resource type call, such as git's askpass or a kubeconfig's exec plugin.
//!
//! A companion is the type's own binary under another name. So an image needs no script, and a secret reaches the child through a
//! private file and a pipe.

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

/// A program that children of a resource type can call, such as git's askpass.
#[derive(Debug, Clone, Copy)]
pub struct Companion {
    /// The file name that it is called by. It must not be the name of a verb.
    pub name: &'static str,
    /// The function that handles a call.
    pub run: fn(&CompanionCall) -> Result<CompanionOutcome>,
}

/// One call of a companion.
#[derive(Debug)]
pub struct CompanionCall {
    /// The directory that the companion was installed in. The type puts the companion's files there.
    pub directory: PathBuf,
    /// The arguments of the call.
    pub arguments: Vec<OsString>,
}

impl CompanionCall {
    /// Runs asynchronous work, such as a request, in a context like a verb's: a signal ends it, and its private directory is
    /// removed.
    pub fn wait_for<T>(&self, work: impl AsyncFnOnce(&Context) -> Result<T>) -> Result<T> {
        let context = Context::new(BuildMetadata::from_environment(), stderr_console(), std::env::temp_dir());
        let outcome = block_on(&context, work(&context));
        context.private_directory().remove();
        outcome
    }
}

/// The result of a companion's call.
#[derive(Debug)]
pub enum CompanionOutcome {
    /// Prints this on standard output.
    Print(Vec<u8>),
    /// Replaces the process by this program.
    Exec(Command),
    /// Exits successfully: the companion has used standard input and output itself.
    Done,
    /// Exits with code 1, so that the child fails.
    Fail,
}

impl Companion {
    /// Installs the companion in the private directory and returns the path for the child.
    pub fn install(&self, private: &PrivateDirectory) -> Result<PathBuf> {
        self.install_at(&private.path()?)
    }

    /// Installs the companion in a subdirectory of the private directory, for several installations with different files.
    /// [`CompanionCall::directory`] is that subdirectory.
    pub fn install_in(&self, private: &PrivateDirectory, name: &str) -> Result<PathBuf> {
        self.install_at(&private.directory(name)?)
    }

    fn install_at(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join(self.name);
        let own = std::env::current_exe().context("cannot find the executable of this process")?;
        if !path.exists() {
            std::os::unix::fs::symlink(&own, &path)
                .with_context(|| format!("cannot install the companion `{}`", path.display()))?;
        }
        Ok(path)
    }

    /// Serves a call. `program` is the path that the child called.
    pub(crate) fn serve(&self, program: &Path, arguments: Vec<OsString>) -> Result<ExitCode> {
        let directory = program.parent().unwrap_or(Path::new(".")).to_owned();
        match (self.run)(&CompanionCall { directory, arguments })? {
            CompanionOutcome::Print(bytes) => {
                use std::io::Write as _;
                std::io::stdout().write_all(&bytes).context("cannot write to standard output")?;
                Ok(ExitCode::SUCCESS)
            }
            CompanionOutcome::Exec(mut command) => {
                let error = command.exec();
                let program = command.get_program().to_string_lossy().into_owned();
                Err(Error::new(error).context(format!("cannot run `{program}`")))
            }
            CompanionOutcome::Done => Ok(ExitCode::SUCCESS),
            CompanionOutcome::Fail => Ok(ExitCode::FAILURE),
        }
    }
}
