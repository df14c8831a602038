//! Patterns of Python's `re` in the words of fancy-regex.
//!
//! Flags that a pattern begins with are taken from it, so that what is put around it does not part them from it; `x`
//! and `a` are dealt with here.

use std::fmt::Write as _;

/// Where a match has to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// Anywhere: `re.search`.
    None,
    /// It begins where the text begins: `re.match`.
    Start,
    /// It is the whole text: `re.fullmatch`.
    Whole,
}

/// Flags of a whole pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct PatternFlags {
    /// `i`
    pub ignore_case: bool,
    /// `m`
    pub multiline: bool,
    /// `s`
    pub dot_all: bool,
    /// `x`
    pub verbose: bool,
    /// `a`, or a pattern of bytes.
    pub ascii: bool,
}

impl PatternFlags {
    /// These and those of the letters.
    #[must_use]
    pub fn with(self, letters: &str) -> Self {
        Self {
            ignore_case: self.ignore_case || letters.contains('i'),
            multiline: self.multiline || letters.contains('m'),
            dot_all: self.dot_all || letters.contains('s'),
            verbose: self.verbose || letters.contains('x'),
            ascii: self.ascii || letters.contains('a'),
        }
    }

    /// Those that fancy-regex is told.
    fn spelled(self) -> String {
        let flags = [(self.ignore_case, 'i'), (self.multiline, 'm'), (self.dot_all, 's')];
        let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
        if flags.is_empty() { flags } else { format!("(?{flags})") }
    }
}

/// A well-formed pattern for fancy-regex.
pub fn translated(pattern: &str, flags: PatternFlags, anchor: Anchor) -> String {
    let (given, body) = leading_flags(pattern);
    let flags = flags.with(&given);
    let body = translate(body, flags);
    // A match must begin at the start even where an earlier alternative matches later.
    match anchor {
        Anchor::None => format!("{}{body}", flags.spelled()),
        Anchor::Start => format!("{}\\A(?:{body})", flags.spelled()),
        Anchor::Whole => format!("{}\\A(?:{body})\\z", flags.spelled()),
    }
}

/// The flags that a pattern begins with (`(?im)`, comments between them), and the rest of it.
fn leading_flags(pattern: &str) -> (String, &str) {
    let (mut flags, mut rest) = (String::new(), pattern);
    while let Some((inner, after)) = rest.strip_prefix("(?").and_then(|rest| rest.split_once(')')) {
        if !inner.starts_with('#') {
            if inner.is_empty() || !inner.chars().all(|c| "aiLmsux".contains(c)) {
                break;
            }
            flags.push_str(inner);
        }
        rest = after;
    }
    (flags, rest)
}

/// What stands for a class of characters, with `a` for ASCII only; `class`: inside of brackets.
fn ascii_class(kind: char, class: bool) -> Option<String> {
    const WORD: &str = "0-9A-Za-z_";
    let inner = match kind.to_ascii_lowercase() {
        'w' => WORD,
        'd' => "0-9",
        's' => r" \t\n\r\x0b\x0c",
        'b' if !class => {
            let (behind, ahead) = (format!("(?<=[{WORD}])"), format!("(?=[{WORD}])"));
            let (not_behind, not_ahead) = (format!("(?<![{WORD}])"), format!("(?![{WORD}])"));
            return Some(match kind {
                'b' => format!("(?:{behind}{not_ahead}|{not_behind}{ahead})"),
                _ => format!("(?:{behind}{ahead}|{not_behind}{not_ahead})"),
            });
        }
        _ => return None,
    };
    Some(match (kind.is_ascii_uppercase(), class) {
        (true, _) => format!("[^{inner}]"),
        (false, true) => inner.to_owned(),
        (false, false) => format!("[{inner}]"),
    })
}

/// The number of a character written with octal digits, and how many there are: `\0`, `\012`, `\123`.
fn octal(digits: &[char], class: bool) -> Option<(u32, usize)> {
    let length = digits.iter().take(3).take_while(|c| matches!(c, '0'..='7')).count();
    // Fewer than three are a group's number, but for 0.
    if length == 0 || digits[0] != '0' && length < 3 && !class {
        return None;
    }
    Some((digits[..length].iter().fold(0, |code, c| code * 8 + c.to_digit(8).unwrap_or(0)), length))
}

/// The body of a pattern; its flags were taken from it.
fn translate(pattern: &str, flags: PatternFlags) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    let mut class = false;
    let mut class_start = 0;
    // Blanks were left out, which may part two digits.
    let mut parted = false;
    while at < chars.len() {
        let c = chars[at];
        if flags.verbose && !class && (c == '#' || matches!(c, ' ' | '\t'..='\r')) {
            at += match c {
                '#' => chars[at..].iter().position(|c| *c == '\n').unwrap_or(chars.len() - at),
                _ => 1,
            };
            parted = true;
            continue;
        }
        if std::mem::take(&mut parted) && c.is_ascii_digit() && out.ends_with(|c: char| c.is_ascii_digit()) {
            out.push_str("(?:)");
        }
        if c == '\\' {
            at += escape(&mut out, &chars[at + 1..], class, flags.ascii) + 1;
            continue;
        }
        if class {
            let first = at == class_start || (at == class_start + 1 && chars[class_start] == '^');
            match c {
                ']' if !first => {
                    class = false;
                    out.push(']');
                }
                ']' => out.push_str("\\]"),
                '[' | '&' | '~' => {
                    out.push('\\');
                    out.push(c);
                }
                '-' if chars.get(at + 1) == Some(&'-') => out.push_str("\\-"),
                _ => out.push(c),
            }
            at += 1;
            continue;
        }
        match c {
            '[' => {
                class = true;
                class_start = at + 1;
                out.push('[');
            }
            '(' if chars[at..].starts_with(&['(', '?', '#']) => {
                // A comment.
                parted = true;
                at += chars[at..].iter().position(|c| *c == ')').unwrap_or(chars.len() - at - 1);
            }
            '(' if scoped(&chars[at..]).is_some() => {
                // Flags of a group; those of Python alone say what is so anyway.
                let length = scoped(&chars[at..]).unwrap_or(0);
                let known = |c: &&char| !"aLu".contains(**c);
                let kept: String = chars[at + 2..at + 2 + length].iter().filter(known).collect();
                out.push_str("(?");
                out.push_str(&kept);
                at += 1 + length;
            }
            '$' if !flags.multiline => out.push_str("(?=\\n?\\z)"),
            '{' if !is_repeat(&chars[at..]) => out.push_str("\\{"),
            '{' if chars.get(at + 1) == Some(&',') => out.push_str("{0"),
            _ => out.push(c),
        }
        at += 1;
    }
    out
}

/// What stands behind a backslash; returns how many characters that were.
fn escape(out: &mut String, rest: &[char], class: bool, ascii: bool) -> usize {
    let Some(next) = rest.first().copied() else {
        out.push_str("\\\\");
        return 0;
    };
    if ascii && let Some(text) = ascii_class(next, class) {
        out.push_str(&text);
        return 1;
    }
    if let Some((code, length)) = octal(rest, class) {
        let _ = write!(out, "\\x{{{code:x}}}");
        return length;
    }
    match next {
        'Z' => out.push_str("\\z"),
        'b' if class => out.push_str("\\x08"),
        'A'
        | 'b'
        | 'B'
        | 'd'
        | 'D'
        | 's'
        | 'S'
        | 'w'
        | 'W'
        | 'n'
        | 'r'
        | 't'
        | 'f'
        | 'v'
        | 'a'
        | 'x'
        | 'u'
        | 'U'
        | '1'..='9' => {
            out.push('\\');
            out.push(next);
        }
        // The rest stands for itself.
        other if other.is_ascii_punctuation() && !matches!(other, '<' | '>' | '\'' | '"' | '`' | '_' | '@') => {
            out.push('\\');
            out.push(other);
        }
        other => out.push(other),
    }
    1
}

/// How many flags stand in `(?i-s:`, if such a group begins here.
fn scoped(chars: &[char]) -> Option<usize> {
    let rest = chars.strip_prefix(&['(', '?'])?;
    let length = rest.iter().take_while(|c| "aiLmsux-".contains(**c)).count();
    (length > 0 && rest.get(length) == Some(&':')).then_some(length)
}

/// `{2}`, `{2,}`, `{,3}`, `{2,3}` or `{,}` begins here.
fn is_repeat(chars: &[char]) -> bool {
    let Some(end) = chars.iter().position(|c| *c == '}') else { return false };
    let inner = &chars[1..end];
    !inner.is_empty()
        && inner.iter().all(|c| c.is_ascii_digit() || *c == ',')
        && inner.iter().filter(|c| **c == ',').count() <= 1
}
