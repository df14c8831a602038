//! Finds out what an inventory source is, and reads it.

use std::path::{Path, PathBuf};

use super::constructed::Around;
use super::files::{Beside, OddGroups, Reader, shown};
use super::ini::read_ini;
use super::model::Inventory;
use super::options::{failed, unparsed, unread};
use super::range::expand;
use super::script::{is_program, read_program};
use super::yaml::YamlReader;
use crate::diag::{Diagnostic, SourceFile};
use crate::vault::{Text, read_text};
use crate::yaml::{LoadOptions, Node, load};

/// One `-i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventorySource {
    /// A file, a folder of inventories, or a program.
    Path(PathBuf),
    /// `host1,host2,`
    Hosts(String),
}

impl InventorySource {
    /// Text with a comma that is no path is a list of hosts.
    pub fn parse(text: &str) -> Self {
        if text.contains(',') && !Path::new(text).exists() {
            Self::Hosts(text.to_owned())
        } else {
            Self::Path(PathBuf::from(text))
        }
    }

    /// As `ansible_inventory_sources` has it: paths absolute, lists as they are.
    pub fn shown(&self) -> String {
        match self {
            Self::Hosts(text) => text.clone(),
            Self::Path(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        }
    }
}

/// The folder whose `group_vars/` and `host_vars/` belong to a source.
fn beside(path: &Path) -> PathBuf {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_path_buf() }
}

/// The plugin that a file configures, if it is one that is here.
fn plugin_of(node: &Node) -> Option<&'static str> {
    let name = node.get("plugin")?.as_str()?;
    let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name);
    ["constructed", "generator"].into_iter().find(|known| *known == short)
}

impl Inventory {
    /// Reads all sources in order; later ones add to and override earlier ones. What is wrong is
    /// in the reader's diagnostics.
    pub fn load(reader: &mut Reader<'_>, list: &[InventorySource]) -> Self {
        let mut inventory = Self::new();
        inventory.join_mappings(reader.merge);
        inventory.odd_groups = reader.odd_groups;
        for source in list {
            match source {
                InventorySource::Hosts(text) => {
                    reader.parsed += usize::from(inventory.read_list(reader, text));
                }
                InventorySource::Path(path) if path.exists() => {
                    inventory.before.push(beside(path));
                    reader.parsed += usize::from(inventory.read_path(reader, path, 0));
                }
                InventorySource::Path(path) => {
                    reader.diagnostics.push(
                        unparsed(path, format!("the inventory `{}` does not exist", shown(path)))
                            .with_hint("check the path; a list of hosts needs a comma: `-i host,`"),
                    );
                }
            }
        }
        // Where nothing could be read, Ansible leaves what was found before an error as it is.
        if !reader.options.go_on || reader.parsed > 0 {
            inventory.settle();
        } else {
            // The two are never each other's circle.
            let _ = inventory.add_child("all", "ungrouped", None);
        }
        inventory.warn_shared_names(reader);
        inventory.warn_odd_groups(reader);
        for source in list {
            if let InventorySource::Path(path) = source {
                inventory.add_vars_folder(reader, &beside(path), Beside::Inventory);
            }
        }
        inventory
    }

    fn read_list(&mut self, reader: &mut Reader<'_>, text: &str) -> bool {
        if !reader.options.enabled(&["host_list", "advanced_host_list"]) {
            reader.diagnostics.push(unread(Path::new(text), text));
            return false;
        }
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match expand(entry) {
                Ok(expanded) => {
                    for name in &expanded.names {
                        let host = self.add_host(name, "ungrouped", None, None);
                        if let Some(port) = expanded.port {
                            let port = crate::value::Value::from(u32::from(port));
                            host.vars.insert("ansible_port".into(), crate::vars::Entry::Data(port, None));
                        }
                    }
                }
                Err(why) => reader.diagnostics.push(
                    Diagnostic::new("I0002", crate::diag::Kind::Usage, format!("`{entry}` is no host: {why}"))
                        .with_hint("a list of hosts is `-i host1,host2`"),
                ),
            }
        }
        true
    }

    /// Reads a file or a folder; true if it could be read, or something in it.
    fn read_path(&mut self, reader: &mut Reader<'_>, path: &Path, depth: usize) -> bool {
        if path.is_dir() {
            return self.read_folder(reader, path, depth);
        }
        if reader.options.no_programs && is_program(path) {
            return false;
        }
        let before = reader.diagnostics.len();
        let plugin = if is_program(path) && reader.options.enabled(&["script"]) {
            let mut found = Vec::new();
            if let Err(error) = read_program(self, reader.sources, path, &shown(path), &mut found) {
                found.push(error);
            }
            reader.diagnostics.extend(found);
            "script"
        } else {
            self.read_file(reader, path)
        };
        if plugin.is_empty() {
            reader.diagnostics.push(unread(path, &shown(path)));
            return false;
        }
        let wrong = |found: &Diagnostic| found.is_error();
        if !reader.diagnostics[before..].iter().any(wrong) {
            return true;
        }
        // A plugin in Python may be all that the inventory is: a run without it does something else.
        if reader.options.go_on && !reader.diagnostics[before..].iter().any(|found| found.code == "I0006") {
            for found in reader.diagnostics[before..].iter_mut().filter(|found| found.is_error()) {
                failed(plugin, found);
            }
            reader.diagnostics.push(unread(path, &shown(path)));
        }
        false
    }

    fn read_folder(&mut self, reader: &mut Reader<'_>, folder: &Path, depth: usize) -> bool {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) if depth < 16 => entries,
            Ok(_) => return false,
            Err(error) => {
                reader.diagnostics.push(
                    unparsed(folder, format!("the inventory `{}` could not be read: {error}", shown(folder)))
                        .with_hint("check its permissions"),
                );
                return false;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let mut parsed = false;
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !reader.options.ignores(&name) {
                parsed |= self.read_path(reader, &path, depth + 1);
            }
        }
        if !parsed && reader.options.go_on {
            reader.diagnostics.push(unread(folder, &shown(folder)));
        }
        parsed
    }

    /// Reads a file; gives the name of the plugin that would have done so, empty if it is not enabled.
    fn read_file(&mut self, reader: &mut Reader<'_>, path: &Path) -> &'static str {
        let name = shown(path);
        let text = match read_text(reader.sources, path, &name, reader.keyring) {
            Ok(text) => text,
            Err(error) => {
                reader.diagnostics.push(error);
                return "ini";
            }
        };
        if text.vaulted {
            // Neither code frames nor messages show what the vault keeps; who holds the file already keeps its text.
            reader.sources.mask(text.file.id);
            let told = std::mem::take(&mut reader.diagnostics);
            let plugin = self.read_text(reader, path, &text);
            let found = std::mem::replace(&mut reader.diagnostics, told);
            reader.diagnostics.extend(found.into_iter().map(Diagnostic::without_source));
            plugin
        } else {
            self.read_text(reader, path, &text)
        }
    }

    fn read_text(&mut self, reader: &mut Reader<'_>, path: &Path, text: &Text) -> &'static str {
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        if extension == "toml" {
            let plugin = reader.options.one("toml");
            if !plugin.is_empty() {
                self.read_toml(reader, path, &text.file);
            }
            return plugin;
        }
        let declared = matches!(extension.as_str(), "yml" | "yaml" | "json");
        let start = reader.diagnostics.len();
        let (node, found) = load(reader.sources, &text.file, &LoadOptions::default()).single(&text.file);
        let bad = found.iter().any(Diagnostic::is_error);
        let starts = text.file.text.lines().any(|line| line.trim_end() == "---");
        if declared || starts || (!bad && extension.is_empty() && node.as_map().is_some()) {
            let configured = if bad { None } else { plugin_of(&node) };
            let plugin = match configured {
                Some(name) if reader.options.enabled(&["auto", name]) => name,
                Some(_) => "",
                None => reader.options.one("yaml"),
            };
            if plugin.is_empty() {
                return plugin;
            }
            let wrong_shape = !bad && node.as_map().is_none() && !node.is_null();
            reader.diagnostics.extend(found);
            if wrong_shape {
                reader.diagnostics.push(
                    Diagnostic::source(
                        "I0005",
                        format!("a YAML inventory must be a mapping, found {}", node.type_name()),
                    )
                    .with_label(node.place(), "expected groups")
                    .with_hint("begin with `all:` and `hosts:` below it"),
                );
            }
            if !bad && let Some(plugin) = configured {
                self.read_plugin(reader, path, &node, plugin);
            } else if !bad && node.is_null() && reader.options.go_on {
                reader.diagnostics.push(
                    Diagnostic::source("I0005", "the file holds nothing").with_registered("Parsed empty YAML file"),
                );
            } else if !bad {
                self.read_yaml(reader, path, &node);
            }
            if reader.options.go_on && self.reads_as_ini(reader, path, text, start) {
                return "ini";
            }
            return plugin;
        }
        let plugin = reader.options.one("ini");
        if !plugin.is_empty() {
            read_ini(self, &text.file, path.to_path_buf(), reader.options.go_on, &mut reader.diagnostics);
        }
        plugin
    }

    /// Ansible gives a file that is no YAML inventory to the next plugin, whatever its name: true if that can read it.
    /// `start`: where the diagnostics of the file begin.
    fn reads_as_ini(&mut self, reader: &mut Reader<'_>, path: &Path, text: &Text, start: usize) -> bool {
        let wrong = |found: &[Diagnostic]| found.iter().any(Diagnostic::is_error);
        let supported = |found: &[Diagnostic]| found.iter().all(|found| found.code != "I0006");
        let yaml = reader.diagnostics.split_off(start);
        if !wrong(&yaml) || !supported(&yaml) || reader.options.one("ini").is_empty() {
            reader.diagnostics.extend(yaml);
            return false;
        }
        read_ini(self, &text.file, path.to_path_buf(), true, &mut reader.diagnostics);
        let read = !wrong(&reader.diagnostics[start..]);
        if !read {
            reader.diagnostics.truncate(start);
            reader.diagnostics.extend(yaml);
        }
        read
    }

    fn read_yaml(&mut self, reader: &mut Reader<'_>, path: &Path, node: &Node) {
        let start = reader.diagnostics.len();
        let go_on = reader.options.go_on.then_some(start);
        let source = path.to_path_buf();
        YamlReader { inventory: self, source, diagnostics: &mut reader.diagnostics, go_on }.read(node);
    }

    fn read_toml(&mut self, reader: &mut Reader<'_>, path: &Path, file: &SourceFile) {
        let Some(node) = super::toml::read(file, &mut reader.diagnostics) else { return };
        if let Some(plugin) = plugin_of(&node) {
            self.read_plugin(reader, path, &node, plugin);
            return;
        }
        let node = super::toml::as_groups(&node, &mut reader.diagnostics);
        self.read_yaml(reader, path, &node);
    }

    /// A file that configures a plugin.
    fn read_plugin(&mut self, reader: &mut Reader<'_>, path: &Path, node: &Node, plugin: &str) {
        let Some(templates) = reader.templates else { return };
        let extra = std::mem::take(&mut reader.extra);
        let around = Around { templates, extra: &extra };
        let done = if plugin == "generator" {
            self.generate(node, &path.to_path_buf(), around)
        } else {
            if node.get("use_vars_plugins").is_some_and(|node| node.to_value() == crate::value::Value::Bool(true)) {
                for folder in std::mem::take(&mut self.before) {
                    self.add_vars_folder(reader, &folder, Beside::Inventory);
                }
                self.folders.clear();
            }
            self.construct(node, around)
        };
        reader.extra = extra;
        if let Err(error) = done {
            reader.diagnostics.push(error);
        }
    }

    fn warn_odd_groups(&self, reader: &mut Reader<'_>) {
        let text = match self.odd_groups {
            OddGroups::Warn => "invalid characters were found in group names but not replaced",
            OddGroups::ReplaceAndWarn => "invalid characters were found in group names and automatically replaced",
            OddGroups::Keep | OddGroups::Replace => return,
        };
        if self.odd_found {
            reader.diagnostics.push(Diagnostic::source("I0018", text).warning());
        }
    }

    fn warn_shared_names(&self, reader: &mut Reader<'_>) {
        for host in self.hosts.values().filter(|host| self.groups.contains_key(&host.name)) {
            reader.diagnostics.push(
                Diagnostic::source("I0010", format!("`{}` is both a host and a group", host.name))
                    .with_registered(format!("Found both group and host with same name: {}", host.name))
                    .warning()
                    .with_label_opt(host.span, "this host")
                    .with_hint("rename one of them, since patterns match both"),
            );
        }
    }
}
