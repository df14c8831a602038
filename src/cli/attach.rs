//! `hostctl attach`: what goes on of a run on its hosts.

use std::sync::Arc;

use clap::{Args, Parser as _};

use super::output::Output;
use crate::diag::{Diagnostic, ExitCode, Kind, Result, made};
use crate::ops;

/// Come back to the image builds of a run whose controller or connection is gone
///
/// Builds run on their host in a process of their own. This shows all that they tell from the last event seen on; its
/// end is the build's end. `hostctl run ... --resume RUN` then does what the playbook has after the build.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The run; default: the newest with builds whose end was not seen. A part of its id is enough.
    run: Option<String>,
    /// Stop the builds: images being built are ended, finished ones stay.
    #[arg(long)]
    stop: bool,
    /// The project's folder.
    #[arg(long, value_name = "DIR")]
    project: Option<std::path::PathBuf>,
    /// Ask for the login password.
    #[arg(short = 'k', long, visible_alias = "ask-pass")]
    ask_password: bool,
    /// Ask for the password to become another user.
    #[arg(short = 'K', long, visible_alias = "ask-become-pass")]
    ask_become_password: bool,
}

pub(super) fn main(args: &AttachArgs, output: &Output) -> Result<ExitCode> {
    let base = ops::state_base(args.project.as_deref())?;
    let open = |run: &ops::Earlier| ops::works(&run.dir).is_ok_and(|works| works.iter().any(|work| !work.ended));
    let run = ops::find_run(&base, args.run.as_deref(), &open)?;
    let mut works = ops::works(&run.dir)?;
    works.retain(|work| !work.ended);
    if works.is_empty() {
        return Err(Diagnostic::new("R0205", Kind::Usage, format!("run `{}` left nothing that goes on", run.id))
            .with_hint(format!("hostctl log {} shows what it did", run.id)));
    }
    let unknown = || {
        Diagnostic::new("R0205", Kind::Usage, format!("how run `{}` was started is not known", run.id))
            .with_note(format!("its record says `{}`", run.command))
    };
    let words = crate::modules::words(&run.command).ok_or_else(unknown)?;
    let cli = super::Cli::try_parse_from(words).map_err(|_| unknown())?;
    let mut given = match cli.command {
        super::Command::Run(given) => *given,
        super::Command::Image(image) => image.came_from()?.ok_or_else(unknown)?,
        _ => return Err(unknown()),
    };
    given.come_back(args.ask_password, args.ask_become_password);
    let text = ops::play_of(&works, args.stop);
    // Variables beside the playbook count as they did.
    let folder = std::path::Path::new(&run.playbook).parent().unwrap_or(std::path::Path::new(""));
    let name = format!("{} {}>", made::ATTACH, run.id);
    let beside = (folder.join(&name), name, Arc::from(text.as_str()));
    super::run::begin_with(&given, output, |request| {
        request.playbooks = vec![beside.0.clone()];
        request.project.given = Some(beside);
        // What a failure names to go on with.
        request.command = run.again();
        Ok(())
    })
}
