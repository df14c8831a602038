//! `hostctl tags`: which tag files there are, and what is in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::project::{ProjectRequest, open};
use crate::diag::read::read_source_text;
use crate::diag::{Diagnostic, Kind, Result, SourceMap};
use crate::environment::Project;
use crate::image::tagfile;
use crate::image::tagrows::{TagRow, rows};

/// How the documentation names an environment's tag file.
const USUAL: &str = "image-tags.yml";

/// A tag file and its rows.
#[derive(Clone, Debug)]
pub struct TagFileView {
    /// The environment that names it, unless the file was given.
    pub environment: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub rows: Vec<TagRow>,
}

/// The tag files that words name, each an environment or a file; those of `--env`, or of all environments that name
/// one, if there are no words.
pub fn tag_files(request: &ProjectRequest, words: &[String], sources: &Arc<SourceMap>) -> Result<Vec<TagFileView>> {
    let mut found = Vec::new();
    for word in words {
        let path = Path::new(word);
        let names_file =
            path.is_file() || word.contains('/') || path.extension().is_some_and(|end| end == "yml" || end == "yaml");
        found.push(if names_file {
            view(None, path.to_path_buf())?
        } else {
            let path = of_environment(request, word, sources)?.ok_or_else(|| unnamed(word))?;
            view(Some(word), path)?
        });
    }
    if let (true, Some(name)) = (words.is_empty(), &request.env) {
        let path = of_environment(request, name, sources)?.ok_or_else(|| unnamed(name))?;
        found.push(view(Some(name), path)?);
    } else if words.is_empty() {
        let (project, mut unread) = (project(request)?, None);
        for name in project.names() {
            // An environment that was not built yet is not missed here.
            match of_environment(request, &name, sources)? {
                Some(path) if path.exists() => found.push(view(Some(&name), path)?),
                None if unread.is_none() && lies_there(&project.root, &name) => unread = Some(name),
                _ => {}
            }
        }
        if let (true, Some(name)) = (found.is_empty(), unread) {
            return Err(unnamed(&name).with_note(format!("`environments/{name}/{USUAL}` is there")));
        }
        if found.is_empty() {
            return Err(Diagnostic::new("B0080", Kind::Usage, "no environment of this project has a tag file")
                .with_hint(
                    "name one: `hostctl tags show FILE`; the first image build of an environment writes its own",
                ));
        }
    }
    Ok(found)
}

fn project(request: &ProjectRequest) -> Result<Project> {
    match &request.project {
        Some(dir) => Project::at(dir),
        None => Project::discover(&std::env::current_dir().unwrap_or_default()),
    }
}

/// The tag file that an environment or one of its parents names. Nothing is started and nothing unsealed for it.
fn of_environment(request: &ProjectRequest, name: &str, sources: &Arc<SourceMap>) -> Result<Option<PathBuf>> {
    let root = project(request)?.root;
    let request = ProjectRequest {
        env: Some(name.to_owned()),
        project: Some(root.clone()),
        inventory: vec!["localhost,".to_owned()],
        inert: true,
        ..request.clone()
    };
    Ok(open(&request, &root.join("playbook.yml"), sources, false)?.tag_file)
}

/// An environment that names no tag file has one of the usual name.
fn lies_there(root: &Path, environment: &str) -> bool {
    root.join("environments").join(environment).join(USUAL).is_file()
}

fn unnamed(environment: &str) -> Diagnostic {
    Diagnostic::new("B0080", Kind::Usage, format!("the environment `{environment}` names no tag file"))
        .with_hint(format!("tag_file: {USUAL}   # in environments/{environment}/environment.yml"))
}

fn view(environment: Option<&str>, path: PathBuf) -> Result<TagFileView> {
    let text = read_source_text(&path).map_err(|error| {
        let text = format!("the tag file `{}` cannot be read: {error}", path.display());
        let problem = Diagnostic::local("B0080", text);
        match error.kind() {
            std::io::ErrorKind::NotFound => problem.with_hint("the first image build with `push` writes it"),
            _ => problem,
        }
    })?;
    let rows = parse(&text).map_err(|error| error.with_note(format!("in `{}`", path.display())))?;
    Ok(TagFileView { environment: environment.map(str::to_owned), path, rows })
}

/// The rows of a tag file's text.
pub(super) fn parse(text: &str) -> Result<Vec<TagRow>> {
    tagfile::read(text).map(|value| rows(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_file_that_its_environment_does_not_name_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let environment = folder.path().join("environments/nu");
        std::fs::create_dir_all(&environment).unwrap();
        std::fs::write(environment.join("environment.yml"), "{}\n").unwrap();
        let request = ProjectRequest { project: Some(folder.path().to_owned()), ..ProjectRequest::default() };
        let show = || tag_files(&request, &[], &Arc::new(SourceMap::default()));
        let none = show().unwrap_err();
        assert_eq!(none.message, "no environment of this project has a tag file");
        std::fs::write(environment.join(USUAL), "").unwrap();
        let unread = show().unwrap_err();
        assert_eq!(unread.message, "the environment `nu` names no tag file");
        assert_eq!(unread.notes, ["`environments/nu/image-tags.yml` is there"]);
        assert_eq!(unread.hints, ["tag_file: image-tags.yml   # in environments/nu/environment.yml"]);
        std::fs::write(environment.join("environment.yml"), "tag_file: image-tags.yml\n").unwrap();
        assert_eq!(show().unwrap()[0].environment.as_deref(), Some("nu"));
    }
}
