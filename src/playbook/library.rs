//! Modules of one's own: executables in `library/` beside the playbook or in a role.
//!
//! Any language that the host can run. What needs Ansible's own Python code is no such program.

use std::path::{Path, PathBuf};

use super::model::{Context, ContextKind};
use super::parse::playbook_dir;

/// Endings that Ansible does not take for modules.
const NO_PROGRAMS: &[&str] =
    &["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "yaml", "yml", "ini", "json", "ps1", "orig", "ver"];

/// The folders that hold modules for a place of a playbook: of roles from the inside out, then the playbook's.
pub(super) fn folders(context: &Context) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut add = |folder: PathBuf| {
        if folder.is_dir() && !found.contains(&folder) {
            found.push(folder);
        }
    };
    for context in context.chain() {
        if let ContextKind::Role(role) = &context.kind {
            add(role.path.join("library"));
        }
    }
    add(playbook_dir(context).join("library"));
    found
}

/// The program of a module's name.
pub(super) fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let name = name.strip_prefix("ansible.legacy.").unwrap_or(name);
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    for folder in folders {
        let exact = folder.join(name);
        if exact.is_file() {
            return runs_alone(&exact).then_some(exact);
        }
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let fits = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            path.file_stem().is_some_and(|stem| stem == name) && !NO_PROGRAMS.contains(&ending) && path.is_file()
        };
        if let Some(path) = paths.into_iter().find(fits) {
            return runs_alone(&path).then_some(path);
        }
    }
    None
}

/// True if a file is a program by itself: binary, or a script that does not use Ansible's Python code.
pub(super) fn runs_alone(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    if bytes.iter().take(1024).any(|byte| *byte == 0) {
        return true;
    }
    let text = String::from_utf8_lossy(&bytes);
    let needs = [
        "ansible.module_utils",
        "ansible_collections.",
        "<<INCLUDE_ANSIBLE_MODULE_COMMON>>",
        "#Requires -Module Ansible",
    ];
    text.starts_with("#!") && !needs.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_pythons_modules_are_not() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("write");
        write("a.sh", "#!/bin/sh\n");
        write("b", "\u{7f}ELF\0");
        write("c.py", "#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n");
        write("d.py", "#!/usr/bin/python\n# WANT_JSON\n");
        write("e.md", "#!/bin/sh\n");
        let folders = [folder.path().to_path_buf()];
        let found = |name: &str| {
            find(&folders, name).and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        };
        assert_eq!(found("a").as_deref(), Some("a.sh"));
        assert_eq!(found("ansible.legacy.b").as_deref(), Some("b"));
        assert_eq!(found("d").as_deref(), Some("d.py"));
        assert_eq!((found("c"), found("e"), found("../a"), found("a.sh")), (None, None, None, None));
    }
}
