//! INI inventories: `[group]`, `[group:vars]`, `[group:children]`.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

use super::literal::read_value;
use super::model::Inventory;
use super::options::odd_name;
use super::range::expand;
use super::words::split_words;
use crate::diag::{Diagnostic, SourceFile, Span};
use crate::vars::Entry;
use crate::yaml::Node;

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Hosts,
    Vars,
    Children,
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    file: &'a SourceFile,
    source: PathBuf,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Groups that are only mentioned so far, by the first mention.
    pending: IndexMap<String, Pending>,
    /// Where the errors of this file begin, if the first one is to end the reading.
    stop: Option<usize>,
}

struct Pending {
    span: Span,
    parents: Vec<String>,
    /// Only a `[name:vars]` section mentions it.
    vars: bool,
}

/// Reads an INI inventory into `inventory`. With `stop` what is behind the first error is not read, as by Ansible.
pub(super) fn read_ini(
    inventory: &mut Inventory,
    file: &SourceFile,
    source: PathBuf,
    stop: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let stop = stop.then_some(diagnostics.len());
    let mut reader = Reader { inventory, file, source, diagnostics, pending: IndexMap::new(), stop };
    let mut group = "ungrouped".to_owned();
    let mut section = Section::Hosts;
    let mut start = 0;
    // An error in a section's line makes its entries meaningless; they are passed over.
    let mut skip = false;
    for raw in file.text.split_inclusive('\n') {
        let lead = raw.len() - raw.trim_start().len();
        let line = raw.trim();
        let at = start + lead;
        start += raw.len();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if reader.stopped() {
            return;
        }
        if line.starts_with('[')
            && let Some(head) = section_head(line)
        {
            skip = false;
            match head {
                Ok((name, kind)) => {
                    group = name.to_owned();
                    section = kind;
                    reader.section(name, kind, at, line);
                }
                Err(kind) => {
                    let span = reader.span(at, line.len());
                    reader.diagnostics.push(
                        Diagnostic::source("I0001", format!("a section cannot be `:{kind}`"))
                            .with_label(span, "expected `[group]`, `[group:vars]` or `[group:children]`")
                            .with_nearest(kind, ["vars", "children", "hosts"])
                            .with_hint("a section is `[group]`, `[group:vars]` or `[group:children]`"),
                    );
                    skip = true;
                }
            }
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') && !line[1..].contains('[') && !line.contains(':') {
            let span = reader.span(at, line.len());
            reader.diagnostics.push(
                Diagnostic::source("I0001", "a group's name cannot hold blanks")
                    .with_label(span, "not a section")
                    .with_hint("use `_` in the name"),
            );
            skip = true;
            continue;
        }
        if !skip {
            match section {
                Section::Hosts => reader.hosts(&group, line, at),
                Section::Vars => reader.variable(&group, line, at),
                Section::Children => reader.child(&group, line, at),
            }
        }
    }
    if !reader.stopped() {
        reader.finish();
    }
}

/// `[name]` or `[name:kind]` with a comment; `None` if it is no section.
fn section_head(line: &str) -> Option<Result<(&str, Section), &str>> {
    let (inner, rest) = line[1..].split_once(']')?;
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return None;
    }
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some(match kind {
        None | Some("hosts") => Ok((name, Section::Hosts)),
        Some("vars") => Ok((name, Section::Vars)),
        Some("children") => Ok((name, Section::Children)),
        // `[1:3].example` is a host with a range, but nothing may follow a section.
        Some(kind)
            if kind.chars().all(|c| c.is_alphanumeric() || c == '_')
                && !kind.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Err(kind)
        }
        Some(_) => return None,
    })
}

impl Reader<'_> {
    /// True if an error ended the reading.
    fn stopped(&self) -> bool {
        self.stop.is_some_and(|start| self.diagnostics[start..].iter().any(Diagnostic::is_error))
    }

    fn span(&self, start: usize, length: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(self.file.id, offset(start), offset(start + length))
    }

    fn section(&mut self, name: &str, kind: Section, at: usize, line: &str) {
        let span = self.span(at, line.find(']').map_or(line.len(), |end| end + 1));
        let name = &*self.inventory.safe(name);
        let known = self.inventory.groups.contains_key(name);
        if !known && kind == Section::Vars && !self.pending.contains_key(name) {
            self.pending.insert(name.to_owned(), Pending { span, parents: Vec::new(), vars: true });
        }
        self.inventory.add_group(name);
        if kind != Section::Vars
            && let Some(pending) = self.pending.shift_remove(name)
        {
            for parent in pending.parents {
                self.link(&parent, name, span);
            }
        }
    }

    fn link(&mut self, parent: &str, child: &str, span: Span) {
        if let Err(error) = self.inventory.add_child(parent, child, Some(span)) {
            self.diagnostics.push(error);
        }
    }

    fn hosts(&mut self, group: &str, line: &str, at: usize) {
        let words = match split_words(line) {
            Ok(words) => words,
            Err(quote) => {
                let span = self.span(at + quote, 1);
                self.diagnostics.push(
                    Diagnostic::source("I0002", "a quote is never closed")
                        .with_label(span, "opened here")
                        .with_hint("close it at the end of the value"),
                );
                return;
            }
        };
        let Some((host, vars)) = words.split_first() else { return };
        let host_span = self.span(at + host.start, host.end - host.start);
        let expanded = match expand(&host.text) {
            Ok(expanded) => expanded,
            Err(why) => {
                self.diagnostics.push(
                    Diagnostic::source("I0002", format!("`{}` is no host: {why}", host.text))
                        .with_label(host_span, "not a host or a range of hosts")
                        .with_hint("a line is `host[:port] name=value ...`, ranges are `[01:10]` or `[a:c]`"),
                );
                return;
            }
        };
        let mut entries: Vec<(Arc<str>, Node)> = Vec::new();
        if let Some(port) = expanded.port {
            entries
                .push((Arc::from("ansible_port"), Node::scalar(crate::value::Value::from(u32::from(port)), host_span)));
        }
        for word in vars {
            let span = self.span(at + word.start, word.end - word.start);
            match word.text.split_once('=') {
                Some((name, value)) => {
                    let value_at = word.start + line[word.start..word.end].find('=').map_or(0, |equals| equals + 1);
                    // Inside a quote the text itself begins one byte later.
                    let quoted = usize::from(line[value_at..word.end].starts_with(['"', '\'']));
                    let value_span =
                        self.span(at + value_at + quoted, (word.end - value_at).saturating_sub(2 * quoted));
                    self.diagnostics.extend(odd_name(name, self.span(at + word.start, name.len())));
                    entries.push((Arc::from(name), read_value(value, value_span)));
                }
                None => self.diagnostics.push(
                    Diagnostic::source("I0002", format!("expected `name=value`, found `{}`", word.text))
                        .with_label(span, "not a variable")
                        .with_hint("quote values with blanks: `name=\"a b\"`; one host a line"),
                ),
            }
        }
        if self.stopped() {
            return;
        }
        for name in &expanded.names {
            let host = self.inventory.add_host(name, group, Some(host_span), Some(&self.source));
            for (name, value) in &entries {
                host.set(Arc::clone(name), Entry::Lazy(value.clone()));
            }
        }
    }

    fn variable(&mut self, group: &str, line: &str, at: usize) {
        let Some((name, value)) = line.split_once('=') else {
            let span = self.span(at, line.len());
            self.diagnostics.push(
                Diagnostic::source("I0002", format!("expected `name=value`, found `{line}`"))
                    .with_label(span, "not a variable")
                    .with_hint(format!("lines below `[{group}:vars]` are `name=value`")),
            );
            return;
        };
        let trimmed = value.trim_start();
        let value_at = at + line.len() - trimmed.len();
        let node = read_value(trimmed, self.span(value_at, trimmed.len()));
        if name.trim() == "ansible_group_priority" && node.to_value().as_int().is_none() {
            let span = self.span(value_at, trimmed.len());
            self.diagnostics.push(
                Diagnostic::source("I0002", "`ansible_group_priority` must be an integer")
                    .with_label(span, "expected an integer")
                    .with_hint("for instance `ansible_group_priority=10`"),
            );
            return;
        }
        self.diagnostics.extend(odd_name(name.trim(), self.span(at, name.trim_end().len())));
        self.inventory.add_group(group).set(name.trim(), Entry::Lazy(node));
    }

    fn child(&mut self, group: &str, line: &str, at: usize) {
        let name = line.split('#').next().unwrap_or_default().trim_end();
        let span = self.span(at, name.len());
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ':' || c == ']') {
            self.diagnostics.push(
                Diagnostic::source("I0002", format!("expected the name of a group, found `{line}`"))
                    .with_label(span, "not a group")
                    .with_hint(format!("lines below `[{group}:children]` are names of groups, one a line")),
            );
            return;
        }
        let name = &*self.inventory.safe(name);
        if self.inventory.groups.contains_key(name) && !self.pending.contains_key(name) {
            self.link(group, name, span);
        } else {
            let pending =
                self.pending.entry(name.to_owned()).or_insert(Pending { span, parents: Vec::new(), vars: false });
            pending.vars = false;
            pending.parents.push(group.to_owned());
        }
    }

    fn finish(&mut self) {
        for (name, pending) in std::mem::take(&mut self.pending) {
            let known: Vec<String> =
                self.inventory.groups.keys().map(ToString::to_string).filter(|group| *group != name).collect();
            let error = Diagnostic::source("I0004", format!("group `{name}` is not defined"))
                .with_label(pending.span, if pending.vars { "variables for it" } else { "named as a child" })
                .with_nearest(&name, known.iter().map(String::as_str))
                .with_hint(format!("add a section `[{name}]`, which may be empty"));
            self.diagnostics.push(error);
        }
    }
}
