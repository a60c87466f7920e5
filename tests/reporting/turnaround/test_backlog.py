"""What waits, what is stuck, and where an item is."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Facility, User
from archive.models import Study, StudyException
from reporting.models import OwnerSpan, ReadingItem, ReadingLease, Recheck, Report
from reporting.turnaround import backlog, current_stage, orphans
from worklist.models import Order, RequestedProcedure, StatusEvent

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def ago(minutes: float) -> Any:
    return NOW - timedelta(minutes=minutes)


def make(
    facility: Facility, key: str, status: str = "ready", ready: float = 60, due: float = -60, **values: Any
) -> ReadingItem:
    return ReadingItem.objects.create(
        facility=facility,
        key=key,
        status=status,
        ready_at=ago(ready),
        due_at=ago(due),
        modality="CT",
        **values,
    )


def make_study(facility: Facility, number: int, **values: Any) -> Study:
    times = {"first_received_at": ago(60), "last_received_at": ago(60), "first_quiet_at": ago(59)}
    return Study.objects.create(facility=facility, study_instance_uid=f"2.25.{number}", **{**times, **values})


def test_waiting_oldest_past_due_and_breaches_to_come(facility: Facility, user: User) -> None:
    oldest = make(facility, "oldest", ready=500, due=10)
    make(facility, "soon", due=-29)
    make(facility, "later", due=-31, hold_reason="need information")
    make(facility, "signed", "final", final_at=ago(5))
    make(facility, "gone", "withdrawn", withdrawn_at=ago(5))
    make(Facility.objects.create(code="OTHER"), "elsewhere")
    found = backlog.waiting(user, NOW)
    assert (found.count, found.held, found.past_due, found.due_soon) == (3, 1, 1, 1)
    assert (found.oldest_id, found.oldest) == (oldest.public_id, timedelta(minutes=500))
    assert backlog.waiting(user, ago(10)).count == 5, "before two of them ended"
    assert backlog.waiting(user, NOW, modality="MR").oldest is None


def test_the_exception_rate_is_of_the_studies_judged_in_the_period(facility: Facility, user: User) -> None:
    for number in range(4):
        make_study(facility, number)
    StudyException.objects.create(study=Study.objects.first())
    StudyException.objects.update(opened_at=ago(1))
    found = backlog.exceptions(user, ago(120), NOW + timedelta(minutes=1))
    assert (found.opened, found.judged, found.rate) == (1, 4, 0.25)
    assert backlog.exceptions(user, ago(9000), ago(8000)).rate is None


def test_each_list_of_stuck_things_has_its_own(facility: Facility, user: User) -> None:
    order = Order.objects.create(facility=facility, accession_number="A1", first_received_at=ago(300))
    RequestedProcedure.objects.create(order=order, requested_procedure_id="1", study_instance_uid="2.25.9")
    StatusEvent.objects.create(order=order, kind="complete", stamp="1", occurred_at=ago(121))
    make_study(facility, 1, verdict="unscheduled", accession_number="X1")
    make_study(facility, 2, verdict="pending")
    reading = make(facility, "reading", "reading", opened_at=ago(40))
    ReadingLease.objects.create(item=reading, holder=user, taken_at=ago(40), until=ago(30))
    kept = make(facility, "kept", "reading", opened_at=ago(40))
    ReadingLease.objects.create(item=kept, holder=user, taken_at=ago(40), until=ago(-1))
    report = Report.objects.create(item=kept, author=user, changed_by=user, changed_at=NOW)
    Report.objects.filter(pk=report.pk).update(created_at=ago(25 * 60))
    make(facility, "typed", "transcribed", due=1)
    make(facility, "queued", due=1)
    signed = make(facility, "signed", "final", final_at=ago(16))
    make(facility, "just", "final", final_at=ago(14))
    make(facility, "sent", "final", final_at=ago(60), delivered_at=ago(50))
    Recheck.objects.create(item=signed, signer=user, cause="late images", raised_at=ago(2000), due_at=ago(60))
    found = {key: [one.label for one in orphans.part(user, NOW, key, 0, 9)] for key in orphans.KINDS}
    assert found == {
        "without_images": ["A1"],
        "without_order": ["X1"],
        "holder_absent": ["CT"],
        "old_drafts": ["CT"],
        "begun_late": ["CT"],
        "not_delivered": ["CT"],
        "rechecks_late": ["late images"],
    }
    assert set(orphans.counts(user, NOW).values()) == {1}
    (absent,) = orphans.part(user, NOW, "holder_absent", 0, 9)
    assert (absent.key, absent.who, absent.since) == (reading.public_id, "Anna", ago(40))


def test_images_that_came_under_another_order_are_images(facility: Facility, user: User) -> None:
    order = Order.objects.create(facility=facility, first_received_at=ago(300))
    procedure = RequestedProcedure.objects.create(
        order=order, requested_procedure_id="1", study_instance_uid="2.25.9"
    )
    StatusEvent.objects.create(order=order, kind="complete", stamp="1", occurred_at=ago(121))
    make_study(facility, 1).procedures.add(procedure)
    assert orphans.counts(user, NOW)["without_images"] == 0


def test_where_a_study_is_who_has_it_and_since_when(facility: Facility, user: User) -> None:
    item = make(facility, "k", "reading", due=1)
    study = make_study(facility, 1)
    item.studies.add(study)
    for minute, owner in ((60, "queue"), (40, "reader"), (30, "reader")):
        OwnerSpan.objects.create(item=item, at=ago(minute), owner=owner, status="reading")
    lease = ReadingLease.objects.create(
        item=item, holder=user, taken_at=ago(40), until=NOW + timedelta(hours=1)
    )
    (found,) = current_stage.of_study(study)
    assert (found.words, found.holder, found.since, found.is_late) == (
        "with its reader",
        "Anna",
        ago(40),
        True,
    )
    lease.until = ago(5)
    lease.save()
    found = current_stage.of(item)
    assert (found.holder, found.was_with) == ("", "Anna")
    item.hold_reason = "need information"
    assert (current_stage.of(item).words, current_stage.of(item).reason) == ("on hold", "need information")


def test_a_signed_item_is_done(facility: Facility) -> None:
    item = make(facility, "k", "final", final_at=ago(5))
    OwnerSpan.objects.create(item=item, at=ago(5), owner="nobody", status="final")
    found = current_stage.of(item)
    assert (found.words, found.since, found.due, found.is_late) == ("done", ago(5), None, False)
