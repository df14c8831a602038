//! `ping`: answers `pong`, which proves that the agent runs.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{ChangedAt, Meta, Module};
use crate::diag::Diagnostic;
use crate::map;
use crate::value::Map;

/// Proves that a host can be reached and that modules run there. Changes nothing.
///
/// It sends no ICMP packets: it logs in, starts the agent and asks it for an answer.
///
/// ```yaml
/// - name: Is the host there?
///   ping:
///
/// - name: What does a crashing module look like?
///   ping:
///     data: crash
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What is returned as `ping`. With `crash` the module fails.
    #[serde(default = "pong")]
    pub data: String,
}

fn pong() -> String {
    "pong".to_owned()
}

/// The module.
#[derive(Debug)]
pub struct Ping;

impl Module for Ping {
    type Args = Args;
    const META: Meta = Meta {
        name: "ping",
        full_name: "ansible.builtin.ping",
        also: &["ansible.legacy.ping"],
        summary: "Proves that a host can be reached and that modules run there",
        changed_at: ChangedAt::Last,
        ..Meta::NONE
    };

    fn run(_cx: &Cx, args: Args) -> Result<Map, Failure> {
        if args.data == "crash" {
            let error = Diagnostic::task("S0490", "boom").with_note("`data: crash` asks for this failure");
            return Err(Failure::with_result(error, map! { "msg" => "Task failed: Module failed: boom" }));
        }
        Ok(map! { "ping" => args.data })
    }
}
