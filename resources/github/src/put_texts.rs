//! Builds the texts of puts from params, files in the inputs and variables of the build.

use jetway::{BuildMetadata, Result, UnknownVariables};

use crate::description::without_emoji;
use crate::inputs::Inputs;
use crate::log::Log;
use crate::variables::fill;

/// Reads the texts of a put.
#[derive(Clone, Copy)]
pub struct PutTexts<'p> {
    /// The directory with the inputs.
    pub inputs: &'p Inputs,
    /// The variables of the build.
    pub build: &'p BuildMetadata,
    /// The log of the verb.
    pub log: Log<'p>,
}

impl PutTexts<'_> {
    /// The comments of `comment` and `comment_file`, with their variables expanded. Empty comments are left out.
    ///
    /// # Errors
    /// If `comment_file` cannot be read.
    pub fn comments(&self, comment: Option<&str>, comment_file: Option<&str>) -> Result<Vec<String>> {
        let fill = |key: &str, text: &str| fill(self.build, self.log, key, text, UnknownVariables::Keep);
        let mut comments = Vec::new();
        if let Some(text) = comment {
            // In an older pull-request resource, `comment` names a file.
            let content = self.inputs.text_of_file(text.trim());
            if content.is_some() {
                self.log.step(format_args!("reading `comment` from file `{}` in the inputs", text.trim()));
            }
            comments.push(fill("comment", content.as_deref().unwrap_or(text)));
        }
        if let Some(file) = comment_file {
            comments.push(fill("comment_file", &self.inputs.text("comment_file", file)?));
        }
        comments.retain(|text| !text.trim().is_empty());
        Ok(comments)
    }

    /// Removes the characters that GitHub rejects from the text of a key, with a warning.
    pub fn without_emoji(&self, key: &str, text: &str) -> String {
        let Some(words) = without_emoji(text) else { return text.to_owned() };
        self.log
            .warn(format_args!("`{key}` is set without emoji and other four-byte characters, which GitHub rejects"));
        words
    }
}
