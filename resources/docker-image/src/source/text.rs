//! Text values of a pipeline.

/// A text, unless it is empty: pipelines write an empty one for "not set".
pub(crate) fn set(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
