//! `hostctl run`: everything opened, checked, then run; events go to the journal and the reporters.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::fact_cache::{FactCaching, JsonFacts};
use super::project::{Opened, ProjectRequest, open, playbook_file};
use super::resume::{hint_at_unfinished, to_resume};
use crate::agent;
use crate::diag::{Diagnostic, ExitCode, Result, SourceMap, made};
use crate::engine::{Engine, FactCache, HostList as _, Loads, Options, Parts, Person, Targets};
use crate::event::{EventKind, LEFT, Reporter, Sink, Stats};
use crate::journal::{Journal, RunDir, new_run_id};
use crate::map;
use crate::playbook::{Play, SettingUse};
use crate::secret::Secret;
use crate::template::Templates;
use crate::value::Value;

/// What to run, and how.
#[derive(Clone)]
pub struct RunRequest {
    /// Where.
    pub project: ProjectRequest,
    /// The playbooks, in order.
    pub playbooks: Vec<PathBuf>,
    /// Check mode.
    pub check: bool,
    /// Diffs.
    pub diff: bool,
    /// `max_diff_size`: files of more bytes are not put into diffs; 0: all are.
    pub diff_limit: u64,
    /// `--tags`
    pub tags: Vec<String>,
    /// `--skip-tags`
    pub skip_tags: Vec<String>,
    /// `--start-at-task`
    pub start_at_task: Option<String>,
    /// `--step`: a person confirms each task.
    pub step: bool,
    /// `--force-handlers`
    pub force_handlers: bool,
    /// `--forks`
    pub forks: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// Whether plays gather facts: `implicit`, `explicit` or `smart`.
    pub gathering: String,
    /// The strategy of plays that name none.
    pub strategy: String,
    /// Facts are variables of their own, too.
    pub inject_facts: bool,
    /// Where facts are kept between runs.
    pub fact_caching: Option<FactCaching>,
    /// `--flush-cache`: kept facts are forgotten first.
    pub flush_cache: bool,
    /// The debugger starts at each failure.
    pub debugger: bool,
    /// It leaves alone failures that are ignored.
    pub debugger_ignores: bool,
    /// Values of keywords that nothing in the playbook sets.
    pub keywords: IndexMap<String, Value>,
    /// Who may be asked.
    pub person: Arc<dyn Person>,
    /// Connection settings of the command line.
    pub defaults: IndexMap<String, Value>,
    /// `--ask-password`
    pub login_password: Option<Secret>,
    /// `--ask-become-password`
    pub become_password: Option<Secret>,
    /// The command line as it was typed, without `--start-at-task`.
    pub command: String,
    /// `--resume`: the run to go on with; the newest unfinished one of the playbook if empty.
    pub resume: Option<String>,
    /// `--plan`: nothing is changed, and what can plan its work does so.
    pub plan: bool,
    /// What is refused before the run ends with ansible-playbook's codes, not with our own.
    pub ansible_codes: bool,
}

/// Makes the reporters of a run, once its folder exists.
pub type MakeReporters<'a> = &'a dyn Fn(&RunDir) -> Result<Vec<Box<dyn Reporter>>>;

/// Runs the playbooks. Problems found before the run go to `show`; the exit code says how it ended.
pub async fn run(
    request: RunRequest,
    sources: &Arc<SourceMap>,
    reporters: MakeReporters<'_>,
    show: &dyn Fn(&[Diagnostic]),
) -> Result<ExitCode> {
    let started = Instant::now();
    let now = jiff::Timestamp::now();
    let time = now.strftime("%Y%m%dT%H%M%S").to_string();
    let run_id = new_run_id(&time);
    let mut exit = ExitCode::Ok;
    // The recap of a playbook counts what those before it did, too.
    let mut counts = BTreeMap::new();
    for playbook in &request.playbooks {
        let playbook = &playbook_file(&request.project.collections_path, playbook);
        let mut opened = open(&request.project, playbook, sources, true)?;
        opened.settings.extend(options_naming_plugins(&request, &opened.settings));
        let loaded = opened.loader.load(playbook);
        let runs = |play: &Play| certainly_runs(&request, &opened, play);
        let problems = super::check::problems(&opened, &loaded, Some(&runs));
        let mut problems = request.project.settled(problems);
        if request.project.given.is_some() {
            problems.retain(|problem| !of_the_task(problem));
        }
        // A handler that may be missing is told where a task notifies it.
        problems.retain(|problem| problem.is_error() || problem.code != "P0303");
        let found = super::check::needed(&opened, &loaded).into_iter().chain(problems);
        let found: Vec<Diagnostic> = found.map(for_a_run).collect();
        show(&found);
        let mut errors = found.iter().filter(|found| found.is_error()).peekable();
        if errors.peek().is_some() && request.ansible_codes {
            return Ok(super::refused_code(&found));
        }
        if errors.peek().is_some() {
            // Handlers that are not there stop Ansible only where a task notifies them, with another code; and what
            // no password opens is no mistake in a playbook.
            let other = |error: &Diagnostic| error.code == "P0303" || error.code.starts_with("V01");
            return Ok(if errors.all(other) { ExitCode::Error } else { ExitCode::Unreachable });
        }
        let loaded = loaded.playbook;
        learn_secrets(&opened)?;
        let resumed = match &request.resume {
            None => None,
            Some(name) => {
                let name = Some(name.as_str()).filter(|name| !name.is_empty());
                Some(to_resume(&opened.state, name, playbook, &opened.environments)?)
            }
        };
        let time = resumed.as_ref().map_or(time.as_str(), super::resume::Earlier::time).to_owned();
        // What comes back to a run, or is one task, leaves nothing behind that could be gone on with.
        let resumable = request.project.given.as_ref().is_none_or(|(_, name, _)| name.starts_with(made::IMAGE_BUILD));
        let unfinished = if resumed.is_none() && !request.check && resumable {
            hint_at_unfinished(&opened.state, playbook)
        } else {
            None
        };
        let id = if request.playbooks.len() == 1 { run_id.clone() } else { new_run_id(&time) };
        let dir = RunDir::create(&opened.state, &id)?;
        let mut all: Vec<Box<dyn Reporter>> = vec![Box::new(Journal::new(dir.clone()))];
        all.extend(reporters(&dir)?);
        let sink = Sink::new(id.as_str(), Arc::clone(&opened.redactor), Arc::clone(sources), all);
        opened.hosts.tell(&sink);
        sink.emit(
            None,
            EventKind::RunStarted {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                playbook: playbook.display().to_string(),
                environments: opened.environments.clone(),
                check: request.check,
                command: if request.playbooks.len() == 1 { request.command.clone() } else { String::new() },
                plays: loaded.plays.len(),
                resumes: resumed.as_ref().map(|run| run.root.clone()),
            },
        );
        if let Some(diagnostic) = unfinished {
            sink.emit(None, EventKind::Warning { diagnostic });
        }
        let cancel = CancellationToken::new();
        let leaving = agent::Leaving::default();
        let watch = Watch::start(&cancel, &leaving, &sink, &opened.templates);
        let root = resumed.as_ref().map(|run| run.root.as_str());
        let names = RunNames { time: &time, id: &id, resumes: root };
        let ended = play(&request, &opened, (&sink, &cancel, &leaving), &loaded, &names, &mut counts).await;
        drop(watch);
        let (code, mut notes) = ended;
        // A record that is not whole must not pass for a success.
        exit = if code == ExitCode::Ok && sink.incomplete() { ExitCode::Error } else { code };
        notes.push(("logs".to_owned(), shown(dir.path())));
        let came_back = playbook.file_name().is_some_and(|name| name.to_string_lossy().starts_with(made::ATTACH));
        if came_back {
            // What the playbook has behind the build, or the rest of it.
            notes.push(("resume".to_owned(), request.command.clone()));
        } else if code == ExitCode::Interrupted && !leaving.is_set() {
            notes.extend(super::resume::goes_on(&opened.state, &id).map(|again| ("resume".to_owned(), again)));
        }
        if code != ExitCode::Ok && code != ExitCode::Interrupted {
            notes.push(("failed".to_owned(), format!("hostctl log {id} --failed")));
        }
        sink.emit(None, EventKind::RunEnded { exit_code: exit as u8, notes, seconds: started.elapsed().as_secs_f64() });
        let untold = sink.take_untold();
        if !untold.is_empty() {
            show(&untold);
            exit = if exit == ExitCode::Ok { ExitCode::Error } else { exit };
        }
        if exit != ExitCode::Ok {
            break;
        }
    }
    Ok(exit)
}

/// Opens every sealed value once, so that all of them are masked from the first line on, also
/// those that only a host would print; and a wrong key ends the run before any host is contacted.
/// Without a key nothing is opened: the playbook may not need one.
/// Login and become passwords that stand in clear in the inventory are secrets too.
fn learn_secrets(opened: &Opened) -> Result<()> {
    let mut passwords = opened.hosts.passwords();
    passwords.extend(opened.layers.iter().flat_map(crate::vars::Layer::passwords));
    passwords.sort();
    passwords.dedup();
    for password in passwords {
        opened.redactor.learn(&password);
    }
    let certain = opened.keyring.opens_silently();
    for entry in opened.layers.iter().flat_map(|layer| layer.entries.values()) {
        if let crate::vars::Entry::Sealed(value, _) = entry {
            if !certain && !opened.keyring.may_open_silently() {
                return Ok(());
            }
            match value.open() {
                // The user's own ssh key was tried only since it was there.
                Err(error) if !certain && matches!(&*error.code, "V0003" | "V0004") => return Ok(()),
                other => drop(other?),
            }
        }
    }
    Ok(())
}

/// Options of the command line that name plugins.
fn options_naming_plugins(request: &RunRequest, known: &[SettingUse]) -> Vec<SettingUse> {
    let options = [("connection", "connection", "`--connection`"), ("become_method", "become", "`--become-method`")];
    let named = options.into_iter().filter_map(|(option, kind, told)| {
        let name = request.defaults.get(option)?.as_str()?.to_owned();
        Some(SettingUse { kind, name, place: None, told: told.to_owned(), needed: false })
    });
    named.filter(|used| !known.iter().any(|known| known.kind == used.kind && known.name == used.name)).collect()
}

/// What `check` calls an error may be meant in a run: a task before may make the file that is not there yet.
fn for_a_run(problem: Diagnostic) -> Diagnostic {
    if problem.code == "P0302" { problem.warning() } else { problem }
}

/// What is wrong with the one task that stands in no file is told by its results, as with Ansible.
fn of_the_task(problem: &Diagnostic) -> bool {
    problem.code.starts_with(['M', 'T']) || matches!(&*problem.code, "P0301" | "P0302")
}

/// True if a play selects a host and no option leaves tasks of it out.
fn certainly_runs(request: &RunRequest, opened: &Opened, play: &Play) -> bool {
    let all = request.tags.is_empty() && request.skip_tags.is_empty() && request.start_at_task.is_none();
    let Some(hosts) = play.context.keywords.get("hosts").filter(|hosts| all && !hosts.has_template()) else {
        return false;
    };
    let single = std::slice::from_ref(hosts);
    let patterns: Option<Vec<&str>> = hosts.as_list().unwrap_or(single).iter().map(|node| node.as_str()).collect();
    patterns.is_some_and(|patterns| opened.hosts.select(&patterns.join(",")).is_ok_and(|hosts| !hosts.is_empty()))
}

/// How a run is called.
struct RunNames<'a> {
    /// When it began, or the first one that it resumes.
    time: &'a str,
    /// Its own name.
    id: &'a str,
    /// The name of the first run that it resumes.
    resumes: Option<&'a str>,
}

async fn play(
    request: &RunRequest,
    opened: &Opened,
    (sink, cancel, leaving): (&Sink, &CancellationToken, &agent::Leaving),
    playbook: &crate::playbook::Playbook,
    names_of_run: &RunNames<'_>,
    counts: &mut BTreeMap<String, Stats>,
) -> (ExitCode, Vec<(String, String)>) {
    let warn_sink = sink.clone();
    let options = agent::Options::new(Arc::new(move |diagnostic| {
        warn_sink.emit(None, EventKind::Warning { diagnostic });
    }));
    let trace_sink = sink.clone();
    let trace =
        Arc::new(move |host: &Arc<str>, text| trace_sink.emit(Some(host), EventKind::Trace { text, inner: false }));
    let pool: Arc<dyn Targets> =
        Arc::new(agent::Pool::new(agent::Options { trace, leaving: leaving.clone(), ..options }));
    let mut defaults = request.defaults.clone();
    for (name, secret) in [("password", &request.login_password), ("become_password", &request.become_password)] {
        if let Some(secret) = secret {
            opened.redactor.learn(secret.expose());
            defaults.insert(name.to_owned(), Value::from(secret.expose()));
        }
    }
    let names: Vec<Value> = opened.environments.iter().map(|name| Value::from(name.as_str())).collect();
    let run_info = map! {
        "id" => names_of_run.id,
        "time" => names_of_run.time,
        "resumes" => names_of_run.resumes,
        "environment" => opened.environments.last().map(|name| Value::from(name.as_str())).unwrap_or_default(),
        "environments" => names,
        "tag_file" => opened.tag_file.as_ref().map(|path| path.display().to_string()),
        "dir" => crate::journal::runs_dir(&opened.state).join(names_of_run.id).display().to_string(),
        "plan" => request.plan,
        "project" => opened.base.display().to_string(),
    };
    let options = Options {
        forks: request.forks,
        check: request.check,
        diff: request.diff,
        diff_limit: request.diff_limit,
        tags: request.tags.clone(),
        skip_tags: request.skip_tags.clone(),
        inventory: opened.inventory.clone(),
        ad_hoc: request.project.given.as_ref().is_some_and(|(_, name, _)| name.starts_with("<adhoc")),
        limit: request.project.limit.clone(),
        start_at_task: request.start_at_task.clone(),
        step: request.step,
        force_handlers: request.force_handlers,
        verbosity: request.verbosity,
        gathering: request.gathering.clone(),
        strategy: request.strategy.clone(),
        hash_merge: request.project.hash_merge,
        inject_facts: request.inject_facts,
        debugger: request.debugger,
        missing_handlers: request.project.missing_handlers,
        debugger_ignores: request.debugger_ignores,
        keywords: request.keywords.clone(),
        layers: opened.layers.clone(),
        defaults,
        run_info: Value::from(run_info),
        project_dir: opened.base.clone(),
    };
    let fact_cache = match request.fact_caching.clone().map(|caching| JsonFacts::open(caching, sink.clone())) {
        None => None,
        Some(Ok(cache)) => Some(Arc::new(cache) as Arc<dyn FactCache>),
        Some(Err(diagnostic)) => {
            let code = diagnostic.kind.exit_code();
            sink.emit(None, EventKind::Error { diagnostic });
            return (code, Vec::new());
        }
    };
    if let (true, Some(cache)) = (request.flush_cache, &fact_cache) {
        for host in opened.hosts.select("all").unwrap_or_default() {
            cache.forget(&host);
        }
    }
    let loader: Arc<dyn Loads> = Arc::clone(&opened.loader) as Arc<dyn Loads>;
    let engine = Engine::new(
        options,
        Parts {
            templates: Arc::clone(&opened.templates),
            hosts: Arc::clone(&opened.hosts) as Arc<dyn crate::engine::HostList>,
            targets: Arc::clone(&pool),
            loader,
            sink: sink.clone(),
            redactor: Arc::clone(&opened.redactor),
            cancel: cancel.clone(),
            fact_cache,
            person: Arc::clone(&request.person),
        },
    );
    let ticker = {
        let sink = sink.clone();
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(Duration::from_millis(250));
            loop {
                interval.tick().await;
                sink.tick();
            }
        })
    };
    engine.count_from(std::mem::take(counts));
    let summary = engine.run(playbook).await;
    counts.clone_from(&summary.stats);
    ticker.abort();
    for diagnostic in opened.keyring.take_warnings() {
        sink.emit(None, EventKind::Warning { diagnostic });
    }
    pool.close().await;
    let mut notes = summary.notes;
    if leaving.is_set() && engine.left_work() {
        notes.push((LEFT.to_owned(), format!("go on on their hosts: hostctl attach {}", names_of_run.id)));
    }
    (summary.exit, notes)
}

/// How long a run that was told to terminate may take to end in order. Who sends the signal (a service
/// manager, a CI runner) sends it once, and nobody is there for a second one.
const GRACE: Duration = Duration::from_secs(10);

/// Watches for signals while it lives. It has a thread of its own, since templates may keep all of the
/// run's threads busy.
struct Watch(CancellationToken);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Watch {
    fn start(cancel: &CancellationToken, leaving: &agent::Leaving, sink: &Sink, templates: &Arc<Templates>) -> Self {
        let ended = CancellationToken::new();
        let over = ended.clone();
        let (cancel, leaving, sink, templates) = (cancel.clone(), leaving.clone(), sink.clone(), Arc::clone(templates));
        let listen = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async move {
                tokio::select! {
                    () = over.cancelled() => {}
                    () = watch_signals(&cancel, &leaving, &sink, &templates) => {}
                }
            });
        };
        // Without a thread the signals keep their own effect: they end the process.
        let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(listen);
        Self(ended)
    }
}

/// Interrupt and terminate end the run in order; a second interrupt ends it at once, and so does time
/// after a terminate.
async fn watch_signals(cancel: &CancellationToken, leaving: &agent::Leaving, sink: &Sink, templates: &Templates) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).ok();
    let mut hangup = signal(SignalKind::hangup()).ok();
    let mut quit = signal(SignalKind::quit()).ok();
    let mut deadline = None;
    let mut count = 0;
    loop {
        let patience = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let alone = tokio::select! {
            _ = tokio::signal::ctrl_c() => false,
            Some(()) = async { terminate.as_mut()?.recv().await } => true,
            Some(()) = async { hangup.as_mut()?.recv().await } => true,
            Some(()) = async { quit.as_mut()?.recv().await } => false,
            () = patience => false,
        };
        count += 1;
        if count > 1 {
            // The first one did not get through within the user's patience.
            #[expect(clippy::exit, reason = "the user asked twice")]
            std::process::exit(ExitCode::Interrupted as i32);
        }
        if alone {
            // Nobody asked for the end of what was begun: a terminal or a login session has ended.
            leaving.set();
            deadline = Some(tokio::time::Instant::now() + GRACE);
        }
        sink.emit(None, EventKind::Warning { diagnostic: interrupted(alone) });
        cancel.cancel();
        templates.stop();
    }
}

/// What is told at a signal. One that nobody sends who sits there lets builds of images go on.
fn interrupted(alone: bool) -> Diagnostic {
    if alone {
        let text = "told to terminate: ending what runs but builds of images, starting nothing more";
        return Diagnostic::local("R0302", text).warning().with_note("those go on on their hosts");
    }
    Diagnostic::local("R0302", "interrupted: ending what runs, starting nothing more")
        .warning()
        .with_hint("interrupt again to end at once")
}

/// A path as the closing block shows it.
fn shown(path: &Path) -> String {
    std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok().map(Path::to_path_buf))
        .unwrap_or_else(|| path.to_path_buf())
        .display()
        .to_string()
        + "/"
}
