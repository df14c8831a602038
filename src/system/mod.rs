//! The only room that touches the host.
//!
//! [`Probe`] reads, [`Mutate`] writes; each subject (files, processes, users, packages,
//! network, block devices, engines) adds its methods in a file of its own. Modules get
//! both handles from their `Cx` alone, so check mode holds by construction.

pub mod accounts;
pub mod digest;
pub mod engine;
pub mod fs;
pub mod glob;
mod handles;
pub mod http;
pub mod own_binary;
pub mod process;
pub mod tls;
pub mod tool;
mod tree;

pub use handles::{Control, Mutate, Probe};
pub mod lifetime;
pub mod names;
mod users;

pub use tree::{ScratchContent, ScratchItem, TreeItem, TreeKind, write_tree_tar};
pub use users::{Group, User};
