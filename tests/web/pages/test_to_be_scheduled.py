"""Steps whose appointments were given up, missed or contradicted: their list, and what rows say."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from ledger import written_dates
from tests.web.markup import read
from tests.web.pages.world import place_order, signed_in, step_of
from worklist.models import Order, ScheduledProcedureStep
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))


def book(order: Order, booking: dict[str, Any], **values: Any) -> None:
    ScheduledProcedureStep.objects.filter(procedure__order=order).update(booking=booking, **values)


def test_it_is_in_a_list_of_its_own_with_count_and_reason_and_late_nowhere(
    user: User, provenance: Make
) -> None:
    order = place_order(provenance(), "1", "Doe^Jane", start=timezone.now() - timedelta(hours=1))
    given_up = {"stamp": "9", "ended": "cancelled", "reason": "Ill"}
    book(order, given_up, awaits_time=True, is_timed=False)
    client = signed_in(user)
    for query in ("", "?day=yesterday", "?view=lanes"):
        assert "Doe, Jane" not in read(client.get(f"/worklist{query}"))
    for query in ("?day=unscheduled", "?day=unscheduled&view=lanes", "?day=any"):
        page = text(read(client.get(f"/worklist{query}")))
        assert "Doe, Jane" in page and "CT chest" in page and "Appointment cancelled: Ill" in page
        assert "To be scheduled (1)" in page and " late" not in page
    page = text(read(client.get(f"/orders/{order.public_id}")))
    assert "To be scheduled" in page and "Appointment cancelled: Ill" in page


def test_it_is_reached_by_a_key(user: User, provenance: Make) -> None:
    page = read(signed_in(user).get("/worklist"))
    chip = re.search(r"<a[^>]*day=unscheduled[^>]*>", page)
    assert chip and 'data-key="T"' in chip[0]


def test_what_contradicts_an_arrival_is_said_on_its_row_and_its_orders_page(
    user: User, provenance: Make
) -> None:
    order = place_order(provenance(), "1")
    start = timezone.now() + timedelta(days=1)
    book(order, {"but": {"what": "moved", "start": start.isoformat()}}, status="arrived")
    said = f"The HIS moved the appointment to {written_dates.day(start)}"
    client = signed_in(user)
    for path in ("/worklist", "/worklist?view=lanes", f"/orders/{order.public_id}"):
        page = text(read(client.get(path)))
        assert said in page and "after the patient arrived" in page
    book(order, {"but": {"what": "no-show"}})
    assert "The HIS reports a no-show after the patient arrived" in text(read(client.get("/worklist")))


def test_the_order_page_says_why_the_appointment_does_not_count(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    start = (timezone.now() + timedelta(days=1)).isoformat()
    book(order, {"stamp": "0", "start": start, "appointment": "x"})
    page = text(read(signed_in(user).get(f"/orders/{order.public_id}")))
    assert "The order message of" in page and "is newer than the appointment of" in page


def test_a_missed_appointment_keeps_its_time(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    start = step_of(order).due.isoformat()
    book(order, {"stamp": "9", "start": start, "ended": "no-show"}, status="no-show")
    page = text(read(signed_in(user).get("/worklist?status=ended")))
    assert "Did not come to the appointment of" in page


def test_the_room_of_the_appointment_comes_before_the_group(user: User, provenance: Make) -> None:
    order = place_order(provenance(), "1")
    book(order, {}, station_group="CT", location="CT2")
    assert re.search(r">\s*CT2\s*<", read(signed_in(user).get("/worklist")))
