//! The lookups of ansible-core, one function each.

mod config;
mod files;
mod ini;
mod items;
mod kv;
mod merge_variables;
mod password;
mod random_string;
mod tables;
mod url;

pub use config::{Setting, SettingKind};
pub use ini::sections as ini_sections;
pub use tables::rows as csv_rows;
pub use url::WebLookup;

use std::sync::Arc;

use crate::value::Value;

use super::args::{Args, Call};
use super::fail::{Fail, R};
use super::val::Val;

/// Named options of a lookup.
pub type Options = Vec<(Arc<str>, Val)>;

/// Every lookup.
pub const NAMES: &[&str] = &[
    "cartesian",
    "config",
    "csvfile",
    "dict",
    "env",
    "file",
    "fileglob",
    "first_found",
    "flattened",
    "indexed_items",
    "ini",
    "inventory_hostnames",
    "items",
    "lines",
    "list",
    "merge_variables",
    "nested",
    "password",
    "pipe",
    "random_choice",
    "random_string",
    "sequence",
    "subelements",
    "template",
    "together",
    "unvault",
    "url",
    "varnames",
    "vars",
];

/// True if there is such a lookup.
pub fn known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Runs a lookup. `with`: for a `with_NAME` loop.
pub fn run(call: &Call, name: &str, terms: Vec<Val>, options: Options, with: bool) -> R<Vec<Val>> {
    let given = super::eval::short(name);
    let moved = if known(given) { None } else { call.cx().templates.redirected("lookup", name)? };
    let name = moved.as_deref().unwrap_or(given);
    if !known(name) {
        return Err(Fail::Diag(super::names::unknown("lookup", name))
            .with_words(format!("The lookup plugin '{name}' was not found.")));
    }
    dispatch(call, name, terms, options, with).map_err(|fail| fail.in_plugin("lookup", name))
}

/// What a lookup does not take is left: Ansible does not look at it either.
fn dispatch(call: &Call, name: &str, terms: Vec<Val>, options: Options, with: bool) -> R<Vec<Val>> {
    let mut args = Args::new(Vec::new(), options);
    match name {
        "config" => config::config(call, &terms, &mut args),
        "url" => url::url(call, &terms, &mut args),
        "items" => items::items(call, &terms),
        "list" => Ok(terms),
        "cartesian" => items::cartesian(call, &terms),
        "flattened" => items::flattened(call, &terms),
        "dict" => items::dict(call, &terms),
        "indexed_items" => items::indexed_items(call, &terms),
        "together" => items::together(call, &terms),
        "nested" => items::nested(call, &terms),
        "subelements" => items::subelements(call, &terms),
        "sequence" => items::sequence(call, &terms, &mut args),
        "merge_variables" => merge_variables::merge_variables(call, &terms, &mut args),
        "random_string" => random_string::random_string(call, &mut args),
        "random_choice" => items::random_choice(call, &terms),
        "file" => files::file(call, &terms, &mut args),
        "unvault" => files::unvault(call, &terms),
        "template" => files::template(call, &terms, &mut args),
        "fileglob" => files::fileglob(call, &terms),
        "first_found" => files::first_found(call, &terms, &mut args, with),
        "pipe" => texts(call, &terms)?.iter().map(|term| pipe(call, term)).collect(),
        "lines" => {
            let mut out = Vec::new();
            for term in texts(call, &terms)? {
                let text = call.cx().templates.host().pipe(&term)?;
                out.extend(text.lines().map(Val::from));
            }
            Ok(out)
        }
        "env" => env(call, &terms, &mut args),
        "vars" => vars(call, &terms, &mut args),
        "varnames" => varnames(call, &terms),
        "inventory_hostnames" => inventory_hostnames(call, &terms),
        "csvfile" => tables::csvfile(call, &terms, &mut args),
        "ini" => ini::ini(call, &terms, &mut args),
        "password" => password::password(call, &terms, &mut args),
        other => Err(Fail::msg(format!("the lookup `{other}` is not supported"))),
    }
}

/// Terms as texts.
pub fn texts(call: &Call, terms: &[Val]) -> R<Vec<Arc<str>>> {
    terms.iter().map(|term| call.text(&term.clone().defined()?)).collect()
}

fn pipe(call: &Call, command: &str) -> R<Val> {
    let text = call.cx().templates.host().pipe(command)?;
    Ok(Val::from(text.trim_end()))
}

/// The hosts of a pattern, of the groups that the host sees.
fn inventory_hostnames(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let groups = call.cx().variable("groups", &call.ev.env, None)?.unwrap_or_else(|| Val::pairs([]));
    let groups = call.value(&groups)?;
    let pattern = texts(call, terms)?.join(",");
    let hosts = call.cx().templates.host().hosts(&pattern, &groups);
    // A pattern that is wrong finds nothing there, too.
    Ok(hosts.unwrap_or_default().into_iter().map(Val::from).collect())
}

fn env(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let default = args.take_kw("default").filter(|default| !default.is_none());
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let name = term.split_whitespace().next().unwrap_or_default();
        out.push(match (call.cx().templates.host().env(name), &default) {
            (Some(value), _) => Val::from(value),
            (None, Some(default)) => default.clone().defined()?,
            (None, None) => Val::from(""),
        });
    }
    Ok(out)
}

fn vars(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let default = args.take_kw("default").filter(|default| !default.is_none());
    let mut out = Vec::new();
    for term in terms {
        let Some(name) = term.as_text() else {
            return Err(Fail::said(
                format!("the name of a variable must be a string, not {}", term.kind()),
                format!("Variable name must be 'str' not '{}'.", term.type_name()),
            ));
        };
        let found = match call.locals.get(&name) {
            Some(value) => Some(value),
            None => call.cx().variable(&name, &call.ev.env, None)?,
        };
        out.push(match (found, &default) {
            (Some(value @ Val::Undef(_)), None) => value.defined()?,
            (Some(Val::Undef(_)) | None, Some(default)) => default.clone(),
            (Some(value), _) => value,
            (None, None) => {
                let what = super::fail::What::Var((*name).into(), std::rc::Rc::clone(&call.ev.env));
                let undef = super::fail::Undef { what, span: None, home: call.cx().home.get(), trail: Vec::new() };
                return Err(Fail::Undef(std::rc::Rc::new(undef)));
            }
        });
    }
    Ok(out)
}

fn varnames(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let mut out = Vec::new();
    for term in terms {
        let Some(term) = term.as_text() else {
            let (found, python) = (call.text(term)?, term.type_name());
            return Err(Fail::said(
                format!("a pattern of `varnames` must be a string, not {}", term.kind()),
                format!("Invalid setting identifier, \"{found}\" is not a string, it is a <class '{python}'>"),
            ));
        };
        let pattern = super::regex::compile(&term, false, false).map_err(|fail| match fail {
            Fail::Diag(diag) => Fail::Diag(diag.within(&format!("Unable to use \"{term}\" as a search parameter: "))),
            other @ Fail::Undef(_) => other,
        })?;
        for name in call.ev.env.scope.names() {
            if super::regex::search(&pattern, &name)?.is_some() {
                out.push(Val::V(Value::Str(name)));
            }
        }
    }
    Ok(out)
}
