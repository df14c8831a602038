//! Against `ansible-inventory --list` and `ansible PATTERN --list-hosts` (tests/data/inventory).

use std::path::{Path, PathBuf};

use super::*;
use crate::diag::{Diagnostic, SourceMap};
use crate::value::{Value, python_str, to_json};
use crate::vars::{Entry, Level, Scope};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inventory")
}

fn source(text: &str) -> InventorySource {
    if text.contains(',') { InventorySource::Hosts(text.to_owned()) } else { InventorySource::Path(data().join(text)) }
}

fn plain(entry: &Entry) -> Value {
    match entry {
        Entry::Lazy(node) => node.to_value(),
        Entry::Data(value, _) => value.clone(),
        _ => Value::Null,
    }
}

fn hostvars(inventory: &Inventory, host: &str) -> serde_json::Value {
    let scope = Scope::from_layers(inventory.layers(host));
    let vars = scope.names().into_iter().filter_map(|name| {
        let (entry, _) = scope.get(&name)?;
        Some((name.to_string(), to_json(&plain(entry))))
    });
    serde_json::Value::Object(vars.collect())
}

#[test]
fn inventories_agree_with_ansible() {
    let expected: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(data().join("expected.json")).unwrap()).unwrap();
    for (name, case) in expected.as_object().unwrap() {
        let list: Vec<InventorySource> =
            case["sources"].as_array().unwrap().iter().map(|text| source(text.as_str().unwrap())).collect();
        let sources = SourceMap::new();
        let mut reader = Reader::new(&sources, None);
        let inventory = Inventory::load(&mut reader, &list);
        // What ansible-core takes and calls deprecated is told.
        let told: Vec<_> = reader.diagnostics.iter().filter(|found| !found.is_deprecation()).collect();
        assert!(told.is_empty(), "{name}: {told:?}");
        let listing = case["list"].as_object().unwrap();
        let meta = listing["_meta"]["hostvars"].as_object().unwrap();
        for (host, vars) in meta {
            assert_eq!(&hostvars(&inventory, host), vars, "{name}: {host}");
        }
        for host in inventory.hosts() {
            let ours = hostvars(&inventory, &host.name);
            assert!(meta.contains_key(&*host.name) || ours.as_object().unwrap().is_empty(), "{name}: {}", host.name);
        }
        for (group, content) in listing.iter().filter(|(group, _)| *group != "_meta") {
            let found = inventory.groups().find(|found| *found.name == **group).unwrap();
            let strings = |key: &str| -> Vec<String> {
                let list = content[key].as_array().map(Vec::as_slice).unwrap_or_default();
                list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
            };
            let mut children: Vec<String> = found.children().map(ToString::to_string).collect();
            let mut theirs = strings("children");
            children.sort();
            theirs.sort();
            assert_eq!(children, theirs, "{name}: children of {group}");
            if group != "all" {
                let hosts: Vec<String> = found.own_hosts().map(ToString::to_string).collect();
                assert_eq!(hosts, strings("hosts"), "{name}: hosts of {group}");
            }
        }
        for (pattern, hosts) in case["patterns"].as_object().unwrap() {
            let mut hosts: Vec<&str> = hosts.as_array().unwrap().iter().map(|host| host.as_str().unwrap()).collect();
            let found = inventory.clone().select(pattern, None, None).unwrap();
            let mut found: Vec<&str> = found.hosts.iter().map(|host| &**host).collect();
            if name == "several" {
                // Ansible walks a Python set below the second level: its order changes from run to run.
                found.sort_unstable();
                hosts.sort_unstable();
            }
            assert_eq!(found, hosts, "{name}: pattern {pattern}");
        }
    }
}

fn load(name: &str, text: &str) -> (Inventory, Vec<Diagnostic>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let sources = SourceMap::new();
    let mut reader = Reader::new(&sources, None);
    let inventory = Inventory::load(&mut reader, &[InventorySource::Path(path)]);
    (inventory, reader.diagnostics)
}

/// The first error's code, and the text under its first label.
fn fails(name: &str, text: &str, code: &str, under: &str) {
    let (_, diagnostics) = load(name, text);
    let Some(error) = diagnostics.first() else { panic!("no error: {text}") };
    let shown = error.span().map_or("", |span| &text[span.start as usize..span.end as usize]);
    assert_eq!((&*error.code, shown), (code, under), "{text}\n{error:?}");
    assert!(!error.hints.is_empty(), "{error:?}");
}

#[test]
fn errors_point_at_the_word() {
    fails("hosts", "[web:var]\na=1\n", "I0001", "[web:var]");
    fails("hosts", "[my web]\na\n", "I0001", "[my web]");
    fails("hosts", "host a=1 oops\n", "I0002", "oops");
    fails("hosts", "host a='x\n", "I0002", "'");
    fails("hosts", "  h[3:1] a=1\n", "I0002", "h[3:1]");
    fails("hosts", "[a:vars]\nx=1\n", "I0004", "[a:vars]");
    fails("hosts", "[a:children]\nbb\n[b]\n", "I0004", "bb");
    fails("hosts", "[a]\n[a:children]\nb c\n", "I0002", "b c");
    fails("hosts", "[a]\nx\n[b]\n[a:children]\nb\n[b:children]\na\n", "I0003", "a");
    fails("hosts", "[a]\n[a:vars]\nnonsense\n", "I0002", "nonsense");
    fails("h.yml", "all:\n  host:\n    a:\n", "I0005", "host");
    fails("h.yml", "web:\n- a\n", "I0005", "- a");
    fails("h.yml", "web:\n  hosts:\n  - a\n", "I0005", "- a");
    fails("h.yml", "web:\n  hosts:\n    10:\n", "I0002", "10");
    fails("h.yml", "plugin: aws_ec2\n", "I0006", "plugin");
    fails("h.yml", "- a\n", "I0005", "- a");
    fails("h.toml", "a = 1\n", "I0005", "1");
    fails("h.toml", "[a]\nx = \n", "I0019", "");
    fails("h.toml", "[a]\nhosts = {}\nhosts = {}\n", "I0019", "hosts");
    fails("h.toml", "[a]\nchildren = 'b'\n", "I0005", "b'");
    fails("h.toml", "plugin = 'aws_ec2'\n", "I0006", "plugin");
    fails("h.yml", "a:\n\tb:\n", "Y0002", "\t");
    assert_eq!(load("h", "web\n[web]\nweb\n").1[0].code, "I0010");
}

#[test]
fn toml_has_the_groups_of_yaml_and_its_own_types() {
    let text = "[web.hosts]\nw1 = {}\n'w[2:3]:2222' = { n = 0x10, f = 4.5, day = 2020-01-02, list = [1, 'a'], big = 340282366920938463463374607431768211456 }\n\n\
                [web.vars]\nt = \"x {{ y }}\"\nat = 2020-01-01T12:42:42-07:00\n[all]\nchildren = ['web', 'db']\n";
    let (mut inventory, diagnostics) = load("h.toml", text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(inventory.select("web", None, None).unwrap().hosts.len(), 3);
    assert!(inventory.groups().any(|group| *group.name == *"db"));
    let scope = Scope::from_layers(inventory.layers("w3"));
    let value = |name: &str| match scope.get(name) {
        Some((Entry::Lazy(node), _)) => node.to_value(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(value("ansible_port"), Value::from(2222));
    assert_eq!(value("n"), Value::from(16));
    assert_eq!(value("f"), Value::from(4.5));
    assert_eq!(python_str(&value("big")), "340282366920938463463374607431768211456");
    assert_eq!(python_str(&value("day")), "2020-01-02");
    assert_eq!(python_str(&value("at")), "2020-01-01 12:42:42-07:00");
    assert_eq!(value("list"), Value::from(vec![Value::from(1), Value::from("a")]));
    let Some((Entry::Lazy(node), _)) = scope.get("t") else { panic!() };
    let at = node.as_str().unwrap().find("{{").unwrap();
    let span = node.text_span(at, at + 7);
    assert_eq!(&text[span.start as usize..span.end as usize], "{{ y }}");
}

#[test]
fn places_in_ini_values_are_exact() {
    let text = "host a=\"x {{ y }}\"\n[all:vars]\nb = {{ z }}\n";
    let (inventory, diagnostics) = load("hosts", text);
    assert!(diagnostics.is_empty());
    let scope = Scope::from_layers(inventory.layers("host"));
    for (name, needle) in [("a", "{{ y }}"), ("b", "{{ z }}")] {
        let Some((Entry::Lazy(node), _)) = scope.get(name) else { panic!() };
        let at = node.as_str().unwrap().find(needle).unwrap();
        let span = node.text_span(at, at + needle.len());
        assert_eq!(&text[span.start as usize..span.end as usize], needle);
    }
}

#[test]
fn layers_have_ranks_and_origins() {
    let sources = SourceMap::new();
    let mut reader = Reader::new(&sources, None);
    let mut inventory = Inventory::load(&mut reader, &[source("folder")]);
    inventory.add_vars_folder(&mut reader, &data().join("yaml"), Beside::Playbook);
    let layers = inventory.layers("p2");
    let shown: Vec<(Level, String)> = layers
        .iter()
        .map(|layer| {
            let name = layer.origin.name.rsplit('/').next().unwrap_or_default();
            (layer.origin.level, name.to_owned())
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Level::PlaybookGroupVarsAll, "all".to_owned()),
            (Level::InventoryGroupVars, "a.yml".to_owned()),
            (Level::InventoryGroupVars, "b".to_owned()),
            (Level::InventoryHost, "host p2".to_owned()),
            (Level::InventoryHostVars, "p2.yaml".to_owned()),
        ]
    );
    let before = inventory.layers("p2").len();
    inventory.add_vars_folder(&mut reader, &data().join("yaml"), Beside::Playbook);
    assert_eq!(inventory.layers("p2").len(), before);
}

#[test]
fn limits_cut_and_files_are_read() {
    let (mut inventory, _) = load("hosts", "[web]\na\nb\nc\n[db]\nd\n");
    let names = |selected: &Selected| selected.hosts.join(" ");
    let limit = read_limit("web:!b").unwrap();
    assert_eq!(names(&inventory.select("all", Some(&limit), None).unwrap()), "a c");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("retry");
    std::fs::write(&file, "c\n\nd\n").unwrap();
    let limit = read_limit(&format!("@{}", file.display())).unwrap();
    assert_eq!(names(&inventory.select("web", Some(&limit), None).unwrap()), "c");
    assert_eq!(read_limit("@/no/such/file").unwrap_err().code, "I0011");
    assert_eq!(inventory.check_limit(&["zzz".to_owned()]).unwrap_err().code, "I0013");
    let selected = inventory.select("weeb:db", None, None).unwrap();
    assert_eq!(names(&selected), "d");
    assert!(selected.warnings[0].hints[0].contains("`web`"));
    let beyond = inventory.select("web[7]", None, None).unwrap_err();
    assert_eq!((&*beyond.code, beyond.kind.exit_code()), ("I0012", crate::diag::ExitCode::Error));
    assert_eq!(beyond.registered(), "No hosts matched the subscripted pattern 'web[7]'");
    assert_eq!(inventory.select("~(", None, None).unwrap_err().code, "I0012");
}

#[test]
fn tasks_add_hosts_and_groups() {
    let (mut inventory, _) = load("hosts", "[web]\na\n");
    inventory.add_dynamic_host("new", &["web".to_owned(), "fresh".to_owned()], [("v".into(), Value::from(1))]);
    assert_eq!(inventory.select("fresh", None, None).unwrap().hosts.join(" "), "new");
    assert_eq!(inventory.group_names("new").join(" "), "fresh web");
    inventory.add_to_group("a", "os_debian", &["os".to_owned()]).unwrap();
    assert_eq!(inventory.group_names("a").join(" "), "os os_debian web");
    assert_eq!(inventory.add_to_group("a", "os", &["os_debian".to_owned()]).unwrap_err().code, "I0003");
}

#[test]
fn programs_that_fail_say_why() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prog");
    let run = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let sources = SourceMap::new();
        let mut reader = Reader::new(&sources, None);
        let inventory = Inventory::load(&mut reader, &[InventorySource::Path(path.clone())]);
        (inventory, reader.diagnostics)
    };
    let (_, errors) = run("#!/bin/sh\necho no route >&2\nexit 3\n");
    assert_eq!(errors[0].code, "I0007");
    assert!(errors[0].notes.contains(&"no route".to_owned()));
    assert_eq!(run("#!/bin/sh\necho hello\n").1[0].code, "I0007");
    assert_eq!(run("#!/bin/sh\necho '[1]'\n").1[0].code, "I0007");
    let (inventory, errors) = run(
        "#!/bin/sh\nif [ \"$1\" = --list ]; then echo '{\"g\": {\"hosts\": [\"h1\", \"h2\"]}}'; else echo \"{\\\"name\\\": \\\"$2\\\"}\"; fi\n",
    );
    // Without `_meta` it is asked for each host, which is deprecated.
    assert_eq!(errors.iter().map(|found| &*found.code).collect::<Vec<_>>(), ["I0021"]);
    assert_eq!(hostvars(&inventory, "h2"), serde_json::json!({"name": "h2"}));
}

#[test]
fn sealed_files_are_passed_over_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("group_vars")).unwrap();
    std::fs::write(folder.path().join("hosts"), "a\n").unwrap();
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vault/plain.vault"),
        folder.path().join("group_vars/all"),
    )
    .unwrap();
    let sources = SourceMap::new();
    let mut reader = Reader::new(&sources, None);
    Inventory::load(&mut reader, &[InventorySource::Path(folder.path().join("hosts"))]);
    assert_eq!((&*reader.diagnostics[0].code, reader.diagnostics[0].is_error()), ("I0008", false));
    let redactor = std::sync::Arc::new(crate::secret::Redactor::default());
    let mut keyring = crate::vault::Keyring::new(std::sync::Arc::clone(&redactor));
    keyring.add_password("default", &crate::secret::Secret::new("geheim-äöü\n"));
    let mut reader = Reader::new(&sources, Some(&keyring));
    let inventory = Inventory::load(&mut reader, &[InventorySource::Path(folder.path().join("hosts"))]);
    assert!(reader.diagnostics.is_empty(), "{:?}", reader.diagnostics);
    assert_eq!(hostvars(&inventory, "a"), serde_json::json!({"secret": "wörter", "list": [1, 2]}));
    assert_eq!(redactor.redact("x wörter"), "x ********");
}

#[test]
fn a_missing_inventory_is_named() {
    let sources = SourceMap::new();
    let mut reader = Reader::new(&sources, None);
    Inventory::load(&mut reader, &[InventorySource::parse("/no/such/inventory")]);
    assert_eq!(reader.diagnostics[0].code, "I0009");
}

#[test]
fn groups_with_several_parents_and_long_chains_have_their_depths_at_once() {
    // 2^40 ways lead from the last group up.
    let mut text = String::from("[l0a]\nh v=host\n");
    for level in 1..40 {
        let below = level - 1;
        text += &format!("[l{level}a:children]\nl{below}a\nl{below}b\n[l{level}b:children]\nl{below}a\nl{below}b\n");
    }
    text += "[l0b]\n[l0a:vars]\nw=low\n[l39b:vars]\nw=high\n";
    for link in 0..5000 {
        text += &format!("[c{link}:children]\nc{}\n", link + 1);
    }
    text += "[c5000]\nh\n";
    let (inventory, diagnostics) = load("deep.ini", &text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert_eq!(hostvars(&inventory, "h"), serde_json::json!({ "v": "host", "w": "low" }));
    assert_eq!(inventory.group_names("h").len(), 39 * 2 + 1 + 5001);
}

#[test]
fn a_program_without_meta_is_asked_once_a_host() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list");
    let text = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$*\" >> asked\ncase $1 in\n\
                --host) echo '{\"n\": 1}';;\n*) echo '{\"a\": [\"h1\", \"h2\"], \"b\": [\"h2\", \"h1\"]}';;\nesac\n";
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let sources = SourceMap::new();
    let mut reader = Reader::new(&sources, None);
    let inventory = Inventory::load(&mut reader, &[InventorySource::Path(path)]);
    assert_eq!(hostvars(&inventory, "h1"), serde_json::json!({ "n": 1 }));
    let asked = std::fs::read_to_string(dir.path().join("asked")).unwrap();
    assert_eq!(asked.lines().collect::<Vec<_>>(), ["--list", "--host h1", "--host h2"]);
}

#[test]
fn what_cannot_be_read_is_left_out_where_the_run_goes_on() {
    let read = |name: &str, text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let sources = SourceMap::new();
        let mut reader = Reader::new(&sources, None);
        reader.options = ReadOptions::default().going_on();
        let inventory = Inventory::load(&mut reader, &[InventorySource::Path(path)]);
        let hosts: Vec<&str> = inventory.hosts().map(|host| &*host.name).collect();
        let codes: Vec<String> = reader
            .diagnostics
            .iter()
            .map(|found| format!("{}{}", found.code, if found.is_error() && found.code != "I0009" { "!" } else { "" }))
            .collect();
        format!("{} [{}] {}", reader.parsed, hosts.join(" "), codes.join(" "))
    };
    // What stands before the first error counts.
    assert_eq!(read("h.ini", "u1\n[web]\nw1 oops\nw2\n"), "0 [u1] I0002 I0009");
    assert_eq!(read("h.ini", "[web]\nw1\n[web:var]\nx=1\n[db]\nd1\n"), "0 [w1] I0001 I0009");
    assert_eq!(read("h.yml", "all:\n  host:\n    a:\n  hosts:\n    b:\n"), "1 [b] I0005");
    assert_eq!(read("h.yml", "web:\n  hosts:\n  - a\ndb:\n  hosts: {d:}\n"), "0 [] I0005 I0009");
    assert_eq!(read("h.yml", "[web]\nw1 v=1\n"), "1 [w1] ");
    assert_eq!(read("h.yml", "# nothing\n"), "1 [] ");
    assert_eq!(read("h.yml", "---\n"), "0 [] I0005 I0009");
    // What a plugin in Python would give cannot be left out.
    assert_eq!(read("h.yml", "plugin: aws_ec2\n"), "0 [] I0006!");
}
