//! The ssh key that `user` can make for an account.

use std::path::{Path, PathBuf};

use super::call::Failure;
use super::cx::Cx;
use super::user::Args;
use crate::diag::{Diagnostic, Result};
use crate::system::accounts::Account;
use crate::system::fs::{Content, shown};
use crate::system::process::Program;
use crate::value::{Map, Value, insert};

/// Makes the key unless there is one, and tells about it.
pub(super) fn generate(cx: &Cx, args: &Args, account: &Account, result: &mut Map) -> Result<(), Failure> {
    let probe = cx.probe();
    let file = match &args.ssh_key_file {
        Some(file) => file.expand(cx.environment()),
        None => PathBuf::from(format!(".ssh/id_{}", args.ssh_key_type)),
    };
    let home = Path::new(&account.home);
    if file.is_relative() && !probe.exists(home) && !cx.check_mode() {
        let message = format!("user `{}` has no home folder for an ssh key", args.name);
        return Err(Diagnostic::task("H0107", message).into());
    }
    let key = home.join(file);
    let public = PathBuf::from(format!("{}.pub", shown(&key)));
    let present = [&key, &public].into_iter().find(|path| probe.exists(path));
    if let (Some(path), false) = (present, args.force) {
        cx.warn(format!("found an ssh key at {}, and without `force` it stays", shown(path)));
    } else {
        make(cx, args, account, &key, &public)?;
    }
    let fingerprint = probe.run(Program::new(["ssh-keygen", "-l", "-f"]).arg(&key).parsable());
    let text = fingerprint.map(|output| output.said()).unwrap_or_default();
    insert(result, "ssh_fingerprint", text);
    insert(result, "ssh_key_file", shown(&key));
    let text = probe.text(&public).map(|text| text.trim().to_owned());
    insert(result, "ssh_public_key", Value::from(text));
    Ok(())
}

fn make(cx: &Cx, args: &Args, account: &Account, key: &Path, public: &Path) -> Result<()> {
    cx.change(format!("create the ssh key {}", shown(key)), |host| {
        let probe = cx.probe();
        if let Some(folder) = key.parent()
            && !probe.exists(folder)
        {
            host.create_dir(folder)?;
            host.chmod(folder, 0o700)?;
            host.chown(folder, Some(account.uid), Some(account.gid))?;
        }
        for old in [key, public] {
            host.remove_file(old)?;
        }
        let mut program = Program::new(["ssh-keygen", "-q", "-t", args.ssh_key_type.as_str()]).parsable();
        if let Some(bits) = args.ssh_key_bits.filter(|bits| *bits > 0) {
            program = program.arg("-b").arg(bits.to_string());
        }
        let comment = args.ssh_key_comment.clone().unwrap_or_else(|| {
            format!("ansible-generated on {}", rustix::system::uname().nodename().to_string_lossy())
        });
        program = program.arg("-C").arg(comment).arg("-f").arg(key);
        match &args.ssh_key_passphrase {
            None => host.run_ok(program.arg("-N").arg("")).map(drop)?,
            // Through a helper that prints it: a command line can be read by everybody on the host.
            Some(passphrase) => {
                let secret = host.scratch_file(Content::Bytes(format!("{passphrase}\n").as_bytes()))?;
                let quoted = crate::system::process::quote(&shown(&secret));
                let script = host.scratch_file(Content::Bytes(format!("#!/bin/sh\ncat {quoted}\n").as_bytes()))?;
                host.chmod(&script, 0o700)?;
                let script_path = shown(&script);
                let program =
                    program.env("SSH_ASKPASS", script_path).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
                host.run_ok(program).map(drop)?;
            }
        }
        for new in [key, public] {
            host.chown(new, Some(account.uid), Some(account.gid))?;
        }
        Ok(())
    })
    .map(drop)
}
