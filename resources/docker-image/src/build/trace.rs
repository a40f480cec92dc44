//! BuildKit's status report of a build: steps, which run in parallel, and their output.

use std::collections::{HashMap, VecDeque};

use crate::engine::protobuf::{Fields, Value};

/// How many lines are kept of each step.
const LAST_LINES: usize = 10;

/// The state of a build.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    numbers: HashMap<String, usize>,
    steps: Vec<Step>,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    /// Whether its start was logged.
    told: bool,
    /// Whether its end was logged.
    ended: bool,
    cached: bool,
    error: String,
    /// An incomplete last line of its output.
    line: String,
    last: VecDeque<String>,
}

impl Trace {
    /// Parses a report (`StatusResponse` of BuildKit's control API), and returns the new log lines.
    pub(crate) fn take(&mut self, report: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for (field, value) in Fields(report) {
            match field {
                1 => self.step(&Fields(value.bytes()), &mut lines),
                3 => self.log(&Fields(value.bytes()), &mut lines),
                4 => {
                    let text = Fields(value.bytes()).get(3).text();
                    if !text.is_empty() {
                        lines.push(format!("warning: {text}"));
                    }
                }
                _ => {}
            }
        }
        lines
    }

    /// How many steps of the Dockerfile ended, and how many of them were cached.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let steps = self.steps.iter().filter(|step| step.ended && is_work(&step.name));
        steps.fold((0, 0), |(all, cached), step| (all + 1, cached + usize::from(step.cached)))
    }

    /// Whether a step of the Dockerfile has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.steps.iter().any(|step| (step.told || step.ended) && is_work(&step.name))
    }

    /// The failed step, and its last lines.
    pub(crate) fn failed(&self) -> Option<(&str, Vec<String>)> {
        let cancelled = |step: &&Step| step.error.ends_with("context canceled");
        let failed = || self.steps.iter().filter(|step| !step.error.is_empty());
        let step = failed().find(|step| !cancelled(step)).or_else(|| failed().next())?;
        Some((&step.name, step.last.iter().cloned().collect()))
    }

    fn step(&mut self, vertex: &Fields<'_>, lines: &mut Vec<String>) {
        let number = self.number(&vertex.get(1).text());
        let Some(step) = self.steps.get_mut(number - 1) else { return };
        step.name = vertex.get(3).text();
        let (began, completed) = (time(vertex.get(5)), time(vertex.get(6)));
        if began.is_some() && !step.told {
            step.told = true;
            lines.push(format!("#{number} {}", step.name));
        }
        step.error = vertex.get(7).text();
        step.cached |= vertex.get(4).number() != 0;
        let Some(completed) = completed.filter(|_| !step.ended) else { return };
        step.ended = true;
        let rest = std::mem::take(&mut step.line);
        step.tell(number, &rest, lines);
        let step = &*step;
        lines.push(if !step.error.is_empty() {
            format!("#{number} ERROR: {}", step.error)
        } else if step.cached {
            format!("#{number} CACHED")
        } else {
            format!("#{number} DONE {:.1}s", (completed - began.unwrap_or(completed)).max(0.0))
        });
    }

    fn log(&mut self, log: &Fields<'_>, lines: &mut Vec<String>) {
        let number = self.number(&log.get(1).text());
        let Some(step) = self.steps.get_mut(number - 1) else { return };
        step.line.push_str(&log.get(4).text());
        let Some((whole, rest)) = step.line.rsplit_once('\n') else { return };
        let (whole, rest) = (whole.to_owned(), rest.to_owned());
        step.line = rest;
        whole.split('\n').for_each(|line| step.tell(number, line, lines));
    }

    /// The number of a step, from 1 on.
    fn number(&mut self, digest: &str) -> usize {
        if let Some(number) = self.numbers.get(digest) {
            return *number;
        }
        self.steps.push(Step::default());
        self.numbers.insert(digest.to_owned(), self.steps.len());
        self.steps.len()
    }
}

impl Step {
    fn tell(&mut self, number: usize, line: &str, lines: &mut Vec<String>) {
        let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
        if line.is_empty() {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        lines.push(format!("#{number} {line}"));
    }
}

/// Whether a step runs an instruction of the Dockerfile: `[2/3] RUN x`, `[build 2/3] RUN x`. A `FROM` has a number too,
/// but does not count: whether BuildKit calls it cached depends on what else the engine has at that moment.
/// `[internal]`, `[auth]` and `[context x]` are work around the Dockerfile.
fn is_work(name: &str) -> bool {
    let Some((place, instruction)) = name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return false;
    };
    let number = place.rsplit(' ').next().and_then(|number| number.split_once('/'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number.is_some_and(|(number, of)| is_number(number) && is_number(of)) && !is_base(instruction)
}

/// Whether an instruction is `FROM`.
pub(super) fn is_base(instruction: &str) -> bool {
    instruction.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"))
}

/// A `google.protobuf.Timestamp`, in seconds; `None` when it is absent.
#[allow(clippy::cast_precision_loss, reason = "the output shows one decimal")]
fn time(value: Value<'_>) -> Option<f64> {
    let fields = Fields(value.bytes());
    let (seconds, nanoseconds) = (fields.get(1).number(), fields.get(2).number());
    (seconds != 0).then(|| seconds as f64 + nanoseconds as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protobuf::Message;

    fn vertex(digest: &str, name: &str, began: u64, completed: u64, cached: bool, error: &str) -> Message {
        let time = |seconds: u64| Message::default().number(1, seconds).into_bytes();
        let mut vertex =
            Message::default().bytes(1, digest.as_bytes()).bytes(3, name.as_bytes()).number(4, cached.into());
        if began > 0 {
            vertex = vertex.bytes(5, &time(began));
        }
        if completed > 0 {
            vertex = vertex.bytes(6, &time(completed));
        }
        vertex.bytes(7, error.as_bytes())
    }

    #[test]
    fn logs_each_step_once_with_its_output_and_result() {
        let mut trace = Trace::default();
        let report = |vertex: Message| Message::default().bytes(1, &vertex.into_bytes()).into_bytes();
        let log = |text: &str| {
            let log = Message::default().bytes(1, b"b").bytes(4, text.as_bytes());
            Message::default().bytes(3, &log.into_bytes()).into_bytes()
        };
        assert_eq!(trace.take(&report(vertex("a", "[1/2] FROM x", 0, 0, false, ""))), Vec::<String>::new());
        assert_eq!(trace.take(&report(vertex("a", "[1/2] FROM x", 5, 5, true, ""))), ["#1 [1/2] FROM x", "#1 CACHED"]);
        assert_eq!(trace.take(&report(vertex("b", "[2/2] RUN y", 5, 0, false, ""))), ["#2 [2/2] RUN y"]);
        assert_eq!(trace.take(&log("one\ntw")), ["#2 one"]);
        assert_eq!(trace.take(&log("o\rthree\n")), ["#2 three"]);
        let ended = trace.take(&report(vertex("b", "[2/2] RUN y", 5, 7, false, "exit code: 1")));
        assert_eq!(ended, ["#2 ERROR: exit code: 1"]);
        assert_eq!(trace.counts(), (1, 0));
        assert_eq!(trace.failed(), Some(("[2/2] RUN y", vec!["one".to_owned(), "three".to_owned()])));
    }

    #[test]
    fn counts_only_steps_that_build_something() {
        // The base may be reported as cached or not; a step is reported several times, and may be known as cached only
        // at the end.
        for base_is_cached in [true, false] {
            let mut trace = Trace::default();
            let mut tell = |digest, name, completed, cached| {
                let vertex = vertex(digest, name, 5, completed, cached, "").into_bytes();
                trace.take(&Message::default().bytes(1, &vertex).into_bytes());
            };
            tell("a", "[internal] load metadata for docker.io/library/debian:12", 5, false);
            tell("b", "[auth] library/debian:pull token for registry-1.docker.io", 5, false);
            tell("c", "[context app] load .dockerignore", 5, false);
            tell("d", "[1/3] FROM docker.io/library/debian:12@sha256:0123", 5, base_is_cached);
            tell("e", "[build 1/2] FROM docker.io/library/rust", 5, base_is_cached);
            tell("f", "[linux/arm64 build 2/2] RUN make", 0, false);
            tell("f", "[linux/arm64 build 2/2] RUN make", 6, true);
            tell("g", "[2/3] COPY --from=build [x y] /", 6, true);
            tell("h", "[3/3] RUN from here", 6, false);
            tell("i", "exporting to image", 6, false);
            assert_eq!(trace.counts(), (3, 2));
        }
    }

    #[test]
    fn ignores_damaged_reports() {
        let mut trace = Trace::default();
        for bytes in [&b"\xff\xff"[..], b"\x0a\x05ab", b"\x0a\x00", b"\x1a\x00"] {
            trace.take(bytes);
        }
    }
}
