//! Keywords of a task with what it inherits, conditions, tags.

use std::sync::Arc;

use super::interp::{Here, HostRun};
use super::schedule::Round;
use crate::diag::{Diagnostic, Kind, Result, Span};
use crate::playbook::{Context, Inherit, Keyword, KeywordType, Task};
use crate::value::{Value, boolean, boolean_word, python_str};
use crate::vars::Scope;
use crate::yaml::Node;

/// The nearest value of an inherited keyword: the task's own, else along the chain.
pub(super) fn keyword<'a>(task: &'a Task, name: &str) -> Option<&'a Node> {
    task.keywords.get(name).or_else(|| inherited(&task.context, name))
}

/// The nearest value of a keyword along a chain.
pub(super) fn inherited<'a>(context: &'a Arc<Context>, name: &str) -> Option<&'a Node> {
    context.chain().find_map(|context| context.keywords.get(name))
}

/// All values of a keyword that adds up, outermost first, the task's own last.
pub(super) fn stacked<'a>(task: &'a Task, name: &str) -> Vec<&'a Node> {
    let mut nodes: Vec<&Node> = task.context.chain().filter_map(|context| context.keywords.get(name)).collect();
    nodes.reverse();
    nodes.extend(task.keywords.get(name));
    nodes
}

/// A keyword of a task that is rendered for each run of it; conditions, loops and names have rules of their own.
fn keyword_node<'a>(task: &'a Task, keyword: &Keyword) -> Option<&'a Node> {
    let kinds = [KeywordType::Bool, KeywordType::Int, KeywordType::Float];
    // Those are looked at where they are used, with words of their own.
    let own = matches!(keyword.name, "throttle" | "timeout" | "gather_facts" | "force_handlers");
    let inherited = keyword.inherit != Inherit::No;
    match keyword.name {
        _ if own => None,
        "debugger" | "become_user" | "remote_user" => self::keyword(task, keyword.name),
        name if kinds.contains(&keyword.kind) && inherited => self::keyword(task, name),
        name if kinds.contains(&keyword.kind) => task.keywords.get(name),
        _ => None,
    }
}

/// A failure of a keyword's template, as registered results tell it.
pub(super) fn in_keyword(task: &Task, name: &str, error: Diagnostic) -> Diagnostic {
    let words = format!("Error processing keyword '{name}': ");
    match (error.chain.is_empty(), keyword(task, name)) {
        (true, _) => error,
        (false, Some(node)) => error.within_at(&words, crate::diag::Origin::At(node.place())),
        (false, None) => error.within(&words),
    }
}

/// A whole number, also as text and as `4.0`.
pub(super) fn whole(value: &Value) -> Option<i64> {
    if matches!(value, Value::Bool(_)) {
        return None;
    }
    let text = python_str(value);
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
    })
}

/// A rendered value that must be a boolean. A word that is none is an error, never a silent no.
pub(super) fn flag_of(name: &str, value: &Value, place: Option<Span>) -> Result<bool> {
    boolean(value).ok_or_else(|| {
        let said = format!("The value {} could not be converted to 'bool'.", crate::value::python_repr(value));
        Diagnostic::source("P0110", format!("`{name}` must be a boolean, found `{}`", python_str(value)))
            .with_registered(said)
            .with_label_opt(place, "not a boolean")
            .with_hint("`true` or `false`")
    })
}

/// A wrong value of a keyword, or of a variable in its place, as results of tasks tell it.
pub(super) fn of_keyword(name: &str, mut error: Diagnostic) -> Diagnostic {
    error.registered = Some(format!("Task failed: Error processing keyword '{name}': {}", error.registered()));
    error
}

/// A play's keyword that cannot be told ends the run, as with Ansible: before its tasks, whoever has failed by then.
pub(super) fn of_play(name: &str, node: &Node, error: Diagnostic) -> Diagnostic {
    let words = format!("Error processing keyword '{name}': ");
    let mut error = error.within_at(&words, crate::diag::Origin::At(node.place()));
    error.kind = Kind::Source;
    match error.span() {
        Some(_) => error,
        None => error.with_label(node.place(), "this keyword"),
    }
}

/// Shell-style match of a whole text, as Python's `fnmatch`.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    crate::inventory::fnmatch(pattern, text).unwrap_or(pattern == text)
}

impl HostRun {
    /// An inherited keyword, rendered.
    pub(super) fn keyword_value(&self, task: &Task, name: &str, scope: &Scope) -> Result<Option<Value>> {
        let own = task.keywords.get(name);
        for node in own.into_iter().chain(task.context.chain().filter_map(|context| context.keywords.get(name))) {
            let value = self.play.engine.templates.render(node, scope)?;
            // What is omitted here is inherited.
            if !crate::template::is_omit(&value) {
                return Ok((value != Value::Null).then_some(value));
            }
        }
        Ok(self.play.engine.options.keywords.get(name).cloned())
    }

    /// An inherited boolean keyword, rendered with a scope.
    pub(super) fn keyword_flag(&self, task: &Task, name: &str, scope: &Scope) -> Result<Option<bool>> {
        let Some(value) = self.keyword_value(task, name, scope)? else { return Ok(None) };
        flag_of(name, &value, keyword(task, name).map(Node::place)).map(Some)
    }

    /// What a task says of `run_once` before it begins: a template that cannot be rendered ends the run, as with
    /// Ansible; a word that is no boolean counts as a yes until the host that leads finds it wrong.
    pub(super) fn says_once(&self, task: &Task, scope: &Scope) -> Result<bool> {
        match self.keyword_value(task, "run_once", scope) {
            Ok(value) => Ok(value.is_some_and(|value| boolean(&value).unwrap_or_else(|| value.truthy()))),
            Err(mut error) => {
                error.kind = Kind::Local;
                Err(error)
            }
        }
    }

    /// Whether a task runs once for all hosts of its round, and whether its keyword says so: the word of the host that
    /// leads counts for all. `for_all`: the task works for all hosts anyway.
    pub(super) async fn once(&self, task: &Task, scope: &Scope, round: &Round, for_all: bool) -> Result<(bool, bool)> {
        let says = self.telling(task, scope, || self.says_once(task, scope));
        if says.is_err() && round.is_leader(&self.host) {
            return says.map(|_| (false, false));
        }
        let once = round.once(&self.host, for_all || matches!(says, Ok(true))).await;
        match says {
            // What this host says does not matter.
            _ if once && !round.is_leader(&self.host) => Ok((true, matches!(says, Ok(true)))),
            Ok(says) => Ok((once, says && once)),
            Err(error) => Err(error),
        }
    }

    /// The handlers that a task notifies if it changes something: rendered before it does.
    pub(super) fn to_notify(&self, task: &Task, scope: &Scope) -> Result<Vec<String>> {
        let mut names = Vec::new();
        if let Some(node) = keyword(task, "notify") {
            let value = self.play.engine.templates.render(node, scope);
            names_in(&value.map_err(|error| in_keyword(task, "notify", error))?, &mut names);
        }
        Ok(names)
    }

    /// What keywords say in templates must be of their kinds, also where this task does not ask for them.
    pub(super) fn check_keywords(&self, task: &Task, scope: &Scope) -> Result<()> {
        for keyword in crate::playbook::KEYWORDS {
            let Some(node) = keyword_node(task, keyword).filter(|node| node.has_template()) else { continue };
            let value = self.keyword_value(task, keyword.name, scope);
            let Some(value) = value.map_err(|error| in_keyword(task, keyword.name, error))? else { continue };
            let (good, kind) = match keyword.kind {
                KeywordType::Bool => (boolean(&value).is_some(), "bool"),
                KeywordType::Int => (whole(&value).is_some(), "int"),
                KeywordType::Float => (python_str(&value).trim().parse::<f64>().is_ok(), "float"),
                _ if keyword.name == "debugger" => {
                    (super::debugger::WORDS.contains(&python_str(&value).as_str()), "debugger")
                }
                _ => continue,
            };
            if !good {
                let (name, shown) = (keyword.name, crate::value::python_repr(&value));
                let (code, what, hint) = match kind {
                    "bool" => ("P0110", "boolean", "`true` or `false`".to_owned()),
                    "debugger" => {
                        ("P0111", "word of the debugger", format!("`{}`", super::debugger::WORDS.join("`, `")))
                    }
                    _ => ("P0111", "number", format!("{name}: 5")),
                };
                return Err(Diagnostic::source(code, format!("`{name}` must be a {what}, found `{}`", python_str(&value)))
                    .with_registered(format!(
                        "Task failed: Error processing keyword '{name}': The value {shown} could not be converted to '{kind}'."
                    ))
                    .with_label(node.place(), format!("not a {what}"))
                    .with_hint(hint));
            }
        }
        Ok(())
    }

    /// Like [`HostRun::keyword_flag`], for the engine's own decisions: errors count as unset.
    pub(super) fn keyword_bool(&self, task: &Task, name: &str, here: &Here) -> Option<bool> {
        let Some(node) = keyword(task, name) else {
            return self.play.engine.options.keywords.get(name).and_then(boolean);
        };
        if !node.has_template() {
            return boolean(&node.to_value());
        }
        let scope = self.play.scope(&self.host, Some(&task.context), Some(task), &here.frames);
        self.keyword_flag(task, name, &scope).ok().flatten()
    }

    /// Evaluates the conditions of a task, those of its blocks first. The false one as results show it, if any.
    pub(super) fn when(&self, task: &Task, scope: &Scope) -> Result<std::result::Result<(), Value>> {
        // `when:` with nothing behind it is no condition.
        for node in stacked(task, "when").into_iter().filter(|node| !node.is_null()) {
            let verdict = self.play.engine.templates.condition(node, scope);
            if let Err(text) = verdict.map_err(|error| self.with_values(error, node, scope))? {
                return Ok(Err(false_condition(node, &text)));
            }
        }
        Ok(Ok(()))
    }
}

/// What results show of a condition that was false: a literal as itself, an expression as its text.
pub(super) fn false_condition(node: &Node, text: &str) -> Value {
    let literal = |node: &Node| node.to_value() == Value::Bool(false);
    // Of a list the first false one counted, so a literal before it was true.
    let written = node.as_list().map_or_else(
        || literal(node),
        |items| {
            items
                .iter()
                .any(|item| literal(item) && item.as_str().is_none() && matches!(boolean_word(text), Some(false)))
        },
    );
    if written { Value::Bool(false) } else { Value::from(text) }
}

/// Whether `--tags` and `--skip-tags` let a task run. Handlers run whatever the tags are.
pub(super) fn selected_by_tags(run: &HostRun, task: &Task, here: &Here) -> Result<bool> {
    if task.handler {
        return Ok(true);
    }
    let options = &run.play.engine.options;
    let tags = run.tags(&stacked(task, "tags"), &task.context, here)?;
    Ok(crate::playbook::selected(&tags, &options.tags, &options.skip_tags))
}

impl HostRun {
    /// Tags, rendered. Some that cannot be told end the run: nobody knows whether the task is to run.
    pub(super) fn tags(&self, nodes: &[&Node], context: &Arc<Context>, here: &Here) -> Result<Vec<String>> {
        let wrong = std::cell::RefCell::new(None);
        let render = |node: &Node| {
            let scope = self.play.scope(&self.host, Some(context), None, &here.frames);
            self.play.engine.templates.render(node, &scope).unwrap_or_else(|mut error| {
                error.kind = Kind::Local;
                wrong.borrow_mut().get_or_insert(error);
                Value::Null
            })
        };
        let tags = nodes.iter().flat_map(|node| crate::playbook::rendered_tags(node, &render)).collect();
        match wrong.into_inner() {
            Some(error) => Err(error),
            None => Ok(tags),
        }
    }
}

/// The names in a list, in lists in it too.
fn names_in(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| names_in(item, names)),
        Value::Null => {}
        value if crate::template::is_omit(value) => {}
        value => names.push(python_str(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_written_as_text_and_with_a_point() {
        assert_eq!(whole(&Value::from("4.0")), Some(4));
        assert_eq!(whole(&Value::from(3.5)), None);
        assert_eq!(whole(&Value::from(" 7 ")), Some(7));
        assert_eq!(whole(&Value::from(true)), None);
        assert_eq!(whole(&Value::from("x")), None);
    }

    #[test]
    fn wildcards_match_whole_names() {
        assert!(wildcard("install *", "install engine"));
        assert!(!wildcard("install", "install engine"));
        assert!(wildcard("a?c", "abc"));
        assert!(wildcard("[a-c]eta", "beta") && !wildcard("[a-c]eta", "zeta"));
        assert!(wildcard("[!a]eta", "beta") && !wildcard("[!a]eta", "aeta"));
        assert!(wildcard("a [b", "a [b"));
    }

    #[test]
    fn a_word_that_is_no_boolean_is_an_error_in_ansibles_words() {
        assert!(flag_of("become", &Value::from("yes"), None).unwrap());
        let error = flag_of("become", &Value::from("ture"), None).unwrap_err();
        assert_eq!(error.registered(), "The value 'ture' could not be converted to 'bool'.");
        let told = of_keyword("become", error);
        let said = "Task failed: Error processing keyword 'become': The value 'ture' could not be converted to 'bool'.";
        assert_eq!(told.registered(), said);
    }

    #[test]
    fn names_to_notify_are_taken_out_of_lists() {
        let mut names = Vec::new();
        names_in(&Value::from(vec![Value::from("a"), Value::from(vec![Value::from("b")]), Value::Null]), &mut names);
        assert_eq!(names, ["a", "b"]);
    }
}
