"""Messages found by what people type: names, numbers, values of fields, text; the bounds, and the way on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.inspect import message_batch, message_query, message_scan, message_search
from interfaces.hl7.inspect.message_query import FieldValue, MessageQuery
from interfaces.hl7.inspect.message_scan import Cursor
from interfaces.hl7.inspect.message_search import Filters
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax import er7
from interfaces.hl7.wire import framing
from ledger.models import AuditEvent
from tests.web.markup import read
from tests.web.pages.test_messages import ids
from tests.web.pages.world import receive as make_row
from tests.web.pages.world import signed_in

pytestmark = pytest.mark.django_db
Say = Callable[..., bytes]
PID = "PID|1||{}^^^GENHOSP^MR||{}||{}|F"


def receive(raw: bytes) -> InboundMessage:
    inbox.receive(raw, peer="127.0.0.1")
    return InboundMessage.objects.latest("id")


def store(number: int, pid: str, at: Any = None, **values: Any) -> InboundMessage:
    raw = (
        f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|2026||ADT^A08|M{number}|P|2.5.1||||||UNICODE UTF-8\r{pid}\r".encode()
    )
    return make_row(number, raw=raw, received_at=at or timezone.now(), **values)


def found_by(client: Client, text: str, more: str = "") -> list[str]:
    response = client.get("/messages", {"q": text})
    assert response.status_code == 200
    return ids(read(response))


# What is typed


def test_what_is_typed_is_taken_apart() -> None:
    query = message_query.parse('pid-5.1="VON DER LEYEN" P4711 OBR-4=71260 "left knee" and more')
    assert query == MessageQuery(
        (FieldValue("PID", 5, 1, 0, "VON DER LEYEN"), FieldValue("OBR", 4, 0, 0, "71260")),
        ("left knee",),
        "P4711 and more",
    )
    assert message_query.parse("BARS, ANNA 1-2=3 PID-0=x").fields == ()
    assert query.fields[0].path == "PID-5.1"


@pytest.mark.parametrize(
    ("typed", "is_in"),
    [
        ("PID-5=MÜLLER", True),
        ("PID-5=muller", True),
        ("PID-5.1=MÜLLER", True),
        ("PID-5.2=MÜLLER", False),
        ("PID-5=MÜLL", False),
        ("PID-5=MÜLL*", True),
        ("PID-5=*L*E*", True),
        ("PID-5=MÜLLER^JÜRGEN", True),
        ("PID-3=P2", True),
        ("PID-3.4=GENHOSP", True),
        ("OBX-5=80", False),
        ("OBX-5=85", True),
        ("NTE-3=Smith & Co", True),
        ("MSH-9=ADT^A08", True),
        ("MSH-1=|", True),
        ('PID-7=""', True),
        ('PID-8=""', False),
        ('ZZZ-1=""', True),
        ("ZZZ-1=x", False),
        ("PID-" + "9" * 3 + "=x", False),
        ("PID-5=" + "*a" * 60 + "b", False),
    ],
)
def test_a_value_is_looked_for_in_all_repetitions_and_components(typed: str, is_in: bool) -> None:
    message = er7.parse_text(
        "MSH|^~\\&|HIS|GENHOSP|RIS|RAD|2026||ADT^A08|M1|P|2.5.1\r"
        "PID|1||P1^^^GENHOSP^MR~P2^^^GENHOSP^PI||MÜLLER^JÜRGEN|||M\r"
        "OBX|1|NM|A||70\rOBX|2|NM|B||85\rNTE|1||Smith \\T\\ Co\r"
    )
    (field,) = message_query.parse(f'NTE-3="{typed[6:]}"' if typed.startswith("NTE") else typed).fields
    assert field.is_in(message) == is_in


# What is found


@pytest.mark.usefixtures("site")
def test_a_patient_is_found_by_name_with_the_messages_that_failed(say: Say, user: User) -> None:
    client = signed_in(user)
    good = receive(say("ADT^A08", PID.format("P1", "MÜLLER^JÜRGEN", "19700102"), charset="8859/1"))
    bad = receive(say("ADT^A08", PID.format("P1", "MÜLLER^JÜRGEN", "x"), charset="8859/1"))
    other = receive(say("ADT^A08", PID.format("P2", "MEIER^ANNA", "19700102")))
    for typed in ("Müller", "mueller, jürgen", "MULLER"):
        assert found_by(client, typed) == [bad.public_id, good.public_id], typed
    assert found_by(client, "P2") == [other.public_id]
    assert found_by(client, "PID-5=MÜLLER") == [bad.public_id, good.public_id]
    assert found_by(client, 'PID-5=müller "19700102"') == [good.public_id]
    assert found_by(client, "PID-3.1=P2") == [other.public_id]
    assert found_by(client, f"MSH-10={other.control_id}") == [other.public_id]
    assert found_by(client, '"jürgen"') == [bad.public_id, good.public_id]


def test_a_search_reads_so_many_messages_and_goes_on_from_there(facility: Facility) -> None:
    now = timezone.now()
    wanted = [
        store(n, PID.format(f"P{n}", "X^Y" if n % 10 else "RARE^NAME", ""), now - timedelta(seconds=n // 3))
        for n in range(500)
    ]
    query = message_query.parse("PID-5=RARE")
    found, after, parts = [], None, 0
    while True:
        part = message_scan.scan(Filters(), query, after=after, limit=7, looked=60)
        assert part.looked <= 60 and len(part.rows) <= 7
        found += [row.public_id for row in part.rows]
        parts, after = parts + 1, part.more
        if after is None:
            break
        assert Cursor.of(str(after)) == after
    rare = {row.public_id for row in wanted[::10]}
    assert len(found) == 50 and set(found) == rare and parts > 8
    assert Cursor.of("nonsense") is None and Cursor.of("2026-01-01T00:00:00Z,in,x") is None


def test_a_search_that_takes_too_long_stops_and_says_how_far_it_came(
    facility: Facility, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for number in range(30):
        store(number, PID.format("P", "X^Y", ""), now - timedelta(minutes=number))
    monkeypatch.setattr(message_scan, "LOOKED", 10)
    client = signed_in(user)
    text = read(client.get("/messages", {"q": '"no such text"'}))
    assert "Searched 10 messages back to" in text and "Search further back" in text
    text = read(client.get("/messages", {"q": "PID-5=X", "before": f"{now.isoformat()},in,{10**9}"}))
    assert len(ids(text)) == 10 and "10+" in text


def test_large_and_broken_messages_harm_no_search(facility: Facility) -> None:
    store(1, PID.format("P1", "X^Y", ""), control_id="big")
    InboundMessage.objects.update(raw=b"MSH|^~\\&|H\rOBX|1|ED|||" + b"\xc3\xa4" * 500_000)
    for number, raw in enumerate((b"", b"\xff\xfe\x80", b"MSH|", bytes(range(256))), start=2):
        make_row(number, raw=raw)
    for text in ("PID-5=X", '"nothing"', '"\x80"'):
        message_scan.scan(Filters(), message_query.parse(text))


# What is taken away


def test_a_filtered_list_is_taken_away_as_csv_and_as_a_batch_file_that_can_be_read_again(
    facility: Facility, user: User
) -> None:
    rows = [store(n, PID.format(f"P{n}", "=CMD()" if n == 1 else "X^Y", "")) for n in range(3)]
    InboundMessage.objects.filter(pk=rows[0].pk).update(status="failed", error_text="=1+1", error_code=102)
    client = signed_in(user)
    lines = b"".join(client.get("/messages.csv?direction=in")).decode().splitlines()
    assert lines[0].startswith("at,direction,partner") and len(lines) == 4
    assert ",=1+1" not in "".join(lines), "no spreadsheet takes it for a formula"
    content = b"".join(client.get("/messages.hl7?status=failed"))
    assert content.startswith(b"FHS|^~\\&|RISPACS") and content.endswith(b"BTS|1|\rFTS|1\r")
    assert framing.split_messages(content) == [bytes(rows[0].raw)]
    content = b"".join(client.get("/messages.hl7", {"q": "PID-5=X"}))
    assert len(framing.split_messages(content)) == 2
    acts = AuditEvent.objects.filter(code="110106").values_list("act", flat=True)
    assert "Messages exported as batch file: state=failed" in acts


def test_what_is_taken_away_has_a_bound_and_says_so(
    facility: Facility, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        store(number, PID.format("P", "X^Y", ""))
    monkeypatch.setattr(message_batch, "MOST", 3)
    client = signed_in(user)
    assert b"BTS|3|only the first 3 messages\r" in b"".join(client.get("/messages.hl7"))
    lines = b"".join(client.get("/messages.csv")).decode().splitlines()
    assert len(lines) == 5 and lines[-1].startswith("Cut: only the first 3 messages")
    assert message_search.find(Filters()).count == 5
