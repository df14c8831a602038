//! `password`: a random password that is kept in a controller file.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::filters::{Crypt, crypt_fail, salt};
use super::super::random::{self, Rng};
use super::super::val::Val;
use super::{kv, texts};

/// How long another process may hold the folder of a password file.
const PATIENCE: Duration = Duration::from_secs(20);

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

/// The turn of the threads of this process at a file.
fn turn_of(path: &Path) -> Arc<Mutex<()>> {
    static TURNS: OnceLock<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>> = OnceLock::new();
    let mut turns = TURNS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(path.to_owned()).or_default())
}

/// The folder of a password file, made if it is not there, and held against other processes until it is closed.
/// `None` on a file system that has no locks.
fn locked_folder(path: &Path) -> std::io::Result<Option<fs::File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).create(above)?;
    }
    // Only the owner looks into a folder that is made for passwords.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let Ok(held) = fs::File::open(folder) else { return Ok(None) };
    let end = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(held)),
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            Err(Errno::WOULDBLOCK) => {
                return Err(std::io::Error::other(format!(
                    "another process held its folder for {} s",
                    PATIENCE.as_secs()
                )));
            }
            Err(Errno::INTR) => {}
            Err(_) => return Ok(None),
        }
    }
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
    let read = || match crate::diag::read::read_source_text(&path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(local(error)),
    };
    // One host makes the password, and the others read it.
    let turn = turn_of(&path);
    let _turn = keep.then(|| turn.lock().unwrap_or_else(PoisonError::into_inner));
    let mut known = if keep { read()? } else { None };
    let salted = |text: &str| parse(text).1.is_some() && (kind != Some(Crypt::Bcrypt) || parse(text).2.is_some());
    let mut _folder = None;
    if keep && !known.as_deref().is_some_and(|text| kind.is_none() || salted(text)) {
        // So do other processes: whoever comes later finds what was made meanwhile.
        _folder = locked_folder(&path).map_err(local)?;
        known = read()?;
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
    use super::super::super::table_tests::{node, setup};
    use super::*;

    #[test]
    fn files_are_read_as_ansible_writes_them() {
        assert_eq!(parse("a b"), ("a b", None, None));
        assert_eq!(parse("a salt=x"), ("a", Some("x"), None));
        assert_eq!(parse("a salt=b salt=x ident=2b"), ("a salt=b", Some("x"), Some("2b")));
        assert_eq!(parse("a salt="), ("a", None, None));
    }

    #[test]
    fn hosts_that_ask_at_once_get_one_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/here/pw");
        let (templates, scope, _) = setup("{}");
        for encrypt in ["", " encrypt=sha512_crypt"] {
            let text = format!("{{{{ lookup('password', '{} length=16{encrypt}') }}}}", path.display());
            let start = std::sync::Barrier::new(16);
            let all: std::collections::BTreeSet<String> = std::thread::scope(|threads| {
                let ask = || {
                    let node = node(&templates, &text);
                    start.wait();
                    crate::value::python_str(&templates.render(&node, &scope).unwrap())
                };
                let asked: Vec<_> = (0..16).map(|_| threads.spawn(ask)).collect();
                asked.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(all.len(), 1, "{all:?}");
            let kept = fs::read_to_string(&path).unwrap();
            assert!(!encrypt.is_empty() || all.contains(kept.trim_end()));
            let salt = parse(kept.trim_end()).1.unwrap_or_default();
            assert!(encrypt.is_empty() || !salt.is_empty() && all.first().unwrap().contains(salt));
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn what_another_process_made_meanwhile_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        let (templates, scope, _) = setup("{}");
        let text = format!("{{{{ lookup('password', '{}') }}}}", path.display());
        let held = locked_folder(&path).unwrap().unwrap();
        let found = std::thread::scope(|threads| {
            let asked = threads.spawn(|| templates.render(&node(&templates, &text), &scope).unwrap());
            // Whether it has begun to wait or not: it must not make one of its own.
            fs::write(&path, "made-elsewhere\n").unwrap();
            drop(held);
            asked.join().unwrap()
        });
        assert_eq!(found.as_str(), Some("made-elsewhere"));
    }

    #[test]
    fn sets_have_no_quotes() {
        let all: String = alphabet(&["punctuation".to_owned(), "digits".to_owned(), "ä".to_owned()]).iter().collect();
        assert!(all.ends_with("0123456789ä") && !all.contains(['"', '\'']) && all.contains('\\'));
    }
}
