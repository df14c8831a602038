//! H: a task's failure on a host.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "H0002",
        title: "a warning of a module",
        text: "The task ended well, but its module found something that you should know.",
    },
    CodeEntry {
        code: "H0010",
        title: "the condition of `failed_when` holds",
        text: "The task itself may have ended well; its `failed_when` says that the result counts as a failure.",
    },
    CodeEntry {
        code: "H0011",
        title: "the condition of `until` never held",
        text: "The task was tried `retries` times with `delay` seconds between, and its `until` condition stayed false.",
    },
    CodeEntry {
        code: "H0012",
        title: "a task took too long",
        text: "The task's `timeout` passed before it ended. What it ran was stopped.",
    },
    CodeEntry {
        code: "H0013",
        title: "an assertion failed",
        text: "A condition of `assert` is false. The values of the names in it are shown with the message.",
    },
    CodeEntry {
        code: "H0014",
        title: "the `fail` module was run",
        text: "The playbook asked for this failure, with the message shown.",
    },
    CodeEntry {
        code: "H0020",
        title: "a file is not on the controller",
        text: "The file is looked for in the role's `files/` or `templates/`, in the task file's folder and in the playbook's. If it is on the host already, say `remote_src: true`.",
    },
    CodeEntry {
        code: "H0021",
        title: "a file name that is not UTF-8",
        text: "Files that go to a host need names in UTF-8.",
    },
    CodeEntry {
        code: "H0022",
        title: "a file of the controller cannot be read",
        text: "Check its path and its permissions.",
    },
    CodeEntry {
        code: "H0023",
        title: "wrong arguments of `include_vars`",
        text: "It takes either `file` or `dir`; with `dir`, files need one of the `extensions` or `ignore_unknown_extensions: true`.",
    },
    CodeEntry { code: "H0024", title: "a name is missing", text: "`add_host` needs `name`, `group_by` needs `key`." },
    CodeEntry {
        code: "H0025",
        title: "a name that no variable can have",
        text: "Variable names are letters, digits and underscores and do not begin with a digit.",
    },
    CodeEntry {
        code: "H0026",
        title: "`set_stats` has nothing to note",
        text: "`data` of `set_stats` is a mapping of names to values.",
    },
    CodeEntry {
        code: "H0027",
        title: "a file could not be fetched",
        text: "`fetch` takes one regular file of the host that the user may read, and writes it on the controller. A file that may be missing: `fail_on_missing: false`.",
    },
    CodeEntry {
        code: "H0028",
        title: "a module that hostctl does not have was reached",
        text: "The playbook names a module of ansible-core that hostctl lacks. Its task has a condition, so the run began; the condition was true on this host.",
    },
    CodeEntry {
        code: "H0029",
        title: "arguments do not fit their spec",
        text: "`meta/argument_specs.yml` of a role, or `argument_spec` of `validate_argument_spec`, says which names there are, of which type, and which are required. Each value that differs has a line below the message.",
    },
    CodeEntry {
        code: "H0030",
        title: "a task that cannot run as a job",
        text: "`async` starts a module as a job on the host. Modules that the engine itself runs (`debug`, `set_fact`), those that run on the controller, and tasks in check mode have no such job.",
    },
    CodeEntry {
        code: "H0031",
        title: "a pause was aborted",
        text: "Somebody at the terminal answered a `pause` with Ctrl-C and `A`.",
    },
    CodeEntry {
        code: "H0032",
        title: "what `debug` is to show is no expression",
        text: "`var` of `debug` takes an expression as text, such as the name of a variable. A literal list or mapping is none, and neither is text that is marked with `!unsafe`.",
    },
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
    CodeEntry {
        code: "H0106",
        title: "a command ended with an error",
        text: "The program of a `command` or `shell` task ended with a code other than 0. The notes have the command \
               and its last lines. If the code means something else for this program, say so with `failed_when: \
               result.rc not in [0, 1]` after `register: result`.",
    },
    CodeEntry {
        code: "H0107",
        title: "what stands at a path does not allow the change",
        text: "The path is there as another kind of file than the task needs, or what the task names is missing. \
               The message says what was found. Nothing was changed.",
    },
    CodeEntry {
        code: "H0108",
        title: "unknown user or group on the host",
        text: "The name is neither in the host's /etc/passwd or /etc/group nor known to `getent`. Create it with \
               the `user` or `group` module in a task before.",
    },
    CodeEntry {
        code: "H0109",
        title: "new content was refused by its validation",
        text: "The command in `validate` ended with an error for the new content, so the file was left as it was. \
               The notes have the command's words.",
    },
    CodeEntry {
        code: "H0110",
        title: "a module could not do its work",
        text: "The host does not allow what the task asks for; the message names the reason. Nothing else was changed.",
    },
    CodeEntry {
        code: "H0111",
        title: "what was waited for did not come in time",
        text: "`wait_for` looked until its `timeout` was over. The note has the seconds that it waited. For a port, \
               look whether the service runs and listens on this address; for a file, whether its path is right.",
    },
    CodeEntry {
        code: "H0112",
        title: "no such service on the host",
        text: "There is neither a unit nor an init script of this name. `systemctl list-unit-files` or `ls /etc/init.d` \
               lists what there is; often the package that brings it is not installed yet.",
    },
    CodeEntry {
        code: "H0113",
        title: "the service manager refused",
        text: "The service could not be started, stopped or changed. The notes have the program's words; \
               `journalctl -u NAME` or the service's own log has the cause.",
    },
    CodeEntry {
        code: "H0114",
        title: "a package was not found",
        text: "No package source of the host has a package of this name (or of this version). Update the lists with \
               `update_cache: true`, or correct the name.",
    },
    CodeEntry {
        code: "H0115",
        title: "another program holds the package manager's lock",
        text: "apt, dpkg and dnf work one at a time. The message names who holds the lock; hostctl waited `lock_timeout` \
               seconds. Automatic updates of the host end by themselves.",
    },
    CodeEntry {
        code: "H0116",
        title: "the package manager failed",
        text: "apt, dpkg or dnf ended with an error. The notes have its command and its last lines.",
    },
    CodeEntry {
        code: "H0118",
        title: "a job, or a module of your own, failed",
        text: "The text is the program's own `msg`. For `async_status`: the job that a task with `async` started has failed, or its result is not on the host (another host, another user, or removed already).",
    },
    CodeEntry {
        code: "H0119",
        title: "a module of your own printed no JSON",
        text: "A program of `library/` prints one JSON object: `changed`, `failed` with `msg`, and whatever it has to tell. Arguments come in a file that its first argument names: JSON for binary programs and for scripts that hold the word WANT_JSON, `key=value` words for others.",
    },
    CodeEntry {
        code: "H0117",
        title: "dpkg was interrupted",
        text: "An earlier installation was cut off, and packages are unpacked but not set up. `dpkg --configure -a` \
               finishes it. hostctl does not do so by itself, since it runs the scripts of packages that the \
               playbook does not name.",
    },
    CodeEntry {
        code: "H0120",
        title: "a web service did not answer as expected",
        text: "`uri` compares the status with `status_code` (200 unless given). A status of -1 means that there was no answer: the name is unknown, nobody listens, the certificate is not trusted, or the time was up.",
    },
    CodeEntry {
        code: "H0121",
        title: "a download failed",
        text: "The server did not send the file, or what it sent does not have the digest of `checksum`. What was at `dest` is untouched.",
    },
    CodeEntry {
        code: "H0122",
        title: "a crontab cannot be changed as asked",
        text: "The arguments of `cron` contradict each other, or the program `crontab` refused the new table; its words are below the message.",
    },
    CodeEntry { code: "H0123", title: "a host name is refused", text: "systemd takes names of at most 64 characters." },
    CodeEntry {
        code: "H0124",
        title: "a key does not fit its host",
        text: "`key` of `known_hosts` is a whole line: names, kind of key, key. `name` must be one of its names.",
    },
    CodeEntry {
        code: "H0125",
        title: "an archive could not be laid out",
        text: "The file is no archive that the host's `tar` or `unzip` reads, cannot be had, or its folder is not there; what the program said is below the message.",
    },
    CodeEntry {
        code: "H0126",
        title: "another process is editing the file",
        text: "Modules that change a part of a file (`lineinfile`, `blockinfile`, `replace`, `cron`, `known_hosts`, `yum_repository`, `apt_repository`) wait for each other, also those of other runs of the same user on the host, so that no change is lost. The one named in the message has not ended its change for two minutes: perhaps it was stopped, or a program of `validate` hangs.",
    },
];
