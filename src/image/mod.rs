//! Images: where they come from, how they hang together, in which order they are built, and
//! the record of their tags. Reaches the host through `system` alone; the order is tested
//! with a fake [`Builder`].

pub mod admission;
mod builder;
#[cfg(test)]
mod builders_lab_tests;
pub mod capabilities;
pub mod context;
mod def;
pub mod discover;
mod docker;
pub mod dockerfile;
pub mod draw;
pub mod forecast;
mod graph;
pub mod history;
pub mod key;
pub mod kolla;
mod names;
mod needed;
pub mod platforms;
pub mod preflight;
pub mod proof;
pub mod record;
pub mod registries;
mod report;
pub mod retry;
pub mod reuse;
pub mod schedule;
mod select;
mod sent;
pub mod set;
pub mod sources;
pub mod tag;
pub mod tagfile;
pub mod tagrows;
mod watch;
pub mod why;
mod why_answer;

pub use builder::Builder;
pub use def::{ImageDef, OwnName, ParentName, Place};
pub use discover::Found;
pub use docker::{DockerBuilder, Settings};
pub use graph::{Edge, EdgeKind, Graph, LOCAL_ONLY};
pub use names::{Meaning, Names, valid_name, valid_tag, without_tag};
pub use needed::{linked, needed};
pub use report::{ImageReport, Report, blank};
pub use reuse::Reuse;
pub use select::{Pattern, patterns};
pub use sent::{SentFrom, SentTree};
pub use watch::LogEnd;
