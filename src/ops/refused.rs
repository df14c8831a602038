//! The exit code with which ansible-playbook ends on what hostctl refuses before a run.
//!
//! Ansible meets the first mistake that its way through the playbook leads to: it reads everything, then begins plays,
//! then runs tasks, and each has codes of its own. `tests/oracle/refused_codes` holds this table to ansible-core.

use crate::diag::{Diagnostic, ExitCode, Kind, Subject};

/// When Ansible meets a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    /// While it reads inventories, playbooks, roles and imports.
    Reading,
    /// When a play begins.
    Play,
    /// When a task runs: hosts fail.
    Task,
}

/// The code for errors that end everything before a run.
pub fn refused_code(errors: &[Diagnostic]) -> ExitCode {
    let errors = errors.iter().filter(|error| error.is_error());
    errors.map(met).min_by_key(|(when, _)| *when).map_or(ExitCode::Unreachable, |(_, code)| code)
}

/// Keywords of a task or play that are looked at when hosts come to it.
const OF_TASKS: [&str; 11] =
    ["async", "become", "check_mode", "delay", "loop", "no_log", "poll", "port", "retries", "run_once", "timeout"];

/// True of files of variables beside an inventory or a playbook that no password opens.
fn of_inventory(error: &Diagnostic) -> bool {
    matches!(error.subject, Some(Subject::SealedForGroup(_) | Subject::SealedForHost(_)))
}

fn met(error: &Diagnostic) -> (Met, ExitCode) {
    let name = error.name();
    let of_meta = matches!(&error.subject, Some(Subject::Argument { module: "meta", .. }));
    match &*error.code {
        _ if error.kind == Kind::Task => (Met::Task, ExitCode::HostFailed),
        "P0106" if name == "register" => (Met::Reading, ExitCode::Unreachable),
        // Roles, files and handlers that are not there, names that cannot be.
        "I0009" | "I0013" | "I0014" | "I0015" | "P0106" | "P0307" | "P0401" | "P0404" | "P0501" | "P0503" => {
            (Met::Reading, ExitCode::Error)
        }
        "P0214" => (Met::Reading, ExitCode::Error),
        "P0104" if error.subject == Some(Subject::Loop) => (Met::Reading, ExitCode::Error),
        "P0403" if error.subject == Some(Subject::Role) => (Met::Reading, ExitCode::Error),
        // A sealed file is no text that could be wrong; one of a group or host is read as a part of the inventory.
        "V0102" | "V0103" if !of_inventory(error) => (Met::Reading, ExitCode::Error),
        // Python's own limit of depth.
        "P0403" => (Met::Reading, ExitCode::Internal),
        "P0103" if matches!(name, "notify" | "tags") => (Met::Reading, ExitCode::Error),
        "M0003" | "M0005" if of_meta => (Met::Reading, ExitCode::Error),
        "C0118" | "I0012" | "P0140" => (Met::Play, ExitCode::Error),
        "P0141" => (Met::Play, ExitCode::Internal),
        "P0103" if name == "order" => (Met::Play, ExitCode::Usage),
        "P0303" | "P0151" => (Met::Task, ExitCode::Error),
        "P0103" if name == "throttle" => (Met::Task, ExitCode::Error),
        "P0103" if OF_TASKS.contains(&name) => (Met::Task, ExitCode::HostFailed),
        "P0110" | "P0111" | "P0152" | "P0213" | "P0301" => (Met::Task, ExitCode::HostFailed),
        code if code.starts_with(['M', 'T', 'H', 'S']) => (Met::Task, ExitCode::HostFailed),
        _ => (Met::Reading, ExitCode::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_first_gives_the_code() {
        let task = Diagnostic::source("M0002", "unknown argument");
        let read = Diagnostic::source("P0501", "no role");
        let warning = Diagnostic::source("Y0001", "x").warning();
        assert_eq!(refused_code(&[task.clone(), warning.clone()]), ExitCode::HostFailed);
        assert_eq!(refused_code(&[task, read]), ExitCode::Error);
        assert_eq!(refused_code(&[warning]), ExitCode::Unreachable);
        let mut included = Diagnostic::source("P0401", "no file");
        included.kind = Kind::Task;
        assert_eq!(refused_code(&[included]), ExitCode::HostFailed);
        let sealed = Diagnostic::new("V0103", Kind::Vault, "no password");
        assert_eq!(refused_code(std::slice::from_ref(&sealed)), ExitCode::Error);
        let of_group = sealed.with_subject(Subject::SealedForGroup("all".to_owned()));
        assert_eq!(refused_code(&[of_group]), ExitCode::Unreachable);
        let order = Diagnostic::source("P0103", "`order` knows no `x`").with_subject(Subject::Name("order".to_owned()));
        assert_eq!(refused_code(&[order]), ExitCode::Usage);
    }
}
