"""Load while processes die: what was acknowledged is written down and compared with what is there."""

import json
import random
import socket
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.images import make_study
from tests.clients.system import System, answer_code, order_message, send_mllp, wait_for

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


def kill_at_random(system: System, times: int, seed: int, pause: tuple[float, float] = (1.0, 4.0)) -> None:
    """End a part of the system with SIGKILL, a number of times."""
    dice = random.Random(seed)
    for _ in range(times):
        time.sleep(dice.uniform(*pause))
        part = dice.choice(PARTS)
        wait_for(lambda part=part: system.pids(part), 60)
        system.kill(part)


def settle(system: System, ledger: Ledger, seconds: float = 240) -> None:
    """Wait until the system is ready and has a verdict on every study."""
    wait_for(system.is_ready, seconds)
    for study in ledger.studies:
        system.verdict(study, seconds)


def account(system: System, ledger: Ledger) -> dict[str, int]:
    """What of the ledger is missing, what happened twice, what is stuck."""
    script = f"""
import json, sys
from django.db.models import Count
from archive.models import Instance, StoredFile
from interfaces.hl7.models import InboundMessage
from ledger.models import Event, Job
from worklist.models import Order
orders, instances = json.loads({json.dumps(json.dumps([ledger.orders, ledger.instances]))})
there = dict(Order.objects.values_list("accession_number").annotate(n=Count("id")))
stored = dict(StoredFile.objects.values_list("instance__sop_instance_uid").annotate(n=Count("id")))
effects = Event.objects.filter(kind="order.stated").values("source").annotate(n=Count("id"))
from django.utils import timezone
from datetime import timedelta
old = timezone.now() - timedelta(seconds=60)
print(json.dumps(dict(
    lost=sum(a not in there for a in orders) + sum(u not in stored for u in instances),
    twice=sum(n > 1 for n in there.values()) + sum(n > 1 for n in stored.values())
        + sum(e["n"] > 1 for e in effects),
    stuck=InboundMessage.objects.filter(status="received").count()
        + Instance.objects.filter(indexed_at=None).count()
        + Job.objects.exclude(kind="hl7.deliver").filter(state__in=["claimed", "error"]).count()
        + Job.objects.exclude(kind="hl7.deliver").filter(state__in=["new", "retry"], not_before__lt=old)
            .count(),
)))
"""
    return dict(json.loads(system.manage("shell", "-v0", "-c", script).strip().splitlines()[-1]))


def _sop_instance_uid(file: Path) -> str:
    from pydicom import dcmread

    return str(dcmread(file, stop_before_pixels=True).SOPInstanceUID)


def start_redis(port: int) -> "subprocess.Popen[bytes]":
    """A Redis of our own."""
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, 20)
    return process
