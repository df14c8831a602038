//! `unarchive`: an archive laid out in a folder, by the host's own `tar` and `unzip`, as Ansible does.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{StateDiff, add_path_info, apply, with_file_args};
use super::call::{Blob, Failure};
use super::cx::Cx;
use super::refusal::{refused, refused_with};
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::digest::Digest;
use crate::system::fs::shown;
use crate::system::process::{Output, Program};
use crate::system::web::mask_url;
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
        if !job.unpacked(&names)? {
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
            for name in &names {
                apply(cx, &dest.join(name.trim_end_matches('/')), &file, &mut StateDiff::default())?;
            }
        }
        if args.list_files {
            insert(&mut result, "files", names.into_iter().map(Value::from).collect::<Vec<_>>());
        }
        add_path_info(cx, &mut result, &dest);
        Ok(result)
    }
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
                .tempfile()
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
        if way != "--list" {
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
    fn names(&self) -> Result<Vec<String>, Failure> {
        let probe = self.cx.probe();
        let (program, output): (_, Output) = if self.kind == Kind::Zip {
            self.needs("unzip")?;
            ("unzip", probe.run(Program::new(["unzip", "-Z1"]).arg(self.src).parsable())?)
        } else {
            self.needs("tar")?;
            ("tar", probe.run(self.tar("--list"))?)
        };
        let names: Vec<String> = output
            .out()
            .lines()
            .map(|line| line.trim_start_matches('/').to_owned())
            .filter(|name| !name.is_empty() && !name.split('/').any(|part| part == ".."))
            .filter(|name| {
                !self.args.exclude.iter().any(|out| crate::system::glob::matches(out.trim_end_matches('/'), name))
            })
            .filter(|name| self.kind != Kind::Zip || self.wanted(name))
            .collect();
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

    fn wanted(&self, name: &str) -> bool {
        let include = &self.args.include;
        include.is_empty() || include.iter().any(|pattern| crate::system::glob::matches(pattern, name))
    }

    /// Nothing of the archive is missing or differs.
    fn unpacked(&self, names: &[String]) -> Result<bool, Failure> {
        if self.kind == Kind::Zip { self.same_as_zip(names) } else { self.same_as_tar() }
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

    /// A zip archive is unpacked beside, and compared.
    fn same_as_zip(&self, names: &[String]) -> Result<bool, Failure> {
        let probe = self.cx.probe();
        let missing = names.iter().any(|name| probe.lstat(&self.dest.join(name)).ok().flatten().is_none());
        if missing || self.args.keep_newer {
            return Ok(!missing && self.args.keep_newer);
        }
        let compared = self.cx.scratch(|host| {
            let folder = host.scratch_tree(&[]).map_err(|error| Diagnostic::task("H0101", error.to_string()))?;
            host.run(self.unzip(folder.path()))?;
            for name in names {
                let (new, old) = (folder.path().join(name), self.dest.join(name));
                let regular = probe.lstat(&new)?.is_some_and(|found| found.is_file());
                if regular && probe.digest(&new, Digest::Sha1)? != probe.digest(&old, Digest::Sha1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        // In check mode nothing is laid out: what is there counts as it is.
        Ok(compared.unwrap_or(true))
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
}
