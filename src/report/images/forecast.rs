//! What is expected, before the first build: what is built and what is reused and why, the space, the time.

use std::fmt::Write as _;

use indexmap::IndexMap;

use crate::event::ImageForecast;
use crate::value::{about, gib, size};

use super::super::layout::shorten;
use super::view::Look;

/// Columns that names have beside the longest reason.
const NAMES: usize = 20;
/// Reasons that are told, without `-v`.
const REASONS: usize = 12;

/// The block, with line breaks.
pub(super) fn text(forecast: &ImageForecast, host: Option<&str>, look: &Look) -> String {
    let host = host.map_or_else(String::new, |host| format!(" on {host}"));
    let space = forecast.bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("about {}", size(bytes)));
    let time = forecast.seconds.filter(|seconds| seconds.is_finite()).map_or_else(|| "unknown".to_owned(), about);
    let mut out = String::new();
    let head = format!("images{host}: {} to build, {} to reuse", forecast.build.len(), forecast.reuse.len());
    let _ = writeln!(out, "  {}", look.paint.bold(&shorten(&head, look.width.saturating_sub(2))));
    groups(&mut out, "build", &forecast.build, look);
    groups(&mut out, "reuse", &forecast.reuse, look);
    if !forecast.build.is_empty() {
        let expected = format!("space {space}   time {time}");
        let _ = writeln!(out, "    expected  {}", shorten(&expected, look.width.saturating_sub(14)));
    }
    // One file system may serve for several things.
    let mut disks: IndexMap<String, (Vec<&str>, bool)> = IndexMap::new();
    for (what, free, all) in &forecast.disks {
        let short = forecast.bytes.is_some_and(|bytes| bytes > *free);
        let disk = disks.entry(format!("{} of {} GiB", gib(*free), gib(*all))).or_default();
        disk.0.push(what);
        disk.1 |= short;
    }
    for (index, (room, (what, short))) in disks.into_iter().enumerate() {
        let name = if index == 0 { "free    " } else { "        " };
        let text = format!("{room} on {}", what.join(" and "));
        let text = shorten(&text, look.width.saturating_sub(if short { 36 } else { 14 }));
        let note = if short { look.paint.warning("   less than expected") } else { String::new() };
        let _ = writeln!(out, "    {name}  {text}{note}");
    }
    out
}

/// `build  12 parent base   nova-base, neutron-base, and 10 more`, a line for each reason.
fn groups(out: &mut String, verb: &str, images: &[(String, String)], look: &Look) {
    let mut reasons: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for (name, reason) in images {
        reasons.entry(reason).or_default().push(name);
    }
    let all = look.verbosity > 0;
    let shown = if all || reasons.len() <= REASONS { reasons.len() } else { REASONS - 1 };
    // A reason has the room that the names beside it leave, and a third of the line at least; but no names on other
    // lines are pushed out by it.
    let beside = |names: &[&str]| {
        names.iter().map(|name| console::measure_text_width(name) + 2).sum::<usize>().saturating_sub(2)
    };
    let whole = look.width.saturating_sub(4 + 5 + 3);
    let least = reasons.values().take(shown).map(|names| beside(names)).max().unwrap_or(0).min(NAMES).min(whole / 2);
    let heads: Vec<String> = reasons
        .iter()
        .take(shown)
        .map(|(reason, names)| {
            let room = whole.saturating_sub(beside(names)).max(look.width / 3);
            shorten(&format!("{:>4} {reason}", names.len()), room.min(whole.saturating_sub(least)).max(8))
        })
        .collect();
    let column = heads.iter().map(|head| console::measure_text_width(head)).max().unwrap_or(0);
    for (index, (head, names)) in heads.iter().zip(reasons.values()).enumerate() {
        let verb = if index == 0 { verb } else { "" };
        let gap = " ".repeat(column - console::measure_text_width(head));
        let lead = format!("    {verb:<5}{head}{gap}   ");
        let room = look.width.saturating_sub(console::measure_text_width(&lead)).max(8);
        let lines = if all { wrapped(names, room) } else { vec![some(names, room)] };
        for (index, names) in lines.iter().enumerate() {
            let lead = if index == 0 { lead.clone() } else { " ".repeat(console::measure_text_width(&lead)) };
            let _ = writeln!(out, "{lead}{}", look.paint.dim(names));
        }
    }
    if shown < reasons.len() {
        let count: usize = reasons.values().skip(shown).map(Vec::len).sum();
        let _ = writeln!(out, "         {count:>4} for {} other reasons (-v tells)", reasons.len() - shown);
    }
}

/// As many names as fit, and how many more there are.
pub(super) fn some(names: &[&str], room: usize) -> String {
    let all = names.join(", ");
    if console::measure_text_width(&all) <= room {
        return all;
    }
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        let left = names.len() - index - 1;
        let rest = if left == 0 { 0 } else { format!(", and {left} more").len() };
        let next = if out.is_empty() { (*name).to_owned() } else { format!("{out}, {name}") };
        if console::measure_text_width(&next) + rest > room {
            let left = names.len() - index;
            return if out.is_empty() && left == 1 {
                shorten(name, room)
            } else if out.is_empty() {
                let more = format!(" and {} more", left - 1);
                let name = room.saturating_sub(more.len());
                if name < 8 { shorten(&all, room) } else { shorten(names[0], name) + &more }
            } else {
                format!("{out}, and {left} more")
            };
        }
        out = next;
    }
    out
}

/// All names, in lines.
fn wrapped(names: &[&str], room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 == names.len() { "" } else { "," };
        let fits = |line: &str| console::measure_text_width(line) + console::measure_text_width(name) + 2 <= room;
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = format!("{name}{comma}"),
            Some(line) if fits(line) => line.push_str(&format!(" {name}{comma}")),
            _ => lines.push(format!("{name}{comma}")),
        }
    }
    lines
}
