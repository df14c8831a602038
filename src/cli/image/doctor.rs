//! `hostctl image doctor`: what may stop or spoil builds on a machine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use super::ask::{ask, texts};
use super::play::{Play, Text};
use super::target::TargetArgs;
use crate::cli::output::{Output, OutputForm};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::event::Done;
use crate::image::platforms::Platform;
use crate::image::preflight::{Examination, Line, Severity, examine, mirror_place};
use crate::system::Probe;
use crate::system::engine::{BuilderKind, RegistrySettings};
use crate::value::StrKey;

/// Look for what stops or spoils image builds: one line each, with what to type
///
/// Without `--host` and `--env` on this machine. Exit code 1 if something would make builds fail.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Address of the engine; default: `DOCKER_HOST` or `unix:///var/run/docker.sock` there.
    #[arg(long, value_name = "ADDRESS")]
    engine: Option<String>,
    /// The builder that is to be used; chosen by what is there unless given.
    #[arg(long, value_name = "NAME")]
    builder: Option<BuilderName>,
    /// Registry that images are pushed to.
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
    /// File with the registry's CA, besides those of the host.
    #[arg(long, value_name = "FILE", requires = "registry")]
    registry_ca: Option<PathBuf>,
    /// The registry may be asked over plain HTTP although it is not on loopback.
    #[arg(long, requires = "registry")]
    insecure: bool,
    /// Tree of Dockerfiles to read too.
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The tree lies on the host; default: it is sent from here.
    #[arg(long, requires = "tree")]
    remote_src: bool,
    /// Package mirror that builds use.
    #[arg(long, value_name = "HOST:PORT", value_parser = place)]
    mirror: Option<(String, u16)>,
    /// Builds use the host's network.
    #[arg(long)]
    network_host: bool,
    /// Platforms to build for, such as linux/arm64; may be given several times.
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<Platform>,
    /// What the builder can do, after the checks.
    #[arg(long)]
    capabilities: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BuilderName {
    Buildkit,
    Classic,
    Buildah,
}

impl From<BuilderName> for BuilderKind {
    fn from(name: BuilderName) -> Self {
        match name {
            BuilderName::Buildkit => Self::BuildKit,
            BuilderName::Classic => Self::Classic,
            BuilderName::Buildah => Self::Buildah,
        }
    }
}

fn place(text: &str) -> std::result::Result<(String, u16), String> {
    mirror_place(text).ok_or_else(|| "expected HOST:PORT".to_owned())
}

pub(super) fn main(args: &DoctorArgs, output: &Output) -> Result<ExitCode> {
    if !args.target.shares_files() {
        return args.on_hosts(output);
    }
    let probe = Probe::new(Vec::new());
    let named = args.engine.clone().or_else(|| std::env::var("DOCKER_HOST").ok());
    let asked = Examination {
        engine: named.filter(|address| !address.is_empty()),
        builder: args.builder.map(BuilderKind::from),
        registry: args.registry.as_ref().map(|host| RegistrySettings {
            host: host.clone(),
            ca_file: args.registry_ca.clone(),
            insecure: args.insecure,
            login: None,
        }),
        tree: args.tree.clone(),
        shown: args.tree.as_ref().map_or_else(String::new, |tree| tree.display().to_string()),
        mirror: args.mirror.clone(),
        network_host: args.network_host,
        platforms: args.platform.clone(),
        // It is its own controller.
        clocks: None,
    };
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Diagnostic::internal(format!("no runtime for the checks: {error}")))?;
    let found = runtime.block_on(examine(&probe, &asked))?;
    let mut text: String = found.lines.iter().map(|line| shown(line, output)).collect();
    if args.capabilities && output.form != OutputForm::Jsonl {
        text.extend(found.capabilities.iter().map(|word| format!("      {word}\n")));
    }
    output.data(&text);
    Ok(if found.is_healthy() { ExitCode::Ok } else { ExitCode::Error })
}

fn shown(line: &Line, output: &Output) -> String {
    if output.form == OutputForm::Jsonl {
        let object = json!({
            "severity": line.severity.name(), "check": line.check, "code": line.code,
            "found": line.found, "fix": line.fix,
        });
        return format!("{object}\n");
    }
    format!("{}\n", line.text())
}

impl DoctorArgs {
    /// The same by a task on hosts.
    fn on_hosts(&self, output: &Output) -> Result<ExitCode> {
        let path = self.tree.as_deref().map(|tree| self.target.source(tree, self.remote_src)).transpose()?;
        let mut task = json!({
            "docker_host": self.engine, "registry": self.registry, "registry_ca": self.registry_ca,
            "mirror": self.mirror.as_ref().map(|(host, port)| format!("{host}:{port}")),
            "platforms": self.platform.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "builder": self.builder.map(|name| BuilderKind::from(name).name()),
            "path": path,
        });
        for (name, given) in [("registry_insecure", self.insecure), ("remote_src", self.remote_src)] {
            task[name] = given.then_some(true).into();
        }
        task["network"] = self.network_host.then_some("host").into();
        let mut play = Play::new(self.target.play()?);
        play.task("image doctor", "hostctl.core.image_doctor", Text::of_given(&task), None);
        let given = play.given("image doctor", &super::here()?);
        let checks = |done: &Done| done.result.get(&StrKey("checks")).is_some();
        let asked = ask(&self.target, given, output, checks)?;
        asked.show(
            output,
            |found| found["checks"].as_array().cloned().unwrap_or_default(),
            |found| {
                let words = texts(found, "capabilities").into_iter().filter(|_| self.capabilities);
                texts(found, "lines").into_iter().chain(words.map(|word| format!("      {word}"))).collect()
            },
        );
        let failed = |check: &Json| check["severity"] == Severity::Fail.name();
        let ill =
            asked.answers.iter().any(|one| one.found()["checks"].as_array().is_some_and(|all| all.iter().any(failed)));
        // One that gave no answer is worse than an ill one.
        Ok(if asked.code == ExitCode::Ok && ill { ExitCode::Error } else { asked.code })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        doctor: DoctorArgs,
    }

    fn parsed(words: &str) -> std::result::Result<DoctorArgs, clap::Error> {
        Program::try_parse_from(std::iter::once("doctor").chain(words.split_whitespace())).map(|program| program.doctor)
    }

    #[test]
    fn mistakes_in_arguments_are_told_before_any_host_is_asked() {
        let output = Output::plain();
        let error = main(&parsed("--host a,b").unwrap(), &output).unwrap_err();
        assert_eq!((error.code.as_ref(), error.hints.len()), ("B0170", 1));
        let error = main(&parsed("--host b1:0 --tree .").unwrap(), &output).unwrap_err();
        assert_eq!(error.hints, ["--host builder@build1.example.org:22"]);
        for (words, named) in [
            ("--host b1 --limit b2", "--limit"),
            ("--remote-src", "--tree"),
            ("--insecure", "--registry"),
            ("--host b1 --become-user root", "--become"),
            ("--mirror 172.30.0.1", "expected HOST:PORT"),
        ] {
            let error = parsed(words).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(named), "{words}: {error}");
        }
    }
}
