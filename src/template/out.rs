//! What a template writes: pieces, which become one text or keep their type.

use crate::value::{Value, python_str};

use super::cx::Cx;
use super::fail::{R, What};
use super::limits::{MAX_ITEMS, MAX_TEXT};
use super::val::Val;

/// What was written, in pieces: one piece alone keeps its type.
#[derive(Default)]
pub struct Out {
    pieces: Vec<Val>,
    bytes: usize,
}

impl Out {
    /// One more piece; an error if there is too much.
    pub fn push(&mut self, cx: &Cx, piece: Val) -> R<()> {
        // What a list or a mapping holds now is written, whatever the template does to it later.
        let piece = match piece {
            Val::List(list) if list.is_range() => Val::List(list),
            Val::List(_) | Val::Map(_) => Val::from(piece.value(cx)?),
            other => other,
        };
        self.bytes += piece.as_str().map_or(0, str::len);
        self.room(cx)?;
        self.pieces.push(piece);
        Ok(())
    }

    fn room(&self, cx: &Cx) -> R<()> {
        if self.pieces.len() >= MAX_ITEMS || self.bytes > MAX_TEXT {
            return cx.room_for_text(usize::MAX);
        }
        Ok(())
    }

    /// What an included template wrote.
    pub fn append(&mut self, cx: &Cx, other: Self) -> R<()> {
        self.bytes += other.bytes;
        self.pieces.extend(other.pieces);
        self.room(cx)
    }

    /// One value, or all pieces as text. `None` and `omit` write nothing.
    pub fn finish(self, cx: &Cx) -> R<Val> {
        let mut pieces = self.pieces;
        pieces.retain(|piece| !piece.is_none());
        if pieces.len() == 1 {
            return Ok(pieces.remove(0));
        }
        if pieces.is_empty() {
            return Ok(Val::NONE);
        }
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Val::Omit => {}
                Val::Clock(clock) => out.push_str(&clock.text()),
                Val::Undef(undef) if matches!(undef.what, What::Soft) => {}
                Val::V(Value::Str(text)) => out.push_str(&text),
                Val::List(list) if list.is_range() => out.push_str(&super::text::str_of(cx, &Val::List(list))?),
                other => out.push_str(&python_str(&other.value(cx)?)),
            }
            if out.len() > MAX_TEXT {
                cx.room_for_text(out.len())?;
            }
        }
        Ok(Val::from(out))
    }
}
