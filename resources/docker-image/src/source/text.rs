//! Text of a pipeline.

/// A text that has something in it: pipelines write an empty one for "not set".
pub(crate) fn set(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
