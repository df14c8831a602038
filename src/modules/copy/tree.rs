//! Trees from the controller, and what stands below their top: it gets its attributes through that folder, held open.

use std::path::{Path, PathBuf};

use super::super::attributes::{FileArgs, StateDiff, apply, apply_held};
use super::super::call::{Failure, Input, InputKind};
use super::{Job, Source};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::{FileState, shown};
use crate::value::Map;

impl Job<'_> {
    /// Attributes of a path; below the top of a tree a link is followed only if it is root's, ours, or of whoever owns
    /// what it leads to.
    pub(super) fn apply(&self, path: &Path, file: &FileArgs, diff: &mut StateDiff) -> Result<bool> {
        let below = self.top.as_ref().and_then(|(base, held)| Some((held, path.strip_prefix(base).ok()?)));
        match below {
            None => apply(self.cx, path, file, diff),
            Some((held, rest)) => match self.cx.probe().hold_below(held, rest)? {
                Some(held) => apply_held(self.cx, &held, path, file, diff),
                None => Ok(self.cx.check_mode()),
            },
        }
    }

    pub(super) fn folder(&self, path: &Path) -> Result<(), Failure> {
        match self.cx.probe().stat(path)? {
            None => self.make_folders(path)?,
            Some(found) if found.is_dir() => {
                let file = FileArgs { mode: self.directory_mode.clone(), attributes: None, ..self.file.clone() };
                self.apply(path, &file, &mut StateDiff::default())?;
            }
            Some(_) => {
                let message = format!("`{}` is there and is no folder", shown(path));
                return Err(Diagnostic::task("H0107", message).into());
            }
        }
        Ok(())
    }

    pub(super) fn link(&self, path: &Path, target: &str) -> Result<(), Failure> {
        let probe = self.cx.probe();
        let settled = probe.state(path)? == FileState::Link && probe.read_link(path)? == Path::new(target);
        if !settled {
            let what = format!("link {} -> {target}", shown(path));
            self.cx.change(what, |host| host.symlink(Path::new(target), path))?;
        }
        let file = FileArgs { mode: None, attributes: None, ..self.file.clone() };
        if probe.lstat(path)?.is_some() {
            self.apply(path, &file, &mut StateDiff::default())?;
        }
        Ok(())
    }

    pub(super) fn tree(mut self, input: &Input) -> Result<Map, Failure> {
        let mut base = self.dest.clone();
        if !input.contents_only {
            base.push(&input.basename);
        }
        // The top folder is only made: one that is there keeps its attributes, as with Ansible.
        if !self.cx.probe().is_dir(&base) {
            let first = input.entries.iter().find(|entry| matches!(entry.kind, InputKind::File { .. }));
            self.folder(&base).map_err(|mut failure| {
                // Ansible's controller looks for the first file, and comes upon a file on the way.
                if let Some(first) = first
                    && failure.diagnostic.registered().contains("[Errno 20] Not a directory")
                {
                    let words = format!(
                        "Task failed: Failed to get information on remote file ({}): Not a directory",
                        shown(&base.join(&first.path))
                    );
                    failure.diagnostic = failure.diagnostic.with_registered(words);
                }
                failure
            })?;
        }
        let probe = self.cx.probe();
        self.top = probe.hold_plain(&probe.real(&base))?.map(|held| (base.clone(), held));
        for entry in &input.entries {
            let Some(path) = inside(&base, &entry.path) else {
                return Err(Diagnostic::internal("a path of the source leads out of it").into());
            };
            match &entry.kind {
                InputKind::Dir => self.folder(&path)?,
                InputKind::Link { target } => self.link(&path, target)?,
                InputKind::File { .. } => {
                    if let Some(parent) = path.parent()
                        && !self.cx.probe().exists(parent)
                    {
                        self.make_folders(parent)?;
                    }
                    self.put(&path, &Source::of_entry(entry)?, &mut Map::new())?;
                }
            }
        }
        // Ansible tells nothing else of a folder that came from the controller.
        Ok(map! { "dest" => format!("{}/", shown(&self.dest).trim_end_matches('/')) })
    }
}

/// A relative path of a source below the destination; `None` if it would leave it.
fn inside(base: &Path, relative: &str) -> Option<PathBuf> {
    let relative = Path::new(relative);
    let safe = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    safe.then(|| base.join(relative))
}
