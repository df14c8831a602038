//! What may stop or spoil a set of builds, looked at before the first one: one line each, with what to
//! type. `hostctl image doctor` shows them all; a build shows what is not `ok`.

mod engine;
mod examine;
mod firewall;
mod host;
mod line;
mod lint;
mod registry;
mod run;

pub use examine::{Examination, Examined, examine, mirror_place};
pub use host::LEAST_DISK;
pub use line::{Line, Severity};
pub use registry::controllers_clock;
pub use run::{Ask, Mirror, RegistryAsk, failure, run};

#[cfg(test)]
mod fake_engine_tests;
