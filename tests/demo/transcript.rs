//! What the story looks like: colours, and JSON in as few lines as it can be read in.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Stdout, Write as _};
use std::time::Duration;

use serde_json::Value;

/// The widest line that JSON is laid out in, unless one value alone is wider.
const WIDTH: usize = 120;

/// Whether the transcript is in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Palette {
    Plain,
    Coloured,
}

/// What a piece of text is, which is what its colour says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ink {
    Title,
    Label,
    Faint,
    Good,
    Bad,
}

/// Where the story is written.
pub(crate) struct Transcript {
    output: Stdout,
    palette: Palette,
}

impl Palette {
    /// `NO_COLOR` comes first, then `CLICOLOR_FORCE`; without either, terminals get colours.
    pub(crate) fn chosen() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_forced = is_set("CLICOLOR_FORCE") && std::env::var("CLICOLOR_FORCE").as_deref() != Ok("0");
        let is_dumb = std::env::var("TERM").as_deref() == Ok("dumb");
        if !is_set("NO_COLOR") && (is_forced || (std::io::stdout().is_terminal() && !is_dumb)) {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    /// `text` in the colour of `ink`.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Title => "1",
            Ink::Label => "36",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Bad => "1;31",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

impl Transcript {
    pub(crate) fn new(palette: Palette) -> Self {
        Self { output: std::io::stdout(), palette }
    }

    pub(crate) fn palette(&self) -> Palette {
        self.palette
    }

    /// One line, or an empty one.
    pub(crate) fn line(&self, text: &str) {
        // Who has stopped reading (`make demo | head`) still wants the exit code.
        let _ = writeln!(&self.output, "{}", text.trim_end());
    }

    /// The head of a chapter.
    pub(crate) fn heading(&self, title: &str) {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        self.line("");
        self.line(&self.palette.paint(Ink::Title, &format!("── {title} {rule}")));
    }

    /// A text with a label beside its first line.
    pub(crate) fn labelled(&self, label: &str, text: &str) {
        let width = label.chars().count().max(5);
        let mut label = label;
        for line in text.lines() {
            self.line(&format!("    {} {line}", self.palette.paint(Ink::Label, &format!("{label:<width$}"))));
            label = "";
        }
    }
}

/// JSON for people: what fits in a line stands in one line.
pub(crate) fn laid_out(value: &Value) -> String {
    lines(value, WIDTH - 10).join("\n")
}

fn lines(value: &Value, room: usize) -> Vec<String> {
    let inline = inline(value);
    let room_inside = room.saturating_sub(2);
    let (open, close, entries) = match value {
        _ if inline.chars().count() <= room => return vec![inline],
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                let key = format!("{}: ", Value::from(key.as_str()));
                let mut lines = lines(value, room_inside.saturating_sub(key.chars().count() + 1));
                lines[0].insert_str(0, &key);
                lines
            };
            ("{", "}", entries.iter().map(entry).collect::<Vec<_>>())
        }
        Value::Array(items) => {
            ("[", "]", items.iter().map(|item| lines(item, room_inside.saturating_sub(1))).collect())
        }
        _ => return vec![inline],
    };
    let mut all = vec![open.to_owned()];
    let last = entries.len().saturating_sub(1);
    for (index, mut entry) in entries.into_iter().enumerate() {
        if let Some(end) = entry.last_mut().filter(|_| index != last) {
            end.push(',');
        }
        all.extend(entry.into_iter().map(|line| format!("  {line}")));
    }
    all.push(close.to_owned());
    all
}

/// JSON in one line, with blanks between what it holds.
fn inline(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let mut separator = "{";
            for (key, value) in entries {
                write!(text, "{separator}{}: {}", Value::from(key.as_str()), inline(value)).expect("a string");
                separator = ", ";
            }
            text.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<String> = items.iter().map(inline).collect();
            write!(text, "[{}]", items.join(", ")).expect("a string");
        }
        scalar => text = scalar.to_string(),
    }
    text
}

/// A duration, as precise as anybody wants to know it.
pub(crate) fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// A number of bytes with one decimal.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024),
        _ => format!("{}.{} MiB", bytes / 0x10_0000, bytes % 0x10_0000 * 10 / 0x10_0000),
    }
}

/// A text without what makes it coloured on a terminal.
pub(crate) fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// `1 request`, `2 requests`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_that_fits_stands_in_one_line() {
        assert_eq!(laid_out(&json!([{ "ref": "a" }, { "ref": "b" }])), r#"[{"ref": "a"}, {"ref": "b"}]"#);
        assert_eq!(
            laid_out(&json!({ "params": {}, "list": [], "version": null })),
            r#"{"params": {}, "list": [], "version": null}"#
        );
    }

    #[test]
    fn json_that_does_not_fit_is_broken_where_it_must_be() {
        let value = json!({ "source": { "uri": "u", "branch": "main" }, "list": [1, [2, 3]] });
        assert_eq!(
            lines(&value, 44).join("\n"),
            "{\n  \"source\": {\"uri\": \"u\", \"branch\": \"main\"},\n  \"list\": [1, [2, 3]]\n}"
        );
        assert_eq!(
            lines(&json!([["a", "b"], "c"]), 9),
            ["[", "  [", "    \"a\",", "    \"b\"", "  ],", "  \"c\"", "]"]
        );
    }

    #[test]
    fn colours_can_be_taken_away() {
        assert_eq!(without_colours("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m no"), "error: no");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([size(0), size(1023), size(1536), size(3 << 20)], ["0 B", "1023 B", "1.5 KiB", "3.0 MiB"]);
        assert_eq!([time(Duration::from_millis(12)), time(Duration::from_millis(1250))], ["12 ms", "1.2 s"]);
    }
}
