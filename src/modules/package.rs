//! `package`: packages by whichever manager the host has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apt;
use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::process::Program;
use crate::value::{Map, insert};

/// Installs and removes packages with the host's own manager: apt, or dnf.
///
/// ```yaml
/// - package:
///     name: [lvm2, curl]
///     state: present
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The packages, as the manager names them.
    #[serde(default)]
    name: Vec<String>,
    /// How they shall be.
    #[serde(default)]
    state: State,
    /// Read the package lists first. Goes to the manager, as Ansible hands it on.
    #[serde(default)]
    update_cache: Option<bool>,
    /// Seconds for which lists that were read count as fresh. Only apt knows it.
    #[serde(default)]
    cache_valid_time: Option<i64>,
    /// The manager to use.
    #[serde(default, rename = "use")]
    manager: Use,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Present,
    Installed,
    Latest,
    Absent,
    Removed,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Use {
    #[default]
    Auto,
    Apt,
    Dnf,
    Dnf5,
    Yum,
}

/// The module.
pub struct Package;

impl Module for Package {
    type Args = Args;
    const META: Meta = Meta {
        name: "package",
        full_name: "ansible.builtin.package",
        also: &["ansible.legacy.package"],
        summary: "Manage packages with the host's own manager",
        one_of: &[&["name", "update_cache", "cache_valid_time"]],
        reads: &["dpkg-query", "apt-cache", "apt-get -s", "dpkg --compare-versions", "rpm -q", "dnf -q check-update"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let has = |program: &str| cx.probe().which(program).is_some();
        let use_apt = match args.manager {
            Use::Apt => true,
            Use::Dnf | Use::Dnf5 | Use::Yum => false,
            Use::Auto if has("apt-get") && has("dpkg") => true,
            Use::Auto if has("dnf") => false,
            Use::Auto => {
                return Err(Diagnostic::task(
                    "H0103",
                    "this host has neither apt nor dnf, which are the package managers that hostctl knows",
                )
                .into());
            }
        };
        let state = match args.state {
            State::Present | State::Installed => apt::State::Present,
            State::Latest => apt::State::Latest,
            State::Absent | State::Removed => apt::State::Absent,
        };
        if use_apt {
            return apt::run(cx, &apt::Args::of(args.name, state, args.update_cache, args.cache_valid_time));
        }
        if args.cache_valid_time.is_some() {
            return Err(Diagnostic::task("H0103", "`cache_valid_time` is known to apt only, and this host has dnf")
                .with_hint("leave it out on such hosts: `{{ 3600 if ansible_facts.pkg_mgr == 'apt' else omit }}`")
                .into());
        }
        if args.update_cache == Some(true) {
            cx.scratch(|host| host.run_ok(Program::new(["dnf", "-y", "makecache"]).parsable()))?;
        }
        dnf(cx, &args.name, state)
    }
}

fn dnf(cx: &Cx, names: &[String], state: apt::State) -> Result<Map, Failure> {
    let probe = cx.probe();
    let mut wanted = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let installed = probe.run(Program::new(["rpm", "-q", "--whatprovides", name]).parsable())?.success();
        let needed = match state {
            apt::State::Absent => installed,
            apt::State::Latest if installed => {
                // Code 100 means that there are updates.
                probe.run(Program::new(["dnf", "-q", "check-update", name]).parsable())?.rc == 100
            }
            _ => !installed,
        };
        if needed {
            wanted.push(name.to_owned());
        }
    }
    let mut result = map! { "results" => Vec::new() };
    if wanted.is_empty() {
        insert(&mut result, "msg", "Nothing to do");
        return Ok(result);
    }
    let verb = match state {
        apt::State::Absent => "remove",
        apt::State::Latest => "upgrade",
        _ => "install",
    };
    let words = ["dnf", "-y", verb].into_iter().map(str::to_owned).chain(wanted.iter().cloned());
    let program = Program::new(words).parsable();
    let output = cx.change(format!("{verb} {}", wanted.join(", ")), |host| host.run_ok(program))?;
    if let Some(output) = output {
        insert(&mut result, "stdout", output.out());
    }
    Ok(result)
}
