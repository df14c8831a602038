//! Files sealed by Ansible's vault: opened, sealed and sealed anew, as `ansible-vault` does.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::vault_passwords::Passwords;
use crate::diag::{Diagnostic, Kind, Result};
use crate::secret::Secret;
use crate::vault;

/// What a sealed text held.
#[derive(Debug)]
pub struct Unsealed {
    /// The content.
    pub plain: Vec<u8>,
    /// The password that opened it.
    pub password: Secret,
    /// The id that it carries.
    pub label: Option<String>,
}

/// What a file keeps when its content is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its mode and its owner.
    Mode,
    /// Its owner: nobody else may read the new content.
    Owner,
}

/// The password to seal with: the named one, or the only one.
pub fn sealing_password<'a>(passwords: &'a Passwords, wanted: Option<&str>) -> Result<&'a (String, Secret)> {
    let ids = |quote: &str, between: &str| {
        passwords.iter().map(|(id, _)| format!("{quote}{id}{quote}")).collect::<Vec<_>>().join(between)
    };
    match wanted {
        Some(wanted) => passwords.iter().find(|(id, _)| id == wanted).ok_or_else(|| {
            Diagnostic::new("V0103", Kind::Vault, format!("there is no vault password with the id `{wanted}`"))
                .with_note(format!("there are: {}", ids("`", ", ")))
                .with_hint(format!("name it with `--vault-id {wanted}@FILE`"))
                .with_registered(format!(
                    "Did not find a match for --encrypt-vault-id={wanted} in the known vault-ids [{}]",
                    ids("'", ", ")
                ))
        }),
        None => passwords.first().ok_or_else(|| {
            Diagnostic::new("V0103", Kind::Usage, "a vault password is required")
                .with_hint("name one with `--vault-password-file FILE`")
                .with_registered("A vault password is required to use Ansible's Vault")
        }),
    }
}

/// Sealed text of a plain one. `label` is the id that it carries; a salt makes the same text each time.
pub fn seal(plain: &[u8], password: &Secret, label: Option<&str>, salt: Option<&str>) -> Result<String> {
    if std::str::from_utf8(plain).is_ok_and(vault::ansible::is_vault) {
        return Err(Diagnostic::new("V0110", Kind::Vault, "the text is sealed already")
            .with_hint("to seal it with another password: `ansible-vault rekey`")
            .with_registered("input is already encrypted"));
    }
    match salt {
        Some(salt) => Ok(vault::ansible::encrypt_with_salt(plain, password, label, salt.as_bytes())),
        None => vault::ansible::encrypt(plain, password, label),
    }
}

/// The plain text of a sealed one. `name` is that of its file; `only` that of [`vault::ansible::open`].
pub fn unseal(text: &[u8], name: &str, passwords: &Passwords, only: Option<&str>) -> Result<Unsealed> {
    let text = match std::str::from_utf8(text) {
        Ok(text) if vault::ansible::is_vault(text) => text,
        _ => {
            return Err(Diagnostic::new("V0110", Kind::Vault, format!("`{name}` is not sealed by ansible-vault"))
                .with_hint("`ansible-vault encrypt` seals it")
                .with_registered(format!("Input is not vault encrypted data. for {name}")));
        }
    };
    let opened = vault::ansible::open(text, passwords, only).map_err(|error| {
        let words = format!("{} for {name}", error.registered());
        error.with_note(format!("in `{name}`")).with_registered(words)
    })?;
    let password = passwords.get(opened.with).map(|(_, password)| password.clone()).unwrap_or_default();
    Ok(Unsealed { plain: opened.plain, password, label: vault::ansible::label(text).map(str::to_owned) })
}

/// Replaces a file's content in one step; a new file is its owner's alone. What is no file (a pipe, a terminal,
/// `/dev/null`) is written to.
pub fn replace(path: &Path, content: &[u8], keep: Keep) -> Result<()> {
    let shown = path.display();
    let wrong = |error: std::io::Error| {
        let words = if error.kind() == std::io::ErrorKind::PermissionDenied {
            let dir = std::path::absolute(path).unwrap_or_default();
            format!("Destination '{}' not writable", dir.parent().unwrap_or(Path::new("/")).display())
        } else {
            format!("Unable to write to temporary vault file: {error}")
        };
        Diagnostic::local("V0111", format!("`{shown}` cannot be written: {error}"))
            .with_note("a file that was there is as it was")
            .with_registered(words)
    };
    let old = std::fs::metadata(path).ok();
    if old.as_ref().is_some_and(|meta| !meta.is_file()) {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).map_err(wrong)?;
        return file.write_all(content).map_err(wrong);
    }
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if old.is_none() && std::fs::symlink_metadata(path).is_ok() {
        // A link to nothing: its target is made, with nobody else's file in between.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(wrong)?;
        return file.write_all(content).and_then(|()| file.sync_all()).map_err(wrong);
    }
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = match (&old, keep) {
        (Some(meta), Keep::Mode) => meta.permissions().mode() & 0o7777,
        _ => 0o600,
    };
    let fill = |file: &mut File| {
        file.write_all(content)?;
        if let Some(meta) = &old {
            // Without the right to give files away the new one is the caller's, as with any editor.
            let _ = std::os::unix::fs::fchown(&*file, Some(meta.uid()), Some(meta.gid()));
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()
    };
    let mut names = tempfile::Builder::new();
    names.prefix(".vault-");
    let named = match unnamed(dir) {
        // It has no name before it is whole: a text in clear of a process that is killed is gone with it.
        Some(mut file) => {
            fill(&mut file).map_err(wrong)?;
            names.make_in(dir, |path| name(&file, path)).map_err(wrong)?.into_temp_path()
        }
        None => {
            let mut file = names.tempfile_in(dir).map_err(wrong)?;
            fill(file.as_file_mut()).map_err(wrong)?;
            file.into_temp_path()
        }
    };
    named.persist(&target).map_err(|error| wrong(error.error))
}

/// A new file of a folder that has no name yet, where the file system knows such files.
fn unnamed(dir: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

/// Gives such a file a name that nothing has yet.
fn name(file: &File, path: &Path) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn only_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, b"one", Keep::Mode).unwrap();
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"two", Keep::Mode).unwrap();
        assert_eq!((mode(&path), std::fs::read(&path).unwrap()), (0o644, b"two".to_vec()));
        replace(&path, b"three", Keep::Owner).unwrap();
        assert_eq!(mode(&path), 0o600);
        // A link stays one, also one to nothing yet.
        for (link, target) in [("link", "f"), ("new", "made")] {
            std::os::unix::fs::symlink(folder.path().join(target), folder.path().join(link)).unwrap();
            replace(&folder.path().join(link), b"four", Keep::Owner).unwrap();
            assert!(std::fs::symlink_metadata(folder.path().join(link)).unwrap().is_symlink());
            assert_eq!(std::fs::read(folder.path().join(target)).unwrap(), b"four");
        }
        // Devices are written to: as root a rename would take the place of them.
        let before = std::fs::metadata("/dev/null").unwrap();
        replace(Path::new("/dev/null"), b"x", Keep::Owner).unwrap();
        assert_eq!(std::fs::metadata("/dev/null").unwrap().ino(), before.ino());
        let full = replace(Path::new("/dev/full"), b"x", Keep::Owner).unwrap_err();
        assert_eq!(full.code, "V0111");
        assert!(replace(folder.path(), b"x", Keep::Owner).is_err());
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 4);
    }

    #[test]
    fn a_text_has_no_name_before_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let Some(mut file) = unnamed(folder.path()) else { return };
        file.write_all(b"clear").unwrap();
        assert_eq!(names(), 0);
        let path = folder.path().join("f");
        name(&file, &path).unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), mode(&path)), (b"clear".to_vec(), 0o600));
        // A name that is taken stays what it is.
        assert_eq!(name(&file, &path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        drop(unnamed(folder.path()));
        assert_eq!(names(), 1);
    }

    #[test]
    fn the_sealing_password_is_named_in_ansibles_words() {
        let passwords: Passwords = vec![("a".to_owned(), Secret::new("x")), ("b".to_owned(), Secret::new("y"))];
        assert_eq!(sealing_password(&passwords, Some("b")).unwrap().1.expose(), "y");
        let told = sealing_password(&passwords, Some("c")).unwrap_err();
        let words = "Did not find a match for --encrypt-vault-id=c in the known vault-ids ['a', 'b']";
        assert_eq!(told.registered(), words);
        let sealed = seal(b"text", &passwords[1].1, Some("b"), Some("salt")).unwrap();
        assert_eq!(sealed, seal(b"text", &passwords[1].1, Some("b"), Some("salt")).unwrap());
        let opened = unseal(sealed.as_bytes(), "f", &passwords, None).unwrap();
        assert_eq!((opened.plain, opened.label.as_deref()), (b"text".to_vec(), Some("b")));
        assert_eq!(opened.password.expose(), "y");
        assert_eq!(
            seal(sealed.as_bytes(), &passwords[0].1, None, None).unwrap_err().registered(),
            "input is already encrypted"
        );
        assert_eq!(
            unseal(b"x", "f", &passwords, None).unwrap_err().registered(),
            "Input is not vault encrypted data. for f"
        );
    }
}
