//! `secrets.yml`: a header with the wrapped file key, names in clear, sealed leaves.
//!
//! ```yaml
//! hostctl_vault:
//!   version: 1
//!   recipients: [age1...]
//!   keys: [armored age file]
//! registry:
//!   password: sealed1....
//! ```
//! Reading needs no key; opening a value does.

use std::sync::Arc;

use super::keyring::Keyring;
use super::name::join_name;
use super::seal::{self, PREFIX};
use crate::diag::{Diagnostic, Kind, Result, SourceFile, SourceMap, Span};
use crate::value::{Key, Map, Value};
use crate::yaml::{Fields, LoadOptions, Node, load};

/// The key of the header.
pub(super) const HEADER: &str = "hostctl_vault";
pub(super) const VERSION: i128 = 1;

/// What the header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The file, for messages.
    pub(super) name: String,
    pub(super) span: Option<Span>,
    pub(super) recipients: Vec<String>,
    /// The file key as armored age files: one for the recipients, one for a passphrase.
    pub(super) keys: Vec<String>,
}

/// A parsed `secrets.yml`.
#[derive(Clone, Debug)]
pub struct VaultFile {
    pub(super) header: Arc<Header>,
    entries: Vec<(Arc<str>, SealedValue)>,
}

/// A top-level variable of a vault: one sealed value, or a mapping of them.
#[derive(Clone, Debug)]
pub struct SealedValue {
    header: Arc<Header>,
    path: Vec<Arc<str>>,
    node: Node,
}

/// True if a text looks like hostctl's vault file.
pub fn is_vault_file(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "hostctl_vault:")
}

impl VaultFile {
    /// Reads a vault without opening it. All errors are returned together.
    pub fn parse(sources: &SourceMap, file: &SourceFile) -> Result<Self, Vec<Diagnostic>> {
        let (node, mut diagnostics) = load(sources, file, &LoadOptions::strict().sealed(true)).single(file);
        if diagnostics.iter().any(Diagnostic::is_error) {
            // A value may stand there in clear.
            sources.mask(file.id);
            return Err(diagnostics);
        }
        let Some(header) = node.get(HEADER) else {
            return Err(vec![
                Diagnostic::new("V0001", Kind::Vault, format!("`{}` is no vault of hostctl", file.name))
                    .with_label(Span::new(file.id, 0, 0), format!("no `{HEADER}:` in this file"))
                    .with_hint("make one with `hostctl vault init`, and move the values into it"),
            ]);
        };
        let header = Arc::new(read_header(header, &file.name, &mut diagnostics));
        let mut entries = Vec::new();
        for (key, value) in node.as_map().unwrap_or_default() {
            let Some(name) = key.as_str() else {
                diagnostics.push(clear_name(key));
                continue;
            };
            if name != HEADER {
                let path = vec![Arc::from(name)];
                check_sealed(value, &path, &mut diagnostics);
                entries.push((Arc::from(name), SealedValue { header: Arc::clone(&header), path, node: value.clone() }));
            }
        }
        if diagnostics.iter().any(|diagnostic| diagnostic.code == "V0008") {
            // The frame shows where the value in clear stands, not what it is.
            sources.mask(file.id);
        }
        if diagnostics.iter().any(Diagnostic::is_error) { Err(diagnostics) } else { Ok(Self { header, entries }) }
    }

    /// The top-level names with what they hold.
    pub fn entries(&self) -> &[(Arc<str>, SealedValue)] {
        &self.entries
    }

    /// The full name of every sealed value, with its place.
    pub fn names(&self) -> Vec<(String, Span)> {
        let mut names = Vec::new();
        for (_, entry) in &self.entries {
            entry.leaves(&mut |path, node| names.push((join_name(path), node.place())));
        }
        names
    }

    /// Who can open it.
    pub fn recipients(&self) -> &[String] {
        &self.header.recipients
    }

    /// Everything opened.
    pub fn open_all(&self, keyring: &Keyring) -> Result<Value> {
        let mut map = Map::new();
        for (name, entry) in &self.entries {
            map.insert(Key::from(&**name), entry.open(keyring)?);
        }
        Ok(Value::from(map))
    }

    /// The sealed texts by full name.
    pub(super) fn sealed(&self) -> Vec<(Vec<Arc<str>>, Arc<str>, Span)> {
        let mut all = Vec::new();
        for (_, entry) in &self.entries {
            entry.leaves(&mut |path, node| {
                if let Some(text) = node.as_str() {
                    all.push((path.to_vec(), Arc::from(text), node.span));
                }
            });
        }
        all
    }
}

impl SealedValue {
    /// Opens it with everything below; the redactor learns each value.
    pub fn open(&self, keyring: &Keyring) -> Result<Value> {
        open_node(&self.header, &self.path, &self.node, keyring)
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        self.node.place()
    }

    /// The node with names in clear and values still sealed.
    pub fn node(&self) -> &Node {
        &self.node
    }

    fn leaves(&self, visit: &mut impl FnMut(&[Arc<str>], &Node)) {
        visit_leaves(&self.path, &self.node, visit);
    }
}

fn visit_leaves(path: &[Arc<str>], node: &Node, visit: &mut impl FnMut(&[Arc<str>], &Node)) {
    match node.as_map() {
        Some(pairs) => {
            for (key, value) in pairs {
                let mut inner = path.to_vec();
                inner.push(Arc::from(key.as_str().unwrap_or_default()));
                visit_leaves(&inner, value, visit);
            }
        }
        None => visit(path, node),
    }
}

fn open_node(header: &Header, path: &[Arc<str>], node: &Node, keyring: &Keyring) -> Result<Value> {
    if let Some(pairs) = node.as_map() {
        let mut map = Map::new();
        for (key, value) in pairs {
            let mut inner = path.to_vec();
            let name = key.as_str().unwrap_or_default();
            inner.push(Arc::from(name));
            map.insert(Key::from(name), open_node(header, &inner, value, keyring)?);
        }
        return Ok(Value::from(map));
    }
    let name = join_name(path);
    let key = keyring.file_key(header)?;
    let value = seal::open(&key, &name, node.as_str().unwrap_or_default(), node.place())?;
    keyring.learn(&name, &value, Some(node.place()));
    Ok(value)
}

fn read_header(node: &Node, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Header {
    let mut header = Header { name: name.to_owned(), span: Some(node.place()), ..Header::default() };
    // The header is the first line, so that a frame does not show the whole key.
    if let Some(span) = &mut header.span {
        span.end = span.end.min(span.start + 7);
    }
    let Some(mut fields) = Fields::new(node, "the header of a vault", diagnostics) else { return header };
    match fields.required("version").map(|node| (node, node.as_scalar().and_then(|scalar| scalar.value.as_int()))) {
        Some((_, Some(VERSION))) | None => {}
        Some((node, Some(version))) if version > VERSION => {
            // What a newer version means is unknown, so nothing else is said about it.
            let span = node.place();
            drop(fields);
            diagnostics.push(
                Diagnostic::new("V0002", Kind::Vault, format!("the vault `{name}` has version {version}"))
                    .with_label(span, format!("this hostctl reads version {VERSION}"))
                    .with_hint("update hostctl"),
            );
            return header;
        }
        Some((node, _)) => fields.report(
            Diagnostic::new("V0001", Kind::Vault, "the vault's version is no number that hostctl knows")
                .with_label(node.place(), format!("expected {VERSION}"))
                .with_hint("restore the file from version control"),
        ),
    }
    header.recipients = fields.texts("recipients").into_iter().map(|(text, _)| text.to_string()).collect();
    header.keys = fields.texts("keys").into_iter().map(|(text, _)| text.to_string()).collect();
    if header.keys.is_empty() {
        let place = fields.place();
        fields.report(
            Diagnostic::new("V0001", Kind::Vault, "the vault's header has no key")
                .with_label(place, "no `keys` in here")
                .with_hint("restore the file from version control"),
        );
    }
    fields.finish();
    header
}

fn check_sealed(node: &Node, path: &[Arc<str>], diagnostics: &mut Vec<Diagnostic>) {
    if let Some(pairs) = node.as_map() {
        for (key, value) in pairs {
            match key.as_str() {
                Some(name) => {
                    let mut inner = path.to_vec();
                    inner.push(Arc::from(name));
                    check_sealed(value, &inner, diagnostics);
                }
                None => diagnostics.push(clear_name(key)),
            }
        }
        return;
    }
    if !node.as_str().is_some_and(|text| text.starts_with(PREFIX)) {
        let name = join_name(path);
        diagnostics.push(
            Diagnostic::new("V0008", Kind::Vault, format!("`{name}` stands in clear in a vault"))
                .with_label(node.place(), "not sealed")
                .with_hint(format!("remove the line, then type `hostctl vault set {name}`")),
        );
    }
}

fn clear_name(key: &Node) -> Diagnostic {
    Diagnostic::new("V0001", Kind::Vault, format!("a name in a vault must be text, found {}", key.type_name()))
        .with_label(key.place(), "expected a string")
        .with_hint("put it in quotes")
}
