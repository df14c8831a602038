//! Files sealed by Ansible's vault: opened, sealed and sealed anew, as `ansible-vault` does.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::project::{PasswordSource, password_file};
use crate::diag::{Diagnostic, Kind, Result};
use crate::secret::Secret;
use crate::vault;

/// Passwords by id.
pub type Passwords = Vec<(String, Secret)>;

/// Reads the passwords that a request names.
pub fn read_passwords(sources: &[(String, PasswordSource)]) -> Result<Passwords> {
    sources
        .iter()
        .map(|(id, source)| {
            let password = match source {
                PasswordSource::Given(password) => password.clone(),
                PasswordSource::File(path) => password_file(path)?,
            };
            Ok((id.clone(), password))
        })
        .collect()
}

/// The password to seal with: the named one, or the only one.
pub fn sealing_password<'a>(passwords: &'a Passwords, wanted: Option<&str>) -> Result<&'a (String, Secret)> {
    let ids = || passwords.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>().join(",");
    match wanted {
        Some(wanted) => passwords.iter().find(|(id, _)| id == wanted).ok_or_else(|| {
            Diagnostic::new(
                "V0103",
                Kind::Vault,
                format!("Did not find a match for --encrypt-vault-id={wanted} in the known vault-ids [{}]", ids()),
            )
        }),
        None if passwords.len() > 1 => Err(Diagnostic::new(
            "V0103",
            Kind::Usage,
            format!(
                "The vault-ids {} are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id",
                ids()
            ),
        )),
        None => passwords.first().ok_or_else(|| {
            Diagnostic::new("V0103", Kind::Vault, "A vault password is required to use Ansible's Vault")
        }),
    }
}

/// Sealed text of a plain one.
pub fn seal(plain: &[u8], passwords: &Passwords, wanted: Option<&str>) -> Result<String> {
    if std::str::from_utf8(plain).is_ok_and(vault::ansible::is_vault) {
        return Err(Diagnostic::new("V0110", Kind::Vault, "input is already encrypted"));
    }
    let (id, password) = sealing_password(passwords, wanted)?;
    vault::ansible::encrypt(plain, password, Some(id))
}

/// The plain text of a sealed one.
pub fn unseal(text: &[u8], name: &str, passwords: &Passwords) -> Result<Vec<u8>> {
    match std::str::from_utf8(text) {
        Ok(text) if vault::ansible::is_vault(text) => vault::ansible::decrypt(text, passwords),
        _ => Err(Diagnostic::new(
            "V0110",
            Kind::Vault,
            format!("input is not vault encrypted data. {name} is not a vault encrypted file"),
        )),
    }
}

/// The id that a sealed text carries.
pub fn sealed_with(text: &[u8]) -> Option<String> {
    std::str::from_utf8(text).ok().and_then(vault::ansible::label).map(str::to_owned)
}

/// Replaces a file's content in one step; owner and mode stay, a new file is its owner's alone.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let wrong =
        |error: std::io::Error| Diagnostic::local("V0111", format!("`{}` cannot be written: {error}", path.display()));
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let old = std::fs::metadata(&target).ok();
    let mut file = tempfile::Builder::new().prefix(".vault-").tempfile_in(dir).map_err(wrong)?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(wrong)?;
    let mode = old.as_ref().map_or(0o600, |meta| meta.permissions().mode() & 0o7777);
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).map_err(wrong)?;
    if let Some(meta) = old {
        // Without the right to give files away the new one is the caller's, as with any editor.
        let _ = std::os::unix::fs::chown(file.path(), Some(meta.uid()), Some(meta.gid()));
    }
    file.persist(&target).map_err(|error| wrong(error.error))?;
    Ok(())
}
