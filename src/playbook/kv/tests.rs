//! The expected values were printed by ansible-core 2.19's own `split_args` and `parse_kv`.

use super::*;
use crate::diag::{SourceMap, Span};

/// Text, its words, its options (free text as `_raw_params`); `!` stands for an error.
type Table = &'static [(&'static str, &'static [&'static str], &'static [(&'static str, &'static str)])];

#[rustfmt::skip]
const PLAIN: Table = &[
    ("", &[], &[]),
    ("x", &["x"], &[("_raw_params", "x")]),
    ("name=vim", &["name=vim"], &[("name", "vim")]),
    ("msg=\"two words\"", &["msg=\"two words\""], &[("msg", "two words")]),
    ("\"one two\"", &["\"one two\""], &[("_raw_params", "\"one two\"")]),
    ("ls -l /tmp", &["ls", "-l", "/tmp"], &[("_raw_params", "ls -l /tmp")]),
    ("src=a.txt dest=\"/tmp/b c\"", &["src=a.txt", "dest=\"/tmp/b c\""], &[("src", "a.txt"), ("dest", "/tmp/b c")]),
    ("msg=\"say \\\"hi there\\\"\" n=1", &["msg=\"say \\\"hi there\\\"\"", "n=1"], &[("msg", "say \"hi there\""), ("n", "1")]),
    ("msg=\"it's\"", &["msg=\"it's\""], &[("msg", "it's")]),
    ("msg='a \"b\" c'", &["msg='a \"b\" c'"], &[("msg", "a \"b\" c")]),
    (" ", &[" "], &[("_raw_params", " ")]),
    ("   ", &["   "], &[("_raw_params", "   ")]),
    ("\\ ", &[" "], &[("_raw_params", " ")]),
    ("k\\=v", &["k\\=v"], &[("_raw_params", "k=v")]),
    ("k\\=v=w", &["k\\=v=w"], &[("k\\=v", "w")]),
    ("=x", &["=x"], &[("_raw_params", "=x")]),
    ("a=", &["a="], &[("a", "")]),
    ("a= b", &["a=", "b"], &[("a", ""), ("_raw_params", "b")]),
    ("a=\"x\ny\"", &["a=\"x\ny\""], &[("a", "x\ny")]),
    ("a=\"x\n\n\ny\"", &["a=\"x\n\n\ny\""], &[("a", "x\n\n\ny")]),
    ("a=\"one\ntwo\\\nthree\n\"", &["a=\"one\ntwo\\\nthree\n\""], &[("a", "one\ntwo\\\nthree\n")]),
    ("a=\"1\\\n\" b=\"2\n\"", &["a=\"1\\\n\"", "b=\"2\n\""], &[("a", "1\\\n"), ("b", "2\n")]),
    ("echo \\\nhi", &["echo", "hi"], &[("_raw_params", "echo hi")]),
    ("echo \\\n  hi there", &["echo ", "hi", "there"], &[("_raw_params", "echo  hi there")]),
    ("end}}", &["end}}"], &[("_raw_params", "end}}")]),
    ("a={{x\ny}}", &["a={{x\ny}}"], &[("a", "{{x\ny}}")]),
    ("a={{x}}", &["a={{x}}"], &[("a", "{{x}}")]),
    ("a={{ x }}", &["a={{ x }}"], &[("a", "{{ x }}")]),
    ("a={% x %}", &["a={% x %}"], &[("a", "{% x %}")]),
    ("a={# x #}", &["a={# x #}"], &[("a", "{# x #}")]),
    ("a=\"{{x}}\"", &["a=\"{{x}}\""], &[("a", "{{x}}")]),
    ("a={{ x }}{{y}}", &["a={{ x }}{{y}}"], &[("a", "{{ x }}{{y}}")]),
    ("a={{x}}-{{ y }}", &["a={{x}}-{{ y }}"], &[("a", "{{x}}-{{ y }}")]),
    ("a={{x}} b={{y}}", &["a={{x}}", "b={{y}}"], &[("a", "{{x}}"), ("b", "{{y}}")]),
    ("a=\"{{x}}\n\" b=2", &["a=\"{{x}}\n\"", "b=2"], &[("a", "{{x}}\n"), ("b", "2")]),
    ("a=\"größe ß\" ü=ä", &["a=\"größe ß\"", "ü=ä"], &[("a", "größe ß"), ("ü", "ä")]),
    ("a={{ x | f(' ', \" \") }} b=c", &["a={{ x | f(' ', \" \") }}", "b=c"], &[("a", "{{ x | f(' ', \" \") }}"), ("b", "c")]),
    ("a={{ x }} trailing", &["a={{ x }}", "trailing"], &[("a", "{{ x }}"), ("_raw_params", "trailing")]),
    ("Un\n  deux\n   trois\n", &["Un\n ", "deux\n  ", "trois\n"], &[("_raw_params", "Un\n  deux\n   trois\n")]),
    ("\nUn\n  deux\n", &["\n", "Un\n ", "deux\n"], &[("_raw_params", "\nUn\n  deux\n")]),
    ("a=b=c", &["a=b=c"], &[("a", "b=c")]),
    ("a=\\n b=\\t", &["a=\\n", "b=\\t"], &[("a", ""), ("b", "")]),
    ("a=\\x41\\u00e4 c", &["a=\\x41\\u00e4", "c"], &[("a", "Aä"), ("_raw_params", "c")]),
    ("a=C:\\dir", &["a=C:\\dir"], &[("a", "C:\\dir")]),
    ("a=\"x\" \"y z\"", &["a=\"x\"", "\"y z\""], &[("a", "x"), ("_raw_params", "\"y z\"")]),
    ("a=b   c=d", &["a=b  ", "c=d"], &[("a", "b"), ("c", "d")]),
    ("a=\"b  c\"", &["a=\"b  c\""], &[("a", "b  c")]),
    ("free a=b text", &["free", "a=b", "text"], &[("a", "b"), ("_raw_params", "free text")]),
    ("a='\\'' b", &["a='\\''", "b"], &[("a", "'"), ("_raw_params", "b")]),
    ("a=\"q\" b='r' c=\"s", &[], &[("!", "")]),
];

#[rustfmt::skip]
const FREE_FORM: Table = &[
    ("echo a=b", &["echo", "a=b"], &[("_raw_params", "echo a=b")]),
    ("creates=/x", &["creates=/x"], &[("creates", "/x")]),
    ("echo a=b chdir=/tmp creates=\"/a b\"", &["echo", "a=b", "chdir=/tmp", "creates=\"/a b\""], &[("chdir", "/tmp"), ("creates", "/a b"), ("_raw_params", "echo a=b")]),
    ("sh -c \"x=1 y\"", &["sh", "-c", "\"x=1 y\""], &[("_raw_params", "sh -c \"x=1 y\"")]),
    ("chdir={{ d }} make all", &["chdir={{ d }}", "make", "all"], &[("chdir", "{{ d }}"), ("_raw_params", "make all")]),
    ("echo \"a\\nb\"", &["echo", "\"a\\nb\""], &[("_raw_params", "echo \"a\\nb\"")]),
    ("a\\=b executable=/bin/bash", &["a\\=b", "executable=/bin/bash"], &[("executable", "/bin/bash"), ("_raw_params", "a=b")]),
];

const UNBALANCED: &[&str] = &["\"", "'", "{{", "{%", "{#", "a=\"b", "a={{ b", "x {% if", "say it's"];

fn check(text: &str, free_form: bool, words: &[&str], options: &[(&str, &str)]) {
    if options == [("!", "")] {
        assert!(parse_kv(text, free_form).is_err(), "{text:?}");
        return;
    }
    let split: Vec<String> = split_args(text).expect(text).into_iter().map(|word| word.text).collect();
    assert_eq!(split, words, "{text:?}");
    let parsed = parse_kv(text, free_form).expect(text);
    let mut found: Vec<(String, String)> = Vec::new();
    for (key, value) in parsed.options {
        found.retain(|(name, _)| *name != key.text);
        found.push((key.text, value.text));
    }
    found.extend(parsed.raw.map(|raw| ("_raw_params".to_owned(), raw.text)));
    found.sort();
    let mut expected: Vec<(String, String)> =
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    expected.sort();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn splits_as_ansible_does() {
    for (text, words, options) in PLAIN {
        check(text, false, words, options);
    }
}

#[test]
fn takes_only_known_options_out_of_commands() {
    for (text, words, options) in FREE_FORM {
        check(text, true, words, options);
    }
}

#[test]
fn says_where_the_open_quote_or_block_is() {
    for text in UNBALANCED {
        assert!(split_args(text).is_err(), "{text:?}");
    }
    assert_eq!(split_args("a=b c=\"d"), Err(Unbalanced { opener: "\"", at: 6 }));
    assert_eq!(split_args("a=b c={{ d"), Err(Unbalanced { opener: "{{", at: 6 }));
}

#[test]
fn values_keep_their_place() {
    let map = SourceMap::new();
    let source = "- copy: src=\"a b\" dest={{ x }}\\tz";
    let file = map.add("t.yml", None, source);
    let node = Node::text(&source[8..], Span::new(file.id, 8, u32::try_from(source.len()).unwrap()));
    let parsed = parse_kv(&source[8..], false).unwrap();
    let text = |span: Span| &source[span.start as usize..span.end as usize];
    let (key, value) = &parsed.options[0];
    assert_eq!(text(key.to_node(&node).span), "src");
    let value = value.to_node(&node);
    assert_eq!((text(value.span), value.as_str()), ("a b", Some("a b")));
    let dest = parsed.options[1].1.to_node(&node);
    assert_eq!(dest.as_str(), Some("{{ x }}\tz"));
    assert_eq!(text(dest.text_span(3, 4)), "x");
    // After the escape that became one character.
    assert_eq!(text(dest.text_span(8, 9)), "z");
}

#[test]
fn joined_free_text_keeps_its_places() {
    let source = "echo a  creates=/x b";
    let map = SourceMap::new();
    let file = map.add("t.yml", None, source);
    let node = Node::text(source, Span::new(file.id, 0, u32::try_from(source.len()).unwrap()));
    let raw = parse_kv(source, true).unwrap().raw.unwrap();
    assert_eq!(raw.text, "echo a  b");
    let raw = raw.to_node(&node);
    let span = raw.text_span(8, 9);
    assert_eq!(&source[span.start as usize..span.end as usize], "b");
}
