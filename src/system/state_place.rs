//! Where hostctl keeps what it must find again on a host: running builds, the record of images.

use std::path::{Path, PathBuf};

use super::accounts;

/// `/var/lib/hostctl` for root, else `$XDG_STATE_HOME/hostctl` or `~/.local/state/hostctl` of this process's user.
pub fn place_of_state() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let home = accounts::account_of_uid(uid).map(|account| PathBuf::from(account.home));
    place(uid, std::env::var_os("XDG_STATE_HOME").map(PathBuf::from), home)
}

fn place(uid: u32, state_home: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    if uid == 0 {
        return PathBuf::from("/var/lib/hostctl");
    }
    // A relative path means nothing here (XDG Base Directory Specification).
    let base = state_home.filter(|path| path.is_absolute()).or_else(|| home.map(|home| home.join(".local/state")));
    base.unwrap_or_else(|| Path::new("/var/tmp").join(format!("hostctl-state-{uid}"))).join("hostctl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_place_of_its_own() {
        let some = |text: &str| Some(PathBuf::from(text));
        assert_eq!(place(0, some("/x"), some("/root")), Path::new("/var/lib/hostctl"));
        assert_eq!(place(1000, None, some("/home/u")), Path::new("/home/u/.local/state/hostctl"));
        assert_eq!(place(1000, some("/s"), some("/home/u")), Path::new("/s/hostctl"));
        assert_eq!(place(1000, some("rel"), some("/home/u")), Path::new("/home/u/.local/state/hostctl"));
    }
}
