"""Histories of messages, applied in memory: what the worklist decides of them, without a database."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from accounts.models import Facility
from ledger.stamps import NONE, Stamp
from worklist.catalogue import Catalogue
from worklist.change_check import refusal
from worklist.change_set import ChangeSet, Group, Link, Merge, Registration, Unlink, VisitUpdate
from worklist.models import AssigningAuthority, ProcedureCode, StatusEvent
from worklist.orders.order_book import OrderBook
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients.identifiers import Authority, Identifier
from worklist.patients.patient_index import PatientIndex
from worklist.patients.patient_records import PatientRecord
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

EIGHT: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
GENHOSP: Final = Authority("GENHOSP")
FACILITY: Final = Facility(pk=1, code="GENHOSP", time_zone="Europe/Berlin")
CODES: Final = [
    ProcedureCode(code=code, modality=modality) for code, modality in (("71260", "CT"), ("71250", "MR"))
]
CATALOGUE: Final = Catalogue.of(
    [AssigningAuthority(pk=1, namespace="GENHOSP")], procedures=CODES, facilities=[FACILITY]
)
POLICY: Final = WorklistPolicy(unknown_procedure_codes="accept_with_modality")

_values = st.sampled_from(["a", "b", NONE, None])
_people = st.sampled_from(["P1", "P2", "P3", "P4"])
_numbers = st.sampled_from([("A", None), (None, "F"), ("A", "F"), ("B", None), ("B", "G")])
_done = st.sampled_from([None, *StatusEvent.Kind])
_registrations = st.builds(
    lambda values, name, address, visit: Group(registration(values, name=name, address=address, visit=visit)),
    st.lists(_people, min_size=1, max_size=3),
    _values,
    _values,
    st.sampled_from(["", "V1", "V2"]),
)
_merges = st.builds(
    lambda kind, kept, gone: Group(merges=[kind(Identifier(kept, GENHOSP), Identifier(gone, GENHOSP))]),
    st.sampled_from([Merge, Link, Unlink]),
    _people,
    _people,
).filter(lambda group: group.merges[0].survivor != group.merges[0].retired)
_orders = st.builds(
    lambda named, person, reason, act, said, step_id, start, modality: Group(
        registration([person]),
        order=order(
            *named,
            reason=reason,
            act=act,
            procedures=said,
            step=step_id,
            start=start,
            modality=modality or _needed(said),
        ),
    ),
    _numbers,
    _people,
    _values,
    _done,
    st.lists(
        st.tuples(st.sampled_from(["", "RP1", "RP2"]), st.sampled_from(["71260", "71250", ""])),
        min_size=1,
        max_size=3,
        unique_by=lambda said: said[0] or id(said),
    ),
    st.sampled_from(["", "SP1", "SP2"]),
    st.integers(0, 3),
    st.sampled_from([None, "CT", "MR"]),
)
_ends = st.builds(
    lambda named, act: Group(order=OrderUpdate(*_named(*named), act=act)),
    _numbers,
    st.sampled_from(list(StatusEvent.Kind)),
)
_of_people = st.one_of(_registrations, _merges)
HISTORIES: Final = st.lists(
    st.builds(
        lambda first, others: [first, *others],
        st.one_of(_orders, _ends, _of_people),
        st.lists(_of_people, max_size=1),
    ),
    min_size=2,
    max_size=9,
)
"""Messages of one or two groups each, in the order in which they were made.

Of several orders in one message that turn out to be one, nobody can tell which says what it is now.
"""


def _needed(procedures: Iterable[tuple[str, str]]) -> str | None:
    """Without a code a procedure needs a modality."""
    return None if all(code for _, code in procedures) else "CT"


def registration(people: Iterable[str], visit: str = "", **demographics: Any) -> Registration:
    """Some identifiers that are one patient."""
    named = [Identifier(value, GENHOSP, "MR") for value in people]
    return Registration(named, demographics, VisitUpdate(GENHOSP, visit, {}) if visit else None)


def order(
    placer: str | None,
    filler: str | None = None,
    *,
    reason: Any = None,
    act: StatusEvent.Kind | None = None,
    procedures: Sequence[tuple[str, str]] = (("", "71260"),),
    step: str = "",
    start: int = 1,
    modality: str | None = "CT",
) -> OrderUpdate:
    """An order of some CTs, each with its ID or none and its code."""
    said = StepContent(modality=modality, start=EIGHT + timedelta(hours=start) if start else None)
    return OrderUpdate(
        *_named(placer, filler),
        act=act,
        content=OrderContent(reason=reason),
        procedures=[
            ProcedureUpdate(id, place, ProcedureContent(code=code or None), [StepUpdate(step, said)])
            for place, (id, code) in enumerate(procedures, 1)
        ],
    )


def made(groups: Sequence[Group], number: int) -> ChangeSet:
    """A message made `number` minutes after eight."""
    stamp = Stamp(EIGHT + timedelta(minutes=number), control_id=(number, ""))
    return ChangeSet(Provenance(FACILITY, stamp, EIGHT, source=f"m{number}", policy=POLICY), groups)


def state_after(arrivals: Iterable[ChangeSet]) -> dict[str, Any]:
    """All that is derived of messages, in their order of arrival; without keys and random ids."""
    patients, orders = PatientIndex((), (), (), CATALOGUE), OrderBook((), CATALOGUE)
    for changes in arrivals:
        assert refusal(changes, CATALOGUE) is None
        for group in changes.groups:
            record: PatientRecord | None = None
            if said := group.registration:
                record = patients.register(said, changes.provenance)
                if said.visit:
                    patients.visit(said.visit, record, changes.provenance)
            for tie in group.merges:
                patients.join_or_part(tie, changes.provenance)
            if update := group.order:
                content = update.content
                if record is not None:
                    content = OrderContent(patient_id=record.id, reason=content.reason)
                orders.apply(update, content, changes.provenance)
        patients.resolve(changes.provenance)
    return _state(patients, orders)


def _state(patients: PatientIndex, orders: OrderBook) -> dict[str, Any]:
    names = {key: row.value for key, row in patients.patients.items()} | {None: ""}
    found = []
    for one in orders.aggregates.values():
        row = one.order
        events = sorted((event.kind, event.stamp, event.step_id is not None) for event in one.events)
        procedures = sorted(
            (
                (procedure.requested_procedure_id, procedure.study_instance_uid, procedure.place),
                procedure.code,
                _when(procedure),
                sorted(
                    (
                        step.scheduled_procedure_step_id,
                        step.status,
                        step.modality,
                        str(step.start),
                        step.due,
                        _when(step),
                    )
                    for step in steps
                ),
            )
            for procedure, steps in one.by_procedure()
        )
        said = (row.status, row.accession_number, row.reason, names[row.patient_id])
        found.append((sorted(number.key for number in one.numbers), said, _when(row), events, procedures))
    return {
        "patients": sorted(
            (row.value, row.name, row.address, names[row.survivor_id], _when(row))
            for row in patients.patients.values()
        ),
        "links": sorted(
            (names[row.retired_id], names[row.survivor_id], row.kind, row.stamp, row.conflict)
            for row in patients.links.values()
        ),
        "visits": sorted((row.number, names[row.patient_id], _when(row)) for row in patients.visits.values()),
        "orders": sorted(found),
    }


def _named(placer: str | None, filler: str | None) -> tuple[Number | None, Number | None]:
    return Number(placer, "HIS") if placer else None, Number(filler, "RIS") if filler else None


def _when(row: Any) -> list[tuple[str, str]]:
    return sorted((name, stamp[0]) for name, stamp in row.stamps.items())
