//! Archives of sources: downloaded, packed with owner root and no times, unpacked without trust in their names.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Component, Path};

use super::digest::{Digest, Hasher};
use super::tree::open_plain;
use super::web::{NoAnswer, WebAnswer, WebRequest, fetch};
use super::{Mutate, TreeKind};

/// What was downloaded into a file.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// The answer.
    pub answer: WebAnswer,
    /// SHA-256 of the bytes that came, in hex.
    pub sha256: String,
}

/// Writes on and makes a digest of it.
struct Summed {
    file: File,
    hasher: Hasher,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Entries of an archive, at most.
const MOST_ENTRIES: usize = 1_000_000;

impl Mutate {
    /// Downloads into a file, which is emptied first. The caller judges the answer's status.
    pub async fn download(&self, request: &WebRequest, to: &Path) -> Result<Downloaded, NoAnswer> {
        let file = File::create(to).map_err(|error| NoAnswer(format!("cannot write `{}`: {error}", to.display())))?;
        let mut out = Summed { file, hasher: Hasher::new(Digest::Sha256) };
        let answer = fetch(request, &mut out).await?;
        Ok(Downloaded { answer, sha256: out.hasher.finish() })
    }

    /// Packs a folder as `name` the way `kolla-build` does: names in order, all owned by root, modified at 0, writable by
    /// their owner. The same files give the same bytes.
    pub fn pack_source(&self, folder: &Path, name: &Path, archive: &Path) -> io::Result<()> {
        let mut builder = tar::Builder::new(BufWriter::new(File::create(archive)?));
        let header = |mode: u32| -> io::Result<tar::Header> {
            let mut header = tar::Header::new_gnu();
            header.set_mode(mode | 0o200);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username("root")?;
            header.set_groupname("root")?;
            header.set_size(0);
            Ok(header)
        };
        let mut top = header(0o755)?;
        top.set_entry_type(tar::EntryType::Directory);
        builder.append_data(&mut top, name, io::empty())?;
        for item in self.probe().tree_items(folder)? {
            let mut header = header(item.mode)?;
            let path = name.join(&item.path);
            match item.kind {
                TreeKind::Dir => {
                    header.set_entry_type(tar::EntryType::Directory);
                    builder.append_data(&mut header, path, io::empty())?;
                }
                TreeKind::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, path, target)?;
                }
                TreeKind::File(size) => {
                    header.set_size(size);
                    // A file that grows meanwhile must not shift what comes after it.
                    let mut file = open_plain(&folder.join(&item.path))?.take(size);
                    builder.append_data(&mut header, &path, &mut file)?;
                    if file.limit() > 0 {
                        return Err(io::Error::other(format!("`{}` became shorter", path.display())));
                    }
                }
            }
        }
        builder.into_inner()?.flush()
    }

    /// Unpacks a tar (plain, or packed by gzip, xz or zstd) into a folder. Names that would lie outside of it and links
    /// that lead out on the way are refused.
    pub fn unpack_source(&self, archive: &Path, into: &Path) -> io::Result<()> {
        let mut archive = tar::Archive::new(plain(archive)?);
        archive.set_preserve_mtime(false);
        archive.set_unpack_xattrs(false);
        archive.set_overwrite(true);
        std::fs::create_dir_all(into)?;
        for (count, entry) in archive.entries()?.enumerate() {
            let mut entry = entry.map_err(|error| no_tar(&error))?;
            let path = entry.path()?.into_owned();
            let outside = path.components().any(|part| matches!(part, Component::ParentDir | Component::RootDir));
            if outside || count >= MOST_ENTRIES || !entry.unpack_in(into)? {
                let what = if count >= MOST_ENTRIES { "it has too many entries" } else { "would lie outside" };
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{}` in it: {what}", path.display())));
            }
        }
        Ok(())
    }

    /// A copy of a file of this host, readable by all.
    pub fn copy_source(&self, from: &Path, to: &Path) -> io::Result<()> {
        io::copy(&mut open_plain(from)?, &mut File::create(to)?).map(drop)
    }
}

fn no_tar(error: &io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is no tar archive: {error}"))
}

fn plain(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = open_plain(path)?;
    let mut magic = Vec::new();
    (&mut file).take(6).read_to_end(&mut magic)?;
    file.rewind()?;
    let file = BufReader::new(file);
    Ok(match magic.as_slice() {
        [] => return Err(no_tar(&io::Error::other("it is empty"))),
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(liblzma::read::XzDecoder::new_multi_decoder(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        _ => Box::new(file),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Probe;
    use super::*;

    fn mutate() -> Mutate {
        Mutate::with_probe(Probe::new(Vec::new()))
    }

    #[test]
    fn the_same_files_give_the_same_bytes_owned_by_root() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["a", "b"] {
            std::fs::create_dir_all(at(name).join("sub")).unwrap();
            std::fs::write(at(name).join("sub/file"), "text").unwrap();
            std::fs::set_permissions(at(name).join("sub/file"), std::fs::Permissions::from_mode(0o555)).unwrap();
            std::os::unix::fs::symlink("file", at(name).join("sub/link")).unwrap();
        }
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        File::open(at("b/sub/file")).unwrap().set_modified(old).unwrap();
        for name in ["a", "b"] {
            mutate().pack_source(&at(name), Path::new("nova"), &at(&format!("{name}.tar"))).unwrap();
        }
        let bytes = std::fs::read(at("a.tar")).unwrap();
        assert_eq!(bytes, std::fs::read(at("b.tar")).unwrap());
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some("root"), Some("root")));
            assert_eq!(header.mode().unwrap() & 0o200, 0o200);
            names.push(entry.path().unwrap().display().to_string());
        }
        assert_eq!(
            names.iter().map(|name| name.trim_end_matches('/')).collect::<Vec<_>>(),
            ["nova", "nova/sub", "nova/sub/file", "nova/sub/link"]
        );
        mutate().unpack_source(&at("a.tar"), &at("out")).unwrap();
        assert_eq!(std::fs::read_to_string(at("out/nova/sub/link")).unwrap(), "text");
        // As Python's tarfile opens it, also of several streams.
        let half = bytes.len() / 2;
        let packed = |part: &[u8]| {
            let mut out = Vec::new();
            bzip2::read::BzEncoder::new(part, bzip2::Compression::fast()).read_to_end(&mut out).unwrap();
            out
        };
        std::fs::write(at("a.tar.bz2"), [packed(&bytes[..half]), packed(&bytes[half..])].concat()).unwrap();
        mutate().unpack_source(&at("a.tar.bz2"), &at("bz2")).unwrap();
        assert_eq!(std::fs::read_to_string(at("bz2/nova/sub/link")).unwrap(), "text");
    }

    #[test]
    fn archives_do_not_lead_out_of_their_folder() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let refused = |name: &str, bytes: &[u8]| {
            std::fs::write(at(name), bytes).unwrap();
            mutate().unpack_source(&at(name), &at("out")).unwrap_err().to_string()
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        let name = b"../evil";
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, b"x".as_slice()).unwrap();
        assert!(refused("up.tar", &builder.into_inner().unwrap()).contains("would lie outside"));
        // A link first, and then a file through it.
        let mut builder = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "way", root.path()).unwrap();
        builder.append_data(&mut header, "way/evil", b"x".as_slice()).unwrap();
        refused("link.tar", &builder.into_inner().unwrap());
        assert!(!at("evil").exists());
        assert!(refused("text", b"this is no archive at all").contains("no tar archive"));
        assert!(refused("empty", b"").contains("it is empty"));
        assert!(refused("b.bz2", b"BZh9....").contains("no tar archive"));
    }
}
