//! Paths of requests: checked and taken apart before anything is compared with them.
//!
//! A path goes upstream with the client's own escapes, but no spelling of `..` gets through,
//! not even one that a second round of decoding would reveal.

use std::borrow::Cow;

/// Answers without any upstream.
pub const HEALTH_PATH: &str = "/.hostctl/health";

/// The part of an upstream's tree that may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The prefix as segments.
    pub prefix: Vec<String>,
    /// Only these folders below it; all if empty.
    pub paths: Vec<Vec<String>>,
}

impl Pattern {
    /// What follows the prefix, if the path is below it and allowed.
    pub(super) fn rest<'a>(&self, path: &'a [String]) -> Option<&'a [String]> {
        let rest = path.strip_prefix(self.prefix.as_slice())?;
        let allowed = self.paths.is_empty() || self.paths.iter().any(|folder| rest.starts_with(folder));
        allowed.then_some(rest)
    }
}

/// The segments of a path. Empty ones and a literal `.` (apt writes `/./` for flat repositories)
/// are left out; anything that could climb or hide is an error with its reason.
pub(super) fn segments(path: &str) -> Result<Vec<String>, &'static str> {
    let mut found = Vec::new();
    for segment in path.split('/') {
        if segment.is_empty() || segment == "." {
            continue;
        }
        check_segment(segment)?;
        found.push(segment.to_owned());
    }
    Ok(found)
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    check_escapes(segment)?;
    let mut current = Cow::Borrowed(segment.as_bytes());
    // Decoded until nothing changes: an upstream that decodes twice must not see `..` either.
    for _ in 0..8 {
        match current.as_ref() {
            b"." | b".." => return Err("it climbs with `..` or `.`"),
            bytes if bytes.iter().any(|byte| matches!(byte, b'/' | b'\\')) => return Err("it hides a slash"),
            bytes if bytes.iter().any(u8::is_ascii_control) => return Err("it holds control characters"),
            _ => {}
        }
        // `..;x` is `..` for some servers.
        if current.starts_with(b"..;") || current.starts_with(b".;") {
            return Err("it climbs with `..` or `.`");
        }
        let next: Vec<u8> = percent_encoding::percent_decode(&current).collect();
        if next == current.as_ref() {
            return Ok(());
        }
        current = Cow::Owned(next);
    }
    Err("it is escaped too many times")
}

fn check_escapes(segment: &str) -> Result<(), &'static str> {
    let bytes = segment.as_bytes();
    let broken = bytes.iter().enumerate().any(|(index, byte)| {
        *byte == b'%' && !bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if broken { Err("a `%` is not followed by two hex digits") } else { Ok(()) }
}

/// The path as text for a log line: as it came (a URI holds no blanks or control characters),
/// cut at 400 characters, without the query.
pub(super) fn for_log(path: &str) -> String {
    path.chars().filter(|c| !c.is_control()).take(400).collect()
}

#[cfg(test)]
mod path_tests {
    use super::*;

    fn check(path: &str, expected: Option<&[&str]>) {
        let found = segments(path).ok();
        let found: Option<Vec<&str>> = found.as_ref().map(|list| list.iter().map(String::as_str).collect());
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn honest_paths_keep_their_escapes() {
        check("/debian/dists/bookworm/InRelease", Some(&["debian", "dists", "bookworm", "InRelease"]));
        check("/debian/./Packages", Some(&["debian", "Packages"]));
        check("/debian//pool/a%2bb_1%3a2.deb", Some(&["debian", "pool", "a%2bb_1%3a2.deb"]));
        check("/debian/pool/c++/..a/b../...", Some(&["debian", "pool", "c++", "..a", "b..", "..."]));
        check("/", Some(&[]));
    }

    #[test]
    fn every_spelling_of_climbing_is_refused() {
        for path in [
            "/debian/../secret",
            "/debian/%2e%2e/secret",
            "/debian/.%2E/secret",
            "/debian/%2e/x",
            "/debian/%252e%252e/secret",
            "/debian/%25252e%25252e/secret",
            "/debian/..%2fsecret",
            "/debian/a%2f..%2fsecret",
            "/debian/..%5csecret",
            "/debian/..\\secret",
            "/debian/..;/secret",
            "/debian/%2e%2e;a=b/secret",
            "/debian/a%00b",
            "/debian/a%0d%0aHost:x",
            "/debian/%zz",
            "/debian/%2",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn a_prefix_matches_whole_segments_only() {
        let pattern = Pattern { prefix: vec!["debian".into()], paths: vec![vec!["pool".into()]] };
        let rest = |path: &str| {
            let path = segments(path).expect("path");
            pattern.rest(&path).map(|rest| rest.join("/"))
        };
        assert_eq!(rest("/debian/pool/a.deb"), Some("pool/a.deb".to_owned()));
        assert_eq!(rest("/debian/poolx/a.deb"), None);
        assert_eq!(rest("/debian/dists/x"), None);
        assert_eq!(rest("/debian-security/pool/a.deb"), None);
    }
}
