//! `password`: a random password that is kept in a controller file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::filters::{SHA256_ROUNDS, SHA512_ROUNDS, salt, sha256_crypt, sha512_crypt};
use super::super::random::{self, Rng};
use super::super::val::Val;
use super::texts;

struct Wanted {
    path: String,
    length: usize,
    encrypt: Option<String>,
    chars: Vec<char>,
    seed: Option<Val>,
}

/// The passwords of the files that the terms name.
pub fn password(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let length = args.int(usize::MAX, "length")?;
    let encrypt = args.text(call, usize::MAX, "encrypt")?;
    let chars = args.take_kw("chars");
    let seed = args.take_kw("seed");
    let _ = args.take_kw("ident");
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let mut wanted = Wanted {
            path: String::new(),
            length: length.and_then(|length| usize::try_from(length).ok()).unwrap_or(20),
            encrypt: encrypt.as_ref().map(ToString::to_string).filter(|name| !name.is_empty()),
            chars: Vec::new(),
            seed: seed.clone(),
        };
        let mut sets: Vec<String> = match &chars {
            Some(Val::List(list)) => list
                .items(call.cx())?
                .iter()
                .map(|item| call.text(item).map(|text| text.to_string()))
                .collect::<R<_>>()?,
            Some(other) => vec![call.text(other)?.to_string()],
            None => Vec::new(),
        };
        for (index, part) in term.split_whitespace().enumerate() {
            match part.split_once('=') {
                Some(("length", value)) => {
                    wanted.length = value.parse().map_err(|_| Fail::msg(format!("`{value}` is no length")))?;
                }
                Some(("encrypt", value)) => wanted.encrypt = Some(value.to_owned()).filter(|value| !value.is_empty()),
                Some(("chars", value)) => {
                    sets.extend(value.replace(",,", "\0").split(',').map(|set| set.replace('\0', ",")));
                }
                Some(("seed", value)) => wanted.seed = Some(Val::from(value)),
                _ if index == 0 => part.clone_into(&mut wanted.path),
                _ => wanted.path.push_str(&format!(" {part}")),
            }
        }
        wanted.chars = alphabet(&sets);
        out.push(Val::from(one(call, &wanted)?));
    }
    Ok(out)
}

fn alphabet(sets: &[String]) -> Vec<char> {
    let lower = "abcdefghijklmnopqrstuvwxyz";
    let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    if sets.is_empty() {
        return format!("{lower}{upper}0123456789.,:-_").chars().collect();
    }
    let mut out = String::new();
    for set in sets {
        match set.as_str() {
            "ascii_letters" => out.extend([lower, upper]),
            "ascii_lowercase" => out.push_str(lower),
            "ascii_uppercase" => out.push_str(upper),
            "digits" => out.push_str("0123456789"),
            "hexdigits" => out.push_str("0123456789abcdefABCDEF"),
            "octdigits" => out.push_str("01234567"),
            "punctuation" => out.push_str(punctuation),
            "printable" => out.extend(["0123456789", lower, upper, punctuation, " \t\n\r\u{b}\u{c}"]),
            "whitespace" => out.push_str(" \t\n\r\u{b}\u{c}"),
            other => out.push_str(other),
        }
    }
    out.chars().collect()
}

fn one(call: &Call, wanted: &Wanted) -> R<String> {
    let keep = wanted.path != "/dev/null";
    let path = Path::new(&wanted.path);
    if wanted.path.is_empty() {
        return Err(Fail::msg("`password` needs the path of a file, or /dev/null"));
    }
    let local = |error: std::io::Error| Fail::msg(format!("the password file `{}`: {error}", path.display()));
    let mut known = None;
    if keep {
        match crate::diag::read::read_source_text(path) {
            Ok(text) => known = Some(text.trim_end_matches('\n').to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(local(error)),
        }
    }
    let is_new = known.is_none();
    let (plain, mut kept_salt) = match known {
        Some(text) => match text.rsplit_once(" salt=") {
            Some((plain, salt)) => (plain.to_owned(), Some(salt.to_owned())),
            None => (text, None),
        },
        None => {
            let mut rng = Rng::new(call, wanted.seed.as_ref())?;
            (random::text(call.cx(), &wanted.chars, wanted.length, &mut rng)?, None)
        }
    };
    call.cx().templates.host().learn(&plain);
    let mut changed = is_new;
    if wanted.encrypt.is_some() && kept_salt.is_none() {
        kept_salt = Some(salt(if wanted.encrypt.as_deref() == Some("md5_crypt") { 8 } else { 16 }, call)?);
        changed = true;
    }
    if keep && changed {
        if let Some(folder) = path.parent() {
            // Only the owner looks into folders that are made for passwords.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(local)?;
        }
        let text = match &kept_salt {
            Some(salt) => format!("{plain} salt={salt}\n"),
            None => format!("{plain}\n"),
        };
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(local)?;
        file.write_all(text.as_bytes()).map_err(local)?;
    }
    match (wanted.encrypt.as_deref(), kept_salt) {
        (None, _) => Ok(plain),
        (Some("sha512" | "sha512_crypt"), Some(salt)) => sha512_crypt(&plain, &salt, Some(SHA512_ROUNDS)),
        (Some("sha256" | "sha256_crypt"), Some(salt)) => sha256_crypt(&plain, &salt, Some(SHA256_ROUNDS)),
        (Some(other), _) => {
            Err(Fail::msg(format!("`encrypt` can not make `{other}`")).with_hint("use sha512_crypt or sha256_crypt"))
        }
    }
}
