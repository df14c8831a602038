//! From what the host has and what is wanted to the steps: pure, so that every layout can be tested.
//!
//! The steps of a plan are also applied to the picture it was made from; a check-mode run and the
//! volumes that follow see the host as it would be.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::lvm::{Lvm, Table};
use super::size::{Size, show};
use crate::diag::{Diagnostic, Result};
use crate::system::block::{BlockDevice, Content, MountEntry, SECTOR, Topology};

const MIB: u64 = 1 << 20;
/// XFS leaves out a last group of fewer blocks.
const XFS_SMALLEST: u64 = 64;
/// A physical volume may keep a second copy of its metadata at its end.
const PV_TAIL: u64 = MIB;

/// What the host has.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    pub topology: Topology,
    pub mounts: Vec<MountEntry>,
    pub lvm: Lvm,
    /// Partition tables by the disk's kernel name.
    pub tables: BTreeMap<String, Table>,
    /// What is on the wanted volumes, by kernel name.
    pub contents: BTreeMap<String, Content>,
}

/// What is to grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A logical volume.
    Lv { vg: String, lv: String },
    /// A volume group: partitions and physical volumes only.
    Vg(String),
    /// Any other block device, by its kernel name.
    Device(String),
}

/// One entry of `volumes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As the user named it, for messages.
    pub label: String,
    pub target: Target,
    pub size: Size,
    pub grow_partition: bool,
    pub resizefs: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A partition's new size, in sectors of its table.
    Partition {
        disk: PathBuf,
        disk_name: String,
        name: String,
        number: u32,
        start: u64,
        size: u64,
        bytes: u64,
        move_backup: bool,
    },
    /// A physical volume takes all of its device.
    ResizePv {
        node: PathBuf,
    },
    ExtendLv {
        vg: String,
        lv: String,
        extents: u64,
        to: u64,
    },
    GrowExt {
        node: PathBuf,
        mounted: bool,
        to: u64,
    },
    GrowXfs {
        mountpoint: PathBuf,
        to: u64,
    },
}

impl Step {
    /// A few words for the user.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Partition { name, bytes, .. } => format!("grow the partition {name} to {}", show(*bytes)),
            Self::ResizePv { node } => format!("grow the physical volume {}", node.display()),
            Self::ExtendLv { vg, lv, to, .. } => format!("grow the logical volume {vg}/{lv} to {}", show(*to)),
            Self::GrowExt { node, to, .. } => format!("grow the file system on {} to {}", node.display(), show(*to)),
            Self::GrowXfs { mountpoint, to } => {
                format!("grow the file system at {} to {}", mountpoint.display(), show(*to))
            }
        }
    }
}

/// Room after a partition.
struct Room {
    /// Sectors that it can grow by.
    gain: u64,
    sector: u64,
    start: u64,
    size: u64,
    move_backup: bool,
}

impl Host {
    /// Steps below the logical volumes: partitions and physical volumes of the group, if it must grow.
    pub(super) fn plan_below(&mut self, wanted: &Wanted) -> Result<Vec<Step>> {
        let vg = match &wanted.target {
            Target::Device(_) => return Ok(Vec::new()),
            Target::Vg(vg) => vg.clone(),
            Target::Lv { vg, lv } => {
                let need = self.need(vg, lv, wanted)?;
                let free = self.vg(vg)?.free;
                if !matches!(wanted.size, Size::FreeShare(_)) && need <= free {
                    return Ok(Vec::new());
                }
                vg.clone()
            }
        };
        self.vg(&vg)?;
        let devices: Vec<String> =
            self.lvm.pvs.iter().filter(|pv| pv.vg == vg).filter_map(|pv| pv.device.clone()).collect();
        let mut steps = Vec::new();
        for device in devices {
            if wanted.grow_partition {
                steps.extend(self.grow_under(&device, wanted)?);
            }
            steps.extend(self.resize_pv(&device));
        }
        Ok(steps)
    }

    /// Steps for the volume itself and its file system.
    pub(super) fn plan_volume(&mut self, wanted: &Wanted) -> Result<Vec<Step>> {
        match wanted.target.clone() {
            Target::Vg(_) => Ok(Vec::new()),
            Target::Lv { vg, lv } => self.plan_lv(wanted, &vg, &lv),
            Target::Device(name) => self.plan_device(wanted, &name),
        }
    }

    fn vg(&self, name: &str) -> Result<&super::lvm::Vg> {
        self.lvm.vg(name).ok_or_else(|| {
            let known: Vec<&str> = self.lvm.vgs.iter().map(|vg| vg.name.as_str()).collect();
            missing(format!("there is no volume group `{name}`"), name, &known)
        })
    }

    fn lv(&self, vg: &str, name: &str) -> Result<&super::lvm::Lv> {
        self.vg(vg)?;
        self.lvm.lv(vg, name).ok_or_else(|| {
            let known: Vec<&str> = self.lvm.lvs.iter().filter(|lv| lv.vg == vg).map(|lv| lv.name.as_str()).collect();
            missing(format!("there is no logical volume `{name}` in the volume group `{vg}`"), name, &known)
        })
    }

    /// Extents that a logical volume lacks.
    fn need(&self, vg: &str, lv: &str, wanted: &Wanted) -> Result<u64> {
        let group = self.vg(vg)?;
        let volume = self.lv(vg, lv)?;
        let current = volume.bytes.div_ceil(group.extent);
        match wanted.size {
            Size::FreeShare(share) => Ok(share_of(group.free, share)),
            Size::More(bytes) => Ok(bytes.div_ceil(group.extent)),
            Size::Total(bytes) => {
                let target = bytes.div_ceil(group.extent);
                target.checked_sub(current).ok_or_else(|| shrink(&wanted.label, volume.bytes, bytes))
            }
        }
    }

    fn plan_lv(&mut self, wanted: &Wanted, vg: &str, lv: &str) -> Result<Vec<Step>> {
        let need = self.need(vg, lv, wanted)?;
        let (free, extent) = self.vg(vg).map(|vg| (vg.free, vg.extent))?;
        let volume = self.lv(vg, lv)?.clone();
        let mut steps = Vec::new();
        if need > 0 {
            let simple = volume.layout.split(',').next().is_some_and(|kind| matches!(kind, "linear" | "striped" | ""));
            if !simple {
                return Err(Diagnostic::task(
                    "H0504",
                    format!(
                        "`{}` is a logical volume of kind `{}`, which `volume_grow` does not grow",
                        wanted.label, volume.layout
                    ),
                )
                .with_hint(format!("grow it by hand: lvextend --resizefs -L SIZE {vg}/{lv}")));
            }
            if need > free {
                let (wants, has) = (show(need.saturating_mul(extent)), show(free.saturating_mul(extent)));
                return Err(Diagnostic::task(
                    "H0502",
                    format!("`{}` needs {wants} more, and the volume group `{vg}` has {has} free", wanted.label),
                )
                .with_note(format!("{need} extents of {} are needed, {free} are free", show(extent)))
                .with_hint("make the disk larger, add one (`vgextend`), or take a smaller `size` such as `100%FREE`"));
            }
        }
        let to = volume.bytes + need * extent;
        let name = volume.number.and_then(|number| self.topology.by_number(number)).map(|device| device.name.clone());
        if need > 0 {
            if wanted.resizefs && name.is_none() {
                return Err(Diagnostic::task(
                    "H0504",
                    format!("`{}` is not active, so its file system cannot grow", wanted.label),
                )
                .with_hint(format!("activate it (`lvchange -ay {vg}/{lv}`), or set `resizefs: false`")));
            }
            steps.push(Step::ExtendLv { vg: vg.to_owned(), lv: lv.to_owned(), extents: need, to });
        }
        if let Some(name) = name.filter(|_| wanted.resizefs) {
            steps.extend(self.grow_content(wanted, &name, to, need > 0)?);
            self.set_bytes(&name, to);
        }
        for group in self.lvm.vgs.iter_mut().filter(|group| group.name == vg) {
            group.free -= need.min(group.free);
        }
        for volume in self.lvm.lvs.iter_mut().filter(|volume| volume.vg == vg && volume.name == lv) {
            volume.bytes = to;
        }
        Ok(steps)
    }

    fn plan_device(&mut self, wanted: &Wanted, name: &str) -> Result<Vec<Step>> {
        let device = self.device(name)?.clone();
        let mut steps = Vec::new();
        let mut bytes = device.bytes;
        let room = if wanted.grow_partition { self.room(&device, &wanted.label)? } else { None };
        let most = device.bytes + room.as_ref().map_or(0, |room| room.gain * room.sector);
        let target = match wanted.size {
            Size::FreeShare(share) => device.bytes + share_of(most - device.bytes, share) / MIB * MIB,
            Size::More(more) => device.bytes.saturating_add(more.div_ceil(MIB).saturating_mul(MIB)),
            // Partitions lie on whole megabytes: less than one of difference is none.
            Size::Total(total) if total.abs_diff(device.bytes) < MIB => device.bytes,
            Size::Total(total) if total < device.bytes => return Err(shrink(&wanted.label, device.bytes, total)),
            Size::Total(total) => total.div_ceil(MIB).saturating_mul(MIB),
        };
        if target > most {
            let why = match (&device.partition, &device.mapping) {
                (Some(_), _) if !wanted.grow_partition => {
                    "its partition stays as it is (`grow_partition: false`)".to_owned()
                }
                (Some(partition), _) => format!("on `{}` it can have {} at most", partition.disk, show(most)),
                (None, Some(_)) => "it is a mapping, which only what made it can grow".to_owned(),
                (None, None) => format!("it is a whole device of {}", show(most)),
            };
            return Err(Diagnostic::task(
                "H0502",
                format!("`{}` cannot grow to {}: {why}", wanted.label, show(target)),
            ));
        }
        if let Some(room) = room.filter(|_| target > device.bytes) {
            bytes = target;
            steps.push(self.partition_step(&device, &room, target)?);
        }
        if matches!(self.contents.get(name), Some(Content::PhysicalVolume)) {
            steps.extend(self.resize_pv(name));
        } else if wanted.resizefs {
            steps.extend(self.grow_content(wanted, name, bytes, bytes > device.bytes)?);
        }
        Ok(steps)
    }

    fn device(&self, name: &str) -> Result<&BlockDevice> {
        self.topology.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.topology.devices.iter().map(|device| device.name.as_str()).collect();
            missing(format!("there is no block device `{name}`"), name, &known)
        })
    }

    fn set_bytes(&mut self, name: &str, bytes: u64) {
        for device in self.topology.devices.iter_mut().filter(|device| device.name == name) {
            device.bytes = bytes;
        }
    }

    /// Grows the partition that a physical volume is on, as far as it goes.
    fn grow_under(&mut self, name: &str, wanted: &Wanted) -> Result<Vec<Step>> {
        let Some(device) = self.topology.get(name).cloned() else { return Ok(Vec::new()) };
        if let Some(room) = self.room(&device, &wanted.label)? {
            let target = device.bytes + room.gain * room.sector;
            return Ok(vec![self.partition_step(&device, &room, target)?]);
        }
        Ok(Vec::new())
    }

    /// The room after a partition; none for devices that are no partition or have none. A partition
    /// with room below an encrypted mapping is an error: growing it alone would help nobody.
    fn room(&self, device: &BlockDevice, label: &str) -> Result<Option<Room>> {
        if device.mapping.as_ref().is_some_and(|(_, uuid)| uuid.starts_with("CRYPT-")) {
            for below in device.below.iter().filter_map(|name| self.topology.get(name)) {
                if self.room(below, label)?.is_some() {
                    let (name, _) = device.mapping.clone().unwrap_or_default();
                    return Err(Diagnostic::task(
                        "H0504",
                        format!("`{label}` lies on the encrypted `{name}`, which `volume_grow` does not resize; `{}` below it has room", below.name),
                    )
                    .with_hint(format!(
                        "grow `{}` by hand, then run `cryptsetup resize {name}`; or set `grow_partition: false`",
                        below.name
                    )));
                }
            }
            return Ok(None);
        }
        let Some(partition) = &device.partition else { return Ok(None) };
        let (Some(table), Some(disk)) = (self.tables.get(&partition.disk), self.topology.get(&partition.disk)) else {
            return Ok(None);
        };
        let sector = table.sectorsize.max(1);
        let Some(slice) = table.partitions.iter().find(|slice| slice.start * sector == partition.start * SECTOR) else {
            return Ok(None);
        };
        let all = disk.bytes / sector;
        let end = slice.start + slice.size;
        let next = table.partitions.iter().map(|other| other.start).filter(|start| *start > slice.start).min();
        // The backup of a GPT: one header, 128 entries of 128 bytes.
        let backup = 1 + 16384_u64.div_ceil(sector);
        let limit = match (next, table.label.as_str()) {
            (Some(next), _) => next,
            (None, "gpt") => all.saturating_sub(backup),
            (None, _) => all.min(u64::from(u32::MAX)),
        };
        let step = (MIB / sector).max(1);
        let gain = (limit / step * step).saturating_sub(end);
        if gain * sector < MIB {
            return Ok(None);
        }
        let inside_extended = table.partitions.iter().any(|other| {
            matches!(other.kind.as_str(), "5" | "f" | "85")
                && other.start < slice.start
                && slice.start < other.start + other.size
        });
        if inside_extended || !matches!(table.label.as_str(), "gpt" | "dos") {
            let what = if inside_extended {
                "a logical partition".to_owned()
            } else {
                format!("a `{}` partition", table.label)
            };
            return Err(Diagnostic::task(
                "H0504",
                format!(
                    "`{label}` lies on `{}`, {what} with room behind it, which `volume_grow` does not grow",
                    device.name
                ),
            )
            .with_hint("grow it by hand, or set `grow_partition: false`"));
        }
        let move_backup = table.label == "gpt" && table.lastlba.is_none_or(|last| last + 1 + backup < all);
        Ok(Some(Room { gain, sector, start: slice.start, size: slice.size, move_backup }))
    }

    fn partition_step(&mut self, device: &BlockDevice, room: &Room, target: u64) -> Result<Step> {
        let partition = device.partition.as_ref().ok_or_else(|| Diagnostic::internal("room without a partition"))?;
        let size = room.size + (target - device.bytes) / room.sector;
        let disk = self.device(&partition.disk)?.node.clone();
        let step = Step::Partition {
            disk,
            disk_name: partition.disk.clone(),
            name: device.name.clone(),
            number: partition.number,
            start: room.start,
            size,
            bytes: target,
            move_backup: room.move_backup,
        };
        if let Some(table) = self.tables.get_mut(&partition.disk) {
            table.partitions.iter_mut().filter(|slice| slice.start == room.start).for_each(|slice| slice.size = size);
            if room.move_backup {
                table.lastlba = None;
            }
        }
        self.set_bytes(&device.name, target);
        Ok(step)
    }

    /// A physical volume that has more device than extents.
    fn resize_pv(&mut self, name: &str) -> Option<Step> {
        let device = self.topology.get(name)?;
        let (bytes, node) = (device.bytes, device.node.clone());
        let pv = self.lvm.pvs.iter_mut().find(|pv| pv.device.as_deref() == Some(name))?;
        let group = self.lvm.vgs.iter_mut().find(|vg| vg.name == pv.vg)?;
        let room = bytes.saturating_sub(pv.start).saturating_sub(pv.extents * group.extent);
        if room < group.extent + PV_TAIL {
            return None;
        }
        let more = room / group.extent;
        pv.extents += more;
        group.free += more;
        Some(Step::ResizePv { node })
    }

    /// The step for what is on a device that has (or will have) so many bytes.
    fn grow_content(&mut self, wanted: &Wanted, name: &str, bytes: u64, grew: bool) -> Result<Option<Step>> {
        let device = self.device(name)?.clone();
        let mount = self.mounts.iter().rev().find(|mount| mount.number == device.number).cloned();
        let by_hand = |what: &str| {
            Err(Diagnostic::task(
                "H0504",
                format!("`{}` holds {what}, which `volume_grow` does not grow", wanted.label),
            )
            .with_hint("set `resizefs: false` to grow the volume alone, then grow its content by hand"))
        };
        match self.contents.get_mut(name) {
            Some(Content::Ext(ext)) => {
                let blocks = ext.blocks_on(bytes);
                if blocks <= ext.blocks {
                    return Ok(None);
                }
                ext.blocks = blocks;
                Ok(Some(Step::GrowExt { node: device.node, mounted: mount.is_some(), to: blocks * ext.block }))
            }
            Some(Content::Xfs { block, blocks }) => {
                let fits = bytes / (*block).max(1);
                if fits < *blocks + XFS_SMALLEST {
                    return Ok(None);
                }
                let Some(mount) = mount else {
                    return Err(Diagnostic::task(
                        "H0504",
                        format!("`{}` holds XFS, which grows only while it is mounted", wanted.label),
                    )
                    .with_hint("mount it first, or set `resizefs: false`"));
                };
                *blocks = fits;
                Ok(Some(Step::GrowXfs { mountpoint: mount.mountpoint, to: fits * *block }))
            }
            Some(Content::Luks) if grew => by_hand("an encrypted container (LUKS)"),
            Some(Content::Other(kind)) if grew => {
                let what = format!("`{kind}`");
                by_hand(&what)
            }
            Some(Content::PhysicalVolume) if grew => by_hand("another physical volume"),
            _ => Ok(None),
        }
    }
}

fn share_of(whole: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(percent) / 100).unwrap_or(whole)
}

fn shrink(label: &str, now: u64, wanted: u64) -> Diagnostic {
    Diagnostic::task(
        "H0503",
        format!("`{label}` has {} and would shrink to {}, which is refused", show(now), show(wanted)),
    )
}

/// An error for a name that the host does not have.
pub(super) fn missing(message: String, name: &str, known: &[&str]) -> Diagnostic {
    let error = Diagnostic::task("H0501", message).with_nearest(name, known.iter().copied());
    if known.is_empty() {
        error.with_note("this host has none")
    } else {
        error.with_note(format!(
            "this host has {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))
    }
}
