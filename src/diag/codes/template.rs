//! T: templates and variables.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[CodeEntry {
    code: "T0201",
    title: "a command of a lookup failed",
    text: "The `pipe` and `lines` lookups run a command on the controller; it ended with an error.",
}];
const fn entry(code: &'static str, title: &'static str, text: &'static str) -> CodeEntry {
    CodeEntry { code, title, text }
}

pub(super) const ENTRIES: &[CodeEntry] = &[
    entry(
        "T0100",
        "a template can not be parsed",
        "The text between `{{` and `}}`, or a statement `{% ... %}`, is not Jinja. The mark shows where reading stopped. \
         Text with braces that is not meant as a template goes between `{% raw %}` and `{% endraw %}`, or gets the tag \
         `!unsafe` in YAML.",
    ),
    entry(
        "T0101",
        "something used in a template is not defined",
        "A variable, or an attribute of a mapping, does not exist. Define it (inventory, `vars`, `-e`), correct the \
         spelling, or give a default: `{{ name | default('value') }}`. To leave an argument out, use \
         `{{ name | default(omit) }}`. If the second mark shows another variable, the missing name is used in that \
         variable's definition.",
    ),
    entry(
        "T0102",
        "a variable refers to itself",
        "The value of a variable is needed to compute that same value, for example `path: \"{{ path }}/bin\"`. The marks \
         show every variable on the way round. Give one of them another name.",
    ),
    entry(
        "T0103",
        "a template can not be evaluated",
        "A filter, test, function or operator was given a value that it can not work with; the message says which. \
         Numbers from facts and from `-e key=value` are often text: convert them with `| int`.",
    ),
    entry(
        "T0104",
        "unknown filter",
        "There is no filter of that name. All filters of ansible-core and of Jinja2 are known, also by their full names \
         (`ansible.builtin.combine`), and the commonest of ansible.utils and community.general (`ipaddr`, `json_query`).",
    ),
    entry(
        "T0105",
        "unknown test",
        "There is no test of that name. All tests of ansible-core and of Jinja2 are known (`x is defined`, \
         `result is failed`, `v is version('1.2', '>=')`).",
    ),
    entry(
        "T0106",
        "a condition is not true or false",
        "A condition (`when`, `until`, `failed_when`, ...) must give a boolean, as in ansible-core 2.19. Write what is \
         meant: `name | bool` for texts like `yes`, `name | length > 0` for something not empty, `name is defined`, or a \
         comparison.",
    ),
    entry(
        "T0107",
        "unknown lookup",
        "There is no lookup of that name. Those of ansible-core are known, except `url`, `config` and \
         `inventory_hostnames`.",
    ),
];
