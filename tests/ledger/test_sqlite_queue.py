"""On SQLite, writers stand in one queue: nobody starves and nobody is told that the database is locked."""

import threading
import time

import pytest
from django.db import connection, transaction

from ledger import clock
from ledger.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "not __import__('django.conf').conf.settings.USING_SQLITE", reason="PostgreSQL has row locks"
    ),
]


def test_a_small_writer_gets_its_turn_beside_busy_ones() -> None:
    stop, errors = threading.Event(), []

    def busy() -> None:
        try:
            while not stop.is_set():
                with transaction.atomic():
                    Event.objects.create(kind="busy", occurred_at=clock.now())
                    time.sleep(0.01)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        with transaction.atomic():
            Event.objects.create(kind="small", occurred_at=clock.now())
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    busy_commits = Event.objects.filter(kind="busy").count()
    assert busy_commits < 20 * 20, "in turn the four get about four commits for each of the small one's"


def test_the_lock_is_let_go_of_after_an_error() -> None:
    with pytest.raises(ValueError), transaction.atomic():
        Event.objects.create(kind="a", occurred_at=clock.now())
        raise ValueError
    done = threading.Event()

    def write() -> None:
        with transaction.atomic():
            Event.objects.create(kind="b", occurred_at=clock.now())
        connection.close()
        done.set()

    threading.Thread(target=write).start()
    assert done.wait(10)
    assert list(Event.objects.values_list("kind", flat=True)) == ["b"]
