"""The DICOM door as a process of its own, on the test's database and a home of its own.

Tests look at rows and files from here; the door they meet only over the wire.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import Facility, SiteSection
from archive.storage import volumes
from tests import databases
from tests.clients.system import ROOT, free_port, listens, wait_for


class DicomDoor:
    """`manage.py dicom`, started, killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.log = home / "dicom.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "RIS_PACS_HOME": str(self.home),
            "RIS_PACS_DEBUG": "1",  # crash points are for tests only, and refused otherwise
            "RIS_PACS_DICOM": f"127.0.0.1:{self.port}",
            "DATABASE_URL": databases.url_for_others(),
            "CELERY_BROKER_URL": f"filesystem:///{self.home}/broker",
            # DCMTK 3.6.7 stalls 40 ms at each message without these.
            "TCP_NODELAY": "1",
            "TCP_BUFFER_LENGTH": "1048576",
        }

    def start(self, **environment: str) -> None:
        """Start the process and wait until it listens."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "dicom"],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._answers, 30, every=0.05)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return listens(self.port) and self.dcmtk("echoscu").returncode == 0

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process = None
        return status

    def wait_killed(self, seconds: float = 20) -> None:
        """Wait until it has killed itself at a crash point."""
        assert self.process is not None
        assert self.process.wait(seconds) == -signal.SIGKILL, self.log.read_text()[-3000:]
        self.process = None

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another command of `manage.py` on the same home."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
            timeout=60,
        )

    def dcmtk(
        self, tool: str, *arguments: str, calling: str = "CT1", called: str = "RISPACS"
    ) -> subprocess.CompletedProcess[str]:
        """Run one of DCMTK's requestors against the door."""
        command = [tool, "-aet", calling, "-aec", called, "127.0.0.1", str(self.port), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def door(transactional_db: None, tmp_path: Path, settings: Settings) -> Iterator[DicomDoor]:
    """A door that is ready to be started; the demo's policies are in force."""
    settings.HOME = tmp_path
    volumes.forget()
    Facility.objects.create(code="GENHOSP", name="General Hospital")
    SiteSection.objects.create(name="dicom", content={"accept_unknown": True})
    made = DicomDoor(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()
    volumes.forget()


def settled(door: DicomDoor, seconds: float = 0.2) -> None:
    """Give associations that have just ended a moment to clear their spool files."""
    time.sleep(seconds)
    assert door.process is None or door.process.poll() is None, door.log.read_text()[-3000:]
