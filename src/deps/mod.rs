//! Roles and collections that a project takes from elsewhere: `requirements.yml` and its lock.
//!
//! Sources are git repositories (fetched by the git program), archives and folders. What is found is pinned in a lock
//! file beside the requirements and put into the folders that playbooks search. No Galaxy server is ever asked.

mod archive;
mod collection;
mod fetch;
mod git;
mod install;
mod lock;
mod ranges;
mod requirements;
mod resolve;
mod role;
mod source;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::secret::Redactor;

pub use lock::{lock_path, locked_names};

/// A role or a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    /// A role.
    Role,
    /// A collection.
    Collection,
}

impl Sort {
    /// `role` or `collection`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Collection => "collection",
        }
    }
}

/// What is to be installed, and where.
pub struct Request<'a> {
    /// The requirements file.
    pub file: &'a Path,
    /// Where roles go.
    pub roles_path: PathBuf,
    /// Where collections go: the folder that holds `ansible_collections`.
    pub collections_path: PathBuf,
    /// All folders that playbooks search for roles.
    pub search_roles: Vec<PathBuf>,
    /// All folders that playbooks search for collections.
    pub search_collections: Vec<PathBuf>,
    /// How the lock is treated.
    pub mode: Mode,
    /// Dependencies are left out.
    pub no_deps: bool,
    /// Folders that were not made by hostctl, or changed since, are replaced.
    pub force: bool,
    /// What frames show of files.
    pub sources: &'a Arc<SourceMap>,
    /// Learns the credentials of addresses.
    pub redactor: &'a Redactor,
    /// Hears what takes time.
    pub tell: &'a dyn Fn(&str),
}

/// How the lock is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What the lock pins is taken as pinned, the rest is looked up and pinned.
    Install,
    /// The lock must fit as it is.
    Locked,
    /// These names (all, if there are none) are looked up anew.
    Update(Vec<String>),
}

/// What became of one role or collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Installed,
    /// Another content was there.
    Replaced,
    /// It was there as pinned.
    Present,
    /// It was there already, and nobody says where to get it.
    Found,
}

/// One role or collection with what became of it.
#[derive(Clone, Debug)]
pub struct Done {
    /// Role or collection.
    pub sort: Sort,
    /// Its name.
    pub name: String,
    /// Where it comes from, without credentials.
    pub source: String,
    /// The version that was asked for, or that it says it has.
    pub version: String,
    /// Commit or checksum.
    pub pin: String,
    /// Its folder.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
}

/// The end of an installation.
#[derive(Debug)]
pub struct Finished {
    /// All roles and collections, dependencies after what needs them.
    pub done: Vec<Done>,
    /// The lock file.
    pub lock: PathBuf,
    /// The lock was written.
    pub lock_written: bool,
    /// What was odd.
    pub warnings: Vec<Diagnostic>,
}

/// Installs what a requirements file asks for. Nothing is replaced before everything has been fetched.
pub fn install(request: &Request<'_>) -> Result<Finished, Vec<Diagnostic>> {
    let mut warnings = Vec::new();
    let wanted = requirements::read(request, &mut warnings)?;
    let one = |error: Diagnostic| vec![error];
    let lock_file = lock_path(request.file);
    let old = lock::read(&lock_file, request.sources).map_err(one)?;
    let fetcher = fetch::Fetcher::new(request, &wanted);
    let mut resolved = resolve::resolve(request, &fetcher, wanted, old.as_ref())?;
    warnings.append(&mut resolved.warnings);
    let done = install::install(request, &fetcher, &resolved.chosen, &mut warnings)?;
    let text = lock::text(&resolved.chosen, request.no_deps).map_err(one)?;
    let lock_written = request.mode != Mode::Locked && old.is_none_or(|old| old.text != text);
    if lock_written {
        lock::write(&lock_file, &text).map_err(one)?;
    }
    Ok(Finished { done, lock: lock_file, lock_written, warnings })
}
