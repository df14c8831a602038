//! Masks what minijinja's lexer reads differently than Jinja2's: backslashes in strings, a `+` as
//! sign, spaces beyond ASCII.
//! The masked text has the same length, so places do not move.

use super::engine::FileOptions;

/// The text with every backslash and the byte after it replaced inside strings of tags.
pub fn mask(text: &str, options: &FileOptions) -> String {
    if options.line_statement.is_none()
        && !text.contains(['\\', '+'])
        && (text.is_ascii() || !text.chars().any(wide_space))
    {
        return text.to_owned();
    }
    let mut out = text.as_bytes().to_vec();
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let rest = &text[index..];
        if rest.starts_with(&options.comment.0) {
            index = find(text, index + options.comment.0.len(), &options.comment.1);
            continue;
        }
        let end = if rest.starts_with(&options.block.0) {
            let inner = rest[options.block.0.len()..].trim_start_matches(['-', '+']).trim_start();
            if inner.strip_prefix("raw").is_some_and(|after| {
                let after = after.trim_start().trim_start_matches(['-', '+']);
                after.starts_with(&options.block.1)
            }) {
                index = raw_end(text, index + options.block.0.len(), options);
                continue;
            }
            index += options.block.0.len();
            options.block.1.as_str()
        } else if rest.starts_with(&options.variable.0) {
            index += options.variable.0.len();
            options.variable.1.as_str()
        } else {
            index += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let mut depth = 0_usize;
        // The last byte that was no blank; a `+` after an operator or an opening bracket is a sign.
        let mut before = b'(';
        while index < bytes.len() {
            match bytes[index] {
                b'+' if b"([{,:=<>+-*/%~".contains(&before) && !text[index + 1..].starts_with(end) => {
                    // Behind the tag's own sign (`{%+`) nothing stands yet.
                    if bytes.get(index.wrapping_sub(1)).is_some_and(|byte| !b"%{".contains(byte)) {
                        out[index] = b' ';
                    }
                    index += 1;
                    continue;
                }
                byte if byte.is_ascii_whitespace() => {
                    index += 1;
                    continue;
                }
                byte if !byte.is_ascii() && text.get(index..).is_some_and(|rest| rest.starts_with(wide_space)) => {
                    let len = text[index..].chars().next().map_or(1, char::len_utf8);
                    out[index..index + len].fill(b' ');
                    index += len;
                    continue;
                }
                quote @ (b'\'' | b'"') => {
                    index += 1;
                    while index < bytes.len() && bytes[index] != quote {
                        if bytes[index] == b'\\' {
                            out[index] = b'_';
                            index += 1;
                            // A character of several bytes needs no mask.
                            if index < bytes.len() && bytes[index].is_ascii() {
                                out[index] = b'_';
                                index += 1;
                            }
                        } else {
                            index += 1;
                        }
                    }
                    index += 1;
                }
                b'(' | b'[' | b'{' => {
                    before = bytes[index];
                    depth += 1;
                    index += 1;
                    continue;
                }
                b')' | b']' | b'}' if depth > 0 => {
                    depth -= 1;
                    index += 1;
                }
                _ if depth == 0 && bytes[index..].starts_with(end.as_bytes()) => {
                    index += end.len();
                    break;
                }
                _ => index += 1,
            }
            before = bytes.get(index.saturating_sub(1)).copied().unwrap_or(b'(');
        }
        while index < bytes.len() && !text.is_char_boundary(index) {
            index += 1;
        }
    }
    if let Some(prefix) = &options.line_statement {
        mask_colons(text, prefix, options.line_comment.as_deref(), &mut out);
    }
    // Only whole ASCII bytes were replaced by ASCII bytes.
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// A statement that is a line may end in `:`, which says nothing.
fn mask_colons(text: &str, prefix: &str, comment: Option<&str>, out: &mut [u8]) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let inner = line.trim();
        let is_comment = comment.is_some_and(|comment| comment.len() > prefix.len() && inner.starts_with(comment));
        if inner.starts_with(prefix)
            && !is_comment
            && inner.ends_with(':')
            && let Some(byte) = out.get_mut(start + line.trim_end().len() - 1)
        {
            *byte = b' ';
        }
        start += line.len();
    }
}

/// A space that Python's `\s` knows and ASCII does not.
fn wide_space(c: char) -> bool {
    !c.is_ascii() && c.is_whitespace()
}

fn find(text: &str, from: usize, what: &str) -> usize {
    text.get(from..).and_then(|rest| rest.find(what)).map_or(text.len(), |at| from + at + what.len())
}

fn raw_end(text: &str, from: usize, options: &FileOptions) -> usize {
    let mut index = from;
    loop {
        let start = find(text, index, &options.block.0);
        if start >= text.len() {
            return text.len();
        }
        if text[start..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return find(text, start, &options.block.1);
        }
        index = start;
    }
}

/// The value of the source of one or more adjacent string literals. `raw`: backslashes stay.
pub fn string_literal(source: &str, raw: bool) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(open) = rest.find(['\'', '"']) {
        let quote = rest.as_bytes()[open];
        let body = &rest[open + 1..];
        let mut end = 0;
        let bytes = body.as_bytes();
        while end < bytes.len() && bytes[end] != quote {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let text = body.get(..end.min(body.len())).unwrap_or(body);
        if raw {
            out.push_str(text);
        } else {
            unescape(text, &mut out);
        }
        rest = body.get(end + 1..).unwrap_or_default();
    }
    out
}

/// Python's `unicode-escape`: unknown escapes stay as they are.
fn unescape(text: &str, out: &mut String) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(kind) = chars.next() else {
            out.push('\\');
            break;
        };
        let simple = match kind {
            '\\' => Some('\\'),
            '\'' => Some('\''),
            '"' => Some('"'),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            _ => None,
        };
        if let Some(c) = simple {
            out.push(c);
            continue;
        }
        let (radix, digits, start) = match kind {
            'x' => (16, 2, String::new()),
            'u' => (16, 4, String::new()),
            'U' => (16, 8, String::new()),
            '0'..='7' => (8, 3, kind.to_string()),
            '\n' => continue,
            other => {
                out.push('\\');
                out.push(other);
                continue;
            }
        };
        let mut number = start;
        while number.len() < digits && chars.peek().is_some_and(|c| c.is_digit(radix)) {
            number.extend(chars.next());
        }
        match u32::from_str_radix(&number, radix).ok().and_then(char::from_u32) {
            Some(c) => out.push(c),
            None => {
                out.push('\\');
                out.push(kind);
                out.push_str(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_backslashes_inside_strings_of_tags_only() {
        let check = |text: &str, expected: &str| assert_eq!(mask(text, &FileOptions::default()), expected);
        check(r"a\b {{ 'c\'d' }}", r"a\b {{ 'c__d' }}");
        check(r"{% raw %}{{ 'a\b' }}{% endraw %}{{ '\d' }}", r"{% raw %}{{ 'a\b' }}{% endraw %}{{ '__' }}");
        check(r"{# '\ #}{{ '\\' }}", r"{# '\ #}{{ '__' }}");
        check("{{ [-1, +2, 1 + 2, 1 - +x] }}", "{{ [-1,  2, 1 + 2, 1 -  x] }}");
        check("{%+ if a + 1 +%} + 1", "{%+ if a + 1 +%} + 1");
        check("\u{a0}{{\u{2003}x\u{a0}~ '\u{a0}' ~ \u{e9} }}", "\u{a0}{{   x  ~ '\u{a0}' ~ \u{e9} }}");
    }

    #[test]
    fn literals_unescape_as_python_does() {
        assert_eq!(string_literal(r"'a\n' 'b\d\x41'", false), "a\nb\\dA");
        assert_eq!(string_literal(r"'a\n'", true), "a\\n");
    }
}
