//! `hostctl deps` with real git repositories, archives and folders; the same by ansible-galaxy where it is there
//! (`HOSTCTL_ORACLE` names ansible's program, as in the tests of modules).

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A home, a folder to work in, and a folder with repositories.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("hostctl-deps-test-").tempdir().unwrap();
        for name in ["home", "work", "repos"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let world = Self { folder };
        let config = format!(
            "[user]\n name = T\n email = t@example.invalid\n[init]\n defaultBranch = main\n[safe]\n directory = *\n\
             [url \"file://{}/\"]\n insteadOf = https://git.invalid/\n",
            world.at("repos").display()
        );
        std::fs::write(world.at("home/.gitconfig"), config).unwrap();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.at("work")).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.at("home"));
        command.env("LANG", "C.UTF-8").env("COLUMNS", "200");
        command.env("ANSIBLE_ROLES_PATH", self.at("roles")).env("ANSIBLE_COLLECTIONS_PATH", self.at("cols"));
        command
    }

    fn hostctl(&self, arguments: &str) -> Output {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_hostctl")));
        command.args(arguments.split_whitespace()).output().unwrap()
    }

    /// Standard output of a command that must end well.
    fn good(&self, arguments: &str) -> String {
        let output = self.hostctl(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hostctl {arguments}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that must end with a code.
    fn bad(&self, arguments: &str, code: i32) -> String {
        let output = self.hostctl(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "hostctl {arguments}: {errors}");
        errors
    }

    fn git(&self, repository: &str, arguments: &[&str]) -> String {
        let dir = self.at("repos").join(repository);
        std::fs::create_dir_all(&dir).unwrap();
        let output = self.command(Path::new("git")).current_dir(&dir).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits files into a repository, made if it is not there; gives the commit.
    fn commit(&self, repository: &str, files: &[(&str, &str)]) -> String {
        if !self.at("repos").join(repository).join(".git").exists() {
            self.git(repository, &["init", "--quiet"]);
        }
        for (name, text) in files {
            self.write(&format!("repos/{repository}/{name}"), text);
        }
        self.git(repository, &["add", "-A"]);
        self.git(repository, &["commit", "--quiet", "-m", "x"]);
        self.git(repository, &["rev-parse", "HEAD"])
    }

    fn address(&self, repository: &str) -> String {
        format!("git+file://{}/{repository}", self.at("repos").display())
    }

    fn require(&self, text: &str) {
        self.write("work/requirements.yml", text);
    }

    /// Two roles, one of which needs the other, and two collections in one repository.
    fn usual(&self) -> (String, String) {
        let common =
            self.commit("common", &[("meta/main.yml", "{}"), ("tasks/main.yml", "- debug: {msg: common one}\n")]);
        let needs = format!("dependencies:\n- {{src: {}, version: main}}\n- plain\n", self.address("common"));
        let nginx =
            self.commit("nginx", &[("meta/main.yml", &needs), ("tasks/main.yml", "- debug: {msg: nginx one}\n")]);
        self.git("nginx", &["tag", "v1"]);
        self.commit("nginx", &[("tasks/main.yml", "- debug: {msg: nginx two}\n")]);
        self.commit(
            "cols",
            &[
                ("one/galaxy.yml", &galaxy("one", "0.1.0", "{ns.two: '>=1.0.0,<2.0.0'}")),
                ("one/roles/r/tasks/main.yml", "- debug: {msg: role of ns.one}\n"),
                ("two/galaxy.yml", &galaxy("two", "1.2.0", "{}")),
                ("two/README.md", "x"),
            ],
        );
        let cols = self.address("cols");
        self.require(&format!(
            "roles:\n- {{src: {}, version: v1}}\ncollections:\n- {cols}#/one,main\n- {{name: {cols}#/two, version: main, type: git}}\n",
            self.address("nginx"),
        ));
        (common, nginx)
    }
}

fn galaxy(name: &str, version: &str, dependencies: &str) -> String {
    format!(
        "namespace: ns\nname: {name}\nversion: {version}\nreadme: README.md\nauthors: [T]\ndependencies: {dependencies}\n\
         tags: [é]\n"
    )
}

/// Every path below a folder with its kind, mode and content; what differs by its nature is left out.
fn tree(top: &Path) -> BTreeMap<String, String> {
    fn walk(top: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().display().to_string();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            let line = if meta.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if meta.is_dir() {
                walk(top, &path, found);
                "folder".to_owned()
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = match path.file_name().unwrap().to_str().unwrap() {
                    // A date.
                    ".galaxy_install_info" => text.lines().filter(|line| line.starts_with("version")).collect(),
                    // In the order of the disk, and with its checksum.
                    "FILES.json" => {
                        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
                        let files = json["files"].as_array_mut().unwrap();
                        files.sort_by_key(|file| file["name"].as_str().unwrap().to_owned());
                        json.to_string()
                    }
                    "MANIFEST.json" => {
                        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
                        json["file_manifest_file"]["chksum_sha256"] = "".into();
                        json.to_string()
                    }
                    _ => text,
                };
                format!("{:o} {text}", meta.mode() & 0o7777)
            };
            found.insert(name, line);
        }
    }
    let mut found = BTreeMap::new();
    walk(top, top, &mut found);
    found
}

#[test]
fn what_git_has_is_installed_pinned_and_found_by_playbooks() {
    let world = World::new();
    let (common, nginx) = world.usual();
    let out = world.good("deps install");
    assert_eq!(out.matches("installed ").count(), 4, "{out}");
    let lock = world.read("work/requirements.yml.lock");
    for part in
        ["version: 1\n", &common, &nginx, "requested: v1", "role common: '*'", "collection ns.two: '>=1.0.0,<2.0.0'"]
    {
        assert!(lock.contains(part), "{part} not in {lock}");
    }
    let play =
        "- hosts: localhost\n  gather_facts: false\n  roles: [nginx]\n  tasks:\n  - import_role: {name: ns.one.r}\n";
    world.write("work/site.yml", play);
    world.write("roles/plain/tasks/main.yml", "- debug: {msg: plain}\n");
    let run = world.good("run site.yml -vv --output jsonl");
    for text in ["nginx one", "common one", "role of ns.one"] {
        assert!(run.contains(text), "{text} not in {run}");
    }
    // Nothing is asked of anybody when all is there.
    std::fs::rename(world.at("repos"), world.at("gone")).unwrap();
    let again = world.good("deps install --locked");
    assert_eq!(again.matches("present ").count(), 4, "{again}");
    assert!(!world.good("deps install").contains("pinned in"));
}

#[test]
fn the_lock_holds_until_it_is_renewed() {
    let world = World::new();
    let (common, _) = world.usual();
    world.good("deps install");
    let second = world.commit("common", &[("tasks/main.yml", "- debug: {msg: common two}\n")]);
    world.good("deps install");
    assert!(world.read("roles/common/tasks/main.yml").contains("common one"));
    // On another machine the lock gives the same.
    std::fs::remove_dir_all(world.at("roles")).unwrap();
    world.good("deps install --locked");
    assert!(world.read("roles/common/tasks/main.yml").contains("common one"));
    assert!(world.bad("deps update comon", 5).contains("did you mean `common`?"));
    let out = world.good("deps update common");
    assert!(out.contains("replaced  role common") && out.contains("present   role nginx"), "{out}");
    assert!(world.read("roles/common/tasks/main.yml").contains("common two"));
    let lock = world.read("work/requirements.yml.lock");
    assert!(lock.contains(&second) && !lock.contains(&common), "{lock}");
    // A commit that no branch reaches any more is still fetched, as the lock pins it.
    world.git("common", &["reset", "--quiet", "--hard", "HEAD~1"]);
    std::fs::remove_dir_all(world.at("roles")).unwrap();
    world.good("deps install --locked");
    assert!(world.read("roles/common/tasks/main.yml").contains("common two"));
}

#[test]
fn a_lock_that_does_not_fit_is_refused() {
    let world = World::new();
    world.usual();
    assert!(world.bad("deps install --locked", 4).contains("there is no lock file"));
    world.good("deps install");
    let text = world.read("work/requirements.yml");
    world.require(&text.replace("version: v1", "version: main"));
    let errors = world.bad("deps install --locked", 4);
    assert!(
        errors.contains("D0502") && errors.contains("requirements.yml:2:") && errors.contains("`nginx` is not pinned"),
        "{errors}"
    );
    assert!(world.read("roles/nginx/tasks/main.yml").contains("nginx one"), "something was installed");
    world.require(&text.replace("#/two", "#/none"));
    let errors = world.bad("deps install", 1);
    assert!(errors.contains("the repository has no folder `none`"), "{errors}");
    // A requirement less.
    world.require(&text.lines().take(2).collect::<Vec<_>>().join("\n"));
    let errors = world.bad("deps install --locked", 4);
    assert!(errors.contains("nothing asks for the collection `ns.one`"), "{errors}");
    world.good("deps install");
    assert!(!world.read("work/requirements.yml.lock").contains("collections"));
    let lock = world.read("work/requirements.yml.lock");
    world.write("work/requirements.yml.lock", &lock.replace("version: 1\n", "version: 7\n"));
    assert!(world.bad("deps install", 4).contains("the lock file has the format 7"));
    let commit = regex::Regex::new("commit: [0-9a-f]{40}").unwrap();
    world.write("work/requirements.yml.lock", &commit.replace(&lock, "commit: --upload-pack=x"));
    assert!(world.bad("deps install", 4).contains("D0501"));
}

#[test]
fn a_lock_that_leads_out_is_refused() {
    let world = World::new();
    let commit = world.commit("common", &[("meta/main.yml", "{}")]);
    let source = world.address("common");
    world.require(&format!("- {{src: {source}, name: common}}\n"));
    let lock = |name: &str, sort: &str, source: &str| {
        let text = format!(
            "version: 1\nroles:\n- {{name: common, source: '{source}', commit: {commit}, requires: {{{sort} {name}: '*'}}}}\n"
        );
        let entry = format!("- {{name: {name}, source: '{source}', commit: {commit}}}\n");
        let head = if sort == "role" { "" } else { "collections:\n" };
        world.write("work/requirements.yml.lock", &format!("{text}{head}{entry}"));
    };
    for name in ["../../out", "/tmp/out", ".hidden", "a/../../out", "common"] {
        lock(name, "role", &source);
        let errors = world.bad("deps install --force", 4);
        assert!(errors.contains("D0501") && errors.contains("requirements.yml.lock:4:3"), "{errors}");
    }
    lock("../../out.x", "collection", &source);
    assert!(world.bad("deps install --force", 4).contains("is no name for a collection"));
    lock("ns.c", "collection", &format!("{source}#/../../../common"));
    assert!(world.bad("deps install --force", 4).contains("is no folder of a repository"));
    assert!(!world.at("out").exists() && !world.at("roles/common").exists());
}

#[test]
fn what_never_ends_is_not_waited_for() {
    let world = World::new();
    world.commit("common", &[("meta/main.yml", "{}")]);
    // Files that include each other many times over.
    world.require(&"- include: requirements.yml\n".repeat(12));
    let errors = world.bad("deps install", 4);
    assert!(errors.matches("include each other too deeply").count() == 1, "{errors}");
    world.write("work/b.yml", "[]\n");
    world.require(&"- include: b.yml\n".repeat(300));
    let errors = world.bad("deps install", 4);
    assert!(errors.matches("more than 200 requirements files are included").count() == 1, "{errors}");
    // A FIFO in the place of the lock that two of us meet at.
    world.require(&format!("- {{src: {}, name: common}}\n", world.address("common")));
    std::fs::create_dir_all(world.at("roles/.hostctl-deps")).unwrap();
    let made = Command::new("mkfifo").arg(world.at("roles/.hostctl-deps/lock")).status().unwrap();
    assert!(made.success() && world.bad("deps install", 1).contains("D0602"));
}

#[test]
fn what_others_made_is_not_lost() {
    let world = World::new();
    world.usual();
    world.write("roles/nginx/tasks/main.yml", "mine");
    let errors = world.bad("deps install", 1);
    assert!(errors.contains("D0601") && errors.contains("was not made by hostctl"), "{errors}");
    assert_eq!(world.read("roles/nginx/tasks/main.yml"), "mine");
    assert!(!world.at("roles/common").exists() && !world.at("cols/ansible_collections").exists());
    world.good("deps install --force");
    assert!(world.read("roles/nginx/tasks/main.yml").contains("nginx one"));
    world.write("roles/common/tasks/new.yml", "mine");
    assert!(world.bad("deps install", 1).contains("was changed since hostctl installed it"));
    world.good("deps install --force");
    assert!(!world.at("roles/common/tasks/new.yml").exists());
    // The same content is taken over, whoever put it there.
    std::fs::remove_dir_all(world.at("roles/.hostctl-deps")).unwrap();
    world.good("deps install");
    assert!(world.at("roles/.hostctl-deps/role-nginx.json").exists());
    let left: Vec<_> =
        std::fs::read_dir(world.at("roles/.hostctl-deps")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn what_only_a_server_has_is_one_error_with_every_place() {
    let world = World::new();
    world.commit("r", &[("meta/main.yml", "dependencies:\n- geerlingguy.java\n- role: plain\n- ns.col.role\n")]);
    world.commit("c", &[("galaxy.yml", &galaxy("c", "1.0.0", "{community.general: '>=9.0.0'}"))]);
    world.require(&format!(
        "roles:\n- geerlingguy.docker\n- {{src: {}, name: r}}\ncollections:\n- name: ansible.posix\n  version: '>=1.0.0'\n- {}\n",
        world.address("r"),
        world.address("c"),
    ));
    let errors = world.bad("deps install", 4);
    for part in [
        "`ansible.posix`, `community.general`, `geerlingguy.docker`, `geerlingguy.java` have no sources but a Galaxy server",
        "requirements.yml:2:3",
        "role r: meta/main.yml:2:3",
        "needed by collection ns.c, version `>=9.0.0`",
        "git+https://HOST/REPO.git",
    ] {
        assert!(errors.contains(part), "{part} not in {errors}");
    }
    assert_eq!(errors.matches("error[").count(), 1, "{errors}");
    assert!(!errors.contains("plain") && !errors.contains("ns.col.role"));
    // What is in the folders that playbooks search is taken from there.
    for name in ["geerlingguy.docker", "geerlingguy.java"] {
        world.write(&format!("roles/{name}/tasks/main.yml"), "[]");
    }
    for (namespace, name, version) in [("ansible", "posix", "1.5.0"), ("community", "general", "8.0.0")] {
        let manifest = format!("{{\"collection_info\": {{\"version\": \"{version}\"}}}}");
        world.write(&format!("cols/ansible_collections/{namespace}/{name}/MANIFEST.json"), &manifest);
    }
    let errors = world.bad("deps install", 4);
    assert!(errors.contains("`community.general` is 8.0.0, which does not fit `>=9.0.0`"), "{errors}");
    world.write(
        "cols/ansible_collections/community/general/MANIFEST.json",
        "{\"collection_info\": {\"version\": \"9.1.0\"}}",
    );
    let out = world.good("deps install");
    assert_eq!((out.matches("found ").count(), out.matches("installed ").count()), (4, 2), "{out}");
    world.good("deps install --locked");
    world.write(
        "cols/ansible_collections/community/general/MANIFEST.json",
        "{\"collection_info\": {\"version\": \"9.2.0\"}}",
    );
    world.bad("deps install --locked", 4);
    assert!(world.good("deps install --no-deps").contains("found     role geerlingguy.docker"));
}

#[test]
fn credentials_are_shown_nowhere() {
    let world = World::new();
    world.commit("common", &[("meta/main.yml", "{}")]);
    let secrets = ["tok-en-0123456789", "pass-w0rd%21"];
    world.require(&format!(
        "- {{src: 'git+https://robot:{}@git.invalid/common', name: one}}\n- git+https://{}@git.invalid/common,main,two\n",
        secrets[1], secrets[0]
    ));
    let hidden = |text: &str| {
        for secret in secrets.into_iter().chain(["pass-w0rd!"]) {
            assert!(!text.contains(secret), "{text}");
        }
    };
    let output = world.hostctl("deps install");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    hidden(&String::from_utf8_lossy(&output.stdout));
    hidden(&String::from_utf8_lossy(&output.stderr));
    hidden(&world.read("work/requirements.yml.lock"));
    hidden(&world.read("roles/.hostctl-deps/role-one.json"));
    assert!(world.read("work/requirements.yml.lock").contains("source: 'git+https://git.invalid/common'"));
    // Also not in a frame around the line, and not in what git says.
    let text = world.read("work/requirements.yml").replace("/common", "/nothing");
    world.require(&text);
    let errors = world.bad("deps install", 1);
    assert!(errors.contains("D0201") && errors.contains("requirements.yml:1:"), "{errors}");
    hidden(&errors);
    world.require(&format!("{text}  broken: [\n"));
    hidden(&world.bad("deps install", 4));
    // Where git would not take them for credentials.
    for source in [
        "git+robot:tok-en-0123456789@git.invalid:common",
        "git+https://git.invalid/common?private_token=tok-en-0123456789",
    ] {
        world.require(&format!("- {{src: '{source}', name: three}}\n"));
        let errors = world.bad("deps install", 4);
        assert!(errors.contains("D0004"), "{errors}");
        hidden(&errors);
    }
    for source in ["HTTPS://tok-en-0123456789@git.invalid/common", "https::https://tok-en-0123456789@git.invalid/x"] {
        world.require(&format!("- {{src: '{source}', scm: git, name: three}}\n"));
        let output = world.hostctl("deps install");
        hidden(&String::from_utf8_lossy(&output.stderr));
        hidden(&world.read("work/requirements.yml.lock"));
    }
    world.require("- {src: 'git+ext::sh -c id', name: x}\n");
    assert!(world.bad("deps install", 4).contains("they run what the address says"));
}

/// Packs files and links by their names, as a hostile hand would.
fn pack(path: &Path, files: &[(&str, &str)], links: &[(&str, &str)]) {
    let gzip = flate2::write::GzEncoder::new(std::fs::File::create(path).unwrap(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    for (name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
}

#[test]
fn archives_and_folders_are_sources_too() {
    let world = World::new();
    let role = [("r-1/meta/main.yml", "{}"), ("r-1/tasks/main.yml", "[]")];
    pack(&world.at("work/r.tar.gz"), &role, &[("r-1/files/link", "../tasks/main.yml")]);
    world.write("work/local/tasks/main.yml", "[]");
    world.write("work/local/.git/config", "x");
    world.write("work/ns/three/galaxy.yml", &galaxy("three", "1.0.0", "{}"));
    world.write("work/more.yml", "- {src: ./local, name: local}\n");
    world.require(
        "roles: [{src: r.tar.gz, name: r}, {include: more.yml}]\ncollections: [{source: ns, type: subdirs}]\n",
    );
    let out = world.good("deps install -p roles-here --collections-path cols-here");
    assert_eq!(out.matches("installed ").count(), 3, "{out}");
    assert!(world.at("work/roles-here/r/files/link").is_symlink());
    assert!(!world.at("work/roles-here/local/.git").exists());
    assert!(world.at("work/cols-here/ansible_collections/ns/three/MANIFEST.json").exists());
    let again = "deps install --locked -p roles-here --collections-path cols-here";
    assert_eq!(world.good(again).matches("present ").count(), 3);
    world.write("work/local/tasks/main.yml", "- ping:\n");
    assert!(world.bad(again, 4).contains("D0503"));
    let out = world.good("deps install -p roles-here --collections-path cols-here");
    assert!(out.contains("replaced  role local"), "{out}");
    // `requirements.yml` may stand elsewhere; its paths are found from there.
    std::fs::create_dir(world.at("work/deep")).unwrap();
    for name in ["r.tar.gz", "local", "ns", "more.yml", "requirements.yml"] {
        std::fs::rename(world.at("work").join(name), world.at("work/deep").join(name)).unwrap();
    }
    let out = world.good("deps install -r deep/requirements.yml -p other --collections-path other --output jsonl");
    assert!(out.lines().all(|line| line.contains("\"outcome\":\"installed\"")) && out.lines().count() == 3, "{out}");
    assert!(world.at("work/deep/requirements.yml.lock").exists());
}

#[test]
fn hostile_content_is_refused_whole() {
    let world = World::new();
    let meta = ("r/meta/main.yml", "{}");
    let out = world.at("out").display().to_string();
    for (files, links) in [
        (vec![meta, ("r/../../../../out", "x")], vec![]),
        (vec![meta], vec![("r/files/x", out.as_str())]),
        (vec![meta], vec![("r/files/x", "../../y")]),
        (vec![meta], vec![("r/d/x", "../e/f"), ("r/l", "d/x/../../..")]),
    ] {
        pack(&world.at("work/r.tar.gz"), &files, &links);
        world.require("- {src: r.tar.gz, name: r}\n");
        let errors = world.bad("deps install", 1);
        assert!(errors.contains("D0302"), "{errors}");
        assert!(!world.at("roles/r").exists() && !world.at("out").exists());
    }
    // A link in a repository that leads out.
    world.commit("c", &[("galaxy.yml", &galaxy("c", "1.0.0", "{}"))]);
    std::os::unix::fs::symlink("/etc/passwd", world.at("repos/c/passwd")).unwrap();
    world.commit("c", &[]);
    world.require(&format!("collections: ['{}']\n", world.address("c")));
    let errors = world.bad("deps install", 1);
    assert!(errors.contains("D0302") && errors.contains("/etc/passwd"), "{errors}");
    assert!(!world.at("cols/ansible_collections").exists());
    // An archive whose manifest has other checksums.
    pack(
        &world.at("work/c.tar.gz"),
        &[
            (
                "MANIFEST.json",
                "{\"collection_info\": {\"namespace\": \"ns\", \"name\": \"c\", \"version\": \"1.0.0\"}}",
            ),
            ("FILES.json", "{\"files\": [{\"name\": \"a\", \"ftype\": \"file\", \"chksum_sha256\": \"00\"}]}"),
            ("a", "x"),
        ],
        &[],
    );
    world.require("collections: [{name: c.tar.gz, type: file}]\n");
    assert!(world.bad("deps install", 1).contains("the checksum of `a` is another"));
    world.require(&format!("- {{src: {}, version: --help, name: x}}\n", world.address("c")));
    assert!(world.bad("deps install", 1).contains("no tag, branch or commit `--help`"));
    world.require("- {src: 'git+--upload-pack=touch out', name: x}\n");
    world.bad("deps install", 1);
    assert!(!world.at("work/out").exists());
}

#[test]
fn names_that_meet_are_told() {
    let world = World::new();
    world.usual();
    world.commit("other", &[("meta/main.yml", "{}"), ("tasks/main.yml", "- debug: {msg: other}\n")]);
    let (nginx, other) = (world.address("nginx"), world.address("other"));
    world.require(&format!("- {{src: {nginx}, name: a}}\n- {{src: {other}, name: a}}\n"));
    assert!(world.bad("deps install", 4).contains("the role `a` is asked for in two ways"));
    // What the file names itself goes before what something depends on.
    world.require(&format!("- {{src: {nginx}, version: v1}}\n- {{src: {other}, name: common}}\n"));
    let output = world.hostctl("deps install");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning[D0401]"));
    assert!(world.read("roles/common/tasks/main.yml").contains("other"));
    world.commit("cols", &[("two/galaxy.yml", &galaxy("two", "2.0.0", "{}"))]);
    world.require(&format!("collections: ['{0}#/one', '{0}#/two']\n", world.address("cols")));
    let errors = world.bad("deps install", 4);
    assert!(errors.contains("`ns.two` is 2.0.0, which does not fit `>=1.0.0,<2.0.0`"), "{errors}");
}

/// ansible-galaxy, if ansible is there.
fn galaxy_program() -> Option<PathBuf> {
    let program = std::env::var_os("HOSTCTL_ORACLE").map(PathBuf::from)?.with_file_name("ansible-galaxy");
    program.exists().then_some(program)
}

#[test]
fn oracle_installs_the_same() {
    let Some(program) = galaxy_program() else {
        println!("skipped: HOSTCTL_ORACLE does not name ansible's program");
        return;
    };
    let world = World::new();
    let by_galaxy = |arguments: &[&str]| {
        let mut command = world.command(&program);
        command.env("ANSIBLE_ROLES_PATH", world.at("roles-g")).env("ANSIBLE_COLLECTIONS_PATH", world.at("cols-g"));
        // No server is to be asked.
        command.env("ANSIBLE_GALAXY_SERVER", "http://127.0.0.1:9/");
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Roles: by tag, by branch, at the head, with a dependency; with links, programs and left-out files.
    world.usual();
    world.commit(
        "links",
        &[
            ("meta/main.yml", "{}"),
            ("files/run", "#!/bin/sh\n"),
            (".gitattributes", "left export-ignore\n"),
            ("left", "x"),
        ],
    );
    std::fs::set_permissions(world.at("repos/links/files/run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("files/run", world.at("repos/links/go")).unwrap();
    std::os::unix::fs::symlink("../meta", world.at("repos/links/files/meta")).unwrap();
    world.commit("links", &[]);
    world.git("links", &["checkout", "--quiet", "-b", "side"]);
    world.commit("links", &[("side", "é")]);
    world.git("links", &["checkout", "--quiet", "main"]);
    let repo = world.at("repos/links");
    let archive = |prefix: &str, to: &str| {
        let to = world.at(to).display().to_string();
        world.git("links", &["archive", "--format=tar.gz", &format!("--prefix={prefix}"), "-o", &to, "main"]);
    };
    archive("links-1.0/", "work/links.tar.gz");
    archive("", "work/flat.tar.gz");
    let (nginx, links, cols) = (world.address("nginx"), world.address("links"), world.address("cols"));
    // Collections: a folder of a repository, a whole one, several in one, a folder, an archive.
    world.commit(
        "whole",
        &[
            (
                "galaxy.yml",
                &format!(
                    "{}build_ignore: ['*.bak', docs/private]\nlicense: MIT\nissues: https://x.invalid\nrepository:\n",
                    galaxy("whole", "3.0.0-rc.1", "{}")
                ),
            ),
            ("plugins/modules/x.py", "x"),
            ("a.bak", "x"),
            ("docs/private/x", "x"),
            ("docs/public/x", "x"),
            ("tests/output/x", "x"),
            (".gitignore", "x.log"),
            ("run.sh", "#!/bin/sh"),
        ],
    );
    std::fs::set_permissions(world.at("repos/whole/run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("public", world.at("repos/whole/docs/link")).unwrap();
    std::os::unix::fs::symlink("../run.sh", world.at("repos/whole/docs/run")).unwrap();
    world.commit("whole", &[]);
    world.commit(
        "built",
        &[("galaxy.yml", &galaxy("built", "1.0.0", "{}")), ("roles/r/tasks/main.yml", "[]"), ("README.md", "é")],
    );
    let built = world.at("repos/built").display().to_string();
    by_galaxy(&["collection", "build", &built, "--output-path", &world.at("work").display().to_string()]);
    world.write("work/folder/galaxy.yml", &galaxy("folder", "1.0.0", "{ns.one: '*'}"));
    world.write("work/folder/x/__pycache__/y", "x");
    world.write("work/folder/x/z.pyc", "x");
    world.require(&format!(
        "roles:\n- {{src: '{nginx}', version: v1}}\n- {links},side,by_branch\n- {{src: {repo}, scm: git, name: head}}\n\
         - {{src: links.tar.gz, name: packed}}\n- {{src: flat.tar.gz, name: flat, version: '1.0'}}\n\
         collections:\n- '{cols}#/one,main'\n- {{name: '{cols}#/two', type: git}}\n- {whole}\n\
         - {{name: ns-built-1.0.0.tar.gz, type: file}}\n- {{source: folder, type: dir}}\n",
        repo = repo.display(),
        whole = world.address("whole"),
    ));
    by_galaxy(&["install", "-r", "requirements.yml"]);
    let out = world.good("deps install");
    assert_eq!(out.matches("installed ").count(), 11, "{out}");
    std::fs::remove_dir_all(world.at("roles/.hostctl-deps")).unwrap();
    std::fs::remove_dir_all(world.at("cols/.hostctl-deps")).unwrap();
    for (ours, theirs) in [("roles", "roles-g"), ("cols", "cols-g")] {
        let (ours, theirs) = (tree(&world.at(ours)), tree(&world.at(theirs)));
        for (name, content) in &theirs {
            let same = ours.get(name);
            assert_eq!(same, Some(content), "{name}");
        }
        let more: Vec<&String> = ours.keys().filter(|name| !theirs.contains_key(*name)).collect();
        assert!(more.is_empty(), "{more:?}");
    }
    // What hostctl installed is what ansible-galaxy lists.
    let mut command = world.command(&program);
    let listed = command.args(["collection", "list", "--format", "json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"ns.whole\": {\"version\": \"3.0.0-rc.1\"}"));
    let listed = world.command(&program).args(["role", "list"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("- nginx, v1"), "{listed}");
}
