//! Values of keywords: the kinds that literal ones must have.

use super::survey::Survey;
use crate::diag::{Diagnostic, Span, Subject};
use crate::playbook::keywords::{self, KeywordType, LOOP_CONTROL, VARS_PROMPT};
use crate::playbook::model::Keywords;
use crate::playbook::roles::boolean;
use crate::value::{Value, python_str};
use crate::yaml::{Node, NodeData};

/// In a run, wrong keywords of a task whose failure is taken are warnings: that may be what it is for.
pub(super) fn check(survey: &Survey, runs: bool, problems: &mut Vec<Diagnostic>) {
    for context in &survey.contexts {
        keywords_of(&context.keywords, problems);
    }
    for task in survey.tasks() {
        let mut found = Vec::new();
        keywords_of(&task.keywords, &mut found);
        let meant = runs && survey.caught.contains(&task.id);
        problems.extend(found.into_iter().map(|problem| if meant { problem.warning() } else { problem }));
    }
    if runs {
        // A run tells of deprecated conditions when it comes to them.
        problems.retain(|problem| problem.code != "T0112");
    }
}

/// Tells of a condition in braces.
fn in_braces(node: &Node, problems: &mut Vec<Diagnostic>) {
    if !node.as_str().is_some_and(|text| node.tag.is_none() && compares_in_braces(text)) {
        return;
    }
    problems.push(crate::template::condition_in_braces(Some(node.place())));
}

/// True for a condition in braces that compares, so that it cannot be the name of another condition.
fn compares_in_braces(text: &str) -> bool {
    let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let Some(inner) = inner.filter(|inner| !inner.contains("{{") && !inner.contains(['\'', '"', '|', '('])) else {
        return false;
    };
    let compares = ["==", "!=", "<", ">", " is ", " in ", " and ", " or "].iter().any(|word| inner.contains(word));
    (compares || inner.trim_start().starts_with("not ")) && !inner.contains(" if ")
}

fn keywords_of(keywords: &Keywords, problems: &mut Vec<Diagnostic>) {
    for (name, (span, node)) in &keywords.0 {
        match *name {
            "loop_control" => keyed(node, *span, "loop_control", LOOP_CONTROL, problems),
            "vars_prompt" => prompts(node, *span, problems),
            "hosts" => hosts(node, *span, problems),
            "tags"
                if node.is_null() || node.as_scalar().is_some_and(|scalar| !matches!(scalar.value, Value::Str(_))) =>
            {
                problems.push(wrong("tags", "a list of names", node, *span).with_hint("write `tags: [NAME]`"));
            }
            name => {
                if let Some(keyword) = keywords::find(name) {
                    value(keyword.name, keyword.kind, node, *span, problems);
                }
            }
        }
    }
}

/// Checks one value; templates and nothing at all pass.
fn value(name: &str, kind: KeywordType, node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let is_template = node.as_scalar().is_some() && node.has_template();
    // A sealed value is not known yet.
    let is_sealed = node.tag == Some(crate::yaml::Tag::Vault);
    if kind == KeywordType::Variable {
        variable(name, node, key, problems);
        return;
    }
    if kind == KeywordType::Condition && is_template {
        in_braces(node, problems);
    }
    if node.is_null() || is_template || is_sealed {
        return;
    }
    let mut fail = |expected: &str, hint: &str| problems.push(wrong(name, expected, node, key).with_hint(hint));
    match kind {
        KeywordType::Str => {
            if node.as_scalar().is_none() {
                fail("text", &format!("write `{name}: TEXT`"));
            } else if name == "connection" {
                connection(node, key, problems);
            } else if name == "strategy" {
                strategy(node, key, problems);
            } else if name == "order" && !node.as_str().is_some_and(|text| keywords::ORDERS.contains(&text)) {
                problems.push(
                    wrong(name, &format!("one of `{}`", keywords::ORDERS.join("`, `")), node, key)
                        .with_nearest(node.as_str().unwrap_or_default(), keywords::ORDERS.iter().copied()),
                );
            } else if name == "debugger" && !node.as_str().is_some_and(|text| DEBUGGER.contains(&text)) {
                problems.push(
                    wrong(name, &format!("one of `{}`", DEBUGGER.join("`, `")), node, key)
                        .with_nearest(node.as_str().unwrap_or_default(), DEBUGGER.iter().copied()),
                );
            }
        }
        KeywordType::Bool => {
            if boolean(node).is_none() {
                fail("a boolean", &format!("write `{name}: true` or `{name}: false`"));
            }
        }
        KeywordType::Int => {
            if !number(node).is_some_and(|number| number.fract() == 0.0) {
                fail("a whole number", &format!("write `{name}: 10`"));
            }
        }
        KeywordType::Float => {
            if number(node).is_none() {
                fail("a number", &format!("write `{name}: 5`"));
            }
        }
        KeywordType::Percent => {
            let text = node.as_str().map(|text| text.replace('%', ""));
            if number(node).is_none() && text.and_then(|text| text.trim().parse::<f64>().ok()).is_none() {
                fail("a number or a percentage", &format!("write `{name}: 30%`"));
            }
        }
        KeywordType::Names => names(name, node, key, problems),
        KeywordType::List if name == "serial" => serial(node, key, problems),
        KeywordType::List => {
            if node.as_map().is_some() {
                fail("a list", "put `- ` before each entry");
            }
        }
        KeywordType::Loop => {
            if node.as_list().is_none() {
                fail("a list or a template", "write `loop: [a, b]`, or `loop: \"{{ NAME }}\"` for a variable");
            }
        }
        KeywordType::Condition => condition(name, node, key, problems),
        KeywordType::Mapping => {
            if node.as_map().is_none() {
                fail("a mapping", "write `key: value` lines below it");
            }
        }
        KeywordType::Vars => match &node.data {
            NodeData::Map(pairs) => {
                variable_names(node, problems);
                for (key, value) in pairs.iter().filter(|(key, _)| key.as_str() == Some("ansible_connection")) {
                    connection(value, key.place(), problems);
                }
            }
            _ => fail("a mapping", "write `name: value` lines below it"),
        },
        KeywordType::Mappings => {
            let ok = |node: &Node| node.as_map().is_some() || node.has_template();
            if !node.as_list().map_or_else(|| ok(node), |items| items.iter().all(ok)) {
                fail("a mapping", "write `key: value` lines below it");
            }
        }
        KeywordType::Tasks | KeywordType::Roles | KeywordType::Variable | KeywordType::Any => {}
    }
}

/// The values of `debugger`.
const DEBUGGER: &[&str] = &["always", "never", "on_failed", "on_skipped", "on_unreachable"];

/// A literal `strategy` that hostctl does not have.
fn strategy(node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let text = node.as_str().unwrap_or_default();
    if !keywords::STRATEGIES.contains(&text.rsplit('.').next().unwrap_or_default()) {
        problems.push(
            Diagnostic::source("P0140", format!("there is no strategy `{text}`"))
                .with_label(node.place(), "unknown")
                .with_label(key, "")
                .with_nearest(text, keywords::STRATEGIES.iter().copied())
                .with_hint_else("`linear`, `free`, `host_pinned` or `debug`"),
        );
    }
}

/// Literal sizes of batches: whole numbers, percentages, or a list of them.
fn serial(node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let single = std::slice::from_ref(node);
    for item in node.as_list().unwrap_or(single) {
        let text = match item.as_scalar() {
            Some(_) if item.has_template() => continue,
            Some(scalar) => scalar.text.trim().to_owned(),
            None => item.type_name().to_owned(),
        };
        if item.as_scalar().is_none() || text.strip_suffix('%').unwrap_or(&text).trim().parse::<i64>().is_err() {
            problems.push(
                Diagnostic::source("P0141", format!("`serial` must be a number or a percentage, found `{text}`"))
                    .with_label(item.place(), "neither")
                    .with_label(key, "")
                    .with_hint("for example `serial: 2`, `serial: \"30%\"` or `serial: [1, \"50%\"]`"),
            );
        }
    }
}

/// A literal `connection` that hostctl does not have.
pub(super) fn connection(node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let Some(text) = node.as_str().filter(|_| !node.has_template()) else { return };
    let name = text.rsplit('.').next().unwrap_or_default();
    if !matches!(name, "ssh" | "local" | "smart" | "paramiko" | "paramiko_ssh") {
        problems.push(
            Diagnostic::source("S0115", format!("there is no connection `{text}`"))
                .with_label(node.place(), "not supported")
                .with_label(key, "")
                .with_nearest(name, ["ssh", "local"])
                .with_hint("`ssh` or `local`"),
        );
    }
}

fn wrong(name: &str, expected: &str, node: &Node, key: Span) -> Diagnostic {
    let found = match node.as_scalar() {
        Some(scalar) if !scalar.text.is_empty() && scalar.text.chars().count() <= 40 && !scalar.text.contains('\n') => {
            format!("`{}`", scalar.text)
        }
        _ => node.type_name().to_owned(),
    };
    Diagnostic::source("P0103", format!("`{name}` must be {expected}, found {found}"))
        .with_subject(Subject::Name(name.to_owned()))
        .with_label(node.place(), format!("expected {expected}"))
        .with_label(key, "")
}

fn number(node: &Node) -> Option<f64> {
    let scalar = node.as_scalar()?;
    match &scalar.value {
        #[expect(clippy::cast_precision_loss, reason = "only whether it is whole is asked")]
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn names(name: &str, node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let single = std::slice::from_ref(node);
    for item in node.as_list().unwrap_or(single) {
        // Lists in lists come from aliases; they are flattened.
        if item.as_list().is_some_and(|_| name == "tags" || name == "notify") {
            names(name, item, key, problems);
        } else if item.as_scalar().is_none() || item.is_null() {
            problems.push(wrong(name, "a list of names", item, key).with_hint(format!("write `{name}: [NAME]`")));
        }
    }
}

fn hosts(node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    if node.tag == Some(crate::yaml::Tag::Vault) || (node.as_scalar().is_some() && node.has_template()) {
        return;
    }
    let single = std::slice::from_ref(node);
    let items = node.as_list().unwrap_or(single);
    let empty = |item: &Node| item.is_null() || item.as_scalar().is_some_and(|scalar| scalar.text.trim().is_empty());
    if items.is_empty() || items.iter().any(empty) {
        problems.push(
            Diagnostic::source("P0103", "`hosts` must not be empty")
                .with_registered("Hosts list cannot be empty. Please check your playbook")
                .with_label(node.place(), "no host pattern")
                .with_label(key, "")
                .with_hint("write `hosts: all`, or a host or group"),
        );
        return;
    }
    let text = |node: &Node| node.as_scalar().is_none_or(|scalar| matches!(scalar.value, Value::Str(_)));
    if let Some(item) = items.iter().find(|item| !text(item)) {
        let said = match node.as_list() {
            Some(_) => format!("Hosts list contains an invalid host value: '{}'", python_str(&item.to_value())),
            None => "Hosts list must be a sequence or string. Please check your playbook.".to_owned(),
        };
        problems.push(
            wrong("hosts", "a list of names", item, key).with_registered(said).with_hint("put the name into quotes"),
        );
        return;
    }
    names("hosts", node, key, problems);
}

fn condition(name: &str, node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let single = std::slice::from_ref(node);
    for item in node.as_list().unwrap_or(single) {
        let ok =
            item.as_scalar().is_some_and(|scalar| matches!(scalar.value, Value::Str(_) | Value::Bool(_) | Value::Null));
        in_braces(item, problems);
        if !ok {
            problems.push(
                wrong(name, "a condition", item, key)
                    .with_hint(format!("write `{name}: EXPRESSION`, in quotes if it begins with `{{` or `[`")),
            );
        }
    }
}

/// Mappings where conditions belong.
pub(super) fn mappings(node: &Node) -> Vec<&Node> {
    let items = node.as_list().unwrap_or(std::slice::from_ref(node));
    items.iter().filter(|item| item.as_map().is_some()).collect()
}

/// Conditions of `assert` that are none: YAML makes a mapping of one with a colon in it.
pub(super) fn asserted(node: &Node) -> impl Iterator<Item = Diagnostic> {
    mappings(node).into_iter().map(|item| {
        Diagnostic::source("P0103", "a condition must be an expression, not a mapping")
            .with_registered("Conditional expressions must be strings.")
            .with_label(item.place(), "expected an expression")
            .with_hint("put all of it in quotes: a colon and a blank make a mapping of it")
    })
}

fn variable(name: &str, node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let text = node.as_str().unwrap_or_default();
    // A loop's names may be templates; `register` is taken as it is.
    if keywords::is_variable_name(text) || (name.ends_with("_var") && node.has_template()) {
        return;
    }
    let message = match node.as_scalar().map(|scalar| &scalar.text) {
        Some(text) => format!("`{text}` cannot be the name of a variable"),
        None => format!("`{name}` must be the name of a variable, found {}", node.type_name()),
    };
    let shown = node.as_scalar().map_or("", |scalar| &scalar.text);
    let words = format!("Invalid variable name '{shown}'.");
    let words = if name == "register" { format!("Invalid 'register' specified: {words}") } else { words };
    let mut diagnostic = Diagnostic::source("P0106", message)
        .with_registered(words)
        .with_subject(Subject::Name(name.to_owned()))
        .with_label(node.place(), "not a name")
        .with_label(key, "");
    let better: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if keywords::is_variable_name(&better) {
        diagnostic = diagnostic.with_hint(format!("write `{better}`"));
    }
    problems.push(diagnostic);
}

/// The keys of a mapping of variables must be names.
fn variable_names(mapping: &Node, problems: &mut Vec<Diagnostic>) {
    for (key, _) in mapping.as_map().unwrap_or_default() {
        if !keywords::is_variable_name(key.as_str().unwrap_or_default()) {
            variable_name(key.as_scalar().map_or("", |key| &key.text), key.place(), problems);
        }
    }
}

/// A name that something sets.
pub(super) fn variable_name(name: &str, place: Span, problems: &mut Vec<Diagnostic>) {
    if keywords::is_variable_name(name) {
        return;
    }
    let better = name.replace(['-', '.', ' '], "_");
    let mut diagnostic = Diagnostic::source("P0106", format!("`{name}` cannot be the name of a variable"))
        .with_registered(format!("Invalid variable name '{name}'."))
        .with_label(place, "not a name");
    if keywords::is_variable_name(&better) {
        diagnostic = diagnostic.with_hint(format!("write `{better}`"));
    }
    problems.push(diagnostic);
}

/// A mapping with a fixed set of keys.
fn keyed(node: &Node, key: Span, name: &str, known: &[(&str, KeywordType)], problems: &mut Vec<Diagnostic>) {
    let Some(pairs) = node.as_map() else {
        if !node.is_null() {
            problems.push(
                wrong(name, "a mapping", node, key).with_hint("templates may stand inside of it, not in its place"),
            );
        }
        return;
    };
    for (inner, value_node) in pairs {
        let text = inner.as_str().unwrap_or_default();
        match known.iter().find(|(known, _)| *known == text) {
            Some((known, kind)) => value(known, *kind, value_node, inner.place(), problems),
            None => {
                let mut unknown = Diagnostic::source("P0101", format!("`{name}` has no key `{text}`"))
                    .with_label(inner.place(), "unknown key")
                    .with_nearest(text, known.iter().map(|(known, _)| *known))
                    .with_hint_else(format!(
                        "it has `{}`",
                        known.iter().map(|(known, _)| *known).collect::<Vec<_>>().join("`, `")
                    ));
                if name == "vars_prompt" {
                    let words = format!("Invalid vars_prompt data structure, found unsupported key '{text}'");
                    unknown = unknown.with_registered(words);
                }
                problems.push(unknown);
            }
        }
    }
}

fn prompts(node: &Node, key: Span, problems: &mut Vec<Diagnostic>) {
    let single = std::slice::from_ref(node);
    for entry in node.as_list().unwrap_or(single) {
        if node.is_null() {
            continue;
        }
        keyed(entry, key, "vars_prompt", VARS_PROMPT, problems);
        if entry.as_map().is_some() && entry.get("name").is_none() {
            problems.push(
                Diagnostic::source("P0103", "an entry of `vars_prompt` has no `name`")
                    .with_registered("Invalid vars_prompt data structure, missing 'name' key")
                    .with_label(entry.place(), "which variable?")
                    .with_hint("add `name: VARIABLE`"),
            );
        }
    }
}
