//! Renders the templates of a tree: what Kolla gives to Jinja2, in minijinja's machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::repos::{Repos, debian_package_install};
use crate::diag::{Diagnostic, Result};
use crate::template::{Answer, Plain, PlainCall, PlainError};
use crate::value::{Map, Value, python_str};

/// The name under which an override's text is known; a space keeps it apart from the tree's files.
pub fn override_name(path: &str) -> String {
    format!("override {path}")
}

/// Several overrides as one text: of all but the first the lines with `{% extends` go.
pub fn merged_overrides(texts: &[String]) -> String {
    let mut merged = String::new();
    for (index, text) in texts.iter().enumerate() {
        if index == 0 {
            merged.push_str(text);
            continue;
        }
        for line in text.split_inclusive('\n') {
            let extends = line.ends_with('\n') && line.find("{%").is_some_and(|at| line[at + 2..].contains("extends"));
            if !extends {
                merged.push_str(line);
            }
        }
    }
    merged
}

/// A set of templates that is ready to render.
pub struct Renderer {
    plain: Plain,
    over: Option<String>,
}

impl Renderer {
    /// `templates` are the tree's by their path below `docker/`; `over` is the override's name and text;
    /// `variables` are what every template sees.
    pub fn new(
        templates: BTreeMap<String, Arc<str>>,
        over: Option<(String, String)>,
        variables: &Map,
        repos: Repos,
    ) -> Self {
        let (over, text) = over.map(|(name, text)| (name, Arc::<str>::from(text))).unzip();
        let own = over.clone();
        let mut plain = Plain::new(move |name| match (&own, &text) {
            (Some(own), Some(text)) if own == name => Some(text.clone()),
            _ => templates.get(name).cloned(),
        });
        for (name, value) in variables {
            plain.variable(&name.text(), value);
        }
        let repos = Arc::new(repos);
        let clean = repos.cleanup();
        plain.function("handle_repos", move |call| handle_repos(&repos, call));
        plain.function("cleanup_repos", move |_| Ok(Answer::Value(Value::from(clean.as_str()))));
        plain.function("debian_package_install", |call| {
            let packages = texts(call.arg(0, "packages").as_ref(), "debian_package_install")?;
            let clean = call.arg(1, "clean_package_cache").is_none_or(|clean| clean.truthy());
            Ok(Answer::Value(Value::from(debian_package_install(&packages, clean))))
        });
        plain.function("raise_error", |call| {
            Err(call.arg(0, "msg").map_or_else(|| "raise_error()".to_owned(), |message| python_str(&message)))
        });
        plain.filter("customizable", customizable);
        Self { plain, over }
    }

    /// The Dockerfile of the image whose template is at `template`.
    pub fn dockerfile(&self, template: &str, image: &str) -> Result<String> {
        let name = self.over.as_deref().unwrap_or(template);
        let variables = [("image_name", Value::from(image)), ("parent_template", Value::from(template))];
        self.plain.render(name, &variables).map_err(|error| failed(error, image))
    }
}

fn failed(error: PlainError, image: &str) -> Diagnostic {
    let PlainError { template, line, message } = error;
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    let code = if message.contains("repositor") { "B0034" } else { "B0033" };
    Diagnostic::task(code, format!("{template}{line}: {message}"))
        .with_note(format!("while rendering the image `{image}`"))
}

fn handle_repos(repos: &Repos, call: &PlainCall<'_>) -> std::result::Result<Answer, String> {
    let names = texts(call.arg(0, "reponames").as_ref(), "handle_repos")?;
    let mode = call.arg(1, "mode").map(|mode| python_str(&mode)).unwrap_or_default();
    repos.handle(&names, &mode).map(|text| Answer::Value(Value::from(text)))
}

fn texts(value: Option<&Value>, function: &str) -> std::result::Result<Vec<String>, String> {
    match value {
        Some(Value::List(items)) => Ok(items.iter().map(python_str).collect()),
        Some(other) => Err(format!("{function}: expected a list, found {}", other.type_name())),
        None => Err(format!("{function}: expected a list, found nothing")),
    }
}

/// Kolla's filter `customizable`: a list after `IMAGE_TYPE_override`, `_append` and `_remove`.
fn customizable(call: &PlainCall<'_>) -> std::result::Result<Answer, String> {
    let Some(value) = call.arg(0, "val_list") else { return Ok(Answer::Argument(0)) };
    let kind = call.arg(1, "call_type").map(|kind| python_str(&kind)).unwrap_or_default();
    let image = call.variable("image_name").map(|name| python_str(&name)).unwrap_or_default();
    let name = format!("{}_{kind}_", image.replace('-', "_"));
    if let Some(own) = call.variable(&format!("{name}override")) {
        return Ok(Answer::Value(own));
    }
    let (append, remove) = (call.variable(&format!("{name}append")), call.variable(&format!("{name}remove")));
    if append.is_none() && remove.is_none() {
        return Ok(Answer::Argument(0));
    }
    let Value::List(items) = value else {
        return Err(format!("customizable: expected a list to change by `{name}*`, found {}", value.type_name()));
    };
    let mut items = items.to_vec();
    items.extend(each(append)?);
    for removal in each(remove)? {
        if let Some(at) = items.iter().position(|item| *item == removal) {
            items.remove(at);
        }
    }
    Ok(Answer::Value(Value::List(items.into())))
}

/// What Python goes through of a value: items, keys, characters.
fn each(value: Option<Value>) -> std::result::Result<Vec<Value>, String> {
    Ok(match value {
        None => Vec::new(),
        Some(Value::List(items)) => items.to_vec(),
        Some(Value::Map(map)) => map.keys().map(crate::value::Key::to_value).collect(),
        Some(Value::Str(text)) => text.chars().map(|c| Value::from(c.to_string())).collect(),
        Some(other) => return Err(format!("customizable: expected a list, found {}", other.type_name())),
    })
}

/// `ARG` lines of `pip_*` after the first `FROM` of a Dockerfile.
pub fn with_pip_args(dockerfile: String, names: &[&str]) -> String {
    if names.is_empty() {
        return dockerfile;
    }
    let mut lines: Vec<String> = dockerfile.split('\n').map(str::to_owned).collect();
    let is_from = |line: &String| {
        let mut chars = line.chars();
        line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from"))
            && chars.nth(4).is_some_and(char::is_whitespace)
    };
    if let Some(at) = lines.iter().position(is_from) {
        let behind = at + 1;
        lines.splice(behind..behind, names.iter().map(|name| format!("ARG {name}")));
    }
    lines.join("\n")
}

/// What the first `FROM` of a Dockerfile names.
pub fn parent_name(dockerfile: &str, any_case: bool) -> String {
    let from = |line: &&str| {
        line.get(..4).is_some_and(|word| if any_case { word.eq_ignore_ascii_case("from") } else { word == "FROM" })
    };
    let line = dockerfile.split('\n').find(from).unwrap_or_default();
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::repos::Dialect;
    use super::*;

    fn render(templates: &[(&str, &str)], over: Option<&[&str]>, image: &str) -> Result<String> {
        let texts: Vec<String> = over.unwrap_or_default().iter().map(|text| (*text).to_owned()).collect();
        let over = over.map(|_| (override_name("o.j2"), merged_overrides(&texts)));
        let templates = templates.iter().map(|(name, text)| ((*name).to_owned(), Arc::from(*text))).collect();
        let mut variables = Map::new();
        crate::value::insert(&mut variables, "base_distro", "debian");
        let repos = Repos::new(Dialect::Merged, (&Map::new(), None), ("deb", "debian", "x86_64"), "H");
        Renderer::new(templates, over, &variables, repos).dockerfile(&format!("{image}/Dockerfile.j2"), image)
    }

    const MACROS: (&str, &str) = (
        "macros.j2",
        "{% macro install(packages) -%}\n{% if packages is defined and packages|length > 0 -%}\nRUN {{ debian_package_install(packages, False) }} on {{ base_distro }}\n{%- endif %}\n{%- endmacro %}",
    );
    const NOVA: (&str, &str) = (
        "nova-api/Dockerfile.j2",
        "FROM x\n{% import \"macros.j2\" as macros with context %}\n{% block nova_api_header %}{% endblock %}\n{% set nova_api_packages = ['a', 'b'] %}\n{{ macros.install(nova_api_packages | customizable(\"packages\")) }}\n{% block nova_api_footer %}end{% endblock %}\n",
    );

    fn last(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn templates_see_macros_and_functions() {
        let found = render(&[MACROS, NOVA], None, "nova-api").unwrap();
        assert_eq!(
            found,
            "FROM x\n\n\n\nRUN apt-get --error-on=any update && apt-get -y install --no-install-recommends a b on debian\nend"
        );
    }

    #[test]
    fn overrides_fill_blocks_and_change_lists() {
        let first = "{% extends parent_template %}\n{% set nova_api_packages_append = ['c'] %}\n{% block nova_api_header %}HEAD{% endblock %}\n";
        let second = "{% extends parent_template %}\n{% set nova_api_packages_remove = ['a', 'zz'] %}{% block nova_api_footer %}{{ super() }}ed{% endblock %}\n";
        let found = render(&[MACROS, NOVA], Some(&[first, second]), "nova-api").unwrap();
        let lines = last(&found);
        assert_eq!(lines[1], "HEAD");
        assert!(lines[2].ends_with("no-install-recommends b c on debian"), "{found}");
        assert_eq!(lines[3], "ended");
        let whole = "{% extends parent_template %}{% set nova_api_packages_override = ['z'] %}";
        assert!(render(&[MACROS, NOVA], Some(&[whole]), "nova-api").unwrap().contains("recommends z on"));
        let inner = "{% extends parent_template %}{% block nova_api_header %}{% set nova_api_packages_append = ['c'] %}{% endblock %}";
        assert!(render(&[MACROS, NOVA], Some(&[inner]), "nova-api").unwrap().contains("recommends a b on"));
    }

    #[test]
    fn errors_name_template_and_image() {
        let error = render(&[("a/Dockerfile.j2", "\n{{ raise_error('no ' + 'way') }}")], None, "a").unwrap_err();
        assert_eq!(error.message, "a/Dockerfile.j2:2: no way");
        assert_eq!(error.notes, ["while rendering the image `a`"]);
        let error = render(&[("a/Dockerfile.j2", "{{ handle_repos(['x'], 'enable') }}")], None, "a").unwrap_err();
        assert_eq!(error.code, "B0034");
        assert!(render(&[("a/Dockerfile.j2", "{% if %}")], None, "a").is_err());
    }

    #[test]
    fn pip_arguments_follow_the_first_from() {
        assert_eq!(
            with_pip_args("# x\nfrom a\nRUN x\nFROM b".into(), &["PIP_INDEX_URL"]),
            "# x\nfrom a\nARG PIP_INDEX_URL\nRUN x\nFROM b"
        );
        assert_eq!(with_pip_args("FROM a".into(), &[]), "FROM a");
    }

    #[test]
    fn the_parent_is_the_first_from() {
        assert_eq!(parent_name("# x\nFROM a:1 AS b\nFROM c", false), "a:1");
        assert_eq!(parent_name("from a", false), "");
        assert_eq!(parent_name("from a", true), "a");
        assert_eq!(parent_name("FROM", true), "");
    }
}
