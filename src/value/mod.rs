//! Plain data, as tasks and variables hold it.
//!
//! A [`Value`] can not be rendered as a template: host output, facts and registered results
//! are values, and only source text (`yaml::Node`) goes into the template engine.

mod codec;
mod json;
mod json_read;
mod python;
mod re_replace;
mod re_syntax;
mod re_translate;
mod regex;
mod truth;
mod units;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::{Equivalent, IndexMap};
pub use jiff::civil::{Date, DateTime};

pub use codec::{Codec, Stray, kept_bytes, kept_shown, kept_text};
pub use json::{JsonStyle, from_json, json_key, to_json, to_json_text};
pub use json_read::{JsonError, parse_json};
pub use python::{pretty, python_float, python_repr, python_str};
pub use re_replace::Replacement;
pub use re_syntax::pattern_error;
pub use re_translate::{Anchor, PatternFlags, translated};
pub use regex::{Match, PythonRegex, matches};
pub use truth::{boolean, boolean_word};
pub use units::{about, duration, gib, size, whole_duration};

/// A map in insertion order; any scalar is a key, as in YAML.
pub type Map = IndexMap<Key, Value>;

/// Plain data. Lists and maps are shared and copied on write (`Arc::make_mut`).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, `~`, Python's `None`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that fits.
    Int(i128),
    /// An integer beyond `i128`, as its decimal digits.
    BigInt(Arc<str>),
    /// A float.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// Bytes (`!!binary`, file content that is no text).
    Bytes(Arc<[u8]>),
    /// A YAML date.
    Date(Date),
    /// A YAML timestamp; the offset in minutes if one was written.
    DateTime(DateTime, Option<i16>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A mapping.
    Map(Arc<Map>),
}

/// A mapping's key: any scalar. `1`, `1.0` and `true` are different keys here (Python folds them).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Text.
    Str(Arc<str>),
    /// An integer.
    Int(i128),
    /// A boolean.
    Bool(bool),
    /// `null`.
    Null,
    /// A float, by its bits.
    Float(u64),
    /// Date or timestamp, in ISO form.
    Time(Arc<str>),
}

/// `&str` as a lookup key must hash like `Key::Str`.
#[derive(Debug, PartialEq, Eq)]
pub struct StrKey<'a>(pub &'a str);

impl Hash for StrKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&Key::Str(Arc::from(""))).hash(state);
        self.0.hash(state);
    }
}

impl Equivalent<Key> for StrKey<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        matches!(key, Key::Str(text) if **text == *self.0)
    }
}

impl Key {
    /// The key as a value.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Str(text) | Self::Time(text) => Value::Str(Arc::clone(text)),
            Self::Int(int) => Value::Int(*int),
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Null => Value::Null,
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
        }
    }

    /// The text, if the key is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The key's text as `str(key)` has it.
    pub fn text(&self) -> Arc<str> {
        match self {
            Self::Str(text) | Self::Time(text) => Arc::clone(text),
            other => python_str(&other.to_value()).into(),
        }
    }

    /// The key of a scalar value; lists and maps are no keys.
    pub fn from_value(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(int) => Self::Int(*int),
            Value::Float(float) => Self::Float(float.to_bits()),
            Value::Str(text) | Value::BigInt(text) => Self::Str(Arc::clone(text)),
            Value::Date(_) | Value::DateTime(..) => Self::Time(python_str(value).into()),
            Value::Bytes(_) | Value::List(_) | Value::Map(_) => return None,
        })
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

macro_rules! from {
    ($($source:ty => |$name:ident| $make:expr),+ $(,)?) => {
        $(impl From<$source> for Value {
            fn from($name: $source) -> Self { $make }
        })+
    };
}

from! {
    bool => |flag| Self::Bool(flag),
    i32 => |int| Self::Int(int.into()),
    i64 => |int| Self::Int(int.into()),
    u32 => |int| Self::Int(int.into()),
    u64 => |int| Self::Int(int.into()),
    usize => |int| Self::Int(int as i128),
    f64 => |float| Self::Float(float),
    &str => |text| Self::Str(text.into()),
    String => |text| Self::Str(text.into()),
    Arc<str> => |text| Self::Str(text),
    Vec<Value> => |list| Self::List(Arc::new(list)),
    Map => |map| Self::Map(Arc::new(map)),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value {
    /// The empty map.
    pub fn empty_map() -> Self {
        Self::Map(Arc::default())
    }

    /// Text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The value of a text key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(&StrKey(key))
    }

    /// Python's truth: empty text, list and map, zero, null and false are false.
    pub fn truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::BigInt(_) | Self::Date(_) | Self::DateTime(..) => true,
        }
    }

    /// The type's name in Python, for messages that playbooks know from Ansible.
    pub fn python_type(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::DateTime(..) => "datetime",
            Self::List(_) => "list",
            Self::Map(_) => "dict",
        }
    }

    /// The type's name in messages, in the words of YAML.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "a date",
            Self::DateTime(..) => "a timestamp",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Puts a value under a text key.
pub fn insert(map: &mut Map, key: &str, value: impl Into<Value>) {
    map.insert(Key::from(key), value.into());
}

/// Builds a [`Map`] with text keys: `map! { "rc" => 0, "stdout" => text }`.
#[macro_export]
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {{
        let mut map = $crate::value::Map::new();
        $(map.insert($crate::value::Key::from($key), $crate::value::Value::from($value));)*
        map
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keys_are_found_without_allocation() {
        let map = map! { "a" => 1, "b" => "x" };
        assert_eq!(map.get(&StrKey("a")), Some(&Value::Int(1)));
        assert_eq!(Value::from(map).get("b").and_then(Value::as_str), Some("x"));
    }
}
