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
        title: "no project",
        text: "`--env` needs a project: a folder that holds `environments/`. hostctl looks in the working folder and its parents, then beside the playbook; `--project DIR` names it.",
    },
    CodeEntry {
        code: "E0102",
        title: "an unknown environment",
        text: "There is no folder of that name below `environments/`. `hostctl env list` shows those that there are.",
    },
    CodeEntry {
        code: "E0103",
        title: "environments are parents of each other",
        text: "The `parents` of `environment.yml` lead back to where they began. The message shows the chain; remove one of its links.",
    },
    CodeEntry {
        code: "E0104",
        title: "a variable file is no mapping",
        text: "Files below `environments/NAME/vars/` hold one mapping of names to values.",
    },
    CodeEntry {
        code: "E0105",
        title: "secrets in clear",
        text: "`secrets.yml` must be a vault: names in clear, values sealed. Make one with `hostctl vault init --env NAME` and fill it with `hostctl vault set`.",
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
