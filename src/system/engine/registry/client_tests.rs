//! The client against a server that answers by a script.

use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use self::faults::{Fault, Faults, answer, answer_with};
use super::super::credentials::RegistryLogin;
use super::super::error::{ErrorClass, Right};
use super::client::{RegistryClient, RegistrySettings};
use super::transport::Patience;
use crate::secret::Secret;

#[expect(dead_code, reason = "the tests with a real engine use what is not used here")]
#[path = "../../../../tests/image_engine/faults.rs"]
pub(in crate::system::engine) mod faults;

const FOREVER: usize = usize::MAX;

/// Nothing is asked again.
const AT_ONCE: Patience = Patience { again: 0, ..Patience::USUAL };

fn settings(server: &Faults, login: bool) -> RegistrySettings {
    let login = login.then(|| RegistryLogin::new(server.address.as_str(), "u", Secret::new("p&w")));
    RegistrySettings { host: server.address.clone(), login, ..RegistrySettings::default() }
}

fn client(server: &Faults, login: bool) -> RegistryClient {
    RegistryClient::new(settings(server, login), Path::new("/nonexistent"), AT_ONCE).unwrap()
}

fn text(status: u16, content: &str) -> Fault {
    Fault::Answer(status, Vec::new(), content.to_owned())
}

fn sha256(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

/// A registry that wants tokens of a server; the token is good for `seconds`.
fn bearer(server: &Faults, seconds: u32) {
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"reg\"", server.address);
    server.rule("GET", "/token", FOREVER, text(200, &format!(r#"{{"token":"t0","expires_in":{seconds}}}"#)));
    server.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", &challenge));
}

#[tokio::test]
async fn a_basic_login_is_sent_only_to_the_registry_that_asks() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", "Basic realm=\"lab\""));
    server.rule("GET", "/v2/", 1, answer(200));
    client(&server, true).check_login().await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.iter().map(|seen| seen.authorization.as_str()).collect::<Vec<_>>(), ["", "Basic dTpwJnc="]);
    // Refused: the login itself.
    server.rule("", "/v2/", FOREVER, answer_with(401, "WWW-Authenticate", "Basic realm=\"lab\""));
    let error = client(&server, true).push_right("lab/x").await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Login)), "{error}");
    assert!(error.message.contains("refused the login"), "{error}");
    let error = client(&server, false).push_right("lab/x").await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Push)), "{error}");
    assert!(error.message.contains("wants a login to push `lab/x`"), "{error}");
}

#[tokio::test]
async fn a_tag_that_is_right_is_not_written_again() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", 1, answer(200));
    server.rule("HEAD", "/manifests/t", FOREVER, answer_with(200, "Docker-Content-Digest", &sha256("m")));
    let client = client(&server, false);
    assert!(!client.ensure_tag("lab/x", &sha256("m"), "t").await.unwrap());
    assert!(server.seen().iter().all(|seen| !seen.path.contains(&sha256("m"))), "the manifest was not asked for");
    // Another digest is written, which takes the manifest that this server does not have.
    assert!(client.ensure_tag("lab/x", &sha256("n"), "t").await.is_err());
    assert!(server.seen().iter().any(|seen| seen.path.contains(&sha256("n"))));
}

#[tokio::test]
async fn one_look_serves_presence_and_tag() {
    let server = Faults::new(None);
    let media = ("Content-Type".to_owned(), "application/vnd.oci.image.manifest.v1+json".to_owned());
    let (bytes, told) = ("{}", ("Docker-Content-Digest".to_owned(), sha256("{}")));
    let whole = || Fault::Answer(200, vec![media.clone(), told.clone()], bytes.to_owned());
    server.rule("GET", &format!("/manifests/{}", sha256(bytes)), FOREVER, whole());
    server.rule("PUT", "/manifests/new", FOREVER, Fault::Answer(201, vec![told.clone()], String::new()));
    server.rule("HEAD", "/manifests/stands", FOREVER, whole());
    server.rule("PUT", "/manifests/stands", FOREVER, text(412, r#"{"errors":[{"code":"TAG_IMMUTABLE"}]}"#));
    server.rule("PUT", "/manifests/other", FOREVER, text(400, r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#));
    server.rule("HEAD", "/manifests/other", FOREVER, answer(404));
    server.rule("HEAD", "/manifests/none", FOREVER, answer(404));
    server.rule("GET", "/manifests/", FOREVER, answer(404));
    server.rule("GET", "/v2/", 1, answer(200));
    let digest = sha256(bytes);
    let client = client(&server, false);
    let asked = || {
        let seen = server.seen().into_iter().filter(|seen| seen.path.contains("/manifests/"));
        seen.map(|seen| seen.method).collect::<Vec<_>>()
    };
    assert!(client.holds("lab/x", &digest, None).await.unwrap());
    assert!(client.set_tag("lab/x", &digest, "new", false).await.unwrap());
    assert_eq!(asked(), ["GET", "PUT"]);
    // A tag that stands.
    assert!(client.holds("lab/x", &digest, Some("stands")).await.unwrap());
    assert!(!client.set_tag("lab/x", &digest, "stands", true).await.unwrap());
    assert_eq!(asked(), ["HEAD"]);
    // One that may not be written again, and was not looked at.
    let fresh = self::client(&server, false);
    server.rule("GET", "/v2/", 1, answer(200));
    assert!(fresh.holds("lab/x", &digest, Some("none")).await.unwrap());
    assert!(!fresh.set_tag("lab/x", &digest, "stands", false).await.unwrap());
    assert_eq!(asked(), ["HEAD", "GET", "PUT", "HEAD"]);
    // What the registry refuses is an error, however often it was seen to be there.
    let error = fresh.set_tag("lab/x", &digest, "other", false).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused, "{error}");
    assert!(!fresh.holds("lab/x", &sha256("gone"), Some("stands")).await.unwrap());
    // Other bytes than the digest's are not taken for it.
    server.calm();
    server.rule("GET", "/manifests/", FOREVER, text(200, "evil"));
    assert_eq!(fresh.holds("lab/x", &sha256("gone"), None).await.unwrap_err().class, ErrorClass::Digest);
}

#[tokio::test]
async fn where_nobody_listens_from_the_beginning_waiting_is_short() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let settings = RegistrySettings { host, ..RegistrySettings::default() };
    let usual = RegistryClient::new(settings, Path::new("/nonexistent"), Patience::USUAL).unwrap();
    let error = usual.check_login().await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("cannot connect"), "{error}");
    assert!(usual.is_nowhere());
    // One that was there is waited for.
    let server = Faults::new(None);
    server.rule("GET", "/v2/", FOREVER, answer(200));
    let other = client(&server, false);
    other.check_login().await.unwrap();
    drop(server);
    assert!(other.check_login().await.is_err() && !other.is_nowhere());
    // So is one whose gateway answers for it.
    let server = Faults::new(None);
    server.rule("GET", "/v2/", FOREVER, answer(503));
    let other = client(&server, false);
    assert!(other.check_login().await.is_err() && !other.is_nowhere());
}

#[test]
fn a_host_that_would_be_another_is_refused() {
    for host in ["r.example:5000@evil.example", "r.example?x", "r example", "r.example#", "r\nexample", "%65vil"] {
        let settings = RegistrySettings { host: host.to_owned(), ..RegistrySettings::default() };
        let error = RegistryClient::new(settings, Path::new("/nonexistent"), AT_ONCE).err().unwrap();
        assert_eq!(error.class, ErrorClass::Refused, "{host}");
    }
}

#[tokio::test]
async fn tokens_are_fetched_for_a_repository_and_a_right_and_used_again() {
    let server = Faults::new(None);
    bearer(&server, 300);
    server.rule("HEAD", "/manifests/", FOREVER, answer_with(200, "Docker-Content-Digest", &sha256("m")));
    server.rule("POST", "/uploads/", FOREVER, answer_with(202, "Location", "/v2/lab/x/blobs/uploads/1?s=2"));
    server.rule("DELETE", "/uploads/", FOREVER, answer(405));
    let client = client(&server, true);
    for _ in 0..3 {
        assert_eq!(client.digest("lab/x", "t").await.unwrap(), Some(sha256("m")));
    }
    client.push_right("lab/x").await.unwrap();
    let seen = server.seen();
    let tokens: Vec<&str> =
        seen.iter().filter(|seen| seen.path.starts_with("/token")).map(|seen| seen.path.as_str()).collect();
    assert_eq!(
        tokens,
        [
            "/token?service=reg&scope=repository%3Alab%2Fx%3Apull",
            "/token?service=reg&scope=repository%3Alab%2Fx%3Apull%2Cpush"
        ]
    );
    let heads: Vec<&str> =
        seen.iter().filter(|seen| seen.method == "HEAD").map(|seen| seen.authorization.as_str()).collect();
    assert_eq!(heads, ["Bearer t0"; 3]);
    let cancel = seen.iter().find(|seen| seen.method == "DELETE").unwrap();
    assert_eq!(cancel.path, "/v2/lab/x/blobs/uploads/1?s=2");
}

#[tokio::test]
async fn a_token_that_expired_in_the_middle_is_renewed_once() {
    let server = Faults::new(None);
    bearer(&server, 300);
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"reg\",error=\"invalid_token\"", server.address);
    server.rule_after("HEAD", "/manifests/", 0, 1, answer_with(200, "Docker-Content-Digest", &sha256("m")));
    server.rule("HEAD", "/manifests/", 1, answer_with(401, "WWW-Authenticate", &challenge));
    server.rule("HEAD", "/manifests/", 1, answer_with(200, "Docker-Content-Digest", &sha256("n")));
    let client = client(&server, true);
    assert_eq!(client.digest("lab/x", "t").await.unwrap(), Some(sha256("m")));
    assert_eq!(client.digest("lab/x", "t").await.unwrap(), Some(sha256("n")));
    assert_eq!(server.seen().iter().filter(|seen| seen.path.starts_with("/token")).count(), 2);
    // A fresh token that is refused: the right is missing.
    server.rule("POST", "/uploads/", FOREVER, answer_with(401, "WWW-Authenticate", &challenge));
    let error = client.push_right("lab/x").await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Push)), "{error}");
    assert!(error.message.contains("lacks the right to push `lab/x`"), "{error}");
}

#[tokio::test]
async fn a_token_server_that_refuses_the_login_is_told_and_identity_tokens_go_in_the_content() {
    let server = Faults::new(None);
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"reg\"", server.address);
    server.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", &challenge));
    server.rule("GET", "/token", FOREVER, answer(401));
    let error = client(&server, true).push_right("lab/x").await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Login)), "{error}");
    server.seen();
    server.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", &challenge));
    server.rule("POST", "/token", FOREVER, text(200, r#"{"access_token":"a1"}"#));
    server.rule("GET", "/v2/", 1, answer(200));
    let mut settings = settings(&server, true);
    settings.login = Some(RegistryLogin {
        identity_token: Some(Secret::new("id&1")),
        ..RegistryLogin::new(server.address.as_str(), "<token>", Secret::new(""))
    });
    let client = RegistryClient::new(settings, Path::new("/nonexistent"), AT_ONCE).unwrap();
    client.check_login().await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.last().unwrap().authorization, "Bearer a1");
    let asked = seen.iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!((asked.path.as_str(), asked.authorization.as_str()), ("/token", ""));
    assert!(
        String::from_utf8_lossy(&asked.body).contains("grant_type=refresh_token") && asked.body.ends_with(b"=id%261")
    );
}

#[tokio::test]
async fn tokens_over_plain_http_are_refused_for_registries_that_are_not_insecure() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", FOREVER, answer_with(401, "WWW-Authenticate", "Bearer realm=\"ftp://x/token\""));
    let error = client(&server, true).check_login().await.unwrap_err();
    assert!(error.message.contains("which is no https address"), "{error}");
}

#[tokio::test]
async fn a_manifest_is_checked_against_its_digest() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", 1, answer(200));
    let (good, bad) = (sha256("{}"), sha256("other"));
    let with = |digest: &str| {
        let headers =
            [("Docker-Content-Digest", digest), ("Content-Type", "application/vnd.oci.image.manifest.v1+json; x=y")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Fault::Answer(200, headers, "{}".to_owned())
    };
    let client = client(&server, false);
    server.rule("GET", "/manifests/", 1, with(&good));
    let manifest = client.manifest("lab/x", "t").await.unwrap();
    assert_eq!((manifest.digest.as_str(), &*manifest.bytes), (good.as_str(), &b"{}"[..]));
    assert_eq!(manifest.media_type, "application/vnd.oci.image.manifest.v1+json");
    server.rule("GET", "/manifests/", 1, with(&bad));
    assert_eq!(client.manifest("lab/x", "t").await.unwrap_err().class, ErrorClass::Digest);
    // A header that fits the request does not make up for other bytes.
    server.rule("GET", "/manifests/", 1, with(&bad));
    assert_eq!(client.manifest("lab/x", &bad).await.unwrap_err().class, ErrorClass::Digest);
    server.rule("HEAD", "/manifests/", 1, answer_with(200, "Docker-Content-Digest", &good));
    assert_eq!(client.digest("lab/x", &bad).await.unwrap_err().class, ErrorClass::Digest);
    server.rule("PUT", "/manifests/", 1, answer_with(201, "Docker-Content-Digest", &bad));
    let error = client.put_manifest("lab/x", "t", "{}", "a/b").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Digest, "{error}");
    // Without the header the bytes tell.
    server.rule("HEAD", "/manifests/", 1, answer(200));
    server.rule("GET", "/manifests/", 1, text(200, "{}"));
    assert_eq!(client.digest("lab/x", "t").await.unwrap(), Some(good));
}

#[test]
fn a_login_goes_without_encryption_to_the_registrys_own_host_alone() {
    let may = |realm, plain| super::client::may_have_login(realm, "r.example:5000", plain);
    for realm in ["https://auth.example/token", "https://r.example:5001/token?x=a@b"] {
        assert!(may(realm, false) && may(realm, true), "{realm}");
    }
    for realm in ["http://r.example/token", "http://R.example:5001/token"] {
        assert!(may(realm, true) && !may(realm, false), "{realm}");
    }
    for realm in [
        "http://other.example/token",
        "http://r.example:5000@other.example/token",
        "https://r.example@other.example/token",
        "http://r.example.other.example/",
        "http://other.example\\@r.example/",
        "ftp://r.example/",
        "r.example",
        "",
    ] {
        assert!(!may(realm, true) && !may(realm, false), "{realm}");
    }
}

#[tokio::test]
async fn refusals_close_the_budget_for_as_long_as_is_named() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", 1, answer(200));
    let client = client(&server, false);
    server.rule("HEAD", "/manifests/", 1, answer_with(429, "Retry-After", "1"));
    server.rule("HEAD", "/manifests/", 2, answer(404));
    let error = client.digest("lab/x", "t").await.unwrap_err();
    assert_eq!((error.class, error.retry_after), (ErrorClass::RateLimited, Some(Duration::from_secs(1))));
    let start = Instant::now();
    assert_eq!(client.digest("lab/x", "t").await.unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!((client.budget().refusals(), client.budget().waits()), (1, 1));
    // What an engine only calls too many requests: the registry is asked how long.
    server.rule("POST", "/uploads/", 1, answer_with(429, "Retry-After", "120"));
    let told = super::super::error::EngineError::from_text("toomanyrequests: slow down");
    let told = client.explain(told, "lab/x").await;
    assert!(told.retry_after.is_some_and(|wait| wait > Duration::from_secs(115)), "{told:?}");
    assert_eq!(client.budget().refusals(), 2);
    let asked = server.seen().len();
    let again = super::super::error::EngineError::from_text("toomanyrequests: slow down");
    assert!(client.explain(again, "lab/x").await.retry_after.is_some());
    assert_eq!(server.seen().len(), 0, "{asked}: nobody asks while all wait");
}

#[tokio::test]
async fn what_does_no_harm_is_asked_again_after_trouble_and_short_refusals() {
    let server = Faults::new(None);
    let usual = RegistryClient::new(settings(&server, false), Path::new("/nonexistent"), Patience::USUAL).unwrap();
    server.rule("GET", "/v2/", 1, answer(200));
    server.rule("HEAD", "/manifests/", 1, answer(502));
    server.rule("HEAD", "/manifests/", 1, Fault::Cut);
    server.rule("HEAD", "/manifests/", 1, answer_with(429, "Retry-After", "1"));
    server.rule("HEAD", "/manifests/", 1, answer(404));
    assert_eq!(usual.digest("lab/x", "t").await.unwrap(), None);
    // What a long wait is asked for, and what would be done twice, is told at once.
    server.rule("POST", "/uploads/", 1, answer(503));
    assert_eq!(usual.push_right("lab/x").await.unwrap_err().class, ErrorClass::Transient);
    server.rule("HEAD", "/manifests/", 1, answer_with(429, "Retry-After", "300"));
    assert_eq!(usual.digest("lab/x", "t").await.unwrap_err().class, ErrorClass::RateLimited);
}

#[tokio::test]
async fn pushes_that_are_refused_together_ask_once_and_rights_are_found_out() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", "Basic realm=\"lab\""));
    server.rule("POST", "/uploads/", 1, answer_with(429, "Retry-After", "120"));
    let client = client(&server, true);
    let refused = || super::super::error::EngineError::from_text("error parsing HTTP 429 response body: EOF");
    let (one, two) = tokio::join!(client.explain(refused(), "lab/x"), client.explain(refused(), "lab/y"));
    assert!([&one, &two].iter().all(|error| error.retry_after > Some(Duration::from_secs(115))), "{one:?} {two:?}");
    assert_eq!(server.seen().iter().filter(|seen| seen.method == "POST").count(), 1);
    // The engine's word for a missing right does not say which.
    let other = Faults::new(None);
    other.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", "Basic realm=\"lab\""));
    other.rule("POST", "/uploads/", 1, text(403, r#"{"errors":[{"code":"DENIED"}]}"#));
    let denied = super::super::error::EngineError::from_text("denied: requested access to the resource is denied");
    let own = self::client(&other, true);
    let told = own.explain(denied.clone(), "lab/x").await;
    assert_eq!(told.right, Some(Right::Push));
    assert!(
        told.message.contains("lacks the right to push `lab/x`") && told.message.contains(&denied.message),
        "{told}"
    );
    // A refusal that says more than was asked for is still one.
    let digest = sha256("blob");
    other.rule("GET", "/blobs/", 1, text(403, &"x".repeat(500)));
    let error = own.blob("lab/x", &digest, 10).await.unwrap_err();
    assert_eq!((error.class, error.right), (ErrorClass::Auth, Some(Right::Pull)), "{error}");
}

#[tokio::test]
async fn blobs_are_followed_elsewhere_without_the_login_and_nothing_else_is() {
    let (server, store) = (Faults::new(None), Faults::new(None));
    server.rule("GET", "/v2/", 1, answer_with(401, "WWW-Authenticate", "Basic realm=\"lab\""));
    let digest = sha256("blob");
    server.rule("GET", "/blobs/", 1, answer_with(307, "Location", "/v2/other/blobs/place"));
    server.rule("GET", "/place", 1, answer_with(302, "Location", &format!("http://{}/s3?sig=1", store.address)));
    store.rule("GET", "/s3", 1, text(200, "blob"));
    let client = client(&server, true);
    assert_eq!(client.blob("lab/x", &digest, 100).await.unwrap(), "blob");
    assert_eq!(store.seen()[0].authorization, "");
    assert!(server.seen().iter().skip(1).all(|seen| seen.authorization == "Basic dTpwJnc="));
    // Other content, endless hops, another scheme.
    server.rule("GET", "/blobs/", 1, answer_with(302, "Location", &format!("http://{}/s3", store.address)));
    store.rule("GET", "/s3", 1, text(200, "evil"));
    assert_eq!(client.blob("lab/x", &digest, 100).await.unwrap_err().class, ErrorClass::Digest);
    server.rule("GET", "/blobs/", 10, answer_with(302, "Location", "/v2/lab/x/blobs/again"));
    assert_eq!(client.blob("lab/x", &digest, 100).await.unwrap_err().class, ErrorClass::Refused);
    server.calm();
    server.rule("GET", "/blobs/", 1, answer_with(302, "Location", "file:///etc/passwd"));
    assert_eq!(client.blob("lab/x", &digest, 100).await.unwrap_err().class, ErrorClass::Refused);
    server.rule("GET", "/blobs/", 1, text(200, &"x".repeat(200)));
    let error = client.blob("lab/x", &digest, 100).await.unwrap_err();
    assert!(error.message.contains("larger than 100 bytes"), "{error}");
    // A manifest is not looked for elsewhere.
    server.rule("GET", "/manifests/", 1, answer_with(302, "Location", &format!("http://{}/s3", store.address)));
    store.seen();
    assert_eq!(client.manifest("lab/x", "t").await.unwrap_err().class, ErrorClass::Refused);
    assert!(store.seen().is_empty());
    server.rule("HEAD", "/blobs/", 1, answer_with(307, "Location", "https://s3.example/x"));
    assert!(client.exists_blob("lab/x", &digest).await.unwrap());
}

#[tokio::test]
async fn tags_come_page_by_page() {
    let server = Faults::new(None);
    let page = |next: &str, content: &str| {
        let headers =
            if next.is_empty() { vec![] } else { vec![("Link".to_owned(), format!("<{next}>; rel=\"next\""))] };
        Fault::Answer(200, headers, content.to_owned())
    };
    server.rule("GET", "last=b", 1, page("https://elsewhere.example/v2/x", r#"{"tags":["c"]}"#));
    server.rule("GET", "/tags/list", 1, page("/v2/lab/x/tags/list?last=b&n=2", r#"{"tags":["a","b"]}"#));
    server.rule("GET", "/v2/", 1, answer(200));
    let client = client(&server, false);
    assert_eq!(client.tags("lab/x").await.unwrap(), ["a", "b", "c"]);
    assert_eq!(client.tags("lab/none").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn no_request_hangs_for_ever() {
    let patience = Patience {
        answer: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        grace: Duration::from_secs(1),
        ..AT_ONCE
    };
    let upstream = Faults::new(None);
    upstream.rule("", "/v2/", FOREVER, text(200, &format!("{{\"tags\":[\"{}\"]}}", "x".repeat(2000))));
    let server = Faults::new(Some(&upstream.address));
    let patient =
        |server: &Faults| RegistryClient::new(settings(server, false), Path::new("/nonexistent"), patience).unwrap();
    server.rule_after("GET", "/v2/", 1, 1, Fault::Silent);
    let error = patient(&server).tags("lab/x").await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("no answer within"), "{error}");
    server.calm();
    server.rule("GET", "/tags/", 1, Fault::Trickle(Duration::from_millis(50)));
    let error = patient(&server).tags("lab/x").await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("too slowly"), "{error}");
    server.rule("GET", "/tags/", 1, Fault::Trickle(Duration::from_secs(3)));
    let error = patient(&server).tags("lab/x").await.unwrap_err();
    assert!(error.message.contains("stopped after 1 bytes"), "{error}");
    for fault in [Fault::Cut, Fault::CutAnswer(20)] {
        server.rule("GET", "/tags/", 2, fault);
        let error = patient(&server).tags("lab/x").await.unwrap_err();
        assert!(error.class == ErrorClass::Transient && error.message.contains("broke"), "{error}");
        server.calm();
    }
}

#[tokio::test]
async fn wrong_ports_are_told_with_what_to_type() {
    // Plain HTTP where TLS is wanted: a name that is not loopback, on the same server.
    let server = Faults::new(None);
    let port = server.address.rsplit(':').next().unwrap();
    let mut with = settings(&server, false);
    with.host = format!("0.0.0.0:{port}");
    let error = RegistryClient::new(with.clone(), Path::new("/nonexistent"), AT_ONCE).unwrap();
    let error = error.check_login().await.unwrap_err();
    assert!(error.message.contains("speaks plain HTTP on this port"), "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("registry_insecure: true")), "{error:?}");
    // Named explicitly it is allowed.
    server.rule("GET", "/v2/", FOREVER, answer(200));
    with.insecure = true;
    RegistryClient::new(with, Path::new("/nonexistent"), AT_ONCE).unwrap().check_login().await.unwrap();
    // A page for people.
    let server = Faults::new(None);
    server.rule("GET", "/v2/", FOREVER, text(200, "<!doctype html><title>Harbor</title>"));
    let error = client(&server, false).digest("lab/x", "t").await.unwrap_err();
    assert!(error.message.contains("is no registry") && error.message.contains("Harbor"), "{error}");
    // Some other server, without a page.
    let error = client(&Faults::new(None), false).digest("lab/x", "t").await.unwrap_err();
    assert!(error.message.contains("is no registry: it has no `/v2/`"), "{error}");
    // No HTTP at all, and nobody.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let ssh = std::thread::spawn(move || {
        for stream in listener.incoming().take(2).flatten() {
            let mut stream = stream;
            let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n");
            let _ = std::io::Read::read(&mut stream, &mut [0; 512]);
        }
    });
    let settings = RegistrySettings { host: host.clone(), ..RegistrySettings::default() };
    let asked = RegistryClient::new(settings.clone(), Path::new("/nonexistent"), AT_ONCE).unwrap();
    let error = asked.check_login().await.unwrap_err();
    assert!(error.message.contains("speaks no HTTP"), "{error}");
    ssh.join().unwrap();
    let asked = RegistryClient::new(settings, Path::new("/nonexistent"), AT_ONCE).unwrap();
    let error = asked.check_login().await.unwrap_err();
    assert!(error.class == ErrorClass::Transient && error.message.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn docker_hub_and_odd_names_never_reach_another_address() {
    let server = Faults::new(None);
    server.rule("GET", "/v2/", FOREVER, answer(200));
    let client = client(&server, false);
    for (repository, reference) in [("../x", "t"), ("lab/x", "../../y"), ("lab/x?y", "t"), ("lab/x", "t#")] {
        let error = client.digest(repository, reference).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{repository} {reference}");
    }
    assert!(client.blob("lab/x", "sha256:../..", 1).await.is_err());
    assert!(server.seen().is_empty());
}
