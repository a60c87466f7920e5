"""Items follow studies, links, orders and merges (reading.md 0, 11)."""

import pytest
from django.db import transaction

from accounts.models import User
from archive.decisions.decision_frame import decide
from archive.decisions.link import Link
from archive.decisions.reassign import Reassign
from archive.decisions.undo import undo
from archive.models import Study
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
