"""Load while processes die: what was acknowledged is written down and compared with what is there.

The processes run on the test's own database, so what is there is looked up from here.
"""

import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.db.models import Count

from archive.models import Instance, StoredFile
from interfaces.hl7.models import InboundMessage
from ledger import clock
from ledger.models import Event, Job
from tests import databases
from tests.clients.images import make_study
from tests.clients.system import (
    ROOT,
    System,
    answer_code,
    listens,
    order_message,
    quick_site,
    send_mllp,
    wait_for,
)
from worklist.models import Order

PARTS = ("hl7", "dicom", "worker", "sweeper", "web")


@dataclass
class Ledger:
    """What the system said yes to."""

    orders: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    resent: int = 0


class Load:
    """A HIS that sends orders and a CT that sends studies, each until it has a yes for everything."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.folder, self.ledger = system, folder, Ledger()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._orders, self._studies)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _orders(self) -> None:
        while not self._stop.is_set():
            accession = "K" + uuid.uuid4().hex[:9].upper()
            self.send_until_accepted(accession)
            time.sleep(0.02)

    def send_until_accepted(self, accession: str) -> None:
        """Send an order again and again, with the same bytes, until it is accepted."""
        message = order_message(accession)
        while True:
            try:
                (answer,) = send_mllp(self.system.hl7_port, message, timeout=30)
                if answer_code(answer) == "AA":
                    self.ledger.orders.append(accession)
                    return
            except OSError:
                pass
            self.ledger.resent += 1
            time.sleep(0.2)

    def _studies(self) -> None:
        while not self._stop.is_set():
            accession = "K" + uuid.uuid4().hex[:9].upper()
            self.send_until_accepted(accession)
            folder = self.folder / accession
            study = make_study(folder, accession, count=4)
            for file in sorted(folder.iterdir()):
                self._store_until_accepted(file)
            self.ledger.studies.append(study)

    def _store_until_accepted(self, file: Path) -> None:
        while True:
            sent = self.system.dcmtk("storescu", str(file))
            if sent.returncode == 0:
                self.ledger.instances.append(_sop_instance_uid(file))
                return
            self.ledger.resent += 1
            time.sleep(0.2)


@contextmanager
def running(folder: Path, broker_url: str = "") -> Iterator[System]:
    """A whole system on the test's database."""
    site = quick_site(folder)
    system = System(folder / "home", databases.url_for_others(), broker_url, RIS_PACS_SITE=site)
    with ExitStack() as stack:
        stack.callback(system.stop)
        system.start()
        yield system


def kill_at_random(system: System, ledger: Ledger, times: int, seed: int) -> None:
    """End a part of the system with SIGKILL, a number of times, each when all has worked again for a bit."""
    dice = random.Random(seed)
    for _ in range(times):
        orders, instances = len(ledger.orders), len(ledger.instances)
        wait_for(lambda o=orders, i=instances: len(ledger.orders) > o and len(ledger.instances) > i, 60)
        time.sleep(dice.uniform(0, 1))
        part = dice.choice(PARTS)
        wait_for(lambda part=part: system.pids(part), 60)
        system.kill(part)


def settle(system: System, ledger: Ledger, seconds: float = 240) -> None:
    """Wait until the system is ready, has a verdict on every study, and nothing is under way."""
    wait_for(system.is_ready, seconds)
    for study in ledger.studies:
        system.verdict(study, seconds)
    # An exam that images have completed is looked at once more by the studies that may be of it.
    wait_for(lambda: not Job.objects.exclude(kind="hl7.deliver").filter(state="claimed").exists(), seconds)


def account(ledger: Ledger) -> dict[str, int]:
    """What of the ledger is missing, what happened twice, what is stuck."""
    there = dict(Order.objects.values_list("accession_number").annotate(n=Count("id")))
    stored = dict(StoredFile.objects.values_list("instance__sop_instance_uid").annotate(n=Count("id")))
    effects = Event.objects.filter(kind="order.stated").values_list("source").annotate(n=Count("id"))
    return {
        "lost": sum(a not in there for a in ledger.orders) + sum(u not in stored for u in ledger.instances),
        "twice": sum(n > 1 for counts in (there, stored, dict(effects)) for n in counts.values()),
        "stuck": stuck(),
    }


def stuck(seconds: float = 60) -> int:
    """What stays undone: a job that is under way at one moment is done at a later one."""
    end = time.monotonic() + seconds
    while (count := _undone()) and time.monotonic() < end:
        time.sleep(0.5)
    return count


def _undone() -> int:
    work = Job.objects.exclude(kind="hl7.deliver")
    waits, old = work.filter(state__in=["new", "retry"]), clock.now() - timedelta(seconds=60)
    return (
        InboundMessage.objects.filter(status="received").count()
        + Instance.objects.filter(indexed_at=None).count()
        + work.filter(state__in=["claimed", "error"]).count()
        + waits.filter(not_before__lt=old).count()
    )


class Listener:
    """`manage.py hl7` in a process of its own, on the test's database."""

    def __init__(self, environment: dict[str, str], port: int, crash: str = "") -> None:
        if crash:
            environment = {**environment, "ENGINE_CRASH": crash}
        self.process = subprocess.Popen([sys.executable, "manage.py", "hl7"], cwd=ROOT, env=environment)
        wait_for(lambda: listens(port), 30, every=0.05)

    def wait_killed(self) -> None:
        """Wait until it has killed itself at its crash point."""
        assert self.process.wait(30) == -signal.SIGKILL, "it died where it was told to"

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(30) is not None


def _sop_instance_uid(file: Path) -> str:
    from pydicom import dcmread

    return str(dcmread(file, stop_before_pixels=True).SOPInstanceUID)


def start_redis(port: int) -> "subprocess.Popen[bytes]":
    """A Redis of our own."""
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: listens(port), 20)
    return process
