//! The meaning of plain scalars by YAML 1.1, exactly as PyYAML's resolver and Ansible have it.
//!
//! `yes` is true, `0777` is octal, `1:30` is ninety, `1e3` is text, `2024-01-02` is a date.

use std::sync::Arc;

use crate::value::{Date, DateTime, Value};

/// What a plain scalar means.
pub fn resolve(text: &str) -> Value {
    let Some(first) = text.chars().next() else { return Value::Null };
    match first {
        'y' | 'Y' | 'n' | 'N' | 't' | 'T' | 'f' | 'F' | 'o' | 'O' | '~' => word(text),
        '0'..='9' | '+' | '-' | '.' => {
            // The order is PyYAML's: float, integer, timestamp.
            float(text).or_else(|| integer(text)).or_else(|| timestamp(text))
        }
        _ => None,
    }
    .unwrap_or_else(|| Value::Str(text.into()))
}

/// True if the text, written without quotes, would be read as this very text.
pub fn reads_as_text(text: &str) -> bool {
    matches!(resolve(text), Value::Str(_)) && text != "<<" && text != "="
}

fn word(text: &str) -> Option<Value> {
    if let Some(flag) = boolean(text) {
        return Some(Value::Bool(flag));
    }
    matches!(text, "~" | "null" | "Null" | "NULL").then_some(Value::Null)
}

/// A YAML 1.1 boolean in one of its three spellings.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn all(text: &str, test: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(test)
}

fn digit_or_bar(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// `[0-9][0-9_]*`
fn digits(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit) && all(text, digit_or_bar)
}

/// `(:[0-5]?[0-9])+` behind the first part; the parts as numbers.
fn sexagesimal(text: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = text.split(':').collect();
    let minutes = |part: &&str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    (parts.len() > 1 && digits(parts[0]) && parts[1..].iter().all(minutes)).then_some(parts)
}

/// Longer numbers are text: Python refuses more than 4300 digits, and making one of 300,000 takes minutes.
const MAX_DIGITS: usize = 10_000;

/// An integer of YAML 1.1.
pub(super) fn integer(text: &str) -> Option<Value> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let (negative, body) = sign(text);
    let plain = |radix: u32, body: &str| {
        let clean: String = body.chars().filter(|c| *c != '_').collect();
        if clean.is_empty() { None } else { Some(number(negative, &clean, radix)) }
    };
    if let Some(rest) = body.strip_prefix("0b") {
        return if !rest.is_empty() && all(rest, |byte| matches!(byte, b'0' | b'1' | b'_')) {
            plain(2, rest)
        } else {
            None
        };
    }
    if let Some(rest) = body.strip_prefix("0x") {
        return if !rest.is_empty() && all(rest, |byte| byte.is_ascii_hexdigit() || byte == b'_') {
            plain(16, rest)
        } else {
            None
        };
    }
    if body == "0" {
        return Some(Value::Int(0));
    }
    if let Some(rest) = body.strip_prefix('0') {
        if !all(rest, |byte| matches!(byte, b'0'..=b'7' | b'_')) {
            return None;
        }
        return plain(8, body);
    }
    if !digits(body.split(':').next().unwrap_or_default()) {
        return None;
    }
    if body.contains(':') {
        let parts = sexagesimal(body)?;
        let mut total: i128 = 0;
        for part in parts {
            let part: i128 = part.replace('_', "").parse().ok()?;
            total = total.checked_mul(60)?.checked_add(part)?;
        }
        return Some(Value::Int(if negative { -total } else { total }));
    }
    if all(body, digit_or_bar) { plain(10, body) } else { None }
}

/// An integer of any size from clean digits.
pub fn number(negative: bool, digits: &str, radix: u32) -> Value {
    if let Ok(int) = i128::from_str_radix(digits, radix) {
        return Value::Int(if negative { -int } else { int });
    }
    // Decimal limbs of nine digits, least first.
    let mut limbs: Vec<u64> = vec![0];
    for digit in digits.chars().filter_map(|c| c.to_digit(radix)) {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            let value = *limb * u64::from(radix) + carry;
            *limb = value % 1_000_000_000;
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut text = if negative { "-".to_owned() } else { String::new() };
    for (index, limb) in limbs.iter().rev().enumerate() {
        text += &if index == 0 { limb.to_string() } else { format!("{limb:09}") };
    }
    match text.parse() {
        Ok(int) => Value::Int(int),
        Err(_) => Value::BigInt(Arc::from(text)),
    }
}

/// A float of YAML 1.1: a dot is needed, and a sign in the exponent.
pub(super) fn float(text: &str) -> Option<Value> {
    let (negative, body) = sign(text);
    let signed = |float: f64| Some(Value::Float(if negative { -float } else { float }));
    match body {
        ".inf" | ".Inf" | ".INF" => return signed(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if body.len() == text.len() => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+'])?;
        if digits.is_empty() || !all(digits, |byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    let (whole, fraction) = mantissa.split_once('.')?;
    if !all(fraction, digit_or_bar) {
        return None;
    }
    if whole.contains(':') {
        if exponent.is_some() {
            return None;
        }
        let parts = sexagesimal(whole)?;
        let mut total = 0.0;
        for part in &parts[..parts.len() - 1] {
            total = total * 60.0 + part.replace('_', "").parse::<f64>().ok()?;
        }
        let last = format!("{}.{fraction}", parts[parts.len() - 1]).replace('_', "");
        return signed(total * 60.0 + last.parse::<f64>().ok()?);
    }
    let well_formed = if whole.is_empty() {
        // `[-+]?` stands before digits only: `+.5` is text.
        body.len() == text.len() && fraction.as_bytes().first().is_some_and(u8::is_ascii_digit)
    } else {
        digits(whole)
    };
    if !well_formed {
        return None;
    }
    signed(body.replace('_', "").parse().ok()?)
}

/// A date or a timestamp; one that no calendar has stays text.
pub(super) fn timestamp(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let number = |least: usize, most: usize, at: &mut usize| -> Option<u32> {
        let length = bytes[*at..].iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if length < least {
            return None;
        }
        let value = text[*at..*at + length].parse().ok()?;
        *at += length;
        Some(value)
    };
    let expect = |at: &mut usize, test: &[u8]| {
        let found = bytes.get(*at).is_some_and(|byte| test.contains(byte));
        *at += usize::from(found);
        found.then_some(())
    };
    let year = number(4, 4, &mut at)?;
    expect(&mut at, b"-")?;
    let month = number(1, 2, &mut at)?;
    expect(&mut at, b"-")?;
    let day = number(1, 2, &mut at)?;
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    if at == text.len() {
        // `2024-1-2` is text; only the full form is a date.
        return if text.len() == 10 && year > 0 { date.ok().map(Value::Date) } else { None };
    }
    if expect(&mut at, b"Tt").is_none() {
        expect(&mut at, b" \t")?;
        while expect(&mut at, b" \t").is_some() {}
    }
    let hour = number(1, 2, &mut at)?;
    expect(&mut at, b":")?;
    let minute = number(2, 2, &mut at)?;
    expect(&mut at, b":")?;
    let second = number(2, 2, &mut at)?;
    let mut nanoseconds = 0;
    if expect(&mut at, b".").is_some() {
        let start = at;
        while expect(&mut at, b"0123456789").is_some() {}
        let micro: String = text[start..at].chars().chain("000000".chars()).take(6).collect();
        nanoseconds = micro.parse::<i32>().ok()? * 1000;
    }
    let mut offset = None;
    if at < text.len() {
        while expect(&mut at, b" \t").is_some() {}
        if expect(&mut at, b"Z").is_some() {
            offset = Some(0);
        } else {
            let negative = bytes.get(at) == Some(&b'-');
            expect(&mut at, b"+-")?;
            let hours = number(1, 2, &mut at)?;
            let minutes = if expect(&mut at, b":").is_some() { number(2, 2, &mut at)? } else { 0 };
            let total = i16::try_from(hours * 60 + minutes).ok().filter(|total| *total < 24 * 60)?;
            offset = Some(if negative { -total } else { total });
        }
        if at != text.len() {
            return None;
        }
    }
    if year == 0 {
        return None;
    }
    let date = date.ok()?;
    let time = jiff::civil::Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        nanoseconds,
    )
    .ok()?;
    Some(Value::DateTime(DateTime::from_parts(date, time), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_numbers_are_text() {
        for start in ["", "-", "0x", "0b", "0"] {
            let text = format!("{start}{}", "1".repeat(300_000));
            assert_eq!(resolve(&text), Value::Str(text.as_str().into()), "{start}");
        }
        assert!(matches!(resolve(&"1".repeat(4000)), Value::BigInt(_)));
        assert!(matches!(resolve(&format!("{}:00", "1".repeat(300_000))), Value::Str(_)));
    }
}
