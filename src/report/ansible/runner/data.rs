//! What ansible-runner's events carry: the shape of its `awx_display` callback, its settings, the escape sequences
//! that tell the reader of standard output where an event begins and ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use jiff::Timestamp;

use crate::event::{CENSORED, Done, Stats, Status};
use crate::map;
use crate::value::{JsonStyle, Map, StrKey, Value, insert, python_str, to_json_text};

use super::super::display::ResultFormat;
use super::super::result::short;

/// So many characters of an escape sequence's text stand in one piece.
const PIECE: usize = 78;

/// What the environment says about events.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// `AWX_ISOLATED_DATA_DIR`: the folder of `job_events`.
    pub dir: std::path::PathBuf,
    /// `AD_HOC_COMMAND_ID` is set: plays and tasks are not told.
    pub adhoc: bool,
    /// `job_id`, `ad_hoc_command_id`, `project_update_id`.
    pub ids: Vec<(&'static str, i64)>,
    /// `RUNNER_OMIT_EVENTS`: events without their data.
    pub omit: bool,
    /// `RUNNER_ONLY_FAILED_EVENTS`: only failures have data.
    pub only_failed: bool,
    /// `MAX_EVENT_RES`: longer results are left out.
    pub longest: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// Lines for `-v` before the run.
    pub preamble: Vec<String>,
    /// Colours.
    pub color: bool,
    /// Lines around a difference.
    pub diff_context: usize,
    /// The form of mappings in differences.
    pub format: ResultFormat,
    /// Differences are told (`--diff`); a task may say otherwise.
    pub diff: bool,
}

impl RunnerOptions {
    /// What the environment's variables say, for a run with these settings.
    pub fn read(env: impl Fn(&str) -> Option<String>, dir: std::path::PathBuf) -> Self {
        let flag = |name: &str| env(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let number = |name: &str| env(name).and_then(|value| value.trim().parse::<i64>().ok());
        let ids = [
            ("job_id", "JOB_ID"),
            ("ad_hoc_command_id", "AD_HOC_COMMAND_ID"),
            ("project_update_id", "PROJECT_UPDATE_ID"),
        ];
        Self {
            dir,
            adhoc: env("AD_HOC_COMMAND_ID").is_some_and(|value| !value.is_empty()),
            ids: ids.into_iter().filter_map(|(key, name)| Some((key, number(name)?))).collect(),
            omit: flag("RUNNER_OMIT_EVENTS"),
            only_failed: flag("RUNNER_ONLY_FAILED_EVENTS"),
            longest: number("MAX_EVENT_RES").and_then(|longest| usize::try_from(longest).ok()).unwrap_or(700_000),
            verbosity: 0,
            preamble: Vec::new(),
            color: false,
            diff_context: 3,
            format: ResultFormat::Json,
            diff: false,
        }
    }

    /// The event as it is written: its name, where it belongs, and the data.
    pub(super) fn begin(&self, event: &str, uuid: &str, mut data: Map, verbosity: Option<u8>) -> Map {
        let mut begin = map! { "event" => event };
        for (key, id) in &self.ids {
            insert(&mut begin, key, *id);
        }
        insert(&mut begin, "pid", i64::from(std::process::id()));
        insert(&mut begin, "uuid", uuid);
        insert(&mut begin, "created", time(Timestamp::now()));
        let parent = ["task_uuid", "play_uuid", "playbook_uuid"]
            .iter()
            .filter_map(|key| data.get(&StrKey(key)).and_then(Value::as_str))
            .find(|parent| *parent != uuid);
        if let Some(parent) = parent {
            let parent = parent.to_owned();
            insert(&mut begin, "parent_uuid", parent);
        }
        if let Some(verbosity) = verbosity {
            insert(&mut begin, "verbosity", i64::from(verbosity));
        }
        let failed = matches!(event, "runner_on_failed" | "runner_on_async_failed" | "runner_on_item_failed");
        if self.omit || (self.only_failed && !failed) {
            data.clear();
        }
        if event != "playbook_on_stats"
            && let Some(res) = data.get_mut(&StrKey("res"))
            && python_str(res).chars().count() > self.longest
        {
            *res = Value::empty_map();
        }
        insert(&mut begin, "event_data", data);
        begin
    }
}

/// A time as Python's `isoformat` has it, in UTC.
pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.6}").replace('Z', "+00:00")
}

/// Seconds between two times.
pub(super) fn seconds(start: Timestamp, end: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a task")]
    let micros = end.as_microsecond().saturating_sub(start.as_microsecond()) as f64;
    micros / 1e6
}

/// JSON as Python writes it.
pub(super) fn json(map: Map) -> String {
    to_json_text(&Value::from(map), JsonStyle { indent: None, sort_keys: false, ascii: true })
}

/// The sequence that begins an event on standard output; it ends it without a name.
pub(super) fn sequence(uuid: Option<&str>) -> String {
    let data = json(uuid.map_or_else(Map::new, |uuid| map! { "uuid" => uuid }));
    let text = base64::engine::general_purpose::STANDARD.encode(data);
    let mut out = "\u{1b}[K".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(PIECE));
        let _ = write!(out, "{piece}\u{1b}[{}D", piece.len());
        rest = behind;
    }
    out.push_str("\u{1b}[K");
    out
}

/// What a result belongs to.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// A task without a loop.
    Task,
    /// An item with its label.
    Item(&'a str),
    /// A loop, with the results of its items.
    Loop(&'a [Map]),
    /// One of several tries.
    Try(u32),
    /// The end of a job that the task waited for.
    Job,
}

/// A result as events have it. `module` is the task's, as written.
pub(super) fn result(done: &Done, module: &str, of: Of<'_>) -> Map {
    if done.no_log {
        return map! { "censored" => CENSORED };
    }
    let mut res = done.result.clone();
    for key in ["failed", "skipped"] {
        res.shift_remove(&StrKey(key));
    }
    if matches!(short(module), "setup" | "gather_facts")
        && let Some(Value::Map(facts)) = res.get_mut(&StrKey("ansible_facts"))
    {
        std::sync::Arc::make_mut(facts).shift_remove(&StrKey("ansible_env"));
    }
    if let Of::Loop(items) = of {
        if let Some(Value::List(results)) = res.get_mut(&StrKey("results"))
            && results.len() == items.len()
        {
            for (result, item) in std::sync::Arc::make_mut(results).iter_mut().zip(items) {
                complete(result, item);
            }
        }
        return res;
    }
    if let Some(arguments) = &done.arguments
        && !matches!(short(module), "debug" | "gather_facts")
        && !res.contains_key(&StrKey("invocation"))
    {
        insert(&mut res, "invocation", map! { "module_args" => arguments.clone() });
    }
    if let Of::Try(of) = of {
        insert(&mut res, "retries", i64::from(of));
    }
    if matches!(of, Of::Try(_) | Of::Job) {
        return res;
    }
    if done.status == Status::Unreachable && !res.contains_key(&StrKey("exception")) {
        insert(&mut res, "exception", "(traceback unavailable)");
    }
    if done.verbose {
        insert(&mut res, "_ansible_verbose_always", true);
    }
    if matches!(short(module), "setup" | "gather_facts") {
        insert(&mut res, "_ansible_verbose_override", true);
    }
    insert(&mut res, "_ansible_no_log", false);
    if let Of::Item(label) = of {
        let name = res.get(&StrKey("ansible_loop_var")).and_then(Value::as_str).unwrap_or("item");
        // The label is a text here; an item that is its own label keeps its type.
        let item = res.get(&StrKey(name)).filter(|item| python_str(item) == label).cloned();
        insert(&mut res, "_ansible_item_label", item.unwrap_or_else(|| Value::from(label)));
    }
    if let Some(delegate) = &done.delegate {
        let address = delegate.strip_suffix(')').and_then(|text| text.split_once('(')).map_or(&**delegate, |at| at.1);
        insert(&mut res, "_ansible_delegated_vars", map! { "ansible_host" => address });
    }
    res
}

/// The result of an item that includes something.
pub(super) fn included_item(item: &Map) -> Map {
    let mut res = item.clone();
    let name = item.get(&StrKey("ansible_loop_var")).and_then(Value::as_str).unwrap_or("item");
    insert(&mut res, "_ansible_no_log", false);
    insert(&mut res, "_ansible_item_label", item.get(&StrKey(name)).cloned().unwrap_or_default());
    res
}

/// Adds to an item's result what its own event has more than that.
fn complete(result: &mut Value, item: &Map) {
    if item.contains_key(&StrKey("censored")) {
        *result = Value::from(item.clone());
    } else if let Value::Map(result) = result {
        let result = std::sync::Arc::make_mut(result);
        for (key, value) in item {
            if !result.contains_key(key) {
                result.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The counts as `playbook_on_stats` has them: by kind, then by host, without those that are zero.
pub(super) fn counts(stats: &BTreeMap<String, Stats>) -> Map {
    let kinds: [(&str, fn(&Stats) -> u32); 8] = [
        ("changed", |stats| stats.changed),
        ("dark", |stats| stats.unreachable),
        ("failures", |stats| stats.failed),
        ("ignored", |stats| stats.ignored),
        ("ok", |stats| stats.ok),
        ("processed", |_| 1),
        ("rescued", |stats| stats.rescued),
        ("skipped", |stats| stats.skipped),
    ];
    let mut found = Map::new();
    for (kind, count) in kinds {
        let mut hosts = Map::new();
        for (host, stats) in stats.iter().filter(|(_, stats)| count(stats) > 0) {
            insert(&mut hosts, host, i64::from(count(stats)));
        }
        insert(&mut found, kind, hosts);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn options(set: &[(&str, &str)]) -> RunnerOptions {
        let env = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        RunnerOptions::read(env, "/nowhere".into())
    }

    fn done(result: Map) -> Done {
        Done { arguments: Some(map! { "path" => "/x" }), ..testing::done(Status::Ok, result) }
    }

    #[test]
    fn a_sequence_is_what_the_reader_looks_for() {
        assert_eq!(sequence(None), "\u{1b}[Ke30=\u{1b}[4D\u{1b}[K");
        let long = sequence(Some(&"x".repeat(60)));
        assert_eq!(long.matches("\u{1b}[78D").count(), 1, "{long:?}");
    }

    #[test]
    fn the_parent_is_the_nearest_that_is_not_itself() {
        let data = map! { "playbook_uuid" => "b", "play_uuid" => "p", "task_uuid" => "t" };
        let parent = |uuid: &str| {
            let begin = options(&[]).begin("x", uuid, data.clone(), None);
            begin.get(&StrKey("parent_uuid")).map(python_str)
        };
        assert_eq!(parent("other").as_deref(), Some("t"));
        assert_eq!(parent("t").as_deref(), Some("p"));
        // The second time that a task is told has a name of its own.
        assert_eq!(parent("t_2").as_deref(), Some("t"));
    }

    #[test]
    fn the_environment_leaves_out_data_and_names_jobs() {
        let data = map! { "host" => "a", "res" => map! { "stdout" => "x".repeat(50) } };
        let told = |set: &[(&str, &str)], event: &str| {
            let begin = options(set).begin(event, "u", data.clone(), None);
            (begin.get(&StrKey("event_data")).map(python_str).unwrap_or_default(), begin)
        };
        assert!(told(&[], "runner_on_ok").0.contains("xxx"));
        assert_eq!(told(&[("RUNNER_OMIT_EVENTS", "True")], "runner_on_ok").0, "{}");
        assert_eq!(told(&[("RUNNER_ONLY_FAILED_EVENTS", "true")], "runner_on_ok").0, "{}");
        assert!(told(&[("RUNNER_ONLY_FAILED_EVENTS", "true")], "runner_on_failed").0.contains("xxx"));
        assert_eq!(told(&[("MAX_EVENT_RES", "20")], "runner_on_ok").0, "{'host': 'a', 'res': {}}");
        let (_, begin) = told(&[("JOB_ID", "7"), ("PROJECT_UPDATE_ID", "x")], "runner_on_ok");
        assert_eq!(begin.get(&StrKey("job_id")), Some(&Value::Int(7)));
        assert!(!begin.contains_key(&StrKey("project_update_id")));
    }

    #[test]
    fn results_have_ansibles_inner_keys() {
        let plain = result(&done(map! { "changed" => false, "failed" => false }), "stat", Of::Task);
        let plain = python_str(&Value::from(plain));
        assert_eq!(
            plain,
            "{'changed': False, 'invocation': {'module_args': {'path': '/x'}}, '_ansible_no_log': False}"
        );
        let item = done(map! { "item" => 1, "ansible_loop_var" => "item", "failed" => true });
        let item = result(&item, "debug", Of::Item("1"));
        assert_eq!(item.get(&StrKey("_ansible_item_label")), Some(&Value::Int(1)));
        assert!(!item.contains_key(&StrKey("invocation")));
        let results = Value::from(vec![Value::from(map! { "failed" => true, "item" => 1 })]);
        let whole = result(&done(map! { "results" => results }), "debug", Of::Loop(&[item]));
        let whole = python_str(&Value::from(whole));
        assert!(whole.contains("'failed': True") && whole.contains("_ansible_item_label"), "{whole}");
    }

    #[test]
    fn a_hidden_result_says_so_and_nothing_else() {
        let hidden = Done { no_log: true, ..done(map! { "censored" => "x", "changed" => true, "stdout" => "canary" }) };
        assert_eq!(result(&hidden, "command", Of::Task), map! { "censored" => CENSORED });
        let open = done(map! { "results" => Value::from(vec![Value::from(map! { "stdout" => "canary" })]) });
        let whole = result(&open, "command", Of::Loop(&[map! { "censored" => CENSORED }]));
        assert!(!python_str(&Value::from(whole)).contains("canary"));
    }

    #[test]
    fn facts_lose_the_environment() {
        let facts =
            map! { "ansible_facts" => map! { "ansible_env" => map! { "TOKEN" => "x" }, "ansible_system" => "Linux" } };
        let res = python_str(&Value::from(result(&done(facts), "ansible.builtin.setup", Of::Task)));
        assert!(res.contains("Linux") && !res.contains("TOKEN"), "{res}");
    }

    #[test]
    fn counts_leave_zeros_out() {
        let stats = Stats { ok: 2, ..Stats::default() };
        let counts = python_str(&Value::from(counts(&BTreeMap::from([("a".to_owned(), stats)]))));
        assert_eq!(
            counts,
            "{'changed': {}, 'dark': {}, 'failures': {}, 'ignored': {}, 'ok': {'a': 2}, 'processed': {'a': 1}, \
             'rescued': {}, 'skipped': {}}"
        );
    }

    #[test]
    fn times_are_pythons() {
        let at = Timestamp::from_microsecond(1_795_317_204_000_123).unwrap();
        assert_eq!(time(at), "2026-11-22T03:13:24.000123+00:00");
        assert!((seconds(Timestamp::UNIX_EPOCH, at) - 1_795_317_204.000_123).abs() < 1e-6);
    }
}
