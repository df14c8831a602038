//! Owner, group, mode and attributes of a path: what all file modules share.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::{Map as Json, Value};

use super::call::Failure;
use super::cx::Cx;
use super::types::Mode;
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::system::accounts;
use crate::system::fs::{shown, umask};
use crate::system::process::Program;
use crate::system::{Held, Spot};
use crate::value::{Map, Value as Data, from_json, insert};

/// Why SELinux arguments do nothing here. Ansible, too, ignores them where there is no SELinux.
pub(super) const SELINUX: &str = "hostctl keeps a file's SELinux label and does not set one: on a host without SELinux \
    it has no effect, and on one with SELinux the task fails";

/// The SELinux arguments, for [`super::Meta::refused`].
pub(super) const NO_SELINUX: &[(&str, &str)] =
    &[("selevel", SELINUX), ("serole", SELINUX), ("setype", SELINUX), ("seuser", SELINUX)];

/// Takes the SELinux arguments out of a call: they are refused only where there is SELinux.
pub(super) fn take_selinux(cx: &Cx, refused: &[(&str, &str)], args: &mut serde_json::Value) -> Result<()> {
    let Some(args) = args.as_object_mut() else { return Ok(()) };
    for (name, _) in refused.iter().filter(|(_, reason)| *reason == SELINUX) {
        if args.remove(*name).is_some() && cx.probe().exists(Path::new("/sys/fs/selinux/enforce")) {
            let message = format!("`{name}` cannot be set: this host has SELinux, and hostctl sets no labels");
            return Err(Diagnostic::task("H0110", message).with_hint(
                "leave it out, and set labels in a task with `command: semanage fcontext ...` and `restorecon`",
            ));
        }
    }
    Ok(())
}

/// What the shared arguments ask for.
#[derive(Clone, Debug, Default)]
pub struct FileArgs {
    /// `mode`
    pub mode: Option<Mode>,
    /// `owner`
    pub owner: Option<String>,
    /// `group`
    pub group: Option<String>,
    /// `attributes`
    pub attributes: Option<String>,
    /// `unsafe_writes`
    pub unsafe_writes: bool,
}

/// Adds the shared arguments to an `Args` type, and a method that gives them together.
macro_rules! with_file_args {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        $vis struct $name {
            $($body)*
            /// Permissions: octal text (`'0644'`), or clauses (`u=rw,g=r,o=`).
            mode: Option<$crate::modules::Mode>,
            /// The owner's name or number.
            owner: Option<String>,
            /// The group's name or number.
            group: Option<String>,
            /// File attributes as `chattr` takes them (`+i`).
            attributes: Option<String>,
            /// Write in place where the file cannot be replaced (mount points in containers).
            #[serde(default)]
            unsafe_writes: bool,
        }

        impl $name {
            fn file_args(&self) -> $crate::modules::attributes::FileArgs {
                $crate::modules::attributes::FileArgs {
                    mode: self.mode.clone(),
                    owner: self.owner.clone(),
                    group: self.group.clone(),
                    attributes: self.attributes.clone(),
                    unsafe_writes: self.unsafe_writes,
                }
            }
        }
    };
}
pub(super) use with_file_args;

/// Before and after as two small mappings, shown as Ansible shows them.
#[derive(Clone, Debug, Default)]
pub struct StateDiff {
    before: Json<String, Value>,
    after: Json<String, Value>,
}

impl StateDiff {
    /// Notes one key on both sides.
    pub fn set(&mut self, key: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(key.to_owned(), before.into());
        self.after.insert(key.to_owned(), after.into());
    }

    /// Notes one key of what was there before alone.
    pub fn set_before(&mut self, key: &str, before: impl Into<Value>) {
        self.before.insert(key.to_owned(), before.into());
    }

    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// `before` and `after` as a registered result has them; nothing where nothing was noted.
    pub fn insert_into(&self, result: &mut Map) {
        if !self.before.is_empty() || !self.after.is_empty() {
            insert(result, "before", from_json(self.before.clone().into()));
            insert(result, "after", from_json(self.after.clone().into()));
        }
    }

    /// The diff for the user.
    pub fn into_diff(self, before_header: &str, after_header: &str) -> Diff {
        let text = |map: Json<String, Value>| {
            let sorted: std::collections::BTreeMap<String, Value> = map.into_iter().collect();
            let mut out = Vec::new();
            let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut serializer = serde_json::Serializer::with_formatter(&mut out, format);
            if serde::Serialize::serialize(&sorted, &mut serializer).is_err() {
                return String::new();
            }
            String::from_utf8_lossy(&out).into_owned() + "\n"
        };
        Diff {
            before_header: before_header.to_owned(),
            after_header: after_header.to_owned(),
            before: text(self.before),
            after: text(self.after),
            mapping: true,
            ..Diff::default()
        }
    }
}

/// A user's number by name or number.
pub fn uid_of(owner: &str) -> Result<u32> {
    owner.parse().ok().or_else(|| accounts::account(owner).map(|account| account.uid)).ok_or_else(|| {
        Diagnostic::task("H0108", format!("there is no user `{owner}` on the host"))
            .with_registered(format!("chown failed: failed to look up user {owner}"))
            .with_hint("create it before with the `user` module")
    })
}

/// A group's number by name or number.
pub fn gid_of(group: &str) -> Result<u32> {
    group.parse().ok().or_else(|| accounts::group(group).map(|group| group.gid)).ok_or_else(|| {
        Diagnostic::task("H0108", format!("there is no group `{group}` on the host"))
            .with_registered(format!("chgrp failed: failed to look up group {group}"))
            .with_hint("create it before with the `group` module")
    })
}

/// `0644`, as Ansible writes modes.
pub fn mode_text(mode: u32) -> String {
    format!("0{:03o}", mode & 0o7777)
}

/// Brings owner, group, mode and attributes of the path itself to what is asked for; true if
/// something differed. In check mode a path that is not there counts as different.
pub fn apply(cx: &Cx, path: &Path, args: &FileArgs, diff: &mut StateDiff) -> Result<bool> {
    match cx.probe().hold(path)? {
        Some(held) => apply_held(cx, &held, path, args, diff),
        None => Ok(cx.check_mode()),
    }
}

/// [`apply`] to what is held, whatever its name leads to by then; `path` is for messages.
pub fn apply_held(cx: &Cx, held: &Held, path: &Path, args: &FileArgs, diff: &mut StateDiff) -> Result<bool> {
    let found = held.metadata()?;
    let name = shown(path);
    let mut changed = false;
    let uid = args.owner.as_deref().map(uid_of).transpose()?.filter(|uid| *uid != found.uid());
    let gid = args.group.as_deref().map(gid_of).transpose()?.filter(|gid| *gid != found.gid());
    if let Some(uid) = uid {
        diff.set("owner", found.uid(), uid);
    }
    if let Some(gid) = gid {
        diff.set("group", found.gid(), gid);
    }
    if uid.is_some() || gid.is_some() {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        let what = match (uid, gid) {
            (Some(_), None) => format!("owner of {name} to {}", word(&args.owner)),
            (None, _) => format!("group of {name} to {}", word(&args.group)),
            _ => format!("owner of {name} to {}:{}", word(&args.owner), word(&args.group)),
        };
        cx.change(what, |host| host.chown_held(held, uid, gid))?;
        changed = true;
    }
    if let Some(mode) = &args.mode
        && !found.is_symlink()
    {
        let present = found.mode() & 0o7777;
        // A change of owner clears the set-id bits, so the mode is set again after it.
        let now = if changed && !cx.check_mode() { held.metadata()?.mode() & 0o7777 } else { present };
        if let Some(wanted) = mode.resolve(present, found.is_dir(), umask())
            && wanted != now
        {
            diff.set("mode", mode_text(present), mode_text(wanted));
            cx.change(format!("mode of {name} to {}", mode_text(wanted)), |host| host.chmod_held(held, wanted))?;
            changed = true;
        }
    }
    if let Some(wanted) = &args.attributes {
        changed |= apply_attributes(cx, path, wanted, diff)?;
    }
    Ok(changed)
}

/// [`apply`]; a failure has what is at the path by now, as Ansible's has it.
pub fn settle(cx: &Cx, path: &Path, args: &FileArgs, diff: &mut StateDiff) -> Result<bool, Failure> {
    apply(cx, path, args, diff).map_err(|error| with_path_info(cx, error, path))
}

/// [`settle`] for a file that was edited: one that is no link, in the folder where it was edited.
pub fn settle_edited(
    cx: &Cx,
    spot: Option<&Spot>,
    path: &Path,
    args: &FileArgs,
    diff: &mut StateDiff,
) -> Result<bool, Failure> {
    match spot {
        Some(spot) if !spot.linked() => match spot.again().map_err(|error| with_path_info(cx, error, path))? {
            Some(held) => apply_held(cx, &held, path, args, diff).map_err(|error| with_path_info(cx, error, path)),
            None => Ok(cx.check_mode()),
        },
        _ => settle(cx, path, args, diff),
    }
}

/// A failure with what is at the path by now, as Ansible's has it.
pub fn with_path_info(cx: &Cx, error: Diagnostic, path: &Path) -> Failure {
    let mut result = map! { "path" => shown(path) };
    add_path_info(cx, &mut result, path);
    Failure::with_result(error, result)
}

/// `diff` of the content alone as Ansible's editors of text register it: with texts only where differences are wanted.
pub fn text_diff(cx: &Cx, name: &str, before: &[u8], after: &[u8]) -> Data {
    let text = |bytes: &[u8]| if cx.diff_mode() { String::from_utf8_lossy(bytes).into_owned() } else { String::new() };
    let header = format!("{name} (content)");
    Data::from(map! {
        "before" => text(before), "after" => text(after), "before_header" => header.clone(), "after_header" => header,
    })
}

/// `diff` of content and attributes: a list of both, also where one of them is the same.
pub fn text_diffs(cx: &Cx, name: &str, before: &[u8], after: &[u8], attributes: &StateDiff) -> Data {
    let header = format!("{name} (file attributes)");
    let mut second = map! { "before_header" => header.clone(), "after_header" => header };
    attributes.insert_into(&mut second);
    Data::from(vec![text_diff(cx, name, before, after), Data::from(second)])
}

/// `lsattr`'s flags of a path, and its version; `None` where the file system has none.
pub fn attribute_flags(cx: &Cx, path: &Path) -> Option<(String, String)> {
    let output = cx.probe().run(Program::new(["lsattr", "-vd"]).arg(path).parsable()).ok()?;
    let text = output.out();
    let mut words = text.split_whitespace();
    let (version, flags) = (words.next()?, words.next()?);
    output.success().then(|| (version.to_owned(), flags.replace('-', "")))
}

/// The flags alone: some file systems have them, and no versions.
fn flags_alone(cx: &Cx, path: &Path) -> Option<String> {
    let output = cx.probe().run(Program::new(["lsattr", "-d"]).arg(path).parsable()).ok()?;
    let text = output.out();
    let flags = text.split_whitespace().next()?;
    output.success().then(|| flags.replace('-', ""))
}

fn apply_attributes(cx: &Cx, path: &Path, wanted: &str, diff: &mut StateDiff) -> Result<bool> {
    let (operator, flags) = match wanted.chars().next() {
        Some(sign @ ('+' | '-' | '=')) => (sign, &wanted[1..]),
        _ => ('=', wanted),
    };
    let found = flags_alone(cx, path);
    let known = found.is_some();
    let present = found.unwrap_or_default();
    let settled = match operator {
        // What cannot be read may be set all the same.
        '-' if !known => false,
        '+' => flags.chars().all(|flag| present.contains(flag)),
        '-' => flags.chars().all(|flag| !present.contains(flag)),
        _ => {
            let sorted = |text: &str| {
                let mut flags: Vec<char> = text.chars().collect();
                flags.sort_unstable();
                flags
            };
            sorted(&present) == sorted(flags)
        }
    };
    if settled {
        return Ok(false);
    }
    diff.set("attributes", present, format!("{operator}{flags}"));
    let change = format!("{operator}{flags}");
    cx.change(format!("attributes {change} of {}", shown(path)), |host| {
        host.run_ok(Program::new(["chattr", &change]).arg(path).parsable())
    })?;
    Ok(true)
}

/// The keys that Ansible adds to every result with a `path` or `dest`.
pub fn add_path_info(cx: &Cx, result: &mut Map, path: &Path) {
    if !cx.probe().exists(path) {
        return;
    }
    let (Ok(Some(found)), Ok(state)) = (cx.probe().lstat(path), cx.probe().state(path)) else { return };
    insert(result, "uid", found.uid());
    insert(result, "gid", found.gid());
    let owner = accounts::account_of_uid(found.uid()).map_or_else(|| found.uid().to_string(), |account| account.name);
    let group = accounts::group_of_gid(found.gid()).map_or_else(|| found.gid().to_string(), |group| group.name);
    insert(result, "owner", owner);
    insert(result, "group", group);
    insert(result, "mode", mode_text(found.mode()));
    insert(result, "state", state.name());
    insert(result, "size", found.size());
}
