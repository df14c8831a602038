//! The directory of a zip archive: names as bytes, kinds, sizes, checksums, modes and times.
//!
//! It is read here, since what `zipinfo` prints has no form for names with breaks or foreign bytes, and rounds times.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::Probe;
use super::fs::{file_error, umask};
use crate::diag::Result;
use crate::diag::read::open_plain;

/// The largest directory that is read.
const LARGEST: u64 = 256 << 20;
/// An end record with the longest comment.
const END: u64 = 22 + 65_535;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZipKind {
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A file.
    File,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZipEntry {
    /// The path as it stands there.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: ZipKind,
    /// Bytes of the content.
    pub size: u64,
    /// Its CRC-32.
    pub crc: u32,
    /// Permission bits that it gets when it is laid out.
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: Option<i64>,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The fields of the extra data.
fn extras(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (id, length) = (u16_at(bytes, 0)?, usize::from(u16_at(bytes, 2)?));
        let data = bytes.get(4..4 + length)?;
        bytes = &bytes[4 + length..];
        Some((id, data))
    })
}

/// A time of DOS, in the zone of this host.
fn dos_time(date: u16, time: u16) -> Option<i64> {
    let part = |value: u16, low: u32, mask: u16| i8::try_from(value >> low & mask).ok();
    let year = i16::try_from(1980 + (date >> 9)).ok()?;
    let day = jiff::civil::Date::new(year, part(date, 5, 15)?, part(date, 0, 31)?).ok()?;
    let at = day
        .to_datetime(jiff::civil::Time::new(part(time, 11, 31)?, part(time, 5, 63)?, part(time, 0, 31)? * 2, 0).ok()?);
    Some(at.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp().as_second())
}

/// One entry, and how long its record is.
fn entry(bytes: &[u8]) -> Option<(ZipEntry, usize)> {
    if bytes.get(..4)? != b"PK\x01\x02" {
        return None;
    }
    let length = |at: usize| u16_at(bytes, at).map(usize::from);
    let (name_length, extra_length, comment_length) = (length(28)?, length(30)?, length(32)?);
    let name = bytes.get(46..46 + name_length)?.to_vec();
    let extra = bytes.get(46 + name_length..46 + name_length + extra_length)?;
    let mut size = u64::from(u32_at(bytes, 24)?);
    let mut modified = dos_time(u16_at(bytes, 14)?, u16_at(bytes, 12)?);
    for (id, data) in extras(extra) {
        match id {
            1 if size == u64::from(u32::MAX) => size = u64_at(data, 0)?,
            0x5455 if data.first().is_some_and(|flags| flags & 1 == 1) => {
                modified = u32_at(data, 1).map(|seconds| i64::from(seconds.cast_signed()));
            }
            _ => {}
        }
    }
    let (system, attributes) = (*bytes.get(5)?, u32_at(bytes, 38)?);
    let folder = name.ends_with(b"/");
    // Unix, BeOS and macOS; elsewhere there are no such modes.
    let (mode, kind) = if matches!(system, 3 | 16 | 19) {
        let unix = attributes >> 16;
        (unix & 0o777, unix & 0o170_000)
    } else {
        let lower = name.to_ascii_lowercase();
        let runs = [b".exe", b".com", b".bat", b".btm", b".cmd"].iter().any(|end| lower.ends_with(*end));
        (if folder || runs { 0o777 } else { 0o666 } & !umask(), 0)
    };
    let kind = match kind {
        _ if folder => ZipKind::Folder,
        0o120_000 => ZipKind::Link,
        _ => ZipKind::File,
    };
    let entry = ZipEntry { name, kind, size, crc: u32_at(bytes, 16)?, mode, modified };
    Some((entry, 46 + name_length + extra_length + comment_length))
}

fn part(file: &mut File, from: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read(file: &mut File) -> std::io::Result<Vec<ZipEntry>> {
    let broken = || Error::new(ErrorKind::InvalidData, "it is no whole zip archive");
    let size = file.metadata()?.len();
    let start = size.saturating_sub(END);
    let tail = part(file, start, END)?;
    let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(broken)?;
    let end_at = start + end as u64;
    let record = &tail[end..];
    let field = |at: usize| u32_at(record, at).map(u64::from).ok_or_else(broken);
    let (mut length, offset) = (field(12)?, field(16)?);
    // What stands before an archive (a program that unpacks it) shifts it.
    let mut from = end_at.checked_sub(length);
    if length == u64::from(u32::MAX) || offset == u64::from(u32::MAX) || u16_at(record, 10) == Some(u16::MAX) {
        let locator = part(file, end_at.saturating_sub(20), 20)?;
        if locator.starts_with(b"PK\x06\x07") {
            let at = u64_at(&locator, 8).ok_or_else(broken)?;
            let large = part(file, at, 56)?;
            if !large.starts_with(b"PK\x06\x06") {
                return Err(broken());
            }
            (length, from) = (u64_at(&large, 40).ok_or_else(broken)?, u64_at(&large, 48));
        }
    }
    let from = from.ok_or_else(broken)?;
    if length > LARGEST {
        return Err(Error::new(ErrorKind::FileTooLarge, "its directory is too large"));
    }
    let bytes = part(file, from, length)?;
    let (mut rest, mut entries) = (&*bytes, Vec::new());
    while !rest.is_empty() && !rest.starts_with(b"PK\x05\x05") {
        let (entry, length) = entry(rest).ok_or_else(broken)?;
        entries.push(entry);
        rest = rest.get(length..).ok_or_else(broken)?;
    }
    Ok(entries)
}

impl Probe {
    /// What a zip archive holds.
    pub fn zip_entries(&self, path: &Path) -> Result<Vec<ZipEntry>> {
        open_plain(path).and_then(|mut file| read(&mut file)).map_err(|error| file_error("read", path, &error))
    }

    /// A file's CRC-32.
    pub fn crc32(&self, path: &Path) -> Result<u32> {
        let sum = || -> std::io::Result<u32> {
            let mut file = open_plain(path)?;
            let mut crc = flate2::Crc::new();
            let mut buffer = vec![0; 1 << 16];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(crc.sum()),
                    Ok(count) => crc.update(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        };
        sum().map_err(|error| file_error("read", path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of the directory.
    fn record(name: &[u8], system: u8, attributes: u32, extra: &[u8]) -> Vec<u8> {
        let mut out = b"PK\x01\x02\x1e".to_vec();
        out.push(system);
        out.extend([20, 0, 0, 0, 0, 0]);
        out.extend((6_u16 << 11 | 17 << 5 | 2).to_le_bytes());
        out.extend((46_u16 << 9 | 11 << 5 | 0b1_0101).to_le_bytes());
        out.extend(0xdead_beef_u32.to_le_bytes());
        out.extend(3_u32.to_le_bytes());
        out.extend(5_u32.to_le_bytes());
        out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        out.extend(u16::try_from(extra.len()).unwrap().to_le_bytes());
        out.extend([0; 6]);
        out.extend(attributes.to_le_bytes());
        out.extend([0; 4]);
        out.extend(name);
        out.extend(extra);
        out
    }

    fn archive(directory: &[u8]) -> Vec<u8> {
        let mut out = b"#!/bin/sh\n".to_vec();
        out.extend(directory);
        out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        out.extend([0; 4]);
        out.extend([0, 0]);
        out
    }

    fn entries(bytes: &[u8]) -> Result<Vec<ZipEntry>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        std::fs::write(&path, bytes).unwrap();
        Probe::new(Vec::new()).zip_entries(&path)
    }

    #[test]
    fn names_are_bytes_and_modes_are_those_of_their_system() {
        let time = [b"UT\x05\x00\x03".as_slice(), &1_700_000_000_i32.to_le_bytes()].concat();
        let directory = [
            record(b"caf\xe9\n", 3, 0o100_755 << 16, &time),
            record(b"d/", 3, 0o040_700 << 16, b""),
            record(b"l", 3, 0o120_777 << 16, b""),
            record(b"RUN.EXE", 0, 0x20, b""),
            record(b"plain", 0, 0x20, b""),
        ]
        .concat();
        let found = entries(&archive(&directory)).unwrap();
        assert_eq!(found[0].name, b"caf\xe9\n");
        assert_eq!((found[0].mode, found[0].modified), (0o755, Some(1_700_000_000)));
        assert_eq!((found[0].size, found[0].crc, found[0].kind), (5, 0xdead_beef, ZipKind::File));
        assert_eq!((found[1].kind, found[1].mode), (ZipKind::Folder, 0o700));
        assert_eq!(found[2].kind, ZipKind::Link);
        assert_eq!((found[3].mode, found[4].mode), (0o777 & !umask(), 0o666 & !umask()));
        let at = jiff::civil::date(2026, 11, 21).at(6, 17, 4, 0).to_zoned(jiff::tz::TimeZone::system()).unwrap();
        assert_eq!(found[1].modified, Some(at.timestamp().as_second()));
    }

    #[test]
    fn what_is_cut_or_lies_is_refused() {
        let whole = archive(&record(b"name", 3, 0, b"UT\xff\xffx"));
        assert_eq!(entries(&whole).unwrap()[0].name, b"name");
        for bytes in [b"".as_slice(), b"PK\x05\x06", &whole[..whole.len() - 15], b"no archive at all"] {
            assert!(entries(bytes).is_err());
        }
        let mut lying = whole.clone();
        let at = lying.windows(4).rposition(|four| four == b"PK\x05\x06").unwrap();
        lying[at + 12..at + 16].copy_from_slice(&7_u32.to_le_bytes());
        assert!(entries(&lying).is_err());
        let zero = entries(&archive(b"")).unwrap();
        assert!(zero.is_empty());
    }
}
