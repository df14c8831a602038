//! The table of keywords of plays, roles, blocks, tasks and what else holds some.
//!
//! Names, places, kinds and inheritance are those of ansible-core 2.19 (`ansible-doc -t keyword`
//! and the attributes of its Play, RoleInclude, Block, Task, Handler and PlaybookInclude). The
//! checks of values are in `check`; how a value is used is the engine's.

use std::ops::BitOr;

/// A set of the things that may carry a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places(u8);

impl Places {
    /// A play.
    pub const PLAY: Self = Self(1);
    /// An entry of `roles:` or of a role's `dependencies:`.
    pub const ROLE: Self = Self(2);
    /// A block.
    pub const BLOCK: Self = Self(4);
    /// A task that calls a module, or a static import.
    pub const TASK: Self = Self(8);
    /// A handler.
    pub const HANDLER: Self = Self(16);
    /// `include_tasks` and `include_role`.
    pub const INCLUDE: Self = Self(32);
    /// `import_playbook`.
    pub const IMPORT: Self = Self(64);

    /// All places, with the words for messages.
    const NAMED: [(Self, &'static str); 7] = [
        (Self::PLAY, "a play"),
        (Self::ROLE, "a role"),
        (Self::BLOCK, "a block"),
        (Self::TASK, "a task"),
        (Self::HANDLER, "a handler"),
        (Self::INCLUDE, "an include"),
        (Self::IMPORT, "`import_playbook`"),
    ];

    /// True if all of `other` are in here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `a play, a block or a task`.
    pub fn describe(self) -> String {
        let names: Vec<&str> =
            Self::NAMED.iter().filter(|(place, _)| self.contains(*place)).map(|(_, name)| *name).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

impl BitOr for Places {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The kind of a keyword's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordType {
    /// Text; numbers and booleans are turned into it.
    Str,
    /// A boolean, also as Ansible's words for it.
    Bool,
    /// A whole number, also as text.
    Int,
    /// A number.
    Float,
    /// A number, `%` may follow.
    Percent,
    /// A list of text; a single one stands for a list.
    Names,
    /// A list; a single value stands for a list of one.
    List,
    /// A list, or a template that gives one.
    Loop,
    /// A condition: boolean, expression, or a list of them.
    Condition,
    /// A mapping.
    Mapping,
    /// A mapping with variable names as keys.
    Vars,
    /// A mapping or a list of mappings.
    Mappings,
    /// The name of a variable to be made.
    Variable,
    /// Tasks and blocks.
    Tasks,
    /// Entries of `roles:`.
    Roles,
    /// Anything.
    Any,
}

/// How a keyword reaches what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// Not at all.
    No,
    /// The nearest one counts.
    Nearest,
    /// All along the chain add up.
    Extend,
}

/// One keyword.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub places: Places,
    /// What it holds.
    pub kind: KeywordType,
    /// Its value may be a template.
    pub templatable: bool,
    /// How it is inherited.
    pub inherit: Inherit,
    /// One line.
    pub doc: &'static str,
}

const fn union(places: &[Places]) -> Places {
    let mut all = 0;
    let mut index = 0;
    while index < places.len() {
        all |= places[index].0;
        index += 1;
    }
    Places(all)
}

const PLAY: Places = Places::PLAY;
const BLOCK: Places = Places::BLOCK;
const ROLE: Places = Places::ROLE;
const IMPORT: Places = Places::IMPORT;
/// Tasks and handlers, not includes.
const TASKS: Places = union(&[Places::TASK, Places::HANDLER]);
/// Tasks, handlers and includes.
const TASKS_AND_INCLUDES: Places = union(&[TASKS, Places::INCLUDE]);
/// Ansible's `Base`, as far as includes do not take it.
const BASE: Places = union(&[PLAY, ROLE, BLOCK, TASKS, IMPORT]);
/// Ansible's `Base`, includes too.
const BASE_AND_INCLUDES: Places = union(&[BASE, Places::INCLUDE]);
/// What may have a condition.
const CONDITIONAL: Places = union(&[ROLE, BLOCK, TASKS_AND_INCLUDES, IMPORT]);
/// What may be delegated.
const DELEGATABLE: Places = union(&[ROLE, BLOCK, TASKS]);

const fn word(name: &'static str, places: Places, kind: KeywordType, inherit: Inherit, doc: &'static str) -> Keyword {
    Keyword { name, places, kind, templatable: true, inherit, doc }
}

const fn fixed(name: &'static str, places: Places, kind: KeywordType, inherit: Inherit, doc: &'static str) -> Keyword {
    Keyword { name, places, kind, templatable: false, inherit, doc }
}

use Inherit::{Extend, Nearest, No};
use KeywordType as K;

/// Every keyword, in alphabetical order. Loops by lookup (`with_items`) are in [`LOOPS`].
pub const KEYWORDS: &[Keyword] = &[
    fixed("action", TASKS_AND_INCLUDES, K::Any, No, "the module to call, with its arguments as text"),
    fixed("always", BLOCK, K::Tasks, No, "tasks that run whatever happened in the block"),
    word("any_errors_fatal", BASE, K::Bool, Nearest, "an error on one host ends the play for all hosts"),
    word("args", TASKS_AND_INCLUDES, K::Mapping, No, "more arguments of the module"),
    word("async", TASKS, K::Int, No, "run in the background, at most so many seconds"),
    word("become", BASE, K::Bool, Nearest, "become another user for the task"),
    word("become_exe", BASE, K::Str, Nearest, "the program that becomes another user"),
    word("become_flags", BASE, K::Str, Nearest, "flags of the program that becomes another user"),
    word("become_method", BASE, K::Str, Nearest, "how to become another user, such as sudo"),
    word("become_user", BASE, K::Str, Nearest, "the user to become"),
    fixed("block", BLOCK, K::Tasks, No, "the block's tasks"),
    word("changed_when", TASKS, K::Condition, No, "when the task counts as changed"),
    word("check_mode", BASE, K::Bool, Nearest, "run the task in check mode, or never in it"),
    fixed(
        "collections",
        union(&[PLAY, ROLE, BLOCK, TASKS_AND_INCLUDES]),
        K::Names,
        Nearest,
        "collections to search for modules and roles",
    ),
    word("connection", BASE, K::Str, Nearest, "how the host is reached, such as ssh or local"),
    word("debugger", BASE_AND_INCLUDES, K::Str, Nearest, "when to start the debugger"),
    word("delay", TASKS, K::Float, No, "seconds between retries"),
    word("delegate_facts", DELEGATABLE, K::Bool, Nearest, "facts belong to the host the task is delegated to"),
    word("delegate_to", DELEGATABLE, K::Str, Nearest, "run the task on that host instead"),
    word("diff", BASE, K::Bool, Nearest, "show differences"),
    word("environment", BASE, K::Mappings, Extend, "environment variables for the task on the host"),
    word("fact_path", PLAY, K::Str, No, "folder with the hosts' own facts"),
    word("failed_when", TASKS, K::Condition, No, "when the task counts as failed"),
    word("force_handlers", PLAY, K::Bool, No, "run notified handlers also on hosts that failed"),
    word("gather_facts", PLAY, K::Bool, No, "gather facts at the play's start"),
    word("gather_subset", PLAY, K::Names, No, "which facts to gather"),
    word("gather_timeout", PLAY, K::Int, No, "seconds to gather facts"),
    fixed("handlers", PLAY, K::Tasks, No, "tasks that run when they are notified"),
    word("hosts", PLAY, K::Names, No, "host patterns: where the play runs"),
    word("ignore_errors", BASE_AND_INCLUDES, K::Bool, Nearest, "go on after a failure of the task"),
    word("ignore_unreachable", BASE, K::Bool, Nearest, "go on when the host cannot be reached"),
    word("import_playbook", IMPORT, K::Str, No, "the playbook to import"),
    fixed("listen", Places::HANDLER, K::Names, No, "topics that notify the handler"),
    fixed("local_action", TASKS, K::Any, No, "like `action`, run on the controller"),
    word("loop", TASKS_AND_INCLUDES, K::Loop, No, "run the task once for each item"),
    fixed("loop_control", TASKS_AND_INCLUDES, K::Mapping, No, "names and pace of the loop"),
    word("max_fail_percentage", PLAY, K::Percent, No, "end the play when more hosts than that failed"),
    word("module_defaults", BASE, K::Mappings, Extend, "default arguments by module"),
    word("name", BASE_AND_INCLUDES, K::Str, No, "what it is, for people"),
    word("no_log", BASE_AND_INCLUDES, K::Bool, Nearest, "show neither arguments nor results"),
    word("notify", union(&[BLOCK, TASKS]), K::Names, Nearest, "handlers to run if the task changed something"),
    word("order", PLAY, K::Str, No, "order of hosts: inventory, sorted, reverse_sorted, reverse_inventory, shuffle"),
    word("poll", TASKS, K::Int, No, "seconds between looks at a background task"),
    word("port", BASE, K::Int, Nearest, "the port of the connection"),
    fixed("post_tasks", PLAY, K::Tasks, No, "tasks after `tasks`"),
    fixed("pre_tasks", PLAY, K::Tasks, No, "tasks before `roles`"),
    fixed("register", TASKS_AND_INCLUDES, K::Variable, No, "the variable that gets the result"),
    word("remote_user", BASE, K::Str, Nearest, "the user to log in as"),
    fixed("rescue", BLOCK, K::Tasks, No, "tasks that run when one of the block failed"),
    word("retries", TASKS, K::Int, No, "how often to try again"),
    word("role", ROLE, K::Str, No, "the role's name"),
    fixed("roles", PLAY, K::Roles, No, "roles to run before `tasks`"),
    word("run_once", BASE_AND_INCLUDES, K::Bool, Nearest, "run on the first host only"),
    word("serial", PLAY, K::List, No, "how many hosts at a time"),
    word("strategy", PLAY, K::Str, No, "linear or free"),
    word("tags", BASE_AND_INCLUDES, K::Names, Extend, "names for choosing tasks on the command line"),
    fixed("tasks", PLAY, K::Tasks, No, "the play's tasks"),
    word("throttle", BASE, K::Int, Nearest, "at most so many hosts at once"),
    word("timeout", BASE_AND_INCLUDES, K::Int, Nearest, "seconds until the task is ended"),
    word("until", TASKS, K::Condition, No, "try again until this holds"),
    word("user", PLAY, K::Str, Nearest, "old name of `remote_user`"),
    word("vars", BASE_AND_INCLUDES, K::Vars, No, "variables"),
    word("vars_files", PLAY, K::List, No, "files with variables"),
    fixed("vars_prompt", PLAY, K::Any, No, "variables to ask for"),
    word("when", CONDITIONAL, K::Condition, Extend, "run only if this holds"),
];

/// Loops by lookup: ansible-core's lookups and those of collections that came out of it.
pub const LOOPS: &[&str] = &[
    "with_cartesian",
    "with_config",
    "with_csvfile",
    "with_dict",
    "with_env",
    "with_file",
    "with_fileglob",
    "with_first_found",
    "with_flattened",
    "with_indexed_items",
    "with_ini",
    "with_inventory_hostnames",
    "with_items",
    "with_lines",
    "with_list",
    "with_nested",
    "with_password",
    "with_pipe",
    "with_random_choice",
    "with_sequence",
    "with_subelements",
    "with_template",
    "with_together",
    "with_unvault",
    "with_url",
    "with_varnames",
    "with_vars",
];

/// Keys of `loop_control`.
pub const LOOP_CONTROL: &[(&str, KeywordType)] = &[
    ("loop_var", K::Variable),
    ("index_var", K::Variable),
    ("label", K::Any),
    ("pause", K::Float),
    ("extended", K::Bool),
    ("extended_allitems", K::Bool),
    ("break_when", K::Condition),
];

/// Keys of an entry of `vars_prompt`.
pub const VARS_PROMPT: &[(&str, KeywordType)] = &[
    ("name", K::Variable),
    ("prompt", K::Str),
    ("default", K::Any),
    ("private", K::Bool),
    ("confirm", K::Bool),
    ("encrypt", K::Str),
    ("salt_size", K::Int),
    ("salt", K::Str),
    ("unsafe", K::Bool),
];

/// The keyword of a name.
pub fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.binary_search_by(|keyword| keyword.name.cmp(name)).ok().map(|index| &KEYWORDS[index])
}

/// The static name of a `with_X` key; the collection before X is dropped (`with_ansible.builtin.items`).
pub fn find_loop(name: &str) -> Option<&'static str> {
    let lookup = name.strip_prefix("with_")?;
    let short = ["ansible.builtin.", "ansible.legacy.", "community.general."]
        .iter()
        .find_map(|prefix| lookup.strip_prefix(prefix))
        .unwrap_or(lookup);
    LOOPS.iter().copied().find(|known| known.strip_prefix("with_") == Some(short))
}

/// The names that may stand at a place.
pub fn names_at(place: Places) -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().filter(move |keyword| keyword.places.contains(place)).map(|keyword| keyword.name)
}

/// A name that can be a variable: letters, digits and `_`, not a digit first, no constant of Jinja.
/// Words that Python keeps for itself are names, as for ansible-core 2.19.
pub fn is_variable_name(name: &str) -> bool {
    const RESERVED: &[&str] = &["False", "None", "True", "false", "none", "not", "true"];
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found_by_name() {
        assert!(KEYWORDS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for keyword in KEYWORDS {
            assert_eq!(find(keyword.name).map(|found| found.name), Some(keyword.name));
        }
    }

    #[test]
    fn has_the_attributes_of_ansible_core_2_19() {
        let check = |place, expected: &str| {
            let found: Vec<&str> = names_at(place).collect();
            assert_eq!(found, expected.split_whitespace().collect::<Vec<_>>());
        };
        // From the classes' `fattributes`; a play also takes `user`, a task `local_action`.
        check(
            Places::PLAY,
            "any_errors_fatal become become_exe become_flags become_method become_user check_mode \
             collections connection debugger diff environment fact_path force_handlers gather_facts \
             gather_subset gather_timeout handlers hosts ignore_errors ignore_unreachable \
             max_fail_percentage module_defaults name no_log order port post_tasks pre_tasks remote_user \
             roles run_once serial strategy tags tasks throttle timeout user vars vars_files vars_prompt",
        );
        check(
            Places::ROLE,
            "any_errors_fatal become become_exe become_flags become_method become_user check_mode \
             collections connection debugger delegate_facts delegate_to diff environment ignore_errors \
             ignore_unreachable module_defaults name no_log port remote_user role run_once tags throttle \
             timeout vars when",
        );
        check(
            Places::BLOCK,
            "always any_errors_fatal become become_exe become_flags become_method become_user block \
             check_mode collections connection debugger delegate_facts delegate_to diff environment \
             ignore_errors ignore_unreachable module_defaults name no_log notify port remote_user rescue \
             run_once tags throttle timeout vars when",
        );
        check(
            Places::TASK,
            "action any_errors_fatal args async become become_exe become_flags become_method become_user \
             changed_when check_mode collections connection debugger delay delegate_facts delegate_to diff \
             environment failed_when ignore_errors ignore_unreachable local_action loop loop_control \
             module_defaults name no_log notify poll port register remote_user retries run_once tags \
             throttle timeout until vars when",
        );
        check(
            Places::HANDLER,
            "action any_errors_fatal args async become become_exe become_flags become_method become_user \
             changed_when check_mode collections connection debugger delay delegate_facts delegate_to diff \
             environment failed_when ignore_errors ignore_unreachable listen local_action loop loop_control \
             module_defaults name no_log notify poll port register remote_user retries run_once tags \
             throttle timeout until vars when",
        );
        check(
            Places::IMPORT,
            "any_errors_fatal become become_exe become_flags become_method become_user check_mode connection \
             debugger diff environment ignore_errors ignore_unreachable import_playbook module_defaults name \
             no_log port remote_user run_once tags throttle timeout vars when",
        );
        check(
            Places::INCLUDE,
            "action args collections debugger ignore_errors loop loop_control name no_log register run_once \
             tags timeout vars when",
        );
    }

    #[test]
    fn names_places_in_words() {
        assert_eq!((Places::PLAY | Places::BLOCK | Places::TASK).describe(), "a play, a block or a task");
        assert_eq!(Places::PLAY.describe(), "a play");
    }

    #[test]
    fn loops_lose_their_collection() {
        assert_eq!(find_loop("with_ansible.builtin.items"), Some("with_items"));
        assert_eq!(find_loop("with_itms"), None);
        assert_eq!(find_loop("items"), None);
    }

    #[test]
    fn variable_names_are_identifiers() {
        let check = |name, expected| assert_eq!(is_variable_name(name), expected, "{name}");
        check("a_1", true);
        check("1a", false);
        check("a-b", false);
        check("class", true);
        check("as", true);
        check("none", false);
        check("not", false);
        check("", false);
    }
}
