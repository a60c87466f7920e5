"""Who may: signed in, of a role, of the thing's facility. What is refused is written to the audit trail."""

from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from accounts import access
from accounts.models import User
from ledger import audit
from ledger.errors import Forbidden

_Row = TypeVar("_Row", bound=Model)


class BearerOrSession(AuthBase):
    """A bearer token, or the web session; with the session, what changes something needs the CSRF token."""

    openapi_type: Final = "http"
    openapi_scheme: Final = "bearer"
    openapi_description: Final = "`manage.py token USER` prints a token. The web session does as well."
    csrf: Final = True

    def __call__(self, request: HttpRequest) -> User | None:
        """The user, or None; raises `Forbidden` for a forged request."""
        if not request.user.is_authenticated:
            return None
        if check_csrf(request) is not None:
            raise Forbidden("The CSRF token is missing or wrong; send it as X-CSRFToken.")
        user: User = request.user
        return user


def allow(request: HttpRequest, action: str) -> User:
    """The user, who may do `action`; raises `Forbidden`."""
    user: Any = request.user
    if not access.can(user, action):
        _denied(request, ("action", action))
        raise Forbidden(f"Your roles don't allow {action}.")
    return user  # type: ignore[no-any-return]


def find(rows: "QuerySet[_Row]", mine: "QuerySet[_Row]", request: HttpRequest, **key: str) -> _Row:
    """The one of the user's rows (`mine`, of all `rows`) that `key` names; raises Http404.

    What is another facility's does not exist for the user, but asking for it is noted.
    """
    found = None if any(_is_odd(value) for value in key.values()) else mine.filter(**key).first()
    if found is not None:
        return found
    if not any(_is_odd(value) for value in key.values()) and rows.filter(**key).exists():
        _denied(request, *((rows.model._meta.model_name or "", value) for value in key.values()))
    raise Http404


def address(request: HttpRequest) -> str:
    """Where a request comes from."""
    return str(request.META.get("REMOTE_ADDR", ""))


def note_change(request: HttpRequest, code: str, action: str, *things: audit.Thing) -> None:
    """Write an act to the audit trail, in the act's own transaction."""
    audit.record(code, action, actor=request.user.get_username(), address=address(request), objects=things)


def note_reading(request: HttpRequest, code: str, *things: audit.Thing) -> None:
    """Write to the audit trail that these things were read, once an hour for each person and thing."""
    audit.record_once(
        code, audit.READ, actor=request.user.get_username(), address=address(request), objects=things
    )


def _denied(request: HttpRequest, *things: audit.Thing) -> None:
    audit.record_once(
        audit.SECURITY_ALERT,
        audit.EXECUTE,
        actor=request.user.get_username(),
        address=address(request),
        objects=things,
        outcome=audit.SERIOUS_FAILURE,
    )


def _is_odd(value: str) -> bool:
    """Whether a text can't be any id, so that no database need be asked."""
    return not value.isascii() or not value.isprintable() or len(value) > 64
