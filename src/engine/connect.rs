//! How a host is reached: connection and become settings from variables, keywords and options.

use std::sync::Arc;

use super::conditions::{flag_of, of_keyword, truth, whole};
use super::interp::HostRun;
use super::play::PlayRun;
use super::target::{Become, TargetSpec};
use crate::diag::{Diagnostic, Kind, Result, Span};
use crate::modules::RunsOn;
use crate::playbook::Task;
use crate::value::{Value, python_repr, python_str};
use crate::vars::Scope;

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
        let delegated = delegate != self.host;
        // A delegated task connects with the variables of the host it goes to.
        let own;
        let vars = if delegated {
            own = self.play.host_scope(&delegate);
            &own
        } else {
            scope
        };
        let get = |names: &[&str]| -> Result<Option<String>> {
            for name in names {
                if vars.get(name).is_some()
                    && let Some(value) = self.play.engine.templates.variable(name, vars)?
                    && value != Value::Null
                {
                    return Ok(Some(python_str(&value)));
                }
            }
            Ok(None)
        };
        let place = |names: &[&str]| {
            let entry = names.iter().find_map(|name| vars.get(name));
            entry.and_then(|(entry, _)| entry.span())
        };
        let known = self.play.record(&delegate).is_some();
        let implicit_local = !known && matches!(&*delegate, "localhost" | "127.0.0.1" | "::1");
        let setting = |names: &[&str], keyword: &str, option: &str| -> Result<Option<String>> {
            if let Some(value) = get(names)? {
                return Ok(Some(value));
            }
            if let Some(value) = self.keyword_value(task, keyword, scope)? {
                return Ok(Some(python_str(&value)));
            }
            Ok(self.play.engine.options.defaults.get(option).map(python_str))
        };
        // What a keyword says must hold before anything is reached, also where a variable outranks it.
        self.keyword_value(task, "remote_user", scope)?;
        let given = match get(&["ansible_connection"])? {
            // That it is this machine is a variable of the implicit host with Ansible: it outranks the keyword.
            None if implicit_local && delegated => Some("local".to_owned()),
            None => setting(&[], "connection", "connection")?,
            given => given,
        };
        let connection = match given {
            Some(name) if name == "smart" => "ssh".to_owned(),
            Some(name) => name.rsplit('.').next().unwrap_or_default().to_owned(),
            None if implicit_local => "local".to_owned(),
            None => "ssh".to_owned(),
        };
        if !matches!(connection.as_str(), "ssh" | "local" | "paramiko" | "paramiko_ssh") {
            return Err(Diagnostic::new(
                "S0115",
                crate::diag::Kind::Unreachable,
                format!("there is no connection `{connection}`"),
            )
            .with_hint("`ssh` or `local`"));
        }
        if connection == "ssh"
            && let Some(program) = get(&["ansible_ssh_executable"])?
            && !matches!(&*program, "ssh" | "/usr/bin/ssh" | "/bin/ssh")
        {
            self.play.engine.warn_once(
                None,
                Diagnostic::source("C0112", "`ansible_ssh_executable` is read, but not supported: it changes nothing")
                    .with_label_opt(place(&["ansible_ssh_executable"]), "another program")
                    .with_hint("hostctl runs the `ssh` that it finds in PATH"),
            );
        }
        let connection = if connection.starts_with("paramiko") {
            self.play.engine.warn_once(
                None,
                Diagnostic::local("S0118", "`paramiko` is Python's ssh: the ssh program is used in its place")
                    .with_hint("ansible_connection: ssh"),
            );
            "ssh".to_owned()
        } else {
            connection
        };
        // Of the general name and ssh's own the latter counts, as in Ansible.
        let address = get(&["ansible_ssh_host", "ansible_host"])?.unwrap_or_else(|| delegate.to_string());
        let port = setting(&["ansible_ssh_port", "ansible_port"], "port", "port")?;
        let port = port
            .map(|text| {
                text.trim().parse::<u16>().map_err(|_| {
                    Diagnostic::new("S0117", crate::diag::Kind::Task, format!("`{text}` is no port number"))
                        .with_registered(format!(
                            "Task failed: Error processing keyword 'port': The value {} could not be converted to 'int'.",
                            python_repr(&Value::from(text.as_str()))
                        ))
                        .with_hint("ansible_port: 22")
                })
            })
            .transpose()?;
        let mut ssh_args = Vec::new();
        for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            if let Some(text) = get(&[name])? {
                ssh_args.extend(split_shell(&text));
            }
        }
        for option in ["ssh_common_args", "ssh_extra_args"] {
            if let Some(text) = self.play.engine.options.defaults.get(option) {
                ssh_args.extend(split_shell(&python_str(text)));
            }
        }
        let password = get(&["ansible_ssh_password", "ansible_ssh_pass", "ansible_password"])?
            .or_else(|| self.play.engine.options.defaults.get("password").map(python_str));
        if let Some(password) = &password {
            self.play.engine.redactor.learn(password);
        }
        let checking = get(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"])?;
        let written = get(&["ansible_become"]).map_err(|error| error.within("Error processing keyword 'become': "))?;
        let become_on = match written {
            Some(text) => Some(
                flag_of("ansible_become", &Value::from(text), place(&["ansible_become"]))
                    .map_err(|error| as_task(of_keyword("become", error)))?,
            ),
            None => match self.keyword_flag(task, "become", scope)? {
                Some(flag) => Some(flag),
                None => self.play.engine.options.defaults.get("become").and_then(truth),
            },
        };
        let r#become = if become_on == Some(true) {
            let method = setting(&["ansible_become_method"], "become_method", "become_method")?;
            let method =
                method.map_or_else(|| "sudo".to_owned(), |name| name.rsplit('.').next().unwrap_or_default().to_owned());
            // The method's own names go before the general ones.
            let own = |what: &str| format!("ansible_{method}_{what}");
            let (own_pass, own_user, own_flags, own_exe) = (own("pass"), own("user"), own("flags"), own("exe"));
            let password = get(&[&own_pass, "ansible_become_pass", "ansible_become_password"])?
                .or_else(|| self.play.engine.options.defaults.get("become_password").map(python_str));
            if let Some(password) = &password {
                self.play.engine.redactor.learn(password);
            }
            if !matches!(method.as_str(), "sudo" | "su") {
                return Err(Diagnostic::new(
                    "S0307",
                    crate::diag::Kind::Task,
                    format!("there is no become method `{method}`"),
                )
                .with_hint("`sudo` or `su`"));
            }
            Some(Become {
                user: setting(&[&own_user, "ansible_become_user"], "become_user", "become_user")?
                    .filter(|user| !user.is_empty())
                    .unwrap_or_else(|| "root".to_owned()),
                password,
                flags: setting(&[&own_flags, "ansible_become_flags"], "become_flags", "become_flags")?
                    .map(|text| split_shell(&text))
                    .unwrap_or_default(),
                exe: setting(&[&own_exe, "ansible_become_exe"], "become_exe", "become_exe")?
                    .filter(|exe| !exe.is_empty()),
                same_user: self.play.engine.options.defaults.get("become_allow_same_user").is_some_and(Value::truthy),
                chdir: match get(&["ansible_sudo_chdir"])? {
                    Some(folder) => Some(folder),
                    None => {
                        let set = self.play.engine.templates.host().setting(Some(("become", "sudo")), "sudo_chdir")?;
                        set.filter(|set| set.value != Value::Null).map(|set| python_str(&set.value))
                    }
                }
                .filter(|folder| method == "sudo" && !folder.is_empty()),
                prompts: match vars.get("ansible_su_prompt_l10n") {
                    Some(_) => match self.play.engine.templates.variable("ansible_su_prompt_l10n", vars)? {
                        Some(Value::List(words)) => words.iter().map(python_str).collect(),
                        Some(word) if word != Value::Null => {
                            python_str(&word).split(',').map(|word| word.trim().to_owned()).collect()
                        }
                        _ => Vec::new(),
                    },
                    None => Vec::new(),
                },
                method,
            })
        } else {
            None
        };
        Ok(TargetSpec {
            host: delegate,
            folder: (connection == "local").then(|| self.play.playbook_dir()),
            connection,
            address,
            port,
            user: setting(&["ansible_ssh_user", "ansible_user"], "remote_user", "remote_user")?,
            key_file: get(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?
                .or_else(|| self.play.engine.options.defaults.get("private_key_file").map(python_str)),
            ssh_args,
            host_key: get(&["hostctl_host_key"])?,
            host_key_checking: checking
                .and_then(|text| truth(&Value::from(text)))
                .or_else(|| self.play.engine.options.defaults.get("host_key_checking").and_then(truth)),
            password,
            timeout: match get(&TIMEOUTS)? {
                Some(text) => Some(seconds(&text, place(&TIMEOUTS))?),
                None => self.play.engine.options.defaults.get("timeout").and_then(|text| python_str(text).parse().ok()),
            },
            r#become,
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
        return Err(Diagnostic::new("P0160", crate::diag::Kind::Template, "`delegate_to` names no host: it is empty")
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
