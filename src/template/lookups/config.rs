//! `config`: Ansible's settings and the options of its plugins, as this run has them.
//!
//! The settings come from outside (`LookupHost::setting`); variables that stand for one outrank it.

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// `yes`, `no` and their like.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Names with commas between them.
    List,
    /// Paths with colons between them.
    Paths,
}

/// A setting as the `config` lookup shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its value.
    pub value: Value,
    /// `default`, `env: NAME`, or the path of a file.
    pub origin: String,
    /// Variables that outrank it, the weakest first.
    pub vars: &'static [&'static str],
    /// How such a variable's text is read.
    pub kind: SettingKind,
}

impl SettingKind {
    /// A text (or the value of a variable) as the setting has it; `None` if it does not fit.
    pub fn read(self, given: &Value) -> Option<Value> {
        let text = given.as_str();
        let split = |separator: char| {
            text.map(|text| {
                let items = text.split(separator).map(str::trim).filter(|item| !item.is_empty());
                Value::from(items.map(Value::from).collect::<Vec<_>>())
            })
        };
        Some(match self {
            Self::Text => match given {
                Value::List(_) | Value::Map(_) | Value::Str(_) => given.clone(),
                other => Value::from(crate::value::python_str(other)),
            },
            Self::Bool => Value::Bool(crate::value::boolean(given).unwrap_or(false)),
            Self::Int => match (given, text) {
                (Value::Int(_) | Value::BigInt(_), _) => given.clone(),
                (Value::Bool(flag), _) => Value::Int(i128::from(*flag)),
                (_, Some(text)) => Value::Int(text.trim().parse().ok()?),
                _ => return None,
            },
            Self::Float => match (given, text) {
                (Value::Float(_), _) => given.clone(),
                #[expect(clippy::cast_precision_loss, reason = "Python's float() rounds alike")]
                (Value::Int(int), _) => Value::Float(*int as f64),
                (_, Some(text)) => Value::Float(text.trim().parse().ok()?),
                _ => return None,
            },
            Self::List => match given {
                Value::List(_) => given.clone(),
                _ => split(',')?,
            },
            Self::Paths => match given {
                Value::List(_) => given.clone(),
                _ => split(':')?,
            },
        })
    }
}

/// A variable that stands for a setting, else the setting; with its origin.
fn current(call: &Call, setting: Setting, name: &str) -> R<(Value, String)> {
    for var in setting.vars.iter().rev() {
        let Some(found) = call.cx().variable(var, &call.ev.env, None)? else { continue };
        if found.is_none() {
            continue;
        }
        let found = call.value(&found)?;
        let value = setting.kind.read(&found).ok_or_else(|| {
            Fail::said(
                format!("the variable `{var}` does not fit the setting `{name}`"),
                format!("Config '{name}' from 'var: {var}' has an invalid value."),
            )
        })?;
        return Ok((value, format!("var: {var}")));
    }
    Ok((setting.value, setting.origin))
}

/// An option of a lookup itself: given by name, by a variable, or set for all.
pub fn option(call: &Call, args: &mut Args, plugin: &str, name: &str) -> R<Value> {
    let setting = call.cx().templates.host().setting(Some(("lookup", plugin)), name)?;
    let given = args.take_kw(name).map(|value| value.defined().and_then(|value| call.value(&value))).transpose()?;
    match (given, setting) {
        (Some(Value::Null), _) | (None, None) => Ok(Value::Null),
        (Some(given), None) => Ok(given),
        (Some(given), Some(setting)) => setting.kind.read(&given).ok_or_else(|| {
            Fail::said(
                format!("the option `{name}` is {}, which does not fit", given.type_name()),
                format!("Config '{name}' for '{plugin}' lookup plugin from 'Direct' has an invalid value."),
            )
        }),
        (None, Some(setting)) => Ok(current(call, setting, name)?.0),
    }
}

/// The lookup.
pub fn config(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let missing = args.text(call, usize::MAX, "on_missing")?.unwrap_or_else(|| "error".into());
    let kind = args.text(call, usize::MAX, "plugin_type")?;
    let plugin = args.text(call, usize::MAX, "plugin_name")?;
    let origins = match args.take_kw("show_origin") {
        Some(value) => SettingKind::Bool.read(&call.value(&value.defined()?)?) == Some(Value::Bool(true)),
        None => false,
    };
    if !matches!(&*missing, "error" | "warn" | "skip") {
        return Err(Fail::said(
            format!("`on_missing` must be `error`, `warn` or `skip`, not `{missing}`"),
            format!("Invalid value '{missing}' for config 'on_missing' for 'config' lookup plugin."),
        ));
    }
    let plugin = match (&kind, &plugin) {
        (Some(kind), Some(plugin)) => Some((&**kind, super::super::eval::short(plugin))),
        (None, None) => None,
        _ => {
            return Err(Fail::said(
                "`plugin_type` and `plugin_name` go together",
                "Both plugin_type and plugin_name are required, cannot use one without the other.",
            ));
        }
    };
    let mut out = Vec::new();
    for term in terms {
        let term = term.clone().defined()?;
        let Some(name) = term.as_text() else {
            let shown = super::super::text::repr_of(call.cx(), &term)?;
            return Err(Fail::said(
                format!("the name of a setting must be a string, not {}", term.kind()),
                format!(
                    "Invalid setting identifier, {shown} is not a <class 'str'>, its a <class '{}'>.",
                    term.type_name()
                ),
            ));
        };
        match call.cx().templates.host().setting(plugin, &name)? {
            Some(setting) => {
                let (value, origin) = current(call, setting, &name)?;
                let value = Val::from(value);
                out.push(if origins { Val::list(vec![value, Val::from(origin)]) } else { value });
            }
            None if &*missing == "error" => {
                let of = plugin.map_or_else(String::new, |(kind, plugin)| format!(" for '{plugin}' {kind} plugin"));
                return Err(Fail::said(
                    format!("there is no setting `{name}`"),
                    format!("No config definition exists for '{name}'{of}."),
                ));
            }
            None => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_by_their_kind() {
        let read = |kind: SettingKind, text: &str| kind.read(&Value::from(text));
        assert_eq!(read(SettingKind::Bool, "Yes"), Some(Value::Bool(true)));
        assert_eq!(read(SettingKind::Bool, "nope"), Some(Value::Bool(false)));
        assert_eq!(read(SettingKind::Int, " 5 "), Some(Value::Int(5)));
        assert_eq!(read(SettingKind::Int, "lola"), None);
        assert_eq!(SettingKind::Text.read(&Value::Int(5)), Some(Value::from("5")));
        assert_eq!(read(SettingKind::List, "a, b,"), Some(Value::from(vec![Value::from("a"), Value::from("b")])));
        assert_eq!(read(SettingKind::Paths, "/a:/b"), Some(Value::from(vec![Value::from("/a"), Value::from("/b")])));
        assert_eq!(read(SettingKind::Float, "1.5"), Some(Value::Float(1.5)));
    }
}
