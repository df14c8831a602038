//! Templates that are broken, and variables that are defined nowhere.
//!
//! Tasks reach variables, and variables reach others. What is wrong in a variable that nothing
//! reaches is a warning only. A name that is tested with `is defined` or has a `default`
//! anywhere is taken as optional everywhere.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::certain;
use super::names::Names;
use super::survey::Survey;
use super::{CheckInput, InventoryVariable};
use crate::diag::{Diagnostic, Span, nearest};
use crate::playbook::keywords::{self, KeywordType};
use crate::playbook::model::{Action, Keywords};
use crate::template::PluginUse;
use crate::yaml::{Node, NodeData, Tag};

/// A node that is rendered when a task runs.
struct Source {
    node: Node,
    /// Its scalars are bare expressions.
    expression: bool,
    /// Undefined names in it are no errors (`name`).
    lenient: bool,
    /// A run certainly renders it, and fails if it cannot.
    certain: bool,
    /// Something takes a failure to render it.
    caught: bool,
}

/// Arguments that hold bare expressions.
const EXPRESSIONS: &[(&str, &str)] = &[("assert", "that"), ("debug", "var")];

/// What tasks reach.
pub(super) struct Reached {
    /// The plugins that templates name.
    pub(super) plugins: Vec<PluginUse>,
    names: Names,
}

impl Reached {
    /// The values that a playbook gives a variable.
    pub(super) fn variables(&self, name: &str) -> impl Iterator<Item = &Node> {
        self.names.defined.get(name).into_iter().flatten().filter_map(|(_, node)| node.as_ref())
    }
}

pub(super) fn check(
    survey: &Survey,
    files: &[(Node, bool)],
    input: &CheckInput<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Reached {
    let names = Names::collect(survey, input);
    if input.complete && input.runs.is_none() {
        // A run tells of each when it comes to it.
        problems.extend(names.reserved(&input.inventory, input.loader.sources()));
    }
    let mut sources = Vec::new();
    let mut reached = HashSet::new();
    if let Some(runs) = input.runs {
        for survey in survey.plays.iter().filter(|survey| runs(&survey.play)) {
            certain::tasks_of(&survey.play, &mut reached);
        }
    }
    for context in &survey.contexts {
        from_keywords(&context.keywords, false, false, &mut sources);
    }
    for task in survey.tasks() {
        let certain = reached.contains(&task.id);
        let caught = survey.caught.contains(&task.id);
        from_keywords(&task.keywords, certain, caught, &mut sources);
        match &task.action {
            Action::Module(module) => {
                let module_name = module.entry.meta.name;
                let looped = task.keywords.0.keys().any(|name| *name == "loop" || name.starts_with("with_"));
                for (arg, (_, node)) in &module.args {
                    let expression = EXPRESSIONS.contains(&(module_name, &**arg));
                    // `debug` shows an undefined variable as such.
                    let shown = (module_name, &**arg) == ("debug", "var");
                    let certain = certain && !looped && !shown && certain::evaluates_all(node);
                    sources.push(Source { node: node.clone(), expression, lenient: false, certain, caught });
                }
                sources.extend(module.args_template.iter().map(plain));
            }
            Action::Dynamic(module) => {
                sources.push(plain(&module.text));
                sources.extend(module.args.iter().map(|(_, node)| plain(node)));
            }
            Action::Include(include) => {
                for (arg, (_, node)) in &include.args {
                    match (&**arg, node.as_map()) {
                        ("apply", Some(pairs)) => {
                            let mut applied = Keywords::default();
                            for (key, value) in pairs {
                                if let Some(keyword) = key.as_str().and_then(keywords::find) {
                                    applied.0.insert(keyword.name, (key.place(), value.clone()));
                                }
                            }
                            from_keywords(&applied, false, caught, &mut sources);
                        }
                        _ => sources.push(plain(node)),
                    }
                }
            }
        }
    }
    sources.extend(files.iter().map(|(node, caught)| Source { caught: *caught, ..plain(node) }));

    let mut run = Run {
        input,
        names: &names,
        guarded: HashSet::new(),
        used: IndexMap::new(),
        seen: HashSet::new(),
        plugins: Vec::new(),
    };
    for source in &sources {
        run.guards(&source.node, source.expression, 0);
    }
    for (_, node) in names.defined.values().flatten() {
        if let Some(node) = node {
            run.guards(node, false, 0);
        }
    }
    for source in &sources {
        run.source(source, problems);
    }
    // Tasks that were left out still reach variables.
    for task in &survey.lost {
        for (name, _) in input.templates.free_names(task, false) {
            run.used.entry(name).or_default().reached = true;
        }
    }
    run.reach(problems);
    run.inventory();
    run.rest(problems);
    run.undefined(problems);
    if input.runs.is_none() {
        // A run tells it when it comes to it.
        run.deprecated(problems);
    }
    let plugins = run.plugins;
    Reached { plugins, names }
}

fn plain(node: &Node) -> Source {
    Source { node: node.clone(), expression: false, lenient: false, certain: false, caught: false }
}

fn from_keywords(keywords: &Keywords, certain: bool, caught: bool, sources: &mut Vec<Source>) {
    for (name, (_, node)) in &keywords.0 {
        let kind = keywords::find(name).map(|keyword| keyword.kind);
        match *name {
            // Variables are rendered where they are used.
            "vars" | "vars_prompt" | "register" => {}
            _ if kind == Some(KeywordType::Condition) && node.as_map().is_some() => {}
            "loop_control" => {
                for (key, value) in node.as_map().unwrap_or_default() {
                    let expression = key.as_str() == Some("break_when");
                    sources.push(Source { node: value.clone(), expression, lenient: false, certain: false, caught });
                }
            }
            "name" | "vars_files" => {
                sources.push(Source { node: node.clone(), expression: false, lenient: true, certain: false, caught });
            }
            _ => sources.push(Source {
                node: node.clone(),
                expression: kind == Some(KeywordType::Condition),
                lenient: false,
                certain: certain && certain::plain_loop(name) && certain::evaluates_all(node),
                caught,
            }),
        }
    }
}

/// How a name is used.
#[derive(Default)]
struct Used {
    places: Vec<Span>,
    /// A task reaches one of the places.
    reached: bool,
    /// A run certainly fails if the name is undefined.
    certain: bool,
}

struct Run<'a> {
    input: &'a CheckInput<'a>,
    names: &'a Names,
    guarded: HashSet<String>,
    /// Names that are used.
    used: IndexMap<String, Used>,
    /// Definitions that were looked at.
    seen: HashSet<Span>,
    /// The plugins that templates name.
    plugins: Vec<PluginUse>,
}

impl Run<'_> {
    fn source(&mut self, source: &Source, problems: &mut Vec<Diagnostic>) {
        let Source { node, expression, lenient, certain, caught } = source;
        let meant = *caught;
        if *expression && !super::values::mappings(node).is_empty() {
            // No condition at all, which is told where values are checked.
            return;
        }
        let found = self.input.templates.check(node, *expression).into_iter().map(before_run);
        problems.extend(found.map(|problem| if meant { problem.warning() } else { problem }));
        self.plugins.extend(self.input.templates.plugins(node, *expression));
        // `set_fact` defines what it renders: once is enough.
        self.seen.insert(node.place());
        for (name, span) in self.input.templates.free_names(node, *expression) {
            let used = self.used.entry(name).or_default();
            used.reached = true;
            used.certain |= certain;
            if !lenient {
                used.places.push(span);
            }
        }
    }

    /// Follows names to what they stand for.
    fn reach(&mut self, problems: &mut Vec<Diagnostic>) {
        let names = self.names;
        let mut next = 0;
        while let Some((name, Used { reached: true, certain, .. })) = self.used.get_index(next) {
            let definitions = names.defined.get(name).cloned().unwrap_or_default();
            let sure = *certain && definitions.len() == 1;
            for (_, node) in definitions {
                let Some(node) = node.filter(|node| self.seen.insert(node.place())) else { continue };
                problems.extend(self.input.templates.check(&node, false).into_iter().map(before_run));
                self.plugins.extend(self.input.templates.plugins(&node, false));
                let certain = sure && certain::evaluates_all(&node);
                for (name, span) in self.input.templates.free_names(&node, false) {
                    let used = self.used.entry(name).or_default();
                    used.places.push(span);
                    used.reached = true;
                    used.certain |= certain;
                }
            }
            next += 1;
        }
    }

    /// The plugins that variables of the inventory name which tasks reach, or connections do.
    fn inventory(&mut self) {
        let mut left: Vec<&InventoryVariable> =
            self.input.inventory.iter().filter(|found| found.reached && found.node.has_template()).collect();
        let mut more = true;
        let mut reached: HashSet<String> =
            self.used.iter().filter(|(_, used)| used.reached).map(|(name, _)| name.clone()).collect();
        while std::mem::take(&mut more) {
            let (now, later): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|found| found.name.starts_with("ansible_") || reached.contains(&*found.name));
            left = later;
            for found in now {
                more = true;
                self.plugins.extend(self.input.templates.plugins(&found.node, false));
                let names = self.input.templates.free_names(&found.node, false);
                reached.extend(names.into_iter().map(|(name, _)| name));
            }
        }
    }

    /// Definitions that no task reaches: warnings.
    fn rest(&mut self, problems: &mut Vec<Diagnostic>) {
        let names = self.names;
        for (_, node) in names.defined.values().flatten() {
            let Some(node) = node.as_ref().filter(|node| self.seen.insert(node.place())) else { continue };
            let broken = self.input.templates.check(node, false).into_iter().map(|problem| {
                before_run(problem).warning().with_note("no task of this playbook uses the variable by name")
            });
            problems.extend(broken);
            for (name, span) in self.input.templates.free_names(node, false) {
                self.used.entry(name).or_default().places.push(span);
            }
        }
    }

    /// Names of Ansible's own that it calls deprecated.
    fn deprecated(&self, problems: &mut Vec<Diagnostic>) {
        let Some(used) = self.used.get("play_hosts").filter(|_| !self.names.defined.contains_key("play_hosts")) else {
            return;
        };
        let Some((first, others)) = used.places.split_first() else { return };
        let mut problem = crate::template::play_hosts().with_label(*first, "deprecated");
        for place in others.iter().take(3) {
            problem = problem.with_label(*place, "also here");
        }
        problems.push(problem);
    }

    fn undefined(&self, problems: &mut Vec<Diagnostic>) {
        if self.names.open {
            return;
        }
        for (name, Used { places, reached, certain }) in &self.used {
            let mut places = places.clone();
            places.sort();
            places.dedup();
            let Some((first, others)) = places.split_first() else { continue };
            if self.names.knows(name) || self.guarded.contains(name) {
                continue;
            }
            let mut problem = Diagnostic::source("P0301", format!("the variable `{name}` is not defined anywhere"))
                .with_label(*first, "undefined variable");
            for place in others.iter().take(3) {
                problem = problem.with_label(*place, "also here");
            }
            if others.len() > 3 {
                problem = problem.with_note(format!("and in {} more places", others.len() - 3));
            }
            match nearest(name, self.names.all()) {
                Some(near) => {
                    let place = self.names.defined.get(near).and_then(|found| found.iter().find_map(|(span, _)| *span));
                    problem = problem
                        .with_label_opt(place, format!("`{near}` is defined here"))
                        .with_hint(format!("did you mean `{near}`?"));
                }
                None => {
                    problem = problem.with_hint(format!(
                        "define it, pass `-e {name}=VALUE`, or write `{name} | default(...)` if it is optional"
                    ));
                }
            }
            let error = if self.input.runs.is_some() { *certain } else { *reached };
            problems.push(if error { problem } else { problem.warning() });
        }
    }

    /// Learns which names are tested or have a default.
    fn guards(&mut self, node: &Node, expression: bool, depth: usize) {
        if depth > 100 {
            return;
        }
        match &node.data {
            NodeData::List(items) => items.iter().for_each(|item| self.guards(item, expression, depth + 1)),
            NodeData::Map(pairs) => pairs.iter().for_each(|(_, value)| self.guards(value, expression, depth + 1)),
            NodeData::Scalar(scalar) => {
                if node.tag != Some(Tag::Vault) && (expression || node.has_template()) {
                    self.guarded.extend(guarded(&scalar.text));
                }
            }
        }
    }
}

/// A broken template that is found before the run is a mistake in the source.
fn before_run(mut problem: Diagnostic) -> Diagnostic {
    problem.kind = crate::diag::Kind::Source;
    problem
}

/// The names before `| default(...)` and `is defined`, with attributes, subscripts, calls and
/// filters in between.
fn guarded(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut at = 0;
    while at < bytes.len() {
        if !word(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && word(bytes[at]) {
            at += 1;
        }
        let name = &text[start..at];
        // Attributes and filters are no names.
        let first = !text[..start].trim_end().ends_with(['.', '|']);
        if first && !bytes[start].is_ascii_digit() && is_guarded(&text[at..]) {
            found.push(name.to_owned());
        }
    }
    found
}

fn is_guarded(after: &str) -> bool {
    let mut rest = after;
    loop {
        if let Some(attribute) = rest.strip_prefix('.') {
            let end = attribute.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(attribute.len());
            if end == 0 {
                return false;
            }
            rest = &attribute[end..];
        } else if rest.starts_with(['[', '(']) {
            let Some(end) = closing(rest) else { return false };
            rest = &rest[end..];
        } else {
            let trimmed = rest.trim_start().trim_start_matches(')').trim_start();
            if let Some(filter) = trimmed.strip_prefix('|') {
                let filter = filter.trim_start();
                let end = filter.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(filter.len());
                if end == 0 {
                    return false;
                }
                if matches!(&filter[..end], "default" | "d" | "ansible.builtin.default") {
                    return true;
                }
                rest = &filter[end..];
                continue;
            }
            let Some(after) = trimmed.strip_prefix("is").filter(|after| after.starts_with(char::is_whitespace)) else {
                return false;
            };
            let mut words = after.split_whitespace();
            let next = match words.next() {
                Some("not") => words.next(),
                next => next,
            };
            let next = next.unwrap_or_default();
            let end = next.find(|c: char| !c.is_alphanumeric()).unwrap_or(next.len());
            return matches!(&next[..end], "defined" | "undefined");
        }
    }
}

/// Bytes of the longest bracketed part that is looked over: each name begins a look of its own.
const LONGEST_PART: usize = 1024;

/// The length of a bracketed part.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, c) in text.char_indices().take_while(|(at, _)| *at < LONGEST_PART) {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + c.len_utf8());
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_behind_a_default_or_a_test_are_optional() {
        let check = |text: &str, expected: &[&str]| assert_eq!(guarded(text), expected, "{text}");
        check("{{ a | default('x') }} {{ b }}", &["a"]);
        check("a is defined and b.c is not defined and c", &["a", "b"]);
        check("a.b['x y'].c(1) | int | d(2)", &["a"]);
        check("(a | lower) | default('')", &["a"]);
        check("a is undefined", &["a"]);
        check("a == 'b' and c is string", &[]);
        check("a.default", &[]);
        check("{{ a[", &[]);
        // Looked over to the end from each of its names, this would keep the test for a while.
        check(&"f(".repeat(20_000), &[]);
    }
}
