//! Failures with the text that Ansible registers as `msg`, beside hostctl's own words for people.

use super::call::Failure;
use super::cx::Cx;
use crate::diag::Diagnostic;
use crate::map;
use crate::system::process::{Output, Program, failed};
use crate::value::{Map, insert};

/// A failure whose registered `msg` is Ansible's, word for word. People see the same, as hostctl writes messages.
pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Failure {
    refused_with(code, message, Map::new())
}

/// [`refused`] with more result keys.
pub(super) fn refused_with(code: &'static str, message: impl Into<String>, mut result: Map) -> Failure {
    let message = message.into();
    let diagnostic = Diagnostic::task(code, ours(&message));
    result.extend(map! { "msg" => message });
    Failure::with_result(diagnostic, result)
}

/// A wrong pattern in an argument: Ansible's modules end with what Python says of it.
pub(super) fn wrong_pattern(name: &str, reason: &str) -> Diagnostic {
    Diagnostic::task("H0110", format!("`{name}` is no valid pattern: {reason}"))
        .with_registered(format!("Task failed: Module failed: {reason}"))
}

/// A program that the module needs is not on the host.
pub(super) fn no_program(cx: &Cx, name: &str) -> Failure {
    refused("H0103", not_in_paths(cx, name))
}

/// What Ansible says of a program that it does not find.
pub(super) fn not_in_paths(cx: &Cx, name: &str) -> String {
    let mut folders = cx.probe().variable("PATH").unwrap_or_default();
    for folder in ["/sbin", "/usr/sbin", "/usr/local/sbin"] {
        if !folders.split(':').any(|known| known == folder) && cx.probe().exists(std::path::Path::new(folder)) {
            folders = format!("{folders}:{folder}");
        }
    }
    format!("Failed to find required executable \"{name}\" in paths: {folders}")
}

/// Changes an account or a group with a program, whose words and code are what is registered where it fails.
pub(super) fn account_tool(
    cx: &Cx,
    name: &str,
    what: String,
    program: Program<'_>,
    code: bool,
) -> Result<Option<Output>, Failure> {
    let shown = program.shown();
    let output = cx.change(what, |host| host.run(program))?;
    let output = match output {
        Some(output) if !output.success() => output,
        output => return Ok(output),
    };
    let mut result = map! { "name" => name };
    if code {
        insert(&mut result, "rc", output.rc);
    }
    Err(Failure::with_result(failed(&shown, &output).with_registered(output.err()), result))
}

/// The same words as hostctl writes messages: lower case start, no period or exclamation mark at the end.
fn ours(message: &str) -> String {
    let text = message.trim_end_matches(['.', '!', ' ', '\n']);
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        // Not `I/O error` and the like.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().collect::<String>() + &text[first.len_utf8()..]
        }
        _ => text.to_owned(),
    }
}
