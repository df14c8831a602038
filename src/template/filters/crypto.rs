//! Hashes, passwords and vault text.

use blake2::{Blake2b512, Blake2s256};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

use crate::diag::Deprecation;
use crate::secret::Secret;
use crate::value::Value;
use crate::vault::ansible;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::people::Told;
use super::super::random::{self, Rng};
use super::super::val::Val;
use super::Entry;
use super::crypt::{Crypt, CryptError};
use super::encode::bytes;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("checksum", |call, value, args| simple(call, &value, &args, "sha1")),
    ("hash", hash),
    ("md5", |call, value, args| simple(call, &value, &args, "md5")),
    ("password_hash", password_hash),
    ("sha1", |call, value, args| simple(call, &value, &args, "sha1")),
    ("unvault", unvault),
    ("vault", vault),
];

fn digest(data: &[u8], kind: &str) -> R<String> {
    // OpenSSL knows the names in capitals, too, and with more lines in them.
    let name = kind.to_lowercase().replace("sha2-", "sha").replace("sha-", "sha").replace('-', "_");
    Ok(match name.as_str() {
        "md5" => hex::encode(Md5::digest(data)),
        "md5_sha1" => hex::encode(Md5::digest(data)) + &hex::encode(Sha1::digest(data)),
        "sha1" => hex::encode(Sha1::digest(data)),
        "sha224" => hex::encode(Sha224::digest(data)),
        "sha256" => hex::encode(Sha256::digest(data)),
        "sha384" => hex::encode(Sha384::digest(data)),
        "sha512" => hex::encode(Sha512::digest(data)),
        "sha512_224" => hex::encode(Sha512_224::digest(data)),
        "sha512_256" => hex::encode(Sha512_256::digest(data)),
        "sha3_224" => hex::encode(Sha3_224::digest(data)),
        "sha3_256" => hex::encode(Sha3_256::digest(data)),
        "sha3_384" => hex::encode(Sha3_384::digest(data)),
        "sha3_512" => hex::encode(Sha3_512::digest(data)),
        "blake2b" | "blake2b512" => hex::encode(Blake2b512::digest(data)),
        "blake2s" | "blake2s256" => hex::encode(Blake2s256::digest(data)),
        _ => {
            return Err(Fail::said(format!("there is no hash `{kind}`"), format!("unsupported hash type {kind}"))
                .with_hint("it is md5, sha1, sha224, sha256, sha384, sha512, sha3_256, blake2b or one of their kind"));
        }
    })
}

fn simple(call: &Call, value: &Val, args: &Args, kind: &str) -> R<Val> {
    args.finish()?;
    digest(&bytes(call, value)?, kind).map(Val::from)
}

fn hash(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let kind = args.text(call, 0, "hashtype")?.unwrap_or_else(|| "sha1".into());
    args.finish()?;
    digest(&bytes(call, &value)?, &kind).map(Val::from)
}

/// A random salt of some characters.
pub fn salt(len: usize, call: &Call) -> R<String> {
    const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./";
    let alphabet: Vec<char> = ALPHABET.chars().collect();
    random::text(call.cx(), &alphabet, len, &mut Rng::new(call, None)?)
}

/// What is wrong with a hash, in Ansible's words, too.
pub fn crypt_fail(call: &Call, error: CryptError) -> Fail {
    match error {
        CryptError::Option(text) => Fail::said(text, "Could not hash the secret."),
        CryptError::TooManyRounds(most) => call.cx().too_many_rounds(most),
    }
}

fn password_hash(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let name = args.text(call, 0, "hashtype")?.unwrap_or_else(|| "sha512".into());
    let given = args.text(call, 1, "salt")?.filter(|salt| !salt.is_empty());
    let size = args.int(2, "salt_size")?.filter(|size| *size != 0);
    let rounds = args.int(3, "rounds")?.filter(|rounds| *rounds != 0);
    let ident = args.text(call, 4, "ident")?.filter(|ident| !ident.is_empty());
    args.finish()?;
    let Some(kind) = Crypt::find(&name) else {
        return Err(Fail::said(
            format!("`password_hash` can not make `{name}`"),
            format!("{name} is not in the list of supported passlib algorithms: md5, blowfish, sha256, sha512"),
        )
        .with_hint("use sha512, sha256, blowfish or md5"));
    };
    let salt = match given {
        Some(salt) => salt.to_string(),
        None => {
            let len = size.map_or(Ok(kind.salt_len()), |size| kind.check_salt_len(size));
            salt(len.map_err(|error| crypt_fail(call, error))?, call)?
        }
    };
    let rounds = rounds.map(|rounds| u32::try_from(rounds).unwrap_or(0));
    let Some(password) = value.as_text() else {
        return Err(Fail::said(
            format!("the password must be a string, not {}", value.kind()),
            format!("secret must be unicode or bytes, not {}", value.type_name()),
        )
        .with_hint("turn it into text with `| string`"));
    };
    kind.hash(&password, &salt, rounds, ident.as_deref()).map(Val::from).map_err(|error| crypt_fail(call, error))
}

/// Label of what the filters seal if a playbook gives none.
const VAULT_ID: &str = "filter_default";

/// Password and label.
fn vault_secret(call: &Call, args: &mut Args, id_at: usize) -> R<(Secret, String)> {
    let secret = args.need(0, "secret")?.defined()?;
    let Some(password) = secret.as_text() else {
        return Err(Fail::said(
            format!("the password must be a string, not {}", secret.kind()),
            format!("Secret passed is required to be a string, instead we got <class '{}'>.", secret.type_name()),
        ));
    };
    let old = args.text(call, usize::MAX, "vaultid")?;
    if old.is_some() {
        let text = "`vaultid` is the old name of `vault_id`".to_owned();
        let words = Deprecation::core("Use of undocumented `vaultid`.", "2.20");
        let place = call.cx().place.get();
        let told = Told { place, help: Some("Use `vault_id` instead."), ..Told::default() };
        call.cx().templates.deprecated(text, words, told, "write `vault_id`");
    }
    let id = args.text(call, id_at, "vault_id")?.or(old).map_or_else(|| VAULT_ID.to_owned(), |id| id.to_string());
    Ok((Secret::new(&*password), id))
}

fn unvault(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let (secret, id) = vault_secret(call, &mut args, 1)?;
    args.finish()?;
    let text = call.text(&value)?;
    if !ansible::is_vault(&text) {
        return Ok(Val::from(text));
    }
    let plain = ansible::decrypt(&text, &[(id, secret)])
        .map_err(|error| Fail::Diag(error.with_registered("Unable to decrypt.")))?;
    Ok(Val::from(String::from_utf8_lossy(&plain).into_owned()))
}

fn vault(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let (secret, id) = vault_secret(call, &mut args, 2)?;
    let salt = args.text(call, 1, "salt")?;
    // What is wrapped there is text that opens itself; here it stays what it is.
    let _ = args.flag(3, "wrap_object", false)?;
    args.finish()?;
    if !matches!(value, Val::V(Value::Str(_) | Value::Bytes(_))) {
        return Err(Fail::said(
            format!("what is sealed must be a string, not {}", value.kind()),
            format!("Can only vault strings, instead we got <class '{}'>.", value.type_name()),
        ));
    }
    let data = bytes(call, &value)?;
    Ok(Val::from(match salt {
        Some(salt) => ansible::encrypt_with_salt(&data, &secret, Some(&id), salt.as_bytes()),
        None => ansible::encrypt(&data, &secret, Some(&id))?,
    }))
}
