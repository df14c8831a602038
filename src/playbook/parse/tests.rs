use super::*;
use crate::playbook::model::Action;
use crate::playbook::testing::{Project, check_problems, in_play, outline};

fn check_tasks(tasks: &str, expected: &[&str]) {
    let project = Project::new(&[("site.yml", &in_play(tasks))]);
    let loaded = project.load("site.yml");
    let told = loaded.problems.iter().filter(|problem| !problem.is_deprecation());
    let problems: Vec<String> = told.map(|problem| project.show(problem)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(outline(&loaded.playbook.plays[0].tasks), expected, "{tasks}");
}

fn check_wrong(tasks: &str, expected: &[&str]) {
    check_problems(&in_play(tasks), expected);
}

#[test]
fn arguments_in_all_forms() {
    check_tasks("- copy: src=a dest='/b c'", &["copy src=a dest=/b c"]);
    check_tasks("- copy: {src: a, dest: b}\n  args: {mode: '0600', dest: c}", &["copy mode=0600 dest=b src=a"]);
    check_tasks("- command: echo a=b creates=/x", &["command creates=/x cmd=echo a=b"]);
    check_tasks("- ansible.builtin.command: ls", &["ansible.builtin.command cmd=ls"]);
    check_tasks("- action: copy src=a dest=b", &["copy src=a dest=b"]);
    check_tasks("- action: {module: copy, src: a, args: {dest: b}}", &["copy src=a dest=b"]);
    check_tasks("- action:\n    module: copy src=a\n    dest: b", &["copy dest=b src=a"]);
    check_tasks("- local_action: shell echo hi there", &["shell cmd=echo hi there"]);
    check_tasks("- meta: flush_handlers", &["meta action=flush_handlers"]);
    check_tasks("- set_fact: a=1 b='{{ c }} d'", &["set_fact a=1 b={{ c }} d"]);
    check_tasks("- debug:", &["debug"]);
    check_tasks("- shell: |\n    a=1\n    echo $a\n", &["shell cmd=a=1\necho $a\n"]);
}

#[test]
fn arguments_as_one_template() {
    let project = Project::new(&[(
        "site.yml",
        &in_play("- copy: '{{ all }}'\n- file:\n  args: '{{ more }}'\n- set_fact: '{{ facts }}'"),
    )]);
    let loaded = project.load("site.yml");
    let templates: Vec<Option<&str>> = loaded.playbook.plays[0]
        .tasks
        .iter()
        .map(|item| match item {
            Item::Task(task) => match &task.action {
                Action::Module(module) => module.args_template.as_ref().and_then(crate::yaml::Node::as_str),
                Action::Include(_) | Action::Dynamic(_) => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(templates, [Some("{{ all }}"), Some("{{ more }}"), Some("{{ facts }}")]);
}

#[test]
fn local_action_delegates_to_the_controller() {
    let project = Project::new(&[(
        "site.yml",
        &in_play("- local_action: command ls\n- local_action: command ls\n  delegate_to: web"),
    )]);
    let loaded = project.load("site.yml");
    let hosts: Vec<Option<&str>> = loaded.playbook.plays[0]
        .tasks
        .iter()
        .map(|item| match item {
            Item::Task(task) => task.keywords.get("delegate_to").and_then(crate::yaml::Node::as_str),
            _ => None,
        })
        .collect();
    assert_eq!(hosts, [Some("localhost"), Some("web")]);
}

#[test]
fn blocks_nest_and_pass_on_what_they_say() {
    check_tasks(
        "- when: a\n  tags: x\n  block:\n    - command: one\n      when: b\n    - block:\n        - command: two\n  rescue:\n    - command: three\n  always:\n    - command: four",
        &[
            "block",
            "  command cmd=one when(b) [x] when(a)",
            "  block",
            "    command cmd=two [x] when(a)",
            "rescue",
            "  command cmd=three [x] when(a)",
            "always",
            "  command cmd=four [x] when(a)",
        ],
    );
}

#[test]
fn unknown_modules_name_the_nearest() {
    check_wrong("- comand: ls", &["P0202 there is no module `comand` | 3:7 `comand` | hint: did you mean `command`?"]);
    check_wrong(
        "- ansible.builtin.comand: ls",
        &[
            "P0202 there is no module `ansible.builtin.comand` | 3:7 `ansible.builtin.comand` | hint: did you mean `ansible.builtin.command`?",
        ],
    );
    check_wrong(
        "- name: x\n  zzzzzz: ls\n  when: y",
        &["P0202 there is no module `zzzzzz` | 4:7 `zzzzzz` | hint: `hostctl doc` lists the modules"],
    );
    check_wrong(
        "- action: comand ls",
        &["P0202 there is no module `comand` | 3:15 `comand` | hint: did you mean `command`?"],
    );
    check_wrong(
        "- dnf5: name=git",
        &[
            "P0210 hostctl does not have the module `dnf5` | 3:7 `dnf5` | hint: `hostctl doc` lists the modules; `command` or `shell` can often stand in",
        ],
    );
    check_wrong(
        "- include: x.yml",
        &[
            "P0214 there is no module `include` any more | 3:7 `include` | hint: use `include_tasks`, or `import_tasks` for a fixed name",
        ],
    );
}

#[test]
fn unknown_keywords_name_the_nearest_or_their_place() {
    check_wrong(
        "- command: ls\n  whne: x",
        &["P0101 a task has no keyword `whne` | 4:7 `whne` | hint: did you mean `when`?"],
    );
    check_wrong(
        "- command: ls\n  gather_facts: no",
        &[
            "P0102 `gather_facts` cannot stand in a task | 4:7 `gather_facts` | hint: `gather_facts`: gather facts at the play's start",
        ],
    );
    check_problems(
        "- hosts: all\n  task: []\n  command: ls\n  when: x\n",
        &[
            "P0101 a play has no keyword `task` | 2:3 `task` | hint: did you mean `tasks`?",
            "P0101 a play has no keyword `command` | 3:3 `command` | hint: `command` is a module: write it as a task under `tasks:`",
            "P0102 `when` cannot stand in a play | 4:3 `when` | hint: `when`: run only if this holds",
        ],
    );
    check_wrong(
        "- include_tasks: x.yml\n  become: true",
        &[
            "P0102 `become` cannot stand in an include | 4:7 `become` | hint: `become`: become another user for the task",
        ],
    );
    check_wrong(
        "- import_playbook: x.yml",
        &[
            "P0102 `import_playbook` cannot stand in a task | 3:7 `import_playbook` | hint: put it at the left margin of the playbook: `- import_playbook: FILE`",
        ],
    );
    check_wrong("- command: ls\n  1: x", &["P0101 expected a keyword of a task, found an integer | 4:7 `1`"]);
}

#[test]
fn a_task_has_one_module_and_one_loop() {
    check_wrong(
        "- name: nothing\n  when: x",
        &["P0204 the task calls no module | 3:7 `name` | hint: add a module, such as `command: ...`"],
    );
    check_wrong(
        "- command: ls\n  debug: msg=x",
        &[
            "P0205 both `command` and `debug` in one task | 4:7 `debug` | 3:7 `command` | hint: a task calls one module: start the second with `- `",
        ],
    );
    check_wrong(
        "- command: ls\n  loop: [1]\n  with_items: [2]",
        &[
            "P0104 both `loop` and `with_items` in one task | 5:7 `with_items` | 4:7 `loop` | hint: a task has one loop; to nest loops, put the inner one into a file for `include_tasks`",
        ],
    );
    check_wrong(
        "- block:\n    - command: ls\n  command: ls",
        &[
            "P0203 both `block` and the module `command` in one task | 5:7 `command` | 3:7 `block` | hint: make the module a task of its own, inside of the block",
        ],
    );
    check_wrong(
        "- command: ls\n  with_itms: [1]",
        &["P0105 there is no loop `with_itms` | 4:7 `with_itms` | hint: did you mean `with_items`?"],
    );
    check_wrong(
        "- action: command ls\n  local_action: command ls",
        &["P0104 both `action` and `local_action` in one task | 4:7 `local_action` | 3:7 `action`"],
    );
}

#[test]
fn wrong_arguments_are_shown_where_they_stand() {
    check_wrong(
        "- copy: [a]",
        &[
            "P0206 expected arguments of `copy` as a mapping or text, found a list | 3:13 `[a]` | 3:7 `copy` | hint: write the arguments as `name: value` lines, without `- `",
        ],
    );
    check_wrong(
        "- copy: src=a \"dest=b",
        &[
            "P0212 `\"` is never closed in the arguments of `copy` | 3:19 `\"` | hint: close it, or write the arguments as a mapping; `\\'` or `\\\"` is a plain quote",
        ],
    );
    check_wrong(
        "- copy: src=a to b",
        &[
            "P0213 `copy` takes no free text | 3:19 `to b` | hint: write the arguments as `name: value` lines below the module",
        ],
    );
    check_wrong("- copy: {_ansible_x: 1}", &["P0206 the argument `_ansible_x` is reserved | 3:14 `_ansible_x`"]);
    check_wrong(
        "- command: ls\n  args: [a]",
        &[
            "P0103 expected `args` as a mapping, found a list | 4:13 `[a]` | 4:7 `args` | hint: write `key: value` lines below it",
        ],
    );
    check_wrong(
        "- action: {src: a}",
        &[
            "P0206 expected a module's name and its arguments | 3:15 `{src: a}` | 3:7 `action` | hint: write `MODULE: ARGUMENTS` instead",
        ],
    );
}

#[test]
fn tasks_and_plays_have_their_shape() {
    check_wrong(
        "- just text",
        &["P0211 expected a task as a mapping, found a string | 3:7 `just text` | hint: write `- MODULE: ARGUMENTS`"],
    );
    check_problems(
        "- hosts: all\n  tasks:\n    command: ls\n",
        &[
            "P0201 expected `tasks` as a list of tasks, found a mapping | 3:5 `command: ls` | hint: put `- ` before the task's first line",
        ],
    );
    check_problems(
        "hosts: all\n",
        &[
            "P0002 expected a list of plays in `DIR/site.yml`, found a mapping | 1:1 `hosts: all` | hint: a play starts with `- hosts: PATTERN`",
        ],
    );
    check_problems(
        "",
        &[
            "P0002 expected a list of plays in `DIR/site.yml`, found nothing | 1:1 `` | hint: a play starts with `- hosts: PATTERN`",
        ],
    );
    check_problems(
        "- text\n",
        &[
            "P0003 expected a play as a mapping, found a string | 1:3 `text` | hint: a play starts with `- hosts: PATTERN`",
        ],
    );
    check_problems(
        "- name: x\n  tasks: []\n",
        &[
            "P0004 the play does not say on which hosts it runs | 1:3 `name` | hint: add `hosts: all` or another host pattern",
        ],
    );
    check_problems(
        "- hosts: all\n  roles: web\n",
        &[
            "P0103 expected `roles` as a list, found a string | 2:10 `web` | hint: write each role on a line of its own: `- NAME`",
        ],
    );
    check_problems(
        "- hosts: all\n  user: a\n  remote_user: b\n",
        &["P0104 `user` and `remote_user` mean the same | 3:3 `remote_user` | hint: keep `remote_user`"],
    );
}

#[test]
fn handlers_are_tasks_and_blocks_at_the_top() {
    let text = "- hosts: all\n  handlers:\n    - name: a\n      listen: x\n      command: ls\n    - block:\n        - name: b\n          command: ls\n";
    check_problems(text, &[]);
    check_problems(
        "- hosts: all\n  handlers:\n    - block:\n        - block:\n            - command: ls\n    - include_role: {name: x}\n    - meta: end_role\n",
        &[
            "P0208 a handler cannot be a block inside of a block | 4:11 `block:` | hint: list the handlers one by one; `listen` runs several at once",
            "P0208 `include_role` cannot be a handler | 6:7 `include_role` | hint: use `include_tasks` with a file of the role",
            "P0209 `end_role` cannot stand in a handler | 7:13 `end_role` | hint: `meta: end_host` ends the play for this host, `meta: end_play` for all",
        ],
    );
    check_wrong(
        "- command: ls\n  listen: x",
        &["P0102 `listen` cannot stand in a task | 4:7 `listen` | hint: `listen`: topics that notify the handler"],
    );
    check_wrong(
        "- meta: end_role",
        &[
            "P0209 `end_role` can stand in a role only | 3:13 `end_role` | hint: `meta: end_host` ends the play for this host, `meta: end_play` for all",
        ],
    );
}

#[test]
fn all_mistakes_of_a_file_come_at_once_and_in_order() {
    check_wrong(
        "- comand: ls\n- command: ls\n  whne: x\n- name: nothing",
        &[
            "P0202 there is no module `comand` | 3:7 `comand` | hint: did you mean `command`?",
            "P0101 a task has no keyword `whne` | 5:7 `whne` | hint: did you mean `when`?",
            "P0204 the task calls no module | 6:7 `name` | hint: add a module, such as `command: ...`",
        ],
    );
}

#[test]
fn task_numbers_are_unique() {
    let project = Project::new(&[("site.yml", &in_play("- command: a\n- command: b\n- block:\n    - command: c"))]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        fn walk(items: &[Item], ids: &mut Vec<u64>) {
            for item in items {
                match item {
                    Item::Task(task) => ids.push(task.id.0),
                    Item::Block(block) => walk(&block.body, ids),
                    Item::Role(_) => {}
                }
            }
        }
        walk(&project.load("site.yml").playbook.plays[0].tasks, &mut ids);
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), all), (6, 6));
}
