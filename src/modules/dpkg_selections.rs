//! `dpkg_selections`: what dpkg shall do with a package (`hold` and the like).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused};
use super::spec::{Meta, Module};
use crate::diag::Result;
use crate::map;
use crate::system::process::{Program, failed};
use crate::value::Map;

/// Sets dpkg's selection of a package. Nothing is installed or removed by it.
///
/// ```yaml
/// - name: The kernel stays as it is
///   dpkg_selections:
///     name: linux-image-amd64
///     selection: hold
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The package.
    name: String,
    /// The selection.
    selection: Selection,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Selection {
    Install,
    Hold,
    Deinstall,
    Purge,
}

impl Selection {
    fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Hold => "hold",
            Self::Deinstall => "deinstall",
            Self::Purge => "purge",
        }
    }
}

/// The module.
pub struct DpkgSelections;

impl Module for DpkgSelections {
    type Args = Args;
    const META: Meta = Meta {
        name: "dpkg_selections",
        full_name: "ansible.builtin.dpkg_selections",
        also: &["ansible.legacy.dpkg_selections"],
        summary: "Set dpkg's selection of a package",
        reads: &["dpkg --get-selections"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if cx.probe().which("dpkg").is_none() {
            return Err(no_program(cx, "dpkg"));
        }
        let (name, wanted) = (&args.name, args.selection.name());
        let program = Program::new(["dpkg", "--get-selections", "--", name]).parsable();
        let output = cx.probe().run(program)?;
        if !output.success() {
            return Err(failed(&format!("dpkg --get-selections {name}"), &output).into());
        }
        if output.err().contains("no packages found matching") {
            let message = format!("Failed to find package '{name}' to perform selection '{wanted}'.");
            return Err(refused("H0114", message));
        }
        let out = output.out();
        let before = out.split_whitespace().nth(1).unwrap_or("not present");
        if before != wanted {
            let line = format!("{name} {wanted}");
            cx.change(format!("{name}: {wanted}"), |host| {
                host.run_ok(Program::new(["dpkg", "--set-selections"]).parsable().stdin(line.into_bytes()))
            })?;
        }
        Ok(map! { "before" => before, "after" => wanted })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use crate::map;

    #[test]
    fn a_package_is_held_once() {
        if crate::system::process::which("dpkg", None).is_none() {
            println!("skipped: there is no dpkg here");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let status = "Package: hct\nStatus: install ok installed\nMaintainer: a <a@b.example>\nArchitecture: all\nVersion: 1\nDescription: x\n\n";
        std::fs::write(folder.path().join("status"), status).expect("status");
        std::fs::write(folder.path().join("available"), "").expect("available");
        for name in ["updates", "info"] {
            std::fs::create_dir(folder.path().join(name)).expect("folder");
        }
        let admin = folder.path().display().to_string();
        let hold = |name: &str| {
            module("dpkg_selections", map! { "name" => name, "selection" => "hold" }).env("DPKG_ADMINDIR", &admin)
        };
        let outcome = hold("hct").check(true).ok();
        assert!(outcome.changed);
        assert_eq!((get(&outcome, "before"), get(&outcome, "after")), (json!("install"), json!("hold")));
        assert!(hold("hct").ok().changed);
        assert!(std::fs::read_to_string(folder.path().join("status")).expect("status").contains("hold ok installed"));
        assert!(!hold("hct").ok().changed);
        let failure = hold("no-such-package").fails();
        assert_eq!(failure.diagnostic.message, "failed to find package 'no-such-package' to perform selection 'hold'");
    }
}
