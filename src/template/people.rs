//! What people are told: texts in which undefined values are shown instead of failing, and warnings of what is
//! deprecated, in ansible-core's words.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::cx::{Cx, Env, Place};
use super::engine::Templates;
use super::exec;
use super::fail::{Fail, R};
use crate::diag::{Deprecation, Diagnostic, Kind, Origin, Result, Span};
use crate::value::Value;
use crate::vars::Scope;
use crate::yaml::Node;

/// What ansible-core says when it tells of `play_hosts`.
const PLAY_HOSTS_HELP: Option<&str> = Some("Use `ansible_play_batch` instead.");

/// Where a deprecated thing is, for us and for ansible-core, and what ansible-core says that helps.
#[derive(Default)]
pub(super) struct Told<'h> {
    pub place: Option<Span>,
    pub origin: Option<Origin>,
    pub help: Option<&'h str>,
}

impl Templates {
    /// A text for people: what is undefined in it is shown in its place, with a warning for each template.
    pub fn render_for_people(&self, node: &Node, scope: &Scope) -> Result<(Value, Vec<Diagnostic>)> {
        Self::guard(Some(node.place()), || {
            let cx = Cx::showing(self);
            let value = cx.lazy(node, &Env::new(scope)).and_then(|value| value.result(&cx));
            self.for_people(&cx, value, node.place())
        })
    }

    /// The same of a bare expression.
    pub fn expression_for_people(&self, text: &str, span: Span, scope: &Scope) -> Result<(Value, Vec<Diagnostic>)> {
        Self::guard(Some(span), || {
            let cx = Cx::showing(self);
            let place = Place::Range(span);
            let value = self
                .compiled_expression(&Arc::from(text), &place)
                .and_then(|code| exec::render(&cx, &code, Rc::new(place), &Env::new(scope))?.result(&cx));
            self.for_people(&cx, value, span)
        })
    }

    fn for_people(&self, cx: &Cx, value: R<Value>, span: Span) -> Result<(Value, Vec<Diagnostic>)> {
        let value = match value {
            Err(Fail::Undef(undef)) => cx.undefined(&undef),
            other => other,
        };
        let value = value.map_err(|fail| Self::finish(cx, fail, span))?;
        let shown = cx.shown.as_ref().map(|shown| shown.borrow().clone()).unwrap_or_default();
        let mut warnings = Vec::new();
        let mut number = 0;
        for group in shown.chunk_by(|one, other| one.home == other.home) {
            let many = if group.len() > 1 { "s" } else { "" };
            let mut words = format!("Encountered {} template error{many}.", group.len());
            for undef in group {
                number += 1;
                words.push_str(&format!("\nerror {number} - {}", undef.registered()));
            }
            let mut warning = cx.diagnostic(Fail::Undef(Rc::clone(&group[0]))).warning();
            warning.code = Cow::Borrowed("T0113");
            warnings.push(warning.with_registered(words).about(group[0].home, None));
        }
        Ok((value, warnings))
    }

    /// Warns of what ansible-core calls deprecated, in its words; `text` is ours.
    pub(super) fn deprecated(&self, text: String, words: Deprecation, told: Told, hint: &str) {
        let warning = Diagnostic::of_deprecation("T0112", Kind::Template, text, words);
        self.warn(warning.with_label_opt(told.place, "deprecated").with_hint(hint).about(told.origin, told.help));
    }

    /// Warns of a condition in braces.
    pub(super) fn deprecated_braces(&self, place: Span) {
        self.warn(super::condition_in_braces(Some(place)));
    }

    /// Warns of the variable `play_hosts`, used there.
    pub(super) fn deprecated_play_hosts(&self, place: Option<Span>, origin: Option<Origin>) {
        self.warn(super::names::play_hosts().with_label_opt(place, "deprecated").about(origin, PLAY_HOSTS_HELP));
    }
}
