//! What ansible-vault sealed, read to be sealed by age instead: files sealed whole, and `!vault` values of YAML files.
//!
//! Reads and opens; what becomes of the values is the caller's. Clear text stays in memory.

use std::path::{Path, PathBuf};

use super::source::reason;
use super::{Keyring, ansible, is_vault_file};
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::value::{Key, Map, Value};
use crate::yaml::{LoadOptions, Node, NodeData, Tag, load, remove_key};

/// A file with values that ansible-vault sealed.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its text as it stands on disk.
    pub text: String,
    /// It is sealed as a whole.
    pub whole: bool,
    /// It is sealed as a whole and holds comments, which no vault keeps.
    pub comments: bool,
    /// Variables with what they hold, opened. One that is sealed in part is here as a whole.
    pub values: Vec<(String, Value)>,
    /// Those of [`Source::values`] that are sealed in part.
    pub partly: Vec<String>,
    /// Variables that hold templates, which a sealed value is not: they are no part of the values.
    pub templates: Vec<String>,
    /// How many other variables stand beside them, in clear.
    pub clear: usize,
}

impl Source {
    /// Reads and opens a file. With `name` a file that is sealed whole becomes one text of that name, whatever it
    /// holds. Errors show no part of what is sealed.
    pub fn read(path: &Path, keyring: &Keyring, name: Option<&str>) -> Result<Self> {
        let shown = path.display();
        let wrong = |text: String| Diagnostic::new("V0017", Kind::Vault, text);
        let text = crate::diag::read::read_source_text(path).map_err(|error| {
            wrong(format!("`{shown}` could not be read: {}", reason(&error)))
                .with_hint("name files that ansible-vault sealed, or YAML files with `!vault` values")
        })?;
        if is_vault_file(&text) {
            return Err(wrong(format!("`{shown}` is a vault of hostctl already"))
                .with_hint(format!("`hostctl vault view --file {shown}` shows it")));
        }
        let inside = |error: Diagnostic| error.with_note(format!("in `{shown}`"));
        let whole = ansible::is_vault(&text);
        let clear = if whole { Some(keyring.unseal(&text).map_err(inside)?) } else { None };
        let mut source = Self {
            path: path.to_path_buf(),
            whole,
            comments: false,
            values: Vec::new(),
            partly: Vec::new(),
            templates: Vec::new(),
            clear: 0,
            text,
        };
        if let Some(name) = name {
            let Some(clear) = clear else {
                return Err(wrong(format!("`{shown}` is not sealed as a whole"))
                    .with_note("`--name` makes one value of the content of a sealed file")
                    .with_hint("leave `--name` out: the variables of a YAML file keep their names"));
            };
            source.values.push((name.to_owned(), Value::from(clear)));
            return Ok(source);
        }
        let sources = SourceMap::new();
        let read = clear.as_deref().unwrap_or(&source.text);
        let file = sources.add(shown.to_string(), Some(path), read);
        let root = load(&sources, &file, &LoadOptions::default().sealed(whole)).one(&file).map_err(|error| {
            let error = if whole { error.without_source() } else { error };
            wrong(format!("`{shown}` cannot be read as variables: {}", error.message))
                .with_hint(format!("take its content over as one text: `hostctl vault import --name NAME {shown}`"))
        })?;
        source.comments = whole && read.lines().any(|line| line.contains('#'));
        let pairs = match (&root.data, root.to_value()) {
            (NodeData::Map(pairs), _) => pairs.to_vec(),
            (_, Value::Null) => Vec::new(),
            (_, other) => {
                let found = other.type_name();
                let error = wrong(format!("expected a mapping of variables in `{shown}`, found {found}"));
                return Err(if whole {
                    error.with_hint(format!(
                        "take its content over as one text: `hostctl vault import --name NAME {shown}`"
                    ))
                } else {
                    error.with_hint("name files of variables: those of group_vars, host_vars, vars")
                });
            }
        };
        for (key, node) in &pairs {
            if !whole && !holds_sealed(node) {
                source.clear += 1;
                continue;
            }
            let Some(name) = key.as_str() else {
                return Err(wrong(format!("a name in `{shown}` is not text, but {}", key.type_name()))
                    .with_hint("put it in quotes"));
            };
            if holds_template(node) {
                source.templates.push(name.to_owned());
                continue;
            }
            if !whole && node.as_scalar().is_none() {
                source.partly.push(name.to_owned());
            }
            source.values.push((name.to_owned(), opened(node, keyring).map_err(inside)?));
        }
        Ok(source)
    }
}

/// True if a value made by ansible-vault stands in it.
fn holds_sealed(node: &Node) -> bool {
    match &node.data {
        NodeData::Scalar(_) => node.tag == Some(Tag::Vault),
        NodeData::List(items) => items.iter().any(holds_sealed),
        NodeData::Map(pairs) => pairs.iter().any(|(_, value)| holds_sealed(value)),
    }
}

/// True if a text in it would be rendered. What ansible-vault sealed on its own is not.
fn holds_template(node: &Node) -> bool {
    match &node.data {
        NodeData::Scalar(scalar) => {
            let text = scalar.value.as_str().unwrap_or_default();
            !matches!(node.tag, Some(Tag::Vault | Tag::Unsafe))
                && ["{{", "{%", "{#"].iter().any(|start| text.contains(start))
        }
        NodeData::List(items) => items.iter().any(holds_template),
        NodeData::Map(pairs) => pairs.iter().any(|(key, value)| holds_template(key) || holds_template(value)),
    }
}

/// The value with everything sealed in it opened.
fn opened(node: &Node, keyring: &Keyring) -> Result<Value> {
    Ok(match &node.data {
        NodeData::Scalar(scalar) if node.tag == Some(Tag::Vault) => Value::from(keyring.unseal(&scalar.text)?),
        NodeData::Scalar(scalar) => scalar.value.clone(),
        NodeData::List(items) => {
            Value::from(items.iter().map(|item| opened(item, keyring)).collect::<Result<Vec<Value>>>()?)
        }
        NodeData::Map(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs.iter() {
                if let Some(key) = Key::from_value(&key.to_value()) {
                    map.insert(key, opened(value, keyring)?);
                }
            }
            Value::from(map)
        }
    })
}

/// A YAML text without some of its variables: the others, and the comments of all, stay.
pub fn take_out(text: &str, names: &[&str]) -> Result<String> {
    names.iter().try_fold(text.to_owned(), |text, name| remove_key(&text, &[name]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::secret::{Redactor, Secret};
    use crate::value::python_repr;

    fn keyring() -> Keyring {
        let mut keyring = Keyring::new(Arc::new(Redactor::default()));
        keyring.add_password("default", &Secret::new("pw"));
        keyring
    }

    fn seal(text: &str) -> String {
        ansible::encrypt(text.as_bytes(), &Secret::new("pw"), None).unwrap()
    }

    /// `!vault` with a text, indented.
    fn value(text: &str, indent: usize) -> String {
        let pad = " ".repeat(indent);
        format!("!vault |\n{}", seal(text).lines().map(|line| format!("{pad}{line}\n")).collect::<String>())
    }

    fn read(text: &str, name: Option<&str>) -> Result<Source> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vars.yml");
        std::fs::write(&path, text).unwrap();
        Source::read(&path, &keyring(), name)
    }

    fn shown(source: &Source) -> String {
        source.values.iter().map(|(name, value)| format!("{name}={} ", python_repr(value))).collect()
    }

    #[test]
    fn sealed_values_are_found_in_clear_files() {
        let text = format!(
            "# about\nplain: 1\ntoken: {}# the port\nport: 80\ndb:\n  user: root\n  password: {}list:\n- {}rendered:\n  a: '{{{{ x }}}}'\n  b: {}",
            value("t0ken {{ not }}", 4),
            value("word", 6),
            value("item", 4),
            value("q", 6),
        );
        let source = read(&text, None).unwrap();
        assert_eq!(shown(&source), "token='t0ken {{ not }}' db={'user': 'root', 'password': 'word'} list=['item'] ");
        assert_eq!((source.clear, source.whole, source.comments), (2, false, false));
        assert_eq!(source.partly, ["db", "list"]);
        assert_eq!(source.templates, ["rendered"]);
        let left = take_out(&text, &["token", "db", "list"]).unwrap();
        assert!(left.starts_with("# about\nplain: 1\n") && left.contains("# the port\nport: 80\n"), "{left}");
        assert!(left.contains("rendered:") && !left.contains("token") && !left.contains("db:"), "{left}");
        let nothing = take_out(&format!("# why\nonly: {}", value("x", 4)), &["only"]).unwrap();
        assert!(nothing.contains("# why") && !nothing.contains("only"), "{nothing}");
    }

    #[test]
    fn files_sealed_whole_keep_their_types() {
        let inner = format!("a: 1\nb: [yes, 0644]\nwhen: 2024-01-02\nc: {}", value("deep", 4));
        let source = read(&seal(&inner), None).unwrap();
        assert_eq!(shown(&source), "a=1 b=[True, 420] when=datetime.date(2024, 1, 2) c='deep' ");
        assert!(source.whole && !source.comments && source.clear == 0);
        assert!(read(&seal("a: 1 # old: hunter2\n"), None).unwrap().comments);
        assert!(read(&seal("# nothing\n"), None).unwrap().values.is_empty());
        let key = read(&seal("-----BEGIN KEY-----\nabc\n"), Some("tls_key")).unwrap();
        assert_eq!(shown(&key), "tls_key='-----BEGIN KEY-----\\nabc\\n' ");
    }

    #[test]
    fn what_cannot_be_taken_over_is_told_without_its_content() {
        let told = |text: &str, name: Option<&str>| {
            let error = read(text, name).err().unwrap();
            let text = format!("{error:?}");
            assert!(!text.contains("hunter2"), "{text}");
            error.code.to_string()
        };
        assert_eq!(told(&seal("hunter2"), None), "V0017");
        assert_eq!(told(&seal("a: 'hunter2"), None), "V0017");
        assert_eq!(told(&seal("- hunter2"), None), "V0017");
        assert_eq!(told(&seal("80: hunter2"), None), "V0017");
        assert_eq!(told(&seal("a: b\n---\nc: hunter2"), None), "V0017");
        assert_eq!(told("a: 1\n", Some("x")), "V0017");
        assert_eq!(told("- hosts: all\n", None), "V0017");
        assert_eq!(told("hostctl_vault:\n  version: 1\n", None), "V0017");
        assert_eq!(told("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n", None), "V0101");
        let other = ansible::encrypt(b"a: hunter2", &Secret::new("other"), None).unwrap();
        assert_eq!(told(&other, None), "V0102");
    }
}
