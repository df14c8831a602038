//! `hostctl vault`: which file, which keys.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ansible_vault::{Keep, replace};
use super::project::{ProjectRequest, add_keys};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::environment::{Environment, Project};
use crate::inventory::Reader;
use crate::secret::{Redactor, Secret};
use crate::value::Value;
use crate::vault::{Keyring, SealFor, Source, Vault, generate_identity, take_out};

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
    let vault = Vault::init(&place.sources, &place.path, &all, passphrase)?;
    made.warnings.extend(not_for_you(&vault, &keyring, &place.path).map(|warning| {
        match keyring.public_keys().first() {
            Some(own) => warning.with_hint(format!("to be one of them, remove the file and add `--recipient {own}`")),
            None => warning.with_hint(
                "only they can set values; name your identity with `--identity FILE` if you are one of them",
            ),
        }
    }));
    Ok(made)
}

/// The warning that the user cannot open a vault.
fn not_for_you(vault: &Vault, keyring: &Keyring, path: &Path) -> Option<Diagnostic> {
    if vault.is_for(keyring) {
        return None;
    }
    let text = format!("you cannot open `{}`: none of its recipients is you", path.display());
    let note = format!("it is sealed for {}", vault.file().recipients().join(", "));
    Some(Diagnostic::new("V0016", Kind::Vault, text).warning().with_note(note))
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

/// Adds and removes recipients; the list afterwards, and what the user should know.
pub fn recipients(
    place: &VaultPlace,
    vault: &mut Vault,
    keyring: &Keyring,
    add: &[String],
    remove: &[String],
) -> Result<(Vec<String>, Vec<Diagnostic>)> {
    if add.is_empty() && remove.is_empty() {
        return Ok((vault.file().recipients().to_vec(), Vec::new()));
    }
    let all = vault.change_recipients(keyring, add, remove)?;
    Ok((all, not_for_you(vault, keyring, &place.path).into_iter().collect()))
}

/// A new file key and every value sealed anew, for others if they are named; what the user should know.
pub fn rekey(
    place: &VaultPlace,
    vault: &mut Vault,
    keyring: &Keyring,
    to: Option<&SealFor>,
) -> Result<Vec<Diagnostic>> {
    vault.rekey(keyring, to)?;
    Ok(not_for_you(vault, keyring, &place.path).into_iter().collect())
}

/// What [`import`] did.
#[derive(Debug, Default)]
pub struct Imported {
    /// The files in their order.
    pub files: Vec<ImportedFile>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

/// What became of one file.
#[derive(Debug, Default)]
pub struct ImportedFile {
    /// The file.
    pub path: PathBuf,
    /// Names that the vault did not have.
    pub new: Vec<String>,
    /// Names that it had with the same value.
    pub known: Vec<String>,
    /// The values were taken out of the file.
    pub taken_out: bool,
    /// The file held nothing else and was removed.
    pub removed: bool,
}

/// Seals what ansible-vault sealed in files with the vault's own key. Everything is read and opened before anything
/// is written, and the vault is written in one step; only then, with `take`, the values leave their files. Without
/// `write` nothing is changed.
pub fn import(
    vault: &mut Vault,
    keyring: &Keyring,
    files: &[PathBuf],
    name: Option<&str>,
    (take, write): (bool, bool),
) -> Result<Imported> {
    let sources: Vec<Source> = files.iter().map(|path| Source::read(path, keyring, name)).collect::<Result<_>>()?;
    let mut all: Vec<(String, Value)> = Vec::new();
    let mut from: Vec<&Path> = Vec::new();
    for source in &sources {
        for (name, value) in &source.values {
            match all.iter().position(|(known, _)| known == name) {
                Some(at) if all[at].1 != *value => {
                    let (one, other) = (from[at].display(), source.path.display());
                    let text = format!("`{name}` has different values in `{one}` and `{other}`");
                    return Err(Diagnostic::new("V0017", Kind::Vault, text)
                        .with_note("a vault of hostctl holds one value of a name; nothing was changed")
                        .with_hint("give them different names first, or import only one of the files"));
                }
                Some(_) => {}
                None => {
                    all.push((name.clone(), value.clone()));
                    from.push(&source.path);
                }
            }
        }
    }
    if all.is_empty() && sources.iter().all(|source| source.templates.is_empty()) {
        return Err(Diagnostic::new("V0017", Kind::Vault, "nothing in these files is sealed by ansible-vault")
            .with_hint("name files that ansible-vault sealed, or YAML files with `!vault` values"));
    }
    let new = if write { vault.import(keyring, &all)? } else { vault.importable(keyring, &all)? };
    let mut imported = Imported::default();
    let mut told: Vec<&str> = Vec::new();
    for source in &sources {
        imported.warnings.extend(left_out(source));
        let mut file = ImportedFile { path: source.path.clone(), ..ImportedFile::default() };
        for (name, _) in &source.values {
            let first = !told.contains(&name.as_str());
            told.push(name);
            if first && new.contains(name) { file.new.push(name.clone()) } else { file.known.push(name.clone()) }
        }
        if take && write && !source.values.is_empty() {
            match take_from(source) {
                Ok(Taken::Out) => file.taken_out = true,
                Ok(Taken::Removed) => file.removed = true,
                Ok(Taken::Kept(why)) => imported.warnings.push(
                    Diagnostic::new("V0018", Kind::Vault, format!("`{}` was kept: {why}", source.path.display()))
                        .warning()
                        .with_hint("its values are in the vault; remove it by hand when nothing else needs it"),
                ),
                Err(error) => {
                    return Err(error.with_note("all values are in the vault already; do it again for the rest"));
                }
            }
        }
        imported.files.push(file);
    }
    Ok(imported)
}

/// The warnings about variables that are no part of an import, or a bigger one than was sealed.
fn left_out(source: &Source) -> Vec<Diagnostic> {
    let path = source.path.display();
    let names = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let warning = |text: String| Diagnostic::new("V0018", Kind::Vault, text).warning();
    let mut warnings = Vec::new();
    if !source.templates.is_empty() {
        warnings.push(
            warning(format!("not imported from `{path}`: {}", names(&source.templates)))
                .with_note("these hold templates, and a sealed value is never rendered")
                .with_hint("move the secret part to a variable of its own, and refer to it in the template"),
        );
    }
    if !source.partly.is_empty() {
        warnings.push(
            warning(format!("sealed as a whole from now on: {} of `{path}`", names(&source.partly)))
                .with_note("a variable comes from one place: its parts in clear are sealed with the others"),
        );
    }
    warnings
}

/// What became of a file whose values are in the vault now.
enum Taken {
    Out,
    Removed,
    Kept(&'static str),
}

/// Takes the values out of their file.
fn take_from(source: &Source) -> Result<Taken> {
    if source.whole && (source.comments || !source.templates.is_empty()) {
        return Ok(Taken::Kept(if source.comments {
            "it holds comments, which would be lost"
        } else {
            "some of it was left out"
        }));
    }
    let shown = source.path.display();
    let wrong =
        |what: String| Diagnostic::local("V0111", format!("`{shown}` {what}")).with_note("the file is as it was");
    let now = std::fs::read_to_string(&source.path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if now != source.text {
        return Err(wrong("was changed meanwhile".to_owned()).with_hint("do it again"));
    }
    if source.whole {
        std::fs::remove_file(&source.path).map_err(|error| wrong(format!("cannot be removed: {error}")))?;
        return Ok(Taken::Removed);
    }
    let names: Vec<&str> = source.values.iter().map(|(name, _)| name.as_str()).collect();
    let left = take_out(&source.text, &names)
        .map_err(|_| wrong("cannot be edited here: anchors or merged keys depend on the values".to_owned()))
        .map_err(|error| error.with_hint("take the variables out by hand: the vault has them"))?;
    replace(&source.path, left.as_bytes(), Keep::Mode)?;
    Ok(Taken::Out)
}
