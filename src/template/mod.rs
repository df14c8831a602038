//! Jinja2 as Ansible users write it: parsed by minijinja, evaluated here with Python's semantics.
//!
//! Renders [`Node`](crate::yaml::Node)s with a [`Scope`](crate::vars::Scope), with native types and
//! places. Only source can be rendered; data (facts, results, lookup output) passes through untouched.
//! minijinja gives lexer and parser; its machine can not do in-place changes, `%` formatting,
//! undefined values that travel, or values of our own kinds, so the tree is run by `eval` and `exec`.

mod address_kinds;
mod args;
#[cfg(test)]
mod behaviour_tests;
mod bigint;
mod check;
mod clock;
mod code;
mod codec;
mod condition;
mod containers;
mod cx;
#[cfg(test)]
mod data_tests;
mod derived;
#[cfg(test)]
mod edge_tests;
mod engine;
mod eval;
mod exec;
mod fail;
mod filters;
mod globals;
mod header;
mod keys;
mod limits;
mod lookups;
mod lower;
mod managed;
mod mask;
mod methods;
mod moments;
mod names;
mod numbers;
mod omit;
mod ops;
mod out;
mod parts;
mod people;
mod plain;
mod plain_guard;
mod plain_limits;
mod plain_percent;
mod printf;
mod random;
mod regex;
mod scopes;
#[cfg(test)]
mod table_known;
#[cfg(test)]
mod table_tests;
mod tests;
mod text;
mod time;
mod type_names;
mod unload;
mod val;
mod versions;
mod walk;
mod yaml_out;
mod yaml_text;

pub use check::{PluginUse, knows as knows_plugin, plugin_names};
pub use codec::encode;
pub use condition::condition_in_braces;
pub use engine::{FileOptions, LookupHost, Templates};
pub use lookups::{Setting, SettingKind, WebLookup};
pub use managed::MANAGED_TEMPLATE;
pub use names::{PluginEnd, Resolver, play_hosts};
pub use omit::is_omit;
pub use plain::{Answer, Call as PlainCall, Plain, PlainError};
pub use time::format_local as format_time;
pub use yaml_out::{Style as YamlStyle, dump as dump_yaml};
