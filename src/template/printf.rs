//! Python's `%` formatting and `str.format`.

use std::fmt::Write as _;

use crate::value::{Value, python_float};

use super::bigint::Big;
use super::cx::Cx;
use super::fail::{Fail, R};
use super::limits::MAX_TEXT;
use super::ops::{self, Number};
use super::text::{repr_of, str_of};
use super::val::Val;

mod floats;

use floats::{exponent, fixed, general, grouped, grouped_by, short};

/// Widths beyond this are refused.
const MAX_WIDTH: usize = 100_000;

/// How one value is laid out.
#[derive(Default, Clone)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `format % values`.
pub fn percent(cx: &Cx, format: &str, values: &Val) -> R<String> {
    let tuple = match values {
        Val::List(list) if list.is_tuple() => Some(list.items(cx)?),
        _ => None,
    };
    let mut next = 0;
    let mut used_map = false;
    let take = |next: &mut usize| -> R<Val> {
        let value = match &tuple {
            Some(items) => items.get(*next).cloned(),
            None if *next == 0 => Some(values.clone()),
            None => None,
        };
        *next += 1;
        value.ok_or_else(|| {
            Fail::said("not enough arguments for the format string", "not enough arguments for format string")
        })
    };
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        room(cx, out.len())?;
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        let mut named = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            let mut name = String::new();
            let mut depth = 1;
            for c in chars.by_ref() {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                name.push(c);
            }
            named = Some(name);
        }
        while let Some(flag) = chars.peek().copied().filter(|c| "-+ #0".contains(*c)) {
            chars.next();
            match flag {
                '-' => spec.align = Some('<'),
                '+' => spec.sign = Some('+'),
                ' ' => spec.sign = spec.sign.or(Some(' ')),
                '#' => spec.alternate = true,
                _ => spec.zero = true,
            }
        }
        let number = |chars: &mut Chars<'_>, next: &mut usize, what: &str| -> R<i64> {
            let too_big = || Fail::said(format!("the {what} of a format is too large"), format!("{what} too big"));
            if chars.peek() == Some(&'*') {
                chars.next();
                return match take(next)? {
                    Val::V(Value::Int(int)) => i64::try_from(int).map_err(|_| too_big()),
                    _ => Err(Fail::said("`*` in a format wants an integer", "* wants int")),
                };
            }
            digits(chars).map_or(Ok(0), |digits| digits.parse().map_err(|_| too_big()))
        };
        let width = number(&mut chars, &mut next, "width")?;
        if width < 0 {
            // Only `*` gives one: it stands left then.
            spec.align = Some('<');
        }
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        if chars.peek() == Some(&'.') {
            chars.next();
            spec.precision = Some(usize::try_from(number(&mut chars, &mut next, "precision")?).unwrap_or(0));
        }
        while chars.peek().is_some_and(|c| "hlL".contains(*c)) {
            chars.next();
        }
        let Some(kind) = chars.next() else { return Err(Fail::msg("the format ends in an incomplete `%`")) };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some(name) => {
                used_map = true;
                match values {
                    Val::Map(map) => map.get_str(cx, &name)?.ok_or_else(|| {
                        let words = format!("'{name}'");
                        Fail::said(format!("the format needs `{name}`, which is not there"), words)
                    })?,
                    _ => return Err(Fail::said("the format needs a mapping", "format requires a mapping")),
                }
            }
            None => take(&mut next)?,
        };
        if let Val::Undef(undef) = value {
            return Err(Fail::Undef(undef));
        }
        let align = spec.align.or(Some('>'));
        let text = match kind {
            's' => cut(str_of(cx, &value)?, spec.precision),
            'r' => cut(repr_of(cx, &value)?, spec.precision),
            'a' => cut(ascii(&repr_of(cx, &value)?), spec.precision),
            'c' => match &value {
                Val::V(Value::Int(code)) => u32::try_from(*code)
                    .ok()
                    .and_then(char::from_u32)
                    .map(String::from)
                    .ok_or_else(|| Fail::msg("`%c` wants a character's number"))?,
                Val::V(Value::Str(text)) if text.chars().count() == 1 => text.to_string(),
                _ => return Err(Fail::said("`%c` wants one character or its number", "%c requires int or char")),
            },
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let Some(number) = ops::number(&value) else {
                    let wanted = if matches!(kind, 'x' | 'X' | 'o') { "an integer" } else { "a real number" };
                    let words = match kind {
                        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                            format!("%{kind} format: {wanted} is required, not {}", value.type_name())
                        }
                        _ => format!("must be real number, not {}", value.type_name()),
                    };
                    return Err(Fail::said(format!("`%{kind}` wants a number, not {}", value.kind()), words)
                        .with_hint("convert it first, for example with `| int`"));
                };
                let kind = if matches!(kind, 'i' | 'u') { 'd' } else { kind };
                // Python truncates for `%d`.
                let whole = match (kind, number) {
                    ('d', Number::Float(float)) => Some(ops::truncated(float)?),
                    _ => None,
                };
                let number = whole.as_ref().and_then(ops::number).unwrap_or(number);
                let zero = spec.zero && spec.align.is_none();
                let inner = Spec { kind: Some(kind), zero, align: if zero { None } else { align }, ..spec.clone() };
                out.push_str(&layout_number(number, &inner)?);
                continue;
            }
            other => {
                let at = format.chars().count() - chars.clone().count() - 1;
                let words = format!("unsupported format character '{other}' (0x{:x}) at index {at}", u32::from(other));
                return Err(Fail::said(format!("there is no format `%{other}`"), words));
            }
        };
        room(cx, out.len().saturating_add(text.len()))?;
        pad(&mut out, &text, &Spec { align, ..spec })?;
    }
    room(cx, out.len())?;
    let given = tuple.as_ref().map_or(usize::from(!matches!(values, Val::Map(_) | Val::List(_))), Vec::len);
    if !used_map && next < given {
        return Err(Fail::said(
            "not all arguments are used in the format string",
            "not all arguments converted during string formatting",
        ));
    }
    Ok(out)
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// The digits that stand next, if there are any.
fn digits(chars: &mut Chars<'_>) -> Option<String> {
    let found: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect();
    (!found.is_empty()).then_some(found)
}

/// An error if a text that grows would be too large. What fits is charged once it is done.
fn room(cx: &Cx, bytes: usize) -> R<()> {
    if bytes > MAX_TEXT { cx.room_for_text(bytes) } else { Ok(()) }
}

/// `ascii(value)`: what is not ASCII as an escape.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let code = u32::from(c);
        match code {
            0..=0x7f => out.push(c),
            0x80..=0xff => drop(write!(out, "\\x{code:02x}")),
            0x100..=0xffff => drop(write!(out, "\\u{code:04x}")),
            _ => drop(write!(out, "\\U{code:08x}")),
        }
    }
    out
}

fn cut(text: String, precision: Option<usize>) -> String {
    match precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    }
}

fn pad(out: &mut String, text: &str, spec: &Spec) -> R<()> {
    if spec.width > MAX_WIDTH {
        return Err(Fail::msg("the width of a format is too large"));
    }
    let missing = spec.width.saturating_sub(text.chars().count());
    let fill = spec.fill.unwrap_or(' ');
    let left = match spec.align {
        Some('>') => missing,
        Some('^') => missing / 2,
        _ => 0,
    };
    out.extend(std::iter::repeat_n(fill, left));
    out.push_str(text);
    out.extend(std::iter::repeat_n(fill, missing - left));
    Ok(())
}

fn layout_number(number: Number<'_>, spec: &Spec) -> R<String> {
    let precision = spec.precision.unwrap_or(6);
    if precision > 1000 || spec.width > MAX_WIDTH {
        return Err(Fail::msg("the precision or width of a format is too large"));
    }
    let negative = match number {
        Number::Int(int) => int < 0,
        Number::Big(digits) => digits.starts_with('-'),
        Number::Float(float) => float.is_sign_negative() && !float.is_nan(),
    };
    let float = ops::float(number).abs();
    let size = match number {
        Number::Int(int) => int.unsigned_abs(),
        Number::Big(_) => u128::MAX,
        Number::Float(_) => 0,
    };
    let in_base = |base: u32| match (number, base) {
        (Number::Big(digits), _) => Big::parse(digits).map_or_else(String::new, |big| big.in_base(base)),
        (_, 2) => format!("{size:b}"),
        (_, 8) => format!("{size:o}"),
        _ => format!("{size:x}"),
    };
    if matches!(number, Number::Big(_))
        && float.is_infinite()
        && matches!(spec.kind, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%' | 'n'))
    {
        return Err(ops::no_float());
    }
    let is_float = matches!(number, Number::Float(_));
    let mut prefix = "";
    let digits = match spec.kind {
        Some('d') | None if !is_float => match number {
            Number::Big(digits) => digits.trim_start_matches('-').to_owned(),
            _ => size.to_string(),
        },
        Some('x' | 'X' | 'o' | 'b' | 'd') if is_float => {
            return Err(Fail::msg("this format wants an integer, not a float"));
        }
        Some('x') => {
            prefix = "0x";
            in_base(16)
        }
        Some('X') => {
            prefix = "0X";
            in_base(16).to_uppercase()
        }
        Some('o') => {
            prefix = "0o";
            in_base(8)
        }
        Some('b') => {
            prefix = "0b";
            in_base(2)
        }
        Some('e') => exponent(float, precision),
        Some('E') => exponent(float, precision).to_uppercase(),
        Some('f' | 'F') => fixed(float, precision),
        Some('%') => fixed(float * 100.0, precision) + "%",
        Some('g' | 'G' | 'n') => general(float, precision.max(1), spec.alternate),
        None => match spec.precision {
            Some(precision) => short(float, precision.max(1)),
            None => python_float(float),
        },
        Some('c') => match u32::try_from(size).ok().and_then(char::from_u32) {
            Some(c) if !negative && !is_float => c.to_string(),
            _ => return Err(Fail::said("there is no such character", "%c arg not in range(0x110000)")),
        },
        Some(other) => {
            let kind = if is_float { "float" } else { "int" };
            let words = format!("Unknown format code '{other}' for object of type '{kind}'");
            return Err(Fail::said(format!("there is no number format `{other}`"), words));
        }
    };
    let mut digits = if spec.kind == Some('G') { digits.to_uppercase() } else { digits };
    if let Some(group) = spec.group {
        digits = match spec.kind {
            Some('x' | 'X' | 'b' | 'o') => grouped_by(&digits, group, 4),
            _ => grouped(&digits, group),
        };
    }
    if let Some(precision) = spec.precision.filter(|_| matches!(spec.kind, Some('d' | 'x' | 'X' | 'o'))) {
        let missing = precision.saturating_sub(digits.len());
        digits.insert_str(0, &"0".repeat(missing));
    }
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    let prefix = if spec.alternate { prefix } else { "" };
    if spec.zero || spec.align == Some('=') {
        let fill = if spec.zero { spec.fill.unwrap_or('0') } else { spec.fill.unwrap_or(' ') };
        let missing = spec.width.saturating_sub(sign.len() + prefix.len() + digits.chars().count());
        let fill: String = std::iter::repeat_n(fill, missing).collect();
        return Ok(format!("{sign}{prefix}{fill}{digits}"));
    }
    let mut out = String::new();
    let align = spec.align.or(Some('>'));
    pad(&mut out, &format!("{sign}{prefix}{digits}"), &Spec { align, ..spec.clone() })?;
    Ok(out)
}

/// `format.format(...)`.
pub fn format(cx: &Cx, format: &str, pos: &[Val], named: &[(std::sync::Arc<str>, Val)]) -> R<String> {
    let mut auto = 0;
    format_inner(cx, format, pos, named, &mut auto, 0)
}

fn format_inner(
    cx: &Cx,
    format: &str,
    pos: &[Val],
    named: &[(std::sync::Arc<str>, Val)],
    auto: &mut usize,
    depth: usize,
) -> R<String> {
    if depth > 2 {
        return Err(Fail::msg("the format is nested too deep"));
    }
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let doubled = rest[at + 1..].starts_with(&rest[at..=at]);
        if doubled {
            out.push_str(&rest[at..=at]);
            rest = &rest[at + 2..];
            continue;
        }
        if rest.as_bytes()[at] == b'}' {
            let words = "Single '}' encountered in format string";
            return Err(Fail::said("single `}` in the format string", words));
        }
        let body = &rest[at + 1..];
        let mut level = 1;
        let end = body
            .char_indices()
            .find(|(_, c)| {
                match c {
                    '{' => level += 1,
                    '}' => level -= 1,
                    _ => {}
                }
                level == 0
            })
            .map(|(index, _)| index)
            .ok_or_else(|| {
                let words = if body.is_empty() {
                    "Single '{' encountered in format string"
                } else {
                    "expected '}' before end of string"
                };
                Fail::said("`{` is never closed in the format string", words)
            })?;
        let field = &body[..end];
        rest = &body[end + 1..];
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = field.split_once('!').map_or((field, None), |(name, kind)| (name, Some(kind)));
        let split = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut path) = name.split_at(split);
        let mut value = if first.is_empty() {
            *auto += 1;
            pos.get(*auto - 1).cloned()
        } else if let Ok(index) = first.parse::<usize>() {
            pos.get(index).cloned()
        } else {
            named.iter().find(|(key, _)| **key == *first).map(|(_, value)| value.clone())
        }
        .ok_or_else(|| {
            let index = if first.is_empty() { Some(*auto - 1) } else { first.parse::<usize>().ok() };
            let words = match index {
                Some(index) => format!("Replacement index {index} out of range for positional args tuple"),
                None => format!("'{first}'"),
            };
            Fail::said(format!("the format has no value for `{{{name}}}`"), words)
        })?;
        while !path.is_empty() {
            let (key, after) = if let Some(inner) = path.strip_prefix('[') {
                let end = inner.find(']').ok_or_else(|| Fail::msg("`[` is never closed in the format string"))?;
                (&inner[..end], &inner[end + 1..])
            } else {
                let inner = path.strip_prefix('.').unwrap_or(path);
                inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
            };
            let index = match key.parse::<i128>() {
                Ok(int) => Val::from(int),
                Err(_) => Val::from(key),
            };
            value = ops::item(cx, &value, &index)?
                .ok_or_else(|| Fail::msg(format!("the format has no value for `{{{name}}}`")))?;
            path = after;
        }
        let value = match conversion {
            None => value,
            Some("r") => Val::from(repr_of(cx, &value)?),
            Some("a") => Val::from(ascii(&repr_of(cx, &value)?)),
            Some("s") => Val::from(str_of(cx, &value)?),
            Some(other) => return Err(Fail::msg(format!("there is no conversion `!{other}`"))),
        };
        let spec =
            if spec.contains('{') { format_inner(cx, spec, pos, named, auto, depth + 1)? } else { spec.to_owned() };
        let text = one(cx, &value, &spec)?;
        room(cx, out.len().saturating_add(text.len()))?;
        out.push_str(&text);
    }
    out.push_str(rest);
    room(cx, out.len())?;
    Ok(out)
}

/// `format(value, spec)`.
pub fn one(cx: &Cx, value: &Val, spec: &str) -> R<String> {
    if spec.is_empty() {
        return str_of(cx, value);
    }
    if let Val::V(Value::Date(_) | Value::DateTime(..)) = value {
        return super::time::format_value(value, spec);
    }
    let spec = parse_spec(spec)?;
    room(cx, spec.width)?;
    if let Some(number) = ops::number(value) {
        // A boolean is a number as soon as it is laid out.
        if spec.kind != Some('s') {
            return layout_number(number, &spec);
        }
    }
    let mut out = String::new();
    match spec.kind {
        None | Some('s') => {
            let text = cut(str_of(cx, value)?, spec.precision);
            let fill = if spec.zero { spec.fill.or(Some('0')) } else { spec.fill };
            pad(&mut out, &text, &Spec { fill, ..spec })?;
            Ok(out)
        }
        Some(kind) => Err(Fail::said(
            format!("the format `{kind}` does not work on {}", value.kind()),
            format!("Unknown format code '{kind}' for object of type '{}'", value.type_name()),
        )),
    }
}

fn parse_spec(text: &str) -> R<Spec> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut spec = Spec::default();
    let is_align = |c: Option<&char>| c.is_some_and(|c| "<>=^".contains(*c));
    if is_align(chars.get(1)) {
        spec.fill = chars.first().copied();
        spec.align = chars.get(1).copied();
        at = 2;
    } else if is_align(chars.first()) {
        spec.align = chars.first().copied();
        at = 1;
    }
    if let Some(sign) = chars.get(at).copied().filter(|c| "+- ".contains(*c)) {
        spec.sign = Some(sign);
        at += 1;
    }
    if chars.get(at) == Some(&'#') {
        spec.alternate = true;
        at += 1;
    }
    if chars.get(at) == Some(&'0') {
        spec.zero = spec.align.is_none();
        if spec.align.is_some() && spec.fill.is_none() {
            spec.fill = Some('0');
        }
        at += 1;
    }
    let number = |at: &mut usize| -> R<Option<usize>> {
        let digits: String = chars[*at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        *at += digits.len();
        if digits.is_empty() {
            return Ok(None);
        }
        let too_many = "Too many decimal digits in format string";
        digits.parse().map(Some).map_err(|_| Fail::said("a number of a format is too large", too_many))
    };
    spec.width = number(&mut at)?.unwrap_or(0);
    if let Some(group) = chars.get(at).copied().filter(|c| ",_".contains(*c)) {
        spec.group = Some(group);
        at += 1;
    }
    if chars.get(at) == Some(&'.') {
        at += 1;
        spec.precision = number(&mut at)?;
    }
    spec.kind = chars.get(at).copied();
    if chars.len() > at + 1 {
        let mut message = String::new();
        let _ = write!(message, "the format `{text}` can not be read");
        return Err(Fail::msg(message));
    }
    Ok(spec)
}
