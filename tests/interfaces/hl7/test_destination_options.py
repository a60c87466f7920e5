"""A destination's version, character set and fields: what it takes is written as it takes it."""

import pytest
from django.db import transaction

from accounts.models import Facility
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import outbox
from interfaces.hl7.outbound.messages import ORDER_STATUS
from interfaces.hl7.site import DestinationEntry
from interfaces.hl7.syntax import er7
from ledger.errors import Invalid
from tests.interfaces.hl7.test_delivery import enqueue as enqueued

pytestmark = [pytest.mark.django_db, pytest.mark.once]
VERSIONS = ["2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2"]


@pytest.fixture
def his(facility: Facility) -> Destination:
    return Destination.objects.create(name="HIS", host="h", port=1)


def written(his: Destination, name: str = "Müller^Jörg", **options: object) -> bytes:
    his.options = options
    his.save()
    message = enqueued(name=name)
    return outbox.write(OutboundMessage.objects.get(pk=message.pk), his)


@pytest.mark.parametrize("version", VERSIONS)
def test_status_is_written_in_each_version(his: Destination, version: str) -> None:
    his.version = version
    message = er7.parse(written(his))
    assert message.get("MSH-9") == ("OMG" if version >= "2.7" else "ORM")
    assert "20260302080000+0000" in (message.get("OBR[2]-36"), message.get("TQ1[2]-7"))
    assert (message.get("MSH-12"), message.get("ORC-1"), message.get("ORC-5")) == (version, "SC", "IP")


@pytest.mark.parametrize(
    ("charset", "codec"), [("8859/1", "latin-1"), ("8859/15", "iso8859-15"), ("UNICODE UTF-8", "utf-8")]
)
def test_it_is_written_in_its_character_set_and_says_so(his: Destination, charset: str, codec: str) -> None:
    raw = written(his, charset=charset)
    assert "Müller".encode(codec) in raw
    assert er7.read_header(raw).charsets == (charset,)
    assert er7.parse(raw).get("PID-5") == "Müller"


def test_what_its_character_set_lacks_is_refused_with_its_place(his: Destination) -> None:
    with pytest.raises(Invalid, match=r"8859/1 has no '鈴', which PID-5 holds"):
        written(his, name="Suzuki^Ichiro=鈴木^一郎", charset="8859/1")


def test_fields_are_left_out_or_always_the_same(his: Destination) -> None:
    options = {"leave_out": ["OBR-18", "PID-8"], "constants": {"MSH-5": "OLDHIS", "OBR-24": "RAD"}}
    message = er7.parse(written(his, **options))
    assert (message.get("OBR-18"), message.get("PID-8"), message.get("OBR-19")) == ("", "", "RP1")
    assert (message.get("MSH-5"), message.get("OBR-24")) == ("OLDHIS", "RAD")


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "2.9"},
        {"charset": "EBCDIC"},
        {"leave_out": ["OBR"]},
        {"constants": {"MSH-10": "1"}},
        {"leave_out": ["MSH-18"]},
    ],
)
def test_what_can_not_be_is_refused_with_the_site_file(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DestinationEntry.model_validate({"name": "HIS", "address": "h:1", **wrong})


def test_a_message_that_can_not_be_written_is_held(his: Destination) -> None:
    """The sender says why, as for every message that can't be written (`test_delivery`)."""
    his.options = {"leave_out": ["ORC-1"]}
    his.save()
    with transaction.atomic():
        outbox.enqueue(message_type=ORDER_STATUS, key="k", facts=enqueued().facts)
    message = OutboundMessage.objects.get(key="k")
    with pytest.raises(Invalid, match="ORC-1 is required"):
        outbox.write(message, his)
