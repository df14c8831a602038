//! `hostctl image render`: template trees of others' build tools, rendered natively.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::output::Output;
use super::kolla::of_this_machine;
use crate::diag::{Diagnostic, ExitCode, Result};
use crate::image::kolla::{Options, Status};
use crate::ops;
use crate::value::{JsonStyle, to_json_text};

/// Render a template tree of images into a folder, without building anything
///
/// Tree and folder lie on this machine: no host is asked.
#[derive(Debug, Args)]
pub struct RenderArgs {
    #[command(subcommand)]
    kind: RenderKind,
}

#[derive(Debug, Subcommand)]
enum RenderKind {
    Kolla(Box<KollaArgs>),
}

/// Render Kolla's templates as `kolla-build --template-only --work-dir OUT` does, without Python
///
/// Writes OUT/docker on this machine, from a tree that lies here. Options not named here are set in `kolla-build.conf` (`--config`) or by `--set NAME=VALUE`.
#[derive(Debug, Args)]
pub struct KollaArgs {
    #[command(flatten)]
    tree: KollaTreeArgs,
    /// Only images whose names hold one of these regular expressions (Python's), with their parents.
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The folder to write `docker/` to.
    #[arg(short, long, value_name = "OUT", value_hint = clap::ValueHint::DirPath)]
    output: String,
    /// Print as JSON which of the rendered images is built from which, as `kolla-build --list-dependencies` does.
    #[arg(long)]
    list_dependencies: bool,
}

/// Which Kolla tree, and what it is rendered for.
#[derive(Debug, Args)]
pub struct KollaTreeArgs {
    /// The folder `kolla` of the installed package or of a checkout.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    source: PathBuf,
    /// The distribution of the base image: debian, rocky, ubuntu, or what the tree knows besides.
    #[arg(short, long, visible_alias = "base", value_name = "DISTRO")]
    base_distro: Option<String>,
    /// x86_64 or aarch64; default: this machine's.
    #[arg(long, value_name = "ARCH")]
    base_arch: Option<String>,
    /// `kolla-build.conf`.
    #[arg(long, visible_alias = "config-file", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// A file with template overrides; may be given several times.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    template_override: Vec<PathBuf>,
    /// A folder of further templates that is laid over the tree's; may be given several times.
    #[arg(short = 'D', long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    docker_dir: Vec<PathBuf>,
    /// A profile of images; may be given several times.
    #[arg(short, long, value_name = "NAME")]
    profile: Vec<String>,
    /// The base image's name.
    #[arg(long, value_name = "IMAGE")]
    base_image: Option<String>,
    /// The base image's tag.
    #[arg(long, value_name = "TAG")]
    base_tag: Option<String>,
    /// The images' tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The images' namespace.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// The registry in the images' names.
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
    /// What stands before each image's name.
    #[arg(long, value_name = "TEXT")]
    image_name_prefix: Option<String>,
    /// The release of OpenStack.
    #[arg(long, value_name = "RELEASE")]
    openstack_release: Option<String>,
    /// The release's name.
    #[arg(long, value_name = "NAME")]
    openstack_release_codename: Option<String>,
    /// A file with package repositories.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    repos_yaml: Option<PathBuf>,
    /// A folder of patches for images.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    patches_path: Option<PathBuf>,
    /// Leave out images that others are built from.
    #[arg(long)]
    skip_parents: bool,
    /// Render images too that the tree marks unbuildable.
    #[arg(long)]
    enable_unbuildable: bool,
    /// Any option of kolla-build by its name in `kolla-build.conf`; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl KollaTreeArgs {
    /// The folder.
    pub fn source(&self) -> &std::path::Path {
        &self.source
    }

    /// As the tree's reader takes them.
    pub fn options(&self, patterns: &[String]) -> Result<Options> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let flag = |flag: bool| flag.then(|| "true".to_owned());
        let mut set = BTreeMap::new();
        for (name, value) in [
            ("base", self.base_distro.clone()),
            ("base_arch", self.base_arch.clone()),
            ("base_image", self.base_image.clone()),
            ("base_tag", self.base_tag.clone()),
            ("tag", self.tag.clone()),
            ("namespace", self.namespace.clone()),
            ("registry", self.registry.clone()),
            ("image_name_prefix", self.image_name_prefix.clone()),
            ("openstack_release", self.openstack_release.clone()),
            ("openstack_release_codename", self.openstack_release_codename.clone()),
            ("repos_yaml", path(&self.repos_yaml)),
            ("patches_path", path(&self.patches_path)),
            ("skip_parents", flag(self.skip_parents)),
            ("enable_unbuildable", flag(self.enable_unbuildable)),
        ] {
            set.extend(value.map(|value| (name.to_owned(), value)));
        }
        for pair in &self.set {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                Diagnostic::local("B0032", format!("expected `NAME=VALUE` after `--set`, found `{pair}`"))
            })?;
            set.insert(name.replace('-', "_"), value.to_owned());
        }
        Ok(Options {
            set,
            config: self.config.iter().cloned().collect(),
            template_override: self.template_override.clone(),
            docker_dir: self.docker_dir.clone(),
            profiles: self.profile.clone(),
            patterns: patterns.to_vec(),
            ..of_this_machine()
        })
    }
}

pub(super) fn main(args: &RenderArgs, output: &Output) -> Result<ExitCode> {
    let RenderKind::Kolla(args) = &args.kind;
    let options = args.tree.options(&args.patterns)?;
    let rendered = ops::render_kolla(args.tree.source(), &options, std::path::Path::new(&args.output))?;
    for warning in &rendered.tree.warnings {
        output.note(&format!("warning: {warning}\n"));
    }
    let images = &rendered.tree.images;
    let count = |status| images.iter().filter(|image| image.status == status).count();
    if args.list_dependencies {
        output.data(
            &(to_json_text(&rendered.tree.dependencies(), JsonStyle { indent: Some(2), ..JsonStyle::default() })
                + "\n"),
        );
    } else {
        for image in images.iter().filter(|image| matches!(image.status, Status::Unbuildable)) {
            output.note(&format!("left out: {} ({})\n", image.name, image.why));
        }
    }
    output.note(&format!(
        "{} images rendered into {}; {} not asked for, {} skipped, {} unbuildable\n",
        count(Status::Matched),
        rendered.folder.display(),
        count(Status::Unmatched),
        count(Status::Skipped),
        count(Status::Unbuildable),
    ));
    Ok(ExitCode::Ok)
}
