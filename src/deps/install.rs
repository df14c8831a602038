//! Puts fetched roles and collections in their places, each in one step.
//!
//! Beside them a record says what hostctl put there and what its content was: a folder that somebody else made, or that
//! was changed since, is not replaced unasked.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::fetch::{self, Fetcher, OWN};
use super::resolve::Chosen;
use super::{Done, Outcome, Request, Sort, role, tree};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::value::{JsonStyle, Value, parse_json, to_json_text};

/// Where something lies below its root.
pub(super) fn place(root: &Path, sort: Sort, name: &str) -> PathBuf {
    match sort {
        Sort::Role => root.join(name),
        Sort::Collection => {
            let whole = root.file_name().is_some_and(|name| name == "ansible_collections");
            let root = if whole { root.to_path_buf() } else { root.join("ansible_collections") };
            root.join(name.replacen('.', "/", 1))
        }
    }
}

/// The record of something that hostctl installed.
fn record_path(root: &Path, sort: Sort, name: &str) -> PathBuf {
    root.join(OWN).join(format!("{}-{}.json", sort.word(), name.replace('/', "%")))
}

/// True for what hostctl installed.
pub(super) fn is_own(root: &Path, sort: Sort, name: &str) -> bool {
    record_path(root, sort, name).is_file()
}

struct Record {
    pin: String,
    source: String,
    tree: String,
}

fn record(root: &Path, sort: Sort, name: &str) -> Option<Record> {
    let text = crate::diag::read::read_source_text(&record_path(root, sort, name)).ok()?;
    let value = parse_json(&text).ok()?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Record { pin: text("pin")?, source: text("source")?, tree: text("tree")? })
}

/// The checksum of something installed; the date of its installation does not count.
fn content(dir: &Path, sort: Sort) -> Result<String> {
    tree::tree_sum(dir, &|path: &Path, name: &OsStr| {
        sort == Sort::Role && path == Path::new(role::INSTALL_INFO) || name == OsStr::new("__pycache__")
    })
}

/// What is to be done with one of them.
struct Work {
    at: usize,
    place: PathBuf,
    fetched: PathBuf,
    /// Something is there.
    there: bool,
    /// It is the same: only the record is missing.
    same: bool,
}

/// Installs all that is not there as pinned.
pub(super) fn install(
    request: &Request<'_>,
    fetcher: &Fetcher<'_>,
    chosen: &[Chosen],
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<Done>, Vec<Diagnostic>> {
    let mut done = Vec::new();
    let mut work = Vec::new();
    let mut errors = Vec::new();
    for (at, one) in chosen.iter().enumerate() {
        let entry = &one.entry;
        let root = fetch::root(request, entry.sort);
        let path = one.found.clone().unwrap_or_else(|| place(root, entry.sort, &entry.name));
        let result = match &one.found {
            Some(_) => Ok(None),
            None => look(request, fetcher, one, at, &path),
        };
        let outcome = match result {
            Ok(Some(todo)) => {
                let outcome = match (todo.there, todo.same) {
                    (_, true) => Outcome::Present,
                    (true, false) => Outcome::Replaced,
                    (false, false) => Outcome::Installed,
                };
                work.push(todo);
                outcome
            }
            Ok(None) if one.found.is_some() => Outcome::Found,
            Ok(None) => Outcome::Present,
            Err(found) => {
                errors.extend(found);
                continue;
            }
        };
        done.push(Done {
            sort: entry.sort,
            name: entry.name.clone(),
            source: entry.source.clone(),
            version: if entry.sort == Sort::Role { entry.requested.clone() } else { entry.version.clone() },
            pin: entry.pin.clone(),
            path,
            outcome,
        });
    }
    warnings.append(&mut fetcher.warnings.borrow_mut());
    if !errors.is_empty() {
        return Err(errors);
    }
    for todo in work {
        put(request, &chosen[todo.at], &todo).map_err(|error| vec![error])?;
    }
    Ok(done)
}

/// Sees what is in the place of something, and fetches it if it must be put there.
fn look(
    request: &Request<'_>,
    fetcher: &Fetcher<'_>,
    one: &Chosen,
    at: usize,
    path: &Path,
) -> Result<Option<Work>, Vec<Diagnostic>> {
    let single = |error: Diagnostic| vec![error];
    let entry = &one.entry;
    let root = fetch::root(request, entry.sort);
    let there = std::fs::symlink_metadata(path).is_ok();
    let known = record(root, entry.sort, &entry.name);
    let found = if there && path.is_dir() && !path.is_symlink() {
        Some(content(path, entry.sort).map_err(single)?)
    } else {
        None
    };
    let untouched = known.as_ref().is_some_and(|known| found.as_ref() == Some(&known.tree));
    let as_pinned = known.as_ref().is_some_and(|known| known.pin == entry.pin && known.source == entry.source);
    if untouched && as_pinned {
        return Ok(None);
    }
    let dir = match &one.package {
        Some(package) => package.dir.clone(),
        None => {
            let packages = fetcher.fetch(&one.requirement, Some(&entry.pin))?;
            let package = packages.into_iter().find(|package| package.name == entry.name);
            let missing = || {
                let text = format!("the commit that the lock pins holds no {} `{}`", entry.sort.word(), entry.name);
                Diagnostic::source("D0502", text)
                    .with_label(entry.span, "pinned here")
                    .with_hint("`hostctl deps update` writes the lock anew")
            };
            package.ok_or_else(|| single(missing()))?.dir
        }
    };
    let same = found.is_some() && found == Some(content(&dir, entry.sort).map_err(single)?);
    if there && !untouched && !request.force && !same {
        let text = if known.is_some() {
            format!("`{}` was changed since hostctl installed it", path.display())
        } else {
            format!("`{}` is there and was not made by hostctl", path.display())
        };
        let error = Diagnostic::local("D0601", text)
            .with_label(one.requirement.span, format!("the {} is to be there", entry.sort.word()))
            .with_note("nothing was installed")
            .with_hint("`--force` replaces it; move away what you need first");
        return Err(single(error));
    }
    Ok(Some(Work { at, place: path.to_path_buf(), fetched: dir, there, same }))
}

/// Puts one in its place. A crash leaves the old or the new, and at most no record of it.
fn put(request: &Request<'_>, one: &Chosen, todo: &Work) -> Result<()> {
    let entry = &one.entry;
    let root = fetch::root(request, entry.sort);
    let tree = content(&todo.fetched, entry.sort)?;
    let record_file = record_path(root, entry.sort, &entry.name);
    match std::fs::remove_file(&record_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(tree::unwritten(&record_file, &error));
        }
        _ => {}
    }
    if let Some(above) = todo.place.parent() {
        tree::make_dir(above)?;
    }
    let unwritten = |error: std::io::Error| tree::unwritten(&todo.place, &error);
    let old = todo.fetched.with_extension("old");
    if todo.there && !todo.same {
        let exchange = rustix::fs::renameat_with(
            rustix::fs::CWD,
            &todo.fetched,
            rustix::fs::CWD,
            &todo.place,
            rustix::fs::RenameFlags::EXCHANGE,
        );
        // A file system that cannot exchange does it in two steps.
        if exchange.is_err() {
            std::fs::rename(&todo.place, &old).map_err(unwritten)?;
            if let Err(error) = std::fs::rename(&todo.fetched, &todo.place) {
                let _ = std::fs::rename(&old, &todo.place);
                return Err(unwritten(error));
            }
        }
    } else if !todo.there {
        std::fs::rename(&todo.fetched, &todo.place).map_err(unwritten)?;
    }
    let value = map! {
        "pin" => entry.pin.as_str(),
        "source" => entry.source.as_str(),
        "tree" => tree,
    };
    let text = to_json_text(&Value::from(value), JsonStyle { indent: Some(2), ..JsonStyle::default() });
    std::fs::write(&record_file, text + "\n").map_err(|error| tree::unwritten(&record_file, &error))
}
