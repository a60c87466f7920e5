"""A day whose messages come twice, late, in another order and through restarts ends as one without."""

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from accounts.models import Facility, SiteSection
from interfaces.hl7.inbound import inbox, message_store, sources
from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.models import Source
from simulator import messages, plan
from simulator.messages import Writer
from simulator.plan import Case, Fate
from worklist.models import (
    Order,
    OrderNumber,
    Patient,
    PatientLink,
    RequestedProcedure,
    ScheduledProcedureStep,
    StatusEvent,
    Visit,
)

pytestmark = pytest.mark.django_db(transaction=True)
EIGHT = datetime(2026, 3, 2, 8, tzinfo=timezone(timedelta(hours=1)))
TABLES = (OrderNumber, StatusEvent, ScheduledProcedureStep, RequestedProcedure, Order, Visit, PatientLink)
_OURS = {"id", "public_id", "created_at", "first_received_at", "content_received_at", "source", "actor"}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the HIS sends in a day, in the order in which it does."""
    cases = plan.day(seed=11, run="7654321", orders=120)
    clock = [EIGHT]
    monkeypatch.setattr(messages, "now", lambda: clock[0])
    numbers = itertools.count(1)
    writer = Writer("DAY", lambda: next(numbers), lambda at: EIGHT + timedelta(minutes=at))
    sent = []
    for minute, case, what in sorted(_acts(cases), key=lambda act: (act[0], act[1].number, act[2])):
        clock[0] = EIGHT + timedelta(minutes=minute)
        sent.append(_message(writer, case, what))
    return sent


def _acts(cases: Sequence[Case]) -> Iterator[tuple[float, Case, str]]:
    for case in cases:
        if not case.is_ordered:
            continue
        yield case.ordered, case, "1 admission"
        yield case.ordered + 0.5, case, "2 NW"
        if case.moved_to is not None:
            yield case.ordered + 20, case, "3 XO"
        if case.number % 9 == 0:
            yield case.ordered + 30, case, "4 merge"
        if case.number % 5 == 0:
            yield case.ordered + 35, case, "5 update"
        if case.fate is Fate.CANCELLED:
            yield case.ordered + 40, case, "6 CA"


def _message(writer: Writer, case: Case, what: str) -> bytes:
    kind = what[2:]
    if kind == "admission":
        return writer.admission(case).raw
    if kind == "merge":
        return writer.merge(case.person, f"OLD{case.number}").raw
    if kind == "update":
        return writer.update(case.person).raw
    return writer.order(case, kind).raw


def disturbed(sent: Sequence[bytes], dice: random.Random) -> list[bytes]:
    """Each message late by up to thirty places, and every sixth once more later."""
    places = [(place + dice.uniform(0, 30), raw) for place, raw in enumerate(sent)]
    places += [(place + dice.uniform(0, 90), raw) for place, raw in enumerate(sent) if dice.random() < 1 / 6]
    return [raw for _, raw in sorted(places, key=lambda pair: pair[0])]


def deliver(sent: Sequence[bytes], dice: random.Random | None = None) -> None:
    """Send messages, a few at a time; with dice, now and then the process ends before it applies them."""
    start = 0
    while start < len(sent):
        some = sent[start : start + (dice.randint(1, 12) if dice else 8)]
        start += len(some)
        if dice and dice.random() < 0.1:
            message_store.store([Arrival.of(raw, "") for raw in some])
            sources.forget()
            inbox.catch_up()
            continue
        answers = inbox.receive_all([(raw, "") for raw in some])
        assert all(b"MSA|AA|" in (answer or b"") for answer in answers), answers


def state() -> dict[str, list[Any]]:
    """All that is known of patients and orders; rows are called by what their sender calls them."""
    names = {row.pk: row.value for row in Patient.objects.all()}
    found: dict[str, list[Any]] = {"patients": [_row(row, names) for row in Patient.objects.all()]}
    orders = {row.pk: row.accession_number for row in Order.objects.all()}
    for table in TABLES:
        found[table.__name__] = [_row(row, names, orders) for row in table.objects.all()]
    return {name: sorted(rows, key=str) for name, rows in found.items()}


def _row(row: Any, names: dict[int, str], orders: dict[int, str] | None = None) -> dict[str, Any]:
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    values = {name: value for name, value in values.items() if name not in _OURS}
    for name in ("patient_id", "survivor_id", "retired_id"):
        if name in values:
            values[name] = names.get(values[name])
    for name in ("procedure_id", "step_id", "visit_id"):
        values.pop(name, None)
    if "order_id" in values:
        values["order_id"] = (orders or {}).get(values["order_id"])
    stamps = values.pop("stamps", {})
    return {**values, "stamps": {name: stamp[0] for name, stamp in stamps.items()}}


def forget_all() -> None:
    Patient.objects.update(survivor=None)
    for table in (*TABLES, Patient):
        table.objects.all().delete()


@pytest.mark.parametrize("seed", [1, 2])
def test_it_ends_as_the_day_without(facility: Facility, said: list[bytes], seed: int) -> None:
    sources.forget()
    options = {"assigning_authority": "GENHOSP", "processing_ids": ["*"]}
    Source.objects.create(name="any", facility=facility, options=options)
    SiteSection.objects.create(name="hl7", content={"accept_unknown_sources": True})
    policies = {"unknown_authorities": "accept", "unknown_procedure_codes": "accept_with_modality"}
    SiteSection.objects.create(name="worklist", content=policies)
    dice = random.Random(seed)
    deliver(disturbed(said, dice), dice)
    late = state()
    assert len(late["Order"]) > 100 and len(late["PatientLink"]) > 5
    forget_all()
    sources.forget()
    # Each as if it came for the first time: its control ID is another, its content is not.
    deliver([raw.replace(b"|DAY", b"|DAX", 1) for raw in said])
    calm = state()
    for name, rows in calm.items():
        ours, theirs = set(_without_ids(late[name])), set(_without_ids(rows))
        assert sorted(ours - theirs) == sorted(theirs - ours), name


def _without_ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Stamps hold the control ID and the digest of the message."""
    texts = []
    for row in rows:
        stamps = sorted((name, stamp.partition("|")[0]) for name, stamp in row["stamps"].items())
        texts.append(str({**row, "stamps": stamps, "stamp": str(row.get("stamp", "")).partition("|")[0]}))
    return sorted(texts)
