//! Names of filters, tests and lookups that are not hostctl's own: what collections on disk say of them.
//!
//! Who knows collections sets the resolver; this room only asks it for names that it does not have.

use std::path::PathBuf;

use super::engine::Templates;
use super::fail::{Fail, R};
use crate::diag::{Diagnostic, Kind};

/// What a plugin's name leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginEnd {
    /// The name at the end of all redirects.
    pub name: String,
    /// The Python file that holds it; none if it is, or would be, one of ansible-core's own.
    pub python: Option<PathBuf>,
    /// Why it is gone, in Ansible's words.
    pub removed: Option<String>,
    /// What is said of deprecated names on the way.
    pub deprecated: Vec<String>,
}

/// Finds what a kind (`filter`, `test`, `lookup`) and a name lead to.
pub type Resolver = Box<dyn Fn(&str, &str) -> Option<PluginEnd> + Send + Sync>;

/// A name that its collection took back.
pub(super) fn removed(kind: &str, name: &str, why: &str) -> Diagnostic {
    Diagnostic::new("T0111", Kind::Source, format!("the {kind} `{name}` was removed"))
        .with_note(why)
        .with_registered(why)
}

impl Templates {
    /// Who is asked for names that are not known here.
    pub fn set_resolver(&self, resolver: Resolver) {
        let _ = self.resolver.set(resolver);
    }

    /// What a name leads to that is not known here.
    pub(super) fn plugin_end(&self, kind: &str, name: &str) -> Option<PluginEnd> {
        self.resolver.get().and_then(|resolver| resolver(kind, name))
    }

    /// The name of one of hostctl's own that another name stands for; or the failure for one that is gone.
    pub(super) fn redirected(&self, kind: &str, name: &str) -> R<Option<String>> {
        let Some(end) = self.plugin_end(kind, name) else { return Ok(None) };
        if let Some(why) = &end.removed {
            let mut gone = removed(kind, name, why);
            gone.kind = Kind::Template;
            return Err(Fail::Diag(gone));
        }
        if end.python.is_some() || !super::check::knows(kind, &end.name) {
            return Ok(None);
        }
        for said in end.deprecated {
            self.warn(Diagnostic::new("P0309", Kind::Template, said));
        }
        Ok(Some(super::eval::short(&end.name).to_owned()))
    }
}
