//! Paths, POSIX and Windows.

use std::path::Path;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("basename", |call, value, args| plain(call, value, &args, |path| split(path).1.to_owned())),
    ("commonpath", commonpath),
    ("dirname", |call, value, args| plain(call, value, &args, |path| split(path).0.to_owned())),
    ("expanduser", expanduser),
    ("expandvars", expandvars),
    ("fileglob", fileglob),
    ("normpath", |call, value, args| plain(call, value, &args, normpath)),
    ("path_join", path_join),
    ("realpath", realpath),
    ("relpath", relpath),
    ("splitext", splitext),
    ("win_basename", |call, value, args| plain(call, value, &args, |path| win_split(path).1.to_owned())),
    ("win_dirname", |call, value, args| plain(call, value, &args, |path| win_split(path).0)),
    ("win_splitdrive", win_splitdrive),
];

fn plain(call: &Call, value: Val, args: &Args, change: impl FnOnce(&str) -> String) -> R<Val> {
    args.finish()?;
    match &value {
        Val::V(crate::value::Value::Str(text)) => Ok(Val::from(change(text))),
        other => {
            let _ = call;
            Err(no_path(other))
        }
    }
}

fn no_path(value: &Val) -> Fail {
    Fail::said(
        format!("a path must be a string, not {}", value.kind()),
        format!("expected str, bytes or os.PathLike object, not {}", value.type_name()),
    )
}

/// `os.path.split`.
pub fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let trimmed = head.trim_end_matches('/');
    (if trimmed.is_empty() { head } else { trimmed }, tail)
}

/// `os.path.normpath`.
pub fn normpath(path: &str) -> String {
    let absolute = path.starts_with('/');
    let slashes = if path.starts_with("//") && !path.starts_with("///") { "//" } else { "/" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("{slashes}{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// `os.path.join`.
pub fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for part in parts {
        if part.starts_with('/') {
            part.clone_into(&mut out);
        } else {
            if !out.is_empty() && !out.ends_with('/') {
                out.push('/');
            }
            out.push_str(part);
        }
    }
    out
}

fn texts(call: &Call, value: &Val) -> R<Vec<std::sync::Arc<str>>> {
    call.items(value)?.iter().map(|item| item.as_text().ok_or_else(|| no_path(item))).collect()
}

fn path_join(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    if value.as_str().is_some() {
        return Ok(value);
    }
    if !matches!(value, Val::List(_)) {
        return Err(Fail::said(
            format!("`path_join` wants a string or a list, not {}", value.kind()),
            format!("|path_join expects string or sequence, got <class '{}'> instead.", value.type_name()),
        ));
    }
    if value.len()? == 0 {
        let words = "join() missing 1 required positional argument: 'a'";
        return Err(Fail::said("`path_join` wants a path", words));
    }
    let parts = texts(call, &value)?;
    Ok(Val::from(join(parts.iter().map(|part| &**part))))
}

fn commonpath(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    if !matches!(value, Val::List(_)) {
        return Err(Fail::said(
            format!("`commonpath` wants a list, not {}", value.kind()),
            format!("|commonpath expects sequence, got <class '{}'> instead.", value.type_name()),
        ));
    }
    let paths = texts(call, &value)?;
    let Some(first) = paths.first() else { return Err(Fail::msg("`commonpath` needs a path")) };
    let absolute = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != absolute) {
        return Err(Fail::msg("absolute and relative paths can not be mixed"));
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let mut common = parts(first);
    for path in &paths[1..] {
        let other = parts(path);
        let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    Ok(Val::from(format!("{}{}", if absolute { "/" } else { "" }, common.join("/"))))
}

fn expanduser(call: &Call, value: Val, args: Args) -> R<Val> {
    let home = call.cx().templates.host().env("HOME").unwrap_or_else(|| "/root".to_owned());
    plain(call, value, &args, |path| match path.strip_prefix('~') {
        None => path.to_owned(),
        Some(rest) => {
            let (user, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let home = if user.is_empty() { Some(home) } else { home_of(user) };
            home.map_or_else(|| path.to_owned(), |home| format!("{}{rest}", home.trim_end_matches('/')))
        }
    })
}

/// The home of a user of this machine.
fn home_of(user: &str) -> Option<String> {
    let passwd = crate::diag::read::read_source("/etc/passwd".as_ref()).ok()?;
    let passwd = String::from_utf8_lossy(&passwd);
    let mut lines = passwd.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next() == Some(user)).then(|| fields.nth(4).map(str::to_owned))?)
}

fn expandvars(call: &Call, value: Val, args: Args) -> R<Val> {
    let host = call.cx().templates.host();
    plain(call, value, &args, |path| {
        let mut out = String::new();
        let mut rest = path;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let body = &rest[at + 1..];
            let (name, after) = match body.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((name, after)) => (name, after),
                None => {
                    body.split_at(body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len()))
                }
            };
            match host.env(name).filter(|_| !name.is_empty()) {
                Some(value) => out.push_str(&value),
                None => out.push_str(&rest[at..rest.len() - after.len()]),
            }
            rest = after;
        }
        out + rest
    })
}

fn realpath(call: &Call, value: Val, args: Args) -> R<Val> {
    plain(call, value, &args, |path| {
        let absolute = absolute(path);
        match std::fs::canonicalize(&absolute) {
            Ok(real) => real.display().to_string(),
            Err(_) => absolute,
        }
    })
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return normpath(path);
    }
    let here = std::env::current_dir().map_or_else(|_| "/".to_owned(), |path| path.display().to_string());
    normpath(&join([here.as_str(), path]))
}

fn relpath(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let start = args.text(call, 0, "start")?.unwrap_or_else(|| ".".into());
    plain(call, value, &args, |path| {
        let (path, start) = (absolute(path), absolute(&start));
        let parts = |path: &str| -> Vec<String> {
            path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let (to, from) = (parts(&path), parts(&start));
        let same = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
        let mut out: Vec<&str> = vec![".."; from.len() - same];
        out.extend(to[same..].iter().map(String::as_str));
        if out.is_empty() { ".".to_owned() } else { out.join("/") }
    })
}

fn splitext(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let path = call.text(&value)?;
    let name_start = path.rfind('/').map_or(0, |at| at + 1);
    let name = &path[name_start..];
    let dots = name.len() - name.trim_start_matches('.').len();
    let at = name[dots..].rfind('.').map_or(path.len(), |at| name_start + dots + at);
    Ok(Val::tuple(vec![Val::from(&path[..at]), Val::from(&path[at..])]))
}

fn win_drive(path: &str) -> (&str, &str) {
    let slash = |c: char| c == '/' || c == '\\';
    let bytes = path.as_bytes();
    if bytes.len() >= 2 && slash(char::from(bytes[0])) && slash(char::from(bytes[1])) {
        // \\server\share
        let server = path[2..].find(slash).map(|at| at + 2);
        let share = server.and_then(|at| path[at + 1..].find(slash).map(|next| at + 1 + next));
        return path.split_at(share.unwrap_or(path.len()));
    }
    if bytes.get(1) == Some(&b':') {
        return path.split_at(2);
    }
    ("", path)
}

fn win_split(path: &str) -> (String, &str) {
    let slash = |c: char| c == '/' || c == '\\';
    let (drive, rest) = win_drive(path);
    let at = rest.rfind(slash).map_or(0, |at| at + 1);
    let (head, tail) = rest.split_at(at);
    let trimmed = head.trim_end_matches(slash);
    (format!("{drive}{}", if trimmed.is_empty() { head } else { trimmed }), tail)
}

fn win_splitdrive(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let path = call.text(&value)?;
    let (drive, rest) = win_drive(&path);
    Ok(Val::tuple(vec![Val::from(drive), Val::from(rest)]))
}

fn fileglob(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let pattern = call.text(&value)?;
    Ok(Val::list(glob(&pattern)?.into_iter().map(Val::from).collect()))
}

/// Files that fit a pattern with `*`, `?` and `[...]` in any part, sorted.
pub fn glob(pattern: &str) -> R<Vec<String>> {
    let mut found = vec![if pattern.starts_with('/') { "/".to_owned() } else { String::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        let regex = if part.contains(['*', '?', '[']) { Some(glob_regex(part)?) } else { None };
        for base in found {
            let at = |name: &str| join([base.as_str(), name]);
            match &regex {
                None => {
                    let path = at(part);
                    if Path::new(&path).exists() {
                        next.push(path);
                    }
                }
                Some(regex) => {
                    let folder = if base.is_empty() { "." } else { &base };
                    let Ok(entries) = std::fs::read_dir(folder) else { continue };
                    let mut names: Vec<String> =
                        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
                    names.sort();
                    for name in names {
                        let hidden = name.starts_with('.') && !part.starts_with('.');
                        if !hidden && regex.is_match(&name).unwrap_or(false) {
                            next.push(at(&name));
                        }
                    }
                }
            }
        }
        found = next;
    }
    found.retain(|path| Path::new(path).is_file());
    Ok(found)
}

fn glob_regex(part: &str) -> R<fancy_regex::Regex> {
    let mut out = String::from("^(?s:");
    let mut chars = part.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                out.push('[');
                if chars.peek() == Some(&'!') {
                    chars.next();
                    out.push('^');
                }
                for c in chars.by_ref() {
                    if matches!(c, '\\' | '[') {
                        out.push('\\');
                    }
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            c => out.push_str(&fancy_regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    fancy_regex::Regex::new(&out).map_err(|_| Fail::msg(format!("the pattern `{part}` is wrong")))
}
