//! P: playbooks, roles, keywords, includes.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "P0002",
        title: "a playbook is a list of plays",
        text: "A playbook file holds a YAML list; each entry is a play (`- hosts: web`) or an `import_playbook`. An empty file or a single mapping is none.",
    },
    CodeEntry {
        code: "P0003",
        title: "a play is a mapping",
        text: "Each entry of a playbook is a mapping with at least `hosts`:\n\n    - hosts: all\n      tasks: []",
    },
    CodeEntry {
        code: "P0004",
        title: "a play without `hosts`",
        text: "Every play says on which hosts it runs: `hosts: all`, a group, a host, or a pattern such as `web:!db`. Use `hosts: localhost` for work on this machine.",
    },
    CodeEntry {
        code: "P0101",
        title: "unknown keyword",
        text: "Plays, blocks, roles and tasks know a fixed set of keywords, those of ansible-core 2.19. A key that is neither a keyword nor a module is most often a slip of the pen, or stands at the wrong indentation.",
    },
    CodeEntry {
        code: "P0102",
        title: "keyword in the wrong place",
        text: "The keyword exists, but not here: `hosts` belongs to plays, `register` to tasks, `rescue` to blocks. Often the line is indented one step too far, or not enough.",
    },
    CodeEntry {
        code: "P0103",
        title: "wrong kind of value for a keyword",
        text: "The keyword wants another kind of value: a boolean, a number, a list, a mapping. Values with templates are checked when they are rendered.",
    },
    CodeEntry {
        code: "P0104",
        title: "two keywords that exclude each other",
        text: "For example `loop` and `with_items` in one task, or `action` and `local_action`. Keep one.",
    },
    CodeEntry {
        code: "P0105",
        title: "unknown loop",
        text: "`with_X` runs the lookup X. The name after `with_` is no lookup, or there is nothing to loop over. `loop` with a list, a filter or `query(...)` does the same.",
    },
    CodeEntry {
        code: "P0106",
        title: "not a name for a variable",
        text: "Names of variables start with a letter or `_` and go on with letters, digits and `_`. Words of Python and Jinja such as `class`, `not` or `true` cannot be used.",
    },
    CodeEntry {
        code: "P0110",
        title: "a keyword needs a boolean",
        text: "Keywords such as `become` and `run_once` take true or false, or a template that gives one.",
    },
    CodeEntry {
        code: "P0111",
        title: "a keyword needs a number",
        text: "`retries`, `delay` and the like take a number, or a template that gives one.",
    },
    CodeEntry {
        code: "P0120",
        title: "a variable file does not exist",
        text: "`vars_files` are looked for in `vars/` beside the playbook and in its folder. An entry that is a list names alternatives; the first that exists counts. \
         As with Ansible, a run goes on without it.",
    },
    CodeEntry {
        code: "P0121",
        title: "an entry of vars_files is left out for now",
        text: "The name of the file holds something that is not defined. Names may depend on facts: such an entry is read again \
         once the host's facts are known; if its name is undefined then, the host fails.",
    },
    CodeEntry {
        code: "P0130",
        title: "includes are nested too deeply",
        text: "A file probably includes itself, and its condition never ends that.",
    },
    CodeEntry {
        code: "P0140",
        title: "an unknown strategy",
        text: "`strategy` is `linear` (hosts stay at the same task), `free` or `host_pinned`.",
    },
    CodeEntry {
        code: "P0141",
        title: "a wrong `serial`",
        text: "`serial` is a number of hosts, a percentage, or a list of those for batches that grow.",
    },
    CodeEntry {
        code: "P0150",
        title: "a loop variable hides another variable",
        text: "Inside the loop the name means the item. Give the loop a name of its own with `loop_control: {loop_var: NAME}`.",
    },
    CodeEntry {
        code: "P0151",
        title: "an unknown handler",
        text: "`notify` names neither a handler nor a topic that one listens to. Names must match exactly; `ROLE : NAME` is accepted too.",
    },
    CodeEntry {
        code: "P0152",
        title: "a loop over something that is no list",
        text: "`loop` needs a list. `with_items` flattens one level, `dict2items` makes a list of a mapping.",
    },
    CodeEntry {
        code: "P0153",
        title: "arguments that are no mapping",
        text: "A template in the place of a module's arguments must give a mapping.",
    },
    CodeEntry {
        code: "P0154",
        title: "an environment that is no mapping",
        text: "The keyword `environment` takes a mapping of names to values, or a list of those.",
    },
    CodeEntry {
        code: "P0155",
        title: "an include without a name",
        text: "`include_tasks` needs a file, `include_role` needs `name`.",
    },
    CodeEntry {
        code: "P0156",
        title: "an unknown `meta` action",
        text: "`meta` knows flush_handlers, end_host, end_play, end_batch, end_role, clear_facts, clear_host_errors, reset_connection, refresh_inventory and noop.",
    },
    CodeEntry {
        code: "P0157",
        title: "a variable of `vars_prompt` that nobody was asked for",
        text: "Variables of `vars_prompt` are asked for when standard input is a terminal. Without one a variable takes its default (`None` as text if it has none), or the value that `-e NAME=VALUE` gives.",
    },
    CodeEntry {
        code: "P0158",
        title: "a template that gives no module's name",
        text: "The name in `action:` or `module:` may be a template; on each host it must give the name of a module, or of a dynamic include. Imports are resolved before the run, and a template is rendered once.",
    },
    CodeEntry {
        code: "P0159",
        title: "an answer that was not confirmed",
        text: "An entry of `vars_prompt` with `confirm: true` is asked for twice, until both answers are the same.",
    },
    CodeEntry {
        code: "P0160",
        title: "`delegate_to` that names no host",
        text: "`delegate_to` is empty once it is rendered. The task fails instead of running on its own host; Ansible does the same.",
    },
    CodeEntry {
        code: "P0201",
        title: "tasks are a list",
        text: "`tasks`, `handlers`, `block` and task files hold a list: each task starts with `- `.",
    },
    CodeEntry {
        code: "P0202",
        title: "unknown module",
        text: "No module has this name. Short names (`copy`), full names (`ansible.builtin.copy`) and the names of hostctl's own modules are accepted; `hostctl doc` lists them.",
    },
    CodeEntry {
        code: "P0203",
        title: "a block that calls a module",
        text: "A task with `block` holds other tasks and calls no module itself. Make the module a task inside of the block.",
    },
    CodeEntry {
        code: "P0204",
        title: "a task without a module",
        text: "The task has keywords only. Every task calls one module, for example `command: uptime`.",
    },
    CodeEntry {
        code: "P0205",
        title: "a task with two modules",
        text: "A task calls one module. Often the `- ` in front of the second task is missing.",
    },
    CodeEntry {
        code: "P0206",
        title: "arguments in a form that no module takes",
        text: "Arguments are a mapping (`copy: {src: a, dest: b}`), text (`copy: src=a dest=b`) or, for some modules, free text (`command: echo hi`).",
    },
    CodeEntry {
        code: "P0208",
        title: "something that cannot be a handler",
        text: "Handlers are tasks, `include_tasks`, `import_tasks`, or blocks at the top level of the list. Roles and nested blocks are not run as handlers.",
    },
    CodeEntry {
        code: "P0209",
        title: "`meta` in the wrong place",
        text: "`meta: end_role` ends the role that it stands in, so it has no meaning outside of roles and in handlers.",
    },
    CodeEntry {
        code: "P0210",
        title: "a module of Ansible that hostctl does not have",
        text: "The module is part of ansible-core, but hostctl does not have it (yet). `hostctl doc` lists what there is.",
    },
    CodeEntry {
        code: "P0211",
        title: "a task is a mapping",
        text: "Each entry of a task list is a mapping: a module with its arguments, and keywords such as `name` and `when`.",
    },
    CodeEntry {
        code: "P0212",
        title: "quotes or braces that are never closed",
        text: "Text with arguments (`name=value`) is split at blanks, but not inside of quotes and `{{ }}`. One of them is opened and never closed. With arguments as a mapping there is nothing to close.",
    },
    CodeEntry {
        code: "P0213",
        title: "free text for a module that takes none",
        text: "Only some modules take free text (`command`, `shell`, `raw`, `script`, `meta`, `include_vars`). All others take `name=value` or, better, a mapping.",
    },
    CodeEntry {
        code: "P0214",
        title: "a module that Ansible has removed",
        text: "`include` was removed from ansible-core in 2.16. `include_tasks` reads a file while the play runs, `import_tasks` before.",
    },
    CodeEntry {
        code: "P0301",
        title: "undefined variable",
        text: "The name is defined nowhere: not in the play, its roles, variable files, inventory, environment or `-e`; no task registers or sets it; it is no fact. Names behind `default` or tested with `is defined` are not reported.",
    },
    CodeEntry {
        code: "P0302",
        title: "file not found",
        text: "The task names a file of the controller that does not exist in `files/` or `templates/` of the role, beside the task file, or beside the playbook.",
    },
    CodeEntry {
        code: "P0303",
        title: "no such handler",
        text: "`notify` names a handler by its `name`, or a topic that handlers `listen` to. None of the play's handlers and roles has it.",
    },
    CodeEntry {
        code: "P0304",
        title: "Python plugins beside the playbook",
        text: "hostctl has no Python: modules, filters, lookups and other plugins written in it cannot run, whether they stand beside the playbook, in a role or in a collection. One error lists every use. Callbacks and plugins for variables count as used by being there, as Ansible loads them unasked. Use a module or filter that hostctl has, or a program of your own in `library/`.",
    },
    CodeEntry {
        code: "P0305",
        title: "not checked",
        text: "The name of an included file or role is a template, so what it brings in is known during the run only and was not checked. `hostctl check` tells it, and `hostctl run -v`.",
    },
    CodeEntry {
        code: "P0307",
        title: "a module that its collection removed",
        text: "The collection's `meta/runtime.yml` says that the module is gone and what stands in for it.",
    },
    CodeEntry {
        code: "P0308",
        title: "unknown group of modules",
        text: "`module_defaults` names a group that neither ansible-core nor a collection on disk has. Collections are looked for beside the playbook, in the project and in `collections_path`; their groups have full names: `group/NAMESPACE.COLLECTION.GROUP`.",
    },
    CodeEntry {
        code: "P0309",
        title: "a deprecated name of a module",
        text: "The collection's `meta/runtime.yml` calls this name deprecated. It still works here.",
    },
    CodeEntry {
        code: "P0310",
        title: "a variable with a name of the language",
        text: "Keywords of plays, blocks and tasks (`port`, `tags`, `environment`) and functions of templates (`lookup`, `query`, `now`) are poor names for variables: in templates the function is hidden, and `environment` always means the keyword's value. Ansible warns of them too.",
    },
    CodeEntry {
        code: "P0311",
        title: "a deprecated form of a task",
        text: "ansible-core 2.19 still takes it, and so does hostctl; 2.23 will not: a mapping for `action`, an empty `args`, and `name=value` text together with `args`. `deprecation_warnings = False` in `ansible.cfg`, or `ANSIBLE_DEPRECATION_WARNINGS=False`, turns the warning off.",
    },
    CodeEntry {
        code: "P0401",
        title: "file not found or not readable",
        text: "A file that the playbook names does not exist or cannot be read. The note lists where it was looked for.",
    },
    CodeEntry { code: "P0402", title: "a file that is no text", text: "Playbooks and variable files are UTF-8 text." },
    CodeEntry {
        code: "P0403",
        title: "files or roles that include themselves",
        text: "A file imports itself, or a role depends on itself, over the steps that the note lists. Static imports are resolved before the run and cannot end by a condition.",
    },
    CodeEntry {
        code: "P0404",
        title: "nested too deep",
        text: "Imports or role dependencies are nested more than 200 deep, or one playbook brings in more than 20000 files and roles, counting each as often as it is brought in: eight imports of a file with eight imports are 64.",
    },
    CodeEntry {
        code: "P0405",
        title: "wrong options of an include or import",
        text: "`include_tasks` and `import_tasks` take `file`; `include_role` and `import_role` take `name` and `tasks_from`, `vars_from`, `defaults_from`, `handlers_from`. Variables for what is included go under `vars:`.",
    },
    CodeEntry {
        code: "P0406",
        title: "a static name that depends on the host",
        text: "`import_*` and `roles:` are resolved before any host is known. Their names may use `vars` of the play and `-e`, not facts, inventory variables or registered results. The `include_*` forms are resolved on the host.",
    },
    CodeEntry {
        code: "P0407",
        title: "variables are a mapping",
        text: "Variable files hold one mapping from names to values.",
    },
    CodeEntry {
        code: "P0409",
        title: "a loop on an import",
        text: "Imports are resolved once, before the run. `include_tasks` and `include_role` can loop.",
    },
    CodeEntry { code: "P0410", title: "an import that brings in nothing", text: "The imported file holds no tasks." },
    CodeEntry {
        code: "P0411",
        title: "a sealed file without a password",
        text: "The file is encrypted with ansible-vault and no vault password was given.",
    },
    CodeEntry {
        code: "P0501",
        title: "role not found",
        text: "The role is neither beside the playbook in `roles/`, nor in the project's `roles/`, nor on the roles path. The note lists where it was looked for. `namespace.collection.role` names a role of an installed collection.",
    },
    CodeEntry {
        code: "P0503",
        title: "a role entry without a name",
        text: "An entry of `roles:` is a name, or a mapping with `role: NAME`.",
    },
    CodeEntry {
        code: "P0504",
        title: "a role's file not found",
        text: "`tasks_from` and its like name a file in the role's `tasks/`, `vars/`, `defaults/` or `handlers/`, with or without its ending.",
    },
    CodeEntry {
        code: "P0505",
        title: "a wrong meta file of a role",
        text: "`meta/main.yml` holds `dependencies` (a list of roles), `allow_duplicates`, `galaxy_info`, `collections` and `argument_specs`.",
    },
];
