//! `dnf`: packages of Rocky, RHEL, Fedora and their like, by the host's dnf program (version 4). What is installed
//! already is asked of rpm, so a run that has nothing to do does not start dnf.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apt::{shortened, stream, tell};
use super::call::Failure;
use super::cx::Cx;
use super::refusal::{refused, refused_with};
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::event::{Diff, Stream};
use crate::map;
use crate::system::dnf::{Plan, READS, Rpm, Trouble, failed, newer_installed, no_match, program};
use crate::system::fs::shown;
use crate::system::glob::matches;
use crate::system::process::Output;
use crate::system::web::mask_url;
use crate::value::{Map, Value};

/// Installs, upgrades and removes packages with dnf.
///
/// ```yaml
/// - dnf:
///     name: [lvm2, '@development', httpd-2.4*]
///     state: present
///     enablerepo: epel
/// - dnf:
///     name: '*'
///     state: latest
///     exclude: kernel*
/// ```
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Packages with or without version and architecture, patterns, `@group`, a file on the host or the address of one.
    #[serde(default)]
    name: Vec<String>,
    /// How they shall be; `present`, or `absent` with `autoremove`.
    state: Option<State>,
    /// List these instead: `installed`, `updates`, `available`, `repos`, or packages of that name.
    list: Option<String>,
    /// Read the package lists again first.
    #[serde(default)]
    update_cache: bool,
    /// Upgrade what is installed and install nothing new.
    #[serde(default)]
    update_only: bool,
    /// Sources to use though they are disabled.
    #[serde(default)]
    enablerepo: Vec<String>,
    /// Sources not to use.
    #[serde(default)]
    disablerepo: Vec<String>,
    /// Packages to leave out.
    #[serde(default)]
    exclude: Vec<String>,
    /// Take back what the configuration excludes: `all`, `main` or a source.
    disable_excludes: Option<String>,
    /// Another configuration file.
    conf_file: Option<String>,
    /// Do not check signatures.
    #[serde(default)]
    disable_gpg_check: bool,
    /// Plugins of dnf to leave out.
    #[serde(default)]
    disable_plugin: Vec<String>,
    /// Plugins of dnf to use.
    #[serde(default)]
    enable_plugin: Vec<String>,
    /// The root folder to work on.
    #[serde(default = "root")]
    installroot: String,
    /// The release that `$releasever` stands for.
    releasever: Option<String>,
    /// Remove what nothing needs any more.
    #[serde(default)]
    autoremove: bool,
    /// Allow older versions.
    #[serde(default)]
    allow_downgrade: bool,
    /// Allow removing installed packages that are in the way.
    #[serde(default)]
    allowerasing: bool,
    /// The best candidate or none.
    best: Option<bool>,
    /// Not only the best candidate.
    nobest: Option<bool>,
    /// Leave out what cannot be installed.
    #[serde(default)]
    skip_broken: bool,
    /// Install recommended packages too.
    #[serde(default = "yes")]
    install_weak_deps: bool,
    /// Only upgrades that mend security.
    #[serde(default)]
    security: bool,
    /// Only upgrades that mend bugs.
    #[serde(default)]
    bugfix: bool,
    /// Only what dnf's cache has.
    #[serde(default)]
    cacheonly: bool,
    /// Download and do not install.
    #[serde(default)]
    download_only: bool,
    /// The folder for it.
    download_dir: Option<String>,
    /// Check certificates.
    #[serde(default = "yes")]
    validate_certs: bool,
    /// Check certificates of the sources.
    #[serde(default = "yes")]
    sslverify: bool,
    /// Seconds to wait for other programs that use dnf.
    #[serde(default = "thirty")]
    lock_timeout: u64,
    /// dnf has its own query; nothing has to be installed for it.
    #[serde(default = "yes")]
    #[expect(dead_code, reason = "dnf itself has what it would install")]
    install_repoquery: bool,
    /// The program; only version 4 of dnf is known here.
    #[serde(default)]
    use_backend: Backend,
}

fn yes() -> bool {
    true
}
fn root() -> String {
    "/".to_owned()
}
fn thirty() -> u64 {
    30
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    Absent,
    Installed,
    Latest,
    #[default]
    Present,
    Removed,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Backend {
    #[default]
    Auto,
    Dnf,
    Yum,
    Yum4,
    Dnf4,
    Dnf5,
}

/// The module.
pub struct Dnf;

impl Module for Dnf {
    type Args = Args;
    const META: Meta = Meta {
        name: "dnf",
        full_name: "ansible.builtin.dnf",
        also: &["ansible.legacy.dnf", "yum", "ansible.builtin.yum", "ansible.legacy.yum"],
        summary: "Manage packages with dnf",
        aliases: &[("name", &["pkg"]), ("update_cache", &["expire-cache"]), ("use_backend", &["use"])],
        exclusive: &[&["name", "list"], &["best", "nobest"]],
        reads: READS,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        run(cx, args)
    }
}

/// The work, for `package` too.
pub(super) fn run(cx: &Cx, mut args: Args) -> Result<Map, Failure> {
    for list in [&mut args.name, &mut args.enablerepo, &mut args.disablerepo, &mut args.exclude] {
        *list = list.iter().flat_map(|text| text.split(',')).map(|word| word.trim().to_owned()).collect();
        list.retain(|word| !word.is_empty());
    }
    if args.name.iter().any(|name| name.contains(' ') && !name.contains(['@', '>', '<', '='])) {
        return Err(refused(
            "M0002",
            "It appears that a space separated string of packages was passed in as an argument. To operate on several \
             packages, pass a comma separated string of packages or a list of packages.",
        ));
    }
    let absent = match args.state {
        None => args.autoremove,
        Some(state) => matches!(state, State::Absent | State::Removed),
    };
    if args.autoremove && !absent {
        let result = map! { "results" => Vec::new() };
        return Err(refused_with("M0002", "Autoremove should be used alone or with state=absent", result));
    }
    usable(cx, &args)?;
    readable(&args)?;
    if let Some(what) = args.list.as_deref().filter(|what| !what.is_empty()) {
        return super::dnf_list::list(cx, &args, what);
    }
    if args.update_cache {
        // New lists are no change, as with Ansible; check mode needs them too, to know what would come.
        wait(cx, args.lock_timeout)?;
        let mut words = vec!["dnf".to_owned(), "--assumeno".to_owned(), "makecache".to_owned(), "--refresh".to_owned()];
        words.extend(options(&args));
        let program = program(words);
        let shown = program.shown();
        let output = cx.probe().run(program)?;
        if !output.success() {
            return Err(explain(&shown, &output, &Vec::new()));
        }
        if args.name.is_empty() {
            return Ok(map! { "msg" => "Cache updated", "results" => Vec::new(), "rc" => 0 });
        }
    }
    if !args.download_only && !rustix::process::geteuid().is_root() {
        let result = map! { "results" => Vec::new() };
        return Err(refused_with("H0104", "This command has to be run under the root user.", result));
    }
    let installed = cx.probe().rpms(&args.installroot)?;
    let work = Work::of(cx, &args, absent, &installed)?;
    work.perform(cx, &args, &installed)
}

/// A dnf that this module knows.
fn usable(cx: &Cx, args: &Args) -> Result<(), Failure> {
    let Some(path) = cx.probe().which("dnf") else {
        let error = Diagnostic::task("H0103", "this host has no `dnf`")
            .with_hint("the module `package` takes what the host has");
        return Err(error.into());
    };
    let real = std::fs::canonicalize(&path).unwrap_or(path);
    if args.use_backend == Backend::Dnf5 || real.file_name().is_some_and(|name| name == "dnf5") {
        let error = Diagnostic::task("H0103", "hostctl knows version 4 of dnf, and this is `dnf5`")
            .with_hint("the module `command` can run `dnf5 -y install ...`");
        return Err(error.into());
    }
    Ok(())
}

/// Ansible's words for a configuration that cannot be read.
fn readable(args: &Args) -> Result<(), Failure> {
    match &args.conf_file {
        Some(path) if !path.is_empty() && std::fs::File::open(path).is_err() => {
            let result = map! { "conf_file" => path.as_str(), "results" => Vec::new() };
            Err(refused_with("H0101", "cannot read configuration file", result))
        }
        _ => Ok(()),
    }
}

/// Options that all commands take.
pub(super) fn options(args: &Args) -> Vec<String> {
    let mut words = Vec::new();
    let mut flag = |wanted: bool, word: &str| words.extend(wanted.then(|| word.to_owned()));
    flag(args.disable_gpg_check, "--nogpgcheck");
    flag(args.allowerasing, "--allowerasing");
    flag(args.skip_broken, "--skip-broken");
    flag(args.cacheonly, "--cacheonly");
    flag(args.security, "--security");
    flag(args.bugfix, "--bugfix");
    flag(args.nobest.map_or(args.best == Some(true), |nobest| !nobest), "--best");
    flag(args.nobest.map_or(args.best == Some(false), |nobest| nobest), "--nobest");
    let lists = [
        ("--enablerepo", &args.enablerepo),
        ("--exclude", &args.exclude),
        ("--disableplugin", &args.disable_plugin),
        ("--enableplugin", &args.enable_plugin),
    ];
    // Ansible disables first.
    for (option, list) in std::iter::once(("--disablerepo", &args.disablerepo)).chain(lists) {
        words.extend(list.iter().map(|value| format!("{option}={value}")));
    }
    let texts = [
        ("--config", &args.conf_file),
        ("--releasever", &args.releasever),
        ("--disableexcludes", &args.disable_excludes),
    ];
    words.extend(texts.iter().filter_map(|(option, text)| Some(format!("{option}={}", text.as_ref()?))));
    if args.installroot != "/" {
        words.push(format!("--installroot={}", args.installroot));
    }
    let number = |value: bool| u8::from(value);
    words.push(format!("--setopt=clean_requirements_on_remove={}", number(args.autoremove)));
    words.push(format!("--setopt=install_weak_deps={}", number(args.install_weak_deps)));
    if !args.disable_gpg_check {
        words.push("--setopt=localpkg_gpgcheck=1".to_owned());
    }
    if !(args.sslverify && args.validate_certs) {
        words.push("--setopt=sslverify=0".to_owned());
    }
    if args.download_only {
        words.push("--downloadonly".to_owned());
        words.extend(args.download_dir.iter().map(|folder| format!("--destdir={folder}")));
    }
    words
}

/// What dnf is told to do.
struct Work {
    /// Its commands with names, one after the other.
    steps: Vec<Vec<String>>,
    /// Lines of the result that are known before.
    told: Vec<String>,
    /// Files and groups that the result names, with what is done to them.
    groups: Vec<String>,
    verb: &'static str,
    latest: bool,
    /// What was downloaded; it goes with this.
    files: Vec<tempfile::TempPath>,
}

impl Work {
    fn of(cx: &Cx, args: &Args, absent: bool, installed: &[Rpm]) -> Result<Self, Failure> {
        let latest = args.state == Some(State::Latest);
        let verb = if absent { "remove" } else { "install" };
        let mut work =
            Self { steps: Vec::new(), told: Vec::new(), groups: Vec::new(), verb, latest, files: Vec::new() };
        if latest && args.name == ["*"] {
            work.steps = vec![vec!["upgrade".to_owned()]];
            work.verb = "upgrade";
            return Ok(work);
        }
        if absent {
            return work.removal(cx, args).map(|()| work);
        }
        let (mut install, mut upgrade) = (Vec::new(), Vec::new());
        for name in &args.name {
            if name.starts_with('-') {
                // Never an option of dnf.
                return Err(missing(std::slice::from_ref(name)));
            }
            if is_file(name) {
                install.extend(work.file(cx, args, name, installed)?);
                continue;
            }
            if !name.starts_with('/') && (name.starts_with('@') || name.contains('/')) {
                work.groups.push(name.trim_start_matches('@').trim().to_owned());
                install.push(name.clone());
                continue;
            }
            let pattern = name.contains(['*', '?', '[']);
            let there = if pattern {
                installed.iter().any(|rpm| matches(name, &rpm.name) || matches(name, &rpm.nevra()))
            } else {
                cx.probe().rpm_installed(&args.installroot, name)?
            };
            if args.update_only {
                if there {
                    upgrade.push(name.clone());
                } else {
                    work.told.push(format!("Packages providing {name} not installed due to update_only specified"));
                }
            } else if pattern {
                upgrade.extend((there && latest).then(|| name.clone()));
                install.push(name.clone());
            } else if !there && newer_installed(installed, name) {
                install.extend(args.allow_downgrade.then(|| name.clone()));
            } else if !there {
                install.push(name.clone());
            } else if latest {
                upgrade.push(name.clone());
            }
        }
        // `install` leaves what is there as it is, and fails before anything is done if a name is not known.
        for (command, names) in [("install", install), ("upgrade", upgrade)] {
            if !names.is_empty() {
                work.steps.push(std::iter::once(command.to_owned()).chain(names).collect());
            }
        }
        Ok(work)
    }

    /// A package file, or one that is downloaded first, so that no password of its address is in dnf's command line.
    /// `None` if what is installed shall stay.
    fn file(&mut self, cx: &Cx, args: &Args, name: &str, installed: &[Rpm]) -> Result<Option<String>, Failure> {
        self.told.push(format!("Installed {}", mask_url(name)));
        let path = if name.contains("://") {
            let file = super::apt_deb::download(cx, name, ".rpm", args.validate_certs)?;
            let path = shown(&file);
            self.files.push(file);
            path
        } else {
            name.to_owned()
        };
        let Some(package) = cx.probe().rpm_of_file(&path)? else { return Ok(Some(path)) };
        let older = newer_installed(installed, &format!("{}-{}", package.name, package.evr));
        let known = installed.iter().any(|rpm| rpm.name == package.name);
        let leave = (older && !args.allow_downgrade) || (args.update_only && !known);
        Ok((!leave).then_some(path))
    }

    fn removal(&mut self, cx: &Cx, args: &Args) -> Result<(), Failure> {
        let mut names = Vec::new();
        for name in &args.name {
            if is_file(name) {
                let result = map! { "results" => Vec::new() };
                let words = "Cannot remove paths -- please specify package name.";
                return Err(refused_with("M0002", words, result));
            }
            let pattern = name.contains(['*', '?', '[', '@', '/', '<', '>', '=']);
            if !name.starts_with('-') && (pattern || cx.probe().rpm_installed(&args.installroot, name)?) {
                names.push(name.clone());
            } else {
                self.told.push(format!("No match for argument: {name}"));
            }
        }
        if !names.is_empty() {
            self.steps.push(std::iter::once("remove".to_owned()).chain(names).collect());
        }
        if args.autoremove {
            self.steps.push(vec!["autoremove".to_owned()]);
        }
        Ok(())
    }

    fn perform(self, cx: &Cx, args: &Args, installed: &[Rpm]) -> Result<Map, Failure> {
        let nothing =
            |told: Vec<String>| Ok(map! { "msg" => "Nothing to do", "rc" => 0, "results" => Value::from(texts(told)) });
        if self.steps.is_empty() {
            return nothing(self.told);
        }
        wait(cx, args.lock_timeout)?;
        let mut plan = Plan::default();
        let mut told = self.told;
        for step in &self.steps {
            let build = |answer: &str| {
                let mut words = vec!["dnf".to_owned(), answer.to_owned(), step[0].clone()];
                words.extend(options(args));
                words.extend(step[1..].iter().cloned());
                program(words)
            };
            let shown = build("-y").shown();
            // Without check mode dnf runs once, and its table says what it did.
            let ran = cx.scratch(|host| stream(cx, |tell| host.run(build("-y").on_output(tell))))?;
            let output = match ran {
                Some(output) => output,
                None => cx.probe().run(build("--assumeno"))?,
            };
            let found = Plan::parse(&output.out(), installed);
            let asked = cx.check_mode() && output.err().contains("Operation aborted");
            let began = output.success() || output.out().lines().any(|line| line.trim_end() == "Running transaction");
            if !found.is_empty() && (asked || began) {
                cx.diff(Diff { prepared: Some(table(&found)), ..Diff::default() });
                cx.change(summary(self.verb, &found), |_| Ok(()))?;
            }
            if !output.success() && !asked {
                if output.err().contains("There are no enabled repositories") && step[0] == "install" {
                    return Err(missing(&step[1..]));
                }
                return Err(explain(&shown, &output, &told));
            }
            told.extend(no_match(&output).into_iter().map(|name| match self.verb {
                "remove" => format!("No match for argument: {name}"),
                _ => format!("No package {name} available."),
            }));
            plan.add(found);
        }
        if self.verb == "install" && (plan.groups || plan.streams) {
            let kind = if plan.streams && !plan.groups { "Module" } else { "Group" };
            let done = if self.latest { "upgraded" } else { "installed" };
            told.extend(self.groups.iter().map(|name| format!("{kind} {name} {done}.")));
        }
        if plan.is_empty() {
            return nothing(told);
        }
        let came = if args.download_only { "Downloaded" } else { "Installed" };
        told.extend(plan.install.iter().map(|package| format!("{came}: {package}")));
        told.extend(plan.remove.iter().map(|package| format!("Removed: {package}")));
        let msg = if cx.check_mode() { "Check mode: No changes made, but would have if not in check mode" } else { "" };
        Ok(map! { "msg" => msg, "rc" => 0, "results" => Value::from(texts(told)) })
    }
}

/// A package file on the host, or the address of one.
fn is_file(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "rpm") || name.contains("://")
}

fn texts(lines: Vec<String>) -> Vec<Value> {
    lines.into_iter().map(Value::from).collect()
}

fn table(plan: &Plan) -> String {
    let signed = |sign: char, names: &[String]| names.iter().map(|name| format!("{sign} {name}\n")).collect::<String>();
    signed('-', &plan.remove) + &signed('+', &plan.install)
}

fn summary(verb: &str, plan: &Plan) -> String {
    match (plan.install.is_empty(), plan.remove.is_empty()) {
        (false, true) => format!("install {}", shortened(&plan.install)),
        (true, false) => format!("remove {}", shortened(&plan.remove)),
        (false, false) => format!("install {}, remove {}", shortened(&plan.install), shortened(&plan.remove)),
        (true, true) => format!("{verb} groups"),
    }
}

/// Waits until no other process works with dnf; names it when the time is over.
fn wait(cx: &Cx, seconds: u64) -> Result<()> {
    let probe = cx.probe();
    probe.wait_while_held("dnf", seconds, || probe.dnf_lock_holder(), |text| tell(cx, Stream::Stderr, text))
}

/// Names that no source has.
fn missing(names: &[String]) -> Failure {
    let failures: Vec<Value> = names.iter().map(|name| Value::from(format!("No package {name} available."))).collect();
    let words = "Failed to install some of the specified packages";
    let message = format!(
        "dnf could not find the {} `{}`",
        if names.len() == 1 { "package" } else { "packages" },
        names.join("`, `")
    );
    let error =
        Diagnostic::task("H0114", message).with_hint("dnf search, or `enablerepo` for a source that is disabled");
    Failure::with_result(error, map! { "msg" => words, "failures" => failures, "rc" => 1, "results" => Vec::new() })
}

/// The failure that dnf's words mean.
pub(super) fn explain(shown: &str, output: &Output, told: &[String]) -> Failure {
    let results = Value::from(texts(told.to_vec()));
    match Trouble::parse(output) {
        Trouble::NoMatch(names) => missing(&names),
        Trouble::NoGroup(name) => {
            let error = Diagnostic::task("H0114", format!("dnf could not find the group or module `{name}`"))
                .with_hint("dnf group list --ids");
            Failure::with_result(
                error,
                map! { "msg" => format!("No group {name} available."), "results" => Vec::new() },
            )
        }
        Trouble::Depsolve(words) => Failure::with_result(
            failed(shown, output, &words),
            map! {
                "msg" => format!("Depsolve Error occurred: {words}"), "failures" => Vec::new(), "rc" => 1,
                "results" => Vec::new(),
            },
        ),
        Trouble::Signature(package, words) => {
            let error = failed(shown, output, &words)
                .with_hint("import the key of the source (`gpgkey` in its file), or `disable_gpg_check: true`");
            let msg = format!("Failed to validate GPG signature for {package}: {words}");
            Failure::with_result(error, map! { "msg" => msg })
        }
        Trouble::Other(words) => Failure::with_result(
            failed(shown, output, &words),
            map! { "msg" => words, "results" => results, "rc" => 1 },
        ),
    }
}
