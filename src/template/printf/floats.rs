//! Floats and groups of digits as Python writes them, without a sign and a width.

/// As `f`.
pub(super) fn fixed(float: f64, precision: usize) -> String {
    if float.is_nan() {
        "nan".to_owned()
    } else if float.is_infinite() {
        "inf".to_owned()
    } else {
        format!("{float:.precision$}")
    }
}

/// As `e`.
pub(super) fn exponent(float: f64, precision: usize) -> String {
    if !float.is_finite() {
        return fixed(float, 0);
    }
    let text = format!("{float:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A float with a precision and no letter: as `g`, but it stays a float to the eye.
pub(super) fn short(float: f64, precision: usize) -> String {
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

/// As `g`; `keep`: zeros at the end stay.
pub(super) fn general(float: f64, precision: usize, keep: bool) -> String {
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

/// Groups of thousands.
pub(super) fn grouped(digits: &str, group: char) -> String {
    grouped_by(digits, group, 3)
}

/// Groups of so many digits.
pub(super) fn grouped_by(digits: &str, group: char, every: usize) -> String {
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
