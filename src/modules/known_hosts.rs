//! `known_hosts`: a host's key in a file of known hosts. `ssh-keygen` looks, as in Ansible: it knows hashed names.

use std::path::Path;

use base64::Engine as _;
use hmac::Mac as _;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::place::{content_diff, text_to_edit};
use super::refusal::refused;
use super::spec::{Meta, Module};
use super::types::HostPath;
use super::types::Presence;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::{Content, WriteOptions, shown};
use crate::system::process::Program;
use crate::value::{Map, StrKey, insert, kept_bytes, kept_shown};

/// Keeps the key of a host in a file of known hosts.
///
/// ```yaml
/// - name: The key of the forge
///   known_hosts:
///     name: git.example
///     key: git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGxq...
///     path: /etc/ssh/ssh_known_hosts
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The host's name, as in the key's line; with a port `[name]:port`.
    name: String,
    /// The whole line.
    key: Option<String>,
    /// The file.
    #[serde(default = "path")]
    path: HostPath,
    /// Write the name hashed.
    #[serde(default)]
    hash_host: bool,
    /// Whether it shall be there.
    #[serde(default)]
    state: Presence,
}

fn path() -> HostPath {
    HostPath("~/.ssh/known_hosts".to_owned())
}

/// The module.
pub struct KnownHosts;

impl Module for KnownHosts {
    type Args = Args;
    const META: Meta = Meta {
        name: "known_hosts",
        full_name: "ansible.builtin.known_hosts",
        also: &["ansible.legacy.known_hosts"],
        summary: "Keep a host's key in a file of known hosts",
        aliases: &[("name", &["host"])],
        reads: &["ssh-keygen -F"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if cx.probe().which("ssh-keygen").is_none() {
            return Err(refused(
                "H0103",
                "Failed to find required executable \"ssh-keygen\" in paths: /bin:/usr/bin:/sbin:/usr/sbin",
            ));
        }
        let path = args.path.expand(cx.environment());
        let _turn = cx.probe().turn(&path)?;
        let host = args.name.to_lowercase();
        let present = args.state == Presence::Present;
        let given = args.key.clone().filter(|key| !key.trim().is_empty());
        if given.is_none() && present {
            return Err(refused("H0124", "No key specified when adding a host"));
        }
        let key = match given {
            Some(key) if args.hash_host => Some(hashed(&host, &key)?),
            other => other,
        };
        let key = key.map(|key| if key.ends_with('\n') { key } else { format!("{key}\n") });
        if let Some(key) = &key {
            fits(cx, &host, key)?;
        }
        let mut result = map! {
            "name" => args.name.as_str(), "key" => args.key.clone(), "path" => shown(&path),
            "hash_host" => args.hash_host, "state" => if present { "present" } else { "absent" },
        };
        let before = text_to_edit(cx, &path)?;
        let found = search(cx, &host, key.as_deref(), &path)?;
        let lines: Vec<&str> = before.split_inclusive('\n').collect();
        let after: String = match (&found, &key, present) {
            // Nothing of that name, or not with this key.
            (Found::No, _, false) | (Found::Other(None) | Found::Name(_), Some(_), false) => before.clone(),
            // Another key of the same kind goes too, as in Ansible: the name may be hashed there and is not here.
            (Found::Other(Some(number)), Some(_), false) => kept(&lines, &[*number]),
            // All lines of the name.
            (Found::Name(numbers), None, false) => kept(&lines, numbers),
            (Found::Same(number), _, false) => kept(&lines, &[*number]),
            (Found::Same(_), _, true) => before.clone(),
            (Found::Other(Some(number)), Some(key), true) => with_end(&kept(&lines, &[*number])) + key,
            (_, Some(key), true) => with_end(&before) + key,
            (_, None, _) => before.clone(),
        };
        // A name is taken out by `ssh-keygen`, which Ansible's difference does not know of.
        let told = if matches!((&found, &key, present), (Found::Name(_), None, false)) { &before } else { &after };
        // Where no such key is there to be removed, Ansible ends before it asks for check mode.
        let early = !present && key.is_some() && !matches!(found, Found::Same(_) | Found::Other(Some(_)));
        if cx.check_mode() && !early {
            result.clear();
        }
        let name = shown(&path);
        let header = if cx.probe().exists(&path) { name.as_str() } else { "/dev/null" };
        // Ansible's result has it in every mode.
        let diff = map! {
            "before_header" => header, "after_header" => name.as_str(),
            "before" => kept_shown(&before), "after" => kept_shown(told),
        };
        insert(&mut result, "diff", diff);
        cx.diff(content_diff(header, &name, Some(&kept_bytes(&before)), &kept_bytes(&after)));
        let info = |mut result: Map| {
            if result.contains_key(&StrKey("path")) {
                super::attributes::add_path_info(cx, &mut result, &path);
            }
            Ok(result)
        };
        if after == before {
            return info(result);
        }
        let what = format!("key of {host} in {name}");
        cx.change(what, |hand| {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
                && !folder.exists()
            {
                hand.create_dirs(folder)?;
                hand.chmod(folder, 0o700)?;
            }
            let target = hand.probe().real(&path);
            hand.write(&target, Content::Bytes(&kept_bytes(&after)), WriteOptions::default())
        })?;
        info(result)
    }
}

/// What the file has of a host. Line numbers from 1.
enum Found {
    /// Nothing.
    No,
    /// These lines, where no key was given.
    Name(Vec<usize>),
    /// This very key.
    Same(usize),
    /// Another key; the line of one of the same kind.
    Other(Option<usize>),
}

fn kept(lines: &[&str], without: &[usize]) -> String {
    lines.iter().enumerate().filter(|(at, _)| !without.contains(&(at + 1))).map(|(_, line)| *line).collect()
}

fn with_end(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// The key is of this host, as `ssh-keygen` reads it.
fn fits(cx: &Cx, host: &str, key: &str) -> Result<(), Failure> {
    if host.split_once(',').is_some_and(|(name, _)| !name.trim().is_empty()) {
        let message = "Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file.";
        return Err(refused("H0124", message));
    }
    let known = match cx.scratch(|hand| hand.scratch_file(Content::Bytes(key.as_bytes())))? {
        Some(file) => !lookup(cx, host, &file)?.trim().is_empty(),
        // In check mode nothing is written, not even for `ssh-keygen`: names that are not hashed are compared here.
        None => {
            let mut words = key.split_whitespace();
            let first = words.next().unwrap_or_default();
            let names = if first.starts_with('@') { words.next().unwrap_or_default() } else { first };
            names.starts_with("|1|") || names.split(',').any(|name| name.to_lowercase() == host || name.contains('*'))
        }
    };
    if known {
        Ok(())
    } else {
        Err(refused("H0124", "Host parameter does not match hashed host field in supplied key"))
    }
}

fn lookup(cx: &Cx, host: &str, path: &Path) -> Result<String, Failure> {
    let output = cx.probe().run(Program::new(["ssh-keygen", "-F", host, "-f"]).arg(path).parsable())?;
    let silent = output.stdout.is_empty() && output.stderr.is_empty();
    if output.rc != 0 && !(output.rc == 1 && silent) && !output.stdout.is_empty() {
        let message =
            format!("ssh-keygen failed (rc={}, stdout='{}',stderr='{}')", output.rc, output.out(), output.err());
        return Err(refused("H0124", message));
    }
    Ok(output.out())
}

fn search(cx: &Cx, host: &str, key: Option<&str>, path: &Path) -> Result<Found, Failure> {
    if !cx.probe().exists(path) {
        return Ok(Found::No);
    }
    let text = lookup(cx, host, path)?;
    let mut numbers = Vec::new();
    let wanted = key.and_then(Entry::of);
    let mut any = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            numbers.extend(
                line.rsplit_once("found: line ")
                    .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<usize>().ok()),
            );
            continue;
        }
        any = true;
        let (Some(found), Some(wanted), Some(number)) = (Entry::of(line), &wanted, numbers.last()) else { continue };
        let hosts = (wanted.host.starts_with("|1|") && found.host.starts_with("|1|")) || wanted.host == found.host;
        if hosts && wanted.marker == found.marker && wanted.kind == found.kind && wanted.key == found.key {
            return Ok(Found::Same(*number));
        }
        if found.marker.is_none() && wanted.kind == found.kind {
            // The first of the kind is the one that is meant.
            return Ok(Found::Other(Some(*number)));
        }
    }
    Ok(match (any || !numbers.is_empty(), key) {
        (false, _) => Found::No,
        (true, None) => Found::Name(numbers),
        (true, Some(_)) => Found::Other(None),
    })
}

/// A line's parts.
struct Entry<'a> {
    marker: Option<&'a str>,
    host: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Entry<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        Some(Self { marker, host: words.next()?, kind: words.next()?, key: words.next()? })
    }
}

/// The line with its name hashed.
fn hashed(host: &str, line: &str) -> Result<String, Failure> {
    let mut salt = [0_u8; 20];
    getrandom::fill(&mut salt).map_err(|error| Diagnostic::internal(format!("no random numbers: {error}")))?;
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(&salt)
        .map_err(|error| Diagnostic::internal(format!("a salt of 20 bytes: {error}")))?;
    mac.update(host.as_bytes());
    let digest = mac.finalize().into_bytes();
    let base64 = base64::engine::general_purpose::STANDARD;
    let name = format!("|1|{}|{}", base64.encode(salt), base64.encode(digest));
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let at = usize::from(words.first().is_some_and(|word| word.starts_with('@')));
    if let Some(word) = words.get_mut(at) {
        *word = name;
    }
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::module;
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB7yBm0lLjlZRZ8WZ8O9rYt3ytqSTPpTTGGp5bVBQFHZ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ2j1tYpW6mTg6A2hD7JmJXs2tTtWxk9d4cX2xXx6XyZ";

    #[test]
    fn keys_come_change_and_go() {
        if Program::new(["x"]).shown().is_empty() || crate::system::process::which("ssh-keygen", None).is_none() {
            println!("skipped: there is no ssh-keygen");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ssh/known_hosts");
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        let with = |args: Map| {
            let mut all = map! { "name" => "h.example", "path" => shown(&path) };
            all.extend(args);
            module("known_hosts", all)
        };
        let key = |key: &str| map! { "key" => format!("h.example ssh-ed25519 {key}") };
        assert!(with(key(KEY)).check(true).ok().changed && !path.exists());
        assert!(with(key(KEY)).ok().changed);
        assert_eq!(read(), format!("h.example ssh-ed25519 {KEY}\n"));
        assert!(!with(key(KEY)).ok().changed);
        assert!(with(key(OTHER)).ok().changed);
        assert_eq!(read(), format!("h.example ssh-ed25519 {OTHER}\n"), "one key of a kind");
        let mut absent = key(KEY);
        absent.extend(map! { "state" => "absent" });
        assert!(with(absent.clone()).check(true).ok().changed && !read().is_empty());
        assert!(with(absent.clone()).ok().changed && read().is_empty(), "another key of the kind goes too");
        assert!(!with(absent).ok().changed);
        assert!(with(key(KEY)).ok().changed);
        assert!(with(map! { "state" => "absent" }).ok().changed && read().is_empty());
        let mut hash = key(KEY);
        hash.extend(map! { "hash_host" => true });
        assert!(with(hash.clone()).ok().changed && read().starts_with("|1|"));
        assert!(!with(hash).ok().changed);
        assert!(with(map! { "key" => format!("other ssh-ed25519 {KEY}") }).run().is_err());
        assert_eq!(with(Map::new()).fails().diagnostic.message, "no key specified when adding a host");
    }

    #[test]
    fn foreign_bytes_stay_and_what_cannot_be_read_is_no_empty_file() {
        if crate::system::process::which("ssh-keygen", None).is_none() {
            println!("skipped: there is no ssh-keygen");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("known");
        let line = format!("h.example ssh-ed25519 {KEY}");
        std::fs::write(&path, b"# caf\xe9\n").expect("write");
        let with = |path: &Path| {
            module("known_hosts", map! { "name" => "h.example", "path" => shown(path), "key" => line.clone() })
        };
        assert!(with(&path).ok().changed);
        assert_eq!(std::fs::read(&path).expect("read"), [b"# caf\xe9\n".as_slice(), line.as_bytes(), b"\n"].concat());
        assert_eq!(with(folder.path()).fails().diagnostic.code, "H0101");
    }
}
