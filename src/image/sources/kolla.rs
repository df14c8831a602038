//! The images of a rendered Kolla tree as definitions. An image is known by its full name only, as Kolla compares them.

use std::path::Path;

use super::super::def::{ImageDef, OwnName};
use super::super::discover::{Collector, Found};
use super::super::kolla::{Status, Tree};
use super::super::names::without_tag;
use crate::diag::Result;

/// What is to be built of a tree: what patterns and profiles ask for, less what cannot be built or is skipped. Contexts are folders
/// below `docker/` as it is laid out; `shown` is that folder for people.
pub fn kolla(tree: &Tree, shown: &str) -> Result<Found> {
    let mut images = Collector::default();
    for (_, image) in tree.matched() {
        let folder = Path::new(shown).join(&image.folder);
        let file = folder.join("Dockerfile").display().to_string();
        if !images.take(&image.name, &file) {
            continue;
        }
        let Some(dockerfile) = images.parse(&file, image.dockerfile.clone()) else { continue };
        let mut def = ImageDef::new(&image.name, &image.folder, "Dockerfile", file, dockerfile);
        let untagged = without_tag(&image.full_name);
        def.own_name = Some(OwnName::parse(untagged));
        def.own_tag = Some(image.full_name[untagged.len()..].trim_start_matches(':').to_owned());
        def.own_tag = def.own_tag.filter(|tag| !tag.is_empty());
        def.bare_reference = false;
        def.allowed_to_fail = image.allowed_to_fail;
        def.labels.clone_from(&image.labels);
        images.add(def);
    }
    for image in tree.images.iter().filter(|image| image.status == Status::Unbuildable) {
        images.warn(format!("left out: {} ({})", image.name, image.why));
    }
    let mut found = images.finish()?;
    found.warnings.extend(tree.warnings.iter().cloned());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::kolla::KollaImage;
    use crate::image::{Graph, Names};
    use crate::value::Map;

    fn image(name: &str, dockerfile: &str, status: Status) -> KollaImage {
        KollaImage {
            name: name.into(),
            full_name: format!("r.example:5000/kolla/k-{name}:23"),
            folder: format!("group/{name}").into(),
            dockerfile: dockerfile.into(),
            parent_name: String::new(),
            parent: None,
            children: Vec::new(),
            source: None,
            plugins: Vec::new(),
            additions: Vec::new(),
            status,
            why: "no such platform".into(),
            allowed_to_fail: name == "nova",
            labels: BTreeMap::from([("a".into(), name.into())]),
        }
    }

    #[test]
    fn what_is_matched_hangs_together_by_full_names() {
        let tree = Tree {
            images: vec![
                image("base", "FROM debian:bookworm\n", Status::Matched),
                image("nova", "FROM r.example:5000/kolla/k-base:23\nCOPY --from=base / /\n", Status::Matched),
                image("out", "FROM r.example:5000/kolla/k-base:23\n", Status::Unbuildable),
                image("other", "RUN is not read\n", Status::Unmatched),
            ],
            items: Vec::new(),
            settings: Map::new(),
            places: BTreeMap::new(),
            build_args: BTreeMap::new(),
            warnings: vec!["strange".into()],
        };
        let found = kolla(&tree, "docker").unwrap();
        assert_eq!(found.warnings, ["left out: out (no such platform)", "strange"]);
        let names = Names { tag: "t".into(), ..Names::default() };
        let graph = Graph::new(found.images, &names, &BTreeMap::new()).unwrap();
        assert_eq!(graph.parents, [vec![], vec![0]]);
        assert_eq!(graph.full(1, &names), "r.example:5000/kolla/k-nova:23");
        assert_eq!(graph.registry(1, &names), "r.example:5000");
        assert_eq!(graph.images[1].shown, "docker/group/nova/Dockerfile");
        assert_eq!(graph.images[1].context, Path::new("group/nova"));
        assert!(graph.images[1].allowed_to_fail && graph.images[1].labels["a"] == "nova");
    }
}
