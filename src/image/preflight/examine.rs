//! What `hostctl image doctor` and `image_doctor` look at, on the machine that they run on.

use std::path::{Path, PathBuf};

use super::line::{Line, Severity};
use super::registry::controllers_clock;
use super::run::{Ask, Mirror, RegistryAsk, run};
use crate::diag::{Diagnostic, Result};
use crate::image::capabilities::Wanted;
use crate::image::def::ImageDef;
use crate::image::discover;
use crate::image::platforms::Platform;
use crate::system::engine::{BuilderKind, DEFAULT_SOCKET, RegistrySettings};
use crate::system::{Probe, TreeKind};

/// What is asked.
#[derive(Debug, Default)]
pub struct Examination {
    /// Address of the engine; `None`: the default one, in whose place `buildah` may build.
    pub engine: Option<String>,
    /// A builder chosen by hand.
    pub builder: Option<BuilderKind>,
    /// Registry that images are pushed to; without a login that of Docker's and Podman's files.
    pub registry: Option<RegistrySettings>,
    /// Tree of Dockerfiles to read too.
    pub tree: Option<PathBuf>,
    /// What the tree is called in messages.
    pub shown: String,
    /// Package mirror that builds use.
    pub mirror: Option<(String, u16)>,
    /// Builds use the host's network.
    pub network_host: bool,
    /// Platforms to build for.
    pub platforms: Vec<Platform>,
    /// The controller's clock and this host's at the same time, in seconds since 1970.
    pub clocks: Option<(i64, i64)>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// One line for each check, in a fixed order.
    pub lines: Vec<Line>,
    /// What the builder can do, in words; empty where nothing can build.
    pub capabilities: Vec<String>,
}

impl Examined {
    /// True if nothing would make builds fail.
    pub fn is_healthy(&self) -> bool {
        self.lines.iter().all(|line| line.severity != Severity::Fail)
    }
}

/// Looks at everything that is asked for. Errors: a tree that cannot be read or has mistakes.
pub async fn examine(probe: &Probe, asked: &Examination) -> Result<Examined> {
    let mut settings = asked.registry.clone();
    // The login that a build would have.
    let mut unread = None;
    if let Some(registry) = settings.as_mut().filter(|registry| registry.login.is_none()) {
        match probe.registry_credentials().and_then(|known| known.login(&registry.host, "")) {
            Ok(login) => registry.login = login,
            Err(error) => {
                let fix = error.hint.unwrap_or_else(|| format!("docker login {}", registry.host));
                unread = Some(Line::fail("B0082", "login", error.message, fix));
            }
        }
    }
    let wanted = Wanted { platforms: asked.platforms.clone(), ..Wanted::default() };
    let images = asked.tree.as_deref().map(|tree| images(probe, tree, &asked.shown)).transpose()?.unwrap_or_default();
    let images: Vec<&ImageDef> = images.iter().collect();
    let registries: Vec<RegistryAsk> = settings.into_iter().map(RegistryAsk::new).collect();
    let mirrors: Vec<Mirror> = asked.mirror.iter().map(|(host, port)| Mirror::new(host, *port, true)).collect();
    let ask = Ask {
        engine_named: asked.engine.is_some(),
        builder: asked.builder,
        registries: &registries,
        images: &images,
        contexts: asked.tree.as_deref(),
        mirrors: &mirrors,
        network_host: asked.network_host,
        ..Ask::new(asked.engine.as_deref().unwrap_or(DEFAULT_SOCKET), &wanted)
    };
    let (mut lines, capabilities) = run(probe, &ask).await;
    lines.extend(unread);
    lines.extend(asked.clocks.and_then(|(controller, own)| controllers_clock(own, controller)));
    Ok(Examined { lines, capabilities: capabilities.map(|found| found.words()).unwrap_or_default() })
}

fn images(probe: &Probe, tree: &Path, shown: &str) -> Result<Vec<ImageDef>> {
    let bad = |error: std::io::Error| Diagnostic::task("B0016", format!("`{shown}` cannot be read: {error}"));
    let items = probe.tree_items(tree).map_err(bad)?;
    let files: Vec<PathBuf> =
        items.into_iter().filter(|item| matches!(item.kind, TreeKind::File(_))).map(|item| item.path).collect();
    let root_name = Path::new(shown).file_name().map_or("image".into(), |name| name.to_string_lossy().into_owned());
    let read = |path: &Path| probe.tree_text(&tree.join(path)).map_err(bad);
    discover::tree(&files, shown, &root_name, &read).map(|(images, _)| images)
}

/// `172.30.0.1:3142`, with or without `http://` before it.
pub fn mirror_place(text: &str) -> Option<(String, u16)> {
    let bare = text.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    let found = bare.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    found.filter(|(host, _)| !host.is_empty() && !host.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_a_host_and_a_port() {
        assert_eq!(mirror_place("http://172.30.0.1:3142/"), Some(("172.30.0.1".into(), 3142)));
        for text in ["172.30.0.1", ":80", "http://a/b:80", "a:b", ""] {
            assert_eq!(mirror_place(text), None, "{text}");
        }
    }

    /// `buildah` may stand in for an engine that nobody named, never for one that was.
    #[tokio::test]
    async fn an_engine_that_is_named_must_be_there() {
        let asked = Examination { engine: Some("unix:///nonexistent/docker.sock".into()), ..Examination::default() };
        let found = examine(&Probe::new(Vec::new()), &asked).await.unwrap();
        assert_eq!((found.lines[0].code, found.lines[0].severity), ("B0110", Severity::Fail), "{:?}", found.lines);
        assert!(!found.is_healthy() && found.capabilities.is_empty());
    }
}
