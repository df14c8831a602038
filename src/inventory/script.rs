//! Inventory programs: run with `--list`, and with `--host NAME` if they print no `_meta`.
//!
//! What a program of the controller prints is source: its texts may hold templates.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use indexmap::IndexSet;

use super::model::Inventory;
use super::options::old_form;
use super::yaml::text_of;
use crate::diag::{Diagnostic, Result, SourceMap, Span};
use crate::system::printed::printed;
use crate::value::python_repr;
use crate::vars::Entry;
use crate::yaml::{LoadOptions, Node, NodeData, Tag, load};

/// True if a file is a program: executable, and a script or a binary rather than data.
pub(super) fn is_program(path: &Path) -> bool {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let executable =
        std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    let mut start = [0; 4];
    executable
        && crate::diag::read::open_plain(path).and_then(|mut file| file.read(&mut start)).is_ok()
        && (start.starts_with(b"#!") || start == *b"\x7fELF")
}

/// Bytes of the longest output that is read.
const LONGEST: usize = 256 << 20;

fn run(path: &Path, name: &str, arguments: &[&str]) -> Result<String> {
    let shown = format!("{name} {}", arguments.join(" "));
    // A bare file name would be looked up in PATH.
    let program = if path.components().count() == 1 { Path::new(".").join(path) } else { path.to_path_buf() };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = printed(&mut command, LONGEST).map_err(|error| match error.kind() {
        std::io::ErrorKind::Other => Diagnostic::local("I0007", format!("`{shown}` was ended: {error}"))
            .with_hint(format!("run it by hand: `{shown}`")),
        _ => Diagnostic::local("I0007", format!("`{shown}` could not be started: {error}"))
            .with_hint("check its first line (`#!`) and its permissions"),
    })?;
    if !output.status.success() {
        let mut error = Diagnostic::local("I0007", format!("`{shown}` failed: {}", output.status))
            .with_hint(format!("run it by hand: `{shown}`"));
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let lines = &lines[lines.len().saturating_sub(20)..];
        for line in lines {
            error = error.with_note((*line).to_owned());
        }
        if let Some(code) = output.status.code() {
            let mut words = format!("Inventory script returned non-zero exit code {code}.");
            if !lines.is_empty() {
                words.push_str(&format!("\n\nStandard error from inventory script:\n{}\n", lines.join("\n")));
            }
            error = error.with_registered(words);
        }
        return Err(error);
    }
    String::from_utf8(output.stdout).map_err(|_| {
        Diagnostic::local("I0007", format!("`{shown}` printed text that is not UTF-8"))
            .with_hint(format!("run it by hand: `{shown}`"))
    })
}

fn wrong(span: Span, what: String) -> Diagnostic {
    Diagnostic::source("I0007", what)
        .with_label(span, "in what the program printed")
        .with_hint("a program prints `{\"group\": {\"hosts\": [...], \"vars\": {}, \"children\": []}, \"_meta\": {\"hostvars\": {}}}`")
}

/// An error for a part that is not what it must be. As with ansible-core, what stands behind it is not read.
fn expect(node: &Node, what: &str, kind: &str, right: bool) -> Result<()> {
    if right { Ok(()) } else { Err(wrong(node.place(), format!("{what} must be {kind}, found {}", node.type_name()))) }
}

/// Runs a program and reads what it prints.
pub(super) fn read_program(
    inventory: &mut Inventory,
    sources: &SourceMap,
    path: &Path,
    name: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<()> {
    let json = |arguments: &[&str]| -> Result<Node> {
        let text = run(path, name, arguments)?;
        let shown = format!("<output of {name} {}>", arguments.join(" "));
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
            && !(text.trim().is_empty() && arguments.len() == 2)
        {
            return Err(Diagnostic::source("I0007", format!("`{name}` printed no JSON: {error}"))
                .with_hint(format!("run it by hand: `{name} {}`", arguments.join(" "))));
        }
        let file = sources.add(shown, None, text);
        // JSON is YAML, and so every value keeps its place.
        Ok(tagged(load(sources, &file, &LoadOptions::default()).one(&file)?))
    };
    let list = json(&["--list"])?;
    let Some(groups) = list.as_map() else {
        return Err(wrong(list.place(), format!("expected a mapping, found {}", list.type_name())));
    };
    let source = path.to_path_buf();
    let mut hosts: IndexSet<String> = IndexSet::new();
    let mut children: Vec<(String, Node)> = Vec::new();
    let mut meta = None;
    let mut failed = None;
    for (key, value) in groups {
        let group = text_of(key);
        if group == "_meta" {
            expect(value, "`_meta`", "a mapping", value.as_map().is_some())?;
            meta = value.get("hostvars");
            if let Some(meta) = meta {
                expect(meta, "`hostvars` of `_meta`", "a mapping", meta.as_map().is_some())?;
            }
            continue;
        }
        inventory.add_group(&group);
        let as_list = value.as_list();
        if let Some(Err(error)) = value
            .get("hosts")
            .map(|hosts| expect(hosts, &format!("`hosts` of group `{group}`"), "a list", hosts.as_list().is_some()))
        {
            failed = Some(error);
            break;
        }
        if as_list.is_some() {
            let words = format!("Group {} was converted to 'dict' from 'list'.", python_repr(&group.as_str().into()));
            diagnostics.push(old_form(format!("the group `{group}` is a list, and no mapping with `hosts`"), words));
        }
        for host in as_list.or_else(|| value.get("hosts")?.as_list()).unwrap_or_default() {
            let host = text_of(host);
            add(inventory, &host, &group, &source);
            hosts.insert(host);
        }
        if as_list.is_some() {
            continue;
        }
        let Some(parts) = value.as_map() else {
            diagnostics.push(wrong(
                value.place(),
                format!("group `{group}` must be a mapping or a list, found {}", value.type_name()),
            ));
            continue;
        };
        if !parts.is_empty() && ["hosts", "vars", "children"].iter().all(|part| value.get(part).is_none()) {
            // The old form: a host of the group's own name with these variables.
            let words = format!(
                "Treating malformed group {} as the sole host of that group. Variables provided in this manner cannot be \
                 templated.",
                python_repr(&group.as_str().into())
            );
            diagnostics
                .push(old_form(format!("the group `{group}` has neither `hosts` nor `vars` nor `children`"), words));
            add(inventory, &group, &group, &source);
            hosts.insert(group.clone());
            set_vars(inventory, &group, value);
            continue;
        }
        if let Some(Err(error)) = value
            .get("vars")
            .map(|vars| expect(vars, &format!("`vars` of group `{group}`"), "a mapping", vars.as_map().is_some()))
        {
            failed = Some(error);
            break;
        }
        for (name, value) in value.get("vars").and_then(Node::as_map).unwrap_or_default() {
            inventory.add_group(&group).set(&text_of(name), Entry::Lazy(value.clone()));
        }
        for child in value.get("children").and_then(Node::as_list).unwrap_or_default() {
            children.push((group.clone(), child.clone()));
        }
    }
    // What stands before the error is kept, as ansible-core keeps it.
    for (parent, child) in children {
        let name = text_of(&child);
        inventory.add_group(&name);
        if let Err(error) = inventory.add_child(&parent, &name, Some(child.place())) {
            diagnostics.push(error);
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    if meta.is_none() {
        let words = "Inventory scripts should always provide 'meta.hostvars'. Host variables will be collected by running \
                     the inventory script with the '--host' option for each host.";
        diagnostics.push(old_form(format!("`{name}` prints no `_meta` with `hostvars`"), words.to_owned()));
    }
    for host in hosts {
        match meta {
            Some(meta) => {
                if let Some(vars) = meta.get(&host) {
                    set_vars(inventory, &host, vars);
                }
            }
            None => set_vars(inventory, &host, &json(&["--host", &host])?),
        }
    }
    Ok(())
}

/// What `ansible-inventory --list` writes for texts with a tag, and other programs with it, is one again.
fn tagged(node: Node) -> Node {
    let data = match &node.data {
        NodeData::Map(pairs) => {
            if let [(key, value)] = &pairs[..]
                && value.as_str().is_some()
                && let Some(tag) = match key.as_str() {
                    Some("__ansible_unsafe") => Some(Tag::Unsafe),
                    Some("__ansible_vault") => Some(Tag::Vault),
                    _ => None,
                }
            {
                return Node { tag: Some(tag), ..value.clone() };
            }
            NodeData::Map(pairs.iter().map(|(key, value)| (key.clone(), tagged(value.clone()))).collect())
        }
        NodeData::List(items) => NodeData::List(items.iter().cloned().map(tagged).collect()),
        NodeData::Scalar(_) => return node,
    };
    Node { data, ..node }
}

fn add(inventory: &mut Inventory, host: &str, group: &str, source: &PathBuf) {
    inventory.add_host(host, group, None, Some(source));
}

fn set_vars(inventory: &mut Inventory, host: &str, vars: &Node) {
    if let Some(host) = inventory.hosts.get_mut(host) {
        for (name, value) in vars.as_map().unwrap_or_default() {
            host.set(Arc::from(text_of(name)), Entry::Lazy(value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failing_program_says_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fails.sh");
        std::fs::write(&path, "#!/bin/sh\necho 'no token' >&2\nexit 3\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        let error = run(&path, "fails.sh", &["--list"]).unwrap_err();
        assert_eq!(error.notes, ["no token"]);
        assert_eq!(
            error.registered(),
            "Inventory script returned non-zero exit code 3.\n\nStandard error from inventory script:\nno token\n"
        );
    }

    #[test]
    fn marked_texts_get_their_tags_back() {
        let sources = SourceMap::default();
        let text =
            r#"{"a": {"__ansible_unsafe": "{{ x }}"}, "b": [{"__ansible_vault": "y"}], "c": {"__ansible_unsafe": 1}}"#;
        let file = sources.add("list".to_owned(), None, text.to_owned());
        let node = tagged(load(&sources, &file, &LoadOptions::default()).one(&file).expect("JSON"));
        let tag = |node: Option<&Node>| node.and_then(|node| node.tag);
        assert_eq!(tag(node.get("a")), Some(Tag::Unsafe));
        assert_eq!(tag(node.get("b").and_then(|list| list.as_list()?.first())), Some(Tag::Vault));
        assert!(node.get("c").is_some_and(|map| map.get("__ansible_unsafe").is_some()));
    }
}
