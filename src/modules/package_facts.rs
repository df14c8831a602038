//! `package_facts`: the packages that a host has as the fact `packages`.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::refusal::refused;
use super::spec::{Meta, Module};
use crate::diag::Result;
use crate::map;
use crate::system::apt::apt;
use crate::system::process::Program;
use crate::value::{Map, Value, insert};

/// Tells which packages the host has. The answer is the fact `packages`: by name a list, since some packages can be
/// there in several versions or architectures. hostctl reads dpkg's and rpm's databases.
///
/// ```yaml
/// - package_facts:
/// - debug:
///     msg: "{{ ansible_facts.packages['openssh-server'][0].version }}"
///   when: "'openssh-server' in ansible_facts.packages"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The managers to ask: `auto`, `apt`, `rpm`, or `dnf`, `dnf5`, `yum` and `zypper` for `rpm`.
    #[serde(default = "auto")]
    manager: Vec<String>,
    /// Stop at the first manager that has packages, or ask all.
    #[serde(default)]
    strategy: Strategy,
}

fn auto() -> Vec<String> {
    vec!["auto".to_owned()]
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    #[default]
    First,
    All,
}

/// The module.
pub struct PackageFacts;

/// Managers of Ansible's module, in its order, with other names last.
const KNOWN: &[&str] = &[
    "apk",
    "apt",
    "pacman",
    "pkg",
    "pkg_info",
    "portage",
    "rpm",
    "dnf",
    "dnf5",
    "yum",
    "zypper",
    "pkg5",
    "pkgng",
    "openbsd_pkg",
];

impl Module for PackageFacts {
    type Args = Args;
    const META: Meta = Meta {
        name: "package_facts",
        full_name: "ansible.builtin.package_facts",
        also: &["ansible.legacy.package_facts"],
        summary: "Tell the packages of a host",
        reads: &["dpkg-query -W", "apt-cache policy", "rpm -qa"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let given: Vec<String> = args.manager.iter().map(|name| name.to_lowercase()).collect();
        let auto = given.iter().any(|name| name == "auto");
        let mut managers: Vec<&str> = given.iter().map(String::as_str).filter(|name| *name != "auto").collect();
        if auto {
            managers.extend(KNOWN);
        }
        let unknown: Vec<&str> = managers.iter().copied().filter(|name| !KNOWN.contains(name)).collect();
        if !unknown.is_empty() {
            let message = if auto {
                "Could not auto detect a usable package manager, check warnings for details.".to_owned()
            } else {
                format!("Unsupported package managers requested: {}", unknown.join(", "))
            };
            return Err(refused("H0110", message));
        }
        let mut packages = Map::new();
        let mut found = 0;
        let mut seen = Vec::new();
        for name in &managers {
            if args.strategy == Strategy::First && found > 0 {
                break;
            }
            let manager = if matches!(*name, "dnf" | "dnf5" | "yum" | "zypper") { "rpm" } else { *name };
            if seen.contains(&manager) {
                continue;
            }
            seen.push(manager);
            let list = match manager {
                "apt" if tool(cx, "dpkg-query").is_some() => debian(cx)?,
                "rpm" if cx.probe().which("rpm").is_some() => rpm(cx).unwrap_or_else(|error| {
                    cx.warn(format!("Failed to retrieve packages with rpm: {error}"));
                    Vec::new()
                }),
                _ => {
                    if given.iter().any(|asked| asked == name) {
                        let reason = if matches!(manager, "apt" | "rpm") {
                            "it is not on this host"
                        } else {
                            "hostctl reads the databases of dpkg and rpm only"
                        };
                        cx.warn(format!("Requested package manager {manager} was not usable by this module: {reason}"));
                    }
                    continue;
                }
            };
            if list.is_empty() {
                cx.warn(format!("Found \"{manager}\" but no associated packages"));
                continue;
            }
            found += 1;
            for (name, entry) in list {
                let mut all =
                    packages.get(&crate::value::StrKey(&name)).and_then(Value::as_list).unwrap_or_default().to_vec();
                all.push(Value::from(entry));
                insert(&mut packages, &name, all);
            }
        }
        if found == 0 {
            let names: Vec<String> = managers.iter().map(|name| format!("'{name}'")).collect();
            let message = format!(
                "Could not detect a supported package manager from the following list: [{}], or the required Python library is not installed. Check warnings for details.",
                names.join(", ")
            );
            return Err(refused("H0110", message));
        }
        Ok(map! { "ansible_facts" => map! { "packages" => packages } })
    }
}

/// A program of Debian's own, wherever `PATH` leads: Ansible asks a library instead.
fn tool(cx: &Cx, name: &str) -> Option<String> {
    let usual = std::path::PathBuf::from("/usr/bin").join(name);
    let found = cx.probe().which(name).or_else(|| Some(usual).filter(|path| cx.probe().exists(path)));
    found.map(|path| path.display().to_string())
}

/// dpkg's packages, with the origin that apt knows of their version.
fn debian(cx: &Cx) -> Result<Vec<(String, Map)>> {
    let format = "${db:Status-Status}\\t${Package}\\t${Architecture}\\t${Version}\\t${Section}\\n";
    let program = tool(cx, "dpkg-query").unwrap_or_else(|| "dpkg-query".to_owned());
    let output = cx.probe().run(apt(&[&program, "-W", "-f", format]))?.out();
    // Not dpkg's own triggers and half-configured ones: what has files counts as installed for apt too.
    let there = ["installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"];
    let native = output
        .lines()
        .find_map(|line| line.split('\t').nth(2).filter(|_| line.split('\t').nth(1) == Some("dpkg")))
        .unwrap_or_default();
    let mut list = Vec::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [status, name, arch, version, section] = fields[..] else { continue };
        if !there.contains(&status) {
            continue;
        }
        let name = if arch == "all" || arch == native { name.to_owned() } else { format!("{name}:{arch}") };
        list.push((name, version.to_owned(), arch.to_owned(), section.to_owned()));
    }
    let origins = origins(cx, &list)?;
    Ok(list
        .into_iter()
        .map(|(name, version, arch, section)| {
            let origin = origins.get(&name).cloned().unwrap_or_default();
            let entry = map! {
                "name" => name.as_str(), "version" => version, "arch" => arch, "category" => section,
                "origin" => origin, "source" => "apt",
            };
            (name, entry)
        })
        .collect())
}

/// The `Origin` of the first source that has the installed version of each package.
fn origins(cx: &Cx, list: &[(String, String, String, String)]) -> Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    let Some(program) = tool(cx, "apt-cache") else { return Ok(found) };
    let sources = sources(&cx.probe().run(apt(&[&program, "policy"]))?.out());
    for part in list.chunks(500) {
        let mut words = vec![program.as_str(), "policy", "--"];
        words.extend(part.iter().map(|(name, ..)| name.as_str()));
        let text = cx.probe().run(apt(&words))?.out();
        let mut name = "";
        let mut here = false;
        for line in text.lines() {
            if !line.starts_with(' ') {
                name = line.trim_end_matches(':');
                here = false;
            } else if line.starts_with(" *** ") {
                here = true;
            } else if here && line.starts_with("        ") {
                // `        500 http://HOST/debian bookworm/main amd64 Packages`
                let place = line.trim_start().split_once(' ').map_or("", |(_, place)| place.trim());
                let origin = sources.get(place).cloned().unwrap_or_default();
                found.insert(name.to_owned(), origin);
                here = false;
            } else {
                here = false;
            }
        }
    }
    Ok(found)
}

/// Sources of `apt-cache policy` with their `o=` of the line below.
fn sources(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut place = "";
    for line in text.lines() {
        if let Some(release) = line.trim_start().strip_prefix("release ") {
            let origin = release.split(',').find_map(|field| field.strip_prefix("o=")).unwrap_or_default();
            found.insert(place.to_owned(), origin.to_owned());
        } else {
            place = line.trim_start().split_once(' ').map_or("", |(_, place)| place.trim());
        }
    }
    found
}

fn rpm(cx: &Cx) -> Result<Vec<(String, Map)>> {
    let format = "%{NAME}\\t%{VERSION}\\t%{RELEASE}\\t%{EPOCH}\\t%{ARCH}\\n";
    let output = cx.probe().run(Program::new(["rpm", "-qa", "--queryformat", format]).parsable())?.out();
    let fields = output.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    Ok(fields
        .filter_map(|fields| {
            let [name, version, release, epoch, arch] = fields[..] else { return None };
            // What a header lacks is Python's `None` in Ansible's facts.
            let or_none = |text: &str| if text == "(none)" { "None".to_owned() } else { text.to_owned() };
            let entry = map! {
                "name" => name, "version" => version, "release" => release, "epoch" => or_none(epoch),
                "arch" => or_none(arch), "source" => "rpm",
            };
            Some((name.to_owned(), entry))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn packages_of_this_host() {
        if crate::system::process::which("dpkg-query", None).is_none() {
            println!("skipped: there is no dpkg here");
            return;
        }
        let outcome = module("package_facts", Map::new()).ok();
        assert!(!outcome.changed);
        let dpkg = &get(&outcome, "ansible_facts")["packages"]["dpkg"][0];
        let said = std::process::Command::new("dpkg-query").args(["-W", "-f", "${Version}", "dpkg"]).output();
        assert_eq!(dpkg["version"], String::from_utf8_lossy(&said.expect("runs").stdout).into_owned());
        assert_eq!((&dpkg["source"], &dpkg["category"]), (&json!("apt"), &json!("admin")));
        let args = map! { "manager" => vec![Value::from("winget")] };
        let failure = module("package_facts", args).fails();
        assert_eq!(failure.diagnostic.message, "unsupported package managers requested: winget");
        let args = map! { "manager" => vec![Value::from("pacman")] };
        assert!(module("package_facts", args).fails().diagnostic.message.starts_with("could not detect"));
    }

    #[test]
    fn sources_of_apt() {
        let text = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n 500 http://d.example/debian bookworm/main amd64 Packages\n     release v=12.1,o=Debian,a=stable,n=bookworm,l=Debian,c=main,b=amd64\n     origin d.example\nPinned packages:\n";
        let found = sources(text);
        assert_eq!(found["http://d.example/debian bookworm/main amd64 Packages"], "Debian");
        assert_eq!(found["/var/lib/dpkg/status"], "");
    }

    #[test]
    fn rpm_packages_by_its_program() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("folder");
        let program = folder.path().join("rpm");
        let text = "#!/bin/sh\ntest \"$1\" = -qa && printf 'bash\\t5.2\\t1.el9\\t(none)\\tx86_64\\nkernel\\t5\\t1\\t2\\tx86_64\\nkernel\\t6\\t1\\t2\\tx86_64\\n'\n";
        std::fs::write(&program, text).expect("program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let args = map! { "manager" => vec![Value::from("dnf")] };
        let found = get(&module("package_facts", args).env("PATH", &path).ok(), "ansible_facts");
        assert_eq!(found["packages"]["kernel"].as_array().map(Vec::len), Some(2));
        assert_eq!(found["packages"]["bash"][0]["epoch"], "None");
    }
}
