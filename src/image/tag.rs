//! The tag of a run: `<release>-<distribution>-<version>-<YYYYMMDDThhmmss>` in UTC.

use super::names::valid_tag;

/// The distribution and version as Kolla names them (`rocky-9`, `ubuntu-noble`, `debian-bookworm`),
/// from `/etc/os-release`. `None` if the file does not say enough.
pub fn distribution(os_release: &str) -> Option<String> {
    let field = |name: &str| {
        os_release.lines().find_map(|line| {
            let value = line.trim().strip_prefix(name)?.strip_prefix('=')?;
            let value = value.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
    };
    let id = field("ID")?;
    let version = match id.as_str() {
        "debian" | "ubuntu" => field("VERSION_CODENAME").or_else(|| field("VERSION_ID"))?,
        _ => field("VERSION_ID")?.split('.').next()?.to_owned(),
    };
    Some(format!("{id}-{version}"))
}

/// The time part for now.
pub fn time_now() -> String {
    time_text(jiff::Timestamp::now())
}

fn time_text(time: jiff::Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%S").to_string()
}

/// True for `YYYYMMDDThhmmss`.
pub fn is_time(text: &str) -> bool {
    text.len() == 15
        && text.char_indices().all(|(at, c)| if at == 8 { c == 'T' } else { c.is_ascii_digit() })
        && jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", text).is_ok()
}

/// The tag, or why there is none. An empty release is left out.
pub fn run_tag(release: &str, distribution: &str, time: &str) -> Result<String, String> {
    if !is_time(time) {
        return Err(format!("`{time}` is no time of the form `YYYYMMDDThhmmss`"));
    }
    let tag = [release, distribution, time].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if valid_tag(&tag) { Ok(tag) } else { Err(format!("`{tag}` is no valid tag")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_as_kolla_names_them() {
        for (text, expected) in [
            ("NAME=\"Rocky Linux\"\nID=\"rocky\"\nVERSION_ID=\"9.5\"\n", Some("rocky-9")),
            ("ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n", Some("debian-bookworm")),
            ("ID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=\"24.04\"", Some("ubuntu-noble")),
            ("ID=centos\nVERSION_ID=\"10\"\n", Some("centos-10")),
            ("NAME=x\n", None),
        ] {
            assert_eq!(distribution(text).as_deref(), expected);
        }
    }

    #[test]
    fn a_tag_is_made_of_release_distribution_and_time() {
        assert_eq!(run_tag("2024.1", "rocky-9", "20261121T061704").unwrap(), "2024.1-rocky-9-20261121T061704");
        assert_eq!(run_tag("", "debian-bookworm", "20261121T061704").unwrap(), "debian-bookworm-20261121T061704");
        assert!(run_tag("a b", "rocky-9", "20261121T061704").is_err());
        assert!(run_tag("x", "rocky-9", "20261321T061704").is_err());
        assert!(run_tag("x", "rocky-9", "2026-11-21").is_err());
        assert!(is_time(&time_now()));
        assert_eq!(time_text(jiff::Timestamp::from_second(0).unwrap()), "19700101T000000");
    }
}
