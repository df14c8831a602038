//! `crypt(3)`: the password hashes of `password_hash`, the `password` lookup and `vars_prompt`, spelled as passlib does.
//!
//! Names are passlib's and Ansible's short ones. Nothing here knows templates.

use blowfish::Blowfish;
use md5::Md5;
use sha2::Digest as _;

/// Rounds that ansible-core asks for where a playbook names none.
const SHA512_ROUNDS: u32 = 656_000;
/// The same for SHA-256.
const SHA256_ROUNDS: u32 = 535_000;
/// The same for bcrypt, whose rounds are an exponent of two.
const BCRYPT_ROUNDS: u32 = 12;

/// More would take minutes that nothing can interrupt.
const MAX_ROUNDS: u32 = 20_000_000;
/// The same for bcrypt.
const MAX_BCRYPT_ROUNDS: u32 = 18;

const CRYPT64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BCRYPT64: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A kind of hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crypt {
    /// `$1$`
    Md5,
    /// `$2b$`
    Bcrypt,
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
}

/// What makes a hash impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CryptError {
    /// What is wrong with an option.
    Option(String),
    /// So many rounds are refused: the most that are taken.
    TooManyRounds(u32),
}

impl Crypt {
    /// By Ansible's name or passlib's.
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "md5" | "md5_crypt" => Self::Md5,
            "blowfish" | "bcrypt" => Self::Bcrypt,
            "sha256" | "sha256_crypt" => Self::Sha256,
            "sha512" | "sha512_crypt" => Self::Sha512,
            _ => return None,
        })
    }

    /// Characters of a salt that a playbook does not give.
    pub fn salt_len(self) -> usize {
        match self {
            Self::Md5 => 8,
            Self::Bcrypt => 22,
            Self::Sha256 | Self::Sha512 => 16,
        }
    }

    /// Lengths that a salt may have.
    fn salt_lens(self) -> std::ops::RangeInclusive<usize> {
        let most = self.salt_len();
        if self == Self::Bcrypt { most..=most } else { 1..=most }
    }

    /// A salt's length that a playbook asks for.
    pub fn check_salt_len(self, len: i128) -> Result<usize, CryptError> {
        let lens = self.salt_lens();
        usize::try_from(len).ok().filter(|len| lens.contains(len)).ok_or_else(|| {
            CryptError::Option(if lens.start() == lens.end() {
                format!("the salt has {} characters", lens.end())
            } else {
                format!("the salt has {} to {} characters", lens.start(), lens.end())
            })
        })
    }

    /// The hash. `ident` is bcrypt's (`2a`, `2b`, `2y`); the others have none.
    pub fn hash(
        self,
        password: &str,
        salt: &str,
        rounds: Option<u32>,
        ident: Option<&str>,
    ) -> Result<String, CryptError> {
        self.check_salt_len(i128::try_from(salt.len()).unwrap_or(i128::MAX))?;
        if !salt.bytes().all(|byte| CRYPT64.contains(&byte)) {
            return Err(CryptError::Option("a salt has letters, digits, `.` and `/`".to_owned()));
        }
        if password.contains('\0') && self != Self::Md5 {
            return Err(CryptError::Option("the password has a null character".to_owned()));
        }
        let among = |rounds: u32, least: u32, most: u32, cap: u32| {
            if !(least..=most).contains(&rounds) {
                return Err(CryptError::Option(format!("`rounds` is between {least} and {most}")));
            }
            if rounds > cap { Err(CryptError::TooManyRounds(cap)) } else { Ok(rounds) }
        };
        match self {
            Self::Md5 if rounds.is_some() => Err(CryptError::Option("md5 has no `rounds`".to_owned())),
            Self::Md5 => Ok(md5_crypt(password.as_bytes(), salt)),
            Self::Bcrypt => {
                let ident = ident.unwrap_or("2b").trim_matches('$');
                if !matches!(ident, "2" | "2a" | "2b" | "2y") {
                    return Err(CryptError::Option(format!("`ident` is 2, 2a, 2b or 2y, not `{ident}`")));
                }
                let cost = among(rounds.unwrap_or(BCRYPT_ROUNDS), 4, 31, MAX_BCRYPT_ROUNDS)?;
                Ok(bcrypt(password.as_bytes(), salt, cost, ident))
            }
            Self::Sha256 | Self::Sha512 => {
                let usual = if self == Self::Sha256 { SHA256_ROUNDS } else { SHA512_ROUNDS };
                sha_crypt(self, password, salt, among(rounds.unwrap_or(usual), 1000, 999_999_999, MAX_ROUNDS)?)
            }
        }
    }
}

/// Three bytes as characters, least significant first.
fn crypt64(out: &mut String, parts: [u8; 3], count: usize) {
    let mut word = u32::from(parts[0]) << 16 | u32::from(parts[1]) << 8 | u32::from(parts[2]);
    for _ in 0..count {
        out.push(char::from(CRYPT64[(word & 63) as usize]));
        word >>= 6;
    }
}

/// SHA-256 and SHA-512. The usual 5000 rounds are not written, as `crypt(3)` has it.
fn sha_crypt(kind: Crypt, password: &str, salt: &str, rounds: u32) -> Result<String, CryptError> {
    let params =
        sha_crypt::Params::new(rounds).map_err(|_| CryptError::Option("`rounds` is out of range".to_owned()))?;
    let mut out = String::from(if kind == Crypt::Sha256 { "$5$" } else { "$6$" });
    if rounds != 5000 {
        out.push_str(&format!("rounds={rounds}$"));
    }
    out.push_str(salt);
    out.push('$');
    if kind == Crypt::Sha256 {
        let hash = sha_crypt::sha256_crypt(password.as_bytes(), salt.as_bytes(), params);
        let (mut a, mut b, mut c) = (0, 10, 20);
        for _ in 0..10 {
            crypt64(&mut out, [hash[a], hash[b], hash[c]], 4);
            (a, b, c) = (c + 1, a + 1, b + 1);
        }
        crypt64(&mut out, [0, hash[31], hash[30]], 3);
    } else {
        let hash = sha_crypt::sha512_crypt(password.as_bytes(), salt.as_bytes(), params);
        let (mut a, mut b, mut c) = (0, 21, 42);
        for _ in 0..21 {
            crypt64(&mut out, [hash[a], hash[b], hash[c]], 4);
            (a, b, c) = (b + 1, c + 1, a + 1);
        }
        crypt64(&mut out, [0, 0, hash[63]], 2);
    }
    Ok(out)
}

/// The MD5 scheme of FreeBSD: a thousand rounds.
fn md5_crypt(password: &[u8], salt: &str) -> String {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update("$1$").chain_update(salt);
    for part in 0..password.len().div_ceil(16) {
        first.update(&inner[..16.min(password.len() - part * 16)]);
    }
    let mut left = password.len();
    while left > 0 {
        first.update(if left & 1 == 1 { &[0][..] } else { &password[..1] });
        left >>= 1;
    }
    let mut hash = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        next.update(if round % 2 == 1 { password } else { &hash[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round % 2 == 1 { &hash[..] } else { password });
        hash = next.finalize();
    }
    let mut out = format!("$1${salt}$");
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        crypt64(&mut out, [hash[a], hash[b], hash[c]], 4);
    }
    crypt64(&mut out, [0, 0, hash[11]], 2);
    out
}

/// Bytes in bcrypt's own base 64.
fn bcrypt64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..=chunk.len() {
            out.push(char::from(BCRYPT64[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

/// The 16 bytes of a salt of 22 characters; bits that are left over are dropped, as passlib mends them.
fn bcrypt_salt(salt: &str) -> [u8; 16] {
    let mut out = [0; 16];
    let (mut word, mut bits, mut at) = (0_u32, 0, 0);
    for byte in salt.bytes() {
        let value = BCRYPT64.iter().position(|known| *known == byte).unwrap_or(0);
        word = (word << 6 | u32::try_from(value).unwrap_or(0)) & 0xffff;
        bits += 6;
        if bits >= 8
            && let Some(place) = out.get_mut(at)
        {
            bits -= 8;
            *place = u8::try_from(word >> bits & 0xff).unwrap_or(0);
            at += 1;
        }
    }
    out
}

/// bcrypt. `2` is the first one, which does not see the end of the password.
fn bcrypt(password: &[u8], salt: &str, cost: u32, ident: &str) -> String {
    let salt = bcrypt_salt(salt);
    let mut key = password.to_vec();
    if ident != "2" || key.is_empty() {
        key.push(0);
    }
    key.truncate(72);
    let mut state: Blowfish = Blowfish::bc_init_state();
    state.salted_expand_key(&salt, &key);
    for _ in 0..1_u64 << cost {
        state.bc_expand_key(&key);
        state.bc_expand_key(&salt);
    }
    let mut hash = Vec::with_capacity(24);
    for pair in b"OrpheanBeholderScryDoubt".chunks(8) {
        let word = |at: usize| u32::from_be_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
        let mut words = [word(0), word(4)];
        for _ in 0..64 {
            words = state.bc_encrypt(words);
        }
        hash.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
    // One byte less than there is, as every implementation has it.
    format!("${ident}${cost:02}${}{}", bcrypt64(&salt), bcrypt64(&hash[..23]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, password: &str, salt: &str, rounds: Option<u32>, ident: Option<&str>, expected: &str) {
        let kind = Crypt::find(kind).expect(kind);
        assert_eq!(kind.hash(password, salt, rounds, ident).as_deref(), Ok(expected));
    }

    #[test]
    fn the_hashes_are_those_of_crypt() {
        // From `openssl passwd` and passlib.
        check(
            "sha512",
            "secret",
            "saltsalt",
            Some(5000),
            None,
            "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        );
        check(
            "sha256_crypt",
            "Hello world!",
            "saltstring",
            Some(5000),
            None,
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        );
        check("md5", "secret", "abcd", None, None, "$1$abcd$Oy8OD9LGKv7H9yIMreLNV1");
        check("md5", "", "a", None, None, "$1$a$8CfZSfErbeskipdhZHtvu.");
        check("md5", "x", "12345678", None, None, "$1$12345678$7y7mHQRucjgVYVF1mZqKC1");
        check("md5", "a password of more than sixteen characters", "ab", None, None, "$1$ab$ZxgclA/rEqDDQu3R6EGuj.");
        check("md5", "Grüße", "./zZ", None, None, "$1$./zZ$hFsGkgVaXA2lGGSKd5Vi8.");
        check(
            "bcrypt",
            "x",
            "1234567890123456789012",
            Some(4),
            Some("2b"),
            "$2b$04$123456789012345678901uYky4opVuwypwXlzFKPVnyRiaKMupjqK",
        );
        check(
            "bcrypt",
            "secret",
            "abcdefghijklmnopqrstu.",
            Some(5),
            Some("2a"),
            "$2a$05$abcdefghijklmnopqrstu.W58xiyElrnNHGgNAxsscfbqyO2F0woW",
        );
        check(
            "bcrypt",
            "Grüße",
            "ABCDEFGHIJKLMNOPQRSTUV",
            Some(6),
            Some("2y"),
            "$2y$06$ABCDEFGHIJKLMNOPQRSTUOECOIpkDqfyhPVVrOqTB2csEcnI6o2V6",
        );
        check(
            "bcrypt",
            "",
            "./abcdefghijklmnopqrst",
            Some(4),
            Some("2b"),
            "$2b$04$./abcdefghijklmnopqrseJiv6y.iF03QMcUgnjfjN1E605PXnUgC",
        );
        check(
            "bcrypt",
            &"p".repeat(100),
            "1234567890123456789012",
            Some(4),
            Some("2b"),
            "$2b$04$123456789012345678901uRLO4lf0FdmnHAr7aBnm78czWr42Bz5q",
        );
        check(
            "bcrypt",
            "x",
            "1234567890123456789012",
            Some(4),
            Some("2"),
            "$2$04$123456789012345678901uEcbKRRJw4pAJmO1u1x0Xvr7B982j7p2",
        );
    }

    #[test]
    fn what_passlib_refuses_is_refused() {
        let fails = |kind: Crypt, salt: &str, rounds: Option<u32>, ident: Option<&str>| {
            assert!(kind.hash("x", salt, rounds, ident).is_err(), "{kind:?} {salt} {rounds:?} {ident:?}");
        };
        fails(Crypt::Md5, "123456789", None, None);
        fails(Crypt::Sha512, "12345678901234567", None, None);
        fails(Crypt::Sha512, "a$b", None, None);
        fails(Crypt::Sha256, "ab", Some(999), None);
        fails(Crypt::Bcrypt, "short", None, None);
        fails(Crypt::Bcrypt, "1234567890123456789012", Some(3), None);
        fails(Crypt::Bcrypt, "1234567890123456789012", Some(12), Some("2x"));
        assert_eq!(
            Crypt::Bcrypt.hash("x", "1234567890123456789012", Some(31), None),
            Err(CryptError::TooManyRounds(MAX_BCRYPT_ROUNDS))
        );
    }
}
