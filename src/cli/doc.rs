//! `hostctl doc` and `hostctl explain`: modules and error codes.

use clap::Args;

use super::output::Output;
use crate::diag::{self, Diagnostic, ExitCode, Kind, Result};
use crate::modules::MODULES;

/// Show the manual of a module, or list all modules
#[derive(Debug, Args)]
pub struct DocArgs {
    /// The module, by short or full name.
    #[arg(add = super::completion::modules())]
    module: Option<String>,
}

/// Explain an error code
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, such as P0203.
    #[arg(add = super::completion::codes())]
    code: String,
}

pub(super) fn main(args: &DocArgs, output: &Output) -> Result<ExitCode> {
    let Some(name) = &args.module else {
        let width = MODULES.iter().map(|entry| entry.meta.name.len()).max().unwrap_or(0) + 2;
        let mut text = String::new();
        for entry in MODULES {
            text.push_str(&format!("{:width$}{}\n", entry.meta.name, entry.meta.summary));
        }
        output.data(&text);
        return Ok(ExitCode::Ok);
    };
    let entry = crate::modules::find(name).ok_or_else(|| {
        Diagnostic::new("C0101", Kind::Usage, format!("there is no module `{name}`"))
            .with_nearest(name, MODULES.iter().map(|entry| entry.meta.name))
            .with_hint("`hostctl doc` lists all modules")
    })?;
    output.data(&crate::modules::reference(entry.spec()));
    Ok(ExitCode::Ok)
}

pub(super) fn explain(args: &ExplainArgs, output: &Output) -> Result<ExitCode> {
    let entry = diag::explain(args.code.trim()).ok_or_else(|| {
        let known: Vec<&str> = diag::CODES.iter().copied().flatten().map(|entry| entry.code).collect();
        Diagnostic::new("C0102", Kind::Usage, format!("there is no error code `{}`", args.code))
            .with_nearest(&args.code.to_uppercase(), known)
            .with_hint("a code stands in brackets in front of each message, such as `P0203`")
    })?;
    output.data(&format!("{}: {}\n\n{}\n", output.paint.bold(entry.code), entry.title, entry.text.trim_end()));
    Ok(ExitCode::Ok)
}
