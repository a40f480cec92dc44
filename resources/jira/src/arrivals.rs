//! When issues reached their statuses.

use std::collections::BTreeMap;

use jetway::Result;
use jiff::Timestamp;

use crate::client::Client;
use crate::issue_key;
use crate::responses::{Issue, Move};
use crate::search;
use crate::time;
use crate::version::Version;

/// The arrival of an issue in a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) issue: String,
    pub(crate) status: String,
    pub(crate) at: Timestamp,
}

/// A key that sorts arrivals: by time, then by the number of the issue.
pub(crate) type Order = (Timestamp, (String, u64));

impl Arrival {
    /// The arrival that a version describes; `None` if its time is invalid.
    pub(crate) fn of_version(version: &Version) -> Option<Self> {
        let at = time::parse(&version.changed)?;
        Some(Self { issue: version.issue.clone(), status: version.status.clone(), at })
    }

    /// The latest arrival of an issue in the status that it has. `None` if it has left that status since.
    pub(crate) fn latest(issue: &Issue, moves: &[Move]) -> Option<Self> {
        let at = match moves.last() {
            Some(last) if !last.leads_to(&issue.status) => return None,
            Some(last) => last.at,
            // The issue was created in this status.
            None => issue.created.or(issue.updated)?,
        };
        Some(Self { issue: issue.key.clone(), status: issue.status.name.clone(), at })
    }

    /// Whether the changelog of the issue contains this arrival.
    pub(crate) fn is_of(&self, issue: &Issue, moves: &[Move]) -> bool {
        let is_status = |name: &str| name.to_lowercase() == self.status.to_lowercase();
        let is_present = is_status(&issue.status.name);
        let first = moves.first().map_or(issue.status.name.as_str(), |first| first.from_name.as_str());
        let is_created_so = issue.created.or(issue.updated) == Some(self.at) && is_status(first);
        is_created_so
            || moves.iter().any(|change| {
                change.at == self.at && (is_status(&change.to_name) || (is_present && change.leads_to(&issue.status)))
            })
    }

    pub(crate) fn version(&self) -> Version {
        Version { issue: self.issue.clone(), status: self.status.clone(), changed: time::text(self.at) }
    }

    pub(crate) fn order(&self) -> Order {
        (self.at, issue_key::order(&self.issue))
    }
}

/// The changes of one issue's status, oldest first.
pub(crate) async fn moves_of(client: &Client<'_>, issue: &Issue) -> Result<Vec<Move>> {
    let mut found: BTreeMap<String, Vec<Move>> = search::moves_of(client, &[issue]).await?;
    Ok(found.remove(&issue.key).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn issue() -> Issue {
        let status = json!({ "id": "3", "name": "Done" });
        Issue::read(&json!({ "key": "A-1", "fields": { "status": status, "created": "2026-01-01T00:00:00.000+0000" } }))
            .unwrap()
    }

    fn moved(second: i64, id: &str, name: &str) -> Move {
        let at = Timestamp::from_second(second).unwrap();
        Move { at, from_name: String::new(), to_id: id.to_owned(), to_name: name.to_owned() }
    }

    #[test]
    fn the_latest_change_counts_and_the_creation_without_any() {
        let at = |moves: &[Move]| Arrival::latest(&issue(), moves).map(|arrival| time::text(arrival.at));
        assert_eq!(at(&[]).as_deref(), Some("2026-01-01T00:00:00.000Z"));
        assert_eq!(
            at(&[moved(1, "3", "Done"), moved(2, "1", "Open"), moved(3, "3", "Done")]).as_deref(),
            Some("1970-01-01T00:00:03.000Z")
        );
        assert_eq!(at(&[moved(1, "3", "Done"), moved(2, "1", "Open")]), None);
        // The status was renamed since, or Jira's language differs.
        assert_eq!(at(&[moved(1, "3", "Erledigt")]).as_deref(), Some("1970-01-01T00:00:01.000Z"));
        assert_eq!(at(&[moved(1, "", "done")]).as_deref(), Some("1970-01-01T00:00:01.000Z"));
    }
}
