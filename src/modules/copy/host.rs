//! `remote_src` of `copy`: files and folders that are on the host already.

use std::path::Path;

use super::super::attributes::{FileArgs, StateDiff, add_path_info, apply};
use super::super::call::Failure;
use super::super::types::Mode;
use super::{Body, Job, Source};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::digest::Digest;
use crate::system::fs::{FileState, identity, shown};
use crate::value::{Map, Value, insert};

impl Job<'_> {
    pub(super) fn host_copy(mut self, src: &Path, contents_only: bool) -> Result<Map, Failure> {
        let probe = self.cx.probe();
        let Some(found) = probe.stat(src)? else {
            return Err(Diagnostic::task("H0107", format!("source {} not found", shown(src))).into());
        };
        let name = src.file_name().unwrap_or_default();
        if found.is_dir() {
            let base = if contents_only { self.dest.clone() } else { self.dest.join(name) };
            if base.starts_with(src) {
                let message = format!("cannot copy `{}` into itself", shown(src));
                return Err(Diagnostic::task("H0107", message).into());
            }
            self.host_tree(src, &base, &mut vec![identity(&found)])?;
            let mut result = map! {
                "dest" => shown(&self.dest), "src" => shown(src), "checksum" => Value::Null, "md5sum" => Value::Null,
            };
            add_path_info(self.cx, &mut result, &self.dest);
            return Ok(result);
        }
        if !found.is_file() {
            return Err(Diagnostic::task("H0107", format!("cannot copy `{}`: not a file", shown(src))).into());
        }
        if self.dest_is_folder || probe.is_dir(&self.dest) {
            self.dest.push(name);
        }
        let source = self.host_source(src)?;
        let mut result = self.one(source)?;
        insert(&mut result, "src", shown(src));
        Ok(result)
    }

    fn host_source(&self, src: &Path) -> Result<Source<'static>> {
        use std::os::unix::fs::MetadataExt as _;
        let sha1 = self.cx.probe().digest(src, Digest::Sha1)?;
        let mode = self.cx.probe().stat(src)?.map(|found| found.mode() & 0o7777);
        Ok(Source { sha1, mode, body: Body::HostFile(src.to_owned()) })
    }

    /// A folder of the host. `above`: the folders that it is in; a link to one of them stays a link.
    fn host_tree(&self, from: &Path, to: &Path, above: &mut Vec<(u64, u64)>) -> Result<(), Failure> {
        let probe = self.cx.probe();
        let new = !probe.exists(to);
        self.folder(to)?;
        for entry in probe.list(from)? {
            let dest = to.join(entry.file_name().unwrap_or_default());
            let is_link = probe.state(&entry)? == FileState::Link;
            // A link to itself is one to nowhere.
            let found = if is_link { probe.stat(&entry).unwrap_or_default() } else { probe.stat(&entry)? };
            match found {
                found
                    if is_link
                        && (!self.links_as_files
                            || found.as_ref().is_some_and(|found| above.contains(&identity(found)))) =>
                {
                    self.link(&dest, &shown(&probe.read_link(&entry)?))?;
                }
                Some(found) if found.is_dir() => {
                    above.push(identity(&found));
                    self.host_tree(&entry, &dest, above)?;
                    above.pop();
                }
                Some(found) if found.is_file() => {
                    let source = self.host_source(&entry)?;
                    // A tree of the host keeps the modes that it has there, unless told otherwise.
                    let new = !probe.exists(&dest);
                    let mode = source.mode.filter(|_| new && self.file.mode.is_none());
                    self.put(&dest, &source, &mut Map::new())?;
                    if let Some(bits) = mode {
                        let file = FileArgs { mode: Some(Mode::Bits(bits)), ..FileArgs::default() };
                        if probe.exists(&dest) {
                            apply(self.cx, &dest, &file, &mut StateDiff::default())?;
                        }
                    }
                }
                _ => self.cx.warn(format!("`{}` is neither file nor folder and was left out", shown(&entry))),
            }
        }
        // A folder that was made keeps its mode like the files in it; once they are there, since it may forbid writing.
        let free = self.file.mode.is_none() && self.directory_mode.is_none();
        if let Some(found) = probe.stat(from)?.filter(|_| new && free && probe.exists(to)) {
            use std::os::unix::fs::MetadataExt as _;
            let file = FileArgs { mode: Some(Mode::Bits(found.mode() & 0o7777)), ..FileArgs::default() };
            apply(self.cx, to, &file, &mut StateDiff::default())?;
        }
        Ok(())
    }
}
