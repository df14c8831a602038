//! What is asked of a run of the graph, and what came of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::retry::Policy;
use super::super::reuse::Decision;
use crate::event::ImageState;
use crate::system::engine::{BuildEvent, EngineError};

/// How a set is run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The images to build or reuse.
    pub selected: BTreeSet<usize>,
    /// What is done with each, by index in the graph; images without a decision are built.
    pub decisions: Vec<Option<Decision>>,
    /// Seconds of each build, or the same for all where nothing is known.
    pub weights: Vec<f64>,
    /// The weights are seconds.
    pub timed: bool,
    /// Bytes that each build adds, where that is known.
    pub bytes: Vec<Option<u64>>,
    /// Bytes that a build of which nothing is known is taken to add.
    pub unknown_bytes: u64,
    /// Builds at the same time, at least 1.
    pub parallel: usize,
    /// Pushes at the same time, at least 1.
    pub pushes: usize,
    /// Push what may be pushed.
    pub push: bool,
    /// What is done about errors.
    pub policy: Policy,
    /// How long a lost engine is waited for.
    pub engine_patience: Duration,
}

/// Receives all that happens, in order.
pub trait Watcher: Send {
    /// An image has a new state.
    fn state(&mut self, image: usize, state: &ImageState);
    /// A build or push tells something.
    fn event(&mut self, image: usize, event: BuildEvent);
    /// How the host is: bytes free and in all, and seconds left.
    fn host(&mut self, free: u64, total: u64, seconds_left: Option<f64>);
    /// A second is over: what is held back for longer may go out.
    fn tick(&mut self) {}
}

/// What became of one image.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Index in the graph.
    pub image: usize,
    /// The last state.
    pub state: ImageState,
    /// Seconds of the build, if it was started.
    pub seconds: f64,
    /// Tries of the build.
    pub build_tries: u32,
    /// Tries of the push.
    pub push_tries: u32,
    /// The error of build or push.
    pub error: Option<EngineError>,
}

impl Finished {
    pub(super) fn new(image: usize, state: ImageState) -> Self {
        Self { image, state, seconds: 0.0, build_tries: 0, push_tries: 0, error: None }
    }
}
