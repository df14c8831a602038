//! The names that a running template has set, and where its loops stand.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::Key;

use super::code::For;
use super::val::Val;

/// Names set by a template, innermost scope first.
#[derive(Default)]
pub struct Locals {
    vars: RefCell<Vec<(Arc<str>, Val)>>,
    parent: Option<Rc<Locals>>,
}

impl Locals {
    /// A scope inside another.
    pub fn inside(parent: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { vars: RefCell::default(), parent: Some(Rc::clone(parent)) })
    }

    /// Sets a name in this scope.
    pub fn set(&self, name: &Arc<str>, value: Val) {
        let mut vars = self.vars.borrow_mut();
        match vars.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => vars.push((Arc::clone(name), value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Val> {
        let mut scope = Some(self);
        while let Some(locals) = scope {
            if let Some((_, value)) = locals.vars.borrow().iter().find(|(known, _)| **known == *name) {
                return Some(value.clone());
            }
            scope = locals.parent.as_deref();
        }
        None
    }

    /// Forgets all (breaks reference cycles).
    pub fn clear(&self) {
        self.vars.borrow_mut().clear();
    }

    /// What another template may import: names that begin with `_` stay inside.
    pub fn exports(&self) -> IndexMap<Key, Val> {
        let vars = self.vars.borrow();
        let shown = vars.iter().filter(|(name, _)| !name.starts_with('_'));
        shown.map(|(name, value)| (Key::Str(Arc::clone(name)), value.clone())).collect()
    }
}

/// `loop`.
pub struct LoopState {
    /// Position from 0.
    pub index: Cell<usize>,
    /// All items.
    pub items: Vec<Val>,
    /// Depth from 0.
    pub depth: usize,
    /// What `loop.changed` saw last.
    pub last: RefCell<Option<Vec<Val>>>,
    /// For `loop(...)` in a recursive loop.
    pub recurse: Option<(Arc<For>, Rc<Locals>)>,
}
