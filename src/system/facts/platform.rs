//! Which system it is: distribution, kernel, names, package and service manager.

use super::line;
use crate::system::Probe;
use crate::system::process::Program;
use crate::value::{Map, Value, insert};

/// `os-release` as name and value.
fn os_release(probe: &Probe) -> (String, Vec<(String, String)>) {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = probe.text(path) {
            let fields = text.lines().filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                Some((name.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
            });
            return (path.to_owned(), fields.collect());
        }
    }
    (String::new(), Vec::new())
}

/// os-release id to (Ansible's name, family).
const NAMES: &[(&str, &str, &str)] = &[
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("kali", "Kali", "Debian"),
    ("pop", "Pop!_OS", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("openEuler", "openEuler", "RedHat"),
    ("sles", "SLES", "Suse"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("alpine", "Alpine", "Alpine"),
    ("arch", "Archlinux", "Archlinux"),
    ("gentoo", "Gentoo", "Gentoo"),
    ("flatcar", "Flatcar", "Flatcar"),
    ("nixos", "NixOS", "NixOS"),
];

pub(super) fn distribution(probe: &Probe, facts: &mut Map) {
    let (path, fields) = os_release(probe);
    let field =
        |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let id = field("ID");
    let known = NAMES.iter().find(|(key, ..)| *key == id);
    let name = known.map_or_else(
        || field("NAME").split(' ').next().unwrap_or_default().to_owned(),
        |(_, name, _)| (*name).to_owned(),
    );
    let family = known.map(|(.., family)| (*family).to_owned()).or_else(|| {
        let like = field("ID_LIKE");
        like.split(' ')
            .find_map(|like| NAMES.iter().find(|(key, ..)| *key == like))
            .map(|(.., family)| (*family).to_owned())
    });
    let mut version = field("VERSION_ID");
    let mut release = field("VERSION_CODENAME");
    let mut minor = None;
    if name == "Debian" {
        if let Some(point) =
            line(probe, "/etc/debian_version").filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
        {
            minor = point.split_once('.').map(|(_, minor)| minor.to_owned());
            version = point;
        }
    } else if name == "Alpine" {
        version = line(probe, "/etc/alpine-release").unwrap_or(version);
    }
    if release.is_empty() {
        let text = field("VERSION");
        release = text
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map_or_else(|| "NA".to_owned(), |(name, _)| name.to_owned());
    }
    let major = version.split('.').next().unwrap_or_default().to_owned();
    insert(facts, "distribution", if name.is_empty() { "Linux".to_owned() } else { name.clone() });
    insert(facts, "os_family", family.unwrap_or_else(|| name.clone()));
    insert(facts, "distribution_version", if version.is_empty() { "NA".to_owned() } else { version.clone() });
    insert(facts, "distribution_release", release);
    insert(facts, "distribution_major_version", major);
    if let Some(minor) = minor {
        insert(facts, "distribution_minor_version", minor);
    }
    insert(facts, "distribution_file_path", path);
    insert(facts, "distribution_file_variety", if name == "Ubuntu" { "Debian".to_owned() } else { name });
    insert(facts, "distribution_file_parsed", true);
}

pub(super) fn lsb(probe: &Probe, facts: &mut Map) {
    let mut lsb = Map::new();
    if let Some(text) = probe.text("/etc/lsb-release") {
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"').to_owned())
        };
        let names = [
            ("DISTRIB_ID=", "id"),
            ("DISTRIB_RELEASE=", "release"),
            ("DISTRIB_DESCRIPTION=", "description"),
            ("DISTRIB_CODENAME=", "codename"),
        ];
        for (from, to) in names {
            if let Some(value) = field(from) {
                insert(&mut lsb, to, value);
            }
        }
    } else if probe.which("lsb_release").is_some() {
        let (_, fields) = os_release(probe);
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let id = field("ID")
            .map(|id| NAMES.iter().find(|(key, ..)| *key == id).map_or(id.clone(), |(_, name, _)| (*name).to_owned()));
        for (to, value) in [
            ("id", id),
            ("release", field("VERSION_ID")),
            ("description", field("PRETTY_NAME")),
            ("codename", field("VERSION_CODENAME")),
        ] {
            if let Some(value) = value {
                insert(&mut lsb, to, value);
            }
        }
    }
    if let Some(release) = lsb.get(&crate::value::StrKey("release")).and_then(Value::as_str).map(str::to_owned) {
        insert(&mut lsb, "major_release", release.split('.').next().unwrap_or_default());
    }
    insert(facts, "lsb", lsb);
}

pub(super) fn platform(probe: &Probe, facts: &mut Map) {
    let names = rustix::system::uname();
    let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    let nodename = text(names.nodename());
    let machine = text(names.machine());
    let architecture = match machine.as_str() {
        "i386" | "i486" | "i586" | "i686" | "i86pc" => "i386".to_owned(),
        _ => machine.clone(),
    };
    let fqdn = fqdn(probe, &nodename);
    insert(facts, "system", text(names.sysname()));
    insert(facts, "kernel", text(names.release()));
    insert(facts, "kernel_version", text(names.version()));
    insert(facts, "machine", machine);
    insert(facts, "nodename", nodename.clone());
    insert(facts, "hostname", nodename.split('.').next().unwrap_or_default());
    insert(facts, "domain", fqdn.split_once('.').map(|(_, domain)| domain.to_owned()).unwrap_or_default());
    insert(facts, "fqdn", fqdn);
    insert(facts, "architecture", architecture.clone());
    insert(facts, "userspace_architecture", architecture);
    insert(facts, "userspace_bits", if cfg!(target_pointer_width = "64") { "64" } else { "32" });
    let id = line(probe, "/var/lib/dbus/machine-id").or_else(|| line(probe, "/etc/machine-id"));
    if let Some(id) = id {
        insert(facts, "machine_id", id);
    }
}

/// Python's `socket.getfqdn` from the hosts file: the node's address, then the names of that address's first
/// line; the first one with a dot, else the first.
fn fqdn(probe: &Probe, nodename: &str) -> String {
    let hosts = probe.text("/etc/hosts").unwrap_or_default();
    let lines: Vec<Vec<&str>> =
        hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace().collect()).collect();
    let address =
        lines.iter().find(|words| words.iter().skip(1).any(|name| *name == nodename)).and_then(|words| words.first());
    let line = address.and_then(|address| lines.iter().find(|words| words.first() == Some(address)));
    let names = line.map(|words| &words[1..]).unwrap_or_default();
    let dotted = names.iter().find(|name| name.contains('.'));
    dotted.or(names.first()).map_or_else(|| nodename.to_owned(), |name| (*name).to_owned())
}

pub(super) fn pkg_mgr(probe: &Probe, facts: &mut Map) {
    let has = |path: &str| probe.exists(path.as_ref());
    let known = [
        ("/usr/bin/apt-get", "apt"),
        ("/usr/bin/dnf5", "dnf5"),
        ("/usr/bin/dnf", "dnf"),
        ("/usr/bin/microdnf", "dnf"),
        ("/usr/bin/yum", "yum"),
        ("/usr/bin/zypper", "zypper"),
        ("/sbin/apk", "apk"),
        ("/usr/bin/pacman", "pacman"),
        ("/usr/bin/emerge", "portage"),
    ];
    let found = known.iter().find(|(path, _)| has(path)).map_or("unknown", |(_, name)| name);
    insert(facts, "pkg_mgr", found);
}

pub(super) fn service_mgr(probe: &Probe, facts: &mut Map) {
    let first = line(probe, "/proc/1/comm").filter(|name| name != "init" && !name.ends_with("sh"));
    let has = |path: &str| probe.exists(path.as_ref());
    let name = match first.as_deref() {
        Some("procd") => "openwrt_init".to_owned(),
        Some("runit-init") => "runit".to_owned(),
        Some("svscan") => "svc".to_owned(),
        Some("openrc-init") => "openrc".to_owned(),
        Some(other) => other.to_owned(),
        None if probe.service_manager() == crate::system::services::Manager::Systemd => "systemd".to_owned(),
        None if has("/sbin/openrc") => "openrc".to_owned(),
        None if std::fs::read_link("/sbin/init").is_ok_and(|to| to.ends_with("systemd")) => "systemd".to_owned(),
        None if has("/etc/init.d") => "sysvinit".to_owned(),
        None => "service".to_owned(),
    };
    insert(facts, "service_mgr", name);
}

/// A program's JSON answer.
pub(super) fn json(probe: &Probe, words: &[&str]) -> Option<serde_json::Value> {
    let program = Program::new(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).parsable();
    probe.which(words.first()?)?;
    let output = probe.run(program).ok().filter(crate::system::process::Output::success)?;
    serde_json::from_slice(&output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_system() {
        let mut facts = Map::new();
        let probe = Probe::new(Vec::new());
        distribution(&probe, &mut facts);
        platform(&probe, &mut facts);
        let facts = Value::from(facts);
        assert_eq!(facts.get("system").and_then(Value::as_str), Some("Linux"));
        assert!(facts.get("distribution_major_version").and_then(Value::as_str).is_some());
    }
}
