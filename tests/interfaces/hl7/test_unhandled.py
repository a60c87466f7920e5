"""Messages that do nothing here: kept, refused with what is amiss, or acknowledgments that came alone."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage, Source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]


def outcome(raw: bytes) -> tuple[str, int | None, str, str]:
    """What a message came to: its status, and code, place and text of what is amiss."""
    inbox.receive(raw, peer="")
    row = InboundMessage.objects.latest("pk")
    return row.status, row.error_code, row.error_location, row.error_text


@pytest.mark.parametrize("kind", ["MDM^T02", "OML^O21", "ORL^O22"])
def test_what_a_source_wants_kept_is_accepted_and_does_nothing(say: Say, kind: str) -> None:
    assert outcome(say(kind, "PID|1||P1^^^GENHOSP^MR"))[:2] == ("refused", 201)
    source = Source.objects.get()
    source.options["keep"] = [kind[:3]]
    source.save()
    sources._kept.clear()
    assert outcome(say(kind, "PID|1||P1^^^GENHOSP^MR")) == ("applied", None, "", "")


@pytest.mark.parametrize("kind", ["QRY^A19", "QBP^Q22", "QSB^Q16"])
def test_a_query_is_refused_as_one(say: Say, kind: str) -> None:
    status, code, place, text = outcome(say(kind))
    assert (status, code, place) == ("refused", 200, "MSH^1^9") and "queries" in text


def test_an_acknowledgment_that_came_alone_says_what_it_names(say: Say) -> None:
    destination = Destination.objects.create(name="EHR", host="127.0.0.1", port=1)
    OutboundMessage.objects.create(
        destination=destination, key="k", control_id="OURS1", facts={}, not_before=timezone.now()
    )
    assert outcome(say("ACK^A01", "MSA|AA|OURS1"))[0] == "applied"
    assert outcome(say("ACK^A01", "MSA|AA|OTHER"))[1:] == (
        204,
        "MSA^1^2",
        "no message 'OTHER' was sent from here",
    )
    assert outcome(say("ACK^A01", "MSA|AA|"))[1:3] == (101, "MSA^1^2")
    assert outcome(say("ACK^A01"))[1:3] == (100, "MSA")
