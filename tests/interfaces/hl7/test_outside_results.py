"""Reports of other systems (ORU^R01): kept in all versions, with their studies, whichever comes first."""

import base64
import itertools
from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Facility, Role, User
from archive.models import Study
from archive.signals import study_settled
from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.inspect import dry_run
from interfaces.hl7.models import InboundMessage, Source
from ledger.models import Event
from reporting.models import OutsideDocument, OutsideReport, OutsideReportVersion, ReadingItem
from reporting.reports import outside_reports
from tests.archive.hospital import Hospital
from worklist.models import IdentityException, Order, OrderNumber, Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
SENDER = "HIS / GENHOSP"
OTHER = PID.replace("P1^", "P2^")


def options(**changed: object) -> None:
    source = Source.objects.get()
    source.options |= changed
    source.save()
    sources._kept.clear()


def obr(status: str = "F", accession: str = "A1", placer: str = "", filler: str = "R1^OUT") -> str:
    return (
        f"OBR|1|{placer}|{filler}|71260^CT chest^C4{'|' * 14}{accession}"
        f"||||202603021200+0100|||{status}{'|' * 7}77&HOUSE&GREGORY"
    )


def obx(text: str, state: str = "F") -> str:
    return f"OBX|1|TX|19005-8^Impression^LN||{text}||||||{state}"


def oru(say: Say, *segments: str, at: int = 0, pid: str = PID) -> bytes:
    return say("ORU^R01", pid, *segments, at=at)


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def exam(hospital: Hospital, accession: str = "A1") -> Study:
    hospital.order(accession, hospital.patient())
    return hospital.study(accession)


def reader(facility: Facility) -> Client:
    user = User.objects.create(username="rada", roles=[Role.RADIOLOGIST])
    user.facilities.add(facility)
    client = Client()
    client.force_login(user)
    return client


def shown(study: Study) -> list[tuple[str, str]]:
    """Status and text of each version of each report of a study, the newest first."""
    study.refresh_from_db()
    reports = outside_reports.of_studies([study]).get(study.pk, [])
    return [(one.status, one.text) for report in reports for one in report.versions.all()]


def test_a_report_is_kept_with_its_study_as_it_was_said(say: Say, hospital: Hospital) -> None:
    study = exam(hospital)
    results = [
        obx("No pulmonary embolism.~Normal heart."),
        "OBX|2|NM|8480-6^Systolic^LN||120|mm[Hg]|||||F",
        "OBX|3|CE|1^Grade^L||A^Good^L||||||F",
        "NTE|1||Called in",
    ]
    send(oru(say, "ORC|RE|PLX^HIS|R1^OUT", obr(), *results))
    ((status, text),) = shown(study)
    assert status == "final"
    assert text == (
        "Impression\nNo pulmonary embolism.\nNormal heart.\nSystolic: 120 mm[Hg]\nGrade: Good\nCalled in"
    )
    version = OutsideReportVersion.objects.get()
    assert (version.author, version.title, version.report.sender) == ("HOUSE^GREGORY", "CT chest", SENDER)
    assert version.reported_at is not None and version.reported_at.isoformat() == "2026-03-02T11:00:00+00:00"
    assert Event.objects.filter(kind="report.outside").count() == 1


@pytest.mark.parametrize("by", ["accession", "placer", "study", "observation", "mapped"])
def test_it_is_found_by_each_name_of_its_study_and_may_come_first(
    say: Say, hospital: Hospital, by: str
) -> None:
    if by == "mapped":
        options(mapping={"report_accession": ["OBX-3.4"]})
    segments = {
        "accession": [obr(accession="A1"), obx("x")],
        "placer": [obr(accession="", placer="PLA1^HIS"), obx("x")],
        "study": [obr(accession=""), obx("x"), "ZDS|1.2.3.3^RIS^Application^DICOM"],
        "observation": [obr(accession=""), "OBX|1|ST|113014^Study^DCM||1.2.3.3||||||F", obx("x")],
        "mapped": [obr(accession=""), obx("x").replace("^LN", "^LN^A1")],
    }[by]
    send(oru(say, *segments))
    assert [text for _, text in shown(exam(hospital))] == ["Impression\nx"]


def test_versions_are_all_kept_and_the_newest_said_counts_in_any_order(say: Say, hospital: Hospital) -> None:
    study = exam(hospital)
    messages = [
        oru(say, obr("P"), obx("perhaps", "P"), at=0),
        oru(say, obr("F"), obx("yes"), at=1),
        oru(say, obr("C"), obx("no", "C"), at=2),
    ]
    for arrivals in itertools.permutations(messages):
        for raw in (*arrivals, arrivals[0]):
            send(raw)
        assert [status for status, _ in shown(study)] == ["corrected", "final", "preliminary"]
        assert OutsideReportVersion.objects.get(is_current=True).text == "Impression\nno"
        OutsideReportVersion.objects.all().delete()
        OutsideReport.objects.all().delete()
        InboundMessage.objects.all().delete()


NAMES = {
    "accession": [obr()],
    "placer": [obr(accession="", placer="PLA1^HIS")],
    "study": [obr(accession=""), "ZDS|1.2.3.3^RIS^Application^DICOM"],
}


@pytest.mark.parametrize("by", NAMES)
def test_a_report_that_names_anothers_exam_is_refused_and_listed(
    say: Say, hospital: Hospital, by: str
) -> None:
    exam(hospital)
    wrong = oru(say, *NAMES[by], obx("MASSIVE PE"), pid=OTHER)
    answer = send(wrong, "AE")
    assert b"PID^1^3|204^" in answer and b"is another patient's" in answer
    assert not OutsideReport.objects.exists() and not Patient.objects.filter(value="P2").exists()
    row = IdentityException.objects.get()
    assert (row.kind, row.status, row.patient and row.patient.value) == ("report_of_another", "open", "P1")
    assert row.said["identifiers"] == ["P2^^^GENHOSP"]
    send(say("ADT^A40", PID, "MRG|P2^^^GENHOSP^MR", at=3))
    row.refresh_from_db()
    assert row.status == "closed"
    send(oru(say, *NAMES[by], obx("MASSIVE PE"), pid=OTHER))
    assert len(shown(Study.objects.get())) == 1


@pytest.mark.parametrize("by", NAMES)
def test_a_report_that_waits_is_listed_once_anothers_exam_comes_and_shown_once_they_are_one(
    say: Say, hospital: Hospital, by: str
) -> None:
    send(oru(say, *NAMES[by], obx("x"), pid=OTHER))
    assert not IdentityException.objects.exists()
    study = exam(hospital)
    assert shown(study) == []
    row = IdentityException.objects.get()
    people = row.patient and row.patient.value, row.other and row.other.value
    assert (row.kind, row.times, people) == ("report_of_another", 1, ("P1", "P2"))
    assert row.source == OutsideReportVersion.objects.get().source
    send(say("ADT^A40", PID, "MRG|P2^^^GENHOSP^MR", at=3))
    row.refresh_from_db()
    assert row.status == "closed" and len(shown(study)) == 1


def test_a_number_that_the_patients_own_study_has_too_is_no_contradiction(
    say: Say, hospital: Hospital
) -> None:
    """Another hospital's numbers may be like ours; so may a filler's that says nothing of whose it is."""
    exam(hospital)
    hospital.patient("P2")
    own = hospital.study("E77", "P2")
    Study.objects.filter(pk=own.pk).update(accession_number="A1", patient=Patient.objects.get(value="P2"))
    send(oru(say, obr(), obx("x"), pid=OTHER))
    OrderNumber.objects.create(order=Order.objects.get(), kind="filler", value="17", namespace="")
    send(oru(say, obr(accession="", filler="17"), obx("x"), pid=OTHER, at=1))
    assert not IdentityException.objects.exists()


@pytest.mark.parametrize("comes", ["first", "last"])
def test_by_policy_it_marks_its_study_as_read_until_it_is_taken_back(
    say: Say, hospital: Hospital, comes: str
) -> None:
    options(outside_reports="mark_read")
    report, wrong = oru(say, obr(), obx("x")), oru(say, obr("C"), obx("x", "W"), at=2)
    if comes == "first":
        send(report)
    study = exam(hospital)
    if comes == "last":
        assert ReadingItem.objects.get().status == "ready"
        send(report)
    item = ReadingItem.objects.get()
    assert (item.status, item.withdrawn_reason) == (
        "withdrawn",
        f"read elsewhere: a report came from {SENDER}",
    )
    with transaction.atomic():
        study_settled.send(sender=None, study=study)
    assert ReadingItem.objects.get().status == "withdrawn", "it stays so"
    send(wrong)
    assert ReadingItem.objects.get().status == "ready"
    assert [status for status, _ in shown(study)] == ["withdrawn", "final"]


def test_what_is_preliminary_or_only_kept_is_still_to_be_read(say: Say, hospital: Hospital) -> None:
    exam(hospital)
    send(oru(say, obr(), obx("x")))
    assert ReadingItem.objects.get().status == "ready"
    options(outside_reports="mark_read")
    send(oru(say, obr("P", filler="R2^OUT"), obx("x"), at=1))
    assert ReadingItem.objects.get().status == "ready"


def test_what_is_deleted_is_no_part_of_its_version(say: Say, hospital: Hospital) -> None:
    study = exam(hospital)
    send(oru(say, obr("C"), obx("stays", "C"), obx("goes", "D")))
    assert shown(study) == [("corrected", "Impression\nstays")]


def test_its_pdf_is_shown_to_those_who_may_read(say: Say, hospital: Hospital, facility: Facility) -> None:
    exam(hospital)
    pdf = base64.b64encode(b"%PDF-1.4 x").decode()
    send(oru(say, obr(), obx("<b>x</b>"), f"OBX|2|ED|1^Report||^AP^PDF^Base64^{pdf}||||||F"))
    client = reader(facility)
    key = OutsideDocument.objects.get().public_id
    for path in (
        f"/reading/{ReadingItem.objects.get().public_id}",
        f"/studies/{Study.objects.get().study_instance_uid}",
    ):
        page = client.get(path).content.decode()
        assert "Outside report" in page and f"/outside-documents/{key}" in page
        assert "&lt;b&gt;x" in page and "<b>x" not in page
    answer = client.get(f"/outside-documents/{key}")
    assert answer.content == b"%PDF-1.4 x" and answer["Content-Type"] == "application/pdf"
    User.objects.get().facilities.clear()
    assert client.get(f"/outside-documents/{key}").status_code in (403, 404)


def test_a_report_that_waits_for_its_study_is_read_with_its_patient_its_order_and_its_reader(
    say: Say, hospital: Hospital, facility: Facility
) -> None:
    patient = hospital.patient()
    order, other = hospital.order("A1", patient), hospital.order("A2", patient)
    hospital.study("A2")
    send(oru(say, obr(), obx("Nodule of 9 mm.")))
    send(oru(say, obr(accession="", filler="R2^OUT"), obx("Of no exam here."), at=1))
    item = ReadingItem.objects.get()
    pages = {
        f"/patients/{patient.public_id}": ["Nodule of 9 mm.", "Of no exam here."],
        f"/orders/{order.public_id}": ["Nodule of 9 mm."],
        f"/orders/{other.public_id}": [],
        f"/reading/{item.public_id}": ["Nodule of 9 mm.", "Of no exam here."],
    }
    client = reader(facility)
    found = {path: client.get(path).content.decode() for path in pages}
    texts = ["Nodule of 9 mm.", "Of no exam here."]
    assert {path: [one for one in texts if one in page] for path, page in found.items()} == pages
    assert client.get(f"/orders/{order.public_id}").content.count(b"Its study is not here yet.") == 1
    study = hospital.study("A1")
    for path in (f"/orders/{order.public_id}", f"/patients/{patient.public_id}"):
        page = client.get(path).content.decode().split('id="outside-reports"')[1]
        assert f"/studies/{study.study_instance_uid}" in page, "its study is here now"


@pytest.mark.parametrize(
    ("segments", "code", "place"),
    [
        ([], "AE", b"OBR"),
        (["OBR|1||||"], "AE", b"OBR^1^3"),
        ([obr("Q"), obx("x")], "AE", b"OBR^1^25"),
        ([obr(), "OBX|1|ED|1^R||^AP^PDF^Base64^%%%||||||F"], "AE", b"OBX^1^5"),
    ],
)
def test_what_can_not_be_kept_whole_is_refused(
    say: Say, segments: list[str], code: str, place: bytes
) -> None:
    assert place in send(oru(say, *segments), code)
    assert not OutsideReport.objects.exists()


def test_a_source_may_send_none(say: Say) -> None:
    options(outside_reports="refuse")
    send(oru(say, obr(), obx("x")), "AR")


def test_what_it_would_do_can_be_tried_out(say: Say, hospital: Hospital) -> None:
    exam(hospital)
    found = dry_run.dry_run(oru(say, obr(), obx("x")))
    told = {(one.kind, one.field): one.after for one in found.trial.changes}
    assert told["outside report", "status"] == "Final"
    assert told["outside report", "text"] == "Impression\nx"
    assert found.is_applied and not OutsideReport.objects.exists()
