//! A tree whose Dockerfiles name their images by labels, as Kaapana's do.
//!
//! `LABEL IMAGE=` is the name, `LABEL REGISTRY=` the registry with its namespace in place of the run's, `LABEL VERSION=` the
//! tag. The registry `local-only` stands for none: such an image is built as `local-only/NAME:latest`, for others to build
//! on, and never pushed. `LABEL BUILD_IGNORE=true` leaves an image out. As in Kaapana's scripts (`build-scripts/
//! build_helper/container/container.py`) the version is that of `git describe`, whatever the label says, unless
//! the caller wants the label's.

use std::path::{Path, PathBuf};

use super::super::def::{ImageDef, OwnName};
use super::super::discover::{Collector, Found};
use super::super::dockerfile::{Dockerfile, Instruction};
use super::super::graph::LOCAL_ONLY;
use super::super::names::valid_tag;
use super::tree::{TreeSettings, none};
use crate::diag::Result;

/// How labels are read.
#[derive(Clone, Debug, Default)]
pub struct LabelSettings {
    /// Which files are Dockerfiles; its template of names is not used.
    pub tree: TreeSettings,
    /// A version in a label wins over that of `git describe`, if it is one and no placeholder.
    pub version_of_label: bool,
}

/// The labels that say what an image is.
#[derive(Default)]
struct Labels {
    image: Option<(String, usize)>,
    registry: Option<(String, usize)>,
    version: Option<String>,
    ignored: bool,
}

/// What the images of a labelled tree are, in path order. `version` gives that of the repository around a
/// folder of the tree (`git describe`), if there is one; the rest is as for a tree.
pub fn labels(
    files: &[PathBuf],
    shown: &str,
    settings: &LabelSettings,
    version: &dyn Fn(&Path) -> Option<String>,
    read: &dyn Fn(&Path) -> Result<String>,
) -> Result<Found> {
    let mut images = Collector::default();
    let shown = shown.trim_end_matches('/');
    let mut any = false;
    let mut unversioned = 0_usize;
    for (path, _) in settings.tree.dockerfiles(files) {
        any = true;
        let file = format!("{shown}/{}", path.display());
        let Some(dockerfile) = images.parse(&file, read(path)?) else { continue };
        let labels = Labels::of(&dockerfile);
        let Some((name, line)) = labels.image.clone() else {
            images.warn(format!("{file}: not an image of the set, since it has no `LABEL IMAGE=`"));
            continue;
        };
        if labels.ignored || !images.take(&name, &format!("{file}:{line}")) {
            continue;
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let mut image = ImageDef::new(&name, folder, inside, &file, dockerfile);
        image.bare_reference = false;
        if let Some((registry, line)) = &labels.registry {
            match own_name(registry, &name) {
                Ok(own) => image.own_name = Some(own),
                Err(problem) => images.problem(format!("{file}:{line}: {problem}")),
            }
            image.local_only = registry.split('/').any(|part| part == LOCAL_ONLY);
            image.push = !image.local_only;
        }
        if image.local_only {
            image.own_tag = Some("latest".to_owned());
        } else {
            let label = labels.version.filter(|version| !is_placeholder(version));
            let label_first = label.clone().filter(|_| settings.version_of_label);
            image.own_tag = label_first.or_else(|| version(folder)).or(label);
            if let Some(tag) = image.own_tag.as_ref().filter(|tag| !valid_tag(tag)) {
                images.problem(format!(
                    "{file}: the version `{tag}` is no tag: expected up to 128 letters, digits, `_`, `.` and `-`"
                ));
            }
            unversioned += usize::from(image.own_tag.is_none());
        }
        images.add(image);
    }
    if unversioned > 0 {
        images.warn(format!(
            "{shown}: no version from `git describe` or `LABEL VERSION=` for {unversioned} images; they have the run's tag"
        ));
    }
    let found = images.finish()?;
    if !any {
        return Err(none(shown, &settings.tree));
    }
    Ok(found)
}

impl Labels {
    /// The last of each wins, as in the image.
    fn of(dockerfile: &Dockerfile) -> Self {
        let mut found = Self::default();
        for instruction in dockerfile.instructions.iter().filter(|instruction| instruction.keyword == "LABEL") {
            for (key, value) in pairs(instruction) {
                let line = instruction.line;
                match key.as_str() {
                    "IMAGE" => found.image = Some((value, line)).filter(|(name, _)| !name.is_empty()),
                    "REGISTRY" => found.registry = Some((value, line)).filter(|(name, _)| !name.is_empty()),
                    "VERSION" => found.version = Some(value).filter(|version| !version.is_empty()),
                    "BUILD_IGNORE" | "CI_IGNORE" => {
                        found.ignored = matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "1");
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

/// `KEY=value KEY="a b"`, or the old form `KEY value`.
fn pairs(instruction: &Instruction) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut open = false;
    let mut chars = instruction.arguments().chars();
    while let Some(c) = chars.next() {
        match quote {
            Some(end) if c == end => quote = None,
            Some('"') | None if c == '\\' => word.extend(chars.next()),
            Some(_) => word.push(c),
            None if c.is_whitespace() => {
                if open {
                    words.push(std::mem::take(&mut word));
                    open = false;
                }
                continue;
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => word.push(c),
        }
        open = true;
    }
    if open {
        words.push(word);
    }
    if let [key, rest @ ..] = words.as_slice()
        && !rest.is_empty()
        && !key.contains('=')
    {
        return vec![(key.clone(), rest.join(" "))];
    }
    words
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The registry and namespace of a label, and the image's name.
fn own_name(registry: &str, image: &str) -> Result<OwnName, String> {
    let bad = |what: &str| {
        Err(format!("`LABEL REGISTRY={registry}`: {what}; expected `host:port/namespace` or `{LOCAL_ONLY}`"))
    };
    if registry.contains("://") {
        return bad("a registry has no scheme");
    }
    if registry.contains(char::is_whitespace) || registry.split('/').any(str::is_empty) {
        return bad("it makes no image name");
    }
    let name = OwnName::parse(&format!("{registry}/{image}"));
    if name.repository.chars().any(char::is_uppercase) {
        return bad("names have no capital letters");
    }
    Ok(name)
}

/// A version that a build script fills in: `$VERSION`, `{{ version }}`, `<version>`, `__VERSION__`, `@VERSION@`.
fn is_placeholder(text: &str) -> bool {
    text.contains(['$', '{', '}', '<', '>', '@']) || text.starts_with("__") || !valid_tag(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::graph::tests::names;
    use crate::image::{Graph, Names};

    fn with(settings: &LabelSettings, version: Option<&str>, files: &[(&str, &str)]) -> Result<Found> {
        let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.into()).collect();
        labels(&paths, "kaapana", settings, &|_| version.map(str::to_owned), &|path| {
            Ok(files.iter().find(|(name, _)| Path::new(name) == path).unwrap().1.to_owned())
        })
    }

    fn run(files: &[(&str, &str)]) -> Result<Found> {
        with(&LabelSettings::default(), Some("0.4.1-12-gabc"), files)
    }

    const BASE: &str =
        "FROM ubuntu:24.04\nLABEL REGISTRY=\"local-only\"\nLABEL IMAGE=\"base\"\nLABEL VERSION=\"0.1.0\"\n";

    #[test]
    fn labels_name_images_and_edges_lead_over_local_only_and_full_names() {
        let found = run(&[
            ("base/Dockerfile", BASE),
            ("app/Dockerfile", "FROM local-only/base:latest\nLABEL IMAGE=\"app\" \\\n  VERSION=1.0\n"),
            ("far/Dockerfile", "FROM r:5000/lab/app:9\nLABEL REGISTRY=reg.example/x/y\nLABEL IMAGE='far'\n"),
            ("leaf/Dockerfile", "FROM reg.example/x/y/far:1\nLABEL IMAGE leaf\n"),
            ("hub/Dockerfile", "FROM nginx:1\nCOPY --from=app / /\nLABEL IMAGE=nginx\n"),
            ("user/Dockerfile", "FROM nginx:1\nLABEL IMAGE=user\n"),
            ("out/Dockerfile", "FROM nginx:1\nLABEL IMAGE=out BUILD_IGNORE=\"True\"\n"),
            ("ci/Dockerfile", "FROM nginx:1\n"),
        ])
        .unwrap();
        assert_eq!(found.warnings, ["kaapana/ci/Dockerfile: not an image of the set, since it has no `LABEL IMAGE=`"]);
        let graph = Graph::new(found.images, &names(), &BTreeMap::new()).unwrap();
        let full: Vec<String> = (0..graph.images.len()).map(|image| graph.full(image, &names())).collect();
        assert_eq!(
            full,
            [
                "local-only/base:latest",
                "r:5000/lab/app:0.4.1-12-gabc",
                "reg.example/x/y/far:0.4.1-12-gabc",
                "r:5000/lab/leaf:0.4.1-12-gabc",
                "r:5000/lab/nginx:0.4.1-12-gabc",
                "r:5000/lab/user:0.4.1-12-gabc"
            ]
        );
        // `FROM nginx:1` and `--from=app` are of Docker Hub.
        assert_eq!(graph.parents, [vec![], vec![0], vec![1], vec![2], vec![], vec![]]);
        assert_eq!(graph.levels(), [0, 1, 2, 3, 0, 0]);
        assert!(!graph.is_pushed(0) && graph.images[0].local_only && graph.is_pushed(1));
        assert_eq!(graph.pinned_dockerfile(1, &names()).lines().next(), Some("FROM local-only/base:latest"));
    }

    #[test]
    fn versions_are_those_of_git_unless_the_label_is_wanted() {
        let tag = |label: &str, git: Option<&str>, of_label: bool| {
            let settings = LabelSettings { version_of_label: of_label, ..LabelSettings::default() };
            let text = format!("FROM a\nLABEL IMAGE=a\nLABEL VERSION=\"{label}\"\n");
            with(&settings, git, &[("a/Dockerfile", &text)]).unwrap().images.remove(0).own_tag
        };
        assert_eq!(tag("1.0", Some("2.0"), false).as_deref(), Some("2.0"));
        assert_eq!(tag("1.0", Some("2.0"), true).as_deref(), Some("1.0"));
        for placeholder in ["{{ version }}", "$VERSION", "__VERSION__", "<version>", ""] {
            assert_eq!(tag(placeholder, Some("2.0"), true).as_deref(), Some("2.0"), "{placeholder}");
        }
        assert_eq!(tag("1.0", None, false).as_deref(), Some("1.0"));
        assert_eq!(tag("$V", None, false), None);
        let found = with(&LabelSettings::default(), None, &[("a/Dockerfile", "FROM a\nLABEL IMAGE=a\n")]).unwrap();
        assert!(found.warnings[0].contains("for 1 images; they have the run's tag"), "{:?}", found.warnings);
    }

    #[test]
    fn what_cannot_be_named_is_told_with_its_line() {
        let error = run(&[
            ("a/Dockerfile", BASE),
            ("b/Dockerfile", BASE),
            ("c/Dockerfile", "FROM a\nLABEL IMAGE=c\nLABEL REGISTRY=https://r/x\n"),
            ("d/Dockerfile", "FROM a\nLABEL IMAGE=D\n"),
        ])
        .unwrap_err();
        assert_eq!(
            error.notes,
            [
                "kaapana/b/Dockerfile:3: the name `base` is already taken by kaapana/a/Dockerfile:3",
                "kaapana/c/Dockerfile:3: `LABEL REGISTRY=https://r/x`: a registry has no scheme; expected \
                 `host:port/namespace` or `local-only`",
                "kaapana/d/Dockerfile:2: `D` cannot be an image's name: use lower case letters, digits, `.`, `_`, `-`",
            ]
        );
        let found = run(&[("a/Dockerfile", "FROM local-only/gone:latest\nLABEL IMAGE=a\nLABEL REGISTRY=local-only\n")]);
        let error = Graph::new(found.unwrap().images, &Names::default(), &BTreeMap::new()).unwrap_err();
        assert!(error.message.contains("no image `gone` in the tree"), "{}", error.message);
    }

    #[test]
    fn labels_are_read_as_docker_reads_them() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let file = Dockerfile::parse(format!("FROM a\nLABEL {text}\n")).unwrap();
            let found = pairs(&file.instructions[1]);
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("A=1 B=\"two words\" C='x'", &[("A", "1"), ("B", "two words"), ("C", "x")]);
        check("A old form", &[("A", "old form")]);
        check("A=\"\" B=a\\ b", &[("A", ""), ("B", "a b")]);
        check("A=\"a=b\"", &[("A", "a=b")]);
    }
}
