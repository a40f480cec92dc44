//! Validates one pipeline: sources, params and versions against Jetway's types, and steps against resources.

use jetway::{KeyPolicy, Part, Redactor, ResourceType, Verb, nearest};

use crate::catalogue::Catalogue;
use crate::declared::{Declared, is_open};
use crate::defaults;
use crate::document::Document;
use crate::node::{Content, Entry, Node};
use crate::part::PartInPipeline;
use crate::pipeline::Pipeline;
use crate::position::Finding;
use crate::set_pipeline_errors;
use crate::steps::Step;
use crate::vars::{VarError, Vars};

/// The findings for one pipeline.
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    strict: bool,
    redactor: Redactor,
    /// The number of resources that the pipeline declares.
    pub(crate) resources: usize,
    /// The number of resources of Jetway's types.
    pub(crate) of_jetway_types: usize,
}

/// Validates a pipeline and returns the findings in file order. If `strict` is set, every unknown key is a problem.
pub(crate) fn report(document: Document, vars: &Vars, catalogue: &Catalogue, strict: bool) -> Report {
    let Document { mut root, mut findings, refusals } = document;
    findings.extend(refusals);
    vars.fill(&mut root);
    defaults::fill(&mut root);
    let mut report = Report { findings, strict, redactor: vars.redactor(), resources: 0, of_jetway_types: 0 };
    let pipeline = Pipeline::read(&root, &mut report.findings);
    set_pipeline_errors::find(&root, &pipeline, &mut report.findings);
    report.resources = pipeline.resources.len();
    if !vars.is_empty() {
        report.unfit_vars(&root, vars);
    }
    for resource_type in &pipeline.resource_types {
        if let Some(kind) = catalogue.kind_of(resource_type, &pipeline) {
            report.declared(resource_type, "resource type", kind);
        }
    }
    for resource in &pipeline.resources {
        if let Some(kind) = catalogue.kind_of(resource, &pipeline) {
            report.of_jetway_types += 1;
            report.declared(resource, "resource", kind);
        }
    }
    for image in &pipeline.images {
        if let Some(kind) = catalogue.kind_of(image, &pipeline) {
            report.declared(image, "image of task", kind);
        }
    }
    for step in &pipeline.steps {
        report.step(step, &pipeline, catalogue);
    }
    // A mistake below an anchor is found again for each alias.
    report.findings.sort();
    report.findings.dedup();
    report
}

impl Report {
    fn unfit_vars(&mut self, root: &Node, vars: &Vars) {
        for unresolved in vars.unresolved(root) {
            if let VarError::Invalid(problem) = unresolved.error {
                let message = format!("`{}`: {problem}", unresolved.written);
                self.findings.push(Finding::problem(unresolved.position, message));
            }
        }
    }

    fn declared(&mut self, declared: &Declared<'_>, what: &str, kind: ResourceType) {
        let source = self.strictly(source_of(declared, what));
        self.findings.extend(source.findings(kind, &self.redactor));
        if declared.version.is_some() {
            let part = PartInPipeline { part: Part::Version, key: "version", entry: declared.version, ..source };
            self.findings.extend(part.findings(kind, &self.redactor));
        }
    }

    fn step(&mut self, step: &Step<'_>, pipeline: &Pipeline<'_>, catalogue: &Catalogue) {
        let Some(name) = &step.resource else {
            return;
        };
        let Some(resource) = pipeline.resource(name) else {
            if !pipeline.is_open {
                let near = nearest(name, pipeline.resource_names()).and_then(|near| pipeline.resource(near));
                let hint = near.map(|near| format!("; did you mean `{}`?", near.shown)).unwrap_or_default();
                let message = format!("{}: resource `{}` is not declared{hint}", step.title, step.resource_shown);
                self.findings.push(Finding::problem(step.resource_position, message));
            }
            return;
        };
        let Some(kind) = catalogue.kind_of(resource, pipeline) else {
            return;
        };
        let params = self.strictly(params_of(step, Some(resource)));
        self.findings.extend(params.findings(kind, &self.redactor));
        if let (Verb::Put, Some(_)) = (step.verb, step.get_params) {
            let part = PartInPipeline { part: Part::GetParams, key: "get_params", entry: step.get_params, ..params };
            self.findings.extend(part.findings(kind, &self.redactor));
        } else if let (Verb::Get, Some(entry)) = (step.verb, step.version) {
            let part = PartInPipeline { part: Part::Version, key: "version", entry: Some(entry), ..params };
            self.version(&part, kind);
        }
    }

    fn strictly<'n>(&self, part: PartInPipeline<'n>) -> PartInPipeline<'n> {
        PartInPipeline { keys: part.keys.or_strict(self.strict), ..part }
    }

    /// Validates a version: `every`, `latest` or a pinned version.
    fn version(&mut self, part: &PartInPipeline<'_>, kind: ResourceType) {
        let Some(entry) = part.entry else { return };
        let mut problem = |node: &Node, path: &str, message: &str| {
            let message = format!("{}: `version{path}`: {message}", part.subject);
            self.findings.push(Finding::problem(node.position, message));
        };
        let value = &entry.value;
        match &value.content {
            Content::Text(word) if matches!(word.as_str(), "every" | "latest") || is_open(value) => {}
            Content::Text(word) => {
                let near = nearest(word, ["every", "latest"]);
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                problem(value, "", &format!("expected `every`, `latest` or keys and values{hint}"));
            }
            Content::Map(entries) => {
                // Concourse rejects non-text values here, although it converts them to text elsewhere.
                let mut all_text = true;
                for Entry { key, value } in entries.iter().filter(|entry| entry.value.text().is_none()) {
                    all_text = false;
                    let message = format!("expected text, found {}; quote it", value.kind());
                    problem(value, &format!(".{}", key.text), &message);
                }
                if all_text {
                    self.findings.extend(part.findings(kind, &self.redactor));
                }
            }
            _ => {
                let message = format!("expected `every`, `latest` or keys and values, found {}", value.kind());
                problem(value, "", &message);
            }
        }
    }
}

/// The source of a resource or of a resource type.
pub(crate) fn source_of<'n>(declared: &Declared<'n>, what: &str) -> PartInPipeline<'n> {
    PartInPipeline {
        subject: format!("{what} `{}`", declared.shown),
        part: Part::Source,
        key: "source",
        entry: declared.source,
        keys: keys_of(declared),
        owner: declared.name_position,
    }
}

/// How to treat unknown keys in a resource and its steps.
fn keys_of(declared: &Declared<'_>) -> KeyPolicy {
    declared.source.map(|entry| KeyPolicy::of_source(&entry.value.to_json())).unwrap_or_default()
}

/// The params of a step. `resource` is the step's resource, if known.
pub(crate) fn params_of<'n>(step: &Step<'n>, resource: Option<&Declared<'_>>) -> PartInPipeline<'n> {
    PartInPipeline {
        subject: step.title.clone(),
        part: if step.verb == Verb::Put { Part::PutParams } else { Part::GetParams },
        key: "params",
        entry: step.params,
        keys: resource.map(keys_of).unwrap_or_default(),
        owner: step.position,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::load;
    use crate::example::catalogue;
    use crate::reference::Reference;
    use proptest::prelude::*;

    fn findings_with(text: &str, vars: &Vars) -> Vec<String> {
        let document = load(text.as_bytes()).unwrap();
        report(document, vars, &catalogue(), false).findings.iter().map(ToString::to_string).collect()
    }

    fn findings(text: &str) -> Vec<String> {
        findings_with(text, &Vars::default())
    }

    #[test]
    fn reports_every_kind_of_mistake_with_its_position() {
        let text = "\
resource_types:
- name: typed
  type: example
  source: {repository: jetway-example}
resources:
- name: repo
  type: example
  source:
    uri: -x
    brnach: main
    paths: all
    password: [hunter2]
    strategy: rebse
    later: 1
    hosts:
    - nmae: a
    - name: [b]
- name: bare
  type: example
- name: dashed
  type: example
  source: {uri: -x, uri: y, branch: 1.10}
  version: {ref: 010}
jobs:
- name: test
  plan:
  - get: repo
    params: {depht: 1}
    version: evry
  - get: bare
    params: {depth: deep}
    version: {ref: 7}
  - get: rpeo
  - put: alias
    resource: repo
    get_params: {dept: 3}
  - task: unit
    config:
      image_resource: {type: example, source: {uri: u, brunch: x}}
  on_failure:
    put: repo
    params:
";
        assert_eq!(
            findings(text),
            [
                "4:3: resource type `typed`: `source.uri`: required, but missing",
                "4:12: warning: resource type `typed`: `source.repository`: unknown key, ignored",
                "10:5: resource `repo`: `source.brnach`: unknown key; did you mean `branch`?",
                "11:12: resource `repo`: `source.paths`: expected a list, found text",
                "12:15: resource `repo`: `source.password`: expected text, found a list",
                "13:15: resource `repo`: `source.strategy`: expected `merge` or `rebase`, found `rebse`; did you mean \
                 `rebase`?",
                "14:5: resource `repo`: `source.later`: known, but not supported by this release",
                "16:7: resource `repo`: `source.hosts[0].name`: required, but missing",
                "16:7: resource `repo`: `source.hosts[0].nmae`: unknown key; did you mean `name`?",
                "17:13: resource `repo`: `source.hosts[1].name`: expected text, found a list",
                "18:9: resource `bare`: `source.uri`: required, but missing",
                "20:9: Concourse rejects the unused resource `dashed`; remove it",
                "22:17: resource `dashed`: `source.uri`: must not begin with `-`",
                "22:21: `uri` is set twice (first at 22:12)",
                "22:37: warning: resource `dashed`: `source.branch`: Concourse converts `1.10` to `1.1`; quote it: '1.10'",
                "23:18: warning: resource `dashed`: `version.ref`: Concourse converts `010` to `8`; quote it: '010'",
                "28:14: job `test`, get `repo`: `params.depht`: unknown key; did you mean `depth`?",
                "29:14: job `test`, get `repo`: `version`: expected `every`, `latest` or keys and values; did you mean \
                 `every`?",
                "31:21: job `test`, get `bare`: `params.depth`: expected a whole number, found text",
                "32:20: job `test`, get `bare`: `version.ref`: expected text, found a number; quote it",
                "33:10: job `test`, get `rpeo`: resource `rpeo` is not declared; did you mean `repo`?",
                "34:5: job `test`, put `alias`: `params.repository`: required, but missing",
                "36:18: job `test`, put `alias`: `get_params.dept`: unknown key; did you mean `depth`?",
                "39:56: image of task `unit`: `source.brunch`: unknown key; did you mean `branch`?",
                "41:5: job `test`, put `repo`: `params.repository`: required, but missing",
            ]
        );
    }

    #[test]
    fn defaults_of_a_type_apply_to_its_resources() {
        let text = "\
resource_types:
- {name: mine, type: registry-image, source: {repository: jetway-example}, defaults: {uri: u, brnach: x}}
resources:
- {name: one, type: mine, source: {branch: b}}
- {name: two, type: mine}
";
        assert_eq!(
            findings(text),
            [
                "2:95: resource `one`: `source.brnach`: unknown key; did you mean `branch`?",
                "2:95: resource `two`: `source.brnach`: unknown key; did you mean `branch`?",
            ]
        );
    }

    #[test]
    fn skips_other_types() {
        let text = "\
resource_types:
- {name: example, type: registry-image, source: {repository: somebody/example}}
resources:
- {name: theirs, type: example, source: {anything: [goes]}}
- {name: tick, type: time, source: {interval: 1.10}}
jobs:
- name: j
  plan:
  - get: tick
    params: {x: y}
    version: any
  - put: theirs
  - task: t
    config: {platform: linux, params: {VERSION: 1.10}}
  - load_var: v
    file: x
";
        assert_eq!(findings(text), Vec::<String>::new());
    }

    #[test]
    fn accepts_vars_everywhere() {
        let text = "\
resources:
- name: repo
  type: example
  source: {uri: https://((host))/x, force: ((force)), paths: ((paths)), strategy: ((strategy)), hosts: [((host))]}
- {name: all, type: example, source: ((source))}
jobs:
- name: ((job))
  plan:
  - get: repo
    params: {depth: ((depth))}
    version: ((version))
  - put: repo
    params: ((params))
  - get: ((other))
  - in_parallel: ((steps))
";
        assert_eq!(findings(text), Vec::<String>::new());
        assert_eq!(findings("resources: ((resources))\njobs: [{name: j, plan: [{get: x}]}]\n"), Vec::<String>::new());
    }

    #[test]
    fn reports_mistakes_in_given_vars_at_the_var() {
        let text =
            "resources:\n- name: repo\n  type: ((kind))\n  source: {uri: u, force: ((force)), branch: x((list))}\n";
        let mut vars = Vars::default();
        for (name, yaml) in [("kind", "example"), ("force", "[hunter2]"), ("list", "[hunter2]")] {
            vars.give(Reference::parse(name).unwrap(), load(yaml.as_bytes()).unwrap().root.content);
        }
        assert_eq!(
            findings_with(text, &vars),
            [
                "4:27: resource `repo`: `source.force`: expected true or false, found a list",
                "4:46: `((list))`: it is a list, which cannot be inserted into text",
            ]
        );
    }

    #[test]
    fn shows_names_with_unresolved_vars() {
        let text = "resources: [{name: a-((env)), type: example}]\njobs:\n- name: deploy-((env))\n  plan: [{get: b-((env))}]\n";
        let mut vars = Vars::default();
        vars.give(Reference::parse("env").unwrap(), Content::Text("deploy".to_owned()));
        assert_eq!(
            findings_with(text, &vars),
            [
                "1:20: Concourse rejects the unused resource `a-((env))`; remove it",
                "1:20: resource `a-((env))`: `source.uri`: required, but missing",
                "4:16: job `deploy-((env))`, get `b-((env))`: resource `b-((env))` is not declared; did you mean `a-((env))`?",
            ]
        );
    }

    #[test]
    fn reports_mistake_in_an_anchor_for_each_alias() {
        let text = "\
base: &base {uri: u, brnach: x}
resources:
- {name: one, type: example, source: *base}
- {name: two, type: example, source: {<<: *base, uri: v}}
";
        assert_eq!(
            findings(text),
            [
                "1:22: resource `one`: `source.brnach`: unknown key; did you mean `branch`?",
                "1:22: resource `two`: `source.brnach`: unknown key; did you mean `branch`?",
            ]
        );
    }

    proptest! {
        #[test]
        fn never_panics(parts in proptest::collection::vec(
            prop_oneof![
                Just("resources:"), Just("jobs:"), Just("resource_types:"), Just("plan:"), Just("- "), Just("\n"),
                Just("  "), Just("    "), Just("name: a"), Just("type: example"), Just("source:"), Just("get: a"),
                Just("put: ((b))"), Just("params: "), Just("version: "), Just("in_parallel:"), Just("try:"),
                Just("{{x}}"), Just("((y))"), Just("[1, 1.10]"), Just("{uri: &u 010}"), Just("*u"), Just("<<: "),
                Just("on_failure: "), Just("hosts: [{}]"), Just("~"),
            ], 0..30,
        )) {
            let mut vars = Vars::default();
            vars.give(Reference::parse("y").unwrap(), Content::List(Vec::new()));
            if let Ok(document) = load(parts.concat().as_bytes()) {
                report(document, &vars, &catalogue(), false);
            }
        }
    }
}
