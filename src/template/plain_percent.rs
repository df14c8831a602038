//! Python's `'text %s' % value`, which minijinja's machine does not do: where a literal text stands before `%`, the
//! operator becomes the filter [`FILTER`].

use std::borrow::Cow;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, State, Value};

/// The filter's name; no template can call it so by chance.
pub const FILTER: &str = "percent_of_python";

/// The text with the filter in place of the operator. Lines stay where they are.
pub fn rewritten(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let operator = |at: usize| {
        bytes[at] == b'%' && (at == 0 || bytes[at - 1] != b'{') && bytes.get(at + 1).is_some_and(|next| *next != b'}')
    };
    if !(0..bytes.len()).any(operator) {
        return text.into();
    }
    // A text that cannot be read is told by the parser, with its place.
    let Ok(tokens) = tokenize(text, false, SyntaxConfig::default()).collect::<Result<Vec<_>, _>>() else {
        return text.into();
    };
    let mut out = String::new();
    let mut done = 0;
    // Ends of operands that are open, innermost last.
    let mut ends: Vec<usize> = Vec::new();
    for (index, (token, span)) in tokens.iter().enumerate() {
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        if matches!(token, Token::Mod)
            && index > 0
            && matches!(tokens[index - 1].0, Token::Str(_) | Token::String(_))
            && let Some(last) = operand(&tokens, index + 1)
        {
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(&format!("|{FILTER}("));
            done = end;
            ends.push(last);
        }
        while ends.last() == Some(&index) {
            out.push_str(text.get(done..end).unwrap_or_default());
            out.push(')');
            done = end;
            ends.pop();
        }
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out.into()
}

/// The index of the last token of the operand that begins at `at`.
fn operand<S>(tokens: &[(Token<'_>, S)], mut at: usize) -> Option<usize> {
    while matches!(tokens.get(at)?.0, Token::Minus | Token::Plus) {
        at += 1;
    }
    let mut last = closing(tokens, at)?;
    loop {
        let next = |offset: usize| tokens.get(last + offset).map(|(token, _)| token);
        last = match (next(1), next(2)) {
            (Some(Token::Dot | Token::Pipe), Some(Token::Ident(_))) => last + 2,
            (Some(Token::ParenOpen | Token::BracketOpen), _) => closing(tokens, last + 1)?,
            _ => return Some(last),
        };
    }
}

/// The token itself, or the bracket that closes it.
fn closing<S>(tokens: &[(Token<'_>, S)], at: usize) -> Option<usize> {
    let mut open = 0_usize;
    for (index, (token, _)) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => open += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => open = open.checked_sub(1)?,
            Token::VariableEnd | Token::BlockEnd => return None,
            _ => {}
        }
        if open == 0 {
            return Some(index);
        }
    }
    None
}

/// What stands for the operator: a tuple gives several values, anything else is one.
pub fn percent(state: &mut State<'_, '_>, format: &Value, value: &Value) -> Result<Value, Error> {
    let mut args = vec![format.clone()];
    if value.is_tuple() {
        args.extend(value.try_iter()?);
    } else {
        args.push(value.clone());
    }
    state.apply_filter("format", &args)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(rewritten(text).replace(&format!("|{FILTER}("), "<"), expected);
    }

    #[test]
    fn the_operand_is_what_binds_tighter() {
        check("{{ 'a%s' % x }}", "{{ 'a%s' < x) }}");
        check("{{ 'a%s' % x.y[0] | upper ~ z }}", "{{ 'a%s' < x.y[0] | upper) ~ z }}");
        check("{% set x = ['a-%s' % (v, w), 'b' %-1] %}", "{% set x = ['a-%s' < (v, w)), 'b' <-1)] %}");
        check("{{ 'a' % f('b%d' % 2) }}", "{{ 'a' < f('b%d' < 2))) }}");
    }

    #[test]
    fn what_is_no_text_stays() {
        for text in
            ["{{ 5 % 2 }} {{ x % 2 }}", "50 % 'x' % of {% if a %}b{% endif %}", "{{ 'a' %", "{# 'a' % b #}{{ 'a' % }}"]
        {
            check(text, text);
        }
    }
}
