"""`manage.py run`, the real thing, on homes and ports of its own; and what it refuses, in one line."""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ris_pacs import preflight
from ris_pacs.management.commands import run as command
from tests import databases
from tests.ris_pacs.test_supervisor import alive, still_alive, wait_for

ROOT = Path(__file__).parents[2]
EX_CONFIG = 78

Environment = dict[str, str]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A home and ports of its own."""
    ours = ("RIS_PACS_", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "RIS_PACS_HOME": str(tmp_path / "home"),
        "RIS_PACS_HTTP": f"127.0.0.1:{free_port()}",
        "RIS_PACS_DICOM": f"127.0.0.1:{free_port()}",
        "RIS_PACS_HL7": f"127.0.0.1:{free_port()}",
    }


@pytest.fixture
def start(environment: Environment) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start it on a home that has run before, so that it needn't migrate its database first."""
    running: list[subprocess.Popen[str]] = []
    databases.copy_to(Path(environment["RIS_PACS_HOME"]) / "ris_pacs.sqlite3")

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            _command(*arguments), env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.terminate()
        process.wait(timeout=30)


def refusal(environment: Environment, *arguments: str) -> str:
    """The one line with which it refuses to start."""
    refused = subprocess.run(
        _command(*arguments), env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert refused.returncode == EX_CONFIG, refused.stderr
    assert refused.stdout == ""
    [line] = refused.stderr.splitlines()
    return line


def test_it_serves_restarts_what_dies_and_leaves_nobody_behind(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start("--only", "web,worker,sweeper")
    wait_for(lambda: len(_descendants(process.pid)) >= 7, seconds=30)
    first = _descendants(process.pid)
    worker = next(pid for pid in first if "celery" in _words(pid) and _parent(pid) == process.pid)

    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: len(set(_descendants(process.pid)) - set(first)) >= 2)
    assert not still_alive([worker], within=1)
    everybody = {*first, *_descendants(process.pid)}
    process.terminate()

    assert process.wait(timeout=25) == 0
    assert not still_alive(list(everybody), within=1)


def test_a_killed_run_leaves_nobody_and_can_be_started_again_at_once(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    killed = start("--only", "web,worker")
    wait_for(lambda: len(_descendants(killed.pid)) >= 6, seconds=30)
    everybody = _descendants(killed.pid)

    killed.kill()
    again = start("--only", "web,worker")

    assert not still_alive(everybody, within=3)
    assert again.stdout
    assert again.stdout.readline() == "Starting web, worker.\n"


def test_a_second_instance_on_the_same_home_is_refused(
    start: Callable[..., subprocess.Popen[str]], environment: Environment
) -> None:
    first = start("--only", "sweeper")
    assert first.stdout
    first.stdout.readline()

    assert "already runs on" in refusal(environment)


def test_parts_run_beside_each_other(start: Callable[..., subprocess.Popen[str]]) -> None:
    one, other = start("--only", "sweeper"), start("--only", "worker")

    assert one.stdout
    assert other.stdout
    assert one.stdout.readline() == "Starting sweeper.\n"
    assert other.stdout.readline() == "Starting worker.\n"


def test_a_port_in_use_is_named(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment["RIS_PACS_DICOM"] = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refusal(environment)

    assert f"{environment['RIS_PACS_DICOM']} (DICOM) is in use; set RIS_PACS_DICOM" in line


def test_a_port_that_another_part_uses_does_not_matter(
    start: Callable[..., subprocess.Popen[str]], environment: Environment
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment["RIS_PACS_DICOM"] = f"127.0.0.1:{taken.getsockname()[1]}"
        process = start("--only", "sweeper")
        assert process.stdout
        assert process.stdout.readline() == "Starting sweeper.\n"


def test_an_address_that_is_not_ours_is_named(environment: Environment) -> None:
    environment["RIS_PACS_HL7"] = "192.0.2.1:2575"

    assert "192.0.2.1:2575 (HL7) can't be listened on" in refusal(environment)


def test_a_home_that_cannot_be_written_is_named(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment |= {"RIS_PACS_HOME": str(tmp_path / "file" / "home"), "RIS_PACS_SECRET_KEY": "k" * 50}

    assert f"{tmp_path}/file/home can't be written (Not a directory)" in refusal(environment)


@pytest.mark.parametrize(
    "url", ["postgres://nobody:s3cret@127.0.0.1:1/nothing", "sqlite:////no/such/folder/db"]
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    environment: Environment, url: str
) -> None:
    environment["DATABASE_URL"] = url

    line = refusal(environment)
    assert "can't be used" in line
    assert "check DATABASE_URL" in line
    assert "s3cret" not in line


def test_a_site_file_that_cannot_be_used_is_named(environment: Environment, tmp_path: Path) -> None:
    environment["RIS_PACS_SITE"] = str(tmp_path / "none.yaml")

    assert "none.yaml" in refusal(environment)


def test_an_unknown_part_is_named(environment: Environment) -> None:
    assert "not 'wbe'" in refusal(environment, "--only", "wbe")


def test_a_secret_that_others_can_read_is_refused(environment: Environment) -> None:
    """F62"""
    secret = Path(environment["RIS_PACS_HOME"], "secrets", "secret_key")
    secret.parent.mkdir(parents=True)
    secret.write_text("k" * 50)
    secret.chmod(0o644)

    assert f"run chmod 600 {secret}" in refusal(environment)


def test_debugging_in_public_is_refused(environment: Environment) -> None:
    """F62"""
    environment |= {"RIS_PACS_DEBUG": "1", "RIS_PACS_HTTP": f"0.0.0.0:{free_port()}"}

    assert "RIS_PACS_DEBUG" in refusal(environment)


@pytest.mark.parametrize("password", ["password", "admin", "12345678"])
def test_a_password_that_everybody_knows_is_refused(environment: Environment, password: str) -> None:
    """F62"""
    environment["RIS_PACS_ADMIN_PASSWORD"] = password

    assert "RIS_PACS_ADMIN_PASSWORD is too weak" in refusal(environment)


def test_too_little_space_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 12 * 2**20})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)

    with pytest.raises(preflight.Unfit, match=r"only 12 MiB are free at .*; free at least 200 MiB"):
        preflight.check_home(tmp_path)


def test_a_network_file_system_is_found_by_the_deepest_mount() -> None:
    mounts = (
        "/dev/vda / ext4 rw 0 0\n"
        "nas:/x /srv nfs4 rw 0 0\n"
        "/dev/vdb /srv/local ext4 rw 0 0\n"
        "//nas/y /mnt/our\\040files cifs rw 0 0\n"
        "/dev/vdc /over ext4 rw 0 0\n"
        "me@host: /over fuse.sshfs rw 0 0\n"
    )

    assert preflight.file_system(Path("/srv/ris"), mounts) == "nfs4"
    assert preflight.file_system(Path("/srv/local/ris"), mounts) == "ext4"
    assert preflight.file_system(Path("/srvother"), mounts) == "ext4"
    assert preflight.file_system(Path("/mnt/our files/ris"), mounts) == "cifs"
    assert preflight.file_system(Path("/over/ris"), mounts) == "fuse.sshfs"


def test_the_doors_are_told_when_all_is_ready(settings: Any, tmp_path: Path) -> None:
    answers = [(503, {"web": "ok", "hl7": "has not started yet"}), (200, {"web": "ok", "hl7": "ok"})]
    with _readyz(answers) as port:
        settings.HTTP_ADDRESS, settings.HOME = ("127.0.0.1", port), tmp_path
        assert command._not_ready() == "hl7 has not started yet"

        said: list[str] = []
        command._welcome_when_ready(["web", "dicom"], "s3cret", [], said.append)

    [welcome] = said
    assert f"http://127.0.0.1:{port}/" in welcome
    assert "DICOM" in welcome
    assert "MLLP" not in welcome
    assert "admin / s3cret" in welcome


def test_a_web_that_is_not_there_is_not_ready(settings: Any) -> None:
    settings.HTTP_ADDRESS = ("127.0.0.1", free_port())

    assert command._not_ready() == "web doesn't answer"


class _readyz:
    """A web server whose `/readyz` gives these answers in turn, and the last one from then on."""

    def __init__(self, answers: list[tuple[int, dict[str, str]]]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, parts = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(parts).encode())

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> int:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server.server_port

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "run", *arguments]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _descendants(pid: int) -> list[int]:
    """Its children and theirs."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents.setdefault(_parent(int(folder.name)), []).append(int(folder.name))
        except OSError:
            continue
    found, waiting = [], [pid]
    while waiting:
        children = [child for child in parents.get(waiting.pop(), []) if alive(child)]
        found += children
        waiting += children
    return found


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("RIS_PACS_HTTP", "8000", "is not host:port"),
        ("RIS_PACS_DICOM", "127.0.0.1:99999", "is not host:port"),
        ("DATABASE_URL", "nonsense://user:hunter2@host/x", "DATABASE_URL is neither postgres://"),
        ("RIS_PACS_HOME", "/proc/nowhere", "can't be read or written"),
    ],
)
def test_a_variable_that_can_not_be_read_is_one_line_without_secrets(
    environment: Environment, variable: str, value: str, words: str
) -> None:
    line = refusal({**environment, variable: value})
    assert words in line and "hunter2" not in line
