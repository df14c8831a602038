//! What makes a bridge come back after a boot: files for systemd-networkd or ifupdown.

use std::path::{Path, PathBuf};

use super::Wanted;
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::modules::cx::Cx;
use crate::system::tool::{FileState, OwnFile, has_tool};

const NETWORKD: &str = "/etc/systemd/network";
const INTERFACES: &str = "/etc/network/interfaces";
const INTERFACES_FOLDER: &str = "/etc/network/interfaces.d";
/// Before the files of others (`10-netplan-...`): the first that matches an interface wins.
const PREFIX: &str = "05-hostctl-";

/// Who sets the network up at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    Networkd,
    Ifupdown,
    /// Nobody: the reason.
    None(String),
}

/// What the host says about its network managers.
#[derive(Clone, Copy, Debug, Default)]
struct Signs<'a> {
    /// systemd runs.
    systemd: bool,
    /// Managers with a running service, of [`SERVICES`].
    active: &'a [&'a str],
    /// ifupdown is installed and has its file.
    ifupdown: bool,
}

/// Services of managers, with the names that people know.
const SERVICES: &[(&str, &str)] = &[
    ("systemd-networkd", "systemd-networkd"),
    ("NetworkManager", "NetworkManager"),
    ("wicked", "wicked"),
    ("connman", "ConnMan"),
    ("network", "the `network` service"),
];

impl Keeper {
    pub(super) fn none(reason: &str) -> Self {
        Self::None(reason.to_owned())
    }

    /// Why nothing is persisted.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::None(reason) => Some(reason),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Networkd => "systemd-networkd",
            Self::Ifupdown => "ifupdown",
            Self::None(_) => "none",
        }
    }

    /// Brings the files into their state; true if some changed.
    pub(super) fn write(&self, cx: &Cx, wanted: &Wanted) -> Result<bool> {
        match self {
            Self::None(_) => Ok(false),
            Self::Ifupdown => {
                check_sourced(&std::fs::read_to_string(INTERFACES).unwrap_or_default())?;
                // ifupdown reads it at the next boot; the kernel has it all already.
                keep(cx, Path::new(INTERFACES_FOLDER), &ifupdown_path(&wanted.name), &ifupdown_text(wanted))
            }
            Self::Networkd => {
                let files = networkd_files(wanted);
                let mut changed = false;
                for (name, text) in &files {
                    changed |= keep(cx, Path::new(NETWORKD), &Path::new(NETWORKD).join(name), text)?;
                }
                for path in networkd_written(&wanted.name) {
                    let known =
                        files.iter().any(|(name, _)| path.file_name().is_some_and(|file| file == name.as_str()));
                    if !known {
                        drop_file(cx, &path)?;
                        changed = true;
                    }
                }
                if changed {
                    reload(cx)?;
                }
                Ok(changed)
            }
        }
    }
}

/// Who keeps the bridge on this host; an error for a manager that is not supported.
pub(super) fn keeper(cx: &Cx) -> Result<Keeper> {
    let systemd = Path::new("/run/systemd/system").is_dir();
    let mut active = Vec::new();
    if systemd {
        for (service, _) in SERVICES {
            if cx.probe().read_tool("systemctl", &["is-active", "--quiet", service])?.ok() {
                active.push(*service);
            }
        }
    }
    let ifupdown = has_tool("ifup") && Path::new(INTERFACES).exists();
    decide(Signs { systemd, active: &active, ifupdown })
}

fn decide(signs: Signs<'_>) -> Result<Keeper> {
    if signs.active.contains(&"systemd-networkd") {
        return Ok(Keeper::Networkd);
    }
    let other = SERVICES.iter().find(|(service, _)| signs.active.contains(service));
    if let Some((_, name)) = other {
        return Err(Diagnostic::task(
            "H0403",
            format!(
                "this host's network is managed by {name}; bridges are persisted through systemd-networkd or ifupdown"
            ),
        )
        .with_hint(
            "set `persist: false` for a bridge until the next boot, and make it lasting with the host's own tools",
        ));
    }
    if signs.ifupdown {
        return Ok(Keeper::Ifupdown);
    }
    Ok(Keeper::none(if signs.systemd {
        "no network manager runs on this host"
    } else {
        "this host has no network manager, as in a container"
    }))
}

/// Removes what was written for a bridge, under whichever manager.
pub(super) fn forget(cx: &Cx, wanted: &Wanted) -> Result<()> {
    let path = ifupdown_path(&wanted.name);
    if path.exists() {
        drop_file(cx, &path)?;
    }
    let written = networkd_written(&wanted.name);
    for path in &written {
        drop_file(cx, path)?;
    }
    let networkd_runs = !written.is_empty() && decided_networkd(cx);
    if networkd_runs { reload(cx) } else { Ok(()) }
}

fn decided_networkd(cx: &Cx) -> bool {
    Path::new("/run/systemd/system").is_dir()
        && cx
            .probe()
            .read_tool("systemctl", &["is-active", "--quiet", "systemd-networkd"])
            .is_ok_and(|found| found.ok())
}

fn reload(cx: &Cx) -> Result<()> {
    cx.change("reload systemd-networkd", |mutate| {
        // `networkctl reload` came with systemd 244.
        if mutate.run_tool("networkctl", &["reload"])?.ok() {
            return Ok(());
        }
        mutate.run_tool("systemctl", &["restart", "systemd-networkd"])?.checked().map(drop)
    })?;
    Ok(())
}

fn keep(cx: &Cx, folder: &Path, path: &Path, text: &str) -> Result<bool> {
    let file = OwnFile { path: path.to_owned(), content: text.into(), mode: 0o644, owner: (0, 0), secret: false };
    let before = match cx.probe().own_file_state(&file)? {
        FileState::Same => return Ok(false),
        FileState::Missing => String::new(),
        FileState::Content(old) => old,
        FileState::Attributes(_) => text.to_owned(),
    };
    let name = path.display().to_string();
    cx.diff(Diff {
        before_header: name.clone(),
        after_header: name.clone(),
        before,
        after: text.to_owned(),
        ..Diff::default()
    });
    cx.change(format!("write {name}"), |mutate| {
        mutate.make_folder(folder)?;
        mutate.put_own_file(&file)
    })?;
    Ok(true)
}

fn drop_file(cx: &Cx, path: &Path) -> Result<()> {
    cx.change(format!("remove {}", path.display()), |mutate| mutate.remove_file(path)).map(drop)
}

fn header(bridge: &str) -> String {
    format!("# Written by hostctl for the bridge `{bridge}` (module network_bridge); changes are overwritten.\n")
}

/// The files that were written for a bridge, known by their first line.
fn networkd_written(bridge: &str) -> Vec<PathBuf> {
    let header = header(bridge);
    let Ok(entries) = std::fs::read_dir(NETWORKD) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.starts_with(&header)))
        .collect();
    found.sort();
    found
}

/// Names and texts for systemd-networkd.
pub(super) fn networkd_files(wanted: &Wanted) -> Vec<(String, String)> {
    let name = &wanted.name;
    let header = header(name);
    let mtu = wanted.mtu.map(|mtu| format!("MTUBytes={mtu}\n")).unwrap_or_default();
    let mut bridge = String::new();
    if let Some(stp) = wanted.settings.stp {
        bridge.push_str(if stp { "STP=yes\n" } else { "STP=no\n" });
    }
    if let Some(delay) = wanted.settings.forward_delay {
        bridge.push_str(&format!("ForwardDelaySec={delay}\n"));
    }
    if !bridge.is_empty() {
        bridge.insert_str(0, "\n[Bridge]\n");
    }
    let addresses: Vec<String> = wanted.addresses.iter().flatten().map(|net| format!("Address={net}\n")).collect();
    let addresses = addresses.concat();
    let mut files = vec![
        (format!("{PREFIX}{name}.netdev"), format!("{header}[NetDev]\nName={name}\nKind=bridge\n{mtu}{bridge}")),
        (
            format!("{PREFIX}{name}.network"),
            format!(
                "{header}[Match]\nName={name}\n\n[Link]\nRequiredForOnline=no\n{mtu}\n[Network]\nConfigureWithoutCarrier=yes\n\
                 IPv6AcceptRA=no\n{addresses}"
            ),
        ),
    ];
    if let Some(dummy) = &wanted.dummy {
        let text = format!("{header}[NetDev]\nName={dummy}\nKind=dummy\n{mtu}");
        files.push((format!("{PREFIX}{name}-port-{dummy}.netdev"), text));
    }
    for port in wanted.all_ports() {
        files.push((
            format!("{PREFIX}{name}-port-{port}.network"),
            format!(
                "{header}[Match]\nName={port}\n\n[Link]\nRequiredForOnline=no\n{mtu}\n[Network]\nBridge={name}\n\
                 LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
            ),
        ));
    }
    files
}

fn ifupdown_path(bridge: &str) -> PathBuf {
    // `source-directory` skips names with other characters.
    Path::new(INTERFACES_FOLDER).join(format!("hostctl-{}", bridge.replace('.', "_")))
}

/// The text for ifupdown: by `ip` alone, as `bridge_ports` needs a package of its own.
pub(super) fn ifupdown_text(wanted: &Wanted) -> String {
    let name = &wanted.name;
    let mut up = vec![format!("ip link show dev {name} >/dev/null 2>&1 || ip link add name {name} type bridge")];
    let mut settings = String::new();
    if let Some(delay) = wanted.settings.forward_delay {
        settings.push_str(&format!(" forward_delay {}", delay.saturating_mul(100)));
    }
    if let Some(stp) = wanted.settings.stp {
        settings.push_str(&format!(" stp_state {}", u8::from(stp)));
    }
    if !settings.is_empty() {
        up.push(format!("ip link set dev {name} type bridge{settings}"));
    }
    if let Some(dummy) = &wanted.dummy {
        up.push(format!("ip link show dev {dummy} >/dev/null 2>&1 || ip link add name {dummy} type dummy"));
    }
    for port in wanted.all_ports() {
        if let Some(mtu) = wanted.mtu {
            up.push(format!("ip link set dev {port} mtu {mtu}"));
        }
        up.push(format!("ip link set dev {port} master {name}"));
        up.push(format!("ip link set dev {port} up"));
    }
    if let Some(mtu) = wanted.mtu {
        up.push(format!("ip link set dev {name} mtu {mtu}"));
    }
    let mut text = header(name);
    text.push_str(&format!("auto {name}\niface {name} inet manual\n"));
    for command in up {
        text.push_str(&format!("    pre-up {command}\n"));
    }
    text.push_str(&format!("    up ip link set dev {name} up\n"));
    for net in wanted.addresses.iter().flatten() {
        let broadcast = if matches!(net, ipnet::IpNet::V4(_)) { " broadcast +" } else { "" };
        text.push_str(&format!("    up ip address replace {net}{broadcast} dev {name}\n"));
    }
    text.push_str(&format!("    down ip link set dev {name} down\n    post-down ip link delete dev {name}\n"));
    if let Some(dummy) = &wanted.dummy {
        text.push_str(&format!("    post-down ip link delete dev {dummy}\n"));
    }
    text
}

/// ifupdown reads the folder only if its main file says so.
fn check_sourced(interfaces: &str) -> Result<()> {
    let sourced = interfaces.lines().any(|line| {
        let mut words = line.split_whitespace();
        let directive = words.next();
        words.next().is_some_and(|path| {
            let path = path.trim_start_matches("/etc/network/");
            match directive {
                Some("source") => path == "interfaces.d/*",
                Some("source-directory") => path.trim_end_matches('/') == "interfaces.d",
                _ => false,
            }
        })
    });
    if sourced {
        return Ok(());
    }
    Err(Diagnostic::task(
        "H0403",
        format!("`{INTERFACES}` does not read `{INTERFACES_FOLDER}`, where the bridge is written down"),
    )
    .with_hint(format!("add the line `source {INTERFACES_FOLDER}/*` to it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(signs: Signs<'_>, expected: &str) {
        let found = match decide(signs) {
            Ok(keeper) => keeper.name().to_owned(),
            Err(error) => error.message.clone(),
        };
        assert!(found.contains(expected), "{signs:?}: {found}");
    }

    #[test]
    fn the_manager_that_runs_decides() {
        check(
            Signs { systemd: true, active: &["systemd-networkd", "NetworkManager"], ifupdown: true },
            "systemd-networkd",
        );
        check(Signs { systemd: true, active: &["NetworkManager"], ifupdown: true }, "managed by NetworkManager");
        check(Signs { systemd: true, active: &[], ifupdown: true }, "ifupdown");
        check(Signs { systemd: false, active: &[], ifupdown: true }, "ifupdown");
        check(Signs::default(), "none");
        let keeper = decide(Signs::default()).expect("no error");
        assert!(keeper.reason().is_some_and(|reason| reason.contains("container")));
    }

    fn wanted() -> Wanted {
        Wanted {
            name: "br-build".to_owned(),
            ports: vec!["eth1".to_owned()],
            dummy: Some("build0".to_owned()),
            addresses: Some(vec!["172.30.0.1/24".parse().expect("net"), "fd00::1/64".parse().expect("net")]),
            mtu: Some(1400),
            settings: crate::system::network::BridgeSettings { stp: Some(false), forward_delay: Some(4) },
        }
    }

    #[test]
    fn networkd_gets_a_file_for_each_device_and_port() {
        let files = networkd_files(&wanted());
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "05-hostctl-br-build.netdev",
                "05-hostctl-br-build.network",
                "05-hostctl-br-build-port-build0.netdev",
                "05-hostctl-br-build-port-eth1.network",
                "05-hostctl-br-build-port-build0.network"
            ]
        );
        assert!(
            files[0].1.ends_with(
                "[NetDev]\nName=br-build\nKind=bridge\nMTUBytes=1400\n\n[Bridge]\nSTP=no\nForwardDelaySec=4\n"
            )
        );
        assert!(files[1].1.contains("Address=172.30.0.1/24\nAddress=fd00::1/64\n"));
        assert!(files[3].1.contains("Bridge=br-build\n"));
    }

    #[test]
    fn ifupdown_needs_no_bridge_utils() {
        let text = ifupdown_text(&wanted());
        assert!(text.contains("pre-up ip link set dev br-build type bridge forward_delay 400 stp_state 0\n"), "{text}");
        assert!(text.contains("pre-up ip link set dev build0 master br-build\n"), "{text}");
        assert!(text.contains("up ip address replace 172.30.0.1/24 broadcast + dev br-build\n"), "{text}");
        assert!(!text.contains("bridge_ports"), "{text}");
    }

    #[test]
    fn the_folder_must_be_read() {
        assert!(check_sourced("source /etc/network/interfaces.d/*\n").is_ok());
        assert!(check_sourced("source interfaces.d/*\n").is_ok());
        assert!(check_sourced("source-directory /etc/network/interfaces.d\n").is_ok());
        assert!(check_sourced("# source /etc/network/interfaces.d/*\nauto lo\n").is_err());
    }
}
