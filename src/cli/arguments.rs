//! Options that several commands share: projects, inventories, variables, vaults.

use std::path::PathBuf;

use clap::Args;

use super::output::Output;
use crate::diag::Result;
use crate::ops::{PasswordSource, ProjectRequest};

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
    #[arg(short, long, value_name = "INVENTORY", visible_alias = "inventory-file")]
    pub inventory: Vec<String>,
    /// Further limit to these hosts.
    #[arg(short, long, value_name = "PATTERN")]
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
    #[arg(long, value_name = "ID")]
    pub vault_id: Vec<String>,
    /// ansible-vault: a file with the password, or a program that prints it.
    #[arg(long, value_name = "FILE", visible_alias = "vault-pass-file")]
    pub vault_password_file: Vec<PathBuf>,
    /// ansible-vault: ask for the password.
    #[arg(short = 'J', long, visible_alias = "ask-vault-pass")]
    pub ask_vault_password: bool,
}

impl ProjectArgs {
    /// The request; asks for passwords that are to be typed.
    pub(super) fn request(&self, _output: &Output) -> Result<ProjectRequest> {
        let mut passwords = Vec::new();
        let ids = self.vault.vault_id.iter().map(|id| match id.split_once('@') {
            Some((label, source)) => (label.to_owned(), source.to_owned()),
            None => ("default".to_owned(), id.clone()),
        });
        for (label, source) in ids {
            let source = if matches!(source.as_str(), "prompt" | "prompt_ask_vault_pass") {
                PasswordSource::Given(super::run::ask(&format!("Vault password ({label}): "))?)
            } else {
                PasswordSource::File(PathBuf::from(source))
            };
            passwords.push((label, source));
        }
        let files = self.vault.vault_password_file.iter().cloned();
        let by_environment = std::env::var_os("ANSIBLE_VAULT_PASSWORD_FILE").map(PathBuf::from);
        for path in files.chain(by_environment) {
            passwords.push(("default".to_owned(), PasswordSource::File(path)));
        }
        if self.vault.ask_vault_password {
            let password = super::run::ask("Vault password: ")?;
            passwords.push(("default".to_owned(), PasswordSource::Given(password)));
        }
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let config = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join(".config")))
            .map(|dir| dir.join("hostctl"));
        let ask: Option<crate::vault::Ask> = console::Term::stderr()
            .is_term()
            .then(|| std::sync::Arc::new(|what: &str| super::run::ask(&format!("Passphrase for {what}: "))) as _);
        Ok(ProjectRequest {
            env: self.env.clone(),
            project: self.project.clone(),
            inventory: self.inventory.clone(),
            limit: self.limit.clone(),
            extra_vars: self.extra_vars.clone(),
            identity: self.vault.identity.clone(),
            config_dir: config,
            passwords,
            passphrase_file: self.vault.passphrase_file.clone(),
            ask,
            roles_path: search_path("ANSIBLE_ROLES_PATH", home.as_deref(), "roles"),
            collections_path: search_path("ANSIBLE_COLLECTIONS_PATH", home.as_deref(), "collections"),
        })
    }
}

/// Ansible's search paths: from the environment, else the usual three.
fn search_path(variable: &str, home: Option<&std::path::Path>, name: &str) -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return std::env::split_paths(&path).collect();
    }
    let mut dirs: Vec<PathBuf> = home.map(|home| home.join(".ansible").join(name)).into_iter().collect();
    dirs.push(PathBuf::from("/usr/share/ansible").join(name));
    if name == "roles" {
        dirs.push(PathBuf::from("/etc/ansible/roles"));
    }
    dirs
}
