"""Who asks, and whether they may: signed in, of a role, of the thing's facility."""

from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from accounts.actor import actor_of
from accounts.models import User
from ledger import audit
from web.kernel import session

_Row = TypeVar("_Row", bound=Model)


def allow(request: HttpRequest, action: str) -> User:
    """The user, who may do `action`; raises `Forbidden`."""
    actor = actor_of(request)
    actor.require(action)
    return actor.person


def find(rows: "QuerySet[_Row]", mine: "QuerySet[_Row]", request: HttpRequest, **key: str) -> _Row:
    """The one of the user's rows (`mine`, of all `rows`) that `key` names; raises Http404.

    What is another facility's does not exist for the user, but asking for it is noted.
    """
    if any(_is_odd(value) for value in key.values()):
        raise Http404
    found = mine.filter(**key).first()
    if found is not None:
        return found
    if rows.filter(**key).exists():
        name = rows.model._meta.model_name or ""
        actor_of(request).refusals.extend((name, value) for value in key.values())
    raise Http404


def note_reading(request: HttpRequest, code: str, *things: audit.Thing) -> None:
    """Write to the audit trail that these things were read, once an hour for each person and thing.

    What a page fetches anew by itself, on and on, reads nothing that the person was shown already.
    """
    is_tick = request.headers.get(session.LIVE) == session.TICK
    once_per = audit.ONCE_SHOWN if is_tick else audit.ONCE_PER
    audit.note_reading(actor_of(request), code, *things, once_per=once_per)


def _is_odd(value: str) -> bool:
    """Whether a text can't be any id, so that no database need be asked."""
    return not value.isascii() or not value.isprintable() or len(value) > 64
