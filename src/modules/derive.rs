//! An argument table out of a JSON schema: kinds, defaults, choices and manual text of each property.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::spec::{ArgSpec, ArgType, Meta};

/// The arguments of a schema made by `schemars` from an `Args` type.
pub(super) fn arguments(meta: &Meta, schema: &Json) -> IndexMap<String, ArgSpec> {
    let required: Vec<&str> =
        schema["required"].as_array().map(|list| list.iter().filter_map(Json::as_str).collect()).unwrap_or_default();
    let mut arguments = IndexMap::new();
    let Some(properties) = schema["properties"].as_object() else {
        return arguments;
    };
    for (name, property) in properties {
        let resolved = resolve(schema, property);
        let shape = Shape::of(schema, resolved);
        let aliases =
            meta.aliases.iter().filter(|(of, _)| of == name).flat_map(|(_, names)| names.iter().copied()).collect();
        let doc = property["description"].as_str().or_else(|| resolved["description"].as_str());
        let default = property.get("default").filter(|default| !default.is_null()).cloned();
        arguments.insert(
            name.clone(),
            ArgSpec {
                name: name.clone(),
                aliases,
                ty: shape.ty,
                required: required.contains(&name.as_str()),
                default,
                choices: shape.choices,
                doc: doc.unwrap_or_default().to_owned(),
                secret: meta.secret.contains(&name.as_str()),
                format: shape.format,
            },
        );
    }
    arguments
}

struct Shape {
    ty: ArgType,
    choices: Vec<String>,
    format: Option<String>,
}

impl Shape {
    fn plain(ty: ArgType) -> Self {
        Self { ty, choices: Vec::new(), format: None }
    }

    fn of(root: &Json, schema: &Json) -> Self {
        let choices = choices(schema);
        if !choices.is_empty() {
            return Self { ty: ArgType::Str, choices, format: None };
        }
        let format = schema["format"].as_str();
        let types: Vec<&str> = match &schema["type"] {
            Json::String(one) => vec![one.as_str()],
            Json::Array(many) => many.iter().filter_map(Json::as_str).filter(|ty| *ty != "null").collect(),
            _ => Vec::new(),
        };
        match (types.as_slice(), format) {
            (_, Some("mode")) => Self { ty: ArgType::Raw, choices, format: format.map(str::to_owned) },
            (["string"], Some("path")) => Self::plain(ArgType::Path),
            (["string"], _) => Self::plain(ArgType::Str),
            (["boolean"], _) => Self::plain(ArgType::Bool),
            (["integer"], _) => Self { ty: ArgType::Int, choices, format: format.map(str::to_owned) },
            (["number"], Some("whole")) => Self { ty: ArgType::Float, choices, format: format.map(str::to_owned) },
            (["number"], _) => Self::plain(ArgType::Float),
            (["object"], _) => Self::plain(ArgType::Dict),
            (["array"], _) => {
                let item = Self::of(root, resolve(root, &schema["items"]));
                Self { ty: ArgType::List(Box::new(item.ty)), choices: item.choices, format: item.format }
            }
            _ => Self::plain(ArgType::Raw),
        }
    }
}

/// Follows references and takes the one alternative that is not null.
fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let mut schema = schema;
    for _ in 0..8 {
        if let Some(pointer) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            match root.pointer(pointer) {
                Some(target) => schema = target,
                None => return schema,
            }
        } else if let Some(alternatives) = schema["anyOf"].as_array() {
            let mut others = alternatives.iter().filter(|one| one["type"] != "null");
            match (others.next(), others.next()) {
                (Some(one), None) => schema = one,
                _ => return schema,
            }
        } else {
            return schema;
        }
    }
    schema
}

fn choices(schema: &Json) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(values) = schema["enum"].as_array() {
        found.extend(values.iter().filter_map(Json::as_str).map(str::to_owned));
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        for one in alternatives {
            found.extend(one["const"].as_str().map(str::to_owned));
            found.extend(choices(one));
        }
    }
    found
}
