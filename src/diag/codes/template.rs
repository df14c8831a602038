//! T: templates and variables.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "T0100",
        title: "a template can not be parsed",
        text: "The text between `{{` and `}}`, or a statement `{% ... %}`, is not Jinja. The mark shows where reading stopped. \
         Text with braces that is not meant as a template goes between `{% raw %}` and `{% endraw %}`, or gets the tag \
         `!unsafe` in YAML.",
    },
    CodeEntry {
        code: "T0101",
        title: "something used in a template is not defined",
        text: "A variable, or an attribute of a mapping, does not exist. Define it (inventory, `vars`, `-e`), correct the \
         spelling, or give a default: `{{ name | default('value') }}`. To leave an argument out, use \
         `{{ name | default(omit) }}`. If the second mark shows another variable, the missing name is used in that \
         variable's definition.",
    },
    CodeEntry {
        code: "T0102",
        title: "a variable refers to itself",
        text: "The value of a variable is needed to compute that same value, for example `path: \"{{ path }}/bin\"`. The marks \
         show every variable on the way round. Give one of them another name.",
    },
    CodeEntry {
        code: "T0103",
        title: "a template can not be evaluated",
        text: "A filter, test, function or operator was given a value that it can not work with; the message says which. \
         Numbers from facts and from `-e key=value` are often text: convert them with `| int`.",
    },
    CodeEntry {
        code: "T0104",
        title: "unknown filter",
        text: "There is no filter of that name. All filters of ansible-core and of Jinja2 are known, also by their full names \
         (`ansible.builtin.combine`), and the commonest of ansible.utils and community.general (`ipaddr`, \
         `json_query`, `remove_keys`, `lists_mergeby`, `to_seconds`).",
    },
    CodeEntry {
        code: "T0105",
        title: "unknown test",
        text: "There is no test of that name. All tests of ansible-core and of Jinja2 are known (`x is defined`, \
         `result is failed`, `v is version('1.2', '>=')`), and those of ansible.utils for addresses by their full \
         names (`x is ansible.utils.in_network('10.0.0.0/8')`).",
    },
    CodeEntry {
        code: "T0106",
        title: "a condition is not true or false",
        text: "A condition (`when`, `until`, `failed_when`, ...) must give a boolean, as in ansible-core 2.19. Write what is \
         meant: `name | bool` for texts like `yes`, `name | length > 0` for something not empty, `name is defined`, or a \
         comparison.",
    },
    CodeEntry {
        code: "T0107",
        title: "unknown lookup",
        text: "There is no lookup of that name. All lookups of ansible-core are known but those that load Python \
         (`unvault` reads vault files, `config` settings, `url` addresses), and of community.general `flattened`, \
         `cartesian`, `merge_variables` and `random_string`; other lookups of collections are Python.",
    },
    CodeEntry {
        code: "T0108",
        title: "a template uses too much",
        text: "One render may make texts of up to 256 MiB and lists of up to 10 million items, 8 GiB of both in all, and \
         evaluate 500 million expressions. A value that doubles in a loop or through a chain of variables, and a repetition \
         with a count from outside, reach that; a template that is meant does not.",
    },
    CodeEntry {
        code: "T0109",
        title: "stopped in the middle of a template",
        text: "The run was interrupted while a template was evaluated. Nothing of its result was used.",
    },
    CodeEntry {
        code: "T0110",
        title: "a lookup failed, and the template goes on",
        text: "The lookup was called with `errors='warn'`: it failed, this warning says why, and its result is null (an empty list with `query`).",
    },
    CodeEntry {
        code: "T0111",
        title: "a filter, test or lookup that is gone",
        text: "The collection's `meta/runtime.yml` says that this name was removed. The note has what the collection says of it, often with the name to use instead.",
    },
    CodeEntry {
        code: "T0113",
        title: "an undefined value is shown",
        text: "A task's name, or what `debug: {var: ...}` shows, holds something undefined. It is a text for people, so \
               the rest is shown, with `<< error 1 - ... >>` in its place. Everywhere else the task fails.",
    },
    CodeEntry {
        code: "T0112",
        title: "a deprecated way in a template",
        text: "ansible-core 2.19 still takes it, and so does hostctl; a later version will not: a condition in `{{ }}`, the variable `play_hosts`, `bool` for what is no boolean, `from_yaml` for what is no text, `first_found` with one text for many names, `vaultid` of the filter `vault`, and with `ALLOW_BROKEN_CONDITIONALS` a condition that is no boolean. `deprecation_warnings = False` in `ansible.cfg`, or `ANSIBLE_DEPRECATION_WARNINGS=False`, turns the warning off.",
    },
    CodeEntry {
        code: "T0114",
        title: "not all that is made of secrets is masked",
        text: "What a template makes of a secret (a part of it, a hash, another encoding) is masked too: up to 500 \
               different texts in a run, and as many parts of secrets. There was one more, in a loop most likely. The \
               secrets themselves are masked as before.",
    },
    CodeEntry {
        code: "T0201",
        title: "a command of a lookup failed",
        text: "The `pipe` and `lines` lookups run a command on the controller; it ended with an error.",
    },
    CodeEntry {
        code: "T0202",
        title: "a lookup could not fetch a URL",
        text: "The `url` lookup asks a server from the controller; there was no answer, or one that says no. What it fetches is data and is never rendered as a template.",
    },
];
