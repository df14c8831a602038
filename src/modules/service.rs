//! `service` and `sysvinit`: services by whatever manages them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::spec::{HandsTo, Meta, Module};
use super::systemd::{self, READS, ServiceState};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::process::{Output, Program};
use crate::system::services::Manager;
use crate::value::{Map, Value, insert};

/// Starts, stops and enables services: through systemd where it runs, else through init scripts.
///
/// ```yaml
/// - service:
///     name: docker
///     state: started
///     enabled: true
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service.
    pub(super) name: String,
    /// How it shall be.
    pub(super) state: Option<ServiceState>,
    /// Start it at boot.
    pub(super) enabled: Option<bool>,
    /// A text of its command line, for init scripts that know no `status`.
    pattern: Option<String>,
    /// Seconds between stop and start of a restart, for init scripts.
    sleep: Option<u64>,
    /// More arguments for the init script.
    arguments: Option<String>,
    /// Make it impossible to start. This and what follows is for systemd, and goes on to it as in Ansible.
    pub(super) masked: Option<bool>,
    /// Let systemd read its files again, before anything else.
    pub(super) daemon_reload: Option<bool>,
    /// Let systemd start itself again, before anything else.
    pub(super) daemon_reexec: Option<bool>,
    /// Replace conflicting links when enabling.
    pub(super) force: Option<bool>,
    /// Do not wait for the unit.
    pub(super) no_block: Option<bool>,
    /// Whose systemd.
    pub(super) scope: Option<systemd::Scope>,
    /// The manager to use.
    #[serde(default, rename = "use")]
    manager: Use,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Use {
    #[default]
    Auto,
    Systemd,
    Sysvinit,
    Service,
}

/// Starts, stops and enables services through their init scripts.
///
/// ```yaml
/// - sysvinit:
///     name: docker
///     state: started
///     enabled: true
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SysvArgs {
    /// The service.
    name: String,
    /// How it shall be.
    state: Option<ServiceState>,
    /// Start it at boot.
    enabled: Option<bool>,
    /// A text of its command line, for init scripts that know no `status`.
    pattern: Option<String>,
    /// Seconds between stop and start of a restart.
    #[serde(default = "one")]
    sleep: u64,
    /// More arguments for the init script.
    arguments: Option<String>,
    /// The runlevels of `enabled`.
    runlevels: Option<Vec<String>>,
}

fn one() -> u64 {
    1
}

/// The module `service`.
pub struct Service;
/// The module `sysvinit`.
pub struct Sysvinit;

impl Module for Service {
    type Args = Args;
    const META: Meta = Meta {
        name: "service",
        full_name: "ansible.builtin.service",
        also: &["ansible.legacy.service"],
        summary: "Manage services",
        aliases: &[
            ("arguments", &["args"]),
            ("daemon_reload", &["daemon-reload"]),
            ("daemon_reexec", &["daemon-reexec"]),
        ],
        refused: &[("runlevel", "it is for OpenRC, which hostctl does not manage")],
        reads: READS,
        hands_to: Some(HandsTo { names: &["systemd", "sysvinit"], variable: None, fact: "service_mgr" }),
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let manager = match args.manager {
            Use::Auto => cx.probe().service_manager(),
            Use::Systemd => Manager::Systemd,
            Use::Sysvinit | Use::Service => Manager::SysV,
        };
        if manager == Manager::Systemd {
            let unused = [
                ("pattern", args.pattern.is_some()),
                ("sleep", args.sleep.is_some()),
                ("arguments", args.arguments.is_some()),
            ];
            for (name, _) in unused.iter().filter(|(_, given)| *given) {
                cx.warn(format!("`{name}` is not used with systemd"));
            }
            return systemd::run(cx, systemd::Args::of(args));
        }
        let given = [
            ("daemon_reexec", args.daemon_reexec.is_some()),
            ("daemon_reload", args.daemon_reload.is_some()),
            ("force", args.force.is_some()),
            ("masked", args.masked.is_some()),
            ("no_block", args.no_block.is_some()),
            ("scope", args.scope.is_some()),
        ];
        let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if !given.is_empty() {
            let message = format!("`{}` is for systemd, which does not run this host", given.join("`, `"));
            let said = format!("Unsupported parameters for (ansible.legacy.service) module: {}.", given.join(", "));
            return Err(Diagnostic::task("M0002", message)
                .with_registered(said)
                .with_hint("daemon_reload: \"{{ true if ansible_facts.service_mgr == 'systemd' else omit }}\"")
                .into());
        }
        if args.state.is_none() && args.enabled.is_none() {
            let error = Diagnostic::task("M0007", "`service` needs one of `state` and `enabled`")
                .with_registered("one of the following is required: state, enabled")
                .with_note("with systemd, which does not run this host, a name alone asks for the unit's status");
            return Err(error.into());
        }
        sysv(
            cx,
            SysvArgs {
                name: args.name,
                state: args.state,
                enabled: args.enabled,
                pattern: args.pattern,
                sleep: args.sleep.unwrap_or(1),
                arguments: args.arguments,
                runlevels: None,
            },
            "host",
        )
    }
}

impl Module for Sysvinit {
    type Args = SysvArgs;
    const META: Meta = Meta {
        name: "sysvinit",
        full_name: "ansible.builtin.sysvinit",
        also: &["ansible.legacy.sysvinit"],
        summary: "Manage services with init scripts",
        aliases: &[("name", &["service"]), ("arguments", &["args"])],
        one_of: &[&["state", "enabled"]],
        refused: &[(
            "daemonize",
            "children of a task are cut off from it anyway, so scripts that misbehave need no help",
        )],
        reads: READS,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: SysvArgs) -> Result<Map, Failure> {
        sysv(cx, args, "")
    }
}

/// Whether the script says that the service runs; the words count more than the code, as in Ansible.
fn is_started(name: &str, output: &Output) -> Option<bool> {
    let out = output.out();
    if name == "iptables" && out.contains("ACCEPT") {
        return Some(true);
    }
    if out.matches('\n').count() <= 1 {
        let clean = out.to_lowercase().replace(&name.to_lowercase(), "");
        if ["stop", "is dead ", "dead but ", "could not access pid file", "inactive"]
            .iter()
            .any(|word| clean.contains(word))
        {
            return Some(false);
        }
        if ["run", "start", "active"].iter().any(|word| clean.contains(word)) && !clean.contains("not ") {
            return Some(true);
        }
    }
    match output.rc {
        0 => Some(true),
        1 | 2 | 3 | 4 | 69 => Some(false),
        _ => None,
    }
}

fn status(cx: &Cx, args: &SysvArgs, script: &std::path::Path) -> Result<bool> {
    let probe = cx.probe();
    if let Some(pattern) = &args.pattern {
        return Ok(probe.process_matching(pattern));
    }
    let program = if probe.which("service").is_some() {
        Program::new(["service", args.name.as_str(), "status"])
    } else {
        Program::new([script.as_os_str()]).arg("status")
    };
    let output = probe.run(program.parsable())?;
    if let Some(started) = is_started(&args.name, &output) {
        return Ok(started);
    }
    if probe.process_matching(&args.name) {
        cx.warn("the init script tells no status; a process of the service's name was taken for it");
        return Ok(true);
    }
    cx.warn("the init script tells no status; the service is taken for stopped");
    Ok(false)
}

fn entry(changed: bool, output: Option<&Output>) -> Value {
    map! {
        "changed" => changed, "rc" => output.map(|output| output.rc),
        "stdout" => output.map(Output::out), "stderr" => output.map(Output::err),
    }
    .into()
}

/// `whose` is what Ansible's module says of where it looked.
fn sysv(cx: &Cx, args: SysvArgs, whose: &str) -> Result<Map, Failure> {
    let name = args.name.clone();
    let Some(script) = cx.probe().init_script(&name) else {
        let error = Diagnostic::task("H0112", format!("could not find the requested service {name}: host"))
            .with_registered(format!("Could not find the requested service {name}: {whose}"))
            .with_note("there is no such script in /etc/init.d, and systemd does not run this host");
        return Err(error.into());
    };
    let mut states = Map::new();
    if let Some(wanted) = args.enabled {
        insert(&mut states, "enabled", enable(cx, &args, wanted)?);
    }
    if let Some(wanted) = args.state {
        let started = status(cx, &args, &script)?;
        let steps: &[&str] = match wanted {
            ServiceState::Started if !started => &["start"],
            ServiceState::Stopped if started => &["stop"],
            ServiceState::Restarted if started => &["stop", "start"],
            ServiceState::Restarted => &["start"],
            ServiceState::Reloaded if started => &["reload"],
            ServiceState::Reloaded => &["start"],
            ServiceState::Started | ServiceState::Stopped => &[],
        };
        let mut last = None;
        for (at, step) in steps.iter().enumerate() {
            last = run_script(cx, &args, &script, step)?;
            let more = at + 1 < steps.len();
            if more && !cx.check_mode() {
                std::thread::sleep(std::time::Duration::from_secs(args.sleep));
            }
        }
        insert(&mut states, wanted.name(), entry(!steps.is_empty(), last.as_ref()));
    }
    let mut result = map! { "name" => name, "status" => states };
    if let Some(state) = args.state {
        insert(&mut result, "state", if state == ServiceState::Stopped { "stopped" } else { "started" });
    }
    if let Some(enabled) = args.enabled {
        insert(&mut result, "enabled", enabled);
    }
    Ok(result)
}

fn run_script(cx: &Cx, args: &SysvArgs, script: &std::path::Path, step: &str) -> Result<Option<Output>> {
    let mut program = Program::new([script.as_os_str()]).arg(step);
    let more = args.arguments.as_deref().unwrap_or_default();
    let words = super::shlex::split(more)
        .map_err(|reason| Diagnostic::task("M0004", format!("cannot split `arguments` into words: {reason}")))?;
    for word in words {
        program = program.arg(word);
    }
    let program = program.parsable();
    let shown = program.shown();
    let name = &args.name;
    cx.change(format!("{step} {name}"), |host| {
        let output = host.run(program)?;
        if output.success() {
            return Ok(output);
        }
        let mut error = Diagnostic::task("H0113", format!("failed to {step} service: {name}"))
            .with_note(format!("ran: {shown}   (exit {})", output.rc));
        error.notes.extend(output.said().lines().take(20).map(str::to_owned));
        Err(error)
    })
}

fn enable(cx: &Cx, args: &SysvArgs, wanted: bool) -> Result<Value> {
    let probe = cx.probe();
    let name = args.name.as_str();
    let levels = args.runlevels.clone().unwrap_or_default();
    let settled = if levels.is_empty() {
        probe.sysv_enabled(name, None) == wanted
    } else {
        levels.iter().all(|level| probe.sysv_enabled(name, Some(level)) == wanted)
    };
    if settled {
        return Ok(entry(false, None));
    }
    let mut programs = Vec::new();
    let level_words: Vec<&str> = levels.iter().map(String::as_str).collect();
    if probe.which("update-rc.d").is_some() {
        if wanted && levels.is_empty() {
            // `defaults` leaves links of a disabled service as they are; `enable` turns them round.
            programs.push(vec!["update-rc.d", name, "defaults"]);
            programs.push(vec!["update-rc.d", name, "enable"]);
        } else {
            let verb = if wanted { "enable" } else { "disable" };
            programs.push(["update-rc.d", name, verb].into_iter().chain(level_words).collect());
        }
    } else if probe.which("chkconfig").is_some() {
        let verb = if wanted { "on" } else { "off" };
        programs.push(vec!["chkconfig", name, verb]);
    } else {
        return Err(Diagnostic::task(
            "H0103",
            "this host has neither `update-rc.d` nor `chkconfig` to enable services with",
        ));
    }
    let verb = if wanted { "enable" } else { "disable" };
    let output = cx.change(format!("{verb} {name} at boot"), |host| {
        let mut last = Output::default();
        for words in programs {
            last = host.run_ok(Program::new(words).parsable())?;
        }
        Ok(last)
    })?;
    Ok(entry(true, output.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    struct Script {
        name: String,
        pid: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Drop for Script {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(format!("/etc/init.d/{}", self.name));
            let _ = std::process::Command::new("update-rc.d").args([&self.name, "remove"]).output();
        }
    }

    /// A service that is a mark in a file; only where init scripts are in charge.
    fn script() -> Option<Script> {
        let probe = crate::system::Probe::new(Vec::new());
        if !rustix::process::geteuid().is_root()
            || probe.service_manager() == Manager::Systemd
            || !std::path::Path::new("/etc/init.d").is_dir()
        {
            println!("skipped: needs root and a host without systemd");
            return None;
        }
        let folder = tempfile::tempdir().expect("folder");
        let name = format!("hct-svc{}", std::process::id());
        let pid = folder.path().join("pid");
        let text = format!(
            "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: {name}\n# Required-Start:\n# Required-Stop:\n# Default-Start: 2 3\n# Default-Stop: 0\n### END INIT INFO\n\
             case $1 in start) echo \"$2\" > {p};; stop) rm -f {p};; status) test -e {p} && echo is running || {{ echo is stopped; exit 3; }};; *) exit 2;; esac\n",
            p = pid.display()
        );
        let path = format!("/etc/init.d/{name}");
        std::fs::write(&path, text).expect("script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        Some(Script { name, pid, _folder: folder })
    }

    #[test]
    fn init_scripts_start_stop_and_settle() {
        let Some(script) = script() else { return };
        let run = |state: &str, check: bool| {
            let args = map! { "name" => script.name.clone(), "state" => state, "arguments" => "'a b'", "sleep" => 0 };
            module("service", args).check(check).ok()
        };
        assert!(run("started", true).changed && !script.pid.exists());
        let outcome = run("started", false);
        assert!(outcome.changed && script.pid.exists());
        assert_eq!(get(&outcome, "status")["started"]["rc"], json!(0));
        assert_eq!(std::fs::read_to_string(&script.pid).expect("read"), "a b\n");
        assert!(!run("started", false).changed);
        assert!(run("restarted", false).changed && script.pid.exists());
        assert!(run("stopped", false).changed && !script.pid.exists());
        assert!(!run("stopped", false).changed);
        let enable = |enabled: bool| {
            module("service", map! { "name" => script.name.clone(), "enabled" => enabled }).ok().changed
        };
        assert!(enable(true) && !enable(true) && enable(false) && !enable(false) && enable(true));
        let failure = module("service", map! { "name" => script.name.clone(), "state" => "reloaded" });
        script.pid.exists().then(|| failure.fails());
    }

    #[test]
    fn missing_services_are_named() {
        let failure = module("service", map! { "name" => "no-such-service-x", "state" => "started" }).fails();
        assert_eq!(failure.diagnostic.message, "could not find the requested service no-such-service-x: host");
    }

    #[test]
    fn words_of_scripts_count_more_than_codes() {
        let output = |rc, text: &str| Output { rc, stdout: text.into(), ..Output::default() };
        assert_eq!(is_started("x", &output(0, "x is stopped\n")), Some(false));
        assert_eq!(is_started("x", &output(3, "x is not running\n")), Some(false));
        assert_eq!(is_started("run", &output(0, "run is up\n")), Some(true));
        assert_eq!(is_started("x", &output(5, "?\n")), None);
    }
}
