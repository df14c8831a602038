//! `ansible-vault create` and `edit`: sealed files in the user's editor.
//!
//! The clear text is in a private folder in memory while the editor runs; what was typed is never lost.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use super::super::arguments::Prompts;
use super::super::editor;
use super::super::output::Output;
use super::vault::{Common, SealWith, Tools, changed, read, real};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::ops::{self, Config, Keep};
use crate::secret::Secret;

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    /// allows editor to be opened when no tty attached
    #[arg(long)]
    skip_tty_check: bool,
    #[command(flatten)]
    with: SealWith,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct EditArgs {
    /// Filename
    #[arg(value_name = "file_name")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    with: SealWith,
    #[command(flatten)]
    common: Common,
}

pub(super) fn create(args: &CreateArgs, config: Config, output: &Output) -> Result<ExitCode> {
    editor::sweep_left();
    let tools = Tools::new(&args.common, config, output, Prompts::New)?;
    let (id, password) = tools.sealing(&args.with)?;
    let [path] = &args.files[..] else {
        return Err(Diagnostic::new("V0103", Kind::Usage, "one file is made at a time")
            .with_hint("ansible-vault create FILE")
            .with_registered("ansible-vault create can take only one filename argument"));
    };
    if !std::io::stdout().is_terminal() && !args.skip_tty_check {
        return Err(Diagnostic::new("C0103", Kind::Usage, "there is no terminal for an editor")
            .with_hint("`--skip-tty-check` opens it all the same")
            .with_registered("not a tty, editor cannot be opened"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    if let Some(folder) = folder {
        output.note(&format!("[WARNING]: {} does not exist, creating...\n", folder.display()));
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700)
            .create(folder)
            .map_err(|error| Diagnostic::local("V0111", format!("`{}` cannot be made: {error}", folder.display())))?;
    }
    if path.is_file() {
        return Err(Diagnostic::local("V0110", format!("`{}` exists", path.display()))
            .with_hint(format!("ansible-vault edit {}", path.display()))
            .with_registered(format!("{} exists, please use 'edit' instead", path.display())));
    }
    let text = edited(&tools, path, b"")?;
    sealed(&tools, path, &text, (password, id), None)?;
    Ok(ExitCode::Ok)
}

pub(super) fn edit(args: &EditArgs, config: Config, output: &Output) -> Result<ExitCode> {
    editor::sweep_left();
    let tools = Tools::new(&args.common, config, output, Prompts::Known)?;
    for path in &args.files {
        let path = real(path);
        let before = read(&path)?;
        let opened = tools.unseal(&path, &before)?;
        let text = edited(&tools, &path, &opened.plain)?;
        if text != opened.plain {
            // It keeps its id, whatever the id of the password is.
            let label = opened.label.unwrap_or_else(|| tools.config.text("DEFAULT_VAULT_IDENTITY"));
            sealed(&tools, &path, &text, (&opened.password, &label), Some(&before))?;
        }
    }
    Ok(ExitCode::Ok)
}

/// The text after an editor. As with Ansible the editor's own exit code decides nothing; it is told.
fn edited(tools: &Tools<'_>, path: &Path, clear: &[u8]) -> Result<Vec<u8>> {
    let program = tools.config.text("EDITOR");
    let extension = path.extension().map(|end| end.to_string_lossy().into_owned());
    let (text, status) = editor::once(&program, clear, extension.as_deref())?;
    if !status.success() {
        let what = if text == clear { "nothing was changed" } else { "what it wrote is kept" };
        tools.output.note(&format!("[WARNING]: the editor `{program}` ended with {status}; {what}\n"));
    }
    Ok(text)
}

/// Seals and writes; a text that cannot be written is kept aside.
fn sealed(
    tools: &Tools<'_>,
    path: &Path,
    text: &[u8],
    (password, id): (&Secret, &str),
    before: Option<&[u8]>,
) -> Result<()> {
    let write = || {
        let sealed = tools.seal(text, password, id)?;
        if before.is_some_and(|before| read(path).is_ok_and(|now| now != before)) {
            return Err(changed(path));
        }
        ops::replace(path, sealed.as_bytes(), Keep::Mode)
    };
    write().map_err(|error| editor::keep_aside(error, text))
}
