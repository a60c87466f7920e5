"""Messages that were applied, and have no effect yet, or none at all: what a person is told of them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Facility
from archive.models import Study
from interfaces.hl7.inbound import inbox, message_store, sources
from interfaces.hl7.inspect import awaited_orders, message_search
from interfaces.hl7.inspect.message_search import Filters
from interfaces.hl7.models import InboundMessage, Source
from ledger.models import Event
from tests.interfaces.hl7.test_orders import PID, obr, orc, send, step
from tests.web.pages.world import make_study
from web.pages.messages.message_rows import listed
from worklist.models import Order, Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
WAITS = "waiting for its order"


def effects() -> dict[str, str]:
    """What the list says of each message."""
    rows = InboundMessage.objects.order_by("id")
    return {row.message.control_id: row.effect for row in listed(list(rows))}


def waiting() -> list[str]:
    found = message_search.find(Filters(waits_for_order=True))
    return [row.control_id for row in found.rows]


def late() -> dict[str, str]:
    """Which messages changed nothing, and since when what is known was said."""
    told = Event.objects.filter(kind="hl7.changed_nothing").prefetch_related("subjects")
    ids = {one.subjects.get().key: str(one.details["newer"]) for one in told}
    return {row.control_id: ids[row.public_id] for row in InboundMessage.objects.filter(public_id__in=ids)}


@pytest.mark.parametrize("control", ["CA", "DC", "HD", "SC"])
def test_what_is_done_to_an_order_that_is_not_there_waits_for_it(say: Say, control: str) -> None:
    send(say("ORM^O01", orc(control, status="CM"), at=1, control_id="m1"))
    assert waiting() == ["m1"] and WAITS in effects()["m1"]
    send(say("ORM^O01", PID, orc(), obr(), at=0, control_id="m2"))
    assert not waiting() and WAITS not in effects()["m1"]
    assert step().status in ("cancelled", "discontinued", "held", "completed")


def test_an_appointment_waits_for_its_order(say: Say) -> None:
    sch = f"SCH|AP1^RIS|||||^Routine|||||^^^20260310090000{'|' * 15}PL1^HIS"
    send(say("SIU^S12", sch, PID, "RGS|1", "AIS|1||1^CT head^L", control_id="m1"))
    assert waiting() == ["m1"]
    send(say("ORM^O01", PID, orc(), obr(), control_id="m2"))
    assert not waiting()


def test_an_outside_report_waits_for_its_study(say: Say, facility: Facility) -> None:
    reported = "OBR|1||R7^LAB|71260^CT^C4" + "|" * 14 + "ACC7" + "|" * 7 + "F"
    send(say("ORU^R01", PID, reported, "OBX|1|TX|1^Text||Normal||||||F", control_id="m1"))
    assert waiting() == ["m1"]
    make_study(facility, 1, accession_number="ACC7")
    assert waiting() == ["m1"], "that is somebody else's"
    Study.objects.update(patient=Patient.objects.get())
    assert not waiting()


def test_nobody_waits_for_longer_than_a_day(say: Say) -> None:
    send(say("ORM^O01", orc("CA"), control_id="m1"))
    Order.objects.update(first_received_at=timezone.now() - awaited_orders.PATIENCE - timedelta(minutes=1))
    assert not waiting() and WAITS not in effects()["m1"]


def test_an_order_that_comes_at_the_same_moment_is_not_waited_for(say: Say) -> None:
    both = [
        say("ORM^O01", orc("CA"), at=1, control_id="m1"),
        say("ORM^O01", PID, orc(), obr(), control_id="m2"),
    ]
    inbox.receive_all([(raw, "") for raw in both])
    assert not waiting() and not Event.objects.filter(kind="hl7.waits_for_order").exists()


def test_a_message_all_of_which_is_older_changed_nothing(say: Say) -> None:
    send(say("ADT^A08", PID, at=5, control_id="m1"))
    send(say("ADT^A04", PID.replace("BARS", "OLD"), at=1, control_id="m2"))
    assert Patient.objects.get().name == "BARS^ANNA"
    assert late() == {"m2": "2026-03-02 08:05:00 UTC"}
    assert "changed nothing: older" in effects()["m2"]


def test_an_older_order_changed_nothing_and_one_that_adds_something_did(say: Say) -> None:
    send(say("ORM^O01", PID, orc("XO"), obr(f31="Fever"), at=5, control_id="m1"))
    send(say("ORM^O01", PID, orc("NW"), obr(f31="Cough"), at=1, control_id="m2"))
    assert list(late()) == ["m2"] and Order.objects.get().reason == "Fever"
    send(say("ORM^O01", PID, orc("NW"), obr(f13="Smoker"), at=2, control_id="m3"))
    assert list(late()) == ["m2"] and Order.objects.get().clinical_information == "Smoker"


def test_what_names_a_thing_for_the_first_time_changed_something(say: Say) -> None:
    send(say("ORM^O01", PID, "ORC|XO|PL1^HIS", obr(f31="Fever"), at=5))
    send(say("ORM^O01", PID, "ORC|NW|PL1^HIS|FL1^RIS", obr(f31="Cough"), at=1))
    send(say("ADT^A08", PID, "PV1|1" + "|" * 18 + "V1", at=1))
    send(say("ADT^A08", PID.replace("P1^^^GENHOSP^MR", "P1^^^GENHOSP^MR~E1^^^EPI^PI"), at=1))
    assert not late()


@pytest.mark.parametrize("control", ["CA", "HD"])
def test_what_is_done_counts_whenever_it_was_said(say: Say, control: str) -> None:
    send(say("ORM^O01", PID, orc("XO"), obr(), at=5))
    send(say("ORM^O01", PID, orc(control), at=1))
    assert not late()


def test_the_same_again_and_what_came_in_turn_is_not_late(say: Say) -> None:
    raw = say("ORM^O01", PID, orc(), obr(), at=1)
    send(raw)
    send(raw)
    inbox.replay(InboundMessage.objects.get())
    inbox.receive_all([(say("ADT^A08", PID, at=minute), "") for minute in (2, 3, 4)])
    assert not late()


def test_of_messages_that_come_together_those_that_lost_are_told(say: Say) -> None:
    inbox.receive_all([(say("ADT^A08", PID, at=n, control_id=f"m{n}"), "") for n in (5, 3, 6)])
    assert late() == {"m3": "2026-03-02 08:05:00 UTC"}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("control_ids", "last"), [("any", "Fever"), ("rising", "Cough")])
@pytest.mark.parametrize("frozen", [True, False])
def test_of_messages_of_one_minute_the_one_that_came_later_counts(
    say: Say, control_ids: str, last: str, together: bool, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number in MSH-10 tells only where the source says that these rise."""
    Source.objects.update(options={"control_ids": control_ids})
    sources._kept.clear()
    if frozen and together:
        now = timezone.now()
        monkeypatch.setattr(message_store.timezone, "now", lambda: now)
    placed = say("ORM^O01", PID, orc("NW"), obr(f31="^Cough"), control_id="84412")
    changed = say("ORM^O01", PID, orc("XO"), obr(f31="^Fever"), control_id="12207")
    for part in [[placed, changed]] if together else [[placed], [changed]]:
        inbox.receive_all([(raw, "") for raw in part])
    assert Order.objects.get().reason == last


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("control", ["NW", "XO", "SC"])
def test_an_order_that_is_sent_after_its_cancel_says_that_it_stays_cancelled(
    say: Say, control: str, together: bool
) -> None:
    placed = say("ORM^O01", PID, orc("NW"), obr(), at=1, control_id="m1")
    ended = say("ORM^O01", orc("CA"), at=3, control_id="m2")
    older = say("ORM^O01", PID, orc("XO"), obr(f31="^Cough"), at=2, control_id="m3")
    again = say("ORM^O01", PID, orc(control), obr(f31="^Fever"), at=4, control_id="m4")
    messages = [(raw, "") for raw in (placed, ended, older, again)]
    for part in [messages] if together else [[one] for one in messages]:
        inbox.receive_all(part)
    assert Order.objects.get().status == "cancelled"
    told = Event.objects.get(kind="hl7.stays_cancelled")
    assert sorted(told.subjects.values_list("type", flat=True)) == ["message", "order"]
    assert [name for name, text in effects().items() if "stays cancelled" in text] == ["m4"]
