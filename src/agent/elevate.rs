//! Becoming another user: the words before the agent's command line, the password, the errors.

use super::bootstrap::word;
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::Become;

/// How the agent's command line is wrapped. `"$f" agent "$N"` is what is run.
#[derive(Debug)]
pub(super) struct Elevation {
    /// Shell text that runs `"$f" agent $N` as the user.
    pub(super) exec: String,
    /// What asks for the password on standard error, if one was given.
    pub(super) prompt: Option<Prompt>,
}

/// How a password is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// With this text.
    Exact(String),
    /// With one of these words and a colon.
    Words(Vec<String>),
}

/// What `su` asks with in the languages that Ansible knows.
const SU_PROMPTS: &[&str] = &[
    "Password",
    "암호",
    "パスワード",
    "Adgangskode",
    "Contraseña",
    "Contrasenya",
    "Hasło",
    "Heslo",
    "Jelszó",
    "Lösenord",
    "Mật khẩu",
    "Mot de passe",
    "Parola",
    "Parool",
    "Pasahitza",
    "Passord",
    "Passwort",
    "Salasana",
    "Sandi",
    "Senha",
    "Wachtwoord",
    "ססמה",
    "Лозинка",
    "Парола",
    "Пароль",
    "गुप्तशब्द",
    "शब्दकूट",
    "సంకేతపదము",
    "හස්පදය",
    "密码",
    "密碼",
    "口令",
];

impl Prompt {
    /// The password is asked for in what was said.
    pub(super) fn asks(&self, said: &[u8]) -> bool {
        match self {
            Self::Exact(text) => said.windows(text.len()).any(|window| window == text.as_bytes()),
            Self::Words(words) => {
                let said = String::from_utf8_lossy(said).to_lowercase();
                words.iter().any(|word| {
                    let word = word.to_lowercase();
                    said.match_indices(&word)
                        .any(|(at, _)| said[at + word.len()..].trim_start().starts_with([':', '：']))
                })
            }
        }
    }
}

/// The shell text for a become, or for none.
pub(super) fn elevation(wanted: Option<&Become>, nonce: &str) -> Result<Elevation> {
    let Some(wanted) = wanted else {
        return Ok(Elevation { exec: r#"exec "$f" agent $N"#.to_owned(), prompt: None });
    };
    if wanted.user.is_empty() || wanted.user.starts_with('-') || wanted.user.contains(['\0', '\n']) {
        return Err(Diagnostic::new(
            "S0308",
            Kind::Task,
            format!("`{}` is no user that can be become", wanted.user.escape_debug()),
        ));
    }
    let user = word(&wanted.user);
    let exe = word(wanted.exe.as_deref().unwrap_or(&wanted.method));
    let with_password = wanted.password.is_some();
    let plain = r#"exec "$f" agent $N"#;
    let unless_root = |elevated: String| {
        // Who is root already needs no program to become root.
        if wanted.user == "root" && !wanted.same_user {
            format!(r#"if [ "$u" = 0 ]; then {plain}; fi; {elevated}"#)
        } else {
            elevated
        }
    };
    match wanted.method.as_str() {
        "sudo" => {
            let mut flags: Vec<String> = if wanted.flags.is_empty() {
                ["-H", "-S", "-n"].map(str::to_owned).to_vec()
            } else {
                wanted.flags.clone()
            };
            let text = with_password.then(|| format!("[hostctl-{nonce}] password: "));
            if with_password {
                flags.retain(|flag| flag != "-n" && flag != "--non-interactive");
                if !flags.iter().any(|flag| flag == "-S" || flag == "--stdin") {
                    flags.push("-S".to_owned());
                }
            }
            let mut words = vec![exe];
            words.extend(flags.iter().map(|flag| word(flag)));
            if let Some(text) = &text {
                words.extend(["-p".to_owned(), format!("\"{text}\"")]);
            }
            words.extend(["-u".to_owned(), user, "--".to_owned()]);
            // Who may not go there does not run anything, as with Ansible.
            let folder =
                wanted.chdir.as_ref().map_or_else(String::new, |folder| format!("cd {} || exit 1; ", word(folder)));
            Ok(Elevation {
                exec: folder + &unless_root(format!(r#"exec {} "$f" agent $N"#, words.join(" "))),
                prompt: text.map(Prompt::Exact),
            })
        }
        "su" => {
            let prompts = if wanted.prompts.is_empty() {
                SU_PROMPTS.iter().map(|word| (*word).to_owned()).collect()
            } else {
                wanted.prompts.clone()
            };
            let flags: Vec<String> = wanted.flags.iter().map(|flag| word(flag)).collect();
            let flags = flags.join(" ");
            let exec = format!(r#"exec {exe} {flags} {user} -s /bin/sh -c "exec \"$f\" agent $N""#);
            Ok(Elevation { exec: unless_root(exec), prompt: with_password.then_some(Prompt::Words(prompts)) })
        }
        other => Err(Diagnostic::new("S0307", Kind::Task, format!("`become_method: {other}` is not supported"))
            .with_nearest(other, ["sudo", "su"])
            .with_hint("use `sudo` (or `su`)")),
    }
}

/// The password was asked for twice.
pub(super) fn wrong_password(host: &str, wanted: &Become) -> Diagnostic {
    Diagnostic::new(
        "S0302",
        Kind::Task,
        format!("`{}` on `{host}` refused the password to become `{}`", wanted.method, wanted.user),
    )
    .with_registered(format!("Incorrect {} password", wanted.method))
    .with_hint("check `ansible_become_password` (sudo asks for the login user's password, su for the other's)")
}

/// Why nothing started, from what the program said. `None` if it does not look like its doing.
pub(super) fn diagnose(host: &str, wanted: &Become, status: Option<i32>, stderr: &str) -> Option<Diagnostic> {
    let lower = stderr.to_lowercase();
    let has = |text: &str| lower.contains(text);
    let (method, user) = (&wanted.method, &wanted.user);
    let exe = wanted.exe.as_deref().unwrap_or(method);
    let error = |code, text: String| Some(Diagnostic::new(code, Kind::Task, text));
    if status == Some(127)
        && (has(&format!("{exe}: not found"))
            || has(&format!("{exe}: command not found"))
            || has(&format!("exec: {exe}")))
    {
        return error("S0306", format!("`{exe}` does not exist on `{host}`"))
            .map(|error| error.with_hint("install it there: apt install sudo; or log in as that user"));
    }
    if let Some(folder) = &wanted.chdir
        && let Some(line) = stderr.lines().find(|line| line.contains("cd: ") && line.contains(folder.as_str()))
    {
        return error("S0305", format!("`{method}` on `{host}` cannot be started in `{folder}`"))
            .map(|error| error.with_registered(line.trim()).with_hint("correct `ansible_sudo_chdir`"));
    }
    if has("not in the sudoers file")
        || has("not allowed to execute")
        || has("may not run sudo")
        || has("not allowed to run sudo")
    {
        return error("S0303", format!("the login user of `{host}` may not become `{user}` with `{method}`")).map(
            |error| with_words(error, stderr).with_hint("add a rule on that host: visudo -f /etc/sudoers.d/hostctl"),
        );
    }
    if has("must have a tty") || has("terminal is required") || has("must be run from a terminal") {
        return error("S0304", format!("`{method}` on `{host}` wants a terminal")).map(|error| {
            with_words(error, stderr).with_hint("remove `requiretty` from the sudoers file of that host")
        });
    }
    if has("password is required") || has("no password was provided") {
        return error("S0301", format!("`{method}` on `{host}` wants a password to become `{user}`"))
            .map(|error| error.with_registered(format!("Missing {method} password")))
            .map(|error| error.with_hint("set `ansible_become_password` in the vault, or run with --ask-become-pass"));
    }
    if has("unknown user") || has("does not exist") || has("invalid user") {
        return error("S0308", format!("user `{user}` does not exist on `{host}`"))
            .map(|error| error.with_hint("create it first, with a task that becomes root"));
    }
    if has("incorrect password") || has("authentication failure") || has("sorry, try again") {
        return Some(wrong_password(host, wanted));
    }
    (has("sudo:") || has("su:")).then(|| {
        let message = format!("`{method}` on `{host}` could not become `{user}`");
        with_words(Diagnostic::new("S0305", Kind::Task, message), stderr)
    })
}

fn with_words(diagnostic: Diagnostic, stderr: &str) -> Diagnostic {
    match stderr.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => diagnostic.with_note(format!("it said: {}", line.trim())),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sudo(password: bool) -> Become {
        Become {
            method: "sudo".to_owned(),
            user: "app".to_owned(),
            password: password.then(|| "pw".to_owned()),
            ..Become::default()
        }
    }

    #[test]
    fn the_password_is_never_part_of_the_command() {
        let with = elevation(Some(&sudo(true)), "n1").unwrap();
        assert_eq!(with.exec, r#"exec sudo -H -S -p "[hostctl-n1] password: " -u app -- "$f" agent $N"#);
        let without = elevation(Some(&sudo(false)), "n1").unwrap();
        assert_eq!(without.exec, r#"exec sudo -H -S -n -u app -- "$f" agent $N"#);
        assert_eq!(without.prompt, None);
    }

    #[test]
    fn su_asks_in_many_languages() {
        let su = |prompts: &[&str]| Become {
            method: "su".to_owned(),
            prompts: prompts.iter().map(|word| (*word).to_owned()).collect(),
            ..sudo(true)
        };
        let asks =
            |wanted: &Become, said: &str| elevation(Some(wanted), "n").unwrap().prompt.unwrap().asks(said.as_bytes());
        assert!(asks(&su(&[]), "Password: "));
        assert!(asks(&su(&[]), "Mot de passe : "));
        assert!(asks(&su(&[]), "пароль:"));
        assert!(asks(&su(&[]), "口令："));
        assert!(!asks(&su(&[]), "last login: Password changed"));
        assert!(asks(&su(&["Losung"]), "Losung:"));
        assert!(!asks(&su(&["Losung"]), "Password:"));
    }

    #[test]
    fn root_becomes_root_only_if_it_is_told_to() {
        let root = |same_user| Become { user: "root".to_owned(), same_user, ..sudo(false) };
        assert!(elevation(Some(&root(false)), "n").unwrap().exec.starts_with(r#"if [ "$u" = 0 ]"#));
        assert!(elevation(Some(&root(true)), "n").unwrap().exec.starts_with("exec sudo -H -S -n -u root"));
    }

    #[test]
    fn sudo_starts_in_the_folder_that_was_asked_for() {
        let wanted = Become { chdir: Some("/srv/a b".to_owned()), ..sudo(false) };
        let exec = elevation(Some(&wanted), "n").unwrap().exec;
        assert!(exec.starts_with(r#"cd "$(printf "\057\163"#) && exec.contains("|| exit 1; exec sudo "), "{exec}");
        let wanted = Become { chdir: Some("/none".to_owned()), ..sudo(false) };
        let said = diagnose("h", &wanted, Some(1), "/bin/sh: 1: cd: can't cd to /none\n").unwrap();
        assert_eq!((&*said.code, said.registered()), ("S0305", "/bin/sh: 1: cd: can't cd to /none"));
    }

    #[test]
    fn users_cannot_smuggle_options_or_shell_text() {
        let with_user = |user: &str| elevation(Some(&Become { user: user.to_owned(), ..sudo(false) }), "n");
        assert_eq!(with_user("-s").unwrap_err().code, "S0308");
        assert!(!with_user("a; reboot").unwrap().exec.contains(';'));
        let other = Become { method: "doas".to_owned(), ..sudo(false) };
        assert_eq!(elevation(Some(&other), "n").unwrap_err().code, "S0307");
    }

    #[test]
    fn each_refusal_has_its_own_code() {
        let check = |status, stderr: &str, code: &str| {
            assert_eq!(diagnose("h", &sudo(false), Some(status), stderr).unwrap().code, code, "{stderr}");
        };
        check(1, "sudo: a password is required\n", "S0301");
        check(1, "deploy is not in the sudoers file.\n", "S0303");
        check(1, "Sorry, user deploy is not allowed to execute '/x' as app on h.\n", "S0303");
        check(1, "sudo: sorry, you must have a tty to run sudo\n", "S0304");
        check(1, "sudo: unknown user: app\n", "S0308");
        check(127, "/bin/sh: 1: exec: sudo: not found\n", "S0306");
        check(1, "sudo: 1 incorrect password attempt\n", "S0302");
        check(1, "sudo: /etc/sudoers is world writable\n", "S0305");
        assert!(diagnose("h", &sudo(false), Some(1), "Segmentation fault").is_none());
    }
}
