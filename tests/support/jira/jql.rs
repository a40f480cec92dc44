//! The part of JQL that the tests use: conditions joined by `AND` over fields of issues, and `ORDER BY updated DESC`.

/// A query, or Jira's message about a mistake in it.
pub(super) struct Query {
    conditions: Vec<(String, Vec<String>)>,
}

impl Query {
    /// Parses a query.
    pub(super) fn parse(jql: &str) -> Result<Self, String> {
        let (conditions, _) = jql.split_once(" ORDER BY ").unwrap_or((jql, ""));
        let mut query = Self { conditions: Vec::new() };
        for condition in conditions.split(" AND ") {
            query.conditions.push(Self::condition(condition.trim()).ok_or_else(|| mistake(jql, condition))?);
        }
        Ok(query)
    }

    /// `field = value` or `field in (value, value)`; the condition of the user is in brackets.
    fn condition(text: &str) -> Option<(String, Vec<String>)> {
        let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        let unquoted = |value: &str| value.trim().trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
        if let Some((field, list)) = text.split_once(" in ") {
            let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
            return Some((field.trim().to_owned(), list.split(", ").map(unquoted).collect()));
        }
        let (field, value) = text.split_once(" = ")?;
        Some((field.trim().to_owned(), vec![unquoted(value)]))
    }

    /// Whether an issue matches: `values` gives those of a field, `None` for an unknown field.
    pub(super) fn matches(&self, values: impl Fn(&str) -> Option<Vec<String>>) -> bool {
        self.conditions.iter().all(|(field, wanted)| {
            let values = values(field).unwrap_or_default();
            wanted.iter().any(|wanted| values.iter().any(|value| value.to_lowercase() == wanted.to_lowercase()))
        })
    }

    /// The values of a field in the query.
    pub(super) fn values(&self, field: &str) -> Vec<String> {
        let of_it = self.conditions.iter().filter(|(known, _)| known == field);
        of_it.flat_map(|(_, values)| values.clone()).collect()
    }

    /// The fields of the query.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|(field, _)| field.as_str())
    }
}

/// Atlassian's "Advanced searching" and its knowledge base quote such messages, such as that of an operator that is missing.
fn mistake(jql: &str, condition: &str) -> String {
    let at = jql.find(condition).unwrap_or_default() + 1;
    format!("Error in the JQL Query: Expecting operator but got '{condition}'. (line 1, character {at})")
}
