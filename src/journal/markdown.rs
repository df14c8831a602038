//! `summary.md`: `summary.json` for people, in the Markdown that CI systems show beside a job
//! (`cat summary.md >>"$GITHUB_STEP_SUMMARY"`).
//!
//! Text from hosts is escaped: it makes no links, no HTML and no table of its own.

use std::fmt::Write as _;

use serde_json::Value;

use crate::event::exit_code;
use crate::value::{about, duration, gib, size};

/// Job summaries end at 1 MiB; what is too much for them is in the JSON file.
const IMAGES: usize = 1000;

/// The Markdown of a summary.
pub(super) fn text(summary: &Value) -> String {
    let mut out = String::new();
    let code = summary["exit_code"].as_u64().unwrap_or_default();
    let end = if code == 0 { "ended well".to_owned() } else { format!("ended with exit code {code}") };
    let _ = writeln!(out, "## {}: {end}\n", escaped(text_of(&summary["playbook"])));
    let _ = writeln!(
        out,
        "Run {} took {}.{}\n",
        code_span(text_of(&summary["run"])),
        duration(summary["seconds"].as_f64().unwrap_or_default()),
        summary["tag"].as_str().map_or_else(String::new, |tag| format!(" Tag {}.", code_span(tag))),
    );
    hosts(&mut out, &summary["stats"]);
    let images: Vec<&Value> = summary["images"].as_array().map(|images| images.iter().collect()).unwrap_or_default();
    let forecasts = list(&summary["builds"]).filter(|build| build["forecast"].is_object());
    if images.is_empty() {
        // What is only planned has no images yet.
        forecasts.for_each(|build| forecast(&mut out, build));
        return out;
    }
    let _ = writeln!(out, "### Images: {}\n", counts(&summary["counts"]));
    failures(&mut out, &images);
    blocked(&mut out, &images);
    let path: Vec<String> = list(&summary["slowest_path"])
        .map(|step| {
            format!(
                "{} ({})",
                code_span(text_of(&step["name"])),
                duration(step["seconds"].as_f64().unwrap_or_default())
            )
        })
        .collect();
    if !path.is_empty() {
        let total: f64 = list(&summary["slowest_path"]).filter_map(|step| step["seconds"].as_f64()).sum();
        let _ = writeln!(out, "Slowest path, {}: {}\n", duration(total), path.join(", "));
    }
    forecasts.for_each(|build| forecast(&mut out, build));
    table(&mut out, &images);
    out
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn hosts(out: &mut String, stats: &Value) {
    let Some(stats) = stats.as_object().filter(|stats| !stats.is_empty()) else { return };
    out.push_str("| host | ok | changed | unreachable | failed | skipped | rescued | ignored |\n");
    out.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (host, counts) in stats {
        let _ = write!(out, "| {} |", escaped(host));
        for name in ["ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored"] {
            let _ = write!(out, " {} |", counts[name].as_u64().unwrap_or_default());
        }
        out.push('\n');
    }
    out.push('\n');
}

fn counts(counts: &Value) -> String {
    let Some(counts) = counts.as_object() else { return String::new() };
    let told: Vec<String> = counts
        .iter()
        .filter(|(state, _)| *state != "all")
        .filter_map(|(state, count)| Some((state.replace('_', " "), count.as_u64().filter(|count| *count > 0)?)))
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    told.join(", ")
}

fn failures(out: &mut String, images: &[&Value]) {
    let mut failed: Vec<&&Value> = images.iter().filter(|image| image["class"].is_string()).collect();
    if failed.is_empty() {
        return;
    }
    failed.sort_by_key(|image| text_of(&image["class"]));
    out.push_str("| failed | class | where | why | log |\n|---|---|---|---|---|\n");
    for image in failed.into_iter().take(IMAGES) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code_span(text_of(&image["name"])),
            escaped(&class(image)),
            code_span(text_of(&image["failed_at"])),
            escaped(&exit_code(text_of(&image["reason"])).unwrap_or_else(|| text_of(&image["reason"]).to_owned())),
            code_span(text_of(&image["log"])),
        );
    }
    out.push('\n');
}

/// `build error`, and whether that was allowed.
fn class(image: &Value) -> String {
    let class = text_of(&image["class"]);
    if image["allowed_to_fail"] == true { format!("{class}, allowed") } else { class.to_owned() }
}

fn blocked(out: &mut String, images: &[&Value]) {
    let mut by: indexmap::IndexMap<&str, Vec<String>> = indexmap::IndexMap::new();
    for image in images {
        if let Some(parent) = image["blocked_by"].as_str() {
            by.entry(parent).or_default().push(code_span(text_of(&image["name"])));
        }
    }
    for (parent, names) in &by {
        let _ = writeln!(out, "Blocked by {}: {}\n", code_span(parent), names.join(", "));
    }
}

fn forecast(out: &mut String, build: &Value) {
    let forecast = &build["forecast"];
    let count = |name: &str| forecast[name].as_array().map_or(0, Vec::len);
    let took = build["seconds"].as_f64().map_or_else(String::new, |seconds| format!(", took {}", duration(seconds)));
    let _ = writeln!(
        out,
        "Expected{}: {} to build, {} to reuse, {} on disk, {}{took}.\n",
        build["host"].as_str().map_or_else(String::new, |host| format!(" on {}", escaped(host))),
        count("build"),
        count("reuse"),
        forecast["bytes"].as_u64().map_or_else(|| "unknown".to_owned(), |bytes| format!("{} GiB", gib(bytes))),
        forecast["seconds"].as_f64().map_or_else(|| "time unknown".to_owned(), about),
    );
}

fn table(out: &mut String, images: &[&Value]) {
    let hosts = images.iter().any(|image| image["host"] != images[0]["host"]);
    out.push_str("<details><summary>All images</summary>\n\n");
    let _ = writeln!(out, "| image |{} state | build | push | size | digest |", if hosts { " host |" } else { "" });
    let _ = writeln!(out, "|---|{}---|--:|--:|--:|---|", if hosts { "---|" } else { "" });
    let time = |value: &Value| value.as_f64().map(duration).unwrap_or_default();
    for image in images.iter().take(IMAGES) {
        let _ = write!(out, "| {} |", code_span(text_of(&image["name"])));
        if hosts {
            let _ = write!(out, " {} |", escaped(text_of(&image["host"])));
        }
        let _ = writeln!(
            out,
            " {} | {} | {} | {} | {} |",
            text_of(&image["state"]).replace('_', " "),
            time(&image["seconds"]),
            time(&image["push_seconds"]),
            image["size"].as_u64().map(size).unwrap_or_default(),
            code_span(text_of(&image["digest"])),
        );
    }
    if images.len() > IMAGES {
        let _ = writeln!(out, "\nand {} more in `summary.json`", images.len() - IMAGES);
    }
    out.push_str("\n</details>\n");
}

/// One line of text in which nothing is markup.
fn escaped(text: &str) -> String {
    const LONGEST: usize = 500;
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(LONGEST) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Also `@`, which notifies people, and `#`, which names issues.
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '!' | '@' | '#' | '$' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push_str("...");
    }
    out
}

/// Text in the letters of code; nothing for no text.
fn code_span(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<code>{}</code>", escaped(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_summary_reads_well() {
        let shown = text(&json!({
            "run": "20261121T061704-7f3a", "playbook": "playbooks/build.yml", "exit_code": 2, "seconds": 842.0,
            "tag": "2024.1-t", "stats": {"builder1": {"ok": 3, "changed": 1, "failed": 1}},
            "counts": {"built": 0, "pushed": 1, "failed": 1, "blocked": 1, "all": 3},
            "slowest_path": [{"name": "base", "seconds": 130.0}],
            "builds": [{"host": "builder1", "seconds": 800.0,
                "forecast": {"build": [1, 2], "reuse": [], "bytes": null, "seconds": 2280.0}}],
            "images": [
                {"name": "base", "host": "builder1", "state": "pushed", "seconds": 130.0, "push_seconds": 12.0,
                 "size": 4_400_000, "digest": "sha256:1", "log": "logs/base.log"},
                {"name": "web", "host": "builder1", "state": "failed", "class": "build error", "reason": "RUN a | b failed",
                 "failed_at": "img/web/Dockerfile:3", "log": "logs/web.log"},
                {"name": "app", "host": "builder1", "state": "blocked", "blocked_by": "web"},
            ],
        }));
        assert_eq!(
            shown,
            "## playbooks/build.yml: ended with exit code 2\n\n\
             Run <code>20261121T061704-7f3a</code> took 14m02s. Tag <code>2024.1-t</code>.\n\n\
             | host | ok | changed | unreachable | failed | skipped | rescued | ignored |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|\n\
             | builder1 | 3 | 1 | 0 | 1 | 0 | 0 | 0 |\n\n\
             ### Images: 1 pushed, 1 failed, 1 blocked\n\n\
             | failed | class | where | why | log |\n|---|---|---|---|---|\n\
             | <code>web</code> | build error | <code>img/web/Dockerfile:3</code> | RUN a &#124; b failed | <code>logs/web.log</code> |\n\n\
             Blocked by <code>web</code>: <code>app</code>\n\n\
             Slowest path, 2m10s: <code>base</code> (2m10s)\n\n\
             Expected on builder1: 2 to build, 0 to reuse, unknown on disk, 38 min, took 13m20s.\n\n\
             <details><summary>All images</summary>\n\n\
             | image | state | build | push | size | digest |\n|---|---|--:|--:|--:|---|\n\
             | <code>base</code> | pushed | 2m10s | 12.0s | 4.1 MiB | <code>sha256:1</code> |\n\
             | <code>web</code> | failed |  |  |  |  |\n\
             | <code>app</code> | blocked |  |  |  |  |\n\n</details>\n"
        );
    }

    #[test]
    fn text_from_hosts_is_no_markup() {
        let shown = text(&json!({
            "playbook": "x", "run": "r",
            "images": [{"name": "a|b", "state": "failed", "class": "x", "reason": "<img src=x> ![a](http://h) `c`\n| d | @all $x$"}],
        }));
        let row = shown.lines().find(|line| line.contains("&lt;img")).unwrap();
        assert_eq!(row.matches('|').count(), 6, "{row}");
        assert!(!row.contains(['[', '`', '@', '$', '!']) && !row.contains("<img"), "{row}");
    }

    #[test]
    fn nothing_known_is_no_error() {
        assert!(text(&json!({})).starts_with("## : ended well"));
        let plan = json!({"builds": [{"forecast": {"build": [1], "reuse": []}}]});
        assert!(text(&plan).ends_with("Expected: 1 to build, 0 to reuse, unknown on disk, time unknown.\n\n"));
    }
}
