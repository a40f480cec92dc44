//! Builds the statuses and comments of a put from params, files and variables.
//!
//! If an optional field (description, URL) is invalid, the status is set without it, with a warning.

use jetway::{Advise as _, BuildMetadata, Result, UnknownVariables, anyhow, non_empty};

use crate::params::{Params, StatusParams};
use crate::source::Source;
use crate::subject::Manner;
use jetway_github::address;
use jetway_github::context_name::{self, Contexts};
use jetway_github::description::fit;
use jetway_github::inputs::Inputs;
use jetway_github::log::Log;
use jetway_github::put_texts::PutTexts;
use jetway_github::state::State;
use jetway_github::status::PlannedStatus;
use jetway_github::variables::fill;

/// The inputs for the texts of a put.
pub(crate) struct Texts<'p> {
    pub(crate) build: &'p BuildMetadata,
    pub(crate) log: Log<'p>,
    pub(crate) source: &'p Source,
    pub(crate) params: &'p Params,
    pub(crate) inputs: &'p Inputs,
    pub(crate) manner: Manner,
}

impl Texts<'_> {
    /// The statuses to set. Empty if a put by `path` sets no state, as in the established pull-request resource.
    pub(crate) fn statuses(&self, target_url: Option<&str>) -> Result<Vec<PlannedStatus>> {
        let params = self.params;
        if !params.statuses.is_empty() {
            let statuses = params.statuses.iter().enumerate();
            let planned =
                statuses.map(|(index, status)| self.status(status, &format!("statuses[{index}]."), target_url));
            return planned.collect::<Result<Vec<_>>>().map(|planned| planned.concat());
        }
        let has_state = params.state().is_some() || self.state_of_build().is_some();
        match (self.manner, params.state()) {
            (Manner::PullRequest, None) if !has_state && !params.has_other_work() => {
                self.log.warn("no status is set: `path` is given without `status`, a comment or a deployment");
                Ok(Vec::new())
            }
            (_, None) if params.has_other_work() => Ok(Vec::new()),
            _ => self.status(&StatusParams::default(), "", target_url),
        }
    }

    /// Builds one status for each context of an entry. Keys that the entry does not set are taken from the params. `at`
    /// is the path of its keys.
    fn status(&self, one: &StatusParams, at: &str, target_url: Option<&str>) -> Result<Vec<PlannedStatus>> {
        let typed = non_empty(one.state.as_ref()).or_else(|| self.params.state());
        let state = typed.and_then(State::parse).or_else(|| self.state_of_build());
        let state = state.ok_or_else(|| {
            anyhow!("the state to set is not known").hint(
                "set `state`; it defaults to `BUILD_STATUS`, which Concourse sets in `on_success`, `on_failure`, `on_abort` and `on_error`, but not in `ensure`",
            )
        })?;
        let target_url = match non_empty(one.target_url.as_ref()) {
            Some(url) => self.page(&format!("{at}target_url"), url),
            None => target_url.map(str::to_owned),
        };
        let mut description = None;
        if let Some(file) = non_empty(one.description_file.as_ref()) {
            description = self.file(&format!("{at}description_file"), file)?;
        }
        let description = match (description, non_empty(one.description.as_ref())) {
            (Some(text), _) => text,
            (None, Some(text)) => text.to_owned(),
            (None, None) => self.description(typed.unwrap_or(state.word()))?,
        };
        let description = fit(&self.without_emoji("description", &description));
        let planned = |context| PlannedStatus {
            context,
            state,
            description: description.clone(),
            target_url: target_url.clone(),
        };
        Ok(self.context_names(one).into_iter().map(planned).collect())
    }

    fn state_of_build(&self) -> Option<State> {
        self.build.status.as_deref().and_then(State::of_build)
    }

    fn context_names(&self, one: &StatusParams) -> Vec<String> {
        let own = match non_empty(one.context.as_ref()) {
            Some(context) => vec![context],
            None => self.params.context.as_ref().map(Contexts::non_empty).unwrap_or_default(),
        };
        if own.is_empty() {
            return vec![self.context_name(one, None)];
        }
        own.into_iter().map(|context| self.context_name(one, Some(context))).collect()
    }

    /// The context of a status. A put with `commit` behaves like the status resource: it uses the source's context as it is. A
    /// put with `path` behaves like the pull-request resource: the context has two parts, each with a default. A context in the
    /// source or in the params overrides the defaults.
    fn context_name(&self, one: &StatusParams, own: Option<&str>) -> String {
        let own = own.map(|name| fill(self.build, self.log, "context", name, UnknownVariables::Keep));
        let of_source = self.source.own_context().map(str::to_owned);
        // As in the `cogito` resource, the job's name is the context if only a prefix is set.
        let of_job = || self.build.job_name.clone().filter(|_| self.source.names_contexts_by_job());
        let base = non_empty(one.base_context.as_ref()).or_else(|| non_empty(self.params.base_context.as_ref()));
        let (base, name) = match (self.manner, own, of_source.or_else(of_job)) {
            (Manner::PullRequest, Some(own), _) => (base.or(Some(context_name::DEFAULT_BASE)), own),
            (Manner::PullRequest, None, None) => {
                (base.or(Some(context_name::DEFAULT_BASE)), context_name::DEFAULT.to_owned())
            }
            (Manner::PullRequest, None, Some(of_source)) => (base, of_source),
            (Manner::Commit, own, of_source) => {
                (base, own.or(of_source).unwrap_or_else(|| self.source.context.clone()))
            }
        };
        let name = match base {
            Some(base) => context_name::join(base, &name),
            None => name,
        };
        let name = match non_empty(self.source.context_prefix.as_ref()) {
            Some(prefix) => format!("{prefix}/{name}"),
            None => name,
        };
        self.without_emoji("context", &name)
    }

    fn description(&self, state: &str) -> Result<String> {
        let params = self.params;
        if let Some(file) = non_empty(params.description_file.as_ref())
            && let Some(text) = self.file("description_file", file)?
        {
            return Ok(text);
        }
        if let Some(text) = non_empty(params.description.as_ref()) {
            return Ok(text.to_owned());
        }
        if let Some(file) = non_empty(params.description_path.as_ref())
            && let Some(text) = self.file("description_path", file)?
        {
            return Ok(text);
        }
        Ok(match self.manner {
            Manner::Commit => String::new(),
            Manner::PullRequest => format!("Concourse CI build {state}"),
        })
    }

    /// The default URL of statuses.
    pub(crate) fn target_url(&self) -> Result<Option<String>> {
        if self.source.omit_target_url {
            return Ok(None);
        }
        if let Some(text) = non_empty(self.params.target_url.as_ref()) {
            return Ok(self.page("target_url", text));
        }
        if let Some(file) = non_empty(self.params.target_url_path.as_ref())
            && let Some(text) = self.file("target_url_path", file)?
        {
            return Ok(self.page("target_url_path", &text));
        }
        let page = self.build.build_url();
        Ok(page.filter(|page| {
            let is_page = address::is_page(page);
            if !is_page {
                self.log.warn(format_args!(
                    "the status has no `target_url`: the build's URL, `{page}`, is not an `https://` URL; set Concourse's external URL with its scheme"
                ));
            }
            is_page
        }))
    }

    /// Expands variables in a page's URL; `None` if the result is not a valid one.
    fn page(&self, key: &str, text: &str) -> Option<String> {
        if self.source.omit_target_url {
            return None;
        }
        let page = fill(self.build, self.log, key, text, self.unknown()).trim().to_owned();
        if page.is_empty() {
            return None;
        }
        let is_page = address::is_page(&page);
        if !is_page {
            self.log.warn(format_args!("`{key}` is omitted: `{page}` is not an `https://` URL"));
        }
        is_page.then_some(page)
    }

    /// A page's URL from the params, without variables, if GitHub accepts it.
    pub(crate) fn plain_page(&self, key: &str, text: Option<&String>) -> Option<String> {
        let page = non_empty(text)?.trim();
        let is_page = address::is_page(page);
        if !is_page {
            self.log.warn(format_args!("`{key}` is omitted: `{page}` is not an `https://` URL"));
        }
        is_page.then(|| page.to_owned())
    }

    /// Reads a file; `None` with a warning if that fails. A path outside the inputs is an error.
    fn file(&self, key: &str, path: &str) -> Result<Option<String>> {
        match self.inputs.find(path)? {
            Some(found) if found.is_file() => self.inputs.text(key, path).map(Some),
            _ => {
                self.log.warn(format_args!("file `{path}` (`{key}`) does not exist in the inputs"));
                Ok(None)
            }
        }
    }

    /// Removes the characters that GitHub rejects from the text of a key.
    pub(crate) fn without_emoji(&self, key: &str, text: &str) -> String {
        self.common().without_emoji(key, text)
    }

    pub(crate) fn comments(&self) -> Result<Vec<String>> {
        self.common().comments(non_empty(self.params.comment.as_ref()), non_empty(self.params.comment_file.as_ref()))
    }

    fn common(&self) -> PutTexts<'_> {
        PutTexts { inputs: self.inputs, build: self.build, log: self.log }
    }

    /// How to treat unknown variables, which the two established resources treat differently.
    fn unknown(&self) -> UnknownVariables {
        match self.manner {
            Manner::Commit => UnknownVariables::Remove,
            Manner::PullRequest => UnknownVariables::Keep,
        }
    }
}
