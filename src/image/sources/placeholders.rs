//! `{{ name }}` in a text, with a fixed set of names. No expressions: neither names of images nor tags need any.

use std::ops::Range;

use crate::diag::nearest;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// One of the known names.
    Name(&'static str),
}

/// What is wrong, and where in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Takes a text apart; every placeholder must be one of `known`.
pub(super) fn pieces(text: &str, known: &[&'static str]) -> Result<Vec<(Piece, Range<usize>)>, Mistake> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|open| at + open) {
        if open > at {
            found.push((Piece::Text(text[at..open].to_owned()), at..open));
        }
        let Some(close) = text[open..].find("}}").map(|close| open + close) else {
            return Err(Mistake {
                range: open..text.len(),
                message: "`{{` without its `}}`".to_owned(),
                hint: format!("close it, for example `{{{{ {} }}}}`", known.first().unwrap_or(&"name")),
            });
        };
        let inner = text[open + 2..close].trim();
        let Some(name) = known.iter().find(|name| **name == inner) else {
            let hint = match nearest(inner, known.iter().copied()) {
                Some(near) => format!("did you mean `{{{{ {near} }}}}`?"),
                None => {
                    let names: Vec<String> = known.iter().map(|name| format!("`{{{{ {name} }}}}`")).collect();
                    format!("known here: {}; there are no expressions", names.join(", "))
                }
            };
            let message = format!("unknown placeholder `{{{{ {inner} }}}}`");
            return Err(Mistake { range: open..close + 2, message, hint });
        };
        found.push((Piece::Name(name), open..close + 2));
        at = close + 2;
    }
    if at < text.len() {
        found.push((Piece::Text(text[at..].to_owned()), at..text.len()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_mistakes_have_their_place() {
        let known = ["branch", "tag"];
        let shown = |text: &str| {
            pieces(text, &known).map(|pieces| {
                pieces
                    .into_iter()
                    .map(|(piece, _)| match piece {
                        Piece::Text(text) => text,
                        Piece::Name(name) => format!("<{name}>"),
                    })
                    .collect::<String>()
            })
        };
        assert_eq!(shown("a{{ tag }}-{{branch}}}").unwrap(), "a<tag>-<branch>}");
        assert_eq!(shown("").unwrap(), "");
        let wrong = shown("é{{ brnch }}").unwrap_err();
        assert_eq!((wrong.range, wrong.hint.as_str()), (2..13, "did you mean `{{ branch }}`?"));
        assert_eq!(shown("x{{ tag").unwrap_err().range, 1..7);
        assert!(shown("{{ tag | lower }}").unwrap_err().hint.contains("no expressions"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(\\{\\{|\\}\\}| |tag|é|[a-z])*") {
            let _ = pieces(&text, &["tag"]);
        }
    }
}
