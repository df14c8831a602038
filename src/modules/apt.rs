//! `apt`: packages of Debian and Ubuntu. What apt would do is asked first, so check mode and the
//! second run come from the same plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::apt_names::{Request, resolve};
use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module};
use super::types::HostPath;
use crate::diag::{Diagnostic, Result};
use crate::event::{Diff, Progress, Stream};
use crate::map;
use crate::system::apt::{Plan, READS, apt, explain, interrupted};
use crate::system::fs::{Content, WriteOptions};
use crate::system::process::Output;
use crate::value::{Map, insert};

/// Installs, upgrades and removes packages with apt.
///
/// ```yaml
/// - apt:
///     name: [docker.io, lvm2, 'nginx=1.22.*']
///     state: present
///     update_cache: true
///     cache_valid_time: 3600
/// - apt:
///     name: command-not-found
///     state: absent
///     purge: true
/// ```
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Packages, also with a version (`name=1.2*`, `name>=1.2`), an architecture, or as a pattern.
    pub(super) name: Option<Vec<String>>,
    /// How they shall be.
    #[serde(default)]
    pub(super) state: State,
    /// Update the package lists first.
    update_cache: Option<bool>,
    /// Seconds for which updated lists are good enough.
    #[serde(default)]
    cache_valid_time: i64,
    /// How often an update is tried.
    #[serde(default = "five")]
    update_cache_retries: u32,
    /// Seconds to wait between tries at most.
    #[serde(default = "twelve")]
    update_cache_retry_max_delay: u64,
    /// Upgrade all packages.
    #[serde(default)]
    upgrade: Upgrade,
    /// A package file on the host (several with commas between them), or the address of one.
    deb: Option<HostPath>,
    /// Remove configuration files too.
    #[serde(default)]
    purge: bool,
    /// Remove what nothing needs any more.
    #[serde(default)]
    autoremove: bool,
    /// Remove old package files from the cache.
    #[serde(default)]
    autoclean: bool,
    /// Remove all package files from the cache.
    #[serde(default)]
    clean: bool,
    /// The release to install from.
    pub(super) default_release: Option<String>,
    /// Install recommended packages too; apt's own setting if not given.
    install_recommends: Option<bool>,
    /// Upgrade what is installed and install nothing new.
    #[serde(default)]
    pub(super) only_upgrade: bool,
    /// Fail if a package would be removed.
    #[serde(default)]
    fail_on_autoremove: bool,
    /// Allow everything below, and removing essential packages.
    #[serde(default)]
    pub(super) force: bool,
    /// Allow packages without a signature.
    #[serde(default)]
    allow_unauthenticated: bool,
    /// Allow older versions.
    #[serde(default)]
    pub(super) allow_downgrade: bool,
    /// Allow changes of held packages.
    #[serde(default)]
    allow_change_held_packages: bool,
    /// Options for dpkg, with commas.
    #[serde(default = "keep_old")]
    dpkg_options: String,
    /// Seconds to wait for other programs that use apt.
    #[serde(default = "sixty")]
    lock_timeout: u64,
    /// The exit code of a `policy-rc.d` during the work: 101 keeps services from being started.
    policy_rc_d: Option<i64>,
    /// hostctl always uses apt-get.
    #[serde(default)]
    #[expect(dead_code, reason = "what it asks for is always so")]
    force_apt_get: bool,
    /// hostctl needs no Python modules on the host.
    #[serde(default = "yes")]
    #[expect(dead_code, reason = "there are no such modules")]
    auto_install_module_deps: bool,
}

fn yes() -> bool {
    true
}
fn five() -> u32 {
    5
}
fn twelve() -> u64 {
    12
}
fn sixty() -> u64 {
    60
}
fn keep_old() -> String {
    "force-confdef,force-confold".to_owned()
}

/// States of packages.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Absent,
    BuildDep,
    Fixed,
    Latest,
    #[default]
    Present,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Upgrade {
    Dist,
    Full,
    #[default]
    No,
    Safe,
    Yes,
}

/// The module.
pub struct Apt;

impl Module for Apt {
    type Args = Args;
    const META: Meta = Meta {
        name: "apt",
        full_name: "ansible.builtin.apt",
        also: &["ansible.legacy.apt"],
        summary: "Manage packages with apt",
        aliases: &[
            ("name", &["package", "pkg"]),
            ("update_cache", &["update-cache"]),
            ("default_release", &["default-release"]),
            ("install_recommends", &["install-recommends"]),
            ("allow_unauthenticated", &["allow-unauthenticated"]),
            ("allow_downgrade", &["allow-downgrade", "allow_downgrades", "allow-downgrades"]),
        ],
        exclusive: &[&["deb", "name", "upgrade"]],
        reads: READS,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        run(cx, &args)
    }
}

/// The work, for `package` too.
pub(super) fn run(cx: &Cx, args: &Args) -> Result<Map, Failure> {
    if cx.probe().which("apt-get").is_none() {
        let error = Diagnostic::task("H0103", "this host has no `apt-get`")
            .with_hint("the module `package` takes what the host has");
        return Err(error.into());
    }
    if interrupted() {
        let error = Diagnostic::task("H0117", "dpkg was interrupted on this host earlier and has to be repaired first");
        return Err(error.with_hint("dpkg --configure -a").into());
    }
    let mut result = Map::new();
    let work = args.name.is_some() || args.deb.is_some() || args.upgrade != Upgrade::No;
    let updated = update_lists(cx, args)?;
    // What Ansible does otherwise tells nothing of the lists.
    let other = args.deb.is_some() || args.upgrade != Upgrade::No || args.state == State::Absent;
    let tidied = args.name.is_none() && (args.clean || args.autoclean || args.autoremove);
    let lists_alone = !work && (args.update_cache == Some(true) || args.cache_valid_time > 0);
    if lists_alone || !(other || tidied) {
        insert(&mut result, "cache_updated", updated);
        insert(&mut result, "cache_update_time", cx.probe().package_lists_time());
    }
    if updated && !work {
        cx.change("update the package lists", |_| Ok(()))?;
    }
    if args.clean || args.autoclean {
        tidy(cx, args, if args.clean { "clean" } else { "autoclean" }, &mut result)?;
    }
    match args.upgrade {
        Upgrade::No => {}
        Upgrade::Safe | Upgrade::Yes => {
            perform(cx, args, &["upgrade", "--with-new-pkgs"], &[], "upgrade packages", &mut result)?;
        }
        Upgrade::Full | Upgrade::Dist => perform(cx, args, &["dist-upgrade"], &[], "upgrade packages", &mut result)?,
    }
    if let Some(deb) = &args.deb {
        super::apt_deb::install(cx, args, deb.as_str(), &mut result)?;
    }
    if let Some(names) = &args.name {
        packages(cx, args, names, &mut result)?;
    } else if args.autoremove && args.deb.is_none() && args.upgrade == Upgrade::No {
        perform(cx, args, &["autoremove"], &[], "remove packages that nothing needs", &mut result)?;
    }
    Ok(result)
}

/// Updates the lists if they are asked for and too old; true if that changed them.
fn update_lists(cx: &Cx, args: &Args) -> Result<bool> {
    if args.update_cache != Some(true) && (args.cache_valid_time == 0 || args.update_cache == Some(false)) {
        return Ok(false);
    }
    let before = cx.probe().package_lists_time();
    let now = jiff::Timestamp::now().as_second();
    if now < before.saturating_add(args.cache_valid_time) && cx.probe().has_package_lists() {
        return Ok(false);
    }
    if cx.check_mode() {
        return Ok(true);
    }
    let mut pause = 1;
    for attempt in 1.. {
        let outcome = cx.scratch(|host| {
            host.wait_for_package_lock(args.lock_timeout, |text| tell(cx, Stream::Stderr, text))?;
            let lock = format!("DPkg::Lock::Timeout={}", args.lock_timeout);
            let program = apt(&["apt-get", "update", "-o", &lock, "-o", "APT::Update::Error-Mode=any"]);
            let shown = program.shown();
            let output = stream(cx, |tell| host.run(program.on_output(tell)))?;
            if output.success() { Ok(()) } else { Err(explain(&shown, &output, |_| None)) }
        });
        match outcome {
            Ok(_) => break,
            Err(error) if attempt >= args.update_cache_retries || matches!(error.code.as_ref(), "H0105" | "H0115") => {
                let said = error.registered().trim_start_matches("apt failed: ");
                let words = format!("Failed to update apt cache after {} retries: {said}", args.update_cache_retries);
                return Err(error.with_registered(words));
            }
            Err(_) => {
                std::thread::sleep(std::time::Duration::from_secs(pause.min(args.update_cache_retry_max_delay)));
                pause *= 2;
            }
        }
    }
    Ok(cx.probe().package_lists_time() != before)
}

/// Shows output while it comes.
pub(super) fn tell(cx: &Cx, stream: Stream, text: &str) {
    if !cx.no_log() {
        cx.progress(Progress::Output { stream, text: text.to_owned() });
    }
}

/// Runs a program whose output is shown while it comes.
pub(super) fn stream(cx: &Cx, run: impl FnOnce(&mut dyn FnMut(Stream, &str)) -> Result<Output>) -> Result<Output> {
    let mut forward = |stream: Stream, text: &str| tell(cx, stream, text);
    run(&mut forward)
}

/// Options of apt-get that the arguments stand for.
fn options(args: &Args) -> Vec<String> {
    let mut words = vec!["-y".to_owned()];
    for option in args.dpkg_options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        words.extend(["-o".to_owned(), format!("Dpkg::Options::=--{option}")]);
    }
    words.extend(["-o".to_owned(), format!("DPkg::Lock::Timeout={}", args.lock_timeout)]);
    let flags = [
        (args.only_upgrade, "--only-upgrade"),
        (args.state == State::Fixed, "--fix-broken"),
        (args.fail_on_autoremove, "--no-remove"),
        (args.autoremove, "--auto-remove"),
        (args.purge, "--purge"),
        (args.allow_unauthenticated || args.force, "--allow-unauthenticated"),
        (args.allow_downgrade || args.force, "--allow-downgrades"),
        (args.allow_change_held_packages || args.force, "--allow-change-held-packages"),
        (args.force, "--allow-remove-essential"),
    ];
    words.extend(flags.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| (*flag).to_owned()));
    if let Some(release) = &args.default_release {
        words.extend(["-t".to_owned(), release.clone()]);
    }
    if let Some(recommends) = args.install_recommends {
        let value = if recommends { "yes" } else { "no" };
        words.extend(["-o".to_owned(), format!("APT::Install-Recommends={value}")]);
    }
    words
}

/// Asks apt for its plan, and carries it out if there is one.
pub(super) fn perform(
    cx: &Cx,
    args: &Args,
    verb: &[&str],
    names: &[String],
    what: &str,
    result: &mut Map,
) -> Result<(), Failure> {
    let mut tail = options(args);
    tail.extend(verb.iter().map(|word| (*word).to_owned()));
    tail.extend(names.iter().cloned());
    let words = |simulate: bool| -> Vec<String> {
        let first: &[&str] = if simulate { &["apt-get", "-s"] } else { &["apt-get"] };
        first.iter().map(|word| (*word).to_owned()).chain(tail.iter().cloned()).collect()
    };
    let program = |simulate: bool| {
        let words = words(simulate);
        apt(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let nearest = |name: &str| cx.probe().package_nearest(name);
    let simulation = cx.probe().run(program(true))?;
    if !simulation.success() {
        let error = explain(&program(false).shown(), &simulation, nearest);
        let words = format!("'{}' failed: {}", command(cx, args, verb, names), simulation.err());
        result.extend(map! { "rc" => simulation.rc, "stdout" => simulation.out(), "stderr" => simulation.err() });
        return Err(Failure::with_result(error.with_registered(words), std::mem::take(result)));
    }
    let plan = Plan::parse(&simulation.out());
    if plan.is_empty() {
        return Ok(());
    }
    cx.diff(Diff { prepared: Some(plan_text(&plan)), ..Diff::default() });
    let summary = summary(what, &plan);
    let outcome = cx.change(summary, |host| {
        host.wait_for_package_lock(args.lock_timeout, |text| tell(cx, Stream::Stderr, text))?;
        let _policy = args.policy_rc_d.map(|code| Policy::set(host, code)).transpose()?;
        stream(cx, |tell| host.run(program(false).on_output(tell)))
    })?;
    let output = outcome.unwrap_or(simulation);
    if verb[0].ends_with("upgrade") && output.success() {
        insert(result, "msg", output.out());
    }
    insert(result, "stdout", output.out());
    insert(result, "stderr", output.err());
    if output.success() {
        return Ok(());
    }
    insert(result, "rc", output.rc);
    let words = format!("'{}' failed: {}", command(cx, args, verb, names), output.err());
    let error = explain(&program(false).shown(), &output, nearest).with_registered(words);
    Err(Failure::with_result(error, std::mem::take(result)))
}

/// The command as Ansible has it, which is part of what it registers of a failure.
fn command(cx: &Cx, args: &Args, verb: &[&str], names: &[String]) -> String {
    let flag = |given: bool, word: &'static str| if given { word } else { "" };
    let names = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" ");
    if matches!(verb[0], "remove" | "autoremove") {
        return format!("apt-get {} {names}", verb[0]).trim_end().to_owned();
    }
    let autoremove = flag(args.autoremove, "--auto-remove");
    if verb[0].ends_with("upgrade") {
        return format!("/usr/bin/apt-get {} {autoremove}", verb.join(" "));
    }
    let mut text = "/usr/bin/apt-get -y".to_owned();
    for option in args.dpkg_options.split(',') {
        text.push_str(&format!(" -o \"Dpkg::Options::=--{option}\""));
    }
    let install = verb[0] == "install";
    let mut words = vec![format!("-o DPkg::Lock::Timeout={}", args.lock_timeout)];
    words.push(flag(args.only_upgrade, "--only-upgrade").to_owned());
    words.push(flag(args.state == State::Fixed, "--fix-broken").to_owned());
    words.push(flag(args.force, "--force-yes").to_owned());
    words.extend(install.then(|| autoremove.to_owned()));
    words.push(flag(args.fail_on_autoremove, "--no-remove").to_owned());
    words.push(flag(cx.check_mode(), "--simulate").to_owned());
    text.push_str(&format!(" {} {} {names}", words.join(" "), verb[0]));
    if let Some(release) = &args.default_release {
        text.push_str(&format!(" -t '{release}'"));
    }
    if let Some(recommends) = args.install_recommends {
        text.push_str(&format!(" -o APT::Install-Recommends={}", if recommends { "yes" } else { "no" }));
    }
    let allowed = [
        (args.allow_unauthenticated, " --allow-unauthenticated"),
        (args.allow_downgrade, " --allow-downgrades"),
        (args.allow_change_held_packages, " --allow-change-held-packages"),
    ];
    allowed.iter().for_each(|(given, word)| text.push_str(flag(*given, word)));
    text
}

/// The first names, and how many more there are.
pub(super) fn shortened(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = names.len().saturating_sub(5);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn summary(what: &str, plan: &Plan) -> String {
    match (plan.install.is_empty(), plan.remove.is_empty()) {
        (false, true) => format!("install {}", shortened(&plan.install)),
        (true, false) => format!("remove {}", shortened(&plan.remove)),
        (false, false) => format!("install {}, remove {}", shortened(&plan.install), shortened(&plan.remove)),
        (true, true) => what.to_owned(),
    }
}

fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    for (sign, names) in [('-', &plan.remove), ('+', &plan.install)] {
        for name in names {
            text.push_str(&format!("{sign} {name}\n"));
        }
    }
    for name in &plan.configure {
        text.push_str(&format!("  set up {name}\n"));
    }
    text
}

/// `policy-rc.d` for the time of an installation; what was there comes back.
struct Policy<'a> {
    host: &'a crate::system::Mutate,
    before: Option<Vec<u8>>,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl<'a> Policy<'a> {
    fn set(host: &'a crate::system::Mutate, code: i64) -> Result<Self> {
        let path = std::path::Path::new(POLICY);
        let before = if host.probe().exists(path) { Some(host.probe().read(path)?) } else { None };
        let text = format!("#!/bin/sh\nexit {code}\n");
        let options = WriteOptions { mode: Some(0o755), ..WriteOptions::default() };
        host.write(path, Content::Bytes(text.as_bytes()), options)?;
        Ok(Self { host, before })
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let path = std::path::Path::new(POLICY);
        // The installation's own outcome is what is reported.
        let _ = match &self.before {
            Some(bytes) => self.host.write(path, Content::Bytes(bytes), WriteOptions::default()),
            None => self.host.remove_file(path),
        };
    }
}

fn packages(cx: &Cx, args: &Args, names: &[String], result: &mut Map) -> Result<(), Failure> {
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| name == "*") && args.state == State::Latest {
        return perform(cx, args, &["upgrade", "--with-new-pkgs"], &[], "upgrade packages", result);
    }
    match args.state {
        State::BuildDep => perform(cx, args, &["build-dep"], &names, "install what builds need", result),
        State::Absent => {
            let mut gone = Vec::new();
            for name in &names {
                let request = Request::parse(name);
                if request.name.contains(['*', '?', '[']) {
                    gone.extend(cx.probe().packages_matching(&request.name, false)?);
                    continue;
                }
                let found = cx.probe().package_installed(&request.name)?;
                if found.is_some_and(|found| found.complete || args.purge) {
                    gone.push(request.name);
                }
            }
            if gone.is_empty() { Ok(()) } else { perform(cx, args, &["remove"], &gone, "remove packages", result) }
        }
        State::Present | State::Latest | State::Fixed => {
            let wanted = resolve(cx, args, &names, result)?;
            if wanted.is_empty() && args.state != State::Fixed {
                return Ok(());
            }
            perform(cx, args, &["install"], &wanted, "set up packages", result)
        }
    }
}

fn tidy(cx: &Cx, args: &Args, verb: &str, result: &mut Map) -> Result<(), Failure> {
    let simulation = cx.probe().run(apt(&["apt-get", "-s", verb]))?;
    let full = std::fs::read_dir("/var/cache/apt/archives")
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".deb")));
    let needed = if verb == "clean" { full } else { simulation.out().lines().any(|line| line.starts_with("Del ")) };
    if !needed {
        return Ok(());
    }
    let output = cx.change(format!("{verb} the package cache"), |host| {
        host.wait_for_package_lock(args.lock_timeout, |text| tell(cx, Stream::Stderr, text))?;
        host.run_ok(apt(&["apt-get", verb]))
    })?;
    if let Some(output) = output {
        insert(result, "stdout", output.out());
        insert(result, "stderr", output.err());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{get, module};
    use super::*;
    use crate::value::Value;

    fn usable() -> bool {
        let probe = crate::system::Probe::new(Vec::new()).allowing(READS);
        let root = rustix::process::geteuid().is_root();
        let ready = root && probe.which("apt-get").is_some() && probe.package_candidate("sl").ok().flatten().is_some();
        if !ready {
            println!("skipped: needs root, apt and package lists that have `sl`");
        }
        ready
    }

    #[test]
    fn packages_come_and_go() {
        if !usable() {
            return;
        }
        let args = |more: &[(&str, Value)]| {
            let mut map = map! { "name" => "sl" };
            for (key, value) in more {
                insert(&mut map, key, value.clone());
            }
            map
        };
        module("apt", args(&[("state", "absent".into()), ("purge", true.into())])).ok();
        let planned = module("apt", args(&[])).check(true).ok();
        assert!(planned.changed && planned.changes[0].starts_with("install sl "), "{:?}", planned.changes);
        assert!(planned.diffs[0].prepared.as_deref().is_some_and(|text| text.contains("+ sl ")));
        match module("apt", args(&[])).run() {
            Ok(outcome) => {
                assert!(outcome.changed && get(&outcome, "stdout").as_str().is_some_and(|text| text.contains("sl")));
            }
            Err(failure) if failure.diagnostic.message.contains("fetch") => {
                println!("skipped: the package mirror does not answer");
                return;
            }
            Err(failure) => panic!("{failure:#?}"),
        }
        assert!(!module("apt", args(&[])).ok().changed);
        assert!(!module("package", map! { "name" => "sl", "state" => "present" }).ok().changed);
        assert!(!module("apt", args(&[("state", "latest".into())])).ok().changed);
        assert!(!module("apt", map! { "name" => "sl=*" }).ok().changed);
        assert!(module("apt", args(&[("state", "absent".into())])).check(true).ok().changed);
        assert!(module("apt", args(&[("state", "absent".into()), ("purge", true.into())])).ok().changed);
        assert!(!module("apt", args(&[("state", "absent".into()), ("purge", true.into())])).ok().changed);
    }

    #[test]
    fn unknown_packages_get_a_hint() {
        if !usable() {
            return;
        }
        let failure = module("apt", map! { "name" => "docker.i" }).fails();
        assert_eq!(failure.diagnostic.message, "apt could not find the package `docker.i`");
        assert!(failure.diagnostic.hints[0].contains("docker.io"), "{:?}", failure.diagnostic.hints);
        let failure = module("apt", map! { "name" => "sl=99.*" }).fails();
        assert_eq!(failure.diagnostic.code, "H0114");
        assert_eq!(module("apt", map! { "deb" => "/etc/passwd" }).fails().diagnostic.code, "H0107");
        let outcome = module("apt", map! { "name" => "no-such-package-x", "state" => "absent" }).ok();
        assert!(!outcome.changed && outcome.result.is_empty(), "{:?}", outcome.result);
    }
}
