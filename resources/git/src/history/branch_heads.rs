//! Branches as versions, each with the commit at its tip.

use std::collections::HashSet;

use jetway::Result;

use crate::history::label::Label;
use crate::history::label_repository::{LabelRepository, lines};
use crate::version::Version;

/// The file with the branches that the last check saw.
const MEMORY: &str = "jetway-branches";

/// What marks a branch in it that Concourse has, or is not to have.
const TOLD: char = '=';

/// What marks one that it may not have: the answer that told it could be lost.
const SEEN: char = '+';

/// The branches of earlier checks, each in a line.
struct Memory {
    /// Those that are not new.
    told: HashSet<String>,
    /// All that the last check saw.
    seen: HashSet<String>,
}

/// The search for branches.
pub(super) struct BranchHeads<'r, 'g, 's>(pub(super) &'r LabelRepository<'g, 's>);

impl BranchHeads<'_, '_, '_> {
    /// The known branch, if it is as it was, and those that are new since.
    ///
    /// A branch is pushed when it is pushed, whatever date its tip has. So what earlier checks told says what is new, and
    /// an answer that was lost is given again.
    pub(super) async fn versions(&self, labels: &[Label], known: Option<&Version>) -> Result<Vec<Label>> {
        let memory = known.and_then(|known| self.told_before(known));
        let (chosen, told) = match (known, memory) {
            (None, _) => {
                let chosen = self.0.newest(labels).await?;
                // Those that `version_depth` leaves out are not to come with the next check.
                let is_left_out = |label: &&Label| !chosen.iter().any(|other| other.name == label.name);
                let told = labels.iter().filter(is_left_out).map(Label::in_a_line).collect();
                (chosen, told)
            }
            (Some(known), Some(memory)) => (self.new_branches(labels, known, &memory).await?, memory.told),
            (Some(known), None) => (self.all_branches(labels, known).await?, HashSet::new()),
        };
        let answered = chosen.last().map(Label::version);
        if let Some(last) = answered.as_ref().or(known) {
            self.remember(labels, &told, last)?;
        }
        Ok(chosen)
    }

    /// The known branch, those that an answer before this one told and that may be lost, and those that came since.
    async fn new_branches(&self, labels: &[Label], known: &Version, memory: &Memory) -> Result<Vec<Label>> {
        let kept = labels.iter().filter(|label| label.is_as_in(known)).cloned();
        let is_new = |label: &&Label| !memory.told.contains(&label.in_a_line()) && !label.is_as_in(known);
        let new = labels.iter().filter(is_new).cloned();
        let (again, new): (Vec<Label>, Vec<Label>) = new.partition(|label| memory.seen.contains(&label.in_a_line()));
        let found = [kept.collect(), self.0.passing(&again).await?, self.0.passing(&new).await?].concat();
        if found.is_empty() && labels.iter().all(|label| label.name != known.reference) {
            self.warn_of_deleted_branch(known, "the newest branch");
            let mut newest = self.0.newest(labels).await?;
            return Ok(newest.pop().into_iter().collect());
        }
        Ok(found)
    }

    /// Every branch, where nothing tells which are new: Concourse keeps those that it has not seen. Those with newer tips
    /// than the known one come after it, and so does the known one itself when it was moved, to be the newest again.
    async fn all_branches(&self, labels: &[Label], known: &Version) -> Result<Vec<Label>> {
        let (namesakes, others): (Vec<Label>, Vec<Label>) =
            labels.iter().cloned().partition(|label| label.name == known.reference);
        let Some(namesake) = namesakes.first() else {
            self.warn_of_deleted_branch(known, "every branch");
            return self.0.passing(&others).await;
        };
        if !namesake.is_as_in(known) {
            return self.0.passing(&[others, namesakes].concat()).await;
        }
        let (older, newer): (Vec<Label>, Vec<Label>) =
            others.into_iter().partition(|other| other.position() < namesake.position());
        Ok([self.0.passing(&older).await?, namesakes, self.0.passing(&newer).await?].concat())
    }

    fn warn_of_deleted_branch(&self, known: &Version, start: &str) {
        let (console, branch) = (self.0.git.context().console(), &known.reference);
        console.warn(format_args!("branch `{branch}` is gone, or filtered out by now; going on from {start}"));
    }

    /// Notes what there is, what of it Concourse has for certain, and which version it will know when it has this
    /// check's answer.
    fn remember(&self, labels: &[Label], told: &HashSet<String>, last: &Version) -> Result<()> {
        let Some(commit) = &last.commit else { return Ok(()) };
        let last = format!("{commit} {}", last.reference);
        let labels = labels.iter().map(Label::in_a_line).map(|line| {
            let mark = if told.contains(&line) { TOLD } else { SEEN };
            format!("{mark}{line}")
        });
        self.0.cache.keep(MEMORY, &lines([last].into_iter().chain(labels)))
    }

    /// What earlier checks of this container say of what is new. When Concourse asks with what the last one answered, it
    /// has that answer; else that was lost, or a put or another container's check came between.
    fn told_before(&self, known: &Version) -> Option<Memory> {
        let text = self.0.cache.kept(MEMORY)?;
        let (last, marked) = text.split_once('\n')?;
        let is_answered = last == format!("{} {}", known.commit.as_ref()?, known.reference);
        let unmarked = |line: &str| line.get(1..).map(str::to_owned);
        let seen: HashSet<String> = marked.lines().filter_map(unmarked).collect();
        let told = marked.lines().filter(|line| is_answered || line.starts_with(TOLD)).filter_map(unmarked);
        let told: HashSet<String> = told.collect();
        (!told.is_empty()).then_some(Memory { told, seen })
    }
}
