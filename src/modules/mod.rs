//! Modules: typed arguments in, probes and guarded changes on one host, a result out.
//!
//! A module sees no YAML, templates, variables or vault. The table [`MODULES`] is the one
//! place that lists them: names, argument checks, `hostctl doc`, schema and completion
//! come from it. To add a module: one file, one line here (see CONTRIBUTING.md).

mod attributes;
mod call;
mod coerce;
mod command;
mod cx;
mod derive;
mod file;
mod file_times;
mod lineinfile;
pub mod mirror_proxy;
mod ping;
mod place;
mod reference;
mod shlex;
mod slurp;
mod spec;
mod stat;
mod table;
mod tempfile;
#[cfg(test)]
mod testing;
mod types;

pub use call::{Blob, BlobSource, Call, Failure, Input, InputKind, Outcome, TreeEntry};
pub use cx::{Cx, Link};
pub use reference::reference;
pub use spec::{ArgError, ArgSpec, ArgType, InputArg, Meta, Module, ModuleEntry, PathPart, RunsOn, Spec, entry};
pub use table::{MODULES, find};
pub use types::{HostPath, Mode};
