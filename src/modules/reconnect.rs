//! The faces of `wait_for_connection` and `reboot`, which the engine runs: they are about the way to the host.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{Meta, Module, RunsOn};
use crate::diag::Diagnostic;
use crate::value::Map;

/// Waits until the host can be reached and a module runs there.
///
/// ```yaml
/// - hosts: new_machines
///   gather_facts: false
///   tasks:
///   - wait_for_connection:
///       delay: 10
///       timeout: 300
///   - setup:
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitForConnectionArgs {
    /// Seconds for one attempt, where the connection itself has no limit.
    #[serde(default = "five")]
    pub connect_timeout: u64,
    /// Seconds before the first attempt.
    #[serde(default)]
    pub delay: u64,
    /// Seconds between attempts.
    #[serde(default = "one")]
    pub sleep: u64,
    /// Seconds at most.
    #[serde(default = "ten_minutes")]
    pub timeout: u64,
}

/// Starts the host anew, waits until it is back, and sees that it answers.
///
/// It is back when `boot_time_command` says something else than before. A host with `connection: local` is refused:
/// that would be the controller.
///
/// ```yaml
/// - reboot:
///     reboot_timeout: 900
///     msg: new kernel
///   become: true
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootArgs {
    /// A command whose output differs after a boot.
    #[serde(default = "boot_id")]
    pub boot_time_command: String,
    /// Seconds for one attempt to connect.
    pub connect_timeout: Option<u64>,
    /// What people on the host are told.
    #[serde(default = "message")]
    pub msg: String,
    /// Seconds to wait after the command before the host is asked.
    #[serde(default)]
    pub post_reboot_delay: f64,
    /// Seconds until the host goes down, in whole minutes.
    #[serde(default)]
    pub pre_reboot_delay: f64,
    /// What starts the host anew, if not `shutdown`.
    pub reboot_command: Option<String>,
    /// Seconds to wait for the host, and again for `test_command`.
    #[serde(default = "ten_minutes")]
    pub reboot_timeout: u64,
    /// Where the command is looked for.
    #[serde(default = "search_paths")]
    pub search_paths: Vec<String>,
    /// A command that must end well when the host is back.
    #[serde(default = "whoami")]
    pub test_command: String,
}

fn one() -> u64 {
    1
}

fn five() -> u64 {
    5
}

fn ten_minutes() -> u64 {
    600
}

fn boot_id() -> String {
    "cat /proc/sys/kernel/random/boot_id".to_owned()
}

fn message() -> String {
    "Reboot initiated by Ansible".to_owned()
}

fn search_paths() -> Vec<String> {
    ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"].map(str::to_owned).to_vec()
}

fn whoami() -> String {
    "whoami".to_owned()
}

/// The module `wait_for_connection`.
pub struct WaitForConnection;
/// The module `reboot`.
pub struct Reboot;

impl Module for WaitForConnection {
    type Args = WaitForConnectionArgs;
    const META: Meta = Meta {
        name: "wait_for_connection",
        full_name: "ansible.builtin.wait_for_connection",
        also: &["ansible.legacy.wait_for_connection"],
        summary: "Wait until a host can be reached",
        runs_on: RunsOn::Engine,
        ..Meta::NONE
    };

    fn run(_: &Cx, _: WaitForConnectionArgs) -> Result<Map, Failure> {
        Err(Diagnostic::internal("`wait_for_connection` was sent to a host; the engine runs it itself").into())
    }
}

impl Module for Reboot {
    type Args = RebootArgs;
    const META: Meta = Meta {
        name: "reboot",
        full_name: "ansible.builtin.reboot",
        also: &["ansible.legacy.reboot"],
        summary: "Start a host anew and wait for it",
        runs_on: RunsOn::Engine,
        aliases: &[
            ("connect_timeout", &["connect_timeout_sec"]),
            ("post_reboot_delay", &["post_reboot_delay_sec"]),
            ("pre_reboot_delay", &["pre_reboot_delay_sec"]),
            ("reboot_timeout", &["reboot_timeout_sec"]),
        ],
        ..Meta::NONE
    };

    fn run(_: &Cx, _: RebootArgs) -> Result<Map, Failure> {
        Err(Diagnostic::internal("`reboot` was sent to a host; the engine runs it itself").into())
    }
}
