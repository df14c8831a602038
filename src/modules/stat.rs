//! `stat`: everything about a path, as Ansible's result has it.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use rustix::fs::Access;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::attribute_flags;
use super::call::Failure;
use super::cx::Cx;
use super::refusal::refused;
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::map;
use crate::system::accounts;
use crate::system::digest::Digest;
use crate::system::fs::shown;
use crate::system::process::Program;
use crate::value::{Map, Value, insert};

/// Tells what stands at a path.
///
/// ```yaml
/// - name: Look for the marker
///   stat:
///     path: /etc/builder.conf
///   register: marker
/// - debug:
///     msg: "owned by {{ marker.stat.pw_name }}"
///   when: marker.stat.exists
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The path.
    path: HostPath,
    /// Follow a link.
    #[serde(default)]
    follow: bool,
    /// Compute the checksum of a regular file.
    #[serde(default = "yes")]
    get_checksum: bool,
    /// Ask the program `file` for the content's type.
    #[serde(default = "yes")]
    get_mime: bool,
    /// Ask `lsattr` for the attributes.
    #[serde(default = "yes")]
    get_attributes: bool,
    /// How the checksum is made.
    #[serde(default)]
    checksum_algorithm: Algorithm,
}

fn yes() -> bool {
    true
}

/// Digests that Ansible offers.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub(super) enum Algorithm {
    Md5,
    #[default]
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl From<Algorithm> for Digest {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5,
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Sha224 => Self::Sha224,
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha384 => Self::Sha384,
            Algorithm::Sha512 => Self::Sha512,
        }
    }
}

/// The names of `lsattr`'s letters.
const ATTRIBUTES: &[(char, &str)] = &[
    ('A', "noatime"),
    ('a', "append"),
    ('c', "compressed"),
    ('C', "nocow"),
    ('d', "nodump"),
    ('D', "dirsync"),
    ('e', "extents"),
    ('E', "encrypted"),
    ('h', "blocksize"),
    ('i', "immutable"),
    ('I', "indexed"),
    ('j', "journalled"),
    ('N', "inline"),
    ('s', "zero"),
    ('S', "synchronous"),
    ('t', "notail"),
    ('T', "blockroot"),
    ('u', "undelete"),
    ('X', "compressedraw"),
    ('Z', "compresseddirty"),
];

/// The module.
pub struct Stat;

impl Module for Stat {
    type Args = Args;
    const META: Meta = Meta {
        name: "stat",
        full_name: "ansible.builtin.stat",
        also: &["ansible.legacy.stat"],
        summary: "Tell what stands at a path",
        aliases: &[
            ("path", &["dest", "name"]),
            ("get_mime", &["mime", "mime_type", "mime-type"]),
            ("get_attributes", &["attr", "attributes"]),
            ("checksum_algorithm", &["checksum", "checksum_algo"]),
        ],
        reads: &["file", "lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let path = args.path.expand(cx.environment());
        let probe = cx.probe();
        let found = if args.follow { probe.stat(&path)? } else { probe.lstat(&path)? };
        let Some(found) = found else {
            // Below what is no folder nothing can be: Ansible's module fails there.
            if path.ancestors().skip(1).find(|above| probe.exists(above)).is_some_and(|above| !probe.is_dir(above)) {
                return Err(refused("H0107", "Not a directory"));
            }
            return Ok(map! { "stat" => map! { "exists" => false } });
        };
        let (kind, mode) = (found.file_type(), found.mode());
        let time = |seconds: i64, nanos: i64| {
            #[expect(clippy::cast_precision_loss, reason = "Ansible reports times as floats")]
            let float = seconds as f64 + 1e-9 * nanos as f64;
            float
        };
        let bit = |bit: u32| mode & bit != 0;
        let mut stat = map! {
            "exists" => true, "path" => shown(&path), "mode" => format!("{:04o}", mode & 0o7777),
            "isdir" => kind.is_dir(), "ischr" => kind.is_char_device(), "isblk" => kind.is_block_device(),
            "isreg" => kind.is_file(), "isfifo" => kind.is_fifo(), "islnk" => kind.is_symlink(),
            "issock" => kind.is_socket(), "uid" => found.uid(), "gid" => found.gid(), "size" => found.size(),
            "inode" => found.ino(), "dev" => found.dev(), "nlink" => found.nlink(),
            "atime" => time(found.atime(), found.atime_nsec()), "mtime" => time(found.mtime(), found.mtime_nsec()),
            "ctime" => time(found.ctime(), found.ctime_nsec()),
            "wusr" => bit(0o200), "rusr" => bit(0o400), "xusr" => bit(0o100),
            "wgrp" => bit(0o020), "rgrp" => bit(0o040), "xgrp" => bit(0o010),
            "woth" => bit(0o002), "roth" => bit(0o004), "xoth" => bit(0o001),
            "isuid" => bit(0o4000), "isgid" => bit(0o2000),
            "blocks" => found.blocks(), "block_size" => found.blksize(), "device_type" => found.rdev(),
        };
        let readable = probe.access(&path, Access::READ_OK);
        insert(&mut stat, "readable", readable);
        insert(&mut stat, "writeable", probe.access(&path, Access::WRITE_OK));
        insert(&mut stat, "executable", probe.access(&path, Access::EXEC_OK));
        if kind.is_symlink() {
            insert(&mut stat, "lnk_source", shown(&probe.real(&path)));
            insert(&mut stat, "lnk_target", shown(&probe.read_link(&path)?));
        }
        if let Some(account) = accounts::account_of_uid(found.uid()) {
            insert(&mut stat, "pw_name", account.name);
        }
        if let Some(group) = accounts::group_of_gid(found.gid()) {
            insert(&mut stat, "gr_name", group.name);
        }
        if kind.is_file() && readable && args.get_checksum {
            insert(&mut stat, "checksum", probe.digest(&path, args.checksum_algorithm.into())?);
        }
        if args.get_mime {
            let (mime, charset) = mime(cx, &path).unwrap_or_else(|| ("unknown".into(), "unknown".into()));
            insert(&mut stat, "mimetype", mime);
            insert(&mut stat, "charset", charset);
        }
        if args.get_attributes {
            let (version, flags) = match attribute_flags(cx, &path) {
                Some((version, flags)) => (Value::from(version), flags),
                None => (Value::Null, String::new()),
            };
            let names = flags.chars().filter_map(|flag| ATTRIBUTES.iter().find(|(letter, _)| *letter == flag));
            insert(&mut stat, "attributes", names.map(|(_, name)| Value::from(*name)).collect::<Vec<_>>());
            insert(&mut stat, "version", version);
            insert(&mut stat, "attr_flags", flags);
        }
        Ok(map! { "stat" => stat })
    }
}

fn mime(cx: &Cx, path: &std::path::Path) -> Option<(String, String)> {
    cx.probe().which("file")?;
    let program = Program::new(["file", "--mime-type", "--mime-encoding"]).arg(path).parsable();
    let output = cx.probe().run(program).ok().filter(crate::system::process::Output::success)?;
    let text = output.out();
    let (mime, charset) = text.rsplit_once(": ").or_else(|| text.rsplit_once(':'))?.1.split_once(';')?;
    Some((mime.trim().to_owned(), charset.split_once('=')?.1.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn tells_of_files_links_and_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let (file, link) = (folder.path().join("a b"), folder.path().join("l"));
        std::fs::write(&file, "abc").expect("write");
        std::os::unix::fs::symlink("a b", &link).expect("link");
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let stat = get(&module("stat", map! { "path" => path(&file) }).ok(), "stat");
        assert_eq!(stat["checksum"], json!("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert_eq!((&stat["size"], &stat["isreg"], &stat["exists"]), (&json!(3), &json!(true), &json!(true)));
        let stat = get(&module("stat", map! { "path" => path(&link), "checksum" => "md5" }).ok(), "stat");
        assert_eq!((&stat["islnk"], &stat["lnk_target"]), (&json!(true), &json!("a b")));
        assert!(stat.get("checksum").is_none());
        let stat = get(&module("stat", map! { "path" => path(&link), "follow" => true }).ok(), "stat");
        assert_eq!(stat["isreg"], json!(true));
        let outcome = module("stat", map! { "path" => "/no/such" }).ok();
        assert_eq!((get(&outcome, "stat"), outcome.changed), (json!({"exists": false}), false));
    }
}
