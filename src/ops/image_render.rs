//! `hostctl image render`: a template tree as the folder that `kolla-build --template-only` would leave.

use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Kind, Result};
use crate::image::kolla::{self, Item, Options, Status, Tree};
use crate::system::{Probe, lay_out};

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
    // The reader's errors are those of a task on a host; here they are this machine's.
    let here = |mut error: Diagnostic| {
        error.kind = Kind::Local;
        error
    };
    let tree = kolla::load(&Probe::new(Vec::new()), source, &options).map_err(here)?;
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
    let items: Vec<_> = tree.items.iter().map(Item::scratch).collect();
    std::fs::create_dir_all(&folder).map_err(|error| unwritten(&error))?;
    lay_out(&folder, &items).map_err(|error| unwritten(&error))?;
    Ok(Rendered { tree, folder })
}

/// The short commit of a checkout, which is Kolla's version there; nothing without git or a checkout.
pub(super) fn checkout_version(source: &Path) -> Option<String> {
    let root = [source.join(".."), source.to_path_buf()].into_iter().find(|root| root.join(".git").exists())?;
    let found = std::process::Command::new("git")
        .arg("-C")
        .arg(&root)
        .args(["rev-parse", "--short", "HEAD"])
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(found.stdout).ok()?;
    let text = text.trim();
    (found.status.success() && !text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_second_rendering_replaces_the_first() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "kolla/docker/base/Dockerfile.j2", "FROM {{ base_image }}\n");
        write(root, "kolla/docker/cron/Dockerfile.j2", "FROM {{ namespace }}/base:{{ tag }}\n");
        write(root, "kolla/docker/cron/bytes", "x");
        write(root, "kolla/image/unbuildable.py", "");
        write(root, "kolla.egg-info/PKG-INFO", "Version: 1\n");
        let options = |patterns: &[&str]| Options {
            set: [("base".to_owned(), "debian".to_owned())].into(),
            host_arch: "x86_64".to_owned(),
            patterns: patterns.iter().map(|text| (*text).to_owned()).collect(),
            ..Options::default()
        };
        let out = root.join("out");
        let rendered = render_kolla(&root.join("kolla"), &options(&[]), &out).unwrap();
        assert_eq!(rendered.folder, out.join("docker"));
        assert_eq!(std::fs::read_to_string(out.join("docker/base/Dockerfile")).unwrap(), "FROM debian");
        assert!(out.join("docker/cron/patches").is_dir() && out.join("docker/cron/bytes").is_file());
        std::fs::write(out.join("docker/base/Dockerfile"), "old").unwrap();
        std::fs::write(out.join("docker/own"), "kept").unwrap();
        render_kolla(&root.join("kolla"), &options(&["base"]), &out).unwrap();
        assert_eq!(std::fs::read_to_string(out.join("docker/base/Dockerfile")).unwrap(), "FROM debian");
        assert!(!out.join("docker/cron").exists() && out.join("docker/own").exists());
        let error = render_kolla(&root.join("none"), &options(&[]), &out).unwrap_err();
        assert_eq!((&*error.code, error.kind), ("B0030", Kind::Local));
    }
}
