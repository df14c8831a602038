//! The only room that touches the host.
//!
//! [`Probe`] reads, [`Mutate`] writes; each subject (files, processes, users, packages,
//! network, block devices, engines) adds its methods in a file of its own. Modules get
//! both handles from their `Cx` alone, so check mode holds by construction.

pub mod accounts;
pub mod block;
pub mod engine;
mod handles;
pub mod http;
mod netlink;
pub mod network;
pub mod own_binary;
pub mod process;
pub mod tls;
pub mod tool;

pub use handles::{Control, Mutate, Probe};
