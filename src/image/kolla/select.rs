//! Which images are built: Kolla's `find_parents` and `filter_images`.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::python::Py;
use super::tree::{KollaImage, Status};
use crate::diag::{Diagnostic, Result};
use crate::value::PythonRegex;

/// The longest chain of images that are built from each other. Engines take 127 layers, and each image has some.
const DEEPEST: usize = 500;

/// Links images to the images that their `FROM` names; two of one name, rings and chains beyond [`DEEPEST`] are errors.
pub fn link(images: &mut [KollaImage]) -> Result<()> {
    let mut by_name: HashMap<&str, &KollaImage> = HashMap::with_capacity(images.len());
    let mut by_full_name: HashMap<&str, usize> = HashMap::with_capacity(images.len());
    for (index, image) in images.iter().enumerate() {
        if let Some(other) = by_name.insert(&image.name, image) {
            return Err(Diagnostic::task(
                "B0037",
                format!(
                    "the image `{}` stands in two folders: `{}` and `{}`",
                    other.name,
                    other.folder.display(),
                    image.folder.display()
                ),
            ));
        }
        by_full_name.insert(&image.full_name, index);
    }
    let parents: Vec<Option<usize>> =
        images.iter().map(|image| by_full_name.get(image.parent_name.as_str()).copied()).collect();
    for (child, parent) in parents.into_iter().enumerate() {
        images[child].parent = parent;
        if let Some(parent) = parent {
            images[parent].children.push(child);
        }
    }
    // Images below each that was walked from; each is walked through once.
    let mut depths: Vec<Option<usize>> = vec![None; images.len()];
    for start in 0..images.len() {
        let mut way: Vec<usize> = Vec::new();
        let mut on_way: HashSet<usize> = HashSet::new();
        let mut at = Some(start);
        while let Some(image) = at.filter(|image| depths[*image].is_none()) {
            if !on_way.insert(image) {
                let begin = way.iter().position(|known| *known == image).unwrap_or_default();
                let ring = way[begin..].iter().chain([&image]);
                let names: Vec<&str> = ring.map(|image| images[*image].name.as_str()).collect();
                return Err(Diagnostic::task(
                    "B0037",
                    format!("images are built from each other: {}", names.join(" from ")),
                ));
            }
            way.push(image);
            at = images[image].parent;
        }
        let mut depth = at.and_then(|image| depths[image]).unwrap_or_default();
        for image in way.into_iter().rev() {
            depth += 1;
            depths[image] = Some(depth);
            if depth > DEEPEST {
                let message = format!("`{}` is more than {DEEPEST} images away from its base", images[image].name);
                return Err(
                    Diagnostic::task("B0037", message).with_hint("build from an image that is nearer to the base")
                );
            }
        }
    }
    Ok(())
}

/// Names of images that cannot be built on this distribution and architecture, by Kolla's table.
pub fn unbuildable(table: Option<&Py>, base: &str, arch: &str) -> BTreeSet<String> {
    let Some(Py::Dict(pairs)) = table else { return BTreeSet::new() };
    let fits = |tag: &str| tag.split('+').all(|part| part == base || part == arch);
    pairs
        .iter()
        .filter(|(tag, _)| tag.text().is_some_and(fits))
        .flat_map(|(_, names)| names.items().unwrap_or_default())
        .filter_map(|name| name.text().map(str::to_owned))
        .collect()
}

/// What is asked for.
pub struct Wanted<'a> {
    /// Regular expressions that are searched for in names; empty for all images.
    pub patterns: &'a [String],
    /// See [`unbuildable`].
    pub unbuildable: &'a BTreeSet<String>,
    /// For messages: `rocky aarch64`.
    pub on: &'a str,
    /// Images with children are left out.
    pub skip_parents: bool,
}

/// Gives every image its status.
pub fn select(images: &mut [KollaImage], wanted: &Wanted<'_>) -> Result<()> {
    let Wanted { patterns, unbuildable, on, skip_parents } = *wanted;
    for index in 0..images.len() {
        let culprit = ancestors(images, index).find(|at| unbuildable.contains(&images[*at].name));
        if let Some(culprit) = culprit {
            let image = &images[culprit].name;
            let why = if culprit == index {
                format!("Kolla marks it unbuildable on {on}")
            } else {
                format!("needs `{image}`, which Kolla marks unbuildable on {on}")
            };
            images[index].why = why;
            images[index].status = Status::Unbuildable;
        }
    }
    if patterns.is_empty() {
        for image in images.iter_mut().filter(|image| image.status != Status::Unbuildable) {
            image.status = Status::Matched;
        }
    } else {
        let regex = PythonRegex::text(&format!("({})", patterns.join("|")))
            .map_err(|problem| Diagnostic::task("B0035", format!("`{}`: {problem}", patterns.join("|"))))?;
        let mut matched = BTreeSet::new();
        for (index, image) in images.iter().enumerate().filter(|(_, image)| image.status != Status::Unbuildable) {
            let found = regex.search(&image.name);
            if found.map_err(|problem| Diagnostic::task("B0035", problem))?.is_some() {
                matched.extend(ancestors(images, index));
            }
        }
        for (index, image) in images.iter_mut().enumerate().filter(|(_, image)| image.status != Status::Unbuildable) {
            if matched.contains(&index) {
                image.status = Status::Matched;
            } else {
                image.status = Status::Unmatched;
                "not asked for".clone_into(&mut image.why);
            }
        }
    }
    if skip_parents {
        let parents = images.iter_mut().filter(|image| image.status == Status::Matched && !image.children.is_empty());
        for image in parents {
            image.status = Status::Skipped;
            "skip_parents: other images are built from it".clone_into(&mut image.why);
        }
    }
    Ok(())
}

/// An image and what it is built from. Rings were refused by [`link`].
fn ancestors(images: &[KollaImage], from: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from), |at| images[*at].parent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::python::assignments;
    use super::*;

    fn image(name: &str, parent: &str) -> KollaImage {
        KollaImage {
            name: name.to_owned(),
            full_name: format!("kolla/{name}:t"),
            folder: name.into(),
            dockerfile: String::new(),
            parent_name: if parent.is_empty() { "debian:12".to_owned() } else { format!("kolla/{parent}:t") },
            parent: None,
            children: Vec::new(),
            source: None,
            plugins: Vec::new(),
            additions: Vec::new(),
            status: Status::Unmatched,
            why: String::new(),
            allowed_to_fail: false,
            labels: BTreeMap::new(),
        }
    }

    fn tree() -> Vec<KollaImage> {
        let mut images = vec![
            image("base", ""),
            image("cron", "base"),
            image("nova-base", "base"),
            image("nova-api", "nova-base"),
            image("tgtd", "base"),
            image("tgtd-x", "tgtd"),
        ];
        link(&mut images).unwrap();
        images
    }

    fn matched(patterns: &[&str], out: &[&str], skip_parents: bool) -> Vec<String> {
        let mut images = tree();
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let unbuildable = out.iter().map(|text| (*text).to_owned()).collect();
        let wanted = Wanted { patterns: &patterns, unbuildable: &unbuildable, on: "rocky x86_64", skip_parents };
        select(&mut images, &wanted).unwrap();
        images.into_iter().filter(|image| image.status == Status::Matched).map(|image| image.name).collect()
    }

    #[test]
    fn patterns_take_their_ancestors() {
        assert_eq!(matched(&["api$"], &[], false), ["base", "nova-base", "nova-api"]);
        assert_eq!(matched(&["^cron", "nova-b"], &[], false), ["base", "cron", "nova-base"]);
        assert_eq!(matched(&[], &[], false).len(), 6);
    }

    #[test]
    fn what_needs_an_unbuildable_image_is_unbuildable() {
        assert_eq!(matched(&[], &["tgtd"], false), ["base", "cron", "nova-base", "nova-api"]);
        assert!(matched(&["tgtd-x"], &["tgtd"], false).is_empty());
    }

    #[test]
    fn parents_are_skipped() {
        assert_eq!(matched(&["nova-api"], &[], true), ["nova-api"]);
    }

    #[test]
    fn rings_and_doubles_are_refused() {
        let mut ring = vec![image("a", "b"), image("b", "a")];
        assert_eq!(link(&mut ring).unwrap_err().message, "images are built from each other: a from b from a");
        let mut side = vec![image("x", "a"), image("a", "b"), image("b", "a")];
        assert_eq!(link(&mut side).unwrap_err().message, "images are built from each other: a from b from a");
        let mut own = vec![image("a", "a")];
        assert_eq!(link(&mut own).unwrap_err().message, "images are built from each other: a from a");
        let mut twice = vec![image("a", ""), image("a", "")];
        assert_eq!(link(&mut twice).unwrap_err().code, "B0037");
        let mut images = tree();
        let wanted = Wanted { patterns: &["(".to_owned()], unbuildable: &BTreeSet::new(), on: "", skip_parents: false };
        assert_eq!(select(&mut images, &wanted).unwrap_err().code, "B0035");
    }

    #[test]
    fn long_chains_end_and_wide_trees_are_walked_once() {
        let name = |number: usize| format!("i{number:06}");
        let chain = |length: usize| -> Vec<KollaImage> {
            let parent = |number: usize| if number == 0 { String::new() } else { name(number - 1) };
            (0..length).map(|number| image(&name(number), &parent(number))).collect()
        };
        link(&mut chain(DEEPEST)).unwrap();
        let error = link(&mut chain(DEEPEST + 1)).unwrap_err();
        assert_eq!(error.message, "`i000500` is more than 500 images away from its base");
        // From the far end, too.
        let mut back = chain(100_000);
        back.reverse();
        assert_eq!(link(&mut back).unwrap_err().code, "B0037");
        let mut wide: Vec<KollaImage> = (1..100_000).map(|number| image(&name(number), &name(0))).collect();
        wide.push(image(&name(0), ""));
        link(&mut wide).unwrap();
        assert_eq!(wide.last().unwrap().children.len(), 99_999);
    }

    #[test]
    fn the_table_is_read_by_distribution_and_architecture() {
        let py = "U = {'aarch64': {'a'}, 'rocky': {'b', 'c'}, 'rocky+aarch64': {'d'}, 'ubuntu+aarch64': {'e'}, 'debian': {}}";
        let table = assignments(py, &BTreeMap::new());
        let names = |base, arch| unbuildable(table.get("U"), base, arch).into_iter().collect::<String>();
        assert_eq!(
            [names("rocky", "x86_64"), names("rocky", "aarch64"), names("debian", "aarch64")],
            ["bc", "abcd", "a"]
        );
    }
}
