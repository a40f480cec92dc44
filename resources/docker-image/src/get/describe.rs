//! Writes an image's metadata as files: `metadata.json`, labels, and the output of `docker inspect`.

use std::collections::BTreeMap;
use std::path::Path;

use jetway::Result;
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::flavour::Flavour;
use crate::get::file::file;
use crate::image::config::{Config, Execution};

/// The default `PATH` of a container's processes.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The largest `/etc/passwd` that is read, in bytes.
const MAX_PASSWD_BYTES: u64 = 16 * 1024 * 1024;

/// An image's configuration, raw and parsed.
pub(crate) struct Described {
    pub(crate) id: Digest,
    pub(crate) bytes: Vec<u8>,
    pub(crate) raw: Value,
    pub(crate) config: Config,
}

/// Writes `metadata.json`, from which Concourse runs the image.
pub(crate) fn metadata(flavour: Flavour, destination: &Path, rootfs: &Path, execution: &Execution) -> Result<()> {
    let metadata = match flavour {
        Flavour::RegistryImage => {
            let Execution { cmd, entrypoint, env, user, .. } = execution;
            json!({ "cmd": cmd, "entrypoint": entrypoint, "env": env, "user": user })
        }
        Flavour::DockerImage => as_a_process_sees_it(execution, rootfs),
    };
    file(destination, "metadata.json", &format!("{}\n", go_json(&metadata)))
}

/// The environment and the user of a process in a container of the image.
fn as_a_process_sees_it(execution: &Execution, rootfs: &Path) -> Value {
    let user = User::find(&execution.user, rootfs);
    let mut env = environment(execution.env.as_deref().unwrap_or_default());
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    match user.name {
        Some(name) => json!({ "user": name, "env": env }),
        None => json!({ "env": env }),
    }
}

/// The environment as an engine builds it from an image's: `PATH` is always there and first, the last entry of a name
/// counts, and an entry without a value removes the name. `HOSTNAME` is left out, since it names one container.
fn environment(entries: &[String]) -> Vec<String> {
    let mut env = vec![PATH.to_owned()];
    for entry in entries {
        let name = entry.split('=').next().unwrap_or_default();
        let known = env.iter().position(|known| known.split('=').next() == Some(name));
        match (entry.contains('='), known) {
            (true, Some(place)) => {
                if let Some(known) = env.get_mut(place) {
                    known.clone_from(entry);
                }
            }
            (true, None) => env.push(entry.clone()),
            (false, Some(place)) => drop(env.remove(place)),
            (false, None) => {}
        }
    }
    env.retain(|entry| !entry.starts_with("HOSTNAME="));
    env
}

struct User {
    name: Option<String>,
    home: String,
}

impl User {
    /// Looks up a user, by name or id, in the image's `/etc/passwd`.
    fn find(asked: &str, rootfs: &Path) -> Self {
        let asked = asked.split(':').next().unwrap_or_default();
        let asked = if asked.is_empty() { "0" } else { asked };
        let passwd = read_inside(rootfs, "etc/passwd").unwrap_or_default();
        let entries = || {
            passwd.lines().filter_map(|line| {
                let mut fields = line.split(':');
                let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
                let (_, _, home) = (fields.next()?, fields.next()?, fields.next()?);
                Some((name.to_owned(), id.to_owned(), home.to_owned()))
            })
        };
        // A process only has a user id; its name is the name of the first user with this id.
        let id = entries().find(|(name, id, _)| name == asked || id == asked).map(|(_, id, _)| id);
        let entry = id.and_then(|id| entries().find(|(_, known, _)| *known == id)).map(|(name, _, home)| (name, home));
        match entry {
            Some((name, home)) => Self { name: Some(name), home: if home.is_empty() { "/".to_owned() } else { home } },
            None => Self { name: None, home: "/".to_owned() },
        }
    }
}

/// Reads a file of the image, without following links out of the root file system.
fn read_inside(rootfs: &Path, path: &str) -> Option<String> {
    use std::io::Read as _;
    let root = rootfs.canonicalize().ok()?;
    let path = root.join(path).canonicalize().ok().filter(|path| path.starts_with(&root) && path.is_file())?;
    let mut text = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_PASSWD_BYTES).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Writes `labels.json`.
pub(crate) fn labels(destination: &Path, labels: &BTreeMap<String, String>) -> Result<()> {
    file(destination, "labels.json", &go_json(&json!(labels)))
}

/// Writes `docker_inspect.json`: the part of `docker inspect` that the image itself determines.
pub(crate) fn inspect(
    destination: &Path,
    described: &Described,
    name: &str,
    tag: &str,
    digest: &Digest,
    size: u64,
) -> Result<()> {
    let raw = |key: &str| described.raw.get(key).cloned().unwrap_or(Value::Null);
    let text = |key: &str| raw(key).as_str().unwrap_or_default().to_owned();
    let inspected = json!([{
        "Id": described.id.to_string(),
        "RepoTags": if tag.is_empty() { json!([]) } else { json!([format!("{name}:{tag}")]) },
        "RepoDigests": [format!("{name}@{digest}")],
        "Parent": "",
        "Comment": text("comment"),
        "Created": text("created"),
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": raw("config"),
        "Architecture": text("architecture"),
        "Variant": text("variant"),
        "Os": text("os"),
        "Size": size,
        "RootFS": {
            "Type": "layers",
            "Layers": described.raw.pointer("/rootfs/diff_ids").cloned().unwrap_or_else(|| json!([])),
        },
    }]);
    let text = serde_json::to_string_pretty(&inspected)?;
    file(destination, "docker_inspect.json", &format!("{text}\n"))
}

/// Formats JSON as Go does: HTML's special characters are escaped.
fn go_json(value: &Value) -> String {
    let text = value.to_string();
    text.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(user: &str, env: Option<&[&str]>) -> Value {
        let rootfs = tempfile::tempdir().unwrap();
        std::fs::create_dir(rootfs.path().join("etc")).unwrap();
        std::fs::write(
            rootfs.path().join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
        )
        .unwrap();
        let env = env.map(|env| env.iter().map(ToString::to_string).collect());
        as_a_process_sees_it(&Execution { user: user.to_owned(), env, ..Execution::default() }, rootfs.path())
    }

    #[test]
    fn environment_has_defaults_of_a_process() {
        assert_eq!(seen("", None), json!({ "user": "root", "env": [PATH, "HOME=/root"] }));
        assert_eq!(
            seen("root", Some(&["HOSTNAME=x", "A=1", "PATH=/x", "B=2", "A=3", "B"])),
            json!({ "user": "root", "env": ["PATH=/x", "A=3", "HOME=/root"] })
        );
        assert_eq!(
            seen("1000:5", Some(&["PATH=/x", "A=b"])),
            json!({ "user": "app", "env": ["PATH=/x", "A=b", "HOME=/home/app"] })
        );
        assert_eq!(seen("nobody", Some(&["HOME=/h", "PATH=/x"])), json!({ "env": ["PATH=/x", "HOME=/h"] }));
    }

    #[test]
    fn escapes_markup_like_go() {
        assert_eq!(go_json(&json!({ "a": "<b>&" })), r#"{"a":"\u003cb\u003e\u0026"}"#);
    }
}
