"""Who asks, from where, through which interface: worked out once for every request."""

from collections.abc import Callable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts.actor import Actor, Interface
from accounts.models import User
from ledger import audit
from ledger.errors import Forbidden
from web.kernel import error_pages

_INTERFACES: Final[Mapping[str, Interface]] = {
    "/api/": Interface.REST,
    "/dicom-web": Interface.DICOMWEB,
    "/wado": Interface.DICOMWEB,
}
"""What a path begins with; all else is a page."""


class ActorMiddleware:
    """Sets `request.actor`, and writes down what was refused to it.

    It is written once the request is done: the transaction that it was refused in is rolled back by then.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusals: list[audit.Thing] = []
        request.actor = SimpleLazyObject(lambda: made(request, request.user, refusals))  # type: ignore[attr-defined]
        response = self.get_response(request)
        if refusals:
            audit.note_refusal(request.actor, *refusals)  # type: ignore[attr-defined]
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page that says so, where a service forbids what the page itself let through."""
        return error_pages.forbidden(request) if isinstance(error, Forbidden) else None


def made(request: HttpRequest, user: object, refusals: list[audit.Thing] | None = None) -> Actor:
    """The actor of a request; one without a name of ours is unknown."""
    known = user if isinstance(user, User) else None
    found = (one for path, one in _INTERFACES.items() if request.path.startswith(path))
    return Actor(
        name=known.username if known else "unknown",
        interface=next(found, Interface.PAGE),
        shown=str(known or ""),
        address=str(request.META.get("REMOTE_ADDR", "")),
        user=known,
        refusals=[] if refusals is None else refusals,
    )
