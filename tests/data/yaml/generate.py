"""Makes scalars.tsv and documents.txt with the real PyYAML (run in a venv with ansible-core)."""
import itertools, os, random, yaml
here = os.path.dirname(os.path.abspath(__file__))
random.seed(1)
words = set("""yes Yes YES no No NO yEs true True TRUE tRue false False FALSE on On ON oN off Off OFF y Y n N t f
~ null Null NULL nULL none None 0 00 01 07 08 09 0777 0o17 0x1F 0xfg 0b101 0b2 0_1 1_000 1__0 _1 1_ +1 -1 +0 -0 --1 +-1
123456789012345678901234567890 -123456789012345678901234567890 0x1234567890abcdef1234567890abcdef12345678 170141183460469231731687303715884105727 170141183460469231731687303715884105728
1:30 1:60 0:30 12:30:45 -1:30 1:5 1:05 01:30 1:30.5 1:30. 190:20:30 190:20:30.15 1:2:3:4 1_0:30
1. .5 1.5 -.5 +.5 -1.5 +1.5 1e3 1.e3 1.0e3 1.0e+3 1.0E-3 1.5e+400 .5e+3 .5e3 1_0.5_0 1._5 ._5 . .. ... .e1 1.2.3 1.e+1 0.1 00.5 01.5 1.0e+ 1e+3 0.0 -0.0
.inf .Inf .INF -.inf +.inf .iNF .nan .NaN .NAN -.nan inf nan
2024-01-02 2024-1-2 2024-1-02 0001-01-01 2024-01-02T03:04:05 2024-01-02t03:04:05Z 2024-01-02T03:04:05.25+02:00 2024-01-02T3:04:05-5
2024-1-2T03:04:05 2024-01-02T03:04 2024-01-02T03:04:05.1234567Z 2024-01-02T03:04:05.Z 2024-01-02T03:04:05+0530 2024-01-02T03:04:05-05:30 20240102
a abc 1a a1 1.2.3.4 10.0.0.0/8 00:11:22:33:44:55 12e03 1,000 $1 = 1.10 3.10 v1 1-2 1/2 0644 644 0o644 1e5 +1e5 192.168.0.1 2024.1 22.04 12:30 12:30:00 1:1:1""".split())
words |= {"2024-01-02 03:04:05", "2024-01-02 03:04:05 +1", "2024-01-02  3:04:05.5 Z", "2024-01-02 03:04:05 -09:30", "2024-01-02 03:04:05  Z"}
for length in range(1, 4):
    for chars in itertools.product("01789-+._:xeb", repeat=length):
        words.add("".join(chars))
for _ in range(2500):
    words.add("".join(random.choice("0123456789-+._:eExbTZ ") for _ in range(random.randint(4, 12))).strip())
rows = []
for word in sorted(words):
    if not word or word[-1:] == ":" or ": " in word or " #" in word or word.startswith(("- ", "? ", ": ")) or word in "-?:" or word.startswith(("---", "...")):
        continue
    try:
        node = yaml.compose(word)
        if not isinstance(node, yaml.ScalarNode) or node.value != word:
            continue
        value = yaml.safe_load(word)
    except Exception:
        continue
    text = repr(value)
    if "tzinfo" in text:
        text = text.split(", tzinfo")[0] + ")"
    rows.append(f"{word}\t{text}")
open(os.path.join(here, "scalars.tsv"), "w").write("\n".join(rows) + "\n")

documents = [
"a: 1\nb:\n  - x\n  - y: z\n    w: [1, 2, {q: r}]\n",
"- |\n  a\n    b\n\n  c\n- |-\n  a\n\n- |+\n  a\n\n- >\n  a\n  b\n\n  c\n   d\n  e\n- >-\n  a\n  b\n- end\n",
"a: 'one\n  two\n\n  three'\nb: \"one\n  two \\\n  three\\n\\x41\\u00e4\\U0001F600\"\nc: one\n  two\n\n  three\n",
"a: &a\n  x: 1\nb: &b\n  y: 2\nc:\n  <<: *a\n  z: 3\nd:\n  <<: [*a, *b]\n  x: 9\n",
"a: &a {x: 1, y: 2}\nb: {x: 0, <<: *a, y: 3}\nc: {<<: {q: 1}, q: 2}\n",
"? complex key\n: value\n? other\n",
"a: {}\nb: []\nc: ''\nd: \"\"\ne: {a, b: }\n",
"a:\n- b\n-\n- - c\n  - d\n",
"{a: 1, 'b': \"2\", c: [x, y,], }\n",
"key with spaces: value with spaces   # comment\n'quoted key': 1\n\"x:y\": 2\nurl: http://x.y/z#f\n",
"a: !!str 1\nb: !!int '0x10'\nc: !!float 1.5\nd: !!null ''\ne: !!binary aGVsbG8=\n",
"0644: a\n1.5: b\nyes: c\n~: e\n",
"a: |2\n   x\n  y\nb: |1\n  z\n",
"%YAML 1.1\n---\na: yes\n...\n",
"a: \"tab\\there\"\nb: 'it''s'\nc: a'b\nd: x\"y\n",
"- a: 1\n  b: 2\n-   c: 3\n    d: 4\n",
"a:\n    b:\n        c: 1\n    d: 2\n",
"a: >\n\n  x\n\n\n  y\nb: |\n\n  x\n\n",
"a: -1\nb: - 1\n".replace("b: - 1\n", "b: -x\n"),
"a: b#c\nd: 'e # f'\ng: h  #i\n",
"\"\\u263a\": ☺\nü: ö\n",
"a: [a, 'b', \"c\", 1, [d], {e: f}, g: h]\n",
"a: 12:30\nb: \"12:30\"\nc: 22:22\n",
"- name: x\n  command: echo {{ a }} b\n  when: a == 'b' and c\n",
"a:   \n  b\nc:\n  'd'\n",
"'a': 1\n? 'b'\n: 2\n",
"- !!map {a: 1}\n- !!seq [1]\n",
"foo: {\n  a: 1\n}\nbar: [\n  x,\n  y\n]\n",
"a: \"x\n\n\n  y\"\n",
"a: | # c\n  x\nb: >+ # d\n  y\n\nc: 1\n",
]
out = []
for text in documents:
    out.append("=====\n" + text + "-----\n" + repr(yaml.safe_load(text)) + "\n")
open(os.path.join(here, "documents.txt"), "w").write("".join(out))
