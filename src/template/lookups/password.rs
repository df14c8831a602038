//! `password`: a random password that is kept in a controller file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::filters::{Crypt, crypt_fail, salt};
use super::super::random::{self, Rng};
use super::super::val::Val;
use super::{kv, texts};

const OPTIONS: [&str; 5] = ["length", "encrypt", "chars", "ident", "seed"];

#[derive(Clone)]
struct Wanted {
    path: String,
    length: usize,
    encrypt: Option<String>,
    ident: Option<String>,
    /// Names of sets, or characters.
    sets: Vec<String>,
    seed: Option<Val>,
}

impl Wanted {
    fn set(&mut self, name: &str, value: String) -> R<()> {
        let given = Some(value).filter(|value| !value.is_empty());
        match name {
            "length" => {
                let text = given.unwrap_or_default();
                self.length = text.trim().parse().map_err(|_| {
                    Fail::said(
                        format!("`length` must be a number, not `{text}`"),
                        "Config 'length' for 'password' lookup plugin from 'Direct' has an invalid value.",
                    )
                })?;
            }
            "encrypt" => self.encrypt = given,
            "ident" => self.ident = given,
            "seed" => self.seed = given.map(Val::from),
            _ => {
                // Two commas are a comma, wherever they stand.
                let text = given.unwrap_or_default();
                self.sets = text.contains(",,").then(|| ",".to_owned()).into_iter().collect();
                self.sets.extend(text.split(',').filter(|set| !set.is_empty()).map(str::to_owned));
            }
        }
        Ok(())
    }
}

/// The passwords of the files that the terms name.
pub fn password(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let mut usual = Wanted {
        path: String::new(),
        length: 20,
        encrypt: None,
        ident: None,
        sets: ["ascii_letters", "digits", ".,:-_"].map(str::to_owned).to_vec(),
        seed: None,
    };
    for name in OPTIONS {
        let Some(value) = args.take_kw(name).map(Val::defined).transpose()?.filter(|value| !value.is_none()) else {
            continue;
        };
        match (name, &value) {
            ("chars", Val::List(list)) => {
                let texts =
                    list.items(call.cx())?.into_iter().map(|item| call.text(&item).map(|text| text.to_string()));
                usual.sets = texts.collect::<R<_>>()?;
            }
            ("chars", _) => usual.sets = call.text(&value)?.split(',').map(|set| set.trim().to_owned()).collect(),
            _ => usual.set(name, call.text(&value)?.to_string())?,
        }
    }
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let mut wanted = usual.clone();
        // The first word is the path whatever it has in it.
        let (path, rest) = term.split_once(' ').unwrap_or((&*term, ""));
        path.clone_into(&mut wanted.path);
        let found = kv::parse(rest)?;
        if let Some(more) = found.raw {
            wanted.path = format!("{path} {more}");
            if !term.starts_with(&wanted.path) {
                return Err(Fail::said(
                    "a word stands after the options of `password`",
                    "Unrecognized value after key=value parameters given to password lookup",
                ));
            }
        }
        for (name, value) in found.options {
            if !OPTIONS.contains(&name.as_str()) {
                let words = format!("Unrecognized parameter(s) given to password lookup: {name}");
                return Err(Fail::said(format!("`password` has no option `{name}`"), words));
            }
            wanted.set(&name, value)?;
        }
        out.push(Val::from(one(call, &wanted)?));
    }
    Ok(out)
}

/// All characters of some sets; quotes are left out, as they are there.
fn alphabet(sets: &[String]) -> Vec<char> {
    let lower = "abcdefghijklmnopqrstuvwxyz";
    let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
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
    out.chars().filter(|c| !matches!(c, '"' | '\'')).collect()
}

/// What a password file holds: the password, the salt, bcrypt's variant.
fn parse(text: &str) -> (&str, Option<&str>, Option<&str>) {
    match text.rsplit_once(" salt=") {
        None | Some((_, "")) => (text.strip_suffix(" salt=").unwrap_or(text), None, None),
        Some((plain, rest)) => match rest.rsplit_once(" ident=") {
            Some((salt, ident)) => (plain, Some(salt), Some(ident)),
            None => (plain, Some(rest), None),
        },
    }
}

/// The file of a path: beside the playbook, if it is relative.
fn place(call: &Call, path: &str) -> PathBuf {
    if let Some(rest) = path.strip_prefix('~')
        && (rest.is_empty() || rest.starts_with('/'))
        && let Some(home) = call.cx().templates.host().env("HOME")
    {
        return PathBuf::from(format!("{home}{rest}"));
    }
    // The last folder of the search is the playbook's.
    let base = call.cx().templates.host().folders("", &call.ev.env.scope).pop();
    base.map_or_else(|| PathBuf::from(path), |base| base.join(path))
}

fn one(call: &Call, wanted: &Wanted) -> R<String> {
    if wanted.path.is_empty() {
        return Err(Fail::msg("`password` needs the path of a file, or /dev/null"));
    }
    let kind = match &wanted.encrypt {
        None => None,
        Some(name) => Some(Crypt::find(name).ok_or_else(|| {
            Fail::said(
                format!("`encrypt` can not make `{name}`"),
                format!("Installed passlib version does not support the '{name}' algorithm."),
            )
            .with_hint("use sha512_crypt, sha256_crypt, bcrypt or md5_crypt")
        })?),
    };
    let keep = wanted.path != "/dev/null";
    let path = place(call, &wanted.path);
    let local = |error: std::io::Error| Fail::msg(format!("the password file `{}`: {error}", path.display()));
    let mut known = None;
    if keep {
        match crate::diag::read::read_source_text(&path) {
            Ok(text) => known = Some(text.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(local(error)),
        }
    }
    let mut changed = known.is_none();
    let (plain, mut kept_salt, kept_ident) = match &known {
        Some(text) => {
            let (plain, salt, ident) = parse(text);
            (plain.to_owned(), salt.map(str::to_owned), ident.map(str::to_owned))
        }
        None => {
            let mut rng = Rng::new(call, wanted.seed.as_ref())?;
            (random::text(call.cx(), &alphabet(&wanted.sets), wanted.length, &mut rng)?, None, None)
        }
    };
    call.cx().templates.host().learn(&plain);
    let mut ident = match (kept_ident, &wanted.ident) {
        (Some(kept), Some(wanted)) if kept != *wanted => {
            let words = format!("The ident parameter provided ({wanted}) does not match the stored one ({kept}).");
            return Err(Fail::said(format!("`ident` is {wanted}, but the file has {kept}"), words));
        }
        (Some(kept), _) => Some(kept),
        (None, wanted) => wanted.clone(),
    };
    if let Some(kind) = kind {
        if kept_salt.is_none() {
            kept_salt = Some(salt(kind.salt_len(), call)?);
            changed = true;
        }
        if ident.is_none() && kind == Crypt::Bcrypt {
            ident = Some("2b".to_owned());
            changed = true;
        }
    }
    if keep && changed {
        if let Some(folder) = path.parent() {
            if let Some(above) = folder.parent() {
                fs::DirBuilder::new().recursive(true).create(above).map_err(local)?;
            }
            // Only the owner looks into a folder that is made for passwords.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(local)?;
        }
        let text = match (&kept_salt, &ident) {
            (Some(salt), Some(ident)) => format!("{plain} salt={salt} ident={ident}\n"),
            (Some(salt), None) => format!("{plain} salt={salt}\n"),
            (None, _) => format!("{plain}\n"),
        };
        // The old file stays until the new one is whole.
        let target = path.canonicalize().unwrap_or_else(|_| path.clone());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".password-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)
            .map_err(local)?;
        file.write_all(text.as_bytes()).map_err(local)?;
        if let Ok(old) = fs::metadata(&target) {
            crate::vault::keep_owner(file.as_file(), &old).map_err(local)?;
        }
        file.persist(&target).map_err(|error| local(error.error))?;
    }
    match (kind, kept_salt) {
        (Some(kind), Some(salt)) => {
            kind.hash(&plain, &salt, None, ident.as_deref()).map_err(|error| crypt_fail(call, error))
        }
        _ => Ok(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_ansible_writes_them() {
        assert_eq!(parse("a b"), ("a b", None, None));
        assert_eq!(parse("a salt=x"), ("a", Some("x"), None));
        assert_eq!(parse("a salt=b salt=x ident=2b"), ("a salt=b", Some("x"), Some("2b")));
        assert_eq!(parse("a salt="), ("a", None, None));
    }

    #[test]
    fn sets_have_no_quotes() {
        let all: String = alphabet(&["punctuation".to_owned(), "digits".to_owned(), "ä".to_owned()]).iter().collect();
        assert!(all.ends_with("0123456789ä") && !all.contains(['"', '\'']) && all.contains('\\'));
    }
}
