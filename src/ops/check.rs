//! `hostctl check`: all mistakes of a playbook at once, without contacting a host.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::project::{Opened, ProjectRequest, open, playbook_file};
use crate::diag::{Diagnostic, FileId, Result, SourceMap, Span, Subject};
use crate::engine::HostList as _;
use crate::playbook::{CheckInput, Loaded, Play, TemplateCheck};
use crate::template::{PluginUse, Templates};
use crate::vars::Entry;
use crate::yaml::{Node, NodeData, Tag};

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Errors and warnings in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a playbook with all that it includes.
pub fn check(request: &ProjectRequest, playbook: &Path, sources: &Arc<SourceMap>) -> Result<Checked> {
    let (opened, loaded) = read(request, playbook, sources)?;
    let mut diagnostics = needed(&opened, &loaded);
    diagnostics.extend(request.settled(problems(&opened, &loaded, None)));
    Ok(Checked { diagnostics })
}

/// The same, with what Ansible finds before a run only as errors: what reading the playbook shows, and what hostctl
/// does not have. All else is told as warnings; of variables nothing is said.
pub fn syntax(request: &ProjectRequest, playbook: &Path, sources: &Arc<SourceMap>) -> Result<Checked> {
    let (opened, loaded) = read(request, playbook, sources)?;
    let read = |problem: &Diagnostic| {
        let same = |known: &Diagnostic| known.code == problem.code && known.span() == problem.span();
        problem.code == "P0304" || loaded.problems.iter().any(|known| known.is_error() && same(known))
    };
    let found = problems_of(&opened, &loaded, None, &*opened.templates, false);
    let found = found.into_iter().map(|problem| if read(&problem) { problem } else { problem.warning() });
    let mut diagnostics = needed(&opened, &loaded);
    diagnostics.extend(request.settled(found.collect()));
    Ok(Checked { diagnostics })
}

/// The same as a part of a look at many files, where nothing is known of variables from elsewhere: `templates` gets
/// the place of each template.
pub(super) fn check_part(
    request: &ProjectRequest,
    playbook: &Path,
    sources: &Arc<SourceMap>,
    places: &mut HashSet<(FileId, u32)>,
) -> Result<Vec<Diagnostic>> {
    let (opened, loaded) = read(request, playbook, sources)?;
    let counted = Counted { templates: &opened.templates, places: RefCell::default() };
    let mut diagnostics = opened.problems.clone();
    diagnostics.extend(request.settled(problems_of(&opened, &loaded, None, &counted, false)));
    places.extend(counted.places.into_inner());
    Ok(diagnostics)
}

fn read(request: &ProjectRequest, playbook: &Path, sources: &Arc<SourceMap>) -> Result<(Opened, Loaded)> {
    let playbook = &match &request.given {
        Some((given, ..)) if given == playbook => playbook.to_path_buf(),
        _ => playbook_file(&request.collections_path, playbook),
    };
    let opened = open(request, playbook, sources, false)?;
    let loaded = opened.loader.load(playbook);
    Ok((opened, loaded))
}

/// Notes the place of each template that is looked at.
pub(super) struct Counted<'a> {
    pub(super) templates: &'a Templates,
    pub(super) places: RefCell<HashSet<(FileId, u32)>>,
}

impl Counted<'_> {
    fn note(&self, node: &Node, expression: bool) {
        match &node.data {
            NodeData::List(items) => items.iter().for_each(|item| self.note(item, expression)),
            NodeData::Map(pairs) => pairs.iter().for_each(|(_, value)| self.note(value, expression)),
            NodeData::Scalar(_) if node.tag == Some(Tag::Vault) => {}
            NodeData::Scalar(_) => {
                if node.has_template() || expression && node.as_str().is_some() {
                    let Span { file, start, .. } = node.span;
                    self.places.borrow_mut().insert((file, start));
                }
            }
        }
    }
}

impl TemplateCheck for Counted<'_> {
    fn check(&self, node: &Node, expression: bool) -> Vec<Diagnostic> {
        self.note(node, expression);
        self.templates.check(node, expression)
    }

    fn free_names(&self, node: &Node, expression: bool) -> Vec<(String, Span)> {
        self.templates.free_names(node, expression)
    }

    fn plugins(&self, node: &Node, expression: bool) -> Vec<PluginUse> {
        self.templates.plugins(node, expression)
    }
}

/// What is wrong with a loaded playbook, in the order of files and places: what the loader found,
/// keywords, arguments, templates, names. For a run, `runs` tells the plays that certainly run.
pub(super) fn problems(opened: &Opened, loaded: &Loaded, runs: Option<&dyn Fn(&Play) -> bool>) -> Vec<Diagnostic> {
    problems_of(opened, loaded, runs, &*opened.templates, true)
}

/// `complete`: all variables from elsewhere are known as far as files tell them.
fn problems_of(
    opened: &Opened,
    loaded: &Loaded,
    runs: Option<&dyn Fn(&Play) -> bool>,
    templates: &dyn TemplateCheck,
    complete: bool,
) -> Vec<Diagnostic> {
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
    let mut found = Vec::new();
    for dir in &dirs {
        found.extend(opened.hosts.enter_playbook(dir).err());
        learn(&mut known);
    }
    if !dirs.is_empty() {
        found.extend(opened.hosts.enter_playbook(main).err());
    }
    let unread =
        |problem: &Diagnostic| problem.code == "I0008" || problem.is_error() && problem.code.starts_with("V01");
    let complete = complete && !opened.problems.iter().any(unread);
    let input = CheckInput {
        loader: &opened.loader,
        templates,
        known,
        variables,
        inventory,
        settings: opened.settings.clone(),
        complete,
        runs,
    };
    found.extend(crate::playbook::check(loaded, &input));
    found
}

/// What is wrong with the project, without the files of variables that no password opens and no selected host needs:
/// as with Ansible, who works on some hosts needs no password of the others.
pub(super) fn needed(opened: &Opened, loaded: &Loaded) -> Vec<Diagnostic> {
    let selected = selected(opened, loaded);
    let inventory = opened.hosts.inventory();
    let needed = |problem: &Diagnostic| {
        let Some(selected) = &selected else { return true };
        match &problem.subject {
            Some(Subject::SealedForHost(host)) => selected.contains(host.as_str()),
            Some(Subject::SealedForGroup(group)) => {
                group == "all" || inventory.group_hosts(group).iter().any(|host| selected.contains(host))
            }
            _ => true,
        }
    };
    opened.problems.iter().filter(|problem| needed(problem)).cloned().collect()
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A folder with these files.
    pub fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn codes(found: &Checked) -> Vec<String> {
        let grade = |problem: &Diagnostic| if problem.is_error() { "error" } else { "warning" };
        found.diagnostics.iter().map(|problem| format!("{} {}", grade(problem), problem.code)).collect()
    }

    #[test]
    fn variables_of_groups_without_hosts_are_known() {
        let dir = project(&[
            ("inventory/hosts", "[empty]\n"),
            ("inventory/group_vars/all.yml", "for_all: 1\n"),
            ("inventory/group_vars/empty/a.yml", "for_some: 1\n"),
            ("inventory/group_vars/nowhere.yml", "for_none: 1\n"),
            (
                "site.yml",
                "- hosts: empty\n  tasks:\n    - debug: {msg: '{{ for_all }} {{ for_some }}'}\n    \
                 - debug: {msg: '{{ for_none }}'}\n",
            ),
        ]);
        let request = ProjectRequest {
            inventory: vec![dir.path().join("inventory").display().to_string()],
            ..ProjectRequest::default()
        };
        let found = check(&request, &dir.path().join("site.yml"), &SourceMap::new()).unwrap();
        let unknown: Vec<&str> = found.diagnostics.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(unknown, ["the variable `for_none` is not defined anywhere"]);
    }

    /// The same as the run warns of.
    #[test]
    fn names_that_the_language_uses_itself_are_told() {
        let dir = project(&[
            ("hosts", "one namespace=a\ntwo port=1\n"),
            ("group_vars/all.yml", "query: 1\n"),
            (
                "site.yml",
                "- hosts: one\n  vars: {namespace: lab, lookup: 1}\n  tasks:\n    - command: x\n      register: tags\n      \
                 loop: [1]\n      loop_control: {loop_var: name}\n    - set_fact: {roles: 1}\n      vars: {when: 1}\n",
            ),
        ]);
        let request = ProjectRequest {
            inventory: vec![dir.path().join("hosts").display().to_string()],
            ..ProjectRequest::default()
        };
        let found = check(&request, &dir.path().join("site.yml"), &SourceMap::new()).unwrap();
        let mut told: Vec<&str> =
            found.diagnostics.iter().filter_map(|problem| problem.message.split('`').nth(1)).collect();
        told.sort_unstable();
        assert_eq!(told, ["lookup", "namespace", "namespace", "query", "roles", "tags", "when"]);
        assert!(found.diagnostics.iter().all(|problem| problem.code == "P0310" && !problem.is_error()));
    }

    #[test]
    fn a_syntax_check_refuses_what_reading_the_playbook_shows_and_nothing_else() {
        let dir = project(&[
            (
                "good.yml",
                "- hosts: all\n  tasks:\n    - copy: {nope: '{{ unknown }}'}\n    - debug: {msg: '{{ 1 | no }}'}\n",
            ),
            ("bad.yml", "- hosts: all\n  tasks:\n    - no_such_module:\n    - copy: {nope: 1}\n"),
            ("python.yml", "- hosts: all\n  tasks:\n    - mine:\n"),
            ("library/mine.py", "#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"),
        ]);
        let check = |name: &str, expected: &[&str]| {
            let found = syntax(&ProjectRequest::default(), &dir.path().join(name), &SourceMap::new()).unwrap();
            let mut errors = codes(&found);
            errors.retain(|found| found.starts_with("error"));
            assert_eq!(errors, expected, "{name}: {:?}", codes(&found));
            assert!(!codes(&found).iter().any(|found| found.ends_with("P0301")), "{name}");
        };
        check("good.yml", &[]);
        check("bad.yml", &["error P0202"]);
        check("python.yml", &["error P0304"]);
    }
}
