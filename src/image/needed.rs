//! What the images of a tree can need of it: what a context's `.dockerignore` leaves out is not read and not sent.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::docker::kept;
use crate::system::{TreeItem, TreeKind};

/// Links that lead to links that lead on.
const HOPS: usize = 20;

/// For each item of a tree (parents first, sorted by path) whether one of the contexts, each with its Dockerfile in it,
/// has it after its `.dockerignore`, or a build reads it: Dockerfiles, what they lead to if they are links, and the files
/// of rules. What lies in no context is not needed. A context whose rules cannot be read needs all that is in it: the
/// build tells what is wrong with them. `read` gives the text of a file of the tree.
pub fn needed(
    items: &[TreeItem],
    contexts: &[(PathBuf, PathBuf)],
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Vec<bool> {
    let places: HashMap<&Path, usize> =
        items.iter().enumerate().map(|(place, item)| (item.path.as_path(), place)).collect();
    let mut needed = vec![false; items.len()];
    for (context, dockerfile) in contexts {
        let from = items.partition_point(|item| item.path.as_path() < context.as_path());
        let inside = items[from..].iter().take_while(|item| item.path.starts_with(context));
        let own: Vec<TreeItem> = inside
            .filter(|item| item.path != *context)
            .map(|item| {
                let path = item.path.strip_prefix(context).unwrap_or(&item.path).to_path_buf();
                TreeItem { path, ..item.clone() }
            })
            .collect();
        let found = kept(own.clone(), dockerfile, &|path| read(&context.join(path))).unwrap_or(own);
        let file = context.join(dockerfile);
        let mut rules = file.clone().into_os_string();
        rules.push(".dockerignore");
        let read_too = [context.clone(), context.join(".dockerignore"), rules.into()].into_iter();
        let target = linked(items, context, &file);
        let all = found.into_iter().map(|item| context.join(item.path)).chain(read_too).chain(target).chain([file]);
        for path in all {
            // Folders above what is needed, too.
            for path in path.ancestors() {
                match places.get(path) {
                    Some(place) if needed[*place] => break,
                    Some(place) => needed[*place] = true,
                    None => {}
                }
            }
        }
    }
    needed
}

/// The file that a Dockerfile leads to if it is a link; as for Docker, the context is the root that no link leaves. `None`
/// if it is no link, leads to no file of the context, or through a folder that is a link. `items` are sorted by path.
pub fn linked(items: &[TreeItem], context: &Path, dockerfile: &Path) -> Option<PathBuf> {
    let kind = |path: &Path| {
        let place = items.binary_search_by(|item| item.path.as_path().cmp(path)).ok()?;
        Some(&items[place].kind)
    };
    let mut path = dockerfile.to_path_buf();
    for _ in 0..HOPS {
        match kind(&path)? {
            TreeKind::Link(target) => path = inside(context, path.parent()?, target)?,
            TreeKind::File(_) => return (path != dockerfile).then_some(path),
            TreeKind::Dir => return None,
        }
    }
    None
}

/// A link's target in a folder, as a path that does not leave the context.
fn inside(context: &Path, folder: &Path, target: &Path) -> Option<PathBuf> {
    use std::path::Component;
    let mut path = if target.is_absolute() { context.to_path_buf() } else { folder.to_path_buf() };
    for part in target.components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if path == context => return None,
            Component::ParentDir => _ = path.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items of a tree: `f/` is a folder, `l -> t` a link.
    fn items(names: &[&str]) -> Vec<TreeItem> {
        let mut items: Vec<TreeItem> = names
            .iter()
            .map(|name| {
                let (path, kind) = match (name.strip_suffix('/'), name.split_once(" -> ")) {
                    (Some(folder), _) => (folder, TreeKind::Dir),
                    (None, Some((link, target))) => (link, TreeKind::Link(target.into())),
                    (None, None) => (*name, TreeKind::File(1)),
                };
                TreeItem { path: path.into(), kind, mode: 0o644, mtime: 0 }
            })
            .collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        items
    }

    fn left_out(names: &[&str], contexts: &[(&str, &str)], rules: &[(&str, &str)]) -> Vec<String> {
        let items = items(names);
        let contexts: Vec<(PathBuf, PathBuf)> = contexts.iter().map(|(a, b)| (a.into(), b.into())).collect();
        let read = |path: &Path| {
            let found = rules.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::PermissionDenied.into())
        };
        let needed = needed(&items, &contexts, &read);
        let out = items.iter().zip(needed).filter(|(_, needed)| !needed);
        out.map(|(item, _)| item.path.display().to_string()).collect()
    }

    const NESTED: &[&str] =
        &["a/", "a/.dockerignore", "a/Dockerfile", "a/b/", "a/b/Dockerfile", "a/b/big", "a/b/x.log", "a/x.log", "big"];

    #[test]
    fn what_all_contexts_ignore_is_left_out_and_what_is_in_none() {
        let rules = [("a/.dockerignore", "**/*.log\nb\nDockerfile\n.dockerignore\n")];
        let of = |contexts: &[(&str, &str)]| left_out(NESTED, contexts, &rules);
        assert_eq!(of(&[("a", "Dockerfile")]), ["a/b", "a/b/Dockerfile", "a/b/big", "a/b/x.log", "a/x.log", "big"]);
        // The inner context has no rules.
        assert_eq!(of(&[("a", "Dockerfile"), ("a/b", "Dockerfile")]), ["a/x.log", "big"]);
        assert_eq!(of(&[("", "a/Dockerfile")]), Vec::<String>::new());
        assert_eq!(of(&[]).len(), NESTED.len());
    }

    #[test]
    fn rules_of_a_dockerfile_win_and_are_kept() {
        let names = [".dockerignore", "Dockerfile", "P.Dockerfile", "P.Dockerfile.dockerignore", "a", "b"];
        let rules = [(".dockerignore", "a\n"), ("P.Dockerfile.dockerignore", "*\n!a\n")];
        let of = |contexts: &[(&str, &str)]| left_out(&names, contexts, &rules);
        assert_eq!(of(&[("", "P.Dockerfile")]), ["Dockerfile", "b"]);
        assert_eq!(of(&[("", "Dockerfile")]), ["a"]);
        assert_eq!(of(&[("", "P.Dockerfile"), ("", "Dockerfile")]), Vec::<String>::new());
    }

    #[test]
    fn an_exception_keeps_the_folders_above_it() {
        let names = [".dockerignore", "Dockerfile", "n/", "n/m/", "n/m/keep", "n/m/no", "n/o"];
        let of = |rules: &str| left_out(&names, &[("", "Dockerfile")], &[(".dockerignore", rules)]);
        assert_eq!(of("n\n!n/m/keep\n"), ["n/m/no", "n/o"]);
        // Rules that are none leave nothing out: the build names them.
        assert_eq!(of("["), Vec::<String>::new());
        assert_eq!(left_out(&names, &[("", "Dockerfile")], &[]), Vec::<String>::new());
    }

    #[test]
    fn a_dockerfile_that_is_a_link_leads_to_a_file_of_its_context_only() {
        let names = ["a/", "a/Dockerfile -> docker/prod", "a/docker/", "a/docker/prod -> /real", "a/real", "real"];
        let target = |names: &[&str]| linked(&items(names), Path::new("a"), Path::new("a/Dockerfile"));
        assert_eq!(target(&names), Some("a/real".into()));
        for other in ["a/Dockerfile -> ../real", "a/Dockerfile -> Dockerfile", "a/Dockerfile", "a/Dockerfile -> docker"]
        {
            let mut names = names;
            names[1] = other;
            assert_eq!(target(&names), None, "{other}");
        }
        let mut all = names.to_vec();
        all.push("a/.dockerignore");
        let rules = [("a/.dockerignore", "*\n")];
        assert_eq!(left_out(&all, &[("a", "Dockerfile")], &rules), ["a/docker", "a/docker/prod", "real"]);
    }
}
