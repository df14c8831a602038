//! Option groups that several of Ansible's programs share, under Ansible's names.

use std::path::{Path, PathBuf};

use clap::Args;
use indexmap::IndexMap;

use super::super::arguments::{VaultKeys, configured_inventory, connection_defaults, project_defaults};
use super::super::completion;
use super::super::run::{ask, configured_forks, split};
use crate::diag::{Diagnostic, Kind, Result};
use crate::ops::{Config, Policy, ProjectRequest};
use crate::secret::Secret;
use crate::value::Value;

/// Help of `--playbook-dir`.
pub(super) const BASEDIR: &str = "Since this tool does not use playbooks, use this as a substitute playbook directory. \
    This sets the relative path for many features including roles/ group_vars/ etc.";

/// `-i`, `-l`, `--list-hosts`, `--flush-cache`
#[derive(Clone, Debug, Default, Args)]
pub(super) struct InventoryOptions {
    /// specify inventory host path or comma separated host list
    #[arg(short, long, value_name = "INVENTORY", alias = "inventory-file", allow_hyphen_values = true, add = crate::cli::completion::inventories())]
    pub inventory: Vec<String>,
    /// further limit selected hosts to an additional pattern
    #[arg(short = 'l', long = "limit", value_name = "SUBSET", allow_hyphen_values = true, add = completion::hosts())]
    pub limit: Option<String>,
    /// outputs a list of matching hosts; does not execute anything else
    #[arg(long)]
    pub list_hosts: bool,
    /// clear the fact cache for every host in inventory
    #[arg(long)]
    pub flush_cache: bool,
}

/// `-C`, `-D`, `-e`, `-f`, `-M`
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RunOptions {
    /// don't make any changes; instead, try to predict some of the changes that may occur
    #[arg(short = 'C', long)]
    pub check: bool,
    /// when changing (small) files and templates, show the differences in those files; works great with --check
    #[arg(short = 'D', long)]
    diff: bool,
    /// set additional variables as key=value or YAML/JSON, if filename prepend with @
    #[arg(short, long, value_name = "EXTRA_VARS", allow_hyphen_values = true)]
    pub extra_vars: Vec<String>,
    /// specify number of parallel processes to use (default=5)
    #[arg(short, long, value_name = "FORKS")]
    forks: Option<i64>,
    /// prepend colon-separated path(s) to module library (default={{ ANSIBLE_HOME ~
    /// "/plugins/modules:/usr/share/ansible/plugins/modules" }})
    #[arg(short = 'M', long, value_name = "MODULE_PATH")]
    module_path: Vec<String>,
}

impl RunOptions {
    /// Whether diffs are shown.
    pub fn diff(&self, config: &Config) -> bool {
        self.diff || config.flag("DIFF_ALWAYS")
    }

    /// How many hosts work at a time; `None` for a number that is none.
    pub fn forks(&self, config: &Config) -> Option<usize> {
        let given = self.forks.map(|forks| usize::try_from(forks).ok().filter(|forks| *forks > 0));
        given.unwrap_or_else(|| configured_forks(config))
    }

    /// The folders of `--module-path`.
    pub fn module_path(&self) -> Vec<std::path::PathBuf> {
        let paths = self.module_path.iter().flat_map(|paths| paths.split(':')).filter(|path| !path.is_empty());
        paths.map(std::path::PathBuf::from).collect()
    }
}

/// `--vault-id`, `--vault-password-file`, `-J`
#[derive(Clone, Debug, Default, Args)]
pub(super) struct VaultOptions {
    /// the vault identity to use
    #[arg(long, value_name = "VAULT_IDS")]
    pub vault_id: Vec<String>,
    /// vault password file
    #[arg(long, value_name = "VAULT_PASSWORD_FILES", alias = "vault-pass-file")]
    pub vault_password_file: Vec<PathBuf>,
    /// ask for vault password
    #[arg(short = 'J', long, alias = "ask-vault-pass", conflicts_with = "vault_password_file")]
    pub ask_vault_password: bool,
}

impl VaultOptions {
    pub(super) fn keys(&self) -> VaultKeys {
        VaultKeys {
            identity: std::env::var_os("HOSTCTL_IDENTITY").map(PathBuf::from),
            passphrase_file: std::env::var_os("HOSTCTL_VAULT_PASSPHRASE_FILE").map(PathBuf::from),
            vault_id: self.vault_id.clone(),
            vault_password_file: self.vault_password_file.clone(),
            ask_vault_password: self.ask_vault_password,
        }
    }
}

/// How and as whom to connect.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection Options")]
pub(super) struct ConnectionOptions {
    /// use this file to authenticate the connection
    #[arg(long, value_name = "PRIVATE_KEY_FILE", alias = "key-file")]
    private_key: Option<PathBuf>,
    /// specify extra arguments to pass to scp only (e.g. -l)
    #[arg(long, value_name = "SCP_EXTRA_ARGS", allow_hyphen_values = true)]
    scp_extra_args: Option<String>,
    /// specify extra arguments to pass to sftp only (e.g. -f, -l)
    #[arg(long, value_name = "SFTP_EXTRA_ARGS", allow_hyphen_values = true)]
    sftp_extra_args: Option<String>,
    /// specify common arguments to pass to sftp/scp/ssh (e.g. ProxyCommand)
    #[arg(long, value_name = "SSH_COMMON_ARGS", allow_hyphen_values = true)]
    ssh_common_args: Option<String>,
    /// specify extra arguments to pass to ssh only (e.g. -R)
    #[arg(long, value_name = "SSH_EXTRA_ARGS", allow_hyphen_values = true)]
    ssh_extra_args: Option<String>,
    /// override the connection timeout in seconds (default depends on connection)
    #[arg(short = 'T', long, value_name = "TIMEOUT")]
    timeout: Option<i64>,
    /// connection type to use (default=ssh)
    #[arg(short, long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// connect as this user (default=None)
    #[arg(short, long, value_name = "REMOTE_USER")]
    user: Option<String>,
    /// ask for connection password
    #[arg(short = 'k', long)]
    ask_pass: bool,
    /// Connection password file
    #[arg(long, value_name = "CONNECTION_PASSWORD_FILE", alias = "conn-pass-file", conflicts_with = "ask_pass")]
    connection_password_file: Option<PathBuf>,
}

/// Which user to become.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Privilege Escalation Options")]
pub(super) struct BecomeOptions {
    /// run operations with become (does not imply password prompting)
    #[arg(short, long)]
    r#become: bool,
    /// privilege escalation method to use
    #[arg(
        long,
        value_name = "BECOME_METHOD",
        help = "privilege escalation method to use (default=sudo), use `ansible-doc -t become -l` to list valid choices."
    )]
    become_method: Option<String>,
    /// run operations as this user (default=root)
    #[arg(long, value_name = "BECOME_USER")]
    become_user: Option<String>,
    /// ask for privilege escalation password
    #[arg(short = 'K', long)]
    ask_become_pass: bool,
    /// Become password file
    #[arg(long, value_name = "BECOME_PASSWORD_FILE", alias = "become-pass-file", conflicts_with = "ask_become_pass")]
    become_password_file: Option<PathBuf>,
}

/// What a run knows about connections: settings, and the two passwords.
pub(super) struct Connecting {
    pub defaults: IndexMap<String, Value>,
    pub login: Option<Secret>,
    pub r#become: Option<Secret>,
}

/// The settings of both groups with the configuration below them; passwords are asked for only with `ask_now`.
pub(super) fn connecting(
    connection: &ConnectionOptions,
    r#become: &BecomeOptions,
    config: &Config,
    ask_now: bool,
) -> Result<Connecting> {
    let mut defaults = IndexMap::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            defaults.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::from);
    set("remote_user", text(&connection.user));
    set("private_key_file", connection.private_key.as_ref().map(|path| path.display().to_string().into()));
    set("connection", text(&connection.connection));
    set("timeout", connection.timeout.map(Value::from));
    set("ssh_common_args", text(&connection.ssh_common_args));
    set("ssh_extra_args", text(&connection.ssh_extra_args));
    set("become", r#become.r#become.then_some(Value::Bool(true)));
    set("become_user", text(&r#become.become_user));
    set("become_method", text(&r#become.become_method));
    connection_defaults(config, &mut defaults);
    let mut connecting = Connecting { defaults, login: None, r#become: None };
    if !ask_now {
        return Ok(connecting);
    }
    let configured = |name: &str| config.given(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    connecting.login =
        match connection.connection_password_file.clone().or_else(|| configured("CONNECTION_PASSWORD_FILE")) {
            Some(path) => Some(password_file(&path)?),
            None if connection.ask_pass || config.flag("DEFAULT_ASK_PASS") => Some(ask("SSH password: ")?),
            None => None,
        };
    connecting.r#become = match r#become.become_password_file.clone().or_else(|| configured("BECOME_PASSWORD_FILE")) {
        Some(path) => Some(password_file(&path)?),
        None if r#become.ask_become_pass || config.flag("DEFAULT_BECOME_ASK_PASS") => {
            let prompt = match connecting.login {
                Some(_) => "BECOME password[defaults to SSH password]: ",
                None => "BECOME password: ",
            };
            let answer = ask(prompt)?;
            match &connecting.login {
                Some(login) if answer.expose().is_empty() => Some(login.clone()),
                _ => Some(answer),
            }
        }
        None => None,
    };
    Ok(connecting)
}

/// A password from a file, from standard input (`-`), or from what a program prints.
fn password_file(path: &Path) -> Result<Secret> {
    let wrong = |text: String| {
        Diagnostic::new("C0103", Kind::Local, format!("the password of `{}`: {text}", path.display()))
            .with_hint("a file with the password, a program that prints it, or `-` for standard input")
    };
    let text = if path == Path::new("-") {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|error| wrong(error.to_string()))?;
        line
    } else {
        match crate::ops::password_program(path).map_err(wrong)? {
            Some(text) => text,
            None => crate::diag::read::read_source_text(path).map_err(|error| wrong(error.to_string()))?,
        }
    };
    Ok(Secret::new(text.trim_matches(['\r', '\n'])))
}

/// The project of a request made by Ansible's options.
pub(super) fn project(
    inventory: &InventoryOptions,
    vault: &VaultOptions,
    extra_vars: &[String],
    config: &Config,
) -> Result<ProjectRequest> {
    let keys = vault.keys();
    let inventories =
        if inventory.inventory.is_empty() { configured_inventory(config) } else { inventory.inventory.clone() };
    let defaults = project_defaults(config)?;
    Ok(ProjectRequest {
        // What no plugin can read is told, and the run goes on without it.
        read: defaults.read.going_on(),
        inventory: inventories,
        limit: inventory.limit.clone(),
        extra_vars: extra_vars.to_vec(),
        extra_form: crate::ops::ExtraVars::AsAnsible,
        passwords: keys.passwords(config)?,
        identity: keys.identity,
        state_dir: state_dir(),
        unparsed_inventory: if config.flag("INVENTORY_ANY_UNPARSED_IS_FAILED") { Policy::Error } else { Policy::Warn },
        tell_empty: (config.flag("INVENTORY_UNPARSED_WARNING"), config.flag("LOCALHOST_WARNING")),
        ..defaults
    })
}

/// Where runs are recorded: beside the user's other state, so that no folder of a project gets files that Ansible
/// would not make there.
pub(super) fn state_dir() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("HOSTCTL_STATE_DIR").filter(|dir| !dir.is_empty()) {
        return Some(PathBuf::from(dir));
    }
    let user = std::env::var_os("XDG_STATE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))
        .map(|dir| dir.join("hostctl"));
    let writable = |dir: &PathBuf| std::fs::create_dir_all(dir).is_ok() && tempfile::tempfile_in(dir).is_ok();
    user.filter(writable).or_else(|| Some(std::env::temp_dir().join(format!("hostctl-{}", rustix_uid()))))
}

/// The user's number, from the folder of this process.
fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}

/// Tags of the command line, else those of the configuration.
pub(super) fn tags(given: &[String], config: &Config, name: &str) -> Vec<String> {
    if given.is_empty() { split(&config.list(name)) } else { split(given) }
}
