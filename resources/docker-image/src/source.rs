//! The keys of `source:`.

pub(crate) mod connection;
pub(crate) mod docker_config;
pub(crate) mod docker_host;
mod engine;
pub(crate) mod engine_address;
pub(crate) mod follow;
mod logins;
pub(crate) mod shapes;
pub(crate) mod size;
mod validation;

use std::time::Duration;

use jetway::aws;
use jetway::{Console, Secret, trimmed};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::flavour::Flavour;
use crate::layer::content::Allowance;
use crate::reference::Repository;
use crate::source::docker_host::DockerHost;
use crate::source::shapes::{
    CaCertificate, ClientCertificate, Cosign, DockerConfig, Insecure, MirrorAt, Mirrors, Platform, PrivateRegistry,
};
use crate::source::size::bytes;

/// The upper limit for concurrent uploads or downloads of layers.
const MAX_CONCURRENCY: u32 = 32;

/// The repository, the tags to follow, and the credentials.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each field is a key in pipelines, independent of the others")]
pub struct Source {
    /// The repository: `debian`, `team/app`, `registry.example.com:5000/team/app`. The default registry is Docker Hub.
    pub repository: String,

    /// The tag to follow, and the tag that a put pushes. A digest (`sha256:...`) pins the image, and puts then require
    /// another tag. For `docker-image`, defaults to `latest` if no other key selects tags.
    pub tag: Option<String>,

    /// Follow all tags that match this regular expression (RE2 syntax, not anchored), instead of one tag.
    pub tag_regex: Option<String>,

    /// With `tag_regex`: sort the tags by the creation time of their images, oldest first, instead of the registry's order.
    #[serde(default)]
    pub created_at_sort: bool,

    /// With `tag_regex`: sort the tags by the match of the pattern's named group, or by the whole tag if it has no
    /// named group. With `semver`, ignores tags that are not versions or do not match `semver_constraint`. With
    /// `semver` and `text`, also ignores tags before the known version if it still exists.
    pub sort: Option<Sort>,

    /// Follow the tags that are semantic versions and match this constraint: `~1.2`, `>=1.4 <3 || 4.x`, `1.2 - 1.4`.
    pub semver_constraint: Option<String>,

    /// Follow only versions with this variant: `alpine` for tags such as `1.2.3-alpine`. A put appends it to its version tags.
    pub variant: Option<String>,

    /// Follow pre-releases too: `alpha`, `beta` and `rc`. A constraint matches them only if its bounds contain a
    /// pre-release (`>=1.2-0`).
    #[serde(default)]
    pub pre_releases: bool,

    /// With `pre_releases`: more prefixes that identify a pre-release.
    #[serde(default)]
    pub pre_release_prefixes: Vec<String>,

    /// The user name for the registry; `_json_key` for a Google service account key, `AWS` for an ECR token. Requires `password`.
    pub username: Option<String>,

    /// The password or token of `username`. It is sent to the registry and to the registry's token server.
    pub password: Option<Secret>,

    /// A Docker `config.json`, as text or as keys and values: its `auths` are the credentials for each registry.
    pub docker_config: Option<DockerConfig>,

    /// Registries that may be accessed without encryption. `true` allows plain HTTP for the registry of `repository`; a
    /// TLS certificate is still verified. A list is the same as `insecure_registries`.
    pub insecure: Option<Insecure>,

    /// Registries whose certificates are not verified and which may use plain HTTP: `host`, `host:port`, or address
    /// ranges such as `10.0.0.0/8`.
    #[serde(default)]
    pub insecure_registries: Vec<String>,

    /// A mirror of Docker Hub: a URL, or `host` with `username` and `password`. Several mirrors are tried in order. If
    /// all of them fail, falls back to Docker Hub.
    pub registry_mirror: Option<Mirrors>,

    /// Additional CA certificates to trust, in PEM format: for every registry, or `{domain, cert}` for one.
    #[serde(default)]
    pub ca_certs: Vec<CaCertificate>,

    /// TLS client certificates, each for one registry.
    #[serde(default)]
    pub client_certs: Vec<ClientCertificate>,

    /// The platform to select from a multi-platform image: `linux/arm64/v8`, or `architecture`, `os` and `variant`.
    /// Missing parts default to the worker's platform.
    pub platform: Option<Platform>,

    /// Add the image's labels whose names match this pattern to the metadata of a get.
    pub label_regex: Option<String>,

    /// Add the image's annotations whose names match this pattern to the metadata of a get.
    pub annotation_regex: Option<String>,

    /// Credentials for more registries, for the base images of a build.
    #[serde(default)]
    pub additional_private_registries: Vec<PrivateRegistry>,

    /// The maximum number of concurrent layer downloads, at most 32.
    #[serde(default = "side_by_side")]
    #[schemars(range(min = 1))]
    pub max_concurrent_downloads: u32,

    /// The maximum number of concurrent layer uploads, at most 32.
    #[serde(default = "side_by_side")]
    #[schemars(range(min = 1))]
    pub max_concurrent_uploads: u32,

    /// The timeout for the start of the container engine, in seconds. Only a build uses an engine.
    #[serde(default = "startup_timeout")]
    #[schemars(range(min = 1))]
    pub startup_timeout: u32,

    /// The container engine for builds: `unix:///var/run/docker.sock`, `tcp://host:2376`, `ssh://user@host`, or `url`
    /// with certificates or a key. If absent, a build starts an engine in the step's container, which must be
    /// privileged.
    pub docker_host: Option<DockerHost>,

    /// The region of an AWS registry (ECR), for which to request credentials. Defaults to the region in an ECR `repository`.
    pub aws_region: Option<String>,

    /// The id of an AWS access key. Defaults to the credentials of the worker.
    pub aws_access_key_id: Option<String>,

    /// The secret of the AWS access key.
    pub aws_secret_access_key: Option<Secret>,

    /// The session token of a temporary access key.
    pub aws_session_token: Option<Secret>,

    /// A role to assume before requesting credentials.
    pub aws_role_arn: Option<String>,

    /// A chain of roles to assume, each with the previous one, instead of `aws_role_arn`.
    #[serde(default)]
    pub aws_role_arns: Vec<String>,

    /// The AWS account of the registry. Defaults to the account of the credentials.
    pub aws_account_id: Option<String>,

    /// Accepted for compatibility, without effect.
    #[allow(dead_code, reason = "accepted for compatibility")]
    pub aws_ecr_registry_id: Option<String>,

    /// Log in to an Azure registry (ACR) with the identity of the worker: the managed identity of its machine, or the
    /// workload identity of its cluster. For a service principal, set `username` and `password`.
    #[serde(default)]
    pub azure_acr: bool,

    /// The client id of a user-assigned managed identity, if the machine has several identities.
    pub azure_client_id: Option<String>,

    /// The tenant of the identity, if the registry does not report it.
    pub azure_tenant_id: Option<String>,

    /// The Azure cloud: `AzurePublic`, `AzureGovernment` or `AzureChina`. Defaults to the cloud of the registry's domain.
    pub azure_environment: Option<String>,

    /// Sign pushed images with a cosign key. The signature is stored in the repository, for `cosign verify --key`.
    pub cosign: Option<Cosign>,

    /// Not supported (Notary v1, which is retired): puts with this key are rejected; checks and gets ignore it.
    pub content_trust: Option<serde_json::Map<String, serde_json::Value>>,

    /// The maximum decompressed size of an image's layers or of an archive: `20g`. Zeros in sparse files do not count.
    /// Defaults to 1 GiB plus a hundred times the download size.
    pub max_unpacked_size: Option<String>,

    /// Log each request to a registry with the status of the response.
    #[serde(default)]
    pub debug: bool,

    /// The timeout for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The timeout for a read without progress, in seconds. If it is not set, the first byte of a response may take 5
    /// minutes, because a caching registry may have to fetch a layer first.
    #[serde(default = "read_timeout")]
    #[schemars(range(min = 1))]
    pub read_timeout: u32,
}

fn side_by_side() -> u32 {
    3
}

fn startup_timeout() -> u32 {
    120
}

fn connect_timeout() -> u32 {
    15
}

fn read_timeout() -> u32 {
    60
}

/// The order of the tags that match a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By the creation time of their images, as with `created_at_sort`.
    Created,
    /// As semantic versions, parsed leniently; a plain number is valid.
    Semver,
    /// Character by character.
    Text,
}

impl Source {
    /// The parsed repository, which was validated with the source.
    pub(crate) fn repository(&self) -> jetway::Result<Repository> {
        self.repository.trim().parse().map_err(|problem: String| jetway::anyhow!("`repository`: {problem}"))
    }

    /// The configured tag, if any.
    pub(crate) fn tag(&self) -> Option<&str> {
        trimmed(self.tag.as_deref())
    }

    /// The variant.
    pub(crate) fn variant(&self) -> Option<&str> {
        trimmed(self.variant.as_deref())
    }

    /// The tag for files and metadata of a version without a tag.
    pub(crate) fn tag_or_usual(&self, flavour: Flavour) -> &str {
        self.tag().or(flavour.usual_tag()).unwrap_or_default()
    }

    /// The user and password, if both are set.
    pub(crate) fn login(&self) -> Option<(&str, &Secret)> {
        let user = trimmed(self.username.as_deref())?;
        self.password.as_ref().filter(|password| !password.is_empty()).map(|password| (user, password))
    }

    /// The mirrors, in order.
    pub(crate) fn mirrors(&self) -> Vec<MirrorAt<'_>> {
        self.registry_mirror.as_ref().map(Mirrors::list).unwrap_or_default()
    }

    /// The settings for AWS credentials.
    pub(crate) fn aws_login(&self) -> aws::Login {
        let id = trimmed(self.aws_access_key_id.as_deref());
        let key = self.aws_secret_access_key.as_ref().filter(|key| !key.is_empty());
        let keys = id.zip(key).map(|(id, key)| aws::Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: key.clone(),
            session_token: self.aws_session_token.clone().filter(|token| !token.is_empty()),
            expires: None,
        });
        let roles =
            trimmed(self.aws_role_arn.as_deref()).into_iter().chain(self.aws_role_arns.iter().map(String::as_str));
        let role = |arn: &str| aws::Role { arn: arn.to_owned(), session_name: "jetway".to_owned(), external_id: None };
        aws::Login { keys, roles: roles.map(role).collect() }
    }

    /// The limit for the unpacked size of layers that have so many bytes on disk or in the registry.
    pub(crate) fn allowance(&self, packed: u64) -> Allowance {
        let most = trimmed(self.max_unpacked_size.as_deref()).and_then(bytes);
        most.map_or_else(|| Allowance::of(packed), Allowance::up_to)
    }

    /// How many layers are downloaded concurrently.
    pub(crate) fn downloads_at_once(&self) -> u32 {
        self.max_concurrent_downloads.min(MAX_CONCURRENCY)
    }

    /// How many layers are uploaded concurrently.
    pub(crate) fn uploads_at_once(&self) -> u32 {
        self.max_concurrent_uploads.min(MAX_CONCURRENCY)
    }

    /// Warns about keys of the source that are ignored or changed.
    pub(crate) fn warn(&self, console: &Console) {
        // An empty var means that there are no credentials; a missing key may be a mistake.
        let has_password = self.password.as_ref().is_some_and(|password| !password.is_empty());
        let half = match (trimmed(self.username.as_deref()), &self.username, &self.password) {
            (Some(_), _, None) => Some(("username", "password")),
            (_, None, Some(_)) if has_password => Some(("password", "username")),
            _ => None,
        };
        if let Some((given, missing)) = half {
            console.warn(format_args!(
                "`{given}` has no effect without `{missing}`: the registry is accessed anonymously"
            ));
        }
        for (key, number) in [
            ("max_concurrent_downloads", self.max_concurrent_downloads),
            ("max_concurrent_uploads", self.max_concurrent_uploads),
        ] {
            if number > MAX_CONCURRENCY {
                console.warn(format_args!("`{key}` is {number}; the limit is {MAX_CONCURRENCY}"));
            }
        }
    }

    /// The read timeout for a registry.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.read_timeout.into())
    }
}
