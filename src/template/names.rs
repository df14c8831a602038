//! Names of filters, tests and lookups that are not hostctl's own: what collections on disk say of them.
//!
//! Who knows collections sets the resolver; this room only asks it for names that it does not have.

use std::borrow::Cow;
use std::path::PathBuf;

use super::engine::Templates;
use super::fail::{Fail, R};
use crate::diag::{Deprecation, Diagnostic, Kind};

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
    pub deprecated: Vec<Deprecation>,
}

/// Finds what a kind (`filter`, `test`, `lookup`) and a name lead to.
pub type Resolver = Box<dyn Fn(&str, &str) -> Option<PluginEnd> + Send + Sync>;

/// A name that its collection took back.
pub(super) fn removed(kind: &str, name: &str, why: &str) -> Diagnostic {
    Diagnostic::new("T0111", Kind::Source, format!("the {kind} `{name}` was removed"))
        .with_note(why)
        .with_registered(why)
        .with_hint("use what the collection names instead")
}

/// There is no filter, test or lookup of that name.
pub(super) fn unknown(kind: &str, name: &str) -> Diagnostic {
    let code = match kind {
        "filter" => "T0104",
        "test" => "T0105",
        _ => "T0107",
    };
    let problem = Diagnostic::new(code, Kind::Template, format!("there is no {kind} `{name}`"));
    let name = super::eval::short(name);
    match kind {
        "filter" => problem.with_nearest(name, super::filters::names()),
        "test" => problem.with_nearest(name, super::tests::names()),
        _ => problem.with_nearest(name, super::lookups::NAMES.iter().copied()),
    }
    .with_hint_else(format!("`hostctl explain {code}` says which are known"))
}

/// The warning of the variable `play_hosts`.
pub fn play_hosts() -> Diagnostic {
    let words = "The `play_hosts` magic variable is deprecated.";
    Diagnostic::deprecated("T0112", Kind::Source, "the variable `play_hosts` is deprecated", words)
        .with_hint("use `ansible_play_batch`")
}

/// The name that a table here has for a plugin, if it has it.
fn table_name<'n>(kind: &str, name: &'n str) -> &'n str {
    let whole = match kind {
        "filter" => super::filters::find(name).is_some(),
        "test" => super::tests::find(name).is_some(),
        _ => false,
    };
    if whole { name } else { super::eval::short(name) }
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

    /// The name under which a plugin is looked for here: the short one, or the full one that only its collection has.
    pub(super) fn own_name<'n>(&self, kind: &str, name: &'n str) -> R<Cow<'n, str>> {
        let short = Cow::Borrowed(table_name(kind, name));
        if super::check::knows(kind, name) {
            return Ok(short);
        }
        Ok(self.redirected(kind, name)?.map_or(short, Cow::Owned))
    }

    /// The name of one of hostctl's own that another name stands for; or the failure for one that is gone.
    pub(super) fn redirected(&self, kind: &str, name: &str) -> R<Option<String>> {
        let Some(end) = self.plugin_end(kind, name) else { return Ok(None) };
        if let Some(why) = &end.removed {
            let mut gone = removed(kind, name, why);
            gone.kind = Kind::Template;
            gone = gone.with_registered(format!("The {kind} plugin '{name}' failed to load: {why}"));
            return Err(Fail::Diag(gone));
        }
        if end.python.is_some() || !super::check::knows(kind, &end.name) {
            return Ok(None);
        }
        for said in end.deprecated {
            let text = said.text();
            self.warn(Diagnostic::of_deprecation("P0309", Kind::Template, text, said));
        }
        Ok(Some(table_name(kind, &end.name).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::diag::{Result, SourceMap, Span};
    use crate::template::LookupHost;
    use crate::vars::Scope;
    use crate::yaml::Node;

    struct Host;

    impl LookupHost for Host {
        fn find(&self, _: &str, _: &str, _: &Scope) -> Option<PathBuf> {
            None
        }
        fn folders(&self, _: &str, _: &Scope) -> Vec<PathBuf> {
            Vec::new()
        }
        fn read(&self, _: &Path) -> Result<Vec<u8>> {
            Err(Diagnostic::internal("no file"))
        }
        fn env(&self, _: &str) -> Option<String> {
            Some("value".to_owned())
        }
        fn pipe(&self, _: &str) -> Result<String> {
            Err(Diagnostic::internal("no command"))
        }
        fn unseal(&self, _: &str) -> Result<String> {
            Err(Diagnostic::internal("no vault"))
        }
    }

    /// Templates that know four names of a collection, and what they warn of.
    fn templates() -> (Templates, Arc<Mutex<Vec<String>>>) {
        let templates = Templates::new(SourceMap::new(), Arc::new(Host));
        templates.set_resolver(Box::new(|kind, name| {
            let to = |name: &str| PluginEnd { name: format!("ansible.builtin.{name}"), ..PluginEnd::default() };
            Some(match (kind, name) {
                ("filter", "ns.col.loud") => to("upper"),
                ("filter", "ns.col.old") => {
                    PluginEnd { deprecated: vec![Deprecation::core("use lower", "3")], ..to("lower") }
                }
                ("filter", "ns.col.gone") => PluginEnd { removed: Some("use upper".to_owned()), ..to("none") },
                ("test", "ns.col.like") => to("match"),
                ("lookup", "ns.col.home") => to("env"),
                ("filter", "ns.col.python") => PluginEnd { python: Some(PathBuf::from("f.py")), ..to("upper") },
                _ => return None,
            })
        }));
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        templates.on_warning(Box::new(move |warning| {
            assert!(warning.code != "T0112" || warning.span().is_some(), "no place: {}", warning.message);
            list.lock().unwrap().push(format!("{} {}", warning.code, warning.registered()));
        }));
        (templates, told)
    }

    fn shown(templates: &Templates, text: &str) -> String {
        match templates.render(&Node::text(text, Span::new(crate::diag::FileId(0), 0, 0)), &Scope::new()) {
            Ok(value) => crate::value::python_str(&value),
            Err(error) => format!("{} {}", error.code, error.registered()),
        }
    }

    #[test]
    fn names_of_collections_lead_to_hostctls_own() {
        let (templates, told) = templates();
        let check = |text: &str, expected: &str| assert_eq!(shown(&templates, text), expected, "{text}");
        check("{{ 'a' | ns.col.loud }}", "A");
        check("{{ ['a'] | map('ns.col.loud') | first }}", "A");
        check("{{ 'ab' is ns.col.like('a') }}", "True");
        check("{{ lookup('ns.col.home', 'HOME') }}", "value");
        check("{{ 'A' | ns.col.old }}", "a");
        check("{{ 'A' | ns.col.gone }}", "T0111 The filter plugin 'ns.col.gone' failed to load: use upper");
        assert!(shown(&templates, "{{ 'A' | ns.col.python }}").starts_with("T0104"));
        assert_eq!(
            *told.lock().unwrap(),
            ["P0309 use lower. This feature will be removed from ansible-core version 3."]
        );
        let node =
            Node::text("{{ 'a' | ns.col.loud | ns.col.gone | ns.col.old }}", Span::new(crate::diag::FileId(0), 0, 0));
        let found: Vec<String> = templates.check(&node, false).iter().map(|found| found.code.to_string()).collect();
        assert_eq!(found, ["P0309", "T0111"]);
    }

    #[test]
    fn what_is_undefined_is_shown_to_people() {
        let (templates, _) = templates();
        let people = |text: &str| {
            let node = Node::text(text, Span::new(crate::diag::FileId(0), 0, 0));
            let (value, told) = templates.render_for_people(&node, &Scope::new()).unwrap();
            let told: Vec<String> = told.iter().map(|warning| warning.registered().to_owned()).collect();
            (crate::value::python_str(&value), told)
        };
        assert_eq!(
            people("a {{ x }} {{ y.z }}"),
            (
                "a << error 1 - 'x' is undefined >> << error 2 - 'y' is undefined >>".to_owned(),
                vec![
                    "Encountered 2 template errors.\nerror 1 - 'x' is undefined\nerror 2 - 'y' is undefined".to_owned()
                ]
            )
        );
        assert_eq!(people("{{ x | default('ok') }}"), ("ok".to_owned(), Vec::new()));
        assert_eq!(people("{{ [x, 1] }}").0, "[\"<< error 1 - 'x' is undefined >>\", 1]");
    }

    #[test]
    fn what_ansible_calls_deprecated_is_told() {
        let (templates, told) = templates();
        let check = |text: &str, expected: &str| {
            shown(&templates, text);
            let said = std::mem::take(&mut *told.lock().unwrap()).join("; ");
            assert_eq!(
                said.replace(" This feature will be removed from ansible-core version 2.23.", ""),
                expected,
                "{text}"
            );
        };
        check("{{ 'yes' | bool }}{{ 0 | bool }}{{ true | bool }}{{ 'OFF' | bool }}", "");
        check("{{ 'maybe' | bool }}", "T0112 The `bool` filter coerced invalid value 'maybe' (str) to False.");
        check("{{ 1.0 | bool }}", "T0112 The `bool` filter coerced invalid value 1.0 (float) to True.");
        check("{{ [1] | from_yaml }}", "T0112 The from_yaml filter ignored non-string input of type 'list'.");
        check("{{ none | from_yaml }}{{ '1' | from_yaml }}", "");
        check(
            "{{ query('first_found', 'a;b', skip=true) }}",
            "T0112 Automatic splitting of files on ',;' is deprecated. This feature will be removed from lookup plugin \
             'first_found' in ansible-core version 2.23.",
        );
        let holds = |text: &str| {
            let node = Node::text(text, Span::new(crate::diag::FileId(0), 0, 0));
            assert!(templates.condition(&node, &Scope::new()).unwrap().is_ok());
            std::mem::take(&mut *told.lock().unwrap()).len()
        };
        assert_eq!((holds("{{ 1 == 1 }}"), holds("1 == 1")), (1, 0));
    }
}
