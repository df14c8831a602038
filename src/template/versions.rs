//! Comparison of versions, in the four ways of the test `version`.

use std::cmp::Ordering;

use super::fail::{Fail, R};
use super::regex;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Number(u128),
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
        out.push(piece.parse().map_or_else(|_| Part::Text(piece.to_owned()), Part::Number));
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

type Strict = (Vec<u64>, bool, String, u64);

fn strict(text: &str) -> R<Strict> {
    let pattern = regex::compile(r"^(\d+)\.(\d+)(\.(\d+))?([ab](\d+))?$", false, false)?;
    let found = regex::search(&pattern, text)?.ok_or_else(|| wrong(text))?;
    let number = |index| found.get(index).and_then(|m| m.as_str().parse().ok()).unwrap_or(0);
    let pre = found.get(5).map(|m| m.as_str()[..1].to_owned());
    Ok((vec![number(1), number(2), number(4)], pre.is_none(), pre.unwrap_or_default(), number(6)))
}

fn semantic(a: &str, b: &str) -> R<Ordering> {
    type Parsed = ([u64; 3], Vec<String>);
    let parse = |text: &str| -> R<Parsed> {
        let pattern =
            regex::compile(r"^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$", false, false)?;
        let found = regex::search(&pattern, text)?.ok_or_else(|| wrong(text))?;
        let number = |index| found.get(index).and_then(|m| m.as_str().parse().ok()).unwrap_or(0);
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
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(pre_a.len().cmp(&pre_b.len()))
}

type Pep = (u64, Vec<u64>, (i8, u64), (i8, u64), (i8, u64), (bool, Vec<(bool, u64, String)>));

fn pep440(text: &str) -> R<Pep> {
    let pattern = regex::compile(
        r"^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$",
        true,
        false,
    )?;
    let found = regex::search(&pattern, text)?.ok_or_else(|| wrong(text))?;
    let part = |index: usize| found.get(index).map(|m| m.as_str().to_lowercase());
    let number = |index: usize| part(index).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    let mut release: Vec<u64> =
        part(2).unwrap_or_default().split('.').filter_map(|number| number.parse().ok()).collect();
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let is_dev = part(8).is_some();
    let is_post = part(5).is_some() || part(6).is_some();
    let pre = match part(3).as_deref() {
        Some("a" | "alpha") => (0, number(4)),
        Some("b" | "beta") => (1, number(4)),
        Some(_) => (2, number(4)),
        None if is_dev && !is_post => (-1, 0),
        None => (3, 0),
    };
    let post = if part(5).is_some() {
        (1, number(5))
    } else if is_post {
        (1, number(7))
    } else {
        (0, 0)
    };
    let dev = if is_dev { (0, number(9)) } else { (1, 0) };
    let local = part(10).map(|text| {
        text.split(['-', '_', '.'])
            .map(|piece| match piece.parse::<u64>() {
                Ok(number) => (true, number, String::new()),
                Err(_) => (false, 0, piece.to_owned()),
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
        let check = |kind, a, b, expected| assert_eq!(compare(kind, a, b).ok(), Some(expected), "{a} {b}");
        check("loose", "1.10", "1.9", Ordering::Greater);
        check("loose", "5.2", "5.2.1", Ordering::Less);
        check("semver", "1.0.0-alpha.2", "1.0.0", Ordering::Less);
        check("pep440", "1.0.dev1", "1.0a1", Ordering::Less);
        check("pep440", "1.0", "1.0.0", Ordering::Equal);
        check("pep440", "1.0.post1", "1.0", Ordering::Greater);
        assert!(compare("loose", "1.a", "1.2").is_err());
    }
}
