//! Names of registries, repositories and digests as the API sees them.

use std::borrow::Cow;

use super::super::error::{EngineError, ErrorClass};

/// Docker Hub as image names have it.
const HUB: &str = "docker.io";
/// Docker Hub's API.
const HUB_API: &str = "registry-1.docker.io";

/// True for `localhost`, `127.0.0.0/8` and `[::1]`, with or without a port.
pub fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// One name for each registry: `docker.io` for all that Docker Hub is called, others as they are, in lower case.
/// A scheme and a path (`https://index.docker.io/v1/`) are cut off, as Docker's credential files have them.
pub fn registry_of(host: &str) -> String {
    let host = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://")).unwrap_or(host);
    let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "" | "index.docker.io" | HUB_API => HUB.to_owned(),
        _ => host,
    }
}

/// The host that serves a registry's API.
pub(super) fn api_host(host: &str) -> String {
    let host = registry_of(host);
    if host == HUB { HUB_API.to_owned() } else { host }
}

/// The repository as the API wants it: Docker Hub's own images are in `library/`.
pub(super) fn api_repository<'a>(api_host: &str, repository: &'a str) -> Cow<'a, str> {
    if api_host == HUB_API && !repository.contains('/') && !repository.is_empty() {
        Cow::Owned(format!("library/{repository}"))
    } else {
        Cow::Borrowed(repository)
    }
}

/// Registry and repository of an image's full name without tag; the first part is a registry if it has a dot, a
/// port or is `localhost` (as Docker reads it), else the image is Docker Hub's.
pub fn split_name(name: &str) -> (String, String) {
    if let Some((first, rest)) = name.split_once('/')
        && (first.contains(['.', ':']) || first == "localhost")
    {
        return (registry_of(first), rest.to_owned());
    }
    (HUB.to_owned(), name.to_owned())
}

/// True for `sha256:` with 64 and `sha512:` with 128 hexadecimal digits in lower case.
pub fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", hex)) => (hex, 64),
        Some(("sha512", hex)) => (hex, 128),
        _ => return false,
    };
    length.0.len() == length.1 && length.0.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// Refuses a registry that would be another host than it says (`registry.example@evil`, as a planted name may have it).
pub(super) fn check_host(host: &str) -> Result<(), EngineError> {
    if !host.is_empty() && host.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-:[]".contains(&c)) {
        return Ok(());
    }
    Err(EngineError::new(ErrorClass::Refused, format!("`{}` is no host of a registry", host.escape_debug())))
}

/// Refuses what would be another address than it says.
pub(super) fn check_repository(repository: &str) -> Result<(), EngineError> {
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
    };
    if repository.len() <= 255 && repository.split('/').all(part) {
        return Ok(());
    }
    Err(EngineError::new(ErrorClass::Refused, format!("`{}` is no name of a repository", repository.escape_debug())))
}

/// The same for a tag or digest.
pub(super) fn check_reference(reference: &str) -> Result<(), EngineError> {
    let tag = !reference.is_empty()
        && reference.len() <= 128
        && !reference.starts_with(['.', '-'])
        && reference.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-".contains(&c));
    if tag || is_digest(reference) {
        return Ok(());
    }
    Err(EngineError::new(ErrorClass::Refused, format!("`{}` is no tag and no digest", reference.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_counts_as_loopback() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.3.4.5:5000", true),
            ("[::1]:5000", true),
            ("registry.example.org", false),
            ("127.0.0.1.example.org", false),
            ("localhost.example.org:5000", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn docker_hub_has_one_name_and_its_api_another() {
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"] {
            assert_eq!(registry_of(name), "docker.io", "{name}");
            assert_eq!(api_host(name), "registry-1.docker.io", "{name}");
        }
        assert_eq!(registry_of("https://R.example:5000/v2/"), "r.example:5000");
        assert_eq!(api_repository("registry-1.docker.io", "busybox"), "library/busybox");
        assert_eq!(api_repository("r:5000", "busybox"), "busybox");
        for (name, host, repository) in [
            ("busybox", "docker.io", "busybox"),
            ("lab/base", "docker.io", "lab/base"),
            ("r:5000/lab/base", "r:5000", "lab/base"),
            ("localhost/base", "localhost", "base"),
            ("docker.io/library/x", "docker.io", "library/x"),
        ] {
            assert_eq!(split_name(name), (host.to_owned(), repository.to_owned()), "{name}");
        }
    }

    #[test]
    fn names_that_would_be_other_addresses_are_refused() {
        for bad in ["", "a//b", "../x", "a/../b", "a?b", "a b", "a#", "a%2fb", "/a"] {
            assert!(check_repository(bad).is_err(), "{bad}");
        }
        for bad in ["", "a/b", "..", "a?b", "sha256:zz", "sha256:", "a:b"] {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
        assert!(check_repository("lab/k-base.x_1").is_ok());
        assert!(check_reference(&format!("sha256:{}", "a".repeat(64))).is_ok());
        assert!(!is_digest(&format!("sha256:{}", "A".repeat(64))));
    }
}
