//! `deb822_repository`: a package source of apt in the newer form, with its key.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apt_repository::{apt_path, mask_line};
use super::call::Failure;
use super::cx::Cx;
use super::place::content_diff;
use super::refusal::refused;
use super::spec::{Meta, Module};
use super::types::Mode;
use super::types::Presence;
use crate::diag::Result;
use crate::map;
use crate::system::fs::{Content, WriteOptions, shown, umask};
use crate::value::{Map, Value};

/// Adds and removes a package source of apt as a file `NAME.sources`, its key beside the others in `/etc/apt/keyrings`.
///
/// The package lists are not read: `apt` with `update_cache: true` does that where this task changed something.
///
/// ```yaml
/// - deb822_repository:
///     name: example
///     uris: https://packages.example/debian
///     suites: stable
///     components: main
///     signed_by: https://packages.example/key.asc
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Go on if a package had a signature before and has none now.
    allow_downgrade_to_insecure: Option<bool>,
    /// Take a source without a signature.
    allow_insecure: Option<bool>,
    /// Take weak signatures.
    allow_weak: Option<bool>,
    /// Architectures to look for.
    architectures: Option<Vec<String>>,
    /// Fetch lists by their checksum.
    by_hash: Option<bool>,
    /// The host's clock is right, so dates are checked.
    check_date: Option<bool>,
    /// Check how long a list is valid.
    check_valid_until: Option<bool>,
    /// Parts of the distribution.
    components: Option<Vec<String>>,
    /// Seconds that a list may be from the future.
    date_max_future: Option<i64>,
    /// Use the source.
    enabled: Option<bool>,
    /// Where the `InRelease` file is.
    inrelease_path: Option<String>,
    /// Languages of descriptions.
    languages: Option<Vec<String>>,
    /// The source's name.
    name: String,
    /// Fetch differences of lists.
    pdiffs: Option<bool>,
    /// The key: an address, a file on the host, fingerprints, or the armoured key itself.
    signed_by: Option<String>,
    /// Distributions, or a path that ends with `/`.
    suites: Option<Vec<String>>,
    /// What to fetch.
    targets: Option<Vec<String>>,
    /// Whether the source is trusted in any case.
    trusted: Option<bool>,
    /// Packages, sources, or both.
    #[serde(default = "deb")]
    types: Vec<Type>,
    /// Addresses.
    uris: Option<Vec<String>>,
    /// The mode of the file.
    #[serde(default = "readable")]
    mode: Mode,
    /// Whether the source shall be there.
    #[serde(default)]
    state: Presence,
}

fn deb() -> Vec<Type> {
    vec![Type::Deb]
}

fn readable() -> Mode {
    Mode::Bits(0o644)
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
enum Type {
    #[serde(rename = "deb")]
    Deb,
    #[serde(rename = "deb-src")]
    DebSrc,
}

/// The module.
pub struct Deb822Repository;

impl Module for Deb822Repository {
    type Args = Args;
    const META: Meta = Meta {
        name: "deb822_repository",
        full_name: "ansible.builtin.deb822_repository",
        also: &["ansible.legacy.deb822_repository"],
        summary: "Manage a package source of apt in the newer form",
        reads: &["apt-config dump"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let slug = slug(&args.name);
        let path = apt_path(cx, "Dir::Etc::sourceparts", "/etc/apt/sources.list.d")?.join(format!("{slug}.sources"));
        let keys = apt_path(cx, "Dir::Etc", "/etc/apt")?.join("keyrings");
        if args.state == Presence::Absent {
            let mut key = PathBuf::new();
            let all = [path.clone(), keys.join(format!("{slug}.asc")), keys.join(format!("{slug}.gpg"))];
            for file in &all {
                if cx.probe().exists(file) {
                    cx.change(format!("remove {}", shown(file)), |host| host.remove_file(file))?;
                }
                key.clone_from(file);
            }
            return Ok(map! { "repo" => Value::Null, "dest" => shown(&path), "key_filename" => shown(&key) });
        }
        let mut key_file = None;
        let mut text = String::new();
        for (name, value) in fields(&args) {
            let mut value = value;
            if name == "signed_by" {
                key_file = key(cx, &value, &keys, &slug)?;
                if let Some(file) = &key_file {
                    value = shown(file);
                }
            }
            if value.contains('\n') {
                let lines = value.trim().lines().map(|line| if line.trim().is_empty() { "." } else { line.trim() });
                value = lines.fold(String::new(), |all, line| all + "\n    " + line);
            }
            let space = if value.starts_with('\n') { "" } else { " " };
            text.push_str(&format!("{}:{space}{value}\n", field_name(name)));
        }
        let before = cx.probe().read(&path).ok();
        let name = shown(&path);
        if before.as_deref() != Some(text.as_bytes()) {
            let header = if before.is_some() { name.as_str() } else { "/dev/null" };
            let masked = |bytes: &[u8]| mask_line(&String::from_utf8_lossy(bytes)).into_bytes();
            let old = before.as_deref().map(masked);
            cx.diff(content_diff(header, &name, old.as_deref(), &masked(text.as_bytes())));
            let what = format!("{} {name}", if before.is_some() { "update" } else { "create" });
            let mode = args.mode.resolve(0o644, false, umask());
            cx.change(what, |host| {
                if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                    host.create_dirs(folder)?;
                }
                host.write(&path, Content::Bytes(text.as_bytes()), WriteOptions { mode, ..WriteOptions::default() })
            })?;
        }
        mode(cx, &path, &args.mode)?;
        Ok(map! { "repo" => mask_line(&text), "dest" => name, "key_filename" => key_file.map(|file| shown(&file)) })
    }
}

/// The file's permissions.
fn mode(cx: &Cx, path: &Path, mode: &Mode) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let Some(found) = cx.probe().stat(path)? else { return Ok(()) };
    let present = found.mode() & 0o7777;
    if let Some(wanted) = mode.resolve(present, false, umask()).filter(|wanted| *wanted != present) {
        cx.change(format!("mode of {} to {wanted:04o}", shown(path)), |host| host.chmod(path, wanted))?;
    }
    Ok(())
}

/// The name in small letters, digits and dashes.
fn slug(name: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in name.to_lowercase().chars() {
        if c == '_' || c.is_whitespace() {
            if !gap {
                out.push('-');
            }
            gap = true;
            continue;
        }
        gap = false;
        if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' {
            out.push(c);
        }
    }
    out
}

/// `allow_insecure` as `Allow-Insecure`.
fn field_name(name: &str) -> String {
    match name {
        "name" => "X-Repolib-Name".to_owned(),
        "uris" => "URIs".to_owned(),
        _ => {
            let word = |word: &str| {
                let mut chars = word.chars();
                let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
                first + chars.as_str()
            };
            name.split('_').map(word).collect::<Vec<_>>().join("-")
        }
    }
}

/// What is given, in the order of the names.
fn fields(args: &Args) -> Vec<(&'static str, String)> {
    let yes = |value: Option<bool>| value.map(|value| if value { "yes" } else { "no" }.to_owned());
    let list = |value: &Option<Vec<String>>| value.as_ref().map(|words| words.join(" "));
    let types = args.types.iter().map(|kind| if *kind == Type::Deb { "deb" } else { "deb-src" });
    let all = [
        ("allow_downgrade_to_insecure", yes(args.allow_downgrade_to_insecure)),
        ("allow_insecure", yes(args.allow_insecure)),
        ("allow_weak", yes(args.allow_weak)),
        ("architectures", list(&args.architectures)),
        ("by_hash", yes(args.by_hash)),
        ("check_date", yes(args.check_date)),
        ("check_valid_until", yes(args.check_valid_until)),
        ("components", list(&args.components)),
        ("date_max_future", args.date_max_future.map(|seconds| seconds.to_string())),
        ("enabled", yes(args.enabled)),
        ("inrelease_path", args.inrelease_path.clone()),
        ("languages", list(&args.languages)),
        ("name", Some(args.name.clone())),
        ("pdiffs", yes(args.pdiffs)),
        ("signed_by", args.signed_by.clone()),
        ("suites", list(&args.suites)),
        ("targets", list(&args.targets)),
        ("trusted", yes(args.trusted)),
        ("types", Some(types.collect::<Vec<_>>().join(" "))),
        ("uris", list(&args.uris)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The key's file: one that is there, or one that was fetched. `None` for text that stays in the source.
fn key(cx: &Cx, given: &str, keys: &Path, slug: &str) -> Result<Option<PathBuf>, Failure> {
    let path = Path::new(given);
    if !given.contains('\n') && path.is_file() {
        return Ok(Some(path.to_owned()));
    }
    let scheme = given.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return Ok(None);
    }
    let failed = |why: String| refused("H0125", format!("Could not fetch signed_by key: {why}"));
    let data = if scheme == "file" {
        let place = given.trim_start_matches("file://");
        cx.probe().read(Path::new(place)).map_err(|error| failed(format!("<urlopen error {}>", error.message)))?
    } else {
        super::web::key_if(cx, given, true, |status| (200..300).contains(&status)).map_err(failed)?
    };
    if data.is_empty() {
        return Ok(Some(path.to_owned()));
    }
    let armoured = String::from_utf8_lossy(&data).contains("-----BEGIN PGP PUBLIC KEY BLOCK-----");
    let file = keys.join(format!("{slug}.{}", if armoured { "asc" } else { "gpg" }));
    if cx.probe().read(&file).ok().as_deref() != Some(data.as_slice()) {
        cx.change(format!("write the key {}", shown(&file)), |host| {
            if !keys.is_dir() {
                host.create_dirs(keys)?;
                host.chmod(keys, 0o755)?;
            }
            let options = WriteOptions { mode: Some(0o644), ..WriteOptions::default() };
            host.write(&file, Content::Bytes(&data), options)
        })?;
    }
    mode(cx, &file, &Mode::Bits(0o644))?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::super::testing::{Try, get, module};
    use super::super::web::server;
    use super::*;

    #[test]
    fn names_of_files_and_fields() {
        let check = |name: &str, expected: &str| assert_eq!(slug(name), expected, "{name}");
        check("My Repo__2 (test)", "my-repo-2-test");
        check("a.b/c", "abc");
        assert_eq!(
            (field_name("allow_downgrade_to_insecure").as_str(), field_name("uris").as_str()),
            ("Allow-Downgrade-To-Insecure", "URIs")
        );
    }

    const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n";

    fn setup() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("folder");
        let conf = folder.path().join("apt.conf");
        std::fs::write(&conf, format!("Dir::Etc \"{}/etc\";\n", folder.path().display())).expect("conf");
        let conf = shown(&conf);
        (folder, conf)
    }

    #[test]
    fn a_source_with_a_fetched_key() {
        if crate::system::process::which("apt-config", None).is_none() {
            println!("skipped: there is no apt here");
            return;
        }
        let (folder, conf) = setup();
        let (base, _seen) = server::serve(|_, _| server::answer("200 OK", "", KEY));
        let with = |args: Map| -> Try {
            let mut all = map! {
                "name" => "My Repo", "uris" => "http://me:secret@h.example/debian", "suites" => "stable",
                "components" => vec![Value::from("main"), Value::from("contrib")], "signed_by" => format!("{base}/key"),
                "enabled" => false,
            };
            all.extend(args);
            module("deb822_repository", all).env("APT_CONFIG", &conf)
        };
        let path = folder.path().join("etc/sources.list.d/my-repo.sources");
        let file = folder.path().join("etc/keyrings/my-repo.asc");
        assert!(with(Map::new()).check(true).ok().changed && !path.exists() && !file.exists());
        let outcome = with(Map::new()).ok();
        assert!(outcome.changed && file.exists());
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
        let text = std::fs::read_to_string(&path).expect("source");
        let expected = format!(
            "Components: main contrib\nEnabled: no\nX-Repolib-Name: My Repo\nSigned-By: {}\nSuites: stable\nTypes: deb\nURIs: http://me:secret@h.example/debian\n",
            shown(&file)
        );
        assert_eq!(text, expected);
        assert_eq!(get(&outcome, "key_filename"), json!(shown(&file)));
        assert!(!with(Map::new()).ok().changed);
        let outcome = module("deb822_repository", map! { "name" => "My Repo", "state" => "absent" })
            .env("APT_CONFIG", &conf)
            .ok();
        assert!(outcome.changed && !path.exists() && !file.exists());
    }

    #[test]
    fn a_key_in_the_source_itself() {
        if crate::system::process::which("apt-config", None).is_none() {
            println!("skipped: there is no apt here");
            return;
        }
        let (folder, conf) = setup();
        let args = map! { "name" => "own", "signed_by" => "-----BEGIN PGP\n\nabc\n", "mode" => "0600" };
        let outcome = module("deb822_repository", args).env("APT_CONFIG", &conf).ok();
        assert_eq!(get(&outcome, "key_filename"), json!(null));
        let path = folder.path().join("etc/sources.list.d/own.sources");
        let text = std::fs::read_to_string(&path).expect("source");
        assert_eq!(text, "X-Repolib-Name: own\nSigned-By:\n    -----BEGIN PGP\n    .\n    abc\nTypes: deb\n");
        assert_eq!(std::fs::metadata(&path).expect("source").permissions().mode() & 0o777, 0o600);
    }
}
