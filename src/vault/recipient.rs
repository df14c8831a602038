//! Those who can open a vault: age public keys and ssh public keys, one by one and from files.
//!
//! Knows public keys only; what opens a vault is the keyring's.

use std::path::Path;
use std::str::FromStr;

use age::Recipient;
use age::ssh::ParseRecipientKeyError;

use super::source::reason;
use crate::diag::{Diagnostic, Kind, Result};

fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("V0010", Kind::Vault, message)
        .with_note("a recipient is a public key: `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...`")
}

/// A recipient as people write it: `age1...` or an ssh public key, with or without its comment.
pub(super) fn parse(text: &str) -> Result<Box<dyn Recipient + Send>> {
    let text = text.trim();
    if let Ok(recipient) = age::x25519::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    let shown = shown(text);
    let mut words = text.split_whitespace();
    let (kind, body) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // The reader of crate age looks for what ends the key.
    let error = match age::ssh::Recipient::from_str(&format!("{kind} {body} -\n")) {
        Ok(recipient) if !text.contains(['\n', '\r']) => return Ok(Box::new(recipient)),
        Ok(_) => ParseRecipientKeyError::Invalid("several lines"),
        Err(error) => error,
    };
    Err(match error {
        ParseRecipientKeyError::Unsupported(kind) => {
            wrong(format!("an ssh key of the kind `{kind}` cannot be a recipient"))
                .with_hint("make one that can: `ssh-keygen -t ed25519`, or `hostctl vault init` for an age identity")
        }
        ParseRecipientKeyError::RsaModulusTooSmall => {
            wrong(format!("{shown} is an RSA key of fewer than 2048 bits")).with_hint("`ssh-keygen -t ed25519`")
        }
        ParseRecipientKeyError::RsaModulusTooLarge => {
            wrong(format!("{shown} is an RSA key of more than 4096 bits")).with_hint("`ssh-keygen -t ed25519`")
        }
        _ if Path::new(text).is_file() => {
            wrong(format!("{shown} is a file, not a recipient")).with_hint(format!("`--recipients-file {text}`"))
        }
        _ => wrong(format!("{shown} is no recipient"))
            .with_hint("`hostctl vault init` prints the public key of the identity that it makes"),
    })
}

/// What was given in the place of a recipient, for messages. A secret key is never shown, whatever else is wrong.
pub(super) fn shown(text: &str) -> String {
    if text.to_ascii_uppercase().contains("SECRET") || text.contains("PRIVATE") {
        return "a secret key".to_owned();
    }
    let short: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    if short.len() < text.len() { format!("`{short}...`") } else { format!("`{short}`") }
}

/// What tells a key from others: an ssh key's comment does not.
fn bare(text: &str) -> String {
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// True if both are the same key.
pub(super) fn same(one: &str, other: &str) -> bool {
    bare(one) == bare(other)
}

/// As they are kept: trimmed, each key once.
pub(super) fn unique<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.iter().any(|known| same(known, text)) {
            all.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    all
}

/// The recipients of a file, one a line: age's recipients files, `.pub` files of ssh, what forges show as a user's
/// keys. Empty lines and those with `#` are passed over.
pub fn recipients_file(path: &Path) -> Result<Vec<String>> {
    let text = crate::diag::read::read_source_text(path).map_err(|error| {
        Diagnostic::new(
            "V0010",
            Kind::Vault,
            format!("the recipients file `{}` cannot be read: {}", path.display(), reason(&error)),
        )
        .with_hint("a file with one public key a line")
    })?;
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        parse(line).map_err(|error| error.with_note(format!("on line {} of `{}`", number + 1, path.display())))?;
        all.push(line.to_owned());
    }
    if all.is_empty() {
        return Err(wrong(format!("the recipients file `{}` names nobody", path.display()))
            .with_hint("write one public key a line into it"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDE7nIXTGNuaRBN9toI/wNALuQec8mvlt0iJ7o3OaD2UvoKHJ7S8rmIn4FiQDUed/Vac3OhUibei1k+TBmm16u2Rj3klgWZOIDgi8d4vXKI5N3YBhxr3jsQ+kz1c+iZ4z/tTtz306+4K46XViVMWwyyg9j82Jn41mOAy9vdeDIfQ5fLeaGqn5KwlT61GNkZ+ozWK/ZNlQIlNCcoXxhJULIs9XrtczWyVBAea1nlDo0WHODePxoJjmsNHrpQXn5mf9O83xs10qfTUjnRUt48jRmedFy4tcra3QGmSTQ3KZne+wXXSb0cIpXLGvZjQSPHgG1hc4r3uBpiSzvesGLv79XL";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHFliOyIZs1gxGF3fmDxFykQhE88wy6AKDGFBfn0R6ZuvRmENABZQa9+pj9hMki+LX0qDJbmHTiWDbYv/cmFt/Q=";
    const AGE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn public_keys_are_recipients() {
        for text in [ED25519, RSA, AGE, &format!("{ED25519} alice@host and more"), &format!("  {RSA} x\n")] {
            assert!(parse(text).is_ok(), "{text}");
        }
        let message = |text: &str| parse(text).err().unwrap().message.clone();
        assert!(message(ECDSA).contains("`ecdsa-sha2-nistp256`"));
        assert!(
            message("AGE-SECRET-KEY-1ABC").contains("a secret key") && !message("AGE-SECRET-KEY-1ABC").contains("1ABC")
        );
        assert!(!shown("age-secret-key-1abc").contains("1abc") && shown("x") == "`x`");
        assert!(message(&format!("{ED25519}\n{RSA}")).contains("is no recipient"));
        for text in ["", "ssh-ed25519", "ssh-rsa AAAA", "ssh-ed25519 ????", "age1", "\u{1b}[31m"] {
            assert!(parse(text).is_err(), "{text}");
            assert!(!message(text).contains('\u{1b}'));
        }
    }

    #[test]
    fn a_comment_makes_no_other_key() {
        let both = [format!("{ED25519}  alice"), ED25519.to_owned(), AGE.to_owned()];
        assert_eq!(unique(&both), [format!("{ED25519} alice"), AGE.to_owned()]);
        assert!(same(ED25519, &format!("{ED25519} bob")) && !same(ED25519, RSA));
    }

    #[test]
    fn files_hold_one_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, format!("# team\n\n{ED25519} alice\r\n{AGE}\n")).unwrap();
        assert_eq!(recipients_file(&path).unwrap(), [format!("{ED25519} alice"), AGE.to_owned()]);
        std::fs::write(&path, format!("{AGE}\n{ECDSA}\n")).unwrap();
        assert!(recipients_file(&path).unwrap_err().notes.iter().any(|note| note.contains("line 2")));
        std::fs::write(&path, "# nobody\n").unwrap();
        assert_eq!(recipients_file(&path).unwrap_err().code, "V0010");
        assert!(recipients_file(folder.path()).is_err());
    }
}
