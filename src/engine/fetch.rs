//! `fetch`: a file of the host comes to the controller, in parts, whole or not at all.
//!
//! The host's answer never names the place on the controller: that follows from the task alone.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;

use super::interp::HostRun;
use super::invoke::flag;
use super::result::Attempt;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::modules::{Call, Failure, Outcome, RunsOn};
use crate::playbook::{Task, expand_home};
use crate::system::digest::{Digest, Hasher};
use crate::value::{Map, StrKey, Value, insert};
use crate::vars::Scope;

type Json = serde_json::Value;

/// Bytes of one part.
const PART: u64 = 4 << 20;

fn refused(message: impl Into<String>, mut result: Map) -> Failure {
    let message = message.into();
    insert(&mut result, "msg", message.as_str());
    Failure::with_result(Diagnostic::task("H0027", message), result)
}

fn text<'a>(result: &'a Map, key: &str) -> &'a str {
    result.get(&StrKey(key)).and_then(Value::as_str).unwrap_or_default()
}

impl HostRun {
    /// Runs the task.
    pub(super) async fn fetch(
        &self,
        task: &Task,
        json: &Json,
        scope: &Scope,
        no_log: bool,
    ) -> Result<Attempt, Failure> {
        let check = self.keyword_flag(task, "check_mode", scope)?.unwrap_or(self.play.engine.options.check);
        if check {
            let result = map! { "msg" => "check mode not (yet) supported for this module" };
            return Ok(Attempt::from_outcome(Outcome { skipped: true, result, ..Outcome::default() }));
        }
        let wanted = |name: &str, shown: &str| {
            json.get(name).and_then(Json::as_str).ok_or_else(|| {
                refused(format!("Invalid type supplied for {shown} option, it must be a string"), Map::new())
            })
        };
        let (dest, source) = (wanted("dest", "dest")?, wanted("src", "source")?);
        let given = |name: &str| json.get(name).is_none() || flag(json, name);
        let (fail_on_missing, validate) = (given("fail_on_missing"), given("validate_checksum"));
        let spec = self.target_spec(task, scope, RunsOn::Host)?;
        let target = self.play.engine.targets.target(&spec).await?;
        let part = async |offset: u64| {
            let args = serde_json::json!({
                "src": source, "part": { "offset": offset, "size": PART, "digest": offset == 0 },
            });
            let call = Call { no_log, ..Call::new("slurp", args) };
            // Nothing is told on the way.
            target.invoke(call, super::target::unheard()).await
        };
        let first = match part(0).await {
            Ok(outcome) => outcome.result,
            Err(failure) if failure.diagnostic.kind == crate::diag::Kind::Unreachable => {
                self.play.engine.targets.reset(&spec.host).await;
                return Err(failure);
            }
            Err(failure) => return missing(failure, source, fail_on_missing),
        };
        let place = self.fetched_place(source, text(&first, "source"), dest, flag(json, "flat"))?;
        let remote = text(&first, "sha1").to_owned();
        let shown = place.display().to_string();
        if let Some((sha1, md5)) = digests(&place).ok().filter(|(sha1, _)| *sha1 == remote) {
            let result = map! { "md5sum" => md5, "file" => source, "dest" => shown, "checksum" => sha1 };
            return Ok(Attempt::from_outcome(Outcome { result, ..Outcome::default() }));
        }
        let unwritable = |error: std::io::Error| {
            let mut failure = refused("Failed to fetch the file.", Map::new());
            failure.diagnostic.message = format!("cannot write `{shown}` on the controller: {error}");
            failure
        };
        let folder = place.parent().unwrap_or(Path::new("/")).to_path_buf();
        std::fs::create_dir_all(&folder).map_err(unwritable)?;
        let mut file = tempfile::Builder::new().prefix(".hostctl-").tempfile_in(&folder).map_err(unwritable)?;
        let (mut sha1, mut md5) = (Hasher::new(Digest::Sha1), Hasher::new(Digest::Md5));
        let mut answer = first;
        let mut offset = 0;
        loop {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text(&answer, "content"))
                .map_err(|error| Diagnostic::internal(format!("a part of a file is no base64: {error}")))?;
            sha1.update(&bytes);
            md5.update(&bytes);
            file.write_all(&bytes).map_err(unwritable)?;
            offset += bytes.len() as u64;
            if (bytes.len() as u64) < PART {
                break;
            }
            answer = part(offset).await?.result;
        }
        let (sha1, md5) = (sha1.finish(), md5.finish());
        if validate && sha1 != remote {
            let result = map! {
                "md5sum" => md5, "file" => source, "dest" => shown.as_str(), "remote_md5sum" => Value::Null,
                "checksum" => sha1, "remote_checksum" => remote,
            };
            return Err(refused("checksum mismatch", result));
        }
        keep(file, &place).map_err(unwritable)?;
        let result = map! {
            "md5sum" => md5, "dest" => shown.as_str(), "remote_md5sum" => Value::Null,
            "checksum" => sha1, "remote_checksum" => remote,
        };
        Ok(Attempt::from_outcome(Outcome {
            changed: true,
            result,
            changes: vec![format!("fetch {source} to {shown}")],
            ..Outcome::default()
        }))
    }

    /// Where the file goes on the controller.
    fn fetched_place(&self, source: &str, expanded: &str, dest: &str, flat: bool) -> Result<PathBuf, Failure> {
        // Only the host knows a home; what it says of it may not lead out of the folder.
        let source = if source.starts_with('~') { expanded } else { source };
        let base = source.rsplit('/').next().unwrap_or_default();
        let here = |path: &str| {
            let path = expand_home(path);
            crate::system::fs::normal(&if path.is_absolute() { path } else { self.play.playbook_dir().join(path) })
        };
        if !flat {
            let root = here(dest);
            let place = crate::system::fs::normal(Path::new(&format!("{}/{}/{source}", root.display(), self.host)));
            if !place.starts_with(&root) || place == root {
                let message = format!(
                    "Detected directory traversal, expected to be contained in '{}' but got '{}'",
                    root.display(),
                    place.display()
                );
                return Err(refused(message, Map::new()));
            }
            return Ok(place);
        }
        if !dest.ends_with('/') {
            if here(dest).is_dir() {
                let message =
                    "dest is an existing directory, use a trailing slash if you want to fetch src into that directory";
                return Err(refused(message, Map::new()));
            }
            return Ok(here(dest));
        }
        let whole = format!("{dest}{base}");
        let place = here(&whole);
        if matches!(base, "" | "." | "..") || place.is_dir() {
            let message = format!(
                "calculated dest '{whole}' is an existing directory, use another path that does not point to an existing directory"
            );
            return Err(refused(message, Map::new()));
        }
        Ok(place)
    }
}

/// A file that is not there, a folder, or one that may not be read.
fn missing(failure: Failure, source: &str, fail: bool) -> Result<Attempt, Failure> {
    let said = text(&failure.result, "msg").to_owned();
    let message = if said.contains("not found") {
        "the remote file does not exist, not transferring, ignored".to_owned()
    } else if said.to_lowercase().starts_with("source is a directory") {
        let words = "remote file is a directory, fetch cannot work on directories";
        if fail { words.to_owned() } else { format!("{words}, not transferring, ignored") }
    } else {
        said
    };
    let mut result = map! { "msg" => message.as_str() };
    if !fail {
        insert(&mut result, "file", source);
    }
    if fail {
        result.extend(failure.result.into_iter().filter(|(key, _)| key.as_str() != Some("msg")));
        let diagnostic = Diagnostic::task("H0027", message).with_hint("`fail_on_missing: false` goes on without it");
        return Err(Failure::with_result(diagnostic, result));
    }
    Ok(Attempt::from_outcome(Outcome { result, ..Outcome::default() }))
}

/// The new file at its place; a link is followed, what is no file is written into.
fn keep(file: tempfile::NamedTempFile, place: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_path_buf());
    let present = std::fs::metadata(&place).ok();
    if present.as_ref().is_some_and(|found| !found.is_file()) {
        let mut source = std::fs::File::open(file.path())?;
        let mut into = std::fs::OpenOptions::new().write(true).open(&place)?;
        return std::io::copy(&mut source, &mut into).map(drop);
    }
    let mode = match present {
        Some(found) => found.permissions().mode() & 0o7777,
        None => 0o666 & !crate::system::fs::umask(),
    };
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.persist(&place).map(drop).map_err(|error| error.error)
}

/// SHA-1 and MD5 of a file of any size.
fn digests(path: &Path) -> std::io::Result<(String, String)> {
    let ([sha1, md5], _) = Hasher::of_all([Digest::Sha1, Digest::Md5], crate::diag::read::open_plain(path)?)?;
    Ok((sha1, md5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetched_file_of_any_size_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        let (sha1, md5) = digests(&path).unwrap();
        assert_eq!(sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(md5, "900150983cd24fb0d6963f7d28e17f72");
        assert!(digests(&folder.path().join("none")).is_err());
    }
}
