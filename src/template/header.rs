//! The `#jinja2:` first line of a template: settings as `key: value` pairs.

use super::engine::FileOptions;
use super::lower::SyntaxError;

const START: &str = "#jinja2:";

/// The line after the marker, if the text has one.
pub fn split(text: &str) -> Option<&str> {
    text.strip_prefix(START)
}

/// The text behind the line, and the options with what the line says.
pub fn read<'t>(text: &'t str, options: &FileOptions) -> Result<(&'t str, FileOptions), SyntaxError> {
    let mut options = options.clone();
    let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    let Some(end) = text.find('\n') else {
        return Err(SyntaxError {
            message: "the `#jinja2:` line must end".to_owned(),
            words: Some(format!("Missing newline after '{START}' override.")),
            at: (0, clamp(text.len())),
        });
    };
    let mut start = START.len();
    for pair in text[start..end].split(',') {
        let at = (clamp(start), clamp(start + pair.len()));
        start += pair.len() + 1;
        let fail = |message: String, words: String| Err(SyntaxError { message, words: Some(words), at });
        let Some((key, value)) = pair.split_once(':') else {
            let words = if pair.trim().is_empty() {
                format!("Empty '{START}' override pair not allowed.")
            } else {
                format!("Missing key-value separator `:` in '{START}' override pair '{pair}'.")
            };
            return fail("expected `key: value`".to_owned(), words);
        };
        let (key, value) = (key.trim(), value.trim());
        let text_value = || match value.as_bytes() {
            [quote @ (b'\'' | b'"'), .., last] if quote == last => Some(super::mask::string_literal(value, false)),
            _ => None,
        };
        let flag = || match value {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        let done = match key {
            "block_start_string" => text_value().map(|text| options.block.0 = text),
            "block_end_string" => text_value().map(|text| options.block.1 = text),
            "variable_start_string" => text_value().map(|text| options.variable.0 = text),
            "variable_end_string" => text_value().map(|text| options.variable.1 = text),
            "comment_start_string" => text_value().map(|text| options.comment.0 = text),
            "comment_end_string" => text_value().map(|text| options.comment.1 = text),
            "newline_sequence" => text_value().map(|text| options.newline = text),
            "line_statement_prefix" => text_value().map(|text| options.line_statement = Some(text)),
            "line_comment_prefix" => text_value().map(|text| options.line_comment = Some(text)),
            "trim_blocks" => flag().map(|flag| options.trim_blocks = flag),
            "lstrip_blocks" => flag().map(|flag| options.lstrip_blocks = flag),
            "keep_trailing_newline" => flag().map(|flag| options.keep_trailing_newline |= flag),
            _ => {
                let words = format!("Invalid '{START}' override key '{key}'.");
                return fail(format!("there is no setting `{key}`"), words);
            }
        };
        if done.is_none() {
            let words = format!("malformed node or string: {value}");
            return fail(format!("wrong value for `{key}`: write a quoted string, `True` or `False`"), words);
        }
    }
    Ok((&text[end + 1..], options))
}
