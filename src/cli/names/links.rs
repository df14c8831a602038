//! `hostctl install-links`: links under the names of Ansible's programs.

use std::path::PathBuf;

use clap::Args;

use super::super::output::Output;
use super::Program;
use crate::diag::{Diagnostic, ExitCode, Result};

/// Make links named as Ansible's programs, under which hostctl answers as they do
#[derive(Debug, Args)]
pub(in crate::cli) struct InstallLinksArgs {
    /// The folder, made if it is missing.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
    /// Replace files of these names.
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn install(args: &InstallLinksArgs, output: &Output) -> Result<ExitCode> {
    let wrong = |text: String| Diagnostic::local("C0114", text);
    let program = std::env::current_exe().map_err(|error| wrong(format!("hostctl cannot find itself: {error}")))?;
    std::fs::create_dir_all(&args.dir)
        .map_err(|error| wrong(format!("`{}` cannot be made: {error}", args.dir.display())))?;
    for name in Program::ALL.map(Program::name) {
        let path = args.dir.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(_) if std::fs::read_link(&path).is_ok_and(|target| target == program) => {
                output.data(&format!("{} is there\n", path.display()));
                continue;
            }
            Ok(meta) if args.force && !meta.is_dir() => std::fs::remove_file(&path)
                .map_err(|error| wrong(format!("`{}` cannot be replaced: {error}", path.display())))?,
            Ok(_) => {
                return Err(wrong(format!("`{}` is there and no link to hostctl", path.display()))
                    .with_hint("`--force` replaces it, or name another folder"));
            }
            Err(_) => {}
        }
        std::os::unix::fs::symlink(&program, &path)
            .map_err(|error| wrong(format!("`{}` cannot be made: {error}", path.display())))?;
        output.data(&format!("{} -> {}\n", path.display(), program.display()));
    }
    let known = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|dir| std::path::absolute(&dir).ok() == std::path::absolute(&args.dir).ok())
    });
    if !known {
        output.note(&format!("hint: put it on the PATH: export PATH={}:$PATH\n", args.dir.display()));
    }
    Ok(ExitCode::Ok)
}
