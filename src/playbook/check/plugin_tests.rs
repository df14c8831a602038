//! Every kind of plugin of ansible-core in every place where Ansible finds one: used, it is one error with the place
//! of its use; unused, it is none, but for those that act by being there.
//!
//! | kind | used by | unused |
//! |---|---|---|
//! | modules, action | a task; an action plugin also in the place of a module of its name | nothing |
//! | filter, test, lookup | a template that a task reaches, `with_NAME`; also over ansible-core's own short names | nothing |
//! | connection, become, shell | keyword, `ansible_*` variable, setting, option; also over `ssh`, `sudo`, `sh` | nothing |
//! | strategy, cache, inventory | keyword, setting; also over the default | nothing |
//! | callback | being there, or `callbacks_enabled` and `stdout_callback` for those that wait | error, but for a role that is included during the run |
//! | vars | being there, or `vars_plugins_enabled` | error |
//! | cliconf, httpapi, netconf, terminal | a connection to a network device, which is an error itself | nothing |
//! | module_utils, doc_fragments | modules in Python, documentation | nothing |

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::playbook::testing::Project;

/// Where a plugin can stand: the folder, and whether the folder below has the name it has in a collection.
const PLACES: &[(&str, bool)] = &[
    ("", false),
    ("roles/plain", false),
    ("roles/dependency", false),
    ("roles/included", false),
    ("roles/imported", false),
    ("far/elsewhere", false),
    ("path", true),
    ("collections/ansible_collections/ns/col/plugins", true),
];

/// The folder of a collection, the folder beside a playbook.
const KINDS: &[(&str, &str)] = &[
    ("modules", "library"),
    ("module_utils", "module_utils"),
    ("action", "action_plugins"),
    ("become", "become_plugins"),
    ("cache", "cache_plugins"),
    ("callback", "callback_plugins"),
    ("cliconf", "cliconf_plugins"),
    ("connection", "connection_plugins"),
    ("doc_fragments", "doc_fragments"),
    ("filter", "filter_plugins"),
    ("httpapi", "httpapi_plugins"),
    ("inventory", "inventory_plugins"),
    ("lookup", "lookup_plugins"),
    ("netconf", "netconf_plugins"),
    ("shell", "shell_plugins"),
    ("strategy", "strategy_plugins"),
    ("terminal", "terminal_plugins"),
    ("test", "test_plugins"),
    ("vars", "vars_plugins"),
];

/// The playbook with one more task, and the strategy.
fn playbook(strategy: &str, task: &str) -> String {
    let mut text = format!("- hosts: all\n  strategy: {strategy}\n  roles: [plain, elsewhere]\n  tasks:\n");
    for line in ["- include_role: {name: included}", "- import_role: {name: imported}"].into_iter().chain(task.lines())
    {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

/// The errors about Python, one line each.
fn checked(files: &[(&str, &str)], settings: &[(&'static str, &str)], inventory: &str) -> Vec<String> {
    let mut all = vec![
        ("roles/plain/tasks/main.yml", "- command: ls\n"),
        ("roles/plain/meta/main.yml", "dependencies: [dependency]\n"),
        ("roles/dependency/tasks/main.yml", "- command: ls\n"),
        ("roles/included/tasks/main.yml", "- command: ls\n"),
        ("roles/imported/tasks/main.yml", "- command: ls\n"),
        ("far/elsewhere/tasks/main.yml", "- command: ls\n"),
    ];
    all.extend(files);
    let base = tempfile::tempdir().unwrap();
    for (name, text) in &all {
        let path = base.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let sources = crate::diag::SourceMap::new();
    let templates = Arc::new(Templates::new(Arc::clone(&sources), Arc::new(crate::playbook::error_cases::NoHost)));
    let project = Project::with(&[], |options| {
        options.sources = Arc::clone(&sources);
        options.templates = Some(Arc::clone(&templates));
        options.roles_path = vec![base.path().join("far")];
        options.library = vec![base.path().join("path/modules")];
        options.plugin_path = crate::playbook::PLUGIN_KINDS
            .iter()
            .map(|kind| (kind.name, base.path().join("path").join(kind.name)))
            .collect();
    });
    let inventory: Vec<InventoryVariable> = {
        let file = sources.add("hosts.yml", None, inventory);
        let (node, _) = crate::yaml::load(&sources, &file, &crate::yaml::LoadOptions::default()).single(&file);
        let pairs = node.as_map().unwrap_or_default().to_vec();
        let variable = |(key, node): (Node, Node)| {
            // Of one host that no play is for, if the name begins so.
            let name = key.as_str().unwrap_or_default();
            let left = name.strip_prefix("other_");
            InventoryVariable {
                name: Arc::from(left.unwrap_or(name)),
                node,
                reached: left.is_none(),
                hosts: left.map(|_| Arc::from("other")).into_iter().collect(),
            }
        };
        pairs.into_iter().map(variable).collect()
    };
    let loaded = project.loader.load(&base.path().join("site.yml"));
    let named = |(kind, name): &(&'static str, &str)| SettingUse {
        kind,
        name: (*name).to_owned(),
        place: None,
        told: "a setting".to_owned(),
        needed: false,
    };
    let input = CheckInput {
        loader: &project.loader,
        templates: &*templates,
        known: inventory.iter().map(|found| found.name.to_string()).collect(),
        variables: Vec::new(),
        inventory,
        settings: settings.iter().map(named).collect(),
        complete: true,
        runs: None,
    };
    let found = check(&loaded, &input);
    let base = format!("{}/", base.path().display());
    found
        .iter()
        .filter(|problem| problem.is_error())
        .map(|problem| format!("{} | {}", project.show(problem), problem.notes.join(" | ")).replace(&base, ""))
        .collect()
}

/// What a kind is used by: the strategy, a task, a setting.
fn used(kind: &str, name: &str) -> Option<(String, String, Vec<(&'static str, String)>)> {
    let task = |text: String| Some(("linear".to_owned(), text, Vec::new()));
    let setting = |kind: &'static str| Some(("linear".to_owned(), String::new(), vec![(kind, name.to_owned())]));
    match kind {
        "modules" | "action" => task(format!("- {name}: {{}}")),
        "become" => task(format!("- command: ls\n  become: true\n  become_method: {name}")),
        "connection" => task(format!("- command: ls\n  connection: {name}")),
        "shell" => task(format!("- command: ls\n  vars: {{ansible_shell_type: {name}}}")),
        "filter" => task(format!("- debug: {{msg: \"{{{{ 1 | {name} }}}}\"}}")),
        "lookup" => task(format!("- debug: {{msg: \"{{{{ lookup('{name}', 1) }}}}\"}}")),
        "test" => task(format!("- command: ls\n  when: 1 is {name}")),
        "strategy" => Some((name.to_owned(), String::new(), Vec::new())),
        "cache" => setting("cache"),
        "callback" => setting("callback"),
        "inventory" => setting("inventory"),
        "vars" => setting("vars"),
        _ => None,
    }
}

/// A file that waits for its name, whatever kind it is of.
const WAITS: &str = "from ansible.module_utils.basic import x\nclass C:\n    CALLBACK_NEEDS_ENABLED = True\n    \
                     REQUIRES_ENABLED = True\n    def filters(self): return {'mine': f}\n";

#[test]
fn each_kind_in_each_place_is_one_error_where_it_is_used_and_none_elsewhere() {
    for (kind, beside) in KINDS {
        for (place, as_in_collection) in PLACES {
            let folder = if *as_in_collection { kind } else { beside };
            let path = PathBuf::from(place).join(folder).join("mine.py").display().to_string();
            let name = if place.starts_with("collections") { "ns.col.mine" } else { "mine" };
            let plain = playbook("linear", "");
            let unused = checked(&[("site.yml", &plain), (&path, WAITS)], &[], "{}");
            assert_eq!(unused, Vec::<String>::new(), "unused {path}");
            let Some((strategy, task, settings)) = used(kind, name) else { continue };
            // Ansible has no setting for folders with shells.
            if *kind == "shell" && *place == "path" {
                continue;
            }
            let settings: Vec<(&'static str, &str)> =
                settings.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
            // Names of modules are looked up when the playbook is read: a role that is included later helps only itself.
            let late = matches!(*kind, "modules" | "action") && *place == "roles/included";
            let text = playbook(&strategy, if late { "" } else { &task });
            let inner = format!("{task}\n");
            let inner = if late { ("roles/included/tasks/main.yml", &*inner) } else { ("unused", "") };
            let found = checked(&[("site.yml", &text), (&path, WAITS), inner], &settings, "{}");
            assert_eq!(found.len(), 1, "{path}: {found:#?}");
            assert!(found[0].starts_with("P0304 ") && found[0].contains("mine.py"), "{path}: {found:#?}");
            let told = if settings.is_empty() { format!("`{name}`") } else { "a setting names".to_owned() };
            assert!(found[0].replace('\'', "").contains(&told), "{path}: {found:#?}");
        }
    }
}

#[test]
fn callbacks_and_plugins_for_variables_act_by_being_there() {
    for (kind, beside) in [("callback", "callback_plugins"), ("vars", "vars_plugins")] {
        for (place, as_in_collection) in PLACES {
            let folder = if *as_in_collection { kind } else { beside };
            let path = PathBuf::from(place).join(folder).join("mine.py").display().to_string();
            let text = playbook("linear", "");
            let found = checked(&[("site.yml", &text), (&path, "class C: pass\n")], &[], "{}");
            // In a collection they wait for their name; a callback of an included role comes too late.
            let acts = !(place.starts_with("collections") || kind == "callback" && *place == "roles/included");
            assert_eq!(found.len(), usize::from(acts), "{path}: {found:#?}");
            assert!(found.iter().all(|text| text.ends_with("unasked")), "{path}: {found:#?}");
        }
    }
}

#[test]
fn a_plugin_of_ones_own_hides_one_of_ansibles() {
    let check = |path: &str, task: &str, settings: &[(&'static str, &str)], expected: usize| {
        let text = playbook("linear", task);
        let plugin = "class C:\n    def filters(self): return {'upper': f, 'odd': f}\n";
        let found = checked(&[("site.yml", &text), (path, plugin)], settings, "{}");
        assert_eq!(found.len(), expected, "{path} {task}: {found:#?}");
    };
    check("filter_plugins/f.py", "- debug: {msg: \"{{ 'a' | upper }}\"}", &[], 1);
    check("filter_plugins/f.py", "- debug: {msg: \"{{ ['a'] | map('upper') }}\"}", &[], 1);
    check("filter_plugins/f.py", "- debug: {msg: \"{{ 'a' | ansible.builtin.upper }}\"}", &[], 0);
    check("filter_plugins/f.py", "- debug: {msg: \"{{ 'a' | lower }}\"}", &[], 0);
    check("test_plugins/f.py", "- command: ls\n  when: 1 is odd", &[], 1);
    check("lookup_plugins/env.py", "- debug: {msg: \"{{ lookup('env', 'A') }}\"}", &[], 1);
    check("lookup_plugins/items.py", "- command: ls\n  with_items: [1]", &[], 1);
    check("lookup_plugins/own.py", "- command: ls\n  with_own: [1]", &[], 1);
    check("lookup_plugins/items.py", "- command: ls\n  loop: [1]", &[], 0);
    check("action_plugins/copy.py", "- copy: {content: a, dest: /b}", &[], 1);
    check("action_plugins/copy.py", "- ansible.builtin.copy: {content: a, dest: /b}", &[], 0);
    check("strategy_plugins/linear.py", "", &[], 1);
    check("connection_plugins/ssh.py", "", &[("connection", "ssh")], 1);
    // hostctl has it, wherever the collection is.
    let general = "collections/ansible_collections/community/general/plugins";
    check(&format!("{general}/filter/json_query.py"), "- debug: {msg: \"{{ {} | json_query('a') }}\"}", &[], 0);
    let full = "- debug: {msg: \"{{ {} | community.general.json_query('a') }}\"}";
    check(&format!("{general}/filter/json_query.py"), full, &[], 0);
    // These only show how long it took.
    check(&format!("{general}/callback/unixy.py"), "", &[("callback", "community.general.unixy")], 0);
    check(&format!("{general}/callback/unixy.py"), "", &[("callback", "unixy")], 0);
    check(&format!("{general}/callback/mail.py"), "", &[("callback", "mail")], 1);
    // A short name that moved to a collection.
    check(&format!("{general}/modules/archive.py"), "- archive: {path: /a}", &[], 1);
    check(&format!("{general}/lookup/dig.py"), "- debug: {msg: \"{{ lookup('dig', 'a') }}\"}", &[], 1);
}

#[test]
fn a_file_that_does_not_list_its_filters_has_those_that_nothing_else_knows() {
    let text = playbook("linear", "- debug: {msg: \"{{ 'a' | vlan }} {{ 'a' | upper }}\"}");
    let found = |file: &str| {
        let found = checked(&[("site.yml", &text), ("filter_plugins/networks.py", file)], &[], "{}");
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0][..5].to_owned()
    };
    assert_eq!(found("class F:\n def filters(self):\n  return networks.get_filters()\n"), "P0304");
    assert_eq!(found("class F:\n def filters(self):\n  return {'net': f}\n"), "T0104");
}

#[test]
fn variables_of_the_inventory_name_plugins_too() {
    let files = |task: &str| {
        let text = playbook("linear", task);
        let inventory =
            "{ansible_connection: mine, reached: '{{ other }}', other: '{{ 1 | shout }}', left: '{{ 2 | shout }}'}";
        checked(
            &[
                ("site.yml", &text),
                ("connection_plugins/mine.py", "x"),
                ("filter_plugins/f.py", "class C:\n    x = {'shout': f}\n"),
            ],
            &[],
            inventory,
        )
    };
    let found = files("- debug: {msg: \"{{ reached }}\"}");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("1:22 `mine` | 1:67 `shout` | hint"), "{found:#?}");
    // A host that no play is for: only if a task goes there.
    let other = |task: &str| {
        let text = playbook("linear", task);
        let inventory = "{other_ansible_connection: mine}";
        checked(&[("site.yml", &text), ("connection_plugins/mine.py", "x")], &[], inventory).len()
    };
    let delegated = |host: &str| other(&format!("- command: ls\n  delegate_to: {host}"));
    assert_eq!((other(""), delegated("another"), delegated("other")), (0, 0, 1));
    // What no task reaches is left alone.
    let found = files("");
    assert!(found[0].contains("1:22 `mine` | hint"), "{found:#?}");
}
