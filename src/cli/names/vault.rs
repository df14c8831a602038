//! `ansible-vault`: files and values sealed in Ansible's format.

use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use super::super::arguments::{Prompts, matched_ids, password_sources};
use super::super::output::Output;
use super::options::VaultOptions;
use super::{Program, display, vault_edit, vault_string};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::ops::{self, Config, Keep, Passwords, Unsealed};
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
    Create(vault_edit::CreateArgs),
    /// Decrypt vault encrypted file or string
    Decrypt(DecryptArgs),
    /// Edit vault encrypted file
    Edit(vault_edit::EditArgs),
    /// View vault encrypted file
    View(ViewArgs),
    /// Encrypt YAML file
    Encrypt(EncryptArgs),
    /// Encrypt a string
    #[command(name = "encrypt_string")]
    EncryptString(vault_string::StringArgs),
    /// Re-key a vault encrypted file
    Rekey(RekeyArgs),
}

/// Options of every action.
#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    vault: VaultOptions,
    /// Causes Ansible to print more debug messages.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// `--encrypt-vault-id`
#[derive(Debug, Args)]
pub(super) struct SealWith {
    /// the vault id used to encrypt (required if more than one vault-id is provided)
    #[arg(long, value_name = "ENCRYPT_VAULT_ID", allow_hyphen_values = true)]
    pub encrypt_vault_id: Option<String>,
}

/// `--output`
#[derive(Debug, Args)]
pub(super) struct OutputTo {
    /// output file name for encrypt or decrypt; use - for stdout
    #[arg(long = "output", value_name = "OUTPUT_FILE", allow_hyphen_values = true)]
    pub output_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct DecryptArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    to: OutputTo,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct ViewArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct EncryptArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    to: OutputTo,
    #[command(flatten)]
    with: SealWith,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct RekeyArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    /// new vault password file for rekey
    #[arg(long, value_name = "NEW_VAULT_PASSWORD_FILE", conflicts_with = "new_vault_id")]
    new_vault_password_file: Option<PathBuf>,
    /// the new vault identity to use for rekey
    #[arg(long, value_name = "NEW_VAULT_ID")]
    new_vault_id: Option<String>,
    #[command(flatten)]
    with: SealWith,
    #[command(flatten)]
    common: Common,
}

/// What an action works with.
pub(super) struct Tools<'a> {
    pub config: Config,
    pub output: &'a Output,
    pub passwords: Passwords,
    /// Only passwords with the id of a text open it; the id of a text without one.
    only: Option<String>,
}

pub(super) fn main(args: VaultProgramArgs, output: &mut Output) -> Result<ExitCode> {
    let config = Config::load(&output.sources)?;
    display::configure(output, &config);
    display::tell(output, &config.warnings);
    match args.action {
        Action::EncryptString(args) => vault_string::main(&args, config, output),
        Action::Create(args) => vault_edit::create(&args, config, output),
        Action::Edit(args) => vault_edit::edit(&args, config, output),
        Action::Encrypt(args) => encrypt(&args, config, output),
        Action::Decrypt(args) => {
            args.to.check(args.files.len())?;
            let tools = Tools::new(&args.common, config, output, Prompts::Known)?;
            waiting("ciphertext", &args.files, output);
            for path in inputs(&args.files) {
                let path = real(&path);
                let opened = tools.unseal(&path, &read(&path)?)?;
                args.to.write(&path, &opened.plain, output)?;
            }
            Ok(told("Decryption successful", output))
        }
        Action::View(args) => {
            let tools = Tools::new(&args.common, config, output, Prompts::Known)?;
            for path in &args.files {
                let opened = tools.unseal(path, &read(path)?)?;
                show(&opened.plain, &tools.config, output);
            }
            Ok(ExitCode::Ok)
        }
        Action::Rekey(args) => rekey(&args, config, output),
    }
}

fn encrypt(args: &EncryptArgs, config: Config, output: &Output) -> Result<ExitCode> {
    args.to.check(args.files.len())?;
    let tools = Tools::new(&args.common, config, output, Prompts::New)?;
    let (id, password) = tools.sealing(&args.with)?;
    waiting("plaintext", &args.files, output);
    for path in inputs(&args.files) {
        let path = real(&path);
        let sealed = tools.seal(&read(&path)?, password, id)?;
        let others = std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.nlink() > 1);
        args.to.write(&path, sealed.as_bytes(), output)?;
        if others && args.to.output_file.is_none() {
            let text = "has other names (hard links), whose content is as it was: not encrypted";
            output.note(&format!("[WARNING]: {} {text}\n", path.display()));
        }
    }
    Ok(told("Encryption successful", output))
}

fn rekey(args: &RekeyArgs, config: Config, output: &Output) -> Result<ExitCode> {
    let tools = Tools::new(&args.common, config, output, Prompts::Known)?;
    let wanted = tools.sealing_id(&args.with);
    let mut ids = if wanted.is_some() { tools.config.list("DEFAULT_VAULT_IDENTITY_LIST") } else { Vec::new() };
    ids.extend(args.new_vault_id.clone());
    let files: Vec<PathBuf> = args.new_vault_password_file.iter().cloned().collect();
    let (new, _) = found(&tools.config, &ids, &files, args.common.vault.ask_vault_password, Prompts::New, output)?;
    let (id, password) = ops::sealing_password(&new, wanted.as_deref())?;
    // All are opened before the first one is changed.
    let files: Vec<PathBuf> = args.files.iter().map(|path| real(path)).collect();
    let plain: Vec<(Vec<u8>, Vec<u8>)> = files
        .iter()
        .map(|path| {
            let sealed = read(path)?;
            Ok((tools.unseal(path, &sealed)?.plain, sealed))
        })
        .collect::<Result<_>>()?;
    for (path, (plain, before)) in files.iter().zip(plain) {
        if read(path)? != before {
            return Err(changed(path));
        }
        ops::replace(path, tools.seal(&plain, password, id)?.as_bytes(), Keep::Mode)?;
    }
    output.note("Rekey successful\n");
    Ok(ExitCode::Ok)
}

/// Someone else wrote the file since it was read.
pub(super) fn changed(path: &Path) -> Diagnostic {
    Diagnostic::local("V0111", format!("`{}` was changed meanwhile", path.display()))
        .with_note("it was left as it is")
        .with_hint("do it again")
        .with_registered("Vault file got recreated while we were operating on it.")
}

impl Tools<'_> {
    /// Reads the passwords of the options; one is asked for if none is named.
    pub(super) fn new<'a>(common: &Common, config: Config, output: &'a Output, prompts: Prompts) -> Result<Tools<'a>> {
        let shown = display::options(&config, common.verbose, output, Some(Program::Vault));
        shown.preamble.iter().for_each(|line| output.data(&format!("{line}\n")));
        let options = &common.vault;
        if let Some(wrong) = options.vault_id.iter().find(|id| id.contains(';')) {
            return Err(Diagnostic::new("V0103", Kind::Usage, format!("`{wrong}` is no vault id"))
                .with_hint("an id has no `;`")
                .with_registered(format!(
                    "'{wrong}' is not a valid vault id. The character ';' is not allowed in vault ids"
                )));
        }
        let mut ids = config.list("DEFAULT_VAULT_IDENTITY_LIST");
        ids.extend(options.vault_id.iter().cloned());
        let ask = options.ask_vault_password || config.flag("DEFAULT_ASK_VAULT_PASS");
        let (passwords, only) = found(&config, &ids, &options.vault_password_file, ask, prompts, output)?;
        Ok(Tools { config, output, passwords, only })
    }

    /// The id to seal with, if one is named.
    pub(super) fn sealing_id(&self, with: &SealWith) -> Option<String> {
        let configured = self.config.given("DEFAULT_VAULT_ENCRYPT_IDENTITY").map(str::to_owned);
        with.encrypt_vault_id.clone().filter(|id| !id.is_empty()).or(configured).filter(|id| !id.is_empty())
    }

    /// The id and the password to seal with.
    pub(super) fn sealing(&self, with: &SealWith) -> Result<(&str, &Secret)> {
        let wanted = self.sealing_id(with);
        if wanted.is_none() && self.passwords.len() > 1 {
            let ids: Vec<&str> = self.passwords.iter().map(|(id, _)| id.as_str()).collect();
            return Err(Diagnostic::new("V0103", Kind::Usage, "there are several vault passwords to seal with")
                .with_hint(format!("choose one: `--encrypt-vault-id {}`", ids.first().unwrap_or(&"ID")))
                .with_registered(format!(
                    "The vault-ids {} are available to encrypt. Specify the vault-id to encrypt with \
                     --encrypt-vault-id",
                    ids.join(",")
                )));
        }
        let (id, password) = ops::sealing_password(&self.passwords, wanted.as_deref())?;
        Ok((id, password))
    }

    pub(super) fn seal(&self, plain: &[u8], password: &Secret, id: &str) -> Result<String> {
        let salt = self.config.given("VAULT_ENCRYPT_SALT").filter(|salt| !salt.is_empty());
        ops::seal(plain, password, Some(id), salt)
    }

    pub(super) fn unseal(&self, path: &Path, sealed: &[u8]) -> Result<Unsealed> {
        ops::unseal(sealed, &path.display().to_string(), &self.passwords, self.only.as_deref())
    }
}

/// The passwords, with one that is asked for if nothing else is named.
fn found(
    config: &Config,
    ids: &[String],
    files: &[PathBuf],
    ask: bool,
    prompts: Prompts,
    output: &Output,
) -> Result<(Passwords, Option<String>)> {
    let configured = config.given("DEFAULT_VAULT_PASSWORD_FILE").is_some_and(|path| !path.is_empty());
    let ask = ask || ids.is_empty() && files.is_empty() && !configured;
    let only = matched_ids(config);
    let sources = password_sources(config, ids, files, ask, prompts).map_err(|mut error| {
        // Nobody there to ask is no wrong option here.
        if error.code == "C0103" && error.kind == Kind::Usage {
            error.kind = Kind::Local;
        }
        error
    })?;
    let (passwords, warnings) = ops::read_passwords(&sources, only.as_deref())?;
    display::tell(output, &warnings);
    Ok((passwords, only))
}

impl OutputTo {
    /// One output has one input.
    fn check(&self, inputs: usize) -> Result<()> {
        if self.output_file.is_none() || inputs <= 1 {
            return Ok(());
        }
        let words = "At most one input file may be used with the --output option";
        Err(Diagnostic::new("V0103", Kind::Usage, "several files cannot have one output")
            .with_hint("leave `--output` out, or name one file")
            .with_registered(words))
    }

    /// To the output file, else back where it came from.
    pub(super) fn write(&self, from: &Path, data: &[u8], output: &Output) -> Result<()> {
        let to = self.output_file.as_deref().unwrap_or(from);
        if to == Path::new("-") {
            output.data_bytes(data);
            return Ok(());
        }
        ops::replace(to, data, Keep::Owner)
    }
}

/// Without names standard input is meant.
fn inputs(files: &[PathBuf]) -> Vec<PathBuf> {
    if files.is_empty() { vec![PathBuf::from("-")] } else { files.to_vec() }
}

/// Links followed; `-` stays.
pub(super) fn real(path: &Path) -> PathBuf {
    if path == Path::new("-") {
        return path.to_path_buf();
    }
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut data = Vec::new();
        std::io::stdin()
            .read_to_end(&mut data)
            .map_err(|error| Diagnostic::local("V0111", format!("standard input cannot be read: {error}")))?;
        return Ok(data);
    }
    std::fs::read(path).map_err(|error| {
        let shown = path.display();
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let number = error.raw_os_error().unwrap_or_default();
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        Diagnostic::local("V0111", format!("`{shown}` cannot be read: {error}")).with_registered(format!(
            "Unable to read source file ({shown}): [Errno {number}] {text}: '{}'",
            whole.display()
        ))
    })
}

/// Says that standard input is read, to a person.
fn waiting(what: &str, files: &[PathBuf], output: &Output) {
    if files.is_empty() && std::io::stdin().is_terminal() {
        output.note(&format!("Reading {what} input from stdin\n"));
    }
}

/// Said on a terminal only, as Ansible does.
pub(super) fn told(text: &str, output: &Output) -> ExitCode {
    if std::io::stdout().is_terminal() {
        output.note(&format!("{text}\n"));
    }
    ExitCode::Ok
}

/// The content on standard output, through the pager on a terminal.
fn show(plain: &[u8], config: &Config, output: &Output) {
    let pager = config.text("PAGER");
    if std::io::stdout().is_terminal() && !pager.trim().is_empty() && paged(plain, &pager) {
        return;
    }
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if plain.ends_with(b"\n") { b"" } else { b"\n" };
    output.wrote(out.write_all(plain).and_then(|()| out.write_all(end)).and_then(|()| out.flush()));
}

/// Gives the content to the pager; false if there is none.
fn paged(plain: &[u8], pager: &str) -> bool {
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg(pager).stdin(std::process::Stdio::piped());
    if pager.contains("less") {
        command.env("LESS", "FRSX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        // Who leaves the pager has seen enough.
        let _ = input.write_all(plain);
    }
    // The shell's codes for a program that is not there.
    child.wait().is_ok_and(|status| !matches!(status.code(), Some(126 | 127)))
}
