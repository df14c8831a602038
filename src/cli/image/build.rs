//! `hostctl image build` and `hostctl image plan`: the module `image_build` without a playbook.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueHint};
use serde_json::{Map, Value as Json, json};

use super::super::output::Output;
use super::super::password::{PasswordArgs, usage};
use super::super::run::{RunArgs, begin_with};
use super::absolute;
use super::play::{Given, Play, Text};
use super::target::TargetArgs;
use super::words::{agents, hosts, is_there, pairs, platform, reuse, secret_place, secret_variable, split_file};
use crate::diag::{ExitCode, Result};
use crate::ops;
use crate::secret::Secret;

/// Build the images of a source in the order of their parents, and push them
///
/// Without `--host` and `--env` on this machine: `hostctl image build --tree .` is enough. It is a run as `hostctl run`
/// makes one of a playbook with `image_tag` and `image_build`: `hostctl log` shows it, `hostctl attach` comes back to it,
/// `--resume` goes on with it. Images whose inputs did not change are reused. docs/images.md describes the sources.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["tree", "labels", "list", "kolla"]))]
pub struct BuildArgs {
    /// Only these images, and all that they need: a name (with `*` and `?`), `/regular expression/`, `group:NAME`; with
    /// `--kolla` regular expressions.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    steps: StepArgs,
    #[command(flatten)]
    course: CourseArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// What is built.
#[derive(Debug, Args)]
#[command(next_help_heading = "Images")]
struct SourceArgs {
    /// A tree of Dockerfiles: each folder with one is an image.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    tree: Option<PathBuf>,
    /// A tree whose Dockerfiles name their images by labels, as Kaapana's do (`LABEL IMAGE=`, `REGISTRY=`).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    labels: Option<PathBuf>,
    /// A list of images in YAML.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    list: Option<PathBuf>,
    /// Kolla's templates: the folder `kolla` of the installed package or of a checkout.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    kolla: Option<PathBuf>,
    /// The source lies on the host that builds; default: it is sent from here.
    #[arg(long)]
    remote_src: bool,
    /// As NAME; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only the images of this group, and all that they need; may be given several times.
    #[arg(long, value_name = "NAME", conflicts_with = "kolla")]
    group: Vec<String>,
    /// Leave out these images, and all that needs them; may be given several times.
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
    /// Build these images before all that later ones name: NAME,NAME,...; may be given several times.
    #[arg(long, value_name = "NAMES")]
    image_set: Vec<String>,
    /// With `--tree`: names of images, made of `{{ dir }}`, `{{ parent }}`, `{{ path }}`, `{{ file }}`, `{{ root }}`.
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["labels", "list", "kolla"])]
    name: Option<String>,
    /// Names of Dockerfiles, with at most one `*`; may be given several times. Default: Dockerfile.
    #[arg(short = 'f', long, visible_alias = "file", value_name = "PATTERN", conflicts_with_all = ["list", "kolla"])]
    dockerfile: Vec<String>,
    /// Leave out paths of the tree that whole components match (`build*`, `docs/*`); may be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["list", "kolla"])]
    ignore: Vec<String>,
    /// The version of images with labels, and `{{ version }}` in a list; default: that of `git describe`.
    #[arg(long = "image-version", value_name = "VERSION", conflicts_with_all = ["tree", "kolla"])]
    image_version: Option<String>,
    /// With `--kolla`: the distribution of the base image (debian, rocky, ubuntu).
    #[arg(short, long, visible_alias = "base", value_name = "DISTRO", requires = "kolla")]
    base_distro: Option<String>,
    /// With `--kolla`: x86_64 or aarch64; default: the host's.
    #[arg(long, value_name = "ARCH", requires = "kolla")]
    base_arch: Option<String>,
    /// With `--kolla`: `kolla-build.conf`; may be given several times.
    #[arg(long, visible_alias = "config-file", value_name = "FILE", requires = "kolla", value_hint = ValueHint::FilePath)]
    config: Vec<PathBuf>,
    /// With `--kolla`: a file with template overrides; may be given several times.
    #[arg(long, value_name = "FILE", requires = "kolla", value_hint = ValueHint::FilePath)]
    template_override: Vec<PathBuf>,
    /// With `--kolla`: a profile of images; may be given several times.
    #[arg(short, long, value_name = "NAME", requires = "kolla")]
    profile: Vec<String>,
    /// With `--kolla`: any option of kolla-build by its name in `kolla-build.conf`; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", requires = "kolla")]
    set: Vec<String>,
    /// With `--kolla`: a file of this machine for the summary that kolla-build writes with its `--format json`.
    #[arg(long, value_name = "FILE", requires = "kolla", value_hint = ValueHint::FilePath)]
    summary_json_file: Option<PathBuf>,
}

/// Names, and where images go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Names and registry")]
struct RegistryArgs {
    /// The registry in the images' names, to which they are pushed.
    #[arg(long, value_name = "HOST[:PORT]")]
    registry: Option<String>,
    /// The namespace in the images' names.
    #[arg(short, long, value_name = "NAME", default_value = "", hide_default_value = true)]
    namespace: String,
    /// What stands before each image's name.
    #[arg(
        long,
        visible_alias = "image-name-prefix",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,
    /// The tag of all images; default: RELEASE-DISTRIBUTION-TIME.
    #[arg(short, long, value_name = "TAG", conflicts_with = "release")]
    tag: Option<String>,
    /// The release in the tag; default: none.
    #[arg(long, visible_alias = "openstack-release", value_name = "RELEASE")]
    release: Option<String>,
    /// Distribution and version in the tag (`rocky-9`); default: the host's.
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Push each image as it is built.
    #[arg(long, overrides_with = "no_push")]
    push: bool,
    /// Push nothing: the default.
    #[arg(long, overrides_with = "push")]
    no_push: bool,
    /// The user at the registry; default: the login of Docker's or Podman's own credential files on the host.
    #[arg(long, value_name = "USER", requires = "password")]
    username: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
    /// File on the host with the registry's CA, besides those of the host.
    #[arg(long, value_name = "FILE")]
    registry_ca: Option<String>,
    /// The registry may be asked over plain HTTP although it is not on loopback.
    #[arg(long)]
    insecure: bool,
    /// Write the tag and the images' digests into this tag file when all are built.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tag_file: Option<PathBuf>,
    /// Push no tags `key-...`, by which other build hosts find unchanged images.
    #[arg(long)]
    no_key_tags: bool,
}

/// How each image is built.
#[derive(Debug, Args)]
#[command(next_help_heading = "Builds")]
struct StepArgs {
    /// A build argument, or the name of one in this command's environment; may be given several times.
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// A label of every image; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// A secret for `RUN --mount=type=secret`, as docker build takes it: id=ID,src=FILE or id=ID,env=VARIABLE.
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// The host's ssh agent for `RUN --mount=type=ssh`: default, or ID=SOCKET; may be given several times.
    #[arg(long, value_name = "ID[=SOCKET]")]
    ssh: Vec<String>,
    /// Network of `RUN` instructions.
    #[arg(long, value_name = "NAME", value_parser = ["default", "host"])]
    network: Option<String>,
    /// An address for `/etc/hosts` of `RUN` instructions; may be given several times.
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Platforms to build for, such as linux/arm64; with commas, or several times.
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',', value_parser = platform)]
    platform: Vec<String>,
    /// Run every step anew.
    #[arg(long, visible_alias = "nocache")]
    no_cache: bool,
    /// Ask registries for newer base images.
    #[arg(long)]
    pull: bool,
    /// An image or registry cache whose steps may be used; may be given several times.
    #[arg(long, value_name = "NAME")]
    cache_from: Vec<String>,
    /// Where the build's cache goes: inline, or the name of a cache in a registry; may be given several times.
    #[arg(long, value_name = "NAME")]
    cache_to: Vec<String>,
    /// The builder; default: BuildKit where the engine has it.
    #[arg(long, value_name = "NAME", value_parser = ["auto", "buildkit", "classic", "buildah"])]
    builder: Option<String>,
    /// Address of the host's engine; default: its DOCKER_HOST, or unix:///var/run/docker.sock.
    #[arg(long, value_name = "ADDRESS")]
    engine: Option<String>,
    #[arg(long, hide = true)]
    squash: bool,
}

/// What is built at all, and when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Course")]
struct CourseArgs {
    /// Only tell what would be built and reused, and why.
    #[arg(long)]
    plan: bool,
    /// When an image of an earlier build is used: inputs (none of them changed), never, or max_age=7d.
    #[arg(long, value_name = "WHEN")]
    reuse: Option<String>,
    /// Builds at the same time; default: the host's processors, at most 4.
    #[arg(long, visible_alias = "threads", value_name = "N")]
    parallel: Option<u32>,
    /// Pushes at the same time.
    #[arg(long, visible_alias = "push-threads", value_name = "N")]
    pushes: Option<u32>,
    /// How often a build is tried again whose instruction failed.
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Space that builds leave free on the engine's file system, such as 20g.
    #[arg(long, value_name = "SIZE")]
    min_free: Option<String>,
    /// Folder on the host for one log file an image, besides those of the run.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<String>,
    /// Go on with an earlier run that was cut off: its tag stays, finished images are neither built nor pushed again.
    /// Default: the newest unfinished build of the same source.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    resume: Option<String>,
}

const PASSWORD: &str = "hostctl_image_registry_password";

impl BuildArgs {
    /// Arguments of the run that this was, for `hostctl attach`.
    pub(super) fn run_args(&self) -> Result<RunArgs> {
        self.target.run_args()
    }

    /// Builds, or only plans.
    pub(super) fn main(&self, plan: bool, output: &Output) -> Result<ExitCode> {
        let (kind, path) = self.source.place();
        if self.target.is_here() || !self.source.remote_src {
            is_there(kind, path)?;
        }
        let given = self.given(plan || self.course.plan)?;
        let mut run = self.run_args()?;
        run.resume.clone_from(&self.course.resume);
        let secrets = self.secrets()?;
        begin_with(&run, output, |request| {
            request.playbooks = vec![given.path.clone()];
            request.project.state_dir = Some(ops::state_base(request.project.project.as_deref())?);
            request.project.unmatched_pattern = ops::Policy::Error;
            request.project.secret_vars = secrets;
            request.project.given = Some((given.path, given.name, given.text));
            Ok(())
        })
    }

    fn given(&self, plan: bool) -> Result<Given> {
        let (kind, path) = self.source.place();
        // Where the work is done, the folder is read as it lies.
        let there = self.source.remote_src || self.target.shares_files();
        let whole = self.target.source(path, self.source.remote_src)?;
        let (folder, file) = match kind {
            "list" => split_file(&whole)?,
            _ => (whole.clone(), None),
        };
        let file_name = file.clone();
        let mut play = Play::new(self.target.play()?);
        let mut tag = json!({ "release": self.registry.release.as_deref().unwrap_or_default() });
        if let Some(name) = &self.registry.distribution {
            tag["base_distro"] = name.as_str().into();
        }
        self.check_registry()?;
        let named = self.registry.tag.as_deref();
        if named.is_none() || self.registry.tag_file.is_some() {
            play.task("tag of the run", "hostctl.core.image_tag", Text::of_map(&tag), Some("made"));
        }
        let mut build = Text::of_map(&Json::Object(self.arguments(plan)?));
        build.push(("path".to_owned(), Text::plain(&folder.display().to_string().into())));
        build.push(("remote_src".to_owned(), Text::plain(&there.into())));
        build.push(("from".to_owned(), Text::plain(&kind.into())));
        if let Some(file) = file {
            build.push(("list".to_owned(), Text::plain(&file.into())));
        }
        build.push(match named {
            Some(tag) => ("tag".to_owned(), Text::plain(&tag.into())),
            // A configuration file of Kolla's may have one.
            None => ("default_tag".to_owned(), Text::template("{{ made.tag }}")),
        });
        if let Some(name) = self.password_variable()? {
            build.push(("registry_password".to_owned(), Text::template(&format!("{{{{ {name} }}}}"))));
        }
        let secrets = self.steps.secret.iter().enumerate().map(|(place, text)| {
            let (id, _) = secret_place(text)?;
            Ok((id.to_owned(), Text::template(&format!("{{{{ {} }}}}", secret_variable(place)))))
        });
        let secrets = secrets.collect::<Result<Vec<_>>>()?;
        if !secrets.is_empty() {
            build.push(("secrets".to_owned(), Text::map(&secrets)));
        }
        play.task(if plan { "plan of the images" } else { "images" }, "hostctl.core.image_build", build, Some("built"));
        if let Some(file) = self.registry.tag_file.as_ref().filter(|_| !plan) {
            let record = vec![
                ("path".to_owned(), Text::plain(&absolute(file)?.display().to_string().into())),
                ("tag".to_owned(), Text::template("{{ built.tag }}")),
                ("distribution".to_owned(), Text::template("{{ made.distribution }}")),
                ("images".to_owned(), Text::template("{{ built.images }}")),
                ("run".to_owned(), Text::template("{{ hostctl_run.id }}")),
            ];
            play.task("tag file", "hostctl.core.image_tags", record, None);
        }
        if let Some(file) = self.source.summary_json_file.as_ref().filter(|_| !plan) {
            let summary = vec![
                ("dest".to_owned(), Text::plain(&absolute(file)?.display().to_string().into())),
                ("content".to_owned(), Text::template("{{ built.kolla_summary | to_nice_json }}")),
            ];
            let made = "(built | default({})).kolla_summary is defined";
            play.at_last("summary of kolla-build's form", "ansible.builtin.copy", &summary, made);
        }
        // A plan is no build: nothing goes on with it. A list is a file: its name tells runs of two lists in one folder apart.
        let verb = if plan { "image plan" } else { "image build" };
        let command = file_name.map_or_else(|| verb.to_owned(), |name| format!("{verb} {name}"));
        Ok(play.given(&command, &folder))
    }

    /// What has to do with a registry needs one: an option, or one of Kolla's, whose files are read later.
    fn check_registry(&self) -> Result<()> {
        let registry = &self.registry;
        let given = [
            ("--push", registry.push),
            ("--username", registry.username.is_some()),
            ("--registry-ca", registry.registry_ca.is_some()),
            ("--insecure", registry.insecure),
        ];
        let needs = given.iter().find(|(_, given)| *given).filter(|_| registry.registry.is_none());
        match needs {
            Some((option, _)) if self.source.config.is_empty() && self.source.set.is_empty() => {
                Err(usage("B0172", format!("`{option}` needs `--registry`"))
                    .with_hint(format!("{option} --registry registry.example.org:5000")))
            }
            _ => Ok(()),
        }
    }

    /// The module's arguments that are no templates.
    fn arguments(&self, plan: bool) -> Result<Map<String, Json>> {
        let (source, registry, steps, course) = (&self.source, &self.registry, &self.steps, &self.course);
        let mut args = Map::new();
        let mut set = |name: &str, value: Json| {
            let empty = match &value {
                Json::Null | Json::Bool(false) => true,
                Json::Array(list) => list.is_empty(),
                Json::Object(map) => map.is_empty(),
                _ => false,
            };
            if !empty {
                args.insert(name.to_owned(), value);
            }
        };
        set("registry", json!(registry.registry));
        set("registry_username", json!(registry.username));
        set("registry_ca", json!(registry.registry_ca));
        set("registry_insecure", registry.insecure.into());
        set("namespace", json!(registry.namespace));
        set("prefix", json!(registry.prefix));
        set("push", (registry.push && !plan).into());
        if registry.no_key_tags {
            args.insert("key_tags".to_owned(), false.into());
        }
        let mut only: Vec<String> = self.names.iter().chain(&source.only).cloned().collect();
        if source.kolla.is_some() {
            let path = |path: &PathBuf| -> Result<String> { Ok(absolute(path)?.display().to_string()) };
            let mut kolla = Map::new();
            let mut set = |name: &str, value: Json| kolla.insert(name.to_owned(), value);
            if let Some(distro) = &source.base_distro {
                set("base", distro.as_str().into());
            }
            if let Some(arch) = &source.base_arch {
                set("base_arch", arch.as_str().into());
            }
            set("config_files", json!(source.config.iter().map(path).collect::<Result<Vec<_>>>()?));
            set("template_overrides", json!(source.template_override.iter().map(path).collect::<Result<Vec<_>>>()?));
            set("profiles", json!(source.profile));
            set("patterns", json!(std::mem::take(&mut only)));
            set("set", Json::Object(pairs("--set", &source.set, "namespace=kolla", false)?));
            kolla.retain(|_, value| *value != json!([]) && *value != json!({}));
            set_kolla(&mut args, kolla);
        } else {
            only.extend(source.group.iter().map(|group| format!("group:{group}")));
        }
        let mut set = |name: &str, value: Json| {
            if ![json!(null), json!(false), json!([]), json!({})].contains(&value) {
                args.insert(name.to_owned(), value);
            }
        };
        set("only", json!(only));
        set("skip", json!(source.skip));
        let sets = source.image_set.iter().map(|names| names.split(',').map(str::trim).collect::<Vec<_>>());
        set("sets", json!(sets.collect::<Vec<_>>()));
        set("name_template", json!(source.name));
        set("dockerfiles", json!(source.dockerfile));
        set("ignore", json!(source.ignore));
        set("version", json!(source.image_version));
        set("build_args", Json::Object(pairs("--build-arg", &steps.build_arg, "BASE=debian:12", true)?));
        set("labels", Json::Object(pairs("--label", &steps.label, "org.opencontainers.image.vendor=Lab", false)?));
        set("ssh", Json::Object(agents(&steps.ssh)));
        set("network", json!(steps.network));
        set("extra_hosts", Json::Object(hosts(&steps.add_host)?));
        set("platforms", json!(steps.platform));
        set("nocache", steps.no_cache.into());
        set("pull", steps.pull.into());
        set("cache_from", json!(steps.cache_from));
        set("cache_to", json!(steps.cache_to));
        set("builder", json!(steps.builder));
        set("docker_host", json!(steps.engine));
        set("squash", steps.squash.into());
        set("plan", plan.into());
        set("reuse", reuse(course.reuse.as_deref())?);
        set("parallel", json!(course.parallel));
        set("pushes", json!(course.pushes));
        set("build_retries", json!(course.retries));
        set("min_free", json!(course.min_free));
        set("log_dir", json!(course.log_dir));
        Ok(args)
    }

    /// The variable that holds the password, if there is one.
    fn password_variable(&self) -> Result<Option<&str>> {
        let password = &self.registry.password;
        if password.is_here() { Ok(Some(PASSWORD)) } else { password.variable() }
    }

    /// What is read on this machine for the run: the password and the build secrets, as variables.
    fn secrets(&self) -> Result<Vec<(String, Secret)>> {
        let mut found = Vec::new();
        found.extend(self.registry.password.read()?.map(|password| (PASSWORD.to_owned(), password)));
        for (place, text) in self.steps.secret.iter().enumerate() {
            let (_, from) = secret_place(text)?;
            found.push((secret_variable(place), from.read()?));
        }
        Ok(found)
    }
}

impl SourceArgs {
    /// `from` of the module, and the path.
    fn place(&self) -> (&'static str, &Path) {
        let named = [("tree", &self.tree), ("labels", &self.labels), ("list", &self.list), ("kolla", &self.kolla)];
        let found = named.into_iter().find_map(|(kind, path)| Some((kind, path.as_deref()?)));
        // The parser sees to it that one is there.
        found.unwrap_or(("tree", Path::new(".")))
    }
}

fn set_kolla(args: &mut Map<String, Json>, kolla: Map<String, Json>) {
    if !kolla.is_empty() {
        args.insert("kolla".to_owned(), Json::Object(kolla));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        build: BuildArgs,
    }

    fn parsed(words: &str) -> std::result::Result<BuildArgs, clap::Error> {
        Program::try_parse_from(std::iter::once("build").chain(words.split_whitespace())).map(|program| program.build)
    }

    fn text(words: &str) -> String {
        parsed(words).unwrap().given(false).unwrap().text.to_string()
    }

    #[test]
    fn options_become_the_modules_arguments_and_none_is_a_template() {
        let words = "--tree /t web --group x --skip old-* --registry r:5000 -n lab --push --threads 3 --push-threads 2 \
                     --reuse max_age=7d --nocache --pull --platform linux/amd64,linux/arm64 --build-arg A={{x}} --label b=c \
                     --network host --builder classic --image-set a,b --image-set c --ssh default --add-host m:192.0.2.1 \
                     --tag t1 --no-key-tags --env= --name {{dir}}";
        let play: Json = serde_yaml_like(&text(words));
        let task = &play[0]["tasks"][0];
        assert_eq!(play[0]["hosts"], "localhost");
        let args = &task["hostctl.core.image_build"];
        assert_eq!(
            *args,
            json!({
                "path": "/t", "remote_src": true, "from": "tree", "tag": "t1", "only": ["web", "group:x"],
                "skip": ["old-*"], "registry": "r:5000", "namespace": "lab", "prefix": "", "push": true, "parallel": 3,
                "pushes": 2, "reuse": {"max_age": "7d"}, "nocache": true, "pull": true, "key_tags": false,
                "platforms": ["linux/amd64", "linux/arm64"], "build_args": {"A": "{{x}}"}, "labels": {"b": "c"},
                "network": "host", "builder": "classic", "sets": [["a", "b"], ["c"]], "ssh": {"default": true},
                "extra_hosts": {"m": "192.0.2.1"}, "name_template": "{{dir}}",
            })
        );
        assert!(text(words).contains("\"A\": !unsafe \"{{x}}\""), "{}", text(words));
    }

    /// The play as JSON: all that is not, is the word before texts that are no templates.
    fn serde_yaml_like(text: &str) -> Json {
        serde_json::from_str(&text.replace("!unsafe ", "")).unwrap()
    }

    #[test]
    fn passwords_and_secrets_are_variables_of_the_play() {
        let text = text(
            "--list /l/images.yml --registry r --username u --password-var reg_pw --secret id=npm,src=/x --tag-file /tags.yml",
        );
        let play = serde_yaml_like(&text);
        let tasks = play[0]["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), 3, "{text}");
        let args = &tasks[1]["hostctl.core.image_build"];
        assert_eq!(args["registry_password"], "{{ reg_pw }}");
        assert_eq!(args["secrets"], json!({"npm": "{{ hostctl_image_secret_0 }}"}));
        assert_eq!((&args["path"], &args["list"]), (&"/l".into(), &"images.yml".into()));
        assert_eq!(tasks[2]["hostctl.core.image_tags"]["path"], "/tags.yml");
        let code = |words: &str| {
            let args = parsed(words).unwrap();
            args.given(false).map(drop).and_then(|()| args.secrets().map(drop)).unwrap_err().code.to_string()
        };
        assert_eq!(code("--tree . --registry r --username u --password-var a}}"), "B0171");
        assert_eq!(code("--tree . --registry r --username u --password-file /none/here"), "B0171");
        assert_eq!(code("--tree . --secret npm=geheim"), "B0172");
        assert_eq!(code("--tree . --secret id=npm,env=HOSTCTL_NOT_SET_AT_ALL"), "B0171");
        assert_eq!(code("--tree . --label x"), "B0172");
        assert_eq!(code("--tree . --reuse sometimes"), "B0172");
        assert!(parsed("--tree . --registry r --username u").is_err());
        for needs in ["--push", "--insecure", "--registry-ca /x", "--username u --password-var p"] {
            assert_eq!(code(&format!("--tree . {needs}")), "B0172", "{needs}");
            assert!(parsed(&format!("--kolla /k --config /c.conf {needs}")).unwrap().given(false).is_ok(), "{needs}");
        }
        assert!(parsed("web").is_err());
    }

    /// `--resume` and the hint at an unfinished run look for the playbook of builds.
    #[test]
    fn a_plan_is_no_build_to_go_on_with() {
        let path = |plan| parsed("--tree /t").unwrap().given(plan).unwrap().path;
        assert_eq!(path(false), Path::new("/t/<image build>"));
        assert_eq!(path(true), Path::new("/t/<image plan>"));
        // A list is a file; its folder is that of the play.
        let list = |plan| parsed("--list /t/x.yml").unwrap().given(plan).unwrap().path;
        assert_eq!((list(false), list(true)), ("/t/<image build x.yml>".into(), "/t/<image plan x.yml>".into()));
    }

    #[test]
    fn kolla_has_a_mapping_of_its_own() {
        let play = serde_yaml_like(&text("--kolla /k -b debian ^nova- -p default --set namespace=x --config /c.conf"));
        let args = &play[0]["tasks"][1]["hostctl.core.image_build"];
        assert_eq!(args["from"], "kolla");
        assert_eq!(
            args["kolla"],
            json!({"base": "debian", "config_files": ["/c.conf"], "profiles": ["default"], "patterns": ["^nova-"],
                   "set": {"namespace": "x"}})
        );
        // The file may have a tag of its own.
        assert_eq!((&args["tag"], &args["default_tag"]), (&Json::Null, &"{{ made.tag }}".into()));
        let play = serde_yaml_like(&text("--kolla /k --summary-json-file /s.json"));
        let block = &play[0]["tasks"][0];
        assert!(block["block"][1]["hostctl.core.image_build"].is_object(), "{play}");
        let last = &block["always"][0];
        assert_eq!(
            (&last["delegate_to"], &last["ansible.builtin.copy"]["dest"]),
            (&json!("localhost"), &json!("/s.json"))
        );
    }
}
