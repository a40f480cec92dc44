//! Child processes: an argument vector and never a shell, redacted output, and no child that outlives the verb.
//!
//! Each child leads its own process group. The whole group ends when the child has ended, when the verb is interrupted, when the
//! child has been silent for too long, and when its future is dropped.

mod background;
mod command;
mod finished;
mod output;
mod running;
mod service;

pub use background::Background;
pub use command::Command;
pub use finished::Finished;
pub use service::Service;
