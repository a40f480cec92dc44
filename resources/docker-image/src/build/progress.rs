//! How far a build is, as lines that people can read, from what the engine tells.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::{Console, Result};
use serde_json::Value;

use crate::build::trace::{Trace, is_base};
use crate::engine::failure::{failure, may_pass};

/// How many lines of a failing step its error repeats.
const LAST_LINES: usize = 10;

/// What a build has told so far.
#[derive(Debug)]
pub(crate) struct Progress<'c> {
    console: &'c Console,
    /// What has come of a line whose end has not.
    line: String,
    /// The step that is being worked on, as the classic builder tells it.
    step: String,
    last: VecDeque<String>,
    trace: Trace,
    /// What the engine says of layers that it fetches: the last word on each.
    layers: BTreeMap<String, String>,
    /// How many steps of the recipe there were; what they are based on (`FROM`) is none of them.
    pub(crate) steps: usize,
    /// How many of them were not done again.
    pub(crate) cached: usize,
    pub(crate) image: Option<String>,
    /// Whether a step has begun that does something.
    has_begun: bool,
    /// Whether the engine has told of a failure that may pass.
    may_pass: bool,
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
            may_pass: false,
        }
    }

    /// Whether another try may do better: what the recipe builds upon could not be fetched, and nothing else has been done.
    pub(crate) fn may_try_again(&self, error: &jetway::Error) -> bool {
        (self.may_pass || may_pass(error)) && !self.has_begun && !self.trace.has_begun()
    }

    /// Takes a message of the engine's; one that tells of a failure is the error.
    pub(crate) fn take(&mut self, message: &Value) -> Result<()> {
        if let Some(error) = failure(message) {
            self.flush();
            self.may_pass = may_pass(&error);
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

    /// Shows what has come of the last line.
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

    /// Layers are told of often, by bars; people get a line when something else happens to one.
    fn status(&mut self, id: Option<&str>, status: &str) {
        let Some(id) = id else { return self.tell(status) };
        let is_bar = matches!(status, "Downloading" | "Extracting" | "Pushing" | "Waiting" | "Preparing");
        if !is_bar && self.layers.insert(id.to_owned(), status.to_owned()).as_deref() != Some(status) {
            self.console.relay(&format!("{id}: {status}"));
        }
    }

    /// The error with the step that failed and what it said last.
    fn explain(&self, error: jetway::Error) -> jetway::Error {
        let (step, lines) = match self.trace.failed() {
            Some((step, lines)) => (step.to_owned(), lines),
            None => (self.step.clone(), self.last.iter().cloned().collect()),
        };
        if step.is_empty() {
            return error;
        }
        // The engine's own words on a step, and those of the step itself, which say why.
        let is_engines =
            |line: &&String| line.starts_with(" --->") || line.starts_with("Removing intermediate container ");
        let said = lines.iter().filter(|line| !is_engines(line)).cloned().collect::<Vec<_>>().join("\n");
        let error = if said.is_empty() { error } else { jetway::anyhow!("{error}\nit said last:\n{said}") };
        error.context(format!("`{step}` failed"))
    }
}

/// Whether an instruction only names something, as one before the first `FROM` may.
fn is_argument(instruction: &str) -> bool {
    instruction.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("ARG"))
}
