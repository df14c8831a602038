//! The moving block of one build: counts, a lane for each image under way, failures, and how the host is.

use std::time::Duration;

use crate::event::{ImageBuild, ImageState, Status, exit_code, place};
use crate::value::{about, gib, size};

use super::super::layout::{pad, safe_line, shorten, whole_duration};
use super::super::live::quiet;
use super::set::{Failed, Lane, Phase, Set};
use super::view::Look;

/// The lines, at most so many. What does not fit is counted.
pub(super) fn lines(set: &Set, build: &ImageBuild, many: bool, look: &Look, rows: usize, now: Duration) -> Vec<String> {
    let mut out = vec![head(set, build, many, look, now)];
    let foot = foot(set, now);
    let rows = rows.saturating_sub(1 + usize::from(!foot.is_empty()));
    // Failures have a third of the place where there is not enough for all.
    let held = held(build);
    let wanted = set.lanes.len() + held.len();
    let failures = if set.failed.len() + wanted <= rows { rows } else { (rows / 3).max(rows.saturating_sub(wanted)) };
    let failed = failed(set, build, look, failures);
    let rest = rows.saturating_sub(failed.len());
    out.extend(lanes(set, look, held, rest, now));
    out.extend(failed);
    if !foot.is_empty() && out.len() <= rows + 1 {
        out.push(shorten(&foot, look.width));
    }
    if look.ascii {
        out.iter_mut().for_each(|line| *line = ascii(line));
    }
    out
}

/// `14 done   9 reused   4 building ...`: the states that there are.
pub(super) fn counts(build: &ImageBuild) -> Vec<(usize, &'static str, Option<Status>)> {
    let count = |states: &[&str]| states.iter().map(|state| build.count(state)).sum::<usize>();
    let (failed, allowed) = build.failures();
    let all = [
        (count(&["built", "pushed"]), "done", Some(Status::Ok)),
        (count(&["reused"]), "reused", Some(Status::Ok)),
        (count(&["building"]), "building", None),
        (count(&["pushing"]), "pushing", None),
        (count(&["waiting"]), "waiting", None),
        (failed, "failed", Some(Status::Failed)),
        (allowed, "failed, allowed", Some(Status::Changed)),
        (count(&["blocked"]), "blocked", Some(Status::Skipped)),
        (count(&["cancelled"]), "cancelled", Some(Status::Skipped)),
        (count(&["held"]), "held", Some(Status::Changed)),
    ];
    all.into_iter().filter(|(count, ..)| *count > 0).collect()
}

fn head(set: &Set, build: &ImageBuild, many: bool, look: &Look, now: Duration) -> String {
    let host = set.host.as_deref().filter(|_| many).map_or_else(String::new, |host| format!(" on {host}"));
    let lead = shorten(&format!("images{host}"), look.width / 3);
    let time = elapsed(set, now);
    let counts = counts(build);
    for gap in ["   ", "  ", " "] {
        let told: Vec<String> = counts.iter().map(|(count, word, _)| format!("{count} {word}")).collect();
        let left = format!("{lead}{gap}{}", told.join(gap));
        let room = look.width.saturating_sub(console::measure_text_width(&left) + time.len());
        if room >= gap.len() {
            let painted: Vec<String> = counts
                .iter()
                .map(|(count, word, status)| {
                    let text = format!("{count} {word}");
                    status.map_or(text.clone(), |status| look.paint.status(status, &text))
                })
                .collect();
            // The time stands at the right, but not far away.
            return format!("{lead}{gap}{}{}{time}", painted.join(gap), " ".repeat(room.min(gap.len().max(8))));
        }
    }
    let told: Vec<String> = counts.iter().map(|(count, word, _)| format!("{count} {word}")).collect();
    shorten(&format!("{lead} {} {time}", told.join(" ")), look.width)
}

/// `12m04s, about 38 min left`.
fn elapsed(set: &Set, now: Duration) -> String {
    let elapsed = whole_duration(now.saturating_sub(set.since).as_secs_f64());
    match left(set, now) {
        Some(seconds) => format!("{elapsed}, {}", remaining(seconds)),
        None => elapsed,
    }
}

/// `about 38 min left`, `less than a minute left`.
pub(super) fn remaining(seconds: f64) -> String {
    let about_how = if seconds < 60.0 { "" } else { "about " };
    format!("{about_how}{} left", about(seconds))
}

/// Seconds left, less what has passed since that was told.
pub(super) fn left(set: &Set, now: Duration) -> Option<f64> {
    let state = set.state.as_ref()?;
    Some((state.seconds_left? - now.saturating_sub(state.at).as_secs_f64()).max(0.0))
}

fn lanes(set: &Set, look: &Look, held: Vec<String>, rows: usize, now: Duration) -> Vec<String> {
    // Those that run longest come first: a lane keeps its place until one above it ends.
    let mut all: Vec<(&String, &Lane)> = set.lanes.iter().collect();
    all.sort_by_key(|(_, lane)| lane.since);
    let wanted = all.len() + held.len();
    let fit = if wanted > rows { rows.saturating_sub(1) } else { rows };
    let name = all.iter().take(fit).map(|(name, _)| console::measure_text_width(name)).max().unwrap_or(0);
    let name = name.clamp(4, (look.width / 4).max(8));
    let mut out: Vec<String> =
        all.iter().take(fit).map(|(image, lane)| lane_line(image, lane, name, look, now)).collect();
    out.extend(held.into_iter().take(fit.saturating_sub(out.len())).map(|line| shorten(&line, look.width)));
    if wanted > fit && rows > 0 {
        out.push(look.paint.dim(&format!("  and {} more", wanted - fit)));
    }
    out
}

fn lane_line(image: &str, lane: &Lane, name: usize, look: &Look, now: Duration) -> String {
    let (step, what) = match lane.phase {
        Phase::Building => (lane.steps(), lane.text.clone()),
        Phase::Pushing if lane.push.of == 0 => ("push".to_owned(), String::new()),
        Phase::Pushing => ("push".to_owned(), format!("{} of {} layers", lane.push.done, lane.push.of)),
    };
    let rate = if lane.phase == Phase::Pushing { lane.push.rate(now).map(rate) } else { None };
    let said = safe_line(lane.line());
    // The step's own line says nothing that does not stand beside it.
    let said = if !lane.text.is_empty() && said.trim_end().ends_with(lane.text.trim()) { "" } else { said.trim() };
    let said = quiet(said, lane.last, now);
    let said = rate.map_or(said.clone(), |rate| format!("{rate}  {said}").trim_end().to_owned());
    let time = whole_duration(now.saturating_sub(lane.since).as_secs_f64());
    // `  name  14/31  RUN ...   2m10s   last line`
    let room = look.width.saturating_sub(2 + name + 2 + 6 + 2 + 7 + 3);
    let (left, right) = if room < 24 { (0, room) } else { (room * 2 / 5, room - room * 2 / 5) };
    let (what, said) = if left == 0 {
        (String::new(), if said.is_empty() { what } else { said })
    } else {
        (format!("{}  ", pad(&shorten(&what, left - 2), left - 2)), said)
    };
    let line = format!(
        "  {}  {step:>6}  {what}{time:>7}   {}",
        pad(&shorten(image, name), name),
        look.paint.dim(&shorten(&said, right)),
    );
    line.trim_end().to_owned()
}

fn held(build: &ImageBuild) -> Vec<String> {
    let mut reasons: indexmap::IndexMap<&str, (usize, &str)> = indexmap::IndexMap::new();
    for image in build.images.values() {
        if let ImageState::Held { reason } = &image.state {
            reasons.entry(reason).or_insert((0, &image.name)).0 += 1;
        }
    }
    let told = |(reason, (count, name)): (&str, (usize, &str))| match count {
        1 => format!("  {name} held: {reason}"),
        count => format!("  {count} images held: {reason}"),
    };
    reasons.into_iter().map(told).collect()
}

fn failed(set: &Set, build: &ImageBuild, look: &Look, rows: usize) -> Vec<String> {
    let fit = if set.failed.len() > rows { rows.saturating_sub(1) } else { rows };
    let name = set.failed.keys().take(fit).map(|name| console::measure_text_width(name)).max().unwrap_or(0);
    let name = name.clamp(4, (look.width / 4).max(8));
    let told = |(image, failed): (&String, &Failed)| {
        let record = build.images.get(image);
        let log = record.map_or("", |image| image.log.as_str());
        let allowed = record.is_some_and(|image| image.allowed_to_fail);
        failure_line(image, failed, name, (log, allowed), look)
    };
    let mut out: Vec<String> = set.failed.iter().take(fit).map(told).collect();
    if set.failed.len() > fit && rows > 0 {
        let more = format!("  and {} more failed", set.failed.len() - fit);
        out.push(look.paint.status(Status::Failed, &more));
    }
    out
}

/// `  horizon  FAILED  17/19 RUN npm ci  (docker/horizon/Dockerfile:41)   logs/horizon.log`.
fn failure_line(image: &str, failed: &Failed, name: usize, (log, allowed): (&str, bool), look: &Look) -> String {
    let (word, status) = failure_word(failed.push, allowed);
    let code = exit_code(&failed.message);
    let (at, rest) = place(&failed.message).map_or((None, failed.message.as_str()), |(at, rest)| (Some(at), rest));
    let mut what = match (failed.step.as_str(), code) {
        ("", None) => rest.to_owned(),
        ("", Some(code)) => code,
        (_, None) if failed.push => rest.to_owned(),
        (step, _) if at.is_some() => step.to_owned(),
        (step, Some(code)) => format!("{step}: {code}"),
        (step, None) => format!("{step}: {rest}"),
    };
    if let Some(at) = at {
        what = format!("{what}  ({at})");
    }
    let mark = if look.ascii { "x " } else { "\u{2717} " };
    let taken = 2 + name + 2 + word.len() + 2;
    let room = look.width.saturating_sub(taken + log.len() + 3);
    // The log's name is worth more than words in a narrow window.
    let what = if room < 8 { String::new() } else { format!("  {}", shorten(&what, room)) };
    let line = format!("{mark}{}  {}{what}   {log}", pad(&shorten(image, name), name), look.paint.status(status, word));
    line.trim_end().to_owned()
}

/// What a failure is called, and its colour: one that was allowed is no alarm.
pub(super) fn failure_word(push: bool, allowed: bool) -> (&'static str, Status) {
    match (push, allowed) {
        (false, false) => ("FAILED", Status::Failed),
        (true, false) => ("PUSH FAILED", Status::Failed),
        (false, true) => ("failed, allowed", Status::Changed),
        (true, true) => ("push failed, allowed", Status::Changed),
    }
}

/// `disk 61 of 100 GiB free     cache 22 GiB     2 pushes 96 MB/s`.
fn foot(set: &Set, now: Duration) -> String {
    let mut parts = Vec::new();
    if let Some(state) = &set.state {
        parts.push(format!("disk {} of {} GiB free", gib(state.disk_free), gib(state.disk_total)));
        parts.extend(state.cache.map(|bytes| format!("cache {}", size(bytes))));
    }
    let pushes: Vec<&Lane> = set.lanes.values().filter(|lane| lane.phase == Phase::Pushing).collect();
    if !pushes.is_empty() {
        let sum: f64 = pushes.iter().filter_map(|lane| lane.push.rate(now)).sum();
        let at = if sum > 0.0 { format!(" {}", rate(sum)) } else { String::new() };
        parts.push(format!("{} push{}{at}", pushes.len(), if pushes.len() == 1 { "" } else { "es" }));
    }
    if parts.is_empty() { String::new() } else { format!("  {}", parts.join("     ")) }
}

/// Bytes a second as `48 MB/s`.
pub(super) fn rate(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 9.95e6 => format!("{:.0} MB/s", bytes / 1e6),
        bytes if bytes >= 1e6 => format!("{:.1} MB/s", bytes / 1e6),
        bytes => format!("{:.0} kB/s", bytes / 1e3),
    }
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}
