"""Sums up what `hostctl check --output jsonl` told of the trees of tests/trees/run, in its working folder."""

import collections
import json
import pathlib
import sys

as_json, told = sys.argv[1] == "1", sys.argv[2] == "1"
allowed_file, venv, trees = pathlib.Path(sys.argv[3]), sys.argv[4], sys.argv[5:]
# What hostctl does not have, and what is not installed.
COUNTED = {"P0304", "P0202", "T0104", "T0105", "T0107", "P0105", "P0501", "S0115", "P0140", "M0010"}

allowed = set()
for line in allowed_file.read_text().splitlines():
    if line.strip() and not line.startswith("#"):
        code, path = line.split(None, 1)
        allowed.add((code, path.strip()))

failures = []
sums = {}
seen = set()
for tree in trees:
    status, seconds = map(int, pathlib.Path(f"{tree}.status").read_text().split())
    found = [json.loads(line) for line in pathlib.Path(f"{tree}.jsonl").read_text().splitlines()]
    stderr = pathlib.Path(f"{tree}.stderr").read_text().strip()
    if status not in (0, 4) or stderr:
        failures.append(f"{tree}: hostctl ended with {status}: {stderr[-2000:]}")
    total = next((line["sum"] for line in found if "sum" in line), None)
    if total is None or not sum(total["files"].values()) or not total["templates"]:
        failures.append(f"{tree}: nothing was read")
        continue
    sums[tree] = {**total, "seconds": seconds}
    for problem in found:
        if "code" not in problem:
            continue
        place = problem["places"][0] if problem["places"] else {"file": "", "line": 0, "column": 0}
        path = place["file"].replace(venv + "/", "")
        path = path.split("/site-packages/")[-1]
        if told:
            at = f"{path}:{place['line']}:{place['column']}"
            print(f"{problem['severity']} {problem['code']} {at} {problem['message']}", file=sys.stderr)
        if problem["severity"] == "error" and problem["code"] not in COUNTED:
            seen.add((problem["code"], path))
            if (problem["code"], path) not in allowed:
                failures.append(f"{problem['code']} {path}:{place['line']}: {problem['message']}")

if as_json:
    print(json.dumps(sums, indent=1))
else:
    names = collections.defaultdict(lambda: [0, 0, set()])
    for tree, total in sums.items():
        files = ", ".join(f"{number} {kind}" for kind, number in sorted(total["files"].items()))
        print(f"{tree}: {sum(total['files'].values())} files ({files}), {total['roles']} roles, "
              f"{total['templates']} templates compiled, {total['seconds']} s")
        for grade in ("errors", "warnings"):
            counts = sorted(total[grade].items(), key=lambda pair: -pair[1])
            print(f"  {grade}: {sum(total[grade].values())}  " + " ".join(f"{code} {n}" for code, n in counts))
        for entry in total["not_supported"]:
            name = names[(entry["kind"], entry["name"])]
            name[0] += entry["places"]
            name[1] += entry["files"]
            name[2].add(tree)
    print(f"\nnot supported: {len(names)} names, the commonest first\n  places  files  kind        name")
    for (kind, name), (places, files, where) in sorted(names.items(), key=lambda item: (-item[1][0], item[0])):
        print(f"  {places:>6}  {files:>5}  {kind:<10}  {name}  ({', '.join(sorted(where))})")
for failure in failures:
    print("FAIL", failure, file=sys.stderr)
sys.exit(bool(failures))
