"""What whoever handles a patient must know outlives merges and links, whichever record it was said of."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Facility, User
from interfaces.dicom.services.worklist_item import PATIENT_LEVEL, Item
from interfaces.hl7.inbound import inbox
from tests.web.pages.world import signed_in
from worklist.models import Order, Patient
from worklist.mwl import query
from worklist.mwl.matching_keys import WorklistKeys
from worklist.patients import care_notes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]


def pid(value: str) -> str:
    return f"PID|1||{value}^^^GENHOSP^MR||BARS^ANNA||19700102|F"


def send(*messages: bytes) -> None:
    for raw in messages:
        answer = inbox.receive(raw, peer="") or b""
        assert b"MSA|AA|" in answer, answer


def order(say: Say, who: str, *, at: int) -> bytes:
    start = f"{datetime.now(UTC) + timedelta(minutes=5):%Y%m%d%H%M%S}+0000"
    pv1 = "PV1|1|O|||||||||||||B6"
    obr = f"OBR|1|||1^CT head^L{'|' * 20}CT{'|' * 12}{start}"
    return say("ORM^O01", pid(who), pv1, "AL1|1||^Gadolinium", "ORC|NW|PL1^HIS", obr, at=at, control_id="o1")


@pytest.fixture
def client(user: User, site: Facility) -> Client:
    return signed_in(user)


JOINED = {
    "merge": ("ADT^A40", pid("P1"), "MRG|P2^^^GENHOSP^MR"),
    "link": ("ADT^A24", pid("P1"), pid("P2")),
}


@pytest.mark.parametrize("joined", JOINED)
@pytest.mark.parametrize("late", [False, True])
def test_allergies_of_all_records_and_what_was_said_last(
    say: Say, client: Client, joined: str, late: bool
) -> None:
    of_p1 = say("ADT^A08", pid("P1"), "AL1|1||^Penicillin", at=1, control_id="a1")
    send(*([] if late else [of_p1]), order(say, "P2", at=2))
    send(say(*JOINED[joined], at=3, control_id="j1"))
    send(*([of_p1] if late else []))
    notes = care_notes.of(Patient.objects.get(value="P1"))
    assert set(notes.allergies.split(", ")) == {"Penicillin", "Gadolinium"}
    assert notes == care_notes.of(Patient.objects.get(value="P2")) and notes.pregnancy == "3"
    (step,) = query.select(WorklistKeys())
    item = Item.of(step, {}, numbers=False)
    assert "Gadolinium" in str(PATIENT_LEVEL["Allergies"](item)) and "Penicillin" in str(
        PATIENT_LEVEL["Allergies"](item)
    )
    assert PATIENT_LEVEL["PregnancyStatus"](item) == 3
    for path in (
        f"/patients/{Patient.objects.get(value='P1').public_id}",
        f"/orders/{Order.objects.get().public_id}",
        "/worklist?status=all",
    ):
        page = client.get(path, follow=True).content.decode()
        assert "Gadolinium" in page and "Penicillin" in page and "pregnant" in page, path
    # What is said of the retired number later counts as well, also that she is not pregnant any more.
    send(say("ADT^A08", pid("P2"), "PV1|1|O|||||||||||||A0", "AL1|1||^Latex", at=9, control_id="a9"))
    notes = care_notes.of(Patient.objects.get(value="P1"))
    assert "Latex" in notes.allergies and notes.pregnancy != "3"


def test_two_records_are_compared_with_what_each_has(say: Say, client: Client) -> None:
    send(say("ADT^A08", pid("P1"), "AL1|1||^Penicillin"), say("ADT^A08", pid("P2"), "AL1|1||^Latex"))
    one, other = (Patient.objects.get(value=value).public_id for value in ("P1", "P2"))
    page = client.get(f"/patients/{one}/merge?with={other}").content.decode()
    assert "Penicillin" in page and "Latex" in page
