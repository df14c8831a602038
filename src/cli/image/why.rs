//! `hostctl image why`: the first input that differs from the last recorded build.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::ask::{ask, texts};
use super::play::{Play, Text};
use super::target::TargetArgs;
use crate::cli::output::{Output, OutputForm};
use crate::diag::{ExitCode, Result};
use crate::image::record::Store;
use crate::image::why::{WhyAnswer, why};
use crate::system::Probe;

/// Name the first input of an image that differs from its last recorded build
///
/// Reads the files of the image and of its parents as they are now, with the arguments of the last run, and compares
/// them with the record of this machine, or of the hosts of `--host` and `--env`. Neither engine nor registry is asked: base images
/// count as they were then.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The image's name without registry and tag.
    name: String,
    /// The image tree, where it is not where the last run had it. For a host that is another machine a tree that is sent
    /// to it must be named.
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The tree lies on the host; default: it is sent from here.
    #[arg(long, requires = "tree")]
    remote_src: bool,
    /// The folder of the record; default: `/var/lib/hostctl/images` for root, else `hostctl/images` in
    /// `$XDG_STATE_HOME` or `~/.local/state`.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn main(args: &WhyArgs, output: &Output) -> Result<ExitCode> {
    if !args.target.shares_files() {
        return args.on_hosts(output);
    }
    let probe = Probe::new(Vec::new());
    let store = match &args.state_dir {
        Some(folder) => Store::new(folder.clone()),
        None => Store::of_user(&probe)?,
    };
    let now = jiff::Timestamp::now().as_second();
    let (answer, warnings) = why(&probe, &store, &args.name, args.tree.as_deref(), now)?;
    output.show(&warnings);
    match output.form {
        OutputForm::Jsonl => output.data(&format!("{}\n", answer.to_json())),
        OutputForm::Human | OutputForm::Ansible => output.data(&answer.text(now)),
    }
    Ok(ExitCode::Ok)
}

impl WhyArgs {
    /// The same by a task on hosts.
    fn on_hosts(&self, output: &Output) -> Result<ExitCode> {
        let path = self.tree.as_deref().map(|tree| self.target.source(tree, self.remote_src)).transpose()?;
        let mut task = json!({ "name": self.name, "path": path, "state_dir": self.state_dir });
        task["remote_src"] = self.remote_src.then_some(true).into();
        let mut play = Play::new(self.target.play()?);
        play.task("image why", "hostctl.core.image_why", Text::of_given(&task), None);
        let given = play.given("image why", &super::here()?);
        let asked = ask(&self.target, given, output, |_| false)?;
        let object = |found: &mut Json| {
            if let Some(found) = found.as_object_mut() {
                found.retain(|name, _| WhyAnswer::KEYS.contains(&name.as_str()));
            }
            vec![found.take()]
        };
        asked.show(output, object, |found| texts(found, "lines"));
        Ok(asked.code)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        why: WhyArgs,
    }

    fn parsed(words: &str) -> std::result::Result<WhyArgs, clap::Error> {
        Program::try_parse_from(std::iter::once("why").chain(words.split_whitespace())).map(|program| program.why)
    }

    #[test]
    fn mistakes_in_arguments_are_told_before_any_host_is_asked() {
        let error = main(&parsed("web --host a,b").unwrap(), &Output::plain()).unwrap_err();
        assert_eq!((error.code.as_ref(), error.hints.len()), ("B0170", 1));
        for (words, named) in [
            ("", "NAME"),
            ("web --remote-src", "--tree"),
            ("web --host b1 --limit b2", "--limit"),
            ("web --become-user u", "--become"),
        ] {
            let error = parsed(words).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(named), "{words}: {error}");
        }
        let empty = tempfile::tempdir().unwrap();
        let here = format!("web --env= --state-dir {}", empty.path().display());
        let error = main(&parsed(&here).unwrap(), &Output::plain()).unwrap_err();
        assert_eq!((error.code.as_ref(), error.hints.len()), ("B0075", 1));
    }
}
