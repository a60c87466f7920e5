"""Bearer tokens beside web sessions."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.models import Token


class TokenMiddleware:
    """Sets `request.user` from `Authorization: Bearer TOKEN`, the same on every door.

    A request with a token has no session, so it can't be forged by a page: it is exempt from the CSRF check.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and (user := Token.user_of(text.strip())):
            request.user = user
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return self.get_response(request)
