//! The `debugger` keyword and the strategy `debug`: a person looks at a result, changes the task's
//! arguments or variables, and runs it again.
//!
//! Expressions are the templates' own, which reads what people type in Ansible's debugger
//! (`task.args['x']`, `result._result.msg`). There is no Python, so nothing is called or imported.

use std::sync::Arc;

use indexmap::IndexMap;

use super::conditions::keyword;
use super::interp::{Here, HostRun};
use super::person::waiting;
use super::task::Ended;
use crate::diag::{Diagnostic, Result, Span};
use crate::event::{EventKind, Status};
use crate::map;
use crate::playbook::{Action, ModuleUse, Task};
use crate::value::{Map, Value, insert, pretty, python_str};
use crate::vars::{Entry, Layer, Level, Origin, Scope};
use crate::yaml::Node;

/// What was changed in one session, for the runs of the task that follow.
#[derive(Default)]
pub(super) struct Changes {
    args: IndexMap<Arc<str>, Option<Node>>,
    vars: IndexMap<Arc<str>, Entry>,
}

/// How a session ended.
pub(super) enum Next {
    /// The result stands.
    Continue,
    /// The task runs again.
    Redo,
    /// The run ends.
    Exit,
}

/// What a line of the debugger asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    Redo,
    Continue,
    Quit,
    Update,
    Help,
    Print(&'a str),
    /// What is set, and the expression.
    Set(Place<'a>, &'a str),
    Delete(Place<'a>),
    /// What cannot be set.
    Fixed(&'a str),
}

/// What can be set: one of `task.args` or `task_vars`, with the expression of its key.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Argument(Key<'a>),
    Variable(Key<'a>),
}

/// `[EXPRESSION]` or `.NAME`.
#[derive(Debug, PartialEq, Eq)]
enum Key<'a> {
    Expression(&'a str),
    Name(&'a str),
}

/// The values of the keyword.
pub(super) const WORDS: &[&str] = &["always", "never", "on_failed", "on_skipped", "on_unreachable"];

const HELP: &str = "\
p EXPRESSION   show it: task, task.args, task_vars, host, result._result, play_context
task.args['NAME'] = EXPRESSION, task_vars['NAME'] = EXPRESSION, del task.args['NAME']
u  take the task as it is written again, with what was set in task_vars
r  run the task again      c  go on      q  end the run
";

impl HostRun {
    /// Whether a result is to be looked at, by Ansible's rules.
    pub(super) fn wants_debugger(&self, task: &Task, ended: &Ended, here: &Here) -> bool {
        let options = &self.play.engine.options;
        let (failed, unreachable) = (ended.attempt.failed(), ended.attempt.status == Status::Unreachable);
        let skipped = ended.attempt.status == Status::Skipped;
        if keyword(task, "debugger").is_none() && !self.play.debug {
            return false;
        }
        let scope = self.scope(task, here);
        let text = self.keyword_value(task, "debugger", &scope).ok().flatten().map(|value| python_str(&value));
        let ignored = options.debugger_ignores
            && self.keyword_flag(task, "ignore_errors", &scope).ok().flatten().unwrap_or(false);
        match text.as_deref() {
            Some("always") => true,
            Some("never") => false,
            Some("on_failed") if failed && !ignored => true,
            Some("on_unreachable") if unreachable => true,
            Some("on_skipped") if skipped => true,
            _ => self.play.debug && (failed && !ignored || unreachable),
        }
    }

    /// Shows the result, asks until the person goes on.
    pub(super) async fn debug_session(
        &self,
        task: &Arc<Task>,
        ended: &mut Ended,
        changes: &mut Changes,
        here: &Here,
    ) -> Next {
        let scope = self.scope(task, here);
        let no_log = ended.no_log;
        if let Some(diagnostic) = ended.attempt.diagnostic.take() {
            ended.attempt.diagnostic = Some(self.located(task, diagnostic));
        }
        let mut done = ended.attempt.done(task, false, no_log);
        done.delegate = self.delegate_label(task, &scope);
        self.emit(EventKind::HostDone { task: task.id, done, items: ended.items });
        ended.told = true;
        let engine = &self.play.engine;
        let _turn = engine.asking.lock().await;
        let name = self.task_name(task, here);
        let name = task.context.role().map_or_else(|| name.clone(), |role| format!("{} : {name}", role.name));
        let prompt = engine.redactor.redact(&format!("[{}] TASK: {name} (debug)> ", self.host)).into_owned();
        let result = ended.attempt.result.clone();
        loop {
            if engine.cancel.is_cancelled() {
                return Next::Exit;
            }
            self.emit(EventKind::Asked { task: task.id, prompt: prompt.clone() });
            let asked = prompt.clone();
            let line = waiting(&engine.person, move |person| person.line(&asked)).await.flatten();
            let Some(line) = line else {
                engine.person.show("\n");
                return self.quit();
            };
            let said = match parse(&line) {
                Line::Nothing => continue,
                Line::Redo => return Next::Redo,
                Line::Continue => return Next::Continue,
                Line::Quit => return self.quit(),
                Line::Update => {
                    changes.args.clear();
                    continue;
                }
                Line::Help => HELP.to_owned(),
                Line::Fixed(what) => {
                    format!("***`{what}` cannot be set here: task.args['NAME'] and task_vars['NAME'] can\n")
                }
                Line::Print(text) => match self.look(task, text, &result, changes, &scope) {
                    Ok(value) => format!("{}\n", pretty(&value)),
                    Err(error) => error_line(&error),
                },
                Line::Set(place, text) => match self.set(task, &place, Some(text), &result, changes, &scope) {
                    Ok(()) => continue,
                    Err(error) => error_line(&error),
                },
                Line::Delete(place) => match self.set(task, &place, None, &result, changes, &scope) {
                    Ok(()) => continue,
                    Err(error) => error_line(&error),
                },
            };
            engine.person.show(&engine.redactor.redact(&said));
        }
    }

    fn quit(&self) -> Next {
        self.play.engine.person.show("User interrupted execution\n");
        self.play.engine.cancel.cancel();
        Next::Exit
    }

    /// The value of an expression, with what the session knows.
    fn look(&self, task: &Task, text: &str, result: &Map, changes: &Changes, scope: &Scope) -> Result<Value> {
        let templates = &self.play.engine.templates;
        let file = templates.sources().add("<debugger>", None, text);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let span = Span::new(file.id, 0, length);
        let mut own: Vec<(Arc<str>, Value)> = vec![
            ("task".into(), task_value(task, changes)),
            ("host".into(), Value::Str(Arc::clone(&self.host))),
            ("result".into(), Value::from(map! { "_result" => Value::from(result.clone()), "_host" => &*self.host })),
        ];
        if text.contains("play_context") {
            own.push(("play_context".into(), self.play_context(task, scope)));
        }
        if text.contains("task_vars") {
            let scope = scope.with(changes.layer());
            let mut vars = Map::new();
            // One that cannot be rendered must not hide the others.
            for name in scope.names() {
                if let Ok(Some(value)) = templates.variable(&name, &scope) {
                    insert(&mut vars, &name, value);
                }
            }
            own.push(("task_vars".into(), Value::from(vars)));
        }
        let known = Scope::from_layers(vec![Layer::data(Level::Magic, "debugger", own)]);
        templates.expression(text, span, &known)
    }

    fn play_context(&self, task: &Task, scope: &Scope) -> Value {
        let mut found = Map::new();
        for name in [
            "become",
            "become_user",
            "become_method",
            "check_mode",
            "connection",
            "diff",
            "no_log",
            "port",
            "remote_user",
        ] {
            let value = self.keyword_value(task, name, scope).ok().flatten().unwrap_or_default();
            insert(&mut found, name, value);
        }
        Value::from(found)
    }

    /// Sets or takes away an argument or a variable.
    fn set(
        &self,
        task: &Task,
        place: &Place<'_>,
        text: Option<&str>,
        result: &Map,
        changes: &mut Changes,
        scope: &Scope,
    ) -> Result<()> {
        let (Place::Argument(key) | Place::Variable(key)) = place;
        let name: Arc<str> = match key {
            Key::Name(name) => Arc::from(*name),
            Key::Expression(text) => python_str(&self.look(task, text, result, changes, scope)?).into(),
        };
        let value = text.map(|text| self.look(task, text, result, changes, scope)).transpose()?;
        match (place, value) {
            (Place::Argument(_), value) => {
                let node = value.map(|value| self.source_of(&value)).transpose()?;
                changes.args.insert(name, node);
            }
            (Place::Variable(_), Some(value)) => drop(changes.vars.insert(name, Entry::Data(value, None))),
            (Place::Variable(_), None) => drop(changes.vars.shift_remove(&name)),
        }
        Ok(())
    }

    /// What was typed as a source: its text may hold templates, as in a playbook.
    fn source_of(&self, value: &Value) -> Result<Node> {
        let text = crate::value::to_json(value).to_string();
        let file = self.play.engine.templates.sources().add("<debugger>", None, text);
        crate::yaml::load(self.play.engine.templates.sources(), &file, &crate::yaml::LoadOptions::default()).one(&file)
    }
}

impl Changes {
    fn layer(&self) -> Layer {
        Layer { origin: Origin { level: Level::Extra, name: "debugger".into() }, entries: Arc::new(self.vars.clone()) }
    }

    /// The task and its surroundings with what was changed.
    pub(super) fn apply(&self, task: &Arc<Task>, here: &Here) -> (Arc<Task>, Here) {
        let mut here = here.clone();
        if !self.vars.is_empty() {
            here.frames.0.push(self.layer());
        }
        let Action::Module(module) = &task.action else { return (Arc::clone(task), here) };
        if self.args.is_empty() {
            return (Arc::clone(task), here);
        }
        let mut module: ModuleUse = module.clone();
        for (name, node) in &self.args {
            match node {
                Some(node) => drop(module.args.insert(Arc::clone(name), (node.place(), node.clone()))),
                None => drop(module.args.shift_remove(name)),
            }
        }
        (Arc::new(task.with_action(Action::Module(module))), here)
    }
}

/// The task as expressions see it: as it is written, with the changes.
fn task_value(task: &Task, changes: &Changes) -> Value {
    let mut shown = Map::new();
    for (name, (_, node)) in &task.keywords.0 {
        insert(&mut shown, name, node.to_value());
    }
    let mut args = Map::new();
    if let Action::Module(module) = &task.action {
        for (name, (_, node)) in &module.args {
            insert(&mut args, name, node.to_value());
        }
    }
    for (name, node) in &changes.args {
        match node {
            Some(node) => insert(&mut args, name, node.to_value()),
            None => drop(args.shift_remove(&crate::value::StrKey(name))),
        }
    }
    insert(&mut shown, "action", &**task.action.name());
    insert(&mut shown, "args", args);
    Value::from(shown)
}

fn error_line(error: &Diagnostic) -> String {
    format!("***{}\n", error.registered())
}

/// Reads a line of the debugger.
fn parse(line: &str) -> Line<'_> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match (word, rest.trim()) {
        ("", _) => return Line::Nothing,
        ("r" | "redo", "") => return Line::Redo,
        ("c" | "continue", "") => return Line::Continue,
        ("q" | "quit", "") => return Line::Quit,
        ("u" | "update_task", "") => return Line::Update,
        ("h" | "help" | "?", _) => return Line::Help,
        ("p" | "pprint", rest) if !rest.is_empty() && !rest.starts_with('=') => return Line::Print(rest),
        ("del", rest) => return place(rest).map_or(Line::Fixed(rest), Line::Delete),
        _ => {}
    }
    match assignment(line) {
        Some((left, right)) => place(left).map_or(Line::Fixed(left), |place| Line::Set(place, right)),
        None => Line::Print(line),
    }
}

/// The two sides of `LEFT = RIGHT`; comparisons and what stands in quotes or brackets are none.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let bytes = line.as_bytes();
    let (mut quote, mut depth) = (None, 0_i32);
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte && bytes[at - 1] != b'\\' => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth -= 1,
            (None, b'=') if depth == 0 => {
                let before = at.checked_sub(1).map(|at| bytes[at]);
                let compares = matches!(before, Some(b'=' | b'!' | b'<' | b'>')) || bytes.get(at + 1) == Some(&b'=');
                if !compares {
                    return Some((line[..at].trim(), line[at + 1..].trim()));
                }
            }
            _ => {}
        }
    }
    None
}

fn place(text: &str) -> Option<Place<'_>> {
    let text = text.trim();
    let rest = |lead: &str| text.strip_prefix(lead);
    let (argument, rest) = match rest("task.args") {
        Some(rest) => (true, rest),
        None => (false, rest("task_vars")?),
    };
    let key = if let Some(inner) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Key::Expression(inner.trim())
    } else {
        let name = rest.strip_prefix('.')?;
        Key::Name(Some(name).filter(|name| crate::playbook::is_variable_name(name))?)
    };
    Some(if argument { Place::Argument(key) } else { Place::Variable(key) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_assignments_or_expressions() {
        let check = |line, expected: Line<'_>| assert_eq!(parse(line), expected, "{line}");
        check("", Line::Nothing);
        check(" r ", Line::Redo);
        check("continue", Line::Continue);
        check("q", Line::Quit);
        check("u", Line::Update);
        check("p task.args", Line::Print("task.args"));
        check("result._result", Line::Print("result._result"));
        check("p result.a == 'x'", Line::Print("result.a == 'x'"));
        check("task.args['that'] = []", Line::Set(Place::Argument(Key::Expression("'that'")), "[]"));
        check("task.args.msg='a=b'", Line::Set(Place::Argument(Key::Name("msg")), "'a=b'"));
        check("task_vars['a=b'] = {'c': 1}", Line::Set(Place::Variable(Key::Expression("'a=b'")), "{'c': 1}"));
        check("del task_vars['x']", Line::Delete(Place::Variable(Key::Expression("'x'"))));
        check("host = 'x'", Line::Fixed("host"));
        check("a <= b", Line::Print("a <= b"));
    }
}
