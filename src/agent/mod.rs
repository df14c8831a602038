//! The engine's arm on a host: protocol, client, server.
//!
//! [`Pool`] gives the engine its targets. It opens connections when they are first needed,
//! ships this very binary, and keeps one agent process for each host and become user. An
//! agent ends when its input ends. Knows modules only as a table of names.

mod blobs;
mod bootstrap;
mod client;
mod elevate;
mod in_process;
mod job;
mod launch;
mod outlive;
mod pack;
mod payload;
mod pool;
pub mod protocol;
mod run;
pub mod server;

pub use pool::{Options, Pool};
pub use run::Leaving;

#[cfg(test)]
mod tests;
