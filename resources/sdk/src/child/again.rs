//! Children that are run again.

use std::fmt;
use std::time::Duration;

use super::{Command, Finished};

/// Tells from how a child ended, and from how often it has been run, after which pause it is run again.
type Judge = dyn Fn(&Finished, u32) -> Option<Duration>;

/// Whether a child is run again.
pub(super) struct Again(pub(super) Box<Judge>);

impl fmt::Debug for Again {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Again")
    }
}

impl Command {
    /// Runs the child once more, after a pause, as long as `again` gives one. It is told how the child ended and how often
    /// it has been run; the bounds are its own.
    #[must_use]
    pub fn again(mut self, again: impl Fn(&Finished, u32) -> Option<Duration> + 'static) -> Self {
        self.again = Some(Again(Box::new(again)));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildMetadata, Colour, Console, Context, Redactor};

    #[tokio::test]
    async fn a_child_is_run_as_often_as_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let console = Console::new(std::io::sink(), Redactor::default(), Colour::Never);
        let context = Context::new(BuildMetadata::default(), console, directory.path().to_owned());
        let command =
            context.command("sh").args(["-c", "echo run >>file; cat file; exit 3"]).directory(directory.path());
        let again = |finished: &Finished, runs: u32| {
            (finished.code() == Some(3) && runs < 3).then_some(Duration::from_millis(1))
        };
        let finished = command.again(again).run().await.unwrap();
        assert_eq!((finished.code(), finished.text().as_str()), (Some(3), "run\nrun\nrun"));
    }
}
