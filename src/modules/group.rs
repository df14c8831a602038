//! `group`: groups of the host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{account_tool, refused};
use super::spec::{Meta, Module};
use crate::diag::Diagnostic;
use crate::map;
use crate::system::accounts;
use crate::system::process::Program;
use crate::value::{Map, insert};

/// Creates, changes and removes groups.
///
/// ```yaml
/// - group:
///     name: builders
///     system: true
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The group.
    name: String,
    /// Whether it shall be there.
    #[serde(default)]
    state: State,
    /// Its number.
    gid: Option<u32>,
    /// Take a number of the range for system groups.
    #[serde(default)]
    system: bool,
    /// Allow a number that is used already.
    #[serde(default)]
    non_unique: bool,
    /// Remove it even if it is the primary group of a user.
    #[serde(default)]
    force: bool,
    /// The lowest number to choose.
    gid_min: Option<u32>,
    /// The highest number to choose.
    gid_max: Option<u32>,
    /// Look at this host's own files only, not at directories of groups elsewhere.
    #[serde(default)]
    local: bool,
}

/// There or not.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Absent,
    #[default]
    Present,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Present => "present",
        }
    }
}

/// The module.
pub struct Group;

impl Module for Group {
    type Args = Args;
    const META: Meta = Meta {
        name: "group",
        full_name: "ansible.builtin.group",
        also: &["ansible.legacy.group"],
        summary: "Create and remove groups",
        required_if: &[("non_unique", "true", &["gid"])],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        for (name, given) in [("gid_min", args.gid_min.is_some()), ("gid_max", args.gid_max.is_some())] {
            if args.local && given {
                return Err(refused("M0006", format!("'{name}' can not be used with 'local'")));
            }
        }
        if args.local && args.force {
            let message = "force is not a valid option for local, force=True and local=True are mutually exclusive";
            return Err(refused("M0006", message));
        }
        let mut result = map! { "name" => args.name.clone(), "state" => args.state.name() };
        let present = if args.local {
            accounts::local_groups().into_iter().find(|group| group.name == args.name)
        } else {
            accounts::group(&args.name)
        };
        let name = &args.name;
        let mut output = None;
        match (args.state, &present) {
            (State::Absent, None) => {}
            (State::Absent, Some(_)) => {
                let force: &[&str] = if args.force { &["-f"] } else { &[] };
                let program = Program::new(["groupdel"].iter().chain(force).copied()).arg("--").arg(name).parsable();
                output = account_tool(cx, name, format!("remove group {name}"), program, false)?;
            }
            (State::Present, None) => {
                let mut program = Program::new(["groupadd"]);
                if let Some(gid) = args.gid {
                    program = program.arg("-g").arg(gid.to_string());
                    if args.non_unique {
                        program = program.arg("-o");
                    }
                }
                if args.system {
                    program = program.arg("-r");
                }
                for (key, value) in [("GID_MIN", args.gid_min), ("GID_MAX", args.gid_max)] {
                    if let Some(value) = value {
                        program = program.arg("-K").arg(format!("{key}={value}"));
                    }
                }
                let program = program.arg("--").arg(name).parsable();
                output = account_tool(cx, name, format!("create group {name}"), program, false)?;
            }
            (State::Present, Some(group)) => {
                if let Some(gid) = args.gid.filter(|gid| *gid != group.gid) {
                    let mut program = Program::new(["groupmod", "-g"]).arg(gid.to_string());
                    if args.non_unique {
                        program = program.arg("-o");
                    }
                    let program = program.arg("--").arg(name).parsable();
                    output = account_tool(cx, name, format!("number of group {name} to {gid}"), program, false)?;
                }
            }
        }
        if let Some(output) = output {
            for (key, text) in [("stdout", output.out()), ("stderr", output.err())] {
                if !text.is_empty() {
                    insert(&mut result, key, text);
                }
            }
        }
        match accounts::group(name) {
            Some(group) if args.state == State::Present => {
                insert(&mut result, "system", args.system);
                insert(&mut result, "gid", group.gid);
            }
            None if args.state == State::Present && !cx.check_mode() => {
                return Err(Diagnostic::task("H0110", format!("group `{name}` is not there after its creation")).into());
            }
            _ => {}
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn groups_come_change_and_go() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: creating groups needs root");
            return;
        }
        let name = format!("hct-g{}", std::process::id());
        let args = |more: &[(&str, crate::value::Value)]| {
            let mut map = map! { "name" => name.clone() };
            for (key, value) in more {
                insert(&mut map, key, value.clone());
            }
            map
        };
        assert!(module("group", args(&[])).check(true).ok().changed);
        assert!(accounts::group(&name).is_none());
        let outcome = module("group", args(&[("gid", 61234.into())])).ok();
        assert_eq!((outcome.changed, get(&outcome, "gid")), (true, json!(61234)));
        assert!(!module("group", args(&[("gid", 61234.into())])).ok().changed);
        assert!(module("group", args(&[("gid", 61235.into())])).ok().changed);
        assert!(module("group", args(&[("state", "absent".into())])).ok().changed);
        assert!(!module("group", args(&[("state", "absent".into())])).ok().changed);
        assert_eq!(module("group", map! { "name" => "bad name:" }).fails().diagnostic.code, "H0102");
    }
}
