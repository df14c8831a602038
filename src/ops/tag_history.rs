//! `hostctl tags history`: what changed in a tag file, by the log of the git repository that it is in, else by the
//! times of its own record.
//!
//! git runs with an argument vector, and nothing that a repository's own configuration names is started.

use std::path::Path;
use std::process::{Command, Stdio};

use super::tags::{TagFileView, parse};
use crate::image::tagrows::{TagChange, TagRow, difference};
use crate::system::printed::printed;

/// Bytes of what git prints that are read.
const MOST: usize = 16 << 20;

/// One step, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagStep {
    /// The commit; none for what is not committed yet, and without a repository.
    pub commit: Option<String>,
    /// When, RFC 3339; empty for what is not committed yet.
    pub time: String,
    /// Who committed it, or the run.
    pub author: String,
    /// The commit's first line.
    pub subject: String,
    /// What changed; `None` if the file cannot be read as of then.
    pub changes: Option<Vec<TagChange>>,
}

/// The history of a tag file.
#[derive(Clone, Debug, Default)]
pub struct TagHistory {
    /// Newest first.
    pub steps: Vec<TagStep>,
    /// Why git's log was not used; `None` if it was.
    pub without_git: Option<String>,
}

/// The last `limit` steps of a tag file.
pub fn tag_history(file: &TagFileView, limit: usize) -> TagHistory {
    match by_git(file, limit) {
        Ok(steps) => TagHistory { steps, without_git: None },
        Err(reason) => TagHistory { steps: by_record(&file.rows, limit), without_git: Some(reason) },
    }
}

fn git(folder: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    for name in crate::system::git_source::FOREIGN {
        command.env_remove(name);
    }
    // Programs that a repository's configuration could name for what is done here.
    let options = ["core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false", "core.pager=cat"];
    for option in options {
        command.args(["-c", option]);
    }
    command.arg("--no-pager").args(words).current_dir(folder);
    command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped());
    let output = printed(&mut command, MOST).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "the program `git` is not installed".to_owned(),
        _ => format!("git cannot be run: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    Err(line.trim_start_matches("fatal: ").to_owned())
}

fn by_git(file: &TagFileView, limit: usize) -> Result<Vec<TagStep>, String> {
    let path = std::path::absolute(&file.path).map_err(|error| error.to_string())?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err("the file's name is no text".to_owned());
    };
    let count = format!("--max-count={}", limit.saturating_add(1));
    let form = "--format=%H%x1f%aI%x1f%an%x1f%s";
    // A name is not a pattern: `:(literal)`.
    let literal = format!(":(literal){name}");
    let log = git(folder, &["log", "--no-ext-diff", "--no-show-signature", &count, form, "HEAD", "--", &literal])?;
    let commits: Vec<Vec<&str>> = log.lines().map(|line| line.splitn(4, '\u{1f}').collect()).collect();
    if commits.is_empty() {
        return Err("git has no commit of this file".to_owned());
    }
    let mut before: Vec<Option<Vec<TagRow>>> = Vec::new();
    for commit in &commits {
        let object = format!("{}:./{name}", commit.first().unwrap_or(&""));
        // A commit that removed the file has none.
        let text = git(folder, &["cat-file", "blob", &object]).unwrap_or_default();
        before.push(parse(&text).ok());
    }
    let changes = |old: Option<&Option<Vec<TagRow>>>, new: &Option<Vec<TagRow>>| match (old, new) {
        (Some(Some(old)), Some(new)) => Some(difference(old, new)),
        (None, Some(new)) => Some(difference(&[], new)),
        _ => None,
    };
    let mut steps = Vec::new();
    if let Some(Some(last)) = before.first() {
        let open = difference(last, &file.rows);
        if !open.is_empty() {
            let subject = "not committed".to_owned();
            steps.push(TagStep { subject, changes: Some(open), ..TagStep::default() });
        }
    }
    for (at, commit) in commits.iter().enumerate().take(limit) {
        let part = |index: usize| commit.get(index).copied().unwrap_or_default().to_owned();
        steps.push(TagStep {
            commit: Some(part(0)),
            time: part(1),
            author: part(2),
            subject: part(3),
            changes: changes(before.get(at + 1), &before[at]),
        });
    }
    Ok(steps)
}

/// Only the last step of each row is known.
fn by_record(rows: &[TagRow], limit: usize) -> Vec<TagStep> {
    let mut steps: Vec<TagStep> = rows
        .iter()
        .filter_map(|row| {
            let record = row.record.as_ref()?;
            let own = TagRow { tag: Some(record.tag.clone()), ..row.clone() };
            Some(TagStep {
                time: record.time.clone(),
                author: record.run.clone().map(|run| format!("run {run}")).unwrap_or_default(),
                changes: Some(difference(&[], &[own])),
                ..TagStep::default()
            })
        })
        .collect();
    steps.sort_by(|a, b| b.time.cmp(&a.time));
    steps.truncate(limit);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tagfile::{Update, update};

    fn written(text: &str, tag: &str) -> String {
        let change = Update {
            sets: vec!["openstack".into()],
            distribution: "rocky-9".into(),
            tag: tag.into(),
            digests: vec![("r:5000/lab/base".into(), format!("sha256:{tag}"))],
            time: format!("2026-11-21T06:17:0{}Z", &tag[1..]),
            run: Some(format!("run-{tag}")),
        };
        update(text, &change).unwrap()
    }

    fn view(path: &Path) -> TagFileView {
        let rows = parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        TagFileView { environment: None, path: path.to_path_buf(), rows }
    }

    fn run_git(folder: &Path, words: &[&str]) {
        let mut command = Command::new("git");
        for name in crate::system::git_source::FOREIGN {
            command.env_remove(name);
        }
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"];
        let output = command.args(who).args(words).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn commits_tell_what_changed_and_what_is_not_committed_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image tags.yml");
        run_git(folder.path(), &["init", "-q"]);
        // What a repository names is not started.
        run_git(folder.path(), &["config", "core.fsmonitor", "touch started; false"]);
        run_git(folder.path(), &["config", "gpg.program", "touch started; false"]);
        run_git(folder.path(), &["config", "log.showSignature", "true"]);
        let mut text = String::new();
        for tag in ["t1", "t2", "t3"] {
            text = written(&text, tag);
            std::fs::write(&path, &text).unwrap();
            run_git(folder.path(), &["add", "."]);
            run_git(folder.path(), &["commit", "-qm", &format!("tags {tag}")]);
        }
        let _ = std::fs::remove_file(folder.path().join("started"));
        std::fs::write(&path, written(&text, "t4")).unwrap();
        let history = tag_history(&view(&path), 2);
        assert_eq!(history.without_git, None);
        let shown: Vec<_> = history
            .steps
            .iter()
            .map(|step| {
                let change = &step.changes.as_ref().unwrap()[0];
                (step.subject.as_str(), step.author.as_str(), change.before.as_deref(), change.after.as_deref())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("not committed", "", Some("t3"), Some("t4")),
                ("tags t3", "Ann", Some("t2"), Some("t3")),
                ("tags t2", "Ann", Some("t1"), Some("t2")),
            ]
        );
        assert!(!folder.path().join("started").exists());
        assert_eq!(tag_history(&view(&path), 9).steps[3].changes.as_ref().unwrap()[0].before, None);
    }

    #[test]
    fn without_a_repository_the_record_tells_the_last_steps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        std::fs::write(&path, written("", "t1")).unwrap();
        let history = tag_history(&view(&path), 5);
        assert!(history.without_git.is_some_and(|reason| reason.contains("not a git repository")));
        assert_eq!(history.steps.len(), 1);
        assert_eq!(
            (history.steps[0].author.as_str(), history.steps[0].time.as_str()),
            ("run run-t1", "2026-11-21T06:17:01Z")
        );
    }
}
