"""A process shows while it lives; one that should and doesn't shows too, and one that is gone does not."""

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from ledger import clock, heartbeat, queues, readiness, write_lock
from ledger.models import Heartbeat

pytestmark = pytest.mark.django_db


def sign(process: str, instance: str, seconds_ago: float, **details: int) -> None:
    at = clock.now() - timedelta(seconds=seconds_ago)
    Heartbeat.objects.create(process=process, instance=instance, at=at, details=details)


def shown() -> list[tuple[str, str, bool]]:
    return [(one.process, one.instance, one.is_stale) for one in queues.signs_of_life()]


def test_one_that_was_killed_shows_for_a_minute_and_is_then_forgotten() -> None:
    sign("hl7", "a:1", 30)
    sign("worker", "a:2", 300)
    sign("worker", "a:3", 2)
    assert shown() == [("hl7", "a:1", True), ("worker", "a:3", False)]


def test_the_last_of_a_kind_that_should_run_shows_for_ever() -> None:
    sign("worker", "a:1", 4000)
    sign("worker", "a:2", 3000)
    assert shown() == [("worker", "a:2", True)]
    assert heartbeat.state("worker") == "no heartbeat for 3000 s"
    assert readiness.ages()["worker"] is not None


def test_the_last_of_a_kind_that_need_not_run_is_forgotten() -> None:
    sign("fax", "a:1", 300)
    assert shown() == []


def test_the_rows_of_those_that_are_gone_are_removed_by_those_that_live() -> None:
    sign("worker", "a:1", 61)
    sign("worker", "a:2", 30)
    sign("hl7", "a:3", 9000)
    heartbeat.beat("worker")
    left = set(Heartbeat.objects.values_list("process", "instance"))
    assert left == {("worker", "a:2"), ("worker", heartbeat.instance()), ("hl7", "a:3")}


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_takes_its_sign_with_it_and_no_other() -> None:
    sign("sweeper", "a:1", 1)
    told = threading.Event()

    def details() -> dict[str, Any]:
        told.set()
        return {"swept": 3}

    beats = heartbeat.start("sweeper", details)
    assert told.wait(10)
    beats.end()
    assert [row.instance for row in Heartbeat.objects.all()] == ["a:1"]


@pytest.mark.django_db(transaction=True)
def test_an_end_before_the_first_sign_leaves_none() -> None:
    heartbeat.start("sweeper").end()
    assert not Heartbeat.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "not __import__('django.conf').conf.settings.USING_SQLITE", reason="PostgreSQL has row locks"
)
def test_who_keeps_all_others_from_writing_is_logged_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "LONG", -1.0)
    logged = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "nobody else can write" in record.getMessage() and __name__ in record.getMessage():
                logged.set()

    handler = Handler()
    heartbeat.logger.addHandler(handler)
    try:
        with transaction.atomic():
            beats = heartbeat.start("sweeper")
            assert logged.wait(10)
        beats.end()
    finally:
        heartbeat.logger.removeHandler(handler)


def test_metrics_count_those_that_live_and_what_they_saw(client: Any) -> None:
    sign("worker", "a:1", 300, notifications_dropped=9)
    sign("worker", "a:2", 2, notifications_dropped=3)
    sign("worker", "b:2", 3, notifications_dropped=0)
    lines = client.get("/metrics").content.decode().splitlines()
    assert 'ris_pacs_processes{process="worker"} 2' in lines
    assert 'ris_pacs_processes{process="hl7"} 0' in lines
    counted = [line for line in lines if "notifications_dropped" in line]
    assert counted == [
        'ris_pacs_counted_total{process="worker",instance="a:2",what="notifications_dropped"} 3',
        'ris_pacs_counted_total{process="worker",instance="b:2",what="notifications_dropped"} 0',
    ]
