"""Repairing a message: what would be read, how it differs, and who wanted it applied again."""

from collections.abc import Callable

import pytest

from interfaces.hl7.inbound import inbox
from interfaces.hl7.inspect import message_repair, message_search
from interfaces.hl7.inspect.message_search import Filters
from interfaces.hl7.models import Destination, InboundMessage, MessageKey, OutboundMessage
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger.models import AuditEvent, Event
from tests.actors import integrator
from worklist.models import Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||1970-1-2|F"


def receive(raw: bytes) -> InboundMessage:
    inbox.receive(raw, peer="127.0.0.1")
    return InboundMessage.objects.latest("id")


def text_of(row: InboundMessage) -> str:
    return bytes(row.raw).decode().replace("\r", "\n")


def test_what_differs_is_told_field_by_field(say: Say) -> None:
    row = receive(say("ADT^A08", PID, "NTE|1||a", "NTE|2||b"))
    text = text_of(row).replace("1970-1-2", "19700102").replace("NTE|1||a\n", "") + "ZZZ|new\n"
    check = message_repair.check(row, text)
    assert check.error is None and (check.message_type, check.segments) == ("ADT^A08", 4)
    changes = [(change.path, change.before, change.after) for change in check.changes]
    assert ("PID-7", "1970-1-2", "19700102") in changes
    assert ("NTE", "NTE|1||a", "") in changes or ("NTE-1", "1", "2") in changes
    assert changes[-1] == ("ZZZ", "", "ZZZ|new")


@pytest.mark.parametrize(
    ("change", "code", "location"),
    [
        (("MSH|", "XXX|"), 100, "MSH^1"),
        (("ADT^A08", "XYZ^Z01"), 200, "MSH^1^9"),
        (("ADT^A08", ""), 101, "MSH^1^9"),
        (("|P|2.5.1", "|P|3"), 203, "MSH^1^12"),
    ],
)
def test_what_would_be_refused_is_told_before(
    say: Say, change: tuple[str, str], code: int, location: str
) -> None:
    row = receive(say("ADT^A08", PID))
    error = message_repair.check(row, text_of(row).replace(*change)).error
    assert error and (error.code, error.location) == (code, location)


def test_a_repaired_message_is_a_new_one_and_the_original_stays(say: Say) -> None:
    row = receive(say("ADT^A08", PID))
    before = InboundMessage.objects.filter(pk=row.pk).values().get()
    again = message_repair.replay(
        row, text_of(row).replace("1970-1-2", "19700102"), by=integrator("ina"), reason="dashes"
    )
    assert (row.ack_code, again.ack_code, again.replay_of) == ("AE", "AA", row)
    assert InboundMessage.objects.filter(pk=row.pk).values().get() == before | {"settled": "replayed"}
    assert Patient.objects.get().birth_date == "19700102"
    event = Event.objects.get(kind="hl7.message_replayed")
    assert (event.actor, event.details) == ("ina", {"reason": "dashes", "changed": ["PID-7"]})
    assert AuditEvent.objects.filter(actor="ina", objects_named=[{"type": "message", "id": row.public_id}])
    third = message_repair.replay(again, by=integrator("ina"), reason="again")
    assert [one.pk for one in message_repair.history(third)] == [row.pk, again.pk, third.pk]


@pytest.mark.parametrize("text", ["", "nonsense", "\ud800MSH|^~\\&|"])
def test_what_is_no_message_is_not_applied(say: Say, text: str) -> None:
    row = receive(say("ADT^A08", PID))
    with pytest.raises(Er7Error):
        message_repair.replay(row, text, by=integrator("ina"), reason="why not")
    assert InboundMessage.objects.count() == 1
    assert not AuditEvent.objects.exists() and not Event.objects.filter(kind="hl7.message_replayed")


def test_two_thousand_lines_that_all_differ_are_compared_soon(say: Say) -> None:
    row = receive(say("ADT^A08", PID, *[f"NTE|{n}||same" for n in range(2000)]))
    (change,) = message_repair.check(row, text_of(row).replace("|same", "|other")).changes
    assert change.path == "the rest"


# Finding


def test_a_message_is_found_by_each_number_that_it_names(say: Say) -> None:
    failed = receive(say("ADT^A08", PID + "|||||||||", control_id="C1"))
    order = receive(
        say(
            "ORM^O01",
            PID.replace("-1-2", "0102"),
            "ORC|NW|PL1^HIS|F1",
            "OBR|1|PL1|F1|70450^CT" + "|" * 14 + "A1",
        )
    )
    for text in ("C1", failed.public_id):
        assert [row.pk for row in message_search.find(Filters(text=text)).rows] == [failed.pk]
    for text in ("PL1", "F1"):
        assert [row.pk for row in message_search.find(Filters(text=text)).rows] == [order.pk]
    assert [row.pk for row in message_search.find(Filters(text="P1")).rows] == [order.pk, failed.pk]
    assert message_search.find(Filters(text="P")).count == 0
    assert [row.pk for row in message_search.find(Filters(text="A1")).rows] == [order.pk]
    assert set(order.keys.values_list("kind", flat=True)) == {"patient", "order", "accession"}


@pytest.mark.parametrize(
    "raw",
    [b"MSH|^~\\&|\xff\xfe|||||||||\rPID|1||\x00\xff", b"MSH|^~\\&" + b"~" * 5000, b"MSH|^^^^|a\rPID|1||P1"],
)
def test_a_broken_message_is_kept_with_what_can_be_read_of_it(raw: bytes) -> None:
    row = receive(raw)
    assert row.status in ("failed", "refused")
    assert all(value.isprintable() for value in row.keys.values_list("value", flat=True))


def test_what_goes_out_is_found_by_what_it_tells_of(facility: object) -> None:
    from interfaces.hl7.inbound import message_index

    there = Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    row = OutboundMessage.objects.create(
        destination=there,
        key="1",
        message_type="ORM^O01",
        control_id="OUT1",
        facts={"about": [["order", "ab12"], ["patient", "cd34"]]},
        not_before="2026-03-02T00:00Z",
    )
    message_index.keep_told(row)
    assert MessageKey.objects.filter(outbound=row).count() == 2
    for text in ("OUT1", "cd34", row.public_id):
        assert [found.pk for found in message_search.find(Filters(text=text)).rows] == [row.pk]


def test_both_directions_are_sorted_together(say: Say) -> None:
    there = Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    for number in range(3):
        receive(say("ADT^A08", PID, control_id=f"I{number}"))
        OutboundMessage.objects.create(
            destination=there,
            key=str(number),
            message_type="ORU^R01",
            control_id=f"O{number}",
            facts={},
            not_before="2026-03-02T00:00Z",
        )
    ids = [row.control_id for row in message_search.find(Filters()).rows]
    assert ids == ["O2", "I2", "O1", "I1", "O0", "I0"]
    assert [row.control_id for row in message_search.find(Filters(), sort="received").rows] == ids[::-1]
    assert [row.control_id for row in message_search.find(Filters(), offset=1, limit=2).rows] == ids[1:3]
    by_type = [row.message_type for row in message_search.find(Filters(), sort="-type").rows]
    assert by_type == ["ORU^R01"] * 3 + ["ADT^A08"] * 3
    assert message_search.find(Filters(in_trouble=True)).count == 3
    assert message_search.find(Filters(direction="out", status="waiting")).count == 3
    assert message_search.find(Filters(error_code=102)).count == 3
    assert message_search.find(Filters(partner="HIS|GENHOSP", message_type="ADT^A08")).count == 3
