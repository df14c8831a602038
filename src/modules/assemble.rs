//! `assemble`: one file out of the fragments in a folder, of the host or of the controller.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{StateDiff, add_path_info, settle, with_file_args};
use super::call::{Blob, Failure, InputKind};
use super::cx::Cx;
use super::place::{Place, file_diff, first_mode};
use super::refusal::refused;
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::digest::{Digest, Hasher};
use crate::system::fs::{Content, shown};
use crate::value::{Map, PythonRegex, insert};

with_file_args! {
    /// Puts the files of a folder together, in the order of their names.
    ///
    /// A fragment that does not end with a line break gets one before the next.
    ///
    /// ```yaml
    /// - name: sshd's settings from their parts
    ///   assemble:
    ///     src: /etc/ssh/conf.d
    ///     dest: /etc/ssh/sshd_config
    ///     validate: /usr/sbin/sshd -t -f %s
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// The folder.
        src: HostPath,
        /// The file to make.
        dest: HostPath,
        /// Keep a copy of the file before a change.
        #[serde(default)]
        backup: bool,
        /// Text between two fragments; `\n` and the like are read.
        delimiter: Option<String>,
        /// The folder is on the host; otherwise on the controller, looked for in `files/`.
        #[serde(default = "yes")]
        remote_src: bool,
        /// Only files whose names match this pattern.
        regexp: Option<String>,
        /// Pass over names that begin with a dot.
        #[serde(default)]
        ignore_hidden: bool,
        /// A command that must accept the new content; `%s` is its path.
        validate: Option<String>,
        /// Open files of the controller that ansible-vault encrypted.
        #[serde(default = "yes")]
        #[expect(dead_code, reason = "read on the controller")]
        decrypt: bool,
    }
}

fn yes() -> bool {
    true
}

/// The module.
pub struct Assemble;

impl Module for Assemble {
    type Args = Args;
    const META: Meta = Meta {
        name: "assemble",
        full_name: "ansible.builtin.assemble",
        also: &["ansible.legacy.assemble"],
        summary: "Make one file out of a folder of fragments",
        aliases: &[("attributes", &["attr"])],
        refused: super::attributes::NO_SELINUX,
        inputs: &[InputArg::File { arg: "src", unless: Some("remote_src"), unless_by_default: true }],
        reads: &["lsattr"],
        missing: Some("src and dest are required"),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let dest = args.dest.expand(cx.environment());
        let regexp = match &args.regexp {
            None => None,
            Some(pattern) => Some(
                PythonRegex::text(pattern)
                    .map_err(|reason| refused("H0110", format!("Invalid Regexp ({reason}) in \"{pattern}\"")))?,
            ),
        };
        let delimiter = args.delimiter.as_deref().map(|text| unescape(text.as_bytes())).filter(|text| !text.is_empty());
        let wanted = |name: &str| -> Result<bool> {
            let fits = match &regexp {
                Some(regexp) => regexp.search(name).map_err(|reason| Diagnostic::task("H0110", reason))?.is_some(),
                None => true,
            };
            Ok(fits && !(args.ignore_hidden && name.starts_with('.')))
        };
        let fragments = if args.remote_src {
            of_host(cx, &args.src.expand(cx.environment()), &wanted)?
        } else {
            of_controller(cx, &wanted)?
        };
        let content = joined(&fragments, delimiter.as_deref(), !args.remote_src);
        let checksum = Hasher::of(Digest::Sha1, &content);
        let mut result = map! {
            "src" => args.src.as_str(), "dest" => shown(&dest), "checksum" => checksum.clone(),
            "md5sum" => Hasher::of(Digest::Md5, &content),
        };
        if args.remote_src {
            insert(&mut result, "src", shown(&args.src.expand(cx.environment())));
        }
        let file = args.file_args();
        let present = cx.probe().stat(&dest)?;
        if present.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(refused("H0107", format!("attempted to take checksum of directory: {}", shown(&dest))));
        }
        let before = if present.is_some() { Some(cx.probe().read(&dest)?) } else { None };
        if before.as_deref() != Some(&*content) {
            let name = shown(&dest);
            let old = if before.is_some() { &*name } else { "" };
            cx.diff(file_diff(cx, old, &name, before.as_deref(), &content));
            let place = Place {
                path: &dest,
                spot: None,
                content: Content::Bytes(&content),
                backup: args.backup,
                validate: args.validate.as_deref(),
                file: &file,
                mode: first_mode(cx, &dest, file.mode.as_ref())?,
                keep_present: true,
            };
            if let Some(copy) = place.write(cx)? {
                insert(&mut result, "backup_file", shown(&copy));
            }
        }
        let mut diff = StateDiff::default();
        settle(cx, &dest, &file, &mut diff)?;
        if !diff.is_empty() {
            cx.diff(diff.into_diff(&shown(&dest), &shown(&dest)));
        }
        if args.remote_src {
            // What the controller assembles is copied, and `copy` says nothing.
            insert(&mut result, "msg", "OK");
        }
        add_path_info(cx, &mut result, &dest);
        Ok(result)
    }
}

fn of_host(cx: &Cx, folder: &Path, wanted: &dyn Fn(&str) -> Result<bool>) -> Result<Vec<Vec<u8>>, Failure> {
    if !cx.probe().exists(folder) {
        return Err(refused("H0107", format!("Source ({}) does not exist", shown(folder))));
    }
    if !cx.probe().is_dir(folder) {
        return Err(refused("H0107", format!("Source ({}) is not a directory", shown(folder))));
    }
    let mut fragments = Vec::new();
    for path in cx.probe().list(folder)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if cx.probe().stat(&path)?.is_some_and(|found| found.is_file()) && wanted(&name)? {
            fragments.push(cx.probe().read(&path)?);
        }
    }
    Ok(fragments)
}

fn of_controller(cx: &Cx, wanted: &dyn Fn(&str) -> Result<bool>) -> Result<Vec<Vec<u8>>, Failure> {
    let input = cx.input("src").ok_or_else(|| Diagnostic::internal("`assemble` was called without its source"))?;
    if !input.is_tree {
        return Err(refused("H0107", format!("Source ({}) is not a directory", input.basename)));
    }
    let mut entries: Vec<_> = input
        .entries
        .iter()
        .filter(|entry| !entry.path.contains('/') && matches!(entry.kind, InputKind::File { .. }))
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut fragments = Vec::new();
    for entry in entries {
        if wanted(&entry.path)? {
            fragments.push(match cx.blob(entry)? {
                Blob::Memory(bytes) => bytes.to_vec(),
                Blob::File(path) => cx.probe().read(&path)?,
            });
        }
    }
    Ok(fragments)
}

/// Fragments of the controller have a line break behind every delimiter, also behind one that ends with one: Ansible's
/// action does that, its module on the host does not.
fn joined(fragments: &[Vec<u8>], delimiter: Option<&[u8]>, always: bool) -> Vec<u8> {
    let mut content = Vec::new();
    for (at, fragment) in fragments.iter().enumerate() {
        if at > 0 {
            if !fragments[at - 1].ends_with(b"\n") {
                content.push(b'\n');
            }
            if let Some(delimiter) = delimiter {
                content.extend_from_slice(delimiter);
                if always || !delimiter.ends_with(b"\n") {
                    content.push(b'\n');
                }
            }
        }
        content.extend_from_slice(fragment);
    }
    content
}

/// `codecs.escape_decode`: the escapes of a bytes literal.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some(code) = text.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        match code {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(*code),
            b'0'..=b'7' => {
                let digits = text[at - 1..].iter().take(3).take_while(|digit| (b'0'..=b'7').contains(*digit)).count();
                let value = text[at - 1..at - 1 + digits]
                    .iter()
                    .fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                out.push(u8::try_from(value & 0xff).unwrap_or_default());
                at += digits - 1;
            }
            b'x' => {
                let hex = text.get(at..at + 2).and_then(|two| std::str::from_utf8(two).ok());
                match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                    Some(value) => {
                        out.push(value);
                        at += 2;
                    }
                    None => out.extend_from_slice(b"\\x"),
                }
            }
            other => out.extend_from_slice(&[b'\\', *other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::call::Input;
    use super::super::testing::{file_entry, get, module};
    use super::*;

    #[test]
    fn fragments_of_the_host_are_joined() {
        let folder = tempfile::tempdir().expect("folder");
        let (src, dest) = (folder.path().join("src"), folder.path().join("dest"));
        std::fs::create_dir_all(src.join("sub")).expect("folder");
        for (name, text) in [("b", "two\n"), ("a", "one"), (".c", "hidden\n")] {
            std::fs::write(src.join(name), text).expect("write");
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let args = map! { "src" => text(&src), "dest" => text(&dest), "ignore_hidden" => true };
        assert!(module("assemble", args.clone()).check(true).ok().changed && !dest.exists());
        let outcome = module("assemble", args.clone()).ok();
        assert_eq!(std::fs::read_to_string(&dest).expect("read"), "one\ntwo\n");
        assert_eq!((get(&outcome, "msg"), get(&outcome, "state")), (json!("OK"), json!("file")));
        assert!(!module("assemble", args.clone()).ok().changed);
        let mut args = args;
        insert(&mut args, "delimiter", "--\\x41\\n");
        insert(&mut args, "backup", true);
        assert!(get(&module("assemble", args.clone()).ok(), "backup_file").is_string());
        assert_eq!(std::fs::read_to_string(&dest).expect("read"), "one\n--A\ntwo\n");
        insert(&mut args, "regexp", "^b");
        insert(&mut args, "validate", "grep -q nothing %s");
        assert_eq!(module("assemble", args.clone()).fails().diagnostic.code, "H0109");
        insert(&mut args, "src", "/no/such");
        assert_eq!(module("assemble", args).fails().diagnostic.message, "source (/no/such) does not exist");
    }

    #[test]
    fn fragments_of_the_controller_are_joined() {
        let folder = tempfile::tempdir().expect("folder");
        let dest = folder.path().join("dest");
        let args = map! { "src" => "parts", "dest" => dest.to_string_lossy().into_owned(), "remote_src" => false };
        let entries = vec![file_entry("b", 0o644, b"2"), file_entry("a", 0o644, b"1"), file_entry("s/c", 0o644, b"3")];
        let input = Input {
            arg: "src".into(),
            entries,
            is_tree: true,
            basename: "parts".into(),
            contents_only: false,
            repositories: Vec::new(),
        };
        module("assemble", args).input(input).ok();
        assert_eq!(std::fs::read_to_string(&dest).expect("read"), "1\n2");
    }
}
