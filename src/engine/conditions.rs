//! Keywords of a task with what it inherits, conditions, tags.

use std::sync::Arc;

use super::interp::{Here, HostRun};
use crate::diag::{Diagnostic, Result};
use crate::playbook::{Context, Inherit, Keyword, KeywordType, Task};
use crate::value::{Value, python_str};
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
    let own = matches!(keyword.name, "throttle" | "timeout" | "run_once" | "gather_facts" | "force_handlers");
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

/// A boolean as Ansible spells it; `None` for anything else.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Int(1) => Some(true),
        Value::Int(0) => Some(false),
        Value::Float(float) if float.to_bits() == 1.0_f64.to_bits() => Some(true),
        Value::Float(float) if float.to_bits() == 0.0_f64.to_bits() => Some(false),
        Value::Str(text) => match text.trim().to_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
            "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Shell-style match: `*`, `?`, `[abc]`.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let mut regex = String::from("(?s)^");
    for c in pattern.chars() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' | ']' => regex.push(c),
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex.push('$');
    regex::Regex::new(&regex).map_or(pattern == text, |regex| regex.is_match(text))
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
        match truth(&value) {
            Some(flag) => Ok(Some(flag)),
            None => {
                let found = format!("`{name}` must be a boolean, found `{}`", python_str(&value));
                let span = keyword(task, name).map(Node::place);
                let said = format!("The value {} could not be converted to 'bool'.", crate::value::python_repr(&value));
                Err(Diagnostic::source("P0110", found)
                    .with_registered(said)
                    .with_label_opt(span, "not a boolean")
                    .with_hint("`true` or `false`"))
            }
        }
    }

    /// What keywords say in templates must be of their kinds, also where this task does not ask for them.
    pub(super) fn check_keywords(&self, task: &Task, scope: &Scope) -> Result<()> {
        for keyword in crate::playbook::KEYWORDS {
            let Some(node) = keyword_node(task, keyword).filter(|node| node.has_template()) else { continue };
            let value = self.keyword_value(task, keyword.name, scope);
            let Some(value) = value.map_err(|error| in_keyword(task, keyword.name, error))? else { continue };
            let (good, kind) = match keyword.kind {
                KeywordType::Bool => (truth(&value).is_some(), "bool"),
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
            return self.play.engine.options.keywords.get(name).and_then(truth);
        };
        if !node.has_template() {
            return truth(&node.to_value());
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
            items.iter().any(|item| {
                literal(item) && item.as_str().is_none() && matches!(truth(&Value::from(text)), Some(false))
            })
        },
    );
    if written { Value::Bool(false) } else { Value::from(text) }
}

/// Whether `--tags` and `--skip-tags` let a task run. Handlers run whatever the tags are.
pub(super) fn selected_by_tags(run: &HostRun, task: &Task, here: &Here) -> bool {
    if task.handler {
        return true;
    }
    let options = &run.play.engine.options;
    let mut tags = Vec::new();
    for node in stacked(task, "tags") {
        let render = |node: &Node| {
            let scope = run.play.scope(&run.host, Some(&task.context), None, &here.frames);
            run.play.engine.templates.render(node, &scope).unwrap_or_else(|_| node.to_value())
        };
        tags.extend(crate::playbook::rendered_tags(node, &render));
    }
    crate::playbook::selected(&tags, &options.tags, &options.skip_tags)
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
    }
}
