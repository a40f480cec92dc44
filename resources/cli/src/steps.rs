//! Collects every get, put and task image of a job, at any nesting depth.

use jetway::Verb;

use crate::artifacts::Artifacts;
use crate::declared::{Declared, expected, is_open};
use crate::node::{Content, Entry, Node};
use crate::position::{Finding, Position};
use crate::reference::has_var;

/// The hooks of a step and of a job.
const HOOKS: [&str; 5] = ["on_success", "on_failure", "on_abort", "on_error", "ensure"];

/// A get or a put.
pub(crate) struct Step<'n> {
    /// The job of the step; empty if it has no name.
    pub(crate) job: String,
    /// [`Verb::Get`] or [`Verb::Put`].
    pub(crate) verb: Verb,
    /// The value of `get:` or `put:`.
    pub(crate) name: String,
    /// The step's title in messages: ``job `test`, get `repo` ``.
    pub(crate) title: String,
    pub(crate) position: Position,
    /// The resource; `None` if a var names it.
    pub(crate) resource: Option<String>,
    /// The position of the resource's name.
    pub(crate) resource_position: Position,
    /// The resource's name in a form that is safe to show.
    pub(crate) resource_shown: String,
    pub(crate) params: Option<&'n Entry>,
    /// The params of the implicit get after a put.
    pub(crate) get_params: Option<&'n Entry>,
    /// A pinned version, `every` or `latest`.
    pub(crate) version: Option<&'n Entry>,
}

/// The key that starts a step of this verb.
pub(crate) fn word(verb: Verb) -> &'static str {
    if verb == Verb::Put { "put" } else { "get" }
}

/// The steps of a job that use resources, in file order.
#[derive(Default)]
pub(crate) struct Plan<'n> {
    pub(crate) steps: Vec<Step<'n>>,
    pub(crate) images: Vec<Declared<'n>>,
}

/// Collects the steps of a job.
pub(crate) fn plan_of<'n>(job: &'n Node, findings: &mut Vec<Finding>) -> Plan<'n> {
    if is_open(job) {
        return Plan::default();
    }
    if !job.is_map() {
        findings.push(expected("a job: `name` and `plan`", job));
        return Plan::default();
    }
    let name = job.get("name").and_then(Node::scalar_text).unwrap_or_default();
    let shown = job.get("name").map(Node::display_text).unwrap_or_default();
    let mut walker = Walker { job: name, shown, plan: Plan::default(), artifacts: Artifacts::default(), findings };
    walker.inside(job, &["plan"]);
    walker.artifacts.findings(walker.findings);
    walker.plan
}

struct Walker<'n, 'f> {
    job: String,
    shown: String,
    plan: Plan<'n>,
    artifacts: Artifacts<'n>,
    findings: &'f mut Vec<Finding>,
}

impl<'n> Walker<'n, '_> {
    /// Visits the steps that a job or a step contains: the steps in `lists`, and the hooks.
    fn inside(&mut self, node: &'n Node, lists: &[&str]) {
        let Content::Map(entries) = &node.content else {
            return;
        };
        for Entry { key, value } in entries {
            let key = key.text.as_str();
            if value.is_null() {
                continue;
            }
            if lists.contains(&key) {
                self.list(value);
            } else if HOOKS.contains(&key) || (key == "try" && !lists.contains(&"plan")) {
                self.step(value);
            }
        }
    }

    fn list(&mut self, node: &'n Node) {
        // `in_parallel` is a list of steps, or a map with the list in `steps`.
        let steps = node.get("steps").unwrap_or(node);
        match steps.items() {
            Some(items) => items.iter().for_each(|item| self.step(item)),
            None if is_open(steps) => self.artifacts.open(),
            None if node.is_map() && steps.is_null() => {}
            None => self.findings.push(expected("a list of steps", steps)),
        }
    }

    fn step(&mut self, node: &'n Node) {
        if is_open(node) {
            self.artifacts.open();
            return;
        }
        if !node.is_map() {
            self.findings.push(expected("a step", node));
            return;
        }
        self.artifacts.step(node);
        for (word, verb) in [("get", Verb::Get), ("put", Verb::Put)] {
            if let Some(entry) = node.entry(word) {
                self.resource_step(verb, entry, node);
            }
        }
        let image = node.get("config").and_then(|config| config.get("image_resource"));
        if let (Some(task), Some(image)) = (node.entry("task"), image.filter(|image| image.is_map())) {
            self.plan.images.push(Declared {
                node: image,
                name: None,
                shown: task.value.display_text(),
                name_position: image.position,
                kind: image.get("type").and_then(Node::scalar_text).filter(|text| !has_var(text)),
                source: image.entry("source"),
                version: image.entry("version").filter(|entry| !entry.value.is_null()),
            });
        }
        self.inside(node, &["do", "in_parallel", "aggregate"]);
    }

    fn resource_step(&mut self, verb: Verb, entry: &'n Entry, node: &'n Node) {
        let of = |key: &str| node.entry(key).filter(|entry| !entry.value.is_null());
        let named = of("resource").unwrap_or(entry);
        let Some(resource) = named.value.text() else {
            self.findings.push(expected("the name of a resource", &named.value));
            return;
        };
        let title = format!("job `{}`, {} `{}`", self.shown, word(verb), entry.value.display_text());
        if verb == Verb::Put {
            self.artifacts.put(node, &title);
        }
        self.plan.steps.push(Step {
            job: self.job.clone(),
            verb,
            name: entry.value.scalar_text().unwrap_or_default(),
            title,
            position: entry.key.position,
            resource: Some(resource).filter(|name| !has_var(name)).map(str::to_owned),
            resource_position: named.value.position,
            resource_shown: named.value.display_text(),
            params: of("params"),
            get_params: of("get_params"),
            version: of("version"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    fn walked(text: &str) -> (Vec<String>, Vec<String>) {
        let document = load(text.as_bytes()).unwrap();
        let mut findings = Vec::new();
        let plan = plan_of(&document.root, &mut findings);
        let shown = plan.steps.iter().map(|step| {
            let resource = step.resource.as_deref().unwrap_or("?");
            format!("{} {} {} {resource}", step.position, word(step.verb), step.name)
        });
        (shown.collect(), findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn finds_steps_at_any_depth() {
        let text = "\
name: job
plan:
- get: a
  resource: real
- do:
  - in_parallel:
    - get: b
    - in_parallel:
        limit: 2
        steps:
        - put: c
- aggregate: [{get: d}]
- try:
    try: {put: e}
- across:
  - {var: v, values: [1]}
  do: [{get: f}]
- task: t
  on_failure: {put: g, ensure: {put: h}}
  on_success: {do: [{get: ((i))}]}
- get: j
  on_abort: {put: k}
  on_error: {put: l}
ensure: {put: m}
on_success:
  in_parallel: [{put: o}]
";
        let (steps, findings) = walked(text);
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!(
            steps,
            [
                "3:3 get a real",
                "7:7 get b b",
                "11:11 put c c",
                "12:16 get d d",
                "14:11 put e e",
                "17:9 get f f",
                "19:16 put g g",
                "19:33 put h h",
                "20:22 get ((i)) ?",
                "21:3 get j j",
                "22:14 put k k",
                "23:14 put l l",
                "24:10 put m m",
                "26:18 put o o",
            ]
        );
    }

    #[test]
    fn reports_invalid_steps_but_not_vars() {
        let (steps, findings) =
            walked("name: j\nplan:\n- x\n- get: [a]\n- do: {get: a}\n- ((step))\n- do: ((steps))\n");
        assert_eq!(steps, Vec::<String>::new());
        assert_eq!(
            findings,
            [
                "3:3: expected a step, found text",
                "4:8: expected the name of a resource, found a list",
                "5:7: expected a list of steps, found keys and values",
            ]
        );
        assert_eq!(walked("name: j\nplan: ((plan))\n").1, Vec::<String>::new());
    }
}
