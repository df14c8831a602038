//! Options that several commands share: projects, inventories, variables, vaults.

use std::path::PathBuf;

use clap::Args;

/// Which project, environment and inventory.
#[derive(Clone, Debug, Default, Args)]
pub struct ProjectArgs {
    /// The environment of the project to work in.
    #[arg(long, value_name = "NAME", env = "HOSTCTL_ENV", add = clap_complete::ArgValueCompleter::new(super::env::complete))]
    pub env: Option<String>,
    /// The project's folder; default: the nearest parent that holds `environments/`.
    #[arg(long, value_name = "DIR")]
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
    #[arg(long, value_name = "FILE", env = "HOSTCTL_IDENTITY")]
    pub identity: Option<PathBuf>,
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
