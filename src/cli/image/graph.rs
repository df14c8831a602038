//! `hostctl image graph`: a source's images and how they hang together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueHint};

use super::super::output::{Output, OutputForm};
use super::kolla::of_this_machine;
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::image::Names;
use crate::image::kolla::Options;
use crate::ops::{ImageGraphRequest, ImageSource, image_graph};

/// Show the images of a source and how they hang together, without building anything
///
/// An image needs another that its Dockerfile names in `FROM`, `COPY --from=` or `RUN --mount=from=`, or that a list names in
/// `parents`. The source lies on this machine: no host is asked. docs/images.md describes the sources.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["tree", "labels", "list", "kolla"]))]
pub struct GraphArgs {
    /// Only these images, and all that they need: a name (with `*` and `?`), `/regular expression/`, `group:NAME`.
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Leave out these images, and all that needs them; may be given several times.
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// A tree of Dockerfiles: each folder with one is an image.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    tree: Option<PathBuf>,
    /// A tree whose Dockerfiles name their images by labels, as Kaapana's do (`LABEL IMAGE=`, `REGISTRY=`).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    labels: Option<PathBuf>,
    /// A list of images in YAML.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    list: Option<PathBuf>,
    /// Kolla's templates: the folder `kolla` of the installed package or of a checkout. Patterns are Kolla's then: regular
    /// expressions that are looked for anywhere in a name.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    kolla: Option<PathBuf>,
    /// With `--kolla`: the distribution of the base image (debian, rocky, ubuntu).
    #[arg(short, long, visible_alias = "base", value_name = "DISTRO", requires = "kolla")]
    base_distro: Option<String>,
    /// With `--kolla`: x86_64 or aarch64; default: this machine's.
    #[arg(long, value_name = "ARCH", requires = "kolla")]
    base_arch: Option<String>,
    /// With `--kolla`: `kolla-build.conf`.
    #[arg(long, visible_alias = "config-file", value_name = "FILE", requires = "kolla", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// With `--kolla`: a file with template overrides; may be given several times.
    #[arg(long, value_name = "FILE", requires = "kolla", value_hint = ValueHint::FilePath)]
    template_override: Vec<PathBuf>,
    /// With `--kolla`: a profile of images; may be given several times.
    #[arg(short, long, value_name = "NAME", requires = "kolla")]
    profile: Vec<String>,
    /// What is written: a tree of lines, graphviz's language, JSON, or a picture.
    #[arg(long, value_name = "FORM", default_value = "tree", value_parser = ["tree", "dot", "json", "svg"])]
    output: String,
    /// With `--tree`: names of images, made of `{{ dir }}`, `{{ parent }}`, `{{ path }}`, `{{ file }}`, `{{ root }}`.
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["labels", "list", "kolla"])]
    name: Option<String>,
    /// Names of Dockerfiles, with at most one `*`; may be given several times. Default: Dockerfile.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["list", "kolla"])]
    dockerfile: Vec<String>,
    /// Leave out paths of the tree that whole components match (`build*`, `docs/*`); may be given several times.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["list", "kolla"])]
    ignore: Vec<String>,
    /// With `--labels`: the version of a label wins over that of `git describe`.
    #[arg(long, conflicts_with_all = ["tree", "list", "kolla"])]
    label_versions: bool,
    /// The registry in the images' full names.
    #[arg(long, value_name = "HOST", default_value = "", hide_default_value = true)]
    registry: String,
    /// The namespace in the images' full names.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    namespace: String,
    /// What stands before each image's name in full names.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    /// The run's tag.
    #[arg(long, value_name = "TAG", default_value = "latest")]
    tag: String,
    /// A build argument, which may name a parent; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
}

pub(super) fn main(args: &GraphArgs, output: &Output) -> Result<ExitCode> {
    let source = match (&args.tree, &args.labels, &args.list, &args.kolla) {
        (Some(dir), ..) => ImageSource::Tree(dir.clone()),
        (None, Some(dir), ..) => ImageSource::Labels(dir.clone()),
        (None, None, Some(file), _) => ImageSource::List(file.clone()),
        (None, None, None, Some(dir)) => ImageSource::Kolla(dir.clone(), Box::new(kolla_options(args))),
        (None, None, None, None) => {
            return Err(usage("B0056", "no source of images is named").with_hint("for example `--tree images`"));
        }
    };
    let names = Names {
        registry: args.registry.clone(),
        namespace: args.namespace.clone(),
        prefix: args.prefix.clone(),
        tag: args.tag.clone(),
    };
    if let Some(problem) = names.problem() {
        return Err(usage("B0005", problem));
    }
    let mut build_args = BTreeMap::new();
    for pair in &args.build_arg {
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            usage("B0056", format!("expected `NAME=VALUE` after `--build-arg`, found `{pair}`"))
                .with_hint("for example `--build-arg BASE=debian:12`")
        })?;
        build_args.insert(name.to_owned(), value.to_owned());
    }
    let request = ImageGraphRequest {
        source,
        name_template: args.name.clone(),
        dockerfiles: args.dockerfile.clone(),
        ignore: args.ignore.clone(),
        label_versions: args.label_versions,
        names,
        args: build_args,
        only: args.patterns.clone(),
        skip: args.skip.clone(),
    };
    match image_graph(&request, &output.sources) {
        Ok(view) => {
            for warning in &view.warnings {
                output.note(&format!("warning: {warning}\n"));
            }
            let picture = &view.picture;
            let text = match (args.output.as_str(), output.form) {
                ("dot", _) => picture.dot(),
                ("svg", _) => picture.svg(),
                ("json", _) | (_, OutputForm::Jsonl) => picture.json(),
                _ => picture.lines(),
            };
            output.data(&text);
            Ok(ExitCode::Ok)
        }
        Err(errors) => {
            output.show(&errors);
            Ok(errors.iter().find(|error| error.is_error()).map_or(ExitCode::Error, |error| error.kind.exit_code()))
        }
    }
}

fn kolla_options(args: &GraphArgs) -> Options {
    let given = [("base", &args.base_distro), ("base_arch", &args.base_arch)];
    let named = [("registry", &args.registry), ("namespace", &args.namespace), ("image_name_prefix", &args.prefix)];
    let mut set: BTreeMap<String, String> =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    let named = named.into_iter().filter(|(_, value)| !value.is_empty());
    set.extend(named.map(|(name, value)| (name.to_owned(), value.clone())));
    Options {
        set,
        config: args.config.iter().cloned().collect(),
        template_override: args.template_override.clone(),
        profiles: args.profile.clone(),
        patterns: args.patterns.clone(),
        ..of_this_machine()
    }
}

fn usage(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code, Kind::Usage, message)
}
