//! What the `vault` commands do to a `secrets.yml`.
//!
//! A change is made to the text, so comments and the ciphertext of unchanged values stay. The new
//! file is written beside the old one, read back and opened, and only then takes its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{HEADER, Header, VERSION, VaultFile};
use super::key::{self, FileKey};
use super::keyring::Keyring;
use super::name::{is_variable, join_name, split_name};
use super::recipient::{same, shown, unique};
use super::seal;
use super::source::reason;
use super::write::{Lock, write};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::secret::Secret;
use crate::value::{Key, Map, StrKey, Value};
use crate::yaml::{LoadOptions, emit, load, remove_key, set_key};

/// A vault on disk.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    text: String,
    file: VaultFile,
    sources: Arc<SourceMap>,
}

/// For whom a vault is sealed anew.
#[derive(Clone, Debug, Default)]
pub struct SealFor {
    /// Their public keys.
    pub recipients: Vec<String>,
    /// Who knows this.
    pub passphrase: Option<Secret>,
}

const NOTE: &str = "# Names are in clear, values are sealed: change them with `hostctl vault edit` or `set`.\n";

impl Vault {
    /// Makes an empty vault for recipients, a passphrase, or both. A file that exists is left alone.
    pub fn init(
        sources: &Arc<SourceMap>,
        path: &Path,
        recipients: &[String],
        passphrase: Option<&Secret>,
    ) -> Result<Self> {
        if path.exists() {
            return Err(Diagnostic::new("V0013", Kind::Vault, format!("`{}` exists already", path.display()))
                .with_hint("change it with `hostctl vault edit` or `set`"));
        }
        let key = FileKey::generate()?;
        let header = wrap(&key, &unique(recipients), passphrase, path)?;
        let text = header_text(&header)?;
        let file = parse(sources, path, &text)?;
        write(&Lock::take(path)?, path, None, &text, &|_| Ok(()))?;
        Ok(Self { path: path.to_path_buf(), text, file, sources: Arc::clone(sources) })
    }

    /// Reads a vault. Needs no key. Places in messages are in `sources`.
    pub fn open(sources: &Arc<SourceMap>, path: &Path) -> Result<Self> {
        let text = read(path)?;
        let file = parse(sources, path, &text)?;
        Ok(Self { path: path.to_path_buf(), text, file, sources: Arc::clone(sources) })
    }

    /// Takes the lock, and reads the file again if someone else has changed it meanwhile. A passphrase is
    /// asked for before, so that others wait for no typing.
    fn lock(&mut self, keyring: &Keyring) -> Result<Lock> {
        keyring.file_key(&self.file.header)?;
        let lock = Lock::take(&self.path)?;
        let text = read(&self.path)?;
        if text != self.text {
            self.file = parse(&self.sources, &self.path, &text)?;
            self.text = text;
        }
        Ok(lock)
    }

    /// True if one of its recipients is one of these keys, or a passphrase opens it: nobody is asked.
    pub fn is_for(&self, keyring: &Keyring) -> bool {
        let asks = |wrapped: &String| key::wants_passphrase(wrapped) == Ok(true);
        self.file.header.keys.iter().any(asks) || keyring.is_among(&self.file.header.recipients)
    }

    /// The parsed file.
    pub fn file(&self) -> &VaultFile {
        &self.file
    }

    /// All values in clear, as YAML with the file's comments: what `view` prints and `edit` opens.
    pub fn view(&self, keyring: &Keyring) -> Result<String> {
        let key = keyring.file_key(&self.file.header)?;
        let mut text = body(&self.text)?;
        for (path, sealed, span) in self.file.sealed() {
            let name = join_name(&path);
            let value = seal::open(&key, &name, &sealed, span)?;
            keyring.learn(&name, &value, None);
            text = set_key(&text, &keys(&path), &value)?;
        }
        Ok(text)
    }

    /// One value, or a mapping of values, by its full name.
    pub fn get(&self, keyring: &Keyring, name: &str) -> Result<Value> {
        let path = split_name(name);
        let mut found = None;
        if let Some((first, rest)) = path.split_first()
            && let Some((_, entry)) = self.file.entries().iter().find(|(entry, _)| **entry == **first)
        {
            let value = entry.open(keyring)?;
            found = rest.iter().try_fold(value, |value, key| value.as_map()?.get(&StrKey(key)).cloned());
        }
        found.ok_or_else(|| {
            let names: Vec<String> = self.file.names().into_iter().map(|(name, _)| name).collect();
            Diagnostic::new("V0009", Kind::Vault, format!("`{}` has no value `{name}`", self.path.display()))
                .with_nearest(name, names.iter().map(String::as_str))
                .with_hint(format!("set it with `hostctl vault set {name}`"))
        })
    }

    /// Seals one value and writes the file.
    pub fn set(&mut self, keyring: &Keyring, name: &str, value: &Value) -> Result<()> {
        let path = split_name(name);
        if path.iter().any(String::is_empty) {
            return Err(Diagnostic::new("V0009", Kind::Vault, format!("`{name}` is no name for a value"))
                .with_hint("names are keys joined by dots: `registry.password`"));
        }
        check_name(&path[0])?;
        let lock = self.lock(keyring)?;
        let mut wanted = self.file.open_all(keyring)?;
        refuse_loss(&wanted, &path, value)?;
        put(&mut wanted, &path, value.clone());
        // A mapping is replaced, not merged.
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_map = matches!(value, Value::Map(_)) || self.get(keyring, name).is_ok_and(|old| old.as_map().is_some());
        let text = if is_map { remove_key(&self.text, &parts)? } else { self.text.clone() };
        self.change(&lock, keyring, &text, &wanted)
    }

    /// Removes a value or a mapping of values; `false` if there is none.
    pub fn remove(&mut self, keyring: &Keyring, name: &str) -> Result<bool> {
        let path = split_name(name);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let lock = self.lock(keyring)?;
        let text = remove_key(&self.text, &path)?;
        if text == self.text || path == [HEADER] {
            return Ok(false);
        }
        let mut wanted = self.file.open_all(keyring)?;
        drop_key(&mut wanted, &path);
        self.change(&lock, keyring, &text, &wanted)?;
        Ok(true)
    }

    /// Takes an edited text of [`Self::view`]: values that are the same keep their ciphertext.
    /// `false` if nothing changed. An error leaves the file as it was.
    pub fn apply(&mut self, keyring: &Keyring, edited: &str) -> Result<bool> {
        let sources = SourceMap::new();
        let file = sources.add("<edited values>", None, edited);
        let wanted = load(&sources, &file, &LoadOptions::strict()).one(&file).map_err(|error| {
            // The frame, and the message too, would show secrets: only the place and the kind of error leave this room.
            let at = error.span().map(|span| file.line_col(span.start).line);
            let error = error.without_source();
            let mut plain = Diagnostic::new("V0011", Kind::Vault, format!("the edited text cannot be read: {error}"));
            if let Some(line) = at {
                plain = plain.with_note(format!("on line {line} of the edited text"));
            }
            plain.with_hint("edit it again; nothing was changed")
        })?;
        let wanted = match wanted.to_value() {
            Value::Null => Value::empty_map(),
            value @ Value::Map(_) => value,
            other => {
                return Err(Diagnostic::new(
                    "V0011",
                    Kind::Vault,
                    format!("expected a mapping, found {}", other.type_name()),
                )
                .with_hint("write `name: value` lines; nothing was changed"));
            }
        };
        for key in wanted.as_map().into_iter().flat_map(Map::keys) {
            check_name(&key.text()).map_err(|mut error| {
                error.code = "V0011".into();
                error
            })?;
        }
        if edited == self.view(keyring)? {
            return Ok(false);
        }
        let mut text = header_text(&self.file.header)?;
        let comments_only = wanted.as_map().is_some_and(Map::is_empty);
        text.push_str(if comments_only { "" } else { edited.strip_prefix("---\n").unwrap_or(edited) });
        let lock = Lock::take(&self.path)?;
        self.change(&lock, keyring, &text, &wanted)?;
        Ok(true)
    }

    /// Seals values under top-level names; the names that are new. A name that has this value already is passed
    /// over. A name that has another one is an error that names them all, and nothing is changed.
    pub fn import(&mut self, keyring: &Keyring, values: &[(String, Value)]) -> Result<Vec<String>> {
        let lock = self.lock(keyring)?;
        let (new, wanted) = self.with_imported(keyring, values)?;
        if !new.is_empty() {
            let text = self.text.clone();
            self.change(&lock, keyring, &text, &wanted)?;
        }
        Ok(new)
    }

    /// What [`Self::import`] would say; nothing is changed.
    pub fn importable(&self, keyring: &Keyring, values: &[(String, Value)]) -> Result<Vec<String>> {
        self.with_imported(keyring, values).map(|(new, _)| new)
    }

    fn with_imported(&self, keyring: &Keyring, values: &[(String, Value)]) -> Result<(Vec<String>, Value)> {
        for (name, _) in values {
            check_name(name)?;
        }
        let mut wanted = self.file.open_all(keyring)?;
        let (mut new, mut other) = (Vec::new(), Vec::new());
        for (name, value) in values {
            match wanted.get(name) {
                Some(old) if old == value => {}
                Some(_) => other.push(format!("`{name}`")),
                None => {
                    put(&mut wanted, std::slice::from_ref(name), value.clone());
                    new.push(name.clone());
                }
            }
        }
        if other.is_empty() {
            return Ok((new, wanted));
        }
        let text = format!("`{}` has other values of {}", self.path.display(), other.join(", "));
        Err(Diagnostic::new("V0017", Kind::Vault, text)
            .with_note("nothing was changed")
            .with_hint("see them with `hostctl vault get NAME`; remove those that are wrong with `hostctl vault edit`"))
    }

    /// Adds and removes those who can open the vault; the list afterwards. If someone is taken off, the
    /// file key and every ciphertext become new; what they have read before stays known to them.
    pub fn change_recipients(&mut self, keyring: &Keyring, add: &[String], remove: &[String]) -> Result<Vec<String>> {
        let lock = self.lock(keyring)?;
        let old = &self.file.header.recipients;
        if let Some(unknown) = remove.iter().find(|key| !old.iter().any(|known| same(known, key))) {
            return Err(Diagnostic::new(
                "V0010",
                Kind::Vault,
                format!("{} is no recipient of this vault", shown(unknown)),
            )
            .with_nearest(unknown, old.iter().map(String::as_str))
            .with_hint_else("`hostctl vault recipients` lists them"));
        }
        let stays = |key: &&String| !remove.iter().any(|gone| same(gone, key));
        let new = unique(old.iter().filter(stays).chain(add));
        if remove.is_empty() {
            // The same file key: what a passphrase opens stays as it is.
            let key = keyring.file_key(&self.file.header)?;
            let asks = |wrapped: &&String| key::wants_passphrase(wrapped) == Ok(true);
            let mut header = wrap(&key, &new, None, &self.path)?;
            header.keys.extend(self.file.header.keys.iter().filter(asks).cloned());
            self.reseal(&lock, keyring, &key, &header)?;
            return Ok(new);
        }
        let passphrase = self.own_passphrase(keyring)?;
        let key = FileKey::generate()?;
        let header = wrap(&key, &new, passphrase.as_ref(), &self.path)?;
        self.reseal(&lock, keyring, &key, &header)?;
        Ok(new)
    }

    /// Makes a new file key and seals every value anew, for others if they are named.
    pub fn rekey(&mut self, keyring: &Keyring, to: Option<&SealFor>) -> Result<()> {
        let lock = self.lock(keyring)?;
        let key = FileKey::generate()?;
        let header = match to {
            Some(to) => wrap(&key, &unique(&to.recipients), to.passphrase.as_ref(), &self.path)?,
            None => {
                let passphrase = self.own_passphrase(keyring)?;
                wrap(&key, &self.file.header.recipients, passphrase.as_ref(), &self.path)?
            }
        };
        self.reseal(&lock, keyring, &key, &header)
    }

    /// The passphrase that opens the vault, if one does. What is typed wrong here would lock others out.
    fn own_passphrase(&self, keyring: &Keyring) -> Result<Option<Secret>> {
        let header = &self.file.header;
        if !header.keys.iter().any(|wrapped| key::wants_passphrase(wrapped) == Ok(true)) {
            return Ok(None);
        }
        let passphrase = keyring.ask(&format!("the vault `{}`", self.path.display()))?;
        if keyring.known_passphrase(header, &passphrase) {
            return Ok(Some(passphrase));
        }
        Err(Diagnostic::new("V0006", Kind::Vault, format!("wrong passphrase for the vault `{}`", self.path.display()))
            .with_hint("try again; nothing was changed"))
    }

    /// Writes the vault with another header, every value sealed anew if the file key is another one.
    fn reseal(&mut self, lock: &Lock, keyring: &Keyring, key: &FileKey, header: &Header) -> Result<()> {
        let wanted = self.file.open_all(keyring)?;
        keyring.remember(header, key.clone());
        let mut text = header_text(header)? + &body(&self.text)?;
        if keyring.file_key(&self.file.header)? != *key {
            for (path, ..) in self.file.sealed() {
                let name = join_name(&path);
                let value = lookup(&wanted, &path).cloned().unwrap_or_default();
                text = set_key(&text, &keys(&path), &Value::from(seal::seal(key, &name, &value)?))?;
            }
        }
        self.commit(lock, keyring, text, &wanted)
    }

    /// Seals in `text` (names right, values old, clear or missing) what `wanted` says.
    fn change(&mut self, lock: &Lock, keyring: &Keyring, text: &str, wanted: &Value) -> Result<()> {
        let key = keyring.file_key(&self.file.header)?;
        let mut old = Vec::new();
        for (path, sealed, span) in self.file.sealed() {
            let value = seal::open(&key, &join_name(&path), &sealed, span)?;
            old.push((path, sealed, value));
        }
        let mut text = text.to_owned();
        let mut leaves = Vec::new();
        collect(wanted, &mut Vec::new(), &mut leaves)?;
        for (path, value) in &leaves {
            let kept =
                old.iter().find(|(name, _, before)| name == path && before == value).map(|(_, sealed, _)| sealed);
            let sealed = match kept {
                Some(sealed) => sealed.to_string(),
                None => seal::seal(&key, &join_name(path), value)?,
            };
            keyring.learn(&join_name(path), value, None);
            text = set_key(&text, &keys(path), &Value::from(sealed))?;
        }
        self.commit(lock, keyring, text, wanted)
    }

    /// Writes the text if it opens to exactly what is wanted.
    fn commit(&mut self, lock: &Lock, keyring: &Keyring, text: String, wanted: &Value) -> Result<()> {
        let path = self.path.clone();
        let check = |written: &str| {
            let opened = parse(&self.sources, &path, written)?.open_all(keyring)?;
            if opened == *wanted {
                Ok(())
            } else {
                Err(Diagnostic::new(
                    "V0012",
                    Kind::Vault,
                    format!("`{}` would not open to what was set", path.display()),
                )
                .with_note("it was left as it is")
                .with_hint("edit it with `hostctl vault edit`"))
            }
        };
        write(lock, &self.path, Some(&self.text), &text, &check)?;
        self.file = parse(&self.sources, &self.path, &text)?;
        self.text = text;
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    crate::diag::read::read_source_text(path).map_err(|error| {
        Diagnostic::new("V0001", Kind::Vault, format!("`{}` could not be read: {}", path.display(), reason(&error)))
            .with_hint("make a vault with `hostctl vault init`")
    })
}

fn parse(sources: &SourceMap, path: &Path, text: &str) -> Result<VaultFile> {
    let file = sources.add(path.display().to_string(), Some(path), text);
    VaultFile::parse(sources, &file).map_err(|errors| {
        errors
            .into_iter()
            .find(Diagnostic::is_error)
            .unwrap_or_else(|| Diagnostic::internal("a vault was refused without an error"))
    })
}

/// The first key of a name is a variable.
fn check_name(name: &str) -> Result<()> {
    if name == HEADER || !is_variable(name) {
        return Err(Diagnostic::new("V0009", Kind::Vault, format!("`{name}` is no name for a variable"))
            .with_note("a name is made of letters, digits and `_`, and does not begin with a digit")
            .with_hint("name it as playbooks use it, such as `registry_password`; nothing was changed"));
    }
    Ok(())
}

/// One value in the place of a mapping, or a mapping in the place of one value, would take others away.
fn refuse_loss(old: &Value, path: &[String], new: &Value) -> Result<()> {
    let mut value = old;
    for (depth, key) in path.iter().enumerate() {
        let Some(inner) = value.get(key) else { return Ok(()) };
        value = inner;
        let name = join_name(&path[..=depth]);
        match value.as_map() {
            Some(map) if depth + 1 == path.len() && !map.is_empty() && new.as_map().is_none() => {
                let held: Vec<String> = map.keys().map(|key| format!("`{name}.{}`", key.text())).collect();
                return Err(Diagnostic::new("V0011", Kind::Vault, format!("`{name}` holds other values"))
                    .with_note(format!("they would be lost: {}", held.join(", ")))
                    .with_hint("set one of them by its full name, or remove them first with `hostctl vault edit`"));
            }
            None if depth + 1 < path.len() => {
                return Err(Diagnostic::new("V0011", Kind::Vault, format!("`{name}` is one value, not a mapping"))
                    .with_note(format!("it would be lost if `{}` stood below it", join_name(path)))
                    .with_hint("choose another name, or remove it first with `hostctl vault edit`"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn wrap(key: &FileKey, recipients: &[String], passphrase: Option<&Secret>, path: &Path) -> Result<Header> {
    let mut keys = Vec::new();
    if !recipients.is_empty() {
        keys.push(key::wrap_for(key, recipients)?);
    }
    if let Some(passphrase) = passphrase {
        keys.push(key::wrap_with_passphrase(key, passphrase)?);
    }
    if keys.is_empty() {
        return Err(Diagnostic::new("V0010", Kind::Vault, "a vault needs a recipient or a passphrase")
            .with_note("nobody could open it again")
            .with_hint("name one with `--recipient age1...`, or with `--add age1...` for a vault that is there"));
    }
    Ok(Header { name: path.display().to_string(), span: None, recipients: recipients.to_vec(), keys })
}

fn header_text(header: &Header) -> Result<String> {
    let texts = |list: &[String]| Value::from(list.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>());
    let mut map = crate::map! { "version" => Value::Int(VERSION) };
    if !header.recipients.is_empty() {
        map.insert(Key::from("recipients"), texts(&header.recipients));
    }
    map.insert(Key::from("keys"), texts(&header.keys));
    Ok(format!("{NOTE}{}", emit(&Value::from(crate::map! { HEADER => Value::from(map) }))?))
}

/// The text without its header.
fn body(text: &str) -> Result<String> {
    let text = text.replacen(NOTE, "", 1);
    let rest = remove_key(&text, &[HEADER])?;
    Ok(if rest.trim() == "{}" { String::new() } else { rest })
}

fn keys(path: &[Arc<str>]) -> Vec<&str> {
    path.iter().map(|key| &**key).collect()
}

fn lookup<'a>(value: &'a Value, path: &[Arc<str>]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The leaves of a mapping: what is sealed as one value each. Lists are leaves.
fn collect(value: &Value, path: &mut Vec<Arc<str>>, out: &mut Vec<(Vec<Arc<str>>, Value)>) -> Result<()> {
    match value {
        Value::Map(map) if path.is_empty() || !map.is_empty() => {
            for (key, inner) in map.iter() {
                let Some(name) = key.as_str() else {
                    return Err(Diagnostic::new(
                        "V0011",
                        Kind::Vault,
                        format!("the name `{}` in `{}` is not text", key.text(), join_name(path)),
                    )
                    .with_hint("put it in quotes; nothing was changed"));
                };
                path.push(Arc::from(name));
                collect(inner, path, out)?;
                path.pop();
            }
        }
        leaf => out.push((path.clone(), leaf.clone())),
    }
    Ok(())
}

fn put(value: &mut Value, path: &[String], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    if !matches!(value, Value::Map(_)) {
        *value = Value::empty_map();
    }
    if let Value::Map(map) = value {
        put(Arc::make_mut(map).entry(Key::from(first.as_str())).or_default(), rest, new);
    }
}

fn drop_key(value: &mut Value, path: &[&str]) {
    let (Value::Map(map), Some((first, rest))) = (value, path.split_first()) else { return };
    let map = Arc::make_mut(map);
    if rest.is_empty() {
        map.shift_remove(&StrKey(first));
    } else if let Some(inner) = map.get_mut(&StrKey(first)) {
        drop_key(inner, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyring::generate_identity;
    use super::*;
    use crate::secret::{MASK, Redactor};
    use crate::value::python_repr;

    struct Setup {
        folder: tempfile::TempDir,
        keyring: Keyring,
        public: String,
    }

    impl Setup {
        fn new() -> Self {
            let (identity, public) = generate_identity();
            let mut keyring = Keyring::new(Arc::new(Redactor::default()));
            keyring.add_identities("id.txt", &identity).unwrap();
            Self { folder: tempfile::tempdir().unwrap(), keyring, public }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("secrets.yml")
        }

        fn vault(&self) -> Vault {
            Vault::init(&SourceMap::new(), &self.path(), std::slice::from_ref(&self.public), None).unwrap()
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.path()).unwrap()
        }

        fn line(&self, name: &str) -> String {
            self.text().lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default().to_owned()
        }
    }

    fn ring(identity: &Secret) -> Keyring {
        let mut keyring = Keyring::new(Arc::new(Redactor::default()));
        keyring.add_identities("other.txt", identity).unwrap();
        keyring
    }

    #[test]
    fn values_are_set_read_and_masked_and_types_survive() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "registry.password", &Value::from("p@ss: 'w' # ö")).unwrap();
        vault.set(&setup.keyring, "registry.port", &Value::from(5000)).unwrap();
        vault.set(&setup.keyring, "list", &Value::from(vec!["aaaa".into(), true.into()])).unwrap();
        vault.set(&setup.keyring, "mode", &Value::from("0644")).unwrap();
        assert!(!setup.text().contains("p@ss"));
        assert!(setup.text().contains("\nregistry:\n  password: sealed1."));
        let again = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        let all = again.file().open_all(&setup.keyring).unwrap();
        assert_eq!(
            python_repr(&all),
            "{'registry': {'password': \"p@ss: 'w' # ö\", 'port': 5000}, 'list': ['aaaa', True], 'mode': '0644'}"
        );
        assert_eq!(again.get(&setup.keyring, "registry.port").unwrap(), Value::from(5000));
        assert_eq!(again.get(&setup.keyring, "registry.pasword").unwrap_err().code, "V0009");
        assert_eq!(setup.keyring.redactor().redact("x p@ss: 'w' # ö"), format!("x {MASK}"));
        let names: Vec<String> = again.file().names().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["registry.password", "registry.port", "list", "mode"]);
    }

    #[test]
    fn unchanged_values_keep_their_ciphertext_and_comments_stay() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
        vault.set(&setup.keyring, "two.a", &Value::from("second")).unwrap();
        let before = setup.line("one");
        let view = vault.view(&setup.keyring).unwrap();
        assert_eq!(view, "one: first\ntwo:\n  a: second\n");
        assert!(!vault.apply(&setup.keyring, &view).unwrap());
        let edited =
            "# the first\none: first # keep\ntwo:\n  # changed\n  a: other\n  b: |\n    x\n    y\nthree: 12:30\n";
        assert!(vault.apply(&setup.keyring, edited).unwrap());
        assert_eq!(setup.line("one"), format!("{before} # keep"));
        assert!(setup.text().contains("# the first\n"));
        let view = vault.view(&setup.keyring).unwrap();
        assert!(view.contains("# changed") && view.contains("three: 750"), "{view}");
        vault.set(&setup.keyring, "two.a", &Value::from("again")).unwrap();
        assert_eq!(setup.line("one"), format!("{before} # keep"));
        assert!(vault.remove(&setup.keyring, "two.b").unwrap());
        assert!(!vault.remove(&setup.keyring, "two.b").unwrap());
        assert_eq!(python_repr(&vault.get(&setup.keyring, "two").unwrap()), "{'a': 'again'}");
        vault.set(&setup.keyring, "two", &Value::from(crate::map! { "c" => 1 })).unwrap();
        assert_eq!(python_repr(&vault.get(&setup.keyring, "two").unwrap()), "{'c': 1}");
        assert!(vault.apply(&setup.keyring, "# nothing left\n").unwrap());
        assert!(vault.file().names().is_empty());
        vault.set(&setup.keyring, "new", &Value::from("value")).unwrap();
    }

    #[test]
    fn a_value_under_another_name_is_refused() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
        std::fs::write(setup.path(), setup.text().replace("\none:", "\ntwo:")).unwrap();
        let error = Vault::open(&SourceMap::new(), &setup.path()).unwrap().get(&setup.keyring, "two").unwrap_err();
        assert_eq!(error.code, "V0007");
    }

    #[test]
    fn a_wrong_or_missing_key_is_one_clear_error() {
        let setup = Setup::new();
        setup.vault().set(&setup.keyring, "one", &Value::from("first")).unwrap();
        let vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        let (other, _) = generate_identity();
        let error = vault.get(&ring(&other), "one").unwrap_err();
        assert_eq!(error.code, "V0004");
        assert!(error.notes.iter().any(|note| note.contains("other.txt")));
        let error = vault.get(&Keyring::new(Arc::new(Redactor::default())), "one").unwrap_err();
        assert_eq!(error.code, "V0003");
        let mut keyring = Keyring::new(Arc::new(Redactor::default()));
        let error = keyring.add_identities("x", &Secret::new("# c\nAGE-SECRET-KEY-1NOTAKEY\n")).unwrap_err();
        assert_eq!(error.code, "V0005");
        assert!(!format!("{error:?}").contains("NOTAKEY"));
        assert_eq!(keyring.add_identities("x", &Secret::new("")).unwrap_err().code, "V0005");
    }

    #[test]
    fn recipients_come_and_go() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
        let (other, other_public) = generate_identity();
        let sealed = setup.line("one");
        vault.change_recipients(&setup.keyring, &[setup.public.clone(), other_public.clone()], &[]).unwrap();
        assert_eq!(setup.line("one"), sealed);
        assert_eq!(
            Vault::open(&SourceMap::new(), &setup.path()).unwrap().get(&ring(&other), "one").unwrap(),
            Value::from("first")
        );
        vault.change_recipients(&setup.keyring, &[], std::slice::from_ref(&other_public)).unwrap();
        assert_ne!(setup.line("one"), sealed);
        let vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        assert_eq!(vault.get(&ring(&other), "one").unwrap_err().code, "V0004");
        assert_eq!(vault.file().recipients(), std::slice::from_ref(&setup.public));
        let mut vault = vault;
        let sealed = setup.line("one");
        vault.rekey(&setup.keyring, None).unwrap();
        assert_ne!(setup.line("one"), sealed);
        assert_eq!(vault.get(&setup.keyring, "one").unwrap(), Value::from("first"));
        let error = vault.change_recipients(&setup.keyring, &["age1nonsense".to_owned()], &[]).unwrap_err();
        assert_eq!(error.code, "V0010");
    }

    #[test]
    fn a_passphrase_opens_beside_recipients() {
        let setup = Setup::new();
        let passphrase = Secret::new("correct horse");
        let mut vault =
            Vault::init(&SourceMap::new(), &setup.path(), std::slice::from_ref(&setup.public), Some(&passphrase))
                .unwrap();
        vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
        let with = |text: &'static str| {
            let mut keyring = Keyring::new(Arc::new(Redactor::default()));
            keyring.set_passphrase(Arc::new(move |_| Ok(Secret::new(text))));
            keyring
        };
        let vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        assert_eq!(vault.get(&with("correct horse"), "one").unwrap(), Value::from("first"));
        assert_eq!(vault.get(&with("wrong"), "one").unwrap_err().code, "V0006");
    }

    fn ssh(name: &str) -> (String, String) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vault/ssh");
        let read = |name: String| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        (read(name.to_owned()), read(format!("{name}.pub")).trim().to_owned())
    }

    #[test]
    fn who_is_removed_opens_nothing_before_or_after() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        let (gone, gone_public) = generate_identity();
        vault.change_recipients(&setup.keyring, std::slice::from_ref(&gone_public), &[]).unwrap();
        vault.set(&setup.keyring, "before", &Value::from("first")).unwrap();
        assert_eq!(vault.get(&ring(&gone), "before").unwrap(), Value::from("first"));
        // They kept the file and its key.
        let kept = ring(&gone);
        let old_file = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        assert!(old_file.get(&kept, "before").is_ok());
        vault.change_recipients(&setup.keyring, &[], &[gone_public]).unwrap();
        vault.set(&setup.keyring, "after", &Value::from("second")).unwrap();
        let new_file = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        for name in ["before", "after"] {
            for keyring in [&kept, &ring(&gone)] {
                assert_eq!(new_file.get(keyring, name).unwrap_err().code, "V0004", "{name}");
            }
            assert!(new_file.get(&setup.keyring, name).is_ok());
        }
        // Nor with the old header before the new values.
        let mixed = header_text(&old_file.file.header).unwrap() + &body(&setup.text()).unwrap();
        std::fs::write(setup.path(), mixed).unwrap();
        let mixed = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        for name in ["before", "after"] {
            assert_eq!(mixed.get(&kept, name).unwrap_err().code, "V0007", "{name}");
        }
    }

    #[test]
    fn a_new_file_key_may_be_for_others() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
        std::fs::write(setup.path(), setup.text().replace("\none:", "\n# why\none:")).unwrap();
        let (sealed, header) = (setup.line("one"), vault.file.header.keys.clone());
        vault.rekey(&setup.keyring, None).unwrap();
        assert!(setup.line("one") != sealed && vault.file.header.keys != header);
        assert!(setup.text().contains("# why\n"));
        let (other, public) = generate_identity();
        let to = SealFor { recipients: vec![public.clone(), public.clone()], passphrase: Some(Secret::new("words")) };
        vault.rekey(&setup.keyring, Some(&to)).unwrap();
        assert!(!vault.is_for(&Keyring::new(Arc::new(Redactor::default()))) || vault.file().recipients() == [public]);
        let vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        assert_eq!(vault.get(&ring(&other), "one").unwrap(), Value::from("first"));
        let mut typed = Keyring::new(Arc::new(Redactor::default()));
        typed.add_passphrase(Secret::new("words"));
        assert_eq!(vault.get(&typed, "one").unwrap(), Value::from("first"));
        let own = setup.path();
        let fresh = ring(&other);
        assert!(Vault::open(&SourceMap::new(), &own).unwrap().get(&fresh, "one").is_ok());
        let nobody = SealFor::default();
        let mut vault = vault;
        assert_eq!(vault.rekey(&ring(&other), Some(&nobody)).unwrap_err().code, "V0010");
    }

    #[test]
    fn a_passphrase_that_is_typed_wrong_locks_nobody_out() {
        let setup = Setup::new();
        let passphrase = Secret::new("correct horse");
        let mut vault =
            Vault::init(&SourceMap::new(), &setup.path(), std::slice::from_ref(&setup.public), Some(&passphrase))
                .unwrap();
        let (identity, _) = generate_identity();
        let mut keyring = setup.keyring;
        keyring.set_passphrase(Arc::new(|_| Ok(Secret::new("incorrect"))));
        vault.set(&keyring, "one", &Value::from("first")).unwrap();
        assert_eq!(vault.rekey(&keyring, None).unwrap_err().code, "V0006");
        // Who is added needs no passphrase: the file key stays, and with it what the passphrase opens.
        let (other, public) = generate_identity();
        vault.change_recipients(&keyring, std::slice::from_ref(&public), &[]).unwrap();
        let vault = Vault::open(&SourceMap::new(), &setup.folder.path().join("secrets.yml")).unwrap();
        assert!(vault.get(&ring(&other), "one").is_ok() && vault.get(&ring(&identity), "one").is_err());
        let mut typed = Keyring::new(Arc::new(Redactor::default()));
        typed.add_passphrase(passphrase);
        assert!(vault.get(&typed, "one").is_ok());
    }

    #[test]
    fn ssh_keys_open_vaults() {
        for name in ["ed25519", "rsa", "ed25519_locked"] {
            let setup = Setup::new();
            let mut vault = setup.vault();
            let (private, public) = ssh(name);
            vault.change_recipients(&setup.keyring, std::slice::from_ref(&public), &[]).unwrap();
            vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
            assert!(setup.text().contains(&public));
            let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let ask: super::super::Ask = {
                let asked = Arc::clone(&asked);
                Arc::new(move |_| {
                    asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    Ok(Secret::new("correct horse"))
                })
            };
            let mut keyring = ring(&Secret::new(private.clone()));
            keyring.set_passphrase(Arc::clone(&ask));
            let vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
            assert!(vault.is_for(&keyring));
            assert_eq!(vault.get(&keyring, "one").unwrap(), Value::from("first"), "{name}");
            assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), usize::from(name.ends_with("locked")));
            // The user's own key is found when nothing else fits, and is not asked about for other vaults.
            let path = setup.folder.path().join("id");
            std::fs::write(&path, private).unwrap();
            let (stranger, _) = generate_identity();
            let mut keyring = ring(&stranger);
            keyring.set_usual_keys(vec![setup.folder.path().join("none"), path.clone()]);
            keyring.set_passphrase(ask);
            assert_eq!(vault.get(&keyring, "one").unwrap(), Value::from("first"), "{name}");
            let mut vault = vault;
            // The same key with another comment.
            let bare = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            vault.change_recipients(&setup.keyring, &[], &[format!("{bare} someone")]).unwrap();
            let mut keyring = ring(&stranger);
            keyring.set_usual_keys(vec![path]);
            keyring.set_passphrase(Arc::new(|_| panic!("asked for nothing")));
            assert_eq!(vault.get(&keyring, "one").unwrap_err().code, "V0004");
        }
    }

    #[test]
    fn an_import_is_whole_or_not_at_all() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "there", &Value::from("first")).unwrap();
        vault.set(&setup.keyring, "db.port", &Value::from(1)).unwrap();
        let values = |list: &[(&str, Value)]| -> Vec<(String, Value)> {
            list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let kept = setup.line("there");
        let map = Value::from(crate::map! { "user" => "root", "list" => Value::from(vec![1.into(), "x".into()]) });
        let good = values(&[("there", Value::from("first")), ("new", map.clone()), ("empty", Value::empty_map())]);
        assert_eq!(vault.importable(&setup.keyring, &good).unwrap(), ["new", "empty"]);
        assert!(!setup.text().contains("new:"));
        assert_eq!(vault.import(&setup.keyring, &good).unwrap(), ["new", "empty"]);
        assert_eq!(setup.line("there"), kept);
        assert_eq!(vault.get(&setup.keyring, "new").unwrap(), map);
        assert!(vault.import(&setup.keyring, &good).unwrap().is_empty());
        let before = setup.text();
        for bad in [
            values(&[("fresh", Value::from("x")), ("there", Value::from("second"))]),
            values(&[("fresh", Value::from("x")), ("db", Value::from("text"))]),
        ] {
            assert_eq!(vault.import(&setup.keyring, &bad).unwrap_err().code, "V0017");
        }
        for name in ["a-b", "hostctl_vault", "1"] {
            let bad = values(&[("fresh", Value::from("x")), (name, Value::from("second"))]);
            assert_eq!(vault.import(&setup.keyring, &bad).unwrap_err().code, "V0009");
        }
        assert_eq!(setup.text(), before);
    }

    #[test]
    fn nothing_is_overwritten_by_accident() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        assert_eq!(
            Vault::init(&SourceMap::new(), &setup.path(), std::slice::from_ref(&setup.public), None).unwrap_err().code,
            "V0013"
        );
        std::fs::write(setup.path(), setup.text() + "# someone else\n").unwrap();
        let before = setup.text();
        assert_eq!(vault.apply(&setup.keyring, "a: bbbb\n").unwrap_err().code, "V0011");
        assert_eq!(setup.text(), before);
        // One value is set in whatever the file holds now.
        vault.set(&setup.keyring, "a", &Value::from("bbbb")).unwrap();
        assert!(setup.text().contains("# someone else\n"));
        let before = setup.text();
        let mut vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
        assert_eq!(vault.apply(&setup.keyring, "a: 'secretvalue\n").unwrap_err().code, "V0011");
        assert_eq!(vault.apply(&setup.keyring, "- a\n").unwrap_err().code, "V0011");
        assert_eq!(vault.apply(&setup.keyring, "hostctl_vault: 1\n").unwrap_err().code, "V0011");
        assert_eq!(setup.text(), before);
        let left: Vec<_> = std::fs::read_dir(setup.folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn hostile_and_foreign_files_are_refused() {
        let setup = Setup::new();
        let vault = setup.vault();
        let good = setup.text();
        drop(vault);
        for (text, code) in [
            ("a: b\n".to_owned(), "V0001"),
            (good.replace("version: 1", "version: 2"), "V0002"),
            (good.replace("version: 1", "version: x"), "V0001"),
            (format!("{good}clear: text\n"), "V0008"),
            (format!("{good}a: sealed1.x\na: sealed1.y\n"), "Y0012"),
            (format!("{good}1: sealed1.x\n"), "V0001"),
            (good.replace("  version: 1\n", ""), "Y0102"),
        ] {
            std::fs::write(setup.path(), &text).unwrap();
            assert_eq!(Vault::open(&SourceMap::new(), &setup.path()).unwrap_err().code, code, "{text}");
        }
        // Keys that are damaged in every byte: an error, never a panic, never a value.
        let sealed = format!("{good}a: sealed1.AAAA\n");
        std::fs::write(setup.path(), &sealed).unwrap();
        assert_eq!(
            Vault::open(&SourceMap::new(), &setup.path()).unwrap().get(&setup.keyring, "a").unwrap_err().code,
            "V0007"
        );
        let start = good.find("-----BEGIN").unwrap();
        for at in (start..good.len()).step_by(11) {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            std::fs::write(setup.path(), &bytes).unwrap();
            let (identity, _) = generate_identity();
            if let Ok(vault) = Vault::open(&SourceMap::new(), &setup.path()) {
                assert!(vault.get(&ring(&identity), "a").is_err());
            }
        }
    }

    #[test]
    fn an_edited_text_that_is_no_yaml_is_not_told() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        for value in ["!Passw0rd4711", "@Passw0rd4711", "Passw0rd4711: x", "*Passw0rd4711"] {
            let error = vault.apply(&setup.keyring, &format!("db_password: {value}\n")).unwrap_err();
            assert_eq!(error.code, "V0011");
            assert!(!format!("{error:?}").contains("Passw0rd"), "{error:?}");
        }
        // Nor is one of a file where a value stands in clear.
        std::fs::write(setup.path(), setup.text() + "clear: @Passw0rd4711\n").unwrap();
        let sources = SourceMap::new();
        let error = Vault::open(&sources, &setup.path()).unwrap_err();
        assert!(!format!("{error:?}").contains("Passw0rd"), "{error:?}");
        assert!(!sources.file(error.span().unwrap().file).unwrap().text.contains("Passw0rd"));
    }

    #[test]
    fn short_secrets_are_warned_about() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "pin", &Value::from("12")).unwrap();
        let warnings = setup.keyring.take_warnings();
        assert!(warnings.iter().all(|warning| warning.code == "V0014" && !warning.is_error()));
        assert!(!warnings.is_empty());
    }

    #[test]
    fn simultaneous_changes_all_succeed() {
        let setup = Setup::new();
        drop(setup.vault());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let setup = &setup;
                scope.spawn(move || {
                    let mut vault = Vault::open(&SourceMap::new(), &setup.path()).unwrap();
                    vault.set(&setup.keyring, &format!("v{number}"), &Value::from("value")).unwrap();
                });
            }
        });
        assert_eq!(Vault::open(&SourceMap::new(), &setup.path()).unwrap().file().names().len(), 8);
    }

    #[test]
    fn no_value_is_lost_by_setting_another() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "nested.a", &Value::from("first")).unwrap();
        vault.set(&setup.keyring, "text", &Value::from("second")).unwrap();
        let before = setup.text();
        for name in ["nested", "text.q", "nested.a.b"] {
            assert_eq!(vault.set(&setup.keyring, name, &Value::from("new")).unwrap_err().code, "V0011", "{name}");
        }
        for name in ["1a", "a-b", "a b", "ä", "", "a..b", HEADER] {
            assert_eq!(vault.set(&setup.keyring, name, &Value::from("new")).unwrap_err().code, "V0009", "{name}");
        }
        assert_eq!(vault.apply(&setup.keyring, "a-b: text\n").unwrap_err().code, "V0011");
        assert_eq!(setup.text(), before);
        vault.set(&setup.keyring, "nested.c-d", &Value::from("new")).unwrap();
    }

    #[test]
    fn errors_point_into_the_vault() {
        let setup = Setup::new();
        let mut vault = setup.vault();
        vault.set(&setup.keyring, "one", &Value::from("first")).unwrap();
        std::fs::write(setup.path(), setup.text().replace("\none:", "\ntwo:")).unwrap();
        let sources = SourceMap::new();
        sources.add("environment.yml", None, "parents: []\n");
        let vault = Vault::open(&sources, &setup.path()).unwrap();
        for error in [vault.get(&setup.keyring, "two").unwrap_err(), vault.view(&setup.keyring).unwrap_err()] {
            let place = sources.place(error.span().unwrap());
            assert!(place.starts_with(&setup.path().display().to_string()), "{place}");
            assert!(place.ends_with(":6"), "{place}");
        }
        std::fs::write(setup.path(), setup.text() + "clear: hunter2\n").unwrap();
        let error = Vault::open(&sources, &setup.path()).unwrap_err();
        let span = error.span().unwrap();
        assert!(sources.place(span).starts_with(&setup.path().display().to_string()));
        // The frame of a value in clear must not show it.
        assert!(!sources.file(span.file).unwrap().text.contains("hunter2"));
    }
}
