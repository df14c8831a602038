//! `requirements.yml` as ansible-galaxy reads it: a list of roles, or a mapping with `roles` and `collections`.
//!
//! The same reader takes the dependencies that roles and collections name. It looks at paths, and fetches nothing.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::{self, Address, Source};
use super::{Request, Sort};
use crate::diag::read::read_source_text;
use crate::diag::{Diagnostic, Result, SourceFile, SourceMap, Span};
use crate::secret::Redactor;
use crate::yaml::{LoadOptions, Node, load};

/// How deep `include` may lead.
const DEEPEST: usize = 8;
/// How many files may be included.
const MOST_INCLUDED: usize = 200;

/// Something that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    /// Role or collection.
    pub sort: Sort,
    /// The name; a collection of a git repository, an archive or a folder says it itself.
    pub name: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// The same in the lock and in messages.
    pub written: String,
    /// The version as it was asked for; empty if any will do. A branch, tag or commit of a repository.
    pub version: String,
    /// Where it is asked for.
    pub span: Span,
    /// Who asks, if it is not the file itself: `role nginx`.
    pub by: Option<String>,
    /// A range of a dependency, not a demand of the file: what is there already may be newer.
    pub dependency: bool,
}

/// What the reader needs to know around a text.
pub(super) struct Around<'a> {
    pub sources: &'a Arc<SourceMap>,
    pub redactor: &'a Redactor,
    /// The folder that relative paths may be meant from.
    pub beside: PathBuf,
    pub by: Option<String>,
    /// Files that were included.
    pub included: Cell<usize>,
}

/// Reads the file of a request; all that is wrong with it.
pub(super) fn read(request: &Request<'_>, warnings: &mut Vec<Diagnostic>) -> Result<Vec<Requirement>, Vec<Diagnostic>> {
    let beside = request.file.parent().map(Path::to_path_buf).unwrap_or_default();
    let around =
        Around { sources: request.sources, redactor: request.redactor, beside, by: None, included: Cell::new(0) };
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    match text_of(request.file) {
        Ok(text) => {
            let file = around.add(&request.file.display().to_string(), Some(request.file), text);
            whole(&file, &around, &mut found, &mut wrong);
        }
        Err(error) => wrong.push(error),
    }
    let (errors, odd): (Vec<Diagnostic>, Vec<Diagnostic>) = wrong.into_iter().partition(Diagnostic::is_error);
    warnings.extend(odd);
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn text_of(path: &Path) -> Result<String> {
    read_source_text(path).map_err(|error| {
        Diagnostic::source("D0001", format!("the requirements file `{}` cannot be read: {error}", path.display()))
            .with_hint("name another with `-r FILE`")
    })
}

impl Around<'_> {
    /// Adds a text to the sources, after its credentials were learned.
    pub fn add(&self, name: &str, path: Option<&Path>, text: String) -> Arc<SourceFile> {
        source::learn(&text, self.redactor);
        self.sources.add(name, path, text)
    }

    fn requirement(&self, sort: Sort, name: Option<String>, span: Span) -> Requirement {
        Requirement {
            sort,
            name,
            source: Source::Galaxy,
            written: "galaxy".to_owned(),
            version: String::new(),
            span,
            by: self.by.clone(),
            dependency: self.by.is_some(),
        }
    }
}

/// The file as a whole, in either form.
fn whole(file: &Arc<SourceFile>, around: &Around<'_>, found: &mut Vec<Requirement>, wrong: &mut Vec<Diagnostic>) {
    let (node, mut diagnostics) = load(around.sources, file, &LoadOptions::default()).single(file);
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    wrong.append(&mut diagnostics);
    if broken {
        return;
    }
    if node.is_null() {
        let text = format!("no requirements are in `{}`", file.name);
        wrong.push(Diagnostic::source("D0002", text).with_hint("list `roles:` and `collections:` in it"));
        return;
    }
    document(&node, around, found, wrong, 0);
}

/// A list of roles, or a mapping with both.
pub(super) fn document(
    node: &Node,
    around: &Around<'_>,
    found: &mut Vec<Requirement>,
    wrong: &mut Vec<Diagnostic>,
    depth: usize,
) {
    if node.as_list().is_some() {
        roles(node, around, found, wrong, depth);
    } else if let Some(pairs) = node.as_map() {
        for (key, value) in pairs {
            match key.as_str() {
                Some("roles") => roles(value, around, found, wrong, depth),
                Some("collections") => collections(value, around, found, wrong),
                _ => {
                    let name = key.as_scalar().map_or_else(|| key.type_name().to_owned(), |key| key.text.to_string());
                    wrong.push(
                        Diagnostic::source("D0002", format!("a requirements file has no key `{name}`"))
                            .with_label(key.place(), "unknown key")
                            .with_hint("known here: `roles`, `collections`"),
                    );
                }
            }
        }
    } else {
        let text = format!(
            "expected a list of roles, or a mapping with `roles` and `collections`, found {}",
            node.type_name()
        );
        wrong.push(Diagnostic::source("D0002", text).with_label(node.place(), "not requirements").with_hint(EXAMPLE));
    }
}

const EXAMPLE: &str = "for example `roles: [{src: git+https://HOST/REPO.git, version: v1.0, name: NAME}]`";

fn items<'a>(node: &'a Node, what: &str, wrong: &mut Vec<Diagnostic>) -> &'a [Node] {
    if node.is_null() {
        return &[];
    }
    node.as_list().unwrap_or_else(|| {
        let text = format!("expected a list of {what}, found {}", node.type_name());
        wrong.push(
            Diagnostic::source("D0002", text).with_label(node.place(), "not a list").with_hint("begin each with `- `"),
        );
        &[]
    })
}

/// A list of roles.
pub(super) fn roles(
    node: &Node,
    around: &Around<'_>,
    found: &mut Vec<Requirement>,
    wrong: &mut Vec<Diagnostic>,
    depth: usize,
) {
    for item in items(node, "roles", wrong) {
        match item.get("include").filter(|_| around.by.is_none()) {
            Some(path) => include(path, around, found, wrong, depth),
            None => match role(item, around) {
                Ok((role, mut odd)) => {
                    wrong.append(&mut odd);
                    found.push(role);
                }
                Err(error) => wrong.push(error),
            },
        }
    }
}

fn include(path: &Node, around: &Around<'_>, found: &mut Vec<Requirement>, wrong: &mut Vec<Diagnostic>, depth: usize) {
    let Some(text) = path.as_str() else {
        wrong.push(crate::yaml::wrong_type(path, "`include`", "the path of a file"));
        return;
    };
    let place = source::local(text, &around.beside);
    let label = |error: Diagnostic| error.with_label(path.place(), "included here");
    let count = around.included.get();
    around.included.set(count.saturating_add(1));
    if depth >= DEEPEST || count >= MOST_INCLUDED {
        // Told once, and nothing more is included.
        around.included.set(usize::MAX);
        let text = match count {
            usize::MAX => return,
            MOST_INCLUDED.. => format!("more than {MOST_INCLUDED} requirements files are included"),
            _ => "requirements files include each other too deeply".to_owned(),
        };
        wrong.push(label(Diagnostic::source("D0002", text)).with_hint("name the roles in one file"));
        return;
    }
    match text_of(&place) {
        Ok(text) => {
            let file = around.add(&place.display().to_string(), Some(&place), text);
            let (node, mut diagnostics) = load(around.sources, &file, &LoadOptions::default()).single(&file);
            let broken = diagnostics.iter().any(Diagnostic::is_error);
            wrong.append(&mut diagnostics);
            if !broken {
                roles(&node, around, found, wrong, depth + 1);
            }
        }
        Err(error) => wrong.push(label(error)),
    }
}

/// The text of a scalar as it was written: `1.10` stays `1.10`.
fn scalar(node: &Node) -> Option<String> {
    let scalar = node.as_scalar().filter(|_| !node.is_null())?;
    Some(scalar.text.trim().to_owned())
}

/// A role: `SRC[,VERSION[,NAME]]`, or a mapping.
pub(super) fn role(node: &Node, around: &Around<'_>) -> Result<(Requirement, Vec<Diagnostic>)> {
    let wrong = |text: &str| {
        Diagnostic::source("D0002", text.to_owned()).with_label(node.place(), "not a role").with_hint(EXAMPLE)
    };
    let mut odd = Vec::new();
    let (mut name, mut src, mut scm, mut version) = (None, None, None, None);
    let mut place = node.place();
    let mut named_at = None;
    if let Some(text) = scalar(node) {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        match parts[..] {
            [one] => src = Some(one.to_owned()),
            [one, two] => (src, version) = (Some(one.to_owned()), Some(two.to_owned())),
            [one, two, three] => {
                (src, version, name) = (Some(one.to_owned()), Some(two.to_owned()), Some(three.to_owned()));
            }
            _ => return Err(wrong("a role has the form `SRC[,VERSION[,NAME]]`")),
        }
    } else if let Some(pairs) = node.as_map() {
        let mut by_src = false;
        for (key, value) in pairs {
            let slot = match key.as_str() {
                Some("name" | "role") => &mut name,
                Some("src") => &mut src,
                Some("scm") => &mut scm,
                Some("version") => &mut version,
                // A dependency may carry keywords and variables of the role.
                _ if around.by.is_some() => continue,
                _ => {
                    let text = key.as_scalar().map(|key| key.text.to_string()).unwrap_or_default();
                    odd.push(
                        Diagnostic::source("D0003", format!("a role has no key `{text}`: it is not read"))
                            .warning()
                            .with_label(key.place(), "not read")
                            .with_nearest(&text, ["name", "src", "scm", "version", "include"]),
                    );
                    continue;
                }
            };
            if value.is_null() {
                continue;
            }
            let text = scalar(value).ok_or_else(|| crate::yaml::wrong_type(value, "this", "a string"))?;
            if key.as_str() == Some("src") || key.as_str() != Some("version") && !by_src {
                place = value.place();
            }
            by_src |= key.as_str() == Some("src");
            if matches!(key.as_str(), Some("name" | "role")) {
                named_at = Some(value.place());
            }
            *slot = Some(text);
        }
    } else {
        return Err(wrong(&format!("expected a role, found {}", node.type_name())));
    }
    let Some(src) = src.or_else(|| name.clone()).filter(|src| !src.is_empty()) else {
        return Err(wrong("a role needs `src` or `name`"));
    };
    let mut found = around.requirement(Sort::Role, None, place);
    found.version = version.unwrap_or_default();
    let (scm, address) = split_scm(&src, scm);
    found.name = Some(name.filter(|name| !name.is_empty()).unwrap_or_else(|| source::role_name(address)));
    (found.source, found.written) = role_source(scm.as_deref(), address, around, place)?;
    let name = found.name.as_deref().unwrap_or_default();
    if !source::is_name(Sort::Role, name) && !matches!(found.source, Source::Galaxy) {
        return Err(Diagnostic::source("D0002", format!("`{name}` is no name for a role"))
            .with_label(named_at.unwrap_or(place), "the role's folder would have this name")
            .with_hint("give it a `name:` that is that of a folder below the roles' path"));
    }
    Ok((found, odd))
}

/// `git+https://...`: the program, and the address without it.
fn split_scm(src: &str, scm: Option<String>) -> (Option<String>, &str) {
    let scm = scm.filter(|scm| !scm.is_empty());
    match src.split_once('+') {
        Some((word, rest)) if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic()) => {
            (Some(word.to_owned()), rest)
        }
        _ => (scm, src),
    }
}

fn role_source(scm: Option<&str>, address: &str, around: &Around<'_>, place: Span) -> Result<(Source, String)> {
    let ends = |end: &str| address.ends_with(end);
    // As ansible-core: its addresses there are repositories.
    let hub = address.contains("github.com") && address.contains("http") && !ends(".tar.gz");
    match scm {
        None if hub => git(address, String::new(), around, place),
        Some("git") => git(address, String::new(), around, place),
        Some(other) => Err(Diagnostic::source("D0004", format!("roles cannot be fetched by `{other}`"))
            .with_label(place, "not git")
            .with_hint("take the role from a git repository, an archive or a folder")),
        None => {
            if let Some(path) = address.strip_prefix("file://") {
                return on_disk(Path::new(path), address, place);
            }
            if address.contains("://") || address.starts_with("git@") {
                let clean = Address::parse(address, around.redactor);
                let text = if source::is_web(address) && !ends(".git") {
                    "a download from the web is not supported as the source of a role"
                } else {
                    "this address does not say that it is a git repository"
                };
                return Err(Diagnostic::source("D0004", text)
                    .with_label(place, "asked for here")
                    .with_hint(format!("if it is one, write `src: git+{clean}`, or add `scm: git`")));
            }
            let path = source::local(address, &around.beside);
            let looks = address.starts_with(['/', '.', '~']) || ends(".tar.gz") || ends(".tgz");
            if path.is_file() || looks || address.contains('/') && path.is_dir() {
                return on_disk(&path, address, place);
            }
            Ok((Source::Galaxy, "galaxy".to_owned()))
        }
    }
}

fn git(address: &str, folder: String, around: &Around<'_>, place: Span) -> Result<(Source, String)> {
    // A path is meant from here, whatever folder git runs in.
    let path = source::local(address, &around.beside);
    let local = !address.contains("://") && path.is_dir();
    if !local && let Some((what, hint)) = Address::unfit(address, around.redactor) {
        return Err(Diagnostic::source("D0004", what).with_label(place, "this address").with_hint(hint));
    }
    let address = if local { path.display().to_string() } else { address.to_owned() };
    let address = Address::parse(&address, around.redactor);
    let inside = if folder.is_empty() { String::new() } else { format!("#/{folder}") };
    let written = format!("git+{}{inside}", address.url);
    Ok((Source::Git { address, folder }, written))
}

fn on_disk(path: &Path, written: &str, place: Span) -> Result<(Source, String)> {
    let written = written.to_owned();
    if path.is_file() {
        Ok((Source::Archive(path.to_path_buf()), written))
    } else if path.is_dir() {
        Ok((Source::Folder(path.to_path_buf()), written))
    } else {
        Err(Diagnostic::source("D0005", format!("`{}` is not there", path.display()))
            .with_label(place, "asked for here")
            .with_hint("a path is meant from the working folder, else from the folder of the requirements file"))
    }
}

fn collections(node: &Node, around: &Around<'_>, found: &mut Vec<Requirement>, wrong: &mut Vec<Diagnostic>) {
    for item in items(node, "collections", wrong) {
        match collection(item, around) {
            Ok((collection, mut odd)) => {
                wrong.append(&mut odd);
                found.push(collection);
            }
            Err(error) => wrong.push(error),
        }
    }
}

/// What a collection's entry says.
#[derive(Default)]
struct Entry {
    name: Option<String>,
    source: Option<String>,
    version: String,
    kind: Option<String>,
}

/// A collection: its name or source, or a mapping.
fn collection(node: &Node, around: &Around<'_>) -> Result<(Requirement, Vec<Diagnostic>)> {
    let mut entry = Entry::default();
    let mut odd = Vec::new();
    let mut place = node.place();
    if let Some(text) = scalar(node) {
        entry.name = Some(text);
    } else if let Some(pairs) = node.as_map() {
        for (key, value) in pairs {
            let text = || scalar(value).ok_or_else(|| crate::yaml::wrong_type(value, "this", "a string"));
            match key.as_str() {
                _ if value.is_null() => {}
                Some("name") => {
                    entry.name = Some(text()?);
                    if entry.source.is_none() {
                        place = value.place();
                    }
                }
                Some("source") => {
                    entry.source = Some(text()?);
                    place = value.place();
                }
                Some("version") => entry.version = text()?,
                Some("type") => entry.kind = Some(text()?),
                Some("signatures") => {
                    return Err(Diagnostic::source("D0004", "signatures of collections cannot be checked")
                        .with_label(key.place(), "asks for a check that hostctl does not have")
                        .with_hint("remove `signatures`; a commit in the lock file pins the content"));
                }
                _ => {
                    let text = key.as_scalar().map(|key| key.text.to_string()).unwrap_or_default();
                    odd.push(
                        Diagnostic::source("D0003", format!("a collection has no key `{text}`: it is not read"))
                            .warning()
                            .with_label(key.place(), "not read")
                            .with_nearest(&text, ["name", "source", "version", "type", "signatures"]),
                    );
                }
            }
        }
    } else {
        let text = format!("expected a collection, found {}", node.type_name());
        return Err(Diagnostic::source("D0002", text).with_label(node.place(), "not a collection").with_hint(NAMING));
    }
    Ok((entry.requirement(around, place)?, odd))
}

const NAMING: &str = "for example `{name: git+https://HOST/REPO.git, version: v1.0}`, or `{source: PATH, type: dir}`";

/// A collection that another one depends on, by its key in `dependencies`.
pub(super) fn dependency(name: &str, version: &str, around: &Around<'_>, place: Span) -> Result<Requirement> {
    let entry = Entry { name: Some(name.to_owned()), version: version.to_owned(), ..Entry::default() };
    entry.requirement(around, place)
}

impl Entry {
    fn requirement(self, around: &Around<'_>, place: Span) -> Result<Requirement> {
        let mut found = around.requirement(Sort::Collection, None, place);
        found.version = if self.version == "*" { String::new() } else { self.version };
        let full = self.name.as_deref().is_some_and(source::is_full_name);
        let kind = match (&self.kind, &self.name) {
            (Some(kind), _) => kind.as_str(),
            (None, Some(_)) if full => "galaxy",
            (None, Some(name)) if source::is_git(name) => "git",
            (None, Some(name)) if source::is_web(name) => "url",
            (None, Some(name)) => {
                let path = source::local(name, &around.beside);
                if path.is_file() {
                    "file"
                } else if path.is_dir() {
                    "dir"
                } else {
                    return Err(Diagnostic::source(
                        "D0005",
                        format!("`{name}` names no collection, and no file or folder"),
                    )
                    .with_label(place, "neither `NAMESPACE.NAME` nor a source")
                    .with_hint(NAMING));
                }
            }
            (None, None) => {
                return Err(Diagnostic::source("D0002", "a collection needs `name`")
                    .with_label(place, "neither name nor type")
                    .with_hint(NAMING));
            }
        };
        if kind == "galaxy" {
            let Some(name) = self.name.filter(|_| full) else {
                let error = Diagnostic::source("D0002", "a collection of a Galaxy server needs its full `name`");
                return Err(error.with_label(place, "not `NAMESPACE.NAME`").with_hint(NAMING));
            };
            found.name = Some(name);
            return Ok(found);
        }
        // The name may stand where the source does.
        let (source, name) = match (self.source, self.name) {
            (Some(source), name) => (source, name),
            (None, Some(name)) => (name, None),
            (None, None) => {
                let error = Diagnostic::source("D0002", "a collection needs `source` or `name`");
                return Err(error.with_label(place, "no source").with_hint(NAMING));
            }
        };
        found.name = name.filter(|name| source::is_full_name(name));
        (found.source, found.written) = match kind {
            "git" => {
                let (address, version, folder) = source::split_collection(&source);
                if let Some(version) = version {
                    found.version = version;
                }
                if source::leads_out(&folder) {
                    return Err(Diagnostic::source("D0002", format!("`{folder}` is no folder of a repository"))
                        .with_label(place, "leads out of it")
                        .with_hint("write `#/FOLDER` of the repository"));
                }
                git(&address, folder, around, place)?
            }
            "file" | "dir" | "subdirs" => {
                let (on_disk, written) = on_disk(&source::local(&source, &around.beside), &source, place)?;
                let right = match on_disk {
                    Source::Archive(_) => kind == "file",
                    _ => kind != "file",
                };
                if !right {
                    let text = format!("`type: {kind}` is not what `{source}` is");
                    return Err(Diagnostic::source("D0005", text)
                        .with_label(place, format!("this is {}", if kind == "file" { "a folder" } else { "a file" }))
                        .with_hint("`file` is an archive, `dir` a collection, `subdirs` a folder with collections"));
                }
                (on_disk, written.trim_end_matches('/').to_owned())
            }
            "url" => {
                return Err(Diagnostic::source(
                    "D0004",
                    "a download from the web is not supported as the source of a collection",
                )
                .with_label(place, "asked for here")
                .with_hint(
                    "write the address of its git repository: `{name: git+https://HOST/REPO.git, version: TAG}`",
                ));
            }
            other => {
                return Err(Diagnostic::source("D0002", format!("collections have no type `{other}`"))
                    .with_label(place, "of this collection")
                    .with_nearest(other, ["git", "file", "dir", "subdirs", "galaxy", "url"])
                    .with_hint("known: `git`, `file`, `dir`, `subdirs`, `galaxy`"));
            }
        };
        Ok(found)
    }
}

/// What an entry of a lock stands for: its source is as a requirement would have it.
pub(super) fn of_lock(entry: &super::lock::Entry, around: &Around<'_>) -> Result<Requirement> {
    let mut found = around.requirement(entry.sort, Some(entry.name.clone()), entry.span);
    found.version.clone_from(&entry.requested);
    if entry.source == "galaxy" {
        return Ok(found);
    }
    (found.source, found.written) = match (entry.sort, entry.source.strip_prefix("git+")) {
        (Sort::Role, Some(address)) => git(address, String::new(), around, entry.span)?,
        (Sort::Collection, Some(_)) => {
            let (address, _, folder) = source::split_collection(&entry.source);
            git(&address, folder, around, entry.span)?
        }
        (_, None) => on_disk(&source::local(&entry.source, &around.beside), &entry.source, entry.span)?,
    };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each requirement on a line: sort, name, source as locked, version.
    fn read_all(text: &str) -> (Vec<String>, Vec<String>) {
        let sources = SourceMap::new();
        let redactor = Redactor::default();
        let around = Around {
            sources: &sources,
            redactor: &redactor,
            beside: PathBuf::from("/nowhere"),
            by: None,
            included: Cell::new(0),
        };
        let file = around.add("requirements.yml", None, text.to_owned());
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        whole(&file, &around, &mut found, &mut wrong);
        let line = |found: &Requirement| {
            let name = found.name.as_deref().unwrap_or("-");
            format!("{} {name} {} {}", found.sort.word(), found.written, found.version).trim_end().to_owned()
        };
        let told =
            |wrong: &Diagnostic| format!("{} {} {}", wrong.code, sources.place(wrong.labels[0].span), wrong.message);
        (found.iter().map(line).collect(), wrong.iter().map(told).collect())
    }

    #[test]
    fn roles_are_read_as_ansible_galaxy_reads_them() {
        let (found, wrong) = read_all(
            "- git+https://h/x/one.git\n- git+https://h/x/one.git,v1\n- git+https://h/x/one.git,v1,first\n- user.role,1.0\n\
             - src: https://github.com/x/two\n  version: 1.10\n- {src: git@h:x/three.git, scm: git, name: third}\n\
             - {name: four, src: git+ssh://git@h/four.git}\n- name: user.five\n",
        );
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(
            found,
            [
                "role one git+https://h/x/one.git",
                "role one git+https://h/x/one.git v1",
                "role first git+https://h/x/one.git v1",
                "role user.role galaxy 1.0",
                "role two git+https://github.com/x/two 1.10",
                "role third git+git@h:x/three.git",
                "role four git+ssh://git@h/four.git",
                "role user.five galaxy",
            ]
        );
    }

    #[test]
    fn a_name_that_is_none_is_shown_where_it_stands() {
        let (_, wrong) = read_all("- src: https://h/one.git\n  scm: git\n  name: ../one\n");
        assert_eq!(wrong, ["D0002 requirements.yml:3:9 `../one` is no name for a role"]);
    }

    #[test]
    fn collections_are_read_as_ansible_galaxy_reads_them() {
        let (found, wrong) = read_all(
            "roles:\ncollections:\n- ns.one\n- name: ns.two\n  version: '>=1.0'\n  source: https://galaxy.example\n\
             - git+https://u:pass-word@h/r.git#/sub/,v2\n- {name: git@h:r.git, version: main}\n\
             - {name: ns.three, source: 'https://h/r.git', type: git, version: '*'}\n- {source: git+file:///r, type: git}\n",
        );
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(
            found,
            [
                "collection ns.one galaxy",
                "collection ns.two galaxy >=1.0",
                "collection - git+https://h/r.git#/sub v2",
                "collection - git+git@h:r.git main",
                "collection ns.three git+https://h/r.git",
                "collection - git+file:///r",
            ]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_place() {
        let (found, wrong) = read_all(
            "roles:\n- {src: hg+https://h/r}\n- {src: https://h/r.tar.gz}\n- {scm: git}\n- a,b,c,d\n- ./gone.tar.gz\n\
             - {src: git+https://h/r, name: ../../etc}\n- {src: git+https://h/x, sorce: 1}\n\
             collections:\n- https://h/c.tar.gz\n- {name: ns.x, type: hg}\n- {name: ns.y, signatures: [a]}\n- gone/\n\
             - {name: git+https://h/r#/a/../../b}\nmore: 1\n",
        );
        assert_eq!(found, ["role x git+https://h/x"]);
        let places: Vec<String> =
            wrong.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            places,
            [
                "D0004 requirements.yml:2:9",
                "D0004 requirements.yml:3:9",
                "D0002 requirements.yml:4:3",
                "D0002 requirements.yml:5:3",
                "D0005 requirements.yml:6:3",
                "D0002 requirements.yml:7:32",
                "D0003 requirements.yml:8:26",
                "D0004 requirements.yml:10:3",
                "D0002 requirements.yml:11:10",
                "D0004 requirements.yml:12:16",
                "D0005 requirements.yml:13:3",
                "D0002 requirements.yml:14:10",
                "D0002 requirements.yml:15:1",
            ],
            "{wrong:#?}"
        );
    }
}
