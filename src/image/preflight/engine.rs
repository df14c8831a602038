//! The engine: there, usable by this user, new enough, with BuildKit, not on a nested overlay.

use std::path::Path;

use super::line::Line;
use super::run::Ask;
use crate::image::capabilities::{Capabilities, Choice, choose};
use crate::system::Probe;
use crate::system::build_host::SocketState;
use crate::system::engine::{BuilderKind, Engine, EngineAnswers, ErrorClass, socket_path};

/// Where `buildah` keeps its images by default.
const BUILDAH_STORE: &str = "/var/lib/containers/storage";

/// The oldest API whose engines have BuildKit.
const BUILDKIT_API: (u32, u32) = (1, 39);

/// An engine that answered, and all that it told.
pub(super) struct Found {
    pub(super) engine: Option<Engine>,
    pub(super) capabilities: Capabilities,
}

/// Looks for the builder. `None` if there is nothing that could build.
pub(super) async fn find(probe: &Probe, ask: &Ask<'_>, lines: &mut Vec<Line>) -> Option<Found> {
    let (by_hand, address, root) = (ask.builder, ask.engine, ask.root);
    if let Choice::Buildah(why) = choose(probe, by_hand, address, root)
        && (why.is_none() || !ask.engine_named)
    {
        return buildah(probe, why, lines);
    }
    let socket = match socket_path(address) {
        Ok(socket) => socket,
        Err(error) => {
            lines.push(Line::fail("B0110", "engine", error.message, "--engine unix:///var/run/docker.sock"));
            return None;
        }
    };
    let place = socket.display();
    let start = "systemctl start docker";
    match probe.socket_state(&socket) {
        SocketState::Missing => {
            lines.push(Line::fail("B0110", "engine", format!("no engine: there is no socket at `{place}`"), start));
            return None;
        }
        SocketState::NoSocket => {
            let found = format!("no engine: `{place}` is no socket");
            lines.push(Line::fail("B0110", "engine", found, "--engine unix:///var/run/docker.sock"));
            return None;
        }
        SocketState::Forbidden => {
            lines.push(forbidden(&place.to_string()));
            return None;
        }
        SocketState::Usable => {}
    }
    let answered = match probe.engine(address).await {
        Ok(engine) => engine.answers(ask.trials).await.map(|answers| (engine, answers)),
        Err(error) => Err(error),
    };
    let (engine, answers) = match answered {
        Ok(found) => found,
        Err(error) if error.message.to_ascii_lowercase().contains("permission denied") => {
            lines.push(forbidden(&place.to_string()));
            return None;
        }
        Err(error) => {
            let fix = if error.class == ErrorClass::Unreachable { start } else { "journalctl -u docker -n 50" };
            lines.push(Line::fail("B0110", "engine", format!("no engine: {error}"), fix));
            return None;
        }
    };
    let api = &answers.api.0;
    lines.push(Line::ok("B0110", "engine", format!("{} at `{place}`, API {api}, {}", answers.version, answers.system)));
    lines.extend(old(&answers));
    lines.push(builder(&answers, by_hand));
    lines.push(overlay(probe, &answers));
    Some(Found { engine: Some(engine), capabilities: Capabilities { engine: Some(answers), buildah: None } })
}

fn forbidden(place: &str) -> Line {
    let found = format!("this user may not use the engine's socket `{place}`");
    Line::fail("B0111", "permission", found, "sudo usermod -aG docker \"$USER\" and log in again, or run with sudo")
}

fn buildah(probe: &Probe, why: Option<String>, lines: &mut Vec<Line>) -> Option<Found> {
    let Some(path) = probe.buildah() else {
        lines.push(Line::fail("B0126", "buildah", "`buildah` is not installed", "apt-get install buildah"));
        return None;
    };
    let why = why.map_or(String::new(), |why| format!(", since {why}"));
    lines.push(Line::ok("B0126", "buildah", format!("`{}` builds{why}", path.display())));
    if probe.file_system(Path::new(BUILDAH_STORE)).is_some_and(|kind| kind == "overlay") {
        let found = format!("`{BUILDAH_STORE}` lies on an overlay: `vfs` is used, which copies every layer whole");
        lines.push(Line::warn(
            "B0112",
            "overlay",
            found,
            format!("start this container with -v images:{BUILDAH_STORE}"),
        ));
    }
    Some(Found { engine: None, capabilities: Capabilities { engine: None, buildah: Some(String::new()) } })
}

fn old(answers: &EngineAnswers) -> Option<Line> {
    let (major, minor) = answers.api.0.split_once('.')?;
    let api: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (api < BUILDKIT_API).then(|| {
        let found = format!("an old engine: its newest API is {}, BuildKit came with 1.39", answers.api.0);
        Line::warn("B0113", "engine", found, "apt-get install docker.io, or Docker's own packages")
    })
}

fn builder(answers: &EngineAnswers, by_hand: Option<BuilderKind>) -> Line {
    let check = "builder";
    if answers.has_buildkit() {
        if by_hand == Some(BuilderKind::Classic) {
            let found = "the classic builder is chosen although the engine has BuildKit";
            return Line::warn("B0114", check, found, "builder: auto");
        }
        let platforms: Vec<&str> = answers.workers.iter().flat_map(|one| &one.platforms).map(String::as_str).collect();
        return Line::ok("B0114", check, format!("BuildKit for {}", platforms.join(", ")));
    }
    let what = match (answers.session, answers.grpc) {
        (true, false) => "BuildKit is off: the engine takes `/session`, but not `/grpc`",
        (false, true) => "BuildKit is off: the engine takes `/grpc`, but not `/session`",
        _ => "no BuildKit: the engine takes neither `/session` nor `/grpc`",
    };
    if by_hand == Some(BuilderKind::BuildKit) {
        return Line::fail(
            "B0114",
            check,
            what,
            "builder: auto, or an engine with BuildKit: apt-get install docker.io",
        );
    }
    let found = format!("{what}; the classic builder is used (no secrets, cache mounts, heredocs)");
    Line::warn("B0114", check, found, "apt-get install docker.io")
}

/// An overlay cannot lie on an overlay: mounts end with "invalid argument".
fn overlay(probe: &Probe, answers: &EngineAnswers) -> Line {
    let check = "overlay";
    let root = answers.root_dir.as_deref().unwrap_or(Path::new("/var/lib/docker"));
    let told = answers.backing.as_deref().is_some_and(|kind| kind.starts_with("overlay"));
    let nested = told || probe.file_system(root).is_some_and(|kind| kind == "overlay");
    let driver = &answers.driver;
    let place = root.display();
    if !nested {
        return Line::ok("B0112", check, format!("driver {driver}, `{place}` does not lie on an overlay"));
    }
    let fix = format!("start this container with -v docker-data:{place}");
    if driver.starts_with("overlay") {
        let found =
            format!("`{place}` lies on an overlay itself: mounts of driver {driver} end with \"invalid argument\"");
        return Line::fail("B0112", check, found, fix);
    }
    let found = format!("`{place}` lies on an overlay, so driver {driver} is used; `vfs` copies every layer whole");
    Line::warn("B0112", check, found, fix)
}
