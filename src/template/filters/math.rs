//! Numbers: conversion, rounding, logarithms, sizes for people.

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::clock::{Clock, operand};
use super::super::fail::{Fail, R};
use super::super::ops::{self, Number};
use super::super::val::Val;
use super::super::{printf, regex};
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("abs", abs),
    ("float", float),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("int", int),
    ("log", log),
    ("pow", pow),
    ("root", root),
    ("round", round),
];

/// The float of a number; an error for anything else.
pub fn float_of(value: &Val) -> R<f64> {
    match (ops::number(value), value) {
        (Some(number), _) => Ok(ops::float(number)),
        (None, Val::V(Value::Str(text))) => {
            let plain = text.trim();
            // Python allows `_` between digits.
            let joined = plain.replace('_', "");
            let between = !plain.starts_with('_') && !plain.ends_with('_') && !plain.contains("__");
            if between { joined.parse() } else { plain.parse::<f64>() }
                .map_err(|_| Fail::msg(format!("`{text}` is not a number")))
        }
        _ => Err(Fail::msg(format!("a number is expected, not {}", value.kind()))),
    }
}

fn only_number(value: &Val, function: &str) -> R<f64> {
    ops::number(value).map(ops::float).ok_or_else(|| {
        let found = value.type_name();
        let words = match function {
            "human_readable" => {
                format!(
                    "human_readable() failed on bad input: '>=' not supported between instances of '{found}' and 'int'"
                )
            }
            "round" => format!("type {found} doesn't define __round__ method"),
            _ => format!("{function}() can only be used on numbers: must be real number, not {found}"),
        };
        Fail::said(format!("a number is expected, not {}", value.kind()), words)
    })
}

fn abs(_: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    match ops::number(&value) {
        Some(Number::Int(int)) if int < 0 => ops::negative(&value),
        Some(Number::Float(float)) => Ok(Val::from(float.abs())),
        Some(Number::Int(_)) => Ok(value),
        None if matches!(value, Val::Clock(Clock::Delta(micros)) if micros < 0) => ops::negative(&value),
        None if matches!(value, Val::Clock(Clock::Delta(_))) => Ok(value),
        None => Err(Fail::said(
            format!("a number is expected, not {}", value.kind()),
            format!("bad operand type for abs(): '{}'", operand(&value)),
        )),
    }
}

fn int(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let default = args.take(0, "default").unwrap_or_else(|| Val::from(0_i64));
    let base = args.int(1, "base")?.unwrap_or(10);
    args.finish()?;
    let _ = call;
    #[expect(clippy::cast_possible_truncation, reason = "int(float) truncates")]
    let from_float = |float: f64| float.is_finite().then(|| Val::from(float.trunc() as i128));
    let found = match &value {
        Val::V(Value::Int(_) | Value::BigInt(_)) => return Ok(value),
        Val::V(Value::Bool(flag)) => Some(Val::from(i128::from(*flag))),
        Val::V(Value::Float(float)) => from_float(*float),
        Val::V(Value::Str(text)) => {
            parse_int(text, base).or_else(|| text.trim().parse::<f64>().ok().and_then(from_float))
        }
        _ => None,
    };
    Ok(found.unwrap_or(default))
}

fn parse_int(text: &str, base: i128) -> Option<Val> {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| *c != '_')
        .map(|c| match super::super::codec::decimal(c) {
            Some(digit) if !c.is_ascii() => char::from_digit(digit, 10).unwrap_or(c),
            _ => c,
        })
        .collect();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let lower = digits.to_lowercase();
    let (base, digits) = match base {
        16 => (16, lower.strip_prefix("0x").unwrap_or(&lower)),
        8 => (8, lower.strip_prefix("0o").unwrap_or(&lower)),
        2 => (2, lower.strip_prefix("0b").unwrap_or(&lower)),
        0 => match lower.get(..2) {
            Some("0x") => (16, &lower[2..]),
            Some("0o") => (8, &lower[2..]),
            Some("0b") => (2, &lower[2..]),
            _ => (10, lower.as_str()),
        },
        base => (u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?, lower.as_str()),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    match i128::from_str_radix(digits, base) {
        Ok(int) => Some(Val::from(if negative { -int } else { int })),
        Err(_) if base == 10 => {
            let digits = digits.trim_start_matches('0');
            Some(Val::V(Value::BigInt(if negative { format!("-{digits}").into() } else { digits.into() })))
        }
        Err(_) => None,
    }
}

fn float(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let default = args.take(0, "default").unwrap_or_else(|| Val::from(0.0));
    args.finish()?;
    Ok(float_of(&value).map_or(default, Val::from))
}

fn round(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let precision = args.int(0, "precision")?.unwrap_or(0);
    let method = args.take(1, "method").and_then(|method| method.as_text()).unwrap_or_else(|| "common".into());
    args.finish()?;
    let number = only_number(&value, "round")?;
    let precision = i32::try_from(precision.clamp(-300, 300)).unwrap_or(0);
    let factor = 10_f64.powi(precision);
    let rounded = match &*method {
        "common" if precision >= 0 => {
            // Python rounds the exact decimal value, half to even.
            let digits = usize::try_from(precision).unwrap_or(0);
            format!("{number:.digits$}").parse().unwrap_or(number)
        }
        "common" => (number * factor).round_ties_even() / factor,
        "ceil" => (number * factor).ceil() / factor,
        "floor" => (number * factor).floor() / factor,
        _ => {
            let words = "method must be common, ceil or floor";
            return Err(Fail::said("the method is `common`, `ceil` or `floor`", words));
        }
    };
    match (&*method, &value) {
        ("common", Val::V(Value::Bool(flag))) if precision >= 0 => Ok(Val::from(i128::from(*flag))),
        #[expect(clippy::cast_possible_truncation, reason = "rounding an integer gives one")]
        ("common", Val::V(Value::Int(int))) => Ok(Val::from(if precision >= 0 { *int } else { rounded as i128 })),
        _ => Ok(Val::from(rounded)),
    }
}

fn log(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let base = args.take(0, "base").map(|base| only_number(&base, "log")).transpose()?;
    args.finish()?;
    let number = only_number(&value, "log")?;
    if number <= 0.0 {
        return Err(Fail::said("the logarithm needs a number above 0", "math domain error"));
    }
    Ok(Val::from(match base {
        None => number.ln() / 1.0,
        Some(10.0) => number.log10(),
        Some(base) => number.ln() / base.ln(),
    }))
}

fn pow(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let power = only_number(&args.need(0, "y")?, "pow")?;
    args.finish()?;
    Ok(Val::from(only_number(&value, "pow")?.powf(power)))
}

fn root(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let base = args.take(0, "base").map_or(Ok(2.0), |base| only_number(&base, "root"))?;
    args.finish()?;
    let number = only_number(&value, "root")?;
    if number < 0.0 {
        return Err(Fail::said(
            "the root needs a number from 0 up",
            "root() can only be used on numbers: math domain error",
        ));
    }
    #[expect(clippy::float_cmp, reason = "the square root is exact")]
    Ok(Val::from(if base == 2.0 { number.sqrt() } else { number.powf(1.0 / base) }))
}

const UNITS: [(char, f64); 9] = [
    ('Y', 1_208_925_819_614_629_174_706_176.0),
    ('Z', 1_180_591_620_717_411_303_424.0),
    ('E', 1_152_921_504_606_846_976.0),
    ('P', 1_125_899_906_842_624.0),
    ('T', 1_099_511_627_776.0),
    ('G', 1_073_741_824.0),
    ('M', 1_048_576.0),
    ('K', 1024.0),
    ('B', 1.0),
];

fn human_readable(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let bits = args.flag(0, "isbits", false)?;
    let unit = args.text(call, 1, "unit")?;
    args.finish()?;
    let size = only_number(&value, "human_readable")?;
    let base = if bits { "bits" } else { "Bytes" };
    let found = UNITS.iter().find(|(name, limit)| match &unit {
        None => size >= *limit,
        Some(unit) => unit.chars().next().is_some_and(|first| first.eq_ignore_ascii_case(name)),
    });
    let (name, limit) = found.copied().unwrap_or(('B', 1.0));
    let suffix = if limit > 1.0 { format!("{name}{}", if bits { "b" } else { "B" }) } else { base.to_owned() };
    let number = printf::percent(call.cx(), "%.2f", &Val::from(size / limit))?;
    Ok(Val::from(format!("{number} {suffix}")))
}

fn human_to_bytes(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let default = args.text(call, 0, "default_unit")?;
    let bits = args.flag(1, "isbits", false)?;
    args.finish()?;
    let text = call.text(&value)?;
    let fail = |why: &str, words: String| {
        let words = format!("human_to_bytes() can't interpret the input: human_to_bytes() {words}");
        Fail::said(format!("`{text}` is not a size: {why}"), words)
    };
    let no_number = || fail("no number", format!("can't interpret following string: {text}"));
    let pattern = regex::compile(r"^([0-9]*\.?[0-9]+)(?:\s*([A-Za-z]+))?\s*$", false, false)?;
    let found = regex::search(&pattern, &text, "search")?.ok_or_else(no_number)?;
    let number: f64 = found.get(1).and_then(|m| m.as_str().parse().ok()).ok_or_else(no_number)?;
    let unit = found.get(2).map(|m| m.as_str().to_owned()).or_else(|| default.map(|unit| unit.to_string()));
    let Some(unit) = unit else { return Ok(rounded(number)) };
    let first = unit.chars().next().unwrap_or('B').to_ascii_uppercase();
    let Some((_, limit)) = UNITS.iter().find(|(name, _)| *name == first) else {
        let words =
            format!("failed to convert {text} (unit = {unit}). The suffix must be one of Y, Z, E, P, T, G, M, K, B");
        return Err(fail("the unit is not known", words));
    };
    let (letter, word) = if bits { ("b", "bit") } else { ("B", "byte") };
    if unit.chars().count() > 1 {
        let prefix = match first {
            'K' => "kilo",
            'M' => "mega",
            'G' => "giga",
            'T' => "tera",
            'P' => "peta",
            'E' => "exa",
            'Z' => "zeta",
            'Y' => "yotta",
            _ => "",
        };
        let short = if first == 'B' { letter.to_owned() } else { format!("{first}{letter}") };
        if unit.to_lowercase() != format!("{prefix}{word}") && unit != short {
            let wanted = if first == 'B' { word.to_owned() } else { first.to_string() };
            let words = format!("failed to convert {text}. Value is not a valid string (expect {short} or {wanted})");
            return Err(fail(&format!("expected a unit like `{short}`"), words));
        }
    }
    Ok(rounded(number * limit))
}

#[expect(clippy::cast_possible_truncation, reason = "int(round(..))")]
fn rounded(number: f64) -> Val {
    Val::from(number.round_ties_even() as i128)
}
