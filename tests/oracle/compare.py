"""Runs the cases with both engines and compares them. Started by `run`; see README.md."""
import argparse
import concurrent.futures
import difflib
import grp
import hashlib
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
VENV = pathlib.Path(os.environ["HOSTCTL_ORACLE_VENV"])
CACHE = pathlib.Path(os.environ["HOSTCTL_LAB_CACHE"]) / "oracle-answers"
WORK = pathlib.Path(os.environ.get("HOSTCTL_ORACLE_WORK", "/var/tmp/hostctl-oracle"))
HOSTCTL = str(pathlib.Path(os.environ["HOSTCTL"]).resolve())

# Keys of results that differ from run to run, or that tell about Python: not compared.
VOLATILE = {
    "start", "end", "delta", "atime", "mtime", "ctime", "birthtime", "inode", "dev", "block_size", "blocks", "elapsed",
    "invocation", "exception", "warnings", "deprecations", "discovered_interpreter_python",
    "src", "backup_file", "_ansible_no_log", "_ansible_verbose_always", "_ansible_delegated_vars", "ansible_delegated_vars",
    "version", "attr_flags", "attributes", "diff", "failed_when_suppressed_exception",
}
# Of a failed result the wording is each engine's own; a file named *.full.json keeps it.
FAILED_WORDING = {"msg", "module_stdout", "module_stderr", "message", "changed_when_result"}


# Messages name the search path, and answers are kept: that of whoever runs the tests would be another one elsewhere.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def strip(value, full):
    if isinstance(value, list):
        return [strip(item, full) for item in value]
    if isinstance(value, dict):
        drop = set(VOLATILE)
        if not full and (value.get("failed") is True or value.get("unreachable") is True):
            drop |= FAILED_WORDING
        if isinstance(value.get("failed_when_result"), str):
            drop.add("failed_when_result")
        return {key: strip(item, full) for key, item in sorted(value.items())
                if key not in drop and not key.startswith("_ansible_")}
    return value


def content(path):
    data = path.read_bytes()
    if path.suffix == ".json":
        try:
            value = strip(json.loads(data), path.name.endswith(".full.json"))
            return json.dumps(value, indent=1, sort_keys=True)
        except ValueError:
            pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "sha1 " + hashlib.sha1(data).hexdigest()


def name_of(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def tree(out):
    found = {}
    for path in sorted(out.rglob("*")):
        info = path.lstat()
        owner = f"{name_of(pwd.getpwuid, info.st_uid)}:{name_of(grp.getgrgid, info.st_gid)}"
        head = f"{stat.filemode(info.st_mode)} {owner}"
        key = str(path.relative_to(out))
        if path.is_symlink():
            found[key] = f"l {owner} -> {os.readlink(path)}"
        elif path.is_file():
            found[key] = f"{head}\n{content(path)}"
        else:
            found[key] = head
    return found


def link(name):
    """hostctl under a name of Ansible's."""
    path = WORK / "links" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink() or os.readlink(path) != HOSTCTL:
        path.unlink(missing_ok=True)
        path.symlink_to(HOSTCTL)
    return path


# What differs from run to run: times, temporary files, and what Ansible says about itself before the first banner.
TIMES = [
    (re.compile(r"\d:\d\d:\d\d\.\d{6}"), "0:00:00.000000"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"), "0000-00-00 00:00:00.000000"),
    (re.compile(r"(?:/[^\s\"]*)?/\.?ansible[-/]tmp[^\s\"]*"), "TEMPORARY"),
]


def printed(text):
    for pattern, shown in TIMES:
        text = pattern.sub(shown, text)
    lines = text.splitlines()
    # Hosts are named in the order in which they were ready, which no engine promises.
    lines = [re.sub(r"^(included: \S+ for )([^=]+?)( =>.*)?$",
                    lambda m: m[1] + ", ".join(sorted(m[2].split(", "))) + (m[3] or ""), line) for line in lines]
    hidden = ("ansible-playbook [core", "  config file =", "  configured module", "  ansible ", "  executable", "  python version",
              "  jinja version", "  pyyaml version", "No config file found", "Skipping callback", "Using ", "statically imported: ")
    return "\n".join(line for line in lines if not line.startswith(hidden))


RECAP = re.compile(
    r"^(\S+)\s*:\s*(ok=\d+)\s+(changed=\d+)\s+(unreachable=\d+)\s+(failed=\d+)\s+(skipped=\d+)\s+(rescued=\d+)\s+(ignored=\d+)",
    re.M,
)


def leads(text):
    """The lines that begin a message of Ansible's; what stands behind them is each engine's own."""
    found = re.findall(r"^(?:\[(?:ERROR|WARNING|DEPRECATION WARNING)\]|ERROR): .*$", printed(text), re.M)
    # What each of several plugins that cannot read a file says of it is left out, too.
    hidden = ("[WARNING]: Deprecation warnings can be disabled", "[WARNING]: Failed to parse inventory with")
    return "\n".join(line for line in found if not line.startswith(hidden))


def runs_of(case):
    file = case / "args"
    if not file.exists():
        return [[]]
    lines = file.read_text().splitlines()
    return [shlex.split(line) for line in lines if not line.startswith("#")]


def typed(case):
    """What is typed at a pseudo-terminal: for each run the texts to wait for, with the keys for each."""
    file = case / "typed"
    if not file.exists():
        return None
    runs = file.read_text().strip("\n").split("\n\n")
    return [[line.split(" => ", 1) for line in run.splitlines() if not line.startswith("#")] for run in runs]


def at_terminal(command, steps, cwd, env):
    """Runs a program at a pseudo-terminal; gives what was on the screen, and the exit code."""
    import pexpect

    child = pexpect.spawn(command[0], command[1:], cwd=cwd, env=env | {"TERM": "xterm"}, timeout=60, encoding="utf-8",
                          codec_errors="replace", dimensions=(24, 200))
    text = ""
    try:
        for prompt, keys in steps:
            child.expect_exact(prompt)
            text += child.before + child.after
            # Both engines change the terminal's settings before they read.
            time.sleep(0.3)
            child.send(keys.encode().decode("unicode_escape").encode("latin-1").decode())
        child.expect(pexpect.EOF)
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        return text + str(child.before) + f"\n{type(error).__name__} while waiting\n", "stuck"
    text += child.before
    child.close()
    return text.replace("\r\n", "\n"), child.exitstatus if child.exitstatus is not None else f"signal {child.signalstatus}"


def engine(case, which):
    """Exit codes, recaps and files of a case with one engine."""
    base = WORK / case.name
    out = base / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # Both engines get the same paths, and a copy, so that a case cannot change itself.
    project = base / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(case, project, symlinks=True)
    log = open(base / f"{which}.log", "w")
    told = {}
    cleanup = project / "cleanup.sh"
    start = project
    if (case / "cwd").exists():
        start = project / (case / "cwd").read_text().strip()
        start.mkdir(parents=True, exist_ok=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "HOSTCTL"))}
    env |= {"LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "PAGER": "cat",
            "ANSIBLE_DEPRECATION_WARNINGS": "0", "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", "PATH": f"{VENV}/bin:{SYSTEM_PATH}",
            "ORACLE_ENV": "from the environment"}
    if cleanup.exists():
        subprocess.run(["bash", str(cleanup)], stdout=log, stderr=log, check=False)
    is_inventory = (case / "program").exists() and (case / "program").read_text().strip() == "ansible-inventory"
    for number, args in enumerate(runs_of(case), 1):
        inventory = project / "inventory"
        # Words such as NAME=VALUE before the arguments go into the environment.
        given = {}
        while args and (word := re.match(r"([A-Z_]+)=(.*)$", args[0], re.S)):
            given[word[1]] = word[2].replace("CASE", str(project))
            args = args[1:]
        common = ["-e", f"out={out}"] + args
        if "-i" not in args:
            common += ["-i", str(inventory) if inventory.exists() else "localhost,"]
        if "-c" not in args and not is_inventory:
            common += ["-c", "local"]
        playbook = [] if any(arg.endswith(".yml") and not arg.startswith("@") for arg in args) else [os.path.relpath(project / "site.yml", start)]
        # A case of output runs hostctl under Ansible's name and compares what is printed, too.
        output = (case / "output").exists()
        mode = (case / "output").read_text().strip() if output else ""
        name = (case / "program").read_text().strip() if (case / "program").exists() else "ansible-playbook"
        if name != "ansible-playbook":
            playbook = []
        if name == "ansible-vault":
            # It knows nothing of inventories and variables.
            common = args
        if which == "ansible" or output:
            program = [name] if which == "ansible" else [str(link(name))]
        else:
            program = [HOSTCTL, "run"]
        # It knows neither inventories nor variables.
        command = program + (args if name == "ansible-config" else common + playbook)
        print(f"== run {number}: {shlex.join(command)}", file=log, flush=True)
        steps = typed(case)
        try:
            if steps is not None:
                text, code = at_terminal(command, steps[number - 1], start, env)
                print(text, file=log, flush=True)
                # Ansible counts a failed task that is redone as one `ok` less, and an interrupted run has no recap there.
                told[f"run {number}"] = f"exit {code}"
                continue
            done = subprocess.run(command, cwd=start, env=env | given, stdin=subprocess.DEVNULL, timeout=180,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE if output else subprocess.STDOUT,
                                  text=True, errors="replace", check=False)
            text, code = done.stdout, done.returncode
            if output and mode not in ("codes", "leads"):
                told[f"run {number} stdout"] = printed(text)
                if mode != "stdout":
                    told[f"run {number} stderr"] = printed(done.stderr)
            if mode == "leads":
                told[f"run {number} stderr"] = leads(done.stderr)
            text += done.stderr if output else ""
        except subprocess.TimeoutExpired as expired:
            text, code = (expired.stdout or b"").decode(errors="replace"), "timeout"
        print(text, file=log, flush=True)
        recap = [] if mode == "codes" else [" ".join(found) for found in RECAP.findall(text)]
        # With only codes to compare the run's own words say which of many it is.
        which_run = f" ({' '.join(given)} {' '.join(args)})" if mode == "codes" else ""
        told[f"run {number}{which_run}"] = "\n".join([f"exit {code}"] + sorted(recap))
    told |= {f"out/{key}": value for key, value in tree(out).items()}
    if cleanup.exists():
        subprocess.run(["bash", str(cleanup)], stdout=log, stderr=log, check=False)
    return {key: text.replace(str(VENV), "VENV") for key, text in told.items()}


def digest(case):
    source = (HERE / "compare.py").read_bytes()
    sum_ = hashlib.sha256(source.split(b"RECAP", 1)[0] + source.split(b"def engine", 1)[1].split(b"def digest", 1)[0])
    # Results hold paths of the folder in which the cases run, the machine's name and kernel, and days of files.
    machine = os.uname()
    sum_.update(f"{WORK} {machine.nodename} {machine.release}".encode())
    for path in sorted(case.rglob("*")):
        sum_.update(str(path.relative_to(case)).encode())
        if path.is_file():
            known = path.stat()
            sum_.update(f"{known.st_mode} {int(known.st_mtime) // 86400}".encode() + path.read_bytes())
    return sum_.hexdigest()


def judge(case, fresh):
    kept = CACHE / f"{case.name}-{digest(case)[:16]}.json"
    if fresh or not kept.exists():
        expected = engine(case, "ansible")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(expected))
    else:
        expected = json.loads(kept.read_text())
    found = engine(case, "hostctl")
    lines = []
    for key in sorted(set(expected) | set(found)):
        want, got = expected.get(key), found.get(key)
        if want and got and key.startswith("run ") and want.startswith("exit ") and "\n" not in want:
            # Ansible gave up without a recap; hostctl tells what was done until then.
            got = got.split("\n")[0]
        if want == got:
            continue
        if want is None or got is None:
            lines.append(f"  {key}: only with {'hostctl' if want is None else 'ansible'}")
        lines += ["  " + line for line in difflib.unified_diff(
            (want or "").splitlines(), (got or "").splitlines(), f"{key} (ansible)", f"{key} (hostctl)", "", "", 2, "")]
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="ask ansible-core again, even where its answer is kept")
    parser.add_argument("--show", action="store_true", help="print the log of hostctl too")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    cases = [path.parent for path in sorted(HERE.glob("*/site.yml"))]
    if options.cases:
        cases = [case for case in cases if case.name in options.cases]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for case, lines in zip(cases, pool.map(lambda case: judge(case, options.fresh), cases)):
            known = case / "known"
            if lines and known.exists():
                print(f"known {case.name}: {known.read_text().strip()}")
                lines = []
                continue
            failed += bool(lines)
            print(f"{'FAIL' if lines else 'ok':5} {case.name}")
            print("\n".join(lines[:80]), end="\n" if lines else "")
            if options.show:
                print((WORK / case.name / "hostctl.log").read_text())
            sys.stdout.flush()
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not cases else 0)


main()
