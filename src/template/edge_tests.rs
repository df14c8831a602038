//! Values at the edge: sizes, counts and times that no machine has, keys of mixed types, a defect on the way.
//! What is expected is what ansible-core 2.19 gives, or that it is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::value::python_repr;
use crate::vars::Scope;

use super::table_tests::{node, setup};
use super::{LookupHost, Templates};

fn given(text: &str) -> Result<String> {
    let (templates, scope, _) = setup("a: 1\n");
    templates.render(&node(&templates, text), &scope).map(|value| python_repr(&value))
}

fn gives(text: &str, wanted: &str) {
    assert_eq!(given(text).as_deref().map_err(ToString::to_string), Ok(wanted), "{text}");
}

fn refused(text: &str, code: &str, words: &str) {
    let error = given(text).expect_err(text);
    assert!(error.code == code && error.registered().contains(words), "{text}: {error:?}");
}

#[test]
fn sizes_are_kept_or_refused_and_never_cut() {
    gives("{{ 'a'.ljust(200000) | length }}", "200000");
    gives("{{ 'a'.rjust(200001, '-') | length }}", "200001");
    gives("{{ 'a' | center(200001) | length }}", "200001");
    gives("{{ '-7'.zfill(200000) | length }}", "200000");
    gives("{{ 'a%cb'.__class__ is defined }}", "False");
    gives("{{ ('%c' % 9).expandtabs(5000) | length }}", "5000");
    gives("{{ 'a' | indent(20000, true) | length }}", "20001");
    gives("{{ 'a' | comment(prefix_count=2000) | length }}", "4005");
    gives("{{ [1] | product(repeat=100) | first | length }}", "100");
    gives("{{ [1, 2] | product('ab', repeat=2) | list | length }}", "16");
    gives("{{ [1, 2] | product('ab') | map('join') | join(' ') }}", "'1a 1b 2a 2b'");
    gives("{{ [1, 2] | product(repeat=0) | list | string }}", "'[()]'");
    gives("{{ [1, 2] | product([], repeat=10 ** 30) | list }}", "[]");
    gives("{{ [1] | slice(150000) | list | length }}", "150000");
    gives("{{ '%*d|%-*d' % (-4, 7, 4, 7) }}", "'7   |7   '");
    for text in [
        "{{ 'a'.ljust(10 ** 30) }}",
        "{{ 'a'.center(5000000) }}",
        "{{ 'a'.zfill(10 ** 12) }}",
        "{{ ('%c' % 9).expandtabs(10 ** 30) }}",
        "{{ 'a' | indent(10 ** 30) }}",
        "{{ 'a' | comment(prefix_count=10 ** 30) }}",
        "{{ 'a' | comment(postfix_count=10 ** 9) }}",
        "{{ [1] | slice(10 ** 9) | list }}",
        "{{ lipsum(10 ** 9) }}",
    ] {
        refused(text, "T0108", "");
    }
    refused("{{ [1] | product(repeat=10 ** 9) }}", "T0103", "too long");
    refused("{{ [1] | product(repeat=-1) }}", "T0103", "repeat argument cannot be negative");
    refused("{{ [1] | slice(0) | list }}", "T0103", "integer division or modulo by zero");
    refused("{{ '%99999999999999999999d' % 1 }}", "T0103", "width too big");
    refused("{{ '%.99999999999999999999f' % 1 }}", "T0103", "precision too big");
    refused("{{ '{:99999999999999999999}'.format(1) }}", "T0103", "Too many decimal digits in format string");
}

#[test]
fn numbers_beyond_the_machine_do_no_harm() {
    gives("{{ 'a b'.split(' ', 18446744073709551615) }}", "['a', 'b']");
    gives("{{ 'a b'.rsplit(' ', 18446744073709551615) }}", "['a', 'b']");
    gives("{{ 'x' | truncate(18446744073709551615) }}", "'x'");
    refused("{{ now().fromordinal(10 ** 15) }}", "T0103", "signed integer is greater than maximum");
    refused("{{ now().fromordinal(3652060) }}", "T0103", "year 10000 is out of range");
    refused("{{ now().fromordinal(2147483647) }}", "T0103", "year 5879611 is out of range");
    refused("{{ now().fromordinal(10 ** 30) }}", "T0103", "Python int too large to convert to C long");
    refused("{{ now().fromordinal(0) }}", "T0103", "ordinal must be >= 1");
    gives("{{ now().fromordinal(3652059) | string }}", "'9999-12-31 00:00:00'");
    gives("{{ '192.0.2.7' | ansible.utils.ipsubnet(24, '-170141183460469231731687303715884105727') }}", "False");
    gives("{{ '192.0.2.7' | ansible.utils.ipsubnet(24, '170141183460469231731687303715884105727') }}", "False");
}

#[test]
fn a_range_is_no_list_and_no_result() {
    refused("{{ range(3) }}", "T0103", "Type 'range' is unsupported for variable storage.");
    refused("{{ range(3) + [1] }}", "T0103", "unsupported operand");
    gives("x {{ range(3) }} {{ range(1, 5, 2) }} {{ range(3) ~ '' }}", "'x range(0, 3) range(1, 5, 2) range(0, 3)'");
    gives("{{ [range(3) == [0, 1, 2], range(3) == range(0, 3), range(3) == range(4)] }}", "[False, True, False]");
    gives("{{ [range(3) | type_debug, range(3)[1], 2 in range(3), range(0) | length] }}", "['range', 1, True, 0]");
    gives("{{ range(3) | list + [5] }}", "[0, 1, 2, 5]");
}

#[test]
fn counts_are_asked_before_the_work() {
    gives("{{ [] * 10 ** 15 }}", "[]");
    gives("{{ (() * 10 ** 30) | string }}", "'()'");
    gives("{{ range(5, 1) | list + range(0, -3, -1) | list + range(0, 5, 2) | list }}", "[0, -1, -2, 0, 2, 4]");
    gives(
        "{{ range(170141183460469231731687303715884105727, -170141183460469231731687303715884105727) | list }}",
        "[]",
    );
    gives("{{ range(200000) | length }}", "200000");
    for text in [
        "{{ range(0, -170141183460469231731687303715884105727 - 1, -1) }}",
        "{{ range(-170141183460469231731687303715884105727, 170141183460469231731687303715884105727) }}",
        "{{ lookup('sequence', 'start=0 end=-170141183460469231731687303715884105728 stride=-1') }}",
        "{{ lookup('sequence', 'start=1 end=60000 format=%01000d') }}",
        "{{ ('{0}' * 60).format('a' * 100000) }}",
        "{{ ('%s' * 60) % ((('a' * 100000),) * 60) }}",
        "{{ ('{0:100000}' * 200).format(1) }}",
        "{{ ('%100000d' * 200) % ((1,) * 200) }}",
    ] {
        refused(text, "T0108", "");
    }
}

#[test]
fn keys_of_several_types_are_written_in_the_order_that_they_have() {
    gives("{{ {9.5: 1, 10.5: 2, true: 3} | to_yaml }}", "'{true: 3, 9.5: 1, 10.5: 2}\\n'");
    gives("{{ {10: 1, 9: 2} | to_yaml }}", "'{9: 2, 10: 1}\\n'");
    gives("{{ {'b': 1, 2: 2, 'a': 3} | to_yaml }}", "'{b: 1, 2: 2, a: 3}\\n'");
    let many = "{{ dict((range(400) | list + range(400) | map('string') | list) | shuffle(seed=0) | zip(range(800))) \
                | to_yaml | length > 4000 }}";
    gives(many, "True");
}

/// A controller with a defect.
struct Broken;

impl LookupHost for Broken {
    fn find(&self, _: &str, _: &str, _: &Scope) -> Option<PathBuf> {
        None
    }
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        Err(Diagnostic::local("T0103", path.display().to_string()))
    }
    fn env(&self, name: &str) -> Option<String> {
        panic!("no variable {name}")
    }
    fn pipe(&self, command: &str) -> Result<String> {
        Ok(command.to_owned())
    }
    fn unseal(&self, text: &str) -> Result<String> {
        Ok(text.to_owned())
    }
}

#[test]
fn a_defect_fails_what_asked_for_the_template_and_nothing_else() {
    let templates = Templates::new(SourceMap::new(), Arc::new(Broken));
    let scope = Scope::new();
    for text in ["{{ lookup('env', 'X') }}", "a {% for i in [1, 2] %}{{ lookup('env', 'X') }}{% endfor %}"] {
        let node = node(&templates, text);
        let errors = [
            templates.render(&node, &scope).map(drop),
            templates.render_for_people(&node, &scope).map(drop),
            templates.file(&templates.sources().add("f", None, text), &super::FileOptions::default(), &scope).map(drop),
        ];
        for error in errors {
            let error = error.expect_err(text);
            assert_eq!(error.code, "X0001");
            assert!(error.message.starts_with("the template crashed: no variable X (src/template/"), "{error:?}");
            assert!(!error.labels.is_empty() && error.hints[0].contains("report it"));
        }
    }
    let terms = [crate::value::Value::from("X")];
    let span = node(&templates, "x").place();
    assert!(templates.lookup("env", &terms, &crate::value::Map::new(), span, &scope).is_err());
    assert!(templates.expression("lookup('env', 'X')", span, &scope).is_err());
    let condition = templates.condition(&node(&templates, "lookup('env', 'X') == 1"), &scope);
    assert_eq!(condition.expect_err("a defect").code, "X0001");
    // The engine is as good as new.
    let value = templates.render(&node(&templates, "{{ 1 + 1 }}"), &scope);
    assert_eq!(value.ok(), Some(crate::value::Value::from(2_i64)));
}
