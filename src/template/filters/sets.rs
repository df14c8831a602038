//! Sets over lists: `union`, `intersect`, `difference`, `symmetric_difference`.
//!
//! Python's own order of a set is arbitrary; ours is the order of the first list, then the second.

use std::collections::HashSet;

use crate::value::Key;

use super::super::args::{Args, Call};
use super::super::fail::R;
use super::super::keys::hashed;
use super::super::ops;
use super::super::val::Val;
use super::Entry;
use super::list::distinct;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("difference", |call, value, args| keep(call, value, args, false)),
    ("intersect", |call, value, args| keep(call, value, args, true)),
    ("symmetric_difference", symmetric_difference),
    ("union", union),
];

fn two(call: &Call, value: &Val, mut args: Args) -> R<(Vec<Val>, Vec<Val>)> {
    let other = args.need(0, "b")?;
    args.finish()?;
    Ok((call.items(value)?, call.items(&other)?))
}

/// The items of a list, to be looked up.
struct Known {
    texts: HashSet<Key>,
    others: Vec<Val>,
}

impl Known {
    fn new(items: &[Val]) -> R<Self> {
        let mut known = Self { texts: HashSet::with_capacity(items.len()), others: Vec::new() };
        for item in items {
            match hashed(item) {
                Some(key) => drop(known.texts.insert(key)),
                None => known.others.push(item.clone().defined()?),
            }
        }
        Ok(known)
    }

    fn has(&self, call: &Call, item: &Val) -> R<bool> {
        if let Some(key) = hashed(item) {
            return Ok(self.texts.contains(&key));
        }
        call.cx().step(self.others.len() as u64)?;
        for other in &self.others {
            if ops::equal(call.cx(), other, item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn only(call: &Call, items: Vec<Val>, other: &[Val], wanted: bool) -> R<Vec<Val>> {
    let known = Known::new(other)?;
    let mut out = Vec::new();
    for item in items {
        let item = item.defined()?;
        if known.has(call, &item)? == wanted {
            out.push(item);
        }
    }
    Ok(out)
}

fn keep(call: &Call, value: Val, args: Args, wanted: bool) -> R<Val> {
    let (a, b) = two(call, &value, args)?;
    Ok(Val::list(distinct(call, only(call, a, &b, wanted)?, None, true)?))
}

fn union(call: &Call, value: Val, args: Args) -> R<Val> {
    let (mut a, b) = two(call, &value, args)?;
    a.extend(b);
    Ok(Val::list(distinct(call, a, None, true)?))
}

fn symmetric_difference(call: &Call, value: Val, args: Args) -> R<Val> {
    let (a, b) = two(call, &value, args)?;
    let mut out = only(call, a.clone(), &b, false)?;
    out.extend(only(call, b, &a, false)?);
    Ok(Val::list(distinct(call, out, None, true)?))
}
