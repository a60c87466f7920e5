"""What happens when two people, or a person and a message, act at the same moment (reading.md 1, 6)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from reporting.errors import StateConflict
from reporting.models import ReadingItem, ReportVersion
from reporting.reading_worklist import assignment
from reporting.reports import drafts, report_versions, signatures
from tests.actors import acting
from tests.reporting.conftest import World

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all acts in threads that start together, each in a transaction; what each returned or refused."""
    barrier, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            with transaction.atomic():
                results[place] = act()
        except StateConflict as refused:
            results[place] = refused
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_who_open_one_item_one_gets_it(world: World, rada: User, ruben: User) -> None:
    item = world.item()
    results = at_once(
        lambda: assignment.take(item=item, by=acting(rada)),
        lambda: assignment.take(item=item, by=acting(ruben)),
    )
    refused = [result for result in results if isinstance(result, StateConflict)]
    assert len(refused) == 1 and refused[0].code == "held"


def test_of_two_signatures_on_one_revision_one_counts(world: World, rada: User) -> None:
    report = world.draft(world.item(), rada)
    sign = lambda: signatures.sign(report=report, by=acting(rada), revision=1)  # noqa: E731
    results = at_once(sign, sign, sign)
    assert sum(isinstance(result, ReportVersion) for result in results) == 1
    assert ReportVersion.objects.count() == 1 and report_versions.verify(report) == []


def test_a_signature_beside_a_merge_is_for_whom_the_signer_saw_or_none(world: World, rada: User) -> None:
    item = world.item("A1")
    report = world.draft(item, rada)
    world.hospital.patient("P2", "BARS^ANNA^NEW")
    merged, signed = at_once(
        lambda: world.hospital.merge("P1", "P2"),
        lambda: signatures.sign(report=report, by=acting(rada), revision=1),
    )
    assert merged is None
    if isinstance(signed, StateConflict):
        assert signed.code == "patient_question" and ReportVersion.objects.count() == 0
        item = ReadingItem.objects.get(pk=item.pk)
        with transaction.atomic():
            assignment.confirm_patient(item=item, by=acting(rada), revision=item.revision)
        signed = world.sign(report, rada)
        assert report_versions.content_of(signed)["header"]["patient"]["identifier"] == "P2"
    else:
        assert report_versions.content_of(signed)["header"]["patient"]["identifier"] == "P1"


def test_two_saves_over_one_revision_keep_both_texts_in_sight(world: World, rada: User) -> None:
    report = world.draft(world.item(), rada)
    results = at_once(
        lambda: drafts.save(report=report, sections={"impression": "One."}, revision=1, by=acting(rada)),
        lambda: drafts.save(report=report, sections={"impression": "Two."}, revision=1, by=acting(rada)),
    )
    (refused,) = [result for result in results if isinstance(result, StateConflict)]
    assert set(refused.changed["sections"]["impression"].values()) == {"One.", "Two."}
