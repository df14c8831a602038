//! Where hostctl differs from ansible-core on purpose: the text and the reason.

/// Text of the row, reason.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("{{ 'secret' | password_hash('sha512', 'saltsalt') }}", "needs passlib there"),
    ("{{ 'secret' | password_hash('sha512', 'saltsalt', rounds=10000) }}", "needs passlib there"),
    ("{{ 'secret' | password_hash('sha256', 'abc') }}", "needs passlib there"),
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
    (
        "{{ range(3) | list }} {{ range(1, 10, 3) }} {{ lipsum is defined }} {{ cycler('a', 'b').next() }} {{ joiner is defined }}",
        "a range is a list here, so its text is one",
    ),
    ("{{ one,two }}", "a tuple without parentheses is a syntax error here"),
];
