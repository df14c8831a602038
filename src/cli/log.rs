//! `hostctl log`: what a run did, also while it runs in another terminal.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::{Output, OutputForm};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::event::{ImageLedger, TaskId};
use crate::journal::{image_log, list_runs, runs_dir};

/// Show the record of a run, or an image's build log
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The run; default: the newest. A part of its id is enough.
    run: Option<String>,
    /// An image of that run: its whole log. `IMAGE@HOST` where several hosts built it. Without RUN that of the newest run
    /// that built it: `hostctl log IMAGE`.
    image: Option<String>,
    /// Go on while the run goes on.
    #[arg(short, long)]
    follow: bool,
    /// Only what failed.
    #[arg(long)]
    failed: bool,
    /// The summary in Markdown, as CI systems show it: `hostctl log --summary >>"$GITHUB_STEP_SUMMARY"`.
    #[arg(long, conflicts_with_all = ["image", "failed", "follow"])]
    summary: bool,
    /// The project's folder.
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

pub(super) fn main(args: &LogArgs, output: &Output) -> Result<ExitCode> {
    let base = crate::ops::state_base(args.project.as_deref())?;
    let runs = list_runs(&base);
    let none = || {
        Diagnostic::new("R0201", Kind::Usage, format!("there is no run below `{}`", base.display()))
            .with_hint("hostctl run PLAYBOOK makes one; `--project DIR` names another folder")
    };
    let mut image = args.image.as_deref();
    let newest = runs.last().ok_or_else(none)?;
    let run = match args.run.as_deref() {
        None | Some("last") => newest,
        Some(wanted) => match runs.iter().rev().find(|run| run.contains(wanted)) {
            Some(run) => run,
            // `hostctl log base`: the image of the newest run that built it. Plans and runs that reused it have no log.
            None => {
                let built = |run: &&String| image_log(&runs_dir(&base).join(run), wanted).exists();
                let Some(run) = runs.iter().rev().find(built).filter(|_| image.is_none()) else {
                    return Err(Diagnostic::new(
                        "R0201",
                        Kind::Usage,
                        format!("there is no run `{wanted}`, and none built an image of that name"),
                    )
                    .with_note(format!("newest: {newest}"))
                    .with_hint(format!("ls {}", runs_dir(&base).display())));
                };
                image = Some(wanted);
                run
            }
        },
    };
    let dir = runs_dir(&base).join(run);
    if args.failed {
        return failed(&dir, output);
    }
    let path = match (image, output.form) {
        _ if args.summary => dir.join("summary.md"),
        (Some(image), _) => image_log(&dir, image),
        (None, OutputForm::Jsonl) => dir.join("events.jsonl"),
        (None, OutputForm::Human | OutputForm::Ansible) => dir.join("journal"),
    };
    follow(&path, &dir, args.follow, output)
}

fn open(path: &std::path::Path) -> Result<std::fs::File> {
    crate::diag::read::open_plain(path).map_err(|error| {
        let mut diagnostic = Diagnostic::local("R0202", format!("cannot read `{}`: {error}", path.display()));
        let logs: Vec<String> = path
            .parent()
            .and_then(|dir| std::fs::read_dir(dir).ok())
            .map(|list| list.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        if !logs.is_empty() {
            diagnostic = diagnostic.with_note(format!("there are {}", logs.join(", ")));
        }
        diagnostic
    })
}

fn follow(path: &std::path::Path, dir: &std::path::Path, follow: bool, output: &Output) -> Result<ExitCode> {
    let mut reader = BufReader::new(open(path)?);
    let mut line = Vec::new();
    // A run that was killed leaves no summary.
    let mut over = false;
    loop {
        line.clear();
        let read = reader
            .read_until(b'\n', &mut line)
            .map_err(|error| Diagnostic::local("R0202", format!("cannot read `{}`: {error}", path.display())))?;
        if read > 0 && (line.ends_with(b"\n") || !follow) {
            output.data(&String::from_utf8_lossy(&line));
            continue;
        }
        if !follow || over {
            output.data(&String::from_utf8_lossy(&line));
            return Ok(ExitCode::Ok);
        }
        // What was written just before the end is read once more.
        over = crate::journal::is_over(dir);
        // The line is not whole yet, or there is none: look again soon.
        let back = i64::try_from(read).unwrap_or(0);
        let _ = reader.seek_relative(-back).or_else(|_| reader.seek(std::io::SeekFrom::Current(-back)).map(|_| ()));
        std::thread::sleep(Duration::from_millis(150));
    }
}

/// The failures of a run: each failed task with its message, the last lines of failed images' logs.
fn failed(dir: &std::path::Path, output: &Output) -> Result<ExitCode> {
    let reader = BufReader::new(open(&dir.join("events.jsonl"))?);
    let mut names = std::collections::HashMap::new();
    let mut images = ImageLedger::default();
    let mut count = 0;
    for line in reader.lines().map_while(std::result::Result::ok) {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        let text = |path: &str| event.pointer(path).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let task = event.get("task").and_then(serde_json::Value::as_u64);
        let host: Option<std::sync::Arc<str>> = Some(text("/host")).filter(|host| !host.is_empty()).map(Into::into);
        match event.get("event").and_then(serde_json::Value::as_str) {
            Some("task_started") => {
                names.insert(task, format!("{} ({})", text("/name"), text("/place")));
            }
            Some("host_done") => {
                let status = text("/done/status");
                let ignored = event.pointer("/done/ignored").and_then(serde_json::Value::as_bool) == Some(true);
                if matches!(status.as_str(), "failed" | "unreachable") && !ignored {
                    count += 1;
                    let name = names.get(&task).cloned().unwrap_or_default();
                    let message = text("/done/diagnostic/message");
                    output.data(&format!("{status}: {} on {}\n  {message}\n", name, text("/host")));
                    let notes = event.pointer("/done/diagnostic/notes").and_then(serde_json::Value::as_array);
                    for note in notes.into_iter().flatten().filter_map(serde_json::Value::as_str) {
                        output.data(&format!("  = {}\n", note.trim_end().replace('\n', "\n    ")));
                    }
                }
            }
            Some("item_done") => images.item_ended(host.as_ref(), TaskId(task.unwrap_or_default())),
            Some("progress") => {
                let image = text("/progress/image");
                if image.is_empty() {
                    continue;
                }
                // The first build that tells of an image has the plain name of its log.
                let log = images.log_file(host.as_ref(), TaskId(task.unwrap_or_default()), &image);
                let state = text("/progress/state/state");
                if matches!(state.as_str(), "failed" | "push_failed" | "blocked") {
                    count += 1;
                    let why = text("/progress/state/message") + &text("/progress/state/by");
                    output.data(&format!("image {image}: {state} {why}\n"));
                    if state != "blocked" {
                        for line in last_lines(&dir.join("logs").join(log)).unwrap_or_default() {
                            output.data(&format!("  | {line}\n"));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    if count == 0 {
        output.data("nothing failed\n");
    }
    Ok(ExitCode::Ok)
}

/// The last 40 lines of a log, of its last 64 KiB: logs may be large.
fn last_lines(path: &std::path::Path) -> std::io::Result<Vec<String>> {
    const BYTES: u64 = 64 << 10;
    const LINES: usize = 40;
    let mut file = crate::diag::read::open_plain(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The first line may be a part of one.
    let mut lines: Vec<String> = text.lines().skip(usize::from(from > 0)).map(str::to_owned).collect();
    lines.drain(..lines.len().saturating_sub(LINES));
    Ok(lines)
}
