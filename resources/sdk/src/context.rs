//! What a verb is handed instead of globals.

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

/// The surroundings of one verb: the build, the console, the private directory, children.
#[derive(Debug, Clone)]
pub struct Context {
    build: BuildMetadata,
    console: Console,
    interrupt: Interrupt,
    private: PrivateDirectory,
    temporary: PathBuf,
    /// What servers are told: `jetway-git/0.1.0`.
    #[cfg(feature = "http")]
    user_agent: String,
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
            #[cfg(feature = "http")]
            user_agent: concat!("jetway/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The same, for a type: servers learn its name and release.
    #[cfg_attr(not(feature = "http"), allow(unused_mut, unused_variables))]
    pub(crate) fn for_type(mut self, name: &str, release: &str) -> Self {
        #[cfg(feature = "http")]
        {
            self.user_agent = format!("jetway-{name}/{release}");
        }
        self
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

    /// The same surroundings for what is left to do after a signal, such as to say what it has left behind: nothing in
    /// them is ended by it. The end is near all the same, so that whatever waits here must be bounded by few seconds.
    #[must_use]
    pub fn after_interrupt(&self) -> Self {
        Self { interrupt: Interrupt::default(), ..self.clone() }
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

    /// What the worker's environment says under a name, when it says anything: where a cloud's servers are, say.
    pub fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// The worker's proxies as programs inside a container are told of them: `http_proxy`, `https_proxy`, `no_proxy`, as far as
    /// they are set, in small letters or in capitals.
    pub fn proxy_variables(&self) -> Vec<(String, String)> {
        let find = |name: &str| self.variable(name).or_else(|| self.variable(&name.to_uppercase()));
        ["http_proxy", "https_proxy", "no_proxy"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), find(name)?)))
            .collect()
    }

    /// A child process to be.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(program, self.console.clone(), self.interrupt.clone())
    }

    /// A client for HTTP.
    #[cfg(feature = "http")]
    pub fn http(&self, settings: HttpSettings) -> Result<HttpClient> {
        let (console, interrupt) = (self.console.clone(), self.interrupt.clone());
        HttpClient::new(settings, self.user_agent.clone(), console, interrupt)
    }
}
