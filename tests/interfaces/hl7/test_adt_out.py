"""What people do to patient records here is told by ADT to those who want it; what others did is not."""

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import outbox
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.message_parts import Message
from tests.actors import acting
from tests.archive.hospital import Hospital
from worklist.models import Patient, PatientLink
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site", "hospital"), pytest.mark.once]
Say = Callable[..., bytes]


@pytest.fixture
def his(hospital: Hospital) -> Destination:
    hospital.patient("P1")
    hospital.patient("P2", name="BARS^ANNE")
    return Destination.objects.create(
        name="HIS", host="h", port=1, options={"messages": ["merges", "persons"]}
    )


def named(value: str) -> Identifier:
    return Identifier(value, Authority("GENHOSP"), "MR")


def by(user: User, hospital: Hospital) -> Provenance:
    return Provenance.of_person(acting(user), hospital.facility)


def merge(user: User, hospital: Hospital) -> PatientLink:
    with transaction.atomic():
        identity.merge(provenance=by(user, hospital), survivor=named("P1"), retired=named("P2"))
    return PatientLink.objects.get()


def told() -> list[Message]:
    rows = OutboundMessage.objects.select_related("destination").order_by("pk")
    return [er7.parse(outbox.write(row, row.destination)) for row in rows]


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5.1", "2.7", "2.8.2"])
def test_a_merge_and_its_undo_are_told(
    his: Destination, hospital: Hospital, user: User, version: str
) -> None:
    his.version = version
    his.save()
    link = merge(user, hospital)
    with transaction.atomic():
        identity.unmerge(provenance=by(user, hospital), link=link)
    merged, parted = told()
    assert (merged.get("MSH-9.2"), merged.get("PID-3"), merged.get("MRG-1")) == ("A40", "P1", "P2")
    assert merged.get("MRG-1.4") == "GENHOSP" and merged.get("MRG-1.5") == "MR"
    assert merged.get("EVN-2")
    pids = [pid.field(3).component(1) for pid in parted.all("PID")]
    assert (parted.get("MSH-9.2"), pids) == ("A37", ["P1", "P2"])


def test_a_merge_that_came_goes_nowhere(his: Destination, say: Say) -> None:
    inbox.receive(say("ADT^A40", "PID|1||P1^^^GENHOSP^MR||BARS^ANNA", "MRG|P2^^^GENHOSP^MR"), peer="")
    inbox.receive(say("ADT^A08", "PID|1||P1^^^GENHOSP^MR||OTHER^ANNA", at=1), peer="")
    assert PatientLink.objects.exists() and not told()


@pytest.mark.parametrize("version", ["2.3", "2.5.1", "2.8"])
def test_who_is_registered_or_described_anew_here_is_told(
    his: Destination, hospital: Hospital, user: User, version: str
) -> None:
    his.version = version
    his.save()
    for demographics in ({"name": "NEW^NORA"}, {"name": "NEW^NORA", "sex": "F"}, {}):
        with transaction.atomic():
            identity.register(
                provenance=by(user, hospital), identifiers=[named("P9")], demographics=demographics
            )
    messages = told()
    assert [one.get("MSH-9.2") for one in messages] == ["A28", "A31"]
    assert (messages[1].get("PID-3"), messages[1].get("PID-8"), messages[1].get("PV1-2")) == ("P9", "F", "N")


def test_only_a_destination_that_names_them_gets_them(
    his: Destination, hospital: Hospital, user: User
) -> None:
    his.options = {}
    his.save()
    merge(user, hospital)
    assert Patient.objects.count() == 2 and not told()
