//! R: runs, journal, logs.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "R0101",
        title: "the record of a run cannot be written",
        text: "Each run keeps its record below `.hostctl/runs/` in the project. HOSTCTL_STATE_DIR names another place.",
    },
    CodeEntry {
        code: "R0102",
        title: "the record of this run is incomplete",
        text: "A file below `.hostctl/runs/` could not be written, most often because the disk is full. The run goes on; if all else is well it ends with exit code 1. HOSTCTL_STATE_DIR names another place for records.",
    },
    CodeEntry {
        code: "R0201",
        title: "no such run",
        text: "`hostctl log` shows the newest run, or the one whose id contains the given text.",
    },
    CodeEntry {
        code: "R0202",
        title: "a record cannot be read",
        text: "The file of that run or image is missing or not readable.",
    },
    CodeEntry {
        code: "R0203",
        title: "no run to go on with",
        text: "`--resume` goes on with a run of the same playbook that was cut off or failed: the tag stays, and images that were finished are neither built nor pushed again. A run that goes on, has ended well, or was one of another playbook is refused.",
    },
    CodeEntry {
        code: "R0204",
        title: "an earlier run is unfinished",
        text: "The last run of this playbook was cut off while it built images. This run starts anew, with a new tag. `--resume` would go on with the old one; what still builds on a host is shown by `hostctl attach`.",
    },
    CodeEntry {
        code: "R0205",
        title: "nothing to come back to",
        text: "`hostctl attach` comes back to image builds whose end a run did not see, since its connection was lost or it was killed. This run left none, or its record does not say how it was started.",
    },
    CodeEntry {
        code: "R0301",
        title: "no task of that name",
        text: "`--start-at-task` names a task that the playbooks do not have, so nothing was run. Names may hold `*` and `?`.",
    },
    CodeEntry {
        code: "R0302",
        title: "the run was interrupted",
        text: "What runs is ended in order, nothing more is started, and the exit code is 99. A second interrupt ends hostctl at once.",
    },
    CodeEntry {
        code: "R0303",
        title: "a task for all hosts in a play whose hosts do not wait",
        text: "`add_host` and `pause` are done once for all hosts. With `strategy: free` or `host_pinned` no host waits for the others, so Ansible ends the run there, whatever `when` and `ignore_errors` say; so does hostctl.",
    },
];
