//! From a folder to a [`Tree`]: what is read of a Kolla package or checkout, and in which order it is put together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::config::{Config, DEFAULT, debian_arch};
use super::files::Reader;
use super::ini::{self, Ini};
use super::layout;
use super::options::Options;
use super::python::{Py, checked_assignments};
use super::render::{Renderer, merged_overrides, override_name, parent_name, with_pip_args};
use super::repos::{Dialect, Repos, rpm_setup};
use super::select::{Wanted, link, select, unbuildable};
use super::sources::of_image;
use super::tree::{KollaImage, Status, Tree};
use crate::diag::{Diagnostic, Result, SourceMap, nearest};
use crate::value::{Key, Map, Value, insert, python_str};
use crate::yaml;

/// A package's files, as far as they are read.
struct Package {
    root: PathBuf,
    docker: PathBuf,
    config_py: Option<String>,
    users: BTreeMap<String, Map>,
    sources: BTreeMap<String, Map>,
    unbuildable: Option<Py>,
    dialect: Dialect,
    version: String,
}

/// Reads and renders a Kolla tree. `source` is the folder `kolla` of an installed package or of a checkout, or the
/// checkout itself.
pub fn load(reader: &dyn Reader, source: &Path, options: &Options) -> Result<Tree> {
    let mut warnings = Vec::new();
    let package = package(reader, source, options, &mut warnings)?;
    let mut config = configuration(reader, &package, options)?;
    let base = config.text(DEFAULT, "base")?.unwrap_or_default();
    let arch = config.text(DEFAULT, "base_arch")?.unwrap_or_default();
    let variables = variables(&package, &mut config, (&base, &arch), options)?;

    let mut folders = vec![package.docker.clone()];
    folders.extend(config.list(DEFAULT, "docker_dir")?.into_iter().map(PathBuf::from));
    folders.extend(options.docker_dir.iter().cloned());
    let mut items = layout::overlaid(reader, &folders)?;
    layout::add_apt_files(&config, &mut items)?;

    let repos = repositories(reader, &package, &config, (&base, &arch), &variables)?;
    let over = overrides(reader, &config, options)?;
    let templates = layout::templates(reader, &items)?;
    let image_templates: Vec<String> = templates
        .keys()
        .filter(|name| Path::new(name).file_name().is_some_and(|end| end == "Dockerfile.j2"))
        .cloned()
        .collect();
    if image_templates.is_empty() {
        return Err(no_tree(source).with_note(format!("no `Dockerfile.j2` in `{}`", package.docker.display())));
    }
    let renderer = Renderer::new(templates, over, &variables, repos);
    let mut images = Vec::with_capacity(image_templates.len());
    let sections = config.sections();
    for template in image_templates {
        images.push(image(&renderer, &mut config, &package, &template, &sections)?);
    }
    without_effect(&config, &mut warnings);
    images.sort_by(|a, b| a.folder.cmp(&b.folder));
    link(&mut images)?;

    let patterns = patterns(&config, options)?;
    let out = if config.truth(DEFAULT, "enable_unbuildable")? {
        BTreeSet::new()
    } else {
        unbuildable(package.unbuildable.as_ref(), &base, &arch)
    };
    let on = format!("{base} {arch}");
    let skip_parents = config.truth(DEFAULT, "skip_parents")?;
    select(&mut images, &Wanted { patterns: &patterns, unbuildable: &out, on: &on, skip_parents })?;

    let patches = config.text(DEFAULT, "patches_path")?.map(PathBuf::from);
    for image in &images {
        if image.status == Status::Matched {
            layout::add_image(reader, image, patches.as_deref(), &mut items)?;
        } else {
            layout::remove(&image.folder, &mut items);
        }
    }
    let build_args = build_args(&config)?;
    Ok(Tree {
        images,
        items: items.into_values().collect(),
        settings: config.all()?,
        places: config.places(),
        build_args,
        warnings,
    })
}

fn no_tree(source: &Path) -> Diagnostic {
    Diagnostic::task("B0030", format!("`{}` is no Kolla tree", source.display()))
        .with_hint("name the folder `kolla` of the installed package (`.../site-packages/kolla`) or of a checkout")
}

/// Finds the folders and reads what is data in them.
fn package(reader: &dyn Reader, source: &Path, options: &Options, warnings: &mut Vec<String>) -> Result<Package> {
    let is_package = |folder: &Path| -> Result<bool> {
        let names = reader.names(folder)?;
        let has = |name: &str| names.iter().any(|path| path.file_name().is_some_and(|found| found == name));
        Ok(has("common") || has("image") || has("template"))
    };
    let inner = source.join("kolla");
    let root = if !is_package(source)? && is_package(&inner)? { inner } else { source.to_path_buf() };
    // As Kolla looks: in the package, beside it, in the `share` of its environment.
    let prefix = root.join("../../../..");
    let places = [
        root.join("docker"),
        root.join("../docker"),
        prefix.join("share/kolla/docker"),
        prefix.join("local/share/kolla/docker"),
    ];
    let mut docker = None;
    for place in &places {
        let names = reader.names(place)?;
        let has_base = names.iter().any(|path| path.file_name().is_some_and(|name| name == "base"));
        if has_base || docker.is_none() && !names.is_empty() && *place == places[0] {
            docker = Some(place.clone());
        }
        if has_base {
            break;
        }
    }
    let Some(docker) = docker else {
        return Err(no_tree(source)
            .with_note("there is no folder `docker` with a folder `base` in it, beside it, or in `share/kolla`"));
    };
    let text = |path: &str| reader.text(&root.join(path));
    let config_py = text("common/config.py")?;
    let literals = |path: &str| -> Result<BTreeMap<String, Py>> {
        text(path)?.map_or_else(|| Ok(BTreeMap::new()), |text| python(&root.join(path), &text))
    };
    let mut all = match config_py.as_deref() {
        Some(text) => python(&root.join("common/config.py"), text)?,
        None => BTreeMap::new(),
    };
    all.extend(literals("common/users.py")?);
    all.extend(literals("common/sources.py")?);
    let mut sources = groups(all.get("SOURCES"));
    if let Some(found) = text("common/sources.yaml")? {
        sources = yaml_groups(&root.join("common/sources.yaml"), &found)?;
    }
    let users = groups(all.get("USERS"));
    let unbuildable = literals("image/unbuildable.py")?.remove("UNBUILDABLE_IMAGES");
    let dialect = Dialect::of(text("template/methods.py")?.as_deref());
    let version = version(reader, &root, options, warnings)?;
    Ok(Package { root, docker, config_py, users, sources, unbuildable, dialect, version })
}

/// A dictionary of dictionaries.
fn groups(py: Option<&Py>) -> BTreeMap<String, Map> {
    let Some(Py::Dict(pairs)) = py else { return BTreeMap::new() };
    let pairs = pairs.iter().filter_map(|(name, value)| match value.data()? {
        Value::Map(map) => Some((name.text()?.to_owned(), (*map).clone())),
        _ => None,
    });
    pairs.collect()
}

/// A Python file's literals.
fn python(path: &Path, text: &str) -> Result<BTreeMap<String, Py>> {
    checked_assignments(text, &BTreeMap::new()).map_err(|(line, problem)| {
        Diagnostic::task("B0030", format!("{}:{line}: {problem}", path.display()))
            .with_hint("write the value out in fewer and flatter literals, or use the file of Kolla's own release")
    })
}

fn yaml_map(path: &Path, text: &str) -> Result<Map> {
    let sources = SourceMap::new();
    let file = sources.add(path.display().to_string(), Some(path), text);
    let node = yaml::load(&sources, &file, &yaml::LoadOptions::default()).one(&file).map_err(|error| {
        Diagnostic::task("B0030", format!("`{}`: {}", path.display(), error.message))
            .with_hint("the file has to be valid YAML")
    })?;
    Ok(node.to_value().as_map().cloned().unwrap_or_default())
}

fn yaml_groups(path: &Path, text: &str) -> Result<BTreeMap<String, Map>> {
    let pairs = yaml_map(path, text)?.into_iter();
    Ok(pairs.filter_map(|(name, value)| Some((name.text().to_string(), value.as_map()?.clone()))).collect())
}

/// Kolla's own version: what the user gives (a checkout's commit), or the package's metadata.
fn version(reader: &dyn Reader, root: &Path, options: &Options, warnings: &mut Vec<String>) -> Result<String> {
    if let Some(version) = &options.version {
        return Ok(version.clone());
    }
    let beside = root.join("..");
    for path in reader.names(&beside)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let metadata = match name.strip_prefix("kolla").map(|rest| rest.trim_start_matches(['-', '.'])) {
            Some(rest) if rest.ends_with("dist-info") && rest.starts_with(|c: char| c.is_ascii_digit()) => "METADATA",
            Some(rest) if rest.ends_with("egg-info") => "PKG-INFO",
            _ => continue,
        };
        let text = reader.text(&path.join(metadata))?.unwrap_or_default();
        if let Some(version) = text.lines().find_map(|line| line.strip_prefix("Version:")) {
            return Ok(version.trim().to_owned());
        }
    }
    warnings.push(format!("`{}` does not tell Kolla's version; templates see `unknown`", root.display()));
    Ok("unknown".to_owned())
}

/// Options that would do something else than what is asked for here, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("squash", "squashed layers can neither be shared between images nor reused by the next build; build without it"),
    ("buildkit_builder", "hostctl speaks to the engine's own BuildKit; leave it out"),
    ("save_dependency", "use `hostctl image graph --kolla DIR --output dot`"),
];

/// Options of the tree with what file and user say.
fn configuration(reader: &dyn Reader, package: &Package, options: &Options) -> Result<Config> {
    let mut ini = Ini::default();
    for path in &options.config {
        let shown = path.display().to_string();
        let text =
            reader.text(path)?.ok_or_else(|| Diagnostic::task("B0031", format!("there is no file `{shown}`")))?;
        let found = ini::parse(&shown, &text)
            .map_err(|(line, problem)| Diagnostic::task("B0031", format!("{shown}:{line}: {problem}")))?;
        ini.extend(found);
    }
    let mut config = Config::new(package.config_py.as_deref(), &options.host_arch, &package.version, ini, &options.set);
    if let Some(name) = config.unknown().next() {
        return Err(
            Diagnostic::task("B0032", format!("this Kolla has no option `{name}`")).with_nearest(name, config.names())
        );
    }
    for (name, map) in &package.sources {
        config.source_group(name, Some(map));
    }
    for (name, map) in &package.users {
        config.user_group(name, Some(map));
    }
    for (name, instead) in REFUSED {
        if config.get(DEFAULT, name)?.truthy() {
            return Err(Diagnostic::task("B0036", format!("`{name}` is refused")).with_hint(*instead));
        }
    }
    later(package, &mut config)?;
    if let Some(tag) = &options.default_tag {
        config.set_default("tag", Value::from(tag.as_str()));
    }
    Ok(config)
}

/// What stands in the files and is read by nothing, once all images were looked at.
fn without_effect(config: &Config, warnings: &mut Vec<String>) {
    for (place, section, name) in config.strange() {
        let (what, group) = if section == DEFAULT {
            (format!("this Kolla has no option `{name}`"), DEFAULT)
        } else if config.is_read(&section) {
            (format!("`[{section}]` has no option `{name}`"), section.as_str())
        } else {
            warnings.push(format!(
                "{place}: `[{section}]` is no image, plugin, addition or user of this tree: `{name}` is without effect"
            ));
            continue;
        };
        let near = nearest(&name.replace('-', "_"), config.group_names(group));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        warnings.push(format!("{place}: {what}: without effect{near}"));
    }
}

/// Defaults that hang on other values (the end of Kolla's `parse`).
fn later(package: &Package, config: &mut Config) -> Result<()> {
    let base = config.text(DEFAULT, "base")?.unwrap_or_default();
    let Some(image) = config.by_base("DEFAULT_BASE_TAGS", &base) else {
        return Err(Diagnostic::task("B0032", format!("this Kolla knows no base distribution `{base}`"))
            .with_hint("`--base-distro` is debian, rocky or ubuntu, or what the tree's common/config.py lists"));
    };
    let text = |name: &str| image.get(name).cloned().unwrap_or_default();
    config.set_default("base_tag", text("tag"));
    let release = config.text(DEFAULT, "openstack_release")?.unwrap_or_default();
    let by_release = package.config_py.as_deref().is_none_or(|text| text.contains("conf.set_default('tag'"));
    if by_release {
        let base_tag = config.text(DEFAULT, "base_tag")?.unwrap_or_default();
        config.set_default("tag", Value::from(format!("{release}-{base}-{base_tag}")));
    }
    let branch = if release == "master" { release } else { format!("stable-{release}") };
    config.set_default("openstack_branch_slashed", Value::from(branch.replace('-', "/")));
    config.set_default("openstack_branch", Value::from(branch));
    let arch = config.text(DEFAULT, "base_arch")?.unwrap_or_default();
    config.set_default("debian_arch", Value::from(if arch == "aarch64" { "arm64" } else { "amd64" }));
    Ok(())
}

/// What every template sees.
fn variables(package: &Package, config: &mut Config, (base, arch): (&str, &str), options: &Options) -> Result<Map> {
    let mut map = Map::new();
    let (manager, kind) = if matches!(base, "debian" | "ubuntu") { ("apt", "deb") } else { ("dnf", "rpm") };
    for name in [
        "use_dumb_init",
        "docker_healthchecks",
        "openstack_release",
        "openstack_release_codename",
        "openstack_branch",
        "openstack_branch_slashed",
        "tag",
        "maintainer",
        "clean_package_cache",
        "patches_path",
        "repos_yaml",
    ] {
        map.insert(Key::from(name), config.get(DEFAULT, name)?);
    }
    insert(&mut map, "base_distro", base);
    insert(&mut map, "base_arch", arch);
    insert(&mut map, "debian_arch", debian_arch(arch));
    insert(&mut map, "base_distro_tag", config.get(DEFAULT, "base_tag")?);
    let image = match config.get(DEFAULT, "base_image")? {
        set if set.truthy() => set,
        _ => config.by_base("DEFAULT_BASE_TAGS", base).and_then(|image| image.get("name").cloned()).unwrap_or_default(),
    };
    insert(&mut map, "base_image", image);
    insert(&mut map, "supported_distro_name", config.by_base("DISTRO_PRETTY_NAME", base).unwrap_or_default());
    let or = |config: &Config, name: &str, default: &str| -> Result<Value> {
        Ok(config.text(DEFAULT, name)?.map_or_else(|| Value::from(default), Value::from))
    };
    insert(&mut map, "distro_package_manager", or(config, "distro_package_manager", manager)?);
    let kind = match config.text(DEFAULT, "base_package_type")? {
        Some(own) if !own.is_empty() => own,
        _ => kind.to_owned(),
    };
    insert(&mut map, "base_package_type", kind);
    insert(&mut map, "image_prefix", or(config, "image_name_prefix", "")?);
    insert(&mut map, "namespace", namespace(config)?);
    insert(&mut map, "kolla_version", package.version.as_str());
    if package.dialect == Dialect::Replaced {
        insert(&mut map, "build_date", options.today.as_str());
    }
    let rpm =
        rpm_setup(&config.list(DEFAULT, "rpm_setup_config")?).map_err(|problem| Diagnostic::task("B0032", problem))?;
    insert(&mut map, "rpm_setup", Value::List(rpm.into_iter().map(Value::from).collect::<Vec<_>>().into()));
    insert(&mut map, "users", users(config)?);
    let environment =
        options.environment.iter().map(|(name, value)| (Key::from(name.as_str()), Value::from(value.as_str())));
    insert(&mut map, "env", Value::Map(environment.collect::<Map>().into()));
    Ok(map)
}

/// Every `NAME-user` section.
fn users(config: &mut Config) -> Result<Value> {
    let mut users = Map::new();
    for section in config.sections() {
        let Some(name) = section.strip_suffix("-user") else { continue };
        if !config.has_group(&section) {
            config.user_group(&section, None);
        }
        let mut user = Map::new();
        for key in ["uid", "gid", "group"] {
            user.insert(Key::from(key), config.get(&section, key)?);
        }
        users.insert(Key::from(name), Value::Map(user.into()));
    }
    Ok(Value::Map(users.into()))
}

fn namespace(config: &Config) -> Result<String> {
    let own = config.text(DEFAULT, "namespace")?.unwrap_or_default();
    Ok(match config.text(DEFAULT, "registry")? {
        Some(registry) if !registry.is_empty() => format!("{registry}/{own}"),
        _ => own,
    })
}

fn repositories(
    reader: &dyn Reader,
    package: &Package,
    config: &Config,
    (base, arch): (&str, &str),
    variables: &Map,
) -> Result<Repos> {
    let path = package.root.join("template/repos.yaml");
    let tree = reader.text(&path)?.map(|text| yaml_map(&path, &text)).transpose()?.unwrap_or_default();
    let own = match config.text(DEFAULT, "repos_yaml")? {
        Some(own) if !own.is_empty() => {
            let text = reader.text(Path::new(&own))?;
            let text =
                text.ok_or_else(|| Diagnostic::task("B0032", format!("`repos_yaml`: there is no file `{own}`")))?;
            Some(yaml_map(Path::new(&own), &text)?)
        }
        _ => None,
    };
    let text = |name: &str| variables.get(&Key::from(name)).map(python_str).unwrap_or_default();
    let on = (&*text("base_package_type"), base, arch);
    Ok(Repos::new(package.dialect, (&tree, own.as_ref()), on, &text("openstack_release_codename")))
}

/// The template overrides as one.
fn overrides(reader: &dyn Reader, config: &Config, options: &Options) -> Result<Option<(String, String)>> {
    let mut paths: Vec<PathBuf> = config.list(DEFAULT, "template_override")?.into_iter().map(PathBuf::from).collect();
    paths.extend(options.template_override.iter().cloned());
    let Some(first) = paths.first() else { return Ok(None) };
    let name = override_name(&first.display().to_string());
    let texts = paths.iter().map(|path| {
        reader
            .text(path)?
            .ok_or_else(|| Diagnostic::task("B0033", format!("there is no template override `{}`", path.display())))
    });
    Ok(Some((name, merged_overrides(&texts.collect::<Result<Vec<_>>>()?))))
}

fn image(
    renderer: &Renderer,
    config: &mut Config,
    package: &Package,
    template: &str,
    sections: &BTreeSet<String>,
) -> Result<KollaImage> {
    let folder = Path::new(template).parent().unwrap_or(Path::new("")).to_path_buf();
    let name = folder.file_name().map_or_else(|| "docker".to_owned(), |name| name.to_string_lossy().into_owned());
    let dockerfile = renderer.dockerfile(template, &name)?;
    let pip: Vec<&str> = [
        ("pip_index_url", "PIP_INDEX_URL"),
        ("pip_trusted_host", "PIP_TRUSTED_HOST"),
        ("pip_extra_index_url", "PIP_EXTRA_INDEX_URL"),
    ]
    .into_iter()
    .filter_map(|(option, arg)| match config.get(DEFAULT, option) {
        Ok(value) => value.truthy().then_some(Ok(arg)),
        Err(error) => Some(Err(error)),
    })
    .collect::<Result<_>>()?;
    let dockerfile = with_pip_args(dockerfile, &pip);
    let (source, plugins, additions) = of_image(config, &name, sections)?;
    let (prefix, tag) = (
        config.text(DEFAULT, "image_name_prefix")?.unwrap_or_default(),
        config.text(DEFAULT, "tag")?.unwrap_or_default(),
    );
    let merged = package.dialect == Dialect::Merged;
    let labels = if merged { labels(config, &name, &tag)? } else { BTreeMap::new() };
    Ok(KollaImage {
        full_name: format!("{}/{prefix}{name}:{tag}", namespace(config)?),
        parent_name: parent_name(&dockerfile, merged),
        folder,
        dockerfile,
        parent: None,
        children: Vec::new(),
        source,
        plugins,
        additions,
        status: Status::Unmatched,
        why: String::new(),
        allowed_to_fail: config.list(DEFAULT, "allowed_to_fail")?.contains(&name),
        labels,
        name,
    })
}

fn labels(config: &Config, name: &str, tag: &str) -> Result<BTreeMap<String, String>> {
    let maintainer = config.text(DEFAULT, "maintainer")?.unwrap_or_default();
    let labels = [
        ("title", name.to_owned()),
        ("description", format!("OpenStack Kolla {name} image")),
        ("version", tag.to_owned()),
        ("authors", maintainer),
        ("url", "https://opendev.org/openstack/kolla".to_owned()),
        ("licenses", "Apache-2.0".to_owned()),
    ];
    Ok(labels.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value)).into())
}

/// The patterns: the user's, else those of the file, else those of the profiles.
fn patterns(config: &Config, options: &Options) -> Result<Vec<String>> {
    let mut patterns = options.patterns.clone();
    if patterns.is_empty() {
        patterns = config.list(DEFAULT, "regex")?;
    }
    if !patterns.is_empty() {
        return Ok(patterns);
    }
    let profiles = config.list(DEFAULT, "profile")?.into_iter().chain(options.profiles.iter().cloned());
    for profile in profiles {
        let found = config.profile(&profile)?;
        if found.is_empty() {
            return Err(Diagnostic::task("B0035", format!("the profile `{profile}` does not exist or is empty"))
                .with_nearest(&profile, config.group_names("profiles")));
        }
        patterns.extend(found);
    }
    Ok(patterns)
}

/// `build_args` and the `pip_*` options as build arguments.
fn build_args(config: &Config) -> Result<BTreeMap<String, String>> {
    let mut args = BTreeMap::new();
    for name in ["pip_index_url", "pip_trusted_host", "pip_extra_index_url"] {
        if let Some(value) = config.text(DEFAULT, name)?.filter(|value| !value.is_empty()) {
            args.insert(name.to_uppercase(), value);
        }
    }
    let own = config.get(DEFAULT, "build_args")?;
    for (name, value) in own.as_map().into_iter().flatten() {
        args.insert(name.text().to_string(), python_str(value));
    }
    Ok(args)
}
