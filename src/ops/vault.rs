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
    sources: Arc<SourceMap>,
}

/// What [`init`] made.
#[derive(Debug, Default)]
pub struct Made {
    /// The user's new identity: its file and public key.
    pub identity: Option<(PathBuf, String)>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

/// What became of a vault's text in an editor.
#[derive(Debug)]
pub enum Edited {
    /// It is the same.
    Unchanged,
    /// The vault has it.
    Changed,
    /// It was refused, here is why and the text: nothing may lose it.
    Refused(Diagnostic, String),
}

impl VaultPlace {
    /// A named file, or the environment's `secrets.yml`.
    pub fn find(request: &ProjectRequest, file: Option<&Path>, sources: &Arc<SourceMap>) -> Result<Self> {
        if let Some(path) = file {
            return Ok(Self { path: path.to_path_buf(), recipients: Vec::new(), sources: Arc::clone(sources) });
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
        Ok(Self { path: environment.secrets_file(), recipients: environment.recipients, sources: Arc::clone(sources) })
    }
}

fn keyring(request: &ProjectRequest) -> Result<Keyring> {
    let mut keyring = Keyring::new(Arc::new(Redactor::default()));
    add_keys(&mut keyring, request)?;
    Ok(keyring)
}

/// Opens a vault with the user's keys.
pub fn open_vault(request: &ProjectRequest, place: &VaultPlace) -> Result<(Vault, Keyring)> {
    Ok((Vault::open(&place.sources, &place.path)?, keyring(request)?))
}

/// Makes a vault; makes the user's identity first if there is none.
pub fn init(
    request: &ProjectRequest,
    place: &VaultPlace,
    recipients: &[String],
    passphrase: Option<&Secret>,
) -> Result<Made> {
    let mut keyring = keyring(request)?;
    let mut made = Made::default();
    let mut all: Vec<String> = place.recipients.iter().chain(recipients).cloned().collect();
    if passphrase.is_none() && all.is_empty() {
        if !keyring.has_identities() {
            made.identity = Some(make_identity(request)?);
            add_keys(&mut keyring, request)?;
        }
        all.extend(keyring.public_keys());
    }
    all.dedup();
    let vault = Vault::init(&place.sources, &place.path, &all, passphrase)?;
    if passphrase.is_none() && !vault.opens(&keyring) {
        let path = place.path.display();
        let warning =
            Diagnostic::new("V0016", Kind::Vault, format!("you cannot open `{path}`: none of its recipients is you"))
                .warning()
                .with_note(format!("it is sealed for {}", all.join(", ")));
        made.warnings.push(match keyring.public_keys().first() {
            Some(own) => warning.with_hint(format!("to be one of them, remove the file and add `--recipient {own}`")),
            None => warning.with_hint(
                "only they can set values; name your identity with `--identity FILE` if you are one of them",
            ),
        });
    }
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

/// Gives a vault's clear text to an editor once. `from` is the text of an edit that was refused.
/// Only a failure of the editor is an error.
pub fn edit(
    vault: &mut Vault,
    keyring: &Keyring,
    from: Option<&str>,
    editor: &mut dyn FnMut(&str) -> Result<String>,
) -> Result<Edited> {
    let text = match from {
        Some(text) => editor(text)?,
        None => editor(&vault.view(keyring)?)?,
    };
    Ok(match vault.apply(keyring, &text) {
        Ok(true) => Edited::Changed,
        Ok(false) => Edited::Unchanged,
        Err(error) => Edited::Refused(error, text),
    })
}

/// Adds and removes recipients; the list afterwards.
pub fn recipients(vault: &mut Vault, keyring: &Keyring, add: &[String], remove: &[String]) -> Result<Vec<String>> {
    if add.is_empty() && remove.is_empty() {
        return Ok(vault.file().recipients().to_vec());
    }
    vault.change_recipients(keyring, add, remove)
}
