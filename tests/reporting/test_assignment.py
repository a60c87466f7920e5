"""Who reads what (reading.md 1)."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Facility, Role, User
from archive.models import StudyException
from ledger import events
from ledger.errors import Forbidden, Invalid
from reporting.errors import StateConflict
from reporting.models import OwnerSpan, ReadingItem, ReadingLease, Skip
from reporting.reading_worklist import assignment, reading_items
from reporting.reports import drafts
from tests.actors import acting
from tests.reporting.conftest import World


def rows(facility: Facility, count: int, **values: object) -> list[ReadingItem]:
    now = timezone.now()
    return ReadingItem.objects.bulk_create(
        ReadingItem(
            **{
                "key": f"study:{number}",
                "facility": facility,
                "ready_at": now - timedelta(minutes=number),
                "due_at": now + timedelta(hours=4),
                **values,
            }
        )
        for number in range(count)
    )


@pytest.mark.django_db
def test_stat_comes_first_then_what_is_due_first(facility: Facility, rada: User) -> None:
    now = timezone.now()
    late, soon, stat = rows(facility, 3)
    ReadingItem.objects.filter(pk=late.pk).update(due_at=now - timedelta(hours=9))
    ReadingItem.objects.filter(pk=stat.pk).update(band=0, priority="STAT")
    assert list(assignment.worklist(user=rada)) == [stat, late, soon]
    assert assignment.overdue(user=rada) == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_readers_never_get_the_same_item(facility: Facility, people: Callable[..., User]) -> None:
    rows(facility, 200)
    readers = [people(f"reader{number}", Role.RADIOLOGIST) for number in range(20)]
    got: list[int] = []

    def read(reader: User) -> None:
        try:
            while True:
                with transaction.atomic():
                    item = assignment.next_item(by=acting(reader))
                if item is None:
                    return
                got.append(item.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 200 and len(set(got)) == 200


@pytest.mark.django_db
class TestPossession:
    def test_the_second_sees_who_has_it_and_takes_over_with_a_reason(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        with transaction.atomic():
            first = assignment.take(item=item, by=acting(rada))
        with pytest.raises(StateConflict) as refused, transaction.atomic():
            assignment.take(item=item, by=acting(ruben))
        assert refused.value.code == "held" and refused.value.changed["holder"] == "Rada"
        with transaction.atomic():
            second = assignment.take(item=item, by=acting(ruben), reason="Rada went home")
        assert second.fence > first.fence and second.taken_from == rada
        with pytest.raises(StateConflict) as lost, transaction.atomic():
            assignment.renew(item=item, by=acting(rada), fence=first.fence)
        assert lost.value.code == "taken_over"

    def test_a_stale_lease_is_free(self, world: World, rada: User, ruben: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.take(item=item, by=acting(rada))
        ReadingLease.objects.update(until=timezone.now() - timedelta(seconds=1))
        with transaction.atomic():
            lease = assignment.take(item=item, by=acting(ruben))
        assert lease.holder == ruben and lease.taken_from is None

    def test_what_nobody_began_goes_back_to_the_queue_by_itself(self, world: World, rada: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.take(item=item, by=acting(rada))
        assert assignment.release_abandoned() == 0
        ReadingLease.objects.update(until=timezone.now() - timedelta(seconds=1))
        assert assignment.release_abandoned() == 1
        item.refresh_from_db()
        assert item.status == "ready"
        assert list(OwnerSpan.objects.filter(item=item).values_list("owner", flat=True)) == [
            "queue",
            "reader",
            "queue",
        ]

    def test_what_was_begun_waits_for_its_author(self, world: World, rada: User) -> None:
        item = world.item()
        world.draft(item, rada)
        ReadingLease.objects.update(until=timezone.now() - timedelta(seconds=1))
        assert assignment.release_abandoned() == 0
        item.refresh_from_db()
        assert item.status == "reading"

    def test_an_item_that_was_skipped_is_not_handed_out_again(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        with pytest.raises(Invalid), transaction.atomic():
            assignment.skip(item=item, by=acting(rada), reason=" ")
        with transaction.atomic():
            assignment.skip(item=item, by=acting(rada), reason="not my field")
            assert assignment.next_item(by=acting(rada)) is None
            assert assignment.next_item(by=acting(ruben)) == item

    def test_what_was_released_comes_back_to_others_at_once_and_to_the_reader_later(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        with transaction.atomic():
            assert assignment.next_item(by=acting(rada)) == item
            assignment.let_go(item=item, by=acting(rada), fence=item.lease.fence)
            assert assignment.next_item(by=acting(rada)) is None
        assert assignment.left_out(user=rada).passed_over == 1
        assert list(assignment.offered(user=ruben)) == [item]
        Skip.objects.update(until=timezone.now())
        assert list(assignment.offered(user=rada)) == [item]

    def test_a_release_makes_no_skip_shorter(self, world: World, rada: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.skip(item=item, by=acting(rada), reason="not my field")
            lease = assignment.take(item=item, by=acting(rada))
            assignment.let_go(item=item, by=acting(rada), fence=lease.fence)
        assert Skip.objects.get().until is None

    def test_what_is_under_investigation_is_read_by_choice_only(self, world: World, rada: User) -> None:
        item = world.item()
        StudyException.objects.create(study=item.studies.get())
        with transaction.atomic():
            assert assignment.next_item(by=acting(rada)) is None
            assert assignment.left_out(user=rada).investigated == 1
            chosen = assignment.Wanted(investigated=True)
            assert assignment.next_item(by=acting(rada), wanted=chosen) == item

    def test_a_hold_is_somebody_elses_time(self, world: World, rada: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.hold(item=item, by=acting(rada), reason="need information", note="asked the ward")
            assert assignment.next_item(by=acting(rada)) is None
        assert OwnerSpan.objects.filter(item=item).order_by("-id")[0].owner == "outside"
        with transaction.atomic():
            assignment.resume(item=item, by=acting(rada))
        assert OwnerSpan.objects.filter(item=item).order_by("-id")[0].owner == "queue"

    def test_a_withdrawn_item_can_be_reopened(self, world: World, rada: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.withdraw(item=item, by=acting(rada), reason="read outside")
        item.refresh_from_db()
        assert item.studies.get().reading_status == "withdrawn" and item.withdrawn_at
        with transaction.atomic():
            assignment.reopen(item=item, by=acting(rada))
        item.refresh_from_db()
        assert item.studies.get().reading_status == "ready" and item.withdrawn_at is None

    def test_what_is_parked_stays_so_while_it_is_saved_until_its_holder_comes_back(
        self, world: World, rada: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        with transaction.atomic():
            assignment.park(item=item, by=acting(rada), fence=item.lease.fence)
            for revision in (1, 2):
                text = {"findings": f"Late save {revision}."}
                report = drafts.save(report=report, sections=text, revision=revision, by=acting(rada))
        lease = ReadingLease.objects.get()
        assert lease.parked and lease.until > timezone.now() + timedelta(minutes=29)
        with transaction.atomic():
            assert not assignment.take(item=item, by=acting(rada)).parked

    def test_who_takes_over_is_the_author_from_the_first_edit_on(
        self, world: World, rada: User, ruben: User
    ) -> None:
        item = world.item()
        report = world.draft(item, rada)
        mine = assignment.Wanted(mine=True)
        with transaction.atomic():
            assignment.reserve(item=item, by=acting(rada))
            assignment.take(item=item, by=acting(ruben), reason="Rada went home")
        report.refresh_from_db()
        assert report.author == rada
        with transaction.atomic():
            drafts.save(report=report, sections={"findings": "Mine."}, revision=1, by=acting(ruben))
        report.refresh_from_db()
        item.refresh_from_db()
        assert report.author == ruben and item.reserved_for is None
        assert [list(assignment.worklist(user=one, wanted=mine)) for one in (rada, ruben)] == [[], [item]]
        newest = events.timeline("reading_item", item.public_id)[0]
        assert (newest.kind, newest.details["author"]) == ("report.author_changed", "Rada")

    def test_who_signs_a_preliminary_report_as_final_does_not_become_its_author(
        self, world: World, rada: User, people: Callable[..., User]
    ) -> None:
        resident = people("resi", Role.RESIDENT)
        report = world.draft(world.item(), resident)
        world.sign(report, resident, kind="preliminary")
        report.refresh_from_db()
        with transaction.atomic():
            sections = {"impression": "Agreed."}
            report = drafts.save(report=report, sections=sections, revision=report.revision, by=acting(rada))
        assert report.author == resident

    def test_images_that_were_missing_end_the_hold_when_they_come(self, world: World, rada: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.hold(item=item, by=acting(rada), reason="images missing")
        study = world.late_image(item)
        with transaction.atomic():
            reading_items.follow_study(None, study=study)
        item.refresh_from_db()
        assert item.hold_reason == ""

    def test_what_is_done_with_is_neither_on_hold_nor_reserved(self, world: World, rada: User) -> None:
        item = world.item()
        with transaction.atomic():
            assignment.reserve(item=item, by=acting(rada))
            assignment.hold(item=item, by=acting(rada), reason="need information")
            assignment.withdraw(item=item, by=acting(rada), reason="read outside")
        item.refresh_from_db()
        assert (item.hold_reason, item.reserved_for) == ("", None)

    def test_a_transcriptionist_reads_nothing(self, world: World, trudy: User) -> None:
        item = world.item()
        with pytest.raises(Forbidden), transaction.atomic():
            assignment.take(item=item, by=acting(trudy))
