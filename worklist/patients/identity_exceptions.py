"""Doubts about who somebody is, kept for a person to look at, ended by one or by what messages say later."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import access
from accounts.actor import Actor
from accounts.models import User
from ledger import audit, events
from ledger.errors import Conflict, Missing, Unknown
from ledger.events import Thing
from worklist import worklist_events
from worklist.models import IdentityException, IdentityExceptionKind, Patient
from worklist.patients.identity_doubt import IdentityDoubt
from worklist.provenance import Provenance

Status = IdentityException.Status
_OF_TWO_PEOPLE: Final = (
    IdentityExceptionKind.OTHER_PATIENT,
    IdentityExceptionKind.REPORT_OF_ANOTHER,
    IdentityExceptionKind.SHARED_NUMBER,
    IdentityExceptionKind.VISIT_OF_ANOTHER,
)
"""Doubts that end once both are one person."""
_OF_ONE: Final = IdentityExceptionKind.LINKED_BY_MESSAGE
"""A doubt that ends once they are two."""


def open_all(doubts: Iterable[IdentityDoubt], provenance: Provenance, *, is_again: bool = False) -> None:
    """Keep doubts, in the caller's transaction. One that is there is counted, and open again.

    `is_again` is what a message says that is only applied again: it is not counted.
    """
    assert connection.in_atomic_block
    for doubt in doubts:
        _open(doubt, provenance, counts=not is_again)


def settle(people: Collection[int]) -> None:
    """End what is open of patient records, by their keys, and is no doubt any more.

    They are one person, or two where one message had made them one.
    """
    rows = IdentityException.objects.filter(status=Status.OPEN, kind__in=[*_OF_TWO_PEOPLE, _OF_ONE])
    rows = rows.filter(Q(patient__in=people) | Q(other__in=people)).order_by("pk")
    for row in rows.select_related("patient__survivor", "other__survivor", "order"):
        is_one = _is_one_person(row)
        if row.kind != _OF_ONE and is_one:
            _end(row, Status.CLOSED, by="", reason="both are one person now")
        elif row.kind == _OF_ONE and not is_one:
            _end(row, Status.CLOSED, by="", reason="they are two people now")


def resolve(row: IdentityException, *, reason: str, by: Actor) -> None:
    """Say that it has been looked after. Raises `Missing` without a reason, `Conflict` where it has ended."""
    by.require("identity.decide", row.facility)
    if not reason.strip():
        raise Missing("give a reason", "reason")
    row = whole(IdentityException.objects.select_for_update(of=("self",))).get(pk=row.pk)
    if row.status != Status.OPEN:
        raise Conflict("it is not open any more", "status")
    _end(row, Status.RESOLVED, by=str(by), reason=reason.strip())
    _note(by, row, "Identity exception resolved")


def reopen(row: IdentityException, *, reason: str, by: Actor) -> None:
    """Take back that it was looked after. Raises `Missing` without a reason, `Conflict` where it is open."""
    by.require("identity.decide", row.facility)
    if not reason.strip():
        raise Missing("give a reason", "reason")
    row = whole(IdentityException.objects.select_for_update(of=("self",))).get(pk=row.pk)
    if row.status == Status.OPEN:
        raise Conflict("it is open", "status")
    row.status, row.ended_at, row.ended_by, row.end_reason = Status.OPEN, None, "", ""
    row.save(update_fields=["status", "ended_at", "ended_by", "end_reason"])
    events.record(
        worklist_events.IDENTITY_EXCEPTION_REOPENED, about=things(row), actor=by, reason=reason.strip()
    )
    _note(by, row, "Identity exception reopened")


def hand_over(row: IdentityException, *, to: User | None, note: str, by: Actor) -> None:
    """Leave it to somebody, or to whoever looks next, with a note. Raises `Missing` without one, `Conflict`
    where it has ended, `Unknown` for somebody who may not end it."""
    by.require("identity.decide", row.facility)
    if not note.strip():
        raise Missing("say what is to be done", "note")
    if to is not None and to not in people(row):
        raise Unknown("this person can't look after it", "to")
    row = whole(IdentityException.objects.select_for_update(of=("self",))).get(pk=row.pk)
    if row.status != Status.OPEN:
        raise Conflict("it is not open any more", "status")
    events.record(
        worklist_events.IDENTITY_EXCEPTION_HANDED,
        about=things(row),
        actor=by,
        reason=note.strip()[:500],
        person=str(to) if to else "",
    )
    _note(by, row, "Identity exception handed over")


def people(row: IdentityException) -> list[User]:
    """Who may end it, by name."""
    users = User.objects.filter(is_active=True, facilities=row.facility).order_by("username")
    return [user for user in users if access.can(user, "identity.decide")]


def close(rows: QuerySet[IdentityException], *, reason: str) -> int:
    """End those that are open, in the caller's transaction, since what came later settled them; how many."""
    assert connection.in_atomic_block
    found = rows.filter(status=Status.OPEN).select_for_update(of=("self",)).order_by("pk")
    ended = list(whole(found))
    for row in ended:
        _end(row, Status.CLOSED, by="", reason=reason)
    return len(ended)


def named_record(row: IdentityException) -> Patient | None:
    """The record here of whom the message names, if there is one and it is not that of `row.patient`."""
    record = row.other or _records(row.said.get("identifiers", [])).filter(facility=row.facility).first()
    is_same = record is not None and row.patient is not None and record.current == row.patient.current
    return None if is_same else record


def of_user(user: Any) -> QuerySet[IdentityException]:
    """Those of the user's facilities."""
    return access.visible(IdentityException.objects.all(), user)


def find(user: Any, *, status: str = "", kinds: Collection[str] = ()) -> QuerySet[IdentityException]:
    """Those of the user's facilities that have a status and are of one of some kinds."""
    rows = of_user(user)
    if status:
        rows = rows.filter(status=status)
    return rows.filter(kind__in=kinds) if kinds else rows


def whole(rows: QuerySet[IdentityException]) -> QuerySet[IdentityException]:
    """The rows with all that is shown of them."""
    people = (
        f"{name}__{part}" for name in ("patient", "other") for part in ("authority", "survivor__authority")
    )
    return rows.select_related("order", "facility", *people)


def things(row: IdentityException) -> list[Thing]:
    """What it is about: itself, its patients, its order."""
    found = [("identity-exception", row.public_id)]
    found += [("patient", one.public_id) for one in (row.patient, row.other) if one is not None]
    return found + ([("order", row.order.public_id)] if row.order is not None else [])


def _open(doubt: IdentityDoubt, provenance: Provenance, *, counts: bool) -> None:
    now = timezone.now()
    newest: Mapping[str, Any] = {
        "text": doubt.text[:500],
        "patient_id": doubt.patient,
        "other_id": doubt.other or _other_named(doubt),
        "order_id": doubt.order,
        "said": dict(doubt.said),
        "source": provenance.source,
        "last_at": now,
        "status": Status.OPEN,
    }
    row, is_new = IdentityException.objects.get_or_create(
        kind=doubt.kind,
        key=doubt.key[:200],
        defaults={"facility": provenance.facility, "opened_at": now, **newest},
    )
    if not is_new:
        again = {**newest, "ended_at": None, "ended_by": "", "end_reason": ""}
        if row.status != Status.OPEN:
            again["opened_at"] = now
        IdentityException.objects.filter(pk=row.pk).update(times=F("times") + int(counts), **again)
        row.refresh_from_db()
    if is_new or row.opened_at == now:
        about = dict.fromkeys([*things(row), *_message(provenance)])
        events.record(
            worklist_events.IDENTITY_EXCEPTION_OPENED,
            about=about,
            occurred_at=now,
            source=provenance.source,
            text=row.text,
        )


def _message(provenance: Provenance) -> Iterable[Thing]:
    kind, _, key = provenance.source.partition(":")
    return [("message", key)] if kind == "hl7" else []


def _end(row: IdentityException, status: str, *, by: str, reason: str) -> None:
    row.status, row.ended_at, row.ended_by, row.end_reason = status, timezone.now(), by, reason[:500]
    row.save(update_fields=["status", "ended_at", "ended_by", "end_reason"])
    events.record(worklist_events.IDENTITY_EXCEPTION_ENDED, about=things(row), actor=by, reason=reason)


def _is_one_person(row: IdentityException) -> bool:
    if row.patient is None:
        return False
    others = {row.other.current.pk} if row.other else _named(row.said.get("identifiers", []))
    return row.patient.current.pk in others


def _other_named(doubt: IdentityDoubt) -> int | None:
    """Who is here of those whom a message names, where its doubt says only how."""
    people = _named(doubt.said.get("identifiers", [])) - {doubt.patient}
    return min(people, default=None)


def _named(texts: Iterable[str]) -> set[int]:
    """The keys of the records under which those show that a message named."""
    return {survivor or key for key, survivor in _records(texts).values_list("pk", "survivor_id")}


def _records(texts: Iterable[str]) -> QuerySet[Patient]:
    wanted = Q(pk__in=[])
    for text in texts:
        value, _, namespace = text.partition("^^^")
        wanted |= Q(value=value, authority__namespace=namespace)
    return Patient.objects.filter(wanted).select_related("survivor", "authority").order_by("pk")


def _note(by: Actor, row: IdentityException, act: str) -> None:
    patients = [thing for thing in things(row) if thing[0] == "patient"]
    audit.note(by, audit.PATIENT_RECORD, audit.UPDATE, *patients, act=act)
