//! How a host is reached: connection and become settings from variables, keywords and options.

use std::sync::Arc;

use indexmap::IndexMap;

use super::conditions::{flag_of, of_keyword, whole};
use super::interp::HostRun;
use super::play::PlayRun;
use super::target::{Become, TargetSpec};
use crate::diag::{Diagnostic, Kind, Result, Span};
use crate::modules::RunsOn;
use crate::playbook::Task;
use crate::value::{Value, boolean, boolean_word, python_repr, python_str};
use crate::vars::{Entry, Layer, Level, Origin, Scope};
use crate::yaml::Node;

impl HostRun {
    /// The host that a task is delegated to, as people are told; with its address where that differs.
    pub(super) fn delegate_label(&self, task: &Task, scope: &Scope) -> Option<String> {
        super::conditions::keyword(task, "delegate_to")?;
        // What is warned of is part of the result.
        let (host, _) = super::heard::hearing_now(|| task_delegate(self, task, scope));
        let host = host.ok().flatten().filter(|host| *host != self.host)?;
        let vars = self.play.host_scope(&host);
        let address = ["ansible_ssh_host", "ansible_host"]
            .iter()
            .find_map(|name| self.play.engine.templates.variable(name, &vars).ok().flatten())
            .map(|value| python_str(&value))
            .filter(|address| **address != *host);
        Some(address.map_or_else(|| host.to_string(), |address| format!("{host}({address})")))
    }

    /// What a task sees of how its host is reached where keywords, options and settings say it and no variable does:
    /// user, password and key, under their general names and ssh's. As with Ansible neither `vars` nor `hostvars`
    /// has them.
    pub(super) fn with_login(&self, task: &Task, scope: Scope) -> Scope {
        let option = |name: &str| self.play.engine.options.defaults.get(name).cloned();
        // A user that cannot be told is what connecting tells.
        let user = || {
            let (keyword, _) = super::heard::hearing_now(|| self.keyword_value(task, "remote_user", &scope));
            keyword.ok().flatten().or_else(|| option("remote_user"))
        };
        let mut found: IndexMap<Arc<str>, Entry> = IndexMap::new();
        let mut see = |names: [&str; 2], value: &dyn Fn() -> Option<Value>| match names.map(|name| scope.get(name)) {
            [None, None] => {
                if let Some(value) = value() {
                    found.extend(names.map(|name| (name.into(), Entry::Data(value.clone(), None))));
                }
            }
            [Some(_), Some(_)] => {}
            // One of the two names is the other.
            [own, _] => {
                let (known, other) = if own.is_some() { (names[0], names[1]) } else { (names[1], names[0]) };
                let node = Node::text(format!("{{{{ {known} }}}}"), task.label_span);
                found.insert(other.into(), Entry::Lazy(node));
            }
        };
        see(["ansible_user", "ansible_ssh_user"], &user);
        see(["ansible_password", "ansible_ssh_pass"], &|| option("password"));
        see(["ansible_private_key_file", "ansible_ssh_private_key_file"], &|| option("private_key_file"));
        if found.is_empty() {
            return scope;
        }
        let origin = Origin { level: Level::Builtin, name: "hostctl".into() };
        scope.with(Layer { origin, entries: Arc::new(found) }.task_only())
    }

    /// The target of a task: its host, or the one it is delegated to.
    pub(super) fn target_spec(&self, task: &Task, scope: &Scope, runs_on: RunsOn) -> Result<TargetSpec> {
        if runs_on == RunsOn::Controller {
            return Ok(TargetSpec {
                host: PlayRun::controller(),
                connection: "local".to_owned(),
                address: "localhost".to_owned(),
                ..TargetSpec::default()
            });
        }
        let known = super::scope::delegate_of(scope);
        let delegate = match known.map_or_else(|| task_delegate(self, task, scope), |host| Ok(Some(host)))? {
            Some(host) => host,
            None => Arc::clone(&self.host),
        };
        // A delegated task connects with the variables of the host it goes to.
        let own;
        let vars = if delegate == self.host {
            scope
        } else {
            own = self.play.host_scope(&delegate);
            &own
        };
        let settings = Settings { run: self, task, scope, vars };
        let connection = settings.connection(&delegate)?;
        // Of the general name and ssh's own the latter counts, as in Ansible.
        let address = settings.get(&["ansible_ssh_host", "ansible_host"])?.unwrap_or_else(|| delegate.to_string());
        let port = settings.port()?;
        let ssh_args = settings.ssh_args()?;
        let password =
            settings.password(&["ansible_ssh_password", "ansible_ssh_pass", "ansible_password"], "password")?;
        let checking = settings.get(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"])?;
        let r#become = if settings.becomes()? { Some(settings.r#become()?) } else { None };
        Ok(TargetSpec {
            host: delegate,
            folder: (connection == "local").then(|| self.play.playbook_dir()),
            connection,
            address,
            port,
            user: settings.setting(&["ansible_ssh_user", "ansible_user"], "remote_user")?,
            key_file: settings
                .get(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?
                .or_else(|| settings.option("private_key_file").map(python_str)),
            ssh_args,
            host_key: settings.get(&["hostctl_host_key"])?,
            host_key_checking: checking
                .and_then(|text| boolean_word(&text))
                .or_else(|| settings.option("host_key_checking").and_then(boolean)),
            password,
            timeout: match settings.get(&TIMEOUTS)? {
                Some(text) => Some(seconds(&text, settings.place(&TIMEOUTS))?),
                None => settings.option("timeout").and_then(|text| python_str(text).parse().ok()),
            },
            retries: match settings.get(&["ansible_ssh_retries"])? {
                Some(text) => text.trim().parse().ok(),
                None => settings.option("ssh_retries").and_then(|text| python_str(text).parse().ok()),
            }
            .unwrap_or(0),
            r#become,
        })
    }
}

/// Where the settings of a task's connection come from.
struct Settings<'a> {
    run: &'a HostRun,
    task: &'a Task,
    /// What keywords are rendered with.
    scope: &'a Scope,
    /// The variables of the host that is connected to.
    vars: &'a Scope,
}

impl Settings<'_> {
    /// The first of some variables that is set.
    fn get(&self, names: &[&str]) -> Result<Option<String>> {
        // What only tells of the others comes last, so that errors name what somebody wrote.
        let of = |told: bool| {
            let level = move |name: &&&str| self.vars.get(name).map(|(_, origin)| origin.level == Level::Builtin);
            names.iter().filter(move |name| level(name) == Some(told))
        };
        for name in of(false).chain(of(true)) {
            if let Some(value) = self.run.play.engine.templates.variable(name, self.vars)?
                && value != Value::Null
            {
                return Ok(Some(python_str(&value)));
            }
        }
        Ok(None)
    }

    /// Where the first of them that there is was written.
    fn place(&self, names: &[&str]) -> Option<Span> {
        let entry = names.iter().find_map(|name| self.vars.get(name));
        entry.and_then(|(entry, _)| entry.span())
    }

    /// What the command line or a setting says.
    fn option(&self, name: &str) -> Option<&Value> {
        self.run.play.engine.options.defaults.get(name)
    }

    /// A variable before the keyword before the option of the same name.
    fn setting(&self, names: &[&str], keyword: &str) -> Result<Option<String>> {
        if let Some(value) = self.get(names)? {
            return Ok(Some(value));
        }
        if let Some(value) = self.run.keyword_value(self.task, keyword, self.scope)? {
            return Ok(Some(python_str(&value)));
        }
        Ok(self.option(keyword).map(python_str))
    }

    /// A password, which the redactor learns.
    fn password(&self, names: &[&str], option: &str) -> Result<Option<String>> {
        let password = self.get(names)?.or_else(|| self.option(option).map(python_str));
        if let Some(password) = &password {
            self.run.play.engine.redactor.learn(password);
        }
        Ok(password)
    }

    /// `ssh` or `local`.
    fn connection(&self, host: &Arc<str>) -> Result<String> {
        let implicit_local =
            self.run.play.record(host).is_none() && matches!(&**host, "localhost" | "127.0.0.1" | "::1");
        // What a keyword says must hold before anything is reached, also where a variable outranks it.
        self.run.keyword_value(self.task, "remote_user", self.scope)?;
        let given = match self.get(&["ansible_connection"])? {
            // That it is this machine is a variable of the implicit host with Ansible: it outranks the keyword.
            None if implicit_local && *host != self.run.host => Some("local".to_owned()),
            None => self.setting(&[], "connection")?,
            given => given,
        };
        let connection = match given {
            Some(name) if name == "smart" => "ssh".to_owned(),
            Some(name) => name.rsplit('.').next().unwrap_or_default().to_owned(),
            None if implicit_local => "local".to_owned(),
            None => "ssh".to_owned(),
        };
        match connection.as_str() {
            "local" => {}
            "ssh" => self.warn_of_program()?,
            "paramiko" | "paramiko_ssh" => {
                let warning =
                    Diagnostic::local("S0118", "`paramiko` is Python's ssh: the ssh program is used in its place")
                        .with_hint("ansible_connection: ssh");
                self.run.play.engine.warn_once(None, warning);
                return Ok("ssh".to_owned());
            }
            _ => {
                let what = format!("there is no connection `{connection}`");
                return Err(Diagnostic::new("S0115", Kind::Unreachable, what).with_hint("`ssh` or `local`"));
            }
        }
        Ok(connection)
    }

    /// Tells that another ssh program is not run.
    fn warn_of_program(&self) -> Result<()> {
        const NAME: &str = "ansible_ssh_executable";
        if self.get(&[NAME])?.is_some_and(|program| !matches!(&*program, "ssh" | "/usr/bin/ssh" | "/bin/ssh")) {
            let text = format!("`{NAME}` is read, but not supported: it changes nothing");
            let warning = Diagnostic::source("C0112", text)
                .with_label_opt(self.place(&[NAME]), "another program")
                .with_hint("hostctl runs the `ssh` that it finds in PATH");
            self.run.play.engine.warn_once(None, warning);
        }
        Ok(())
    }

    fn port(&self) -> Result<Option<u16>> {
        let Some(text) = self.setting(&["ansible_ssh_port", "ansible_port"], "port")? else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            let said = python_repr(&Value::from(text.as_str()));
            Diagnostic::new("S0117", Kind::Task, format!("`{text}` is no port number"))
                .with_registered(format!(
                    "Task failed: Error processing keyword 'port': The value {said} could not be converted to 'int'."
                ))
                .with_hint("ansible_port: 22")
        })
    }

    /// Words for the ssh program, those of variables first.
    fn ssh_args(&self) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            if let Some(text) = self.get(&[name])? {
                words.extend(split_shell(&text));
            }
        }
        for option in ["ssh_common_args", "ssh_extra_args"] {
            words.extend(self.option(option).map(|text| split_shell(&python_str(text))).unwrap_or_default());
        }
        Ok(words)
    }

    /// Whether another user does the work.
    fn becomes(&self) -> Result<bool> {
        const NAME: &str = "ansible_become";
        let written = self.get(&[NAME]).map_err(|error| error.within("Error processing keyword 'become': "))?;
        if let Some(text) = written {
            return flag_of(NAME, &Value::from(text), self.place(&[NAME]))
                .map_err(|error| as_task(of_keyword("become", error)));
        }
        let keyword = self.run.keyword_flag(self.task, "become", self.scope)?;
        Ok(keyword.or_else(|| self.option("become").and_then(boolean)) == Some(true))
    }

    /// Which user, and how.
    fn r#become(&self) -> Result<Become> {
        let method = self.setting(&["ansible_become_method"], "become_method")?;
        let named = method.unwrap_or_else(|| "sudo".to_owned());
        let method = named.rsplit('.').next().unwrap_or_default().to_owned();
        // The method's own names go before the general ones.
        let own = |what: &str| format!("ansible_{method}_{what}");
        let (own_pass, own_user, own_flags, own_exe) = (own("pass"), own("user"), own("flags"), own("exe"));
        let password =
            self.password(&[&own_pass, "ansible_become_pass", "ansible_become_password"], "become_password")?;
        if !matches!(method.as_str(), "sudo" | "su") {
            let what = format!("there is no become method `{method}`");
            let words = format!(
                "Task failed: Invalid become method specified, could not find matching plugin: '{named}'. Use `ansible-doc -t become -l` to list available plugins."
            );
            return Err(Diagnostic::new("S0307", Kind::Task, what).with_registered(words).with_hint("`sudo` or `su`"));
        }
        Ok(Become {
            user: self
                .setting(&[&own_user, "ansible_become_user"], "become_user")?
                .filter(|user| !user.is_empty())
                .unwrap_or_else(|| "root".to_owned()),
            password,
            flags: self
                .setting(&[&own_flags, "ansible_become_flags"], "become_flags")?
                .map(|text| split_shell(&text))
                .unwrap_or_default(),
            exe: self.setting(&[&own_exe, "ansible_become_exe"], "become_exe")?.filter(|exe| !exe.is_empty()),
            same_user: self.option("become_allow_same_user").is_some_and(Value::truthy),
            chdir: if method == "sudo" { self.sudo_chdir()? } else { None },
            prompts: self.su_prompts()?,
            method,
        })
    }

    /// The folder that sudo goes to.
    fn sudo_chdir(&self) -> Result<Option<String>> {
        let folder = match self.get(&["ansible_sudo_chdir"])? {
            Some(folder) => Some(folder),
            None => {
                let set = self.run.play.engine.templates.host().setting(Some(("become", "sudo")), "sudo_chdir")?;
                set.filter(|set| set.value != Value::Null).map(|set| python_str(&set.value))
            }
        };
        Ok(folder.filter(|folder| !folder.is_empty()))
    }

    /// What su may ask for a password with, in other languages.
    fn su_prompts(&self) -> Result<Vec<String>> {
        const NAME: &str = "ansible_su_prompt_l10n";
        if self.vars.get(NAME).is_none() {
            return Ok(Vec::new());
        }
        Ok(match self.run.play.engine.templates.variable(NAME, self.vars)? {
            Some(Value::List(words)) => words.iter().map(python_str).collect(),
            Some(word) if word != Value::Null => {
                python_str(&word).split(',').map(|word| word.trim().to_owned()).collect()
            }
            _ => Vec::new(),
        })
    }
}

/// The variables that say how long a connection may take to come about, by rank.
const TIMEOUTS: [&str; 2] = ["ansible_timeout", "ansible_ssh_timeout"];

/// A mistake in a variable of the connection fails the task.
fn as_task(mut error: Diagnostic) -> Diagnostic {
    error.kind = Kind::Task;
    error
}

/// How long a connection may take to come about.
fn seconds(text: &str, place: Option<Span>) -> Result<u64> {
    let value = Value::from(text);
    whole(&value).and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(|| {
        let said = format!("The value {} could not be converted to 'int'.", python_repr(&value));
        let wrong = Diagnostic::new("P0111", Kind::Task, format!("`ansible_timeout` must be a number, found `{text}`"))
            .with_registered(said)
            .with_label_opt(place, "not a number")
            .with_hint("ansible_timeout: 30");
        of_keyword("timeout", wrong)
    })
}

/// The host that a task is delegated to.
fn task_delegate(run: &HostRun, task: &Task, scope: &Scope) -> Result<Option<Arc<str>>> {
    Ok(run.keyword_value(task, "delegate_to", scope)?.map(|value| Arc::from(python_str(&value))))
}

/// A task whose `delegate_to` names no host must not run on its own host instead.
pub(super) fn checked_delegate(run: &HostRun, task: &Task, scope: &Scope) -> Result<()> {
    if super::scope::delegate_of(scope).is_some_and(|host| !host.is_empty()) {
        return Ok(());
    }
    let Some(node) = super::conditions::keyword(task, "delegate_to") else { return Ok(()) };
    if task_delegate(run, task, scope)?.is_some_and(|host| host.is_empty()) {
        let text = python_str(&node.to_value());
        return Err(Diagnostic::new("P0160", Kind::Template, "`delegate_to` names no host: it is empty")
            .with_registered(format!("Empty hostname produced from delegate_to: \"{text}\""))
            .with_label(node.place(), "empty")
            .with_hint("name a host, or guard the task with `when`"));
    }
    Ok(())
}

/// Splits words as a POSIX shell does; an open quote takes the rest.
pub(super) fn split_shell(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                for c in chars.by_ref() {
                    if c == '\'' {
                        break;
                    }
                    word.push(c);
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some(c) => {
                                word.push('\\');
                                word.push(c);
                            }
                            None => word.push('\\'),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(
            split_shell("-o A=b -F '/tmp/a b' \"x\\\"y\" c\\ d"),
            ["-o", "A=b", "-F", "/tmp/a b", "x\"y", "c d"]
        );
        assert!(split_shell("  ").is_empty());
    }

    #[test]
    fn a_time_that_is_no_number_is_an_error_in_ansibles_words() {
        assert_eq!(seconds("30", None).unwrap(), 30);
        let said = "Task failed: Error processing keyword 'timeout': The value 'abc' could not be converted to 'int'.";
        let error = seconds("abc", None).unwrap_err();
        assert_eq!((error.registered(), error.kind), (said, Kind::Task));
        assert!(seconds("-1", None).is_err());
    }
}
