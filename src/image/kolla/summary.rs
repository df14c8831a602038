//! The summary of a build as `kolla-build` writes it with `--format json` (`KollaWorker.summary`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::report::Report;
use super::tree::{Status, Tree};

/// `built`, `failed`, `not_matched`, `skipped` and `unbuildable`, each by name; failed images with Kolla's word for the
/// status. An image that is reused counts as built, one whose parent failed as failed (`parent_error`).
pub fn summary(tree: &Tree, report: &Report) -> Value {
    let ends: BTreeMap<&str, &str> =
        report.images.iter().map(|image| (image.name.as_str(), image.state_name())).collect();
    let mut lists: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for image in &tree.images {
        let name = image.name.as_str();
        let (list, status) = match (image.status, ends.get(name)) {
            (Status::Unmatched, _) | (Status::Matched, None) => ("not_matched", None),
            (Status::Skipped, _) => ("skipped", None),
            (Status::Unbuildable, _) => ("unbuildable", None),
            (Status::Matched, Some(state)) => match *state {
                "built" | "pushed" | "reused" => ("built", None),
                "push_failed" => ("failed", Some("push_error")),
                "blocked" => ("failed", Some("parent_error")),
                "failed" => ("failed", Some("error")),
                _ => ("failed", Some("unprocessed")),
            },
        };
        let entry = status.map_or_else(|| json!({ "name": name }), |status| json!({ "name": name, "status": status }));
        lists.entry(list).or_default().insert(name, entry);
    }
    let mut all = serde_json::Map::new();
    for list in ["built", "failed", "not_matched", "skipped", "unbuildable"] {
        all.insert(list.to_owned(), lists.remove(list).unwrap_or_default().into_values().collect());
    }
    Value::Object(all)
}

/// The same as `json.dump(.., indent=4)` writes it.
pub fn summary_text(summary: &Value) -> String {
    let mut out = Vec::new();
    let style = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, style);
    match serde::Serialize::serialize(summary, &mut writer) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => summary.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_python_does() {
        let summary =
            json!({ "built": [{ "name": "base" }], "failed": [{ "name": "x", "status": "error" }], "skipped": [] });
        let expected = "{\n    \"built\": [\n        {\n            \"name\": \"base\"\n        }\n    ],\n    \"failed\": [\n        {\n            \
                        \"name\": \"x\",\n            \"status\": \"error\"\n        }\n    ],\n    \"skipped\": []\n}";
        assert_eq!(summary_text(&summary), expected);
    }
}
