//! `apt_key`: keys that apt trusts, by the host's `apt-key` and `gpg`, as Ansible's module does it.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused, refused_with};
use super::spec::{Meta, Module};
use super::types::HostPath;
use super::types::Presence;
use super::web::key_from;
use crate::diag::Result;
use crate::map;
use crate::system::fs::shown;
use crate::system::process::{Output, Program};
use crate::system::web::mask_url;
use crate::value::{Map, Value, insert};

/// Adds keys to apt's key ring and removes them.
///
/// Newer releases of Debian and Ubuntu have no `apt-key` any more: there `deb822_repository` with `signed_by` does this.
///
/// ```yaml
/// - apt_key:
///     url: https://packages.example/key.asc
///     id: 36A1D7869245C8950F966E92D8576A8BA88D21E9
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The key's number: 8, 16 or more hexadecimal digits.
    id: Option<String>,
    /// Where the key is fetched.
    url: Option<String>,
    /// The key itself.
    data: Option<String>,
    /// A file on the host with the key.
    file: Option<HostPath>,
    /// The key ring's file in `/etc/apt/trusted.gpg.d/`.
    keyring: Option<HostPath>,
    /// Check the server's certificate.
    #[serde(default = "yes")]
    validate_certs: bool,
    /// The key server to ask for `id`.
    keyserver: Option<String>,
    /// Whether the key shall be there.
    #[serde(default)]
    state: Presence,
}

fn yes() -> bool {
    true
}

/// The module.
pub struct AptKey;

impl Module for AptKey {
    type Args = Args;
    const META: Meta = Meta {
        name: "apt_key",
        full_name: "ansible.builtin.apt_key",
        also: &["ansible.legacy.apt_key"],
        summary: "Manage the keys that apt trusts",
        exclusive: &[&["data", "file", "keyserver", "url"]],
        reads: &["apt-key adv --list-public-keys", "apt-key --keyring * adv --list-public-keys", "gpg --with-colons"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        for program in ["apt-key", "gpg"] {
            if cx.probe().which(program).is_none() {
                return Err(no_program(cx, program));
            }
        }
        Work { cx, args: &args }.run()
    }
}

struct Work<'a> {
    cx: &'a Cx,
    args: &'a Args,
}

/// A key's number in the lengths that the programs take.
#[derive(Debug, PartialEq, Eq)]
struct Id {
    short: String,
    fingerprint: String,
    whole: String,
}

impl Id {
    fn of(text: &str) -> Option<Self> {
        let whole = text.trim().to_uppercase();
        let whole = whole.strip_prefix("0X").unwrap_or(&whole).to_owned();
        let right = whole.len() == 8 || whole.len() == 16 || whole.len() > 16;
        if !right || !whole.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let last = |count: usize| whole[whole.len().saturating_sub(count)..].to_owned();
        Some(Self { short: last(8), fingerprint: last(16), whole })
    }
}

/// The keys' numbers in what `apt-key` and `gpg` print.
fn numbers(text: &str) -> Vec<String> {
    let lines =
        text.lines().filter(|line| (line.starts_with("pub") || line.starts_with("sub")) && !line.contains("expired"));
    lines
        .filter_map(|line| {
            // `pub   rsa4096/0123456789ABCDEF 2020-01-01 [SC]`, or with colons.
            let plain = line.split_whitespace().nth(1).and_then(|word| {
                let mut parts = word.split('/');
                let (_, code) = (parts.next()?, parts.next()?);
                parts.next().is_none().then_some(code)
            });
            plain.or_else(|| line.split(':').nth(4)).map(str::to_owned)
        })
        .collect()
}

impl Work<'_> {
    fn run(&self) -> Result<Map, Failure> {
        let (cx, args) = (self.cx, self.args);
        let mut data = args.data.clone().map(String::into_bytes);
        let mut key = args.id.clone().filter(|id| !id.is_empty());
        let file = args.file.as_ref().map(|file| file.expand(cx.environment()));
        if key.is_none() {
            if args.keyserver.is_some() {
                return Err(refused("H0110", "Missing key_id, required with keyserver."));
            }
            if let Some(url) = &args.url {
                data = Some(self.download(url)?);
            }
            key = match (&file, &data) {
                (Some(file), _) => self.number_in(&shown(file), None)?,
                (None, Some(data)) => self.number_in("-", Some(data))?,
                _ => None,
            };
        }
        let mut result = map! { "id" => key.clone() };
        let id = key.as_deref().and_then(Id::of);
        let Some(id) = id else { return Err(refused_with("H0110", "Invalid key_id", result)) };
        result.extend(map! {
            "short_id" => id.short.as_str(), "fp" => id.fingerprint.as_str(), "key_id" => id.whole.as_str(),
        });
        let brief = id.whole.len() == 8;
        let before = self.all(brief)?;
        let has = |keys: &[String]| keys.contains(if brief { &id.short } else { &id.fingerprint });
        insert(&mut result, "before", texts(&before));
        let no_error = |what: &str| {
            format!("apt-key did not return an error, but {what} (check that the id is correct and *not* a subkey)")
        };
        match args.state {
            Presence::Present if !has(&before) => {
                if data.is_none() && file.is_none() && args.keyserver.is_none() && args.url.is_none() {
                    return Err(refused_with("H0110", "No key to add ... how did i get here?!?!", result));
                }
                let added =
                    cx.change(format!("trust the key {}", id.whole), |_| Ok(self.add(&id, file.as_deref(), data)))?;
                if added.transpose()?.is_some() {
                    let after = self.all(brief)?;
                    insert(&mut result, "after", texts(&after));
                    if !has(&after) {
                        return Err(refused_with("H0110", no_error("failed to add the key"), result));
                    }
                }
            }
            Presence::Absent if before.contains(&id.fingerprint) => {
                let removed = cx.change(format!("remove the key {}", id.whole), |_| Ok(self.remove(&id.short)))?;
                if removed.transpose()?.is_some() {
                    let after = self.all(brief)?;
                    insert(&mut result, "after", texts(&after));
                    if after.contains(&id.fingerprint) {
                        return Err(refused_with("H0110", no_error("the key was not removed"), result));
                    }
                }
            }
            _ => {}
        }
        Ok(result)
    }

    /// `apt-key` with the key ring.
    fn apt_key(&self, words: &[&str]) -> Vec<String> {
        let mut argv = vec!["apt-key".to_owned()];
        if let Some(ring) = &self.args.keyring {
            argv.extend(["--keyring".to_owned(), shown(&ring.expand(self.cx.environment()))]);
        }
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        argv
    }

    fn all(&self, brief: bool) -> Result<Vec<String>, Failure> {
        // `apt-key` makes the file of a key ring even where it only lists.
        if self.args.keyring.as_ref().is_some_and(|ring| !self.cx.probe().exists(&ring.expand(self.cx.environment()))) {
            return Ok(Vec::new());
        }
        let argv = self.apt_key(&["adv", "--list-public-keys", "--keyid-format=long"]);
        let output = self.cx.probe().run(Program::new(argv.clone()).parsable())?;
        if !output.success() {
            return Err(self.failed("Unable to list public keys".to_owned(), &argv, &output, Map::new()));
        }
        let mut found = numbers(&output.out());
        if brief {
            for key in &mut found {
                *key = key[key.len().saturating_sub(8)..].to_owned();
            }
        }
        Ok(found)
    }

    fn failed(&self, message: String, argv: &[String], output: &Output, mut result: Map) -> Failure {
        result.extend(map! {
            "cmd" => argv.join(" "), "rc" => i64::from(output.rc), "stdout" => output.out(), "stderr" => output.err(),
        });
        refused_with("H0102", message, result)
    }

    fn number_in(&self, place: &str, data: Option<&[u8]>) -> Result<Option<String>, Failure> {
        let mut program = Program::new(["gpg", "--with-colons", place]).parsable();
        if let Some(data) = data {
            program = program.stdin(data);
        }
        let output = self.cx.probe().run(program)?;
        if !output.success() {
            let of = if data.is_some() { "inline data" } else { place };
            let result = map! { "stdout" => output.out(), "stderr" => output.err() };
            return Err(refused_with("H0102", format!("Unable to extract key from '{of}'"), result));
        }
        Ok(numbers(&output.out()).into_iter().next())
    }

    fn download(&self, url: &str) -> Result<Vec<u8>, Failure> {
        key_from(self.cx, url, self.args.validate_certs)
            .map_err(|why| refused("H0125", format!("Failed to download key at {}: {why}", mask_url(url))))
    }

    fn add(&self, id: &Id, file: Option<&Path>, data: Option<Vec<u8>>) -> Result<(), Failure> {
        let (cx, args) = (self.cx, self.args);
        let run = |argv: Vec<String>, input: Vec<u8>| -> Result<Output> {
            let output = cx.scratch(|host| host.run(Program::new(argv).parsable().stdin(input)))?;
            Ok(output.unwrap_or_default())
        };
        if let Some(file) = file {
            let name = shown(file);
            let argv = self.apt_key(&["add", &name]);
            let output = run(argv.clone(), Vec::new())?;
            if output.success() {
                return Ok(());
            }
            let message = format!("Unable to add a key from file {name}");
            return Err(self.failed(message, &argv, &output, map! { "keyfile" => name }));
        }
        if let Some(server) = &args.keyserver {
            return self.receive(server, &id.whole);
        }
        let data = match (data, &args.url) {
            (Some(data), _) => data,
            (None, Some(url)) => self.download(url)?,
            (None, None) => Vec::new(),
        };
        let argv = self.apt_key(&["add", "-"]);
        let output = run(argv.clone(), data)?;
        if output.success() {
            return Ok(());
        }
        Err(self.failed("Unable to add a key from binary data".to_owned(), &argv, &output, Map::new()))
    }

    /// Five tries, as key servers are what they are.
    fn receive(&self, server: &str, key: &str) -> Result<(), Failure> {
        let proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
        let proxy = proxy.iter().find_map(|name| self.cx.probe().variable(name)).filter(|proxy| !proxy.is_empty());
        let mut words = vec!["adv", "--no-tty", "--keyserver", server];
        let option = proxy.map(|proxy| format!("http-proxy={proxy}"));
        match &option {
            // A password does not go into the process list; gpg can read the variable itself.
            Some(option) if mask_url(option) != *option => words.extend(["--keyserver-options", "honor-http-proxy"]),
            Some(option) => words.extend(["--keyserver-options", option]),
            None => {}
        }
        words.extend(["--recv", key]);
        let argv = self.apt_key(&words);
        let mut last = Output::default();
        for _ in 0..5 {
            let output = self.cx.scratch(|host| host.run(Program::new(argv.clone()).parsable()))?;
            last = output.unwrap_or_default();
            if last.success() {
                return Ok(());
            }
        }
        let message = if last.rc == 2 && last.out().contains("not found on keyserver") {
            format!("Key {key} not found on keyserver {server}")
        } else {
            format!("Error fetching key {key} from keyserver: {server}")
        };
        Err(self.failed(message, &argv, &last, Map::new()))
    }

    fn remove(&self, short: &str) -> Result<(), Failure> {
        let argv = self.apt_key(&["del", short]);
        let output = self.cx.scratch(|host| host.run(Program::new(argv.clone()).parsable()))?.unwrap_or_default();
        if output.success() {
            return Ok(());
        }
        let message = format!("Unable to remove a key with id {short}");
        Err(self.failed(message, &argv, &output, map! { "key_id" => short }))
    }
}

fn texts(list: &[String]) -> Vec<Value> {
    list.iter().map(|text| Value::from(text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{get, module};
    use super::*;
    use crate::value::StrKey;

    #[test]
    fn numbers_of_keys() {
        let id = Id::of("0x36a1d7869245c8950f966e92d8576a8ba88d21e9").expect("a number");
        assert_eq!((id.short.as_str(), id.fingerprint.as_str()), ("A88D21E9", "D8576A8BA88D21E9"));
        assert_eq!(Id::of("A88D21E9").expect("short").fingerprint, "A88D21E9");
        assert!(Id::of("A88D21").is_none() && Id::of("no key").is_none() && Id::of("").is_none());
        let text = "/etc/x.gpg\npub   rsa4096/3B4FE6ACC0B21F32 2012-05-11 [SC]\n      79\nuid  [ unknown] A\nsub   rsa4096/AAAA 2012-05-11 [expired: 2013]\npub:-:4096:1:D94AA3F0EFE21092:1336774248:::-:::scSC::::::23::0:\n";
        assert_eq!(numbers(text), ["3B4FE6ACC0B21F32", "D94AA3F0EFE21092"]);
    }

    #[test]
    fn a_key_comes_and_goes() {
        let has = |name: &str| crate::system::process::which(name, None).is_some();
        if !has("apt-key") || !has("gpg") {
            println!("skipped: there is no apt-key or no gpg here");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("folder");
        std::os::unix::fs::chown(&home, None, None).expect("owner");
        let gpg = |words: &[&str]| {
            let output =
                std::process::Command::new("gpg").arg("--homedir").arg(&home).args(words).output().expect("gpg");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        gpg(&[
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "hct <hct@x.example>",
            "ed25519",
            "sign",
            "never",
        ]);
        let key = gpg(&["--armor", "--export"]);
        let ring = folder.path().join("hct.gpg");
        let with = |args: Map| {
            let mut all = map! { "keyring" => shown(&ring) };
            all.extend(args);
            module("apt_key", all).env("GNUPGHOME", &shown(&home))
        };
        let data = || map! { "data" => key.as_str() };
        assert!(with(data()).check(true).ok().changed && !ring.exists());
        let outcome = with(data()).ok();
        assert!(outcome.changed && ring.exists());
        let id = get(&outcome, "key_id").as_str().expect("number").to_owned();
        assert_eq!(get(&outcome, "after"), serde_json::json!([id]));
        assert!(!with(data()).ok().changed);
        let absent = || map! { "id" => id.as_str(), "state" => "absent" };
        assert!(with(absent()).check(true).ok().changed);
        assert!(with(absent()).ok().changed && !with(absent()).ok().changed);
        let failure = with(map! { "keyserver" => "k.example" }).fails();
        assert_eq!(failure.result.get(&StrKey("msg")), Some(&"Missing key_id, required with keyserver.".into()));
        drop(std::process::Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]).status());
    }
}
