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
    CodeEntry {
        code: "E0101",
        title: "the working folder cannot be read",
        text: "hostctl looks for the project in the working folder and its parents. That folder was removed, or may not be read: change into another, or name the project with `--project DIR`.",
    },
    CodeEntry {
        code: "E0106",
        title: "a variable that is not set",
        text: "`hostctl env show --var` names a variable that neither the environment nor its parents set.",
    },
    CodeEntry {
        code: "E0301",
        title: "a variable without effect",
        text: "The variables of an environment rank just below `-e`, so one of the same name in a play, a role's `vars` or a `set_fact` is hidden. Remove one of the two, or override it with `-e`.",
    },
];
