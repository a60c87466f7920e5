"""An order comes back as it was sent, field by field: by these a HIS finds whom a message is for."""

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import Facility, User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage
from interfaces.hl7.outbound import outbox
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.message_parts import Message
from ledger.models import Event
from reporting.signals import version_released
from tests.actors import acting
from tests.reporting.rendering.builders import World
from worklist.models import Order, RequestedProcedure, ScheduledProcedureStep, StatusEvent
from worklist.schedule import step_actions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]

DOCTOR = "4711^Smith (M)^Michael^J^Jr^Dr^MD^^HIS&1.2.840.99&ISO^L^^^LN^^^^A"
NURSE = "0815^Jones^Mary^^^^RN^^HIS&1.2.840.99&ISO"
PID = f"PID|1||4711^^^GENHOSP^MR||Doe^Jane||19700102|F{'|' * 10}AC-77^^^HIS&1.2.840.99&ISO^AN"
PV1 = f"PV1|1|I|W1^101^A^GENHOSP||||{DOCTOR}|{NURSE}"
ORC = f"ORC|NW|PA1^HIS^2.16.840.1.113883.19.4^ISO|FA1^RIS^1.2.3^ISO||SC||||20260301110000|||{DOCTOR}~{NURSE}"
OBR = (
    "OBR|1|PA1^HIS^2.16.840.1.113883.19.4^ISO|FA1^RIS^1.2.3^ISO|73700^CT hip & pelvis^C4^X77^CT Becken^99L"
    f"||||||||||||{DOCTOR}~{NURSE}||A1|RPA1|SPSA1||||CT||||{NURSE}~{DOCTOR}"
    "||||12&Reader&Ruth&&&Dr^^^^^^GENHOSP||34&Tech&Tom^20260302080000^^W1"
).replace("hip & pelvis", "hip \\T\\ pelvis")
ZDS = "ZDS|1.2.840.1^HIS^Application^DICOM"
BACK = {
    "PID": [3, 18],
    "PV1": [7, 8],
    "ORC": [2, 3, 12],
    "OBR": [2, 3, 4, 16, 18, 19, 20, 28, 34],
    "ZDS": [],
}


@pytest.fixture
def world(site: Facility, user: User) -> World:
    world = World(site, user)
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    return world


def order(say: Say, *segments: str, **others: int) -> Message:
    raw = say("ORM^O01", PID, *segments, **others)
    assert b"MSA|AA|" in (inbox.receive(raw, peer="") or b"")
    return er7.parse(raw)


def sent(kind: str) -> Message:
    row = OutboundMessage.objects.filter(kind=kind).select_related("destination").latest("pk")
    return er7.parse(outbox.write(row, row.destination))


def status(user: User) -> Message:
    step = ScheduledProcedureStep.objects.first()
    assert step is not None
    with transaction.atomic():
        step_actions.change_step(by=acting(user), step=step, kind=StatusEvent.Kind.START)
    return sent("order_status")


def report(world: World) -> Message:
    version = world.sign("final")
    with transaction.atomic():
        version_released.send(sender=None, version=version)
    return sent("results")


def compare(came: Message, went: Message) -> None:
    for name, fields in BACK.items():
        ours, theirs = went.first(name), came.first(name)
        if ours is not None and theirs is not None:
            found = {n: ours.field(n).raw for n in fields}
            if name == "PID":
                found[3] = "^".join(found[3].split("^")[:5])
            assert found == {n: theirs.field(n).raw for n in fields}


def test_status_and_report_of_an_order_name_all_that_it_named(world: World, say: Say, user: User) -> None:
    came = order(say, PV1, ORC, OBR, ZDS)
    assert Order.objects.count() == 1 and RequestedProcedure.objects.count() == 1
    told, reported = status(user), report(world)
    compare(came, told)
    compare(came, reported)
    assert told.get("ZDS-1") == "1.2.840.1" and told.get("OBR-32.1.1") == "12"
    assert reported.get("OBR-32.1.1") == world.user.username, "who signed it"
    assert reported.get("PV1-7") == "4711"


def test_times_are_those_of_the_facility(world: World, say: Say, user: User) -> None:
    order(say, ORC, OBR, ZDS)
    reported = report(world)
    assert reported.get("OBR-7") == "20260302081500+0100"
    assert reported.get("OBR-22") == "20260302090100+0100"
    Facility.objects.update(time_zone="America/New_York")
    assert status(user).get("ORC-9")[-5:] in ("-0500", "-0400")


def test_a_later_message_changes_what_it_says_and_leaves_the_rest(world: World, say: Say, user: User) -> None:
    order(say, PV1, ORC, OBR, ZDS)
    order(say, ORC.replace("NW", "XO"), f"OBR|1|PA1^HIS||73700^Other{'|' * 20}CT||||99^New^Nora", at=1)
    told = status(user)
    assert told.first("OBR").field(28).raw == "99^New^Nora"  # type: ignore[union-attr]
    assert told.first("OBR").field(16).raw == f"{DOCTOR}~{NURSE}"  # type: ignore[union-attr]
    assert told.get("OBR-4.2") == "Other" and told.get("PID-18") == "AC-77"


def test_what_is_too_long_to_be_sent_back_is_left_out_and_flagged(world: World, say: Say, user: User) -> None:
    copies = "~".join([DOCTOR] * 100)
    order(say, ORC, OBR.replace(f"{NURSE}~{DOCTOR}||||12", f"{copies}||||12"))
    message = InboundMessage.objects.get()
    event = Event.objects.get(kind="hl7.values_left_out", subjects__key=message.public_id)
    assert event.details["locations"] == ["OBR^1^28"]
    assert status(user).get("OBR-28") == ""


def test_procedures_of_several_studies_each_name_their_own(site: Facility, say: Say, user: User) -> None:
    Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    second = OBR.replace("OBR|1", "OBR|2").replace("RPA1", "RPA2").replace("SPSA1", "SPSA2")
    order(say, ORC, OBR, ZDS, ORC, second, ZDS.replace("840.1", "840.2"))
    told = status(user)
    names = [segment.name for segment in told.segments]
    assert names == ["MSH", "PID", "ORC", "OBR", "ZDS", "ORC", "OBR", "ZDS"]
    assert [zds.field(1).component(1) for zds in told.all("ZDS")] == ["1.2.840.1", "1.2.840.2"]
