//! Data is never rendered: facts, results, what lookups read, on any way through a template.

use std::sync::Arc;

use crate::value::{Value, python_repr};
use crate::vars::{Layer, Level, Scope};

use super::Templates;
use super::table_tests::{node, setup};

/// What a hostile host sends.
const EVIL: &str = "{{ marker }}{% set x = marker %}{{ x }}{# c #}";

const VARS: &str = r#"
marker: M4RK3R
via: '{{ evil }}'
twice: '{{ via }}'
list_via: ['{{ evil }}', {k: '{{ evil }}'}]
built: "{{ '{' ~ '{ marker }' ~ '}' }}"
constant: "{{ '{{ marker }}' }}"
unsafe: !unsafe '{{ marker }}'
"#;

fn hostile() -> (Templates, Scope) {
    let (templates, source, _) = setup(VARS);
    let map = crate::map! { "k" => EVIL, EVIL => "v" };
    let data: [(Arc<str>, Value); 5] = [
        ("evil".into(), Value::from(EVIL)),
        ("evils".into(), Value::from(vec![Value::from(EVIL), Value::from(EVIL)])),
        ("evil_map".into(), Value::from(map)),
        ("results".into(), Value::from(vec![Value::from(crate::map! { "key" => EVIL, "value" => EVIL })])),
        ("holds".into(), Value::from("marker == 'M4RK3R'")),
    ];
    let mut layers: Vec<Layer> = source.layers().to_vec();
    layers.push(Layer::data(Level::Facts, "facts", data));
    (templates, Scope::from_layers(layers))
}

/// Renders; whatever comes out, the marker's value is not in it.
fn attack(templates: &Templates, scope: &Scope, text: &str) {
    if let Ok(value) = templates.render(&node(templates, text), scope) {
        let shown = python_repr(&value);
        assert!(!shown.to_uppercase().contains("M4RK3R"), "{text}: {shown}");
    }
}

#[test]
fn the_marker_is_there_to_be_found() {
    let (templates, scope) = hostile();
    let value = templates.render(&node(&templates, "{{ marker }}"), &scope).unwrap();
    assert_eq!(value, Value::from("M4RK3R"));
    let value = templates.render(&node(&templates, "{{ twice }}"), &scope).unwrap();
    assert_eq!(value, Value::from(EVIL));
}

#[test]
fn no_filter_renders_what_it_is_given() {
    let (templates, scope) = hostile();
    // Thousands of rounds, or of items.
    let slow = ["password_hash", "vault", "unvault", "permutations", "combinations", "product"];
    for name in super::filters::names().filter(|name| !slow.contains(name)) {
        for text in [
            format!("{{{{ evil | {name} }}}}"),
            format!("{{{{ evils | {name} }}}}"),
            format!("{{{{ evil_map | {name} }}}}"),
            format!("{{{{ results | {name} }}}}"),
            format!("{{{{ evil | {name}(evil) }}}}"),
            format!("{{{{ evils | {name}(evil) }}}}"),
            format!("{{{{ evils | {name}(evils) }}}}"),
            format!("{{{{ evil_map | {name}(evil_map) }}}}"),
            format!("{{{{ evil_map | {name}('k') }}}}"),
            format!("{{{{ evils | map('{name}') | list }}}}"),
            format!("{{{{ evil | {name}(evil, evil) }}}}"),
            format!("{{% filter {name} %}}{{{{ evil }}}}{{% endfilter %}}"),
            format!("{{% set y | {name} %}}{{{{ evil }}}}{{% endset %}}{{{{ y }}}}"),
        ] {
            attack(&templates, &scope, &text);
        }
    }
}

#[test]
fn no_lookup_renders_what_it_is_given_or_reads() {
    let (templates, scope) = hostile();
    // `password` writes a file.
    for name in super::lookups::NAMES.iter().filter(|name| **name != "password") {
        for text in [
            format!("{{{{ lookup('{name}', evil) }}}}"),
            format!("{{{{ query('{name}', evils) }}}}"),
            format!("{{{{ query('{name}', evil_map) }}}}"),
            format!("{{{{ query('{name}', evil, default=evil) }}}}"),
            format!("{{{{ lookup('{name}', evil, errors='ignore') }}}}"),
            format!("{{{{ query('{name}', [evil], evils) }}}}"),
            format!("{{{{ query('{name}', list_via) }}}}"),
        ] {
            attack(&templates, &scope, &text);
        }
    }
    for text in [
        "{{ lookup('file', 'text.txt') }}",
        "{{ lookup('file', 'text.txt') | from_yaml_all | list }}",
        "{{ lookup('unvault', 'text.txt') }}",
        "{{ query('file', 'text.txt') | map('upper') | list }}",
        "{{ lookup('vars', 'evil') }}{{ lookup('vars', 'via') }}{{ lookup('vars', 'ev' ~ 'il') }}",
        "{{ lookup('template', 'lookup.j2', template_vars={'a': evil}) }}",
    ] {
        attack(&templates, &scope, text);
        let shown = templates.render(&node(&templates, text), &scope).map(|value| python_repr(&value));
        assert!(!shown.unwrap_or_default().contains("'1 is not"), "{text}");
    }
}

#[test]
fn no_way_through_a_template_renders_data() {
    let (templates, scope) = hostile();
    for text in [
        "{{ evil }}{{ evil }}",
        "x{{ via }}{{ twice }}{{ list_via }}",
        "{{ built }}{{ constant }}{{ unsafe }}",
        "{{ evil_map }}{{ evil_map.keys() | list }}{{ evil_map[evil] }}",
        "{{ {evil: evil} }}{{ dict([[evil, evil]]) }}{{ [evil] }}",
        "{{ '%s' % evil }}{{ '{}'.format(evil) }}{{ '{x}'.format(x=evil) }}{{ evil.format(marker=1) }}{{ evil % {} }}",
        "{{ '{' ~ '{ marker }' ~ '}' }}{{ '{{ mar' ~ 'ker }}' }}",
        "{{ evil.replace('x', 'y') }}{{ evil.split() | join(' ') }}{{ evil[0:12] }}{{ evil | list | join }}",
        "{% macro m(x) %}{{ x }}{{ caller() if caller is defined }}{% endmacro %}{{ m(evil) }}{% call m(evil) %}{{ evil }}{% endcall %}",
        "{% set y = evil %}{{ y }}{% set z %}{{ evil }}{% endset %}{{ z }}{{ z ~ z }}",
        "{% for c in evils %}{{ c }}{% endfor %}{% for k, v in evil_map.items() %}{{ k }}{{ v }}{% endfor %}",
        "{% with q = evil %}{{ q }}{% endwith %}{% if evil %}{{ evil }}{% endif %}",
        "{% set ns = namespace(v=evil) %}{% set ns.w = evil %}{{ ns.v }}{{ ns.w }}",
        "{{ evils | map('extract', {evil: evil}) | list }}{{ [0] | map('extract', evils) | list }}",
        "{{ evils | map('regex_replace', '^', evil) | list }}{{ 'a' | regex_replace('a', evil) }}",
        "{{ ('[\"' ~ evil ~ '\"]') | from_json }}{{ ('- \"' ~ evil ~ '\"') | from_yaml }}",
        "{{ evil | b64encode | b64decode }}{{ evil | to_json | from_json }}{{ evil_map | to_nice_yaml | from_yaml }}",
        "{{ undef(evil) | default(evil) }}{{ nothing | default(evil) }}",
        "{{ vars['evil'] }}{{ vars.via }}{{ vars.evil_map.k }}",
        "{% include 'part.j2' %}{% import 'macros.j2' as m %}{{ m.field(evil) }}{{ m.wrap }}",
        "{% set inner = evil %}{% include 'part.j2' %}",
        "{{ lookup('items', ['{{ evil }}', evil]) }}{{ lookup('list', '{{ via }}') }}",
        "{{ cycler(evil, evil).next() }}{{ joiner(evil) }}{{ evil if true else marker }}",
    ] {
        attack(&templates, &scope, text);
    }
    for data in [EVIL, "{{ marker }}"] {
        // A node that is data by its tag, and one that is source with data in it.
        let text = format!("a {data}").replace("{{ marker }}", "{{ evil }}").replace("marker", "evil");
        attack(&templates, &scope, &text);
    }
}

#[test]
fn data_is_no_condition() {
    let (templates, scope) = hostile();
    for text in [
        "holds",
        "{{ holds }}",
        "{{ evil }}",
        "evil",
        "'{{ holds }}'",
        "\"{{ holds }}\" == 'M4RK3R'",
        "{{ holds | upper | lower }}",
        "{{ [holds] | first }}",
        "{% if true %}{{ holds }}{% endif %}",
        "lookup('vars', 'holds')",
        "holds and 'M4RK3R' in evil",
        "'M4RK3R' in evil",
        "evil == 'M4RK3R'",
        "'{{ evil }}' == 'M4RK3R'",
        "'M4RK3R' in '{{ evil }}'",
        "'M4RK3R' in lookup('items', '{{ evil }}')",
    ] {
        let found = templates.condition(&node(&templates, text), &scope);
        assert!(!matches!(found, Ok(Ok(()))), "{text}");
    }
}
