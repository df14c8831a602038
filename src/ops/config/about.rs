//! Why a setting has no effect here, or is not followed: for the manual's table.

/// Settings that are not followed, and why.
#[rustfmt::skip]
const WARNED: &[(&str, &str)] = &[
    ("COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH", "`requires_ansible` of collections is not looked at"),
    ("DEFAULT_JINJA2_EXTENSIONS", "extensions of Jinja are Python"),
    ("DEFAULT_SELINUX_SPECIAL_FS", "the usual file systems are taken"),
    ("DEFAULT_VAULT_ID_MATCH", "every key is tried"),
    ("DISPLAY_ARGS_TO_STDOUT", "banners have no arguments"),
    ("FACTS_MODULES", "facts are those of `setup`"),
    ("LOG_VERBOSITY", "the log has what the terminal has"),
    ("PLAYBOOK_VARS_ROOT", "variable files stand beside the playbook that is run"),
    ("PLUGIN_FILTERS_CFG", "modules are not refused by a list"),
    ("SSH_AGENT", "no ssh-agent is started"),
    ("VARIABLE_PLUGINS_ENABLED", "only `host_group_vars` is here; without it no variable files are read"),
    ("VARIABLE_PRECEDENCE", "the usual order is taken"),
    ("VAULT_ENCRYPT_SALT", "salts are random"),
    ("YAML_FILENAME_EXTENSIONS", "the usual extensions are taken"),
];

/// What settings are about that mean nothing here, by a part of their name.
#[rustfmt::skip]
const HARMLESS: &[(&str, &str)] = &[
    ("COLOR_", "hostctl has colours of its own"),
    ("ANSIBLE_COW", "no cows"),
    ("NOCOWS", "no cows"),
    ("GALAXY_", "no Galaxy client"),
    ("PERSISTENT", "network devices"),
    ("CONNECTION_PATH", "network devices"),
    ("NETCONF", "network devices"),
    ("CLICONF", "network devices"),
    ("HTTPAPI", "network devices"),
    ("TERMINAL", "network devices"),
    ("NETWORK_GROUP", "network devices"),
    ("CONNECTION_FACTS", "network devices"),
    ("PARAMIKO", "no paramiko: connections are made by ssh"),
    ("WIN_", "no Windows hosts"),
    ("SYSLOG", "modules write nothing into a host's log"),
    ("TARGET_LOG", "modules write nothing into a host's log"),
    ("COVERAGE", "ansible-core's own tests"),
    ("ANSIBALLZ", "modules are no Python"),
    ("MODULE_METADATA", "ansible-core's own tests"),
    ("MODULE_", "modules are no Python"),
    ("PYTHON", "modules are no Python"),
    ("PIPELINING", "the agent needs one connection and no temporary files"),
    ("KEEP_REMOTE_FILES", "the agent needs one connection and no temporary files"),
    ("_TMP", "the agent needs one connection and no temporary files"),
    ("EXECUTABLE", "the agent runs modules without a shell"),
    ("INTERNAL_POLL", "nothing is polled"),
    ("WORKER_", "no worker processes"),
    ("DOC", "documentation of Python plugins"),
    ("SSH_CONTROL", "hostctl has a socket of its own for each host"),
    ("SSH_AGENT", "no ssh-agent is started"),
    ("SYS_PATH", "no folders of Python"),
    ("TRACEBACK", "no tracebacks"),
    ("JINJA2_NATIVE", "ansible-core has no other way any more either"),
    ("NULL_REPRESENTATION", "no longer used by ansible-core either"),
    ("UNSAFE_LOOKUPS", "no longer used by ansible-core either"),
    ("UNDEFINED_VAR", "no longer used by ansible-core either"),
    ("STRING_TYPE_FILTERS", "no longer used by ansible-core either"),
    ("DEFAULT_SU", "no longer used by ansible-core either"),
    ("LXC", "no containers of libvirt"),
    ("BECOME_PROMPT", "the words of a question"),
    ("DEVEL_WARNING", "hostctl is no development version of ansible-core"),
    ("WARNINGS", "what such warnings are about does not exist here"),
    ("CACHE_CLEARING", "plugins are built in"),
    ("RUN_VARS", "variable files are read at the start and where a play needs them"),
    ("ACTION_GROUP", "groups of modules are always checked"),
    ("CALLBACK_DISPATCH", "callbacks are built in"),
];

/// The reason.
pub(super) fn note(name: &str) -> &'static str {
    let exact = WARNED.iter().find(|(known, _)| *known == name);
    exact
        .or_else(|| HARMLESS.iter().find(|(part, _)| name.contains(part)))
        .map_or(if name.starts_with("_TEMPLAR") { "templates have one way" } else { "" }, |(_, note)| note)
}
