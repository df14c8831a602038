//! C: the command line.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "C0101",
        title: "an unknown module",
        text: "`hostctl doc NAME` knows no module of that name. `hostctl doc` lists all of them; full names such as `ansible.builtin.copy` are accepted too.",
    },
    CodeEntry {
        code: "C0102",
        title: "an unknown error code",
        text: "`hostctl explain` takes a code as an error shows it in brackets, for example `hostctl explain P0203`.",
    },
    CodeEntry {
        code: "C0103",
        title: "a password cannot be asked for",
        text: "An option asks for a password, but standard error is no terminal. Put the password into the vault (`ansible_password`, `ansible_become_password`) or run hostctl on a terminal.",
    },
    CodeEntry {
        code: "C0104",
        title: "the program cannot start its runtime",
        text: "The machine refused threads or file descriptors. Look at `ulimit -u` and `ulimit -n`.",
    },
    CodeEntry {
        code: "C0105",
        title: "an unreadable `-e`",
        text: "Extra variables are `name=value` words, a YAML or JSON mapping in braces, or `@FILE`. Quote values with blanks: `-e \"name='two words'\"`.",
    },
    CodeEntry {
        code: "C0106",
        title: "no vault is named",
        text: "The vault commands need `--env NAME`, whose `secrets.yml` is then meant, or `--file FILE`.",
    },
    CodeEntry {
        code: "C0107",
        title: "a value for the vault cannot be read",
        text: "`hostctl vault set NAME` reads the value from the terminal, or from standard input where that is no terminal. An empty value is refused unless `--empty` is given.",
    },
    CodeEntry {
        code: "C0108",
        title: "the editor failed",
        text: "`hostctl vault edit` starts $VISUAL or $EDITOR (else `vi`) on a private copy in memory. If the editor ends with an error, nothing is changed.",
    },
    CodeEntry {
        code: "C0109",
        title: "the edit was ended from outside",
        text: "hostctl was told to end (SIGTERM, SIGHUP) while the editor of `hostctl vault edit` was running. The editor was ended, the text in clear was removed, the vault is as it was.",
    },
    CodeEntry {
        code: "C0110",
        title: "`ansible.cfg` cannot be read",
        text: "The configuration file is an INI file: `[section]` lines, `key = value` below them, comments that begin with `#` or `;`. It is the first of $ANSIBLE_CONFIG, `./ansible.cfg` (not in a folder that all may write), `~/.ansible.cfg` and `/etc/ansible/ansible.cfg`.",
    },
    CodeEntry {
        code: "C0111",
        title: "an `ansible.cfg` is passed over",
        text: "The working folder may be written by everyone, so a file in it is not trusted, as in Ansible. Name it with ANSIBLE_CONFIG if it is yours.",
    },
    CodeEntry {
        code: "C0112",
        title: "a setting is not supported",
        text: "A setting of `ansible.cfg`, an ANSIBLE_ variable or an option of ansible-playbook was read, and hostctl does nothing with it. `hostctl config dump` shows every setting with its origin.",
    },
    CodeEntry {
        code: "C0113",
        title: "a playbook cannot be found",
        text: "The file named on the command line does not exist, or is no file.",
    },
    CodeEntry {
        code: "C0114",
        title: "links cannot be made",
        text: "`hostctl install-links DIR` makes links named `ansible-playbook`, `ansible`, `ansible-inventory`, `ansible-vault`, `ansible-config` and `ansible-doc` to the hostctl binary. A file of such a name that is no link to hostctl is left alone; `--force` replaces it.",
    },
    CodeEntry {
        code: "C0115",
        title: "a file cannot be written",
        text: "The file that `--output` names cannot be written. Check the folder and its permissions.",
    },
    CodeEntry {
        code: "C0116",
        title: "standard output cannot be written",
        text: "What a command prints did not reach its reader, most often because the disk is full. The command did its work; its exit code is 1 so that a script does not take a cut output for a whole one. A reader that leaves early (`| head`) is no error.",
    },
    CodeEntry {
        code: "C0117",
        title: "a setting has a value that it cannot have",
        text: "A setting of `ansible.cfg` or an ANSIBLE_ variable needs a number, or one of a few words, and was set to something else. ansible-core refuses to start, too. An empty variable counts as unset where a number is needed. `hostctl config dump` shows every setting with its origin.",
    },
    CodeEntry {
        code: "C0118",
        title: "a callback that is not here",
        text: "A setting names a callback plugin that hostctl does not have. One that `callbacks_enabled` names is passed over, as ansible-core passes over one that it cannot load; without the one that `stdout_callback` names there is no output, and the run does not begin.",
    },
    CodeEntry {
        code: "C0119",
        title: "a deprecated setting",
        text: "ansible-core calls this setting deprecated: a release to come will not have it any more. `deprecation_warnings = False` in [defaults] of `ansible.cfg` hides such warnings.",
    },
    CodeEntry {
        code: "C0120",
        title: "the fact cache cannot be used",
        text: "`fact_caching = jsonfile` keeps the facts of each host in a file of the folder `fact_caching_connection`, as Ansible does. The folder is made if it is missing; it must be writable. Without a cache (`memory`, the default) facts last for one run.",
    },
    CodeEntry {
        code: "C0121",
        title: "cached facts are not used",
        text: "A file of the fact cache cannot be read or written, or does not hold what hostctl and ansible-core 2.19 write. The run goes on as if no facts were cached; the file is written anew when the host's facts are gathered. `--flush-cache` removes the files of all hosts.",
    },
    CodeEntry {
        code: "C0122",
        title: "`ansible_managed` cannot be filled in",
        text: "The setting `ansible_managed` of `ansible.cfg` is a text in which `{file}`, `{host}` and `{uid}` are filled in, and then the parts of a time such as `%Y` (of the template's last change). Other braces are written twice. A variable of the same name needs none of this, and outranks the setting.",
    },
    CodeEntry {
        code: "C0130",
        title: "not one of hostctl's names",
        text: "`hostctl completion SHELL` makes completions for `hostctl` and for the names of Ansible's programs that `hostctl install-links` makes.",
    },
];
