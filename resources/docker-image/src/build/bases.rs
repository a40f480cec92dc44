//! Finds the registries of a Dockerfile's images, since some registries issue credentials only on request, before the
//! build.

/// Possible registries in a Dockerfile: the part before the first slash of a word, in instructions that name images.
/// These are `FROM`, `--from=`, `ARG`, whose value may be used in either, and the frontend of `# syntax=`.
pub(crate) fn registries(recipe: &str) -> Vec<String> {
    let named = instructions(recipe).into_iter().filter(|instruction| may_name_images(instruction));
    named.flat_map(|instruction| of_words(&instruction).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Possible registries in any text, for example a build arg's value.
pub(super) fn of_words(text: &str) -> impl Iterator<Item = &str> {
    // In `${NAME:-registry/image}` the default names an image.
    let between = |character: char| character.is_whitespace() || "=\"',{}$".contains(character);
    text.split(between).filter_map(|word| {
        let (name, _) = word.split_once('/')?;
        Some(name.rsplit_once(":-").or(name.rsplit_once(":+")).map_or(name, |(_, name)| name))
    })
}

fn may_name_images(instruction: &str) -> bool {
    let name = instruction.split_whitespace().next().unwrap_or_default();
    ["from", "arg"].iter().any(|known| name.eq_ignore_ascii_case(known)) || instruction.contains("from=")
}

/// The instructions, each on one line, as Docker parses them: a line that ends with the escape character continues on
/// the next line that is neither empty nor a comment. The text of a here-document is parsed as instructions too, which
/// can only add words.
pub(super) fn instructions(recipe: &str) -> Vec<String> {
    let recipe = recipe.trim_start_matches('\u{feff}');
    let (escape, frontend) = directives(recipe);
    let mut instructions: Vec<String> = frontend.map(|image| format!("FROM {image}")).into_iter().collect();
    let mut begun: Option<String> = None;
    for line in recipe.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, goes_on) = line.strip_suffix(escape).map_or((line, false), |text| (text, true));
        let mut instruction = begun.take().unwrap_or_default();
        instruction.push_str(text);
        if goes_on {
            begun = Some(instruction);
        } else {
            instructions.push(instruction);
        }
    }
    instructions.extend(begun);
    instructions
}

/// The escape character and the frontend's image, from the parser directives (`# key=value`) at the start of a
/// Dockerfile.
pub(super) fn directives(recipe: &str) -> (char, Option<&str>) {
    let (mut escape, mut frontend) = ('\\', None);
    for line in recipe.lines() {
        let directive = line.trim().strip_prefix('#').and_then(|comment| comment.split_once('='));
        match directive.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim())) {
            Some((key, "`")) if key == "escape" => escape = '`',
            Some((key, value)) if key == "syntax" => frontend = Some(value),
            Some((key, _)) if key == "escape" || key == "check" => {}
            _ => break,
        }
    }
    (escape, frontend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(recipe: &str) -> Vec<String> {
        registries(recipe).into_iter().filter(|name| name.contains(".example")).collect()
    }

    #[test]
    fn finds_registries_in_instructions_with_images() {
        let recipe = "# FROM commented.example/x\n\
                      ARG BASE=\"arg.example/team/base:1\"\n\
                      from --platform=linux/amd64 from.example:5000/x AS one\n\
                      FROM ${OTHER:-default.example/x}\n\
                      COPY --from=copied.example/tools /a /b\n\
                      RUN --mount=type=bind,from=mounted.example/x,target=/x true\n\
                      COPY not.example/x /y\n\
                      FROM scratch\n";
        assert_eq!(
            found(recipe),
            ["arg.example", "from.example:5000", "default.example", "copied.example", "mounted.example"]
        );
    }

    #[test]
    fn joins_continued_lines() {
        let recipe = "FROM \\\n\
                      # FROM commented.example/x\n\
                      \n\
                      \x20 --platform=$BUILDPLATFORM \\  \r\n\
                      \x20 one.example/base \\\n\
                      \x20 AS base\n\
                      ARG FIRST=two.example/x \\\n\
                      \x20 SECOND=three.exa\\\n\
                      mple/y\n\
                      RUN true && \\\n\
                      \x20 cp not.example/x /y\n\
                      RUN --mount=type=cache,target=/x \\\n\
                      \x20 --mount=type=bind,from=four.example/x,target=/x true\n\
                      FROM five.example/last \\";
        assert_eq!(found(recipe), ["one.example", "two.example", "three.example", "four.example", "five.example"]);
    }

    #[test]
    fn obeys_parser_directives() {
        assert_eq!(
            found("# escape=`\nFROM `\n one.example/x\nRUN C:\\\nFROM two.example/x"),
            ["one.example", "two.example"]
        );
        assert_eq!(found("# syntax = one.example/frontend:1\nFROM two.example/x"), ["one.example", "two.example"]);
        // A directive is a comment unless it comes first.
        assert_eq!(found("# a comment\n# escape=`\nFROM \\\n one.example/x"), ["one.example"]);
        assert_eq!(found("FROM scratch\n# syntax=one.example/x"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn never_panics(recipe in "(# ?(escape|syntax)=[`\\\\x]?\\n)?([ \\\\`\\n#/:{}$=-]|FROM|ARG|a\u{e9}){0,40}") {
            let _ = registries(&recipe);
        }
    }

    #[test]
    fn reads_here_documents() {
        assert_eq!(found("RUN <<END\nset -e\ntrue\nEND\nFROM one.example/x"), ["one.example"]);
        assert_eq!(found("COPY <<END /x\nends with \\\n\nEND\nFROM one.example/x"), ["one.example"]);
    }
}
