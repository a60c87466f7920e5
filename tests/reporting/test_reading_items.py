"""Items follow studies, links, orders and merges (reading.md 0, 11)."""

import pytest
from django.db import transaction

from accounts.models import User
from archive.decisions.decision_frame import decide
from archive.decisions.link import Link
from archive.decisions.reassign import Reassign
from archive.decisions.undo import undo
from archive.imports import import_acts
from archive.models import Import, ImportedStudy, Study
from ledger.errors import Conflict
from reporting.models import OwnerSpan, ReadingItem
from tests.actors import acting
from tests.reporting.conftest import World
from worklist.batches.named_rows import Loader
from worklist.catalogue import Catalogue
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.orders import order_application
from worklist.orders.order_update import Number, OrderUpdate
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db


def test_a_matched_study_becomes_an_item_of_its_procedure(world: World) -> None:
    item = world.item("A1")
    study = item.studies.get()
    assert item.key.startswith("procedure:") and item.status == "ready"
    assert study.reading_status == "ready"
    assert item.description == "CT chest" and item.modality == "CT"
    assert item.patient and item.patient.value == "P1"
    assert item.due_at > item.ready_at
    assert list(OwnerSpan.objects.filter(item=item).values_list("owner", flat=True)) == ["queue"]


def test_a_study_without_an_order_is_read_as_well(world: World) -> None:
    study = world.hospital.study("", "P9", "NOBODY^KNOWS")
    item = ReadingItem.objects.get(studies=study)
    assert item.key == f"study:{study.study_instance_uid}" and item.patient is None


def brought(world: World, user: User, *uids: str) -> Import:
    with transaction.atomic():
        row = import_acts.begin(by=acting(user), facility=world.hospital.facility, comparison_only=True)
    for uid in uids:
        ImportedStudy.objects.create(of=row, study_instance_uid=uid)
    return row


def test_what_was_brought_for_comparison_is_read_only_when_somebody_says_so(world: World, user: User) -> None:
    row = brought(world, user, "1.2.77")
    study = world.hospital.study("", "P9", "NOBODY^KNOWS", study_instance_uid="1.2.77")
    assert not ReadingItem.objects.exists()
    with transaction.atomic():
        import_acts.read_after_all(by=acting(user), row=row)
    assert ReadingItem.objects.get(studies=study).status == "ready"
    with pytest.raises(Conflict), transaction.atomic():
        import_acts.read_after_all(by=acting(user), row=row)


def test_what_is_in_the_list_or_linked_is_read_though_it_comes_for_comparison(
    world: World, user: User
) -> None:
    there = world.hospital.study("", "P9", "NOBODY^KNOWS", study_instance_uid="1.2.77")
    brought(world, user, "1.2.77", "1.2.78")
    world.hospital.judged(there)
    assert ReadingItem.objects.get(studies=there).status == "ready"
    world.hospital.order("A7", world.hospital.patient("P7", "LINK^LEA"))
    study = world.hospital.study("", "P8", "OTHER^OLA", study_instance_uid="1.2.78")
    with transaction.atomic():
        linked = decide(
            Link(ScheduledProcedureStep.objects.get()), study=study, reason="it is hers", by=acting(user)
        )
    assert ReadingItem.objects.get(studies=study).status == "ready"
    with transaction.atomic():
        undo(exception=study.exception, reason="it is not", by=acting(user), decision=linked)
    item = ReadingItem.objects.get(studies=study)
    assert (item.status, item.withdrawn_reason) == ("withdrawn", "its study was imported for comparison only")


@pytest.mark.parametrize("accession", ["A1", ""])
def test_what_holds_no_images_is_nothing_to_read(world: World, accession: str) -> None:
    """A dose report alone; with the images of its exam it joins what is read of that."""
    world.hospital.order("A1", world.hospital.patient("P7", "LINK^LEA"))
    who = {"patient_id": "P7", "name": "LINK^LEA", "modalities": ["SR"], "series": {"modality": "SR"}}
    report = world.hospital.study(accession, **who)
    assert not ReadingItem.objects.filter(studies=report).exists()
    assert Study.objects.get(pk=report.pk).reading_status == "not_ready"
    images = world.hospital.study("A1", "P7", "LINK^LEA")
    report = world.hospital.judged(report)
    (item,) = ReadingItem.objects.all()
    assert set(item.studies.all()) == ({images, report} if report.patient else {images})


def test_linking_gives_the_same_item_its_order(world: World, user: User) -> None:
    world.hospital.order("A7", world.hospital.patient("P7", "LINK^LEA"))
    study = world.hospital.study("", "P9", "NOBODY^KNOWS")
    item = ReadingItem.objects.get(studies=study)
    step = ScheduledProcedureStep.objects.get()
    with transaction.atomic():
        decide(Link(step), study=study, reason="it is Lea's", by=acting(user))
    linked = ReadingItem.objects.get(studies=study)
    assert linked.pk == item.pk
    assert linked.key == f"procedure:{step.procedure.public_id}"
    assert linked.patient and linked.patient.value == "P7"


def test_an_undone_link_gives_the_item_back(world: World, user: User) -> None:
    world.hospital.order("A7", world.hospital.patient("P7", "LINK^LEA"))
    study = world.hospital.study("", "P9", "NOBODY^KNOWS")
    with transaction.atomic():
        decide(Link(ScheduledProcedureStep.objects.get()), study=study, reason="hers", by=acting(user))
    with transaction.atomic():
        undo(exception=Study.objects.get(pk=study.pk).exception, reason="not hers", by=acting(user))
    item = ReadingItem.objects.exclude(status="withdrawn").get(studies=study)
    assert item.key == f"study:{study.study_instance_uid}" and item.patient is None


def test_what_is_begun_is_asked_about_when_the_study_gets_another_patient(world: World, user: User) -> None:
    item = world.item("A1")
    world.draft(item, user)
    study = item.studies.get()
    other = world.hospital.patient("P2", "OTHER^OLA")
    with transaction.atomic():
        decide(Reassign(other), study=study, reason="wrong one", by=acting(user), expected=0)
    item = ReadingItem.objects.get(pk=item.pk)
    assert item.patient_question
    assert item.report.sections["impression"] == "Normal chest."


def test_an_order_that_becomes_urgent_moves_its_item_up(world: World) -> None:
    item = world.item("A1")
    assert (item.priority, item.band) == ("ROUTINE", 1)
    Order.objects.update(priority="STAT")
    from worklist.signals import orders_changed

    with transaction.atomic():
        orders = Loader(Catalogue()).order(Order.objects.get().pk)
        orders_changed.send(sender=None, orders=list(orders.aggregates.values()))
    item.refresh_from_db()
    assert (item.priority, item.band) == ("STAT", 0)


def test_a_cancelled_order_with_images_stays_ready(world: World, user: User) -> None:

    item = world.item("A1")
    order = Order.objects.get()
    with transaction.atomic():
        cancel = OrderUpdate(placer=Number("PLA1", "HIS"), act=StatusEvent.Kind.CANCEL, reason="not wanted")
        order_application.apply(update=cancel, provenance=Provenance.of_person(acting(user), order.facility))
    item.refresh_from_db()
    order.refresh_from_db()
    assert order.status == "cancelled"
    assert item.status == "ready"
