//! `--list-hosts`, `--list-tasks`, `--list-tags`: what a playbook would do, as Ansible prints it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::project::{Opened, ProjectRequest, open, playbook_file};
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::engine::PlayHosts;
use crate::playbook::{
    Action, Context, IncludeKind, Item, Play, RoleUse, Task, joined_python_uses, rendered_tags, selected,
};
use crate::value::{Value, python_repr, python_str};
use crate::vars::{Layer, Level, Scope};
use crate::yaml::Node;

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The hosts of each play.
    pub hosts: bool,
    /// The tasks of each play.
    pub tasks: bool,
    /// The tags of each play.
    pub tag_names: bool,
    /// `--tags`
    pub tags: Vec<String>,
    /// `--skip-tags`
    pub skip_tags: Vec<String>,
}

/// The hosts that a pattern names in the inventory of a request, with warnings; none at all if nothing matches. Of a
/// playbook that stands in no file also the code of what makes its task none.
pub fn hosts_of(
    request: &ProjectRequest,
    playbook: &Path,
    pattern: &str,
    sources: &Arc<SourceMap>,
) -> Result<(Vec<Arc<str>>, Vec<Diagnostic>, Option<String>)> {
    let opened = open(request, playbook, sources, true)?;
    let refused = request.given.as_ref().and_then(|_| {
        let found = opened.loader.load(playbook).problems;
        found.into_iter().find(|found| matches!(&*found.code, "P0202" | "P0213")).map(|found| found.code.to_string())
    });
    let mut warnings = opened.problems.clone();
    let (hosts, found) = opened.hosts.select_with_warnings(pattern)?;
    warnings.extend(request.settled(found));
    Ok((hosts, warnings, refused))
}

/// The listing of a playbook with warnings; without text if there are errors.
pub fn list(
    request: &ProjectRequest,
    playbook: &Path,
    what: &Listing,
    sources: &Arc<SourceMap>,
) -> Result<(Option<String>, Vec<Diagnostic>)> {
    let playbook = &playbook_file(&request.collections_path, playbook);
    let opened = open(request, playbook, sources, false)?;
    let loaded = opened.loader.load(playbook);
    let errors = request.settled(loaded.problems).into_iter().filter(Diagnostic::is_error);
    let problems: Vec<Diagnostic> = opened.problems.iter().cloned().chain(errors).collect();
    if problems.iter().any(Diagnostic::is_error) {
        return Ok((None, joined_python_uses(problems)));
    }
    let mut warnings = opened.problems.clone();
    let mut out = format!("\nplaybook: {}\n", playbook.display());
    for (index, play) in loaded.playbook.plays.iter().enumerate() {
        let found = request.settled(list_play(&mut out, index + 1, play, what, &opened)?);
        if found.iter().any(Diagnostic::is_error) {
            return Ok((None, found));
        }
        for one in found {
            if !warnings.iter().any(|told| told.message == one.message) {
                warnings.push(one);
            }
        }
    }
    Ok((Some(out), warnings))
}

fn list_play(out: &mut String, number: usize, play: &Play, what: &Listing, opened: &Opened) -> Result<Vec<Diagnostic>> {
    let keywords = &play.context.keywords;
    // No host is at hand: what the play itself says is known.
    let mut layers = opened.layers.clone();
    let vars = play.context.chain().filter_map(|context| context.keywords.get("vars"));
    layers.extend(vars.map(|node| Layer::source(Level::PlayVars, "play vars", node)));
    let scope = Scope::from_layers(layers);
    let render = |node: &Node| opened.templates.render(node, &scope).unwrap_or_else(|_| node.to_value());
    let PlayHosts { patterns, name } = match keywords.get("hosts") {
        Some(node) => {
            PlayHosts::read(node, &render(node)).map_err(|error| error.within("Error processing keyword 'hosts': "))?
        }
        None => PlayHosts::default(),
    };
    let name = keywords.get("name").map_or(name, |node| python_str(&render(node)));
    let mut play_tags = Vec::new();
    tags_of(&play.context, &render, &mut play_tags);
    let unique: BTreeSet<String> = play_tags.iter().cloned().collect();
    let _ = write!(
        out,
        "\n  play #{number} ({}): {name}\tTAGS: [{}]",
        patterns.join(","),
        unique.iter().cloned().collect::<Vec<_>>().join(",")
    );
    let selected = match patterns.as_slice() {
        [] => Ok((Vec::new(), Vec::new())),
        patterns => opened.hosts.select_with_warnings(&patterns.join(",")),
    };
    let (hosts, warnings) = if what.hosts { selected? } else { selected.unwrap_or_default() };
    if what.hosts {
        let shown: Vec<Value> = patterns.iter().map(|pattern| Value::from(pattern.as_str())).collect();
        let _ = write!(out, "\n    pattern: {}\n    hosts ({}):", python_repr(&Value::from(shown)), hosts.len());
        for host in hosts {
            let _ = write!(out, "\n      {host}");
        }
    }
    out.push('\n');
    if !what.tasks && !what.tag_names {
        return Ok(warnings);
    }
    let mut walk = Walk { what, render: &render, lines: String::new(), all: unique };
    walk.items(&play.pre_tasks);
    for role in &play.roles {
        walk.role(role);
    }
    walk.items(&play.tasks);
    walk.items(&play.post_tasks);
    if what.tasks {
        out.push_str("    tasks:\n");
        out.push_str(&walk.lines);
    }
    if what.tag_names {
        let _ = writeln!(out, "      TASK TAGS: [{}]", walk.all.iter().cloned().collect::<Vec<_>>().join(", "));
    }
    Ok(warnings)
}

struct Walk<'a> {
    what: &'a Listing,
    render: &'a dyn Fn(&Node) -> Value,
    lines: String,
    all: BTreeSet<String>,
}

impl Walk<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task),
                Item::Block(block) => self.items(&block.body),
                Item::Role(role) => self.role(role),
            }
        }
    }

    fn role(&mut self, role: &RoleUse) {
        self.items(&role.tasks);
    }

    fn task(&mut self, task: &Task) {
        let mut tags = Vec::new();
        tags_of(&task.context, self.render, &mut tags);
        if let Some(node) = task.keywords.get("tags") {
            tags.extend(rendered_tags(node, self.render));
        }
        if !selected(&tags, &self.what.tags, &self.what.skip_tags) {
            return;
        }
        self.all.extend(tags.iter().cloned());
        if !self.what.tasks {
            return;
        }
        let own = task.keywords.get("name").filter(|name| !name.is_null());
        let name = own.map_or_else(|| task.action.name().to_string(), |node| python_str(&node.to_value()));
        // The name of an `include_role` stands alone, as in Ansible.
        let alone = matches!(&task.action, Action::Include(include) if include.kind == IncludeKind::Role);
        let name = match task.context.role() {
            Some(role) if own.is_some() && !alone => format!("{} : {name}", role.name),
            _ => name,
        };
        let tags: BTreeSet<String> = tags.into_iter().collect();
        let _ = writeln!(self.lines, "      {name}\tTAGS: [{}]", tags.into_iter().collect::<Vec<_>>().join(", "));
    }
}

/// The tags that a context hands on.
fn tags_of(context: &Context, render: &dyn Fn(&Node) -> Value, out: &mut Vec<String>) {
    for context in context.chain() {
        if let Some(node) = context.keywords.get("tags") {
            out.extend(rendered_tags(node, render));
        }
    }
}
