//! Whether one more build may start now: a pure function of limits, the host's load and what is running.
//!
//! **Disk** is never risked, not even for the first build: what the running builds and this one are expected to take,
//! and a reserve, must be free. The reserve is 5 GiB or 10 % of the file system, whichever is *less*: 10 % of a large
//! disk would keep hundreds of gigabytes away from builds, and 5 GiB are more than a small one has. An image without
//! history counts as 1 GiB.
//!
//! **Memory and pressure** only hold back a further build: one may always run, since a host that is loaded by others
//! would otherwise wait for ever. `MemAvailable` must have 1 GiB for each build that starts, those of the last seconds
//! included, which have not taken theirs yet. The kernel's pressure figures (per cent of the last 10 s in which somebody
//! waited) hold at: memory 25 `some` or 10 `full` (it swaps or drops caches that it needs), disks 70 `full`.
//!
//! **Processors** hold nothing: where more builds may run than there are processors, somebody always waits for one, and
//! the user said how many may run. Held builds would make none of the others faster than they would be after each other,
//! and leave processors idle while those wait for the network.

use crate::system::{HostLoad, Pressure};

const GIB: u64 = 1 << 30;

/// Limits. The defaults are those of the module's text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Builds at the same time, at least 1.
    pub parallel: usize,
    /// Bytes that stay free at least.
    pub disk_reserve: u64,
    /// Per cent of the file system that stay free at least; the lesser of both counts.
    pub disk_reserve_percent: u64,
    /// Bytes that an image without history is expected to take.
    pub unknown_image: u64,
    /// Bytes of memory for a build.
    pub memory: u64,
    /// Per cent of `some` at which memory holds further builds.
    pub memory_some: f64,
    /// Per cent of `full` at which memory holds further builds.
    pub memory_full: f64,
    /// Per cent of `full` at which disks hold further builds.
    pub io_full: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 1,
            disk_reserve: 5 * GIB,
            disk_reserve_percent: 10,
            unknown_image: GIB,
            memory: GIB,
            memory_some: 25.0,
            memory_full: 10.0,
            io_full: 70.0,
        }
    }
}

impl Limits {
    /// Bytes that must stay free of a file system of so many.
    pub fn reserve(&self, total: u64) -> u64 {
        self.disk_reserve.min((total / 100).saturating_mul(self.disk_reserve_percent))
    }
}

/// What runs, and what would start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Builds that run.
    pub running: usize,
    /// Those of them that began in the last 20 s or so.
    pub young: usize,
    /// Bytes that the running builds are expected to take, those without history at [`Limits::unknown_image`].
    pub running_bytes: u64,
    /// Bytes that the next build is expected to take.
    pub next_bytes: Option<u64>,
    /// Space may still be won without a build: pushes end, or build cache has not been pruned yet.
    pub may_free: bool,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// One more build may start.
    Start,
    /// Not now; a later look may find it better. Why, a few words.
    Hold(String),
    /// Nothing is left that would make it better. Why, a few words.
    Stop(String),
}

/// Decides for one more build.
pub fn admit(limits: &Limits, load: &HostLoad, work: &Work) -> Admission {
    if work.running >= limits.parallel.max(1) {
        return Admission::Hold(format!("{} builds run, as many as may", work.running));
    }
    if let Some(reason) = disk(limits, load, work) {
        return if work.running > 0 || work.may_free { Admission::Hold(reason) } else { Admission::Stop(reason) };
    }
    if work.running == 0 {
        return Admission::Start;
    }
    memory(limits, load, work).or_else(|| pressure(limits, load)).map_or(Admission::Start, Admission::Hold)
}

fn disk(limits: &Limits, load: &HostLoad, work: &Work) -> Option<String> {
    let disk = load.disk?;
    let reserve = limits.reserve(disk.total);
    let next = work.next_bytes.unwrap_or(limits.unknown_image);
    let needed = reserve.saturating_add(work.running_bytes).saturating_add(next);
    if disk.free < needed {
        let parts = match work.running_bytes {
            0 => format!("{} for this build", gib(next)),
            running => format!("{} for this build, {} for those that run", gib(next), gib(running)),
        };
        return Some(format!(
            "disk: {} free, {} needed ({parts}, {} in reserve)",
            gib(disk.free),
            gib(needed),
            gib(reserve)
        ));
    }
    // File systems that make inodes as they need them say 0.
    if disk.inodes > 0 && disk.inodes_free < disk.inodes / 50 {
        return Some(format!("disk: {} of {} inodes free, 2 % needed", disk.inodes_free, disk.inodes));
    }
    None
}

fn memory(limits: &Limits, load: &HostLoad, work: &Work) -> Option<String> {
    let available = load.memory_available?;
    let builds = u64::try_from(work.young).unwrap_or(u64::MAX).saturating_add(1);
    let needed = limits.memory.saturating_mul(builds);
    (available < needed).then(|| format!("memory: {} available, {} needed", gib(available), gib(needed)))
}

fn pressure(limits: &Limits, load: &HostLoad) -> Option<String> {
    let over = |name: &str, kind: &str, value: Option<f64>, limit: f64| {
        let value = value.filter(|value| *value >= limit)?;
        Some(format!("{name} pressure: {kind} {value:.0} % in 10 s, {limit:.0} % allowed"))
    };
    let some = |pressure: Option<Pressure>| pressure.map(|pressure| pressure.some);
    let full = |pressure: Option<Pressure>| pressure.map(|pressure| pressure.full);
    over("memory", "full", full(load.memory), limits.memory_full)
        .or_else(|| over("memory", "some", some(load.memory), limits.memory_some))
        .or_else(|| over("disk", "full", full(load.io), limits.io_full))
}

/// `4.2 GiB`.
fn gib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let size = bytes as f64 / GIB as f64;
    format!("{size:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::DiskRoom;

    fn disk(free: u64, total: u64) -> HostLoad {
        let disk = DiskRoom { free: free * GIB, total: total * GIB, inodes_free: 0, inodes: 0 };
        HostLoad { disk: Some(disk), memory_available: Some(8 * GIB), ..HostLoad::default() }
    }

    fn work(running: usize, next: u64) -> Work {
        Work { running, next_bytes: Some(next * GIB), ..Work::default() }
    }

    #[track_caller]
    fn check(load: &HostLoad, work: &Work, expected: &str) {
        let limits = Limits { parallel: 4, ..Limits::default() };
        let found = match admit(&limits, load, work) {
            Admission::Start => "start".to_owned(),
            Admission::Hold(reason) => format!("hold: {reason}"),
            Admission::Stop(reason) => format!("stop: {reason}"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn so_many_and_no_more() {
        check(&disk(100, 200), &work(3, 1), "start");
        check(&disk(100, 200), &work(4, 1), "hold: 4 builds run, as many as may");
        let none = Limits { parallel: 0, ..Limits::default() };
        assert_eq!(admit(&none, &disk(100, 200), &work(0, 1)), Admission::Start);
    }

    #[test]
    fn the_reserve_is_the_lesser_of_both() {
        let reserve = |total: u64| Limits::default().reserve(total * GIB);
        assert_eq!(reserve(1000), 5 * GIB);
        assert!(reserve(20) < 2 * GIB + 100 && reserve(20) > 2 * GIB - 100);
        assert_eq!(reserve(0), 0);
    }

    #[test]
    fn space_is_never_risked() {
        check(&disk(7, 1000), &work(0, 2), "start");
        check(
            &disk(6, 1000),
            &work(0, 2),
            "stop: disk: 6.0 GiB free, 7.0 GiB needed (2.0 GiB for this build, 5.0 GiB in reserve)",
        );
        let may_free = Work { may_free: true, ..work(0, 2) };
        check(
            &disk(6, 1000),
            &may_free,
            "hold: disk: 6.0 GiB free, 7.0 GiB needed (2.0 GiB for this build, 5.0 GiB in reserve)",
        );
        let running = Work { running_bytes: 3 * GIB, ..work(1, 2) };
        check(
            &disk(9, 1000),
            &running,
            "hold: disk: 9.0 GiB free, 10.0 GiB needed (2.0 GiB for this build, 3.0 GiB for those that run, 5.0 GiB in reserve)",
        );
        check(&disk(10, 1000), &running, "start");
        let unknown = Work { next_bytes: None, ..work(0, 0) };
        check(&disk(6, 1000), &unknown, "start");
        assert!(matches!(admit(&Limits::default(), &disk(5, 1000), &unknown), Admission::Stop(_)));
        let mut load = disk(100, 1000);
        load.disk = load.disk.map(|disk| DiskRoom { inodes: 1000, inodes_free: 19, ..disk });
        check(&load, &work(0, 1), "stop: disk: 19 of 1000 inodes free, 2 % needed");
    }

    #[test]
    fn a_loaded_host_holds_all_but_the_first() {
        let mut load = disk(100, 200);
        load.memory_available = Some(GIB);
        check(&load, &work(1, 1), "start");
        let young = Work { young: 1, ..work(1, 1) };
        check(&load, &young, "hold: memory: 1.0 GiB available, 2.0 GiB needed");
        load.memory_available = Some(0);
        check(&load, &work(0, 1), "start");
        check(&load, &work(1, 1), "hold: memory: 0.0 GiB available, 1.0 GiB needed");
        let busy = |some, full| Some(Pressure { some, full });
        let mut load = disk(100, 200);
        load.cpu = busy(100.0, 99.0);
        check(&load, &work(3, 1), "start");
        load.io = busy(99.0, 80.0);
        check(&load, &work(1, 1), "hold: disk pressure: full 80 % in 10 s, 70 % allowed");
        load.memory = busy(26.0, 1.0);
        check(&load, &work(1, 1), "hold: memory pressure: some 26 % in 10 s, 25 % allowed");
        load.memory = busy(26.0, 11.0);
        check(&load, &work(1, 1), "hold: memory pressure: full 11 % in 10 s, 10 % allowed");
    }

    #[test]
    fn what_the_host_does_not_tell_holds_nothing() {
        check(&HostLoad::default(), &work(3, 100), "start");
    }
}
