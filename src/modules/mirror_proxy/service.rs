//! The proxy as a service: a hardened systemd unit, else an init script.

use std::path::{Path, PathBuf};

use super::files::{Layout, USER};
use crate::diag::{Diagnostic, Result};
use crate::mirror::{Config, control};
use crate::modules::cx::Cx;
use crate::system::tool::has_tool;

/// Who supervises services on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    /// systemd, and whether it knows `LoadCredential` (from version 247 on).
    Systemd { credentials: bool },
    /// Init scripts; the proxy supervises itself.
    InitScript,
}

impl Manager {
    /// As Ansible finds it: systemd only where it runs.
    pub(super) fn of_host(cx: &Cx) -> Self {
        if !Path::new("/run/systemd/system").is_dir() {
            return Self::InitScript;
        }
        let version = cx
            .probe()
            .read_tool("systemctl", &["--version"])
            .ok()
            .and_then(|output| output.stdout.split_whitespace().nth(1)?.parse::<u32>().ok());
        Self::Systemd { credentials: version.is_some_and(|version| version >= 247) }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Systemd { .. } => "systemd",
            Self::InitScript => "init script",
        }
    }

    pub(super) fn hands_over_credentials(self) -> bool {
        self == Self::Systemd { credentials: true }
    }

    /// Path, text and mode of the service's file.
    pub(super) fn unit<'a>(self, layout: &'a Layout, config: &Config, credentials: bool) -> (&'a Path, String, u32) {
        match self {
            Self::Systemd { .. } => {
                let hand_over = credentials && self.hands_over_credentials();
                (&layout.unit, unit_text(layout, &config.name, hand_over), 0o644)
            }
            Self::InitScript => (&layout.init_script, script_text(layout, &config.name), 0o755),
        }
    }

    pub(super) fn is_running(self, cx: &Cx, layout: &Layout, config: &Config) -> Result<bool> {
        match self {
            Self::Systemd { .. } => {
                Ok(cx.probe().read_tool("systemctl", &["is-active", "--quiet", &layout.service])?.ok())
            }
            Self::InitScript => Ok(control::running(&layout.config, config).is_some()),
        }
    }

    /// Enabled, running, and restarted if `outdated`.
    pub(super) fn keep_running(
        self,
        cx: &Cx,
        layout: &Layout,
        config: &Config,
        outdated: bool,
        unit_changed: bool,
    ) -> Result<()> {
        let service = layout.service.as_str();
        if let Self::Systemd { .. } = self {
            if unit_changed {
                cx.change("reload systemd's units", |mutate| {
                    mutate.run_tool("systemctl", &["daemon-reload"])?.checked().map(drop)
                })?;
            }
            if !cx.probe().read_tool("systemctl", &["is-enabled", "--quiet", service])?.ok() {
                cx.change(format!("enable {service}"), |mutate| {
                    mutate.run_tool("systemctl", &["enable", "--quiet", service])?.checked().map(drop)
                })?;
            }
        } else if let Some((program, args)) = enable_command(service) {
            cx.change(format!("start {service} at boot"), |mutate| {
                mutate.run_tool(program, &args)?.checked().map(drop)
            })?;
        }
        let running = self.is_running(cx, layout, config)?;
        if running && !outdated {
            return Ok(());
        }
        let what = if running { "restart" } else { "start" };
        cx.change(format!("{what} {service}"), |mutate| {
            let script = layout.init_script.display().to_string();
            let ended = match self {
                // `restart` also ends the pause after failed starts.
                Self::Systemd { .. } => {
                    mutate.run_tool("systemctl", &["reset-failed", service])?;
                    mutate.run_tool("systemctl", &["restart", service])?
                }
                Self::InitScript => mutate.run_tool(&script, &["restart"])?,
            };
            if ended.ok() {
                return Ok(());
            }
            let mut error = Diagnostic::task("H0305", format!("`{service}` does not start"));
            let said = format!("{}{}", ended.stdout, ended.stderr);
            for note in [said.trim().to_owned(), self.last_log(cx, layout)] {
                if !note.is_empty() {
                    error = error.with_note(note);
                }
            }
            Err(error.with_hint(self.log_command(layout)))
        })?;
        Ok(())
    }

    /// Stops the service and takes it out of the boot.
    pub(super) fn end(self, cx: &Cx, layout: &Layout) -> Result<()> {
        let service = layout.service.as_str();
        if let Self::Systemd { .. } = self
            && layout.unit.exists()
        {
            cx.change(format!("stop and disable {service}"), |mutate| {
                mutate.run_tool("systemctl", &["disable", "--now", "--quiet", service])?.checked().map(drop)
            })?;
        }
        if layout.init_script.exists() {
            cx.change(format!("stop {service}"), |mutate| {
                let script = layout.init_script.display().to_string();
                let ended = mutate.run_tool(&script, &["stop"])?;
                // Without its configuration the script cannot know a process: there is none to stop.
                if layout.config.exists() {
                    ended.checked()?;
                }
                if has_tool("update-rc.d") {
                    mutate.run_tool("update-rc.d", &["-f", service, "remove"])?;
                } else if has_tool("chkconfig") {
                    mutate.run_tool("chkconfig", &["--del", service])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// After the files are gone.
    pub(super) fn forget(self, cx: &Cx) -> Result<()> {
        if let Self::Systemd { .. } = self
            && cx.changed()
        {
            cx.scratch(|mutate| mutate.run_tool("systemctl", &["daemon-reload"])?.checked().map(drop))?;
        }
        Ok(())
    }

    /// The last lines that the proxy wrote.
    pub(super) fn last_log(self, cx: &Cx, layout: &Layout) -> String {
        match self {
            Self::Systemd { .. } => cx
                .probe()
                .read_tool("journalctl", &["--unit", &layout.service, "--lines", "8", "--no-pager", "--output", "cat"])
                .map(|output| output.stdout.trim_end().to_owned())
                .unwrap_or_default(),
            Self::InitScript => control::last_lines(&layout.log_file),
        }
    }

    /// What to type to see its log.
    pub(super) fn log_command(self, layout: &Layout) -> String {
        match self {
            Self::Systemd { .. } => format!("see its log: journalctl -u {}", layout.service),
            Self::InitScript => format!("see its log: tail {}", layout.log_file.display()),
        }
    }
}

/// The command that starts an init script at boot, unless it is linked already.
fn enable_command(service: &str) -> Option<(&'static str, Vec<String>)> {
    let linked = (2..=5).any(|level| {
        std::fs::read_dir(PathBuf::from(format!("/etc/rc{level}.d"))).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with('S') && name.get(3..) == Some(service)
            })
        })
    });
    if linked {
        None
    } else if has_tool("update-rc.d") {
        Some(("update-rc.d", vec![service.to_owned(), "defaults".to_owned()]))
    } else if has_tool("chkconfig") {
        Some(("chkconfig", vec!["--add".to_owned(), service.to_owned()]))
    } else {
        None
    }
}

fn unit_text(layout: &Layout, name: &str, credentials: bool) -> String {
    let load =
        if credentials { format!("LoadCredential=upstream:{}\n", layout.credentials.display()) } else { String::new() };
    format!(
        "# Written by hostctl (module mirror_proxy); changes are overwritten.
[Unit]
Description=hostctl package-mirror proxy `{name}`
After=network.target

[Service]
Type=notify
NotifyAccess=main
User={USER}
Group={USER}
ExecStart={program} mirror-proxy --config {config}
{load}Restart=on-failure
RestartSec=2
TimeoutStopSec=15
LimitCORE=0
LimitNOFILE=16384
TasksMax=64
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
",
        program = layout.program.display(),
        config = layout.config.display(),
    )
}

fn script_text(layout: &Layout, name: &str) -> String {
    format!(
        "#!/bin/sh
### BEGIN INIT INFO
# Provides:          {service}
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: hostctl package-mirror proxy {name}
### END INIT INFO
# Written by hostctl (module mirror_proxy); changes are overwritten.

PROGRAM={program}
CONFIG={config}

[ -x \"$PROGRAM\" ] || exit 5

case \"$1\" in
  start|stop|restart)
    exec \"$PROGRAM\" mirror-proxy --config \"$CONFIG\" \"--$1\"
    ;;
  force-reload)
    exec \"$PROGRAM\" mirror-proxy --config \"$CONFIG\" --restart
    ;;
  status)
    \"$PROGRAM\" mirror-proxy --config \"$CONFIG\" --status || exit 3
    ;;
  *)
    echo \"usage: $0 {{start|stop|restart|force-reload|status}}\" >&2
    exit 2
    ;;
esac
",
        service = layout.service,
        program = layout.program.display(),
        config = layout.config.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_hands_over_credentials_and_shows_none() {
        let layout = Layout::new("mirror-proxy");
        let text = unit_text(&layout, "mirror-proxy", true);
        assert!(text.contains("LoadCredential=upstream:/etc/hostctl/mirror-proxy.credentials\n"));
        assert!(text.contains("\nUser=hostctl-mirror\n"));
        assert!(!unit_text(&layout, "mirror-proxy", false).contains("LoadCredential"));
        assert!(!text.contains("Environment="));
    }

    #[test]
    fn the_init_script_is_valid_shell() {
        let text = script_text(&Layout::new("mirror-proxy"), "mirror-proxy");
        let mut file = tempfile::NamedTempFile::new().expect("file");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("write");
        let ended = std::process::Command::new("sh").arg("-n").arg(file.path()).status().expect("runs");
        assert!(ended.success());
    }
}
