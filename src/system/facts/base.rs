//! Small facts: user, environment, time, names of services, security modules.

use super::{line, texts};
use crate::map;
use crate::system::{Probe, accounts};
use crate::value::{Map, Value, insert};

pub(super) fn user(_: &Probe, facts: &mut Map) {
    let (real, effective) = (rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw());
    if let Some(account) = accounts::account_of_uid(real) {
        insert(facts, "user_id", account.name);
        insert(facts, "user_uid", account.uid);
        insert(facts, "user_gid", account.gid);
        insert(facts, "user_gecos", account.gecos);
        insert(facts, "user_dir", account.home);
        insert(facts, "user_shell", account.shell);
    }
    insert(facts, "real_user_id", real);
    insert(facts, "effective_user_id", effective);
    insert(facts, "real_group_id", rustix::process::getgid().as_raw());
    insert(facts, "effective_group_id", rustix::process::getegid().as_raw());
}

pub(super) fn env(probe: &Probe, facts: &mut Map) {
    let mut found = Map::new();
    for (name, value) in std::env::vars_os() {
        insert(&mut found, &name.to_string_lossy(), value.to_string_lossy().into_owned());
    }
    if let Some(folder) = crate::system::folder::named() {
        insert(&mut found, "PWD", folder);
    }
    for (name, value) in probe.environment() {
        insert(&mut found, name, value.clone());
    }
    insert(facts, "env", found);
}

pub(super) fn date_time(_: &Probe, facts: &mut Map) {
    let now = jiff::Zoned::now();
    let utc = now.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    let local = |format: &str| now.strftime(format).to_string();
    let time = map! {
        "year" => local("%Y"), "month" => local("%m"), "weekday" => local("%A"), "weekday_number" => local("%w"),
        "weeknumber" => local("%W"), "day" => local("%d"), "hour" => local("%H"), "minute" => local("%M"),
        "second" => local("%S"), "epoch" => now.timestamp().as_second().to_string(),
        "epoch_int" => now.timestamp().as_second().to_string(), "date" => local("%Y-%m-%d"), "time" => local("%H:%M:%S"),
        "iso8601_micro" => utc.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        "iso8601" => utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "iso8601_basic" => local("%Y%m%dT%H%M%S%6f"), "iso8601_basic_short" => local("%Y%m%dT%H%M%S"),
        "tz" => local("%Z"), "tz_dst" => local("%Z"), "tz_offset" => local("%z"),
    };
    insert(facts, "date_time", time);
}

pub(super) fn cmdline(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/proc/cmdline").unwrap_or_default();
    let (mut short, mut full) = (Map::new(), Map::new());
    for word in text.split_whitespace() {
        if let Some((key, value)) = word.split_once('=') {
            let value = value.trim_matches('"');
            insert(&mut short, key, value);
            let before = full.get(&crate::value::StrKey(key)).cloned();
            let now = match before {
                Some(Value::List(list)) => texts(list.iter().cloned().chain([Value::from(value)])),
                Some(first @ Value::Str(_)) => texts([first, Value::from(value)]),
                _ => Value::from(value),
            };
            insert(&mut full, key, now);
        } else {
            insert(&mut short, word, true);
            insert(&mut full, word, true);
        }
    }
    insert(facts, "cmdline", short);
    insert(facts, "proc_cmdline", full);
}

pub(super) fn dns(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/etc/resolv.conf").unwrap_or_default();
    let mut dns = Map::new();
    let mut servers = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["nameserver", address @ ..] => servers.extend(address.iter().map(|one| Value::from(*one))),
            ["domain", name, ..] => insert(&mut dns, "domain", *name),
            ["search", names @ ..] => insert(&mut dns, "search", texts(names.iter().copied())),
            ["sortlist", names @ ..] => insert(&mut dns, "sortlist", texts(names.iter().copied())),
            ["options", options @ ..] => {
                let mut found = Map::new();
                for option in options {
                    match option.split_once(':') {
                        Some((name, value)) => insert(&mut found, name, value),
                        None => insert(&mut found, option, true),
                    }
                }
                insert(&mut dns, "options", found);
            }
            _ => {}
        }
    }
    if !servers.is_empty() {
        insert(&mut dns, "nameservers", servers);
    }
    insert(facts, "dns", dns);
}

pub(super) fn fips(probe: &Probe, facts: &mut Map) {
    insert(facts, "fips", line(probe, "/proc/sys/crypto/fips_enabled").as_deref() == Some("1"));
}

pub(super) fn security(probe: &Probe, facts: &mut Map) {
    let on = probe.exists("/sys/kernel/security/apparmor".as_ref());
    insert(facts, "apparmor", map! { "status" => if on { "enabled" } else { "disabled" } });
}

pub(super) fn selinux(probe: &Probe, facts: &mut Map) {
    let mut found = Map::new();
    match line(probe, "/sys/fs/selinux/enforce") {
        None => insert(&mut found, "status", "disabled"),
        Some(enforce) => {
            let mode = |on: bool| if on { "enforcing" } else { "permissive" };
            insert(&mut found, "status", "enabled");
            insert(&mut found, "mode", mode(enforce == "1"));
            insert(
                &mut found,
                "policyvers",
                line(probe, "/sys/fs/selinux/policyvers").and_then(|text| text.parse::<i64>().ok()),
            );
            let config = probe.text("/etc/selinux/config").unwrap_or_default();
            let field = |name: &str| {
                config.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            insert(&mut found, "config_mode", field("SELINUX=").unwrap_or_else(|| "unknown".to_owned()));
            insert(&mut found, "type", field("SELINUXTYPE=").unwrap_or_else(|| "unknown".to_owned()));
        }
    }
    insert(facts, "selinux", found);
    // Ansible tells here whether its Python can ask SELinux; hostctl reads the kernel's files.
    insert(facts, "selinux_python_present", true);
}

pub(super) fn ssh_keys(probe: &Probe, facts: &mut Map) {
    for folder in ["/etc/ssh", "/etc/openssh", "/etc"] {
        let mut any = false;
        for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
            let Some(text) = line(probe, &format!("{folder}/ssh_host_{kind}_key.pub")) else { continue };
            let mut words = text.split_whitespace();
            if let (Some(ty), Some(key)) = (words.next(), words.next()) {
                insert(facts, &format!("ssh_host_key_{kind}_public"), key);
                insert(facts, &format!("ssh_host_key_{kind}_public_keytype"), ty);
                any = true;
            }
        }
        if any {
            return;
        }
    }
}

/// Names of the kernel's capabilities by their numbers.
const CAPABILITIES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

pub(super) fn capabilities(probe: &Probe, facts: &mut Map) {
    let status = probe.text("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(bits) = field.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()) else { return };
    let last = line(probe, "/proc/sys/kernel/cap_last_cap").and_then(|text| text.parse().ok()).unwrap_or(40_usize);
    let all = (0..=last.min(63)).all(|bit| bits & (1 << bit) != 0);
    insert(facts, "system_capabilities_enforced", if all { "False" } else { "True" });
    let names = CAPABILITIES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    insert(
        facts,
        "system_capabilities",
        if all { texts::<Value>([]) } else { texts(names.map(|(_, name)| format!("cap_{name}"))) },
    );
}

pub(super) fn chroot(probe: &Probe, facts: &mut Map) {
    insert(facts, "is_chroot", probe.is_chroot());
}

pub(super) fn load(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/proc/loadavg").unwrap_or_default();
    let numbers: Vec<f64> = text.split_whitespace().take(3).filter_map(|word| word.parse().ok()).collect();
    if let [one, five, fifteen] = numbers.as_slice() {
        insert(facts, "loadavg", map! { "1m" => *one, "5m" => *five, "15m" => *fifteen });
    }
}
