//! `image_build`: container images from a tree of Dockerfiles, in the order of their parents.
//!
//! The work is in the room `image`; this file turns arguments into a request, lays the
//! controller's tree out on the host, and gives the report back.

mod kolla;
mod kolla_options;
mod needed;
mod request;
mod sent;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{InputArg, Meta, Module};
use super::types::HostPath;
use crate::diag::Result;
use crate::image::{SentTree, blank, set};
use crate::system::Mutate;
use crate::value::{Map, Value, insert};
use kolla::KollaArgs;
use request::request;
use tree::Tree;

pub(super) use request::platforms;
pub(super) use tree::TreeHere;

/// Builds container images from a tree of Dockerfiles on the host's own engine, and pushes them.
///
/// Each folder with a `Dockerfile` is an image of the folder's name; the folder is its build
/// context, less what its `.dockerignore` names. The order comes from `FROM`, `COPY --from=` and
/// `RUN --mount=from=`, with `ARG`s expanded. A reference means an image of the tree if it is that
/// image's full name (any tag) or its bare name, and never the image itself; hostctl writes the
/// parent of this run into the Dockerfile that it sends. Images are built in parallel, those with
/// the longest way below them first, and pushed as each ends. What needs a failed image is
/// blocked by it; all others are built.
///
/// Full names are `[registry/]namespace/[prefix]name:tag`. The registry's password goes to the
/// engine in a request header and to the registry over TLS; it is never a build argument. Without `registry_username`
/// the login is that of Docker's or Podman's own credential files and helpers (ECR, GCR) of the user on the host.
///
/// Each finished image is searched before it is pushed: layers (one by one, so what a later layer
/// deletes counts), file names, configuration, history and provenance, for every build secret and the
/// registry's password in all encodings; gzip, bzip2, xz, zstd, zip, tar and ar members are opened down to
/// three levels. A hit fails the image and names the value, the layer and the path. Values under six
/// characters cannot be searched for and are named in a warning. What is not opened (other formats,
/// damage, more than 256 MB or a hundred times its size unpacked) is told in the image's log, with the
/// cost in seconds for each GB. A layer that held nothing is not searched again for another image.
///
/// Returns `images` in the order of the build (parents first, each level by name), `tag`, counts (`built`, `pushed`, `reused`,
/// `build_failed`, `push_failed`, `blocked`, `cancelled`), `builder` (`none` if nothing was built) and `engine_version`.
/// Every image has the same keys, with null where there is no value: `name`, `full`, `state`, `parents`, `allowed_to_fail`
/// always; `seconds` in all states but `planned`; `log` with `log_dir`; `key` unless it was not computed; `id`, `size` and
/// `layers` where the engine has the image. By state: `built`, no more; `pushed`, `digest`, `push_seconds` and `push_tries`;
/// `reused`, `reason`, and `digest` if the registry has it; `failed`, `message`, `class`, and `failed_at` if it was an
/// instruction; `push_failed`, `message`, `class` and `push_tries`; `blocked`, `blocked_by`; `cancelled`, `waiting` and `held`
/// (after an interrupt), no more; `planned` (in check mode and with `plan: true`), no more. So `images |
/// selectattr('digest')` are those that are in the registry.
///
/// ```yaml
/// - name: Images of the site
///   image_build:
///     path: images
///     registry: registry.example.org:5000
///     registry_username: builder
///     registry_password: "{{ registry_password }}"
///     namespace: lab
///     tag: "{{ image_tag }}"
///     push: true
///     parallel: 2
///     log_dir: /var/log/hostctl/images
///     build_args:
///       MIRROR_URL: "{{ mirror_url if mirror_proxy_enabled else '' }}"
///     forbid_mirror_in_image: true
///     mirror_names: ["172.30.0.1:3142"]
///
/// - name: One image and its parents, from a tree that is on the host already
///   image_build:
///     path: /srv/images
///     remote_src: true
///     namespace: lab
///     tag: test
///     only: [web]
///
/// - name: Kolla's images from its templates, with names and sources as kolla-build.conf has them
///   image_build:
///     path: site
///     from: kolla
///     registry: registry.example.org:5000
///     tag: "{{ image_tag }}"
///     push: true
///     kolla:
///       tree: kolla
///       config_files: [kolla-build.conf]
///       profiles: [main]
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "`build_args` is the argument's name")]
pub struct Args {
    /// The tree: a folder on the controller (beside the playbook), or on the host with `remote_src`.
    path: HostPath,
    /// The tree is on the host already.
    #[serde(default)]
    remote_src: bool,
    /// Registry host and port; part of every name, and where images are pushed.
    #[serde(default)]
    registry: Option<String>,
    /// User at the registry.
    #[serde(default)]
    registry_username: Option<String>,
    /// Password at the registry.
    #[serde(default)]
    registry_password: Option<String>,
    /// File on the host with the registry's CA, besides `/etc/docker/certs.d` and the host's own.
    #[serde(default)]
    registry_ca: Option<HostPath>,
    /// Read digests over plain HTTP although the registry is not on loopback.
    #[serde(default)]
    registry_insecure: bool,
    /// Other registries that images are pushed to or made from, by host: each a mapping with `username`, `password`, `ca`
    /// (a file on the host) and `insecure` (plain HTTP). Without it logins are those of Docker's and Podman's files.
    #[serde(default)]
    registries: serde_json::Map<String, serde_json::Value>,
    /// Second part of every name; with `from: kolla` by default the tree's.
    #[serde(default)]
    namespace: String,
    /// Put before every image's name.
    #[serde(default)]
    prefix: String,
    /// The tag of all images of this run; with `from: kolla` by default that of its options.
    #[serde(default)]
    tag: String,
    /// The tag where neither `tag` nor an option of `kolla-build` says one.
    #[serde(default)]
    default_tag: Option<String>,
    /// Push each image as it is built.
    #[serde(default)]
    push: bool,
    /// Builds at the same time; by default the host's processors, at most 4.
    #[serde(default)]
    parallel: Option<u32>,
    /// Build these images and their parents only; names with `*` and `?`.
    #[serde(default)]
    only: Vec<String>,
    /// Leave these images out, and all that need them.
    #[serde(default)]
    skip: Vec<String>,
    /// Given to Dockerfiles that declare it as the build argument `BASE_DISTRO` (`debian`).
    #[serde(default)]
    base_distro: Option<String>,
    /// Network of `RUN` instructions; with `from: kolla` by default the tree's.
    #[serde(default)]
    network: Option<Network>,
    /// Build arguments; each image gets those that its Dockerfile declares. They are visible in the
    /// image's history: no passwords.
    #[serde(default)]
    build_args: serde_json::Map<String, serde_json::Value>,
    /// Labels of every image.
    #[serde(default)]
    labels: serde_json::Map<String, serde_json::Value>,
    /// Secrets by id for `RUN --mount=type=secret,id=ID` (BuildKit only); they stay in no layer.
    #[serde(default)]
    secrets: serde_json::Map<String, serde_json::Value>,
    /// Folder on the host for one log file an image, readable by its owner only.
    #[serde(default)]
    log_dir: Option<HostPath>,
    /// Fail an image whose configuration, history or layers still hold one of `mirror_names`. The
    /// record of `build_args` that the builder itself writes into the history does not count.
    #[serde(default)]
    forbid_mirror_in_image: bool,
    /// Names and addresses of the mirror and its proxy, as they would stand in package sources.
    #[serde(default)]
    mirror_names: Vec<String>,
    /// Build every step anew.
    #[serde(default)]
    nocache: bool,
    /// Ask registries for newer base images.
    #[serde(default)]
    pull: bool,
    /// Which builder of the engine.
    #[serde(default)]
    builder: BuilderArg,
    /// Where images come from: `tree`, each folder with a Dockerfile; `labels`, each Dockerfile with the labels
    /// `REGISTRY`, `IMAGE`, `VERSION`, as Kaapana's; `list`, what the file `list` in the folder names
    /// (`docs/images.md`); `kolla`, the templates of Kolla.
    #[serde(default)]
    from: From,
    /// What a Kolla tree is rendered for, with `from: kolla`.
    #[serde(default)]
    kolla: Option<KollaArgs>,
    /// The list's file in the folder, with `from: list`; by default `images.yml`.
    #[serde(default)]
    list: Option<String>,
    /// How an image of a tree is called: `{{ dir }}` the folder, `{{ parent }}` the one above, `{{ path }}` all of them,
    /// `{{ file }}` what the star of `dockerfiles` stands for, `{{ root }}` the tree. Single quotes and `{% raw %}` keep
    /// Jinja away from it.
    #[serde(default)]
    name_template: Option<String>,
    /// Names of Dockerfiles in the tree, each with at most one `*`; by default `Dockerfile`.
    #[serde(default)]
    dockerfiles: Vec<String>,
    /// Folders and files of the tree that hold no images. Patterns match whole components of a path.
    #[serde(default)]
    ignore: Vec<String>,
    /// The version of images with Kaapana's labels, and `{{ version }}` in a list; by default that of `git describe` in the repository around the tree, wherever the tree is.
    #[serde(default)]
    version: Option<String>,
    /// Sets that are built one after the other under one tag, as lists of image names and patterns; what an earlier set
    /// holds is not in a later one. By default all images are one set.
    #[serde(default)]
    sets: Vec<Vec<String>>,
    /// When an image of an earlier build is used instead of building it: `inputs` (the default), if nothing that it
    /// is made from has changed; `never`; or a mapping with `max_age`, such as `7d`, so that updates get in.
    #[serde(default)]
    reuse: Option<serde_json::Value>,
    /// Images that an earlier run finished under this tag are neither built nor pushed again, whatever `reuse` says.
    /// `--resume` sets it.
    #[serde(default)]
    resume: Option<bool>,
    /// What is pushed gets the tag `key-...` of what it is made from, too, by which other build hosts find it.
    #[serde(default = "yes")]
    key_tags: bool,
    /// Pushes at the same time.
    #[serde(default)]
    pushes: Option<u32>,
    /// How often a build is tried again whose instruction failed; by default 0, with `from: kolla` its `retries`.
    #[serde(default)]
    build_retries: Option<u32>,
    /// Only tell what would be built and reused, and why; engine and registries are asked, in check mode too.
    /// `hostctl run --plan` sets it.
    #[serde(default)]
    plan: Option<bool>,
    /// Platforms to build for (`linux/arm64`); of several each is pushed by its digest, and a list of them stands under
    /// the run's tag. One that the kernel cannot run is refused if a `RUN` needs it.
    #[serde(default)]
    platforms: Vec<String>,
    /// Images whose layers, or registry caches whose steps, may be used instead of running a step.
    #[serde(default)]
    cache_from: Vec<String>,
    /// Where the build's cache goes: `inline`, into the image itself, or the name of a cache in a registry.
    #[serde(default)]
    cache_to: Vec<String>,
    /// Sockets of ssh agents on the host by id, for `RUN --mount=type=ssh`; `default: true` is the agent of
    /// `SSH_AUTH_SOCK`.
    #[serde(default)]
    ssh: serde_json::Map<String, serde_json::Value>,
    /// Addresses by name for `/etc/hosts` of `RUN` instructions.
    #[serde(default)]
    extra_hosts: serde_json::Map<String, serde_json::Value>,
    /// Refused: neither BuildKit nor a registry can keep layers apart afterwards.
    #[serde(default)]
    squash: bool,
    /// Names of vault values that may be in images (a user name, a host): all others are searched for in every image.
    #[serde(default)]
    search_except: Vec<String>,
    /// Space that builds leave free on the engine's file system, such as `20g`; by default 5 GiB or a tenth of it,
    /// whichever is less.
    #[serde(default)]
    min_free: Option<String>,
    /// The engine's socket; by default `DOCKER_HOST` or `unix:///var/run/docker.sock`.
    #[serde(default)]
    docker_host: Option<String>,
}

/// Network of `RUN` instructions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Network {
    /// The engine's own.
    #[default]
    Default,
    /// The host's.
    Host,
}

/// Which builder of the engine.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BuilderArg {
    /// BuildKit where the engine has it.
    #[default]
    Auto,
    /// BuildKit.
    Buildkit,
    /// The classic builder.
    Classic,
    /// `buildah`, which needs no engine.
    Buildah,
}

/// Where images come from.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum From {
    /// A tree of Dockerfiles.
    #[default]
    Tree,
    /// A tree of Dockerfiles with Kaapana's labels.
    Labels,
    /// A list in YAML.
    List,
    /// The templates of Kolla.
    Kolla,
}

fn yes() -> bool {
    true
}

/// The module.
pub struct ImageBuild;

impl Module for ImageBuild {
    type Args = Args;
    const META: Meta = Meta {
        name: "image_build",
        full_name: "hostctl.core.image_build",
        summary: "Build container images from a tree of Dockerfiles and push them",
        leaves_out: &[".hostctl"],
        inputs: &[InputArg::File { arg: "path", unless: Some("remote_src"), unless_by_default: false }],
        secret: &["registry_password", "registries", "secrets"],
        outlives: true,
        resumes: Some("resume"),
        plans: Some("plan"),
        reads: crate::system::git_source::GIT_READS,
        repositories: Some(("from", &["labels", "list"])),
        needs: Some(needed::needed),
        together: &[&["registry_username", "registry_password"]],
        one_of: &[&["namespace", "kolla"], &["tag", "default_tag", "kolla"]],
        required_if: &[("forbid_mirror_in_image", "true", &["mirror_names"]), ("from", "kolla", &["kolla"])],
        ..Meta::NONE
    };

    fn run(cx: &Cx, mut args: Args) -> Result<Map, Failure> {
        let plan = args.plan == Some(true);
        if plan {
            cx.only_plans();
        }
        let mut kolla = kolla::load(cx, &mut args)?;
        let mut request = request(cx, &args)?;
        let tree = Tree::find(cx, &args)?;
        let found = match &mut kolla {
            Some(kolla) => {
                kolla.ask(&mut request);
                kolla.skip_existing(cx, &request)?;
                kolla.images()?
            }
            None => {
                request.digests = tree.digests();
                request.sent_from = cx.sent_from().cloned();
                tree.images(cx, &args)?
            }
        };
        let (images, mut warnings) = (found.images, found.warnings);
        let mut prepared = set::prepare(images, &request)?;
        warnings.extend(prepared.warnings.iter().cloned());
        warnings.into_iter().for_each(|warning| cx.warn(warning));
        for link in &tree.links {
            cx.warn(format!(
                "{}/{}: is a link that leads to no file of its folder, and is not read as an image",
                args.path.as_str(),
                link.display()
            ));
        }
        let names: Vec<String> =
            prepared.selected.iter().map(|image| prepared.graph.images[*image].name.clone()).collect();
        let mut planned = Map::new();
        insert(&mut planned, "tag", prepared.graph.tag_of(&prepared.selected, &request.names));
        insert(&mut planned, "planned", names.iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>());
        // Later tasks find what they look for in check mode, too.
        insert(&mut planned, "images", images_planned(&prepared, &request.names));
        if names.is_empty() {
            return Ok(planned);
        }
        // A Kolla tree is rendered here; any other one is laid out as its images are built.
        let (scratch, sent) = match &mut kolla {
            Some(kolla) => {
                let scratch = kolla.lay_out(cx, &mut prepared)?;
                request.digests = kolla.digests();
                (scratch, None)
            }
            None => (None, tree.sent(cx)?),
        };
        let root = match (&tree.root, &scratch, &sent) {
            (_, Some(folder), _) => folder.path().to_path_buf(),
            (Some(root), None, _) if kolla.is_none() => root.clone(),
            (_, None, Some(sent)) => sent.root().to_path_buf(),
            (_, None, None) => PathBuf::new(),
        };
        request.sent = sent.map(|sent| -> Arc<dyn SentTree> { Arc::new(sent) });
        let verb = if args.push { "build and push" } else { "build" };
        let link = cx.link();
        let deadline = cx.probe().control().deadline();
        let stop = || link.cancelled() || deadline.is_some_and(|end| std::time::Instant::now() >= end);
        let tell = {
            let link = cx.link();
            std::sync::Arc::new(move |progress| link.progress(progress))
        };
        let work = |mutate: &Mutate| cx.block_on(set::build(mutate, &prepared, &request, root, tell, &stop));
        let report = if plan {
            match cx.scratch(work) {
                // What check mode installs is not there yet.
                Err(error) if cx.check_mode() && error.code == "B0007" => {
                    cx.warn(format!("{}: what would be built and reused is not known yet", error.message));
                    None
                }
                report => report?,
            }
        } else {
            let work = |mutate: &Mutate| {
                let report = work(mutate)?;
                let changed = report.changed;
                Ok((report, changed))
            };
            cx.change_if_needed(format!("{verb} {}", names.join(", ")), work)?
        };
        let Some(report) = report else { return Ok(planned) };
        report.warnings.iter().for_each(|warning| cx.warn(warning.clone()));
        let mut result = report.to_map();
        if plan {
            insert(&mut result, "images", images_planned(&prepared, &request.names));
        }
        if let Some(folder) = &args.log_dir {
            insert(&mut result, "log_dir", folder.as_str());
        }
        if let Some(kolla) = kolla.as_ref().filter(|_| !report.planned) {
            kolla.summarize(cx, &report, &mut result)?;
        }
        match report.diagnostic() {
            None => Ok(result),
            Some(diagnostic) => Err(Failure::with_result(diagnostic, result)),
        }
    }
}

/// What is to be built, in the form of a result: by levels, then by name.
fn images_planned(prepared: &set::Prepared, names: &crate::image::Names) -> Vec<Value> {
    let graph = &prepared.graph;
    let levels = graph.levels();
    let mut selected: Vec<usize> = prepared.selected.iter().copied().collect();
    selected.sort_by_key(|image| (levels[*image], &graph.images[*image].name));
    let one = |image: usize| {
        let own = &graph.images[image];
        let parents: Vec<String> =
            graph.parents(image).into_iter().map(|parent| graph.images[parent].name.clone()).collect();
        let mut map = blank(&own.name, &graph.full(image, names), "planned", &parents);
        insert(&mut map, "allowed_to_fail", own.allowed_to_fail);
        Value::from(map)
    };
    selected.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::call::{Input, InputKind, TreeEntry};
    use super::super::testing::{Try, file_entry, get, module};
    use super::*;
    use crate::map;
    use crate::system::git_source::GitFacts;
    use std::collections::BTreeMap;

    fn sent(files: &[(&str, &str)], more: Map) -> Try {
        let mut args = map! { "path" => "images", "namespace" => "lab", "tag" => "t1" };
        args.extend(more);
        let mut entries: Vec<TreeEntry> =
            files.iter().map(|(path, text)| file_entry(path, 0o644, text.as_bytes())).collect();
        entries.push(TreeEntry { path: "base".into(), mode: 0o755, kind: InputKind::Dir });
        module("image_build", args).input(Input {
            arg: "path".into(),
            entries,
            is_tree: true,
            basename: "images".into(),
            contents_only: false,
            repositories: Vec::new(),
        })
    }

    #[test]
    fn what_fails_before_the_first_build_has_changed_nothing() {
        let args = map! { "docker_host" => "unix:///nonexistent" };
        let failure = sent(&[("base/Dockerfile", "FROM scratch")], args).fails();
        assert_eq!((&*failure.diagnostic.code, failure.changed), ("B0007", false), "{:?}", failure.diagnostic);
    }

    #[test]
    fn check_mode_tells_what_would_be_built_and_asks_no_engine() {
        let files = [
            ("base/Dockerfile", "FROM scratch"),
            ("web/Dockerfile", "FROM base"),
            ("other/Dockerfile", "# syntax=x/y\nFROM base"),
        ];
        let more = map! {
            "only" => vec![Value::from("web")],
            "docker_host" => "unix:///nonexistent",
            "build_args" => map! { "UNUSED" => 1 },
            "secrets" => map! { "pin" => "12345" },
        };
        let outcome = sent(&files, more).check(true).ok();
        assert!(outcome.changed);
        assert_eq!(get(&outcome, "planned"), serde_json::json!(["base", "web"]));
        assert_eq!(outcome.changes, ["build base, web"]);
        let images = get(&outcome, "images");
        let (name, state) = (images[1]["name"].as_str(), images[1]["state"].as_str());
        assert_eq!((name, state), (Some("web"), Some("planned")), "{images}");
        assert!(images[1]["full"].as_str().is_some_and(|full| full.contains("/web:")), "{images}");
        assert_eq!(outcome.warnings.len(), 3, "{:?}", outcome.warnings);
        let short = "`build secret pin` is too short to be searched for in images";
        assert!(outcome.warnings.iter().any(|warning| warning == short), "{:?}", outcome.warnings);
    }

    const KOLLA: &[(&str, &str)] = &[
        ("kolla/docker/base/Dockerfile.j2", "FROM {{ base_image }}:{{ base_distro_tag }}\nRUN true\n"),
        ("kolla/docker/nova/Dockerfile.j2", "FROM {{ namespace }}/{{ image_prefix }}base:{{ tag }}\n"),
        ("kolla/docker/other/Dockerfile.j2", "FROM {{ namespace }}/{{ image_prefix }}base:{{ tag }}\n"),
        ("kolla/image/unbuildable.py", "UNBUILDABLE_IMAGES = {'debian': {'other'}}\n"),
        ("kolla.egg-info/PKG-INFO", "Version: 23.0.0\n"),
        ("first.conf", "[DEFAULT]\nbase = rocky\nnamespace = own\nimage_name_prefix = p-\n"),
        ("second.conf", "[DEFAULT]\nbase = debian\nbase_tag = latest\ntag = t9\nskip_parents = true\n"),
    ];

    #[test]
    fn a_kolla_tree_that_was_sent_names_its_images_and_leaves_out_what_it_says() {
        let files = ["first.conf", "second.conf"].map(Value::from).to_vec();
        let args = map! { "from" => "kolla", "kolla" => map! { "config_files" => files } };
        let run = |args: Map| {
            let mut all = map! { "path" => "images" };
            all.extend(args);
            let entries = KOLLA.iter().map(|(path, text)| file_entry(path, 0o644, text.as_bytes())).collect();
            let (arg, basename) = ("path".to_owned(), "images".to_owned());
            let repositories = Vec::new();
            let input = Input { arg, entries, is_tree: true, basename, contents_only: false, repositories };
            module("image_build", all).input(input).check(true)
        };
        let outcome = run(args.clone()).ok();
        assert_eq!((get(&outcome, "tag"), get(&outcome, "planned")), ("t9".into(), serde_json::json!(["nova"])));
        assert_eq!(outcome.warnings, ["left out: other (Kolla marks it unbuildable on debian x86_64)"]);
        // A default is none where the files say a tag.
        let mut default = args.clone();
        insert(&mut default, "default_tag", "made");
        assert_eq!(get(&run(default.clone()).ok(), "tag"), "t9");
        let first = map! { "config_files" => vec![Value::from("first.conf")], "base" => "debian" };
        assert_eq!(get(&run(kolla_of(&default, first)).ok(), "tag"), "made");
        // The task's own words win over the files.
        let mut own = args.clone();
        own.extend(map! { "tag" => "mine", "kolla" => map! {
            "config_files" => vec![Value::from("second.conf")], "set" => map! { "skip_parents" => false },
            "base" => "rocky", "patterns" => vec![Value::from("^other")],
        }});
        let outcome = run(own).ok();
        assert_eq!(
            (get(&outcome, "tag"), get(&outcome, "planned")),
            ("mine".into(), serde_json::json!(["base", "other"]))
        );
        let code = |args: Map| run(args).fails().diagnostic;
        let error = code(map! { "namespace" => "n", "tag" => "t", "kolla" => Map::new() });
        assert_eq!(error.code, "B0150");
        let error = code(kolla_of(&args, map! { "config_files" => vec![Value::from("none.conf")] }));
        assert_eq!(error.message, "there is no file `images/none.conf`");
        let mut push = args.clone();
        insert(&mut push, "push", true);
        assert_eq!(code(push).code, "B0011");
    }

    #[test]
    fn options_of_kolla_that_are_not_followed_are_told_with_their_place() {
        let conf = "[DEFAULT]\nbase = debian\ntag = t\nthreads = 3\npush = true\nkeep = false\nnetwork_mode = lab\n\
                    no_such = 1\n[nova]\ntype = local\nlocation = /x\nlokation = y\n[nowhere]\ntype = url\n";
        let files = KOLLA.iter().copied().chain([("k.conf", conf)]);
        let entries = files.map(|(path, text)| file_entry(path, 0o644, text.as_bytes())).collect();
        let (arg, basename) = ("path".to_owned(), "images".to_owned());
        let repositories = Vec::new();
        let input = Input { arg, entries, is_tree: true, basename, contents_only: false, repositories };
        let args = map! { "path" => "images", "from" => "kolla", "kolla" => map! {
            "config_files" => vec![Value::from("k.conf")], "set" => map! { "engine" => "podman" },
        } };
        let outcome = module("image_build", args).input(input).check(true).ok();
        let told: Vec<&str> = outcome.warnings.iter().map(String::as_str).collect();
        assert_eq!(told.len(), 7, "{told:#?}");
        for (number, begin) in [
            "images/k.conf:7: `network_mode = lab` is not followed: builds run in",
            "images/k.conf:5: `push = True` is not followed: write `push: true`",
            "set: `engine = podman` is not followed: `docker_host`",
            "left out: other",
            "images/k.conf:8: this Kolla has no option `no_such`: without effect",
            "images/k.conf:12: `[nova]` has no option `lokation`: without effect; did you mean `location`?",
            "images/k.conf:14: `[nowhere]` is no image, plugin, addition or user of this tree: `type` is without effect",
        ]
        .into_iter()
        .enumerate()
        {
            assert!(told[number].starts_with(begin), "{told:#?}");
        }
    }

    #[test]
    fn options_of_kolla_fill_in_what_the_task_does_not_say() {
        let tree = |options: &[(&str, Value)]| {
            let mut settings = map! { "threads" => 8, "push_threads" => 1, "pull" => true, "buildkit" => true };
            settings.extend(options.iter().map(|(name, value)| (crate::value::Key::from(*name), value.clone())));
            let places = options.iter().map(|(name, _)| ((*name).to_owned(), "k:1".to_owned())).collect();
            crate::image::kolla::Tree {
                images: Vec::new(),
                items: Vec::new(),
                settings,
                places,
                build_args: BTreeMap::new(),
                warnings: Vec::new(),
            }
        };
        let applied = |more: serde_json::Value, tree: crate::image::kolla::Tree| {
            let mut args = serde_json::json!({ "path": "x" });
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut args: Args = serde_json::from_value(args).unwrap();
            assert!(kolla_options::apply(&tree, &mut args).is_empty());
            let classic = matches!(args.builder, BuilderArg::Classic);
            (args.parallel, args.pushes, args.pull, args.log_dir.map(|folder| folder.0), classic)
        };
        // Kolla's defaults are nobody's wish.
        assert_eq!(applied(serde_json::json!({}), tree(&[])), (None, None, false, None, false));
        let all = [
            ("threads", Value::from(3)),
            ("push_threads", Value::from(2)),
            ("pull", Value::from(true)),
            ("logs_dir", Value::from("/logs")),
            ("buildkit", Value::from(false)),
        ];
        let expected = (Some(3), Some(2), true, Some("/logs".to_owned()), true);
        assert_eq!(applied(serde_json::json!({}), tree(&all)), expected);
        let own = serde_json::json!({ "parallel": 1, "pushes": 1, "log_dir": "/own", "builder": "buildkit" });
        assert_eq!(applied(own, tree(&all)), (Some(1), Some(1), true, Some("/own".to_owned()), false));
    }

    fn kolla_of(args: &Map, kolla: Map) -> Map {
        let mut args = args.clone();
        insert(&mut args, "kolla", kolla);
        args
    }

    #[test]
    fn a_tree_that_was_sent_has_the_controllers_repositories() {
        let facts = |version: &str| GitFacts {
            commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
            branch: Some("main".into()),
            version: Some(version.into()),
        };
        let full = |files: &[(&str, &str)], from: &str| {
            let input = Input {
                arg: "path".into(),
                entries: files.iter().map(|(path, text)| file_entry(path, 0o644, text.as_bytes())).collect(),
                is_tree: true,
                basename: "images".into(),
                contents_only: false,
                repositories: vec![(String::new(), facts("1.2.0")), ("sub".into(), facts("9.0.0"))],
            };
            let args = map! { "path" => "images", "namespace" => "lab", "tag" => "t1", "from" => from };
            let outcome = module("image_build", args).input(input).check(true).ok();
            get(&outcome, "images").as_array().unwrap().iter().map(|one| one["full"].to_string()).collect::<Vec<_>>()
        };
        let text = "FROM scratch\nLABEL IMAGE=\"a\"\nLABEL VERSION=\"0.1\"\n";
        let labels = [("a/Dockerfile", text), ("sub/b/Dockerfile", &text.replace("\"a\"", "\"b\""))];
        assert_eq!(full(&labels, "labels"), ["\"lab/a:1.2.0\"", "\"lab/b:9.0.0\""]);
        let list =
            "images:\n- name: x\n  context: x\n  tags: [\"{{ version }}\", \"{{ branch }}-{{ short_commit }}\"]\n";
        assert_eq!(full(&[("images.yml", list), ("x/Dockerfile", "FROM scratch")], "list"), ["\"lab/x:t1\""]);
    }

    #[test]
    fn mistakes_are_told_before_anything_is_built() {
        let code =
            |files: &[(&str, &str)], more: Map| sent(files, more).check(true).fails().diagnostic.code.to_string();
        let base = [("base/Dockerfile", "FROM scratch")];
        assert_eq!(code(&[("base/x", "")], Map::new()), "B0001");
        assert_eq!(code(&[("base/Dockerfile", "RUN x")], Map::new()), "B0002");
        assert_eq!(code(&[("base/Dockerfile", "FROM lab/none")], Map::new()), "B0003");
        assert_eq!(code(&[("a/Dockerfile", "FROM b"), ("b/Dockerfile", "FROM a")], Map::new()), "B0004");
        assert_eq!(code(&base, map! { "namespace" => "Lab" }), "B0005");
        assert_eq!(code(&base, map! { "skip" => vec![Value::from("bsae")] }), "B0006");
        let password = map! {
            "registry" => "r:5000", "registry_username" => "u", "registry_password" => "pass/word",
            "build_args" => map! { "URL" => "https://u:pass/word@r" },
        };
        assert_eq!(code(&base, password), "B0017");
        assert_eq!(code(&base, map! { "squash" => true }), "B0108");
        for name in ["", "a b", "type=registry,ref=x", "x\ny"] {
            assert_eq!(code(&base, map! { "cache_from" => vec![Value::from(name)] }), "M0001", "{name}");
            assert_eq!(code(&base, map! { "cache_to" => vec![Value::from(name)] }), "M0001", "{name}");
        }
        for (name, address) in [("a", "b"), ("a b", "192.0.2.1"), ("", "192.0.2.1"), ("a,b=c", "192.0.2.1")] {
            assert_eq!(code(&base, map! { "extra_hosts" => map! { name => address } }), "M0001", "{name}");
        }
        for (argument, value) in [
            ("parallel", Value::from(0)),
            ("pushes", Value::from(0)),
            ("registry", Value::from("a@b:5000")),
            ("registry", Value::from("http://me:pa55word-x@b:5000/")),
            ("labels", map! { "" => "x" }.into()),
            ("secrets", map! { "../x" => "long enough" }.into()),
        ] {
            let mut wrong = Map::new();
            insert(&mut wrong, argument, value);
            let error = sent(&base, wrong).check(true).fails().diagnostic;
            assert!(error.code == "M0001" && !error.hints.is_empty(), "{argument}: {error:?}");
            assert!(!error.message.contains("pa55"), "{error:?}");
        }
        // A password in an address is told of, and never shown.
        let proxy = map! { "build_args" => map! { "http_proxy" => "http://me:pa55word-x@proxy.example:3128/" } };
        let outcome = sent(&base, proxy).check(true).ok();
        let told = |text: &String| text.starts_with("the password in build argument `http_proxy`");
        assert!(outcome.warnings.iter().any(told), "{:?}", outcome.warnings);
        assert!(!format!("{outcome:?}").contains("pa55word-x"));
        let outcome = sent(&base, map! { "search_except" => vec![Value::from("nobody")] }).check(true).ok();
        let told = "`search_except`: no secret of this run is called `nobody`";
        assert!(outcome.warnings.iter().any(|warning| warning == told), "{:?}", outcome.warnings);
        let secret = "other/password";
        for other in [
            Value::from("x"),
            map! { "username" => "u" }.into(),
            map! { "pasword" => secret }.into(),
            map! { "insecure" => "perhaps" }.into(),
        ] {
            let wrong = map! { "registries" => map! { "r.example" => other } };
            let error = sent(&base, wrong).check(true).fails().diagnostic;
            assert_eq!(error.code, "M0001", "{error:?}");
            assert!(!error.hints.is_empty() && !format!("{error:?}").contains(secret), "{error:?}");
        }
        let other = map! { "r.example:5000" => map! { "username" => "u", "password" => secret, "insecure" => true } };
        sent(&base, map! { "registries" => other.clone() }).check(true).ok();
        let leaked = map! { "registries" => other, "build_args" => map! { "URL" => "https://u:other/password@r" } };
        assert_eq!(code(&base, leaked), "B0017");
        let good = map! {
            "cache_from" => vec![Value::from("r:5000/lab/cache:main")], "cache_to" => vec![Value::from("inline")],
            "extra_hosts" => map! { "a.example" => "192.0.2.1", "b" => "::1", "host" => "host-gateway" },
        };
        sent(&base, good).check(true).ok();
        let sets = map! { "sets" => vec![Value::from(vec![Value::from("bsae")])] };
        let error = sent(&base, sets).check(true).fails().diagnostic;
        assert!(error.message.starts_with("`sets`, set 1: no image matches `bsae`"), "{error:?}");
    }
}
