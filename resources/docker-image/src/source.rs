//! The keys of `source:`.

pub(crate) mod connection;
pub(crate) mod docker_config;
pub(crate) mod docker_host;
mod engine;
pub(crate) mod engine_address;
pub(crate) mod follow;
mod logins;
mod rules;
pub(crate) mod shapes;
pub(crate) mod size;
pub(crate) mod text;

use std::time::Duration;

use jetway::aws;
use jetway::{Console, Secret};
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
use crate::source::text::set;

/// The upper limit for concurrent uploads or downloads of layers.
const MOST_AT_ONCE: u32 = 32;

/// Where the image is, which of its tags count, and how to get there.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key that pipelines have, and none depends on another")]
pub struct Source {
    /// The repository: `debian`, `team/app`, `registry.example.com:5000/team/app`. Without a host it is on Docker Hub.
    pub repository: String,

    /// The tag to follow, and the tag that a put gives. A digest (`sha256:...`) pins the image; nothing can be put under it. For `docker-image` it is `latest` when nothing else chooses tags.
    pub tag: Option<String>,

    /// Follow every tag that this pattern (RE2's syntax) matches somewhere, instead of one tag.
    pub tag_regex: Option<String>,

    /// With `tag_regex`: order the tags by when their images were made, oldest first, instead of as the registry lists them.
    #[serde(default)]
    pub created_at_sort: bool,

    /// With `tag_regex`: order the tags by what the pattern's named group matches in them, or by all of a tag where it has none.
    /// With `semver`, tags that are no version there, or that `semver_constraint` rules out, do not count. With `semver` and
    /// `text`, nor do those before a known version that is still there.
    pub sort: Option<Sort>,

    /// Follow the tags that are semantic versions within these bounds: `~1.2`, `>=1.4 <3 || 4.x`, `1.2 - 1.4`.
    pub semver_constraint: Option<String>,

    /// Follow versions of this variant alone: `alpine` for tags such as `1.2.3-alpine`. A put adds it to its tags.
    pub variant: Option<String>,

    /// Follow pre-releases too: `alpha`, `beta` and `rc`. With a constraint, those within bounds that name a pre-release (`>=1.2-0`).
    #[serde(default)]
    pub pre_releases: bool,

    /// With `pre_releases`: further words that a pre-release may begin with.
    #[serde(default)]
    pub pre_release_prefixes: Vec<String>,

    /// The user of the registry; `_json_key` for a key of Google's, `AWS` for a token of ECR's. Only with `password`.
    pub username: Option<String>,

    /// The password or token of `username`. It goes to the registry, and to the server of tokens that this one names.
    pub password: Option<Secret>,

    /// A `config.json` of Docker's, as text or as keys and values: its `auths` are credentials for the registries it names.
    pub docker_config: Option<DockerConfig>,

    /// Registries that may be spoken to without encryption. `true` allows plain HTTP for the registry of `repository`; its
    /// certificate, where it has one, is still checked. A list is as `insecure_registries`.
    pub insecure: Option<Insecure>,

    /// Registries whose certificates are not checked and which may speak plain HTTP: `host`, `host:port`, or addresses
    /// such as `10.0.0.0/8`.
    #[serde(default)]
    pub insecure_registries: Vec<String>,

    /// A registry to ask first for images of Docker Hub: a URL, or `host` with `username` and `password`. Several are asked
    /// in turn. What no mirror has comes from the origin.
    pub registry_mirror: Option<Mirrors>,

    /// Authorities to trust besides the system's: certificates in PEM form for every registry, or `{domain, cert}` for one.
    #[serde(default)]
    pub ca_certs: Vec<CaCertificate>,

    /// Certificates to log in with, each for one registry.
    #[serde(default)]
    pub client_certs: Vec<ClientCertificate>,

    /// The platform whose image is meant where there are several: `linux/arm64/v8`, or `architecture`, `os` and `variant`.
    /// What is left out is that of this worker.
    pub platform: Option<Platform>,

    /// Show the image's labels whose names this pattern matches, in the metadata of a get.
    pub label_regex: Option<String>,

    /// Show the image's annotations whose names this pattern matches, in the metadata of a get.
    pub annotation_regex: Option<String>,

    /// Credentials of further registries, for what a put builds upon.
    #[serde(default)]
    pub additional_private_registries: Vec<PrivateRegistry>,

    /// How many layers are downloaded at once, 32 at most.
    #[serde(default = "side_by_side")]
    #[schemars(range(min = 1))]
    pub max_concurrent_downloads: u32,

    /// How many layers are uploaded at once, 32 at most.
    #[serde(default = "side_by_side")]
    #[schemars(range(min = 1))]
    pub max_concurrent_uploads: u32,

    /// The longest time to wait for a container engine to start, in seconds. Only a build needs one.
    #[serde(default = "startup_timeout")]
    #[schemars(range(min = 1))]
    pub startup_timeout: u32,

    /// The container engine that builds: `unix:///var/run/docker.sock`, `tcp://host:2376`, `ssh://user@host`, or `url` with certificates
    /// or a key. Without it, an engine is started in the step's container, which has to be privileged then.
    pub docker_host: Option<DockerHost>,

    /// The region of an Amazon registry (ECR) whose credentials are to be asked for. A `repository` of ECR's implies it.
    pub aws_region: Option<String>,

    /// The id of an access key. Without one, the roles that the worker may use.
    pub aws_access_key_id: Option<String>,

    /// The access key.
    pub aws_secret_access_key: Option<Secret>,

    /// What a temporary access key comes with.
    pub aws_session_token: Option<Secret>,

    /// A role to assume before asking for credentials.
    pub aws_role_arn: Option<String>,

    /// Roles to assume, each by the one before, instead of `aws_role_arn`.
    #[serde(default)]
    pub aws_role_arns: Vec<String>,

    /// The account whose registry is meant, when it is not that of the credentials.
    pub aws_account_id: Option<String>,

    /// Taken as the established resource has it, without effect.
    #[allow(dead_code, reason = "pipelines have it")]
    pub aws_ecr_registry_id: Option<String>,

    /// The registry is one of Azure's (ACR), and the identity that the worker runs under may use it: a managed identity of its
    /// machine, or what its cluster says that it is (workload identity). A service principal is a `username` and a `password`.
    #[serde(default)]
    pub azure_acr: bool,

    /// Which of the machine's identities is meant: the client id of a user-assigned one.
    pub azure_client_id: Option<String>,

    /// The tenant of the identity, where the registry does not tell it.
    pub azure_tenant_id: Option<String>,

    /// The cloud: `AzurePublic`, `AzureGovernment` or `AzureChina`. Without it the registry's name tells.
    pub azure_environment: Option<String>,

    /// Sign what a put has brought, as cosign does with a key. The signature is in the repository, for `cosign verify --key`.
    pub cosign: Option<Cosign>,

    /// Signatures of Notary's first version, which has been retired: a put with this key is refused, and nothing else minds it.
    pub content_trust: Option<serde_json::Map<String, serde_json::Value>>,

    /// The most that the layers of an image, or an archive, may hold when they are decompressed: `20g`. Zeros that cost no disk do not
    /// count. Without it, 1 GiB and a hundred times what is downloaded.
    pub max_unpacked_size: Option<String>,

    /// Show each request to a registry, with the status of its answer.
    #[serde(default)]
    pub debug: bool,

    /// The longest time to wait for a connection, in seconds.
    #[serde(default = "connect_timeout")]
    #[schemars(range(min = 1))]
    pub connect_timeout: u32,

    /// The longest time in which a registry may send nothing, in seconds. Unless it is set, a registry has 5 minutes for the
    /// beginning of an answer: a cache may have to fetch a layer first.
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

/// How tags that a pattern matches are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By when their images were made, as with `created_at_sort`.
    Created,
    /// As semantic versions, leniently; a number is one.
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
        set(self.tag.as_deref())
    }

    /// The variant.
    pub(crate) fn variant(&self) -> Option<&str> {
        set(self.variant.as_deref())
    }

    /// The default tag of a version without one.
    pub(crate) fn tag_or_usual(&self, flavour: Flavour) -> &str {
        self.tag().or(flavour.usual_tag()).unwrap_or_default()
    }

    /// The user and password, if both are set.
    pub(crate) fn login(&self) -> Option<(&str, &Secret)> {
        let user = set(self.username.as_deref())?;
        self.password.as_ref().filter(|password| !password.is_empty()).map(|password| (user, password))
    }

    /// The mirrors, in order.
    pub(crate) fn mirrors(&self) -> Vec<MirrorAt<'_>> {
        self.registry_mirror.as_ref().map(Mirrors::list).unwrap_or_default()
    }

    /// The settings for AWS credentials.
    pub(crate) fn aws_login(&self) -> aws::Login {
        let id = set(self.aws_access_key_id.as_deref());
        let key = self.aws_secret_access_key.as_ref().filter(|key| !key.is_empty());
        let keys = id.zip(key).map(|(id, key)| aws::Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: key.clone(),
            session_token: self.aws_session_token.clone().filter(|token| !token.is_empty()),
            expires: None,
        });
        let roles = set(self.aws_role_arn.as_deref()).into_iter().chain(self.aws_role_arns.iter().map(String::as_str));
        let role = |arn: &str| aws::Role { arn: arn.to_owned(), session_name: "jetway".to_owned(), external_id: None };
        aws::Login { keys, roles: roles.map(role).collect() }
    }

    /// The limit for the unpacked size of layers that have so many bytes on disk or in the registry.
    pub(crate) fn allowance(&self, packed: u64) -> Allowance {
        let most = set(self.max_unpacked_size.as_deref()).and_then(bytes);
        most.map_or_else(|| Allowance::of(packed), Allowance::up_to)
    }

    /// How many layers are downloaded concurrently.
    pub(crate) fn downloads_at_once(&self) -> u32 {
        self.max_concurrent_downloads.min(MOST_AT_ONCE)
    }

    /// How many layers are uploaded concurrently.
    pub(crate) fn uploads_at_once(&self) -> u32 {
        self.max_concurrent_uploads.min(MOST_AT_ONCE)
    }

    /// Warns about keys of the source that are ignored or changed.
    pub(crate) fn warn(&self, console: &Console) {
        // An empty var means that there are no credentials; a missing key may be a mistake.
        let has_password = self.password.as_ref().is_some_and(|password| !password.is_empty());
        let half = match (set(self.username.as_deref()), &self.username, &self.password) {
            (Some(_), _, None) => Some(("username", "password")),
            (_, None, Some(_)) if has_password => Some(("password", "username")),
            _ => None,
        };
        if let Some((given, missing)) = half {
            console.warn(format_args!("`{given}` stands without a `{missing}`: the registry is asked without a login"));
        }
        for (key, number) in [
            ("max_concurrent_downloads", self.max_concurrent_downloads),
            ("max_concurrent_uploads", self.max_concurrent_uploads),
        ] {
            if number > MOST_AT_ONCE {
                console.warn(format_args!("`{key}` is {number}; no more than {MOST_AT_ONCE} run at once"));
            }
        }
    }

    /// The read timeout for a registry.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.read_timeout.into())
    }
}
