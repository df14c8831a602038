//! YAML 1.1 as Ansible reads it, with the place of every node kept.
//!
//! `load` turns text into [`Node`]s (anchors, merge keys, budgets), `resolve` gives plain
//! scalars their type, `fields` takes a mapping apart key by key, `emit` writes plain data.

mod node;

pub use node::{Node, NodeData, Pair, Scalar, Style, Tag};
