//! Where images come from: a tree of Dockerfiles, Kaapana's labels, a list in YAML, a rendered Kolla tree. Each gives
//! [`ImageDef`](super::ImageDef)s; who reads the files is the caller's.

mod kolla;
mod labels;
mod list;
mod list_fields;
#[cfg(test)]
mod list_tests;
mod list_variants;
mod path_pattern;
mod placeholders;
mod tree;

pub use kolla::kolla;
pub use labels::{LabelSettings, labels};
pub use list::{Context, Fetched, List, ListedImage, Stamps};
pub use path_pattern::PathPatterns;
pub use tree::{TreeSettings, tree};
