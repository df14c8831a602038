//! `systemd_service` (also `systemd`): units, through `systemctl`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{not_in_paths, refused};
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::shown;
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

/// What `systemctl is-enabled` says of units that are there.
const ENABLED: &[&str] = &[
    "enabled",
    "enabled-runtime",
    "linked",
    "linked-runtime",
    "masked",
    "masked-runtime",
    "static",
    "indirect",
    "disabled",
    "generated",
    "transient",
];

/// What `systemctl` may be asked without a change guard.
pub(super) const READS: &[&str] = &[
    "systemctl show",
    "systemctl is-enabled",
    "systemctl list-unit-files",
    "systemctl list-units",
    "systemctl --user show",
    "systemctl --user is-enabled",
    "systemctl --user list-unit-files",
    "systemctl --user list-units",
    "systemctl --global show",
    "systemctl --global is-enabled",
    "systemctl --global list-unit-files",
    "systemctl --global list-units",
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
        required_by: &[("state", &["name"]), ("enabled", &["name"]), ("masked", &["name"])],
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

    /// Whether systemd answers at all; its words and code are what is registered where it does not.
    fn answers(&self) -> Result<(), Failure> {
        let probe = self.cx.probe();
        let output = probe.run(self.program("list-units"))?;
        if output.success() {
            return Ok(());
        }
        let path = probe.which("systemctl").map(|path| shown(&path)).unwrap_or_default();
        let cmd = [path.as_str()].into_iter().chain(self.flags.iter().copied()).collect::<Vec<_>>().join(" ");
        let result = map! { "cmd" => cmd, "rc" => output.rc, "stdout" => output.out(), "stderr" => output.err() };
        let said = output.err();
        let first = said.lines().next().unwrap_or_default().trim_end_matches('.');
        let error = Diagnostic::task("H0113", format!("systemd does not answer on this host: {first}"))
            .with_registered(said.trim_end())
            .with_hint("the module `service` uses init scripts where systemd does not run");
        Err(Failure::with_result(error, result))
    }

    /// `found`: the unit is known; Ansible's words for a failure hang on that.
    fn change(&self, verb: &str, unit: &str, found: bool) -> Result<()> {
        let mut program = self.program(verb);
        if self.no_block {
            program = program.arg("--no-block");
        }
        if self.force {
            program = program.arg("--force");
        }
        let program = program.arg("--").arg(unit);
        let shown = program.shown();
        self.cx.change(format!("{verb} {unit}"), |host| {
            let output = host.run(program)?;
            if output.success() {
                return Ok(());
            }
            let (said, err) = (output.said(), output.err());
            let first = said.lines().next().unwrap_or_default();
            let words = match verb {
                "mask" | "unmask" if !found => missing_words(unit),
                "mask" | "unmask" => format!("Failed to {verb} the service ({unit}): {}", err.trim()),
                "enable" | "disable" => format!("Unable to {verb} service {unit}: {}{err}", output.out()),
                _ => format!("Unable to {verb} service {unit}: {err}"),
            };
            let mut error = Diagnostic::task("H0113", format!("cannot {verb} `{unit}`: {first}"))
                .with_note(format!("ran: {shown}   (exit {})", output.rc))
                .with_registered(words);
            error.notes.extend(said.lines().skip(1).take(20).map(str::to_owned));
            Err(error.with_hint(format!("journalctl -u {unit}")))
        })?;
        Ok(())
    }
}

/// What Ansible registers of a service that is not there.
fn missing_words(unit: &str) -> String {
    format!("Could not find the requested service {unit}: host")
}

/// The work, for `service` too.
pub(super) fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
    let probe = cx.probe();
    if let Some(unit) = &args.name
        && let Some(pattern) = ['*', '?', '['].into_iter().find(|pattern| unit.contains(*pattern))
    {
        let message = format!(
            "This module does not currently support using glob patterns, found '{pattern}' in service name: {unit}"
        );
        return Err(refused("H0110", message));
    }
    if probe.which("systemctl").is_none() {
        let error = Diagnostic::task("H0103", "this host has no `systemctl`")
            .with_registered(not_in_paths(cx, "systemctl"))
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
        return Ok(result);
    };
    let shown = systemctl.ask("show", unit)?;
    let ignored =
        |text: &str| !text.contains('=') && (text.contains("ignoring request") || text.contains("ignoring command"));
    let offline = !shown.success() || ignored(&shown.out()) || ignored(&shown.err());
    let status = if offline { Map::new() } else { parse_show(&shown.out()) };
    let field = |name: &str| status.get(&StrKey(name)).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut is_unit = !offline && !matches!(field("LoadState").as_str(), "" | "not-found");
    if offline {
        let listed = systemctl.ask("is-enabled", unit)?;
        is_unit = ENABLED.contains(&listed.out().trim()) || systemctl.ask("list-unit-files", unit)?.success();
        if !is_unit {
            systemctl.answers()?;
        }
    }
    if is_unit && field("LoadState") != "masked" && !field("LoadError").is_empty() {
        let message = format!("error loading unit file `{unit}`: {}", field("LoadError"));
        let words = format!("Error loading unit file '{unit}': {}", field("LoadError"));
        return Err(Diagnostic::task("H0113", message).with_registered(words).into());
    }
    let script = probe.init_script(unit.trim_end_matches(".service"));
    let found = is_unit || script.is_some();
    if script.is_some() && !is_unit {
        cx.warn(format!("the service `{unit}` is an init script, but the system is managed by systemd"));
    }
    let missing = || {
        let error = Diagnostic::task("H0112", format!("could not find the requested service {unit}: host"))
            .with_registered(missing_words(unit));
        Failure::from(error.with_hint("systemctl list-unit-files"))
    };
    insert(&mut result, "status", status.clone());
    if let Some(wanted) = args.masked {
        let masked = systemctl.ask("is-enabled", unit)?.out().trim() == "masked";
        if masked != wanted {
            systemctl.change(if wanted { "mask" } else { "unmask" }, unit, found)?;
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
            systemctl.change(if wanted { "enable" } else { "disable" }, unit, found)?;
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
            systemctl.change(verb, unit, found)?;
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
        if host.probe().is_chroot() || host.probe().variable("SYSTEMD_OFFLINE").as_deref() == Some("1") {
            systemctl.cx.warn(format!(
                "{verb} failed, but target is a chroot or systemd is offline. Continuing. Error was: {} / {}",
                output.rc,
                output.err()
            ));
            return Ok(());
        }
        Err(Diagnostic::task("H0113", format!("failure {} during {verb}: {}", output.rc, output.said()))
            .with_registered(format!("failure {} during {verb}: {}", output.rc, output.err()))
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
    fn a_host_without_systemd_says_so_in_systemds_words() {
        use std::os::unix::fs::PermissionsExt as _;

        use super::super::testing::module;
        let folder = tempfile::tempdir().expect("folder");
        let fake = folder.path().join("systemctl");
        let text = "#!/bin/sh\necho \"System has not been booted with systemd as init system (PID 1). Can't operate.\" >&2\n\
                    echo 'Failed to connect to bus: Host is down' >&2\nexit 1\n";
        std::fs::write(&fake, text).expect("write");
        std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).expect("mode");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        for args in [map! { "name" => "a" }, map! { "name" => "a", "scope" => "user", "masked" => true }] {
            let user = args.contains_key(&StrKey("scope"));
            let failure = module("systemd_service", args).env("PATH", &path).fails();
            let words = "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down";
            assert_eq!(failure.diagnostic.registered(), words);
            let get = |key: &str| failure.result.get(&StrKey(key)).cloned();
            let cmd = format!("{}{}", fake.display(), if user { " --user" } else { "" });
            assert_eq!((get("cmd"), get("rc")), (Some(cmd.into()), Some(1.into())));
            assert_eq!(get("stderr"), Some(format!("{words}\n").into()));
        }
        let failure = module("systemd_service", map! { "name" => "a*" }).fails();
        let words = "This module does not currently support using glob patterns, found '*' in service name: a*";
        assert_eq!(failure.result.get(&StrKey("msg")), Some(&words.into()));
    }

    #[test]
    fn show_is_parsed_over_lines() {
        let status = parse_show("Id=a.service\nExecStart={ path=/bin/sh ;\n argv[]=x }\nActiveState=active\nA=b=c\n");
        let get = |key: &str| status.get(&StrKey(key)).and_then(Value::as_str);
        assert_eq!(get("ExecStart"), Some("{ path=/bin/sh ;\n argv[]=x }"));
        assert_eq!((get("ActiveState"), get("A")), (Some("active"), Some("b=c")));
    }
}
