"""Notifications reach our own broker, from whichever thread they are sent."""

import base64
import json
import threading
import time
from pathlib import Path

import pytest
from django.conf import settings

from ledger import notifier
from ledger.tasks import run


def test_every_thread_speaks_to_our_broker() -> None:
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(run.app.main))
    thread.start()
    thread.join()
    assert seen == ["ris_pacs"]


@pytest.mark.skipif(
    settings.CELERY_BROKER_URL != "filesystem://", reason="looks into the folder of the broker"
)
def test_a_notification_lies_in_the_queue_until_a_worker_takes_it() -> None:
    notifier.notify(4711)
    queue = Path(settings.HOME) / "broker" / "queue"
    end = time.monotonic() + 10
    while not (found := any("4711" in _body(path) for path in queue.glob("*.msg"))):
        assert time.monotonic() < end, "no notification came"
        time.sleep(0.05)
    assert found


def _body(path: Path) -> str:
    return base64.b64decode(json.loads(path.read_text())["body"]).decode()
