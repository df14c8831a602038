//! The words that `hostctl image build` takes: pairs, agents, hosts, secrets' places.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::super::password::{text_of, unreadable, usage};
use crate::diag::Result;
use crate::image::platforms::Platform;
use crate::secret::Secret;
use crate::system::Probe;

/// `/srv/images/images.yml`: the folder, and the file in it.
pub(super) fn split_file(path: &Path) -> Result<(PathBuf, Option<String>)> {
    match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(folder), Some(name)) => Ok((folder.to_owned(), Some(name.to_owned()))),
        _ => Err(usage("B0172", format!("`{}` is no list of images", path.display())).with_hint("--list images.yml")),
    }
}

/// `NAME=VALUE` words; with `environment`, a NAME alone has the value of the variable.
pub(super) fn pairs(option: &str, words: &[String], example: &str, environment: bool) -> Result<Map<String, Json>> {
    let mut found = Map::new();
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None if environment && !word.is_empty() => match std::env::var(word) {
                Ok(value) => (word.as_str(), value),
                // As docker build: what is not set is not given.
                Err(_) => continue,
            },
            None => ("", String::new()),
        };
        if name.is_empty() {
            let message = format!("expected `NAME=VALUE` after `{option}`, found `{}`", word.escape_debug());
            return Err(usage("B0172", message).with_hint(format!("for example `{option} {example}`")));
        }
        found.insert(name.to_owned(), value.into());
    }
    Ok(found)
}

/// `default`, or `ID=SOCKET`.
pub(super) fn agents(words: &[String]) -> Map<String, Json> {
    let one = |word: &String| match word.split_once('=') {
        Some((id, socket)) => (id.to_owned(), Json::from(socket)),
        None => (word.clone(), Json::from(true)),
    };
    words.iter().map(one).collect()
}

/// `NAME:ADDRESS`, or with `=`, as docker build takes them.
pub(super) fn hosts(words: &[String]) -> Result<Map<String, Json>> {
    let one = |word: &String| match word.split_once(['=', ':']) {
        Some((name, address)) => Ok((name.to_owned(), Json::from(address.trim_matches(['[', ']'])))),
        None => {
            Err(usage("B0172", format!("expected `NAME:ADDRESS` after `--add-host`, found `{}`", word.escape_debug()))
                .with_hint("for example `--add-host mirror.example:192.0.2.7`"))
        }
    };
    words.iter().map(one).collect()
}

pub(super) fn reuse(word: Option<&str>) -> Result<Json> {
    match word {
        None => Ok(Json::Null),
        Some(word @ ("inputs" | "never")) => Ok(word.into()),
        Some(word) => match word.split_once('=') {
            Some(("max_age" | "max-age", age)) => Ok(json!({ "max_age": age })),
            _ => {
                Err(usage("B0172", format!("`--reuse {}`: expected inputs, never or max_age=AGE", word.escape_debug()))
                    .with_hint("--reuse max_age=7d"))
            }
        },
    }
}

/// Where a build secret comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SecretPlace<'a> {
    File(&'a Path),
    Variable(&'a str),
}

impl SecretPlace<'_> {
    /// The secret itself.
    pub(super) fn read(&self) -> Result<Secret> {
        let path = match self {
            Self::Variable(name) => {
                return std::env::var(name).map(Secret::new).map_err(|_| {
                    usage("B0171", format!("the secret's variable `{name}` is not set"))
                        .with_hint(format!("export {name}=..., or --secret id=ID,src=FILE"))
                });
            }
            Self::File(path) => path,
        };
        let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        text_of(&format!("`{}`", path.display()), &mut file).map(Secret::new)
    }
}

/// `id=npm,src=/run/npm` and `id=npm,env=NPM_TOKEN`; the id alone is the variable's name, too.
pub(super) fn secret_place(text: &str) -> Result<(&str, SecretPlace<'_>)> {
    let (mut id, mut place) = (None, None);
    let wrong = || {
        usage("B0172", "`--secret` is neither id=ID,src=FILE nor id=ID,env=VARIABLE")
            .with_note("the secret itself never stands on the command line")
            .with_hint("--secret id=npm,src=/run/secrets/npm")
    };
    for word in text.split(',') {
        match word.split_once('=') {
            Some(("id", name)) => id = Some(name).filter(|name| !name.is_empty()),
            Some(("src" | "source", path)) => place = Some(SecretPlace::File(Path::new(path))),
            Some(("env", name)) => place = Some(SecretPlace::Variable(name)),
            Some(("type", "file" | "env")) => {}
            _ => return Err(wrong()),
        }
    }
    let id = id.ok_or_else(wrong)?;
    Ok((id, place.unwrap_or(SecretPlace::Variable(id))))
}

/// A source that is read on this machine.
pub(super) fn is_there(kind: &str, path: &Path) -> Result<()> {
    let probe = Probe::new(Vec::new());
    let (there, what) = match kind {
        "list" => (probe.exists(path) && !probe.is_dir(path), "file"),
        _ => (probe.is_dir(path), "folder"),
    };
    if there {
        return Ok(());
    }
    let shown = path.display().to_string();
    let message = format!("`--{kind} {}`: there is no such {what}", shown.escape_debug());
    Err(usage("B0172", message)
        .with_hint(format!("`--{kind}` takes a {what} of this machine; with `--remote-src` it lies on the host")))
}

pub(super) fn platform(text: &str) -> std::result::Result<String, String> {
    text.parse::<Platform>().map(|platform| platform.to_string())
}

pub(super) fn secret_variable(place: usize) -> String {
    format!("hostctl_image_secret_{place}")
}
