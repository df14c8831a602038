//! `list` of `dnf`: what is installed, what there is, which sources are used.

use super::call::Failure;
use super::cx::Cx;
use super::dnf::{Args, explain, options};
use crate::diag::Result;
use crate::map;
use crate::system::dnf::program;
use crate::system::process::Output;
use crate::value::{Map, Value};

/// Lists packages or sources.
pub(super) fn list(cx: &Cx, args: &Args, what: &str) -> Result<Map, Failure> {
    let ask = |command: &str, more: &[&str]| -> Result<Output, Failure> {
        let mut words = vec!["dnf".to_owned(), "--quiet".to_owned(), command.to_owned()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.extend(options(args));
        let program = program(words);
        let shown = program.shown();
        let output = cx.probe().run(program)?;
        if output.success() { Ok(output) } else { Err(explain(&shown, &output, &[])) }
    };
    if matches!(what, "repos" | "repositories") {
        let output = ask("repolist", &["--enabled"])?.out();
        let sources = output.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        let sources: Vec<Value> =
            sources.map(|id| Value::from(map! { "repoid" => id, "state" => "enabled" })).collect();
        return Ok(map! { "msg" => "", "results" => sources });
    }
    let format = "--queryformat=%{name}\t%{arch}\t%{epoch}\t%{release}\t%{version}\t%{repoid}";
    let queries: &[&[&str]] = match what {
        "installed" => &[&["--installed"]],
        "updates" | "upgrades" => &[&["--upgrades"]],
        "available" => &[&["--available"]],
        _ if what.starts_with('-') => &[],
        _ => &[&["--installed", what], &["--available", what]],
    };
    let mut found = Vec::new();
    for query in queries {
        let words: Vec<&str> = std::iter::once(format).chain(query.iter().copied()).collect();
        let output = ask("repoquery", &words)?.out();
        found.extend(output.lines().filter_map(package));
    }
    Ok(map! { "msg" => "", "results" => found })
}

/// One line of a query.
fn package(line: &str) -> Option<Value> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, arch, epoch, release, version, repo] = fields[..] else { return None };
    let envra = format!("{epoch}:{name}-{version}-{release}.{arch}");
    let state = if repo == "@System" { "installed" } else { "available" };
    Some(Value::from(map! {
        "name" => name, "arch" => arch, "epoch" => epoch, "release" => release, "version" => version, "repo" => repo,
        "envra" => envra.as_str(), "nevra" => envra.as_str(), "yumstate" => state,
    }))
}
