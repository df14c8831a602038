//! `hostctl vault`: which file, which keys.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::project::{ProjectRequest, add_keys};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::environment::{Environment, Project};
use crate::inventory::Reader;
use crate::secret::{Redactor, Secret};
use crate::vault::{Keyring, Vault, generate_identity};

/// The vault that a command means.
#[derive(Clone, Debug)]
pub struct VaultPlace {
    /// Its file.
    pub path: PathBuf,
    /// Recipients that `environment.yml` names.
    pub recipients: Vec<String>,
}

impl VaultPlace {
    /// A named file, or the environment's `secrets.yml`.
    pub fn find(request: &ProjectRequest, file: Option<&Path>, sources: &SourceMap) -> Result<Self> {
        if let Some(path) = file {
            return Ok(Self { path: path.to_path_buf(), recipients: Vec::new() });
        }
        let Some(name) = &request.env else {
            return Err(Diagnostic::new("C0106", Kind::Usage, "which vault is meant is not said")
                .with_hint("name an environment with `--env NAME`, or a file with `--file FILE`"));
        };
        let project = match &request.project {
            Some(dir) => Project::at(dir)?,
            None => Project::discover(&std::env::current_dir().unwrap_or_default())?,
        };
        let keyring = Arc::new(Keyring::new(Arc::new(Redactor::default())));
        let mut reader = Reader::new(sources, None);
        // Only a missing environment matters here; a mistake in a variable file must not keep
        // anyone from opening the vault.
        let environment = Environment::load(&project, name, &mut reader, &keyring)?;
        Ok(Self { path: environment.secrets_file(), recipients: environment.recipients })
    }
}

fn keyring(request: &ProjectRequest) -> Result<Keyring> {
    let mut keyring = Keyring::new(Arc::new(Redactor::default()));
    add_keys(&mut keyring, request)?;
    Ok(keyring)
}

/// Opens a vault with the user's keys.
pub fn open_vault(request: &ProjectRequest, place: &VaultPlace) -> Result<(Vault, Keyring)> {
    Ok((Vault::open(&place.path)?, keyring(request)?))
}

/// Makes a vault; makes the user's identity first if there is none. Returns its file and public
/// key if it was made.
pub fn init(
    request: &ProjectRequest,
    place: &VaultPlace,
    recipients: &[String],
    passphrase: Option<&Secret>,
) -> Result<Option<(PathBuf, String)>> {
    let mut keyring = keyring(request)?;
    let mut made = None;
    let mut all: Vec<String> = place.recipients.iter().chain(recipients).cloned().collect();
    if passphrase.is_none() && all.is_empty() {
        if !keyring.has_identities() {
            let (path, public) = make_identity(request)?;
            made = Some((path, public));
            add_keys(&mut keyring, request)?;
        }
        all.extend(keyring.public_keys());
    }
    all.dedup();
    Vault::init(&place.path, &all, passphrase)?;
    Ok(made)
}

/// A new identity in the user's configuration folder, readable by the user only.
fn make_identity(request: &ProjectRequest) -> Result<(PathBuf, String)> {
    let path = match (&request.identity, &request.config_dir) {
        (Some(path), _) => path.clone(),
        (None, Some(dir)) => dir.join("identity.txt"),
        (None, None) => {
            return Err(Diagnostic::new("V0005", Kind::Vault, "there is no folder for an identity")
                .with_hint("name a file with `--identity FILE`"));
        }
    };
    let wrong = |error: std::io::Error| {
        Diagnostic::local("V0005", format!("the identity `{}` cannot be written: {error}", path.display()))
    };
    if let Some(dir) = path.parent() {
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700)
            .create(dir)
            .map_err(wrong)?;
    }
    let (text, public) = generate_identity();
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(wrong)?;
    file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(wrong)?;
    Ok((path, public))
}

/// Applies a change to a vault's clear text as an editor makes it; false if nothing changed.
pub fn change(vault: &mut Vault, keyring: &Keyring, edit: &dyn Fn(&str) -> Result<String>) -> Result<bool> {
    let clear = vault.view(keyring)?;
    let edited = edit(&clear)?;
    vault.apply(keyring, &edited)
}

/// Adds and removes recipients; the list afterwards.
pub fn recipients(vault: &mut Vault, keyring: &Keyring, add: &[String], remove: &[String]) -> Result<Vec<String>> {
    let old = vault.file().recipients().to_vec();
    if add.is_empty() && remove.is_empty() {
        return Ok(old);
    }
    if let Some(unknown) = remove.iter().find(|key| !old.contains(key)) {
        return Err(Diagnostic::new("V0006", Kind::Vault, format!("`{unknown}` is no recipient of this vault"))
            .with_nearest(unknown, old.iter().map(String::as_str)));
    }
    let mut new: Vec<String> = old.into_iter().filter(|key| !remove.contains(key)).collect();
    for key in add {
        if !new.contains(key) {
            new.push(key.clone());
        }
    }
    vault.set_recipients(keyring, &new)?;
    Ok(new)
}
