//! The catalogue of Jetway's resource types, and the lookup of the type of a pipeline's resource.

use jetway::ResourceType;

use crate::declared::Declared;
use crate::pipeline::Pipeline;

/// The resource types that this command supports.
pub(crate) struct Catalogue {
    types: Vec<ResourceType>,
}

impl Catalogue {
    /// All of Jetway's types.
    pub(crate) fn jetway() -> Self {
        Self::new(vec![
            ResourceType::of::<jetway_docker_image::DockerImage>(),
            ResourceType::of::<jetway_docker_image::RegistryImage>(),
            ResourceType::of::<jetway_git::Git>(),
            ResourceType::of::<jetway_github_pr::GithubPr>(),
            ResourceType::of::<jetway_github_status::GithubStatus>(),
            ResourceType::of::<jetway_helm_release::HelmRelease>(),
            ResourceType::of::<jetway_jira::Jira>(),
            ResourceType::of::<jetway_slack::Slack>(),
        ])
    }

    pub(crate) fn new(types: Vec<ResourceType>) -> Self {
        Self { types }
    }

    pub(crate) fn types(&self) -> &[ResourceType] {
        &self.types
    }

    /// Finds a type by its exact name.
    pub(crate) fn named(&self, name: &str) -> Option<ResourceType> {
        self.types.iter().find(|kind| kind.name() == name).copied()
    }

    /// Finds the type of a declared resource or resource type.
    ///
    /// The name of a Jetway type means that type, unless the pipeline's `resource_types` redefine the name with another image.
    pub(crate) fn kind_of(&self, declared: &Declared<'_>, pipeline: &Pipeline<'_>) -> Option<ResourceType> {
        let name = declared.kind.as_deref()?;
        let definition = pipeline
            .resource_types
            .iter()
            // A resource type may use the type that it overrides to fetch its own image: its `name` and `type` are equal then.
            .find(|definition| {
                definition.name.as_deref() == Some(name) && !std::ptr::eq(definition.node, declared.node)
            });
        match definition {
            None => self.named(name),
            Some(definition) => self.of_image(definition.source?.value.get("repository")?.text()?),
        }
    }

    /// Finds the type of an image repository: `host:5000/team/jetway-git:1.2` is `git`.
    fn of_image(&self, repository: &str) -> Option<ResourceType> {
        let path = repository.split_once('@').map_or(repository, |(path, _)| path);
        let last = path.rsplit('/').next()?;
        let image = last.split_once(':').map_or(last, |(image, _)| image);
        self.named(image.strip_prefix("jetway-")?)
    }
}

#[cfg(test)]
mod tests {
    use crate::document::load;
    use crate::example::catalogue;
    use crate::pipeline::Pipeline;

    fn kind(types: &str, kind: &str) -> Option<&'static str> {
        let text = format!("resource_types: [{types}]\nresources: [{{name: r, type: {kind}}}]\n");
        let document = load(text.as_bytes()).unwrap();
        let pipeline = Pipeline::read(&document.root, &mut Vec::new());
        catalogue().kind_of(&pipeline.resources[0], &pipeline).map(|kind| kind.name())
    }

    fn image(repository: &str) -> String {
        format!("{{name: mine, type: registry-image, source: {{repository: {repository}}}}}")
    }

    #[test]
    fn recognizes_type_by_name() {
        assert_eq!(kind("", "example"), Some("example"));
        assert_eq!(kind("", "time"), None);
    }

    #[test]
    fn recognizes_type_by_image() {
        for repository in [
            "jetway-example",
            "registry.test/team/jetway-example",
            "registry.test:5000/jetway-example:1.2",
            "((registry))/jetway-example",
            "jetway-example@sha256:0123",
        ] {
            assert_eq!(kind(&image(repository), "mine"), Some("example"), "{repository}");
        }
        for repository in ["example", "jetway-other", "registry.test/jetway-example/x", "((image))"] {
            assert_eq!(kind(&image(repository), "mine"), None, "{repository}");
        }
    }

    #[test]
    fn ignores_name_that_is_declared_for_another_image() {
        let other = "{name: example, type: registry-image, source: {repository: somebody/example-resource}}";
        assert_eq!(kind(other, "example"), None);
        let ours = "{name: example, type: example, source: {repository: jetway-example}}";
        assert_eq!(kind(ours, "example"), Some("example"));
    }
}
