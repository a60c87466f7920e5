"""The turn to write on SQLite ends with its transaction, whatever happens meanwhile, and says who has it."""

import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.sqlite3 import base

from accounts.models import Token
from ledger import clock, heartbeat, readiness, write_lock
from ledger.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("not __import__('django.conf').conf.settings.USING_SQLITE", reason="it has row locks"),
]


class Interrupted(BaseException):
    """What a time limit raises in the middle of anything."""


def lock_file() -> Path:
    path = write_lock.path_of(connection)
    assert path is not None
    return Path(path)


def is_free() -> bool:
    lock_file().touch()
    with lock_file().open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def another_writer() -> Iterator[None]:
    """A thread that is in the middle of a transaction until the block ends."""
    begun, end = threading.Event(), threading.Event()
    waited_for: list[bool] = []

    def write() -> None:
        try:
            with transaction.atomic():
                Event.objects.create(kind="other", occurred_at=clock.now())
                begun.set()
                waited_for.append(not end.wait(5))
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        end.set()
        thread.join()
    assert waited_for == [False], "somebody waited for it to end"


@contextmanager
def forked_child() -> Iterator[int]:
    """A child, forked now, that lives on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    try:
        yield child
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_a_child_forked_while_another_thread_writes_holds_up_nobody() -> None:
    with another_writer():
        fork = forked_child()
        fork.__enter__()
    try:
        assert is_free()
        Event.objects.create(kind="ours", occurred_at=clock.now())
    finally:
        fork.__exit__(None, None, None)


def test_a_copy_of_the_open_file_that_nobody_knows_of_holds_up_nobody() -> None:
    """Such as that of a program which is just being started."""
    with transaction.atomic():
        [lock] = write_lock._open
        copy = os.dup(lock._file.fileno())
    try:
        assert is_free()
    finally:
        os.close(copy)


def test_a_child_forked_in_a_transaction_leaves_it_to_its_parent() -> None:
    with transaction.atomic():
        Event.objects.create(kind="ours", occurred_at=clock.now())
        with forked_child():
            assert not is_free(), "the child's end of it is not the end of the turn"
    assert is_free()
    assert Event.objects.count() == 1


def test_a_child_outlives_a_parent_that_was_killed_while_it_wrote() -> None:
    """What Celery's children do when their main process is killed."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        write_lock.WriteLock.take(str(lock_file()))
        child = os.fork()
        if child == 0:
            os.write(writing, str(os.getpid()).encode())
            signal.pause()
        signal.pause()
    child = int(os.read(reading, 20))
    try:
        assert not is_free()
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        assert is_free()
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(reading)
        os.close(writing)


def test_a_child_waits_for_a_turn_of_its_own() -> None:
    with another_writer():
        child = os.fork()
        if child == 0:
            write_lock.WriteLock.take(str(lock_file())).release()
            os._exit(0)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    assert os.waitpid(child, 0) == (child, 0)


def test_a_time_limit_while_waiting_leaves_nothing_held() -> None:
    def limit(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, limit)
    try:
        with another_writer():
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted), transaction.atomic():
                pass
    finally:
        signal.signal(signal.SIGALRM, before)
    assert is_free()
    Event.objects.create(kind="ours", occurred_at=clock.now())


@pytest.mark.parametrize("end", ["_commit", "_rollback"])
def test_a_time_limit_at_the_end_of_a_transaction_leaves_nothing_held_and_nothing_written(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limit(wrapper: base.DatabaseWrapper) -> None:
        raise Interrupted

    monkeypatch.setattr(base.DatabaseWrapper, end, limit)
    with pytest.raises(Interrupted), transaction.atomic():
        Event.objects.create(kind="ours", occurred_at=clock.now())
        if end == "_rollback":
            raise ValueError
    monkeypatch.undo()
    assert is_free()
    assert not Event.objects.exists()
    Event.objects.create(kind="next", occurred_at=clock.now())


def test_who_holds_it_for_long_is_known_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "LONG", -1.0)
    monkeypatch.setattr(sys, "argv", ["/x/celery/__main__.py", "--app", "ris_pacs"])
    write_lock.process.cache_clear()
    assert readiness.writers() == "ok"
    with another_writer():
        text = readiness.writers()
    assert text.startswith("worker (process ") and str(os.getpid()) in text
    assert "test_write_lock.another_writer" in text and text.endswith(" s, and nobody else can write")
    assert readiness.writers() == "ok"
    with write_lock.doing("job archive.index"), transaction.atomic():
        assert "job archive.index" in readiness.writers()
    write_lock.process.cache_clear()


def test_a_short_turn_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "LONG", 1000.0)
    with another_writer():
        assert readiness.writers() == "ok"


def test_a_lock_that_somebody_unknown_holds_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "LONG", -1.0)
    lock_file().write_bytes(b"")
    with lock_file().open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert readiness.writers().startswith("unknown")


def test_a_holder_that_changes_while_one_looks_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    holders = [write_lock.Holder(1, "hl7", "a", 0.0), write_lock.Holder(2, "hl7", "b", 0.0)]
    monkeypatch.setattr(write_lock, "_holder", lambda path: holders.pop(0))
    assert write_lock.long_holder(connection) is None


def test_a_long_turn_is_logged_with_who_and_what(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        pass
    assert caplog.messages == []
    monkeypatch.setattr(write_lock, "LONG", -1.0)
    with caplog.at_level(logging.WARNING), transaction.atomic():
        pass
    [message] = caplog.messages
    assert message.startswith("the turn to write was held for 0.0 s by ")
    assert f"process {os.getpid()}" in message and "test_a_long_turn_is_logged" in message


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/v/bin/python/gunicorn/__main__.py", "ris_pacs.wsgi"], "web"),
        (["/v/bin/celery", "worker"], "worker"),
        (["manage.py", "hl7"], "hl7"),
        (["/x/manage.py"], "manage"),
        ([""], "python"),
    ],
)
def test_processes_have_the_names_of_their_lights(
    argv: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    write_lock.process.cache_clear()
    assert write_lock.process() == name
    write_lock.process.cache_clear()


def test_ready_tells_of_a_held_lock_and_does_not_wait_for_it(
    client: Any, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(user)
    monkeypatch.setattr(write_lock, "LONG", -1.0)
    with another_writer():  # which lasts until we have the answer
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "another_writer" in answer.json()["database"]
    assert answer.json()["hl7"] != "unknown", "the database can be read"
    assert client.get("/readyz").json()["database"] == "ok"


def test_a_token_that_asks_for_readiness_is_not_noted_while_nobody_can_write(
    client: Any, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": f"Bearer {Token.issue(user=user)}"}
    monkeypatch.setattr(write_lock, "LONG", -1.0)
    with another_writer():
        assert client.get("/readyz", headers=headers).status_code == 503
    assert not Token.objects.exclude(last_used_at=None).exists()
    client.get("/readyz", headers=headers)
    assert Token.objects.exclude(last_used_at=None).exists()


def test_asking_for_readiness_writes_nothing_for_which_it_would_have_to_wait(
    client: Any, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "LONG", 1000.0)
    client.force_login(user)
    for process in readiness.PROCESSES:
        heartbeat.beat(process)
    with another_writer():
        answer = client.get("/readyz")
    assert (answer.status_code, set(answer.json().values())) == (200, {"ok"})
