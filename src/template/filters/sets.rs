//! Sets over lists: `union`, `intersect`, `difference`, `symmetric_difference`.
//!
//! Python's own order of a set is arbitrary; ours is the order of the first list, then the second.

use super::super::args::{Args, Call};
use super::super::fail::R;
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

fn has(call: &Call, list: &[Val], item: &Val) -> R<bool> {
    for other in list {
        if ops::equal(call.cx(), other, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn only(call: &Call, items: Vec<Val>, other: &[Val], wanted: bool) -> R<Vec<Val>> {
    let mut out = Vec::new();
    for item in items {
        if has(call, other, &item)? == wanted {
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
