//! Runs that were cut off: which there are, what they were asked for, and what goes on of them on their hosts.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::diag::{Diagnostic, Kind, Result, made, read};
use crate::journal::{is_over, list_runs, runs_dir};
use crate::value::Map;

/// How many of the newest runs are looked at.
const LOOKED_AT: usize = 200;

/// A run that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Its name.
    pub id: String,
    /// The run that it resumed, or itself: tag and builds bear that one's name.
    pub root: String,
    /// Its playbook, as it was written.
    pub playbook: String,
    /// Its environment and that one's parents.
    pub environments: Vec<String>,
    /// The command line.
    pub command: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Its exit code; none if it was cut off, or goes on.
    pub exit_code: Option<u64>,
    /// It lives.
    pub alive: bool,
    /// It built or reused images.
    pub images: bool,
    /// It was only to tell what would be done: there is nothing to go on with.
    pub only_looked: bool,
}

impl Earlier {
    /// The time of the first run, as tags have it.
    pub fn time(&self) -> &str {
        self.root.split('-').next().unwrap_or_default()
    }

    /// The record of a run; none if it has no beginning.
    fn read(base: &Path, id: &str) -> Option<Self> {
        let dir = runs_dir(base).join(id);
        let mut line = String::new();
        BufReader::new(read::open_plain(&dir.join("events.jsonl")).ok()?).read_line(&mut line).ok()?;
        let event: Json = serde_json::from_str(&line).ok().filter(|event: &Json| event["event"] == "run_started")?;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let list = event["environments"].as_array().cloned().unwrap_or_default();
        let summary = read::read_source_text(&dir.join("summary.json")).unwrap_or_default();
        let summary: Json = serde_json::from_str(&summary).unwrap_or_default();
        let root = text("resumes");
        Some(Self {
            id: id.to_owned(),
            root: if root.is_empty() { id.to_owned() } else { root },
            only_looked: event["check"] == true
                || Path::new(&text("playbook"))
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(made::IMAGE_PLAN)),
            playbook: text("playbook"),
            environments: list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            command: text("command"),
            exit_code: summary["exit_code"].as_u64(),
            alive: !is_over(&dir),
            // One in which all were reused has no logs.
            images: summary["images"].as_array().is_some_and(|images| !images.is_empty())
                || std::fs::read_dir(dir.join("logs")).is_ok_and(|mut logs| logs.next().is_some()),
            dir,
        })
    }

    /// It did not end well, and nobody works at it any more.
    fn is_unfinished(&self) -> bool {
        !self.alive && !self.only_looked && self.exit_code != Some(0)
    }

    /// The command that goes on with it: given again as it was. Of several playbooks each has a run of its own.
    pub fn again(&self) -> String {
        if self.command.is_empty() {
            let environment = self.environments.last().map_or_else(String::new, |name| format!(" --env {name}"));
            return format!("hostctl run {}{environment} --resume={}", self.playbook, self.id);
        }
        let mut words: Vec<&str> = Vec::new();
        for word in self.command.split(' ') {
            // `--resume RUN`, too: no other word looks like a run.
            let named = words.last() == Some(&"--resume") && is_run_id(word);
            if words.last() == Some(&"--resume") {
                words.pop();
            }
            if !named && !word.starts_with("--resume=") {
                words.push(word);
            }
        }
        words.retain(|word| *word != "--resume");
        format!("{} --resume={}", words.join(" "), self.id)
    }
}

/// `20261122T000001-aaaa`, or a part of it.
fn is_run_id(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_hexdigit() || matches!(letter, 'T' | '-'))
}

/// True for the playbook that `hostctl image build` makes of its options.
fn is_image_command(playbook: &Path) -> bool {
    playbook.file_name().is_some_and(|name| name.to_string_lossy().starts_with(made::IMAGE))
}

/// `--resume RUN` as the command of a playbook takes it.
fn option(playbook: &Path, run: &str) -> String {
    if is_image_command(playbook) { format!("--resume={run}") } else { format!("--resume {run}") }
}

/// The run that is meant by a part of its name; without one the newest that `wanted` takes.
pub fn find(base: &Path, name: Option<&str>, wanted: &dyn Fn(&Earlier) -> bool) -> Result<Earlier> {
    let runs = list_runs(base);
    let none = |message: String| {
        Diagnostic::new("R0201", Kind::Usage, message).with_hint(format!("ls {}", runs_dir(base).display()))
    };
    if let Some(name) = name.filter(|name| *name != "last") {
        let id = runs.iter().rev().find(|run| run.contains(name));
        let id = id.ok_or_else(|| none(format!("there is no run `{name}`")))?;
        return Earlier::read(base, id).ok_or_else(|| none(format!("the record of run `{id}` has no beginning")));
    }
    let mut newest = runs.iter().rev().take(LOOKED_AT).filter_map(|id| Earlier::read(base, id));
    newest.find(|run| wanted(run)).ok_or_else(|| {
        if runs.is_empty() {
            return Diagnostic::new("R0201", Kind::Usage, "no run is recorded here")
                .with_note(format!("looked for in `{}`", runs_dir(base).display()))
                .with_hint("name the project: hostctl attach --project DIR");
        }
        none("there is no such run to go on with".to_owned())
    })
}

/// The run that `--resume` goes on with: without a name the newest unfinished one of the playbook in these
/// environments, unless one since then has finished: its tag is newer, and going back to an old one must be asked for.
pub(super) fn to_resume(base: &Path, name: Option<&str>, playbook: &Path, environments: &[String]) -> Result<Earlier> {
    let what = if is_image_command(playbook) { "build of this source" } else { "run of this playbook" };
    // A plan may look at what a build has left to do.
    let playbook = match playbook.file_name().and_then(|name| name.to_str()?.strip_prefix(made::IMAGE_PLAN)) {
        Some(rest) => playbook.with_file_name(format!("{}{rest}", made::IMAGE_BUILD)),
        None => playbook.to_owned(),
    };
    let same = |run: &Earlier| Path::new(&run.playbook) == playbook;
    let here = |run: &Earlier| same(run) && run.environments == environments;
    let found = find(base, name, &|run| here(run) && run.is_unfinished()).map_err(|error| match name {
        Some(_) => error,
        None => Diagnostic::new("R0203", Kind::Usage, format!("no {what} is unfinished"))
            .with_note(format!("looked for among the runs below `{}`", runs_dir(base).display()))
            .with_hint("start a new one without `--resume`"),
    })?;
    let refused = |message: String| Diagnostic::new("R0203", Kind::Usage, message);
    if found.only_looked {
        return Err(refused(format!("run `{}` only told what it would do", found.id))
            .with_hint("start a new one without `--resume`"));
    }
    // One without images only looked, too: it ran with `plan: true`.
    let finished =
        |run: &Earlier| here(run) && run.images && !run.only_looked && run.exit_code == Some(0) && run.id > found.id;
    if name.is_none()
        && let Ok(newer) = find(base, None, &finished)
    {
        return Err(refused(format!("run `{}` is unfinished, but `{}` has finished since", found.id, newer.id))
            .with_note("going on would give images and tag file the older tag again")
            .with_hint(format!("if that is meant: `{}`", option(&playbook, &found.id))));
    }
    if !same(&found) {
        return Err(refused(format!("run `{}` was one of `{}`", found.id, found.playbook)).with_hint(found.again()));
    }
    if found.environments != environments {
        let of =
            |names: &[String]| names.last().map_or_else(|| "no environment".to_owned(), |name| format!("`{name}`"));
        return Err(refused(format!(
            "run `{}` was one in {}, this one is in {}",
            found.id,
            of(&found.environments),
            of(environments)
        ))
        .with_hint(found.again()));
    }
    if found.alive {
        return Err(refused(format!("run `{}` still goes on", found.id)).with_hint("hostctl log --follow shows it"));
    }
    if found.exit_code == Some(0) {
        return Err(refused(format!("run `{}` is finished", found.id)).with_hint("start a new one without `--resume`"));
    }
    Ok(found)
}

/// The command that goes on with a run that was ended while it built images.
pub(super) fn goes_on(base: &Path, id: &str) -> Option<String> {
    Earlier::read(base, id).filter(|run| run.images && !run.only_looked).map(|run| run.again())
}

/// Tells who starts anew that images of an earlier run are unfinished.
pub(super) fn hint_at_unfinished(base: &Path, playbook: &Path) -> Option<Diagnostic> {
    let newest = list_runs(base).into_iter().rev().take(LOOKED_AT).filter_map(|id| Earlier::read(base, &id));
    let last = newest.into_iter().find(|run| Path::new(&run.playbook) == playbook && !run.only_looked)?;
    // One that failed said so itself.
    (last.is_unfinished() && last.images && last.exit_code.is_none()).then(|| {
        Diagnostic::local("R0204", format!("run `{}` is unfinished: this one starts anew, with a new tag", last.id))
            .warning()
            .with_hint(format!(
                "`{}` goes on with it, `hostctl attach {}` shows what still builds",
                option(playbook, &last.id),
                last.id
            ))
    })
}

/// Work of a run that outlives its link, as the run's record has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// The host's name in the inventory.
    pub host: String,
    /// Its name on the host.
    pub build: String,
    /// So much of it was told.
    pub seen: u64,
    /// How the host was reached: keywords of a play.
    pub reached: Map,
    /// The run saw its end.
    pub ended: bool,
}

/// What a run left on its hosts, in the order of their beginnings.
pub fn works(dir: &Path) -> Result<Vec<Work>> {
    let path = dir.join("events.jsonl");
    let file = read::open_plain(&path)
        .map_err(|error| Diagnostic::local("R0202", format!("cannot read `{}`: {error}", path.display())))?;
    let mut found: Vec<(Json, Work)> = Vec::new();
    for line in BufReader::new(file).lines().map_while(std::result::Result::ok) {
        let named = ["\"work_begun\"", "\"build_seen\"", "\"host_done\""].iter().any(|name| line.contains(name));
        let Some(event) = serde_json::from_str::<Json>(&line).ok().filter(|_| named) else { continue };
        let host = event["host"].as_str().unwrap_or_default();
        match event["event"].as_str() {
            Some("work_begun") => {
                let build = event["build"].as_str().unwrap_or_default().to_owned();
                let reached = match crate::value::from_json(event["reached"].clone()) {
                    crate::value::Value::Map(map) => (*map).clone(),
                    _ => Map::new(),
                };
                let work = Work { host: host.to_owned(), build, seen: 0, reached, ended: false };
                found.retain(|(_, other)| other.host != work.host || other.build != work.build);
                found.push((event["task"].clone(), work));
            }
            Some("progress") => {
                let (build, seen) = (&event["progress"]["build"], event["progress"]["seen"].as_u64());
                let mut same = found.iter_mut().filter(|(_, work)| work.host == host && build == &work.build);
                if let (Some((_, work)), Some(seen)) = (same.next(), seen) {
                    work.seen = seen;
                }
            }
            Some("host_done") => {
                let lost = event["done"]["status"] == "unreachable";
                for (_, work) in found.iter_mut().filter(|(task, work)| *task == event["task"] && work.host == host) {
                    work.ended = !lost;
                }
            }
            _ => {}
        }
    }
    Ok(found.into_iter().map(|(_, work)| work).collect())
}

/// The play that comes back to what goes on.
pub fn play_of(works: &[Work], stop: bool) -> String {
    let quoted = |text: &str| Json::from(text).to_string();
    let mut text = String::new();
    for work in works {
        text += &format!("- name: {}\n  hosts: {}\n  gather_facts: false\n", quoted("come back"), quoted(&work.host));
        for (key, value) in &work.reached {
            text += &format!("  {}: {}\n", key.text(), crate::value::to_json(value));
        }
        text += &format!(
            "  tasks:\n    - name: {}\n      hostctl.core.image_attach:\n        build: {}\n        seen: {}\n        stop: {stop}\n",
            quoted(&format!("build {}", work.build)),
            quoted(&work.build),
            work.seen,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(base: &Path, id: &str, events: &[Json], exit: Option<u8>) {
        let dir = runs_dir(base).join(id);
        std::fs::create_dir_all(dir.join("logs")).unwrap();
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        std::fs::write(dir.join("events.jsonl"), lines).unwrap();
        std::fs::write(dir.join("logs/base.log"), "").unwrap();
        if let Some(exit) = exit {
            std::fs::write(dir.join("summary.json"), format!("{{\"exit_code\": {exit}}}")).unwrap();
        }
    }

    fn begun(playbook: &str) -> Json {
        serde_json::json!({ "event": "run_started", "playbook": playbook, "environments": ["ci"], "command": format!("hostctl run {playbook} --env ci") })
    }

    #[test]
    fn the_newest_unfinished_run_of_the_playbook_is_resumed() {
        let base = tempfile::tempdir().unwrap();
        record(base.path(), "20261122T000001-aaaa", &[begun("p.yml")], None);
        record(base.path(), "20261122T000002-bbbb", &[begun("p.yml")], Some(2));
        record(base.path(), "20261122T000003-cccc", &[begun("other.yml")], None);
        record(base.path(), "20261122T000004-dddd", &[begun("p.yml")], Some(0));
        let ci = ["ci".to_owned()];
        let resume = |name: Option<&str>| to_resume(base.path(), name, Path::new("p.yml"), &ci);
        assert_eq!(resume(Some("bbbb")).unwrap().id, "20261122T000002-bbbb");
        let newer = resume(None).unwrap_err();
        assert!(newer.message.ends_with("`20261122T000004-dddd` has finished since"), "{}", newer.message);
        assert_eq!(newer.hints[0], "if that is meant: `--resume 20261122T000002-bbbb`");
        let prod = to_resume(base.path(), Some("bbbb"), Path::new("p.yml"), &["prod".to_owned()]).unwrap_err();
        assert_eq!(prod.hints[0], "hostctl run p.yml --env ci --resume=20261122T000002-bbbb");
        let prod = to_resume(base.path(), None, Path::new("p.yml"), &["prod".to_owned()]).unwrap_err();
        assert_eq!(prod.message, "no run of this playbook is unfinished");
        // A run that built nothing, as one with `--check`, is no reason.
        std::fs::remove_file(runs_dir(base.path()).join("20261122T000004-dddd/logs/base.log")).unwrap();
        assert_eq!(resume(None).unwrap().id, "20261122T000002-bbbb");
        record(base.path(), "20261122T000004-dddd", &[begun("p.yml")], Some(0));
        assert_eq!(resume(Some("aaaa")).unwrap().time(), "20261122T000001");
        for (name, code) in [("cccc", "R0203"), ("dddd", "R0203"), ("none", "R0201")] {
            assert_eq!(resume(Some(name)).unwrap_err().code, code, "{name}");
        }
        assert_eq!(hint_at_unfinished(base.path(), Path::new("p.yml")), None, "the newest is finished");
        assert_eq!(hint_at_unfinished(base.path(), Path::new("other.yml")).unwrap().code, "R0204");
    }

    #[test]
    fn a_run_is_gone_on_with_by_the_command_that_began_it() {
        let again = |command: &str| {
            let run = Earlier {
                id: "20261122T000001-aaaa".to_owned(),
                playbook: "p.yml".to_owned(),
                environments: vec!["base".to_owned(), "ci".to_owned()],
                command: command.to_owned(),
                ..Earlier::default()
            };
            run.again()
        };
        let told = "hostctl run p.yml --env ci --resume=20261122T000001-aaaa";
        for command in [
            "",
            "hostctl run p.yml --env ci",
            "hostctl run p.yml --resume 20261121T000001-bbbb --env ci",
            "hostctl run p.yml --resume --env ci",
            "hostctl run p.yml --env ci --resume",
            "hostctl run p.yml --env ci --resume=bbbb",
        ] {
            assert_eq!(again(command), told, "{command}");
        }
        let more = "hostctl run p.yml -i \"my hosts\" -e a=b --limit x";
        assert_eq!(again(more), format!("{more} --resume=20261122T000001-aaaa"));
    }

    #[test]
    fn a_build_without_a_playbook_is_resumed_by_its_own_command() {
        let base = tempfile::tempdir().unwrap();
        let (here, other) = ("/srv/a/<image build>", "/srv/b/<image build>");
        let mut event = begun(other);
        event["command"] = "hostctl image build --tree /srv/b --resume --env ci".into();
        record(base.path(), "20261122T000001-aaaa", &[event], None);
        let resume = |name: Option<&str>| to_resume(base.path(), name, Path::new(here), &["ci".to_owned()]);
        let error = resume(Some("aaaa")).unwrap_err();
        assert_eq!(error.hints, ["hostctl image build --tree /srv/b --env ci --resume=20261122T000001-aaaa"]);
        assert_eq!(resume(None).unwrap_err().message, "no build of this source is unfinished");
        let hint = hint_at_unfinished(base.path(), Path::new(other)).unwrap().hints[0].clone();
        assert!(hint.starts_with("`--resume=20261122T000001-aaaa` goes on"), "{hint}");
        record(base.path(), "20261122T000002-bbbb", &[begun(here)], None);
        record(base.path(), "20261122T000003-cccc", &[begun(here)], Some(0));
        assert_eq!(resume(None).unwrap_err().hints, ["if that is meant: `--resume=20261122T000002-bbbb`"]);
    }

    #[test]
    fn a_run_that_reused_everything_counts_as_finished_and_a_look_hides_nothing() {
        let base = tempfile::tempdir().unwrap();
        let ci = ["ci".to_owned()];
        record(base.path(), "20261122T000001-aaaa", &[begun("p.yml")], None);
        let mut checked = begun("p.yml");
        checked["check"] = true.into();
        record(base.path(), "20261122T000002-bbbb", &[checked], Some(0));
        let hinted = hint_at_unfinished(base.path(), Path::new("p.yml")).unwrap();
        assert!(hinted.message.contains("20261122T000001-aaaa"), "{}", hinted.message);
        record(base.path(), "20261122T000003-cccc", &[begun("p.yml")], Some(0));
        let dir = runs_dir(base.path()).join("20261122T000003-cccc");
        std::fs::remove_dir_all(dir.join("logs")).unwrap();
        assert_eq!(to_resume(base.path(), None, Path::new("p.yml"), &ci).unwrap().id, "20261122T000001-aaaa");
        std::fs::write(dir.join("summary.json"), "{\"exit_code\": 0, \"images\": [{\"state\": \"reused\"}]}").unwrap();
        let refused = to_resume(base.path(), None, Path::new("p.yml"), &ci).unwrap_err();
        assert!(refused.message.contains("has finished since"), "{}", refused.message);
    }

    #[test]
    fn what_only_looked_is_nothing_to_go_on_with() {
        let base = tempfile::tempdir().unwrap();
        let (build, plan) = ("/t/<image build x.yml>", "/t/<image plan x.yml>");
        record(base.path(), "20261122T000001-aaaa", &[begun(build)], None);
        record(base.path(), "20261122T000002-bbbb", &[begun(plan)], Some(2));
        let mut checked = begun("p.yml");
        checked["check"] = true.into();
        record(base.path(), "20261122T000003-cccc", &[checked], None);
        let ci = ["ci".to_owned()];
        let resume = |name: Option<&str>, playbook: &str| to_resume(base.path(), name, Path::new(playbook), &ci);
        assert_eq!(resume(None, build).unwrap().id, "20261122T000001-aaaa");
        assert_eq!(resume(None, plan).unwrap().id, "20261122T000001-aaaa", "a plan looks at what the build left");
        let hinted = hint_at_unfinished(base.path(), Path::new(build)).unwrap();
        assert!(hinted.message.contains("20261122T000001-aaaa"), "{}", hinted.message);
        for (name, playbook) in [("bbbb", build), ("bbbb", plan), ("cccc", "p.yml")] {
            let refused = resume(Some(name), playbook).unwrap_err();
            assert!(refused.code == "R0203" && refused.message.contains("only told"), "{refused:?}");
            assert_eq!(refused.hints.len(), 1);
        }
        assert_eq!(resume(None, "p.yml").unwrap_err().message, "no run of this playbook is unfinished");
        assert_eq!(hint_at_unfinished(base.path(), Path::new("p.yml")), None);
    }

    #[test]
    fn a_resumed_run_keeps_the_first_ones_name_and_time() {
        let base = tempfile::tempdir().unwrap();
        let mut event = begun("p.yml");
        event["resumes"] = "20261120T101112-0001".into();
        record(base.path(), "20261122T000001-aaaa", &[event], None);
        let run = to_resume(base.path(), None, Path::new("p.yml"), &["ci".to_owned()]).unwrap();
        assert_eq!((run.root.as_str(), run.time()), ("20261120T101112-0001", "20261120T101112"));
    }

    #[test]
    fn what_goes_on_is_known_with_its_place() {
        let base = tempfile::tempdir().unwrap();
        let events = [
            begun("p.yml"),
            serde_json::json!({ "event": "work_begun", "task": 7, "host": "b1", "build": "r.t.a",
                "reached": { "become": true, "remote_user": "x\"y" } }),
            serde_json::json!({ "event": "progress", "task": 7, "host": "b1",
                "progress": { "kind": "build_seen", "build": "r.t.a", "seen": 42 } }),
            serde_json::json!({ "event": "work_begun", "task": 8, "host": "b1", "build": "r.u.a", "reached": {} }),
            serde_json::json!({ "event": "host_done", "task": 8, "host": "b1", "done": { "status": "failed" } }),
        ];
        record(base.path(), "20261122T000001-aaaa", &events, None);
        let works = works(&runs_dir(base.path()).join("20261122T000001-aaaa")).unwrap();
        assert_eq!(works.iter().map(|work| (work.seen, work.ended)).collect::<Vec<_>>(), [(42, false), (0, true)]);
        let play = play_of(&works[..1], true);
        assert_eq!(
            play,
            "- name: \"come back\"\n  hosts: \"b1\"\n  gather_facts: false\n  become: true\n  remote_user: \"x\\\"y\"\n  \
             tasks:\n    - name: \"build r.t.a\"\n      hostctl.core.image_attach:\n        build: \"r.t.a\"\n        \
             seen: 42\n        stop: true\n"
        );
    }
}
