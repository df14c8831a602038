//! Dates and times: `strftime`, `to_datetime`, `now`.

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

/// A moment in its own zone, as Python's `time.strftime` writes it.
pub fn format_local(at: &Zoned, text: &str) -> String {
    format(at, &text.replace("%f", "%%f"), false)
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
    let (at, offset) = match val {
        Val::V(Value::Date(date)) => (date.to_datetime(jiff::civil::Time::midnight()), None),
        Val::V(Value::DateTime(at, offset)) => (*at, *offset),
        other => return Err(Fail::msg(format!("a date is expected, not {}", other.kind()))),
    };
    let zoned = at.to_zoned(TimeZone::UTC).map_err(|error| Fail::msg(error.to_string()))?;
    // What depends on the zone: a time without one has nothing to show, and the C library's `%s` is for local time.
    let mut known = String::with_capacity(spec.len());
    let mut chars = spec.chars();
    while let Some(c) = chars.next() {
        match (c, c == '%', chars.clone().next()) {
            (_, true, Some('z')) => known.push_str(&super::clock::offset_text(offset).replace(':', "")),
            (_, true, Some('Z')) => known.push_str(&offset.map_or_else(String::new, super::clock::zone_name)),
            (_, true, Some('s')) => {
                let local = at.to_zoned(TimeZone::system()).map_err(|error| Fail::msg(error.to_string()))?;
                known.push_str(&local.timestamp().as_second().to_string());
            }
            (_, true, Some(next)) => known.extend([c, next]),
            _ => {
                known.push(c);
                continue;
            }
        }
        chars.next();
    }
    Ok(format(&zoned, &known, false))
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
