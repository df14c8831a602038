//! Roles: unpacked as ansible-galaxy unpacks them, and the roles that they depend on.

use std::path::{Path, PathBuf};

use super::archive::{self, Entry, Made};
use super::requirements::{self, Around, Requirement};
use super::tree;
use crate::diag::{Diagnostic, Result};
use crate::yaml::{LoadOptions, Node, load};

const MAIN: [&str; 2] = ["meta/main.yml", "meta/main.yaml"];
const REQUIREMENTS: [&str; 2] = ["meta/requirements.yml", "meta/requirements.yaml"];

/// The file in which ansible-galaxy keeps what it installed.
pub(super) const INSTALL_INFO: &str = "meta/.galaxy_install_info";

fn no_role(what: &str) -> Diagnostic {
    Diagnostic::local("D0303", format!("{what} holds no role: there is no `meta/main.yml` in it"))
        .with_hint("add a `meta/main.yml` to the role, `galaxy_info: {}` is enough, or correct the source")
}

/// Unpacks the role of an archive into a folder that is not there yet. The role is what lies around the `meta/main.yml`
/// with the shortest path. `what` names the archive in messages.
pub(super) fn unpack(file: &Path, to: &Path, what: &str) -> Result<()> {
    archive::check(file)?;
    let mut top: Option<PathBuf> = None;
    archive::each(file, |place, entry| {
        if matches!(entry, Entry::File(..))
            && let Some(above) =
                MAIN.iter().find_map(|main| place.ends_with(main).then(|| place.parent()?.parent()).flatten())
            && top.as_ref().is_none_or(|top| above.as_os_str().len() < top.as_os_str().len())
        {
            top = Some(above.to_path_buf());
        }
        Ok(())
    })?;
    let top = top.ok_or_else(|| no_role(what))?;
    tree::make_dir(to)?;
    let mut made = Made::default();
    archive::each(file, |place, entry| {
        // Wherever it claims to be, nothing is written outside.
        let Ok(place) = place.strip_prefix(&top) else { return Ok(()) };
        if place.as_os_str().is_empty() {
            return Ok(());
        }
        let path = tree::plain(place).ok_or_else(|| archive::leads_out(place, what))?;
        match entry {
            Entry::Dir => Ok(()),
            Entry::File(mode, content) => {
                let target = made.room(to, &path, what)?;
                // As Python's `data` filter.
                let mode = if mode & 0o100 == 0 { mode & 0o644 } else { mode & 0o755 } | 0o600;
                archive::write_file(content, &target, mode, file)?;
                made.file(&path);
                Ok(())
            }
            Entry::Link(target) => made.link(to, &path, &target, what),
            Entry::Other => Err(archive::odd(&path, what)),
        }
    })?;
    Ok(())
}

/// Copies the role of a folder.
pub(super) fn copy(from: &Path, to: &Path, what: &str) -> Result<()> {
    if !MAIN.iter().any(|main| from.join(main).is_file()) && !from.join("tasks").is_dir() {
        return Err(no_role(what));
    }
    tree::copy_tree(from, to, what)
}

/// Writes what `ansible-galaxy role list` shows.
pub(super) fn write_info(role: &Path, version: &str) -> Result<()> {
    let path = role.join(INSTALL_INFO);
    if let Some(above) = path.parent() {
        tree::make_dir(above)?;
    }
    let now = jiff::Timestamp::now().strftime("%a %b %e %H:%M:%S %Y").to_string();
    let version = crate::yaml::emit_scalar(&version.into());
    std::fs::write(&path, format!("install_date: {now}\nversion: {version}\n"))
        .map_err(|error| tree::unwritten(&path, &error))
}

/// The version that ansible-galaxy, or hostctl, wrote into an installed role.
pub(super) fn installed_version(role: &Path) -> Option<String> {
    let text = crate::diag::read::read_capped(&role.join(INSTALL_INFO), 1 << 16).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("version:"))?;
    Some(line.trim().trim_matches(['\'', '"']).to_owned())
}

/// The roles that an unpacked role needs: those of `dependencies` that can be fetched at all, and `meta/requirements.yml`.
pub(super) fn dependencies(
    role: &Path,
    around: &Around<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<Requirement>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    if let Some(node) = read(role, &MAIN, around, &mut wrong) {
        let none = Node::text("", node.span);
        for item in node.get("dependencies").unwrap_or(&none).as_list().unwrap_or_default() {
            // Names with templates are known when the play runs.
            if item.has_template() {
                continue;
            }
            match requirements::role(item, around) {
                Ok((role, _)) => found.push(role),
                Err(error) => wrong.push(error),
            }
        }
    }
    if let Some(node) = read(role, &REQUIREMENTS, around, &mut wrong)
        && !node.is_null()
    {
        requirements::document(&node, around, &mut found, &mut wrong, 0);
    }
    // A plain name is a role of the project: ansible-galaxy passes it over too. So it does not know roles of collections.
    found.retain(|role| {
        let name = role.name.as_deref().unwrap_or_default();
        let fetched = !matches!(role.source, super::source::Source::Galaxy);
        fetched || role.sort == super::Sort::Collection || name.matches('.').count() == 1
    });
    let (errors, odd): (Vec<Diagnostic>, Vec<Diagnostic>) = wrong.into_iter().partition(Diagnostic::is_error);
    warnings.extend(odd);
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The first file of these names.
fn read(role: &Path, names: &[&str], around: &Around<'_>, wrong: &mut Vec<Diagnostic>) -> Option<Node> {
    let name = names.iter().find(|name| role.join(name).is_file())?;
    let path = role.join(name);
    let text = match crate::diag::read::read_source_text(&path) {
        Ok(text) => text,
        Err(error) => {
            wrong.push(tree::unread(&path, &error));
            return None;
        }
    };
    let of = around.by.as_deref().unwrap_or("a role");
    let file = around.add(&format!("{of}: {name}"), None, text);
    let (node, diagnostics) = load(around.sources, &file, &LoadOptions::default()).single(&file);
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    wrong.extend(diagnostics.into_iter().filter(Diagnostic::is_error));
    (!broken).then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(entries: &[(&str, &str, u32)], links: &[(&str, &str)]) -> (::tempfile::TempDir, PathBuf) {
        let dir = ::tempfile::tempdir().unwrap();
        let path = dir.path().join("role.tar");
        let mut builder = ::tar::Builder::new(std::fs::File::create(&path).unwrap());
        for (name, text, mode) in entries {
            let mut header = ::tar::Header::new_gnu();
            // `set_path` refuses what a hostile archive has.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(text.len() as u64);
            header.set_mode(*mode);
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        for (name, target) in links {
            let mut header = ::tar::Header::new_gnu();
            header.set_entry_type(::tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.into_inner().unwrap();
        (dir, path)
    }

    #[test]
    fn the_role_is_what_lies_around_the_topmost_meta() {
        let (dir, path) = pack(
            &[
                ("x-1.0/README", "r", 0o664),
                ("x-1.0/roles/inner/meta/main.yml", "{}", 0o644),
                ("x-1.0/meta/main.yml", "{}", 0o664),
                ("x-1.0/files/run", "#!", 0o775),
                ("elsewhere", "no", 0o644),
            ],
            &[("x-1.0/link", "files/run")],
        );
        let to = dir.path().join("role");
        unpack(&path, &to, "this test").unwrap();
        let mut names: Vec<String> =
            tree::walk(&to, &|_, _| false).unwrap().iter().map(|(path, _)| path.display().to_string()).collect();
        names.retain(|name| !to.join(name).is_dir());
        assert_eq!(names, ["README", "files/run", "link", "meta/main.yml", "roles/inner/meta/main.yml"]);
        let mode =
            |name: &str| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(to.join(name)).unwrap()) & 0o777;
        assert_eq!((mode("README"), mode("files/run")), (0o644, 0o755));
    }

    #[test]
    fn planted_entries_are_refused() {
        let meta = ("r/meta/main.yml", "{}", 0o644);
        let refused = |entries: &[(&str, &str, u32)], links: &[(&str, &str)]| {
            let (dir, path) = pack(entries, links);
            let to = dir.path().join("role");
            let error = unpack(&path, &to, "this test").unwrap_err();
            assert_eq!(error.code, "D0302", "{entries:?} {links:?}: {error}");
            assert!(!dir.path().join("out").exists());
        };
        refused(&[meta, ("r/../../out", "x", 0o644)], &[]);
        refused(&[meta], &[("r/l", "/etc/passwd")]);
        refused(&[meta], &[("r/l", "../out")]);
        refused(&[meta], &[("r/d/x", "../e/f"), ("r/l", "d/x/../../..")]);
    }

    #[test]
    fn claimed_sizes_fill_neither_disk_nor_memory() {
        let told = |kind: ::tar::EntryType, content: &[u8], fill: &dyn Fn(&mut ::tar::Header)| {
            let (dir, path) = pack(&[("r/meta/main.yml", "{}", 0o644)], &[]);
            let mut bytes = std::fs::read(&path).unwrap();
            // Without the end of the archive.
            bytes.truncate(1024);
            let mut header = ::tar::Header::new_gnu();
            header.set_path("r/big").unwrap();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            fill(&mut header);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(&[0; 2048]);
            std::fs::write(&path, bytes).unwrap();
            unpack(&path, &dir.path().join("role"), "this test").unwrap_err()
        };
        let sparse = told(::tar::EntryType::GNUSparse, b"", &|header| {
            let gnu = header.as_gnu_mut().unwrap();
            // 2^50 bytes, and nothing of them in the archive.
            gnu.realsize = [0x80, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0];
            gnu.sparse[0].offset = gnu.realsize;
            gnu.sparse[0].numbytes = *b"00000000000\0";
        });
        assert_eq!(sparse.code, "D0302", "{sparse}");
        let long = vec![b'a'; 2 << 20];
        for kind in [::tar::EntryType::GNULongName, ::tar::EntryType::XHeader] {
            let error = told(kind, &long, &|_| {});
            assert!(error.code == "D0301" && error.message.contains("more than 1 MiB"), "{error}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (dir, path) = pack(&[], &[("r/d", "files")]);
        let mut builder = ::tar::Builder::new(Vec::new());
        for (name, text) in [("r/d/x", "x"), ("r/meta/main.yml", "{}")] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let mut bytes = std::fs::read(&path).unwrap();
        // Without the end of the first archive.
        bytes.truncate(512);
        bytes.extend(builder.into_inner().unwrap());
        std::fs::write(&path, bytes).unwrap();
        let error = unpack(&path, &dir.path().join("role"), "this test").unwrap_err();
        assert!(error.code == "D0302" && error.message.contains("through the link"), "{error}");
    }
}
