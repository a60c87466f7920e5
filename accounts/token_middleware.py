"""Bearer tokens beside web sessions."""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from accounts.models import Token


class TokenMiddleware:
    """Sets `request.user` from `Authorization: Bearer TOKEN`, the same at every interface.

    A request with a token has no session, so it can't be forged by a page: it is exempt from the CSRF check.
    One with a token that is not valid is nobody's, even where the session is somebody's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = Token.user_of(text.strip())
            request.user = user or AnonymousUser()
            request._dont_enforce_csrf_checks = user is not None  # type: ignore[attr-defined]
        return self.get_response(request)
