//! The registry: that it is one, its login, its clock; and the frontends that `# syntax=` lines name.

use std::collections::BTreeMap;

use super::line::Line;
use super::run::RegistryAsk;
use crate::image::def::ImageDef;
use crate::system::Probe;
use crate::system::engine::{
    Engine, EngineAnswers, EngineError, ErrorClass, RegistryLook, RegistrySettings, is_loopback,
};
use crate::system::http::HttpError;

/// Certificates and tokens are refused when clocks differ by more.
const FAR: u64 = 300;
const NEAR: u64 = 30;

/// The registry that images are pushed to. `repositories`: where the right to push is tried.
pub(super) async fn registry(
    probe: &Probe,
    settings: &RegistrySettings,
    repositories: &[String],
    lines: &mut Vec<Line>,
) {
    let host = &settings.host;
    let plain = settings.insecure || is_loopback(host);
    let mut looked = look(probe, settings, "https").await;
    if plain && !matches!(&looked, Ok(look) if look.is_registry) {
        let http = look(probe, settings, "http").await;
        if http.is_ok() || matches!(looked, Err(HttpError::Connect(_))) {
            looked = http;
        }
    }
    match &looked {
        Err(HttpError::Connect(why)) => {
            lines.push(not_there(probe, host, why).await);
            return;
        }
        Err(HttpError::Timeout) => {
            let fix = format!("curl -sv https://{host}/v2/");
            lines.push(Line::fail("B0119", "registry", format!("`{host}` gave no answer in time"), fix));
            return;
        }
        Ok(look) if !look.is_registry => {
            let server = look.server.as_ref().map_or(String::new(), |server| format!(" ({server})"));
            let found = format!("`{host}` answers, but is no registry{server}: wrong port? (`/v2/`: {})", look.status);
            lines.push(Line::fail("B0119", "registry", found, format!("--registry {}:5000", bare(host))));
            return;
        }
        // The reader below has more authorities than this look, and tells what is wrong.
        Ok(_) | Err(_) => {}
    }
    if !plain
        && looked.is_err()
        && let Ok(http) = look(probe, settings, "http").await
        && http.is_registry
    {
        let found = format!("the registry `{host}` speaks plain HTTP, which is used for loopback only");
        lines.push(Line::fail(
            "B0119",
            "registry",
            found,
            "registry_insecure: true (`--insecure`), or TLS at the registry",
        ));
        return;
    }
    login(probe, settings, repositories, lines).await;
    if let Ok(look) = &looked {
        lines.extend(look.date.map(|date| clock(probe.clock(), date, host)));
    }
}

async fn look(probe: &Probe, settings: &RegistrySettings, scheme: &str) -> Result<RegistryLook, HttpError> {
    probe.look_at_registry(scheme, &settings.host, settings.ca_file.as_deref()).await
}

fn bare(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Nobody listens: another usual port may have the registry.
async fn not_there(probe: &Probe, host: &str, why: &str) -> Line {
    let name = bare(host);
    for port in [5000, 443, 5001, 8443] {
        let other = format!("{name}:{port}");
        if other != host && probe.connects(None, name, port, std::time::Duration::from_secs(2)).await.is_ok() {
            let found = format!("nobody listens at `{host}` ({why}), but at `{other}`: wrong port?");
            return Line::fail("B0119", "registry", found, format!("--registry {other}"));
        }
    }
    let found = format!("the registry `{host}` is not reachable: {why}");
    Line::fail("B0119", "registry", found, format!("curl -sv https://{host}/v2/"))
}

async fn login(probe: &Probe, settings: &RegistrySettings, repositories: &[String], lines: &mut Vec<Line>) {
    let (host, check) = (&settings.host, "login");
    let client = probe.registry(settings.clone());
    let asked = match &client {
        Ok(client) => client.check_login().await,
        Err(error) => Err(error.clone()),
    };
    let who = settings.login.as_ref().map_or("without a login".to_owned(), |login| format!("as `{}`", login.username));
    match asked {
        Ok(()) => lines.push(Line::ok("B0118", check, format!("`{host}` takes requests {who}"))),
        Err(error) => {
            lines.push(Line::fail("B0118", check, format!("{who}: {error}"), login_fix(&error, host)));
            return;
        }
    }
    let Ok(client) = client else { return };
    for repository in repositories {
        lines.push(match client.push_right(repository).await {
            Ok(()) => Line::ok("B0180", "push", format!("`{host}` takes pushes to `{repository}` {who}")),
            Err(error) => {
                let fix = match error.class {
                    ErrorClass::Auth if settings.login.is_none() => format!("docker login {host}"),
                    ErrorClass::Auth => {
                        format!("give it the right to push to `{repository}`, or push elsewhere by `namespace`")
                    }
                    _ => format!("curl -sv -X POST https://{host}/v2/{repository}/blobs/uploads/"),
                };
                let fix = error.hint.clone().unwrap_or(fix);
                let found = format!("no push to `{host}/{repository}` {who}: {error}");
                // What may be over when the first image is pushed has its policies there.
                match error.class {
                    ErrorClass::Transient | ErrorClass::RateLimited => Line::warn("B0180", "push", found, fix),
                    _ => Line::fail("B0180", "push", found, fix),
                }
            }
        });
    }
}

fn login_fix(error: &EngineError, host: &str) -> String {
    match error.class {
        ErrorClass::Certificate => {
            format!("place its CA in /etc/docker/certs.d/{host}/ca.crt, or `--registry-ca FILE`")
        }
        ErrorClass::Auth => format!("docker login {host}, or `registry_username` and `registry_password`"),
        _ => format!("curl -sv https://{host}/v2/"),
    }
}

/// This host's clock beside the registry's.
fn clock(own: u64, theirs: i64, host: &str) -> Line {
    let apart = i64::try_from(own).unwrap_or(i64::MAX).saturating_sub(theirs);
    let (seconds, side) = (apart.unsigned_abs(), if apart > 0 { "ahead of" } else { "behind" });
    let found = format!("this host's clock is {seconds} s {side} that of `{host}`");
    let fix = "timedatectl set-ntp true";
    if seconds > FAR {
        Line::fail("B0120", "clock", format!("{found}: tokens and certificates are refused"), fix)
    } else if seconds > NEAR {
        Line::warn("B0120", "clock", found, fix)
    } else {
        Line::ok("B0120", "clock", format!("{seconds} s apart from `{host}`"))
    }
}

/// What is wrong if this host's clock, `own`, is not its controller's (seconds since 1970): the time in a tag is the
/// controller's.
pub fn controllers_clock(own: i64, controller: i64) -> Option<Line> {
    let apart = own.saturating_sub(controller);
    let at =
        |seconds: i64| jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string());
    let side = if apart > 0 { "ahead of" } else { "behind" };
    let found = format!(
        "this host's clock is {} s {side} its controller's ({} here, {} there), from which the time in tags is",
        apart.unsigned_abs(),
        at(own),
        at(controller)
    );
    let fix = "timedatectl set-ntp true   # on the one that is wrong";
    (apart.unsigned_abs() > FAR).then(|| Line::warn("B0120", "clock", found, fix))
}

/// The frontends of `# syntax=` lines: in the engine, or in their registry. `settings` are used for the
/// registry that they are of.
pub(super) async fn frontends(
    probe: &Probe,
    images: &[&ImageDef],
    engine: Option<&Engine>,
    answers: Option<&EngineAnswers>,
    settings: &[RegistryAsk],
    lines: &mut Vec<Line>,
) {
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    for image in images {
        if let Some((frontend, line)) = &image.dockerfile.syntax {
            named.entry(frontend).or_insert_with(|| format!("{}:{line}", image.shown));
        }
    }
    for (frontend, place) in named {
        let (host, repository, reference) = split(frontend);
        if let Some(engine) = engine
            && engine.inspect(frontend).await.is_ok_and(|found| found.is_some())
        {
            lines.push(Line::ok("B0115", "frontend", format!("the engine has `{frontend}`")));
            continue;
        }
        let mirror = answers.filter(|_| host == HUB).and_then(|answers| answers.mirrors.first());
        let asked = mirror.map_or(host.clone(), |url| {
            url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned()
        });
        let own = settings.iter().map(|one| &one.settings).find(|settings| settings.host == asked).cloned();
        let insecure = mirror.is_some_and(|url| url.starts_with("http://"));
        let settings =
            own.unwrap_or_else(|| RegistrySettings { host: asked.clone(), insecure, ..RegistrySettings::default() });
        let found = match probe.registry(settings) {
            Ok(client) => client.digest(&repository, &reference).await,
            Err(error) => Err(error),
        };
        let why = match found {
            Ok(Some(_)) => {
                lines.push(Line::ok("B0115", "frontend", format!("`{frontend}` is at `{asked}`")));
                continue;
            }
            Ok(None) => format!("`{asked}` does not have it"),
            Err(error) => error.message,
        };
        let found = format!("{place}: the frontend `{frontend}` cannot be pulled: {why}");
        let fix =
            "leave the `# syntax=` line out if the engine's own frontend will do, or name a copy in your registry";
        lines.push(Line::fail("B0115", "frontend", found, fix));
    }
}

/// Where Docker Hub's API is.
const HUB: &str = "registry-1.docker.io";

/// Host, repository, tag or digest of an image's name.
fn split(name: &str) -> (String, String, String) {
    let (name, reference) = match name.split_once('@') {
        Some((name, digest)) => (name, digest.to_owned()),
        None => match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag.to_owned()),
            _ => (name, "latest".to_owned()),
        },
    };
    let name = match name.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') && reference.contains(':') => bare,
        _ => name,
    };
    match name.split_once('/') {
        Some(("docker.io" | "index.docker.io", rest)) => (HUB.to_owned(), hub(rest), reference),
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            (host.to_owned(), rest.to_owned(), reference)
        }
        _ => (HUB.to_owned(), hub(name), reference),
    }
}

fn hub(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("library/{name}") }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::image::graph::tests::image;
    use crate::image::preflight::Severity;

    /// Answers every request with the same text, on plain HTTP.
    fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(50) {
                let Ok(mut stream) = stream else { return };
                let mut head = [0; 4096];
                let count = stream.read(&mut head).unwrap_or(0);
                // A handshake of TLS is no request.
                if count > 0 && head[0] != 0x16 {
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        address
    }

    async fn lines_of(host: &str) -> Vec<Line> {
        let settings = RegistrySettings { host: host.to_owned(), ..RegistrySettings::default() };
        let mut lines = Vec::new();
        registry(&Probe::new(Vec::new()), &settings, &[], &mut lines).await;
        lines
    }

    const OLD: &str = "HTTP/1.1 200 OK\r\nDocker-Distribution-Api-Version: registry/2.0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    const WEB: &str = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    const LOCKED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"lab\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const GONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[tokio::test(flavor = "multi_thread")]
    async fn a_clock_far_from_the_registrys_is_told() {
        let lines = lines_of(&serve(OLD)).await;
        assert_eq!((lines[0].severity, lines[0].code), (Severity::Ok, "B0118"), "{lines:?}");
        assert_eq!((lines[1].severity, lines[1].code), (Severity::Fail, "B0120"), "{lines:?}");
        assert!(lines[1].text().ends_with("[B0120]: timedatectl set-ntp true"), "{}", lines[1].text());
        assert_eq!(clock(1000, 960, "r").severity, Severity::Warn);
        let told = controllers_clock(1_700_000_000, 1_700_000_301).unwrap().warning();
        let both = "is 301 s behind its controller's (2023-11-14T22:13:20Z here, 2023-11-14T22:18:21Z there)";
        assert!(told.contains(both) && told.contains("timedatectl set-ntp true"), "{told}");
        assert!(controllers_clock(1301, 1000).unwrap().found.contains("301 s ahead of"));
        assert_eq!((controllers_clock(1300, 1000), controllers_clock(i64::MIN, i64::MIN)), (None, None));
        assert_eq!(clock(1000, 1001, "r").severity, Severity::Ok);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_no_registry_or_not_there_is_a_wrong_port() {
        let lines = lines_of(&serve(WEB)).await;
        assert_eq!((lines.len(), lines[0].severity, lines[0].code), (1, Severity::Fail, "B0119"), "{lines:?}");
        assert!(lines[0].found.contains("no registry (nginx)"), "{lines:?}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let lines = lines_of(&free).await;
        assert_eq!((lines.len(), lines[0].severity, lines[0].code), (1, Severity::Fail, "B0119"), "{lines:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_right_to_push_is_tried_in_each_namespace() {
        let settings = RegistrySettings { host: serve(OLD), ..RegistrySettings::default() };
        let repositories = ["lab/x".to_owned(), "other/y".to_owned()];
        let mut lines = Vec::new();
        registry(&Probe::new(Vec::new()), &settings, &repositories, &mut lines).await;
        assert_eq!((lines[0].severity, lines[0].code), (Severity::Ok, "B0118"), "{lines:?}");
        // It takes everything, but opens no upload.
        for (line, repository) in lines[1..3].iter().zip(repositories) {
            assert_eq!((line.severity, line.code), (Severity::Fail, "B0180"), "{lines:?}");
            assert!(line.found.contains(&repository) && line.fix.is_some(), "{lines:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_login_is_told() {
        let lines = lines_of(&serve(LOCKED)).await;
        assert_eq!((lines[0].severity, lines[0].code), (Severity::Fail, "B0118"), "{lines:?}");
        assert!(lines[0].text().contains("docker login 127.0.0.1:"), "{}", lines[0].text());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_frontend_that_cannot_be_pulled_is_told_with_its_place() {
        let (gone, there) = (serve(GONE), serve(OLD_MANIFEST));
        let text = |host: &str| format!("# syntax={host}/front/end:1\nFROM scratch\n");
        let (first, second) = (image("a", &text(&gone)), image("b", &text(&there)));
        let mut lines = Vec::new();
        frontends(&Probe::new(Vec::new()), &[&first, &second], None, None, &[], &mut lines).await;
        lines.sort_by_key(|line| line.severity);
        assert_eq!(lines[0].severity, Severity::Ok, "{lines:?}");
        assert_eq!((lines[1].severity, lines[1].code), (Severity::Fail, "B0115"), "{lines:?}");
        assert!(lines[1].found.contains("a/Dockerfile:1: the frontend"), "{lines:?}");
    }

    const OLD_MANIFEST: &str = "HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:1111111111111111111111111111111111111111111111111111111111111111\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[test]
    fn names_are_split_as_the_engine_does() {
        let parts = |name: &str| {
            let (host, repository, reference) = split(name);
            format!("{host} {repository} {reference}")
        };
        assert_eq!(parts("docker/dockerfile:1"), "registry-1.docker.io docker/dockerfile 1");
        assert_eq!(parts("debian"), "registry-1.docker.io library/debian latest");
        assert_eq!(parts("r:5000/a/b"), "r:5000 a/b latest");
        assert_eq!(parts("r.example/a:1@sha256:ab"), "r.example a sha256:ab");
        assert_eq!(parts("localhost/a:2"), "localhost a 2");
    }
}
