//! `slurp`: a file's content in base64.

use base64::Engine as _;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::refused;
use super::spec::{ChangedAt, Meta, Module};
use super::types::HostPath;
use crate::map;
use crate::system::digest::Digest;
use crate::system::fs::shown;
use crate::value::{Map, insert};

/// What is read at most: the result goes through memory a few times.
const LIMIT: u64 = 64 << 20;

/// Reads a file of the host into the result, in base64.
///
/// ```yaml
/// - name: Read the host key
///   slurp:
///     src: /etc/ssh/ssh_host_ed25519_key.pub
///   register: key
/// - debug:
///     msg: "{{ key.content | b64decode }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file.
    src: HostPath,
    /// Only a part, for `fetch`; no argument of playbooks.
    #[schemars(skip)]
    part: Option<Part>,
}

/// A part of a file, as the engine asks for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    offset: u64,
    size: u64,
    /// Give the whole file's SHA-1 too.
    digest: bool,
}

/// The module.
pub struct Slurp;

impl Module for Slurp {
    type Args = Args;
    const META: Meta = Meta {
        name: "slurp",
        full_name: "ansible.builtin.slurp",
        also: &["ansible.legacy.slurp"],
        summary: "Read a file of the host",
        aliases: &[("src", &["path"])],
        changed_at: ChangedAt::Last,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let path = args.src.expand(cx.environment());
        let unreadable = || refused("H0107", format!("File is not readable: {}", shown(&path)));
        let found = match cx.probe().stat(&path) {
            Ok(found) => found,
            Err(error) if error.message.ends_with("permission denied") => return Err(unreadable()),
            Err(error) => return Err(error.into()),
        };
        let refuse = |reason: String| refused("H0107", reason);
        let size = found.as_ref().map_or(0, std::fs::Metadata::len);
        let part = args.part;
        match found {
            // A file stands where a folder should: Ansible's words, braces and all.
            None if path.ancestors().skip(1).any(std::path::Path::is_file) => {
                return Err(refuse("Unable to slurp file: {source}".to_owned()));
            }
            None => return Err(refuse(format!("File not found: {}", shown(&path)))),
            Some(found) if found.is_dir() => {
                return Err(refuse(format!("Source is a directory and must be a file: {}", shown(&path))));
            }
            Some(found) if found.len() > LIMIT && part.is_none() => {
                return Err(refuse(format!("`{}` is larger than 64 MiB, which `slurp` does not read", shown(&path))));
            }
            Some(_) => {}
        }
        let bytes = match &part {
            None => cx.probe().read(&path),
            Some(part) => cx.probe().read_part(&path, part.offset, part.size.min(LIMIT)),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.message.ends_with("permission denied") => return Err(unreadable()),
            Err(error) => return Err(error.into()),
        };
        let content = base64::engine::general_purpose::STANDARD.encode(bytes);
        let mut result = map! { "content" => content, "source" => shown(&path), "encoding" => "base64" };
        if let Some(part) = part {
            insert(&mut result, "size", size);
            if part.digest {
                insert(&mut result, "sha1", cx.probe().digest(&path, Digest::Sha1)?);
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn reads_bytes_and_names_what_is_no_file() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x");
        std::fs::write(&file, [0xff, 0]).expect("write");
        let outcome = module("slurp", map! { "path" => file.to_string_lossy().into_owned() }).ok();
        assert_eq!((get(&outcome, "content"), get(&outcome, "encoding")), (json!("/wA="), json!("base64")));
        assert_eq!(module("slurp", map! { "src" => "/etc" }).fails().diagnostic.code, "H0107");
        assert_eq!(module("slurp", map! { "src" => "/no" }).fails().diagnostic.message, "file not found: /no");
    }
}
