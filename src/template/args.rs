//! Arguments of filters, tests, functions and methods, taken one by one.

use std::rc::Rc;
use std::sync::Arc;

use crate::value::Value;

use super::cx::Cx;
use super::exec::{Ev, Locals};
use super::fail::{Fail, R};
use super::val::Val;

/// What a filter, test, function or method sees besides its arguments.
pub struct Call<'e, 'c> {
    /// The running template.
    pub ev: &'e Ev<'c>,
    /// The local variables at the call.
    pub locals: &'e Rc<Locals>,
}

impl<'c> Call<'_, 'c> {
    /// The render call.
    pub fn cx(&self) -> &Cx<'c> {
        self.ev.cx
    }

    /// Plain data of a value.
    pub fn value(&self, val: &Val) -> R<Value> {
        val.value(self.ev.cx)
    }

    /// `str(value)`.
    pub fn text(&self, val: &Val) -> R<Arc<str>> {
        match val {
            Val::V(Value::Str(text)) => Ok(Arc::clone(text)),
            other => Ok(super::text::str_of(self.ev.cx, other)?.into()),
        }
    }

    /// All items of an iterable.
    pub fn items(&self, val: &Val) -> R<Vec<Val>> {
        val.items_of(self.ev.cx)
    }
}

/// The arguments that were not taken yet.
#[derive(Clone, Default)]
pub struct Args {
    pos: Vec<Option<Val>>,
    kw: Vec<(Arc<str>, Option<Val>)>,
}

impl Args {
    /// From its parts.
    pub fn new(pos: Vec<Val>, kw: Vec<(Arc<str>, Val)>) -> Self {
        Self {
            pos: pos.into_iter().map(Some).collect(),
            kw: kw.into_iter().map(|(name, value)| (name, Some(value))).collect(),
        }
    }

    /// Only arguments by position.
    pub fn of(pos: Vec<Val>) -> Self {
        Self::new(pos, Vec::new())
    }

    /// Takes the argument at a position or of a name.
    pub fn take(&mut self, index: usize, name: &str) -> Option<Val> {
        self.pos.get_mut(index).and_then(Option::take).or_else(|| self.take_kw(name))
    }

    /// Takes the argument of a name.
    pub fn take_kw(&mut self, name: &str) -> Option<Val> {
        self.kw.iter_mut().find(|(key, _)| **key == *name).and_then(|(_, value)| value.take())
    }

    /// Takes a needed argument.
    pub fn need(&mut self, index: usize, name: &str) -> R<Val> {
        self.take(index, name).ok_or_else(|| Fail::msg(format!("the argument `{name}` is missing")))
    }

    /// Takes text; none if it is not given or `None`.
    pub fn text(&mut self, call: &Call, index: usize, name: &str) -> R<Option<Arc<str>>> {
        match self.take(index, name) {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => call.text(&value.defined()?).map(Some),
        }
    }

    /// Takes a boolean by Python's truth.
    pub fn flag(&mut self, index: usize, name: &str, default: bool) -> R<bool> {
        self.take(index, name).map_or(Ok(default), |value| value.truthy())
    }

    /// Takes an integer.
    pub fn int(&mut self, index: usize, name: &str) -> R<Option<i128>> {
        match self.take(index, name) {
            None => Ok(None),
            Some(Val::V(Value::Null)) => Ok(None),
            Some(Val::V(Value::Int(int))) => Ok(Some(int)),
            Some(Val::V(Value::Bool(flag))) => Ok(Some(i128::from(flag))),
            Some(Val::Undef(undef)) => Err(Fail::Undef(undef)),
            Some(other) => Err(Fail::said(
                format!("`{name}` must be an integer, not {}", other.kind()),
                format!("{name} must be an integer"),
            )),
        }
    }

    /// Takes all that is left by position.
    pub fn rest(&mut self) -> Vec<Val> {
        self.pos.iter_mut().filter_map(Option::take).collect()
    }

    /// Takes all that is left by name.
    pub fn rest_kw(&mut self) -> Vec<(Arc<str>, Val)> {
        self.kw.iter_mut().filter_map(|(name, value)| Some((Arc::clone(name), value.take()?))).collect()
    }

    /// True if an argument stands without a name, and was not taken.
    pub fn has_positional(&self) -> bool {
        self.pos.iter().any(Option::is_some)
    }

    /// All that was not taken.
    pub fn values(&self) -> impl Iterator<Item = &Val> {
        self.pos.iter().chain(self.kw.iter().map(|(_, value)| value)).flatten()
    }

    /// The first undefined argument.
    pub fn undefined(&self) -> Option<Val> {
        self.values().find(|value| matches!(value, Val::Undef(_))).cloned()
    }

    /// The first argument by name that was not taken.
    pub fn left_kw(&self) -> Option<&str> {
        self.kw.iter().find(|(_, value)| value.is_some()).map(|(name, _)| &**name)
    }

    /// Refuses what was not taken.
    pub fn finish(&self) -> R<()> {
        if let Some((name, _)) = self.kw.iter().find(|(_, value)| value.is_some()) {
            return Err(Fail::msg(format!("there is no argument `{name}`")));
        }
        if self.has_positional() {
            return Err(Fail::msg("too many arguments"));
        }
        Ok(())
    }
}
