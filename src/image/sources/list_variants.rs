//! Variants of an image of a list: a list of them, or a matrix of build arguments.

use super::list_fields::{Options, bad, scalar};
use crate::diag::{Diagnostic, Span};
use crate::yaml::{Fields, Node, wrong_type};

/// Variants that one image may have.
const MOST: usize = 1000;

/// One variant.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant {
    /// Behind the image's name.
    pub(super) suffix: String,
    /// Behind its tags.
    pub(super) tag_suffix: String,
    pub(super) options: Options,
    pub(super) place: Option<Span>,
}

/// The variants of an image; the image itself if it names none.
pub(super) fn read(node: Option<&Node>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Variant> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return vec![Variant::default()] };
    let before = diagnostics.len();
    let found = match (node.as_list(), node.as_map()) {
        (Some(items), _) => items.iter().take(MOST + 1).filter_map(|item| one(item, diagnostics)).collect(),
        (None, Some(_)) => matrix(node, diagnostics),
        (None, None) => {
            diagnostics.push(
                wrong_type(node, "`variants`", "a list or a mapping")
                    .with_hint("write `- suffix: -slim` lines, or `matrix:` with build arguments"),
            );
            Vec::new()
        }
    };
    if found.len() > MOST {
        let message = format!("an image has more than {MOST} variants");
        diagnostics.push(bad(node.place(), message, "too many").with_hint("split the image into several"));
        return Vec::new();
    }
    if found.is_empty() && diagnostics.len() == before {
        diagnostics.push(
            bad(node.place(), "`variants` is empty, so the image would not be built", "nothing here")
                .with_hint("leave `variants` out, or name one"),
        );
    }
    found
}

fn one(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Variant> {
    let mut fields = Fields::new(node, "a variant", diagnostics)?;
    let mut suffix = |name| fields.text(name).map(|text| text.to_string()).unwrap_or_default();
    let (suffix, tag_suffix) = (suffix("suffix"), suffix("tag_suffix"));
    let options = Options::read(&mut fields);
    let place = fields.place();
    fields.finish();
    Some(Variant { suffix, tag_suffix, options, place: Some(place) })
}

/// Every combination of the values of `matrix`.
fn matrix(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<Variant> {
    let Some(mut fields) = Fields::new(node, "`variants`", diagnostics) else { return Vec::new() };
    let table = fields.required("matrix");
    let of_tag = match fields.optional("suffix").map(|node| (node, node.as_str())) {
        None | Some((_, Some("name"))) => false,
        Some((_, Some("tag"))) => true,
        Some((node, _)) => {
            fields.report(
                bad(node.place(), "`suffix` of a matrix is `name` or `tag`", "neither of them")
                    .with_hint("`name` gives `app-3.12`, `tag` gives `app:TAG-3.12`"),
            );
            false
        }
    };
    let mut found = vec![Variant { place: Some(fields.place()), ..Variant::default() }];
    let Some(table) = table else { return Vec::new() };
    let Some(rows) = table.as_map() else {
        fields.report(wrong_type(table, "`matrix`", "a mapping"));
        return Vec::new();
    };
    for (key, values) in rows {
        let name = key.as_scalar().map(|key| key.text.to_string()).unwrap_or_default();
        let Some(items) = values.as_list().filter(|items| !items.is_empty()) else {
            fields.report(
                wrong_type(values, &format!("`matrix.{name}`"), "a list")
                    .with_hint(format!("name the values of the build argument: `{name}: [\"1\", \"2\"]`")),
            );
            return Vec::new();
        };
        if found.len().saturating_mul(items.len()) > MOST {
            let message = format!("the matrix has more than {MOST} combinations");
            fields.report(bad(table.place(), message, "too many").with_hint("take values out, or split the image"));
            return Vec::new();
        }
        let mut more = Vec::with_capacity(found.len() * items.len());
        for variant in &found {
            for item in items {
                let Some(value) = scalar(item) else {
                    fields.report(wrong_type(item, &format!("a value of `matrix.{name}`"), "a string"));
                    return Vec::new();
                };
                let mut next = variant.clone();
                let end = format!("-{}", suffix_of(&value));
                if of_tag {
                    next.tag_suffix.push_str(&end);
                } else {
                    next.suffix.push_str(&end.to_ascii_lowercase());
                }
                next.options.args.insert(name.clone(), value);
                more.push(next);
            }
        }
        found = more;
    }
    fields.finish();
    found
}

/// A value as a part of a name or tag: what neither can have becomes `-`.
fn suffix_of(value: &str) -> String {
    let part: String =
        value.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    part.trim_matches(['-', '.', '_']).to_owned()
}
