"""`/identity-exceptions`: where messages disagree on who somebody is, and ending that."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router

from accounts.actor import Actor, actor_of
from accounts.models import User
from ledger import audit
from ledger.errors import Unknown
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.schemas import Reason
from web.rest.schemas.identities import (
    HandOver,
    IdentityException,
    IdentityExceptions,
    IdentityFilters,
    NamedPatient,
)
from worklist.models import IdentityException as Row
from worklist.models import IdentityExceptionKind
from worklist.patients import identity_exceptions

router = Router(tags=["exceptions"])


@router.get("", response=IdentityExceptions, summary="Find identities in doubt")
def find_identity_exceptions(
    request: HttpRequest, filters: Annotated[IdentityFilters, Query()], paging: Page
) -> dict[str, Any]:
    """The oldest first."""
    user = authorization.allow(request, "exception.view")
    kinds = (filters.kind,) if filters.kind else ()
    rows = identity_exceptions.find(user, status=filters.status or "", kinds=kinds).order_by(
        "opened_at", "pk"
    )
    found = page(identity_exceptions.whole(rows), paging, lambda part: [_shown(row) for row in part])
    things = [("patient", one.patient) for one in found["results"] if one.patient]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    return found


@router.get("/{id}", response=IdentityException, summary="Read an identity in doubt")
def read_identity_exception(request: HttpRequest, id: str) -> IdentityException:
    """One."""
    row = _find(request, authorization.allow(request, "exception.view"), id)
    things = [thing for thing in identity_exceptions.things(row) if thing[0] == "patient"]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    return _shown(row)


@router.post("/{id}/resolve", response=IdentityException, summary="Say that it was looked after")
def resolve_identity_exception(request: HttpRequest, id: str, body: Reason) -> IdentityException:
    """409 where it has ended already."""
    return _done(request, id, identity_exceptions.resolve, body.reason)


@router.post("/{id}/hand-over", response=IdentityException, summary="Hand it over with a note")
def hand_over_identity_exception(request: HttpRequest, id: str, body: HandOver) -> IdentityException:
    """409 where it has ended; 422 for somebody who may not end it."""
    to = User.objects.filter(username=body.to).first() if body.to else None
    if body.to and to is None:
        raise Unknown("there is no such person", "to")
    return _done(request, id, partial(_hand_over, to=to), body.note)


@router.post("/{id}/reopen", response=IdentityException, summary="Take back that it was looked after")
def reopen_identity_exception(request: HttpRequest, id: str, body: Reason) -> IdentityException:
    """409 where it is open."""
    return _done(request, id, identity_exceptions.reopen, body.reason)


def _done(request: HttpRequest, id: str, act: Callable[..., None], reason: str) -> IdentityException:
    user = authorization.allow(request, "identity.decide")
    with transaction.atomic():
        act(_find(request, user, id), reason=reason, by=actor_of(request))
    return _shown(_find(request, user, id))


def _hand_over(row: Row, *, to: User | None, reason: str, by: Actor) -> None:
    identity_exceptions.hand_over(row, to=to, note=reason, by=by)


def _find(request: HttpRequest, user: User, id: str) -> Row:
    rows = identity_exceptions.whole(Row.objects.all())
    mine = identity_exceptions.whole(identity_exceptions.of_user(user))
    return authorization.find(rows, mine, request, public_id=id)


def _shown(row: Row) -> IdentityException:
    kind, _, key = row.source.partition(":")
    return IdentityException(
        id=row.public_id,
        kind=IdentityExceptionKind(row.kind),
        text=row.text,
        status=Row.Status(row.status),
        patient=row.patient.public_id if row.patient else "",
        other=row.other.public_id if row.other else "",
        order=row.order.public_id if row.order else "",
        named=NamedPatient(**row.said),
        message=key if kind == "hl7" else "",
        times=row.times,
        opened_at=row.opened_at,
        last_at=row.last_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        end_reason=row.end_reason,
    )
