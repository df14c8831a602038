//! `user`: accounts of the host, through the shadow programs.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Failure;
use super::cx::Cx;
use super::group::State;
use super::refusal::{account_tool, refused};
use super::spec::{Meta, Module};
use super::types::HostPath;
use super::user_key;
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::accounts::{self, Account};
use crate::system::fs::shown;
use crate::system::process::{Output, Program};
use crate::value::{Map, insert};

/// Creates, changes and removes accounts.
///
/// ```yaml
/// - user:
///     name: builder
///     groups: [docker]
///     append: true
///     shell: /bin/bash
///     password: "{{ builder_password | password_hash('sha512') }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The login name.
    pub(super) name: String,
    /// Whether it shall be there.
    #[serde(default)]
    state: State,
    /// Its number.
    uid: Option<u32>,
    /// Allow a number that is used already.
    #[serde(default)]
    non_unique: bool,
    /// The primary group, by name or number.
    group: Option<String>,
    /// The other groups; an empty list takes the account out of all.
    groups: Option<Vec<String>>,
    /// Add to the groups that it is in, instead of taking it out of others.
    #[serde(default)]
    append: bool,
    /// The full name or another description.
    comment: Option<String>,
    /// The home folder.
    home: Option<HostPath>,
    /// Create the home folder if it is missing.
    #[serde(default = "yes")]
    create_home: bool,
    /// Move the home folder if `home` differs.
    #[serde(default)]
    move_home: bool,
    /// The folder whose content a new home gets.
    skeleton: Option<String>,
    /// The umask of a new home.
    umask: Option<String>,
    /// The login shell.
    shell: Option<HostPath>,
    /// The hash of the password (`password_hash('sha512')`), or `!` or `*`.
    password: Option<String>,
    /// Set the password always, or only for a new account.
    #[serde(default)]
    update_password: UpdatePassword,
    /// Lock or unlock the password.
    password_lock: Option<bool>,
    /// Days until the password must be changed.
    password_expire_max: Option<i64>,
    /// Days before which it may not be changed again.
    password_expire_min: Option<i64>,
    /// Days of warning before it must be changed.
    password_expire_warn: Option<i64>,
    /// Days after its end until the account is disabled.
    password_expire_account_disable: Option<i64>,
    /// When the account ends, in seconds since 1970; a negative number removes the end.
    expires: Option<f64>,
    /// A system account. Only for new ones.
    #[serde(default)]
    system: bool,
    /// The lowest number to choose.
    uid_min: Option<u32>,
    /// The highest number to choose.
    uid_max: Option<u32>,
    /// The account's SELinux user.
    seuser: Option<String>,
    /// With `state: absent`, remove home and mail too.
    #[serde(default)]
    remove: bool,
    /// Remove even if logged in; with `generate_ssh_key`, replace a key.
    #[serde(default)]
    pub(super) force: bool,
    /// Make an ssh key, unless there is one.
    #[serde(default)]
    generate_ssh_key: bool,
    /// Look at this host's own files only, not at directories of users elsewhere.
    #[serde(default)]
    local: bool,
    /// Its size.
    pub(super) ssh_key_bits: Option<u32>,
    /// Its kind.
    #[serde(default = "rsa")]
    pub(super) ssh_key_type: String,
    /// Its comment.
    pub(super) ssh_key_comment: Option<String>,
    /// Its file, relative to the home folder.
    pub(super) ssh_key_file: Option<HostPath>,
    /// Its passphrase.
    pub(super) ssh_key_passphrase: Option<String>,
}

fn yes() -> bool {
    true
}

fn rsa() -> String {
    "rsa".to_owned()
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum UpdatePassword {
    #[default]
    Always,
    OnCreate,
}

/// The module.
pub struct User;

impl Module for User {
    type Args = Args;
    const META: Meta = Meta {
        name: "user",
        full_name: "ansible.builtin.user",
        also: &["ansible.legacy.user"],
        summary: "Create and remove accounts",
        aliases: &[("name", &["user"]), ("create_home", &["createhome"])],
        refused: &[
            ("authorization", "it is for Solaris"),
            ("profile", "it is for Solaris"),
            ("role", "it is for Solaris"),
            ("hidden", "it is for macOS"),
            ("login_class", "it is for the BSDs"),
        ],
        secret: &["password", "ssh_key_passphrase"],
        reads: &["ssh-keygen -l"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let given =
            [("umask", args.umask.is_some()), ("uid_min", args.uid_min.is_some()), ("uid_max", args.uid_max.is_some())];
        if let Some((name, _)) = given.iter().find(|(_, given)| args.local && *given) {
            return Err(refused("M0006", format!("'{name}' can not be used with 'local'")));
        }
        if args.append && args.groups.is_none() {
            cx.warn("'append' is set, but no 'groups' are specified. Use 'groups' for appending new groups.This will change to an error in Ansible 2.14.");
        }
        if let Some(password) = &args.password
            && !looks_hashed(password)
        {
            cx.warn("The input password appears not to have been hashed. The 'password' argument must be encrypted for this module to work properly.");
        }
        let mut result = map! { "name" => args.name.clone(), "state" => args.state.name() };
        let present = if args.local {
            accounts::local_accounts().into_iter().find(|account| account.name == args.name)
        } else {
            accounts::account(&args.name)
        };
        let said = match (args.state, &present) {
            (State::Absent, None) => Vec::new(),
            (State::Absent, Some(_)) => {
                let said = remove(cx, &args)?;
                insert(&mut result, "force", args.force);
                insert(&mut result, "remove", args.remove);
                said
            }
            (State::Present, None) => {
                let said = create(cx, &args)?;
                insert(&mut result, "system", args.system);
                insert(&mut result, "create_home", args.create_home);
                said
            }
            (State::Present, Some(account)) => {
                let said = modify(cx, &args, account)?;
                insert(&mut result, "append", args.append);
                insert(&mut result, "move_home", args.move_home);
                said
            }
        };
        if args.state == State::Present && args.password.is_some() {
            insert(&mut result, "password", "NOT_LOGGING_PASSWORD");
        }
        let text = |pick: fn(&Output) -> String| said.iter().map(pick).collect::<String>();
        for (key, text) in [("stdout", text(Output::out)), ("stderr", text(Output::err))] {
            if !text.is_empty() {
                insert(&mut result, key, text);
            }
        }
        if args.state == State::Present
            && let Some(account) = accounts::account(&args.name)
        {
            after(cx, &args, &account, &mut result)?;
        }
        Ok(result)
    }
}

/// A plausible crypt hash, or one of the texts that disable a password.
fn looks_hashed(password: &str) -> bool {
    if matches!(password, "*" | "!" | "*************") {
        return true;
    }
    let fields: Vec<&str> = password.split('$').collect();
    let Some(last) = fields.last() else { return false };
    let alphabet = |c: char| c.is_ascii_alphanumeric() || "./=".contains(c);
    if password.contains([':', '*', '!']) || fields.len() < 3 || !last.chars().all(alphabet) {
        return false;
    }
    match fields[1] {
        "1" => last.len() == 22,
        "5" | "y" => last.len() == 43,
        "6" => last.len() == 86,
        _ => true,
    }
}

fn group_number(group: &str) -> Result<accounts::AccountGroup> {
    let by_number = group.parse().ok().and_then(accounts::group_of_gid);
    by_number.or_else(|| accounts::group(group)).ok_or_else(|| {
        Diagnostic::task("H0108", format!("group {group} does not exist"))
            .with_registered(format!("Group {group} does not exist"))
            .with_hint("create it before with the `group` module")
    })
}

/// Names of the wanted groups; each must exist.
fn group_names(groups: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for group in groups.iter().map(|group| group.trim()).filter(|group| !group.is_empty()) {
        let name = group_number(group)?.name;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn expiry_date(seconds: f64) -> Result<String> {
    if seconds < 0.0 {
        return Ok(String::new());
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds; out of range is an error below")]
    let at = jiff::Timestamp::from_second(seconds.floor() as i64);
    at.map(|at| at.strftime("%Y-%m-%d").to_string())
        .map_err(|error| Diagnostic::task("H0110", format!("`expires` is no point in time: {error}")))
}

/// The hash goes through standard input: a command line can be read by everybody on the host.
fn set_password(cx: &Cx, name: &str, hash: &str) -> Result<Option<Output>, Failure> {
    let program = Program::new(["chpasswd", "-e"]).stdin(format!("{name}:{hash}\n")).parsable();
    account_tool(cx, name, format!("password of {name}"), program, true)
}

fn locked(args: &Args, password: &str) -> String {
    if args.password_lock == Some(true) { format!("!{password}") } else { password.to_owned() }
}

fn remove(cx: &Cx, args: &Args) -> Result<Vec<Output>, Failure> {
    let mut program = Program::new(["userdel"]);
    if args.force {
        program = program.arg("-f");
    }
    if args.remove {
        program = program.arg("-r");
    }
    let program = program.arg("--").arg(&args.name).parsable();
    let said = account_tool(cx, &args.name, format!("remove user {}", args.name), program, true)?;
    Ok(said.into_iter().collect())
}

fn create(cx: &Cx, args: &Args) -> Result<Vec<Output>, Failure> {
    let mut words: Vec<String> = vec!["useradd".into()];
    let mut add = |flag: &str, value: Option<String>| {
        words.push(flag.to_owned());
        words.extend(value);
    };
    if let Some(uid) = args.uid {
        add("-u", Some(uid.to_string()));
        if args.non_unique {
            add("-o", None);
        }
    }
    if let Some(seuser) = &args.seuser {
        add("-Z", Some(seuser.clone()));
    }
    match &args.group {
        // In check mode the group may be one that an earlier task would have made.
        Some(_) if cx.check_mode() => {}
        Some(group) => add("-g", Some(group_number(group)?.name)),
        None if accounts::group(&args.name).is_some() => add("-N", None),
        None => {}
    }
    if let Some(groups) = args.groups.as_ref().filter(|_| !cx.check_mode()) {
        let names = group_names(groups)?;
        if !names.is_empty() {
            add("-G", Some(names.join(",")));
        }
    }
    if let Some(comment) = &args.comment {
        add("-c", Some(comment.clone()));
    }
    let home = args.home.as_ref().map(|home| home.expand(cx.environment()));
    if let Some(home) = &home {
        add("-d", Some(shown(home)));
    }
    if let Some(shell) = &args.shell {
        add("-s", Some(shown(&shell.expand(cx.environment()))));
    }
    if let Some(expires) = args.expires {
        add("-e", Some(expiry_date(expires)?));
    }
    if let Some(days) = args.password_expire_account_disable {
        add("-f", Some(days.to_string()));
    }
    if args.create_home {
        add("-m", None);
        if let Some(skeleton) = &args.skeleton {
            add("-k", Some(skeleton.clone()));
        }
        if let Some(umask) = &args.umask {
            add("-K", Some(format!("UMASK={umask}")));
        }
    } else {
        add("-M", None);
    }
    if args.system {
        add("-r", None);
    }
    for (key, value) in [("UID_MIN", args.uid_min), ("UID_MAX", args.uid_max)] {
        if let Some(value) = value {
            add("-K", Some(format!("{key}={value}")));
        }
    }
    add("--", Some(args.name.clone()));
    if let Some(parent) = home.as_deref().and_then(Path::parent).filter(|_| args.create_home) {
        cx.scratch(|host| host.create_dirs(parent))?;
    }
    let program = Program::new(words).parsable();
    let made = account_tool(cx, &args.name, format!("create user {}", args.name), program, true)?;
    let mut said: Vec<Output> = made.into_iter().collect();
    if let Some(password) = &args.password {
        said.extend(set_password(cx, &args.name, &locked(args, password))?);
    }
    Ok(said)
}

/// A line of the shadow file.
struct Shadow {
    password: String,
    fields: Vec<Option<i64>>,
}

fn shadow(cx: &Cx, name: &str) -> Option<Shadow> {
    let text = cx.probe().text("/etc/shadow")?;
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    let numbers = fields.iter().skip(2).map(|field| field.parse().ok()).collect();
    Some(Shadow { password: fields.get(1).unwrap_or(&"").to_string(), fields: numbers })
}

fn modify(cx: &Cx, args: &Args, account: &Account) -> Result<Vec<Output>, Failure> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |flag: &str, value: Option<String>| {
        words.push(flag.to_owned());
        words.extend(value);
    };
    if let Some(uid) = args.uid.filter(|uid| *uid != account.uid) {
        add("-u", Some(uid.to_string()));
        if args.non_unique {
            add("-o", None);
        }
    }
    if let Some(group) = &args.group {
        let group = group_number(group)?;
        if group.gid != account.gid {
            add("-g", Some(group.gid.to_string()));
        }
    }
    if let Some(groups) = &args.groups {
        let wanted = group_names(groups)?;
        let current: Vec<String> = accounts::local_groups()
            .into_iter()
            .filter(|group| group.members.contains(&args.name))
            .map(|group| group.name)
            .collect();
        let missing = wanted.iter().any(|name| !current.contains(name));
        let surplus = current.iter().any(|name| !wanted.contains(name));
        if args.append && missing {
            add("-a", None);
            add("-G", Some(wanted.join(",")));
        } else if !args.append && (missing || surplus) {
            add("-G", Some(wanted.join(",")));
        }
    }
    if let Some(comment) = args.comment.as_ref().filter(|comment| **comment != account.gecos) {
        add("-c", Some(comment.clone()));
    }
    let home = args.home.as_ref().map(|home| shown(&home.expand(cx.environment())));
    if let Some(home) = home.filter(|home| *home != account.home) {
        add("-d", Some(home));
        if args.move_home {
            add("-m", None);
        }
    }
    let shell = args.shell.as_ref().map(|shell| shown(&shell.expand(cx.environment())));
    if let Some(shell) = shell.filter(|shell| *shell != account.shell) {
        add("-s", Some(shell));
    }
    let shadow = shadow(cx, &args.name);
    if let Some(expires) = args.expires {
        let current = shadow.as_ref().and_then(|shadow| shadow.fields.get(5).copied().flatten());
        #[expect(clippy::cast_possible_truncation, reason = "days since 1970")]
        let wanted = (expires >= 0.0).then(|| (expires / 86400.0).floor() as i64);
        // Without a line in the shadow file there is none to compare with: `usermod` writes one.
        if current != wanted || shadow.is_none() {
            add("-e", Some(expiry_date(expires)?));
        }
    }
    if let Some(days) = args.password_expire_account_disable {
        let current = shadow.as_ref().and_then(|shadow| shadow.fields.get(4).copied().flatten());
        if current != Some(days).filter(|days| *days >= 0) {
            add("-f", Some(days.to_string()));
        }
    }
    let present = shadow.map(|shadow| shadow.password).unwrap_or_default();
    let new_password = args.password.as_ref().filter(|password| {
        args.update_password == UpdatePassword::Always
            && present.trim_start_matches('!') != password.trim_start_matches('!')
    });
    if new_password.is_none() {
        match args.password_lock {
            Some(true) if !present.starts_with('!') => add("-L", None),
            Some(false) if present.starts_with('!') => add("-U", None),
            _ => {}
        }
    }
    let mut said = Vec::new();
    if !words.is_empty() {
        let what = format!("user {}: usermod {}", args.name, words.join(" "));
        let program = Program::new(["usermod".to_owned()].into_iter().chain(words)).arg("--").arg(&args.name);
        said.extend(account_tool(cx, &args.name, what, program.parsable(), true)?);
    }
    if let Some(password) = new_password {
        said.extend(set_password(cx, &args.name, &locked(args, password))?);
    }
    Ok(said)
}

/// Home folder, ssh key and password ages: for accounts that are there.
fn after(cx: &Cx, args: &Args, account: &Account, result: &mut Map) -> Result<(), Failure> {
    insert(result, "uid", account.uid);
    insert(result, "group", account.gid);
    insert(result, "comment", account.gecos.clone());
    insert(result, "home", account.home.clone());
    insert(result, "shell", account.shell.clone());
    if let Some(groups) = &args.groups {
        insert(result, "groups", groups.join(","));
    }
    let home =
        args.home.as_ref().map_or_else(|| Path::new(&account.home).to_path_buf(), |home| home.expand(cx.environment()));
    if args.create_home && !cx.probe().exists(&home) {
        create_home(cx, args, account, &home)?;
    }
    if args.generate_ssh_key {
        user_key::generate(cx, args, account, result)?;
    }
    let shadow = shadow(cx, &args.name);
    let age = |at: usize| shadow.as_ref().and_then(|shadow| shadow.fields.get(at).copied().flatten());
    let ages = [
        ("-m", args.password_expire_min, age(1)),
        ("-M", args.password_expire_max, age(2)),
        ("-W", args.password_expire_warn, age(3)),
    ];
    let mut words: Vec<String> = Vec::new();
    for (flag, wanted, current) in ages {
        if let Some(days) = wanted.filter(|days| current != Some(*days)) {
            words.extend([flag.to_owned(), days.to_string()]);
        }
    }
    if !words.is_empty() {
        let program = Program::new(["chage".to_owned()].into_iter().chain(words)).arg(&args.name).parsable();
        cx.change(format!("password ages of {}", args.name), |host| host.run_ok(program))?;
    }
    Ok(())
}

fn create_home(cx: &Cx, args: &Args, account: &Account, home: &Path) -> Result<()> {
    let skeleton = args.skeleton.clone().unwrap_or_else(|| "/etc/skel".to_owned());
    let umask = args.umask.as_deref().and_then(|text| u32::from_str_radix(text, 8).ok()).unwrap_or(0o022);
    cx.change(format!("create home {}", shown(home)), |host| {
        if let Some(parent) = home.parent() {
            host.create_dirs(parent)?;
        }
        if cx.probe().is_dir(Path::new(&skeleton)) {
            host.run_ok(Program::new(["cp", "-a", "--", skeleton.as_str()]).arg(home).parsable())?;
        } else {
            host.create_dir(home)?;
        }
        host.run_ok(
            Program::new(["chown", "-R", "--no-dereference"]).arg(format!("{}:{}", account.uid, account.gid)).arg(home),
        )?;
        host.chmod(home, 0o777 & !umask)
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;
    use crate::value::Value;

    const HASH: &str =
        "$6$abcdefgh$X2J0zxHkQYlNMGW1i1bTCYXkAVMmY1o0cUxGdXoR5hBgHdHgOb7bLmKzOrzm5Nm1BqfD0bA1e3JZ0iHkDbRkN/";

    struct Cleanup(String);
    impl Drop for Cleanup {
        fn drop(&mut self) {
            let _ = std::process::Command::new("userdel").args(["-rf", &self.0]).output();
        }
    }

    #[test]
    fn accounts_come_change_and_go() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: creating users needs root");
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let name = format!("hct_u.{}-x", std::process::id());
        let _cleanup = Cleanup(name.clone());
        let home = shown(&folder.path().join("deep/home"));
        let args = |more: &[(&str, Value)]| {
            let mut map = map! { "name" => name.clone(), "home" => home.clone() };
            for (key, value) in more {
                insert(&mut map, key, value.clone());
            }
            map
        };
        assert!(module("user", args(&[])).check(true).ok().changed);
        assert!(accounts::account(&name).is_none());
        let first = [("comment", Value::from("A, B")), ("password", HASH.into()), ("groups", "daemon,adm".into())];
        let outcome = module("user", args(&first)).ok();
        assert!(outcome.changed);
        assert_eq!((get(&outcome, "comment"), get(&outcome, "home")), (json!("A, B"), json!(home.clone())));
        assert_eq!(get(&outcome, "password"), json!("NOT_LOGGING_PASSWORD"));
        assert!(!outcome.changes.iter().any(|change| change.contains("$6$")), "{:?}", outcome.changes);
        assert!(Path::new(&home).is_dir());
        let again = module("user", args(&first)).ok();
        assert!(!again.changed, "{:?}", again.changes);
        let groups = |name: &str| -> Vec<String> {
            accounts::local_groups()
                .into_iter()
                .filter(|g| g.members.iter().any(|m| m == name))
                .map(|g| g.name)
                .collect()
        };
        module("user", args(&[("groups", "mail".into()), ("append", true.into())])).ok();
        assert_eq!(groups(&name).len(), 3);
        module("user", args(&[("groups", Value::from(Vec::new()))])).ok();
        assert!(groups(&name).is_empty());
        let more = [
            ("shell", Value::from("/bin/sh")),
            ("expires", 1_893_456_000.into()),
            ("password_lock", true.into()),
            ("password_expire_max", 30.into()),
        ];
        assert!(module("user", args(&more)).ok().changed);
        let again = module("user", args(&more)).ok();
        assert!(!again.changed, "{:?}", again.changes);
        let outcome =
            module("user", args(&[("generate_ssh_key", true.into()), ("ssh_key_type", "ed25519".into())])).ok();
        if std::process::Command::new("ssh-keygen").arg("-?").output().is_ok() {
            assert!(get(&outcome, "ssh_public_key").as_str().is_some_and(|key| key.starts_with("ssh-ed25519 ")));
            let ids = |name: &str| {
                let found = std::fs::metadata(Path::new(&home).join(name)).expect("made");
                (found.uid(), found.mode() & 0o7777)
            };
            let uid = ids("").0;
            assert_eq!(ids(".ssh"), (uid, 0o700));
            assert_eq!((ids(".ssh/id_ed25519"), ids(".ssh/id_ed25519.pub")), ((uid, 0o600), (uid, 0o644)));
            // The account puts a link to a folder of root's in its place.
            std::fs::create_dir(folder.path().join("roots")).expect("folder");
            std::fs::rename(Path::new(&home).join(".ssh"), Path::new(&home).join("old")).expect("rename");
            std::os::unix::fs::symlink(folder.path().join("roots"), Path::new(&home).join(".ssh")).expect("link");
            let key = [("generate_ssh_key", true.into()), ("ssh_key_type", "ed25519".into())];
            let failure = module("user", args(&key)).fails();
            assert!(failure.diagnostic.message.contains("does not belong to"), "{failure:?}");
            assert_eq!(std::fs::read_dir(folder.path().join("roots")).expect("list").count(), 0);
        }
        let gone = map! { "name" => name.clone(), "state" => "absent", "remove" => true };
        assert!(module("user", gone.clone()).ok().changed);
        assert!(!module("user", gone).ok().changed && !Path::new(&home).exists());
        assert_eq!(
            module("user", map! { "name" => name, "groups" => "no-such-group" }).fails().diagnostic.code,
            "H0108"
        );
    }

    #[test]
    fn plain_passwords_are_noticed() {
        assert!(looks_hashed("!") && looks_hashed(HASH));
        assert!(!looks_hashed("secret") && !looks_hashed("$6$x$short"));
    }
}
