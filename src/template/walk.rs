//! Walks over a compiled template: all places, all names, the free names.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::code::{Arg, At, Code, Expr, MacroDef, Op, Stmt, Target};

/// The parts of an expression, in order.
pub fn parts(expr: &Expr) -> Vec<&Expr> {
    fn args<'e>(out: &mut Vec<&'e Expr>, args: &'e [Arg]) {
        out.extend(args.iter().map(|arg| match arg {
            Arg::Pos(expr) | Arg::Kw(_, expr) | Arg::Splat(expr) | Arg::KwSplat(expr) => expr,
        }));
    }
    let mut out: Vec<&Expr> = Vec::new();
    match &expr.op {
        Op::Const(_) | Op::Name(_) => {}
        Op::List(items) | Op::Tuple(items) => out.extend(items),
        Op::Dict(entries) => out.extend(entries.iter().flat_map(|(key, value)| [key, value])),
        Op::Attr(base, _) | Op::Not(base) | Op::Neg(base) => out.push(base),
        Op::Item(base, index) => out.extend([&**base, &**index]),
        Op::Slice(base, start, stop, step) => {
            out.push(base);
            out.extend([start, stop, step].into_iter().flatten().map(|expr| &**expr));
        }
        Op::Call(callee, call) => {
            out.push(callee);
            args(&mut out, call);
        }
        Op::Filter { value, args: call, .. } => {
            out.extend(value.as_deref());
            args(&mut out, call);
        }
        Op::Test { value, args: call, .. } => {
            out.push(value);
            args(&mut out, call);
        }
        Op::Bin(_, left, right) => out.extend([&**left, &**right]),
        Op::Compare(first, ops) => {
            out.push(first);
            out.extend(ops.iter().map(|(_, expr)| expr));
        }
        Op::If(test, then, other) => {
            out.extend([&**then, &**test]);
            out.extend(other.as_deref());
        }
    }
    out
}

/// Changes every place in an expression.
pub fn each_mut(expr: &mut Expr, change: &mut dyn FnMut(&mut At)) {
    fn args(args: &mut [Arg], change: &mut dyn FnMut(&mut At)) {
        for arg in args {
            match arg {
                Arg::Pos(expr) | Arg::Kw(_, expr) | Arg::Splat(expr) | Arg::KwSplat(expr) => each_mut(expr, change),
            }
        }
    }
    stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
        change(&mut expr.at);
        match &mut expr.op {
            Op::Const(_) | Op::Name(_) => {}
            Op::List(items) | Op::Tuple(items) => items.iter_mut().for_each(|item| each_mut(item, change)),
            Op::Dict(entries) => {
                for (key, value) in entries {
                    each_mut(key, change);
                    each_mut(value, change);
                }
            }
            Op::Attr(base, _) | Op::Not(base) | Op::Neg(base) => each_mut(base, change),
            Op::Item(base, index) => {
                each_mut(base, change);
                each_mut(index, change);
            }
            Op::Slice(base, start, stop, step) => {
                each_mut(base, change);
                for part in [start, stop, step].into_iter().flatten() {
                    each_mut(part, change);
                }
            }
            Op::Call(callee, call) => {
                each_mut(callee, change);
                args(call, change);
            }
            Op::Filter { value, args: call, name_at, .. } => {
                change(name_at);
                if let Some(value) = value {
                    each_mut(value, change);
                }
                args(call, change);
            }
            Op::Test { value, args: call, name_at, .. } => {
                change(name_at);
                each_mut(value, change);
                args(call, change);
            }
            Op::Bin(_, left, right) => {
                each_mut(left, change);
                each_mut(right, change);
            }
            Op::Compare(first, ops) => {
                each_mut(first, change);
                ops.iter_mut().for_each(|(_, expr)| each_mut(expr, change));
            }
            Op::If(test, then, other) => {
                each_mut(test, change);
                each_mut(then, change);
                if let Some(other) = other {
                    each_mut(other, change);
                }
            }
        }
    });
}

/// What a walk tells about.
pub trait Visit {
    /// An expression, before its parts.
    fn expr(&mut self, expr: &Expr);
    /// A free name and its place.
    fn free(&mut self, _name: &str, _at: At) {}
}

struct Walk<'v> {
    bound: Vec<BTreeSet<Arc<str>>>,
    visit: &'v mut dyn Visit,
}

/// Walks a whole template.
pub fn code(code: &Code, visit: &mut dyn Visit) {
    let mut walk = Walk { bound: vec![BTreeSet::new()], visit };
    walk.body(&code.body, code);
}

impl Walk<'_> {
    fn body(&mut self, stmts: &[Stmt], code: &Code) {
        for stmt in stmts {
            self.stmt(stmt, code);
        }
    }

    fn scope(&mut self, inside: impl FnOnce(&mut Self)) {
        self.bound.push(BTreeSet::new());
        inside(self);
        self.bound.pop();
    }

    fn bind(&mut self, name: &str) {
        if let Some(last) = self.bound.last_mut() {
            last.insert(name.into());
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.bind(name),
            Target::Many(targets, _) => targets.iter().for_each(|target| self.target(target)),
            Target::Attr(expr, _) => self.expr(expr),
        }
    }

    fn macro_def(&mut self, def: &MacroDef, code: &Code) {
        for (_, default) in &def.params {
            if let Some(expr) = default {
                self.expr(expr);
            }
        }
        self.scope(|walk| {
            for name in ["varargs", "kwargs", "caller"] {
                walk.bind(name);
            }
            for (name, _) in &def.params {
                walk.bind(name);
            }
            walk.body(&def.body, code);
        });
    }

    fn stmt(&mut self, stmt: &Stmt, code: &Code) {
        match stmt {
            Stmt::Text(_) | Stmt::Break | Stmt::Continue => {}
            Stmt::Emit(expr) | Stmt::Do(expr) | Stmt::Extends(expr) | Stmt::Include { name: expr, .. } => {
                self.expr(expr);
            }
            Stmt::For(item) => {
                self.expr(&item.iter);
                self.scope(|walk| {
                    walk.target(&item.target);
                    walk.bind("loop");
                    if let Some(filter) = &item.filter {
                        walk.expr(filter);
                    }
                    walk.body(&item.body, code);
                });
                self.scope(|walk| walk.body(&item.otherwise, code));
            }
            Stmt::If(expr, then, other) => {
                self.expr(expr);
                self.body(then, code);
                self.body(other, code);
            }
            Stmt::With(assignments, body) => self.scope(|walk| {
                for (target, expr) in assignments {
                    walk.expr(expr);
                    walk.target(target);
                }
                walk.body(body, code);
            }),
            Stmt::Set(target, expr) => {
                self.expr(expr);
                self.target(target);
            }
            Stmt::SetBlock(target, filter, body) => {
                self.scope(|walk| walk.body(body, code));
                if let Some(filter) = filter {
                    self.expr(filter);
                }
                self.target(target);
            }
            Stmt::FilterBlock(expr, body) => {
                self.expr(expr);
                self.scope(|walk| walk.body(body, code));
            }
            Stmt::Plain(body) => self.body(body, code),
            Stmt::Block { name, .. } => {
                if let Some(body) = code.blocks.get(name) {
                    self.scope(|walk| {
                        walk.bind("super");
                        walk.body(body, code);
                    });
                }
            }
            Stmt::Import(expr, target, _) => {
                self.expr(expr);
                self.target(target);
            }
            Stmt::From(expr, names, _) => {
                self.expr(expr);
                for (_, alias, _) in names {
                    self.bind(alias);
                }
            }
            Stmt::Macro(def) => {
                self.bind(&def.name);
                self.macro_def(def, code);
            }
            Stmt::CallBlock(expr, def) => {
                self.expr(expr);
                self.macro_def(def, code);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
            self.visit.expr(expr);
            if let Op::Name(name) = &expr.op
                && !self.bound.iter().any(|scope| scope.contains(name))
            {
                self.visit.free(name, expr.at);
            }
            for part in parts(expr) {
                self.expr(part);
            }
        });
    }
}

struct Names(BTreeSet<String>);

impl Visit for Names {
    fn expr(&mut self, expr: &Expr) {
        if let Op::Name(name) = &expr.op {
            self.0.insert(name.to_string());
        }
    }
}

/// Every name that a body mentions.
pub fn names_in(body: &[Stmt]) -> BTreeSet<String> {
    let mut names = Names(BTreeSet::new());
    let empty = Code {
        body: Vec::new(),
        blocks: std::collections::BTreeMap::new(),
        extends: false,
        shift: 0,
        embedded: false,
        newlines: 0,
        newline: None,
    };
    let mut walk = Walk { bound: vec![BTreeSet::new()], visit: &mut names };
    walk.body(body, &empty);
    names.0
}
