//! The artifacts of a job: the names that its steps produce, and the `inputs` that its puts request.

use jetway::nearest;

use crate::declared::is_open;
use crate::node::{Content, Entry, Node};
use crate::position::Finding;
use crate::reference::has_var;

/// The known artifacts of a job.
#[derive(Default)]
pub(crate) struct Artifacts<'n> {
    /// The names, each with a form that is safe to show.
    made: Vec<(String, String)>,
    /// The entries in the `inputs` of puts, each with the title of its put.
    asked: Vec<(&'n Node, String)>,
    /// Whether the job may produce artifacts that the file does not name.
    is_open: bool,
}

impl<'n> Artifacts<'n> {
    /// Marks the job as open: a var replaces steps, so they may produce artifacts that the file does not name.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
    }

    /// Records the artifacts that a step produces.
    pub(crate) fn step(&mut self, node: &'n Node) {
        for word in ["get", "put"] {
            if let Some(name) = node.get(word) {
                self.make(name);
            }
        }
        if node.get("task").is_some() {
            self.task(node);
        }
        // A prototype may produce any artifact.
        self.is_open |= node.get("run").is_some();
    }

    /// Records the inputs that the put with this title requests.
    pub(crate) fn put(&mut self, node: &'n Node, title: &str) {
        let named = node.get("inputs").and_then(Node::items).unwrap_or_default();
        self.asked.extend(named.iter().map(|name| (name, title.to_owned())));
    }

    /// Reports the requested inputs that no step produces.
    pub(crate) fn findings(self, findings: &mut Vec<Finding>) {
        if self.is_open {
            return;
        }
        for (node, title) in self.asked {
            let Some(name) = node.text().filter(|name| !has_var(name)) else { continue };
            if self.made.iter().any(|(made, _)| made == name) {
                continue;
            }
            let near = nearest(name, self.made.iter().map(|(made, _)| made.as_str()));
            let near = near.and_then(|near| self.made.iter().find(|(made, _)| made == near));
            let hint = near.map(|(_, shown)| format!("; did you mean `{shown}`?")).unwrap_or_default();
            let message = format!("{title}: no step of the job produces the input `{}`{hint}", node.display_text());
            findings.push(Finding::problem(node.position, message));
        }
    }

    fn make(&mut self, name: &Node) {
        match name.scalar_text().filter(|name| !has_var(name)) {
            Some(text) => self.made.push((text, name.display_text())),
            None => self.is_open = true,
        }
    }

    /// Records the outputs of a task. They are in its `config`, or in a config file that is not available here.
    fn task(&mut self, node: &'n Node) {
        let Some(config) = node.get("config").filter(|config| config.is_map()) else {
            self.is_open = true;
            return;
        };
        match config.get("outputs") {
            Some(outputs) if is_open(outputs) => self.is_open = true,
            Some(outputs) => {
                for output in outputs.items().unwrap_or_default() {
                    match output.get("name") {
                        Some(name) => self.make(name),
                        None => self.is_open |= is_open(output),
                    }
                }
            }
            None => {}
        }
        match node.get("output_mapping") {
            Some(Node { content: Content::Map(entries), .. }) => {
                for Entry { value, .. } in entries {
                    self.make(value);
                }
            }
            Some(mapping) => self.is_open |= is_open(mapping),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::document::load;
    use crate::steps::plan_of;

    fn findings(steps: &str) -> Vec<String> {
        let document = load(format!("name: j\nplan:\n{steps}").as_bytes()).unwrap();
        let mut findings = Vec::new();
        plan_of(&document.root, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reports_input_that_no_step_creates() {
        assert_eq!(
            findings("- get: code\n- put: image\n  inputs: [code, imgae, docs]\n"),
            [
                "5:18: job `j`, put `image`: no step of the job produces the input `imgae`; did you mean `image`?",
                "5:25: job `j`, put `image`: no step of the job produces the input `docs`",
            ]
        );
    }

    #[test]
    fn finds_artifacts_of_every_step() {
        for steps in [
            "- try: {get: code}",
            "- do: [{in_parallel: {steps: [{get: code}]}}]",
            "- get: other\n  on_failure: {get: code}",
            "- get: other\n  ensure: {do: [{try: {get: code}}]}",
            "- across: [{var: v, values: [1]}]\n  get: code",
            "- {task: t, config: {outputs: [{name: code}]}}",
            "- {task: t, config: {outputs: [{name: out}]}, output_mapping: {out: code}}",
            "- {put: code}",
        ] {
            let put = "- {put: image, inputs: [code]}";
            assert_eq!(findings(&format!("{steps}\n{put}\n")), Vec::<String>::new(), "{steps}");
            assert_eq!(findings(&format!("{}\n{put}\n", steps.replace("code", "c0de"))).len(), 1, "{steps}");
        }
    }

    #[test]
    fn ignores_jobs_with_unknown_artifacts() {
        for steps in [
            "- {task: t, file: ci/t.yml}",
            "- {task: t, config: ((config))}",
            "- {task: t, config: {outputs: ((outputs))}}",
            "- {task: t, config: {outputs: [((output))]}}",
            "- {task: t, config: {}, output_mapping: ((mapping))}",
            "- {get: ((name))}",
            "- {run: build, type: prototype}",
            "- ((step))",
            "- try: ((step))",
            "- do: ((steps))",
            "- in_parallel: {steps: ((steps))}",
            "- {get: a, on_success: ((hook))}",
        ] {
            assert_eq!(
                findings(&format!("{steps}\n- {{put: image, inputs: [code]}}\n")),
                Vec::<String>::new(),
                "{steps}"
            );
        }
        for inputs in ["all", "detect", "((inputs))", "[((input))]"] {
            assert_eq!(findings(&format!("- {{put: image, inputs: {inputs}}}\n")), Vec::<String>::new(), "{inputs}");
        }
    }
}
