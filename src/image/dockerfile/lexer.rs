//! Physical lines to instructions: directives, comments, continuation lines, heredocs.

use super::{Instruction, Problem};

/// What stands before the first instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) escape: Option<char>,
    /// `# syntax=` and its line.
    pub(super) syntax: Option<(String, usize)>,
}

struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

/// Reads a whole Dockerfile.
pub(super) fn lex(text: &str) -> Result<(Directives, Vec<Instruction>), Problem> {
    let text_start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut lines = Vec::new();
    let mut start = text_start;
    for (index, raw) in text[text_start..].split_inclusive('\n').enumerate() {
        lines.push(Line { number: index + 1, start, text: raw.trim_end_matches(['\n', '\r']) });
        start += raw.len();
    }
    let directives = directives(&lines)?;
    let escape = directives.escape.unwrap_or('\\');
    let mut found = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        let trimmed = lines[index].text.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            index += 1;
            continue;
        }
        let mut instruction = Instruction {
            keyword: String::new(),
            text: String::new(),
            line: lines[index].number,
            end_line: lines[index].number,
            segments: Vec::new(),
        };
        loop {
            let line = &lines[index];
            let first = instruction.segments.is_empty();
            let skip = if first { line.text.len() - line.text.trim_start().len() } else { 0 };
            let body = &line.text[skip..];
            let comment = !first && (body.trim_start().starts_with('#') || body.trim().is_empty());
            instruction.end_line = line.number;
            index += 1;
            if !comment {
                let (kept, goes_on) = cut_continuation(body, escape);
                instruction.segments.push((instruction.text.len(), line.start + skip));
                instruction.text.push_str(kept);
                if !goes_on {
                    break;
                }
            }
            if index >= lines.len() {
                break;
            }
        }
        let trimmed = instruction.text.trim_end().len();
        instruction.text.truncate(trimmed);
        instruction.keyword =
            instruction.text.split(|c: char| c.is_whitespace()).next().unwrap_or_default().to_ascii_uppercase();
        if matches!(instruction.keyword.as_str(), "RUN" | "COPY" | "ADD") {
            for (word, strip_tabs) in heredocs(&instruction.text) {
                let opened = instruction.line;
                loop {
                    let Some(line) = lines.get(index) else {
                        return Err(Problem::new(opened, format!("the heredoc `{word}` is never closed")));
                    };
                    instruction.end_line = line.number;
                    index += 1;
                    let body = if strip_tabs { line.text.trim_start_matches('\t') } else { line.text };
                    if body == word {
                        break;
                    }
                }
            }
        }
        found.push(instruction);
    }
    Ok((directives, found))
}

fn directives(lines: &[Line<'_>]) -> Result<Directives, Problem> {
    let mut directives = Directives::default();
    for line in lines {
        let Some(body) = line.text.trim_start().strip_prefix('#') else { break };
        let Some((name, value)) = body.split_once('=') else { break };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "syntax" => directives.syntax = Some((value.to_owned(), line.number)),
            "escape" => match value {
                "\\" => directives.escape = Some('\\'),
                "`" => directives.escape = Some('`'),
                _ => {
                    return Err(Problem::new(
                        line.number,
                        format!("`{value}` is no escape character: use `\\` or `` ` ``"),
                    ));
                }
            },
            "check" => {}
            // Any other comment ends the directives.
            _ => break,
        }
    }
    Ok(directives)
}

/// The line without a trailing escape character, and whether there was one.
fn cut_continuation(line: &str, escape: char) -> (&str, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(kept) if !kept.ends_with(escape) => (kept, true),
        _ => (line, false),
    }
}

/// `<<EOF`, `<<-EOF`, `3<<"EOF"` among the words of an instruction.
fn heredocs(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    if !text.contains("<<") {
        return found;
    }
    let mut quote = None;
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        let text = std::mem::take(word);
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        if let Some(rest) = rest.strip_prefix("<<") {
            let (rest, strip) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
            let name = rest.trim_matches(['"', '\'']);
            let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
            if plain {
                found.push((name.to_owned(), strip));
            }
        }
    };
    for c in text.chars() {
        match quote {
            Some(open) if c == open => {
                quote = None;
                word.push(c);
            }
            Some(_) => word.push(c),
            None if c.is_whitespace() || matches!(c, ';' | '&' | '|' | '>') => flush(&mut word),
            None => {
                if matches!(c, '"' | '\'') {
                    quote = Some(c);
                }
                word.push(c);
            }
        }
    }
    flush(&mut word);
    found
}
