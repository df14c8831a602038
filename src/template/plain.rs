//! Jinja2 as it is by itself, for template trees that are not Ansible's: minijinja's own machine with lenient
//! undefined values, text output, templates that extend and import each other, and functions of the caller's.
//!
//! Ansible's templates are run by `eval` and `exec`, not here. What this machine lacks against Jinja2:
//! lists and maps do not change in place (`list.append`), and `%` formats literal texts only (see `plain_percent`).

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value as Mini};

use super::engine::FileOptions;
use super::{limits, plain_guard, plain_limits, plain_percent};
use crate::value::{Key, Map, Value};

/// What a function or filter gives back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The argument of this place (0 is a filter's input) as it came, undefined or not.
    Argument(usize),
    /// This value.
    Value(Value),
}

/// What a function or filter of the caller's sees.
pub struct Call<'a> {
    state: &'a State<'a, 'a>,
    args: &'a [Mini],
    named: BTreeMap<String, Mini>,
}

impl Call<'_> {
    /// An argument by its place (0 is a filter's input) or else by its name; nothing if it is missing or undefined.
    pub fn arg(&self, at: usize, name: &str) -> Option<Value> {
        let found = self.args.get(at).or_else(|| self.named.get(name))?;
        (!found.is_undefined()).then(|| from_mini(found, 0))
    }

    /// A variable of the context: given to [`Plain::render`], or set at the top of a template. What is set in a
    /// block, loop or macro is not there, as with Jinja2's `pass_context`.
    pub fn variable(&self, name: &str) -> Option<Value> {
        let top = self.state.exports().contains(&name);
        if !top && self.state.env().globals().all(|(known, _)| known != name) && !self.given(name) {
            return None;
        }
        self.state.lookup(name).filter(|value| !value.is_undefined()).map(|value| from_mini(&value, 0))
    }

    /// It is one of the names that [`Plain::render`] was given.
    fn given(&self, name: &str) -> bool {
        let names = self.state.lookup(GIVEN);
        names.is_some_and(|names| names.try_iter().is_ok_and(|mut names| names.any(|each| each.as_str() == Some(name))))
    }
}

/// Where the names given to a rendering are kept; no template's name can be this.
const GIVEN: &str = "0given";

/// What went wrong in a rendering, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainError {
    /// The template by its name.
    pub template: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for PlainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PlainError {}

/// A set of templates with its functions, filters and variables.
pub struct Plain {
    environment: Environment<'static>,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").finish_non_exhaustive()
    }
}

/// Deepest nesting of templates, macros and values.
pub(super) const DEEPEST: usize = 200;

impl Plain {
    /// A set whose templates `text` gives by name; each is parsed once, when it is first used.
    pub fn new(text: impl Fn(&str) -> Option<Arc<str>> + Send + Sync + 'static) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_recursion_limit(DEEPEST);
        environment.set_loader(move |name| {
            let Some(text) = text(name) else { return Ok(None) };
            limits::check_operators(&text, &FileOptions::default()).map_err(|error| {
                let before = text.get(..error.at.0 as usize).unwrap_or_default();
                let line = Some(before.matches('\n').count() + 1);
                let cause = PlainError { template: name.to_owned(), line, message: error.message };
                Error::new(ErrorKind::SyntaxError, cause.message.clone()).with_source(cause)
            })?;
            // Jinja2 makes every line end a plain one.
            let text = if text.contains('\r') {
                plain_percent::rewritten(&text.replace("\r\n", "\n").replace('\r', "\n")).into_owned()
            } else {
                plain_percent::rewritten(&text).into_owned()
            };
            Ok(Some(plain_guard::guarded(&text)))
        });
        plain_limits::limit(&mut environment);
        environment.set_unknown_method_callback(bounded_method);
        environment.add_filter("length", length);
        environment.add_filter("count", length);
        environment.add_filter(plain_percent::FILTER, plain_percent::percent);
        environment.add_test("sequence", sequence);
        environment.add_test("iterable", |value: &Mini| value.as_str().is_some() || value.try_iter().is_ok());
        Self { environment }
    }

    /// A variable that all templates see, also macros of templates that are imported.
    pub fn variable(&mut self, name: &str, value: &Value) {
        self.environment.add_global(name.to_owned(), to_mini(value));
    }

    /// A function that all templates see.
    pub fn function(
        &mut self,
        name: &'static str,
        run: impl Fn(&Call<'_>) -> Result<Answer, String> + Send + Sync + 'static,
    ) {
        self.environment.add_function(name, called(run));
    }

    /// A filter; its input is argument 0.
    pub fn filter(
        &mut self,
        name: &'static str,
        run: impl Fn(&Call<'_>) -> Result<Answer, String> + Send + Sync + 'static,
    ) {
        self.environment.add_filter(name, called(run));
    }

    /// Renders a template with further variables. One last line end of a template's text does not count.
    pub fn render(&self, template: &str, variables: &[(&str, Value)]) -> Result<String, PlainError> {
        let names: Mini = variables.iter().map(|(name, _)| Mini::from(*name)).collect();
        let own = variables.iter().map(|(name, value)| (*name, to_mini(value)));
        let context = Mini::from_pairs(own.chain([(GIVEN, names)]));
        let failed = |error| plain_error(template, &error);
        let _rendering = plain_limits::Rendering::begin();
        limits::deep(|| self.environment.get_template(template).and_then(|template| template.render(context)))
            .map_err(failed)
    }
}

/// A function of the caller's as minijinja calls it.
fn called(
    run: impl Fn(&Call<'_>) -> Result<Answer, String> + Send + Sync + 'static,
) -> impl Fn(&State<'_, '_>, Rest<Mini>) -> Result<Mini, Error> + Send + Sync + 'static {
    move |state, Rest(args)| {
        let (args, named) = match args.split_last() {
            Some((last, before)) if last.is_kwargs() => {
                let named = Kwargs::try_from(last.clone())?;
                let names = named.args().map(|name| Ok((name.to_owned(), named.get::<Mini>(name)?)));
                (before, names.collect::<Result<BTreeMap<_, _>, Error>>()?)
            }
            _ => (&*args, BTreeMap::new()),
        };
        let call = Call { state, args, named };
        match run(&call) {
            Ok(Answer::Argument(at)) => Ok(args.get(at).cloned().unwrap_or_default()),
            Ok(Answer::Value(value)) => Ok(to_mini(&value)),
            Err(message) => Err(Error::new(ErrorKind::InvalidOperation, message)),
        }
    }
}

/// Jinja2's `length`: an undefined value has none.
fn length(value: &Mini) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("object of type {} has no length", value.kind()))
    })
}

/// Jinja2's `sequence`: what has a length and items, so texts and maps too.
fn sequence(value: &Mini) -> bool {
    value.is_undefined()
        || matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Bytes)
}

/// The first cause that has a place, with all causes' words.
fn plain_error(template: &str, error: &Error) -> PlainError {
    let mut deepest: &Error = error;
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        if let Some(cause) = source.downcast_ref::<Error>() {
            deepest = cause;
        }
        if let Some(placed) = source.downcast_ref::<PlainError>() {
            return placed.clone();
        }
        at = source;
    }
    let message = match (plain_limits::words(deepest), deepest.detail()) {
        (Some(words), _) => words,
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => deepest.kind().to_string(),
    };
    let placed = [deepest, error].into_iter().find(|each| each.name().is_some());
    PlainError {
        template: placed.and_then(Error::name).unwrap_or(template).to_owned(),
        line: placed.and_then(Error::line),
        message,
    }
}

/// [`method`] within the limits.
fn bounded_method(state: &mut State<'_, '_>, value: &Mini, name: &str, args: &[Mini]) -> Result<Mini, Error> {
    match (name, args.first()) {
        ("join", Some(items)) => plain_limits::room_for(name, &[items.clone(), value.clone()])?,
        _ => plain_limits::room_for(name, &[std::slice::from_ref(value), args].concat())?,
    }
    let made = method(state, value, name, args)?;
    plain_limits::fits(&made)?;
    Ok(made)
}

/// Python's methods of texts and maps that change nothing.
fn method(state: &mut State<'_, '_>, value: &Mini, name: &str, args: &[Mini]) -> Result<Mini, Error> {
    if let Some(text) = value.as_str() {
        return text_method(text, name, args);
    }
    match (value.kind(), name) {
        (ValueKind::Map, "items") => state.apply_filter("items", std::slice::from_ref(value)),
        (ValueKind::Map, "keys") => Ok(value.try_iter()?.collect()),
        (ValueKind::Map, "values") => value.try_iter()?.map(|key| value.get_item(&key)).collect(),
        (ValueKind::Map, "get") => {
            let (key, other): (&Mini, Option<&Mini>) = from_args(args)?;
            let found = value.get_item(key)?;
            Ok(if found.is_undefined() { other.cloned().unwrap_or(Mini::from(())) } else { found })
        }
        (ValueKind::Seq, "index") => {
            let (wanted,): (&Mini,) = from_args(args)?;
            let place = value.try_iter()?.position(|item| item == *wanted);
            place.map(Mini::from).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the item is not in the list"))
        }
        (ValueKind::Seq, "count") => {
            let (wanted,): (&Mini,) = from_args(args)?;
            Ok(Mini::from(value.try_iter()?.filter(|item| item == wanted).count()))
        }
        (ValueKind::Seq, "append" | "extend" | "insert" | "remove" | "pop" | "sort" | "reverse")
        | (ValueKind::Map, "update" | "setdefault" | "pop") => Err(Error::new(
            ErrorKind::UnknownMethod,
            format!("`{name}` would change a value in place, which is not possible here; set a new one with `+`"),
        )),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn text_method(text: &str, name: &str, args: &[Mini]) -> Result<Mini, Error> {
    let stripped = |ends: (bool, bool)| -> Result<Mini, Error> {
        let (chars,): (Option<&str>,) = from_args(args)?;
        let out = |c: char| chars.map_or_else(|| c.is_whitespace(), |chars| chars.contains(c));
        let text = if ends.0 { text.trim_start_matches(out) } else { text };
        Ok(Mini::from(if ends.1 { text.trim_end_matches(out) } else { text }))
    };
    let any = |test: &dyn Fn(&str) -> bool| -> Result<Mini, Error> {
        let (part,): (&Mini,) = from_args(args)?;
        let found = match part.as_str() {
            Some(part) => test(part),
            None => part.try_iter()?.any(|part| part.as_str().is_some_and(test)),
        };
        Ok(Mini::from(found))
    };
    Ok(match name {
        "upper" => Mini::from(text.to_uppercase()),
        "lower" => Mini::from(text.to_lowercase()),
        "strip" => stripped((true, true))?,
        "lstrip" => stripped((true, false))?,
        "rstrip" => stripped((false, true))?,
        "startswith" => any(&|part| text.starts_with(part))?,
        "endswith" => any(&|part| text.ends_with(part))?,
        "replace" => {
            let (old, new, count): (&str, &str, Option<i64>) = from_args(args)?;
            match count.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => Mini::from(text.replacen(old, new, count)),
                None => Mini::from(text.replace(old, new)),
            }
        }
        "split" | "rsplit" => {
            let (by, most): (Option<&str>, Option<i64>) = from_args(args)?;
            split(text, by, most.and_then(|most| usize::try_from(most).ok()), name == "rsplit")?
        }
        "splitlines" => text.lines().map(Mini::from).collect(),
        "join" => {
            let (items,): (&Mini,) = from_args(args)?;
            let parts = items.try_iter()?.map(|item| {
                item.as_str().map(str::to_owned).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, format!("expected texts to join, found {}", item.kind()))
                })
            });
            Mini::from(parts.collect::<Result<Vec<_>, _>>()?.join(text))
        }
        "find" => {
            let (part,): (&str,) = from_args(args)?;
            Mini::from(text.find(part).map_or(-1, |at| i64::try_from(text[..at].chars().count()).unwrap_or(i64::MAX)))
        }
        "count" => {
            let (part,): (&str,) = from_args(args)?;
            Mini::from(text.matches(part).count())
        }
        "isdigit" => Mini::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

/// Python's `split` and `rsplit`.
fn split(text: &str, by: Option<&str>, most: Option<usize>, from_right: bool) -> Result<Mini, Error> {
    if by == Some("") {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    let parts: Vec<&str> = match (by, most, from_right) {
        (None, None, _) => text.split_whitespace().collect(),
        (Some(by), None, _) => text.split(by).collect(),
        (Some(by), Some(most), false) => text.splitn(most.saturating_add(1), by).collect(),
        (Some(by), Some(most), true) => {
            let mut parts: Vec<&str> = text.rsplitn(most.saturating_add(1), by).collect();
            parts.reverse();
            parts
        }
        (None, Some(most), from_right) => {
            let mut rest = text.trim();
            let mut parts = Vec::new();
            while parts.len() < most
                && let Some(at) =
                    if from_right { rest.rfind(char::is_whitespace) } else { rest.find(char::is_whitespace) }
            {
                let (before, after) = (&rest[..at], rest[at..].trim_start());
                let (part, left) = if from_right { (after, before.trim_end()) } else { (before, after) };
                parts.push(part);
                rest = left;
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            if from_right {
                parts.reverse();
            }
            parts
        }
    };
    Ok(parts.into_iter().map(Mini::from).collect())
}

/// A value as minijinja knows it; dates, bytes and huge numbers as their text.
fn to_mini(value: &Value) -> Mini {
    match value {
        Value::Null => Mini::from(()),
        Value::Bool(value) => Mini::from(*value),
        Value::Int(value) => i64::try_from(*value).map_or_else(|_| Mini::from(*value), Mini::from),
        Value::Float(value) => Mini::from(*value),
        Value::Str(text) => Mini::from(text.clone()),
        Value::List(items) => Mini::from(items.iter().map(to_mini).collect::<Vec<_>>()),
        Value::Map(map) => Mini::from_pairs(map.iter().map(|(key, value)| (to_mini(&key.to_value()), to_mini(value)))),
        other => Mini::from(crate::value::python_str(other)),
    }
}

/// A value of minijinja's; what is no data is its text.
fn from_mini(value: &Mini, depth: usize) -> Value {
    if let Some(text) = value.as_str() {
        return Value::from(text);
    }
    let items = || value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match i128::try_from(value.clone()) {
            Ok(number) if value.is_integer() => Value::Int(number),
            _ => f64::try_from(value.clone()).map_or(Value::Null, Value::Float),
        },
        ValueKind::Seq | ValueKind::Iterable if depth < DEEPEST => {
            Value::List(items().map(|item| from_mini(&item, depth + 1)).collect::<Vec<_>>().into())
        }
        ValueKind::Map if depth < DEEPEST => {
            let pairs = items().filter_map(|key| {
                let item = value.get_item(&key).ok()?;
                Some((Key::from_value(&from_mini(&key, depth + 1))?, from_mini(&item, depth + 1)))
            });
            Value::Map(pairs.collect::<Map>().into())
        }
        _ => Value::from(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let text: Arc<str> = template.into();
        let mut plain = Plain::new(move |name| (name == "t").then(|| text.clone()));
        plain.variable("list", &Value::List(vec![Value::from("b"), Value::from("a")].into()));
        plain.filter("twice", |call| match call.arg(0, "value") {
            Some(Value::List(items)) => Ok(Answer::Value(Value::List([&**items, &**items].concat().into()))),
            _ => Ok(Answer::Argument(0)),
        });
        plain.function("seen", |call| {
            let name = call.arg(0, "name").unwrap_or_default();
            Ok(Answer::Value(call.variable(name.as_str().unwrap_or_default()).unwrap_or(Value::from("-"))))
        });
        let found = plain.render("t", &[("own", Value::from(1))]).unwrap_or_else(|error| format!("{error:?}"));
        assert_eq!(found, expected, "{template}");
    }

    #[test]
    fn undefined_values_are_lenient() {
        check("[{{ nothing }}{{ nothing | length }}{{ nothing | count }}]", "[00]");
        check("{% for each in nothing %}x{% else %}none{% endfor %}", "none");
        check("{{ nothing is sequence }} {{ 'text' is sequence }} {{ 1 is sequence }}", "True True False");
        check("{{ nothing | twice | length }}{{ list | twice | join(',') }}", "0b,a,b,a");
    }

    #[test]
    fn values_are_spelled_as_python_does() {
        check("{{ [true, none, 'a', 1.0] }} {{ {'a': false} }} {{ none }}", "[True, None, 'a', 1.0] {'a': False} None");
    }

    #[test]
    fn lines_end_as_in_jinja2() {
        check("a\r\n{% if true %}\nb\n{% endif %}\n", "a\n\nb\n");
    }

    #[test]
    fn functions_see_what_is_set_at_the_top() {
        check(
            "{% set top = 'T' %}{% set top = top ~ 'x' %}{{ seen('top') }}{{ seen('own') }}{{ seen('list') }}",
            "Tx1['b', 'a']",
        );
        check("{% block a %}{% set inner = 1 %}{{ seen('inner') }}{% endblock %}", "-");
        check("{% if true %}{% set top = 2 %}{% endif %}{% block a %}{{ seen('top') }}{% endblock %}", "2");
    }

    #[test]
    fn methods_are_those_of_python() {
        check(
            "{{ 'a-b-c'.replace('-', '_') }} {{ 'a b  c'.split() }} {{ 'a.b.c'.rsplit('.', 1) }}",
            "a_b_c ['a', 'b', 'c'] ['a.b', 'c']",
        );
        check("{{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.get('b') }} {{ ','.join(['x', 'y']) }}", "2 None x,y");
        check("{{ 'xax'.strip('x') }}{{ 'Ab'.upper() }}{{ 'ab'.startswith('a') }}{{ 'ab'.find('b') }}", "aABTrue1");
        check("{{ 'a b c'.split(None, 1) }}{{ 'a b c'.rsplit(None, 1) }}", "['a', 'b c']['a b', 'c']");
    }

    #[test]
    fn percent_formats_texts_and_divides_numbers() {
        check("{{ 'a-%s' % own }} {{ '%s/%03d' % ('x', 7) }} {{ 7 % 4 }} {{ 'n%s' % 'b' | upper }}", "a-1 x/007 3 nB");
    }

    #[test]
    fn errors_have_their_place() {
        let plain = Plain::new(|name| match name {
            "t" => Some("{% import 'm' as m %}\n\n{{ m.x() }}".into()),
            "m" => Some("\n{% macro x() %}{{ [].append(1) }}{% endmacro %}".into()),
            _ => None,
        });
        let error = plain.render("t", &[]).unwrap_err();
        assert_eq!((error.template.as_str(), error.line), ("m", Some(2)));
        assert!(error.message.starts_with("`append` would change a value in place"), "{}", error.message);
        let missing = plain.render("none", &[]).unwrap_err();
        assert!(missing.message.contains("does not exist"), "{missing:?}");
    }
}
