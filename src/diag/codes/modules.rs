//! M: modules and their arguments.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "M0001",
        title: "arguments that do not fit the module",
        text: "The arguments passed the checks of the module's table and still could not be read. The message \
               names the argument and what was expected. `hostctl doc MODULE` lists all arguments with their types.",
    },
    CodeEntry {
        code: "M0002",
        title: "unknown argument",
        text: "The module has no argument of this name. The hint is the nearest name that it has; \
               `hostctl doc MODULE` lists all of them. A frequent cause is a task keyword (`when`, `become`) \
               that is indented too far and so stands among the module's arguments.",
    },
    CodeEntry {
        code: "M0003",
        title: "missing argument",
        text: "The module cannot work without this argument. `hostctl doc MODULE` shows an example.",
    },
    CodeEntry {
        code: "M0004",
        title: "argument of the wrong type",
        text: "The value cannot be turned into what the argument takes. Booleans are `true`, `false`, `yes`, `no`, \
               `on`, `off`, 1 and 0; integers may be written as text; lists may be text with commas; mappings may be \
               `a=1 b=2` or JSON. File modes are best written as quoted octal text, `'0644'`: YAML reads a number \
               without leading zero as decimal.",
    },
    CodeEntry {
        code: "M0005",
        title: "value that is not among the choices",
        text: "The argument takes only the listed values. They are compared exactly, in upper and lower case too.",
    },
    CodeEntry {
        code: "M0006",
        title: "arguments that exclude each other",
        text: "Only one of the named arguments may be given. Remove the others, or write two tasks.",
    },
    CodeEntry {
        code: "M0007",
        title: "one of several arguments is needed",
        text: "The module needs at least one of the named arguments to know what to do.",
    },
    CodeEntry {
        code: "M0008",
        title: "arguments that are needed together",
        text: "These arguments make sense only together: give all of them, or none.",
    },
    CodeEntry {
        code: "M0009",
        title: "argument needed for this value of another",
        text: "With this value of the one argument the module needs the other one too.",
    },
    CodeEntry {
        code: "M0010",
        title: "argument that hostctl does not support",
        text: "Ansible's module has this argument and hostctl refuses it, for the reason in the message, instead of \
               accepting and ignoring it.",
    },
    CodeEntry {
        code: "M0011",
        title: "one argument under two names",
        text: "An argument and one of its aliases are both given. Keep one.",
    },
    CodeEntry {
        code: "M0012",
        title: "a deprecated argument",
        text: "A later release of ansible-core will not take this argument, or not in this form. It still works here. \
               `deprecation_warnings = False` in `ansible.cfg`, or `ANSIBLE_DEPRECATION_WARNINGS=False`, turns the \
               warning off; the registered result holds it under `deprecations` anyway.",
    },
];
