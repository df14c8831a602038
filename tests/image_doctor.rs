//! `hostctl image doctor` as people run it: lines, forms, exit codes, a user without the right.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

fn doctor(program: &Path, before: &[&str], args: &[&str]) -> (Option<i32>, String) {
    let mut words: Vec<&std::ffi::OsStr> = before.iter().map(AsRef::as_ref).collect();
    words.push(program.as_os_str());
    let output = Command::new(words[0])
        .args(&words[1..])
        .args(["image", "doctor"])
        .args(args)
        .env_remove("DOCKER_HOST")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_missing_is_told_with_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_hostctl"));
    let tree = folder.path().join("images");
    fs::create_dir_all(tree.join("web")).unwrap();
    fs::write(tree.join("web/Dockerfile"), "FROM scratch\nCOPY . .\nRUN npm ci\n").unwrap();
    let engine = format!("unix://{}/none.sock", folder.path().display());
    let tree = tree.display().to_string();
    let args = ["--engine", &engine, "--builder", "buildkit", "--tree", &tree];
    let (code, text) = doctor(program, &[], &args);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("FAIL  engine      no engine: there is no socket at `"), "{text}");
    assert!(text.lines().next().unwrap().ends_with(" [B0110]: systemctl start docker"), "{text}");
    assert!(text.contains("web/Dockerfile:3: RUN npm ci"), "{text}");
    assert!(text.contains("warn  order ") && text.contains("web/Dockerfile:2: COPY . ."), "{text}");

    let (code, text) = doctor(program, &[], &[&args[..], &["--output", "jsonl"]].concat());
    assert_eq!(code, Some(1));
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["severity"], "FAIL");
    assert_eq!(lines[0]["code"], "B0110");
    assert!(lines.len() > 4, "{text}");
}

#[test]
fn a_user_without_the_right_is_told_how_to_get_it() {
    if !rustix::process::getuid().is_root() || !Path::new("/usr/bin/setpriv").exists() {
        println!("SKIPPED a user without the right: needs root and `setpriv`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("hostctl");
    fs::copy(env!("CARGO_BIN_EXE_hostctl"), &program).unwrap();
    let socket = folder.path().join("engine.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let nobody = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let engine = format!("unix://{}", socket.display());
    let (code, text) = doctor(&program, &nobody, &["--engine", &engine]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("FAIL  permission  this user may not use the engine's socket"), "{text}");
    assert!(text.contains("[B0111]: sudo usermod -aG docker \"$USER\""), "{text}");
}
