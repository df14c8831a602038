//! `yum_repository`: a section of a `.repo` file, as Python's `configparser` writes it.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{NO_SELINUX, StateDiff, apply, with_file_args};
use super::call::Failure;
use super::cx::Cx;
use super::place::{first_mode, text_to_edit};
use super::refusal::refused;
use super::spec::{Meta, Module};
use super::types::HostPath;
use super::types::Presence;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::{Content, WriteOptions, shown};
use crate::system::web::mask_url;
use crate::value::{Map, insert, kept_bytes, kept_shown};

with_file_args! {
    /// Adds and removes a package source of dnf and yum: one section of a file in `/etc/yum.repos.d`.
    ///
    /// ```yaml
    /// - yum_repository:
    ///     name: example
    ///     description: Example packages
    ///     baseurl: https://packages.example/el9/$basearch
    ///     gpgcheck: true
    ///     gpgkey: https://packages.example/key.asc
    /// ```
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct Args {
        /// Fetch in the background. dnf does not know it.
        r#async: Option<bool>,
        /// How much of the line may be used.
        bandwidth: Option<String>,
        /// Addresses of the packages.
        baseurl: Option<Vec<String>>,
        /// What it costs, compared with other sources.
        cost: Option<String>,
        /// Tell the server once a week that the host is there.
        countme: Option<bool>,
        /// How large lists of differences may be. dnf does not know it.
        deltarpm_metadata_percentage: Option<String>,
        /// How large differences of packages may be.
        deltarpm_percentage: Option<String>,
        /// The source's name for people.
        description: Option<String>,
        /// Use the source.
        enabled: Option<bool>,
        /// Use its package groups.
        enablegroups: Option<bool>,
        /// Packages to leave out.
        exclude: Option<Vec<String>>,
        /// How the next address is chosen.
        failovermethod: Option<Failover>,
        /// The file's name without `.repo`; that of the source otherwise.
        file: Option<String>,
        /// The key that signs keys. dnf does not know it.
        gpgcakey: Option<String>,
        /// Check the packages' signatures.
        gpgcheck: Option<bool>,
        /// Addresses of keys.
        gpgkey: Option<Vec<String>>,
        /// Take packages past module streams.
        module_hotfixes: Option<bool>,
        /// What caches may keep. dnf does not know it.
        http_caching: Option<Caching>,
        /// An address with more configuration.
        include: Option<String>,
        /// Take only these packages.
        includepkgs: Option<Vec<String>>,
        /// Which addresses names stand for.
        ip_resolve: Option<IpResolve>,
        /// Keep connections. dnf does not know it.
        keepalive: Option<bool>,
        /// Keep packages after they were installed.
        keepcache: Option<Keep>,
        /// Seconds that lists are good for.
        metadata_expire: Option<String>,
        /// Who need not read old lists again. dnf does not know it.
        metadata_expire_filter: Option<ExpireFilter>,
        /// The address of a metalink file.
        metalink: Option<String>,
        /// The address of a list of mirrors.
        mirrorlist: Option<String>,
        /// Seconds that a list of mirrors is good for. dnf does not know it.
        mirrorlist_expire: Option<String>,
        /// The source's name in brackets.
        name: String,
        /// The password for the server.
        password: Option<String>,
        /// Its rank, 1 to 99, the smaller the sooner.
        priority: Option<String>,
        /// Guard the source's packages against others. dnf does not know it.
        protect: Option<bool>,
        /// The proxy's address.
        proxy: Option<String>,
        /// The proxy's password.
        proxy_password: Option<String>,
        /// The proxy's user.
        proxy_username: Option<String>,
        /// Check the lists' signatures.
        repo_gpgcheck: Option<bool>,
        /// The folder of the file.
        #[serde(default = "reposdir")]
        reposdir: HostPath,
        /// How often a file is tried.
        retries: Option<String>,
        /// Sign requests for S3.
        s3_enabled: Option<bool>,
        /// Go on without the source if it cannot be read.
        skip_if_unavailable: Option<bool>,
        /// The certificates that servers are checked by.
        sslcacert: Option<String>,
        /// Check that certificate files can be read. dnf does not know it.
        ssl_check_cert_permissions: Option<bool>,
        /// The client's certificate.
        sslclientcert: Option<String>,
        /// The key of the client's certificate.
        sslclientkey: Option<String>,
        /// Check the servers' certificates.
        sslverify: Option<bool>,
        /// Whether the source shall be there.
        #[serde(default)]
        state: Presence,
        /// The most to fetch in a second.
        throttle: Option<String>,
        /// Seconds to wait for a connection.
        timeout: Option<String>,
        /// Variables that are shown with the name. dnf does not know it.
        ui_repoid_vars: Option<String>,
        /// The user for the server.
        username: Option<String>,
    }
}

fn reposdir() -> HostPath {
    HostPath("/etc/yum.repos.d".to_owned())
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
        enum $name { $(#[serde(rename = $text)] $variant),+ }
        impl $name {
            fn text(self) -> String {
                match self { $(Self::$variant => $text),+ }.to_owned()
            }
        }
    };
}

words!(Failover { Roundrobin = "roundrobin", Priority = "priority" });
words!(Caching { All = "all", Packages = "packages", None = "none" });
words!(IpResolve { Four = "4", Six = "6", IpFour = "IPv4", IpSix = "IPv6", Whatever = "whatever" });
words!(Keep { No = "0", Yes = "1" });
words!(ExpireFilter {
    Never = "never",
    Past = "read-only:past",
    Present = "read-only:present",
    Future = "read-only:future",
});

/// The module.
pub struct YumRepository;

impl Module for YumRepository {
    type Args = Args;
    const META: Meta = Meta {
        name: "yum_repository",
        full_name: "ansible.builtin.yum_repository",
        also: &["ansible.legacy.yum_repository"],
        summary: "Manage a package source of dnf and yum",
        aliases: &[
            ("attributes", &["attr"]),
            ("exclude", &["excludepkgs"]),
            ("sslcacert", &["ca_cert"]),
            ("sslclientcert", &["client_cert"]),
            ("sslclientkey", &["client_key"]),
            ("sslverify", &["validate_certs"]),
        ],
        required_if: &[("state", "present", &["description"])],
        refused: NO_SELINUX,
        secret: &["password", "proxy_password"],
        reads: &["lsattr"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let present = args.state == Presence::Present;
        if present && args.baseurl.is_none() && args.mirrorlist.is_none() && args.metalink.is_none() {
            let message = "state is present but any of the following are missing: baseurl, mirrorlist, metalink";
            return Err(refused("H0110", message));
        }
        let folder = args.reposdir.expand(cx.environment());
        if !cx.probe().is_dir(&folder) {
            return Err(refused("H0107", format!("Repo directory '{}' does not exist.", shown(&folder))));
        }
        let name = args.file.as_deref().unwrap_or(&args.name);
        let path: PathBuf = folder.join(format!("{name}.repo"));
        let _turn = cx.probe().turn(&path)?;
        let mut file = Sections::parse(&text_to_edit(cx, &path)?, &path)?;
        let before = file.dump();
        file.0.shift_remove(&args.name);
        if present {
            let options = options(&args).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            file.0.insert(args.name.clone(), options);
        }
        let after = file.dump();
        let place = shown(&path);
        if before != after {
            let mode = first_mode(cx, &path, args.mode.as_ref())?;
            cx.change(format!("{} in {place}", if present { "source" } else { "no source" }), |host| {
                if file.0.is_empty() {
                    return if path.exists() { host.remove_file(&path) } else { Ok(()) };
                }
                // What is there keeps its owner, and a link to it stays, as where Python writes into it. Passwords are
                // never in a file of another mode than the one that is asked for.
                let options = WriteOptions { mode, ..WriteOptions::default() };
                host.write(&host.probe().real(&path), Content::Bytes(&kept_bytes(&file.text())), options)
            })?;
        }
        if path.is_file() {
            apply(cx, &path, &args.file_args(), &mut StateDiff::default())?;
        }
        let mut result = map! { "repo" => args.name.as_str(), "state" => if present { "present" } else { "absent" } };
        let masked = |text: &str| masked(&kept_shown(text), &args);
        let diff = map! {
            "before_header" => place.as_str(), "before" => masked(&before),
            "after_header" => place.as_str(), "after" => masked(&after),
        };
        insert(&mut result, "diff", diff);
        cx.diff(crate::event::Diff {
            before_header: place.clone(),
            after_header: place,
            before: masked(&before),
            after: masked(&after),
            ..crate::event::Diff::default()
        });
        Ok(result)
    }
}

/// The text without passwords.
fn masked(text: &str, args: &Args) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let secret = ["password = ", "proxy_password = "].iter().find(|key| line.starts_with(**key));
        match secret {
            Some(key) if args.password.is_some() || args.proxy_password.is_some() => {
                out.push_str(key);
                out.push_str("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER\n");
            }
            _ => {
                let words = line.split_inclusive(char::is_whitespace).map(|word| {
                    let end = word.trim_end().len();
                    mask_url(&word[..end]) + &word[end..]
                });
                out.extend(words);
            }
        }
    }
    out
}

/// What is given, in the order of the names.
fn options(args: &Args) -> Vec<(&'static str, String)> {
    let yes = |value: Option<bool>| value.map(|value| if value { "1" } else { "0" }.to_owned());
    let lines = |value: &Option<Vec<String>>| value.as_ref().map(|words| words.join("\n"));
    let words = |value: &Option<Vec<String>>| value.as_ref().map(|words| words.join(" "));
    let all = [
        ("async", yes(args.r#async)),
        ("bandwidth", args.bandwidth.clone()),
        ("baseurl", lines(&args.baseurl)),
        ("cost", args.cost.clone()),
        ("countme", yes(args.countme)),
        ("deltarpm_metadata_percentage", args.deltarpm_metadata_percentage.clone()),
        ("deltarpm_percentage", args.deltarpm_percentage.clone()),
        ("enabled", yes(args.enabled)),
        ("enablegroups", yes(args.enablegroups)),
        ("exclude", words(&args.exclude)),
        ("failovermethod", args.failovermethod.map(Failover::text)),
        ("gpgcakey", args.gpgcakey.clone()),
        ("gpgcheck", yes(args.gpgcheck)),
        ("gpgkey", lines(&args.gpgkey)),
        ("http_caching", args.http_caching.map(Caching::text)),
        ("include", args.include.clone()),
        ("includepkgs", words(&args.includepkgs)),
        ("ip_resolve", args.ip_resolve.map(IpResolve::text)),
        ("keepalive", yes(args.keepalive)),
        ("keepcache", args.keepcache.map(Keep::text)),
        ("metadata_expire", args.metadata_expire.clone()),
        ("metadata_expire_filter", args.metadata_expire_filter.map(ExpireFilter::text)),
        ("metalink", args.metalink.clone()),
        ("mirrorlist", args.mirrorlist.clone()),
        ("mirrorlist_expire", args.mirrorlist_expire.clone()),
        ("module_hotfixes", yes(args.module_hotfixes)),
        ("name", args.description.clone()),
        ("password", args.password.clone()),
        ("priority", args.priority.clone()),
        ("protect", yes(args.protect)),
        ("proxy", args.proxy.clone()),
        ("proxy_password", args.proxy_password.clone()),
        ("proxy_username", args.proxy_username.clone()),
        ("repo_gpgcheck", yes(args.repo_gpgcheck)),
        ("retries", args.retries.clone()),
        ("s3_enabled", yes(args.s3_enabled)),
        ("skip_if_unavailable", yes(args.skip_if_unavailable)),
        ("ssl_check_cert_permissions", yes(args.ssl_check_cert_permissions)),
        ("sslcacert", args.sslcacert.clone()),
        ("sslclientcert", args.sslclientcert.clone()),
        ("sslclientkey", args.sslclientkey.clone()),
        ("sslverify", yes(args.sslverify)),
        ("throttle", args.throttle.clone()),
        ("timeout", args.timeout.clone()),
        ("ui_repoid_vars", args.ui_repoid_vars.clone()),
        ("username", args.username.clone()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A file of sections, as `configparser.RawConfigParser` reads and writes it.
#[derive(Debug, Default)]
struct Sections(IndexMap<String, IndexMap<String, String>>);

impl Sections {
    fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut sections: IndexMap<String, IndexMap<String, Vec<String>>> = IndexMap::new();
        let mut section: Option<String> = None;
        let mut key: Option<String> = None;
        let mut depth = 0;
        let bad = |line: usize, what: &str| Diagnostic::task("H0107", format!("`{}` line {line}: {what}", shown(path)));
        for (at, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.starts_with(['#', ';']) {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            if trimmed.is_empty() {
                if let (Some(section), Some(key)) = (&section, &key)
                    && let Some(value) = sections.get_mut(section).and_then(|keys| keys.get_mut(key))
                {
                    value.push(String::new());
                }
                continue;
            }
            if let (Some(section), Some(key), true) = (&section, &key, indent > depth) {
                if let Some(value) = sections.get_mut(section).and_then(|keys| keys.get_mut(key)) {
                    value.push(trimmed.to_owned());
                }
                continue;
            }
            depth = indent;
            if let Some(end) = trimmed.strip_prefix('[').and_then(|rest| rest.rfind(']').map(|end| &rest[..end])) {
                if sections.contains_key(end) {
                    return Err(bad(at + 1, &format!("the section `{end}` is there twice")));
                }
                sections.insert(end.to_owned(), IndexMap::new());
                section = Some(end.to_owned());
                key = None;
                continue;
            }
            let Some(section) = &section else { return Err(bad(at + 1, "a value before the first section")) };
            let Some(split) = trimmed.find(['=', ':']) else {
                return Err(bad(at + 1, "neither a section nor a value"));
            };
            let name = trimmed[..split].trim_end().to_lowercase();
            let keys = sections.entry(section.clone()).or_default();
            if keys.insert(name.clone(), vec![trimmed[split + 1..].trim().to_owned()]).is_some() {
                return Err(bad(at + 1, &format!("the value `{name}` is there twice")));
            }
            key = Some(name);
        }
        let joined = |lines: Vec<String>| lines.join("\n").trim_end().to_owned();
        let whole =
            |keys: IndexMap<String, Vec<String>>| keys.into_iter().map(|(key, lines)| (key, joined(lines))).collect();
        Ok(Self(sections.into_iter().map(|(name, keys)| (name, whole(keys))).collect()))
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (name, keys) in &self.0 {
            out.push_str(&format!("[{name}]\n"));
            for (key, value) in keys {
                out.push_str(&format!("{key} = {}\n", value.replace('\n', "\n\t")));
            }
            out.push('\n');
        }
        out
    }

    /// In the order of names, for comparison and the diff.
    fn dump(&self) -> String {
        let mut sections: Vec<_> = self.0.iter().collect();
        sections.sort_by_key(|(name, _)| name.as_str());
        let mut out = String::new();
        for (name, keys) in sections {
            out.push_str(&format!("[{name}]\n"));
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort();
            keys.iter().for_each(|(key, value)| out.push_str(&format!("{key} = {value}\n")));
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;
    use crate::value::{StrKey, Value};

    #[test]
    fn sections_come_change_and_go() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("own.repo");
        let with = |args: Map| {
            let mut all = map! { "name" => "a", "file" => "own", "reposdir" => shown(folder.path()) };
            all.extend(args);
            module("yum_repository", all)
        };
        let full = || {
            map! {
                "description" => "A repo", "baseurl" => "http://me:secret1@x.example/a,http://y.example", "gpgcheck" => false,
                "exclude" => vec![Value::from("kernel*"), Value::from("x")], "password" => "secret2", "mode" => "0600",
            }
        };
        assert!(with(full()).check(true).ok().changed && !path.exists());
        let outcome = with(full()).ok();
        assert!(outcome.changed);
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
        let text = std::fs::read_to_string(&path).expect("file");
        assert_eq!(
            text,
            "[a]\nbaseurl = http://me:secret1@x.example/a\n\thttp://y.example\nexclude = kernel* x\ngpgcheck = 0\nname = A repo\npassword = secret2\n\n"
        );
        assert!(!with(full()).ok().changed);
        let mut second = full();
        second.extend(map! { "name" => "b", "enabled" => true, "ip_resolve" => 4 });
        assert!(with(second).ok().changed);
        assert!(std::fs::read_to_string(&path).expect("file").contains("[b]\n"));
        assert!(with(map! { "state" => "absent" }).ok().changed);
        assert!(!std::fs::read_to_string(&path).expect("file").contains("[a]\n"));
        let outcome = with(map! { "name" => "b", "state" => "absent" }).ok();
        assert!(outcome.changed && !path.exists());
        assert_eq!((get(&outcome, "repo"), get(&outcome, "state")), (json!("b"), json!("absent")));
        assert!(!with(map! { "state" => "absent" }).ok().changed);
        let failure = with(map! { "description" => "x" }).fails();
        let expected = "state is present but any of the following are missing: baseurl, mirrorlist, metalink";
        assert_eq!(failure.result.get(&StrKey("msg")), Some(&expected.into()));
        assert!(with(map! { "description" => "x", "baseurl" => "x", "reposdir" => "/no/such" }).run().is_err());
    }

    #[test]
    fn files_as_configparser_reads_them() {
        let text = "# note\n[one]\nName: A\nbaseurl=http://a\n\n   http://b\n; x\nenabled = 1\n";
        let parsed = Sections::parse(text, Path::new("x")).expect("sections");
        assert_eq!(parsed.0["one"]["baseurl"], "http://a\n\nhttp://b");
        assert_eq!(parsed.text(), "[one]\nname = A\nbaseurl = http://a\n\t\n\thttp://b\nenabled = 1\n\n");
        let check = |text: &str| assert!(Sections::parse(text, Path::new("x")).is_err(), "{text}");
        ["x = 1\n", "[a]\nnothing\n", "[a]\n[a]\n", "[a]\nx=1\nX=2\n"].into_iter().for_each(check);
    }

    #[test]
    fn links_and_foreign_bytes_stay_and_the_mode_is_there_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("r.repo"));
        std::fs::write(&target, b"[old]\nname = caf\xe9\n\n").expect("write");
        std::os::unix::fs::symlink("target", &link).expect("link");
        let args = map! {
            "name" => "r", "description" => "R", "baseurl" => "http://h", "password" => "s", "mode" => "0600",
            "reposdir" => folder.path().to_string_lossy().into_owned(),
        };
        module("yum_repository", args).ok();
        assert!(link.is_symlink());
        let text = std::fs::read(&target).expect("read");
        assert!(text.starts_with(b"[old]\nname = caf\xe9\n"), "{}", String::from_utf8_lossy(&text));
        let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).expect("stat")) & 0o7777;
        assert_eq!(mode(&target), 0o600);
    }
}
