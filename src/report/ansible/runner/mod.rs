//! What ansible-runner (and with it AWX and ansible-navigator) reads: its `awx_display` callback, around any other.
//!
//! Each event goes into a file of `job_events`; escape sequences on standard output say which text belongs to it. What
//! is shown comes from the callback inside, which gets the events in the order in which they are told here.

mod data;
mod host;
mod reporter;
mod text;

pub use data::RunnerOptions;
pub use reporter::Runner;
pub use text::Captured;

#[cfg(test)]
pub(super) mod testing {
    use crate::event::{Done, Status};
    use crate::value::Map;

    /// The end of a task, with nothing but this.
    pub(in crate::report::ansible) fn done(status: Status, result: Map) -> Done {
        Done {
            status,
            result,
            changes: Vec::new(),
            reason: None,
            diffs: Vec::new(),
            diagnostic: None,
            ignored: false,
            rescued: false,
            verbose: false,
            seconds: 0.0,
            delegate: None,
            arguments: None,
            no_log: false,
        }
    }
}
