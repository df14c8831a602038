//! A rendered tree: its images, how they hang together, and what becomes of each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layout::Item;
use super::sources::Source;
use crate::value::{Map, Value, insert};

/// What becomes of an image, by Kolla's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is to be built.
    Matched,
    /// Neither a pattern nor a profile asks for it.
    Unmatched,
    /// Left out by `skip_parents`.
    Skipped,
    /// It cannot be built on this distribution or architecture, or needs one that cannot.
    Unbuildable,
}

/// One image of the tree.
#[derive(Clone, Debug)]
pub struct KollaImage {
    /// The folder's name.
    pub name: String,
    /// `[registry/]namespace/[prefix]name:tag`.
    pub full_name: String,
    /// The folder below `docker/`.
    pub folder: PathBuf,
    /// The rendered Dockerfile.
    pub dockerfile: String,
    /// What its first `FROM` names; empty without one.
    pub parent_name: String,
    /// The image of the tree that it is built from.
    pub parent: Option<usize>,
    /// Images that are built from it.
    pub children: Vec<usize>,
    /// What is fetched for it.
    pub source: Option<Source>,
    /// Sources that go into `plugins-archive`, by name.
    pub plugins: Vec<Source>,
    /// Sources that go into `additions-archive`, by name.
    pub additions: Vec<Source>,
    /// What becomes of it.
    pub status: Status,
    /// Why it is not built; empty if it is.
    pub why: String,
    /// It may fail without failing the run.
    pub allowed_to_fail: bool,
    /// `org.opencontainers.image.*` as Kolla 23 sets them at a build, less the time; empty for older trees.
    pub labels: BTreeMap<String, String>,
}

/// A Kolla tree, rendered for one distribution and architecture.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The images, by folder.
    pub images: Vec<KollaImage>,
    /// Everything below `docker/` as `kolla-build --template-only` leaves it, by path: files, folders, and the
    /// rendered Dockerfiles. Folders of images that are not [`Status::Matched`] are left out.
    pub items: Vec<Item>,
    /// All options of `kolla-build` after configuration file and interpolation, by their names there.
    pub settings: Map,
    /// Those of them that files or user set: where (`FILE:LINE`, or `set` for the user's own).
    pub places: BTreeMap<String, String>,
    /// Build arguments that the configuration asks for (`build_args`, `pip_*`).
    pub build_args: BTreeMap<String, String>,
    /// What is strange, but does not matter to the result.
    pub warnings: Vec<String>,
}

impl Tree {
    /// The index of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.images.iter().position(|image| image.name == name)
    }

    /// What lies in an image's folder, its context; paths are those below `docker/`.
    pub fn context(&self, image: &KollaImage) -> impl Iterator<Item = &Item> {
        let folder = image.folder.clone();
        self.items.iter().filter(move |item| item.path.starts_with(&folder) && item.path != folder)
    }

    /// Images that are to be built.
    pub fn matched(&self) -> impl Iterator<Item = (usize, &KollaImage)> {
        self.images.iter().enumerate().filter(|(_, image)| image.status == Status::Matched)
    }

    /// Marks matched images as skipped that are there already; `exists` is asked with full names (`skip_existing`).
    pub fn skip_existing(&mut self, exists: &dyn Fn(&str) -> bool) {
        for image in self.images.iter_mut().filter(|image| image.status == Status::Matched) {
            if exists(&image.full_name) {
                image.status = Status::Skipped;
                "skip_existing: the engine has it".clone_into(&mut image.why);
            }
        }
    }

    /// What `kolla-build --list-dependencies` prints: the base's name, below it names and maps, children by name.
    /// Null if nothing is matched.
    pub fn dependencies(&self) -> Value {
        if self.matched().next().is_none() {
            return Value::Null;
        }
        let Some(base) = self.images.iter().position(|image| image.parent.is_none()) else { return Value::Null };
        let mut map = Map::new();
        insert(&mut map, &self.images[base].name, self.below(base, 0));
        Value::Map(map.into())
    }

    fn below(&self, image: usize, depth: usize) -> Value {
        let mut children: Vec<usize> = self.images[image].children.clone();
        children.sort_by(|a, b| self.images[*a].name.cmp(&self.images[*b].name));
        let list = children.into_iter().filter(|child| self.images[*child].status == Status::Matched).map(|child| {
            let name = &self.images[child].name;
            // A ring of parents was refused before; the depth is bound all the same.
            if self.images[child].children.is_empty() || depth > self.images.len() {
                return Value::from(name.as_str());
            }
            let mut map = Map::new();
            insert(&mut map, name, self.below(child, depth + 1));
            Value::Map(map.into())
        });
        Value::List(list.collect::<Vec<_>>().into())
    }
}
