//! A whole run: plays in order, batches of hosts, the recap and the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use indexmap::{IndexMap, IndexSet};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::person::Person;
use super::play::PlayRun;
use super::state::{FactCache, HostList, States, lock};
use super::target::Targets;
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::event::{EventKind, Sink, Stats};
use crate::playbook::{Action, Context, DynamicUse, Item, Loader, ModuleUse, Playbook, RoleFrom, RoleUse};
use crate::secret::Redactor;
use crate::template::Templates;
use crate::value::Value;
use crate::vars::Layer;
use crate::yaml::Node;

/// What the engine asks of the loader while a run goes on.
pub trait Loads: Send + Sync {
    /// The tasks of a file that `include_tasks` names, searched from `context`.
    fn include_tasks(&self, name: &str, context: &Arc<Context>, file: &Path, handler: bool) -> Result<Vec<Item>>;
    /// A role that `include_role` names.
    fn include_role(&self, name: &str, from: &RoleFrom, context: &Arc<Context>, file: &Path) -> Result<RoleUse>;
    /// What a task does whose module's name was a template, once that was rendered to `text`.
    fn resolve(&self, found: &DynamicUse, text: &str, context: &Arc<Context>, file: &Path) -> Result<Action>;
    /// A variable file: one mapping.
    fn vars_file(&self, path: &Path) -> Result<Node>;
    /// A file of `vars_files`: one mapping or a list of them.
    fn vars_files_entry(&self, path: &Path) -> Result<Node>;
    /// True if an entry of `module_defaults` is for a module in a context.
    fn defaults_apply(&self, key: &str, module: &ModuleUse, context: &Context) -> bool;
    /// Whether plays see the variables of roles, if the configuration says so.
    fn public_roles(&self) -> Option<bool>;
}

impl Loads for Loader {
    fn include_tasks(&self, name: &str, context: &Arc<Context>, file: &Path, handler: bool) -> Result<Vec<Item>> {
        Self::include_tasks(self, name, context, file, handler)
    }

    fn include_role(&self, name: &str, from: &RoleFrom, context: &Arc<Context>, file: &Path) -> Result<RoleUse> {
        Self::include_role(self, name, from, context, file)
    }

    fn resolve(&self, found: &DynamicUse, text: &str, context: &Arc<Context>, file: &Path) -> Result<Action> {
        Self::resolve(self, found, text, context, file)
    }

    fn vars_file(&self, path: &Path) -> Result<Node> {
        Self::vars_file(self, path)
    }

    fn vars_files_entry(&self, path: &Path) -> Result<Node> {
        Self::vars_files_entry(self, path)
    }

    fn defaults_apply(&self, key: &str, module: &ModuleUse, context: &Context) -> bool {
        Self::defaults_apply(self, key, module, context)
    }

    fn public_roles(&self) -> Option<bool> {
        Self::public_roles(self)
    }
}

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts worked on at the same time.
    pub forks: usize,
    /// Check mode.
    pub check: bool,
    /// Show diffs.
    pub diff: bool,
    /// Files of more bytes are not put into diffs; 0: all are.
    pub diff_limit: u64,
    /// `--tags`; empty means all.
    pub tags: Vec<String>,
    /// `--skip-tags`
    pub skip_tags: Vec<String>,
    /// The inventories as they were named, paths absolute, for `ansible_inventory_sources`.
    pub inventory: Vec<String>,
    /// `--limit`, for `ansible_limit`.
    pub limit: Option<String>,
    /// `--start-at-task`
    pub start_at_task: Option<String>,
    /// `--step`
    pub step: bool,
    /// `--force-handlers`
    pub force_handlers: bool,
    /// Verbosity (`-v` count), for `ansible_verbosity`.
    pub verbosity: u8,
    /// Facts are gathered: `implicit`, `explicit` or `smart`.
    pub gathering: String,
    /// The strategy of plays that name none.
    pub strategy: String,
    /// Mappings of one name are joined instead of replaced (`hash_behaviour: merge`).
    pub hash_merge: bool,
    /// Facts are variables of their own, too (`inject_facts_as_vars`).
    pub inject_facts: bool,
    /// The debugger starts at each failure (`ANSIBLE_ENABLE_TASK_DEBUGGER`).
    pub debugger: bool,
    /// A handler that is not there is a warning.
    pub missing_handlers: bool,
    /// It leaves alone failures that are ignored (`ANSIBLE_TASK_DEBUGGER_IGNORE_ERRORS`).
    pub debugger_ignores: bool,
    /// Values of keywords that nothing in the playbook sets: `any_errors_fatal`, `no_log`, `poll`, `timeout`.
    pub keywords: IndexMap<String, Value>,
    /// Variables from `-e`, and the environment's, ready as layers.
    pub layers: Vec<Layer>,
    /// Connection settings of the command line, below variables: `connection`, `remote_user`,
    /// `private_key_file`, `become`, `become_user`, `become_method`, `timeout`, ...
    pub defaults: IndexMap<String, Value>,
    /// The one task of `ansible`, which has no tags.
    pub ad_hoc: bool,
    /// `hostctl_run`: id, time, environment, as templates see it.
    pub run_info: Value,
    /// Folder of the project, or of the playbook.
    pub project_dir: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            forks: 5,
            check: false,
            diff: false,
            diff_limit: crate::modules::DIFF_LIMIT,
            tags: Vec::new(),
            skip_tags: Vec::new(),
            inventory: Vec::new(),
            limit: None,
            start_at_task: None,
            step: false,
            force_handlers: false,
            verbosity: 0,
            gathering: "implicit".to_owned(),
            strategy: "linear".to_owned(),
            hash_merge: false,
            inject_facts: true,
            debugger: false,
            missing_handlers: false,
            debugger_ignores: true,
            keywords: IndexMap::new(),
            layers: Vec::new(),
            defaults: IndexMap::new(),
            ad_hoc: false,
            run_info: Value::empty_map(),
            project_dir: PathBuf::from("."),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The exit code.
    pub exit: ExitCode,
    /// Counts by host.
    pub stats: BTreeMap<String, Stats>,
    /// Lines of the closing block, from results (`tag`, `recorded`).
    pub notes: Vec<(String, String)>,
    /// Values of `set_stats` by host; `_run` for the run as a whole.
    pub custom_stats: BTreeMap<String, crate::value::Map>,
    /// Hosts to go on with: the content of a retry file.
    pub failed_hosts: Vec<String>,
}

/// What a run is put together from.
pub struct Parts {
    /// Renders.
    pub templates: Arc<Templates>,
    /// Hosts.
    pub hosts: Arc<dyn HostList>,
    /// Ways to hosts.
    pub targets: Arc<dyn Targets>,
    /// Loads files at run time.
    pub loader: Arc<dyn Loads>,
    /// Takes events.
    pub sink: Sink,
    /// Learns secrets.
    pub redactor: Arc<Redactor>,
    /// Ends the run.
    pub cancel: CancellationToken,
    /// Where facts are kept between runs.
    pub fact_cache: Option<Arc<dyn FactCache>>,
    /// Who may be asked.
    pub person: Arc<dyn Person>,
}

/// Everything that a run shares between hosts.
pub struct Engine {
    /// Settings.
    pub options: Options,
    /// Renders.
    pub templates: Arc<Templates>,
    /// Hosts.
    pub hosts: Arc<dyn HostList>,
    /// Ways to hosts.
    pub targets: Arc<dyn Targets>,
    /// Loads files at run time.
    pub loader: Arc<dyn Loads>,
    /// Takes events.
    pub sink: Sink,
    /// Learns secrets (`become` passwords).
    pub redactor: Arc<Redactor>,
    /// Ends the run.
    pub cancel: CancellationToken,
    /// Who may be asked.
    pub person: Arc<dyn Person>,
    /// One question at a time.
    pub(super) asking: tokio::sync::Mutex<()>,
    /// Each task is confirmed (`--step`), until a person lets all of them go.
    pub(super) stepping: AtomicBool,
    pub(super) states: States,
    pub(super) warned: Mutex<IndexSet<String>>,
    pub(super) forks: Arc<Semaphore>,
    pub(super) started: AtomicBool,
    /// What the last batch came to.
    pub(super) exit: Mutex<ExitCode>,
    pub(super) notes: Mutex<Vec<(String, String)>>,
    /// What no message may show.
    pub(super) hidden: Mutex<super::hidden::Hidden>,
    /// Work on a host was left before its end.
    pub(super) left_work: AtomicBool,
}

impl Engine {
    /// An engine for one run.
    pub fn new(options: Options, parts: Parts) -> Arc<Self> {
        let inject_facts = options.inject_facts;
        let forks = Arc::new(Semaphore::new(options.forks.clamp(1, Semaphore::MAX_PERMITS)));
        let started = AtomicBool::new(options.start_at_task.is_none());
        let stepping = AtomicBool::new(options.step);
        let Parts { templates, hosts, targets, loader, sink, redactor, cancel, person, fact_cache } = parts;
        let (told, warnings) = (Mutex::new(IndexSet::new()), sink.clone());
        let tells = templates.tells_deprecations();
        templates.on_warning(Box::new(move |diagnostic| {
            let Some(diagnostic) = super::heard::hear(diagnostic).filter(|warning| tells || !warning.is_deprecation())
            else {
                return;
            };
            let key = format!("{}{:?}", diagnostic.message, diagnostic.span());
            if lock(&told).insert(key) {
                warnings.emit(None, EventKind::Warning { diagnostic });
            }
        }));
        Arc::new(Self {
            options,
            templates,
            hosts,
            targets,
            loader,
            sink,
            redactor,
            cancel,
            states: States::new(fact_cache, inject_facts),
            person,
            asking: tokio::sync::Mutex::default(),
            stepping,
            warned: Mutex::default(),
            forks,
            started,
            exit: Mutex::new(ExitCode::Ok),
            notes: Mutex::default(),
            hidden: Mutex::default(),
            left_work: AtomicBool::new(false),
        })
    }

    /// True if work that outlives its link was left before its end.
    pub fn left_work(&self) -> bool {
        self.left_work.load(std::sync::atomic::Ordering::Acquire)
    }

    /// What playbooks before this one came to, on the same command line: the recap adds it up.
    pub fn count_from(&self, counts: BTreeMap<String, Stats>) {
        *lock(&self.states.earlier) = counts;
    }

    /// Runs all plays. Emits everything between `RunStarted` and the recap.
    pub async fn run(self: &Arc<Self>, playbook: &Playbook) -> Summary {
        let mut fatal = None;
        let of = playbook.plays.len();
        for (index, play) in playbook.plays.iter().enumerate() {
            if self.cancel.is_cancelled() {
                break;
            }
            match PlayRun::run(self, play, index + 1, of).await {
                Ok(go_on) => {
                    if !go_on {
                        break;
                    }
                }
                Err(diagnostic) => {
                    fatal = Some(diagnostic.kind.exit_code());
                    self.sink.emit(None, EventKind::Error { diagnostic });
                    break;
                }
            }
        }
        if let (false, Some(name)) = (self.started.load(Ordering::Relaxed), &self.options.start_at_task) {
            self.sink.emit(
                None,
                EventKind::Warning {
                    diagnostic: Diagnostic::source("R0301", format!("no task is named `{name}`, so nothing was run"))
                        .with_registered(format!(
                            "No matching task \"{name}\" found. Note: --start-at-task can only follow static includes."
                        ))
                        .warning(),
                },
            );
        }
        let stats = self.states.stats();
        self.sink.emit(None, EventKind::Recap { stats: stats.clone(), failed: self.states.failed() });
        let exit = if self.cancel.is_cancelled() {
            ExitCode::Interrupted
        } else if let Some(code) = fatal {
            code
        } else {
            // What the last batch came to, as with Ansible.
            *lock(&self.exit)
        };
        let failed_hosts = stats
            .iter()
            .filter(|(_, host)| host.failed > 0 || host.unreachable > 0)
            .map(|(name, _)| name.clone())
            .collect();
        let custom_stats = lock(&self.states.custom).clone();
        Summary { exit, stats, custom_stats, notes: lock(&self.notes).clone(), failed_hosts }
    }

    /// Emits a warning; the same text is told once.
    pub(super) fn warn_once(&self, host: Option<&Arc<str>>, diagnostic: Diagnostic) {
        let key = format!("{}{:?}", diagnostic.message, diagnostic.span());
        if lock(&self.warned).insert(key) {
            self.sink.emit(host, EventKind::Warning { diagnostic: diagnostic.warning() });
        }
    }
}
