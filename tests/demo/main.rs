//! `make demo`: the story of the resource types, told step by step against servers that are started here.
//!
//! Each step shows what went in, what came out and what it cost, and says what it expects of the world afterwards. The story
//! goes on after a step that went wrong; it ends with a table, and with a failure when any step was not as it should be.
//!
//! The chapters are `git`, `command`, `types`, `helm` and `delivery`. Arguments select chapters; without arguments, all run.
//!
//! `JETWAY_DEMO_BUILD` names the program that builds what the chapters after the first two need (`support/demo.sh`).
//!
//! A chapter is a module with a `tell` that takes the [`story::Story`] and the [`stage::Stage`]; a server that a new chapter
//! needs joins the stage. Colours are for terminals; `NO_COLOR` takes them away and `CLICOLOR_FORCE=1` asks for them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a fixture that fails here ends its step, which the story tells; and a missing key of JSON reads as null"
)]

mod command;
mod delivery;
mod git;
mod secrets;
mod stage;
mod story;
mod transcript;
mod types;

use std::process::ExitCode;

use crate::stage::Stage;
use crate::story::Story;
use crate::transcript::{Palette, Transcript};

/// The chapters, in their order.
const CHAPTERS: [&str; 5] = ["git", "command", "types", "helm", "delivery"];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(strange) = wanted.iter().find(|chapter| !CHAPTERS.contains(&chapter.as_str())) {
        eprintln!("there is no chapter `{strange}`; the chapters are {}", CHAPTERS.join(", "));
        return ExitCode::from(2);
    }
    let wants = |chapter: &str| wanted.is_empty() || wanted.iter().any(|named| named == chapter);
    let mut story = Story::begin(Transcript::new(Palette::chosen()));
    if wants("git") || wants("command") {
        story.step("the binaries are built", stage::build);
        if let Some(stage) = story.step("a repository with history is served", Stage::set) {
            if wants("git") {
                git::tell(&mut story, &stage);
            }
            if wants("command") {
                command::tell(&mut story, &stage);
            }
        }
    }
    if let Some(build) = std::env::var_os("JETWAY_DEMO_BUILD").filter(|_| wants("types") || wants("delivery")) {
        story.step("the other types and their images are built", |step| stage::build_the_rest(step, &build));
    }
    if wants("types") {
        types::tell(&mut story);
    }
    if wants("helm") {
        types::tell_helm(&mut story);
    }
    if wants("delivery") {
        delivery::tell(&mut story);
    }
    if story.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
