//! Translates POSIX regular expressions with GNU extensions, as in git and grep, to the syntax of the regex crate.
//!
//! The syntax follows regex(7), and glibc where POSIX leaves a choice: an anchor is never repeated, and a `*` with
//! nothing before it is literal. The regex crate never backtracks, so no pattern can stall a check. Back-references are
//! refused, since the crate does not support them.

use crate::pattern::character_set::{CharacterSet, class_name, literal, no_such_class};

/// The most repetitions that POSIX allows (`RE_DUP_MAX` of glibc).
const MAX_REPETITIONS: u32 = 32_767;

/// The dialect decides whether operators or literal characters need a backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Basic: `\(a\|b\)\+`.
    Basic,
    /// Extended: `(a|b)+`.
    Extended,
}

/// Translates `pattern` to the syntax of `regex::bytes`, where `\B` matches between bytes.
pub(crate) fn expression(dialect: Dialect, pattern: &str) -> Result<String, String> {
    let mut translator =
        Translator { dialect, rest: pattern, expression: String::new(), atom: None, groups: Vec::new() };
    while let Some(token) = translator.token()? {
        translator.put(token)?;
    }
    if translator.groups.is_empty() {
        Ok(translator.expression)
    } else {
        Err(format!("has a `{}` without its `{}`", dialect.spelled("("), dialect.spelled(")")))
    }
}

enum Token {
    Open,
    Close,
    Or,
    /// A token that can be repeated.
    Atom(String),
    /// A token that matches between characters.
    Anchor(&'static str),
    /// `*`, `+` or `?`.
    Repeat(char),
    /// `{2,3}`, in the syntax of the regex crate.
    RepeatCounted(String),
}

struct Translator<'p> {
    dialect: Dialect,
    rest: &'p str,
    expression: String,
    /// The atom that a repetition operator applies to; `None` at the start of a group or an alternative, and after an
    /// anchor.
    atom: Option<Atom>,
    /// Where the open groups begin in `expression`.
    groups: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Atom {
    /// Where it begins in `expression`.
    start: usize,
    is_repeated: bool,
}

/// The error for an escape that only other dialects of regular expressions define.
fn no_class_escape(letter: char, set: &str) -> String {
    format!("has `\\{letter}`, which is undefined in POSIX regular expressions; write `{set}`")
}

impl Dialect {
    /// An operator as this dialect writes it.
    fn spelled(self, operator: &str) -> String {
        match self {
            Self::Basic => format!("\\{operator}"),
            Self::Extended => operator.to_owned(),
        }
    }
}

impl Translator<'_> {
    fn put(&mut self, token: Token) -> Result<(), String> {
        match token {
            Token::Open => {
                self.groups.push(self.expression.len());
                self.expression.push_str("(?:");
                self.atom = None;
            }
            Token::Close => {
                let Some(start) = self.groups.pop() else {
                    return Err(format!("has a `{}` without its `{}`", self.spelled(")"), self.spelled("(")));
                };
                self.expression.push(')');
                self.atom = Some(Atom { start, is_repeated: false });
            }
            Token::Or => {
                self.expression.push('|');
                self.atom = None;
            }
            Token::Atom(atom) => self.atom(&atom),
            Token::Anchor(anchor) => {
                self.expression.push_str(anchor);
                self.atom = None;
            }
            Token::Repeat(operator) if self.dialect == Dialect::Basic && self.atom.is_none() => {
                self.atom(&literal(operator));
            }
            Token::Repeat(operator) => self.repeat(operator.encode_utf8(&mut [0; 4]))?,
            Token::RepeatCounted(count) => self.repeat(&count)?,
        }
        Ok(())
    }

    fn atom(&mut self, atom: &str) {
        self.atom = Some(Atom { start: self.expression.len(), is_repeated: false });
        self.expression.push_str(atom);
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        let Some(Atom { start, is_repeated }) = self.atom else {
            return Err("has a repetition operator with nothing before it".to_owned());
        };
        if is_repeated {
            // The regex crate reads two operators in a row differently, so group the first.
            self.expression.insert_str(start, "(?:");
            self.expression.push(')');
        }
        self.expression.push_str(operator);
        self.atom = Some(Atom { start, is_repeated: true });
        Ok(())
    }

    /// Parses the next token; `None` at the end.
    fn token(&mut self) -> Result<Option<Token>, String> {
        let Some(character) = self.next() else { return Ok(None) };
        let is_basic = self.dialect == Dialect::Basic;
        Ok(Some(match character {
            '\\' => self.escape()?,
            '[' => Token::Atom(self.set()?),
            '.' => Token::Atom(".".to_owned()),
            '*' => Token::Repeat('*'),
            // As in glibc, it is also an anchor after another anchor.
            '^' if !is_basic || self.atom.is_none() => Token::Anchor(r"\A"),
            '$' if !is_basic || [r"\)", r"\|"].iter().any(|end| self.rest.starts_with(end)) || self.rest.is_empty() => {
                Token::Anchor(r"\z")
            }
            '(' if !is_basic => Token::Open,
            ')' if !is_basic => Token::Close,
            '|' if !is_basic => Token::Or,
            '+' | '?' if !is_basic => Token::Repeat(character),
            '{' if !is_basic => Token::RepeatCounted(self.count()?),
            other => Token::Atom(literal(other)),
        }))
    }

    /// Parses an escape after its backslash.
    fn escape(&mut self) -> Result<Token, String> {
        let Some(character) = self.next() else { return Err("ends with a `\\` that escapes nothing".to_owned()) };
        let is_basic = self.dialect == Dialect::Basic;
        Ok(match character {
            '(' if is_basic => Token::Open,
            ')' if is_basic => Token::Close,
            '|' if is_basic => Token::Or,
            '+' | '?' if is_basic => Token::Repeat(character),
            '{' if is_basic => Token::RepeatCounted(self.count()?),
            'w' => Token::Atom("[0-9A-Z_a-z]".to_owned()),
            'W' => Token::Atom("[^0-9A-Z_a-z]".to_owned()),
            's' => Token::Atom(r"[\t-\r ]".to_owned()),
            'S' => Token::Atom(r"[^\t-\r ]".to_owned()),
            'b' => Token::Anchor(r"(?-u:\b)"),
            'B' => Token::Anchor(r"(?-u:\B)"),
            '<' => Token::Anchor(r"(?-u:\b{start})"),
            '>' => Token::Anchor(r"(?-u:\b{end})"),
            '`' => Token::Anchor(r"\A"),
            '\'' => Token::Anchor(r"\z"),
            '1'..='9' => return Err(format!("has the back-reference `\\{character}`, which is not supported")),
            'd' => return Err(no_class_escape('d', "[0-9]")),
            'D' => return Err(no_class_escape('D', "[^0-9]")),
            other if other.is_ascii_alphanumeric() => {
                return Err(format!("has `\\{other}`, which is undefined in POSIX regular expressions"));
            }
            other => Token::Atom(literal(other)),
        })
    }

    /// Parses a counted repetition after its opening brace.
    fn count(&mut self) -> Result<String, String> {
        let (open, close) = (self.spelled("{"), self.spelled("}"));
        let Some((numbers, rest)) = self.rest.split_once(&close) else {
            return Err(format!("has a `{open}` without its `{close}`"));
        };
        self.rest = rest;
        let bad = || format!("has `{open}{numbers}{close}`, which is not a count from 0 to {MAX_REPETITIONS}");
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_number && *number <= MAX_REPETITIONS).ok_or_else(bad)
        };
        match numbers.split_once(',') {
            None => Ok(format!("{{{}}}", number(numbers)?)),
            Some(("", "")) => Err(bad()),
            Some((least, "")) => Ok(format!("{{{},}}", number(least)?)),
            Some((least, most)) => {
                let (least, most) = (if least.is_empty() { 0 } else { number(least)? }, number(most)?);
                if least <= most { Ok(format!("{{{least},{most}}}")) } else { Err(bad()) }
            }
        }
    }

    /// Parses a bracket expression after its `[`. A backslash is literal in it.
    fn set(&mut self) -> Result<String, String> {
        let is_negated = self.rest.starts_with('^');
        if is_negated {
            self.next();
        }
        let mut set = CharacterSet::new(is_negated);
        let mut is_first = true;
        loop {
            if !is_first && self.rest.starts_with(']') {
                self.next();
                return Ok(set.expression());
            }
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(class_name) {
                if !set.add_class(name) {
                    return Err(no_such_class(name));
                }
                self.rest = rest;
            } else {
                let is_hyphen = !is_first && self.rest.starts_with('-') && !self.rest.starts_with("-]");
                let first = self.member()?;
                if is_hyphen {
                    return Err(
                        "has a `-` right after a range; to match a `-`, put it first or last in `[]`".to_owned()
                    );
                }
                if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                    self.next();
                    let last = self.member()?;
                    if last < first {
                        return Err(format!("has the range `{first}-{last}`, whose ends are in the wrong order"));
                    }
                    set.add_range(first, last);
                } else {
                    set.add(first);
                }
            }
            is_first = false;
        }
    }

    /// Parses a character of a bracket expression, which may be written `[.x.]` or `[=x=]`.
    fn member(&mut self) -> Result<char, String> {
        for (open, close) in [("[.", ".]"), ("[=", "=]")] {
            if let Some(inner) = self.rest.strip_prefix(open) {
                let mut characters = inner.chars();
                let character = characters.next();
                let rest = characters.as_str().strip_prefix(close);
                let (Some(character), Some(rest)) = (character, rest) else {
                    return Err(format!("has a `{open}` that is not followed by one character and `{close}`"));
                };
                self.rest = rest;
                return Ok(character);
            }
        }
        self.next().ok_or_else(|| "has a `[` without its `]`".to_owned())
    }

    fn spelled(&self, operator: &str) -> String {
        self.dialect.spelled(operator)
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next();
        self.rest = characters.as_str();
        character
    }
}
