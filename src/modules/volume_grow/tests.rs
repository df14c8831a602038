//! Plans for many layouts, and the real thing on loop devices.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use super::lvm::{Lv, Lvm, Pv, Slice, Table, Vg};
use super::*;
use crate::modules::call::{Blob, Call, Outcome};
use crate::modules::cx::Link;
use crate::system::block::{BlockDevice, Ext, MountEntry, Partition, Topology};

const GIB: u64 = 1 << 30;
const EXTENT: u64 = 4 << 20;

fn device(name: &str, minor: u32, bytes: u64) -> BlockDevice {
    BlockDevice {
        name: name.to_owned(),
        number: (253, minor),
        bytes,
        node: PathBuf::from(format!("/dev/{name}")),
        ..BlockDevice::default()
    }
}

fn partition(name: &str, disk: &str, number: u32, start: u64, bytes: u64) -> BlockDevice {
    let partition = Some(Partition { disk: disk.to_owned(), number, start });
    BlockDevice { partition, ..device(name, 100 + number, bytes) }
}

fn mapping(name: &str, minor: u32, bytes: u64, kind: &str, below: &str) -> BlockDevice {
    let mapping = Some((name.to_owned(), format!("{kind}-xyz")));
    BlockDevice { mapping, below: vec![below.to_owned()], ..device(name, minor, bytes) }
}

fn gpt(slices: &[(u64, u64)], lastlba: u64) -> Table {
    Table {
        label: "gpt".to_owned(),
        lastlba: Some(lastlba),
        sectorsize: 512,
        partitions: slices
            .iter()
            .map(|(start, size)| Slice { start: *start, size: *size, kind: String::new() })
            .collect(),
    }
}

/// The lab's machine: a disk of 20 GiB with one partition over its half, `vg0` on it, two volumes.
fn lab(pv: &str, disk: Option<&str>) -> Host {
    let half = 10 * GIB;
    let mut devices = vec![mapping("dm-0", 0, 4 * GIB, "LVM", pv), mapping("dm-1", 1, 2 * GIB, "LVM", pv)];
    let mut host = Host::default();
    if let Some(disk) = disk {
        devices.push(device(disk, 50, 20 * GIB));
        devices.push(partition(pv, disk, 10, 2048, half));
        host.tables.insert(disk.to_owned(), gpt(&[(2048, half / 512)], 20 * GIB / 512 - 34));
    } else {
        devices.push(device(pv, 50, half));
    }
    host.topology = Topology { devices };
    let extents = (half - (1 << 20)) / EXTENT;
    host.lvm = Lvm {
        pvs: vec![Pv {
            name: format!("/dev/{pv}"),
            device: Some(pv.to_owned()),
            vg: "vg0".to_owned(),
            start: 1 << 20,
            extents,
        }],
        vgs: vec![Vg { name: "vg0".to_owned(), extent: EXTENT, free: extents - 6 * GIB / EXTENT }],
        lvs: vec![lv("docker", 4 * GIB, 0), lv("data", 2 * GIB, 1)],
    };
    let ext = Ext { block: 4096, blocks: 4 * GIB / 4096, per_group: 32768, first: 0, overhead: 600 };
    host.contents.insert("dm-0".to_owned(), Content::Ext(ext));
    host.contents.insert("dm-1".to_owned(), Content::Xfs { block: 4096, blocks: 2 * GIB / 4096 });
    host.mounts = vec![mount(0, "/var/lib/docker", "ext4"), mount(1, "/data", "xfs")];
    host
}

fn lv(name: &str, bytes: u64, minor: u32) -> Lv {
    Lv {
        vg: "vg0".to_owned(),
        name: name.to_owned(),
        bytes,
        layout: "linear".to_owned(),
        active: true,
        number: Some((253, minor)),
    }
}

fn mount(minor: u32, mountpoint: &str, kind: &str) -> MountEntry {
    MountEntry {
        number: (253, minor),
        mountpoint: PathBuf::from(mountpoint),
        kind: kind.to_owned(),
        source: "x".to_owned(),
    }
}

fn wanted(lv: &str, size: &str) -> Wanted {
    Wanted {
        label: format!("vg0/{lv}"),
        target: Target::Lv { vg: "vg0".to_owned(), lv: lv.to_owned() },
        size: size::parse(size).expect("size"),
        grow_partition: true,
        resizefs: true,
    }
}

fn whole(name: &str, size: &str) -> Wanted {
    Wanted { label: format!("/dev/{name}"), target: Target::Device(name.to_owned()), ..wanted("", size) }
}

/// All steps of one volume, in words.
fn plan(host: &mut Host, wanted: &Wanted) -> Result<Vec<String>> {
    let mut steps = host.plan_below(wanted)?;
    steps.extend(host.plan_volume(wanted)?);
    Ok(steps.iter().map(Step::words).collect())
}

fn check(host: &mut Host, wanted: &Wanted, expected: &[&str]) {
    assert_eq!(plan(host, wanted).expect("plans"), expected, "{}", wanted.label);
}

fn code(host: &Host, wanted: &Wanted) -> String {
    plan(&mut host.clone(), wanted).expect_err("refused").code.to_string()
}

#[test]
fn all_layers_grow_in_order_and_only_once() {
    let mut host = lab("nvme0n1p10", Some("nvme0n1"));
    check(
        &mut host,
        &wanted("docker", "12g"),
        &[
            "grow the partition nvme0n1p10 to 19.9 GiB",
            "grow the physical volume /dev/nvme0n1p10",
            "grow the logical volume vg0/docker to 12.0 GiB",
            "grow the file system on /dev/dm-0 to 12.0 GiB",
        ],
    );
    check(&mut host, &wanted("docker", "12g"), &[]);
    check(
        &mut host,
        &wanted("data", "100%FREE"),
        &["grow the logical volume vg0/data to 7.9 GiB", "grow the file system at /data to 7.9 GiB"],
    );
    check(&mut host, &wanted("data", "100%FREE"), &[]);
    check(&mut host, &wanted("docker", "+100%FREE"), &[]);
}

#[test]
fn lower_layers_stay_where_the_size_does_not_need_them() {
    let mut host = lab("sdb1", Some("sdb"));
    let words = plan(&mut host, &wanted("docker", "6g")).expect("plans");
    assert!(words[0].contains("logical volume"), "{words:?}");
    assert_eq!(words.len(), 2);
}

#[test]
fn whole_disks_raids_and_loops_have_no_partition_to_grow() {
    for pv in ["sdb", "md127", "loop3", "mpatha"] {
        let mut host = lab(pv, None);
        let words = plan(&mut host, &wanted("docker", "100%FREE")).expect("plans");
        assert_eq!(words.len(), 2, "{pv}: {words:?}");
        // The disk itself got larger.
        let mut host = lab(pv, None);
        for device in &mut host.topology.devices {
            if device.name == pv {
                device.bytes += GIB;
            }
        }
        let words = plan(&mut host, &wanted("docker", "100%FREE")).expect("plans");
        assert!(words[0].contains("physical volume"), "{pv}: {words:?}");
    }
}

#[test]
fn a_partition_is_told_by_its_table_not_by_its_name() {
    // `mmcblk0p1` next to a disk that is called `sda1`: names of the wrong sort altogether.
    let mut host = lab("part", Some("sda1"));
    assert!(plan(&mut host, &wanted("docker", "100%FREE")).expect("plans")[0].contains("partition part "));
}

#[test]
fn the_next_partition_is_the_limit() {
    let mut host = lab("sdb1", Some("sdb"));
    let table = host.tables.get_mut("sdb").expect("table");
    table.partitions.push(Slice { start: 2048 + 12 * GIB / 512, size: 2048, kind: String::new() });
    check(&mut host, &whole("sdb1", "100%FREE"), &["grow the partition sdb1 to 12.0 GiB"]);
    let mut full = lab("sdb1", Some("sdb"));
    let table = full.tables.get_mut("sdb").expect("table");
    table.partitions.push(Slice { start: 2048 + 10 * GIB / 512, size: 2048, kind: String::new() });
    check(&mut full, &whole("sdb1", "100%FREE"), &[]);
}

#[test]
fn a_plain_partition_takes_sizes_too() {
    let mut host = lab("sdb1", Some("sdb"));
    check(&mut host, &whole("sdb1", "15g"), &["grow the partition sdb1 to 15.0 GiB"]);
    check(&mut host, &whole("sdb1", "15g"), &[]);
    check(&mut host, &whole("sdb1", "+1g"), &["grow the partition sdb1 to 16.0 GiB"]);
    assert_eq!(code(&host, &whole("sdb1", "30g")), "H0502");
    assert_eq!(code(&host, &whole("sdb1", "9g")), "H0503");
    let still = Wanted { grow_partition: false, ..whole("sdb1", "17g") };
    assert_eq!(code(&host, &still), "H0502");
    assert_eq!(code(&host, &whole("dm-0", "17g")), "H0502");
}

#[test]
fn the_backup_of_a_gpt_is_moved_only_when_the_disk_grew() {
    let step = |lastlba: u64| {
        let mut host = lab("sdb1", Some("sdb"));
        host.tables.get_mut("sdb").expect("table").lastlba = Some(lastlba);
        match host.plan_below(&wanted("docker", "100%FREE")).expect("plans").remove(0) {
            Step::Partition { move_backup, size, start, .. } => (move_backup, start + size),
            other => panic!("{other:?}"),
        }
    };
    let all = 20 * GIB / 512;
    assert_eq!(step(all - 34), (false, (all - 34) / 2048 * 2048));
    assert_eq!(step(10 * GIB / 512), (true, (all - 34) / 2048 * 2048));
}

#[test]
fn too_little_room_and_shrinking_are_clear_errors() {
    let host = lab("sdb1", Some("sdb"));
    let error = plan(&mut host.clone(), &wanted("docker", "60g")).expect_err("too much");
    assert_eq!(error.code, "H0502");
    assert!(error.message.contains("needs 56.0 GiB more") && error.message.contains("13.9 GiB free"), "{error}");
    assert_eq!(code(&host, &wanted("docker", "+60g")), "H0502");
    assert_eq!(code(&host, &wanted("docker", "1g")), "H0503");
}

#[test]
fn missing_names_come_with_the_nearest() {
    let host = lab("sdb1", Some("sdb"));
    let error = plan(&mut host.clone(), &wanted("dokcer", "6g")).expect_err("missing");
    assert_eq!((error.code.as_ref(), error.hints[0].as_str()), ("H0501", "did you mean `docker`?"));
    assert!(error.notes[0].contains("`data`"), "{error:?}");
    let other = Wanted { target: Target::Lv { vg: "vg1".to_owned(), lv: "x".to_owned() }, ..wanted("x", "1g") };
    assert!(plan(&mut host.clone(), &other).expect_err("missing").hints[0].contains("vg0"));
    assert_eq!(code(&host, &whole("sdz", "1g")), "H0501");
}

#[test]
fn layers_that_are_not_ours_are_refused_with_the_way_by_hand() {
    let mut host = lab("dm-5", None);
    host.topology.devices.retain(|device| device.name != "dm-5");
    host.topology.devices.push(mapping("dm-5", 5, 10 * GIB, "CRYPT-LUKS2", "sdb1"));
    host.topology.devices.push(device("sdb", 60, 20 * GIB));
    host.topology.devices.push(partition("sdb1", "sdb", 1, 2048, 10 * GIB));
    // Nothing to gain below the encryption: the volume above it grows as usual.
    assert_eq!(plan(&mut host.clone(), &wanted("docker", "100%FREE")).expect("plans").len(), 2);
    host.tables.insert("sdb".to_owned(), gpt(&[(2048, 10 * GIB / 512)], 20 * GIB / 512 - 34));
    let error = plan(&mut host.clone(), &wanted("docker", "100%FREE")).expect_err("encrypted");
    assert!(error.hints[0].contains("cryptsetup resize dm-5"), "{error:?}");
    let without = Wanted { grow_partition: false, ..wanted("docker", "100%FREE") };
    assert_eq!(plan(&mut host.clone(), &without).expect("plans").len(), 2);

    let mut thin = lab("sdb1", Some("sdb"));
    thin.lvm.lvs[0].layout = "thin,sparse".to_owned();
    assert_eq!(code(&thin, &wanted("docker", "6g")), "H0504");
    assert_eq!(plan(&mut thin, &wanted("docker", "4g")).expect("nothing to do"), [""; 0]);
    for content in [Content::Luks, Content::Other("btrfs"), Content::Other("swap")] {
        let mut host = lab("sdb1", Some("sdb"));
        host.contents.insert("dm-0".to_owned(), content);
        assert_eq!(code(&host, &wanted("docker", "6g")), "H0504");
        let alone = Wanted { resizefs: false, ..wanted("docker", "6g") };
        assert_eq!(plan(&mut host, &alone).expect("plans").len(), 1);
    }
    let mut unmounted = lab("sdb1", Some("sdb"));
    unmounted.mounts.clear();
    assert_eq!(code(&unmounted, &wanted("data", "3g")), "H0504");
    assert!(plan(&mut unmounted, &wanted("docker", "5g")).is_ok(), "ext4 grows unmounted");
}

#[test]
fn an_mbr_ends_at_two_terabytes_and_logical_partitions_are_left_alone() {
    let mut host = lab("sdb1", Some("sdb"));
    host.topology.devices.iter_mut().filter(|device| device.name == "sdb").for_each(|device| device.bytes = 4096 * GIB);
    host.tables.get_mut("sdb").expect("table").label = "dos".to_owned();
    let words = plan(&mut host.clone(), &whole("sdb1", "100%FREE")).expect("plans");
    assert_eq!(words, ["grow the partition sdb1 to 1.9 TiB"]);
    let table = host.tables.get_mut("sdb").expect("table");
    table.partitions.push(Slice { start: 1024, size: 30 * GIB / 512, kind: "f".to_owned() });
    assert_eq!(code(&host, &whole("sdb1", "100%FREE")), "H0504");
}

#[test]
fn a_file_system_that_was_left_behind_is_caught_up() {
    let mut host = lab("sdb1", Some("sdb"));
    host.lvm.lvs[0].bytes = 5 * GIB;
    check(&mut host, &wanted("docker", "5g"), &["grow the file system on /dev/dm-0 to 5.0 GiB"]);
    check(&mut host, &wanted("docker", "5g"), &[]);
}

#[test]
fn xfs_info_is_read() {
    let text = "meta-data=/dev/mapper/vg0-data   isize=512    agcount=4, agsize=131072 blks\n\
                data     =                       bsize=4096   blocks=524288, imaxpct=25\n\
                log      =internal log           bsize=4096   blocks=16384, version=2\n";
    assert_eq!(parse_xfs_info(text), Some((4096, 524_288)));
    assert_eq!(parse_xfs_info(""), None);
}

struct NoLink;

impl Link for NoLink {
    fn progress(&self, _: crate::event::Progress) {}
    fn blob(&self, _: &str) -> Result<Blob> {
        Err(Diagnostic::internal("no inputs here"))
    }
    fn cancelled(&self) -> bool {
        false
    }
}

fn run(runtime: &tokio::runtime::Runtime, volumes: serde_json::Value, check: bool) -> Result<Outcome, Failure> {
    let args = serde_json::json!({ "volumes": volumes });
    let call = Call { check, ..Call::new("volume_grow", args.clone()) };
    let entry = crate::modules::find("volume_grow").expect("in the table");
    entry.run(crate::modules::cx::Cx::new(call, Arc::new(NoLink), runtime.handle().clone()), args)
}

#[test]
fn an_empty_list_is_fine_and_bad_entries_are_named() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    assert!(!run(&runtime, serde_json::json!([]), false).expect("fine").changed);
    let code = |entry: serde_json::Value| {
        run(&runtime, serde_json::json!([entry]), true).expect_err("refused").diagnostic.code.to_string()
    };
    assert_eq!(code(serde_json::json!({"size": "1g"})), "H0500");
    assert_eq!(code(serde_json::json!({"device": "/dev/null", "mountpoint": "/", "size": "1g"})), "H0500");
    assert_eq!(code(serde_json::json!({"mountpoint": "/no/such/place"})), "H0501");
    assert_eq!(code(serde_json::json!({"device": "/dev/null"})), "H0501");
    assert_eq!(code(serde_json::json!({"mountpoint": "/proc"})), "H0504");
    assert_eq!(code(serde_json::json!({"mountpoint": "/", "size": "12"})), "H0500");
}

fn sh(command: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-c", command]).output().expect("sh");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text.trim().to_owned())
}

fn must(command: &str) -> String {
    let (ok, text) = sh(command);
    assert!(ok, "{command}: {text}");
    text
}

/// A loop device with a partition over its first half, unmounted and detached when dropped.
struct Disk {
    folder: tempfile::TempDir,
    device: String,
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = sh(&format!("umount {0}/mnt; losetup -d {1}", self.folder.path().display(), self.device));
    }
}

impl Disk {
    /// `None` with the reason if this machine cannot.
    fn new(label: &str, mkfs: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            eprintln!("skip: needs root and loop devices");
            return None;
        }
        let folder = tempfile::tempdir().expect("folder");
        let image = folder.path().join("disk.img");
        let image = image.display();
        must(&format!("truncate -s 400M {image} && printf 'label: {label}\\n2048,350M,L\\n' | sfdisk -q {image}"));
        // The disk grows after it was partitioned: the GPT's backup is in its middle now.
        must(&format!("truncate -s 800M {image}; mkdir {}/mnt", folder.path().display()));
        let device = must(&format!("losetup -f --show {image}"));
        let disk = Self { folder, device };
        must(&format!("partx -u {0} || partx -a {0}", disk.device));
        let (made, text) = sh(&format!("{mkfs} {}p1", disk.device));
        if !made {
            eprintln!("skip: {mkfs}: {text}");
            return None;
        }
        Some(disk)
    }

    fn mountpoint(&self) -> String {
        self.folder.path().join("mnt").display().to_string()
    }
}

/// The kernel lets nobody without `CAP_SYS_RESOURCE` grow a mounted ext4, not even root.
fn may_grow_mounted_ext4() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim).unwrap_or_default();
    u64::from_str_radix(bits, 16).is_ok_and(|bits| bits & (1 << 24) != 0)
}

fn grow_and_prove(label: &str, mkfs: &str) {
    if mkfs.contains("ext4") && !may_grow_mounted_ext4() {
        eprintln!("skip: this process lacks CAP_SYS_RESOURCE, which growing a mounted ext4 needs");
        return;
    }
    let Some(disk) = Disk::new(label, mkfs) else { return };
    let mountpoint = disk.mountpoint();
    must(&format!("mount {}p1 {mountpoint} && echo kept > {mountpoint}/file", disk.device));
    let size = || {
        must(&format!("df --output=size -BM {mountpoint} | tail -1"))
            .trim_end_matches('M')
            .trim()
            .parse::<u64>()
            .expect("size")
    };
    let before = size();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let volumes = serde_json::json!([{"mountpoint": mountpoint, "size": "500m"}]);
    assert!(run(&runtime, volumes.clone(), true).expect("check mode").changed);
    assert_eq!(size(), before);
    let done = run(&runtime, volumes.clone(), false).expect("grows");
    assert_eq!(done.changes.len(), 2, "{:?}", done.changes);
    assert!(size() > before + 100, "{} after {before}", size());
    let again = run(&runtime, volumes, false).expect("again");
    assert!(!again.changed, "{:?}", again.changes);

    let all = serde_json::json!([{"device": format!("{}p1", disk.device), "size": "100%FREE"}]);
    assert!(run(&runtime, all.clone(), false).expect("grows").changed);
    assert!(size() > before + 350, "{} after {before}", size());
    let again = run(&runtime, all, false).expect("again");
    assert!(!again.changed, "{:?}", again.changes);
    assert_eq!(must(&format!("cat {mountpoint}/file")), "kept");
    let verified = must(&format!("sfdisk --verify {}", disk.device));
    assert!(verified.contains("No errors detected"), "{verified}");
    let shrink = serde_json::json!([{"mountpoint": mountpoint, "size": "100m"}]);
    assert_eq!(run(&runtime, shrink, false).expect_err("refused").diagnostic.code, "H0503");
}

#[test]
fn a_mounted_ext4_on_gpt_grows_with_its_partition() {
    grow_and_prove("gpt", "mkfs.ext4 -q");
}

#[test]
fn a_mounted_ext4_on_an_mbr_grows_with_its_partition() {
    grow_and_prove("dos", "mkfs.ext4 -q");
}

#[test]
fn a_mounted_xfs_on_an_mbr_grows_with_its_partition() {
    grow_and_prove("dos", "mkfs.xfs -q");
}

#[test]
fn a_mounted_xfs_on_gpt_grows_with_its_partition() {
    grow_and_prove("gpt", "mkfs.xfs -q");
}

#[test]
fn an_unmounted_ext4_is_checked_first() {
    let Some(disk) = Disk::new("gpt", "mkfs.ext4 -q") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let volumes = serde_json::json!([{"device": format!("{}p1", disk.device)}]);
    assert!(run(&runtime, volumes.clone(), false).expect("grows").changed);
    assert!(!run(&runtime, volumes, false).expect("again").changed);
}
