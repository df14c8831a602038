//! The names that Docker up to 24 gives to the layers of a saved image.
//!
//! They are known before the layer comes, so that one that was searched already can be passed
//! over. A layer's folder is named by a digest of its place in the image (moby's
//! `image/v1.CreateID`): an empty configuration, the digest of all layers up to this one, and the
//! name of the layer below. The top layer's name holds the image's configuration instead.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

const EMPTY: &str = concat!(
    r#"{"container_config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"#,
    r#""AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","#,
    r#""Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"#,
    r#""created":"1970-01-01T00:00:00Z","layer_id":""#,
);

/// The contents' digests of an image by the names of its layers.
pub(super) struct Chains<'a> {
    by_name: BTreeMap<String, &'a String>,
    layers: &'a [String],
    /// A name was as expected: whatever is named otherwise is the top layer.
    seen: &'a AtomicBool,
}

impl<'a> Chains<'a> {
    /// Of the contents' digests, base first. `seen` is kept for all images of an engine.
    pub(super) fn new(layers: &'a [String], seen: &'a AtomicBool) -> Self {
        let mut by_name = BTreeMap::new();
        let (mut chain, mut parent) = (String::new(), String::new());
        // The top layer's name is not made of these.
        for layer in layers.iter().rev().skip(1).rev() {
            chain = if chain.is_empty() { layer.clone() } else { digest(&format!("{chain} {layer}")) };
            let below = if parent.is_empty() { String::new() } else { format!(r#","parent":"{parent}""#) };
            parent = digest(&format!(r#"{EMPTY}{chain}"{below}}}"#));
            by_name.insert(parent.replacen("sha256:", "chain:", 1), layer);
        }
        Self { by_name, layers, seen }
    }

    /// The content's digest of a layer in the saved image, if its name tells it.
    pub(super) fn content(&self, name: &str) -> Option<&'a String> {
        if let Some(layer) = self.by_name.get(name) {
            self.seen.store(true, Ordering::Relaxed);
            return Some(layer);
        }
        let top = name.starts_with("chain:") && (self.layers.len() == 1 || self.seen.load(Ordering::Relaxed));
        if top { self.layers.last() } else { None }
    }
}

fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and digests as Docker 20.10.24 wrote them.
    #[test]
    fn names_are_those_of_the_engine() {
        let layers = [
            "sha256:a3071a2cdee89e4074b9a286128d04de182ba523d79b2d1dffb8d9f24bd0910d".to_owned(),
            "sha256:8ca84be3394fdb645088dcf7a7802f47ab1c76489962a4269c3ad2add7cdd804".to_owned(),
            "sha256:270855cd1db6334e34e7189aba181ea3044b6b9d905f3f0f223c2084047bc406".to_owned(),
        ];
        let seen = AtomicBool::new(false);
        let chains = Chains::new(&layers, &seen);
        let top = "chain:93aaf536f87acfc7209ac548b39ae48b8667bb75dc4774fbc20473e9db910361";
        assert_eq!(chains.content(top), None, "not known yet whether the names are as expected");
        let base = "chain:ed983ab33a59b9593475bc7c1bfacd4a6b407199977f51288ee12c86c40c7cc1";
        let middle = "chain:6e0310741e3823d67b761e80babdeb360f5ff3c458cbc5872c0f8b16183d27ee";
        assert_eq!(chains.content(base), Some(&layers[0]));
        assert_eq!(chains.content(middle), Some(&layers[1]));
        assert_eq!(chains.content(top), Some(&layers[2]));
        assert_eq!(chains.content("abc.json"), None);
        assert_eq!(Chains::new(&[], &seen).content(top), None);
    }
}
