//! Versions of collections and the ranges that requirements name: `>=1.0.0,<2.0.0`.
//!
//! As ansible-core's `meets_requirements`: numbers with dots by semantic versioning, `*` fits everything.

use std::cmp::Ordering;

/// A version that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    /// What stands behind a `-`: its parts; a version with some comes before the same without.
    pre: Vec<String>,
}

/// Reads `1.2.3-rc.1+build`; fewer numbers are filled up with zeros.
fn parse(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches('v');
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let (numbers, pre) = text.split_once('-').map_or((text, ""), |(numbers, pre)| (numbers, pre));
    let mut found = [0; 3];
    let mut count = 0;
    for (at, part) in numbers.split('.').enumerate() {
        *found.get_mut(at)? = part.parse().ok()?;
        count += 1;
    }
    let pre = pre.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    (count > 0).then_some(Version { numbers: found, pre })
}

fn compare(one: &Version, other: &Version) -> Ordering {
    let by_pre = || match (one.pre.is_empty(), other.pre.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => one
            .pre
            .iter()
            .zip(&other.pre)
            .map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or_else(|| one.pre.len().cmp(&other.pre.len())),
    };
    one.numbers.cmp(&other.numbers).then_with(by_pre)
}

/// Whether a version fits a range. What is no number fits only `*` and itself.
pub(super) fn fits(version: &str, range: &str) -> bool {
    range.split(',').map(str::trim).all(|one| {
        if one.is_empty() || one == "*" || version == "*" {
            return true;
        }
        let (operator, wanted) = ["!=", "==", ">=", "<=", ">", "<", "="]
            .iter()
            .find_map(|operator| Some((*operator, one.strip_prefix(operator)?.trim())))
            .unwrap_or(("==", one));
        if wanted == "*" {
            return true;
        }
        let (Some(own), Some(other)) = (parse(version), parse(wanted)) else {
            return (version == wanted) == (operator != "!=") && !matches!(operator, ">" | "<");
        };
        let order = compare(&own, &other);
        match operator {
            "!=" => order != Ordering::Equal,
            ">=" => order != Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            "<" => order == Ordering::Less,
            _ => order == Ordering::Equal,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_ranges_as_ansible_core_says() {
        for (version, range, expected) in [
            ("1.2.3", "*", true),
            ("1.2.3", "", true),
            ("1.2.3", "1.2.3", true),
            ("1.2.3", "==1.2.3", true),
            ("1.2.3", ">=1.0.0,<2.0.0", true),
            ("2.0.0", ">=1.0.0,<2.0.0", false),
            ("1.2.3", "!=1.2.3", false),
            ("1.2.3", ">1.2", true),
            ("1.10.0", ">1.9.0", true),
            ("2.0.0-rc.1", "<2.0.0", true),
            ("2.0.0-rc.2", ">2.0.0-rc.1", true),
            ("2.0.0-1", "<2.0.0-a", true),
            ("*", ">=5.0.0", true),
            ("1.0.0+build", "=1.0.0", true),
            ("main", "main", true),
            ("main", ">=1.0.0", false),
            ("1.2.3.4", "1.2.3", false),
        ] {
            assert_eq!(fits(version, range), expected, "{version} in `{range}`");
        }
    }
}
