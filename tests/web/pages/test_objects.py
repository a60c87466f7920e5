"""The pages of a patient, an order and a study: what they show, where they lead, what they tell."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Facility, Role, User
from archive import archive_events
from archive.models import Series, Study
from ledger import events
from ledger.models import AuditEvent, Event, EventSubject
from tests.web.markup import read
from tests.web.pages.world import make_study, person, place_order, receive, register, signed_in, step_of
from worklist.models import Order, RequestedProcedure
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]


def page(user: User, path: str) -> str:
    response = signed_in(user).get(path)
    assert response.status_code == 200, path
    return read(response)


def linked(facility: Facility, order: Order, number: int = 7) -> Study:
    """A study that is known to be the order's."""
    study = make_study(facility, number, "matched", patient=order.patient, patient_name="BARS^ANNA")
    study.procedures.set(RequestedProcedure.objects.filter(order=order))
    return study


# Links both ways


def test_patient_order_and_study_lead_to_each_other(user: User, facility: Facility, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    study = linked(facility, order)
    paths = {
        "patient": f"/patients/{order.patient.public_id}",
        "order": f"/orders/{order.public_id}",
        "study": f"/studies/{study.study_instance_uid}",
    }
    for name, path in paths.items():
        text = page(user, path)
        for other, link in paths.items():
            assert name == other or f'"{link}"' in text, (name, other)
        assert "BARS, ANNA" in text and "1970-01-02" in text and "Timeline" in text


def test_a_study_that_is_kept_apart_says_so(user: User, facility: Facility) -> None:
    study = make_study(facility, 8, "phantom", patient_name="PHANTOM^HEAD")
    text = page(user, f"/studies/{study.study_instance_uid}")
    assert 'class="verdict phantom"' in text and "Phantom or test images" in text


@pytest.mark.parametrize("path", ["/patients/{}", "/orders/{}", "/studies/{}"])
@pytest.mark.parametrize("key", ["x", "%00", "x" * 5000, "%ff", "..%2f..", "1.2.3"])
def test_what_is_not_there_is_404(user: User, path: str, key: str) -> None:
    assert signed_in(user).get(path.format(key)).status_code == 404


def test_what_is_another_facilitys_does_not_exist(user: User, provenance: Make) -> None:
    other = Facility.objects.create(code="OTHER", name="Other Hospital")
    order = place_order(provenance(facility=other), "1")
    study = make_study(other, 7)
    for path in (f"/patients/{order.patient.public_id}", f"/orders/{order.public_id}", "/studies/2.25.7"):
        assert signed_in(user).get(path).status_code == 404
    assert AuditEvent.objects.filter(code="110113").count() == 3
    assert study.facility == other


def test_a_referrer_sees_none_of_them(facility: Facility, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(person(facility, Role.REFERRER))
    for path in (f"/patients/{order.patient.public_id}", f"/orders/{order.public_id}", "/studies/2.25.7"):
        assert client.get(path).status_code == 403


def test_what_is_read_is_audited(user: User, facility: Facility, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    study = linked(facility, order)
    client = signed_in(user)
    for path in (f"/patients/{order.patient.public_id}", f"/orders/{order.public_id}", "/studies/2.25.7"):
        client.get(path)
    named = {thing["id"] for row in AuditEvent.objects.filter(action="R") for thing in row.objects_named}
    assert named == {order.patient.public_id, order.public_id, study.study_instance_uid}


def test_nothing_brings_its_own_markup(user: User, facility: Facility, provenance: Make) -> None:
    evil = "<script>alert(1)</script>"
    order = place_order(
        provenance(), "1", evil, description=evil, reason=evil, demographics={"allergies": evil}
    )
    study = linked(facility, order)
    Study.objects.filter(pk=study.pk).update(description=evil, patient_name=evil, accession_number=evil)
    Series.objects.create(
        study=study, series_instance_uid='1.2"><script>', description=evil, modality=evil[:16]
    )
    with transaction.atomic():
        for thing in (("study", study.public_id), ("order", order.public_id)):
            event = Event.objects.create(
                kind=evil, occurred_at=timezone.now(), actor=evil, source=evil, details={"reason": evil}
            )
            EventSubject.objects.create(event=event, type=thing[0], key=thing[1])
            events.record(archive_events.VERDICT, about=[thing], actor=evil, source=evil, outcome=evil)
    for path in (f"/patients/{order.patient.public_id}", f"/orders/{order.public_id}", "/studies/2.25.7"):
        text = page(user, path)
        assert "<script>alert" not in text and '"><script>' not in text and "&lt;script&gt;" in text


# The patient header


def test_the_header_is_the_same_everywhere(user: User, facility: Facility, provenance: Make) -> None:
    told = {"allergies": "Iodine", "pregnancy": "3"}
    order = place_order(
        provenance(), "1", "Yamada^Tarou=山田^太郎=やまだ^たろう", demographics=told, danger="MRSA"
    )
    linked(facility, order)
    for path in (f"/patients/{order.patient.public_id}", f"/orders/{order.public_id}", "/studies/2.25.7"):
        text = page(user, path)
        header = text[text.index('class="patient-header') : text.index("</section>")]
        for part in (
            "Yamada, Tarou",
            "山田, 太郎",
            "やまだ, たろう",
            "1970-01-02",
            " y)",
            "female",
            "P1",
            "GENHOSP",
        ):
            assert part in header, (path, part)
        assert "Iodine" in header and "pregnant" in header
        assert ("danger: MRSA" in header) == path.startswith("/orders")


def test_a_study_of_nobody_shows_whom_the_images_name(user: User, facility: Facility) -> None:
    make_study(facility, 7)
    text = page(user, "/studies/2.25.7")
    assert "REAL, RITA" in text and "from images" in text and "H7" in text


# The order


def test_an_order_shows_its_numbers_steps_and_messages(
    user: User, facility: Facility, provenance: Make
) -> None:
    message = receive(1)
    order = place_order(provenance(source=f"hl7:{message.public_id}"), "1", reason="Cough", priority="STAT")
    text = page(user, f"/orders/{order.public_id}")
    for part in ("PL1", "HIS", "A1", "Cough", "STAT", "CT chest", "71260", "MSG1", "ORM^O01", ">AA<"):
        assert part in text
    assert "Order received or changed" in text and "from</span>" in text
    technologist = person(facility, Role.TECHNOLOGIST)
    assert "MSG1" not in page(technologist, f"/orders/{order.public_id}"), "messages are for integrators"


def test_acts_of_steps_lead_back_to_the_order(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    path = f"/orders/{order.public_id}"
    assert f'value="arrive:{step_of(order).public_id}"' in page(user, path)
    data = {"do": f"arrive:{step_of(order).public_id}", "next": path}
    assert signed_in(user).post("/worklist/acts", data)["Location"] == path
    assert "Patient arrival recorded" in page(user, path)


def test_cancelling_needs_a_reason_and_can_be_undone(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client, path = signed_in(user), f"/orders/{order.public_id}"
    assert client.post(f"{path}/cancel", {"reason": " \0"}).status_code == 422
    assert client.post(f"{path}/cancel", {"reason": "wrong side"}).status_code == 302
    order.refresh_from_db()
    assert (order.status, step_of(order).status) == ("cancelled", "cancelled")
    text = read(client.get(path))
    assert "wrong side" in text and "Cancel the order" not in text
    assert client.post(f"{path}/cancel", {"reason": "again"}).status_code == 409
    undo = text[text.index("/worklist/undo?") :].split('"')[0]
    client.post(undo)
    order.refresh_from_db()
    assert order.status == "scheduled"


def test_who_may_not_cancel_is_not_asked(facility: Facility, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    client = signed_in(person(facility, Role.MANAGER))
    assert "Cancel the order" not in read(client.get(f"/orders/{order.public_id}"))
    assert client.post(f"/orders/{order.public_id}/cancel", {"reason": "x"}).status_code == 403


# The study


def test_a_study_shows_its_verdict_with_the_evidence(user: User, facility: Facility) -> None:
    make_study(facility, 7)
    text = page(user, "/studies/2.25.7")
    assert "These images contradict the exam they name" in text and 'class="banner magenta"' in text
    assert '<span class="differs" dir="auto">H7</span>' in text and 'dir="auto">P1</span>' in text


def test_a_study_shows_its_series_and_leads_to_the_viewer(user: User, facility: Facility) -> None:
    study = make_study(facility, 7)
    Series.objects.create(
        study=study, series_instance_uid="2.25.70", modality="CT", number="3", instance_count=5
    )
    text = page(user, "/studies/2.25.7")
    assert "/dicom-web/studies/2.25.7/series/2.25.70/thumbnail?viewport=128,128" in text
    assert 'loading="lazy"' in text and 'alt="Preview of series 3"' in text
    assert 'href="/viewer?StudyInstanceUIDs=2.25.7"' in text


def test_what_the_images_say_of_another_name_is_said(
    user: User, facility: Facility, provenance: Make
) -> None:
    study = linked(facility, place_order(provenance(), "1"))
    Study.objects.filter(pk=study.pk).update(patient_name="BARS^ANNE")
    assert "The images say: <b>BARS, ANNE</b>" in page(user, "/studies/2.25.7")


# The patient


def test_a_patients_lists_come_in_parts(
    user: User, facility: Facility, provenance: Make, django_assert_max_num_queries: Any
) -> None:
    patient = register(provenance(), "P1")
    for number in range(25):
        make_study(facility, number, "matched", patient=patient, last_received_at=timezone.now())
    client = signed_in(user)
    with django_assert_max_num_queries(46):
        text = read(client.get(f"/patients/{patient.public_id}"))
    assert "1–20 of 25" in text and 'href="?studies=2"' in text
    assert client.get(f"/patients/{patient.public_id}?studies=abc&orders=-1").status_code == 200
