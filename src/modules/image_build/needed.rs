//! What the controller sends of a tree.

use std::io;
use std::path::{Path, PathBuf};

use super::{Args, From};
use crate::diag::SourceMap;
use crate::image;
use crate::image::sources::{List, TreeSettings};
use crate::system::{TreeItem, TreeKind};

/// What a call with these arguments can need of the folder `path`: what its images' contexts hold after their
/// `.dockerignore`. `None` for Kolla's trees, which are no contexts. What cannot be told here (arguments or a list with
/// mistakes) leaves nothing out: the module names the mistake.
pub(super) fn needed(
    args: &serde_json::Value,
    items: &[TreeItem],
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Option<Vec<bool>> {
    let all = Some(vec![true; items.len()]);
    let Ok(args) = serde_json::from_value::<Args>(args.clone()) else { return all };
    match args.from {
        From::Kolla => None,
        From::List => {
            let name = args.list.as_deref().unwrap_or("images.yml");
            let Some(contexts) = read(Path::new(name)).ok().and_then(listed) else { return all };
            let mut needed = image::needed(items, &contexts, read);
            for (needed, item) in needed.iter_mut().zip(items) {
                *needed |= Path::new(name).starts_with(&item.path);
            }
            Some(needed)
        }
        From::Tree | From::Labels => {
            let Ok(settings) = TreeSettings::new(args.name_template.as_deref(), &args.dockerfiles, &args.ignore) else {
                return all;
            };
            let files = items.iter().filter(|item| item.kind != TreeKind::Dir && settings.is_dockerfile(&item.path));
            let contexts: Vec<(PathBuf, PathBuf)> = files
                .filter_map(|item| Some((item.path.parent()?.to_path_buf(), item.path.file_name()?.into())))
                .collect();
            Some(image::needed(items, &contexts, read))
        }
    }
}

/// The contexts that a list names, if it has no mistake.
fn listed(text: String) -> Option<Vec<(PathBuf, PathBuf)>> {
    let places = SourceMap::new();
    let file = places.add("list", None, text);
    let (list, mistakes) = List::load(&places, &file);
    mistakes.is_empty().then(|| list.contexts())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("a/.dockerignore", "big\n"),
        ("a/Dockerfile", "FROM scratch\n"),
        ("a/big", ""),
        ("images.yml", "images:\n- name: x\n  context: a\n  dockerfile: x/D\n- name: y\n  context: {host: /srv}\n"),
        ("a/x/D", "FROM scratch\n"),
        ("huge", ""),
    ];

    fn sent(more: serde_json::Value) -> Option<Vec<&'static str>> {
        let mut args = json!({ "path": "images", "namespace": "lab", "tag": "t" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut items: Vec<TreeItem> = FILES
            .iter()
            .map(|(path, text)| TreeItem {
                path: path.into(),
                kind: TreeKind::File(text.len() as u64),
                mode: 0o644,
                mtime: 0,
            })
            .collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        let read = |path: &Path| {
            let found = FILES.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let needed = needed(&args, &items, &read)?;
        let mut sent: Vec<_> = FILES.iter().map(|(path, _)| *path).collect();
        sent.retain(|path| items.iter().zip(&needed).any(|(item, needed)| item.path == Path::new(path) && *needed));
        Some(sent)
    }

    #[test]
    fn what_images_can_need_is_sent() {
        assert_eq!(sent(json!({})).unwrap(), ["a/.dockerignore", "a/Dockerfile", "a/x/D"]);
        assert_eq!(sent(json!({ "from": "labels" })).unwrap(), ["a/.dockerignore", "a/Dockerfile", "a/x/D"]);
        let list = ["a/.dockerignore", "a/Dockerfile", "images.yml", "a/x/D"];
        assert_eq!(sent(json!({ "from": "list" })).unwrap(), list);
        assert_eq!(sent(json!({ "from": "kolla", "kolla": {} })), None);
        // Mistakes are told by the module.
        assert_eq!(sent(json!({ "from": "list", "list": "none.yml" })).unwrap().len(), FILES.len());
        assert_eq!(sent(json!({ "dockerfiles": ["*"] })).unwrap().len(), FILES.len());
        assert_eq!(sent(json!({ "dockerfiles": ["D"] })).unwrap(), ["a/x/D"]);
    }
}
