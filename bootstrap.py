#!/usr/bin/env python3
"""Set RIS/PACS up in `.venv` beside this file, then run, test or check it.

    python3 bootstrap.py run [--only web,dicom]     serve in the foreground until Ctrl-C
    python3 bootstrap.py demo                       the same, with a simulated hospital day
    python3 bootstrap.py test [pytest's arguments]  the test suite, on SQLite and on PostgreSQL
    python3 bootstrap.py lint                       style, types, and who may import whom
    python3 bootstrap.py format                     lay out code, templates and scripts as lint wants them
    python3 bootstrap.py bench                      measure
    python3 bootstrap.py screenshots                a picture of each page, for the documentation
    python3 bootstrap.py lock                       pin the requirements anew

It needs nothing but the standard library, and reads as Python 3.8 so that an old one can say what is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import frontend

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".ris-pacs-stamp"
TO_RUN = ("requirements.txt",)
TO_TEST = ("requirements.txt", "requirements/test.txt")
NODE = "requirements/node.txt"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
MIN_FREE_MB = 500
PRETTIER = ".frontend/tools/prettier/bin/prettier.cjs"
TSC = ".frontend/tools/typescript/tsc.js"
TEMPLATES = "web/templates"
SCRIPTS = ("web/static/web/**/*.js", "web/static/web/**/*.css")
POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379/0"
PARALLEL = ("--numprocesses", "3", "--dist", "loadscope", "--no-loadscope-reorder")
NO_TESTS_SELECTED = 5  # pytest's exit code


class Trouble(Exception):
    """Something that a person has to mend; the text says what and how."""


def main(arguments: list[str]) -> int:
    """Do what the first argument says with the others."""
    commands = {
        "run": run,
        "demo": demo,
        "test": test,
        "lint": lint,
        "format": format_all,
        "bench": bench,
        "screenshots": screenshots,
        "lock": lock,
    }
    if not arguments or arguments[0] not in commands:
        print(__doc__)
        return 0 if arguments in (["help"], ["--help"], ["-h"]) else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except Trouble as trouble:
        print(f"RIS/PACS: {trouble}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


# The commands


def run(arguments: list[str]) -> int:
    """Become `manage.py run`."""
    set_up(TO_RUN)
    set_up_frontend()
    sys.stdout.flush()
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), str(ROOT / "manage.py"), "run", *arguments])


def demo(arguments: list[str]) -> int:
    """Run with a simulated hospital."""
    return run(["--demo", *arguments])


def test(arguments: list[str]) -> int:
    """Run the suite on SQLite, then what touches the database on PostgreSQL and Redis."""
    set_up(TO_TEST)
    set_up_frontend()
    results = [("SQLite", pytest({}, arguments))]
    if missing := missing_servers():
        if os.environ.get("CI") == "true":
            raise Trouble(f"{missing}, and CI=true requires it")
        print(f"\nPassed over: the pass on PostgreSQL and Redis, since {missing}")
    else:
        servers = {"DATABASE_URL": POSTGRESQL, "CELERY_BROKER_URL": REDIS}
        status = pytest(servers, ["-m", "not pure and not once", *arguments])
        results.append(("PostgreSQL and Redis", 0 if status == NO_TESTS_SELECTED else status))
    for name, status in results:
        print(f"{name}: {'passed' if status == 0 else f'failed (pytest ended with {status})'}")
    return max(status for _, status in results)


def pytest(environment: dict[str, str], arguments: list[str]) -> int:
    """Run pytest with just these databases and brokers, in three processes with a home of their own each.

    Tests wait half of their time, so three keep two cores busy.
    """
    print(f"\nTests on {'PostgreSQL and Redis' if environment else 'SQLite'}", flush=True)
    # Compiled code is kept, since the tests start hundreds of processes.
    ours = ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "PYTHONDONTWRITEBYTECODE")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and (name.startswith("RIS_PACS_TEST_") or not name.startswith("RIS_PACS_"))
    }
    with tempfile.TemporaryDirectory(prefix="ris-pacs-tests-", dir=roomy_folder()) as folder:
        return subprocess.call(
            [VENV_PYTHON, "-m", "pytest", *PARALLEL, *arguments],
            cwd=ROOT,
            env={**inherited, **environment, "RIS_PACS_TEST_HOME": folder, "TMPDIR": folder},
        )


def roomy_folder() -> str | None:
    """Memory instead of a disk, where there is plenty: the tests wait for the disk half of their time."""
    memory = Path("/dev/shm")  # noqa: S108 ours are the files below a folder that tempfile makes
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 10**9:
        return str(memory)
    return None


def missing_servers() -> str:
    """Which server of the second pass doesn't answer; nothing if both do."""
    connect = "import psycopg2, sys; psycopg2.connect(sys.argv[1], connect_timeout=5).close()"
    probe = subprocess.run([VENV_PYTHON, "-c", connect, POSTGRESQL], capture_output=True, text=True)
    if probe.returncode:
        return f"PostgreSQL at {POSTGRESQL} can't be used ({probe.stderr.strip().splitlines()[-1]})"
    try:
        socket.create_connection(("127.0.0.1", 6379), timeout=5).close()
    except OSError as error:
        return f"Redis at {REDIS} can't be used ({error})"
    return ""


def lint(arguments: list[str]) -> int:
    """Check style, types and layers; all of them, whatever the first ones say."""
    set_up(TO_TEST)
    node = set_up_tools()
    failed = [name for name, command in checks(node) if not passes(name, command)]
    if not node:
        print("\nPassed over: the format and the types of the pages' scripts, since their tools are missing")
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nNothing to complain of")
    return 1 if failed else 0


def checks(node: str) -> Iterator[tuple[str, list[str]]]:
    """What `lint` runs, by name; what Node.js runs only where there is one."""
    for tool in (
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
        f"djangofmt --check {TEMPLATES}",
    ):
        name, *options = tool.split()
        yield tool, [str(VENV / "bin" / name), *options]
    for rule in ("line_lengths", "module_names"):
        yield rule.replace("_", " "), [str(VENV_PYTHON), "-m", f"lint.{rule}"]
    if node:
        yield "prettier --check", [node, PRETTIER, "--check", *SCRIPTS]
        yield "tsc --checkJs", [node, TSC, "--project", "jsconfig.json"]


def passes(name: str, command: list[str]) -> bool:
    """Whether a check has nothing to complain of."""
    print(f"\n{name}", flush=True)
    return subprocess.call(command, cwd=ROOT) == 0


def format_all(arguments: list[str]) -> int:
    """Lay out Python, templates, scripts and styles as `lint` wants them."""
    set_up(TO_TEST)
    node = set_up_tools()
    ruff, djangofmt = (str(VENV / "bin" / name) for name in ("ruff", "djangofmt"))
    commands = [[ruff, "check", "--fix"], [ruff, "format"], [djangofmt, TEMPLATES]]
    if node:
        commands.append([node, PRETTIER, "--write", "--log-level", "warn", *SCRIPTS])
    return max([subprocess.call(command, cwd=ROOT) for command in commands])


def bench(arguments: list[str]) -> int:
    """Run the benchmark."""
    if not (ROOT / "tests" / "bench" / "__main__.py").exists():
        raise Trouble("there is no benchmark yet")
    set_up(TO_TEST)
    return subprocess.call([VENV_PYTHON, "-m", "tests.bench", *arguments], cwd=ROOT)


def screenshots(arguments: list[str]) -> int:
    """Play a simulated day and take a picture of each page."""
    set_up(TO_TEST)
    set_up_frontend()
    return subprocess.call([VENV_PYTHON, "-m", "tests.screenshots", *arguments], cwd=ROOT)


def lock(arguments: list[str]) -> int:
    """Compile the lock files with uv, in a virtual environment that is thrown away."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--only-binary", ":all:"]
    options += ["--custom-compile-command", "make lock", "--quiet", *arguments]
    with tempfile.TemporaryDirectory(prefix="ris-pacs-lock-") as folder:
        python = Path(folder, "bin", "python")
        make_venv(Path(folder))
        pip(python, ["uv"])
        for source, target in (("base.in", TO_TEST[0]), ("test.in", TO_TEST[1]), ("node.in", NODE)):
            say(f"locking {target}")
            compiling = [str(python), "-m", "uv", "pip", "compile", *options, f"requirements/{source}"]
            if subprocess.call([*compiling, "-o", target], cwd=ROOT, stdout=subprocess.DEVNULL):
                raise Trouble(f"uv could not lock requirements/{source}; it says why above")
    return 0


# Set-up


def set_up(locks: tuple[str, ...]) -> None:
    """Make `.venv` hold what the lock files list; at once, if its stamp says that it does."""
    if os.name != "posix":
        raise Trouble("it runs on Linux and macOS; on Windows, use the Windows Subsystem for Linux (WSL)")
    with one_at_a_time():
        stamp = read_stamp()
        if state(locks).items() <= stamp.items():
            return
        try:
            # Cut short, or made with a Python that has been replaced since.
            made_with, has = stamp.get("python"), version_of(VENV_PYTHON)
            prepare_venv(anew="unfinished" in stamp or made_with not in (None, has))
            STAMP.write_text(json.dumps({"unfinished": True}))
            # What was installed for the tests stays in step.
            locks = tuple(lock for lock in TO_TEST if lock in locks or lock in stamp)
            install(locks)
            STAMP.write_text(json.dumps(state(locks)))
        except OSError as error:
            raise Trouble(f"{VENV} can't be written: {error.strerror or error}") from error
    say("set up")


def set_up_frontend() -> None:
    """Fetch what pages load, once; everything but the pages works without, so a failure ends only CI."""
    fetch("vendor", "the scripts of the pages and the image viewer")


def set_up_tools() -> str:
    """Fetch what checks the scripts of pages, once; the Node.js that runs it, or nothing without one."""
    what = "the tools that check the scripts of the pages"
    try:
        with one_at_a_time():
            node = find_program("node") or keep_node()
    except (Trouble, OSError) as trouble:
        missing(what, trouble)
        return ""
    return node if fetch("tools", what) else ""


def fetch(lot: str, what: str) -> bool:
    """Fetch a lot of front-end packages, once; whether they are there. A failure ends only CI."""
    with one_at_a_time():
        if frontend.is_there(ROOT, lot):
            return True
        say(f"fetching {what}")
        try:
            with frontend.workplace(ROOT) as folder:
                frontend.fetch(ROOT, find_npm() or install_npm(folder), folder, lot)
            return True
        except (frontend.Unfetched, Trouble, OSError) as trouble:
            missing(what, trouble)
    return False


def missing(what: str, trouble: Exception) -> None:
    """Say what can't be had and why; where CI runs, that is the end."""
    output = getattr(trouble, "output", "")
    print_end(output)
    text = f"{what} are missing, since {advice_on(output) or trouble}"
    if os.environ.get("CI") == "true":
        raise Trouble(f"{text}; CI=true requires them") from trouble
    say(f"{text}; everything else works, and the next start tries again")


def find_npm() -> list[str]:
    """An npm that works, if there is one."""
    npm = find_program("npm")
    return [npm] if npm else []


def install_npm(folder: Path) -> list[str]:
    """Install Node.js with npm below `folder`, which is thrown away once all is fetched."""
    say("  installing npm for it, since there is none on this machine")
    return [str(install_node(folder) / "npm")]


def find_program(name: str) -> str:
    """The machine's node or npm, or the one that was installed for `lint`; nothing without one that works."""
    kept = ROOT / frontend.WORK / "node" / "bin"
    found = (shutil.which(name), shutil.which(name, path=str(kept)))
    return next((program for program in found if program and works([program, "--version"])), "")


def keep_node() -> str:
    """Install Node.js for `lint`, to stay."""
    say("installing Node.js, since there is none on this machine")
    return str(install_node(ROOT / frontend.WORK) / "node")


def install_node(folder: Path) -> Path:
    """Install Node.js with npm below `folder`; the folder of its programs."""
    make_venv(folder / "node")
    programs = folder / "node" / "bin"
    pip(programs / "python", ["--require-hashes", "--requirement", str(ROOT / NODE)])
    return programs


def state(locks: tuple[str, ...]) -> dict[str, object]:
    """What the stamp says when `.venv` holds what these lock files list."""
    hashes = {lock: hashlib.sha256((ROOT / lock).read_bytes()).hexdigest() for lock in locks}
    return {"python": version_of(VENV_PYTHON), **hashes}


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let only one set-up run in this folder."""
    import fcntl

    folder = os.open(str(ROOT), os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another set-up to end")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def read_stamp() -> dict[str, object]:
    """What `.venv` was last made to hold."""
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def prepare_venv(anew: bool) -> None:
    """Make `.venv`, and anew where it is broken or its set-up was cut short."""
    free = shutil.disk_usage(ROOT).free // 10**6
    if free < MIN_FREE_MB:
        raise Trouble(f"the disk of {ROOT} has {free} MB free; setting up takes {MIN_FREE_MB} MB")
    # Without its configuration its Python is the one that it was made of, and pip would install there.
    is_whole = (VENV / "pyvenv.cfg").is_file() and version_of(VENV_PYTHON)
    if is_whole and not anew and works([VENV_PYTHON, "-m", "pip", "--version"]):
        return
    if VENV.exists():
        say("repairing .venv")
        shutil.rmtree(VENV)
    make_venv(VENV)


def make_venv(folder: Path) -> None:
    """Make a virtual environment with a Python that fits."""
    python, version = find_python()
    say(f"making a virtual environment with Python {version}")
    made = subprocess.run([python, "-m", "venv", str(folder)], capture_output=True, text=True)
    if made.returncode:
        explain(f"{python} -m venv failed", made.stdout + made.stderr)


def find_python() -> tuple[str, str]:
    """Find a supported Python that can make virtual environments: this one, or the newest on PATH."""
    # Inside a virtual environment, the Python that it was made of: it may be the one to be repaired.
    this = getattr(sys, "_base_executable", None) or sys.executable
    named = [shutil.which(f"python{version}") for version in reversed(SUPPORTED)]
    fitting = [(python, version_of(python)) for python in (this, *named) if python]
    fitting = [(python, version) for python, version in fitting if version in SUPPORTED]
    for python, version in fitting:
        if works([python, "-c", "import venv, ensurepip"]):
            return python, version
    if fitting:
        python, version = fitting[0]
        raise Trouble(
            f"{python} lacks the venv module; on Debian or Ubuntu: apt-get install python{version}-venv"
        )
    this = ".".join(str(number) for number in sys.version_info[:2])
    raise Trouble(
        f"Python {SUPPORTED[0]} to {SUPPORTED[-1]} is needed and this is {this};"
        " on Debian or Ubuntu: apt-get install python3 python3-venv"
    )


def version_of(python: str | Path) -> str:
    """The major and minor version of a Python; empty if it isn't one that works."""
    command = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def works(command: list[str | Path]) -> bool:
    """Whether a command ends well."""
    return subprocess.run([str(part) for part in command], capture_output=True).returncode == 0


def install(locks: tuple[str, ...]) -> None:
    """Install wheels with the hashes that the lock files list, and nothing else."""
    text = "".join((ROOT / lock).read_text() for lock in locks)
    packages = len(set(re.findall(r"^[\w.-]+==", text, re.MULTILINE)))
    say(f"installing {packages} packages")
    options = ["--require-hashes", "--only-binary", ":all:"]
    for lock in locks:
        options += ["--requirement", str(ROOT / lock)]
    pip(VENV_PYTHON, options, packages)


def pip(python: Path, arguments: list[str], packages: int = 0) -> None:
    """Run pip quietly; say how far it is and, should it fail, what it said last and what to do."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "off", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, seen = [], 0
    for line in process.stdout or ():
        said.append(line)
        if re.match(r"Collecting|Requirement already satisfied|Ignoring", line):
            seen += 1
            if seen % 20 == 0 and seen < packages:
                say(f"  {seen} of {packages}")
        elif packages and line.startswith("Installing collected"):
            say("  all here, unpacking")
    if process.wait():
        explain("pip failed", "".join(said))


def explain(what: str, output: str) -> None:
    """Show the end of what a tool said, and say what to do about it."""
    print_end(output)
    if advice := advice_on(output):
        raise Trouble(f"{what}, since {advice}; then run the same command again")
    raise Trouble(f"{what}; the lines above say why")


def print_end(output: str) -> None:
    """Show the last lines of what a tool said."""
    print("".join(f"  | {line}\n" for line in output.splitlines()[-10:]), end="", file=sys.stderr)


def advice_on(output: str) -> str:
    """What to do about something that a tool said; nothing if it is unknown."""
    causes = {
        r"No space left on device|Disk quota exceeded": "the disk is full: free some space",
        r"DO NOT MATCH THE HASHES": "a downloaded file isn't the one that was locked: look at what sits"
        " between here and the package index",
        r"NewConnectionError|NameResolutionError|Max retries|Timeout|ProxyError|SSLError|Could not fetch"
        r"|Network is unreachable": "the package index can't be reached: look at the network, or name a"
        " mirror in PIP_INDEX_URL",
        r"No matching distribution": "the package index has no wheel of a package for this machine and"
        " Python: name a fuller index in PIP_INDEX_URL",
        r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENETUNREACH": "npm's registry"
        " can't be reached: look at the network, or name a mirror in NPM_CONFIG_REGISTRY",
        r"\bE404\b|ETARGET": "npm's registry doesn't have them: name a fuller one in NPM_CONFIG_REGISTRY",
    }
    return next((advice for pattern, advice in causes.items() if re.search(pattern, output)), "")


def say(text: str) -> None:
    """Print a step of the set-up."""
    print(f"RIS/PACS: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
