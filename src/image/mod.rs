//! Images: where they come from, how they hang together, in which order they are built, and
//! the record of their tags. Reaches the host through `system` alone; the order is tested
//! with a fake [`Builder`].

mod builder;
#[cfg(test)]
mod builders_lab_tests;
pub mod capabilities;
pub mod context;
mod def;
pub mod discover;
mod docker;
pub mod dockerfile;
mod graph;
mod names;
pub mod platforms;
pub mod preflight;
mod report;
pub mod schedule;
pub mod set;
pub mod tag;
pub mod tagfile;
mod watch;

pub use builder::Builder;
pub use def::{ImageDef, Place};
pub use docker::{DockerBuilder, Settings};
pub use graph::{Edge, Graph};
pub use names::{Meaning, Names, valid_name, valid_tag, without_tag};
pub use report::{ImageReport, Report};
pub use watch::LogEnd;
