//! Comparison of versions, in the four ways of the test `version`.

use std::cmp::Ordering;

use super::fail::{Fail, R};
use super::regex;

/// A number of any size, as its digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Digits(String);

impl Digits {
    /// From a text of digits; from an empty one it is 0.
    fn read(text: &str) -> Option<Self> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Self(text.trim_start_matches('0').to_owned()))
    }
}

impl Ord for Digits {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Number(Digits),
    Text(String),
}

/// Compares two versions of a kind.
pub fn compare(kind: &str, a: &str, b: &str) -> R<Ordering> {
    match kind {
        "loose" => loose(a, b),
        "strict" => Ok(strict(a)?.cmp(&strict(b)?)),
        "semver" | "semantic" => semantic(a, b),
        "pep440" => Ok(pep440(a)?.cmp(&pep440(b)?)),
        other => Err(Fail::said(
            format!("there is no version type `{other}`"),
            format!("Invalid version type ({other}). Must be one of 'loose', 'strict', 'semver', 'semantic', 'pep440'"),
        )
        .with_hint("it is loose, strict, semver or pep440")),
    }
}

fn wrong(text: &str) -> Fail {
    Fail::said(
        format!("`{text}` is not a version of this kind"),
        format!("Version comparison failed: invalid version number '{text}'"),
    )
}

fn parts(text: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let class = |c: char| {
            if c.is_ascii_digit() {
                0
            } else if c.is_ascii_lowercase() {
                1
            } else {
                2
            }
        };
        if first == '.' {
            rest = &rest[1..];
            continue;
        }
        let end = rest.find(|c: char| class(c) != class(first) || c == '.').unwrap_or(rest.len());
        let piece = &rest[..end];
        out.push(Digits::read(piece).map_or_else(|| Part::Text(piece.to_owned()), Part::Number));
        rest = &rest[end..];
    }
    out
}

fn loose(a: &str, b: &str) -> R<Ordering> {
    let (left, right) = (parts(a), parts(b));
    for (x, y) in left.iter().zip(&right) {
        let order = match (x, y) {
            (Part::Number(x), Part::Number(y)) => x.cmp(y),
            (Part::Text(x), Part::Text(y)) => x.cmp(y),
            _ => {
                return Err(Fail::said(
                    format!("the versions `{a}` and `{b}` can not be compared"),
                    "Version comparison failed: '<' not supported between instances of 'str' and 'int'",
                )
                .with_hint("try `version_type='pep440'` or `version_type='semver'`"));
            }
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(left.len().cmp(&right.len()))
}

type Strict = (Vec<Digits>, bool, String, Digits);

fn strict(text: &str) -> R<Strict> {
    let pattern = regex::compile(r"^(\d+)\.(\d+)(\.(\d+))?([ab](\d+))?$", false, false)?;
    let found = regex::search(&pattern, text)?.ok_or_else(|| wrong(text))?;
    let number = |index| found.get(index).and_then(|m| Digits::read(m.as_str())).unwrap_or_default();
    let pre = found.get(5).map(|m| m.as_str()[..1].to_owned());
    Ok((vec![number(1), number(2), number(4)], pre.is_none(), pre.unwrap_or_default(), number(6)))
}

fn semantic(a: &str, b: &str) -> R<Ordering> {
    type Parsed = ([Digits; 3], Vec<String>);
    let parse = |text: &str| -> R<Parsed> {
        let pattern =
            regex::compile(r"^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$", false, false)?;
        let found = regex::search(&pattern, text)?.ok_or_else(|| wrong(text))?;
        let number = |index| found.get(index).and_then(|m| Digits::read(m.as_str())).unwrap_or_default();
        let pre = found.get(4).map(|m| m.as_str().split('.').map(str::to_owned).collect()).unwrap_or_default();
        Ok(([number(1), number(2), number(3)], pre))
    };
    let ((core_a, pre_a), (core_b, pre_b)) = (parse(a)?, parse(b)?);
    let order = core_a.cmp(&core_b);
    if order != Ordering::Equal {
        return Ok(order);
    }
    match (pre_a.is_empty(), pre_b.is_empty()) {
        (true, true) => return Ok(Ordering::Equal),
        (true, false) => return Ok(Ordering::Greater),
        (false, true) => return Ok(Ordering::Less),
        (false, false) => {}
    }
    for (x, y) in pre_a.iter().zip(&pre_b) {
        let order = match (piece(x), piece(y)) {
            (Some(x), Some(y)) => x.cmp(&y),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(pre_a.len().cmp(&pre_b.len()))
}

/// The number that a part is; an empty part is none.
fn piece(text: &str) -> Option<Digits> {
    Digits::read(text).filter(|_| !text.is_empty())
}

type Pep = (Digits, Vec<Digits>, (i8, Digits), (i8, Digits), (i8, Digits), (bool, Vec<(bool, Digits, String)>));

fn pep440(text: &str) -> R<Pep> {
    let pattern = regex::compile(
        r"^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$",
        true,
        false,
    )?;
    let found = regex::search(&pattern, text)?.ok_or_else(|| wrong(text))?;
    let part = |index: usize| found.get(index).map(|m| m.as_str().to_lowercase());
    let number = |index: usize| part(index).and_then(|text| Digits::read(&text)).unwrap_or_default();
    let mut release: Vec<Digits> = part(2).unwrap_or_default().split('.').filter_map(Digits::read).collect();
    while release.len() > 1 && release.last() == Some(&Digits::default()) {
        release.pop();
    }
    let is_dev = part(8).is_some();
    let is_post = part(5).is_some() || part(6).is_some();
    let pre = match part(3).as_deref() {
        Some("a" | "alpha") => (0, number(4)),
        Some("b" | "beta") => (1, number(4)),
        Some(_) => (2, number(4)),
        None if is_dev && !is_post => (-1, Digits::default()),
        None => (3, Digits::default()),
    };
    let post = if part(5).is_some() {
        (1, number(5))
    } else if is_post {
        (1, number(7))
    } else {
        (0, Digits::default())
    };
    let dev = if is_dev { (0, number(9)) } else { (1, Digits::default()) };
    let local = part(10).map(|text| {
        text.split(['-', '_', '.'])
            .map(|part| match piece(part) {
                Some(number) => (true, number, String::new()),
                None => (false, Digits::default(), part.to_owned()),
            })
            .collect()
    });
    Ok((number(1), release, pre, post, dev, (local.is_some(), local.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_kind() {
        let check =
            |kind: &str, a: &str, b: &str, expected| assert_eq!(compare(kind, a, b).ok(), Some(expected), "{a} {b}");
        check("loose", "1.10", "1.9", Ordering::Greater);
        check("loose", "5.2", "5.2.1", Ordering::Less);
        check("semver", "1.0.0-alpha.2", "1.0.0", Ordering::Less);
        check("pep440", "1.0.dev1", "1.0a1", Ordering::Less);
        check("pep440", "1.0", "1.0.0", Ordering::Equal);
        check("pep440", "1.0.post1", "1.0", Ordering::Greater);
        let long = |end: &str| format!("1.20261122063249123456789012345678901234567{end}");
        for kind in ["loose", "pep440"] {
            check(kind, &long("8"), &long("9"), Ordering::Less);
            check(kind, &long("8"), "1.7", Ordering::Greater);
            check(kind, "1.0007", "1.7", Ordering::Equal);
        }
        check("strict", &long("8"), &long("9"), Ordering::Less);
        check("semver", "1.0.20261122063249123456", "1.0.1", Ordering::Greater);
        check("semver", "1.0.0-20261122063249123456", "1.0.0-3", Ordering::Greater);
        assert!(compare("loose", "1.a", "1.2").is_err());
    }
}
