"""What may become of a message that goes out: one table for people, pages and the sender."""

import itertools

import pytest
from django.db import transaction

from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import delivery, message_status, outbox
from interfaces.hl7.outbound.acknowledgments import Answer
from interfaces.hl7.outbound.message_status import ACTIONS, TRANSITIONS
from ledger import clock
from ledger.errors import Conflict
from ledger.models import Event, Job
from tests.actors import integrator

pytestmark = pytest.mark.django_db(transaction=True)
DO = {"resend": outbox.resend, "hold": outbox.hold, "release": outbox.release, "skip": outbox.skip}


def message(status: str) -> OutboundMessage:
    destination = Destination.objects.create(name="HIS", host="127.0.0.1", port=1)
    return OutboundMessage.objects.create(
        destination=destination, key="k", control_id="C", status=status, not_before=clock.now(), facts={}
    )


@pytest.mark.parametrize(("status", "action"), list(itertools.product(OutboundStatus, ACTIONS)))
def test_what_is_offered_is_what_can_be_done(status: str, action: str) -> None:
    row = message(status)
    if action in message_status.actions(row):
        DO[action](row, by=integrator("anna"), reason="why")
        assert row.status == TRANSITIONS[action].after
        assert Event.objects.get().kind == TRANSITIONS[action].event.kind
        assert Job.objects.filter(kind=outbox.JOB, key="HIS").exists()
    else:
        with pytest.raises(Conflict, match=f"can't {action} a message that is {status}"):
            DO[action](row, by=integrator("anna"), reason="why")
        row.refresh_from_db()
        assert row.status == status
        assert not Event.objects.exists() and not Job.objects.exists()


@pytest.mark.parametrize("status", OutboundStatus)
@pytest.mark.parametrize("code", ["AA", "AE", "CR"])
def test_an_answer_that_comes_after_a_persons_decision_undoes_it_only_by_arriving(
    status: str, code: str
) -> None:
    """Somebody held or skipped it while it was on its way."""
    row = message(status)
    delivery._answered(row, row.destination, Answer(code, frozenset(), "", b"MSA"))
    row.refresh_from_db()
    waited = status == OutboundStatus.WAITING
    refused = {"AE": "held", "CR": "stopped"}
    assert row.status == ("delivered" if code == "AA" else refused[code] if waited else status)
    assert Event.objects.filter(kind="hl7.message_delivered").exists() == (code == "AA")
    told = Event.objects.filter(kind__in=["hl7.message_held", "hl7.message_stopped"]).exists()
    assert told == (waited and code != "AA"), "nothing is told that did not happen"


def test_a_change_that_comes_too_late_changes_nothing() -> None:
    row = message("delivered")
    with transaction.atomic():
        assert not message_status.change(row, "skip", values={"attempts": 9}, reason="late")
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("delivered", 0)


def test_every_status_can_be_left_and_reached() -> None:
    left = set().union(*(transition.before for transition in TRANSITIONS.values()))
    assert left == set(OutboundStatus)
    assert {transition.after for transition in TRANSITIONS.values()} == set(OutboundStatus)
