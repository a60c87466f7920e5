"""Recurring work is done by one at a time; the sweeper does what nobody took."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction

from ledger import clock, jobs, notifier, recurring
from ledger.models import Job, Lease
from ledger.sweeper import Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rows() -> Iterator[list[int]]:
    left = [1, 2, 3]

    def batch() -> int:
        return 1 if left and left.pop() else 0

    recurring.register("test", recurring.Work(batch=batch, waits=lambda: bool(left)))
    yield left
    recurring._works.pop("test")


def test_all_of_it_is_done(rows: list[int]) -> None:
    assert recurring.run("test") == 3
    assert rows == []


def test_nobody_does_it_while_another_holds_the_lease(rows: list[int]) -> None:
    claim = recurring.take("test")
    assert claim is not None
    assert recurring.take("test") is None
    assert recurring.run("test") == 0
    recurring.release("test", claim)
    assert recurring.run("test") == 3


def test_a_lease_that_ran_out_is_taken_and_the_old_holder_can_not_extend_it() -> None:
    old = recurring.take("test")
    Lease.objects.update(until=clock.now() - timedelta(seconds=1))
    assert recurring.take("test") is not None
    assert recurring.take("test", old) is None


def test_the_sweeper_rings_first_and_does_it_itself_after_five_seconds(
    rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    notified: list[int | str] = []
    monkeypatch.setattr(notifier, "notify", notified.append)
    jobs.register("test", jobs.Handler(apply=lambda claim, prepared: None))
    with transaction.atomic():
        jobs.enqueue("test", "a", not_before=clock.now() - timedelta(seconds=1))
    sweeper = Sweeper()
    sweeper.sweep()
    sweeper.sweep()
    theirs = {"hl7.watch"}  # which looks once a minute, whether or not there is something
    assert sorted(set(map(str, notified)) - theirs) == sorted([str(Job.objects.get().id), "test"])
    assert rows and Job.objects.get().state == "new"
    Job.objects.update(not_before=clock.now() - timedelta(seconds=6))
    sweeper._waiting_since["test"] -= 6
    sweeper.sweep()
    assert not rows and Job.objects.get().state == "done"
