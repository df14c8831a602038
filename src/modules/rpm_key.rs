//! `rpm_key`: the keys that rpm trusts. gpg reads the key, rpm keeps it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused};
use super::spec::{Meta, Module};
use super::types::Presence;
use super::web::key_from;
use crate::diag::Result;
use crate::system::fs::{Content, shown};
use crate::system::process::{Output, Program};
use crate::system::web::mask_url;
use crate::value::Map;

/// Adds a key to those that rpm trusts, or removes it.
///
/// ```yaml
/// - rpm_key:
///     key: https://packages.example.org/RPM-GPG-KEY
///     fingerprint: EBC6 E12C 62B1 C734 026B  2122 A20E 5214 6B8D 79E6
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// A file on the host, an address, or the number of a key that is there.
    key: String,
    /// Whether the key is trusted.
    #[serde(default)]
    state: Presence,
    /// Fingerprints that the file must hold, before it is imported.
    fingerprint: Option<Vec<String>>,
    /// Check the certificate of the address.
    #[serde(default = "yes")]
    validate_certs: bool,
}

fn yes() -> bool {
    true
}

/// The module.
pub struct RpmKey;

impl Module for RpmKey {
    type Args = Args;
    const META: Meta = Meta {
        name: "rpm_key",
        full_name: "ansible.builtin.rpm_key",
        also: &["ansible.legacy.rpm_key"],
        summary: "Manage the keys that rpm trusts",
        reads: &["rpm -q", "gpg --no-tty", "gpg2 --no-tty"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if cx.probe().which("rpm").is_none() {
            return Err(no_program(cx, "rpm"));
        }
        let gpg = ["gpg", "gpg2"].into_iter().find(|name| cx.probe().which(name).is_some());
        let Some(gpg) = gpg else { return Err(no_program(cx, "gpg2")) };
        Work { cx, args: &args, gpg }.run()
    }
}

struct Work<'a> {
    cx: &'a Cx,
    args: &'a Args,
    gpg: &'static str,
}

impl Work<'_> {
    fn run(&self) -> Result<Map, Failure> {
        let (cx, args) = (self.cx, self.args);
        let given = args.key.trim();
        let (id, data) = if given.contains("://") {
            let data = key_from(cx, given, args.validate_certs).map_err(|why| {
                refused("H0125", format!("failed to fetch key at {} , error was: {why}", mask_url(given)))
            })?;
            let text = String::from_utf8_lossy(&data);
            let block = text.find("-----BEGIN PGP PUBLIC KEY BLOCK-----").map(|at| &text[at..]);
            if !block.is_some_and(|block| block.contains("-----END PGP PUBLIC KEY BLOCK-----")) {
                return Err(refused("H0110", format!("Not a public key: {}", mask_url(given))));
            }
            (self.number(&data)?, Some(data))
        } else if is_number(given) {
            (given.to_owned(), None)
        } else if std::path::Path::new(given).is_file() {
            let data = cx.probe().read(std::path::Path::new(given))?;
            (self.number(&data)?, Some(data))
        } else {
            return Err(refused("H0110", format!("Not a valid key {}", args.key)));
        };
        let id = id.to_uppercase();
        let id = id.strip_prefix("0X").unwrap_or(&id);
        match (args.state, self.imported(id)?) {
            (Presence::Present, false) => {
                let Some(data) = data else {
                    return Err(refused("H0110", "When importing a key, a valid file must be given"));
                };
                self.compare(&data)?;
                cx.change(format!("trust the key {id}"), |host| {
                    let file = host.scratch_file(Content::Bytes(&data))?;
                    host.run_ok(Program::new(["rpm", "--import", &shown(&file)]).parsable())
                })?;
            }
            (Presence::Absent, true) => {
                let package = format!("gpg-pubkey-{}", id[id.len().saturating_sub(8)..].to_lowercase());
                cx.change(format!("remove the key {id}"), |host| {
                    host.run_ok(Program::new(["rpm", "--erase", "--allmatches", &package]).parsable())
                })?;
            }
            _ => {}
        }
        Ok(Map::new())
    }

    fn gpg(&self, more: &[&str], data: &[u8]) -> Result<Output, Failure> {
        let words = [&[self.gpg, "--no-tty", "--batch", "--with-colons", "--fixed-list-mode"], more].concat();
        let output = self.cx.probe().run(Program::new(words).parsable().stdin(data))?;
        if output.success() { Ok(output) } else { Err(refused("H0102", output.err())) }
    }

    /// The number of the first key.
    fn number(&self, data: &[u8]) -> Result<String, Failure> {
        let output = self.gpg(&["-"], data)?.out();
        let number = output.lines().find_map(|line| line.trim().strip_prefix("pub:")?.split(':').nth(3));
        number.map(str::to_owned).ok_or_else(|| refused("H0102", "Unexpected gpg output"))
    }

    /// All fingerprints that are wanted are in the file.
    fn compare(&self, data: &[u8]) -> Result<(), Failure> {
        let plain = |text: &String| text.replace(' ', "").to_uppercase();
        let wanted: Vec<String> = self.args.fingerprint.iter().flatten().map(plain).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let output = self.gpg(&["--import", "--import-options", "show-only", "--dry-run", "-"], data)?.out();
        let lines = output.lines().filter_map(|line| line.trim().strip_prefix("fpr:")?.split(':').nth(8));
        let found: Vec<String> = lines.map(str::to_owned).collect();
        if found.is_empty() {
            return Err(refused("H0102", "Unexpected gpg output"));
        }
        if wanted.iter().all(|one| found.contains(one)) {
            return Ok(());
        }
        let set = |list: &[String]| {
            format!("{{{}}}", list.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "))
        };
        let words = "does not match any key fingerprints in";
        Err(refused("H0110", format!("The specified fingerprint, '{}', {words} '{}'", set(&wanted), set(&found))))
    }

    fn imported(&self, id: &str) -> Result<bool, Failure> {
        let words = ["rpm", "-q", "gpg-pubkey", "--qf", "%{description}"];
        let keys = self.cx.probe().run(Program::new(words).parsable())?;
        if !keys.success() {
            return Ok(false);
        }
        let output = self.gpg(&["-"], &keys.stdout)?.out();
        Ok(output.lines().any(|line| line.split(':').nth(4).is_some_and(|found| found.contains(id))))
    }
}

/// Ansible's rule: eight digits at the beginning, after `0x` if that is there.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    text.len() >= 8 && text.bytes().take(8).all(|byte| byte.is_ascii_hexdigit())
}
