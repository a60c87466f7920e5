"""The audit trail by patient, user, study and day, and as CSV."""

import csv
import io
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, User
from archive.decisions import decision_frame
from archive.decisions.accept import Accept
from archive.models import Study
from ledger import audit, written_dates
from ledger.models import AuditEvent
from reporting.models import ReadingItem, Report
from reporting.reports import signatures
from tests.actors import acting
from tests.archive.conftest import home as home
from tests.archive.hospital import Hospital
from tests.reporting.conftest import World
from tests.reporting.conftest import people as people
from tests.reporting.conftest import rada as rada
from tests.reporting.conftest import world as world
from tests.web.markup import read
from tests.web.pages.world import person, signed_in
from tests.web.rest.conftest import hospital as hospital
from web.kernel import formats
from worklist.models import Patient

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def trail(browser: Client, **query: str) -> list[list[str]]:
    """Who did what kind of thing, the newest first; not that somebody looked at the trail."""
    answer = browser.get("/administration/audit.csv", query)
    assert answer["Content-Type"].startswith("text/csv")
    header, *rows = csv.reader(io.StringIO(b"".join(answer).decode()))  # type: ignore[call-overload]
    assert header[:2] == ["at", "user"]
    return [[row[1], row[3]] for row in rows if row[3] not in ("export", "query")]


@pytest.fixture
def admin(facility: Facility) -> Client:
    return signed_in(person(facility, Role.ADMINISTRATOR))


def test_all_about_a_patient_or_a_study_is_found(
    hospital: Hospital, facility: Facility, admin: Client
) -> None:
    patient, other = hospital.patient(), hospital.patient("P2", "REAL^RITA")
    order = hospital.order("A1", patient)
    study = hospital.study("A1")
    tess = signed_in(person(facility, Role.TECHNOLOGIST))
    tess.get(f"/patients/{other.public_id}")
    tess.get(f"/orders/{order.public_id}")
    signed_in(person(facility, Role.RADIOLOGIST)).get(f"/studies/{study.study_instance_uid}")
    of_anna = trail(admin, patient="P1")
    assert {tuple(one) for one in of_anna} >= {
        ("technologist", "order record"),
        ("radiologist", "images seen"),
        ("radiologist", "patient record"),
    }
    assert trail(admin, patient="P1^^^GENHOSP") == of_anna
    assert trail(admin, patient="P2") == [["technologist", "patient record"]]
    assert trail(admin, study="A1") == trail(admin, study=study.study_instance_uid)
    assert ["radiologist", "images seen"] in trail(admin, study="A1")
    assert trail(admin, patient="P1", actor="technologist", kind=audit.ORDER_RECORD) == [
        ["technologist", "order record"]
    ]
    for nobody in ("P9", "P1^^^OTHER", "\0"):
        assert trail(admin, patient=nobody) == [] or nobody == "\0"
    page = read(admin.get("/administration/audit", {"patient": "P2"}))
    assert "patient record" in page and "images seen" not in page.partition("<tbody")[2]


def test_a_row_says_exactly_when_and_whose(hospital: Hospital, facility: Facility, admin: Client) -> None:
    """By name and identifier, whichever record of the patient it is; not of another facility's."""
    patient = hospital.patient()
    order, study = hospital.order("A1", patient), hospital.study("A1")
    Study.objects.filter(pk=study.pk).update(patient=patient)
    item = ReadingItem.objects.create(facility=facility, patient=patient, key="k", ready_at=NOW, due_at=NOW)
    author = person(facility, Role.RADIOLOGIST)
    report = Report.objects.create(
        item=item, author=author, changed_by=author, changed_at=NOW, created_at=NOW
    )
    things = (
        ("patient", patient.public_id),
        ("order", order.public_id),
        ("study", study.study_instance_uid),
        ("reading_item", item.public_id),
        ("report", report.public_id),
    )
    with transaction.atomic():
        for thing in things:
            audit.note(acting(author), audit.PATIENT_RECORD, audit.UPDATE, thing)
        elsewhere = Facility.objects.create(code="ELSE", name="Elsewhere", time_zone="UTC")
        other = Patient.objects.create(
            facility=elsewhere, authority=patient.authority, value="P8", name="HIDDEN^HUGO"
        )
        audit.note(acting(author), audit.PATIENT_RECORD, audit.UPDATE, ("patient", other.public_id))
    shown = f"{formats.shown(patient.name)} (P1)"
    page = read(admin.get("/administration/audit", {"actor": author.username}))
    assert page.count(f"{shown}</bdi>") == len(things) and "HIDDEN" not in page and "just now" not in page
    at = AuditEvent.objects.filter(actor=author.username).earliest("at").at
    assert written_dates.second(timezone.localtime(at, ZoneInfo(facility.time_zone))) in page
    answer = admin.get("/administration/audit.csv", {"actor": author.username})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))  # type: ignore[call-overload]
    assert [row["patients"] for row in rows] == ["", *[shown] * len(things)]


def test_what_nobody_linked_is_found_and_named_by_what_its_images_say(
    world: World, rada: User, admin: Client
) -> None:
    study = world.hospital.study("AX9", "J9D", "DISC^DORA")
    technologist = User.objects.create(username="tess", full_name="Tess", roles=[Role.TECHNOLOGIST.value])
    technologist.facilities.add(study.facility)
    with transaction.atomic():
        decision_frame.decide(Accept(), study=study, reason="a disc", by=acting(technologist))
    item = ReadingItem.objects.get(studies=study)
    reason = {"accepted_without_order": "for the ward"}
    world.sign(world.draft(item, rada), rada, overrides=reason)
    assert trail(admin, patient="J9D^^^GENHOSP") == trail(admin, patient="J9D") != []
    page = read(admin.get("/administration/audit", {"patient": "J9D"}))
    assert "Signed as final (version 1)" in page
    assert page.count("images say DISC, DORA (J9D), accession AX9</bdi>") >= 3


def test_what_a_page_fetches_anew_by_itself_is_no_reading_of_what_it_had_shown(
    hospital: Hospital, facility: Facility
) -> None:
    hospital.order("A1", hospital.patient(), start=NOW)  # today, also after midnight
    tess = signed_in(person(facility, Role.TECHNOLOGIST))

    def read_later(**headers: str) -> int:
        AuditEvent.objects.update(at=timezone.now() - timedelta(hours=2))
        audit.forget()
        tess.get("/worklist", {"day": "", "state": "all"}, headers=headers)
        return AuditEvent.objects.filter(code=audit.PATIENT_RECORD).count()

    assert read_later() == 1
    assert read_later(**{"X-Live": "tick"}) == 1, "an abandoned page reads nothing"
    hospital.order("A2", hospital.patient("P2", "REAL^RITA"), start=NOW)
    assert read_later(**{"X-Live": "tick"}) == 2, "but shows who is new"
    assert read_later(**{"X-Live": "1"}) == 3, "and a person who asks does read"


def test_a_row_says_in_words_what_was_done(world: World, rada: User, admin: Client) -> None:
    item = world.item()
    version = world.sign(world.draft(item, rada), rada)
    with transaction.atomic():
        signatures.undo(version=version, by=acting(rada))
    study = item.studies.get()
    technologist = User.objects.create(username="tess", full_name="Tess", roles=[Role.TECHNOLOGIST.value])
    technologist.facilities.add(item.facility)
    with transaction.atomic():
        decision_frame.decide(Accept(), study=study, reason="as it is", by=acting(technologist))
    page = read(admin.get("/administration/audit"))
    for said in (
        "Report begun",
        "Signed as final (version 1)",
        "Signature of version 1 undone",
        "Decided: accept: study A1, linked to order A1",
    ):
        assert said in page
    assert (
        f'href="/reading/{item.public_id}"' in page and f'href="/studies/{study.study_instance_uid}"' in page
    )
    answer = b"".join(admin.get("/administration/audit.csv"))  # type: ignore[call-overload]
    acts = [row["act"] for row in csv.DictReader(io.StringIO(answer.decode()))]
    assert "Signed as final (version 1)" in acts


def test_of_one_day(hospital: Hospital, facility: Facility, admin: Client) -> None:
    signed_in(person(facility, Role.TECHNOLOGIST)).get(f"/patients/{hospital.patient().public_id}")
    today = timezone.localdate()
    assert trail(admin, patient="P1", day=f"{today}")
    AuditEvent.objects.filter(actor="technologist").update(at=timezone.now() - timedelta(days=3))
    assert trail(admin, patient="P1", day=f"{today}") == []
    assert trail(admin, patient="P1", day="no day")


def test_taking_it_away_is_for_administrators_and_in_the_trail(facility: Facility, admin: Client) -> None:
    assert signed_in(person(facility, Role.MANAGER)).get("/administration/audit.csv").status_code == 403
    trail(admin, patient="=1+1")
    row = AuditEvent.objects.get(code=audit.EXPORT)
    assert row.actor == "administrator" and "patient" in row.objects_named[0]["id"]


def test_what_a_spreadsheet_would_take_for_a_formula_is_harmless(facility: Facility, admin: Client) -> None:
    with transaction.atomic():
        AuditEvent.objects.create(code=audit.QUERY, action="R", actor="=1+1")
    answer = b"".join(admin.get("/administration/audit.csv")).decode()  # type: ignore[call-overload]
    assert ",'=1+1," in answer
