//! Argument specs of roles (`meta/argument_specs.yml`) and of `validate_argument_spec`: values checked against a
//! mapping, with Ansible's messages.

use super::ansible_words::{reason, type_name};
use super::coerce::{float, integer, mapping};
use crate::value::{Key, Map, StrKey, Value, boolean, from_json, python_str};

/// What is wrong with values, in the order in which Ansible tells it; empty if all is well.
pub fn spec_errors(spec: &Map, values: &Map) -> Vec<String> {
    let mut check = Check { errors: Vec::new(), unsupported: Vec::new(), supported: String::new() };
    let mut values = values.clone();
    check.unsupported(spec, &values, &[]);
    check.level(spec, None, &mut values, &mut Vec::new());
    let Check { mut errors, mut unsupported, supported } = check;
    if !unsupported.is_empty() {
        unsupported.sort();
        errors.push(format!("{}. Supported parameters include: {supported}.", unsupported.join(", ")));
    }
    errors
}

struct Check {
    errors: Vec<String>,
    unsupported: Vec<String>,
    supported: String,
}

fn text<'a>(spec: &'a Value, name: &str) -> Option<&'a str> {
    spec.get(name).and_then(Value::as_str)
}

fn flag(spec: &Value, name: &str) -> bool {
    spec.get(name).and_then(boolean).unwrap_or(false)
}

fn aliases(spec: &Value) -> Vec<String> {
    spec.get("aliases").and_then(Value::as_list).unwrap_or_default().iter().map(python_str).collect()
}

fn found_in(context: &[String]) -> String {
    if context.is_empty() { String::new() } else { format!(" found in {}", context.join(" -> ")) }
}

/// `[[a, b], [c, d]]`, also as one list.
fn groups(spec: Option<&Value>, name: &str) -> Vec<Vec<String>> {
    let Some(list) = spec.and_then(|spec| spec.get(name)).and_then(Value::as_list) else { return Vec::new() };
    let names = |items: &[Value]| items.iter().map(python_str).collect::<Vec<_>>();
    if list.iter().all(|item| item.as_str().is_some()) && !list.is_empty() {
        return vec![names(list)];
    }
    list.iter().filter_map(Value::as_list).map(names).collect()
}

impl Check {
    fn unsupported(&mut self, spec: &Map, values: &Map, context: &[String]) {
        let known = |name: &str| {
            spec.iter()
                .any(|(key, attributes)| *key.text() == *name || aliases(attributes).iter().any(|alias| alias == name))
        };
        let unknown: Vec<String> =
            values.keys().map(|key| key.text().to_string()).filter(|name| !known(name)).collect();
        if unknown.is_empty() {
            return;
        }
        let mut names: Vec<String> = spec.keys().map(|key| key.text().to_string()).collect();
        let mut others: Vec<String> = spec.values().flat_map(aliases).collect();
        names.sort();
        others.sort();
        self.supported = names.join(", ");
        if !others.is_empty() {
            self.supported.push_str(&format!(" ({})", others.join(", ")));
        }
        self.unsupported.extend(
            unknown
                .into_iter()
                .map(|name| context.iter().map(String::as_str).chain([name.as_str()]).collect::<Vec<_>>().join(".")),
        );
    }

    /// One level of values; `of` holds the rules among them.
    fn level(&mut self, spec: &Map, of: Option<&Value>, values: &mut Map, context: &mut Vec<String>) {
        for (key, attributes) in spec {
            for alias in aliases(attributes) {
                if let Some(value) = values.get(&StrKey(&alias)).cloned() {
                    values.entry(key.clone()).or_insert(value);
                }
            }
        }
        let given = |values: &Map, name: &str| values.get(&StrKey(name)).is_some_and(|value| *value != Value::Null);
        for group in groups(of, "mutually_exclusive") {
            if group.iter().filter(|name| given(values, name)).count() > 1 {
                let text = format!("parameters are mutually exclusive: {}", group.join("|"));
                self.errors.push(text + &found_in(context));
            }
        }
        for (key, attributes) in spec {
            if let Some(default) = attributes.get("default").filter(|default| **default != Value::Null) {
                values.entry(key.clone()).or_insert_with(|| default.clone());
            }
        }
        let missing: Vec<String> = spec
            .iter()
            .filter(|(key, attributes)| flag(attributes, "required") && !values.contains_key(*key))
            .map(|(key, _)| key.text().to_string())
            .collect();
        if !missing.is_empty() {
            let mut missing = missing;
            missing.sort();
            self.errors.push(format!("missing required arguments: {}", missing.join(", ")) + &found_in(context));
        }
        for (key, attributes) in spec {
            self.kind(&key.text(), attributes, values, context);
        }
        for (key, attributes) in spec {
            self.choice(&key.text(), attributes, values, context);
        }
        for group in groups(of, "required_together") {
            let count = group.iter().filter(|name| given(values, name)).count();
            if count > 0 && count < group.len() {
                self.errors
                    .push(format!("parameters are required together: {}", group.join(", ")) + &found_in(context));
            }
        }
        for group in groups(of, "required_one_of") {
            if !group.iter().any(|name| given(values, name)) {
                self.errors
                    .push(format!("one of the following is required: {}", group.join(", ")) + &found_in(context));
            }
        }
        self.required_if(of, values, context);
        self.required_by(of, values, context);
        for (key, attributes) in spec {
            self.inside(&key.text(), attributes, values, context);
        }
    }

    fn required_if(&mut self, of: Option<&Value>, values: &Map, context: &[String]) {
        let rules = of.and_then(|of| of.get("required_if")).and_then(Value::as_list).unwrap_or_default();
        for rule in rules {
            let Some([name, wanted, needed, rest @ ..]) = rule.as_list() else { continue };
            let name = python_str(name);
            if values.get(&StrKey(&name)) != Some(wanted) {
                continue;
            }
            let needed: Vec<String> = needed.as_list().unwrap_or_default().iter().map(python_str).collect();
            let absent: Vec<&String> = needed
                .iter()
                .filter(|name| values.get(&StrKey(name)).is_none_or(|value| *value == Value::Null))
                .collect();
            let any = rest.first().is_some_and(Value::truthy);
            if absent.is_empty() || (any && absent.len() < needed.len()) {
                continue;
            }
            let list = absent.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let word = if any { "any" } else { "all" };
            let text = format!("{name} is {} but {word} of the following are missing: {list}", python_str(wanted));
            self.errors.push(text + &found_in(context));
        }
    }

    fn required_by(&mut self, of: Option<&Value>, values: &Map, context: &[String]) {
        let Some(Value::Map(rules)) = of.and_then(|of| of.get("required_by")) else { return };
        for (key, needed) in rules.iter() {
            if values.get(key).is_none_or(|value| *value == Value::Null) {
                continue;
            }
            let needed: Vec<String> = match needed {
                Value::List(names) => names.iter().map(python_str).collect(),
                one => vec![python_str(one)],
            };
            let absent: Vec<String> = needed
                .into_iter()
                .filter(|name| values.get(&StrKey(name)).is_none_or(|value| *value == Value::Null))
                .collect();
            if !absent.is_empty() {
                let text = format!("missing parameter(s) required by '{}': {}", key.text(), absent.join(", "));
                self.errors.push(text + &found_in(context));
            }
        }
    }

    fn kind(&mut self, name: &str, attributes: &Value, values: &mut Map, context: &[String]) {
        let Some(value) = values.get(&StrKey(name)).cloned() else { return };
        if value == Value::Null && !flag(attributes, "required") && attributes.get("default").is_none() {
            return;
        }
        let kind = text(attributes, "type").unwrap_or("str");
        let within = if context.is_empty() { String::new() } else { format!(" found in '{}'.", context.join(" -> ")) };
        let converted = match convert(kind, &value) {
            Ok(converted) => converted,
            Err(why) => {
                let from = type_name(&value);
                self.errors.push(format!(
                    "argument '{name}' is of type {from}{within} and we were unable to convert to {kind}: {why}"
                ));
                return;
            }
        };
        let converted = match (text(attributes, "elements"), &converted) {
            (Some(elements), Value::List(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match convert(elements, item) {
                        Ok(item) => out.push(item),
                        Err(why) => {
                            let from = type_name(item);
                            let within = if context.is_empty() {
                                String::new()
                            } else {
                                format!(" found in '{}'", context.join(" -> "))
                            };
                            self.errors.push(format!(
                                "Elements value for option '{name}'{within} is of type {from} and we were unable to convert to {elements}: {why}"
                            ));
                        }
                    }
                }
                Value::from(out)
            }
            _ => converted,
        };
        values.insert(Key::from(name), converted);
    }

    fn choice(&mut self, name: &str, attributes: &Value, values: &Map, context: &[String]) {
        let Some(choices) = attributes.get("choices").and_then(Value::as_list) else { return };
        let Some(value) = values.get(&StrKey(name)) else { return };
        let known = |value: &Value| {
            choices.contains(value)
                // YAML makes a boolean of `no`: the one choice that means it counts.
                || match python_str(value).as_str() {
                    word @ ("True" | "False") => {
                        let same = |choice: &&Value| boolean(choice) == Some(word == "True") && choice.as_str().is_some();
                        choices.iter().filter(same).count() == 1
                    }
                    _ => false,
                }
        };
        let shown = choices.iter().map(python_str).collect::<Vec<_>>().join(", ");
        match value {
            Value::List(items) => {
                let wrong: Vec<String> = items.iter().filter(|item| !choices.contains(item)).map(python_str).collect();
                if !wrong.is_empty() {
                    let text = format!(
                        "value of {name} must be one or more of: {shown}. Got no match for: {}",
                        wrong.join(", ")
                    );
                    self.errors.push(text + &found_in(context));
                }
            }
            value if !known(value) => {
                let text = format!("value of {name} must be one of: {shown}, got: {}", python_str(value));
                self.errors.push(text + &found_in(context));
            }
            _ => {}
        }
    }

    /// The values inside a mapping or a list of mappings.
    fn inside(&mut self, name: &str, attributes: &Value, values: &mut Map, context: &mut Vec<String>) {
        let kind = text(attributes, "type").unwrap_or("str");
        if kind != "dict" && !(kind == "list" && text(attributes, "elements") == Some("dict")) {
            return;
        }
        let Some(Value::Map(options)) = attributes.get("options") else { return };
        let empty = values.get(&StrKey(name)).is_none_or(|value| *value == Value::Null);
        if empty && flag(attributes, "apply_defaults") {
            values.insert(Key::from(name), Value::from(Map::new()));
        }
        let elements: Vec<Value> = match values.get(&StrKey(name)) {
            None | Some(Value::Null) => return,
            Some(Value::List(items)) => items.to_vec(),
            Some(one) => vec![one.clone()],
        };
        context.push(name.to_owned());
        for element in elements {
            let Value::Map(element) = element else {
                self.errors.push(format!("value of '{name}' must be of type dict or list of dicts"));
                continue;
            };
            let mut element = (*element).clone();
            self.unsupported(options, &element, context);
            self.level(options, Some(attributes), &mut element, context);
        }
        context.pop();
    }
}

/// The value as a kind, or why not.
fn convert(kind: &str, value: &Value) -> Result<Value, String> {
    let no = || Err(reason(kind, value));
    match kind {
        "str" | "path" | "bytes" | "bits" | "json" | "jsonarg" => Ok(match value {
            Value::Str(_) => value.clone(),
            other => Value::from(python_str(other)),
        }),
        "bool" => boolean(value).map_or_else(no, |flag| Ok(Value::from(flag))),
        "int" => integer(value).map_or_else(no, |int| Ok(Value::from(int))),
        "float" => float(value).map_or_else(no, |float| Ok(Value::from(float))),
        "list" => match value {
            Value::List(_) => Ok(value.clone()),
            Value::Str(text) => Ok(Value::from(text.split(',').map(Value::from).collect::<Vec<_>>())),
            Value::Int(_) | Value::Float(_) | Value::BigInt(_) | Value::Bool(_) => {
                Ok(Value::from(vec![Value::from(python_str(value))]))
            }
            _ => no(),
        },
        "dict" => match value {
            Value::Map(_) => Ok(value.clone()),
            other => mapping(other).map_or_else(no, |json| Ok(from_json(json))),
        },
        _ => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: serde_json::Value, values: serde_json::Value, expected: &[&str]) {
        let map = |json: serde_json::Value| match from_json(json) {
            Value::Map(map) => (*map).clone(),
            _ => Map::new(),
        };
        assert_eq!(spec_errors(&map(spec.clone()), &map(values.clone())), expected, "{spec} {values}");
    }

    #[test]
    fn messages_are_ansibles() {
        let port = json!({"port": {"type": "int", "required": true}, "kind": {"choices": ["a", "b"]}});
        check(port.clone(), json!({"port": "80"}), &[]);
        check(port.clone(), json!({}), &["missing required arguments: port"]);
        check(
            port.clone(),
            json!({"port": "x", "kind": "c"}),
            &[
                "argument 'port' is of type str and we were unable to convert to int: \"'x'\" cannot be converted to an int",
                "value of kind must be one of: a, b, got: c",
            ],
        );
        check(port, json!({"port": 1, "zz": 1}), &["zz. Supported parameters include: kind, port."]);
        let nested = json!({"list": {"type": "list", "elements": "dict", "options": {
            "name": {"required": true}, "n": {"type": "list", "elements": "int"}}}});
        check(nested.clone(), json!({"list": [{"name": "a", "n": ["1"]}]}), &[]);
        check(nested.clone(), json!({"list": [{}]}), &["missing required arguments: name found in list"]);
        check(
            nested,
            json!({"list": [{"name": "a", "n": ["x"]}]}),
            &[
                "Elements value for option 'n' found in 'list' is of type str and we were unable to convert to int: \"'x'\" cannot be converted to an int",
            ],
        );
        let rules = json!({"d": {"type": "dict", "mutually_exclusive": [["a", "b"]], "required_one_of": [["a", "b"]],
            "options": {"a": {}, "b": {}}}});
        check(rules.clone(), json!({"d": {"a": 1, "b": 2}}), &["parameters are mutually exclusive: a|b found in d"]);
        check(rules, json!({"d": {}}), &["one of the following is required: a, b found in d"]);
    }
}
