//! Searches the JSON of an image: configuration, history, manifests, provenance. Each text is
//! searched as it is meant, and the file as it is written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value as Json;

use super::members::{Hit, Walk};

/// Deepest nesting that is followed by its places; the file as it is written is searched anyway.
const DEEPEST: usize = 100;

/// What the search of a description needs.
pub(super) struct Describe<'a> {
    pub(super) walk: &'a mut Walk,
    /// True for the number of a forbidden word.
    pub(super) is_word: &'a dyn Fn(u32) -> bool,
    /// `KEY=value` of build arguments, which the builder itself writes into the history. A forbidden
    /// word there is no trace of it in the image; a secret is one.
    pub(super) recorded: &'a [String],
}

impl Describe<'_> {
    /// Searches one file. `name` is its path in the saved image, or what it is.
    pub(super) fn file(&mut self, name: &str, text: &[u8]) -> Option<Json> {
        let json: Option<Json> = serde_json::from_slice(text).ok();
        let label = json.as_ref().map_or(name, |json| kind(name, json));
        let before = self.walk.hits.len();
        if let Some(json) = &json {
            self.value(json, label, &mut String::new(), label == "history", 0);
        }
        for needle in self.walk.text(text) {
            // A word is found in the texts; as it is written, it may be the builder's record.
            let known = || self.walk.hits[before..].iter().any(|hit| hit.needle == needle);
            if !(json.is_some() && (self.is_word)(needle)) && !known() {
                self.hit(label.to_owned(), needle);
            }
        }
        json
    }

    fn hit(&mut self, place: String, needle: u32) {
        let hit = Hit { layer: None, parts: vec![place.into_bytes()], needle };
        if !self.walk.hits.contains(&hit) {
            self.walk.hits.push(hit);
        }
    }

    fn value(&mut self, value: &Json, label: &str, path: &mut String, history: bool, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        let length = path.len();
        match value {
            Json::String(text) => self.leaf(text, label, path, history),
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.value(item, label, path, history, depth + 1);
                    path.truncate(length);
                }
            }
            Json::Object(map) => {
                for (key, item) in map {
                    let top = depth == 0 && label == "configuration";
                    if !(top && key == "config") {
                        path.push_str(if path.is_empty() { "" } else { "." });
                        path.push_str(key);
                    }
                    self.leaf(key, label, path, history);
                    if top && key == "history" {
                        self.value(item, "history", &mut String::new(), true, depth + 1);
                    } else {
                        // What the builder ran last stands there with its arguments, as in the history.
                        let ran = history || top && key == "container_config";
                        self.value(item, label, path, ran, depth + 1);
                    }
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn leaf(&mut self, text: &str, label: &str, path: &str, history: bool) {
        let mut found = self.walk.text(text.as_bytes());
        if history && found.iter().any(|needle| (self.is_word)(*needle)) {
            let mut left = text.to_owned();
            for pair in self.recorded {
                left = left.replace(pair.as_str(), "");
            }
            let words = self.walk.text(left.as_bytes());
            found.retain(|needle| !(self.is_word)(*needle) || words.contains(needle));
        }
        // A signed statement carries its payload in base64.
        if found.is_empty()
            && text.len() >= 16
            && let Ok(payload) = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text))
        {
            found = self.walk.text(&payload);
        }
        for needle in found {
            let place = if history || path.is_empty() { label.to_owned() } else { format!("{label} ({path})") };
            self.hit(place, needle);
        }
    }
}

/// What a file of a saved image is, in words.
fn kind<'a>(name: &'a str, json: &Json) -> &'a str {
    let has = |key: &str| json.get(key).is_some();
    if matches!(name, "configuration" | "history") {
        name
    } else if has("predicateType") || has("payloadType") {
        "provenance"
    } else if has("rootfs") || has("container_config") || name.ends_with("/json") {
        "configuration"
    } else if has("manifests") || has("layers") && has("config") {
        "manifest"
    } else {
        name
    }
}
