//! X: defects of hostctl.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "X0001",
        title: "a defect of hostctl",
        text: "An invariant of the program did not hold. Where that was in a template or in a task, the task fails on that host \
               (`rescue` and `ignore_errors` take it as any other failure) and the run goes on. Please report it with the \
               playbook that shows it.",
    },
    CodeEntry {
        code: "X0002",
        title: "a module crashed",
        text: "The module's code panicked; the agent caught it and goes on. Please report it with the task that shows it.",
    },
];
