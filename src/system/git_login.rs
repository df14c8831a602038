//! Name and password for the git program: in memory, under a descriptor that it and its helpers inherit. They are in no
//! argument, no variable and no file.

use std::io::{Result, Write as _};
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::fs::{MemfdFlags, memfd_create};

/// The descriptor; shells take one digit.
const DESCRIPTOR: i32 = 9;

/// The options of git that make it ask there for a host.
pub fn options(place: &str) -> [String; 4] {
    // Opened anew it begins at its first byte, however often git asks. Where `/proc` is not, it is read once.
    let helper = format!(
        "!f() {{ test \"$1\" = get || exit 0; cat /proc/self/fd/{DESCRIPTOR} 2>/dev/null || cat <&{DESCRIPTOR}; }}; f"
    );
    // The first takes away helpers of the user's own.
    let option = |helper: &str| format!("credential.{place}.helper={helper}");
    ["-c".to_owned(), option(""), "-c".to_owned(), option(&helper)]
}

/// What git is told there: lines of its own protocol, so a line end in either is left out.
pub fn content(user: &str, password: &str) -> Vec<u8> {
    let clean = |text: &str| text.replace(['\n', '\r', '\0'], "");
    let mut lines = format!("username={}\n", clean(user));
    if !password.is_empty() {
        lines += &format!("password={}\n", clean(password));
    }
    lines.into_bytes()
}

/// Gives a program that is about to start what [`content`] made.
pub fn hand_over(command: &mut Command, content: &[u8]) -> Result<()> {
    let mut memory = std::fs::File::from(memfd_create("hostctl-git", MemfdFlags::CLOEXEC)?);
    memory.write_all(content)?;
    command
        .fd_mappings(vec![FdMapping { parent_fd: memory.into(), child_fd: DESCRIPTOR }])
        .map(drop)
        .map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_asks_as_often_as_it_likes_and_nothing_shows_it() {
        let mut command = Command::new("git");
        command.args(options("https://git.example")).args(["credential", "fill"]);
        hand_over(&mut command, &content("ro\nbot", "pass=w0rd")).expect("a descriptor");
        let shown = format!("{command:?}");
        assert!(!shown.contains("w0rd") && command.get_envs().next().is_none(), "{shown}");
        // The same program twice: each opens what was handed over anew.
        for _ in 0..2 {
            command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = command.spawn().expect("git");
            let asked = b"protocol=https\nhost=git.example\n\n";
            child.stdin.take().expect("its input").write_all(asked).expect("asked");
            let told = String::from_utf8(child.wait_with_output().expect("told").stdout).expect("text");
            assert!(told.contains("username=robot\n") && told.contains("password=pass=w0rd\n"), "{told}");
        }
    }
}
