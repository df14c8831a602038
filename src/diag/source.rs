//! Source files and byte ranges inside them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use serde::{Deserialize, Serialize};

/// Number of a file in its [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A byte range `start..end` inside one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span from its parts.
    pub const fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// The sub-range `start..end` (bytes relative to this span's start), cut to this span.
    #[must_use]
    pub fn slice(self, start: usize, end: usize) -> Self {
        let clamp = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            self.start.saturating_add(offset).min(self.end)
        };
        Self { file: self.file, start: clamp(start), end: clamp(end) }
    }

    /// The smallest span that holds both; `self` when the files differ.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file == other.file {
            Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
        } else {
            self
        }
    }
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineCol {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One loaded text with its line index.
#[derive(Debug)]
pub struct SourceFile {
    /// The number in the map.
    pub id: FileId,
    /// The name shown to people: the path as the user wrote it, or `<command line>`.
    pub name: String,
    /// Where it was read from, if from a file.
    pub path: Option<PathBuf>,
    /// The whole text.
    pub text: Arc<str>,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// Line and column of a byte offset.
    pub fn line_col(&self, offset: u32) -> LineCol {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts[line - 1] as usize;
        let end = (offset as usize).min(self.text.len()).max(start);
        let column = self.text.get(start..end).map_or(end - start, |text| text.chars().count()) + 1;
        LineCol { line, column }
    }

    /// The text of a line (from 1) without its line break.
    pub fn line(&self, line: usize) -> Option<&str> {
        let start = *self.line_starts.get(line.checked_sub(1)?)? as usize;
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| *next as usize);
        self.text.get(start..end).map(|text| text.trim_end_matches(['\n', '\r']))
    }
}

/// All texts of a run. Shared, append-only.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: RwLock<Vec<Arc<SourceFile>>>,
    /// The last text of each path that comes again and again.
    again: Mutex<HashMap<PathBuf, Arc<SourceFile>>>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Adds a text; the same path may be added again (a new id).
    pub fn add(&self, name: impl Into<String>, path: Option<&Path>, text: impl Into<Arc<str>>) -> Arc<SourceFile> {
        let text: Arc<str> = text.into();
        let mut line_starts = vec![0];
        for (index, byte) in text.bytes().enumerate() {
            if byte == b'\n' {
                line_starts.push(u32::try_from(index + 1).unwrap_or(u32::MAX));
            }
        }
        let mut files = self.files.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let id = FileId(u32::try_from(files.len()).unwrap_or(u32::MAX));
        let file = Arc::new(SourceFile { id, name: name.into(), path: path.map(Path::to_path_buf), text, line_starts });
        files.push(Arc::clone(&file));
        file
    }

    /// The same for a file that is read again and again: as long as its text is the same, it is added once.
    pub fn add_again(&self, name: impl Into<String>, path: &Path, text: String) -> Arc<SourceFile> {
        let mut again = self.again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = again.get(path).filter(|known| *known.text == *text) {
            return Arc::clone(known);
        }
        let file = self.add(name, Some(path), text);
        again.insert(path.to_path_buf(), Arc::clone(&file));
        file
    }

    /// All texts so far, in the order of their numbers.
    pub fn files(&self) -> Vec<Arc<SourceFile>> {
        self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// How many files were loaded from disk, each counted once.
    pub fn len(&self) -> usize {
        let files = self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut paths: Vec<&PathBuf> = files.iter().filter_map(|file| file.path.as_ref()).collect();
        paths.sort();
        paths.dedup();
        paths.len()
    }

    /// True if nothing was loaded from disk.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces a file's text by stars, line by line: for what came out of a vault and must not
    /// stand in a code frame. Those who hold the file already keep its text.
    pub fn mask(&self, id: FileId) {
        let mut files = self.files.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(slot) = files.get_mut(id.0 as usize) {
            let text: String = slot.text.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
            *slot = Arc::new(SourceFile {
                id,
                name: slot.name.clone(),
                path: slot.path.clone(),
                text: text.into(),
                line_starts: slot.line_starts.clone(),
            });
        }
    }

    /// The file of an id.
    pub fn file(&self, id: FileId) -> Option<Arc<SourceFile>> {
        self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(id.0 as usize).cloned()
    }

    /// `name:line:column` of a span's start.
    pub fn place(&self, span: Span) -> String {
        match self.file(span.file) {
            Some(file) => {
                let at = file.line_col(span.start);
                format!("{}:{}:{}", file.name, at.line, at.column)
            }
            None => "<unknown>".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_read_again_is_kept_once_while_it_is_the_same() {
        let map = SourceMap::new();
        let path = Path::new("/x/t.j2");
        let first = map.add_again("t.j2", path, "a".to_owned()).id;
        map.mask(first);
        assert_eq!(map.add_again("t.j2", path, "a".to_owned()).id, first);
        assert_ne!(map.add_again("t.j2", path, "b".to_owned()).id, first);
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let map = SourceMap::new();
        let file = map.add("a.yml", None, "ä: 1\nb: 2\n");
        let at = |offset| (file.line_col(offset).line, file.line_col(offset).column);
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(4), (1, 4));
        assert_eq!(at(6), (2, 1));
        assert_eq!(at(9), (2, 4));
        assert_eq!(file.line(2), Some("b: 2"));
        assert_eq!(map.place(Span::new(file.id, 9, 10)), "a.yml:2:4");
    }

    #[test]
    fn a_masked_text_keeps_its_lines() {
        let map = SourceMap::new();
        let id = map.add("a.yml", None, "key: 1\nb\n").id;
        map.mask(id);
        assert_eq!(map.file(id).map(|file| file.text.to_string()), Some("******\n*\n".to_owned()));
    }
}
