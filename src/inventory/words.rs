//! Words of an INI inventory line, split as Python's `shlex` does with comments.
//!
//! Keeps for each word where it begins, so that messages point into the line.

/// A word with the bytes it came from.
#[derive(Debug, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Splits a line. `Err` is the byte of a quote that is never closed.
pub(super) fn split_words(line: &str) -> Result<Vec<Word>, usize> {
    let mut words = Vec::new();
    let mut chars = line.char_indices().peekable();
    let mut word: Option<Word> = None;
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        if c == '#' {
            // A comment also begins inside a word.
            break;
        }
        let current = word.get_or_insert(Word { text: String::new(), start: at, end: at });
        match c {
            '\'' => loop {
                match chars.next() {
                    Some((_, '\'')) => break,
                    Some((_, c)) => current.text.push(c),
                    None => return Err(at),
                }
            },
            '"' => loop {
                match chars.next() {
                    Some((_, '"')) => break,
                    Some((_, '\\')) => match chars.next() {
                        Some((_, escaped @ ('"' | '\\'))) => current.text.push(escaped),
                        Some((_, other)) => {
                            current.text.push('\\');
                            current.text.push(other);
                        }
                        None => return Err(at),
                    },
                    Some((_, c)) => current.text.push(c),
                    None => return Err(at),
                }
            },
            '\\' => match chars.next() {
                Some((_, escaped)) => current.text.push(escaped),
                None => return Err(at),
            },
            c => current.text.push(c),
        }
        current.end = chars.peek().map_or(line.len(), |(at, _)| *at);
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_shlex_does() {
        let check = |line: &str, expected: &[&str]| {
            let words: Vec<String> = split_words(line).unwrap().into_iter().map(|word| word.text).collect();
            assert_eq!(words, expected, "{line}");
        };
        check("host a=1 b='x y' c=\"p\\\"q\" # end", &["host", "a=1", "b=x y", "c=p\"q"]);
        check("host1#x y", &["host1"]);
        check("a=\"{'k': [1, 2]}\"", &["a={'k': [1, 2]}"]);
        check("a=b\\ c d='it'\\''s'", &["a=b c", "d=it's"]);
        check("", &[]);
        assert_eq!(split_words("host a='x"), Err(7));
        let words = split_words("h a='x y'").unwrap();
        assert_eq!((words[1].start, words[1].end), (2, 9));
    }
}
