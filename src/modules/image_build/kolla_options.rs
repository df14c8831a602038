//! Options of `kolla-build` that say how it runs: which have an argument of `image_build`, and what is told of the others.

use super::{Args, BuilderArg, Network};
use crate::image::kolla::Tree;
use crate::modules::HostPath;
use crate::value::{Key, Value, python_str};

/// Options that are not followed: name, the value that asks for nothing, and what to do instead.
const NOT_FOLLOWED: &[(&str, &str, &str)] = &[
    ("push", "False", "write `push: true` into the task (`hostctl image build --push`)"),
    ("engine", "docker", "`docker_host` names the engine's socket (`--engine`), `builder: buildah` builds without one"),
    ("podman_base_url", "unix:///run/podman/podman.sock", "`docker_host` names the engine's socket (`--engine`)"),
    ("keep", "False", "failed containers are not kept; the log has the failing instruction"),
    ("debug", "False", "the log of each image is whole"),
    ("quiet", "False", "`--output plain` has one line for each event"),
    ("summary", "True", "a run always ends with its summary"),
    ("list_dependencies", "False", "`hostctl image graph --kolla DIR --output json`"),
    ("list_images", "False", "`hostctl image graph --kolla DIR`"),
    ("template_only", "False", "`hostctl image render kolla --source DIR --output OUT`"),
    ("work_dir", "", "contexts are laid out in a private folder; `hostctl image render kolla` writes them"),
    ("squash_cleanup", "True", "images are not squashed"),
    ("squash_tmp_dir", "", "images are not squashed"),
];

/// Fills in what the files say and the task does not; the words for what is not followed, each with its place.
pub(super) fn apply(tree: &Tree, args: &mut Args) -> Vec<String> {
    // Kolla's own defaults (8 threads, 1 push) are not wishes of the user.
    let written = |name: &str| {
        let value = tree.settings.get(&Key::from(name)).filter(|value| **value != Value::Null);
        tree.places.contains_key(name).then_some(value).flatten()
    };
    let count = |name: &str| {
        written(name).and_then(Value::as_int).and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0)
    };
    args.parallel = args.parallel.or_else(|| count("threads"));
    args.pushes = args.pushes.or_else(|| count("push_threads"));
    args.pull |= written("pull").is_some_and(Value::truthy);
    if args.log_dir.is_none() {
        let folder = written("logs_dir").map(python_str).filter(|folder| !folder.is_empty());
        args.log_dir = folder.map(HostPath);
    }
    if matches!(args.builder, BuilderArg::Auto) && written("buildkit").is_some_and(|buildkit| !buildkit.truthy()) {
        args.builder = BuilderArg::Classic;
    }
    let mut told = Vec::new();
    let mut tell = |name: &str, value: &Value, instead: &str| {
        let place = tree.places.get(name).map_or("", String::as_str);
        told.push(format!("{place}: `{name} = {}` is not followed: {instead}", python_str(value)));
    };
    if args.network.is_none()
        && let Some(mode) = written("network_mode")
    {
        match &*python_str(mode) {
            "host" => {}
            "default" | "bridge" | "" => args.network = Some(Network::Default),
            _ => tell(
                "network_mode",
                mode,
                "builds run in the engine's own network or the host's (`network: default|host`)",
            ),
        }
    }
    for (name, nothing, instead) in NOT_FOLLOWED {
        let done = *name == "push" && args.push;
        if let Some(value) = written(name).filter(|value| python_str(value) != *nothing && !done) {
            tell(name, value, instead);
        }
    }
    told
}
