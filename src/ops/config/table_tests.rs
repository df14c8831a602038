//! The table of settings against ansible-core's own definitions (tests/data/settings.json).

use super::valid::{CHOICES, DEPRECATED, choices};
use super::{Kind, lookup, shown, table};

/// What is among the settings here and not among ansible-core's.
const OURS: [&str; 2] = ["CONFIG_FILE", "GALAXY_SERVERS"];

#[test]
fn the_table_has_every_setting_of_ansible_core() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/settings.json");
    let expected: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    let strings = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut wrong = Vec::new();
    for (name, entry) in expected {
        let Some(setting) = table::SETTINGS.iter().find(|setting| setting.name == name) else {
            wrong.push(format!("{name} is missing"));
            continue;
        };
        if setting.env != strings(&entry["env"]).as_slice() {
            wrong.push(format!("{name}: {:?} is not {}", setting.env, entry["env"]));
        }
        let ini: Vec<Vec<String>> = entry["ini"].as_array().unwrap().iter().map(strings).collect();
        let ours: Vec<Vec<String>> =
            setting.ini.iter().map(|(section, key)| vec![(*section).to_owned(), (*key).to_owned()]).collect();
        if ours != ini {
            wrong.push(format!("{name}: {ours:?} is not {ini:?}"));
        }
        let kinds: &[Kind] = match entry["type"].as_str().unwrap() {
            "boolean" | "bool" => &[Kind::Bool],
            "integer" | "int" => &[Kind::Int],
            "float" => &[Kind::Float],
            "list" => &[Kind::List],
            "dict" | "dictionary" => &[Kind::Dict],
            "path" | "tmppath" => &[Kind::Path],
            "pathspec" => &[Kind::Paths],
            "pathlist" => &[Kind::Files],
            // The folder of the fact cache is a path.
            _ => &[Kind::Text, Kind::Path],
        };
        if !kinds.contains(&setting.kind) {
            wrong.push(format!("{name}: {:?} is not {}", setting.kind, entry["type"]));
        }
        if choices(name) != strings(&entry["choices"]).as_slice() {
            wrong.push(format!("{name}: {:?} is not {}", choices(name), entry["choices"]));
        }
        let told = DEPRECATED.iter().find(|(known, ..)| known == name);
        let told = told.map(|(_, version, why, instead)| serde_json::json!([version, why, instead]));
        if told.unwrap_or_default() != entry["deprecated"] {
            wrong.push(format!("{name}: deprecated is {}", entry["deprecated"]));
        }
    }
    for setting in table::SETTINGS {
        let name = setting.name;
        if !expected.contains_key(name) && !lookup::OF_PLUGINS.contains(&name) && !OURS.contains(&name) {
            wrong.push(format!("{name} is no setting of ansible-core"));
        }
    }
    assert!(CHOICES.iter().all(|(name, _)| table::SETTINGS.iter().any(|setting| setting.name == *name)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_followed_says_why() {
    let silent: Vec<&str> = shown::setting_rows()
        .iter()
        .filter(|row| row.here != "followed" && row.note.is_empty())
        .map(|row| row.name)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}
