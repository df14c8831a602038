//! An engine or `buildah` behind one set of methods, so that what orders builds need not know which.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use super::buildah::Buildah;
use super::client::{EngineMut, ImageFacts, PushSpec};
use super::credentials::RegistryLogin;
use super::error::EngineError;
use super::{BuildSpec, BuilderKind, Feed};

/// A saved image as it comes.
pub type Saved<'a> = Pin<Box<dyn Stream<Item = Result<Bytes, EngineError>> + Send + 'a>>;

/// What builds and keeps images.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The engine at a socket.
    Engine(EngineMut),
    /// The program `buildah` and its store.
    Buildah(Buildah),
}

impl From<EngineMut> for Backend {
    fn from(engine: EngineMut) -> Self {
        Self::Engine(engine)
    }
}

impl From<Buildah> for Backend {
    fn from(buildah: Buildah) -> Self {
        Self::Buildah(buildah)
    }
}

impl Backend {
    /// The reading half: this has both.
    pub fn reader(&self) -> &Self {
        self
    }

    /// The engine, if it is one.
    pub fn engine(&self) -> Option<&EngineMut> {
        match self {
            Self::Engine(engine) => Some(engine),
            Self::Buildah(_) => None,
        }
    }

    /// Its own version, for people.
    pub fn version(&self) -> &str {
        match self {
            Self::Engine(engine) => engine.reader().version(),
            Self::Buildah(buildah) => buildah.version(),
        }
    }

    /// Builds an image and gives it its names. Dropping the future ends the running step. `buildah` has
    /// one builder: `kind` does not change it.
    pub async fn build(&self, kind: BuilderKind, spec: &BuildSpec, feed: &Feed) -> Result<(), EngineError> {
        match self {
            Self::Engine(engine) => engine.build(kind, spec, feed).await,
            Self::Buildah(buildah) => buildah.build(spec, feed).await,
        }
    }

    /// Gives an image one more name.
    pub async fn tag(&self, image: &str, name: &str) -> Result<(), EngineError> {
        match self {
            Self::Engine(engine) => engine.tag(image, name).await,
            Self::Buildah(buildah) => buildah.tag(image, name).await,
        }
    }

    /// One try of a push. What was pushed by digest, where the pusher tells it.
    pub async fn push(&self, spec: &PushSpec, feed: &Feed) -> Result<Option<String>, EngineError> {
        match self {
            Self::Engine(engine) => engine.push(spec, feed).await,
            Self::Buildah(buildah) => {
                let digest = buildah.push(spec, feed).await?;
                Ok((!digest.is_empty()).then_some(digest))
            }
        }
    }

    /// Pulls an image by its digest (`registry:5000/lab/base@sha256:...`); it gets no tag.
    pub async fn pull(&self, reference: &str, login: Option<&RegistryLogin>, feed: &Feed) -> Result<(), EngineError> {
        match self {
            Self::Engine(engine) => engine.pull(reference, login, feed).await,
            Self::Buildah(buildah) => buildah.pull(reference, login, feed).await,
        }
    }

    /// Takes a name away from an image, and the image if it was the last one.
    pub async fn remove(&self, image: &str) -> Result<(), EngineError> {
        match self {
            Self::Engine(engine) => engine.remove(image).await,
            Self::Buildah(buildah) => buildah.remove(image).await,
        }
    }

    /// Removes images without a name; returns the bytes won.
    pub async fn prune(&self) -> Result<u64, EngineError> {
        match self {
            Self::Engine(engine) => engine.prune().await,
            Self::Buildah(buildah) => buildah.prune().await,
        }
    }

    /// Removes build cache that nothing uses; returns the bytes won. `buildah` keeps it as images.
    pub async fn prune_cache(&self) -> Result<u64, EngineError> {
        match self {
            Self::Engine(engine) => engine.prune_cache().await,
            Self::Buildah(_) => Ok(0),
        }
    }

    /// What is there under a name; `None` if nothing.
    pub async fn inspect(&self, image: &str) -> Result<Option<ImageFacts>, EngineError> {
        match self {
            Self::Engine(engine) => engine.reader().inspect(image).await,
            Self::Buildah(buildah) => buildah.inspect(image).await,
        }
    }

    /// The image's configuration and history as JSON text, for searches.
    pub async fn description(&self, image: &str) -> Result<Vec<(&'static str, String)>, EngineError> {
        match self {
            Self::Engine(engine) => engine.reader().description(image).await,
            Self::Buildah(buildah) => buildah.description(image).await,
        }
    }

    /// The image as `docker save` writes it.
    pub fn save<'a>(&'a self, image: &'a str) -> Saved<'a> {
        match self {
            Self::Engine(engine) => Box::pin(engine.reader().save(image)),
            Self::Buildah(buildah) => buildah.save(image),
        }
    }
}
