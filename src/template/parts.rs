//! Evaluates the kinds of expressions that take more than a line.

use std::rc::Rc;

use indexmap::IndexMap;

use super::code::{Cmp, Expr};
use super::eval::short;
use super::exec::{Ev, Locals};
use super::fail::{Fail, R};
use super::ops;
use super::val::Val;

impl Ev<'_> {
    /// `{a: b}`
    pub fn dict(&self, entries: &[(Expr, Expr)], locals: &Rc<Locals>) -> R<Val> {
        let mut map = IndexMap::with_capacity(entries.len());
        for (key, value) in entries {
            let name = self.eval(key, locals)?.key().map_err(|fail| fail.at(self.span(key.at), ""))?;
            super::keys::put(&mut map, name, self.eval(value, locals)?);
        }
        Ok(Val::map(map))
    }

    /// `a[b]`
    pub fn item_of(&self, expr: &Expr, (base, index): (&Expr, &Expr), locals: &Rc<Locals>) -> R<Val> {
        let base = self.eval(base, locals)?;
        if let Val::Undef(_) = base {
            return Ok(base);
        }
        let index = self.eval(index, locals)?.defined()?;
        let found = ops::item(self.cx, &base, &index).map_err(|fail| fail.rendering().at(self.span(expr.at), ""))?;
        match (found, index.as_str()) {
            (Some(value), _) => Ok(value),
            // `list['1']` is no item; `list.1` is.
            (None, Some(name)) if matches!(base, Val::List(_)) && name.parse::<i128>().is_ok() => {
                Ok(self.missing(&base, name, expr.at))
            }
            (None, Some(name)) => self.attr(&base, name, expr.at),
            (None, None) => Ok(self.missing(&base, &super::text::str_of(self.cx, &index)?, expr.at)),
        }
    }

    /// `a | name(...)`
    pub fn filtered(&self, expr: &Expr, value: Option<&Expr>, name: &str, locals: &Rc<Locals>) -> R<Val> {
        let Some(value) = value else { return Err(Fail::msg("a filter without a value")) };
        // What is to be opened with the filter's own secret is not opened before.
        let sealed = if short(name) == "unvault" { self.sealed(value, locals) } else { None };
        let value = match sealed {
            Some(sealed) => Val::from(sealed),
            None => self.eval(value, locals)?,
        };
        self.cx.place.set(self.span(expr.at));
        self.filter(expr, value, locals)
    }

    /// `a < b < c`
    pub fn compared(&self, expr: &Expr, first: &Expr, rest: &[(Cmp, Expr)], locals: &Rc<Locals>) -> R<Val> {
        let mut left = self.eval(first, locals)?;
        for (op, right) in rest {
            let right = self.eval(right, locals)?;
            let holds = ops::compare(self.cx, *op, &left, &right);
            if !holds.map_err(|fail| fail.rendering().at(self.span(expr.at), ""))? {
                return Ok(Val::from(false));
            }
            left = right;
        }
        Ok(Val::from(true))
    }
}
