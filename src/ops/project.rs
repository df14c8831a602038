//! What a command works in: project, environment, inventory, vault keys, variables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::read::read_source_text;
use crate::diag::{Diagnostic, Kind, Result, SourceMap, Subject};
use crate::engine::ControllerFiles;
use crate::environment::{Environment, Project};
use crate::inventory::{InventorySource, OddGroups, ReadOptions, Reader};
use crate::playbook::{Loader, LoaderOptions, SettingUse};
use crate::secret::{Redactor, Secret};
use crate::template::Templates;
use crate::vars::{Entry, Layer, Scope};
use crate::vault::{Ask, Keyring};

use super::hosts::InventoryHosts;
use super::vault_passwords::{PasswordSource, read_passwords};

/// What becomes of something questionable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing is said.
    Ignore,
    /// A warning.
    #[default]
    Warn,
    /// An error.
    Error,
}

impl Policy {
    /// As settings spell it.
    pub fn parse(text: &str) -> Self {
        match text {
            "ignore" => Self::Ignore,
            "error" => Self::Error,
            _ => Self::Warn,
        }
    }

    /// The warning as this has it, if anything is to be said.
    pub(super) fn apply(self, mut diagnostic: Diagnostic) -> Option<Diagnostic> {
        match self {
            Self::Ignore => None,
            Self::Warn => Some(diagnostic.warning()),
            Self::Error => {
                diagnostic.severity = crate::diag::Severity::Error;
                Some(diagnostic)
            }
        }
    }
}

/// Which project, environment, inventory and keys.
#[derive(Clone, Default)]
pub struct ProjectRequest {
    /// `--env`
    pub env: Option<String>,
    /// `--project`
    pub project: Option<PathBuf>,
    /// `-i`
    pub inventory: Vec<String>,
    /// `--limit`
    pub limit: Option<String>,
    /// `-e`
    pub extra_vars: Vec<String>,
    /// How they are read.
    pub extra_form: super::ExtraVars,
    /// Values that no output may hold, as variables that outrank those of `extra_vars`; never rendered.
    pub secret_vars: Vec<(String, Secret)>,
    /// `--identity`, or the user's own.
    pub identity: Option<PathBuf>,
    /// The user's configuration folder, for the identity that is there by default.
    pub config_dir: Option<PathBuf>,
    /// The user's own ssh keys, for vaults that are sealed for one of them.
    pub ssh_keys: Vec<PathBuf>,
    /// Passwords of Ansible's vault by id.
    pub passwords: Vec<(String, PasswordSource)>,
    /// Only a password with the id of a vault text opens it; the id of a text that has none.
    pub match_ids: Option<String>,
    /// A file with the passphrase of `secrets.yml`.
    pub passphrase_file: Option<PathBuf>,
    /// Asks for a passphrase.
    pub ask: Option<Ask>,
    /// Folders with roles, from `ANSIBLE_ROLES_PATH` and the usual places.
    pub roles_path: Vec<PathBuf>,
    /// Folders with collections.
    pub collections_path: Vec<PathBuf>,
    /// Folders with modules of one's own that go before those of playbooks (`-M`).
    pub module_path: Vec<PathBuf>,
    /// Folders with modules of one's own that come last, from `ANSIBLE_LIBRARY`.
    pub library: Vec<PathBuf>,
    /// Folders with plugins besides those of playbooks and roles, by their kind.
    pub plugin_path: Vec<(&'static str, PathBuf)>,
    /// Settings and options that name plugins.
    pub plugin_names: Vec<SettingUse>,
    /// What `private_role_vars` says, if it was set: whether plays see the variables of roles.
    pub public_roles: Option<bool>,
    /// Where records of runs are kept; default: the project's folder, or the working folder.
    pub state_dir: Option<PathBuf>,
    /// A playbook that stands in no file: the path that means it, its name in messages, its text.
    pub given: Option<(PathBuf, String, Arc<str>)>,
    /// Mappings of one name are joined instead of replaced (`hash_behaviour: merge`).
    pub hash_merge: bool,
    /// What becomes of odd characters in names of groups.
    pub odd_groups: OddGroups,
    /// What settings say about reading inventories.
    pub read: ReadOptions,
    /// No inventory source could be read: an error.
    pub unparsed_is_failed: bool,
    /// A key that stands twice in a mapping.
    pub duplicate_keys: Policy,
    /// A handler that is not there is no error (`ANSIBLE_ERROR_ON_MISSING_HANDLER`).
    pub missing_handlers: bool,
    /// What is no keyword of an include is passed over with a warning (`invalid_task_attribute_failed = false`).
    pub odd_keywords: bool,
    /// Nothing is said of what ansible-core calls deprecated (`deprecation_warnings`).
    pub hide_deprecations: bool,
    /// A host pattern that matches nothing.
    pub unmatched_pattern: Policy,
    /// An inventory source that is not there or cannot be read as one.
    pub unparsed_inventory: Policy,
    /// What the `config` lookup shows.
    pub settings: Option<crate::engine::Settings>,
    /// No program is started and no address asked for it: not those of inventories and passwords, not by lookups.
    pub inert: bool,
    /// Tell that no inventory was read, and that it has no host.
    pub tell_empty: (bool, bool),
}

impl ProjectRequest {
    /// Warnings as the request wants them.
    pub(super) fn settled(&self, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
        diagnostics
            .into_iter()
            .filter_map(|diagnostic| match &*diagnostic.code {
                "Y0012" if !diagnostic.is_error() => self.duplicate_keys.apply(diagnostic),
                "P0303" if self.missing_handlers => Some(diagnostic.warning()),
                "P0102" if self.odd_keywords => Some(without_keyword(diagnostic)),
                "I0009" => self.unparsed_inventory.apply(diagnostic),
                "I0014" if !diagnostic.is_error() => self.unmatched_pattern.apply(diagnostic),
                _ if self.hide_deprecations && diagnostic.is_deprecation() => None,
                _ => Some(diagnostic),
            })
            .collect()
    }
}

/// A keyword that an include does not take, passed over. Of other tasks Ansible refuses it as a second action.
fn without_keyword(diagnostic: Diagnostic) -> Diagnostic {
    match diagnostic.subject.clone() {
        Some(Subject::OfInclude(name)) => {
            diagnostic.warning().with_registered(format!("Ignoring invalid attribute: {name}"))
        }
        _ => diagnostic,
    }
}

/// Everything that is known before a playbook is read.
pub(super) struct Opened {
    pub redactor: Arc<Redactor>,
    pub keyring: Arc<Keyring>,
    pub templates: Arc<Templates>,
    pub loader: Arc<Loader>,
    pub hosts: Arc<InventoryHosts>,
    /// The inventories as they were named, paths absolute.
    pub inventory: Vec<String>,
    /// The environment's and `-e`.
    pub layers: Vec<Layer>,
    /// Parents first, the chosen one last.
    pub environments: Vec<String>,
    /// Folder of the project, or the working folder.
    pub base: PathBuf,
    /// Where records of runs are kept.
    pub state: PathBuf,
    /// The environment's tag file.
    pub tag_file: Option<PathBuf>,
    /// What is wrong with environment and inventory files; may hold errors.
    pub problems: Vec<Diagnostic>,
    /// Settings and options that name plugins.
    pub settings: Vec<SettingUse>,
}

/// The folder that keeps `.hostctl/`: the project's, else the working folder.
pub fn state_base(project: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("HOSTCTL_STATE_DIR").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    match project {
        Some(dir) => Ok(dir.to_path_buf()),
        None => {
            let here = std::env::current_dir()
                .map_err(|error| Diagnostic::local("E0101", format!("the working folder cannot be read: {error}")))?;
            Ok(Project::discover(&here).map_or(here, |project| project.root))
        }
    }
}

/// The file of a playbook: itself, or that of a collection's playbook by its full name.
pub fn playbook_file(collections_path: &[PathBuf], name: &Path) -> PathBuf {
    if name.exists() {
        // What leads out of the working folder is named as a whole, as `playbook_dir` and all paths below it.
        let leads_out = name.components().any(|part| part == std::path::Component::ParentDir);
        return match std::path::absolute(name) {
            Ok(whole) if leads_out && name.is_relative() => crate::playbook::clean_path(&whole),
            _ => name.to_path_buf(),
        };
    }
    let options = LoaderOptions { collections_path: collections_path.to_vec(), ..LoaderOptions::new(SourceMap::new()) };
    let found = name.to_str().and_then(|text| Loader::new(options).playbook_of_collection(text, Path::new("")));
    found.unwrap_or_else(|| name.to_path_buf())
}

/// Opens what a request names. `playbook` decides where roles and `group_vars` beside it are.
/// Without `need_keys` files that Ansible's vault sealed are passed over with a warning.
pub(super) fn open(
    request: &ProjectRequest,
    playbook: &Path,
    sources: &Arc<SourceMap>,
    need_keys: bool,
) -> Result<Opened> {
    let redactor = Arc::new(Redactor::default());
    let mut keyring = Keyring::new(Arc::clone(&redactor));
    add_keys(&mut keyring, request)?;
    let keyring = Arc::new(keyring);
    let playbook_dir = playbook.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unseal: crate::playbook::Unseal = {
        let keyring = Arc::clone(&keyring);
        Arc::new(move |text| keyring.unseal(text))
    };
    let settings = request.settings.clone().unwrap_or_else(|| Arc::new(|_, _| Ok(None)));
    let files = ControllerFiles {
        base: playbook_dir.to_path_buf(),
        unseal: Arc::clone(&unseal),
        redactor: Arc::clone(&redactor),
        settings,
        inert: request.inert,
    };
    let templates = Arc::new(Templates::new(Arc::clone(sources), Arc::new(files)));
    let project = match (&request.project, &request.env) {
        (Some(dir), _) => Some(Project::at(dir)?),
        (None, Some(_)) => Some(find(playbook)?),
        (None, None) => Project::discover(playbook_dir).ok(),
    };
    let base = match &project {
        Some(project) => project.root.clone(),
        None => state_base(None)?,
    };
    let mut reader = Reader::new(sources, need_keys.then_some(&*keyring));
    reader.merge = request.hash_merge;
    reader.odd_groups = request.odd_groups;
    reader.options = request.read.clone();
    reader.options.no_programs |= request.inert;
    reader.templates = Some(&templates);
    let environment = match (&request.env, &project) {
        (Some(name), Some(project)) => Some(Environment::load(project, name, &mut reader, &keyring)?),
        _ => None,
    };
    let mut layers = Vec::new();
    let mut environments = Vec::new();
    let mut tag_file = None;
    if let Some(environment) = &environment {
        layers.extend(environment.layers.iter().cloned());
        environments.clone_from(&environment.chain);
        tag_file.clone_from(&environment.tag_file);
    }
    let options = LoaderOptions {
        project_dir: project.as_ref().map(|project| project.root.clone()),
        roles_path: request.roles_path.clone(),
        collections_path: request.collections_path.clone(),
        module_path: request.module_path.clone(),
        library: request.library.clone(),
        plugin_path: request.plugin_path.clone(),
        public_roles: request.public_roles,
        given: request.given.clone(),
        unseal,
        templates: Some(Arc::clone(&templates)),
        scope: Scope::from_layers(layers.clone()).merging(request.hash_merge),
        ..LoaderOptions::new(Arc::clone(sources))
    };
    let early = Loader::new(options.clone());
    let mut extra =
        super::extra_vars::layer(&request.extra_vars, request.extra_form, request.hash_merge, sources, &early)?;
    let entries = Arc::make_mut(&mut extra.entries);
    for (name, secret) in &request.secret_vars {
        redactor.learn(secret.expose());
        entries.insert(name.as_str().into(), Entry::Data(secret.expose().into(), None));
    }
    reader.extra = vec![extra.clone()];
    let given = reader.extra.clone();
    layers.push(extra);
    let loader = Arc::new(Loader::new(LoaderOptions {
        scope: Scope::from_layers(layers.clone()).merging(request.hash_merge),
        ..options
    }));
    let names = Arc::downgrade(&loader);
    templates.set_resolver(Box::new(move |kind, name| names.upgrade()?.plugin(kind, name, false)));
    let inventories: Vec<InventorySource> = match (&environment, request.inventory.is_empty()) {
        (_, false) => request.inventory.iter().map(|text| InventorySource::parse(text)).collect(),
        (Some(environment), true) => environment.inventories.clone(),
        // As Ansible: only the implicit localhost is there then.
        (None, true) => Vec::new(),
    };
    let mut hosts = InventoryHosts::load(&inventories, playbook_dir, request.limit.as_deref(), &mut reader)?;
    let parsed = reader.parsed;
    let mut problems = keyring.take_warnings();
    problems.extend(request.settled(reader.diagnostics));
    // As Ansible: the first inventory that must be read and cannot be ends it.
    let must = |problem: &Diagnostic| problem.code == "I0009" && problem.is_error();
    let ended = request.read.go_on.then(|| problems.iter().position(must)).flatten();
    if let Some(at) = ended {
        let mut number = 0;
        problems.retain(|problem| {
            number += 1;
            number <= at + 1 || problem.code != "I0009"
        });
    }
    if ended.is_none() && request.read.none_enabled() && !inventories.is_empty() {
        problems.retain(|problem| problem.code != "I0009");
        problems.push(
            Diagnostic::new(
                "I0015",
                Kind::Local,
                "`enable_plugins` in [inventory] leaves no plugin that could read one",
            )
            .with_registered(
                "No inventory plugins available to generate inventory, make sure you have at least one enabled.",
            )
            .with_hint("enable_plugins = host_list, script, auto, yaml, ini, toml"),
        );
    } else if ended.is_none() && request.unparsed_is_failed && parsed == 0 {
        let text = "no inventory source could be read, and `unparsed_is_failed` asks for one";
        problems.push(
            Diagnostic::new("I0015", Kind::Local, text)
                .with_registered("No inventory was parsed, please check your configuration and options."),
        );
    } else if ended.is_none() && request.tell_empty.0 && parsed == 0 {
        problems.push(
            Diagnostic::new("I0015", Kind::Usage, "no inventory was parsed, only implicit localhost is available")
                .warning(),
        );
    }
    if ended.is_none() && request.tell_empty.1 && hosts.inventory().hosts().next().is_none() {
        let text = "provided hosts list is empty, only localhost is available. \
                    Note that the implicit localhost does not match 'all'";
        problems.push(Diagnostic::new("I0016", Kind::Usage, text).warning());
    }
    // A limit is looked at when all is read.
    problems.sort_by_key(|problem| matches!(&*problem.code, "I0013" | "I0014"));
    problems.dedup_by(|a, b| a.message == b.message && a.labels == b.labels);
    hosts.set_policy(request.unmatched_pattern);
    hosts.set_files(sources, &keyring);
    hosts.set_plugins(&templates, given);
    Ok(Opened {
        redactor,
        keyring,
        templates,
        loader,
        hosts: Arc::new(hosts),
        inventory: inventories.iter().map(InventorySource::shown).collect(),
        layers,
        environments,
        state: request.state_dir.clone().unwrap_or_else(|| base.clone()),
        base,
        tag_file,
        problems,
        settings: request.plugin_names.clone(),
    })
}

/// The project that a playbook belongs to: the nearest parent of the working folder or of the
/// playbook that holds `environments/`.
fn find(playbook: &Path) -> Result<Project> {
    let here = std::env::current_dir().unwrap_or_default();
    Project::discover(&here).or_else(|error| playbook.parent().and_then(|dir| Project::discover(dir).ok()).ok_or(error))
}

pub(super) fn add_keys(keyring: &mut Keyring, request: &ProjectRequest) -> Result<()> {
    let read = |path: &Path| {
        read_source_text(path).map(Secret::new).map_err(|error| {
            Diagnostic::new("V0001", Kind::Vault, format!("the identity `{}` cannot be read: {error}", path.display()))
                .with_hint("name another with `--identity FILE`")
        })
    };
    match &request.identity {
        Some(path) => keyring.add_identities(&path.display().to_string(), &read(path)?)?,
        None => {
            if let Some(path) = request.config_dir.as_ref().map(|dir| dir.join("identity.txt"))
                && path.exists()
            {
                keyring.add_identities(&path.display().to_string(), &read(&path)?)?;
            }
            keyring.set_usual_keys(request.ssh_keys.clone());
        }
    }
    if let Some(path) = &request.passphrase_file {
        keyring.add_passphrase(passphrase_file(path)?);
    } else if let Some(ask) = &request.ask {
        keyring.set_passphrase(Arc::clone(ask));
    }
    if let Some(default) = &request.match_ids {
        keyring.match_ids(default);
    }
    let mut passwords = request.passwords.clone();
    passwords.retain(|(_, source)| !request.inert || !source.is_program());
    let (passwords, warnings) = read_passwords(&passwords, request.match_ids.as_deref())?;
    passwords.iter().for_each(|(id, password)| keyring.add_password(id, password));
    warnings.into_iter().for_each(|warning| keyring.warn(warning));
    Ok(())
}

/// The passphrase that a file holds, without its last line break. Only its owner may read the file.
pub fn passphrase_file(path: &Path) -> Result<Secret> {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong = |text: String| {
        Diagnostic::new("V0015", Kind::Vault, format!("the passphrase file `{}` {text}", path.display()))
    };
    let unread = |error: std::io::Error| {
        wrong(format!("cannot be read: {error}")).with_hint("name another with `--passphrase-file FILE`")
    };
    let meta = std::fs::metadata(path).map_err(unread)?;
    if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
        return Err(wrong("can be read by others".to_owned()).with_hint(format!("chmod 600 {}", path.display())));
    }
    let text = crate::diag::read::read_source_text(path).map_err(unread)?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(wrong("is empty".to_owned()).with_hint("write the passphrase into its first line"));
    }
    Ok(Secret::new(text))
}

/// Bytes that a program prints as a password, at most.
const LONGEST_PASSWORD: usize = 1 << 20;

/// What a password program prints; none for a file that cannot be executed. The error says what is wrong.
pub fn password_program(path: &Path) -> std::result::Result<Option<String>, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Ok(None);
    }
    let program = std::path::absolute(path).map_err(|error| error.to_string())?;
    let mut program = std::process::Command::new(program);
    let output = crate::system::printed::printed(program.stderr(std::process::Stdio::inherit()), LONGEST_PASSWORD)
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the program ended with {}", output.status));
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}
