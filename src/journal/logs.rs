//! Each image's whole log as a file: every line as it comes, none left out.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::event::ImageState;

/// Files that are open at a time. An image that goes on later opens its file again.
const OPEN: usize = 64;

type Lost = (PathBuf, std::io::Error);

/// The open logs of a run.
pub(super) struct Logs {
    folder: PathBuf,
    /// By host, then by image.
    open: Vec<(Option<Arc<str>>, HashMap<String, File>)>,
    count: usize,
    /// A line and its break in one write.
    line: Vec<u8>,
}

impl Logs {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, open: Vec::new(), count: 0, line: Vec::new() }
    }

    /// Appends a line; `name` tells the file's name.
    pub fn line(
        &mut self,
        host: Option<&Arc<str>>,
        image: &str,
        line: &str,
        name: impl FnOnce(&str) -> String,
    ) -> Result<(), Lost> {
        self.line.clear();
        self.line.extend_from_slice(line.as_bytes());
        self.line.push(b'\n');
        let place = self.open.iter().position(|(owner, _)| owner.as_ref() == host);
        if let Some(log) = place.and_then(|place| self.open[place].1.get_mut(image)) {
            // One write a line: who follows the log sees it, and a controller that is killed loses nothing.
            return log.write_all(&self.line).map_err(|error| (self.folder.join(name(image)), error));
        }
        let path = self.folder.join(name(image));
        if self.count >= OPEN {
            self.close();
        }
        let mut log = super::private(&path).map_err(|error| (path.clone(), error))?;
        let written = log.write_all(&self.line);
        let place = self.open.iter().position(|(owner, _)| owner.as_ref() == host).unwrap_or_else(|| {
            self.open.push((host.cloned(), HashMap::new()));
            self.open.len() - 1
        });
        self.open[place].1.insert(image.to_owned(), log);
        self.count += 1;
        written.map_err(|error| (path, error))
    }

    /// An image that has come to an end needs no open file.
    pub fn state(&mut self, host: Option<&Arc<str>>, image: &str, state: &ImageState) {
        if matches!(state, ImageState::Waiting | ImageState::Building | ImageState::Pushing) {
            return;
        }
        let logs = self.open.iter_mut().find(|(owner, _)| owner.as_ref() == host);
        if logs.is_some_and(|(_, logs)| logs.remove(image).is_some()) {
            self.count = self.count.saturating_sub(1);
        }
    }

    /// Closes those of a host: images of the same names may follow that have other files.
    pub fn forget(&mut self, host: Option<&Arc<str>>) {
        if let Some(place) = self.open.iter().position(|(owner, _)| owner.as_ref() == host) {
            self.count = self.count.saturating_sub(self.open.swap_remove(place).1.len());
        }
    }

    /// Closes all.
    pub fn close(&mut self) {
        self.open.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_open_at_a_time_and_none_of_what_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = Logs::new(folder.path().to_path_buf());
        let host: Arc<str> = "one".into();
        let open = |logs: &Logs| logs.open.iter().map(|(_, logs)| logs.len()).sum::<usize>();
        for image in 0..200 {
            let name = format!("image-{image}");
            logs.line(Some(&host).filter(|_| image % 2 == 0), &name, "x", |image| format!("{image}.log")).unwrap();
            assert!(open(&logs) <= OPEN && open(&logs) == logs.count);
        }
        let before = logs.count;
        logs.state(None, "image-199", &ImageState::Built { seconds: 1.0 });
        logs.state(None, "image-199", &ImageState::Built { seconds: 1.0 });
        logs.state(None, "image-197", &ImageState::Pushing);
        assert_eq!((logs.count, open(&logs)), (before - 1, before - 1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 200);
    }
}
