//! Controller files that go with a call: searched as Ansible searches, templates rendered here.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::context_tree::Context;
use super::interp::HostRun;
use super::invoke::flag;
use super::lookup::waiting;
use super::managed;
use super::source_tree;
use crate::diag::{Diagnostic, Result, read};
use crate::modules::{BlobSource, Input, InputArg, InputKind, ModuleEntry, TreeEntry};
use crate::playbook::{Task, clean_path, expand_home};
use crate::system::Probe;
use crate::system::digest::{Digest, Hasher};
use crate::system::git_source::{GIT_READS, GitFacts};
use crate::template::FileOptions;
use crate::vars::{Layer, Level, Scope};

/// Repositories of one folder that are asked: each takes a few milliseconds.
const REPOSITORIES: usize = 200;

/// How a file or folder of the controller is read.
#[derive(Clone, Copy, Default)]
pub(super) struct Take {
    /// Of a folder what is in it, not the folder itself.
    pub(super) contents_only: bool,
    /// Open files that are sealed with a vault.
    pub(super) decrypt: bool,
    /// What links in a folder lead to, not the links.
    follow: bool,
    /// Names of folders that are not taken.
    leave_out: &'static [&'static str],
}

impl Take {
    fn of(args: &serde_json::Value) -> Self {
        let unless_refused = |name| args.get(name).is_none_or(serde_json::Value::is_null) || flag(args, name);
        Self {
            contents_only: false,
            decrypt: unless_refused("decrypt"),
            follow: unless_refused("local_follow"),
            leave_out: &[],
        }
    }
}

/// The last part of a path: of `.` that of the folder itself.
pub(super) fn basename(path: &Path) -> String {
    let whole = std::path::absolute(path).map(|path| clean_path(&path));
    let name = whole.ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    name.unwrap_or_default()
}

/// What git says of the repository around a folder, and of those that the folder holds (submodules).
pub(super) fn repositories<'a>(folder: &Path, paths: impl Iterator<Item = &'a Path>) -> Vec<(String, GitFacts)> {
    let probe = Probe::new(Vec::new()).allowing(GIT_READS);
    let below = paths.filter_map(|path| path.to_str()?.strip_suffix("/.git"));
    let all = std::iter::once("").chain(below).take(REPOSITORIES);
    let facts = all.map(|path| (path.to_owned(), probe.git_facts(&folder.join(path))));
    facts.filter(|(_, facts)| *facts != GitFacts::default()).collect()
}

impl HostRun {
    /// The files that a module's arguments name on the controller.
    pub(super) fn inputs(
        &self,
        task: &Task,
        entry: &'static ModuleEntry,
        args: &serde_json::Value,
        scope: &Scope,
    ) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for input in entry.meta.inputs {
            match input {
                InputArg::File { arg, unless, unless_by_default } => {
                    let given = |name| if args.get(name).is_some() { flag(args, name) } else { *unless_by_default };
                    // `copy: false` is the old form of `remote_src: true`.
                    let old = entry.spec().arg("copy").is_some() && args.get("copy").is_some() && !flag(args, "copy");
                    if old || unless.is_some_and(given) {
                        continue;
                    }
                    let Some(name) = args.get(*arg).and_then(serde_json::Value::as_str) else { continue };
                    if name.is_empty() {
                        let message = format!("`{}` needs the name of a file in `{arg}`", entry.meta.name);
                        let words =
                            if entry.meta.name == "copy" { "src (or content) is required" } else { "src is required" };
                        return Err(Diagnostic::task("H0020", message).with_registered(words));
                    }
                    let path = self.search(task, "files", name).ok_or_else(|| self.not_found(task, "files", name))?;
                    let leave_out = entry.meta.leaves_out;
                    let take = Take { contents_only: name.ends_with('/'), leave_out, ..Take::of(args) };
                    let asks = |(name, values): (&str, &[&str])| {
                        args.get(name).and_then(serde_json::Value::as_str).is_some_and(|value| values.contains(&value))
                    };
                    let asks = entry.meta.repositories.is_some_and(asks);
                    if let Some(needs) = entry.meta.needs {
                        let context = Context { arg, path: &path, take, needs, repositories: asks };
                        if let Some(input) = waiting(|| self.context_input(task, &context, args))? {
                            inputs.push(input);
                            continue;
                        }
                    }
                    let mut input = self.file_input(arg, &path, take)?;
                    if asks {
                        input.repositories =
                            repositories(&path, input.entries.iter().map(|entry| Path::new(&entry.path)));
                    }
                    inputs.push(input);
                }
                // The task has it: `invoke` adds it.
                InputArg::Program { .. } => {}
                InputArg::Command { arg } => {
                    let Some(line) = args.get(*arg).and_then(serde_json::Value::as_str) else { continue };
                    let Some(name) = crate::modules::first_word(line) else { continue };
                    let path = self.search(task, "files", &name).ok_or_else(|| self.not_found(task, "files", &name))?;
                    inputs.push(self.file_input(arg, &path, Take::of(args))?);
                }
                InputArg::Template { arg } => {
                    let Some(name) = args.get(*arg).and_then(serde_json::Value::as_str) else { continue };
                    let path =
                        self.search(task, "templates", name).ok_or_else(|| self.not_found(task, "templates", name))?;
                    inputs.push(self.template_input(arg, &path, args, scope)?);
                }
            }
        }
        Ok(inputs)
    }

    /// Where a file name is looked for, in order: roles from the inside out, the task's folder,
    /// the playbook's; each with and without the subfolder.
    fn search_dirs(&self, task: &Task, subfolder: &str) -> Vec<PathBuf> {
        let mut dirs = task.folders(subfolder);
        let last = self.play.playbook_dir();
        for dir in [last.join(subfolder), last] {
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        dirs
    }

    /// Ansible's words for a file that is nowhere: the playbook's folder stands there again at the end.
    pub(super) fn searched(&self, task: &Task, subfolder: &str, name: &str) -> String {
        let module = match &task.action {
            crate::playbook::Action::Module(module) => module.entry.meta.name,
            _ => "",
        };
        let before = match module {
            "copy" => "Unexpected AnsibleActionFail error: ",
            "assemble" | "unarchive" => "Task failed: ",
            _ => "",
        };
        let last = self.play.playbook_dir();
        let mut dirs = task.folders(subfolder);
        dirs.extend([last.join(subfolder), last]);
        let shown = |dir: &PathBuf| {
            let path = dir.join(name);
            format!("\t{}", std::path::absolute(&path).unwrap_or(path).display())
        };
        let places: Vec<String> = dirs.iter().map(shown).collect();
        // What is named from the root is sought nowhere else.
        let places = if expand_home(name).is_absolute() {
            String::new()
        } else {
            format!("\nSearched in:\n{}", places.join("\n"))
        };
        format!(
            "{before}Could not find or access '{name}'{places} on the Ansible Controller.\n\
             If you are using a module and expect the file to exist on the remote, see the remote_src option"
        )
    }

    /// Finds a controller file for a task.
    pub(super) fn search(&self, task: &Task, subfolder: &str, name: &str) -> Option<PathBuf> {
        let path = expand_home(name);
        if path.is_absolute() {
            return path.exists().then_some(path);
        }
        self.search_dirs(task, subfolder).into_iter().map(|dir| clean_path(&dir.join(&path))).find(|path| path.exists())
    }

    fn not_found(&self, task: &Task, subfolder: &str, name: &str) -> Diagnostic {
        let span = match &task.action {
            crate::playbook::Action::Module(module) => {
                module.args.get("src").map_or(module.name_span, |(_, node)| node.place())
            }
            crate::playbook::Action::Include(include) => include.name_span,
            crate::playbook::Action::Dynamic(module) => module.text.place(),
        };
        let wrong = Diagnostic::task("H0020", format!("`{name}` does not exist on the controller"))
            .with_registered(self.searched(task, subfolder, name))
            .with_label(span, "named here")
            .with_hint("if the file is on the host already, add `remote_src: true`");
        if expand_home(name).is_absolute() {
            return wrong;
        }
        let dirs: Vec<String> = self.search_dirs(task, subfolder).iter().map(|dir| dir.display().to_string()).collect();
        wrong.with_note(format!("looked in {}", dirs.join(", ")))
    }

    /// A file or folder of the controller as an input.
    pub(super) fn file_input(&self, arg: &str, path: &Path, take: Take) -> Result<Input> {
        let meta = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let basename = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let content = |path: &Path| match if take.decrypt { self.opened(path)? } else { None } {
            Some(text) => Ok(memory(text.into_bytes())),
            None => file(path),
        };
        let entries = if meta.is_dir() {
            source_tree::entries(path, take.follow, take.leave_out, &content)?
        } else {
            vec![TreeEntry { path: String::new(), mode: meta.permissions().mode() & 0o7777, kind: content(path)? }]
        };
        Ok(Input {
            arg: arg.to_owned(),
            entries,
            is_tree: meta.is_dir(),
            basename,
            contents_only: take.contents_only,
            repositories: Vec::new(),
        })
    }

    /// The clear text of a file that ansible-vault encrypted.
    pub(super) fn opened(&self, path: &Path) -> Result<Option<String>> {
        if !is_sealed(path) {
            return Ok(None);
        }
        let text = read::read_source_text(path).map_err(|error| unreadable(path, &error))?;
        self.play.engine.templates.host().unseal(&text).map(Some).map_err(|error| {
            if error.code != "V0103" {
                return error;
            }
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            let words = format!("A vault password or secret must be specified to decrypt {}", path.display());
            error.with_registered(words)
        })
    }

    fn template_input(&self, arg: &str, path: &Path, args: &serde_json::Value, scope: &Scope) -> Result<Input> {
        let meta = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let opened = self.opened(path)?;
        let sealed = opened.is_some();
        let text = match opened {
            Some(text) => text,
            None => read::read_source_text(path).map_err(|error| unreadable(path, &error))?,
        };
        let shown = shown_path(path);
        let sources = self.play.engine.templates.sources();
        let source = sources.add_again(shown.clone(), path, text);
        if sealed {
            // Code frames must not show what the vault keeps.
            sources.mask(source.id);
        }
        let dest = args.get("dest").and_then(serde_json::Value::as_str);
        let templates = &self.play.engine.templates;
        let managed = managed::configured(templates.host().setting(None, "DEFAULT_MANAGED_STR"))?;
        // It is called as the task calls it.
        let name = args.get("src").and_then(serde_json::Value::as_str).unwrap_or(&shown);
        let values = managed::template_values(path, name, dest, &managed, scope)?;
        let values = templates.with_managed(values, scope)?;
        let scope = scope.with(Layer::data(Level::Magic, "template", values));
        let text = templates.file(&source, &file_options(args)?, &scope)?;
        let encoding = args.get("output_encoding").and_then(serde_json::Value::as_str).filter(|name| !name.is_empty());
        let bytes = match encoding {
            Some(name) => crate::template::encode(&text, name)?,
            None => text.into_bytes(),
        };
        let basename = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Input {
            arg: arg.to_owned(),
            entries: vec![TreeEntry {
                path: String::new(),
                mode: meta.permissions().mode() & 0o7777,
                kind: memory(bytes),
            }],
            is_tree: false,
            basename,
            contents_only: false,
            repositories: Vec::new(),
        })
    }
}

/// A path as messages show it: relative to the working folder where it is below it.
pub(super) fn shown_path(path: &Path) -> String {
    std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok().map(Path::to_path_buf))
        .unwrap_or_else(|| path.to_path_buf())
        .display()
        .to_string()
}

/// The `template` module's options.
fn file_options(args: &serde_json::Value) -> Result<FileOptions> {
    let mut options = FileOptions::default();
    let text = |name: &str| args.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    for (start, end, pair) in [
        ("block_start_string", "block_end_string", &mut options.block),
        ("variable_start_string", "variable_end_string", &mut options.variable),
        ("comment_start_string", "comment_end_string", &mut options.comment),
    ] {
        if let Some(text) = text(start) {
            pair.0 = text;
        }
        if let Some(text) = text(end) {
            pair.1 = text;
        }
    }
    if args.get("trim_blocks").is_some() {
        options.trim_blocks = flag(args, "trim_blocks");
    }
    options.lstrip_blocks = flag(args, "lstrip_blocks");
    if let Some(newline) = text("newline_sequence") {
        options.newline = newline.replace("\\n", "\n").replace("\\r", "\r");
        if !matches!(options.newline.as_str(), "\n" | "\r" | "\r\n") {
            return Err(Diagnostic::task("M0005", format!("`newline_sequence` is no line end: {newline:?}"))
                .with_registered("newline_sequence needs to be one of: \n, \r or \r\n")
                .with_hint("write `\"\\n\"`, `\"\\r\"` or `\"\\r\\n\"`"));
        }
    }
    Ok(options)
}

/// A file's hashes, read once in parts.
fn file(path: &Path) -> Result<InputKind> {
    let hashed = read::open_plain(path).and_then(|file| Hasher::of_all([Digest::Sha1, Digest::Sha256], file));
    let ([sha1, sha256], size) = hashed.map_err(|error| unreadable(path, &error))?;
    // Programs of the module may run in another folder.
    let source = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    Ok(InputKind::File { sha1, sha256, size, source: Some(BlobSource::File(source)) })
}

pub(super) fn memory(bytes: Vec<u8>) -> InputKind {
    InputKind::File {
        sha1: Hasher::of(Digest::Sha1, &bytes),
        sha256: Hasher::of(Digest::Sha256, &bytes),
        size: bytes.len() as u64,
        source: Some(BlobSource::Memory(bytes.into())),
    }
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::local("H0022", format!("cannot read `{}` on the controller: {error}", path.display()))
        .with_hint("check that the file exists and that you may read it")
}

/// Whether ansible-vault sealed a file as a whole.
pub(super) fn is_sealed(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 14];
    read::open_plain(path).and_then(|mut file| file.read_exact(&mut head)).is_ok_and(|()| &head == b"$ANSIBLE_VAULT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_with_the_repositories_around_and_in_it() {
        let temp = tempfile::tempdir().unwrap();
        let git = |folder: &Path, words: &[&str]| {
            let mut command = std::process::Command::new("git");
            command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@t.invalid"]).args(words);
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().is_ok_and(|output| output.status.success())
        };
        let tree = temp.path().join("images");
        std::fs::create_dir_all(tree.join("sub/web")).unwrap();
        for (folder, tag) in [(temp.path(), "1.0"), (&*tree.join("sub"), "2.0")] {
            let made = git(folder, &["init", "-q"]) && git(folder, &["commit", "-qm", "x", "--allow-empty"]);
            if !(made && git(folder, &["tag", tag])) {
                return;
            }
        }
        let entries = source_tree::entries(&tree, false, &[], &file).unwrap();
        let told: Vec<_> = repositories(&tree, entries.iter().map(|entry| Path::new(&entry.path)))
            .into_iter()
            .map(|(path, facts)| (path, facts.version.unwrap()))
            .collect();
        assert_eq!(told, [(String::new(), "1.0".to_owned()), ("sub".to_owned(), "2.0".to_owned())]);
        assert_eq!(repositories(&tree.join("../.."), std::iter::empty()), [], "no repository, nothing told");
    }
}
