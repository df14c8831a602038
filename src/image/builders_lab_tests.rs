//! With a real engine and a real registry: the preflight where all is well, and one list of manifests for two
//! platforms.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;

use super::capabilities::Wanted;
use super::platforms::{ListEntry, ManifestLists, Platform, platform_tag, write_list};
use super::preflight::{Ask, Mirror, RegistryAsk, Severity, run};
use crate::secret::Secret;
use crate::system::engine::lab::{Lab, PASSWORD};
use crate::system::engine::{
    BuildSpec, BuilderKind, ContextSource, EngineError, ErrorClass, Feed, PushSpec, RegistryLogin, RegistrySettings,
};
use crate::system::{Mutate, Probe};

/// A Dockerfile and the lab's busybox.
struct Context(String, Vec<u8>);

impl ContextSource for Context {
    fn write_tar(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let mut builder = tar::Builder::new(out);
        for (name, bytes, mode) in [("Dockerfile", self.0.as_bytes(), 0o644), ("busybox", self.1.as_slice(), 0o755)] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(mode);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, bytes)?;
        }
        builder.into_inner()?.flush()
    }
}

/// The registry by curl, so that nothing of hostctl judges itself.
struct Curl<'a>(&'a Lab);

impl Curl<'_> {
    fn run(&self, path: &str, args: &[&str]) -> Result<Vec<u8>, EngineError> {
        let login = format!("user = \"builder:{}\"\n", PASSWORD.replace('\\', "\\\\").replace('"', "\\\""));
        let config = self.0.path("curlrc");
        std::fs::write(&config, login).unwrap();
        let url = format!("http://{}/v2/{path}", self.0.registry);
        let output = Command::new("curl").arg("-sSf").arg("-K").arg(&config).args(args).arg(&url).output().unwrap();
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(EngineError::new(ErrorClass::Other, String::from_utf8_lossy(&output.stderr)))
    }
}

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[async_trait]
impl ManifestLists for Curl<'_> {
    async fn manifest(&self, repository: &str, digest: &str) -> Result<(String, u64), EngineError> {
        let bytes = self.run(&format!("{repository}/manifests/{digest}"), &["-H", &format!("Accept: {DOCKER}")])?;
        Ok((DOCKER.to_owned(), bytes.len() as u64))
    }

    async fn put_list(&self, repository: &str, tag: &str, entries: &[ListEntry]) -> Result<String, EngineError> {
        let manifests: Vec<serde_json::Value> = entries
            .iter()
            .map(|one| {
                serde_json::json!({
                    "mediaType": one.media_type, "size": one.size, "digest": one.digest,
                    "platform": { "os": one.platform.os, "architecture": one.platform.architecture },
                })
            })
            .collect();
        let list = serde_json::json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": manifests }).to_string();
        let args = ["-X", "PUT", "-H", &format!("Content-Type: {LIST}"), "--data-binary", &list, "-D", "-"];
        let head = String::from_utf8_lossy(&self.run(&format!("{repository}/manifests/{tag}"), &args)?).into_owned();
        let digest = head.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: ")).unwrap_or_default();
        Ok(digest.trim().to_owned())
    }
}

/// Each platform is built and pushed, its digest read back; an engine pulls either by the list's tag.
async fn one_list_for_two_platforms(lab: &Lab, login: &RegistryLogin, settings: &RegistrySettings) {
    let mutate = Mutate::with_probe(Probe::new(Vec::new()));
    let engine = mutate.engine(&mutate.probe().engine(&lab.address()).await.unwrap());
    let registry = mutate.probe().registry(settings.clone()).unwrap();
    let repository = format!("{}/lab/both", lab.registry);
    let mut pushed = Vec::new();
    for name in ["linux/386", "linux/amd64"] {
        let platform: Platform = name.parse().unwrap();
        let text = format!("FROM scratch\nCOPY busybox /bin/busybox\nENV FOR={name}\n");
        let mut spec = BuildSpec::new(Arc::new(Context(text, std::fs::read(lab.path("busybox")).unwrap())));
        let tag = platform_tag("t", &platform);
        spec.names = vec![format!("{repository}:{tag}")];
        spec.platform = Some(platform.to_string());
        let nobody = Feed::new(|_| ());
        engine.build(BuilderKind::BuildKit, &spec, &nobody).await.unwrap();
        let push = PushSpec { repository: repository.clone(), tag: tag.clone(), login: Some(login.clone()) };
        engine.push(&push, &nobody).await.unwrap();
        pushed.push((platform, registry.digest("lab/both", &tag).await.unwrap().unwrap()));
    }
    let digest = write_list(&Curl(lab), "lab/both", "t", &pushed).await.unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");
    for (platform, _) in &pushed {
        lab.docker(&[
            "rmi",
            "-f",
            &format!("{repository}:t"),
            &format!("{repository}:{}", platform_tag("t", platform)),
        ]);
        let (pulled, text) = lab.docker(&["pull", "--platform", &platform.to_string(), &format!("{repository}:t")]);
        assert!(pulled, "{text}");
        let format = "{{.Os}}/{{.Architecture}} {{.Config.Env}}";
        let (_, told) = lab.docker(&["inspect", "--format", format, &format!("{repository}:t")]);
        assert!(told.starts_with(&platform.to_string()) && told.contains(&format!("FOR={platform}")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_host_has_no_failures_and_builds_for_two_platforms() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
            println!("SKIPPED the preflight of a good host: {reason}");
            return;
        }
    };
    let settings = |password: &str| RegistrySettings {
        host: lab.registry.clone(),
        login: Some(RegistryLogin::new(lab.registry.as_str(), "builder", Secret::new(password))),
        ..RegistrySettings::default()
    };
    let (good, bad) = (settings(PASSWORD), settings("wrong"));
    let (address, wanted) = (lab.address(), Wanted::default());
    let (_, port) = lab.registry.rsplit_once(':').unwrap();
    let probe = Probe::new(Vec::new());
    // The registry stands for a mirror: something that answers.
    let mirrors = [Mirror::new("127.0.0.1", port.parse().unwrap(), true)];
    let pushed = RegistryAsk { settings: good.clone(), repositories: vec!["lab/x".to_owned()] };
    let registries = [pushed];
    let ask = Ask { registries: &registries, mirrors: &mirrors, network_host: true, ..Ask::new(&address, &wanted) };
    let (lines, capabilities) = run(&probe, &ask).await;
    for line in &lines {
        println!("{}", line.text());
    }
    assert!(lines.iter().all(|line| line.severity != Severity::Fail), "{lines:?}");
    let found = |code: &str| lines.iter().find(|line| line.code == code).unwrap();
    assert_eq!(found("B0110").severity, Severity::Ok);
    assert!(found("B0114").found.starts_with("BuildKit for linux/"), "{lines:?}");
    assert_eq!(found("B0180").found, format!("`{}` takes pushes to `lab/x` as `builder`", lab.registry));
    assert_eq!((found("B0118").severity, found("B0120").severity), (Severity::Ok, Severity::Ok), "{lines:?}");
    assert_eq!(capabilities.unwrap().kind(), BuilderKind::BuildKit);
    assert!(!format!("{lines:?}").contains(PASSWORD));

    let (lines, _) = run(&probe, &Ask { registries: &[RegistryAsk::new(bad)], root: Path::new("/"), ..ask }).await;
    let line = lines.iter().find(|line| line.code == "B0118").unwrap();
    assert_eq!(line.severity, Severity::Fail, "{lines:?}");
    one_list_for_two_platforms(&lab, good.login.as_ref().unwrap(), &good).await;
}
