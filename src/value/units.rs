//! Durations and sizes as people write them. Knows no locale: the same text everywhere.

/// Seconds as `0.3s`, `14.2s`, `2m10s`, `1h02m`.
pub fn duration(seconds: f64) -> String {
    if seconds >= 60.0 { long(whole(seconds)) } else { format!("{:.1}s", seconds.max(0.0)) }
}

/// Seconds without tenths: `48s`, `2m10s`, `1h02m`.
pub fn whole_duration(seconds: f64) -> String {
    let seconds = whole(seconds);
    if seconds < 60 { format!("{seconds}s") } else { long(seconds) }
}

fn long(seconds: u64) -> String {
    if seconds < 3600 {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60)
    }
}

/// Whole seconds; nothing of what is no time.
fn whole(seconds: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and NaN is 0")]
    let whole = seconds.max(0.0) as u64;
    whole
}

/// About how long something takes: `less than a minute`, `38 min`, `2h05m`.
pub fn about(seconds: f64) -> String {
    let seconds = whole(seconds);
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..7200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Bytes as `812 B`, `4.2 MiB`, `61 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut unit, mut scale) = (0, 1024_u64);
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        unit += 1;
        scale = scale.saturating_mul(1024);
    }
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// Bytes in GiB as `61` or `4.2`, for `61 of 100 GiB`.
pub fn gib(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10) >> 30;
    if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(0.31), "0.3s");
        assert_eq!(duration(130.0), "2m10s");
        assert_eq!(duration(3725.0), "1h02m");
        assert_eq!(whole_duration(48.9), "48s");
        assert_eq!(about(59.0), "less than a minute");
        assert_eq!(about(2280.0), "38 min");
        assert_eq!(about(7500.0), "2h05m");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for odd in [f64::NAN, f64::NEG_INFINITY, -1.0] {
            assert_eq!((duration(odd), whole_duration(odd)), ("0.0s".to_owned(), "0s".to_owned()));
        }
        assert!(whole_duration(f64::INFINITY).ends_with('m'));
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(812), "812 B");
        assert_eq!(size(4_400_000), "4.1 MiB");
        assert_eq!(size(61 << 30), "61 GiB");
        assert_eq!(size(u64::MAX), "15 EiB");
        assert_eq!((gib(61 << 30), gib(5 << 29)), ("61".to_owned(), "2.5".to_owned()));
    }
}
