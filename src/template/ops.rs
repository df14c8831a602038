//! Python's operators: arithmetic, comparison, containment, slices.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::value::{Key, Value};

use super::bigint::Big;
use super::clock::Clock;
use super::code::{Bin, Cmp};
use super::cx::Cx;
use super::fail::{Fail, R};
use super::text::str_of;
use super::val::Val;

fn unsupported(op: &str, left: &Val, right: &Val) -> Fail {
    let (a, b) = (super::clock::operand(left), super::clock::operand(right));
    let words = match (op, left) {
        _ if matches!(left, Val::List(list) if list.is_range()) => {
            format!("unsupported operand type(s) for {op}: '{a}' and '{b}'")
        }
        ("+", Val::V(Value::Str(_)) | Val::List(_)) => format!("can only concatenate {a} (not \"{b}\") to {a}"),
        ("*", Val::V(Value::Str(_)) | Val::List(_)) => format!("can't multiply sequence by non-int of type '{b}'"),
        ("**", _) => format!("unsupported operand type(s) for ** or pow(): '{a}' and '{b}'"),
        _ => format!("unsupported operand type(s) for {op}: '{a}' and '{b}'"),
    };
    let fail = Fail::said(format!("`{op}` does not work on {} and {}", left.kind(), right.kind()), words);
    match (left, right) {
        (Val::V(Value::Str(_)), Val::V(Value::Int(_) | Value::Float(_))) if op != "%" => {
            fail.with_hint("turn the text into a number with `| int`, or join text with `~`")
        }
        (Val::V(Value::Int(_) | Value::Float(_)), Val::V(Value::Str(_))) => {
            fail.with_hint("turn the text into a number with `| int`, or join text with `~`")
        }
        (Val::Map(_), Val::Map(_)) => fail.with_hint("merge mappings with `| combine(...)`"),
        _ => fail,
    }
}

fn too_large() -> Fail {
    Fail::msg("the number is too large")
}

/// A number of Python's tower.
#[derive(Clone, Copy)]
pub enum Number<'v> {
    /// An integer, or a boolean as one.
    Int(i128),
    /// An integer beyond that, as its decimal digits.
    Big(&'v str),
    /// A float.
    Float(f64),
}

/// The number of a value; booleans are numbers.
pub fn number(val: &Val) -> Option<Number<'_>> {
    match val {
        Val::V(Value::Int(int)) => Some(Number::Int(*int)),
        Val::V(Value::Bool(flag)) => Some(Number::Int(i128::from(*flag))),
        Val::V(Value::Float(float)) => Some(Number::Float(*float)),
        Val::V(Value::BigInt(digits)) => Some(Number::Big(digits)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "Python's float(int) rounds too")]
/// The float of a number.
pub fn float(number: Number<'_>) -> f64 {
    match number {
        Number::Int(int) => int as f64,
        Number::Big(digits) => digits.parse().unwrap_or(f64::INFINITY),
        Number::Float(float) => float,
    }
}

/// Applies a two-sided operator (`and` and `or` are the evaluator's).
pub fn binary(cx: &Cx, op: Bin, left: &Val, right: &Val) -> R<Val> {
    // An `if` without `else` that is false joins as nothing.
    let empty = Val::from("");
    let soft = |side: &Val| matches!(side, Val::Undef(undef) if matches!(undef.what, super::fail::What::Soft));
    let joined = |side| if op == Bin::Concat && soft(side) { &empty } else { side };
    let (left, right) = (joined(left), joined(right));
    for side in [left, right] {
        if let Val::Undef(undef) = side {
            return Err(Fail::Undef(std::rc::Rc::clone(undef)));
        }
    }
    match op {
        Bin::Concat => {
            let (left, right) = (str_of(cx, left)?, str_of(cx, right)?);
            cx.room_for_text(left.len() + right.len())?;
            return Ok(Val::from(left + &right));
        }
        Bin::Rem => {
            if let Val::V(Value::Str(format)) = left {
                return super::printf::percent(cx, format, right).map(Val::from);
            }
        }
        Bin::Add => match (left, right) {
            (Val::V(Value::Str(a)), Val::V(Value::Str(b))) => {
                cx.room_for_text(a.len() + b.len())?;
                return Ok(Val::from([&**a, &**b].concat()));
            }
            (Val::List(a), Val::List(b)) if a.kind == b.kind && !a.is_range() => {
                cx.room_for_items(a.len() + b.len())?;
                let mut items = a.items(cx)?;
                items.extend(b.items(cx)?);
                return Ok(if a.is_tuple() { Val::tuple(items) } else { Val::list(items) });
            }
            _ => {}
        },
        Bin::Mul => match (left, right) {
            (Val::V(Value::Str(text)), count) | (count, Val::V(Value::Str(text))) => {
                if let Some(Number::Int(count)) = number(count) {
                    let count = repeat_count(count);
                    cx.room_for_product(text.len(), count)?;
                    return Ok(Val::from(text.repeat(count)));
                }
            }
            (Val::List(list), count) | (count, Val::List(list)) => {
                if let Some(Number::Int(count)) = number(count) {
                    let items = list.items(cx)?;
                    // Nothing stays nothing, however often.
                    let count = if items.is_empty() { 0 } else { repeat_count(count) };
                    cx.room_for_items(items.len().saturating_mul(count))?;
                    let items: Vec<Val> = (0..count).flat_map(|_| items.iter().cloned()).collect();
                    return Ok(if list.is_tuple() { Val::tuple(items) } else { Val::list(items) });
                }
            }
            _ => {}
        },
        _ => {}
    }
    if let Some(found) = super::clock::binary(op, left, right) {
        return found;
    }
    let sign = match op {
        Bin::Add => "+",
        Bin::Sub => "-",
        Bin::Mul => "*",
        Bin::Div => "/",
        Bin::FloorDiv => "//",
        Bin::Rem => "%",
        Bin::Pow => "**",
        Bin::Concat | Bin::And | Bin::Or => "~",
    };
    let (Some(a), Some(b)) = (number(left), number(right)) else { return Err(unsupported(sign, left, right)) };
    let any_big = [left, right].iter().any(|side| matches!(side, Val::V(Value::BigInt(_))));
    if any_big
        && let (Some(a), Some(b)) = (big(left), big(right))
        && let Some(value) = big_op(op, &a, &b)?
    {
        return Ok(value);
    }
    if [a, b].iter().any(|side| matches!(side, Number::Big(_)) && float(*side).is_infinite()) {
        let both = !matches!(a, Number::Float(_)) && !matches!(b, Number::Float(_));
        let words = "integer division result too large for a float";
        return Err(if op == Bin::Div && both { Fail::said("the quotient is too large", words) } else { no_float() });
    }
    if matches!(op, Bin::Div | Bin::FloorDiv | Bin::Rem) && float(b) == 0.0 {
        let words = match (op, a, b) {
            (Bin::FloorDiv, Number::Int(_), Number::Int(_)) => "integer division or modulo by zero",
            (Bin::Rem, Number::Int(_), Number::Int(_)) => "integer modulo by zero",
            (Bin::FloorDiv, ..) => "float floor division by zero",
            (Bin::Rem, ..) => "float modulo",
            (_, Number::Int(_), Number::Int(_)) => "division by zero",
            _ => "float division by zero",
        };
        return Err(Fail::said("division by zero", words));
    }
    let zero_power = matches!(op, Bin::Pow) && float(a) == 0.0 && float(b) < 0.0;
    if zero_power {
        return Err(Fail::said("zero has no negative power", "0.0 cannot be raised to a negative power"));
    }
    if op == Bin::Pow && float(a) < 0.0 && float(a).is_finite() && float(b).is_finite() && float(b).fract() != 0.0 {
        return Err(Fail::said("a negative number has no root", "Type 'complex' is unsupported for variable storage."));
    }
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        let int = match op {
            Bin::Add => a.checked_add(b),
            Bin::Sub => a.checked_sub(b),
            Bin::Mul => a.checked_mul(b),
            Bin::FloorDiv => floor_div(a, b).map(|(quotient, _)| quotient),
            Bin::Rem => floor_div(a, b).map(|(_, rest)| rest),
            Bin::Pow if b >= 0 => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            _ => return Ok(Val::from(float_op(op, Number::Int(a), Number::Int(b)))),
        };
        return match int {
            Some(int) => Ok(Val::from(int)),
            None => big_op(op, &Big::from(a), &Big::from(b))?.ok_or_else(too_large),
        };
    }
    Ok(Val::from(float_op(op, a, b)))
}

/// An integer of any size.
fn big(val: &Val) -> Option<Big> {
    match val {
        Val::V(Value::BigInt(digits)) => Big::parse(digits),
        Val::V(Value::Int(int)) => Some(Big::from(*int)),
        Val::V(Value::Bool(flag)) => Some(Big::from(i128::from(*flag))),
        _ => None,
    }
}

/// Arithmetic without a limit of 128 bits; `None` where the result is a float.
fn big_op(op: Bin, a: &Big, b: &Big) -> R<Option<Val>> {
    let zero = Big::from(0);
    let divides = matches!(op, Bin::FloorDiv | Bin::Rem);
    if divides && *b == zero {
        return Err(Fail::said("division by zero", "integer division or modulo by zero"));
    }
    let found = match op {
        Bin::Add => a.add(b),
        Bin::Sub => a.add(&b.negated()),
        Bin::Mul => a.mul(b),
        Bin::FloorDiv => a.div_floor(b).map(|(quotient, _)| quotient),
        Bin::Rem => a.div_floor(b).map(|(_, rest)| rest),
        Bin::Pow if b.order(&zero) != Ordering::Less => {
            b.small().and_then(|power| u32::try_from(power).ok()).and_then(|power| a.pow(power))
        }
        _ => return Ok(None),
    };
    let found = found.ok_or_else(too_large)?;
    Ok(Some(integer(&found)))
}

/// An integer of any size as a value.
pub fn integer(big: &Big) -> Val {
    big.small().map_or_else(|| Val::V(Value::BigInt(big.digits().into())), Val::from)
}

/// The whole part of a float as an integer of any size.
pub fn truncated(float: f64) -> R<Val> {
    let what = if float.is_nan() { "float NaN" } else { "float infinity" };
    let words = || Fail::said("this is no whole number", format!("cannot convert {what} to integer"));
    Big::truncated(float).map(|big| integer(&big)).ok_or_else(words)
}

/// An integer beyond all floats.
pub fn no_float() -> Fail {
    Fail::said("the integer is too large for a float", "int too large to convert to float")
}

/// The exact order of two numbers, an integer and a float too; `None` for what is no number at all.
fn exact(a: Number<'_>, b: Number<'_>) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Float(_), _) => exact(b, a).map(Ordering::reverse),
        (_, Number::Float(float)) if float.is_nan() => None,
        (_, Number::Float(float)) if float.is_infinite() => Some(0.0_f64.total_cmp(&float)),
        (Number::Int(int), Number::Float(float)) if super::keys::whole(float.trunc()).is_some() => {
            let whole = super::keys::whole(float.trunc())?;
            Some(int.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)))
        }
        _ => Some(limbs(a)?.order(&limbs(b)?)),
    }
}

/// The whole part of a number without a limit.
fn limbs(number: Number<'_>) -> Option<Big> {
    match number {
        Number::Int(int) => Some(Big::from(int)),
        Number::Big(digits) => Big::parse(digits),
        Number::Float(float) => Big::truncated(float),
    }
}

fn repeat_count(count: i128) -> usize {
    usize::try_from(count.max(0)).unwrap_or(usize::MAX)
}

fn floor_div(a: i128, b: i128) -> Option<(i128, i128)> {
    let (mut quotient, mut rest) = (a.checked_div(b)?, a.checked_rem(b)?);
    if rest != 0 && (rest < 0) != (b < 0) {
        quotient = quotient.checked_sub(1)?;
        rest = rest.checked_add(b)?;
    }
    Some((quotient, rest))
}

fn float_op(op: Bin, a: Number<'_>, b: Number<'_>) -> f64 {
    let (a, b) = (float(a), float(b));
    match op {
        Bin::Add => a + b,
        Bin::Sub => a - b,
        Bin::Mul => a * b,
        Bin::Div => a / b,
        // As Python's `divmod`: the quotient fits the rest, and a rest of zero has the sign of the divisor.
        Bin::FloorDiv | Bin::Rem => {
            let rest = a % b;
            let wraps = rest != 0.0 && (rest < 0.0) != (b < 0.0);
            if op == Bin::FloorDiv {
                let quotient = ((a - rest) / b - f64::from(u8::from(wraps))).round();
                return if quotient == 0.0 { 0.0_f64.copysign(a / b) } else { quotient };
            }
            if wraps {
                rest + b
            } else if rest == 0.0 {
                rest.copysign(b)
            } else {
                rest
            }
        }
        _ => a.powf(b),
    }
}

/// `-value`.
pub fn negative(val: &Val) -> R<Val> {
    match (val, number(val)) {
        (Val::V(Value::BigInt(digits)), _) => Ok(Val::V(Value::BigInt(match digits.strip_prefix('-') {
            Some(rest) => rest.into(),
            None => format!("-{digits}").into(),
        }))),
        (_, Some(Number::Int(int))) => match int.checked_neg() {
            Some(int) => Ok(Val::from(int)),
            None => Ok(Val::V(Value::BigInt(Big::from(int).negated().digits().into()))),
        },
        (_, Some(Number::Float(float))) => Ok(Val::from(-float)),
        (Val::Clock(Clock::Delta(micros)), _) => super::clock::negated(*micros),
        (Val::Undef(undef), _) => Err(Fail::Undef(std::rc::Rc::clone(undef))),
        _ => Err(Fail::said(
            format!("`-` does not work on {}", val.kind()),
            format!("bad operand type for unary -: '{}'", super::clock::operand(val)),
        )),
    }
}

/// Python's `==`.
pub fn equal(cx: &Cx, a: &Val, b: &Val) -> R<bool> {
    match (a, b) {
        (Val::Undef(undef), _) | (_, Val::Undef(undef)) => Err(Fail::Undef(std::rc::Rc::clone(undef))),
        (Val::V(Value::Str(a)), Val::V(Value::Str(b))) => Ok(a == b),
        (Val::List(a), Val::List(b)) => {
            let same = a.kind == b.kind || a.is_range() && b.is_range();
            if !same || a.len() != b.len() {
                return Ok(false);
            }
            let _deeper = cx.deeper()?;
            for index in 0..a.len() {
                cx.step(1)?;
                let (Some(a), Some(b)) = (a.get(cx, index)?, b.get(cx, index)?) else { return Ok(false) };
                if !equal(cx, &a, &b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Map(a), Val::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            let _deeper = cx.deeper()?;
            for (key, value) in a.items(cx)? {
                cx.step(1)?;
                match b.get(cx, &key)? {
                    Some(other) if equal(cx, &value, &other)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Val::Omit, Val::Omit) => Ok(true),
        (Val::Clock(_) | Val::V(Value::DateTime(..)), _) | (_, Val::Clock(_))
            if super::clock::equal(a, b).is_some() =>
        {
            Ok(super::clock::equal(a, b) == Some(true))
        }
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => Ok(exact(a, b) == Some(Ordering::Equal)),
            _ => Ok(match (a, b) {
                (Val::V(a), Val::V(b)) => a == b,
                _ => false,
            }),
        },
    }
}

/// Python's order; an error for types that have none.
pub fn order(cx: &Cx, a: &Val, b: &Val) -> R<Ordering> {
    match (a, b) {
        (Val::Undef(undef), _) | (_, Val::Undef(undef)) => return Err(Fail::Undef(std::rc::Rc::clone(undef))),
        (Val::V(Value::Str(a)), Val::V(Value::Str(b))) => return Ok(a.cmp(b)),
        (Val::V(Value::Bytes(a)), Val::V(Value::Bytes(b))) => return Ok(a.cmp(b)),
        (Val::V(Value::Date(a)), Val::V(Value::Date(b))) => return Ok(a.cmp(b)),
        (Val::V(Value::Date(a)), Val::V(Value::DateTime(b, None))) => return Ok(a.cmp(&b.date())),
        (Val::V(Value::DateTime(a, None)), Val::V(Value::Date(b))) => return Ok(a.date().cmp(b)),
        (Val::List(a), Val::List(b)) => {
            let _deeper = cx.deeper()?;
            for index in 0..a.len().min(b.len()) {
                if let (Some(a), Some(b)) = (a.get(cx, index)?, b.get(cx, index)?)
                    && !equal(cx, &a, &b)?
                {
                    return order(cx, &a, &b);
                }
            }
            return Ok(a.len().cmp(&b.len()));
        }
        _ => {}
    }
    if let Some(found) = super::clock::order(a, b) {
        return found;
    }
    match (number(a), number(b)) {
        (Some(a), Some(b)) => Ok(exact(a, b).unwrap_or(Ordering::Greater)),
        _ => Err(Fail::said(
            format!("{} and {} can not be compared by order", a.kind(), b.kind()),
            format!(
                "'<' not supported between instances of '{}' and '{}'",
                super::clock::operand(a),
                super::clock::operand(b)
            ),
        )
        .with_hint("convert one of them, for example with `| int`")),
    }
}

/// True for two numbers of which one is no number at all: no comparison of them holds.
pub fn unordered(a: &Val, b: &Val) -> bool {
    let nan = |val| matches!(val, &Val::V(Value::Float(float)) if float.is_nan());
    (nan(a) || nan(b)) && number(a).is_some() && number(b).is_some()
}

/// One comparison.
pub fn compare(cx: &Cx, op: Cmp, a: &Val, b: &Val) -> R<bool> {
    Ok(match op {
        Cmp::Eq => equal(cx, a, b)?,
        Cmp::Ne => !equal(cx, a, b)?,
        Cmp::Lt | Cmp::Le | Cmp::Gt | Cmp::Ge if unordered(a, b) => false,
        Cmp::Lt => order(cx, a, b)? == Ordering::Less,
        Cmp::Le => order(cx, a, b)? != Ordering::Greater,
        Cmp::Gt => order(cx, a, b)? == Ordering::Greater,
        Cmp::Ge => order(cx, a, b)? != Ordering::Less,
        Cmp::In => contains(cx, b, a)?,
        Cmp::NotIn => !contains(cx, b, a)?,
    })
}

/// `item in container`.
pub fn contains(cx: &Cx, container: &Val, item: &Val) -> R<bool> {
    if let Val::Undef(undef) = item {
        return Err(Fail::Undef(std::rc::Rc::clone(undef)));
    }
    match container {
        Val::V(Value::Str(text)) => match item {
            Val::V(Value::Str(part)) => Ok(text.contains(&**part)),
            other => Err(Fail::said(
                format!("`in` a string needs a string, not {}", other.kind()),
                format!("'in <string>' requires string as left operand, not {}", other.type_name()),
            )
            .with_hint("turn it into text with `| string`")),
        },
        Val::List(list) => {
            cx.step(list.len() as u64)?;
            for index in 0..list.len() {
                if let Some(other) = list.get(cx, index)?
                    && equal(cx, &other, item)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => match item {
            Val::V(value) => Ok(Key::from_value(value).is_some_and(|key| map.has(&key))),
            Val::List(list) if list.is_tuple() => Ok(false),
            other => other.key().map(|_| false),
        },
        Val::Undef(undef) => Err(Fail::Undef(std::rc::Rc::clone(undef))),
        other => Err(Fail::said(
            format!("`in` does not work on {}", other.kind()),
            format!("argument of type '{}' is not iterable", other.type_name()),
        )),
    }
}

/// `value[index]`; `None` if there is no such item.
pub fn item(cx: &Cx, base: &Val, index: &Val) -> R<Option<Val>> {
    match base {
        Val::Map(map) => match index {
            Val::V(Value::Str(text)) => map.get_str(cx, text),
            Val::V(value) => match Key::from_value(value) {
                Some(key) => map.get(cx, &key),
                None => Ok(None),
            },
            Val::Undef(undef) => Err(Fail::Undef(std::rc::Rc::clone(undef))),
            _ => Ok(None),
        },
        Val::List(list) => match number(index) {
            Some(Number::Int(at)) => match position(at, list.len()) {
                Some(at) => list.get(cx, at),
                None => Ok(None),
            },
            _ => Ok(None),
        },
        Val::V(Value::Bytes(bytes)) => match number(index) {
            Some(Number::Int(at)) => {
                Ok(position(at, bytes.len()).and_then(|at| bytes.get(at)).map(|byte| Val::from(i128::from(*byte))))
            }
            _ => Ok(None),
        },
        Val::V(Value::Str(text)) => match number(index) {
            Some(Number::Int(at)) => {
                Ok(position(at, text.chars().count()).and_then(|at| text.chars().nth(at)).map(|c| c.to_string().into()))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// A Python index as a position.
pub fn position(index: i128, len: usize) -> Option<usize> {
    let len = i128::try_from(len).ok()?;
    let index = if index < 0 { index + len } else { index };
    usize::try_from(index).ok().filter(|index| i128::try_from(*index).is_ok_and(|index| index < len))
}

/// `value[start:stop:step]`.
pub fn slice(cx: &Cx, base: &Val, start: &Val, stop: &Val, step: &Val) -> R<Val> {
    let int = |val: &Val| match val {
        Val::V(Value::Null) => Ok(None),
        Val::Undef(undef) => Err(Fail::Undef(std::rc::Rc::clone(undef))),
        other => match number(other) {
            Some(Number::Int(int)) => Ok(Some(int)),
            _ => Err(Fail::said(
                format!("a slice needs integers, not {}", other.kind()),
                "slice indices must be integers or None or have an __index__ method",
            )),
        },
    };
    let (start, stop, step) = (int(start)?, int(stop)?, int(step)?.unwrap_or(1));
    if step == 0 {
        return Err(Fail::said("the step of a slice can not be zero", "slice step cannot be zero"));
    }
    let pick = |len: usize| -> Vec<usize> {
        let len = i128::try_from(len).unwrap_or(i128::MAX);
        let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let clamp = |value: Option<i128>, default: i128| match value {
            None => default,
            Some(value) if value < 0 => value.saturating_add(len).max(low),
            Some(value) => value.min(high),
        };
        let (mut at, end) =
            if step > 0 { (clamp(start, 0), clamp(stop, len)) } else { (clamp(start, len - 1), clamp(stop, -1)) };
        let mut out = Vec::new();
        while if step > 0 { at < end } else { at > end } {
            out.extend(usize::try_from(at));
            at = match at.checked_add(step) {
                Some(at) => at,
                None => break,
            };
        }
        out
    };
    match base {
        Val::V(Value::Str(text)) => {
            let chars: Vec<char> = text.chars().collect();
            Ok(Val::from(pick(chars.len()).into_iter().filter_map(|at| chars.get(at)).collect::<String>()))
        }
        Val::V(Value::Bytes(bytes)) => {
            let picked: Vec<u8> = pick(bytes.len()).into_iter().filter_map(|at| bytes.get(at).copied()).collect();
            Ok(Val::V(Value::Bytes(Arc::from(picked))))
        }
        Val::List(list) => {
            let mut items = Vec::new();
            for at in pick(list.len()) {
                items.extend(list.get(cx, at)?);
            }
            Ok(if list.is_tuple() { Val::tuple(items) } else { Val::list(items) })
        }
        Val::Undef(undef) => Err(Fail::Undef(std::rc::Rc::clone(undef))),
        other => Err(Fail::msg(format!("{} can not be sliced", other.kind()))),
    }
}
