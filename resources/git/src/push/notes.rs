//! Adds a note to the pushed commit, on top of the server's notes.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use git2::Oid;
use jetway::{Advise as _, Result};
use jetway_git_client::transport::refusal::Refusal;

use crate::push::work_tree::WorkTree;

/// The ref of the notes.
pub(super) const NOTES: &str = "refs/notes/commits";

/// The temporary ref that the server's notes are fetched to.
pub(super) const FETCHED_NOTES: &str = "refs/jetway/notes";

impl WorkTree<'_> {
    /// Adds the note to HEAD, on top of the server's notes and those of the repository (`ours`).
    pub(super) async fn add_notes(&self, file: &Path, ours: Option<Oid>, branch: Option<&str>) -> Result<()> {
        let finished = self.fetch(&format!("+{NOTES}:{FETCHED_NOTES}"), None).await?;
        let is_first = Refusal::of(&finished) == Some(Refusal::UnknownRef);
        if !is_first {
            self.git.explain(finished, branch).with_context(|| self.git.cannot("fetch the notes of"))?;
        }
        // Undo a failed attempt, which may have added the note to another commit.
        match (ours, self.repository.find_reference(NOTES)) {
            (Some(ours), _) => drop(self.repository.reference(NOTES, ours, true, "jetway: as before")?),
            (None, Ok(mut left)) => left.delete()?,
            (None, Err(_)) => {}
        }
        if !is_first {
            self.merge_notes(ours).await?;
        }
        let head = self.head()?;
        if let Ok(note) = self.repository.find_note(None, head) {
            let wanted = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            return if note.message_bytes().trim_ascii() == wanted.trim_ascii() {
                Ok(())
            } else {
                Err(anyhow!("commit `{head}` already has a different note"))
            };
        }
        // Pass the note as an object (`-C`): git would strip lines that begin with `#` from a file.
        let text = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let note = self.repository.blob(&text).context("cannot write the note")?;
        let add = self.command("notes").args(["add", "-C", &note.to_string(), &head.to_string()]);
        add.run().await?.success().with_context(|| format!("cannot add a note to `{head}`"))?;
        Ok(())
    }

    /// Merges the server's notes into those of the repository.
    async fn merge_notes(&self, ours: Option<Oid>) -> Result<()> {
        if ours.is_none() {
            let theirs = self.repository.refname_to_id(FETCHED_NOTES)?;
            self.repository.reference(NOTES, theirs, false, "jetway: fetched")?;
            return Ok(());
        }
        let merge = self.command("notes").args(["merge", "--quiet", FETCHED_NOTES]).run().await?;
        if merge.is_success() {
            return Ok(());
        }
        self.command("notes").args(["merge", "--abort"]).run().await?;
        let error = merge.failure().context("cannot merge the notes of the repository with those of the server");
        Err(error.hint("both have different notes on the same commit; nothing was overwritten or pushed"))
    }
}
