//! `service_facts`: the host's services and their states as the fact `services`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::Result;
use crate::map;
use crate::system::process::{Output, Program};
use crate::system::services::Manager;
use crate::value::{Map, StrKey, Value, insert};

/// Tells which services the host has, whether they run, and whether they start at boot. The answer is the fact
/// `services`, by name; systemd's names end with `.service`.
///
/// ```yaml
/// - service_facts:
/// - debug:
///     var: ansible_facts.services['ssh.service'].state
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {}

/// The module.
pub struct ServiceFacts;

/// States that stay although a unit's file says otherwise.
const BAD: &[&str] = &["not-found", "masked", "failed"];

impl Module for ServiceFacts {
    type Args = Args;
    const META: Meta = Meta {
        name: "service_facts",
        full_name: "ansible.builtin.service_facts",
        also: &["ansible.legacy.service_facts"],
        summary: "Tell the services of a host",
        reads: &[
            "systemctl list-units",
            "systemctl list-unit-files",
            "systemctl show",
            "service --status-all",
            "service * status",
            "chkconfig",
            "rc-status -a -s -m",
            "rc-update show -v",
        ],
        ..Meta::NONE
    };

    fn run(cx: &Cx, _: Args) -> Result<Map, Failure> {
        let mut services = Map::new();
        let has = |program: &str| cx.probe().which(program).is_some();
        if has("service") && !has("chkconfig") && !has("rc-status") {
            init_scripts(cx, &mut services)?;
        }
        if has("chkconfig") {
            chkconfig(cx, &mut services)?;
        } else if has("rc-status") && has("rc-update") {
            openrc(cx, &mut services)?;
        }
        if cx.probe().service_manager() == Manager::Systemd {
            systemd(cx, &mut services)?;
        }
        if services.is_empty() {
            cx.skip();
            let message =
                "Failed to find any services. This can be due to privileges or some other configuration issue.";
            return Ok(map! { "msg" => message });
        }
        Ok(map! { "ansible_facts" => map! { "services" => services } })
    }
}

fn ask(cx: &Cx, words: &[&str]) -> Result<Output> {
    cx.probe().run(Program::new(words.iter().copied()).parsable())
}

fn put(services: &mut Map, name: &str, state: &str, status: Option<&str>, source: &str) {
    let mut entry = map! { "name" => name, "state" => state };
    if let Some(status) = status {
        insert(&mut entry, "status", status);
    }
    insert(&mut entry, "source", source);
    insert(services, name, entry);
}

/// `service --status-all` of Debian: ` [ + ]  name`.
fn init_scripts(cx: &Cx, services: &mut Map) -> Result<()> {
    let output = ask(cx, &["service", "--status-all"])?;
    if output.rc == 4 && !cx.probe().is_dir(std::path::Path::new("/etc/init.d")) {
        return Ok(());
    }
    if !output.success() {
        cx.warn(format!("Unable to query 'service' tool ({}): {}", output.rc, output.err()));
    }
    for line in output.out().lines() {
        let (state, rest) = match line.trim_start() {
            line if line.starts_with("[ + ]") => ("running", &line[5..]),
            line if line.starts_with("[ - ]") => ("stopped", &line[5..]),
            _ => continue,
        };
        put(services, rest.trim_start(), state, None, "sysv");
    }
    Ok(())
}

/// `chkconfig` of Red Hat's: `name 0:off 1:off 2:on 3:on ...`.
fn chkconfig(cx: &Cx, services: &mut Map) -> Result<()> {
    let level = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let levels: Vec<&str> = words.collect();
        let of = |at: usize| levels.get(at).and_then(|word| word.strip_prefix(&format!("{at}:")).map(str::to_owned));
        (0..7)
            .all(|at| of(at).is_some_and(|word| word == "on" || word == "off"))
            .then(|| (name, of(3).is_some_and(|word| word == "on")))
    };
    let mut output = ask(cx, &["chkconfig"])?;
    if !output.out().lines().any(|line| level(line).is_some()) {
        let two = |line: &str| line.split_whitespace().nth(1).is_some_and(|word| word == "on" || word == "off");
        if output.out().lines().any(two) {
            output = ask(cx, &["chkconfig", "-l", "--allservices"])?;
        } else if output.err().contains("--list") {
            output = ask(cx, &["chkconfig", "--list"])?;
        }
    }
    for (name, on) in output.out().lines().filter_map(level) {
        let said = ask(cx, &["service", &name, "status"])?;
        let words = said.err().to_lowercase();
        let mut state = Value::from(if said.success() { "running" } else { "stopped" });
        if !said.success() && ["root", "permission", "not in sudoers"].iter().any(|word| words.contains(word)) {
            cx.warn(format!("Insufficient permissions to query sysV service \"{name}\" and their states"));
            state = Value::from(i64::from(said.rc));
        }
        let status = if on { "enabled" } else { "disabled" };
        insert(
            services,
            &name,
            map! { "name" => name.as_str(), "state" => state, "status" => status, "source" => "sysv" },
        );
    }
    Ok(())
}

/// Alpine's and Gentoo's.
fn openrc(cx: &Cx, services: &mut Map) -> Result<()> {
    let mut levels = Map::new();
    let shown = ask(cx, &["rc-update", "show", "-v"])?;
    for (name, list) in shown.out().lines().filter_map(|line| line.split_once('|')) {
        let list: Vec<Value> = list.split('|').next().unwrap_or_default().split_whitespace().map(Value::from).collect();
        insert(&mut levels, name.trim(), if list.is_empty() { Value::Null } else { Value::from(list) });
    }
    let output = ask(cx, &["rc-status", "-a", "-s", "-m"])?;
    let text = (output.out() + &output.err()).replace(['[', ']'], "");
    for line in text.lines().filter(|line| line.starts_with(' ')) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(state)) = (words.next(), words.next()) else { continue };
        if name == "*" {
            continue;
        }
        let Some(runlevels) = levels.get(&StrKey(name)) else {
            cx.warn(format!("Service {name} not found in the service list"));
            continue;
        };
        let entry = map! {
            "name" => name, "runlevels" => runlevels.clone(), "state" => state, "source" => "openrc",
        };
        insert(services, name, entry);
    }
    Ok(())
}

fn systemd(cx: &Cx, services: &mut Map) -> Result<(), Failure> {
    let units = ask(cx, &["systemctl", "list-units", "--no-pager", "--type", "service", "--all", "--plain"])?;
    if units.success() {
        for line in units.out().lines() {
            if let Some((name, state, status)) = unit(line) {
                put(services, name, state, Some(status), "systemd");
            }
        }
    } else {
        cx.warn(format!("Could not list units from systemd: {}", units.err()));
    }
    let files = ask(cx, &["systemctl", "list-unit-files", "--no-pager", "--type", "service", "--all"])?;
    if !files.success() {
        cx.warn(format!("Could not get unit files data from systemd: {}", files.err()));
        return Ok(());
    }
    for line in files.out().lines().filter(|line| line.contains(".service")) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else {
            let message = format!("Malformed output discovered from systemd list-unit-files: {line}");
            return Err(super::refusal::refused("H0113", message));
        };
        let known = services.get(&StrKey(name)).cloned();
        match known.as_ref().and_then(Value::as_map) {
            None => {
                let said = ask(cx, &["systemctl", "show", name, "--property=ActiveState"])?;
                let text = said.out();
                let state = if said.success() && !text.is_empty() {
                    text.replace("ActiveState=", "").trim_end().to_owned()
                } else {
                    "unknown".to_owned()
                };
                put(services, name, &state, Some(status), "systemd");
            }
            Some(entry) => {
                let before = entry.get(&StrKey("status")).and_then(Value::as_str).unwrap_or_default();
                if !BAD.contains(&before) {
                    let mut entry = entry.clone();
                    insert(&mut entry, "status", status);
                    insert(services, name, entry);
                }
            }
        }
    }
    Ok(())
}

/// A line of `list-units`: name, state, status.
fn unit(line: &str) -> Option<(&str, &'static str, &str)> {
    if !line.contains(".service") {
        return None;
    }
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, before) = fields.split_last()?;
    let status = BAD.iter().find(|bad| before.contains(bad)).copied().or_else(|| fields.get(2).copied())?;
    Some((fields[0], if fields.get(3) == Some(&"running") { "running" } else { "stopped" }, status))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    /// A folder with programs of these names and texts, before the host's own in PATH.
    fn programs(list: &[(&str, &str)]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in list {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("program");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        }
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        (folder, path)
    }

    #[test]
    fn init_scripts_are_told_with_their_states() {
        let said = "printf ' [ + ]  cron\\n [ - ]  x11-common\\n [ ? ]  hwclock.sh\\n'";
        let (_folder, path) = programs(&[("service", said)]);
        let outcome = module("service_facts", Map::new()).env("PATH", &path).ok();
        assert!(!outcome.changed);
        let found = &get(&outcome, "ansible_facts")["services"];
        assert_eq!(found["cron"], json!({"name": "cron", "state": "running", "source": "sysv"}));
        assert_eq!(found["x11-common"]["state"], "stopped");
        assert!(found.get("hwclock.sh").is_none());
    }

    #[test]
    fn chkconfig_lines_are_read() {
        let list =
            "echo 'network 0:off 1:off 2:on 3:on 4:on 5:on 6:off'; echo 'netfs 0:off 1:off 2:on 3:off 4:on 5:on 6:off'";
        let (_folder, path) = programs(&[("chkconfig", list), ("service", "test $1 = network")]);
        let found = &get(&module("service_facts", Map::new()).env("PATH", &path).ok(), "ansible_facts")["services"];
        assert_eq!(
            found["network"],
            json!({"name": "network", "state": "running", "status": "enabled", "source": "sysv"})
        );
        assert_eq!(
            found["netfs"],
            json!({"name": "netfs", "state": "stopped", "status": "disabled", "source": "sysv"})
        );
    }

    #[test]
    fn units_as_systemctl_prints_them() {
        let check =
            |line: &str, expected: Option<(&str, &'static str, &str)>| assert_eq!(unit(line), expected, "{line}");
        check(
            "ssh.service loaded active running OpenBSD Secure Shell server",
            Some(("ssh.service", "running", "active")),
        );
        check("apt-daily.service loaded inactive dead Daily apt", Some(("apt-daily.service", "stopped", "inactive")));
        check("x.service not-found inactive dead x.service", Some(("x.service", "stopped", "not-found")));
        check("y.service loaded failed failed Will not be masked", Some(("y.service", "stopped", "failed")));
        check("UNIT LOAD ACTIVE SUB DESCRIPTION", None);
    }
}
