//! Types for module arguments that carry more than their JSON form: paths of the host and file modes.
//!
//! Their schema has a `format` that [`super::Spec`] reads; they know nothing of where a value came from.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// `state` of what is there or is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Presence {
    Absent,
    #[default]
    Present,
}

/// A path on the host, as written: `~` and `$VAR` are expanded there, by [`HostPath::expand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostPath(pub String);

impl JsonSchema for HostPath {
    fn schema_name() -> Cow<'static, str> {
        "HostPath".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "path" })
    }
}

impl HostPath {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `~`, `~user`, `$VAR` and `${VAR}` replaced as Python's `expanduser(expandvars(path))` does;
    /// what is not known stays as it is. `environment` goes before the process's own variables.
    pub fn expand(&self, environment: &[(String, String)]) -> PathBuf {
        expand(&self.0, environment)
    }
}

/// [`HostPath::expand`] for a text.
pub fn expand(text: &str, environment: &[(String, String)]) -> PathBuf {
    let variable = |name: &str| {
        environment
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .or_else(|| crate::system::folder::variable(name))
    };
    let text = expand_variables(text, &variable);
    let Some(rest) = text.strip_prefix('~') else {
        return PathBuf::from(text);
    };
    let (user, tail) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let home = if user.is_empty() {
        variable("HOME").or_else(|| crate::system::accounts::home_of_uid(rustix::process::getuid().as_raw()))
    } else {
        crate::system::accounts::home_of_name(user)
    };
    match home {
        Some(home) => {
            let joined = format!("{}{tail}", home.trim_end_matches('/'));
            PathBuf::from(if joined.is_empty() { "/".to_owned() } else { joined })
        }
        None => PathBuf::from(text),
    }
}

/// `$NAME` and `${NAME}` replaced where the variable is known.
pub(crate) fn expand_variables(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, used) = if let Some(inner) = after.strip_prefix('{') {
            match inner.find('}') {
                Some(end) => (&inner[..end], end + 2),
                None => ("", 0),
            }
        } else {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            (&after[..end], end)
        };
        if let (false, Some(value)) = (name.is_empty(), variable(name)) {
            out.push_str(&value);
            rest = &after[used..];
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A file mode as Ansible takes it: octal text, a number, or symbolic (`u=rw,g=r,o=`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Permission bits.
    Bits(u32),
    /// Clauses that need the file's present mode.
    Symbolic(Vec<Clause>),
    /// Keep what the source has (`preserve`, `copy` and `template` only).
    Preserve,
}

/// One clause of a symbolic mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    users: String,
    steps: Vec<(char, String)>,
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": "mode" })
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(&json).map_err(D::Error::custom)
    }
}

/// Decimal numbers that are surely octal modes without their leading zero.
const OCTAL_WITHOUT_ZERO: &[u64] = &[1777, 2750, 2755, 2770, 2775, 2777];

/// What a decimal number means that was surely meant as an octal mode: Ansible takes it as it is, and so does
/// hostctl, with a warning where it stands in a playbook.
pub fn without_zero(bits: u64) -> Option<String> {
    let octal_digits = bits.to_string().bytes().all(|digit| digit < b'8');
    (octal_digits && ((600..=777).contains(&bits) || OCTAL_WITHOUT_ZERO.contains(&bits)))
        .then(|| format!("the number {bits} is decimal and means the mode {bits:#o}"))
}

impl Mode {
    /// The mode of a JSON number or text; the error says what is wrong with it.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, String> {
        match json {
            serde_json::Value::Number(number) => {
                let bits = number.as_u64().ok_or_else(|| format!("`{number}` is no file mode"))?;
                u32::try_from(bits)
                    .ok()
                    .filter(|bits| *bits <= 0o7777)
                    .map(Self::Bits)
                    .ok_or_else(|| format!("the number {bits} is no file mode; write it as octal text, '0644'"))
            }
            serde_json::Value::String(text) => Self::parse(text),
            other => Err(format!("a file mode is octal text or `u=rw,g=r,o=r`, found {other}")),
        }
    }

    /// The mode of a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "preserve" {
            return Ok(Self::Preserve);
        }
        if text.is_empty() {
            // What a template left empty asks for nothing, as with Ansible.
            return Ok(Self::Symbolic(Vec::new()));
        }
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return u32::from_str_radix(digits, 8)
                .ok()
                .filter(|bits| *bits <= 0o7777)
                .map(Self::Bits)
                .ok_or_else(|| format!("`{text}` is no octal file mode"));
        }
        let bad = || format!("`{text}` is no file mode; octal text (`0644`) or clauses like `u=rw,g=r,o=` are");
        let mut clauses = Vec::new();
        for clause in text.split(',') {
            let first = clause.find(['+', '-', '=']).ok_or_else(bad)?;
            let (users, mut rest) = clause.split_at(first);
            // `a` is all of them, and stands alone.
            if users != "a" && !users.chars().all(|c| "ugo".contains(c)) {
                return Err(bad());
            }
            let mut steps = Vec::new();
            while let Some(operator) = rest.chars().next() {
                let after = &rest[1..];
                let end = after.find(['+', '-', '=']).unwrap_or(after.len());
                let perms = &after[..end];
                if !perms.chars().all(|c| "rwxXstugo".contains(c)) {
                    return Err(bad());
                }
                steps.push((operator, perms.to_owned()));
                rest = &after[end..];
            }
            clauses.push(Clause { users: users.to_owned(), steps });
        }
        Ok(Self::Symbolic(clauses))
    }

    /// The permission bits for a file that has `current` now; `None` for `preserve`.
    /// `umask` limits clauses without `ugoa`, as chmod does.
    pub fn resolve(&self, current: u32, is_dir: bool, umask: u32) -> Option<u32> {
        match self {
            Self::Bits(bits) => Some(*bits),
            Self::Preserve => None,
            Self::Symbolic(clauses) => {
                let mut mode = current & 0o7777;
                for clause in clauses {
                    for (operator, perms) in &clause.steps {
                        mode = apply_step(mode, &clause.users, *operator, perms, current, is_dir, umask);
                    }
                }
                Some(mode)
            }
        }
    }
}

fn apply_step(mode: u32, users: &str, operator: char, perms: &str, before: u32, is_dir: bool, umask: u32) -> u32 {
    let (who, masked) = if users.is_empty() { ("ugo", true) } else { (users, false) };
    let who = if who.contains('a') { "ugo" } else { who };
    let execute = is_dir || before & 0o111 != 0;
    let mut result = mode;
    for user in who.chars() {
        let (shift, special) = match user {
            'u' => (6, 0o4000),
            'g' => (3, 0o2000),
            _ => (0, 0o1000),
        };
        let mut bits = 0;
        for perm in perms.chars() {
            bits |= match perm {
                'r' => 4 << shift,
                'w' => 2 << shift,
                'x' => 1 << shift,
                'X' if execute => 1 << shift,
                's' if user != 'o' => special,
                't' if user == 'o' || masked || users.contains('a') => 0o1000,
                'u' => ((mode >> 6) & 7) << shift,
                'g' => ((mode >> 3) & 7) << shift,
                'o' => (mode & 7) << shift,
                _ => 0,
            };
        }
        if masked {
            bits &= !umask;
        }
        // What `=` clears: the class's own bits, and its special bit on files.
        let class = (7 << shift) | if is_dir && special != 0o1000 { 0 } else { special };
        result = match operator {
            '+' => result | bits,
            '-' => result & !bits,
            _ => (result & !class) | bits,
        };
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, current: u32, is_dir: bool, expected: u32) {
        let mode = Mode::parse(text).expect(text);
        assert_eq!(mode.resolve(current, is_dir, 0o022), Some(expected), "{text} on {current:o}");
    }

    #[test]
    fn modes_as_ansible_reads_them() {
        check("0644", 0, false, 0o644);
        check("644", 0, false, 0o644);
        check("u=rw,g=r,o=", 0o777, false, 0o640);
        check("u+x", 0o644, false, 0o744);
        check("a+X", 0o644, false, 0o644);
        check("a+X", 0o744, false, 0o755);
        check("a=rX,u+w", 0o700, true, 0o755);
        check("g=u", 0o750, false, 0o770);
        check("go-rwx", 0o755, false, 0o700);
        check("+x", 0o644, false, 0o755);
        check("u+s,g+s", 0o755, false, 0o6755);
        check("o+t", 0o777, true, 0o1777);
    }

    #[test]
    fn numbers_mean_what_ansible_takes_them_for() {
        assert_eq!(Mode::from_json(&420.into()), Ok(Mode::Bits(0o644)));
        assert_eq!(Mode::from_json(&1023.into()), Ok(Mode::Bits(0o1777)));
        assert_eq!(Mode::from_json(&600.into()), Ok(Mode::Bits(0o1130)));
        for decimal in [644, 755, 600, 1777] {
            assert!(without_zero(decimal).is_some(), "{decimal}");
        }
        assert!([420, 493, 384, 0o644, 800, 9].into_iter().all(|bits| without_zero(bits).is_none()));
        assert!(Mode::from_json(&4755.into()).is_err());
        assert!(Mode::parse("rw-r--r--").is_err());
        assert!(Mode::parse("u=rw;g=r").is_err());
        assert!(Mode::parse("ao=r").is_err() && Mode::parse("ua+x").is_err());
        assert_eq!(Mode::parse("").map(|mode| mode.resolve(0o640, false, 0o022)), Ok(Some(0o640)));
    }

    #[test]
    fn paths_expand_on_the_host() {
        let environment = vec![("HOME".to_owned(), "/home/x".to_owned()), ("D".to_owned(), "data".to_owned())];
        let check = |text: &str, expected: &str| {
            assert_eq!(HostPath(text.into()).expand(&environment), PathBuf::from(expected), "{text}");
        };
        check("~/a", "/home/x/a");
        check("~", "/home/x");
        check("/srv/$D/${D}x", "/srv/data/datax");
        check("/a/$NOT_THERE_AT_ALL/b", "/a/$NOT_THERE_AT_ALL/b");
        check("~root/x", "/root/x");
        check("~nobody-of-this-name/x", "~nobody-of-this-name/x");
    }
}
