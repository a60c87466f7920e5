"""Jobs are done exactly once, whoever crashes, and a wish that comes while one runs is not lost."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from ledger import clock, jobs
from ledger.models import Event, Job, JobState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def done() -> Iterator[list[str]]:
    """Jobs of the kind `test` note their key here; `fail`, `retry` and `again` misbehave."""
    log: list[str] = []

    def apply(claim: jobs.Claim, prepared: Any) -> None:
        if claim.key == "fail":
            Event.objects.create(kind="half done", occurred_at=clock.now())
            raise ValueError("broken")
        if claim.key == "retry":
            raise jobs.Retry("the peer is away", timedelta(minutes=1))
        if claim.key == "again" and not log:
            with transaction.atomic():
                jobs.enqueue("test", "again")
        log.append(claim.key)

    jobs.register("test", jobs.Handler(apply=apply))
    yield log
    jobs._handlers.pop("test")


def want(key: str, **values: Any) -> Job:
    with transaction.atomic():
        jobs.enqueue("test", key, **values)
    return Job.objects.get(kind="test", key=key)


def test_it_is_done_once(done: list[str]) -> None:
    job = want("a")
    want("a")
    assert jobs.run(job.id) and not jobs.run(job.id)
    assert done == ["a"]
    assert Job.objects.get().state == JobState.DONE


def test_what_is_due_keeps_its_place_when_it_is_asked_for_again(done: list[str]) -> None:
    job = want("a")
    again = want("a")
    assert (again.not_before, again.wanted) == (job.not_before, 2)
    later = want("a", not_before=clock.now() + timedelta(hours=1))
    assert later.not_before > clock.now(), "who names a time means it"
    assert want("a").not_before <= clock.now()


def test_it_waits_until_it_is_due(done: list[str]) -> None:
    job = want("a", not_before=clock.now() + timedelta(hours=1))
    assert not jobs.run(job.id)
    assert done == []


def test_what_failed_leaves_nothing_and_is_tried_five_times(done: list[str]) -> None:
    job = want("fail")
    for _ in range(jobs.MAX_ERRORS):
        Job.objects.update(not_before=clock.now())
        assert not jobs.run(job.id)
    job.refresh_from_db()
    assert (job.state, job.errors) == (JobState.ERROR, jobs.MAX_ERRORS)
    assert "broken" in job.last_error
    assert not Event.objects.filter(kind="half done").exists()


def test_a_peer_that_is_away_does_not_count_as_an_error(done: list[str]) -> None:
    job = want("retry")
    jobs.run(job.id)
    job.refresh_from_db()
    assert (job.state, job.errors) == (JobState.RETRY, 0)
    assert job.not_before > clock.now()


def test_a_wish_during_the_work_is_done_afterwards(done: list[str]) -> None:
    job = want("again")
    assert jobs.run(job.id)
    job.refresh_from_db()
    assert job.state == JobState.NEW
    assert jobs.run(job.id)
    assert done == ["again", "again"]


def test_an_abandoned_claim_is_taken_over_and_its_late_end_is_void(done: list[str]) -> None:
    job = want("a")
    claim = jobs._claim(job.id)
    assert claim is not None
    assert not jobs.run(job.id), "the lease still holds"
    Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert jobs.run(job.id)
    with pytest.raises(jobs.ClaimLost), transaction.atomic():
        jobs._finish(claim)


def test_work_that_kills_its_process_three_times_goes_to_a_person(done: list[str]) -> None:
    job = want("a")
    for _ in range(jobs.MAX_CRASHES):
        assert jobs._claim(job.id) is not None
        Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert not jobs.run(job.id)
    job.refresh_from_db()
    assert job.state == JobState.ERROR
    assert done == []


def test_it_can_only_be_asked_for_in_a_transaction() -> None:
    with pytest.raises(AssertionError):
        jobs.enqueue("test", "a")
