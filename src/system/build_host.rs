//! What a host tells about itself before images are built on it: room, memory, mounts, whether it is a
//! container, which foreign programs the kernel can run, the firewall's rules. Reads only.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Probe;
use super::process::Program;

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What a user without root can still write.
    pub free: u64,
    /// All.
    pub total: u64,
}

/// What is at a socket's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// Nothing.
    Missing,
    /// Something else.
    NoSocket,
    /// This user may not write to it.
    Forbidden,
    /// It is there and may be used.
    Usable,
}

/// A firewall's rule lists, as their programs print them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewallRules {
    /// `iptables -S`, empty if it could not be asked.
    pub iptables: String,
    /// `nft list ruleset`, empty if it could not be asked.
    pub nft: String,
}

/// The programs that [`Probe::firewall`] runs, for `Probe::allowing`.
pub const FIREWALL_PROGRAMS: &[&str] = &["iptables -S", "nft list ruleset"];

impl Probe {
    /// Room where a path lies, or will lie.
    pub fn room(&self, path: &Path) -> Option<Room> {
        let stat = rustix::fs::statvfs(existing(path)?).ok()?;
        let block = stat.f_frsize;
        Some(Room { free: stat.f_bavail.saturating_mul(block), total: stat.f_blocks.saturating_mul(block) })
    }

    /// The kind of the file system where a path lies, or will lie, as mounts are named (`overlay`, `ext4`).
    pub fn file_system(&self, path: &Path) -> Option<String> {
        let path = existing(path)?.canonicalize().ok()?;
        let device = std::fs::metadata(&path).ok()?.dev();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        kind_of(&mounts, &path, (rustix::fs::major(device), rustix::fs::minor(device)))
    }

    /// Available and whole memory in bytes.
    pub fn memory(&self, proc: &Path) -> Option<(u64, u64)> {
        let text = std::fs::read_to_string(proc.join("meminfo")).ok()?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        Some((field("MemAvailable:")?, field("MemTotal:")?))
    }

    /// What shows that this host is itself a container; `None` if nothing does. `root` is `/`.
    pub fn container_sign(&self, root: &Path) -> Option<String> {
        for sign in [".dockerenv", "run/.dockerenv", "run/.containerenv"] {
            if root.join(sign).exists() {
                return Some(format!("/{sign}"));
            }
        }
        let groups = std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
        let words = ["/docker/", "/docker-", "/kubepods", "/libpod", "/lxc/", "/containerd/"];
        let found = words.iter().find(|word| groups.contains(**word))?;
        Some(format!("/proc/1/cgroup names `{}`", found.trim_matches(['/', '-'])))
    }

    /// Foreign architectures that the kernel runs by an interpreter which is there also in containers
    /// (`qemu-aarch64`, flag F). `folder` is `/proc/sys/fs/binfmt_misc`.
    pub fn emulations(&self, folder: &Path) -> Vec<String> {
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .take(1000)
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let architecture = name.strip_prefix("qemu-")?.to_owned();
                let text = std::fs::read_to_string(entry.path()).ok()?;
                let enabled = text.lines().next() == Some("enabled");
                let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
                (enabled && flags.contains('F')).then_some(architecture)
            })
            .collect();
        found.sort();
        found
    }

    /// The machine as the kernel names it (`x86_64`).
    pub fn machine(&self) -> String {
        rustix::system::uname().machine().to_string_lossy().into_owned()
    }

    /// What is at a socket's path, for this user.
    pub fn socket_state(&self, path: &Path) -> SocketState {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => SocketState::Forbidden,
            Err(_) => SocketState::Missing,
            Ok(meta) if !meta.file_type().is_socket() => SocketState::NoSocket,
            Ok(_) if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() => SocketState::Forbidden,
            Ok(_) => SocketState::Usable,
        }
    }

    /// Somebody listens at a socket.
    pub fn socket_answers(&self, path: &Path) -> bool {
        std::os::unix::net::UnixStream::connect(path).is_ok()
    }

    /// True if this host has the address.
    pub fn own_address(&self, address: IpAddr) -> bool {
        std::net::UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
    }

    /// The firewall's rules, where this user may see them.
    pub fn firewall(&self) -> FirewallRules {
        let ask = |words: &[&str]| {
            self.which(words[0])?;
            let output =
                self.run(Program::new(words.iter().copied()).parsable().timeout(Duration::from_secs(10))).ok()?;
            output.success().then(|| output.out())
        };
        FirewallRules {
            iptables: ask(&["iptables", "-S"]).unwrap_or_default(),
            nft: ask(&["nft", "list", "ruleset"]).unwrap_or_default(),
        }
    }

    /// Connects to a port, from an address of this host if one is given.
    pub async fn connects(&self, from: Option<IpAddr>, host: &str, port: u16, within: Duration) -> Result<(), String> {
        let work = async {
            let addresses = super::names::resolve(host).await.map_err(|error| error.message.clone())?;
            let mut last = "no address".to_owned();
            for address in addresses {
                let usable = from.filter(|from| from.is_ipv4() == address.is_ipv4());
                match connect(usable, SocketAddr::new(address, port)).await {
                    Ok(()) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(last)
        };
        tokio::time::timeout(within, work)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs())))
    }

    /// Seconds since 1970 by this host's clock.
    pub fn clock(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

async fn connect(from: Option<IpAddr>, to: SocketAddr) -> std::io::Result<()> {
    let socket = if to.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(to).await.map(drop)
}

/// The path or the nearest folder above it that is there.
fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|one| one.exists()).map(Path::to_path_buf)
}

/// The kind of the mount that holds a path: by device, of several the one whose place is nearest.
fn kind_of(mounts: &str, path: &Path, device: (u32, u32)) -> Option<String> {
    let number = format!("{}:{}", device.0, device.1);
    let mut best: Option<(bool, usize, &str)> = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let words: Vec<&str> = left.split(' ').collect();
        let (Some(found), Some(place)) = (words.get(2), words.get(4)) else { continue };
        if !path.starts_with(place) {
            continue;
        }
        let rank = (*found == number, place.len(), right.split(' ').next().unwrap_or_default());
        if best.is_none_or(|best| (rank.0, rank.1) >= (best.0, best.1)) {
            best = Some(rank);
        }
    }
    best.map(|(_, _, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn probe() -> Probe {
        Probe::new(Vec::new())
    }

    #[test]
    fn the_nearest_mount_tells_the_kind() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda rw\n30 22 0:40 / /var/lib/docker rw - overlay overlay rw\n\
                      31 22 0:41 / /tmp rw - tmpfs tmpfs rw\n";
        let kind = |path: &str, device| kind_of(mounts, Path::new(path), device).unwrap();
        assert_eq!(kind("/var/lib/docker/x", (0, 40)), "overlay");
        assert_eq!(kind("/var/lib", (8, 1)), "ext4");
        assert_eq!(kind("/tmp/x", (0, 41)), "tmpfs");
        assert!(probe().file_system(Path::new("/proc/self/no/such")).is_some_and(|kind| kind == "proc"));
    }

    #[test]
    fn signs_of_a_container_are_found() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(probe().container_sign(root.path()), None);
        fs::create_dir_all(root.path().join("proc/1")).unwrap();
        fs::write(root.path().join("proc/1/cgroup"), "0::/kubepods/pod1/abc\n").unwrap();
        assert_eq!(probe().container_sign(root.path()).unwrap(), "/proc/1/cgroup names `kubepods`");
        fs::create_dir_all(root.path().join("run")).unwrap();
        fs::write(root.path().join("run/.containerenv"), "").unwrap();
        assert_eq!(probe().container_sign(root.path()).unwrap(), "/run/.containerenv");
    }

    #[test]
    fn only_emulations_that_reach_into_containers_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("qemu-aarch64", "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\noffset 0\n");
        write("qemu-arm", "enabled\ninterpreter /usr/bin/qemu-arm-static\nflags: \n");
        write("qemu-ppc64le", "disabled\ninterpreter /usr/bin/qemu-ppc64le-static\nflags: PF\n");
        write("status", "enabled\n");
        assert_eq!(probe().emulations(folder.path()), ["aarch64"]);
        assert_eq!(probe().emulations(Path::new("/no/such/folder")), Vec::<String>::new());
    }

    #[test]
    fn a_sockets_path_is_told_from_other_things() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert_eq!(probe().socket_state(&path), SocketState::Missing);
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(probe().socket_state(&folder.path().join("file")), SocketState::NoSocket);
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(probe().socket_state(&path), SocketState::Usable);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("meminfo"), "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   50 kB\n").unwrap();
        assert_eq!(probe().memory(folder.path()), Some((50 * 1024, 100 * 1024)));
    }
}
