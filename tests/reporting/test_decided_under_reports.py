"""What becomes of words and signatures when a person gives their study to another patient (reading.md 8)."""

import pytest
from django.db import transaction

from accounts.models import User
from archive.decisions import second_person
from archive.decisions.reassign import Reassign
from archive.decisions.reject import Reject
from archive.models import Decision, DecisionRequest, Study
from reporting.models import ReadingItem, Recheck
from tests.actors import acting
from tests.reporting.conftest import World

pytestmark = pytest.mark.django_db


def undo(study: Study, by: User) -> Decision | DecisionRequest:
    with transaction.atomic():
        return second_person.undo(
            exception=Study.objects.get(pk=study.pk).exception, reason="not so", by=acting(by)
        )


def confirm(request: Decision | DecisionRequest, by: User) -> Decision:
    assert isinstance(request, DecisionRequest)
    with transaction.atomic():
        return second_person.confirm(request=request, reason="looked too", by=acting(by))


def reassigned(world: World, item: ReadingItem, by: User) -> Decision | DecisionRequest:
    other = world.hospital.patient("P2", "OTHER^OLA")
    with transaction.atomic():
        return second_person.decide(
            Reassign(other), study=item.studies.get(), reason="wrong one", by=acting(by)
        )


def test_a_signed_report_is_rechecked_once_a_second_person_confirmed_and_not_after_the_undo(
    world: World, user: User, rada: User
) -> None:
    item = world.item("A1")
    world.sign(world.draft(item, rada), rada)
    request = reassigned(world, item, user)
    assert not Recheck.objects.exists()
    confirm(request, rada)
    recheck = Recheck.objects.get(closed_at=None)
    assert recheck.signer == rada
    item.refresh_from_db()
    assert item.patient and item.patient.value == "P2" and item.status == "final"

    confirm(undo(item.studies.get(), user), rada)
    recheck.refresh_from_db()
    item.refresh_from_db()
    assert recheck.closed_at and recheck.outcome == "undone"
    assert item.patient and item.patient.value == "P1" and item.key.startswith("procedure:")


@pytest.mark.parametrize("act", ["reassign", "reject"])
def test_a_draft_stays_with_its_author_who_is_asked_until_the_undo(
    act: str, world: World, user: User, rada: User
) -> None:
    item = world.item("A1")
    world.draft(item, rada)
    study = item.studies.get()
    if act == "reassign":
        reassigned(world, item, user)
    else:
        with transaction.atomic():
            second_person.decide(Reject("113001"), study=study, reason="moved", by=acting(user))
    item.refresh_from_db()
    assert item.patient_question and item.report.sections["impression"] == "Normal chest."
    undo(study, user)
    item.refresh_from_db()
    assert item.patient_question == "" and item.status != "withdrawn"
    assert item.report.sections["impression"] == "Normal chest."
