//! Text: case, trimming, wrapping, formatting, escaping.

use std::sync::Arc;

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::text::lines;
use super::super::val::Val;
use super::super::{methods, printf, regex};
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("capitalize", |call, value, args| plain(call, value, &args, methods::capitalize)),
    ("center", center),
    ("comment", comment),
    ("e", escape),
    ("escape", escape),
    ("filesizeformat", filesizeformat),
    ("forceescape", escape),
    ("format", format),
    ("indent", indent),
    ("lower", |call, value, args| plain(call, value, &args, str::to_lowercase)),
    ("quote", quote),
    ("replace", replace),
    ("safe", |call, value, args| plain(call, value, &args, str::to_owned)),
    ("split", split),
    ("string", |call, value, args| plain(call, value, &args, str::to_owned)),
    ("striptags", striptags),
    ("title", title),
    ("trim", trim),
    ("truncate", truncate),
    ("upper", |call, value, args| plain(call, value, &args, str::to_uppercase)),
    ("wordcount", wordcount),
    ("wordwrap", wordwrap),
];

fn plain<T: Into<String>>(call: &Call, value: Val, args: &Args, change: impl FnOnce(&str) -> T) -> R<Val> {
    args.finish()?;
    Ok(Val::from(change(&call.text(&value)?).into()))
}

fn title(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    // Jinja's own: words begin after white space, hyphens and brackets.
    let mut out = String::new();
    let mut start = true;
    for c in call.text(&value)?.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        start = c.is_whitespace() || "-({[<".contains(c);
    }
    Ok(Val::from(out))
}

fn trim(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let chars = args.text(call, 0, "chars")?;
    args.finish()?;
    let text = call.text(&value)?;
    Ok(Val::from(match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)),
        None => text.trim(),
    }))
}

fn replace(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let old = call.text(&args.need(0, "old")?)?;
    let new = call.text(&args.need(1, "new")?)?;
    let count = args.int(2, "count")?.and_then(|count| usize::try_from(count).ok());
    args.finish()?;
    let text = call.text(&value)?;
    Ok(Val::from(call.cx().replaced(&text, &old, &new, count)?))
}

fn split(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let Some(text) = value.as_text() else {
        return Err(Fail::msg(format!("`split` wants a string, not {}", value.kind())));
    };
    let sep = args.text(call, 0, "sep")?;
    let max = args.int(1, "maxsplit")?.and_then(|max| usize::try_from(max).ok());
    args.finish()?;
    Ok(Val::list(methods::split(&text, sep.as_deref(), max, false)?))
}

fn center(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let width = args.int(0, "width")?.unwrap_or(80);
    args.finish()?;
    let text = Val::from(call.text(&value)?);
    methods::call(call, &text, "center", Args::of(vec![Val::from(width)]))
}

fn format(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let (pos, named) = (args.rest(), args.rest_kw());
    let text = call.text(&value)?;
    let values = if named.is_empty() {
        Val::tuple(pos)
    } else {
        Val::map(named.into_iter().map(|(name, value)| (crate::value::Key::Str(name), value)).collect())
    };
    printf::percent(call.cx(), &text, &values).map(Val::from)
}

fn indent(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let width = match args.take(0, "width") {
        None => " ".repeat(4),
        Some(Val::V(Value::Str(text))) => text.to_string(),
        Some(Val::V(Value::Int(width))) => " ".repeat(usize::try_from(width.clamp(0, 10_000)).unwrap_or(0)),
        Some(other) => return Err(Fail::msg(format!("the width must be an integer, not {}", other.kind()))),
    };
    let first = args.flag(1, "first", false)?;
    let blank = args.flag(2, "blank", false)?;
    args.finish()?;
    let text = call.text(&value)?;
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    call.cx().room_for_text(text.len().saturating_add(width.len().saturating_mul(lines)))?;
    let mut out = String::new();
    // Jinja adds a line break before it splits, so a last empty line stays one.
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if (index == 0 && first) || (index > 0 && (blank || !line.is_empty())) {
            out.push_str(&width);
        }
        out.push_str(line);
    }
    Ok(Val::from(out))
}

fn truncate(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let length = usize::try_from(args.int(0, "length")?.unwrap_or(255)).unwrap_or(0);
    let kill = args.flag(1, "killwords", false)?;
    let end = args.text(call, 2, "end")?.unwrap_or_else(|| "...".into());
    let leeway = usize::try_from(args.int(3, "leeway")?.unwrap_or(5)).unwrap_or(0);
    args.finish()?;
    let text = call.text(&value)?;
    let least = end.chars().count();
    if length < least {
        return Err(Fail::said(
            format!("the length must be {least} or more, which the end `{end}` takes"),
            format!("expected length >= {least}, got {length}"),
        ));
    }
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= length + leeway {
        return Ok(Val::from(text));
    }
    let keep: String = chars.iter().take(length.saturating_sub(end.chars().count())).collect();
    let keep = if kill { keep.as_str() } else { keep.rsplit_once(' ').map_or(keep.as_str(), |(before, _)| before) };
    Ok(Val::from(format!("{keep}{end}")))
}

fn wordcount(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let regex = regex::compile(r"\w+", false, false)?;
    Ok(Val::from(regex::all(&regex, &call.text(&value)?)?.len()))
}

fn wordwrap(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let width = usize::try_from(args.int(0, "width")?.unwrap_or(79)).unwrap_or(79).max(1);
    let break_long = args.flag(1, "break_long_words", true)?;
    let join = args.text(call, 2, "wrapstring")?.unwrap_or_else(|| "\n".into());
    let hyphens = args.flag(3, "break_on_hyphens", true)?;
    args.finish()?;
    let text = call.text(&value)?;
    let lines: Vec<String> =
        lines(&text, false).into_iter().flat_map(|paragraph| wrapped(paragraph, width, break_long, hyphens)).collect();
    let total: usize = lines.iter().map(String::len).sum();
    call.cx().room_for_text(total.saturating_add(join.len().saturating_mul(lines.len())))?;
    Ok(Val::from(lines.join(&*join)))
}

/// `textwrap.wrap`: white space inside a line stays, and goes where a line ends; one empty line at least.
fn wrapped(paragraph: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n'..='\r');
    let length = |text: &str| text.chars().count();
    // The last chunk is the next one.
    let mut chunks: Vec<&str> = Vec::new();
    let mut rest = paragraph;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| blank(c) != blank(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if hyphens && !blank(first) {
            chunks.extend(at_hyphens(run));
        } else {
            chunks.push(run);
        }
        rest = after;
    }
    chunks.reverse();
    let is_blank = |chunk: &str| chunk.trim().is_empty();
    let mut lines: Vec<String> = Vec::new();
    while !chunks.is_empty() {
        let mut line: Vec<&str> = Vec::new();
        let mut filled = 0;
        if !lines.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.pop_if(|chunk| filled + length(chunk) <= width) {
            filled += length(chunk);
            line.push(chunk);
        }
        if let Some(chunk) = chunks.pop_if(|chunk| length(chunk) > width) {
            if break_long {
                let room = width - filled;
                let byte = |at: usize| chunk.char_indices().nth(at).map_or(chunk.len(), |(byte, _)| byte);
                // Behind its last hyphen that fits, else where the line ends.
                let hyphen = chunk.chars().take(room).enumerate().filter(|(_, c)| *c == '-').last();
                let end = match hyphen {
                    Some((at, _)) if hyphens && chunk.chars().take(at).any(|c| c != '-') => at + 1,
                    _ => room,
                };
                let (head, tail) = chunk.split_at(byte(end));
                line.push(head);
                chunks.push(tail);
            } else if line.is_empty() {
                line.push(chunk);
            } else {
                chunks.push(chunk);
            }
        }
        line.pop_if(|chunk| is_blank(chunk));
        if !line.is_empty() {
            lines.push(line.concat());
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// The parts of a word that a line may end between: behind hyphens with letters on both sides.
fn at_hyphens(word: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let letter = |index: usize| chars.get(index).is_some_and(|(_, c)| c.is_alphabetic());
    let wordy = |index: Option<usize>| {
        index.and_then(|index| chars.get(index)).is_some_and(|(_, c)| c.is_alphanumeric() || *c == '_')
    };
    let mut out = Vec::new();
    let mut start = 0;
    for (index, (at, c)) in chars.iter().enumerate() {
        let before = wordy(index.checked_sub(1))
            && (wordy(index.checked_sub(2))
                || (index >= 3 && chars[index - 2].1 == '-' && wordy(index.checked_sub(3))));
        let hyphen = |index: usize| chars.get(index).is_some_and(|(_, c)| *c == '-');
        let after = letter(index + 1) && (letter(index + 2) || (hyphen(index + 2) && letter(index + 3)));
        if *c == '-' && before && after {
            out.push(&word[start..=*at]);
            start = at + 1;
        }
    }
    out.push(&word[start..]);
    out
}

fn striptags(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let comments = regex::compile("(?s)<!--.*?-->", false, false)?;
    let tags = regex::compile("<[^>]*>", false, false)?;
    let text = regex::replace(&comments, &call.text(&value)?, "", 0, None)?.0;
    let text = regex::replace(&tags, &text, "", 0, None)?.0;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Val::from(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    ))
}

fn escape(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    Ok(Val::from(
        call.text(&value)?
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('\'', "&#39;")
            .replace('"', "&#34;"),
    ))
}

/// `shlex.quote`.
pub fn shell_quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn quote(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let text: Arc<str> = if value.is_none() { "".into() } else { call.text(&value)? };
    Ok(Val::from(shell_quote(&text)))
}

fn filesizeformat(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let binary = args.flag(0, "binary", false)?;
    args.finish()?;
    let bytes = super::math::float_of(&value)?;
    let base = if binary { 1024.0 } else { 1000.0 };
    let names: [&str; 8] = if binary {
        ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    } else {
        ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    };
    #[expect(clippy::float_cmp, reason = "exactly one byte, as Jinja asks")]
    if bytes == 1.0 {
        return Ok(Val::from("1 Byte"));
    }
    if bytes < base {
        return Ok(Val::from(format!("{} Bytes", bytes.trunc())));
    }
    let mut unit = base;
    for (index, name) in names.iter().enumerate() {
        unit *= base;
        if bytes < unit || index == names.len() - 1 {
            return Ok(Val::from(format!("{:.1} {name}", base * bytes / unit)));
        }
    }
    Ok(Val::from(""))
}

fn comment(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let style = args.text(call, 0, "style")?.unwrap_or_else(|| "plain".into());
    let (mut beginning, decoration, mut end) = match &*style {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => {
            return Err(Fail::said(
                format!("there is no comment style `{other}`"),
                format!("Invalid style '{other}'. Available styles: plain, erlang, c, cblock, xml"),
            )
            .with_hint("the styles are plain, erlang, c, cblock, xml"));
        }
    };
    let mut given = |name: &str| args.text(call, usize::MAX, name);
    let decoration = given("decoration")?.unwrap_or_else(|| decoration.into());
    let newline = given("newline")?.unwrap_or_else(|| "\n".into());
    let around: Arc<str> = decoration.trim_end().into();
    let prefix = given("prefix")?.unwrap_or_else(|| Arc::clone(&around));
    let postfix = given("postfix")?.unwrap_or(around);
    let (new_beginning, new_end) = (given("beginning")?, given("end")?);
    if let Some(text) = &new_beginning {
        beginning = text;
    }
    if let Some(text) = &new_end {
        end = text;
    }
    let mut count = |name: &str| -> R<usize> {
        Ok(usize::try_from(args.int(usize::MAX, name)?.unwrap_or(1).clamp(0, 1000)).unwrap_or(0))
    };
    let (prefixes, postfixes) = (count("prefix_count")?, count("postfix_count")?);
    args.finish()?;
    let mut out = String::new();
    if !beginning.is_empty() {
        out += beginning;
        out += &newline;
    }
    if !prefix.is_empty() {
        call.cx().room_for_product(prefix.len() + newline.len(), prefixes)?;
        let one = if prefix == newline { newline.to_string() } else { format!("{prefix}{newline}") };
        out += &one.repeat(prefixes);
    }
    let text = call.text(&value)?;
    call.cx().room_for_text(prefix.len().saturating_mul(prefixes) + postfix.len().saturating_mul(postfixes))?;
    let body = call.cx().replaced(&text, &newline, &format!("{newline}{decoration}"), None)?;
    let body = format!("{decoration}{body}");
    out += &body.replace(&format!("{decoration}{newline}"), &format!("{}{newline}", decoration.trim_end()));
    for _ in 0..postfixes {
        out += &newline;
        out += &postfix;
    }
    if !end.is_empty() {
        out += &newline;
        out += end;
    }
    Ok(Val::from(out))
}
