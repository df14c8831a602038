//! Shell patterns on paths, as Python's `glob.glob` reads them.

use std::path::{Path, PathBuf};

/// The paths that match; hidden names only where the pattern's part begins with a dot.
pub(super) fn paths(pattern: &str) -> Vec<PathBuf> {
    if !has_magic(pattern) {
        let path = PathBuf::from(pattern);
        return if path.symlink_metadata().is_ok() { vec![path] } else { Vec::new() };
    }
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for base in &found {
            if !has_magic(part) {
                let path = base.join(part);
                if path.symlink_metadata().is_ok() {
                    next.push(path);
                }
                continue;
            }
            let folder = if base.as_os_str().is_empty() { Path::new(".") } else { base.as_path() };
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut names: Vec<String> =
                entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
            names.sort();
            let wanted = |name: &String| (!name.starts_with('.') || part.starts_with('.')) && matches(part, name);
            next.extend(names.into_iter().filter(wanted).map(|name| base.join(name)));
        }
        found = next;
    }
    found
}

fn has_magic(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// `fnmatch.fnmatchcase`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut regex = String::from("(?s)\\A");
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => {
                let start = at + 1 + usize::from(chars.get(at + 1) == Some(&'!'));
                let end = chars.iter().enumerate().skip(start + 1).find(|(_, c)| **c == ']').map(|(end, _)| end);
                match end {
                    Some(end) => {
                        regex.push('[');
                        if start == at + 2 {
                            regex.push('^');
                        }
                        for c in &chars[start..end] {
                            if "\\[]&~^#".contains(*c) {
                                regex.push('\\');
                            }
                            regex.push(*c);
                        }
                        regex.push(']');
                        at = end;
                    }
                    None => regex.push_str("\\["),
                }
            }
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
        at += 1;
    }
    regex.push_str("\\z");
    regex::Regex::new(&regex).is_ok_and(|regex| regex.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_python() {
        let check = |pattern, name, expected| assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        check("ansible_*", "ansible_x", true);
        check("a?c", "abc", true);
        check("[!a]b", "cb", true);
        check("[!a]b", "ab", false);
        check("[a-c]x", "bx", true);
        check("[x", "[x", true);
        check("a.c", "abc", false);
    }
}
