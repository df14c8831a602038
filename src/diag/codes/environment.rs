//! E: projects and environments.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "E0001",
        title: "no project",
        text: "`--env NAME` looks for the nearest parent folder that holds `environments/`. Change into the project, or name it with `--project FOLDER`.",
    },
    CodeEntry {
        code: "E0002",
        title: "no such environment",
        text: "The project has no `environments/NAME/`. `hostctl env list` shows those that it has.",
    },
    CodeEntry {
        code: "E0003",
        title: "environments in a circle",
        text: "An environment is its own parent by the chain that the message shows.",
    },
    CodeEntry {
        code: "E0004",
        title: "a parent that does not exist",
        text: "`parents` in `environment.yml` names folders beside it.",
    },
    CodeEntry {
        code: "E0005",
        title: "an environment that cannot be read",
        text: "A file or folder of the environment may not be read.",
    },
    CodeEntry {
        code: "E0006",
        title: "not a name for an environment",
        text: "The name is that of a folder in `environments/`: no slashes, not `.` or `..`.",
    },
];
