"""The inbox killed at each of its crash points: a resend ends in one order, whatever was lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients.system import (
    ROOT,
    System,
    answer_code,
    fresh_database,
    order_message,
    send_mllp,
    wait_for,
)
from tests.faults.driving import Ledger, account

POINTS = (
    "mllp.frame_read",
    "mllp.before_commit",
    "mllp.after_commit",
    "hl7w.after_claim",
    "hl7w.mid_effects",
    "hl7w.before_commit",
    "hl7w.after_commit",
    "mllp.after_ack",
)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A home whose listener the tests start themselves."""
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL", "")
        url = stack.enter_context(fresh_database(url)) if url.startswith("postgres") else ""
        system = System(tmp_path_factory.mktemp("crash") / "home", url, RIS_PACS_DEBUG="1")
        system.home.mkdir()
        system.manage("migrate", "-v0")
        system.manage("site", "apply")
        yield system


class Listener:
    """`manage.py hl7` in a process of its own."""

    def __init__(self, system: System, crash: str = "") -> None:
        environment = {**system.environment, **({"ENGINE_CRASH": crash} if crash else {})}
        command = [sys.executable, "manage.py", "hl7"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment)
        self.port = system.hl7_port
        wait_for(self._listens, 30)

    def _listens(self) -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(30) is not None


@pytest.mark.parametrize("point", POINTS)
def test_a_resend_after_the_crash_ends_in_one_order(home: System, point: str) -> None:
    accession = "C" + point.replace(".", "").replace("_", "").upper()[:12]
    message = order_message(accession)
    with Listener(home, point) as listener:
        try:
            first = [answer_code(a) for a in send_mllp(home.hl7_port, message)]
        except OSError:
            first = []
        assert listener.process.wait(30) == -signal.SIGKILL, "it died where it was told to"
    assert first == (["AA"] if point == "mllp.after_ack" else [])
    with Listener(home):
        (answer,) = send_mllp(home.hl7_port, message)
        assert answer_code(answer) == "AA"
    assert account(home, Ledger(orders=[accession])) == {"lost": 0, "twice": 0, "stuck": 0}


def test_crash_points_are_refused_outside_of_a_test_build(home: System) -> None:
    environment = {**home.environment, "RIS_PACS_DEBUG": "0", "ENGINE_CRASH": "mllp.after_ack"}
    refused = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 78 and "ENGINE_CRASH" in refused.stderr
