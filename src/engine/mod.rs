//! Runs plays: the schedule, one interpreter a host, tasks against a target.
//!
//! Knows nothing of terminals, ssh or files of a run: it emits events, asks [`Targets`] for
//! hosts and [`Loads`] for files. `run` walks plays and batches, `schedule` keeps hosts in
//! step, `interp` walks one host through blocks and handlers, `task` runs one task.

mod arguments;
mod backends;
mod builtin;
mod conditions;
mod connect;
mod context_tree;
mod custom_stats;
mod debugger;
mod facts;
mod failures;
mod fetch;
mod heard;
mod hidden;
mod include;
mod include_vars;
mod inputs;
mod interp;
mod invoke;
mod jobs;
mod judge;
mod limits;
mod lookup;
mod loops;
mod managed;
mod meta;
mod outlive;
mod patterns;
mod pause;
mod person;
mod play;
mod prompts;
mod reconnect;
mod reserved;
mod result;
mod run;
mod schedule;
mod scope;
mod settle;
mod shown;
mod source_tree;
mod state;
mod step;
mod sweep;
mod target;
mod task;
mod vars_files;

pub use lookup::{ControllerFiles, Settings, Unseal};
pub use patterns::PlayHosts;
pub use person::{Answer, Nobody, Person, Question, Until};
pub use run::{Engine, Loads, Options, Parts, Summary};
pub use state::{FactCache, HostList, HostRecord, StaticHosts};
pub use target::{Become, Target, TargetSpec, Targets, unheard};
