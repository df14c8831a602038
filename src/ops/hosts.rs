//! The inventory as the engine asks for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::engine::{HostList, HostRecord, StaticHosts};
use crate::value::Map;
use crate::vault::Keyring;

/// The inventories of a run, limited.
pub(super) struct InventoryHosts {
    hosts: StaticHosts,
}

impl InventoryHosts {
    pub fn load(
        inventories: &[String],
        _playbook_dir: &Path,
        _limit: Option<&str>,
        _sources: &SourceMap,
        _keyring: &Keyring,
    ) -> Result<Self> {
        let names: Vec<&str> =
            inventories.iter().flat_map(|list| list.split(',')).filter(|name| !name.is_empty()).collect();
        Ok(Self { hosts: StaticHosts::new(if names.is_empty() { &["localhost"] } else { &names }) })
    }

    pub fn warnings(&self) -> Vec<Diagnostic> {
        Vec::new()
    }
}

impl HostList for InventoryHosts {
    fn select(&self, pattern: &str) -> Result<Vec<Arc<str>>> {
        self.hosts.select(pattern)
    }

    fn host(&self, name: &str) -> Option<HostRecord> {
        self.hosts.host(name)
    }

    fn groups(&self) -> IndexMap<Arc<str>, Vec<Arc<str>>> {
        self.hosts.groups()
    }

    fn add_host(&self, name: &str, groups: &[String], vars: &Map) -> Result<bool> {
        self.hosts.add_host(name, groups, vars)
    }

    fn add_to_group(&self, host: &str, group: &str, parents: &[String]) -> Result<bool> {
        self.hosts.add_to_group(host, group, parents)
    }

    fn location(&self) -> Option<PathBuf> {
        self.hosts.location()
    }
}
