"""Messages in any order of arrival, with repeats, end in the same state (F28).

The starts are explicit and the times of receipt the same, since these alone may depend on arrival.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Facility
from interfaces.hl7.inbound import inbox, sources, triggers
from interfaces.hl7.models import Source
from worklist.models import Order, Patient, PatientLink, RequestedProcedure, ScheduledProcedureStep, Visit

pytestmark = pytest.mark.django_db(transaction=True)
RECEIVED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def message(number: int, kind: str, *segments: str) -> bytes:
    """A message made `number` minutes after eight."""
    msh = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|202603020{800 + number}00+0000||{kind}|{number}|P|2.5.1"
    return ("\r".join([msh, *segments]) + "\r").encode()


def pid(patient: str, name: str) -> str:
    return f"PID|1||{patient}^^^GENHOSP^MR||{name}||19700102|F"


def order(number: int, control: str, patient: str, name: str, named: tuple[str, str], reason: str) -> bytes:
    placer, filler = (
        f"{one}^{whose}" if one else "" for one, whose in zip(named, ("HIS", "RIS"), strict=True)
    )
    orc = f"ORC|{control}|{placer}|{filler}"
    if control in ("CA", "DC", "HD", "RL"):
        return message(number, "ORM^O01", pid(patient, name), orc)
    obr = f"OBR|1|||71260^CT CHEST^C4{'|' * 20}CT|||^^^20260303{10 + number % 10}00||||{reason}"
    return message(number, "ORM^O01", pid(patient, name), f"PV1|1|O{'|' * 17}V{patient}", orc, obr)


def merge(number: int, survivor: str, retired: str) -> bytes:
    return message(number, "ADT^A40", pid(survivor, ""), f"MRG|{retired}^^^GENHOSP^MR")


def appointment(number: int, event: str, appointment: str, named: str, code: str, start: str) -> bytes:
    sch = f"SCH||{appointment}||||NOREASON|||||^^^{start}{'|' * 15}{named}"
    return message(number, f"SIU^{event}", sch, pid("P1", ""), "RGS|1", f"AIS|1||{code}^^C4")


def arrival(number: int, patient: str, place: str) -> bytes:
    return message(number, "ADT^A10", pid(patient, ""), f"PV1|1|O|{place}")


def visit(number: int, event: str, patient: str) -> bytes:
    return message(number, f"ADT^{event}", pid(patient, ""), f"PV1|1|O{'|' * 17}V{patient}")


def allergy(number: int, event: str, patient: str, action: str, text: str) -> bytes:
    segment = f"IAM|1||{text}|||{action}" if event == "A60" else f"AL1|1||{text}"
    return message(number, f"ADT^{event}", pid(patient, ""), segment)


def two(number: int, trigger: str, one: str, other: str) -> bytes:
    return message(number, f"ADT^{trigger}", pid(one, ""), pid(other, ""))


PEOPLE = st.sampled_from(["P1", "P2", "P3"])
NAMES = st.sampled_from(["BARS^ANNA", "BARS^ANNE", '""', ""])
ORDERS = st.tuples(
    st.just(order),
    st.sampled_from(["NW", "XO", "CA", "SC", "HD", "RL"]),
    st.just("P1"),  # of another patient an order is refused, until a merge has come
    NAMES,
    st.sampled_from([("A", ""), ("A", "F"), ("", "F"), ("B", ""), ("B", "G"), ("", "G")]),
    st.sampled_from(["Cough", "Fever", '""', ""]),
)
"""Whose numbers never contradict each other: of those that do, the message that comes later is refused."""
UPDATES = st.tuples(
    st.just(lambda n, patient, name: message(n, "ADT^A08", pid(patient, name))), PEOPLE, NAMES
)
MERGES = st.tuples(st.just(merge), PEOPLE, PEOPLE).filter(lambda made: made[1] != made[2])
LINKS = st.tuples(st.just(two), st.sampled_from(["A24", "A37"]), PEOPLE, PEOPLE).filter(
    lambda made: made[2] != made[3]
)
STARTS = st.sampled_from(["20260302140000", "20260303150000", "20260304160000", ""])
APPOINTMENTS = st.tuples(
    st.just(appointment),
    st.sampled_from(["S12", "S13", "S14", "S15", "S17", "S26"]),
    st.sampled_from(["7", "8"]),
    st.sampled_from(["A^HIS", "B^HIS", "B", "|F^RIS", "A^HIS|G^RIS", ""]),
    st.sampled_from(["", "71260", "70450"]),
    STARTS,
)
ARRIVALS = st.tuples(st.just(arrival), PEOPLE, st.sampled_from(["RAD", "W1"]))
VISITS = st.tuples(st.just(visit), st.sampled_from(["A01", "A03", "A05", "A11", "A29", "A28"]), PEOPLE)
ALLERGIES = st.tuples(
    st.just(allergy),
    st.sampled_from(["A60", "A08"]),
    PEOPLE,
    st.sampled_from(["A", "D", "U"]),
    st.sampled_from(["Latex", "Nickel"]),
)
WITH_APPOINTMENTS = st.lists(
    st.one_of(ORDERS, ORDERS, APPOINTMENTS, APPOINTMENTS, ARRIVALS, MERGES, LINKS, VISITS, ALLERGIES),
    min_size=3,
    max_size=8,
)
HISTORIES = st.lists(st.one_of(ORDERS, UPDATES, MERGES, LINKS), min_size=2, max_size=6)


@pytest.fixture
def received_at_noon(site: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox.timezone, "now", lambda: RECEIVED)
    source = Source.objects.get()
    source.options |= {
        "imaging_locations": ["RAD"],
        "contradicting_merges": "latest",
        "control_ids": "rising",
    }
    source.save()


class _Undo(Exception):
    pass


def end_of(arrivals: Sequence[bytes]) -> dict[str, Any]:
    """The state after these arrivals, which are undone again."""
    sources._kept.clear()
    state: dict[str, Any] = {}
    try:
        with transaction.atomic():
            for raw in arrivals:
                answer = inbox.receive(raw, peer="")
                assert answer is not None and b"MSA|AA|" in answer, (raw, answer)
            state = dump()
            raise _Undo
    except _Undo:
        return state


def dump() -> dict[str, Any]:
    """All rows of the domain, without the database's own keys, random ids and what only one arrival has."""
    patients = Patient.objects.select_related("authority", "survivor__authority")
    steps = ScheduledProcedureStep.objects.select_related("procedure__order")
    return {
        "patients": sorted(
            (
                *(str(p), p.name, p.birth_date, p.sex, str(p.survivor), p.allergies, p.deleted_at_sender),
                _when(p),
            )
            for p in patients
        ),
        "links": sorted(
            (str(link.retired), str(link.survivor), link.kind, link.stamp, link.conflict)
            for link in PatientLink.objects.select_related("retired__authority", "survivor__authority")
        ),
        "visits": sorted((v.number, str(v.patient), v.patient_class, v.status) for v in Visit.objects.all()),
        "orders": sorted(
            (
                sorted(o.numbers.values_list("kind", "namespace", "value")),
                (
                    o.status,
                    o.accession_number,
                    o.reason,
                    o.priority,
                    str(o.patient),
                    str(o.visit_id and o.visit.number),
                ),
                sorted(o.acts.values_list("kind", "stamp")),
                _when(o),
            )
            for o in Order.objects.all()
        ),
        "procedures": sorted(
            (p.requested_procedure_id, p.study_instance_uid, p.code, p.description, p.place, _when(p))
            for p in RequestedProcedure.objects.all()
        ),
        "steps": sorted(
            (
                s.procedure.requested_procedure_id,
                s.scheduled_procedure_step_id,
                (s.status, s.modality, str(s.start), str(s.due), s.local_date, s.local_time, s.on_worklist),
                {name: value for name, value in s.booking.items() if name not in ("appointment", "source")},
                s.awaits_time,
                _when(s),
            )
            for s in steps
        ),
    }


def _when(row: Any) -> list[tuple[str, str]]:
    return sorted((name, stamp[0]) for name, stamp in row.stamps.items())


@pytest.mark.usefixtures("received_at_noon")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, seed=st.randoms(use_true_random=False))
def test_any_order_of_arrival_with_repeats_ends_in_the_same_state(
    history: list[Any], seed: random.Random
) -> None:
    check(history, seed)


@pytest.mark.usefixtures("received_at_noon")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=WITH_APPOINTMENTS, seed=st.randoms(use_true_random=False))
def test_so_do_appointments_arrivals_and_visits_with_their_orders(
    history: list[Any], seed: random.Random
) -> None:
    check(history, seed)


def check(history: list[Any], seed: random.Random) -> None:
    messages = [make(number, *values) for number, (make, *values) in enumerate(history)]
    expected = end_of(messages)
    arrivals = messages + seed.choices(messages, k=2)
    seed.shuffle(arrivals)
    assert end_of(arrivals) == expected


@pytest.mark.usefixtures("received_at_noon")
def test_every_permutation_of_a_day_ends_in_the_same_state() -> None:
    """An order, its change, its cancellation, an update and a merge: 120 permutations."""
    day = [
        order(0, "NW", "P1", "BARS^ANNA", ("A", ""), "Cough"),
        order(1, "XO", "P1", "", ("A", "F"), "Fever"),
        message(2, "ADT^A08", pid("P1", "BARS^ANNE")),
        merge(3, "P2", "P1"),
        order(4, "CA", "P1", "", ("A", ""), ""),
    ]
    states = [end_of(arrivals) for arrivals in itertools.permutations(day)]
    assert all(state == states[0] for state in states)
    (found,) = states[0]["orders"]
    assert found[1][0] == "cancelled" and found[1][2] == "Fever" and found[1][4].startswith("P1")


@pytest.mark.usefixtures("received_at_noon")
def test_it_would_be_noticed_if_the_last_to_come_won(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: with stamps made on arrival, the same messages end differently."""
    real, count = triggers.TRIGGERS["ADT", "A08"], itertools.count()

    def on_arrival(reading: Any) -> Any:
        stamp = replace(reading.provenance.stamp, made_at=RECEIVED, sequence=next(count))
        return real(replace(reading, provenance=replace(reading.provenance, stamp=stamp)))

    monkeypatch.setitem(triggers.TRIGGERS, ("ADT", "A08"), on_arrival)  # type: ignore[arg-type]
    names = [message(n, "ADT^A08", pid("P1", name)) for n, name in enumerate(["A", "B"])]
    found = [end_of(arrivals)["patients"][0][1] for arrivals in (names, names[::-1])]
    assert found == ["B", "A"]
