//! Which of a Dockerfile's build arguments count by themselves.

use std::collections::BTreeSet;

use crate::image::dockerfile::{Dockerfile, Instruction, Reference, ReferenceKind};

/// The declared arguments less those that reach nothing but names of images, which are in the key resolved: an `ARG`
/// before the first `FROM` that no stage declares again is seen by `FROM` lines alone (Dockerfile reference, "Understand
/// how ARG and FROM interact"). One that chooses a stage or a platform counts.
pub(super) fn counted(file: &Dockerfile, references: &[Reference]) -> BTreeSet<String> {
    let first = file.instructions.iter().position(|one| one.keyword == "FROM").unwrap_or(0);
    let (before, after) = file.instructions.split_at(first);
    let declared = file.declared_args();
    let words = |list: &[Instruction]| -> Vec<String> {
        let args = list.iter().filter(|one| one.keyword == "ARG");
        args.flat_map(|one| one.arguments().split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let name = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
    let in_stages: BTreeSet<String> = words(after).iter().map(name).collect();
    let mut counted: BTreeSet<String> = declared.iter().filter(|name| in_stages.contains(*name)).cloned().collect();
    for from in after.iter().filter(|one| one.keyword == "FROM") {
        let resolved =
            references.iter().any(|reference| reference.kind == ReferenceKind::From && reference.line == from.line);
        let mut named = false;
        for word in from.arguments().split_whitespace() {
            if resolved && !named && !word.starts_with("--") {
                named = true;
                continue;
            }
            counted.extend(declared.iter().filter(|name| word.contains(name.as_str())).cloned());
        }
    }
    // A default that names another argument takes its value over.
    let defaults = words(before);
    loop {
        let size = counted.len();
        for word in &defaults {
            if counted.contains(&name(word)) {
                let default = word.split_once('=').map_or("", |(_, default)| default);
                counted.extend(declared.iter().filter(|name| default.contains(name.as_str())).cloned());
            }
        }
        if counted.len() == size {
            return counted;
        }
    }
}

/// The ids of `secrets` that the Dockerfile mounts.
pub(super) fn mounted_secrets<'a>(file: &Dockerfile, secrets: &'a BTreeSet<String>) -> Vec<&'a String> {
    let mounts: Vec<&str> = file
        .instructions
        .iter()
        .filter(|one| one.keyword == "RUN" && one.text.contains("type=secret"))
        .map(|one| one.text.as_str())
        .collect();
    let mentioned = |id: &str| mounts.iter().any(|text| text.contains(id) || text.contains("id=$"));
    secrets.iter().filter(|id| mentioned(id)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let file = Dockerfile::parse(text).unwrap();
        let found = counted(&file, &file.references(&BTreeMap::new()).unwrap());
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn arguments_that_only_name_images_do_not_count() {
        check("ARG TAG=1\nFROM base:$TAG\n", &[]);
        check("ARG TAG=1\nFROM base:${TAG} AS x\nRUN y\n", &[]);
        check("ARG TAG=1\nFROM base:$TAG\nARG TAG\nRUN echo $TAG\n", &["TAG"]);
        check("FROM base\nARG V=1\n", &["V"]);
        check("ARG P=linux/amd64\nFROM --platform=$P base\n", &["P"]);
        // It chooses a stage, which no reference shows.
        check("ARG V=full\nFROM a AS full\nFROM b AS slim\nFROM $V\n", &["V"]);
        check("ARG A=1\nARG B=${A}-x\nARG C=1\nFROM base:$C\nARG B\n", &["A", "B"]);
    }

    #[test]
    fn only_mounted_secrets_count() {
        let ids = BTreeSet::from(["pypi".to_owned(), "npm".to_owned()]);
        let mounted = |text: &str| {
            mounted_secrets(&Dockerfile::parse(text).unwrap(), &ids).into_iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(mounted("FROM a\nRUN --mount=type=secret,id=pypi x\nRUN echo npm\n"), ["pypi"]);
        assert_eq!(mounted("FROM a\nRUN --mount=type=secret,target=/run/secrets/npm x\n"), ["npm"]);
        assert_eq!(mounted("FROM a\nARG I\nRUN --mount=type=secret,id=$I x\n"), ["npm", "pypi"]);
        assert_eq!(mounted("FROM a\nRUN x\n"), [] as [&str; 0]);
    }
}
