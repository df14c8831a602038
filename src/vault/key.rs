//! The file key of a vault and its wrapping by age.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};

use super::recipient;
use crate::diag::{Diagnostic, Kind, Result};
use crate::secret::Secret;

/// 32 random bytes that seal the values of one file. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileKey([u8; 32]);

impl FileKey {
    pub(super) fn generate() -> Result<Self> {
        Ok(Self(random()?))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Random bytes from the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Diagnostic::local("V0012", format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// The key as one armored age file for all recipients.
pub(super) fn wrap_for(key: &FileKey, recipients: &[String]) -> Result<String> {
    let parsed: Vec<Box<dyn Recipient + Send>> =
        recipients.iter().map(|text| recipient::parse(text)).collect::<Result<_>>()?;
    let encryptor =
        Encryptor::with_recipients(parsed.iter().map(|recipient| &**recipient as &dyn Recipient)).map_err(|error| {
            Diagnostic::new("V0010", Kind::Vault, format!("these recipients cannot share a vault: {error}"))
                .with_hint("name at least one `age1...` recipient")
        })?;
    armor(encryptor, key)
}

/// The key as one armored age file for a passphrase (about a second of work, on purpose).
pub(super) fn wrap_with_passphrase(key: &FileKey, passphrase: &Secret) -> Result<String> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.expose().to_owned()));
    recipient.set_work_factor(if cfg!(test) { 4 } else { 17 });
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as &dyn Recipient))
        .map_err(|error| Diagnostic::internal(format!("age refused a passphrase: {error}")))?;
    armor(encryptor, key)
}

fn armor(encryptor: Encryptor, key: &FileKey) -> Result<String> {
    let write = || -> std::io::Result<Vec<u8>> {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?)?;
        writer.write_all(&key.0)?;
        writer.finish()?.finish()
    };
    let bytes = write().map_err(|error| Diagnostic::internal(format!("age could not wrap a key: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Diagnostic::internal("age armor is not text"))
}

/// Why a wrapped key did not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Made for other keys.
    NoMatch,
    /// No age file of ours.
    Damaged(String),
}

/// True if the wrapped key wants a passphrase; an error if it is no age file.
pub(super) fn wants_passphrase(wrapped: &str) -> Result<bool, Refused> {
    Ok(decryptor(wrapped)?.is_scrypt())
}

fn decryptor(wrapped: &str) -> Result<Decryptor<ArmoredReader<std::io::BufReader<&[u8]>>>, Refused> {
    Decryptor::new_buffered(ArmoredReader::new(wrapped.trim().as_bytes()))
        .map_err(|error| Refused::Damaged(error.to_string()))
}

/// Unwraps the key with whichever identity fits.
pub(super) fn unwrap<'a>(
    wrapped: &str,
    identities: impl Iterator<Item = &'a dyn Identity>,
) -> Result<FileKey, Refused> {
    let mut reader = decryptor(wrapped)?.decrypt(identities).map_err(|error| match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            Refused::NoMatch
        }
        other => Refused::Damaged(other.to_string()),
    })?;
    let mut bytes = Vec::new();
    // One byte more than a key, so that a longer content is noticed and never read whole.
    (&mut reader).take(33).read_to_end(&mut bytes).map_err(|error| Refused::Damaged(error.to_string()))?;
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| Refused::Damaged("not a 32-byte key".to_owned()))?;
    Ok(FileKey(key))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use base64::Engine as _;

    use super::*;

    /// Every file of age's test kit: those that must fail do, the good ones are opened and then
    /// refused for their content, and none panics.
    #[test]
    fn the_age_test_kit_is_refused() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/age-kit");
        let (mut failed, mut opened) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let Some(at) = bytes.windows(2).position(|pair| pair == b"\n\n") else { continue };
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            let armored = field("armored") == Some("yes");
            if field("compressed").is_some() {
                continue;
            }
            let content = &bytes[at + 2..];
            let wrapped = if armored {
                String::from_utf8_lossy(content).into_owned()
            } else {
                let body = base64::engine::general_purpose::STANDARD.encode(content);
                let lines: Vec<&str> =
                    body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
                format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n", lines.join("\n"))
            };
            let mut keys: Vec<Box<dyn Identity>> = Vec::new();
            if let Some(identity) = field("identity") {
                keys.push(Box::new(age::x25519::Identity::from_str(identity).unwrap()));
            }
            if let Some(passphrase) = field("passphrase") {
                keys.push(Box::new(age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()))));
            }
            let result = unwrap(&wrapped, keys.iter().map(|key| &**key));
            let Err(error) = result else { panic!("{} was opened", path.display()) };
            // Crate age reads these on purpose: rage once wrote such stanzas.
            let legacy = ["stanza_missing_body", "stanza_missing_final_line"].iter().any(|name| path.ends_with(name));
            if field("expect") == Some("success") || legacy {
                assert_eq!(error, Refused::Damaged("not a 32-byte key".to_owned()), "{}", path.display());
                opened += 1;
            } else {
                assert_ne!(error, Refused::Damaged("not a 32-byte key".to_owned()), "{}", path.display());
                failed += 1;
            }
        }
        assert!(failed > 60 && opened > 8, "{failed} {opened}");
    }
}
