//! `hostctl image doctor`: what may stop or spoil builds on this machine.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::output::{Output, OutputForm};
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::image::capabilities::Wanted;
use crate::image::platforms::Platform;
use crate::image::preflight::{self, Ask, Line, Mirror, RegistryAsk, Severity};
use crate::image::{ImageDef, discover};
use crate::system::engine::{BuilderKind, DEFAULT_SOCKET, RegistrySettings};
use crate::system::{Probe, TreeKind};

/// Look for what stops or spoils image builds here: one line each, with what to type
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Address of the engine.
    #[arg(long, value_name = "ADDRESS", env = "DOCKER_HOST", default_value = DEFAULT_SOCKET)]
    engine: String,
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
    /// Package mirror that builds use.
    #[arg(long, value_name = "HOST:PORT", value_parser = mirror_place)]
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
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BuilderName {
    Buildkit,
    Classic,
    Buildah,
}

pub(super) fn main(args: &DoctorArgs, output: &Output) -> Result<ExitCode> {
    let probe = Probe::new(Vec::new());
    // The login that a build would have.
    let mut unread = None;
    let settings = args.registry.as_ref().map(|host| RegistrySettings {
        host: host.clone(),
        ca_file: args.registry_ca.clone(),
        insecure: args.insecure,
        login: match probe.registry_credentials().and_then(|known| known.login(host, "")) {
            Ok(login) => login,
            Err(error) => {
                let fix = error.hint.unwrap_or_else(|| format!("docker login {host}"));
                unread = Some(Line::fail("B0082", "login", error.message, fix));
                None
            }
        },
    });
    let wanted = Wanted { platforms: args.platform.clone(), ..Wanted::default() };
    let images = args.tree.as_deref().map(|tree| images(&probe, tree)).transpose()?.unwrap_or_default();
    let images: Vec<&ImageDef> = images.iter().collect();
    let builder = args.builder.map(|name| match name {
        BuilderName::Buildkit => BuilderKind::BuildKit,
        BuilderName::Classic => BuilderKind::Classic,
        BuilderName::Buildah => BuilderKind::Buildah,
    });
    let registries: Vec<RegistryAsk> = settings.into_iter().map(RegistryAsk::new).collect();
    let mirrors: Vec<Mirror> = args.mirror.iter().map(|(host, port)| Mirror::new(host, *port, true)).collect();
    let ask = Ask {
        builder,
        registries: &registries,
        images: &images,
        contexts: args.tree.as_deref(),
        mirrors: &mirrors,
        network_host: args.network_host,
        ..Ask::new(&args.engine, &wanted)
    };
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Diagnostic::internal(format!("no runtime for the checks: {error}")))?;
    let (mut lines, capabilities) = runtime.block_on(preflight::run(&probe, &ask));
    lines.extend(unread);
    let mut text: String = lines.iter().map(|line| shown(line, output)).collect();
    if let Some(capabilities) = capabilities.filter(|_| args.capabilities && output.form != OutputForm::Jsonl) {
        text.extend(capabilities.words().into_iter().map(|word| format!("      {word}\n")));
    }
    output.data(&text);
    let failed = lines.iter().any(|line| line.severity == Severity::Fail);
    Ok(if failed { ExitCode::Error } else { ExitCode::Ok })
}

fn shown(line: &Line, output: &Output) -> String {
    if output.form == OutputForm::Jsonl {
        let object = serde_json::json!({
            "severity": line.severity.name(), "check": line.check, "code": line.code,
            "found": line.found, "fix": line.fix,
        });
        return format!("{object}\n");
    }
    format!("{}\n", line.text())
}

/// `172.30.0.1:3142`, with or without `http://` before it.
fn mirror_place(text: &str) -> std::result::Result<(String, u16), String> {
    let bare = text.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    let found = bare.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    let found = found.filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    found.ok_or_else(|| "expected HOST:PORT".to_owned())
}

fn images(probe: &Probe, tree: &Path) -> Result<Vec<ImageDef>> {
    let bad =
        |error: std::io::Error| Diagnostic::task("B0016", format!("`{}` cannot be read: {error}", tree.display()));
    let items = probe.tree_items(tree).map_err(bad)?;
    let files: Vec<PathBuf> =
        items.into_iter().filter(|item| matches!(item.kind, TreeKind::File(_))).map(|item| item.path).collect();
    let root_name = tree.file_name().map_or("image".into(), |name| name.to_string_lossy().into_owned());
    let read = |path: &Path| probe.tree_text(&tree.join(path)).map_err(bad);
    discover::tree(&files, &tree.display().to_string(), &root_name, &read).map(|(images, _)| images)
}
