//! Patterns that leave paths out. They match whole components, never parts of one: `build` does not touch `rebuild`.

use std::path::Path;

use super::super::select::glob;

/// Patterns of paths below a root.
///
/// Without a slash (`build*`) a pattern matches any one component. With one (`docs/*`) it matches that many components
/// in a row, anywhere; a slash in front (`/docs`) ties it to the root. `**` stands for any number of components, `*` and
/// `?` for characters of one. What lies below a matched folder is matched too.
#[derive(Clone, Debug, Default)]
pub struct PathPatterns {
    patterns: Vec<Vec<String>>,
}

impl PathPatterns {
    /// Reads patterns; the reason why one cannot be used names it.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for text in texts {
            let mut parts: Vec<String> = if text.starts_with('/') { Vec::new() } else { vec!["**".to_owned()] };
            for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
                if part == ".." {
                    return Err(format!("the pattern `{text}` leaves the tree: `..` cannot be in it"));
                }
                if part != "**" || parts.last().is_none_or(|last| last != "**") {
                    parts.push(part.to_owned());
                }
            }
            if parts.iter().all(|part| part == "**") {
                return Err(format!("the pattern `{text}` leaves out everything or nothing"));
            }
            patterns.push(parts);
        }
        Ok(Self { patterns })
    }

    /// True if a path relative to the root, or a folder that it lies in, is matched.
    pub fn matches(&self, path: &Path) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        self.patterns.iter().any(|pattern| matches(pattern, &parts))
    }
}

/// The pattern's parts over a beginning of the path. `reached[n]`: the parts so far can end before component `n`.
fn matches(pattern: &[String], parts: &[String]) -> bool {
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; parts.len() + 1];
        if part == "**" {
            let mut open = false;
            for (at, here) in reached.iter().enumerate() {
                open |= *here;
                next[at] = open;
            }
        } else {
            for (at, name) in parts.iter().enumerate() {
                next[at + 1] = reached[at] && glob(part, name);
            }
        }
        reached = next;
    }
    reached.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        let patterns = PathPatterns::new(&[pattern.to_owned()]).unwrap();
        assert_eq!(patterns.matches(Path::new(path)), expected, "{pattern} {path}");
    }

    #[test]
    fn whole_components_match_and_parts_never() {
        for (pattern, path, expected) in [
            ("build", "build/Dockerfile", true),
            ("build", "a/build/b/Dockerfile", true),
            ("build", "rebuild/Dockerfile", false),
            ("build", "build-tools/Dockerfile", false),
            ("build*", "build-tools/Dockerfile", true),
            ("build*", "rebuild/Dockerfile", false),
            ("*.old", "a/x.old/Dockerfile", true),
            ("Dockerfile.test", "a/Dockerfile.test", true),
            ("docs/*", "docs/Dockerfile", true),
            ("docs/*", "a/docs/b/Dockerfile", true),
            ("docs/x", "docs/y/x/Dockerfile", false),
            ("docs/**/x", "docs/y/z/x/Dockerfile", true),
            ("docs/**/x", "docs/x/Dockerfile", true),
            ("/docs", "docs/Dockerfile", true),
            ("/docs", "a/docs/Dockerfile", false),
            ("./a/", "b/a/c", true),
            ("a?", "ab", true),
            ("a?", "a", false),
            ("/a/**", "a", true),
        ] {
            check(pattern, path, expected);
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_told() {
        for bad in ["", "/", "**", "**/**", "a/../b"] {
            assert!(PathPatterns::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(!PathPatterns::default().matches(Path::new("a")));
    }
}
