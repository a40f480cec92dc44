//! Finds problems that make `fly set-pipeline` reject a pipeline, independent of its resource types.

use jetway::nearest;

use crate::declared::is_open;
use crate::node::{Content, Entry, Node, Origin};
use crate::pipeline::Pipeline;
use crate::position::Finding;
use crate::reference::has_var;

/// Keys of a job (the "job schema" of Concourse's documentation).
const JOB: &[&str] = &[
    "build_log_retention",
    "build_logs_to_retain",
    "disable_manual_trigger",
    "ensure",
    "interruptible",
    "max_in_flight",
    "name",
    "old_name",
    "on_abort",
    "on_error",
    "on_failure",
    "on_success",
    "plan",
    "public",
    "serial",
    "serial_groups",
];

/// Keys of a resource.
const RESOURCE: &[&str] = &[
    "check_every",
    "check_timeout",
    "expose_build_created_by",
    "icon",
    "name",
    "old_name",
    "public",
    "source",
    "tags",
    "type",
    "version",
    "webhook_token",
];

/// Keys of a resource type.
const RESOURCE_TYPE: &[&str] = &[
    "check_error",
    "check_every",
    "check_setup_error",
    "defaults",
    "name",
    "params",
    "privileged",
    "source",
    "tags",
    "type",
    "unique_version_history",
];

/// The keys that define a step, in the order in which Concourse looks for them, each with the other keys of that step.
const STEPS: &[(&str, &[&str])] = &[
    (
        "task",
        &[
            "config",
            "container_limits",
            "file",
            "hermetic",
            "image",
            "input_mapping",
            "output_mapping",
            "params",
            "privileged",
            "tags",
            "vars",
        ],
    ),
    ("put", &["expose_build_created_by", "get_params", "inputs", "no_get", "params", "resource", "tags"]),
    ("get", &["params", "passed", "resource", "skip_download", "tags", "trigger", "version"]),
    ("set_pipeline", &["file", "instance_vars", "team", "var_files", "vars"]),
    ("load_var", &["file", "format", "reveal"]),
    ("try", &[]),
    ("do", &[]),
    ("in_parallel", &[]),
];

/// Keys that any step may have.
const MODIFIERS: &[&str] =
    &["across", "attempts", "ensure", "fail_fast", "on_abort", "on_error", "on_failure", "on_success", "timeout"];

/// Finds the problems that make Concourse reject a pipeline.
pub(crate) fn find(root: &Node, pipeline: &Pipeline<'_>, findings: &mut Vec<Finding>) {
    for (list, what, known) in
        [("resources", "resource", RESOURCE), ("resource_types", "resource type", RESOURCE_TYPE), ("jobs", "job", JOB)]
    {
        for node in root.get(list).and_then(Node::items).unwrap_or_default() {
            unknown_keys(node, what, &[known], findings);
        }
    }
    for job in root.get("jobs").and_then(Node::items).unwrap_or_default() {
        job.get("plan").into_iter().for_each(|plan| steps(plan, findings));
        hooks(job, findings);
    }
    unused_resources(root, pipeline, findings);
}

/// Reports resources that no step uses. A file without jobs is a fragment of a pipeline, whose steps are elsewhere.
fn unused_resources(root: &Node, pipeline: &Pipeline<'_>, findings: &mut Vec<Finding>) {
    let has_jobs = root.get("jobs").and_then(Node::items).is_some_and(|jobs| !jobs.is_empty());
    if !has_jobs
        || pipeline.is_open
        || has_open_steps(root)
        || pipeline.steps.iter().any(|step| step.resource.is_none())
    {
        return;
    }
    for resource in &pipeline.resources {
        let Some(name) = &resource.name else { continue };
        if !pipeline.steps.iter().any(|step| step.resource.as_ref() == Some(name)) {
            let message = format!("Concourse rejects the unused resource `{}`; remove it", resource.shown);
            findings.push(Finding::problem(resource.name_position, message));
        }
    }
}

/// Whether a var replaces a job, a plan or a list of steps.
fn has_open_steps(root: &Node) -> bool {
    fn inside(node: &Node) -> bool {
        is_open(node)
            || match &node.content {
                Content::List(items) => items.iter().any(inside),
                Content::Map(entries) => entries
                    .iter()
                    .filter(|entry| {
                        let key = entry.key.text.as_str();
                        matches!(key, "jobs" | "plan" | "steps" | "do" | "in_parallel" | "aggregate" | "try" | "ensure")
                            || key.starts_with("on_")
                    })
                    .any(|entry| inside(&entry.value)),
                _ => false,
            }
    }
    root.get("jobs").is_some_and(inside)
}

fn hooks(node: &Node, findings: &mut Vec<Finding>) {
    for hook in ["on_success", "on_failure", "on_abort", "on_error", "ensure"] {
        node.get(hook).filter(|hook| !hook.is_null()).into_iter().for_each(|hook| step(hook, findings));
    }
}

fn steps(node: &Node, findings: &mut Vec<Finding>) {
    node.items().unwrap_or_default().iter().for_each(|item| step(item, findings));
}

fn step(node: &Node, findings: &mut Vec<Finding>) {
    let Content::Map(entries) = &node.content else { return };
    // A var may expand to the key.
    if entries.iter().any(|entry| entry.key.origin != Origin::Written || has_var(&entry.key.text)) {
        return;
    }
    if let Some(entry) = node.entry("aggregate") {
        let message = "Concourse rejects `aggregate`, which version 7 removed; use `in_parallel`";
        findings.push(Finding::problem(entry.key.position, message));
        steps(&entry.value, findings);
        hooks(node, findings);
        return;
    }
    // A prototype defines its own keys.
    if node.entry("run").is_some() {
        return;
    }
    let Some((word, own)) = STEPS.iter().find(|(word, _)| node.entry(word).is_some()) else {
        let words: Vec<&str> = STEPS.iter().map(|(word, _)| *word).collect();
        let near = entries.iter().find_map(|entry| nearest(&entry.key.text, words.iter().copied()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("Concourse rejects a step without a step type such as `get`, `put` or `task`{hint}");
        findings.push(Finding::problem(node.position, message));
        return;
    };
    unknown_keys(node, &format!("`{word}` step"), &[own, MODIFIERS, &[*word]], findings);
    match *word {
        "do" => node.get("do").into_iter().for_each(|list| steps(list, findings)),
        "in_parallel" => {
            if let Some(list) = node.get("in_parallel") {
                steps(list.get("steps").unwrap_or(list), findings);
            }
        }
        "try" => node.get("try").into_iter().for_each(|inner| step(inner, findings)),
        _ => {}
    }
    hooks(node, findings);
}

fn unknown_keys(node: &Node, what: &str, known: &[&[&str]], findings: &mut Vec<Finding>) {
    let Content::Map(entries) = &node.content else { return };
    let known = || known.iter().flat_map(|list| list.iter().copied());
    for Entry { key, .. } in entries {
        // Concourse matches keys case-insensitively. The value of a var may be a secret and is not shown.
        if key.origin != Origin::Written
            || has_var(&key.text)
            || known().any(|name| name.eq_ignore_ascii_case(&key.text))
        {
            continue;
        }
        let hint = nearest(&key.text, known()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("Concourse rejects `{}`: unknown key of a {what}{hint}", key.text);
        findings.push(Finding::problem(key.position, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;

    fn found(text: &str) -> Vec<String> {
        let document = load(text.as_bytes()).unwrap();
        let mut findings = Vec::new();
        let pipeline = Pipeline::read(&document.root, &mut findings);
        find(&document.root, &pipeline, &mut findings);
        findings.sort();
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_unknown_keys_and_steps_at_any_depth() {
        let text = "\
anchors: {any: thing}
resource_types:
- {name: t, type: registry-image, source: {}, privilged: true}
resources:
- {name: a, type: git, source: {}, chek_every: 1m}
jobs:
- name: j
  seriel: true
  plan:
  - {get: a, triger: true}
  - aggregate:
    - {gte: a}
  - in_parallel:
      limit: 2
      steps:
      - {do: [{task: x, fiel: y, attempts: 2, across: [], fail_fast: true}]}
  - {try: {put: a, task: b}}
  ensure: {set_pipeline: self, fil: x}
";
        assert_eq!(
            found(text),
            [
                "3:47: Concourse rejects `privilged`: unknown key of a resource type; did you mean `privileged`?",
                "5:36: Concourse rejects `chek_every`: unknown key of a resource; did you mean `check_every`?",
                "8:3: Concourse rejects `seriel`: unknown key of a job; did you mean `serial`?",
                "10:14: Concourse rejects `triger`: unknown key of a `get` step; did you mean `trigger`?",
                "11:5: Concourse rejects `aggregate`, which version 7 removed; use `in_parallel`",
                "12:7: Concourse rejects a step without a step type such as `get`, `put` or `task`; did you mean `get`?",
                "16:25: Concourse rejects `fiel`: unknown key of a `task` step; did you mean `file`?",
                "17:12: Concourse rejects `put`: unknown key of a `task` step",
                "18:32: Concourse rejects `fil`: unknown key of a `set_pipeline` step; did you mean `file`?",
            ]
        );
    }

    #[test]
    fn finds_a_resource_that_no_step_uses() {
        let text = "resources:\n- {name: a, type: git, source: {}}\n- {name: b, type: git, source: {}}\n";
        assert_eq!(found(text), Vec::<String>::new());
        assert_eq!(
            found(&format!("{text}jobs: [{{name: j, plan: [{{get: x, resource: a}}]}}]\n")),
            ["3:10: Concourse rejects the unused resource `b`; remove it"]
        );
        for open in ["((plan))", "[{get: ((name))}, {get: a}]", "[{do: ((steps))}]"] {
            assert_eq!(found(&format!("{text}jobs: [{{name: j, plan: {open}}}]\n")), Vec::<String>::new(), "{open}");
        }
    }

    #[test]
    fn accepts_keys_in_any_case_and_from_vars() {
        let text = "resources: [{Name: a, type: git, source: {}, ((key)): 1}]\n";
        assert_eq!(found(text).iter().filter(|line| line.contains("Concourse rejects")).count(), 0);
    }
}
