//! What a verb is handed instead of globals.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::build_metadata::BuildMetadata;
use crate::child::Command;
use crate::console::Console;
use crate::interrupt::Interrupt;
use crate::private_directory::PrivateDirectory;

/// The surroundings of one verb: the build, the console, the private directory, children.
#[derive(Debug, Clone)]
pub struct Context {
    build: BuildMetadata,
    console: Console,
    interrupt: Interrupt,
    private: PrivateDirectory,
    temporary: PathBuf,
}

impl Context {
    /// A context whose temporary files stand in `temporary`.
    pub fn new(build: BuildMetadata, console: Console, temporary: PathBuf) -> Self {
        Self {
            build,
            console,
            interrupt: Interrupt::default(),
            private: PrivateDirectory::new(temporary.clone()),
            temporary,
        }
    }

    /// The build that the step belongs to.
    pub fn build(&self) -> &BuildMetadata {
        &self.build
    }

    /// Where messages for people go.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The end of the verb by a signal, for what waits.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The only place on disk for secrets; removed at the end.
    pub fn private_directory(&self) -> &PrivateDirectory {
        &self.private
    }

    /// The directory for temporary files (`TMPDIR`, or `/tmp`). What a check leaves here may be there for the next one
    /// in the same container, and other resources' leftovers too.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// A child process to be.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(program, self.console.clone(), self.interrupt.clone())
    }
}
