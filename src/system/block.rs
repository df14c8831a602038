//! Block devices as the kernel lays them on each other: `/sys`, mounts, superblocks.
//!
//! Which device is a partition of which disk, and what lies under a mapping, is read from the
//! kernel's own tree; a device's name says nothing (`nvme0n1p10`, `md127`, `dm-3`, `loop0p1`).

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Probe;
use crate::diag::{Diagnostic, Result};

/// The kernel counts in sectors of this size, whatever the device's own is.
pub const SECTOR: u64 = 512;

/// One block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockDevice {
    /// The kernel's name.
    pub name: String,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Bytes.
    pub bytes: u64,
    /// If it is a partition: disk, number, first sector (of [`SECTOR`] bytes).
    pub partition: Option<Partition>,
    /// If it is a mapping: its name and identity (`LVM-...`, `CRYPT-...`, `mpath-...`).
    pub mapping: Option<(String, String)>,
    /// Devices right below.
    pub below: Vec<String>,
    /// The file to open.
    pub node: PathBuf,
}

/// A partition's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The disk's kernel name.
    pub disk: String,
    /// From 1.
    pub number: u32,
    /// First sector, in [`SECTOR`]s.
    pub start: u64,
}

/// All block devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// In the order of their names.
    pub devices: Vec<BlockDevice>,
}

impl Topology {
    /// The device of a kernel name.
    pub fn get(&self, name: &str) -> Option<&BlockDevice> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The device of a number.
    pub fn by_number(&self, number: (u32, u32)) -> Option<&BlockDevice> {
        self.devices.iter().find(|device| device.number == number)
    }

    /// Reads a tree like `/sys`.
    pub fn read(sys: &Path) -> std::io::Result<Self> {
        let mut devices = Vec::new();
        for entry in std::fs::read_dir(sys.join("class/block"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(device) = read_device(sys, &name) {
                devices.push(device);
            }
        }
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { devices })
    }
}

fn read_device(sys: &Path, name: &str) -> Option<BlockDevice> {
    // Through the link: the folder above a partition's own is its disk's.
    let folder = std::fs::canonicalize(sys.join("class/block").join(name)).ok()?;
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    let number = |file: &str| text(file).and_then(|text| text.parse::<u64>().ok());
    let (major, minor) = text("dev")?.split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))?;
    let partition = match number("partition") {
        Some(index) => Some(Partition {
            disk: folder.parent()?.file_name()?.to_string_lossy().into_owned(),
            number: u32::try_from(index).ok()?,
            start: number("start")?,
        }),
        None => None,
    };
    let mut below: Vec<String> = std::fs::read_dir(folder.join("slaves"))
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    below.sort();
    let mapping = text("dm/name").map(|name| (name, text("dm/uuid").unwrap_or_default()));
    let node = match &mapping {
        Some((name, _)) => PathBuf::from(format!("/dev/mapper/{name}")),
        None => {
            let uevent = text("uevent").unwrap_or_default();
            let device = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME=").map(str::to_owned));
            Path::new("/dev").join(device.unwrap_or_else(|| name.replace('!', "/")))
        }
    };
    Some(BlockDevice {
        name: name.to_owned(),
        number: (major, minor),
        bytes: number("size").unwrap_or(0).saturating_mul(SECTOR),
        partition,
        mapping,
        below,
        node,
    })
}

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountEntry {
    /// Number of its device.
    pub number: (u32, u32),
    /// Where.
    pub mountpoint: PathBuf,
    /// `ext4`, ...
    pub kind: String,
    /// What is mounted, as mount names it.
    pub source: String,
}

/// Reads the text of `/proc/self/mountinfo`.
pub fn parse_mounts(text: &str) -> Vec<MountEntry> {
    text.lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let fields: Vec<&str> = before.split(' ').collect();
            let (major, minor) = fields.get(2)?.split_once(':')?;
            let mut after = after.split(' ');
            Some(MountEntry {
                number: (major.parse().ok()?, minor.parse().ok()?),
                mountpoint: PathBuf::from(unescape(fields.get(4)?)),
                kind: after.next()?.to_owned(),
                source: unescape(after.next()?),
            })
        })
        .collect()
}

/// `\040` and the like.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|digits| *byte == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        let value = octal.map(|digits| digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(value) => {
                out.push(value);
                at += 4;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a device's first blocks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// ext2, ext3 or ext4.
    Ext(Ext),
    /// XFS: block size and blocks.
    Xfs {
        /// Bytes.
        block: u64,
        /// Blocks of data.
        blocks: u64,
    },
    /// An LVM physical volume.
    PhysicalVolume,
    /// An encrypted container.
    Luks,
    /// Something else that must not be taken for empty.
    Other(&'static str),
    /// No known signature.
    Nothing,
}

/// The figures of an ext superblock that its size hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ext {
    /// Bytes a block.
    pub block: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks a group.
    pub per_group: u64,
    /// The first block that counts.
    pub first: u64,
    /// Blocks that the tables of a new group need at most.
    pub overhead: u64,
}

impl Ext {
    /// Blocks that `resize2fs` would give it on a device of so many bytes: a last group that is too
    /// small for its own tables is left out.
    pub fn blocks_on(&self, bytes: u64) -> u64 {
        let blocks = bytes / self.block.max(1);
        let rest = blocks.saturating_sub(self.first).checked_rem(self.per_group).unwrap_or(0);
        if rest != 0 && rest < self.overhead + 50 { blocks - rest } else { blocks }
    }
}

/// Recognises a device's content by its first 68 KiB.
pub fn recognise(head: &[u8]) -> Content {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    if at(0, b"LUKS\xba\xbe") {
        return Content::Luks;
    }
    if (0..4).any(|sector| at(sector * 512, b"LABELONE") && at(sector * 512 + 24, b"LVM2 001")) {
        return Content::PhysicalVolume;
    }
    if at(0, b"XFSB") {
        let block = head.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        let blocks = head.get(8..16).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
        return Content::Xfs { block: block.into(), blocks };
    }
    if at(1024 + 0x38, &[0x53, 0xef]) {
        return ext(head).map_or(Content::Other("damaged ext"), Content::Ext);
    }
    if at(65536 + 64, b"_BHRfS_M") {
        return Content::Other("btrfs");
    }
    if at(4096 - 10, b"SWAPSPACE2") || at(65536 - 10, b"SWAPSPACE2") {
        return Content::Other("swap");
    }
    if at(1024, &[0x10, 0x20, 0xf5, 0xf2]) {
        return Content::Other("f2fs");
    }
    if at(3, b"NTFS    ") {
        return Content::Other("ntfs");
    }
    if at(54, b"FAT1") || at(82, b"FAT32") {
        return Content::Other("vfat");
    }
    Content::Nothing
}

fn ext(head: &[u8]) -> Option<Ext> {
    let word = |offset: usize| {
        Some(u64::from(u32::from_le_bytes(head.get(1024 + offset..1024 + offset + 4)?.try_into().ok()?)))
    };
    let half = |offset: usize| {
        Some(u64::from(u16::from_le_bytes(head.get(1024 + offset..1024 + offset + 2)?.try_into().ok()?)))
    };
    let block = 1024_u64.checked_shl(u32::try_from(word(0x18)?).ok()?).filter(|block| *block <= 65536)?;
    let incompatible = word(0x60)?;
    let wide = incompatible & 0x80 != 0;
    let blocks = word(0x04)? | if wide { word(0x150)? << 32 } else { 0 };
    let per_group = word(0x20)?;
    let inode_size = half(0x58)?.max(128);
    let inode_blocks = (word(0x28)? * inode_size).div_ceil(block);
    let descriptor = if wide { half(0xfe)?.max(32) } else { 32 };
    let groups = blocks.div_ceil(per_group.max(1)) * 2;
    let descriptors = (groups * descriptor).div_ceil(block);
    // 2 bitmaps, the inode table, and in some groups a copy of superblock and descriptors.
    let overhead = 3 + inode_blocks + descriptors + half(0xce)?;
    Some(Ext { block, blocks, per_group, first: word(0x14)?, overhead })
}

impl Probe {
    /// All block devices.
    pub fn block_devices(&self) -> Result<Topology> {
        Topology::read(Path::new("/sys"))
            .map_err(|error| Diagnostic::task("H0310", format!("cannot read block devices from `/sys`: {error}")))
    }

    /// All mounts of this process.
    pub fn mount_entries(&self) -> Result<Vec<MountEntry>> {
        let text = std::fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| Diagnostic::task("H0310", format!("cannot read the mounts: {error}")))?;
        Ok(parse_mounts(&text))
    }

    /// The number of the device that a file stands for; none if it is no block device.
    pub fn device_number(&self, path: &Path) -> Option<(u32, u32)> {
        let metadata = std::fs::metadata(path).ok()?;
        std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type())
            .then(|| (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev())))
    }

    /// What a device holds.
    pub fn device_content(&self, node: &Path) -> Result<Content> {
        let cannot = |error| Diagnostic::task("H0310", format!("cannot read `{}`: {error}", node.display()));
        let mut head = Vec::new();
        File::open(node).map_err(cannot)?.take(68 * 1024).read_to_end(&mut head).map_err(cannot)?;
        Ok(recognise(&head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree like `/sys`: (folder below devices, files, names in `slaves`).
    fn tree(devices: &[(&str, &[(&str, &str)], &[&str])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("folder");
        let class = root.path().join("class/block");
        std::fs::create_dir_all(&class).expect("folders");
        for (path, files, below) in devices {
            let folder = root.path().join("devices").join(path);
            std::fs::create_dir_all(folder.join("slaves")).expect("folders");
            for (name, text) in *files {
                let file = folder.join(name);
                std::fs::create_dir_all(file.parent().expect("parent")).expect("folders");
                std::fs::write(file, text).expect("write");
            }
            for name in *below {
                std::fs::write(folder.join("slaves").join(name), "").expect("write");
            }
            std::os::unix::fs::symlink(&folder, class.join(folder.file_name().expect("name"))).expect("link");
        }
        root
    }

    #[test]
    fn partitions_know_their_disk_whatever_their_names() {
        let root = tree(&[
            (
                "pci0/nvme/nvme0/nvme0n1",
                &[("dev", "259:0\n"), ("size", "2097152\n"), ("uevent", "DEVNAME=nvme0n1\n")],
                &[],
            ),
            (
                "pci0/nvme/nvme0/nvme0n1/nvme0n1p10",
                &[("dev", "259:10\n"), ("size", "1024\n"), ("partition", "10\n"), ("start", "2048\n")],
                &[],
            ),
            ("virtual/block/md127", &[("dev", "9:127\n"), ("size", "4096\n")], &["nvme0n1p10", "sdb"]),
            (
                "virtual/block/dm-3",
                &[("dev", "253:3\n"), ("size", "2048\n"), ("dm/name", "vg0-docker\n"), ("dm/uuid", "LVM-abc\n")],
                &["md127"],
            ),
            ("virtual/block/cciss!c0d0", &[("dev", "104:0\n"), ("size", "8\n")], &[]),
        ]);
        let topology = Topology::read(root.path()).expect("reads");
        let part = topology.get("nvme0n1p10").expect("partition");
        assert_eq!(part.partition, Some(Partition { disk: "nvme0n1".to_owned(), number: 10, start: 2048 }));
        assert_eq!((part.bytes, part.node.as_path()), (512 * 1024, Path::new("/dev/nvme0n1p10")));
        assert_eq!(topology.get("nvme0n1").expect("disk").partition, None);
        assert_eq!(topology.get("md127").expect("raid").below, ["nvme0n1p10", "sdb"]);
        let lv = topology.by_number((253, 3)).expect("mapping");
        assert_eq!(lv.mapping, Some(("vg0-docker".to_owned(), "LVM-abc".to_owned())));
        assert_eq!(lv.node, Path::new("/dev/mapper/vg0-docker"));
        assert_eq!(topology.get("cciss!c0d0").expect("disk").node, Path::new("/dev/cciss/c0d0"));
    }

    #[test]
    fn mounts_with_blanks_and_optional_fields() {
        let text = "36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 shared:2 - ext3 /dev/my\\040root rw\n\
                    broken line\n29 1 0:25 / / rw - btrfs /dev/vda1 rw\n";
        let mounts = parse_mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].mountpoint, Path::new("/mnt two"));
        assert_eq!((mounts[0].number, mounts[0].source.as_str()), ((98, 0), "/dev/my root"));
    }

    #[test]
    fn content_is_recognised_and_short_reads_are_fine() {
        assert_eq!(recognise(b""), Content::Nothing);
        assert_eq!(recognise(b"LUKS\xba\xbe\0\x02"), Content::Luks);
        let mut pv = vec![0; 2048];
        pv[512..520].copy_from_slice(b"LABELONE");
        pv[536..544].copy_from_slice(b"LVM2 001");
        assert_eq!(recognise(&pv), Content::PhysicalVolume);
        let mut xfs = b"XFSB".to_vec();
        xfs.extend_from_slice(&4096_u32.to_be_bytes());
        xfs.extend_from_slice(&1000_u64.to_be_bytes());
        assert_eq!(recognise(&xfs), Content::Xfs { block: 4096, blocks: 1000 });
        let mut swap = vec![0; 4096];
        swap[4086..].copy_from_slice(b"SWAPSPACE2");
        assert_eq!(recognise(&swap), Content::Other("swap"));
        for length in 0..swap.len() {
            let _ = recognise(&swap[..length]);
        }
    }

    #[test]
    fn a_real_ext4_is_read_as_its_own_tools_read_it() {
        let file = tempfile::NamedTempFile::new().expect("file");
        file.as_file().set_len(40 << 20).expect("length");
        let made = std::process::Command::new("/usr/sbin/mkfs.ext4").arg("-qF").arg(file.path()).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("skip: no mkfs.ext4");
            return;
        }
        let Ok(Content::Ext(ext)) = Probe::new(Vec::new()).device_content(file.path()) else { panic!("no ext") };
        assert_eq!(ext.blocks * ext.block, 40 << 20);
        assert_eq!(ext.blocks_on(40 << 20), ext.blocks);
        assert_eq!(ext.blocks_on((80 << 20) + ext.block - 1), ext.blocks * 2);
    }
}
