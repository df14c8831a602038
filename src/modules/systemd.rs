//! `systemd_service` (also `systemd`): units, through `systemctl`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::process::{Output, Program};
use crate::value::{Map, StrKey, Value, insert};

/// Starts, stops, enables and masks units of systemd.
///
/// ```yaml
/// - systemd_service:
///     name: docker
///     state: started
///     enabled: true
///     daemon_reload: true
/// ```
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The unit; `.service` may be left out.
    pub(super) name: Option<String>,
    /// How it shall be.
    pub(super) state: Option<ServiceState>,
    /// Start it at boot.
    pub(super) enabled: Option<bool>,
    /// Make it impossible to start.
    masked: Option<bool>,
    /// Let systemd read its files again, before anything else.
    #[serde(default)]
    daemon_reload: bool,
    /// Let systemd start itself again, before anything else.
    #[serde(default)]
    daemon_reexec: bool,
    /// Replace conflicting links when enabling.
    force: Option<bool>,
    /// Do not wait for the unit.
    #[serde(default)]
    no_block: bool,
    /// Whose systemd.
    #[serde(default)]
    scope: Scope,
}

impl Args {
    /// What `service` asks for.
    pub(super) fn of(service: super::service::Args) -> Self {
        Self {
            name: Some(service.name),
            state: service.state,
            enabled: service.enabled,
            masked: service.masked,
            daemon_reload: service.daemon_reload.unwrap_or_default(),
            daemon_reexec: service.daemon_reexec.unwrap_or_default(),
            force: service.force,
            no_block: service.no_block.unwrap_or_default(),
            scope: service.scope.unwrap_or_default(),
        }
    }
}

/// States that services can be brought to.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum ServiceState {
    Reloaded,
    Restarted,
    Started,
    Stopped,
}

impl ServiceState {
    /// As Ansible spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reloaded => "reloaded",
            Self::Restarted => "restarted",
            Self::Started => "started",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    #[default]
    System,
    User,
    Global,
}

/// What `systemctl` may be asked without a change guard.
pub(super) const READS: &[&str] = &[
    "systemctl show",
    "systemctl is-enabled",
    "systemctl list-unit-files",
    "systemctl --user show",
    "systemctl --user is-enabled",
    "systemctl --user list-unit-files",
    "systemctl --global show",
    "systemctl --global is-enabled",
    "systemctl --global list-unit-files",
    "service * status",
    "/etc/init.d/* status",
];

/// The module.
pub struct Systemd;

impl Module for Systemd {
    type Args = Args;
    const META: Meta = Meta {
        name: "systemd_service",
        full_name: "ansible.builtin.systemd_service",
        also: &["systemd", "ansible.builtin.systemd", "ansible.legacy.systemd", "ansible.legacy.systemd_service"],
        summary: "Manage units of systemd",
        aliases: &[
            ("name", &["service", "unit"]),
            ("daemon_reload", &["daemon-reload"]),
            ("daemon_reexec", &["daemon-reexec"]),
        ],
        // Ansible's "one of" names arguments with a default, so a name alone asks for the unit's status.
        reads: READS,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        run(cx, args)
    }
}

struct Systemctl<'a> {
    cx: &'a Cx,
    flags: Vec<&'static str>,
    no_block: bool,
    force: bool,
}

impl Systemctl<'_> {
    fn program(&self, verb: &str) -> Program<'static> {
        let mut program = Program::new(["systemctl".to_owned()]);
        for flag in &self.flags {
            program = program.arg(*flag);
        }
        program = program.arg(verb);
        if self.cx.probe().variable("XDG_RUNTIME_DIR").is_none() {
            program = program.env("XDG_RUNTIME_DIR", format!("/run/user/{}", rustix::process::geteuid().as_raw()));
        }
        program.parsable()
    }

    fn ask(&self, verb: &str, unit: &str) -> Result<Output> {
        self.cx.probe().run(self.program(verb).arg("--").arg(unit))
    }

    fn change(&self, verb: &str, unit: Option<&str>) -> Result<()> {
        let mut program = self.program(verb);
        if self.no_block {
            program = program.arg("--no-block");
        }
        if self.force {
            program = program.arg("--force");
        }
        if let Some(unit) = unit {
            program = program.arg("--").arg(unit);
        }
        let shown = program.shown();
        let what = match unit {
            Some(unit) => format!("{verb} {unit}"),
            None => verb.to_owned(),
        };
        self.cx.change(what, |host| {
            let output = host.run(program)?;
            if output.success() {
                return Ok(());
            }
            let place = unit.map_or_else(String::new, |unit| format!(" `{unit}`"));
            let mut error = Diagnostic::task(
                "H0113",
                format!("cannot {verb}{place}: {}", output.said().lines().next().unwrap_or_default()),
            )
            .with_note(format!("ran: {shown}   (exit {})", output.rc));
            error.notes.extend(output.said().lines().skip(1).take(20).map(str::to_owned));
            Err(match unit {
                Some(unit) => error.with_hint(format!("journalctl -u {unit}")),
                None => error,
            })
        })?;
        Ok(())
    }
}

/// The work, for `service` too.
pub(super) fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
    let probe = cx.probe();
    if probe.which("systemctl").is_none() {
        let error = Diagnostic::task("H0103", "this host has no `systemctl`")
            .with_hint("the module `service` works with init scripts too");
        return Err(error.into());
    }
    let flags = match args.scope {
        Scope::System => vec![],
        Scope::User => vec!["--user"],
        Scope::Global => vec!["--global"],
    };
    let systemctl = Systemctl { cx, flags, no_block: args.no_block, force: args.force == Some(true) };
    let mut result = map! { "name" => args.name.clone(), "status" => Map::new() };
    if args.daemon_reload && !cx.check_mode() {
        reload(&systemctl, "daemon-reload")?;
    }
    if args.daemon_reexec && !cx.check_mode() {
        reload(&systemctl, "daemon-reexec")?;
    }
    let Some(unit) = args.name.as_deref() else {
        if args.state.is_some() || args.enabled.is_some() || args.masked.is_some() {
            return Err(Diagnostic::task(
                "M0003",
                "`systemd_service` needs the argument `name` for `state`, `enabled` and `masked`",
            )
            .into());
        }
        return Ok(result);
    };
    let shown = systemctl.ask("show", unit)?;
    let ignored = |text: &str| text.contains("ignoring request") || text.contains("ignoring command");
    let said = shown.out() + &shown.err();
    let offline = !shown.success() || ignored(&said);
    let status = if offline { Map::new() } else { parse_show(&shown.out()) };
    let field = |name: &str| status.get(&StrKey(name)).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut is_unit = !offline && !matches!(field("LoadState").as_str(), "" | "not-found");
    if offline {
        let listed = systemctl.ask("is-enabled", unit)?;
        is_unit = !matches!(listed.out().trim(), "" | "not-found") || systemctl.ask("list-unit-files", unit)?.success();
    }
    if is_unit && field("LoadState") != "masked" && !field("LoadError").is_empty() {
        let message = format!("error loading unit file `{unit}`: {}", field("LoadError"));
        return Err(Diagnostic::task("H0113", message).into());
    }
    let script = probe.init_script(unit.trim_end_matches(".service"));
    let found = is_unit || script.is_some();
    if script.is_some() && !is_unit {
        cx.warn(format!("the service `{unit}` is an init script, but the system is managed by systemd"));
    }
    let missing = || {
        let error = Diagnostic::task("H0112", format!("could not find the requested service {unit}: host"))
            .with_registered(format!("Could not find the requested service {unit}: host"));
        Failure::from(error.with_hint("systemctl list-unit-files"))
    };
    insert(&mut result, "status", status.clone());
    if let Some(wanted) = args.masked {
        let masked = systemctl.ask("is-enabled", unit)?.out().trim() == "masked";
        if masked != wanted {
            systemctl.change(if wanted { "mask" } else { "unmask" }, Some(unit))?;
        }
    }
    if let Some(wanted) = args.enabled {
        if !found {
            return Err(missing());
        }
        let asked = systemctl.ask("is-enabled", unit)?;
        let word = asked.out().trim().to_owned();
        let enabled = match asked.rc {
            0 => !matches!(word.as_str(), "enabled-runtime" | "indirect" | "alias"),
            1 => {
                args.scope == Scope::System
                    && script.is_some()
                    && !word.ends_with("disabled")
                    && probe.sysv_enabled(unit, None)
            }
            _ => false,
        };
        if enabled != wanted {
            systemctl.change(if wanted { "enable" } else { "disable" }, Some(unit))?;
        }
        insert(&mut result, "enabled", wanted);
    }
    if let Some(wanted) = args.state {
        if !found {
            return Err(missing());
        }
        if offline && !probe.is_chroot() && probe.variable("SYSTEMD_OFFLINE").as_deref() != Some("1") {
            let error =
                Diagnostic::task("H0113", format!("systemd does not run on this host, so `{unit}` has no state"))
                    .with_registered("Service is in unknown state")
                    .with_hint("the module `service` uses init scripts where systemd does not run");
            return Err(Failure::with_result(error, map! { "status" => status }));
        }
        if offline {
            cx.warn("systemd does not answer here (a chroot, or offline): the state was not changed");
            insert(&mut result, "state", wanted.name());
            return Ok(result);
        }
        let running = matches!(field("ActiveState").as_str(), "active" | "activating");
        let ending = field("ActiveState") == "deactivating";
        let verb = match wanted {
            ServiceState::Started if !running => Some("start"),
            ServiceState::Stopped if running || ending => Some("stop"),
            ServiceState::Restarted | ServiceState::Reloaded if !running => Some("start"),
            ServiceState::Restarted => Some("restart"),
            ServiceState::Reloaded => Some("reload"),
            ServiceState::Started | ServiceState::Stopped => None,
        };
        if let Some(verb) = verb {
            systemctl.change(verb, Some(unit))?;
        }
        let state = if wanted == ServiceState::Stopped { "stopped" } else { "started" };
        insert(&mut result, "state", state);
    }
    Ok(result)
}

/// Reading unit files again changes nothing that the user declared, so it does not count as a change.
fn reload(systemctl: &Systemctl<'_>, verb: &str) -> Result<()> {
    let program = systemctl.program(verb);
    let shown = program.shown();
    systemctl.cx.scratch(|host| {
        let output = host.run(program)?;
        if output.success() {
            return Ok(());
        }
        if host.probe().variable("SYSTEMD_OFFLINE").as_deref() == Some("1") {
            systemctl.cx.warn(format!("`{verb}` failed, but systemd is offline here: {}", output.said()));
            return Ok(());
        }
        Err(Diagnostic::task("H0113", format!("failure {} during {verb}: {}", output.rc, output.said()))
            .with_note(format!("ran: {shown}")))
    })?;
    Ok(())
}

/// `KEY=value` lines; values of `Exec...` that open a brace go on to its end.
fn parse_show(text: &str) -> Map {
    let mut status = Map::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some((key, mut value)) = open.take() {
            value.push('\n');
            value.push_str(line);
            if line.trim_end().ends_with('}') {
                insert(&mut status, &key, value);
            } else {
                open = Some((key, value));
            }
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            if key.starts_with("Exec") && value.starts_with('{') && !value.ends_with('}') {
                open = Some((key.to_owned(), value.to_owned()));
            } else {
                insert(&mut status, key, value);
            }
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_running_systemd_a_state_is_unknown() {
        use std::os::unix::fs::PermissionsExt as _;

        use super::super::testing::{get, module};
        let folder = tempfile::tempdir().expect("folder");
        let fake = folder.path().join("systemctl");
        let text = "#!/bin/sh\ncase $1 in is-enabled) echo enabled;; *) echo 'System has not been booted' >&2; exit 1;; esac\n";
        std::fs::write(&fake, text).expect("write");
        std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).expect("mode");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let unit = |offline: &str| {
            let args = map! { "name" => "a", "state" => "started" };
            module("systemd_service", args).env("PATH", &path).env("SYSTEMD_OFFLINE", offline)
        };
        assert_eq!(get(&unit("1").ok(), "state"), "started");
        if crate::system::Probe::new(Vec::new()).is_chroot() {
            println!("skipped: in a chroot Ansible warns only");
            return;
        }
        let failure = unit("0").fails();
        assert_eq!(failure.diagnostic.registered(), "Service is in unknown state");
        assert_eq!(failure.result.get(&StrKey("status")), Some(&Value::from(Map::new())));
    }

    #[test]
    fn show_is_parsed_over_lines() {
        let status = parse_show("Id=a.service\nExecStart={ path=/bin/sh ;\n argv[]=x }\nActiveState=active\nA=b=c\n");
        let get = |key: &str| status.get(&StrKey(key)).and_then(Value::as_str);
        assert_eq!(get("ExecStart"), Some("{ path=/bin/sh ;\n argv[]=x }"));
        assert_eq!((get("ActiveState"), get("A")), (Some("active"), Some("b=c")));
    }
}
