//! Branches as versions, each with the commit at its tip.

use std::collections::HashSet;

use jetway::Result;

use crate::history::label::Label;
use crate::history::label_repository::{LabelRepository, lines};
use crate::version::Version;

/// The file with the branches of the last check.
const RECORD_FILE: &str = "jetway-branches";

/// Marks a branch that is not new: Concourse has received it, or `version_depth` left it out.
const REPORTED: char = '=';

/// Marks a branch of the last response, which Concourse may not have received.
const UNCONFIRMED: char = '+';

/// The branches of earlier checks in this container, each with its commit.
#[derive(Debug, PartialEq, Eq)]
struct CheckRecord {
    /// The branches that are not new.
    reported: HashSet<String>,
    /// Every branch that the last check found.
    seen: HashSet<String>,
}

impl CheckRecord {
    /// Parses the file. Concourse passes the last version of the last response that it received. If it passes another
    /// version than that of the file, the response was lost, or a put or another container produced a newer version.
    fn parse(text: &str, known: &Version) -> Option<Self> {
        let (last, marked) = text.split_once('\n')?;
        let has_arrived = last == format!("{} {}", known.commit.as_ref()?, known.reference);
        let unmarked = |line: &str| line.get(1..).map(str::to_owned);
        let seen = marked.lines().filter_map(unmarked).collect();
        let reported = marked.lines().filter(|line| has_arrived || line.starts_with(REPORTED)).filter_map(unmarked);
        let reported: HashSet<String> = reported.collect();
        (!reported.is_empty()).then_some(Self { reported, seen })
    }

    /// Formats the file: the last version of this response, and a line for each branch.
    fn format(branches: &[String], reported: &HashSet<String>, last: &Version) -> Option<String> {
        let last = format!("{} {}", last.commit.as_ref()?, last.reference);
        let marked = branches.iter().map(|branch| {
            let mark = if reported.contains(branch) { REPORTED } else { UNCONFIRMED };
            format!("{mark}{branch}")
        });
        Some(lines([last].into_iter().chain(marked)))
    }
}

/// Finds branch versions.
pub(super) struct BranchHeadSearch<'r, 'g, 's>(pub(super) &'r LabelRepository<'g, 's>);

impl BranchHeadSearch<'_, '_, '_> {
    /// Returns the known branch, unless it has moved, and the new branches.
    ///
    /// A branch at a commit is new if no earlier check returned it. (The date of the commit does not tell when the
    /// branch was pushed.) The branches of a lost response are returned again.
    pub(super) async fn versions(&self, labels: &[Label], known: Option<&Version>) -> Result<Vec<Label>> {
        let record = known.and_then(|known| CheckRecord::parse(&self.0.cache.stored(RECORD_FILE)?, known));
        let (chosen, reported) = match (known, record) {
            (None, _) => {
                let chosen = self.0.newest(labels).await?;
                // The next check must not return the branches that `version_depth` leaves out.
                let is_left_out = |label: &&Label| !chosen.iter().any(|other| other.name == label.name);
                let reported = labels.iter().filter(is_left_out).map(Label::to_line).collect();
                (chosen, reported)
            }
            (Some(known), Some(record)) => (self.new_branches(labels, known, &record).await?, record.reported),
            (Some(known), None) => (self.all_branches(labels, known).await?, HashSet::new()),
        };
        let newest = chosen.last().map(Label::version);
        if let Some(last) = newest.as_ref().or(known) {
            let branches: Vec<String> = labels.iter().map(Label::to_line).collect();
            if let Some(text) = CheckRecord::format(&branches, &reported, last) {
                self.0.cache.store(RECORD_FILE, &text)?;
            }
        }
        Ok(chosen)
    }

    /// Returns the known branch, the branches of a response that may be lost, and the new branches.
    async fn new_branches(&self, labels: &[Label], known: &Version, record: &CheckRecord) -> Result<Vec<Label>> {
        let kept = labels.iter().filter(|label| label.is_unchanged_from(known)).cloned();
        let is_new = |label: &&Label| !record.reported.contains(&label.to_line()) && !label.is_unchanged_from(known);
        let new = labels.iter().filter(is_new).cloned();
        let (again, new): (Vec<Label>, Vec<Label>) = new.partition(|label| record.seen.contains(&label.to_line()));
        let found = [kept.collect(), self.0.passing(&again).await?, self.0.passing(&new).await?].concat();
        if found.is_empty() && labels.iter().all(|label| label.name != known.reference) {
            self.warn_of_deleted_branch(known, "the newest branch");
            let mut newest = self.0.newest(labels).await?;
            return Ok(newest.pop().into_iter().collect());
        }
        Ok(found)
    }

    /// Returns all branches, because there is no record of earlier checks. Concourse ignores the versions that it
    /// already has. Branches with newer tips come after the known branch. If the known branch has moved, it comes last.
    async fn all_branches(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (namesakes, others): (Vec<Label>, Vec<Label>) =
            labels.iter().cloned().partition(|label| label.name == known.reference);
        let Some(namesake) = namesakes.first() else {
            self.warn_of_deleted_branch(known, "every branch");
            return self.0.passing(&others).await;
        };
        if !namesake.is_unchanged_from(known) {
            return self.0.passing(&[others, namesakes].concat()).await;
        }
        let (older, newer): (Vec<Label>, Vec<Label>) =
            others.into_iter().partition(|other| other.position() < namesake.position());
        Ok([self.0.passing(&older).await?, namesakes, self.0.passing(&newer).await?].concat())
    }

    fn warn_of_deleted_branch(&self, known: &Version, start: &str) {
        let (console, branch) = (self.0.git.context().console(), &known.reference);
        console.warn(format_args!(
            "branch `{branch}` was deleted or no longer matches the filters; continuing from {start}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str, commit: &str) -> Version {
        Version::of_label(name, commit.to_owned())
    }

    fn set(branches: &[&str]) -> HashSet<String> {
        branches.iter().map(|branch| (*branch).to_owned()).collect()
    }

    fn written(last: &Version) -> String {
        let branches = ["1 main".to_owned(), "2 feature".to_owned()];
        CheckRecord::format(&branches, &set(&["1 main"]), last).unwrap()
    }

    #[test]
    fn received_response_makes_all_branches_known() {
        let last = version("feature", "2");
        let record = CheckRecord::parse(&written(&last), &last).unwrap();
        let all = set(&["1 main", "2 feature"]);
        assert_eq!(record, CheckRecord { reported: all.clone(), seen: all });
    }

    #[test]
    fn branches_of_a_lost_response_stay_new() {
        for known in [version("main", "1"), version("feature", "1")] {
            let record = CheckRecord::parse(&written(&version("feature", "2")), &known).unwrap();
            assert_eq!(record, CheckRecord { reported: set(&["1 main"]), seen: set(&["1 main", "2 feature"]) });
        }
    }

    #[test]
    fn malformed_file_is_ignored() {
        let known = version("main", "1");
        for text in ["", "1 main", "1 main\n", "1 other\n+2 feature\n"] {
            assert_eq!(CheckRecord::parse(text, &known), None, "{text:?}");
        }
        assert_eq!(CheckRecord::parse("1 main\n=1 main\n", &Version::of_commit("1".to_owned())), None);
    }
}
