//! H: a task's failure on a host.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "H0101",
        title: "a file operation failed on the host",
        text: "The operating system refused to read, write or change a file. The message has the path and the \
               system's reason. `Permission denied` usually means that the task needs `become: true`; `Read-only file \
               system` and `No space left on device` are conditions of the host.",
    },
    CodeEntry {
        code: "H0102",
        title: "a program that a module ran has failed",
        text: "The module ran a program of the host and it ended with an error. The notes have the argument vector, \
               the exit code and its last lines: the same command can be run by hand.",
    },
    CodeEntry {
        code: "H0103",
        title: "a program is missing on the host or cannot be started",
        text: "The program is not in PATH (nor in the sbin folders), or this user may not execute it.",
    },
    CodeEntry {
        code: "H0104",
        title: "a program took longer than the task's timeout",
        text: "The program and all its children were stopped. Raise `timeout` of the task, or find out what it waits for.",
    },
    CodeEntry {
        code: "H0105",
        title: "a program was ended by an interruption",
        text: "The run was interrupted, so the program and all its children were stopped.",
    },
];
