//! `ansible-doc -t role`: the argument specifications of roles on the search paths.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::SourceMap;
use crate::diag::read::read_source_text;
use crate::map;
use crate::value::{Key, Map, StrKey, Value};
use crate::yaml::{LoadOptions, load};

/// Files with specifications; the first that is there counts.
const FILES: [&str; 6] =
    ["argument_specs.yml", "argument_specs.yaml", "argument_specs.json", "main.yml", "main.yaml", "main.json"];

/// A role that was found.
pub(super) struct Role {
    /// `NAME`, or `NAMESPACE.COLLECTION.NAME`.
    pub name: String,
    collection: Option<String>,
    /// What is shown as its path: a collection's role has that of the collection.
    path: PathBuf,
    meta: PathBuf,
}

fn folders(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> =
        entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect();
    found.sort();
    found
}

fn spec_file(meta: &Path) -> Option<PathBuf> {
    FILES.iter().map(|name| meta.join(name)).find(|path| path.is_file())
}

/// Roles of the paths and of the collections. `within`: only those of these collections.
pub(super) fn find(roles: &[PathBuf], collections: &[PathBuf], within: &[String]) -> Vec<Role> {
    let mut found: Vec<Role> = Vec::new();
    for (name, path) in roles.iter().filter(|_| within.is_empty()).flat_map(|dir| folders(dir)) {
        let meta = path.join("meta");
        if spec_file(&meta).is_some() && found.iter().all(|known| known.name != name) {
            found.push(Role { name, collection: None, path, meta });
        }
    }
    for root in collections {
        let whole = root.file_name().is_some_and(|name| name == "ansible_collections");
        let root = if whole { root.clone() } else { root.join("ansible_collections") };
        for (namespace, dir) in folders(&root) {
            for (short, path) in folders(&dir) {
                let collection = format!("{namespace}.{short}");
                if !within.is_empty() && !within.contains(&collection) {
                    continue;
                }
                for (role, dir) in folders(&path.join("roles")) {
                    let (name, meta) = (format!("{collection}.{role}"), dir.join("meta"));
                    if spec_file(&meta).is_some() && found.iter().all(|known| known.name != name) {
                        found.push(Role { name, collection: Some(collection.clone()), path: path.clone(), meta });
                    }
                }
            }
        }
    }
    found
}

fn read(path: &Path) -> Result<Value, String> {
    let text = read_source_text(path).map_err(|error| error.to_string())?;
    let sources = SourceMap::new();
    let file = sources.add(path.display().to_string(), Some(path), text);
    let node = load(&sources, &file, &LoadOptions::default()).one(&file).map_err(|error| error.message.clone())?;
    Ok(node.to_value())
}

impl Role {
    /// The entry points with what each says; an error in words.
    fn entry_points(&self) -> Result<Map, String> {
        let Some(path) = spec_file(&self.meta) else { return Ok(Map::new()) };
        let data = read(&path).map_err(|error| format!("Failed to process role ({}): {error}", self.short()))?;
        Ok(data.get("argument_specs").and_then(Value::as_map).cloned().unwrap_or_default())
    }

    fn short(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// True if this is what somebody asks for.
    pub fn is(&self, asked: &str) -> bool {
        self.name == asked || self.short() == asked && asked.matches('.').count() != 2
    }

    /// What a list shows: entry points with a line about each.
    pub fn summary(&self) -> Result<Map, String> {
        let points = self.entry_points()?;
        let about = |spec: &Value| spec.get("short_description").cloned().unwrap_or_else(|| Value::from(""));
        let points: Map = points.iter().map(|(name, spec)| (name.clone(), about(spec))).collect();
        // ansible-core loses `galaxy_info` where `meta/main.yml` has no specification.
        let main =
            ["main.yml", "main.yaml", "main.json"].iter().map(|name| self.meta.join(name)).find(|path| path.is_file());
        let main = main.and_then(|path| read(&path).ok()).filter(|main| main.get("argument_specs").is_some());
        let info = main.and_then(|main| main.get("galaxy_info")?.as_map().filter(|info| !info.is_empty()).cloned());
        let mut summary = info.unwrap_or_else(|| map! { "description" => "UNDOCUMENTED" });
        summary.insert(Key::from("entry_points"), Value::Map(Arc::new(points)));
        if let Some(collection) = &self.collection {
            summary.insert(Key::from("collection"), Value::from(collection.as_str()));
        }
        Ok(summary)
    }

    /// The whole document; none if there is no entry point, or not the one that is asked for.
    pub fn document(&self, entry_point: Option<&str>) -> Result<Option<Map>, String> {
        let mut points = self.entry_points()?;
        points.retain(|name, spec| {
            if *spec == Value::Null {
                *spec = Value::empty_map();
            }
            entry_point.is_none_or(|wanted| name.as_str() == Some(wanted))
        });
        if points.is_empty() {
            return Ok(None);
        }
        Ok(Some(map! {
            "collection" => self.collection.clone().map_or(Value::Null, Value::from),
            "entry_points" => points,
            "path" => std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()).display().to_string(),
        }))
    }
}

/// The list for people.
pub(super) fn list(all: &Map, columns: usize) -> String {
    let points = |summary: &Value| summary.get("entry_points").and_then(Value::as_map).cloned().unwrap_or_default();
    let longest =
        all.values().flat_map(|summary| points(summary).into_keys()).map(|name| name.text().chars().count()).max();
    let width = longest.unwrap_or(0);
    let room = columns.saturating_sub(width + 5);
    let mut names: Vec<&Key> = all.keys().collect();
    names.sort_by_key(|name| name.text());
    let mut lines = Vec::new();
    for name in names {
        let name = name.text();
        let points = all.get(&StrKey(&name)).map(points).unwrap_or_default();
        if points.is_empty() {
            lines.push(name.to_string());
            continue;
        }
        lines.extend([format!("{name}:"), "  specs:".to_owned()]);
        for (point, about) in &points {
            let about = crate::value::python_str(about);
            let cut = about.chars().count() > room;
            let about = if cut { format!("{}...", about.chars().take(room).collect::<String>()) } else { about };
            lines.push(format!("    {:<width$}: {about}", point.text()));
        }
    }
    lines.join("\n") + "\n"
}
