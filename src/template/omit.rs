//! `omit` as plain data: one text of this process, known by where it is and not by what it says.
//!
//! What a host or a file says is never this text, whatever its letters are, so nobody outside can leave out an
//! argument. It must not be written out and read back: then it is a text as any other.

use std::sync::{Arc, OnceLock};

use crate::value::Value;

/// How it looks to a person.
pub const SHOWN: &str = "<<Omit>>";

fn token() -> &'static Arc<str> {
    static TOKEN: OnceLock<Arc<str>> = OnceLock::new();
    TOKEN.get_or_init(|| Arc::from(SHOWN))
}

/// `omit`.
pub fn omit() -> Value {
    Value::Str(Arc::clone(token()))
}

/// True if a rendered value is `omit`.
pub fn is_omit(value: &Value) -> bool {
    matches!(value, Value::Str(text) if Arc::ptr_eq(text, token()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::table_tests::{node, setup};
    use crate::value::{Key, Map, from_json};
    use crate::vars::{Layer, Level};

    #[test]
    fn no_text_from_outside_is_omit() {
        let (templates, scope, _) = setup("mode: '{{ omit }}'\nlist: [1, '{{ omit }}']\n");
        let given = |text: &str| templates.render(&node(&templates, text), &scope).unwrap();
        for text in ["{{ omit }}", "{{ mode }}", "{{ undefined_name | default(omit) }}", "{{ lookup('vars', 'mode') }}"]
        {
            assert!(is_omit(&given(text)), "{text}");
        }
        assert_eq!(given("{{ list }}"), crate::value::Value::from(vec![Value::from(1_i64)]));
        // What `omit` looks like, told by a host.
        let said = omit().as_str().unwrap().to_owned();
        let mut result = Map::new();
        for (key, text) in [("stdout", &*said), ("old", "__omit_place_holder__9f27c3d4b8a04e61")] {
            result.insert(Key::from(key), from_json(serde_json::Value::from(text)));
        }
        let scope = scope.with(Layer::data(Level::Magic, "registered", [(Arc::from("r"), Value::from(result))]));
        for text in ["{{ r.stdout }}", "{{ r.old }}", "{{ [r.stdout] | first }}", "{{ r.stdout | default(omit) }}"] {
            let value = templates.render(&node(&templates, text), &scope).unwrap();
            assert!(!is_omit(&value), "{text}");
        }
    }
}
