//! Small files in one file, by their digests: thousands of files of their own take seconds to make and to remove.
//! Knows nothing of what is in them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// `DIGEST LENGTH\n`, the length in sixteen hexadecimal digits.
const HEAD: usize = 64 + 1 + 16 + 1;

/// The file, and where each part of it lies.
#[derive(Debug)]
pub(super) struct Pack {
    file: File,
    known: HashMap<String, (u64, usize)>,
    end: u64,
}

impl Pack {
    /// Opens the file, or makes it. What was cut when it was written is not in it, and makes room for what comes next.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        let mut known = HashMap::new();
        let mut end = 0;
        let mut reader = BufReader::new(&file);
        while length - end > HEAD as u64 - 1 {
            let mut head = [0; HEAD];
            reader.read_exact(&mut head)?;
            let Some((digest, size)) = parse(&head) else { break };
            let from = end + HEAD as u64;
            let (Ok(bytes), Ok(step)) = (usize::try_from(size), i64::try_from(size)) else { break };
            if length - from < size {
                break;
            }
            reader.seek_relative(step)?;
            known.insert(digest, (from, bytes));
            end = from + size;
        }
        drop(reader);
        if end < length {
            file.set_len(end)?;
        }
        Ok(Self { file, known, end })
    }

    pub(super) fn has(&self, digest: &str) -> bool {
        self.known.contains_key(digest)
    }

    /// Adds a file's content under its digest (SHA-256 in hex).
    pub(super) fn add(&mut self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        let mut part = format!("{digest} {:016x}\n", bytes.len()).into_bytes();
        if parse(&part).is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no digest"));
        }
        part.extend_from_slice(bytes);
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&part)?;
        self.known.insert(digest.to_owned(), (self.end + HEAD as u64, bytes.len()));
        self.end += part.len() as u64;
        Ok(())
    }

    /// The content of a digest.
    pub(super) fn get(&self, digest: &str) -> io::Result<Option<Arc<[u8]>>> {
        let Some((from, size)) = self.known.get(digest) else { return Ok(None) };
        let mut bytes = vec![0; *size];
        self.file.read_exact_at(&mut bytes, *from)?;
        Ok(Some(bytes.into()))
    }
}

fn parse(head: &[u8]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(head).ok()?.strip_suffix('\n')?;
    let (digest, size) = text.split_once(' ')?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest.len() != 64 || size.len() != 16 || !plain(digest) || !plain(size) {
        return None;
    }
    Some((digest.to_owned(), u64::from_str_radix(size, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn digest(letter: char) -> String {
        letter.to_string().repeat(64)
    }

    #[test]
    fn what_was_put_in_is_there_for_the_next_reader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let mut pack = Pack::open(&path).unwrap();
        pack.add(&digest('a'), b"one").unwrap();
        pack.add(&digest('b'), b"").unwrap();
        pack.add(&digest('c'), b"three\n").unwrap();
        assert!(pack.add("short", b"x").is_err());
        for pack in [pack, Pack::open(&path).unwrap()] {
            let get = |letter| pack.get(&digest(letter)).unwrap().map(|bytes| bytes.to_vec());
            assert_eq!(get('a').unwrap(), b"one");
            assert_eq!(get('b').unwrap(), b"");
            assert_eq!(get('c').unwrap(), b"three\n");
            assert_eq!(get('d'), None);
            assert!(pack.has(&digest('a')) && !pack.has(&digest('d')));
        }
    }

    #[test]
    fn what_was_cut_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let mut pack = Pack::open(&path).unwrap();
        pack.add(&digest('a'), b"one").unwrap();
        pack.add(&digest('b'), b"two, which is cut").unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut pack = Pack::open(&path).unwrap();
            assert_eq!(pack.has(&digest('a')), length >= HEAD + 3, "{length}");
            assert!(!pack.has(&digest('b')), "{length}");
            pack.add(&digest('c'), b"three").unwrap();
            let pack = Pack::open(&path).unwrap();
            assert_eq!(*pack.get(&digest('c')).unwrap().unwrap(), *b"three", "{length}");
        }
    }

    #[test]
    fn lengths_that_are_only_claimed_are_no_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        for size in ["ffffffffffffffff", "7fffffffffffffff", "0000000000000002"] {
            fs::write(&path, format!("{} {size}\nx", digest('a'))).unwrap();
            assert!(!Pack::open(&path).unwrap().has(&digest('a')), "{size}");
        }
    }
}
