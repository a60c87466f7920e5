"""What the messages of a shadow source would have made of the worklist: applied, looked at, taken back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction

from interfaces.dicom.services.worklist_item import PATIENT_LEVEL, STEP_LEVEL, Item
from interfaces.hl7.inbound import error_codes, sources, translation
from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.inbound.translation import Problem, Translation
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.shadow.worklist_answers import WorklistAnswer, alike
from ledger.errors import Refused
from worklist import catalogue
from worklist.batches import change_application
from worklist.models import ScheduledProcedureStep
from worklist.mwl import query
from worklist.mwl.matching_keys import WorklistKeys
from worklist.schedule import station_groups

MOST_MESSAGES: Final = 100_000
_TOGETHER: Final = 64


class _TakenBack(Exception):
    """Ends the transaction of which nothing may stay."""


@dataclass
class ShadowRun:
    """What came of it: the entries of the worklist, what would be refused, and who said what.

    `named_by` is by accession number, of each the newest message.
    """

    messages: int = 0
    entries: list[WorklistAnswer] = field(default_factory=list)
    refused: list[tuple[InboundMessage, Problem]] = field(default_factory=list)
    named_by: dict[str, InboundMessage] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    """What became of the steps that are on no worklist, by accession number."""


def run(source: str, *, since: datetime | None = None) -> ShadowRun:
    """Apply what a source sent as a shadow, in its order, on what is there; and take it all back.

    Others that write wait meanwhile, so it is for a system that is not live yet, or at night.
    """
    found = ShadowRun()
    try:
        with transaction.atomic():
            for part in _parts(_messages(source, since)):
                _apply(part, found)
            _look(found)
            raise _TakenBack
    except _TakenBack:
        return found


def _messages(source: str, since: datetime | None) -> Iterator[InboundMessage]:
    rows = InboundMessage.objects.filter(status=InboundStatus.SHADOW).order_by("id")
    if since is not None:
        rows = rows.filter(received_at__gte=since)
    for row in rows[:MOST_MESSAGES].iterator(chunk_size=500):
        try:
            policy = sources.policy_of(er7.read_header(bytes(row.raw)))
        except Er7Error:
            continue
        if policy.name == source:
            yield row


def _parts(rows: Iterator[InboundMessage]) -> Iterator[list[InboundMessage]]:
    part: list[InboundMessage] = []
    for row in rows:
        part.append(row)
        if len(part) == _TOGETHER:
            yield part
            part = []
    if part:
        yield part


def _apply(rows: Sequence[InboundMessage], found: ShadowRun) -> None:
    known = catalogue.current()
    read = []
    for row in rows:
        arrival = Arrival.of(bytes(row.raw), row.peer)
        one = translation.translate(row, arrival, known, is_live=True)
        read.append(one)
        found.messages += 1
        for kind, value in row.keys.values_list("kind", "value"):
            if kind == "accession":
                found.named_by[value] = row
        if one.problem is not None:
            found.refused.append((row, one.problem))
    wanted = [one for one in read if one.changes is not None]
    try:
        with transaction.atomic():
            change_application.apply([one.changes for one in wanted if one.changes], known)
    except Exception:
        for one in wanted:
            _apply_alone(one, found)


def _apply_alone(one: Translation, found: ShadowRun) -> None:
    assert one.changes is not None
    try:
        with transaction.atomic():
            change_application.apply([one.changes], catalogue.current())
    except Refused as error:
        problem = Problem(*error_codes.explain(error, one.places))
        found.refused.append((one.message, problem))


def _look(found: ShadowRun) -> None:
    groups = station_groups.titles()
    for step in query.select(WorklistKeys()):
        item = Item.of(step, groups, numbers=True)
        pairs = ((keyword, read(item)) for keyword, read in (*PATIENT_LEVEL.items(), *STEP_LEVEL.items()))
        values = {keyword: alike(keyword, value) for keyword, value in pairs if value not in ("", None)}
        found.entries.append(WorklistAnswer(step.public_id, values))
    gone = ScheduledProcedureStep.objects.filter(on_worklist=False).select_related("procedure__order")
    for step in gone.filter(procedure__order__accession_number__in=found.named_by):
        found.states[step.procedure.order.accession_number] = step.status
