//! Parses the text of a value, like `helm --set`.

use serde_json::{Map, Value};

/// Text in a pipeline: words and integers have their type as in helm, `{a,b}` is a list, and everything else (commas, backslashes,
/// a JSON document) is plain text.
pub(crate) fn plain(text: &str) -> Value {
    let is_json = || serde_json::from_str::<Map<String, Value>>(text).is_ok();
    if text.starts_with('{')
        && !is_json()
        && let Ok((list, "")) = list(text)
    {
        return list;
    }
    word(text)
}

/// Text exactly as helm reads it, or what is wrong with it. A comma is an error, since helm would start another value there.
pub(crate) fn helm(text: &str) -> Result<Value, String> {
    const COMMA: &str = "contains a comma, which ends the value; write `\\,` for a literal comma, and a \
        separate entry for another value";
    if text.starts_with('{') {
        let (list, rest) = list(text)?;
        return if rest.is_empty() { Ok(list) } else { Err("has text after its `}`".to_owned()) };
    }
    let (value, rest) = until(text, &[',']);
    if rest.is_some() { Err(COMMA.to_owned()) } else { value.map(|value| word(&value)) }
}

/// Parses a list in braces, and returns the rest of the text.
fn list(text: &str) -> Result<(Value, &str), String> {
    let mut items = Vec::new();
    let mut rest = text.strip_prefix('{').unwrap_or(text);
    loop {
        let (item, found) = until(rest, &[',', '}']);
        let (end, behind) = found.ok_or("is a list without a closing `}`")?;
        items.push(word(&item?));
        if end == '}' {
            return Ok((Value::Array(items), behind));
        }
        rest = behind;
    }
}

/// Reads up to one of the characters, with backslash escapes, and returns that character with the rest of the text.
fn until<'t>(text: &'t str, stop: &[char]) -> (Result<String, String>, Option<(char, &'t str)>) {
    let mut taken = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some(next) => taken.push(next),
                None => return (Err("must not end with a single `\\`".to_owned()), None),
            },
            character if stop.contains(&character) => return (Ok(taken), Some((character, rest.as_str()))),
            character => taken.push(character),
        }
    }
    (Ok(taken), None)
}

/// A word, an integer without leading zeros, or else text.
fn word(text: &str) -> Value {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("false") {
        return Value::Bool(is("true"));
    }
    if is("null") {
        return Value::Null;
    }
    match text.parse::<i64>() {
        Ok(number) if text == "0" || !text.starts_with('0') => Value::from(number),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parses_words_and_numbers_like_helm() {
        for (text, value) in [
            ("TRUE", json!(true)),
            ("null", json!(null)),
            ("0", json!(0)),
            ("007", json!("007")),
            ("-05", json!(-5)),
            ("+5", json!(5)),
            ("1.5", json!("1.5")),
            ("1e3", json!("1e3")),
            ("99999999999999999999", json!("99999999999999999999")),
            ("", json!("")),
            ("{a,1,true}", json!(["a", 1, true])),
            (r"{a\,b}", json!(["a,b"])),
        ] {
            assert_eq!(plain(text), value, "{text}");
            assert_eq!(helm(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn parses_everything_else_as_text_unless_type_is_helm() {
        for text in ["1,admin=true", r"a\,b", r"C:\x", "{a", "{}", r#"{"a": [1]}"#, "{a}b", "a\\"] {
            assert_eq!(plain(text), json!(text));
        }
        assert_eq!(helm(r"a\,b\\c"), Ok(json!(r"a,b\c")));
        assert_eq!(helm("{}"), Ok(json!([""])));
        for (text, words) in [
            ("1,admin=true", "comma"),
            ("{a", "without a closing `}`"),
            ("{a}b", "after its `}`"),
            ("a\\", "single `\\`"),
        ] {
            let problem = helm(text).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
