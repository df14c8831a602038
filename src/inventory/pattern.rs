//! Host patterns: `web:&prod:!web1`, `db*`, `~regex`, `web[0:2]`, and `--limit` with `@file`.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexSet;

use super::model::{Inventory, LOCALHOST};
use super::range::is_address;
use crate::diag::{Diagnostic, Kind, Result, Span};
use crate::value::PythonRegex;

/// What a pattern selected.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    /// The hosts in inventory order of the pattern's parts.
    pub hosts: Vec<Arc<str>>,
    /// Parts that matched nothing.
    pub warnings: Vec<Diagnostic>,
}

/// The parts of a pattern.
fn split(pattern: &str) -> Vec<String> {
    let clean = |parts: Vec<&str>| {
        parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    if pattern.contains(',') {
        return clean(pattern.split(',').collect());
    }
    // A single host, with a port or a range, or an IPv6 address, is not cut at its colons.
    let address =
        pattern.rsplit_once(':').filter(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if is_address(pattern.trim()) || address.is_some_and(|(host, _)| is_address(host) && !host.contains(':')) {
        return clean(vec![pattern]);
    }
    let mut parts = Vec::new();
    let mut start = 0;
    let mut depth = 0;
    for (at, c) in pattern.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            c if depth == 0 && (c == ':' || c.is_whitespace()) => {
                parts.push(&pattern[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&pattern[start..]);
    clean(parts)
}

/// Reads `--limit`: `@file` stands for the lines of a file.
pub fn read_limit(text: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for part in split(text) {
        match part.strip_prefix('@') {
            Some(file) if Path::new(file).is_dir() => {
                let text = format!("a limit that begins with `@` must be a file, not a directory: `{file}`");
                return Err(Diagnostic::new("I0011", Kind::Usage, text).with_hint("a limit file holds one host a line"));
            }
            Some(file) => {
                let lines = crate::diag::read::read_source_text(Path::new(file)).map_err(|error| {
                    Diagnostic::new("I0011", Kind::Usage, format!("the limit file `{file}` could not be read: {error}"))
                        .with_hint("a limit file holds one host a line")
                })?;
                parts.extend(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
            }
            None => parts.push(part),
        }
    }
    Ok(parts)
}

/// `name[2]`, `name[1:3]`, `name[2:]`: the name and the part that is meant.
fn subscript(pattern: &str) -> (&str, Option<(i64, Option<i64>)>) {
    let whole = (pattern, None);
    if pattern.starts_with('~') {
        return whole;
    }
    let Some((name, inner)) = pattern.strip_suffix(']').and_then(|text| text.rsplit_once('[')) else { return whole };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if name.is_empty() {
        return whole;
    }
    if digits(inner.strip_prefix('-').unwrap_or(inner)) {
        return inner.parse().map_or(whole, |index| (name, Some((index, None))));
    }
    let Some((start, end)) = inner.split_once([':', '-']) else { return whole };
    if !digits(start) || !(end.is_empty() || digits(end)) {
        return whole;
    }
    match (start.parse(), if end.is_empty() { Ok(-1) } else { end.parse() }) {
        (Ok(start), Ok(end)) => (name, Some((start, Some(end)))),
        _ => whole,
    }
}

enum Matcher {
    Exact(String),
    Regex(PythonRegex),
}

impl Matcher {
    fn new(pattern: &str, span: Option<Span>) -> Result<Self> {
        let wrong = |why: &str| {
            Diagnostic::new("I0012", Kind::Source, format!("`{pattern}` is no host pattern: {why}"))
                .with_label_opt(span, "in this pattern")
                .with_hint("`*` and `?` are wildcards; a regular expression begins with `~`")
        };
        let regex = match pattern.strip_prefix('~') {
            Some(regex) => format!("(?:{regex})"),
            None if !pattern.contains(['*', '?', '[']) => return Ok(Self::Exact(pattern.to_owned())),
            None => format!("(?:{})\\Z", glob(pattern)),
        };
        PythonRegex::text(&regex).map(Self::Regex).map_err(|why| wrong(&why))
    }

    /// Python's `re.match`: from the start.
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(pattern) => pattern == name,
            Self::Regex(regex) => matches!(regex.search(name), Ok(Some(found)) if found.start == 0),
        }
    }
}

/// Python's `fnmatch`: whether a whole text is matched by a shell-style pattern; `None` if the pattern cannot be read.
pub fn fnmatch(pattern: &str, text: &str) -> Option<bool> {
    let regex = PythonRegex::text(&format!("\\A(?s:{})\\Z", glob(pattern))).ok()?;
    regex.search(text).ok().map(|found| found.is_some())
}

/// Python's `fnmatch.translate`.
fn glob(pattern: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        at += 1;
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let negated = chars.get(at) == Some(&'!');
                let mut end = at + usize::from(negated);
                end += usize::from(chars.get(end) == Some(&']'));
                while chars.get(end).is_some_and(|c| *c != ']') {
                    end += 1;
                }
                if end >= chars.len() {
                    out.push_str("\\[");
                    continue;
                }
                out.push('[');
                out.push_str(if negated { "^" } else { "" });
                for c in &chars[at + usize::from(negated)..end] {
                    if matches!(c, '\\' | '[' | '^' | '&' | '~' | '|') {
                        out.push('\\');
                    }
                    out.push(*c);
                }
                out.push(']');
                at = end + 1;
            }
            c if c.is_alphanumeric() || *c == '_' => out.push(*c),
            c => {
                out.push('\\');
                out.push(*c);
            }
        }
    }
    out
}

impl Inventory {
    /// The hosts of a pattern, cut down to a limit. `span` is where the pattern stands.
    pub fn select(&mut self, pattern: &str, limit: Option<&[String]>, span: Option<Span>) -> Result<Selected> {
        let mut selected = Selected::default();
        let mut hosts = self.evaluate(&split(pattern), span, &mut selected.warnings)?;
        if let Some(limit) = limit {
            // What a limit misses is said once by the caller, not for each play.
            let allowed = self.evaluate(limit, None, &mut Vec::new())?;
            hosts.retain(|host| allowed.contains(host));
        }
        selected.hosts = hosts.into_iter().collect();
        Ok(selected)
    }

    /// Checks a limit by itself: parts that match nothing.
    pub fn check_limit(&mut self, limit: &[String]) -> Result<Vec<Diagnostic>> {
        let mut warnings = Vec::new();
        let hosts = self.evaluate(limit, None, &mut warnings)?;
        if hosts.is_empty() {
            let limit = limit.join(",");
            let names: Vec<&str> =
                self.hosts().map(|host| &*host.name).chain(self.groups().map(|group| &*group.name)).collect();
            let mut diagnostic =
                Diagnostic::new("I0013", Kind::Usage, format!("the limit `{limit}` matches no host of the inventory"))
                    .with_registered(
                        "Specified inventory, host pattern and/or --limit leaves us with no hosts to target.",
                    );
            if !names.is_empty() && names.len() <= 20 {
                diagnostic = diagnostic.with_note(format!("hosts and groups: {}", names.join(", ")));
            }
            return Err(diagnostic.with_nearest(&limit, names).with_hint("drop `--limit` to run on all of them"));
        }
        Ok(warnings)
    }

    /// What is to be told of a limit.
    pub fn unmatched(&mut self, limit: &[String]) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        match self.evaluate(limit, None, &mut warnings) {
            Ok(_) => warnings,
            Err(error) => vec![error],
        }
    }

    fn evaluate(
        &mut self,
        parts: &[String],
        span: Option<Span>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<IndexSet<Arc<str>>> {
        let kind = |part: &str| match part.chars().next() {
            Some('&') => 1,
            Some('!') => 2,
            _ => 0,
        };
        let mut ordered: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        // Additions first, then intersections, then exclusions, wherever they stand.
        ordered.sort_by_key(|part| kind(part));
        if ordered.first().is_none_or(|part| kind(part) != 0) {
            ordered.insert(0, "all");
        }
        let mut hosts: IndexSet<Arc<str>> = IndexSet::new();
        for part in ordered {
            if let Some((name, _)) = self.hosts.get_key_value(part) {
                hosts.insert(Arc::clone(name));
                continue;
            }
            let found = self.one(part.trim_start_matches(['&', '!']), span, warnings)?;
            match kind(part) {
                0 => hosts.extend(found),
                1 => hosts.retain(|host| found.contains(host)),
                _ => hosts.retain(|host| !found.contains(host)),
            }
        }
        Ok(hosts)
    }

    fn one(&mut self, pattern: &str, span: Option<Span>, warnings: &mut Vec<Diagnostic>) -> Result<IndexSet<Arc<str>>> {
        let (name, part) = subscript(pattern);
        let matcher = Matcher::new(name, span)?;
        let mut hosts: IndexSet<Arc<str>> = IndexSet::new();
        let mut group_found = false;
        for group in self.groups.keys().filter(|group| matcher.matches(group)) {
            group_found = true;
            hosts.extend(self.group_hosts(group));
        }
        if !group_found || name.starts_with('~') || name.contains(['.', '?', '*', '[']) {
            hosts.extend(self.hosts.keys().filter(|host| matcher.matches(host)).cloned());
        }
        if hosts.is_empty() && LOCALHOST.contains(&name) {
            let named = self.hosts.keys().find(|host| LOCALHOST.contains(&&***host)).cloned();
            hosts.insert(named.unwrap_or_else(|| self.implicit_localhost(name)));
        }
        if hosts.is_empty() && !group_found && name != "all" {
            let known: Vec<String> = self.groups.keys().chain(self.hosts.keys()).map(ToString::to_string).collect();
            let mut warning = Diagnostic::new("I0014", Kind::Source, format!("no host or group matches `{name}`"))
                .with_registered(format!("Could not match supplied host pattern, ignoring: {name}"))
                .warning()
                .with_label_opt(span, "in this pattern")
                .with_nearest(name, known.iter().map(String::as_str));
            if warning.hints.is_empty() {
                warning = warning.with_hint("name an inventory with `-i`, or check the pattern");
            }
            warnings.push(warning);
        }
        let Some((start, end)) = part.filter(|_| !hosts.is_empty()) else { return Ok(hosts) };
        let length = i64::try_from(hosts.len()).unwrap_or(i64::MAX);
        let index = |at: i64| usize::try_from(if at < 0 { length + at } else { at }).ok();
        match end {
            None => index(start)
                .and_then(|at| hosts.get_index(at))
                .map(|host| IndexSet::from([Arc::clone(host)]))
                .ok_or_else(|| {
                    Diagnostic::new(
                        "I0012",
                        Kind::Local,
                        format!("`{pattern}` is beyond the last host of `{name}`, which has {length}"),
                    )
                    .with_registered(format!("No hosts matched the subscripted pattern '{pattern}'"))
                    .with_label_opt(span, "in this pattern")
                    .with_hint(format!("the first is `{name}[0]`, the last `{name}[-1]`"))
                }),
            Some(end) => {
                // Python's slice up to and including the end.
                let end = if end == -1 { length - 1 } else { end };
                let (start, end) = (index(start).unwrap_or(0), index(end).map_or(0, |at| at + 1));
                Ok(hosts.into_iter().skip(start).take(end.saturating_sub(start)).collect())
            }
        }
    }
}
