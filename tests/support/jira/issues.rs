//! The issues of a stand-in, with their workflow and history, and the operations that change them.

use serde_json::{Map, Value, json};

use super::responses::{from_jira, refuse_field};
use super::server::State;
use super::{EMAIL, Edition, PROJECT, cloud, data_center, example};
use crate::stand_in::Response;

/// A status of the workflow: number, name, and the key and name of its category.
type StatusRow = (&'static str, &'static str, &'static str, &'static str);

/// A workflow in which every status can be reached from every other.
pub(super) const STATUSES: [StatusRow; 4] = [
    ("10000", "To Do", "new", "To Do"),
    ("10001", "In Review", "indeterminate", "In Progress"),
    ("10002", "Approved", "indeterminate", "In Progress"),
    ("10003", "Done", "done", "Done"),
];

/// The transition to each status: number and name.
pub(super) const TRANSITIONS: [(&str, &str); 4] =
    [("11", "Reopen"), ("21", "Ask for a review"), ("31", "Approve"), ("41", "Close")];

/// A value of a field: number and name.
type Named = (String, String);

/// A change: time, field, old value and new value.
type Change = (i64, String, Named, Named);

/// An issue.
pub(super) struct Issue {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) status: usize,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) fields: Map<String, Value>,
    pub(super) histories: Vec<Change>,
    pub(super) comments: Vec<Value>,
    pub(super) links: Vec<Value>,
}

impl State {
    pub(super) fn create(&mut self, body: &Value) -> Response {
        let fields = body["fields"].as_object().expect("fields").clone();
        if fields["project"]["key"] != PROJECT {
            return refuse_field("project", "valid project is required");
        }
        if !["Task", "Change"].contains(&fields["issuetype"]["name"].as_str().unwrap_or_default()) {
            return refuse_field("issuetype", "Specify a valid issue type");
        }
        if let Some(refused) = self.problem_of_fields(&fields) {
            return refused;
        }
        self.clock += 1000;
        let key = self.add(fields);
        let issue = self.issue(&key);
        from_jira(
            201,
            &json!({ "id": issue.id, "key": key, "self": format!("https://jira.example/rest/api/3/issue/{}", issue.id) }),
        )
    }

    pub(super) fn add(&mut self, fields: Map<String, Value>) -> String {
        let number = self.issues.len() + 1;
        let (id, key) = (self.new_id(), format!("{PROJECT}-{number}"));
        let (created, updated) = (self.clock, self.clock);
        let (histories, comments, links) = (Vec::new(), Vec::new(), Vec::new());
        self.issues.push(Issue {
            id,
            key: key.clone(),
            status: 0,
            created,
            updated,
            fields,
            histories,
            comments,
            links,
        });
        key
    }

    fn is_text(&self, value: &Value) -> bool {
        match self.edition {
            Edition::Cloud => cloud::is_text(value),
            Edition::DataCenter => data_center::is_text(value),
        }
    }

    fn problem_of_fields(&self, fields: &Map<String, Value>) -> Option<Response> {
        if let Some(description) = fields.get("description")
            && !self.is_text(description)
        {
            let message = match self.edition {
                Edition::Cloud => cloud::NO_TEXT,
                Edition::DataCenter => data_center::NO_TEXT,
            };
            return Some(refuse_field("description", message));
        }
        let summary = fields.get("summary").and_then(Value::as_str).unwrap_or("x");
        if summary.contains('\n') || summary.chars().count() > 255 {
            let message = "Summary must be less than 255 characters and have no line breaks.";
            return Some(refuse_field("summary", message));
        }
        if fields.contains_key("nonsense") {
            let message = "Field 'nonsense' cannot be set. It is not on the appropriate screen, or unknown.";
            return Some(refuse_field("nonsense", message));
        }
        None
    }

    pub(super) fn edit(&mut self, key: &str, fields: &Map<String, Value>) -> Option<Response> {
        if let Some(refused) = self.problem_of_fields(fields) {
            return Some(refused);
        }
        self.clock += 1000;
        let clock = self.clock;
        let issue = self.issue_mut(key);
        for (name, value) in fields {
            issue.fields.insert(name.clone(), value.clone());
            issue.histories.push((clock, name.clone(), Default::default(), (String::new(), value.to_string())));
        }
        issue.updated = clock;
        None
    }

    pub(super) fn comment(&mut self, key: &str, body: &Value) -> Response {
        if !self.is_text(&body["body"]) {
            // Measured on a site of Jira Cloud in October 2026.
            return refuse_field("comment", "Comment body is not valid!");
        }
        self.clock += 1000;
        let (id, clock, user) = (self.new_id(), self.clock, user());
        let user = json!({ "accountId": user["accountId"], "displayName": user["displayName"], "active": true });
        let comment = json!({ "id": id, "body": body["body"], "author": user, "updateAuthor": user, "created": shown(clock),
                              "updated": shown(clock), "self": "https://jira.example/comment" });
        let issue = self.issue_mut(key);
        issue.updated = clock;
        issue.comments.push(comment.clone());
        from_jira(201, &comment)
    }

    pub(super) fn link(&mut self, key: &str, body: &Value) -> Response {
        let id: u64 = self.new_id().parse().expect("a number");
        let issue = self.issue_mut(key);
        let known = issue.links.iter().position(|link| link["globalId"] == body["globalId"]);
        let status = if let Some(known) = known {
            issue.links[known] = body.clone();
            200
        } else {
            issue.links.push(body.clone());
            201
        };
        from_jira(
            status,
            &json!({ "id": id, "self": format!("https://jira.example/rest/api/issue/{key}/remotelink/{id}") }),
        )
    }

    pub(super) fn transition(&mut self, key: &str, to: usize) {
        let clock = self.clock;
        let issue = self.issue_mut(key);
        let row = |number: usize| (STATUSES[number].0.to_owned(), STATUSES[number].1.to_owned());
        issue.histories.push((clock, "status".to_owned(), row(issue.status), row(to)));
        (issue.status, issue.updated) = (to, clock);
    }

    pub(super) fn shown(&self, issue: &Issue, fields: &[String], with_changelog: bool) -> Value {
        let is_wanted = |name: &str| {
            let is_left_out = fields.iter().any(|field| field.strip_prefix('-') == Some(name));
            !is_left_out && fields.iter().any(|field| field == "*all" || field == name)
        };
        let mut all = issue.fields.clone();
        all.insert("status".to_owned(), status(issue.status));
        all.insert("created".to_owned(), json!(shown(issue.created)));
        all.insert("updated".to_owned(), json!(shown(issue.updated)));
        all.insert("comment".to_owned(), json!({ "comments": issue.comments }));
        all.retain(|name, _| is_wanted(name));
        let mut value = json!({ "id": issue.id, "key": issue.key, "self": format!("https://jira.example/rest/api/3/issue/{}", issue.id),
                                "expand": "changelog,names", "fields": all });
        if with_changelog {
            let histories = self.histories(issue);
            value["changelog"] = json!({ "startAt": 0, "maxResults": histories.len(), "total": histories.len(), "histories": histories });
        }
        value
    }

    pub(super) fn histories(&self, issue: &Issue) -> Vec<Value> {
        if self.changelog_lags {
            return Vec::new();
        }
        let entry = |(number, (clock, field, from, to)): (usize, &Change)| {
            let item = json!({
                "field": field, "fieldtype": "jira", "fieldId": field,
                "from": from.0, "fromString": from.1, "to": to.0, "toString": to.1,
            });
            json!({ "id": (20_000 + number).to_string(), "created": shown(*clock), "items": [item] })
        };
        issue.histories.iter().enumerate().map(entry).collect()
    }

    pub(super) fn new_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    pub(super) fn issue(&self, key: &str) -> &Issue {
        self.issues.iter().find(|issue| issue.key == key).expect("an issue")
    }

    pub(super) fn issue_mut(&mut self, key: &str) -> &mut Issue {
        self.issues.iter_mut().find(|issue| issue.key == key).expect("an issue")
    }
}

/// The account that calls.
pub(super) fn user() -> Value {
    let mut user = example("GET", "/rest/api/3/myself", 200);
    user["emailAddress"] = json!(EMAIL);
    user
}

/// A status as the description's example of `GET /rest/api/3/status/{idOrName}` has it.
pub(super) fn status(number: usize) -> Value {
    let (id, name, category, category_name) = STATUSES[number];
    json!({
        "self": format!("https://jira.example/rest/api/3/status/{id}"), "description": "", "name": name, "id": id,
        "iconUrl": "https://jira.example/images/icons/progress.gif",
        "statusCategory": {
            "self": "https://jira.example/rest/api/3/statuscategory/1", "id": 1, "key": category, "colorName": "yellow",
            "name": category_name,
        },
    })
}

pub(super) fn status_named(name: &str) -> Option<usize> {
    STATUSES.iter().position(|(id, known, _, _)| known.eq_ignore_ascii_case(name) || *id == name)
}

pub(super) fn number_of(name: &str) -> usize {
    status_named(name).unwrap_or_else(|| panic!("no status `{name}`"))
}

/// A time in the account's time zone, as the examples of the description have it.
fn shown(clock: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(clock).expect("a time");
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}
