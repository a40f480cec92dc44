//! Limits on the expanded size of a YAML file: with aliases, a few lines can expand to more values than fit in memory.

use crate::node::{Content, Node};

/// The maximum number of values in a file after aliases are resolved.
const MAX_NODES: usize = 500_000;

/// The maximum size of the text in these values, in bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;

/// The maximum nesting depth of lists and maps.
const DEEPEST: usize = 400;

/// The cost of a value, including everything nested in it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weight {
    nodes: usize,
    text: usize,
    depth: usize,
}

/// The cost of a file so far.
#[derive(Default)]
pub(crate) struct Budget {
    nodes: usize,
    text: usize,
}

impl Budget {
    /// Adds a value at nesting level `depth`. `Err` names the limit that was exceeded.
    pub(crate) fn spend(&mut self, weight: Weight, depth: usize) -> Result<(), String> {
        self.nodes += weight.nodes;
        self.text += weight.text;
        if self.nodes > MAX_NODES || self.text > MAX_TEXT_BYTES {
            Err(format!(
                "too large: it expands to more than {MAX_NODES} values or {} MiB",
                MAX_TEXT_BYTES / 1024 / 1024
            ))
        } else if depth + weight.depth > DEEPEST {
            Err(format!("nested deeper than {DEEPEST} levels"))
        } else {
            Ok(())
        }
    }
}

impl Weight {
    /// A list or a map without its items, which are counted separately.
    pub(crate) const LEVEL: Self = Self { nodes: 1, text: 0, depth: 1 };

    /// The weight of a value.
    pub(crate) fn of(node: &Node) -> Self {
        let own = |text: &str| Self { nodes: 1, text: text.len(), depth: 0 };
        match &node.content {
            Content::Null => own(""),
            Content::Flag { written, .. } | Content::Number { written, .. } => own(written),
            Content::Text(text) => own(text),
            Content::List(items) => items.iter().map(Self::of).fold(Self::LEVEL, Self::holding),
            Content::Map(entries) => {
                let keys = entries.iter().map(|entry| entry.key.text.len()).sum();
                let level = Self { text: keys, ..Self::LEVEL };
                entries.iter().map(|entry| Self::of(&entry.value)).fold(level, Self::holding)
            }
        }
    }

    fn holding(self, item: Self) -> Self {
        Self { nodes: self.nodes + item.nodes, text: self.text + item.text, depth: self.depth.max(item.depth + 1) }
    }
}
