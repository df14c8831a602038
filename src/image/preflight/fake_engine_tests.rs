//! An engine that says what a test wants, on a socket of its own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;
use crate::image::capabilities::Wanted;
use crate::system::Probe;
use crate::system::engine::BuilderKind;

/// Serves JSON by the end of the path; anything else is 404.
fn serve(folder: &Path, answers: &[(&'static str, String)]) -> String {
    let path = folder.join("engine.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let answers: BTreeMap<&'static str, String> = answers.iter().cloned().collect();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(200) {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|part| part == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
            let path = line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
            let found = answers.iter().find(|(end, _)| path.ends_with(*end));
            let (status, body) = found.map_or(("404 Not Found", "{}"), |(_, body)| ("200 OK", body.as_str()));
            let text = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(text.as_bytes());
        }
    });
    format!("unix://{}", path.display())
}

fn engine(folder: &Path, api: &str, driver: &str, backing: &str) -> String {
    let version = format!("{{\"Version\":\"fake\",\"ApiVersion\":\"{api}\",\"MinAPIVersion\":\"1.12\"}}");
    let info = format!(
        "{{\"Driver\":\"{driver}\",\"DriverStatus\":[[\"Backing Filesystem\",\"{backing}\"]],\"DockerRootDir\":\"{}\",\
         \"OSType\":\"linux\",\"Architecture\":\"x86_64\",\"SecurityOptions\":[\"name=seccomp,profile=default\"]}}",
        folder.display()
    );
    serve(folder, &[("/version", version), ("/info", info), ("/_ping", "OK".to_owned())])
}

async fn ask(address: &str, builder: Option<BuilderKind>, wanted: &Wanted, root: &Path) -> Vec<Line> {
    let probe = Probe::new(vec![("PATH".into(), "/none".into())]);
    run(&probe, &Ask { builder, root, ..Ask::new(address, wanted) }).await.0
}

fn of<'a>(lines: &'a [Line], code: &str) -> &'a Line {
    lines.iter().find(|line| line.code == code).unwrap_or_else(|| panic!("no {code} in {lines:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_engine_without_buildkit_on_a_nested_overlay() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Wanted { secrets: vec!["token".into()], ..Wanted::default() };
    let address = engine(folder.path(), "1.38", "overlay2", "overlayfs");
    let lines = ask(&address, None, &wanted, Path::new("/")).await;
    assert!(lines[0].found.starts_with("fake at `"), "{lines:?}");
    let old = of(&lines, "B0113");
    assert_eq!(old.severity, Severity::Warn);
    assert!(old.found.contains("an old engine: its newest API is 1.38"), "{old:?}");
    assert_eq!(of(&lines, "B0114").severity, Severity::Warn);
    assert!(of(&lines, "B0114").found.starts_with("no BuildKit"), "{lines:?}");
    let nested = of(&lines, "B0112");
    assert_eq!(nested.severity, Severity::Fail);
    assert!(nested.found.contains("invalid argument"), "{nested:?}");
    let refused = of(&lines, "B0105");
    assert!(refused.found.contains("the build secret `token` needs BuildKit"), "{refused:?}");

    // Chosen by hand it is an error; another driver is only slow.
    let address = engine(folder.path(), "1.41", "vfs", "overlayfs");
    let lines = ask(&address, Some(BuilderKind::BuildKit), &Wanted::default(), Path::new("/")).await;
    assert_eq!(of(&lines, "B0114").severity, Severity::Fail);
    assert_eq!(of(&lines, "B0112").severity, Severity::Warn);
    assert!(!lines.iter().any(|line| line.code == "B0113"), "{lines:?}");
    let address = engine(folder.path(), "1.41", "overlay2", "extfs");
    let lines = ask(&address, None, &Wanted::default(), Path::new("/")).await;
    assert_eq!(of(&lines, "B0112").severity, Severity::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_engine_no_right_and_something_else_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let address = |name: &str| format!("unix://{}", folder.path().join(name).display());
    let wanted = Wanted::default();
    let lines = ask(&address("none"), None, &wanted, Path::new("/none")).await;
    assert_eq!((lines[0].severity, lines[0].code), (Severity::Fail, "B0110"));
    assert!(lines[0].text().ends_with(": systemctl start docker"), "{}", lines[0].text());
    std::fs::write(folder.path().join("file"), "").unwrap();
    let lines = ask(&address("file"), None, &wanted, Path::new("/none")).await;
    assert!(lines[0].found.contains("is no socket"), "{lines:?}");
    // A socket at which nobody listens.
    drop(UnixListener::bind(folder.path().join("dead")).unwrap());
    let lines = ask(&address("dead"), None, &wanted, Path::new("/none")).await;
    assert_eq!((lines[0].severity, lines[0].code), (Severity::Fail, "B0110"), "{lines:?}");
    let lines = ask("tcp://1.2.3.4:5", None, &wanted, Path::new("/none")).await;
    assert_eq!((lines[0].severity, lines[0].code), (Severity::Fail, "B0110"), "{lines:?}");
    let lines = ask(&address("none"), Some(BuilderKind::Buildah), &wanted, Path::new("/none")).await;
    assert_eq!((lines[0].severity, lines[0].code), (Severity::Fail, "B0126"), "{lines:?}");
    assert_eq!(lines[0].fix.as_deref(), Some("apt-get install buildah"));
}
