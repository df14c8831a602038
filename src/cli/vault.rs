//! `hostctl vault`: secrets of an environment, sealed value by value.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::arguments::ProjectArgs;
use super::editor;
use super::output::Output;
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::ops;
use crate::secret::Secret;
use crate::value::{Value, python_str};
use crate::vault::{SealFor, recipients_file};

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
        /// Who can open it: an age or ssh public key. Default: those of `environment.yml`, else you.
        #[arg(long, value_name = "KEY")]
        recipient: Vec<String>,
        /// A file with public keys, one a line: recipients of age, `.pub` files of ssh.
        #[arg(long, value_name = "FILE")]
        recipients_file: Vec<PathBuf>,
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
        /// Add the public keys of this file, one a line.
        #[arg(long, value_name = "FILE")]
        add_file: Vec<PathBuf>,
        /// Remove this public key.
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
    },
    /// Take over what ansible-vault sealed: files sealed whole, and `!vault` values of YAML files
    ///
    /// Everything is opened with ansible-vault's passwords and sealed in this vault under its top-level name, in one
    /// step or not at all. A name that the vault has with another value is refused. The files stay as they are
    /// unless `--move` is given. Variables that hold templates stay where they are: a sealed value is not rendered.
    Import {
        /// Files of variables (those of group_vars, host_vars, vars), or with `--name` one sealed file.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Take the whole content of one sealed file (a key, a certificate) as one text of this name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Take the values out of their files once the vault has them; comments and other variables stay. A file
        /// that was sealed whole is removed.
        #[arg(long = "move")]
        take: bool,
        /// Only say what would be taken over.
        #[arg(short = 'C', long)]
        check: bool,
    },
    /// Make a new file key and seal every value anew, for the same recipients or for others
    ///
    /// With `--recipient`, `--recipients-file` or `--passphrase` only those can open the vault afterwards. Who could
    /// open it before may have kept its values: change those that matter.
    Rekey {
        /// Who can open it from now on: an age or ssh public key.
        #[arg(long, value_name = "KEY")]
        recipient: Vec<String>,
        /// A file with public keys, one a line.
        #[arg(long, value_name = "FILE")]
        recipients_file: Vec<PathBuf>,
        /// With a new passphrase: that of `--new-passphrase-file`, else it is asked for.
        #[arg(long)]
        passphrase: bool,
        /// A file with the new passphrase; only you may read it.
        #[arg(long, value_name = "FILE", requires = "passphrase")]
        new_passphrase_file: Option<PathBuf>,
    },
}

pub(super) fn main(args: &VaultArgs, output: &Output) -> Result<ExitCode> {
    editor::sweep_left();
    let request = args.project.request(output, &ops::Config::load(&output.sources)?)?;
    let place = ops::VaultPlace::find(&request, args.file.as_deref(), &output.sources)?;
    match &args.command {
        VaultCommand::Init { recipient, recipients_file, passphrase } => {
            let passphrase = new_passphrase(*passphrase, request.passphrase_file.as_deref(), "--passphrase-file")?;
            let recipients = with_files(recipient, recipients_file)?;
            let made = ops::init(&request, &place, &recipients, passphrase.as_ref())?;
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
            warnings.retain(|warning| warning.name() == name);
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
        VaultCommand::Recipients { add, add_file, remove } => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let add = with_files(add, add_file)?;
            let (all, warnings) = ops::recipients(&place, &mut vault, &keyring, &add, remove)?;
            output.data(&all.iter().map(|key| format!("{key}\n")).collect::<String>());
            output.show(&warnings);
        }
        VaultCommand::Import { files, name, take, check } => {
            if name.is_some() && files.len() > 1 {
                return Err(Diagnostic::new("C0107", Kind::Usage, "`--name` makes one value of one file")
                    .with_hint("import the files one by one"));
            }
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let imported = ops::import(&mut vault, &keyring, files, name.as_deref(), (*take, !*check))?;
            output.show(&keyring.take_warnings());
            tell_imported(&imported, *check, output);
        }
        VaultCommand::Rekey { recipient, recipients_file, passphrase, new_passphrase_file } => {
            let (mut vault, keyring) = ops::open_vault(&request, &place)?;
            let recipients = with_files(recipient, recipients_file)?;
            let passphrase = new_passphrase(*passphrase, new_passphrase_file.as_deref(), "--new-passphrase-file")?;
            let to = (!recipients.is_empty() || passphrase.is_some()).then_some(SealFor { recipients, passphrase });
            let warnings = ops::rekey(&place, &mut vault, &keyring, to.as_ref())?;
            output.note(&format!("{} has a new file key, and every value is sealed anew\n", place.path.display()));
            output.show(&warnings);
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

/// The recipients that are named, with those of files.
fn with_files(named: &[String], files: &[PathBuf]) -> Result<Vec<String>> {
    let mut all = named.to_vec();
    for path in files {
        all.extend(recipients_file(path)?);
    }
    Ok(all)
}

/// What an import did, a line a file; the new names on standard output.
fn tell_imported(imported: &ops::Imported, check: bool, output: &Output) {
    let names = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for file in &imported.files {
        let path = file.path.display();
        let mut parts = Vec::new();
        if !file.new.is_empty() {
            parts.push(format!("{} {}", if check { "would import" } else { "imported" }, names(&file.new)));
        }
        if !file.known.is_empty() {
            parts.push(format!("the vault has {} already", names(&file.known)));
        }
        if parts.is_empty() {
            parts.push("nothing to import".to_owned());
        }
        if file.taken_out {
            parts.push("taken out of the file".to_owned());
        }
        if file.removed {
            parts.push("the file is removed".to_owned());
        }
        output.note(&format!("{path}: {}\n", parts.join("; ")));
        output.data(&file.new.iter().map(|name| format!("{name}\n")).collect::<String>());
    }
    output.show(&imported.warnings);
}

/// A new passphrase from a file or typed twice, if one is wanted.
fn new_passphrase(wanted: bool, file: Option<&Path>, option: &str) -> Result<Option<Secret>> {
    match file {
        _ if !wanted => Ok(None),
        Some(path) => ops::passphrase_file(path).map(Some),
        None => typed_passphrase(option).map(Some),
    }
}

fn typed_passphrase(option: &str) -> Result<Secret> {
    if !console::Term::stderr().is_term() {
        return Err(Diagnostic::new("C0103", Kind::Usage, "a passphrase is asked for, but there is no terminal")
            .with_hint(format!("name a file that holds it with `{option} FILE`")));
    }
    let first = super::run::ask("New passphrase: ")?;
    let second = super::run::ask("Again: ")?;
    if first != second || first.expose().is_empty() {
        return Err(Diagnostic::new("C0107", Kind::Usage, "the passphrases are empty or differ"));
    }
    Ok(first)
}
