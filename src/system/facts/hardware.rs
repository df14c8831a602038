//! Processors, memory, mounts, block devices, LVM.

use std::path::Path;

use super::platform::json;
use super::{line, texts};
use crate::map;
use crate::system::Probe;
use crate::value::{Map, Value, insert};

pub(super) fn processor(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/proc/cpuinfo").unwrap_or_default();
    let (mut list, mut sockets, mut cores) = (Vec::new(), Vec::<(String, i64)>::new(), Vec::<(String, i64)>::new());
    let (mut vendors, mut models, mut processors, mut entries) = (0, 0, 0, 0);
    let (mut socket, mut core) = ("0".to_owned(), "0".to_owned());
    let set = |list: &mut Vec<(String, i64)>, key: &str, value: i64, replace: bool| match list
        .iter_mut()
        .find(|(known, _)| known == key)
    {
        Some((_, present)) if replace => *present = value,
        Some(_) => {}
        None => list.push((key.to_owned(), value)),
    };
    for entry in text.lines() {
        let (key, value) = entry.split_once(':').map_or((entry.trim(), ""), |(key, value)| (key.trim(), value.trim()));
        match key {
            "flags" => insert(facts, "flags", texts(value.split_whitespace())),
            "model name" | "Processor" | "vendor_id" | "cpu" | "Vendor" | "processor" => {
                list.push(Value::from(value));
                vendors += i64::from(key == "vendor_id");
                models += i64::from(key == "model name");
                processors += i64::from(key == "processor");
                entries += 1;
            }
            "physical id" => {
                value.clone_into(&mut socket);
                set(&mut sockets, value, 1, false);
            }
            "core id" => {
                value.clone_into(&mut core);
                set(&mut cores, value, 1, false);
            }
            "cpu cores" => set(&mut sockets, &socket, value.parse().unwrap_or(1), true),
            "siblings" => set(&mut cores, &core, value.parse().unwrap_or(1), true),
            _ => {}
        }
    }
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    if vendors > 0 && vendors == models {
        entries = vendors;
    }
    if ["armv", "aarch", "ppc"].iter().any(|start| machine.starts_with(start)) {
        entries = processors;
    }
    let count = if sockets.is_empty() { entries } else { i64::try_from(sockets.len()).unwrap_or(1) };
    let per_socket = sockets.first().map_or(1, |(_, cores)| (*cores).max(1));
    let siblings = cores.first().map_or(1, |(_, siblings)| *siblings);
    // Python's round of a positive quotient, half to even; threads are whole multiples in practice.
    let threads = (siblings + per_socket / 2) / per_socket;
    insert(facts, "processor", list);
    insert(facts, "processor_count", count);
    insert(facts, "processor_cores", per_socket);
    insert(facts, "processor_threads_per_core", threads);
    insert(facts, "processor_vcpus", threads * count * per_socket);
    let usable = std::thread::available_parallelism()
        .map_or(processors, |count| i64::try_from(count.get()).unwrap_or(processors));
    let allowed = rustix::thread::sched_getaffinity(None).map_or(usable, |set| i64::from(set.count()));
    insert(facts, "processor_nproc", allowed);
}

pub(super) fn memory(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/proc/meminfo").unwrap_or_default();
    let mb = |name: &str| -> i64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0) / 1024
    };
    let (total, free) = (mb("MemTotal"), mb("MemFree"));
    let cached = mb("Cached") + mb("Buffers");
    let (swap_total, swap_free) = (mb("SwapTotal"), mb("SwapFree"));
    insert(facts, "memtotal_mb", total);
    insert(facts, "memfree_mb", free);
    insert(facts, "swaptotal_mb", swap_total);
    insert(facts, "swapfree_mb", swap_free);
    let memory = map! {
        "real" => map! { "total" => total, "used" => total - free, "free" => free },
        "nocache" => map! { "free" => free + cached, "used" => total - free - cached },
        "swap" => map! {
            "total" => swap_total, "free" => swap_free, "used" => swap_total - swap_free, "cached" => mb("SwapCached"),
        },
    };
    insert(facts, "memory_mb", memory);
}

pub(super) fn uptime(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/proc/uptime").unwrap_or_default();
    if let Some(seconds) = text.split('.').next().and_then(|text| text.parse::<i64>().ok()) {
        insert(facts, "uptime_seconds", seconds);
    }
}

pub(super) fn dmi(probe: &Probe, facts: &mut Map) {
    let names = [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("form_factor", "chassis_type"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ];
    for (fact, file) in names {
        let value = line(probe, &format!("/sys/devices/virtual/dmi/id/{file}"));
        let value = match (fact, value) {
            ("form_factor", Some(number)) => form_factor(&number).to_owned(),
            (_, Some(value)) => value,
            (_, None) => "NA".to_owned(),
        };
        insert(facts, fact, value);
    }
}

fn form_factor(number: &str) -> &'static str {
    const NAMES: &[&str] = &[
        "Unknown",
        "Other",
        "Unknown",
        "Desktop",
        "Low Profile Desktop",
        "Pizza Box",
        "Mini Tower",
        "Tower",
        "Portable",
        "Laptop",
        "Notebook",
        "Hand Held",
        "Docking Station",
        "All In One",
        "Sub Notebook",
        "Space-saving",
        "Lunch Box",
        "Main Server Chassis",
        "Expansion Chassis",
        "Sub Chassis",
        "Bus Expansion Chassis",
        "Peripheral Chassis",
        "RAID Chassis",
        "Rack Mount Chassis",
        "Sealed-case PC",
        "Multi-system",
        "CompactPCI",
        "AdvancedTCA",
        "Blade",
        "Blade Enclosure",
        "Tablet",
        "Convertible",
        "Detachable",
        "IoT Gateway",
        "Embedded PC",
        "Mini PC",
        "Stick PC",
    ];
    number.parse::<usize>().ok().and_then(|at| NAMES.get(at)).copied().unwrap_or("Unknown")
}

/// `\040` and the like in mount tables.
pub fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            out.push(char::from(code));
            rest = &rest[at + 4..];
        } else {
            out.push('\\');
            rest = &rest[at + 1..];
        }
    }
    out + rest
}

/// Size and room of a mounted file system; empty if it cannot be asked.
fn sizes(mount: &Path) -> Map {
    let Ok(size) = rustix::fs::statvfs(mount) else { return Map::new() };
    let less = |all: u64, left: u64| i64::try_from(all).unwrap_or(0) - i64::try_from(left).unwrap_or(0);
    map! {
        "size_total" => size.f_frsize.saturating_mul(size.f_blocks),
        "size_available" => size.f_frsize.saturating_mul(size.f_bavail),
        "block_size" => size.f_bsize, "block_total" => size.f_blocks, "block_available" => size.f_bavail,
        "block_used" => less(size.f_blocks, size.f_bavail),
        "inode_total" => size.f_files, "inode_available" => size.f_favail,
        "inode_used" => less(size.f_files, size.f_favail),
    }
}

impl Probe {
    /// Size and room of a mounted file system, as the fact `mounts` has them; `None` if it does not answer in time,
    /// as a network file system whose server is gone.
    pub fn mount_size(&self, mount: &Path, limit: std::time::Duration) -> Option<Map> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mount = mount.to_owned();
        // The kernel may keep the thread for as long as it likes.
        std::thread::spawn(move || sender.send(sizes(&mount)));
        receiver.recv_timeout(limit).ok()
    }
}

pub(super) fn mounts(probe: &Probe, facts: &mut Map) {
    let text = probe.text("/proc/self/mounts").unwrap_or_default();
    let binds = bind_mounts(probe);
    let mut list = Vec::new();
    for entry in text.lines() {
        let fields: Vec<String> = entry.split(' ').map(unescape).collect();
        let [device, mount, fstype, options, dump, pass] = fields.as_slice() else { continue };
        let real = device.starts_with('/') || device.contains(":/") || fstype == "zfs" || device.starts_with("\\\\");
        if !real || fstype == "none" {
            continue;
        }
        let mut options = options.clone();
        if binds.contains(mount) && !options.split(',').any(|option| option == "bind") {
            options.push_str(",bind");
        }
        let mut one = map! {
            "mount" => mount.clone(), "device" => device.clone(), "fstype" => fstype.clone(), "options" => options,
            "dump" => dump.parse::<i64>().unwrap_or(0), "passno" => pass.parse::<i64>().unwrap_or(0),
        };
        // A network file system whose server is gone would hold the whole task.
        if !matches!(fstype.as_str(), "nfs" | "nfs4" | "cifs" | "smb3" | "fuse.sshfs") {
            one.extend(sizes(Path::new(mount)));
        }
        insert(&mut one, "uuid", link_name("/dev/disk/by-uuid", device).unwrap_or_else(|| "N/A".to_owned()));
        list.push(Value::from(one));
    }
    insert(facts, "mounts", list);
}

/// Mount points whose root is not the root of their file system.
fn bind_mounts(probe: &Probe) -> Vec<String> {
    let text = probe.text("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let (root, mount) = (fields.get(3)?, fields.get(4)?);
            let subvolume = line.contains(" btrfs ");
            (*root != "/" && !subvolume).then(|| unescape(mount))
        })
        .collect()
}

/// The name of the link in a folder of `/dev/disk` that points to a device.
fn link_name(folder: &str, device: &str) -> Option<String> {
    let target = std::fs::canonicalize(device).ok()?;
    let mut names = names_in(folder, &target);
    names.sort();
    names.into_iter().next()
}

fn names_in(folder: &str, target: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| std::fs::canonicalize(entry.path()).is_ok_and(|found| found == target))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// `8.00 GB`, as Ansible writes sizes.
fn human(bytes: u64) -> String {
    let units = [(50, "PB"), (40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")];
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let shown = |shift: u32| bytes as f64 / (1_u64 << shift) as f64;
    match units.iter().find(|(shift, _)| bytes >= 1 << shift) {
        Some((shift, unit)) => format!("{:.2} {unit}", shown(*shift)),
        None => format!("{:.2} Bytes", shown(0)),
    }
}

pub(super) fn devices(probe: &Probe, facts: &mut Map) {
    let Ok(mut blocks) = probe.list(Path::new("/sys/block")) else { return };
    blocks.sort();
    let mut devices = Map::new();
    let mut links = [("ids", "/dev/disk/by-id"), ("uuids", "/dev/disk/by-uuid"), ("labels", "/dev/disk/by-label")]
        .map(|(name, folder)| (name, folder, Map::new()));
    let mut masters = Map::new();
    let mut device_links = |name: &str, path: &Path| -> Value {
        let target = Path::new("/dev").join(name);
        let mut own = Map::new();
        for (kind, folder, all) in &mut links {
            let names = texts(names_in(folder, &target));
            if names.as_list().is_some_and(|names| !names.is_empty()) {
                insert(all, name, names.clone());
            }
            insert(&mut own, kind, names);
        }
        let holders = texts(children(&path.join("holders")));
        if holders.as_list().is_some_and(|names| !names.is_empty()) {
            insert(&mut masters, name, holders.clone());
        }
        insert(&mut own, "masters", holders);
        own.into()
    };
    for path in &blocks {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let read = |file: &str| line(probe, &path.join(file).to_string_lossy());
        let target = std::fs::canonicalize(path).unwrap_or_default();
        let is_virtual = target.starts_with("/sys/devices/virtual");
        if name.starts_with("ram")
            || (is_virtual && name.starts_with("loop") && read("size").as_deref() == Some("0") && name.len() > 6)
        {
            continue;
        }
        let sectors: u64 = read("size").and_then(|text| text.parse().ok()).unwrap_or(0);
        let size: u64 = read("queue/logical_block_size").and_then(|text| text.parse().ok()).unwrap_or(512);
        let scheduler = read("queue/scheduler").and_then(|text| {
            text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(name, _)| name.to_owned())
        });
        let mut device = map! {
            "virtual" => i64::from(is_virtual), "links" => device_links(name, path),
            "vendor" => read("device/vendor"), "model" => read("device/model"),
            "sas_address" => Value::Null, "sas_device_handle" => Value::Null,
            "removable" => read("removable"), "rotational" => read("queue/rotational"),
            "support_discard" => read("queue/discard_granularity"), "scheduler_mode" => scheduler.unwrap_or_else(|| read("queue/scheduler").unwrap_or_default()),
            "sectors" => sectors, "sectorsize" => size.to_string(), "size" => human(sectors * 512), "host" => "",
            "holders" => texts(children(&path.join("holders"))),
        };
        if let Some(serial) = read("device/serial") {
            insert(&mut device, "serial", serial);
        }
        let mut partitions = Map::new();
        for child in children(path).into_iter().filter(|child| child.starts_with(name)) {
            let folder = path.join(&child);
            let read = |file: &str| line(probe, &folder.join(file).to_string_lossy());
            if read("partition").is_none() {
                continue;
            }
            let sectors: u64 = read("size").and_then(|text| text.parse().ok()).unwrap_or(0);
            let partition = map! {
                "links" => device_links(&child, &folder), "start" => read("start").unwrap_or_else(|| "0".to_owned()),
                "sectors" => sectors, "sectorsize" => size, "size" => human(sectors * 512),
                "uuid" => link_name("/dev/disk/by-uuid", &format!("/dev/{child}")),
                "holders" => texts(children(&folder.join("holders"))),
            };
            insert(&mut partitions, &child, partition);
        }
        insert(&mut device, "partitions", partitions);
        insert(&mut devices, name, device);
    }
    insert(facts, "devices", devices);
    let mut all = map! { "masters" => masters };
    for (kind, _, found) in links {
        insert(&mut all, kind, found);
    }
    insert(facts, "device_links", all);
}

fn children(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

pub(super) fn lvm(probe: &Probe, facts: &mut Map) {
    if !rustix::process::geteuid().is_root() || probe.which("vgs").is_none() {
        insert(facts, "lvm", "N/A");
        return;
    }
    let report = |program: &str, kind: &str| -> Vec<serde_json::Value> {
        let found = json(probe, &[program, "--reportformat", "json", "--units", "g", "--nosuffix"]);
        found.and_then(|found| found["report"][0][kind].as_array().cloned()).unwrap_or_default()
    };
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let (mut vgs, mut lvs, mut pvs) = (Map::new(), Map::new(), Map::new());
    for row in report("vgs", "vg") {
        let vg = map! {
            "size_g" => text(&row, "vg_size"), "free_g" => text(&row, "vg_free"),
            "num_lvs" => text(&row, "lv_count"), "num_pvs" => text(&row, "pv_count"),
        };
        insert(&mut vgs, &text(&row, "vg_name"), vg);
    }
    for row in report("lvs", "lv") {
        insert(
            &mut lvs,
            &text(&row, "lv_name"),
            map! { "size_g" => text(&row, "lv_size"), "vg" => text(&row, "vg_name") },
        );
    }
    for row in report("pvs", "pv") {
        let pv = map! { "size_g" => text(&row, "pv_size"), "free_g" => text(&row, "pv_free"), "vg" => text(&row, "vg_name") };
        insert(&mut pvs, &text(&row, "pv_name"), pv);
    }
    insert(facts, "lvm", map! { "lvs" => lvs, "vgs" => vgs, "pvs" => pvs });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_escapes() {
        assert_eq!(human(8_589_934_592), "8.00 GB");
        assert_eq!(human(0), "0.00 Bytes");
        assert_eq!(unescape("/a\\040b\\x"), "/a b\\x");
    }
}
