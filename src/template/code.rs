//! A parsed template, owned and shared: what `lower` makes of minijinja's syntax tree.
//!
//! Every expression keeps its byte range in the template text.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::Value;

/// Byte range in the template text.
pub type At = (u32, u32);

/// One compiled text.
#[derive(Debug)]
pub struct Code {
    /// The statements in order.
    pub body: Vec<Stmt>,
    /// Blocks by name.
    pub blocks: BTreeMap<Arc<str>, Arc<Vec<Stmt>>>,
    /// There is an `extends` in it.
    pub extends: bool,
    /// Bytes of the text before the template itself (a `#jinja2:` line).
    pub shift: u32,
    /// Strings in it that look like templates are rendered, as Ansible still does in conditions.
    pub embedded: bool,
    /// Line breaks at the end of the text, restored after rendering.
    pub newlines: usize,
    /// Line ends of the result if not `\n`.
    pub newline: Option<Arc<str>>,
}

/// An expression with its place.
#[derive(Debug)]
pub struct Expr {
    /// Where it stands.
    pub at: At,
    /// What it is.
    pub op: Op,
}

/// Boxed expression.
pub type Sub = Box<Expr>;

/// Arguments of a call, filter or test.
#[derive(Debug)]
pub enum Arg {
    /// By position.
    Pos(Expr),
    /// By name.
    Kw(Arc<str>, Expr),
    /// `*list`
    Splat(Expr),
    /// `**mapping`
    KwSplat(Expr),
}

/// Two-sided operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bin {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Concat,
    And,
    Or,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// What an expression does.
#[derive(Debug)]
pub enum Op {
    /// A constant.
    Const(Value),
    /// A name.
    Name(Arc<str>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `{a: b}`
    Dict(Vec<(Expr, Expr)>),
    /// `a.b`
    Attr(Sub, Arc<str>),
    /// `a[b]`
    Item(Sub, Sub),
    /// `a[b:c:d]`
    Slice(Sub, Option<Sub>, Option<Sub>, Option<Sub>),
    /// `a(...)`
    Call(Sub, Vec<Arg>),
    /// `a | name(...)`; no value in a `filter` block's first filter.
    Filter { name: Arc<str>, value: Option<Sub>, args: Vec<Arg>, name_at: At },
    /// `a is name(...)`
    Test { name: Arc<str>, value: Sub, args: Vec<Arg>, name_at: At },
    /// `not a`
    Not(Sub),
    /// `-a`
    Neg(Sub),
    /// Arithmetic, `and`, `or`, `~`.
    Bin(Bin, Sub, Sub),
    /// `a < b < c`
    Compare(Sub, Vec<(Cmp, Expr)>),
    /// `a if test else b`
    If(Sub, Sub, Option<Sub>),
}

/// Where a value is stored.
#[derive(Debug)]
pub enum Target {
    /// A name.
    Name(Arc<str>),
    /// Several.
    Many(Vec<Target>, At),
    /// `namespace.name`
    Attr(Expr, Arc<str>),
}

/// A macro's declaration.
#[derive(Debug)]
pub struct MacroDef {
    /// Its name (`caller` for a call block).
    pub name: Arc<str>,
    /// Parameters with defaults.
    pub params: Vec<(Arc<str>, Option<Expr>)>,
    /// What it renders.
    pub body: Vec<Stmt>,
    /// True if the body names `varargs`.
    pub varargs: bool,
    /// True if the body names `kwargs`.
    pub kwargs: bool,
    /// True if the body names `caller`.
    pub caller: bool,
}

/// A statement.
#[derive(Debug)]
pub enum Stmt {
    /// Text as it is.
    Text(Arc<str>),
    /// `{{ ... }}`
    Emit(Expr),
    /// `for`
    For(Arc<For>),
    /// `if`
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// `with`
    With(Vec<(Target, Expr)>, Vec<Stmt>),
    /// `set x = ...`
    Set(Target, Expr),
    /// `set x` ... `endset`, with its filters.
    SetBlock(Target, Option<Expr>, Vec<Stmt>),
    /// `filter` ... `endfilter`
    FilterBlock(Expr, Vec<Stmt>),
    /// `autoescape`: text is never escaped here, so only the body counts.
    Plain(Vec<Stmt>),
    /// `block`
    Block {
        /// Its name.
        name: Arc<str>,
        /// A template that extends this one must have it.
        required: bool,
        /// It sees the names of the loops around it.
        scoped: bool,
        /// Where it stands.
        at: At,
    },
    /// `extends`
    Extends(Expr),
    /// `include`
    Include { name: Expr, ignore_missing: bool, context: bool },
    /// `import x as y`; true for `with context`.
    Import(Expr, Target, bool),
    /// `from x import a as b`; true for `with context`.
    From(Expr, Vec<(Arc<str>, Arc<str>, At)>, bool),
    /// `macro`
    Macro(Arc<MacroDef>),
    /// `call`
    CallBlock(Expr, Arc<MacroDef>),
    /// `do`
    Do(Expr),
    /// `break`
    Break,
    /// `continue`
    Continue,
}

/// A `for` loop.
#[derive(Debug)]
pub struct For {
    /// Loop variables.
    pub target: Target,
    /// What it runs over.
    pub iter: Expr,
    /// The inline `if`.
    pub filter: Option<Expr>,
    /// `recursive`
    pub recursive: bool,
    /// The body.
    pub body: Vec<Stmt>,
    /// `else`
    pub otherwise: Vec<Stmt>,
}
