//! The shell text that finds, ships and starts the agent on a host.
//!
//! Plain POSIX `sh`, on one line without single quotes, `!` or line breaks, so that every
//! login shell (csh and fish too) passes it on unharmed. A warm start is this one command.

use super::payload::Payload;

/// What the start script is told.
pub(super) struct Start<'a> {
    pub(super) payload: &'a Payload,
    pub(super) nonce: &'a str,
    /// The file must be readable by an unprivileged user other than the login user.
    pub(super) shared: bool,
    /// A folder was found that could not be executed from: leave out the home, test all.
    pub(super) avoid_home: bool,
    /// Runs `"$f" agent $N`.
    pub(super) exec: &'a str,
}

/// A word of shell text; unusual characters are spelled by `printf`.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:@,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut spelled = String::from("\"$(printf \"");
    for byte in text.bytes() {
        spelled.push_str(&format!("\\{byte:03o}"));
    }
    spelled + "\")\""
}

/// Wraps shell text for any login shell.
fn wrapped(script: &str) -> String {
    let line = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    debug_assert!(!line.contains(['\'', '!', '\n']), "{line}");
    format!("exec /bin/sh -c '{line}'")
}

/// `ours FOLDER`: the folder holds the agent's file, owned by this user and by nobody else
/// writable, of the right size, and executable as the mount allows.
const FIND: &str = r#"
ours() {
  [ -O "$1" ] || return 1; [ -L "$1" ] && return 1;
  f="$1/hostctl-$H"; [ -f "$f" ] || return 1; [ -L "$f" ] && return 1;
  set -- $(ls -ldn "$f");
  case "$1" in -rwx------|-rwx------[.+]|-rwxr-xr-x|-rwxr-xr-x[.+]) ;; *) return 1 ;; esac;
  [ "$3" = "$u" ] && [ "$5" = "$S" ] && [ -x "$f" ];
};
"#;

/// `usable FOLDER`: owned by this user, and programs in it can be run.
const MAKE: &str = r#"
usable() {
  [ -d "$1" ] && [ -O "$1" ] && [ -w "$1" ] || return 1; [ -L "$1" ] && return 1;
  t="$1/.t$$"; rm -f "$t";
  printf "\043\041/bin/sh\nexit 0\n" > "$t" && chmod 700 "$t" && "$t"; r=$?; rm -f "$t"; return $r;
};
need() { printf "\nhostctl:%s:need:%s:%s\n" "$N" "$(uname -m)" "$1"; exit 0; };
"#;

/// The command that starts the agent, or says what it needs.
pub(super) fn start_command(start: &Start<'_>) -> String {
    let Start { payload, nonce, shared, avoid_home, exec } = start;
    let (hash, size) = (&payload.sha256, payload.size);
    let home = !shared && !avoid_home;
    let private = if home { r#""$c/hostctl" "$XDG_RUNTIME_DIR/hostctl""# } else { "" };
    let globs = "/var/tmp/.hostctl-$u-?????? /tmp/.hostctl-$u-?????? /dev/shm/.hostctl-$u-??????";
    // A mount may refuse execution although the file's bits allow it: then test for real.
    let find = if *avoid_home { r#"usable "$d" 2>/dev/null && ours "$d""# } else { r#"ours "$d""# };
    let private_make = if home {
        r#"for d in "$c/hostctl" "$XDG_RUNTIME_DIR/hostctl"; do
             case "$d" in /hostctl) continue ;; esac;
             mkdir -p "$d" && chmod 700 "$d" && usable "$d" && need "$d";
           done 2>/dev/null;"#
    } else {
        ""
    };
    wrapped(&format!(
        r#"H={hash}; S={size}; N={nonce}; u=$(id -u); c="${{XDG_CACHE_HOME:-$HOME/.cache}}";
        {FIND} {MAKE}
        for d in {private} {globs}; do
          if {find}; then {exec}; fi;
        done;
        umask 077;
        {private_make}
        for d in {globs}; do usable "$d" && chmod 711 "$d" && need "$d"; done 2>/dev/null;
        for b in /var/tmp /tmp /dev/shm; do
          d=$(mktemp -d "$b/.hostctl-$u-XXXXXX") || continue;
          chmod 711 "$d" && usable "$d" && need "$d"; rmdir "$d";
        done 2>/dev/null;
        printf "\nhostctl:%s:nowhere:%s\n" "$N" "$HOME"; exit 1;"#
    ))
}

/// The command that starts a file that is there for sure.
pub(super) fn direct_command(file: &str, nonce: &str, exec: &str) -> String {
    wrapped(&format!("N={nonce}; u=$(id -u); f={}; {exec}", word(file)))
}

/// The command that takes the agent's file from its input. It is checked before it gets its
/// name; the three newest versions stay.
pub(super) fn upload_command(payload: &Payload, nonce: &str, folder: &str, shared: bool) -> String {
    let mode = if shared || !folder.ends_with("/hostctl") { "755" } else { "700" };
    let (hash, size, folder) = (&payload.sha256, payload.size, word(folder));
    wrapped(&format!(
        r#"umask 077; N={nonce}; d={folder}; cd "$d" || exit 3; t=$(mktemp ./.up.XXXXXX) || exit 3;
        trap "rm -f $t" EXIT; cat > "$t" || exit 4;
        if command -v sha256sum > /dev/null 2>&1; then set -- $(sha256sum "$t"); [ "$1" = {hash} ] || exit 5;
        else set -- $(wc -c < "$t"); [ "$1" = {size} ] || exit 5; fi;
        chmod {mode} "$t" && mv -f "$t" hostctl-{hash} || exit 4;
        find . -name ".up.*" -mtime +0 -exec rm -f {{}} + 2>/dev/null;
        ls -t | grep "^hostctl-" | tail -n +4 | while read -r o; do [ "$o" = hostctl-{hash} ] || rm -f "./$o"; done;
        printf "\nhostctl:%s:stored\n" "$N"; exit 0;"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn payload() -> Payload {
        Payload {
            path: "/proc/self/exe".into(),
            sha256: super::super::payload::hash_of("/bin/sh".as_ref()).unwrap(),
            size: std::fs::metadata("/bin/sh").unwrap().len(),
        }
    }

    fn start(payload: &Payload, shared: bool) -> String {
        start_command(&Start {
            payload,
            nonce: "n0",
            shared,
            avoid_home: false,
            exec: r#"printf "%s" "ran:$f"; exit 0"#,
        })
    }

    fn run(command: &str, home: &std::path::Path, input: &str) -> String {
        let input = std::fs::File::open(input).unwrap();
        let output = Command::new("/bin/sh")
            .args(["-c", command])
            .env("HOME", home)
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(input)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
    }

    #[test]
    fn cold_then_upload_then_warm() {
        let home = tempfile::tempdir().unwrap();
        let payload = payload();
        let folder = home.path().join(".cache/hostctl");
        let cold = run(&start(&payload, false), home.path(), "/dev/null");
        assert_eq!(cold.trim(), format!("hostctl:n0:need:{}:{}", std::env::consts::ARCH, folder.display()));
        let upload = upload_command(&payload, "n0", &folder.display().to_string(), false);
        assert_eq!(run(&upload, home.path(), "/etc/passwd").trim(), "", "wrong content is refused");
        assert_eq!(run(&upload, home.path(), "/bin/sh").trim(), "hostctl:n0:stored");
        let file = folder.join(format!("hostctl-{}", payload.sha256));
        assert_eq!(run(&start(&payload, false), home.path(), "/dev/null"), format!("ran:{}", file.display()));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left over");

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o777)).unwrap();
        let cold = run(&start(&payload, false), home.path(), "/dev/null");
        assert!(cold.contains(":need:"), "a file that others may write is not run: {cold}");
    }

    /// Skips the shells that are not installed.
    #[test]
    fn any_login_shell_passes_the_script_on() {
        let payload = payload();
        for shell in ["dash", "bash", "tcsh", "csh", "fish", "zsh", "mksh"] {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join(".cache/hostctl").display().to_string();
            let run = |command: &str, input: &str| {
                let input = std::fs::File::open(input).unwrap();
                let mut shell = Command::new(shell);
                shell.args(["-c", command]).env("HOME", home.path()).stdin(input);
                shell.env_remove("XDG_CACHE_HOME").env_remove("XDG_RUNTIME_DIR").env_remove("XDG_CONFIG_HOME");
                shell.output().ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            };
            let Some(cold) = run(&start(&payload, false), "/dev/null") else {
                println!("skip: `{shell}` is not installed");
                continue;
            };
            assert_eq!(cold.trim(), format!("hostctl:n0:need:{}:{folder}", std::env::consts::ARCH), "{shell}");
            let stored = run(&upload_command(&payload, "n0", &folder, false), "/bin/sh").unwrap();
            assert_eq!(stored.trim(), "hostctl:n0:stored", "{shell}");
            assert!(run(&start(&payload, false), "/dev/null").unwrap().starts_with("ran:"), "{shell}");
            let odd = wrapped(&format!("printf %s {}", word("it's $HOME\\ !")));
            assert_eq!(run(&odd, "/dev/null").unwrap(), "it's $HOME\\ !", "{shell}");
        }
    }

    /// The tools of busybox instead of coreutils, as on Alpine; skipped where it is missing.
    #[test]
    fn busybox_is_enough() {
        let payload = payload();
        let home = tempfile::tempdir().unwrap();
        let tools = home.path().join("bin");
        std::fs::create_dir(&tools).unwrap();
        let listed = Command::new("busybox").args(["--install", "-s"]).arg(&tools).status();
        if !listed.is_ok_and(|status| status.success()) {
            println!("skip: busybox is not installed");
            return;
        }
        let run = |command: &str, input: &str| {
            let script = command.replacen("exec /bin/sh", "exec sh", 1);
            let output = Command::new(tools.join("sh"))
                .args(["-c", &script])
                .env_clear()
                .env("PATH", &tools)
                .env("HOME", home.path())
                .stdin(std::fs::File::open(input).unwrap())
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let folder = home.path().join(".cache/hostctl").display().to_string();
        let cold = run(&start(&payload, false), "/dev/null");
        assert_eq!(cold.trim(), format!("hostctl:n0:need:{}:{folder}", std::env::consts::ARCH));
        assert_eq!(run(&upload_command(&payload, "n0", &folder, false), "/bin/sh").trim(), "hostctl:n0:stored");
        assert!(run(&start(&payload, false), "/dev/null").starts_with("ran:"));
        let shared = run(&start(&payload, true), "/dev/null");
        assert!(shared.contains(":need:"), "private files are no shared ones");
        // Empty unless hostctl is really used on this machine.
        let _ = std::fs::remove_dir(shared.trim().rsplit(':').next().unwrap());
    }

    #[test]
    fn old_versions_go_and_three_stay() {
        let home = tempfile::tempdir().unwrap();
        for name in ["hostctl-a", "hostctl-b", "hostctl-c", "hostctl-d", "mine"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        let upload = upload_command(&payload(), "n0", &home.path().display().to_string(), false);
        assert_eq!(run(&upload, home.path(), "/bin/sh").trim(), "hostctl:n0:stored");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 4);
        assert!(home.path().join("mine").exists());
    }

    #[test]
    fn unusual_words_survive_the_shell() {
        for text in ["a b", "it's", "$(reboot)", "DOM\\user", "", "ä\"`"] {
            let script = wrapped(&format!("printf %s {}", word(text)));
            assert_eq!(run(&script, "/".as_ref(), "/dev/null"), text);
        }
    }
}
