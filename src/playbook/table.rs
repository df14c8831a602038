//! The modules that a task may call.
//!
//! In tests of this room a few stand-ins fill the places of modules that are not there.

use crate::modules::{self, MODULES, ModuleEntry};

/// The module of a short or full name.
pub(super) fn find(name: &str) -> Option<&'static ModuleEntry> {
    let found = modules::find(name);
    #[cfg(test)]
    let found = found.or_else(|| testing::find(name));
    found
}

/// All modules.
pub(super) fn all() -> impl Iterator<Item = &'static ModuleEntry> {
    let all = MODULES.iter();
    #[cfg(test)]
    let all = all.chain(testing::STAND_INS.iter());
    all
}

#[cfg(test)]
mod testing {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use crate::modules::{Cx, Failure, Meta, Module, ModuleEntry, entry};
    use crate::value::Map;

    #[derive(Deserialize, JsonSchema)]
    pub struct NoArgs {}

    macro_rules! stand_ins {
        ($($name:ident $text:literal $free:expr),+ $(,)?) => {
            $(struct $name;
            impl Module for $name {
                type Args = NoArgs;
                const META: Meta = Meta {
                    name: $text,
                    full_name: concat!("ansible.builtin.", $text),
                    free_form: $free,
                    ..Meta::NONE
                };
                fn run(_: &Cx, _: NoArgs) -> Result<Map, Failure> {
                    Ok(Map::new())
                }
            })+
            pub static STAND_INS: [ModuleEntry; { [$($text),+].len() }] = [$(entry::<$name>()),+];
        };
    }

    stand_ins! {
        Command "command" Some("cmd"),
        Shell "shell" Some("cmd"),
        Copy "copy" None,
        Template "template" None,
        File "file" None,
        Debug "debug" None,
        SetFact "set_fact" None,
        MetaModule "meta" Some("free_form"),
        IncludeVars "include_vars" Some("file"),
    }

    pub fn find(name: &str) -> Option<&'static ModuleEntry> {
        STAND_INS.iter().find(|entry| entry.meta.name == name || entry.meta.full_name == name)
    }
}
