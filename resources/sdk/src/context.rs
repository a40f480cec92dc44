//! The context of a verb, which replaces globals.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::build_metadata::BuildMetadata;
use crate::child::Command;
use crate::console::Console;
#[cfg(feature = "http")]
use crate::error::Result;
#[cfg(feature = "http")]
use crate::http::{HttpClient, HttpSettings};
use crate::interrupt::Interrupt;
use crate::private_directory::PrivateDirectory;

/// The context of one verb: the build, the console, the private directory, child processes and HTTP clients.
#[derive(Debug, Clone)]
pub struct Context {
    build: BuildMetadata,
    console: Console,
    interrupt: Interrupt,
    private: PrivateDirectory,
    temporary: PathBuf,
    /// The `User-Agent` header, such as `jetway-git/0.1.0`.
    #[cfg(feature = "http")]
    user_agent: String,
}

impl Context {
    /// Creates a context whose temporary files are in `temporary`.
    pub fn new(build: BuildMetadata, console: Console, temporary: PathBuf) -> Self {
        Self {
            build,
            console,
            interrupt: Interrupt::default(),
            private: PrivateDirectory::new(temporary.clone()),
            temporary,
            #[cfg(feature = "http")]
            user_agent: concat!("jetway/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Sets the name and release of the type for the `User-Agent` header.
    #[cfg_attr(not(feature = "http"), allow(unused_mut, unused_variables))]
    pub(crate) fn for_type(mut self, name: &str, release: &str) -> Self {
        #[cfg(feature = "http")]
        {
            self.user_agent = format!("jetway-{name}/{release}");
        }
        self
    }

    /// The build of the step.
    pub fn build(&self) -> &BuildMetadata {
        &self.build
    }

    /// The console for messages.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Notifies waiting code of a signal that ends the verb.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// A context for the work after a signal, such as reporting the state that the verb leaves: the signal does not interrupt it.
    /// The process still ends soon, so each wait in this context must be limited to a few seconds.
    #[must_use]
    pub fn after_interrupt(&self) -> Self {
        Self { interrupt: Interrupt::default(), ..self.clone() }
    }

    /// The private directory, which is the only place on disk for secrets. It is removed when the process ends.
    pub fn private_directory(&self) -> &PrivateDirectory {
        &self.private
    }

    /// The directory for temporary files (`TMPDIR`, or `/tmp`). It may contain files of earlier checks in the same container, and
    /// of other resources.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// A variable of the worker's environment, such as the endpoint of a cloud's service; `None` if it is unset or empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// The proxies of the worker's environment, as variables for programs in a container: `http_proxy`, `https_proxy` and
    /// `no_proxy`, if they are set in lower or upper case.
    pub fn proxy_variables(&self) -> Vec<(String, String)> {
        let find = |name: &str| self.variable(name).or_else(|| self.variable(&name.to_uppercase()));
        ["http_proxy", "https_proxy", "no_proxy"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), find(name)?)))
            .collect()
    }

    /// Creates a child process, which is not started yet.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(program, self.console.clone(), self.interrupt.clone())
    }

    /// Creates an HTTP client.
    #[cfg(feature = "http")]
    pub fn http(&self, settings: HttpSettings) -> Result<HttpClient> {
        let (console, interrupt) = (self.console.clone(), self.interrupt.clone());
        HttpClient::new(settings, self.user_agent.clone(), console, interrupt)
    }
}
