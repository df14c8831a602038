//! Environments in temporary projects.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::diag::{Diagnostic, SourceMap};
use crate::inventory::{Inventory, Reader};
use crate::secret::Redactor;
use crate::value::Value;
use crate::vars::{Entry, Scope};
use crate::vault::{Keyring, Vault, generate_identity};

fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let project = Project::at(folder.path()).unwrap();
    (folder, project)
}

fn empty_ring() -> Arc<Keyring> {
    Arc::new(Keyring::new(Arc::new(Redactor::default())))
}

fn load(project: &Project, name: &str) -> (Result<Environment, Diagnostic>, Vec<Diagnostic>, Arc<SourceMap>) {
    let sources = SourceMap::new();
    let mut reader = Reader::new(&sources, None);
    let environment = Environment::load(project, name, &mut reader, &empty_ring());
    let diagnostics = reader.diagnostics;
    (environment, diagnostics, sources)
}

const DIAMOND: &[(&str, &str)] = &[
    ("environments/base/environment.yml", "description: the base\nvault:\n  recipients: [age1x]\ntag_file: tags.yml\n"),
    ("environments/base/vars/a.yml", "who: base\nonly_base: {x: 1, y: 2}\n"),
    ("environments/base/inventory/hosts", "[build]\nb1 from=base\n"),
    ("environments/left/environment.yml", "parents: [base]\n"),
    ("environments/left/vars/a.yml", "who: left\n"),
    ("environments/right/environment.yml", "parents: [base]\n"),
    ("environments/right/vars/b.yml", "who: right\nmap: {a: 1}\n"),
    ("environments/child/environment.yml", "description: the child\nparents:\n- left\n- right\ntag_file: own.yml\n"),
    ("environments/child/vars/1.yml", "who: first\nmap: {b: 2}\n"),
    ("environments/child/vars/2.yaml", "who: '{{ second }}'\n"),
    ("environments/child/vars/notes.txt", "no yaml: : :"),
    ("environments/child/inventory/hosts.yml", "build:\n  hosts:\n    b1: {from: child}\n"),
    ("inventory/shared", "[build]\nb0\n"),
];

#[test]
fn parents_come_first_once_and_the_child_wins() {
    let (_folder, project) = project(DIAMOND);
    let (environment, diagnostics, sources) = load(&project, "child");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let environment = environment.unwrap();
    assert_eq!(environment.chain, ["base", "left", "right", "child"]);
    assert_eq!(environment.description, "the child");
    assert_eq!(environment.recipients, ["age1x"]);
    assert!(environment.tag_file.as_ref().unwrap().ends_with("environments/child/own.yml"));
    assert_eq!(environment.inventories.len(), 3);
    let mut reader = Reader::new(&sources, None);
    let inventory = Inventory::load(&mut reader, &environment.inventories);
    assert!(reader.diagnostics.is_empty(), "{:?}", reader.diagnostics);
    let hosts: Vec<&str> = inventory.hosts().map(|host| &*host.name).collect();
    assert_eq!(hosts, ["b0", "b1"]);
    let mut layers = inventory.layers("b1");
    layers.extend(environment.layers.iter().cloned());
    let scope = Scope::from_layers(layers);
    let shown = show(&scope, &sources, Some("who"));
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].winner.value, "\"{{ second }}\"");
    assert_eq!(shown[0].winner.place, "environments/child/vars/2.yaml:1:6");
    let hidden: Vec<&str> = shown[0].hidden.iter().map(|place| &*place.value).collect();
    assert_eq!(hidden, ["\"first\"", "\"right\"", "\"left\"", "\"base\""]);
    let map = show(&scope, &sources, Some("map"));
    assert_eq!((&*map[0].winner.value, &*map[0].hidden[0].value), ("{\"b\": 2}", "{\"a\": 1}"));
    assert_eq!(show(&scope, &sources, Some("from"))[0].winner.value, "\"child\"");
}

#[test]
fn lists_show_descriptions_and_parents() {
    let (_folder, project) = project(DIAMOND);
    let (listed, diagnostics) = project.list(&SourceMap::new());
    assert!(diagnostics.is_empty());
    assert_eq!(listed.len(), 4);
    assert_eq!(
        listed[1],
        Listed { name: "child".into(), description: "the child".into(), parents: vec!["left".into(), "right".into()] }
    );
}

#[test]
fn projects_are_found_from_below() {
    let (folder, _) = project(&[("environments/a/vars/x.yml", "a: 1\n"), ("playbooks/deep/p.yml", "")]);
    let found = Project::discover(&folder.path().join("playbooks/deep")).unwrap();
    assert_eq!(found.root, folder.path());
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(Project::at(empty.path()).unwrap_err().code, "E0001");
    assert_eq!(Project::discover(Path::new("/proc/self")).unwrap_err().code, "E0001");
}

#[test]
fn mistakes_are_named_at_their_place() {
    let (_folder, project) = project(&[
        ("environments/a/environment.yml", "parents: [b]\n"),
        ("environments/b/environment.yml", "parents: [c]\n"),
        ("environments/c/environment.yml", "parents:\n- a\n"),
        ("environments/lost/environment.yml", "parents: [bb]\n"),
        ("environments/typo/environment.yml", "descripton: x\nparents: a: b\n"),
        ("environments/keys/environment.yml", "descripton: x\nvault: {recipient: []}\n"),
        ("environments/twice/environment.yml", "description: x\ndescription: y\n"),
        ("environments/list/vars/v.yml", "- a\n"),
    ]);
    let error = load(&project, "a").0.unwrap_err();
    assert_eq!(error.code, "E0003");
    assert!(error.notes[0].contains("`a` > `b` > `c` > `a`"), "{error:?}");
    let error = load(&project, "lost").0.unwrap_err();
    assert_eq!((&*error.code, &*error.hints[0]), ("E0004", "did you mean `b`?"));
    let codes =
        |name: &str| -> Vec<String> { load(&project, name).1.iter().map(|error| error.code.to_string()).collect() };
    assert_eq!(codes("typo"), ["Y0005"]);
    assert_eq!(codes("keys"), ["Y0101", "Y0101"]);
    assert_eq!(codes("twice"), ["Y0012"]);
    assert_eq!(codes("list"), ["Y0103"]);
    assert_eq!(load(&project, "tpyo").0.unwrap_err().hints, ["did you mean `typo`?"]);
    assert_eq!(load(&project, "../etc").0.unwrap_err().code, "E0006");
}

#[test]
fn secrets_stay_sealed_until_they_are_used() {
    let (folder, project) = project(&[(
        "environments/e/vars/a.yml",
        "password: clear\ninner: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\n",
    )]);
    let (identity, public) = generate_identity();
    let redactor = Arc::new(Redactor::default());
    let mut keyring = Keyring::new(Arc::clone(&redactor));
    keyring.add_identities("id", &identity).unwrap();
    let path = folder.path().join("environments/e/secrets.yml");
    let mut vault = Vault::init(&SourceMap::new(), &path, &[public], None).unwrap();
    vault.set(&keyring, "password", &Value::from("hunter2-value")).unwrap();
    vault.set(&keyring, "nested.token", &Value::from("tok-en-value")).unwrap();

    // Without a key everything but the use works.
    let (environment, diagnostics, sources) = load(&project, "e");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let environment = environment.unwrap();
    assert_eq!(environment.secrets_file(), path);
    let scope = Scope::from_layers(environment.layers);
    let shown = show(&scope, &sources, None);
    let values: Vec<(&str, &str)> = shown.iter().map(|shown| (&*shown.name, &*shown.winner.value)).collect();
    assert_eq!(values, [("inner", "********"), ("nested", "********"), ("password", "********")]);
    assert_eq!(shown[2].hidden[0].place, "environments/e/vars/a.yml:1:11");
    assert!(shown[2].winner.place.starts_with("environments/e/secrets.yml:"));
    let Some((Entry::Sealed(sealed, _), _)) = scope.get("password") else { panic!() };
    assert_eq!(sealed.open().unwrap_err().code, "V0003");

    let fresh = Arc::new(Redactor::default());
    let mut keyring = Keyring::new(Arc::clone(&fresh));
    keyring.add_identities("id", &identity).unwrap();
    let mut reader = Reader::new(&sources, None);
    let environment = Environment::load(&project, "e", &mut reader, &Arc::new(keyring)).unwrap();
    let scope = Scope::from_layers(environment.layers);
    let Some((Entry::Sealed(sealed, _), _)) = scope.get("nested") else { panic!() };
    assert_eq!(sealed.open().unwrap().get("token"), Some(&Value::from("tok-en-value")));
    assert_eq!(fresh.redact("x tok-en-value hunter2-value"), "x ******** hunter2-value");
}

/// The example of the manual is read as it stands there.
#[test]
fn the_manuals_example_is_read() {
    let manual = include_str!("../../docs/environments.md");
    let example = manual.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (_folder, project) =
        project(&[("environments/e/environment.yml", example), ("environments/base/vars/a.yml", "a: 1\n")]);
    let (environment, diagnostics, _) = load(&project, "e");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let environment = environment.unwrap();
    assert_eq!((environment.chain.len(), environment.recipients.len()), (2, 2));
    assert!(!environment.description.is_empty() && environment.tag_file.is_some());
}
