//! A run as a person reads it: plays, tasks, failures with their frames, images, the recap.
//!
//! On a terminal the running tasks move below the finished lines; elsewhere the same lines
//! come without motion.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use crate::diag::SourceMap;
use crate::event::{Done, Event, EventKind, Progress, Reporter, Stats, Status, TaskId, Trouble};

use super::canvas::Canvas;
use super::images::{Images, Look};
use super::layout::{Paint, duration, pad, safe_line, shell_word, shorten, word, wrap};
use super::lines::{HostEnd, TaskLines, framed};
use super::live::Live;
use super::screen::safe;
use super::written::Written;

/// How a run is shown.
#[derive(Clone, Copy, Debug)]
pub struct HumanOptions {
    /// Colours.
    pub color: bool,
    /// Moving lines: stdout is a terminal.
    pub live: bool,
    /// Columns.
    pub width: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// Show diffs.
    pub diff: bool,
    /// The terminal shows more than ASCII.
    pub unicode: bool,
}

/// Where the time and the window's size come from.
pub(super) struct Surroundings {
    /// Time since some beginning.
    pub now: Box<dyn Fn() -> Duration + Send>,
    /// Rows and columns of the window, if it tells.
    pub size: Box<dyn Fn() -> Option<(usize, usize)> + Send>,
}

impl Default for Surroundings {
    fn default() -> Self {
        let start = Instant::now();
        let size = || {
            let (rows, columns) = console::Term::stdout().size_checked()?;
            Some((usize::from(rows), usize::from(columns)))
        };
        Self { now: Box::new(move || start.elapsed()), size: Box::new(size) }
    }
}

const RESUME: &str = " --resume";

/// What goes on from a task: its name, or its place if it has none. Facts are gathered again by the whole command.
/// A build of images goes on under its tag, which tasks before it may have made.
fn start_at(name: &str, role: Option<&str>, module: &str, place: &str) -> String {
    if name == "Gathering Facts" {
        return String::new();
    }
    if matches!(module.rsplit('.').next(), Some("image_build" | "image_attach")) {
        return RESUME.to_owned();
    }
    let named = role.map_or_else(|| name.to_owned(), |role| format!("{role} : {name}"));
    let line = place.rsplit_once(':').map_or(place, |(line, _)| line);
    let start = if name == module { line } else { &named };
    format!(" --start-at-task {}", shell_word(start))
}

/// The whole command; one that resumes already does so again. A command for images has no tasks to start at, and a plan
/// left nothing behind to go on with.
fn again(command: &str, start: &str) -> String {
    let has = |wanted: &str| command.split(' ').any(|word| word == wanted);
    let whole = match start {
        RESUME => {
            has(RESUME.trim())
                || command.contains(" --resume=")
                || command.starts_with("hostctl image plan")
                || has("--plan")
        }
        _ => command.starts_with("hostctl image "),
    };
    format!("{command}{}", if whole { "" } else { start })
}

fn look(options: HumanOptions, width: usize) -> Look {
    Look {
        paint: Paint { color: options.color },
        width,
        verbosity: options.verbosity,
        live: options.live,
        ascii: !options.unicode,
    }
}

/// A task that is under way.
struct Running {
    name: String,
    /// What goes behind the command to go on from here; `None` for handlers.
    start: Option<String>,
    started: Instant,
    hosts: HashSet<String>,
    ends: Vec<HostEnd>,
    items: BTreeMap<String, Items>,
    /// Output held back until the task counts as long.
    held: Vec<String>,
    flowing: bool,
    /// What became of its images, for below its lines.
    tables: String,
}

impl Running {
    fn new(name: String, start: Option<String>) -> Self {
        Self {
            name,
            start,
            started: Instant::now(),
            hosts: HashSet::new(),
            ends: Vec::new(),
            items: BTreeMap::new(),
            held: Vec::new(),
            flowing: false,
            tables: String::new(),
        }
    }
}

/// The items of a loop on one host.
#[derive(Default)]
struct Items {
    /// Worth a line.
    shown: Vec<(String, Done)>,
    /// How often they ended in which way, in the order of their first end.
    counts: IndexMap<&'static str, usize>,
}

/// Writes to people.
pub struct Human<W: Write + Send> {
    out: Written<W>,
    options: HumanOptions,
    paint: Paint,
    surroundings: Surroundings,
    /// Columns of the window.
    width: usize,
    /// What stands at the bottom of a terminal.
    canvas: Option<Canvas>,
    /// The line of the task that runs.
    live: Option<Live>,
    images: Images,
    /// Somebody is asked: nothing moves.
    still: bool,
    running: IndexMap<TaskId, Running>,
    hosts: usize,
    /// Columns of the hosts' names in this play.
    host_width: usize,
    /// The run's command line.
    command: String,
    /// The last line printed was empty.
    blank: bool,
}

/// A task that runs longer shows its output as it comes.
const LONG: Duration = Duration::from_secs(2);
/// Output lines kept until then.
const HELD: usize = 500;

impl<W: Write + Send> Human<W> {
    /// Onto standard output; with `options.live` finished lines go through the live area instead.
    pub fn new(out: W, options: HumanOptions) -> Self {
        Self::onto(Written::new(out, None), options, Surroundings::default())
    }

    /// Onto a file of the record, named in messages.
    pub fn record(out: W, file: impl Into<String>, options: HumanOptions) -> Self {
        Self::onto(Written::new(out, Some(file.into())), options, Surroundings::default())
    }

    pub(super) fn onto(out: Written<W>, options: HumanOptions, surroundings: Surroundings) -> Self {
        Self {
            out,
            options,
            paint: Paint { color: options.color },
            surroundings,
            width: options.width,
            canvas: options.live.then(Canvas::default),
            live: None,
            images: Images::default(),
            still: false,
            running: IndexMap::new(),
            hosts: 0,
            host_width: 9,
            command: String::new(),
            blank: true,
        }
    }

    /// Columns that lines are broken at: those of a terminal. Elsewhere nobody knows them, and lines are looked for.
    fn room(&self) -> usize {
        if self.options.live { self.width } else { usize::MAX }
    }

    fn fitted(&self, line: &str, indent: usize) -> String {
        wrap(line, self.room(), indent)
    }

    fn now(&self) -> Duration {
        (self.surroundings.now)()
    }

    /// Prints lines; two empty lines never follow each other.
    fn print(&mut self, text: &str) {
        let text = if self.blank { text.trim_start_matches('\n') } else { text };
        if text.is_empty() {
            return;
        }
        self.blank = text.ends_with("\n\n") || text == "\n";
        let now = self.now();
        match &mut self.canvas {
            Some(canvas) => {
                if canvas.print(&safe(text), now) {
                    self.draw();
                }
            }
            None => self.out.write(text),
        }
    }

    /// Shows what was printed, and the moving lines as they are now.
    fn draw(&mut self) {
        let Some(canvas) = &mut self.canvas else { return };
        // The window may have changed its size.
        let size = (self.surroundings.size)().unwrap_or((24, self.options.width));
        let (rows, width) = (size.0.max(2), size.1.clamp(20, 1000));
        self.width = width;
        let now = (self.surroundings.now)();
        let mut lines = Vec::new();
        if !self.still {
            let look = look(self.options, width - 1);
            lines = self.images.block(&look, rows - 1, now);
            // Builds of images tell time and silence themselves.
            if lines.is_empty() {
                lines.extend(self.live.as_ref().map(|live| live.line(width, now)));
            }
        }
        if let Some(frame) = canvas.frame(lines, (rows, size.1), now) {
            self.out.bytes(frame.as_bytes());
            self.out.flush();
        }
    }

    /// The task's line gets a new text; drawn with the next frame.
    fn say(&mut self, text: &str) {
        let now = self.now();
        if let Some(live) = &mut self.live {
            live.set(text, now);
        }
    }

    fn flush_task(&mut self, task: TaskId, sources: &SourceMap) {
        let Some(running) = self.running.shift_remove(&task) else { return };
        self.show(running, sources);
    }

    fn show(&mut self, mut running: Running, sources: &SourceMap) {
        self.live = None;
        if running.ends.is_empty() {
            return;
        }
        for end in &mut running.ends {
            let items = running.items.remove(&end.host).unwrap_or_default();
            end.shown_items = items.shown;
            end.counts = items.counts.into_iter().collect();
        }
        let start = running.start.filter(|_| !self.command.is_empty());
        let again = start.map(|start| again(&self.command, &start));
        let lines = TaskLines {
            name: running.name,
            ends: &running.ends,
            paint: self.paint,
            width: self.options.width,
            room: self.room(),
            verbosity: self.options.verbosity,
            diff: self.options.diff,
            host_width: self.host_width,
            again,
        }
        .render(sources);
        self.print(&lines);
        self.print(&running.tables);
    }

    /// Shows what has ended so far, and takes the moving lines away.
    fn make_way(&mut self, sources: &SourceMap) {
        let tasks: Vec<TaskId> = self.running.keys().copied().collect();
        for task in tasks {
            let Some(running) = self.running.get(&task) else { continue };
            let rest =
                Running { hosts: running.hosts.clone(), ..Running::new(running.name.clone(), running.start.clone()) };
            if let Some(running) = self.running.insert(task, rest) {
                self.show(running, sources);
            }
        }
        (self.live, self.still) = (None, true);
        self.draw();
    }

    fn flush_all(&mut self, sources: &SourceMap) {
        let tasks: Vec<Running> = std::mem::take(&mut self.running).into_values().collect();
        for task in tasks {
            self.show(task, sources);
        }
    }

    fn task_started(
        &mut self,
        task: TaskId,
        name: &str,
        role: Option<&str>,
        start: Option<String>,
        sources: &SourceMap,
    ) {
        // Hosts in step: the task before has ended everywhere.
        let ended: Vec<TaskId> = self
            .running
            .iter()
            .filter(|(_, running)| running.ends.len() >= running.hosts.len())
            .map(|(task, _)| *task)
            .collect();
        for task in ended {
            self.flush_task(task, sources);
        }
        let mut shown = role.map_or_else(|| name.to_owned(), |role| format!("{role} : {name}"));
        if start.is_none() {
            shown = format!("handler: {shown}");
        }
        if self.canvas.is_some() {
            // Drawn with the next frame: most tasks end before.
            self.live = Some(Live::new(&shown, self.now()));
        }
        self.running.insert(task, Running::new(shown, start));
    }

    fn host_done(&mut self, event: &Event, task: TaskId, done: &Done, items: Option<usize>, sources: &SourceMap) {
        let (hosts, host) = (self.hosts, event.host.as_deref().unwrap_or_default());
        let table = self.images.ended(event.host.as_ref(), task, hosts > 1, &look(self.options, self.width));
        let running = self.running.entry(task).or_insert_with(|| Running::new(String::new(), None));
        let mut done = done.clone();
        if let Some(diagnostic) = &mut done.diagnostic {
            diagnostic.notes.retain(|note| !self.images.told(note));
        }
        running.hosts.insert(host.to_owned());
        running.tables.push_str(&table);
        running.ends.push(HostEnd { host: host.to_owned(), done, items, shown_items: Vec::new(), counts: Vec::new() });
        if running.ends.len() >= hosts {
            self.flush_task(task, sources);
        }
    }

    fn output(&mut self, host: &str, task: TaskId, text: &str) {
        let many = self.hosts > 1;
        let lead = if many { format!("      {host} | ") } else { "      | ".to_owned() };
        let lines: Vec<String> =
            text.split_terminator('\n').map(|line| format!("{}{}\n", self.paint.dim(&lead), safe_line(line))).collect();
        if let Some(last) = text.lines().last() {
            self.say(safe_line(last).trim());
        }
        let Some(running) = self.running.get_mut(&task) else { return };
        if running.flowing || running.started.elapsed() > LONG {
            let held = std::mem::take(&mut running.held);
            // Whose output it is stands above it.
            let head = if running.flowing { String::new() } else { format!("  {} ...\n", running.name) };
            running.flowing = true;
            let text = head + &held.concat() + &lines.concat();
            self.print(&text);
        } else {
            running.held.extend(lines);
            let over = running.held.len().saturating_sub(HELD);
            running.held.drain(..over);
        }
    }

    fn recap(&mut self, stats: &BTreeMap<String, Stats>) {
        let mut text = String::from("\n");
        for (host, stats) in stats {
            let status = if stats.failed > 0 || stats.unreachable > 0 {
                Status::Failed
            } else if stats.changed > 0 {
                Status::Changed
            } else {
                Status::Ok
            };
            let counts = [
                ("ok", stats.ok),
                ("changed", stats.changed),
                ("unreachable", stats.unreachable),
                ("failed", stats.failed),
                ("skipped", stats.skipped),
                ("rescued", stats.rescued),
                ("ignored", stats.ignored),
            ];
            // Ansible's columns where they fit, closer together elsewhere.
            let wide = self.options.width >= 114;
            let (name, count) = if wide { (26, 4) } else { (self.host_width, 1) };
            let counts: Vec<String> = counts.iter().map(|(name, n)| format!("{name}={n:<count$}")).collect();
            let name = self.paint.status(status, &pad(host, name));
            let line = format!("{name} : {}", counts.join(" ").trim_end());
            let _ = writeln!(text, "{}", self.fitted(&line, self.host_width + 3));
        }
        if !stats.is_empty() {
            self.print(&text);
        }
    }
}

impl<W: Write + Send> Drop for Human<W> {
    fn drop(&mut self) {
        self.still = true;
        self.draw();
    }
}

impl<W: Write + Send> Reporter for Human<W> {
    fn event(&mut self, event: &Event, sources: &SourceMap) {
        let host = event.host.as_deref().unwrap_or_default();
        let now = self.now();
        let lines = self.images.event(event, self.hosts > 1, &look(self.options, self.width), now);
        self.print(&lines);
        match &event.kind {
            EventKind::RunStarted { version, playbook, environments, check, command, .. } => {
                self.command.clone_from(command);
                let mut text = format!("{}   {playbook}", self.paint.bold(&format!("hostctl {version}")));
                if let Some(name) = environments.last() {
                    let _ = write!(text, "   env {name}");
                    if environments.len() > 1 {
                        let _ = write!(text, " ({})", environments.join(" > "));
                    }
                }
                let _ = write!(text, "   run {}", event.run);
                if *check {
                    let _ = write!(text, "   {}", self.paint.warning("check mode: nothing is changed"));
                }
                self.print(&format!("{}\n", self.fitted(&text, 2)));
            }
            EventKind::PlayStarted { index, of, name, hosts, .. } => {
                self.flush_all(sources);
                self.hosts = hosts.len();
                let longest = hosts.iter().map(|host| console::measure_text_width(host)).max().unwrap_or(0);
                self.host_width = longest.clamp(9, (self.options.width / 5).max(14));
                let count = if hosts.len() == 1 { hosts[0].clone() } else { format!("{} hosts", hosts.len()) };
                let width = self.options.width.clamp(20, 100);
                let lead = format!("play {index} of {of}   ");
                let room = width.saturating_sub(lead.len() + console::measure_text_width(&count) + 2).max(8);
                let head = lead + &self.paint.bold(&shorten(name, room));
                let text = format!("\n{} {count}\n", pad(&head, width.saturating_sub(count.len() + 1)));
                self.print(&text);
            }
            // The hosts of each task tell which batch it is.
            EventKind::BatchStarted { .. } => {}
            EventKind::NoHosts { pattern } => {
                self.print(&match pattern.as_str() {
                    "" => "  its `hosts` gives no pattern: skipped\n".to_owned(),
                    pattern => format!("  no host matches `{pattern}`: skipped\n"),
                });
            }
            EventKind::TaskStarted { task, name, role, module, place, handler, .. } => {
                let start = (!handler).then(|| start_at(name, role.as_deref(), module, place));
                self.task_started(*task, name, role.as_deref(), start, sources);
            }
            EventKind::HostStarted { task } => {
                if let Some(running) = self.running.get_mut(task) {
                    running.hosts.insert(host.to_owned());
                }
            }
            EventKind::Progress { task, progress: Progress::Output { text, .. } } => self.output(host, *task, text),
            // The images' own lines tell.
            EventKind::Progress { .. } => {}
            EventKind::ItemDone { task, label, done } => {
                let worth = done.status != Status::Ok && done.status != Status::Skipped || done.verbose;
                if let Some(running) = self.running.get_mut(task) {
                    let items = running.items.entry(host.to_owned()).or_default();
                    *items.counts.entry(word(done)).or_default() += 1;
                    if worth {
                        items.shown.push((label.clone(), done.clone()));
                    }
                }
                self.say(label);
            }
            EventKind::Retry { attempt, of, .. } => {
                let line = format!("      {}\n", self.paint.dim(&format!("{host}: try {attempt} of {of}")));
                self.print(&line);
            }
            // The live line shows that the task goes on; how hosts are reached is in the journal.
            EventKind::Job { .. }
            | EventKind::Trace { .. }
            | EventKind::VarPrompt { .. }
            | EventKind::WorkBegun { .. } => {}
            EventKind::Asked { .. } => self.make_way(sources),
            EventKind::HostDone { task, done, items } => self.host_done(event, *task, done, *items, sources),
            EventKind::Warning { diagnostic } | EventKind::Error { diagnostic } => {
                let mut text = String::new();
                for line in framed(diagnostic, sources, self.paint, self.room()) {
                    let _ = writeln!(text, "{line}");
                }
                self.print(&text);
            }
            // The tasks' own lines tell.
            EventKind::Included { .. }
            | EventKind::Meta { .. }
            | EventKind::Notified { .. }
            | EventKind::NoHostsLeft => {}
            EventKind::Recap { stats, .. } => {
                self.flush_all(sources);
                self.recap(stats);
            }
            EventKind::RunEnded { notes, seconds, .. } => {
                self.live = None;
                let mut text = self.images.cut_off(self.hosts > 1, &look(self.options, self.width));
                text.push('\n');
                for (name, value) in notes {
                    let line = format!("{} {value}", pad(name, 9));
                    // What can be typed stays whole.
                    let typed = value.starts_with("hostctl ");
                    let _ = writeln!(text, "{}", if typed { line } else { self.fitted(&line, 10) });
                }
                let _ = writeln!(text, "{} {}", pad("time", 9), duration(*seconds));
                self.print(&text);
                // Nothing comes after it that would.
                self.draw();
            }
        }
        if self.still && !matches!(event.kind, EventKind::Asked { .. } | EventKind::Progress { .. }) {
            self.still = false;
        }
    }

    fn tick(&mut self) {
        self.draw();
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.out.trouble()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_of_images_goes_on_under_its_tag() {
        let start = |module: &str| start_at("images", None, module, "play.yml:5:3");
        let told = |command: &str, module: &str| again(command, &start(module));
        assert_eq!(told("hostctl run play.yml", "hostctl.core.image_build"), "hostctl run play.yml --resume");
        assert_eq!(told("hostctl run --resume play.yml", "image_build"), "hostctl run --resume play.yml");
        let named = "hostctl run play.yml --resume=20261122T000001-aaaa";
        assert_eq!(told(named, "hostctl.core.image_attach"), named);
        assert_eq!(told("hostctl run play.yml", "command"), "hostctl run play.yml --start-at-task images");
        let build = "hostctl image build --tree .";
        assert_eq!(told(build, "image_build"), "hostctl image build --tree . --resume");
        assert_eq!(told(build, "image_tags"), build);
        for plan in ["hostctl image plan --tree .", "hostctl image build --plan --tree ."] {
            assert_eq!(told(plan, "image_build"), plan);
        }
    }
}
