//! The host: disk, memory, the mirror, and what the firewall does between builds and the mirror.

use std::path::Path;
use std::time::Duration;

use super::firewall::{Verdict, judge};
use super::line::Line;
use crate::system::Probe;
use crate::system::build_host::FIREWALL_PROGRAMS;
use crate::system::engine::Bridge;

const GIB: u64 = 1 << 30;

/// Below this nothing can be built.
pub const LEAST_DISK: u64 = GIB;
/// Below this a build of any size is at risk.
const LITTLE_DISK: u64 = 10 * GIB;
const LEAST_MEMORY: u64 = 256 << 20;
const LITTLE_MEMORY: u64 = GIB;

/// How long the mirror has for its answer.
const WITHIN: Duration = Duration::from_secs(5);

/// `12.3 GiB`.
fn gib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let value = bytes as f64 / GIB as f64;
    format!("{value:.1} GiB")
}

/// Room on `/` and where images are kept. `need` is the forecast in bytes, 0 if unknown.
pub(super) fn disk(probe: &Probe, root: &Path, data: Option<&Path>, need: u64, prune: &str, lines: &mut Vec<Line>) {
    let mut told: Option<(u64, u64)> = None;
    let images = data.map(|data| ("images", data));
    for (what, path) in images.into_iter().chain([("the root", root)]) {
        let Some(room) = probe.room(path) else {
            let found = format!("the file system of `{}` does not tell its room", path.display());
            lines.push(Line::warn("B0116", "disk", found, format!("df -h {}", path.display())));
            continue;
        };
        // One file system with both is told once; files come and go meanwhile.
        if told.is_some_and(|(total, free)| total == room.total && free.abs_diff(room.free) < GIB / 16) {
            continue;
        }
        told = Some((room.total, room.free));
        let need = if what == "images" { need } else { 0 };
        let found = format!("{} of {} free for {what} (`{}`)", gib(room.free), gib(room.total), path.display());
        lines.push(if room.free < LEAST_DISK || room.free < need {
            let wanted = need.max(LEAST_DISK);
            let wanted =
                if need > 0 { format!("{} are expected", gib(wanted)) } else { format!("{} are needed", gib(wanted)) };
            Line::fail("B0116", "disk", format!("{found}, {wanted}"), prune)
        } else if room.free < LITTLE_DISK {
            Line::warn("B0116", "disk", format!("{found}, less than {} is little", gib(LITTLE_DISK)), prune)
        } else {
            Line::ok("B0116", "disk", found)
        });
    }
}

/// Available memory. `proc` is `/proc`.
pub(super) fn memory(probe: &Probe, proc: &Path) -> Line {
    let Some((available, total)) = probe.memory(proc) else {
        return Line::warn("B0117", "memory", "this host does not tell its memory", "free -m");
    };
    let found = format!("{} of {} available", gib(available), gib(total));
    let fix = "parallel: 1, or end other programs (`ps aux --sort -rss | head`)";
    if available < LEAST_MEMORY {
        Line::fail("B0117", "memory", found, fix)
    } else if available < LITTLE_MEMORY {
        Line::warn("B0117", "memory", found, fix)
    } else {
        Line::ok("B0117", "memory", found)
    }
}

/// The mirror answers, and builds can reach it as far as that can be known without a container.
pub(super) async fn mirror(
    probe: &Probe,
    (host, port): (&str, u16),
    network_host: bool,
    bridge: Option<&Bridge>,
    lines: &mut Vec<Line>,
) {
    let place = format!("{host}:{port}");
    let fix = format!("curl -sv http://{place}/ ; systemctl status hostctl-mirror-proxy");
    if let Err(why) = probe.connects(None, host, port, WITHIN).await {
        lines.push(Line::fail("B0121", "mirror", format!("the mirror at `{place}` is not reachable: {why}"), fix));
        return;
    }
    lines.push(Line::ok("B0121", "mirror", format!("`{place}` answers")));
    if network_host {
        lines.push(Line::ok("B0122", "firewall", "builds use the host's network: the same way as this check"));
        return;
    }
    let Some(bridge) = bridge else {
        let found = "the engine tells no default network: whether builds reach the mirror is not known here";
        lines.push(Line::warn("B0122", "firewall", found, "network: host"));
        return;
    };
    let allow = format!("iptables -I INPUT -i {} -p tcp --dport {port} -j ACCEPT, or `network: host`", bridge.name);
    if let Some(gateway) = bridge.gateway
        && probe.own_address(gateway)
        && let Err(why) = probe.connects(Some(gateway), host, port, WITHIN).await
    {
        let found =
            format!("the mirror `{place}` does not answer to {gateway} ({}), only to others: {why}", bridge.name);
        lines.push(Line::fail("B0122", "firewall", found, allow));
        return;
    }
    let local = host.parse().is_ok_and(|address| probe.own_address(address));
    let rules = probe.clone().allowing(FIREWALL_PROGRAMS).firewall();
    lines.push(match judge(&rules, &bridge.name, port, local) {
        Verdict::Open => {
            let found = format!("no rule stands between {} and `{place}`; not tried from a container", bridge.name);
            Line::ok("B0122", "firewall", found)
        }
        Verdict::Blocked(rule) => {
            let found = format!("a rule stops {} on its way to `{place}`: `{rule}`", bridge.name);
            let chain = if local { "INPUT" } else { "DOCKER-USER" };
            Line::fail("B0122", "firewall", found, allow.replace("INPUT", chain))
        }
        Verdict::Unknown(why) => {
            let found = format!("whether {} reaches `{place}` is only known from a container: {why}", bridge.name);
            let fix = format!("docker run --rm busybox nc -zv -w 5 {host} {port}");
            Line::warn("B0122", "firewall", found, fix)
        }
    });
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::image::preflight::Severity;

    fn probe() -> Probe {
        Probe::new(Vec::new())
    }

    #[test]
    fn little_memory_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let severity = |kib: u64| {
            fs::write(folder.path().join("meminfo"), format!("MemTotal: 9000000 kB\nMemAvailable: {kib} kB\n"))
                .unwrap();
            memory(&probe(), folder.path()).severity
        };
        assert_eq!(severity(8_000_000), Severity::Ok);
        assert_eq!(severity(900_000), Severity::Warn);
        assert_eq!(severity(90_000), Severity::Fail);
        assert_eq!(memory(&probe(), Path::new("/no/proc")).severity, Severity::Warn);
    }

    /// A small file system of its own.
    #[test]
    fn a_small_disk_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("small");
        fs::create_dir(&place).unwrap();
        let none = rustix::mount::MountFlags::empty();
        if let Err(error) = rustix::mount::mount("tmpfs", &place, "tmpfs", none, Some(c"size=8m")) {
            println!("SKIPPED a small disk: no tmpfs can be mounted here: {error}");
            return;
        }
        let mut lines = Vec::new();
        disk(&probe(), Path::new("/"), Some(&place.join("not-there-yet")), 0, "docker builder prune", &mut lines);
        rustix::mount::unmount(&place, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].severity, lines[0].code), (Severity::Fail, "B0116"));
        assert!(lines[0].text().ends_with(", 1.0 GiB are needed [B0116]: docker builder prune"), "{}", lines[0].text());
        // More is expected than there is.
        let mut lines = Vec::new();
        disk(&probe(), Path::new("/"), Some(Path::new("/")), u64::MAX, "x", &mut lines);
        assert_eq!((lines.len(), lines[0].severity), (1, Severity::Fail), "one file system is told once: {lines:?}");
        assert!(lines[0].found.contains("are expected"), "{}", lines[0].found);
    }

    async fn mirror_lines(probe: &Probe, port: u16, network_host: bool) -> Vec<Line> {
        let bridge = Bridge { name: "docker7".into(), gateway: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))) };
        let mut lines = Vec::new();
        mirror(probe, ("127.0.0.1", port), network_host, Some(&bridge), &mut lines).await;
        lines
    }

    /// A host whose firewall programs say this.
    fn firewalled(folder: &Path, rules: &str) -> Probe {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(folder.join("rules"), rules).unwrap();
        let script =
            format!("#!/bin/sh\nwhile read -r line; do echo \"$line\"; done < {}\n", folder.join("rules").display());
        fs::write(folder.join("iptables"), script).unwrap();
        fs::set_permissions(folder.join("iptables"), fs::Permissions::from_mode(0o755)).unwrap();
        Probe::new(vec![("PATH".into(), folder.display().to_string())])
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mirror_is_reachable_or_not_and_a_rule_may_stand_between() {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = firewalled(folder.path(), "-P INPUT ACCEPT\n-P FORWARD DROP\n");
        let lines = mirror_lines(&open, port, false).await;
        assert!(lines.iter().all(|line| line.severity == Severity::Ok), "{lines:?}");
        let closed = firewalled(folder.path(), "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n");
        let lines = mirror_lines(&closed, port, false).await;
        assert_eq!((lines[1].severity, lines[1].code), (Severity::Fail, "B0122"), "{lines:?}");
        assert!(lines[1].text().contains("iptables -I INPUT -i docker7 -p tcp --dport"), "{}", lines[1].text());
        assert!(mirror_lines(&closed, port, true).await.iter().all(|line| line.severity == Severity::Ok));
        drop(listener);
        let lines = mirror_lines(&open, port, false).await;
        assert_eq!((lines.len(), lines[0].severity, lines[0].code), (1, Severity::Fail, "B0121"));
    }
}
