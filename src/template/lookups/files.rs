//! Lookups that read controller files.

use std::path::{Path, PathBuf};

use crate::diag::Deprecation;
use crate::value::Value;
use crate::vars::{Layer, Level};

use super::super::args::{Args, Call};
use super::super::engine::FileOptions;
use super::super::fail::{Fail, R};
use super::super::filters;
use super::super::people::Told;
use super::super::val::Val;
use super::texts;

fn find(call: &Call, folder: &str, name: &str) -> Option<PathBuf> {
    call.cx().templates.host().find(folder, name, &call.ev.env.scope)
}

fn needed(call: &Call, folder: &str, name: &str) -> R<PathBuf> {
    find(call, folder, name).ok_or_else(|| {
        let words = format!("Unable to access the file '{name}': File not found. Use -vvvvv to see paths searched.");
        Fail::said(format!("the file `{name}` was not found"), words)
            .with_hint(format!("files are searched in `{folder}/` of the role and beside the playbook"))
    })
}

fn read(call: &Call, path: &Path) -> R<String> {
    let bytes = call.cx().templates.host().read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Fail::msg(format!("the file `{}` is not text", path.display())).with_hint("copy it with `copy`")
    })?;
    if text.starts_with("$ANSIBLE_VAULT;") {
        return Ok(call.cx().templates.host().unseal(&text)?);
    }
    Ok(text)
}

/// The text of files.
pub fn file(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let rstrip = args.flag(usize::MAX, "rstrip", true)?;
    let lstrip = args.flag(usize::MAX, "lstrip", false)?;
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let text = read(call, &needed(call, "files", &term)?)?;
        let text = if lstrip { text.trim_start() } else { &text };
        out.push(Val::from(if rstrip { text.trim_end() } else { text }));
    }
    Ok(out)
}

/// The text of vaulted files.
pub fn unvault(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    texts(call, terms)?.iter().map(|term| Ok(Val::from(read(call, &needed(call, "files", term)?)?))).collect()
}

/// Rendered template files.
pub fn template(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    // Neither changes anything with ansible-core 2.19.
    for name in ["convert_data", "jinja2_native"] {
        args.take_kw(name);
    }
    let mut options = FileOptions::default();
    for (name, slot) in [
        ("variable_start_string", &mut options.variable.0),
        ("variable_end_string", &mut options.variable.1),
        ("block_start_string", &mut options.block.0),
        ("block_end_string", &mut options.block.1),
        ("comment_start_string", &mut options.comment.0),
        ("comment_end_string", &mut options.comment.1),
    ] {
        if let Some(text) = args.text(call, usize::MAX, name)? {
            *slot = text.to_string();
        }
    }
    options.trim_blocks = args.flag(usize::MAX, "trim_blocks", true)?;
    options.lstrip_blocks = args.flag(usize::MAX, "lstrip_blocks", false)?;
    let extra = args.take_kw("template_vars");
    let env = match extra {
        Some(Val::Map(map)) => {
            let mut values = Vec::new();
            for (key, value) in map.items(call.cx())? {
                values.push((key.text(), call.value(&value)?));
            }
            super::super::cx::Env::new(&call.ev.env.scope.with(Layer::data(Level::Magic, "template_vars", values)))
        }
        _ => std::rc::Rc::clone(&call.ev.env),
    };
    let host = call.cx().templates.host();
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let _deeper = call.cx().deeper()?;
        let file = call.cx().templates.template_file(call.cx(), &term, &env.scope)?.ok_or_else(|| {
            let words = format!("the template file {term} could not be found for the lookup");
            Fail::said(format!("the template `{term}` was not found"), words)
                .with_hint("templates are searched in `templates/` of the role and beside the playbook")
        })?;
        let known = file.path.as_deref().map(|path| host.template_vars(&term, path, &env.scope)).transpose()?;
        let known = known.unwrap_or_default();
        let known = call.cx().templates.with_managed(known, &env.scope)?;
        let own = if known.is_empty() {
            std::rc::Rc::clone(&env)
        } else {
            super::super::cx::Env::new(&env.scope.with(Layer::data(Level::Magic, "template", known)))
        };
        let value = stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || {
            call.cx().templates.file_value(call.cx(), &file, &options, &own)
        })?;
        out.push(value);
    }
    Ok(out)
}

/// Files that fit a pattern: in the folder that it names, else in the first where any fits.
pub fn fileglob(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let bases = match term.rsplit_once('/') {
            Some(("", _)) => vec![PathBuf::from("/")],
            Some((folder, _)) if term.starts_with('/') => vec![PathBuf::from(folder)],
            Some((folder, _)) => find(call, "files", folder).into_iter().collect(),
            None => call.cx().templates.host().folders("files", &call.ev.env.scope),
        };
        let pattern = term.rsplit_once('/').map_or(&*term, |(_, pattern)| pattern);
        for base in bases {
            let found = filters::glob(&base.join(pattern).display().to_string())?;
            if !found.is_empty() {
                out.extend(found.into_iter().map(Val::from));
                break;
            }
        }
    }
    Ok(out)
}

/// The first file that is there. A loop gives the folder that the task's action searches as `_subfolder`.
pub fn first_found(call: &Call, terms: &[Val], args: &mut Args, with: bool) -> R<Vec<Val>> {
    const FILES: [char; 2] = [',', ';'];
    const PATHS: [char; 3] = [',', ':', ';'];
    // A loop looks where the task's action keeps its files; elsewhere names are those of the search path itself.
    let subfolder = match (with, args.take_kw("_subfolder")) {
        (true, Some(name)) => call.text(&name)?.to_string(),
        _ => String::new(),
    };
    let mut skip = args.flag(usize::MAX, "skip", false)?;
    let mut names: Vec<String> = Vec::new();
    let split = |value: Option<Val>, splits: &[char]| -> R<Vec<String>> {
        match value {
            None => Ok(Vec::new()),
            Some(Val::V(Value::Null)) => Ok(Vec::new()),
            Some(Val::List(list)) => {
                // In a loop a name with something undefined in it can not be the one.
                let mut out = Vec::new();
                for item in list.items(call.cx())? {
                    if !(with && matches!(item, Val::Undef(_))) {
                        out.push(call.text(&item)?.to_string());
                    }
                }
                Ok(out)
            }
            Some(Val::Undef(_)) if with => Ok(Vec::new()),
            Some(other) => {
                let text = call.text(&other)?;
                if text.contains(splits) {
                    let (target, shown) = if splits == FILES { ("files", ",;") } else { ("paths", ",:;") };
                    let words = format!("Automatic splitting of {target} on '{shown}' is deprecated.");
                    let said = format!("one text for many {target} is deprecated");
                    let help = format!("Provide a list of paths for {target} instead.");
                    let place = call.cx().place.get();
                    let told = Told { place, help: Some(&help), ..Told::default() };
                    let words = Deprecation::core(words, "2.23").of_plugin("lookup", "first_found");
                    call.cx().templates.deprecated(said, words, told, "write a list");
                }
                Ok(text.split(splits).map(|part| part.trim().to_owned()).collect())
            }
        }
    };
    let add = |files: Vec<String>, paths: &[String], names: &mut Vec<String>| {
        if paths.is_empty() {
            names.extend(files);
        } else {
            for path in paths {
                names.extend(files.iter().map(|file| format!("{}/{file}", path.trim_end_matches('/'))));
            }
        }
    };
    // As with Ansible the options of a mapping count for what follows it.
    let (files, mut paths) = (split(args.take_kw("files"), &FILES)?, split(args.take_kw("paths"), &PATHS)?);
    let mut flat = Vec::new();
    filters::list::flatten_into(call.cx(), terms.to_vec(), None, true, &mut flat)?;
    if flat.is_empty() {
        add(files, &paths, &mut names);
    }
    for term in flat {
        match &term {
            Val::Map(map) => {
                paths = split(map.get_str(call.cx(), "paths")?, &PATHS)?;
                add(split(map.get_str(call.cx(), "files")?, &FILES)?, &paths, &mut names);
                skip = map.get_str(call.cx(), "skip")?.map_or(Ok(false), |value| value.truthy())?;
            }
            Val::Undef(_) if with => {}
            other => add(split(Some(other.clone()), &FILES)?, &paths, &mut names),
        }
    }
    for name in &names {
        if let Some(path) = find(call, &subfolder, name) {
            return Ok(vec![Val::from(path.display().to_string())]);
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let words = "No file was found when using first_found.";
    Err(Fail::said(format!("none of these files was found: {}", shown.join(", ")), words)
        .with_hint("add `skip: true` if that is fine"))
}
