//! `hostctl vault`: secrets of an environment, sealed value by value.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::arguments::ProjectArgs;
use super::editor;
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
        /// Seal it with a passphrase instead: that of `--passphrase-file`, else it is asked for.
        #[arg(long)]
        passphrase: bool,
    },
    /// Open all values in $EDITOR
    Edit,
    /// Print all values in clear
    View,
    /// Set one value; it is read from the terminal or from standard input
    ///
    /// On a terminal it is typed without being shown. Elsewhere all of standard input is the value; one
    /// line break at its end is removed, so that `echo` and `printf` set the same.
    Set {
        /// Its name; parts of a mapping are joined by dots.
        name: String,
        /// An empty value is meant.
        #[arg(long)]
        empty: bool,
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
    editor::sweep_left();
    let request = args.project.request(output, &ops::Config::load()?)?;
    let place = ops::VaultPlace::find(&request, args.file.as_deref(), &output.sources)?;
    match &args.command {
        VaultCommand::Init { recipient, passphrase } => {
            let passphrase = match (*passphrase, &request.passphrase_file) {
                (false, _) => None,
                (true, Some(path)) => Some(ops::passphrase_file(path)?),
                (true, None) => Some(new_passphrase()?),
            };
            let made = ops::init(&request, &place, recipient, passphrase.as_ref())?;
            if let Some((path, public)) = made.identity {
                output
                    .note(&format!("made your identity {} (public key {public}); keep a copy of it\n", path.display()));
            }
            output.note(&format!("made {}\n", place.path.display()));
            output.show(&made.warnings);
        }
        VaultCommand::Edit => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            // Opened once before the terminal is the editor's.
            vault.view(&keyring)?;
            keyring.take_warnings();
            let changed = editor::session(&mut vault, &keyring, output)?;
            output.note(if changed { "changed\n" } else { "nothing was changed\n" });
            if changed {
                output.show(&keyring.take_warnings());
            }
        }
        VaultCommand::View => {
            let (vault, keyring) = ops::open_vault(&request, &place)?;
            output.data(&vault.view(&keyring)?);
        }
        VaultCommand::Set { name, empty } => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let value = read_value(name, *empty)?;
            vault.set(&keyring, name, &value)?;
            output.note(&format!("set `{name}` in {}\n", place.path.display()));
            // Other values were set by someone who saw theirs.
            let mut warnings = keyring.take_warnings();
            warnings.retain(|warning| warning.message.contains(&format!("`{name}`")));
            warnings.truncate(1);
            warnings.iter_mut().for_each(|warning| warning.labels.clear());
            output.show(&warnings);
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
fn read_value(name: &str, empty: bool) -> Result<Value> {
    let text = if std::io::stdin().is_terminal() {
        if empty { String::new() } else { super::run::ask(&format!("{name}: "))?.expose().to_owned() }
    } else {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Diagnostic::new("C0107", Kind::Usage, format!("cannot read the value: {error}")))?;
        text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text)).to_owned()
    };
    if text.is_empty() && !empty {
        return Err(Diagnostic::new("C0107", Kind::Usage, format!("the value of `{name}` is empty"))
            .with_hint(format!("if that is meant: `hostctl vault set {name} --empty`; nothing was changed")));
    }
    Ok(Value::from(text))
}

fn new_passphrase() -> Result<crate::secret::Secret> {
    if !console::Term::stderr().is_term() {
        return Err(Diagnostic::new("C0103", Kind::Usage, "a passphrase is asked for, but there is no terminal")
            .with_hint("name a file that holds it with `--passphrase-file FILE` or HOSTCTL_VAULT_PASSPHRASE_FILE"));
    }
    let first = super::run::ask("New passphrase: ")?;
    let second = super::run::ask("Again: ")?;
    if first != second || first.expose().is_empty() {
        return Err(Diagnostic::new("C0107", Kind::Usage, "the passphrases are empty or differ"));
    }
    Ok(first)
}
