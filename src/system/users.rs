//! Users and groups: `/etc/passwd` and `/etc/group`, then `getent`.
//!
//! Never through libc: a static glibc would load the host's name-service modules, which only
//! works with the very same glibc. `getent` is the host's own program and knows LDAP and sssd.

use std::process::{Command, Stdio};

use super::Probe;

/// A user of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Comment field.
    pub gecos: String,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A group of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// Users that have it as supplementary group.
    pub members: Vec<String>,
}

fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    let _password = fields.next()?;
    Some(User {
        name: name.to_owned(),
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        gecos: fields.next()?.to_owned(),
        home: fields.next()?.to_owned(),
        shell: fields.next().unwrap_or_default().to_owned(),
    })
}

fn parse_group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    let _password = fields.next()?;
    Some(Group {
        name: name.to_owned(),
        gid: fields.next()?.parse().ok()?,
        members: fields.next().unwrap_or_default().split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect(),
    })
}

fn read(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn getent(database: &str, key: &str) -> String {
    if key.is_empty() || key.starts_with('-') || key.contains(['\0', '\n', ':']) {
        return String::new();
    }
    let output = Command::new("getent").args([database, key]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => String::new(),
    }
}

fn find<T>(
    path: &str,
    database: &str,
    key: &str,
    parse: fn(&str) -> Option<T>,
    wanted: impl Fn(&T) -> bool,
) -> Option<T> {
    read(path)
        .lines()
        .filter_map(parse)
        .find(&wanted)
        .or_else(|| getent(database, key).lines().filter_map(parse).find(&wanted))
}

impl Probe {
    /// The user of a name.
    pub fn user(&self, name: &str) -> Option<User> {
        find("/etc/passwd", "passwd", name, parse_user, |user| user.name == name)
    }

    /// The user of a number.
    pub fn user_by_uid(&self, uid: u32) -> Option<User> {
        find("/etc/passwd", "passwd", &uid.to_string(), parse_user, |user| user.uid == uid)
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<Group> {
        find("/etc/group", "group", name, parse_group, |group| group.name == name)
    }

    /// The group of a number.
    pub fn group_by_gid(&self, gid: u32) -> Option<Group> {
        find("/etc/group", "group", &gid.to_string(), parse_group, |group| group.gid == gid)
    }

    /// The users of the host's own file, in its order (not those of LDAP and the like).
    pub fn local_users(&self) -> Vec<User> {
        read("/etc/passwd").lines().filter_map(parse_user).collect()
    }

    /// The groups of the host's own file, in its order.
    pub fn local_groups(&self) -> Vec<Group> {
        read("/etc/group").lines().filter_map(parse_group).collect()
    }

    /// Names of the groups that a user is a supplementary member of, by the host's own file.
    pub fn supplementary_groups(&self, user: &str) -> Vec<String> {
        self.local_groups()
            .into_iter()
            .filter(|group| group.members.iter().any(|member| member == user))
            .map(|group| group.name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nis_and_broken_lines_are_no_users() {
        assert_eq!(parse_user("www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin").map(|user| user.uid), Some(33));
        assert_eq!(parse_user("a:x:1:1::/home/a").map(|user| user.shell), Some(String::new()));
        for line in ["+::::::", "", "a:x:zero:1:::", "a:x:1", "# x:x:1:1:::"] {
            assert_eq!(parse_user(line), None, "{line}");
        }
    }

    #[test]
    fn members_of_groups_are_split() {
        let group = parse_group("docker:x:998:a,b").unwrap();
        assert_eq!((group.gid, group.members), (998, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(parse_group("docker:x:998:").unwrap().members, Vec::<String>::new());
        assert_eq!(parse_group("docker:x:998").unwrap().members, Vec::<String>::new());
    }

    #[test]
    fn root_is_found_by_name_and_number() {
        let probe = Probe::new(Vec::new());
        assert_eq!(probe.user("root").map(|user| user.uid), Some(0));
        assert_eq!(probe.user_by_uid(0).map(|user| user.name), Some("root".to_owned()));
        assert_eq!(probe.group_by_gid(0).map(|group| group.name), Some("root".to_owned()));
        assert_eq!(probe.user("-x:\n"), None);
    }
}
