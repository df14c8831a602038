//! Fetches what an image is made from and packs it as `kolla-build` does (`kolla/image/tasks.py`): the own source as
//! `NAME-archive`, plugins and additions together as `plugins-archive` and `additions-archive`, which are there even
//! if they are empty. No address is told with user, password or query.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kept::{GitNote, Kept, MOST, UNUSED, is_whole_commit};
use super::sources::Source;
use super::tree::KollaImage;
use crate::diag::{Diagnostic, Result};
use crate::secret::Redactor;
use crate::system::Mutate;
use crate::system::digest::{Digest, Hasher};
use crate::system::git_source::{GitReference, GitSource};
use crate::system::proxy::Proxies;
use crate::system::web::{Follow, NoAnswer, WebRequest, password_of};

/// What all sources share.
pub struct Fetcher<'a> {
    /// Writes on this host.
    pub mutate: &'a Mutate,
    /// A private folder for what is on the way.
    pub scratch: &'a Path,
    /// Debian's name of the architecture, by which checksums are listed.
    pub arch: String,
    /// Of a request (`timeout`).
    pub timeout: Duration,
    /// Tries after the first (`retries`).
    pub retries: u32,
    /// The longest wait before one more try.
    pub longest_wait: Duration,
    /// The proxies of who asks.
    pub proxies: Proxies,
    /// The folder of archives that were fetched before; without one all is fetched.
    pub cache: Option<PathBuf>,
    /// Where a `local` source is that is not named by a whole path.
    pub local: &'a (dyn Fn(&Path) -> Result<PathBuf> + Sync),
}

/// What the errors of a source say that is another one than expected.
pub const SOURCE_DIFFERS: &str = "another SHA-256 than its section says";
/// What the errors of a source say that does not come.
pub const SOURCE_MISSING: &str = "cannot be fetched from";

/// An archive in a context: its path below `docker/`, and a digest that is the same as long as its content is.
pub type Archive = (PathBuf, String);

/// How a source did not come.
enum Failed {
    /// Another try may help.
    Again(Diagnostic),
    /// It may not.
    Never(Diagnostic),
}

impl From<Diagnostic> for Failed {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Never(diagnostic)
    }
}

impl Fetcher<'_> {
    /// Fetches all that an image needs into its folder below `docker`.
    pub async fn fetch(&self, image: &KollaImage, docker: &Path) -> Result<Vec<Archive>> {
        let folder = docker.join(&image.folder);
        let mut archives = Vec::new();
        if let Some(source) = image.source.as_ref().filter(|source| source.enabled) {
            let name = format!("{}-archive", source.name);
            let digest = self.one(source, &folder.join(&name)).await?;
            archives.push((image.folder.join(name), digest));
        }
        for (kind, sources) in [("plugins", &image.plugins), ("additions", &image.additions)] {
            let digest = self.together(kind, sources, &folder, image).await?;
            archives.push((image.folder.join(format!("{kind}-archive")), digest));
        }
        Ok(archives)
    }

    /// What stands in an image's context where a source is missing: it is as no whole context ever was.
    pub fn mark_missing(&self, image: &KollaImage, docker: &Path) -> Result<()> {
        let path = docker.join(&image.folder).join("hostctl-source-missing");
        let options = crate::system::fs::WriteOptions::default();
        self.mutate.write(&path, crate::system::fs::Content::Bytes(b"1"), options)
    }

    /// Several sources unpacked into one folder and packed anew.
    async fn together(&self, kind: &str, sources: &[Source], folder: &Path, image: &KollaImage) -> Result<String> {
        let into = folder.join(kind);
        let was_there = self.mutate.probe().is_dir(&into);
        self.mutate.create_dirs(&into)?;
        let packed = folder.join(format!("{kind}-archive"));
        let pack =
            || self.mutate.pack_source(&into, Path::new(kind), &packed).map_err(|error| unpacked(&packed, &error));
        let mut sum = Hasher::new(Digest::Sha256);
        if was_there {
            // Files of the tree are in it, too. They alone: the bytes of a clone differ from one to the next.
            pack()?;
            sum.update(self.mutate.probe().digest(&packed, Digest::Sha256)?.as_bytes());
        }
        for source in sources.iter().filter(|source| source.enabled) {
            let archive = self.scratch.join(format!("{}-{}", plain_name(&image.name), plain_name(&source.name)));
            let digest = self.one(source, &archive).await?;
            sum.update(format!("{} {digest}\n", source.name).as_bytes());
            self.mutate.unpack_source(&archive, &into).map_err(|error| {
                Diagnostic::task("B0153", format!("the archive of `{}` cannot be unpacked: {error}", source.name))
                    .with_note(format!("it came from {}", shown(&source.location)))
                    .with_hint(format!("look at it: `tar tf FILE`; set `[{}] location` to a tar archive", source.name))
            })?;
            self.mutate.remove_file(&archive)?;
        }
        pack()?;
        if !was_there {
            self.mutate.remove_tree(&into)?;
        }
        Ok(sum.finish())
    }

    /// One source as one file; a digest of what it holds.
    async fn one(&self, source: &Source, archive: &Path) -> Result<String> {
        let mut wait = Duration::from_secs(1);
        let mut tries = 0;
        loop {
            let fetched = match source.kind.as_str() {
                "url" => self.url(source, archive).await,
                "git" => self.git(source, archive),
                "local" => self.local(source, archive).map_err(Failed::Never),
                other => Err(Failed::Never(
                    Diagnostic::task("B0151", format!("`{}` has the unknown type `{other}`", source.name))
                        .with_hint(format!("set `type` in `[{}]` to url, git or local", source.name)),
                )),
            };
            match fetched {
                Ok(digest) => return Ok(digest),
                Err(Failed::Never(error)) => return Err(error),
                Err(Failed::Again(error)) if tries >= self.retries => {
                    return Err(if tries == 0 { error } else { error.with_note(format!("tried {} times", tries + 1)) });
                }
                Err(Failed::Again(_)) => {}
            }
            tries += 1;
            tokio::time::sleep(wait.min(self.longest_wait)).await;
            wait = wait.saturating_mul(2);
        }
    }

    async fn url(&self, source: &Source, archive: &Path) -> std::result::Result<String, Failed> {
        let wanted = match (source.sha256.is_empty(), source.sha256.get(&self.arch)) {
            (true, _) => None,
            (false, Some(sum)) => Some(sum.trim().to_ascii_lowercase()),
            (false, None) => {
                let message = format!("`{}` has no SHA-256 for `{}`", source.name, self.arch);
                let hint = format!("add `{}:SUM` to `sha256` in `[{}]`", self.arch, source.name);
                return Err(Diagnostic::task("B0152", message).with_hint(hint).into());
            }
        };
        let kept = wanted.as_deref().and_then(Kept::of_sum);
        if let Some(wanted) = &wanted
            && self.taken(kept.as_ref(), wanted, archive)
        {
            return Ok(wanted.clone());
        }
        let request = WebRequest {
            url: source.location.clone(),
            method: "GET".to_owned(),
            headers: vec![("User-Agent".to_owned(), "hostctl".to_owned())],
            timeout: self.timeout,
            follow: Follow::Safe,
            proxies: self.proxies.clone(),
            ..WebRequest::default()
        };
        let trouble = |words: &str| self.unfetched(source, words);
        let got = self.mutate.download(&request, archive).await;
        let got = got.map_err(|NoAnswer(words)| {
            if words.contains("unknown url type") {
                Failed::Never(trouble("this is no address of http or https"))
            } else {
                Failed::Again(trouble(&words))
            }
        })?;
        let status = got.answer.status;
        if status != 200 {
            let error = trouble(&format!("HTTP Error {status}: {}", got.answer.reason));
            // Others say that it is not there, or not for us.
            let passing = status >= 500 || matches!(status, 408 | 425 | 429);
            return Err(if passing { Failed::Again(error) } else { Failed::Never(error) });
        }
        let claimed = got.answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
        if claimed.is_some_and(|length| length != got.answer.received) {
            let length = claimed.unwrap_or_default();
            return Err(Failed::Again(trouble(&format!("{} of {length} bytes came", got.answer.received))));
        }
        if let Some(wanted) = wanted.filter(|wanted| *wanted != got.sha256) {
            let message = format!("source `{}` has {SOURCE_DIFFERS}", source.name);
            return Err(Diagnostic::task("B0152", message)
                .with_note(format!("fetched from {}", shown(&source.location)))
                .with_note(format!("expected {wanted}, found {}", got.sha256))
                .with_hint(format!(
                    "if the new content is right: set `sha256 = {}:{}` in `[{}]`",
                    self.arch, got.sha256, source.name
                ))
                .into());
        }
        self.keep(kept.as_ref(), archive, None);
        Ok(got.sha256)
    }

    fn git(&self, source: &Source, archive: &Path) -> std::result::Result<String, Failed> {
        let reference = source.reference.as_deref().unwrap_or_default();
        let parsed = GitSource::parse(&source.location, GitReference::Head);
        let git = parsed.map_err(|(problem, hint)| {
            Diagnostic::task("B0151", format!("`{}`: {problem}", source.name)).with_hint(hint)
        })?;
        let name = format!("{}-archive-{}", source.name, reference.replace('/', "-"));
        let kept = Kept::of_git(&git.shown(), reference, &name);
        let whole = is_whole_commit(reference);
        // A server that does not answer fails the same way when it is cloned from, and is told then.
        let refs = if self.cache.is_none() || whole { None } else { self.mutate.git_refs(&git).ok() };
        let note = self.cache.as_ref().and_then(|folder| self.mutate.source_note(folder, &kept.name));
        if let Some(note) = note.as_deref().and_then(GitNote::parse)
            && note.is_still(reference, refs.as_ref())
            && self.taken(Some(&kept), &note.sha256, archive)
        {
            return Ok(note.digest);
        }
        let folder = self.scratch.join(plain_name(&name));
        self.mutate.remove_tree(&folder)?;
        let clone = self.mutate.git_clone(&git, reference, &folder).map_err(|mut error| {
            let lasting = error.message.contains("has no tag, branch or commit") || error.message.contains("needs the");
            error.message = format!("source `{}`: {}", source.name, error.message);
            if lasting { Failed::Never(error) } else { Failed::Again(error) }
        })?;
        let packed = self.mutate.pack_source(&clone.folder, Path::new(&name), archive);
        packed.map_err(|error| unpacked(archive, &error))?;
        self.mutate.remove_tree(&folder)?;
        let digest = Hasher::of(Digest::Sha256, format!("git\n{name}\n{}", clone.stamp).as_bytes());
        if whole || refs.is_some() {
            let tags = refs.map(|refs| refs.tags).unwrap_or_default();
            let sha256 = self.mutate.probe().digest(archive, Digest::Sha256)?;
            let note = GitNote { version: 1, commit: clone.commit, tags, digest: digest.clone(), sha256 };
            self.keep(Some(&kept), archive, Some(&note));
        }
        Ok(digest)
    }

    /// True if the archive was there with this digest.
    fn taken(&self, kept: Option<&Kept>, sha256: &str, archive: &Path) -> bool {
        // A cache that cannot be read is as good as none.
        let (Some(folder), Some(kept)) = (&self.cache, kept) else { return false };
        self.mutate.take_source(folder, &kept.name, sha256, archive).unwrap_or(false)
    }

    /// Keeps an archive for the next run. One that cannot be kept is fetched again.
    fn keep(&self, kept: Option<&Kept>, archive: &Path, note: Option<&GitNote>) {
        let (Some(folder), Some(kept)) = (&self.cache, kept) else { return };
        let note = note.and_then(|note| serde_json::to_vec(note).ok());
        drop(self.mutate.keep_source(folder, &kept.name, archive, note.as_deref()));
    }

    /// Removes what no run used for a month, and the longest unused beyond 20 GiB.
    pub fn prune(&self) {
        if let Some(folder) = &self.cache {
            drop(self.mutate.prune_sources(folder, UNUSED, MOST));
        }
    }

    fn local(&self, source: &Source, archive: &Path) -> Result<String> {
        let named = Path::new(&source.location);
        let path = if named.is_absolute() { named.to_path_buf() } else { (self.local)(named)? };
        let probe = self.mutate.probe();
        let done = if probe.is_dir(&path) {
            let name = path.file_name().map_or_else(|| Path::new("source"), Path::new);
            self.mutate.pack_source(&path, name, archive)
        } else {
            self.mutate.copy_source(&probe.real(&path), archive)
        };
        done.map_err(|error| {
            Diagnostic::task(
                "B0151",
                format!("source `{}`: `{}` cannot be read: {error}", source.name, named.display()),
            )
            .with_hint(format!("`[{}] location` names a folder or file of the build host", source.name))
        })?;
        probe.digest(archive, Digest::Sha256)
    }

    /// Why an address gave nothing, without what it must not tell.
    fn unfetched(&self, source: &Source, words: &str) -> Diagnostic {
        let redactor = Redactor::default();
        if let Some(password) = password_of(&source.location) {
            redactor.learn(&password);
        }
        let words = words.replace(&source.location, &shown(&source.location));
        let words = redactor.redact(&words).into_owned();
        let from = shown(&source.location);
        Diagnostic::task("B0151", format!("source `{}` {SOURCE_MISSING} {from}: {words}", source.name))
            .with_hint(format!("try it on the build host: `curl -LO '{from}'`"))
    }
}

fn unpacked(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::task("B0153", format!("`{}` cannot be packed: {error}", path.display()))
        .with_hint("is there room? `df -h /var/tmp`")
}

/// A name that is one component of a path.
fn plain_name(name: &str) -> String {
    name.replace(['/', '\0'], "-")
}

/// An address for people: without user and password, and without what stands in its query.
pub fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
    let path = rest[end..].split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};

    use super::super::tree::Status;
    use super::*;
    use crate::system::Probe;

    /// Answers one request after the other, then no more; the address.
    fn serve(answers: Vec<Vec<u8>>) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let _ = stream.write_all(&answer);
            }
        });
        address.to_string()
    }

    fn answer(status: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    fn source(name: &str, kind: &str, location: &str) -> Source {
        Source {
            name: name.into(),
            kind: kind.into(),
            location: location.into(),
            reference: Some("master".into()),
            enabled: true,
            sha256: BTreeMap::new(),
        }
    }

    fn image(source: Option<Source>) -> KollaImage {
        KollaImage {
            name: "nova".into(),
            full_name: "k/nova:t".into(),
            folder: "nova".into(),
            dockerfile: String::new(),
            parent_name: String::new(),
            parent: None,
            children: Vec::new(),
            source,
            plugins: Vec::new(),
            additions: Vec::new(),
            status: Status::Matched,
            why: String::new(),
            allowed_to_fail: false,
            labels: BTreeMap::new(),
        }
    }

    fn fetched(image: &KollaImage, retries: u32) -> (tempfile::TempDir, Result<Vec<Archive>>) {
        fetched_with(image, retries, None, &[])
    }

    /// With a cache, and with files that the tree has in the image's folder.
    fn fetched_with(
        image: &KollaImage,
        retries: u32,
        cache: Option<&Path>,
        files: &[(&str, &str)],
    ) -> (tempfile::TempDir, Result<Vec<Archive>>) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("docker/nova").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (docker, scratch) = (root.path().join("docker"), root.path().join("scratch"));
        std::fs::create_dir_all(docker.join("nova")).unwrap();
        std::fs::create_dir_all(&scratch).unwrap();
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let fetcher = Fetcher {
            mutate: &mutate,
            scratch: &scratch,
            arch: "amd64".into(),
            timeout: Duration::from_secs(5),
            retries,
            longest_wait: Duration::from_millis(1),
            proxies: Proxies::default(),
            cache: cache.map(Path::to_path_buf),
            local: &|path| Ok(path.to_path_buf()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let done = runtime.block_on(fetcher.fetch(image, &docker));
        (root, done)
    }

    #[test]
    fn addresses_tell_no_credentials() {
        for (address, expected) in [
            ("https://u:p@h.example/x?token=1#a", "https://h.example/x"),
            ("https://token@h.example", "https://h.example"),
            ("http://h.example/a@b", "http://h.example/a@b"),
            ("/srv/x", "/srv/x"),
        ] {
            assert_eq!(shown(address), expected);
        }
    }

    #[test]
    fn a_server_that_fails_first_is_asked_again_and_one_that_refuses_is_not() {
        let host = serve(vec![answer("503 Busy", b""), answer("200 OK", b"content")]);
        let (root, done) = fetched(&image(Some(source("nova", "url", &format!("http://{host}/x")))), 1);
        let archives = done.unwrap();
        let names: Vec<_> = archives.iter().map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(names, ["nova/nova-archive", "nova/plugins-archive", "nova/additions-archive"]);
        assert_eq!(archives[0].1, Hasher::of(Digest::Sha256, b"content"));
        assert_eq!(std::fs::read(root.path().join("docker/nova/nova-archive")).unwrap(), b"content");
        let mut text = Vec::new();
        std::fs::File::open(root.path().join("docker/nova/plugins-archive")).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!(tar::Archive::new(text.as_slice()).entries().unwrap().count(), 1);

        let host = serve(vec![answer("404 None", b""), answer("200 OK", b"content")]);
        let location = format!("http://me:pass-word@{host}/x?token=abc");
        let error = fetched(&image(Some(source("nova", "url", &location))), 3).1.unwrap_err();
        assert_eq!(
            error.message,
            format!("source `nova` cannot be fetched from http://{host}/x: HTTP Error 404: None")
        );
        assert!(!format!("{error:?}").contains("pass-word") && !format!("{error:?}").contains("abc"));

        let host = serve(vec![answer("500 No", b""), answer("502 No", b"")]);
        let error = fetched(&image(Some(source("nova", "url", &format!("http://{host}/x")))), 1).1.unwrap_err();
        assert_eq!((&*error.code, error.notes.join(" ")), ("B0151", "tried 2 times".to_owned()));
    }

    #[test]
    fn another_checksum_is_told_at_once() {
        let host = serve(vec![answer("200 OK", b"content")]);
        let mut wrong = source("nova", "url", &format!("http://u:p@{host}/x"));
        wrong.sha256 = BTreeMap::from([("amd64".into(), "0".repeat(64))]);
        let error = fetched(&image(Some(wrong.clone())), 5).1.unwrap_err();
        assert_eq!(&*error.code, "B0152");
        assert_eq!(error.message, "source `nova` has another SHA-256 than its section says");
        assert!(error.notes[1].starts_with("expected 0000"), "{error:?}");
        wrong.sha256 = BTreeMap::from([("arm64".into(), "0".repeat(64))]);
        assert_eq!(fetched(&image(Some(wrong)), 0).1.unwrap_err().message, "`nova` has no SHA-256 for `amd64`");
    }

    #[test]
    fn plugins_are_unpacked_into_one_archive() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("one");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("setup.py"), "x").unwrap();
        let mut image = image(None);
        image.plugins = vec![source("nova-plugin-one", "local", &folder.to_string_lossy())];
        let mut off = source("nova-plugin-two", "local", "/nonexistent");
        off.enabled = false;
        image.plugins.push(off);
        let (kept, done) = fetched(&image, 0);
        let first = done.unwrap();
        let text = std::fs::read(kept.path().join("docker/nova/plugins-archive")).unwrap();
        let mut archive = tar::Archive::new(text.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string().trim_end_matches('/').to_owned())
            .collect();
        assert_eq!(names, ["plugins", "plugins/one", "plugins/one/setup.py"]);
        assert!(!kept.path().join("docker/nova/plugins").exists());
        assert_eq!(fetched(&image, 0).1.unwrap(), first);
        std::fs::write(folder.join("setup.py"), "y").unwrap();
        assert_ne!(fetched(&image, 0).1.unwrap()[0], first[0]);
        std::fs::write(root.path().join("no.tar"), "no archive").unwrap();
        image.plugins = vec![source("nova-plugin-one", "local", &root.path().join("no.tar").to_string_lossy())];
        assert_eq!(fetched(&image, 0).1.unwrap_err().code, "B0153");
        image.plugins = vec![source("nova-plugin-one", "svn", "x")];
        assert_eq!(fetched(&image, 0).1.unwrap_err().code, "B0151");
    }
    fn git(folder: &Path, words: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn repository(root: &Path) -> PathBuf {
        let folder = root.join("repository");
        std::fs::create_dir(&folder).unwrap();
        git(&folder, &["init", "-q", "-b", "master"]);
        git(&folder, &["commit", "-q", "--allow-empty", "-m", "one"]);
        folder
    }

    #[test]
    fn a_checksum_that_was_met_before_is_not_downloaded_again() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("sources");
        // One answer for each download that is due; no more come.
        let host = serve(vec![answer("200 OK", b"one"), answer("200 OK", b"two"), answer("200 OK", b"one")]);
        let with = |content: &[u8]| {
            let mut source = source("nova", "url", &format!("http://{host}/x"));
            source.sha256 = BTreeMap::from([("amd64".into(), Hasher::of(Digest::Sha256, content).to_uppercase())]);
            image(Some(source))
        };
        let get = |image: &KollaImage| {
            let (root, done) = fetched_with(image, 0, Some(&folder), &[]);
            (std::fs::read(root.path().join("docker/nova/nova-archive")).unwrap(), done.unwrap())
        };
        let first = get(&with(b"one"));
        assert_eq!(first.0, b"one");
        assert_eq!(get(&with(b"one")), first);
        assert_eq!(get(&with(b"two")).0, b"two", "another checksum is another content");
        assert_eq!(get(&with(b"one")), first);
        // A file that is not what it was is not taken: the third answer comes.
        let kept = folder.join(format!("url-{}.archive", Hasher::of(Digest::Sha256, b"one")));
        std::fs::write(&kept, "bad").unwrap();
        assert_eq!(get(&with(b"one")), first);
        assert_eq!(get(&with(b"one")), first);
        // Without a checksum nobody knows what is there: the server is asked, which answers no more.
        let plain = image(Some(source("nova", "url", &format!("http://{host}/x"))));
        assert!(fetched_with(&plain, 0, Some(&folder), &[]).1.is_err());
    }

    #[test]
    fn a_repository_is_cloned_again_only_when_it_moved() {
        let root = tempfile::tempdir().unwrap();
        let (repository, cache) = (repository(root.path()), root.path().join("sources"));
        let head = git(&repository, &["rev-parse", "HEAD"]);
        git(&repository, &["tag", "-a", "-m", "x", "1.0"]);
        let get = |reference: &str| {
            let mut one = source("nova", "git", &repository.to_string_lossy());
            one.reference = Some(reference.to_owned());
            let (kept, done) = fetched_with(&image(Some(one)), 0, Some(&cache), &[]);
            (std::fs::read(kept.path().join("docker/nova/nova-archive")).unwrap(), done.unwrap())
        };
        // What came from the cache has the mark that is written into it here.
        let mark = |reference: &str| {
            let folder = GitSource::parse(&repository.to_string_lossy(), GitReference::Head).unwrap().shown();
            let name = format!("nova-archive-{}", reference.replace('/', "-"));
            let path = cache.join(format!("{}.json", Kept::of_git(&folder, reference, &name).name));
            let text = std::fs::read_to_string(&path).unwrap();
            let mut note = GitNote::parse(text.as_bytes()).unwrap();
            let digest = std::mem::replace(&mut note.digest, "mark".into());
            std::fs::write(&path, serde_json::to_string(&note).unwrap()).unwrap();
            digest
        };
        for reference in ["master", "1.0", &head, &head[..9]] {
            let first = get(reference);
            let digest = mark(reference);
            assert_eq!(first.1[0].1, digest);
            let again = get(reference);
            assert_eq!((&again.0, again.1[0].1.as_str()), (&first.0, "mark"), "{reference} is not cloned again");
        }
        // Another branch moves, then this one.
        git(&repository, &["checkout", "-q", "-b", "other"]);
        git(&repository, &["commit", "-q", "--allow-empty", "-m", "two"]);
        assert_eq!(get("master").1[0].1, "mark");
        git(&repository, &["checkout", "-q", "-B", "master"]);
        let moved = get("master");
        assert_ne!(moved.1[0].1, "mark");
        assert_eq!(get(&head).1[0].1, "mark", "a commit stays");
        mark("master");
        // pbr makes the version of what it installs of the tags.
        git(&repository, &["tag", "2.0"]);
        assert_ne!(get("master").1[0].1, "mark");
        // A commit needs no server at all, a branch does.
        std::fs::rename(&repository, root.path().join("gone")).unwrap();
        assert_eq!(get(&head).1[0].1, "mark");
        let branch = image(Some(source("nova", "git", &repository.to_string_lossy())));
        assert_eq!(fetched_with(&branch, 0, Some(&cache), &[]).1.unwrap_err().code, "B0055");
    }

    #[test]
    fn a_clone_beside_files_of_the_tree_has_one_digest() {
        let root = tempfile::tempdir().unwrap();
        let mut image = image(None);
        image.plugins = vec![source("nova-plugin-one", "git", &repository(root.path()).to_string_lossy())];
        let digest = |text: &str| fetched_with(&image, 0, None, &[("plugins/own", text)]).1.unwrap();
        let first = digest("x");
        // The index of a clone has times in it.
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(digest("x"), first);
        assert_ne!(digest("y")[0], first[0]);
    }
}
