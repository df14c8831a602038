//! Debian's packages: what is installed, what apt could install, what it plans, who holds its lock.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::package_lock::Holder;
use super::process::{Output, Program};
use super::{Mutate, Probe};
use crate::diag::{Diagnostic, Result};

/// What may be asked of apt and dpkg without changing anything.
pub const READS: &[&str] =
    &["dpkg-query", "apt-cache", "apt-get -s", "dpkg --compare-versions", "dpkg-deb -f", "dpkg --print-architecture"];

/// The locks of apt and dpkg.
const LOCKS: &[&str] =
    &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];

/// What apt would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// `NAME VERSION` to install or upgrade.
    pub install: Vec<String>,
    /// Names to remove.
    pub remove: Vec<String>,
    /// Names to set up.
    pub configure: Vec<String>,
}

impl Plan {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty() && self.configure.is_empty()
    }

    /// The plan in a simulation's output.
    pub fn parse(text: &str) -> Self {
        let mut plan = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("Inst"), Some(name)) => {
                    let version = line.split_once('(').and_then(|(_, rest)| rest.split_whitespace().next());
                    plan.install.push(format!("{name} {}", version.unwrap_or_default()).trim_end().to_owned());
                }
                (Some("Remv" | "Purg"), Some(name)) => plan.remove.push(name.to_owned()),
                (Some("Conf"), Some(name)) => plan.configure.push(name.to_owned()),
                _ => {}
            }
        }
        let installed: Vec<String> =
            plan.install.iter().filter_map(|one| one.split(' ').next().map(str::to_owned)).collect();
        plan.configure.retain(|name| !installed.contains(name));
        plan
    }
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Files are there (`installed`), or only its configuration is left.
    pub complete: bool,
    /// It is held.
    pub held: bool,
}

/// A program of apt or dpkg with output that can be parsed.
pub fn apt(words: &[&str]) -> Program<'static> {
    Program::new(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        .parsable()
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBIAN_PRIORITY", "critical")
}

impl Probe {
    /// The package as dpkg has it; `None` if it is unknown or gone.
    pub fn package_installed(&self, name: &str) -> Result<Option<Installed>> {
        let format = "${db:Status-Want} ${db:Status-Status} ${Version}\\n";
        let output = self.run(apt(&["dpkg-query", "-W", "-f", format, "--", name]))?;
        let text = output.out();
        let mut best = None;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(want), Some(status)) = (words.next(), words.next()) else { continue };
            let complete = matches!(status, "installed" | "triggers-awaited" | "triggers-pending");
            let version = words.next().unwrap_or_default().to_owned();
            if status != "not-installed" && (best.is_none() || complete) {
                best = Some(Installed { version, complete, held: want == "hold" });
            }
        }
        Ok(best)
    }

    /// Names of installed packages that match a shell pattern.
    pub fn packages_matching(&self, pattern: &str, available: bool) -> Result<Vec<String>> {
        let output = if available {
            self.run(apt(&["apt-cache", "pkgnames"]))?
        } else {
            self.run(apt(&["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\\n"]))?
        };
        let text = output.out();
        let names =
            text.lines().filter_map(|line| if available { Some(line.trim()) } else { line.strip_prefix("ii ") });
        Ok(names.map(str::trim).filter(|name| super::glob::matches(pattern, name)).map(str::to_owned).collect())
    }

    /// The version that apt would install.
    pub fn package_candidate(&self, name: &str) -> Result<Option<String>> {
        let output = self.run(apt(&["apt-cache", "policy", "--", name]))?;
        let text = output.out();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Candidate:"));
        Ok(line.map(str::trim).filter(|version| *version != "(none)").map(str::to_owned))
    }

    /// All versions in the lists, newest first.
    pub fn package_versions(&self, name: &str) -> Result<Vec<String>> {
        let output = self.run(apt(&["apt-cache", "madison", "--", name]))?;
        let text = output.out();
        let mut versions: Vec<String> = Vec::new();
        for version in text.lines().filter_map(|line| line.split('|').nth(1)) {
            if !versions.iter().any(|known| known == version.trim()) {
                versions.push(version.trim().to_owned());
            }
        }
        Ok(versions)
    }

    /// Packages that provide a virtual one.
    pub fn package_providers(&self, name: &str) -> Result<Vec<String>> {
        let output = self.run(apt(&["apt-cache", "showpkg", "--", name]))?;
        let text = output.out();
        // apt takes a name that it does not know as a pattern: only an exact answer counts.
        let header = format!("Package: {name}\n");
        let section = text.split_once(&header).map_or("", |(_, rest)| rest.split("\nPackage: ").next().unwrap_or(rest));
        let (_, provides) = section.split_once("Reverse Provides:").unwrap_or(("", ""));
        let mut names: Vec<String> =
            provides.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Compares Debian versions: `1.0 lt 2.0`.
    pub fn version_holds(&self, left: &str, relation: &str, right: &str) -> Result<bool> {
        Ok(self.run(apt(&["dpkg", "--compare-versions", left, relation, right]))?.success())
    }

    /// The nearest package name in the lists.
    pub fn package_nearest(&self, name: &str) -> Option<String> {
        let output = self.run(apt(&["apt-cache", "pkgnames"])).ok()?;
        let text = output.out();
        crate::diag::nearest(name, text.lines()).map(str::to_owned)
    }

    /// When the package lists were last updated, in seconds since 1970.
    pub fn package_lists_time(&self) -> i64 {
        let known = ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"];
        known.iter().find_map(|path| std::fs::metadata(path).ok()).map_or(0, |found| found.mtime())
    }

    /// True if the package lists were ever fetched. Images of containers and machines often come without them, in a
    /// folder that looks new.
    pub fn has_package_lists(&self) -> bool {
        std::fs::read_dir("/var/lib/apt/lists")
            .is_ok_and(|list| list.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("Release")))
    }

    /// Who holds a lock of apt.
    pub fn package_lock_holder(&self) -> Option<Holder> {
        let inodes: BTreeMap<u64, &str> =
            LOCKS.iter().filter_map(|path| std::fs::metadata(path).ok().map(|found| (found.ino(), *path))).collect();
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        for line in locks.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let inode = fields.get(5).and_then(|place| place.rsplit(':').next()).and_then(|inode| inode.parse().ok());
            if let Some(path) = inode.and_then(|inode: u64| inodes.get(&inode))
                && let Some(pid) = fields.get(4).and_then(|pid| pid.parse().ok())
            {
                return Some(Holder::new(path, pid));
            }
        }
        None
    }
}

impl Mutate {
    /// Waits until nobody holds apt's locks; names the holder when the time is over.
    pub fn wait_for_package_lock(&self, seconds: u64, waiting: impl FnMut(&str)) -> Result<()> {
        self.probe().wait_while_held("apt", seconds, || self.probe().package_lock_holder(), waiting)
    }
}

/// What apt's or dpkg's words mean; `missing` gives the nearest name for one that is not found.
pub fn explain(shown: &str, output: &Output, missing: impl Fn(&str) -> Option<String>) -> Diagnostic {
    let said = output.err() + &output.out();
    let note = format!("ran: {shown}   (exit {})", output.rc);
    if said.contains("dpkg was interrupted") {
        return Diagnostic::task("H0117", "dpkg was interrupted on this host earlier and has to be repaired first")
            .with_note(note)
            .with_hint("dpkg --configure -a");
    }
    for (before, after) in [("Unable to locate package ", "\n"), ("Package '", "' has no installation candidate")] {
        if let Some((_, rest)) = said.split_once(before)
            && let Some((name, _)) = rest.split_once(after)
        {
            return not_found(name.trim(), missing(name.trim())).with_note(note);
        }
    }
    let line = said.lines().find(|line| line.starts_with("E: ")).or_else(|| said.lines().last()).unwrap_or_default();
    let mut error =
        Diagnostic::task("H0116", format!("apt failed: {}", line.trim_start_matches("E: "))).with_note(note);
    let err = output.said();
    let lines: Vec<&str> = err.lines().collect();
    error.notes.extend(lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("stderr: {line}")));
    error
}

/// A package that no source has.
pub fn not_found(name: &str, nearest: Option<String>) -> Diagnostic {
    let words = if name.contains(['*', '?', '[']) {
        format!("No package(s) matching '{name}' available")
    } else {
        format!("No package matching '{name}' is available")
    };
    let error = Diagnostic::task("H0114", format!("apt could not find the package `{name}`")).with_registered(words);
    match nearest {
        Some(near) => error.with_hint(format!("the nearest name in the host's package lists is `{near}`")),
        None => error.with_hint("`update_cache: true` updates the host's package lists first"),
    }
}

/// True while packages wait for `dpkg --configure -a`.
pub fn interrupted() -> bool {
    let Ok(entries) = std::fs::read_dir(Path::new("/var/lib/dpkg/updates")) else { return false };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .any(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let text = "Inst hello (2.10-3 Debian:12.0/stable [amd64])\nInst libc6 [2.35] (2.36-9 Debian [amd64])\n\
                    Remv sl [5.02-1]\nPurg cowsay [3]\nConf hello (2.10-3 Debian [amd64])\nConf other (1 x)\n";
        let plan = Plan::parse(text);
        assert_eq!(plan.install, ["hello 2.10-3", "libc6 2.36-9"]);
        assert_eq!(
            (plan.remove, plan.configure),
            (vec!["sl".to_owned(), "cowsay".to_owned()], vec!["other".to_owned()])
        );
        assert!(Plan::parse("0 upgraded, 0 newly installed\n").is_empty());
    }

    #[test]
    fn errors_are_told_apart() {
        let output = |err: &str| Output { rc: 100, stderr: err.into(), ..Output::default() };
        let near = |_: &str| Some("docker-engine".to_owned());
        let error = explain("apt-get install x", &output("E: Unable to locate package docker-enigne\n"), near);
        assert_eq!(
            (error.code.as_ref(), error.message.as_str()),
            ("H0114", "apt could not find the package `docker-enigne`")
        );
        let error =
            explain("x", &output("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'\n"), |_| None);
        assert_eq!((error.code.as_ref(), error.hints[0].as_str()), ("H0117", "dpkg --configure -a"));
        assert_eq!(explain("x", &output("E: broken\n"), |_| None).message, "apt failed: broken");
    }
}
