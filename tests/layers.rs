//! The modules of a crate form the layers that ARCHITECTURE.md lists: imports point down, and never in a circle.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path below the crate's root, such as `["cluster", "google"]`. The root itself is empty.
type Module = Vec<String>;

/// The modules of a crate, and for each those that it imports from.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files of a crate, each with the module that it holds.
fn files(directory: &Path, module: &Module, found: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner: Module = module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            files(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = module.is_empty() && name == "lib";
            let module = if is_root || name == "mod" { module.clone() } else { inner };
            found.insert(module, path);
        }
    }
}

fn is_punctuation(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punctuation)) if punctuation.as_char() == expected)
}

fn identifier(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(identifier)) => Some(identifier.to_string()),
        _ => None,
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punctuation(tokens.get(at), ':') && is_punctuation(tokens.get(at + 1), ':')
}

/// What is read of one file.
#[derive(Default)]
struct File {
    /// Paths that begin with `crate`, `self`, `super` or a module of this file.
    paths: BTreeSet<Vec<String>>,
    /// The modules that the file declares.
    children: BTreeSet<String>,
    /// Those of them that are compiled for tests only.
    tests: BTreeSet<String>,
}

impl File {
    fn read(text: &str) -> Self {
        let mut file = Self::default();
        let stream: TokenStream = text.parse().unwrap();
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        file.declarations(&tokens);
        file.walk(&tokens);
        file
    }

    /// Whether `#[cfg(test)]` stands before the token `at`, or before the visibility in front of it.
    fn is_for_tests(tokens: &[TokenTree], at: usize) -> bool {
        let attributes = tokens[..at].iter().rev().take_while(|token| match token {
            TokenTree::Ident(word) => word == "pub",
            TokenTree::Punct(punctuation) => punctuation.as_char() == '#',
            TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
            TokenTree::Literal(_) => false,
        });
        attributes.into_iter().any(|token| token.to_string().replace(' ', "") == "[cfg(test)]")
    }

    fn declarations(&mut self, tokens: &[TokenTree]) {
        for at in 0..tokens.len() {
            let name = identifier(tokens.get(at + 1)).filter(|_| identifier(tokens.get(at)).as_deref() == Some("mod"));
            let Some(name) = name else { continue };
            if Self::is_for_tests(tokens, at) {
                self.tests.insert(name);
            } else if is_punctuation(tokens.get(at + 2), ';') {
                self.children.insert(name);
            }
        }
    }

    fn walk(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            if let TokenTree::Group(group) = &tokens[at] {
                let is_test_module = at >= 2
                    && identifier(tokens.get(at - 2)).as_deref() == Some("mod")
                    && Self::is_for_tests(tokens, at - 2);
                if !is_test_module {
                    self.walk(&group.stream().into_iter().collect::<Vec<_>>());
                }
            }
            let head = identifier(tokens.get(at)).filter(|_| at == 0 || !is_punctuation(tokens.get(at - 1), ':'));
            let begins = |head: &String| {
                matches!(head.as_str(), "crate" | "self" | "super")
                    || (self.children.contains(head) && (at == 0 || !is_punctuation(tokens.get(at - 1), '.')))
            };
            if let Some(head) = head.filter(begins)
                && is_path_separator(tokens, at + 1)
            {
                self.path(vec![head], tokens, at + 3);
            }
            at += 1;
        }
    }

    /// Reads on after `path::`.
    fn path(&mut self, mut path: Vec<String>, tokens: &[TokenTree], at: usize) {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => {
                path.push(word.to_string());
                if is_path_separator(tokens, at + 1) {
                    self.path(path, tokens, at + 3);
                } else {
                    self.paths.insert(path);
                }
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for member in inner.split(|token| is_punctuation(Some(token), ',')) {
                    self.path(path.clone(), member, 0);
                }
            }
            _ => {
                self.paths.insert(path);
            }
        }
    }
}

/// What each module of a crate imports. Modules for tests are left out.
fn imports(source: &Path) -> Imports {
    let mut paths = BTreeMap::new();
    files(source, &Module::new(), &mut paths);
    let read: BTreeMap<Module, File> =
        paths.iter().map(|(module, path)| (module.clone(), File::read(&fs::read_to_string(path).unwrap()))).collect();
    let is_for_tests = |module: &Module| {
        (1..=module.len()).any(|end| {
            let (parent, name) = (&module[..end - 1], &module[end - 1]);
            read.get(parent).is_some_and(|file| file.tests.contains(name))
        })
    };
    let mut imports = Imports::new();
    for (module, file) in read.iter().filter(|(module, _)| !is_for_tests(module)) {
        let mut targets = BTreeSet::new();
        for path in &file.paths {
            let mut base = if path[0] == "crate" { Module::new() } else { module.clone() };
            for word in path {
                match word.as_str() {
                    "crate" | "self" => {}
                    "super" => {
                        base.pop();
                    }
                    _ => {
                        let inner: Module = base.iter().cloned().chain([word.clone()]).collect();
                        if !read.contains_key(&inner) {
                            break;
                        }
                        base = inner;
                    }
                }
            }
            if base != *module && !is_for_tests(&base) {
                targets.insert(base);
            }
        }
        imports.insert(module.clone(), targets);
    }
    imports
}

fn name(module: &Module) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("::") }
}

/// The groups of modules that import each other in a circle.
fn cycles(imports: &Imports) -> Vec<String> {
    let reaches = |from: &Module| {
        let (mut seen, mut pending) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = pending.pop() {
            pending.extend(imports[&module].iter().filter(|next| seen.insert((*next).clone())).cloned());
        }
        seen
    };
    let closure: BTreeMap<&Module, BTreeSet<Module>> = imports.keys().map(|module| (module, reaches(module))).collect();
    let mut found = BTreeSet::new();
    for (module, seen) in &closure {
        if seen.contains(*module) {
            let circle: Vec<String> = seen.iter().filter(|other| closure[other].contains(*module)).map(name).collect();
            found.insert(circle.join(", "));
        }
    }
    found.into_iter().collect()
}

/// The rows of the table of layers in ARCHITECTURE.md: a crate's folder and its layers, the top one first.
fn layers() -> BTreeMap<String, Vec<BTreeSet<String>>> {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let table =
        text.split("<!-- layers -->").nth(1).expect("ARCHITECTURE.md has a table between two marks `<!-- layers -->`");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let modules =
            |layer: &str| layer.split_whitespace().map(|module| module.trim_matches('`').to_owned()).collect();
        (cells[0].trim().trim_matches('`').to_owned(), cells[1].split(" → ").map(modules).collect())
    })
    .collect()
}

/// The crates of the table, and the imports of each.
fn crates() -> BTreeMap<String, Imports> {
    let resources = repository().join("resources");
    layers().into_keys().map(|name| (name.clone(), imports(&resources.join(name).join("src")))).collect()
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let found: Vec<String> = crates()
        .iter()
        .flat_map(|(name, imports)| cycles(imports).into_iter().map(move |cycle| format!("{name}: {cycle}")))
        .collect();
    assert!(found.is_empty(), "import cycles:\n{}", found.join("\n"));
}

#[test]
fn imports_point_to_the_same_layer_or_a_lower_one() {
    let layers = layers();
    let mut problems = Vec::new();
    for (krate, imports) in crates() {
        let layers = &layers[&krate];
        let top = |module: &Module| module.first().cloned().unwrap_or_else(|| "lib".to_owned());
        let layer = |module: &Module| layers.iter().position(|layer| layer.contains(&top(module)));
        let there: BTreeSet<String> = imports.keys().map(top).collect();
        let listed: BTreeSet<String> = layers.iter().flatten().cloned().collect();
        problems.extend(listed.difference(&there).map(|module| format!("{krate}: `{module}` is listed and not there")));
        problems.extend(there.difference(&listed).map(|module| format!("{krate}: `{module}` is in no layer")));
        for (module, targets) in &imports {
            let is_upward = |target: &&Module| layer(target).zip(layer(module)).is_some_and(|(to, from)| to < from);
            let upward = targets.iter().filter(is_upward);
            problems.extend(upward.map(|target| format!("{krate}: {} imports {}", name(module), name(target))));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Types share code only by the SDK and by libraries, which are crates without a program.
#[test]
fn types_depend_on_libraries_and_never_on_each_other() {
    let resources = repository().join("resources");
    let is_library = |name: &str| !resources.join(name).join("src/main.rs").exists();
    for name in layers().into_keys().filter(|name| name != "cli") {
        let manifest = fs::read_to_string(resources.join(&name).join("Cargo.toml")).unwrap();
        let lines = manifest.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
        for other in lines.filter_map(|line| line.strip_prefix("jetway-")) {
            assert!(is_library(other), "`{name}` depends on the type `{other}`");
        }
    }
}
