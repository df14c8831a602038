//! Runs a graph: what is ready is started in the order of the longest remaining path, as far as limits and the host
//! let it; what is unchanged is reused; a failure blocks what hangs on it and nothing else; a push follows each image
//! beside the builds. Each class of error has its policy (`retry.rs`). Knows no engine: all work is the
//! [`Builder`](super::Builder)'s.

mod plan;
mod pushes;
mod run;
mod start;
#[cfg(test)]
mod tests;

pub use plan::{Finished, Plan, Watcher};
pub use run::{run, run_after};
