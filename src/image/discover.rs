//! Collects the images of a source: each name once, Dockerfiles read, all that is wrong told together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::def::ImageDef;
use super::dockerfile::Dockerfile;
use super::names::valid_name;
use super::sources::{self, TreeSettings};
use crate::diag::{Diagnostic, Result};

/// What a source holds, in file order.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The images.
    pub images: Vec<ImageDef>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What the images of a tree are, in path order, and warnings: [`sources::tree`] with its defaults.
pub fn tree(
    files: &[PathBuf],
    shown: &str,
    root_name: &str,
    read: &dyn Fn(&Path) -> Result<String>,
) -> Result<(Vec<ImageDef>, Vec<String>)> {
    let found = sources::tree(files, shown, root_name, &TreeSettings::default(), read)?;
    Ok((found.images, found.warnings))
}

/// Takes images one by one.
#[derive(Default)]
pub(super) struct Collector {
    found: Found,
    /// Names and what has them.
    taken: HashMap<String, String>,
    problems: Vec<String>,
}

impl Collector {
    pub(super) fn warn(&mut self, text: String) {
        self.found.warnings.push(text);
    }

    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    /// True if a name can be taken by what is `shown`; otherwise the reason is noted.
    pub(super) fn take(&mut self, name: &str, shown: &str) -> bool {
        if !valid_name(name) {
            self.problem(format!(
                "{shown}: `{name}` cannot be an image's name: use lower case letters, digits, `.`, `_`, `-`"
            ));
            return false;
        }
        if let Some(other) = self.taken.get(name) {
            let text = format!("{shown}: the name `{name}` is already taken by {other}");
            self.problem(text);
            return false;
        }
        self.taken.insert(name.to_owned(), shown.to_owned());
        true
    }

    /// Reads a Dockerfile; a mistake in it is noted.
    pub(super) fn parse(&mut self, shown: &str, text: String) -> Option<Dockerfile> {
        match Dockerfile::parse(text) {
            Ok(dockerfile) => {
                if let Some((frontend, line)) = &dockerfile.syntax {
                    self.warn(format!(
                        "{shown}:{line}: `# syntax={frontend}` pulls this frontend from a registry in every build"
                    ));
                }
                Some(dockerfile)
            }
            Err(problem) => {
                self.problem(format!("{shown}:{}: {}", problem.line, problem.message));
                None
            }
        }
    }

    pub(super) fn add(&mut self, image: ImageDef) {
        self.found.images.push(image);
    }

    /// All images, or all that is wrong with them.
    pub(super) fn finish(self) -> Result<Found> {
        if self.problems.is_empty() {
            Ok(self.found)
        } else {
            Err(all("B0002", "the image tree has mistakes", self.problems))
        }
    }
}

/// One diagnostic for many problems: a single one is the message itself.
pub(super) fn all(code: &'static str, message: &str, mut problems: Vec<String>) -> Diagnostic {
    if problems.len() == 1 {
        return Diagnostic::task(code, problems.remove(0));
    }
    let count = problems.len();
    problems.into_iter().fold(Diagnostic::task(code, format!("{message} ({count})")), Diagnostic::with_note)
}
