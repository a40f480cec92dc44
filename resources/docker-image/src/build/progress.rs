//! Turns the engine's messages about a build into log lines.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::{Console, Result};
use serde_json::Value;

use crate::build::trace::{Trace, is_base};
use crate::engine::failure::{failure, is_transient_error};

/// How many lines of a failed step its error quotes.
const LAST_LINES: usize = 10;

/// The state of a build so far.
#[derive(Debug)]
pub(crate) struct Progress<'c> {
    console: &'c Console,
    /// An incomplete line of output.
    line: String,
    /// The current step, as the classic builder reports it.
    step: String,
    last: VecDeque<String>,
    trace: Trace,
    /// The last status of each layer that the engine pulls.
    layers: BTreeMap<String, String>,
    /// How many steps of the Dockerfile were reported; `FROM` is not counted.
    pub(crate) steps: usize,
    /// How many of them were cached.
    pub(crate) cached: usize,
    pub(crate) image: Option<String>,
    /// Whether a step other than `FROM` or `ARG` has begun.
    has_begun: bool,
    /// Whether the engine has reported a transient error.
    is_transient_error: bool,
}

impl<'c> Progress<'c> {
    pub(crate) fn new(console: &'c Console) -> Self {
        Self {
            console,
            line: String::new(),
            step: String::new(),
            last: VecDeque::new(),
            trace: Trace::default(),
            layers: BTreeMap::new(),
            steps: 0,
            cached: 0,
            image: None,
            has_begun: false,
            is_transient_error: false,
        }
    }

    /// Whether a retry may succeed: a base image could not be pulled, and no step has run.
    pub(crate) fn may_try_again(&self, error: &jetway::Error) -> bool {
        (self.is_transient_error || is_transient_error(error)) && !self.has_begun && !self.trace.has_begun()
    }

    /// Processes a message of the engine; returns the error if the message reports one.
    pub(crate) fn take(&mut self, message: &Value) -> Result<()> {
        if let Some(error) = failure(message) {
            self.flush();
            self.is_transient_error = is_transient_error(&error);
            return Err(self.explain(error));
        }
        if let Some(text) = message.get("stream").and_then(Value::as_str) {
            self.stream(text);
        }
        if let Some(status) = message.get("status").and_then(Value::as_str) {
            self.status(message.get("id").and_then(Value::as_str), status);
        }
        match message.get("aux") {
            Some(Value::String(text)) => {
                if let Ok(bytes) = STANDARD.decode(text) {
                    for line in self.trace.take(&bytes) {
                        self.console.relay(&line);
                    }
                    (self.steps, self.cached) = self.trace.counts();
                }
            }
            Some(Value::Object(aux)) => {
                if let Some(id) = aux.get("ID").and_then(Value::as_str) {
                    self.image = Some(id.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Logs the incomplete last line.
    pub(crate) fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.tell(&line);
    }

    fn stream(&mut self, text: &str) {
        self.line.push_str(text);
        let Some((lines, rest)) = self.line.rsplit_once('\n') else { return };
        let (lines, rest) = (lines.to_owned(), rest.to_owned());
        self.line = rest;
        lines.split('\n').for_each(|line| self.tell(line));
    }

    fn tell(&mut self, line: &str) {
        // Of a line that overwrites itself, the last state.
        let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
        if line.is_empty() {
            return;
        }
        if let Some((_, instruction)) = line.strip_prefix("Step ").and_then(|rest| rest.split_once(" : ")) {
            line.clone_into(&mut self.step);
            self.last.clear();
            self.steps += usize::from(!is_base(instruction));
            self.has_begun |= !is_base(instruction) && !is_argument(instruction);
        } else if line.trim_start() == "---> Using cache" {
            self.cached += 1;
        } else {
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            self.last.push_back(line.to_owned());
        }
        self.console.relay(line);
    }

    /// Layer status comes often, for progress bars; a line is logged only when the kind of status changes.
    fn status(&mut self, id: Option<&str>, status: &str) {
        let Some(id) = id else { return self.tell(status) };
        let is_bar = matches!(status, "Downloading" | "Extracting" | "Pushing" | "Waiting" | "Preparing");
        if !is_bar && self.layers.insert(id.to_owned(), status.to_owned()).as_deref() != Some(status) {
            self.console.relay(&format!("{id}: {status}"));
        }
    }

    /// The error with the failed step and its last lines.
    fn explain(&self, error: jetway::Error) -> jetway::Error {
        let (step, lines) = match self.trace.failed() {
            Some((step, lines)) => (step.to_owned(), lines),
            None => (self.step.clone(), self.last.iter().cloned().collect()),
        };
        if step.is_empty() {
            return error;
        }
        // The engine's own lines about a step do not show why it failed; only the step's output does.
        let is_engines =
            |line: &&String| line.starts_with(" --->") || line.starts_with("Removing intermediate container ");
        let messages = lines.iter().filter(|line| !is_engines(line)).cloned().collect::<Vec<_>>().join("\n");
        let error = if messages.is_empty() { error } else { jetway::anyhow!("{error}\nlast output:\n{messages}") };
        error.context(format!("`{step}` failed"))
    }
}

/// Whether an instruction is `ARG`, which may come before the first `FROM`.
fn is_argument(instruction: &str) -> bool {
    instruction.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("ARG"))
}
