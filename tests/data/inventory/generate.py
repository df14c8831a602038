"""Makes expected.json with the real ansible-inventory and ansible (first argument: their bin folder)."""
import json, os, subprocess, sys
os.chdir(os.path.dirname(os.path.abspath(__file__)))
bin = sys.argv[1]
env = dict(os.environ, ANSIBLE_DEPRECATION_WARNINGS="0", ANSIBLE_LOCALHOST_WARNING="0")
cases = {"ini": ["ini/hosts"], "yaml": ["yaml/main.yml"], "folder": ["folder"], "toml": ["toml/main.toml"], "several": ["yaml/main.yml", "folder", "x1,x2:22"]}
patterns = {
    "ini": ["all", "web", "prod:!web", "web:&prod", "db*", "~web0[12]", "prod[0]", "prod[-1]", "prod[1:2]", "prod[1:]", "web:db", "!web", "n*:alias1",
            "web01.example.com", "web0?.example.com", "localhost", "ungrouped", "db-[ab]", "all:!prod:!db", "*.example.com,lonely", "~(db|n).*", "nothing", "127.0.0.1", "&web", "*", "prod,web[0]"],
    "toml": ["all", "prod:!db", "web0?.example.com", "web[0]"],
    "several": ["all", "east:west", "west:!deep", "dyn", "kids", "e1", "x*"],
}
out = {}
for name, sources in cases.items():
    args = [a for s in sources for a in ("-i", s)]
    listing = json.loads(subprocess.run([bin + "/ansible-inventory", *args, "--list"], capture_output=True, text=True, check=True, env=env).stdout)
    graphs = {}
    for pattern in patterns.get(name, []):
        done = subprocess.run([bin + "/ansible", *args, pattern, "--list-hosts"], capture_output=True, text=True, env=env)
        graphs[pattern] = [line.strip() for line in done.stdout.splitlines()[1:]]
    out[name] = {"sources": sources, "list": listing, "patterns": graphs}
json.dump(out, open("expected.json", "w"), indent=1, sort_keys=True)
