//! The values of a running template: plain data shared with the outside, containers that are
//! changed in place, source that is rendered on use, functions, and undefined values.
//!
//! Containers of data and of source are wrapped, not copied; an item is converted when it is used.

mod map;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{Key, Map, Value};
use crate::vars::HostVars;
use crate::yaml::{Node, Pair};

use super::clock::Clock;
use super::cx::{Cx, Env};
use super::exec::{LoopState, Macro};
use super::fail::{Fail, R, Undef};
use super::keys::Places;
use super::unload::Items;

pub(super) const BUILTIN_METHOD: &str = "builtin_function_or_method";

/// A value in a running template.
#[derive(Clone)]
pub enum Val {
    /// A scalar (never a list or a map).
    V(Value),
    /// A list or a tuple.
    List(Rc<ListCell>),
    /// A mapping.
    Map(Rc<MapCell>),
    /// Undefined: an error when it is used, unless `default` or `is defined` catches it.
    Undef(Rc<Undef>),
    /// `omit`.
    Omit,
    /// Something that can be called.
    Func(Func),
    /// `loop`.
    Loop(Rc<LoopState>),
    /// A time span, a time of day or a time zone.
    Clock(Clock),
}

/// What can be called.
#[derive(Clone)]
pub enum Func {
    /// A global function by name.
    Global(&'static str),
    /// A method with its object.
    Method(Box<Val>, Rc<str>),
    /// A macro.
    Macro(Rc<Macro>),
    /// `super()`: the block's name and its depth.
    Super(Rc<str>, usize),
    /// `self`: its attributes are the blocks.
    Blocks,
    /// What `import ... as` gives: the names of another template, and its text.
    Module(Rc<IndexMap<Key, Val>>, Rc<str>),
    /// `joiner(sep)`.
    Joiner(Rc<str>, Rc<std::cell::Cell<bool>>),
    /// `cycler(...)`.
    Cycler(Rc<Items>, Rc<std::cell::Cell<usize>>),
}

/// What a list is in Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// `list`.
    List,
    /// A tuple: spelled `(1, 2)` and named so.
    Tuple,
    /// `range(start, stop, step)`: not equal to a list of the same numbers, and no result of a template.
    Range(i128, i128, i128),
}

/// A list, a tuple or a range: they differ by their names and their spelling.
pub struct ListCell {
    /// What it is in Python.
    pub kind: ListKind,
    pub(super) repr: RefCell<ListRepr>,
}

pub(super) enum ListRepr {
    Own(Vec<Val>),
    Data { base: Arc<Vec<Value>>, seen: BTreeMap<usize, Val> },
    Nodes { nodes: Arc<[Node]>, env: Rc<Env>, seen: BTreeMap<usize, Val> },
}

/// A mapping.
pub struct MapCell {
    /// What it is in Python.
    pub kind: MapKind,
    pub(super) repr: RefCell<MapRepr>,
}

/// What a mapping is in Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// `dict`.
    Dict,
    /// `namespace(...)`: its attributes are what was set, never methods.
    Namespace,
    /// `hostvars`.
    HostVars,
    /// `hostvars[host]`.
    HostVarsVars,
}

pub(super) enum MapRepr {
    Own(IndexMap<Key, Val>),
    Data { base: Arc<Map>, seen: BTreeMap<usize, Val> },
    Nodes { pairs: Arc<[Pair]>, env: Rc<Env>, seen: BTreeMap<usize, Val>, places: Places },
    Hosts(Arc<dyn HostVars>),
    Vars(Rc<Env>),
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        match value {
            Value::List(base) => Self::List(Rc::new(ListCell {
                kind: ListKind::List,
                repr: RefCell::new(ListRepr::Data { base, seen: BTreeMap::new() }),
            })),
            Value::Map(base) => Self::Map(MapCell::new(MapKind::Dict, MapRepr::Data { base, seen: BTreeMap::new() })),
            scalar => Self::V(scalar),
        }
    }
}

macro_rules! from {
    ($($source:ty),+) => { $(impl From<$source> for Val {
        fn from(value: $source) -> Self { Self::V(Value::from(value)) }
    })+ };
}
from!(bool, i64, usize, f64, &str, String, Arc<str>);

impl From<i128> for Val {
    fn from(int: i128) -> Self {
        Self::V(Value::Int(int))
    }
}

impl Val {
    /// Python's `None`.
    pub const NONE: Self = Self::V(Value::Null);

    /// A new list.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(ListCell { kind: ListKind::List, repr: RefCell::new(ListRepr::Own(items)) }))
    }

    /// A new tuple.
    pub fn tuple(items: Vec<Self>) -> Self {
        Self::List(Rc::new(ListCell { kind: ListKind::Tuple, repr: RefCell::new(ListRepr::Own(items)) }))
    }

    /// `range(start, stop, step)`, with its numbers.
    pub fn range(bounds: (i128, i128, i128), numbers: Vec<Self>) -> Self {
        let kind = ListKind::Range(bounds.0, bounds.1, bounds.2);
        Self::List(Rc::new(ListCell { kind, repr: RefCell::new(ListRepr::Own(numbers)) }))
    }

    /// A new mapping.
    pub fn map(entries: IndexMap<Key, Self>) -> Self {
        Self::Map(MapCell::new(MapKind::Dict, MapRepr::Own(entries)))
    }

    /// `namespace(...)`.
    pub fn namespace(entries: IndexMap<Key, Self>) -> Self {
        Self::Map(MapCell::new(MapKind::Namespace, MapRepr::Own(entries)))
    }

    /// A mapping with text keys.
    pub fn pairs<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::map(entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect())
    }

    /// A list of source, rendered on use.
    pub fn nodes(nodes: Arc<[Node]>, env: Rc<Env>) -> Self {
        let repr = ListRepr::Nodes { nodes, env, seen: BTreeMap::new() };
        Self::List(Rc::new(ListCell { kind: ListKind::List, repr: RefCell::new(repr) }))
    }

    /// A mapping of source, rendered on use.
    pub fn node_map(pairs: Arc<[Pair]>, env: Rc<Env>) -> Self {
        Self::Map(MapCell::new(
            MapKind::Dict,
            MapRepr::Nodes { pairs, env, seen: BTreeMap::new(), places: Places::default() },
        ))
    }

    /// `hostvars`.
    pub fn hosts(hosts: Arc<dyn HostVars>) -> Self {
        Self::Map(MapCell::new(MapKind::HostVars, MapRepr::Hosts(hosts)))
    }

    /// All variables of a scope, each rendered on use: `vars`.
    pub fn vars(env: Rc<Env>) -> Self {
        Self::Map(MapCell::new(MapKind::Dict, MapRepr::Vars(env)))
    }

    /// `hostvars[host]`.
    pub fn host(env: Rc<Env>) -> Self {
        Self::Map(MapCell::new(MapKind::HostVarsVars, MapRepr::Vars(env)))
    }

    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Value> {
        match self {
            Self::V(value) => Some(value),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        self.scalar().and_then(Value::as_str)
    }

    /// Text shared, if it is text.
    pub fn as_text(&self) -> Option<Arc<str>> {
        match self {
            Self::V(Value::Str(text)) => Some(Arc::clone(text)),
            _ => None,
        }
    }

    /// True for `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::V(Value::Null))
    }

    /// The undefined value as a failure.
    pub fn defined(self) -> R<Self> {
        match self {
            Self::Undef(undef) => Err(Fail::Undef(undef)),
            other => Ok(other),
        }
    }

    /// Python's truth.
    pub fn truthy(&self) -> R<bool> {
        Ok(match self {
            Self::V(value) => value.truthy(),
            Self::List(list) => list.len() > 0,
            Self::Map(map) => map.len() > 0,
            Self::Undef(undef) if matches!(undef.what, super::fail::What::Soft) => false,
            Self::Undef(undef) => return Err(Fail::Undef(Rc::clone(undef))),
            Self::Clock(clock) => clock.truthy(),
            Self::Omit | Self::Func(_) | Self::Loop(_) => true,
        })
    }

    /// The value if it is undefined, or the first item that is, down to a depth. Nothing is rendered for it.
    pub fn undefined_within(&self, depth: usize) -> Option<Self> {
        let deeper = |item: &Self| item.undefined_within(depth - 1);
        match self {
            Self::Undef(_) => Some(self.clone()),
            Self::List(list) if depth > 0 => match &*list.repr.borrow() {
                ListRepr::Own(items) => items.iter().find_map(deeper),
                ListRepr::Nodes { seen, .. } => seen.values().find_map(deeper),
                ListRepr::Data { .. } => None,
            },
            Self::Map(map) if depth > 0 => match &*map.repr.borrow() {
                MapRepr::Own(entries) => entries.values().find_map(deeper),
                MapRepr::Nodes { seen, .. } => seen.values().find_map(deeper),
                MapRepr::Data { .. } | MapRepr::Hosts(_) | MapRepr::Vars(_) => None,
            },
            _ => None,
        }
    }

    /// True for `omit`, and for what holds it, as far as it was looked at. What was `seen` is not looked at again.
    pub fn omits(&self, seen: &mut HashSet<usize>) -> bool {
        match self {
            Self::Omit => true,
            Self::List(list) if seen.insert(Rc::as_ptr(list) as usize) => match &*list.repr.borrow() {
                ListRepr::Own(items) => items.iter().any(|item| item.omits(seen)),
                ListRepr::Nodes { seen: items, .. } => items.values().any(|item| item.omits(seen)),
                ListRepr::Data { .. } => false,
            },
            Self::Map(map) if seen.insert(Rc::as_ptr(map) as usize) => match &*map.repr.borrow() {
                MapRepr::Own(entries) => entries.values().any(|item| item.omits(seen)),
                MapRepr::Nodes { seen: items, .. } => items.values().any(|item| item.omits(seen)),
                MapRepr::Data { .. } | MapRepr::Hosts(_) | MapRepr::Vars(_) => false,
            },
            _ => false,
        }
    }

    /// Plain data, rendered throughout; entries that are `omit` are left out.
    pub fn value(&self, cx: &Cx) -> R<Value> {
        Ok(match self {
            Self::V(value) => value.clone(),
            Self::List(list) => Value::List(list.value(cx)?),
            Self::Map(map) => Value::Map(map.value(cx)?),
            Self::Undef(undef) => cx.undefined(undef)?,
            Self::Omit => super::omit::omit(),
            Self::Func(Func::Module(_, text)) => Value::from(&**text),
            Self::Func(func) => {
                let name = match func {
                    Func::Method(_, name) => format!("the method `{name}`"),
                    Func::Global(name) => format!("the function `{name}`"),
                    Func::Macro(item) => format!("the macro `{}`", item.name()),
                    _ => "a function".to_owned(),
                };
                let words = format!("Type '{}' is unsupported for variable storage.", self.type_name());
                let fail = Fail::said(format!("{name} is not a value"), words).rendering();
                return Err(match func {
                    Func::Method(object, name) if object.has_key(name) => {
                        fail.with_hint(format!("for the entry of this name write `['{name}']`"))
                    }
                    _ => fail.with_hint("call it: add `()`"),
                });
            }
            Self::Loop(_) => return Err(Fail::msg("`loop` is not a value")),
            Self::Clock(clock) => clock.value()?,
        })
    }

    /// [`Val::value`] of what a template or a variable comes to: a range is none.
    pub fn result(&self, cx: &Cx) -> R<Value> {
        match self {
            Self::List(list) if list.is_range() => {
                let words = "Type 'range' is unsupported for variable storage.";
                Err(Fail::said("a `range` is not a value", words).rendering().with_hint("`| list` makes a list of it"))
            }
            other => other.value(cx),
        }
    }

    /// True for a mapping with such a key.
    fn has_key(&self, name: &str) -> bool {
        matches!(self, Self::Map(map) if map.has(&Key::from(name)))
    }

    /// The key of a scalar.
    pub fn key(&self) -> R<Key> {
        match self {
            Self::V(value) => {
                Key::from_value(value).ok_or_else(|| Fail::msg(format!("{} can not be a key", value.type_name())))
            }
            Self::Undef(undef) => Err(Fail::Undef(Rc::clone(undef))),
            other => Err(Fail::said(
                format!("{} can not be a key", other.kind()),
                format!("unhashable type: '{}'", other.type_name()),
            )
            .rendering()),
        }
    }

    /// All items: of a list, the keys of a mapping, the characters of text.
    pub fn items_of(&self, cx: &Cx) -> R<Vec<Self>> {
        match self {
            Self::List(list) => list.items(cx),
            Self::Map(map) => Ok(map.keys().iter().map(|key| Self::V(key.to_value())).collect()),
            Self::V(Value::Str(text)) => Ok(text.chars().map(|c| Self::from(c.to_string())).collect()),
            Self::V(Value::Bytes(bytes)) => Ok(bytes.iter().map(|byte| Self::from(i128::from(*byte))).collect()),
            Self::Undef(undef) => Err(Fail::Undef(Rc::clone(undef))),
            other => Err(Fail::said(
                format!("{} is not iterable", other.kind()),
                format!("'{}' object is not iterable", other.type_name()),
            )),
        }
    }

    /// Number of items.
    pub fn len(&self) -> R<usize> {
        match self {
            Self::List(list) => Ok(list.len()),
            Self::Map(map) => Ok(map.len()),
            Self::V(Value::Str(text)) => Ok(text.chars().count()),
            Self::V(Value::Bytes(bytes)) => Ok(bytes.len()),
            Self::Undef(undef) => Err(Fail::Undef(Rc::clone(undef))),
            other => Err(Fail::said(
                format!("{} has no length", other.kind()),
                format!("object of type '{}' has no len()", other.type_name()),
            )),
        }
    }
}

impl ListCell {
    /// A tuple.
    pub fn is_tuple(&self) -> bool {
        self.kind == ListKind::Tuple
    }

    /// What `range()` gave.
    pub fn is_range(&self) -> bool {
        matches!(self.kind, ListKind::Range(..))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        match &*self.repr.borrow() {
            ListRepr::Own(items) => items.len(),
            ListRepr::Data { base, .. } => base.len(),
            ListRepr::Nodes { nodes, .. } => nodes.len(),
        }
    }

    /// An item.
    pub fn get(&self, cx: &Cx, index: usize) -> R<Option<Val>> {
        let (node, env) = match &mut *self.repr.borrow_mut() {
            ListRepr::Own(items) => return Ok(items.get(index).cloned()),
            ListRepr::Data { base, seen } => {
                return Ok(match base.get(index) {
                    Some(value @ (Value::List(_) | Value::Map(_))) => {
                        Some(seen.entry(index).or_insert_with(|| Val::from(value.clone())).clone())
                    }
                    other => other.cloned().map(Val::V),
                });
            }
            ListRepr::Nodes { nodes, env, seen } => {
                if let Some(value) = seen.get(&index) {
                    return Ok(Some(value.clone()));
                }
                match nodes.get(index) {
                    Some(node) => (node.clone(), Rc::clone(env)),
                    None => return Ok(None),
                }
            }
        };
        let value = cx.lazy(&node, &env)?;
        if let ListRepr::Nodes { seen, .. } = &mut *self.repr.borrow_mut() {
            seen.insert(index, value.clone());
        }
        Ok(Some(value))
    }

    /// All items.
    pub fn items(&self, cx: &Cx) -> R<Vec<Val>> {
        (0..self.len()).filter_map(|index| self.get(cx, index).transpose()).collect()
    }

    /// Changes the list in place.
    pub fn edit<T>(&self, cx: &Cx, change: impl FnOnce(&mut Vec<Val>) -> R<T>) -> R<T> {
        let own = matches!(&*self.repr.borrow(), ListRepr::Own(_));
        if !own {
            let items = self.items(cx)?;
            *self.repr.borrow_mut() = ListRepr::Own(items);
        }
        match &mut *self.repr.borrow_mut() {
            ListRepr::Own(items) => change(items),
            _ => Err(Fail::msg("the list can not be changed now")),
        }
    }

    fn untouched(&self) -> Option<Arc<Vec<Value>>> {
        match &*self.repr.borrow() {
            ListRepr::Data { base, seen } if seen.values().all(Val::is_untouched) => Some(Arc::clone(base)),
            _ => None,
        }
    }

    fn value(&self, cx: &Cx) -> R<Arc<Vec<Value>>> {
        if let Some(base) = self.untouched() {
            cx.weigh(&Value::List(Arc::clone(&base)))?;
            return Ok(base);
        }
        let _deeper = cx.deeper()?;
        let _tree = cx.tree();
        let mut out = Vec::with_capacity(self.len());
        for item in self.items(cx)? {
            if !matches!(item, Val::Omit) {
                let value = item.value(cx)?;
                if let Val::V(value) = &item {
                    cx.weigh(value)?;
                }
                out.push(value);
            }
        }
        cx.weigh(&Value::Null)?;
        Ok(Arc::new(out))
    }
}

impl Val {
    fn is_untouched(&self) -> bool {
        match self {
            Self::List(list) => list.untouched().is_some(),
            Self::Map(map) => map.untouched().is_some(),
            _ => true,
        }
    }
}
