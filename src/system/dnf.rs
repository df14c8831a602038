//! RPM distributions' packages: what rpm has installed, what dnf would do, how versions compare, who holds dnf's lock.

use std::cmp::Ordering;
use std::path::Path;

use super::Probe;
use super::package_lock::Holder;
use super::process::{Output, Program};
use crate::diag::{Diagnostic, Result};

/// What may be asked of rpm and dnf without changing a package.
pub const READS: &[&str] =
    &["rpm -q", "rpm -qa", "rpm -qp", "dnf --assumeno", "dnf --quiet repoquery", "dnf --quiet repolist"];

/// The files that dnf writes its process id to while it works on its cache and on the packages.
const LOCKS: &[&str] =
    &["/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid", "/var/lib/dnf/rpmdb_lock.pid"];

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpm {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// `[EPOCH:]VERSION-RELEASE`, the epoch if it is not 0.
    pub evr: String,
}

/// One line a package, for [`Rpm::parse`].
const FORMAT: &str = "%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n";

impl Rpm {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (name, arch, evr) = (fields.next()?, fields.next()?, fields.next()?);
        let evr = evr.strip_prefix("0:").unwrap_or(evr);
        Some(Self { name: name.to_owned(), arch: arch.to_owned(), evr: evr.to_owned() })
    }

    /// `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    pub fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.evr, self.arch)
    }
}

/// What dnf would do, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Packages that come, as [`Rpm::nevra`].
    pub install: Vec<String>,
    /// Packages that go, also those that newer or older ones replace.
    pub remove: Vec<String>,
    /// Groups that are installed or upgraded.
    pub groups: bool,
    /// Module streams and profiles that are enabled, installed or switched.
    pub streams: bool,
}

impl Plan {
    /// No package and no stream changes. A group that is noted anew does not count, as with Ansible.
    pub fn is_empty(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty() && !self.streams
    }

    /// What another step does, too.
    pub fn add(&mut self, other: Self) {
        // Where nothing is done yet, two steps may foresee the same.
        for (mine, others) in [(&mut self.install, other.install), (&mut self.remove, other.remove)] {
            for package in others {
                if !mine.contains(&package) {
                    mine.push(package);
                }
            }
        }
        self.groups |= other.groups;
        self.streams |= other.streams;
    }

    /// The plan in dnf's table of a transaction; `installed` says which versions those that change have now.
    pub fn parse(text: &str, installed: &[Rpm]) -> Self {
        let mut plan = Self::default();
        let mut section = Section::Other;
        let mut rest: Vec<&str> = Vec::new();
        for line in text.lines() {
            if line.starts_with("Transaction Summary") {
                break;
            }
            if !line.starts_with(' ') {
                section = Section::of(line);
                rest.clear();
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["replacing", named, evr] = words[..] {
                // `replacing NAME.ARCH EVR`
                if let Some((name, arch)) = named.rsplit_once('.') {
                    plan.remove.push(format!("{name}-{evr}.{arch}"));
                }
                continue;
            }
            match section {
                Section::Other => continue,
                Section::Groups => {
                    plan.groups = true;
                    continue;
                }
                Section::Streams => {
                    plan.streams = true;
                    continue;
                }
                _ => rest.extend(words),
            }
            // A name that is wider than its column has the rest of its row on the next line.
            if rest.len() < 5 {
                continue;
            }
            let (name, arch, evr) = (rest[0], rest[1], rest[2]);
            rest.clear();
            let row = Rpm { name: name.to_owned(), arch: arch.to_owned(), evr: evr.to_owned() };
            match section {
                Section::Remove => plan.remove.push(row.nevra()),
                Section::Replace => {
                    let same = |old: &&Rpm| {
                        old.name == row.name && (old.arch == row.arch || old.arch == "noarch" || row.arch == "noarch")
                    };
                    plan.remove.extend(installed.iter().filter(same).map(Rpm::nevra));
                    plan.install.push(row.nevra());
                }
                _ => plan.install.push(row.nevra()),
            }
        }
        plan
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// New packages.
    Install,
    /// Other versions of those that are there.
    Replace,
    Remove,
    Groups,
    Streams,
    /// Headings, and what dnf leaves alone (`Skipping packages with conflicts:`).
    Other,
}

impl Section {
    fn of(line: &str) -> Self {
        match line.trim_end() {
            "Installing:"
            | "Installing dependencies:"
            | "Installing weak dependencies:"
            | "Installing group/module packages:"
            | "Installing group packages:" => Self::Install,
            "Upgrading:" | "Downgrading:" | "Reinstalling:" => Self::Replace,
            "Removing:"
            | "Removing dependent packages:"
            | "Removing unused dependencies:"
            | "Removing module packages:" => Self::Remove,
            "Installing Groups:"
            | "Upgrading Groups:"
            | "Removing Groups:"
            | "Installing Environment Groups:"
            | "Upgrading Environment Groups:"
            | "Removing Environment Groups:"
            | "Marking packages as installed by the group:" => Self::Groups,
            "Enabling module streams:"
            | "Switching module streams:"
            | "Disabling modules:"
            | "Resetting modules:"
            | "Installing module profiles:"
            | "Disabling module profiles:" => Self::Streams,
            _ => Self::Other,
        }
    }
}

/// A program of rpm or dnf with output that can be parsed.
pub fn program<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Program<'static> {
    Program::new(words.into_iter().map(Into::into).collect::<Vec<String>>()).parsable()
}

impl Probe {
    /// All packages below a root that rpm knows.
    pub fn rpms(&self, root: &str) -> Result<Vec<Rpm>> {
        let output = self.run(program(["rpm", "-qa", "--root", root, "--qf", FORMAT]))?;
        if !output.success() {
            return Err(super::process::failed("rpm -qa", &output));
        }
        Ok(output
            .out()
            .lines()
            .filter_map(Rpm::parse)
            // Keys are kept as packages.
            .filter(|rpm| rpm.name != "gpg-pubkey")
            .collect())
    }

    /// The package in a file; `None` where rpm finds none.
    pub fn rpm_of_file(&self, path: &str) -> Result<Option<Rpm>> {
        let output = self.run(program(["rpm", "-qp", "--qf", FORMAT, "--", path]))?;
        Ok(output.success().then(|| output.out().lines().next().and_then(Rpm::parse)).flatten())
    }

    /// Some installed package is, has or provides that.
    pub fn rpm_installed(&self, root: &str, spec: &str) -> Result<bool> {
        let ask = |more: &[&str]| -> Result<bool> {
            let words = [&["rpm", "-q", "--root", root], more, &["--", spec]].concat();
            Ok(self.run(program(words))?.success())
        };
        Ok((!spec.starts_with('/') && ask(&[])?) || ask(&["--whatprovides"])?)
    }

    /// Who holds a lock of dnf.
    pub fn dnf_lock_holder(&self) -> Option<Holder> {
        LOCKS.iter().find_map(|path| {
            let pid: u32 = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
            Path::new("/proc").join(pid.to_string()).exists().then(|| Holder::new(path, pid))
        })
    }
}

/// Compares versions or releases as rpm does.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        let skip = |text: &[u8]| {
            text.iter().position(|c| c.is_ascii_alphanumeric() || matches!(c, b'~' | b'^')).unwrap_or(text.len())
        };
        left = &left[skip(left)..];
        right = &right[skip(right)..];
        // `~` sorts before everything, also before the end; `^` after the end, but before anything else.
        match (left.first() == Some(&b'~'), right.first() == Some(&b'~')) {
            (true, true) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        match (left.first() == Some(&b'^'), right.first() == Some(&b'^')) {
            (true, true) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (true, false) => return if right.is_empty() { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if left.is_empty() { Ordering::Less } else { Ordering::Greater },
            _ => {}
        }
        let (Some(first), Some(_)) = (left.first(), right.first()) else {
            return left.len().cmp(&right.len());
        };
        let digits = first.is_ascii_digit();
        let part = |text: &'_ [u8]| {
            let same = |c: &u8| if digits { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
            text.iter().position(|c| !same(c)).unwrap_or(text.len())
        };
        let (a, b) = (part(left), part(right));
        if b == 0 {
            // Numbers are newer than letters.
            return if digits { Ordering::Greater } else { Ordering::Less };
        }
        let (mut one, mut two) = (&left[..a], &right[..b]);
        (left, right) = (&left[a..], &right[b..]);
        if digits {
            let zeros = |text: &[u8]| text.iter().take_while(|c| **c == b'0').count();
            one = &one[zeros(one)..];
            two = &two[zeros(two)..];
            match one.len().cmp(&two.len()) {
                Ordering::Equal => {}
                other => return other,
            }
        }
        match one.cmp(two) {
            Ordering::Equal => {}
            other => return other,
        }
    }
}

/// True where a package of this name is installed in a newer version than `spec` (`NAME-[EPOCH:]VERSION[-RELEASE][.ARCH]`) asks for.
pub fn newer_installed(installed: &[Rpm], spec: &str) -> bool {
    installed.iter().any(|rpm| {
        let Some(wanted) = spec.strip_prefix(rpm.name.as_str()).and_then(|rest| rest.strip_prefix('-')) else {
            return false;
        };
        let wanted = wanted.strip_suffix(&format!(".{}", rpm.arch)).unwrap_or(wanted);
        if !wanted.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        let (have, want) = (parts(&rpm.evr), parts(wanted));
        let releases = if want.2.is_empty() { Ordering::Equal } else { compare(have.2, want.2) };
        compare(have.0, want.0).then(compare(have.1, want.1)).then(releases) == Ordering::Greater
    })
}

/// Epoch, version and release.
fn parts(evr: &str) -> (&str, &str, &str) {
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, version, release)
}

/// What dnf said was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing in the sources has these names.
    NoMatch(Vec<String>),
    /// There is no group or module of that name.
    NoGroup(String),
    /// The packages cannot be together; dnf's own words.
    Depsolve(String),
    /// A signature is missing or wrong: the package, what is wrong.
    Signature(String, String),
    /// Anything else; dnf's words.
    Other(String),
}

impl Trouble {
    /// Reads dnf's words.
    pub fn parse(output: &Output) -> Self {
        let (out, err) = (output.out(), output.err());
        let all = || out.lines().chain(err.lines()).map(str::trim);
        if err.contains("\n Problem") || err.contains("Error: Problem") {
            let text = err.split_once("Error: ").map_or(err.as_str(), |(_, text)| text);
            return Self::Depsolve(text.trim_end().to_owned());
        }
        if err.contains("GPG check FAILED") || out.contains("GPG check FAILED") {
            let line = all().find_map(|line| {
                let file = line.strip_prefix("Package ")?.split(' ').next()?.strip_suffix(".rpm")?;
                Some((file.to_owned(), line.to_owned()))
            });
            let (package, line) = line.unwrap_or_else(|| (String::new(), "GPG check FAILED".to_owned()));
            return Self::Signature(package, line);
        }
        let group = all().find_map(|line| {
            line.strip_prefix("Module or Group '")
                .and_then(|rest| rest.split_once("' is not available"))
                .or_else(|| line.strip_prefix("Module or Group '").and_then(|rest| rest.split_once("' does not exist")))
                .map(|(name, _)| name.to_owned())
        });
        if let Some(group) = group {
            return Self::NoGroup(group);
        }
        let missing = no_match(output);
        if !missing.is_empty() && err.contains("Unable to find a match") {
            return Self::NoMatch(missing);
        }
        let text = err.split_once("Error: ").map_or(err.as_str(), |(_, text)| text);
        Self::Other(text.trim().to_owned())
    }
}

/// The names that dnf found nothing for.
pub fn no_match(output: &Output) -> Vec<String> {
    let text = output.out() + "\n" + &output.err();
    text.lines().filter_map(|line| Some(line.trim().strip_prefix("No match for argument: ")?.to_owned())).collect()
}

/// An error in dnf's words.
pub fn failed(shown: &str, output: &Output, words: &str) -> Diagnostic {
    let first = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let mut error = Diagnostic::task("H0116", format!("dnf failed: {first}"))
        .with_note(format!("ran: {shown}   (exit {})", output.rc));
    if words.trim().lines().count() > 1 {
        error.notes.extend(words.trim().lines().take(20).map(|line| format!("dnf: {line}")));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpm(name: &str, evr: &str) -> Rpm {
        Rpm { name: name.to_owned(), arch: "noarch".to_owned(), evr: evr.to_owned() }
    }

    #[test]
    fn tables_are_read() {
        let text = "Last metadata expiration check: 0:01:03 ago on Sat Nov 21 23:34:16 2026.\n\
            Dependencies resolved.\n=====\n Package     Architecture   Version   Repository   Size\n=====\n\
            Upgrading:\n alpha       noarch         1.1-1     test         6.0 k\n\
            Installing:\n delta       noarch         1-1       test         0  \n     replacing  epsilon.noarch 2-1\n\
            Installing dependencies:\n a-long-name\n             noarch         3:1.2-1   test         6.3 k\n\
            Removing dependent packages:\n beta        noarch         2.0-1     @test        9  \n\
            Skipping packages with broken dependencies:\n gamma       noarch         1-1       test         6 k\n\n\
            Transaction Summary\n=====\n Upgrade  1 Package x y z\n";
        let plan = Plan::parse(text, &[rpm("alpha", "1.0-1"), rpm("beta", "2.0-1")]);
        assert_eq!(plan.install, ["alpha-1.1-1.noarch", "delta-1-1.noarch", "a-long-name-3:1.2-1.noarch"]);
        assert_eq!(plan.remove, ["alpha-1.0-1.noarch", "epsilon-2-1.noarch", "beta-2.0-1.noarch"]);
        assert!(!plan.groups && !plan.streams && !plan.is_empty());
        assert!(Plan::parse("Dependencies resolved.\nNothing to do.\nComplete!\n", &[]).is_empty());
        let plan = Plan::parse("Enabling module streams:\n postgresql   15\n\nTransaction Summary\n", &[]);
        assert!(plan.streams && !plan.is_empty());
    }

    #[test]
    fn versions_compare_as_rpm_compares_them() {
        let order = ["1.0~rc1", "1.0", "1.0^git1", "1.0a", "1.0.1", "1.1", "1.9", "1.10", "2", "10", "10.a"];
        for (at, left) in order.iter().enumerate() {
            for (other, right) in order.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
        assert_eq!(compare("1_0", "1.0"), Ordering::Equal);
        assert_eq!(compare("a", "1"), Ordering::Less);
    }

    #[test]
    fn newer_packages_are_known() {
        let there = [rpm("alpha", "1.1-2"), rpm("alpha-tools", "1:3-1")];
        for (spec, newer) in [
            ("alpha-1.0", true),
            ("alpha-1.1", false),
            ("alpha-1.1-1", true),
            ("alpha-1.1-1.noarch", true),
            ("alpha-1.1-3", false),
            ("alpha", false),
            ("alpha-tools", false),
            ("alpha-tools-4", true),
            ("alpha-tools-2:1", false),
            ("beta-1", false),
        ] {
            assert_eq!(newer_installed(&there, spec), newer, "{spec}");
        }
    }

    #[test]
    fn troubles_are_told_apart() {
        let output =
            |out: &str, err: &str| Output { rc: 1, stdout: out.into(), stderr: err.into(), ..Output::default() };
        let depsolve = "Error: \n Problem: conflicting requests\n  - nothing provides x\n";
        assert_eq!(
            Trouble::parse(&output("(try to add ...)", depsolve)),
            Trouble::Depsolve("\n Problem: conflicting requests\n  - nothing provides x".to_owned())
        );
        assert_eq!(
            Trouble::parse(&output(
                "No match for argument: a\nNo match for argument: b\n",
                "Error: Unable to find a match: a b\n"
            )),
            Trouble::NoMatch(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(
            Trouble::parse(&output("", "Error: Failed to download metadata for repo 'x': y\n")),
            Trouble::Other("Failed to download metadata for repo 'x': y".to_owned())
        );
        assert_eq!(
            Trouble::parse(&output(
                " Package  Arch\n",
                "Package w-1-1.noarch.rpm is not signed\nError: GPG check FAILED\n"
            )),
            Trouble::Signature("w-1-1.noarch".to_owned(), "Package w-1-1.noarch.rpm is not signed".to_owned())
        );
    }
}
