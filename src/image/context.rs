//! Which files of a folder are sent to the engine: `.dockerignore` as the engine's own client
//! reads it. The engine does not apply it to an uploaded context.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::system::{TreeItem, TreeKind};

/// One line of a `.dockerignore`.
#[derive(Clone, Debug)]
struct Pattern {
    /// It begins with `!`: an exception.
    keeps: bool,
    text: String,
    regex: Regex,
}

/// The patterns of a `.dockerignore`.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

impl Ignore {
    /// Reads a `.dockerignore`. `Err` names a pattern that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (keeps, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let text = clean(line);
            if text.is_empty() {
                continue;
            }
            let regex = Regex::new(&to_regex(&text)).map_err(|_| format!("`{line}` is no pattern"))?;
            patterns.push(Pattern { keeps, text, regex });
        }
        Ok(Self { patterns })
    }

    /// The items that belong to the context. `always` are sent whatever the patterns say. Items come
    /// parents first, and stay so.
    pub fn keep(&self, items: &[TreeItem], always: &[&Path]) -> Vec<TreeItem> {
        if self.patterns.is_empty() {
            return items.to_vec();
        }
        // Which patterns matched a folder, so that its content inherits them.
        let mut folders: std::collections::HashMap<PathBuf, Vec<bool>> = std::collections::HashMap::new();
        let mut gone: BTreeSet<PathBuf> = BTreeSet::new();
        let mut kept = Vec::new();
        let none = vec![false; self.patterns.len()];
        for item in items {
            let parent = item.path.parent().unwrap_or(Path::new("")).to_path_buf();
            let forced = always.contains(&item.path.as_path());
            if gone.contains(&parent) {
                if item.kind == TreeKind::Dir {
                    gone.insert(item.path.clone());
                }
                if forced {
                    kept.push(item.clone());
                }
                continue;
            }
            let text = item.path.to_string_lossy();
            let (excluded, matched) = self.excluded(&text, folders.get(&parent).unwrap_or(&none));
            if item.kind == TreeKind::Dir {
                if excluded && !self.may_keep_below(&text) {
                    gone.insert(item.path.clone());
                    continue;
                }
                folders.insert(item.path.clone(), matched);
            }
            if !excluded || forced {
                kept.push(item.clone());
            }
        }
        kept
    }

    fn excluded(&self, path: &str, parent: &[bool]) -> (bool, Vec<bool>) {
        let mut excluded = false;
        let mut matched = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.get(index).copied().unwrap_or(false);
            if pattern.keeps != excluded {
                // It could not change the state, but below here it may.
                matched[index] = inherited;
                continue;
            }
            let hit = inherited || pattern.regex.is_match(path);
            matched[index] = hit;
            if hit {
                excluded = !pattern.keeps;
            }
        }
        (excluded, matched)
    }

    fn may_keep_below(&self, folder: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.keeps && format!("{}/", pattern.text).starts_with(&format!("{folder}/")))
    }
}

/// `./a//b/../c/` is `a/c`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn to_regex(pattern: &str) -> String {
    let mut regex = String::from("^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                if chars.peek() == Some(&'/') {
                    chars.next();
                    regex.push_str("(.*/)?");
                } else {
                    regex.push_str(".*");
                }
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => {
                regex.push('\\');
                regex.push(c);
            }
            '\\' => {
                regex.push('\\');
                regex.push(chars.next().unwrap_or('\\'));
            }
            c => regex.push(c),
        }
    }
    regex.push('$');
    regex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(paths: &[&str]) -> Vec<TreeItem> {
        let mut all = BTreeSet::new();
        for path in paths {
            let mut folder = Path::new(path).parent();
            while let Some(parent) = folder.filter(|parent| !parent.as_os_str().is_empty()) {
                all.insert((parent.to_path_buf(), true));
                folder = parent.parent();
            }
            all.insert((PathBuf::from(path), false));
        }
        all.into_iter()
            .map(|(path, dir)| TreeItem {
                path,
                kind: if dir { TreeKind::Dir } else { TreeKind::File(0) },
                mode: 0o644,
                mtime: 0,
            })
            .collect()
    }

    #[track_caller]
    fn check(ignore: &str, paths: &[&str], expected: &[&str]) {
        let ignore = Ignore::parse(ignore).unwrap();
        let kept: Vec<String> = ignore
            .keep(&items(paths), &[Path::new("Dockerfile"), Path::new(".dockerignore")])
            .into_iter()
            .filter(|item| item.kind != TreeKind::Dir)
            .map(|item| item.path.display().to_string())
            .collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn patterns_exclude_and_exceptions_bring_back() {
        let paths = [".dockerignore", "Dockerfile", "a.log", "d/b.log", "d/keep.log", "d/x", "e/y", "src/m.rs"];
        check("", &paths, &paths);
        check("*.log", &paths, &[".dockerignore", "Dockerfile", "d/b.log", "d/keep.log", "d/x", "e/y", "src/m.rs"]);
        check(
            "**/*.log\n!d/keep.log\n",
            &paths,
            &[".dockerignore", "Dockerfile", "d/keep.log", "d/x", "e/y", "src/m.rs"],
        );
        check("# c\n /d/ \n./e//\n", &paths, &[".dockerignore", "Dockerfile", "a.log", "src/m.rs"]);
        check("*\n!src\n", &paths, &[".dockerignore", "Dockerfile", "src/m.rs"]);
        check("d\n!d/keep.log", &paths, &[".dockerignore", "Dockerfile", "a.log", "d/keep.log", "e/y", "src/m.rs"]);
        check("?/*", &paths, &[".dockerignore", "Dockerfile", "a.log", "src/m.rs"]);
        check("**", &paths, &[".dockerignore", "Dockerfile"]);
        check("a.log\n\\!odd", &["Dockerfile", "aXlog", "!odd"], &["Dockerfile", "aXlog"]);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        assert!(Ignore::parse("[").is_err());
    }
}
