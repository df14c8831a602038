//! Usage and help as argparse lays them out.

use super::{Item, Parser};

/// Columns before the help of an option.
const INDENT: usize = 24;

/// What Ansible says of its groups of options.
const HEADINGS: &[(&str, &str)] = &[
    ("Connection Options", "control as whom and how to connect to hosts"),
    ("Privilege Escalation Options", "control how and which user you become as on target hosts"),
    ("Actions", "One of following must be used on invocation, ONLY ONE!"),
];

impl Parser {
    /// `usage: PROGRAM ...`, ended by a line break.
    pub(in crate::cli::names) fn usage(&self, width: usize) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut taken: Vec<&str> = Vec::new();
        for option in &self.options {
            if taken.contains(&&*option.id) {
                continue;
            }
            // Options that exclude each other stand together.
            let together: Vec<&Item> = std::iter::once(option)
                .chain(self.options.iter().filter(|other| option.against.contains(&other.id)))
                .collect();
            taken.extend(together.iter().map(|item| &*item.id));
            parts.push(format!("[{}]", together.iter().map(|item| short(item)).collect::<Vec<_>>().join(" | ")));
        }
        let positionals: Vec<String> = self
            .positionals
            .iter()
            .flat_map(|item| match (item.many, item.required) {
                (true, true) => vec![item.value.clone(), format!("[{} ...]", item.value)],
                (true, false) => vec![format!("[{} ...]", item.value)],
                (false, true) => vec![item.value.clone()],
                (false, false) => vec![format!("[{}]", item.value)],
            })
            .collect();
        let lead = format!("usage: {}", self.program);
        let whole = format!("{lead} {} {}", parts.join(" "), positionals.join(" "));
        if whole.trim_end().len() <= width {
            return format!("{}\n", whole.trim_end());
        }
        let indent = lead.len() + 1;
        let mut lines = filled(lead, indent, &parts, width);
        lines.extend(filled(String::new(), indent, &positionals, width).into_iter().filter(|line| !line.is_empty()));
        lines.join("\n") + "\n"
    }

    /// The whole help.
    pub(in crate::cli::names) fn help(&self, width: usize) -> String {
        let mut text = self.usage(width);
        let mut section = |heading: &str, about: &str, items: &[&Item]| {
            if items.is_empty() {
                return;
            }
            text.push_str(&format!("\n{heading}:\n"));
            if !about.is_empty() {
                text.push_str(&format!("  {about}\n\n"));
            }
            for item in items.iter().filter(|item| item.id != "rest") {
                text.push_str(&entry(item, width));
                for (name, help) in self.actions.iter().filter(|_| item.id == "action") {
                    let mut lines = wrapped(help, width.saturating_sub(INDENT).max(11)).into_iter();
                    text.push_str(&format!("    {name:<18}  {}\n", lines.next().unwrap_or_default()));
                    lines.for_each(|line| text.push_str(&format!("{}{line}\n", " ".repeat(INDENT))));
                }
            }
        };
        let about = wrapped(&self.about, width).join("\n");
        let positionals: Vec<&Item> = self.positionals.iter().collect();
        let heading = |item: &Item| item.heading.clone().filter(|_| item.against.is_empty());
        let mut options: Vec<&Item> = self.options.iter().collect();
        options.sort_by(|one, other| one.names.cmp(&other.names));
        section("positional arguments", "", &positionals);
        let plain: Vec<&Item> = options.iter().copied().filter(|item| heading(item).is_none()).collect();
        section("options", "", &plain);
        // The groups come as their first options do.
        let mut headings: Vec<String> = Vec::new();
        for found in self.options.iter().filter_map(heading) {
            if !headings.contains(&found) {
                headings.push(found);
            }
        }
        for wanted in headings {
            let about = HEADINGS.iter().find(|(name, _)| *name == wanted).map_or("", |(_, about)| *about);
            let items: Vec<&Item> =
                options.iter().copied().filter(|item| heading(item).as_deref() == Some(&wanted)).collect();
            section(&wanted, about, &items);
        }
        let usage = self.usage(width).len();
        text.insert_str(usage, &format!("\n{about}\n"));
        if !self.after.is_empty() {
            text.push_str(&format!("\n{}\n", wrapped(self.after, width).join("\n")));
        }
        text
    }
}

/// `-f FORKS`
fn short(item: &Item) -> String {
    let name = item.names.first().cloned().unwrap_or_default();
    if item.takes { format!("{name} {}", item.value) } else { name }
}

/// Parts in lines, those after the first indented.
fn filled(lead: String, indent: usize, parts: &[String], width: usize) -> Vec<String> {
    let pad = " ".repeat(indent);
    let mut lines = Vec::new();
    let fresh = lead.is_empty();
    let mut line = if fresh { pad.trim_end().to_owned() } else { lead };
    let mut length = if fresh { indent - 1 } else { line.len() };
    let mut empty = fresh;
    for part in parts {
        if length + 1 + part.len() > width && !empty {
            lines.push(std::mem::take(&mut line));
            length = indent - 1;
            empty = true;
        }
        if empty {
            line = format!("{pad}{part}");
        } else {
            line.push(' ');
            line.push_str(part);
        }
        empty = false;
        length += part.len() + 1;
    }
    lines.push(line);
    lines
}

/// An option with its help.
fn entry(item: &Item, width: usize) -> String {
    let head = if item.names.is_empty() {
        item.value.clone()
    } else if item.takes {
        item.names.iter().map(|name| format!("{name} {}", item.value)).collect::<Vec<_>>().join(", ")
    } else {
        item.names.join(", ")
    };
    let mut lines = wrapped(&item.help, width.saturating_sub(INDENT).max(11)).into_iter();
    let mut text = if head.len() <= INDENT - 4 {
        format!("  {head:<20}  {}\n", lines.next().unwrap_or_default())
    } else {
        format!("  {head}\n")
    };
    for line in lines {
        text.push_str(&format!("{}{line}\n", " ".repeat(INDENT)));
    }
    text
}

/// Python's `textwrap.wrap`: lines break at spaces, and after hyphens inside of words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut chunks: Vec<(bool, String)> = Vec::new();
    for word in text.split_whitespace() {
        let chars: Vec<char> = word.chars().collect();
        let letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphabetic());
        let mut part = String::new();
        let mut first = true;
        for (at, char) in chars.iter().enumerate() {
            part.push(*char);
            let before = letter(at.checked_sub(1)) && letter(at.checked_sub(2));
            if *char == '-' && before && letter(Some(at + 1)) && letter(Some(at + 2)) {
                chunks.push((first, std::mem::take(&mut part)));
                first = false;
            }
        }
        chunks.push((first, part));
    }
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for (spaced, chunk) in chunks {
        let gap = usize::from(spaced && !line.is_empty());
        if !line.is_empty() && line.chars().count() + gap + chunk.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        } else if gap == 1 {
            line.push(' ');
        }
        line.push_str(&chunk);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
