//! Jinja2 as Ansible users write it, on minijinja, with native types and places.
//!
//! Renders [`Node`](crate::yaml::Node)s with a [`Scope`](crate::vars::Scope). Only source can be
//! rendered; data (facts, results, lookup output) passes through untouched.

mod engine;

pub use engine::{FileOptions, LookupHost, Templates, is_omit};
