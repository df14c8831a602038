//! Facts of a host, under the names and in the shapes of Ansible's `setup` (without the `ansible_` prefix).
//!
//! Collectors are listed by the subset that asks for them; none of them changes anything, and a source that
//! is missing leaves its facts out.

mod base;
mod hardware;
mod network;
mod platform;
mod python;
mod virtualization;

pub use hardware::unescape as unescape_mount;
pub use python::DISCOVERED;

use super::Probe;
use crate::value::{Map, Value};

/// Programs that facts are read from.
pub const READS: &[&str] =
    &["ip", "lsblk", "vgs", "lvs", "pvs", "getenforce", "sestatus", "dpkg-query", "systemd-detect-virt"];

type Collect = fn(&Probe, &mut Map);

/// The one collector that starts a slow program: it runs beside the others.
const PYTHON: &str = "python";

/// Name, in the minimal subset, group, what collects it.
const COLLECTORS: &[(&str, bool, &str, Collect)] = &[
    ("apparmor", true, "", base::security),
    ("cmdline", true, "", base::cmdline),
    ("date_time", true, "", base::date_time),
    ("distribution", true, "", platform::distribution),
    ("dns", true, "", base::dns),
    ("env", true, "", base::env),
    ("fips", true, "", base::fips),
    ("lsb", true, "", platform::lsb),
    ("pkg_mgr", true, "", platform::pkg_mgr),
    ("platform", true, "", platform::platform),
    (PYTHON, true, "", |probe, facts| python::python(probe, None, facts)),
    ("selinux", true, "", base::selinux),
    ("service_mgr", true, "", platform::service_mgr),
    ("ssh_pub_keys", true, "", base::ssh_keys),
    ("system_capabilities", true, "", base::capabilities),
    ("user", true, "", base::user),
    ("chroot", false, "", base::chroot),
    ("loadavg", false, "", base::load),
    ("processor", false, "hardware", hardware::processor),
    ("memory", false, "hardware", hardware::memory),
    ("dmi", false, "hardware", hardware::dmi),
    ("mounts", false, "hardware", hardware::mounts),
    ("devices", false, "hardware", hardware::devices),
    ("lvm", false, "hardware", hardware::lvm),
    ("uptime", false, "hardware", hardware::uptime),
    ("interfaces", false, "network", network::interfaces),
    ("iscsi", false, "", network::storage_names),
    ("virtual", false, "virtual", virtualization::virtualization),
];

/// Ansible's other words for a collector, or for all of a group.
const WORDS: &[(&str, &[&str])] = &[
    ("chroot", &["is_chroot"]),
    ("distribution", &["distribution_major_version", "distribution_release", "distribution_version", "os_family"]),
    ("hardware", &["devices", "mounts", "processor", "processor_cores", "processor_count"]),
    ("interfaces", &["all_ipv4_addresses", "all_ipv6_addresses", "default_ipv4", "default_ipv6"]),
    ("iscsi", &["fibre_channel_wwn", "nvme"]),
    ("platform", &["architecture", "kernel", "kernel_version", "machine", "machine_id", "system"]),
    (PYTHON, &["python_version"]),
    (
        "ssh_pub_keys",
        &[
            "ssh_host_key_dsa_public",
            "ssh_host_key_ecdsa_public",
            "ssh_host_key_ed25519_public",
            "ssh_host_key_rsa_public",
            "ssh_host_pub_keys",
        ],
    ),
    ("system_capabilities", &["caps", "system_capabilities_enforced"]),
    (
        "user",
        &[
            "effective_group_ids",
            "effective_user_id",
            "real_user_id",
            "user_dir",
            "user_gecos",
            "user_gid",
            "user_id",
            "user_shell",
            "user_uid",
        ],
    ),
    (
        "virtual",
        &["virtualization_role", "virtualization_tech_guest", "virtualization_tech_host", "virtualization_type"],
    ),
];

/// Collectors that read what these have found: they come along, whatever else is left out.
const NEEDS: &[(&str, &[&str])] = &[
    ("distribution", &["network", "interfaces", "pkg_mgr", "service_mgr"]),
    ("platform", &["hardware", "network", "interfaces", "service_mgr"]),
];

/// Names and groups of which `gather_subset` may choose.
pub fn subsets() -> Vec<&'static str> {
    let mut names = vec!["all", "min", "hardware", "network", "virtual", "local", "facter", "ohai", "systemd"];
    names.extend(COLLECTORS.iter().map(|(name, ..)| *name));
    names.extend(WORDS.iter().flat_map(|(_, words)| words.iter()));
    names
}

/// Whether a subset's word names this collector.
fn named(word: &str, name: &str, group: &str) -> bool {
    let stands_for = |whole: &str| WORDS.iter().any(|(known, words)| *known == whole && words.contains(&word));
    word == name || stands_for(name) || (!group.is_empty() && (word == group || stands_for(group)))
}

/// Whether `subset` asks for a collector, by Ansible's rules: `!x` takes out, `all` is meant if nothing
/// is named, the minimal set is in unless `!min`.
fn wanted(subset: &[String], name: &str, minimal: bool, group: &str) -> bool {
    let without: Vec<&str> = subset.iter().filter_map(|word| word.strip_prefix('!')).collect();
    let with: Vec<&str> = subset.iter().filter(|word| !word.starts_with('!')).map(String::as_str).collect();
    let needed_by = NEEDS.iter().find(|(needed, _)| *needed == name).map_or(&[][..], |(_, by)| *by);
    if with.iter().any(|word| needed_by.iter().any(|by| named(word, by, ""))) {
        return true;
    }
    if without.iter().any(|word| word == &name || word == &group) {
        return with.contains(&name);
    }
    if with.iter().any(|word| named(word, name, group)) {
        return true;
    }
    if minimal {
        return !without.contains(&"min") || with.contains(&"min");
    }
    !without.contains(&"all") && (with.is_empty() || with.contains(&"all"))
}

/// Whether facts of `facts.d` are asked for.
pub fn wants_local(subset: &[String]) -> bool {
    wanted(subset, "local", true, "")
}

/// Collects what the subset asks for, about the Python that is named or else found; an interruption ends it between
/// collectors.
pub fn collect(probe: &Probe, subset: &[String], named: Option<&str>) -> Map {
    let mut facts = Map::new();
    std::thread::scope(|threads| {
        let beside = wanted(subset, PYTHON, true, "").then(|| {
            threads.spawn(|| {
                let mut facts = Map::new();
                python::python(probe, named, &mut facts);
                facts
            })
        });
        for (name, minimal, group, collect) in COLLECTORS {
            if probe.control().interrupted() {
                break;
            }
            if *name != PYTHON && wanted(subset, name, *minimal, group) {
                collect(probe, &mut facts);
            }
        }
        facts.extend(beside.and_then(|beside| beside.join().ok()).unwrap_or_default());
    });
    facts
}

/// A list of texts.
fn texts<S: Into<Value>>(items: impl IntoIterator<Item = S>) -> Value {
    Value::from(items.into_iter().map(Into::into).collect::<Vec<Value>>())
}

/// A small file, trimmed; `None` if it is missing or empty.
fn line(probe: &Probe, path: &str) -> Option<String> {
    probe.text(path).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_choose_as_in_ansible() {
        let check = |subset: &[&str], expected: [bool; 3]| {
            let subset: Vec<String> = subset.iter().map(|word| (*word).to_owned()).collect();
            let found = [
                wanted(&subset, "user", true, ""),
                wanted(&subset, "memory", false, "hardware"),
                wanted(&subset, "interfaces", false, "network"),
            ];
            assert_eq!(found, expected, "{subset:?}");
        };
        check(&["all"], [true, true, true]);
        check(&["min"], [true, false, false]);
        check(&["network"], [true, false, true]);
        check(&["!all"], [true, false, false]);
        check(&["!all", "!min"], [false, false, false]);
        check(&["!hardware"], [true, false, true]);
        check(&["!all", "!min", "default_ipv4"], [false, false, true]);
        check(&["!all", "!min", "mounts"], [false, true, false]);
        check(&["!all", "!min", "user_dir"], [true, false, false]);
        let wants = |words: &[&str], name: &str| {
            wanted(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), name, true, "")
        };
        assert!(wants(&["!all", "!min", "devices"], "platform"));
        assert!(wants(&["!min", "default_ipv4"], "distribution"));
        assert!(!wants(&["!all", "!min", "processor"], "distribution"));
        assert!(subsets().iter().all(|name| !name.is_empty()));
    }
}
