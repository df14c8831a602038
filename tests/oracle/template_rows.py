"""More rows for make_templates.py: one a line, blocks of several lines, conditions, and errors with their words.

Templates that name files find them in tests/data/templates.
"""

LINES = r"""
{{ -7 // 2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 % -3 }} {{ 0 // 5 }}
{{ -7.5 // 2 }} {{ 7.5 // -2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ -0.0 }} {{ 0.0 * -1 }}
{{ 5 % 2.5 }} {{ 1e308 * 10 }} {{ -1e308 * 10 }} {{ 2 ** 200 }} {{ (-2) ** 3 }} {{ (-8) ** 2 }}
{{ 2 ** 0 }} {{ 0 ** 0 }} {{ 2.0 ** 3 }} {{ 4 ** 0.5 }} {{ 10 ** -2 }} {{ 2 ** -1 * 4 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.5 % 0 }}
{{ 0.0 ** -1 }}
{{ 9007199254740993 + 0 }} {{ 9007199254740993 * 1.0 }} {{ 9007199254740993 / 1 }}
{{ 123456789012345678901234567890 // 7 }} {{ 123456789012345678901234567890 % 7 }} {{ -123456789012345678901234567890 // 7 }}
{{ 123456789012345678901234567890 - 123456789012345678901234567889 }}
{{ 123456789012345678901234567890 / 2 }}
{{ big * big }}
{{ big ** 3 }}
{{ big > 1 }} {{ big == big }} {{ -big < 0 }} {{ big | int }} {{ big | float }} {{ big | string }}
{{ 170141183460469231731687303715884105727 + 1 }}
{{ 0.1 + 0.2 }} {{ 1e15 + 0.5 }} {{ 123456789.123456789 }} {{ 1e22 }} {{ 1e21 + 1 }} {{ 1.0e-4 }} {{ 0.00001 }}
{{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ 100000.0 }} {{ 1e16 }} {{ 12345678901234567.0 }}
{{ 3.0 }} {{ 3.10 }} {{ -3.5e10 }} {{ 1_000.5 }} {{ 1E5 }} {{ 1e+5 }}
{{ 'inf' | float }} {{ '-inf' | float }} {{ 'nan' | float }} {{ '1e5' | float }} {{ ' 12 ' | int }} {{ '1_000' | int }}
{{ true + 1 }} {{ true * 3 }} {{ false - 1 }} {{ -true }} {{ true / 2 }} {{ true // 1 }} {{ 1 == true }} {{ 0 == false }} {{ 2 == true }}
{{ 1 == 1.0 }} {{ '1' == 1 }} {{ [1] == [1.0] }} {{ {'a': 1} == {'a': true} }} {{ (1, 2) == [1, 2] }} {{ none == false }} {{ '' == none }}
{{ 1 < 2 == true }} {{ 1 < 2 < 3 < 4 }} {{ 3 > 2 >= 2 }} {{ 1 < 3 > 2 }} {{ 1 in [1] == true }} {{ 'a' < 'b' < 'c' }}
{{ 'a' < 1 }}
{{ [1] < ['a'] }}
{{ none < 1 }}
{{ {'a': 1} < {'b': 2} }}
{{ not 1 in [2] }} {{ not 1 == 2 }} {{ not true and false }} {{ not (true and false) }} {{ 1 or 0 and 0 }}
{{ [] or {} or '' or 0 or none or 'last' }} {{ 1 and [] and 5 }} {{ none and 1 }}
{{ - 1 }} {{ - - 1 }} {{ -1 + -1 }} {{ -(1 + 2) }} {{ +1 }} {{ + -1 }} {{ 2 - -2 }} {{ 2 * -3 }} {{ -2 ** 2 }} {{ (-2) ** 2 }} {{ 2 ** -2 }}
{{ 1 + 2 ~ 3 * 2 }} {{ 'a' ~ 1 + 1 }} {{ 1 ~ 2 ~ 3 }} {{ 1 ~ '' | length }} {{ -1 | abs }} {{ (-1) | abs }} {{ 2 * 3 | string }}
{{ 'abc' * 2 ~ '!' }} {{ 0 * 'abc' }} {{ -1 * 'abc' }} {{ [0] * 3 }} {{ 2 * [1, 2] }} {{ (1,) * 2 }} {{ [1] + [2] * 2 }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + 'a' }}
{{ {} + {} }}
{{ [1] - [1] }}
{{ 'a' * 'b' }}
{{ -'a' }}
{{ none + 1 }}
{{ 'abcdef'[::2] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[1:5:2] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[:-2] }} {{ 'abcdef'[4:1:-1] }} {{ 'abcdef'[10:] }}|
{{ nums[::-1] }} {{ nums[1:] }} {{ nums[:1] }} {{ nums[-1:] }} {{ nums[:] }} {{ nums[::2] }} {{ nums[5:9] }} {{ nums[-100:2] }} {{ nums[2:-100:-1] }}
{{ (1, 2, 3)[1:] }} {{ (1, 2, 3)[::-1] }} {{ range(10)[2:8:3] }} {{ 'Grüße'[2:4] }} {{ umlaut[-2] }} {{ umlaut[::-1] }}
{{ nums[::0] }}
{{ nums['a':] }}
{{ nums[zero:one + 1] }} {{ nums[one:none] }} {{ text[(one):(neg)] }} {{ text[text.index('w'):] }}
{{ nums[-1] }} {{ nums[-4] }} {{ text[0] }} {{ text[-1] }} {{ (1, 2)[0] }} {{ nums[true] }}
{{ nums[4] }}
{{ nums[-5] }}
{{ nums[1.0] }}
{{ nums['1'] | default('d') }} {{ nums.1 }} {{ users.0.name }} {{ users.1.groups.0 }} {{ users[0]['groups'][1] }} {{ users.5 | default('none') }}
{{ 'x' in 'xyz' }} {{ '' in 'abc' }} {{ 'a' in ['ab'] }} {{ 1 in {1: 2} }} {{ 'a' not in 'abc' }} {{ none in [none] }} {{ true in [1] }} {{ 1.0 in [1] }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ 'a' in none }}
{{ (1) }} {{ (1,) }} {{ () }} {{ ((1, 2), 3) }} {{ [(1,), ()] }} {{ ('a',)[0] }} {{ (1, 2) + (3,) }}
{{ [1, 2,] }} {{ {'a': 1,} }} {{ (1, 2,) }} {{ [[]] }} {{ {'a': {'b': []}} }} {{ {} }} {{ [] }}
{{ {1: 'a', 1.5: 'b', true: 'c', none: 'd', (1, 2): 'e'} }}
{{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ {'a': 1, 'a': 2} }}
{{ {[1]: 2} }}
{{ {'a': 1}[not_there] | default('d') }} {{ not_there[0].x | default('e') }} {{ not_there() | default('f') }} {{ not_there.a() | default('g') }}
{{ {'keys': 1}.keys }} {{ {'items': [1]}['items'] }} {{ {'a': 1}.keys() | list }} {{ {'values': 5}.get('values') }}
{{ {'a': 1}['keys'] is defined }} {{ {'a': 1}.nope is defined }} {{ {'a': none}.a is defined }} {{ {'a': none}.a is none }}
{{ 'it''s' }} {{ 'a' 'b' "c" }} {{ "tab\there" }} {{ 'new\nline' }} {{ '\x41\u00e9' }} {{ '\101' }} {{ 'a\\b' }} {{ 'a\qb' }}
{{ "it's" }} {{ ["it's", 'a"b', "both'\""] }} {{ {"k'": "v\""} }} {{ ['\\', '\t', '\n', '\r', '\x00', '\x7f', '\u200b', '\ud83d'] | length }}
text {{ ['\\', 'tab\t', 'nl\n', 'cr\r', 'nul\x00', 'del\x7f', 'é', '漢', '😀', '\u200b', '\u00a0', '\u00ad', '\u2028', '\ufeff', '\ue000'] }}
text {{ {'é': 'ü', 1: none, none: 1, true: false, 1.5: [()]} }} {{ (none, [{}]) }}
text {{ b'abc' }}
text {{ text.encode() }} {{ umlaut.encode('utf-8') }} {{ 'a\'b"'.encode() }} {{ '\x00\xff\n'.encode('latin-1') }}
text {{ 'abc'.encode() | type_debug }} {{ 'abc'.encode().decode() }} {{ 'abc'.encode()[0] }} {{ 'abc'.encode() | length }} {{ umlaut.encode().hex() }}
text {{ now | default('x') is callable }} {{ (1, 'a', none, 1.0, true) }} {{ [omit | default('x')] | length }}
text {{ 'a' is sameas 'a' }} {{ none is sameas none }} {{ true is sameas true }} {{ nope is sameas false }}
text {{ [1, 2] | map('string') }} {{ {'a': 1} | dictsort }} {{ [3, 1] | sort }} {{ {'a': 1}.items() }} {{ {'a': 1}.keys() }} {{ {'a': 1}.values() }} {{ range(3) | list }}
{{ 'a-b_c'.replace('-', '+').upper().lower().title() }} {{ 'a,b,,c'.split(',') }} {{ 'a b  c'.split() }} {{ ' a b '.split(' ') }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a,b,c'.split(',', maxsplit=1) }}
{{ 'k=v=w'.partition('=') }} {{ 'k=v=w'.rpartition('=') }} {{ 'kv'.partition('=') }} {{ 'kv'.rpartition('=') }}
{{ 'abc'.center(9, '*') }} {{ 'abc'.ljust(5, '.') }}| {{ 'abc'.rjust(5, '.') }} {{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} {{ '+4'.zfill(4) }} {{ 'a\tb'.expandtabs(4) }} {{ 'a\tb'.expandtabs() }}
{{ '  a '.strip() }}|{{ '  a '.lstrip() }}|{{ '  a '.rstrip() }}|{{ 'xxaxx'.strip('x') }} {{ 'abcab'.strip('ab') }} {{ 'xxa'.lstrip('x') }} {{ 'axx'.rstrip('x') }}
{{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'abc'.find('z') }} {{ 'abcabc'.index('c', 3) }} {{ 'abcabc'.count('b') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ 'abcabc'.find('a', 1, 3) }}
{{ 'abc'.index('z') }}
{{ 'abc'.startswith('a') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith(('x',)) }} {{ 'abc'.startswith('') }}
{{ 'Abc'.swapcase() }} {{ 'ABC'.casefold() }} {{ 'ß'.casefold() }} {{ 'ß'.upper() }} {{ 'hello world'.capitalize() }} {{ "they're bill's".title() }} {{ 'ÀÉ'.lower() }} {{ 'ǆ'.title() }}
{{ 'abc'.isalpha() }} {{ 'ab1'.isalnum() }} {{ '12'.isnumeric() }} {{ '1.2'.isdecimal() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '½'.isnumeric() }} {{ ' \t'.isspace() }} {{ 'Ab Cd'.istitle() }} {{ 'ab'.islower() }} {{ 'A1'.isupper() }} {{ 'a_b'.isidentifier() }} {{ 'é'.isascii() }} {{ ''.isalpha() }} {{ 'a\n'.isprintable() }}
{{ 'a-b'.join(['1', '2', '3']) }} {{ ','.join({'a': 1, 'b': 2}) }} {{ ''.join('abc') }} {{ ', '.join(['a']) }} {{ '-'.join(('x', 'y')) }}
{{ ','.join([1, 2]) }}
{{ 'abc'.removesuffix('c') }} {{ 'abc'.removeprefix('x') }} {{ 'a\nb\r\nc'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ 'a\nb\n'.splitlines(keepends=True) }} {{ ''.splitlines() }}
{{ 'abc'.translate({97: 'x', 98: none}) }} {{ 'abc'.maketrans('ab', 'xy') }}
{{ 'a{}b'.format(1) }} {{ '{0}{1}{0}'.format('x', 'y') }} {{ '{a}{b}'.format(a=1, b=none) }} {{ '{{}}'.format() }} {{ '{:d}'.format(42) }} {{ '{:5d}|'.format(42) }} {{ '{:<5}|{:^5}|{:>5}'.format(1, 2, 3) }} {{ '{:05d}'.format(42) }} {{ '{:+d}'.format(5) }} {{ '{: d}'.format(5) }}
{{ '{:x} {:X} {:#x} {:o} {:b} {:#b} {:c} {:n}'.format(255, 255, 255, 8, 5, 5, 65, 7) }} {{ '{:,}'.format(1234567) }} {{ '{:_}'.format(1234567) }} {{ '{:,.2f}'.format(1234567.891) }} {{ '{:_x}'.format(1234567890) }}
{{ '{:.2f} {:.0f} {:e} {:.3e} {:g} {:G} {:%} {:.1%}'.format(3.14159, 2.5, 12345.678, 12345.678, 0.00001234, 1e20, 0.5, 0.123) }} {{ '{}'.format(1.0) }} {{ '{:g}'.format(100000) }} {{ '{:g}'.format(1000000) }} {{ '{:.3}'.format(3.14159) }} {{ '{:010.3f}'.format(-3.14159) }}
{{ '{!r} {!s} {!a}'.format('é', 'é', 'é') }} {{ '{:>{}}'.format('a', 5) }} {{ '{0[a]} {0[b][0]}'.format({'a': 1, 'b': [2]}) }} {{ '{:*^9}'.format('mid') }} {{ '{:.2}'.format('abcdef') }} {{ '{:10}|'.format('left') }} {{ '{:10}|'.format(5) }} {{ '{!r:>8}|'.format('a') }}
{{ '{}'.format([1, 'a']) }} {{ '{}'.format(none) }} {{ '{}'.format(true) }} {{ '{:d}'.format(true) }} {{ '{}'.format({'a': 1}) }} {{ '{:=+6}'.format(5) }} {{ '{:<06}'.format(5) }}
{{ '{} {}'.format(1) }}
{{ '{a}'.format(b=1) }}
{{ '{:d}'.format('x') }}
{{ '{'.format(1) }}
{{ '{a[0]} {a[1]}'.format_map({'a': [1, 2]}) }} {{ '{x}'.format_map({'x': 'y'}) }}
{{ '%s' % 1 }} {{ '%s %s' % (1, 'a') }} {{ '%d' % 3.9 }} {{ '%5d|' % 42 }} {{ '%-5d|' % 42 }} {{ '%05d' % 42 }} {{ '%+d' % 42 }} {{ '% d' % 42 }} {{ '%x %X %o %#x %#o' % (255, 255, 8, 255, 8) }} {{ '%c%c' % (65, 'b') }} {{ '%%' % () }} {{ '%r' % 'a' }} {{ '%a' % 'é' }} {{ '%i' % true }}
{{ '%f %.2f %e %g %G' % (1.5, 2.675, 12345.0, 0.0001, 1e-10) }} {{ '%10.3f|%-10.1f|%010.2f' % (1.5, 2.25, -3.5) }} {{ '%s' % none }} {{ '%s' % [1] }} {{ '%s' % ([1, 2],) }} {{ '%s' % {'a': 1} }} {{ '%(a)s %(b)05.1f' % {'a': 'x', 'b': 2} }} {{ '%*d' % (5, 42) }} {{ '%.*f' % (2, 1.0) }} {{ '%.3s' % 'abcdef' }}
{{ '%d' % 'x' }}
{{ '%s %s' % 'a' }}
{{ '%s' % (1, 2) }}
{{ '%(a)s' % {'b': 1} }}
{{ '%y' % 1 }}
{{ (255).to_bytes(2, 'big') }} {{ (5).bit_count() }} {{ (-5).bit_length() }} {{ (10).conjugate() }} {{ 2.5.is_integer() }} {{ 2.5.as_integer_ratio() }} {{ 3 .real }} {{ (3).numerator }} {{ (3).imag }}
{% set l = [3, 1, 2] %}{% set _ = l.sort(reverse=true) %}{{ l }}{% set _ = l.reverse() %}{{ l }}{{ l.count(1) }}{{ l.index(2) }}{{ l.copy() }}{% set _ = l.clear() %}{{ l }}
{% set l = [1, 2, 3, 4] %}{{ l.pop() }}{{ l.pop(0) }}{{ l.pop(-1) }}{{ l }}{% set _ = l.remove(2) %}{{ l }}
{{ [1].pop(5) }}
{{ [].pop() }}
{{ [1].remove(5) }}
{{ [1].index(5) }}
{% set l = [] %}{% set _ = l.append([1]) %}{% set _ = l[0].append(2) %}{{ l }}{% set m = l %}{% set _ = m.append('x') %}{{ l }}{% set c = l.copy() %}{% set _ = c.append('y') %}{{ l | length }}
{% set d = {'a': 1} %}{% set _ = d.update(b=2) %}{% set _ = d.update([('c', 3)]) %}{% set _ = d.update({'a': 9}, z=0) %}{{ d }}{{ d.pop('zz', 'none') }}{{ d.get('q', 'dflt') }}{{ d.setdefault('n') }}{{ d }}
{{ {'a': 1}.pop('b') }}
{% set d = {'a': 1, 'b': 2} %}{{ d.popitem() }}{{ d }}{% set _ = d.clear() %}{{ d }}{{ {}.fromkeys(['x', 'y'], 0) }}{{ {}.fromkeys('ab') }}
{% set d = dict(a=1) %}{% set e = d.copy() %}{% set _ = e.update(a=2) %}{{ d }}{{ e }}{{ d | length }}{{ 'a' in d }}{{ d == {'a': 1} }}
{% set s = 'abc' %}{{ s.append(1) }}
{{ (1, 2).append(3) }}
{{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }}
{{ {'a': 1}.__class__ | default('hidden') }}
{{ ''.__class__.__mro__ }}
{{ lazy_list.append('z') }}{{ lazy_list }} {{ lazy_list | length }}
{% set ns = namespace(a=1, l=[]) %}{% set ns.a = 2 %}{% set ns.b = 3 %}{% set _ = ns.l.append(1) %}{{ ns.a }}{{ ns.b }}{{ ns.l }}{{ ns.c | default('no') }}
{% set ns = namespace({'x': 1}, y=2) %}{{ ns.x }}{{ ns.y }}{% if true %}{% set ns.x = 5 %}{% endif %}{{ ns.x }}
{% set x = 1 %}{% set x.y = 2 %}{{ x }}
{% set (a, b) = (1, 2) %}{{ a }}{{ b }}{% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }}
{% set a, b = 1 %}
{% set a, b = [1, 2, 3] %}
{% set a = 1, 2 %}{{ a }}
{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for (k, v) in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{% for k, v in {'b': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for x in 'abc' %}{{ x }}-{% endfor %}{% for x in {'a': 1, 'b': 2} %}{{ x }}{% endfor %}{% for x in () %}{% else %}none{% endfor %}{% for x in range(3) %}{{ x }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in not_there %}{% endfor %}
{% for x in not_there | default([]) %}{% else %}empty{% endfor %}
{% for x in [1, 2, 3, 4] if x is odd %}{{ x }}/{{ loop.index }}/{{ loop.length }}{% if not loop.last %};{% endif %}{% endfor %}
{% for x in [1, 2, 3] if not loop %}{{ x }}{% endfor %}
{% for x in [5, 6, 7] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in [1, 2, 3] %}{{ loop.previtem | default('none') }}<{{ x }}>{{ loop.nextitem | default('none') }} {% endfor %}
{% for x in [1, 2, 3] %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
{% for x in [1, 1, 2, 2, 1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}{% for u in users %}{{ loop.changed(u.admin, 1) }}{% endfor %}
{% for x in range(5) %}{{ loop.cycle('a', 'b', 'c') }}{% endfor %}{% for x in [1] %}{{ loop.cycle() }}{% endfor %}
{% for x in [1, 2] %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }}{{ loop.depth }} {% endfor %}{% endfor %}
{% for n in [{'v': 1, 'c': [{'v': 2, 'c': [{'v': 3}]}, {'v': 4}]}] recursive %}{{ loop.depth0 }}:{{ n.v }}{% if n.c is defined %}({{ loop(n.c) }}){% endif %}{{ ',' if not loop.last }}{% endfor %}
{% for n in [[1], [2, [3]]] recursive %}[{% if n is sequence %}{{ loop(n) }}{% else %}{{ n }}{% endif %}]{% endfor %}
{% for x in [1] %}{{ loop(x) }}{% endfor %}
{% for x in [1, 2, 3] %}{% if loop.index is divisibleby 2 %}{% set y = x %}{% endif %}{{ y | default('-') }}{% endfor %}{{ y | default('gone') }}
{% set y = 0 %}{% for x in [1, 2] %}{% set y = y + x %}{{ y }}{% endfor %}{{ y }}
{% if true %}{% set inif = 5 %}{% endif %}{{ inif }}{% with %}{% set w = 1 %}{% endwith %}{{ w | default('gone') }}
{% with a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}{% endwith %}{{ a | default('gone') }}
{{ loop | default('noloop') }}{% for loop in [1] %}{{ loop }}{% endfor %}
{% for item in users if item.admin and item.groups %}{{ item.name }}{% else %}nobody{% endfor %}{% for item in users if item.uid > 5000 %}x{% else %}nobody{% endfor %}
{% macro m(a, b='x', *args) %}{% endmacro %}
{% macro m(a, b=one) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(a=2) }}{{ m(1, b=3) }}{{ m(*[4, 5]) }}{{ m(**{'a': 6, 'b': 7}) }}
{% macro m(a) %}{{ a | default('none') }}{% endmacro %}{{ m() }}{{ m(none) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, b=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}
{% macro m() %}{{ varargs | length }}{{ kwargs | dictsort }}{% endmacro %}{{ m(1, 2, c=3, b=4) }}
{% macro m(x, y=x) %}{{ y }}{% endmacro %}{{ m(1) }}
{% macro m(l=[]) %}{% set _ = l.append(1) %}{{ l }}{% endmacro %}{{ m() }}{{ m() }}
{% macro outer() %}{% macro inner(x) %}<{{ x }}>{% endmacro %}{{ inner(1) }}{{ inner(2) }}{% endmacro %}{{ outer() }}{{ inner is defined }}
{% macro m() %}{{ text }}{{ later | default('unset') }}{% endmacro %}{% set later = 'set' %}{{ m() }}
{% macro m() %}{% if caller is defined %}with{% else %}without{% endif %}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}
{% macro m() %}{{ caller('a', b='c') }}{% endmacro %}{% call(x, b='z') m() %}{{ x }}{{ b }}{% endcall %}
{% macro m(items) %}{% for i in items %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(i, n) m([7, 8]) %}{{ n }}={{ i }};{% endcall %}
{% macro a() %}[{{ caller() }}]{% endmacro %}{% macro b() %}{% call a() %}{{ caller() }}!{% endcall %}{% endmacro %}{% call b() %}deep{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ 1 }}{% endmacro %}{{ m() + 1 }}
{% macro m() %}{{ 1 }}{% endmacro %}{{ m() | int + 1 }}{{ m() | type_debug }}{{ m() ~ m() }}{{ [m(), m()] }}{{ m() == '1' }}
{% macro m() %}{{ [1, 2] }}{% endmacro %}{{ m() }}
{% macro m() %}{{ [1, 2] }}{% endmacro %}x{{ m() | length }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}
{% macro m(x) %}{{ x }}{% endmacro %}{{ [1, 2] | map('string') | map('upper') | join }}{{ m.name }}{{ m.arguments }}{{ m is callable }}
{% filter upper %}a{% if one %}b{% endif %}{{ text }}{% endfilter %}{% filter replace('a', 'b') | upper %}aaa{% endfilter %}{% filter indent(2, true) %}x{% endfilter %}
{% set x %}  a {{ one }} {% endset %}[{{ x }}]{{ x | length }}{% set y | trim | upper %}  b {% endset %}[{{ y }}]{% set z %}{% for i in nums %}{{ i }}{% endfor %}{% endset %}{{ z }}{{ z | type_debug }}
{% set x %}{{ one }}{% endset %}{{ x }}
{% set x %}{{ nums }}{% endset %}{{ x | type_debug }} {{ x }}
{% raw -%}  {{ x }} {%- endraw %}|{% raw %}{% if %}{% endraw %}|{%- raw %} y {% endraw -%}  |
{{ '{% raw %}' }}{{ '{#' }}{{ "{{ '{{' }}" }}{{ '}}' }}{{ '%}' }}
a{# {{ not_there }} {% nope %} #}b{#- x -#}  c  {#- y -#}  d{# multi # { } #}e
{%- if one -%}  a  {%- else -%}  b  {%- endif -%}
{{- one -}}{{ one -}}  {{- one }}
{%- for i in nums -%}  {{ i }}  {%- endfor -%}  end
{% autoescape true %}{{ '<' }}{% endautoescape %}
{% autoescape false %}{{ '<' }}{% endautoescape %}
{{ '<b>' | safe }} {{ '<b>' | escape | string }} {{ '<' | forceescape }} {{ '<a>' | e | length }} {{ ['<'] | map('e') | list }}
{% include 'part.j2' %}
{% set inner = 5 %}{% include 'part.j2' %}{% include 'part.j2' without context %}{% include 'part.j2' with context %}
{% include ['nope.j2', 'part.j2'] %}{% include 'nope.j2' ignore missing %}{% include ['nope.j2', 'no.j2'] ignore missing %}!
{% include 'nope.j2' %}
{% for inner in [1, 2] %}{% include 'part.j2' %}{% endfor %}
{% include 'par' ~ 't.j2' %}
{% import 'macros.j2' as m %}{{ m.field('a') }}{{ m.field('b', size=3) }}{{ m.version }}{{ m.where() }}
{% import 'macros.j2' as m %}{{ m.nope() }}
{% import 'macros.j2' as m %}{{ m._hidden is defined }}{{ m._private is defined }}{{ m.field.name }}{{ m.field.arguments }}
{% set inner = 'in' %}{% import 'macros.j2' as m %}{{ m.local() }}{% import 'macros.j2' as m with context %}{{ m.local() }}{% import 'macros.j2' as m without context %}{{ m.local() }}
{% from 'macros.j2' import field, version %}{{ field('x') }}{{ version }}
{% from 'macros.j2' import field as f, where as w %}{{ f('x', 'y') }}{{ w() }}{{ field is defined }}
{% from 'macros.j2' import wrap with context %}{% call wrap('b') %}{{ text }}{% endcall %}
{% from 'macros.j2' import nope %}{{ nope is defined }}
{% from 'macros.j2' import nope %}{{ nope() }}
{% from 'macros.j2' import _hidden %}
{% import 'nope.j2' as x %}
{% extends 'base.j2' %}
{% extends 'base.j2' %}{% block title %}mine {{ super() }}{% endblock %}ignored{% block unknown %}x{% endblock %}
{% extends 'middle.j2' %}{% block body %}top[{{ super() | trim }}]{% endblock %}
{% extends 'middle.j2' %}{% block body %}{{ super.super() | trim }}{% endblock %}
{% extends 'base.j2' %}{% set x = 5 %}{% block foot %}{{ x | default('no') }}{{ self.title() }}{% endblock %}
{% extends 'base.j2' %}{% macro m() %}mac{% endmacro %}{% block foot %}{{ m() }}{% endblock %}
{% extends 'need.j2' %}
{% extends 'need.j2' %}{% block must %}given{% endblock %}
{% extends 'loop.j2' %}{% block item %}<{{ n }}>{% endblock %}
{% extends 'loop.j2' %}{% block item %}<{{ loop.index }}{{ super() }}>{% endblock %}
{% extends 'loop_plain.j2' %}
{% extends 'nope.j2' %}
{% block a %}{% block b %}in{% endblock %}{% endblock %}{{ self.b() }}{{ self.a() }}
{% block a %}x{% endblock %}{% block a %}y{% endblock %}
{% block a %}x{% endblock b %}
{% block must required %}  {% endblock %}
{% block must required %}x{% endblock %}
{% for i in [1, 2] %}{% block it scoped %}{{ i }}{% endblock %}{% endfor %}
{% for i in [1, 2] %}{% block it %}{{ i | default('none') }}{% endblock %}{% endfor %}
{{ super() }}
{% if true %}{% extends 'base.j2' %}{% endif %}
{{ lookup('items', [1, [2, [3]]], wantlist=true) }} {{ lookup('list', [1, 2], wantlist=true) }} {{ query('list', 1, 2) }} {{ q('dict', {'a': 1, 'b': 2}) }} {{ lookup('dict', {'a': 1, 'b': 2}) }}
{{ query('env', 'NOPE_NO', 'NOPE_NO2') }} {{ lookup('env', 'NOPE_NO', default=5) }} {{ lookup('env', 'NOPE_NO', default=none) }}
{{ lookup('env', 'NOPE_NO', default=undef('x')) }}
{{ lookup('file', 'text.txt') }}
{{ lookup('file', 'text.txt', rstrip=false) }}
{{ lookup('file', 'text.txt', 'text.txt', wantlist=true) | length }} {{ query('file', 'text.txt') }} {{ lookup('file', 'text.txt') is search('{{ one }}') }}
{{ lookup('template', 'lookup.j2') }}
{{ lookup('template', 'lookup.j2', template_vars={'a': 5}) }}
{{ lookup('template', 'part.j2', convert_data=false) | type_debug }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter=',') }} {{ lookup('csvfile', 'alice', file='table.csv', delimiter=',', col=2) }} {{ lookup('csvfile', 'bob', file='table.csv', delimiter=',', col='2') }} {{ lookup('csvfile', 'zed', file='table.csv', delimiter=',', default='none') }} {{ lookup('csvfile', '1001', file='table.csv', delimiter=',', keycol=1, col=0) }}
{{ lookup('csvfile', 'alice file=table.csv delimiter=, col=1') }} {{ query('csvfile', 'alice', 'bob', file='table.csv', delimiter=',') }} {{ query('csvfile', 'zed', file='table.csv', delimiter=',') }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter=',', col=9) }}
{{ lookup('csvfile', 'alice', file='nope.csv') }}
{{ lookup('ini', 'port', section='global', file='users.ini') }} {{ lookup('ini', 'host', file='users.ini') }} {{ lookup('ini', 'nope', file='users.ini', default='d') }} {{ query('ini', '^p', section='other', file='users.ini', re=true) }} {{ lookup('ini', 'port section=other file=users.ini') }}
{{ lookup('ini', 'multi', section='global', file='users.ini') }}
{{ lookup('together', [1, 2], ['a', 'b'], wantlist=true) }} {{ query('together', [1], ['a', 'b']) }} {{ query('together', [1, 2]) }}
{{ query('nested', [1, 2], ['a'], ['x', 'y']) }} {{ query('nested', [1]) }} {{ query('indexed_items', ['a'], ['b']) }} {{ lookup('indexed_items', ['a', 'b']) }}
{{ query('sequence', 'start=5 end=11 stride=2 format=0x%02x') }} {{ query('sequence', count=3) }} {{ query('sequence', start=4, end=8, stride=2) }} {{ query('sequence', '4:host%02d') }} {{ query('sequence', 'start=0xa end=0xc') }} {{ query('sequence', 'end=3 count=2') | default('err') }}
{{ query('sequence', 'start=1 end=3 stride=0') }} {{ query('sequence', count=0) }}
{{ query('sequence', 'x') }}
{{ query('sequence', 'start=1') }}
{{ query('sequence', start=10, end=1) }}
{{ lookup('vars', 'one', 'text') }} {{ query('vars', 'one', 'nope', default=0) }} {{ lookup('vars', 'lazy_map').good }} {{ lookup('vars', 'l' ~ 'azy_text') }} {{ lookup('vars', 'not_there', default=none) }}
{{ lookup('vars', 5) }}
{{ lookup('first_found', ['nope.j2', 'part.j2']) | basename }} {{ lookup('first_found', {'files': ['nope', 'text.txt'], 'paths': ['.']}, skip=true) | basename }} {{ query('first_found', ['nope'], skip=true) }} {{ lookup('first_found', files='nope,part.j2') | basename }} {{ lookup('first_found', 'nope.x', 'base.j2') | basename }}
{{ lookup('first_found', ['nope', 'nope2']) }}
{{ query('subelements', users, 'groups') | map('last') | list }} {{ query('subelements', [{'a': {'b': [1, 2]}}], 'a.b') }} {{ query('subelements', [{'a': 1}], 'b', {'skip_missing': true}) }}
{{ query('subelements', [{'a': 1}], 'b') }}
{{ lookup('pipe', 'printf "a b\n\n"') }}| {{ lookup('pipe', 'echo "{{ one }}"') }} {{ query('pipe', 'echo 1', 'echo 2') }} {{ lookup('lines', 'printf "a\nb\n"') }} {{ lookup('lines', 'printf "a\nb\n"', wantlist=true) }}
{{ lookup('random_choice', ['x']) }} {{ query('random_choice', ['y']) }} {{ query('random_choice', []) }}
{{ lookup('unvault', 'text.txt') }}
{{ lookup('fileglob', '*.csv') | basename }} {{ query('fileglob', '/nonexistent/*') }} {{ query('fileglob', '*.j2') | map('basename') | sort }}
{{ lookup('nope', 1, errors='ignore') }}
{{ lookup('file', '/nope', errors='warn') }} {{ query('file', '/nope', errors='warn') }} {{ lookup('file', '/nope', errors='ignore') | default('d', true) }} {{ lookup('file', '/nope', errors='ignore') is none }}
{{ lookup('file', '/nope', errors='bogus') }}
{{ lookup('file', '/nope', errors='strict') }}
{{ lookup('file', 'text.txt', nosuch=1) }}
{{ lookup('config', 'DEFAULT_BECOME_USER') }} {{ lookup('config', 'DEFAULT_FORKS') }} {{ query('config', 'DEFAULT_BECOME', 'DEFAULT_TIMEOUT') }} {{ lookup('config', 'NOPE', on_missing='skip') }} {{ query('config', 'NOPE', on_missing='warn') }} {{ lookup('config', 'COLOR_OK', show_origin=true) }}
{{ lookup('config', 'NOPE') }}
{{ lookup('config', 'NOPE', on_missing='bogus') }}
{{ lookup('config', 5) }}
{{ lookup('config', 'remote_user', plugin_type='connection') }}
{{ lookup() }}
{{ lookup('file') }}
{{ lookup(5) }}
{{ query('items', lazy_list) }} {{ lookup('items', lazy_map.good) }} {{ query('items', '{{ text }}') }} {{ query('items', ['{{ one }}', ['{{ zero }}']]) }} {{ query('items', {'a': '{{ one }}'}) }}
{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') is match('20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$') }} {{ now().strftime('%s') | int > 1600000000 }} {{ now(fmt='%Y') | length }} {{ (now() - now()).total_seconds() | abs < 5 }} {{ now().date() | type_debug }} {{ now(utc=true).hour in range(24) }} {{ now().isoformat() is search('T') }} {{ now() | type_debug }} {{ now().timestamp() > 0 }} {{ now().weekday() in range(7) }}
{{ undef() }}
{{ undef('custom hint') }}
{{ undef(hint='x') | default('d') }} {{ undef() is defined }} {{ [undef()] | length }} {{ {'a': undef()}.a is undefined }}
{{ undef(nope=1) }}
{{ '%Y-%m-%d %H:%M:%S %j %U %W %w %y %B %b %A %a %p %I %M %% %Z %z' | strftime(0) }} {{ '%s' | strftime(1700000000) }} {{ '%e|%k|%l|%D|%T|%R|%F|%C|%G|%V|%u|%h|%n|%t|' | strftime(1700000000) }} {{ '%c|%x|%X|%f' | strftime(1700000000.5, utc=true) }}
{{ '%Y' | strftime('nope') }}
{{ '%Y' | strftime('1700000000') }} {{ '' | strftime(0) }} {{ '%-d %-m %_H' | strftime(0) }}
{{ '2020-01-01' | to_datetime('%Y-%m-%d') }} {{ ('2020-01-02 03:04:05' | to_datetime).timestamp() }} {{ ('2020-01-02 03:04:05' | to_datetime).isoformat() }} {{ ('2020-01-02 03:04:05' | to_datetime) < ('2021-01-02 03:04:05' | to_datetime) }} {{ ('2020-02-01 00:00:00' | to_datetime) - ('2020-01-01 00:00:00' | to_datetime) }} {{ (('2020-02-01 00:00:00' | to_datetime) - ('2020-01-01 10:00:00' | to_datetime)).seconds }}
{{ ('2020-01-02 03:04:05' | to_datetime).replace(year=2021) }} {{ ('2020-01-02 03:04:05' | to_datetime).date() }} {{ ('2020-01-02 03:04:05' | to_datetime).time() }} {{ ('2020-01-02 03:04:05' | to_datetime).isocalendar() | list }} {{ ('2020-01-02 03:04:05' | to_datetime).month }} {{ ('10:20' | to_datetime('%H:%M')).minute }} {{ ('1 Feb 2021 +0100' | to_datetime('%d %b %Y %z')) }}
{{ day.isoformat() }} {{ day.strftime('%d.%m.%Y') }} {{ day.weekday() }} {{ day.month }} {{ moment.strftime('%H:%M') }} {{ moment.date() }} {{ moment - moment }} {{ day == day }} {{ moment > moment }} {{ day < '2024-01-01' | to_datetime('%Y-%m-%d') | default('x') }}
text {{ [day, moment] }} {{ {'d': day} }} {{ moment.time() }}
{{ moment - ('2023-07-10 17:14:03' | to_datetime) }}
d {{ moment - ('2023-07-10 17:14:03' | to_datetime) }}
d {{ ('2020-01-01 00:00:00' | to_datetime) - ('2020-01-01 01:00:00' | to_datetime) }} {{ ('2020-01-01 01:00:00' | to_datetime) - ('2020-01-01 00:00:00' | to_datetime) }} {{ moment - moment }}
d {{ ('2020-01-01 01:00:00.5' | to_datetime('%Y-%m-%d %H:%M:%S.%f')) - ('2020-01-01 00:00:00' | to_datetime) }} {{ day - ('2024-02-27' | to_datetime('%Y-%m-%d')).date() }}
{{ (moment - ('2023-07-10 17:14:03' | to_datetime)) | string }}
{{ (moment - ('2023-07-10 17:14:03' | to_datetime)).days }}
{{ (moment - ('2023-07-10 17:14:03' | to_datetime)).seconds }}
{{ (moment - ('2023-07-10 17:14:03' | to_datetime)).total_seconds() | int }}
{{ (moment.resolution * 3).microseconds }}
{{ (moment - ('2023-07-10 17:14:03' | to_datetime)) | type_debug }}
{{ (moment - day) | string }}
{{ (day - moment) | string }}
{% set d = ('2020-01-03 06:00:00' | to_datetime) - ('2020-01-01 00:00:00' | to_datetime) %}{{ d + d }};{{ d - d }};{{ d * 2 }};{{ 2 * d }};{{ d * 1.5 }};{{ d / 2 }};{{ d / 7 }};{{ d / d }};{{ d // 7 }};{{ d // d }};{{ d % (d / 4) }};{{ -d }};{{ d | abs }};{{ -d | abs }};{{ moment + d }};{{ moment - d }};{{ d + moment }};{{ day + d }};{{ day - d }};{{ d > -d }};{{ d == d }};{{ d != d }};{{ d == 5 }};{{ [d, -d] | max }};{{ [d, -d] | min }};{{ 'yes' if d else 'no' }};{{ 'yes' if d - d else 'no' }};{{ d / 0.1 }};{{ d * 0.3333333 }}
{% set d = ('2020-01-03 06:00:00' | to_datetime) - ('2020-01-01 00:00:00' | to_datetime) %}{{ [d] | string }} {{ [d - d] | string }} {{ [-d] | string }} {{ ([d, -d] | sort | last).days }} {{ '%s' % d }} {{ '{}'.format(d) }} {{ d ~ '!' }} {{ d is mapping }} {{ d is number }} {{ d is iterable }} {{ d.max }} {{ d.min }} {{ d.resolution }}
{% set d = ('2020-01-03 06:00:00' | to_datetime) - ('2020-01-01 00:00:00' | to_datetime) %}{{ d.nope }}
{{ (moment - moment) + 1 }}
{{ (moment - moment) < 1 }}
{{ moment + 1 }}
{{ moment + moment }}
{{ -moment }}
{{ (moment - moment) / (moment - moment) }}
{{ (moment - moment) // 0 }}
{{ (moment.resolution * 99999999999999999999999) | string }}
{{ moment + moment.resolution * 999999999999999999 }}
{{ moment + moment.resolution * 86400000000 }}
{{ [moment - moment] }}
{{ {'a': moment - moment} }}
{{ (moment - moment) | to_json }}
{{ (moment - moment) | int }}
{{ moment - ('2020-01-01 +0100' | to_datetime('%Y-%m-%d %z')) }}
{{ moment < ('2020-01-01 +0100' | to_datetime('%Y-%m-%d %z')) }}
{{ moment == ('2020-01-01 +0100' | to_datetime('%Y-%m-%d %z')) }}
{{ ('2020-01-01 01 +0100' | to_datetime('%Y-%m-%d %H %z')) == ('2020-01-01 +0000' | to_datetime('%Y-%m-%d %z')) }}
d {{ ('2020-01-01 +0000' | to_datetime('%Y-%m-%d %z')) - ('2020-01-01 +0100' | to_datetime('%Y-%m-%d %z')) }}
{% set z = '2020-01-01 +0130' | to_datetime('%Y-%m-%d %z') %}{{ z.tzinfo }} {{ z.utcoffset() }} {{ z.tzname() }} {{ z.strftime('%z %Z %s %%z') }} {{ z.isoformat() }} {{ z.timestamp() }} {{ z.replace(tzinfo=none) }} {{ moment.replace(tzinfo=z.tzinfo) }} {{ z.timetz() }} {{ z.time() }} {{ moment.tzinfo }} {{ moment.utcoffset() }} {{ [z.tzinfo] | string }} {{ z.fromtimestamp(0, z.tzinfo) }} {{ z.astimezone(moment.fromisoformat('2020-01-01T00:00:00+00:00').tzinfo) }} {{ moment.astimezone() }}
{{ ('2020-01-01 +0130' | to_datetime('%Y-%m-%d %z')).tzinfo }}
{{ moment.fromtimestamp(1700000000) }}
{{ moment.fromtimestamp(1700000000.25) }}
{{ moment.fromtimestamp('5') }}
{{ moment.fromtimestamp(99999999999999) }}
{{ moment.fromtimestamp(9999999999999999999999) }}
{{ moment.fromtimestamp() }}
{{ day.fromtimestamp(1700000000) }}
{{ moment.utcfromtimestamp(1700000000) }}
{{ now().fromtimestamp(now(fmt='%s') | int - 3600) is string }}
{{ (now() - now().fromtimestamp(now(fmt='%s') | int - 3600)).total_seconds() | int in [3600, 3601] }}
{{ moment.strptime('2020-05-06', '%Y-%m-%d') }}
{{ moment.strptime('nope', '%Y-%m-%d') }}
{{ moment.fromisoformat('2020-05-06T07:08:09') }}
{{ moment.fromisoformat('2020-05-06T07:08:09.5+02:00') }}
{{ moment.fromisoformat('2020-05-06') }}
{{ moment.fromisoformat('nope') }}
{{ day.fromisoformat('2020-05-06') }}
{{ moment.isoformat(' ') }} {{ moment.isoformat(timespec='minutes') }} {{ moment.isoformat('_', 'milliseconds') }} {{ moment.replace(microsecond=500000).isoformat() }} {{ moment.replace(microsecond=5) }} {{ moment.isoformat(timespec='hours') }}
{{ moment.isoformat(timespec='nope') }}
{{ moment.replace(hour=0, minute=0, second=0, microsecond=0) }}
{{ moment.replace(month=13) }}
{{ moment.replace(hour=24) }}
{{ moment.replace(day=30) }}
{{ moment.replace(year=0) }}
{{ moment.replace(minute=61) }}
{{ day.replace(day=1) }}
{{ moment.combine(day, moment.time()) }}
{{ moment.combine(day, '10:00') }}
{{ moment.time().hour }} {{ moment.time().isoformat() }} {{ moment.time() }} {{ [moment.time()] | string }} {{ moment.time() | type_debug }} {{ moment.time() < moment.time() }} {{ moment.time().strftime('%H.%M') }} {{ moment.replace(second=0).time() | string }}
{{ moment.toordinal() }} {{ day.toordinal() }} {{ moment.fromordinal(738000) }} {{ day.fromordinal(738000) }} {{ moment.ctime() }} {{ day.ctime() }} {{ moment.weekday() }} {{ moment.isoweekday() }} {{ day.isoweekday() }} {{ moment.min }} {{ moment.max }} {{ day.min }} {{ day.max }} {{ day.resolution }} {{ moment.fold }} {{ moment.fromisocalendar(2020, 5, 3) }} {{ moment.dst() }} {{ moment.tzname() }}
{{ moment.strftime('%s') }} {{ moment.strftime('%Y%m%dT%H%M%S') }} {{ moment.strftime('%z|%Z') }} {{ moment.strftime('%-d %e %j') }} {{ moment.strftime('%a %b %A %B %p %f') }} {{ moment.strftime('100%%') }}
{{ moment.strftime() }}
{{ moment.nope }}
{{ moment.nope() }}
{{ moment | type_debug }} {{ day | type_debug }} {{ moment is string }} {{ moment.date() == day }} {{ moment.timestamp() | int }}
{{ (now() - now()).days }} {{ now().year > 2000 }} {{ now().today().year > 2000 }} {{ now(utc=true).tzinfo is none }} {{ now().utcnow().year > 2000 }} {{ now().now().year > 2000 }}
{{ 5.0 is odd }} {{ 4.0 is even }} {{ 2.5 is even }} {{ 2.5 is odd }} {{ 7.5 is divisibleby(2.5) }} {{ 6 is divisibleby(1.5) }} {{ -3 is odd }} {{ true is odd }}
{{ 'a' is even }}
{{ 5 is divisibleby(0.0) }}
{{ ('nan' | float) < 1 }} {{ ('nan' | float) >= 1 }} {{ 1 <= ('nan' | float) }} {{ ('nan' | float) is gt(2) }} {{ ('nan' | float) is le(2) }}
{{ -3 // ('inf' | float) }} {{ ('inf' | float) // 5 }} {{ -0.0 % 5 }} {{ -0.0 % -5 }} {{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 1e300 // 7 }} {{ 5.0 // 0.1 }} {{ -1 // 1e300 }} {{ 1e-300 % -2 }}
{{ (-8) ** 0.5 }}
{{ '%s' | format(5) | safe }} {{ 5 | safe }} {{ none | safe }} {{ [1, 'a'] | safe }} {{ {'a': 1} | safe }} {{ true | safe }}
{{ '42' | int(7, 2) }} {{ '3.14' | int(base=16) }} {{ 'zz' | int(5, 16) }} {{ '1e2' | int(base=8) }}
{{ 'a😀' | to_yaml }} {{ {'k': 'é漢'} | to_yaml }} {{ ['😀'] | to_nice_yaml }} {{ {'😀': 1} | to_nice_yaml }}
{{ '{:05}|{:05}|{:>05}|{:x<05}'.format('42', 'abcdefg', 'a', 'b') }} {{ '{:.3}|{:.3}|{:.3}|{:.3}|{:.1}|{:.5}|{:8.3}|{:.2}'.format(3.0, 123.0, 1234.5, 0.001, 9.9, 100.0, 2.5, 99.5) }}
{{ '{:>8}|{:05}|{:^7}|{:+}|{:,}'.format(true, true, false, true, false) }}
{{ 'Grüße€😀'.encode('ascii', 'ignore').decode() }} {{ 'Grüße€😀'.encode('latin-1', 'replace').decode('latin-1') }} {{ 'ü€'.encode('ascii', errors='xmlcharrefreplace').decode() }} {{ 'ü€😀'.encode('ascii', 'backslashreplace').decode() }}
{{ 'a'.encode('ascii', 'nope').decode() }} {{ 'ü'.encode('ascii', 'strict') | default('bad') }}
{{ [3, 1, 2, 1].index(1, 2) }} {{ [3, 1, 2, 1].index(1, -1) }} {{ ('a', 'b').index('b', 0, 2) }}
{{ [1, 2].index(1, 1) }}
{% set l = ['b', 'A'] %}{{ l.sort(key=none) }}{{ l }}
{{ "a\rb\r\nc\x0bd\x85e\u2028f\n".splitlines() }} {{ "a\r\n\nb".splitlines(true) }} {{ "a\n\r".splitlines() }}
{{ 'a   b  c' | wordwrap(20) }} {{ '  lead in' | wordwrap(6) }} {{ 'one  two   three' | wordwrap(8) }} {{ "a\n  b c d e\n\n f" | wordwrap(4) }} {{ '2024-02-29 13:14:15' | wordwrap(6) }} {{ '   ' | wordwrap(5) }} {{ 'abcdefghij k' | wordwrap(4, false) }}
{% set x %}{{ not_there }}{% endset %}ok
{% set x %}a{{ not_there }}{% endset %}{{ x | default('d') }}
{% set x %}{{ not_there }}{% endset %}{{ x is defined }}
{% set x | upper %}{{ not_there }}{% endset %}ok
{% set x %}{% for q in nums %}{{ not_there }}{% endfor %}{% endset %}{{ x | default('d') }}
{% set x %}{{ not_there }}{% endset %}{{ x }}
{% filter default('d') %}{{ not_there }}{% endfilter %}
{% filter upper %}{{ not_there }}{% endfilter %}
{% filter string %}{{ none }}{% endfilter %}x
{% set x %}{% endset %}{{ x }}|{{ x is none }}{{ x == '' }}
{% set x %}{% if not_there is defined %}a{% endif %}{% endset %}{{ x | type_debug }}
{% macro m() %}{% endmacro %}{{ m() is none }}{{ m() }}|{{ m() ~ 'x' }}{% if m() %}y{% endif %}
{% macro m() %}{{ none }}{% endmacro %}{{ m() | type_debug }}
{% macro m() %}[{{ caller() }}]{{ caller() is none }}{% endmacro %}{% call m() %}{% endcall %}
{{ {'script': '#!/bin/sh\nset -e\n  if true; then\n    echo one two three four five six seven eight nine ten  eleven twelve   thirteen\n  fi\n'} | to_nice_yaml }}
{{ ['a\tb ' * 40, 'x\n ' ~ 'word ' * 40, '\u00a0 é ' * 30] | to_nice_yaml }}
{{ {'k' * 60: 'tab\there and a very long line of text that goes on and on and on and ends'} | to_yaml }}
{{ {'a': 'x  y\n' * 30, 'b': '\e ' * 50} | to_nice_yaml(width=40) }}
{{ query('nested', [1, [2, 3]], ['x']) }} {{ query('nested', ['a', 'b'], [[1, [2]], [3]], ['z']) }} {{ query('nested', [[1, 2], [3]]) }}
{{ {'keys': 1, 'items': 2, 'values': 3, 'get': 4, 'update': 5, 'copy': 6, 'pop': 7}['keys'] }}
{% set foo = {'keys': 1, 'items': 2, 'values': 3, 'get': 4, 'update': 5, 'copy': 6, 'pop': 7, 'count': 8, 'clear': 9, 'setdefault': 10} %}{{ foo.keys is callable }} {{ foo.items is callable }} {{ foo.values is callable }} {{ foo.get is callable }} {{ foo.update is callable }} {{ foo.copy is callable }} {{ foo.pop is callable }} {{ foo.count is callable }} {{ foo.clear is callable }} {{ foo.setdefault is callable }}
{% set foo = {'keys': 1, 'items': 2, 'values': 3, 'get': 4, 'update': 5, 'copy': 6, 'pop': 7, 'count': 8} %}{{ foo['keys'] }} {{ foo['items'] }} {{ foo['values'] }} {{ foo['get'] }} {{ foo['update'] }} {{ foo['copy'] }} {{ foo['pop'] }} {{ foo.count }} {{ foo.keys() | list | length }} {{ foo | attr('keys') is callable }} {{ [foo] | map(attribute='keys') | first }} {{ foo.keys == 1 }} {{ foo.keys is defined }} {{ foo.get('keys') }}
{% set ns = namespace(items=[1], keys=2) %}{{ ns.items }} {{ ns.keys }} {{ ns | type_debug }}{% set ns.values = 5 %}{{ ns.values }}
{{ {'a': 1}.keys }}
{{ {'a': 1}['keys'] }}
{{ {'a': 1}['keys']() | list }}
{{ {'keys': 1}.keys + 1 }}
{{ {'keys': 1}.keys | type_debug }}
{{ text.upper | type_debug }}
{{ text.upper }}
{{ conf.values | type_debug }} {{ conf.keys | type_debug }} {{ conf.update | type_debug }} {{ names.append | type_debug }}
{{ conf.values + 1 }}
{{ 'x' | items2dict }}
{{ ['a', 'b'] | items2dict }}
{{ [['a'], 5] | items2dict }}
{{ [{'a': 1}, {'b': 2}] | items2dict }}
{{ [{'a': 1}, {'b': 2}] | items2dict(key_name='a', value_name='b') }}
{{ 5 | items2dict }}
{{ 'x' | dict2items }}
{{ 'hello' | regex_search('l', '\\1') }}
{{ 'hello' | regex_search('l', '\\g<x>') }}
{{ 'hello' | regex_search('l', 'x') }}
{{ '10.00 Kb' | human_to_bytes }}
{{ '10.00 foo' | human_to_bytes }}
{{ '10.00 KB' | human_to_bytes(isbits=true) }}
{{ 'foo' | human_to_bytes }}
{{ '1 EBOOK' | human_to_bytes }}
{{ '1 Megabits' | human_to_bytes }}
{{ '' | human_to_bytes }}
{{ 'a: [' | from_yaml_all }}
{{ 'a: b: c' | from_yaml_all }}
{{ 'a: b: c' | from_yaml }}
{{ 'x' is match('[') }}
{{ 'x' | regex_replace('*', '') }}
{{ 'x' | regex_findall('(a') }}
{{ 'x' | regex_search('a)') }}
{{ 'x' is search('\\q') }}
{{ 'x' is regex('[z-a]') }}
{{ 'x' is regex('a**') }}
{{ 'x' is regex('a\\') }}
{{ 'x' is regex('ab(?P<n') }}
""".strip("\n").split("\n") + r"""
{{ {'b': 1, 'a': [1, {'x': none}]} | to_json }} {{ {'b': 1, 'a': 2} | to_json(sort_keys=true) }} {{ [1, 2] | to_json(indent=2) }} {{ {'a': 'é'} | to_json }} {{ {'a': 'é'} | to_json(ensure_ascii=false) }} {{ {'a': 1} | to_json(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4, 1.5: 5} | to_json }}
{{ (1, 2) | to_json }} {{ [1.0, 1e20, 1e-7, 0.1] | to_json }} {{ big | to_json }} {{ 'a"\\\n\t/\x01\x7f\u2028' | to_json }} {{ '😀' | to_json }} {{ true | to_json }} {{ 'nan' | float | to_json }} {{ 'inf' | float | to_json }} {{ text.encode() | to_json }}
{{ {'z': 1, 'a': {'c': [], 'b': {}}} | to_nice_json }}
{{ {'z': 1, 'a': [1, 2]} | to_nice_json(indent=1, sort_keys=false) }}
{{ {'z': 1} | to_nice_json(ensure_ascii=true) }} {{ {'z': 'é'} | to_nice_json(ensure_ascii=true) }} {{ [] | to_nice_json }} {{ 'x' | to_nice_json }} {{ {'a': 1} | to_nice_json(separators=(',', ':')) }}
{{ 'a: 1' | from_yaml }} {{ '[1, 2' | from_yaml | default('bad') }} {{ '' | from_yaml }} {{ 'yes' | from_yaml }} {{ '1' | from_yaml }} {{ '{a: b}' | from_yaml }} {{ '!!binary aGk=' | from_yaml | default('bin') }} {{ '2020-01-01' | from_yaml }} {{ '0x1F' | from_yaml }} {{ '010' | from_yaml }} {{ '1:30' | from_yaml }}
{{ '[1, 2' | from_yaml }}
{{ '---\na: 1\n---\n- b\n' | from_yaml_all }} {{ '' | from_yaml_all }} {{ 'a: &x 1\nb: *x' | from_yaml }} {{ 'a: {<<: {b: 1}, c: 2}' | from_yaml }} {{ '"{{ one }}"' | from_yaml }} {{ 5 | from_yaml }}
{{ '{"a": 1}' | from_json }} {{ '1e5' | from_json }} {{ '"\\u00e9"' | from_json }} {{ 'NaN' | from_json }} {{ '[1, 2, {"a": null}]' | from_json }} {{ '{"a": 1, "a": 2}' | from_json }} {{ ' 5 ' | from_json }}
{{ '{a: 1}' | from_json }}
{{ '' | from_json }}
{{ none | from_json }}
{{ 5 | from_json }}
{{ {'a': 'multi\nline\n', 'b': ' lead', 'c': 'trail ', 'd': 'tab\t', 'e': '', 'f': '# c', 'g': 'a: b', 'h': "it's", 'i': '"q"'} | to_nice_yaml }}
{{ {'a': [{'b': [1, [2, 3]], 'c': {'d': {}}}, [], 'x']} | to_nice_yaml(indent=2) }}
{{ {'a': [{'b': [1, [2, 3]], 'c': {'d': {}}}, [], 'x']} | to_nice_yaml(indent=8) }}
{{ {'a': [1, {'b': 2}]} | to_yaml(default_flow_style=false) }} {{ {'a': [1, {'b': 2}]} | to_yaml(default_flow_style=true) }} {{ {'b': 1, 'a': 2} | to_yaml(sort_keys=false) }} {{ 'x' | to_yaml(explicit_start=true) }} {{ {'a': 'é'} | to_yaml(allow_unicode=false) }} {{ {'a': 'é'} | to_nice_yaml(allow_unicode=false) }}
{{ {'a': 'x ' * 60} | to_yaml(width=40) }} {{ {'a': 1} | to_yaml(version=[1, 1]) }} {{ {'a': 1} | to_yaml(line_break='\r\n') }}
{{ [none, true, 1.5, 'null', 'true', '1.5', '~', 'on', 'n', 'y', '0o7', '1e3', '.5', '.inf', '-.inf', '.nan', '1_000', '+1', '0b1', '2020-01-01 10:00:00', '12e03', '685_230.15', '190:20:30.15', '-', '--- a', '...', 'a\\b', '\x07', '\x85', 'é', '\u2028'] | to_nice_yaml }}
{{ (1, 2) | to_yaml }} {{ [(1, 2)] | to_nice_yaml }} {{ big | to_yaml }} {{ [big, 1e100, 'inf' | float, 'nan' | float] | to_yaml }} {{ text.encode() | to_yaml }} {{ moment | to_yaml }}
{{ 'abc' | regex_search('b') }} {{ 'abc' | regex_search('(a)(b)', '\\2', '\\1') }} {{ 'abc' | regex_search('z', '\\0') | default('u', true) }} {{ 'ABC' | regex_search('b', ignorecase=true) }} {{ 'a\nb' | regex_search('^b', multiline=true) }} {{ 'abc' | regex_search('(?P<n>b)', '\\g<n>') }} {{ 'abc' | regex_search('(b)', '\\1') }} {{ 'abc' | regex_search('(x)?a', '\\1') }}
{{ 'abc' | regex_search('(b)', '1') }}
{{ 'abc' | regex_search('(b)', '\\5') }}
{{ 'abc' | regex_search('(b') }}
{{ 'aXbXc' | regex_replace('X', '-') }} {{ 'abc' | regex_replace('(?P<x>b)', '<\\g<x>>') }} {{ 'abc' | regex_replace('(b)', '[\\1\\1]') }} {{ 'abc' | regex_replace('b', '\\n') }} {{ 'abc' | regex_replace('b', '\\\\') }} {{ 'aaa' | regex_replace('a', 'b', count=2) }} {{ 'abc' | regex_replace('(a)|(z)', '[\\1\\2]') }} {{ 'abc' | regex_replace('', '-') }} {{ 'a.b' | regex_replace('.', '-') }} {{ 'ab' | regex_replace('(?i)B', 'x') }} {{ 'abc' | regex_replace('b', '\\g<0>\\g<0>') }} {{ 'a b' | regex_replace('\s', '_') }}
{{ 'abc' | regex_replace('(b)', '\\2') }}
{{ 'abc' | regex_replace('z', 'y', mandatory_count=1) }}
{{ 'aab' | regex_replace('a', 'y', mandatory_count=2) }} {{ 'foobar' | regex_replace('foo(?=bar)', '') }} {{ 'foobar' | regex_replace('(?<=foo)bar', '!') }} {{ 'aa bb' | regex_replace('(\w)\\1', '<\\1>') }} {{ 'x1y22' | regex_replace('[^0-9]+', ' ') }} {{ 'k: v' | regex_replace('^(?P<k>\w+): (?P<v>\w+)$', '\\g<v>=\\g<k>') }}
{{ 'a1b2' | regex_findall('[a-z]') }} {{ 'a1b2' | regex_findall('([a-z])(\d)') }} {{ 'aXbx' | regex_findall('x', ignorecase=true) }} {{ 'abc' | regex_findall('') }} {{ 'a\nb' | regex_findall('^.', multiline=true) }} {{ 'abab' | regex_findall('(?:ab)+') }} {{ 'äöü' | regex_findall('\w') }} {{ '１２' | regex_findall('\d') }}
{{ 'a.b+c?[d]{e}|f^g$h\\i-j k#l' | regex_escape }} {{ 'a.b+c?[d]{e}|f^g$h\\i' | regex_escape(re_type='posix_basic') }} {{ 'a' | regex_escape('posix_extended') | default('bad') }}
{{ 'a' | regex_escape('nope') }}
{{ 'abc' is regex('B', ignorecase=true) }} {{ 'abc' is match('b') }} {{ 'abc' is search('^b') }} {{ 'abc' is regex('b', match_type='match') }} {{ 'a\nb' is search('^b', multiline=true) }} {{ 'abc' is regex('ABC', true) }} {{ 5 is match('5') }}
{{ [1, 2] is match('x') }}
{{ 'secret' | hash('sha1') }} {{ 'secret' | hash('sha512') | length }} {{ 'secret' | hash('sha384') | length }} {{ 'secret' | hash('blake2b') | length }} {{ 'secret' | hash('sha3_256') }} {{ umlaut | md5 }} {{ 'x' | checksum }} {{ '' | sha1 }} {{ 5 | hash('md5') | default('bad') }}
{{ 'x' | hash(hashtype='sha256') }} {{ 'a' | to_uuid }} {{ 'a' | to_uuid(namespace='6ba7b810-9dad-11d1-80b4-00c04fd430c8') }} {{ umlaut | to_uuid }}
{{ 'a' | to_uuid(namespace='nope') }}
{{ 'hello' | b64encode }} {{ 'aGVsbG8=' | b64decode }} {{ 'ü' | b64encode(encoding='latin-1') }} {{ '/A==' | b64decode(encoding='latin-1') }} {{ '' | b64encode }} {{ 'a' | b64encode(encoding='utf-16-le') }} {{ '>>>???' | b64encode(urlsafe=true) }}
{{ 'a' | b64decode }}
{{ 5 | b64encode }}
{{ {'a': 1} | combine({'b': 2}, {'a': 3}) }} {{ {'a': {'b': 1, 'l': [1]}} | combine({'a': {'c': 2, 'l': [2]}}) }} {{ {'a': {'b': 1, 'l': [1]}} | combine({'a': {'c': 2, 'l': [2]}}, recursive=true) }} {{ {'l': [1, 2]} | combine({'l': [2, 3]}, list_merge='prepend') }} {{ {'l': [1, 2]} | combine({'l': [2, 3]}, list_merge='append_rp') }} {{ {'l': [1, 2]} | combine({'l': [2, 3]}, list_merge='prepend_rp') }} {{ {'l': [1]} | combine({'l': [2]}, list_merge='keep') }} {{ {'l': [1]} | combine({'l': 5}, list_merge='append') }} {{ {'a': 1} | combine([{'b': 2}, [{'c': 3}]]) }} {{ {'a': 1} | combine([]) }}
{{ {'a': {'b': {'c': [1], 'd': 1}}} | combine({'a': {'b': {'c': [2], 'e': 2}}}, recursive=true, list_merge='append') }} {{ {'a': {'b': 1}} | combine({'a': 5}, recursive=true) }} {{ {'a': 5} | combine({'a': {'b': 1}}, recursive=true) }} {{ {1: 'a'} | combine({'1': 'b'}) }}
{{ {'a': 1} | combine({'a': 2}, list_merge='bogus') }}
{{ {'a': 1} | combine({'a': 2}, nope=1) }}
{{ [1] | combine({'a': 1}) }}
{{ {'a': 1} | combine(5) }}
{{ [{'a': 1, 'b': [1, 2]}, {'a': 2, 'b': []}] | subelements('b') }} {{ [{'a': {'b': [1]}}] | subelements('a.b') }} {{ {'x': {'l': [1]}, 'y': {'l': [2]}} | subelements('l') }} {{ [{'a': 1}] | subelements('b', skip_missing=true) }} {{ [{'l': [1]}] | subelements(['l']) }}
{{ [{'a': 1}] | subelements('a') }}
{{ [{'a': 1}] | subelements('b') }}
{{ 5 | subelements('b') }}
{{ [1, 2] | zip('ab', [true, false]) }} {{ [1] | zip([]) }} {{ [1, 2, 3] | zip_longest([4]) }} {{ [1] | zip_longest('ab', fillvalue='-') }} {{ [1, 2] | product('ab') | map('join') | list }} {{ [0, 1] | product(repeat=2) }} {{ 'ab' | permutations }} {{ 'abc' | permutations(1) }} {{ 'abc' | combinations(2) | map('join') }} {{ [1, 2] | combinations(0) }} {{ [1] | combinations(5) }}
{{ {'a': 1, 'b': 2} | dict2items }} {{ {'a': 1} | dict2items('k', 'v') }} {{ [{'key': 'a', 'value': 1}, {'key': 'a', 'value': 2}] | items2dict }} {{ [{'n': 1, 'v': 2}] | items2dict('n', 'v') }} {{ [] | items2dict }} {{ {} | dict2items }}
{{ [1] | dict2items }}
{{ {'a': 1} | items2dict }}
{{ [{'key': 'a'}] | items2dict }}
{{ [{'key': 'a', 'value': 1, 'x': 2}] | items2dict }}
{{ [{'n': 'a', 'v': 1}, {'n': 'b', 'v': 2}] | rekey_on_member('n') }} {{ {'x': {'n': 'a'}} | rekey_on_member('n') }} {{ [{'n': 'a', 'v': 1}, {'n': 'a', 'v': 2}] | rekey_on_member('n', duplicates='overwrite') }}
{{ [{'n': 'a'}, {'n': 'a'}] | rekey_on_member('n') }}
{{ [{'n': 'a'}] | rekey_on_member('x') }}
{{ users | groupby('admin') | map(attribute='grouper') | list }} {{ users | groupby('admin') | map(attribute='list') | map('length') | list }} {{ users | groupby('nope', default='none') | first | first }} {{ [{'a': 'B'}, {'a': 'b'}] | groupby('a') | length }} {{ [{'a': 'B'}, {'a': 'b'}] | groupby('a', case_sensitive=true) | length }} {{ users | groupby('home.path', default='') | map('first') | list }} {{ [['a', 1], ['b', 2], ['a', 3]] | groupby(0) }}
{% for k, v in users | groupby('admin') %}{{ k }}={{ v | map(attribute='name') | join('+') }};{% endfor %}
{{ users | groupby('nope') }}
{{ users | map(attribute='groups.0', default='-') | list }} {{ users | map(attribute='home', default={}) | map(attribute='path', default='/') | list }} {{ [0, 2] | map('extract', names) | list }} {{ ['a', 'b'] | map('extract', {'a': {'x': 1}, 'b': {'x': 2}}, 'x') | list }} {{ ['a'] | map('extract', {'a': {'x': {'y': 1}}}, ['x', 'y']) | list }} {{ [[1, 2], [3]] | map('first') | list }} {{ users | map(attribute='name') | map('regex_replace', '(.)$', '<\\1>') | list }} {{ nums | map('pow', 2) | map('int') | list }}
{{ users | map('nope') }}
{{ users | map }}
{{ users | map(attribute='name', nope=1) | list }}
{{ [1, 2, 3] | select('gt', 1) | list }} {{ [1, 2, 3] | select('>', 1) | list }} {{ [1, 2, 3] | reject('==', 2) | list }} {{ ['a', '', none] | select | list }} {{ ['a', 1] | select('string') | list }} {{ [1, none] | reject('none') | list }} {{ ['ab', 'cd'] | select('search', 'a') | list }} {{ ['ab', 'cd'] | reject('match', 'c') | list }} {{ [[1], [2]] | select('contains', 1) | list }} {{ ['1.2', '1.10'] | select('version', '1.9', '>') | list }} {{ [4, 5] | select('divisibleby', 2) | list }} {{ ['/etc', '/nope'] | select('exists') | list }} {{ [not_there, 1] | select('defined') | list }} {{ [1, 2] | select('in', [2]) | list }} {{ ['a'] | select('nope') | default('bad') }}
{{ users | selectattr('uid', '>=', 1000) | map(attribute='name') | list }} {{ users | selectattr('home.path', 'defined') | list | length }} {{ users | rejectattr('groups') | map(attribute='name') | list }} {{ users | selectattr('groups', 'length') | default('bad') }} {{ users | selectattr('name', 'search', 'o') | map(attribute='name') | list }} {{ users | selectattr('groups', 'superset', ['docker']) | map(attribute='name') | list }} {{ users | selectattr('name', '==', 'bob') | map(attribute='uid') | first }} {{ users | rejectattr('home', 'undefined') | map(attribute='name') | list }} {{ users | selectattr('nope', 'undefined') | list | length }} {{ users | selectattr('groups.0', 'eq', 'wheel') | list | length }}
{{ users | selectattr('nope') | list }}
{{ users | selectattr('nope', 'eq', 1) | list }}
{{ nums | select('nope') | list }}
{{ [1, [2, [3, none]], none] | flatten }} {{ [1, [2, [3]]] | flatten(1) }} {{ [[1], none] | flatten(skip_nulls=false) }} {{ [(1, 2), {'a': 1}, 'xy'] | flatten }} {{ [] | flatten }} {{ [[[]]] | flatten }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [[2, 'a'], [1, 'b']] | sort }} {{ [{'a': 2}, {'a': 1}] | sort(attribute='a') }} {{ [{'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b') }} {{ [1.5, 1, true] | sort }} {{ 'cab' | sort }} {{ {'b': 1, 'a': 2} | sort }} {{ ['ä', 'z', 'a'] | sort }}
{{ [1, 'a'] | sort }}
{{ [none, 1] | sort }}
{{ [1, 2, 1] | unique }} {{ ['a', 'A'] | unique }} {{ ['a', 'A'] | unique(case_sensitive=false) }} {{ [{'a': 1}, {'a': 1}] | unique }} {{ [[1], [1]] | unique }} {{ [1, 1.0, true, '1'] | unique }} {{ users | unique(attribute='admin') | map(attribute='name') | list }} {{ 'aab' | unique }} {{ [none, none] | unique }}
{{ [1, 2, 2] | union([2, 3]) }} {{ [1, 2, 2, 3] | intersect([2, 3, 3]) }} {{ [1, 1, 2] | difference([2]) }} {{ [1, 1] | symmetric_difference([2]) }} {{ [[1]] | union([[1], [2]]) }} {{ [{'a': 1}] | difference([{'a': 1}]) }} {{ [1] | union([]) }} {{ [1] | intersect(5) | default('bad') }}
{{ [1, 5, 3] | max }} {{ ['a', 'B'] | max }} {{ ['a', 'B'] | max(case_sensitive=true) }} {{ users | min(attribute='uid') | dict2items | first }} {{ [] | min | default('none') }} {{ {'a': 1, 'b': 0} | max }} {{ [[1, 2], [1, 3]] | max }} {{ 'hello' | max }}
{{ [] | max }}
{{ [1, 'a'] | max }}
{{ [1, 2] | sum }} {{ [] | sum }} {{ [1.5, 1] | sum }} {{ users | sum(attribute='uid', start=1) }} {{ [[1], [2]] | sum(start=[]) }} {{ [true, true] | sum }} {{ range(101) | sum }}
{{ ['a'] | sum }}
{{ 'abc' | first }} {{ 'abc' | last }} {{ {'a': 1} | first }} {{ [1, 2] | last }} {{ (1, 2) | first }} {{ range(5) | last }} {{ [[]] | first }}
{{ [] | last }}
{{ '' | first }}
{{ 5 | first }}
{{ [1, 2, 3] | random | type_debug }} {{ 5 | random(seed='a') }} {{ ['x'] | random }} {{ [] | random | default('none') }} {{ 10 | random(1, 3, seed='b') }} {{ 3 | random(start=2) }} {{ [1, 2, 3, 4] | shuffle(seed='x') }} {{ 'abc' | shuffle(seed='y') }} {{ '52:54:00' | random_mac(seed='h') }} {{ [5] | shuffle }}
{{ 1.5 | random }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 2, 3] | slice(2, 'x') | list }} {{ [] | batch(2) | list }} {{ 'abcd' | batch(3) | map('join') | list }} {{ [1] | slice(3) | list }}
{{ 'abc' | length }} {{ {'a': 1} | count }} {{ (1, 2) | length }} {{ '' | length }} {{ 'é漢😀' | length }}
{{ 5 | length }}
{{ true | length }}
{{ [1, 2] | join }} {{ [1, none, 'a'] | join('-') }} {{ {'a': 1, 'b': 2} | join(',') }} {{ 'abc' | join('.') }} {{ users | join(', ', 'name') }} {{ [] | join(',') }} {{ [[1], [2]] | join(';') }} {{ [1.0, true] | join(' ') }} {{ users | join('/', attribute='uid') }}
{{ 5 | join }}
{{ [not_there] | join }}
{{ '1' | int }} {{ '-5' | int }} {{ '1.9' | int }} {{ '1e3' | int }} {{ 'abc' | int }} {{ '' | int }} {{ [] | int }} {{ {} | int(7) }} {{ '0b101' | int(base=2) }} {{ '0o17' | int(base=8) }} {{ 'ff' | int(base=16) }} {{ '0x10' | int(base=0) }} {{ 'z' | int(base=36) }} {{ true | int }} {{ 1e10 | int }} {{ -1.9 | int }} {{ '١٢' | int }} {{ 'inf' | float | int(9) | default('bad') }}
{{ '1.5' | float }} {{ 'x' | float }} {{ 'x' | float(2) }} {{ none | float }} {{ '1_0.5' | float }} {{ '.5' | float }} {{ '5.' | float }} {{ ' 1.5\n' | float }} {{ '1,5' | float(default=9) }} {{ true | float }} {{ big | float }}
{{ 2.675 | round(2) }} {{ 0.5 | round }} {{ 1.5 | round }} {{ -2.5 | round }} {{ 1234.5678 | round(-2) }} {{ 1234 | round(-2) }} {{ 1.25 | round(1, 'ceil') }} {{ 1.25 | round(1, 'floor') }} {{ -1.5 | round(0, 'floor') }} {{ 5 | round(2) }} {{ 1e300 | round(2) }} {{ 2.5 | round(method='ceil') }} {{ 3.14159 | round(precision=3) }} {{ true | round }}
{{ 1.5 | round(1, 'nope') }}
{{ 'x' | round }}
{{ 8 | log(2) }} {{ 100 | log(10) }} {{ 2.718281828459045 | log }} {{ 2 | pow(10) }} {{ 2 | pow(-1) }} {{ 2 | pow(0.5) }} {{ 9 | root }} {{ 27 | root(3) }} {{ 2 | root(2) | round(5) }} {{ -5 | abs }} {{ -5.5 | abs }} {{ 81 | root(4) }} {{ 1000 | log(10) }}
{{ 0 | log }}
{{ -1 | log }}
{{ 'a' | log }}
{{ 'a' | pow(2) }}
{{ -4 | root }}
{{ 'x' | abs }}
{{ 0 | human_readable }} {{ 1 | human_readable }} {{ 1023 | human_readable }} {{ 1536 | human_readable }} {{ 10 ** 15 | human_readable }} {{ 1e18 | human_readable }} {{ 1024 | human_readable(true) }} {{ 1048576 | human_readable(unit='K') }} {{ 5 | human_readable(unit='M') }} {{ 1048576 | human_readable(isbits=true, unit='K') }} {{ 1.5 | human_readable }} {{ '2048' | human_readable | default('bad') }} {{ 2 ** 80 | human_readable }}
{{ 'x' | human_readable }}
{{ '1K' | human_to_bytes }} {{ '1KB' | human_to_bytes }} {{ '1.5M' | human_to_bytes }} {{ '1 GB' | human_to_bytes }} {{ '10' | human_to_bytes }} {{ 10 | human_to_bytes }} {{ '10' | human_to_bytes(default_unit='M') }} {{ '8Kb' | human_to_bytes(isbits=true) }} {{ '1T' | human_to_bytes }} {{ '1E' | human_to_bytes }} {{ '1 kilobyte' | human_to_bytes | default('bad') }} {{ '0' | human_to_bytes }} {{ '1B' | human_to_bytes }} {{ '2 MiB' | human_to_bytes | default('bad') }}
{{ '1KB' | human_to_bytes(isbits=true) }}
{{ 'x1' | human_to_bytes }}
{{ '1Q' | human_to_bytes }}
{{ 100 | filesizeformat }} {{ 1000 | filesizeformat }} {{ 1500000 | filesizeformat }} {{ 1536 | filesizeformat(true) }} {{ 1 | filesizeformat }} {{ '1000000' | filesizeformat }} {{ 1.5e12 | filesizeformat }} {{ 0 | filesizeformat }} {{ 10 ** 30 | filesizeformat }}
{{ 'yes' | bool }} {{ 'on' | bool }} {{ 'TRUE' | bool }} {{ '1' | bool }} {{ 1 | bool }} {{ 1.0 | bool }} {{ 0.0 | bool }} {{ 'off' | bool }} {{ 'n' | bool }} {{ 't' | bool }} {{ none | bool }} {{ true | bool }}
{{ 'nope' | bool }}
{{ [] | bool }}
{{ 5 | bool }}
{{ true | ternary('a', 'b') }} {{ none | ternary(1, 2) }} {{ none | ternary(1, 2, 3) }} {{ 0 | ternary('y', 'n') }} {{ 'x' | ternary('y', 'n') }} {{ '' | ternary('y', 'n') }} {{ [] | ternary('y', 'n') }} {{ true | ternary(true_val='t', false_val='f') }} {{ not_there | default(false) | ternary('y', 'n') }} {{ false | ternary(not_there, 'fine') }}
{{ 'x y' | quote }} {{ "it's" | quote }} {{ '' | quote }} {{ '$HOME' | quote }} {{ 'a;b' | quote }} {{ 5 | quote }} {{ 'é' | quote }} {{ ['a b', 'c'] | map('quote') | join(' ') }} {{ 'a=b' | quote }} {{ '~' | quote }} {{ '@%+=:,./-_' | quote }} {{ 'new\nline' | quote }}
{{ 'a b c' | split }} {{ 'a,b' | split(',') }} {{ 'a,b,c' | split(',', 1) }} {{ '' | split }} {{ '' | split(',') }} {{ ' a  b ' | split }} {{ 'aXXb' | split('XX') }}
{{ 5 | split }}
{{ 'text' | comment }} {{ 'text' | comment('c') }} {{ 'a\nb' | comment('erlang') }}
{{ 'a\nb' | comment('cblock') }}
{{ 'a\nb' | comment('xml') }}
{{ 'a' | comment('plain', decoration='; ') }}|{{ 'a' | comment('plain', prefix='#', postfix='#') }}|{{ 'a' | comment(newline='\r\n', prefix='') }}|{{ 'a' | comment('cblock', decoration=' # ', prefix_count=2, postfix_count=2) }}|{{ 'a' | comment('plain', beginning='<<', end='>>') }}
{{ 'a' | comment('nope') }}
{{ 'a\nb' | indent }}|{{ 'a\n\nb' | indent(2, first=true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent(width='>>') }}|{{ 'a\nb' | indent(0) }}|{{ '' | indent(2, true) }}|{{ 'a\n' | indent(2) }}|{{ 'a\r\nb' | indent(2) }}|
{{ 'the quick brown fox' | wordwrap(10) }}|{{ 'abcdefghij' | wordwrap(4) }}|{{ 'abcdefghij' | wordwrap(4, false) }}|{{ 'a b c' | wordwrap(1, wrapstring='/') }}|{{ 'a-b-c-d' | wordwrap(3) }}|{{ 'a-b-c-d' | wordwrap(3, break_on_hyphens=false) }}
{{ 'hello world' | truncate(5) }} {{ 'hello world' | truncate(8, true) }} {{ 'hello world' | truncate(10) }} {{ 'hello world' | truncate(9, leeway=0) }} {{ 'hello world' | truncate(5, end='~', leeway=0) }} {{ 'hi' | truncate(5) }} {{ 'hello world again' | truncate(12, false, '..', 0) }}
{{ 'hello' | truncate(2) }}
{{ 'a b-c d_e' | title }} {{ "it's o'neil (foo) [bar] x<y" | title }} {{ 'ÉCOLE été' | title }} {{ 'é' | upper }} {{ 'ß' | upper }} {{ 'İ' | lower | length }} {{ 'aB cD' | capitalize }} {{ 'x' | center(4) }}| {{ 'abc' | wordcount }} {{ "it's two-words" | wordcount }} {{ 'a b' | replace(' ', '') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 5 | replace(5, 6) }} {{ ' \n x\t' | trim }} {{ 'xyx' | trim('x') }} {{ '<p>a  b</p> c' | striptags }} {{ 'a' | string | type_debug }} {{ none | string }} {{ 'abc' | list }} {{ 'abc' | reverse }}
{{ 'a b/c?d=é&f' | urlencode }} {{ {'a': 'x y', 'b': [1]} | urlencode }} {{ [('a', 1), ('b', '&')] | urlencode }} {{ 'a%20b%2Fc' | urldecode }} {{ 'a+b' | urldecode }} {{ '~-._' | urlencode }} {{ 5 | urlencode }}
{{ 'http://u:p@h:8080/p/a?q=1#f' | urlsplit('netloc') }} {{ 'http://u:p@h:8080/p/a?q=1#f' | urlsplit('username') }} {{ 'http://h/p' | urlsplit('port') }} {{ 'http://[::1]:80/x' | urlsplit('hostname') }} {{ 'mailto:a@b' | urlsplit('scheme') }} {{ '//h/p' | urlsplit('netloc') }} {{ '/p?q' | urlsplit('query') }} {{ 'HTTP://EXAMPLE.org' | urlsplit('hostname') }} {{ 'http://u:p@h/' | urlsplit('password') }}
{{ 'http://h:bad/' | urlsplit('port') }}
{{ 'x' | urlsplit('nope') }}
{{ '/a/b.c/d.tar.gz' | basename }} {{ 'a' | dirname }} {{ '/' | basename }} {{ '/' | dirname }} {{ '' | basename }} {{ '//a' | dirname }} {{ 'a/b/' | dirname }} {{ '/a/b.c' | splitext }} {{ '.x.y' | splitext }} {{ 'a.' | splitext }} {{ '~/x' | expanduser is match('/') }} {{ '$NOPE_X/a' | expandvars }} {{ '/a/../b/./c//d' | normpath }} {{ '' | normpath }} {{ '../a' | normpath }} {{ ['a', '/b', 'c'] | path_join }} {{ 'a' | path_join }} {{ [] | path_join | default('bad') }} {{ '/a/b' | relpath('/a') }} {{ ['/a/b', '/a/bc'] | commonpath }} {{ 'C:/a/b' | win_basename }} {{ 'C:\\a\\b.txt' | win_dirname }} {{ 'C:\\a' | win_splitdrive }} {{ '\\\\srv\\share\\x' | win_splitdrive }}
{{ 5 | basename }}
{{ [1] | path_join }}
{{ 'abc' | type_debug }} {{ [1] | type_debug }} {{ not_there | type_debug }}
{{ not_there | mandatory }}
{{ not_there | mandatory('please set it') }}
{{ not_there | mandatory(msg='set it') | default('d') }} {{ one | mandatory }} {{ none | mandatory }} {{ not_there | default('a') | default('b') }} {{ not_there | d('x') }} {{ false | default('x') }} {{ false | default('x', true) }} {{ '' | d('x', true) }} {{ not_there | default(default_value='y') }} {{ [] | default('e', boolean=true) }} {{ not_there | default() }}|
{{ {'a': 1, 'b': 'x"y', 'c': none, 'd': not_there | default(none)} | xmlattr }} {{ {} | xmlattr }} {{ {'a': 1} | xmlattr(false) }}
{{ [1, 2] | pprint }} {{ {'b': 1, 'a': 'x'} | pprint }} {{ 'abc' | pprint }} {{ range(40) | list | pprint }}
{{ [1, [2]] | tojson }} {{ {'a': '<b>&'} | tojson }} {{ {'b': 1, 'a': 2} | tojson }} {{ [1] | tojson(indent=2) }} {{ "it's" | tojson }}
{{ {'a': 1} | attr('a') | default('none') }} {{ 'abc' | attr('upper') is callable }} {{ {'a': 1} | items | list }} {{ not_there | items | list }} {{ {'b': 2, 'a': 1} | dictsort(false, 'value') }} {{ {'b': 2, 'a': 1} | dictsort(reverse=true) }} {{ {'B': 1, 'a': 2} | dictsort(true) }}
{{ [1] | items }}
{{ {'a': 1} | dictsort(by='nope') }}
{{ '%s-%03d' | format('a', 7) }} {{ '%(x)s' | format(x=5) }} {{ 'plain' | format }}
{{ '%s %s' | format(1) }}
{{ users | json_query('[].name') }}
{{ '192.168.1.5/24' | ansible.utils.ipaddr('network') | default('none') }}
{{ [1, 2, 3] | contains(2) }}
{{ 'x' | fileglob }} {{ '/nonexistent/*' | fileglob }}
{{ 'a' | vault('pw') is match('.ANSIBLE_VAULT;1.1;AES256') }} {{ 'plain' | vault('pw') | unvault('pw') }} {{ 'x' | vault('pw', vault_id='v1') is search('1.2;AES256;v1') }}
{{ 'x' | vault('pw') | unvault('wrong') }}
{{ 'not vaulted' | unvault('pw') }}
{{ 'x' | vault(5) }}
""".strip("\n").split("\n") + r"""
{{ 1 is odd }} {{ 2 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ 'a' is lower }} {{ 'Ab' is upper }} {{ 1 is number }} {{ true is number }} {{ 1.0 is float }} {{ 1 is float }} {{ true is integer }} {{ '1' is number }} {{ 'x' is string }} {{ [1] is iterable }} {{ 5 is iterable }} {{ {} is mapping }} {{ 'ab' is sequence }} {{ () is sequence }} {{ range(2) is sequence }} {{ none is none }} {{ 1 is boolean }} {{ false is boolean }}
{{ 1 is eq 1 }} {{ 1 is == 1 }} {{ 1 is equalto(1) }} {{ 1 is ne 2 }} {{ 1 is != 1 }} {{ 1 is lt 2 }} {{ 1 is lessthan 2 }} {{ 2 is gt 1 }} {{ 2 is greaterthan 1 }} {{ 2 is ge 2 }} {{ 2 is le 1 }} {{ 1 is in [1] }} {{ 1 is not in [1] }} {{ 'a' is in 'abc' }} {{ [1, 2] is contains 2 }} {{ 'abc' is contains 'b' }} {{ {'a': 1} is contains 'a' }}
{{ 1 is not odd }} {{ not 1 is odd }} {{ 1 is odd and 2 is even }} {{ (1 is odd) == true }} {{ 1 is odd == false }} {{ [1, 2] | length is divisibleby 2 }} {{ 1 + 1 is even }} {{ 'a' ~ 'b' is string }}
{{ 'x' is version('1', '>') }}
{{ '1.0' is version('1.0.0', 'eq') }} {{ '1.0' is version('1.0.0', '==', strict=true) | default('bad') }} {{ '2.0' is version('10.0', 'lt') }} {{ '1.0a' is version('1.0', 'gt') }} {{ '1.0-1' is version('1.0-2', '<') }} {{ '1.2.3' is version('1.2', 'ge') }} {{ '1.0.0-alpha' is version('1.0.0', 'lt', version_type='semver') }} {{ '1.0.0-alpha.1' is version('1.0.0-alpha.beta', '<', version_type='semver') }} {{ '1.0.0+b' is version('1.0.0', '==', version_type='semver') }} {{ '1.0.dev1' is version('1.0a1', '<', version_type='pep440') }} {{ '1.0.post1' is version('1.0', '>', version_type='pep440') }} {{ '1!1.0' is version('2.0', '>', version_type='pep440') }} {{ '1.0' is version_compare('1.1', '<') }} {{ 1.5 is version('1.4', '>') }} {{ '1.0' is version('', '>') | default('bad') }}
{{ '1.0' is version('1.1', 'nope') }}
{{ '' is version('1.0', '>') }}
{{ '1.0' is version('1.1', '<', version_type='nope') }}
{{ '1.0' is version('1.1', '<', strict=true, version_type='semver') }}
{{ 'x' is version('1.1', '<', version_type='semver') }}
{{ [1] is subset([1, 2]) }} {{ [1, 3] is issubset([1, 2]) }} {{ [1, 2] is superset([1]) }} {{ [1] is issuperset([1, 2]) }} {{ [true, 1] is all }} {{ [] is all }} {{ [0, 1] is any }} {{ [] is any }} {{ 'a' is truthy }} {{ 'no' is truthy(convert_bool=true) }} {{ '' is falsy }} {{ 0 is falsy }} {{ 'off' is falsy(convert_bool=true) }} {{ none is truthy }} {{ [] is truthy }}
{{ 'x' is abs }} {{ '/x' is abs }} {{ '/etc/passwd' is file }} {{ '/etc' is directory }} {{ '/etc/passwd' is link }} {{ '/nope' is link_exists }} {{ '/etc' is exists }} {{ '/' is mount }} {{ '/etc' is same_file('/etc/') }} {{ '/etc' is is_dir | default('x') }} {{ '/etc' is is_mount }} {{ '/etc/passwd' is is_file }}
{{ 'http://a/b' is url }} {{ 'a/b' is url }} {{ 'ftp://x' is url(schemes=['http']) }} {{ 'urn:isbn:1' is urn }} {{ 'mailto:x' is uri }} {{ 'x' is uri }} {{ 'file:///x' is uri(['file']) }}
{{ {'failed': true} is failed }} {{ {'failed': false} is success }} {{ {'rc': 1} is failed }} {{ {'changed': true} is change }} {{ {'changed': true} is changed }} {{ {'skipped': true} is skip }} {{ {'finished': 1} is finished | default('x') }} {{ {'unreachable': true} is unreachable }} {{ {'unreachable': true} is reachable }} {{ {'timedout': {'period': 1}} is timedout }} {{ {'results': [{'changed': true}]} is changed }} {{ {} is succeeded }}
{{ [] is failed }}
{{ 5 is changed }}
{{ 'nan' | float is nan }} {{ 1.0 is nan }} {{ 'a' is escaped }} {{ 'x' is defined }} {{ x is undefined }} {{ lookup is callable }} {{ 'items' is filter }} {{ 'ansible.builtin.quote' is filter }} {{ 'nope.nope' is filter }} {{ 'exists' is test }} {{ 'ansible.builtin.exists' is test }} {{ 5 is sameas 5.0 }}
{{ 'x' is vault_encrypted }} {{ 'x' | vault('p') is vault_encrypted }}
{{ 'x' is nan }}
{{ 5 is lower }} {{ 5 is upper | default('x') }}
{{ 'a' is divisibleby 2 }}
{{ 1 is nope.nope.nope }}
{{ 1 is }}
{{ 1 is not }}
{{ one is ansible.builtin.nope }}
{{ one | ansible.builtin.nope }}
{{ one | nope.nope.nope }}
{{ lookup('nope.nope.nope', 1) }}
{{ users | map('ansible.builtin.dict2items') | map('length') | list }} {{ one is not ansible.builtin.version('2', '>') }} {{ nums | select('ansible.builtin.in', [1]) | list }} {{ users | selectattr('name', 'ansible.builtin.match', 'a') | list | length }} {{ lookup('ansible.builtin.vars', 'one') }}
{{ one	+	1 }} {{　one　+　1　}} {{ one + 1 }} {%　if one　%}y{% endif %}
{{one}}{{ one}}{{one }}{{	one	}}{{ (one) }}{{ ( one ) }}
{{ [1,2]|first }}{{ {'a':1}.a }}{{ 'a'if one else'b' }}{{ not(one) }}{{ one==1 }}{{ one!=1 }}{{1+1}}{{1-1}}{{1--1}}{{2**2}}
{{ "}}" }}{{ '%}' }}{{ {'a': {'b': 1}}.a.b }}{{ {'a': {'b': {}}} }}{{ {} }}
{{ one }}{{ not_there | default('') }}{{ empty }}{{ none }}
{{ none }}{{ none }}
{{ none }}{{ one }}
 {{ one }}
{{ one }} 
{{ '1' }}{{ '2' }}
{{ '[1, 2]' }}
{{ "{'a': 1}" }}
{{ '' }}
{{ [1, 2] }}{{ '' }}
{{ true }}{{ '' }}
{{ omit }}
{{ omit }}x
{{ {'a': omit} | length }} {{ [omit] | length }} {{ omit is defined }} {{ {'a': [omit, 1], 'b': {'c': omit}} }}
{{ {'a': not_there | default(omit)} }} {{ [1, not_there | default(omit)] }}
{{ omit | default('x') }}
{% if omit %}x{% endif %}
{{ [omit] | to_json }}
{{ 'a' if zero }}
x{{ 'a' if zero }}y
{{ ('a' if zero) | default('d') }}
{{ ('a' if zero) ~ 'x' }}
{{ ('a' if zero) is defined }}
{{ 'a' if one else not_there }} {{ not_there if zero else 'b' }} {{ 'a' if not_there is defined else 'b' }} {{ 'x' if one and not zero else 'y' }} {{ ('a' if one else 'b') ~ 'c' }} {{ 'a' if one else 'b' ~ 'c' }} {{ 1 if one else 2 if zero else 3 }}
{{ not_there if one else 'b' }}
{{ not_there and one }}
{{ one or not_there }} {{ zero and not_there }} {{ not_there is defined and not_there.x }} {{ (not_there is defined) or one }}
{{ not_there or one }}
{{ conf.nope.deep.deeper | default('x') }} {{ conf['nope']['x'] | default('y') }} {{ (conf.nope | default({})).x | default('z') }} {{ users[9].name | default('w') }} {{ text.nope.x | default('v') }} {{ conf.port.x | default('u') }}
{{ conf.nope.deep }}
{{ users[9] }}
{{ text.nope }}
{{ none.x }}
{{ users[0].nope }}
{{ lazy_map.bad }}
{{ lazy_map }}
x{{ lazy_map }}
{{ [lazy_bad] }}
{{ [lazy_bad] | length }} {{ [lazy_bad, 1] | last }} {{ {'a': lazy_bad} | length }} {{ lazy_map.good }} {{ lazy_map | list }} {{ 'bad' in lazy_map }} {{ lazy_map.keys() | list }}
{{ lazy_map.values() | list }}
{{ lazy_map | dict2items }}
{{ lazy_map | combine({'x': 1}) | length }} {{ (lazy_map | combine({'bad': 2})).bad }} {{ lazy_map.get('bad', 'q') is defined }} {{ lazy_map.bad is undefined }}
{{ dict(a=1, **{'b': 2}) }} {{ dict([('a', 1)], b=2) }} {{ dict() }} {{ dict({'a': 1}) }} {{ dict(users | map(attribute='name') | zip(users | map(attribute='uid'))) }}
{{ dict(5) }}
{{ dict([1]) }}
{{ range(3) }} {{ range(0) }} {{ range(5, 1) | list }} {{ range(1, 10, 4) | list }} {{ range(3) | map('string') | join(',') }} {{ range(1, 4) | sum }} {{ 2 in range(3) }}
{{ range(1, 5, 0) }}
{{ range('a') }}
{{ range() }}
{% set c = cycler('x', 'y') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{% set _ = c.reset() %}{{ c.next() }}
{% set j = joiner() %}{{ j() }}a{{ j() }}b{% set k = joiner('; ') %}{{ k() }}{{ k() }}
{{ cycler() }}
{{ one() }}
{{ text() }}
{{ 'x'() }}
{{ conf.port() }}
{{ names.sort }}
{{ names.nope() }}
{{ 'abc'.upper }}
{{ foo bar }}
{{ one | }}
{{ (one }}
{{ [1, 2 }}
{{ {'a': 1 }}
{{ 'unclosed }}
{{ one
{% if one %}
{% if one %}x{% endfor %}
{% endif %}
{% for %}{% endfor %}
{% for x in %}{% endfor %}
{% set %}
{% set 5 = 1 %}
{% macro %}{% endmacro %}
{% unknown %}
{# unclosed
{% raw %}unclosed
{{ 1 2 }}
{{ a.1b }}
{{ 'a' | upper() | lower( ) }}{{ 'a'|upper|lower }}{{ ('a' | upper) }}{{ 'a' | replace('a','b')|upper }}
{{ {'a': 1} | combine( {'b':2} ) }}{{ users|map(attribute = 'name')|list }}
{{ lambda x: x }}
{{ [x for x in nums] }}
{{ one; }}
{{ one = 1 }}
{{ $x }}
{{ a ? b : c }}
{{ a && b }}
{{ !one }}
{{ 'a' !== 'b' }}
{% if not nope %}a{% endif %}{% if one is defined and one == 1 %}b{% endif %}{% if 'x' in names or one %}c{% endif %}{% if (one) %}d{% endif %}{% if one %}{% else %}e{% endif %}
{% if a is not defined %}u{% elif b %}v{% else %}w{% endif %}{% if nums | length > 3 %}long{% endif %}{% if not (one and zero) %}n{% endif %}
{% if names is sequence and names is not string %}list{% endif %}{% if conf is mapping %}map{% endif %}{% if yes_text | bool %}t{% endif %}
{% if not_there %}x{% endif %}
{% if not_there == 'x' %}y{% else %}n{% endif %}
{% for n in nums %}{% if loop.first %}<{% endif %}{{ n }}{% if loop.last %}>{% endif %}{% endfor %}{% for n in nums | sort | unique %}{{ n }}{% endfor %}{% for n in nums[:2] %}{{ n }}{% endfor %}{% for n in nums | reverse %}{{ n }}{% endfor %}
{% for u in users | sort(attribute='name', reverse=true) %}{{ u.name }}{{ ' ' if not loop.last else '.' }}{% endfor %}{% for u in users | selectattr('admin') %}{{ u.name }}{% endfor %}
{% for i in range(1, 4) %}{{ '%02d' % i }}{{ ', ' if not loop.last }}{% endfor %}{% for k in conf | dictsort %}{{ k[0] }}{% endfor %}{% for k, v in conf.opts | items %}{{ k }}{{ v }}{% endfor %}
""".strip("\n").split("\n")

# Options of filters, tests and lookups one by one, and items that are undefined in what a filter is given.
LINES += r"""
{{ 'secret' | password_hash('sha512', 'saltsalt', rounds=5000) }}
{{ 'secret' | password_hash('sha512', 'saltsalt', rounds=0) }}
{{ 'secret' | password_hash('md5', 'abcd') }}
{{ 'secret' | password_hash('md5_crypt', 'abcdefgh') }}
{{ 'secret' | password_hash('md5') | regex_replace('[./0-9A-Za-z]', 'x') }}
{{ 'secret' | password_hash('md5', salt_size=4) | length }}
{{ 'secret' | password_hash('md5', 'abcd', rounds=5) }}
{{ 'secret' | password_hash('md5', 'abcdefghi') }}
{{ 'secret' | password_hash('blowfish', '1234567890123456789012') }}
{{ 'secret' | password_hash('bcrypt', '1234567890123456789012', rounds=5) }}
{{ 'secret' | password_hash('bcrypt', salt='1234567890123456789012', rounds=4, ident='2y') }}
{{ 'secret' | password_hash('bcrypt', salt='1234567890123456789012', rounds=4, ident='2a') }}
{{ 'secret' | password_hash('bcrypt', salt='1234567890123456789012', rounds=4, ident='2x') }}
{{ 'secret' | password_hash('bcrypt', salt='123', rounds=4) }}
{{ ('secret' | password_hash('bcrypt', rounds=4))[:7] }}
{{ 'secret' | password_hash('sha256', salt_size=4, rounds=1000) | length }}
{{ 'secret' | password_hash('sha256', salt_size=40) }}
{{ 'secret' | password_hash('sha256', 'a$b') }}
{{ 'secret' | password_hash('sha512', 'ab', rounds=10) }}
{{ 'secret' | password_hash('nope') }}
{{ 123 | password_hash('sha512', 'ab', rounds=1000) }}
{{ '' | password_hash('sha512', 'ab', rounds=1000) }}
{{ umlaut | password_hash('sha256', 'ab', rounds=1000) }}
{{ text | hash('blake2b') }}
{{ text | hash('blake2s') }}
{{ text | hash('sha3_224') }}
{{ text | hash('sha3_384') }}
{{ text | hash('sha3_512') }}
{{ text | hash('sha512_256') }}
{{ text | hash('sha512_224') }}
{{ text | hash('SHA256') }}
{{ text | hash('sha3-256') }}
{{ text | hash('md5-sha1') }}
{{ text | hash('nope') }}
{{ umlaut | hash('sha224') }}
{{ none | select | list }}
{{ nope | map('upper') | list }}
{{ 0 | selectattr('x') | list }}
{{ '' | rejectattr('x', 'eq', 1) | list }}
{{ {} | reject | list }}
{{ one | select | list }}
{{ yes | map('upper') | list }}
{{ not_there | select | list }}
{{ {} in {} }}
{{ [] in {'a': 1} }}
{{ (1, 2) in {'a': 1} }}
{{ [{}] | map(attribute='x.y') | list | length }}
{{ users | map(attribute='home.path') | list | length }}
{{ users | map(attribute='home.path') | list | default(['none']) }}
{{ users | map(attribute='home.path') | length }}
{{ users | map(attribute='home.path') | select('defined') | list }}
{{ 'z' in (users | map(attribute='home.path') | list | default([])) }}
{{ users | map(attribute='home.path') | unique | default('D') }}
{{ lazy_map | dict2items | default('D') }}
{{ lazy_map | combine({'x': 1}) | default('D') }}
{{ lazy_map.values() | list | default('D') }}
{{ [lazy_bad] | list | default('D') }}
{{ [[lazy_bad]] | list | length }}
{{ [[lazy_bad]] | flatten | default('D') }}
{{ lazy_map | dictsort | default('D') }}
{{ lazy_map | length }} {{ lazy_map | list }}
{{ lookup('csvfile', 'alice file=table.csv delimiter="," col=1') }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter=',', col=-1) }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter=',,') }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter='t') }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter=',', col='x') }}
{{ query('csvfile', 'zed', file='table.csv', delimiter=',', default=['a', 'b']) }}
{{ query('csvfile', "alice file=table.csv delimiter=','", 'bob') }}
{{ lookup('csvfile', "it's", file='table.csv') }}
{{ lookup('csvfile', 'file=table.csv') }}
{{ lookup('csvfile', 'a nope=1') }}
{{ lookup('password', '/dev/null', seed='x') }}
{{ lookup('password', '/dev/null', seed=5) }}
{{ lookup('password', '/dev/null length=5 seed=x') }}
{{ lookup('password', '/dev/null length=5 chars=digits seed=x') }}
{{ lookup('password', '/dev/null length=8 chars=ascii_letters,digits,.,, seed=x') }}
{{ lookup('password', "/dev/null length=8 chars='ascii_letters,digits' seed=x") }}
{{ lookup('password', '/dev/null', length='8', chars='ascii_letters,digits', seed='y') }}
{{ lookup('password', '/dev/null', length=8, chars=['ascii_lowercase', '!?'], seed='y') }}
{{ lookup('password', '/dev/null', length=30, chars=['punctuation'], seed='y') }}
{{ lookup('password', '/dev/null', chars='hexdigits', seed='y') }}
{{ lookup('password', '/dev/null', chars='abc', seed='y', length=0) }}
{{ lookup('password', '/dev/null nope=1') }}
{{ lookup('password', '/dev/null length=x') }}
{{ lookup('password', '/dev/null length=5 word') }}
{{ lookup('password', '/dev/null', encrypt='nope') }}
{{ query('password', '/dev/null', '/dev/null', seed='a', length=3) }}
{{ lookup('password', '/dev/null', encrypt='md5_crypt', seed='a') | length }}
{{ lookup('password', '/dev/null', encrypt='sha512_crypt', seed='a') | length }}
{{ lookup('password', '/dev/null', encrypt='bcrypt', seed='a') | length }}
{{ none | ternary('a', 'b', 'c') }} {{ none | ternary('a', 'b', none_val='c') }} {{ 0 | ternary('a', 'b', 'c') }}
{{ '01.02.2020' | to_datetime(format='%d.%m.%Y') }}
{{ 'nan' | float | to_json(allow_nan=true) }}
{{ 'nan' | float | to_json(allow_nan=false) }}
{{ {(1, 2): 3, 'a': 1} | to_json(skipkeys=true) }}
{{ {(1, 2): 3, 'a': 1} | to_json }}
{{ {'a': 1} | to_json(check_circular=false) }}
{{ {'a': text} | to_json(vault_to_text=true) }} {{ {'a': text} | to_json(preprocess_unsafe=true) }}
{{ {'a': text} | to_nice_json(vault_to_text=true) }}
{{ {'b': 1, 'a': 'nan' | float} | to_nice_json(allow_nan=true) }}
{{ {(1, 2): 3, 'a': 1} | to_nice_json(skipkeys=true) }}
{{ conf | to_yaml(indent=8, default_flow_style=false) }}
{{ conf | to_yaml(indent=2) }}
{{ text | vault('pw', 'salt1234') | length > 100 }}
{{ text | vault('pw', salt='salt1234', vault_id='dev') }}
{{ text | vault('pw', 'salt1234') | unvault('pw') }}
{{ text | vault('pw', 'salt1234', vault_id='dev') | unvault('pw', vault_id='dev') }}
{{ text | vault('pw', 'salt1234') | unvault('nope') }}
{{ text | vault('pw', 'salt1234', vaultid='old') }}
{{ text | vault(5) }}
{{ text | unvault('pw') }}
{{ 5 | vault('pw') }}
{{ nums | zip([1], strict=true) | list }}
{{ nums | zip([1, 2, 3, 4], strict=true) | list }}
{{ nums | zip([1], strict=false) | list }}
{{ nums | zip | list }} {{ [] | zip([]) | list }} {{ 'ab' | zip('cd', [1, 2]) | list }}
{{ result_bad is failure }} {{ result_ok is successful }} {{ result_ok is success }} {{ result_ok is change }} {{ result_skip is skip }}
{{ '/etc' is is_abs }} {{ '/etc' is is_link }} {{ '/etc' is is_same_file('/etc') }} {{ '/etc' is same_file('/etc/../etc') }} {{ 'nan' | float is isnan }}
{{ {'started': 1, 'finished': 0} is started }} {{ {'started': 1, 'finished': 0} is finished }} {{ {'ansible_job_id': 1, 'started': true, 'finished': false} is started }}
{{ {'finished': 1} is finished }} {{ {'rc': 1} is started }} {{ {} is finished }}
{{ 'ABC' is match('abc', ignorecase=true) }} {{ 'a\nb' is match('a$', multiline=true) }} {{ 'ABC' is match(pattern='A') }} {{ 'abc' is search(pattern='c') }} {{ 'abc' is regex(pattern='b') }}
{{ 'a\nb' is search('^b', multiline=true) }} {{ 'a\nb' is regex('^B', ignorecase=true, multiline=true) }} {{ 'abc' is regex('b', match_type='match') }} {{ 'abc' is regex('b', match_type='fullmatch') }}
{{ 'http://a' is uri(['http']) }} {{ 'ftp://a' is uri(schemes=['http', 'https']) }} {{ 'ftp://a' is url(schemes=['ftp']) }} {{ 'mailto:x@y' is uri }} {{ 'mailto:x@y' is url }} {{ 'urn:isbn:1' is urn }} {{ '' is uri }}
{{ 5 is vaulted_file }}
{{ version is version(version='1.9', operator='>') }} {{ version is version_compare('1.9', '>') }} {{ version is version_compare('1.9', operator='lt', strict=false) }} {{ '1.0' is version_compare('1.0', 'eq', version_type='semver') | default('err') }} {{ '1.0.0' is version_compare('1.0.0', 'eq', version_type='strict') }}
{{ '1.0' is version('1.0', strict=true) }} {{ '1.0' is version('1.0', strict=true, version_type='loose') | default('x') }}
{{ '1.0' is version('1.0', 'nope') }}
{{ '1.0' is version('1.0', '=', version_type='nope') }}
{{ '1.0' is version('', '=') }}
{{ '' is version('1', '=') }}
{{ 1.5 is version(1.4, '>') }} {{ 2 is version(10, '<') }} {{ '2.10' is version('2.9', 'gt') }} {{ '1.0-1' is version('1.0-2', '<') }}
{{ lookup('csvfile', 'alice', file='table.csv', delimiter=',', encoding='latin-1') }}
{{ lookup('ini', 'port', section='global', file='users.ini', case_sensitive=true) }} {{ lookup('ini', 'PORT', section='global', file='users.ini', case_sensitive=true, default='no') }} {{ lookup('ini', 'PORT', section='global', file='users.ini') }}
{{ lookup('ini', 'port', section='global', file='users.ini', encoding='latin-1', interpolation=false) }} {{ lookup('ini', 'port', section='global', file='users.ini', allow_no_value=true) }}
{{ query('subelements', [{'a': 1}, {'b': [1]}], 'b', {'skip_missing': true}) }} {{ query('subelements', [{'b': [1]}], 'b', {'skip_missing': false}) }}
{{ query('subelements', [{'a': 1}], 'b', {'skip_missing': false}) }}
{{ query('subelements', {'x': {'b': [1]}, 'y': {'skipped': true}}, 'b') }}
{{ lookup('template', 'lookup.j2', template_vars={'a': 5}, trim_blocks=false) | length }}
{{ lookup('template', 'lookup.j2', comment_start_string='[#', comment_end_string='#]', template_vars={'a': 5}) | type_debug }}
{{ lookup('template', 'lookup.j2', jinja2_native=true, template_vars={'a': 5}) }}
{{ lookup('template', 'lookup.j2', variable_start_string='[[', variable_end_string=']]') }}
{{ lookup('template', 'nope.j2') }}
{{ names | shuffle(seed=3) | sort(case_sensitive=true) }} {{ names | sort(reverse=true, case_sensitive=false) }}
{{ users | map(attribute='groups') | map('first') | list }}
{{ users | map(attribute='groups') | map('length') | list | sum }}
{{ users | rejectattr('groups') | map(attribute='name') | list }}
{{ users | selectattr('home', 'defined') | map(attribute='home.path') | list }}
{{ users | items2dict(key_name='name', value_name='uid') }}
{{ users | groupby('admin') | map('first') | list }} {{ users | groupby('admin') | map(attribute='1') | map('map', attribute='name') | map('list') | list }}
{{ users | sum(attribute='uid') }} {{ users | map(attribute='uid') | max }} {{ (users | max(attribute='uid')).name }} {{ (users | min(attribute='uid')).name }}
{{ users | map('combine', {'x': 1}) | map(attribute='x') | list }}
{{ users | map('dict2items') | map('length') | list }}
{{ users | json_query_not_there }}
{{ conf | dict2items | selectattr('value', 'number') | items2dict }}
{{ conf | dict2items(key_name='k', value_name='v') | map(attribute='k') | list }}
{{ conf.items() | sort | first | last }} {{ conf.keys() | sort | join(',') }}
{{ dict(conf.keys() | zip(conf.values())) == conf }} {{ dict(users | map(attribute='name') | zip(users)) | length }}
{{ (conf | combine(conf2, recursive=true, list_merge='append')).list }} {{ [conf, conf2] | combine(recursive=true) }} {{ conf | combine(conf2, {'port': 99}) }}
{{ conf | combine(conf2, list_merge='prepend_rp', recursive=true) }}
{{ conf | combine(conf2, nope=true) }}
{{ conf | combine('x') }}
{{ '%s-%s' | format('a', 'b') }} {{ '%(x)s' | format(x=1) }} {{ '%05d' | format(42) }}
{{ 'a.b.c'.split('.')[-1] }} {{ 'a.b.c'.rsplit('.', 1)[0] }} {{ 'k=v'.split('=') | first }} {{ 'x'.join(['1', '2']) }} {{ 'abc'[::-1] }} {{ 'Hello'[1:3] }}
{{ path | regex_replace('^/etc/(?P<dir>[^/]+)/.*$', '\g<dir>') }} {{ path | regex_replace('(?i)NGINX', 'apache') }} {{ path | regex_search('(?<=conf\.)d') }} {{ path | regex_findall('/([a-z.]+)') }} {{ 'aaa' | regex_replace('a', 'b', count=2) }} {{ 'foo\nbar' | regex_replace('^(.)', '<\1>', multiline=true) }} {{ 'x1y22' | regex_search('([a-z])(\d+)$', '\1', '\2') }} {{ 'nope' | regex_search('x(.)', '\1') }}
{{ 'foo bar' | regex_replace('(?P<a>\w+) (?P<b>\w+)', '\g<b> \g<a>') }} {{ 'a-b' | regex_replace('(\w)-(\w)', '\2-\1') }} {{ 'abc' | regex_replace('b', '\\') }} {{ 'abc' | regex_replace('b', '\n') }} {{ 'abc' | regex_replace('(b)', '\g<1>0') }} {{ 'abc' | regex_replace('(b)', '[\g<0>]') }}
{{ 'abc' | regex_replace('b', '\q') }}
{{ 'abc' | regex_replace('(b', 'x') }}
{{ 'abc' | regex_search('b', '\\9') }}
{{ 'aXbXc' | regex_replace('x', '-', ignorecase=true) }} {{ 'abc' | regex_findall('B', ignorecase=true) }} {{ 'aab' | regex_search('^a+') }} {{ 'tel: 555-1234' | regex_search('\d{3}-\d{4}') }} {{ 'x' | regex_search('(y)?x', '\\1') }}
{{ '{0} {1:>5}'.format('a', 'b') }} {{ '{:03d}'.format(7) }} {{ '%s' % 'x' }} {{ '%d%%' % 50 }} {{ '%-5s|' % 'ab' }} {{ '%.2f' % 3.14159 }} {{ '%s/%s' % ('a', 'b') }}
{{ 1024 | human_readable }} {{ 1024 | human_readable(isbits=true) }} {{ 10240 | human_readable(unit='K') }} {{ '10 MB' | human_to_bytes }} {{ '10' | human_to_bytes(default_unit='G') }} {{ '1 Mb' | human_to_bytes(isbits=true) }} {{ 123456 | filesizeformat }} {{ 123456 | filesizeformat(true) }}
{{ 'x' | human_to_bytes }}
{{ text | wordwrap(5) }} {{ text | wordwrap(5, wrapstring='|') }} {{ text | truncate(5) }} {{ text | truncate(5, true, '!') }} {{ text | truncate(8, killwords=true, leeway=0) }} {{ text | center(20) }}| {{ text | indent(2, first=true) }} {{ multi | indent(width='> ', first=true, blank=true) }}
{{ 'a b&c' | urlencode }} {{ {'a': 'b c', 'd': 1} | urlencode }} {{ 'a%20b' | urldecode }} {{ '<a href="x">&' | escape }} {{ '<p>x</p> y' | striptags }} {{ "it's a $HOME" | quote }} {{ 'plain' | quote }} {{ '' | quote }} {{ none | quote }}
{{ url | urlsplit }} {{ url | urlsplit('port') }} {{ url | urlsplit(query='hostname') }}
{{ url | urlsplit('nope') }}
{{ [[1, 2], [3, [4]]] | flatten }} {{ [[1, 2], [3, [4]]] | flatten(levels=1) }} {{ [1, none, [none]] | flatten(skip_nulls=false) }}
{{ [3, 1, 2] | permutations(2) | list }} {{ [1, 2, 3] | combinations(2) | list }} {{ [1, 2] | product(['a']) | list }} {{ [1, 2] | product(repeat=2) | list | default('err') }}
{{ 'abc' | to_uuid }} {{ 'abc' | to_uuid(namespace='11111111-2222-3333-4444-555555555555') }}
{{ 'abc' | to_uuid('x') }}
{{ 8 | pow(2) }} {{ 9 | root }} {{ 27 | root(3) }} {{ 8 | log(2) }} {{ 100 | log(10) }} {{ -5 | abs }} {{ 2.567 | round(1) }} {{ 2.567 | round(1, 'floor') }} {{ 2.1 | round(method='ceil') | int }}
{{ 0 | log }}
{{ 'a' | log }}
{{ 'a,b;c' | split(',') }} {{ 'a  b' | split }} {{ '/a/b.tar.gz' | splitext }} {{ '/a/b' | dirname }} {{ 'C:\\a\\b' | win_basename }} {{ 'C:\\a\\b' | win_dirname }} {{ 'C:\\a\\b' | win_splitdrive }} {{ ['/a', 'b', '../c'] | path_join }} {{ '/a/b/../c//d' | normpath }} {{ '/a/b/c' | relpath('/a/x') }} {{ ['/a/b/c', '/a/b/d'] | commonpath }}
{{ users | rekey_on_member('name') | dict2items | map(attribute='key') | list }} {{ users | rekey_on_member('admin', duplicates='overwrite') | length }}
{{ users | rekey_on_member('admin') }}
{{ 'fo"o' | comment }} {{ 'a\nb' | comment('c') }} {{ 'a' | comment('cblock') }} {{ 'a' | comment('plain', prefix='#\n#', postfix='#') }} {{ 'a' | comment(decoration='! ') }} {{ 'a' | comment('erlang') }} {{ 'a' | comment('xml') }} {{ 'a' | comment(beginning='<<', end='>>', newline='\r\n') }}
{{ 'yes' | bool }} {{ 'On' | bool }} {{ '1' | bool }} {{ 1 | bool }} {{ 0 | bool }} {{ 'foo' | bool }} {{ none | bool }} {{ '' | bool }} {{ 1.0 | bool }} {{ 'TRUE' | bool }} {{ [] | bool }}
{{ 'YQ==' | b64decode }} {{ 'a' | b64encode }} {{ 'ü' | b64encode(encoding='latin-1') }} {{ '/AA=' | b64decode(encoding='utf-16-le') }} {{ 'YQ' | b64decode }}
{{ 'a b' | b64decode }}
{{ ['a', 'b'] | extract_missing }}
{{ 'k' | extract({'k': {'x': [5]}}, ['x', 0]) }} {{ 0 | extract(['a']) }} {{ 'x' | extract({'y': 1}) | default('d') }} {{ ['a', 'c'] | map('extract', {'a': 1, 'c': 3}) | list }} {{ ['a'] | map('extract', {'a': {'n': 1}}, 'n') | list }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 2, 3] | slice(2, 'x') | list }}
{{ ['b', 'a', 'B'] | unique }} {{ ['b', 'a', 'B'] | unique(case_sensitive=false) }} {{ [{'a': 1}, {'a': 1}] | unique }} {{ [{'a': 1, 'b': 2}, {'a': 1}] | unique(attribute='a') }} {{ [1, 1.0, true] | unique }}
{{ [1, 2] | union([2, 3]) }} {{ [1, 2] | intersect([2]) }} {{ [1, 2, 2] | difference([1]) }} {{ [1, 2] | symmetric_difference([2, 3]) }} {{ [[1]] | union([[1], [2]]) }} {{ [{'a': 1}] | difference([{'a': 1}]) }}
{{ {'a': 1, 'B': 2} | dictsort }} {{ {'a': 1, 'B': 2} | dictsort(true) }} {{ {'a': 2, 'B': 1} | dictsort(by='value') }} {{ {'a': 2, 'B': 1} | dictsort(reverse=true) }}
{{ {'a b': 1} | xmlattr }}
{{ [nope] | list | length }}
{{ [nope] | list | default('D') }}
{{ (nope,1) | list | default('D') }}
{{ [{}] | map(attribute='x') | unique | default('D') }}
{{ [{}] | map(attribute='x') | sort | default('D') }}
{{ [{}] | map(attribute='x') | join | default('D') }}
{{ [{}] | map(attribute='x') | reverse | default('D') }}
{{ [{}] | map(attribute='x') | sum | default('D') }}
{{ [{}] | map(attribute='x') | first | default('D') }}
{{ [{}] | map(attribute='x') | last | default('D') }}
{{ [{}] | map(attribute='x') | flatten | default('D') }}
{{ [{}] | map(attribute='x') | max | default('D') }}
{{ [{}] | map(attribute='x') | to_json | default('D') }}
{{ [{}] | map(attribute='x') | string | default('D') }}
{{ [{}] | map(attribute='x') | difference([1]) | default('D') }}
{{ [{}] | map(attribute='x') | union([1]) | default('D') }}
{{ [{}] | map(attribute='x') | zip([1]) | default('D') }}
{{ [{}] | map(attribute='x') | batch(2) | list | default('D') }}
{{ [{}] | map(attribute='x') | map('upper') | list | default('D') }}
{{ [{}] | map(attribute='x') | map('default', 'q') | list | default('D') }}
{{ [{}] | map(attribute='x') | select | list | default('D') }}
{{ [nope] | map('upper') | list | default('D') }}
{{ [nope] | map('upper') | default('D') }}
{{ [nope] | select | list | default('D') }}
{{ [nope] | select | default('D') }}
{{ [{}] | selectattr('a') | list | default('D') }}
{{ [{}] | selectattr('a') | default('D') }}
{{ [{}] | selectattr('a', 'eq', 1) | list | default('D') }}
{{ [{}] | sort(attribute='a') | default('D') }}
{{ [{}] | groupby('a') | default('D') }}
{{ [nope] | unique | default('D') }}
{{ [nope] | join | default('D') }}
{{ [nope] | sort | default('D') }}
{{ [nope] | flatten | default('D') }}
{{ [nope] | length }}
{{ [nope] | count }}
{{ [nope] | string | default('D') }}
{{ [nope] | to_json | default('D') }}
{{ [nope] | type_debug }}
{{ {'a': nope} | dict2items | default('D') }}
{{ {'a': nope} | dict2items | length }}
{{ {'a': nope} | combine({'b': 1}) | length }}
{{ {'a': nope} | combine({'b': 1}) | default('D') }}
{{ {'a': nope} | items | list | default('D') }}
{{ {'a': nope}.items() | list | default('D') }}
{{ {'a': nope} | list | default('D') }}
{{ {'a': nope}.values() | list | default('D') }}
{{ {'a': nope}.values() | list | length }}
{{ {'a': nope} | to_nice_yaml | default('D') }}
{{ {'a': nope} | string | default('D') }}
{{ [nope] + [1] | list }}
{{ ([nope] + [1]) | length }}
{{ ([nope] + [1]) | default('D') }}
{{ [nope][0] | default('D') }}
{{ [[nope]] | flatten | default('D') }}
{{ [[nope]] | list | default('D') }}
{{ [[nope]] | list | length }}
{{ [nope] is defined }}
{{ [nope] | list is defined }}
{{ ([{}] | map(attribute='x') | list) is defined }}
{{ [{}] | map(attribute='x') | list is defined }}
{{ ([{}] | map(attribute='x')) is defined }}
{{ 'x' in ([{}] | map(attribute='x')) }}
{{ [{}] | map(attribute='x') is contains 1 }}
{{ [{}] | map('extract', {}) | list | default('D') }}
{{ ['a'] | map('extract', {}) | list | default('D') }}
{{ ['a'] | map('extract', {}) | default('D') }}
{% for x in [{}] | map(attribute='x') %}{{ x | default('e') }}{% endfor %}
{% for x in [{}] | map(attribute='x') | list %}{{ x | default('e') }}{% else %}none{% endfor %}
{% set l = [{}] | map(attribute='x') | list %}{{ l is defined }}{{ l | default('D') }}
{{ '/nope' is vaulted_file }}
{{ {'a': 1, 'b': none} | xmlattr }} {{ {'class': 'x', 'id': 5} | xmlattr(false) }}
{{ 'nan' | float | to_json(allow_nan=false) }} {{ [1.5, {'a': 'inf' | float}] | to_json(allow_nan=false) }} {{ [1.5] | to_json(allow_nan=false) }}
""".strip("\n").split("\n")

BLOCKS = [
    "{% for u in users %}\n{{ u.name }}\n{%   if u.admin %}\n  admin\n{%   endif %}\n{% endfor %}\nend\n",
    "a\n  {%- if one %}\n  b\n  {%- endif %}\nc\n",
    "a\n  {% if one -%}\n  b\n  {% endif -%}\nc\n",
    "  {%+ if one %}x{%+ endif %}\n",
    "{% if one +%}\nx\n{% endif +%}\ny\n",
    "{{ one }}\n\n\n{{ zero }}\n\n",
    "{{ one -}}\n\n\n{{- zero }}\n",
    "{# comment\nover lines #}\nx\n",
    "x {# c #}\ny\n",
    "x {#- c -#}\ny\n",
    "{% set a = [\n  1,\n  2,\n] %}\n{{ a }}\n",
    "{{\n  one\n  + 1\n}}",
    "{{ {\n 'a': 1,\n 'b': [2,\n 3]\n} }}",
    "{% macro m(a) %}\nline {{ a }}\n{% endmacro %}\n{{ m(1) }}\n{{ m(2) }}\n",
    "{% call(x) m() %}\n{{ x }}\n{% endcall %}\n",
    "{% macro m() %}\n<\n{{ caller() }}\n>\n{% endmacro %}\n{% call m() %}\ninner\n{% endcall %}\nend\n",
    "{% filter indent(4, true) %}\na\nb\n{% endfilter %}\nc\n",
    "{% set x %}\na\nb\n{% endset %}\n[{{ x }}]\n",
    "{% raw %}\n{{ not }}\n{% endraw %}\nx\n",
    "{% raw -%}\n  {{ not }}\n{%- endraw %}\nx\n",
    "\n\n{{ one }}\n",
    "\ttab\t{{ one }}\t\n",
    "{% if one %}\n\n\nx\n\n{% endif %}\n\ny\n",
    "{% for a in [1, 2] %}\n{% for b in [3, 4] %}\n{{ a }}{{ b }}\n{% endfor %}\n{% endfor %}",
    "{% extends 'base.j2' %}\n\n{% block title %}T{% endblock %}\n\n{% block body %}\nB\n{% endblock %}\n",
    "{% include 'part.j2' %}\nafter\n",
    "{% import 'macros.j2' as m %}\n{{ m.field('a') }}\n",
    "line {{ text }}\n{{ multi }}\n",
    "{{ multi | indent(2) }}\n",
    "#jinja2: lstrip_blocks: \"True\", trim_blocks: \"False\"\n  {% if one %}\n  x\n  {% endif %}\ny\n",
    "#jinja2: variable_start_string: '<<', variable_end_string: '>>', block_start_string: '<%', block_end_string: '%>'\n<% if one %>\n<< one >> {{ x }}\n<% endif %>\n",
    "#jinja2: comment_start_string: '/*', comment_end_string: '*/'\n/* gone */a{# stays #}\n",
    "#jinja2: line_statement_prefix: '%'\n% if one\nyes\n% endif\n% for i in [1, 2]:\n- {{ i }}\n% endfor\nend\n",
    "#jinja2: line_statement_prefix: '#', line_comment_prefix: '##'\n# for i in [1, 2]\n  item {{ i }} ## c\n# endfor\n## gone\nend\n",
    "#jinja2: newline_sequence: '\\r\\n'\na\nb {{ one }}\n",
    "#jinja2: keep_trailing_newline: False\na\n",
    "#jinja2: trim_blocks: no\n{% if one %}\nx\n{% endif %}\ny\n",
    "#jinja2:lstrip_blocks:True\n  {% if one %}\n  x\n  {% endif %}\n",
    "#jinja2: nope: 1\na\n",
    "#jinja2: trim_blocks\na\n",
    "#jinja2: trim_blocks: [\na\n",
    "#jinja2: \na\n",
    "a\r\n{% if one %}\r\nb\r\n{% endif %}\r\nc\r\n",
    "{{ 'a\nb' }}",
    "{{ \"a\n  b\" | length }}",
    "  {% set x = 1 %}  \n  {{ x }}  \n",
    "{% block a %}\nx\n{% endblock %}\ny\n",
    "{% with x = 1 %}\n{{ x }}\n{% endwith %}\nend\n",
    "- {{ one }}\n- {{ names }}\n",
    "{% for n in names %}{{ n }}\n{% endfor %}",
    "{% for n in names %}\n{{ n }}{% if not loop.last %},\n{% endif %}\n{% endfor %}",
    "{% if one %}a\n{% else %}b\n{% endif %}c",
    "{{ one }}\n{% if one %}\n{% endif %}",
    "{{ nums }}\n",
    "{{ nums }}\n\n",
    "\n{{ nums }}",
    "{% if one %}{{ nums }}{% endif %}",
    "{% for i in [1] %}{{ nums }}{% endfor %}",
    "{% set x = 1 %}{{ nums }}",
    "{% macro m() %}{% endmacro %}{{ nums }}",
    "{{ nums }}{# c #}",
    "{% if zero %}{% endif %}",
    "{# only #}",
]

CONDITIONS = r"""
one and text
one == 1 and text == 'hello world'
nums
conf.opts
1 == 1
'x'
''
[]
[1]
{}
0.0
none
omit
not_there | default(true)
not_there | default('')
nope or not_there
nope and not_there
yes or not_there
conf.opts.debug
conf.opts.debug == false
conf.opts.nope
"text == 'x'"
"'a' == 'a'"
'{{ yes }}'
{{ not_there }}
{{ one }} == 1
"{{ one }}" == "1"
'{{ one }}' == one | string
one == {{ one }}
one is defined and one is number
(one)
(one
one)
one = 1
one === 1
one and
and one
not
not one == 1
one is not defined
names is defined and 'bob' in names
names | select('eq', 'bob') | list
names | select('eq', 'zed') | list
users | map(attribute='uid') | max > 1000
result_ok
result_ok.rc
result_ok.rc == 0
result_bad is failed and result_bad.rc != 0
result_skip is skipped
result_ok is not failed
num_text
num_text | int
num_text == 42
num_text == '42'
yes_text == 'yes'
yes_text == true
yes == true
yes is true
nope is false
nope == no
True
False
true and false
yes and yes
no
day
day.year == 2024
version is version('1.9', '>=')
text is search('hello') and text is not match('world')
lookup('items', [1])
lookup('items', [1]) == 1
lookup('env', 'NOPE_NOT_SET')
lookup('env', 'NOPE_NOT_SET') == ''
query('items', [])
{% if one %}true{% endif %}
{{ 'true' }}
{{ yes and one }}
vars.one == 1
text in ['hello world']
lazy_one
lazy_one == 2
lazy_bad
lazy_map.bad is defined
lazy_text == 'v1.0'
users[0].admin
users[1].admin
users[9].admin
undef()
1 if one else 0
true if one
true if zero
one | bool
text | bool
zero | bool
1 < 2 < 3
'a' 'b' == 'ab'
# comment
""".strip("\n").split("\n")
