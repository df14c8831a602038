//! hostctl: a declarative playbook engine for container build hosts, in Ansible's dialect.
//!
//! The rooms stand in import order: each may use those above it only (`tests/architecture.rs`).

pub mod agent; // the engine's arm on a host
pub mod cli;
pub mod connection; // moves bytes to a host
pub mod deps; // roles and collections of requirements files
pub mod diag; // spans, source map, the one error type, exit codes
pub mod engine; // runs plays on targets
pub mod environment; // environments/NAME
pub mod event; // the ordered stream of facts
pub mod image; // image definitions, graph, schedule, tag file
pub mod inventory; // hosts, groups, patterns
pub mod journal; // the record of a run
pub mod mirror; // the authenticating package-mirror proxy
pub mod modules; // one file a module, one table
pub mod ops; // what the commands do
pub mod playbook; // plays, roles and tasks as a checked model
pub mod report; // events to people and files
pub mod secret; // secrets and the redactor
pub mod system; // the only room that touches the host
pub mod template; // Jinja as Ansible users write it
pub mod value; // plain data and its spelling in JSON and in text
pub mod vars; // layers of variables with their origin
pub mod vault; // age-sealed values and ansible-vault text
pub mod yaml; // source text to nodes with places // the command line
