//! The ssh key that `user` can make for an account.

use std::path::{Path, PathBuf};

use super::call::Failure;
use super::cx::Cx;
use super::user::Args;
use crate::diag::{Diagnostic, Result};
use crate::system::Mutate;
use crate::system::accounts::Account;
use crate::system::fs::{Content, HeldFolder, WriteOptions, shown};
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
        // Made where no other account can plant links, then moved.
        let scratch = host.scratch_dir()?;
        let new = scratch.path().join("key");
        let mut program = Program::new(["ssh-keygen", "-q", "-t", args.ssh_key_type.as_str()]).parsable();
        if let Some(bits) = args.ssh_key_bits.filter(|bits| *bits > 0) {
            program = program.arg("-b").arg(bits.to_string());
        }
        let comment = args.ssh_key_comment.clone().unwrap_or_else(|| {
            format!("ansible-generated on {}", rustix::system::uname().nodename().to_string_lossy())
        });
        program = program.arg("-C").arg(comment).arg("-f").arg(&new);
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
        let folder = folder(cx, host, account, key)?;
        let owner = (Some(account.uid), Some(account.gid));
        for (from, to, mode) in [(new.clone(), key, 0o600), (new.with_extension("pub"), public, 0o644)] {
            let options = WriteOptions { mode: Some(mode), owner, ignore_present: true, ..WriteOptions::default() };
            host.write(&folder.path(to), Content::File(&from), options)?;
        }
        Ok(())
    })
    .map(drop)
}

/// The key's folder, held open. An account may put a link in its place, so a folder below its home must be
/// the account's own; what root's task writes there the account could write itself.
fn folder(cx: &Cx, host: &Mutate, account: &Account, key: &Path) -> Result<HeldFolder> {
    let path = key.parent().unwrap_or(Path::new("/"));
    if !cx.probe().exists(path) {
        host.create_dir_with(path, 0o700)?;
        host.chown(path, Some(account.uid), Some(account.gid))?;
    }
    let held = cx.probe().hold_folder(path)?;
    if path.starts_with(&account.home) && held.owner() != account.uid {
        let message = format!("`{}` does not belong to `{}`, so no ssh key is put there", shown(path), account.name);
        let error = Diagnostic::task("H0107", message);
        return Err(error.with_hint(format!("look whether it is a link: ls -ld {}", shown(path))));
    }
    Ok(held)
}
