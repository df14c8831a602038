//! `unarchive`: an archive laid out in a folder, by the host's own `tar` and `unzip`, as Ansible does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{FileArgs, StateDiff, add_path_info, apply_held, gid_of, uid_of, with_file_args};
use super::call::{Blob, Failure};
use super::cx::Cx;
use super::refusal::{refused, refused_with};
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::{shown, umask};
use crate::system::process::{Output, Program};
use crate::system::web::mask_url;
use crate::system::zip::{ZipEntry, ZipKind};
use crate::value::{Map, Value, insert};

with_file_args! {
    /// Lays out an archive (tar, also compressed by gzip, bzip2, xz or zstd, and zip) in a folder of the host.
    ///
    /// The host needs GNU tar, or unzip. In check mode only zip archives say what they would change.
    ///
    /// ```yaml
    /// - unarchive:
    ///     src: engine.tgz
    ///     dest: /opt/engine
    ///     owner: root
    /// - unarchive:
    ///     src: https://download.example/tool.zip
    ///     dest: /usr/local/lib
    ///     remote_src: true
    ///     creates: /usr/local/lib/tool
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// The archive: of the controller, or of the host (also a URL) with `remote_src`.
        src: HostPath,
        /// The folder, which must be there.
        dest: HostPath,
        /// `src` is on the host, or a URL.
        #[serde(default)]
        remote_src: bool,
        /// The old form of `remote_src`, the other way round.
        copy: Option<bool>,
        /// Do nothing if this path exists.
        creates: Option<HostPath>,
        /// Put the names of all files into the result.
        #[serde(default)]
        list_files: bool,
        /// Leave files that are newer than those of the archive.
        #[serde(default)]
        keep_newer: bool,
        /// Names that are left out.
        #[serde(default)]
        exclude: Vec<String>,
        /// The only names that are taken.
        #[serde(default)]
        include: Vec<String>,
        /// More arguments for `tar` or `unzip`.
        #[serde(default)]
        extra_opts: Vec<String>,
        /// Check the certificate of a URL's server.
        #[serde(default = "yes")]
        validate_certs: bool,
        /// Taken for the sake of playbooks.
        #[expect(dead_code, reason = "hostctl chooses its buffers itself")]
        io_buffer_size: Option<i64>,
        /// Open an archive of the controller that ansible-vault encrypted.
        #[serde(default = "yes")]
        #[expect(dead_code, reason = "read on the controller")]
        decrypt: bool,
    }
}

fn yes() -> bool {
    true
}

/// The module.
pub struct Unarchive;

impl Module for Unarchive {
    type Args = Args;
    const META: Meta = Meta {
        name: "unarchive",
        full_name: "ansible.builtin.unarchive",
        also: &["ansible.legacy.unarchive"],
        summary: "Lay out an archive",
        aliases: &[("attributes", &["attr"])],
        exclusive: &[&["include", "exclude"], &["copy", "remote_src"]],
        refused: super::attributes::NO_SELINUX,
        inputs: &[InputArg::File { arg: "src", unless: Some("remote_src"), unless_by_default: false }],
        reads: &["lsattr", "tar --list", "tar --diff", "unzip -Z1"],
        missing: Some("src (or content) and dest are required"),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let dest = args.dest.expand(cx.environment());
        if let Some(path) = &args.creates {
            let path = path.expand(cx.environment());
            if cx.probe().exists(&path) {
                cx.skip();
                return Ok(map! { "msg" => format!("skipped, since {} exists", shown(&path)) });
            }
        }
        if !cx.probe().is_dir(&dest) {
            return Err(refused("H0125", format!("dest '{}' must be an existing dir", shown(&dest))));
        }
        let remote = args.remote_src || args.copy == Some(false);
        let scratch = Scratch::of(cx, &args, remote)?;
        let src = scratch.path();
        let size = cx.probe().stat(src)?.map_or(0, |found| found.len());
        if size == 0 {
            return Err(refused("H0125", format!("Invalid archive '{}', the file is 0 bytes", shown(src))));
        }
        let kind = Kind::of(&cx.probe().read_part(src, 0, 8)?);
        let job = Job { cx, args: &args, src, dest: &dest, kind };
        let mut result = map! { "handler" => kind.handler(), "dest" => shown(&dest), "src" => shown(src) };
        if cx.check_mode() && kind != Kind::Zip {
            cx.skip();
            return Ok(map! { "msg" => "remote module (unarchive) does not support check mode when using gtar" });
        }
        let names = job.names()?;
        if !job.unpacked()? {
            let ended =
                cx.change(format!("lay out {} in {}", job.title(), shown(&dest)), |host| host.run(job.extract()))?;
            if let Some(output) = ended {
                let mut words = job.extract().words();
                if let Some(first) = words.first_mut()
                    && let Some(path) = cx.probe().which(first)
                {
                    *first = path.display().to_string();
                }
                let cmd: Vec<Value> = words.into_iter().map(Value::from).collect();
                insert(
                    &mut result,
                    "extract_results",
                    map! {
                        "cmd" => cmd, "rc" => output.rc, "out" => output.out(), "err" => output.err(),
                    },
                );
                // unzip says 1 for warnings.
                if output.rc != 0 && !(kind == Kind::Zip && output.rc == 1) {
                    let message = format!("failed to unpack {} to {}", shown(src), shown(&dest));
                    let mut failure = refused_with("H0125", message, result);
                    failure.diagnostic.notes.extend(output.said().lines().take(20).map(str::to_owned));
                    return Err(failure);
                }
            }
        }
        let file = args.file_args();
        if !cx.check_mode() {
            let below: Vec<PathBuf> = names.iter().filter(|name| !name.as_os_str().is_empty()).cloned().collect();
            settle_all(cx, &dest, &below, &file)?;
        }
        if args.list_files {
            insert(&mut result, "files", names.iter().map(|name| Value::from(shown(name))).collect::<Vec<_>>());
        }
        add_path_info(cx, &mut result, &dest);
        Ok(result)
    }
}

/// Owner, mode and attributes of all that was laid out. A link on the way is followed only if it is root's, ours, or
/// of whoever owns what it leads to.
fn settle_all(cx: &Cx, dest: &Path, names: &[PathBuf], file: &FileArgs) -> Result<(), Failure> {
    if file.mode.is_none() && file.owner.is_none() && file.group.is_none() && file.attributes.is_none() {
        return Ok(());
    }
    let gone = |path: &Path| {
        let words = format!("[Errno 2] No such file or directory: b'{}'", shown(path));
        refused("H0125", format!("Unexpected error when accessing exploded file: {words}"))
    };
    let Some(folder) = cx.probe().hold_plain(&cx.probe().real(dest))? else { return Err(gone(dest)) };
    for name in names {
        let path = dest.join(name);
        let held = cx.probe().hold_below(&folder, name)?.ok_or_else(|| gone(&path))?;
        apply_held(cx, &held, &path, file, &mut StateDiff::default())?;
    }
    Ok(())
}

/// A name as `tar --quoting-style=escape` writes it.
fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let octal = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        if octal == 3 {
            let number = rest[..3].iter().fold(0_u32, |number, digit| number * 8 + u32::from(digit - b'0'));
            out.push((number & 0xff) as u8);
            rest = &rest[3..];
            continue;
        }
        let Some((letter, more)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = more;
        out.push(match letter {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => *other,
        });
    }
    out
}

/// The archive on the host, removed in the end if it was only brought for this.
enum Scratch {
    There(PathBuf),
    Brought(tempfile::TempPath),
}

impl Scratch {
    fn path(&self) -> &Path {
        match self {
            Self::There(path) => path,
            Self::Brought(path) => path,
        }
    }

    fn of(cx: &Cx, args: &Args, remote: bool) -> Result<Self, Failure> {
        let temporary = || {
            tempfile::Builder::new()
                .prefix(&crate::system::leftovers::prefix())
                .tempfile_in(cx.probe().temp_dir())
                .map_err(|error| Diagnostic::task("H0101", format!("no room for the archive: {error}")))
        };
        let text = args.src.as_str();
        if !remote {
            if text.contains("://") {
                let masked = mask_url(text);
                let message =
                    format!("Unsupported option, an URI src ({masked}) is only supported when remote_src is True");
                return Err(refused("H0125", message));
            }
            let entry = cx.input("src").and_then(|input| input.entries.first());
            let entry = entry.ok_or_else(|| Diagnostic::internal("`unarchive` was called without its archive"))?;
            return Ok(match cx.blob(entry)? {
                Blob::File(path) => Self::There(path),
                Blob::Memory(bytes) => {
                    let mut file = temporary()?;
                    std::io::Write::write_all(&mut file, &bytes)
                        .map_err(|error| Diagnostic::task("H0101", format!("no room for the archive: {error}")))?;
                    Self::Brought(file.into_temp_path())
                }
            });
        }
        if text.contains("://") {
            let mut file = temporary()?;
            super::web::into_file(cx, text, args.validate_certs, &mut file).map_err(|words| refused("H0125", words))?;
            return Ok(Self::Brought(file.into_temp_path()));
        }
        let path = args.src.expand(cx.environment());
        if !cx.probe().exists(&path) {
            return Err(refused("H0125", format!("Source '{text}' does not exist")));
        }
        if !cx.probe().access(&path, rustix::fs::Access::READ_OK) {
            return Err(refused("H0125", format!("Source '{text}' not readable")));
        }
        Ok(Self::There(path))
    }
}

/// What packed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zip,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Plain,
}

impl Kind {
    fn of(head: &[u8]) -> Self {
        match head {
            [b'P', b'K', 3 | 5, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn handler(self) -> &'static str {
        match self {
            Self::Zip => "ZipArchive",
            Self::Gzip => "TgzArchive",
            // GNU tar finds out by itself how these are compressed, so Ansible comes to its plain handler first.
            Self::Bzip2 | Self::Xz | Self::Zstd | Self::Plain => "TarArchive",
        }
    }

    fn flag(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("-z"),
            Self::Zip | Self::Bzip2 | Self::Xz | Self::Zstd | Self::Plain => None,
        }
    }
}

struct Job<'a> {
    cx: &'a Cx,
    args: &'a Args,
    src: &'a Path,
    dest: &'a Path,
    kind: Kind,
}

impl Job<'_> {
    fn title(&self) -> String {
        self.args.src.as_str().rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// `tar` in one of its ways.
    fn tar(&self, way: &str) -> Program<'static> {
        let args = self.args;
        // It starts in that folder, so what is relative to ours must be whole.
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let dest = whole(self.dest);
        let mut program = Program::new(["tar", way, "-C"]).arg(&dest).parsable().cwd(&dest);
        if let Some(flag) = self.kind.flag() {
            program = program.arg(flag);
        }
        if !args.extra_opts.is_empty() {
            program = args.extra_opts.iter().fold(program.arg("--show-transformed-names"), Program::arg);
        }
        if way == "--list" {
            program = program.arg("--quoting-style=escape");
        } else {
            if let Some(owner) = &args.owner {
                program = program.arg(format!("--owner={owner}"));
            }
            if let Some(group) = &args.group {
                program = program.arg(format!("--group={group}"));
            }
            if args.keep_newer {
                program = program.arg("--keep-newer-files");
            }
        }
        for name in &args.exclude {
            program = program.arg(format!("--exclude={}", name.trim_end_matches('/')));
        }
        args.include.iter().fold(program.arg("-f").arg(whole(self.src)), Program::arg)
    }

    fn unzip(&self, into: &Path) -> Program<'static> {
        let args = self.args;
        let way = if args.keep_newer { "-uo" } else { "-o" };
        let mut program = args.extra_opts.iter().fold(Program::new(["unzip", way]), Program::arg);
        program = program.arg(self.src);
        program = args.include.iter().fold(program, Program::arg);
        if !args.exclude.is_empty() {
            program =
                args.exclude.iter().fold(program.arg("-x"), |program, name| program.arg(name.trim_end_matches('/')));
        }
        program.arg("-d").arg(into).parsable()
    }

    fn extract(&self) -> Program<'static> {
        if self.kind == Kind::Zip { self.unzip(self.dest) } else { self.tar("--extract") }
    }

    fn needs(&self, program: &str) -> Result<(), Failure> {
        if self.cx.probe().which(program).is_some() {
            return Ok(());
        }
        Err(refused(
            "H0103",
            format!(
                "Failed to find handler for \"{}\". Make sure the required command to extract the file is installed.\nUnable to find required '{program}' binary in the path",
                shown(self.src)
            ),
        ))
    }

    /// The names in the archive.
    fn names(&self) -> Result<Vec<PathBuf>, Failure> {
        let probe = self.cx.probe();
        let (program, output): (_, Output) = if self.kind == Kind::Zip {
            self.needs("unzip")?;
            ("unzip", probe.run(Program::new(["unzip", "-Z1"]).arg(self.src).parsable())?)
        } else {
            self.needs("tar")?;
            ("tar", probe.run(self.tar("--list"))?)
        };
        let listing = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
        let lines = listing.split(|byte| *byte == b'\n');
        let listed: Vec<Vec<u8>> = if self.kind == Kind::Zip {
            match probe.zip_entries(self.src) {
                Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
                Err(_) => lines.map(<[u8]>::to_vec).collect(),
            }
        } else {
            lines.map(unescaped).collect()
        };
        let names: Vec<PathBuf> = listed.iter().filter_map(|name| self.place_of(name)).collect();
        if !output.success() || names.is_empty() {
            let reason = if output.success() {
                format!("Command \"{program}\" found no files in archive. Empty archive files are not supported.")
            } else {
                format!("Command \"{program}\" could not handle archive: {}", output.said())
            };
            let message = format!(
                "Failed to find handler for \"{}\". Make sure the required command to extract the file is installed.\n{reason}",
                shown(self.src)
            );
            return Err(refused("H0125", message));
        }
        Ok(names)
    }

    /// The path below the folder of a name in the archive, if it is laid out.
    fn place_of(&self, name: &[u8]) -> Option<PathBuf> {
        if name.iter().all(|byte| *byte == b'/') && self.kind != Kind::Zip && !self.args.extra_opts.is_empty() {
            // A folder whose whole name `--strip-components` took away.
            return Some(PathBuf::new());
        }
        let start = name.iter().position(|byte| *byte != b'/')?;
        let path = PathBuf::from(OsString::from_vec(name[start..].to_vec()));
        let text = String::from_utf8_lossy(&name[start..]);
        let matches = |pattern: &String| crate::system::glob::matches(pattern, &text);
        let out = |pattern: &String| crate::system::glob::matches(pattern.trim_end_matches('/'), &text);
        let include = &self.args.include;
        let leaves = path.components().any(|part| part == Component::ParentDir);
        let wanted = self.kind != Kind::Zip || include.is_empty() || include.iter().any(matches);
        (!leaves && wanted && !self.args.exclude.iter().any(out)).then_some(path)
    }

    /// Nothing of the archive is missing or differs.
    fn unpacked(&self) -> Result<bool, Failure> {
        if self.kind == Kind::Zip { self.same_as_zip() } else { self.same_as_tar() }
    }

    fn same_as_tar(&self) -> Result<bool, Failure> {
        let output = self.cx.probe().run(self.tar("--diff"))?;
        let root = rustix::process::geteuid().is_root();
        let args = self.args;
        let all = output.out() + &output.err();
        Ok(!all.lines().filter(|line| !line.contains(": : Warning: Cannot stat: No such file or directory")).any(
            |line| {
                (root && args.owner.is_none() && line.ends_with(": Uid differs"))
                    || (root && args.group.is_none() && line.ends_with(": Gid differs"))
                    || (args.mode.is_none() && line.ends_with(": Mode differs"))
                    || line.ends_with(": Mod time differs")
                    || line.ends_with(": Warning: Cannot stat: No such file or directory")
                    || line.ends_with(": Symlink differs")
                    || line.ends_with(": Contents differ")
                    || line.ends_with(": Size differs")
                    || line.contains(": Invalid owner")
                    || line.contains(": Invalid group")
            },
        ))
    }

    /// The archive's directory tells all that there is to compare; nothing is laid out for it.
    fn same_as_zip(&self) -> Result<bool, Failure> {
        // What cannot be read here is left to `unzip`.
        let Ok(entries) = self.cx.probe().zip_entries(self.src) else { return Ok(false) };
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let uid = self.args.owner.as_deref().map(uid_of).transpose()?.unwrap_or(own.0);
        let gid = self.args.group.as_deref().map(gid_of).transpose()?.unwrap_or(own.1);
        for entry in entries {
            let Some(name) = self.place_of(&entry.name) else { continue };
            if self.differs(&entry, &self.dest.join(name), (uid, gid))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn differs(&self, entry: &ZipEntry, path: &Path, owner: (u32, u32)) -> Result<bool> {
        let probe = self.cx.probe();
        // Without a slash at its end, which would lead through a link.
        let path = &*path.components().collect::<PathBuf>();
        let Some(found) = probe.lstat(path)? else { return Ok(true) };
        let kind = match found.file_type() {
            kind if kind.is_dir() => ZipKind::Folder,
            kind if kind.is_symlink() => ZipKind::Link,
            kind if kind.is_file() => ZipKind::File,
            _ => return Ok(true),
        };
        if kind != entry.kind {
            return Ok(true);
        }
        if kind == ZipKind::File {
            match entry.modified {
                Some(time) if self.args.keep_newer && time < found.mtime() => return Ok(false),
                Some(time) if time != found.mtime() => return Ok(true),
                _ => {}
            }
            if entry.size != found.len() || entry.crc != probe.crc32(path)? {
                return Ok(true);
            }
        }
        let present = found.mode() & 0o7777;
        let wanted = match &self.args.mode {
            Some(mode) => mode.resolve(present, found.is_dir(), umask()).unwrap_or(present),
            None => entry.mode,
        };
        Ok((kind != ZipKind::Link && wanted != present) || (found.uid(), found.gid()) != owner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    fn archive(folder: &Path) -> PathBuf {
        std::fs::create_dir_all(folder.join("in/d")).expect("folder");
        std::fs::write(folder.join("in/a"), "1").expect("write");
        std::fs::write(folder.join("in/d/b"), "2").expect("write");
        let path = folder.join("x.tgz");
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
            std::fs::File::create(&path).expect("file"),
            flate2::Compression::fast(),
        ));
        builder.append_dir_all(".", folder.join("in")).expect("tar");
        builder.into_inner().expect("tar").finish().expect("gzip");
        path
    }

    #[test]
    fn archives_are_laid_out_once() {
        let folder = tempfile::tempdir().expect("folder");
        let src = archive(folder.path());
        let dest = folder.path().join("out");
        std::fs::create_dir(&dest).expect("folder");
        let args = map! { "src" => shown(&src), "dest" => shown(&dest), "remote_src" => true, "list_files" => true };
        assert!(module("unarchive", args.clone()).check(true).ok().skipped);
        let outcome = module("unarchive", args.clone()).ok();
        assert_eq!((get(&outcome, "handler"), outcome.changed), (json!("TgzArchive"), true));
        assert_eq!(std::fs::read_to_string(dest.join("d/b")).expect("read"), "2");
        assert!(
            get(&outcome, "files")
                .as_array()
                .is_some_and(|files| files.iter().any(|file| file.as_str().is_some_and(|name| name.ends_with('a'))))
        );
        assert!(!module("unarchive", args.clone()).ok().changed, "a second time");
        std::fs::write(dest.join("a"), "9").expect("write");
        assert!(module("unarchive", args).ok().changed);
        assert_eq!(std::fs::read_to_string(dest.join("a")).expect("read"), "1");
    }

    #[test]
    fn what_is_no_archive_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let src = folder.path().join("x");
        let msg = |args: Map| {
            let failure = module("unarchive", args).fails();
            failure
                .result
                .get(&crate::value::StrKey("msg"))
                .and_then(Value::as_str)
                .map(str::to_owned)
                .unwrap_or_default()
        };
        let args = |dest: &Path| map! { "src" => shown(&src), "dest" => shown(dest), "remote_src" => true };
        assert_eq!(msg(args(folder.path())), format!("Source '{}' does not exist", src.display()));
        std::fs::write(&src, "").expect("write");
        assert!(msg(args(folder.path())).ends_with("the file is 0 bytes"));
        std::fs::write(&src, "no archive").expect("write");
        assert!(msg(args(folder.path())).starts_with("Failed to find handler for"));
        assert_eq!(msg(args(Path::new("/no/such"))), "dest '/no/such' must be an existing dir");
    }

    #[test]
    fn attributes_reach_names_that_tar_quotes() {
        let folder = tempfile::tempdir().expect("folder");
        let (src, dest) = (folder.path().join("x.tar"), folder.path().join("out"));
        std::fs::create_dir(&dest).expect("folder");
        let names: [&[u8]; 5] = [b"caf\xe9", b"back\\slash", b"tab\there", b"line\nfeed", b"plain"];
        let mut builder = tar::Builder::new(std::fs::File::create(&src).expect("file"));
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o644);
            builder.append_data(&mut header, OsString::from_vec(name.to_vec()), b"x".as_slice()).expect("tar");
        }
        builder.into_inner().expect("tar");
        let args = map! {
            "src" => shown(&src), "dest" => shown(&dest), "remote_src" => true, "mode" => "0600", "list_files" => true,
        };
        let outcome = module("unarchive", args).ok();
        for name in names {
            let path = dest.join(OsString::from_vec(name.to_vec()));
            assert_eq!(std::fs::metadata(&path).expect("stat").mode() & 0o7777, 0o600, "{}", path.display());
        }
        assert_eq!(get(&outcome, "files")[3], json!("line\nfeed"));
        assert_eq!(unescaped(b"a\\303\\251\\q\\"), b"a\xc3\xa9q\\");
    }

    #[test]
    fn a_name_that_was_not_laid_out_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let cx = super::super::testing::handle("unarchive");
        let file = FileArgs { owner: Some("0".to_owned()), ..FileArgs::default() };
        let failure = settle_all(&cx, folder.path(), &["gone".into()], &file).expect_err("missing");
        assert!(failure.diagnostic.registered().contains("No such file or directory"), "{failure:?}");
    }

    #[test]
    fn zip_archives_are_compared_by_their_directory() {
        if ["zip", "unzip"].iter().any(|name| crate::system::process::which(name, None).is_none()) {
            println!("skipped: there is no zip or no unzip");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let (inside, dest) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir(&inside).expect("folder");
        std::fs::create_dir(&dest).expect("folder");
        let pack = |name: &str, text: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            let file = inside.join("f");
            std::fs::write(&file, text).expect("write");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("mode");
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
            std::fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(at)).expect("time");
            let src = folder.path().join(name);
            let made = std::process::Command::new("zip").arg("-q").arg(&src).arg("f").current_dir(&inside).status();
            assert!(made.expect("zip").success());
            map! { "src" => shown(&src), "dest" => shown(&dest), "remote_src" => true }
        };
        let run = |args: &Map, check: bool| module("unarchive", args.clone()).check(check).ok().changed;
        let a = pack("a.zip", "one", 0o644);
        assert!(run(&a, true) && run(&a, false));
        assert!(!run(&a, true) && !run(&a, false));
        let same_but_mode = pack("b.zip", "one", 0o755);
        assert!(run(&same_but_mode, true) && run(&same_but_mode, false));
        assert_eq!(std::fs::metadata(dest.join("f")).expect("stat").mode() & 0o7777, 0o755);
        let same_but_content = pack("c.zip", "two", 0o755);
        assert!(run(&same_but_content, true), "check mode sees other content of the same size and time");
        assert!(run(&same_but_content, false) && !run(&same_but_content, false));
        assert_eq!(std::fs::read_to_string(dest.join("f")).expect("read"), "two");
        let mut moded = same_but_content;
        moded.extend(map! { "mode" => "0600" });
        assert!(run(&moded, true) && run(&moded, false) && !run(&moded, false));
    }
}
