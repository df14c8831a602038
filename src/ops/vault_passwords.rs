//! Passwords of Ansible's vault: files, programs that print them, and those that were typed.
//!
//! In the order in which they are named, as Ansible reads them: one that cannot be had is a warning as long as there
//! is another, and a password file may be sealed with a password before it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::diag::{Diagnostic, Kind, Result};
use crate::modules::HostPath;
use crate::secret::Secret;
use crate::system::printed::printed;
use crate::vault::ansible;

/// Where a password of Ansible's vault comes from.
#[derive(Clone)]
pub enum PasswordSource {
    /// A file, or a program that prints it.
    File {
        /// As it was named: `~` and `$VAR` are replaced.
        path: PathBuf,
        /// The id was named too, and is not the usual one.
        named: bool,
    },
    /// Typed already.
    Given(Secret),
}

impl PasswordSource {
    /// True for a program that prints the password.
    pub(super) fn is_program(&self) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        let Self::File { path, .. } = self else { return false };
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    }
}

/// Passwords by id.
pub type Passwords = Vec<(String, Secret)>;

/// Bytes that a program prints as a password, at most.
const LONGEST: usize = 1 << 20;
/// What a client program ends with for an id that it does not know.
const UNKNOWN_ID: i32 = 2;

/// Why there is no password: in words of ours, and in Ansible's.
struct Missing {
    /// It is not there, or not what it must be; else it could not be read.
    absent: bool,
    message: String,
    words: String,
}

impl Missing {
    fn diagnostic(&self, path: &Path) -> Diagnostic {
        Diagnostic::new(
            "V0104",
            Kind::Vault,
            format!("the vault password of `{}` cannot be had: {}", path.display(), self.message),
        )
        .with_hint("name a text file with the password, or a program that prints it")
        .with_registered(self.words.clone())
    }
}

/// Reads the passwords; warnings tell of those that cannot be had. It is an error if none can. `only` is that of
/// [`ansible::open`].
pub fn read_passwords(
    sources: &[(String, PasswordSource)],
    only: Option<&str>,
) -> Result<(Passwords, Vec<Diagnostic>)> {
    let mut passwords: Passwords = Vec::new();
    let mut warnings = Vec::new();
    let mut last = None;
    for (id, source) in sources {
        let (path, named) = match source {
            PasswordSource::Given(password) => {
                passwords.push((id.clone(), password.clone()));
                continue;
            }
            PasswordSource::File { path, named } => (path, *named),
        };
        match password(path, named.then_some(id), &passwords, only) {
            Ok(password) => passwords.push((id.clone(), password)),
            Err(missing) => {
                let error = missing.diagnostic(path);
                let what = if missing.absent {
                    "Error getting vault password file"
                } else {
                    "Error in vault password file loading"
                };
                let shown = if named { id } else { "None" };
                let told = format!("{what} ({shown}): {}", missing.words);
                warnings.push(error.clone().warning().with_registered(told));
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if passwords.is_empty() => {
            // The last one is the error itself.
            warnings.pop();
            Err(warnings.iter().fold(error, |error, other| error.with_note(other.message.clone())))
        }
        _ => Ok((passwords, warnings)),
    }
}

/// The password that a file holds or a program prints.
fn password(
    given: &Path,
    id: Option<&String>,
    passwords: &Passwords,
    only: Option<&str>,
) -> std::result::Result<Secret, Missing> {
    use std::os::unix::fs::PermissionsExt as _;
    let expanded = HostPath(given.to_string_lossy().into_owned()).expand(&[]);
    let path = std::path::absolute(&expanded).unwrap_or(expanded);
    let path = crate::system::fs::normal(&path);
    let shown = path.display().to_string();
    let absent = |message: &str, words: String| Missing { absent: true, message: message.to_owned(), words };
    let unread = |message: String, words: String| Missing { absent: false, message, words };
    let Ok(meta) = std::fs::metadata(&path) else {
        return Err(absent("no such file", format!("The vault password file {shown} was not found")));
    };
    if meta.is_dir() {
        return Err(absent(
            "it is a folder",
            format!("The vault password file provided '{shown}' can not be a directory"),
        ));
    }
    let (bytes, kind) = if meta.permissions().mode() & 0o111 != 0 {
        (program(&path, id)?, "script")
    } else {
        let bytes = crate::diag::read::read_source(&path).map_err(|error| {
            unread(error.to_string(), format!("Could not read vault password file '{shown}': {error}"))
        })?;
        let bytes = bytes.trim_ascii().to_vec();
        let opened = match std::str::from_utf8(&bytes) {
            Ok(text) if ansible::is_vault(text) => {
                ansible::open(text, passwords, only)
                    .map_err(|error| unread(error.message.clone(), error.registered().to_owned()))?
                    .plain
            }
            _ => bytes,
        };
        (opened, "file")
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        unread("it is no UTF-8 text".to_owned(), format!("The password of the {kind} {shown} is no UTF-8 text"))
    })?;
    let text = text.trim_matches(['\r', '\n']);
    if text.is_empty() {
        let words = format!("Invalid vault password was provided from {kind} ({shown})");
        return Err(unread("it is empty".to_owned(), words));
    }
    Ok(Secret::new(text))
}

/// What a password program prints. One whose name ends with `-client` is told the id.
fn program(path: &Path, id: Option<&String>) -> std::result::Result<Vec<u8>, Missing> {
    let shown = path.display();
    let failed = |message: String, words: String| Missing { absent: false, message, words };
    let client = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client"));
    let mut command = Command::new(path);
    let kind = if client {
        command.stderr(Stdio::piped());
        if let Some(id) = id {
            command.arg("--vault-id").arg(id);
        }
        "client script"
    } else {
        // It may ask on the terminal.
        command.stderr(Stdio::inherit());
        "script"
    };
    let output = printed(&mut command, LONGEST).map_err(|error| {
        failed(
            error.to_string(),
            format!(
                "Problem running vault password {kind} {shown} ({error}). If this is not a script, remove the \
                 executable bit from the file."
            ),
        )
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let code = output.status.code().unwrap_or(-1);
    let errors = if client { format!("b'{}'", output.stderr.escape_ascii()) } else { "None".to_owned() };
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let told = if told.is_empty() { String::new() } else { format!(": {told}") };
    let of = id.map_or("None", String::as_str);
    let (message, words) = match (client, code) {
        (true, UNKNOWN_ID) => (
            format!("the program knows no password of the id `{of}`{told}"),
            format!("Vault password client script {shown} did not find a secret for vault-id={of}: {errors}"),
        ),
        (true, _) => (
            format!("the program ended with {}{told}", output.status),
            format!(
                "Vault password client script {shown} returned non-zero ({code}) when getting secret for \
                 vault-id={of}: {errors}"
            ),
        ),
        (false, _) => (
            format!("the program ended with {}", output.status),
            format!("Vault password script {shown} returned non-zero ({code}): {errors}"),
        ),
    };
    Err(failed(message, words))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    fn source(id: Option<&str>, path: &Path) -> (String, PasswordSource) {
        let file = PasswordSource::File { path: path.to_path_buf(), named: id.is_some() };
        (id.unwrap_or("default").to_owned(), file)
    }

    fn one(source: (String, PasswordSource)) -> String {
        match read_passwords(&[source], None) {
            Ok((passwords, _)) => passwords[0].1.expose().to_owned(),
            Err(error) => format!("{}: {}", error.code, error.registered()),
        }
    }

    #[test]
    fn files_and_programs_give_their_password() {
        let folder = Folder(tempfile::tempdir().unwrap());
        assert_eq!(one(source(None, &folder.file("a", b" \n pass word\t\r\n", 0o600))), "pass word");
        let script = folder.file("script", b"#!/bin/sh\necho ' pass '\n", 0o700);
        assert_eq!(one(source(None, &script)), " pass ");
        let client = folder.file("my-client.sh", b"#!/bin/sh\necho \"$*\"\n", 0o700);
        assert_eq!(one(source(Some("prod"), &client)), "--vault-id prod");
        let empty = one(source(None, &client));
        assert_eq!(empty, format!("V0104: Invalid vault password was provided from script ({})", client.display()));
        // What is no script must not be one.
        assert!(one(source(None, &folder.file("text", b"word\n", 0o755))).contains("remove the executable bit"));
        let failing = folder.file("x-client", b"#!/bin/sh\necho oh >&2; exit 2\n", 0o700);
        let told = one(source(Some("dev"), &failing));
        assert!(told.ends_with("did not find a secret for vault-id=dev: b'oh\\n'"), "{told}");
        let told = one(source(None, &folder.file("s", b"#!/bin/sh\nexit 3\n", 0o700)));
        assert!(told.ends_with("/s returned non-zero (3): None"), "{told}");
        assert!(one(source(None, folder.0.path())).contains("can not be a directory"));
        assert!(one(source(None, &folder.file("binary", &[0xff, 0xfe], 0o600))).contains("UTF-8"));
    }

    #[test]
    fn one_that_is_missing_is_a_warning_beside_another() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let here = folder.file("here", b"word", 0o600);
        let gone = folder.0.path().join("gone");
        let (passwords, warnings) =
            read_passwords(&[source(Some("a"), &gone), source(Some("b"), &here), source(None, &gone)], None).unwrap();
        assert_eq!(passwords.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["b"]);
        let told: Vec<&str> = warnings.iter().map(Diagnostic::registered).collect();
        let why = format!("The vault password file {} was not found", gone.display());
        assert_eq!(
            told,
            [
                format!("Error getting vault password file (a): {why}"),
                format!("Error getting vault password file (None): {why}")
            ]
        );
        assert_eq!(one(source(Some("a"), &gone)), format!("V0104: {why}"));
        assert!(read_passwords(&[], None).unwrap().0.is_empty());
    }

    #[test]
    fn a_password_file_may_be_sealed_with_one_before_it() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let outer = folder.file("outer", b"outer word", 0o600);
        let sealed = ansible::encrypt(b"inner word\n", &Secret::new("outer word"), None).unwrap();
        let inner = folder.file("inner", sealed.as_bytes(), 0o600);
        let (passwords, _) = read_passwords(&[source(None, &outer), source(Some("in"), &inner)], None).unwrap();
        assert_eq!(passwords[1].1.expose(), "inner word");
        assert!(one(source(None, &inner)).contains("no vault secrets found"));
    }
}
