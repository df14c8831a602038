//! `pip`: Python packages by the host's pip. Passwords in addresses go to pip in its environment or in a private
//! file, never in the process list, and the result has them masked.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::pip_names::{Requirement, canonical, whole_names};
use super::refusal::{no_program, refused, refused_with};
use super::shlex;
use super::spec::{Meta, Module};
use super::types::{HostPath, expand};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::fs::{Content, shown};
use crate::system::process::{Output, Program};
use crate::system::web::mask_url;
use crate::value::{Map, Value, insert};

/// Installs and removes Python packages with pip, for the host or in a virtual environment.
///
/// Without `virtualenv` and `executable` it is the pip module of the host's Python 3, else `pip3`.
///
/// ```yaml
/// - pip:
///     name: [requests>=2.31, pyyaml]
///     virtualenv: /opt/tool
///     virtualenv_command: python3 -m venv
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the arguments' names are Ansible's")]
pub struct Args {
    /// How the packages shall be.
    #[serde(default)]
    state: State,
    /// Packages with or without versions, files, or addresses.
    name: Option<Vec<String>>,
    /// The version of the one package.
    version: Option<String>,
    /// A file of requirements on the host.
    requirements: Option<String>,
    /// The virtual environment; it is made if missing.
    virtualenv: Option<HostPath>,
    /// The environment sees the host's packages.
    #[serde(default)]
    virtualenv_site_packages: bool,
    /// What makes the environment.
    #[serde(default = "virtualenv")]
    virtualenv_command: HostPath,
    /// The Python for the environment. Not with `venv`.
    virtualenv_python: Option<String>,
    /// More words for pip.
    extra_args: Option<String>,
    /// Install as editable.
    #[serde(default)]
    editable: bool,
    /// The folder to run in.
    chdir: Option<HostPath>,
    /// The pip program.
    executable: Option<HostPath>,
    /// The umask for what is written, octal.
    umask: Option<String>,
    /// Write into a Python that the distribution manages.
    #[serde(default)]
    break_system_packages: bool,
}

fn virtualenv() -> HostPath {
    HostPath("virtualenv".to_owned())
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Absent,
    Forcereinstall,
    Latest,
    #[default]
    Present,
}

impl State {
    fn words(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Absent => ("absent", &["uninstall", "-y"]),
            Self::Forcereinstall => ("forcereinstall", &["install", "-U", "--force-reinstall"]),
            Self::Latest => ("latest", &["install", "-U"]),
            Self::Present => ("present", &["install"]),
        }
    }
}

/// The module.
pub struct Pip;

/// Where Ansible looks for a Python, in its order.
const PYTHONS: &[&str] =
    &["python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8", "/usr/bin/python3", "python3"];

impl Module for Pip {
    type Args = Args;
    const META: Meta = Meta {
        name: "pip",
        full_name: "ansible.builtin.pip",
        also: &["ansible.legacy.pip"],
        summary: "Manage Python packages",
        exclusive: &[&["name", "requirements"], &["executable", "virtualenv"]],
        one_of: &[&["name", "requirements"]],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let umask = match args.umask.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => match u32::from_str_radix(text.trim().trim_start_matches("0o"), 8) {
                Ok(bits) => Some(format!("{:04o}", bits & 0o777)),
                Err(error) => {
                    let result = map! { "details" => error.to_string() };
                    return Err(refused_with("H0110", "umask must be an octal integer", result));
                }
            },
            None => None,
        };
        if args.state == State::Latest && args.version.is_some() {
            return Err(refused("H0110", "version is incompatible with state=latest"));
        }
        let chdir = args.chdir.as_ref().map(|folder| folder.expand(cx.environment()));
        let env = args.virtualenv.as_ref().map(|env| {
            let env = env.expand(cx.environment());
            chdir.as_ref().map_or_else(|| env.clone(), |folder| folder.join(&env))
        });
        let folder = chdir.unwrap_or_else(|| cx.probe().temp_dir());
        Work { cx, args: &args, umask, env, folder }.run()
    }
}

struct Work<'a> {
    cx: &'a Cx,
    args: &'a Args,
    umask: Option<String>,
    env: Option<PathBuf>,
    folder: PathBuf,
}

/// A program's words: what it gets, and what is shown of them.
struct Words {
    given: Vec<String>,
    shown: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// Lines for a file of requirements.
    lines: Vec<String>,
}

impl Work<'_> {
    fn run(&self) -> Result<Map, Failure> {
        let (cx, args) = (self.cx, self.args);
        let mut said = Output::default();
        let mut made = false;
        if let Some(env) = &self.env
            && !cx.probe().exists(&env.join("bin/activate"))
        {
            let what = format!("make the environment {}", shown(env));
            if cx.check_mode() {
                // Nothing can be asked of an environment that is not there, nor of a program that an earlier task
                // would have installed.
                cx.change(what, |_| Ok(()))?;
                return Ok(Map::new());
            }
            let words = self.environment_command(env)?;
            let output = cx.change(what, |host| host.run(self.program(&words, &[])))?.unwrap_or_default();
            if !output.success() {
                return Err(failed(&words, &output));
            }
            made = true;
            said = output;
        }
        let pip = self.pip()?;
        let mut packages = Vec::new();
        let names = args.name.as_ref().filter(|names| !names.is_empty());
        let vcs = |name: &str| ["svn+", "git+", "hg+", "bzr+"].iter().any(|kind| name.starts_with(kind));
        if let Some(names) = names {
            packages = whole_names(names).iter().map(|name| Requirement::of(name, None)).collect();
            if let Some(version) = &args.version {
                if packages.len() > 1 {
                    let message = "'version' argument is ambiguous when installing multiple package distributions. Please specify version restrictions next to each package in 'name' argument.";
                    return Err(refused("H0110", message));
                }
                if packages[0].has_version() {
                    let message = "The 'version' argument conflicts with any version specifier provided along with a package name. Please keep the version specifier, but remove the 'version' argument.";
                    return Err(refused("H0110", message));
                }
                packages[0] = Requirement::of(&packages[0].text, Some(version));
            }
        }
        let extra = self.extra()?;
        let words = self.words(&pip, &extra, &packages);
        let requirements = args.requirements.as_deref().filter(|text| !text.is_empty());
        if names.is_none() && requirements.is_none() {
            cx.warn("No valid name or requirements file found.");
            return Ok(Map::new());
        }
        if cx.check_mode() {
            return self.checked(&pip, &packages, !extra.is_empty() || names.is_none());
        }
        let compare = requirements.is_some() || names.is_some_and(|names| names.iter().any(|name| vcs(name)));
        let before = if compare { Some(self.list(&pip)?.1) } else { None };
        let output = self.install(&words)?;
        said.stdout.extend_from_slice(&output.stdout);
        said.stderr.extend_from_slice(&output.stderr);
        let absent = args.state == State::Absent;
        let missing = output.out().contains("not installed") || output.err().contains("not installed");
        if !(output.success() || (output.rc == 1 && absent && missing)) {
            return Err(failed(&words.shown, &said));
        }
        let changed = match before {
            _ if absent => output.out().contains("Successfully uninstalled"),
            Some(before) => before != self.list(&pip)?.1,
            None => output.out().contains("Successfully installed"),
        };
        if changed && !made {
            cx.change(words.shown.join(" "), |_| Ok(()))?;
        }
        let list = |words: &[String]| words.iter().map(|word| Value::from(mask_url(word))).collect::<Vec<_>>();
        Ok(map! {
            "cmd" => list(&words.shown), "name" => names.map(|names| list(names)), "version" => args.version.clone(),
            "state" => args.state.words().0, "requirements" => args.requirements.clone(),
            "virtualenv" => self.env.as_deref().map(shown), "stdout" => said.out(), "stderr" => said.err(),
        })
    }

    /// A program of pip's, in its folder and with the environment's programs first.
    fn program(&self, words: &[String], variables: &[(&'static str, String)]) -> Program<'static> {
        let mut argv: Vec<String> = Vec::new();
        if let Some(umask) = &self.umask {
            argv.extend(["/bin/sh", "-c", "umask \"$0\"; exec \"$@\"", umask].map(str::to_owned));
        }
        argv.extend(words.iter().cloned());
        let mut program = Program::new(argv).parsable().cwd(&self.folder);
        for (name, value) in variables {
            program = program.env(*name, value);
        }
        if self.args.break_system_packages {
            program = program.env("PIP_BREAK_SYSTEM_PACKAGES", "1");
        }
        if let Some(env) = &self.env {
            let path = self.cx.probe().variable("PATH").unwrap_or_default();
            program = program.env("PATH", format!("{}:{path}", shown(&env.join("bin"))));
        }
        program
    }

    /// Runs what only asks; which program that is, the playbook says, so it is on no list.
    fn ask(&self, words: &[String]) -> Result<Output> {
        self.cx.as_module(|host| host.run(self.program(words, &[])))
    }

    fn python(&self) -> Option<String> {
        PYTHONS.iter().find_map(|name| self.cx.probe().which(name)).map(|path| shown(&path))
    }

    fn pip(&self) -> Result<Vec<String>, Failure> {
        let (cx, args) = (self.cx, self.args);
        if let Some(executable) = &args.executable {
            let path = executable.expand(cx.environment());
            if path.is_absolute() {
                return Ok(vec![shown(&path)]);
            }
            let name = shown(&path);
            let found = cx.probe().which(&name).map(|path| vec![shown(&path)]);
            return found.ok_or_else(|| not_found(&name));
        }
        if let Some(env) = &self.env {
            let usable = |path: &PathBuf| cx.probe().access(path, rustix::fs::Access::EXEC_OK);
            let found = ["pip3", "pip"].map(|name| env.join("bin").join(name)).into_iter().find(usable);
            return found.map(|path| vec![shown(&path)]).ok_or_else(|| {
                let message = format!("Unable to find pip in the virtualenv, {}, under any of these names: pip3, pip. Make sure pip is present in the virtualenv.", shown(env));
                refused("H0103", message)
            });
        }
        if let Some(python) = self.python() {
            let words = [python, "-m".to_owned(), "pip".to_owned()];
            let mut question = words.to_vec();
            question.push("--version".to_owned());
            if self.ask(&question)?.success() {
                return Ok(words.to_vec());
            }
        }
        let found = cx.probe().which("pip3").map(|path| vec![shown(&path)]);
        found.ok_or_else(|| not_found("pip3"))
    }

    /// What makes the virtual environment.
    fn environment_command(&self, env: &Path) -> Result<Vec<String>, Failure> {
        let (cx, args) = (self.cx, self.args);
        let text = shown(&expand(args.virtualenv_command.as_str(), cx.environment()));
        let mut words = shlex::split(&text)
            .map_err(|reason| Diagnostic::task("H0110", format!("cannot split `virtualenv_command`: {reason}")))?;
        let Some(first) = words.first().cloned() else {
            return Err(refused("H0110", "virtualenv_command is empty"));
        };
        if !first.contains('/') {
            let Some(path) = cx.probe().which(&first) else { return Err(no_program(cx, &first)) };
            words[0] = shown(&path);
        }
        let venv = first == "pyvenv"
            || words.windows(2).any(|pair| pair[0] == "-m" && pair[1] == "venv")
            || words.iter().any(|word| word == "-mvenv");
        if args.virtualenv_site_packages {
            words.push("--system-site-packages".to_owned());
        } else {
            let help = [words[0].clone(), "--help".to_owned()];
            let output = self.ask(&help)?;
            if !output.success() {
                let said = output.out() + &output.err();
                return Err(refused("H0102", format!("Could not get output from {} --help: {said}", words[0])));
            }
            if output.out().split_whitespace().any(|word| word == "--no-site-packages") {
                words.push("--no-site-packages".to_owned());
            }
        }
        let python = args.virtualenv_python.as_deref().filter(|text| !text.is_empty());
        match (venv, python) {
            (true, Some(_)) => {
                let message =
                    "virtualenv_python should not be used when using the venv module or pyvenv as virtualenv_command";
                return Err(refused("H0110", message));
            }
            (true, None) => {}
            (false, Some(python)) => words.push(format!("-p{python}")),
            (false, None) => words.extend(self.python().map(|python| format!("-p{python}"))),
        }
        words.push(shown(env));
        Ok(words)
    }

    /// The words of `extra_args`, with `-e` where that is asked for.
    fn extra(&self) -> Result<Vec<String>, Failure> {
        let text = self.args.extra_args.clone().unwrap_or_default();
        let mut words = shlex::split(&text)
            .map_err(|reason| Diagnostic::task("H0110", format!("cannot split `extra_args`: {reason}")))?;
        if self.args.editable && !words.iter().any(|word| word == "-e") {
            words.push("-e".to_owned());
        }
        Ok(words)
    }

    /// The whole command. What holds a password goes another way.
    fn words(&self, pip: &[String], extra: &[String], packages: &[Requirement]) -> Words {
        let mut all = Words { given: pip.to_vec(), shown: pip.to_vec(), variables: Vec::new(), lines: Vec::new() };
        let both = |all: &mut Words, word: &str| {
            all.given.push(word.to_owned());
            all.shown.push(word.to_owned());
        };
        self.args.state.words().1.iter().for_each(|word| both(&mut all, word));
        let secret = |text: &str| mask_url(text) != text;
        let named = [
            ("--index-url", "PIP_INDEX_URL"),
            ("-i", "PIP_INDEX_URL"),
            ("--extra-index-url", "PIP_EXTRA_INDEX_URL"),
            ("--find-links", "PIP_FIND_LINKS"),
            ("-f", "PIP_FIND_LINKS"),
            ("--proxy", "PIP_PROXY"),
        ];
        let mut words = extra.iter().peekable();
        let mut editable = false;
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=').filter(|(flag, _)| flag.starts_with("--")) {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let variable = named.iter().find(|(name, _)| *name == flag).map(|(_, variable)| *variable);
            let (Some(variable), joined) = (variable, value.is_some()) else {
                editable = word == "-e";
                both(&mut all, word);
                continue;
            };
            let value = value.or_else(|| words.next().cloned()).unwrap_or_default();
            if secret(&value) {
                match all.variables.iter_mut().find(|(name, _)| *name == variable) {
                    Some((_, text)) => *text = format!("{text} {value}"),
                    None => all.variables.push((variable, value.clone())),
                }
            } else if joined {
                all.given.push(word.clone());
            } else {
                all.given.extend([word.clone(), value.clone()]);
            }
            if joined {
                all.shown.push(format!("{flag}={}", mask_url(&value)));
            } else {
                all.shown.extend([word.clone(), mask_url(&value)]);
            }
        }
        if packages.is_empty() {
            if let Some(file) = &self.args.requirements {
                ["-r", file].iter().for_each(|word| both(&mut all, word));
            }
            return all;
        }
        for package in packages {
            all.shown.push(mask_url(&package.text));
            if mask_url(&package.text) == package.text {
                all.given.push(package.text.clone());
                editable = false;
            } else {
                if editable {
                    all.given.pop();
                }
                all.lines.push(format!("{}{}", if editable { "-e " } else { "" }, package.text));
                editable = false;
            }
        }
        all
    }

    fn install(&self, words: &Words) -> Result<Output, Failure> {
        let ended = self.cx.scratch(|host| {
            let mut given = words.given.clone();
            let mut file = None;
            if !words.lines.is_empty() {
                let text = words.lines.join("\n") + "\n";
                let path = host.scratch_file(Content::Bytes(text.as_bytes()))?;
                given.extend(["-r".to_owned(), shown(&path)]);
                file = Some(path);
            }
            let output = host.run(self.program(&given, &words.variables));
            drop(file);
            output
        })?;
        Ok(ended.unwrap_or_default())
    }

    /// The command that lists packages, and what it says.
    fn list(&self, pip: &[String]) -> Result<(String, String), Failure> {
        for words in [&["list", "--format=freeze"][..], &["freeze"]] {
            let command: Vec<String> = pip.iter().cloned().chain(words.iter().map(|word| (*word).to_owned())).collect();
            let output = self.ask(&command)?;
            if output.success() {
                return Ok((command.join(" "), output.out()));
            }
            if words == ["freeze"] {
                return Err(failed(&command, &output));
            }
        }
        Err(Diagnostic::internal("there is no way to list packages").into())
    }

    /// Check mode: what is there is compared with what is wanted.
    fn checked(&self, pip: &[String], packages: &[Requirement], certain: bool) -> Result<Map, Failure> {
        let (cx, state) = (self.cx, self.args.state);
        let what = || {
            format!(
                "{} {}",
                state.words().1.join(" "),
                packages.iter().map(|one| mask_url(&one.text)).collect::<Vec<_>>().join(" ")
            )
        };
        if certain || state == State::Latest {
            cx.change(what(), |_| Ok(()))?;
            return Ok(Map::new());
        }
        let (command, text) = self.list(pip)?;
        let there = |package: &Requirement| {
            text.lines().filter_map(|line| line.split_once("==")).any(|(name, version)| {
                package.name.as_deref() == Some(canonical(name).as_str()) && package.fits(version.trim())
            })
        };
        let differs = |package: &Requirement| match state {
            State::Present => !there(package),
            State::Absent => there(package),
            State::Latest | State::Forcereinstall => false,
        };
        if packages.iter().any(differs) {
            cx.change(what(), |_| Ok(()))?;
        }
        let mut result = map! { "cmd" => command };
        insert(&mut result, "stdout", text);
        insert(&mut result, "stderr", "");
        Ok(result)
    }
}

fn not_found(name: &str) -> Failure {
    refused("H0103", format!("Unable to find any of {name} to use.  pip needs to be installed."))
}

fn failed(words: &[String], output: &Output) -> Failure {
    let (out, err) = (output.out(), output.err());
    let mut message = String::new();
    if !out.is_empty() {
        message.push_str(&format!("stdout: {out}"));
    }
    if !err.is_empty() {
        message.push_str(&format!("\n:stderr: {err}"));
    }
    let cmd: Vec<Value> = words.iter().map(|word| Value::from(mask_url(word))).collect();
    let result = map! { "cmd" => cmd, "msg" => message };
    Failure::with_result(crate::system::process::failed(&words.join(" "), output), result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Try, get, module};
    use super::*;

    /// A wheel of a package without code.
    fn wheel(folder: &Path, name: &str, version: &str) {
        let info = format!("{name}-{version}.dist-info");
        let root = folder.join(format!("build-{name}-{version}"));
        std::fs::create_dir_all(root.join(&info)).expect("folder");
        std::fs::write(root.join(format!("{name}.py")), "").expect("code");
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        std::fs::write(root.join(&info).join("METADATA"), metadata).expect("metadata");
        std::fs::write(
            root.join(&info).join("WHEEL"),
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        .expect("wheel");
        let record = format!("{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");
        std::fs::write(root.join(&info).join("RECORD"), record).expect("record");
        let code = "import sys, zipfile, os\nz = zipfile.ZipFile(sys.argv[1], 'w')\nfor d, _, fs in os.walk('.'):\n    [z.write(os.path.join(d, f)) for f in fs]\nz.close()\n";
        let out = folder.join(format!("{name}-{version}-py3-none-any.whl"));
        let ended = std::process::Command::new("python3").args(["-c", code]).arg(&out).current_dir(&root).status();
        assert!(ended.expect("python3").success());
    }

    #[test]
    fn packages_come_and_go_in_an_environment() {
        let ready = std::process::Command::new("python3").args(["-c", "import venv, ensurepip"]).status();
        if !ready.is_ok_and(|status| status.success()) {
            println!("skipped: there is no Python with venv here");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        for version in ["1.0", "2.0"] {
            wheel(folder.path(), "hctpkg", version);
        }
        let env = shown(&folder.path().join("env"));
        let links = format!("--no-index --find-links {}", shown(folder.path()));
        let with = |args: Map| -> Try {
            let mut all = map! { "virtualenv" => env.as_str(), "virtualenv_command" => "python3 -m venv" };
            all.extend(args);
            module("pip", all).env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        };
        let install = |name: &str| map! { "name" => name, "extra_args" => links.as_str() };
        assert!(with(install("hctpkg")).check(true).ok().changed && !Path::new(&env).exists());
        let outcome = with(install("hctpkg<2")).ok();
        assert!(outcome.changed && get(&outcome, "stdout").as_str().is_some_and(|text| text.contains("hctpkg-1.0")));
        assert_eq!(get(&outcome, "cmd")[1], json!("install"));
        assert!(!with(install("hctpkg")).ok().changed);
        let look = |name: &str, state: &str| with(map! { "name" => name, "state" => state }).check(true).ok().changed;
        assert!(!look("hctpkg==1.0", "present") && look("HctPkg>1.0", "present") && look("hctpkg", "absent"));
        let mut latest = install("hctpkg");
        latest.extend(map! { "state" => "latest" });
        assert!(with(latest.clone()).ok().changed && !with(latest).ok().changed);
        std::fs::write(folder.path().join("list.txt"), "hctpkg==1.0\n").expect("list");
        let list = || map! { "requirements" => shown(&folder.path().join("list.txt")), "extra_args" => links.as_str() };
        assert!(with(list()).ok().changed && !with(list()).ok().changed);
        let absent = || map! { "name" => "hctpkg", "state" => "absent" };
        assert!(with(absent()).ok().changed && !with(absent()).ok().changed);
        let failure = with(install("hct-none")).fails();
        assert!(
            failure
                .result
                .get(&crate::value::StrKey("msg"))
                .is_some_and(|msg| msg.as_str().is_some_and(|msg| msg.contains(":stderr: ")))
        );
        // An address with a password, which is not answered.
        let secret = format!("{links} --index-url http://me:secret@127.0.0.1:1/simple --retries 0 hct-none");
        let failure = with(map! { "name" => "hct-none", "extra_args" => secret.replace("--no-index ", "") }).fails();
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
        let failure = with(map! { "name" => "git+http://me:secret@127.0.0.1:1/x.git" }).fails();
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    }

    #[test]
    fn wrong_versions_are_refused() {
        let check = |args: Map, expected: &str| {
            let message = module("pip", args).fails().diagnostic.message.clone();
            assert!(message.starts_with(expected), "{message}");
        };
        check(map! { "name" => "a", "state" => "latest", "version" => "1" }, "version is incompatible");
        check(map! { "name" => "a", "umask" => "9" }, "umask must be an octal integer");
    }
}
