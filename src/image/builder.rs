//! What the schedule needs of an engine. Docker's is in `docker.rs`; tests have a fake.

use async_trait::async_trait;

use super::admission::{Admission, Work};
use super::record::Entry;
use super::reuse::Place;
use crate::system::engine::{EngineError, Feed, ImageFacts};

/// Builds, reuses, pushes and inspects images by their index in the graph.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Builds an image, with all checks that belong to "built". `fresh`: without cached steps, and with bases asked
    /// for in their registry. Dropping the future stops it.
    async fn build(&self, image: usize, fresh: bool, feed: &Feed) -> Result<(), EngineError>;

    /// Gives an image of an earlier build its names of this run. The digest that the registry has, if it was asked;
    /// `None` also where it is still to be pushed. An error means that it has to be built.
    async fn reuse(
        &self,
        image: usize,
        entry: &Entry,
        place: Place,
        feed: &Feed,
    ) -> Result<Option<String>, EngineError>;

    /// One try of a push; the digest as the registry has it afterwards.
    async fn push(&self, image: usize, feed: &Feed) -> Result<String, EngineError>;

    /// What the engine has of an image; `None` if nothing.
    async fn inspect(&self, image: usize) -> Result<Option<ImageFacts>, EngineError>;

    /// The registry that an image is pushed to.
    fn registry(&self, image: usize) -> String;

    /// Whether one more build may start.
    fn admit(&self, work: &Work) -> Admission;

    /// Makes room: removes what builds left over and build cache by policy, never an image of a tag. Bytes won.
    async fn make_room(&self) -> Result<u64, EngineError>;

    /// The engine answers.
    async fn engine_answers(&self) -> bool;

    /// Bytes free and in all on the engine's file system.
    fn room(&self) -> Option<(u64, u64)>;
}
