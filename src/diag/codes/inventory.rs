//! I: inventories and host patterns.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "I0001",
        title: "a section that does not exist",
        text: "Sections of an INI inventory are `[group]`, `[group:vars]` and `[group:children]`. Names of groups hold no blanks.",
    },
    CodeEntry {
        code: "I0002",
        title: "a line that is no host or variable",
        text: "A host line is `host[:port] name=value ...`; ranges are `web[01:10]` or `db[a:c]`. A line below `[group:vars]` is `name=value`. Values with blanks need quotes on host lines.",
    },
    CodeEntry {
        code: "I0003",
        title: "groups in a circle",
        text: "A group is below itself. The message shows the chain; remove one of its links.",
    },
    CodeEntry {
        code: "I0004",
        title: "a group that is not defined",
        text: "A group is named as a child, or has variables, but no section of its own. Add `[name]`, which may be empty.",
    },
    CodeEntry {
        code: "I0005",
        title: "a YAML inventory of the wrong shape",
        text: "Groups are mappings with `hosts`, `vars` and `children`, each a mapping:\n\n    all:\n      hosts:\n        build1:\n      children:\n        web:\n          hosts:\n            web1:",
    },
    CodeEntry {
        code: "I0006",
        title: "an inventory that is not supported",
        text: "Inventory plugins of Ansible and TOML inventories are not read. Write the hosts as INI or YAML, or give a program that prints them as JSON.",
    },
    CodeEntry {
        code: "I0007",
        title: "an inventory program that failed",
        text: "An executable inventory is run with `--list` and prints JSON. Run it by hand to see what it prints.",
    },
    CodeEntry {
        code: "I0008",
        title: "a sealed file that was not read",
        text: "The file is sealed by ansible-vault and no password is at hand, so its variables are unknown here.",
    },
    CodeEntry {
        code: "I0009",
        title: "no such inventory, or one that cannot be read",
        text: "The file or folder given with `-i` does not exist, may not be read, or no inventory plugin that is enabled can read it. A list of hosts needs a comma: `-i host,`. Called by the names of Ansible's programs, hostctl goes on without it as Ansible does, unless `any_unparsed_is_failed` in [inventory] asks for an error; `hostctl run` ends here.",
    },
    CodeEntry {
        code: "I0010",
        title: "a host with the name of a group",
        text: "Patterns match both, which is rarely meant. Rename one of them.",
    },
    CodeEntry {
        code: "I0011",
        title: "a limit file that cannot be read",
        text: "`--limit @file` reads one host a line.",
    },
    CodeEntry {
        code: "I0012",
        title: "not a host pattern",
        text: "Parts of a pattern are joined by `:` or `,`; `&` cuts down, `!` takes away, `*` and `?` are wildcards, `~` begins a regular expression, `name[0]` and `name[1:3]` take a part.",
    },
    CodeEntry {
        code: "I0013",
        title: "a limit without hosts",
        text: "No host of the inventory is left after `--limit`.",
    },
    CodeEntry {
        code: "I0014",
        title: "a pattern that matches nothing",
        text: "No host or group has this name. The play, or this part of its pattern, has no hosts.",
    },
    CodeEntry {
        code: "I0017",
        title: "a file of an inventory plugin that is wrong",
        text: "`plugin: constructed` makes variables (`compose`) and groups (`groups`, `keyed_groups`) of the hosts of the sources before it; `plugin: generator` makes hosts of `layers`. Other plugins need Python and are not here: give a program that prints the hosts as JSON. With `strict: true` a template that fails is an error.",
    },
    CodeEntry {
        code: "I0018",
        title: "odd characters in the names of groups",
        text: "Names of groups should be made of letters, digits and underscores and not begin with a digit. `force_valid_group_names` (ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS) replaces other characters with `always` and `silently`; `never` warns of them and `ignore` does not.",
    },
    CodeEntry {
        code: "I0019",
        title: "a TOML inventory that cannot be read",
        text: "The file ends in `.toml`, but its text is no TOML: a key stands twice, a quote or a bracket is missing, or a value has no form. Groups are tables (`[web.hosts]`, `[web.vars]`), hosts are tables too (`host1 = {}`), and `children` is a list of names.",
    },
    CodeEntry {
        code: "I0020",
        title: "an odd name of a variable in an inventory",
        text: "A variable of a host or group has a name that is no identifier, so that templates cannot use it by name. ansible-core 2.19 still takes it and calls that deprecated.",
    },
    CodeEntry {
        code: "I0021",
        title: "an old form of what an inventory program prints",
        text: "An inventory program prints groups as mappings with `hosts`, `vars` and `children`, and the variables of all hosts below `_meta`: `{\"web\": {\"hosts\": [\"a\"]}, \"_meta\": {\"hostvars\": {}}}`. Without `_meta` it is run again for each host. ansible-core 2.19 still takes other forms and calls them deprecated.",
    },
    CodeEntry {
        code: "I0101",
        title: "an unknown host or group",
        text: "The inventory has no host or group of that name. Check `-i`, or the environment's `inventory/`.",
    },
    CodeEntry {
        code: "I0015",
        title: "no inventory",
        text: "No source of hosts was named or could be read, so only `localhost` can be reached, without being named in an inventory. INVENTORY_UNPARSED_WARNING turns the warning off.",
    },
    CodeEntry {
        code: "I0016",
        title: "an inventory without hosts",
        text: "The inventory has no host. `localhost` can be named in a pattern all the same, but `all` does not mean it. LOCALHOST_WARNING turns the warning off.",
    },
];
