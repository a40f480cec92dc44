//! `make demo`: the story of the resource types, told step by step against servers that are started here.
//!
//! Each step shows what went in, what came out and what it cost, and says what it expects of the world afterwards. The story
//! goes on after a step that went wrong; it ends with a table, and with a failure when any step was not as it should be.
//!
//! A chapter is a module with a `tell` that takes the [`story::Story`] and the [`stage::Stage`]; a server that a new chapter
//! needs joins the stage. Colours are for terminals; `NO_COLOR` takes them away and `CLICOLOR_FORCE=1` asks for them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that fails here ends its step, which the story tells; and a missing key of JSON reads as null"
)]

mod command;
mod git;
mod secrets;
mod stage;
mod story;
mod transcript;

use std::process::ExitCode;

use crate::stage::Stage;
use crate::story::Story;
use crate::transcript::{Palette, Transcript};

fn main() -> ExitCode {
    let mut story = Story::begin(Transcript::new(Palette::chosen()));
    story.step("the binaries are built", stage::build);
    if let Some(stage) = story.step("a repository with history is served", Stage::set) {
        git::tell(&mut story, &stage);
        command::tell(&mut story, &stage);
    }
    if story.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
