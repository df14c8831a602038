//! `replace`: every place of a file where a pattern matches. The logic is Ansible's.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{StateDiff, settle_edited, with_file_args};
use super::call::Failure;
use super::cx::Cx;
use super::place::{Place, content_diff};
use super::refusal::{refused, refused_with, wrong_pattern};
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::diag::Diagnostic;
use crate::map;
use crate::system::fs::{Content, shown};
use crate::value::{Codec, Map, PythonRegex, Stray, insert};

with_file_args! {
    /// Replaces every match of a pattern in a file. Patterns are Python's, `^` and `$` stand at every line.
    ///
    /// ```yaml
    /// - name: Point the package sources to the mirror
    ///   replace:
    ///     path: /etc/apt/sources.list
    ///     regexp: 'https?://[^/]+/ubuntu'
    ///     replace: 'http://mirror.example/ubuntu'
    ///     after: '# main'
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// The file.
        path: HostPath,
        /// What to look for.
        regexp: String,
        /// What to put there; `\1` and `\g<name>` are groups of the pattern. Without it the match is removed.
        #[serde(default)]
        replace: String,
        /// Only behind the first match of this pattern, in which `.` is a line break too.
        after: Option<String>,
        /// Only before the first match of this pattern, in which `.` is a line break too.
        before: Option<String>,
        /// Keep a copy of the file before a change.
        #[serde(default)]
        backup: bool,
        /// A command that must accept the new content; `%s` is its path.
        validate: Option<String>,
        /// The file's encoding.
        #[serde(default = "utf8")]
        encoding: String,
    }
}

fn utf8() -> String {
    "utf-8".to_owned()
}

/// The module.
pub struct Replace;

impl Module for Replace {
    type Args = Args;
    const META: Meta = Meta {
        name: "replace",
        full_name: "ansible.builtin.replace",
        also: &["ansible.legacy.replace"],
        summary: "Replace what a pattern matches in a file",
        aliases: &[("path", &["dest", "destfile", "name"]), ("attributes", &["attr"])],
        refused: super::attributes::NO_SELINUX,
        reads: &["lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let path = args.path.expand(cx.environment());
        let _turn = cx.probe().turn(&path)?;
        let name = shown(&path);
        if cx.probe().is_dir(&path) {
            return Err(refused_with("H0107", format!("Path {name} is a directory !"), map! { "rc" => 256 }));
        }
        let Some(spot) = cx.probe().spot(&path)?.filter(|spot| spot.present().is_some()) else {
            return Err(refused_with("H0107", format!("Path {name} does not exist !"), map! { "rc" => 257 }));
        };
        let codec = Codec::of(&args.encoding)
            .ok_or_else(|| refused("H0107", format!("unknown encoding: {}", args.encoding)))?;
        let bytes = spot.read()?;
        let contents = codec
            .decode(&bytes, Stray::Keep)
            .ok_or_else(|| refused("H0107", format!("{name} is no text in the encoding {}", args.encoding)))?;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let section = match (given(&args.after), given(&args.before)) {
            (Some(after), Some(before)) => Some(format!("{after}(?P<subsection>.*?){before}")),
            (Some(after), None) => Some(format!("{after}(?P<subsection>.*)")),
            (None, Some(before)) => Some(format!("(?P<subsection>.*){before}")),
            (None, None) => None,
        };
        let (from, to) = match &section {
            None => (0, contents.len()),
            Some(pattern) => {
                let regex =
                    PythonRegex::text_with("s", pattern).map_err(|reason| wrong_pattern("after`/`before", &reason))?;
                match regex.group_range(&contents, "subsection").map_err(too_long)? {
                    Some(range) => range,
                    None => {
                        let text = format!("Pattern for before/after params did not match the given file: {pattern}");
                        return Ok(map! { "rc" => 0, "msg" => text });
                    }
                }
            }
        };
        let regex = PythonRegex::text_with("m", &args.regexp).map_err(|reason| wrong_pattern("regexp", &reason))?;
        let (new, count) = regex
            .substitute(&contents[from..to], &args.replace)
            .map_err(|reason| refused("H0110", format!("Unable to process replace due to error: {reason}")))?;
        let changed = count > 0 && new != contents[from..to];
        let mut result = map! { "rc" => 0 };
        let mut message = String::new();
        let file = args.file_args();
        if changed {
            let whole = [&contents[..from], &new, &contents[to..]].concat();
            let after = codec.encode(&whole).ok_or_else(|| {
                refused("H0107", format!("the new text has no form in the encoding {}", args.encoding))
            })?;
            message = format!("{count} replacements made");
            cx.diff(content_diff(&name, &name, Some(&bytes), &after));
            let place = Place {
                path: spot.path(),
                spot: Some(&spot),
                content: Content::Bytes(&after),
                backup: args.backup,
                validate: args.validate.as_deref(),
                file: &file,
                mode: None,
                keep_present: true,
            };
            if let Some(copy) = place.write(cx)? {
                insert(&mut result, "backup_file", shown(&copy));
            }
        }
        let mut diff = StateDiff::default();
        if settle_edited(cx, Some(&spot), &path, &file, &mut diff)? {
            if changed {
                message.push_str(" and ");
            }
            message.push_str("ownership, perms or SE linux context changed");
        }
        insert(&mut result, "msg", message);
        Ok(result)
    }
}

fn too_long(reason: String) -> Diagnostic {
    Diagnostic::task("H0110", format!("the pattern took too long: {reason}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;
    use crate::value::Value;

    fn check(before: &[u8], args: &[(&str, &str)], after: &[u8], msg: &str) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("f");
        std::fs::write(&path, before).expect("write");
        let mut map = map! { "path" => path.to_string_lossy().into_owned() };
        for (name, value) in args {
            insert(&mut map, name, Value::from(*value));
        }
        let planned = module("replace", map.clone()).check(true).ok();
        assert_eq!(std::fs::read(&path).expect("read"), before, "check mode wrote");
        let outcome = module("replace", map).ok();
        assert_eq!(std::fs::read(&path).expect("read"), after, "{args:?}");
        assert_eq!((get(&outcome, "msg"), get(&planned, "msg")), (json!(msg), json!(msg)), "{args:?}");
        assert_eq!((planned.changed, outcome.changed), (before != after, before != after));
    }

    #[test]
    fn matches_are_replaced_as_ansible_does() {
        check(b"a1\na2\n", &[("regexp", r"^a(\d)$"), ("replace", r"b\1")], b"b1\nb2\n", "2 replacements made");
        check(b"x\n", &[("regexp", "y")], b"x\n", "");
        check(b"x\n", &[("regexp", "x"), ("replace", "x")], b"x\n", "");
        check(
            b"k A k B k",
            &[("regexp", "k"), ("replace", "-"), ("after", "A"), ("before", "B")],
            b"k A - B k",
            "1 replacements made",
        );
        check(b"k\nA\nk\n", &[("regexp", "k"), ("after", "A")], b"k\nA\n\n", "1 replacements made");
        check(b"k A k", &[("regexp", "k"), ("replace", "-"), ("before", "A")], b"- A k", "1 replacements made");
        let msg = "Pattern for before/after params did not match the given file: Z(?P<subsection>.*)";
        check(b"k\n", &[("regexp", "k"), ("after", "Z")], b"k\n", msg);
        check(b"\xff caf\xe9\n", &[("regexp", "caf"), ("replace", "é")], b"\xff \xc3\xa9\xe9\n", "1 replacements made");
        check(
            b"\xe9\n",
            &[("regexp", "é"), ("replace", "è"), ("encoding", "latin-1")],
            b"\xe8\n",
            "1 replacements made",
        );
    }

    #[test]
    fn what_cannot_be_done_is_said_in_ansibles_words() {
        let msg = |args: Map| {
            let failure = module("replace", args).fails();
            Value::from(failure.result).get("msg").and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(msg(map! { "path" => "/etc", "regexp" => "x" }), "Path /etc is a directory !");
        assert_eq!(msg(map! { "path" => "/no", "regexp" => "x" }), "Path /no does not exist !");
        let text = msg(map! { "path" => "/etc/passwd", "regexp" => "root", "replace" => "\\x" });
        assert!(text.starts_with("Unable to process replace due to error: "), "{text}");
        assert_eq!(
            msg(map! { "path" => "/etc/passwd", "regexp" => "x", "encoding" => "none" }),
            "unknown encoding: none"
        );
    }
}
