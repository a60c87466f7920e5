"""The watcher of a folder killed at its crash points: each file ends in one place, with one effect."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from accounts.actor import Actor
from interfaces.hl7.models import InboundMessage
from ris_pacs import site
from tests import databases
from tests.clients.system import ROOT, System, order_message
from worklist.models import Order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
POINTS = ("folder.claimed", "hl7w.before_commit", "folder.received", "folder.answered", "folder.moved")


def watch(home: System, folder: Path, crash: str = "") -> int:
    command = [sys.executable, "manage.py", "hl7", "watch", str(folder), "--once"]
    environment = {**home.environment, **({"ENGINE_CRASH": crash} if crash else {})}
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=False).returncode


def test_each_file_is_taken_once_wherever_its_watcher_is_killed(
    tmp_path: Path, transactional_db: None
) -> None:
    home = System(tmp_path / "home", databases.url_for_others(), RIS_PACS_DEBUG="1")
    home.home.mkdir()
    site.apply(settings.DEMO_SITE, by=Actor.system())
    folder = tmp_path / "in"
    folder.mkdir()
    for number, _ in enumerate(POINTS):
        path = folder / f"{number}.hl7"
        path.write_bytes(order_message(f"PL{number}"))
        os.utime(path, (time.time() - 100 + number,) * 2)
    for point in POINTS:
        assert watch(home, folder, point) == -signal.SIGKILL
    assert watch(home, folder) == 0
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()}
    wanted = {f"done/{number}.hl7{end}" for number, _ in enumerate(POINTS) for end in ("", ".ack")}
    assert found - {".watched"} == wanted
    assert Order.objects.count() == InboundMessage.objects.count() == len(POINTS)
