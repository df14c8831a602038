//! Users and groups by the local files, then by `getent` (directories, systemd's own users).
//!
//! A static binary must not load a foreign libc's name-service modules, so files are read here.

use std::path::Path;

/// One line of passwd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// The password field (`x` with shadow).
    pub password: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Comment.
    pub gecos: String,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// One line of group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountGroup {
    /// Its name.
    pub name: String,
    /// Its id.
    pub gid: u32,
    /// Members by name, without those who have it as primary group.
    pub members: Vec<String>,
}

/// The local passwd file.
pub const PASSWD: &str = "/etc/passwd";
/// The local group file.
pub const GROUP: &str = "/etc/group";

fn lossy(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn passwd_line(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let mut next = || fields.next();
    Some(Account {
        name: next()?.to_owned(),
        password: next()?.to_owned(),
        uid: next()?.parse().ok()?,
        gid: next()?.parse().ok()?,
        gecos: next()?.to_owned(),
        home: next()?.to_owned(),
        shell: next()?.to_owned(),
    })
}

fn group_line(line: &str) -> Option<AccountGroup> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let gid = fields.nth(1)?.parse().ok()?;
    let members = fields.next().unwrap_or_default();
    let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(AccountGroup { name, gid, members })
}

/// All accounts of the local file.
pub fn local_accounts() -> Vec<Account> {
    lossy(Path::new(PASSWD)).lines().filter_map(passwd_line).collect()
}

/// All groups of the local file.
pub fn local_groups() -> Vec<AccountGroup> {
    lossy(Path::new(GROUP)).lines().filter_map(group_line).collect()
}

/// One answer of `getent DATABASE KEY`.
fn getent(database: &str, key: &str) -> Option<String> {
    if key.is_empty() || key.starts_with('-') {
        return None;
    }
    let output = std::process::Command::new("getent")
        .args([database, key])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().map(str::to_owned)).flatten()
}

/// The account of a name.
pub fn account(name: &str) -> Option<Account> {
    local_accounts()
        .into_iter()
        .find(|account| account.name == name)
        .or_else(|| getent("passwd", name).as_deref().and_then(passwd_line).filter(|account| account.name == name))
}

/// The account of an id.
pub fn account_of_uid(uid: u32) -> Option<Account> {
    local_accounts()
        .into_iter()
        .find(|account| account.uid == uid)
        .or_else(|| getent("passwd", &uid.to_string()).as_deref().and_then(passwd_line))
}

/// The group of a name.
pub fn group(name: &str) -> Option<AccountGroup> {
    local_groups()
        .into_iter()
        .find(|group| group.name == name)
        .or_else(|| getent("group", name).as_deref().and_then(group_line).filter(|group| group.name == name))
}

/// The group of an id.
pub fn group_of_gid(gid: u32) -> Option<AccountGroup> {
    local_groups()
        .into_iter()
        .find(|group| group.gid == gid)
        .or_else(|| getent("group", &gid.to_string()).as_deref().and_then(group_line))
}

/// The home folder of an id.
pub fn home_of_uid(uid: u32) -> Option<String> {
    account_of_uid(uid).map(|account| account.home)
}

/// The home folder of a name.
pub fn home_of_name(name: &str) -> Option<String> {
    account(name).map(|account| account.home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_and_skips_broken_ones() {
        assert_eq!(
            passwd_line("a b:x:1000:1001:G, E:/home/a b:/bin/sh"),
            Some(Account {
                name: "a b".into(),
                password: "x".into(),
                uid: 1000,
                gid: 1001,
                gecos: "G, E".into(),
                home: "/home/a b".into(),
                shell: "/bin/sh".into(),
            })
        );
        assert_eq!(passwd_line("+@netgroup"), None);
        assert_eq!(group_line("wheel:x:10:a,b").map(|group| group.members), Some(vec!["a".into(), "b".into()]));
        assert_eq!(account("root").map(|account| account.uid), Some(0));
        assert_eq!(group_of_gid(0).map(|group| group.name), Some("root".into()));
        assert_eq!(account("no-such-name-here"), None);
    }
}
