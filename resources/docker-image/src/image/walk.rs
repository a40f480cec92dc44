//! Collects everything that an image consists of, through nested indexes.

use std::collections::{HashMap, HashSet};

use anyhow::anyhow;
use jetway::Result;

use crate::concurrent;
use crate::digest::Digest;
use crate::image::manifest::{Content, Descriptor, Manifest};

/// How deeply indexes may be nested. Builders nest two.
pub(crate) const DEEPEST: usize = 4;

/// The most manifests below an index.
const MAX_MANIFESTS: usize = 1000;

/// The most bytes of these manifests. They stay in memory until the last one is read.
const MAX_INDEX_BYTES: usize = 32 * 1024 * 1024;

/// Manifests and blobs.
#[derive(Debug, Default)]
pub(crate) struct Everything {
    /// Children come before their index; the root is the last.
    pub(crate) manifests: Vec<Manifest>,
    /// Configurations and layers, without duplicates.
    pub(crate) blobs: Vec<Descriptor>,
}

/// Reads everything below `root` with `read`, in at most `at_once` concurrent calls.
pub(crate) async fn everything(
    root: Manifest,
    at_once: usize,
    read: impl AsyncFn(&Descriptor) -> Result<Manifest>,
) -> Result<Everything> {
    let first = root.digest.clone();
    let mut bytes = root.bytes.len();
    let mut known = HashSet::from([first.clone()]);
    let mut all = HashMap::new();
    let mut level = vec![root];
    for depth in 0.. {
        let mut entries: Vec<Descriptor> = Vec::new();
        for manifest in &level {
            let Content::Index(index) = &manifest.content else { continue };
            if depth >= DEEPEST {
                return Err(anyhow!("`{}` is nested in more than {DEEPEST} indexes", manifest.digest));
            }
            let manifests = index.manifests.iter().filter(|entry| entry.is_manifest());
            entries.extend(manifests.filter(|entry| known.insert(entry.digest.clone())).cloned());
            if known.len() > MAX_MANIFESTS {
                return Err(anyhow!("the index has more than {MAX_MANIFESTS} manifests"));
            }
        }
        all.extend(level.into_iter().map(|manifest| (manifest.digest.clone(), manifest)));
        if entries.is_empty() {
            break;
        }
        level = Vec::new();
        // In chunks, so that not everything is fetched before a limit is checked.
        for some in entries.chunks(at_once.max(1)) {
            let read = concurrent::map(some, at_once, async |entry| read(entry).await).await?;
            bytes = read.iter().fold(bytes, |bytes, manifest| bytes.saturating_add(manifest.bytes.len()));
            if bytes > MAX_INDEX_BYTES {
                return Err(anyhow!(
                    "the manifests of the index are larger than {} MiB",
                    MAX_INDEX_BYTES / 1024 / 1024
                ));
            }
            level.extend(read);
        }
    }
    let mut found = Everything::default();
    let mut blobs = HashSet::new();
    for manifest in in_order(first, all) {
        let named: Vec<&Descriptor> = match &manifest.content {
            Content::Image(image) => image.layers.iter().chain([&image.config]).collect(),
            Content::Index(index) => index.manifests.iter().filter(|entry| !entry.is_manifest()).collect(),
        };
        for blob in named {
            if blobs.insert(blob.digest.clone()) {
                found.blobs.push(blob.clone());
            }
        }
        found.manifests.push(manifest);
    }
    Ok(found)
}

/// Manifests, each after its children.
fn in_order(root: Digest, mut all: HashMap<Digest, Manifest>) -> Vec<Manifest> {
    let mut ordered = Vec::new();
    let mut seen = HashSet::new();
    // The manifests to visit, and whether their children have been visited.
    let mut pending = vec![(root, false)];
    while let Some((digest, is_due)) = pending.pop() {
        if is_due {
            ordered.extend(all.remove(&digest));
            continue;
        }
        if !seen.insert(digest.clone()) {
            continue;
        }
        let Some(manifest) = all.get(&digest) else { continue };
        pending.push((digest, true));
        if let Content::Index(index) = &manifest.content {
            pending.extend(index.manifests.iter().rev().map(|entry| (entry.digest.clone(), false)));
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::media_type::OCI_INDEX;

    fn index(entries: &[&Manifest], more: &str) -> Manifest {
        let entry =
            |manifest: &&Manifest| serde_json::json!({ "digest": manifest.digest, "size": manifest.bytes.len() });
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let text = serde_json::json!({ "manifests": entries, "annotations": { "more": more } }).to_string();
        Manifest::parse(text.into_bytes(), OCI_INDEX).unwrap()
    }

    fn walk(root: &Manifest, others: &[&Manifest]) -> Result<Everything> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(everything(root.clone(), 3, async |entry| {
            let found = others.iter().find(|manifest| manifest.digest == entry.digest);
            Ok((*found.expect("a manifest that there is")).clone())
        }))
    }

    #[test]
    fn manifests_come_before_their_index() {
        let c = index(&[], "c");
        let b = index(&[&c], "b");
        let a = index(&[&b], "a");
        // The root refers to all of them, the innermost first.
        let root = index(&[&c, &a, &b], "root");
        let found = walk(&root, &[&a, &b, &c]).unwrap();
        let digests: Vec<_> = found.manifests.iter().map(|manifest| &manifest.digest).collect();
        assert_eq!(digests, [&c.digest, &b.digest, &a.digest, &root.digest]);
    }

    #[test]
    fn finds_layers_of_a_build_cache_index() {
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        let digest = Digest::of(b"layer");
        let text =
            serde_json::json!({ "manifests": [{ "mediaType": layer, "digest": digest, "size": 5 }] }).to_string();
        let cache = Manifest::parse(text.into_bytes(), OCI_INDEX).unwrap();
        let found = walk(&cache, &[]).unwrap();
        assert_eq!((found.manifests.len(), found.blobs), (1, vec![Descriptor::new(layer, digest, 5)]));
    }

    #[test]
    fn rejects_too_deep_nesting() {
        let mut all = vec![index(&[], "0")];
        for depth in 1..=DEEPEST {
            let next = index(&[all.last().unwrap()], &depth.to_string());
            all.push(next);
        }
        let refs: Vec<&Manifest> = all.iter().collect();
        let problem = walk(all.last().unwrap(), &refs).unwrap_err().to_string();
        assert!(problem.contains("is nested in more than 4 indexes"), "{problem}");
        assert_eq!(walk(&all[DEEPEST - 1], &refs).unwrap().manifests.len(), DEEPEST);
    }

    #[test]
    fn limits_the_number_of_manifests() {
        let large: Vec<Manifest> =
            (0..9).map(|number| index(&[], &number.to_string().repeat(4 * 1024 * 1024))).collect();
        let large: Vec<&Manifest> = large.iter().collect();
        let problem = walk(&index(&large, ""), &large).unwrap_err().to_string();
        assert_eq!(problem, "the manifests of the index are larger than 32 MiB");
        let many: Vec<Manifest> = (0..=MAX_MANIFESTS).map(|number| index(&[], &number.to_string())).collect();
        let many: Vec<&Manifest> = many.iter().collect();
        let problem = walk(&index(&many, ""), &many).unwrap_err().to_string();
        assert_eq!(problem, "the index has more than 1000 manifests");
    }
}
