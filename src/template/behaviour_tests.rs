//! What the table can not show: places of errors, laziness, other hosts, files, checks, speed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result, SourceMap, Span};
use crate::value::{Value, python_repr};
use crate::vars::{Entry, HostVars, Layer, Level, Scope};
use crate::yaml::{LoadOptions, load};

use super::table_tests::{node, setup};
use super::{FileOptions, LookupHost, Templates};

fn show(templates: &Templates, diag: &Diagnostic) -> String {
    let text = |span: Span| {
        let file = templates.sources().file(span.file).unwrap();
        file.text[span.start as usize..span.end as usize].to_owned()
    };
    let labels: Vec<String> =
        diag.labels.iter().map(|label| format!("[{}|{}]", text(label.span), label.text)).collect();
    let mut out = format!("{} {} {}", diag.code, diag.message, labels.join(""));
    for note in &diag.notes {
        out += &format!(" note: {note}");
    }
    for hint in &diag.hints {
        out += &format!(" hint: {hint}");
    }
    out
}

fn fails(vars: &str, text: &str) -> String {
    let (templates, scope, _) = setup(vars);
    let node = node(&templates, text);
    show(&templates, &templates.render(&node, &scope).expect_err("it fails"))
}

fn gives(vars: &str, text: &str) -> String {
    let (templates, scope, _) = setup(vars);
    let node = node(&templates, text);
    match templates.render(&node, &scope) {
        Ok(value) => python_repr(&value),
        Err(diag) => show(&templates, &diag),
    }
}

#[test]
fn an_undefined_name_is_marked_exactly_and_the_nearest_is_named() {
    assert_eq!(
        fails("mirror_url: http://m\n", "deb {{ mirorr_url }}/x"),
        "T0101 `mirorr_url` is not defined [mirorr_url|not defined] hint: did you mean `mirror_url`? (vars.yml:1:13)"
    );
    assert_eq!(
        fails("m: {port: 1, host: h}\n", "{{ m.prot + 1 }}"),
        "T0101 a mapping has no attribute `prot` [prot|no `prot` here] note: it has `port`, `host` hint: did you mean `port`?"
    );
}

#[test]
fn a_failure_inside_a_variable_shows_the_way_to_it() {
    assert_eq!(
        fails("a: 'x{{ b }}'\nb: '{{ nope }}'\n", "{{ a }}"),
        "T0101 `nope` is not defined [nope|not defined][b|`b` is used here][a|`a` is used here] \
         hint: define it, or give a default: `nope | default('...')`"
    );
}

#[test]
fn errors_of_filters_operators_and_syntax_have_places() {
    assert_eq!(
        fails("a: 1\n", "{{ a | fooo }}").split(" hint").next().unwrap(),
        "T0104 there is no filter `fooo` [fooo|in this filter]"
    );
    assert_eq!(
        fails("a: x\n", "n: {{ 1 + a }}"),
        "T0103 `+` does not work on an integer and a string [1 + a|] hint: turn the text into a number with `| int`, or join text with `~`"
    );
    assert!(
        fails("a: 1\n", "{{ a | combine(1) }}")
            .starts_with("T0103 `combine` wants mappings, found an integer [combine(1)|in this filter]")
    );
    assert!(fails("a: 1\n", "{{ a ").starts_with("T0100 `{{` is never closed by `}}`"));
    assert!(fails("a: 1\n", "{% if a %}x").starts_with("T0100"));
    assert!(fails("a: 1\n", "{{ a.append }}").starts_with("T0101"));
}

#[test]
fn a_cycle_names_every_variable_on_it() {
    assert_eq!(
        fails("a: '{{ b }}'\nb: '{{ c }}x'\nc: '{{ a }}'\n", "{{ a }}").split(" hint").next().unwrap(),
        "T0102 `a` refers to itself ['{{ b }}'|`a`]['{{ c }}x'|`b`]['{{ a }}'|`c`] note: `a` -> `b` -> `c` -> `a`"
    );
    assert!(fails("m: {x: '{{ m.x }}'}\n", "{{ m.x }}").starts_with("T0102 `{{ m.x }}` refers to itself"));
    assert!(fails("m: {x: '{{ m }}'}\n", "{{ m }}").starts_with("T0102"));
    assert_eq!(gives("m: {x: '{{ m.y }}', y: 1}\n", "{{ m }}"), "{'x': 1, 'y': 1}");
}

#[test]
fn only_what_is_used_is_rendered() {
    let vars = "m: {good: 1, bad: '{{ nope }}'}\nl: ['{{ nope }}', 2]\nunused: '{{ broken( }}'\n";
    assert_eq!(gives(vars, "{{ m.good + l[1] }}"), "3");
    assert_eq!(gives(vars, "{{ m | length }} {{ 'bad' in m }}"), "'2 True'");
    assert!(gives(vars, "{{ m }}").starts_with("T0101"));
    assert_eq!(gives(vars, "{{ vars.m.good }}"), "1");
}

#[test]
fn data_is_never_rendered() {
    let (templates, scope, _) = setup("x: 1\n");
    let evil = Value::from("{{ x }}{{ lookup('pipe', 'id') }}");
    let scope = scope.with(Layer::data(
        Level::SetFact,
        "register",
        [(Arc::from("out"), evil.clone()), (Arc::from("m"), Value::from(crate::map! { "a" => evil }))],
    ));
    for text in [
        "{{ out }}",
        "{{ m.a }}",
        "{{ m['a'] }}",
        "{{ [out] | first }}",
        "{{ (m | combine({})).a }}",
        "{{ lookup('vars', 'out') }}",
        "{{ '%s' % out }}",
    ] {
        let found = templates.render(&node(&templates, text), &scope).unwrap();
        assert_eq!(found, Value::from("{{ x }}{{ lookup('pipe', 'id') }}"), "{text}");
    }
    let condition = templates.condition(&node(&templates, "{{ out }}"), &scope).expect_err("no data as a condition");
    assert_eq!(condition.code, "T0106");
}

struct Two(SourceMapped);
type SourceMapped = Vec<(Arc<str>, Scope)>;

impl HostVars for Two {
    fn hosts(&self) -> Vec<Arc<str>> {
        self.0.iter().map(|(name, _)| Arc::clone(name)).collect()
    }
    fn scope(&self, host: &str) -> Option<Scope> {
        self.0.iter().find(|(name, _)| **name == *host).map(|(_, scope)| scope.clone())
    }
}

#[test]
fn hostvars_render_in_the_other_hosts_scope() {
    let sources = SourceMap::new();
    let layer = |text: &str| {
        let file = sources.add("h", None, text);
        Layer::source(Level::InventoryHost, "h", &load(&sources, &file, &LoadOptions::default()).documents[0])
    };
    let a = Scope::from_layers(vec![layer("addr: '10.0.0.{{ n }}'\nn: 1\n")]);
    let b = Scope::from_layers(vec![layer("addr: '10.0.0.{{ n }}'\nn: 2\nbad: '{{ nope }}'\n")]);
    let hosts = Arc::new(Two(vec![("a".into(), a.clone()), ("b".into(), b)]));
    let magic = Layer {
        origin: crate::vars::Origin { level: Level::Magic, name: "magic".into() },
        entries: Arc::new([(Arc::from("hostvars"), Entry::HostVars(hosts))].into_iter().collect()),
    };
    let scope = a.with(magic);
    let templates = Templates::new(Arc::clone(&sources), Arc::new(super::table_tests::Plain));
    let check = |text: &str, expected: &str| {
        let found = templates.render(&node(&templates, text), &scope);
        assert_eq!(found.map_or_else(|diag| diag.message.clone(), |value| python_repr(&value)), expected);
    };
    check("{{ hostvars['b'].addr }} {{ addr }}", "'10.0.0.2 10.0.0.1'");
    check("{{ hostvars.keys() }}", "['a', 'b']");
    check("{{ 'b' in hostvars and 'c' not in hostvars }}", "True");
    check("{{ ['a', 'b'] | map('extract', hostvars, 'addr') | list }}", "['10.0.0.1', '10.0.0.2']");
    check("{% for h in hostvars %}{{ hostvars[h].n }}{% endfor %}", "'12'");
    check("{{ hostvars.c.x | default('no') }}", "'no'");
    check("{{ hostvars['b']['bad'] | default('d') }}", "'d'");
    check(
        "{{ hostvars | type_debug }} {{ hostvars.b | type_debug }} {{ vars | type_debug }}",
        "'HostVars HostVarsVars dict'",
    );
    check("{{ hostvars is mapping and hostvars.b is mapping and hostvars.b.keys is callable }}", "True");
}

struct Folder(PathBuf);

impl LookupHost for Folder {
    fn find(&self, subfolder: &str, name: &str, _: &Scope) -> Option<PathBuf> {
        [self.0.join(subfolder).join(name), self.0.join(name)].into_iter().find(|path| path.exists())
    }
    fn folders(&self, subfolder: &str, _: &Scope) -> Vec<PathBuf> {
        vec![self.0.join(subfolder), self.0.clone()]
    }
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| Diagnostic::local("T0103", error.to_string()))
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn pipe(&self, _: &str) -> Result<String> {
        Ok(String::new())
    }
    fn unseal(&self, text: &str) -> Result<String> {
        Ok(text.to_owned())
    }
}

#[test]
fn files_include_import_and_extend_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("files/one.glob", "");
    write("templates/inc.j2", "inc {{ x }}{{ item | default('') }}\n");
    write("templates/macros.j2", "{% macro m(a) %}<{{ a }}{{ x }}>{% endmacro %}{% set v = 7 %}");
    write("templates/bare.j2", "{% macro m() %}{{ x | default('none') }}!{% endmacro %}text");
    write("templates/base.j2", "begin\n{% block body %}default{% endblock %}\nend\n");
    write("files/table.csv", "a,1\nb,2\n");
    write("files/c.ini", "[s]\nk = v\n");
    let (plain, scope, _) = setup("x: 1\n");
    drop(plain);
    let templates = Templates::new(SourceMap::new(), Arc::new(Folder(folder.path().to_owned())));
    let check = |text: &str, expected: &str| {
        let file = templates.sources().add("t.j2", None, text);
        match templates.file(&file, &FileOptions::default(), &scope) {
            Ok(found) => assert_eq!(found, expected, "{text}"),
            Err(diag) => panic!("{}", show(&templates, &diag)),
        }
    };
    check("a {% include 'inc.j2' %} b\n", "a inc 1 b\n");
    check("{% for item in [1, 2] %}{% include 'inc.j2' %},{% endfor %}", "inc 11,inc 12,");
    check("{% include 'nope.j2' ignore missing %}x", "x");
    check("{% include ['nope.j2', 'inc.j2'] %}", "inc 1");
    check("{% import 'macros.j2' as m with context %}{{ m.m(5) }}{{ m.v }}|{{ m }}", "<51>7|");
    check("{% from 'macros.j2' import m as n, v with context %}{{ n(v) }}", "<71>");
    check("{% import 'bare.j2' as m %}{{ m.m() }}{{ m }}{{ m.m.arguments }}", "none!text[]");
    check("{% for i in [1] %}{% include 'bare.j2' without context %}{% endfor %}", "text");
    check("{% extends 'base.j2' %}{% block body %}{{ super() }}+{{ x }}{% endblock %}", "begin\ndefault+1end");
    check("{{ 'a\\tb' }}\n", "a\tb\n");
    check("#jinja2: trim_blocks: False, newline_sequence: '\\r\\n'\n{% if x %}\na\n{% endif %}\n", "\r\na\r\n");
    check("{{ lookup('template', 'inc.j2') }}|", "inc 1\n|");
    check("{{ lookup('csvfile', 'b file=table.csv delimiter=,') }}", "2");
    check("{{ lookup('ini', 'k', section='s', file='c.ini') }}", "v");
    check("{{ lookup('first_found', ['no', 'templates/inc.j2']) | basename }}", "inc.j2");
    let found = folder.path().join("files/one.glob").display().to_string();
    check("{{ lookup('fileglob', '*.glob') }}", &found);
    check("{{ [1, 2] }}", "[1, 2]");
    let broken = templates.sources().add("b.j2", None, "line\n{{ x.y }}\n");
    let diag = templates.file(&broken, &FileOptions::default(), &scope).expect_err("it fails");
    assert_eq!(templates.sources().place(diag.span().unwrap()), "b.j2:2:6");
}

#[test]
fn a_check_finds_everything_without_rendering() {
    let (templates, _, _) = setup("a: 1\n");
    let check = |text: &str, expression: bool| -> Vec<String> {
        let node = node(&templates, text);
        templates.check(&node, expression).iter().map(|diag| show(&templates, diag)).collect()
    };
    assert_eq!(
        check("{{ a | uper }} {{ b is definde }} {{ lookup('fiel', 1) }}", false),
        [
            "T0104 there is no filter `uper` [uper|unknown filter] hint: did you mean `upper`?",
            "T0105 there is no test `definde` [definde|unknown test] hint: did you mean `defined`?",
            "T0107 there is no lookup `fiel` ['fiel'|unknown lookup] hint: did you mean `file`?",
        ]
    );
    // Nothing is fetched or run for a check.
    assert!(
        check("{{ query('ansible.builtin.config', 'x') }}{{ lookup('url', 'http://nowhere/') }}", false).is_empty()
    );
    assert_eq!(check("a ==", true).len(), 1);
    assert_eq!(check("no template | at all", false).len(), 0);
    assert_eq!(check("x is version('1', '>=')", true).len(), 0);
}

#[test]
fn free_names_are_those_from_outside() {
    let (templates, _, _) = setup("a: 1\n");
    let text = "{% set l = a %}{% for i in items %}{{ i.x + l + b.c }}{% endfor %}{{ i }}{{ lookup('x', omit) }}";
    let node = node(&templates, text);
    let names: Vec<String> = templates.free_names(&node, false).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "items", "b", "i"]);
    let when = super::table_tests::node(&templates, "x is defined and y.z == 1");
    let spans = templates.free_names(&when, true);
    assert_eq!(spans[1].0, "y");
    assert_eq!((spans[1].1.start, spans[1].1.end), (17, 18));
}

#[test]
fn conditions_say_which_was_false_and_refuse_what_is_no_boolean() {
    let (templates, scope, _) = setup("a: 1\nl: []\nexpr: a == 1\n");
    let check = |text: &str| match templates.condition(&node(&templates, text), &scope) {
        Ok(Ok(())) => "true".to_owned(),
        Ok(Err(text)) => format!("false: {text}"),
        Err(diag) => show(&templates, &diag),
    };
    assert_eq!(check(" a == 2 "), "false: a == 2");
    assert_eq!(check("{{ expr }}"), "true");
    assert!(check("l").starts_with(
        "T0106 the condition is a list, not a boolean [l|a list] hint: to ask if it is not empty write `l | length > 0`"
    ));
    assert!(check("a + nope").starts_with("T0101 `nope` is not defined [nope|not defined]"));
}

#[test]
fn thousands_of_renders_are_quick() {
    let (templates, scope, _) = setup("x: 1\n");
    let node = node(&templates, "{{ x }}");
    let before = std::time::Instant::now();
    for _ in 0..5000 {
        assert_eq!(templates.render(&node, &scope).unwrap(), Value::Int(1));
    }
    println!("5000 renders: {:?}", before.elapsed());
}

#[test]
fn hostile_templates_end_in_errors() {
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(fails("a: 1\n", &deep).starts_with("T0100"));
    let sum = format!("{{{{ 1{} }}}}", " + 1".repeat(1500));
    assert_eq!(gives("a: 1\n", &sum), "1501");
    assert!(fails("a: 1\n", "{{ 'x' * 10 ** 12 }}").starts_with("T0108"));
    assert!(fails("a: 1\n", "{{ range(10 ** 12) }}").starts_with("T0108"));
    assert!(fails("a: 1\n", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").starts_with("T0102"));
    assert!(fails("a: 1\n", "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}").starts_with("T0102"));
    assert!(fails("a: 1\n", "{{ 2 ** 1000000 }}").starts_with("T0103"));
    // What has no end, what would nest as deep as its number, and what has few results on a long way.
    assert!(fails("a: 1\n", "{{ range(40) | permutations }}").starts_with("T0103"));
    assert!(fails("a: 1\n", "{{ range(100000) | permutations }}").starts_with("T0103"));
    assert_eq!(gives("a: 1\n", "{{ range(100) | combinations(99) | length }}"), "100");
    assert_eq!(gives("a: 1\n", "{{ range(3) | combinations(2) }}"), "[[0, 1], [0, 2], [1, 2]]");
    assert_eq!(gives("a: 1\n", "{{ range(3) | permutations(2) | map('join') | join(' ') }}"), "'01 02 10 12 20 21'");
    assert_eq!(gives("a: 1\n", "{{ range(3) | permutations(0) | length }}"), "1");
    assert_eq!(gives("a: 1\n", "{{ range(2) | combinations(3) | length }}"), "0");
    assert!(fails("a: 1\n", "{{ 10 ** 38 | random(start=-10 ** 38) }}").starts_with("T0"));
    for text in [
        "{{",
        "{%",
        "{#",
        "{{ '",
        "{{ \"\\",
        "{% raw %}",
        "{{ a[ }}",
        "{{ '\\",
        "{{ a | }}",
        "{% for %}{% endfor %}",
        "{{ é }}",
    ] {
        let _ = gives("a: 1\n", text);
    }
}

#[test]
fn a_template_in_a_condition_may_stand_for_an_expression() {
    let (templates, scope, _) = setup(
        "one: 1\nexpr: one == 1\nmap: {expr: one == 2, deep: {expr: one == 1}}\nlist: [one == 1, one > 0]\nvia: '{{ expr }}'\n",
    );
    let holds = |text: &str| templates.condition(&node(&templates, text), &scope).map_err(|diag| diag.code.to_string());
    assert_eq!(holds("{{ expr }}"), Ok(Ok(())));
    assert_eq!(holds("{{ map.deep.expr }}"), Ok(Ok(())));
    assert_eq!(holds("{{ map['deep'].expr }}"), Ok(Ok(())));
    assert_eq!(holds("{{ map.expr }}"), Ok(Err("one == 2".to_owned())));
    assert_eq!(holds("{{ list }}"), Err("T0106".to_owned()));
    assert_eq!(holds("{{ 'one == 1' }}"), Err("T0106".to_owned()));
    let listed = |text: &str| templates.listed_conditions(&node(&templates, text), &scope).unwrap();
    assert_eq!(listed("{{ list }}").map(|items| items.len()), Some(2));
    assert!(listed("list").is_none() && listed("{{ [expr] }}").is_none() && listed("{{ expr }}").is_none());
}

#[test]
fn what_is_sealed_is_known_by_its_source_and_opened_by_the_filter_with_its_own_secret() {
    let sealed = crate::vault::ansible::encrypt(b"hidden", &crate::secret::Secret::new("pw"), None).unwrap();
    let block: String = sealed.lines().map(|line| format!("    {line}\n")).collect();
    let vars = format!("v: !vault |\n{block}m:\n  k: !vault |\n{block}plain: x\n");
    assert_eq!(gives(&vars, "{{ v is vault_encrypted and m.k is vault_encrypted }}"), "True");
    assert_eq!(gives(&vars, "{{ plain is vault_encrypted or nope is defined }}"), "False");
    assert_eq!(gives(&vars, "{{ v | unvault('pw') }}{{ m['k'] | unvault('pw') }}"), "'hiddenhidden'");
}

#[test]
fn what_was_written_stays_and_blocks_see_what_stands_outside() {
    assert_eq!(gives("a: 1\n", "{% set l = [1] %}{{ l }}{% set _ = l.append(2) %}{{ l }}"), "'[1][1, 2]'");
    let loops = "{% for i in [1, 2] %}{% block b %}{{ i | default('-') }}{% endblock %}{% endfor %}";
    assert_eq!(gives("a: 1\n", loops), "'--'");
    assert_eq!(gives("a: 1\n", &loops.replace("block b", "block b scoped")), "'12'");
}
