//! `str()` and `repr()` of running values.

use std::fmt::Write as _;

use crate::value::{Value, python_repr, python_str};

use super::cx::Cx;
use super::fail::R;
use super::val::{Func, ListCell, ListKind, MapCell, Val};

/// `str(value)`.
pub fn str_of(cx: &Cx, val: &Val) -> R<String> {
    Ok(match val {
        Val::V(value) => python_str(value),
        Val::Clock(clock) => clock.text(),
        Val::Undef(undef) if matches!(undef.what, super::fail::What::Soft) => String::new(),
        other => repr_of(cx, other)?,
    })
}

/// `text.splitlines(keep)`: Python ends lines at more than `\n`.
pub fn lines(text: &str, keep: bool) -> Vec<&str> {
    let ends = |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| ends(*c)) {
        let after = if rest[at..].starts_with("\r\n") { at + 2 } else { at + c.len_utf8() };
        out.push(&rest[..if keep { after } else { at }]);
        rest = &rest[after..];
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// `repr(value)`.
pub fn repr_of(cx: &Cx, val: &Val) -> R<String> {
    let mut out = String::new();
    write(cx, &mut out, val)?;
    Ok(out)
}

fn write(cx: &Cx, out: &mut String, val: &Val) -> R<()> {
    match val {
        Val::V(value) => {
            if let Value::Str(text) = value {
                cx.room_for_product(out.len() + text.len(), 1)?;
            }
            out.push_str(&python_repr(value));
        }
        Val::List(list) => write_list(cx, out, list)?,
        Val::Map(map) => write_map(cx, out, map)?,
        Val::Undef(undef) => return Err(super::fail::Fail::Undef(std::rc::Rc::clone(undef))),
        Val::Omit => out.push_str(super::omit::SHOWN),
        Val::Clock(clock) => out.push_str(&clock.repr()),
        Val::Func(Func::Macro(item)) => {
            let _ = write!(out, "<Macro '{}'>", item.name());
        }
        Val::Func(Func::Module(_, text)) => out.push_str(text),
        Val::Func(Func::Global(name)) => {
            let _ = write!(out, "<function {name}>");
        }
        Val::Func(_) => out.push_str("<function>"),
        Val::Loop(state) => {
            let _ = write!(out, "<LoopContext {}/{}>", state.index.get() + 1, state.items.len());
        }
    }
    Ok(())
}

fn write_list(cx: &Cx, out: &mut String, list: &ListCell) -> R<()> {
    if let ListKind::Range(start, stop, step) = list.kind {
        let step = if step == 1 { String::new() } else { format!(", {step}") };
        let _ = write!(out, "range({start}, {stop}{step})");
        return Ok(());
    }
    let _deeper = cx.deeper()?;
    out.push(if list.is_tuple() { '(' } else { '[' });
    let items = list.items(cx)?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        cx.step(1)?;
        write(cx, out, item)?;
    }
    if list.is_tuple() && items.len() == 1 {
        out.push(',');
    }
    out.push(if list.is_tuple() { ')' } else { ']' });
    Ok(())
}

fn write_map(cx: &Cx, out: &mut String, map: &MapCell) -> R<()> {
    let _deeper = cx.deeper()?;
    out.push('{');
    for (index, (key, item)) in map.items(cx)?.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&python_repr(&match key {
            crate::value::Key::Time(text) => Value::Str(std::sync::Arc::clone(text)),
            other => other.to_value(),
        }));
        out.push_str(": ");
        write(cx, out, item)?;
    }
    out.push('}');
    Ok(())
}
