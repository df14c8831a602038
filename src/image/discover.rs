//! Finds images in a tree of Dockerfiles: each folder with one is an image of the folder's name.

use std::path::{Path, PathBuf};

use super::def::ImageDef;
use super::dockerfile::Dockerfile;
use super::names::valid_name;
use crate::diag::{Diagnostic, Result};

/// What the images of a tree are, in path order, and warnings. `files` are the tree's regular files;
/// `shown` is the tree as the user wrote it; `root_name` names an image that lies in the root itself.
/// All that is wrong is told together.
pub fn tree(
    files: &[PathBuf],
    shown: &str,
    root_name: &str,
    read: &dyn Fn(&Path) -> Result<String>,
) -> Result<(Vec<ImageDef>, Vec<String>)> {
    let mut images: Vec<ImageDef> = Vec::new();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let shown = shown.trim_end_matches('/');
    for path in files.iter().filter(|path| path.file_name().is_some_and(|name| name == "Dockerfile")) {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = folder.file_name().map_or(root_name.into(), |name| name.to_string_lossy()).into_owned();
        let file = format!("{shown}/{}", path.display());
        if !valid_name(&name) {
            problems.push(format!(
                "{file}: `{name}` cannot be an image's name: use lower case letters, digits, `.`, `_`, `-`"
            ));
            continue;
        }
        if let Some(other) = images.iter().find(|image| image.name == name) {
            problems.push(format!("{file}: the name `{name}` is already taken by {}", other.shown));
            continue;
        }
        let dockerfile = match Dockerfile::parse(read(path)?) {
            Ok(dockerfile) => dockerfile,
            Err(problem) => {
                problems.push(format!("{file}:{}: {}", problem.line, problem.message));
                continue;
            }
        };
        if let Some((frontend, line)) = &dockerfile.syntax {
            warnings.push(format!(
                "{file}:{line}: `# syntax={frontend}` pulls this frontend from a registry in every build"
            ));
        }
        images.push(ImageDef::new(name, folder, "Dockerfile", file, dockerfile));
    }
    if !problems.is_empty() {
        return Err(all("B0002", "the image tree has mistakes", problems));
    }
    if images.is_empty() {
        return Err(Diagnostic::task("B0001", format!("no Dockerfile in `{shown}`")).with_hint(
            "each image is a folder with a file named `Dockerfile`; the folder's name is the image's name",
        ));
    }
    Ok((images, warnings))
}

/// One diagnostic for many problems: a single one is the message itself.
pub(super) fn all(code: &'static str, message: &str, mut problems: Vec<String>) -> Diagnostic {
    if problems.len() == 1 {
        return Diagnostic::task(code, problems.remove(0));
    }
    let count = problems.len();
    problems.into_iter().fold(Diagnostic::task(code, format!("{message} ({count})")), Diagnostic::with_note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(files: &[(&str, &str)]) -> Result<(Vec<ImageDef>, Vec<String>)> {
        let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.into()).collect();
        tree(&paths, "images/", "images", &|path| {
            Ok(files.iter().find(|(name, _)| Path::new(name) == path).unwrap().1.to_owned())
        })
    }

    #[test]
    fn folders_with_a_dockerfile_are_images() {
        let (images, warnings) = run(&[
            ("Dockerfile", "FROM scratch"),
            ("app/Dockerfile", "# syntax=docker/dockerfile:1\nFROM base"),
            ("app/file", ""),
            ("deep/er/base/Dockerfile", "FROM scratch"),
        ])
        .unwrap();
        let names: Vec<_> = images.iter().map(|image| (image.name.as_str(), image.shown.as_str())).collect();
        assert_eq!(
            names,
            [
                ("images", "images/Dockerfile"),
                ("app", "images/app/Dockerfile"),
                ("base", "images/deep/er/base/Dockerfile")
            ]
        );
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("images/app/Dockerfile:1:"), "{warnings:?}");
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
}
