//! Tags as versions.

use std::cmp::Ordering;

use jetway::Result;
use jetway_git_client::object_id::object_id;
use jetway_git_client::source::remote::is_commit_hash;

use crate::history::label::Label;
use crate::history::label_repository::LabelRepository;
use crate::history::version_sort;
use crate::raw_commit;
use crate::source::labels::TagSort;
use crate::version::Version;

/// Finds tag versions.
pub(super) struct TagSearch<'r, 'g, 's>(pub(super) &'r LabelRepository<'g, 's>);

impl TagSearch<'_, '_, '_> {
    /// Returns the known tag and the newer ones that pass the filters, oldest first. If no version is known, the newest
    /// tags.
    pub(super) async fn versions(&self, labels: &[Label], known: Option<&Version>) -> Result<Vec<Label>> {
        match known {
            None => self.0.newest(labels).await,
            Some(known) => self.labels_from(labels, known).await,
        }
    }

    /// Returns the known label, if it is unchanged, and the newer labels that pass the filters.
    async fn labels_from(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (kind, reference) = (self.0.query.kind, &known.reference);
        let namesake = labels.iter().find(|label| label.name == *reference);
        if let Some(label) = namesake.filter(|label| label.is_unchanged_from(known)) {
            let newer = labels.partition_point(|other| self.0.query.compare(other, label) != Ordering::Greater);
            let newer = self.0.passing(labels.get(newer..).unwrap_or_default()).await?;
            return Ok([label.clone()].into_iter().chain(newer).collect());
        }
        if self.0.query.sort == TagSort::Version {
            return self.labels_from_name(labels, known).await;
        }
        // Continue from the date of the commit that the version had. A version from a put is itself a commit.
        let commit = match namesake {
            Some(_) => known.commit.as_ref(),
            None => Some(reference),
        };
        let commit = commit.filter(|commit| is_commit_hash(commit)).and_then(|commit| object_id(commit).ok());
        let created = match commit {
            Some(commit) if self.0.fetch_if_missing(commit).await? => {
                Some(raw_commit::created(self.0.cache.repository(), commit)?)
            }
            _ => None,
        };
        let console = self.0.git.context().console();
        let Some(created) = created else {
            let why = match namesake {
                Some(_) => "was moved, and its old commit is gone from the server",
                None => "was deleted or no longer matches the filters",
            };
            console.warn(format_args!("{kind} `{reference}` {why}; continuing from the newest {kind}"));
            return self.0.newest(labels).await;
        };
        let newer = labels.partition_point(|label| label.created < created);
        let mut newer = self.0.passing(labels.get(newer..).unwrap_or_default()).await?;
        if let Some(label) = namesake {
            console.step(format_args!("{kind} `{reference}` was moved to {}", label.commit));
            // A tag that was moved to an older commit comes last, or Concourse would not trigger on it.
            if label.created < created {
                newer.extend(self.0.passing(std::slice::from_ref(label)).await?);
            }
        }
        Ok(newer)
    }

    /// With `tag_sort: version`, if the known label was deleted or moved: returns the labels from its position on.
    async fn labels_from_name(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (console, reference) = (self.0.git.context().console(), &known.reference);
        let is_older = |label: &Label| version_sort::compare(&label.name, reference) == Ordering::Less;
        let start = if let Some(label) = labels.iter().find(|label| label.name == *reference) {
            console.step(format_args!("tag `{reference}` was moved to {}", label.commit));
            labels.partition_point(is_older)
        } else if is_commit_hash(reference) {
            labels.iter().position(|label| label.commit.to_string() == *reference).unwrap_or(labels.len())
        } else {
            console.warn(format_args!(
                "tag `{reference}` was deleted or no longer matches the filters; continuing from its position"
            ));
            labels.partition_point(is_older)
        };
        let newer = self.0.passing(labels.get(start..).unwrap_or_default()).await?;
        if newer.is_empty() { self.0.newest(labels).await } else { Ok(newer) }
    }
}
