//! A tree of Dockerfiles: each is an image, named by its folder or by a template of its path.

use std::path::{Path, PathBuf};

use super::super::def::ImageDef;
use super::super::discover::{Collector, Found};
use super::path_pattern::PathPatterns;
use super::placeholders::{Piece, pieces};
use crate::diag::{Diagnostic, Result};

/// What a name is made of; [`TreeSettings::new`] says what each stands for.
const PLACEHOLDERS: &[&str] = &["dir", "parent", "path", "file", "root"];

/// Characters between the parts of a name.
const SEPARATORS: [char; 3] = ['-', '_', '.'];

/// How a tree is read.
#[derive(Clone, Debug)]
pub struct TreeSettings {
    name: Vec<Piece>,
    files: Vec<FilePattern>,
    ignore: PathPatterns,
}

/// `Dockerfile`, `Dockerfile.*`, `*.Dockerfile`: at most one star.
#[derive(Clone, Debug)]
struct FilePattern {
    before: String,
    /// What follows the star; `None` without one.
    after: Option<String>,
}

impl FilePattern {
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = match text.split_once('*') {
            Some((before, after)) => (before, Some(after.to_owned())),
            None => (text, None),
        };
        let plain = |text: &str| !text.contains(['*', '?', '/', '[']);
        let good = !text.is_empty() && text != "*" && plain(before) && after.as_deref().is_none_or(plain);
        good.then(|| Self { before: before.to_owned(), after })
    }

    /// What the star stands for, without separators around it.
    fn matches<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(self.before.as_str())?;
        match &self.after {
            None => rest.is_empty().then_some(""),
            Some(after) => rest.strip_suffix(after.as_str()).map(|found| found.trim_matches(SEPARATORS)),
        }
    }
}

impl Default for TreeSettings {
    fn default() -> Self {
        Self {
            name: vec![Piece::Name("dir"), Piece::Text("-".to_owned()), Piece::Name("file")],
            files: vec![FilePattern { before: "Dockerfile".to_owned(), after: None }],
            ignore: PathPatterns::default(),
        }
    }
}

impl TreeSettings {
    /// Settings of a user. `name` is a template of the image's name (default `{{ dir }}-{{ file }}`):
    ///
    /// | placeholder | stands for, with `services/web/api/Dockerfile.debug` of the tree `images` |
    /// |---|---|
    /// | `{{ dir }}` | the folder's name: `api`; the tree's own name in its root |
    /// | `{{ parent }}` | the name of the folder above it: `web`; empty at the top |
    /// | `{{ path }}` | all folders joined by `-`: `services-web-api` |
    /// | `{{ file }}` | what the star of the Dockerfile's pattern stands for: `debug` |
    /// | `{{ root }}` | the tree's own name: `images` |
    ///
    /// An empty placeholder takes the separator (`-`, `_`, `.`) behind it along, or the one before it at the end.
    /// `files` are names of Dockerfiles (default `Dockerfile`), each with at most one `*`. `ignore` are
    /// [`PathPatterns`].
    pub fn new(name: Option<&str>, files: &[String], ignore: &[String]) -> Result<Self> {
        let bad = |text: String| Diagnostic::task("B0050", text);
        let mut settings = Self::default();
        if let Some(template) = name {
            let found = pieces(template, PLACEHOLDERS).map_err(|mistake| {
                bad(format!("the name's template `{template}`: {}", mistake.message)).with_hint(mistake.hint)
            })?;
            settings.name = found.into_iter().map(|(piece, _)| piece).collect();
            if !settings.name.iter().any(|piece| matches!(piece, Piece::Name(_))) {
                return Err(bad(format!("the name's template `{template}` gives every image the same name"))
                    .with_hint("use a placeholder, for example `{{ parent }}-{{ dir }}`"));
            }
        }
        if !files.is_empty() {
            let read = |text: &String| {
                FilePattern::parse(text).ok_or_else(|| {
                    bad(format!("`{text}` is no pattern of a Dockerfile's name: expected a name with at most one `*`"))
                        .with_hint("for example `Dockerfile.*`, `*.Dockerfile` or `Containerfile`")
                })
            };
            settings.files = files.iter().map(read).collect::<Result<_>>()?;
        }
        settings.ignore = PathPatterns::new(ignore)
            .map_err(|text| bad(text).with_hint("a pattern names folders or files, for example `docs` or `build*`"))?;
        Ok(settings)
    }

    /// Those of the files that are Dockerfiles of images, with what a pattern's star stands for, in their order.
    pub(super) fn dockerfiles<'a>(&'a self, files: &'a [PathBuf]) -> impl Iterator<Item = (&'a Path, &'a str)> {
        files.iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            // Rules for the context of a Dockerfile are none themselves.
            if name.ends_with(".dockerignore") {
                return None;
            }
            let star = self.files.iter().find_map(|pattern| pattern.matches(name))?;
            (!self.ignore.matches(path)).then_some((path.as_path(), star))
        })
    }

    /// True for a path that would be an image's Dockerfile.
    pub fn is_dockerfile(&self, path: &Path) -> bool {
        self.dockerfiles(std::slice::from_ref(&path.to_path_buf())).next().is_some()
    }

    /// The name of the image in a folder of the tree.
    fn name(&self, folder: &Path, star: &str, root: &str) -> String {
        let parts: Vec<String> = folder.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let value = |name: &str| match name {
            "dir" => parts.last().cloned().unwrap_or_else(|| root.to_owned()),
            "parent" => parts.len().checked_sub(2).map(|at| parts[at].clone()).unwrap_or_default(),
            "path" => parts.join("-"),
            "file" => star.to_owned(),
            _ => root.to_owned(),
        };
        let mut made = String::new();
        let mut emptied = false;
        for piece in &self.name {
            match piece {
                Piece::Text(text) => {
                    let text = if emptied { text.strip_prefix(SEPARATORS).unwrap_or(text) } else { text };
                    made.push_str(text);
                    emptied = false;
                }
                Piece::Name(name) => {
                    let value = value(name);
                    emptied = value.is_empty();
                    made.push_str(&value);
                }
            }
        }
        if emptied && let Some(kept) = made.strip_suffix(SEPARATORS) {
            made.truncate(kept.len());
        }
        made
    }
}

/// What the images of a tree are, in path order. `files` are the tree's regular files relative to it;
/// `shown` is the tree as the user wrote it; `root_name` is its folder's name. All that is wrong is told together.
pub fn tree(
    files: &[PathBuf],
    shown: &str,
    root_name: &str,
    settings: &TreeSettings,
    read: &dyn Fn(&Path) -> Result<String>,
) -> Result<Found> {
    let mut images = Collector::default();
    let shown = shown.trim_end_matches('/');
    let mut any = false;
    for (path, star) in settings.dockerfiles(files) {
        any = true;
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = settings.name(folder, star, root_name);
        let file = format!("{shown}/{}", path.display());
        if !images.take(&name, &file) {
            continue;
        }
        if let Some(dockerfile) = images.parse(&file, read(path)?) {
            let inside = path.strip_prefix(folder).unwrap_or(path);
            images.add(ImageDef::new(name, folder, inside, file, dockerfile));
        }
    }
    let found = images.finish()?;
    if !any {
        return Err(none(shown, settings));
    }
    Ok(found)
}

/// The error for a tree without images.
pub(super) fn none(shown: &str, settings: &TreeSettings) -> Diagnostic {
    let shown = if shown.is_empty() { "/" } else { shown };
    let error = Diagnostic::task("B0001", format!("no Dockerfile in `{shown}`"));
    let plain = matches!(settings.files.as_slice(), [one] if one.before == "Dockerfile" && one.after.is_none());
    if plain {
        return error
            .with_hint("each image is a folder with a file named `Dockerfile`; the folder's name is the image's name");
    }
    let names: Vec<String> = settings
        .files
        .iter()
        .map(|pattern| match &pattern.after {
            Some(after) => format!("`{}*{after}`", pattern.before),
            None => format!("`{}`", pattern.before),
        })
        .collect();
    error.with_hint(format!("looked for files of the name {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &TreeSettings, files: &[(&str, &str)]) -> Result<Found> {
        let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.into()).collect();
        tree(&paths, "images/", "images", settings, &|path| {
            Ok(files.iter().find(|(name, _)| Path::new(name) == path).unwrap().1.to_owned())
        })
    }

    fn run(files: &[(&str, &str)]) -> Result<Found> {
        with(&TreeSettings::default(), files)
    }

    fn names(found: &Found) -> Vec<&str> {
        found.images.iter().map(|image| image.name.as_str()).collect()
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn folders_with_a_dockerfile_are_images() {
        let found = run(&[
            ("Dockerfile", "FROM scratch"),
            ("app/Dockerfile", "# syntax=docker/dockerfile:1\nFROM base"),
            ("app/file", ""),
            ("deep/er/base/Dockerfile", "FROM scratch"),
        ])
        .unwrap();
        let shown: Vec<_> = found.images.iter().map(|image| (image.name.as_str(), image.shown.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("images", "images/Dockerfile"),
                ("app", "images/app/Dockerfile"),
                ("base", "images/deep/er/base/Dockerfile")
            ]
        );
        assert_eq!(found.warnings.len(), 1);
        assert!(found.warnings[0].starts_with("images/app/Dockerfile:1:"), "{:?}", found.warnings);
    }

    #[test]
    fn every_mistake_is_told_with_its_file() {
        let error = run(&[
            ("a/x/Dockerfile", "FROM scratch"),
            ("b/x/Dockerfile", "FROM scratch"),
            ("Up/Dockerfile", "FROM scratch"),
            ("c/Dockerfile", "RUN x"),
        ])
        .unwrap_err();
        assert_eq!(
            error.notes,
            [
                "images/b/x/Dockerfile: the name `x` is already taken by images/a/x/Dockerfile",
                "images/Up/Dockerfile: `Up` cannot be an image's name: use lower case letters, digits, `.`, `_`, `-`",
                "images/c/Dockerfile:1: expected `FROM` or `ARG`, found `RUN`",
            ]
        );
        assert_eq!(run(&[("a/file", "")]).unwrap_err().code, "B0001");
    }

    #[test]
    fn names_come_from_a_template_of_the_path() {
        let files = [
            ("web/api/Dockerfile", "FROM scratch"),
            ("db/api/Dockerfile", "FROM scratch"),
            ("base/Dockerfile", "FROM scratch"),
            ("Dockerfile", "FROM scratch"),
        ];
        let named = |template: &str| with(&TreeSettings::new(Some(template), &[], &[]).unwrap(), &files);
        assert_eq!(names(&named("{{ parent }}-{{ dir }}").unwrap()), ["web-api", "db-api", "base", "images"]);
        assert_eq!(names(&named("x_{{ path }}").unwrap()), ["x_web-api", "x_db-api", "x_base", "x"]);
        assert_eq!(names(&named("{{root}}.{{dir}}-{{parent}}").unwrap())[..2], ["images.api-web", "images.api-db"]);
        assert!(named("{{ dir }}").unwrap_err().message.contains("already taken"));
        let error = TreeSettings::new(Some("{{ drr }}"), &[], &[]).unwrap_err();
        assert_eq!((error.code.as_ref(), error.hints[0].as_str()), ("B0050", "did you mean `{{ dir }}`?"));
        assert!(TreeSettings::new(Some("x"), &[], &[]).is_err());
    }

    #[test]
    fn other_names_of_dockerfiles_are_images_of_their_own() {
        let files = [
            ("app/Dockerfile", "FROM scratch"),
            ("app/Dockerfile.debug", "FROM scratch"),
            ("app/Dockerfile.debug.dockerignore", "x"),
            ("app/slim.Dockerfile", "FROM scratch"),
            ("base/Containerfile", "FROM scratch"),
        ];
        let patterns = owned(&["Dockerfile", "Dockerfile.*", "*.Dockerfile", "Containerfile"]);
        let found = with(&TreeSettings::new(None, &patterns, &[]).unwrap(), &files).unwrap();
        assert_eq!(names(&found), ["app", "app-debug", "app-slim", "base"]);
        assert_eq!(found.images[1].dockerfile_path, Path::new("Dockerfile.debug"));
        assert_eq!(found.images[1].context, Path::new("app"));
        for bad in ["", "*", "a/b", "a*b*", "D?"] {
            assert!(TreeSettings::new(None, &owned(&[bad]), &[]).is_err(), "{bad}");
        }
        let settings = TreeSettings::new(None, &owned(&["Containerfile"]), &[]).unwrap();
        let error = with(&settings, &files[..1]).unwrap_err();
        assert_eq!(error.hints, ["looked for files of the name `Containerfile`"]);
    }

    #[test]
    fn ignored_are_components_and_never_parts_of_them() {
        let files = [
            ("build/Dockerfile", "RUN broken"),
            ("rebuild/Dockerfile", "FROM scratch"),
            ("build-env/Dockerfile", "FROM scratch"),
        ];
        let found = with(&TreeSettings::new(None, &[], &owned(&["build"])).unwrap(), &files).unwrap();
        assert_eq!(names(&found), ["rebuild", "build-env"]);
        let found = with(&TreeSettings::new(None, &[], &owned(&["build*"])).unwrap(), &files).unwrap();
        assert_eq!(names(&found), ["rebuild"]);
        assert_eq!(TreeSettings::new(None, &[], &owned(&["**"])).unwrap_err().code, "B0050");
    }
}
