//! Ansible's vault text, formats 1.1 and 1.2, read and written.
//!
//! `$ANSIBLE_VAULT;1.1;AES256` (1.2 adds a label), then hex of three hex lines: salt, HMAC and
//! ciphertext. AES-256-CTR with PKCS#7 padding, keys by PBKDF2-HMAC-SHA256 with 10,000 rounds.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::key::random;
use crate::diag::{Diagnostic, Kind, Result};
use crate::secret::Secret;

const MAGIC: &str = "$ANSIBLE_VAULT";
const BLOCK: usize = 16;

/// True if a text is Ansible's vault text.
pub fn is_vault(text: &str) -> bool {
    text.trim_start().starts_with("$ANSIBLE_VAULT;")
}

/// The label of format 1.2, if the text has one.
pub fn label(text: &str) -> Option<&str> {
    text.trim_start().lines().next()?.split(';').nth(3).map(str::trim).filter(|label| !label.is_empty())
}

struct Keys {
    cipher: [u8; 32],
    hmac: [u8; 32],
    counter: [u8; 16],
}

fn derive(password: &str, salt: &[u8]) -> Keys {
    let mut bytes = [0; 80];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, 10_000, &mut bytes);
    let mut keys = Keys { cipher: [0; 32], hmac: [0; 32], counter: [0; 16] };
    keys.cipher.copy_from_slice(&bytes[..32]);
    keys.hmac.copy_from_slice(&bytes[32..64]);
    keys.counter.copy_from_slice(&bytes[64..]);
    keys
}

fn damaged(what: &str, words: impl Into<String>) -> Diagnostic {
    Diagnostic::new("V0101", Kind::Vault, format!("this vault text is damaged: {what}"))
        .with_hint("restore it from version control, or make it anew with `ansible-vault encrypt`")
        .with_registered(words)
}

/// Hexadecimal as Python's `unhexlify` takes it.
fn unhex(text: &[u8]) -> Result<Vec<u8>> {
    hex::decode(text).map_err(|error| {
        let why = match error {
            hex::FromHexError::OddLength => "Odd-length string",
            _ => "Non-hexadecimal digit found",
        };
        damaged("its lines are not all hexadecimal", format!("Vault format unhexlify error: {why}"))
    })
}

/// What a sealed text held.
#[derive(Debug)]
pub struct Opened {
    /// The content.
    pub plain: Vec<u8>,
    /// Which of the passwords opened it.
    pub with: usize,
}

/// Salt, checksum and content.
fn parts(text: &str) -> Result<[Vec<u8>; 3]> {
    let mut lines = text.trim().lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().trim().split(';').map(str::trim).collect();
    let envelope = "Vault envelope format error: list index out of range";
    match header.as_slice() {
        [MAGIC, "1.1" | "1.2", "AES256", ..] => {}
        [MAGIC, version, "AES256", ..] => {
            return Err(damaged(&format!("format `{version}` is none that hostctl reads"), envelope));
        }
        [MAGIC, _, cipher, ..] => {
            let words = format!("Cipher '{cipher}' could not be found.");
            return Err(damaged(&format!("cipher `{cipher}` is none that hostctl reads"), words));
        }
        _ => return Err(damaged("its first line is no vault header", envelope)),
    }
    let body: String = lines.map(str::trim).collect();
    let inner = unhex(body.as_bytes())?;
    let mut parts = inner.splitn(3, |byte| *byte == b'\n');
    let (Some(salt), Some(mac), Some(cipher)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(damaged("it does not hold salt, checksum and content", "Vault vaulttext format error."));
    };
    Ok([unhex(salt)?, unhex(mac)?, unhex(cipher)?])
}

/// Decrypts with the first password that fits.
pub fn decrypt(text: &str, passwords: &[(String, Secret)]) -> Result<Vec<u8>> {
    open(text, passwords, None).map(|opened| opened.plain)
}

/// Decrypts with the first password that fits. With `only`, the id of a text without a label, none but those whose
/// id is the text's label are tried.
pub fn open(text: &str, passwords: &[(String, Secret)], only: Option<&str>) -> Result<Opened> {
    let [salt, mac, cipher] = parts(text)?;
    let label = label(text);
    if passwords.is_empty() {
        return Err(Diagnostic::new("V0103", Kind::Vault, "no password for Ansible's vault")
            .with_hint("name a password file with `--vault-password-file FILE`")
            .with_registered("Attempting to decrypt but no vault secrets found."));
    }
    let wanted = only.map(|default| label.unwrap_or(default));
    let mut tried: Vec<&str> = Vec::new();
    for (with, (id, password)) in passwords.iter().enumerate() {
        if wanted.is_some_and(|wanted| wanted != id) {
            continue;
        }
        tried.push(id);
        let keys = derive(password.expose(), &salt);
        // An HMAC takes a key of any length.
        let Ok(mut check) = <Hmac<Sha256> as Mac>::new_from_slice(&keys.hmac) else { continue };
        check.update(&cipher);
        if check.verify_slice(&mac).is_err() {
            continue;
        }
        let mut plain = cipher;
        Ctr128BE::<Aes256>::new(&keys.cipher.into(), &keys.counter.into()).apply_keystream(&mut plain);
        let padding = usize::from(plain.last().copied().unwrap_or(0));
        if !(1..=BLOCK).contains(&padding)
            || padding > plain.len()
            || plain[plain.len() - padding..].iter().any(|byte| usize::from(*byte) != padding)
        {
            return Err(damaged("its padding is wrong", "Invalid padding bytes."));
        }
        plain.truncate(plain.len() - padding);
        return Ok(Opened { plain, with });
    }
    let ids = |ids: &mut dyn Iterator<Item = &str>| ids.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let labelled = label.map(|label| format!(" with the label `{label}`")).unwrap_or_default();
    let error = Diagnostic::new("V0102", Kind::Vault, format!("no password fits the vault text{labelled}"))
        .with_registered("Decryption failed (no vault secrets were found that could decrypt).");
    if tried.is_empty() {
        return Err(error
            .with_note(format!(
                "vault_id_match allows none of: {}",
                ids(&mut passwords.iter().map(|(id, _)| id.as_str()))
            ))
            .with_hint("name its password with `--vault-id LABEL@FILE`"));
    }
    Err(error
        .with_note(format!("tried: {}", ids(&mut tried.into_iter())))
        .with_hint("check the password file, or name another with `--vault-id LABEL@FILE`"))
}

/// Encrypts as `ansible-vault` does: 1.1, or 1.2 with a label that is not `default`.
pub fn encrypt(plain: &[u8], password: &Secret, label: Option<&str>) -> Result<String> {
    let salt = random::<32>()?;
    Ok(encrypt_with_salt(plain, password, label, &salt))
}

/// [`encrypt`] with a salt of the caller's: the same text each time.
pub fn encrypt_with_salt(plain: &[u8], password: &Secret, label: Option<&str>, salt: &[u8]) -> String {
    let keys = derive(password.expose(), salt);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut cipher = plain.to_vec();
    cipher.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or(16), padding));
    Ctr128BE::<Aes256>::new(&keys.cipher.into(), &keys.counter.into()).apply_keystream(&mut cipher);
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(&keys.hmac)
        .map(|mut mac| {
            mac.update(&cipher);
            hex::encode(mac.finalize().into_bytes())
        })
        .unwrap_or_default();
    let body = hex::encode(format!("{}\n{mac}\n{}", hex::encode(salt), hex::encode(&cipher)));
    let mut out = match label.filter(|label| *label != "default" && !label.is_empty()) {
        Some(label) => format!("{MAGIC};1.2;AES256;{label}\n"),
        None => format!("{MAGIC};1.1;AES256\n"),
    };
    for line in body.as_bytes().chunks(80) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by `ansible-vault` of ansible-core 2.19 (tests/data/vault/generate.sh).
    const FILE: &str = include_str!("../../tests/data/vault/plain.vault");
    const LABELLED: &str = include_str!("../../tests/data/vault/labelled.vault");

    fn passwords(list: &[(&str, &str)]) -> Vec<(String, Secret)> {
        list.iter().map(|(id, password)| ((*id).to_owned(), Secret::new(*password))).collect()
    }

    #[test]
    fn opens_what_ansible_vault_made() {
        let keys = passwords(&[("default", "geheim-äöü"), ("prod", "andere")]);
        assert_eq!(decrypt(FILE, &keys).unwrap(), "secret: wörter\nlist: [1, 2]\n".as_bytes());
        assert_eq!(label(LABELLED), Some("prod"));
        assert_eq!(decrypt(LABELLED, &keys).unwrap(), b"labelled value");
        // Indented, as a `!vault |` value without its indentation trimmed.
        let indented = LABELLED.replace('\n', "  \n     ");
        assert_eq!(decrypt(&indented, &keys).unwrap(), b"labelled value");
    }

    #[test]
    fn wrong_keys_and_damage_are_told_apart() {
        let code = |text: &str, keys: &[(&str, &str)]| decrypt(text, &passwords(keys)).unwrap_err().code.to_string();
        assert_eq!(code(FILE, &[("default", "wrong")]), "V0102");
        assert_eq!(code(FILE, &[]), "V0103");
        assert_eq!(code("$ANSIBLE_VAULT;1.1;AES256\nzz\n", &[("default", "x")]), "V0101");
        assert_eq!(code("$ANSIBLE_VAULT;1.0;AES\n00\n", &[("default", "x")]), "V0101");
        assert_eq!(code("$ANSIBLE_VAULT;1.1;AES256\n", &[("default", "x")]), "V0101");
        assert_eq!(code("$ANSIBLE_VAULT\n", &[("default", "x")]), "V0101");
        assert_eq!(code("hello", &[("default", "x")]), "V0101");
        assert_eq!(code(&FILE.replacen('6', "7", 40), &[("default", "geheim-äöü")]).len(), 5);
    }

    #[test]
    fn an_id_may_have_to_match() {
        let keys = passwords(&[("default", "geheim-äöü"), ("prod", "andere")]);
        assert_eq!(open(LABELLED, &keys, Some("default")).unwrap().with, 1);
        assert_eq!(open(FILE, &keys, Some("default")).unwrap().with, 0);
        assert_eq!(open(FILE, &keys, Some("other")).unwrap_err().code, "V0102");
        let renamed = passwords(&[("test", "andere")]);
        assert!(open(LABELLED, &renamed, None).is_ok());
        assert_eq!(open(LABELLED, &renamed, Some("default")).unwrap_err().code, "V0102");
    }

    #[test]
    fn what_is_damaged_is_told_in_ansibles_words() {
        let words = |text: &str| decrypt(text, &passwords(&[("default", "x")])).unwrap_err().registered().to_owned();
        let hex = "Vault format unhexlify error: ";
        assert_eq!(words("$ANSIBLE_VAULT;1.1;AES256\nzz\n"), format!("{hex}Non-hexadecimal digit found"));
        assert_eq!(words("$ANSIBLE_VAULT;1.1;AES256\r\n123\r\n"), format!("{hex}Odd-length string"));
        assert_eq!(words("$ANSIBLE_VAULT;1.1;AES\n00\n"), "Cipher 'AES' could not be found.");
        // The content of the salt, not of the whole.
        let inner = hex::encode("zz\n00\n00");
        assert_eq!(
            words(&format!("$ANSIBLE_VAULT;1.1;AES256\n{inner}\n")),
            format!("{hex}Non-hexadecimal digit found")
        );
    }

    /// With `HOSTCTL_ANSIBLE_BIN` (a folder with `ansible-vault`), the real one opens what we wrote.
    #[test]
    fn the_real_ansible_vault_opens_ours() {
        let Some(bin) = std::env::var_os("HOSTCTL_ANSIBLE_BIN") else {
            println!("skipped: HOSTCTL_ANSIBLE_BIN names no folder with ansible-vault");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "pässword \n").unwrap();
        for label in [None, Some("prod")] {
            let text = encrypt("wört\n".as_bytes(), &Secret::new("pässword \n"), label).unwrap();
            std::fs::write(folder.path().join("v"), text).unwrap();
            let output = std::process::Command::new(std::path::Path::new(&bin).join("ansible-vault"))
                .args(["view", "--vault-id"])
                .arg(format!("{}@{}", label.unwrap_or("default"), folder.path().join("pw").display()))
                .arg(folder.path().join("v"))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "wört\n", "{output:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_is_encrypted_is_decrypted(plain in prop::collection::vec(any::<u8>(), 0..70)) {
            let text = encrypt(&plain, &Secret::new("pw"), Some("id")).unwrap();
            prop_assert!(text.lines().all(|line| line.len() <= 80));
            prop_assert_eq!(decrypt(&text, &passwords(&[("x", "no"), ("id", "pw")])).unwrap(), plain);
        }

        #[test]
        fn hostile_texts_do_not_panic(text in "\\PC{0,40}", hex in "[0-9a-f\n]{0,80}") {
            let keys = passwords(&[("default", "x")]);
            let _ = decrypt(&text, &keys);
            let _ = decrypt(&format!("$ANSIBLE_VAULT;1.1;AES256\n{}", hex::encode(&hex)), &keys);
        }
    }
}
