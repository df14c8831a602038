//! One image as it is defined, wherever the definition came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::dockerfile::Dockerfile;

/// What an image is made from. Trees of Dockerfiles give these; other sources will give the same.
#[derive(Clone, Debug)]
pub struct ImageDef {
    /// The bare name, unique in the run.
    pub name: String,
    /// The context's folder, relative to the tree's root.
    pub context: PathBuf,
    /// The Dockerfile's path inside the context.
    pub dockerfile_path: PathBuf,
    /// The Dockerfile's name for people (`images/app/Dockerfile`).
    pub shown: String,
    /// What it says.
    pub dockerfile: Dockerfile,
    /// Build arguments of this image alone; they win over those of the run.
    pub args: BTreeMap<String, String>,
    /// Labels of this image alone.
    pub labels: BTreeMap<String, String>,
    /// It is pushed if the run pushes.
    pub push: bool,
}

impl ImageDef {
    /// A place in the image's Dockerfile.
    pub fn place(&self, line: usize) -> Place {
        Place { file: self.shown.clone(), line, text: self.dockerfile.line(line).trim().to_owned() }
    }

    /// The run's build arguments with this image's own over them.
    pub fn effective_args(&self, run: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut args = run.clone();
        args.extend(self.args.clone());
        args
    }
}

/// A line of a Dockerfile on the host, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As people know it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}
