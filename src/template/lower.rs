//! From text to [`Code`]: minijinja parses, this file makes its tree our own.
//!
//! Before parsing, the text is masked: bytes that minijinja reads differently than Jinja2 are
//! replaced by others of the same length, so every place stays what it was, and the originals
//! are taken back here by their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::{Span, ast, parse};
use minijinja::syntax::SyntaxConfig;

use crate::value::Value;

use super::code::{Arg, At, Bin, Cmp, Code, Expr, For, MacroDef, Op, Stmt, Sub, Target};
use super::engine::FileOptions;
use super::mask::{mask, string_literal};

/// A syntax error with its place in the text.
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// What a registered result says, if it is not the message.
    pub words: Option<String>,
    /// Where.
    pub at: At,
}

/// Expressions nested deeper than this are refused.
const MAX_DEPTH: usize = 2000;

struct Lower<'s> {
    text: &'s str,
    masked: &'s str,
    escape: bool,
    depth: usize,
    in_print: bool,
    blocks: BTreeMap<Arc<str>, Arc<Vec<Stmt>>>,
    tags: (String, String),
    extends: bool,
}

type Out<T> = Result<T, SyntaxError>;

/// Compiles a template. `escape`: backslashes in strings inside `{{ }}` stand for themselves.
pub fn template(text: &str, options: &FileOptions, escape: bool) -> Out<Code> {
    let mut builder = SyntaxConfig::builder();
    builder.trim_blocks(options.trim_blocks).lstrip_blocks(options.lstrip_blocks).keep_trailing_newline(false);
    let fail = |message: String| SyntaxError { message, words: None, at: (0, 0) };
    let usual = FileOptions::default();
    if options.block != usual.block || options.variable != usual.variable || options.comment != usual.comment {
        builder
            .block_delimiters(options.block.0.clone(), options.block.1.clone())
            .variable_delimiters(options.variable.0.clone(), options.variable.1.clone())
            .comment_delimiters(options.comment.0.clone(), options.comment.1.clone());
    }
    if let Some(prefix) = &options.line_statement {
        builder.line_statement_prefix(prefix.clone());
    }
    if let Some(prefix) = &options.line_comment {
        builder.line_comment_prefix(prefix.clone());
    }
    let syntax = builder.build().map_err(|error| fail(error.to_string()))?;
    let normal;
    let text = if text.contains('\r') {
        // Places in texts with `\r\n` are off by the number of lines before; such files are rare.
        normal = text.replace("\r\n", "\n").replace('\r', "\n");
        normal.as_str()
    } else {
        text
    };
    let masked = mask(text, options);
    super::limits::check_operators(&masked, options)?;
    let tree =
        super::limits::deep(|| parse(&masked, "", syntax)).map_err(|error| syntax_error(&error, text, options))?;
    let mut lower = Lower {
        text,
        masked: &masked,
        escape,
        depth: 0,
        in_print: false,
        blocks: BTreeMap::new(),
        tags: options.block.clone(),
        extends: false,
    };
    let body = match &tree {
        ast::Stmt::Template(template) => lower.body(&template.children)?,
        other => lower.body(std::slice::from_ref(other))?,
    };
    let newlines = text.len() - text.trim_end_matches('\n').len();
    let newline = (options.newline != "\n").then(|| Arc::from(options.newline.as_str()));
    let extends = lower.extends;
    Ok(Code { body, blocks: lower.blocks, extends, shift: 0, embedded: false, newlines, newline })
}

/// Compiles a bare expression.
pub fn expression(text: &str, escape: bool) -> Out<Code> {
    // Parsed inside `{{ }}` of one space each, so places are moved by two.
    let wrapped = format!("{{{{{text}\n}}}}");
    let options = FileOptions::default();
    let shift = |error: SyntaxError| {
        let clamp = |offset: u32| offset.saturating_sub(2).min(u32::try_from(text.len()).unwrap_or(u32::MAX));
        // What stands behind a whole expression has no token of its own in Jinja2's words.
        let words = error.words.map(|words| {
            let behind = words.starts_with("expected token 'end of print statement'");
            if behind { "chunk after expression".to_owned() } else { words }
        });
        SyntaxError { message: error.message, words, at: (clamp(error.at.0), clamp(error.at.1)) }
    };
    let masked = mask(&wrapped, &options);
    super::limits::check_operators(&masked, &options).map_err(shift)?;
    let tree = super::limits::deep(|| parse(&masked, "", SyntaxConfig::default()))
        .map_err(|error| shift(syntax_error(&error, &wrapped, &options)))?;
    let ast::Stmt::Template(template) = &tree else {
        return Err(SyntaxError { message: "expected an expression".to_owned(), words: None, at: (0, 0) });
    };
    let [ast::Stmt::EmitExpr(_)] = template.children.as_slice() else {
        let at = (0, u32::try_from(text.len()).unwrap_or(u32::MAX));
        return Err(SyntaxError { message: "expected one expression".to_owned(), words: None, at });
    };
    let mut lower = Lower {
        text: &wrapped,
        masked: &masked,
        escape,
        depth: 0,
        in_print: false,
        blocks: BTreeMap::new(),
        tags: options.block.clone(),
        extends: false,
    };
    let mut body = lower.body(&template.children).map_err(shift)?;
    for stmt in &mut body {
        if let Stmt::Emit(expr) = stmt {
            move_back(expr);
        }
    }
    Ok(Code { body, blocks: BTreeMap::new(), extends: false, shift: 0, embedded: false, newlines: 0, newline: None })
}

fn move_back(expr: &mut Expr) {
    super::walk::each_mut(expr, &mut |at| *at = (at.0.saturating_sub(2), at.1.saturating_sub(2)));
}

fn syntax_error(error: &minijinja::Error, text: &str, options: &FileOptions) -> SyntaxError {
    let range = error.range().unwrap_or(0..0);
    let clamp = |offset: usize| {
        let whole = (offset..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        u32::try_from(whole).unwrap_or(u32::MAX)
    };
    let mut message = error.detail().map_or_else(|| error.to_string(), str::to_owned);
    let found = text.get(range.clone()).unwrap_or_default();
    let words = jinja_words(&message, found).or_else(|| {
        (message == "unexpected end of input, expected end of block").then(|| unclosed(text, options)).flatten()
    });
    if let Some(name) = message.strip_prefix("unknown statement ") {
        message = format!("unknown statement `{name}`");
    } else if message == "unexpected end of input, expected end of variable block" {
        message = format!("`{}` is never closed by `{}`", options.variable.0, options.variable.1);
    } else if message == "unexpected start of block" || message == "unexpected end of variable block" {
        message = format!("expected an expression, found `{}`", options.variable.1);
    }
    let mut at = (clamp(range.start), clamp(range.end));
    if at.0 >= at.1 {
        at = (at.0, clamp(at.0 as usize + 1));
    }
    SyntaxError { message, words, at }
}

/// What Jinja2 says of a block that is never closed.
fn unclosed(text: &str, options: &FileOptions) -> Option<String> {
    let mut open: Vec<(&str, &str)> = Vec::new();
    for tag in text.split(options.block.0.as_str()).skip(1) {
        let tag = tag.trim_start_matches(['-', '+']).trim_start();
        let word = tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        match word {
            "if" => open.push(("if", "'elif' or 'else' or 'endif'")),
            "for" => open.push(("for", "'endfor' or 'else'")),
            "block" => open.push(("block", "'endblock'")),
            "macro" => open.push(("macro", "'endmacro'")),
            "call" => open.push(("call", "'endcall'")),
            "filter" => open.push(("filter", "'endfilter'")),
            "with" => open.push(("with", "'endwith'")),
            "else" => match open.last_mut() {
                Some(("if", wanted)) => *wanted = "'endif'",
                Some(("for", wanted)) => *wanted = "'endfor'",
                _ => {}
            },
            word if word.starts_with("end") && open.last().is_some_and(|(name, _)| word[3..] == **name) => {
                open.pop();
            }
            _ => {}
        }
    }
    let (name, wanted) = open.last()?;
    Some(format!(
        "Unexpected end of template. Jinja was looking for the following tags: {wanted}. The innermost block that needs \
         to be closed is '{name}'."
    ))
}

/// What Jinja2 says where minijinja says `message`; `found` is the text at its place.
fn jinja_words(message: &str, found: &str) -> Option<String> {
    let token = |name: &str| -> String {
        match name {
            "end of variable block" => "end of print statement".to_owned(),
            "end of block" => "end of statement block".to_owned(),
            "end of input" => "end of template".to_owned(),
            "identifier" => "name".to_owned(),
            other => other.trim_matches('`').to_owned(),
        }
    };
    if let Some(name) = message.strip_prefix("unknown statement ") {
        return Some(format!("Encountered unknown tag '{}'.", name.trim_matches('`')));
    }
    if message == "unexpected end of variable block" || message == "unexpected end of block" {
        let name = token(message.trim_start_matches("unexpected "));
        return Some(format!("Expected an expression, got '{name}'"));
    }
    let (unexpected, expected) = message.strip_prefix("unexpected ")?.split_once(", expected ")?;
    let got = match unexpected {
        "identifier" => found.to_owned(),
        other => token(other),
    };
    let wanted = token(expected);
    Some(match (unexpected, expected) {
        ("end of input", "end of block") => return None,
        ("end of input", _) => format!("unexpected end of template, expected '{wanted}'."),
        // Brackets are matched before anything else there.
        (_, ")" | "`)`" | "]" | "`]`") if matches!(got.as_str(), "}" | "]" | ")") => {
            format!("unexpected '{got}', expected '{wanted}'")
        }
        _ => format!("expected token '{wanted}', got '{got}'"),
    })
}

fn at(span: Span) -> At {
    (span.start_offset, span.end_offset)
}

impl Lower<'_> {
    fn slice(&self, part: &str) -> Option<(usize, usize)> {
        let start = (part.as_ptr() as usize).checked_sub(self.masked.as_ptr() as usize)?;
        (start + part.len() <= self.masked.len()).then_some((start, start + part.len()))
    }

    /// Template data. Jinja2 keeps the line break behind `{% raw %}`, minijinja does not.
    fn raw_text(&self, part: &str) -> Arc<str> {
        let text = self.original(part);
        let Some((start, _)) = self.slice(part) else { return text };
        let Some(before) = self.text.get(..start).and_then(|before| before.strip_suffix('\n')) else { return text };
        let tag = before.strip_suffix(&self.tags.1).and_then(|inner| inner.rsplit_once(&self.tags.0));
        match tag {
            Some((_, tag)) if tag.trim_start_matches(['-', '+']).trim() == "raw" => format!("\n{text}").into(),
            _ => text,
        }
    }

    /// The original text of a slice of the masked one.
    fn original(&self, part: &str) -> Arc<str> {
        match self.slice(part).and_then(|(start, end)| self.text.get(start..end)) {
            Some(text) => text.into(),
            None => part.into(),
        }
    }

    fn body(&mut self, stmts: &[ast::Stmt<'_>]) -> Out<Vec<Stmt>> {
        stmts.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'_>) -> Out<Stmt> {
        Ok(match stmt {
            ast::Stmt::Template(template) => Stmt::Plain(self.body(&template.children)?),
            ast::Stmt::EmitRaw(raw) => Stmt::Text(self.raw_text(raw.raw)),
            ast::Stmt::EmitExpr(emit) => {
                self.in_print = true;
                let expr = self.expr(&emit.expr);
                self.in_print = false;
                Stmt::Emit(expr?)
            }
            ast::Stmt::ForLoop(item) => Stmt::For(Arc::new(For {
                target: self.target(&item.target)?,
                iter: self.expr(&item.iter)?,
                filter: item.filter_expr.as_ref().map(|expr| self.expr(expr)).transpose()?,
                recursive: item.recursive,
                body: self.body(&item.body)?,
                otherwise: self.body(&item.else_body)?,
            })),
            ast::Stmt::IfCond(item) => {
                Stmt::If(self.expr(&item.expr)?, self.body(&item.true_body)?, self.body(&item.false_body)?)
            }
            ast::Stmt::WithBlock(item) => {
                let mut assignments = Vec::new();
                for (target, expr) in &item.assignments {
                    assignments.push((self.target(target)?, self.expr(expr)?));
                }
                Stmt::With(assignments, self.body(&item.body)?)
            }
            ast::Stmt::Set(item) => Stmt::Set(self.target(&item.target)?, self.expr(&item.expr)?),
            ast::Stmt::SetBlock(item) => Stmt::SetBlock(
                self.target(&item.target)?,
                item.filter.as_ref().map(|expr| self.expr(expr)).transpose()?,
                self.body(&item.body)?,
            ),
            ast::Stmt::AutoEscape(item) => Stmt::Plain(self.body(&item.body)?),
            ast::Stmt::FilterBlock(item) => Stmt::FilterBlock(self.expr(&item.filter)?, self.body(&item.body)?),
            ast::Stmt::Block(item) => {
                let name: Arc<str> = item.name.into();
                let body = self.body(&item.body)?;
                self.blocks.insert(Arc::clone(&name), Arc::new(body));
                let span = item.span();
                let tag = self.text.get(span.start_offset as usize..).unwrap_or_default();
                let tag = tag.split(self.tags.1.as_str()).next().unwrap_or_default();
                let scoped = tag.split_whitespace().any(|word| word == "scoped");
                Stmt::Block { name, required: item.required, scoped, at: at(span) }
            }
            ast::Stmt::Import(item) => {
                let context = self.context(item.span()).unwrap_or(false);
                Stmt::Import(self.expr(&item.expr)?, self.target(&item.name)?, context)
            }
            ast::Stmt::FromImport(item) => {
                let mut names = Vec::new();
                for (name, alias) in &item.names {
                    if let ast::Expr::Var(var) = name {
                        let alias = match alias {
                            Some(ast::Expr::Var(alias)) => alias.id,
                            _ => var.id,
                        };
                        names.push((var.id.into(), alias.into(), at(var.span())));
                    }
                }
                Stmt::From(self.expr(&item.expr)?, names, self.context(item.span()).unwrap_or(false))
            }
            ast::Stmt::Extends(item) => {
                self.extends = true;
                Stmt::Extends(self.expr(&item.name)?)
            }
            ast::Stmt::Include(item) => Stmt::Include {
                name: self.expr(&item.name)?,
                ignore_missing: item.ignore_missing,
                context: self.context(item.span()).unwrap_or(true),
            },
            ast::Stmt::Macro(item) => Stmt::Macro(self.macro_def(item)?),
            ast::Stmt::CallBlock(item) => {
                let call = self.call(&item.call)?;
                Stmt::CallBlock(call, self.macro_def(&item.macro_decl)?)
            }
            ast::Stmt::Continue(_) => Stmt::Continue,
            ast::Stmt::Break(_) => Stmt::Break,
            ast::Stmt::Do(item) => Stmt::Do(self.call(&item.call)?),
        })
    }

    /// What `with context` or `without context` at the end of a statement says.
    fn context(&self, span: Span) -> Option<bool> {
        let text = self.text.get(span.start_offset as usize..span.end_offset as usize)?;
        let mut words = text.split_whitespace().rev();
        match (words.next(), words.next()) {
            (Some("context"), Some("with")) => Some(true),
            (Some("context"), Some("without")) => Some(false),
            _ => None,
        }
    }

    fn macro_def(&mut self, item: &ast::Macro<'_>) -> Out<Arc<MacroDef>> {
        let mut params = Vec::new();
        let without = item.args.len().saturating_sub(item.defaults.len());
        for (index, arg) in item.args.iter().enumerate() {
            let default = index.checked_sub(without).and_then(|index| item.defaults.get(index));
            let default = default.map(|expr| self.expr(expr)).transpose()?;
            if let ast::Expr::Var(var) = arg {
                params.push((var.id.into(), default));
            }
        }
        let body = self.body(&item.body)?;
        let names = super::walk::names_in(&body);
        Ok(Arc::new(MacroDef {
            name: item.name.into(),
            params,
            body,
            varargs: names.contains("varargs"),
            kwargs: names.contains("kwargs"),
            caller: names.contains("caller"),
        }))
    }

    fn target(&mut self, expr: &ast::Expr<'_>) -> Out<Target> {
        Ok(match expr {
            ast::Expr::Var(var) => Target::Name(var.id.into()),
            ast::Expr::List(list) => {
                Target::Many(list.items.iter().map(|item| self.target(item)).collect::<Out<_>>()?, at(list.span()))
            }
            ast::Expr::GetAttr(attr) => Target::Attr(self.expr(&attr.expr)?, attr.name.into()),
            other => {
                return Err(SyntaxError { message: "expected a name".to_owned(), words: None, at: at(other.span()) });
            }
        })
    }

    fn sub(&mut self, expr: &ast::Expr<'_>) -> Out<Sub> {
        self.expr(expr).map(Box::new)
    }

    fn args(&mut self, args: &[ast::CallArg<'_>]) -> Out<Vec<Arg>> {
        args.iter()
            .map(|arg| {
                Ok(match arg {
                    ast::CallArg::Pos(expr) => Arg::Pos(self.expr(expr)?),
                    ast::CallArg::Kwarg(name, expr) => Arg::Kw((*name).into(), self.expr(expr)?),
                    ast::CallArg::PosSplat(expr) => Arg::Splat(self.expr(expr)?),
                    ast::CallArg::KwargSplat(expr) => Arg::KwSplat(self.expr(expr)?),
                })
            })
            .collect()
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'_>>) -> Out<Expr> {
        let callee = self.sub(&call.expr)?;
        let end = call.span().end_offset;
        Ok(Expr { at: (callee.at.0, end), op: Op::Call(callee, self.args(&call.args)?) })
    }

    fn expr(&mut self, expr: &ast::Expr<'_>) -> Out<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError {
                message: "the expression is nested too deep".to_owned(),
                words: None,
                at: at(expr.span()),
            });
        }
        let out = stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.expr_inner(expr));
        self.depth -= 1;
        out
    }

    #[expect(clippy::cast_possible_truncation, reason = "texts are far below 4 GiB")]
    fn expr_inner(&mut self, expr: &ast::Expr<'_>) -> Out<Expr> {
        let span = at(expr.span());
        let end = span.1;
        Ok(match expr {
            ast::Expr::Var(var) => Expr { at: span, op: Op::Name(var.id.into()) },
            ast::Expr::Const(item) => Expr { at: span, op: Op::Const(self.constant(&item.value, span)?) },
            ast::Expr::Slice(item) => {
                let base = self.sub(&item.expr)?;
                let mut part = |expr: &Option<ast::Expr<'_>>| expr.as_ref().map(|expr| self.sub(expr)).transpose();
                let (start, stop, step) = (part(&item.start)?, part(&item.stop)?, part(&item.step)?);
                Expr { at: (base.at.0, end), op: Op::Slice(base, start, stop, step) }
            }
            ast::Expr::UnaryOp(item) => {
                let inner = self.sub(&item.expr)?;
                let start = span.0.min(inner.at.0);
                match item.op {
                    ast::UnaryOpKind::Neg => Expr { at: (start, end.max(inner.at.1)), op: Op::Neg(inner) },
                    ast::UnaryOpKind::Not => {
                        // `not in` and `is not` come as a negation around the operator.
                        let at = match &item.expr {
                            ast::Expr::BinOp(_) | ast::Expr::Test(_) => inner.at,
                            _ => (start, end.max(inner.at.1)),
                        };
                        Expr { at, op: Op::Not(inner) }
                    }
                }
            }
            ast::Expr::BinOp(item) => {
                use ast::BinOpKind as K;
                let left = self.sub(&item.left)?;
                let right = self.sub(&item.right)?;
                let at = (left.at.0, right.at.1);
                let bin = |bin, left, right| Expr { at, op: Op::Bin(bin, left, right) };
                let cmp = |cmp, left, right: Sub| Expr { at, op: Op::Compare(left, vec![(cmp, *right)]) };
                match item.op {
                    K::Add => bin(Bin::Add, left, right),
                    K::Sub => bin(Bin::Sub, left, right),
                    K::Mul => bin(Bin::Mul, left, right),
                    K::Div => bin(Bin::Div, left, right),
                    K::FloorDiv => bin(Bin::FloorDiv, left, right),
                    K::Rem => bin(Bin::Rem, left, right),
                    K::Pow => bin(Bin::Pow, left, right),
                    K::Concat => bin(Bin::Concat, left, right),
                    K::ScAnd => bin(Bin::And, left, right),
                    K::ScOr => bin(Bin::Or, left, right),
                    K::Eq => cmp(Cmp::Eq, left, right),
                    K::Ne => cmp(Cmp::Ne, left, right),
                    K::Lt => cmp(Cmp::Lt, left, right),
                    K::Lte => cmp(Cmp::Le, left, right),
                    K::Gt => cmp(Cmp::Gt, left, right),
                    K::Gte => cmp(Cmp::Ge, left, right),
                    K::In => cmp(Cmp::In, left, right),
                }
            }
            ast::Expr::Compare(item) => {
                use ast::CompareOpKind as K;
                let first = self.sub(&item.expr)?;
                let mut ops = Vec::new();
                for op in &item.ops {
                    let kind = match op.op {
                        K::Eq => Cmp::Eq,
                        K::Ne => Cmp::Ne,
                        K::Lt => Cmp::Lt,
                        K::Lte => Cmp::Le,
                        K::Gt => Cmp::Gt,
                        K::Gte => Cmp::Ge,
                        K::In => Cmp::In,
                        K::NotIn => Cmp::NotIn,
                    };
                    ops.push((kind, self.expr(&op.expr)?));
                }
                let last = ops.last().map_or(end, |(_, expr)| expr.at.1);
                Expr { at: (first.at.0, last), op: Op::Compare(first, ops) }
            }
            ast::Expr::IfExpr(item) => {
                let test = self.sub(&item.test_expr)?;
                let then = self.sub(&item.true_expr)?;
                let other = item.false_expr.as_ref().map(|expr| self.sub(expr)).transpose()?;
                let last = other.as_ref().map_or(test.at.1, |expr| expr.at.1);
                Expr { at: (then.at.0, last), op: Op::If(test, then, other) }
            }
            ast::Expr::Filter(item) => {
                let value = item.expr.as_ref().map(|expr| self.sub(expr)).transpose()?;
                let args = self.args(&item.args)?;
                let name: Arc<str> = item.name.split_whitespace().collect::<String>().into();
                let name_at = (span.0, span.0 + item.name.len() as u32);
                let start = value.as_ref().map_or(span.0, |value| value.at.0);
                Expr { at: (start, end), op: Op::Filter { name, value, args, name_at } }
            }
            ast::Expr::Test(item) => {
                let value = self.sub(&item.expr)?;
                let args = self.args(&item.args)?;
                let name: Arc<str> = item.name.split_whitespace().collect::<String>().into();
                let name_at = (span.0, span.0 + item.name.len() as u32);
                Expr { at: (value.at.0, end), op: Op::Test { name, value, args, name_at } }
            }
            ast::Expr::GetAttr(item) => {
                let base = self.sub(&item.expr)?;
                Expr { at: (base.at.0, end), op: Op::Attr(base, item.name.into()) }
            }
            ast::Expr::GetItem(item) => {
                let base = self.sub(&item.expr)?;
                let index = self.sub(&item.subscript_expr)?;
                Expr { at: (base.at.0, end), op: Op::Item(base, index) }
            }
            ast::Expr::Call(item) => self.call(item)?,
            ast::Expr::List(item) => {
                Expr { at: span, op: Op::List(item.items.iter().map(|expr| self.expr(expr)).collect::<Out<_>>()?) }
            }
            ast::Expr::Tuple(item) => {
                Expr { at: span, op: Op::Tuple(item.items.iter().map(|expr| self.expr(expr)).collect::<Out<_>>()?) }
            }
            ast::Expr::Map(item) => {
                let mut entries = Vec::new();
                for (key, value) in item.keys.iter().zip(&item.values) {
                    entries.push((self.expr(key)?, self.expr(value)?));
                }
                Expr { at: span, op: Op::Dict(entries) }
            }
        })
    }

    fn constant(&self, value: &minijinja::Value, span: At) -> Out<Value> {
        use minijinja::value::ValueKind as K;
        Ok(match value.kind() {
            K::None | K::Undefined => Value::Null,
            K::Bool => Value::Bool(value.is_true()),
            K::String => {
                let text = self.text.get(span.0 as usize..span.1 as usize).unwrap_or_default();
                let raw = self.escape && self.in_print;
                Value::from(string_literal(text, raw))
            }
            K::Number => match i128::try_from(value.clone()) {
                Ok(int) if value.is_integer() => Value::Int(int),
                _ if value.is_integer() => Value::BigInt(value.to_string().into()),
                _ => Value::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN)),
            },
            _ => return Err(SyntaxError { message: "unexpected constant".to_owned(), words: None, at: span }),
        })
    }
}
