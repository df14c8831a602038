//! Evaluates expressions.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{Key, StrKey, Value};
use crate::vars::Entry;
use crate::yaml::{Node, NodeData, Tag};

use super::args::{Args, Call};
use super::code::{Arg, At, Bin, Expr, Op};
use super::cx::{Env, Place, may_be_template};
use super::exec::{Ev, Locals};
use super::fail::{Fail, R, Undef, What};
use super::val::{Func, Val};
use super::{filters, globals, methods, ops, tests};

/// The short name of a filter, test or lookup: its collection is dropped if we have it.
pub fn short(name: &str) -> &str {
    const OURS: [&str; 6] = [
        "ansible.builtin.",
        "ansible.legacy.",
        "ansible.utils.",
        "ansible.netcommon.",
        "ansible.posix.",
        "community.general.",
    ];
    OURS.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// The full name of a plugin in messages.
fn full_name(name: &str) -> String {
    if name.contains('.') {
        return name.to_owned();
    }
    format!("ansible.builtin.{name}")
}

fn not_callable(value: &Val) -> String {
    format!("'{}' object is not callable", value.type_name())
}

/// An undefined value that a call met is its result, so `default` after it works.
fn catch(result: R<Val>) -> R<Val> {
    match result {
        Err(Fail::Undef(undef)) => Ok(Val::Undef(undef)),
        other => other,
    }
}

/// The source that an expression names: a variable, or what stands below a key of one.
pub fn source(expr: &Expr, env: &Env, locals: &Locals) -> Option<Node> {
    let below = |base: &Expr, key: &str| match &source(base, env, locals)?.data {
        NodeData::Map(pairs) => pairs.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, node)| node.clone()),
        _ => None,
    };
    match &expr.op {
        Op::Name(name) if locals.get(name).is_none() => match env.scope.get(name)? {
            (Entry::Lazy(node) | Entry::Rendered(_, node), _) => Some(node.clone()),
            _ => None,
        },
        Op::Attr(base, key) => (!methods::of_dict(key)).then(|| below(base, key)).flatten(),
        Op::Item(base, index) => match &index.op {
            Op::Const(Value::Str(key)) => below(base, key),
            Op::Const(Value::Int(index)) => match &source(base, env, locals)?.data {
                // What a template before it omits moves the rest.
                NodeData::List(items) => {
                    let at = usize::try_from(*index).ok().filter(|at| *at < items.len())?;
                    (!items[..at].iter().any(Node::has_template)).then(|| items[at].clone())
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

impl Ev<'_> {
    /// The value of an expression.
    pub fn eval(&self, expr: &Expr, locals: &Rc<Locals>) -> R<Val> {
        match &expr.op {
            Op::Const(_) if self.code.embedded => return self.embedded(expr, locals),
            Op::Const(value) => return Ok(Val::from(value.clone())),
            Op::Name(name) => return self.name(name, expr.at, locals),
            _ => {}
        }
        let checked = || -> R<Val> {
            self.cx.step(1)?;
            self.cx.fits(self.eval_op(expr, locals)?)
        };
        let result = stacker::maybe_grow(64 * 1024, 1024 * 1024, checked);
        match result {
            Err(fail) if super::limits::is_limit(&fail) => Err(fail.at(self.span(expr.at), "here")),
            other => other,
        }
    }

    fn eval_op(&self, expr: &Expr, locals: &Rc<Locals>) -> R<Val> {
        let here = |fail: Fail| fail.rendering().at(self.span(expr.at), "");
        Ok(match &expr.op {
            Op::Const(value) => Val::from(value.clone()),
            Op::Name(name) => self.name(name, expr.at, locals)?,
            Op::List(items) => Val::list(self.all(items, locals)?),
            Op::Tuple(items) => Val::tuple(self.all(items, locals)?),
            Op::Dict(entries) => self.dict(entries, locals)?,
            Op::Attr(base, name) => {
                let base = self.eval(base, locals)?;
                self.attr(&base, name, expr.at)?
            }
            Op::Item(base, index) => self.item_of(expr, (base, index), locals)?,
            Op::Slice(base, start, stop, step) => {
                let base = self.eval(base, locals)?;
                if let Val::Undef(_) = base {
                    return Ok(base);
                }
                let part =
                    |part: &Option<Box<Expr>>| part.as_ref().map_or(Ok(Val::NONE), |part| self.eval(part, locals));
                let made = ops::slice(self.cx, &base, &part(start)?, &part(stop)?, &part(step)?).map_err(here)?;
                self.cx.derived("", &self.cx.given("", &base, std::iter::empty()), &made);
                made
            }
            Op::Call(..) => return self.call_with(expr, locals, None),
            Op::Filter { value, name, .. } => self.filtered(expr, value.as_deref(), name, locals)?,
            Op::Test { name, value, .. }
                if short(name) == "vault_encrypted" && self.sealed(value, locals).is_some() =>
            {
                Val::from(true)
            }
            Op::Test { name, value, args, name_at } => {
                let value = self.eval(value, locals)?;
                let args = self.args(args, locals)?;
                match self.test(name, value, args, locals) {
                    Ok(holds) => Val::from(holds),
                    Err(Fail::Undef(undef)) => Val::Undef(undef),
                    Err(fail) => return Err(fail.at(self.span(*name_at), "in this test")),
                }
            }
            Op::Not(inner) => Val::from(!self.eval(inner, locals)?.truthy()?),
            Op::Neg(inner) => ops::negative(&self.eval(inner, locals)?).map_err(here)?,
            Op::Bin(Bin::And, left, right) => {
                let left = self.eval(left, locals)?;
                if left.truthy()? { self.eval(right, locals)? } else { left }
            }
            Op::Bin(Bin::Or, left, right) => {
                let left = self.eval(left, locals)?;
                if left.truthy()? { left } else { self.eval(right, locals)? }
            }
            Op::Bin(op, left, right) => {
                let (left, right) = (self.eval(left, locals)?, self.eval(right, locals)?);
                let given = (*op == Bin::Rem && left.as_str().is_some())
                    .then(|| self.cx.given("%", &left, std::iter::once(&right)));
                let made = ops::binary(self.cx, *op, &left, &right).map_err(here)?;
                if let Some(given) = given {
                    self.cx.derived("%", &given, &made);
                }
                made
            }
            Op::Compare(first, rest) => self.compared(expr, first, rest, locals)?,
            Op::If(test, then, other) => {
                if self.eval(test, locals)?.truthy()? {
                    self.eval(then, locals)?
                } else if let Some(other) = other {
                    self.eval(other, locals)?
                } else {
                    let span = self.span(expr.at);
                    Val::Undef(Rc::new(Undef { what: What::Soft, span, home: self.cx.home.get(), trail: Vec::new() }))
                }
            }
        })
    }

    /// A term of a lookup, or a constant of a condition: strings in it that look like templates
    /// are rendered, which ansible-core 2.19 still does. They stand in the source, so they are no data.
    fn embedded(&self, expr: &Expr, locals: &Rc<Locals>) -> R<Val> {
        Ok(match &expr.op {
            Op::Const(Value::Str(text)) if self.cx.templates.allows_embedded() && may_be_template(text) => {
                let inner = (expr.at.0 + 1, expr.at.1.saturating_sub(1).max(expr.at.0 + 1));
                let place = self.span(inner).map_or(Place::None, Place::Range);
                let code = self.cx.templates.compiled_embedded(text, &place)?;
                let _deeper = self.cx.deeper()?;
                catch(super::exec::render(self.cx, &code, Rc::new(place), &self.env))?
            }
            Op::Const(value) => Val::from(value.clone()),
            Op::List(items) => Val::list(items.iter().map(|item| self.embedded(item, locals)).collect::<R<_>>()?),
            Op::Tuple(items) => Val::tuple(items.iter().map(|item| self.embedded(item, locals)).collect::<R<_>>()?),
            Op::Dict(entries) => {
                let mut map = IndexMap::with_capacity(entries.len());
                for (key, value) in entries {
                    let name = self.eval(key, locals)?.key().map_err(|fail| fail.at(self.span(key.at), ""))?;
                    super::keys::put(&mut map, name, self.embedded(value, locals)?);
                }
                Val::map(map)
            }
            _ => self.eval(expr, locals)?,
        })
    }

    /// The text of a `!vault` value that an expression names, still sealed.
    pub fn sealed(&self, expr: &Expr, locals: &Rc<Locals>) -> Option<Arc<str>> {
        let node = source(expr, &self.env, locals)?;
        match &node.data {
            NodeData::Scalar(scalar) if node.tag == Some(Tag::Vault) => Some(Arc::clone(&scalar.text)),
            _ => None,
        }
    }

    fn all(&self, items: &[Expr], locals: &Rc<Locals>) -> R<Vec<Val>> {
        items.iter().map(|item| self.eval(item, locals)).collect()
    }

    fn name(&self, name: &Arc<str>, at: At, locals: &Rc<Locals>) -> R<Val> {
        if let Some(value) = locals.get(name) {
            return Ok(value);
        }
        let used = self.span(at);
        if let Some(value) = self.cx.variable(name, &self.env, used)? {
            return Ok(value);
        }
        match &**name {
            "omit" => return Ok(Val::Omit),
            "vars" => return Ok(Val::vars(Rc::clone(&self.env))),
            "self" => return Ok(Val::Func(Func::Blocks)),
            _ => {}
        }
        if let Some(name) = globals::find(name) {
            return Ok(Val::Func(Func::Global(name)));
        }
        let what = What::Name((**name).into(), Rc::clone(&self.env));
        Ok(Val::Undef(Rc::new(Undef { what, span: used, home: self.cx.home.get(), trail: Vec::new() })))
    }

    /// `base.name`.
    pub fn attr(&self, base: &Val, name: &str, at: At) -> R<Val> {
        match base {
            Val::Undef(_) => return Ok(base.clone()),
            // A method comes before the entry of its name.
            Val::Map(_) if methods::has(base, name) => {}
            Val::Map(map) => {
                if let Some(value) = map.get_str(self.cx, name).map_err(|fail| fail.at(self.span(at), ""))? {
                    return Ok(value);
                }
            }
            Val::Loop(state) => {
                if let Some(value) = methods::loop_attr(state, name) {
                    return Ok(value);
                }
            }
            Val::Func(Func::Module(names, _)) => {
                if let Some(value) = names.get(&StrKey(name)) {
                    return Ok(value.clone());
                }
            }
            Val::Func(Func::Macro(item)) => {
                if let Some(value) = item.attr(name) {
                    return Ok(value);
                }
            }
            Val::Func(Func::Blocks) => return Ok(Val::Func(Func::Method(Box::new(base.clone()), name.into()))),
            Val::Func(Func::Super(block, depth)) if name == "super" => {
                return Ok(Val::Func(Func::Super(Rc::clone(block), depth + 1)));
            }
            Val::Func(Func::Cycler(items, at)) if name == "current" => {
                return Ok(items.get(at.get()).cloned().unwrap_or(Val::NONE));
            }
            Val::Clock(clock) => {
                if let Some(value) = clock.attr(name) {
                    return Ok(value);
                }
            }
            Val::V(value) => {
                if let Some(value) = super::moments::attr(value, name) {
                    return Ok(value);
                }
                match (value, name) {
                    (Value::Int(_), "real" | "numerator") | (Value::Float(_), "real") => return Ok(base.clone()),
                    (Value::Int(_), "imag") => return Ok(Val::from(0_i64)),
                    (Value::Int(_), "denominator") => return Ok(Val::from(1_i64)),
                    (Value::Float(_), "imag") => return Ok(Val::from(0.0)),
                    _ => {}
                }
            }
            Val::List(list) if list.is_tuple() && list.len() == 2 => {
                // What `groupby` gives has names.
                match name {
                    "grouper" => return Ok(list.get(self.cx, 0)?.unwrap_or(Val::NONE)),
                    "list" => return Ok(list.get(self.cx, 1)?.unwrap_or(Val::NONE)),
                    _ => {}
                }
            }
            _ => {}
        }
        if methods::has(base, name) {
            return Ok(Val::Func(Func::Method(Box::new(base.clone()), name.into())));
        }
        if let (Val::List(_), Ok(index)) = (base, name.parse::<i128>())
            && let Some(value) = ops::item(self.cx, base, &Val::from(index))?
        {
            return Ok(value);
        }
        Ok(self.missing(base, name, at))
    }

    /// The undefined value of a name that a value does not have.
    pub fn missing(&self, base: &Val, name: &str, at: At) -> Val {
        let has = match base {
            Val::Map(map) => map.keys().iter().map(|key| Rc::from(&*key.text())).collect(),
            Val::List(list) => vec![Rc::from(format!("{} items", list.len()))],
            _ => Vec::new(),
        };
        let len = u32::try_from(name.len()).unwrap_or(0);
        let exact = (at.1.saturating_sub(len).max(at.0), at.1);
        Val::Undef(Rc::new(Undef {
            what: What::Attr { name: name.into(), kind: base.kind(), python: base.type_name(), has },
            span: self.span(exact),
            home: self.cx.home.get(),
            trail: Vec::new(),
        }))
    }

    /// Evaluates arguments.
    pub fn args(&self, args: &[Arg], locals: &Rc<Locals>) -> R<Args> {
        self.args_of(args, locals, false)
    }

    fn args_of(&self, args: &[Arg], locals: &Rc<Locals>, terms: bool) -> R<Args> {
        let mut pos = Vec::new();
        let mut kw = Vec::new();
        for arg in args {
            match arg {
                Arg::Pos(expr) if terms => pos.push(self.embedded(expr, locals)?),
                Arg::Pos(expr) => pos.push(self.eval(expr, locals)?),
                Arg::Kw(name, expr) => kw.push((Arc::clone(name), self.eval(expr, locals)?)),
                Arg::Splat(expr) => {
                    let value = self.eval(expr, locals)?.defined()?;
                    pos.extend(value.items_of(self.cx).map_err(|fail| fail.at(self.span(expr.at), ""))?);
                }
                Arg::KwSplat(expr) => match self.eval(expr, locals)?.defined()? {
                    Val::Map(map) => {
                        for (key, value) in map.items(self.cx)? {
                            kw.push((key.text(), value));
                        }
                    }
                    other => {
                        return Err(
                            Fail::msg(format!("`**` needs a mapping, not {}", other.kind())).at(self.span(expr.at), "")
                        );
                    }
                },
            }
        }
        Ok(Args::new(pos, kw))
    }

    /// A call expression, with the caller of a call block.
    pub fn call_with(&self, expr: &Expr, locals: &Rc<Locals>, caller: Option<Val>) -> R<Val> {
        let Op::Call(callee, args) = &expr.op else { return Err(Fail::msg("only a call can stand here")) };
        let here = |fail: Fail| fail.rendering().at(self.span(expr.at), "");
        if let Op::Attr(base, name) = &callee.op {
            let object = self.eval(base, locals)?;
            if let Val::Undef(_) = object {
                return Ok(object);
            }
            let entry = match &object {
                Val::Map(map) => {
                    map.get_str(self.cx, name).ok().flatten().filter(|value| matches!(value, Val::Func(_)))
                }
                Val::Func(Func::Module(names, _)) => {
                    names.get(&StrKey(name)).filter(|value| matches!(value, Val::Func(_))).cloned()
                }
                _ => None,
            };
            let args = self.args(args, locals)?;
            if let Some(Val::Func(func)) = entry {
                return catch(self.call_func(&func, args, locals, caller).map_err(here));
            }
            if let Some(undefined) = args.undefined() {
                return Ok(undefined);
            }
            if !methods::has(&object, name) && !matches!(object, Val::Func(Func::Blocks) | Val::Loop(_)) {
                let value = self.attr(&object, name, callee.at)?;
                match value {
                    Val::Undef(_) => return Ok(value),
                    Val::Func(func) => return catch(self.call_func(&func, args, locals, caller).map_err(here)),
                    other => {
                        let message = format!("`{name}` is {} and can not be called", other.kind());
                        return Err(here(Fail::said(message, not_callable(&other))));
                    }
                }
            }
            return catch(self.call_method(&object, name, args, locals).map_err(here));
        }
        let callee_value = self.eval(callee, locals)?;
        match callee_value {
            Val::Undef(_) => Ok(callee_value),
            Val::Func(func) => {
                let terms = matches!(func, Func::Global("lookup" | "query" | "q"));
                let args = self.args_of(args, locals, terms)?;
                self.cx.place.set(self.span(expr.at));
                catch(self.call_func(&func, args, locals, caller).map_err(here))
            }
            Val::Loop(state) => {
                let mut args = self.args(args, locals)?;
                let items = args.need(0, "iterable").map_err(here)?;
                catch(self.recurse(&state, &items).map_err(here))
            }
            other => Err(here(Fail::said(format!("{} can not be called", other.kind()), not_callable(&other)))),
        }
    }

    fn call_method(&self, object: &Val, name: &str, args: Args, locals: &Rc<Locals>) -> R<Val> {
        let given = self.cx.given(name, object, args.values());
        let made = methods::call(&Call { ev: self, locals }, object, name, args)?;
        self.cx.derived(name, &given, &made);
        Ok(made)
    }

    /// Calls a function.
    pub fn call_func(&self, func: &Func, args: Args, locals: &Rc<Locals>, caller: Option<Val>) -> R<Val> {
        let call = Call { ev: self, locals };
        match func {
            Func::Macro(item) => return self.call_macro(item, args, caller),
            Func::Super(name, depth) => return self.block(name, *depth, Some(locals)),
            _ => {}
        }
        if !matches!(func, Func::Global("lookup" | "query" | "q" | "namespace" | "dict" | "undef"))
            && let Some(undefined) = args.undefined()
        {
            return Ok(undefined);
        }
        match func {
            Func::Global(name) => globals::call(&call, name, args),
            Func::Method(object, name) => self.call_method(object, name, args, locals),
            Func::Joiner(sep, used) => Ok(Val::from(if used.replace(true) { sep.to_string() } else { String::new() })),
            Func::Cycler(items, at) => {
                let item = items.get(at.get()).cloned().unwrap_or(Val::NONE);
                at.set((at.get() + 1) % items.len().max(1));
                Ok(item)
            }
            Func::Macro(_) | Func::Super(..) | Func::Blocks | Func::Module(..) => {
                Err(Fail::msg("`self` or a template can not be called"))
            }
        }
    }

    /// Applies the filters of a `filter` or `set` block.
    pub fn filter_chain(&self, expr: &Expr, value: Val, locals: &Rc<Locals>) -> R<Val> {
        let value = match &expr.op {
            Op::Filter { value: Some(inner), .. } => self.filter_chain(inner, value, locals)?,
            _ => value,
        };
        self.filter(expr, value, locals)
    }

    pub fn filter(&self, expr: &Expr, value: Val, locals: &Rc<Locals>) -> R<Val> {
        let Op::Filter { name, args, name_at, .. } = &expr.op else { return Ok(value) };
        let args = self.args(args, locals)?;
        self.apply_filter(name, value, args, locals)
            .map_err(|fail| fail.at(self.span((name_at.0, expr.at.1.max(name_at.1))), "in this filter"))
    }

    /// Applies a filter by name.
    pub fn apply_filter(&self, name: &str, value: Val, args: Args, locals: &Rc<Locals>) -> R<Val> {
        let given = name;
        let name = &*self.cx.templates.own_name("filter", name)?;
        let Some(filter) = filters::find(name) else {
            return Err(Fail::Diag(super::names::unknown("filter", name))
                .with_words(format!("Syntax error in template: No filter named '{given}'.")));
        };
        if !filters::takes_undefined(name) {
            if let Val::Undef(_) = value {
                return Ok(value);
            }
            if let Some(undefined) = args.undefined() {
                return Ok(undefined);
            }
        }
        let call = Call { ev: self, locals };
        let given = self.cx.given(name, &value, args.values());
        let found = catch(filter(&call, value, args).map_err(|fail| fail.in_plugin("filter", &full_name(name))))?;
        self.cx.derived(name, &given, &found);
        // A filter that looks at every item is undefined if one of them is.
        Ok(filters::looks_into(name).and_then(|depth| found.undefined_within(depth)).unwrap_or(found))
    }

    /// Applies a test by name.
    pub fn test(&self, name: &str, value: Val, args: Args, locals: &Rc<Locals>) -> R<bool> {
        let given = name;
        let name = &*self.cx.templates.own_name("test", name)?;
        let Some(test) = tests::find(name) else {
            return Err(Fail::Diag(super::names::unknown("test", name))
                .with_words(format!("Syntax error in template: No test named '{given}'.")));
        };
        if !matches!(name, "defined" | "undefined") {
            if let Val::Undef(undef) = value {
                return Err(Fail::Undef(undef));
            }
            if let Some(Val::Undef(undef)) = args.undefined() {
                return Err(Fail::Undef(undef));
            }
        }
        test(&Call { ev: self, locals }, value, args).map_err(|fail| fail.in_plugin("test", &full_name(name)))
    }

    /// The attribute of `map(attribute=...)`, `sort(attribute=...)`: `a.b.0`, or an integer.
    pub fn attribute(&self, base: &Val, path: &Val) -> R<Val> {
        let mut value = base.clone();
        match path {
            Val::V(Value::Str(path)) => {
                for part in path.split('.') {
                    value = match part.parse::<i128>() {
                        Ok(index) => match ops::item(self.cx, &value, &Val::from(index))? {
                            Some(found) => found,
                            None => self.item_or_missing(&value, part)?,
                        },
                        Err(_) => self.item_or_missing(&value, part)?,
                    };
                }
            }
            other => {
                value = match ops::item(self.cx, &value, other)? {
                    Some(found) => found,
                    None => self.missing(&value, &super::text::str_of(self.cx, other)?, (0, 0)),
                };
            }
        }
        Ok(value)
    }

    fn item_or_missing(&self, base: &Val, name: &str) -> R<Val> {
        if let Val::Undef(_) = base {
            return Ok(base.clone());
        }
        if let Val::Map(map) = base
            && let Some(value) = map.get(self.cx, &Key::from(name))?
        {
            return Ok(value);
        }
        let value = self.attr(base, name, (0, 0))?;
        if let Val::Undef(undef) = &value
            && let What::Attr { name, kind, python, has } = &undef.what
        {
            let what = What::Attr { name: Rc::clone(name), kind, python, has: has.clone() };
            return Ok(Val::Undef(Rc::new(Undef { what, span: None, home: undef.home, trail: Vec::new() })));
        }
        Ok(value)
    }
}
