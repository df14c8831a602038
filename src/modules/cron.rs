//! `cron`: jobs and variables of crontabs, marked with `#Ansible: NAME` lines. The logic is Ansible's.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::place::text_to_edit;
use super::refusal::{refused, refused_with};
use super::spec::{Meta, Module};
use super::types::Presence;
use crate::diag::Result;
use crate::event::Diff;
use crate::map;
use crate::system::accounts;
use crate::system::fs::{Content, WriteOptions, shown};
use crate::system::process::Program;
use crate::value::{Map, Value, insert, kept_bytes, kept_shown, kept_text};

/// Keeps a job, or a variable with `env`, in a user's crontab or in a file of `/etc/cron.d`.
///
/// ```yaml
/// - name: Remove old images every night
///   cron:
///     name: prune images
///     minute: "30"
///     hour: "3"
///     job: docker image prune -af --filter until=168h
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The name in the comment above the job, or the variable's.
    name: String,
    /// Whose crontab; with `cron_file`, who runs the job.
    user: Option<String>,
    /// The command, or the variable's value.
    job: Option<String>,
    /// A file of `/etc/cron.d`, or an absolute path.
    cron_file: Option<String>,
    /// Whether it shall be there.
    #[serde(default)]
    state: Presence,
    /// Keep a copy of the crontab before a change.
    #[serde(default)]
    backup: bool,
    /// Minutes.
    #[serde(default = "star")]
    minute: String,
    /// Hours.
    #[serde(default = "star")]
    hour: String,
    /// Days of the month.
    #[serde(default = "star")]
    day: String,
    /// Months.
    #[serde(default = "star")]
    month: String,
    /// Days of the week, 0 is Sunday.
    #[serde(default = "star")]
    weekday: String,
    /// A nickname of a time.
    special_time: Option<Special>,
    /// Write the job as a comment.
    #[serde(default)]
    disabled: bool,
    /// It is a variable.
    #[serde(default)]
    env: bool,
    /// Put a new variable behind this one.
    insertafter: Option<String>,
    /// Put a new variable before this one.
    insertbefore: Option<String>,
}

fn star() -> String {
    "*".to_owned()
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Special {
    Reboot,
    Yearly,
    Annually,
    Monthly,
    Weekly,
    Daily,
    Hourly,
}

impl Special {
    fn name(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Yearly => "yearly",
            Self::Annually => "annually",
            Self::Monthly => "monthly",
            Self::Weekly => "weekly",
            Self::Daily => "daily",
            Self::Hourly => "hourly",
        }
    }
}

/// What a comment above a job begins with.
const MARK: &str = "#Ansible: ";

/// The module.
pub struct Cron;

impl Module for Cron {
    type Args = Args;
    const META: Meta = Meta {
        name: "cron",
        full_name: "ansible.builtin.cron",
        also: &["ansible.legacy.cron"],
        summary: "Keep jobs in crontabs",
        aliases: &[("job", &["value"]), ("day", &["dom"]), ("weekday", &["dow"])],
        exclusive: &[&["insertafter", "insertbefore"]],
        reads: &["crontab -l", "crontab -u * -l"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        if let Some(file) = &args.cron_file {
            if file == "/etc/crontab" {
                return Err(refused("H0122", "Will not manage /etc/crontab via cron_file, see documentation."));
            }
            let name = file.rsplit('/').next().unwrap_or_default();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
                cx.warn(format!(
                    "Filename portion of cron_file (\"{name}\") should consist solely of upper- and lower-case letters, digits, underscores, and hyphens"
                ));
            }
        }
        let place = Place::of(cx, &args)?;
        let _turn = cx.probe().turn(&match &place {
            Place::File(path) => path.clone(),
            Place::User { other, .. } => Path::new("/var/spool/cron").join(other.as_deref().unwrap_or(".own")),
        })?;
        let mut table = place.read(cx)?;
        let timed = [&args.minute, &args.hour, &args.day, &args.month, &args.weekday].iter().any(|part| *part != "*");
        if args.special_time.is_some() && timed {
            let message = "You cannot combine special_time with any of the time or day/date parameters.";
            return Err(refused("H0122", message));
        }
        let present = args.state == Presence::Present;
        if present {
            if args.cron_file.is_some() && args.user.is_none() {
                return Err(refused("H0122", "To use cron_file=... parameter you must specify user=... as well"));
            }
            if args.job.is_none() {
                return Err(refused("H0122", "You must specify 'job' to install a new cron job or variable"));
            }
            if (args.insertafter.is_some() || args.insertbefore.is_some()) && !args.env {
                let message = "Insertafter and insertbefore parameters are valid only with env=yes";
                return Err(refused("H0122", message));
            }
        }
        let mut changed = if args.env { table.variable(&args)? } else { table.job(cx, &args, present) };
        if let Place::File(path) = &place
            && !args.env
            && !present
            && changed
            && table.lines.iter().all(|line| line.trim().is_empty())
        {
            cx.diff(diff(&place, &table.before, "", "/dev/null"));
            let there = cx.probe().lstat(path)?.is_some();
            if there {
                cx.change(format!("remove {}", shown(path)), |host| host.remove_file(path))?;
            }
            return Ok(map! { "cron_file" => args.cron_file.clone().unwrap_or_default(), "state" => "absent" });
        }
        if !changed && !table.before.is_empty() && !table.before.ends_with(['\n', '\r']) {
            changed = true;
        }
        let names = |list: Vec<String>| {
            Value::from(list.into_iter().map(|name| Value::from(kept_shown(&name))).collect::<Vec<_>>())
        };
        let mut result = map! { "jobs" => names(table.job_names()), "envs" => names(table.variable_names()) };
        if changed {
            let text = table.render();
            cx.diff(diff(&place, &table.before, &text, &place.name()));
            if args.backup {
                let copy = cx.scratch(|host| {
                    let copy = host.new_temporary(&host.probe().temp_dir(), "crontab", "", false)?;
                    let options = WriteOptions { mode: Some(0o600), ..WriteOptions::default() };
                    host.write(&copy, Content::Bytes(&kept_bytes(&table.before)), options)?;
                    Ok(copy)
                })?;
                if let Some(copy) = copy {
                    insert(&mut result, "backup_file", shown(&copy));
                }
            }
            place.write(cx, &args.name, &text)?;
        }
        if let Some(file) = &args.cron_file {
            insert(&mut result, "cron_file", file.as_str());
        }
        Ok(result)
    }
}

fn diff(place: &Place, before: &str, after: &str, after_header: &str) -> Diff {
    Diff {
        before_header: place.name(),
        after_header: after_header.to_owned(),
        before: kept_shown(before),
        after: kept_shown(after),
        ..Diff::default()
    }
}

/// Where the jobs are.
enum Place {
    File(PathBuf),
    /// A user's crontab; the name only if it is not one's own.
    User {
        named: Option<String>,
        other: Option<String>,
    },
}

impl Place {
    fn of(cx: &Cx, args: &Args) -> Result<Self, Failure> {
        if let Some(file) = &args.cron_file {
            let file = super::types::expand(file, cx.environment());
            return Ok(Self::File(if file.is_absolute() { file } else { Path::new("/etc/cron.d").join(file) }));
        }
        if cx.probe().which("crontab").is_none() {
            return Err(refused(
                "H0103",
                "Failed to find required executable \"crontab\" in paths: /bin:/usr/bin:/sbin:/usr/sbin",
            ));
        }
        let own = accounts::account_of_uid(rustix::process::geteuid().as_raw()).map(|account| account.name);
        let other = args.user.clone().filter(|user| Some(user) != own.as_ref());
        Ok(Self::User { named: args.user.clone(), other })
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => shown(path),
            Self::User { named: Some(user), .. } => format!("crontab for user \"{user}\""),
            Self::User { named: None, .. } => "crontab".to_owned(),
        }
    }

    fn words(other: Option<&String>, last: &str) -> Vec<String> {
        let mut words = vec!["crontab".to_owned()];
        if let Some(user) = other {
            words.extend(["-u".to_owned(), user.clone()]);
        }
        words.push(last.to_owned());
        words
    }

    fn read(&self, cx: &Cx) -> Result<Table, Failure> {
        match self {
            Self::File(path) => {
                let text = text_to_edit(cx, path)?;
                Ok(Table { lines: text.lines().map(str::to_owned).collect(), before: text })
            }
            Self::User { other, .. } => {
                let output = cx.probe().run(Program::new(Self::words(other.as_ref(), "-l")).parsable())?;
                if output.rc != 0 && output.rc != 1 {
                    let result = map! { "rc" => output.rc, "stderr" => output.err(), "stdout" => output.out() };
                    return Err(refused_with("H0122", "Unable to read crontab", result));
                }
                let text = kept_text(&output.stdout);
                let mut before = text.clone();
                let mut lines = Vec::new();
                for (at, line) in text.lines().enumerate() {
                    let header = line.starts_with("# DO NOT EDIT THIS FILE - edit the master and reinstall.")
                        || (line.starts_with("# (/tmp/") && line.contains("installed on"))
                        || (line.starts_with("# (") && line.contains("version"));
                    if at <= 2 && header {
                        before = before.replacen(&format!("{line}\n"), "", 1);
                    } else {
                        lines.push(line.to_owned());
                    }
                }
                Ok(Table { lines, before })
            }
        }
    }

    fn write(&self, cx: &Cx, name: &str, text: &str) -> Result<(), Failure> {
        match self {
            Self::File(path) => {
                let mode = if cx.probe().exists(path) { None } else { Some(0o644) };
                let options = WriteOptions { mode, ..WriteOptions::default() };
                cx.change(format!("job {name} in {}", shown(path)), |host| {
                    // Through a link, as where Python writes into the file.
                    host.write(&host.probe().real(path), Content::Bytes(&kept_bytes(text)), options)
                })?;
            }
            Self::User { other, .. } => {
                let program = Program::new(Self::words(other.as_ref(), "-")).stdin(kept_bytes(text)).parsable();
                let output = cx.change(format!("job {name} in the {}", self.name()), |host| host.run(program))?;
                if let Some(output) = output.filter(|output| !output.success()) {
                    let result = map! { "rc" => output.rc, "stderr" => output.err(), "stdout" => output.out() };
                    let mut failure = refused_with("H0122", "Failed to install new cronfile", result);
                    failure.diagnostic.notes.extend(output.said().lines().take(20).map(str::to_owned));
                    return Err(failure);
                }
            }
        }
        Ok(())
    }
}

/// A crontab's lines.
struct Table {
    lines: Vec<String>,
    before: String,
}

impl Table {
    fn render(&self) -> String {
        let text = self.lines.join("\n");
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { String::new() } else { format!("{text}\n") }
    }

    fn job_names(&self) -> Vec<String> {
        self.lines.iter().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect()
    }

    fn variable_names(&self) -> Vec<String> {
        let name = |line: &String| {
            let name = line.split('=').next().filter(|_| line.contains('='))?;
            let plain = line.find('=') > Some(0) && !line[..line.find('=')?].contains(char::is_whitespace);
            plain.then(|| name.to_owned())
        };
        self.lines.iter().filter_map(name).collect()
    }

    fn find_variable(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
    }

    /// Adds, replaces or removes a variable; true if something changed.
    fn variable(&mut self, args: &Args) -> Result<bool, Failure> {
        if args.name.contains(' ') {
            return Err(refused("H0122", "Invalid name for environment variable"));
        }
        let line = format!("{}=\"{}\"", args.name, args.job.as_deref().unwrap_or_default());
        let found = self.find_variable(&args.name);
        if args.state == Presence::Absent {
            self.lines.retain(|line| !line.strip_prefix(&args.name).is_some_and(|rest| rest.starts_with('=')));
            return Ok(found.is_some());
        }
        if let Some(at) = found {
            let differs = self.lines[at] != line;
            if differs {
                for present in &mut self.lines {
                    if present.strip_prefix(&args.name).is_some_and(|rest| rest.starts_with('=')) {
                        present.clone_from(&line);
                    }
                }
            }
            return Ok(differs);
        }
        let at = match (&args.insertafter, &args.insertbefore) {
            (None, None) => 0,
            (Some(other), _) | (None, Some(other)) => {
                let at = self
                    .find_variable(other)
                    .ok_or_else(|| refused("H0122", format!("Variable named '{other}' not found.")))?;
                if args.insertafter.is_some() { at + 1 } else { at }
            }
        };
        self.lines.insert(at, line);
        Ok(true)
    }

    /// Adds, replaces or removes a job; true if something changed.
    fn job(&mut self, cx: &Cx, args: &Args, present: bool) -> bool {
        let mark = format!("{MARK}{}", args.name);
        let at = self.lines.iter().position(|line| *line == mark).filter(|at| at + 1 < self.lines.len());
        if !present {
            if at.is_some() {
                self.replace(&mark, None);
            }
            return at.is_some();
        }
        let command = args.job.as_deref().unwrap_or_default().trim_matches(['\r', '\n']);
        if command.contains(['\r', '\n']) {
            cx.warn("Job should not contain line breaks");
        }
        let line = line(args, command);
        if let Some(at) = at {
            if self.lines[at + 1] == line {
                return false;
            }
            self.replace(&mark, Some(&line));
            return true;
        }
        // The job without its comment, or with an empty one.
        if let Some(at) = self.lines.iter().position(|present| *present == line) {
            let above = at.checked_sub(1).and_then(|at| self.lines.get(at)).cloned().unwrap_or_default();
            if !above.starts_with(MARK) {
                self.lines.insert(at, mark);
                return true;
            }
            if above == format!("{MARK}None") || above == MARK {
                self.lines[at - 1] = mark;
                return true;
            }
        }
        self.lines.extend([mark, line]);
        true
    }

    fn replace(&mut self, mark: &str, job: Option<&str>) {
        let mut kept = Vec::with_capacity(self.lines.len());
        let mut lines = std::mem::take(&mut self.lines).into_iter();
        while let Some(line) = lines.next() {
            if line != mark {
                kept.push(line);
                continue;
            }
            // Its job goes with it.
            if lines.next().is_some()
                && let Some(job) = job
            {
                kept.extend([line, job.to_owned()]);
            }
        }
        self.lines = kept;
    }
}

fn line(args: &Args, command: &str) -> String {
    let off = if args.disabled { "#" } else { "" };
    let user = match (&args.cron_file, &args.user) {
        (Some(_), Some(user)) => format!("{user} "),
        _ => String::new(),
    };
    match args.special_time {
        Some(special) => format!("{off}@{} {user}{command}", special.name()),
        None => {
            format!("{off}{} {} {} {} {} {user}{command}", args.minute, args.hour, args.day, args.month, args.weekday)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn jobs_and_variables_of_a_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("jobs");
        let file = shown(&path);
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        let with = |args: Map| {
            let mut all = map! { "cron_file" => file.clone(), "user" => "root" };
            all.extend(args);
            module("cron", all)
        };
        let job = || map! { "name" => "a b", "minute" => "5", "job" => "true" };
        assert!(with(job()).check(true).ok().changed && read().is_empty());
        let outcome = with(job()).ok();
        assert_eq!((read().as_str(), get(&outcome, "jobs")), ("#Ansible: a b\n5 * * * * root true\n", json!(["a b"])));
        assert!(!with(job()).ok().changed);
        let mut other = job();
        other.extend(map! { "minute" => "*", "special_time" => "daily", "disabled" => true });
        let outcome = with(other).ok();
        assert_eq!((read().as_str(), outcome.diffs.len()), ("#Ansible: a b\n#@daily root true\n", 1));
        with(map! { "name" => "PATH", "env" => true, "value" => "/bin" }).ok();
        with(map! { "name" => "X", "env" => true, "value" => "1", "insertafter" => "PATH" }).ok();
        assert_eq!(read(), "PATH=\"/bin\"\nX=\"1\"\n#Ansible: a b\n#@daily root true\n");
        let outcome = with(map! { "name" => "a b", "state" => "absent", "backup" => true }).ok();
        assert_eq!(get(&outcome, "envs"), json!(["PATH", "X"]));
        std::fs::remove_file(get(&outcome, "backup_file").as_str().expect("a copy")).expect("remove");
        std::fs::write(&path, "#Ansible: z\n* * * * * root x\n").expect("write");
        assert!(with(map! { "name" => "z", "state" => "absent" }).ok().changed && !path.exists());
        assert!(!with(map! { "name" => "z", "state" => "absent" }).ok().changed);
    }

    #[test]
    fn refusals_are_ansibles() {
        let msg = |args: Map| {
            let failure = module("cron", args).fails();
            failure
                .result
                .get(&crate::value::StrKey("msg"))
                .and_then(Value::as_str)
                .map(str::to_owned)
                .unwrap_or_default()
        };
        assert_eq!(
            msg(map! { "name" => "x", "job" => "y", "cron_file" => "/no/x" }),
            "To use cron_file=... parameter you must specify user=... as well"
        );
        assert!(msg(map! { "name" => "x", "cron_file" => "/etc/crontab" }).starts_with("Will not manage"));
        assert!(
            msg(map! { "name" => "x", "cron_file" => "y", "user" => "root", "special_time" => "daily", "hour" => "1" })
                .contains("combine")
        );
    }

    #[test]
    fn other_bytes_and_links_stay_and_copies_go_where_the_task_says() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("jobs"));
        std::fs::write(&target, b"# caf\xe9\n").expect("write");
        std::os::unix::fs::symlink("target", &link).expect("link");
        let args = map! {
            "cron_file" => shown(&link), "user" => "root", "name" => "a", "job" => "true", "backup" => true,
        };
        let temporary = shown(folder.path());
        let outcome = module("cron", args).env("TMPDIR", &temporary).ok();
        assert_eq!(std::fs::read(&target).expect("read"), b"# caf\xe9\n#Ansible: a\n* * * * * root true\n");
        assert!(link.is_symlink());
        let copy = get(&outcome, "backup_file");
        let copy = copy.as_str().expect("a copy");
        assert!(copy.starts_with(&temporary), "{copy}");
        assert_eq!(std::fs::read(copy).expect("read"), b"# caf\xe9\n");
        // What cannot be read is not taken for empty.
        let args = map! { "cron_file" => temporary, "user" => "root", "name" => "a", "job" => "true" };
        assert_eq!(module("cron", args).fails().diagnostic.code, "H0101");
    }
}
