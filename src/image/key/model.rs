//! A key and its parts, and what differs between two of them in words for people.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::system::digest::{Digest, Hasher};

/// The form of the parts. A change of what counts needs a new one: all keys differ then.
pub(super) const FORM: &str = "1";
/// Characters of a line's digest in the part `lines`.
pub(super) const LINE: usize = 8;

/// What an image is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// SHA-256 of the parts in hex.
    pub digest: String,
    /// `(name, value)`, e.g. `("file src/a.c", "file 644 <sha256>")`. Values of arguments, labels and files are
    /// digests.
    pub parts: Vec<(String, String)>,
    /// Bases whose digest could not be learned, and addresses that the build fetches: they may change unseen.
    pub unpinned: Vec<String>,
}

impl Key {
    pub(super) fn new(parts: Vec<(String, String)>, unpinned: Vec<String>) -> Self {
        let mut hasher = Hasher::new(Digest::Sha256);
        for (name, value) in &parts {
            for text in [name, value] {
                hasher.update(&(text.len() as u64).to_be_bytes());
                hasher.update(text.as_bytes());
            }
        }
        Self { digest: hasher.finish(), parts, unpinned }
    }

    /// The first part that differs from another key's, in words: `` `Dockerfile` line 4 ``, ``context file `src/a.c` ``,
    /// ``build argument `X` ``, ``parent `base` ``. `None` if nothing does.
    pub fn first_difference(&self, old: &Self) -> Option<String> {
        difference(&self.parts, &old.parts).map(|(_, words)| words)
    }

    /// The platform that it is for.
    pub fn platform(&self) -> &str {
        self.parts.iter().find(|(name, _)| name == "platform").map_or("", |(_, platform)| platform)
    }

    /// The key of a parent, as it was taken into this one.
    pub fn parent(&self, name: &str) -> Option<&str> {
        parent(&self.parts, name)
    }
}

/// The key of a parent among parts.
pub(in crate::image) fn parent<'a>(parts: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = parts.iter().find(|(part, _)| part.strip_prefix("parent ") == Some(name))?;
    Some(&found.1)
}

/// Before the digest of a value that is recorded in its place. No argument begins like this by chance.
const CONCEALED: &str = "\u{1}sha256 ";

/// What is recorded of a build argument or label that holds a secret: it gives the same key.
pub fn concealed(value: &str) -> String {
    format!("{CONCEALED}{}", digest(value))
}

/// SHA-256 of a build argument's or label's value, which may be recorded as a digest only.
pub(super) fn digest_of_value(value: &str) -> String {
    let hex = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    value.strip_prefix(CONCEALED).filter(hex).map_or_else(|| digest(value), str::to_owned)
}

/// SHA-256 of a text.
pub(super) fn digest(text: &str) -> String {
    Hasher::of(Digest::Sha256, text.as_bytes())
}

/// A path as one text: different paths have different texts, and nothing in it reaches a terminal as a control
/// sequence.
pub(super) fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                text.push_str("\\\\");
            } else if c.is_control() {
                text.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// In which order parts are compared: what people change by hand comes first.
fn rank(name: &str) -> usize {
    const ORDER: &[&str] =
        &["form", "Dockerfile", "platform", "target", "network", "arg", "label", "secret", "base", "parent"];
    let kind = name.split(' ').next().unwrap_or_default();
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

/// The first part that differs: its name, and words for people. `None` if nothing does.
pub fn difference(new: &[(String, String)], old: &[(String, String)]) -> Option<(String, String)> {
    let map = |parts: &[(String, String)]| -> BTreeMap<String, String> { parts.iter().cloned().collect() };
    let (new, old) = (map(new), map(old));
    let names: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let differs = names.into_iter().filter(|name| *name != "lines" && new.get(*name) != old.get(*name));
    // A folder comes or goes with the files in it, which say more.
    let is_folder = |name: &String| new.get(name).or(old.get(name)).is_some_and(|value| value.starts_with("folder "));
    let name = differs.min_by_key(|name| (rank(name), is_folder(name)))?;
    let words = words(name, new.get(name).map(String::as_str), old.get(name).map(String::as_str));
    if name == "Dockerfile"
        && let (Some(new), Some(old)) = (new.get("lines"), old.get("lines"))
        && let Some(line) = first_line(new, old)
    {
        return Some((name.clone(), format!("`Dockerfile` line {line}")));
    }
    Some((name.clone(), words))
}

fn first_line(new: &str, old: &str) -> Option<usize> {
    let lines = |text: &str| text.as_bytes().chunks(LINE).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (new, old) = (lines(new), lines(old));
    let longest = new.len().max(old.len());
    (0..longest).find(|line| new.get(*line) != old.get(*line)).map(|line| line + 1)
}

fn words(part: &str, new: Option<&str>, old: Option<&str>) -> String {
    let (kind, name) = part.split_once(' ').unwrap_or((part, ""));
    let thing = match kind {
        "form" => return "hostctl now looks at other inputs".to_owned(),
        "Dockerfile" => return "`Dockerfile`".to_owned(),
        "platform" | "target" | "network" => {
            let text = |value: Option<&str>| value.filter(|value| !value.is_empty()).unwrap_or("none").to_owned();
            return format!("{kind} `{}`, was `{}`", text(new), text(old));
        }
        "arg" => format!("build argument `{name}`"),
        "label" => format!("label `{name}`"),
        "secret" => format!("secret `{name}`"),
        "base" => format!("base `{name}`"),
        "frontend" => format!("frontend `{name}`"),
        "parent" => format!("parent `{name}`"),
        "file" if new.or(old).is_some_and(|value| value.starts_with("folder ")) => format!("context folder `{name}`"),
        "file" => format!("context file `{name}`"),
        "folder" => format!("context folder `{name}`"),
        _ => format!("`{part}`"),
    };
    match (new, old) {
        (Some(_), None) => format!("{thing} (new)"),
        (None, Some(_)) => format!("{thing} (gone)"),
        (Some(new), Some(old)) if kind == "base" => {
            let short = |value: &str| value.split(' ').next().unwrap_or_default().chars().take(19).collect::<String>();
            let (new, old) = (short(new), short(old));
            if new == old { thing } else { format!("{thing} ({new}, was {old})") }
        }
        (Some(new), Some(old)) if kind == "file" => {
            let split = |value: &str| {
                let mut words = value.splitn(3, ' ').map(str::to_owned);
                [words.next(), words.next(), words.next()].map(Option::unwrap_or_default)
            };
            let ([new_kind, new_mode, new_rest], [old_kind, old_mode, old_rest]) = (split(new), split(old));
            if new_kind != old_kind {
                format!("{thing} (is a {new_kind}, was a {old_kind})")
            } else if new_rest == old_rest && new_mode != old_mode {
                format!("{thing} (mode {new_mode}, was {old_mode})")
            } else {
                thing
            }
        }
        _ => thing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[track_caller]
    fn check(new: &[(&str, &str)], old: &[(&str, &str)], expected: Option<&str>) {
        let (new, old) = (Key::new(parts(new), Vec::new()), Key::new(parts(old), Vec::new()));
        assert_eq!(new.first_difference(&old).as_deref(), expected);
        assert_eq!(new.digest == old.digest, expected.is_none());
    }

    #[test]
    fn differences_have_words() {
        check(&[("file a", "file 644 x")], &[("file a", "file 644 x")], None);
        check(&[("file a", "file 644 x")], &[("file a", "file 644 y")], Some("context file `a`"));
        check(&[("file a", "file 755 x")], &[("file a", "file 644 x")], Some("context file `a` (mode 755, was 644)"));
        check(
            &[("file a", "link 777 x")],
            &[("file a", "file 644 x")],
            Some("context file `a` (is a link, was a file)"),
        );
        check(&[("file a", "x")], &[], Some("context file `a` (new)"));
        check(&[], &[("arg X", "1")], Some("build argument `X` (gone)"));
        check(&[("arg X", "2")], &[("arg X", "1")], Some("build argument `X`"));
        check(&[("label a.b", "2")], &[("label a.b", "1")], Some("label `a.b`"));
        check(&[("secret s", "")], &[], Some("secret `s` (new)"));
        check(&[("parent base", "2")], &[("parent base", "1")], Some("parent `base`"));
        check(&[("network", "host")], &[("network", "")], Some("network `host`, was `none`"));
        check(
            &[("base d:12", "sha256:0123456789abcdef01 #0")],
            &[("base d:12", "unpinned #0")],
            Some("base `d:12` (sha256:0123456789ab, was unpinned)"),
        );
        check(&[("form", "2")], &[("form", "1")], Some("hostctl now looks at other inputs"));
    }

    #[test]
    fn what_people_change_comes_first_and_lines_are_counted() {
        let (a, b, c) = ("aaaaaaaa", "bbbbbbbb", "cccccccc");
        check(
            &[("Dockerfile", "1"), ("lines", &format!("{a}{b}")), ("file a", "1"), ("parent p", "1")],
            &[("Dockerfile", "2"), ("lines", &format!("{a}{c}")), ("file a", "2"), ("parent p", "2")],
            Some("`Dockerfile` line 2"),
        );
        check(
            &[("Dockerfile", "1"), ("lines", a)],
            &[("Dockerfile", "2"), ("lines", &format!("{a}{c}"))],
            Some("`Dockerfile` line 2"),
        );
        check(&[("file a", "1"), ("parent p", "1")], &[("file a", "2"), ("parent p", "2")], Some("parent `p`"));
        check(&[("file a", "1"), ("arg z", "1")], &[("file a", "2"), ("arg z", "2")], Some("build argument `z`"));
    }

    #[test]
    fn names_and_values_do_not_run_together() {
        let digest = |list| Key::new(parts(list), Vec::new()).digest;
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(digest(&[("a", "b"), ("c", "d")]), digest(&[("a", "bcd")]));
    }

    #[test]
    fn paths_stay_different_and_harmless() {
        use std::os::unix::ffi::OsStrExt as _;
        let text = |bytes: &[u8]| path_text(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(text(b"a/b.c"), "a/b.c");
        assert_eq!(text("é".as_bytes()), "é");
        assert_eq!(text(b"a\xffb"), "a\\xffb");
        assert_eq!(text(b"a\\xffb"), "a\\\\xffb");
        assert_eq!(text(b"\x1b[31m\n"), "\\u{1b}[31m\\u{a}");
    }
}
