//! Small trees in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::Reader;
use super::layout::ItemContent;
use super::load::load;
use super::options::Options;
use super::tree::{Status, Tree};
use crate::diag::Result;
use crate::system::{TreeItem, TreeKind};

/// Files by path; folders are what the paths say.
struct Memory(BTreeMap<PathBuf, String>);

fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

impl Reader for Memory {
    fn items(&self, folder: &Path) -> Result<Option<Vec<TreeItem>>> {
        let folder = clean(folder);
        let mut found = BTreeMap::new();
        for (path, text) in &self.0 {
            let Ok(below) = path.strip_prefix(&folder) else { continue };
            for parent in below.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
                found.insert(parent.to_path_buf(), TreeKind::Dir);
            }
            found.insert(below.to_path_buf(), TreeKind::File(text.len() as u64));
        }
        let items = found.into_iter().map(|(path, kind)| TreeItem { path, kind, mode: 0o644, mtime: 0 });
        let items: Vec<_> = items.collect();
        Ok((!items.is_empty()).then_some(items))
    }

    fn text(&self, file: &Path) -> Result<Option<String>> {
        Ok(self.0.get(&clean(file)).cloned())
    }

    fn names(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let items = self.items(folder)?.unwrap_or_default();
        Ok(items
            .into_iter()
            .filter(|item| item.path.components().count() == 1)
            .map(|item| folder.join(item.path))
            .collect())
    }
}

const BASE: &str = "FROM {{ base_image }}:{{ base_distro_tag }}\nLABEL v={{ kolla_version }} d=\"{{ build_date }}\"\n{% for name, user in users | dictsort %}\n{{ name }}={{ user.uid }}:{{ user.group }}\n{% endfor %}\n";
const CHILD: &str = "FROM {{ namespace }}/{{ image_prefix }}base:{{ tag }}\nRUN {{ image_name }}\n";

fn small() -> BTreeMap<PathBuf, String> {
    [
        ("k/kolla/docker/base/Dockerfile.j2", BASE),
        ("k/kolla/docker/base/start.sh", "x"),
        ("k/kolla/docker/nova/nova-api/Dockerfile.j2", CHILD),
        ("k/kolla/docker/tgtd/Dockerfile.j2", CHILD),
        ("k/kolla/docker/macros.j2", ""),
        ("k/kolla/template/repos.yaml", "deb: {}\n"),
        ("k/kolla/common/sources.yaml", "nova-api:\n  type: url\n  version: 1.2\n  location: $tarballs_base/nova-${version}-${debian_arch}.tar.gz\n  sha256:\n    amd64: abc\nnova-api-plugin-b:\n  type: git\n  location: https://x\n  reference: main\nnova-api-additions-a:\n  type: local\n  location: here\n  enabled: false\n"),
        ("k/kolla/common/users.py", "USERS = {\n    'nova-user': {'uid': 5, 'gid': 6},\n}\n"),
        ("k/kolla/image/unbuildable.py", "UNBUILDABLE_IMAGES = {'debian+aarch64': {'tgtd'}}\n"),
        ("k/kolla-9.1.dist-info/METADATA", "Name: kolla\nVersion: 9.1\n"),
    ]
    .map(|(path, text)| (path.into(), text.to_owned()))
    .into()
}

fn read(files: BTreeMap<PathBuf, String>, change: impl FnOnce(&mut Options)) -> Result<Tree> {
    let mut options = Options {
        set: [("base".to_owned(), "debian".to_owned())].into(),
        host_arch: "x86_64".to_owned(),
        today: "20260102".to_owned(),
        ..Options::default()
    };
    change(&mut options);
    load(&Memory(files), Path::new("k/kolla"), &options)
}

fn dockerfile<'a>(tree: &'a Tree, name: &str) -> &'a str {
    tree.images[tree.find(name).unwrap()].dockerfile.as_str()
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.items.iter().map(|item| item.path.display().to_string()).collect()
}

#[test]
fn a_tree_of_data_alone_is_rendered_as_kolla_23_would() {
    let tree = read(small(), |_| {}).unwrap();
    assert_eq!(dockerfile(&tree, "base"), "FROM debian:trixie\nLABEL v=9.1 d=\"\"\n\nnova=5:nova\n");
    assert_eq!(dockerfile(&tree, "nova-api"), "FROM kolla/base:2026.2-debian-trixie\nRUN nova-api");
    let nova = &tree.images[tree.find("nova-api").unwrap()];
    assert_eq!(nova.full_name, "kolla/nova-api:2026.2-debian-trixie");
    assert_eq!(nova.parent, tree.find("base"));
    let source = nova.source.as_ref().unwrap();
    assert_eq!(source.location, "https://tarballs.opendev.org/nova-1.2-amd64.tar.gz");
    assert_eq!(source.sha256["amd64"], "abc");
    assert_eq!(
        (nova.plugins[0].name.as_str(), nova.plugins[0].reference.as_deref()),
        ("nova-api-plugin-b", Some("main"))
    );
    assert_eq!((nova.additions[0].name.as_str(), nova.additions[0].enabled), ("nova-api-additions-a", false));
    assert_eq!(nova.labels["org.opencontainers.image.title"], "nova-api");
    assert!(tree.warnings.is_empty(), "{:?}", tree.warnings);
    let paths = paths(&tree);
    for path in
        ["base/start.sh", "nova/nova-api/Dockerfile", "nova/nova-api/Dockerfile.j2", "tgtd/patches", "macros.j2"]
    {
        assert!(paths.contains(&path.to_owned()), "{path}: {paths:?}");
    }
    let context: Vec<_> = tree.context(nova).map(|item| item.path.display().to_string()).collect();
    assert_eq!(context, ["nova/nova-api/Dockerfile", "nova/nova-api/Dockerfile.j2", "nova/nova-api/patches"]);
    let edges = crate::value::python_repr(&tree.dependencies());
    assert_eq!(edges, "{'base': ['nova-api', 'tgtd']}");
}

#[test]
fn what_is_left_out_leaves_no_folder() {
    let tree = read(small(), |options| {
        options.set.insert("base_arch".to_owned(), "aarch64".to_owned());
    })
    .unwrap();
    let out = &tree.images[tree.find("tgtd").unwrap()];
    assert_eq!((out.status, out.why.as_str()), (Status::Unbuildable, "Kolla marks it unbuildable on debian aarch64"));
    assert!(!paths(&tree).iter().any(|path| path.starts_with("tgtd")));
    let mut tree = read(small(), |options| options.patterns = vec!["^nova".to_owned()]).unwrap();
    let paths = paths(&tree);
    assert!(paths.contains(&"base/Dockerfile".to_owned()) && !paths.contains(&"tgtd/Dockerfile.j2".to_owned()));
    tree.skip_existing(&|name| name.contains("/base:"));
    assert_eq!(tree.images[tree.find("base").unwrap()].status, Status::Skipped);
}

#[test]
fn an_older_tree_is_read_from_python_and_from_share() {
    let mut files = small();
    let docker: Vec<_> = files.keys().filter(|path| path.starts_with("k/kolla/docker")).cloned().collect();
    for path in docker {
        let text = files.remove(&path).unwrap();
        files.insert(Path::new("v/share/kolla/docker").join(path.strip_prefix("k/kolla/docker").unwrap()), text);
    }
    let moved = files.into_iter().map(|(path, text)| match path.strip_prefix("k") {
        Ok(below) => (Path::new("v/lib/python3/site-packages").join(below), text),
        Err(_) => (path, text),
    });
    let mut files: BTreeMap<PathBuf, String> = moved.collect();
    let package = Path::new("v/lib/python3/site-packages/kolla");
    files.remove(&package.join("common/sources.yaml"));
    files.insert(
        package.join("common/sources.py"),
        "SOURCES = {'nova-api': {'type': 'url', 'location': ('a/' 'b')}}\n".into(),
    );
    files.insert(package.join("template/methods.py"), "def handle_repos(context): pass\n".into());
    files.insert(
        package.join("common/config.py"),
        "_CLI_OPTS = [cfg.StrOpt('base', default='debian'), cfg.StrOpt('base-tag'), cfg.StrOpt('tag', default=version.cached_version_string()), cfg.StrOpt('namespace', default='old'), cfg.StrOpt('registry')]\n".into(),
    );
    let options = Options {
        set: [("registry".to_owned(), "r:1".to_owned())].into(),
        today: "20260102".to_owned(),
        ..Options::default()
    };
    let tree = load(&Memory(files), package, &options).unwrap();
    assert!(dockerfile(&tree, "base").starts_with("FROM debian:trixie\nLABEL v=9.1 d=\"20260102\"\n"));
    let nova = &tree.images[tree.find("nova-api").unwrap()];
    assert_eq!(nova.full_name, "r:1/old/nova-api:9.1");
    assert_eq!(nova.source.as_ref().unwrap().location, "a/b");
    assert!(nova.labels.is_empty());
}

#[test]
fn overlays_patches_and_files_of_the_user_are_laid_over() {
    let mut files = small();
    for (path, text) in [
        ("extra/base/start.sh", "mine"),
        ("extra/mine/Dockerfile.j2", CHILD),
        ("patches/base/series", "# c\na.patch\nb.patch\n../../etc\n"),
        ("patches/base/a.patch", "p"),
        ("list", "deb"),
        (
            "k.conf",
            "[DEFAULT]\napt_sources_list = list\npatches_path = patches\npip_index_url = http://p\nallowed_to_fail = mine\nbuild_args = A:b\nodd-name = 1\n",
        ),
    ] {
        files.insert(path.into(), text.to_owned());
    }
    let tree = read(files, |options| {
        options.docker_dir = vec!["extra".into()];
        options.config = vec!["k.conf".into()];
    })
    .unwrap();
    let from = |path: &str| match &tree.items.iter().find(|item| item.path == Path::new(path)).unwrap().content {
        ItemContent::CopyOf(from) => from.display().to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(from("base/start.sh"), "extra/base/start.sh");
    assert_eq!(from("base/sources.list"), "list");
    assert_eq!(from("base/patches/a.patch"), "patches/base/a.patch");
    assert!(!paths(&tree).iter().any(|path| path.contains("b.patch") || path.contains("etc")));
    assert!(dockerfile(&tree, "base").starts_with("FROM debian:trixie\nARG PIP_INDEX_URL\n"));
    assert!(tree.images[tree.find("mine").unwrap()].allowed_to_fail);
    assert_eq!(
        tree.build_args.into_iter().collect::<Vec<_>>(),
        [("A".into(), "b".into()), ("PIP_INDEX_URL".into(), "http://p".into())]
    );
    assert_eq!(tree.warnings, ["k.conf:7: this Kolla has no option `odd-name`: without effect"]);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let code = |change: fn(&mut Options)| read(small(), change).unwrap_err().code.clone();
    assert_eq!(code(|options| drop(options.set.insert("squash".into(), "yes".into()))), "B0036");
    assert_eq!(code(|options| drop(options.set.insert("bose".into(), "x".into()))), "B0032");
    assert_eq!(code(|options| drop(options.set.insert("base".into(), "suse".into()))), "B0032");
    assert_eq!(code(|options| options.config = vec!["none.conf".into()]), "B0031");
    assert_eq!(code(|options| options.profiles = vec!["none".into()]), "B0035");
    assert_eq!(code(|options| options.template_override = vec!["none".into()]), "B0033");
    assert_eq!(code(|options| options.docker_dir = vec!["none".into()]), "B0030");
    assert_eq!(load(&Memory(BTreeMap::new()), Path::new("k"), &Options::default()).unwrap_err().code, "B0030");
}
