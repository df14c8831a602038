//! Images: where they come from, how they hang together, in which order they are built, and
//! the record of their tags. Reaches the host through `system` alone; the order is tested
//! with a fake [`Builder`].

mod builder;
pub mod context;
mod def;
pub mod discover;
mod docker;
pub mod dockerfile;
pub mod draw;
mod graph;
pub mod kolla;
mod names;
mod report;
pub mod schedule;
mod select;
pub mod set;
pub mod sources;
pub mod tag;
pub mod tagfile;
mod watch;

pub use builder::Builder;
pub use def::{ImageDef, OwnName, ParentName, Place};
pub use discover::Found;
pub use docker::{DockerBuilder, Settings};
pub use graph::{Edge, EdgeKind, Graph, LOCAL_ONLY};
pub use names::{Meaning, Names, valid_name, valid_tag, without_tag};
pub use report::{ImageReport, Report};
pub use select::{Pattern, patterns};
pub use watch::LogEnd;
