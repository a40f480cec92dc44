//! The images of containers: base types, types in registries, task images, and images fetched by a get.

use std::path::Path;

use serde_json::{Value, json};

use super::container::{Process, import, remove};
use super::{Worker, text, texts};
use crate::{layer, scratch};

/// The base types of a worker.
const BASE: [&str; 3] = ["git", "docker-image", "registry-image"];

/// An image of this machine's engine, and the settings of its containers.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) name: String,
    /// The settings that an image imported from files lacks.
    pub(super) environment: Vec<(String, String)>,
    pub(super) user: Option<String>,
    pub(super) privileged: bool,
}

impl Image {
    /// An image that the engine has.
    fn of_engine(name: String, privileged: bool) -> Self {
        Self { name, environment: Vec::new(), user: None, privileged }
    }

    /// The output of a get of an image: `rootfs/` and `metadata.json`.
    pub(super) fn of_artifact(directory: &Path) -> Self {
        let metadata = std::fs::read(directory.join("metadata.json")).expect("an image has its metadata.json");
        let metadata: Value = serde_json::from_slice(&metadata).expect("JSON");
        let pairs = texts(&metadata["env"])
            .into_iter()
            .filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
        let user = metadata["user"].as_str().filter(|user| !user.is_empty()).map(str::to_owned);
        let name = import(&directory.join("rootfs"));
        Self { name, environment: pairs.collect(), user, privileged: false }
    }

    /// A base type: `rootfs.tgz` and `resource_metadata.json`.
    fn of_bundle(directory: &Path) -> Self {
        let metadata = std::fs::read(directory.join("resource_metadata.json")).expect("a base type has its metadata");
        let metadata: Value = serde_json::from_slice(&metadata).expect("JSON");
        Self::of_engine(import(&directory.join("rootfs.tgz")), metadata["privileged"] == true)
    }

    /// Removes an image of [`Image::of_artifact`] or [`Image::of_bundle`].
    pub(super) fn remove(&self) {
        remove(&self.name);
    }
}

impl Worker {
    /// The image of a resource type: one of the pipeline's own, or of the worker's.
    pub(super) fn image_of_type(&self, kind: &str) -> Image {
        match self.named("resource_types", kind) {
            Some(declared) => self.image_of_own_type(declared),
            None => self.base(kind),
        }
    }

    fn image_of_own_type(&self, declared: &Value) -> Image {
        let privileged = declared["privileged"].as_bool().unwrap_or_default();
        let (name, kind, source) = (text(&declared["name"]), text(&declared["type"]), &declared["source"]);
        if let Some(image) = source["repository"].as_str().and_then(|repository| self.fetched.get(repository)) {
            return Image::of_engine(image.clone(), privileged);
        }
        // A type may override the type that fetches its own image.
        let by = if name == kind { self.base(kind) } else { self.image_of_type(kind) };
        Image { privileged, ..self.fetch(&by, source) }
    }

    /// The image of a task.
    pub(super) fn image_of_task(&self, named: &Value) -> Image {
        self.fetch(&self.image_of_type(text(&named["type"])), &named["source"])
    }

    /// Fetches an image from its registry with its resource type, unless it was fetched before.
    fn fetch(&self, by: &Image, source: &Value) -> Image {
        let key = source.to_string();
        if let Some(image) = self.made.lock().expect("no panic").get(&key) {
            return image.clone();
        }
        let versions = self.checks.check(self, &key, by, source, None);
        let version = versions.last().unwrap_or_else(|| panic!("there is no image at {source}"));
        let target = scratch::directory();
        let process = Process {
            worker: self,
            image: by,
            path: "/opt/resource/in".to_owned(),
            arguments: vec!["/tmp/build/get".to_owned()],
            directory: "/".to_owned(),
            environment: [("HOME", "/".to_owned())]
                .into_iter()
                .chain(self.variables())
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            mounts: vec![(target.path().to_owned(), "/tmp/build/get".to_owned())],
            privileged: by.privileged,
        };
        process.run(&json!({ "source": source, "version": version }), None).succeeded();
        let image = Image::of_artifact(target.path());
        self.made.lock().expect("no panic").insert(key, image.clone());
        image
    }

    /// A base type of the worker.
    fn base(&self, kind: &str) -> Image {
        assert!(BASE.contains(&kind), "a worker has no type `{kind}`");
        let Some(bundles) = &self.bundles else {
            return Image::of_engine(layer::image_name(kind), kind == "docker-image");
        };
        let mut made = self.made.lock().expect("no panic");
        made.entry(kind.to_owned()).or_insert_with(|| Image::of_bundle(&bundles.join(kind))).clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.made.get_mut().expect("no panic").values().for_each(Image::remove);
    }
}
