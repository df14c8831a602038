//! What a run knows: its hosts, and what has been learned about each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::{IndexMap, IndexSet};

use crate::diag::Result;
use crate::event::Stats;
use crate::value::{Key, Map, StrKey, Value, insert};
use crate::vars::{Entry, Layer, Level, Origin};

/// One host as the inventory has it.
#[derive(Clone, Debug)]
pub struct HostRecord {
    /// `inventory_hostname`.
    pub name: Arc<str>,
    /// Its variables by rank: groups, group_vars, host, host_vars.
    pub layers: Vec<Layer>,
    /// Groups it is in, without `all` and `ungrouped`, sorted.
    pub groups: Vec<Arc<str>>,
    /// The file of the inventory that names it first.
    pub source: Option<std::path::PathBuf>,
    /// A task added it.
    pub added: bool,
}

/// The inventory, as the engine needs it. `add_host` and `group_by` change it.
pub trait HostList: Send + Sync {
    /// The hosts that a pattern names, in inventory order; the run's limit is applied.
    fn select(&self, pattern: &str) -> Result<Vec<Arc<str>>>;
    /// One host; the implicit `localhost` too.
    fn host(&self, name: &str) -> Option<HostRecord>;
    /// Every group with its hosts.
    fn groups(&self) -> IndexMap<Arc<str>, Vec<Arc<str>>>;
    /// Adds a host to groups, or sets its variables again; true if anything changed.
    fn add_host(&self, name: &str, groups: &[String], vars: &Map) -> Result<bool>;
    /// Puts a host into a group with parents; true if anything changed.
    fn add_to_group(&self, host: &str, group: &str, parents: &[String]) -> Result<bool>;
    /// Reads the sources again (`meta: refresh_inventory`); what was added during the run stays.
    fn refresh(&self) -> Result<()>;
    /// Folder of the (first) inventory file, for `inventory_dir`; and the file.
    fn location(&self) -> Option<std::path::PathBuf>;
    /// From now on `group_vars/` and `host_vars/` beside the playbooks of this folder count, not the last one's.
    fn enter_playbook(&self, dir: &std::path::Path) -> Result<()>;
}

/// What the run has learned about a host.
#[derive(Debug, Default)]
pub(super) struct HostState {
    /// `ansible_facts`.
    pub facts: Arc<Map>,
    /// The layer made of `facts`; made again when they change.
    pub facts_layer: Option<Layer>,
    /// Names of facts that came without `ansible_`: they are variables under their own names (`getent_passwd`).
    pub bare_facts: IndexSet<Arc<str>>,
    /// `set_fact`, `register`.
    pub set_facts: Arc<IndexMap<Arc<str>, Entry>>,
    /// `include_vars`.
    pub included: Arc<IndexMap<Arc<str>, Entry>>,
    /// Defaults and vars of roles that were included with `public: true`.
    pub exported: Vec<Layer>,
    /// What handlers of included roles see of the includes around them.
    pub handler_frames: std::collections::HashMap<crate::event::TaskId, super::scope::Frames>,
    /// Notifications that no flush has seen yet.
    pub pending: IndexSet<Arc<str>>,
    /// Handlers run.
    pub flushing: bool,
    /// Notified handlers.
    pub notified: IndexSet<crate::event::TaskId>,
    /// Counts for the recap.
    pub stats: Stats,
    /// A task failed for good; the host still runs what `always` and `force_handlers` ask for.
    pub failing: bool,
    /// How often `meta: clear_host_errors` took its failures back.
    pub clearings: u32,
    /// That count when the last failure came: one that was taken back while it is on its way out ends there.
    pub failed_at: u32,
    /// How often it was taken off the lists of this batch's hosts; a rescue puts it back once.
    pub removed: u32,
    /// Counts as failed: later plays go on without it.
    pub listed: bool,
    /// Could not be reached.
    pub unreachable: bool,
    /// Could not be reached in an earlier batch.
    pub lost: bool,
    /// Its way through the batch ended in a failure.
    pub failed: bool,
    /// The blocks around the task that it is about to begin.
    pub coming: Option<Vec<super::failures::Level>>,
    /// The blocks around the task that it last began.
    pub levels: Vec<super::failures::Level>,
    /// Takes no further part in the batch: failed, unreachable or ended.
    pub out: Option<Out>,
    /// Roles that have run to their end.
    pub roles_done: IndexSet<Arc<str>>,
    /// Roles of which a task ran: one that was skipped throughout may come again.
    pub roles_ran: IndexSet<Arc<str>>,
    /// Facts were gathered (for `gathering: smart`).
    pub gathered: bool,
    /// Facts are in `ansible_facts` only (`inject_facts_as_vars`).
    pub no_inject: bool,
}

/// Why a host takes no further part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// A task failed.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// `meta: end_host`.
    Ended,
}

/// Facts that outlive a run, by host, under the names of Ansible's `setup` (`ansible_*`).
pub trait FactCache: Send + Sync {
    /// The facts of a host, if there are any that are not too old.
    fn load(&self, host: &str) -> Option<Map>;
    /// Keeps the facts of a host.
    fn save(&self, host: &str, facts: &Map);
    /// Forgets the facts of a host.
    fn forget(&self, host: &str);
}

/// The fact that says that all facts were gathered, as Ansible keeps it.
const GATHERED: &str = "_ansible_facts_gathered";

/// All hosts' states, by name.
pub(super) struct States {
    cache: Option<Arc<dyn FactCache>>,
    inject_facts: bool,
    hosts: Mutex<BTreeMap<Arc<str>, Arc<Mutex<HostState>>>>,
    /// Counts of the playbooks before this one.
    pub earlier: Mutex<BTreeMap<String, Stats>>,
    /// Values of `set_stats`, by host; `_run` for the run as a whole.
    pub custom: Mutex<BTreeMap<String, Map>>,
}

impl States {
    /// No host yet; `cache` keeps facts between runs.
    pub fn new(cache: Option<Arc<dyn FactCache>>, inject_facts: bool) -> Self {
        Self { cache, inject_facts, hosts: Mutex::default(), earlier: Mutex::default(), custom: Mutex::default() }
    }

    /// The state of a host, made when first asked for, with the facts that are kept of it.
    pub fn get(&self, host: &Arc<str>) -> Arc<Mutex<HostState>> {
        let mut hosts = lock(&self.hosts);
        Arc::clone(hosts.entry(Arc::clone(host)).or_insert_with(|| {
            let mut state = HostState { no_inject: !self.inject_facts, ..HostState::default() };
            if let Some(mut facts) = self.cache.as_ref().and_then(|cache| cache.load(host)) {
                state.gathered = facts.shift_remove(&StrKey(GATHERED)).is_some_and(|value| value.truthy());
                state.merge_facts(&facts);
            }
            Arc::new(Mutex::new(state))
        }))
    }

    /// Keeps a host's facts for later runs.
    pub fn keep_facts(&self, host: &str, state: &HostState) {
        let Some(cache) = &self.cache else { return };
        let mut facts: Map = state
            .facts
            .iter()
            .map(|(key, value)| {
                let short = key.text();
                let plain = short.starts_with("ansible_") || state.bare_facts.contains(&short);
                let name = if plain { short } else { format!("ansible_{short}").into() };
                (Key::Str(name), value.clone())
            })
            .collect();
        if state.gathered {
            insert(&mut facts, GATHERED, true);
        }
        cache.save(host, &facts);
    }

    /// Forgets what is known of a host by facts.
    pub fn clear_facts(&self, host: &Arc<str>) {
        let state = self.get(host);
        let mut state = lock(&state);
        state.facts = Arc::default();
        state.bare_facts.clear();
        state.facts_layer = None;
        state.gathered = false;
        if let Some(cache) = &self.cache {
            cache.forget(host);
        }
    }

    /// Goes through the states of all hosts.
    pub fn each<T>(&self, mut all: T, mut with: impl FnMut(&mut T, &mut HostState)) -> T {
        lock(&self.hosts).values().for_each(|state| with(&mut all, &mut lock(state)));
        all
    }

    /// The hosts that later plays would leave out, by name.
    pub fn failed(&self) -> Vec<String> {
        let of = |(name, state): (&Arc<str>, &Arc<Mutex<HostState>>)| {
            let state = lock(state);
            (state.listed || state.unreachable || state.lost).then(|| name.to_string())
        };
        let mut names: Vec<String> = lock(&self.hosts).iter().filter_map(of).collect();
        names.sort_unstable();
        names
    }

    /// The counts of all hosts that took part.
    pub fn stats(&self) -> BTreeMap<String, Stats> {
        let mut all = lock(&self.earlier).clone();
        for (name, state) in lock(&self.hosts).iter() {
            let stats = lock(state).stats;
            if stats != Stats::default() {
                all.entry(name.to_string()).or_default().add(&stats);
            }
        }
        all
    }
}

/// Locks; a panic elsewhere does not make the data unusable here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HostState {
    /// Merges facts (`ansible_facts` of a result): new keys replace old ones.
    pub fn merge_facts(&mut self, facts: &Map) {
        let all = Arc::make_mut(&mut self.facts);
        for (key, value) in facts {
            let name: Arc<str> = match key.as_str().and_then(|name| name.strip_prefix("ansible_")) {
                Some(short) if key.as_str() != Some("ansible_local") => short.into(),
                _ => key.text(),
            };
            let bare = key.as_str().is_some_and(|name| !name.starts_with("ansible_"));
            if bare {
                self.bare_facts.insert(Arc::clone(&name));
            } else {
                self.bare_facts.shift_remove(&name);
            }
            all.insert(Key::Str(name), value.clone());
        }
        self.facts_layer = None;
    }

    /// The facts as variables: `ansible_facts` and each as `ansible_NAME`. Names that are
    /// connection settings are not injected: facts never steer the connection.
    pub fn facts_layer(&mut self) -> Option<Layer> {
        if self.facts.is_empty() {
            return None;
        }
        if self.facts_layer.is_none() {
            let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::with_capacity(self.facts.len() + 1);
            for (key, value) in self.facts.iter() {
                let short = key.text();
                let plain = short.starts_with("ansible_") || self.bare_facts.contains(&short);
                let name: Arc<str> = if plain { short } else { format!("ansible_{short}").into() };
                let injected = !self.no_inject || &*name == "ansible_local";
                if injected && !is_connection_setting(&name) {
                    entries.insert(name, Entry::Data(value.clone(), None));
                }
            }
            entries.insert("ansible_facts".into(), Entry::Data(Value::Map(Arc::clone(&self.facts)), None));
            self.facts_layer = Some(Layer {
                origin: Origin { level: Level::Facts, name: "facts".into() },
                entries: Arc::new(entries),
            });
        }
        self.facts_layer.clone()
    }

    /// Sets a variable as `set_fact` and `register` do.
    pub fn set(&mut self, name: &str, entry: Entry) {
        Arc::make_mut(&mut self.set_facts).insert(name.into(), entry);
    }
}

/// Variables that steer connection or become: never taken from facts.
pub(super) fn is_connection_setting(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "ansible_connection",
        "ansible_host",
        "ansible_port",
        "ansible_user",
        "ansible_password",
        "ansible_private_key_file",
        "ansible_remote_tmp",
        "ansible_shell_type",
        "ansible_shell_executable",
        "ansible_host_key_checking",
        // A setting, and no key of the host's as other names that begin like this.
        "ansible_ssh_host_key_checking",
        "ansible_timeout",
        "hostctl_host_key",
    ];
    NAMES.contains(&name)
        || name.starts_with("ansible_ssh_") && !name.starts_with("ansible_ssh_host_key_")
        || ["ansible_become", "ansible_sudo_", "ansible_su_"].iter().any(|start| name.starts_with(start))
        || name.starts_with("ansible_") && name.ends_with("_interpreter")
}

/// A fixed list of hosts: `-i host,` lists and tests.
#[derive(Default)]
pub struct StaticHosts {
    inner: Mutex<IndexMap<Arc<str>, HostRecord>>,
}

impl StaticHosts {
    /// Hosts without variables.
    pub fn new(names: &[&str]) -> Self {
        let inner = names
            .iter()
            .map(|name| {
                let name: Arc<str> = Arc::from(*name);
                (
                    Arc::clone(&name),
                    HostRecord { name, layers: Vec::new(), groups: Vec::new(), source: None, added: false },
                )
            })
            .collect();
        Self { inner: Mutex::new(inner) }
    }
}

impl HostList for StaticHosts {
    fn select(&self, pattern: &str) -> Result<Vec<Arc<str>>> {
        let hosts = lock(&self.inner);
        Ok(hosts
            .values()
            .filter(|host| {
                pattern == "all"
                    || pattern.split([',', ':']).any(|part| {
                        part.trim() == &*host.name || host.groups.iter().any(|group| &**group == part.trim())
                    })
            })
            .map(|host| Arc::clone(&host.name))
            .collect())
    }

    fn host(&self, name: &str) -> Option<HostRecord> {
        lock(&self.inner).get(name).cloned()
    }

    fn groups(&self) -> IndexMap<Arc<str>, Vec<Arc<str>>> {
        let hosts = lock(&self.inner);
        let mut groups: IndexMap<Arc<str>, Vec<Arc<str>>> = IndexMap::new();
        groups.insert("all".into(), hosts.keys().cloned().collect());
        for host in hosts.values() {
            for group in &host.groups {
                groups.entry(Arc::clone(group)).or_default().push(Arc::clone(&host.name));
            }
        }
        groups
    }

    fn add_host(&self, name: &str, groups: &[String], vars: &Map) -> Result<bool> {
        let mut hosts = lock(&self.inner);
        let name: Arc<str> = name.into();
        let record = HostRecord {
            name: Arc::clone(&name),
            layers: vec![Layer::data(
                Level::InventoryHost,
                "add_host",
                vars.iter().map(|(key, value)| (key.text(), value.clone())),
            )],
            groups: groups.iter().map(|group| Arc::from(group.as_str())).collect(),
            source: None,
            added: true,
        };
        Ok(hosts.insert(name, record).is_none())
    }

    fn add_to_group(&self, host: &str, group: &str, _parents: &[String]) -> Result<bool> {
        let mut hosts = lock(&self.inner);
        let Some(record) = hosts.get_mut(host) else { return Ok(false) };
        let group: Arc<str> = group.into();
        if record.groups.contains(&group) {
            return Ok(false);
        }
        record.groups.push(group);
        Ok(true)
    }

    fn enter_playbook(&self, _dir: &std::path::Path) -> Result<()> {
        Ok(())
    }

    fn refresh(&self) -> Result<()> {
        Ok(())
    }

    fn location(&self) -> Option<std::path::PathBuf> {
        None
    }
}
