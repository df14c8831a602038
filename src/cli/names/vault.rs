//! `ansible-vault`: files and values sealed in Ansible's format.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use super::super::editor;
use super::super::output::Output;
use super::super::run::ask;
use super::display;
use super::options::VaultOptions;
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::ops::{self, Config, Passwords};
use crate::secret::Secret;

/// encryption/decryption utility for Ansible data files
#[derive(Debug, Parser)]
#[command(name = "ansible-vault", infer_long_args = true, disable_version_flag = true, max_term_width = 80)]
pub(super) struct VaultProgramArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create new vault encrypted file
    Create(FilesArgs),
    /// Decrypt vault encrypted file or string
    Decrypt(FilesArgs),
    /// Edit vault encrypted file
    Edit(FilesArgs),
    /// View vault encrypted file
    View(FilesArgs),
    /// Encrypt YAML file
    Encrypt(FilesArgs),
    /// Encrypt a string
    #[command(name = "encrypt_string")]
    EncryptString(StringArgs),
    /// Re-key a vault encrypted file
    Rekey(FilesArgs),
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    vault: VaultOptions,
    /// the vault id used to encrypt (required if more than one vault-id is provided)
    #[arg(long, value_name = "ENCRYPT_VAULT_ID")]
    encrypt_vault_id: Option<String>,
    /// output file name for encrypt or decrypt; use - for stdout
    #[arg(long, value_name = "OUTPUT_FILE", allow_hyphen_values = true)]
    output: Option<PathBuf>,
    /// Causes Ansible to print more debug messages.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Args)]
struct FilesArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    /// allows editor to be opened when no tty attached
    #[arg(long)]
    skip_tty_check: bool,
    /// new vault password file for rekey
    #[arg(long, value_name = "NEW_VAULT_PASSWORD_FILE")]
    new_vault_password_file: Option<PathBuf>,
    /// the new vault identity to use for rekey
    #[arg(long, value_name = "NEW_VAULT_ID")]
    new_vault_id: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct StringArgs {
    /// String to encrypt
    #[arg(value_name = "string_to_encrypt")]
    strings: Vec<String>,
    /// Prompt for the string to encrypt
    #[arg(short, long)]
    prompt: bool,
    /// Do not hide input when prompted for the string to encrypt
    #[arg(long)]
    show_input: bool,
    /// Specify the variable name
    #[arg(short, long, value_name = "ENCRYPT_STRING_NAMES")]
    name: Vec<String>,
    /// Specify the variable name for stdin
    #[arg(long, value_name = "ENCRYPT_STRING_STDIN_NAME")]
    stdin_name: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn main(args: VaultProgramArgs, output: &mut Output) -> Result<ExitCode> {
    let config = Config::load()?;
    display::configure(output, &config);
    match args.action {
        Action::EncryptString(args) => encrypt_string(&args, &config, output),
        Action::Encrypt(args) => {
            let passwords = passwords(&args.common, &config, true)?;
            let id = encrypt_id(&args.common, &config);
            for path in inputs(&args.files) {
                let sealed = ops::seal(&read(&path)?, &passwords, id.as_deref())?;
                write(&args, &path, sealed.as_bytes(), output)?;
            }
            told("Encryption successful", output)
        }
        Action::Decrypt(args) => {
            let passwords = passwords(&args.common, &config, false)?;
            for path in inputs(&args.files) {
                let plain = ops::unseal(&read(&path)?, &path.display().to_string(), &passwords)?;
                write(&args, &path, &plain, output)?;
            }
            told("Decryption successful", output)
        }
        Action::View(args) => {
            let passwords = passwords(&args.common, &config, false)?;
            for path in inputs(&args.files) {
                let plain = ops::unseal(&read(&path)?, &path.display().to_string(), &passwords)?;
                // What is no text is shown as it is, too.
                let _ = std::io::stdout().write_all(&plain);
            }
            Ok(ExitCode::Ok)
        }
        Action::Edit(args) => {
            let passwords = passwords(&args.common, &config, false)?;
            for path in inputs(&args.files) {
                let sealed = read(&path)?;
                let plain = ops::unseal(&sealed, &path.display().to_string(), &passwords)?;
                let text = String::from_utf8(plain).map_err(|_| {
                    Diagnostic::new("V0110", Kind::Vault, format!("`{}` holds no text to edit", path.display()))
                })?;
                let edited = editor::once(&text)?;
                if edited != text {
                    let id = encrypt_id(&args.common, &config).or_else(|| ops::sealed_with(&sealed));
                    let id = id.filter(|id| passwords.iter().any(|(known, _)| known == id));
                    ops::replace(&path, ops::seal(edited.as_bytes(), &passwords, id.as_deref())?.as_bytes())?;
                }
            }
            Ok(ExitCode::Ok)
        }
        Action::Create(args) => {
            let passwords = passwords(&args.common, &config, true)?;
            let [path] = &args.files[..] else {
                return Err(Diagnostic::new(
                    "V0103",
                    Kind::Usage,
                    "ansible-vault create can take only one filename argument",
                ));
            };
            if path.exists() {
                return Err(Diagnostic::local(
                    "V0110",
                    format!("{} exists, please use 'edit' instead", path.display()),
                ));
            }
            if !std::io::stdin().is_terminal() && !args.skip_tty_check {
                return Err(Diagnostic::local("C0103", "not a tty, editor cannot be opened"));
            }
            let text = editor::once("")?;
            let id = encrypt_id(&args.common, &config);
            ops::replace(path, ops::seal(text.as_bytes(), &passwords, id.as_deref())?.as_bytes())?;
            Ok(ExitCode::Ok)
        }
        Action::Rekey(args) => rekey(&args, &config, output),
    }
}

fn rekey(args: &FilesArgs, config: &Config, output: &Output) -> Result<ExitCode> {
    let old = passwords(&args.common, config, false)?;
    let keys = VaultOptions {
        vault_id: args.new_vault_id.iter().cloned().collect(),
        vault_password_file: args.new_vault_password_file.iter().cloned().collect(),
        ask_vault_password: false,
    };
    let mut new = ops::read_passwords(&keys.keys().passwords(&Config::default())?)?;
    if new.is_empty() {
        new = vec![("default".to_owned(), new_password()?)];
    }
    let files = inputs(&args.files);
    // All are opened before the first one is changed.
    let plain: Vec<Vec<u8>> =
        files.iter().map(|path| ops::unseal(&read(path)?, &path.display().to_string(), &old)).collect::<Result<_>>()?;
    for (path, plain) in files.iter().zip(plain) {
        ops::replace(path, ops::seal(&plain, &new, None)?.as_bytes())?;
    }
    output.note("Rekey successful\n");
    Ok(ExitCode::Ok)
}

fn encrypt_string(args: &StringArgs, config: &Config, output: &Output) -> Result<ExitCode> {
    let passwords = passwords(&args.common, config, true)?;
    let id = encrypt_id(&args.common, config);
    let mut items: Vec<(Option<String>, String)> = Vec::new();
    let from_stdin = args.strings.iter().any(|text| text == "-") || args.stdin_name.is_some();
    if args.prompt {
        let name = match args.name.first() {
            Some(name) => Some(name.clone()),
            None => {
                Some(ask("Variable name (enter for no name): ")?.expose().to_owned()).filter(|name| !name.is_empty())
            }
        };
        items.push((name, ask("String to encrypt: ")?.expose().to_owned()));
    }
    if from_stdin || (!args.prompt && args.strings.is_empty()) {
        if std::io::stdin().is_terminal() {
            output.note(
                "Reading plaintext input from stdin. (ctrl-d to end input, twice if your content does not already have a newline)\n",
            );
        }
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Diagnostic::local("C0107", format!("cannot read the text: {error}")))?;
        items.push((args.stdin_name.clone(), text));
    }
    let mut names = args.name.iter().skip(usize::from(args.prompt));
    for text in args.strings.iter().filter(|text| *text != "-") {
        items.push((names.next().cloned(), text.clone()));
    }
    let mut out = String::new();
    for (name, text) in items {
        if text.is_empty() {
            return Err(Diagnostic::new(
                "V0103",
                Kind::Usage,
                "The plaintext provided from the command line args was empty, not encrypting",
            ));
        }
        let sealed = ops::seal(text.as_bytes(), &passwords, id.as_deref())?;
        let lead = name.map_or_else(String::new, |name| format!("{name}: "));
        out.push_str(&lead);
        out.push_str("!vault |\n");
        for line in sealed.lines() {
            out.push_str("          ");
            out.push_str(line);
            out.push('\n');
        }
    }
    match args.common.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => ops::replace(path, out.as_bytes())?,
        None => output.data(&out),
    }
    told("Encryption successful", output)
}

/// Without names standard input is meant.
fn inputs(files: &[PathBuf]) -> Vec<PathBuf> {
    if files.is_empty() { vec![PathBuf::from("-")] } else { files.to_vec() }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong =
        |error: std::io::Error| Diagnostic::local("V0111", format!("`{}` cannot be read: {error}", path.display()));
    if path == Path::new("-") {
        let mut data = Vec::new();
        std::io::stdin().read_to_end(&mut data).map_err(wrong)?;
        return Ok(data);
    }
    std::fs::read(path).map_err(wrong)
}

/// To `--output`, else back where it came from.
fn write(args: &FilesArgs, from: &Path, data: &[u8], output: &Output) -> Result<()> {
    let to = args.common.output.as_deref().unwrap_or(from);
    if to == Path::new("-") {
        output.data_bytes(data);
        return Ok(());
    }
    ops::replace(to, data)
}

/// Said on a terminal only, as Ansible does.
fn told(text: &str, output: &Output) -> Result<ExitCode> {
    if std::io::stdout().is_terminal() {
        output.note(&format!("{text}\n"));
    }
    Ok(ExitCode::Ok)
}

fn encrypt_id(common: &Common, config: &Config) -> Option<String> {
    let configured = config.given("DEFAULT_VAULT_ENCRYPT_IDENTITY").filter(|id| !id.is_empty()).map(str::to_owned);
    common.encrypt_vault_id.clone().or(configured)
}

/// The passwords of the options; one is asked for if none is named.
fn passwords(common: &Common, config: &Config, new: bool) -> Result<Passwords> {
    let found = ops::read_passwords(&common.vault.keys().passwords(config)?)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let password = if new { new_password()? } else { ask("Vault password: ")? };
    Ok(vec![("default".to_owned(), password)])
}

fn new_password() -> Result<Secret> {
    let first = ask("New Vault password: ")?;
    let second = ask("Confirm New Vault password: ")?;
    if first != second {
        return Err(Diagnostic::local("C0107", "Passwords do not match"));
    }
    Ok(first)
}
