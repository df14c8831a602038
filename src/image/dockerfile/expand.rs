//! `$X`, `${X}`, `${X:-default}`, `${X:+other}` as Dockerfiles expand them, with quotes removed.

use std::collections::BTreeMap;

/// Bytes that all variables of one Dockerfile may expand to: `ARG`s of `ARG`s grow by powers.
pub(super) const MOST: usize = 4 << 20;

/// Expands a word. `left` is how many bytes its variables may still expand to. `Err` says what cannot be expanded.
pub(super) fn expand(
    word: &str,
    scope: &BTreeMap<String, String>,
    escape: char,
    left: &mut usize,
) -> Result<String, String> {
    let chars: Vec<char> = word.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, scope, escape, depth: 0, left };
    reader.text(None)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    scope: &'a BTreeMap<String, String>,
    escape: char,
    depth: u32,
    left: &'a mut usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Text up to `end` (consumed) or the end of the word.
    fn text(&mut self, end: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        let mut double = false;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                c if Some(c) == end && !double => return Ok(out),
                '\'' if !double => loop {
                    match self.peek() {
                        Some('\'') => {
                            self.at += 1;
                            break;
                        }
                        Some(c) => {
                            out.push(c);
                            self.at += 1;
                        }
                        None => return Err("a `'` is never closed".to_owned()),
                    }
                },
                '"' => double = !double,
                '$' => {
                    let value = self.variable()?;
                    *self.left =
                        self.left.checked_sub(value.len()).ok_or("the file's variables expand to over 4 MiB")?;
                    out.push_str(&value);
                }
                c if c == self.escape => match self.peek() {
                    Some(next) => {
                        if double && !matches!(next, '"' | '$') && next != self.escape {
                            out.push(c);
                        }
                        out.push(next);
                        self.at += 1;
                    }
                    None => out.push(c),
                },
                c => out.push(c),
            }
        }
        if double {
            return Err("a `\"` is never closed".to_owned());
        }
        match end {
            Some(end) => Err(format!("a `{end}` is missing")),
            None => Ok(out),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            let fits = c == '_' || c.is_ascii_alphabetic() || (!name.is_empty() && c.is_ascii_digit());
            if !fits {
                break;
            }
            name.push(c);
            self.at += 1;
        }
        name
    }

    fn variable(&mut self) -> Result<String, String> {
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        self.at += 1;
        let name = self.name();
        if name.is_empty() {
            return Err("`${` is followed by no name".to_owned());
        }
        let value = self.value(&name);
        let colon = self.peek() == Some(':');
        if colon {
            self.at += 1;
        }
        let operator = self.peek().ok_or_else(|| "a `}` is missing".to_owned())?;
        self.at += 1;
        if operator == '}' && !colon {
            return Ok(value.unwrap_or_default());
        }
        if self.depth > 20 {
            return Err("the defaults are nested too deeply".to_owned());
        }
        self.depth += 1;
        let word = self.text(Some('}'));
        self.depth -= 1;
        let word = word?;
        let set = value.as_ref().is_some_and(|value| !colon || !value.is_empty());
        match operator {
            '-' => Ok(if set { value.unwrap_or_default() } else { word }),
            '+' => Ok(if set { word } else { String::new() }),
            '?' if set => Ok(value.unwrap_or_default()),
            '?' => Err(format!("`{name}` is not set: {word}")),
            other => Err(format!("the modifier `{other}` of `${{{name}}}` is not supported here")),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        self.scope.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let scope = BTreeMap::from([("A".to_owned(), "one".to_owned()), ("E".to_owned(), String::new())]);
        assert_eq!(expand(input, &scope, '\\', &mut MOST.clone()).unwrap(), expected, "{input}");
    }

    #[test]
    fn variables_expand_as_the_engine_expands_them() {
        check("$A", "one");
        check("${A}:x", "one:x");
        check("$A.b", "one.b");
        check("${N:-def}", "def");
        check("${E:-def}", "def");
        check("${E-def}", "");
        check("${A:+yes}${N:+no}", "yes");
        check("${N:-${A}-x}", "one-x");
        check("${N:-\"a}b\"}", "a}b");
        check("'$A'", "$A");
        check("\"$A\"", "one");
        check("\\$A", "$A");
        check("$N", "");
        check("a$", "a$");
    }

    #[test]
    fn what_cannot_be_expanded_says_so() {
        let scope = BTreeMap::new();
        for word in ["${", "${A", "${A:-x", "${A:?must}", "${A//x/y}", "'x", "\"x", "${}"] {
            assert!(expand(word, &scope, '\\', &mut MOST.clone()).is_err(), "{word}");
        }
    }
}
