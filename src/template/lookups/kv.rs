//! Options in the term of a lookup (`key file=a.csv delimiter="\t"`), split as Ansible's `parse_kv` does.
//!
//! The loader has its own for task arguments (`playbook::kv`), which keeps the places of the words.

use super::super::fail::{Fail, R};

/// A term: what stands alone (joined by spaces; `None` if there is nothing), and the options in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// The words without a `=`.
    pub raw: Option<String>,
    /// Names and values.
    pub options: Vec<(String, String)>,
}

/// Splits a term.
pub fn parse(text: &str) -> R<Term> {
    let mut term = Term::default();
    let mut raw: Vec<String> = Vec::new();
    for word in words(text)? {
        let clear = unescape(&word);
        if !clear.contains('=') {
            raw.push(word);
            continue;
        }
        let bytes = clear.as_bytes();
        match (1..bytes.len()).find(|at| bytes[*at] == b'=' && bytes[at - 1] != b'\\') {
            Some(at) => term.options.push((clear[..at].trim().to_owned(), unquote(clear[at + 1..].trim()).to_owned())),
            None => raw.push(clear.replace("\\=", "=")),
        }
    }
    term.raw = (!raw.is_empty()).then(|| raw.join(" "));
    Ok(term)
}

/// Words, held together by quotes and by Jinja's brackets.
fn words(text: &str) -> R<Vec<String>> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut depth = 0_usize;
    let mut chars = text.trim().chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match quote {
            Some(open) if c == open && before != '\\' => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') && before != '\\' => quote = Some(c),
            None if c == '{' && matches!(chars.peek(), Some('{' | '%' | '#')) => depth += 1,
            None if matches!(c, '}' | '%' | '#') && chars.peek() == Some(&'}') => depth = depth.saturating_sub(1),
            None if c.is_whitespace() && depth == 0 => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                before = c;
                continue;
            }
            None => {}
        }
        word.push(c);
        before = c;
    }
    if quote.is_some() || depth > 0 {
        return Err(Fail::said(
            "a quote or a Jinja block of the term is not closed",
            "failed at splitting arguments, either an unbalanced jinja2 block or quotes",
        ));
    }
    if !word.is_empty() {
        out.push(word);
    }
    Ok(out)
}

/// Python's escapes: `\t`, `\x41`, `\u00e9`, `\101`, `\\` ...
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let next = rest.chars().nth(1);
        let digits = |skip: usize, len: usize, radix: u32| {
            let digits = rest.get(skip..skip + len)?;
            if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
                return None;
            }
            Some((char::from_u32(u32::from_str_radix(digits, radix).ok()?)?, skip + len))
        };
        let simple = |c: char| Some((c, 2));
        let octal = || (1..=3).rev().find_map(|len| digits(1, len, 8));
        let found = match next {
            Some('x') => digits(2, 2, 16),
            Some('u') => digits(2, 4, 16),
            Some('U') => digits(2, 8, 16),
            Some('0'..='7') => octal(),
            Some('n') => simple('\n'),
            Some('t') => simple('\t'),
            Some('r') => simple('\r'),
            Some('a') => simple('\x07'),
            Some('b') => simple('\x08'),
            Some('f') => simple('\x0c'),
            Some('v') => simple('\x0b'),
            Some(c @ ('\\' | '\'' | '"')) => simple(c),
            _ => None,
        };
        let (c, used) = found.unwrap_or(('\\', 1));
        out.push(c);
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

/// Without one pair of quotes around it.
fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if text.len() > 1
            && let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote))
            && !inner.ends_with('\\')
        {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, raw: Option<&str>, options: &[(&str, &str)]) {
        let found = parse(text).ok().expect(text);
        assert_eq!(found.raw.as_deref(), raw, "{text}");
        let found: Vec<_> = found.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, options, "{text}");
    }

    #[test]
    fn terms_are_split_as_task_arguments_are() {
        check(
            "von Last file=a.csv delimiter=, col=1",
            Some("von Last"),
            &[("file", "a.csv"), ("delimiter", ","), ("col", "1")],
        );
        check("file=x", None, &[("file", "x")]);
        check("k delimiter=\"\\t\" a='b c'", Some("k"), &[("delimiter", "\t"), ("a", "b c")]);
        check("x delimiter=' '", Some("x"), &[("delimiter", " ")]);
        check("chars=ascii_letters,,digits a\\=b", Some("a=b"), &[("chars", "ascii_letters,,digits")]);
        check("'a b'  c", Some("'a b' c"), &[]);
        check("a={{ b c }} \\x41\\u00e9=\\101", None, &[("a", "{{ b c }}"), ("Aé", "A")]);
        check("", None, &[]);
        check("=x", Some("=x"), &[]);
        check("a\\", Some("a\\"), &[]);
        assert!(parse("it's").is_err());
        assert!(parse("{{ a").is_err());
    }
}
