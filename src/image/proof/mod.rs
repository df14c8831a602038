//! The proof that an image holds none of the secrets: every layer, the configuration, the history
//! and the provenance are searched for every value in all its encodings, and for forbidden words.
//!
//! Layers are searched one by one, so what a later layer deletes counts. In each file the bytes as
//! they are, its name, its link and its attributes are searched; gzip, bzip2, xz, zstd, zip, tar and ar
//! members are opened down to [`DEPTH`] levels within budgets, and what is not opened is told. A
//! layer that held nothing is not searched again for another image ([`Clean`]). What is not
//! found: values shorter than `SHORTEST_SOUGHT` characters, values that were encrypted or packed
//! in other formats, and values in parts.

mod ar;
mod clean;
mod describe;
mod engine;
pub mod keep;
mod members;
#[cfg(test)]
mod proof_tests;
mod report;
mod saved;
mod search;
mod tap;
mod tar;
mod v1;
mod zip;

pub use clean::Clean;
pub use engine::search_image;
pub use members::DEPTH;
pub use report::{Cost, Finding, HOLDS_A_SECRET, NAMES_THE_MIRROR, NOT_SEARCHED, NotOpened, Searched, is_finding};
pub use search::{About, Proof};
