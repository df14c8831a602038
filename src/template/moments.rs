//! Attributes and methods of Python's `date` and `datetime`, those of the class too: `now().fromtimestamp(0)`.

use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::value::Value;

use super::args::{Args, Call};
use super::clock::{Clock, clock_text, offset_delta, offset_text, zone, zone_name};
use super::fail::{Fail, R};
use super::ops::{float, number};
use super::time::{format_value, parse};
use super::val::Val;

const BOTH: &[&str] = &[
    "ctime",
    "fromisocalendar",
    "fromisoformat",
    "fromordinal",
    "fromtimestamp",
    "isocalendar",
    "isoformat",
    "isoweekday",
    "replace",
    "strftime",
    "today",
    "toordinal",
    "weekday",
];
const MOMENT: &[&str] = &[
    "astimezone",
    "combine",
    "date",
    "dst",
    "now",
    "strptime",
    "time",
    "timestamp",
    "timetz",
    "tzname",
    "utcfromtimestamp",
    "utcnow",
    "utcoffset",
];

/// Days before 1970-01-01, counted from 0001-01-01 as 1.
const EPOCH: i64 = 719_163;

/// 9999-12-31, counted the same way.
const LAST_DAY: i64 = 3_652_059;

/// True if a date or a moment has such a method.
pub fn has(value: &Value, name: &str) -> bool {
    BOTH.contains(&name) || (matches!(value, Value::DateTime(..)) && MOMENT.contains(&name))
}

/// The moment without what is below a microsecond, which Python does not have.
pub fn whole_micros(at: DateTime) -> DateTime {
    let below = i64::from(at.subsec_nanosecond() % 1000);
    at.checked_sub(SignedDuration::from_nanos(below)).unwrap_or(at)
}

/// Attributes of dates and times.
pub fn attr(value: &Value, name: &str) -> Option<Val> {
    let (date, time): (Date, Option<DateTime>) = match value {
        Value::Date(date) => (*date, None),
        Value::DateTime(at, _) => (at.date(), Some(*at)),
        _ => return None,
    };
    let int = |int: i64| Some(Val::from(int));
    let bound = |date: Date, clock: Time| {
        Some(Val::V(if time.is_some() {
            Value::DateTime(DateTime::from_parts(date, clock), None)
        } else {
            Value::Date(date)
        }))
    };
    match (name, time) {
        ("tzinfo", Some(_)) => match value {
            Value::DateTime(_, offset) => Some(zone(*offset)),
            _ => Some(Val::NONE),
        },
        ("fold", Some(_)) => int(0),
        ("year", _) => int(date.year().into()),
        ("month", _) => int(date.month().into()),
        ("day", _) => int(date.day().into()),
        ("hour", Some(at)) => int(at.hour().into()),
        ("minute", Some(at)) => int(at.minute().into()),
        ("second", Some(at)) => int(at.second().into()),
        ("microsecond", Some(at)) => int((at.subsec_nanosecond() / 1000).into()),
        ("min", _) => bound(jiff::civil::date(1, 1, 1), Time::midnight()),
        ("max", _) => bound(jiff::civil::date(9999, 12, 31), jiff::civil::time(23, 59, 59, 999_999_000)),
        ("resolution", _) => Some(Val::Clock(Clock::Delta(if time.is_some() { 1 } else { 86_400_000_000 }))),
        _ => None,
    }
}

fn wrong(message: &str, words: impl Into<String>) -> Fail {
    Fail::said(message, words)
}

/// Calls a method.
pub fn call(call: &Call, value: &Value, name: &str, mut args: Args) -> R<Val> {
    let (at, offset) = match value {
        Value::Date(date) => (date.to_datetime(Time::midnight()), None),
        Value::DateTime(at, offset) => (*at, *offset),
        other => return Err(Fail::msg(format!("{} has no method `{name}`", other.type_name()))),
    };
    let is_date = matches!(value, Value::Date(_));
    let int = |int: i64| Val::from(int);
    // What the class's own functions make: a date, if this is one.
    let made = |at: DateTime, offset: Option<i16>| {
        Val::V(if is_date { Value::Date(at.date()) } else { Value::DateTime(whole_micros(at), offset) })
    };
    let found = match name {
        "replace" => replace(value, &mut args)?,
        "strftime" => {
            let spec = args.text(call, 0, "format")?;
            let spec = spec.ok_or_else(|| wrong("`strftime` needs a format", missing("strftime", "format")))?;
            Val::from(format_value(&Val::V(value.clone()), &spec)?)
        }
        "isoformat" if is_date => Val::from(at.date().to_string()),
        "isoformat" => {
            let sep = args.text(call, 0, "sep")?.unwrap_or_else(|| "T".into());
            let spec = args.text(call, 1, "timespec")?.unwrap_or_else(|| "auto".into());
            let known = ["auto", "hours", "minutes", "seconds", "milliseconds", "microseconds"];
            if !known.contains(&&*spec) {
                return Err(wrong("`timespec` is unknown", "Unknown timespec value").with_hint(known.join(", ")));
            }
            Val::from(format!("{}{sep}{}{}", at.date(), clock_text(at.time(), &spec), offset_text(offset)))
        }
        "ctime" => Val::from(format_value(&Val::V(value.clone()), "%a %b %e %H:%M:%S %Y")?),
        "timestamp" => Val::from(timestamp(at, offset)?),
        "date" => Val::V(Value::Date(at.date())),
        "time" => Val::Clock(Clock::Time(at.time(), None)),
        "timetz" => Val::Clock(Clock::Time(at.time(), offset)),
        "utcoffset" => offset_delta(offset),
        "tzname" => offset.map_or(Val::NONE, |minutes| Val::from(zone_name(minutes))),
        "dst" => Val::NONE,
        "isocalendar" => {
            let week = at.date().iso_week_date();
            let parts =
                [i64::from(week.year()), i64::from(week.week()), i64::from(week.weekday().to_monday_one_offset())];
            Val::tuple(parts.into_iter().map(Val::from).collect())
        }
        "weekday" => int(at.weekday().to_monday_zero_offset().into()),
        "isoweekday" => int(at.weekday().to_monday_one_offset().into()),
        "toordinal" => int(ordinal(at.date())),
        "fromordinal" => {
            let days = args.int(0, "ordinal")?.unwrap_or(0);
            let at = i64::try_from(days)
                .ok()
                .filter(|days| (1..=LAST_DAY).contains(days))
                .map(|days| SignedDuration::from_hours((days - EPOCH) * 24))
                .and_then(|since| jiff::civil::date(1970, 1, 1).checked_add(since).ok());
            let words = match i32::try_from(days) {
                Ok(days) if days < 1 => "ordinal must be >= 1".to_owned(),
                Ok(days) => format!("year {} is out of range", year_of(days)),
                Err(_) if i64::try_from(days).is_err() => "Python int too large to convert to C long".to_owned(),
                Err(_) if days < 0 => "signed integer is less than minimum".to_owned(),
                Err(_) => "signed integer is greater than maximum".to_owned(),
            };
            made(at.ok_or_else(|| wrong("there is no such day", words))?.to_datetime(Time::midnight()), None)
        }
        "fromisocalendar" => {
            let parts = [args.int(0, "year")?, args.int(1, "week")?, args.int(2, "day")?];
            let day = (|| {
                let small = |part: i128| i8::try_from(part).ok();
                let weekday = Weekday::from_monday_one_offset(small(parts[2]?)?).ok()?;
                ISOWeekDate::new(i16::try_from(parts[0]?).ok()?, small(parts[1]?)?, weekday).ok()
            })();
            let day = day.ok_or_else(|| wrong("there is no such week", "Invalid week or day"))?;
            made(day.date().to_datetime(Time::midnight()), None)
        }
        "fromisoformat" => {
            let text = call.text(&args.need(0, "date_string")?)?;
            let (at, offset) = iso(&text, is_date)
                .ok_or_else(|| wrong("the text is no time", format!("Invalid isoformat string: '{text}'")))?;
            made(at, offset)
        }
        "fromtimestamp" | "utcfromtimestamp" => {
            let stamp = args.take(0, "timestamp").unwrap_or(Val::NONE).defined()?;
            let to = if is_date || name == "utcfromtimestamp" { None } else { zone_arg(&mut args, 1)? };
            let seconds = number(&stamp).ok_or_else(|| {
                let words = format!("'{}' object cannot be interpreted as an integer", stamp.type_name());
                wrong("the time stamp is not a number", words).with_hint("turn it into a number with `| int`")
            })?;
            let stamp = from_seconds(float(seconds))?;
            let here = if name == "utcfromtimestamp" { TimeZone::UTC } else { TimeZone::system() };
            at_stamp(stamp, to, here, made)
        }
        "today" => made(Timestamp::now().to_zoned(TimeZone::system()).datetime(), None),
        "utcnow" => made(Timestamp::now().to_zoned(TimeZone::UTC).datetime(), None),
        "now" => {
            let to = zone_arg(&mut args, 0)?;
            at_stamp(Timestamp::now(), to, TimeZone::system(), made)
        }
        "strptime" => {
            let text = call.text(&args.need(0, "date_string")?)?;
            let format = call.text(&args.need(1, "format")?)?;
            parse(&text, &format)?
        }
        "combine" => match (args.need(0, "date")?, args.need(1, "time")?) {
            (Val::V(day @ (Value::Date(_) | Value::DateTime(..))), Val::Clock(Clock::Time(time, offset))) => {
                let day = match day {
                    Value::Date(day) => day,
                    Value::DateTime(at, _) => at.date(),
                    _ => at.date(),
                };
                let offset = zone_arg(&mut args, 2)?.or(offset);
                made(DateTime::from_parts(day, time), offset)
            }
            (Val::V(Value::Date(_) | Value::DateTime(..)), other) => {
                let words = format!("combine() argument 2 must be datetime.time, not {}", other.type_name());
                return Err(wrong("`combine` needs a date and a time of day", words));
            }
            (other, _) => {
                let words = format!("combine() argument 1 must be datetime.date, not {}", other.type_name());
                return Err(wrong("`combine` needs a date and a time of day", words));
            }
        },
        "astimezone" => {
            let to = zone_arg(&mut args, 0)?;
            let stamp = moment(at, offset)?;
            let zoned = stamp.to_zoned(TimeZone::system());
            let minutes = to.or_else(|| i16::try_from(zoned.offset().seconds() / 60).ok());
            at_stamp(stamp, minutes, TimeZone::UTC, made)
        }
        _ => return Err(Fail::msg(format!("there is no method `{name}`"))),
    };
    args.finish()?;
    Ok(found)
}

fn missing(function: &str, argument: &str) -> String {
    format!("{function}() missing required argument '{argument}' (pos 1)")
}

/// A time stamp by a clock of a known offset, or else by that of a zone, without saying which.
fn at_stamp(stamp: Timestamp, to: Option<i16>, zone: TimeZone, made: impl Fn(DateTime, Option<i16>) -> Val) -> Val {
    match to.and_then(|minutes| jiff::tz::Offset::from_seconds(i32::from(minutes) * 60).ok()) {
        Some(offset) => made(offset.to_datetime(stamp), to),
        None => made(stamp.to_zoned(zone).datetime(), None),
    }
}

/// The year of a day that no date has: counted by Python's own cycles of 400, 100 and 4 years.
fn year_of(ordinal: i32) -> i32 {
    let mut days = ordinal - 1;
    let mut whole = |length: i32| {
        let count = days / length;
        days %= length;
        count
    };
    let [n400, n100, n4, n1] = [whole(146_097), whole(36_524), whole(1_461), whole(365)];
    n400 * 400 + n100 * 100 + n4 * 4 + n1 + i32::from(n1 != 4 && n100 != 4)
}

fn zone_arg(args: &mut Args, index: usize) -> R<Option<i16>> {
    match args.take(index, if index == 2 { "tzinfo" } else { "tz" }).filter(|value| !value.is_none()) {
        None => Ok(None),
        Some(Val::Clock(Clock::Zone(minutes))) => Ok(Some(minutes)),
        Some(other) => {
            let words = format!(
                "tzinfo argument must be None or of a tzinfo subclass, not type '{}'",
                other.defined()?.type_name()
            );
            Err(wrong("the time zone is none", words))
        }
    }
}

fn ordinal(date: Date) -> i64 {
    date.to_datetime(Time::midnight()).duration_since(jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0)).as_hours() / 24
        + EPOCH
}

/// A time stamp, rounded to microseconds.
fn from_seconds(seconds: f64) -> R<Timestamp> {
    let micros = (seconds * 1e6).round_ties_even();
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    let stamp =
        (micros.abs() < 9e18).then_some(micros as i64).and_then(|micros| Timestamp::from_microsecond(micros).ok());
    stamp.ok_or_else(|| {
        let year = 1970.0 + (seconds / 31_556_952.0).floor();
        let words = if seconds.is_nan() {
            "cannot convert float NaN to integer".to_owned()
        } else if year.abs() < 1e9 {
            format!("year {year} is out of range")
        } else {
            "timestamp out of range for platform time_t".to_owned()
        };
        wrong("the time stamp is out of range", words)
    })
}

/// The moment of a clock: of its own offset, or of this machine's zone.
fn moment(at: DateTime, offset: Option<i16>) -> R<Timestamp> {
    let zone = if offset.is_some() { TimeZone::UTC } else { TimeZone::system() };
    let stamp = at.to_zoned(zone).map_err(|error| Fail::msg(error.to_string()))?.timestamp();
    stamp
        .checked_sub(SignedDuration::from_mins(i64::from(offset.unwrap_or(0))))
        .map_err(|error| Fail::msg(error.to_string()))
}

fn timestamp(at: DateTime, offset: Option<i16>) -> R<f64> {
    moment(at, offset).map(|stamp| stamp.as_duration().as_secs_f64())
}

/// `2024-02-29`, with a time and an offset behind it if it is no date.
fn iso(text: &str, is_date: bool) -> Option<(DateTime, Option<i16>)> {
    if text.len() == 10 || is_date {
        return text.parse::<Date>().ok().map(|date| (date.to_datetime(Time::midnight()), None));
    }
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let (clock, offset) = match rest.find(['Z', '+', '-']) {
        None => (rest, None),
        Some(at) => {
            let (clock, zone) = rest.split_at(at);
            (clock, Some(if zone == "Z" { 0 } else { minutes_of(zone)? }))
        }
    };
    let clock = if clock.len() == 2 { format!("{clock}:00") } else { clock.to_owned() };
    let at: DateTime = format!("{date}T{clock}").parse().ok()?;
    Some((at, offset))
}

/// The minutes of `+01:00` or `+0100`.
fn minutes_of(zone: &str) -> Option<i16> {
    let digits = zone.get(1..)?.replace(':', "");
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let minutes = digits.get(..2)?.parse::<i16>().ok()? * 60 + digits.get(2..)?.parse::<i16>().ok()?;
    Some(if zone.starts_with('-') { -minutes } else { minutes })
}

/// `moment.replace(year=2021)`.
fn replace(value: &Value, args: &mut Args) -> R<Val> {
    let (at, offset) = match value {
        Value::Date(date) => (date.to_datetime(Time::midnight()), None),
        Value::DateTime(at, offset) => (*at, *offset),
        other => return Err(Fail::msg(format!("a date is expected, not {}", other.type_name()))),
    };
    let mut part = |index: usize, name: &str, old: i128| Ok::<_, Fail>(args.int(index, name)?.unwrap_or(old));
    let [year, month, day] =
        [part(0, "year", at.year().into())?, part(1, "month", at.month().into())?, part(2, "day", at.day().into())?];
    if let Value::Date(_) = value {
        args.finish()?;
        return made(year, month, day, [0; 4]).map(|at| Val::V(Value::Date(at.date())));
    }
    let clock = [
        part(3, "hour", at.hour().into())?,
        part(4, "minute", at.minute().into())?,
        part(5, "second", at.second().into())?,
        part(6, "microsecond", (at.subsec_nanosecond() / 1000).into())?,
    ];
    let offset = match args.take(7, "tzinfo") {
        None => offset,
        Some(Val::V(Value::Null)) => None,
        Some(Val::Clock(Clock::Zone(minutes))) => Some(minutes),
        Some(other) => {
            let words = format!(
                "tzinfo argument must be None or of a tzinfo subclass, not type '{}'",
                other.defined()?.type_name()
            );
            return Err(wrong("the time zone is none", words));
        }
    };
    args.finish()?;
    made(year, month, day, clock).map(|at| Val::V(Value::DateTime(at, offset)))
}

fn made(year: i128, month: i128, day: i128, clock: [i128; 4]) -> R<DateTime> {
    let small = |value: i128| i8::try_from(value).ok();
    let found = (|| {
        let nanos = i32::try_from(clock[3].checked_mul(1000)?).ok()?;
        let year = i16::try_from(year).ok().filter(|year| *year >= 1)?;
        let [hour, minute, second] = [small(clock[0])?, small(clock[1])?, small(clock[2])?];
        DateTime::new(year, small(month)?, small(day)?, hour, minute, second, nanos).ok()
    })();
    found.ok_or_else(|| {
        let words = if !(1..=9999).contains(&year) {
            format!("year {year} is out of range")
        } else if !(1..=12).contains(&month) {
            "month must be in 1..12".to_owned()
        } else if !(0..=23).contains(&clock[0]) {
            "hour must be in 0..23".to_owned()
        } else if !(0..=59).contains(&clock[1]) {
            "minute must be in 0..59".to_owned()
        } else if !(0..=59).contains(&clock[2]) {
            "second must be in 0..59".to_owned()
        } else if !(0..=999_999).contains(&clock[3]) {
            "microsecond must be in 0..999999".to_owned()
        } else {
            "day is out of range for month".to_owned()
        };
        wrong("there is no such time", words)
    })
}
