//! User and password of the upstream: from the service manager or from a private file.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};

use super::Config;
use crate::diag::{Diagnostic, Result};
use crate::secret::Secret;

/// The name under which the service manager hands the file over.
pub(super) const CREDENTIAL_NAME: &str = "upstream";

/// User and password. Shown by nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    version: u32,
    username: String,
    password: String,
}

impl Credentials {
    /// Checks what basic authentication can carry.
    pub fn new(username: impl Into<String>, password: Secret) -> Result<Self> {
        let username = username.into();
        if username.contains(':') {
            return Err(wrong("the user name holds a `:`, which basic authentication cannot carry"));
        }
        if username.chars().chain(password.expose().chars()).any(char::is_control) {
            return Err(wrong("user name or password hold control characters (a line break at the end?)"));
        }
        Ok(Self { username, password })
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String> {
        let file = OnDisk { version: 1, username: self.username.clone(), password: self.password.expose().to_owned() };
        let mut text = serde_json::to_string(&file)
            .map_err(|error| Diagnostic::internal(format!("credentials do not become JSON: {error}")))?;
        text.push('\n');
        Ok(text)
    }

    /// The header's value, marked so that nobody prints it.
    pub(super) fn header(&self) -> Result<HeaderValue> {
        let pair = format!("{}:{}", self.username, self.password.expose());
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| wrong("user name and password do not fit into a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Where a configuration's credentials are read from.
    pub(super) fn load(config: &Config) -> Result<Option<Self>> {
        let handed =
            std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(CREDENTIAL_NAME));
        match (handed.filter(|path| path.exists()), &config.credentials_file) {
            (Some(path), _) => Self::read(&path, false).map(Some),
            (None, Some(path)) => Self::read(path, true).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Reads a file. `private`: it must be ours or root's, and closed to all others.
    fn read(path: &Path, private: bool) -> Result<Self> {
        let cannot = |error: std::io::Error| wrong(format!("cannot read `{}`: {error}", path.display()));
        let mut file = std::fs::File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if private {
            let me = rustix::process::geteuid().as_raw();
            if metadata.mode() & 0o077 != 0 || (metadata.uid() != me && metadata.uid() != 0) {
                return Err(wrong(format!(
                    "`{}` has mode {:04o} and owner {}: others could read or replace it",
                    path.display(),
                    metadata.mode() & 0o7777,
                    metadata.uid()
                ))
                .with_hint(format!("chmod 0600 {}", path.display())));
            }
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(cannot)?;
        // serde's message could repeat the text: only the place is told.
        let read: OnDisk = serde_json::from_str(&text).map_err(|error| {
            wrong(format!("`{}` is not in the expected form (line {})", path.display(), error.line()))
        })?;
        if read.version != 1 {
            return Err(wrong(format!("`{}` was written by a newer hostctl", path.display())));
        }
        Self::new(read.username, Secret::new(read.password))
    }
}

fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::local("H0302", message)
}

#[cfg(test)]
mod credential_tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_open_to_others_is_refused_without_its_text() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("c");
        let credentials = Credentials::new("joe", Secret::new("pa\"ss\\w:ord")).expect("fine");
        std::fs::write(&path, credentials.to_text().expect("text")).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("chmod");
        assert_eq!(Credentials::read(&path, true).expect_err("refused").code, "H0302");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        assert_eq!(Credentials::read(&path, true).expect("reads"), credentials);
        std::fs::write(&path, "{\"version\":1,\"username\":\"canary-u\",\"pass\":\"canary-p\"}").expect("write");
        let error = format!("{:?}", Credentials::read(&path, true).expect_err("form"));
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn what_basic_authentication_cannot_carry_is_refused() {
        assert!(Credentials::new("a:b", Secret::new("x")).is_err());
        assert!(Credentials::new("a", Secret::new("x\n")).is_err());
        let header = Credentials::new("ä", Secret::new("é:!")).expect("fine").header().expect("header");
        assert!(header.is_sensitive());
        assert!(!format!("{header:?}").contains("Basic"));
    }
}
