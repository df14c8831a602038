//! Y: YAML syntax and limits.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "Y0001",
        title: "invalid YAML",
        text: "The text is not YAML at the marked place. Text with special characters (`: `, ` #`, `{`, `[`, `&`, `*`, `!`, `|`, `>`, `%`, `@`) needs quotes.",
    },
    CodeEntry {
        code: "Y0002",
        title: "a tab used for indentation",
        text: "YAML is indented with spaces only. Replace the tab; most editors can do it for the whole file.",
    },
    CodeEntry {
        code: "Y0003",
        title: "a quote that is never closed",
        text: "A value begins with a quote that has no partner. Inside '...' a quote is written twice; inside \"...\" it is written \\\".",
    },
    CodeEntry {
        code: "Y0004",
        title: "a template without quotes",
        text: "A value that begins with {{ must be in quotes, since YAML reads { as the start of a mapping.\n\n    path: {{ base }}/file      # wrong\n    path: \"{{ base }}/file\"    # right",
    },
    CodeEntry {
        code: "Y0005",
        title: "a colon in the wrong place",
        text: "A value without quotes cannot hold `: ` (colon and space), and a key needs a colon behind it.\n\n    msg: note: done      # wrong\n    msg: \"note: done\"    # right",
    },
    CodeEntry {
        code: "Y0006",
        title: "bad indentation",
        text: "Keys of one mapping, and items of one list, start in the same column. The marked line starts elsewhere, or text follows a finished value.",
    },
    CodeEntry {
        code: "Y0007",
        title: "a bracket without its partner",
        text: "A list in [ ] or a mapping in { } is not closed, or misses a comma. Put the value in quotes if the bracket is text.",
    },
    CodeEntry {
        code: "Y0008",
        title: "a value that begins with a reserved character",
        text: "YAML reserves @ ` and % at the start of a value. Put the value in quotes.",
    },
    CodeEntry {
        code: "Y0009",
        title: "an unknown anchor",
        text: "`*name` refers to a value marked `&name` earlier in the same document. Text that begins with * needs quotes.",
    },
    CodeEntry {
        code: "Y0010",
        title: "text after a closing quote",
        text: "A quoted value ends at its closing quote. Put the whole value in quotes:\n\n    when: \"a\" == b        # wrong\n    when: '\"a\" == b'      # right",
    },
    CodeEntry {
        code: "Y0011",
        title: "an unknown escape",
        text: "In \"...\" a backslash begins an escape such as \\n or \\t. Use '...' for Windows paths and regular expressions, where a backslash is only a backslash.",
    },
    CodeEntry {
        code: "Y0012",
        title: "a key given twice",
        text: "A mapping has the same key twice. In playbooks and variable files the last one is used, as Ansible does; in hostctl's own files it is an error.",
    },
    CodeEntry {
        code: "Y0013",
        title: "an unknown tag",
        text: "hostctl knows `!vault`, `!unsafe` and the tags of YAML's core (`!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!binary`, `!!timestamp`, `!!map`, `!!seq`, `!!set`, `!!omap`).",
    },
    CodeEntry {
        code: "Y0014",
        title: "a value that does not fit its tag",
        text: "For instance `!!int` before something that is no integer, or `!vault` before a list.",
    },
    CodeEntry {
        code: "Y0015",
        title: "nested too deep or too large",
        text: "Lists and mappings may be nested 100 levels deep, aliases included.",
    },
    CodeEntry {
        code: "Y0016",
        title: "aliases that stand for too much",
        text: "Aliases and merge keys of one file may stand for at most a million values. Files beyond that are usually an attack.",
    },
    CodeEntry {
        code: "Y0017",
        title: "a bad merge key",
        text: "`<<` takes a mapping or a list of mappings, usually aliases: `<<: *defaults` or `<<: [*a, *b]`.",
    },
    CodeEntry {
        code: "Y0018",
        title: "a key that is no single value",
        text: "The key of a mapping is text, a number, a boolean, a date or null; not a list or mapping.",
    },
    CodeEntry {
        code: "Y0019",
        title: "an alias that contains itself",
        text: "The alias stands inside the value that its anchor names, so the value would never end.",
    },
    CodeEntry {
        code: "Y0020",
        title: "more than one document",
        text: "The file holds several documents (separated by `---`) where one is expected.",
    },
    CodeEntry {
        code: "Y0021",
        title: "a deprecated tag",
        text: "ansible-core 2.19 still reads `!!omap`, `!!pairs` and `!vault-encrypted`, and so does hostctl; later versions will not. `deprecation_warnings = False` in `ansible.cfg`, or `ANSIBLE_DEPRECATION_WARNINGS=False`, turns the warning off.",
    },
    CodeEntry {
        code: "Y0101",
        title: "an unknown key",
        text: "The mapping has a key that does not exist here. The message names the nearest one that does.",
    },
    CodeEntry { code: "Y0102", title: "a missing key", text: "The mapping lacks a key that is needed here." },
    CodeEntry {
        code: "Y0103",
        title: "a value of the wrong type",
        text: "The key expects another type of value. Note that YAML reads yes, on and true as booleans and 0644 as an octal number unless they are quoted.",
    },
    CodeEntry {
        code: "Y0201",
        title: "the file could not be edited",
        text: "hostctl changes a file by editing its text so that comments stay, and then reads it again. The result was not what was wanted, so the file was left as it is. Edit it by hand.",
    },
    CodeEntry {
        code: "Y0301",
        title: "the file could not be read",
        text: "The file does not exist, may not be read, or is not UTF-8 text.",
    },
];
