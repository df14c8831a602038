//! Filters over items: `map`, `select`, `reject`, `selectattr`, `rejectattr`, `groupby`, and
//! the small ones that choose: `default`, `ternary`, `mandatory`.

use std::sync::Arc;

use crate::diag::Deprecation;
use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R, What};
use super::super::people::Told;
use super::super::val::Val;
use super::Entry;
use super::list::sorted;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("bool", to_bool),
    ("d", default),
    ("default", default),
    ("groupby", groupby),
    ("mandatory", mandatory),
    ("map", map),
    ("reject", |call, value, args| select(call, value, args, false)),
    ("rejectattr", |call, value, args| selectattr(call, value, args, false)),
    ("select", |call, value, args| select(call, value, args, true)),
    ("selectattr", |call, value, args| selectattr(call, value, args, true)),
    ("ternary", ternary),
    ("type_debug", |_, value, _| Ok(Val::from(value.type_name()))),
];

fn default(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let other = args.take(0, "default_value").unwrap_or_else(|| Val::from(""));
    let boolean = match args.take(1, "boolean") {
        None => false,
        Some(Val::V(Value::Bool(flag))) => flag,
        Some(other) => return Err(Fail::msg(format!("`boolean` must be a boolean, not {}", other.kind()))),
    };
    args.finish()?;
    if matches!(value, Val::Undef(_)) || (boolean && !value.truthy()?) {
        return Ok(other);
    }
    Ok(value)
}

fn mandatory(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let message = args.text(call, 0, "msg")?;
    args.finish()?;
    let Val::Undef(undef) = &value else { return Ok(value) };
    Err(match (message, &undef.what) {
        (Some(message), _) => Fail::said(message.to_string(), message.to_string()),
        (None, What::Name(name, _) | What::Var(name, _) | What::Attr { name, .. }) => Fail::said(
            format!("the mandatory variable `{name}` is not defined"),
            format!("Mandatory variable '{name}' not defined."),
        ),
        (None, What::Hint(_) | What::Soft) => {
            Fail::said("a mandatory variable is not defined", "Mandatory variable not defined.")
        }
    })
}

fn ternary(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let yes = args.need(0, "true_val")?;
    let no = args.need(1, "false_val")?;
    let none = args.take(2, "none_val").filter(|none| !none.is_none());
    args.finish()?;
    Ok(match none {
        Some(none) if value.is_none() => none,
        _ if value.truthy()? => yes,
        _ => no,
    })
}

fn to_bool(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let known = match &value {
        Val::V(Value::Bool(flag)) => Some(*flag),
        Val::V(Value::Int(0)) => Some(false),
        Val::V(Value::Int(1)) => Some(true),
        Val::V(Value::Str(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "true" | "1" => Some(true),
            "no" | "off" | "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    if let Some(known) = known {
        return Ok(Val::from(known));
    }
    #[expect(clippy::float_cmp, reason = "Python's `value == 1`")]
    let result = matches!(&value, Val::V(Value::Float(float)) if *float == 1.0);
    let shown = if result { "True" } else { "False" };
    let words = format!(
        "The `bool` filter coerced invalid value {} ({}) to {shown}.",
        crate::value::python_repr(&call.value(&value)?),
        value.type_name()
    );
    let text = format!("`bool` makes {} of {}, which is no boolean", shown.to_lowercase(), value.kind());
    let told = Told { place: call.cx().place.get(), ..Told::default() };
    let hint = "give it `yes`, `no`, `true`, `false`, 0 or 1";
    call.cx().templates.deprecated(text, Deprecation::core(words, "2.23"), told, hint);
    Ok(Val::from(result))
}

fn map(call: &Call, value: Val, mut args: Args) -> R<Val> {
    // Beside the name of a filter, `attribute` is an argument of that filter.
    let attribute = if args.has_positional() { None } else { args.take_kw("attribute") };
    let items = items_if_any(call, &value)?;
    let mut out = Vec::with_capacity(items.len());
    if let Some(path) = attribute {
        let default = args.take_kw("default");
        args.finish()?;
        for item in items {
            let found = call.ev.attribute(&item, &path)?;
            out.push(match (found, &default) {
                (Val::Undef(_), Some(default)) => default.clone(),
                (found, _) => found,
            });
        }
        return Ok(Val::list(out));
    }
    let name = args.need(0, "filter")?;
    let Some(name) = name.as_text() else { return Err(Fail::msg("`map` wants the name of a filter")) };
    let (rest, named) = (args.rest(), args.rest_kw());
    for item in items {
        out.push(call.ev.apply_filter(&name, item, Args::new(rest.clone(), named.clone()), call.locals)?);
    }
    Ok(Val::list(out))
}

struct Test {
    name: Option<Arc<str>>,
    args: Args,
}

impl Test {
    fn new(args: &mut Args, index: usize) -> R<Self> {
        let name = match args.take(index, "test") {
            None => None,
            Some(name) => Some(name.as_text().ok_or_else(|| Fail::msg("the name of a test must be a string"))?),
        };
        Ok(Self { name, args: Args::new(args.rest(), args.rest_kw()) })
    }

    fn holds(&self, call: &Call, item: Val) -> R<bool> {
        match &self.name {
            None => item.truthy(),
            Some(name) => call.ev.test(name, item, self.args.clone(), call.locals),
        }
    }
}

/// The items; none of what is false, as Jinja2 does not look into that (`none | select`).
fn items_if_any(call: &Call, value: &Val) -> R<Vec<Val>> {
    if value.truthy()? { call.items(value) } else { Ok(Vec::new()) }
}

fn select(call: &Call, value: Val, mut args: Args, keep: bool) -> R<Val> {
    let test = Test::new(&mut args, 0)?;
    let mut out = Vec::new();
    for item in items_if_any(call, &value)? {
        if test.holds(call, item.clone())? == keep {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn selectattr(call: &Call, value: Val, mut args: Args, keep: bool) -> R<Val> {
    let path = args.need(0, "attribute")?;
    let test = Test::new(&mut args, 1)?;
    let mut out = Vec::new();
    for item in items_if_any(call, &value)? {
        if test.holds(call, call.ev.attribute(&item, &path)?)? == keep {
            out.push(item);
        }
    }
    Ok(Val::list(out))
}

fn groupby(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let path = args.need(0, "attribute")?;
    let default = args.take(1, "default");
    let case = args.flag(2, "case_sensitive", false)?;
    args.finish()?;
    let real = |item: &Val| -> R<Val> {
        match (call.ev.attribute(item, &path)?, &default) {
            (Val::Undef(_), Some(default)) if !default.is_none() => Ok(default.clone()),
            (found, _) => found.defined(),
        }
    };
    let key = |item: &Val| -> R<Val> { Ok(super::list::fold(real(item)?, case)) };
    let items = sorted(call.cx(), call.items(&value)?, &key, false)?;
    let mut out: Vec<(Val, Val, Vec<Val>)> = Vec::new();
    for item in items {
        let found = key(&item)?;
        match out.last_mut() {
            Some((last, _, group)) if super::super::ops::equal(call.cx(), last, &found)? => group.push(item),
            _ => out.push((found, real(&item)?, vec![item])),
        }
    }
    Ok(Val::list(out.into_iter().map(|(_, name, group)| Val::tuple(vec![name, Val::list(group)])).collect()))
}
