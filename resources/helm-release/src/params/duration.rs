//! Durations, in the notation of pipelines, of helm and of messages.

use std::time::Duration;

/// The maximum: a day.
const MAX_DURATION: Duration = Duration::from_hours(24);

/// Parses a duration: plain seconds, or helm's notation (`1m30s`).
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unclear = || format!("expected seconds or a duration such as `1m30s`, found `{text}`");
    let mut seconds = 0.0;
    let mut rest = text;
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        seconds = rest.parse().map_err(|_| unclear())?;
        rest = "";
    }
    while !rest.is_empty() {
        let digits =
            rest.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or_else(unclear)?;
        let (number, unit) = rest.split_at(digits);
        let units = [("ms", 0.001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
        let unit = units.into_iter().find_map(|(name, factor)| Some((unit.strip_prefix(name)?, factor)));
        let (after, factor) = unit.ok_or_else(unclear)?;
        seconds += number.parse::<f64>().map_err(|_| unclear())? * factor;
        rest = after;
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if span <= MAX_DURATION => Ok(span),
        _ => Err(format!("is longer than a day: `{text}`")),
    }
}

/// The duration as an argument of helm.
pub(crate) fn argument(span: Duration) -> String {
    if span.subsec_nanos() == 0 { format!("{}s", span.as_secs()) } else { format!("{}ms", span.as_millis()) }
}

/// The duration in messages: `90 s`, `15 min`.
pub(crate) fn in_words(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds if seconds >= 600 || (seconds >= 120 && seconds % 60 == 0) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_seconds_and_durations_of_helm() {
        for (text, milliseconds) in
            [("60", 60_000), ("0", 0), (" 1m30s ", 90_000), ("1.5s", 1500), ("2h", 7_200_000), ("300ms", 300)]
        {
            assert_eq!(parse(text).map(|span| span.as_millis()), Ok(milliseconds), "{text}");
        }
        for text in ["", "soon", "5 minutes", "-1", "1d", "s", "1..2s", "99999999999", "25h", "999999999999999999999h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn formats_durations_for_helm() {
        for (text, words) in [
            ("120", "120s"),
            ("5m0s", "300s"),
            ("1h30m", "5400s"),
            ("1.5s", "1500ms"),
            ("300ms", "300ms"),
            ("24h", "86400s"),
        ] {
            assert_eq!(parse(text).map(argument).as_deref(), Ok(words));
        }
        // All keys have the same maximum.
        for text in ["25h", "48h", "90000"] {
            assert_eq!(parse(text), Err(format!("is longer than a day: `{text}`")));
        }
    }

    #[test]
    fn formats_durations_for_messages_in_one_unit() {
        let messages = [0, 59, 90, 120, 600, 3601].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(messages, ["0 ms", "59 s", "90 s", "2 min", "10 min", "60 min"]);
    }
}
