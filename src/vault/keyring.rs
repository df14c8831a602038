//! What opens vaults in one run: age identities, a passphrase, Ansible's vault passwords.
//!
//! Each header is unwrapped once; everything that is opened is taught to the redactor.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use age::Identity;
use age::secrecy::{ExposeSecret, SecretString};

use super::ansible;
use super::file::Header;
use super::identity::{Key, keys_of};
use super::key::{self, FileKey, Refused};
use super::recipient::same;
use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span, Subject};
use crate::secret::{Redactor, Secret};
use crate::value::{Value, python_str};
use crate::yaml::{LoadOptions, Node, NodeData, load};

/// Asks for a passphrase; the argument says what for.
pub type Ask = Arc<dyn Fn(&str) -> Result<Secret> + Send + Sync>;

/// The keys of one run. Shared by all hosts.
pub struct Keyring {
    identities: Vec<Key>,
    /// Where the identities came from, for messages.
    places: Vec<String>,
    passphrase: Option<Ask>,
    /// The passphrase comes without asking anybody.
    silent: bool,
    passwords: Vec<(String, Secret)>,
    /// Only passwords with the id of a vault text open it; the id of a text that has none.
    only: Option<String>,
    /// ssh keys that are looked at when a vault names one and nothing else fits.
    usual: Vec<PathBuf>,
    usual_keys: OnceLock<Vec<Key>>,
    redactor: Arc<Redactor>,
    unwrapped: Mutex<HashMap<String, FileKey>>,
    opened: Mutex<HashMap<String, Arc<str>>>,
    warnings: Mutex<Vec<Diagnostic>>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("places", &self.places).finish_non_exhaustive()
    }
}

/// A new age identity: the file's text (with its secret) and the public key.
pub fn generate_identity() -> (Secret, String) {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let text = format!("# public key: {public}\n{}\n", identity.to_string().expose_secret());
    (Secret::new(text), public)
}

/// The name of what came out of vault text without one.
const VAULTED: &str = "a vaulted value";

impl Keyring {
    /// A ring without keys.
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            identities: Vec::new(),
            places: Vec::new(),
            passphrase: None,
            silent: false,
            passwords: Vec::new(),
            only: None,
            usual: Vec::new(),
            usual_keys: OnceLock::new(),
            redactor,
            unwrapped: Mutex::default(),
            opened: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Adds the identities of a file: age identities, or one ssh private key. An ssh key's passphrase is asked for
    /// when a vault is sealed for that key. `place` names it in messages.
    pub fn add_identities(&mut self, place: &str, text: &Secret) -> Result<()> {
        let keys = keys_of(place, text.expose())?;
        self.redactor.learn(text.expose().trim());
        self.identities.extend(keys);
        self.places.push(place.to_owned());
        Ok(())
    }

    /// ssh keys that are read only when a vault is sealed for such keys and no identity fits.
    pub fn set_usual_keys(&mut self, paths: Vec<PathBuf>) {
        self.usual = paths;
    }

    /// The user's own ssh keys; one that cannot be read or used is passed over.
    fn usual_keys(&self) -> &[Key] {
        self.usual_keys.get_or_init(|| {
            let mut all = Vec::new();
            for path in &self.usual {
                let Ok(text) = crate::diag::read::read_source_text(path) else { continue };
                if let Ok(keys) = keys_of(&path.display().to_string(), &text) {
                    self.redactor.learn(text.trim());
                    all.extend(keys);
                }
            }
            all
        })
    }

    /// Says how to get a passphrase when a vault wants one.
    pub fn set_passphrase(&mut self, ask: Ask) {
        self.passphrase = Some(ask);
    }

    /// A passphrase that is known already.
    pub fn add_passphrase(&mut self, passphrase: Secret) {
        self.redactor.learn(passphrase.expose());
        self.passphrase = Some(Arc::new(move |_| Ok(passphrase.clone())));
        self.silent = true;
    }

    /// True if vaults can be opened without asking anybody.
    pub fn opens_silently(&self) -> bool {
        self.silent || self.identities.iter().any(Key::is_open)
    }

    /// True if one of the user's ssh keys may open a vault without asking anybody.
    pub fn may_open_silently(&self) -> bool {
        self.usual.iter().any(|path| path.exists()) && self.usual_keys().iter().any(Key::is_open)
    }

    /// Adds a password of Ansible's vault; the id is `default` if none was given. Line breaks at its end are no part
    /// of it.
    pub fn add_password(&mut self, id: &str, password: &Secret) {
        let password = Secret::new(password.expose().trim_end_matches(['\r', '\n']));
        self.redactor.learn(password.expose());
        self.passwords.push((id.to_owned(), password));
    }

    /// From now on only passwords whose id is the label of a vault text open it; `default` is that of a text without.
    pub fn match_ids(&mut self, default: &str) {
        self.only = Some(default.to_owned());
    }

    /// Something the user should know.
    pub fn warn(&self, warning: Diagnostic) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// True if there is a password for Ansible's vault.
    pub fn has_passwords(&self) -> bool {
        !self.passwords.is_empty()
    }

    /// True if there is an identity.
    pub fn has_identities(&self) -> bool {
        !self.identities.is_empty()
    }

    /// The public keys of the identities.
    pub fn public_keys(&self) -> Vec<String> {
        self.identities.iter().filter_map(Key::public).collect()
    }

    /// True if one of these recipients is one of the identities.
    pub fn is_among(&self, recipients: &[String]) -> bool {
        let own = |key: &Key| key.public().is_some_and(|own| recipients.iter().any(|one| same(one, &own)));
        self.identities.iter().any(own)
            || recipients.iter().any(|one| one.starts_with("ssh-")) && self.usual_keys().iter().any(own)
    }

    /// Asks for the passphrase.
    pub(super) fn ask(&self, what: &str) -> Result<Secret> {
        match &self.passphrase {
            Some(ask) => ask(what),
            None => Err(Diagnostic::new("V0003", Kind::Vault, format!("no passphrase for {what}"))
                .with_hint("name a file that holds it with `--passphrase-file FILE` or HOSTCTL_VAULT_PASSPHRASE_FILE, or run it on a terminal")),
        }
    }

    /// The file key of a vault, unwrapped once a run.
    pub(super) fn file_key(&self, header: &Header) -> Result<FileKey> {
        let name = header.keys.join("\n");
        let mut unwrapped = self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = unwrapped.get(&name) {
            return Ok(key.clone());
        }
        let key = self.unwrap(header)?;
        unwrapped.insert(name, key.clone());
        Ok(key)
    }

    pub(super) fn remember(&self, header: &Header, key: FileKey) {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner).insert(header.keys.join("\n"), key);
    }

    fn unwrap(&self, header: &Header) -> Result<FileKey> {
        let damaged = |why: &str| {
            Diagnostic::new("V0001", Kind::Vault, format!("the header of `{}` is damaged: {why}", header.name))
                .with_label_opt(header.span, "this header")
                .with_hint("restore the file from version control")
        };
        let mut asks = Vec::new();
        for wrapped in &header.keys {
            match key::wants_passphrase(wrapped) {
                Ok(true) => asks.push(wrapped),
                Ok(false) => match self.by_identity(header, wrapped)? {
                    Ok(key) => return Ok(key),
                    Err(Refused::NoMatch) => {}
                    Err(Refused::Damaged(why)) => return Err(damaged(&why)),
                },
                Err(Refused::Damaged(why)) => return Err(damaged(&why)),
                Err(Refused::NoMatch) => {}
            }
        }
        if let Some(wrapped) = asks.first() {
            let passphrase = self.ask(&format!("the vault `{}`", header.name))?;
            let identity = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
            return match key::unwrap(wrapped, std::iter::once(&identity as &dyn Identity)) {
                Ok(key) => {
                    self.redactor.learn(passphrase.expose());
                    Ok(key)
                }
                Err(Refused::NoMatch) => Err(Diagnostic::new(
                    "V0006",
                    Kind::Vault,
                    format!("wrong passphrase for the vault `{}`", header.name),
                )
                .with_hint("try again; nothing was changed")),
                Err(Refused::Damaged(why)) => Err(damaged(&why)),
            };
        }
        let error = if self.identities.is_empty() {
            Diagnostic::new("V0003", Kind::Vault, format!("no identity to open the vault `{}`", header.name))
                .with_hint("name your identity file with `--identity FILE` or HOSTCTL_IDENTITY")
        } else {
            Diagnostic::new("V0004", Kind::Vault, format!("no identity fits the vault `{}`", header.name))
                .with_note(format!("tried: {}", self.places.join(", ")))
                .with_hint(
                    "name another identity file with `--identity FILE`, or ask a recipient to add your public key",
                )
        };
        let recipients =
            if header.recipients.is_empty() { "a passphrase".to_owned() } else { header.recipients.join(", ") };
        Err(error.with_label_opt(header.span, "sealed for others").with_note(format!("it is sealed for {recipients}")))
    }

    /// Tries the identities, then the user's own ssh keys, then those keys that want a passphrase and are recipients.
    fn by_identity(&self, header: &Header, wrapped: &str) -> Result<Result<FileKey, Refused>> {
        let named = header.recipients.iter().any(|one| one.starts_with("ssh-"));
        let usual = if named { self.usual_keys() } else { &[] };
        let all = || self.identities.iter().chain(usual);
        let found = key::unwrap(wrapped, all().filter_map(Key::identity));
        if found != Err(Refused::NoMatch) {
            return Ok(found);
        }
        for key in all() {
            let wanted = |public: String| header.recipients.iter().any(|one| same(one, &public));
            if key.is_open() || !key.public().is_some_and(wanted) {
                continue;
            }
            let opened = key.unlock(&|what| self.ask(what))?;
            let found = key::unwrap(wrapped, std::iter::once(&opened as &dyn Identity));
            if found != Err(Refused::NoMatch) {
                return Ok(found);
            }
        }
        Ok(Err(Refused::NoMatch))
    }

    /// True if a passphrase opens one of the keys of a header: it is asked for once more before it is used again.
    pub(super) fn known_passphrase(&self, header: &Header, passphrase: &Secret) -> bool {
        let identity = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
        header.keys.iter().any(|wrapped| {
            key::wants_passphrase(wrapped) == Ok(true)
                && key::unwrap(wrapped, std::iter::once(&identity as &dyn Identity)).is_ok()
        })
    }

    /// Opens Ansible's vault text (a `!vault` value or a whole file) as UTF-8.
    pub fn unseal(&self, text: &str) -> Result<String> {
        let name: String = text.split_whitespace().collect();
        if let Some(found) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(found.to_string());
        }
        let plain = ansible::open(text, &self.passwords, self.only.as_deref())?.plain;
        let plain = String::from_utf8(plain).map_err(|_| {
            Diagnostic::new("V0101", Kind::Vault, "the vaulted content is not UTF-8 text")
                .with_hint("use the `copy` module with a file on disk for binary content")
        })?;
        self.learn_text(&plain);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::from(plain.as_str()));
        Ok(plain)
    }

    /// Opens Ansible's vault text that may be binary (`copy` of a vaulted file).
    pub fn unseal_bytes(&self, text: &str) -> Result<Vec<u8>> {
        let plain = ansible::open(text, &self.passwords, self.only.as_deref())?.plain;
        if let Ok(text) = std::str::from_utf8(&plain) {
            self.learn_text(text);
        }
        Ok(plain)
    }

    /// Teaches the redactor an opened text, and of YAML and JSON each value on its own: it becomes variables by
    /// `vars_files`, `include_vars`, `-e @FILE`, `from_yaml` or `from_json`.
    fn learn_text(&self, text: &str) {
        if !text.contains([':', '[', '-']) {
            self.redactor.learn_sealed(VAULTED, text.trim());
            return;
        }
        self.redactor.learn(text);
        let sources = SourceMap::new();
        let file = sources.add("<vault>", None, text);
        let loaded = load(&sources, &file, &LoadOptions::default());
        if loaded.has_errors() {
            // Errors about it may quote any word of it.
            self.learn_words(text);
        }
        for document in loaded.documents {
            match &document.data {
                NodeData::Scalar(_) => drop(self.redactor.learn_sealed(VAULTED, text.trim())),
                NodeData::Map(_) => self.learn_values(VAULTED, &document, false),
                NodeData::List(_) => self.learn_values(VAULTED, &document, true),
            }
        }
    }

    /// Every word of a text that is no YAML, but the names at the starts of lines.
    fn learn_words(&self, text: &str) {
        for line in text.lines() {
            let line = line.trim_start().trim_start_matches("- ");
            let value = line
                .split_once(':')
                .map_or(line, |(name, value)| if name.contains(char::is_whitespace) { line } else { value });
            self.redactor.learn(value.trim());
            for word in value.split_whitespace() {
                self.redactor.learn(word);
                self.redactor.learn(word.trim_matches(|c: char| c.is_ascii_punctuation()));
            }
        }
    }

    /// The scalars of a node. A list is mostly one of plays or tasks: plain words in it (`present`, `localhost`) are
    /// no secrets.
    fn learn_values(&self, name: &str, node: &Node, words_too_plain: bool) {
        match &node.data {
            NodeData::List(items) => items.iter().for_each(|item| self.learn_values(name, item, words_too_plain)),
            NodeData::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                self.learn_values(key.as_str().unwrap_or(name), value, words_too_plain);
            }),
            NodeData::Scalar(scalar) => {
                let plain_word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
                if matches!(scalar.value, Value::Null | Value::Bool(_)) || words_too_plain && plain_word(&scalar.text) {
                    return;
                }
                // A number may be told as it is written or as it is read.
                self.redactor.learn_sealed(name, &scalar.text);
                self.redactor.learn(&python_str(&scalar.value));
            }
        }
    }

    /// Teaches the redactor an opened value; one that is too short to be masked is warned about once.
    pub fn learn(&self, name: &str, value: &Value, span: Option<Span>) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::List(items) => items.iter().for_each(|item| self.learn(name, item, span)),
            Value::Map(map) => map.iter().for_each(|(key, item)| {
                self.learn(&format!("{name}.{}", key.text()), item, span);
            }),
            scalar => {
                let text = python_str(scalar);
                // `from_json` gives its parts away.
                if text.starts_with(['{', '[']) {
                    self.learn_text(&text);
                }
                if !self.redactor.learn_sealed(name, &text) && !text.is_empty() {
                    let warning = Diagnostic::new(
                        "V0014",
                        Kind::Vault,
                        format!("the secret `{name}` is too short to be masked in output"),
                    )
                    .warning()
                    .with_subject(Subject::Name(name.to_owned()))
                    .with_label_opt(span, "fewer than 4 characters")
                    .with_hint("use a longer value");
                    let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
    }

    /// The warnings since the last call.
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The redactor that learns what is opened.
    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }
}
