//! `hostctl check`: every mistake of a playbook at once, without contacting a host.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::arguments::ProjectArgs;
use super::output::{Output, OutputForm};
use crate::diag::{Diagnostic, ExitCode, Result, SourceMap, Span};
use crate::ops;

/// Find mistakes in playbooks without contacting a host
///
/// Of a folder every YAML file and template below it is checked as what it is: playbooks, roles, files of tasks,
/// handlers and variables. A sum follows, with the list of what hostctl does not have, the commonest first.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The playbooks, or folders, roles and files of tasks or variables.
    #[arg(required = true, value_name = "PATH", add = super::completion::playbooks())]
    playbooks: Vec<PathBuf>,
    #[command(flatten)]
    project: ProjectArgs,
}

pub(super) fn main(args: &CheckArgs, output: &Output) -> Result<ExitCode> {
    let request = args.project.request(output, &ops::Config::load(&output.sources)?)?;
    if args.playbooks.iter().any(|path| ops::is_part(path)) {
        return tree(&request, &args.playbooks, output);
    }
    run(&request, &args.playbooks, output)
}

pub(super) fn run(project: &ops::ProjectRequest, playbooks: &[PathBuf], output: &Output) -> Result<ExitCode> {
    let mut exit = ExitCode::Ok;
    let mut errors = 0;
    let mut warnings = 0;
    for playbook in playbooks {
        let found = ops::check(project, playbook, &output.sources)?;
        show(&found.diagnostics, &output.sources, output);
        errors += found.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        warnings += found.diagnostics.iter().filter(|diagnostic| !diagnostic.is_error()).count();
    }
    if errors > 0 {
        exit = ExitCode::Unreachable;
    }
    if output.form == OutputForm::Jsonl {
        let sum = json!({ "errors": errors, "warnings": warnings, "files": output.sources.len() });
        output.data(&format!("{}\n", json!({ "sum": sum })));
        return Ok(exit);
    }
    let typed = super::run::typed(std::env::args_os().skip(1).filter(|word| word != "--syntax-check"));
    let dry_run = typed.replacen("hostctl check ", "hostctl run ", 1);
    output.data(&format!(
        "{}, {} in {}; no host was contacted; for a dry run: {dry_run} --check\n",
        count(errors, "error"),
        count(warnings, "warning"),
        count(output.sources.len(), "file"),
    ));
    Ok(exit)
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// Diagnostics for people on stderr, or as lines of JSON on stdout.
fn show(found: &[Diagnostic], sources: &Arc<SourceMap>, output: &Output) {
    if output.form == OutputForm::Jsonl {
        found.iter().for_each(|problem| output.data(&format!("{}\n", as_json(problem, sources))));
    } else if !found.is_empty() {
        output.note(&crate::report::frames(found, sources, output.error_paint));
        output.note("\n");
    }
}

fn as_json(problem: &Diagnostic, sources: &SourceMap) -> serde_json::Value {
    let place = |span: Span, text: &str| {
        let file = sources.file(span.file)?;
        let at = file.line_col(span.start);
        Some(json!({ "file": file.name, "line": at.line, "column": at.column, "text": text }))
    };
    let places: Vec<_> = problem.labels.iter().filter_map(|label| place(label.span, &label.text)).collect();
    json!({
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "places": places,
        "notes": problem.notes,
        "hints": problem.hints,
    })
}

/// Folders and parts of projects.
fn tree(project: &ops::ProjectRequest, paths: &[PathBuf], output: &Output) -> Result<ExitCode> {
    let sum = ops::check_tree(project, paths, &mut |found, sources| show(found, sources, output))?;
    if output.form == OutputForm::Jsonl {
        output.data(&format!("{}\n", json!({ "sum": sum.json() })));
    } else {
        output.data(&summed(&sum));
    }
    Ok(if sum.errors.is_empty() { ExitCode::Ok } else { ExitCode::Unreachable })
}

fn summed(sum: &ops::Sum) -> String {
    let mut out = String::new();
    let total: usize = sum.files.values().sum();
    let kinds: Vec<String> = sum.files.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let _ = writeln!(out, "files      {total}: {}; {}", kinds.join(", "), count(sum.roles, "role"));
    let _ = writeln!(out, "templates  {} compiled", sum.templates);
    let codes = |counts: &BTreeMap<String, usize>| {
        let mut counts: Vec<(&String, &usize)> = counts.iter().collect();
        counts.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
        let listed: Vec<String> = counts.iter().map(|(code, number)| format!("{number} {code}")).collect();
        let total: usize = counts.iter().map(|(_, number)| **number).sum();
        if listed.is_empty() { total.to_string() } else { format!("{total}: {}", listed.join(", ")) }
    };
    let _ = writeln!(out, "errors     {}", codes(&sum.errors));
    let _ = writeln!(out, "warnings   {}", codes(&sum.warnings));
    let missing = sum.missing();
    if !missing.is_empty() {
        let _ = writeln!(out, "\nnot supported, the commonest first\n  places  files  kind        name");
    }
    for found in missing {
        let ops::Missing { kind, name, places, files } = found;
        let _ = writeln!(out, "  {places:>6}  {files:>5}  {kind:<10}  {name}");
    }
    out
}
