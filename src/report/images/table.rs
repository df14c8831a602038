//! What became of a build: counts, failures by class with their logs, the images with their times, sizes and
//! digests, the slowest path, the tag.

use std::fmt::Write as _;

use indexmap::IndexMap;

use crate::event::{ImageBuild, ImageRecord, ImageState, Status, exit_code, place};
use crate::value::{duration, size, whole_duration};

use super::super::layout::{pad, shorten};
use super::block::counts;
use super::forecast::some;
use super::view::Look;

/// Images with a line of their own, without `-v`.
const IMAGES: usize = 20;
/// Failures of a class with a line of their own, without `-v`.
const FAILURES: usize = 20;

/// The table, with line breaks.
pub(super) fn text(build: &ImageBuild, many: bool, look: &Look) -> String {
    let mut out = String::new();
    let host = build.host.as_deref().filter(|_| many).map_or_else(String::new, |host| format!(" on {host}"));
    let counts: Vec<String> = counts(build)
        .into_iter()
        .map(|(count, word, status)| {
            let text = format!("{count} {word}");
            status.map_or(text.clone(), |status| look.paint.status(status, &text))
        })
        .collect();
    let time = build.seconds.map_or_else(String::new, |seconds| format!("   {}", whole_duration(seconds)));
    let _ = writeln!(out, "\n  {}   {}{time}", look.paint.bold(&format!("images{host}")), counts.join("   "));
    failures(&mut out, build, look);
    blocked(&mut out, build, look);
    images(&mut out, build, look);
    let sizes: Vec<u64> = build.images.values().filter_map(|image| image.size).collect();
    if !sizes.is_empty() {
        let sum = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(*size));
        // Layers that images share are in each of them.
        let _ = writeln!(out, "    sizes    {} in {}, shared layers counted in each", size(sum), count(sizes.len()));
    }
    slowest(&mut out, build, look);
    if let Some(tag) = &build.tag {
        let _ = writeln!(out, "    tag      {}", shorten(tag, look.width.max(40) - 13));
    }
    out.push('\n');
    out
}

fn failures(out: &mut String, build: &ImageBuild, look: &Look) {
    let mut classes: IndexMap<(bool, &str), Vec<&ImageRecord>> = IndexMap::new();
    for image in build.images.values() {
        if let Some(class) = image.failure() {
            classes.entry((image.allowed_to_fail, class)).or_default().push(image);
        }
    }
    // What was allowed to fail comes last.
    classes.sort_by(|(one, _), _, (other, _), _| one.cmp(other));
    let width = |images: &[&ImageRecord]| images.iter().map(|image| console::measure_text_width(&image.name)).max();
    for ((allowed, class), images) in &classes {
        let (word, status) = if *allowed { ("failed, allowed", Status::Changed) } else { ("failed", Status::Failed) };
        let head = format!("{} {word}, {class}", images.len());
        let _ = writeln!(out, "    {}", look.paint.status(status, &shorten(&head, look.width.max(40) - 4)));
        let name = width(images).unwrap_or(0).clamp(4, (look.width / 4).max(8));
        let fit = if look.verbosity > 0 { images.len() } else { FAILURES };
        for image in images.iter().take(fit) {
            let reason = image.reason().unwrap_or_default();
            let rest = place(reason).map_or(reason, |(_, rest)| rest);
            let what = match (&image.failed_at, exit_code(rest)) {
                (Some(at), Some(code)) => format!("{at}: {code}"),
                (Some(at), _) => format!("{at}: {rest}"),
                (None, _) => reason.to_owned(),
            };
            let room = look.width.max(60).saturating_sub(6 + name + 2 + image.log.len() + 3).max(12);
            let what = shorten(&what, room);
            let _ = writeln!(
                out,
                "      {}  {what}   {}",
                pad(&shorten(&image.name, name), name),
                look.paint.place(&image.log)
            );
        }
        if images.len() > fit {
            let _ = writeln!(out, "      and {} more in summary.md", images.len() - fit);
        }
    }
}

fn blocked(out: &mut String, build: &ImageBuild, look: &Look) {
    let mut by: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for image in build.images.values() {
        if let ImageState::Blocked { by: parent } = &image.state {
            by.entry(parent).or_default().push(&image.name);
        }
    }
    for (parent, names) in &by {
        let lead = shorten(&format!("{} blocked by {parent}", names.len()), look.width / 2);
        let room = look.width.max(60).saturating_sub(4 + console::measure_text_width(&lead) + 3);
        let _ = writeln!(out, "    {lead}   {}", look.paint.dim(&some(names, room)));
    }
}

fn images(out: &mut String, build: &ImageBuild, look: &Look) {
    // What was not even begun has no figures; what was reused is as it was.
    let all = look.verbosity > 0;
    let known = |image: &&ImageRecord| {
        image.seconds.is_some()
            || image.push_seconds.is_some()
            || all && (image.digest.is_some() || image.size.is_some())
    };
    let mut images: Vec<&ImageRecord> = build.images.values().filter(known).collect();
    if images.is_empty() {
        return;
    }
    let fit = if all || images.len() <= IMAGES { images.len() } else { IMAGES - 1 };
    if fit < images.len() {
        // The longest tell most.
        let time = |image: &ImageRecord| image.seconds.unwrap_or_default() + image.push_seconds.unwrap_or_default();
        images.sort_by(|one, other| time(other).total_cmp(&time(one)));
    }
    let name = images.iter().take(fit).map(|image| console::measure_text_width(&image.name)).max().unwrap_or(0);
    let digest = if look.verbosity > 0 { 71 } else { 19 };
    // Columns that a narrow window has no room for are left out from the right; the record has them.
    let column = |lead: usize, width: usize| look.width >= 4 + name.clamp(5, 12) + lead + width;
    let columns = (column(12 + 9, 9), column(12 + 9 + 9, 10), column(12 + 9 + 9 + 10, 2 + digest));
    let taken = 4
        + 12
        + 9
        + if columns.0 { 9 } else { 0 }
        + if columns.1 { 10 } else { 0 }
        + if columns.2 { 2 + digest } else { 0 };
    let name = name.clamp(5, look.width.saturating_sub(taken).max(12));
    let row = |name: String, state: &str, build: &str, push: &str, size: &str, digest: &str| {
        let mut line = format!("    {name} {state:<11} {build:>8}");
        for (wide, text) in [(columns.0, format!(" {push:>8}")), (columns.1, format!(" {size:>9}"))] {
            line.push_str(if wide { &text } else { "" });
        }
        if columns.2 {
            let _ = write!(line, "  {digest}");
        }
        line.trim_end().to_owned()
    };
    let head = row(pad("image", name), "state", "build", "push", "size", "digest");
    let _ = writeln!(out, "{}", look.paint.dim(&head));
    let time = |seconds: Option<f64>| seconds.map(duration).unwrap_or_default();
    for image in images.iter().take(fit) {
        let digest = image.digest.as_deref().unwrap_or_default();
        let digest = if look.verbosity > 0 { digest } else { short(digest) };
        let line = row(
            pad(&shorten(&image.name, name), name),
            &state(image),
            &time(image.seconds),
            &time(image.push_seconds),
            &image.size.map(size).unwrap_or_default(),
            &shorten(digest, 80),
        );
        let _ = writeln!(out, "{line}");
    }
    if fit < images.len() {
        let _ = writeln!(out, "    and {} more in summary.md (-v shows all)", images.len() - fit);
    }
}

/// `pushed`, `push failed`; what was allowed to fail says so above the table.
fn state(image: &ImageRecord) -> String {
    image.state.name().replace('_', " ")
}

fn count(images: usize) -> String {
    if images == 1 { "1 image".to_owned() } else { format!("{images} images") }
}

/// `sha256:0123456789ab`.
fn short(digest: &str) -> &str {
    let end = digest.find(':').map_or(0, |colon| colon + 1) + 12;
    digest.get(..end).unwrap_or(digest)
}

fn slowest(out: &mut String, build: &ImageBuild, look: &Look) {
    let path = build.slowest_path();
    if path.is_empty() {
        return;
    }
    let total: f64 = path.iter().map(|(_, seconds)| seconds).sum();
    let steps: Vec<String> = path.iter().map(|(name, seconds)| format!("{name} {}", duration(*seconds))).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let room = look.width.max(60) - 13 - 10;
    let _ = writeln!(out, "    slowest  {}: {}", duration(total), some(&steps, room));
}
