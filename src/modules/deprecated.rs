//! Arguments of ansible-core's modules that a later release will not take, and what its modules say of them. They
//! work here; the words go into results (`deprecations`) and to people.

use crate::diag::{Deprecation, Diagnostic, Kind};
use crate::modules::ModuleEntry;
use crate::value::{Map, StrKey, Value};

/// Settings of package sources that no package manager looks at any more.
const NO_EFFECT: [&str; 9] = [
    "deltarpm_metadata_percentage",
    "gpgcakey",
    "http_caching",
    "keepalive",
    "metadata_expire_filter",
    "mirrorlist_expire",
    "protect",
    "ssl_check_cert_permissions",
    "ui_repoid_vars",
];

/// What is said of the arguments that a task gives (as they are written) once its module takes them, with their names.
pub fn deprecated_arguments(entry: &ModuleEntry, args: &Map) -> Vec<(String, Diagnostic)> {
    let name = entry.meta.name;
    let given = |arg: &str| args.get(&StrKey(arg)).filter(|value| **value != Value::Null);
    let warning = |arg: &str, words: Deprecation, hint: &str| {
        let text = format!("`{arg}` of `{name}` is deprecated");
        let warning = Diagnostic::of_deprecation("M0012", Kind::Task, text, words).with_hint(hint).about(None, None);
        (arg.to_owned(), warning)
    };
    match name {
        "git" => given("gpg_whitelist")
            .map(|_| {
                let words = "Alias 'gpg_whitelist' is deprecated. See the module docs for more information";
                warning("gpg_whitelist", Deprecation::core(words, "2.21"), "write `gpg_allowlist`")
            })
            .into_iter()
            .collect(),
        "dnf" => given("install_repoquery")
            .map(|_| {
                let words = "Param 'install_repoquery' is deprecated. See the module docs for more information";
                warning("install_repoquery", Deprecation::core(words, "2.20"), "leave it out: it has no effect")
            })
            .into_iter()
            .collect(),
        "uri" => given("follow_redirects")
            .filter(|value| match value {
                Value::Bool(_) => true,
                value => matches!(value.as_str(), Some("yes" | "no" | "True" | "False")),
            })
            .map(|_| {
                let words = "Using 'yes' or 'no' for 'follow_redirects' parameter is deprecated.";
                let words = Deprecation::core(words, "2.22").of_plugin("module", name);
                warning("follow_redirects", words, "write `safe` for `yes`, and `none` for `no`")
            })
            .into_iter()
            .collect(),
        "yum_repository" if given("state").and_then(Value::as_str) != Some("absent") => {
            let mut names: Vec<&str> = args.keys().filter_map(|key| key.as_str()).collect();
            names.sort_unstable();
            let names = names.into_iter().filter(|arg| given(arg).is_some());
            names
                .filter_map(|arg| Some(warning(arg, of_source(arg)?.of_plugin("module", name), "leave it out")))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// What `yum_repository` says of a setting.
fn of_source(arg: &str) -> Option<Deprecation> {
    match arg {
        "keepcache" => {
            let words = "'keepcache' parameter is deprecated as it is only valid in the main configuration.";
            Some(Deprecation::core(words, "2.20"))
        }
        "async" => {
            let words = "'async' parameter is deprecated as it has been removed on systems supported by ansible-core";
            Some(Deprecation::core(words, "2.22"))
        }
        arg if NO_EFFECT.contains(&arg) => {
            let words = format!(
                "'{arg}' parameter is deprecated as it has no effect with dnf as an underlying package manager."
            );
            Some(Deprecation::core(words, "2.22"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;
    use crate::modules::find;

    fn said(module: &str, args: &Map) -> Vec<String> {
        let entry = find(module).unwrap();
        deprecated_arguments(entry, args).iter().map(|(_, warning)| warning.registered().to_owned()).collect()
    }

    #[test]
    fn arguments_that_will_go_are_told_in_ansibles_words() {
        assert_eq!(
            said("git", &map! { "gpg_whitelist" => "a", "repo" => "r" }),
            ["Alias 'gpg_whitelist' is deprecated. See the module docs for more information. This feature will be \
              removed from ansible-core version 2.21."]
        );
        assert_eq!(
            said("uri", &map! { "follow_redirects" => false }),
            ["Using 'yes' or 'no' for 'follow_redirects' parameter is deprecated. This feature will be removed from \
              module 'uri' in ansible-core version 2.22."]
        );
        assert!(said("uri", &map! { "follow_redirects" => "safe" }).is_empty());
        assert_eq!(said("yum_repository", &map! { "protect" => true, "async" => true, "name" => "a" }).len(), 2);
        assert!(said("yum_repository", &map! { "protect" => true, "state" => "absent" }).is_empty());
    }
}
