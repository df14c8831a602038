//! `hostctl vault`: secrets of an environment, sealed value by value.

use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::arguments::ProjectArgs;
use super::output::Output;
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::ops;
use crate::value::{Value, python_str};

/// Make, read and change an environment's secrets
#[derive(Debug, Args)]
pub struct VaultArgs {
    #[command(subcommand)]
    command: VaultCommand,
    /// A vault file instead of the environment's `secrets.yml`.
    #[arg(long, value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArgs,
}

#[derive(Debug, Subcommand)]
enum VaultCommand {
    /// Make an empty vault, and an identity for you if you have none
    Init {
        /// Who can open it: an age public key. Default: those of `environment.yml`, else you.
        #[arg(long, value_name = "KEY")]
        recipient: Vec<String>,
        /// Seal it with a passphrase instead.
        #[arg(long)]
        passphrase: bool,
    },
    /// Open all values in $EDITOR
    Edit,
    /// Print all values in clear
    View,
    /// Set one value; it is read from the terminal or from standard input
    Set {
        /// Its name; parts of a mapping are joined by dots.
        name: String,
    },
    /// Print one value in clear
    Get {
        /// Its name.
        name: String,
    },
    /// Show, add or remove those who can open it; removing someone makes a new file key
    Recipients {
        /// Add this public key.
        #[arg(long, value_name = "KEY")]
        add: Vec<String>,
        /// Remove this public key.
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
    },
}

pub(super) fn main(args: &VaultArgs, output: &Output) -> Result<ExitCode> {
    let request = args.project.request(output, &ops::Config::load()?)?;
    let place = ops::VaultPlace::find(&request, args.file.as_deref(), &output.sources)?;
    match &args.command {
        VaultCommand::Init { recipient, passphrase } => {
            let passphrase = if *passphrase { Some(new_passphrase()?) } else { None };
            let made = ops::init(&request, &place, recipient, passphrase.as_ref())?;
            if let Some((path, public)) = made {
                output
                    .note(&format!("made your identity {} (public key {public}); keep a copy of it\n", path.display()));
            }
            output.note(&format!("made {}\n", place.path.display()));
        }
        VaultCommand::Edit => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let changed = ops::change(&mut vault, &keyring, &edit)?;
            output.note(if changed { "changed\n" } else { "nothing was changed\n" });
        }
        VaultCommand::View => {
            let (vault, keyring) = ops::open_vault(&request, &place)?;
            output.data(&vault.view(&keyring)?);
        }
        VaultCommand::Set { name } => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let value = read_value(name)?;
            vault.set(&keyring, name, &value)?;
            output.note(&format!("set `{name}` in {}\n", place.path.display()));
        }
        VaultCommand::Get { name } => {
            let (vault, keyring) = ops::open_vault(&request, &place)?;
            let value = vault.get(&keyring, name)?;
            let text = match &value {
                Value::Map(_) | Value::List(_) => crate::yaml::emit(&value)?,
                other => python_str(other) + "\n",
            };
            output.data(&text);
        }
        VaultCommand::Recipients { add, remove } => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let all = ops::recipients(&mut vault, &keyring, add, remove)?;
            output.data(&all.iter().map(|key| format!("{key}\n")).collect::<String>());
        }
    }
    Ok(ExitCode::Ok)
}

/// A value from the terminal without echo, or all of standard input without its last line break.
fn read_value(name: &str) -> Result<Value> {
    if std::io::stdin().is_terminal() {
        return Ok(Value::from(super::run::ask(&format!("{name}: "))?.expose()));
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Diagnostic::new("C0107", Kind::Usage, format!("cannot read the value: {error}")))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Value::from(text))
}

fn new_passphrase() -> Result<crate::secret::Secret> {
    let first = super::run::ask("New passphrase: ")?;
    let second = super::run::ask("Again: ")?;
    if first != second || first.expose().is_empty() {
        return Err(Diagnostic::new("C0107", Kind::Usage, "the passphrases are empty or differ"));
    }
    Ok(first)
}

/// Opens a private file in the user's editor and reads it back.
fn edit(clear: &str) -> Result<String> {
    let wrong = |what: &str, error: &std::io::Error| {
        Diagnostic::local("C0108", format!("{what}: {error}")).with_hint("nothing was changed")
    };
    // In memory where the machine has such a folder, so that no disk sees the clear text.
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    let dir = builder.prefix("hostctl-vault-");
    let dir = if memory.is_dir() { dir.tempdir_in(memory) } else { dir.tempdir() }
        .map_err(|error| wrong("cannot make a private folder", &error))?;
    let path = dir.path().join("secrets.yml");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| wrong("cannot write the clear text", &error))?;
    file.write_all(clear.as_bytes()).map_err(|error| wrong("cannot write the clear text", &error))?;
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    // As git and ansible-vault do: the variable may hold arguments, the shell splits them.
    let status = std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("editor")
        .arg(&path)
        .status()
        .map_err(|error| wrong(&format!("cannot start the editor `{editor}`"), &error))?;
    if !status.success() {
        return Err(Diagnostic::local("C0108", format!("the editor `{editor}` ended with {status}"))
            .with_hint("nothing was changed"));
    }
    std::fs::read_to_string(&path).map_err(|error| wrong("cannot read the edited text", &error))
}
