//! Archives of roles and collections: read without trust in the names, links and sizes that they claim.

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};

use super::tree;
use crate::diag::{Diagnostic, Result};
use crate::system::digest::{Digest, Hasher};

/// Entries of an archive, at most.
const MOST_ENTRIES: usize = 200_000;
/// Bytes that an archive unpacks to, at most.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes of a file that is read as a text of its own (`MANIFEST.json`).
const MOST_TEXT: u64 = 64 << 20;

/// Bytes of a long name or of other fields about an entry, at most; the reader of archives holds them in memory.
const MOST_ABOUT: u64 = 1 << 20;

/// What an entry is.
pub(super) enum Entry<'a> {
    /// A folder.
    Dir,
    /// A file with its mode.
    File(u32, &'a mut dyn Read),
    /// A link with its target.
    Link(PathBuf),
    /// Hard links, devices and the like. A sparse file claims any size.
    Other,
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::local("D0301", format!("`{}` is no readable archive: {error}", path.display()))
        .with_hint("look at it with `tar tzf`; archives are `.tar.gz` or `.tar`")
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = crate::diag::read::open_plain(path).map_err(|error| tree::unread(path, &error))?;
    let mut magic = [0; 6];
    let mut count = 0;
    while count < magic.len() {
        match file.read(&mut magic[count..]).map_err(|error| tree::unread(path, &error))? {
            0 => break,
            more => count += more,
        }
    }
    file.rewind().map_err(|error| tree::unread(path, &error))?;
    let packed = match &magic[..count] {
        [0x1f, 0x8b, ..] => return Ok(Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [b'P', b'K', ..] => Some("zip"),
        _ => None,
    };
    match packed {
        Some(packed) => Err(Diagnostic::local("D0301", format!("`{}` is packed by {packed}", path.display()))
            .with_hint("pack it anew with `tar czf`")),
        None => Ok(Box::new(BufReader::new(file))),
    }
}

/// Goes through an archive. `each` gets the path of every entry as it stands there.
pub(super) fn each(path: &Path, mut each: impl FnMut(&Path, Entry<'_>) -> Result<()>) -> Result<()> {
    let mut archive = ::tar::Archive::new(open(path)?.take(MOST_BYTES));
    let entries = archive.entries().map_err(|error| broken(path, &error))?;
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|error| broken(path, &error))?;
        if count >= MOST_ENTRIES {
            return Err(broken(path, &format!("it has more than {MOST_ENTRIES} entries")));
        }
        let name = entry.path().map_err(|error| broken(path, &error))?.into_owned();
        let mode = entry.header().mode().unwrap_or(0o644);
        let link = entry.link_name().map_err(|error| broken(path, &error))?.map(std::borrow::Cow::into_owned);
        match entry.header().entry_type() {
            ::tar::EntryType::Directory => each(&name, Entry::Dir)?,
            ::tar::EntryType::Regular | ::tar::EntryType::Continuous => {
                each(&name, Entry::File(mode, &mut entry))?;
            }
            ::tar::EntryType::Symlink => each(&name, Entry::Link(link.unwrap_or_default()))?,
            ::tar::EntryType::XGlobalHeader => {}
            _ => each(&name, Entry::Other)?,
        }
    }
    Ok(())
}

/// Sees that no entry has long fields about itself: they would be held in memory whatever their size.
pub(super) fn check(path: &Path) -> Result<()> {
    let mut archive = ::tar::Archive::new(open(path)?.take(MOST_BYTES));
    for entry in archive.entries().map_err(|error| broken(path, &error))?.raw(true) {
        let entry = entry.map_err(|error| broken(path, &error))?;
        let kind = entry.header().entry_type();
        let about = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        if (about || kind.is_pax_global_extensions()) && entry.size() > MOST_ABOUT {
            return Err(broken(path, &"an entry has a name of more than 1 MiB"));
        }
    }
    Ok(())
}

/// Writes one file; gives its checksum.
pub(super) fn write_file(content: &mut dyn Read, to: &Path, mode: u32, archive: &Path) -> Result<String> {
    let mut file = std::fs::File::create_new(to).map_err(|error| tree::unwritten(to, &error))?;
    let mut sum = Hasher::new(Digest::Sha256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = content.read(&mut buffer).map_err(|error| broken(archive, &error))?;
        if count == 0 {
            break;
        }
        sum.update(&buffer[..count]);
        std::io::Write::write_all(&mut file, &buffer[..count]).map_err(|error| tree::unwritten(to, &error))?;
    }
    tree::permit(to, mode)?;
    Ok(sum.finish())
}

/// The text of one file, if it is there.
pub(super) fn text_of(path: &Path, name: &str) -> Result<Option<String>> {
    let mut found = None;
    each(path, |place, entry| {
        if let Entry::File(_, content) = entry
            && tree::plain(place).is_some_and(|place| place == Path::new(name))
        {
            let mut bytes = Vec::new();
            content.take(MOST_TEXT).read_to_end(&mut bytes).map_err(|error| broken(path, &error))?;
            found = Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(())
    })?;
    Ok(found)
}

/// What was made of an archive's entries so far.
#[derive(Default)]
pub(super) struct Made {
    /// True for links.
    entries: HashMap<PathBuf, bool>,
}

impl Made {
    /// Makes the folder around an entry, and sees that no link stands on its way. What an archive has twice counts as it
    /// stands there last.
    pub fn room(&mut self, top: &Path, path: &Path, of: &str) -> Result<PathBuf> {
        if let Some(above) = path.ancestors().skip(1).find(|above| self.entries.get(*above) == Some(&true)) {
            let text = format!("`{}` of {of} would be written through the link `{}`", path.display(), above.display());
            return Err(
                Diagnostic::local("D0302", text).with_hint("nothing was installed; ask where this archive comes from")
            );
        }
        let place = top.join(path);
        if self.entries.remove(path).is_some() {
            std::fs::remove_file(&place).map_err(|error| tree::unwritten(&place, &error))?;
        }
        if let Some(above) = place.parent() {
            tree::make_dir(above)?;
        }
        Ok(place)
    }

    /// A file was made.
    pub fn file(&mut self, path: &Path) {
        self.entries.insert(path.to_path_buf(), false);
    }

    /// Makes a link that stays inside.
    pub fn link(&mut self, top: &Path, path: &Path, target: &Path, of: &str) -> Result<()> {
        if !tree::stays_inside(path, target) {
            return Err(tree::planted(path, target, of));
        }
        let place = self.room(top, path, of)?;
        tree::make_link(target, &place)?;
        self.entries.insert(path.to_path_buf(), true);
        Ok(())
    }
}

/// The refusal of an entry whose path leads out.
pub(super) fn leads_out(place: &Path, of: &str) -> Diagnostic {
    Diagnostic::local("D0302", format!("`{}` of {of} leads out of it", place.display()))
        .with_hint("nothing was installed; ask where this archive comes from")
}

/// The refusal of an entry that is neither file, folder nor link.
pub(super) fn odd(place: &Path, of: &str) -> Diagnostic {
    Diagnostic::local("D0302", format!("`{}` of {of} is neither file, folder nor symbolic link", place.display()))
        .with_hint("pack it anew, with `tar --hard-dereference` and without `--sparse`")
}
