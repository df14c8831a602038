//! What the types of values are called: by Python, and in messages.

use super::val::{BUILTIN_METHOD, Func, Val};

impl Val {
    /// The type's name as Python has it (`type_debug`).
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::V(value) => value.python_type(),
            Self::List(list) if list.is_tuple() => "tuple",
            Self::List(list) if list.is_range() => "range",
            Self::List(_) => "list",
            Self::Map(map) => map.type_name(),
            Self::Undef(_) => "UndefinedMarker",
            Self::Omit => "Omit",
            Self::Func(Func::Macro(_)) => "Macro",
            Self::Func(Func::Module(..)) => "TemplateModule",
            Self::Func(Func::Method(object, name)) => match &**object {
                Self::Map(map) => map.method_type(name),
                _ => BUILTIN_METHOD,
            },
            Self::Func(_) => "function",
            Self::Loop(_) => "LoopContext",
            Self::Clock(clock) => clock.type_name(),
        }
    }

    /// The type in messages: `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::V(value) => value.type_name(),
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Undef(_) => "an undefined value",
            Self::Omit => "`omit`",
            Self::Func(_) => "a function",
            Self::Loop(_) => "`loop`",
            Self::Clock(clock) => clock.kind(),
        }
    }
}
