//! What PyYAML looks at in a text before it chooses how to write it.

/// How a text may be written.
#[derive(Default)]
pub struct Analysis {
    /// Nothing in it.
    pub empty: bool,
    /// It has line breaks.
    pub multiline: bool,
    /// Without quotes inside brackets.
    pub flow_plain: bool,
    /// Without quotes elsewhere.
    pub block_plain: bool,
    /// In single quotes.
    pub single: bool,
    /// As a block.
    pub block: bool,
}

/// A line break for YAML.
pub fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: char) -> bool {
    is_break(c) || matches!(c, '\0' | ' ' | '\t' | '\r')
}

/// Looks at a text. `unicode`: what is beyond ASCII stays as it is.
pub fn analyze(text: &str, unicode: bool) -> Analysis {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return Analysis { empty: true, block_plain: true, single: true, ..Analysis::default() };
    }
    let mut block_indicators = text.starts_with("---") || text.starts_with("...");
    let mut flow_indicators = block_indicators;
    let (mut breaks, mut special) = (false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut before_blank = true;
    for (index, c) in chars.iter().copied().enumerate() {
        let after_blank = chars.get(index + 1).copied().is_none_or(is_blank);
        if index == 0 {
            if "#,[]{}&*!|>'\"%@`".contains(c) {
                flow_indicators = true;
                block_indicators = true;
            }
            if matches!(c, '?' | ':') {
                flow_indicators = true;
                block_indicators |= after_blank;
            }
            if c == '-' && after_blank {
                flow_indicators = true;
                block_indicators = true;
            }
        } else {
            flow_indicators |= ",?[]{}".contains(c);
            if c == ':' {
                flow_indicators = true;
                block_indicators |= after_blank;
            }
            if c == '#' && before_blank {
                flow_indicators = true;
                block_indicators = true;
            }
        }
        breaks |= is_break(c);
        if !(c == '\n' || (' '..='~').contains(&c)) {
            // libyaml, which Ansible writes with, takes no character of four bytes for a printable one.
            let printable = c == '\u{85}' || ('\u{a0}'..='\u{fffd}').contains(&c);
            special |= !(printable && c != '\u{feff}' && unicode);
        }
        if c == ' ' {
            break_space |= previous_break;
            previous_space = true;
            previous_break = false;
        } else if is_break(c) {
            space_break |= previous_space;
            previous_space = false;
            previous_break = true;
        } else {
            previous_space = false;
            previous_break = false;
        }
        before_blank = is_blank(c);
    }
    let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
    let plain = !(edge(chars.first()) || edge(chars.last()) || break_space || space_break || special || breaks);
    Analysis {
        empty: false,
        multiline: breaks,
        flow_plain: plain && !flow_indicators,
        block_plain: plain && !block_indicators,
        single: !(break_space || space_break || special),
        block: !(space_break || special || chars.last() == Some(&' ')),
    }
}

/// The text in runs of line breaks and of the rest.
pub fn words_by_line(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        if last.is_some_and(|last| last != is_break(c)) {
            out.push(&text[start..at]);
            start = at;
        }
        last = Some(is_break(c));
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

/// The text in runs of spaces, of line breaks, and of the rest.
pub fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| {
        if c == ' ' {
            1
        } else if is_break(c) {
            2
        } else {
            0
        }
    };
    let mut out = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        if last.is_some_and(|last| last != kind(c)) {
            out.push(&text[start..at]);
            start = at;
        }
        last = Some(kind(c));
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}
