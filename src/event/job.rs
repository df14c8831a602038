//! Jobs that tasks wait for, as events tell of them.

use serde::{Deserialize, Serialize};

/// What a look at a job showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It goes on.
    Running,
    /// It ended well.
    Done,
    /// It failed, or took too long.
    Failed,
}
