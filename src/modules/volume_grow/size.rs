//! Sizes as volumes are given them.

use crate::diag::{Diagnostic, Result};

/// A wanted size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// So many bytes in all.
    Total(u64),
    /// So many bytes more.
    More(u64),
    /// So much of what is free, in percent.
    FreeShare(u64),
}

/// Reads `60g`, `+10g`, `100%FREE`, `+50%FREE`.
pub(super) fn parse(text: &str) -> Result<Size> {
    let wrong = |reason: &str| {
        Diagnostic::task("H0500", format!("`{text}` is no size: {reason}"))
            .with_hint("such as `60g`, `+10g`, `100%FREE` or `+50%FREE`")
    };
    let trimmed = text.trim();
    let (more, rest) = match trimmed.strip_prefix('+') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, trimmed),
    };
    if rest.starts_with('-') {
        return Err(Diagnostic::task("H0503", format!("`{text}` would shrink the volume, which is refused")));
    }
    if let Some((number, of)) = rest.split_once('%') {
        if !of.eq_ignore_ascii_case("free") {
            return Err(wrong("a share is always one of `%FREE`"));
        }
        let share: u64 = number.trim().parse().map_err(|_| wrong("the share is no whole number"))?;
        if share > 100 {
            return Err(wrong("more than 100% cannot be free"));
        }
        return Ok(Size::FreeShare(share));
    }
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" if unit == "b" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "" => return Err(wrong("it has no unit")),
        _ => return Err(wrong("the unit is unknown")),
    };
    let factor = 1024_u128.pow(power);
    let bytes = parse_number(number, factor).ok_or_else(|| wrong("the number is not readable"))?;
    let bytes = u64::try_from(bytes).map_err(|_| wrong("it is too large"))?;
    if more {
        return Ok(Size::More(bytes));
    }
    if bytes == 0 { Err(wrong("nothing is that small")) } else { Ok(Size::Total(bytes)) }
}

/// A decimal number times a factor, without floating point.
fn parse_number(text: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let mut bytes = whole.parse::<u64>().ok().map(u128::from)?.checked_mul(factor)?;
    if !fraction.is_empty() {
        let digits = u32::try_from(fraction.len()).ok()?;
        bytes += u128::from(fraction.parse::<u64>().ok()?) * factor / 10_u128.pow(digits);
    }
    Some(bytes)
}

/// Bytes for people: `60.0 GiB`.
pub(super) fn show(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    while unit + 1 < units.len() && bytes >> (10 * (unit + 1)) > 0 {
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, units.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_exactly() {
        let check = |text: &str, expected: Size| assert_eq!(parse(text).expect(text), expected, "{text}");
        check("60g", Size::Total(60 << 30));
        check("60G", Size::Total(60 << 30));
        check("1.5GiB", Size::Total(3 << 29));
        check("512 mb", Size::Total(512 << 20));
        check("100b", Size::Total(100));
        check("+10g", Size::More(10 << 30));
        check("+ 10 g", Size::More(10 << 30));
        check("100%FREE", Size::FreeShare(100));
        check("+50%free", Size::FreeShare(50));
        check("0%FREE", Size::FreeShare(0));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "g",
            "60",
            "60x",
            "-5g",
            "+-5g",
            "101%FREE",
            "50%VG",
            "x%FREE",
            "0g",
            "1.2.3g",
            "99999999999p",
            ".5g",
            "1e3g",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("-5g").expect_err("refused").code, "H0503");
    }

    #[test]
    fn people_see_rounded_sizes() {
        assert_eq!((show(60 << 30).as_str(), show(1).as_str(), show(1536).as_str()), ("60.0 GiB", "1 B", "1.5 KiB"));
        assert_eq!(show(u64::MAX), "15.9 EiB");
    }
}
