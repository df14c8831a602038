//! What opens a vault: age identities and ssh private keys, from the text of a file.
//!
//! Asks nobody: the passphrase of an ssh key comes from the keyring's own way to ask, and only when it is needed.

use std::sync::{Mutex, PoisonError};

use age::Identity;
use age::secrecy::SecretString;
use age::ssh::{EncryptedKey, Recipient, UnsupportedKey};

use crate::diag::{Diagnostic, Kind, Result};
use crate::secret::Secret;

/// One private key.
pub(super) enum Key {
    Age(age::x25519::Identity),
    Ssh(Box<age::ssh::Identity>),
    /// An ssh key that wants a passphrase.
    Locked(Box<Locked>),
}

pub(super) struct Locked {
    place: String,
    public: String,
    key: EncryptedKey,
    /// What the passphrase made of it.
    opened: Mutex<Option<age::ssh::Identity>>,
}

impl Key {
    /// True if it asks for nothing.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self, Self::Locked(_))
    }

    /// For crate age, if it asks for nothing.
    pub(super) fn identity(&self) -> Option<&dyn Identity> {
        match self {
            Self::Age(identity) => Some(identity),
            Self::Ssh(identity) => Some(&**identity),
            Self::Locked(_) => None,
        }
    }

    /// Its public key.
    pub(super) fn public(&self) -> Option<String> {
        match self {
            Self::Age(identity) => Some(identity.to_public().to_string()),
            Self::Ssh(identity) => public(identity),
            Self::Locked(locked) => Some(locked.public.clone()),
        }
    }

    /// The key without its passphrase; asked for once a run.
    pub(super) fn unlock(&self, ask: &dyn Fn(&str) -> Result<Secret>) -> Result<age::ssh::Identity> {
        let locked = match self {
            Self::Locked(locked) => locked,
            Self::Ssh(identity) => return Ok((**identity).clone()),
            Self::Age(_) => return Err(Diagnostic::internal("an age identity has no passphrase")),
        };
        let mut opened = locked.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = &*opened {
            return Ok(identity.clone());
        }
        let passphrase = ask(&format!("the ssh key `{}`", locked.place))?;
        let key = locked.key.decrypt(SecretString::from(passphrase.expose().to_owned())).map_err(|_| {
            Diagnostic::new("V0006", Kind::Vault, format!("wrong passphrase for the ssh key `{}`", locked.place))
                .with_hint("try again; nothing was changed")
        })?;
        let identity = age::ssh::Identity::from(key);
        *opened = Some(identity.clone());
        Ok(identity)
    }
}

fn public(identity: &age::ssh::Identity) -> Option<String> {
    Recipient::try_from(identity.clone()).ok().map(|recipient| recipient.to_string())
}

/// The keys that the text of a file holds: age identities, or one ssh private key.
pub(super) fn keys_of(place: &str, text: &str) -> Result<Vec<Key>> {
    let wrong = |what: &str| Diagnostic::new("V0005", Kind::Vault, format!("`{place}` {what}"));
    let usual = |error: Diagnostic| {
        error
            .with_note("an identity file holds lines that begin with `AGE-SECRET-KEY-1`, or one ssh private key")
            .with_hint("make one with `hostctl vault init`, or name another with `--identity FILE`")
    };
    let start = text.trim_start();
    if ["ssh-", "sk-ssh-", "ecdsa-", "sk-ecdsa-", "age1"].iter().any(|kind| start.starts_with(kind)) {
        return Err(wrong("is a public key, which opens nothing")
            .with_note("a key that only an ssh-agent holds cannot open a vault: agents sign, they do not decrypt")
            .with_hint("name the private key's file with `--identity FILE`"));
    }
    if start.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") || start.starts_with("age-encryption.org/") {
        return Err(wrong("is an encrypted identity file, which hostctl does not open")
            .with_hint(format!("age --decrypt --output identity.txt {place}")));
    }
    if start.starts_with("-----BEGIN") {
        return Ok(vec![ssh_key(place, start, &wrong)?]);
    }
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is a secret: only its number may be shown.
        let identity = line.parse().map_err(|_| usual(wrong(&format!("has no identity on line {}", number + 1))))?;
        all.push(Key::Age(identity));
    }
    if all.is_empty() { Err(usual(wrong("holds no identity"))) } else { Ok(all) }
}

fn ssh_key(place: &str, text: &str, wrong: &dyn Fn(&str) -> Diagnostic) -> Result<Key> {
    // Line ends of other systems, and a last line without one.
    let text = text.replace("\r\n", "\n") + "\n";
    let identity = age::ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|_| {
        wrong("is no private key that hostctl can read")
            .with_note("age identities and ssh keys (ed25519 and RSA) open vaults")
            .with_hint(format!("if it is an ssh key of another form: `ssh-keygen -p -f {place}` writes the usual one"))
    })?;
    match identity {
        age::ssh::Identity::Unencrypted(_) => Ok(Key::Ssh(Box::new(identity))),
        age::ssh::Identity::Encrypted(ref key) => {
            let key = key.clone();
            let public = public(&identity).ok_or_else(|| {
                wrong("is an ssh key of a kind that opens no vault").with_hint("`ssh-keygen -t ed25519`")
            })?;
            Ok(Key::Locked(Box::new(Locked { place: place.to_owned(), public, key, opened: Mutex::default() })))
        }
        age::ssh::Identity::Unsupported(unsupported) => Err(match unsupported {
            UnsupportedKey::EncryptedPem => wrong("is an ssh key in an old form, with a passphrase")
                .with_hint(format!("`ssh-keygen -o -p -f {place}` writes the usual form")),
            UnsupportedKey::EncryptedSsh(cipher) => {
                wrong(&format!("is an ssh key sealed with `{cipher}`, which hostctl does not open"))
                    .with_hint(format!("`ssh-keygen -p -Z aes256-ctr -f {place}` seals it with another cipher"))
            }
            UnsupportedKey::Hardware(kind) => {
                wrong(&format!("is an ssh key on a security key (`{kind}`), which opens no vault"))
                    .with_hint("make an identity with `hostctl vault init`, and have its public key added")
            }
            UnsupportedKey::Type(kind) => wrong(&format!("is an ssh key of the kind `{kind}`, which opens no vault"))
                .with_hint("`ssh-keygen -t ed25519`, or make an identity with `hostctl vault init`"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vault/ssh");

    fn text(name: &str) -> String {
        std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap()
    }

    fn only(name: &str) -> Key {
        keys_of(name, &text(name)).unwrap().pop().unwrap()
    }

    #[test]
    fn ssh_keys_are_read_and_ask_when_they_must() {
        for name in ["ed25519", "rsa", "ed25519_locked", "rsa_locked"] {
            let key = only(name);
            let public = text(&format!("{name}.pub"));
            assert_eq!(key.public().unwrap(), public.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
            assert_eq!(key.is_open(), !name.ends_with("locked"), "{name}");
        }
        let key = only("ed25519_locked");
        let wrong = key.unlock(&|_| Ok(Secret::new("no"))).err().unwrap();
        assert_eq!(wrong.code, "V0006");
        assert!(key.unlock(&|_| Ok(Secret::new(""))).is_err());
        let asked = std::cell::Cell::new(0);
        for _ in 0..2 {
            let ask = |what: &str| {
                assert_eq!(what, "the ssh key `ed25519_locked`");
                asked.set(asked.get() + 1);
                Ok(Secret::new("correct horse"))
            };
            assert!(key.unlock(&ask).is_ok());
        }
        assert_eq!(asked.get(), 1);
        // Windows' line ends, and no last one.
        let odd = text("ed25519").replace('\n', "\r\n");
        assert!(keys_of("x", odd.trim_end()).is_ok());
    }

    #[test]
    fn what_opens_nothing_is_told_why() {
        let told = |text: &str| {
            let error = keys_of("FILE", text).err().unwrap();
            assert_eq!(error.code, "V0005");
            assert!(!error.hints.is_empty());
            format!("{} {}", error.message, error.notes.join(" "))
        };
        assert!(told(&text("ed25519.pub")).contains("agents sign"));
        assert!(told("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p").contains("public key"));
        assert!(told(&text("ecdsa")).contains("`ecdsa-sha2-nistp256`"));
        assert!(told("-----BEGIN AGE ENCRYPTED FILE-----\n").contains("encrypted identity"));
        assert!(told("-----BEGIN EC PRIVATE KEY-----\nAAAA\n").contains("no private key"));
        assert!(told("# empty\n").contains("holds no identity"));
        let secret = told("AGE-SECRET-KEY-1NOTONE\n");
        assert!(secret.contains("line 1") && !secret.contains("NOTONE"));
        let whole = text("ed25519");
        for cut in (0..whole.len()).step_by(7) {
            assert!(keys_of("FILE", &whole[..cut]).is_err());
        }
    }
}
