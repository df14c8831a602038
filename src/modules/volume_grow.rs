//! `volume_grow`: partition, physical volume, logical volume and file system, grown to a size.
//!
//! This file reads the host and carries steps out; what is to be done is decided in `plan`.

mod lvm;
mod plan;
mod size;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::Mutate;
use crate::system::block::Content;
use crate::system::tool::has_tool;
use crate::value::{Map, Value};
use plan::{Host, Step, Target, Wanted, missing};

/// Grows volumes: the partition, the physical volume on it, the logical volume and its file system.
///
/// What lies on what is read from the kernel, so partitions, RAID, multipath and whole disks are told
/// apart by what they are, not by their names. Layers below are grown only if the wanted size needs
/// them. Nothing is ever made smaller, and a volume that has its size already is left alone.
///
/// Sizes: `60g` is the size in the end, `+10g` is added each time, `100%FREE` is all that is free in
/// the volume group (for a plain partition: on the disk), `50%FREE` half of it; a `+` before a share
/// changes nothing. Units are binary (`k`, `m`, `g`, `t`).
///
/// ext2, ext3 and ext4 grow mounted or not, XFS only mounted. Encrypted layers, thin volumes and
/// other file systems are refused with what to do by hand.
///
/// ```yaml
/// - name: Room for images
///   volume_grow:
///     volumes:
///       - vg: vg0
///         lv: docker
///         size: 60g
///       - mountpoint: /data
///         size: 100%FREE
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The volumes, in the order in which they grow; an empty list is fine. Each is named by `vg` and
    /// `lv`, by `vg` alone (partitions and physical volumes only), by `device` or by `mountpoint`, and
    /// has `size` (default `100%FREE`), `grow_partition` and `resizefs` (both default yes).
    volumes: Vec<Volume>,
}

/// One volume.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Volume {
    /// Volume group.
    #[serde(default)]
    vg: Option<String>,
    /// Logical volume in it.
    #[serde(default)]
    lv: Option<String>,
    /// A block device's file.
    #[serde(default)]
    device: Option<String>,
    /// Where it is mounted.
    #[serde(default)]
    mountpoint: Option<String>,
    /// `60g`, `+10g`, `100%FREE`.
    #[serde(default = "all_free")]
    size: String,
    /// Grow the partition below.
    #[serde(default = "yes")]
    grow_partition: bool,
    /// Grow the file system.
    #[serde(default = "yes")]
    resizefs: bool,
}

fn all_free() -> String {
    "100%FREE".to_owned()
}

fn yes() -> bool {
    true
}

/// The module.
pub struct VolumeGrow;

impl Module for VolumeGrow {
    type Args = Args;
    const META: Meta = Meta {
        name: "volume_grow",
        full_name: "hostctl.core.volume_grow",
        summary: "grow partitions, LVM volumes and their file systems",
        reads: &["pvs", "vgs", "lvs", "sfdisk --json", "xfs_info"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let mut results = Vec::with_capacity(args.volumes.len());
        if !args.volumes.is_empty() {
            // All sizes are read before anything grows.
            let sizes = args.volumes.iter().map(|volume| size::parse(&volume.size)).collect::<Result<Vec<_>>>()?;
            let needs_lvm = args.volumes.iter().any(|volume| volume.vg.is_some());
            let mut host = read_host(cx, needs_lvm)?;
            let wanted = args
                .volumes
                .iter()
                .zip(&sizes)
                .map(|(volume, size)| resolve(cx, &host, volume, *size))
                .collect::<Result<Vec<_>>>()?;
            read_contents(cx, &mut host, &wanted)?;
            // A picture of it all, planned through: a later volume's error comes before the first change.
            let mut picture = host.clone();
            for volume in &wanted {
                picture.plan_below(volume)?;
                picture.plan_volume(volume)?;
            }
            for volume in &wanted {
                results.push(grow(cx, &mut host, &wanted, volume, needs_lvm)?);
            }
        }
        Ok(map! { "volumes" => results })
    }
}

fn grow(cx: &Cx, host: &mut Host, all: &[Wanted], volume: &Wanted, needs_lvm: bool) -> Result<Value> {
    let before = bytes_of(host, volume);
    let below = host.plan_below(volume)?;
    carry_out(cx, &below)?;
    if !below.is_empty() && !cx.check_mode() {
        // lvm2 rounds as it likes: what counts is what it says now.
        *host = read_host(cx, needs_lvm)?;
        read_contents(cx, host, all)?;
    }
    let steps = host.plan_volume(volume)?;
    carry_out(cx, &steps)?;
    Ok(Value::from(map! {
        "name" => volume.label.clone(),
        "changed" => !(below.is_empty() && steps.is_empty()),
        "size_before" => before,
        "size" => bytes_of(host, volume),
    }))
}

fn bytes_of(host: &Host, volume: &Wanted) -> u64 {
    match &volume.target {
        Target::Lv { vg, lv } => host.lvm.lv(vg, lv).map_or(0, |lv| lv.bytes),
        Target::Vg(vg) => {
            let extent = host.lvm.vg(vg).map_or(0, |vg| vg.extent);
            host.lvm.pvs.iter().filter(|pv| pv.vg == *vg).map(|pv| pv.extents * extent).sum()
        }
        Target::Device(name) => host.topology.get(name).map_or(0, |device| device.bytes),
    }
}

fn read_host(cx: &Cx, needs_lvm: bool) -> Result<Host> {
    let probe = cx.probe();
    let topology = probe.block_devices()?;
    let mounts = probe.mount_entries()?;
    let on_lvm =
        topology.devices.iter().any(|device| device.mapping.as_ref().is_some_and(|(_, uuid)| uuid.starts_with("LVM-")));
    let mut host = Host { topology, mounts, ..Host::default() };
    if needs_lvm || on_lvm {
        if !has_tool("lvs") {
            return Err(Diagnostic::task("H0501", "this host has no lvm2, so it has no volume groups")
                .with_hint("install the package `lvm2`"));
        }
        let report = |program: &str, columns: &str| -> Result<String> {
            let args = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o", columns];
            Ok(probe.read_tool(program, &args)?.checked()?.stdout)
        };
        let (pvs, vgs, lvs) = (report("pvs", lvm::PVS)?, report("vgs", lvm::VGS)?, report("lvs", lvm::LVS)?);
        let device = |name: &str| {
            let number = probe.device_number(Path::new(name))?;
            host.topology.by_number(number).map(|device| device.name.clone())
        };
        host.lvm = lvm::parse(&pvs, &vgs, &lvs, &device)?;
    }
    Ok(host)
}

/// Content of the wanted volumes, and the tables of the disks below them.
fn read_contents(cx: &Cx, host: &mut Host, wanted: &[Wanted]) -> Result<()> {
    let probe = cx.probe();
    let mut partitions: Vec<String> = Vec::new();
    let mut contents = BTreeMap::new();
    for volume in wanted {
        let device = match &volume.target {
            Target::Device(name) => {
                partitions.push(name.clone());
                host.topology.get(name)
            }
            Target::Vg(vg) | Target::Lv { vg, .. } => {
                partitions.extend(host.lvm.pvs.iter().filter(|pv| pv.vg == *vg).filter_map(|pv| pv.device.clone()));
                match &volume.target {
                    Target::Lv { vg, lv } => {
                        host.lvm.lv(vg, lv).and_then(|lv| lv.number).and_then(|number| host.topology.by_number(number))
                    }
                    _ => None,
                }
            }
        };
        if let Some(device) = device.filter(|_| volume.resizefs) {
            let mut content = probe.device_content(&device.node)?;
            let mount = host.mounts.iter().rev().find(|mount| mount.number == device.number);
            if let (Content::Xfs { block, blocks }, Some(mount)) = (&mut content, mount) {
                // A mounted XFS keeps its superblock to itself.
                let info = probe.read_tool("xfs_info", &[mount.mountpoint.to_string_lossy()])?;
                if let Some((now_block, now_blocks)) = info.ok().then(|| parse_xfs_info(&info.stdout)).flatten() {
                    (*block, *blocks) = (now_block, now_blocks);
                }
            }
            contents.insert(device.name.clone(), content);
        }
    }
    host.contents = contents;
    let mut next = 0;
    while let Some(device) = partitions.get(next).and_then(|name| host.topology.get(name)) {
        next += 1;
        // Below a mapping or RAID: what lies there matters for the message.
        partitions.extend(device.below.iter().filter(|name| !partitions.contains(name)).cloned().collect::<Vec<_>>());
        let Some(disk) = device.partition.as_ref().map(|partition| partition.disk.clone()) else { continue };
        if host.tables.contains_key(&disk) || !wanted.iter().any(|volume| volume.grow_partition) {
            continue;
        }
        if let Some(disk_device) = host.topology.get(&disk) {
            let read = probe.read_tool("sfdisk", &["--json", &disk_device.node.to_string_lossy()])?.checked()?;
            host.tables.insert(disk, lvm::parse_table(&read.stdout)?);
        }
    }
    Ok(())
}

/// `data = bsize=4096 blocks=262144, imaxpct=25`
fn parse_xfs_info(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find(|line| line.trim_start().starts_with("data"))?;
    let of = |key: &str| {
        let rest = line.split(key).nth(1)?;
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok()
    };
    Some((of("bsize=")?, of("blocks=")?))
}

fn resolve(cx: &Cx, host: &Host, volume: &Volume, size: size::Size) -> Result<Wanted> {
    let wrong = |message: &str| {
        Diagnostic::task("H0500", message).with_hint("name a volume by `vg` and `lv`, `device` or `mountpoint`")
    };
    let (label, target) = match (&volume.vg, &volume.lv, &volume.device, &volume.mountpoint) {
        (Some(vg), Some(lv), None, None) => (format!("{vg}/{lv}"), Target::Lv { vg: vg.clone(), lv: lv.clone() }),
        (Some(vg), None, None, None) => {
            if !matches!(size, size::Size::FreeShare(100)) {
                return Err(wrong("a volume group alone grows to all of its disks; `size` needs an `lv`"));
            }
            (vg.clone(), Target::Vg(vg.clone()))
        }
        (None, None, Some(device), None) => (device.clone(), device_target(cx, host, device)?),
        (None, None, None, Some(mountpoint)) => (mountpoint.clone(), mount_target(host, mountpoint)?),
        (None, Some(_), ..) => return Err(wrong("`lv` needs `vg`")),
        (None, None, None, None) => return Err(wrong("a volume has no name")),
        _ => return Err(wrong("a volume is named in more than one way")),
    };
    Ok(Wanted { label, target, size, grow_partition: volume.grow_partition, resizefs: volume.resizefs })
}

fn device_target(cx: &Cx, host: &Host, path: &str) -> Result<Target> {
    let known: Vec<String> = host.topology.devices.iter().map(|device| device.node.display().to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let number = cx
        .probe()
        .device_number(Path::new(path))
        .ok_or_else(|| missing(format!("`{path}` is no block device of this host"), path, &known))?;
    number_target(host, number)
        .ok_or_else(|| missing(format!("the kernel does not list the block device `{path}`"), path, &known))
}

fn mount_target(host: &Host, mountpoint: &str) -> Result<Target> {
    let path = Path::new(mountpoint);
    let mount = host.mounts.iter().rev().find(|mount| mount.mountpoint == path).ok_or_else(|| {
        let known: Vec<String> = host
            .mounts
            .iter()
            .filter(|mount| host.topology.by_number(mount.number).is_some())
            .map(|mount| mount.mountpoint.display().to_string())
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        missing(format!("nothing is mounted at `{mountpoint}`"), mountpoint, &known)
    })?;
    number_target(host, mount.number).ok_or_else(|| {
        Diagnostic::task(
            "H0504",
            format!("`{mountpoint}` is a `{}` of `{}`, not on one block device", mount.kind, mount.source),
        )
    })
}

fn number_target(host: &Host, number: (u32, u32)) -> Option<Target> {
    if let Some(lv) = host.lvm.lvs.iter().find(|lv| lv.number == Some(number)) {
        return Some(Target::Lv { vg: lv.vg.clone(), lv: lv.name.clone() });
    }
    host.topology.by_number(number).map(|device| Target::Device(device.name.clone()))
}

fn carry_out(cx: &Cx, steps: &[Step]) -> Result<()> {
    for step in steps {
        cx.change(step.words(), |mutate| apply(mutate, step))?;
    }
    Ok(())
}

fn apply(mutate: &Mutate, step: &Step) -> Result<()> {
    let run = |name: &str, args: &[&str]| mutate.run_tool(name, args)?.checked().map(drop);
    match step {
        Step::Partition { .. } => grow_partition(mutate, step),
        Step::ResizePv { node } => run("pvresize", &[&node.to_string_lossy()]),
        Step::ExtendLv { vg, lv, extents, .. } => {
            run("lvextend", &["--extents", &format!("+{extents}"), &format!("{vg}/{lv}")])
        }
        Step::GrowExt { node, mounted, .. } => {
            let node = node.to_string_lossy();
            if !mounted {
                let checked = mutate.run_tool("e2fsck", &["-f", "-p", &node])?;
                // 1: it mended something, and all is well now.
                if checked.code != 1 {
                    checked.checked()?;
                }
            }
            run("resize2fs", &[&node])
        }
        Step::GrowXfs { mountpoint, .. } => run("xfs_growfs", &["-d", &mountpoint.to_string_lossy()]),
    }
}

fn grow_partition(mutate: &Mutate, step: &Step) -> Result<()> {
    let Step::Partition { disk, name, number, start, size, bytes, move_backup, .. } = step else {
        return Err(Diagnostic::internal("not a partition's step"));
    };
    let disk = disk.to_string_lossy();
    let run = |name: &str, args: &[&str]| mutate.run_tool(name, args)?.checked().map(drop);
    if *move_backup {
        run("sfdisk", &["--no-reread", "--force", "--relocate", "gpt-bak-std", &disk])?;
    }
    let number = number.to_string();
    // In use, so the kernel is not asked to read the whole table again, only to take this one size.
    let args = [
        "--no-reread",
        "--no-tell-kernel",
        "--force",
        "--wipe",
        "never",
        "--wipe-partitions",
        "never",
        "-N",
        &number,
        &disk,
    ];
    mutate.run_tool_with_input("sfdisk", &args, &format!("start={start}, size={size}\n"))?.checked()?;
    run("partx", &["--update", "--nr", &number, &disk])?;
    if has_tool("udevadm") {
        mutate.run_tool("udevadm", &["settle", "--timeout=10"])?;
    }
    let now = mutate.probe().block_devices()?.get(name).map_or(0, |device| device.bytes);
    if now < *bytes {
        return Err(Diagnostic::task(
            "H0502",
            format!("the table of `{disk}` is written, but the kernel keeps the old size of `{name}`"),
        )
        .with_hint("reboot the host, then run this again"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
