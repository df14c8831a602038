//! Hashes, passwords and vault text.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::secret::Secret;
use crate::vault::ansible;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::random::{self, Rng};
use super::super::val::Val;
use super::Entry;
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
    Ok(match kind {
        "md5" => hex::encode(Md5::digest(data)),
        "sha1" => hex::encode(Sha1::digest(data)),
        "sha224" => hex::encode(Sha224::digest(data)),
        "sha256" => hex::encode(Sha256::digest(data)),
        "sha384" => hex::encode(Sha384::digest(data)),
        "sha512" => hex::encode(Sha512::digest(data)),
        other => {
            return Err(Fail::said(format!("there is no hash `{other}`"), format!("unsupported hash type {other}"))
                .with_hint("it is md5, sha1, sha224, sha256, sha384 or sha512"));
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

/// Rounds that ansible-core asks for where a playbook names none.
pub const SHA512_ROUNDS: u32 = 656_000;
/// The same for SHA-256.
pub const SHA256_ROUNDS: u32 = 535_000;

/// More would take minutes that nothing can interrupt.
const MAX_ROUNDS: u32 = 20_000_000;

const SALT: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random salt.
pub fn salt(len: usize, call: &Call) -> R<String> {
    let alphabet: Vec<char> = SALT.chars().collect();
    random::text(call.cx(), &alphabet, len, &mut Rng::new(call, None)?)
}

/// Three bytes as four characters, least significant first.
fn crypt64(out: &mut String, parts: [u8; 3], count: usize) {
    let alphabet = SALT.as_bytes();
    let mut word = u32::from(parts[0]) << 16 | u32::from(parts[1]) << 8 | u32::from(parts[2]);
    for _ in 0..count {
        out.push(char::from(alphabet[(word & 63) as usize]));
        word >>= 6;
    }
}

/// `crypt` with SHA-512.
pub fn sha512_crypt(password: &str, salt: &str, rounds: Option<u32>) -> R<String> {
    let params = sha_crypt::Params::new(rounds.unwrap_or(5000)).map_err(|_| Fail::msg("`rounds` is out of range"))?;
    let hash = sha_crypt::sha512_crypt(password.as_bytes(), salt.as_bytes(), params);
    let mut out = String::from("$6$");
    if let Some(rounds) = rounds {
        out.push_str(&format!("rounds={rounds}$"));
    }
    out.push_str(salt);
    out.push('$');
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        crypt64(&mut out, [hash[a], hash[b], hash[c]], 4);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    crypt64(&mut out, [0, 0, hash[63]], 2);
    Ok(out)
}

/// `crypt` with SHA-256.
pub fn sha256_crypt(password: &str, salt: &str, rounds: Option<u32>) -> R<String> {
    let params = sha_crypt::Params::new(rounds.unwrap_or(5000)).map_err(|_| Fail::msg("`rounds` is out of range"))?;
    let hash = sha_crypt::sha256_crypt(password.as_bytes(), salt.as_bytes(), params);
    let mut out = String::from("$5$");
    if let Some(rounds) = rounds {
        out.push_str(&format!("rounds={rounds}$"));
    }
    out.push_str(salt);
    out.push('$');
    let (mut a, mut b, mut c) = (0, 10, 20);
    for _ in 0..10 {
        crypt64(&mut out, [hash[a], hash[b], hash[c]], 4);
        (a, b, c) = (c + 1, a + 1, b + 1);
    }
    crypt64(&mut out, [0, hash[31], hash[30]], 3);
    Ok(out)
}

fn password_hash(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let kind = args.text(call, 0, "hashtype")?.unwrap_or_else(|| "sha512".into());
    let given = args.text(call, 1, "salt")?;
    let size = args.int(2, "salt_size")?;
    let rounds = args.int(3, "rounds")?;
    let ident = args.text(call, 4, "ident")?;
    args.finish()?;
    if ident.is_some() {
        return Err(Fail::msg("`ident` is for blowfish, which is not supported"));
    }
    let size = usize::try_from(size.unwrap_or(16)).ok().filter(|size| (1..=16).contains(size));
    let size = size.ok_or_else(|| Fail::msg("the salt has 1 to 16 characters"))?;
    let salt = match given {
        Some(salt) if salt.len() <= 16 && salt.chars().all(|c| SALT.contains(c)) => salt.to_string(),
        Some(_) => return Err(Fail::msg("the salt has 1 to 16 letters, digits, `.` or `/`")),
        None => salt(size, call)?,
    };
    let rounds = match rounds {
        None => Some(if kind.starts_with("sha256") { SHA256_ROUNDS } else { SHA512_ROUNDS }),
        Some(rounds) => Some(
            u32::try_from(rounds)
                .ok()
                .filter(|rounds| (1000..=999_999_999).contains(rounds))
                .ok_or_else(|| Fail::said("`rounds` is between 1000 and 999999999", "Could not hash the secret."))?,
        ),
    };
    let password = call.text(&value)?;
    if rounds.is_some_and(|rounds| rounds > MAX_ROUNDS) {
        return Err(call.cx().too_many_rounds(MAX_ROUNDS));
    }
    match &*kind {
        "sha512" | "sha512_crypt" => sha512_crypt(&password, &salt, rounds).map(Val::from),
        "sha256" | "sha256_crypt" => sha256_crypt(&password, &salt, rounds).map(Val::from),
        other => Err(Fail::said(
            format!("`password_hash` can not make `{other}`"),
            format!("{other} is not in the list of supported passlib algorithms: md5, blowfish, sha256, sha512"),
        )
        .with_hint("use sha512 or sha256")),
    }
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
    let data = bytes(call, &value)?;
    Ok(Val::from(match salt {
        Some(salt) => ansible::encrypt_with_salt(&data, &secret, Some(&id), salt.as_bytes()),
        None => ansible::encrypt(&data, &secret, Some(&id))?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crypt_is_the_systems() {
        // From `openssl passwd -6 -salt saltsalt secret` and `openssl passwd -5`.
        assert_eq!(
            sha512_crypt("secret", "saltsalt", None).ok().as_deref(),
            Some("$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1")
        );
        assert_eq!(
            sha256_crypt("Hello world!", "saltstring", None).ok().as_deref(),
            Some("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5")
        );
    }
}
