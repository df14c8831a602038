//! Drops values without calling itself: a list in a list in a list may be deeper than the stack.

use std::ops::Deref;
use std::rc::Rc;

use super::exec::LoopState;
use super::val::{Func, ListCell, ListRepr, MapCell, MapRepr, Val};

/// Values that are dropped one after the other, with what they hold.
#[derive(Default)]
pub struct Unload(Vec<Val>);

impl Unload {
    /// A value to drop. One that holds no others is dropped at once.
    pub fn add(&mut self, val: Val) {
        if matches!(val, Val::List(_) | Val::Map(_) | Val::Loop(_) | Val::Func(_)) {
            self.0.push(val);
        }
    }

    /// Values to drop.
    pub fn all(&mut self, vals: impl IntoIterator<Item = Val>) {
        vals.into_iter().for_each(|val| self.add(val));
    }

    /// Drops them all. What someone else holds too stays.
    pub fn run(mut self) {
        while let Some(val) = self.0.pop() {
            match val {
                Val::List(list) => {
                    if let Some(mut list) = Rc::into_inner(list) {
                        unload_list(&mut list, &mut self);
                    }
                }
                Val::Map(map) => {
                    if let Some(mut map) = Rc::into_inner(map) {
                        unload_map(&mut map, &mut self);
                    }
                }
                Val::Loop(state) => {
                    if let Some(mut state) = Rc::into_inner(state) {
                        unload_loop(&mut state, &mut self);
                    }
                }
                Val::Func(Func::Method(object, _)) => self.add(*object),
                Val::Func(Func::Cycler(items, _)) => {
                    if let Some(mut items) = Rc::into_inner(items) {
                        self.all(std::mem::take(&mut items.0));
                    }
                }
                Val::Func(Func::Module(names, _)) => {
                    if let Some(names) = Rc::into_inner(names) {
                        self.all(names.into_values());
                    }
                }
                _ => {}
            }
        }
    }
}

fn unload_list(list: &mut ListCell, unload: &mut Unload) {
    match list.repr.get_mut() {
        ListRepr::Own(items) => unload.all(std::mem::take(items)),
        ListRepr::Data { seen, .. } | ListRepr::Nodes { seen, .. } => unload.all(std::mem::take(seen).into_values()),
    }
}

fn unload_map(map: &mut MapCell, unload: &mut Unload) {
    match map.repr.get_mut() {
        MapRepr::Own(entries) => unload.all(std::mem::take(entries).into_values()),
        MapRepr::Data { seen, .. } | MapRepr::Nodes { seen, .. } => unload.all(std::mem::take(seen).into_values()),
        MapRepr::Hosts(_) | MapRepr::Vars(_) => {}
    }
}

fn unload_loop(state: &mut LoopState, unload: &mut Unload) {
    unload.all(std::mem::take(&mut state.items));
    unload.all(state.last.take().unwrap_or_default());
}

impl Drop for ListCell {
    fn drop(&mut self) {
        let mut unload = Unload::default();
        unload_list(self, &mut unload);
        unload.run();
    }
}

impl Drop for MapCell {
    fn drop(&mut self) {
        let mut unload = Unload::default();
        unload_map(self, &mut unload);
        unload.run();
    }
}

impl Drop for LoopState {
    fn drop(&mut self) {
        let mut unload = Unload::default();
        unload_loop(self, &mut unload);
        unload.run();
    }
}

/// The items of a `cycler`.
pub struct Items(Vec<Val>);

impl Items {
    /// From a list.
    pub fn new(items: Vec<Val>) -> Self {
        Self(items)
    }
}

impl Deref for Items {
    type Target = [Val];

    fn deref(&self) -> &[Val] {
        &self.0
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        let mut unload = Unload::default();
        unload.all(std::mem::take(&mut self.0));
        unload.run();
    }
}

#[cfg(test)]
mod tests {
    use super::super::table_tests::{node, setup};

    #[test]
    fn values_nested_deeper_than_the_stack_are_dropped() {
        let (templates, scope, _) = setup("{}");
        for inner in [
            "[ns.a]",
            "(ns.a, 1)",
            "{'k': ns.a}",
            "[[ns.a].append]",
            "cycler(ns.a)",
            "namespace(x=ns.a)",
            "dict(x=[ns.a])",
            "cycler(ns.a).next",
        ] {
            let text = format!(
                "{{% set ns = namespace(a=[]) %}}{{% for i in range(100000) %}}{{% set ns.a = {inner} %}}{{% endfor %}}\
                 {{% set ns.a = 1 %}}x"
            );
            let work = || templates.render(&node(&templates, &text), &scope).map(|value| value.as_str() == Some("x"));
            assert_eq!(work().ok(), Some(true), "{inner}");
        }
        let loops = "{% set ns = namespace(a=[]) %}{% for i in range(100000) %}{% for j in [ns.a] %}\
                     {% set ns.a = loop %}{% endfor %}{% endfor %}{% set ns.a = 1 %}x";
        assert!(templates.render(&node(&templates, loops), &scope).is_ok());
    }
}
