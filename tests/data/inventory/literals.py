"""Makes literals.tsv: how an INI inventory of Ansible reads values (ast.literal_eval or text)."""
import ast, os, warnings
warnings.simplefilter("ignore")
texts = r"""1|-1|+1|1.5|1.|.5|1e3|1E-3|0644|00|0|0x1F|0o17|0b11|1_000|1__0|1_|True|true|False|None|null|yes|foo|"foo"|'foo'|'a' 'b'|"a" # c|1 # c|foo # c
[1, 2]|[1, 2,]|[]|()|(1)|(1,)|(1, 2)|1, 2|{'a': 1}|{'a': [1, {'b': None}]}|{}|{1, 2}|{'a': 1, 'a': 2}|{1: 2, 'x': (3,)}|[1 2]|['a'|'a|{'a'}|set()
r'a\nb'|'a\nb'|'a\x41\u00e4\101'|'a\qb'|b'abc'|u'x'|f'x'|rb'\n'|'''a'b'''|"it's"|...|[...]|1j|2.5J|[1.0j, 1e3j]|[..., 1j, set(), {1, 2}, b'x']|--1|- 1|1+1|1 + 2|a.b|1.2.3|10.0.0.1|2024-01-02|12:30|"{{ x }}"|{{ x }}|['{{ x }}']|[True, false]|[a]|name=x|=x|#x|/usr/bin|~|*|"a" "b|'a'b|"a"+"b"|99999999999999999999999999999999999999999999|1e400|-.5|0_0|0_1|0x_1|e1|1e|'\N'|''|""|'" '
""".replace("\n", "|").split("|")
rows = []
for text in texts:
    text = text.strip()
    if not text or "\\N" in text:
        continue
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    def clean(v):
        if isinstance(v, bytes): return v.decode()
        if isinstance(v, (list, tuple)): return [clean(x) for x in v]
        if isinstance(v, set): return sorted(clean(x) for x in v)
        if isinstance(v, dict): return {clean(k): clean(x) for k, x in v.items()}
        if v is ...: return "..."
        if isinstance(v, complex): return str(v)
        return v
    rows.append(text + "\t" + repr(clean(value)))
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "literals.tsv"), "w").write("\n".join(rows) + "\n")
