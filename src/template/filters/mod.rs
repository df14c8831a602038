//! The filters of Jinja2 and ansible-core, one table a subject.

mod chosen_keys;
mod crypt;
mod crypto;
mod data;
mod dict;
mod encode;
mod general;
pub mod list;
mod lists;
mod math;
mod net;
mod network;
mod paths;
mod regexes;
mod select;
mod sets;
mod subnets;
mod text;
mod urlize;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::args::{Args, Call};
use super::fail::R;
use super::val::Val;

pub use crypt::Crypt;
pub use crypto::{crypt_fail, salt};
pub use encode::url_parts;
pub use net::Net;
pub use paths::glob;

/// A filter: the value, then its arguments.
pub type Filter = fn(&Call, Val, Args) -> R<Val>;

/// Name and function.
pub type Entry = (&'static str, Filter);

fn table() -> &'static BTreeMap<&'static str, Filter> {
    static TABLE: OnceLock<BTreeMap<&'static str, Filter>> = OnceLock::new();
    TABLE.get_or_init(|| {
        [
            chosen_keys::TABLE,
            crypto::TABLE,
            data::TABLE,
            dict::TABLE,
            encode::TABLE,
            general::TABLE,
            list::TABLE,
            lists::TABLE,
            math::TABLE,
            network::TABLE,
            paths::TABLE,
            regexes::TABLE,
            select::TABLE,
            sets::TABLE,
            subnets::TABLE,
            text::TABLE,
        ]
        .into_iter()
        .flatten()
        .copied()
        .collect()
    })
}

/// The filter of a short name, or of the full name of one that only its collection has.
pub fn find(name: &str) -> Option<Filter> {
    table().get(name).copied()
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().keys().copied()
}

/// True if the filter wants to see undefined values.
pub fn takes_undefined(name: &str) -> bool {
    matches!(name, "default" | "d" | "mandatory" | "type_debug" | "ternary")
}

/// How deep a filter that hands its items on looks at them; `None` for those that do not look, or give no items.
pub fn looks_into(name: &str) -> Option<usize> {
    match name {
        "combine"
        | "difference"
        | "flatten"
        | "intersect"
        | "items2dict"
        | "list"
        | "reverse"
        | "shuffle"
        | "sort"
        | "symmetric_difference"
        | "union"
        | "unique" => Some(1),
        "batch" | "combinations" | "dict2items" | "dictsort" | "items" | "permutations" | "product" | "slice"
        | "subelements" | "zip" | "zip_longest" => Some(2),
        _ => None,
    }
}
