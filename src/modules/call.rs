//! What crosses between engine and target: calls, their inputs, outcomes and failures.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diag::Diagnostic;
use crate::event::Diff;
use crate::image::SentFrom;
use crate::system::git_source::GitFacts;
use crate::value::Map;

/// One invocation of a module on a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The module's table name (`copy`).
    pub module: String,
    /// Arguments after [`super::Spec::coerce`].
    pub args: serde_json::Value,
    /// Check mode: nothing may change.
    pub check: bool,
    /// Diffs are wanted.
    pub diff: bool,
    /// Files of more bytes are not put into diffs; 0: all are (`max_diff_size`).
    pub diff_limit: u64,
    /// Variables for child processes (task keyword `environment`).
    pub environment: Vec<(String, String)>,
    /// Do not log arguments or output (task keyword `no_log`).
    pub no_log: bool,
    /// Seconds until the task is ended (task keyword `timeout`).
    pub timeout: Option<u64>,
    /// Run on as a job of its own for at most so many seconds (task keyword `async`), and answer at once with
    /// `ansible_job_id`. Its result goes to a file that `async_status` reads, in the folder that the variable
    /// `ANSIBLE_ASYNC_DIR` of `environment` names, else `~/.ansible_async`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detach: Option<u64>,
    /// Run in a process of its own that outlives the link, or come back to the one of this name that runs already or
    /// has ended. Unlike [`Call::detach`] the answer is the module's own, at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlives: Option<Outlives>,
    /// Secrets of the run by their variables' names: masked in what a build writes on the host, and searched for in
    /// images. Only for modules whose table entry asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<(String, String)>,
    /// Where the folder that goes with it lies on the controller. Only for modules whose work outlives its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_from: Option<SentFrom>,
    /// Who asks. Only for modules whose table entry asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<AskedBy>,
    /// Files of the controller that the module needs, by the argument's name.
    pub inputs: Vec<Input>,
}

/// Which process outlives its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlives {
    /// Its name on the host: the run, and the task in it.
    pub id: String,
    /// How many of its events were seen before.
    pub seen: u64,
    /// Whoever asks has not asked before: one of this name that has ended is begun anew.
    pub fresh: bool,
}

/// The run that a call is of, and its controller's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedBy {
    /// The run's id.
    pub run: String,
    /// The controller's clock when the call was sent, in seconds since 1970.
    pub clock: i64,
    /// The host's clock when the call came; `None` on the way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<i64>,
}

/// Ansible's own limit for files in diffs, in bytes.
pub const DIFF_LIMIT: u64 = 104_448;

impl Call {
    /// A call with its arguments and nothing else.
    pub fn new(module: &str, args: serde_json::Value) -> Self {
        Self {
            module: module.to_owned(),
            args,
            check: false,
            diff: false,
            diff_limit: DIFF_LIMIT,
            environment: Vec::new(),
            no_log: false,
            timeout: None,
            detach: None,
            outlives: None,
            masked: Vec::new(),
            sent_from: None,
            asked_by: None,
            inputs: Vec::new(),
        }
    }
}

/// A controller file, rendered template or tree that goes with a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The argument it stands for (`src`).
    pub arg: String,
    /// Its files. A single file or template has one entry with an empty `path`.
    pub entries: Vec<TreeEntry>,
    /// `src` was a directory.
    pub is_tree: bool,
    /// Name of the source's last path component, for `dest` folders.
    pub basename: String,
    /// `src` ended with a slash: the content of the folder, not the folder.
    pub contents_only: bool,
    /// The git repository around the folder (its path is empty) and those in it, by their paths below it; only where
    /// the module asks for them (`Meta::repositories`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<(String, GitFacts)>,
}

/// One file or folder of an [`Input`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Relative path; empty for a single file.
    pub path: String,
    /// Permission bits on the controller.
    pub mode: u32,
    /// What it is.
    pub kind: InputKind,
}

/// File, folder or link.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A file: its content is asked for only if the module needs it.
    File {
        /// Hex SHA-1, as Ansible's results have it.
        sha1: String,
        /// Hex SHA-256: the blob's name on the wire.
        sha256: String,
        /// Bytes.
        size: u64,
        /// Where the controller has it. Not sent.
        #[serde(skip)]
        source: Option<BlobSource>,
    },
    /// A folder.
    Dir,
    /// A symbolic link and its target.
    Link {
        /// The target.
        target: String,
    },
}

/// Where the controller keeps a blob until the host asks for it.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// In a file.
    File(PathBuf),
    /// In memory (a rendered template, `content`).
    Memory(Arc<[u8]>),
}

/// A blob on the host. Only to be read: it is kept for the run, and with `connection: local` the
/// file is the user's own.
#[derive(Clone, Debug)]
pub enum Blob {
    /// Small, in memory.
    Memory(Arc<[u8]>),
    /// In a private file of the agent's own folder.
    File(PathBuf),
}

/// How a module's call ended well.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Something changed (in check mode: would change).
    pub changed: bool,
    /// The module did not do its work (`creates` exists, check mode of `command`).
    pub skipped: bool,
    /// The result's keys beside `changed` (`rc`, `stdout`, `msg`, ...).
    pub result: Map,
    /// What was changed, a few words each.
    pub changes: Vec<String>,
    /// Before and after.
    pub diffs: Vec<Diff>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// How a module's call failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub diagnostic: Diagnostic,
    /// The result's keys all the same (`rc`, `stderr`, ...); `msg` is added from the diagnostic.
    pub result: Map,
    /// What had been changed before it failed.
    pub changed: bool,
    /// Before and after of what had been changed.
    pub diffs: Vec<Diff>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, result: Map::new(), changed: false, diffs: Vec::new(), warnings: Vec::new() }
    }
}

impl Failure {
    /// A failure with result keys.
    pub fn with_result(diagnostic: Diagnostic, result: Map) -> Self {
        Self { result, ..Self::from(diagnostic) }
    }
}
