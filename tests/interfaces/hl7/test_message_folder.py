"""Messages from a folder: each file once, its answer beside, whatever is killed in between."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from interfaces.hl7.inbound import inbox
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.wire import message_folder
from interfaces.hl7.wire.message_folder import MessageFolder
from worklist.models import Order, Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"


def put(folder: Path, name: str, content: bytes, age: float = 10.0) -> Path:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def watch(folder: Path) -> None:
    call_command("hl7", "watch", str(folder), "--once")


def names(folder: Path) -> set[str]:
    """All files, but for the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".watched")
    return {str(path.relative_to(folder)) for path in files}


def order(say: Say, number: str) -> bytes:
    return say("ORM^O01", PID, f"ORC|NW|{number}^HIS", f"OBR|1|||71260^CT^C4{'|' * 20}CT")


def test_each_file_is_moved_with_its_answer_beside(say: Say, tmp_path: Path) -> None:
    put(tmp_path, "good.hl7", order(say, "A") + order(say, "B"))
    put(tmp_path, "bad.hl7", say("ADT^A08", PID.replace("19700102", "yesterday")))
    put(tmp_path, "none.txt", b"no message")
    watch(tmp_path)
    assert names(tmp_path) == {
        *("done/good.hl7", "done/good.hl7.ack", "failed/bad.hl7", "failed/bad.hl7.ack"),
        *("failed/none.txt", "failed/none.txt.ack"),
    }
    assert (tmp_path / "done/good.hl7.ack").read_bytes().count(b"MSA|AA|") == 2
    assert b"PID^1^7" in (tmp_path / "failed/bad.hl7.ack").read_bytes()
    assert Order.objects.count() == 2


def test_a_batch_has_a_batch_beside(say: Say, tmp_path: Path) -> None:
    put(tmp_path, "a.hl7", b"BHS|^~\\&|HIS\r" + order(say, "A") + b"BTS|1\r")
    watch(tmp_path)
    answer = (tmp_path / "done/a.hl7.ack").read_bytes()
    assert answer.startswith(b"BHS|") and answer.endswith(b"BTS|1\r")


def test_what_is_still_written_is_left_alone(say: Say, tmp_path: Path) -> None:
    put(tmp_path, "new.hl7", order(say, "A"), age=0.0)
    put(tmp_path, "big.hl7.part", order(say, "B"))
    put(tmp_path, ".hidden", order(say, "C"))
    watch(tmp_path)
    assert names(tmp_path) == {"new.hl7", "big.hl7.part", ".hidden"} and not Order.objects.exists()


def test_the_oldest_file_comes_first(say: Say, tmp_path: Path) -> None:
    put(tmp_path, "a.hl7", say("ADT^A08", PID.replace("ANNA", "LATER")), age=5)
    put(tmp_path, "b.hl7", say("ADT^A08", PID.replace("ANNA", "FIRST")), age=9)
    watch(tmp_path)
    assert Patient.objects.get().name == "BARS^LATER"


def test_two_files_of_one_name_are_both_kept(say: Say, tmp_path: Path) -> None:
    for number in ("A", "B"):
        put(tmp_path, "a.hl7", order(say, number))
        watch(tmp_path)
    assert names(tmp_path) == {"done/a.hl7", "done/a.hl7.ack", "done/a.2.hl7", "done/a.2.hl7.ack"}
    assert Order.objects.count() == 2


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["folder.claimed", "folder.received", "folder.answered", "folder.moved"])
def test_a_process_that_dies_anywhere_leaves_each_file_to_be_taken_once(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(name: str) -> None:
        if name == point:
            raise _Killed

    raw = order(say, "A")
    put(tmp_path, "a.hl7", raw)
    with monkeypatch.context() as patched:
        patched.setattr(message_folder, "crashpoint", die)
        with pytest.raises(_Killed):
            watch(tmp_path)
    watch(tmp_path)
    assert names(tmp_path) == {"done/a.hl7", "done/a.hl7.ack"}
    assert (tmp_path / "done/a.hl7").read_bytes() == raw
    assert b"MSA|AA|" in (tmp_path / "done/a.hl7.ack").read_bytes()
    assert InboundMessage.objects.count() == Order.objects.count() == 1


def test_what_can_not_be_stored_stays_and_is_taken_later(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("it is away")

    put(tmp_path, "a.hl7", order(say, "A"))
    put(tmp_path, "b.hl7", order(say, "B"))
    with monkeypatch.context() as patched:
        patched.setattr(inbox.message_store, "store", fail)
        watch(tmp_path)
    assert names(tmp_path) == {"working/a.hl7", "b.hl7"}
    watch(tmp_path)
    assert names(tmp_path) == {"done/a.hl7", "done/a.hl7.ack", "done/b.hl7", "done/b.hl7.ack"}


def test_a_folder_is_watched_by_one_process(tmp_path: Path) -> None:
    with MessageFolder(tmp_path).opened(), pytest.raises(CommandError, match="watched by another"):
        watch(tmp_path)
    with pytest.raises(CommandError, match="one folder"):
        call_command("hl7", "watch", str(tmp_path / "nowhere"))
