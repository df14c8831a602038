//! `urlize`: Jinja's links out of addresses in a text.

use super::super::args::{Args, Call};
use super::super::fail::R;
use super::super::regex;
use super::super::val::Val;

const HTTP: &str = concat!(
    r"^((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})",
    r"|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)",
    r"|(https?://)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}])))",
    r"(?::[\d]{1,5})?(?:[/?#]\S*)?$"
);
const MAIL: &str = r"^\S+@\w[\w.-]*\.\w+$";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}

/// The text with links.
pub fn urlize(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let limit = args.int(0, "trim_url_limit")?.and_then(|limit| usize::try_from(limit).ok());
    let nofollow = args.flag(1, "nofollow", false)?;
    let target = args.text(call, 2, "target")?;
    let rel = args.text(call, 3, "rel")?.unwrap_or_default();
    let schemes = match args.take(4, "extra_schemes").filter(|schemes| !schemes.is_none()) {
        Some(schemes) => call.items(&schemes)?.iter().map(|scheme| call.text(scheme)).collect::<R<Vec<_>>>()?,
        None => Vec::new(),
    };
    args.finish()?;
    let mut rels: Vec<&str> = rel.split_whitespace().chain(["noopener"]).collect();
    if nofollow {
        rels.push("nofollow");
    }
    rels.sort_unstable();
    rels.dedup();
    let mut attributes = format!(" rel=\"{}\"", escaped(&rels.join(" ")));
    if let Some(target) = target.filter(|target| !target.is_empty()) {
        attributes.push_str(&format!(" target=\"{}\"", escaped(&target)));
    }
    let start = regex::Anchor::Start;
    let (http, mail) = (regex::anchored(HTTP, start, true, false)?, regex::anchored(MAIL, start, false, false)?);
    let trimmed = |url: &str| match limit {
        Some(limit) if url.chars().count() > limit => url.chars().take(limit).collect::<String>() + "...",
        _ => url.to_owned(),
    };
    let mut out = String::new();
    let text = escaped(&call.text(&value)?);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let blank = rest.len() - rest.trim_start().len();
        out.push_str(&rest[..blank]);
        rest = &rest[blank..];
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        rest = &rest[word.len()..];
        let (head, mut middle, mut tail) = parts(word);
        balance(&mut middle, &mut tail);
        let is_mail = |text: &str| regex::search(&mail, text).map(|found| found.is_some());
        let link = if regex::search(&http, &middle)?.is_some() {
            let scheme = if middle.starts_with("https://") || middle.starts_with("http://") { "" } else { "https://" };
            format!("<a href=\"{scheme}{middle}\"{attributes}>{}</a>", trimmed(&middle))
        } else if let Some(address) = middle.strip_prefix("mailto:").filter(|address| is_mail(address).unwrap_or(false))
        {
            format!("<a href=\"{middle}\">{address}</a>")
        } else if middle.contains('@')
            && !middle.starts_with("www.")
            && !middle.starts_with('@')
            && !middle.contains(':')
            && is_mail(&middle)?
        {
            format!("<a href=\"mailto:{middle}\">{middle}</a>")
        } else if schemes.iter().any(|scheme| **scheme != *middle && middle.starts_with(&**scheme)) {
            format!("<a href=\"{middle}\"{attributes}>{middle}</a>")
        } else {
            middle
        };
        out.push_str(head);
        out.push_str(&link);
        out.push_str(&tail);
    }
    Ok(Val::from(out))
}

/// Brackets before a word, the word, and what ends a sentence behind it.
fn parts(word: &str) -> (&str, String, String) {
    let mut middle = word;
    while let Some(next) = ["(", "<", "&lt;"].iter().find_map(|start| middle.strip_prefix(start)) {
        middle = next;
    }
    let head = &word[..word.len() - middle.len()];
    let whole = middle;
    while let Some(next) = [")", ">", ".", ",", "&gt;"].iter().find_map(|end| middle.strip_suffix(end)) {
        middle = next;
    }
    (head, middle.to_owned(), whole[middle.len()..].to_owned())
}

/// Takes back closing brackets that belong to the address.
fn balance(middle: &mut String, tail: &mut String) {
    for (start, end) in [("(", ")"), ("<", ">"), ("&lt;", "&gt;")] {
        let opened = middle.matches(start).count();
        if opened <= middle.matches(end).count() {
            continue;
        }
        for _ in 0..opened.min(tail.matches(end).count()) {
            let Some(at) = tail.find(end).map(|at| at + end.len()) else { break };
            middle.push_str(&tail[..at]);
            tail.drain(..at);
        }
    }
}
