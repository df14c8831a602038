use super::*;
use crate::playbook::loader::LoaderOptions;
use crate::playbook::testing::{Project, outline, roles_around};

fn tasks(project: &Project) -> Vec<String> {
    let loaded = project.load("site.yml");
    let problems: Vec<String> = loaded.problems.iter().map(|problem| project.show(problem)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let play = &loaded.playbook.plays[0];
    let mut out: Vec<String> = Vec::new();
    for role in &play.roles {
        out.push(format!("role {}", role.role.name));
        out.extend(outline(&role.tasks).into_iter().map(|line| format!("  {line}")));
    }
    out.extend(outline(&play.tasks));
    out
}

#[test]
fn imported_tasks_inherit_and_search_beside_the_importing_file() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n  tasks:\n    - import_tasks: sub/a.yml\n      when: x\n      tags: t\n"),
        ("sub/a.yml", "- command: one\n- import_tasks: b.yml\n"),
        ("sub/b.yml", "- command: two\n- ansible.builtin.import_tasks:\n    file: c.yml\n"),
        ("c.yml", "- command: three\n"),
    ]);
    assert_eq!(
        tasks(&project),
        [
            "block",
            "  command cmd=one [t] when(x)",
            "  block",
            "    command cmd=two [t] when(x)",
            "    block",
            "      command cmd=three [t] when(x)",
        ]
    );
}

#[test]
fn cycles_are_shown_as_a_chain() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n  tasks:\n    - import_tasks: a.yml\n"),
        ("a.yml", "- command: ls\n- import_tasks: b.yml\n"),
        ("b.yml", "- import_tasks: a.yml\n"),
    ]);
    let loaded = project.load("site.yml");
    assert_eq!(
        project.show(&loaded.problems[0]),
        "P0403 `DIR/a.yml` includes itself | 1:17 `a.yml` | 2:17 `b.yml` | hint: break the ring, or use `include_tasks` with a condition that ends it"
    );
    let chain = loaded.problems[0].notes[0].replace(&project.dir.path().display().to_string(), "DIR");
    assert_eq!(chain, "the chain: `DIR/a.yml` -> `DIR/b.yml` (DIR/a.yml:2:17) -> `DIR/a.yml` (DIR/b.yml:1:17)");
    assert_eq!(loaded.problems.len(), 1);
    // What could be read is there.
    assert_eq!(outline(&loaded.playbook.plays[0].tasks), ["block", "  command cmd=ls", "  block"]);
}

#[test]
fn imports_of_imports_have_an_end() {
    let name = |at: usize| format!("t{at}.yml");
    let mut files = vec![("site.yml".to_owned(), "- hosts: all\n  tasks:\n    - import_tasks: t0.yml\n".to_owned())];
    files.extend((0..6).map(|at| (name(at), format!("- import_tasks: t{}.yml\n", at + 1).repeat(8))));
    files.push((name(6), "- debug:\n".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let loaded = Project::new(&files).load("site.yml");
    let told: Vec<&str> = loaded.problems.iter().map(|found| &*found.message).collect();
    assert_eq!(told, ["more than 20000 files and roles are brought in"]);
    // Rings among many: some of them are told.
    let rings =
        (0..9).map(|at| (format!("r{at}.yml"), (0..9).map(|to| format!("- import_tasks: r{to}.yml\n")).collect()));
    let mut files: Vec<(String, String)> = rings.collect();
    files.push(("site.yml".to_owned(), "- hosts: all\n  tasks:\n    - import_tasks: r0.yml\n".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let problems = Project::new(&files).load("site.yml").problems;
    assert!(problems.iter().any(|found| found.code == "P0404") && problems.len() <= 21, "{}", problems.len());
}

#[test]
fn imports_that_are_wrong() {
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: all\n  tasks:\n    - import_tasks: taks.yml\n    - import_tasks: empty.yml\n    - import_tasks: tasks.yml\n      loop: [1]\n    - import_tasks: '{{ x }}.yml'\n    - include_tasks: {file: x.yml, aply: {}}\n    - import_tasks: {file: tasks.yml, apply: {tags: x}}\n    - include_role: {tasks_from: x}\n    - import_role: {name: nope}\n    - include_tasks: {file: x.yml, apply: {tags: a, hosts: b}}\n",
        ),
        ("tasks.yml", "- command: ls\n"),
        ("empty.yml", "# nothing\n"),
    ]);
    assert_eq!(
        project.problems("site.yml"),
        [
            "P0401 the task file `taks.yml` does not exist | 3:21 `taks.yml` | hint: did you mean `tasks.yml`?",
            "P0410 `DIR/empty.yml` holds no tasks | 4:21 `empty.yml`",
            "P0409 `import_tasks` is done before the run and cannot loop | 6:7 `loop` | 5:7 `import_tasks` | hint: use `include_tasks`",
            "P0406 the file's name of a static import cannot be rendered before the run | 7:22 `{{ x }}.yml` | hint: use `include_tasks` or `include_role`, which are resolved on the host",
            "P0405 `include_tasks` has no option `aply` | 8:36 `aply` | hint: did you mean `apply`?",
            "P0405 `import_tasks` has no option `apply` | 9:39 `apply` | hint: keywords of an import reach its tasks: write them beside it",
            "P0405 `include_role` does not say which role | 10:7 `include_role` | hint: write `include_role: {name: ...}`",
            "P0501 the role `nope` does not exist | 11:27 `nope` | hint: correct the name, or make the role",
            "P0102 `hosts` cannot stand in a block | 12:53 `hosts` | hint: `hosts`: host patterns: where the play runs",
        ]
    );
}

#[test]
fn roles_load_with_all_their_files() {
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: all\n  roles:\n    - role: web\n      http_port: 80\n      vars: {a: 1}\n      tags: t\n      when: c\n",
        ),
        ("roles/web/defaults/main.yml", "port: 1\n"),
        ("roles/web/vars/main/b.yml", "b: 1\n"),
        ("roles/web/vars/main/a.yml", "a: 1\n"),
        ("roles/web/tasks/main.yaml", "- import_tasks: more.yml\n- include_tasks: later.yml\n"),
        ("roles/web/tasks/more.yml", "- command: more\n  notify: restart\n"),
        ("roles/web/handlers/main.yml", "- name: restart\n  command: restart\n"),
        ("roles/web/meta/main.yml", "allow_duplicates: yes\ndependencies: []\ngalaxy_info: {x: y}\n"),
    ]);
    assert_eq!(
        tasks(&project),
        ["role web", "  block", "    command cmd=more [t] when(c)", "  include_tasks file=later.yml [t] when(c)"]
    );
    let loaded = project.load("site.yml");
    let play = &loaded.playbook.plays[0];
    let role = &play.roles[0].role;
    assert!(role.allow_duplicates);
    assert_eq!(role.params.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["http_port"]);
    assert!(play.roles[0].context.keywords.get("vars").is_some());
    assert_eq!((role.defaults.len(), role.vars.len()), (1, 2));
    assert!(role.vars[0].get("a").is_some());
    assert_eq!(outline(&play.handlers), ["command cmd=restart [t] when(c)"]);
}

#[test]
fn dependencies_run_first_and_see_what_depends_on_them() {
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: all\n  roles: [{role: app, tags: t}]\n  tasks:\n    - import_role: {name: app, tasks_from: extra}\n      when: x\n",
        ),
        ("roles/app/meta/main.yml", "dependencies:\n  - role: base\n    size: 2\n"),
        ("roles/app/tasks/main.yml", "- command: app\n"),
        ("roles/app/tasks/extra.yml", "- command: extra\n"),
        ("roles/base/tasks/main.yml", "- command: base\n"),
        ("roles/base/handlers/main.yml", "- name: h\n  command: h\n"),
    ]);
    assert_eq!(
        tasks(&project),
        [
            "role base",
            "  command cmd=base [t]",
            "role app",
            "  command cmd=app [t]",
            "role base",
            "  command cmd=base when(x)",
            "role app",
            "  command cmd=extra when(x)",
        ]
    );
    let loaded = project.load("site.yml");
    let roles = &loaded.playbook.plays[0].roles;
    assert_eq!(roles_around(&roles[0].context), ["base", "app"]);
    assert_eq!(roles[1].role.dependencies.len(), 1);
    assert!(!roles[1].role.allow_duplicates);
    // Handlers of `roles:` and of the import.
    assert_eq!(loaded.playbook.plays[0].handlers.len(), 2);
}

#[test]
fn role_cycles_and_faults() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n  roles:\n    - a\n    - wbe\n    - {tags: x}\n    - role: c\n"),
        ("roles/a/meta/main.yml", "dependencies: [b]\n"),
        ("roles/b/meta/main.yml", "dependencies: [a]\n"),
        ("roles/web/tasks/main.yml", "[]\n"),
        ("roles/c/meta/main.yml", "dependencies: x\nallow_duplicate: yes\n"),
        ("roles/c/vars/main.yml", "- a\n"),
        (
            "roles/c/tasks/main.yml",
            "- import_role: {name: c, tasks_from: ../../b/meta/main}\n- import_role: {name: c, tasks_from: mian}\n",
        ),
    ]);
    let problems = project.problems("site.yml");
    let find = |start: &str| {
        assert!(problems.iter().any(|problem| problem.starts_with(start)), "{start}\n{problems:#?}");
    };
    find("P0403 `role a` includes itself | 1:16 `a` | 1:16 `b`");
    find("P0501 the role `wbe` does not exist | 4:7 `wbe` | hint: did you mean `web`?");
    find("P0503 the role has no name | 5:7");
    find("P0505 expected `dependencies` as a list, found a string");
    find(
        "P0505 a role's meta file has no key `allow_duplicate` | 2:1 `allow_duplicate` | hint: did you mean `allow_duplicates`?",
    );
    find("P0407 expected variables as a mapping in `DIR/roles/c/vars/main.yml`, found a list");
    find("P0504 failed loading `../../b/meta/main` for role (`c`) as it is not inside the expected role path: ");
    find("P0504 the file of role `c` `tasks/mian` does not exist");
}

#[test]
fn roles_are_searched_beside_the_playbook_then_in_the_project_then_on_the_path() {
    let files = &[
        ("play/site.yml", "- hosts: all\n  roles: [one, two, three, ns.col.four, five]\n  collections: [ns.col]\n"),
        ("play/roles/one/tasks/main.yml", "- command: beside\n"),
        ("roles/one/tasks/main.yml", "- command: wrong\n"),
        ("roles/two/tasks/main.yml", "- command: project\n"),
        ("path/two/tasks/main.yml", "- command: wrong\n"),
        ("path/three/tasks/main.yml", "- command: path\n"),
        ("cols/ansible_collections/ns/col/roles/four/tasks/main.yml", "- command: collection\n"),
        ("cols/ansible_collections/ns/col/roles/five/tasks/main.yml", "- command: searched\n"),
        ("cols/ansible_collections/ns/col/playbooks/pb.yml", "- hosts: all\n"),
        ("play/import.yml", "- import_playbook: ns.col.pb\n"),
    ];
    let mut project = Project::new(files);
    let root = project.dir.path().to_path_buf();
    let options = LoaderOptions {
        project_dir: Some(root.clone()),
        roles_path: vec![root.join("path")],
        collections_path: vec![root.join("cols")],
        ..LoaderOptions::new(Arc::clone(project.loader.sources()))
    };
    project.loader = Loader::new(options);
    let loaded = project.load("play/site.yml");
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    let shown: Vec<String> = loaded.playbook.plays[0]
        .roles
        .iter()
        .map(|role| format!("{}: {}", role.role.name, outline(&role.tasks).join(" ")))
        .collect();
    assert_eq!(
        shown,
        [
            "one: command cmd=beside",
            "two: command cmd=project",
            "three: command cmd=path",
            "ns.col.four: command cmd=collection",
            "ns.col.five: command cmd=searched",
        ]
    );
    assert_eq!(project.load("play/import.yml").playbook.plays.len(), 1);
}

#[test]
fn plays_behind_an_import_from_a_collection_have_its_short_names() {
    let col = "collections/ansible_collections/ns/col";
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: a\n  tasks: []\n- import_playbook: ns.col.pb\n- hosts: b\n  roles: [r]\n  tasks: [{own: }]\n",
        ),
        ("before.yml", "- hosts: b\n  tasks: [{own: }]\n- import_playbook: ns.col.pb\n"),
        (&format!("{col}/galaxy.yml"), "namespace: ns\nname: col\nversion: 1.0.0\n"),
        (&format!("{col}/playbooks/pb.yml"), "- hosts: a\n  tasks: [{own: }]\n"),
        (&format!("{col}/plugins/modules/own"), "#!/bin/sh\n"),
        (&format!("{col}/roles/r/tasks/main.yml"), "- command: role\n"),
    ]);
    assert!(project.problems("site.yml").is_empty(), "{:?}", project.problems("site.yml"));
    assert!(!project.problems("before.yml").is_empty());
}

#[test]
fn imported_playbooks_carry_their_keywords_and_search_beside_themselves() {
    let project = Project::new(&[
        ("site.yml", "- import_playbook: sub/other.yml\n  when: w\n  tags: t\n  vars: {v: 1}\n- hosts: b\n"),
        ("sub/other.yml", "- hosts: a\n  roles: [r]\n  tasks:\n    - command: ls\n"),
        ("sub/roles/r/tasks/main.yml", "- command: role\n"),
    ]);
    assert_eq!(tasks(&project), ["role r", "  command cmd=role [t] when(w)", "command cmd=ls [t] when(w)"]);
    let loaded = project.load("site.yml");
    assert_eq!(loaded.playbook.plays.len(), 2);
    let play = &loaded.playbook.plays[0];
    assert!(play.file.ends_with("sub/other.yml"));
    assert!(play.context.parent.as_ref().unwrap().keywords.get("vars").is_some());

    let project = Project::new(&[("site.yml", "- import_playbook: site.yml\n- import_playbook: nope.yml\n")]);
    assert_eq!(
        project.problems("site.yml"),
        [
            "P0403 `DIR/site.yml` includes itself | 1:20 `site.yml` | hint: break the ring, or use `include_tasks` with a condition that ends it",
            "P0401 the playbook `nope.yml` does not exist | 2:20 `nope.yml` | hint: correct the name, or make the playbook",
        ]
    );
}

fn play_context(project: &Project) -> (Arc<Context>, PathBuf) {
    let loaded = project.load("site.yml");
    let play = &loaded.playbook.plays[0];
    (Arc::clone(&play.context), play.file.clone())
}

#[test]
fn files_are_included_while_a_run_goes_on() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n"),
        ("sub/a.yml", "- command: a\n- include_tasks: b.yml\n"),
        ("sub/b.yml", "- command: b\n"),
        ("bad.yml", "- comand: b\n- comand: c\n"),
    ]);
    let (context, file) = play_context(&project);
    let include = Arc::new(Context {
        kind: ContextKind::Include { file: PathBuf::new(), dynamic: true },
        keywords: Keywords::default(),
        parent: Some(context),
    });
    let items = project.loader.include_tasks("sub/a.yml", &include, &file, false).unwrap();
    assert_eq!(outline(&items), ["command cmd=a", "include_tasks file=b.yml"]);
    let Item::Task(inner) = &items[1] else { panic!("a task") };
    let items = project.loader.include_tasks("b.yml", &inner.context, &inner.file, false).unwrap();
    assert_eq!(outline(&items), ["command cmd=b"]);
    let again = project.loader.include_tasks("b.yml", &inner.context, &inner.file, false).unwrap();
    let id = |items: &[Item]| match &items[0] {
        Item::Task(task) => task.id,
        _ => panic!("a task"),
    };
    assert_ne!(id(&items), id(&again));
    let error = project.loader.include_tasks("bad.yml", &include, &file, false).unwrap_err();
    assert_eq!((&*error.code, error.notes.as_slice()), ("P0202", &["there is one more mistake".to_owned()][..]));
    assert_eq!(&*project.loader.include_tasks("nope.yml", &include, &file, false).unwrap_err().code, "P0401");
}

#[test]
fn roles_are_included_while_a_run_goes_on() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n"),
        ("roles/a/meta/main.yml", "dependencies: [b]\n"),
        ("roles/a/tasks/other.yml", "- command: other\n"),
        ("roles/a/vars/v.yml", "v: 1\n"),
        ("roles/b/tasks/main.yml", "- command: b\n"),
        ("roles/b/handlers/main.yml", "- name: h\n  command: h\n"),
    ]);
    let (context, file) = play_context(&project);
    let from = RoleFrom { tasks: Some("other.yml".to_owned()), vars: Some("v".to_owned()), ..RoleFrom::default() };
    let role = project.loader.include_role("a", &from, &context, &file).unwrap();
    assert_eq!(outline(&role.tasks), ["role b", "  command cmd=b", "command cmd=other"]);
    assert_eq!(role.handlers.len(), 1);
    assert_eq!(role.role.vars.len(), 1);
    assert!(role.role.allow_duplicates);
    let error = project.loader.include_role("nope", &RoleFrom::default(), &context, &file).unwrap_err();
    assert_eq!(&*error.code, "P0501");
}

#[test]
fn variable_files_are_mappings_and_may_be_sealed() {
    let project = Project::with(
        &[
            ("a.yml", "x: 1\n"),
            ("b.json", "{\"x\": [1]}"),
            ("c.yml", "- x\n"),
            ("d.yml", "1: x\n"),
            ("empty.yml", "---\n"),
            ("v.yml", "$ANSIBLE_VAULT;1.1;AES256\n00\n"),
        ],
        |options| options.unseal = Arc::new(|_| Ok("secret: geheim\n".to_owned())),
    );
    let code = |name: &str| project.loader.load_vars_file(&project.path(name)).map_err(|error| error.code.to_string());
    assert!(code("a.yml").unwrap().get("x").is_some());
    assert!(code("b.json").unwrap().get("x").is_some());
    assert_eq!(code("c.yml").unwrap_err(), "P0407");
    assert_eq!(code("d.yml").unwrap_err(), "P0407");
    assert_eq!(code("none.yml").unwrap_err(), "P0401");
    assert_eq!(code("empty.yml").unwrap().as_map().map(<[_]>::len), Some(0));
    let sealed = code("v.yml").unwrap();
    assert_eq!(sealed.get("secret").and_then(crate::yaml::Node::as_str), Some("geheim"));
    let shown = project.loader.sources().file(sealed.span.file).unwrap();
    assert!(!shown.text.contains("geheim"));
    assert_eq!(shown.line(1).map(str::len), Some("secret: geheim".len()));

    let closed = Project::new(&[("v.yml", "$ANSIBLE_VAULT;1.1;AES256\n00\n"), ("bytes.yml", "x")]);
    std::fs::write(closed.path("bytes.yml"), b"a: \xff").unwrap();
    let code = |name: &str| closed.loader.load_vars_file(&closed.path(name)).unwrap_err().code.to_string();
    assert_eq!(code("v.yml"), "P0411");
    assert_eq!(code("bytes.yml"), "P0402");
}
