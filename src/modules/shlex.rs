//! Words of a command line, as Python's `shlex.split` makes them.

/// The words of a line; `None` if its quoting is wrong.
pub fn words(text: &str) -> Option<Vec<String>> {
    split(text).ok()
}

/// The words, or what is wrong with the quoting.
pub fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("no character after the backslash")?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("no closing quotation")? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("no closing quotation")? {
                        '"' => break,
                        '\\' => match chars.next().ok_or("no closing quotation")? {
                            c @ ('"' | '\\') => word.push(c),
                            c => {
                                word.push('\\');
                                word.push(c);
                            }
                        },
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The first word of a command line, if it has one.
pub fn first_word(text: &str) -> Option<String> {
    split(text).ok()?.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_python_does() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split(text).expect(text), expected, "{text}");
        check("a 'b c' \"d \\\" \\x\" e\\ f", &["a", "b c", "d \" \\x", "e f"]);
        check("a''b '' # c", &["a" /* joined */, "", "#", "c"].map(|w| if w == "a" { "ab" } else { w }));
        check("  ", &[]);
        assert!(split("a 'b").is_err());
        assert!(split("a\\").is_err());
    }
}
