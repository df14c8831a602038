//! Passwords for ssh: it starts this very program as its helper, which asks us over a socket.
//!
//! The password is never an argument, a variable or a file. The helper passes ssh's question
//! on, and only a question for the password of this host's user is answered: neither a key's
//! passphrase nor a jump host gets it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::diag::ExitCode;

/// Names the socket; its presence makes the program a helper.
pub const ASKPASS_VARIABLE: &str = "HOSTCTL_ASKPASS";

/// The helper: `hostctl PROMPT` with [`ASKPASS_VARIABLE`] set, started by ssh.
pub fn main(socket: &Path, prompt: &str) -> ExitCode {
    match ask(socket, prompt) {
        Ok(answer) if !answer.is_empty() => {
            let mut stdout = std::io::stdout().lock();
            let written =
                stdout.write_all(&answer).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
            if written.is_ok() { ExitCode::Ok } else { ExitCode::Error }
        }
        _ => ExitCode::Error,
    }
}

fn ask(socket: &Path, prompt: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(prompt.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Answers helpers until it is dropped.
#[derive(Debug)]
pub(super) struct Answerer(JoinHandle<()>);

impl Drop for Answerer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens on a socket in a private folder. `names` are the host's names in ssh's questions.
pub(super) fn answer(socket: &Path, password: String, names: Vec<String>, jumps: bool) -> std::io::Result<Answerer> {
    let listener = UnixListener::bind(socket)?;
    let own = rustix::process::geteuid().as_raw();
    Ok(Answerer(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (mut stream, trusted) = match stream.peer_cred() {
                Ok(peer) => (stream, peer.uid() == own || peer.uid() == 0),
                Err(_) => continue,
            };
            let mut prompt = Vec::new();
            let read = (&mut stream).take(4096).read_to_end(&mut prompt).await;
            if trusted && read.is_ok() && is_ours(&String::from_utf8_lossy(&prompt), &names, jumps) {
                // If the helper is gone, ssh fails and says so.
                let _ = stream.write_all(password.as_bytes()).await;
            }
            let _ = stream.shutdown().await;
        }
    })))
}

fn is_ours(prompt: &str, names: &[String], jumps: bool) -> bool {
    let prompt = prompt.to_lowercase();
    if !prompt.contains("password") || prompt.contains("passphrase") {
        return false;
    }
    let named = names.iter().any(|name| {
        let name = name.to_lowercase();
        prompt.contains(&format!("@{name}'s ")) || prompt.contains(&format!("@{name})"))
    });
    named || (!jumps && !prompt.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_told_the_password() {
        let names = ["10.0.0.7".to_owned(), "Builder".to_owned()];
        let check = |prompt: &str, jumps, expected| assert_eq!(is_ours(prompt, &names, jumps), expected, "{prompt}");
        check("deploy@10.0.0.7's password: ", true, true);
        check("(deploy@builder) Password: ", true, true);
        check("deploy@bastion's password: ", true, false);
        check("deploy@10.0.0.70's password: ", true, false);
        check("Password: ", false, true);
        check("Password: ", true, false);
        check("Enter passphrase for key '/home/a/password/id': ", false, false);
        check("The authenticity of host 'x' can't be established.", false, false);
    }

    #[tokio::test]
    async fn the_helper_gets_the_answer_over_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("a");
        let _answerer = answer(&socket, "s3cret".to_owned(), vec!["h".to_owned()], false).unwrap();
        let asked = |prompt: &'static str| {
            let socket = socket.clone();
            tokio::task::spawn_blocking(move || ask(&socket, prompt).unwrap())
        };
        assert_eq!(asked("u@h's password: ").await.unwrap(), b"s3cret");
        assert_eq!(asked("u@other's password: ").await.unwrap(), b"");
    }
}
