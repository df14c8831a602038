//! Runs plays: the schedule, one interpreter a host, tasks against a target.
//!
//! Knows nothing of terminals, ssh or files of a run: it emits events, asks [`Targets`] for
//! hosts and [`Loads`] for files. `run` walks plays and batches, `schedule` keeps hosts in
//! step, `interp` walks one host through blocks and handlers, `task` runs one task.

mod builtin;
mod conditions;
mod connect;
mod custom_stats;
mod facts;
mod fetch;
mod include;
mod inputs;
mod interp;
mod invoke;
mod jobs;
mod lookup;
mod loops;
mod play;
mod result;
mod run;
mod schedule;
mod scope;
mod settle;
mod state;
mod target;
mod task;

pub use lookup::{ControllerFiles, Learn, Settings, Unseal};
pub use run::{Engine, Loads, Options, Parts, Summary};
pub use state::{HostList, HostRecord, StaticHosts};
pub use target::{Become, Target, TargetSpec, Targets};
