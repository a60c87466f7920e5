"""Any order of arrival, with repeats, ends in the same state (orders, merges, updates, acts)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Facility
from ledger.errors import Duplicate
from ledger.stamps import NONE, Stamp
from worklist.models import (
    Order,
    Patient,
    PatientLink,
    RequestedProcedure,
    ScheduledProcedureStep,
    StatusEvent,
)
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

BASE = datetime(2026, 3, 2, 8, tzinfo=UTC)
GENHOSP = Authority("GENHOSP")
POLICY = WorklistPolicy(unknown_authorities="accept", unknown_procedure_codes="accept_with_modality")

values = st.sampled_from(["a", "b", NONE, None])
people = st.sampled_from(["P1", "P2", "P3", "P4"])
registers = st.tuples(st.just("register"), st.lists(people, min_size=1, max_size=2), values, values)
merges = st.tuples(st.just("merge"), people, people)
numbers = st.sampled_from([("A", None), (None, "F"), ("A", "F"), ("B", None), ("B", "G")])
orders = st.tuples(
    st.just("order"),
    numbers.map(lambda named: (named, "P1" if {"A", "F"} & set(named) else "P2")),
    values,
    st.sampled_from(
        [
            None,
            StatusEvent.Kind.START,
            StatusEvent.Kind.HOLD,
            StatusEvent.Kind.RELEASE,
            StatusEvent.Kind.COMPLETE,
        ]
    ),
    st.sampled_from(["", "RP1", "RP2"]),
)
ends = st.tuples(
    st.just("end"),
    numbers.map(lambda named: (named, "")),
    st.sampled_from([StatusEvent.Kind.CANCEL, StatusEvent.Kind.DISCONTINUE]),
)
messages = st.lists(st.one_of(registers, merges, orders, ends), min_size=2, max_size=7)


def origin_of(number: int, facility: Facility) -> Provenance:
    made_at = BASE + timedelta(minutes=number)
    stamp = Stamp(made_at, control_id=(number, ""))
    return Provenance(facility=facility, stamp=stamp, received_at=BASE, source=f"m{number}", policy=POLICY)


def deliver(message: Any, number: int, facility: Facility) -> None:
    provenance = origin_of(number, facility)
    with transaction.atomic():
        if message[0] == "register":
            _, ids, name, address = message
            identity.register(
                provenance=provenance,
                identifiers=[Identifier(value, GENHOSP, "MR") for value in ids],
                demographics={"name": name, "address": address},
            )
        elif message[0] == "merge":
            try:
                identity.merge(
                    provenance=provenance,
                    survivor=Identifier(message[1], GENHOSP),
                    retired=Identifier(message[2], GENHOSP),
                )
            except Duplicate:
                assert message[1] == message[2]
        else:
            order_application.apply(update=update_of(message, number, provenance), provenance=provenance)


def update_of(message: Any, number: int, provenance: Provenance) -> OrderUpdate:
    placer, filler = message[1][0]
    named = {
        "placer": Number(placer, "HIS") if placer else None,
        "filler": Number(filler, "RIS") if filler else None,
    }
    if message[0] == "end":
        return OrderUpdate(**named, act=message[2])
    _, (_, person), reason, act, procedure_id = message
    patient = identity.register(
        provenance=provenance, identifiers=[Identifier(person, GENHOSP)], demographics={}
    )
    start = BASE + timedelta(hours=number)
    step = StepUpdate(content=StepContent(modality="CT", start=start))
    return OrderUpdate(
        **named,
        act=act,
        content=OrderContent(patient_id=patient.pk, reason=reason),
        procedures=[ProcedureUpdate(id=procedure_id, content=ProcedureContent(code="71260"), steps=[step])],
    )


def state() -> dict[str, Any]:
    """Everything derived, without the database's own keys and random ids."""
    return {
        "patients": sorted(
            (p.value, p.name, p.address, str(p.survivor or ""), sorted(p.stamps.items()))
            for p in Patient.objects.select_related("authority", "survivor__authority")
        ),
        "links": sorted(
            (str(link.retired), str(link.survivor), link.kind, link.stamp, link.conflict)
            for link in PatientLink.objects.select_related("retired__authority", "survivor__authority")
        ),
        "orders": sorted(
            (
                sorted(order.numbers.values_list("kind", "value")),
                order.status,
                order.accession_number,
                order.reason,
                str(order.patient or ""),
                sorted((act.kind, act.stamp) for act in order.acts.all()),
            )
            for order in Order.objects.all()
        ),
        "procedures": sorted(
            (p.requested_procedure_id, p.study_instance_uid, p.code, p.description)
            for p in RequestedProcedure.objects.all()
        ),
        "steps": sorted(
            (s.scheduled_procedure_step_id, s.status, s.modality, str(s.due), s.on_worklist)
            for s in ScheduledProcedureStep.objects.all()
        ),
    }


def play(history: list[tuple[int, Any]]) -> dict[str, Any]:
    """Deliver a history in the given order and return the state it ends in; nothing of it stays."""
    with transaction.atomic():
        facility = Facility.objects.create(code="GENHOSP", name="General Hospital")
        for number, message in history:
            deliver(message, number, facility)
        ended = state()
        transaction.set_rollback(True)
    return ended


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(messages, st.data())
def test_any_order_of_arrival_ends_in_the_same_state(db: None, sent: list[Any], data: Any) -> None:
    history = list(enumerate(sent, start=1))
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=3))
    shuffled = data.draw(st.permutations([*history, *repeats]))
    assert play(shuffled) == play(history)


@pytest.mark.parametrize("procedure_id", ["", "RP1"])
@pytest.mark.parametrize("oldest", ["A", "F"])
def test_what_goes_into_another_gives_its_names_up(db: None, procedure_id: str, oldest: str) -> None:
    """A step or a procedure may take the name of one that goes, whichever is older."""
    said = [
        (1, ("order", ((None, "F"), "P1"), "a", None, "")),
        (2, ("order", (("A", None), "P1"), "a", None, procedure_id)),
        (3, ("end", (("A", "F"), ""), StatusEvent.Kind.CANCEL)),
    ]
    ended = play(said if oldest == "F" else [said[1], said[0], said[2]])
    assert len(ended["orders"]) == len(ended["steps"]) == 1
    assert ended == play([said[2], said[0], said[1]])


def test_a_difference_would_be_seen(facility: Facility, db: None) -> None:
    """The negative control: two histories that differ in content do not end alike."""
    facility.delete()
    one: Callable[[str], Any] = lambda name: [(1, ("register", ["P1"], name, None))]  # noqa: E731
    assert play(one("a")) != play(one("b"))
