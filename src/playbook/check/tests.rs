use super::*;
use crate::playbook::model::Play;
use crate::playbook::testing::{Project, in_play};

/// Names in `{{ }}` and in expressions; `{{ !` is broken.
struct Simple;

fn words(node: &Node, expression: bool, out: &mut Vec<(String, Span)>) {
    for item in node.as_list().unwrap_or_default() {
        words(item, expression, out);
    }
    for (_, value) in node.as_map().unwrap_or_default() {
        words(value, expression, out);
    }
    let Some(text) = node.as_str().filter(|_| node.tag.is_none()) else { return };
    let mut ranges = Vec::new();
    if expression {
        ranges.push((0, text.len()));
    }
    let mut at = 0;
    while let Some(start) = text[at..].find("{{").map(|start| at + start + 2) {
        let end = text[start..].find("}}").map_or(text.len(), |end| start + end);
        ranges.push((start, end));
        at = end;
    }
    for (start, end) in ranges {
        let first = text[start..end].len() - text[start..end].trim_start().len() + start;
        let length = text[first..end].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(end - first);
        if length > 0 {
            out.push((text[first..first + length].to_owned(), node.text_span(first, first + length)));
        }
    }
}

fn broken(node: &Node, out: &mut Vec<Diagnostic>) {
    node.as_list().unwrap_or_default().iter().for_each(|item| broken(item, out));
    node.as_map().unwrap_or_default().iter().for_each(|(_, value)| broken(value, out));
    if let Some(at) = node.as_str().and_then(|text| text.find("{{ !")) {
        out.push(Diagnostic::source("T0101", "broken").with_label(node.text_span(at + 3, at + 4), "here"));
    }
    if let Some(at) = node.as_str().and_then(|text| text.find("| ns.col.shout")) {
        out.push(Diagnostic::source("T0104", "no filter").with_label(node.text_span(at + 2, at + 14), "here"));
    }
    if let Some(at) = node.as_str().and_then(|text| text.find("| shout")) {
        out.push(Diagnostic::source("T0104", "no filter").with_label(node.text_span(at + 2, at + 7), "here"));
    }
}

impl TemplateCheck for Simple {
    fn check(&self, node: &Node, _: bool) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        broken(node, &mut out);
        out
    }

    fn free_names(&self, node: &Node, expression: bool) -> Vec<(String, Span)> {
        let mut out = Vec::new();
        words(node, expression, &mut out);
        out
    }
}

fn all(project: &Project, known: &[&str]) -> Vec<String> {
    found(project, known, None)
}

fn found(project: &Project, known: &[&str], runs: Option<&dyn Fn(&Play) -> bool>) -> Vec<String> {
    let loaded = project.load("site.yml");
    let input = CheckInput {
        loader: &project.loader,
        templates: &Simple,
        known: known.iter().map(|name| (*name).to_owned()).collect(),
        variables: Vec::new(),
        inventory: Vec::new(),
        settings: Vec::new(),
        complete: true,
        runs,
    };
    check(&loaded, &input)
        .iter()
        .map(|problem| format!("{}{}", if problem.is_error() { "" } else { "warning " }, project.show(problem)))
        .collect()
}

fn check_play(text: &str, expected: &[&str]) {
    let project = Project::new(&[("site.yml", text)]);
    assert_eq!(all(&project, &[]), expected, "{text}");
}

fn check_tasks(tasks: &str, expected: &[&str]) {
    check_play(&in_play(tasks), expected);
}

#[test]
fn what_set_fact_and_lineinfile_need_is_known_before_the_run() {
    check_tasks(
        "- set_fact: {\"a-b\": 1, cacheable: true, good: 2, '{{ x }}-y': 3}\n  vars: {x: z}",
        &["P0106 `a-b` cannot be the name of a variable | 3:18 `\"a-b\"` | hint: write `a_b`"],
    );
    check_tasks(
        "- lineinfile: {path: /x}",
        &["M0009 `lineinfile` with `state: present` needs `line` | 3:7 `lineinfile`"],
    );
    check_tasks("- lineinfile: {path: /x, state: absent, regexp: a}", &[]);
}

#[test]
fn a_folder_is_looked_through_without_reading_what_is_no_file() {
    let project = Project::new(&[(
        "site.yml",
        "- hosts: all\n  vars_files: ['v_{{ kind }}.yml']\n  tasks:\n    - debug: {msg: '{{ known }}'}\n",
    )]);
    let fifo = project.path("v_fifo.yml");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("fifo");
    let _ = all(&project, &["kind"]);
}

#[test]
fn literal_keywords_have_their_kind() {
    check_tasks(
        "- command: ls\n  become: maybe\n  retries: many\n  tags: 5\n  register: a-b\n  loop: text\n  when: {a: b}\n  vars: [x]\n  environment: x",
        &[
            "P0103 `become` must be a boolean, found `maybe` | 4:15 `maybe` | 4:7 `become` | hint: write `become: true` or `become: false`",
            "P0103 `retries` must be a whole number, found `many` | 5:16 `many` | 5:7 `retries` | hint: write `retries: 10`",
            "P0103 `tags` must be a list of names, found `5` | 6:13 `5` | 6:7 `tags` | hint: write `tags: [NAME]`",
            "P0106 `a-b` cannot be the name of a variable | 7:17 `a-b` | 7:7 `register` | hint: write `a_b`",
            "P0103 `loop` must be a list or a template, found `text` | 8:13 `text` | 8:7 `loop` | hint: write `loop: [a, b]`, or `loop: \"{{ NAME }}\"` for a variable",
            "P0103 `when` must be a condition, found a mapping | 9:13 `{a: b}` | 9:7 `when` | hint: write `when: EXPRESSION`, in quotes if it begins with `{` or `[`",
            "P0103 `vars` must be a mapping, found a list | 10:13 `[x]` | 10:7 `vars` | hint: write `name: value` lines below it",
            "P0103 `environment` must be a mapping, found `x` | 11:20 `x` | 11:7 `environment` | hint: write `key: value` lines below it",
        ],
    );
    check_tasks(
        "- command: ls\n  become: 'yes'\n  retries: '3'\n  async: 1\n  tags: [1, a]\n  when: [true, ansible_x]\n  loop: '{{ ansible_y }}'\n  become_user:\n",
        &[],
    );
    check_play(
        "- hosts: []\n  max_fail_percentage: 30%\n  vars: {a-b: 1}\n  vars_prompt: [{nam: x}]\n",
        &[
            "P0103 `hosts` must not be empty | 1:10 `[]` | 1:3 `hosts` | hint: write `hosts: all`, or a host or group",
            "P0106 `a-b` cannot be the name of a variable | 3:10 `a-b` | hint: write `a_b`",
            "P0103 an entry of `vars_prompt` has no `name` | 4:17 `{nam: x}` | hint: add `name: VARIABLE`",
            "P0101 `vars_prompt` has no key `nam` | 4:18 `nam` | hint: did you mean `name`?",
        ],
    );
    check_tasks(
        "- command: ls\n  loop: [1]\n  loop_control: {loop_vra: x, pause: long}",
        &[
            "P0101 `loop_control` has no key `loop_vra` | 5:22 `loop_vra` | hint: did you mean `loop_var`?",
            "P0103 `pause` must be a number, found `long` | 5:42 `long` | 5:35 `pause` | hint: write `pause: 5`",
        ],
    );
}

#[test]
fn arguments_are_checked_where_they_stand() {
    let project = Project::new(&[(
        "site.yml",
        &in_play(
            "- copy: {destt: /a, content: x}\n- copy: content=x dest=/a backup='maybe'\n- copy: {content: '{{ ansible_x }}', dest: /b, backup: '{{ ansible_y }}'}\n- copy: '{{ ansible_all }}'",
        ),
    )]);
    let found = all(&project, &[]);
    assert!(
        found.iter().any(|line| line.starts_with("M0002 `copy` has no argument `destt` | 3:14 `destt`")),
        "{found:#?}"
    );
    assert!(found.iter().any(|line| line.contains("4:39 `maybe`") || line.contains("4:38 `'maybe'`")), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("| 5:") || line.contains("| 6:")), "{found:#?}");
}

#[test]
fn files_must_be_there() {
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: all\n  roles: [r]\n  tasks:\n    - copy: {src: there, dest: /a}\n    - copy: {src: theer, dest: /a}\n    - copy: {src: on_host, dest: /a, remote_src: true}\n    - copy: {src: maybe, dest: /a}\n      when: ansible_x\n    - template: {src: t.j2, dest: /a}\n    - template: {src: none.j2, dest: /a}\n",
        ),
        ("files/there", "x"),
        ("templates/t.j2", "fine {{ ansible_x }}\n{{ ! }} {{ unknown_name }}\n"),
        ("roles/r/tasks/main.yml", "- copy: {src: own, dest: /a}\n- template: {src: own.j2, dest: /a}\n"),
        ("roles/r/files/own", "x"),
        ("roles/r/templates/own.j2", "x"),
    ]);
    let found = all(&project, &[]);
    let expected = [
        "P0302 the file `theer` does not exist | 5:19 `theer` | hint: did you mean `there`? | hint: if it is on the host already, add `remote_src: true`",
        "warning P0302 the file `maybe` does not exist | 7:19 `maybe` | hint: if it is on the host already, add `remote_src: true`",
        "P0302 the file `none.j2` does not exist | 10:23 `none.j2` | hint: correct the name, or make the file",
        "T0101 broken | 2:4 `!`",
        "P0301 the variable `unknown_name` is not defined anywhere | 2:12 `unknown_name` | hint: define it, pass `-e unknown_name=VALUE`, or write `unknown_name | default(...)` if it is optional",
    ];
    assert_eq!(found, expected);
}

#[test]
fn undefined_variables_name_the_nearest() {
    let project = Project::new(&[(
        "site.yml",
        "- hosts: all\n  vars:\n    mirror_url: http://x\n    unused: '{{ not_there }}'\n    used: '{{ deeper }}'\n  tasks:\n    - command: '{{ mirorr_url }}'\n      register: out\n    - command: '{{ out }} {{ used }} {{ from_env }} {{ item }} {{ optional }}'\n    - command: ls\n      when: optional is defined\n    - command: '{{ mirorr_url }}'\n",
    )]);
    assert_eq!(
        all(&project, &["from_env"]),
        [
            "warning P0301 the variable `not_there` is not defined anywhere | 4:17 `not_there` | hint: define it, pass `-e not_there=VALUE`, or write `not_there | default(...)` if it is optional",
            "P0301 the variable `deeper` is not defined anywhere | 5:15 `deeper` | hint: define it, pass `-e deeper=VALUE`, or write `deeper | default(...)` if it is optional",
            "P0301 the variable `mirorr_url` is not defined anywhere | 7:20 `mirorr_url` | 12:20 `mirorr_url` | 3:5 `mirror_url` | hint: did you mean `mirror_url`?",
        ]
    );
}

#[test]
fn a_run_refuses_undefined_variables_that_nothing_can_catch() {
    let severities = |tasks: &str, runs: bool| -> Vec<String> {
        let project = Project::new(&[("site.yml", &in_play(tasks)), ("other.yml", "- command: ls\n")]);
        let found = found(&project, &[], Some(&|_| runs));
        found.iter().map(|line| line.split(" the variable").next().unwrap_or_default().to_owned()).collect()
    };
    let error = ["P0301"];
    let warning = ["warning P0301"];
    assert_eq!(severities("- command: '{{ wrong }}'", true), error);
    assert_eq!(severities("- command: 'x {{ wrong.a | upper }}'", true), error);
    assert_eq!(severities("- command: '{{ a }}'\n  vars: {a: '{{ wrong }}'}", true), error);
    assert_eq!(severities("- block:\n    - command: '{{ wrong }}'\n  always:\n    - command: ls", true), error);
    assert_eq!(severities("- command: ls\n  loop: '{{ wrong }}'", true), error);
    // No host, or left out by an option.
    assert_eq!(severities("- command: '{{ wrong }}'", false), warning);
    // A condition, a loop that may be empty, or something that takes the failure.
    for keyword in
        ["when: true", "loop: []", "ignore_errors: true", "failed_when: false", "tags: never", "with_first_found: [a]"]
    {
        let found = severities(&format!("- command: '{{{{ wrong }}}}'\n  {keyword}"), true);
        assert!(
            found.contains(&warning[0].to_owned()) && !found.contains(&error[0].to_owned()),
            "{keyword}: {found:?}"
        );
    }
    let rescued = "- block:\n    - command: '{{ wrong }}'\n  rescue:\n    - command: ls";
    assert_eq!(severities(rescued, true), warning);
    assert_eq!(severities("- meta: end_play\n- command: '{{ wrong }}'", true), warning);
    assert_eq!(severities("- include_tasks: other.yml\n- command: '{{ wrong }}'", true), warning);
    assert_eq!(severities("- debug: {var: wrong}", true), warning);
    // Not all of it may be evaluated.
    assert_eq!(severities("- command: '{{ true or wrong }}'", true), warning);
    assert_eq!(severities("- command: '{{ 1 if true else wrong }}'", true), warning);
}

#[test]
fn a_broken_condition_may_be_meant() {
    check_tasks("- command: ls\n  when: '{{ ! }}'\n", &["T0101 broken | 4:17 `!`"]);
    check_tasks("- command: ls\n  when: '{{ ! }}'\n  ignore_errors: true\n", &["warning T0101 broken | 4:17 `!`"]);
}

#[test]
fn broken_templates_nobody_reaches_are_warnings() {
    check_play(
        "- hosts: all\n  vars: {a: '{{ ! }}', b: '{{ ! }}'}\n  tasks:\n    - command: '{{ b }}'\n",
        &["warning T0101 broken | 2:17 `!`", "T0101 broken | 2:31 `!`"],
    );
}

#[test]
fn names_come_from_everywhere() {
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: all\n  vars_files: [one.yml, 'two-{{ ansible_x }}.yml']\n  vars_prompt: [{name: asked}]\n  roles: [{role: r, param: 1}]\n  tasks:\n    - command: '{{ one }} {{ two }} {{ asked }} {{ dflt }} {{ var }} {{ param }}'\n    - set_fact: {fact: 1, '{{ ansible_x }}_suffix': 2}\n    - include_vars: three.yml\n    - include_vars: '{{ ansible_os }}.yml'\n    - command: '{{ fact }} {{ any_suffix }} {{ three }} {{ four }} {{ own }} {{ deep }} {{ incl }} {{ wrong }}'\n      loop: [1]\n      loop_control: {loop_var: own}\n    - include_tasks: more.yml\n      vars: {incl: 1}\n",
        ),
        ("one.yml", "one: 1\n"),
        ("two-a.yml", "two: 1\n"),
        ("vars/three.yml", "three: 1\n"),
        ("vars/debian.yml", "four: 1\n"),
        ("more.yml", "- command: ls\n  register: deep\n"),
        ("roles/r/defaults/main.yml", "dflt: 1\n"),
        ("roles/r/vars/main.yml", "var: 1\n"),
        ("roles/r/tasks/main.yml", "[]\n"),
    ]);
    let found = all(&project, &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("P0301 the variable `wrong` is not defined anywhere"), "{found:#?}");
}

#[test]
fn dynamic_includes_are_followed_or_named() {
    let project = Project::new(&[
        (
            "site.yml",
            "- hosts: all\n  tasks:\n    - include_tasks: a.yml\n    - include_tasks: '{{ item }}.yml'\n      loop: [b, nope]\n    - include_tasks: '{{ ansible_os }}.yml'\n    - include_role: {name: missing}\n      when: ansible_x\n",
        ),
        ("a.yml", "- comand: ls\n- include_tasks: a.yml\n"),
        ("b.yml", "- command: ls\n  whne: x\n"),
    ]);
    assert_eq!(
        all(&project, &[]),
        [
            "P0401 the task file `nope.yml` does not exist | 4:23 `{{ item }}.yml` | hint: correct the name, or make the task file",
            "warning P0305 what `include_tasks` brings in here was not checked | 6:23 `{{ ansible_os }}.yml`",
            "warning P0501 the role `missing` does not exist | 7:28 `missing` | hint: correct the name, or make the role",
            "P0202 there is no module `comand` | 1:3 `comand` | hint: did you mean `command`?",
            "P0403 `a.yml` includes itself | 2:18 `a.yml` | hint: end it with a condition: `when` beside the include",
            "P0101 a task has no keyword `whne` | 2:3 `whne` | hint: did you mean `when`?",
        ]
    );
}

#[test]
fn notified_handlers_exist() {
    let play = "- hosts: all\n  roles: [r]\n  tasks:\n    - command: ls\n      notify: [restart web, restart wbe, topic, 'r : own', own, 'for x', '{{ ansible_x }}']\n  handlers:\n    - name: restart web\n      command: ls\n      listen: topic\n    - name: for {{ ansible_y }}\n      command: ls\n";
    let project = Project::new(&[("site.yml", play), ("roles/r/handlers/main.yml", "- name: own\n  command: ls\n")]);
    assert_eq!(
        all(&project, &[]),
        [
            "P0303 no handler is named `restart wbe` and none listens to it | 5:29 `restart wbe` | hint: did you mean `restart web`?"
        ]
    );
}

#[test]
fn python_plugins_are_one_error_with_their_uses() {
    let project = Project::new(&[
        ("site.yml", &in_play("- own_module: x\n- command: '{{ ansible_x | shout }}'\n- othr: x")),
        ("library/own_module.py", "x"),
        ("filter_plugins/f.py", "return {'shout': f}"),
    ]);
    assert_eq!(
        all(&project, &[]),
        [
            "P0304 plugins in Python cannot run: hostctl has no Python | 3:7 `own_module` | 4:32 `shout` | hint: use a module or filter that hostctl has, or `script` and `command` with a program of your own",
            "P0202 there is no module `othr` | 5:7 `othr` | hint: `hostctl doc` lists the modules",
        ]
    );
    // What nothing uses does not disturb; callbacks are used by being there.
    let callback = |text: &str| {
        let files = &[("site.yml", &*in_play("- command: ls")), ("callback_plugins/c.py", text), ("library/x.py", "x")];
        all(&Project::new(files), &[])
    };
    assert_eq!(callback("class C:\n    CALLBACK_NEEDS_ENABLED = True\n"), Vec::<String>::new());
    assert!(callback("class C: pass\n")[0].starts_with("P0304"));
}

/// What Python in collections and over hostctl's own modules gives: one error.
#[test]
fn python_in_collections_and_in_the_place_of_a_module_of_hostctl_is_told() {
    let project = Project::new(&[
        (
            "site.yml",
            &in_play(
                "- ns.col.mine: x\n- command: '{{ ansible_x | ns.col.shout }}'\n- copy: {src: a, dest: b}\n- ns.col.mine: y",
            ),
        ),
        ("collections/ansible_collections/ns/col/plugins/modules/mine.py", "from ansible.module_utils.basic import x"),
        ("collections/ansible_collections/ns/col/plugins/filter/f.py", "'shout'"),
        ("library/copy.py", "from ansible.module_utils.basic import x"),
    ]);
    let found = all(&project, &[]);
    let places = "3:7 `ns.col.mine` | 4:32 `ns.col.shout` | 5:7 `copy` | 6:7 `ns.col.mine`";
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with(&format!("P0304 plugins in Python cannot run: hostctl has no Python | {places}")),
        "{found:#?}"
    );
}

#[test]
fn an_unknown_module_of_a_collection_is_one_error() {
    let project = Project::new(&[("site.yml", &in_play("- a.b.c: x\n- a.b.c: y\n- command: ls\n- a.b.c: z"))]);
    assert_eq!(
        all(&project, &[]),
        [
            "P0202 there is no module `a.b.c` | 3:7 `a.b.c` | 4:7 `a.b.c` | 6:7 `a.b.c` | hint: `hostctl doc` lists the modules"
        ]
    );
}

#[test]
fn groups_of_module_defaults_exist() {
    let play = "- hosts: all\n  module_defaults:\n    group/aws: {}\n    group/nope: {}\n    group/ns.col.files: {mode: '0600'}\n  tasks:\n    - copy: {content: a, dest: b}\n";
    let runtime = "action_groups:\n  files: [ansible.builtin.copy]\n";
    let project =
        Project::new(&[("site.yml", play), ("collections/ansible_collections/ns/col/meta/runtime.yml", runtime)]);
    assert_eq!(
        all(&project, &[]),
        [
            "P0308 there is no group of modules `nope` | 4:5 `group/nope` | hint: install the collection, or write the full name: `group/NAMESPACE.COLLECTION.GROUP`"
        ]
    );
}

#[test]
fn a_run_is_not_held_up_by_what_it_may_never_come_to() {
    let check = |tasks: &str, errors: usize| {
        let project = Project::new(&[
            ("site.yml", &in_play(tasks)),
            ("bad.yml", "no list"),
            ("args.yml", "- command: ls\n  nope: x\n"),
            ("through.yml", "- include_tasks: bad.yml\n"),
        ]);
        let mut found = found(&project, &[], Some(&|_| true));
        found.retain(|problem| !problem.starts_with("warning"));
        assert_eq!(found.len(), errors, "{tasks}: {found:#?}");
    };
    check("- include_tasks: bad.yml", 1);
    check("- import_tasks: bad.yml\n  when: false", 1);
    check("- include_tasks: bad.yml\n  when: false", 0);
    check("- include_tasks: args.yml\n  when: ansible_x", 0);
    check("- include_tasks: args.yml", 1);
    check("- include_tasks: none.yml\n  ignore_errors: true", 0);
    check("- block:\n  - include_tasks: bad.yml\n  rescue:\n  - include_tasks: args.yml", 0);
    check("- fail:\n- include_tasks: bad.yml", 0);
    check("- fail:\n  when: ansible_x\n- include_tasks: bad.yml", 1);
    check("- meta: end_play\n  when: ansible_x\n- include_tasks: bad.yml", 0);
    check("- meta: flush_handlers\n- include_tasks: through.yml", 1);
    check("- include_tasks: through.yml\n  tags: never", 0);
    check("- include_tasks: bad.yml\n  when: false\n- include_tasks: bad.yml", 1);
    check("- block:\n  - fail:\n  rescue:\n  - debug:\n- include_tasks: bad.yml", 1);
}

#[test]
fn sealed_files_keep_undefined_names_quiet() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n  vars_files: [v.yml]\n  tasks:\n    - command: '{{ maybe_sealed }}'\n"),
        ("v.yml", "$ANSIBLE_VAULT;1.1;AES256\n00\n"),
    ]);
    assert_eq!(all(&project, &[]), Vec::<String>::new());
}

#[test]
fn a_condition_that_yaml_made_a_mapping_of_is_told_once() {
    let problems = |tasks: &str| {
        let project = Project::new(&[("site.yml", &in_play(tasks))]);
        found(&project, &[], None)
    };
    let that = problems("- assert:\n    that:\n      - ansible_x == \"a: b\"\n      - ansible_x == 1");
    assert_eq!(that.len(), 1, "{that:#?}");
    assert!(that[0].contains("P0103"), "{that:#?}");
    let when = problems("- command: ls\n  when:\n    - ansible_x == \"a: b\"");
    assert_eq!(when.len(), 1, "{when:#?}");
}

#[test]
fn lists_of_mappings_are_variable_files_of_plays() {
    let project = Project::new(&[
        ("site.yml", "- hosts: all\n  vars_files: [v.yml, w.yml]\n  tasks:\n    - command: '{{ one }} {{ two }}'\n"),
        ("v.yml", "- one: 1\n- two: 2\n"),
        ("w.yml", "- word\n"),
    ]);
    let problems = all(&project, &[]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("P0407"), "{problems:#?}");
}
