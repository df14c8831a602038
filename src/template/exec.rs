//! Runs the statements of a template.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::Key;

use super::args::Args;
use super::code::{At, Code, For, MacroDef, Stmt, Target};
use super::cx::{Cx, Env, Place};
use super::fail::{Fail, R, What};
use super::out::Out;
use super::val::{Func, Val};

pub use super::scopes::{Locals, LoopState};

/// A macro with what it needs to run.
pub struct Macro {
    def: Arc<MacroDef>,
    code: Arc<Code>,
    place: Rc<Place>,
    env: Rc<Env>,
    locals: Rc<Locals>,
}

impl Macro {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.def.name
    }

    /// `name`, `arguments`, `catch_kwargs`, `catch_varargs`, `caller`.
    pub fn attr(&self, name: &str) -> Option<Val> {
        Some(match name {
            "name" => Val::from(self.name()),
            "arguments" => Val::list(self.def.params.iter().map(|(name, _)| Val::from(Arc::clone(name))).collect()),
            "catch_kwargs" => Val::from(self.def.kwargs),
            "catch_varargs" => Val::from(self.def.varargs),
            "caller" => Val::from(self.def.caller),
            _ => return None,
        })
    }
}

/// What goes on after a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Blocks = HashMap<Arc<str>, Vec<(Arc<Code>, Rc<Place>, Arc<Vec<Stmt>>)>>;

/// One running template.
pub struct Ev<'c> {
    /// The render call.
    pub cx: &'c Cx<'c>,
    /// The template.
    pub code: Arc<Code>,
    /// Where its text stands.
    pub place: Rc<Place>,
    /// The variables.
    pub env: Rc<Env>,
    blocks: Rc<RefCell<Blocks>>,
    /// What the templates set outside of blocks and loops: all that a block sees unless it is `scoped`.
    root: Rc<RefCell<Option<Rc<Locals>>>>,
    parent: RefCell<Option<(Arc<Code>, Rc<Place>)>>,
}

/// Renders a compiled text with native types.
pub fn render(cx: &Cx, code: &Arc<Code>, place: Rc<Place>, env: &Rc<Env>) -> R<Val> {
    let outer = cx.home.get();
    let home = match &*place {
        // A string in a template is told as the template around it.
        Place::Range(_) | Place::None if outer.is_some() => outer,
        place => place.origin(),
    };
    cx.home.set(home);
    let value = render_at(cx, code, place, env);
    cx.home.set(outer);
    value.map_err(|fail| fail.about(home))
}

fn render_at(cx: &Cx, code: &Arc<Code>, place: Rc<Place>, env: &Rc<Env>) -> R<Val> {
    if let [Stmt::Emit(expr)] = code.body.as_slice() {
        // The most common case by far needs no output buffer.
        let ev = Ev::new(cx, code, place, env);
        let value = ev.eval(expr, &Rc::new(Locals::default()))?;
        return Ok(restore_newlines(value, code));
    }
    let ev = Ev::new(cx, code, place, env);
    let out = ev.run(&Rc::new(Locals::default()))?.finish(cx)?;
    Ok(restore_newlines(out, code))
}

fn restore_newlines(value: Val, code: &Code) -> Val {
    let Some(text) = value.as_str() else { return value };
    let newline = code.newline.as_deref();
    let text = match newline {
        Some(newline) => std::borrow::Cow::Owned(text.replace('\n', newline)),
        None => std::borrow::Cow::Borrowed(text),
    };
    let newline = newline.unwrap_or("\n");
    let found = text.len() - text.trim_end_matches('\n').len();
    if code.newlines > found {
        return Val::from(format!("{text}{}", newline.repeat(code.newlines - found)));
    }
    match text {
        std::borrow::Cow::Owned(text) => Val::from(text),
        std::borrow::Cow::Borrowed(_) => value,
    }
}

/// What is undefined as a value.
fn caught(value: R<Val>) -> R<Val> {
    value.or_else(|fail| match fail {
        Fail::Undef(undef) => Ok(Val::Undef(undef)),
        other @ Fail::Diag(_) => Err(other),
    })
}

impl<'c> Ev<'c> {
    /// Prepares a run.
    pub fn new(cx: &'c Cx<'_>, code: &Arc<Code>, place: Rc<Place>, env: &Rc<Env>) -> Self {
        Self {
            cx: shorten(cx),
            code: Arc::clone(code),
            place,
            env: Rc::clone(env),
            blocks: Rc::default(),
            root: Rc::default(),
            parent: RefCell::new(None),
        }
    }

    fn with_code(&self, code: &Arc<Code>, place: &Rc<Place>, blocks: bool) -> Self {
        Self {
            cx: self.cx,
            code: Arc::clone(code),
            place: Rc::clone(place),
            env: Rc::clone(&self.env),
            blocks: if blocks { Rc::clone(&self.blocks) } else { Rc::default() },
            root: if blocks { Rc::clone(&self.root) } else { Rc::default() },
            parent: RefCell::new(None),
        }
    }

    /// The place in the source of a range of the text.
    pub fn span(&self, at: At) -> Option<crate::diag::Span> {
        let shift = self.code.shift;
        self.place.span((at.0 + shift, at.1 + shift))
    }

    fn add_blocks(&self, code: &Arc<Code>, place: &Rc<Place>) {
        for (name, body) in &code.blocks {
            self.blocks.borrow_mut().entry(Arc::clone(name)).or_default().push((
                Arc::clone(code),
                Rc::clone(place),
                Arc::clone(body),
            ));
        }
    }

    /// Runs the whole template, and its parents if it extends one.
    pub fn run(&self, locals: &Rc<Locals>) -> R<Out> {
        self.add_blocks(&self.code, &self.place);
        if !self.code.blocks.is_empty() || self.code.extends {
            *self.root.borrow_mut() = Some(Rc::clone(locals));
        }
        let result = self.run_all(locals);
        // Scopes with macros refer to themselves; nothing here keeps them longer than the run.
        *self.root.borrow_mut() = None;
        result
    }

    fn run_all(&self, locals: &Rc<Locals>) -> R<Out> {
        let mut out = Out::default();
        self.body(&self.code.body, locals, &mut out)?;
        let mut parent = self.parent.borrow_mut().take();
        let mut seen = 0;
        while let Some((code, place)) = parent {
            seen += 1;
            if seen > 100 {
                return Err(Fail::msg("the templates extend each other in a cycle"));
            }
            let ev = self.with_code(&code, &place, true);
            ev.add_blocks(&code, &place);
            out = Out::default();
            ev.body(&code.body, locals, &mut out)?;
            parent = ev.parent.borrow_mut().take();
        }
        Ok(out)
    }

    fn body(&self, body: &[Stmt], locals: &Rc<Locals>, out: &mut Out) -> R<Flow> {
        for stmt in body {
            let flow = self.stmt(stmt, locals, out)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn capture(&self, body: &[Stmt], locals: &Rc<Locals>) -> R<Val> {
        let mut out = Out::default();
        self.body(body, locals, &mut out)?;
        out.finish(self.cx)
    }

    fn stmt(&self, stmt: &Stmt, locals: &Rc<Locals>, out: &mut Out) -> R<Flow> {
        match stmt {
            Stmt::Text(text) => out.push(self.cx, Val::from(Arc::clone(text)))?,
            Stmt::Emit(expr) => {
                let value = self.eval(expr, locals)?;
                let piece = match &value {
                    Val::Undef(undef) if matches!(undef.what, What::Soft) => value,
                    Val::Undef(undef) => Val::from(self.cx.undefined(undef)?),
                    _ => value.defined()?,
                };
                out.push(self.cx, piece).map_err(|fail| fail.at(self.span(expr.at), "written here"))?;
            }
            Stmt::If(test, then, other) => {
                let holds = self.eval(test, locals)?.truthy()?;
                return self.body(if holds { then } else { other }, locals, out);
            }
            Stmt::For(item) => {
                let iter = self.eval(&item.iter, locals)?;
                self.run_loop(item, &iter, locals, 0, out)?;
            }
            Stmt::With(assignments, body) => {
                let inner = Locals::inside(locals);
                let mut values = Vec::new();
                for (_, expr) in assignments {
                    values.push(self.eval(expr, locals)?);
                }
                for ((target, _), value) in assignments.iter().zip(values) {
                    self.assign(target, value, &inner)?;
                }
                return self.body(body, &inner, out);
            }
            Stmt::Set(target, expr) => {
                let value = self.eval(expr, locals)?;
                self.assign(target, value, locals)?;
            }
            Stmt::SetBlock(target, filter, body) => {
                // What is not defined in the block matters where the name is used.
                let mut value = caught(self.capture(body, &Locals::inside(locals)))?;
                if let Some(filter) = filter {
                    value = caught(self.filter_chain(filter, value, locals))?;
                }
                self.assign(target, value, locals)?;
            }
            Stmt::FilterBlock(filter, body) => {
                let value = caught(self.capture(body, &Locals::inside(locals)))?;
                let value = self.filter_chain(filter, value, locals)?;
                out.push(self.cx, value.defined()?)?;
            }
            Stmt::Plain(body) => return self.body(body, locals, out),
            Stmt::Do(expr) => {
                self.eval(expr, locals)?.defined()?;
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Macro(def) => {
                let item = self.make_macro(def, locals);
                locals.set(&def.name, Val::Func(Func::Macro(Rc::new(item))));
                self.cx.cyclic.borrow_mut().push(Rc::clone(locals));
            }
            Stmt::CallBlock(call, def) => {
                let caller = Val::Func(Func::Macro(Rc::new(self.make_macro(def, locals))));
                let value = self.call_with(call, locals, Some(caller))?;
                out.push(self.cx, value.defined()?)?;
            }
            // A template that extends another shows its blocks through that one.
            Stmt::Block { .. } if self.parent.borrow().is_some() => {}
            Stmt::Block { name, required, scoped, at } => {
                let value = self
                    .block(name, 0, scoped.then_some(locals))
                    .map_err(|fail| fail.at(self.span(*at), "in this block"))?;
                let empty = value.is_none() || value.as_str().is_some_and(|text| text.trim().is_empty());
                if *required && empty {
                    let chain = self.blocks.borrow().get(name).map_or(0, Vec::len);
                    if chain <= 1 {
                        let words = format!("Required block '{name}' not found");
                        return Err(Fail::said(format!("the block `{name}` is required"), words)
                            .rendering()
                            .at(self.span(*at), ""));
                    }
                }
                out.push(self.cx, value)?;
            }
            Stmt::Extends(expr) => {
                let name = self.eval(expr, locals)?.defined()?;
                let parent = self.load(&name).map_err(|fail| fail.at(self.span(expr.at), ""))?;
                *self.parent.borrow_mut() = Some(parent);
            }
            Stmt::Include { name: expr, ignore_missing, context } => {
                let name = self.eval(expr, locals)?.defined()?;
                let names = match &name {
                    Val::List(list) => list.items(self.cx)?,
                    _ => vec![name],
                };
                let _deeper = self.cx.deeper()?;
                let mut found = None;
                for name in &names {
                    if let Some(parent) = self.find(name)? {
                        found = Some(parent);
                        break;
                    }
                }
                match found {
                    Some((code, place)) => {
                        let (ev, inner) = self.other(&code, &place, locals, *context);
                        let pieces = stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || ev.run(&inner))?;
                        out.append(self.cx, pieces)?;
                    }
                    None if *ignore_missing => {}
                    None => return Err(Self::not_found(&names).at(self.span(expr.at), "not found")),
                }
            }
            Stmt::Import(expr, target, context) => {
                let (module, text) = self.module(expr, locals, *context)?;
                self.assign(target, Val::Func(Func::Module(Rc::new(module), text)), locals)?;
            }
            Stmt::From(expr, names, context) => {
                let (module, _) = self.module(expr, locals, *context)?;
                for (name, alias, at) in names {
                    if name.starts_with('_') {
                        let words = "names starting with an underline can not be imported";
                        return Err(Fail::said(format!("`{name}` can not be imported"), words).at(self.span(*at), ""));
                    }
                    let value = module.get(&Key::Str(Arc::clone(name))).cloned().unwrap_or_else(|| {
                        let file = self.eval(expr, locals).ok().and_then(|name| name.as_text()).unwrap_or_default();
                        let hint = format!("the template '{file}' does not export the requested name '{name}'");
                        let what = What::Hint(hint.into());
                        Val::Undef(Rc::new(super::fail::Undef {
                            what,
                            span: self.span(*at),
                            home: self.cx.home.get(),
                            trail: Vec::new(),
                        }))
                    });
                    locals.set(alias, value);
                }
            }
        }
        Ok(Flow::Next)
    }

    fn make_macro(&self, def: &Arc<MacroDef>, locals: &Rc<Locals>) -> Macro {
        Macro {
            def: Arc::clone(def),
            code: Arc::clone(&self.code),
            place: Rc::clone(&self.place),
            env: Rc::clone(&self.env),
            locals: Rc::clone(locals),
        }
    }

    /// What runs another template, with this one's names or with none at all.
    fn other(&self, code: &Arc<Code>, place: &Rc<Place>, locals: &Rc<Locals>, context: bool) -> (Self, Rc<Locals>) {
        let mut ev = self.with_code(code, place, false);
        if context {
            return (ev, Locals::inside(locals));
        }
        ev.env = Env::new(&crate::vars::Scope::new());
        (ev, Rc::new(Locals::default()))
    }

    fn module(&self, expr: &super::code::Expr, locals: &Rc<Locals>, context: bool) -> R<(IndexMap<Key, Val>, Rc<str>)> {
        let name = self.eval(expr, locals)?.defined()?;
        let (code, place) = self.load(&name).map_err(|fail| fail.at(self.span(expr.at), "not found"))?;
        let _deeper = self.cx.deeper()?;
        let (ev, inner) = self.other(&code, &place, locals, context);
        let text = ev.run(&inner)?.finish(self.cx)?;
        let text = if text.is_none() { Rc::from("") } else { super::text::str_of(self.cx, &text)?.into() };
        Ok((inner.exports(), text))
    }

    fn not_found(names: &[Val]) -> Fail {
        let names: Vec<&str> = names.iter().filter_map(Val::as_str).collect();
        let words = match names.as_slice() {
            [one] => format!("Error rendering template: '{one}' not found in search path"),
            many => format!("Error rendering template: none of the templates given were found: {}", many.join(", ")),
        };
        let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        Fail::said(format!("the template {} was not found", shown.join(" or ")), words)
            .with_hint("templates are searched beside the including one and in `templates/`")
    }

    fn load(&self, name: &Val) -> R<(Arc<Code>, Rc<Place>)> {
        self.find(name)?.ok_or_else(|| Self::not_found(std::slice::from_ref(name)))
    }

    fn find(&self, name: &Val) -> R<Option<(Arc<Code>, Rc<Place>)>> {
        let Some(name) = name.as_str() else {
            return Err(Fail::msg(format!("a template's name must be a string, not {}", name.kind())));
        };
        self.cx.templates.included(self.cx, name, &self.env.scope)
    }

    /// Runs a block; `depth` counts from the most derived template. Without `locals` it sees what stands
    /// outside of loops and other blocks only.
    pub fn block(&self, name: &str, depth: usize, locals: Option<&Rc<Locals>>) -> R<Val> {
        let locals = match locals {
            Some(locals) => Rc::clone(locals),
            None => self.root.borrow().clone().unwrap_or_default(),
        };
        let found = self.blocks.borrow().get(name).and_then(|chain| chain.get(depth).cloned());
        let Some((code, place, body)) = found else {
            return Err(Fail::msg(format!("there is no block `{name}` to call")));
        };
        let _deeper = self.cx.deeper()?;
        let ev = self.with_code(&code, &place, true);
        let inner = Locals::inside(&locals);
        inner.set(&"super".into(), Val::Func(Func::Super(name.into(), depth + 1)));
        ev.capture(&body, &inner)
    }

    fn run_loop(&self, item: &Arc<For>, iter: &Val, locals: &Rc<Locals>, depth: usize, out: &mut Out) -> R<()> {
        let mut items =
            iter.items_of(self.cx).map_err(|fail| fail.rendering().at(self.span(item.iter.at), iter.kind()))?;
        if let Some(filter) = &item.filter {
            let mut kept = Vec::new();
            for value in items {
                let inner = Locals::inside(locals);
                self.cx.step(1)?;
                self.assign(&item.target, value.clone(), &inner)?;
                if self.eval(filter, &inner)?.truthy()? {
                    kept.push(value);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            self.body(&item.otherwise, &Locals::inside(locals), out)?;
            return Ok(());
        }
        let state = Rc::new(LoopState {
            index: Cell::new(0),
            depth,
            last: RefCell::new(None),
            recurse: item.recursive.then(|| (Arc::clone(item), Rc::clone(locals))),
            items,
        });
        let name: Arc<str> = "loop".into();
        for (index, value) in state.items.iter().enumerate() {
            state.index.set(index);
            self.cx.step(1)?;
            let inner = Locals::inside(locals);
            inner.set(&name, Val::Loop(Rc::clone(&state)));
            self.assign(&item.target, value.clone(), &inner)?;
            if self.body(&item.body, &inner, out)? == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// `loop(items)` in a recursive loop.
    pub fn recurse(&self, state: &LoopState, items: &Val) -> R<Val> {
        let Some((item, locals)) = &state.recurse else {
            return Err(Fail::said(
                "`loop` can be called in a `recursive` loop only",
                "The loop must have the 'recursive' marker to be called recursively.",
            ));
        };
        let _deeper = self.cx.deeper()?;
        let mut out = Out::default();
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || {
            self.run_loop(item, items, locals, state.depth + 1, &mut out)
        })?;
        let value = out.finish(self.cx)?;
        Ok(if value.is_none() { Val::from("") } else { value })
    }

    fn assign(&self, target: &Target, value: Val, locals: &Rc<Locals>) -> R<()> {
        match target {
            Target::Name(name) => locals.set(name, value),
            Target::Many(targets, at) => {
                let kind = value.kind();
                let items = match &value {
                    Val::List(_) | Val::Map(_) | Val::V(crate::value::Value::Str(_)) | Val::Undef(_) => {
                        value.items_of(self.cx).map_err(|fail| fail.at(self.span(*at), kind))?
                    }
                    other => {
                        let words = format!("cannot unpack non-iterable {} object", other.type_name());
                        return Err(Fail::said(format!("{kind} has no parts to assign"), words)
                            .rendering()
                            .at(self.span(*at), kind));
                    }
                };
                if items.len() != targets.len() {
                    let (wanted, found) = (targets.len(), items.len());
                    let words = if found > wanted {
                        format!("too many values to unpack (expected {wanted})")
                    } else {
                        format!("not enough values to unpack (expected {wanted}, got {found})")
                    };
                    return Err(Fail::said(format!("expected {wanted} values, found {found}"), words)
                        .rendering()
                        .at(self.span(*at), "does not fit"));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item, locals)?;
                }
            }
            Target::Attr(base, name) => match self.eval(base, locals)?.defined()? {
                Val::Map(map) => {
                    map.edit(self.cx, |entries| {
                        entries.insert(Key::Str(Arc::clone(name)), value);
                        Ok(())
                    })?;
                }
                other => {
                    let words = "cannot assign attribute on non-namespace object";
                    return Err(Fail::said(format!("can not set an attribute of {}", other.kind()), words)
                        .rendering()
                        .at(self.span(base.at), "")
                        .with_hint("make it with `namespace()`"));
                }
            },
        }
        Ok(())
    }

    /// Calls a macro.
    pub fn call_macro(&self, item: &Macro, mut args: Args, caller: Option<Val>) -> R<Val> {
        let _deeper = self.cx.deeper()?;
        let ev = Ev {
            cx: self.cx,
            code: Arc::clone(&item.code),
            place: Rc::clone(&item.place),
            env: Rc::clone(&item.env),
            blocks: Rc::default(),
            root: Rc::default(),
            parent: RefCell::new(None),
        };
        if caller.is_some() && !item.def.caller && !item.def.kwargs {
            let name = item.name();
            let words = format!(
                "macro '{name}' was invoked with two values for the special caller argument. This is most likely a bug."
            );
            return Err(Fail::said(format!("the macro `{name}` does not use `caller`"), words));
        }
        let locals = Locals::inside(&item.locals);
        for (index, (name, default)) in item.def.params.iter().enumerate() {
            let value = match (args.take(index, name), default) {
                (Some(value), _) => value,
                (None, Some(default)) => ev.eval(default, &locals)?,
                (None, None) => {
                    Val::Undef(Rc::new(super::fail::Undef::hint(format!("parameter '{name}' was not provided"))))
                }
            };
            locals.set(name, value);
        }
        if item.def.varargs {
            locals.set(&"varargs".into(), Val::tuple(args.rest()));
        }
        let caller = args.take_kw("caller").or(caller);
        if item.def.kwargs {
            let rest = args.rest_kw().into_iter().map(|(name, value)| (Key::Str(name), value)).collect();
            locals.set(&"kwargs".into(), Val::map(rest));
        }
        if let Some(caller) = caller {
            locals.set(&"caller".into(), caller);
        }
        args.finish().map_err(|fail| match fail {
            Fail::Diag(mut diag) => {
                let name = &item.def.name;
                let words = match args.left_kw() {
                    Some(left) => format!("macro '{name}' takes no keyword argument '{left}'"),
                    None => format!("macro '{name}' takes not more than {} argument(s)", item.def.params.len()),
                };
                diag.message = format!("the macro `{name}`: {}", diag.message);
                Fail::Diag(diag.with_registered(words))
            }
            other @ Fail::Undef(_) => other,
        })?;
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || ev.capture(&item.def.body, &locals))
    }
}

/// A render call outlives every template that runs in it.
fn shorten<'c>(cx: &'c Cx<'_>) -> &'c Cx<'c> {
    cx
}
