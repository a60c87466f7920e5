"""The broker on files: a message is there whole or not at all, and none that can't be read ends a process."""

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from celery import Celery

from ris_pacs import file_broker
from ris_pacs.file_broker import Channel, counters

ENVELOPE: dict[str, Any] = {
    "body": base64.b64encode(b"[[7], {}, {}]").decode(),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "headers": {"task": "ledger.run", "id": "1"},
    "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def app(folder: Path) -> Iterator[Celery]:
    app = Celery("test", set_as_current=False, broker_url="filesystem://localhost/")
    app.conf.broker_transport = "ris_pacs.file_broker:Transport"
    app.conf.broker_transport_options = {"folder": str(folder), "polling_interval": 0.01}
    app.task(lambda work: None, name="ledger.run")
    yield app
    app.close()


@pytest.fixture
def channel(app: Celery) -> Channel:
    found: Channel = app.connection().default_channel
    return found


@pytest.fixture
def dropped() -> Callable[[], int]:
    """How many were dropped since the test began."""
    before = counters.notifications_dropped
    return lambda: counters.notifications_dropped - before


def test_what_is_sent_arrives_in_its_order_and_once(app: Celery, channel: Channel, folder: Path) -> None:
    for work in (1, 2, "index"):
        app.send_task("ledger.run", (work,))
    assert channel._size("celery") == 3
    found = [json.loads(base64.b64decode(channel._get("celery")["body"]))[0] for _ in range(3)]
    assert found == [[1], [2], ["index"]]
    assert os.listdir(folder) == []
    with pytest.raises(Empty):
        channel._get("celery")


def test_a_message_is_never_seen_half_written(
    channel: Channel, folder: Path, monkeypatch: pytest.MonkeyPatch, dropped: Callable[[], int]
) -> None:
    """A worker looks while another process writes."""
    write_bytes = Path.write_bytes
    seen = []

    def write(path: Path, data: bytes) -> int:
        write_bytes(path, data[: len(data) // 2])
        seen.append(channel._waiting("celery"))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    channel._put("celery", ENVELOPE)
    assert seen == [[]]
    assert channel._get("celery") == ENVELOPE
    assert dropped() == 0


def without(*keys: str) -> bytes:
    """A message that lacks something."""
    message = json.loads(json.dumps(ENVELOPE))
    inner = message
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return json.dumps(message).encode()


def but(**values: Any) -> bytes:
    """A message of which something is different."""
    return json.dumps({**ENVELOPE, **values}).encode()


UNREADABLE = {
    "empty": b"",
    "half": json.dumps(ENVELOPE).encode()[:100],
    "no UTF-8": b"\xff\xfe\x00",
    "not JSON": b"a bell",
    "a list": b"[]",
    "a number": b"7",
    "nothing": b"null",
    "an empty object": b"{}",
    "no headers": without("headers"),
    "no task": without("headers", "task"),
    "no id": without("headers", "id"),
    "no properties": without("properties"),
    "no delivery tag": without("properties", "delivery_tag"),
    "no body": without("body"),
    "no content type": without("content-type"),
    "headers that are a list": but(headers=["task"]),
    "properties that are a text": but(properties="x"),
    "a task that is a list": but(headers={"task": [], "id": "1"}),
    "a body that is no base64": but(body="é"),
    "a body of another form": but(body=base64.b64encode(b"[7]").decode()),
    "arguments that are no list": but(body=base64.b64encode(b"[7, {}, {}]").decode()),
    "a pickle": but(**{"content-type": "application/x-python-serialize"}),
    "an unknown compression": but(headers={**ENVELOPE["headers"], "compression": "none such"}),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_dropped_and_counted_and_the_next_one_comes(
    what: str, channel: Channel, folder: Path, dropped: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    (folder / "0.celery.msg").write_bytes(UNREADABLE[what])
    channel._put("celery", ENVELOPE)
    assert channel._get("celery") == ENVELOPE
    assert dropped() == 1 and os.listdir(folder) == []
    assert "a notification was dropped" in caplog.text


def test_a_folder_in_the_place_of_a_message_is_dropped(
    channel: Channel, folder: Path, dropped: Callable[[], int]
) -> None:
    (folder / "0.celery.msg" / "deeper").mkdir(parents=True)
    channel._put("celery", ENVELOPE)
    assert channel._get("celery") == ENVELOPE
    assert dropped() == 1 and os.listdir(folder) == []


def test_one_that_can_neither_be_read_nor_removed_counts_once(
    channel: Channel, folder: Path, dropped: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    (folder / "0.celery.msg").write_bytes(b"")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    for _ in range(3):
        with pytest.raises(Empty):
            channel._get("celery")
    assert dropped() == 1


def test_one_that_another_worker_took_meanwhile_is_nobodys_loss(
    channel: Channel, folder: Path, dropped: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    channel._put("celery", ENVELOPE)
    read_bytes = Path.read_bytes

    def quicker(path: Path) -> bytes:
        data = read_bytes(path)
        path.unlink()
        return data

    monkeypatch.setattr(Path, "read_bytes", quicker)
    with pytest.raises(Empty):
        channel._get("celery")
    assert dropped() == 0


def test_what_nobody_finished_writing_is_dropped_after_a_while(
    channel: Channel, folder: Path, dropped: Callable[[], int]
) -> None:
    folder.mkdir()
    for name, age in (("old", 2 * file_broker.ABANDONED), ("new", 0)):
        path = folder / f"{name}.celery.msg{file_broker.PART}"
        path.write_bytes(b"{")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    with pytest.raises(Empty):
        channel._get("celery")
    assert os.listdir(folder) == [f"new.celery.msg{file_broker.PART}"]
    assert dropped() == 1


def test_a_folder_that_is_gone_is_made_again(channel: Channel, folder: Path) -> None:
    channel._put("celery", ENVELOPE)
    (next(folder.iterdir())).unlink()
    folder.rmdir()
    with pytest.raises(Empty):
        channel._get("celery")
    folder.rmdir()
    channel._put("celery", ENVELOPE)
    assert channel._get("celery") == ENVELOPE


def test_a_folder_that_cannot_be_read_ends_nothing_and_is_told_of_once(
    channel: Channel, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("a file")
    for _ in range(3):
        with pytest.raises(Empty):
            channel._get("celery")
    assert len(caplog.messages) == 1 and str(folder) in caplog.text


def test_workers_that_read_beside_busy_writers_get_each_message_once(
    folder: Path, app: Celery, dropped: Callable[[], int]
) -> None:
    """Whatever the operating system makes of it: two that write, two that read."""
    found: list[str] = []
    written = threading.Event()

    def channel_of_its_own() -> Channel:
        opened: Channel = app.connection().default_channel
        return opened

    def write(name: str) -> None:
        channel = channel_of_its_own()
        for number in range(100):
            channel._put("celery", {**ENVELOPE, "headers": {"task": "ledger.run", "id": f"{name}{number}"}})

    def read() -> None:
        channel = channel_of_its_own()
        while True:
            done = written.is_set()
            try:
                found.append(channel._get("celery")["headers"]["id"])
            except Empty:
                if done:
                    return

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    written.set()
    for thread in readers:
        thread.join()
    assert sorted(found) == sorted(f"{name}{number}" for name in "ab" for number in range(100))
    assert dropped() == 0
