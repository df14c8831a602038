#!/usr/bin/env python3
"""Makes tests/data/templates.json: expressions with what ansible-core 2.19 gives for them.

Run with a Python that has ansible-core 2.19 and passlib with bcrypt:  python tests/oracle/make_templates.py
The file is committed; the unit tests need only the file. `--rows FILE OUT`: the templates of a file, one a line, into
another table, which the test reads where `HOSTCTL_TEMPLATE_TABLE` names it.
"""
import json
import os
import pathlib
import re
import sys

os.environ["TZ"] = "UTC"
os.environ["ANSIBLE_DEPRECATION_WARNINGS"] = "0"

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.yaml.loader import AnsibleLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.display import Display
import yaml

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import template_rows

Display.warning = lambda *a, **k: None
Display.deprecated = lambda *a, **k: None

VARS = r"""
one: 1
zero: 0
neg: -7
pi: 3.14159
big: 123456789012345678901234567890
text: hello world
empty: ''
path: /etc/nginx/conf.d/site.conf
none: null
yes_text: 'yes'
yes: true
nope: false
num_text: '42'
multi: "line one\nline two\n\nline four\n"
names: [carol, Alice, bob, alice]
nums: [3, 1, 2, 3]
mixed: [1, '1', 1.5, true, null]
nested: [1, [2, [3, [4]]], null]
users:
- {name: alice, uid: 1000, groups: [wheel, docker], admin: true, home: {path: /home/alice}}
- {name: bob, uid: 1001, groups: [users], admin: false, home: {path: /home/bob}}
- {name: carol, uid: 999, groups: [], admin: true}
conf: {port: 80, host: example.org, opts: {debug: false, level: 3}, list: [1, 2]}
conf2: {port: 81, opts: {level: 4, extra: x}, list: [2, 3]}
intkeys: {80: http, 443: https}
lazy_one: '{{ one + 1 }}'
lazy_two: '{{ lazy_one * 2 }}'
lazy_map: {good: '{{ one }}', bad: '{{ not_there }}'}
lazy_list: ['{{ one }}', '{{ text | upper }}', plain]
lazy_bad: '{{ not_there }}'
lazy_text: 'v{{ one }}.{{ zero }}'
day: 2024-02-29
moment: 2024-02-29 13:14:15
result_ok: {changed: true, failed: false, rc: 0, stdout: 'a', stdout_lines: [a]}
result_bad: {changed: false, failed: true, rc: 2, msg: boom}
result_skip: {skipped: true, changed: false}
json_text: '{"a": [1, 2.5, null, true], "b": "x"}'
yaml_text: "a: 1\nb: [yes, 0o17, 1_000, ~]\n"
url: https://user:pw@example.org:8443/a/b.html?x=1&y=2#frag
umlaut: Grüße
version: 1.10.2
quoted: it's "so"
back: 'C:\dir\new'
"""

T = r"""
{{ one }}
{{ one + 1 }}
{{ one }}{{ one }}
x{{ one }}
{{ pi }}
{{ big }}
{{ big + 1 }}
{{ big * 10 }}
{{ none }}
{{ none }}x
{{ empty }}
{{ yes }}
{{ yes }} {{ nope }}
{{ names }}
list: {{ names }}
{{ conf }}
map: {{ conf }}
{{ intkeys }}
{{ intkeys[80] }}
{{ intkeys['80'] | default('no') }}
{{ 80 in intkeys }}
{{ '80' in intkeys }}
{{ lazy_one }}
{{ lazy_two }}
{{ lazy_map.good }}
{{ lazy_map.bad | default('d') }}
{{ lazy_map.bad is defined }}
{{ lazy_map | length }}
{{ lazy_list }}
{{ lazy_list[1] }}
{{ lazy_bad | default('d') }}
{{ lazy_bad is defined }}
{{ lazy_text }}
{{ lazy_text | length }}
{{ not_there }}
{{ not_there.a.b }}
{{ not_there | default('x') }}
{{ not_there.a.b | default('x') }}
{{ conf.nope.deeper | default('x') }}
{{ conf['nope'] | default('x') }}
{{ conf.nope }}
{{ empty | default('x') }}
{{ empty | default('x', true) }}
{{ none | default('x') }}
{{ none | default('x', true) }}
{{ none | default('x', boolean=True) }}
{{ zero | default(5, true) }}
{{ not_there | default }}
{{ not_there | default(omit) }}
{{ [1, omit, 2] }}
{{ {'a': omit, 'b': 1} }}
a{{ omit }}b
{{ not_there is undefined }}
{{ not_there is not defined }}
{{ conf.port is defined and conf.port == 80 }}
{{ 1 + 2 * 3 }}
{{ (1 + 2) * 3 }}
{{ 7 / 2 }}
{{ 6 / 2 }}
{{ 7 // 2 }}
{{ neg // 2 }}
{{ 7.5 // 2 }}
{{ neg % 3 }}
{{ 7 % -3 }}
{{ 7.5 % 2 }}
{{ 2 ** 10 }}
{{ 2 ** -1 }}
{{ 2 ** 0.5 }}
{{ 2 ** 100 }}
{{ -one }}
{{ -one | abs }}
{{ 1 - 1.0 }}
{{ 1.5 + 1.5 }}
{{ 1e3 }}
{{ 1_000 }}
{{ 0x1f }}
{{ true + true }}
{{ 'a' + 'b' }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.0 }}
{{ 'ab' * 3 }}
{{ [1, 2] * 2 }}
{{ [1] + [2] }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ 1 / 0 }}
{{ 'a' 'b' }}
{{ 1 == 1.0 }}
{{ 1 == true }}
{{ '1' == 1 }}
{{ [1, 2] == [1, 2] }}
{{ {'a': 1} == {'a': 1.0} }}
{{ 1 < 2 < 3 }}
{{ 1 < 3 < 2 }}
{{ 'a' < 'b' }}
{{ 'a' < 1 }}
{{ [1, 2] < [1, 3] }}
{{ 2 in [1, 2] }}
{{ 'ell' in text }}
{{ 3 not in nums }}
{{ 'port' in conf }}
{{ not one }}
{{ not one == 1 }}
{{ one and text }}
{{ zero or text }}
{{ zero and text }}
{{ 'yes' if one else 'no' }}
{{ 'yes' if zero else 'no' }}
{{ ('x' if zero) is defined }}
{{ 1 if true else not_there }}
{{ names[0] }}
{{ names[-1] }}
{{ names[1:3] }}
{{ names[::-1] }}
{{ names[:-1] }}
{{ names[10] | default('none') }}
{{ names.0 }}
{{ text[0] }}
{{ text[-5:] }}
{{ text[::2] }}
{{ text[1:-1] }}
{{ (1, 2) }}
{{ (1, 2) | string }}
{{ (1,) | string }}
{{ [] }}
{{ {} }}
{{ {'a': 1, 2: 'b'} }}
{{ {'a': [1, {'b': none}]} | string }}
{{ 'a\tb' }}
{{ 'a\\b' }}
{{ "it's" }}
{{ 'say "x"' | string ~ '' }}
{{ ['it''s'] | string }}
{{ [quoted] | string }}
{{ [multi] | string }}
{{ [umlaut, 'x'] | string }}
{{ '%s-%d' % ('a', 3) }}
{{ '%05.2f|%-5s|%5s|%x|%e' % (3.14159, 'ab', 'cd', 255, 12345.678) }}
{{ '%(a)s' % {'a': 1} }}
{{ '%s' % [1, 2] }}
{{ '%d%%' % 50 }}
{{ '%s' % none }}
{{ '%d' % 'x' }}
{{ '%+d % d %#x %o %g %g' % (3, 4, 255, 8, 1e10, 0.0001) }}
{{ '%r' % 'a' }}
{{ '{} {}'.format(1, 'b') }}
{{ '{0} {1} {0}'.format(1, 2) }}
{{ '{a:>5}|{b:<5}|{c:^5}|'.format(a=1, b='x', c='y') }}
{{ '{:05d} {:.2f} {:,} {:x} {:#b} {:e} {:%}'.format(42, 3.14159, 1234567, 255, 5, 1234.5, 0.25) }}
{{ '{:>10}|{:*^9}|{:<4}|'.format('a', 'b', 'c') }}
{{ '{0[a]} {1[0]}'.format({'a': 1}, [2]) }}
{{ '{!r}'.format('x') }}
{{ '{{}}'.format() }}
{{ text.upper() }}
{{ text.title() }}
{{ text.capitalize() }}
{{ text.split() }}
{{ text.split('o') }}
{{ text.split('o', 1) }}
{{ text.rsplit('o', 1) }}
{{ '  a b  '.strip() }}
{{ '  a b  '.lstrip() }}
{{ 'xxaxx'.strip('x') }}
{{ text.startswith('hello') }}
{{ text.endswith(('x', 'world')) }}
{{ text.replace('o', '0') }}
{{ text.replace('o', '0', 1) }}
{{ text.find('wor') }}
{{ text.find('zzz') }}
{{ text.index('w') }}
{{ text.count('l') }}
{{ ','.join(['a', 'b']) }}
{{ text.partition(' ') }}
{{ text.rpartition('x') }}
{{ '7'.zfill(3) }}
{{ 'a'.center(5, '*') }}
{{ 'ab'.center(5, '*') }}
{{ 'a'.ljust(3) ~ '|' }}
{{ 'a'.rjust(3) }}
{{ multi.splitlines() }}
{{ 'abc'.isdigit() }}
{{ '12'.isdigit() }}
{{ 'aB'.swapcase() }}
{{ 'prefix-x'.removeprefix('prefix-') }}
{{ 'A'.isupper() }}
{{ text.encode() | b64encode }}
{{ conf.keys() }}
{{ conf.values() }}
{{ conf.items() }}
{{ conf.get('port') }}
{{ conf.get('x') }}
{{ conf.get('x', 5) }}
{{ conf.opts.level }}
{{ conf['opts']['level'] }}
{{ conf.keys() | list }}
{{ users | map(attribute='name') | list }}
{{ users | map(attribute='home.path', default='none') | list }}
{{ users | map(attribute='uid') | sum }}
{{ users | selectattr('admin') | map(attribute='name') | list }}
{{ users | rejectattr('admin') | map(attribute='name') | list }}
{{ users | selectattr('uid', 'gt', 999) | map(attribute='name') | list }}
{{ users | selectattr('name', 'match', '^[ab]') | map(attribute='name') | list }}
{{ users | selectattr('groups', 'contains', 'docker') | map(attribute='name') | list }}
{{ users | selectattr('home', 'defined') | map(attribute='name') | list }}
{{ users | selectattr('name', 'in', ['bob']) | list | length }}
{{ users | selectattr('name', 'equalto', 'bob') | first }}
{{ users | groupby('admin') }}
{{ users | groupby('admin') | map('first') | list }}
{{ users | sort(attribute='uid') | map(attribute='name') | list }}
{{ users | sort(attribute='name', reverse=true) | map(attribute='name') | list }}
{{ users | subelements('groups') }}
{{ users | subelements('nope', skip_missing=True) }}
{{ users | items2dict(key_name='name', value_name='uid') }}
{{ users | json_query_missing }}
{{ users | map('dict2items') | first | first }}
{{ users | map(attribute='groups') | flatten }}
{{ users | max(attribute='uid') }}
{{ users | min(attribute='uid') }}
{{ users | map(attribute='nope') | list }}
{{ users | map(attribute='name') | map('upper') | join(',') }}
{{ users | map(attribute='name') | map('regex_replace', '^(.)', 'X\\1') | list }}
{{ users | map('combine', {'k': 1}) | map(attribute='k') | list }}
{{ nums | select('odd') | list }}
{{ nums | reject('eq', 3) | list }}
{{ nums | select('in', [1, 2]) | list }}
{{ mixed | select | list }}
{{ mixed | reject | list }}
{{ mixed | select('string') | list }}
{{ mixed | map('string') | list }}
{{ mixed | map('int') | list }}
{{ names | sort }}
{{ names | sort(case_sensitive=true) }}
{{ names | sort(reverse=true) }}
{{ nums | sort }}
{{ mixed | sort }}
{{ names | unique }}
{{ names | unique(case_sensitive=true) }}
{{ nums | unique }}
{{ nums | max }}
{{ nums | min }}
{{ nums | sum }}
{{ nums | sum(start=10) }}
{{ [] | max | default('none') }}
{{ names | first }}
{{ names | last }}
{{ [] | first | default('none') }}
{{ [] | first }}
{{ names | length }}
{{ text | length }}
{{ conf | length }}
{{ none | length }}
{{ names | join(', ') }}
{{ nums | join }}
{{ users | join(',', attribute='name') }}
{{ names | reverse | list }}
{{ text | reverse }}
{{ names | batch(3) | list }}
{{ names | batch(3, 'x') | list }}
{{ nums | slice(3) | list }}
{{ nums | slice(3, 'x') | list }}
{{ nested | flatten }}
{{ nested | flatten(levels=1) }}
{{ nested | flatten(skip_nulls=False) }}
{{ text | list }}
{{ conf | list }}
{{ [1, 2] | zip(['a', 'b']) }}
{{ [1, 2] | zip(['a', 'b']) | string }}
{{ [1, 2] | zip_longest([3], fillvalue=0) }}
{{ [1, 2] | product(['a', 'b']) }}
{{ [1, 2, 3] | combinations(2) }}
{{ [1, 2, 3] | permutations(2) | length }}
{{ [1, 2] | permutations }}
{{ [1, 2] | union([2, 3]) | sort }}
{{ [1, 2] | intersect([2, 3]) }}
{{ [1, 2] | difference([2, 3]) }}
{{ [1, 2] | symmetric_difference([2, 3]) | sort }}
{{ [{'a': 1}] | union([{'a': 1}, {'b': 2}]) }}
{{ [{'a': 1}, {'b': 2}] | difference([{'a': 1}]) }}
{{ [{'a': 1}, {'b': 2}] | intersect([{'a': 1}]) }}
{{ conf | combine(conf2) }}
{{ conf | combine(conf2, recursive=true) }}
{{ conf | combine(conf2, recursive=true, list_merge='append') }}
{{ conf | combine(conf2, list_merge='append_rp') }}
{{ conf | combine(conf2, list_merge='prepend_rp') }}
{{ conf | combine(conf2, list_merge='keep') }}
{{ conf | combine({}) == conf }}
{{ [conf, conf2] | combine }}
{{ {} | combine({'a': 1}, {'b': 2}) }}
{{ {'a': 1} | combine([{'b': 2}, {'c': 3}]) }}
{{ conf | combine('x') }}
{{ conf.opts | dict2items }}
{{ conf.opts | dict2items(key_name='k', value_name='v') }}
{{ [{'key': 'a', 'value': 1}] | items2dict }}
{{ [{'key': 'a'}] | items2dict }}
{{ 'x' | dict2items }}
{{ conf2 | dictsort }}
{{ {'b': 1, 'A': 2} | dictsort }}
{{ {'b': 1, 'A': 2} | dictsort(by='value') }}
{{ {'b': 1, 'A': 2} | dictsort(case_sensitive=true, reverse=true) }}
{{ conf.opts | items | list }}
{{ ['port', 'host'] | map('extract', conf) | list }}
{{ 'opts' | extract(conf, 'level') }}
{{ 0 | extract(names) }}
{{ 'x' | extract(conf) | default('d') }}
{{ users | rekey_on_member('name') | list }}
{{ 'abc' | upper }}
{{ 'ABC' | lower }}
{{ 'hello wORLD foo-bar' | title }}
{{ 'hELLO' | capitalize }}
{{ '  x ' | trim }}
{{ 'xxax' | trim('x') }}
{{ 5 | upper }}
{{ text | replace('o', '0') }}
{{ text | truncate(8) }}
{{ text | truncate(5, true, '') }}
{{ 'x' | center(5) }}
{{ multi | indent(2) }}
{{ multi | indent(2, true) }}
{{ multi | indent(2, blank=true) }}
{{ multi | indent('> ') }}
{{ 'a b c d e f g' | wordwrap(5) }}
{{ text | wordcount }}
{{ '<b>x</b> y' | striptags }}
{{ '<b>' | escape }}
{{ '<b>' | e }}
{{ text | quote }}
{{ quoted | quote }}
{{ empty | quote }}
{{ none | quote }}
{{ 'safe-1.2' | quote }}
{{ 'a b' | split }}
{{ 'a,b,c' | split(',') }}
{{ 'a,b,c' | split(',', 1) }}
{{ '%s %s' | format(1, 'x') }}
{{ '%(a)s' | format(a=1) }}
{{ 1000 | filesizeformat }}
{{ 123456789 | filesizeformat(true) }}
{{ 'text' | comment }}
{{ 'text' | comment('c') }}
{{ 'a\nb' | comment('xml') }}
{{ multi | comment('cblock') }}
{{ 'x' | comment(decoration='! ') }}
{{ 'x' | comment('plain', prefix='##', postfix='##', prefix_count=2) }}
{{ num_text | int }}
{{ 'x' | int }}
{{ 'x' | int(5) }}
{{ '1f' | int(base=16) }}
{{ '0x1f' | int(0, 16) }}
{{ '0b11' | int(base=2) }}
{{ 3.9 | int }}
{{ '3.9' | int }}
{{ true | int }}
{{ none | int }}
{{ '12345678901234567890123' | int }}
{{ num_text | float }}
{{ 'x' | float(1.5) }}
{{ 3 | float }}
{{ pi | round }}
{{ pi | round(2) }}
{{ pi | round(1, 'ceil') }}
{{ pi | round(1, 'floor') }}
{{ 2.5 | round }}
{{ 42 | round }}
{{ 42 | round(1, 'floor') }}
{{ 4 | root }}
{{ 27 | root(3) }}
{{ 2 | pow(5) }}
{{ 8 | log(2) }}
{{ 100 | log(10) }}
{{ 1 | log }}
{{ neg | abs }}
{{ -1.5 | abs }}
{{ 1024 | human_readable }}
{{ 123456789 | human_readable }}
{{ 123456789 | human_readable(isbits=true) }}
{{ 123456789 | human_readable(unit='G') }}
{{ 10 | human_readable }}
{{ '1.5 GB' | human_to_bytes }}
{{ '10M' | human_to_bytes }}
{{ '512' | human_to_bytes }}
{{ '2' | human_to_bytes(default_unit='K') }}
{{ '1Mb' | human_to_bytes(isbits=true) }}
{{ '1Xb' | human_to_bytes }}
{{ yes_text | bool }}
{{ 'no' | bool }}
{{ 'True' | bool }}
{{ 1 | bool }}
{{ 0 | bool }}
{{ 'maybe' | bool }}
{{ none | bool }}
{{ yes | ternary('a', 'b') }}
{{ nope | ternary('a', 'b') }}
{{ none | ternary('a', 'b', 'c') }}
{{ none | ternary('a', 'b') }}
{{ yes | ternary(1, not_there) }}
{{ text | b64encode }}
{{ umlaut | b64encode }}
{{ 'aGVsbG8=' | b64decode }}
{{ '_-8=' | b64decode(encoding='latin-1', urlsafe=true) }}
{{ text | hash }}
{{ text | hash('md5') }}
{{ text | hash('sha256') }}
{{ text | hash('nope') }}
{{ text | md5 }}
{{ text | sha1 }}
{{ text | checksum }}
{{ text | to_uuid }}
{{ 'secret' | password_hash('sha512', 'saltsalt') }}
{{ 'secret' | password_hash('sha512', 'saltsalt', rounds=10000) }}
{{ 'secret' | password_hash('sha256', 'abc') }}
{{ conf | to_json }}
{{ mixed | to_json }}
{{ umlaut | to_json }}
{{ umlaut | to_json(ensure_ascii=false) }}
{{ conf | to_nice_json }}
{{ conf | to_nice_json(indent=2) }}
{{ conf | to_nice_json(sort_keys=false) }}
{{ conf | to_json(indent=2, sort_keys=true) }}
{{ conf | to_json(separators=(',', ':')) }}
{{ [] | to_nice_json }}
{{ {} | to_nice_json }}
{{ [[], {}, [1]] | to_nice_json }}
{{ intkeys | to_json }}
{{ 1.0 | to_json }}
{{ none | to_json }}
{{ quoted | to_json }}
{{ multi | to_json }}
{{ day | to_json }}
{{ moment | to_json }}
{{ json_text | from_json }}
{{ '[1, "a"' | from_json }}
{{ '"x"' | from_json }}
{{ yaml_text | from_yaml }}
{{ '- a\n- b' | from_yaml }}
{{ "a: 1\n---\nb: 2" | from_yaml_all | list }}
{{ conf | to_yaml }}
{{ conf | to_nice_yaml }}
{{ conf | to_nice_yaml(indent=2) }}
{{ conf | to_nice_yaml(sort_keys=false) }}
{{ users | to_nice_yaml }}
{{ users | to_yaml }}
{{ names | to_yaml }}
{{ names | to_nice_yaml }}
{{ text | to_yaml }}
{{ yes_text | to_yaml }}
{{ one | to_yaml }}
{{ none | to_yaml }}
{{ empty | to_yaml }}
{{ [empty, 'yes', 'null', '1', '1.5', 'a: b', '- x', '#c', 'a #b', "it's", ' lead', 'trail ', '@x', '*a', '!b', '%c', '?', '-', 'x:', 'true', '~', '=', '<<', '0x1', '1_0', '12:30', '2024-01-01', '{', '[a', 'a,b', '|', '>', '"q"', '`'] | to_nice_yaml }}
{{ [empty, 'yes', 'a, b', 'c: d', '[x]', 'y'] | to_yaml }}
{{ [multi, umlaut, "tab\there", 'x' * 100, ('word ' * 40)] | to_nice_yaml }}
{{ {'a': multi, 'b': 'x\\y', 'c': 'é' } | to_nice_yaml }}
{{ {'k': ('word ' * 40) | trim} | to_nice_yaml }}
{{ {'k': ("it's a word " * 12) | trim ~ ':'} | to_nice_yaml }}
{{ {'k': ('word ' * 40) | trim} | to_nice_yaml(width=200) }}
{{ mixed | to_nice_yaml }}
{{ [1.0, 1e20, 1.5e-7, 100000000000000000000.0] | to_nice_yaml }}
{{ {'a': {}, 'b': [], 'c': {'d': []}, 'e': [[1, 2], [3]], 'f': [{'g': 1, 'h': 2}, {'i': [1]}]} | to_nice_yaml }}
{{ {'a': {}, 'b': [], 'c': {'d': []}, 'e': [[1, 2], [3]]} | to_yaml }}
{{ {'yes': 1, '1': 2, 'a b': 3, 'x:y': 4, '': 5} | to_nice_yaml }}
{{ intkeys | to_nice_yaml }}
{{ [day, moment] | to_nice_yaml }}
{{ {'a': 1} | to_nice_yaml(explicit_start=true, explicit_end=true) }}
{{ ['word ' * 3] * 12 | to_yaml }}
{{ (['some words'] * 12) | to_yaml }}
{{ text | to_yaml(default_style='|') }}
{{ [text, multi, 5, 1.5, none, true, '', ' lead\nx', 'a\n', 'a\n\n', '\n'] | to_nice_yaml(default_style='|') }}
{{ [text, multi, 5, 1.5, none, true, '', ' lead\nx', 'a\n', 'a\n\n', 'x\n  y\nz', 'word ' * 30 ~ 'end'] | to_nice_yaml(default_style='>') }}
{{ {'a': multi, 'b': ['x y', 1.5], 'c': {}} | to_nice_yaml(default_style='"') }}
{{ {'a': multi, 'b': ['x y', 1.5], 'c': {}} | to_nice_yaml(default_style="'") }}
{{ {'a': multi, 'b': ['x y', 1.5], 'c': {}} | to_yaml(default_style='|') }}
{{ {'a': multi, 'b': ['x y', 1.5], 'c': {}, 'd': []} | to_yaml(canonical=true) }}
{{ text | to_yaml(canonical=true) }}
{{ [+one, -one, one - +one, [+1, +pi]] }}
{{ +one }}
{{ {'a': +one} }}
{{ users | map(attribute='nope') | list }}
{{ users | map(attribute='home.path', default='-') | list }}
{{ [{'name': 'a'}] | subelements('groups') }}
{{ lookup('subelements', users, 'groups') }}
{{ query('subelements', users, 'home.list', {'skip_missing': true}) }}
{{ 'a' | regex_search('(?P<x>a)', '\\g<x>') }}
{{ 2 ** 3 ** 2 }}
{{ -2 ** 2 }}
{{ [1, 2, 3][::-1] }}
{{ 'hello'[1:-1:2] }}
{{ '%s-%d-%05.2f' % ('a', 3, pi) }}
{{ '%(a)s' % {'a': 1} }}
{{ '{0}-{x!r:>5}'.format(1, x='é') }}
{{ '{:,}'.format(1234567) }}
{{ '{:>{w}}'.format('a', w=4) }}
{{ 'a,b'.split(',') + ['c'] }}
{{ {'a': 1}.items() | list }}
{{ [1, 2].index(2) }}
{{ dict(a=1).get('b', 'z') }}
{% set l = [1] %}{{ l.append(2) }}{{ l }}
{% set d = {} %}{% if d.update({'a': 1}) %}{% endif %}{{ d }}
{% set d = {'a': [1]} %}{{ d.setdefault('a', []).append(2) }}{{ d.setdefault('b', 3) }}{{ d }}
{% set l = [3, 1] %}{{ l.sort() }}{{ l.pop() }}{{ l }}
{% set l = [1] %}{{ l.extend([2, 3]) }}{{ l.insert(0, 'x') }}{{ l.remove(2) }}{{ l }}
{% set ns = namespace(n=0) %}{% for i in nums %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}
{% macro m(a, b=2) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}{{ m(1, 3, 4, x=5) }}
{% macro m(a) %}[{{ caller(a) }}]{% endmacro %}{% call(x) m(7) %}{{ x }}{% endcall %}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.caller }}
{% raw %}{{ one }}{% endraw %}
{%- if one -%} x {%- endif -%} y
a {{- one -}} b
{%+ if one %}y{% endif %}
{% for k, v in {'a': 1}.items() recursive %}{{ loop.depth }}{{ k }}{{ v }}{% endfor %}
{% for i in nums if i > 1 %}{{ loop.index }}:{{ i }}{{ ',' if not loop.last }}{% else %}none{% endfor %}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}
{% filter upper | replace('A', 'x') %}abc{% endfilter %}
{% set x | upper %}abc{% endset %}{{ x }}
{% block a %}in block{% endblock %}{{ self.a() }}
{{ one + 1 }}
{{ one }}
{{ text | ansible.builtin.upper }}
{{ one is ansible.builtin.version('1', '>=') }}
{{ names | map('ansible.builtin.upper') | list }}
{{ names | select('ansible.builtin.match', '[a-b]') | list }}
{{ lookup('ansible.builtin.items', [1, [2]], wantlist=true) }}
{{ lookup('file', '/nonexistent/x', errors='ignore') }}
{{ query('file', '/nonexistent/x', errors='ignore') }}
{{ lookup('file', '/nonexistent/x', errors='ignore', wantlist=true) }}
{{ now().year > 2000 }}
{{ now(utc=true, fmt='%Y') | int > 2000 }}
{{ undef('no') | default('d') }}
{{ undef(hint='no') is defined }}
{{ (1 | combine(2)) | default('caught') }}
{{ (1 | combine(2)) is defined }}
{{ [true, none, 1.0, 'x', {'a': none}] }}
text {{ [true, none, 1.0, 'x', {'a': none}] }}
text {{ true }} {{ none }} {{ 1.0 }} {{ 1e20 }} {{ 1e-5 }} {{ day }} {{ moment }}
text {{ 'it''s' }} {{ ["it's"] }} {{ ['a"b'] }} {{ ['\n'] }} {{ ['é'] }}
{{ 10 // 3 }} {{ -10 // 3 }} {{ -10 % 3 }} {{ 10 / 4 }} {{ 2 ** -1 }} {{ 7 % -3 }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ 'a' ~ 1 ~ none ~ [1] }}
{{ 'x' * 3 }}{{ [1] * 2 }}
{{ not one }} {{ one and 'x' }} {{ zero or 'y' }}
{{ 'b' in 'abc' }} {{ 2 in [1, 2] }} {{ 'a' in {'a': 1} }} {{ 3 not in [1] }}
{{ 'yes' if one }}
[{{ 'yes' if zero }}]
{{ 0x1f }} {{ 0b11 }} {{ 0o17 }} {{ 1_000 }}
{{ (1, 2) }} {{ (1,) }} {{ () }}
{{ 'a' 'b' }}
{{ {'a': 1, 2: 'b'} }}
{{ users[0].name }}{{ users[0]['name'] }}{{ users.0.name }}{{ users | first | attr('name') }}
{{ 'abc' | list }} {{ {'a': 1} | list }}
{{ [1, [2]] | flatten }} {{ nested | flatten(levels=1) }}
{{ 'ab' | batch(1) | list }} {{ [1, 2, 3] | slice(2) | list }}
{{ 'x' | center(5) }}|{{ 'a b' | wordwrap(1) }}
{{ '<a href="x">t</a>' | striptags }} {{ '<' | e }} {{ 'http://a.b c' | urlize }}
{{ 'www.example.org and foo@example.org, https://x.y/z?q=1.' | urlize }}
{{ 'https://example.org/a-long-path' | urlize(10, true, target='_blank') }}
{{ 1234567 | filesizeformat }} {{ 1234567 | filesizeformat(true) }}
{{ {'a': 1, 'b': none} | xmlattr }}
{{ [3, 1, 2] | sort(reverse=true) }} {{ names | sort(case_sensitive=true) }}
{{ users | groupby('admin') }}
{{ users | sum(attribute='uid') }} {{ users | map(attribute='uid') | max }}
{{ names | unique }} {{ names | unique(case_sensitive=false) }}
{{ 'abc' | reverse }} {{ [1, 2] | reverse | list }}
{{ 3.7 | round }} {{ 3.75 | round(1) }} {{ 3.2 | round(0, 'ceil') }} {{ 3 | round }}
{{ '3.9' | int }} {{ 'x' | int(5) }} {{ '0x1f' | int(base=16) }} {{ 'x' | float(1.5) }}
{{ 'a b c' | title }} {{ 'it is a-b' | title }} {{ 'HELLO' | capitalize }}
{{ 'foo bar baz' | truncate(8) }} {{ 'foo bar baz' | truncate(8, true, '') }}
{{ 'a\nb' | indent(2, true) }}
{{ [1, 2] | pprint }} {{ {'a': 'x'} | pprint }}
{{ [1, 2] | random(seed='x') in [1, 2] }}
{{ 'x' | hash('md5') }} {{ 'x' | checksum }} {{ 'x' | md5 }}
{{ 'a' | to_uuid }} {{ 'b' | to_uuid(namespace='11111111-2222-3333-4444-555555555555') }}
{{ '2024-01-02 03:04:05' | to_datetime }} {{ ('2024-01-02' | to_datetime('%Y-%m-%d')).day }}
{{ (('2024-01-03 00:00:00' | to_datetime) - ('2024-01-02 12:00:00' | to_datetime)).total_seconds() }}
{{ '%j %U %a %B %y %I %p' | strftime(1700000000, utc=true) }}
{{ 1 | human_readable }} {{ 1048576 | human_readable(isbits=true, unit='K') }} {{ '1.5 GB' | human_to_bytes }}
{{ 'https://u:p@h.org:80/p?q#f' | urlsplit }} {{ 'https://h/p' | urlsplit('hostname') }}
{{ {'a': 1, 'b': 'x y'} | urlencode }} {{ 'a b/c' | urlencode }} {{ 'a%20b+c' | urldecode }}
{{ '/a/b.tar.gz' | splitext }} {{ '/a/../b' | normpath }} {{ ['/a/b', '/a/c'] | commonpath }} {{ '/a/b' | relpath('/a') }}
{{ 'C:\\x\\y.txt' | win_basename }} {{ 'C:\\x\\y.txt' | win_splitdrive }}
{{ [1, 2] | zip([3, 4], [5, 6]) | list }} {{ [1] | zip_longest([2, 3], fillvalue='x') | list }}
{{ [1, 2] | product([3]) | list }} {{ [1, 2, 3] | combinations(2) | list }} {{ [1, 2] | permutations | list }}
{{ [1, 2, 2] | union([3]) | sort }} {{ [1, 2] | symmetric_difference([2, 3]) | sort }} {{ [1, 2] | difference([2]) }}
{{ 8 | log(2) }} {{ 2 | pow(5) }} {{ 27 | root(3) }}
{{ [{'k': 'a', 'v': 1}] | items2dict('k', 'v') }} {{ {'a': 1} | dict2items('k', 'v') }}
{{ [{'n': 'a', 'x': 1}] | rekey_on_member('n') }}
{{ 'x' | ternary('a', 'b') }} {{ none | ternary(1, 2, 3) }}
{{ 'a.b' | regex_escape }} {{ 'aXbX' | regex_replace('X', '-', count=1) }} {{ 'a1b22' | regex_findall('\\d+') }}
{{ 'x' | comment('c') }} {{ 'a\nb' | comment('xml') }}
{{ "a'b c" | quote }} {{ '' | quote }}
{{ [1, 'a', none] | to_json }} {{ {'b': 1, 'a': 2} | to_nice_json(indent=2) }} {{ '{"a": [1, null]}' | from_json }}
{{ 'a: [1, yes]' | from_yaml }} {{ '--- 1\n--- 2' | from_yaml_all | list }}
{{ 'abc' is match('b') }} {{ 'abc' is search('b') }} {{ 'abc' is regex('^a', multiline=true) }}
{{ [1, 2] is contains(1) }} {{ [1] is subset([1, 2]) }} {{ [1, 2] is superset([1]) }} {{ [true, false] is any }} {{ [true] is all }}
{{ '1.2.3' is version('1.10', '<') }} {{ '1.0.0-rc1' is version('1.0.0', 'lt', version_type='semver') }} {{ '1.0' is version('1.0', strict=true) }}
{{ result_ok is changed }} {{ result_ok is failed }} {{ result_ok is success }} {{ result_ok is skipped }}
{{ 'http://a.b/c' is url }} {{ 'urn:isbn:1' is urn }} {{ 'x' is uri }}
{{ 3 is divisibleby(3) }} {{ 3 is odd }} {{ 'x' is string }} {{ 1.5 is float }} {{ {} is mapping }} {{ [] is sequence }} {{ 'a' is lower }}
{{ 1 is eq(1) }} {{ 2 is gt(1) }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ 1 is in([1]) }} {{ true is true }} {{ none is none }}
{{ '/etc' is directory }} {{ '/etc/passwd' is file }} {{ '/none/such' is exists }} {{ '/x' is abs }}
{{ 0 is falsy }} {{ 'yes' is truthy(convert_bool=true) }} {{ nan_not_there is undefined }}
{{ '\u00e9'.upper() }} {{ 'ß'.upper() }} {{ 'x y'.title() }} {{ 'aXb'.swapcase() }} {{ 'ab'.zfill(5) }} {{ 'a\tb'.expandtabs(4) }}
{{ 'abcabc'.rfind('b') }} {{ 'abc'.find('z') }} {{ 'a.b.c'.rsplit('.', 1) }} {{ 'a.b'.partition('.') }} {{ 'xxaxx'.strip('x') }}
{{ 'a b'.split() }} {{ 'a\nb'.splitlines() }} {{ '-'.join(['a', 'b']) }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.removeprefix('a') }}
{{ 'abc'.isalpha() }} {{ '12'.isdigit() }} {{ 'a b'.isidentifier() }} {{ 'abc'.count('b') }} {{ 'a'.encode('utf-8').decode() }}
{{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }} {{ {'a': 1}.pop('a') }} {{ {'a': 1, 'b': 2}.popitem() }} {{ {'a': 1}.copy() }}
{{ (5).bit_length() }} {{ 2.0.is_integer() }}
{{ 'a' if 1 else 'b' if 2 else 'c' }}
{{ [1, 2, 3] | map('pow', 2) | list }} {{ ['a'] | map('regex_replace', 'a', 'b') | list }}
{{ [[1, 2], [3]] | map('sum') | list }} {{ [1, 2] | map('string') | join('-') }}
{{ range(3) | list }} {{ range(1, 10, 3) }} {{ lipsum is defined }} {{ cycler('a', 'b').next() }} {{ joiner is defined }}
{{ path | basename }}
{{ path | dirname }}
{{ '/a/b/' | basename }}
{{ '/a/b/' | dirname }}
{{ 'x' | dirname }}
{{ path | splitext }}
{{ '.bashrc' | splitext }}
{{ 'a.tar.gz' | splitext | last }}
{{ '/a/./b/../c' | normpath }}
{{ ['/a', 'b', 'c.txt'] | path_join }}
{{ ['/a', '/b'] | path_join }}
{{ '/a/b/c' | relpath('/a/d') }}
{{ ['/a/b/c', '/a/b/d'] | commonpath }}
{{ back | win_basename }}
{{ back | win_dirname }}
{{ back | win_splitdrive }}
{{ '/etc/../etc' | realpath }}
{{ url | urlsplit }}
{{ url | urlsplit('hostname') }}
{{ url | urlsplit('port') }}
{{ 'x' | urlsplit('nope') }}
{{ 'a b/c&d' | urlencode }}
{{ {'a': 'b c', 'd': '&'} | urlencode }}
{{ 'a%20b+c' | urldecode }}
{{ text | regex_replace('o', '0') }}
{{ text | regex_replace('(\\w+) (\\w+)', '\\2 \\1') }}
{{ text | regex_replace('^(?P<a>\\w+).*$', '\\g<a>!') }}
{{ text | regex_replace('O', '0', ignorecase=true) }}
{{ text | regex_replace('o', '0', count=1) }}
{{ multi | regex_replace('^', '> ', multiline=true) }}
{{ 'abxd' | regex_replace('x*', '-') }}
{{ 'a.b' | regex_replace('\.', '-') }}
{{ 'foo' | regex_replace('$', 'x') }}
{{ 'a1b2' | regex_replace('\d') }}
{{ 42 | regex_replace('4', '5') }}
{{ text | regex_search('w\\w+') }}
{{ text | regex_search('zzz') }}
{{ text | regex_search('(\\w)(o)', '\\1', '\\2') }}
{{ text | regex_search('(?P<x>w)', '\\g<x>') }}
{{ 'server1/database42' | regex_search('server([0-9]+)/database([0-9]+)', '\\1', '\\2') }}
{{ text | regex_findall('o') }}
{{ text | regex_findall('(l)(.)') }}
{{ 'a1b22' | regex_findall('[0-9]+') }}
{{ multi | regex_findall('^line.*$', multiline=true) }}
{{ 'a.b*c' | regex_escape }}
{{ 'a.b*c[d]' | regex_escape('posix_basic') }}
{{ 'x{y}' | regex_replace('{', '(') }}
{{ '[a]' | regex_replace('[[]', '(') }}
{{ '%Y-%m-%d %H:%M:%S' | strftime(1700000000) }}
{{ '%A %d %B %j %y %p %I %%' | strftime(1700000000, utc=true) }}
{{ '2024-02-29 10:00:00' | to_datetime }}
{{ ('2024-03-01 00:00:00' | to_datetime - '2024-02-28 12:00:00' | to_datetime).days }}
{{ ('2024-03-01 00:00:00' | to_datetime - '2024-02-28 12:00:00' | to_datetime).total_seconds() }}
{{ '2024/02/29' | to_datetime('%Y/%m/%d') }}
{{ ('2024-02-29 10:00:00' | to_datetime).strftime('%d.%m.%Y') }}
{{ 'x' | to_datetime }}
{{ day }}
{{ day.year }}
{{ moment }}
{{ moment.hour }}
d{{ day }} {{ moment }}
{{ moment.isoformat() }}
{{ one | type_debug }}
{{ pi | type_debug }}
{{ text | type_debug }}
{{ names | type_debug }}
{{ conf | type_debug }}
{{ none | type_debug }}
{{ yes | type_debug }}
{{ day | type_debug }}
{{ (1, 2) | type_debug }}
{{ one | mandatory }}
{{ not_there | mandatory }}
{{ 10 | random(seed='host1') }}
{{ 1000 | random(seed=42) }}
{{ 100 | random(start=10, step=5, seed='x') }}
{{ names | random(seed='abc') }}
{{ range(10) | list | shuffle(seed='s') }}
{{ names | shuffle(seed=1) }}
{{ range(3) | list }}
{{ range(2, 8, 3) | list }}
{{ range(5, 0, -2) | list }}
{{ dict(a=1, b=2) }}
{{ dict([['a', 1], ['b', 2]]) }}
{{ dict(['a', 'b'] | zip([1, 2])) }}
{{ one is number }}
{{ pi is float }}
{{ one is integer }}
{{ yes is integer }}
{{ yes is boolean }}
{{ text is string }}
{{ names is sequence }}
{{ text is sequence }}
{{ conf is mapping }}
{{ conf is sequence }}
{{ names is iterable }}
{{ none is none }}
{{ one is odd }}
{{ 4 is even }}
{{ 9 is divisibleby 3 }}
{{ 9 is divisibleby(2) }}
{{ 'a' is lower }}
{{ 'A' is upper }}
{{ one is eq 1 }}
{{ one is sameas 1 }}
{{ one is true }}
{{ yes is true }}
{{ nope is false }}
{{ 'a' is in ['a'] }}
{{ names is contains 'bob' }}
{{ text is match('hello') }}
{{ text is match('world') }}
{{ text is search('world') }}
{{ text is regex('^hello') }}
{{ text is search('WORLD', ignorecase=true) }}
{{ 'b' is match('a|b') }}
{{ 'xb' is match('a|b') }}
{{ version is version('1.9', '>') }}
{{ version is version('1.10.2') }}
{{ '1.2.3-rc1' is version('1.2.3', '<', version_type='semver') }}
{{ '1.0rc1' is version('1.0', 'lt', version_type='pep440') }}
{{ '2024.1' is version('2023.2', '>=') }}
{{ '1.a' is version('1.2', '<') }}
{{ [1, 2] is subset([1, 2, 3]) }}
{{ [1, 2, 3] is superset([1]) }}
{{ [true, 1] is all }}
{{ [false, 0] is any }}
{{ result_ok is changed }}
{{ result_ok is succeeded }}
{{ result_ok is failed }}
{{ result_bad is failed }}
{{ result_bad is not failed }}
{{ result_skip is skipped }}
{{ result_ok is not skipped }}
{{ text is failed }}
{{ 'yes' is truthy }}
{{ 'no' is truthy(convert_bool=True) }}
{{ '' is falsy }}
{{ '/etc' is directory }}
{{ '/etc/passwd' is file }}
{{ '/nope' is exists }}
{{ '/' is mount }}
{{ '/x' is abs }}
{{ 'http://a.b/c' is url }}
{{ 'urn:x:y' is urn }}
{{ 'x' is uri }}
{{ 'nan' | float is nan }}
{{ one is callable }}
{{ 'upper' is filter }}
{{ 'nope' is filter }}
{{ 'odd' is test }}
{{ 1 is nope }}
{{ 1 | nope }}
{{ nope( }}
{{ 1 + }}
{{ }}
{% if one %}yes{% endif %}
{% if zero %}yes{% endif %}
{% if zero %}a{% elif one %}b{% else %}c{% endif %}
{% for n in nums %}{{ n }},{% endfor %}
{% for n in nums %}{{ n }}{{ ',' if not loop.last }}{% endfor %}
{% for n in nums %}{{ loop.index }}/{{ loop.length }}:{{ n }}{% if not loop.last %} {% endif %}{% endfor %}
{% for k, v in conf.opts.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in conf %}{{ k }} {% endfor %}
{% for n in nums if n > 1 %}{{ loop.index0 }}{{ n }}{% endfor %}
{% for n in [] %}x{% else %}empty{% endfor %}
{% for n in nums %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}
{% for n in nums %}{% if n == 1 %}{% continue %}{% endif %}{{ n }}{% endfor %}
{% for a in [1, 2] %}{% for b in 'xy' %}{{ a }}{{ b }}{{ loop.first }} {% endfor %}{% endfor %}
{% for n in nums %}{{ loop.cycle('a', 'b') }}{{ loop.revindex }}{{ loop.previtem | default('-') }}{% endfor %}
{% for n in [1, 1, 2] %}{{ loop.changed(n) }}{% endfor %}
{% for i in [[1, [2]], [3]] recursive %}{{ loop.depth }}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{% endif %}{% endfor %}
{% for i in [1, 2] %}{{ i }}{% endfor %}
{% for i in [1] %}{{ i }}{% endfor %}
{% set a = 5 %}{{ a + 1 }}
{% set a, b = 1, 2 %}{{ a + b }}
{% set a %}x{{ one }}{% endset %}{{ a }}
{% set a | upper %}x{{ one }}{% endset %}{{ a }}
{% set a = 1 %}{% for i in [1] %}{% set a = 2 %}{% endfor %}{{ a }}
{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% set l = [] %}{% for i in nums %}{% set _ = l.append(i * 2) %}{% endfor %}{{ l }}
{% set l = [] %}{% for i in nums %}{{ l.append(i) }}{% endfor %}{{ l }}
{% set d = {} %}{% for u in users %}{% set _ = d.update({u.name: u.uid}) %}{% endfor %}{{ d }}
{% set d = {'a': []} %}{% set _ = d.a.append(1) %}{{ d }}
{% set l = [3, 1, 2] %}{% set _ = l.sort() %}{{ l }}
{% set l = [1, 2] %}{% do l.extend([3]) %}{{ l }}
{% set l = [1, 2, 3] %}{{ l.pop() }}{{ l.pop(0) }}{{ l }}
{% set l = [1] %}{% do l.insert(0, 'x') %}{{ l }}
{% set d = {'a': 1} %}{{ d.pop('a') }}{{ d }}
{% set d = {'a': 1} %}{{ d.setdefault('b', []) }}{{ d }}
{{ names.append('z') }}{{ names }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}
{% macro m(a, b='x') %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 2) }} {{ m(b=3, a=4) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}
{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}inner{% endcall %}
{% macro m(x) %}{{ caller(x) }}{% endmacro %}{% call(y) m(5) %}y={{ y }}{% endcall %}
{% macro fact(n) %}{{ 1 if n | int < 2 else (n * fact(n - 1) | int) }}{% endmacro %}{{ fact(5) }}
{% filter upper %}a{{ text }}{% endfilter %}
{% raw %}{{ x }}{% endraw %}
{# comment #}x
a {#- c -#} b
a {%- if one %} b {% endif -%} c
  {{- one -}}  x
{% if one %}
x
{% endif %}
y
{{ one }}
{% block a %}x{% endblock %}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}
{% set j = joiner('|') %}{% for i in [1, 2] %}{{ j() }}{{ i }}{% endfor %}
{% set x = joiner %}ok
{% nope %}
{% if one %}
{% endif %}
{% for x in one %}{% endfor %}
{{ lookup('env', 'NOPE_NOT_SET') }}
{{ lookup('env', 'NOPE_NOT_SET', default='d') }}
{{ lookup('items', [1, 2], [3], wantlist=True) }}
{{ query('items', [1, 2]) }}
{{ q('items', 'a') }}
{{ lookup('items', ['a', 'b']) }}
{{ lookup('items', [1, 2]) }}
{{ lookup('list', [1, 2]) }}
{{ query('dict', {'a': 1}) }}
{{ lookup('dict', {'a': 1}) }}
{{ query('sequence', 'start=1 end=3') }}
{{ query('sequence', 'start=0 end=6 stride=2 format=h%02d') }}
{{ query('sequence', 'count=3') }}
{{ query('sequence', '5-8') }}
{{ query('sequence', '2-10/2:x%d') }}
{{ query('sequence', 'start=3 end=1 stride=-1') }}
{{ query('nested', [1, 2], ['a', 'b']) }}
{{ query('together', [1, 2], ['a']) }}
{{ query('indexed_items', ['a', 'b']) }}
{{ query('flattened', [1, [2, [3]]]) }}
{{ query('subelements', users[:2], 'groups') | length }}
{{ lookup('vars', 'one') }}
{{ lookup('vars', 'lazy_two') }}
{{ lookup('vars', 'not_there', default='d') }}
{{ lookup('vars', 'not_there') }}
{{ query('varnames', '^lazy_(one|two)$') | sort }}
{{ lookup('pipe', 'echo hi') }}
{{ query('lines', 'printf "a\\nb\\n"') }}
{{ lookup('nope', 1) }}
{{ lookup('file', '/nope/nope') }}
{{ lookup('file', '/nope/nope', errors='ignore') }}
{{ lookup('file', '/nope/nope', errors='ignore') | default('d', true) }}
{{ lookup('ansible.builtin.env', 'NOPE_NOT_SET') }}
{{ conf | ansible.builtin.combine({'z': 1}) | ansible.builtin.dict2items | length }}
{{ one is ansible.builtin.version('1', '==') }}
{{ undef(hint='set me') }}
{{ undef(hint='set me') | default('d') }}
{{ vars['one'] }}
{{ vars.text }}
{{ ('' ~ one) | int + 1 }}
{{ [1, 2, 3] | map('string') | map('int') | sum }}
{{ (names | select('match', 'a') | list) + ['z'] }}
{{ users[0].groups[0] }}
{{ users[0]['home'].path | basename }}
{{ users | map(attribute='uid') | map('string') | join('-') }}
{{ {'a': 1}.a }}
{{ [not_there] | first | default(3) }}
{{ [not_there, 1] | length }}
{{ [not_there] }}
x{{ [not_there] }}
{{ not_there | upper | default('d') }}
{{ not_there ~ 'x' }}
{{ not_there + 1 }}
{{ not_there == 1 }}
{{ not not_there }}
{{ not_there in [1] }}
{{ text.nope() }}
{{ text.nope }}
{{ one.nope | default('d') }}
{{ not_there() }}
{{ (not_there | default([])) | length }}
{{ {'a': not_there | default(omit), 'b': 2} }}
{{ names | map('nope') | list }}
{{ '' | bool }}
{{ '{{ one }}' }}
{{ "{{ one }}" | length }}
{{ text | xmlattr_missing }}
{{ {'a': 1, 'b': none} | xmlattr }}
{{ [3, 1] | sort | first }}
{{ 5 | string | length }}
{{ True }} {{ true }}
{{ None is none }}
{{ 'a' if one == 1 and zero == 0 else 'b' }}
{{ names | list | count }}
{{ conf.opts.debug | bool | ternary('on', 'off') }}
{{ [[1, 2], [3]] | sum(start=[]) }}
{{ {'b': 2, 'a': 1} | to_json(sort_keys=True) }}
{{ '\n' }}
{{ "a\"b" }}
{{ 'C:\\x' }}
{{ one | string + 'x' }}
{{ (one | string) + 'x' }}
{{ 1.0 }} {{ 1e16 }} {{ 1.5e-7 }} {{ 100.0 * 3 }}
{{ 0.1 + 0.2 }}
{{ 10 / 5 }}
{{ 3 * 'ab' }}
{{ '5' * 2 }}
{{ 'abc'[5] | default('none') }}
{{ conf.port ~ '' }}
{{ [yes, none, 1.0] ~ '' }}
{{ 'ab' | list | string }}
{{ users | map(attribute='name') | string }}
{{ one,two }}
{{ lookup('items', '{{ one }}') }}
{{ lookup('items', ['a{{ one }}']) }}
{{ lookup('env', 'NOPE{{ one }}', default='x{{ one }}') }}
{{ '{{ one }}' | length }}
{{ conf2 | to_nice_yaml | from_yaml == conf2 }}
{{ users | to_json | from_json == users }}
{{ '%.3f' | format(pi) }}
{{ names | map('length') | list }}
{{ conf.opts | dictsort | first | first }}
{{ [1, 2, 3, 4] | select('divisibleby', 2) | list }}
{{ (users | selectattr('name', 'eq', 'bob') | first).uid }}
{{ 'a' in 'abc' and 'z' not in 'abc' }}
{{ text | regex_replace('\\s+', '_') }}
{{ 'x=1;y=2'.split(';') | map('split', '=') | map('first') | list }}
""".strip("\n").split("\n")

# Templates of several lines.
M = [
    "a\n", "{{ text }}\n", "{{ one }}\n", "{{ one }}\n\n", "x{{ one }}\n\n",
    "{% if one %}\nx\n{% endif %}\ny\n",
    "{% for n in nums %}\n- {{ n }}\n{% endfor %}\n",
    "{% for n in nums -%}\n{{ n }}\n{%- endfor %}\n",
    "  {% if one %}\n  x\n  {% endif %}\nend",
    "{% if one %}x\n{% endif %}\n{{ multi }}",
    "{% set x = 1 %}\n{{ x }}",
    "{# c #}\nx",
    "{{ one\n + 1 }}",
    "{% raw %}\n{{ x }}\n{% endraw %}\ny",
    "#jinja2: variable_start_string: '[[', variable_end_string: ']]'\n[[ one ]] {{ x }}\n",
    "#jinja2: trim_blocks: False\n{% if one %}\nx\n{% endif %}\ny\n",
    "#jinja2: lstrip_blocks: True\n  {% if one %}\n  x\n  {% endif %}\ny\n",
    "{%+ if one %}x{% endif %}\n",
    "{% if one +%}\nx{% endif %}",
    "{% macro m(x) %}\n  <{{ x }}>\n{% endmacro %}\n{{ m(1) }}{{ m(2) }}",
    "{% for u in users %}\n{{ u.name }}:{% for g in u.groups %} {{ g }}{% endfor %}\n\n{% endfor %}",
]

C = r"""
one == 1
one
yes
nope
yes_text
yes_text | bool
text
names
names | length > 0
conf.port == 80 and yes
not_there
not_there is defined
not_there is defined and not_there
not_there | default(false)
not_there == 1
none
empty
result_ok is changed
result_bad is failed or nope
'a' in names
'{{ one }}' == '1'
'{{ text }}' == 'hello world'
'{{ one }}' | int == 1
{{ yes }}
{{ one == 1 }}
"{{ text }}"
text is match('hel+o')
text is search('\bworld$')
'a\tb' | length == 3
one ==
one | nope
not nope
lazy_two == 4
lazy_bad is defined
1
true
false
conf
conf | length
conf.nope is defined
conf.nope.x is defined
users | selectattr('admin') | list | length == 2
(one == 1) and (zero == 0)
one in [1, 2]
"x" != text
""".strip("\n").split("\n")


FILES = pathlib.Path(__file__).parent.parent / "data" / "templates"


def single(text):
    """One row for each expression of a line that has several."""
    if text.startswith("{{ ") and "{%" not in text and "}} {{ " in text and text.endswith(" }}"):
        parts = text[3:-3].split(" }} {{ ")
        if all(part.count("{{") == part.count("}}") == 0 for part in parts):
            return ["{{ " + part + " }}" for part in parts]
    return [text]


def words(ex):
    """What a task's result would say of an error: the causes joined, as far as they add something."""
    parts = []
    while ex is not None:
        text = getattr(ex, "_original_message", None) or str(ex)
        text = re.sub(r"0x[0-9a-f]{6,}", "0x", " ".join(text.split()).replace(str(FILES), "FILES"))
        if text and not any(text in part for part in parts):
            parts.append(text)
        ex = ex.__cause__
    return " | ".join(parts)


START = os.getcwd()


def main():
    init_plugin_loader()
    os.chdir(FILES)
    loader = DataLoader()
    loader.set_basedir(str(FILES))
    rows = []
    seen = set()

    def run(kind, text, work, own=None):
        if (kind, text) in seen:
            return
        seen.add((kind, text))
        row = {"kind": kind, "text": text}
        if own is not None:
            row["vars"] = own
        variables = yaml.load(trust_as_template(VARS if own is None else own), Loader=AnsibleLoader)
        templar = Templar(loader=loader, variables=variables)
        try:
            row["repr"] = repr(work(templar, trust_as_template(text)))
        except AnsibleUndefinedVariable as ex:
            row["error"] = "undefined"
            row["words"] = words(ex)
        except BaseException as ex:
            if isinstance(ex, KeyboardInterrupt):
                raise
            row["words"] = words(ex)
            causes = []
            while ex is not None:
                causes.append(type(ex).__name__)
                ex = ex.__cause__
            row["error"] = "omitted" if "AnsibleValueOmittedError" in causes else "other"
        rows.append(row)

    if sys.argv[1:2] == ["--rows"]:
        own = None
        for line in pathlib.Path(START, sys.argv[2]).read_text().splitlines():
            # Variables of the lines below it, as YAML.
            if line.startswith("#vars: "):
                own = line.removeprefix("#vars: ")
                continue
            for text in single(line):
                run("template", text, lambda templar, text: templar.template(text), own)
        pathlib.Path(START, sys.argv[3]).write_text(json.dumps({"vars": VARS, "rows": rows}))
        return
    lines = [row for text in template_rows.LINES for row in single(text)]
    for text in T + M + lines + template_rows.BLOCKS:
        run("template", text, lambda templar, text: templar.template(text))
    for text in C + template_rows.CONDITIONS:
        run("condition", text, lambda templar, text: templar.evaluate_conditional(text))
    out = FILES.parent / "templates.json"
    out.write_text(json.dumps({"vars": VARS, "rows": rows}, indent=1, ensure_ascii=False) + "\n")
    print(len(rows), "rows,", sum("error" in row for row in rows), "errors", file=sys.stderr)


main()
