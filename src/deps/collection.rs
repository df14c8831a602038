//! Collections: their metadata, and how they come into the folder that is installed.
//!
//! From a source folder (`galaxy.yml`) the manifests are made as `ansible-galaxy collection install` makes them; an
//! archive is unpacked by its own manifests, whose checksums must be right.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::archive::{self, Entry, Made};
use super::requirements::Around;
use super::tree::{self, Found};
use crate::diag::{Diagnostic, Result, Span};
use crate::map;
use crate::value::{JsonStyle, Map, StrKey, Value, parse_json, to_json_text};
use crate::yaml::{LoadOptions, load};

const MANIFEST: &str = "MANIFEST.json";
const FILES: &str = "FILES.json";
const GALAXY: &str = "galaxy.yml";

const TEXTS: [&str; 9] = [
    "namespace",
    "name",
    "version",
    "readme",
    "description",
    "license_file",
    "repository",
    "documentation",
    "homepage",
];
const LISTS: [&str; 4] = ["authors", "license", "tags", "build_ignore"];

/// What a collection says of itself.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// Its full name.
    pub name: String,
    /// Its version; `*` if it has none.
    pub version: String,
    /// What it depends on: name or address, range, place.
    pub dependencies: Vec<(String, String, Span)>,
    /// `collection_info` of the manifest.
    info: Map,
    /// Patterns of files that are left out.
    ignore: Vec<String>,
    /// It was built already: a `MANIFEST.json` is there.
    built: bool,
    /// `manifest` of `galaxy.yml` chooses the files, which is not followed.
    pub chooses: Option<Span>,
}

fn wrong(what: &str, text: String) -> Diagnostic {
    Diagnostic::local("D0303", format!("{what} holds no collection: {text}"))
        .with_hint("a collection has a `galaxy.yml` with `namespace`, `name`, `version`, `readme` and `authors`")
}

/// A file that is no link: what its text says may be shown.
fn is_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

/// The collections of a folder: itself, or those directly below it.
pub(super) fn in_folder(dir: &Path) -> Vec<PathBuf> {
    let is_one = |dir: &Path| is_file(&dir.join(GALAXY)) || is_file(&dir.join(MANIFEST));
    if is_one(dir) {
        return vec![PathBuf::new()];
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        // Through no link: it may lead anywhere.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_one(&entry.path()))
        .map(|entry| PathBuf::from(entry.file_name()))
        .collect();
    found.sort();
    found
}

/// The metadata of a folder.
pub(super) fn of_folder(dir: &Path, what: &str, around: &Around<'_>) -> Result<Metadata> {
    let manifest = dir.join(MANIFEST);
    let galaxy = dir.join(GALAXY);
    match (is_file(&manifest), is_file(&galaxy)) {
        (true, true) => Err(wrong(what, format!("there is both a `{MANIFEST}` and a `{GALAXY}`"))),
        (true, false) => {
            let text =
                crate::diag::read::read_source_text(&manifest).map_err(|error| tree::unread(&manifest, &error))?;
            of_manifest(&text, what, around)
        }
        (false, true) => {
            let text = crate::diag::read::read_source_text(&galaxy).map_err(|error| tree::unread(&galaxy, &error))?;
            of_galaxy(text, what, around)
        }
        (false, false) => Err(wrong(what, format!("there is neither a `{MANIFEST}` nor a `{GALAXY}`"))),
    }
}

/// The metadata of an archive.
pub(super) fn of_archive(file: &Path, what: &str, around: &Around<'_>) -> Result<Metadata> {
    archive::check(file)?;
    let text =
        archive::text_of(file, MANIFEST)?.ok_or_else(|| wrong(what, format!("there is no `{MANIFEST}` in it")))?;
    of_manifest(&text, what, around)
}

/// The version of an installed collection.
pub(super) fn installed_version(dir: &Path) -> Option<String> {
    let text = crate::diag::read::read_source_text(&dir.join(MANIFEST)).ok()?;
    let manifest = parse_json(&text).ok()?;
    Some(manifest.get("collection_info")?.get("version")?.as_str()?.to_owned())
}

fn named(info: &Map, what: &str) -> Result<String> {
    let part = |key: &str| info.get(&StrKey(key)).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = format!("{}.{}", part("namespace"), part("name"));
    if super::source::is_full_name(&name) { Ok(name) } else { Err(wrong(what, format!("`{name}` is no name for one"))) }
}

fn of_manifest(text: &str, what: &str, around: &Around<'_>) -> Result<Metadata> {
    let manifest = parse_json(text).map_err(|error| wrong(what, format!("`{MANIFEST}`: {}", error.words(text))))?;
    let info = manifest.get("collection_info").and_then(Value::as_map).cloned();
    let info = info.ok_or_else(|| wrong(what, format!("`{MANIFEST}` has no `collection_info`")))?;
    let version = info.get(&StrKey("version")).and_then(Value::as_str).unwrap_or_default().to_owned();
    if version.is_empty() {
        return Err(wrong(what, format!("`{MANIFEST}` has no `version`")));
    }
    let file = around.add(&format!("{what}: {MANIFEST}"), None, text.to_owned());
    let whole = Span::new(file.id, 0, 0);
    let dependencies = info.get(&StrKey("dependencies")).and_then(Value::as_map).map(|map| {
        let range = |value: &Value| value.as_str().unwrap_or("*").to_owned();
        // The place of the name in the text, which JSON's reader does not tell.
        let place = |name: &str| {
            let at = text.find(&format!("\"{name}\"")).and_then(|at| u32::try_from(at).ok());
            let end = |at: u32| at.saturating_add(u32::try_from(name.len() + 2).unwrap_or(0));
            at.map_or(whole, |at| Span::new(file.id, at, end(at)))
        };
        map.iter().map(|(name, value)| (name.text().to_string(), range(value), place(&name.text()))).collect()
    });
    Ok(Metadata {
        name: named(&info, what)?,
        version,
        dependencies: dependencies.unwrap_or_default(),
        info,
        ignore: Vec::new(),
        built: true,
        chooses: None,
    })
}

fn of_galaxy(text: String, what: &str, around: &Around<'_>) -> Result<Metadata> {
    let file = around.add(&format!("{what}: {GALAXY}"), None, text);
    let node = load(around.sources, &file, &LoadOptions::default()).one(&file)?;
    let given =
        node.as_map().ok_or_else(|| wrong(what, format!("`{GALAXY}` is {}, not a mapping", node.type_name())))?;
    let missing: Vec<&str> = ["authors", "name", "namespace", "readme", "version"]
        .into_iter()
        .filter(|key| node.get(key).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(
            wrong(what, format!("`{GALAXY}` lacks {}", missing.join(", "))).with_label(node.place(), "this file")
        );
    }
    let value = |key: &str| node.get(key).map_or(Value::Null, crate::yaml::Node::to_value);
    let list = |key: &str| match value(key) {
        Value::Null => Value::from(Vec::<Value>::new()),
        list @ Value::List(_) => list,
        one => Value::from(vec![one]),
    };
    let mut known: HashMap<&str, Value> = HashMap::new();
    for key in TEXTS.into_iter().chain(["issues"]) {
        known.insert(key, value(key));
    }
    for key in LISTS {
        known.insert(key, list(key));
    }
    let mut take = |key: &str| known.remove(key).unwrap_or_default();
    let version = take("version");
    let version = if version.truthy() { crate::value::python_str(&version) } else { "*".to_owned() };
    let mut dependencies = Vec::new();
    for (key, range) in node.get("dependencies").and_then(crate::yaml::Node::as_map).unwrap_or_default() {
        let name = key.as_scalar().map(|key| key.text.to_string()).unwrap_or_default();
        let range = range.as_scalar().filter(|_| !range.is_null()).map_or("*", |range| &*range.text);
        dependencies.push((name, range.to_owned(), key.place()));
    }
    let depends = node.get("dependencies").filter(|node| !node.is_null());
    let license_file = take("license_file");
    let ignore = take("build_ignore");
    let info = map! {
        "namespace" => take("namespace"),
        "name" => take("name"),
        "version" => version.as_str(),
        "authors" => take("authors"),
        "readme" => take("readme"),
        "tags" => take("tags"),
        "description" => take("description"),
        "license" => take("license"),
        "license_file" => if license_file.truthy() { license_file } else { Value::Null },
        "dependencies" => depends.map_or_else(Value::empty_map, crate::yaml::Node::to_value),
        "repository" => take("repository"),
        "documentation" => take("documentation"),
        "homepage" => take("homepage"),
        "issues" => take("issues"),
    };
    Ok(Metadata {
        name: named(&info, what)?,
        version,
        dependencies,
        info,
        ignore: ignore.as_list().unwrap_or_default().iter().map(crate::value::python_str).collect(),
        built: false,
        chooses: given.iter().find(|(key, _)| key.as_str() == Some("manifest")).map(|(key, _)| key.place()),
    })
}

/// One line of `FILES.json`.
fn entry(name: &str, file: bool, sum: Option<String>) -> Value {
    Value::from(map! {
        "name" => name,
        "ftype" => if file { "file" } else { "dir" },
        "chksum_type" => if file { Value::from("sha256") } else { Value::Null },
        "chksum_sha256" => sum.map_or(Value::Null, Value::from),
        "format" => 1,
    })
}

impl Metadata {
    /// What a build leaves out, as ansible-core's `_build_files_manifest_walk`.
    fn left_out(&self, path: &Path, name: &OsStr, dir: bool) -> bool {
        let own = format!("{}-*.tar.gz", self.name.replace('.', "-"));
        let fixed = [MANIFEST, FILES, GALAXY, "galaxy.yaml", ".git", "*.pyc", "*.retry", "tests/output", own.as_str()];
        let path = path.to_string_lossy();
        dir && tree::LEFT_OUT.iter().any(|left| name == OsStr::new(left))
            || fixed
                .into_iter()
                .chain(self.ignore.iter().map(String::as_str))
                .any(|pattern| crate::inventory::fnmatch(pattern, &path).unwrap_or(pattern == path))
    }

    /// Copies a collection's folder into one that is not there yet, with manifests.
    pub fn copy(&self, from: &Path, to: &Path, what: &str, warnings: &mut Vec<Diagnostic>) -> Result<()> {
        tree::make_dir(to)?;
        let skip = |path: &Path, name: &OsStr| self.left_out(path, name, from.join(path).is_dir());
        let mut files = vec![entry(".", false, None)];
        for (path, found) in tree::walk(from, &skip)? {
            let place = to.join(&path);
            let name = path.to_string_lossy().into_owned();
            match found {
                Found::Dir => {
                    tree::make_dir(&place)?;
                    files.push(entry(&name, false, None));
                }
                Found::File(runs) => {
                    tree::copy_file(&from.join(&path), &place, runs)?;
                    files.push(entry(&name, true, Some(tree::file_sum(&place)?)));
                }
                Found::Link(target) if tree::stays_inside(&path, &target) => {
                    let real = from.join(&path);
                    let file = !real.is_dir();
                    // A link to nothing has no checksum.
                    let sum = if file && real.exists() { Some(tree::file_sum(&real)?) } else { None };
                    tree::make_link(&target, &place)?;
                    files.push(entry(&name, file, sum));
                }
                Found::Link(target) if from.join(&path).is_dir() => {
                    // As ansible-core, which passes it over.
                    let text =
                        format!("`{name}` of {what} is a link to the folder `{}` outside of it", target.display());
                    warnings.push(Diagnostic::local("D0604", text).warning().with_note("it is left out"));
                }
                Found::Link(target) => return Err(tree::planted(&path, &target, what)),
            }
        }
        let style = JsonStyle { indent: Some(1), sort_keys: false, ascii: true };
        let files = to_json_text(&Value::from(map! { "files" => files, "format" => 1 }), style);
        let manifest = Value::from(map! {
            "collection_info" => Value::Map(Arc::new(self.info.clone())),
            "file_manifest_file" => map! {
                "name" => FILES,
                "ftype" => "file",
                "chksum_type" => "sha256",
                "chksum_sha256" => hex::encode(Sha256::digest(files.as_bytes())),
                "format" => 1,
            },
            "format" => 1,
        });
        for (name, text) in [(FILES, files), (MANIFEST, to_json_text(&manifest, style))] {
            let path = to.join(name);
            std::fs::write(&path, text).map_err(|error| tree::unwritten(&path, &error))?;
            tree::permit(&path, 0o644)?;
        }
        if let Some(span) = self.chooses.filter(|_| !self.built) {
            warnings.push(
                Diagnostic::local(
                    "D0603",
                    format!("`manifest` of {what} is not followed: all its files are installed"),
                )
                .warning()
                .with_label(span, "chooses files"),
            );
        }
        Ok(())
    }
}

/// Unpacks a built collection: the files that its manifest lists, each with the checksum that stands there.
pub(super) fn unpack(file: &Path, to: &Path, what: &str) -> Result<()> {
    let bad = |text: String| {
        Diagnostic::local("D0304", format!("{what} is not what its manifest says: {text}"))
            .with_hint("get the archive anew, or build it anew with `ansible-galaxy collection build`")
    };
    let text = archive::text_of(file, FILES)?.ok_or_else(|| bad(format!("there is no `{FILES}` in it")))?;
    let listed = parse_json(&text).map_err(|error| bad(format!("`{FILES}`: {}", error.words(&text))))?;
    let listed =
        listed.get("files").and_then(Value::as_list).ok_or_else(|| bad(format!("`{FILES}` has no `files`")))?;
    let mut wanted: HashMap<PathBuf, Option<String>> = HashMap::new();
    for entry in listed {
        let field = |key: &str| entry.get(key).and_then(Value::as_str);
        let Some(name) = field("name") else { return Err(bad(format!("an entry of `{FILES}` has no `name`"))) };
        let path = tree::plain(Path::new(name)).ok_or_else(|| archive::leads_out(Path::new(name), what))?;
        if path.as_os_str().is_empty() {
            continue;
        }
        let sum = field("chksum_sha256").filter(|_| field("ftype") == Some("file")).map(str::to_owned);
        wanted.insert(path, sum);
    }
    let manifest = archive::text_of(file, MANIFEST)?.unwrap_or_default();
    let sum = parse_json(&manifest).ok();
    let sum = sum.as_ref().and_then(|manifest| manifest.get("file_manifest_file")?.get("chksum_sha256")?.as_str());
    wanted.insert(PathBuf::from(FILES), sum.map(str::to_owned));
    wanted.insert(PathBuf::from(MANIFEST), None);
    tree::make_dir(to)?;
    let mut made = Made::default();
    let mut seen = Vec::new();
    archive::each(file, |place, entry| {
        let path = tree::plain(place).ok_or_else(|| archive::leads_out(place, what))?;
        // What the manifest does not list is not installed.
        let Some(sum) = wanted.get(&path) else { return Ok(()) };
        match entry {
            Entry::Dir => {
                let target = made.room(to, &path, what)?;
                tree::make_dir(&target)?;
            }
            Entry::File(mode, content) => {
                let target = made.room(to, &path, what)?;
                let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
                let found = archive::write_file(content, &target, mode, file)?;
                if sum.as_ref().is_some_and(|sum| *sum != found) {
                    return Err(bad(format!("the checksum of `{}` is another", path.display())));
                }
                made.file(&path);
            }
            Entry::Link(target) => made.link(to, &path, &target, what)?,
            Entry::Other => return Err(archive::odd(&path, what)),
        }
        seen.push(path);
        Ok(())
    })?;
    for path in &seen {
        wanted.remove(path);
    }
    match wanted.into_keys().min() {
        Some(path) => Err(bad(format!("`{}` is not in it", path.display()))),
        None => Ok(()),
    }
}
