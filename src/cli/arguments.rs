//! Options that several commands share: projects, inventories, variables, vaults.

use std::path::PathBuf;

use clap::Args;

use indexmap::IndexMap;

use super::output::Output;
use crate::diag::{Diagnostic, Result};
use crate::inventory::{OddGroups, ReadOptions};
use crate::ops::{Config, PasswordSource, Policy, ProjectRequest};
use crate::secret::Secret;
use crate::value::Value;

/// Values of keywords that nothing in the playbook sets.
pub(super) fn keyword_defaults(config: &Config) -> IndexMap<String, Value> {
    let mut defaults = IndexMap::new();
    for (keyword, setting) in [("any_errors_fatal", "ANY_ERRORS_FATAL"), ("no_log", "DEFAULT_NO_LOG")] {
        if config.flag(setting) {
            defaults.insert(keyword.to_owned(), Value::Bool(true));
        }
    }
    for (keyword, setting) in [("poll", "DEFAULT_POLL_INTERVAL"), ("timeout", "TASK_TIMEOUT")] {
        if let Some(value) = config.given(setting).filter(|value| !value.is_empty()) {
            defaults.insert(keyword.to_owned(), Value::from(value));
        }
    }
    defaults
}

/// Which project, environment and inventory.
#[derive(Clone, Debug, Default, Args)]
pub struct ProjectArgs {
    /// The environment of the project to work in.
    #[arg(long, global = true, value_name = "NAME", env = "HOSTCTL_ENV", add = clap_complete::ArgValueCompleter::new(super::env::complete))]
    pub env: Option<String>,
    /// The project's folder; default: the nearest parent that holds `environments/`.
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// Inventory file, folder or comma-separated host list; may be given several times.
    #[arg(short, long, value_name = "INVENTORY", visible_alias = "inventory-file", add = super::completion::inventories())]
    pub inventory: Vec<String>,
    /// Further limit to these hosts.
    #[arg(short, long, value_name = "PATTERN", add = super::completion::hosts())]
    pub limit: Option<String>,
    /// Variables as key=value, YAML or JSON, or @FILE; they outrank everything else.
    #[arg(short, long, value_name = "VARS")]
    pub extra_vars: Vec<String>,
    #[command(flatten)]
    pub vault: VaultKeys,
}

/// How vaults are opened.
#[derive(Clone, Debug, Default, Args)]
pub struct VaultKeys {
    /// The age identity that opens `secrets.yml`; default: the user's configuration folder.
    #[arg(long, global = true, value_name = "FILE", env = "HOSTCTL_IDENTITY")]
    pub identity: Option<PathBuf>,
    /// A file with the passphrase of a `secrets.yml` that was sealed with one; only you may read it.
    #[arg(long, global = true, value_name = "FILE", env = "HOSTCTL_VAULT_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// ansible-vault: a password file or script, as `[LABEL@]FILE`; `prompt` asks.
    #[arg(long, global = true, value_name = "ID")]
    pub vault_id: Vec<String>,
    /// ansible-vault: a file with the password, or a program that prints it.
    #[arg(long, global = true, value_name = "FILE", visible_alias = "vault-pass-file")]
    pub vault_password_file: Vec<PathBuf>,
    /// ansible-vault: ask for the password.
    #[arg(short = 'J', long, global = true, visible_alias = "ask-vault-pass")]
    pub ask_vault_password: bool,
}

impl ProjectArgs {
    /// The request; asks for passwords that are to be typed.
    pub(super) fn request(&self, _output: &Output, config: &Config) -> Result<ProjectRequest> {
        let inventory = if self.inventory.is_empty() { configured_inventory(config) } else { self.inventory.clone() };
        Ok(ProjectRequest {
            env: self.env.clone(),
            project: self.project.clone(),
            // An environment names its own inventories.
            inventory: if self.env.is_some() { self.inventory.clone() } else { inventory },
            limit: self.limit.clone(),
            extra_vars: self.extra_vars.clone(),
            passwords: self.vault.passwords(config)?,
            identity: self.vault.identity.clone(),
            passphrase_file: self.vault.passphrase_file.clone(),
            ..project_defaults(config)?
        })
    }
}

impl VaultKeys {
    /// The passwords of Ansible's vault by id: those of the configuration, then those of the command line.
    pub(super) fn passwords(&self, config: &Config) -> Result<Vec<(String, PasswordSource)>> {
        let mut ids = config.list("DEFAULT_VAULT_IDENTITY_LIST");
        ids.extend(self.vault_id.iter().cloned());
        let ask = self.ask_vault_password || config.flag("DEFAULT_ASK_VAULT_PASS");
        password_sources(config, &ids, &self.vault_password_file, ask, Prompts::Known)
    }
}

/// What a password that is asked for is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompts {
    /// To open what is sealed with it.
    Known,
    /// To seal: typed twice.
    New,
}

/// Where passwords come from, in Ansible's order: ids, then files, then what is asked for.
pub(super) fn password_sources(
    config: &Config,
    ids: &[String],
    files: &[PathBuf],
    ask: bool,
    prompts: Prompts,
) -> Result<Vec<(String, PasswordSource)>> {
    let default = config.text("DEFAULT_VAULT_IDENTITY");
    let mut sources = Vec::new();
    for id in ids {
        let (label, source) = match id.split_once('@') {
            Some((label, source)) => (Some(label), source),
            None => (None, id.as_str()),
        };
        let name = label.unwrap_or(&default).to_owned();
        let source = match source {
            "prompt" => typed(Some(&name), prompts)?,
            "prompt_ask_vault_pass" => typed(None, prompts)?,
            path => PasswordSource::File { path: PathBuf::from(path), named: label.is_some() },
        };
        sources.push((name, source));
    }
    let configured = config.given("DEFAULT_VAULT_PASSWORD_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    for path in files.iter().cloned().chain(configured) {
        sources.push((default.clone(), PasswordSource::File { path, named: true }));
    }
    if ask {
        sources.push((default, typed(None, prompts)?));
    }
    Ok(sources)
}

/// A password from the terminal, with the prompts that programs wait for: those of an id name it.
fn typed(id: Option<&str>, prompts: Prompts) -> Result<PasswordSource> {
    let ask = |start: &str| {
        let prompt = match id {
            Some(id) => format!("{start} ({id}): "),
            None => format!("{}: ", start.replace("vault", "Vault").replace("Confirm new", "Confirm New")),
        };
        let typed = super::run::ask(&prompt)?;
        let password = Secret::new(typed.expose().trim());
        if password.expose().is_empty() {
            return Err(Diagnostic::local("C0107", "the vault password is empty")
                .with_registered("Invalid vault password was provided"));
        }
        Ok(password)
    };
    if prompts == Prompts::Known {
        return ask("Vault password").map(PasswordSource::Given);
    }
    let (first, second) = (ask("New vault password")?, ask("Confirm new vault password")?);
    if first == second {
        return Ok(PasswordSource::Given(first));
    }
    Err(Diagnostic::local("C0107", "the vault passwords differ").with_registered("Passwords do not match"))
}

/// The id of a vault text without one, if only a password with the id of a text may open it.
pub(super) fn matched_ids(config: &Config) -> Option<String> {
    config.flag("DEFAULT_VAULT_ID_MATCH").then(|| config.text("DEFAULT_VAULT_IDENTITY"))
}

/// What a request has apart from its options: the user's own folders and the configured search paths.
pub(super) fn project_defaults(config: &Config) -> Result<ProjectRequest> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let config_dir = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".config")))
        .map(|dir| dir.join("hostctl"));
    let ask: Option<crate::vault::Ask> = console::Term::stderr()
        .is_term()
        .then(|| std::sync::Arc::new(|what: &str| super::run::ask(&format!("Passphrase for {what}: "))) as _);
    let settings = {
        let config = config.clone();
        std::sync::Arc::new(move |plugin: Option<(&str, &str)>, name: &str| config.setting(plugin, name))
    };
    let mut read = ReadOptions::default();
    let ends = config.given("INVENTORY_IGNORE_EXTS").map(|_| config.list("INVENTORY_IGNORE_EXTS"));
    read.ignore(ends, &config.list("INVENTORY_IGNORE_PATTERNS"))?;
    if config.given("INVENTORY_ENABLED").is_some() {
        // Those that are not here were told with the settings.
        read.enable(&config.list("INVENTORY_ENABLED"));
    }
    read.no_variable_files =
        !config.list("VARIABLE_PLUGINS_ENABLED").iter().any(|name| name.ends_with("host_group_vars"));
    Ok(ProjectRequest {
        config_dir,
        read,
        ssh_keys: home
            .iter()
            .flat_map(|home| ["id_ed25519", "id_rsa"].map(|name| home.join(".ssh").join(name)))
            .collect(),
        match_ids: matched_ids(config),
        settings: Some(settings),
        ask,
        roles_path: config.paths("DEFAULT_ROLES_PATH"),
        collections_path: config.paths("COLLECTIONS_PATHS"),
        missing_handlers: !config.flag("ERROR_ON_MISSING_HANDLER"),
        hash_merge: config.text("DEFAULT_HASH_BEHAVIOUR") == "merge",
        odd_groups: OddGroups::parse(config.given("TRANSFORM_INVALID_GROUP_CHARS")),
        unparsed_is_failed: config.flag("INVENTORY_UNPARSED_IS_FAILED"),
        library: config.paths("DEFAULT_MODULE_PATH"),
        odd_keywords: !config.flag("INVALID_TASK_ATTRIBUTE_FAILED"),
        hide_deprecations: !config.flag("DEPRECATION_WARNINGS"),
        plugin_path: config.plugin_path(),
        plugin_names: config.plugin_names(false),
        public_roles: config
            .given("DEFAULT_PRIVATE_ROLE_VARS")
            .is_some()
            .then(|| !config.flag("DEFAULT_PRIVATE_ROLE_VARS")),
        duplicate_keys: Policy::parse(&config.text("DUPLICATE_YAML_DICT_KEY")),
        unparsed_inventory: Policy::Error,
        unmatched_pattern: Policy::parse(&config.text("HOST_PATTERN_MISMATCH")),
        ..ProjectRequest::default()
    })
}

/// The inventories of the configuration; `/etc/ansible/hosts` only if it is there.
pub(super) fn configured_inventory(config: &Config) -> Vec<String> {
    match config.given("DEFAULT_HOST_LIST") {
        // A list of hosts ends with a comma.
        Some(hosts) if hosts.trim_end().ends_with(',') => vec![hosts.to_owned()],
        Some(_) => config.list("DEFAULT_HOST_LIST"),
        None => {
            config.list("DEFAULT_HOST_LIST").into_iter().filter(|path| std::path::Path::new(path).exists()).collect()
        }
    }
}

/// Fills in what the configuration says about connections where the command line says nothing.
pub(super) fn connection_defaults(config: &Config, defaults: &mut IndexMap<String, Value>) {
    for (name, setting) in [
        ("remote_user", "DEFAULT_REMOTE_USER"),
        ("private_key_file", "DEFAULT_PRIVATE_KEY_FILE"),
        ("connection", "DEFAULT_TRANSPORT"),
        ("timeout", "DEFAULT_TIMEOUT"),
        ("port", "DEFAULT_REMOTE_PORT"),
        ("become_user", "DEFAULT_BECOME_USER"),
        ("become_method", "DEFAULT_BECOME_METHOD"),
        ("become_exe", "DEFAULT_BECOME_EXE"),
        ("become_flags", "DEFAULT_BECOME_FLAGS"),
        ("ssh_retries", "SSH_RETRIES"),
        ("ssh_common_args", "SSH_COMMON_ARGS"),
        ("ssh_extra_args", "SSH_EXTRA_ARGS"),
    ] {
        if let Some(value) = config.given(setting).filter(|value| !value.is_empty()) {
            defaults.entry(name.to_owned()).or_insert_with(|| Value::from(value));
        }
    }
    if let Some(args) = config.given("SSH_ARGS").filter(|args| !args.is_empty()) {
        let common = defaults.get("ssh_common_args").map(crate::value::python_str).unwrap_or_default();
        defaults.insert("ssh_common_args".to_owned(), Value::from(format!("{args} {common}").trim().to_owned()));
    }
    if config.flag("DEFAULT_BECOME") {
        defaults.entry("become".to_owned()).or_insert(Value::Bool(true));
    }
    if config.flag("BECOME_ALLOW_SAME_USER") {
        defaults.insert("become_allow_same_user".to_owned(), Value::Bool(true));
    }
    for setting in ["SSH_HOST_KEY_CHECKING", "HOST_KEY_CHECKING"] {
        if let Some(flag) = config.optional_flag(setting) {
            defaults.entry("host_key_checking".to_owned()).or_insert(Value::Bool(flag));
        }
    }
}
