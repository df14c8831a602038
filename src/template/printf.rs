//! Python's `%` formatting and `str.format`.

use std::fmt::Write as _;

use crate::value::{Value, python_float};

use super::cx::Cx;
use super::fail::{Fail, R};
use super::ops::{self, Number};
use super::text::{repr_of, str_of};
use super::val::Val;

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
        Val::List(list) if list.tuple => Some(list.items(cx)?),
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
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, next: &mut usize| -> R<Option<usize>> {
            if chars.peek() == Some(&'*') {
                chars.next();
                return match take(next)? {
                    Val::V(Value::Int(int)) => Ok(usize::try_from(int).ok()),
                    _ => Err(Fail::msg("`*` in a format wants an integer")),
                };
            }
            let mut digits = String::new();
            while let Some(c) = chars.peek().copied().filter(char::is_ascii_digit) {
                digits.push(c);
                chars.next();
            }
            Ok(digits.parse().ok())
        };
        spec.width = number(&mut chars, &mut next)?.unwrap_or(0);
        if chars.peek() == Some(&'.') {
            chars.next();
            spec.precision = Some(number(&mut chars, &mut next)?.unwrap_or(0));
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
                _ => str_of(cx, &value)?,
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
                let number = match (kind, number) {
                    #[expect(clippy::cast_possible_truncation, reason = "Python truncates for %d too")]
                    ('d', Number::Float(float)) => Number::Int(float as i128),
                    (_, number) => number,
                };
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
        pad(&mut out, &text, &Spec { align, ..spec })?;
    }
    let given = tuple.as_ref().map_or(usize::from(!matches!(values, Val::Map(_) | Val::List(_))), Vec::len);
    if !used_map && next < given {
        return Err(Fail::said(
            "not all arguments are used in the format string",
            "not all arguments converted during string formatting",
        ));
    }
    Ok(out)
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

fn layout_number(number: Number, spec: &Spec) -> R<String> {
    let precision = spec.precision.unwrap_or(6);
    if precision > 1000 || spec.width > MAX_WIDTH {
        return Err(Fail::msg("the precision or width of a format is too large"));
    }
    let negative = match number {
        Number::Int(int) => int < 0,
        Number::Float(float) => float.is_sign_negative() && !float.is_nan(),
    };
    let float = ops::float(number).abs();
    let size = match number {
        Number::Int(int) => int.unsigned_abs(),
        Number::Float(_) => 0,
    };
    let is_float = matches!(number, Number::Float(_));
    let mut prefix = "";
    let digits = match spec.kind {
        Some('d') | None if !is_float => size.to_string(),
        Some('x' | 'X' | 'o' | 'b' | 'd') if is_float => {
            return Err(Fail::msg("this format wants an integer, not a float"));
        }
        Some('x') => {
            prefix = "0x";
            format!("{size:x}")
        }
        Some('X') => {
            prefix = "0X";
            format!("{size:X}")
        }
        Some('o') => {
            prefix = "0o";
            format!("{size:o}")
        }
        Some('b') => {
            prefix = "0b";
            format!("{size:b}")
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

fn fixed(float: f64, precision: usize) -> String {
    if float.is_nan() {
        "nan".to_owned()
    } else if float.is_infinite() {
        "inf".to_owned()
    } else {
        format!("{float:.precision$}")
    }
}

fn exponent(float: f64, precision: usize) -> String {
    if !float.is_finite() {
        return fixed(float, 0);
    }
    let text = format!("{float:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A float with a precision and no letter: as `g`, but it stays a float to the eye.
fn short(float: f64, precision: usize) -> String {
    let digits = general(float, precision, false);
    if !float.is_finite() || digits.contains('e') {
        return digits;
    }
    let whole = digits.split('.').next().map_or(0, str::len);
    if float >= 1.0 && whole >= precision {
        let scientific = exponent(float, precision - 1);
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        return format!("{digits}e{power}");
    }
    if digits.contains('.') { digits } else { digits + ".0" }
}

fn general(float: f64, precision: usize, keep: bool) -> String {
    if !float.is_finite() {
        return fixed(float, 0);
    }
    let scientific = exponent(float, precision - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let strip = |text: &str| {
        if keep || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if power < -4 || power >= limit {
        let (digits, rest) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{rest}", strip(digits));
    }
    let places = usize::try_from(limit - 1 - power).unwrap_or(0);
    strip(&fixed(float, places))
}

fn grouped(digits: &str, group: char) -> String {
    grouped_by(digits, group, 3)
}

fn grouped_by(digits: &str, group: char, every: usize) -> String {
    let (whole, rest) = digits.find(['.', 'e']).map_or((digits, ""), |at| digits.split_at(at));
    let mut out = String::new();
    for (index, c) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(every) {
            out.push(group);
        }
        out.push(c);
    }
    out + rest
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
        out.push_str(&one(cx, &value, &spec)?);
    }
    out.push_str(rest);
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
    let number = |at: &mut usize| -> Option<usize> {
        let mut digits = String::new();
        while let Some(c) = chars.get(*at).filter(|c| c.is_ascii_digit()) {
            digits.push(*c);
            *at += 1;
        }
        digits.parse().ok()
    };
    spec.width = number(&mut at).unwrap_or(0);
    if let Some(group) = chars.get(at).copied().filter(|c| ",_".contains(*c)) {
        spec.group = Some(group);
        at += 1;
    }
    if chars.get(at) == Some(&'.') {
        at += 1;
        spec.precision = number(&mut at);
    }
    spec.kind = chars.get(at).copied();
    if chars.len() > at + 1 {
        let mut message = String::new();
        let _ = write!(message, "the format `{text}` can not be read");
        return Err(Fail::msg(message));
    }
    Ok(spec)
}
