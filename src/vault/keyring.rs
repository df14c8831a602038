//! What opens vaults in one run: age identities, a passphrase, Ansible's vault passwords.
//!
//! Each header is unwrapped once; everything that is opened is taught to the redactor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use age::Identity;
use age::secrecy::{ExposeSecret, SecretString};

use super::ansible;
use super::file::Header;
use super::key::{self, FileKey, Refused};
use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span};
use crate::secret::{Redactor, Secret};
use crate::value::{Value, python_str};
use crate::yaml::{LoadOptions, Node, NodeData, load};

enum Key {
    Age(age::x25519::Identity),
    Ssh(Box<age::ssh::Identity>),
}

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

impl Keyring {
    /// A ring without keys.
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            identities: Vec::new(),
            places: Vec::new(),
            passphrase: None,
            silent: false,
            passwords: Vec::new(),
            redactor,
            unwrapped: Mutex::default(),
            opened: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// Adds the identities of a file: age identities, or one ssh private key without passphrase.
    /// `place` names it in messages.
    pub fn add_identities(&mut self, place: &str, text: &Secret) -> Result<()> {
        let wrong = |what: &str| {
            Diagnostic::new("V0005", Kind::Vault, format!("`{place}` {what}"))
                .with_note("an identity file holds lines that begin with `AGE-SECRET-KEY-1`")
                .with_hint("make one with `hostctl vault init`, or name another with `--identity FILE`")
        };
        let text = text.expose();
        self.redactor.learn(text.trim());
        let before = self.identities.len();
        if text.trim_start().starts_with("-----BEGIN") {
            match age::ssh::Identity::from_buffer(text.as_bytes(), None) {
                Ok(identity @ age::ssh::Identity::Unencrypted(_)) => self.identities.push(Key::Ssh(Box::new(identity))),
                Ok(age::ssh::Identity::Encrypted(_)) => {
                    return Err(wrong("is an ssh key with a passphrase, which hostctl does not open"));
                }
                _ => return Err(wrong("is no identity that hostctl can read")),
            }
        } else {
            for (number, line) in text.lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                // The line is a secret: only its number may be shown.
                let identity = line.parse().map_err(|_| wrong(&format!("has no identity on line {}", number + 1)))?;
                self.identities.push(Key::Age(identity));
            }
        }
        if self.identities.len() == before {
            return Err(wrong("holds no identity"));
        }
        self.places.push(place.to_owned());
        Ok(())
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
        self.silent || self.has_identities()
    }

    /// Adds a password of Ansible's vault; the id is `default` if none was given.
    /// Trailing white space of a password file is not part of it.
    pub fn add_password(&mut self, id: &str, password: &Secret) {
        let password = Secret::new(password.expose().trim_end());
        self.redactor.learn(password.expose());
        self.passwords.push((id.to_owned(), password));
    }

    /// True if there is a password for Ansible's vault.
    pub fn has_passwords(&self) -> bool {
        !self.passwords.is_empty()
    }

    /// True if there is an identity.
    pub fn has_identities(&self) -> bool {
        !self.identities.is_empty()
    }

    /// The public keys of the age identities.
    pub fn public_keys(&self) -> Vec<String> {
        self.identities
            .iter()
            .filter_map(|key| match key {
                Key::Age(identity) => Some(identity.to_public().to_string()),
                Key::Ssh(_) => None,
            })
            .collect()
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
                Ok(false) => {
                    let identities = self.identities.iter().map(|key| match key {
                        Key::Age(identity) => identity as &dyn Identity,
                        Key::Ssh(identity) => &**identity as &dyn Identity,
                    });
                    match key::unwrap(wrapped, identities) {
                        Ok(key) => return Ok(key),
                        Err(Refused::NoMatch) => {}
                        Err(Refused::Damaged(why)) => return Err(damaged(&why)),
                    }
                }
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

    /// Opens Ansible's vault text (a `!vault` value or a whole file) as UTF-8.
    pub fn unseal(&self, text: &str) -> Result<String> {
        let name: String = text.split_whitespace().collect();
        if let Some(found) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(found.to_string());
        }
        let plain = ansible::decrypt(text, &self.passwords)?;
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
        let plain = ansible::decrypt(text, &self.passwords)?;
        if let Ok(text) = std::str::from_utf8(&plain) {
            self.learn_text(text);
        }
        Ok(plain)
    }

    /// Teaches the redactor an opened text, and of YAML and JSON each value on its own: it becomes variables by
    /// `vars_files`, `include_vars`, `-e @FILE`, `from_yaml` or `from_json`.
    fn learn_text(&self, text: &str) {
        self.redactor.learn(text);
        if !text.contains([':', '[', '-']) {
            return;
        }
        let sources = SourceMap::new();
        let file = sources.add("<vault>", None, text);
        let loaded = load(&sources, &file, &LoadOptions::default());
        if loaded.has_errors() {
            // Errors about it may quote any word of it.
            self.learn_words(text);
        }
        for document in loaded.documents {
            match &document.data {
                NodeData::Scalar(_) => {}
                NodeData::Map(_) => self.learn_values(&document, false),
                NodeData::List(_) => self.learn_values(&document, true),
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
    fn learn_values(&self, node: &Node, words_too_plain: bool) {
        match &node.data {
            NodeData::List(items) => items.iter().for_each(|item| self.learn_values(item, words_too_plain)),
            NodeData::Map(pairs) => pairs.iter().for_each(|(_, value)| self.learn_values(value, words_too_plain)),
            NodeData::Scalar(scalar) => {
                let plain_word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
                if matches!(scalar.value, Value::Null | Value::Bool(_)) || words_too_plain && plain_word(&scalar.text) {
                    return;
                }
                // A number may be told as it is written or as it is read.
                self.redactor.learn(&scalar.text);
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
                if !self.redactor.learn(&text) && !text.is_empty() {
                    let warning = Diagnostic::new(
                        "V0014",
                        Kind::Vault,
                        format!("the secret `{name}` is too short to be masked in output"),
                    )
                    .warning()
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
