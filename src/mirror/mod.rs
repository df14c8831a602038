//! The authenticating package-mirror proxy.
//!
//! Clients (image builds, the host's own package manager) ask it without credentials for the
//! path prefixes that are listed; it adds the upstream's basic-auth header and streams the answer.
//! GET and HEAD only, on named addresses only. It is no general proxy and no cache. It runs as a
//! service of its own (`hostctl mirror-proxy --config FILE`); the module `mirror_proxy` installs it.

mod body;
mod command;
mod config;
pub(crate) mod control;
mod credentials;
mod forward;
mod headers;
mod listen;
mod path;
mod redirect;
mod server;

#[cfg(test)]
mod tests;

pub use command::main;
pub use config::{Config, DEFAULT_PORT, Upstream, VERSION};
pub use credentials::Credentials;
pub use listen::{bind, is_local};
pub use path::HEALTH_PATH;
pub use server::{health_hash, serve, serve_until};
