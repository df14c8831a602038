//! The inventory plugin `constructed`: variables and groups of hosts made by templates, over the sources before it.

use std::sync::Arc;

use super::model::Inventory;
use crate::diag::{Diagnostic, Result, Span};
use crate::template::Templates;
use crate::value::{Value, boolean, python_str};
use crate::vars::{Entry, Layer, Level, Scope};
use crate::yaml::Node;

/// What a plugin's templates see beside the hosts' variables.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// Renders.
    pub templates: &'a Templates,
    /// `-e`, for `use_extra_vars`.
    pub extra: &'a [Layer],
}

impl Inventory {
    /// Does for every host what the file says.
    pub(super) fn construct(&mut self, file: &Node, around: Around<'_>) -> Result<()> {
        self.settle();
        let strict = flag(file, "strict", false);
        let names: Vec<Arc<str>> = self.hosts.keys().cloned().collect();
        for host in names {
            let skip = |error: Diagnostic, place: Span| {
                if strict { Err(error.with_label_opt(Some(place), "strict")) } else { Ok(()) }
            };
            for (name, template) in file.get("compose").and_then(Node::as_map).unwrap_or_default() {
                let scope = self.seen_by(&host, file, around);
                match expression(template, &scope, around) {
                    Ok(value) => {
                        if let (Some(host), Some(name)) = (self.hosts.get_mut(&host), name.as_str()) {
                            host.set(name.into(), Entry::Data(value, Some(template.place())));
                        }
                    }
                    Err(error) => skip(error, template.place())?,
                }
            }
            let scope = self.seen_by(&host, file, around);
            for (group, condition) in file.get("groups").and_then(Node::as_map).unwrap_or_default() {
                match around.templates.condition(condition, &scope) {
                    Ok(Ok(())) => {
                        self.join(&plain(&super::yaml::text_of(group)), &host);
                    }
                    Ok(Err(_)) => {}
                    Err(error) => skip(error, condition.place())?,
                }
            }
            for keyed in file.get("keyed_groups").and_then(Node::as_list).unwrap_or_default() {
                self.keyed(&host, keyed, file, strict, &scope, around)?;
            }
        }
        Ok(())
    }

    /// The variables of a host as they are so far.
    fn seen_by(&self, host: &Arc<str>, file: &Node, around: Around<'_>) -> Scope {
        let mut layers = self.layers(host);
        if flag(file, "use_extra_vars", false) {
            layers.extend(around.extra.iter().cloned());
        }
        let groups: Vec<Value> = self.group_names(host).into_iter().map(Value::Str).collect();
        let short = host.split('.').next().unwrap_or(host);
        layers.push(Layer::data(
            Level::Magic,
            "inventory",
            [
                ("inventory_hostname".into(), Value::Str(Arc::clone(host))),
                ("inventory_hostname_short".into(), Value::from(short)),
                ("group_names".into(), Value::from(groups)),
            ],
        ));
        Scope::from_layers(layers).merging(self.merges())
    }

    fn join(&mut self, group: &str, host: &str) {
        self.add_host(host, group, None, None);
    }

    fn keyed(
        &mut self,
        host: &Arc<str>,
        keyed: &Node,
        file: &Node,
        strict: bool,
        scope: &Scope,
        around: Around<'_>,
    ) -> Result<()> {
        let wrong = |text: String, node: &Node| {
            Diagnostic::source("I0017", text).with_label(node.place(), "here").with_hint(
                "an entry is `{key: EXPRESSION, prefix: NAME}`, with `separator`, `parent_group` and the like",
            )
        };
        if keyed.as_map().is_none_or(<[_]>::is_empty) {
            return Err(wrong("an entry of `keyed_groups` must be a mapping".to_owned(), keyed));
        }
        let text = |name: &str| keyed.get(name).filter(|node| !node.is_null()).map(|node| python_str(&node.to_value()));
        let default = text("default_value");
        let trailing = keyed.get("trailing_separator").filter(|node| !node.is_null());
        if let (Some(node), true) = (trailing, default.is_some()) {
            return Err(wrong("`default_value` and `trailing_separator` exclude each other".to_owned(), node));
        }
        let Some(template) = keyed.get("key") else {
            return Err(wrong("an entry of `keyed_groups` has no `key`".to_owned(), keyed));
        };
        let key = match expression(template, scope, around) {
            Ok(key) => key,
            Err(error) if strict => return Err(error.with_label_opt(Some(template.place()), "strict")),
            Err(_) => return Ok(()),
        };
        let empty = |value: &Value| matches!(value, Value::Null) || value.as_str() == Some("");
        let prefix = text("prefix").unwrap_or_default();
        let separator = text("separator").unwrap_or_else(|| "_".to_owned());
        let names: Vec<String> = match (&key, &default) {
            (key, Some(default)) if empty(key) => vec![default.clone()],
            (key, _) if !key.truthy() => {
                if strict && !matches!(key, Value::List(_) | Value::Map(_)) {
                    return Err(wrong(format!("the key is empty for host `{host}`"), template));
                }
                return Ok(());
            }
            (Value::Str(name), _) => vec![name.to_string()],
            (Value::List(items), _) => items
                .iter()
                .map(|item| match &default {
                    Some(default) if empty(item) => default.clone(),
                    _ => python_str(item),
                })
                .collect(),
            (Value::Map(map), _) => map
                .iter()
                .map(|(name, value)| {
                    let name = name.text();
                    match (&default, trailing) {
                        (Some(default), _) if empty(value) => format!("{name}{separator}{default}"),
                        (None, Some(node)) if empty(value) && node.to_value() == Value::Bool(false) => name.to_string(),
                        _ => format!("{name}{separator}{}", python_str(value)),
                    }
                })
                .collect(),
            (other, _) => {
                return Err(wrong(
                    format!("the key must give a string, a list or a mapping, found {}", other.type_name()),
                    template,
                ));
            }
        };
        let parent = match keyed.get("parent_group").filter(|node| !node.is_null()) {
            None => None,
            Some(node) => match around.templates.render(node, scope) {
                Ok(value) if crate::template::is_omit(&value) || !value.truthy() => None,
                Ok(value) => Some((plain(&python_str(&value)), node.place())),
                Err(error) if strict => return Err(error),
                Err(_) => return Ok(()),
            },
        };
        let lead = if prefix.is_empty() && !flag(file, "leading_separator", true) { "" } else { separator.as_str() };
        for name in names {
            let group = plain(&format!("{prefix}{lead}{name}"));
            self.join(&group, host);
            if let Some((parent, place)) = &parent {
                self.add_group(parent);
                self.add_child(parent, &group, Some(*place))?;
            }
        }
        Ok(())
    }

    /// The plugin `generator`: a host for every choice of one value from each layer.
    pub(super) fn generate(&mut self, file: &Node, source: &std::path::PathBuf, around: Around<'_>) -> Result<()> {
        let wrong = |text: &str, node: &Node| {
            Diagnostic::source("I0017", text.to_owned())
                .with_label(node.place(), "here")
                .with_hint("`hosts: {name: TEMPLATE, parents: [...]}` and `layers: {NAME: [VALUE, ...]}`")
        };
        let missing = |name: &str| wrong(&format!("the plugin `generator` needs `{name}`"), file);
        let layers = file.get("layers").and_then(Node::as_map).ok_or_else(|| missing("layers"))?;
        let hosts = file.get("hosts").ok_or_else(|| missing("hosts"))?;
        let name = hosts.get("name").ok_or_else(|| missing("hosts.name"))?;
        let mut lists = Vec::new();
        let mut count = 1_usize;
        for (layer, values) in layers {
            let list = values.as_list().ok_or_else(|| wrong("a layer is a list of values", values))?;
            count = count.saturating_mul(list.len());
            lists.push((Arc::<str>::from(super::yaml::text_of(layer)), list));
        }
        if count > MOST {
            return Err(wrong(&format!("the layers make more than {MOST} hosts"), file));
        }
        for number in 0..count {
            // The last layer changes fastest.
            let mut rest = number;
            let mut entries = Vec::new();
            let mut values = Vec::new();
            for (layer, list) in lists.iter().rev() {
                let value = &list[rest % list.len()];
                entries.push((Arc::clone(layer), Entry::Lazy(value.clone())));
                values.push(value);
                rest /= list.len();
            }
            let origin = crate::vars::Origin { level: Level::PlayVars, name: "layers".into() };
            let scope = Scope::new().with(Layer { origin, entries: Arc::new(entries.into_iter().collect()) });
            let host = python_str(&around.templates.render(name, &scope)?);
            self.add_host(&host, "ungrouped", None, Some(source));
            self.generated_parents(&host, true, hosts.get("parents"), (&scope, &values), around, 0)?;
        }
        Ok(())
    }

    fn generated_parents(
        &mut self,
        child: &str,
        host: bool,
        parents: Option<&Node>,
        (scope, layers): (&Scope, &[&Node]),
        around: Around<'_>,
        depth: usize,
    ) -> Result<()> {
        for parent in parents.and_then(Node::as_list).unwrap_or_default() {
            let nameless = || {
                let said = format!("Element {child} has a parent with no name.");
                Diagnostic::source("I0017", format!("`{child}` has a parent without a name"))
                    .with_label(parent.place(), "which group?")
                    .with_hint("add `name: GROUP`")
                    .with_registered(said)
            };
            let name = parent.get("name").ok_or_else(nameless)?;
            let group = python_str(&around.templates.render(name, scope)?);
            if group.is_empty() || depth > 64 {
                return Err(nameless());
            }
            for (name, value) in parent.get("vars").and_then(Node::as_map).unwrap_or_default() {
                // Only text is rendered now; what is inside of lists and mappings later, by the host.
                let entry = match value.as_str() {
                    Some(_) => {
                        let rendered = around.templates.render(value, scope)?;
                        // A text that is handed on as the file has it is source still.
                        match std::iter::once(value)
                            .chain(layers.iter().copied())
                            .find(|node| is_text_of(node, &rendered))
                        {
                            Some(node) => Entry::Lazy(node.clone()),
                            None => Entry::Data(rendered, Some(value.place())),
                        }
                    }
                    None => Entry::Lazy(value.clone()),
                };
                self.add_group(&group).set(&super::yaml::text_of(name), entry);
            }
            if host {
                self.join(&group, child);
            } else {
                self.add_group(&group);
                self.add_child(&group, child, Some(name.place()))?;
            }
            self.generated_parents(&group, false, parent.get("parents"), (scope, layers), around, depth + 1)?;
        }
        Ok(())
    }
}

/// A group's name of letters, digits and underscores, whatever the settings say of others.
fn plain(name: &str) -> String {
    super::files::OddGroups::Replace.name(name).0.into_owned()
}

/// The value is the very text of a node, not one that a template made.
fn is_text_of(node: &Node, value: &Value) -> bool {
    match (node.as_scalar().map(|scalar| &scalar.value), value) {
        (Some(Value::Str(text)), Value::Str(value)) => Arc::ptr_eq(text, value),
        _ => false,
    }
}

/// How many hosts layers may make.
const MOST: usize = 100_000;

/// The value of a bare expression; anything but text is as it is.
fn expression(node: &Node, scope: &Scope, around: Around<'_>) -> Result<Value> {
    match node.as_str() {
        Some(text) => around.templates.expression(text, node.place(), scope),
        None => Ok(node.to_value()),
    }
}

fn flag(file: &Node, name: &str, default: bool) -> bool {
    file.get(name).map_or(default, |node| boolean(&node.to_value()).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{InventorySource, OddGroups, Reader};
    use super::*;
    use crate::diag::SourceMap;
    use crate::template::LookupHost;

    struct Nothing;

    impl LookupHost for Nothing {
        fn find(&self, _: &str, _: &str, _: &Scope) -> Option<std::path::PathBuf> {
            None
        }
        fn read(&self, path: &Path) -> Result<Vec<u8>> {
            Err(Diagnostic::internal(path.display().to_string()))
        }
        fn env(&self, _: &str) -> Option<String> {
            None
        }
        fn pipe(&self, command: &str) -> Result<String> {
            Err(Diagnostic::internal(command.to_owned()))
        }
        fn unseal(&self, text: &str) -> Result<String> {
            Ok(text.to_owned())
        }
    }

    /// The groups and the host variables of files that are read in order.
    fn read(files: &[(&str, &str)], odd: OddGroups) -> (String, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let sources = SourceMap::new();
        let templates = Templates::new(Arc::clone(&sources), Arc::new(Nothing));
        let mut reader = Reader::new(&sources, None);
        reader.templates = Some(&templates);
        reader.odd_groups = odd;
        let mut list = Vec::new();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if !name.contains("_vars/") {
                list.push(InventorySource::Path(path));
            }
        }
        let inventory = Inventory::load(&mut reader, &list);
        let mut shown = Vec::new();
        for group in inventory.groups().filter(|group| !matches!(&*group.name, "all" | "ungrouped")) {
            shown.push(format!("{}={}", group.name, inventory.group_hosts(&group.name).join(",")));
        }
        for host in inventory.hosts() {
            let scope = Scope::from_layers(inventory.layers(&host.name));
            for name in ["made", "part"] {
                if let Ok(Some(value)) = templates.variable(name, &scope) {
                    shown.push(format!("{}.{name}={}", host.name, python_str(&value)));
                }
            }
        }
        (shown.join(" "), reader.diagnostics.iter().map(|found| found.message.clone()).collect())
    }

    const HOSTS: (&str, &str) = ("hosts", "a role=web tags='[\"x\", \"\"]' os='{\"name\": \"deb\"}'\nb role=db\nc\n");

    fn check(plugin: &str, expected: &str) {
        let (shown, said) = read(&[HOSTS, ("plugin.yml", plugin)], OddGroups::Keep);
        assert_eq!((shown.as_str(), said), (expected, Vec::new()), "{plugin}");
    }

    #[test]
    fn variables_and_groups_by_condition() {
        check(
            "plugin: constructed\ncompose: {made: role ~ '!', bad: nothere + 1}\ngroups: {webs: role == 'web', none: nothere}\n",
            "webs=a a.made=web! b.made=db!",
        );
    }

    #[test]
    fn groups_by_key() {
        check(
            "plugin: ansible.builtin.constructed\nkeyed_groups:\n- {key: role, prefix: r}\n- {key: role, separator: ''}\n",
            "r_web=a web=a r_db=b db=b",
        );
        check("plugin: constructed\nkeyed_groups: [{key: role ~ '-x', prefix: p}]\n", "p_web_x=a p_db_x=b");
        check(
            "plugin: constructed\nkeyed_groups:\n- {key: tags, prefix: t, default_value: none, parent_group: 'all_{{ role }}'}\n- {key: os, prefix: os}\n",
            "t_x=a all_web=a t_none=a os_name_deb=a",
        );
        check("plugin: constructed\nleading_separator: false\nkeyed_groups: [{key: role}]\n", "web=a db=b");
    }

    #[test]
    fn strict_files_say_what_fails() {
        let (_, said) =
            read(&[HOSTS, ("p.yml", "plugin: constructed\nstrict: true\ncompose: {x: nothere}\n")], OddGroups::Keep);
        assert_eq!(said, ["`nothere` is not defined"]);
        let (_, said) = read(&[HOSTS, ("p.yml", "plugin: constructed\nkeyed_groups: [1]\n")], OddGroups::Keep);
        assert_eq!(said, ["an entry of `keyed_groups` must be a mapping"]);
    }

    #[test]
    fn files_of_variables_count_if_asked_for() {
        let plugin = "plugin: constructed\nuse_vars_plugins: true\ngroups: {big: size == 'big'}\n";
        let (shown, _) = read(&[HOSTS, ("host_vars/b.yml", "size: big\n"), ("p.yml", plugin)], OddGroups::Keep);
        assert_eq!(shown, "big=b");
        let (shown, _) = read(
            &[HOSTS, ("host_vars/b.yml", "size: big\n"), ("p.yml", &plugin.replace("true", "false"))],
            OddGroups::Keep,
        );
        assert_eq!(shown, "");
    }

    #[test]
    fn hosts_are_generated_from_layers() {
        let plugin = "plugin: generator\nhosts:\n  name: '{{ op }}-{{ app }}'\n  parents:\n  - name: '{{ app }}'\n    vars: {part: '{{ app }}'}\n    parents: [{name: apps}]\nlayers: {op: [up, down], app: [x, y]}\n";
        let (shown, said) = read(&[("g.yml", plugin)], OddGroups::Keep);
        assert_eq!(
            shown,
            "x=up-x,down-x apps=up-x,down-x,up-y,down-y y=up-y,down-y up-x.part=x up-y.part=y down-x.part=x down-y.part=y"
        );
        assert!(said.is_empty(), "{said:?}");
        let many =
            format!("plugin: generator\nhosts: {{name: x}}\nlayers: {{a: &l [{}1], b: *l, c: *l}}\n", "1, ".repeat(60));
        assert_eq!(read(&[("g.yml", &many)], OddGroups::Keep).1, ["the layers make more than 100000 hosts"]);
    }

    #[test]
    fn odd_names_of_groups_are_replaced_or_told() {
        let hosts = ("hosts", "[my-web]\na\n[up:children]\nmy-web\n[2024]\nb\n");
        let (shown, said) = read(&[hosts], OddGroups::ReplaceAndWarn);
        assert_eq!(shown, "my_web=a up=a _024=b");
        assert_eq!(said, ["invalid characters were found in group names and automatically replaced"]);
        let (shown, said) = read(&[hosts], OddGroups::Warn);
        assert_eq!(shown, "my-web=a up=a 2024=b");
        assert_eq!(said, ["invalid characters were found in group names but not replaced"]);
        assert!(read(&[hosts], OddGroups::Keep).1.is_empty());
    }
}
