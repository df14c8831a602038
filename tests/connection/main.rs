//! Connections against a real sshd and a real sudo, on loopback, with users made for it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod lab;

use std::os::unix::fs::MetadataExt;

use hostctl::agent::Pool;
use hostctl::diag::{Diagnostic, Kind};
use hostctl::engine::{TargetSpec, Targets, unheard};
use hostctl::event::Progress;
use hostctl::modules::{BlobSource, Call, Failure, Input, InputKind, Outcome, TreeEntry};
use hostctl::value::{StrKey, Value};
use lab::{PASSWORD, Sshd, pool, sudo, user};
use sha2::Digest;
use tokio::sync::mpsc;

macro_rules! need_lab {
    () => {
        if let Some(reason) = lab::missing() {
            println!("skip: {reason}");
            return;
        }
    };
}

fn call(module: &str, args: serde_json::Value) -> Call {
    Call::new(module, args)
}

async fn invoke(pool: &Pool, spec: &TargetSpec, call: Call) -> Result<Outcome, Failure> {
    let target = pool.target(spec).await.map_err(Failure::from)?;
    target.invoke(call, unheard()).await
}

async fn ping(pool: &Pool, spec: &TargetSpec) -> Result<(), Diagnostic> {
    match invoke(pool, spec, call("ping", serde_json::json!({}))).await {
        Ok(outcome) => {
            assert_eq!(outcome.result[&StrKey("ping")], "pong".into());
            Ok(())
        }
        Err(failure) => Err(failure.diagnostic),
    }
}

/// User ids and files of the host's agents, as `describe` has them.
fn agents(pool: &Pool) -> Vec<(i128, String)> {
    let map = pool.describe("web");
    let list = map[&StrKey("agents")].as_list().unwrap();
    let text = |agent: &Value, key: &str| agent.get(key).and_then(Value::as_str).unwrap().to_owned();
    list.iter().map(|agent| (agent.get("uid").and_then(Value::as_int).unwrap(), text(agent, "path"))).collect()
}

fn all(diagnostic: &Diagnostic) -> String {
    [vec![diagnostic.message.clone()], diagnostic.notes.clone(), diagnostic.hints.clone()].concat().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn key_login_ships_the_agent_once() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let spec = sshd.spec(&login.name);
    let (first, _) = pool();
    ping(&first, &spec).await.unwrap();
    let shipped = agents(&first)[0].1.clone();
    assert!(shipped.starts_with(&format!("/home/{}/.cache/hostctl/hostctl-", login.name)), "{shipped}");
    let stored = std::fs::metadata(&shipped).unwrap().modified().unwrap();
    first.close().await;

    let (second, warnings) = pool();
    ping(&second, &spec).await.unwrap();
    assert_eq!(agents(&second)[0].1, shipped);
    assert_eq!(std::fs::metadata(&shipped).unwrap().modified().unwrap(), stored, "it was not sent again");
    second.close().await;
    assert!(warnings.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_agent_is_not_run_but_sent_again() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let spec = sshd.spec(&login.name);
    let (pool, _) = pool();
    ping(&pool, &spec).await.unwrap();
    let shipped = agents(&pool)[0].1.clone();
    pool.reset("web").await;
    std::fs::remove_file(&shipped).unwrap();
    std::fs::write(&shipped, "#!/bin/sh\n").unwrap();
    lab::run("chown", &[&format!("{0}:{0}", login.name), &shipped]);
    lab::run("chmod", &["700", &shipped]);
    ping(&pool, &spec).await.unwrap();
    assert!(std::fs::metadata(&shipped).unwrap().len() > 1000);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_keys_are_strict() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let fingerprint = lab::run("ssh-keygen", &["-lf", &sshd.path("host.pub").display().to_string()]);
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let other = Sshd::start();
    let (pool, warnings) = pool();
    let mut spec = sshd.spec(&login.name);

    std::fs::write(sshd.path("known"), "").unwrap();
    let error = ping(&pool, &spec).await.unwrap_err();
    assert_eq!((&*error.code, error.kind), ("S0102", Kind::Unreachable));
    assert!(all(&error).contains(fingerprint) && fingerprint.starts_with("SHA256:"), "{error:?}");
    assert!(all(&error).contains("ssh -o StrictHostKeyChecking=ask"), "{error:?}");
    assert_eq!(std::fs::read_to_string(sshd.path("known")).unwrap(), "", "nothing was learned");

    spec.host_key = Some(sshd.host_key());
    ping(&pool, &spec).await.unwrap();
    spec.host_key = Some(other.host_key());
    let error = ping(&pool, &spec).await.unwrap_err();
    assert_eq!(error.code, "S0112", "{error:?}");
    assert!(all(&error).contains(fingerprint), "{error:?}");
    spec.host_key = Some("nonsense".to_owned());
    assert_eq!(ping(&pool, &spec).await.unwrap_err().code, "S0113");
    spec.host_key = None;

    std::fs::write(sshd.path("known"), format!("[127.0.0.1]:{} {}", sshd.port, other.host_key())).unwrap();
    let error = ping(&pool, &spec).await.unwrap_err();
    assert_eq!(error.code, "S0103", "{error:?}");
    assert!(all(&error).contains(fingerprint) && all(&error).contains("ssh-keygen -R"), "{error:?}");
    assert!(warnings.lock().unwrap().is_empty());

    sshd.configure("# mine\nStrictHostKeyChecking no\n");
    std::fs::write(sshd.path("known"), "").unwrap();
    ping(&pool, &spec).await.unwrap();
    let warnings = warnings.lock().unwrap().clone();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.contains(&format!("{}:2", sshd.path("config").display())), "{warnings:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_login() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let (pool, _) = pool();
    let mut spec = sshd.spec(&login.name);
    spec.ssh_args.extend(["-o", "PubkeyAuthentication=no"].map(str::to_owned));
    let error = ping(&pool, &spec).await.unwrap_err();
    assert_eq!((&*error.code, error.kind), ("S0104", Kind::Unreachable), "{error:?}");
    spec.password = Some("wrong".to_owned());
    let error = ping(&pool, &spec).await.unwrap_err();
    assert_eq!(error.code, "S0104", "{error:?}");
    assert!(all(&error).contains("the password was refused"), "{error:?}");
    spec.password = Some(PASSWORD.to_owned());
    ping(&pool, &spec).await.unwrap();
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_hosts_are_told_apart() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let (pool, _) = pool();
    let spec = sshd.spec(&login.name);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = free.local_addr().unwrap().port();
    let code = async |spec: TargetSpec| {
        let error = ping(&pool, &spec).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unreachable);
        assert!(!error.hints.is_empty(), "{error:?}");
        error.code.to_string()
    };
    assert_eq!(code(TargetSpec { address: "no-such-host.invalid".into(), ..spec.clone() }).await, "S0105");
    assert_eq!(code(TargetSpec { port: Some(silent), timeout: Some(1), ..spec.clone() }).await, "S0107");
    drop(free);
    assert_eq!(code(TargetSpec { port: Some(silent), ..spec.clone() }).await, "S0106");
    assert_eq!(code(TargetSpec { connection: "docker".into(), ..spec.clone() }).await, "S0115");
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_with_and_without_password() {
    need_lab!();
    let sshd = Sshd::start();
    let (free, asked, never) = (user(Some("ALL=(ALL) NOPASSWD: ALL")), user(Some("ALL=(ALL) ALL")), user(None));
    let (pool, _) = pool();
    let spec = |login: &lab::User, password: Option<&str>| TargetSpec {
        r#become: sudo("root", password),
        ..sshd.spec(&login.name)
    };
    ping(&pool, &spec(&free, None)).await.unwrap();
    ping(&pool, &spec(&free, Some("not needed"))).await.unwrap();
    ping(&pool, &spec(&asked, Some(PASSWORD))).await.unwrap();
    assert!(agents(&pool).iter().all(|(uid, _)| *uid == 0), "{:?}", agents(&pool));
    let error = ping(&pool, &spec(&asked, None)).await.unwrap_err();
    assert_eq!(error.code, "S0301", "{error:?}");
    let error = ping(&pool, &spec(&asked, Some("wrong"))).await.unwrap_err();
    assert_eq!(error.code, "S0302", "{error:?}");
    let error = ping(&pool, &spec(&never, Some(PASSWORD))).await.unwrap_err();
    assert_eq!(error.code, "S0303", "{error:?}");
    let nobody = TargetSpec { r#become: sudo("no-such-user", None), ..sshd.spec(&free.name) };
    let error = ping(&pool, &nobody).await.unwrap_err();
    assert_eq!(error.code, "S0308", "{error:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn login_and_become_user_may_both_be_unprivileged() {
    need_lab!();
    let sshd = Sshd::start();
    let (login, app) = (user(Some("ALL=(ALL) NOPASSWD: ALL")), user(None));
    let (pool, _) = pool();
    let spec = TargetSpec { r#become: sudo(&app.name, None), ..sshd.spec(&login.name) };
    ping(&pool, &spec).await.unwrap();
    let (uid, path) = agents(&pool)[0].clone();
    assert_eq!(uid.to_string(), lab::run("id", &["-u", &app.name]).trim());
    assert!(path.starts_with("/var/tmp/.hostctl-"), "{path}");
    let file = std::fs::metadata(&path).unwrap();
    assert_eq!(file.uid().to_string(), lab::run("id", &["-u", &login.name]).trim(), "the become user cannot change it");
    assert_eq!(file.mode() & 0o777, 0o755);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_become_runs_as_the_other_user() {
    need_lab!();
    let app = user(None);
    let (pool, _) = pool();
    let spec = TargetSpec { host: "web".into(), connection: "local".into(), ..TargetSpec::default() };
    ping(&pool, &spec).await.unwrap();
    ping(&pool, &TargetSpec { r#become: sudo("root", None), ..spec.clone() }).await.unwrap();
    assert!(agents(&pool).is_empty(), "root needs no agent to be root");
    ping(&pool, &TargetSpec { r#become: sudo(&app.name, None), ..spec.clone() }).await.unwrap();
    assert_eq!(agents(&pool)[0].0.to_string(), lab::run("id", &["-u", &app.name]).trim());
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noexec_home_and_temporary_folders() {
    need_lab!();
    let noexec = "for d in /home /tmp /var/tmp; do mount --bind $d $d && mount -o remount,bind,noexec $d || exit 1; done; exec \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", noexec, "sh"];
    if !std::process::Command::new("unshare").args(["-m", "sh", "-c", noexec, "sh", "true"]).status().unwrap().success()
    {
        println!("skip: no mount namespaces here");
        return;
    }
    let (free, sshd, login) = (Sshd::start(), Sshd::start_with("", &wrapper), user(Some("ALL=(ALL) NOPASSWD: ALL")));
    let (pool, _) = pool();
    ping(&pool, &free.spec(&login.name)).await.unwrap();
    assert!(agents(&pool)[0].1.starts_with("/home/"), "{:?}", agents(&pool));
    pool.reset("web").await;
    // Stored while it was allowed, refused now.
    let spec = sshd.spec(&login.name);
    ping(&pool, &spec).await.unwrap();
    assert!(agents(&pool)[0].1.starts_with("/dev/shm/.hostctl-"), "{:?}", agents(&pool));
    ping(&pool, &TargetSpec { r#become: sudo("root", None), ..spec.clone() }).await.unwrap();
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_of_login_shells_does_no_harm() {
    need_lab!();
    let (sshd, login) = (Sshd::start_with("Banner /etc/passwd", &[]), user(Some("ALL=(ALL) NOPASSWD: ALL")));
    let noise = "echo 'Welcome!'; echo hostctl:0:ready; printf '\\0\\1no newline'; echo problem >&2\n";
    std::fs::write(format!("/home/{}/.bashrc", login.name), noise).unwrap();
    let (pool, _) = pool();
    let spec = sshd.spec(&login.name);
    ping(&pool, &spec).await.unwrap();
    ping(&pool, &TargetSpec { r#become: sudo("root", None), ..spec }).await.unwrap();
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_shell_is_told_as_such() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    lab::run("usermod", &["-s", "/usr/sbin/nologin", &login.name]);
    let (pool, _) = pool();
    let error = ping(&pool, &sshd.spec(&login.name)).await.unwrap_err();
    assert_eq!(error.code, "S0202", "{error:?}");
    assert!(all(&error).contains("not available"), "{error:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_named_and_made_anew() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let (pool, _) = pool();
    let spec = sshd.spec(&login.name);
    ping(&pool, &spec).await.unwrap();
    let target = pool.target(&spec).await.unwrap();
    for pid in sshd.sessions() {
        let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    let mut failure = None;
    // What was sent before the end was seen may still be answered.
    while failure.is_none() {
        failure = target.invoke(call("ping", serde_json::json!({})), unheard()).await.err();
    }
    let error = failure.unwrap().diagnostic;
    assert_eq!((&*error.code, error.kind), ("S0201", Kind::Unreachable), "{error:?}");
    assert!(error.message.contains("the connection to `web` was lost: "), "{error:?}");
    ping(&pool, &spec).await.unwrap();
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_host_is_lost_by_the_users_own_interval() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    sshd.configure("ServerAliveInterval 1\nServerAliveCountMax 1\n");
    let (pool, _) = pool();
    let spec = sshd.spec(&login.name);
    let target = {
        ping(&pool, &spec).await.unwrap();
        pool.target(&spec).await.unwrap()
    };
    for pid in sshd.logins() {
        lab::run("kill", &["-STOP", &pid.to_string()]);
    }
    let failure = target.invoke(call("ping", serde_json::json!({})), unheard()).await.unwrap_err();
    assert_eq!(failure.diagnostic.code, "S0201");
    assert!(failure.diagnostic.message.contains("not responding"), "{failure:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jump_hosts_are_used_and_their_keys_checked() {
    need_lab!();
    let (jump, sshd, login) = (Sshd::start(), Sshd::start(), user(None));
    std::fs::copy(jump.path("authorized"), sshd.path("authorized")).unwrap();
    let spec = |known: &str| {
        jump.configure(&format!("Host bastion\nHostName 127.0.0.1\nPort {}\nUser {}\n", jump.port, login.name));
        std::fs::write(jump.path("known"), known).unwrap();
        let mut spec = TargetSpec { port: Some(sshd.port), ..jump.spec(&login.name) };
        spec.ssh_args.extend(["-J", "bastion"].map(str::to_owned));
        spec
    };
    let line = |sshd: &Sshd| format!("[127.0.0.1]:{} {}", sshd.port, sshd.host_key());
    let (pool, _) = pool();
    ping(&pool, &spec(&(line(&jump) + &line(&sshd)))).await.unwrap();
    assert!(jump.sessions().len() > 1, "the connection goes through the jump host");
    pool.reset("web").await;
    let error = ping(&pool, &spec(&line(&sshd))).await.unwrap_err();
    assert_eq!(error.code, "S0102", "{error:?}");
    assert!(all(&error).contains("SHA256:"), "{error:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_share_one_connection() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let (pool, _) = pool();
    let spec = sshd.spec(&login.name);
    let pings = (0..25).map(|_| ping(&pool, &spec));
    for result in futures_util::future::join_all(pings).await {
        result.unwrap();
    }
    assert_eq!(agents(&pool).len(), 1);
    pool.close().await;
    let log = std::fs::read_to_string(sshd.path("sshd.log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_ends_with_its_connection() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let (pool, _) = pool();
    ping(&pool, &sshd.spec(&login.name)).await.unwrap();
    let pid = pool.describe("web")[&StrKey("agents")].as_list().unwrap()[0].get("pid").and_then(Value::as_int).unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{pid}"));
    assert!(process.exists());
    pool.close().await;
    // The goodbye was heard; what is left is the process's own end.
    while process.exists() {
        tokio::task::yield_now().await;
    }
}

/// Starts a program on the host that says its process id and then waits; returns both.
async fn waiting(
    pool: &Pool,
    spec: &TargetSpec,
) -> (std::path::PathBuf, tokio::task::JoinHandle<Result<Outcome, Failure>>) {
    let target = pool.target(spec).await.unwrap();
    let (sender, mut progress) = mpsc::channel(10_000);
    let shell = call("shell", serde_json::json!({"cmd": "echo $$; exec sleep 3000"}));
    let running = tokio::spawn(async move { target.invoke(shell, sender).await });
    let Some(Progress::Output { text, .. }) = progress.recv().await else {
        panic!("no output while it runs: {:?}", running.await.unwrap());
    };
    let process = std::path::Path::new("/proc").join(text.trim());
    assert!(process.join("stat").exists(), "{text}");
    (process, running)
}

async fn gone(process: &std::path::Path) {
    while process.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_streams_and_a_dropped_call_ends_its_program() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(Some("ALL=(ALL) NOPASSWD: ALL")));
    let (pool, _) = pool();
    for r#become in [None, sudo("root", None)] {
        let spec = TargetSpec { r#become, ..sshd.spec(&login.name) };
        let (process, running) = waiting(&pool, &spec).await;
        running.abort();
        gone(&process).await;
        ping(&pool, &spec).await.unwrap();
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_the_programs_of_its_agents() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(Some("ALL=(ALL) ALL")));
    for r#become in [None, sudo("root", Some(PASSWORD))] {
        let (pool, _) = pool();
        let spec = TargetSpec { r#become, ..sshd.spec(&login.name) };
        let (process, running) = waiting(&pool, &spec).await;
        for pid in sshd.logins() {
            let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let failure = running.await.unwrap().unwrap_err();
        assert_eq!(failure.diagnostic.code, "S0201", "{failure:?}");
        gone(&process).await;
        pool.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_without_a_password_rule_for_one_user_only() {
    need_lab!();
    let app = user(None);
    let (sshd, login) = (Sshd::start(), user(Some(&format!("ALL=({}) NOPASSWD: ALL", app.name))));
    let (pool, _) = pool();
    let spec = |user: &str| TargetSpec { r#become: sudo(user, None), ..sshd.spec(&login.name) };
    let outcome = invoke(&pool, &spec(&app.name), call("command", serde_json::json!({"argv": ["id", "-un"]}))).await;
    assert_eq!(outcome.unwrap().result[&StrKey("stdout")], app.name.as_str().into());
    let error = ping(&pool, &spec("root")).await.unwrap_err();
    assert!(["S0301", "S0303"].contains(&&*error.code), "{error:?}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn big_files_arrive_whole_and_are_sent_once() {
    need_lab!();
    let (sshd, login, app) = (Sshd::start(), user(Some("ALL=(ALL) NOPASSWD: ALL")), user(None));
    let (pool, _) = pool();
    let content: Vec<u8> = (0..30_000_000_u32).flat_map(|index| [(index % 251).to_le_bytes()[0]]).collect();
    let source = sshd.path("big");
    std::fs::write(&source, &content).unwrap();
    let kind = InputKind::File {
        sha1: hex::encode(sha1::Sha1::digest(&content)),
        sha256: hex::encode(sha2::Sha256::digest(&content)),
        size: content.len() as u64,
        source: Some(BlobSource::File(source.clone())),
    };
    let entries = vec![TreeEntry { path: String::new(), mode: 0o644, kind }];
    let input = Input {
        arg: "src".into(),
        entries,
        is_tree: false,
        basename: "big".into(),
        contents_only: false,
        repositories: Vec::new(),
    };
    for spec in [sshd.spec(&login.name), TargetSpec { r#become: sudo(&app.name, None), ..sshd.spec(&login.name) }] {
        let home = format!("/home/{}", spec.r#become.as_ref().map_or(&login.name, |wanted| &wanted.user));
        for name in ["one", "two"] {
            let dest = format!("{home}/{name}");
            let args = serde_json::json!({"src": "big", "dest": dest});
            let copy = Call { inputs: vec![input.clone()], ..call("copy", args) };
            let outcome = invoke(&pool, &spec, copy).await.unwrap();
            assert!(outcome.changed);
            assert!(std::fs::read(&dest).unwrap() == content, "{dest}");
            // The second copy comes from what the host was given for the first.
            std::fs::write(&source, "changed").unwrap();
        }
        std::fs::write(&source, &content).unwrap();
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_become_users_than_channels() {
    need_lab!();
    let (sshd, login) = (Sshd::start_with("MaxSessions 2", &[]), user(Some("ALL=(ALL) NOPASSWD: ALL")));
    let (pool, _) = pool();
    for name in ["root", "daemon", "bin", "nobody"] {
        let spec = TargetSpec { r#become: sudo(name, None), ..sshd.spec(&login.name) };
        ping(&pool, &spec).await.unwrap();
    }
    assert_eq!(agents(&pool).len(), 4);
    pool.close().await;
    let log = std::fs::read_to_string(sshd.path("sshd.log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 3, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn su_as_root_and_with_a_password() {
    need_lab!();
    let (sshd, login, app) = (Sshd::start(), user(None), user(None));
    let (pool, _) = pool();
    let su = |password: Option<&str>| {
        sudo(&app.name, password).map(|wanted| hostctl::engine::Become { method: "su".to_owned(), ..wanted })
    };
    ping(&pool, &TargetSpec { r#become: su(None), ..sshd.spec("root") }).await.unwrap();
    ping(&pool, &TargetSpec { r#become: su(Some(PASSWORD)), ..sshd.spec(&login.name) }).await.unwrap();
    let uid = lab::run("id", &["-u", &app.name]);
    assert!(agents(&pool).iter().all(|(found, _)| found.to_string() == uid.trim()), "{:?}", agents(&pool));
    let error = ping(&pool, &TargetSpec { r#become: su(Some("wrong")), ..sshd.spec(&login.name) }).await.unwrap_err();
    assert_eq!(error.code, "S0302", "{error:?}");
    // Root's own file stays behind otherwise; the folder goes if nothing else is in it.
    for (_, path) in agents(&pool) {
        std::fs::remove_file(&path).unwrap();
        let _ = std::fs::remove_dir(std::path::Path::new(&path).parent().unwrap());
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_right_size_but_other_content_is_refused() {
    need_lab!();
    let (sshd, login) = (Sshd::start(), user(None));
    let (pool, _) = pool();
    let spec = sshd.spec(&login.name);
    ping(&pool, &spec).await.unwrap();
    let shipped = agents(&pool)[0].1.clone();
    pool.reset("web").await;
    // The end of the file: names for debuggers, which a run does not need.
    let mut content = std::fs::read(&shipped).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    std::fs::remove_file(&shipped).unwrap();
    std::fs::write(&shipped, content).unwrap();
    lab::run("chown", &[&format!("{0}:{0}", login.name), &shipped]);
    lab::run("chmod", &["700", &shipped]);
    let error = loop {
        if let Err(error) = ping(&pool, &spec).await {
            break error;
        }
    };
    assert_eq!(error.code, "S0210", "{error:?}");
    assert!(all(&error).contains(&shipped), "{error:?}");
    pool.close().await;
}
