//! Where a role or a collection comes from, read from what requirements say.
//!
//! Credentials in addresses are taken out here: what is shown, compared and locked has none.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::secret::{Redactor, Secret};

/// The address of a git repository.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// Without credentials.
    pub url: String,
    /// User and password of an `http` address.
    pub login: Option<Login>,
}

/// User and password, percent signs resolved.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// Scheme and host that they are for.
    pub place: String,
    /// The user, which may be a token.
    pub user: Secret,
    /// Empty if there is none.
    pub password: Secret,
}

/// Where something comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A git repository, and the folder in it.
    Git {
        /// The repository.
        address: Address,
        /// A folder inside; empty for the repository itself.
        folder: String,
    },
    /// An archive on disk.
    Archive(PathBuf),
    /// A folder on disk.
    Folder(PathBuf),
    /// Only a Galaxy server knows.
    Galaxy,
}

impl Source {
    /// A word for messages.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Git { .. } => "git repository",
            Self::Archive(_) => "archive",
            Self::Folder(_) => "folder",
            Self::Galaxy => "Galaxy server",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Address {
    /// Takes an address apart; `redactor` learns its credentials.
    pub fn parse(text: &str, redactor: &Redactor) -> Self {
        learn(text, redactor);
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self { url: text.to_owned(), login: None };
        };
        // `TRANSPORT::` before it stays as it is; schemes are the same in either case.
        let (transport, scheme) = scheme.rfind("::").map_or(("", scheme), |at| scheme.split_at(at + 2));
        let scheme = scheme.to_ascii_lowercase();
        let Some(at) = login_end(rest) else {
            return Self { url: format!("{transport}{scheme}://{rest}"), login: None };
        };
        let (login, path) = (&rest[..at], &rest[at + 1..]);
        let host = &path[..path.find(ENDS).unwrap_or(path.len())];
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        if !is_login(&scheme) {
            // The user of an ssh address is no secret; a password has no place there.
            return Self { url: format!("{transport}{scheme}://{user}@{path}"), login: None };
        }
        learn_login(login, &scheme, redactor);
        let place = format!("{scheme}://{host}");
        let login = Login { place, user: Secret::new(decoded(user)), password: Secret::new(decoded(password)) };
        Self { url: format!("{transport}{scheme}://{path}"), login: Some(login) }
    }

    /// Why git is not given an address, with a hint: it would run programs of the address's choice, or a secret in it
    /// would stand in process lists and the lock. `redactor` learns the secret.
    pub fn unfit(text: &str, redactor: &Redactor) -> Option<(&'static str, &'static str)> {
        let transport = text.split_once("::").map(|(name, _)| name).unwrap_or_default();
        if matches!(transport, "ext" | "fd") {
            return Some((
                "git's transports `ext` and `fd` are not supported: they run what the address says",
                "write the address of the repository itself, such as `git+ssh://USER@HOST/PATH`",
            ));
        }
        let Some((_, rest)) = text.split_once("://") else {
            // `USER:PASSWORD@HOST:PATH`, which ssh takes as a host and a path.
            let text = text.strip_prefix("//").unwrap_or(text);
            let (_, password) = text.split_once('@')?.0.split_once(':').filter(|(user, _)| !user.contains('/'))?;
            if password.is_empty() || password.contains('/') {
                return None;
            }
            redactor.learn(password);
            return Some((
                "this address has a password where git expects none",
                "write `git+https://USER:PASSWORD@HOST/PATH`, or `git@HOST:PATH` with a key of ssh",
            ));
        };
        let query = rest.split_once('?')?.1;
        let mut secrets = query.split(['&', '#']).filter_map(|pair| pair.split_once('=')).filter(|(key, _)| {
            let key = key.to_ascii_lowercase();
            ["token", "secret", "password", "passwd", "key", "auth", "sig"].iter().any(|word| key.contains(word))
        });
        let (_, first) = secrets.next()?;
        for value in std::iter::once(first).chain(secrets.map(|(_, value)| value)) {
            redactor.learn(value);
            redactor.learn(&decoded(value));
        }
        Some((
            "a secret in the query of an address would stand in process lists and in the lock",
            "write it before the host: `git+https://USER:TOKEN@HOST/PATH`",
        ))
    }
}

/// What ends the host of an address.
const ENDS: [char; 3] = ['/', '?', '#'];

/// Schemes whose user and password git asks its credential helpers for.
fn is_login(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ftp" | "ftps")
}

/// Where the `@` behind the credentials is, in what follows `://`.
fn login_end(rest: &str) -> Option<usize> {
    let end = rest.find(ENDS).unwrap_or(rest.len());
    if let Some(at) = rest[..end].rfind('@') {
        return Some(at);
    }
    // What stands where the port would be is a password with one of these characters, which should be written `%2F`.
    let (host, port) = rest[..end].split_once(':')?;
    let broken = !host.starts_with('[') && port.contains(|c: char| !c.is_ascii_digit());
    rest.find('@').filter(|_| broken)
}

/// Teaches the redactor every credential in a text with addresses.
pub(super) fn learn(text: &str, redactor: &Redactor) {
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let end = rest.find(|c: char| "\"'<>{}[]".contains(c) || c.is_whitespace()).unwrap_or(rest.len());
        let Some(login) = login_end(&rest[..end]).map(|at| &rest[..at]) else { continue };
        let scheme = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        learn_login(login, &scheme.to_ascii_lowercase(), redactor);
    }
}

fn learn_login(login: &str, scheme: &str, redactor: &Redactor) {
    match login.split_once(':') {
        Some((user, password)) => {
            redactor.learn(password);
            redactor.learn_pair(&decoded(user), &decoded(password));
            // `TOKEN:x-oauth-basic@`
            if is_login(scheme) && user.len() > 15 {
                redactor.learn(user);
                redactor.learn(&decoded(user));
            }
        }
        // A user alone is a token there.
        None if is_login(scheme) => {
            redactor.learn(login);
            redactor.learn(&decoded(login));
        }
        None => {}
    }
}

/// `%40` and the like as what they stand for.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// An address with what stands behind `,` and `#`: (address, version, folder).
pub(super) fn split_collection(text: &str) -> (String, Option<String>, String) {
    // As ansible-core's `parse_scm`: the version first, then the folder.
    let (text, version) = match text.split_once(',') {
        Some((text, version)) => (text, Some(version.to_owned())),
        None => (text, None),
    };
    let text = text.strip_prefix("git+").unwrap_or(text);
    let (address, folder) = text.split_once('#').unwrap_or((text, ""));
    (address.to_owned(), version, folder.trim_matches('/').to_owned())
}

/// The name of a role by its source, as ansible-core's `repo_url_to_role_name`.
pub(super) fn role_name(source: &str) -> String {
    let local = !source.contains("://") && !source.contains('@');
    if local && !source.contains('/') {
        return source.to_owned();
    }
    let last = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
    let last = last.strip_suffix(".git").unwrap_or(last);
    let last = [".tar.gz", ".tgz", ".tar"].iter().find_map(|end| last.strip_suffix(end)).unwrap_or(last);
    last.split(',').next().unwrap_or(last).to_owned()
}

/// A path as requirements write it: from the working folder, as ansible-core has it, else from the folder of the file.
pub(super) fn local(text: &str, beside: &Path) -> PathBuf {
    let text = text.strip_prefix("file://").unwrap_or(text);
    let path = match text.strip_prefix("~/").zip(std::env::var_os("HOME")) {
        Some((rest, home)) => Path::new(&home).join(rest),
        None => PathBuf::from(text),
    };
    if path.is_absolute() || path.exists() {
        return std::path::absolute(&path).unwrap_or(path);
    }
    let other = beside.join(&path);
    std::path::absolute(&other).unwrap_or(other)
}

/// `namespace.name` of letters, digits and underlines.
pub(super) fn is_full_name(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split_once('.').is_some_and(|(namespace, name)| word(namespace) && word(name))
}

/// True for a name whose folder lies below that of all roles or collections, and that a line of text can show.
pub(super) fn is_name(sort: super::Sort, name: &str) -> bool {
    let plain = || {
        !name.is_empty()
            && Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)))
            && !name.split('/').any(|part| part.starts_with('.'))
            && !name.contains(char::is_control)
    };
    match sort {
        super::Sort::Role => plain(),
        super::Sort::Collection => is_full_name(name),
    }
}

/// True for a folder of a repository that is none: it climbs out, or is git's own.
pub(super) fn leads_out(folder: &str) -> bool {
    folder.split('/').any(|part| part == ".." || part == ".git")
}

/// True for what collections name as a git address.
pub(super) fn is_git(text: &str) -> bool {
    text.starts_with("git+") || text.starts_with("git@")
}

/// True for an address of the web.
pub(super) fn is_web(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_address() {
        let redactor = Redactor::default();
        let address = Address::parse("https://robot:p%40ssw0rd@git.example/x/y.git", &redactor);
        assert_eq!(address.url, "https://git.example/x/y.git");
        let login = address.login.expect("a login");
        assert_eq!((login.user.expose(), login.password.expose()), ("robot", "p@ssw0rd"));
        assert_eq!(login.place, "https://git.example");
        for shown in ["p%40ssw0rd", "p@ssw0rd"] {
            assert!(!redactor.redact(&format!("<{shown}>")).contains("ssw0rd"), "{shown}");
        }
        let token = Address::parse("https://ghp_0123456789@git.example/y", &redactor);
        assert_eq!(token.url, "https://git.example/y");
        assert!(!redactor.redact("ghp_0123456789").contains("0123"));
        let ssh = Address::parse("ssh://git:hunter22@git.example:22/y", &redactor);
        assert_eq!((ssh.url.as_str(), ssh.login.is_none()), ("ssh://git@git.example:22/y", true));
        assert_eq!(Address::parse("git@git.example:x/y.git", &redactor).url, "git@git.example:x/y.git");
        // An `@` behind the host belongs to the path.
        assert_eq!(Address::parse("https://git.example/a@b", &redactor).url, "https://git.example/a@b");
        for (text, url) in [
            ("HTTPS://u-token-4711@h/p", "https://h/p"),
            ("http::https://u-token-4711@h/p", "http::https://h/p"),
            ("ftp://u-token-4711@h/p", "ftp://h/p"),
            ("https://robot:sla/sh-4711@h/p@1", "https://h/p@1"),
            ("https://robot:spa ce-4711@h/p", "https://h/p"),
        ] {
            let redactor = Redactor::default();
            assert_eq!(Address::parse(text, &redactor).url, url);
            assert!(!redactor.redact(text).contains("4711"), "{text}");
        }
        assert_eq!(Address::parse("https://h:8443/a@b", &redactor).url, "https://h:8443/a@b");
        learn("x: 'git+https://u:another-one@h/p'", &redactor);
        assert!(!redactor.redact("another-one").contains("another"));
    }

    #[test]
    fn addresses_that_git_must_not_see() {
        let redactor = Redactor::default();
        for text in [
            "ext::sh -c id",
            "fd::17/x",
            "robot:pass-4711@h:p",
            "//robot:pass-4711@h/p",
            "https://h/r.git?private_token=tok-4711",
            "https://h/r.git?a=b&access_token=tok%2D4711#x",
        ] {
            assert!(Address::unfit(text, &redactor).is_some(), "{text}");
            assert!(!redactor.redact(text).contains("4711"), "{text}");
        }
        for text in [
            "git@h:r.git",
            "h:r/x@1.git",
            "ssh://git@[::1]/x",
            "https://h/r?v=1",
            "/srv/a:b/c@d",
            "./x",
            "codecommit::eu://r",
        ] {
            assert!(Address::unfit(text, &redactor).is_none(), "{text}");
        }
        let plain = |name: &str| is_name(crate::deps::Sort::Role, name);
        assert!(plain("a.b") && plain("x/y") && plain("-x"));
        for name in ["", "/etc", "..", "a/../b", ".git", "a/.b", "a\nb", "\u{1b}[2J"] {
            assert!(!plain(name), "{name:?}");
        }
        assert!(leads_out("a/../b") && leads_out(".git") && !leads_out("a/b..c"));
    }

    #[test]
    fn a_collections_address_carries_folder_and_version() {
        let parts = |text: &str| split_collection(text);
        assert_eq!(parts("git+https://h/r.git#/a/b/,v1"), ("https://h/r.git".into(), Some("v1".into()), "a/b".into()));
        assert_eq!(parts("git@h:r.git,main"), ("git@h:r.git".into(), Some("main".into()), String::new()));
        assert_eq!(parts("git+file:///r#x"), ("file:///r".into(), None, "x".into()));
    }

    #[test]
    fn a_role_has_the_name_of_its_source() {
        for (source, name) in [
            ("https://h/x/ansible-role.git", "ansible-role"),
            ("git@h:x/role.git", "role"),
            ("https://h/role.tar.gz", "role"),
            ("geerlingguy.java", "geerlingguy.java"),
            ("/srv/roles/one.tar.gz", "one"),
            ("./roles/two/", "two"),
        ] {
            assert_eq!(role_name(source), name, "{source}");
        }
        assert!(is_full_name("a.b_2") && !is_full_name("a.b.c") && !is_full_name("a") && !is_full_name("1a.b"));
    }
}
