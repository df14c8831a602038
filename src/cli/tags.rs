//! `hostctl tags`: the record of image tags.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use serde_json::json;

use super::arguments::ProjectArgs;
use super::output::{Output, OutputForm};
use super::password::PasswordArgs;
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::image::tagrows::{TagChange, difference};
use crate::ops::{self, GivenLogin, GivenPassword, TagFileView, TagState, Verified, VerifyOptions};
use crate::secret::Redactor;

/// Show, compare and verify the tags and digests that image builds recorded
///
/// A tag file is that of an environment (`tag_file` in its `environment.yml`), or any file in that form. With
/// `--output json` each command prints one JSON object.
#[derive(Debug, Args)]
pub struct TagsArgs {
    #[command(subcommand)]
    command: TagsCommand,
}

#[derive(Debug, Subcommand)]
enum TagsCommand {
    /// Sets, distributions, tags and digests
    Show {
        /// Environments or tag files; default: `--env`, or all environments that have one.
        #[arg(value_name = "ENV|FILE")]
        files: Vec<String>,
        /// Every image with its digest.
        #[arg(long)]
        digests: bool,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
    /// What differs between two environments or tag files
    Diff {
        /// The first environment or tag file.
        #[arg(value_name = "A")]
        before: String,
        /// The second one.
        #[arg(value_name = "B")]
        after: String,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
    /// What changed and when: by git's log where the file is in a repository, else by its own record
    History {
        /// An environment or tag file; default: `--env`.
        #[arg(value_name = "ENV|FILE")]
        files: Vec<String>,
        /// Steps at most.
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
        count: usize,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
    /// Ask the registries for each recorded digest
    ///
    /// States: `ok`; `moved`, the tag points elsewhere now; `missing`; `differs`, the registry gives something else under
    /// the digest; `denied`, it wants a login or a right; `unreachable`. Exit codes: 0 if all are `ok`, 2 if one is
    /// `moved`, `missing` or `differs`, else 4. The login is `--username`'s; then the environment's, by the variables
    /// `registry`, `registry_username` and `registry_password`; then that of Docker's and Podman's own credential files
    /// and helpers (`docker login`): `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, `$REGISTRY_AUTH_FILE`,
    /// `$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`.
    Verify {
        /// Environments or tag files; default: `--env`, or all environments that have one.
        #[arg(value_name = "ENV|FILE")]
        files: Vec<String>,
        /// A registry that may be asked by plain HTTP.
        #[arg(long, value_name = "HOST")]
        insecure: Vec<String>,
        /// A file with the registry's CA, besides this machine's own.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        ca: Option<PathBuf>,
        #[command(flatten)]
        login: LoginArgs,
        #[command(flatten)]
        project: Box<ProjectArgs>,
    },
}

/// A login for one registry.
#[derive(Debug, Args)]
struct LoginArgs {
    /// The registry that `--username` is for; default: the environment's `registry`, else the only one of the files.
    #[arg(long, value_name = "HOST[:PORT]", requires = "username")]
    registry: Option<String>,
    /// The user at the registry.
    #[arg(long, value_name = "USER", requires = "password")]
    username: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl LoginArgs {
    fn read(&self) -> Result<Option<GivenLogin>> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = match self.password.variable()? {
            Some(name) => GivenPassword::Variable(name.to_owned()),
            None => GivenPassword::Text(self.password.read()?.unwrap_or_default()),
        };
        Ok(Some(GivenLogin { registry: self.registry.clone(), username, password }))
    }
}

pub(super) fn main(args: &TagsArgs, output: &Output) -> Result<ExitCode> {
    let config = ops::Config::load(&output.sources)?;
    match &args.command {
        TagsCommand::Show { files, digests, project } => {
            let found = ops::tag_files(&project.request(output, &config)?, files, &output.sources)?;
            show(&found, *digests, output);
            Ok(ExitCode::Ok)
        }
        TagsCommand::Diff { before, after, project } => {
            let words = [before.clone(), after.clone()];
            let found = ops::tag_files(&project.request(output, &config)?, &words, &output.sources)?;
            diff(&found, output);
            Ok(ExitCode::Ok)
        }
        TagsCommand::History { files, count, project } => {
            let found = ops::tag_files(&project.request(output, &config)?, files, &output.sources)?;
            history(&found, *count, output);
            Ok(ExitCode::Ok)
        }
        TagsCommand::Verify { files, insecure, ca, login, project } => {
            let request = project.request(output, &config)?;
            let found = ops::tag_files(&request, files, &output.sources)?;
            let options = VerifyOptions { insecure: insecure.clone(), ca_file: ca.clone(), login: login.read()? };
            verify(&request, &found, &options, output)
        }
    }
}

fn title(file: &TagFileView) -> String {
    let path = file.path.display();
    file.environment.as_ref().map_or_else(|| path.to_string(), |name| format!("{name} ({path})"))
}

fn show(files: &[TagFileView], digests: bool, output: &Output) {
    if output.form == OutputForm::Jsonl {
        let files: Vec<_> = files
            .iter()
            .map(|file| {
                json!({ "file": file.path.display().to_string(), "environment": file.environment, "rows": file.rows })
            })
            .collect();
        output.data(&format!("{}\n", json!({ "files": files })));
        return;
    }
    let mut text = String::new();
    for file in files {
        text.push_str(&format!("{}\n", output.paint.bold(&title(file))));
        let width = |of: &dyn Fn(&crate::image::tagrows::TagRow) -> usize| file.rows.iter().map(of).max().unwrap_or(0);
        let (sets, distributions) = (width(&|row| row.set.len()), width(&|row| row.distribution.len()));
        for row in &file.rows {
            let tag = row.tag.as_deref().unwrap_or("-");
            let about = match (&row.record, row.current()) {
                (_, Some(record)) => {
                    let run = record.run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
                    format!("{} digests, {}{run}", record.digests.len(), record.time)
                }
                (Some(record), None) => format!("its digests are those of {}", record.tag),
                (None, None) => "no digests recorded".to_owned(),
            };
            text.push_str(&format!(
                "  {:sets$}  {:distributions$}  {tag}  {}\n",
                row.set,
                row.distribution,
                output.paint.dim(&about)
            ));
            for (image, digest) in row.current().iter().filter(|_| digests).flat_map(|record| &record.digests) {
                text.push_str(&format!("    {image}  {digest}\n"));
            }
        }
        if file.rows.is_empty() {
            text.push_str("  nothing is recorded\n");
        }
    }
    output.data(&text);
}

fn change_lines(changes: &[TagChange], output: &Output) -> String {
    let word = |tag: &Option<String>| tag.clone().unwrap_or_else(|| "-".to_owned());
    let mut text = String::new();
    for change in changes {
        text.push_str(&format!(
            "  {} {}  {} -> {}\n",
            change.set,
            change.distribution,
            word(&change.before),
            word(&change.after)
        ));
        for one in &change.digests {
            let (sign, digest) = match (&one.before, &one.after) {
                (Some(before), Some(after)) => ("~", format!("{before} -> {after}")),
                (None, Some(after)) => ("+", after.clone()),
                (Some(before), None) => ("-", before.clone()),
                (None, None) => continue,
            };
            text.push_str(&format!("    {sign} {}  {}\n", one.image, output.paint.dim(&digest)));
        }
    }
    text
}

fn diff(files: &[TagFileView], output: &Output) {
    let [before, after] = files else { return };
    let changes = difference(&before.rows, &after.rows);
    if output.form == OutputForm::Jsonl {
        let name =
            |file: &TagFileView| json!({ "file": file.path.display().to_string(), "environment": file.environment });
        let whole = json!({ "before": name(before), "after": name(after), "changes": changes });
        output.data(&format!("{whole}\n"));
        return;
    }
    if changes.is_empty() {
        output.data("no differences\n");
        return;
    }
    output.data(&format!("{} -> {}\n{}", title(before), title(after), change_lines(&changes, output)));
}

fn history(files: &[TagFileView], limit: usize, output: &Output) {
    let mut text = String::new();
    let mut all = Vec::new();
    for file in files {
        let found = ops::tag_history(file, limit);
        if output.form == OutputForm::Jsonl {
            let steps: Vec<_> = found
                .steps
                .iter()
                .map(|step| {
                    json!({
                        "commit": step.commit, "time": step.time, "author": step.author, "subject": step.subject,
                        "changes": step.changes,
                    })
                })
                .collect();
            all.push(json!({
                "file": file.path.display().to_string(), "environment": file.environment, "steps": steps,
                "without_git": found.without_git,
            }));
            continue;
        }
        text.push_str(&format!("{}\n", output.paint.bold(&title(file))));
        if let Some(reason) = &found.without_git {
            output.note(&format!("{}: only what the file itself records ({reason})\n", file.path.display()));
        }
        for step in &found.steps {
            let commit: String = step.commit.iter().flat_map(|commit| commit.chars().take(12)).collect();
            let parts = [commit.as_str(), &step.time, &step.author, &step.subject];
            let head: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            text.push_str(&format!("{}\n", head.join("  ")));
            match &step.changes {
                Some(changes) if changes.is_empty() => text.push_str("  no tags changed\n"),
                Some(changes) => text.push_str(&change_lines(changes, output)),
                None => text.push_str("  the tag file could not be read as of then\n"),
            }
        }
        if found.steps.is_empty() {
            text.push_str("  nothing is recorded\n");
        }
    }
    if output.form == OutputForm::Jsonl {
        text = format!("{}\n", json!({ "files": all }));
    }
    output.data(&text);
}

fn verify(
    request: &ops::ProjectRequest,
    files: &[TagFileView],
    options: &VerifyOptions,
    output: &Output,
) -> Result<ExitCode> {
    let redactor = Redactor::default();
    let found = ops::verify_tags(request, files, options, &redactor, &output.sources)?;
    let count = |state: TagState| found.iter().filter(|row| row.state == state).count();
    let states = TagState::ALL;
    if output.form == OutputForm::Jsonl {
        let mut counts = serde_json::Map::new();
        for state in states {
            counts.insert(state.name().to_owned(), count(state).into());
        }
        let whole = json!({ "images": found, "counts": counts });
        output.data(&redactor.redact(&format!("{whole}\n")));
    } else {
        let text: String = found.iter().map(|row| line(row, output)).collect();
        output.data(&redactor.redact(&text));
    }
    if found.is_empty() {
        output.note("no digests are recorded: nothing to verify\n");
    }
    let bad = found.len() - count(TagState::Ok);
    if bad == 0 {
        return Ok(ExitCode::Ok);
    }
    let counts: Vec<String> = states
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| format!("{} {}", count(state), state.name()))
        .collect();
    let unknown = found.iter().filter(|row| row.state.is_unknown()).count();
    let mut problem = if unknown == bad {
        let text = format!("{bad} of {} recorded images could not be verified: {}", found.len(), counts.join(", "));
        Diagnostic::new("B0205", Kind::Unreachable, text)
    } else {
        let text = format!("{bad} of {} recorded images are not as recorded: {}", found.len(), counts.join(", "));
        Diagnostic::new("B0081", Kind::Task, text)
    };
    for reason in some(found.iter().filter_map(|row| row.reason.as_ref())) {
        problem = problem.with_note(redactor.redact(reason).into_owned());
    }
    for hint in some(found.iter().filter_map(|row| row.hint.as_ref())) {
        problem = problem.with_hint(redactor.redact(hint).into_owned());
    }
    Err(problem)
}

/// The first different ones, of many that say the same.
fn some<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut kept: Vec<&String> = Vec::new();
    for text in texts {
        if kept.len() < 4 && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

fn line(row: &Verified, output: &Output) -> String {
    let state = format!("{:<11}", row.state.name());
    let state = if row.state == TagState::Ok { state } else { output.paint.bold(&state) };
    let about = match (&row.found, &row.reason) {
        (Some(found), _) => format!("  the tag is {found}"),
        (None, Some(_)) => String::new(),
        (None, None) if row.state == TagState::Moved => "  the tag is gone".to_owned(),
        (None, None) => String::new(),
    };
    format!("{state} {}:{}  {}{about}\n", row.image, row.tag, output.paint.dim(&row.digest))
}
