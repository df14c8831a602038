//! Kolla's template trees: `docker/` with a `Dockerfile.j2` in each image's folder, rendered as
//! `kolla-build` renders them, without Python. [`load()`] gives a [`Tree`] and writes no file; [`Fetcher`] adds
//! sources to a tree that was laid out, and [`summary()`] tells how a build of it ended.
//!
//! What Kolla keeps in Python is read as data by a small reader of literals; what it computes in
//! Python (`template/methods.py`, `template/filters.py`, oslo.config) is written anew here, from
//! kolla 21 to 23 and oslo.config 10.

mod config;
mod fetch;
mod files;
mod ini;
mod kept;
mod layout;
mod load;
#[cfg(test)]
mod load_tests;
mod options;
mod python;
mod render;
mod repos;
mod select;
mod sources;
mod summary;
mod tree;

pub use fetch::{Archive, Fetcher, SOURCE_DIFFERS, SOURCE_MISSING};
pub use files::Reader;
pub use layout::{Item, ItemContent};
pub use load::load;
pub use options::Options;
pub use sources::Source;
pub use summary::{summary, summary_text};
pub use tree::{KollaImage, Status, Tree};
