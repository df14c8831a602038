//! `vars_files` of a play, for each host: read when its batch begins, and again when its facts are known.

use std::path::PathBuf;
use std::sync::Arc;

use super::play::PlayRun;
use super::scope::{Frames, source};
use super::state::lock;
use crate::diag::{Diagnostic, Kind, Result};
use crate::value::StrKey;
use crate::vars::{Layer, Level, Scope};
use crate::yaml::Node;

impl PlayRun {
    fn vars_files_items(&self) -> &[Node] {
        let node = self.play.context.keywords.get("vars_files").filter(|node| !node.is_null());
        node.map_or(&[], |node| node.as_list().unwrap_or(std::slice::from_ref(node)))
    }

    /// Reads them: an entry that is a list names alternatives, the first that exists counts; none need be there. An
    /// entry with something undefined in it waits for the facts of the host.
    pub(super) fn read_vars_files(self: &Arc<Self>, host: &Arc<str>) {
        let items = self.vars_files_items();
        if items.is_empty() {
            return;
        }
        lock(&self.vars_files).remove(host);
        for item in items {
            let scope = self.scope(host, None, None, &Frames::default());
            match self.vars_file(item, &scope) {
                Ok(Some(layer)) => {
                    self.warn_reserved_layers([&layer]);
                    lock(&self.vars_files).entry(Arc::clone(host)).or_default().push(layer);
                }
                Ok(None) => {}
                Err(undefined) if undefined.code == "T0101" && !self.knows_facts(host) => {
                    let words = "skipping vars_files item due to an undefined variable";
                    let warning = Diagnostic::source("P0121", "an entry of `vars_files` is left out for now")
                        .with_registered(words)
                        .with_label(item.place(), undefined.message.clone())
                        .with_hint("it is read once the host's facts are known, if it is defined then");
                    self.engine.warn_once(None, warning);
                }
                Err(mut diagnostic) => {
                    if matches!(diagnostic.kind, Kind::Template | Kind::Task) {
                        diagnostic.kind = Kind::Local;
                    }
                    self.break_off(diagnostic);
                    break;
                }
            }
        }
    }

    /// The names may depend on facts, which are other ones now.
    pub(super) fn read_vars_files_again(self: &Arc<Self>, host: &Arc<str>) {
        if self.vars_files_items().iter().any(Node::has_template) {
            self.read_vars_files(host);
        }
    }

    /// The host's facts were gathered.
    fn knows_facts(&self, host: &Arc<str>) -> bool {
        lock(&self.engine.states.get(host)).facts.contains_key(&StrKey("module_setup"))
    }

    fn vars_file(&self, item: &Node, scope: &Scope) -> Result<Option<Layer>> {
        let mut tried: Vec<PathBuf> = Vec::new();
        for candidate in item.as_list().unwrap_or(std::slice::from_ref(item)) {
            let name = crate::value::python_str(&self.engine.templates.render(candidate, scope)?);
            for dir in [self.playbook_dir().join("vars"), self.playbook_dir()] {
                let path = dir.join(&name);
                if path.is_file() {
                    let node = self.engine.loader.vars_files_entry(&path).map_err(|error| match error.span() {
                        Some(_) => error,
                        None => error.with_label(candidate.place(), "named here"),
                    })?;
                    return Ok(Some(source(Level::PlayVarsFiles, &path.display().to_string(), &node)));
                }
                tried.push(path);
            }
        }
        let here = std::env::current_dir().unwrap_or_default();
        let shown: Vec<String> =
            tried.iter().map(|path| format!("`{}`", path.strip_prefix(&here).unwrap_or(path).display())).collect();
        // Ansible passes over it in silence; of literal names the check has told.
        if item.has_template() {
            let warning = Diagnostic::source("P0120", "no file of this entry of `vars_files` exists")
                .with_label(item.place(), "named here")
                .with_note(format!("looked for {}", shown.join(", ")))
                .with_hint("correct the name, or make the variable file");
            self.engine.warn_once(None, warning.warning());
        }
        Ok(None)
    }
}
