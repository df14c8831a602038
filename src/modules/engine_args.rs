//! The faces of the modules that the engine runs itself: names, arguments, manual. The work is in `engine`,
//! which has the variables and hosts that these need; `run` here is never called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{ChangedAt, Meta, Module, RunsOn};
use crate::diag::Diagnostic;
use crate::value::Map;

macro_rules! engine_module {
    ($(#[$doc:meta])* $name:ident($args:ty), $short:literal, $full:literal, $summary:literal $(, $key:ident: $value:expr)* $(,)?) => {
        $(#[$doc])*
        pub struct $name;
        impl Module for $name {
            type Args = $args;
            const META: Meta = Meta {
                name: $short,
                full_name: $full,
                also: &[concat!("ansible.legacy.", $short)],
                summary: $summary,
                runs_on: RunsOn::Engine,
                $($key: $value,)*
                ..Meta::NONE
            };
            fn run(_: &Cx, _: $args) -> Result<Map, Failure> {
                Err(Diagnostic::internal(concat!("`", $short, "` was sent to a host; the engine runs it itself")).into())
            }
        }
    };
}

fn yes() -> bool {
    true
}

fn main_file() -> String {
    "main".to_owned()
}

fn hello() -> Json {
    Json::from("Hello world!")
}

/// Shows a text or a variable.
///
/// ```yaml
/// - debug:
///     var: result.stdout_lines
/// - debug:
///     msg: "building {{ image }} on {{ inventory_hostname }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DebugArgs {
    /// What to show; any value.
    #[serde(default = "hello")]
    pub msg: Json,
    /// The name of a variable, or an expression, to show.
    pub var: Option<Json>,
    /// Show only from this number of `-v` on.
    #[serde(default)]
    pub verbosity: i64,
}
engine_module!(
    /// `debug`
    Debug(DebugArgs), "debug", "ansible.builtin.debug", "Show a text or a variable",
    changed_at: ChangedAt::Last,
    exclusive: &[&["msg", "var"]],
);

/// Fails unless all conditions hold.
///
/// ```yaml
/// - assert:
///     that:
///       - image_tag is defined
///       - image_tag | length > 0
///     fail_msg: set image_tag
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertArgs {
    /// The conditions, as in `when`.
    pub that: Vec<Json>,
    /// What to say if one is false.
    pub fail_msg: Option<Json>,
    /// What to say if all are true.
    pub success_msg: Option<Json>,
    /// Say nothing of the conditions that hold.
    #[serde(default)]
    pub quiet: bool,
}
engine_module!(
    /// `assert`
    Assert(AssertArgs), "assert", "ansible.builtin.assert", "Fail unless conditions hold",
    aliases: &[("fail_msg", &["msg"])],
);

/// Ends the host's play with a message.
///
/// ```yaml
/// - fail:
///     msg: this host has no room for images
///   when: free_bytes | int < 20000000000
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailArgs {
    /// What to say.
    #[serde(default = "failed")]
    pub msg: Json,
}
fn failed() -> Json {
    Json::from("Failed as requested from task")
}
engine_module!(
    /// `fail`
    Fail(FailArgs), "fail", "ansible.builtin.fail", "Fail with a message",
);

/// Sets variables of the host for the rest of the run.
///
/// ```yaml
/// - set_fact:
///     image_name: "{{ registry }}/{{ namespace }}/base"
///     built: true
/// ```
#[derive(Deserialize, JsonSchema)]
pub struct SetFactArgs {
    /// Keep them as facts that outlive the run, where a fact cache is set up.
    #[serde(default)]
    pub cacheable: bool,
}
engine_module!(
    /// `set_fact`
    SetFact(SetFactArgs), "set_fact", "ansible.builtin.set_fact", "Set variables of the host",
    changed_at: ChangedAt::Last,
    any_argument: true,
);

/// Checks variables against an argument spec, as roles with `meta/argument_specs.yml` do by themselves.
///
/// ```yaml
/// - validate_argument_spec:
///     argument_spec:
///       image_tag: {type: str, required: true}
///       parallel: {type: int, default: 4}
///     provided_arguments:
///       image_tag: "{{ tag }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateArgumentSpecArgs {
    /// The names with what is known of them: `type`, `required`, `choices`, `options` and so on.
    pub argument_spec: Json,
    /// Values that go before variables of the same names.
    pub provided_arguments: Option<Json>,
    /// What the spec belongs to, for the result.
    pub validate_args_context: Option<serde_json::Map<String, Json>>,
}
engine_module!(
    /// `validate_argument_spec`
    ValidateArgumentSpec(ValidateArgumentSpecArgs), "validate_argument_spec",
    "ansible.builtin.validate_argument_spec", "Check variables against an argument spec",
);

/// The name of the entry that stands for every module of ansible-core that hostctl does not have.
pub const ABSENT: &str = "hostctl.core.absent";

/// A module of ansible-core that is not here, in a task that a condition may keep from being run.
#[derive(Deserialize, JsonSchema)]
pub struct AbsentArgs {}
engine_module!(
    /// What is not here.
    Absent(AbsentArgs), "hostctl.core.absent", "hostctl.core.absent", "A module that hostctl does not have",
    any_argument: true,
);

/// The line of [`ABSENT`], outside of the table.
pub static ABSENT_ENTRY: super::spec::ModuleEntry = super::spec::entry::<Absent>();

/// Notes values for the end of the run, for one host or for the run as a whole.
///
/// ```yaml
/// - set_stats:
///     data:
///       images_built: "{{ built | length }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStatsArgs {
    /// The values by name.
    pub data: Json,
    /// Note them for each host.
    #[serde(default)]
    pub per_host: Json,
    /// Add to a value that is there, instead of replacing it.
    #[serde(default)]
    pub aggregate: Json,
}
engine_module!(
    /// `set_stats`
    SetStats(SetStatsArgs), "set_stats", "ansible.builtin.set_stats", "Note values for the end of the run",
);

/// Copies a file of the host to the controller.
///
/// It goes to `DEST/HOST/PATH`, or to `dest` itself with `flat`. In check mode nothing is done.
///
/// ```yaml
/// - fetch:
///     src: /var/log/build.log
///     dest: logs/
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchArgs {
    /// The file on the host.
    pub src: Json,
    /// The folder on the controller, relative to the playbook's; the file itself with `flat` and no slash at the end.
    pub dest: Json,
    /// A file that is not there or cannot be read is a failure.
    #[serde(default = "yes")]
    pub fail_on_missing: bool,
    /// Compare checksums after the copy.
    #[serde(default = "yes")]
    pub validate_checksum: bool,
    /// Do not add the host's name and the file's path to `dest`.
    #[serde(default)]
    pub flat: bool,
    /// Taken and not used, as by Ansible: the copy gets the controller's usual mode.
    pub mode: Option<Json>,
    /// Taken and not used, as by Ansible.
    pub owner: Option<Json>,
    /// Taken and not used, as by Ansible.
    pub group: Option<Json>,
}
engine_module!(
    /// `fetch`
    Fetch(FetchArgs), "fetch", "ansible.builtin.fetch", "Copy a file of the host to the controller",
    missing: Some("src and dest are required"),
);

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
/// How a mapping joins one of the same name.
pub enum HashBehaviour {
    /// The new one replaces it.
    Replace,
    /// Keys are merged.
    Merge,
}

fn extensions() -> Vec<String> {
    ["json", "yaml", "yml"].map(str::to_owned).to_vec()
}

/// Loads variables from files of the controller while the play runs.
///
/// ```yaml
/// - include_vars: "{{ ansible_facts.distribution | lower }}.yml"
/// - include_vars:
///     dir: vars/common
///     name: common
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncludeVarsArgs {
    /// The file.
    pub file: Option<String>,
    /// A folder whose files are loaded in the order of their names.
    pub dir: Option<String>,
    /// Put all of it into this one variable.
    pub name: Option<String>,
    /// How deep to go into folders; 0 for all.
    #[serde(default)]
    pub depth: i64,
    /// Load only files whose names match this pattern.
    pub files_matching: Option<String>,
    /// Names, or patterns of names, to leave out.
    pub ignore_files: Option<Vec<String>>,
    /// The endings that are loaded.
    #[serde(default = "extensions")]
    pub extensions: Vec<String>,
    /// Pass over files with other endings.
    #[serde(default)]
    pub ignore_unknown_extensions: bool,
    /// How a mapping joins one of the same name.
    pub hash_behaviour: Option<HashBehaviour>,
}
engine_module!(
    /// `include_vars`
    IncludeVars(IncludeVarsArgs), "include_vars", "ansible.builtin.include_vars", "Load variables from files",
    changed_at: ChangedAt::Last,
    aliases: &[("file", &["_raw_params"])],
    free_form: Some("file"),
    exclusive: &[&["file", "dir"]],
);

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
/// What `meta` does.
pub enum MetaAction {
    /// Forget the facts of the play's hosts.
    ClearFacts,
    /// Take failed and unreachable hosts back into the play.
    ClearHostErrors,
    /// End the play for this host, without failure.
    EndHost,
    /// End the play for all hosts, without failure.
    EndPlay,
    /// Run notified handlers now.
    FlushHandlers,
    /// Do nothing.
    Noop,
    /// Read the inventory again.
    RefreshInventory,
    /// Close this host's connection; the next task opens a new one.
    ResetConnection,
    /// End the present batch of hosts (`serial`).
    EndBatch,
    /// End the role that the task is in.
    EndRole,
}

/// Steers the run itself.
///
/// ```yaml
/// - meta: flush_handlers
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetaArgs {
    /// What to do.
    pub action: MetaAction,
}
engine_module!(
    /// `meta`
    MetaModule(MetaArgs), "meta", "ansible.builtin.meta", "Steer the run",
    aliases: &[("action", &["_raw_params", "free_form"])],
    free_form: Some("action"),
);

/// Adds a host to the inventory of this run. Any other argument is a variable of the host.
///
/// ```yaml
/// - add_host:
///     name: "{{ new_address }}"
///     groups: [builders]
///     ansible_user: root
/// ```
#[derive(Deserialize, JsonSchema)]
pub struct AddHostArgs {
    /// The host, also with `:port`.
    pub name: String,
    /// Groups to put it in; made if they do not exist.
    pub groups: Option<Vec<String>>,
}
engine_module!(
    /// `add_host`
    AddHost(AddHostArgs), "add_host", "ansible.builtin.add_host", "Add a host to this run",
    missing: Some("name, host or hostname needs to be provided"),
    aliases: &[("name", &["host", "hostname"]), ("groups", &["group", "groupname"])],
    any_argument: true,
);

fn all() -> Vec<String> {
    vec!["all".to_owned()]
}

/// Puts the host into a group named by one of its values.
///
/// ```yaml
/// - group_by:
///     key: os_{{ ansible_facts.distribution | lower }}
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupByArgs {
    /// The group's name.
    pub key: String,
    /// Groups above it.
    #[serde(default = "all")]
    pub parents: Vec<String>,
}
engine_module!(
    /// `group_by`
    GroupBy(GroupByArgs), "group_by", "ansible.builtin.group_by", "Group hosts by their values",
    missing: Some("the 'key' param is required when using group_by"),
);

/// Runs the tasks of a file, chosen while the play runs.
///
/// ```yaml
/// - include_tasks: "install-{{ ansible_facts.pkg_mgr }}.yml"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncludeTasksArgs {
    /// The file.
    pub file: String,
    /// Keywords for all tasks of the file.
    pub apply: Option<serde_json::Map<String, Json>>,
}
engine_module!(
    /// `include_tasks`
    IncludeTasks(IncludeTasksArgs), "include_tasks", "ansible.builtin.include_tasks", "Run a file of tasks",
    aliases: &[("file", &["_raw_params"])],
    free_form: Some("file"),
);

/// Puts the tasks of a file here when the playbook is loaded.
///
/// ```yaml
/// - import_tasks: network.yml
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportTasksArgs {
    /// The file.
    pub file: String,
}
engine_module!(
    /// `import_tasks`
    ImportTasks(ImportTasksArgs), "import_tasks", "ansible.builtin.import_tasks", "Put a file of tasks here",
    aliases: &[("file", &["_raw_params"])],
    free_form: Some("file"),
);

/// Runs a role, chosen while the play runs.
///
/// ```yaml
/// - include_role:
///     name: engine
///     tasks_from: restart
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncludeRoleArgs {
    /// The role.
    pub name: String,
    /// Keywords for all tasks of the role.
    pub apply: Option<serde_json::Map<String, Json>>,
    /// The file of `tasks/`.
    #[serde(default = "main_file")]
    pub tasks_from: String,
    /// The file of `vars/`.
    #[serde(default = "main_file")]
    pub vars_from: String,
    /// The file of `defaults/`.
    #[serde(default = "main_file")]
    pub defaults_from: String,
    /// The file of `handlers/`.
    #[serde(default = "main_file")]
    pub handlers_from: String,
    /// Run it again if it ran already.
    #[serde(default = "yes")]
    pub allow_duplicates: bool,
    /// Let later tasks of the play see its variables.
    #[serde(default)]
    pub public: bool,
    /// Check the role's `meta/argument_specs.yml`.
    #[serde(default = "yes")]
    pub rolespec_validate: bool,
}
engine_module!(
    /// `include_role`
    IncludeRole(IncludeRoleArgs), "include_role", "ansible.builtin.include_role", "Run a role",
    aliases: &[("name", &["role"])],
);

/// Puts a role here when the playbook is loaded.
///
/// ```yaml
/// - import_role:
///     name: volumes
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRoleArgs {
    /// The role.
    pub name: String,
    /// The file of `tasks/`.
    #[serde(default = "main_file")]
    pub tasks_from: String,
    /// The file of `vars/`.
    #[serde(default = "main_file")]
    pub vars_from: String,
    /// The file of `defaults/`.
    #[serde(default = "main_file")]
    pub defaults_from: String,
    /// The file of `handlers/`.
    #[serde(default = "main_file")]
    pub handlers_from: String,
    /// Run it again if it ran already.
    #[serde(default = "yes")]
    pub allow_duplicates: bool,
    /// Let later tasks of the play see its variables.
    #[serde(default = "yes")]
    pub public: bool,
    /// Check the role's `meta/argument_specs.yml`.
    #[serde(default = "yes")]
    pub rolespec_validate: bool,
}
engine_module!(
    /// `import_role`
    ImportRole(ImportRoleArgs), "import_role", "ansible.builtin.import_role", "Put a role here",
    aliases: &[("name", &["role"])],
);

/// Puts the plays of another playbook here. Stands among plays, not among tasks.
///
/// ```yaml
/// - import_playbook: prepare.yml
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportPlaybookArgs {
    /// The playbook.
    pub file: String,
}
engine_module!(
    /// `import_playbook`
    ImportPlaybook(ImportPlaybookArgs), "import_playbook", "ansible.builtin.import_playbook", "Put a playbook here",
    aliases: &[("file", &["_raw_params"])],
    free_form: Some("file"),
);

/// Waits for a time, or for a key.
///
/// ```yaml
/// - pause:
///     seconds: 30
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseArgs {
    /// Minutes to wait. Fractions are cut off.
    #[schemars(extend("format" = "whole"))]
    pub minutes: Option<f64>,
    /// Seconds to wait. Fractions are cut off.
    #[schemars(extend("format" = "whole"))]
    pub seconds: Option<f64>,
    /// What to ask; the answer is `user_input` of the result.
    pub prompt: Option<String>,
    /// Show what is typed.
    #[serde(default = "yes")]
    pub echo: bool,
}
engine_module!(
    /// `pause`
    Pause(PauseArgs), "pause", "ansible.builtin.pause", "Wait for a time or a key",
    exclusive: &[&["minutes", "seconds"]],
);
