//! Opens and reads files whose names come from a user, a playbook or a folder: never one that
//! blocks (a FIFO), never ends (a device) or fills the memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Bytes of the largest file that is read as source: playbooks, variables, inventories, templates.
pub const MAX_SOURCE: u64 = 64 << 20;

/// Opens a regular file, or what reads like one: `/dev/null`, and a pipe that this process was
/// started with (`-e @<(command)`, `/dev/stdin`).
pub fn open_plain(path: &Path) -> Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            // A socket, or a device without a driver.
            Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => refused("a socket or a device"),
            _ => error,
        })?;
    check_plain(&file, path)?;
    // Only the opening had to be without waiting.
    let now = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, now - OFlags::NONBLOCK)?;
    Ok(file)
}

/// An error if an opened file is none that [`open_plain`] opens.
pub fn check_plain(file: &File, path: &Path) -> Result<()> {
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    // `/dev/null` reads as an empty file.
    let plain = kind.is_file() || kind.is_char_device() && metadata.rdev() == rustix::fs::makedev(1, 3);
    if kind.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    let given = kind.is_fifo() && inherited(path);
    if !plain && !given {
        return Err(refused(if kind.is_fifo() { "a FIFO" } else { "a device" }));
    }
    Ok(())
}

/// A descriptor that the process was given.
fn inherited(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.parent() == Some(Path::new(folder)))
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a file"))
}

/// Reads a file of at most `cap` bytes that `open_plain` opens.
pub fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>> {
    let file = open_plain(path)?;
    // No more is reserved than is really read: a sparse file claims any size.
    let mut bytes = Vec::new();
    if file.metadata()?.len() <= cap {
        file.take(cap + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > cap || bytes.is_empty() && std::fs::metadata(path)?.len() > cap {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", cap >> 20)));
    }
    Ok(bytes)
}

/// Reads a file of source.
pub fn read_source(path: &Path) -> Result<Vec<u8>> {
    read_capped(path, MAX_SOURCE)
}

/// Reads a file of source as text.
pub fn read_source_text(path: &Path) -> Result<String> {
    String::from_utf8(read_source(path)?).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::InvalidData, no_utf8(error.as_bytes(), good))
    })
}

/// Where a text stops being UTF-8; the column counts characters.
pub fn no_utf8(bytes: &[u8], good: usize) -> String {
    let before = &bytes[..good.min(bytes.len())];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.split(|byte| *byte == b'\n').count();
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let byte = bytes.get(good).map_or_else(String::new, |byte| format!(" (byte 0x{byte:02x})"));
    format!("it is not UTF-8 at {line}:{column}{byte}")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn refuses(path: &Path, words: &str) {
        let error = read_source(path).expect_err("refused");
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("fifo");
        refuses(&fifo, "it is a FIFO");
        refuses(Path::new("/dev/zero"), "it is a device");
        refuses(folder.path(), "directory");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("socket");
        refuses(&socket, "it is a socket");
        let large = folder.path().join("large");
        File::create(&large).and_then(|file| file.set_len(1 << 40)).expect("sparse");
        refuses(&large, "it has more than 64 MiB");
        assert_eq!(read_source(Path::new("/dev/null")).expect("null"), b"");
        assert!(read_source_text(Path::new("/proc/self/status")).expect("proc").contains("Name:"));
    }

    #[test]
    fn the_place_is_told_where_a_text_is_no_utf8() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("latin");
        std::fs::write(&path, b"a: 1\nn\xc3\xa4me: \xe4\n").expect("write");
        let error = read_source_text(&path).expect_err("refused");
        assert_eq!(error.to_string(), "it is not UTF-8 at 2:7 (byte 0xe4)");
        assert_eq!(no_utf8(b"", 0), "it is not UTF-8 at 1:1");
    }

    #[test]
    fn a_pipe_that_the_process_was_given_is_read_to_its_end() {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let reading = std::thread::spawn(move || read_source(Path::new(&path)));
        writer.write_all(b"a: 1\n").and_then(|()| writer.write_all(b"b: 2\n")).expect("write");
        drop(writer);
        assert_eq!(reading.join().expect("thread").expect("read"), b"a: 1\nb: 2\n");
        drop(reader);
    }
}
