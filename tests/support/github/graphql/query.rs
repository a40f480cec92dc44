//! A parser and an executor for the part of GraphQL that queries use: fields, aliases, arguments, variables, inline fragments
//! (<https://spec.graphql.org/October2021/>).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Variables, type_of};

/// The arguments of a field, with the variables' values.
pub(super) type Arguments = Map<String, Value>;

/// The reason why a query is not executed.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

/// Computes the value of a field, if the object does not contain it.
type Resolver<'r> = dyn Fn(&str, &str, &Value, &Arguments) -> Option<Value> + 'r;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(i64),
    Mark(char),
    Spread,
}

#[derive(Debug)]
enum Selection {
    Field { key: String, name: String, arguments: BTreeMap<String, Argument>, inner: Vec<Selection> },
    Fragment { on: String, inner: Vec<Selection> },
}

#[derive(Debug)]
enum Argument {
    Variable(String),
    Value(Value),
}

/// Executes a query. Returns the data, the errors, and the number of requests for connections, which decides the cost.
pub(super) fn execute(
    text: &str,
    variables: &Variables,
    resolver: &Resolver<'_>,
) -> Result<(Value, Vec<Value>, u64), Failure> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, declared: Vec::new(), used: Vec::new() };
    let selections = parser.operation()?;
    for name in &parser.declared {
        if !parser.used.contains(name) {
            return Err(Failure(format!("Variable ${name} is declared by anonymous query but not used")));
        }
    }
    for name in &parser.used {
        if !parser.declared.contains(name) {
            return Err(Failure(format!("Variable ${name} is used by anonymous query but not declared")));
        }
    }
    for name in variables.keys() {
        if !parser.declared.contains(name) {
            return Err(Failure(format!("Variable ${name} is given but not declared")));
        }
    }
    let mut execution = Execution { variables, resolver, errors: Vec::new(), connections: 0 };
    let data = execution.object("Query", &json!({}), &selections, &mut Vec::new(), 1)?;
    Ok((data, execution.errors, execution.connections))
}

struct Execution<'e> {
    variables: &'e Variables,
    resolver: &'e Resolver<'e>,
    errors: Vec<Value>,
    connections: u64,
}

impl Execution<'_> {
    /// `times` is the maximum number of such objects: the product of the page sizes of the enclosing connections.
    fn object(
        &mut self,
        kind: &str,
        value: &Value,
        selections: &[Selection],
        path: &mut Vec<String>,
        times: u64,
    ) -> Result<Value, Failure> {
        let kind = value["__typename"].as_str().unwrap_or(kind).to_owned();
        let mut result = Map::new();
        for selection in selections {
            match selection {
                Selection::Fragment { on, inner } => {
                    if *on == kind
                        && let Value::Object(fields) = self.object(&kind, value, inner, path, times)?
                    {
                        result.extend(fields);
                    }
                }
                Selection::Field { key, name, arguments, inner } => {
                    let Some(of) = type_of(&kind, name) else {
                        return Err(Failure(format!("Field '{name}' doesn't exist on type '{kind}'")));
                    };
                    let arguments: Arguments = arguments
                        .iter()
                        .map(|(name, argument)| {
                            let value = match argument {
                                Argument::Variable(name) => self.variables.get(name).cloned().unwrap_or_default(),
                                Argument::Value(value) => value.clone(),
                            };
                            (name.clone(), value)
                        })
                        .collect();
                    path.push(key.clone());
                    let found = (self.resolver)(&kind, name, value, &arguments).unwrap_or_else(|| value[name].clone());
                    let found = self.value(of, found, &arguments, inner, path, times)?;
                    path.pop();
                    result.insert(key.clone(), found);
                }
            }
        }
        Ok(Value::Object(result))
    }

    fn value(
        &mut self,
        of: &str,
        found: Value,
        arguments: &Arguments,
        inner: &[Selection],
        path: &mut Vec<String>,
        times: u64,
    ) -> Result<Value, Failure> {
        if of.is_empty() != inner.is_empty() {
            return Err(Failure(format!("`{}` must have selections exactly if it is an object", path.join("."))));
        }
        if let Some(message) = found["__missing"].as_str() {
            self.errors.push(json!({ "type": "NOT_FOUND", "path": path, "message": message }));
            return Ok(Value::Null);
        }
        if let Some(of) = of.strip_prefix('[').and_then(|of| of.strip_suffix(']')) {
            return self.connection(of, &found, arguments, inner, path, times);
        }
        if of.is_empty() || found.is_null() { Ok(found) } else { self.object(of, &found, inner, path, times) }
    }

    fn connection(
        &mut self,
        of: &str,
        found: &Value,
        arguments: &Arguments,
        inner: &[Selection],
        path: &mut Vec<String>,
        times: u64,
    ) -> Result<Value, Failure> {
        let number = |name: &str| arguments.get(name).and_then(Value::as_u64);
        // "Node limit" in the guide: `first` or `last` is required, from 1 to 100.
        let size = number("first").or_else(|| number("last")).filter(|size| (1..=100).contains(size));
        let size = size.ok_or_else(|| {
            Failure(format!(
                "You must provide a `first` or `last` value to properly paginate the `{}` connection.",
                path.join(".")
            ))
        })?;
        self.connections += times;
        let all = found["nodes"].as_array().cloned().unwrap_or_default();
        let size = usize::try_from(size).expect("a small number");
        let cursor = arguments.get("after").and_then(Value::as_str);
        let begin = cursor.map_or(0, |cursor| {
            // A cursor identifies an item, as in GitHub's API, and not a position.
            let is_it = |item: &Value| cursor == cursor_of(item);
            all.iter().position(is_it).map_or(0, |position| position + 1)
        });
        let range = if number("first").is_some() {
            begin..(begin + size).min(all.len())
        } else {
            all.len().saturating_sub(size)..all.len()
        };
        let items = all.get(range.clone()).unwrap_or_default();
        let mut result = Map::new();
        for selection in inner {
            let Selection::Field { key, name, inner, .. } = selection else {
                return Err(Failure("a connection has no fragments here".to_owned()));
            };
            let value = match name.as_str() {
                "totalCount" => json!(all.len()),
                "pageInfo" => {
                    let end = items.last().map(cursor_of);
                    let info = json!({ "hasNextPage": range.end < all.len(), "endCursor": end });
                    self.object("PageInfo", &info, inner, path, 1)?
                }
                "nodes" => {
                    let mut nodes = Vec::new();
                    for (index, item) in items.iter().enumerate() {
                        // The cost depends on the page sizes and not on the number of items, so only the connections of the first
                        // item count.
                        let before = self.connections;
                        nodes.push(self.object(of, item, inner, path, times * size as u64)?);
                        if index > 0 {
                            self.connections = before;
                        }
                    }
                    Value::Array(nodes)
                }
                _ => return Err(Failure(format!("Field '{name}' doesn't exist on the connection of {of}"))),
            };
            result.insert(key.clone(), value);
        }
        Ok(Value::Object(result))
    }
}

fn cursor_of(item: &Value) -> String {
    let name = item.get("number").or_else(|| item.get("path")).cloned().unwrap_or_default();
    format!("Y3Vyc29yOnYyOpK5{name}").replace('"', "")
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    declared: Vec<String>,
    used: Vec<String>,
}

impl Parser {
    fn operation(&mut self) -> Result<Vec<Selection>, Failure> {
        if self.peek() == Some(&Token::Name("query".to_owned())) {
            self.at += 1;
            if self.take('(') {
                while !self.take(')') {
                    self.expect('$')?;
                    let name = self.name()?;
                    self.declared.push(name);
                    self.expect(':')?;
                    // Types are not checked.
                    while !matches!(self.peek(), Some(Token::Mark('$' | ')')) | None) {
                        self.at += 1;
                    }
                }
            }
        }
        let selections = self.selections()?;
        if self.at == self.tokens.len() { Ok(selections) } else { Err(self.unexpected()) }
    }

    fn selections(&mut self) -> Result<Vec<Selection>, Failure> {
        self.expect('{')?;
        let mut selections = Vec::new();
        while !self.take('}') {
            if self.peek() == Some(&Token::Spread) {
                self.at += 1;
                if self.name()? != "on" {
                    return Err(self.unexpected());
                }
                let on = self.name()?;
                selections.push(Selection::Fragment { on, inner: self.selections()? });
                continue;
            }
            let key = self.name()?;
            let name = if self.take(':') { self.name()? } else { key.clone() };
            let mut arguments = BTreeMap::new();
            if self.take('(') {
                while !self.take(')') {
                    let name = self.name()?;
                    self.expect(':')?;
                    arguments.insert(name, self.argument()?);
                }
            }
            let inner = if self.peek() == Some(&Token::Mark('{')) { self.selections()? } else { Vec::new() };
            selections.push(Selection::Field { key, name, arguments, inner });
        }
        Ok(selections)
    }

    fn argument(&mut self) -> Result<Argument, Failure> {
        if self.take('$') {
            let name = self.name()?;
            self.used.push(name.clone());
            return Ok(Argument::Variable(name));
        }
        self.literal().map(Argument::Value)
    }

    fn literal(&mut self) -> Result<Value, Failure> {
        if self.take('[') {
            let mut items = Vec::new();
            while !self.take(']') {
                items.push(self.literal()?);
            }
            return Ok(Value::Array(items));
        }
        if self.take('{') {
            let mut fields = Map::new();
            while !self.take('}') {
                let name = self.name()?;
                self.expect(':')?;
                fields.insert(name, self.literal()?);
            }
            return Ok(Value::Object(fields));
        }
        let value = match self.peek() {
            Some(Token::Text(text) | Token::Name(text)) => json!(text),
            Some(Token::Number(number)) => json!(number),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(value)
    }

    fn name(&mut self) -> Result<String, Failure> {
        let Some(Token::Name(name)) = self.peek().cloned() else { return Err(self.unexpected()) };
        self.at += 1;
        Ok(name)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, mark: char) -> bool {
        let is_it = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, mark: char) -> Result<(), Failure> {
        if self.take(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Failure {
        Failure(format!("Parse error on {:?}", self.peek()))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    let mut characters = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\n' | '\t' | ',' => {}
            '.' => {
                if characters.next() != Some('.') || characters.next() != Some('.') {
                    return Err(Failure("Parse error on \".\"".to_owned()));
                }
                tokens.push(Token::Spread);
            }
            '"' => {
                let mut string = String::new();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => string.extend(characters.next()),
                        Some(character) => string.push(character),
                        None => return Err(Failure("Parse error on an open string".to_owned())),
                    }
                }
                tokens.push(Token::Text(string));
            }
            '0'..='9' => {
                let mut digits = character.to_string();
                while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                tokens.push(Token::Number(digits.parse().map_err(|_| Failure("a large number".to_owned()))?));
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let mut name = character.to_string();
                while let Some(next) = characters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                    name.push(next);
                }
                tokens.push(Token::Name(name));
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '$' | '!' => tokens.push(Token::Mark(character)),
            other => return Err(Failure(format!("Parse error on {other:?}"))),
        }
    }
    Ok(tokens)
}
