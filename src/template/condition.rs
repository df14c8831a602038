//! Conditions, by the rules of ansible-core 2.19: the result must be a boolean.

use std::rc::Rc;
use std::sync::Arc;

use crate::diag::{Deprecation, Diagnostic, Kind, Origin, Span};
use crate::value::Value;
use crate::yaml::{Node, NodeData, Scalar, Tag};

use super::code::{Code, Stmt};
use super::cx::{Cx, Env, Place};
use super::exec;
use super::fail::{Fail, R};
use super::val::Val;

const NO_BRACES: &str = "a condition is an expression already: leave out the braces";

/// The warning of a condition in braces.
pub fn condition_in_braces(place: Option<Span>) -> Diagnostic {
    let words = "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}.";
    Diagnostic::deprecated("T0112", Kind::Template, "a condition in braces is deprecated", words)
        .with_label_opt(place, "deprecated")
        .with_hint(NO_BRACES)
        .about(place.map(crate::diag::Origin::At), None)
}

/// True for a condition, or one of a list, in which delimiters of templates stand.
pub fn has_delimiters(node: &Node) -> bool {
    match &node.data {
        NodeData::List(items) => items.iter().any(has_delimiters),
        _ => node.as_str().is_some_and(|text| ["{{", "{%", "{#"].iter().any(|start| text.contains(start))),
    }
}

/// Evaluates a condition; on false the text that was false.
pub fn holds(cx: &Cx, node: &Node, env: &Rc<Env>) -> R<Result<(), String>> {
    match &node.data {
        NodeData::List(items) => {
            for item in items.iter() {
                if let Err(text) = holds(cx, item, env)? {
                    return Ok(Err(text));
                }
            }
            Ok(Ok(()))
        }
        NodeData::Map(_) if cx.templates.allows_broken() => {
            Ok(if cx.lazy(node, env)?.truthy()? { Ok(()) } else { Err("{}".to_owned()) })
        }
        NodeData::Map(_) => Err(broken("a condition must be an expression, not a mapping", node, "a mapping", STRINGS)),
        NodeData::Scalar(scalar) => {
            cx.condition.set(Some(node.place()));
            let mut shown = scalar.text.trim().to_owned();
            let result = match &scalar.value {
                Value::Bool(flag) => Val::from(*flag),
                Value::Null if cx.templates.allows_broken() => Val::from(true),
                Value::Null => return Err(broken("the condition is empty", node, "empty", EMPTY)),
                Value::Str(text) => text_value(cx, text, node, env, 0, &mut shown)?,
                other if cx.templates.allows_broken() => Val::from(other.clone()),
                other => {
                    let message = format!("a condition must be an expression, not {}", other.type_name());
                    return Err(broken(&message, node, other.type_name(), STRINGS));
                }
            };
            let result = result.defined()?;
            if matches!(&result, Val::List(list) if list.is_range()) {
                result.result(cx)?;
            }
            match result {
                Val::V(Value::Bool(true)) => Ok(Ok(())),
                Val::V(Value::Bool(false)) => Ok(Err(shown)),
                other if cx.templates.allows_broken() => {
                    let holds = other.truthy()?;
                    let text = format!("the condition is {}, not a boolean", other.kind());
                    let words = format!(
                        "Conditional result ({}) was derived from value of type '{}' at '{}'. Conditionals must have \
                         a boolean result.",
                        if holds { "True" } else { "False" },
                        other.type_name(),
                        derived_at(cx, &other, scalar, node, env)
                    );
                    let hint = "compare it with a value, or write `| bool` or `| length > 0` behind it";
                    let told = super::people::Told {
                        place: Some(node.place()),
                        origin: Some(Origin::At(node.place())),
                        help: Some(ARE_ALLOWED),
                    };
                    cx.templates.deprecated(text, Deprecation::core(words, "2.23"), told, hint);
                    Ok(if holds { Ok(()) } else { Err(shown) })
                }
                other => {
                    let message = format!("the condition is {}, not a boolean", other.kind());
                    let truth = if other.truthy()? { "True" } else { "False" };
                    let place = derived_at(cx, &other, scalar, node, env);
                    let words = format!(
                        "Conditional result ({truth}) was derived from value of type '{}' at '{place}'. Conditionals must have a boolean result.",
                        other.type_name()
                    );
                    let fail = broken(&message, node, other.kind(), &words);
                    let text = scalar.text.trim();
                    Err(match &other {
                        Val::V(Value::Str(_)) => fail
                            .with_hint(format!("for a text like `yes` write `{text} | bool`"))
                            .with_hint(format!("to ask if it is not empty write `{text} | length > 0`")),
                        Val::List(_) | Val::Map(_) => {
                            fail.with_hint(format!("to ask if it is not empty write `{text} | length > 0`"))
                        }
                        Val::V(Value::Null) => fail.with_hint(format!("write `{text} is not none`")),
                        _ => fail.with_hint(format!("write `{text} | bool`, or compare it with a value")),
                    })
                }
            }
        }
    }
}

/// Where the value of a condition stands, as ansible-core tells it.
fn derived_at(cx: &Cx, value: &Val, scalar: &Scalar, node: &Node, env: &Rc<Env>) -> String {
    match value {
        Val::V(Value::Null) => "<unknown>".to_owned(),
        _ => full_place(cx, origin(cx, scalar, node, env).unwrap_or_else(|| node.place())),
    }
}

/// Where the value of a condition stands that names a variable and is nothing but that.
fn origin(cx: &Cx, scalar: &Scalar, node: &Node, env: &Rc<Env>) -> Option<Span> {
    let Value::Str(text) = &scalar.value else { return None };
    let code = if text.trim_start().starts_with("{{") {
        cx.templates.compiled(text, node)
    } else {
        cx.templates.compiled_condition(text, &Place::Node(node.clone()))
    };
    named(&*code.ok()?, env).map(|inner| inner.place())
}

/// `FILE:LINE:COLUMN` with the whole path.
fn full_place(cx: &Cx, span: Span) -> String {
    let sources = cx.templates.sources();
    let file = sources.file(span.file).and_then(|file| Some((std::path::absolute(file.path.as_ref()?).ok()?, file)));
    file.map_or_else(
        || sources.place(span),
        |(path, file)| {
            let at = file.line_col(span.start);
            format!("{}:{}:{}", path.display(), at.line, at.column)
        },
    )
}

/// What ansible-core says beside a condition that is no boolean.
pub const MAY_BE_ALLOWED: &str =
    "Broken conditionals can be temporarily allowed with the `ALLOW_BROKEN_CONDITIONALS` configuration option.";
const ARE_ALLOWED: &str = "Broken conditionals are currently allowed because the `ALLOW_BROKEN_CONDITIONALS` \
                           configuration option is enabled.";
const STRINGS: &str = "Conditional expressions must be strings.";
const EMPTY: &str = "Empty conditional expressions are not allowed.";
const DATA: &str = "Encountered untrusted template or expression.";

/// `words`: what registered results say.
fn broken(message: &str, node: &Node, label: &str, words: &str) -> Fail {
    Fail::Diag(Diagnostic::new("T0106", Kind::Template, message).with_registered(words).with_label(node.place(), label))
}

/// The source that a template names and is nothing but.
fn named(code: &Code, env: &Rc<Env>) -> Option<Node> {
    match code.body.as_slice() {
        [Stmt::Emit(expr)] => super::eval::source(expr, env, &Rc::default()),
        _ => None,
    }
}

/// The source that a scalar names which is one template of a name and nothing else.
pub fn source_behind(cx: &Cx, node: &Node, env: &Rc<Env>) -> R<Option<Node>> {
    let Some(Value::Str(text)) = node.as_scalar().map(|scalar| &scalar.value) else { return Ok(None) };
    if node.tag.is_some() || !text.trim().starts_with("{{") || !text.trim().ends_with("}}") {
        return Ok(None);
    }
    let code = cx.templates.compiled(text, node)?;
    Ok(named(&code, env))
}

/// The conditions of a list in the source that a template names (`assert: that: "{{ conditions }}"`).
pub fn listed(cx: &Cx, node: &Node, env: &Rc<Env>) -> R<Option<Arc<[Node]>>> {
    Ok(match source_behind(cx, node, env)?.map(|inner| inner.data) {
        Some(NodeData::List(items)) => Some(items),
        _ => None,
    })
}

/// The value of an expression; `shown` becomes the text of the expression that a template stands for.
fn text_value(cx: &Cx, text: &Arc<str>, node: &Node, env: &Rc<Env>, depth: usize, shown: &mut String) -> R<Val> {
    let trimmed = text.trim();
    if trimmed.is_empty() && cx.templates.allows_broken() {
        return Ok(Val::from(true));
    }
    if trimmed.is_empty() {
        return Err(broken("the condition is empty", node, "empty", EMPTY));
    }
    if node.tag == Some(Tag::Unsafe) || depth > 20 {
        return Err(broken("data can not be a condition", node, "data", DATA));
    }
    let starts = ["{{", "{%", "{#"].iter().any(|start| trimmed.starts_with(start));
    let ends = ["}}", "%}", "#}"].iter().any(|end| trimmed.ends_with(end));
    if !(starts && ends) {
        let place = Place::Node(node.clone());
        let code = cx.templates.compiled_condition(text, &place)?;
        return exec::render(cx, &code, Rc::new(place), env);
    }
    let code = cx.templates.compiled(text, node)?;
    // A template that names a variable, or what stands below a key of one, may stand for the expression there.
    if let Some(inner) = named(&code, env)
        && let NodeData::Scalar(scalar) = &inner.data
        && let Value::Str(text) = &scalar.value
        && inner.tag.is_none()
    {
        *shown = text.trim().to_owned();
        return text_value(cx, text, &inner, env, depth + 1, shown);
    }
    let value = exec::render(cx, &code, Rc::new(Place::Node(node.clone())), env)?;
    if let Val::V(Value::Str(_)) = value {
        return Err(broken("the template in the condition gives a string", node, "a string", DATA).with_hint(NO_BRACES));
    }
    cx.templates.deprecated_braces(node.place());
    Ok(value)
}
