//! How loaded this host is: memory, the kernel's pressure figures, room on a file system.

use std::path::Path;

use super::Probe;

/// Per cent of the last ten seconds in which tasks waited for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: f64,
    /// All tasks that were not idle waited at once; 0 where the kernel does not tell.
    pub full: f64,
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskRoom {
    /// Bytes free for users without privileges.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Free inodes.
    pub inodes_free: u64,
    /// Inodes in all; 0 where the file system makes them as it needs them.
    pub inodes: u64,
}

/// How a host is. What it does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostLoad {
    /// Bytes that can be had without swapping.
    pub memory_available: Option<u64>,
    /// Bytes of memory.
    pub memory_total: Option<u64>,
    /// Waiting for a processor. `None` on kernels without pressure figures (`psi=0`).
    pub cpu: Option<Pressure>,
    /// Waiting for memory.
    pub memory: Option<Pressure>,
    /// Waiting for disks.
    pub io: Option<Pressure>,
    /// Room where the given path lies.
    pub disk: Option<DiskRoom>,
}

impl Probe {
    /// The load now, with the room of the file system that `path` lies on (of its nearest folder that exists).
    pub fn host_load(&self, path: &Path) -> HostLoad {
        let meminfo = self.text("/proc/meminfo").unwrap_or_default();
        let pressure = |name: &str| pressure(&self.text(format!("/proc/pressure/{name}"))?);
        HostLoad {
            memory_available: meminfo_bytes(&meminfo, "MemAvailable"),
            memory_total: meminfo_bytes(&meminfo, "MemTotal"),
            cpu: pressure("cpu"),
            memory: pressure("memory"),
            io: pressure("io"),
            disk: self.disk_room(path),
        }
    }

    /// The room of the file system that a path lies on, or would lie on.
    pub fn disk_room(&self, path: &Path) -> Option<DiskRoom> {
        let found = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
        Some(DiskRoom {
            free: found.f_frsize.saturating_mul(found.f_bavail),
            total: found.f_frsize.saturating_mul(found.f_blocks),
            inodes_free: found.f_favail,
            inodes: found.f_files,
        })
    }
}

/// A line of `/proc/meminfo` in bytes.
fn meminfo_bytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let mut words = value.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        Some("kB") => number.checked_mul(1024),
        _ => Some(number),
    }
}

/// A file of `/proc/pressure` (Documentation/accounting/psi.rst).
fn pressure(text: &str) -> Option<Pressure> {
    let average = |kind: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let value: f64 = line.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()?;
        value.is_finite().then_some(value)
    };
    Some(Pressure { some: average("some")?, full: average("full").unwrap_or(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24583012 kB\nMemFree:          812340 kB\nMemAvailable:   18944120 kB\n\
                           Buffers:          402348 kB\nHugePages_Total:       0\n";

    #[test]
    fn meminfo_is_read() {
        assert_eq!(meminfo_bytes(MEMINFO, "MemAvailable"), Some(18_944_120 * 1024));
        assert_eq!(meminfo_bytes(MEMINFO, "MemTotal"), Some(24_583_012 * 1024));
        assert_eq!(meminfo_bytes(MEMINFO, "Mem"), None);
        assert_eq!(meminfo_bytes(MEMINFO, "HugePages_Total"), Some(0));
        assert_eq!(meminfo_bytes("MemTotal: x kB", "MemTotal"), None);
    }

    #[test]
    fn pressure_is_read() {
        let text =
            "some avg10=12.34 avg60=5.01 avg300=1.20 total=123456\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(pressure(text), Some(Pressure { some: 12.34, full: 0.5 }));
        // Kernels before 5.13 have no `full` line for processors.
        assert_eq!(pressure("some avg10=1.00 avg60=0.00\n"), Some(Pressure { some: 1.0, full: 0.0 }));
        for text in ["", "some\n", "some avg60=1\n", "some avg10=x\n", "some avg10=nan\n"] {
            assert_eq!(pressure(text), None, "{text}");
        }
    }

    #[test]
    fn this_host_answers() {
        let load = Probe::new(Vec::new()).host_load(Path::new("/var/none/of/these"));
        assert!(load.memory_total > load.memory_available);
        let disk = load.disk.unwrap();
        assert!(disk.total > 0 && disk.free <= disk.total);
    }
}
