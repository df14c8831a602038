//! `hostctl check`: all mistakes of a playbook at once, without contacting a host.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::project::{Opened, ProjectRequest, open, playbook_file};
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::engine::HostList as _;
use crate::playbook::{CheckInput, Loaded, Play};
use crate::vars::Entry;

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Errors and warnings in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a playbook with all that it includes.
pub fn check(request: &ProjectRequest, playbook: &Path, sources: &Arc<SourceMap>) -> Result<Checked> {
    let playbook = &playbook_file(&request.collections_path, playbook);
    let opened = open(request, playbook, sources, false)?;
    let loaded = opened.loader.load(playbook);
    let mut diagnostics = opened.problems.clone();
    diagnostics.extend(request.settled(problems(&opened, &loaded, None)));
    Ok(Checked { diagnostics })
}

/// What is wrong with a loaded playbook, in the order of files and places: what the loader found,
/// keywords, arguments, templates, names. For a run, `runs` tells the plays that certainly run.
pub(super) fn problems(opened: &Opened, loaded: &Loaded, runs: Option<&dyn Fn(&Play) -> bool>) -> Vec<Diagnostic> {
    let selected = selected(opened, loaded);
    let (mut known, mut inventory) = (HashSet::new(), Vec::new());
    let mut learn = |known: &mut HashSet<String>| {
        let reached = |host: &str| selected.as_ref().is_none_or(|selected| selected.contains(host));
        let (names, nodes) = opened.hosts.variables(&reached);
        known.extend(names.iter().map(ToString::to_string));
        inventory.extend(nodes);
    };
    learn(&mut known);
    let mut variables = Vec::new();
    for layer in &opened.layers {
        for (name, entry) in layer.entries.iter() {
            known.insert(name.to_string());
            if let Entry::Lazy(node) = entry {
                variables.push((Arc::clone(name), node.clone()));
            }
        }
    }
    // Files of hosts and groups stand beside imported playbooks, too.
    let main = loaded.playbook.path.parent().unwrap_or(Path::new(""));
    let dirs: indexmap::IndexSet<&Path> =
        loaded.playbook.plays.iter().filter_map(|play| play.file.parent()).filter(|dir| *dir != main).collect();
    let mut unread = Vec::new();
    for dir in &dirs {
        unread.extend(opened.hosts.enter_playbook(dir).err());
        learn(&mut known);
    }
    if !dirs.is_empty() {
        unread.extend(opened.hosts.enter_playbook(main).err());
    }
    let complete = opened.problems.iter().all(|problem| !matches!(&*problem.code, "I0008"));
    let input = CheckInput {
        loader: &opened.loader,
        templates: &*opened.templates,
        known,
        variables,
        inventory,
        settings: opened.settings.clone(),
        complete,
        runs,
    };
    unread.extend(crate::playbook::check(loaded, &input));
    unread
}

/// The hosts that plays are for; `None` if that is known during the run only.
fn selected(opened: &Opened, loaded: &Loaded) -> Option<HashSet<Arc<str>>> {
    let mut found = HashSet::new();
    for play in &loaded.playbook.plays {
        let hosts = play.context.keywords.get("hosts").filter(|hosts| !hosts.has_template())?;
        let single = std::slice::from_ref(hosts);
        let patterns: Option<Vec<&str>> = hosts.as_list().unwrap_or(single).iter().map(|node| node.as_str()).collect();
        found.extend(opened.hosts.select_with_warnings(&patterns?.join(",")).ok()?.0);
    }
    Some(found)
}
