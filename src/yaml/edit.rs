//! Changes to a YAML text that leave its comments, order and layout alone.
//!
//! yaml-edit does the change; the result is read again with our own loader and compared with
//! what was wanted, so a surprise is an error and never a broken file.

use std::str::FromStr;

use yaml_edit::{Document, Mapping, ScalarValue, YamlFile};

use super::emit::{emit, emit_scalar};
use super::{LoadOptions, load};
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::value::{Key, Map, StrKey, Value};

/// The text with `value` under the nested `path`; mappings on the way are made.
pub fn set_key(text: &str, path: &[&str], value: &Value) -> Result<String> {
    let Some((last, parents)) = path.split_last() else {
        return Err(Diagnostic::internal("an edit without a key"));
    };
    let before = read(text)?;
    let mut wanted = before.clone();
    put(&mut wanted, path, value.clone());
    if wanted == before && !text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    if matches!(&before, Value::Null) || before.as_map().is_some_and(Map::is_empty) {
        let mut comments = String::new();
        for line in text.lines() {
            if line.trim_start().starts_with('#') || line.trim() == "---" || line.trim().is_empty() {
                comments.push_str(line);
                comments.push('\n');
            }
        }
        return verified(format!("{comments}{}", emit(&wanted)?), &wanted);
    }
    // Text of several lines as a block if that works, on one line with escapes otherwise.
    let blocks: &[bool] = if value.as_str().is_some_and(|text| text.trim_end_matches('\n').contains('\n')) {
        &[true, false]
    } else {
        &[false]
    };
    let mut result = Err(Diagnostic::internal("no way to write a value was tried"));
    for block in blocks {
        let edited = splice(text, parents, last, value, *block).unwrap_or_else(|| text.to_owned());
        result = verified(edited, &wanted);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The text without the nested `path`; unchanged if it is not there.
pub fn remove_key(text: &str, path: &[&str]) -> Result<String> {
    let Some((last, parents)) = path.split_last() else {
        return Err(Diagnostic::internal("an edit without a key"));
    };
    let before = read(text)?;
    let mut wanted = before.clone();
    take(&mut wanted, path);
    if wanted == before {
        return Ok(text.to_owned());
    }
    let edited = with_mapping(text, parents, |mapping, _| mapping.remove(*last).is_some());
    let edited = edited.unwrap_or_else(|| text.to_owned());
    match verified(edited, &wanted) {
        // A mapping that lost its last key is written as `key:`; say `{}` instead.
        Err(_) if !parents.is_empty() && at(&wanted, parents).and_then(Value::as_map).is_some_and(Map::is_empty) => {
            set_key(text, parents, &Value::empty_map())
        }
        other => other,
    }
}

fn splice(text: &str, parents: &[&str], last: &str, value: &Value, block: bool) -> Option<String> {
    // The deepest mapping that exists takes the rest of the path as one nested value.
    let all: Vec<&str> = parents.iter().copied().chain([last]).collect();
    for depth in (0..=parents.len()).rev() {
        let mut rest = value.clone();
        for key in all[depth + 1..].iter().rev() {
            rest = Value::from([(Key::from(*key), rest)].into_iter().collect::<Map>());
        }
        if let Some(edited) = with_mapping(text, &all[..depth], |mapping, _| assign(mapping, all[depth], &rest, block))
        {
            return Some(edited);
        }
    }
    None
}

/// Runs a change on the mapping at a path; `None` if there is no such mapping.
fn with_mapping(text: &str, path: &[&str], change: impl FnOnce(&Mapping, &Document) -> bool) -> Option<String> {
    let file = YamlFile::from_str(text).ok()?;
    let document = file.document()?;
    let mut mapping = document.as_mapping()?;
    for key in path {
        mapping = mapping.get_mapping(*key)?;
    }
    change(&mapping, &document).then(|| file.to_string())
}

fn assign(mapping: &Mapping, key: &str, value: &Value, block: bool) -> bool {
    if let (Value::Str(text), true) = (value, block) {
        mapping.set(key, ScalarValue::literal(&**text));
        return true;
    }
    let written = match value {
        Value::Map(map) if !map.is_empty() => emit(value),
        Value::List(list) if !list.is_empty() => emit(value),
        scalar => Ok(emit_scalar(scalar) + "\n"),
    };
    let Some(document) = written.ok().and_then(|text| Document::from_str(&text).ok()) else { return false };
    let key = Document::from_str(&emit_scalar(&Value::from(key))).ok();
    let Some(key) = key.as_ref().and_then(Document::as_scalar) else { return false };
    if let Some(inner) = document.as_mapping() {
        mapping.set(key, inner);
    } else if let Some(inner) = document.as_sequence() {
        mapping.set(key, inner);
    } else if let Some(inner) = document.as_scalar() {
        mapping.set(key, inner);
    } else if let Some(inner) = document.as_tagged() {
        mapping.set(key, inner);
    } else {
        return false;
    }
    true
}

fn read(text: &str) -> Result<Value> {
    let sources = SourceMap::new();
    let file = sources.add("<edited>", None, text);
    load(&sources, &file, &LoadOptions::default().sealed(true)).one(&file).map(|node| node.to_value())
}

fn verified(edited: String, wanted: &Value) -> Result<String> {
    match read(&edited) {
        Ok(found) if found == *wanted => Ok(edited),
        _ => Err(Diagnostic::local("Y0201", "the file could not be edited without changing something else in it")
            .with_note("it was left as it is")
            .with_hint("write the value into the file by hand")),
    }
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn put(value: &mut Value, path: &[&str], new: Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    if !matches!(value, Value::Map(_)) {
        *value = Value::empty_map();
    }
    if let Value::Map(map) = value {
        let map = std::sync::Arc::make_mut(map);
        put(map.entry(Key::from(*first)).or_default(), rest, new);
    }
}

fn take(value: &mut Value, path: &[&str]) {
    let (Value::Map(map), Some((first, rest))) = (value, path.split_first()) else { return };
    let map = std::sync::Arc::make_mut(map);
    if rest.is_empty() {
        map.shift_remove(&StrKey(first));
    } else if let Some(inner) = map.get_mut(&StrKey(first)) {
        take(inner, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, path: &[&str], value: impl Into<Value>, expected: &str) {
        assert_eq!(set_key(text, path, &value.into()).unwrap(), expected, "{text}");
    }

    #[test]
    fn comments_order_and_layout_stay() {
        let text = "# head\nkolla_image_tags:\n  openstack:   # the default\n    rocky-9: old   # tag\n    # more\n    debian-bookworm: 'x'\n  nova: {rocky-9: y}\nother: 0644\n";
        check(text, &["kolla_image_tags", "openstack", "rocky-9"], "new", &text.replace("old ", "new "));
        check(text, &["kolla_image_tags", "openstack", "rocky-9"], "12:30", &text.replace("old ", "'12:30' "));
        check(
            text,
            &["kolla_image_tags", "openstack", "ubuntu-noble"],
            "z",
            &text.replace("    debian-bookworm: 'x'\n", "    debian-bookworm: 'x'\n    ubuntu-noble: z\n"),
        );
        check(
            text,
            &["kolla_image_tags", "nova", "debian-bookworm"],
            "2024-01-02",
            &text.replace("{rocky-9: y}", "{rocky-9: y, debian-bookworm: '2024-01-02'}"),
        );
        check("a: 1", &["b"], "x", "a: 1\nb: x");
        check("a: 1\n", &["b", "c", "d"], "yes", "a: 1\nb:\n  c:\n    d: 'yes'\n");
        check("", &["b", "c"], 1, "b:\n  c: 1\n");
        check("# only\n---\n", &["b"], 1, "# only\n---\nb: 1\n");
        check("a: x\n", &["a"], "x", "a: x\n");
        check("a: x\n", &["a"], "x: y # z\n'\"", "a: |-\n  x: y # z\n  '\"\n");
    }

    #[test]
    fn text_of_several_lines_becomes_a_block_where_it_can() {
        let pem = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n";
        let edited = set_key("a:\n  b: 1\nc: 2\n", &["a", "b"], &Value::from(pem)).unwrap();
        assert_eq!(edited, "a:\n  b: |\n    -----BEGIN KEY-----\n    abc\n    -----END KEY-----\nc: 2\n");
        for odd in [" lead\nx\n", "a\n\n\n", "tab\t\n x", "\n\nx", "a \nb", "x\u{85}\ny"] {
            let edited = set_key("a:\n  b: 1\nc: 2\n", &["a", "b"], &Value::from(odd)).unwrap();
            assert_eq!(at(&read(&edited).unwrap(), &["a", "b"]), Some(&Value::from(odd)), "{edited}");
        }
    }

    #[test]
    fn keys_are_removed() {
        assert_eq!(
            remove_key("a: 1 # one\nb:\n  c: 2\n  # keep\n  d: 3\n", &["b", "c"]).unwrap(),
            "a: 1 # one\nb:\n  # keep\n  d: 3\n"
        );
        assert_eq!(remove_key("a: 1\nb: 2\n", &["x", "y"]).unwrap(), "a: 1\nb: 2\n");
        assert_eq!(
            read(&remove_key("a:\n  b: 1\nc: 2\n", &["a", "b"]).unwrap()).unwrap(),
            read("a: {}\nc: 2\n").unwrap()
        );
    }

    #[test]
    fn every_edit_of_generated_texts_is_right_or_refused() {
        let values = ["x", "12:30", "0777", "a: b", "", " lead", "multi\nline\n", "# no", "{{ t }}", "é", "~", "- a"];
        let texts = [
            "a: 1\nb:\n  c: 2\n",
            "a:\n- x\n- y\nb: {c: 1}\n",
            "---\na: |\n  text\n  more\nb:\n    c: 'x'  # c\n    d: e\n\n\n# end\n",
            "a: &x\n  k: v\nb:\n  <<: *x\n  c: 1\n",
            "\"a\": 1\n'b':\n  \"c\": 2",
        ];
        let mut right = 0;
        for text in texts {
            for value in values {
                for path in [&["a"][..], &["b", "c"], &["b", "new"], &["n", "m"], &["no"]] {
                    if let Ok(edited) = set_key(text, path, &Value::from(value)) {
                        assert_eq!(at(&read(&edited).unwrap(), path), Some(&Value::from(value)));
                        right += 1;
                    }
                }
            }
        }
        assert!(right >= 270, "{right} of 300");
    }
}
