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

    use crate::modules::{Cx, Failure, InputArg, Meta, Module, ModuleEntry, entry};
    use crate::value::Map;

    /// Arguments of all stand-ins.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the names and kinds are looked at")]
    pub struct Args {
        src: Option<String>,
        dest: Option<String>,
        mode: Option<String>,
        content: Option<String>,
        backup: Option<bool>,
        remote_src: Option<bool>,
        cmd: Option<String>,
        creates: Option<String>,
        msg: Option<String>,
        var: Option<String>,
        free_form: Option<String>,
        file: Option<String>,
        name: Option<String>,
        path: Option<String>,
    }

    macro_rules! stand_ins {
        ($($name:ident $text:literal $meta:expr),+ $(,)?) => {
            $(struct $name;
            impl Module for $name {
                type Args = Args;
                const META: Meta =
                    Meta { name: $text, full_name: concat!("ansible.builtin.", $text), ..$meta };
                fn run(_: &Cx, _: Args) -> Result<Map, Failure> {
                    Ok(Map::new())
                }
            })+
            pub static STAND_INS: [ModuleEntry; { [$($text),+].len() }] = [$(entry::<$name>()),+];
        };
    }

    const fn free(arg: &'static str) -> Meta {
        Meta { free_form: Some(arg), ..Meta::NONE }
    }

    stand_ins! {
        Command "command" free("cmd"),
        Shell "shell" free("cmd"),
        Copy "copy" Meta {
            inputs: &[InputArg::File { arg: "src", unless: Some("remote_src") }],
            exclusive: &[&["src", "content"]],
            ..Meta::NONE
        },
        Template "template" Meta { inputs: &[InputArg::Template { arg: "src" }], ..Meta::NONE },
        File "file" Meta::NONE,
        Debug "debug" Meta::NONE,
        SetFact "set_fact" Meta { any_argument: true, ..Meta::NONE },
        MetaModule "meta" free("free_form"),
        IncludeVars "include_vars" free("file"),
    }

    pub fn find(name: &str) -> Option<&'static ModuleEntry> {
        STAND_INS.iter().find(|entry| entry.meta.name == name || entry.meta.full_name == name)
    }
}
