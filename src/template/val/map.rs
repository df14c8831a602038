//! Mappings of a running template: read entry by entry, as they are used.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::super::cx::{Cx, Env};
use super::super::fail::{Fail, R};
use super::super::keys::{find, node_key};
use super::{BUILTIN_METHOD, MapCell, MapKind, MapRepr, Val};
use crate::value::{Key, Map, StrKey, Value};
use crate::vars::HostVars;
use crate::yaml::Node;

impl MapCell {
    pub(super) fn new(kind: MapKind, repr: MapRepr) -> Rc<Self> {
        Rc::new(Self { kind, repr: RefCell::new(repr) })
    }

    /// The type's name in Python.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            MapKind::Dict => "dict",
            MapKind::Namespace => "Namespace",
            MapKind::HostVars => "HostVars",
            MapKind::HostVarsVars => "HostVarsVars",
        }
    }

    /// The type of a method in Python: Ansible's own dicts have some that are not built in.
    pub fn method_type(&self, name: &str) -> &'static str {
        let own = matches!(&*self.repr.borrow(), MapRepr::Own(_) | MapRepr::Vars(_));
        let lazy = ["copy", "get", "items", "pop", "popitem", "setdefault", "values"];
        if self.kind != MapKind::Dict || (!own && lazy.contains(&name)) { "method" } else { BUILTIN_METHOD }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match &*self.repr.borrow() {
            MapRepr::Own(entries) => entries.len(),
            MapRepr::Data { base, .. } => base.len(),
            MapRepr::Nodes { pairs, .. } => pairs.len(),
            MapRepr::Hosts(hosts) => hosts.hosts().len(),
            MapRepr::Vars(env) => env.scope.listed().len(),
        }
    }

    /// All keys in order.
    pub fn keys(&self) -> Vec<Key> {
        match &*self.repr.borrow() {
            MapRepr::Own(entries) => entries.keys().cloned().collect(),
            MapRepr::Data { base, .. } => base.keys().cloned().collect(),
            MapRepr::Nodes { pairs, .. } => pairs.iter().map(|(key, _)| node_key(key)).collect(),
            MapRepr::Hosts(hosts) => hosts.hosts().into_iter().map(Key::Str).collect(),
            MapRepr::Vars(env) => env.scope.listed().into_iter().map(Key::Str).collect(),
        }
    }

    /// True if the key is there (nothing is rendered).
    pub fn has(&self, key: &Key) -> bool {
        match &*self.repr.borrow() {
            MapRepr::Own(entries) => find(entries, key).is_some(),
            MapRepr::Data { base, .. } => find(base, key).is_some(),
            MapRepr::Nodes { pairs, places, .. } => places.find(pairs, key).is_some(),
            MapRepr::Hosts(hosts) => key.as_str().is_some_and(|name| hosts.hosts().iter().any(|host| **host == *name)),
            MapRepr::Vars(env) => key.as_str().is_some_and(|name| env.scope.lists(name)),
        }
    }

    /// The value of a text key.
    pub fn get_str(&self, cx: &Cx, key: &str) -> R<Option<Val>> {
        match &mut *self.repr.borrow_mut() {
            MapRepr::Own(entries) => return Ok(entries.get(&StrKey(key)).cloned()),
            MapRepr::Data { base, seen } => {
                return Ok(base.get_full(&StrKey(key)).map(|(index, _, value)| shared(seen, index, value)));
            }
            _ => {}
        }
        self.get(cx, &Key::from(key))
    }

    /// The value of a key.
    pub fn get(&self, cx: &Cx, key: &Key) -> R<Option<Val>> {
        enum Then {
            Node(usize, Node, Rc<Env>),
            Var(Rc<Env>),
            Host(Arc<dyn HostVars>),
        }
        let then = match &mut *self.repr.borrow_mut() {
            MapRepr::Own(entries) => return Ok(find(entries, key).map(|index| entries[index].clone())),
            MapRepr::Data { base, seen } => {
                return Ok(find(base, key).map(|index| shared(seen, index, &base[index])));
            }
            MapRepr::Nodes { pairs, env, seen, places } => match places.find(pairs, key) {
                None => return Ok(None),
                Some(index) => match seen.get(&index) {
                    Some(value) => return Ok(Some(value.clone())),
                    None => Then::Node(index, pairs[index].1.clone(), Rc::clone(env)),
                },
            },
            MapRepr::Hosts(hosts) => Then::Host(Arc::clone(hosts)),
            MapRepr::Vars(env) if key.as_str().is_some_and(|name| !env.scope.lists(name)) => return Ok(None),
            MapRepr::Vars(env) => Then::Var(Rc::clone(env)),
        };
        match then {
            Then::Node(index, node, env) => self.read(cx, index, &node, &env).map(Some),
            Then::Var(env) => match key.as_str() {
                Some(name) => cx.variable(name, &env, None),
                None => Ok(None),
            },
            Then::Host(hosts) => Ok(key.as_str().and_then(|name| cx.host_env(&hosts, name)).map(Val::host)),
        }
    }

    /// Reads what was not looked at yet.
    fn read(&self, cx: &Cx, index: usize, node: &Node, env: &Rc<Env>) -> R<Val> {
        let value = cx.lazy(node, env)?;
        if let MapRepr::Nodes { seen, .. } = &mut *self.repr.borrow_mut() {
            seen.insert(index, value.clone());
        }
        Ok(value)
    }

    /// The entry at a place; only of mappings that have places.
    fn at(&self, cx: &Cx, index: usize) -> R<Option<(Key, Val)>> {
        let (key, node, env) = match &mut *self.repr.borrow_mut() {
            MapRepr::Own(entries) => {
                return Ok(entries.get_index(index).map(|(key, value)| (key.clone(), value.clone())));
            }
            MapRepr::Data { base, seen } => {
                return Ok(base.get_index(index).map(|(key, value)| (key.clone(), shared(seen, index, value))));
            }
            MapRepr::Nodes { pairs, env, seen, .. } => match pairs.get(index) {
                None => return Ok(None),
                Some((key, node)) => match seen.get(&index) {
                    Some(value) => return Ok(Some((node_key(key), value.clone()))),
                    None => (node_key(key), node.clone(), Rc::clone(env)),
                },
            },
            MapRepr::Hosts(_) | MapRepr::Vars(_) => return Ok(None),
        };
        Ok(Some((key, self.read(cx, index, &node, &env)?)))
    }

    /// All entries.
    pub fn items(&self, cx: &Cx) -> R<Vec<(Key, Val)>> {
        if !matches!(&*self.repr.borrow(), MapRepr::Hosts(_) | MapRepr::Vars(_)) {
            return (0..self.len()).filter_map(|index| self.at(cx, index).transpose()).collect();
        }
        let mut out = Vec::with_capacity(self.len());
        for key in self.keys() {
            if let Some(value) = self.get(cx, &key)? {
                out.push((key, value));
            }
        }
        Ok(out)
    }

    /// Changes the mapping in place.
    pub fn edit<T>(&self, cx: &Cx, change: impl FnOnce(&mut IndexMap<Key, Val>) -> R<T>) -> R<T> {
        let own = matches!(&*self.repr.borrow(), MapRepr::Own(_));
        if !own {
            let items = self.items(cx)?;
            *self.repr.borrow_mut() = MapRepr::Own(items.into_iter().collect());
        }
        match &mut *self.repr.borrow_mut() {
            MapRepr::Own(entries) => change(entries),
            _ => Err(Fail::msg("the mapping can not be changed now")),
        }
    }

    pub(super) fn untouched(&self) -> Option<Arc<Map>> {
        match &*self.repr.borrow() {
            MapRepr::Data { base, seen } if seen.values().all(Val::is_untouched) => Some(Arc::clone(base)),
            _ => None,
        }
    }

    pub(super) fn value(&self, cx: &Cx) -> R<Arc<Map>> {
        if let Some(base) = self.untouched() {
            cx.weigh(&Value::Map(Arc::clone(&base)))?;
            return Ok(base);
        }
        let _deeper = cx.deeper()?;
        let _tree = cx.tree();
        let mut out = Map::with_capacity(self.len());
        for (key, item) in self.items(cx)? {
            if !matches!(item, Val::Omit) {
                let value = item.value(cx)?;
                if let Val::V(value) = &item {
                    cx.weigh(value)?;
                }
                out.insert(key, value);
            }
        }
        cx.weigh(&Value::Null)?;
        Ok(Arc::new(out))
    }
}

fn shared(seen: &mut BTreeMap<usize, Val>, index: usize, value: &Value) -> Val {
    match value {
        Value::List(_) | Value::Map(_) => seen.entry(index).or_insert_with(|| Val::from(value.clone())).clone(),
        scalar => Val::V(scalar.clone()),
    }
}
