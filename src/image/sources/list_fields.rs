//! What an image of a list, its variants and the list's defaults may say alike.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::placeholders::{Piece, pieces};
use crate::diag::{Diagnostic, Span};
use crate::yaml::{Fields, Node, wrong_type};

/// Placeholders of tags.
const OF_TAGS: &[&str] = &["branch", "commit", "short_commit", "version", "tag"];

/// Placeholders of labels.
const OF_LABELS: &[&str] = &["branch", "commit", "short_commit", "version", "tag", "created"];

/// Settings that may stand at an image, at a variant and in `defaults`.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) dockerfile: Option<PathBuf>,
    pub(super) target: Option<String>,
    pub(super) args: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, StampedText>,
    pub(super) tags: Option<Vec<StampedText>>,
    pub(super) platforms: Option<Vec<String>>,
    pub(super) parents: Vec<(String, Span)>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) secrets: Option<Vec<String>>,
    pub(super) push: Option<bool>,
    pub(super) allowed_to_fail: Option<bool>,
    pub(super) network_host: Option<bool>,
    pub(super) no_cache: Option<bool>,
}

/// A tag or a label's value with its placeholders.
#[derive(Clone, Debug)]
pub(super) struct StampedText {
    pub(super) pieces: Vec<(Piece, Span)>,
    pub(super) place: Span,
}

impl Options {
    /// Takes the keys that they are of.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            dockerfile: inner_path(fields, "dockerfile"),
            target: word(fields, "target"),
            args: pairs(fields, "args"),
            labels: labels(fields),
            tags: tags(fields),
            platforms: texts(fields, "platforms", |text| is_platform(text).then_some(()), PLATFORM),
            parents: fields.texts("parents").into_iter().map(|(name, node)| (name.to_string(), node.place())).collect(),
            groups: texts(fields, "groups", |text| (!text.is_empty()).then_some(()), "name a group"),
            secrets: texts(
                fields,
                "secrets",
                |text| is_id(text).then_some(()),
                "name a secret's id, such as `npm_token`",
            ),
            push: fields.boolean("push"),
            allowed_to_fail: fields.boolean("allowed_to_fail"),
            network_host: network(fields),
            no_cache: fields.boolean("nocache"),
        }
    }

    /// These settings, and those of `base` where these say nothing. Arguments and labels are merged name by name,
    /// parents are those of both.
    pub(super) fn over(self, base: &Self) -> Self {
        fn merged<T: Clone>(own: BTreeMap<String, T>, base: &BTreeMap<String, T>) -> BTreeMap<String, T> {
            let mut all = base.clone();
            all.extend(own);
            all
        }
        let mut parents = base.parents.clone();
        parents.extend(self.parents);
        Self {
            dockerfile: self.dockerfile.or_else(|| base.dockerfile.clone()),
            target: self.target.or_else(|| base.target.clone()),
            args: merged(self.args, &base.args),
            labels: merged(self.labels, &base.labels),
            tags: self.tags.or_else(|| base.tags.clone()),
            platforms: self.platforms.or_else(|| base.platforms.clone()),
            parents,
            groups: self.groups.or_else(|| base.groups.clone()),
            secrets: self.secrets.or_else(|| base.secrets.clone()),
            push: self.push.or(base.push),
            allowed_to_fail: self.allowed_to_fail.or(base.allowed_to_fail),
            network_host: self.network_host.or(base.network_host),
            no_cache: self.no_cache.or(base.no_cache),
        }
    }
}

const PLATFORM: &str = "write `os/architecture` or `os/architecture/variant`, such as `linux/arm64`";

/// `linux/arm64`, `linux/arm/v7`.
fn is_platform(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let good = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    matches!(parts.len(), 2 | 3) && parts.iter().all(good)
}

/// An id of a build secret.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// An error of a list at a node.
pub(super) fn bad(place: Span, message: impl Into<String>, label: &str) -> Diagnostic {
    Diagnostic::source("B0051", message).with_label(place, label)
}

fn texts(fields: &mut Fields<'_>, name: &'static str, good: fn(&str) -> Option<()>, hint: &str) -> Option<Vec<String>> {
    let given = fields.rest().any(|(key, _)| key.as_str() == Some(name));
    let mut found: Vec<String> = Vec::new();
    for (text, node) in fields.texts(name) {
        if good(&text).is_none() {
            let message = format!("`{text}` cannot be one of `{name}`");
            fields.report(bad(node.place(), message, "this one").with_hint(hint));
        } else if !found.iter().any(|other| **other == *text) {
            found.push(text.to_string());
        }
    }
    given.then_some(found)
}

fn word(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    let text = fields.text(name)?;
    Some(text.to_string()).filter(|text| !text.is_empty())
}

/// A path inside a context.
pub(super) fn inner_path(fields: &mut Fields<'_>, name: &'static str) -> Option<PathBuf> {
    let node = fields.optional(name)?;
    match node.as_str() {
        Some(text) => match inside(text) {
            Some(path) => Some(path),
            None => {
                let message = format!("`{name}` must be a path below the context, found `{text}`");
                fields.report(
                    bad(node.place(), message, "it leads out").with_hint("write it without `..` and `/` in front"),
                );
                None
            }
        },
        None => {
            fields.report(wrong_type(node, &format!("`{name}`"), "a string"));
            None
        }
    }
}

/// A relative path without `..`, cleaned; the empty path for `.`.
pub(super) fn inside(text: &str) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!text.is_empty()).then_some(clean)
}

fn network(fields: &mut Fields<'_>) -> Option<bool> {
    let node = fields.optional("network")?;
    match node.as_str() {
        Some("default") => Some(false),
        Some("host") => Some(true),
        _ => {
            fields.report(
                bad(node.place(), "`network` is `default` or `host`", "neither of them")
                    .with_hint("write `network: host`, or leave it out"),
            );
            None
        }
    }
}

/// Values as they are written: `1.10` stays `1.10`, `yes` stays `yes`.
fn pairs(fields: &mut Fields<'_>, name: &'static str) -> BTreeMap<String, String> {
    scalars(fields, name).into_iter().map(|(key, text, _)| (key, text)).collect()
}

/// The same with placeholders.
fn labels(fields: &mut Fields<'_>) -> BTreeMap<String, StampedText> {
    let mut found = BTreeMap::new();
    for (key, text, node) in scalars(fields, "labels") {
        if let Some(text) = stamped(fields, &text, node, OF_LABELS, "label") {
            found.insert(key, text);
        }
    }
    found
}

/// Names and texts of a mapping of scalars.
fn scalars<'a>(fields: &mut Fields<'a>, name: &'static str) -> Vec<(String, String, &'a Node)> {
    let mut found = Vec::new();
    for (key, value) in fields.map(name).unwrap_or_default() {
        let Some(key_text) = key.as_scalar().map(|key| key.text.to_string()).filter(|key| !key.is_empty()) else {
            fields.report(wrong_type(key, &format!("a name of `{name}`"), "a string"));
            continue;
        };
        match scalar(value) {
            Some(text) => found.push((key_text, text, value)),
            None => fields.report(wrong_type(value, &format!("`{name}.{key_text}`"), "a string")),
        }
    }
    found
}

/// A scalar's text as it is written; null is empty.
pub(super) fn scalar(node: &Node) -> Option<String> {
    if node.is_null() {
        return Some(String::new());
    }
    node.as_scalar().map(|scalar| scalar.text.to_string())
}

fn tags(fields: &mut Fields<'_>) -> Option<Vec<StampedText>> {
    let given = fields.rest().any(|(key, _)| key.as_str() == Some("tags"));
    let mut found = Vec::new();
    for (text, node) in fields.texts("tags") {
        found.extend(stamped(fields, &text, node, OF_TAGS, "tag"));
    }
    given.then_some(found)
}

/// A text with its placeholders; a mistake is reported.
fn stamped(
    fields: &mut Fields<'_>,
    text: &str,
    node: &Node,
    known: &[&'static str],
    what: &str,
) -> Option<StampedText> {
    match pieces(text, known) {
        Ok(pieces) => {
            let spanned =
                |(piece, range): (Piece, std::ops::Range<usize>)| (piece, node.text_span(range.start, range.end));
            Some(StampedText { pieces: pieces.into_iter().map(spanned).collect(), place: node.place() })
        }
        Err(mistake) => {
            let place = node.text_span(mistake.range.start, mistake.range.end);
            let message = format!("a {what} has an {}", mistake.message).replace("an `{{`", "a `{{`");
            fields.report(
                Diagnostic::source("B0054", message).with_label(place, "this placeholder").with_hint(mistake.hint),
            );
            None
        }
    }
}
