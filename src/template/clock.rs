//! What Python's `datetime` has beside dates and moments: `timedelta`, `time` and `timezone`, with the arithmetic
//! of all of them. Only a `time` is a value outside of a template, as its text.

use std::cmp::Ordering;
use std::fmt::Write as _;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use crate::value::Value;

use super::code::Bin;
use super::fail::{Fail, R};
use super::ops::{Number, number};
use super::val::Val;

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;
const MAX_DAYS: i128 = 999_999_999;

/// A time span, a time of day or a time zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `timedelta`, in microseconds.
    Delta(i128),
    /// `time`, with its zone's offset in minutes.
    Time(Time, Option<i16>),
    /// `timezone`: its offset in minutes.
    Zone(i16),
}

impl Clock {
    /// The type's name.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Delta(_) => "timedelta",
            Self::Time(..) => "time",
            Self::Zone(_) => "timezone",
        }
    }

    /// The type in messages.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Delta(_) => "a time span",
            Self::Time(..) => "a time of day",
            Self::Zone(_) => "a time zone",
        }
    }

    /// Python's truth: a span of nothing is false.
    pub fn truthy(self) -> bool {
        self != Self::Delta(0)
    }

    /// Plain data: only a time of day is some.
    pub fn value(self) -> R<Value> {
        match self {
            Self::Time(..) => Ok(Value::from(self.text())),
            Self::Delta(_) | Self::Zone(_) => {
                let words = format!("Type '{}' is unsupported for variable storage.", self.type_name());
                let fail = Fail::said(format!("{} is not a value that can be stored", self.kind()), words).rendering();
                Err(match self {
                    Self::Delta(_) => {
                        fail.with_hint("take its text with `| string`, or a number of it: `.days`, `.total_seconds()`")
                    }
                    _ => fail.with_hint("take its text with `| string`"),
                })
            }
        }
    }

    /// `str(value)`.
    pub fn text(self) -> String {
        match self {
            Self::Delta(micros) => {
                let (days, seconds, rest) = parts(micros);
                let mut text = String::new();
                if days != 0 {
                    let _ = write!(text, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" });
                }
                let _ = write!(text, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
                if rest != 0 {
                    let _ = write!(text, ".{rest:06}");
                }
                text
            }
            Self::Time(time, offset) => clock_text(time, "auto") + &offset_text(offset),
            Self::Zone(minutes) => zone_name(minutes),
        }
    }

    /// `repr(value)`.
    pub fn repr(self) -> String {
        match self {
            Self::Delta(0) => "datetime.timedelta(0)".to_owned(),
            Self::Delta(micros) => {
                let (days, seconds, rest) = parts(micros);
                let named = [("days", days), ("seconds", seconds), ("microseconds", rest)];
                let named =
                    named.iter().filter(|(_, value)| *value != 0).map(|(name, value)| format!("{name}={value}"));
                format!("datetime.timedelta({})", named.collect::<Vec<_>>().join(", "))
            }
            Self::Time(time, offset) => {
                let mut text = format!("datetime.time({}, {}", time.hour(), time.minute());
                let micros = time.subsec_nanosecond() / 1000;
                if time.second() != 0 || micros != 0 {
                    let _ = write!(text, ", {}", time.second());
                }
                if micros != 0 {
                    let _ = write!(text, ", {micros}");
                }
                if let Some(minutes) = offset {
                    let _ = write!(text, ", tzinfo={}", Self::Zone(minutes).repr());
                }
                text + ")"
            }
            Self::Zone(0) => "datetime.timezone.utc".to_owned(),
            Self::Zone(minutes) => format!("datetime.timezone({})", Self::Delta(of_minutes(minutes)).repr()),
        }
    }

    /// An attribute.
    pub fn attr(self, name: &str) -> Option<Val> {
        let int = |int: i64| Some(Val::from(int));
        match (self, name) {
            (Self::Delta(micros), "days") => Some(Val::from(parts(micros).0)),
            (Self::Delta(micros), "seconds") => Some(Val::from(parts(micros).1)),
            (Self::Delta(micros), "microseconds") => Some(Val::from(parts(micros).2)),
            (Self::Delta(_), "resolution") => Some(Val::Clock(Self::Delta(1))),
            (Self::Delta(_), "min") => Some(Val::Clock(Self::Delta(-MAX_DAYS * DAY))),
            (Self::Delta(_), "max") => Some(Val::Clock(Self::Delta((MAX_DAYS + 1) * DAY - 1))),
            (Self::Time(time, _), "hour") => int(time.hour().into()),
            (Self::Time(time, _), "minute") => int(time.minute().into()),
            (Self::Time(time, _), "second") => int(time.second().into()),
            (Self::Time(time, _), "microsecond") => int((time.subsec_nanosecond() / 1000).into()),
            (Self::Time(..), "fold") => int(0),
            (Self::Time(_, offset), "tzinfo") => Some(zone(offset)),
            _ => None,
        }
    }

    /// True if there is such a method.
    pub fn has(self, name: &str) -> bool {
        match self {
            Self::Delta(_) => name == "total_seconds",
            Self::Time(..) => matches!(name, "isoformat" | "strftime" | "utcoffset" | "tzname"),
            Self::Zone(_) => matches!(name, "utcoffset" | "tzname"),
        }
    }

    /// Calls a method.
    pub fn call(self, call: &super::args::Call, name: &str, mut args: super::args::Args) -> R<Val> {
        let found = match (self, name) {
            (Self::Delta(micros), "total_seconds") => Val::from(total_seconds(micros)),
            (Self::Time(time, offset), "isoformat") => {
                let spec = args.text(call, 0, "timespec")?;
                Val::from(clock_text(time, spec.as_deref().unwrap_or("auto")) + &offset_text(offset))
            }
            (Self::Time(time, offset), "strftime") => {
                let spec = args.text(call, 0, "format")?.unwrap_or_default();
                let at = DateTime::from_parts(jiff::civil::date(1900, 1, 1), time);
                Val::from(super::time::format_value(&Val::V(Value::DateTime(at, offset)), &spec)?)
            }
            (Self::Time(_, offset), "utcoffset") => offset_delta(offset),
            (Self::Time(_, offset), "tzname") => offset.map_or(Val::NONE, |minutes| Val::from(zone_name(minutes))),
            (Self::Zone(minutes), "utcoffset") => {
                args.take(0, "dt");
                offset_delta(Some(minutes))
            }
            (Self::Zone(minutes), "tzname") => {
                args.take(0, "dt");
                Val::from(zone_name(minutes))
            }
            _ => return Err(Fail::msg(format!("{} has no method `{name}`", self.kind()))),
        };
        args.finish()?;
        Ok(found)
    }
}

/// Days, seconds and microseconds of a span; only the days may be negative.
fn parts(micros: i128) -> (i128, i128, i128) {
    let rest = micros.rem_euclid(DAY);
    (micros.div_euclid(DAY), rest / SECOND, rest % SECOND)
}

#[expect(clippy::cast_precision_loss, reason = "Python's division rounds too")]
fn total_seconds(micros: i128) -> f64 {
    micros as f64 / 1e6
}

fn of_minutes(minutes: i16) -> i128 {
    i128::from(minutes) * 60 * SECOND
}

/// `tzinfo`.
pub fn zone(offset: Option<i16>) -> Val {
    offset.map_or(Val::NONE, |minutes| Val::Clock(Clock::Zone(minutes)))
}

/// `utcoffset()`.
pub fn offset_delta(offset: Option<i16>) -> Val {
    offset.map_or(Val::NONE, |minutes| Val::Clock(Clock::Delta(of_minutes(minutes))))
}

/// `+01:00`, or nothing.
pub fn offset_text(offset: Option<i16>) -> String {
    offset.map_or_else(String::new, |minutes| {
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)
    })
}

/// `UTC` or `UTC+01:00`.
pub fn zone_name(minutes: i16) -> String {
    if minutes == 0 { "UTC".to_owned() } else { format!("UTC{}", offset_text(Some(minutes))) }
}

/// A time of day as `isoformat` spells it.
pub fn clock_text(time: Time, spec: &str) -> String {
    let micros = time.subsec_nanosecond() / 1000;
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let mut text = format!("{hour:02}");
    if spec != "hours" {
        let _ = write!(text, ":{minute:02}");
    }
    if !matches!(spec, "hours" | "minutes") {
        let _ = write!(text, ":{second:02}");
    }
    match spec {
        "milliseconds" => {
            let _ = write!(text, ".{:03}", micros / 1000);
        }
        "microseconds" => {
            let _ = write!(text, ".{micros:06}");
        }
        "auto" if micros != 0 => {
            let _ = write!(text, ".{micros:06}");
        }
        _ => {}
    }
    text
}

/// A moment in microseconds since 1970, by its own clock.
fn micros(at: DateTime) -> i128 {
    at.duration_since(jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0)).as_micros()
}

/// The moment in UTC.
fn instant(at: DateTime, offset: Option<i16>) -> i128 {
    micros(at) - offset.map_or(0, of_minutes)
}

/// A span that Python can hold.
fn delta(micros: Option<i128>) -> R<Val> {
    let days = micros.map(|micros| parts(micros).0);
    match (micros, days) {
        (Some(micros), Some(days)) if days.abs() <= MAX_DAYS => Ok(Val::Clock(Clock::Delta(micros))),
        (_, Some(days)) => {
            let words = format!("days={days}; must have magnitude <= {MAX_DAYS}");
            Err(Fail::said("the time span is too large", words))
        }
        _ => Err(Fail::said("the time span is too large", "Python int too large to convert to C int")),
    }
}

fn moved(at: DateTime, by: i128) -> R<DateTime> {
    let by = i64::try_from(by).ok().map(SignedDuration::from_micros);
    by.and_then(|by| at.checked_add(by).ok())
        .filter(|at| at.year() >= 1)
        .ok_or_else(|| Fail::said("the date is out of range", "date value out of range"))
}

fn moved_date(date: Date, days: i128) -> R<Date> {
    moved(date.to_datetime(Time::midnight()), days.saturating_mul(DAY)).map(DateTime::date)
}

/// Integer division that rounds to the nearest, halves to even.
fn rounded(top: i128, bottom: i128) -> Option<i128> {
    let (mut quotient, rest) = (top.checked_div_euclid(bottom)?, top.checked_rem_euclid(bottom)?);
    let twice = rest.checked_mul(2)?;
    let size = bottom.checked_abs()?;
    if twice > size || (twice == size && quotient % 2 != 0) {
        quotient += bottom.signum();
    }
    Some(quotient)
}

/// A float as a ratio; `None` if it is too small or too large for one, or no number.
fn ratio(float: f64) -> Option<(i128, i128)> {
    if !float.is_finite() {
        return None;
    }
    let (mut top, mut bottom) = (float, 1_i128);
    while top.fract() != 0.0 {
        top *= 2.0;
        bottom = bottom.checked_mul(2)?;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^120")]
    (top.abs() < 1e36).then_some((top as i128, bottom))
}

fn no_ratio(float: f64) -> Fail {
    match float {
        float if float.is_nan() => Fail::said("the number is `nan`", "cannot convert NaN to integer ratio"),
        float if float.is_infinite() => {
            Fail::said("the number is infinite", "cannot convert Infinity to integer ratio")
        }
        _ => Fail::said("the time span is too large", "Python int too large to convert to C int"),
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a number too small to be exact")]
fn times(micros: i128, number: Number<'_>) -> R<Val> {
    match number {
        Number::Int(count) => delta(micros.checked_mul(count)),
        Number::Big(_) if micros == 0 => delta(Some(0)),
        Number::Big(_) => delta(None),
        Number::Float(float) => match ratio(float) {
            Some((top, bottom)) => delta(micros.checked_mul(top).and_then(|top| rounded(top, bottom))),
            None if float.abs() < 1.0 => delta(Some((micros as f64 * float).round_ties_even() as i128)),
            None => Err(no_ratio(float)),
        },
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a number beyond the exact ones")]
fn divided(micros: i128, number: Number<'_>) -> R<Val> {
    let zero = || Fail::said("division by zero", "division by zero");
    match number {
        Number::Int(0) => Err(Fail::said("division by zero", "integer division or modulo by zero")),
        Number::Int(count) => delta(rounded(micros, count)),
        Number::Big(_) => delta(Some(0)),
        Number::Float(0.0) => Err(zero()),
        Number::Float(float) => {
            let exact =
                ratio(float).and_then(|(top, bottom)| micros.checked_mul(bottom).and_then(|whole| rounded(whole, top)));
            if exact.is_none() && !float.is_finite() {
                return Err(no_ratio(float));
            }
            delta(exact.or_else(|| {
                let near = micros as f64 / float;
                (near.abs() < 1e36).then_some(near as i128)
            }))
        }
    }
}

fn mixed_zones(verb: &str) -> Fail {
    let words = format!("can't {verb} offset-naive and offset-aware datetimes");
    Fail::said("one of the times has a time zone, the other has none", words)
        .with_hint("drop the zone of one with `.replace(tzinfo=none)`")
}

/// Arithmetic with dates and spans; `None` if it is none.
pub fn binary(op: Bin, left: &Val, right: &Val) -> Option<R<Val>> {
    use Value::{Date, DateTime};
    let found = match (op, left, right) {
        (Bin::Add | Bin::Sub, Val::V(DateTime(at, offset)), Val::Clock(Clock::Delta(by))) => {
            moved(*at, if op == Bin::Sub { -by } else { *by }).map(|at| Val::V(DateTime(at, *offset)))
        }
        (Bin::Add | Bin::Sub, Val::V(Date(date)), Val::Clock(Clock::Delta(by))) => {
            moved_date(*date, if op == Bin::Sub { -parts(*by).0 } else { parts(*by).0 }).map(|date| Val::V(Date(date)))
        }
        (Bin::Add, Val::Clock(Clock::Delta(_)), Val::V(DateTime(..) | Date(_))) => return binary(op, right, left),
        (Bin::Sub, Val::V(DateTime(a, x)), Val::V(DateTime(b, y))) => match (x, y) {
            (Some(_), None) | (None, Some(_)) => Err(mixed_zones("subtract")),
            _ => delta(Some(instant(*a, *x) - instant(*b, *y))),
        },
        (Bin::Sub, Val::V(Date(a)), Val::V(Date(b))) => {
            let of = |date: &jiff::civil::Date| micros(date.to_datetime(Time::midnight()));
            delta(Some(of(a) - of(b)))
        }
        (_, Val::Clock(Clock::Delta(a)), Val::Clock(Clock::Delta(b))) => match op {
            Bin::Add => delta(Some(a + b)),
            Bin::Sub => delta(Some(a - b)),
            Bin::Div | Bin::FloorDiv | Bin::Rem if *b == 0 => Err(Fail::said(
                "division by a time span of nothing",
                if op == Bin::Div { "division by zero" } else { "integer division or modulo by zero" },
            )),
            #[expect(clippy::cast_precision_loss, reason = "Python's division rounds too")]
            Bin::Div => Ok(Val::from(*a as f64 / *b as f64)),
            Bin::FloorDiv => Ok(Val::from(floored(*a, *b))),
            Bin::Rem => delta(Some(a - floored(*a, *b) * b)),
            _ => return None,
        },
        (Bin::Mul, Val::Clock(Clock::Delta(micros)), other) | (Bin::Mul, other, Val::Clock(Clock::Delta(micros))) => {
            times(*micros, number(other)?)
        }
        (Bin::Div, Val::Clock(Clock::Delta(micros)), other) => divided(*micros, number(other)?),
        (Bin::FloorDiv, Val::Clock(Clock::Delta(micros)), other) => match number(other)? {
            Number::Int(0) => Err(Fail::said("division by zero", "integer division or modulo by zero")),
            Number::Int(count) => delta(Some(floored(*micros, count))),
            // Larger than every time span.
            Number::Big(digits) => delta(Some(-i128::from((*micros < 0) != digits.starts_with('-') && *micros != 0))),
            Number::Float(_) => return None,
        },
        _ => return None,
    };
    Some(found)
}

/// Integer division downwards.
fn floored(a: i128, b: i128) -> i128 {
    let quotient = a.checked_div(b).unwrap_or(0);
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

/// `-span`, `abs(span)`.
pub fn negated(micros: i128) -> R<Val> {
    delta(Some(-micros))
}

/// Python's order and equality of times and spans; `None` if they have none, or are none.
pub fn order(a: &Val, b: &Val) -> Option<R<Ordering>> {
    Some(Ok(match (a, b) {
        (Val::Clock(Clock::Delta(a)), Val::Clock(Clock::Delta(b))) => a.cmp(b),
        (Val::Clock(Clock::Time(a, x)), Val::Clock(Clock::Time(b, y))) if x.is_some() == y.is_some() => {
            let of = |time: Time, offset| instant(time.to_datetime(jiff::civil::date(2000, 1, 2)), offset);
            of(*a, *x).cmp(&of(*b, *y))
        }
        (Val::Clock(Clock::Time(..)), Val::Clock(Clock::Time(..))) => {
            let words = "can't compare offset-naive and offset-aware times";
            return Some(Err(Fail::said("one of the times has a time zone, the other has none", words)));
        }
        (Val::V(Value::DateTime(a, x)), Val::V(Value::DateTime(b, y))) => {
            if x.is_some() != y.is_some() {
                return Some(Err(mixed_zones("compare")));
            }
            instant(*a, *x).cmp(&instant(*b, *y))
        }
        _ => return None,
    }))
}

/// True if they are equal; `None` if neither is a time.
pub fn equal(a: &Val, b: &Val) -> Option<bool> {
    match (a, b) {
        (Val::Clock(Clock::Zone(a)), Val::Clock(Clock::Zone(b))) => Some(a == b),
        (Val::Clock(_), _) | (_, Val::Clock(_)) | (Val::V(Value::DateTime(..)), Val::V(Value::DateTime(..))) => {
            Some(matches!(order(a, b), Some(Ok(Ordering::Equal))))
        }
        _ => None,
    }
}

/// The name that Python's operators call the type of a date, time or span.
pub fn operand(val: &Val) -> String {
    match val {
        Val::Clock(_) | Val::V(Value::Date(_) | Value::DateTime(..)) => format!("datetime.{}", val.type_name()),
        other => other.type_name().to_owned(),
    }
}
