//! The only room that touches the host.
//!
//! [`Probe`] reads, [`Mutate`] writes; each subject (files, processes, users, packages,
//! network, block devices, engines) adds its methods in a file of its own. Modules get
//! both handles from their `Cx` alone, so check mode holds by construction.

pub mod accounts;
pub mod apt;
pub mod digest;
pub mod facts;
pub mod fs;
pub mod glob;
mod handles;
pub mod process;
pub mod services;
mod sockets;

pub use handles::{Control, Mutate, Probe};
