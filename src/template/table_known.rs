//! Where hostctl differs from ansible-core on purpose: the text and the reason.

/// Text of the row, reason.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("{{ one is sameas 1 }}", "tagged integers are never the same object there"),
    (
        "{% for n in nums %}{% if n == 2 %}{% break %}{% endif %}{{ n }}{% endfor %}",
        "an extension that is off by default there",
    ),
    (
        "{% for n in nums %}{% if n == 1 %}{% continue %}{% endif %}{{ n }}{% endfor %}",
        "an extension that is off by default there",
    ),
    ("{% set l = [1, 2] %}{% do l.extend([3]) %}{{ l }}", "an extension that is off by default there"),
    ("{% set l = [1] %}{% do l.insert(0, 'x') %}{{ l }}", "an extension that is off by default there"),
    ("{{ query('flattened', [1, [2, [3]]]) }}", "in community.general there"),
    ("{{ query('varnames', '^lazy_(one|two)$') | sort }}", "the bare Templar has no names there"),
    ("{{ vars['one'] }}", "set by the engine there"),
    ("{{ vars.text }}", "set by the engine there"),
    (
        "{% set d = {'a': [1]} %}{{ d.setdefault('a', []).append(2) }}{{ d.setdefault('b', 3) }}{{ d }}",
        "each look at the literal gives a new list there",
    ),
    ("{{ one,two }}", "a tuple without parentheses is a syntax error here"),
    ("{{ range(10)[2:8:3] }}", "a part of a range is a list here"),
    (
        "{% for n in [{'v': 1, 'c': [{'v': 2, 'c': [{'v': 3}]}, {'v': 4}]}] recursive %}{{ loop.depth0 }}:{{ n.v }}{% if n.c is defined %}({{ loop(n.c) }}){% endif %}{{ ',' if not loop.last }}{% endfor %}",
        "a recursive loop looks at its arguments too early there",
    ),
    (
        "{% macro a() %}[{{ caller() }}]{% endmacro %}{% macro b() %}{% call a() %}{{ caller() }}!{% endcall %}{% endmacro %}{% call b() %}deep{% endcall %}",
        "a call block sees the caller of the macro around it",
    ),
    ("{{ query('nested', [1]) }}", "an item that is no list is a list of one"),
    ("{{ query('sequence', 'start=0xa end=0xc') }}", "documented there, but refused"),
    ("{{ ('2020-01-02 03:04:05' | to_datetime).time() }}", "a time of day is stored as text here"),
    ("{{ moment.time() }}", "a time of day is stored as text here"),
    ("{{ {'a': 'é'} | to_yaml(allow_unicode=false) }}", "refused there, since it is set already"),
    ("{{ {'a': 'é'} | to_nice_yaml(allow_unicode=false) }}", "refused there, since it is set already"),
    ("{{ {'a': 1} | to_yaml(version=[1, 1]) }}", "the version is not written"),
    ("{{ text.encode() | to_yaml }}", "the block of bytes is not indented at the top"),
    ("{{ users | groupby('nope', default='none') | first | first }}", "the default does not work there"),
    ("{{ users | groupby('home.path', default='') | map('first') | list }}", "the default does not work there"),
    ("{{ 'inf' | float | int(9) | default('bad') }}", "the default is for infinity, too"),
    ("{{ users | json_query('[].name') }}", "in community.general there"),
    ("{{ '52:54:00' | random_mac(seed='h') }}", "in community.general there"),
    ("{{ '192.168.1.5/24' | ansible.utils.ipaddr('network') | default('none') }}", "in ansible.utils there"),
    ("{{ 'a' if zero }}", "undefined, with Ansible's words for it"),
    ("{{ ('a' if zero) | default('d') }}", "undefined, so `default` takes it"),
    ("true if zero", "undefined, with Ansible's words for it"),
    ("{{ (lazy_map | combine({'bad': 2})).bad }}", "entries are rendered when they are used"),
    (
        "#jinja2: line_statement_prefix: '#', line_comment_prefix: '##'\n# for i in [1, 2]\n  item {{ i }} ## c\n# endfor\n## gone\nend\n",
        "minijinja takes the line break with the comment",
    ),
    ("omit", "another error than there"),
    ("vars.one == 1", "set by the engine there"),
    (
        "#jinja2: newline_sequence: '\\r\\n'\na\nb {{ one }}\n",
        "the last line ends as the others, as it does in a file there",
    ),
];
