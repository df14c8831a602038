//! What the builder of a run can do, from its own answers, and what of a run it cannot: told before
//! anything is built, each with the place and what to do instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::def::ImageDef;
use super::dockerfile::Instruction;
use super::platforms::Platform;
use crate::diag::{Diagnostic, Result};
use crate::system::Probe;
use crate::system::build_host::SocketState;
use crate::system::engine::{BuilderKind, CacheTo, EngineAnswers, Trials, socket_path};

/// Who builds, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The engine, by BuildKit where it has it.
    Engine,
    /// `buildah`; the reason where it was not chosen by hand.
    Buildah(Option<String>),
}

/// What a run asks of its builder.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Ids of build secrets.
    pub secrets: Vec<String>,
    /// Sockets of ssh agents by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Where the cache goes.
    pub cache_to: Vec<CacheTo>,
    /// Platforms; the builder's own if empty.
    pub platforms: Vec<Platform>,
    /// All layers as one: always refused.
    pub squash: bool,
}

/// A builder and what it answered.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    /// The engine's answers; `None` for `buildah`.
    pub engine: Option<EngineAnswers>,
    /// The version of `buildah`, where it is used.
    pub buildah: Option<String>,
}

/// Who builds: by hand, or the engine; `buildah` if this host is itself a container without an engine.
/// `root` is `/`.
pub fn choose(probe: &Probe, by_hand: Option<BuilderKind>, address: &str, root: &Path) -> Choice {
    match by_hand {
        Some(BuilderKind::Buildah) => return Choice::Buildah(None),
        Some(_) => return Choice::Engine,
        None => {}
    }
    let Ok(socket) = socket_path(address) else { return Choice::Engine };
    if probe.socket_state(&socket) != SocketState::Missing || probe.buildah().is_none() {
        return Choice::Engine;
    }
    match probe.container_sign(root) {
        Some(sign) => Choice::Buildah(Some(format!(
            "this host is itself a container ({sign}) and has no engine at `{}`",
            socket.display()
        ))),
        None => Choice::Engine,
    }
}

/// The socket of the user's ssh agent, by `SSH_AUTH_SOCK` or as given; it must answer. Key files are not
/// read: `ssh-add` gives them to the agent.
pub fn ssh_agent(probe: &Probe, given: Option<&Path>) -> Result<PathBuf> {
    let named = given
        .map(Path::to_path_buf)
        .or_else(|| probe.variable("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from));
    let Some(socket) = named else {
        return Err(Diagnostic::task("B0109", "there is no ssh agent here: `SSH_AUTH_SOCK` is not set")
            .with_note("builds get keys by an agent's socket only, never as files")
            .with_hint("eval \"$(ssh-agent)\" && ssh-add"));
    };
    if !probe.socket_answers(&socket) {
        return Err(Diagnostic::task("B0109", format!("no ssh agent answers at `{}`", socket.display()))
            .with_hint("eval \"$(ssh-agent)\" && ssh-add"));
    }
    Ok(socket)
}

impl Capabilities {
    /// Which builder this is.
    pub fn kind(&self) -> BuilderKind {
        match &self.engine {
            None => BuilderKind::Buildah,
            Some(answers) if answers.has_buildkit() => BuilderKind::BuildKit,
            Some(_) => BuilderKind::Classic,
        }
    }

    /// What it can, for people: one fact a line.
    pub fn words(&self) -> Vec<String> {
        let Some(answers) = &self.engine else {
            let version = self.buildah.as_deref().unwrap_or("of an unknown version");
            return vec![format!(
                "buildah {version}, isolation chroot: secrets, ssh, cache mounts, cache to a registry"
            )];
        };
        let told = |can: Option<bool>| match can {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not told",
        };
        let listed = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        let mut lines =
            vec![format!("engine {}, API {} to {}, {}", answers.version, answers.api.1, answers.api.0, answers.system)];
        lines.push(if answers.has_buildkit() {
            let version = answers.buildkit.as_ref().map_or(String::new(), |version| format!(" {version}"));
            format!(
                "BuildKit{version}: secrets, ssh, cache mounts; cache to inline {}, to a registry {}; heredocs {}",
                told(answers.cache.inline),
                told(answers.cache.registry),
                told(answers.frontend.heredoc)
            )
        } else {
            "classic builder only: no secrets, ssh, cache mounts, heredocs".to_owned()
        });
        for worker in &answers.workers {
            lines.push(format!("worker for {}", listed(&worker.platforms)));
        }
        let backing = answers.backing.as_ref().map_or(String::new(), |backing| format!(" on {backing}"));
        lines.push(format!(
            "driver {}{backing}, data in {}",
            answers.driver,
            answers.root_dir.as_ref().map_or("?".into(), |dir| dir.display().to_string())
        ));
        let rootless = if answers.rootless() { ", without root" } else { "" };
        lines.push(format!(
            "security {}{rootless}; cgroup {} by {}",
            listed(&answers.security),
            answers.cgroup.1,
            answers.cgroup.0
        ));
        lines.push(format!("mirrors {}; insecure {}", listed(&answers.mirrors), listed(&answers.insecure)));
        lines
    }

    /// What of a run this builder (or `kind`, chosen by hand) cannot do, all together: code and text.
    pub fn cannot(&self, kind: BuilderKind, wanted: &Wanted, images: &[&ImageDef]) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if wanted.squash {
            found.push(("B0108", SQUASH.to_owned()));
        }
        for to in &wanted.cache_to {
            let missing = match (kind, to) {
                (BuilderKind::Classic, _) => true,
                (BuilderKind::Buildah, CacheTo::Inline) => true,
                (BuilderKind::BuildKit, CacheTo::Registry { .. }) => self.cache().registry == Some(false),
                (BuilderKind::BuildKit, CacheTo::Inline) => self.cache().inline == Some(false),
                (BuilderKind::Buildah, CacheTo::Registry { .. }) => false,
            };
            if missing {
                let instead = match (kind, to) {
                    (BuilderKind::BuildKit, CacheTo::Registry { .. }) => "use `cache_to: inline`",
                    (BuilderKind::Buildah, _) => "name a registry in `cache_to`",
                    _ => "leave `cache_to` out",
                };
                let text =
                    format!("the builder `{}` cannot write its cache to `{}`: {instead}", kind.name(), to.kind());
                found.push(("B0106", text));
            }
        }
        match kind {
            BuilderKind::Classic => found.extend(self.classic(wanted, images).map(|text| ("B0105", text))),
            BuilderKind::BuildKit => {
                let unread = self.engine.as_ref().is_some_and(|answers| answers.frontend.heredoc == Some(false));
                let unread = images.iter().filter(|image| unread && image.dockerfile.syntax.is_none());
                found.extend(unread.filter_map(|image| {
                    let place = image.place(first(image, has_heredoc)?);
                    let text = format!(
                        "{place}: this engine's own Dockerfile frontend does not read heredocs; write \
                         `# syntax=docker/dockerfile:1` in the file's first line"
                    );
                    Some(("B0105", text))
                }));
            }
            BuilderKind::Buildah => {}
        }
        found
    }

    fn cache(&self) -> crate::system::engine::CacheSupport {
        self.engine.as_ref().map(|answers| answers.cache).unwrap_or_default()
    }

    fn classic<'a>(&'a self, wanted: &'a Wanted, images: &'a [&ImageDef]) -> impl Iterator<Item = String> + 'a {
        let secrets = wanted.secrets.iter().map(|id| format!("the build secret `{id}` {NEEDS}"));
        let agents = wanted.ssh.keys().map(|id| format!("the ssh agent `{id}` {NEEDS}"));
        let own: Option<Platform> = self.engine.as_ref().and_then(|answers| answers.system.parse().ok());
        let foreign = wanted.platforms.iter().filter(move |one| own.as_ref().is_some_and(|own| own != *one));
        let foreign = foreign.map(|one| format!("the platform `{one}`, which is not the engine's own, {NEEDS}"));
        let lines = images.iter().flat_map(|image| {
            image.dockerfile.instructions.iter().filter_map(|instruction| {
                let what = needs_buildkit(instruction)?;
                Some(format!("{}: {what} {NEEDS}", image.place(instruction.line)))
            })
        });
        secrets.chain(agents).chain(foreign).chain(lines)
    }
}

const NEEDS: &str = "needs BuildKit, which is not used here";

/// Why `squash` is refused, with what does the same better.
pub const SQUASH: &str = "`squash` is refused: BuildKit has none, and one layer loses the history and the sharing of \
                          layers between images; copy the result into a second stage (`FROM base`, `COPY --from=build`)";

/// The error for `squash`.
pub fn squash_refused() -> Diagnostic {
    Diagnostic::task("B0108", SQUASH)
}

/// One error for all that a builder cannot do.
pub fn refusal(problems: Vec<(&'static str, String)>) -> Option<Diagnostic> {
    let (code, first) = problems.first().cloned()?;
    if problems.len() == 1 {
        return Some(Diagnostic::task(code, first));
    }
    let message = format!("{} things of this run cannot be done by its builder", problems.len());
    let notes = problems.into_iter().map(|(_, text)| text);
    Some(notes.fold(Diagnostic::task(code, message), Diagnostic::with_note))
}

fn first(image: &ImageDef, wanted: fn(&Instruction) -> bool) -> Option<usize> {
    image.dockerfile.instructions.iter().find(|one| wanted(one)).map(|one| one.line)
}

/// What has to be tried out before these images are built.
pub fn trials(wanted: &Wanted, images: &[&ImageDef]) -> Trials {
    let heredoc = images.iter().any(|image| first(image, has_heredoc).is_some());
    Trials { cache: !wanted.cache_to.is_empty(), heredoc }
}

/// Lines that follow belong to it.
fn has_heredoc(instruction: &Instruction) -> bool {
    matches!(instruction.keyword.as_str(), "RUN" | "COPY" | "ADD")
        && instruction.text.contains("<<")
        && !instruction.text.contains("<<<")
        && instruction.end_line > instruction.line
}

/// What of an instruction the classic builder does not know.
fn needs_buildkit(instruction: &Instruction) -> Option<String> {
    let flags = instruction.arguments().split_whitespace().take_while(|word| word.starts_with("--"));
    for flag in flags {
        let name = flag.split('=').next().unwrap_or(flag);
        let known: &[&str] = match instruction.keyword.as_str() {
            "RUN" => &[],
            "COPY" => &["--from", "--chown"],
            "ADD" => &["--chown"],
            _ => return None,
        };
        if !known.contains(&name) {
            return Some(format!("`{} {flag}`", instruction.keyword));
        }
    }
    has_heredoc(instruction).then(|| "a heredoc".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::graph::tests::image;
    use crate::system::engine::{CacheSupport, Frontend, Worker};

    fn classic() -> Capabilities {
        let answers = EngineAnswers { system: "linux/x86_64".into(), ..EngineAnswers::default() };
        Capabilities { engine: Some(answers), buildah: None }
    }

    fn buildkit(cache: CacheSupport, frontend: Frontend) -> Capabilities {
        let answers = EngineAnswers { session: true, grpc: true, cache, frontend, ..EngineAnswers::default() };
        Capabilities { engine: Some(answers), buildah: None }
    }

    #[test]
    fn the_classic_builder_refuses_all_that_it_would_leave_out() {
        let text = "FROM a\nRUN --mount=type=cache,target=/c x\nCOPY --link a b\nRUN <<E\nls\nE\nCOPY --from=a --chown=1 x y\nRUN cat <<< w\n";
        let image = image("web", text);
        let wanted = Wanted {
            secrets: vec!["token".into()],
            ssh: BTreeMap::from([("default".into(), "/a".into())]),
            cache_to: vec![CacheTo::Inline],
            platforms: vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()],
            squash: false,
        };
        assert_eq!(classic().kind(), BuilderKind::Classic);
        let found = classic().cannot(BuilderKind::Classic, &wanted, &[&image]);
        let all = found.iter().map(|(code, text)| format!("{code} {text}")).collect::<Vec<_>>().join("\n");
        assert_eq!(found.len(), 7, "{all}");
        for part in [
            "B0106 the builder `classic` cannot write its cache to `inline`",
            "the build secret `token`",
            "the ssh agent `default`",
            "the platform `linux/arm64`",
            ":2: RUN --mount=type=cache,target=/c x: `RUN --mount=type=cache,target=/c`",
            ":3: COPY --link a b: `COPY --link`",
            ":4: RUN <<E: a heredoc",
        ] {
            assert!(all.contains(part), "no `{part}` in\n{all}");
        }
        let error = refusal(found).unwrap();
        assert_eq!(error.notes.len(), 7);
        assert!(classic().cannot(BuilderKind::Classic, &Wanted::default(), &[]).is_empty());
    }

    #[test]
    fn caches_and_heredocs_go_by_the_engines_own_answers() {
        let registry =
            Wanted { cache_to: vec![CacheTo::Registry { name: "r/c".into(), all_stages: true }], ..Wanted::default() };
        let can = |told| buildkit(CacheSupport { inline: Some(true), registry: told }, Frontend::default());
        let cannot = |told| can(told).cannot(BuilderKind::BuildKit, &registry, &[]);
        assert_eq!(cannot(Some(false))[0].0, "B0106");
        assert!(cannot(Some(false))[0].1.ends_with("use `cache_to: inline`"));
        assert!(cannot(Some(true)).is_empty() && cannot(None).is_empty());
        let heredoc = |told, text: &str| {
            let capabilities = buildkit(CacheSupport::default(), Frontend { heredoc: told });
            capabilities.cannot(BuilderKind::BuildKit, &Wanted::default(), &[&image("web", text)]).len()
        };
        assert_eq!(heredoc(Some(false), "FROM a\nRUN <<E\nls\nE\n"), 1);
        assert_eq!(heredoc(Some(true), "FROM a\nRUN <<E\nls\nE\n"), 0);
        assert_eq!(heredoc(Some(false), "# syntax=docker/dockerfile:1\nFROM a\nRUN <<E\nls\nE\n"), 0);
    }

    #[test]
    fn only_what_a_run_needs_is_tried() {
        let tried = |wanted: &Wanted, text: &str| {
            let tried = trials(wanted, &[&image("web", text)]);
            (tried.cache, tried.heredoc)
        };
        let inline = Wanted { cache_to: vec![CacheTo::Inline], ..Wanted::default() };
        assert_eq!(tried(&Wanted::default(), "FROM a\nRUN ls\n"), (false, false));
        assert_eq!(tried(&inline, "FROM a\nRUN ls\n"), (true, false));
        assert_eq!(tried(&Wanted::default(), "FROM a\nRUN <<E\nls\nE\n"), (false, true));
    }

    #[test]
    fn squash_is_refused_with_the_reason_by_every_builder() {
        let wanted = Wanted { squash: true, ..Wanted::default() };
        for kind in [BuilderKind::BuildKit, BuilderKind::Classic, BuilderKind::Buildah] {
            let found = classic().cannot(kind, &wanted, &[]);
            assert_eq!(found[0].0, "B0108");
            assert!(found[0].1.contains("second stage"), "{found:?}");
        }
        assert_eq!(squash_refused().code, "B0108");
    }

    #[test]
    fn answers_are_told_in_words() {
        let mut capabilities =
            buildkit(CacheSupport { inline: Some(true), registry: Some(false) }, Frontend { heredoc: None });
        if let Some(answers) = &mut capabilities.engine {
            answers.workers = vec![Worker { platforms: vec!["linux/amd64".into()], labels: BTreeMap::new() }];
            answers.security = vec!["rootless".into()];
        }
        let text = capabilities.words().join("\n");
        for part in ["inline yes, to a registry no; heredocs not told", "worker for linux/amd64", "without root"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn a_container_without_an_engine_builds_with_buildah() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("buildah"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(root.path().join("buildah"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let probe = Probe::new(vec![("PATH".into(), root.path().display().to_string())]);
        let address = format!("unix://{}/none.sock", root.path().display());
        assert_eq!(choose(&probe, None, &address, root.path()), Choice::Engine);
        std::fs::write(root.path().join(".dockerenv"), "").unwrap();
        let Choice::Buildah(Some(why)) = choose(&probe, None, &address, root.path()) else { panic!("buildah") };
        assert!(why.contains("/.dockerenv"), "{why}");
        assert_eq!(choose(&probe, Some(BuilderKind::BuildKit), &address, root.path()), Choice::Engine);
        let _listener = std::os::unix::net::UnixListener::bind(root.path().join("none.sock")).unwrap();
        assert_eq!(choose(&probe, None, &address, root.path()), Choice::Engine);
        assert_eq!(choose(&probe, Some(BuilderKind::Buildah), &address, root.path()), Choice::Buildah(None));
    }

    #[test]
    fn the_agents_socket_must_answer() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let probe = |value: &str| Probe::new(vec![("SSH_AUTH_SOCK".into(), value.to_owned())]);
        assert_eq!(ssh_agent(&probe(""), None).unwrap_err().code, "B0109");
        assert_eq!(ssh_agent(&probe("/no/agent"), None).unwrap_err().code, "B0109");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(ssh_agent(&probe(&socket.display().to_string()), None).unwrap(), socket);
        assert_eq!(ssh_agent(&probe(""), Some(&socket)).unwrap(), socket);
    }
}
