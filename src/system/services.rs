//! Which service manager a host has, and what its init scripts say.

use std::path::{Path, PathBuf};

use super::Probe;

/// Who manages services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// systemd runs the host.
    Systemd,
    /// Init scripts.
    SysV,
}

impl Probe {
    /// systemd only where it runs (`/run/systemd/system`), as its own documentation asks; else init scripts.
    pub fn service_manager(&self) -> Manager {
        if self.which("systemctl").is_some() && Path::new("/run/systemd/system").exists() {
            Manager::Systemd
        } else {
            Manager::SysV
        }
    }

    /// This process sees another root than the first one of the host does, as Ansible's `is_chroot`.
    pub fn is_chroot(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let id = |path: &str| std::fs::metadata(path).ok().map(|found| (found.ino(), found.dev()));
        let apart = match (id("/"), id("/proc/1/root/.")) {
            (Some(own), Some(first)) => own != first,
            (Some((inode, _)), None) => !matches!(inode, 2 | 128 | 256),
            _ => false,
        };
        std::env::var_os("debian_chroot").is_some() || apart
    }

    /// A service's init script, if it has one.
    pub fn init_script(&self, name: &str) -> Option<PathBuf> {
        if name.is_empty() || name.contains('/') {
            return None;
        }
        Some(Path::new("/etc/init.d").join(name)).filter(|path| path.is_file())
    }

    /// Started at boot by a link in a runlevel's folder; in any runlevel if none is given.
    pub fn sysv_enabled(&self, name: &str, runlevel: Option<&str>) -> bool {
        let levels: Vec<String> = match runlevel {
            Some(level) => vec![level.to_owned()],
            None => "0123456S".chars().map(String::from).collect(),
        };
        levels.iter().any(|level| {
            let Ok(entries) = std::fs::read_dir(format!("/etc/rc{level}.d")) else { return false };
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).any(|file| {
                let digits = file.get(1..3).is_some_and(|digits| digits.len() == 2);
                digits && file.starts_with('S') && file.get(3..) == Some(name)
            })
        })
    }

    /// A process whose command line holds this text.
    pub fn process_matching(&self, text: &str) -> bool {
        let own = std::process::id().to_string();
        let Ok(entries) = std::fs::read_dir("/proc") else { return false };
        entries.filter_map(std::result::Result::ok).any(|entry| {
            let id = entry.file_name();
            let Some(id) = id.to_str().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()) && **id != own) else {
                return false;
            };
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let line: Vec<u8> = line.into_iter().map(|byte| if byte == 0 { b' ' } else { byte }).collect();
            String::from_utf8_lossy(&line).contains(text)
        })
    }
}
