//! put with `build`: builds an image from a directory of the inputs with a container engine, and pushes it.
//!
//! The inputs are validated before an engine is started or contacted, since that may take seconds. The classic builder
//! gets the directory as an archive; BuildKit, the default of engines since Docker 23, requests files, secrets and
//! credentials over a session.

mod archive;
mod arguments;
pub(crate) mod bases;
mod builder;
mod context;
mod logins;
mod options;
mod progress;
mod secrets;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jetway::{Context, Inputs, Response, Result, Secret, Service, hex, trimmed};
use serde_json::Value;

use crate::cosign;
use crate::digest::Digest;
use crate::engine::failure::is_transient_error;
use crate::engine::session::Session;
use crate::engine::session::offer::Offer;
use crate::engine::{Engine, Features, Query, agent};
use crate::flavour::Flavour;
use crate::params::put::{CacheTo, PutParams};
use crate::params::secrets::Agents;
use crate::places::Places;
use crate::push::how_far;
use crate::push::tags;
use crate::reference::Repository;
use crate::registry::Access;
use crate::signing_key::SigningKey;
use crate::source::Source;
use crate::version::Version;
use builder::{Builder, Reason};
use context::{BuildContext, Saved};
use logins::Logins;
use progress::Progress;

/// The delays before retries of an engine's pull or push after a transient error. The engine retries uploads itself,
/// but not its first request to a registry, nor the last.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// The default tag.
const LATEST: &str = "latest";

/// A build with everything that it needs except an engine.
pub(crate) struct Build<'c> {
    context: &'c Context,
    flavour: Flavour,
    repository: Repository,
    /// The registry where the image is signed, and the signing key.
    places: Places<'c>,
    key: Option<SigningKey>,
    logins: Logins,
    files: BuildContext,
    /// The first tag is the version's.
    tags: Vec<String>,
    args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    target: Option<String>,
    /// The builder that the params request, with the key that does.
    requested: Option<(Builder, &'static str)>,
    /// Whether the image is used as a cache by the next build.
    is_cache: bool,
    /// Images that are loaded before the build.
    bases: Vec<Saved>,
    /// Cache sources.
    cache: Vec<Cache>,
    offer: Offer,
    /// The agents' private keys, by agent id.
    keys: Vec<(String, Secret)>,
    /// The engine's build options.
    options: Query,
    features: Features,
}

/// A cache source.
enum Cache {
    /// The repository's image with this tag, if it exists.
    Tag(String),
    /// An image from the inputs.
    Saved(Saved),
    /// Any image, by name.
    Image(String),
}

impl<'c> Build<'c> {
    /// Reads and validates what the params name.
    pub(crate) async fn plan(
        context: &'c Context,
        flavour: Flavour,
        source: &'c Source,
        params: &PutParams,
        build: &str,
        inputs: &Inputs,
    ) -> Result<Self> {
        let key = cosign::signing_key(source)?;
        let files = BuildContext::find(inputs, build, trimmed(params.dockerfile.as_deref()))?;
        let args = arguments::build_args(
            context,
            inputs,
            params.build_args.as_ref(),
            trimmed(params.build_args_file.as_deref()),
        )?;
        let labels = arguments::labels(inputs, params.labels.as_ref(), trimmed(params.labels_file.as_deref()))?;
        let mut offer = Offer { secrets: secrets::secrets(context, inputs, &params.secrets)?, ..Offer::default() };
        let mut bases = Vec::new();
        for base in params.load_base.iter().chain(&params.load_bases).filter_map(|base| trimmed(Some(base))) {
            let saved = Saved::find(inputs, base)?;
            bases.push(saved.with_context(|| format!("directory `{base}` does not exist in the inputs"))?);
        }
        let places = Places::find(context, source, Access::PullAndPush).await?;
        let registry = places.origin();
        let mut tags = tags::of_put(registry, flavour, source, params, inputs).await?;
        let repository = registry.repository().clone();
        let mut logins = Logins::of_source(source, &repository, registry.login());
        let others = params.cache_from.iter().chain(args.values()).map(String::as_str);
        logins.add_of_amazon(context, source, files.registries(others)?).await?;
        offer.logins = logins.all().clone();
        let mut cache = Vec::new();
        let cached = if params.no_cache { &[] } else { params.cache_from.as_slice() };
        for entry in cached.iter().filter_map(|entry| trimmed(Some(entry))) {
            cache.push(Saved::find(inputs, entry)?.map_or_else(|| Cache::Image(entry.to_owned()), Cache::Saved));
        }
        if params.cache && !params.no_cache {
            let own = trimmed(params.cache_tag.as_deref()).map(str::to_owned).or_else(|| tags.first().cloned());
            cache.extend(own.map(Cache::Tag));
        }
        if params.cache_to == Some(CacheTo::Registry)
            && let Some(tag) = trimmed(params.cache_tag.as_deref()).filter(|tag| !tags.iter().any(|known| known == tag))
        {
            tags.push(tag.to_owned());
        }
        Ok(Self {
            context,
            flavour,
            repository,
            places,
            key,
            logins,
            files,
            tags,
            args,
            labels,
            target: trimmed(params.target_name.as_deref()).map(str::to_owned),
            requested: builder::requested(params),
            is_cache: params.cache || params.cache_to.is_some(),
            bases,
            cache,
            offer,
            keys: params.ssh.iter().flat_map(Agents::keys).map(|(id, key)| (id.to_owned(), key.clone())).collect(),
            options: options::query(params),
            features: if params.squash { Features::Experimental } else { Features::Settled },
        })
    }

    /// The engine features that the build needs.
    pub(crate) fn features(&self) -> Features {
        self.features
    }

    /// The registries that the engine will contact, that of the repository first.
    pub(crate) fn registries(&self) -> Vec<String> {
        let own = self.repository.registry().to_owned();
        let mut all = vec![own];
        let others = self.cache.iter().filter_map(|cache| match cache {
            Cache::Image(image) => Some(split(image).0.parse::<Repository>().ok()?.registry().to_owned()),
            Cache::Tag(_) | Cache::Saved(_) => None,
        });
        for registry in others.chain(self.logins.registries()) {
            if !all.contains(&registry) {
                all.push(registry);
            }
        }
        all
    }

    /// Builds the image and pushes it.
    pub(crate) async fn run(mut self, engine: &Engine) -> Result<Response<Version>> {
        let mut agents = Vec::new();
        let outcome = self.run_with(engine, &mut agents).await;
        for agent in agents {
            agent.stop().await;
        }
        outcome
    }

    async fn run_with(&mut self, engine: &Engine, agents: &mut Vec<Service>) -> Result<Response<Version>> {
        for (number, (id, key)) in self.keys.iter().enumerate() {
            let (agent, socket) = agent::start(self.context, number, key).await?;
            agents.push(agent);
            self.offer.agents.insert(id.clone(), socket);
        }
        for base in &self.bases {
            self.load(engine, base).await?;
        }
        let builder = builder::choose(self.requested, engine);
        if builder.0 == Builder::BuildKit && self.is_cache {
            // The image needs this to be a cache for the next build.
            self.args.entry("BUILDKIT_INLINE_CACHE".to_owned()).or_insert_with(|| "1".to_owned());
        }
        let cache = self.prepare_cache(engine, builder.0).await?;
        let built = self.build(engine, builder, &cache).await?;
        let name = self.repository.to_string();
        let main = self.tags.first().context("the put has no tag")?;
        let id = if let Some(id) = built {
            id
        } else {
            let found = engine.image_id(&format!("{name}:{main}")).await?;
            found.context("the engine no longer has the image that it built")?
        };
        let mut digest = None;
        for (index, tag) in self.tags.iter().enumerate() {
            let pushed = async {
                // On a shared engine another build may have moved the tag meanwhile.
                engine.tag(&id, &name, tag).await.with_context(|| format!("cannot tag the image as `{name}:{tag}`"))?;
                self.push(engine, tag).await
            };
            let pushed = pushed.await.map_err(|error| {
                let (done, rest) = self.tags.split_at(index);
                how_far(error, done, rest)
            })?;
            digest.get_or_insert(pushed);
        }
        let digest = digest.context("the engine did not report the digest of the pushed image")?;
        if let Some(key) = &self.key {
            cosign::sign(self.places.origin(), key, &digest).await?;
        }
        let response = Response::new(self.flavour.version(main, &digest));
        let short = id.trim_start_matches("sha256:").chars().take(12).collect::<String>();
        Ok(response.with("image", short).with("repository", name).with("tags", self.tags.join(" ")))
    }

    /// Builds, and returns the engine's id for the image, if the engine reports it. An engine does not retry the pull
    /// of a base image, so a transient error is met by a retry of the whole build, as long as no step has run.
    async fn build(&self, engine: &Engine, builder: (Builder, Reason), cache: &[String]) -> Result<Option<String>> {
        let console = self.context.console();
        let mut pauses = PAUSES.into_iter();
        loop {
            let mut progress = Progress::new(console);
            let built = self.build_once(engine, builder.0, cache, &mut progress).await;
            progress.flush();
            let Err(error) = built else {
                let name = self.repository.to_string();
                let Progress { steps, cached, .. } = progress;
                console.step(format_args!("built `{name}`; cached steps: {cached} of {steps}"));
                return Ok(progress.image.filter(|id| id.parse::<Digest>().is_ok()));
            };
            let pause = pauses.next().filter(|_| progress.may_try_again(&error));
            let Some(pause) = pause else {
                let recipe = self.files.recipe_text().unwrap_or_default();
                return Err(builder::advise(error, &recipe, builder, engine).context("the build failed"));
            };
            let why = error.root_cause().to_string();
            let what = "cannot fetch the base image";
            self.wait_for_next_try(pause, what, why.lines().next().unwrap_or_default()).await?;
        }
    }

    async fn build_once(
        &self,
        engine: &Engine,
        builder: Builder,
        cache: &[String],
        progress: &mut Progress<'_>,
    ) -> Result<()> {
        let unique = unique()?;
        let name = self.repository.to_string();
        let mut query: Query = self.tags.iter().map(|tag| ("t", format!("{name}:{tag}"))).collect();
        query.push(("buildargs", serde_json::to_string(&self.args)?));
        query.push(("labels", serde_json::to_string(&self.labels)?));
        query.push(("cachefrom", serde_json::to_string(cache)?));
        query.push(("rm", "1".to_owned()));
        query.push(("forcerm", "1".to_owned()));
        query.extend(self.options.iter().cloned());
        if let Some(target) = &self.target {
            query.push(("target", target.clone()));
        }
        match builder {
            Builder::Classic => {
                let (archive, recipe) = self.files.archive(&unique)?;
                query.push(("dockerfile", recipe));
                engine.build(&query, archive, self.logins.all(), |message| progress.take(&message)).await
            }
            Builder::BuildKit => {
                let (directories, recipe) = self.files.directories();
                let offer = Offer { directories: directories.into(), ..self.offer.clone() };
                let session = Session::open(engine, unique.clone(), offer).await?;
                query.push(("version", "2".to_owned()));
                query.push(("session", session.id.clone()));
                query.push(("buildid", unique.clone()));
                query.push(("remote", "client-session".to_owned()));
                query.push(("dockerfile", recipe));
                let none = BTreeMap::new();
                let nothing = crate::engine::connection::nothing();
                let built = engine.build(&query, nothing, &none, |message| progress.take(&message)).await;
                if self.context.interrupt().received().is_some() {
                    let _ = engine.cancel(&unique).await;
                }
                built
            }
        }
    }

    /// Loads an image from the inputs into the engine, under its own name.
    async fn load(&self, engine: &Engine, saved: &Saved) -> Result<Option<String>> {
        let mut progress = Progress::new(self.context.console());
        let loaded = engine.load(archive::file(saved.archive.clone()), |message| progress.take(&message)).await;
        progress.flush();
        loaded.with_context(|| format!("cannot load `{}`", saved.archive.display()))?;
        let Some((repository, tag)) = &saved.name else { return Ok(saved.id.clone()) };
        let Some(id) = &saved.id else { return Ok(Some(format!("{repository}:{tag}"))) };
        engine.tag(id, repository, tag).await?;
        Ok(Some(format!("{repository}:{tag}")))
    }

    /// Prepares the cache images, and returns their names for the builder.
    async fn prepare_cache(&self, engine: &Engine, builder: Builder) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for cache in &self.cache {
            match cache {
                Cache::Saved(saved) => names.extend(self.load(engine, saved).await?),
                Cache::Tag(tag) => names.extend(self.pull(engine, builder, &self.repository.to_string(), tag).await?),
                Cache::Image(image) => {
                    let (name, tag) = split(image);
                    names.extend(self.pull(engine, builder, name, tag).await?);
                }
            }
        }
        Ok(names)
    }

    /// Pulls a cache image. A missing image is no error: the first build has none.
    async fn pull(&self, engine: &Engine, builder: Builder, name: &str, tag: &str) -> Result<Option<String>> {
        let image = if tag.starts_with("sha256:") { format!("{name}@{tag}") } else { format!("{name}:{tag}") };
        // BuildKit reads the registry itself, and pulls only what it can use.
        if builder == Builder::BuildKit {
            return Ok(Some(image));
        }
        let console = self.context.console();
        let login = name.parse::<Repository>().ok().and_then(|repository| self.logins.of(repository.registry()));
        let mut progress = Progress::new(console);
        let pulled = self.persistently(format!("the pull of `{image}`"), async || {
            engine.pull(name, tag, login, |message| progress.take(&message)).await
        });
        match pulled.await {
            Ok(()) => Ok(Some(image)),
            Err(error) if self.context.interrupt().received().is_some() => Err(error),
            Err(error) => {
                console.step(format_args!("no cache from `{image}`: {}", error.root_cause()));
                Ok(None)
            }
        }
    }

    /// Runs an engine request that contacts a registry, and retries it after transient errors.
    async fn persistently(&self, what: String, mut ask: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        for pause in PAUSES {
            match ask().await {
                Err(error) if is_transient_error(&error) => {
                    let what = format!("{what} failed");
                    self.wait_for_next_try(pause, &what, &error.root_cause().to_string()).await?;
                }
                other => return other,
            }
        }
        ask().await
    }

    async fn wait_for_next_try(&self, pause: Duration, what: &str, why: &str) -> Result<()> {
        let seconds = pause.as_secs();
        self.context.console().warn(format_args!("{what}; retrying in {seconds} s: {why}"));
        self.context.interrupt().sleep(pause).await
    }

    /// Pushes the image under a tag, and returns its digest.
    async fn push(&self, engine: &Engine, tag: &str) -> Result<Digest> {
        let name = self.repository.to_string();
        let mut progress = Progress::new(self.context.console());
        let mut digest = None;
        let login = self.logins.of(self.repository.registry());
        let pushed = self.persistently(format!("the push of `{name}:{tag}`"), async || {
            let take = |message: Value| {
                digest = pushed_digest(&message).or_else(|| digest.take());
                progress.take(&message)
            };
            engine.push(&name, tag, login, take).await
        });
        pushed.await.with_context(|| format!("cannot push `{name}:{tag}`"))?;
        let digest = digest.and_then(|digest: String| digest.parse().ok());
        let digest: Digest =
            digest.with_context(|| format!("the engine did not report the digest of `{name}:{tag}`"))?;
        self.context.console().step(format_args!("pushed `{name}:{tag}` as {digest}"));
        Ok(digest)
    }
}

/// The digest in a push message.
fn pushed_digest(message: &Value) -> Option<String> {
    message.pointer("/aux/Digest")?.as_str().map(str::to_owned)
}

/// Splits an image into its name and its tag or digest.
fn split(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, LATEST),
    }
}

/// A unique name.
fn unique() -> Result<String> {
    let mut bytes = [0_u8; 12];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("cannot get random bytes from the system"))?;
    Ok(hex(&bytes))
}
