//! `remote_src` of `copy`: files and folders that are on the host already.
//!
//! As Ansible's module: a file takes its mode along where it replaces another one, a tree is merged into what is
//! there, and `mode` is that of the top folder alone.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::attributes::{FileArgs, StateDiff, add_path_info, apply, apply_held, settle};
use super::super::call::Failure;
use super::super::cx::Cx;
use super::super::refusal::refused;
use super::super::types::Mode;
use super::{Body, Job, Source, no_parent};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::Held;
use crate::system::digest::Digest;
use crate::system::fs::{Content, FileState, WriteOptions, identity, shown};
use crate::value::{Map, Value, insert};

impl Job<'_> {
    pub(super) fn host_copy(mut self, src: &Path, contents_only: bool) -> Result<Map, Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let Some(found) = probe.stat(src)? else {
            return Err(refused("H0107", format!("Source {} not found", shown(src))));
        };
        if !probe.access(src, rustix::fs::Access::READ_OK) {
            return Err(refused("H0107", format!("Source {} not readable", shown(src))));
        }
        if !found.is_file() && !found.is_dir() {
            return Err(refused("H0107", format!("Cannot copy invalid source '{}': not a file", shown(src))));
        }
        let told = shown(src);
        if found.is_dir() {
            self.has_checksum(None)?;
        }
        if self.dest_is_folder && !probe.exists(&self.dest) {
            self.make_folders(&self.dest.clone())?;
            if cx.check_mode() {
                let folder = shown(&self.dest);
                let folder = folder.trim_end_matches('/');
                return Ok(map! { "msg" => format!("dest directory {folder} would be created"), "src" => told });
            }
        }
        let name = src.file_name().unwrap_or_default();
        if found.is_dir() {
            return self.host_folder(src, contents_only, told);
        }
        if probe.is_dir(&self.dest) {
            self.dest.push(name);
        }
        let source = self.host_source(src)?;
        let mut result = self.one(source)?;
        insert(&mut result, "src", told);
        Ok(result)
    }

    fn host_source(&self, src: &Path) -> Result<Source<'static>> {
        let sha1 = self.cx.probe().digest(src, Digest::Sha1)?;
        let mode = self.cx.probe().stat(src)?.map(|found| found.mode() & 0o7777);
        Ok(Source { sha1, mode, body: Body::HostFile(src.to_owned()) })
    }

    fn host_folder(self, src: &Path, contents_only: bool, told: String) -> Result<Map, Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let into = if contents_only { self.dest.clone() } else { self.dest.join(src.file_name().unwrap_or_default()) };
        if into.starts_with(src) {
            let message = format!("cannot copy `{}` into itself", shown(src));
            return Err(Diagnostic::task("H0107", message).into());
        }
        // The folder that the result tells of, and that `mode` is for: named by what is there before.
        let was_there = probe.is_dir(&self.dest);
        let (top, name) = if !was_there {
            (self.dest.clone(), shown(&self.dest))
        } else if contents_only {
            (self.dest.clone(), format!("{}/", shown(&self.dest).trim_end_matches('/')))
        } else {
            (into.clone(), shown(&into))
        };
        let mut result = map! { "dest" => name, "src" => told };
        if probe.exists(&top) && !self.force {
            insert(&mut result, "msg", "file already exists");
            add_path_info(cx, &mut result, &top);
            return Ok(result);
        }
        if let Some(parent) = self.dest.parent()
            && !parent.as_os_str().is_empty()
            && !probe.exists(parent)
        {
            return Err(no_parent(parent, Map::new()));
        }
        if probe.exists(&self.dest) && !was_there {
            let message = format!("`{}` is there and is no folder", shown(&self.dest));
            return Err(Diagnostic::task("H0107", message).into());
        }
        if !was_there && into != self.dest {
            cx.change(format!("create {}", shown(&self.dest)), |host| host.create_dir(&self.dest))?;
        }
        let mut tree = Tree { cx, links_as_files: self.links_as_files, above: Vec::new() };
        tree.merge(src, &into)?;
        if self.file.owner.is_some() || self.file.group.is_some() {
            let file = FileArgs { mode: None, attributes: None, ..self.file.clone() };
            if let Some(held) = probe.hold(&into)? {
                own(cx, &held, &file)?;
            }
        }
        let mode = match &self.file.mode {
            Some(Mode::Preserve) => probe.stat(src)?.map(|found| Mode::Bits(found.mode() & 0o7777)),
            other => other.clone(),
        };
        if probe.exists(&top) {
            settle(cx, &top, &FileArgs { mode, ..self.file.clone() }, &mut StateDiff::default())?;
        }
        result.extend(map! { "checksum" => Value::Null, "md5sum" => Value::Null });
        add_path_info(cx, &mut result, &top);
        Ok(result)
    }
}

/// What is copied on the host keeps its times, as with Python's `copystat`.
pub(super) fn keep_times(cx: &Cx, from: &Path, to: &Path) -> Result<()> {
    let Some(found) = cx.probe().stat(from)? else { return Ok(()) };
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let accessed = nanos(found.atime(), found.atime_nsec());
    let modified = nanos(found.mtime(), found.mtime_nsec());
    cx.scratch(|host| host.set_times(to, Some(accessed), Some(modified))).map(drop)
}

/// Owner and group of a folder and all that is in it; links are not followed. Each folder is held open meanwhile: its
/// new owner cannot lead this elsewhere.
fn own(cx: &Cx, held: &Held, file: &FileArgs) -> Result<()> {
    apply_held(cx, held, held.path(), file, &mut StateDiff::default())?;
    if held.metadata()?.is_dir() {
        for name in held.names()? {
            if let Some(entry) = held.entry(&name)? {
                own(cx, &entry, file)?;
            }
        }
    }
    Ok(())
}

struct Tree<'a> {
    cx: &'a Cx,
    links_as_files: bool,
    /// The folders that it is in; a link to one of them stays a link.
    above: Vec<(u64, u64)>,
}

impl Tree<'_> {
    /// What is in a folder, into another one; one that is new takes mode and times along.
    fn merge(&mut self, from: &Path, to: &Path) -> Result<(), Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let Some(found) = probe.stat(from)? else { return Ok(()) };
        let new = match probe.stat(to)? {
            None => {
                // Its mode comes last, and may be one that keeps others out.
                cx.change(format!("create {}", shown(to)), |host| host.create_dir_with(to, 0o700))?;
                true
            }
            Some(present) if present.is_dir() => false,
            Some(_) => {
                let message = format!("`{}` is there and is no folder", shown(to));
                return Err(Diagnostic::task("H0107", message).into());
            }
        };
        self.above.push(identity(&found));
        for entry in probe.list(from)? {
            let dest = to.join(entry.file_name().unwrap_or_default());
            self.entry(&entry, &dest)?;
        }
        self.above.pop();
        // Once all is there, since its mode may forbid writing.
        if new && !cx.check_mode() {
            let file = FileArgs { mode: Some(Mode::Bits(found.mode() & 0o7777)), ..FileArgs::default() };
            apply(cx, to, &file, &mut StateDiff::default())?;
            keep_times(cx, from, to)?;
        }
        Ok(())
    }

    fn entry(&mut self, from: &Path, to: &Path) -> Result<(), Failure> {
        let probe = self.cx.probe();
        let is_link = probe.state(from)? == FileState::Link;
        // A link to itself is one to nowhere.
        let found = if is_link { probe.stat(from).unwrap_or_default() } else { probe.stat(from)? };
        let stays = is_link
            && (!self.links_as_files || found.as_ref().is_some_and(|found| self.above.contains(&identity(found))));
        match found {
            _ if stays => self.link(&probe.read_link(from)?, to)?,
            Some(found) if found.is_dir() => self.merge(from, to)?,
            Some(found) if found.is_file() => self.file(from, to, found.mode() & 0o7777)?,
            _ => self.cx.warn(format!("`{}` is neither file nor folder and was left out", shown(from))),
        }
        Ok(())
    }

    fn link(&self, target: &PathBuf, to: &Path) -> Result<()> {
        let probe = self.cx.probe();
        if probe.state(to)? == FileState::Link && probe.read_link(to)? == *target {
            return Ok(());
        }
        self.cx.change(format!("link {} -> {}", shown(to), shown(target)), |host| host.symlink(target, to)).map(drop)
    }

    /// One that is there keeps its owner, and has its mode changed only with its content.
    fn file(&self, from: &Path, to: &Path, mode: u32) -> Result<(), Failure> {
        let (cx, probe) = (self.cx, self.cx.probe());
        let present = probe.stat(to)?;
        if present.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(Diagnostic::task("H0107", format!("`{}` is a folder, not a file", shown(to))).into());
        }
        let is_file = present.as_ref().is_some_and(std::fs::Metadata::is_file);
        if is_file && probe.digest(to, Digest::Sha1)? == probe.digest(from, Digest::Sha1)? {
            return Ok(());
        }
        let what = format!("{} {}", if is_file { "update" } else { "create" }, shown(to));
        let options = WriteOptions { mode: Some(mode), ..WriteOptions::default() };
        cx.change(what, |host| host.write(to, Content::File(from), options))?;
        if !is_file && !cx.check_mode() {
            keep_times(cx, from, to)?;
        }
        Ok(())
    }
}
