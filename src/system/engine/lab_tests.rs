//! Both builders of a real engine, `buildah` against a real registry, the preflight where all is well.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use std::time::Duration;

use super::lab::{Lab, PASSWORD};
use super::registry::client_tests::faults::{Fault, Faults};
use super::*;
use crate::system::{Mutate, Probe};

struct Files(Vec<(String, Vec<u8>, u32)>);

impl ContextSource for Files {
    fn write_tar(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut builder = tar::Builder::new(out);
        for (path, bytes, mode) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_mtime(1);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, bytes.as_slice())?;
        }
        builder.into_inner()?.flush()
    }
}

const BASE: &str = "FROM scratch AS base\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\n";

fn spec(lab: &Lab, name: &str, text: &str) -> BuildSpec {
    let busybox = fs::read(lab.path("busybox")).unwrap();
    let files =
        vec![("Dockerfile".to_owned(), text.as_bytes().to_vec(), 0o644), ("busybox".to_owned(), busybox, 0o755)];
    let mut spec = BuildSpec::new(Arc::new(Files(files)));
    spec.names = vec![format!("{}/lab/{name}:t", lab.registry)];
    spec.network_host = true;
    spec.logins = vec![login(lab)];
    spec
}

fn login(lab: &Lab) -> RegistryLogin {
    RegistryLogin::new(lab.registry.as_str(), "builder", Secret::new(PASSWORD))
}

fn feed() -> (Feed, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let other = Arc::clone(&seen);
    let send = move |event| {
        if let BuildEvent::Log(line) = event {
            other.lock().unwrap().push(line);
        }
    };
    (Feed::new(send), seen)
}

async fn build(engine: &EngineMut, kind: BuilderKind, spec: &BuildSpec) -> Result<String, EngineError> {
    let (feed, seen) = feed();
    let built = engine.build(kind, spec, &feed).await;
    let lines = seen.lock().unwrap().join("\n");
    built.map(|()| lines)
}

/// What the engine says of itself, by its own answers and by trials.
async fn answers(lab: &Lab, engine: &EngineMut) {
    let answers = engine.reader().answers(Trials::ALL).await.unwrap();
    println!("{answers:?}");
    assert!(answers.has_buildkit());
    assert!(answers.workers.iter().any(|one| one.platforms.iter().any(|name| name == "linux/amd64")), "{answers:?}");
    assert_eq!(answers.cache.inline, Some(true));
    assert!(answers.cache.registry.is_some() && answers.frontend.heredoc.is_some(), "{answers:?}");
    assert_eq!(answers.root_dir.as_deref(), Some(lab.path("data").as_path()));
    assert_eq!(answers.driver, "overlay2");
    assert!(answers.insecure.iter().any(|one| one.starts_with("127.")), "{answers:?}");
    assert!(answers.security.iter().any(|one| one == "seccomp" || one == "apparmor") || answers.security.is_empty());

    // What the trial told is what a build finds.
    let mut far = spec(lab, "far", BASE);
    far.cache_to = vec![CacheTo::Registry { name: format!("{}/lab/cache:x", lab.registry), all_stages: true }];
    let built = build(engine, BuilderKind::BuildKit, &far).await;
    assert_eq!(built.is_ok(), answers.cache.registry == Some(true), "{built:?}");
    if let Err(error) = built {
        assert_eq!(error.class, ErrorClass::Unusable, "{error:?}");
        assert!(error.message.contains("cache to `registry`") && error.message.contains("inline"), "{error:?}");
    }
    let heredoc = format!("{BASE}RUN <<E\necho here\nE\n");
    let built = build(engine, BuilderKind::BuildKit, &spec(lab, "heredoc", &heredoc)).await;
    assert_eq!(built.is_ok(), answers.frontend.heredoc == Some(true), "{built:?}");
}

/// Target, arguments, labels, hosts, several names, by both builders.
async fn options(lab: &Lab, engine: &EngineMut, kind: BuilderKind) {
    let text = format!(
        "{BASE}FROM base AS want\nARG W\nRUN echo word-$W; grep extra /etc/hosts\nFROM want\nRUN echo never; false\n"
    );
    let mut asked = spec(lab, &format!("options-{}", kind.name()), &text);
    asked.target = Some("want".into());
    asked.args.insert("W".into(), kind.name().into());
    asked.labels.insert("who".into(), "lab".into());
    asked.extra_hosts = vec![("extra.lab".into(), "10.9.8.7".into()), ("more.lab".into(), "10.9.8.6".into())];
    asked.names.push(format!("{}/lab/second:{}", lab.registry, kind.name()));
    let log = build(engine, kind, &asked).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(log.contains(&format!("word-{}", kind.name())) && log.contains("10.9.8.7"), "{log}");
    assert!(!log.contains("never"), "{log}");
    let (_, id) = lab.docker(&["inspect", "--format", "{{.Id}} {{.Config.Labels.who}}", &asked.names[0]]);
    let (_, second) = lab.docker(&["inspect", "--format", "{{.Id}} {{.Config.Labels.who}}", &asked.names[1]]);
    assert!(id.trim().ends_with(" lab") && id == second, "{id} {second}");
}

/// A cache inside of a pushed image is used where nothing else is left.
async fn inline_cache(lab: &Lab, engine: &EngineMut) {
    let text = format!("{BASE}RUN echo costly > /costly\n");
    let mut asked = spec(lab, "cached", &text);
    asked.cache_to = vec![CacheTo::Inline];
    build(engine, BuilderKind::BuildKit, &asked).await.unwrap();
    let repository = format!("{}/lab/cached", lab.registry);
    let push = PushSpec { repository, tag: "t".into(), login: Some(login(lab)) };
    engine.push(&push, &feed().0).await.unwrap();
    let forget = || {
        lab.docker(&["rmi", "-f", &asked.names[0]]);
        lab.docker(&["builder", "prune", "-af"]);
    };
    forget();
    let mut again = spec(lab, "cached", &text);
    let log = build(engine, BuilderKind::BuildKit, &again).await.unwrap();
    assert!(!log.contains("CACHED"), "{log}");
    forget();
    again.cache_from = vec![asked.names[0].clone()];
    let log = build(engine, BuilderKind::BuildKit, &again).await.unwrap();
    assert!(log.lines().any(|line| line.starts_with("CACHED") && line.contains("costly")), "{log}");
}

/// A build uses a key of this host's agent, and the key is not in the image.
async fn ssh(lab: &Lab, engine: &EngineMut) {
    let socket = lab.path("agent.sock");
    let agent = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn();
    let Ok(mut agent) = agent else {
        println!("SKIPPED ssh: no ssh-agent here (apt-get install openssh-client)");
        return;
    };
    let key = lab.path("key");
    let quiet = ["-q", "-t", "ed25519", "-N", "", "-C", "lab-key-comment", "-f"];
    assert!(Command::new("ssh-keygen").args(quiet).arg(&key).status().unwrap().success());
    let mut tries = 0;
    while !socket.exists() && tries < 100 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        tries += 1;
    }
    let added = Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(added.success());
    // The program with what it is linked to, as it lies here.
    let listed = Command::new("ldd").arg("/usr/bin/ssh-add").output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut files = vec![("/usr/bin/ssh-add".to_owned(), "ssh-add".to_owned())];
    for word in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        files.push((word.to_owned(), word.to_owned()));
    }
    let mut text = BASE.to_owned();
    let mut content = vec![("busybox".to_owned(), fs::read(lab.path("busybox")).unwrap(), 0o755)];
    for (number, (from, to)) in files.iter().enumerate() {
        let to = if to == "ssh-add" { "/bin/ssh-add" } else { to };
        text += &format!("COPY f{number} {to}\n");
        content.push((format!("f{number}"), fs::read(from).unwrap(), 0o755));
    }
    text += "RUN mkdir -p /etc && echo root:x:0:0:root:/:/bin/sh > /etc/passwd\n";
    text += "RUN --mount=type=ssh,required=true ssh-add -l\n";
    content.push(("Dockerfile".to_owned(), text.into_bytes(), 0o644));
    let mut asked = BuildSpec::new(Arc::new(Files(content)));
    asked.names = vec!["lab/ssh:t".into()];
    asked.network_host = true;
    asked.ssh.insert("default".into(), socket.clone());
    let built = build(engine, BuilderKind::BuildKit, &asked).await;
    let unanswered = {
        asked.no_cache = true;
        asked.ssh.insert("default".into(), lab.path("no-agent"));
        build(engine, BuilderKind::BuildKit, &asked).await
    };
    let refused = build(engine, BuilderKind::Classic, &asked).await;
    let _ = agent.kill();
    let _ = agent.wait();
    let log = built.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(log.contains("lab-key-comment") && log.contains("ED25519"), "{log}");
    let error = unanswered.unwrap_err();
    assert!(error.message.contains("ssh agent `default`"), "{error:?}");
    assert_eq!(refused.unwrap_err().class, ErrorClass::Unusable);
}

/// Two platforms that run here, under tags of their own, then one list for both.
async fn platforms(lab: &Lab, engine: &EngineMut) {
    let kind = BuilderKind::BuildKit;
    for platform in ["linux/amd64", "linux/386"] {
        let text = format!("{BASE}RUN echo for {platform} > /for\n");
        let mut asked = spec(lab, "both", &text);
        asked.platform = Some(platform.into());
        let tag = format!("t-{}", platform.replace('/', "-"));
        asked.names = vec![format!("{}/lab/both:{tag}", lab.registry)];
        build(engine, kind, &asked).await.unwrap_or_else(|error| panic!("{error:?}"));
        let (_, told) = lab.docker(&["inspect", "--format", "{{.Os}}/{{.Architecture}}", &asked.names[0]]);
        assert_eq!(told.trim(), platform);
        let push = PushSpec { repository: format!("{}/lab/both", lab.registry), tag, login: Some(login(lab)) };
        engine.push(&push, &feed().0).await.unwrap();
    }
}

/// The program without an engine: build on a pushed base, push with the password, the digest as the registry has it.
async fn buildah(lab: &Lab, mutate: &Mutate) {
    if mutate.probe().buildah().is_none() {
        assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped");
        println!("SKIPPED buildah: apt-get install buildah");
        return;
    }
    let settings = BuildahSettings {
        root: Some(lab.path("store")),
        run_root: Some(lab.path("store-run")),
        driver: Some("vfs".into()),
        ..BuildahSettings::default()
    };
    let backend = Backend::from(mutate.buildah(settings).await.unwrap());
    let (feed, seen) = feed();
    let text = format!("FROM {}/lab/cached:t\nRUN echo by-buildah\n", lab.registry);
    let asked = spec(lab, "alone", &text);
    backend.build(BuilderKind::Buildah, &asked, &feed).await.unwrap_or_else(|error| panic!("{error:?}"));
    let push = PushSpec { repository: format!("{}/lab/alone", lab.registry), tag: "t".into(), login: Some(login(lab)) };
    let wrong = RegistryLogin { password: Secret::new("wrong"), ..login(lab) };
    let refused = backend.push(&PushSpec { login: Some(wrong), ..push.clone() }, &feed).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Auth, "{refused:?}");
    let digest = backend.push(&push, &feed).await.unwrap().unwrap();
    let settings =
        RegistrySettings { host: lab.registry.clone(), login: Some(login(lab)), ..RegistrySettings::default() };
    let read = mutate.probe().registry(settings).unwrap().digest("lab/alone", "t").await.unwrap();
    assert_eq!(Some(digest), read);
    let log = seen.lock().unwrap().join("\n");
    assert!(log.contains("by-buildah") && !log.contains(PASSWORD), "{log}");
    backend.remove(&asked.names[0]).await.unwrap();
    assert_eq!(backend.inspect(&asked.names[0]).await.unwrap(), None);
}

/// A registry that takes one byte a second: nothing is told any more once the buffers between are full. The engine
/// would wait for ever.
async fn slow_registry(lab: &Lab, engine: &EngineMut) {
    let faults = Faults::new(Some(&lab.registry));
    faults.rule("PATCH", "/blobs/uploads/", usize::MAX, Fault::SlowUpload(Duration::from_secs(1)));
    let mut asked = spec(lab, "slow", "FROM scratch\nCOPY busybox /slow/busybox\n");
    let repository = format!("{}/lab/slow", faults.address);
    asked.names = vec![format!("{repository}:t")];
    build(engine, BuilderKind::BuildKit, &asked).await.unwrap();
    let login = RegistryLogin::new(faults.address.as_str(), "builder", Secret::new(PASSWORD));
    let push = PushSpec { repository, tag: "t".into(), login: Some(login) };
    let (feed, seen) = feed();
    let error = engine.clone().patient(Duration::from_secs(4)).push(&push, &feed).await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("made no progress"), "{error}");
    let seen = seen.lock().unwrap();
    assert!(!seen.iter().any(|line| line.ends_with("Preparing")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn builders_of_a_real_engine() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
            println!("SKIPPED builders of a real engine: {reason}");
            return;
        }
    };
    let mutate = Mutate::with_probe(Probe::new(Vec::new()));
    let engine = mutate.engine(&mutate.probe().engine(&lab.address()).await.unwrap());
    let mode = fs::metadata(lab.path("docker.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    answers(&lab, &engine).await;
    options(&lab, &engine, BuilderKind::BuildKit).await;
    options(&lab, &engine, BuilderKind::Classic).await;
    inline_cache(&lab, &engine).await;
    ssh(&lab, &engine).await;
    platforms(&lab, &engine).await;
    slow_registry(&lab, &engine).await;
    buildah(&lab, &mutate).await;
}
