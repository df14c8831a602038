//! Passwords and secrets that commands read: from standard input or a file, never from an argument.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::diag::{Diagnostic, Kind, Result};
use crate::secret::Secret;

const LONGEST: u64 = 1 << 20;

/// Where the password of `--username` comes from.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// The password is the first line of standard input.
    #[arg(id = "password_stdin", long = "password-stdin", group = "password", requires = "username")]
    stdin: bool,
    /// The password is the first line of this file.
    #[arg(id = "password_file", long = "password-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(group = "password", requires = "username")]
    file: Option<PathBuf>,
    /// The password is this variable's, from the environment's vault.
    #[arg(id = "password_var", long = "password-var", value_name = "VARIABLE")]
    #[arg(group = "password", requires = "username")]
    variable: Option<String>,
}

impl PasswordArgs {
    /// The variable that has it, if one was named; B0171 if none can have that name.
    pub(super) fn variable(&self) -> Result<Option<&str>> {
        self.variable.as_deref().map(variable_name).transpose()
    }

    /// Whether [`Self::read`] gives one.
    pub(super) fn is_here(&self) -> bool {
        self.stdin || self.file.is_some()
    }

    /// What standard input or the file gives, if one of them was named; B0171 if it is empty.
    pub(super) fn read(&self) -> Result<Option<Secret>> {
        match &self.file {
            Some(path) => password_of_file(path).map(Some),
            None => self.stdin.then(password_of_stdin).transpose(),
        }
    }
}

/// The first line of standard input; B0171 if it is empty.
fn password_of_stdin() -> Result<Secret> {
    password("standard input", &mut std::io::stdin().lock())
}

/// The first line of a file; B0171 if it is empty.
fn password_of_file(path: &Path) -> Result<Secret> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    password(&format!("`{}`", path.display()), &mut file)
}

/// The name itself if a variable can have it, so that it can stand in a template; else B0171.
fn variable_name(name: &str) -> Result<&str> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() {
        return Ok(name);
    }
    Err(usage("B0171", format!("`{}` is no name of a variable", name.escape_debug()))
        .with_hint("--password-var registry_password"))
}

fn password(what: &str, from: &mut dyn Read) -> Result<Secret> {
    let text = text_of(what, from)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(usage("B0171", format!("{what} holds no password"))
            .with_hint("pass show registry | hostctl ... --password-stdin"));
    }
    Ok(Secret::new(line))
}

/// The text that a reader gives, at most 1 MiB; B0171 otherwise.
pub(super) fn text_of(what: &str, from: &mut dyn Read) -> Result<String> {
    let mut text = String::new();
    let read = from.take(LONGEST + 1).read_to_string(&mut text);
    let wrong = match read {
        Err(error) => error.to_string(),
        Ok(_) if text.len() as u64 > LONGEST => "it is longer than 1 MiB".to_owned(),
        Ok(_) => return Ok(text),
    };
    Err(usage("B0171", format!("{what} cannot be read: {wrong}")).with_hint("name a file of text"))
}

/// B0171: the file cannot be opened.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    usage("B0171", format!("`{}` cannot be read: {error}", path.display()))
        .with_hint(format!("ls -l {}", path.display()))
}

/// An error of the command line.
pub(super) fn usage(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code, Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line() {
        assert_eq!(password("x", &mut &b"geheim\nrest"[..]).unwrap().expose(), "geheim");
        assert_eq!(password("x", &mut &b"\n"[..]).unwrap_err().code, "B0171");
        assert_eq!(password("x", &mut &b"\xff"[..]).unwrap_err().code, "B0171");
    }
}
