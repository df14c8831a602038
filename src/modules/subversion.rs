//! `subversion`: a working copy or an export by the host's svn. Passwords go to svn's standard input only.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused, refused_with};
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::shown;
use crate::system::process::{Output, Program};
use crate::value::{Map, Value};

/// Checks out or exports a Subversion repository.
///
/// ```yaml
/// - subversion:
///     repo: https://svn.example.org/project/trunk
///     dest: /opt/project
///     revision: '1234'
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the arguments are Ansible's")]
pub struct Args {
    /// The address of the repository.
    repo: String,
    /// The folder on the host.
    dest: Option<HostPath>,
    /// The revision.
    #[serde(default = "head")]
    revision: String,
    /// Throw away changed files; without it they are an error.
    #[serde(default)]
    force: bool,
    /// Check out over a folder that is there.
    #[serde(default)]
    in_place: bool,
    /// Who logs in.
    username: Option<String>,
    /// The password, for svn 1.10 and later.
    password: Option<String>,
    /// The svn program.
    executable: Option<HostPath>,
    /// Check out if the folder is not there.
    #[serde(default = "yes")]
    checkout: bool,
    /// Fetch what is new.
    #[serde(default = "yes")]
    update: bool,
    /// Export instead of a working copy.
    #[serde(default)]
    export: bool,
    /// Move the working copy to this address first.
    #[serde(default = "yes")]
    switch: bool,
    /// Check certificates.
    #[serde(default)]
    validate_certs: bool,
}

fn head() -> String {
    "HEAD".to_owned()
}
fn yes() -> bool {
    true
}

/// The module.
pub struct Subversion;

impl Module for Subversion {
    type Args = Args;
    const META: Meta = Meta {
        name: "subversion",
        full_name: "ansible.builtin.subversion",
        also: &["ansible.legacy.subversion"],
        summary: "Keep a working copy of a Subversion repository",
        aliases: &[("repo", &["name", "repository"]), ("revision", &["rev", "version"])],
        secret: &["password"],
        reads: &["svn --version", "svn info", "svn status"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let program = match &args.executable {
            Some(path) => shown(&path.expand(cx.environment())),
            None => "svn".to_owned(),
        };
        if std::path::Path::new(&program).file_name().is_none_or(|name| name != "svn") {
            let message = format!("`executable` must be a program of the name `svn`, found `{program}`");
            return Err(Diagnostic::task("H0110", message).with_hint("executable: /opt/subversion/bin/svn").into());
        }
        if cx.probe().which(&program).is_none() {
            return Err(no_program(cx, "svn"));
        }
        for (name, text) in [("repo", &args.repo), ("revision", &args.revision)] {
            if text.starts_with('-') {
                let message = format!("`{name}` cannot begin with a dash: `{text}`");
                return Err(Diagnostic::task("H0110", message)
                    .with_hint("svn would take it for an option; name an address or a revision")
                    .into());
            }
        }
        let dest =
            args.dest.as_ref().filter(|dest| !dest.as_str().is_empty()).map(|dest| dest.expand(cx.environment()));
        if dest.is_none() && (args.checkout || args.update || args.export) {
            let words = "the destination directory must be specified unless checkout=no, update=no, and export=no";
            return Err(refused("H0110", words));
        }
        let work = Work { cx, args: &args, program, dest: dest.unwrap_or_default() };
        work.password_is_safe()?;
        work.run()
    }
}

struct Work<'a> {
    cx: &'a Cx,
    args: &'a Args,
    program: String,
    dest: PathBuf,
}

impl Work<'_> {
    fn run(&self) -> Result<Map, Failure> {
        let (cx, args) = (self.cx, self.args);
        if !args.export && !args.update && !args.checkout {
            let info = self.read("info", &[&args.repo])?;
            return Ok(map! { "after" => revision(&info, "Unable to get remote revision") });
        }
        let dest = shown(&self.dest);
        let at = |command: &str| vec![command.to_owned(), "-r".to_owned(), args.revision.clone()];
        let with = |mut words: Vec<String>, force: bool| {
            words.extend(force.then(|| "--force".to_owned()));
            words.extend([args.repo.clone(), place(&dest)]);
            words
        };
        if args.export || !cx.probe().exists(&self.dest) {
            if !args.export && !args.checkout {
                return Ok(Map::new());
            }
            let command = if args.export { "export" } else { "checkout" };
            let words = with(at(command), args.export && args.force);
            let done = self.change(format!("{command} {} to {dest}", args.repo), &words)?;
            return if !done || args.export { Ok(Map::new()) } else { self.fresh() };
        }
        if self.run_read("info", &[&place(&dest)])?.success() {
            return self.working_copy(&dest);
        }
        if !args.in_place {
            let words = format!("ERROR: {dest} folder already exists, but its not a subversion repository.");
            return Err(refused("H0110", words));
        }
        if !self.change(format!("check out {} over {dest}", args.repo), &with(at("checkout"), true))? {
            return Ok(Map::new());
        }
        if args.force && self.modified(&dest)? {
            self.write(&["revert".to_owned(), "-R".to_owned(), place(&dest)])?;
        }
        self.fresh()
    }

    /// The result where there was no working copy before.
    fn fresh(&self) -> Result<Map, Failure> {
        Ok(map! { "before" => Value::Null, "after" => self.state()? })
    }

    fn working_copy(&self, dest: &str) -> Result<Map, Failure> {
        let (cx, args) = (self.cx, self.args);
        if !args.update {
            return Ok(Map::new());
        }
        let modified = self.modified(dest)?;
        let refused = || refused_with("H0110", "ERROR: modified files exist in the repository.", Map::new());
        if cx.check_mode() {
            if modified && !args.force {
                return Err(refused());
            }
            let before = revision(&self.read("info", &[&place(dest)])?, "Unable to get revision");
            let info = self.read("info", &["-r", &args.revision, &place(dest)])?;
            let after = revision(&info, "Unable to get revision");
            let number = |text: &str| text.split(':').nth(1).and_then(|number| number.trim().parse::<u64>().ok());
            if number(&before) < number(&after) {
                cx.change(format!("update {dest}"), |_| Ok(()))?;
            }
            return Ok(map! { "before" => before, "after" => after });
        }
        let before = self.state()?;
        let mut moved = false;
        let update = |command: &str, more: &[&str]| -> Result<bool, Failure> {
            let mut words = vec![command.to_owned(), "-r".to_owned(), args.revision.clone()];
            words.extend(more.iter().map(|word| (*word).to_owned()));
            words.push(place(dest));
            Ok(touched(&self.write(&words)?))
        };
        if args.switch {
            moved |= update("switch", &[&args.repo])?;
        }
        if modified {
            if !args.force {
                if moved {
                    cx.change(format!("switch {dest} to {}", args.repo), |_| Ok(()))?;
                }
                return Err(refused());
            }
            self.write(&["revert".to_owned(), "-R".to_owned(), place(dest)])?;
        }
        moved |= update("update", &[])?;
        if moved || modified {
            cx.change(format!("update {dest}"), |_| Ok(()))?;
        }
        Ok(map! { "before" => before, "after" => self.state()? })
    }

    /// Revision and address of the working copy.
    fn state(&self) -> Result<Value, Failure> {
        let info = self.read("info", &[&place(&shown(&self.dest))])?;
        let url = info.lines().find(|line| line.starts_with("URL:") || line.starts_with("URL :"));
        let url = url.unwrap_or("Unable to get URL").to_owned();
        Ok(Value::from(vec![Value::from(revision(&info, "Unable to get revision")), Value::from(url)]))
    }

    fn modified(&self, dest: &str) -> Result<bool, Failure> {
        let status = self.read("status", &["--quiet", "--ignore-externals", &place(dest)])?;
        Ok(status.lines().any(|line| !line.is_empty() && !line.starts_with(['?', 'X'])))
    }

    /// A command with the options that all take.
    fn program(&self, words: &[String]) -> Program<'static> {
        let args = self.args;
        let mut argv = vec![self.program.clone(), words[0].clone()];
        argv.extend(["--non-interactive".to_owned(), "--no-auth-cache".to_owned()]);
        argv.extend((!args.validate_certs).then(|| "--trust-server-cert".to_owned()));
        argv.extend(args.username.iter().map(|name| format!("--username={name}")));
        let password = args.password.as_ref().filter(|password| !password.is_empty());
        argv.extend(password.map(|_| "--password-from-stdin".to_owned()));
        argv.extend(words[1..].iter().cloned());
        let program = Program::new(argv).parsable();
        match password {
            Some(password) => program.stdin(password.as_bytes()),
            None => program,
        }
    }

    fn password_is_safe(&self) -> Result<(), Failure> {
        if self.args.password.as_ref().is_none_or(String::is_empty) {
            return Ok(());
        }
        let output = self.cx.probe().run(Program::new([self.program.as_str(), "--version", "--quiet"]).parsable())?;
        let text = output.out();
        let mut numbers = text.trim().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version >= (1, 10) {
            return Ok(());
        }
        let message =
            format!("svn {} takes a password on its command line only, where everyone can read it", text.trim());
        Err(Diagnostic::task("H0110", message).with_hint("install svn 1.10 or later on the host").into())
    }

    fn run_read(&self, command: &str, more: &[&str]) -> Result<Output, Failure> {
        let words: Vec<String> = std::iter::once(command).chain(more.iter().copied()).map(str::to_owned).collect();
        Ok(self.cx.probe().run(self.program(&words))?)
    }

    fn read(&self, command: &str, more: &[&str]) -> Result<String, Failure> {
        let output = self.run_read(command, more)?;
        let words: Vec<String> = std::iter::once(command).chain(more.iter().copied()).map(str::to_owned).collect();
        self.checked(output, &words)
    }

    fn write(&self, words: &[String]) -> Result<String, Failure> {
        let program = self.program(words);
        let output = self.cx.scratch(|host| host.run(program))?.unwrap_or_default();
        self.checked(output, words)
    }

    /// A command that changes the host; false in check mode.
    fn change(&self, what: String, words: &[String]) -> Result<bool, Failure> {
        let program = self.program(words);
        match self.cx.change(what, |host| host.run(program))? {
            Some(output) => self.checked(output, words).map(|_| true),
            None => Ok(false),
        }
    }

    fn checked(&self, output: Output, words: &[String]) -> Result<String, Failure> {
        if output.success() {
            return Ok(output.out());
        }
        // The options stand before the command, as Ansible writes them.
        let path = self.cx.probe().which(&self.program).map_or_else(|| self.program.clone(), |path| shown(&path));
        let options: Vec<String> =
            self.program(words).words().into_iter().skip(2).filter(|word| !words[1..].contains(word)).collect();
        let cmd: Vec<String> = std::iter::once(&path)
            .chain(&options)
            .chain(words)
            .map(|word| crate::system::process::quote(word))
            .collect();
        let result = map! {
            "msg" => output.err().trim(), "rc" => i64::from(output.rc), "stdout" => output.out(),
            "stderr" => output.err(), "cmd" => cmd.join(" "),
        };
        Err(Failure::with_result(crate::system::process::failed(&format!("svn {}", words[0]), &output), result))
    }
}

/// An address or a path after which svn looks for no peg revision: `a@b` needs a `@` at its end.
fn place(text: &str) -> String {
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    if text.rsplit('/').next().is_some_and(|last| last.contains('@')) && !text.contains("://") {
        text + "@"
    } else {
        text
    }
}

/// The line that names the revision, in any language of the parsable locale.
fn revision(info: &str, missing: &str) -> String {
    info.lines().find(|line| line.starts_with("Revision:")).unwrap_or(missing).to_owned()
}

/// svn says that it changed a file.
fn touched(output: &str) -> bool {
    output.lines().any(|line| {
        let mut chars = line.chars();
        matches!(chars.next(), Some('A' | 'B' | 'D' | 'U' | 'C' | 'G' | 'E'))
            && chars.next().is_some_and(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_svn_are_read() {
        assert!(touched("Updating '.':\nU    a.txt\n") && touched("A    b\n"));
        assert!(!touched("Updating '.':\nAt revision 3.\n") && !touched("Added\n U   .\n"));
        assert_eq!(revision("Path: x\nRevision: 7\nNode Kind: file\n", "-"), "Revision: 7");
        assert_eq!(revision("", "none"), "none");
        assert_eq!(
            (place("/a/b@c"), place("https://u@h/x"), place("-x")),
            ("/a/b@c@".into(), "https://u@h/x".into(), "./-x".into())
        );
    }
}
