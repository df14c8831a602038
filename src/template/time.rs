//! Dates and times: `strftime`, `to_datetime`, `now`, their attributes and differences.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::value::Value;

use super::fail::{Fail, R};
use super::val::Val;

/// A moment with its zone.
pub fn local(seconds: Option<f64>, utc: bool) -> R<Zoned> {
    let stamp = match seconds {
        None => Timestamp::now(),
        Some(seconds) => SignedDuration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok())
            .ok_or_else(|| Fail::msg("the time is out of range"))?,
    };
    Ok(stamp.to_zoned(if utc { TimeZone::UTC } else { TimeZone::system() }))
}

/// `strftime` as Python's C library does it: what is unknown stays as it is.
pub fn format(at: &Zoned, format: &str, gmt: bool) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(mut kind) = chars.next() else {
            out.push('%');
            break;
        };
        let mut flag = None;
        if matches!(kind, '-' | '_' | '0' | '^') {
            flag = Some(kind);
            match chars.next() {
                Some(next) => kind = next,
                None => {
                    out.push('%');
                    out.push(kind);
                    break;
                }
            }
        }
        let piece = match kind {
            '%' => "%".to_owned(),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            'f' => format!("{:06}", at.subsec_nanosecond() / 1000),
            'z' if gmt => "+0000".to_owned(),
            'Z' if gmt => "GMT".to_owned(),
            'c' => strf(at, "%a %b %e %H:%M:%S %Y"),
            'x' => strf(at, "%m/%d/%y"),
            'X' => strf(at, "%H:%M:%S"),
            'r' => strf(at, "%I:%M:%S %p"),
            'p' | 'P' => {
                let text = if at.hour() < 12 { "AM" } else { "PM" };
                if kind == 'P' { text.to_lowercase() } else { text.to_owned() }
            }
            'A' | 'a' | 'B' | 'b' | 'h' | 'd' | 'e' | 'H' | 'I' | 'k' | 'l' | 'j' | 'm' | 'M' | 'S' | 's' | 'U'
            | 'u' | 'V' | 'W' | 'w' | 'G' | 'g' | 'Y' | 'y' | 'C' | 'D' | 'F' | 'T' | 'R' | 'z' | 'Z' => {
                let kind = if kind == 'h' { 'b' } else { kind };
                match flag {
                    Some(flag) => strf(at, &format!("%{flag}{kind}")),
                    None => strf(at, &format!("%{kind}")),
                }
            }
            other => format!("%{other}"),
        };
        out.push_str(&piece);
    }
    out
}

fn strf(at: &Zoned, format: &str) -> String {
    let mut out = String::new();
    match jiff::fmt::strtime::BrokenDownTime::from(at).to_string(format) {
        Ok(text) => out = text,
        Err(_) => out.push_str(format),
    }
    out
}

/// Formats a date or time value.
pub fn format_value(val: &Val, spec: &str) -> R<String> {
    let at = match val {
        Val::V(Value::Date(date)) => date.to_datetime(jiff::civil::Time::midnight()),
        Val::V(Value::DateTime(at, _)) => *at,
        other => return Err(Fail::msg(format!("a date is expected, not {}", other.kind()))),
    };
    let zoned = at.to_zoned(TimeZone::UTC).map_err(|error| Fail::msg(error.to_string()))?;
    // A time without a zone has none to show.
    let spec = spec.replace("%z", "").replace("%Z", "");
    Ok(format(&zoned, &spec, false))
}

/// `datetime.strptime(text, format)`.
pub fn parse(text: &str, format: &str) -> R<Val> {
    let fail = || {
        Fail::said(
            format!("the time `{text}` does not fit the format `{format}`"),
            format!("time data '{text}' does not match format '{format}'"),
        )
    };
    // `%f` takes 1 to 6 digits in Python.
    let wanted = format.replace("%f", "%N").replace("%Z", "%Q");
    let mut broken = jiff::fmt::strtime::BrokenDownTime::parse(&wanted, text)
        .or_else(|_| jiff::fmt::strtime::BrokenDownTime::parse(format, text))
        .map_err(|_| fail())?;
    if broken.year().is_none() {
        let _ = broken.set_year(Some(1900));
    }
    if broken.month().is_none() && broken.day_of_year().is_none() {
        let _ = broken.set_month(Some(1));
    }
    if broken.day().is_none() && broken.day_of_year().is_none() {
        let _ = broken.set_day(Some(1));
    }
    for (missing, set) in [(broken.hour().is_none(), 0), (broken.minute().is_none(), 1), (broken.second().is_none(), 2)]
    {
        if missing {
            let _ = match set {
                0 => broken.set_hour(Some(0)),
                1 => broken.set_minute(Some(0)),
                _ => broken.set_second(Some(0)),
            };
        }
    }
    let offset = broken.offset().and_then(|offset| i16::try_from(offset.seconds() / 60).ok());
    let at = broken.to_datetime().map_err(|_| fail())?;
    Ok(Val::V(Value::DateTime(at, offset)))
}

/// Attributes of dates, times, and numbers.
pub fn attr(value: &Value, name: &str) -> Option<Val> {
    let (date, time): (Date, Option<DateTime>) = match value {
        Value::Date(date) => (*date, None),
        Value::DateTime(at, _) => (at.date(), Some(*at)),
        _ => return None,
    };
    let int = |int: i64| Some(Val::from(int));
    match (name, time) {
        ("tzinfo", Some(_)) => Some(Val::NONE),
        ("year", _) => int(date.year().into()),
        ("month", _) => int(date.month().into()),
        ("day", _) => int(date.day().into()),
        ("hour", Some(at)) => int(at.hour().into()),
        ("minute", Some(at)) => int(at.minute().into()),
        ("second", Some(at)) => int(at.second().into()),
        ("microsecond", Some(at)) => int((at.subsec_nanosecond() / 1000).into()),
        _ => None,
    }
}

/// Methods of dates and times.
pub fn method(value: &Value, name: &str, arg: Option<&str>) -> Option<R<Val>> {
    let at = match value {
        Value::Date(date) => date.to_datetime(jiff::civil::Time::midnight()),
        Value::DateTime(at, _) => *at,
        _ => return None,
    };
    Some(match name {
        "strftime" => format_value(&Val::V(value.clone()), arg.unwrap_or_default()).map(Val::from),
        "isoformat" => {
            let text = match value {
                Value::Date(date) => date.to_string(),
                Value::DateTime(at, None) => at.to_string(),
                other => crate::value::python_str(other).replacen(' ', "T", 1),
            };
            Ok(Val::from(text))
        }
        "timestamp" => match value {
            Value::Date(_) => return None,
            Value::DateTime(_, Some(minutes)) => {
                seconds(at, TimeZone::UTC).map(|value| Val::from(value - f64::from(*minutes) * 60.0))
            }
            _ => seconds(at, TimeZone::system()).map(Val::from),
        },
        "date" => Ok(Val::V(Value::Date(at.date()))),
        "time" => {
            let time = at.time();
            let (hour, minute, second) = (time.hour(), time.minute(), time.second());
            let micros = time.subsec_nanosecond() / 1000;
            let rest = if micros == 0 { String::new() } else { format!(".{micros:06}") };
            Ok(Val::from(format!("{hour:02}:{minute:02}:{second:02}{rest}")))
        }
        "isocalendar" => {
            let week = at.date().iso_week_date();
            let parts =
                [i64::from(week.year()), i64::from(week.week()), i64::from(week.weekday().to_monday_one_offset())];
            Ok(Val::tuple(parts.into_iter().map(Val::from).collect()))
        }
        "weekday" => Ok(Val::from(i64::from(at.weekday().to_monday_zero_offset()))),
        "isoweekday" => Ok(Val::from(i64::from(at.weekday().to_monday_one_offset()))),
        _ => return None,
    })
}

/// `moment.replace(year=2021)`.
pub fn replace(value: &Value, args: &mut super::args::Args) -> R<Val> {
    let (at, offset) = match value {
        Value::Date(date) => (date.to_datetime(jiff::civil::Time::midnight()), None),
        Value::DateTime(at, offset) => (*at, *offset),
        other => return Err(Fail::msg(format!("a date is expected, not {}", other.type_name()))),
    };
    let mut part = |index: usize, name: &str, old: i128| Ok::<_, Fail>(args.int(index, name)?.unwrap_or(old));
    let parts = [
        part(0, "year", at.year().into())?,
        part(1, "month", at.month().into())?,
        part(2, "day", at.day().into())?,
        part(3, "hour", at.hour().into())?,
        part(4, "minute", at.minute().into())?,
        part(5, "second", at.second().into())?,
        part(6, "microsecond", (at.subsec_nanosecond() / 1000).into())?,
    ];
    args.finish()?;
    let small = |value: i128| i8::try_from(value).ok();
    let made = (|| {
        let nanos = i32::try_from(parts[6].checked_mul(1000)?).ok()?;
        let year = i16::try_from(parts[0]).ok()?;
        let [month, day, hour, minute, second] =
            [small(parts[1])?, small(parts[2])?, small(parts[3])?, small(parts[4])?, small(parts[5])?];
        DateTime::new(year, month, day, hour, minute, second, nanos).ok()
    })();
    let made = made.ok_or_else(|| Fail::said("there is no such time", "day is out of range for month"))?;
    Ok(Val::V(match value {
        Value::Date(_) => Value::Date(made.date()),
        _ => Value::DateTime(made, offset),
    }))
}

fn seconds(at: DateTime, zone: TimeZone) -> R<f64> {
    let zoned = at.to_zoned(zone).map_err(|error| Fail::msg(error.to_string()))?;
    Ok(zoned.timestamp().as_duration().as_secs_f64())
}

/// The difference of two times: a mapping with `days`, `seconds`, `microseconds`, `total_seconds`.
pub fn subtract(left: &Val, right: &Val) -> Option<Val> {
    let at = |val: &Val| match val {
        Val::V(Value::Date(date)) => Some(date.to_datetime(jiff::civil::Time::midnight())),
        Val::V(Value::DateTime(at, offset)) => {
            at.checked_sub(SignedDuration::from_mins(i64::from(offset.unwrap_or(0)))).ok()
        }
        _ => None,
    };
    let span = at(left)?.duration_since(at(right)?);
    let total = span.as_secs_f64();
    let micros = span.as_micros();
    let day = 86_400_000_000;
    let days = micros.div_euclid(day);
    let rest = micros.rem_euclid(day);
    let mut text = String::new();
    if days != 0 {
        let _ = write!(text, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" });
    }
    let secs = rest / 1_000_000;
    let _ = write!(text, "{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60);
    if rest % 1_000_000 != 0 {
        let _ = write!(text, ".{:06}", rest % 1_000_000);
    }
    Some(Val::pairs([
        ("days", Val::from(days)),
        ("seconds", Val::from(secs)),
        ("microseconds", Val::from(rest % 1_000_000)),
        ("total_seconds", Val::from(total)),
        ("text", Val::from(text)),
    ]))
}
