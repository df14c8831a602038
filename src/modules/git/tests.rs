use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use serde_json::json;

use super::super::testing::{Try, get, module};
use super::*;

/// A repository with one commit on `main`, a tag and a branch, and a place for its checkout.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Option<Self> {
        if crate::system::process::which("git", None).is_none() {
            println!("skipped: there is no git here");
            return None;
        }
        let place = Self { folder: tempfile::tempdir().expect("folder") };
        place.git("", &["init", "-q", "-b", "main", "repo"]);
        place.commit("repo", "a.txt", "one\n");
        place.git("repo", &["tag", "-a", "v1", "-m", "v1"]);
        place.git("repo", &["branch", "side"]);
        place.commit("repo", "a.txt", "two\n");
        Some(place)
    }

    fn git(&self, at: &str, words: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .current_dir(self.folder.path().join(at))
            .args(["-c", "user.name=t", "-c", "user.email=t@x.example", "-c", "protocol.file.allow=always"])
            .args(words)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("git");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn commit(&self, at: &str, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(at).join(name), text).expect("file");
        self.git(at, &["add", name]);
        self.git(at, &["commit", "-q", "-m", text.trim()]);
        self.git(at, &["rev-parse", "HEAD"])
    }

    fn at(&self, name: &str) -> String {
        shown(&self.folder.path().join(name))
    }

    fn run(&self, more: Map) -> Try {
        let mut args = map! { "repo" => self.at("repo"), "dest" => self.at("work") };
        args.extend(more);
        module("git", args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "protocol.file.allow")
            .env("GIT_CONFIG_VALUE_0", "always")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

#[test]
fn clones_follows_and_switches() {
    let Some(place) = Place::new() else { return };
    let first = place.git("repo", &["rev-parse", "v1^{}"]);
    let second = place.git("repo", &["rev-parse", "main"]);
    let outcome = place.run(Map::new()).check(true).ok();
    assert!(outcome.changed && !Path::new(&place.at("work")).exists());
    assert_eq!((get(&outcome, "before"), get(&outcome, "after")), (json!(null), json!(second)));
    let outcome = place.run(Map::new()).ok();
    assert!(outcome.changed && place.text("work/a.txt") == "two\n");
    assert_eq!(outcome.diffs[0].prepared.as_deref(), Some(format!(">> Newly checked out {second}").as_str()));
    let outcome = place.run(Map::new()).ok();
    assert!(!outcome.changed);
    assert_eq!(get(&outcome, "remote_url_changed"), json!(false));
    let third = place.commit("repo", "a.txt", "three\n");
    let outcome = place.run(Map::new()).check(true).ok();
    assert!(outcome.changed && get(&outcome, "after") == json!(third) && place.text("work/a.txt") == "two\n");
    assert!(
        place.run(map! { "update" => false }).ok().result.get(&crate::value::StrKey("after"))
            == Some(&second.as_str().into())
    );
    let outcome = place.run(Map::new()).ok();
    assert!(outcome.changed && outcome.diffs[0].prepared.as_deref().is_some_and(|text| text.contains("+three")));
    // A tag, a branch, a commit, and back.
    for (version, expected) in [("v1", &first), ("side", &first), (second.as_str(), &second), ("HEAD", &third)] {
        let outcome = place.run(map! { "version" => version }).ok();
        assert_eq!(get(&outcome, "after"), json!(expected), "{version}");
        assert!(!place.run(map! { "version" => version }).ok().changed, "{version}");
    }
    let failure = place.run(map! { "version" => "no-such" }).fails();
    assert_eq!(failure.diagnostic.message, "failed to checkout no-such");
    assert!(place.run(map! { "version" => "--force" }).run().is_err());
}

#[test]
fn local_changes_need_force() {
    let Some(place) = Place::new() else { return };
    place.run(Map::new()).ok();
    std::fs::write(place.at("work/a.txt"), "mine\n").expect("file");
    let failure = place.run(Map::new()).fails();
    assert!(failure.diagnostic.message.starts_with("local modifications exist in the destination: "));
    let outcome = place.run(map! { "force" => true }).ok();
    assert!(outcome.changed && place.text("work/a.txt") == "two\n");
    // Another address for the same checkout.
    place.git("", &["clone", "-q", "--bare", "repo", "other.git"]);
    let outcome = place.run(map! { "repo" => place.at("other.git") }).ok();
    assert!(outcome.changed && get(&outcome, "remote_url_changed") == json!(true));
    assert!(!place.run(map! { "repo" => place.at("other.git") }).ok().changed);
}

#[test]
fn shallow_bare_apart_and_packed() {
    let Some(place) = Place::new() else { return };
    let shallow = || map! { "dest" => place.at("shallow"), "depth" => 1, "version" => "main" };
    assert!(place.run(shallow()).ok().changed && !place.run(shallow()).ok().changed);
    assert_eq!(place.git("shallow", &["rev-list", "--count", "HEAD"]), "1");
    let bare = || map! { "dest" => place.at("bare"), "bare" => true };
    assert!(place.run(bare()).ok().changed && !place.run(bare()).ok().changed);
    assert!(Path::new(&place.at("bare/config")).exists());
    let apart = map! { "dest" => place.at("apart"), "separate_git_dir" => place.at("apart.git"), "umask" => "0077" };
    assert!(place.run(apart).ok().changed);
    assert!(Path::new(&place.at("apart.git/config")).exists() && Path::new(&place.at("apart/.git")).is_file());
    let mode = std::fs::metadata(place.at("apart/a.txt")).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the umask");
    let packed = |name: &str| map! { "archive" => place.at(name), "archive_prefix" => "top/", "version" => "v1" };
    assert!(place.run(packed("out.tar.gz")).ok().changed && !place.run(packed("out.tar.gz")).ok().changed);
    let list = std::process::Command::new("tar").args(["-tzf", &place.at("out.tar.gz")]).output().expect("tar");
    assert!(String::from_utf8_lossy(&list.stdout).contains("top/a.txt"));
    let failure = place.run(packed("out.rar")).fails();
    assert!(failure.diagnostic.message.starts_with("unable to get file extension from archive file name"));
}

#[test]
fn submodules_follow() {
    let Some(place) = Place::new() else { return };
    place.git("", &["init", "-q", "-b", "main", "top"]);
    place.git("top", &["submodule", "add", "-q", &place.at("repo"), "sub"]);
    place.commit("top", "x", "x\n");
    let run = || place.run(map! { "repo" => place.at("top") });
    let outcome = run().ok();
    assert!(outcome.changed && get(&outcome, "submodules_changed") == json!(true));
    assert_eq!(place.text("work/sub/a.txt"), "two\n");
    assert!(!run().ok().changed);
    place.commit("repo", "a.txt", "three\n");
    place.git("top/sub", &["pull", "-q", "origin", "main"]);
    place.git("top", &["commit", "-q", "-a", "-m", "sub"]);
    assert!(run().ok().changed && place.text("work/sub/a.txt") == "three\n");
}

/// What git asks for, with the login in a header: nothing of it in an address.
fn answer(_: &str, headers: &str) -> String {
    let answer = super::super::web::server::answer;
    if headers.contains("authorization: basic") {
        answer("404 Not Found", "", "")
    } else {
        answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "")
    }
}

#[test]
fn a_password_reaches_the_server_and_nobody_else() {
    let Some(place) = Place::new() else { return };
    let (base, seen) = super::super::web::server::serve(answer);
    let repo = format!("{}/x.git", base.replace("://", "://me%40x:secret%2Fword@"));
    let failure = place.run(map! { "repo" => repo }).env("http_proxy", "").fails();
    assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    let expected = base64::engine::general_purpose::STANDARD.encode("me@x:secret/word").to_lowercase();
    let headers: Vec<String> = seen.lock().expect("lock").iter().map(|(_, headers, _)| headers.clone()).collect();
    assert!(headers.iter().any(|headers| headers.contains(&expected)), "{headers:?}");
}

#[test]
fn signatures_are_checked() {
    let Some(place) = Place::new() else { return };
    let home = place.at("gnupg");
    std::fs::create_dir(&home).expect("folder");
    if crate::system::process::which("gpg", None).is_none() {
        println!("skipped: there is no gpg here");
        return;
    }
    let gpg = |words: &[&str]| {
        let output = std::process::Command::new("gpg").args(["--homedir", &home]).args(words).output().expect("gpg");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    gpg(&["--batch", "--passphrase", "", "--quick-generate-key", "t <t@x.example>", "ed25519", "sign", "never"]);
    let list = gpg(&["--with-colons", "--list-keys"]);
    let key = list.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap_or_default().trim_end_matches(':');
    let signed = |allow: &str| {
        place.run(map! { "verify_commit" => true, "gpg_allowlist" => vec![Value::from(allow)] }).env("GNUPGHOME", &home)
    };
    assert!(signed(key).fails().diagnostic.message.starts_with("failed to verify GPG signature"));
    let output = std::process::Command::new("git")
        .current_dir(place.at("repo"))
        .env("GNUPGHOME", &home)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@x.example",
            "commit",
            "-q",
            "--allow-empty",
            "-S",
            "-m",
            "signed",
        ])
        .output()
        .expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    signed(key).ok();
    assert!(signed("AAAA").fails().diagnostic.message.contains("does not include the public key"));
    drop(std::process::Command::new("gpgconf").args(["--homedir", &home, "--kill", "all"]).status());
}
