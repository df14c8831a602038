//! `hostctl image render`: a template tree as the folder that `kolla-build --template-only` would leave.

use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Result};
use crate::image::kolla::{self, ItemContent, Options, Status, Tree};
use crate::system::{Probe, ScratchContent, ScratchItem, lay_out};

/// What was written.
#[derive(Debug)]
pub struct Rendered {
    /// The tree.
    pub tree: Tree,
    /// `OUT/docker`.
    pub folder: PathBuf,
}

/// Renders a Kolla tree of this machine into `output/docker`. What was there of an earlier rendering is replaced, and
/// folders of images that are left out are removed; other files stay.
pub fn render_kolla(source: &Path, options: &Options, output: &Path) -> Result<Rendered> {
    let mut options = options.clone();
    if options.version.is_none() {
        options.version = checkout_version(source);
    }
    let tree = kolla::load(&Probe::new(Vec::new()), source, &options)?;
    let folder = output.join("docker");
    let unwritten = |error: &std::io::Error| {
        Diagnostic::local("B0038", format!("cannot write `{}`: {error}", folder.display()))
            .with_hint("`--output` names a folder of yours with room for the tree")
    };
    for image in tree.images.iter().filter(|image| image.status != Status::Matched) {
        // Only what a rendering made: the folder of a template.
        let old = folder.join(&image.folder);
        let made = std::fs::symlink_metadata(&old).is_ok_and(|meta| meta.is_dir())
            && std::fs::symlink_metadata(old.join("Dockerfile.j2")).is_ok();
        if made {
            std::fs::remove_dir_all(&old).map_err(|error| unwritten(&error))?;
        }
    }
    let items: Vec<ScratchItem> = tree
        .items
        .iter()
        .map(|item| ScratchItem {
            path: item.path.clone(),
            mode: item.mode,
            content: match &item.content {
                ItemContent::Dir => ScratchContent::Dir,
                ItemContent::CopyOf(from) => ScratchContent::CopyOf(from.clone()),
                ItemContent::Text(text) => ScratchContent::Bytes(text.as_bytes().into()),
            },
        })
        .collect();
    std::fs::create_dir_all(&folder).map_err(|error| unwritten(&error))?;
    lay_out(&folder, &items).map_err(|error| unwritten(&error))?;
    Ok(Rendered { tree, folder })
}

/// The short commit of a checkout, which is Kolla's version there; nothing without git or a checkout.
pub(super) fn checkout_version(source: &Path) -> Option<String> {
    let root = [source.join(".."), source.to_path_buf()].into_iter().find(|root| root.join(".git").exists())?;
    let found = std::process::Command::new("git")
        .arg("--git-dir")
        .arg(root.join(".git"))
        .args(["log", "-n1", "--pretty=format:%h"])
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(found.stdout).ok()?;
    let text = text.trim();
    (found.status.success() && !text.is_empty()).then(|| text.to_owned())
}
