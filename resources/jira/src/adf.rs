//! The Atlassian Document Format, in which Jira Cloud has descriptions and comments.

use serde_json::{Map, Value, json};

/// A document with the paragraphs of a text. Addresses in it become links.
pub(crate) fn document(text: &str) -> Value {
    let text = text.replace("\r\n", "\n");
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    let content: Vec<Value> = paragraphs
        .map(|paragraph| json!({ "type": "paragraph", "content": lines(paragraph.trim_matches('\n')) }))
        .collect();
    json!({ "type": "doc", "version": 1, "content": content })
}

/// Whether a value is a document.
pub(crate) fn is_document(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("doc") && value.get("content").is_some_and(Value::is_array)
}

/// The text of a document, without its formatting.
pub(crate) fn text(document: &Value) -> String {
    let mut text = String::new();
    write(document, &mut text);
    text.trim().to_owned()
}

fn lines(paragraph: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    for (index, line) in paragraph.split('\n').enumerate() {
        if index > 0 {
            nodes.push(json!({ "type": "hardBreak" }));
        }
        let mut plain = String::new();
        for word in line.split_inclusive(char::is_whitespace) {
            let Some(address) = address(word) else {
                plain.push_str(word);
                continue;
            };
            push_text(&mut nodes, &mut plain);
            nodes.push(json!({
                "type": "text", "text": address, "marks": [{ "type": "link", "attrs": { "href": address } }],
            }));
            plain.push_str(word.strip_prefix(address).unwrap_or_default());
        }
        push_text(&mut nodes, &mut plain);
    }
    nodes
}

/// The address at the beginning of a word, without the punctuation of a sentence at its end.
fn address(word: &str) -> Option<&str> {
    let address = word.trim_end().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'', '>']);
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    (!rest.is_empty()).then_some(address)
}

/// A text node must not be empty.
fn push_text(nodes: &mut Vec<Value>, text: &mut String) {
    if !text.is_empty() {
        nodes.push(json!({ "type": "text", "text": std::mem::take(text) }));
    }
}

fn write(node: &Value, text: &mut String) {
    let attribute = |names: &[&str]| {
        let attributes = node.get("attrs");
        names.iter().find_map(|name| attributes?.get(name)?.as_str()).unwrap_or_default()
    };
    match node.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => text.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default()),
        "hardBreak" => text.push('\n'),
        "mention" | "status" | "date" => text.push_str(attribute(&["text", "timestamp"])),
        "emoji" => text.push_str(attribute(&["text", "shortName"])),
        "inlineCard" | "blockCard" | "embedCard" => text.push_str(attribute(&["url"])),
        kind => {
            if kind == "listItem" {
                text.push_str("- ");
            }
            for inner in node.get("content").and_then(Value::as_array).into_iter().flatten() {
                write(inner, text);
            }
            let is_block = ["paragraph", "heading", "codeBlock", "rule", "tableRow", "blockquote"].contains(&kind);
            if is_block && !text.ends_with('\n') {
                text.push('\n');
            }
        }
    }
}

/// Turns the texts of fields that hold documents into documents.
pub(crate) fn in_fields(fields: &mut Map<String, Value>) {
    for name in ["description", "environment"] {
        if let Some(value) = fields.get_mut(name)
            && let Some(text) = value.as_str()
        {
            *value = document(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_paragraphs_lines_and_urls_to_nodes() {
        assert_eq!(
            document("one\ntwo https://ci.example/1.\n\n\n(http://x)"),
            json!({ "type": "doc", "version": 1, "content": [
                { "type": "paragraph", "content": [
                    { "type": "text", "text": "one" },
                    { "type": "hardBreak" },
                    { "type": "text", "text": "two " },
                    { "type": "text", "text": "https://ci.example/1",
                      "marks": [{ "type": "link", "attrs": { "href": "https://ci.example/1" } }] },
                    { "type": "text", "text": "." },
                ] },
                { "type": "paragraph", "content": [{ "type": "text", "text": "(http://x)" }] },
            ] })
        );
        assert_eq!(document(" \n"), json!({ "type": "doc", "version": 1, "content": [] }));
    }

    #[test]
    fn text_has_no_formatting() {
        let paragraph = |text: &str| json!({ "type": "paragraph", "content": [{ "type": "text", "text": text }] });
        let list = json!({ "type": "bulletList", "content": [
            { "type": "listItem", "content": [paragraph("a")] }, { "type": "listItem", "content": [paragraph("b")] },
        ] });
        let mention = json!({ "type": "paragraph", "content": [
            { "type": "mention", "attrs": { "id": "1", "text": "@Mia" } }, { "type": "hardBreak" },
            { "type": "emoji", "attrs": { "shortName": ":tada:" } },
            { "type": "inlineCard", "attrs": { "url": "https://x.example" } },
        ] });
        let heading =
            json!({ "type": "heading", "attrs": { "level": 1 }, "content": [{ "type": "text", "text": "H" }] });
        let whole = json!({ "type": "doc", "version": 1, "content": [heading, paragraph("one"), list, mention] });
        assert_eq!(text(&whole), "H\none\n- a\n- b\n@Mia\n:tada:https://x.example");
        assert_eq!(text(&document("one\ntwo\n\nthree")), "one\ntwo\nthree");
        assert_eq!(text(&json!({ "type": "doc", "content": [7, null, { "type": "text" }] })), "");
    }
}
