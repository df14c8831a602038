//! What the schedule needs of an engine. Docker's is in `docker.rs`; tests have a fake.

use async_trait::async_trait;

use crate::system::engine::{EngineError, Feed, ImageFacts};

/// Builds, tags, pushes and inspects images by their index in the graph.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Builds an image, with all checks that belong to "built". Dropping the future stops it.
    async fn build(&self, image: usize, feed: &Feed) -> Result<(), EngineError>;

    /// Gives the built image one more full name.
    async fn tag(&self, image: usize, name: &str) -> Result<(), EngineError>;

    /// One try of a push; the digest as the registry has it afterwards.
    async fn push(&self, image: usize, feed: &Feed) -> Result<String, EngineError>;

    /// What the engine has of an image; `None` if nothing.
    async fn inspect(&self, image: usize) -> Result<Option<ImageFacts>, EngineError>;

    /// Removes what builds left over; returns the bytes won.
    async fn prune(&self) -> Result<u64, EngineError>;
}
