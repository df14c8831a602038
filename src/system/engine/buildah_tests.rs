use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::StreamExt as _;

use super::*;

/// A context of files in memory.
struct Files(Vec<(&'static str, Vec<u8>, u32)>);

impl ContextSource for Files {
    fn write_tar(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut builder = tar::Builder::new(out);
        for (path, bytes, mode) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, bytes.as_slice())?;
        }
        builder.into_inner()?.flush()
    }
}

fn private() -> Private {
    Private::new(&[], &BTreeMap::new(), Vec::new()).unwrap()
}

fn words(spec: &BuildSpec, private: &Private) -> Result<String, EngineError> {
    let words = arguments(spec, private, Path::new("/context"), None)?;
    Ok(words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "))
}

#[test]
fn steps_are_read_with_and_without_stages() {
    assert_eq!(step_of("STEP 2/5: RUN a: b"), Some((None, 2, 5, "RUN a: b")));
    assert_eq!(step_of("[1/2] STEP 4/4: ENV PATH=/bin"), Some((Some("1".to_owned()), 4, 4, "ENV PATH=/bin")));
    assert_eq!(step_of("--> 287efd46374"), None);
    assert_eq!(step_of("[x] STEP"), None);
}

#[test]
fn a_failed_step_has_the_words_of_other_builders() {
    let ended = |line: &str| Ended { success: false, errors: vec![line.to_owned()] };
    let step = || Some(FailedStep { step: 2, stage: None, text: "RUN false".into(), classic: false });
    let error =
        build_failed(&ended("Error: building at STEP \"RUN false\": while running runtime: exit status 7"), step());
    assert_eq!(error.message, "building at STEP \"RUN false\": exit code: 7");
    assert_eq!((error.class, error.step.unwrap().text.as_str()), (ErrorClass::Instruction, "RUN false"));
    let error = build_failed(&ended("Error: creating build container: unauthorized: authentication required"), step());
    assert_eq!((error.class, error.step), (ErrorClass::Auth, None));
}

#[test]
fn nothing_secret_is_in_an_argument() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut spec = BuildSpec::new(Arc::new(Files(Vec::new())));
    spec.names = vec!["r:5000/lab/x:1".into(), "r:5000/lab/x:2".into()];
    spec.secrets = BTreeMap::from([("token".to_owned(), Secret::new("very-secret"))]);
    spec.logins = vec![RegistryLogin::new("r:5000", "u", Secret::new("pass"))];
    spec.ssh = BTreeMap::from([("default".to_owned(), "/run/agent".into())]);
    spec.cache_from = vec!["r:5000/cache:old".into()];
    spec.cache_to = vec![CacheTo::Registry { name: "r:5000/cache".into(), all_stages: true }];
    spec.platform = Some("linux/arm64".into());
    let private = Private::new(&spec.logins, &spec.secrets, vec!["r:5000".into()]).unwrap();
    let text = words(&spec, &private).unwrap();
    assert!(!text.contains("very-secret") && !text.contains("pass"), "{text}");
    for part in [
        "--isolation chroot",
        "--ssh default=/run/agent",
        "--cache-from r:5000/cache ",
        "--cache-to r:5000/cache ",
        "--platform linux/arm64",
        "--tag r:5000/lab/x:1 --tag r:5000/lab/x:2 -- /context",
        "--secret id=token,src=/",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let mode = |name: &str| fs::metadata(private.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("auth.json"), mode("secret-0")), (0o700, 0o600, 0o600));
    let auths = fs::read_to_string(private.path("auth.json")).unwrap();
    assert!(!auths.contains("identitytoken"), "{auths}");
    let mut token = RegistryLogin::new("r:5000", "<token>", Secret::new(""));
    token.identity_token = Some(Secret::new("t0ken"));
    let with_token = Private::new(&[token], &BTreeMap::new(), Vec::new()).unwrap();
    let auths = fs::read_to_string(with_token.path("auth.json")).unwrap();
    assert!(auths.contains(r#""identitytoken":"t0ken""#), "{auths}");
    let folder = private.path("");
    drop(private);
    assert!(!folder.exists(), "logins and secrets stay behind");
}

#[test]
fn what_buildah_cannot_do_is_refused() {
    let mut spec = BuildSpec::new(Arc::new(Files(Vec::new())));
    spec.cache_to = vec![CacheTo::Inline];
    assert!(words(&spec, &private()).unwrap_err().message.contains("cache_to"));
    spec.cache_to.clear();
    spec.secrets = BTreeMap::from([("a,src=/etc/shadow".to_owned(), Secret::new("x"))]);
    assert!(words(&spec, &private()).is_err());
}

#[test]
fn the_hosts_rules_for_registries_stay() {
    let text = registries("short-name-mode = \"enforcing\"\n", &["127.0.0.1:5000".into()]);
    assert!(text.starts_with("unqualified-search-registries = [\"docker.io\"]\nshort-name-mode"), "{text}");
    assert!(text.ends_with("[[registry]]\nlocation = \"127.0.0.1:5000\"\ninsecure = true\n"), "{text}");
    let own = "unqualified-search-registries = [\"quay.io\"]\n[[registry]]\nlocation = \"r:1\"\n";
    assert_eq!(registries(own, &["r:1".into()]), own);
}

#[test]
fn a_context_stays_in_its_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    struct Outside;
    impl ContextSource for Outside {
        fn write_tar(&self, out: &mut dyn Write) -> io::Result<()> {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..5].copy_from_slice(b"../up");
            header.set_size(0);
            header.set_mode(0o644);
            header.set_cksum();
            out.write_all(header.as_bytes())?;
            out.write_all(&[0; 1024])
        }
    }
    let root = tempfile::tempdir().unwrap();
    unpack(&Files(vec![("d/run.sh", b"x".to_vec(), 0o755)]), root.path()).unwrap();
    assert_eq!(fs::metadata(root.path().join("d/run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(unpack(&Outside, root.path()).unwrap_err().to_string().contains("outside"));
}

fn feed() -> (Feed, Arc<Mutex<Vec<BuildEvent>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let other = Arc::clone(&seen);
    (Feed::new(move |event| other.lock().unwrap().push(event)), seen)
}

/// The real program: build with a secret, arguments and a parent, failure, inspect, tag, save, remove.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_program_builds() {
    let mutate = Mutate::with_probe(Probe::new(Vec::new()));
    let busybox = fs::read("/bin/busybox").unwrap_or_default();
    if mutate.probe().buildah().is_none() || busybox.is_empty() || !rustix::process::getuid().is_root() {
        assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped");
        println!("SKIPPED buildah: needs root, `apt-get install buildah busybox-static`");
        return;
    }
    let place = tempfile::Builder::new().prefix("hostctl-buildah-").tempdir_in("/var/tmp").unwrap();
    let settings = BuildahSettings {
        root: Some(place.path().join("root")),
        run_root: Some(place.path().join("run")),
        driver: Some("vfs".into()),
        ..BuildahSettings::default()
    };
    let buildah = mutate.buildah(settings).await.unwrap();
    let spec = |name: &str, files: Vec<(&'static str, Vec<u8>, u32)>| {
        let mut spec = BuildSpec::new(Arc::new(Files(files)));
        spec.names = vec![format!("lab.example:5000/lab/{name}:t")];
        spec
    };
    let base = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n";
    let base = spec("base", vec![("Dockerfile", base.into(), 0o644), ("busybox", busybox, 0o755)]);
    let (feed, _) = feed();
    buildah.build(&base, &feed).await.unwrap();

    let text = "FROM lab.example:5000/lab/base:t AS one\nARG W\n\
                RUN --mount=type=secret,id=tok test -s /run/secrets/tok && echo word is $W\nFROM one\nRUN echo two > /two\n";
    let mut mid = spec("mid", vec![("Dockerfile", text.into(), 0o644)]);
    mid.args.insert("W".into(), "seven".into());
    mid.labels.insert("who".into(), "lab".into());
    mid.secrets.insert("tok".into(), Secret::new("zebra-canary-9"));
    mid.names.push("lab.example:5000/lab/mid:second".into());
    let (feed, seen) = self::feed();
    buildah.build(&mid, &feed).await.unwrap();
    let events = seen.lock().unwrap().clone();
    assert!(events.contains(&BuildEvent::Log("word is seven".into())), "{events:?}");
    assert!(
        events.iter().any(
            |event| matches!(event, BuildEvent::Step { step: 2, of: 3, text } if text.starts_with("RUN echo two"))
        ),
        "{events:?}"
    );

    let facts = buildah.inspect("lab.example:5000/lab/mid:second").await.unwrap().unwrap();
    assert!(facts.id.starts_with("sha256:") && facts.size > 1 << 20 && facts.layers.len() >= 3, "{facts:?}");
    assert_eq!(buildah.inspect("lab.example:5000/lab/none:t").await.unwrap(), None);
    let description = buildah.description("lab.example:5000/lab/mid:t").await.unwrap();
    assert!(description[0].1.contains("\"who\":\"lab\"") && description[1].1.contains("echo two"), "{description:?}");

    buildah.tag("lab.example:5000/lab/mid:t", "lab.example:5000/lab/mid:third").await.unwrap();
    let mut saved = Vec::new();
    let mut stream = buildah.save("lab.example:5000/lab/mid:third");
    while let Some(chunk) = stream.next().await {
        saved.extend_from_slice(&chunk.unwrap());
    }
    drop(stream);
    let names = |bytes: &[u8]| -> Vec<String> {
        let mut archive = tar::Archive::new(io::Cursor::new(bytes.to_vec()));
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    };
    assert!(names(&saved).contains(&"manifest.json".to_owned()), "{:?}", names(&saved));
    // Layers are saved as they are.
    assert!(!saved.windows(14).any(|bytes| bytes == b"zebra-canary-9"));

    let text = "FROM lab.example:5000/lab/base:t\nRUN --mount=type=secret,id=tok echo before && \\\n  exit 7\n";
    let mut broken = spec("broken", vec![("Dockerfile", text.into(), 0o644)]);
    broken.secrets.insert("tok".into(), Secret::new("zebra-canary-9"));
    let error = buildah.build(&broken, &feed).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Instruction, "{error:?}");
    assert!(error.message.ends_with("exit code: 7"), "{error:?}");
    assert_eq!(error.step.as_ref().unwrap().step, 2, "{error:?}");

    let left =
        std::process::Command::new("grep").args(["-r", "-l", "zebra-canary-9"]).arg(place.path()).output().unwrap();
    assert!(left.stdout.is_empty(), "the secret stays in the store: {}", String::from_utf8_lossy(&left.stdout));

    for name in ["mid:t", "mid:second", "mid:third"] {
        buildah.remove(&format!("lab.example:5000/lab/{name}")).await.unwrap();
    }
    assert_eq!(buildah.inspect("lab.example:5000/lab/mid:t").await.unwrap(), None);
    buildah.prune().await.unwrap();

    // An ended step leaves no process.
    let slow =
        spec("slow", vec![("Dockerfile", "FROM lab.example:5000/lab/base:t\nRUN sleep 98.7654\n".into(), 0o644)]);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(4), buildah.build(&slow, &feed)).await;
    let running = || {
        fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == b"98.7654")
        })
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
    while running() {
        assert!(std::time::Instant::now() < deadline, "the step goes on after the build was dropped");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
