//! Launchpad's short form of a package source (`ppa:owner/name`): the line that it stands for, and its key.

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused};
use crate::diag::Result;
use crate::system::process::Program;

/// Where Launchpad tells about its sources.
pub(super) const API: &str = "https://api.launchpad.net/1.0";
/// Where keys are.
pub(super) const KEYS: &str = "https://keyserver.ubuntu.com";

/// A source of Launchpad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ppa {
    /// Who keeps it.
    pub owner: String,
    /// Its name.
    pub name: String,
}

impl Ppa {
    /// `ppa:owner/name`, or `ppa:owner` for the one of the name `ppa`.
    pub fn of(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("ppa:")?;
        let (owner, name) = rest.split_once('/').unwrap_or((rest, "ppa"));
        let name = name.split('/').next().unwrap_or_default();
        let plain = |word: &str| {
            !word.is_empty()
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c))
                && !word.starts_with('.')
        };
        (plain(owner) && plain(name)).then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The source line for a release.
    pub fn line(&self, codename: &str) -> String {
        format!("deb https://ppa.launchpadcontent.net/{}/{}/ubuntu {codename} main", self.owner, self.name)
    }

    /// The name of its key's file.
    pub fn key_file(&self) -> String {
        format!("ppa-{}-{}.asc", self.owner, self.name)
    }

    /// Fetches the key, and has gpg see that it is the one that Launchpad names.
    pub fn key(&self, cx: &Cx, api: &str, keys: &str, validate_certs: bool) -> Result<Vec<u8>, Failure> {
        if cx.probe().which("gpg").is_none() {
            return Err(no_program(cx, "gpg"));
        }
        let get = |url: &str, what: &str| -> Result<Vec<u8>, Failure> {
            let failed = |why: String| refused("H0125", format!("failed to fetch {what}, error was: {why}"));
            super::web::key_from(cx, url, validate_certs).map_err(failed)
        };
        let url = format!("{api}/~{}/+archive/{}", self.owner, self.name);
        let told = get(&url, "PPA information")?;
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
        let wanted = told["signing_key_fingerprint"].as_str().unwrap_or_default().to_uppercase();
        if wanted.len() < 40 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused("H0125", "failed to fetch PPA information, error was: it names no key"));
        }
        let key = get(&format!("{keys}/pks/lookup?op=get&options=mr&search=0x{wanted}"), "the signing key")?;
        let program = Program::new(["gpg", "--show-keys", "--with-colons"]).parsable().stdin(key.clone());
        let output = cx.probe().run(program)?;
        if !output.success() || primary(&output.out()) != [wanted.as_str()] {
            let message = "Unable to get required signing key: the key server sent another one than Launchpad names";
            return Err(refused("H0125", message));
        }
        Ok(key)
    }
}

/// The fingerprints of the primary keys.
fn primary(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut next = false;
    for line in text.lines() {
        match line.split(':').next() {
            Some("pub") => next = true,
            Some("fpr") if next => {
                found.extend(line.split(':').nth(9));
                next = false;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::super::testing;
    use super::super::web::server;
    use super::*;

    #[test]
    fn lines_of_the_short_form() {
        let ppa = Ppa::of("ppa:deadsnakes/ppa").expect("ppa");
        assert_eq!(ppa.line("jammy"), "deb https://ppa.launchpadcontent.net/deadsnakes/ppa/ubuntu jammy main");
        assert_eq!(Ppa::of("ppa:git-core").expect("ppa").name, "ppa");
        assert!(Ppa::of("ppa:../x").is_none() && Ppa::of("ppa:").is_none() && Ppa::of("deb x").is_none());
    }

    static KEY: OnceLock<(String, String)> = OnceLock::new();

    fn answer(path: &str, _: &str) -> String {
        let (number, key) = KEY.get().expect("key");
        match path {
            "/~own/+archive/right" => {
                server::answer("200 OK", "", &format!("{{\"signing_key_fingerprint\": \"{number}\"}}"))
            }
            "/~own/+archive/other" => {
                server::answer("200 OK", "", &format!("{{\"signing_key_fingerprint\": \"{}\"}}", "A".repeat(40)))
            }
            path if path.starts_with("/pks/lookup?op=get") => server::answer("200 OK", "", key),
            _ => server::answer("404 Not Found", "", ""),
        }
    }

    #[test]
    fn the_key_must_be_the_one_that_is_named() {
        if crate::system::process::which("gpg", None).is_none() {
            println!("skipped: there is no gpg here");
            return;
        }
        let home = tempfile::tempdir().expect("folder");
        let gpg = |words: &[&str]| {
            let output =
                std::process::Command::new("gpg").arg("--homedir").arg(home.path()).args(words).output().expect("gpg");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        gpg(&["--batch", "--passphrase", "", "--quick-generate-key", "hct <p@x.example>", "ed25519", "sign", "never"]);
        let number = primary(&gpg(&["--with-colons", "--list-keys"])).first().map(|text| (*text).to_owned());
        KEY.set((number.expect("number"), gpg(&["--armor", "--export"]))).expect("set once");
        let (base, _) = server::serve(answer);
        let cx = testing::handle("apt_repository");
        let key = |name: &str| Ppa::of(&format!("ppa:own/{name}")).expect("ppa").key(&cx, &base, &base, true);
        assert!(key("right").is_ok_and(|key| key.starts_with(b"-----BEGIN PGP")));
        assert!(key("other").is_err_and(|failure| failure.diagnostic.message.contains("another one")));
        assert!(key("none").is_err_and(|failure| failure.diagnostic.message.contains("HTTP Error 404")));
        drop(std::process::Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "all"]).status());
    }
}
