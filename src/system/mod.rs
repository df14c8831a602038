//! The only room that touches the host.
//!
//! [`Probe`] reads, [`Mutate`] writes; each subject (files, processes, users, packages,
//! network, block devices, engines) adds its methods in a file of its own. Modules get
//! both handles from their `Cx` alone, so check mode holds by construction.

pub mod accounts;
pub mod append;
pub mod apt;
mod arriving;
mod backup;
pub mod block;
pub mod build_host;
mod capture;
mod connect;
mod contents;
mod cookies;
pub mod digest;
pub mod dnf;
pub mod engine;
pub mod facts;
pub mod folder;
pub mod fs;
mod git_clone;
pub mod git_login;
pub mod git_source;
pub mod glob;
mod handles;
mod held;
pub mod http;
pub mod leftovers;
pub mod lifetime;
mod load;
pub mod names;
mod netlink;
pub mod network;
pub mod own_binary;
pub mod package_lock;
pub mod printed;
pub mod process;
pub mod proxy;
mod replace;
pub mod running_build;
mod scratch;
pub mod services;
mod sockets;
mod source_archive;
mod source_cache;
mod state;
mod state_place;
pub mod tls;
pub mod tool;
mod tree;
mod trust;
mod turn;
mod turn_lock;
pub mod web;
pub mod web_address;
mod web_tls;
pub mod zip;

pub use contents::{Hashed, Stamp};
pub use git_clone::{GitClone, GitRefs};
pub use handles::{Control, Mutate, Probe};
pub use held::{Held, Spot};
pub use load::{DiskRoom, HostLoad, Pressure};
pub use source_archive::Downloaded;
pub use state::StateChange;
pub use state_place::place_of_state;
pub use tree::{ScratchContent, ScratchItem, TreeItem, TreeKind, TreeList, changed_meanwhile, lay_out, write_tree_tar};
