//! Text between the callback inside and the events: what it wrote, cut where an event ends; the files of events.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diag::Diagnostic;
use crate::event::Trouble;

/// What the callback inside writes, until it is known which event it belongs to.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<(bool, Vec<u8>)>>>);

/// One of the two streams of [`Captured`].
struct CapturedStream(Captured, bool);

impl Captured {
    /// Standard output, or standard error.
    pub fn stream(&self, err: bool) -> impl Write + Send + use<> {
        CapturedStream(self.clone(), err)
    }

    pub(super) fn take(&self) -> Vec<(bool, Vec<u8>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for CapturedStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.last_mut() {
            Some((err, text)) if *err == self.1 => text.extend_from_slice(bytes),
            _ => all.push((self.1, bytes.to_vec())),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Pieces of text, each for standard output or for standard error.
pub(super) type Text = Vec<(bool, Vec<u8>)>;

/// All of the text for standard output, as one piece.
fn joined(text: Text) -> Vec<u8> {
    text.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// Cuts a text behind a number of bytes; what stands behind.
fn split(text: &mut Text, at: impl Fn(&[u8]) -> usize) -> Text {
    let mut bytes = joined(std::mem::take(text));
    let behind = bytes.split_off(at(&bytes).min(bytes.len()));
    if !bytes.is_empty() {
        text.push((false, bytes));
    }
    if behind.is_empty() { Text::new() } else { vec![(false, behind)] }
}

/// Leaves the first line; what stands behind it.
pub(super) fn split_first_line(text: &mut Text) -> Text {
    split(text, |bytes| bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1))
}

/// Takes the last line off.
pub(super) fn split_last_line(text: &mut Text) -> Text {
    split(text, |bytes| {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        body.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    })
}

pub(super) fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The folder of events, made where it is missing. What somebody else has put there is refused: it could be read, or
/// lead elsewhere.
fn folder(dir: &Path) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let folder = dir.join("job_events");
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        // Another process was quicker, or an earlier event.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder)?;
    if found.is_symlink() {
        return Err(std::io::Error::new(ErrorKind::NotADirectory, "it is a symbolic link, not a folder"));
    }
    if !found.is_dir() {
        return Err(std::io::Error::new(ErrorKind::NotADirectory, "it is not a folder"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        let words = format!("it belongs to another user (uid {})", found.uid());
        return Err(std::io::Error::new(ErrorKind::PermissionDenied, words));
    }
    Ok(folder)
}

/// Writes an event's file: nobody else may read it, and nobody sees half of it.
pub(super) fn save(dir: &Path, uuid: &str, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = folder(dir)?;
    let path = folder.join(format!("{uuid}-partial.json"));
    let beside = folder.join(format!("{uuid}-partial.json.tmp"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

pub(super) fn unsaved(dir: &Path, error: &std::io::Error) -> Trouble {
    let message = format!("the events of this run are incomplete: `{}`: {error}", dir.join("job_events").display());
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or set AWX_ISOLATED_DATA_DIR to another folder"
        }
        _ => "set AWX_ISOLATED_DATA_DIR to a folder that is yours",
    };
    let diagnostic = Diagnostic::local("R0102", message).warning().with_hint(hint);
    Trouble { diagnostic, tell: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_there_is_taken_and_a_link_is_not() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "a", "{}").unwrap();
        // Two that begin together: the second finds the folder.
        save(dir.path(), "b", "{}").unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("job_events")).unwrap().count(), 2);
        let other = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("job_events"), other.path().join("job_events")).unwrap();
        let error = save(other.path(), "c", "{}").unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path().join("job_events")).unwrap().count(), 2);
        let error = save(&dir.path().join("nowhere"), "d", "{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn space_is_named_where_it_is_missing() {
        let hint = |kind: ErrorKind| {
            let trouble = unsaved(Path::new("/x"), &std::io::Error::from(kind));
            assert!(trouble.tell);
            trouble.diagnostic.hints.join(" ")
        };
        assert!(hint(ErrorKind::StorageFull).contains("space"));
        assert!(hint(ErrorKind::QuotaExceeded).contains("space"));
        assert!(!hint(ErrorKind::PermissionDenied).contains("space"));
    }
}
