//! Runs plays: the schedule, one interpreter a host, tasks against a target.

mod target;

pub use target::{Become, Target, TargetSpec, Targets};
