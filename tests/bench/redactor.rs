//! The SDK's redactor: a secret of 8,000 lines, and an output that shows all of it, in several encodings.

use std::io::{BufWriter, Read as _, Write as _};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jetway::Redactor;
use jetway_tests::scratch;

use crate::measure::{Case, Limits, Measured, Run, in_turns};

/// What is measured, for the head of the table.
pub(crate) const WHAT: &str = "a secret of 8,000 lines, redacted from an output that shows every line of it";

/// The argument that makes this program redact its standard input instead of measuring.
pub(crate) const ARGUMENT: &str = "redact-input";

/// Between the secret and the output in the input.
const SEPARATOR: &str = "\u{0}";

/// The CPU time that redacting one output may take, the start of the process included.
const LIMIT: Duration = Duration::from_millis(50);

/// The cases: an output in which the secret is readable as it is, escaped as JSON, and as base64. In the last one every line
/// decodes to bytes that must be searched again.
pub(crate) fn measure(runs: usize) -> Vec<Measured> {
    let directory = scratch::directory();
    let lines: Vec<String> = (0..8_000).map(|line| format!("  \"key-{line}\": {:060}", line * 7_919)).collect();
    let secret = lines.join("\n");
    let case = |name: &'static str, known: &str, shown: &dyn Fn(&String) -> String, limits: Limits| {
        let output: Vec<String> = lines.iter().map(shown).collect();
        let input = directory.path().join(format!("{name}.txt"));
        std::fs::write(&input, format!("{known}{SEPARATOR}{}", output.join("\n"))).expect("write an input");
        Case {
            name,
            floor: None,
            limits,
            succeeds: true,
            prepare: Box::new(move || {
                let mut command = Command::new(std::env::current_exe().expect("find this program"));
                command.arg(ARGUMENT);
                Run::with_input(command, &input)
            }),
        }
    };
    let limits = Limits { cpu: Some(LIMIT), ..Limits::default() };
    let cases = vec![
        case("no secret", "", &String::clone, Limits::default()),
        case("plain lines", &secret, &String::clone, limits),
        case("lines escaped as JSON", &secret, &|line| serde_json::to_string(line).expect("a string"), limits),
        case("lines in base64", &secret, &|line| STANDARD.encode(line), limits),
    ];
    in_turns(runs, cases)
}

/// Redacts the output in standard input line by line, as the console does, and writes it to standard output.
///
/// # Panics
/// If a line of the secret is still readable: then the figures would mean nothing.
pub(crate) fn redact_input() {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).expect("read the input");
    let (secret, output) = input.split_once(SEPARATOR).expect("a secret and an output");
    let redactor = Redactor::default();
    redactor.add(secret);
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    for line in output.lines() {
        let redacted = redactor.redact(line);
        assert!(secret.is_empty() || redacted.contains(jetway::MASK), "a line was not redacted");
        writeln!(stdout, "{redacted}").expect("write the output");
    }
    stdout.flush().expect("write the output");
}
