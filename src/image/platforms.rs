//! Several platforms: which of them this host can build, and the list of manifests that stands for all.
//!
//! Each platform is built and pushed under a tag of its own ([`platform_tag`]; engines push tags only),
//! its digest is read back, and [`write_list`] puts the list under the run's tag.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use async_trait::async_trait;

use crate::diag::Diagnostic;
use crate::system::Probe;
use crate::system::engine::{EngineError, ErrorClass, Worker};

/// `linux/arm/v7`, in the names that registries use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, `arm`.
    pub architecture: String,
    /// `v7`.
    pub variant: Option<String>,
}

/// How a platform's programs run on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The host's own.
    Native,
    /// The processor runs it too.
    Compatible,
    /// By this interpreter of the kernel.
    Emulated(String),
    /// The builder says that it can.
    Builder,
    /// Not at all.
    No,
}

/// What the kernel and the builder can run.
#[derive(Clone, Debug, Default)]
pub struct Host {
    machine: String,
    emulations: Vec<String>,
    /// A 64-bit arm processor that runs 32-bit programs.
    arm32: bool,
    /// What the builder tells.
    builder: Vec<String>,
}

/// Names that people and kernels use, and those of registries with their default variant.
const ALIASES: &[(&str, &str, Option<&str>)] = &[
    ("x86_64", "amd64", None),
    ("x86-64", "amd64", None),
    ("aarch64", "arm64", None),
    ("i386", "386", None),
    ("i486", "386", None),
    ("i586", "386", None),
    ("i686", "386", None),
    ("armhf", "arm", Some("v7")),
    ("armv7l", "arm", Some("v7")),
    ("armel", "arm", Some("v6")),
    ("armv6l", "arm", Some("v6")),
    ("mips64el", "mips64le", None),
    ("loongarch64", "loong64", None),
];

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is no platform: expected `linux/amd64` or `linux/arm/v7`", text.escape_debug());
        let parts: Vec<&str> = text.trim().split('/').collect();
        let plain =
            |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-".contains(&c));
        if !(1..=3).contains(&parts.len()) || !parts.iter().all(plain) {
            return Err(bad());
        }
        let parts: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os.as_str(), architecture, None),
            [os, architecture, variant] => (os.as_str(), architecture, Some(variant.clone())),
            _ => return Err(bad()),
        };
        let alias = ALIASES.iter().find(|(name, ..)| name == architecture);
        let (architecture, default) =
            alias.map_or((architecture.as_str(), None), |(_, name, variant)| (*name, *variant));
        let default = if architecture == "arm" { default.or(Some("v7")) } else { default };
        let variant = match (architecture, variant.as_deref()) {
            // What every such machine is.
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) => None,
            (_, Some(variant)) => {
                Some(if variant.starts_with('v') { variant.to_owned() } else { format!("v{variant}") })
            }
            (_, None) => default.map(str::to_owned),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// The tag of one platform's image: `t1-linux-arm-v7`.
pub fn platform_tag(tag: &str, platform: &Platform) -> String {
    format!("{tag}-{}", platform.to_string().replace('/', "-"))
}

impl Host {
    /// Asks the kernel; `workers` are the builder's answers, if there is one. `root` is `/`.
    pub fn of(probe: &Probe, workers: &[Worker], root: &Path) -> Self {
        Self {
            machine: probe.machine(),
            emulations: probe.emulations(&root.join("proc/sys/fs/binfmt_misc")),
            // Settings that the kernel has only for 32-bit programs.
            arm32: ["cp15_barrier", "swp"].iter().any(|name| root.join("proc/sys/abi").join(name).exists()),
            builder: workers.iter().flat_map(|worker| worker.platforms.iter().cloned()).collect(),
        }
    }

    /// The host's own platform.
    pub fn own(&self) -> Option<Platform> {
        self.machine.parse().ok()
    }

    /// How a platform runs here.
    pub fn runs(&self, platform: &Platform) -> Runs {
        if platform.os != "linux" {
            return Runs::No;
        }
        let own = self.own();
        if own.as_ref() == Some(platform) {
            return Runs::Native;
        }
        let machine = own.map(|own| own.architecture).unwrap_or_default();
        let variant = platform.variant.as_deref();
        let compatible = match (machine.as_str(), platform.architecture.as_str()) {
            ("amd64", "386") => true,
            ("arm64", "arm") => self.arm32,
            ("arm", "arm") => variant.is_some_and(|variant| matches!(variant, "v5" | "v6")),
            _ => false,
        };
        if compatible {
            return Runs::Compatible;
        }
        if self.builder.iter().any(|one| one.parse::<Platform>().as_ref() == Ok(platform)) {
            return Runs::Builder;
        }
        let found = self.emulations.iter().find(|name| {
            name.parse::<Platform>().is_ok_and(|one| one.architecture == platform.architecture)
                // A newer processor of the same kind is not emulated by the plain interpreter's name.
                && (platform.architecture == "arm" || variant.is_none())
        });
        found.map_or(Runs::No, |name| Runs::Emulated(format!("qemu-{name}")))
    }

    /// The error for those platforms that cannot run here, if there are any.
    pub fn refuse(&self, platforms: &[Platform]) -> Option<Diagnostic> {
        let missing: Vec<String> =
            platforms.iter().filter(|one| self.runs(one) == Runs::No).map(|one| format!("`{one}`")).collect();
        if missing.is_empty() {
            return None;
        }
        let message = format!("this host ({}) cannot run programs of {}", self.machine, missing.join(", "));
        Some(
            Diagnostic::task("B0107", message)
                .with_note("`/proc/sys/fs/binfmt_misc` has no enabled `qemu-*` with flag F for it")
                .with_hint("apt-get install qemu-user-static binfmt-support"),
        )
    }
}

/// One image in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's bytes.
    pub size: u64,
    /// The manifest's media type.
    pub media_type: String,
    /// For which platform.
    pub platform: Platform,
}

/// What the list's writer needs of a registry.
#[async_trait]
pub trait ManifestLists: Send + Sync {
    /// Media type and bytes of a manifest.
    async fn manifest(&self, repository: &str, digest: &str) -> Result<(String, u64), EngineError>;
    /// Writes the list of these under a tag; its digest.
    async fn put_list(&self, repository: &str, tag: &str, entries: &[ListEntry]) -> Result<String, EngineError>;
}

/// Puts the list of images that were pushed (platform and digest) under a tag; its digest. The entries
/// are in the platforms' order whatever order they ended in, so the same images give the same list.
pub async fn write_list(
    lists: &dyn ManifestLists,
    repository: &str,
    tag: &str,
    pushed: &[(Platform, String)],
) -> Result<String, EngineError> {
    let mut entries = Vec::with_capacity(pushed.len());
    for (platform, digest) in pushed {
        if entries.iter().any(|entry: &ListEntry| entry.platform == *platform) {
            let text = format!("two images for the platform `{platform}` in one list");
            return Err(EngineError::new(ErrorClass::Refused, text));
        }
        let (media_type, size) = lists.manifest(repository, digest).await?;
        entries.push(ListEntry { digest: digest.clone(), size, media_type, platform: platform.clone() });
    }
    if entries.is_empty() {
        return Err(EngineError::new(ErrorClass::Refused, "a list of no images"));
    }
    entries.sort_by(|a, b| a.platform.cmp(&b.platform));
    lists.put_list(repository, tag, &entries).await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn platforms_have_one_spelling() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("armhf", "linux/arm/v7"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("Linux/i386", "linux/386"),
        ] {
            assert_eq!(platform(text).to_string(), expected, "{text}");
        }
        for text in ["", "linux/", "a/b/c/d", "linux/a b", "linux/$(x)"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        assert_eq!(platform_tag("t1", &platform("armhf")), "t1-linux-arm-v7");
    }

    #[test]
    fn a_platform_without_emulation_is_refused_with_what_to_type() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/sys/fs/binfmt_misc");
        std::fs::create_dir_all(&folder).unwrap();
        let probe = Probe::new(Vec::new());
        let mut host = Host::of(&probe, &[], root.path());
        host.machine = "x86_64".to_owned();
        let wanted = ["linux/amd64", "linux/386", "linux/arm64"].map(platform);
        let error = host.refuse(&wanted).unwrap();
        assert_eq!(error.code, "B0107");
        assert!(error.message.ends_with("cannot run programs of `linux/arm64`"), "{error:?}");
        assert!(error.hints[0].starts_with("apt-get install qemu-user-static"), "{error:?}");
        // With flag F it is there in containers too.
        std::fs::write(folder.join("qemu-aarch64"), "enabled\ninterpreter /x\nflags: F\n").unwrap();
        let mut host = Host::of(&probe, &[], root.path());
        host.machine = "x86_64".to_owned();
        assert!(host.refuse(&wanted).is_none());
        assert_eq!(host.runs(&platform("linux/arm64")), Runs::Emulated("qemu-aarch64".into()));
        assert_eq!(host.runs(&platform("linux/amd64/v3")), Runs::No);
        assert_eq!(host.runs(&platform("windows/amd64")), Runs::No);
    }

    #[test]
    fn compatible_processors_and_the_builders_own_word_count() {
        let host = |machine: &str, arm32, builder: &[&str]| Host {
            machine: machine.to_owned(),
            emulations: Vec::new(),
            arm32,
            builder: builder.iter().map(|one| (*one).to_owned()).collect(),
        };
        assert_eq!(host("x86_64", false, &[]).runs(&platform("linux/386")), Runs::Compatible);
        assert_eq!(host("aarch64", true, &[]).runs(&platform("linux/arm/v7")), Runs::Compatible);
        assert_eq!(host("aarch64", false, &[]).runs(&platform("linux/arm/v7")), Runs::No);
        assert_eq!(host("aarch64", false, &["linux/arm/v7"]).runs(&platform("linux/arm/v7")), Runs::Builder);
        assert_eq!(host("aarch64", false, &[]).runs(&platform("linux/arm64/v8")), Runs::Native);
    }

    #[derive(Default)]
    struct Fake(Mutex<Vec<String>>);

    #[async_trait]
    impl ManifestLists for Fake {
        async fn manifest(&self, _: &str, digest: &str) -> Result<(String, u64), EngineError> {
            Ok(("m".to_owned(), digest.len() as u64))
        }
        async fn put_list(&self, repository: &str, tag: &str, entries: &[ListEntry]) -> Result<String, EngineError> {
            let all: Vec<String> =
                entries.iter().map(|one| format!("{} {} {}", one.platform, one.digest, one.size)).collect();
            self.0.lock().unwrap().push(format!("{repository}:{tag} {}", all.join(", ")));
            Ok("sha256:list".to_owned())
        }
    }

    #[tokio::test]
    async fn a_list_has_each_platform_once_in_one_order() {
        let fake = Fake::default();
        let pushed = [(platform("linux/arm64"), "d22".to_owned()), (platform("linux/amd64"), "d1".to_owned())];
        assert_eq!(write_list(&fake, "lab/x", "t", &pushed).await.unwrap(), "sha256:list");
        assert_eq!(fake.0.lock().unwrap()[0], "lab/x:t linux/amd64 d1 2, linux/arm64 d22 3");
        let twice = [pushed[0].clone(), pushed[0].clone()];
        assert!(write_list(&fake, "lab/x", "t", &twice).await.is_err());
        assert!(write_list(&fake, "lab/x", "t", &[]).await.is_err());
    }
}
