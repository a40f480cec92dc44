//! Which registries a recipe may want images of: some give their credentials only to who asks for them beforehand.

/// What may be registries in a recipe: what stands before the first slash of a word, where images are named. That is `FROM`,
/// `--from=`, and `ARG`, which has names for either.
pub(super) fn registries(recipe: &str) -> impl Iterator<Item = &str> {
    recipe.lines().filter(|line| may_name_images(line)).flat_map(of_words)
}

/// The same of any text, a build arg's value, say.
pub(super) fn of_words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character: char| character.is_whitespace() || "=\"',".contains(character));
    words.filter_map(|word| Some(word.split_once('/')?.0))
}

fn may_name_images(line: &str) -> bool {
    let instruction = line.split_whitespace().next().unwrap_or_default();
    ["from", "arg"].iter().any(|name| instruction.eq_ignore_ascii_case(name)) || line.contains("from=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_found_where_images_are_named() {
        let recipe = "# FROM commented.example/x\n\
                      ARG BASE=\"arg.example/team/base:1\"\n\
                      from --platform=linux/amd64 from.example:5000/x AS one\n\
                      COPY --from=copied.example/tools /a /b\n\
                      RUN --mount=type=bind,from=mounted.example/x,target=/x true\n\
                      COPY not.example/x /y\n\
                      FROM scratch\n";
        let found: Vec<&str> = registries(recipe).filter(|name| name.contains(".example")).collect();
        assert_eq!(found, ["arg.example", "from.example:5000", "copied.example", "mounted.example"]);
    }
}
