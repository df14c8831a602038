//! Warnings and errors in Ansible's words: the text, `Origin:` with the source lines, causes.

use std::fmt::Write as _;

use crate::diag::{Diagnostic, Kind, Link, Origin, SourceMap, Span, brief};
use crate::event::{Done, JobState};
use crate::value::{Map, StrKey, Value, python_str};

/// Width of a shown source line with its number.
const LINE_WIDTH: usize = 120;

/// `Origin: FILE:LINE:COLUMN` and the lines up to that place.
pub(super) fn origin(span: Span, sources: &SourceMap) -> Option<String> {
    let file = sources.file(span.file)?;
    let at = file.line_col(span.start);
    let name = match &file.path {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        None => file.name.clone(),
    };
    // An ad hoc task stands in no line.
    if file.path.is_none() {
        // Its last line says what Ansible shows of it.
        let shown = file.text.trim_end().rsplit('\n').next().and_then(|line| line.strip_prefix("# "));
        return Some(shown.map_or_else(|| format!("Origin: {name}"), |shown| format!("Origin: {name}\n\n{shown}")));
    }
    let mut text = format!("Origin: {name}:{}:{}", at.line, at.column);
    text.push('\n');
    let width = at.line.to_string().len();
    let room = LINE_WIDTH - width - 1;
    let mut usable = room;
    for number in at.line.saturating_sub(2).max(1)..=at.line {
        let line = file.line(number).unwrap_or_default().replace('\t', " ");
        let shown = if line.chars().count() > room {
            usable = room - 3;
            line.chars().take(room - 3).collect::<String>() + "..."
        } else {
            line
        };
        let gap = if shown.is_empty() { "" } else { " " };
        let _ = write!(text, "\n{number:>width$}{gap}{shown}");
    }
    if at.column <= usable {
        let word = format!("column {}", at.column);
        let before = at.column - 1;
        let mark = if before + 2 + word.len() > room {
            format!("{}{word} ^", " ".repeat(before.saturating_sub(word.len() + 1)))
        } else {
            format!("{}^ {word}", " ".repeat(before))
        };
        let _ = write!(text, "\n{} {mark}", " ".repeat(width));
    }
    Some(text)
}

/// What a link is about, as it is shown.
fn shown(about: Option<Origin>, sources: &SourceMap) -> Option<String> {
    match about? {
        Origin::At(span) => origin(span, sources),
        Origin::In(file) => {
            let file = sources.file(file)?;
            let path = file.path.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
            Some(format!("Origin: {}", path.map_or_else(|| file.name.clone(), |path| path.display().to_string())))
        }
    }
}

/// A chain of messages; those about the same are told as one.
fn chain(links: &[Link], sources: &SourceMap) -> String {
    let places: Vec<Option<String>> = links.iter().map(|link| shown(link.origin, sources)).collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < links.len() {
        let (place, help) = (&places[at], &links[at].help);
        let joins = |next: &usize| {
            let told = (&places[*next], &links[*next].help);
            told == (&None, &None) || told == (place, help)
        };
        let end = at + 1 + (at + 1..links.len()).take_while(joins).count();
        let mut text = brief(&links[at..end]);
        if end < links.len() && !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
        match (place, help) {
            (None, Some(help)) if !text.contains('\n') && !help.contains('\n') => text = format!("{text} {help}"),
            (place, help) => {
                for (lead, more) in [("\n", place), ("\n\n", help)] {
                    if let Some(more) = more {
                        text.push_str(lead);
                        text.push_str(more);
                    }
                }
            }
        }
        parts.push(text);
        at = end;
    }
    if parts.len() > 1 {
        parts[0] = format!("{}\n\n{}", brief(links), parts[0]);
    }
    parts.join("\n\n<<< caused by >>>\n\n")
}

/// A text with the empty line that follows one of several lines.
fn spaced(text: &str) -> String {
    let text = text.trim();
    if text.contains('\n') { format!("{text}\n\n") } else { format!("{text}\n") }
}

/// `[WARNING]: ...` or `[ERROR]: ...` of a diagnostic outside of a result.
pub(super) fn diagnostic(lead: &str, diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    // Ansible calls this one an error, and ends well.
    let lead = if diagnostic.code == "R0301" { "ERROR" } else { lead };
    if let Some(text) = ansible_words(diagnostic, sources) {
        return spaced(&format!("[{lead}]: {text}"));
    }
    let mut text = capital(&diagnostic.message);
    let place = diagnostic.span().and_then(|span| origin(span, sources));
    if let Some(place) = &place {
        let _ = write!(text, "\n{place}");
    }
    for hint in &diagnostic.hints {
        if place.is_some() {
            text.push_str("\n\n");
            text.push_str(hint);
        } else {
            let _ = write!(text, ". {}", capital(hint));
        }
    }
    spaced(&format!("[{lead}]: {text}"))
}

/// A warning in Ansible's words, if it has words for it.
pub fn ansible_warning(diagnostic: &Diagnostic, sources: &SourceMap) -> Option<String> {
    let lead = if diagnostic.is_error() { "ERROR" } else { diagnostic.lead() };
    ansible_words(diagnostic, sources).map(|text| spaced(&format!("[{lead}]: {text}")))
}

/// What Ansible says in the same case, where people look for its words.
fn ansible_words(diagnostic: &Diagnostic, sources: &SourceMap) -> Option<String> {
    if diagnostic.deprecation.is_some() || diagnostic.code == "T0113" {
        let text = chain(&diagnostic.chain, sources);
        return Some(if text.is_empty() { diagnostic.registered().to_owned() } else { text });
    }
    match &*diagnostic.code {
        "I0010" | "I0014" | "P0208" | "P0209" | "P0303" | "P0151" | "R0301" => Some(diagnostic.registered().to_owned()),
        "C0113" => Some(diagnostic.message.clone()),
        "I0009" if diagnostic.is_error() => diagnostic.registered.clone(),
        "I0001" | "I0002" | "I0003" | "I0004" | "I0005" | "I0007" | "I0017" | "I0019"
            if !diagnostic.is_error() && diagnostic.registered.is_some() =>
        {
            let place = diagnostic.span().and_then(|span| origin(span, sources)).map(|place| format!("\n{place}"));
            let place = place.filter(|_| diagnostic.registered().starts_with("Failed")).unwrap_or_default();
            Some(format!("{}{place}", diagnostic.registered()))
        }
        "I0009" => Some(format!("Unable to parse {} as an inventory source", diagnostic.name())),
        "I0015" if !diagnostic.is_error() => Some(capital(&diagnostic.message)),
        "I0018" => Some(format!("{}, use -vvvv to see details", capital(&diagnostic.message))),
        "I0016" => Some(diagnostic.message.clone()),
        "C0111" => diagnostic.registered.clone(),
        "P0101" | "P0102" if !diagnostic.is_error() => diagnostic.registered.clone(),
        "C0118" if !diagnostic.is_error() => diagnostic.registered.clone(),
        "Y0012" => {
            let text = diagnostic.registered();
            let place = diagnostic.span().and_then(|span| origin(span, sources));
            let help = if diagnostic.is_error() { "" } else { "\n\nUsing last defined value only." };
            Some(format!("{text}\n{}{help}", place.unwrap_or_default()))
        }
        "P0106" | "P0121" | "P0310" => {
            let place = diagnostic.span().and_then(|span| origin(span, sources)).map(|place| format!("\n{place}"));
            Some(format!("{}{}", diagnostic.registered(), place.unwrap_or_default()))
        }
        "V0104" if !diagnostic.is_error() => Some(diagnostic.registered().to_owned()),
        "T0110" => Some(diagnostic.registered().to_owned()),
        // The result's own warnings.
        "H0002" => Some(diagnostic.message.clone()),
        _ => None,
    }
}

/// What is told of a look at a job.
pub(super) fn job(host: &str, id: &str, state: JobState) -> String {
    match state {
        JobState::Running => format!("ASYNC POLL on {host}: jid={id} started=True finished=False"),
        JobState::Done => format!("ASYNC OK on {host}: jid={id}"),
        JobState::Failed => format!("ASYNC FAILED on {host}: jid={id}"),
    }
}

/// True if a text says what a message does, and after a colon why.
fn goes_on(text: &str, message: &str) -> bool {
    text.strip_prefix(message.trim_end_matches('.')).is_some_and(|rest| rest.starts_with(": "))
}

/// Ansible's sentences begin with a capital letter.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// A module's message with what was behind it.
fn with_cause(message: String, result: &Map) -> String {
    if message != "Error executing command." {
        return message;
    }
    let why = match result.get(&StrKey("rc")) {
        Some(Value::Int(2)) => "[Errno 2] No such file or directory",
        Some(Value::Int(13)) => "[Errno 13] Permission denied",
        _ => return message,
    };
    let program = match result.get(&StrKey("cmd")) {
        Some(Value::List(words)) => words.first().map(python_str).unwrap_or_default(),
        Some(text) => python_str(text).split_whitespace().next().unwrap_or_default().to_owned(),
        None => return message,
    };
    format!("Error executing command: {why}: b'{program}'")
}

/// What stands for an ad hoc task that is none: `fail` tells what is wrong with the option that names its module.
fn refused_adhoc(message: &str, task: Option<Span>, module: &str, sources: &SourceMap) -> Option<String> {
    let inner = message.strip_prefix("Task failed: ").filter(|_| module == "fail")?;
    let file = sources.file(task?.file).filter(|file| file.path.is_none())?;
    let named = file.name.strip_prefix("<adhoc '")?.strip_suffix("' task>")?;
    if named.rsplit('.').next() == Some("fail") {
        return None;
    }
    let place = origin(task?, sources)?;
    Some(spaced(&format!(
        "[ERROR]: {message}\n\nTask failed.\n{place}\n\n<<< caused by >>>\n\n{inner}\nOrigin: <CLI option '-m'>\n\n{named}"
    )))
}

/// `[ERROR]: Task failed: ...` of a failed result; `task` and `label` are the places of the task and of its name.
pub(super) fn failure(done: &Done, task: Option<Span>, label: &str, module: &str, sources: &SourceMap) -> String {
    // Ansible tells the message also of a task with `no_log`; here it stays hidden.
    let action = super::result::is_action(module);
    if let (Some(reason), None) = (done.result.get(&StrKey("reason")), done.result.get(&StrKey("msg"))) {
        // What an include names is not there.
        let own = done.diagnostic.as_ref().filter(|own| own.code == "P0501").and_then(Diagnostic::span);
        let place = own.and_then(|span| origin(span, sources)).map(|place| format!("\n{place}"));
        return spaced(&format!("[ERROR]: {}{}", python_str(reason), place.unwrap_or_default()));
    }
    let message = if done.no_log {
        "the message is hidden, as 'no_log: true' says".to_owned()
    } else {
        done.result.get(&StrKey("msg")).map(python_str).unwrap_or_default()
    };
    let own = done.diagnostic.as_ref();
    // The line tells more than what is registered where that is the beginning of it.
    let whole = own.filter(|own| !done.no_log && !message.is_empty() && own.chain.is_empty());
    let message = match whole.and_then(|own| own.registered.as_deref()).filter(|text| goes_on(text, &message)) {
        Some(text) => text.to_owned(),
        None => message,
    };
    // Of what a program wrote, the end of its last line is no part: also one with `\r`.
    let message = message.trim_end().to_owned();
    if let Some(own) = own.filter(|own| !own.chain.is_empty() && !done.no_log) {
        let words = own.chain_words();
        if message == words {
            return spaced(&format!("[ERROR]: {}", chain(&own.chain, sources)));
        }
        let inner = message.strip_prefix("Task failed: ");
        if inner.is_none() && !message.starts_with("Task failed") {
            // The module's own message outlives a condition that could not be decided.
            let what = if action { "Action" } else { "Module" };
            let place = task.and_then(|span| origin(span, sources)).unwrap_or_default();
            let text = match message.as_str() {
                "" => "Action failed.".to_owned(),
                message => format!("{what} failed: {message}"),
            };
            return spaced(&format!("[ERROR]: Task failed: {text}\n{place}"));
        }
        if inner == Some(&words) {
            let outer = Link { words: "Task failed".to_owned(), origin: task.map(Origin::At), help: None };
            let links: Vec<Link> = std::iter::once(outer).chain(own.chain.iter().cloned()).collect();
            return spaced(&format!("[ERROR]: {}", chain(&links, sources)));
        }
    }
    if let Some(text) = refused_adhoc(&message, task, module, sources) {
        return text;
    }
    let absent = own.is_some_and(|own| own.code == "H0020");
    let plain = done.no_log || absent && message.starts_with("Task failed");
    let from_template = !plain
        && (message.starts_with("Task failed") && !message.ends_with(": Unknown error.")
            || own.is_some_and(|own| matches!(own.kind, Kind::Template | Kind::Source) || own.code.starts_with('T')));
    let place = task.and_then(|span| origin(span, sources));
    if !from_template {
        let what = if action { "Action" } else { "Module" };
        // Ansible's actions refuse arguments before they do anything.
        let refused = (action || module == "async_status")
            && own.is_some_and(|own| own.code.starts_with('M') || own.code == "H0032")
            || own.is_some_and(|own| own.code == "H0020" && !message.starts_with("Task failed"));
        let message = with_cause(message, &done.result);
        if absent && ["template", "script"].contains(&module) {
            // The action tells the failure that it was told.
            let place = place.unwrap_or_default();
            return spaced(&format!(
                "[ERROR]: Task failed: {message}\n\nTask failed.\n{place}\n\n<<< caused by >>>\n\n{message}"
            ));
        }
        let of_action = matches!(message.as_str(), "dest is required" | "src (or content) is required");
        let refused = refused || message.ends_with("dest are required");
        let what = if of_action { "Action" } else { what };
        let text = if message.starts_with("Task failed") {
            message
        } else if message.is_empty() {
            "Task failed: Action failed.".to_owned()
        } else if refused || own.is_some_and(|own| own.kind == Kind::Unreachable) {
            format!("Task failed: {message}")
        } else {
            format!("Task failed: {what} failed: {message}")
        };
        return spaced(&format!("[ERROR]: {text}\n{}", place.unwrap_or_default()));
    }
    let brief = if message.starts_with("Task failed") { message } else { format!("Task failed: {message}") };
    // The label of the task itself is no cause.
    let cause = own
        .and_then(Diagnostic::span)
        .filter(|span| task.is_none_or(|task| task.start != span.start) && sources.place(*span) != label);
    let Some(cause) = cause.and_then(|span| origin(span, sources)).filter(|cause| Some(cause) != place.as_ref()) else {
        return spaced(&format!("[ERROR]: {brief}\n{}", place.unwrap_or_default()));
    };
    // The last part is what went wrong at the inner place, those before it at the task.
    let (outer, inner) = match brief.find(": Error while ") {
        Some(at) => (&brief[..at], &brief[at + 2..]),
        None => brief.split_once(": ").unwrap_or(("Task failed", &brief)),
    };
    spaced(&format!(
        "[ERROR]: {brief}\n\n{outer}.\n{}\n\n<<< caused by >>>\n\n{inner}\n{cause}",
        place.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceMap;

    #[test]
    fn the_origin_shows_two_lines_before_and_marks_the_column() {
        let map = SourceMap::new();
        let file = map.add("a.yml", Some(std::path::Path::new("/x/a.yml")), "- hosts: a\n\n  tasks:\n    - fail:\n");
        let span = Span::new(file.id, 27, 31);
        assert_eq!(
            origin(span, &map).unwrap_or_default(),
            "Origin: /x/a.yml:4:7\n\n2\n3   tasks:\n4     - fail:\n        ^ column 7"
        );
    }

    #[test]
    fn what_is_told_goes_on_where_the_registered_message_stops() {
        assert!(goes_on("Error executing command: [Errno 2] No such file", "Error executing command."));
        assert!(!goes_on("Error executing command.", "Error executing command."));
    }

    #[test]
    fn jobs_and_reserved_names_are_told_in_ansibles_words() {
        assert_eq!(job("web", "j1.2", JobState::Failed), "ASYNC FAILED on web: jid=j1.2");
        assert_eq!(job("web", "j1.2", JobState::Running), "ASYNC POLL on web: jid=j1.2 started=True finished=False");
        let map = SourceMap::new();
        let file = map.add("a.yml", Some(std::path::Path::new("/x/a.yml")), "query: 1\n");
        let wrong = Diagnostic::source("P0310", "the variable `query` has a name that the language uses itself")
            .with_registered("Found variable using reserved name 'query'.")
            .with_label(Span::new(file.id, 0, 5), "set here");
        assert_eq!(
            diagnostic("WARNING", &wrong, &map),
            "[WARNING]: Found variable using reserved name 'query'.\nOrigin: /x/a.yml:1:1\n\n1 query: 1\n  ^ column 1\n\n"
        );
    }

    #[test]
    fn a_warning_of_one_line_has_no_empty_line_behind_it() {
        let map = SourceMap::new();
        let wrong = Diagnostic::local("R0302", "so it is");
        assert_eq!(diagnostic("WARNING", &wrong, &map), "[WARNING]: So it is\n");
    }
}
