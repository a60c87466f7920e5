"""Reports go out as ORU^R01, say what became of them, and are delivered when everybody has accepted them."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from accounts.models import Facility, User
from archive.models import Study
from archive.signals import study_settled
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import delivery, outbox
from interfaces.hl7.outbound.acknowledgments import Answer
from interfaces.hl7.syntax import data_types, er7
from interfaces.hl7.syntax.message_parts import Message
from ledger import jobs
from ledger.models import Event, Job
from reporting.errors import StateConflict
from reporting.models import Recheck, ReportVersion
from reporting.reports import rechecks, release_job, signatures
from reporting.signals import version_released
from tests.actors import acting, integrator
from tests.conftest import EIGHT
from tests.interfaces.hl7.test_delivery import Receiver
from tests.reporting.rendering.builders import SECTIONS, World
from worklist.models import AssigningAuthority, Order, Patient, PatientLink, Visit
from worklist.patients import person_names, temporary_records

pytestmark = pytest.mark.django_db
IMPRESSION, ADDENDUM = "19005-8", "55107-7"


@pytest.fixture
def world(facility: Facility, user: User) -> Iterator[World]:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1, application="HIS")
    return World(facility, user)


def released(world: World, kind: str = "final", **values: Any) -> ReportVersion:
    version = world.sign(kind, **values)
    with transaction.atomic():
        version_released.send(sender=None, version=version)
    return version


def settled(world: World) -> None:
    with transaction.atomic():
        study_settled.send(sender=None, study=world.study)


def said(version: ReportVersion, order: Order | None = None) -> Message:
    """The message of a version, as its destination would get it."""
    rows = OutboundMessage.objects.filter(key__startswith=f"version:{version.public_id}:")
    if order is not None:
        rows = rows.filter(key__endswith=order.public_id)
    row = rows.select_related("destination").get()
    return er7.parse(outbox.write(row, row.destination))


def observed(message: Message) -> list[tuple[str, str, str]]:
    """Code, text and status of each OBX that is a part of the report."""
    return [
        (obx.field(3).component(1), obx.field(5).value, obx.field(11).value)
        for obx in message.all("OBX")
        if obx.field(3).component(3) == "LN"
    ]


def accept(version: ReportVersion, destination: str = "HIS") -> None:
    """What `delivery` does with an AA."""
    for row in OutboundMessage.objects.filter(
        key__startswith=f"version:{version.public_id}:", destination__name=destination
    ):
        answer = Answer("AA", frozenset(), "", b"MSA|AA|x")
        delivery._answered(row, row.destination, answer)


def happened(kind: str) -> list[dict[str, Any]]:
    return list(Event.objects.filter(kind=kind).order_by("id").values_list("details", flat=True))


def test_a_final_report_goes_to_its_order(world: World) -> None:
    """7.3.1: PID, ORC, OBR with the numbers of the order, an OBX for each section."""
    authority = AssigningAuthority.objects.get()
    world.order.visit = Visit.objects.create(
        facility=world.facility,
        authority=authority,
        number="V1",
        patient=world.patient,
        patient_class="I",
        location="W1^2^3",
        attending="Wilson^James",
    )
    world.order.save()
    version = released(world)
    message = said(version)
    expected = {
        "MSH-9": "ORU",
        "MSH-9.3": "ORU_R01",
        "MSH-18": "UNICODE UTF-8",
        "PID-3": "4711",
        "PID-5[2].1": "鈴木",
        "PV1-2": "I",
        "PV1-3.3": "3",
        "PV1-7.2": "Wilson",
        "PV1-19": "V1",
        "ORC-1": "RE",
        "OBR-2": "PA1",
        "OBR-3": "FA1",
        "OBR-3.2": "RIS",
        "OBR-4": "73700",
        "OBR-7": "20260302081500+0100",
        "OBR-16.2": "House",
        "OBR-18": "A1",
        "OBR-19": "RPA1",
        "OBR-22": "20260302090100+0100",
        "OBR-25": "F",
        "OBR-32.1.1": "anna",
        "OBR-32.1.2": "Anna",
        "OBX-2": "FT",
        "OBX-14": "20260302080100+0000",
    }
    assert {path: message.get(path) for path in expected} == expected
    codes = ["55752-0", "55111-9", "18834-2", "59776-5", "19005-8"]
    assert [code for code, _, _ in observed(message)] == codes
    assert next(text for _, text, _ in observed(message)) == SECTIONS["indication"]
    last = list(message.all("OBX"))[-1]
    assert (last.field(3).component(1), last.field(5).value) == ("113014", "1.2.840.1")
    assert Event.objects.filter(kind="report.undeliverable").count() == 0


def test_who_ordered_it_is_told_as_the_placer_writes_it(world: World) -> None:
    """OBR-16 (XCN) with ID and authority, by which a HIS routes."""
    sent = "77^Smith^John^^Jr^Dr^MD^^HIS&1.2.840&ISO^L"
    obr = er7.parse(f"MSH|^~\\&|A\rOBR|1{'|' * 15}{sent}\r".encode()).first("OBR")
    world.order.ordering_provider, world.order.requesting_physician = (
        data_types.as_sent(obr, 16),
        "Smith^John",
    )
    world.order.save()
    assert said(released(world)).first("OBR").field(16).raw == sent


def test_text_comes_back_as_it_was_signed(world: World) -> None:
    r"""2.7: delimiters are escaped, line feeds of FT are `\.br\`."""
    world.report.sections["findings"] = text = "a|b^c~d\\e&f\n\nMSH|x  Größe 鈴木 محمد\x07"
    version = released(world)
    row = OutboundMessage.objects.get()
    raw = outbox.write(row, row.destination)
    assert rb"\.br\\.br\MSH\F\x" in raw
    found = {code: value for code, value, _ in observed(said(version))}
    assert found["59776-5"].replace("\r\n", "\n").replace("\r", "\n") == text


def test_hl7apy_finds_nothing_wrong(world: World) -> None:
    released(world)
    row = OutboundMessage.objects.get()
    raw = outbox.write(row, row.destination).decode()
    message = parse_message(raw, find_groups=True, validation_level=VALIDATION_LEVEL.TOLERANT)
    assert message.validate()
    assert len(message.oru_r01_patient_result.oru_r01_order_observation.oru_r01_observation) == 6


@pytest.mark.parametrize(
    "version", ["2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2"]
)
def test_it_is_written_in_the_version_of_its_destination(world: World, version: str) -> None:
    Destination.objects.update(version=version)
    message = said(released(world))
    assert (message.get("MSH-12"), message.get("OBR-25"), message.get("OBX-11")) == (version, "F", "F")


def test_a_text_of_200_kb_goes_out_whole(world: World) -> None:
    world.report.sections["findings"] = text = ("Befund & mehr. " * 8 + "\n") * 1700
    assert len(text) > 200_000
    found = {code: value for code, value, _ in observed(said(released(world)))}
    assert len(found["59776-5"].replace("\r", "")) >= len(text.strip("\n")) - 1700


def test_preliminary_final_addendum_and_correction_say_what_they_are(world: World) -> None:
    """HL70123, HL70085."""
    message = said(released(world, "preliminary"))
    assert message.get("OBR-25") == "P" and {row[2] for row in observed(message)} == {"P"}
    message = said(released(world, "final"))
    assert message.get("OBR-25") == "F" and {row[2] for row in observed(message)} == {"F"}
    message = said(released(world, "addendum", text="More.", class_of_change="missed"))
    assert message.get("OBR-25") == "C"
    assert observed(message)[-1] == (ADDENDUM, "More.", "F")
    assert [row[2] for row in observed(message)] == ["F"] * 6
    world.report.sections = {**SECTIONS, "comparison": "", "impression": "Left."}
    message = said(released(world, "correction", class_of_change="wrong side"))
    found = {code: (text, status) for code, text, status in observed(message)}
    assert message.get("OBR-25") == "C"
    assert found[IMPRESSION] == ("Left.", "C")
    assert found["18834-2"] == ("", "D")
    assert found["59776-5"][1] == found[ADDENDUM][1] == "F"
    assert OutboundMessage.objects.values("ordering_key").distinct().count() == 1


def test_a_retraction_says_wrong_to_the_order_that_was_told(world: World) -> None:
    """HL70085: W is for what was sent for the wrong patient. The images may be another's by now."""
    released(world)
    other = Patient.objects.create(
        facility=world.facility, authority=world.patient.authority, value="9", name="Other^Otto"
    )
    world.item.procedures.set(world.make_order("A2", other).procedures.all())
    world.item.patient = other
    world.item.save()
    version = released(world, "retraction", text="About Otto.", class_of_change="wrong patient")
    message = said(version)
    assert message.get("PID-3") == "4711" and message.get("OBR-18") == "A1"
    assert {row[2] for row in observed(message)} == {"W"}
    texts = {row[1] for row in observed(message)}
    assert texts == {"This report is retracted and must not be used. Reason: wrong patient."}
    settled(world)
    assert OutboundMessage.objects.count() == 2


def test_a_version_for_another_patient_is_withdrawn_from_the_first_ones_order(world: World) -> None:
    released(world)
    other = Patient.objects.create(
        facility=world.facility, authority=world.patient.authority, value="9", name="Other^Otto"
    )
    order = world.make_order("A2", other)
    world.item.procedures.set(order.procedures.all())
    world.item.patient = other
    world.item.save()
    settled(world)
    assert OutboundMessage.objects.count() == 1, "what was signed for one is not sent to another"
    version = released(world, "correction")
    assert {row[2] for row in observed(said(version, world.order))} == {"W"}
    message = said(version, order)
    assert message.get("PID-3") == "9" and {row[2] for row in observed(message)} == {"F"}


@pytest.fixture
def unknown(world: World) -> Patient:
    """Somebody under a temporary record, whose report is signed and told."""
    authority = AssigningAuthority.objects.create(namespace="TEMP")
    record = Patient.objects.create(
        facility=world.facility, authority=authority, value="T23", name="NOVAK^JAN", name_key="novak^jan"
    )
    Order.objects.update(patient=record)
    Study.objects.update(patient=record)
    world.item.patient, world.item.status = record, "final"
    world.item.save()
    world.report.refresh_from_db()
    return Patient.objects.select_related("authority", "facility").get(pk=record.pk)


def link(world: World, record: Patient) -> PatientLink:
    with transaction.atomic():
        temporary_records.link(record, to=world.patient, reason="card", by=acting(world.user), although=True)
    return PatientLink.objects.select_related("retired__authority", "retired__facility", "survivor").latest(
        "pk"
    )


def unlink(world: World, found: PatientLink) -> None:
    with transaction.atomic():
        temporary_records.unlink(found, reason="her sister", by=acting(world.user))


def holds(world: World) -> None:
    with transaction.atomic():
        rechecks.still_valid(recheck=Recheck.objects.get(closed_at=None), by=acting(world.user))


def told() -> list[tuple[str, str, set[str]]]:
    """Of each message the patient, OBR-25 and the statuses of its parts."""
    rows = OutboundMessage.objects.select_related("destination").order_by("pk")
    found = [er7.parse(outbox.write(row, row.destination)) for row in rows]
    return [(one.get("PID-3.1"), one.get("OBR-25"), {row[2] for row in observed(one)}) for one in found]


def test_a_report_of_an_unknown_patient_is_asked_about_and_goes_out_under_the_name(
    world: World, unknown: Patient
) -> None:
    released(world)
    found = link(world, unknown)
    assert told() == [("T23", "F", {"F"})] and "another record" in Recheck.objects.get().cause
    unlink(world, found)
    assert Recheck.objects.get().outcome == "undone"
    found = link(world, unknown)
    holds(world)
    assert told()[1:] == [("4711", "C", {"F"})] and not Recheck.objects.filter(closed_at=None).exists()
    unlink(world, found)
    assert "taken back" in Recheck.objects.get(closed_at=None).cause
    holds(world)
    assert told()[2:] == [("4711", "C", {"W"}), ("T23", "F", {"F"})]


def test_a_report_that_was_signed_for_another_patient_does_not_simply_hold(
    world: World, unknown: Patient
) -> None:
    found = link(world, unknown)
    world.report.item.refresh_from_db()
    released(world)
    unlink(world, found)
    assert "another patient" in Recheck.objects.get(closed_at=None).cause
    with pytest.raises(StateConflict, match="correct or retract it"):
        holds(world)
    link(world, unknown)
    assert not Recheck.objects.filter(closed_at=None).exists()


def test_of_one_name_nobody_is_asked_and_the_report_goes_out_under_the_number(
    world: World, unknown: Patient
) -> None:
    name = world.patient.name
    Patient.objects.update(name=name, name_key=person_names.keys(name)[0])
    world.report = type(world.report).objects.get(pk=world.report.pk)
    version = released(world)
    ReportVersion.objects.filter(pk=version.pk).update(released_at=EIGHT)
    found = link(world, Patient.objects.select_related("authority", "facility").get(pk=unknown.pk))
    assert not Recheck.objects.exists()
    assert told() == [("T23", "F", {"F"}), ("4711", "C", {"F"})]
    unlink(world, found)
    assert told()[2:] == [("4711", "C", {"W"}), ("T23", "F", {"F"})]


def test_without_an_order_nothing_goes_out_until_there_is_one(world: World) -> None:
    world.item.procedures.clear()
    version = released(world)
    assert not OutboundMessage.objects.exists()
    (event,) = happened("report.undeliverable")
    assert event["reason"] == "No order of its studies is known."
    settled(world)
    assert not OutboundMessage.objects.exists()
    world.item.procedures.set(world.order.procedures.all())
    for _ in range(2):
        settled(world)
    row = OutboundMessage.objects.get()
    assert row.key == f"version:{version.public_id}:order:{world.order.public_id}"
    assert said(version).get("OBR-25") == "F"


def test_each_accession_gets_a_message_and_each_procedure_the_text(world: World) -> None:
    second = world.make_order("A2", world.patient)
    world.item.procedures.add(*second.procedures.all())
    version = released(world)
    assert OutboundMessage.objects.count() == 2
    assert said(version, second).get("OBR-18") == "A2"


def test_a_destination_may_want_lines_and_the_pdf(world: World) -> None:
    Destination.objects.update(options={"text": "TX", "pdf": True})
    message = said(released(world))
    findings = next(obx for obx in message.all("OBX") if obx.field(3).component(1) == "59776-5")
    assert findings.field(2).value == "TX" and len(findings.field(5).repetitions) == 2
    (embedded,) = [obx for obx in message.all("OBX") if obx.field(2).value == "ED"]
    parts = [embedded.field(5).component(n) for n in range(2, 5)]
    assert parts == ["application", "pdf", "Base64"]
    assert base64.b64decode(embedded.field(5).component(5)).startswith(b"%PDF-")


def test_it_is_delivered_when_all_that_have_to_have_accepted_it(world: World) -> None:
    Destination.objects.create(name="EMR", host="127.0.0.1", port=1)
    Destination.objects.create(name="COPY", host="127.0.0.1", port=1, options={"required": False})
    version = released(world)
    accept(version)
    version.refresh_from_db()
    assert version.delivered_at is None
    accept(version, "EMR")
    version.refresh_from_db()
    world.item.refresh_from_db()
    first = world.item.delivered_at
    assert version.delivered_at and first and len(happened("report.delivered")) == 1
    accept(version, "COPY")
    assert len(happened("report.delivered")) == 1
    later = released(world, "addendum", at=EIGHT + timedelta(hours=1), text="More.")
    accept(later)
    accept(later, "EMR")
    world.item.refresh_from_db()
    assert len(happened("report.delivered")) == 2 and world.item.delivered_at == first


def test_a_message_that_was_given_up_is_not_delivered(world: World) -> None:
    Destination.objects.create(name="EMR", host="127.0.0.1", port=1)
    version = released(world)
    row = OutboundMessage.objects.get(destination__name="EMR")
    outbox.skip(row, by=integrator("anna"), reason="they know")
    accept(version)
    version.refresh_from_db()
    assert version.delivered_at is None


@pytest.mark.django_db(transaction=True)
def test_what_is_signed_arrives_and_counts_as_delivered(world: World) -> None:
    """From the signature to the ACK, by the jobs that the workers do."""
    receiver = Receiver()
    Destination.objects.update(port=receiver.port)
    world.item.band = 0  # no time to take it back
    world.item.status = "reading"
    world.item.save()
    with transaction.atomic():
        version = signatures.sign(report=world.report, by=acting(world.user), revision=world.report.revision)
    for kind, key in ((release_job.KIND, version.public_id), (outbox.JOB, "HIS")):
        assert jobs.run(Job.objects.get(kind=kind, key=key).pk)
    receiver.stop()
    (raw,) = receiver.received
    assert er7.parse(raw).get("OBR-25") == "F"
    version.refresh_from_db()
    world.item.refresh_from_db()
    assert version.released_at and version.delivered_at and world.item.delivered_at
    assert Job.objects.filter(kind=release_job.RENDER, key=version.public_id).exists()
    told = Event.objects.filter(subjects__type="reading_item", subjects__key=world.item.public_id)
    kinds = list(told.order_by("id").values_list("kind", flat=True))
    assert kinds == ["report.final", "report.released", "hl7.message_delivered", "report.delivered"]
