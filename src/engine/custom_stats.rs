//! `set_stats`: values for the end of the run, added up as Ansible does.

use std::sync::Arc;

use super::interp::HostRun;
use super::result::Attempt;
use super::state::lock;
use crate::diag::Diagnostic;
use crate::map;
use crate::modules::{Failure, Outcome};
use crate::value::{Map, StrKey, Value, boolean};

/// The result of a `set_stats` task; what it notes is taken from there.
pub(super) fn set_stats(args: &Map) -> Result<Attempt, Failure> {
    let refused = |code: &'static str, message: String| {
        let text = message.clone();
        Failure::with_result(Diagnostic::task(code, text), map! { "msg" => message })
    };
    let Some(Value::Map(data)) = args.get(&StrKey("data")) else {
        return Err(refused("H0026", "The 'data' option needs to be a dictionary/hash".to_owned()));
    };
    if let Some(key) = data.keys().find(|key| !crate::playbook::is_variable_name(&key.text())) {
        return Err(refused("H0025", format!("Invalid variable name {}.", crate::value::python_repr(&key.to_value()))));
    }
    let flag = |name: &str, default: bool| match args.get(&StrKey(name)) {
        None | Some(Value::Null) => default,
        Some(value) => boolean(value).unwrap_or(false),
    };
    let stats = map! {
        "data" => Value::Map(Arc::clone(data)),
        "per_host" => flag("per_host", false),
        "aggregate" => flag("aggregate", true),
    };
    Ok(Attempt::from_outcome(Outcome { result: map! { "ansible_stats" => stats }, ..Outcome::default() }))
}

impl HostRun {
    /// Takes up `ansible_stats` of a result.
    pub(super) fn note_stats(&self, attempt: &Attempt) {
        let Some(stats) = attempt.result.get(&StrKey("ansible_stats")) else { return };
        let Some(Value::Map(data)) = stats.get("data") else { return };
        let per_host = stats.get("per_host").is_some_and(Value::truthy);
        let aggregate = stats.get("aggregate").is_none_or(Value::truthy);
        let owner = if per_host { self.host.to_string() } else { "_run".to_owned() };
        let mut custom = lock(&self.play.engine.states.custom);
        let noted = custom.entry(owner).or_default();
        for (key, value) in data.iter() {
            match noted.get_mut(key) {
                Some(present) if aggregate => add(present, value),
                _ => {
                    noted.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

/// `+` of two values of one type, mappings merged; values of two types leave the first.
fn add(present: &mut Value, value: &Value) {
    let sum = match (&*present, value) {
        (Value::Int(a), Value::Int(b)) => Some(sum(*a, *b)),
        (Value::Bool(a), Value::Bool(b)) => Some(sum(i128::from(*a), i128::from(*b))),
        (Value::Float(a), Value::Float(b)) => Some(Value::Float(a + b)),
        (Value::Str(a), Value::Str(b)) => Some(Value::from(format!("{a}{b}"))),
        (Value::List(a), Value::List(b)) => Some(Value::from([&a[..], &b[..]].concat())),
        (Value::Map(_), Value::Map(_)) => Some(crate::vars::merge_values(present, value)),
        _ => None,
    };
    if let Some(sum) = sum {
        *present = sum;
    }
}

/// A number too great for one of ours is told with fewer digits.
fn sum(a: i128, b: i128) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "it has no exact place")]
    a.checked_add(b).map_or_else(|| Value::Float(a as f64 + b as f64), Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_add_up_as_in_python() {
        let check = |mut present: Value, value: Value, expected: Value| {
            add(&mut present, &value);
            assert_eq!(present, expected);
        };
        check(Value::Int(10), Value::Int(15), Value::Int(25));
        check("a".into(), "b".into(), "ab".into());
        check("a".into(), Value::Int(1), "a".into());
        check(
            Value::from(vec![Value::Int(1)]),
            Value::from(vec![Value::Int(2)]),
            Value::from(vec![Value::Int(1), Value::Int(2)]),
        );
        check(map! { "a" => 1 }.into(), map! { "b" => 2 }.into(), map! { "a" => 1, "b" => 2 }.into());
        let deep = |inner: Map| Value::from(map! { "a" => inner });
        check(deep(map! { "x" => 1 }), deep(map! { "y" => 2 }), deep(map! { "x" => 1, "y" => 2 }));
        check(true.into(), true.into(), 2.into());
        check(Value::Int(i128::MAX), 1.into(), Value::Float(1.701_411_834_604_692_3e38));
    }

    #[test]
    fn wrong_data_is_refused_in_ansibles_words() {
        let msg = |args: Map| {
            let failure = set_stats(&args).expect_err("refused");
            failure.result.get(&StrKey("msg")).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(
            msg(map! { "data" => Value::from(Vec::<Value>::new()) }),
            "The 'data' option needs to be a dictionary/hash"
        );
        assert_eq!(msg(map! { "data" => map! { ".bad" => 1 } }), "Invalid variable name '.bad'.");
        let attempt = set_stats(&map! { "data" => Map::new(), "aggregate" => "x" }).expect("taken");
        assert_eq!(
            attempt.result.get(&StrKey("ansible_stats")).and_then(|stats| stats.get("aggregate")),
            Some(&false.into())
        );
    }
}
