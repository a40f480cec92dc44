//! Maps the path of a problem to its position in the file.

use crate::node::{Content, Node};
use crate::position::Position;

/// The result of resolving a problem's path, such as `.submodules[2].name`, below a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    /// The path exists.
    Exact {
        /// The position of its key, or of the item itself in a list.
        key: Position,
        /// The position of its value.
        value: Position,
    },
    /// The path does not exist; this is the position of the deepest key that does.
    Missing(Position),
}

/// Resolves `path` below `node`, whose key is at `key`.
pub(crate) fn locate(node: &Node, key: Position, path: &str) -> Location {
    if path.is_empty() {
        return Location::Exact { key, value: node.position };
    }
    let deeper = match &node.content {
        Content::Map(entries) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            // Keys may contain dots, so several keys may match the start of the path.
            entries
                .iter()
                .filter_map(|entry| Some((entry, path.strip_prefix(entry.key.text.as_str())?)))
                .filter(|(_, rest)| rest.is_empty() || rest.starts_with(['.', '[']))
                .map(|(entry, rest)| locate(&entry.value, entry.key.position, rest))
                .max_by_key(|place| matches!(place, Location::Exact { .. }))
        }
        Content::List(items) => path
            .strip_prefix('[')
            .and_then(|path| path.split_once(']'))
            .and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest)))
            .map(|(item, rest)| locate(item, item.position, rest)),
        _ => None,
    };
    deeper.unwrap_or(Location::Missing(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    fn at(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    #[test]
    fn finds_key_and_value_of_a_path() {
        let document = load(b"a:\n  - x: 1\n    d.o.t: {k: v}\n  - 2\n").unwrap();
        let locate = |path| locate(&document.root, at(9, 9), path);
        assert_eq!(locate("a"), Location::Exact { key: at(1, 1), value: at(2, 3) });
        assert_eq!(locate(".a[0].x"), Location::Exact { key: at(2, 5), value: at(2, 8) });
        assert_eq!(locate("a[0].d.o.t.k"), Location::Exact { key: at(3, 13), value: at(3, 16) });
        assert_eq!(locate("a[1]"), Location::Exact { key: at(4, 5), value: at(4, 5) });
    }

    #[test]
    fn places_missing_key_at_its_parent() {
        let document = load(b"a:\n  b: {c: 1}\n").unwrap();
        let locate = |path| locate(&document.root, at(9, 9), path);
        assert_eq!(locate("z"), Location::Missing(at(9, 9)));
        assert_eq!(locate("a.z"), Location::Missing(at(1, 1)));
        assert_eq!(locate("a.b.z"), Location::Missing(at(2, 3)));
        assert_eq!(locate("a.b.c.d"), Location::Missing(at(2, 7)));
        assert_eq!(locate("a[7]"), Location::Missing(at(1, 1)));
    }
}
