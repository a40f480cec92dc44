//! Messages to users: lines on standard error, redacted, with coloured labels.
//!
//! Concourse shows standard error line by line and renders ANSI colours although it is not a terminal, so colour is on unless
//! `NO_COLOR` is set or the terminal is a dumb one.

use std::env;
use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::error::{Error, Line, lines};
use crate::redactor::{Previous, Redactor};

/// The number of characters of a bar.
const BAR_WIDTH: u64 = 30;

/// Whether messages carry ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI escape sequences.
    Always,
}

/// The kind of a line in a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// An added line.
    Added,
    /// A removed line.
    Removed,
    /// The position in the file.
    Header,
}

/// Writes messages to users, redacted. All output of a verb except its response goes through it.
#[derive(Clone)]
pub struct Console {
    output: Arc<Mutex<Output>>,
    redactor: Redactor,
    colour: Colour,
}

/// The output, and its last line: a secret may be broken over two lines.
struct Output {
    writer: Box<dyn Write + Send>,
    previous: Previous,
    is_terminal: bool,
    /// Whether the cursor is at the end of a progress bar, which the next message replaces.
    has_bar: bool,
}

impl fmt::Debug for Console {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Console").field("colour", &self.colour).finish_non_exhaustive()
    }
}

impl Console {
    /// A console that writes to `output`.
    pub fn new(output: impl Write + Send + 'static, redactor: Redactor, colour: Colour) -> Self {
        let output =
            Output { writer: Box::new(output), previous: Previous::default(), is_terminal: false, has_bar: false };
        Self { output: Arc::new(Mutex::new(output)), redactor, colour }
    }

    /// Returns this console for a terminal, at which [`Self::progress`] draws a bar.
    #[must_use]
    pub fn at_terminal(self) -> Self {
        self.output().is_terminal = true;
        self
    }

    /// The interval of progress messages. It is short at a terminal, where each message replaces the previous one.
    pub fn progress_interval(&self) -> Duration {
        if self.output().is_terminal { Duration::from_millis(200) } else { Duration::from_secs(5) }
    }

    /// The redactor of this console, to add secrets that a verb receives later.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Shows one step of the work, such as ``fetched `main` ``.
    pub fn step(&self, text: impl fmt::Display) {
        self.labelled(None, &text.to_string());
    }

    /// Shows the progress of a transfer: `done` of `whole`, and `text`. At a terminal, it draws a bar before the text, and the
    /// next message replaces both. Elsewhere it prints a line.
    pub fn progress(&self, done: u64, whole: u64, text: impl fmt::Display) {
        let text = self.redactor.redact(&text.to_string()).into_owned();
        let mut output = self.output();
        let text = if output.is_terminal {
            let filled = done.min(whole).saturating_mul(BAR_WIDTH).checked_div(whole).unwrap_or(BAR_WIDTH);
            let bar: String = (0..BAR_WIDTH).map(|place| if place < filled { '#' } else { '.' }).collect();
            format!("{}[{bar}] {text}", output.cleared())
        } else {
            format!("{text}\n")
        };
        output.has_bar = output.is_terminal;
        output.show(&text);
    }

    /// Removes the bar of [`Self::progress`], if there is one.
    pub fn end_progress(&self) {
        let mut output = self.output();
        let cleared = output.cleared();
        output.has_bar = false;
        output.show(cleared);
    }

    /// Shows a warning: the user should change something, but the work continues.
    pub fn warn(&self, text: impl fmt::Display) {
        self.labelled(Some(("warning", AnsiColor::Yellow)), &text.to_string());
    }

    /// Shows a line of a child process, redacted but without a label.
    pub fn relay(&self, line: &str) {
        self.write(line, |line| format!("{line}\n"));
    }

    /// Shows a line of a diff in its usual colour.
    pub fn change(&self, change: Change, line: &str) {
        let colour = match change {
            Change::Added => AnsiColor::Green,
            Change::Removed => AnsiColor::Red,
            Change::Header => AnsiColor::Cyan,
        };
        let style = match self.colour {
            Colour::Always => colour.on_default(),
            Colour::Never => Style::new(),
        };
        self.write(line, |line| format!("{style}{line}{style:#}\n"));
    }

    /// Shows an error: what failed, why, and what to do.
    pub fn error(&self, error: &Error) {
        for line in lines(error) {
            match line {
                Line::Failure(text) => self.labelled(Some(("error", AnsiColor::Red)), &text),
                Line::Cause(text) => self.labelled(Some(("  caused by", AnsiColor::Red)), &text),
                Line::Hint(text) => self.labelled(Some(("hint", AnsiColor::Cyan)), &text),
            }
        }
    }

    fn labelled(&self, label: Option<(&str, AnsiColor)>, text: &str) {
        self.write(text.trim_end(), |text| {
            // Indent the other lines below the label.
            let text = text.replace('\n', "\n    ");
            match label {
                None => format!("{text}\n"),
                Some((label, colour)) => {
                    let style = match self.colour {
                        Colour::Always => colour.on_default().bold(),
                        Colour::Never => Style::new(),
                    };
                    format!("{style}{label}:{style:#} {text}\n")
                }
            }
        });
    }

    /// Redacts the text, decorates it, and writes it.
    fn write(&self, text: &str, decorate: impl FnOnce(&str) -> String) {
        let mut output = self.output();
        let text = decorate(&self.redactor.redact_after(&mut output.previous, text));
        let cleared = output.cleared();
        output.has_bar = false;
        output.show(&format!("{cleared}{text}"));
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// The escape sequence that removes a progress bar, if there is one.
    fn cleared(&self) -> &'static str {
        if self.has_bar { "\r\x1b[2K" } else { "" }
    }

    fn show(&mut self, text: &str) {
        // If standard error is closed, the failure cannot be shown, and the work continues without it.
        let _ = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush());
    }
}

/// Creates a console on standard error, for messages outside of a verb.
pub fn stderr_console() -> Console {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|term| term == "dumb");
    let colour = if plain { Colour::Never } else { Colour::Always };
    let stderr = std::io::stderr();
    let draws_bars = stderr.is_terminal() && !plain;
    let console = Console::new(stderr, Redactor::default(), colour);
    if draws_bars { console.at_terminal() } else { console }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::error::Advise as _;

    /// A console whose output can be read back.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        pub(crate) fn console(&self) -> Console {
            Console::new(self.clone(), Redactor::default(), Colour::Never)
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn error_is_a_report_of_labelled_lines() {
        let captured = Captured::default();
        captured.console().error(&anyhow::anyhow!("refused").context("cannot fetch\nhere").hint("try `uri`"));
        assert_eq!(captured.text(), "error: cannot fetch\n    here\n  caused by: refused\nhint: try `uri`\n");
    }

    #[test]
    fn masks_secrets_in_every_kind_of_line() {
        let captured = Captured::default();
        let console = captured.console();
        console.redactor().add("hunter2");
        console.step("with hunter2");
        console.warn("with hunter2");
        console.relay("with hunter2");
        console.error(&anyhow::anyhow!("with hunter2"));
        assert!(!captured.text().contains("hunter2"), "{}", captured.text());
    }

    #[test]
    fn progress_is_a_line_or_a_bar_on_a_terminal() {
        let captured = Captured::default();
        let console = captured.console();
        console.progress(1, 2, "1 MB of 2 MB");
        console.step("done");
        assert_eq!(captured.text(), "1 MB of 2 MB\ndone\n");
        let captured = Captured::default();
        let console = captured.console().at_terminal();
        console.redactor().add("hunter2");
        console.progress(1, 2, "half of hunter2");
        console.progress(3, 0, "all");
        console.step("done");
        console.progress(0, 2, "none");
        console.end_progress();
        let (half, all, none) = (
            format!("[{}{}] half of ((redacted))", "#".repeat(15), ".".repeat(15)),
            format!("[{}] all", "#".repeat(30)),
            format!("[{}] none", ".".repeat(30)),
        );
        assert_eq!(captured.text(), format!("{half}\r\x1b[2K{all}\r\x1b[2Kdone\n{none}\r\x1b[2K"));
    }

    #[test]
    fn masks_short_secret_across_two_lines() {
        let captured = Captured::default();
        let console = captured.console();
        console.redactor().add("hunter2!");
        console.relay("password hunt");
        console.relay("er2! is wrong");
        console.step("hunte");
        console.warn("r2!");
        assert_eq!(captured.text(), "password hunt\n((redacted)) is wrong\nhunte\nwarning: ((redacted))\n");
    }

    #[test]
    fn shows_added_lines_in_green_and_removed_ones_in_red() {
        let captured = Captured::default();
        let console = Console::new(captured.clone(), Redactor::default(), Colour::Always);
        console.redactor().add("hunter2");
        console.change(Change::Added, "+hunter2");
        console.change(Change::Removed, "-x");
        assert_eq!(captured.text(), "\u{1b}[32m+((redacted))\u{1b}[0m\n\u{1b}[31m-x\u{1b}[0m\n");
    }

    #[test]
    fn colours_only_the_label() {
        let captured = Captured::default();
        Console::new(captured.clone(), Redactor::default(), Colour::Always).warn("x");
        assert_eq!(captured.text(), "\u{1b}[1m\u{1b}[33mwarning:\u{1b}[0m x\n");
    }
}
