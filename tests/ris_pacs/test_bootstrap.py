"""bootstrap.py, run from a copy of the project, with stand-ins for Pythons and the package index."""

import ast
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_VENV = """#!/bin/sh
# A Python that fits but can't make virtual environments.
case "$*" in
    *"import venv"*) exit 1;;
    *) echo 3.12;;
esac
"""


NPM = """#!/bin/sh
# Brings from the folder `registry` what it is asked for, as `npm pack` does.
case "$1" in
    --version) echo 10;;
    pack) for one; do
        case "$one" in pack|--*) continue;; esac
        name="${{one%@*}}"
        name="${{name#@}}"
        case "$name" in */*) name="${{name%%/*}}-${{name##*/}}";; esac
        cp "{registry}/$name-${{one##*@}}.tgz" . || {{ echo "npm error code ECONNREFUSED"; exit 1; }}
    done;;
esac
"""
CHECK = """#!/bin/sh
echo {name} "$@"
"""
NODE = """#!/bin/sh
echo node "$@"
"""
FETCHING = "RIS/PACS: fetching the scripts of the pages and the image viewer"


class Project:
    """A folder with what bootstrap.py needs: packages to install, a manage.py that says its arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.registry = folder / "registry"
        self.tools = folder / "tools"

    @classmethod
    def make(cls, folder: Path) -> "Project":
        project = cls(folder)
        project.wheels.mkdir(parents=True)
        (folder / "requirements").mkdir()
        for name in ("bootstrap.py", "frontend.py"):
            shutil.copy(ROOT / name, folder)
        project.put_npm()
        project.publish({"dist/gauze.js": b"let gauze;", "src/gauze.ts": b""})
        project.publish_tools()
        (folder / "manage.py").write_text("import sys; print('manage.py', *sys.argv[1:], sys.prefix)")
        (folder / "requirements.txt").write_text(_pin(project.wheels, "ward", "1.0"))
        checks = {name: CHECK.format(name=name) for name in ("ruff", "mypy", "lint-imports", "djangofmt")}
        (folder / "requirements" / "test.txt").write_text(_pin(project.wheels, "probe", "2.0", **checks))
        (folder / "lint").mkdir()
        for rule in (ROOT / "lint").glob("[!_]*.py"):
            (folder / "lint" / rule.name).write_text(f"print('looked at {rule.stem}')")
        return project

    def bootstrap(
        self, *arguments: str, path: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        # No Python but this one, and nothing from the network.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        settings = {
            "PATH": path or f"{self.tools}:/usr/bin:/bin",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.wheels.as_uri(),
        }
        return subprocess.run(
            [getattr(sys, "_base_executable", sys.executable), "bootstrap.py", *arguments],
            cwd=self.folder,
            env={**inherited, **settings, **environment},
            capture_output=True,
            text=True,
            timeout=110,
        )

    def lock(self, version: str) -> Path:
        """Ask for another version of the package; return its wheel."""
        (self.folder / "requirements.txt").write_text(_pin(self.wheels, "ward", version))
        return self.wheels / f"ward-{version}-py3-none-any.whl"

    def put_npm(self) -> None:
        """Put a stand-in for npm on PATH, for this place of the folder."""
        self.tools.mkdir(exist_ok=True)
        (self.tools / "npm").write_text(NPM.format(registry=self.registry))
        (self.tools / "npm").chmod(0o755)

    def publish(self, files: dict[str, bytes], **about: object) -> Path:
        """Make the package `@ward/gauze` of these files and pin it; its tarball."""
        tarball, pin = self._pack("ward-gauze-1.0.tgz", files)
        self._declare(
            "vendor", {"@ward/gauze": {**pin, "as": "gauze", **(about or {"files": ["dist/gauze.js"]})}}
        )
        return tarball

    def publish_tools(self) -> Path:
        """Make what checks scripts and pin it; the tarball of prettier."""
        tarball, prettier = self._pack("prettier-1.0.tgz", {"bin/prettier.cjs": b"", "index.cjs": b""})
        _, tsc = self._pack("typescript-1.0.tgz", {"lib/tsc.js": b"", "lib/tsserver.js": b"", "README": b""})
        wanted = {"folder": "lib", "without": ["tsserver"]}
        tools = {"prettier": {**prettier, "folder": "."}, "typescript": {**tsc, **wanted}}
        self._declare("tools", tools)
        return tarball

    def _pack(self, name: str, files: dict[str, bytes]) -> tuple[Path, dict[str, str]]:
        """Make a tarball as npm does; it, and how it is pinned."""
        self.registry.mkdir(exist_ok=True)
        tarball = self.registry / name
        with tarfile.open(tarball, "w:gz") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        return tarball, {"version": "1.0", "integrity": f"sha512-{digest}"}

    def _declare(self, lot: str, packages: dict[str, object]) -> None:
        """Name packages in package.json."""
        path = self.folder / "package.json"
        declared = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**declared, lot: packages}))
        (self.folder / "package-lock.json").write_text(json.dumps({"packages": {}}))

    def vendored(self) -> dict[str, bytes]:
        """What pages can load."""
        folder = self.folder / "web" / "static" / "vendor"
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    def installed(self) -> set[str]:
        return {folder.name for folder in (self.folder / ".venv").glob("lib/*/site-packages/*.dist-info")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh clone."""
    return Project.make(tmp_path / "a folder")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    template = Project.make(tmp_path_factory.mktemp("template") / "project")
    assert template.bootstrap("run").returncode == 0
    return template


@pytest.fixture
def ready(tmp_path: Path, template: Project) -> Project:
    """One that ran before; copied, since making a virtual environment takes seconds."""
    shutil.copytree(template.folder, tmp_path / "a folder", symlinks=True)
    project = Project(tmp_path / "a folder")
    project.put_npm()
    return project


def test_a_first_run_sets_up_and_a_second_starts_at_once(project: Project) -> None:
    first = project.bootstrap("run", "--only", "web")
    second = project.bootstrap("demo")

    assert first.stdout.splitlines() == [
        f"RIS/PACS: making a virtual environment with Python {sys.version_info[0]}.{sys.version_info[1]}",
        "RIS/PACS: installing 1 packages",
        "RIS/PACS:   all here, unpacking",
        "RIS/PACS: set up",
        FETCHING,
        f"manage.py run --only web {project.folder}/.venv",
    ]
    assert second.stdout == f"manage.py run --demo {project.folder}/.venv\n"


def test_a_changed_lock_file_is_installed(ready: Project) -> None:
    ready.lock("1.1")

    assert "set up" in ready.bootstrap("run").stdout
    assert "ward-1.1.dist-info" in ready.installed()
    assert "ward-1.0.dist-info" not in ready.installed()


@pytest.mark.parametrize("damage", ["no python", "no pip", "no configuration", "a Python that was replaced"])
def test_a_broken_environment_is_repaired(ready: Project, damage: str) -> None:
    venv = ready.folder / ".venv"
    stamp = venv / ".ris-pacs-stamp"
    if damage == "no python":
        (venv / "bin" / "python").unlink()
    elif damage == "no pip":
        stamp.unlink()
        shutil.rmtree(next(venv.glob("lib/*/site-packages/pip")))
    elif damage == "no configuration":
        stamp.unlink()
        (venv / "pyvenv.cfg").unlink()
    else:
        stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.10"}))

    again = ready.bootstrap("run")
    assert "RIS/PACS: repairing .venv" in again.stdout
    assert again.stdout.endswith(f"manage.py run {venv}\n")


def test_a_set_up_that_was_cut_short_is_done_anew(ready: Project) -> None:
    wheel = ready.lock("1.1")
    content = wheel.read_bytes()
    wheel.unlink()
    assert ready.bootstrap("run").returncode == 1

    wheel.write_bytes(content)
    again = ready.bootstrap("run")
    assert "RIS/PACS: repairing .venv" in again.stdout
    assert again.stdout.endswith(f"manage.py run {ready.folder}/.venv\n")


def test_a_file_with_another_hash_is_refused_and_told(ready: Project) -> None:
    wheel = ready.lock("1.1")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("ward.py", "print('not what was locked')")

    refused = ready.bootstrap("run")
    assert refused.returncode == 1
    assert "  | " in refused.stderr
    assert "a downloaded file isn't the one that was locked" in refused.stderr.splitlines()[-1]
    assert "manage.py" not in refused.stdout


def test_an_index_that_cannot_be_reached_is_told_with_what_to_do(ready: Project) -> None:
    ready.lock("1.1").unlink()

    refused = ready.bootstrap("run", PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="1")
    assert refused.returncode == 1
    assert "the package index can't be reached" in refused.stderr.splitlines()[-1]
    assert "run the same command again" in refused.stderr.splitlines()[-1]


def test_a_full_disk_is_told_in_one_line(project: Project) -> None:
    script = (
        "import bootstrap, shutil, sys\n"
        "shutil.disk_usage = lambda path: type('usage', (), {'free': 10**6})\n"
        "sys.exit(bootstrap.main(['run']))"
    )
    refused = subprocess.run(
        [sys.executable, "-c", script], cwd=project.folder, capture_output=True, text=True
    )

    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"RIS/PACS: the disk of {project.folder} has 1 MB free; setting up takes 500 MB"
    ]


def test_a_missing_venv_module_names_the_package(project: Project, tmp_path: Path) -> None:
    python = _fake_python(tmp_path, "python3.12", WITHOUT_VENV)

    refused = _with_unfit_python(project, path=str(python.parent))
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"RIS/PACS: {python} lacks the venv module; on Debian or Ubuntu: apt-get install python3.12-venv"
    ]


def test_no_fitting_python_names_what_to_install(project: Project, tmp_path: Path) -> None:
    refused = _with_unfit_python(project, path=str(tmp_path))

    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert "Python 3.11 to 3.14 is needed" in line
    assert "apt-get install python3 python3-venv" in line


def test_a_python_on_path_that_does_not_work_is_passed_over(project: Project, tmp_path: Path) -> None:
    """As pyenv's `python3.14` is where that version isn't chosen."""
    python = _fake_python(tmp_path, "python3.14", "#!/bin/sh\nexit 127\n")

    refused = _with_unfit_python(project, path=str(python.parent))
    assert "Python 3.11 to 3.14 is needed" in refused.stderr


def test_another_python_is_found_on_path(project: Project, tmp_path: Path) -> None:
    real = getattr(sys, "_base_executable", sys.executable)
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    found = _fake_python(tmp_path, name, f'#!/bin/sh\nexec {real} "$@"\n')

    run = _with_unfit_python(project, path=f"{found.parent}:{project.tools}:/usr/bin:/bin")
    assert run.stdout.endswith(f"manage.py run {project.folder}/.venv\n")


def test_tests_get_their_packages_too_and_run_keeps_them(ready: Project) -> None:
    ready.bootstrap("test")
    assert {"ward-1.0.dist-info", "probe-2.0.dist-info"} <= ready.installed()

    assert "set up" not in ready.bootstrap("run").stdout


@pytest.mark.parametrize("minor", [8, 9, 10])
def test_an_old_python_can_read_it(minor: int) -> None:
    """So that it can say which one is needed."""
    for name in ("bootstrap.py", "frontend.py"):
        ast.parse((ROOT / name).read_text(), feature_version=(3, minor))


# What pages load


def test_of_a_package_only_what_pages_load_is_kept(ready: Project) -> None:
    assert ready.vendored() == {"gauze/gauze.js": b"let gauze;"}

    script = b'__webpack_require__.p = "/";' + b" " * 20_000
    ready.publish(
        {"dist/app.js": script, "dist/app.css": b"url(/a.woff2)", "dist/app.js.map": b"", "LICENSE": b"MIT"},
        folder="dist",
        without=[".map"],
        url="/static/vendor/",
        replace=[['.p = "/"', '.p = "{base}"'], ["url(/", "url({base}"]],
    )
    assert FETCHING in ready.bootstrap("run").stdout
    vendored = ready.vendored()
    folder = next(iter(vendored)).partition("/")[0]
    assert folder.startswith("gauze-") and {name.removeprefix(f"{folder}/") for name in vendored} == {
        "app.js",
        "app.js.gz",
        "app.css",
        "LICENSE",
    }
    base = f"/static/vendor/{folder}/".encode()
    assert vendored[f"{folder}/app.js"].startswith(b'__webpack_require__.p = "' + base + b'";')
    assert vendored[f"{folder}/app.css"] == b"url(" + base + b"a.woff2)"
    assert FETCHING not in ready.bootstrap("run").stdout


def test_without_the_registry_all_else_runs_and_the_next_start_tries_again(ready: Project) -> None:
    content = ready.publish({"dist/gauze.js": b"new"}).read_bytes()
    (ready.registry / "ward-gauze-1.0.tgz").unlink()

    refused = ready.bootstrap("run", CI="true")
    assert refused.returncode == 1 and "CI=true requires them" in refused.stderr
    without = ready.bootstrap("run", CI="")
    assert "npm's registry can't be reached" in without.stdout
    assert without.stdout.endswith(f"manage.py run {ready.folder}/.venv\n")
    assert ready.vendored() == {"gauze/gauze.js": b"let gauze;"}

    (ready.registry / "ward-gauze-1.0.tgz").write_bytes(content)
    ready.bootstrap("run")
    assert ready.vendored() == {"gauze/gauze.js": b"new"}


@pytest.mark.parametrize("name", ["../../../../escaped", "/escaped", "dist/../../escaped"])
def test_a_package_cannot_write_elsewhere(ready: Project, name: str) -> None:
    ready.publish({name: b"", "dist/gauze.js": b"new"})

    assert "leads elsewhere" in ready.bootstrap("run", CI="").stdout
    assert ready.vendored() == {"gauze/gauze.js": b"let gauze;"}
    assert not list(ready.folder.parent.rglob("escaped"))


def test_a_package_without_what_is_to_be_replaced_is_refused(ready: Project) -> None:
    ready.publish({"dist/app.js": b"new"}, folder="dist", replace=[["old", "new"]])

    assert "without old" in ready.bootstrap("run", CI="").stdout


def test_a_package_that_is_not_the_pinned_one_is_refused(ready: Project) -> None:
    content = ready.publish({"dist/gauze.js": b"other"}).read_bytes()
    tarball = ready.publish({"dist/gauze.js": b"pinned"})
    tarball.write_bytes(content)

    assert "isn't the file that was pinned" in ready.bootstrap("run", CI="").stdout
    assert ready.vendored() == {"gauze/gauze.js": b"let gauze;"}


def test_where_there_is_no_npm_it_is_installed_and_thrown_away(ready: Project, tmp_path: Path) -> None:
    ready.publish({"dist/gauze.js": b"new"})
    script = NPM.format(registry=ready.registry)
    (ready.folder / "requirements" / "node.txt").write_text(_pin(ready.wheels, "node", "1.0", npm=script))
    (tmp_path / "bin").mkdir()
    for program in ("sh", "cp"):
        (tmp_path / "bin" / program).symlink_to(f"/bin/{program}")

    run = ready.bootstrap("run", path=str(tmp_path / "bin"), CI="")
    assert "installing npm" in run.stdout, run.stdout + run.stderr
    assert ready.vendored() == {"gauze/gauze.js": b"new"}, run.stdout + run.stderr
    assert [path.name for path in (ready.folder / ".frontend").iterdir()] == ["stamp"]


# What checks the scripts


def test_lint_checks_scripts_by_tools_that_are_fetched_once(ready: Project) -> None:
    (ready.tools / "node").write_text(NODE)
    (ready.tools / "node").chmod(0o755)

    first = ready.bootstrap("lint", CI="true")
    assert first.returncode == 0, first.stdout + first.stderr
    folder = ready.folder / ".frontend" / "tools"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"prettier/bin/prettier.cjs", "prettier/index.cjs", "typescript/tsc.js"}
    said = first.stdout.splitlines()
    assert {"lint-imports", "looked at line_lengths", "looked at module_names"} <= set(said)
    assert [line.split()[:2] for line in said if line.startswith("node ")] == [
        ["node", ".frontend/tools/prettier/bin/prettier.cjs"],
        ["node", ".frontend/tools/typescript/tsc.js"],
    ]
    assert "fetching" not in ready.bootstrap("lint").stdout
    assert "node .frontend/tools/prettier/bin/prettier.cjs --write" in ready.bootstrap("format").stdout


def test_without_the_registry_lint_says_what_it_passed_over_and_ci_fails(ready: Project) -> None:
    (ready.tools / "node").write_text(NODE)
    (ready.tools / "node").chmod(0o755)
    ready.publish_tools().unlink()

    refused = ready.bootstrap("lint", CI="true")
    assert refused.returncode == 1 and "CI=true requires them" in refused.stderr
    without = ready.bootstrap("lint", CI="")
    assert without.returncode == 0 and "lint-imports" in without.stdout
    assert "Passed over: the format and the types of the pages' scripts" in without.stdout


def test_where_there_is_no_node_lint_keeps_one(ready: Project, tmp_path: Path) -> None:
    scripts = {"npm": NPM.format(registry=ready.registry), "node": NODE}
    (ready.folder / "requirements" / "node.txt").write_text(_pin(ready.wheels, "node", "1.0", **scripts))
    (tmp_path / "bin").mkdir()
    for program in ("sh", "cp"):
        (tmp_path / "bin" / program).symlink_to(f"/bin/{program}")

    for installed in (1, 0):
        run = ready.bootstrap("lint", path=str(tmp_path / "bin"), CI="")
        assert "node .frontend/tools/typescript/tsc.js" in run.stdout, run.stdout + run.stderr
        assert run.stdout.count("installing Node.js") == installed and "installing npm" not in run.stdout


def test_without_a_command_it_says_what_there_is(project: Project) -> None:
    shown = project.bootstrap()

    assert shown.returncode == 2
    assert "bootstrap.py run" in shown.stdout


def _with_unfit_python(project: Project, path: str) -> subprocess.CompletedProcess[str]:
    """Run it by a Python whose version isn't supported."""
    script = (
        "import bootstrap, sys\n"
        "this, version_of = sys._base_executable, bootstrap.version_of\n"
        "bootstrap.version_of = lambda python: '3.10' if python == this else version_of(python)\n"
        "sys.exit(bootstrap.main(['run']))"
    )
    settings = {"PATH": path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": project.wheels.as_uri()}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=project.folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )


def _fake_python(folder: Path, name: str, script: str) -> Path:
    python = folder / "bin" / name
    python.parent.mkdir()
    python.write_text(script)
    python.chmod(0o755)
    return python


def _pin(folder: Path, name: str, version: str, **scripts: str) -> str:
    """Make a wheel with nothing in it but scripts; return the line that locks it."""
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        for script, content in scripts.items():
            entry = zipfile.ZipInfo(f"{name}-{version}.data/scripts/{script}")
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
        archive.writestr(f"{about}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
