//! Puts the guards of `plain_limits` into a template's text, where minijinja's own machine makes values of any size:
//! operators, lists and mappings with names in them, and what loops go over.

use minijinja::machinery::{Span, Token, ast, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The filter behind what makes a value.
pub const MADE: &str = "made_within_limits";
/// The filter behind what a loop goes over; its argument is the bytes of text in the loop.
pub const LOOPED: &str = "looped_within_limits";
/// Bytes that a template which is included in a loop counts as.
const INCLUDED: usize = 4096;
/// Of so many operators in a row one is guarded: each guard nests the expression, which the parser limits.
const ROW: usize = 32;

/// The text with the guards. Lines stay where they are; what cannot be parsed stays as it is, for the machine to tell.
pub fn guarded(text: &str) -> String {
    let Ok(ast::Stmt::Template(template)) = parse(text, "", SyntaxConfig::default()) else {
        return text.to_owned();
    };
    let tokens = tokenize(text, false, SyntaxConfig::default()).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    let mut guard = Guard { text, tokens, edits: Vec::new() };
    guard.stmts(&template.children);
    guard.edits.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len() + guard.edits.len() * 16);
    let mut done = 0;
    for (at, insert) in guard.edits {
        out.push_str(text.get(done..at).unwrap_or_default());
        out.push_str(&insert);
        done = at.max(done);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

struct Guard<'t> {
    text: &'t str,
    tokens: Vec<(Token<'t>, Span)>,
    /// Where something comes in; of the same place in this order.
    edits: Vec<(usize, String)>,
}

impl Guard<'_> {
    fn stmts(&mut self, all: &[ast::Stmt<'_>]) {
        for stmt in all {
            stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.stmt(stmt));
        }
    }

    fn stmt(&mut self, stmt: &ast::Stmt<'_>) {
        match stmt {
            ast::Stmt::Template(part) => self.stmts(&part.children),
            ast::Stmt::EmitExpr(part) => self.expr(&part.expr),
            ast::Stmt::EmitRaw(_) | ast::Stmt::Continue(_) | ast::Stmt::Break(_) => {}
            ast::Stmt::ForLoop(part) => self.for_loop(part),
            ast::Stmt::IfCond(part) => {
                self.expr(&part.expr);
                self.stmts(&part.true_body);
                self.stmts(&part.false_body);
            }
            ast::Stmt::WithBlock(part) => {
                part.assignments.iter().for_each(|(_, value)| self.expr(value));
                self.stmts(&part.body);
            }
            ast::Stmt::Set(part) => self.expr(&part.expr),
            ast::Stmt::SetBlock(part) => {
                part.filter.iter().for_each(|filter| self.expr(filter));
                self.stmts(&part.body);
            }
            ast::Stmt::AutoEscape(part) => self.stmts(&part.body),
            ast::Stmt::FilterBlock(part) => {
                self.expr(&part.filter);
                self.stmts(&part.body);
            }
            ast::Stmt::Block(part) => self.stmts(&part.body),
            ast::Stmt::Import(part) => self.expr(&part.expr),
            ast::Stmt::FromImport(part) => self.expr(&part.expr),
            ast::Stmt::Extends(part) => self.expr(&part.name),
            ast::Stmt::Include(part) => self.expr(&part.name),
            ast::Stmt::Macro(part) => self.declared(part),
            ast::Stmt::CallBlock(part) => {
                self.call(&part.call);
                self.declared(&part.macro_decl);
            }
            ast::Stmt::Do(part) => self.call(&part.call),
        }
    }

    fn declared(&mut self, part: &ast::Macro<'_>) {
        part.defaults.iter().for_each(|value| self.expr(value));
        self.stmts(&part.body);
    }

    fn for_loop(&mut self, part: &ast::ForLoop<'_>) {
        let place = self.iterated(part.target.span().end_offset as usize);
        if let Some((start, _)) = place {
            self.edits.push((start, "((".to_owned()));
        }
        self.expr(&part.iter);
        if let Some((_, end)) = place {
            self.edits.push((end, format!(")|{LOOPED}({}))", raw(&part.body))));
        }
        part.filter_expr.iter().for_each(|filter| self.expr(filter));
        self.stmts(&part.body);
        self.stmts(&part.else_body);
    }

    /// Where that begins and ends which a loop goes over, whose target ends at `after`.
    fn iterated(&self, after: usize) -> Option<(usize, usize)> {
        let first = self.tokens.partition_point(|(_, span)| (span.start_offset as usize) < after);
        let is_in = |(token, _): &(Token<'_>, Span)| matches!(token, Token::Ident("in"));
        let first = first + self.tokens.get(first..)?.iter().position(is_in)? + 1;
        let start = self.tokens.get(first)?.1.start_offset as usize;
        let mut depth = 0_usize;
        for (index, (token, _)) in self.tokens.iter().enumerate().skip(first) {
            match token {
                Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
                Token::ParenClose | Token::BracketClose | Token::BraceClose => depth = depth.checked_sub(1)?,
                Token::BlockEnd | Token::Ident("if" | "recursive") if depth == 0 && index > first => {
                    return Some((start, self.tokens[index - 1].1.end_offset as usize));
                }
                _ => {}
            }
        }
        None
    }

    fn expr(&mut self, expr: &ast::Expr<'_>) {
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.expr_here(expr, 0));
    }

    /// `chain`: how many operators stand to the right in the same row.
    fn expr_here(&mut self, expr: &ast::Expr<'_>, chain: usize) {
        let operator = matches!(expr, ast::Expr::BinOp(_));
        let made = self.makes(expr) && (!operator || chain.is_multiple_of(ROW));
        let after = if operator { format!(")|{MADE}") } else { format!("|{MADE})") };
        let (start, end) = (expr.span().start_offset as usize, expr.span().end_offset as usize);
        if made {
            self.edits.push((start, "(".to_owned()));
        }
        match expr {
            ast::Expr::Var(_) | ast::Expr::Const(_) => {}
            ast::Expr::Slice(part) => {
                self.expr(&part.expr);
                [&part.start, &part.stop, &part.step].into_iter().flatten().for_each(|part| self.expr(part));
            }
            ast::Expr::UnaryOp(part) => self.expr(&part.expr),
            ast::Expr::BinOp(part) => {
                stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.expr_here(&part.left, chain + 1));
                self.expr(&part.right);
            }
            ast::Expr::Compare(part) => {
                self.expr(&part.expr);
                part.ops.iter().for_each(|op| self.expr(&op.expr));
            }
            ast::Expr::IfExpr(part) => {
                self.expr(&part.true_expr);
                self.expr(&part.test_expr);
                part.false_expr.iter().for_each(|other| self.expr(other));
            }
            ast::Expr::Filter(part) => {
                part.expr.iter().for_each(|value| self.expr(value));
                self.args(&part.args);
            }
            ast::Expr::Test(part) => {
                self.expr(&part.expr);
                self.args(&part.args);
            }
            ast::Expr::GetAttr(part) => self.expr(&part.expr),
            ast::Expr::GetItem(part) => {
                self.expr(&part.expr);
                self.expr(&part.subscript_expr);
            }
            ast::Expr::Call(part) => self.call(part),
            ast::Expr::List(part) => part.items.iter().for_each(|item| self.expr(item)),
            ast::Expr::Tuple(part) => part.items.iter().for_each(|item| self.expr(item)),
            ast::Expr::Map(part) => {
                for (key, value) in part.keys.iter().zip(&part.values) {
                    self.expr(key);
                    self.expr(value);
                }
            }
        }
        if made {
            self.edits.push((end, after));
        }
    }

    fn call(&mut self, call: &ast::Call<'_>) {
        self.expr(&call.expr);
        self.args(&call.args);
    }

    fn args(&mut self, args: &[ast::CallArg<'_>]) {
        for arg in args {
            match arg {
                ast::CallArg::Pos(expr)
                | ast::CallArg::Kwarg(_, expr)
                | ast::CallArg::PosSplat(expr)
                | ast::CallArg::KwargSplat(expr) => self.expr(expr),
            }
        }
    }

    /// It makes a value of others, and its span is all of it.
    fn makes(&self, expr: &ast::Expr<'_>) -> bool {
        match expr {
            ast::Expr::BinOp(part) => {
                matches!(part.op, ast::BinOpKind::Add | ast::BinOpKind::Mul | ast::BinOpKind::Concat)
            }
            ast::Expr::List(_) | ast::Expr::Map(_) => !constant(expr),
            // A tuple without brackets is no operand.
            ast::Expr::Tuple(part) => {
                let (start, end) = (part.span().start_offset as usize, part.span().end_offset as usize);
                let text = self.text.get(start..end).unwrap_or_default();
                text.starts_with('(') && text.ends_with(')') && !constant(expr)
            }
            _ => false,
        }
    }
}

fn constant(expr: &ast::Expr<'_>) -> bool {
    match expr {
        ast::Expr::Const(_) => true,
        ast::Expr::List(part) => part.items.iter().all(constant),
        ast::Expr::Tuple(part) => part.items.iter().all(constant),
        ast::Expr::Map(part) => part.keys.iter().chain(&part.values).all(constant),
        _ => false,
    }
}

/// Bytes of text that one turn of a loop may write, without the loops in it.
fn raw(body: &[ast::Stmt<'_>]) -> usize {
    let each = |stmt: &ast::Stmt<'_>| match stmt {
        ast::Stmt::EmitRaw(part) => part.raw.len(),
        ast::Stmt::IfCond(part) => raw(&part.true_body).max(raw(&part.false_body)),
        ast::Stmt::WithBlock(part) => raw(&part.body),
        ast::Stmt::SetBlock(part) => raw(&part.body),
        ast::Stmt::AutoEscape(part) => raw(&part.body),
        ast::Stmt::FilterBlock(part) => raw(&part.body),
        ast::Stmt::Block(part) => raw(&part.body),
        ast::Stmt::CallBlock(part) => raw(&part.macro_decl.body),
        ast::Stmt::Include(_) => INCLUDED,
        _ => 0,
    };
    body.iter().fold(0, |sum: usize, stmt| sum.saturating_add(each(stmt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = guarded(text).replace(&format!("|{MADE}"), "!").replace(&format!("|{LOOPED}"), "@");
        assert_eq!(found, expected);
    }

    #[test]
    fn operators_and_what_holds_names_are_guarded() {
        check("{{ a ~ b.c }}", "{{ (a ~ b.c)! }}");
        check("{{ (a) ~ b ~ (c | d) }}", "{{ ((a) ~ b ~ (c | d))! }}");
        check("{% set x = [a, 'b'] + f(c ~ 1)[0] %}", "{% set x = (([a, 'b']!) + f((c ~ 1)!)[0])! %}");
        check("{{ {'a': b} }}{{ (a, b) }}", "{{ ({'a': b}!) }}{{ ((a, b)!) }}");
        check("{{ a == b ~ c if d + e else [f] }}", "{{ a == (b ~ c)! if (d + e)! else ([f]!) }}");
        let row = guarded(&format!("{{{{ {}b }}}}", "a ~ ".repeat(100)));
        assert_eq!(row.matches(MADE).count(), 4, "{row}");
        let raw = "a ~ b\n{% raw %}{{ a ~ b }}{% endraw %}{# {{ a ~ b }} #}";
        check(raw, raw);
    }

    #[test]
    fn what_is_constant_or_cannot_be_read_stays() {
        for text in ["{{ ['a', 1] }}{{ 5 - 2 }}{{ a.b | c('d') }}", "{{ a ~ ", "{% for %}", ""] {
            check(text, text);
        }
    }

    #[test]
    fn loops_know_their_text() {
        check("{% for a in b %}1234{% endfor %}", "{% for a in ((b)@(4)) %}1234{% endfor %}");
        check(
            "{% for a, b in (c + d).items() if a recursive -%}  {% if x %}12{% else %}123{% endif %}{% endfor %}",
            "{% for a, b in ((((c + d)!).items())@(3)) if a recursive -%}  {% if x %}12{% else %}123{% endif %}{% endfor %}",
        );
        check(
            "{% for a in b.c | d %}{% include 'x' %}{% endfor %}",
            "{% for a in ((b.c | d)@(4096)) %}{% include 'x' %}{% endfor %}",
        );
    }
}
