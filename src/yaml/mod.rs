//! YAML 1.1 as Ansible reads it, with the place of every node kept.
//!
//! `load` turns text into [`Node`]s (anchors, merge keys, budgets), `resolve` gives plain
//! scalars their type, `fields` takes a mapping apart key by key, `emit` writes plain data and
//! `edit` changes a text without touching its comments.

mod edit;
mod emit;
mod fields;
mod flow;
mod guess;
mod json;
mod lenient;
mod load;
mod mapping;
mod node;
mod position;
mod resolve;
mod syntax;
mod tags;

pub use edit::{remove_key, set_key};
pub use emit::{emit, emit_scalar};
pub use fields::{Fields, wrong_type};
pub use load::{LoadOptions, Loaded, load};
pub use node::{Node, NodeData, Pair, Scalar, Style, Tag};
pub use resolve::{number as whole_number, reads_as_text, resolve};
pub use tags::mark_unsafe;
