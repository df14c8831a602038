//! `apt_repository`: source lines in `sources.list` and `sources.list.d`. Where those are, apt itself says.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::apt_ppa::{API, KEYS, Ppa};
use super::call::Failure;
use super::cx::Cx;
use super::refusal::refused;
use super::spec::{Meta, Module};
use super::types::Mode;
use super::types::Presence;
use crate::diag::{Diagnostic, Result};
use crate::event::Diff;
use crate::map;
use crate::system::apt::apt;
use crate::system::fs::{Content, WriteOptions, shown, umask};
use crate::system::web::mask_url;
use crate::value::{Map, Value, kept_bytes, kept_shown, kept_text};

/// Adds and removes apt's package sources, one line each. `deb822_repository` writes the newer form.
///
/// Launchpad's short form is taken too (`ppa:owner/name`); its key goes to apt's `trusted.gpg.d`.
///
/// ```yaml
/// - apt_repository:
///     repo: deb [signed-by=/etc/apt/keyrings/example.asc] https://packages.example/debian stable main
///     filename: example
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The source line.
    repo: String,
    /// Whether it shall be there.
    #[serde(default)]
    state: Presence,
    /// The mode of a new file.
    mode: Option<Mode>,
    /// Update the package lists after a change.
    #[serde(default = "yes")]
    update_cache: bool,
    /// How often an update is tried.
    #[serde(default = "five")]
    update_cache_retries: u32,
    /// Seconds to wait between tries at most.
    #[serde(default = "twelve")]
    update_cache_retry_max_delay: u64,
    /// The file's name in `sources.list.d`, without `.list`; made of the address otherwise.
    filename: Option<String>,
    /// Ansible's module loads a library of Python; hostctl needs none, so there is nothing to install.
    #[serde(default = "yes")]
    #[expect(dead_code, reason = "there is no Python that could need it")]
    install_python_apt: bool,
    /// Check the certificate of Launchpad and of the key server.
    #[serde(default = "yes")]
    validate_certs: bool,
    /// The release for Launchpad's short form; the host's own otherwise.
    codename: Option<String>,
}

fn yes() -> bool {
    true
}

fn five() -> u32 {
    5
}

fn twelve() -> u64 {
    12
}

impl Presence {
    fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Present => "present",
        }
    }
}

/// The module.
pub struct AptRepository;

impl Module for AptRepository {
    type Args = Args;
    const META: Meta = Meta {
        name: "apt_repository",
        full_name: "ansible.builtin.apt_repository",
        also: &["ansible.legacy.apt_repository"],
        summary: "Manage apt's package sources",
        aliases: &[("update_cache", &["update-cache"])],
        reads: &["apt-config dump", "gpg --show-keys"],
        diff_list: true,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if args.repo.is_empty() {
            return Err(refused("H0110", "Please set argument 'repo' to a non-empty value"));
        }
        let turn = cx.probe().turn(Path::new("/etc/apt/sources.list"))?;
        let mut sources = Sources::read(cx)?;
        let before = sources.texts();
        let mut key = None;
        let (source, name) = if args.repo.starts_with("ppa:") {
            let Some(ppa) = Ppa::of(&args.repo) else {
                return Err(refused("H0110", format!("Invalid repository string: {}", args.repo)));
            };
            let codename = args.codename.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| codename(cx));
            let source = ppa.line(&codename);
            let known =
                sources.files.values().flatten().any(|line| line.valid && line.enabled && line.source == source);
            if !known && args.state == Presence::Present {
                let path = apt_path(cx, "Dir::Etc::trustedparts", "/etc/apt/trusted.gpg.d")?.join(ppa.key_file());
                if !cx.probe().exists(&path) {
                    key = Some((path, ppa.key(cx, API, KEYS, args.validate_certs)?));
                }
            }
            (source, file_name(&format!("{}_{codename}", args.repo)))
        } else {
            let line = Line::of(&args.repo);
            if !line.valid || !line.enabled {
                let message = format!("Invalid repository string: {}", mask_line(&line.rest));
                return Err(refused("H0110", message));
            }
            let name = file_name(&line.source);
            (line.source, name)
        };
        let new = match args.state {
            Presence::Present => sources.add(&source, args.filename.as_deref().unwrap_or(&name)),
            Presence::Absent => {
                sources.remove(&source);
                None
            }
        };
        let after = sources.texts();
        let names = |of: &IndexMap<PathBuf, String>, without: &IndexMap<PathBuf, String>| -> Vec<Value> {
            of.keys().filter(|path| !without.contains_key(*path)).map(|path| Value::from(shown(path))).collect()
        };
        let (added, removed) = (names(&after, &before), names(&before, &after));
        for path in added.iter().chain(&removed).filter_map(Value::as_str).map(PathBuf::from) {
            let header = |there: bool| if there { shown(&path) } else { "/dev/null".to_owned() };
            let text = |of: &IndexMap<PathBuf, String>| {
                of.get(&path).map(|text| mask_line(&kept_shown(text))).unwrap_or_default()
            };
            cx.diff(Diff {
                before_header: header(before.contains_key(&path)),
                after_header: header(after.contains_key(&path)),
                before: text(&before),
                after: text(&after),
                ..Diff::default()
            });
        }
        if before != after {
            let what =
                format!("{} {}", if args.state == Presence::Present { "add" } else { "remove" }, mask_line(&source));
            let saved = cx.change(what, |host| {
                if let Some((path, key)) = &key {
                    let options = WriteOptions { mode: Some(0o644), ..WriteOptions::default() };
                    host.write(path, Content::Bytes(key), options)?;
                }
                sources.save(cx, &before, &after, new.as_deref(), args.mode.as_ref())?;
                if !args.update_cache {
                    return Ok(());
                }
                // Nothing of a source that cannot be read stays.
                turn.busy(|| update(cx, &args)).inspect_err(|_| drop(sources.save(cx, &after, &before, None, None)))
            });
            saved?;
        }
        let mut result = map! {
            "repo" => mask_line(&args.repo), "state" => args.state.name(),
            "sources_added" => added, "sources_removed" => removed,
        };
        if before == after || !cx.diff_mode() {
            result.extend(map! { "diff" => Vec::new() });
        }
        Ok(result)
    }
}

/// The release's name.
fn codename(cx: &Cx) -> String {
    let text = cx.probe().text("/etc/os-release").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

/// A text with addresses, without their passwords.
pub(super) fn mask_line(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    words
        .map(|word| {
            let end = word.trim_end().len();
            mask_url(&word[..end]) + &word[end..]
        })
        .collect()
}

/// Reads the lists, as often as asked for.
fn update(cx: &Cx, args: &Args) -> Result<()> {
    let tries = args.update_cache_retries;
    let mut why = "unknown reason".to_owned();
    for attempt in 0..tries {
        let ended = cx.scratch(|host| host.run_ok(apt(&["apt-get", "update", "-o", "APT::Update::Error-Mode=any"])));
        match ended {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.code.as_ref(), "H0104" | "H0105") => return Err(error),
            Err(error) => why = error.message.clone(),
        }
        let pause = 1_u64.checked_shl(attempt).unwrap_or(u64::MAX).min(args.update_cache_retry_max_delay);
        cx.warn(format!("Failed to update cache after {} due to {why} retry, retrying", attempt + 1));
        for _ in 0..pause * 10 {
            if cx.cancelled() {
                return Err(Diagnostic::task("H0105", "interrupted while waiting to read the package lists again"));
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    let message = format!("Failed to update apt cache after {tries} retries: {why}");
    Err(Diagnostic::task("H0116", format!("the package lists could not be read after {tries} tries: {why}"))
        .with_registered(message))
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    valid: bool,
    enabled: bool,
    source: String,
    comment: String,
    /// The text that was read, for messages.
    rest: String,
}

impl Line {
    fn of(text: &str) -> Self {
        let mut line = text.trim();
        let enabled = !line.starts_with('#');
        line = line.strip_prefix('#').unwrap_or(line);
        let mut comment = "";
        if let Some(at) = line.find('#').filter(|at| *at > 0) {
            (line, comment) = (&line[..at], line[at + 1..].trim());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let valid = matches!(words.first(), Some(&("deb" | "deb-src")));
        let source = if valid { words.join(" ") } else { line.trim().to_owned() };
        Self { valid, enabled, source, comment: comment.to_owned(), rest: line.to_owned() }
    }

    fn text(&self) -> String {
        let comment = if self.comment.is_empty() { String::new() } else { format!(" # {}", self.comment) };
        format!("{}{}{comment}\n", if self.enabled { "" } else { "# " }, self.source)
    }
}

/// All lists, by file.
struct Sources {
    files: IndexMap<PathBuf, Vec<Line>>,
    folder: PathBuf,
}

impl Sources {
    fn read(cx: &Cx) -> Result<Self> {
        let main = apt_path(cx, "Dir::Etc::sourcelist", "/etc/apt/sources.list")?;
        let folder = apt_path(cx, "Dir::Etc::sourceparts", "/etc/apt/sources.list.d")?;
        let mut files = IndexMap::new();
        let mut paths: Vec<PathBuf> = Some(main).filter(|path| path.is_file()).into_iter().collect();
        if folder.is_dir() {
            let list = cx.probe().list(&folder)?;
            paths.extend(list.into_iter().filter(|path| path.extension().is_some_and(|end| end == "list")));
        }
        for path in paths {
            let text = kept_text(&cx.probe().read(&path)?);
            files.insert(path, text.lines().map(Line::of).collect());
        }
        Ok(Self { files, folder })
    }

    fn texts(&self) -> IndexMap<PathBuf, String> {
        let full = self.files.iter().filter(|(_, lines)| !lines.is_empty());
        full.map(|(path, lines)| (path.clone(), lines.iter().map(Line::text).collect())).collect()
    }

    /// The file that is new or has the new line.
    fn add(&mut self, source: &str, name: &str) -> Option<PathBuf> {
        let mut found = false;
        for line in self.files.values_mut().flatten().filter(|line| line.valid && line.source == source) {
            line.enabled = true;
            found = true;
        }
        if found {
            return None;
        }
        let name = format!("{name}.list");
        let path = if name.contains('/') { PathBuf::from(name) } else { self.folder.join(name) };
        let line =
            Line { valid: true, enabled: true, source: source.to_owned(), comment: String::new(), rest: String::new() };
        self.files.entry(path.clone()).or_default().push(line);
        Some(path)
    }

    fn remove(&mut self, source: &str) {
        for lines in self.files.values_mut() {
            lines.retain(|line| !(line.valid && line.enabled && line.source == source));
        }
    }

    /// Writes what differs; files without a line go.
    fn save(
        &self,
        cx: &Cx,
        before: &IndexMap<PathBuf, String>,
        after: &IndexMap<PathBuf, String>,
        new: Option<&Path>,
        mode: Option<&Mode>,
    ) -> Result<()> {
        cx.scratch(|host| {
            for (path, text) in after.iter().filter(|(path, text)| before.get(*path) != Some(*text)) {
                if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                    host.create_dirs(folder)?;
                }
                let bits = match (mode, new == Some(path.as_path())) {
                    (Some(mode), true) => mode.resolve(0o644, false, umask()),
                    _ => (!path.exists()).then_some(0o644),
                };
                // Through a link, as a file of its own would hide the other.
                let target = host.probe().real(path);
                let options = WriteOptions { mode: bits, ..WriteOptions::default() };
                host.write(&target, Content::Bytes(&kept_bytes(text)), options)?;
            }
            for path in before.keys().filter(|path| !after.contains_key(*path) && path.exists()) {
                host.remove_file(path)?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// A path of apt's configuration.
pub(super) fn apt_path(cx: &Cx, name: &str, default: &str) -> Result<PathBuf> {
    if cx.probe().which("apt-config").is_none() {
        return Ok(PathBuf::from(default));
    }
    let text = cx.probe().run(apt(&["apt-config", "dump"]))?.out();
    let value = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let mut found =
            lines.filter(|(key, _)| *key == name).map(|(_, value)| value.trim_end_matches(';').trim_matches('"'));
        found.next_back().unwrap_or_default().to_owned()
    };
    // A relative path is below the next name up: `Dir::Etc::sourceparts`, `Dir::Etc`, `Dir`.
    let mut path = PathBuf::new();
    let mut key = name;
    loop {
        path = Path::new(&value(key)).join(&path);
        match key.rsplit_once("::") {
            Some((above, _)) if !path.is_absolute() => key = above,
            _ => break,
        }
    }
    let root = value("RootDir");
    if !root.is_empty() {
        path = Path::new(&root).join(path.strip_prefix("/").unwrap_or(&path));
    }
    Ok(path.components().collect())
}

/// The file's name for a source: its address in letters and digits.
fn file_name(source: &str) -> String {
    let mut plain = String::new();
    let mut rest = source;
    // Options and protocols are dropped.
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        match after.split_once(']') {
            Some((_, after)) => rest = after,
            None => {
                rest = after;
                break;
            }
        }
    }
    plain.push_str(rest);
    let mut words = plain.split_whitespace().map(|word| word.split_once("://").map_or(word, |(_, rest)| rest));
    let first = words.find(|word| !matches!(*word, "deb" | "deb-src")).unwrap_or_default();
    let first = first.split_once('@').map_or(first, |(_, rest)| rest);
    let parts = first.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::super::testing::{Try, get, module};
    use super::*;

    #[test]
    fn names_of_files() {
        let check = |source: &str, expected: &str| assert_eq!(file_name(source), expected, "{source}");
        check("deb http://archive.canonical.com/ubuntu hardy partner", "archive_canonical_com_ubuntu");
        check("deb [arch=amd64 signed-by=/x/y.asc] https://me:pw@p.example:8080/d/ stable main", "p_example_8080_d");
        check("deb file:///srv/repo ./", "srv_repo");
    }

    #[test]
    fn lines_are_read_as_ansible_does() {
        let line = Line::of("#  deb   http://a.example  x main # note ");
        assert_eq!((line.valid, line.enabled, line.source.as_str()), (true, false, "deb http://a.example x main"));
        assert_eq!(line.text(), "# deb http://a.example x main # note\n");
        assert!(!Line::of("## a comment").valid && !Line::of("").valid);
    }

    /// apt's folders below a folder of the test's own, with a repository in it.
    struct Private {
        folder: tempfile::TempDir,
    }

    impl Private {
        fn new() -> Option<Self> {
            if crate::system::process::which("apt-get", None).is_none() {
                println!("skipped: there is no apt here");
                return None;
            }
            let folder = tempfile::tempdir().expect("folder");
            let at = folder.path();
            for name in [
                "etc/apt/sources.list.d",
                "etc/apt/preferences.d",
                "lib/lists/partial",
                "cache/archives/partial",
                "repo",
            ] {
                std::fs::create_dir_all(at.join(name)).expect("folder");
            }
            std::fs::write(at.join("status"), "").expect("status");
            std::fs::write(at.join("repo/Packages"), "").expect("packages");
            let text = format!(
                "Dir::Etc \"{0}/etc/apt\";\nDir::State \"{0}/lib\";\nDir::State::status \"{0}/status\";\nDir::Cache \"{0}/cache\";\nAPT::Sandbox::User \"root\";\n",
                at.display()
            );
            std::fs::write(at.join("apt.conf"), text).expect("conf");
            Some(Self { folder })
        }

        fn run(&self, args: Map) -> Try {
            module("apt_repository", args).env("APT_CONFIG", &shown(&self.folder.path().join("apt.conf")))
        }

        fn list(&self, name: &str) -> PathBuf {
            self.folder.path().join("etc/apt/sources.list.d").join(name)
        }
    }

    #[test]
    fn a_source_is_added_read_and_removed() {
        let Some(private) = Private::new() else { return };
        let repo = format!("deb [trusted=yes]  file:{}/repo ./", private.folder.path().display());
        let with = |more: Map| {
            let mut all = map! { "repo" => repo.as_str(), "filename" => "own", "mode" => "0600" };
            all.extend(more);
            private.run(all)
        };
        let path = private.list("own.list");
        let outcome = with(Map::new()).check(true).ok();
        assert!(outcome.changed && !path.exists());
        assert_eq!(get(&outcome, "sources_added"), json!([shown(&path)]));
        let outcome = with(Map::new()).ok();
        assert!(outcome.changed);
        let text = std::fs::read_to_string(&path).expect("list");
        assert_eq!(text, repo.replace("  ", " ") + "\n");
        assert_eq!(get(&outcome, "diff")[0]["after"], text.as_str());
        assert_eq!(std::fs::metadata(&path).expect("list").permissions().mode() & 0o777, 0o600);
        let lists = std::fs::read_dir(private.folder.path().join("lib/lists")).expect("lists").count();
        assert!(lists > 1, "the lists were read");
        assert!(!with(Map::new()).ok().changed);
        let outcome = with(map! { "state" => "absent", "update_cache" => false }).ok();
        assert!(outcome.changed && !path.exists());
        assert_eq!(get(&outcome, "sources_removed"), json!([shown(&path)]));
        assert!(!with(map! { "state" => "absent" }).ok().changed);
    }

    #[test]
    fn a_source_that_cannot_be_read_goes_again() {
        let Some(private) = Private::new() else { return };
        std::fs::write(private.list("old.list"), "# deb http://127.0.0.1:1/x ./\n").expect("list");
        let failure = private
            .run(map! { "repo" => "deb http://me:secret@127.0.0.1:1/y ./", "update_cache_retries" => 1, "update_cache_retry_max_delay" => 0 })
            .fails();
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
        assert!(!private.list("127_0_0_1_1_y.list").exists());
        // A line that is switched off is switched on again.
        let args = map! { "repo" => "deb http://127.0.0.1:1/x ./", "update_cache" => false };
        assert!(private.run(args).ok().changed);
        let text = std::fs::read_to_string(private.list("old.list")).expect("list");
        assert_eq!(text, "deb http://127.0.0.1:1/x ./\n");
        let failure = private.run(map! { "repo" => "http://x.example" }).fails();
        assert_eq!(failure.diagnostic.message, "invalid repository string: http://x.example");
        let outcome =
            private.run(map! { "repo" => "deb http://me:secret@h.example/y ./", "update_cache" => false }).ok();
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
    }
}
