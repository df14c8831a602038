//! Names of Python packages as pip takes them: name, extras and versions; and how versions compare (PEP 440).

use std::cmp::Ordering;

/// What a version of a package must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The text as given, in pip's order if it could be read.
    pub text: String,
    /// The name in small letters with dashes; `None` for addresses and what cannot be read.
    pub name: Option<String>,
    specs: Vec<(String, String)>,
}

const OPERATORS: &[&str] = &["===", "==", ">=", "<=", "!=", "~=", ">", "<"];

/// Small letters, one dash for every run of `-`, `_` and `.` (PEP 503).
pub(super) fn canonical(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

impl Requirement {
    /// One requirement; `version` is what is wanted besides.
    pub fn of(text: &str, version: Option<&str>) -> Self {
        let whole = match version.map(str::trim_start).filter(|version| !version.is_empty()) {
            Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) => format!("{text}=={version}"),
            Some(version) => format!("{text} {version}"),
            None => text.to_owned(),
        };
        Self::read(&whole).unwrap_or(Self { text: text.to_owned(), name: None, specs: Vec::new() })
    }

    fn read(text: &str) -> Option<Self> {
        let (body, marker) = match text.split_once(';') {
            Some((body, marker)) => (body, Some(marker.trim())),
            None => (text, None),
        };
        let body = body.trim();
        let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(body.len());
        let name = &body[..end];
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        let mut rest = body[end..].trim_start();
        let mut extras: Vec<&str> = Vec::new();
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']')?;
            extras = inside.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
            extras.sort_unstable();
            rest = after.trim_start();
        }
        let rest = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest);
        let mut specs = Vec::new();
        for spec in rest.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
            let operator = OPERATORS.iter().find(|operator| spec.starts_with(**operator))?;
            let version = spec[operator.len()..].trim();
            let plain = version.trim_end_matches(".*");
            if *operator != "===" {
                Version::of(plain)?;
            }
            specs.push(((*operator).to_owned(), version.to_owned()));
        }
        let mut shown: Vec<String> = specs.iter().map(|(operator, version)| format!("{operator}{version}")).collect();
        shown.sort_unstable();
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        let marker = marker.map(|marker| format!("; {marker}")).unwrap_or_default();
        let text = format!("{name}{extras}{}{marker}", shown.join(","));
        Some(Self { text, name: Some(canonical(name)), specs })
    }

    /// It says something of the version.
    pub fn has_version(&self) -> bool {
        !self.specs.is_empty()
    }

    /// A version fits.
    pub fn fits(&self, version: &str) -> bool {
        self.name.is_some() && self.specs.iter().all(|(operator, wanted)| fits(operator, wanted, version))
    }
}

/// Names that were given as one list, put together again: `django>1.11.1`, `<1.11.3` is one.
pub(super) fn whole_names(given: &[String]) -> Vec<String> {
    let is_name = |part: &str| !OPERATORS.iter().any(|operator| part.trim_start().starts_with(operator));
    let mut names = Vec::new();
    let mut parts: Vec<&str> = Vec::new();
    let mut brackets = false;
    for part in given.iter().flat_map(|line| line.split(',')) {
        if is_name(part) && !brackets {
            if !parts.is_empty() {
                names.push(parts.join(","));
            }
            parts.clear();
        }
        brackets |= part.contains('[');
        brackets &= !part.contains(']');
        parts.push(part);
    }
    names.push(parts.join(","));
    names
}

fn fits(operator: &str, wanted: &str, found: &str) -> bool {
    if operator == "===" {
        return wanted.eq_ignore_ascii_case(found);
    }
    let (Some(version), Some(limit)) = (Version::of(found), Version::of(wanted.trim_end_matches(".*"))) else {
        return false;
    };
    // Without a local part in the requirement that of the version does not count.
    let public =
        if limit.local.is_empty() { Version { local: Vec::new(), ..version.clone() } } else { version.clone() };
    let prefix = || public.epoch == limit.epoch && starts(&public.release, &limit.release);
    match operator {
        "==" if wanted.ends_with(".*") => prefix(),
        "!=" if wanted.ends_with(".*") => !prefix(),
        "==" => public.cmp(&limit) == Ordering::Equal,
        "!=" => public.cmp(&limit) != Ordering::Equal,
        ">=" => public.cmp(&limit) != Ordering::Less,
        "<=" => public.cmp(&limit) != Ordering::Greater,
        // Later releases of the same version do not count as greater, nor earlier ones as less.
        ">" => {
            version.cmp(&limit) == Ordering::Greater
                && !(limit.post.is_none() && version.post.is_some() && same_base(&version, &limit))
                && (version.local.is_empty() || !same_base(&version, &limit))
        }
        "<" => {
            version.cmp(&limit) == Ordering::Less
                && !(limit.pre.is_none() && limit.dev.is_none() && version.is_early() && same_base(&version, &limit))
        }
        "~=" => {
            let upper = limit.release.len().saturating_sub(1);
            public.cmp(&limit) != Ordering::Less
                && upper > 0
                && public.epoch == limit.epoch
                && starts(&public.release, &limit.release[..upper])
        }
        _ => false,
    }
}

fn same_base(left: &Version, right: &Version) -> bool {
    left.epoch == right.epoch && compare(&left.release, &right.release) == Ordering::Equal
}

fn starts(release: &[u64], prefix: &[u64]) -> bool {
    prefix.iter().enumerate().all(|(at, part)| release.get(at).copied().unwrap_or(0) == *part)
}

fn compare(left: &[u64], right: &[u64]) -> Ordering {
    let at = |list: &[u64], at: usize| list.get(at).copied().unwrap_or(0);
    (0..left.len().max(right.len()))
        .map(|i| at(left, i).cmp(&at(right, i)))
        .find(|found| found.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// A version in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// `a`, `b`, `c` and a number.
    pre: Option<(char, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<(bool, u64, String)>,
}

impl Version {
    fn of(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let text = text.strip_prefix('v').unwrap_or(&text);
        let (text, local) = text.split_once('+').unwrap_or((text, ""));
        let (epoch, mut rest) = match text.split_once('!') {
            Some((epoch, rest)) => (epoch.parse().ok()?, rest),
            None => (0, text),
        };
        let mut release = Vec::new();
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            release.push(rest[..end].parse().ok()?);
            rest = &rest[end..];
            match rest.strip_prefix('.').filter(|after| after.starts_with(|c: char| c.is_ascii_digit())) {
                Some(after) => rest = after,
                None => break,
            }
        }
        let (mut pre, mut post, mut dev) = (None, None, None);
        let words = [
            ("alpha", 'a'),
            ("beta", 'b'),
            ("preview", 'c'),
            ("pre", 'c'),
            ("rc", 'c'),
            ("a", 'a'),
            ("b", 'b'),
            ("c", 'c'),
            ("post", 'p'),
            ("rev", 'p'),
            ("r", 'p'),
            ("dev", 'd'),
        ];
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('-').filter(|after| after.starts_with(|c: char| c.is_ascii_digit()))
            {
                // `1.0-1` is a later release too.
                let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                post = Some(after[..end].parse().ok()?);
                rest = &after[end..];
                continue;
            }
            rest = rest.trim_start_matches(['.', '-', '_']);
            let (word, kind) = words.iter().find(|(word, _)| rest.starts_with(word))?;
            rest = rest[word.len()..].trim_start_matches(['.', '-', '_']);
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = if end == 0 { 0 } else { rest[..end].parse().ok()? };
            rest = &rest[end..];
            match kind {
                'p' => post = Some(number),
                'd' => dev = Some(number),
                kind => pre = Some((*kind, number)),
            }
        }
        let part = |part: &str| match part.parse() {
            Ok(number) => (true, number, String::new()),
            Err(_) => (false, 0, part.to_owned()),
        };
        let local = local.split(['.', '-', '_']).filter(|word| !word.is_empty()).map(part).collect();
        Some(Self { epoch, release, pre, post, dev, local })
    }

    fn is_early(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    fn cmp(&self, other: &Self) -> Ordering {
        // dev alone before a, b, c; none after them.
        let pre = |v: &Self| match (v.pre, v.post, v.dev) {
            (None, None, Some(_)) => (0, 'a', 0),
            (Some((kind, number)), ..) => (1, kind, number),
            (None, ..) => (2, 'a', 0),
        };
        let post = |v: &Self| v.post.map_or((0, 0), |number| (1, number));
        let dev = |v: &Self| v.dev.map_or((1, 0), |number| (0, number));
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.release, &other.release))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| post(self).cmp(&post(other)))
            .then_with(|| dev(self).cmp(&dev(other)))
            .then_with(|| self.local.cmp(&other.local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_pep_440_says() {
        let order = [
            "1.0.dev1",
            "1.0a1.dev1",
            "1.0a1",
            "1.0b2",
            "1.0rc1",
            "1.0",
            "1.0+abc",
            "1.0+5",
            "1.0.post1",
            "1.1",
            "1!0.1",
        ];
        for pair in order.windows(2) {
            let of = |text: &str| Version::of(text).expect(text);
            assert_eq!(of(pair[0]).cmp(&of(pair[1])), Ordering::Less, "{pair:?}");
        }
        let check = |spec: &str, version: &str, expected: bool| {
            assert_eq!(Requirement::of(&format!("x{spec}"), None).fits(version), expected, "{spec} {version}");
        };
        check("==1.0", "1", true);
        check("==1.*", "1.5.2", true);
        check("!=1.*", "1.5.2", false);
        check(">=1.2,<2", "1.9", true);
        check(">=1.2,<2", "2.0", false);
        check("<2", "2.0rc1", false);
        check(">1.0", "1.0.post1", false);
        check("~=1.4.2", "1.4.9", true);
        check("~=1.4.2", "1.5", false);
        check("==1.0", "1.0+local", true);
        check("", "3", true);
    }

    #[test]
    fn names_as_pip_writes_them() {
        let check = |text: &str, version: Option<&str>, expected: &str| {
            assert_eq!(Requirement::of(text, version).text, expected, "{text}");
        };
        check("django>1.11.1,<1.11.3", None, "django<1.11.3,>1.11.1");
        check("Foo_Bar [b, a] (>=1)", None, "Foo_Bar[a,b]>=1");
        check("six", Some("1.2"), "six==1.2");
        check("six", Some(">=1.2"), "six>=1.2");
        check("git+https://x/y.git#egg=z", None, "git+https://x/y.git#egg=z");
        check("./local/path", None, "./local/path");
        assert_eq!(Requirement::of("Foo_.Bar", None).name.as_deref(), Some("foo-bar"));
        let given = ["django>1.11.1", "<1.11.3", "x[a", "b]>2", "y"].map(str::to_owned);
        assert_eq!(whole_names(&given), ["django>1.11.1,<1.11.3", "x[a,b]>2", "y"]);
        assert_eq!(whole_names(&["a>1,<2,b".to_owned()]), ["a>1,<2", "b"]);
    }
}
