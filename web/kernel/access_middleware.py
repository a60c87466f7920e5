"""Nobody gets in without signing in; programs are told so in a way that they understand."""

import time
from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from interfaces.problem import problem

INTERFACES: Final = ("/api/", "/dicom-web", "/wado", "/fhir")
"""What programs call: they get problem documents, never pages."""

LONGEST_SESSION: Final = 12 * 60 * 60
"""Seconds after which a person signs in again, however busy the session was."""
SIGNED_IN_AT: Final = "signed_in_at"


def is_interface(path: str) -> bool:
    """Whether a path is one that programs call."""
    return path.startswith(INTERFACES)


class AccessMiddleware(LoginRequiredMiddleware):
    """Lets only those in who are signed in: a person is asked to, a program is answered 401.

    What an interface answers in plain text, such as "method not allowed", becomes a problem document.
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """End a session that is too old, then let in or not."""
        since = request.session.get(SIGNED_IN_AT) if hasattr(request, "session") else None
        if since is not None and time.time() - since > LONGEST_SESSION:
            logout(request)
        answer: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        return answer

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """401 with a challenge at interfaces (RFC 6750 3), the sign-in page elsewhere."""
        if not is_interface(request.path):
            page: HttpResponseBase = super().handle_no_permission(request, view_func)
            return page
        return unauthorized(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Make an interface's 405 a problem document."""
        if response.status_code != 405 or not is_interface(request.path):
            return response
        if response.headers.get("Content-Type", "").startswith("application/problem+json"):
            return response
        allowed = ", ".join(sorted(response.headers.get("Allow", "").replace(" ", "").split(",")))
        answer = problem(405, detail=f"{request.method} is not one of {allowed} here.")
        answer["Allow"] = allowed
        return answer


def unauthorized(request: HttpRequest) -> HttpResponse:
    """Tell a program to bring a token."""
    has_token = request.headers.get("Authorization", "").lower().startswith("bearer")
    detail = (
        "The token is not valid, or its user may not sign in."
        if has_token
        else "Send `Authorization: Bearer TOKEN`, or sign in on the web pages."
    )
    response = problem(401, detail=detail)
    response["WWW-Authenticate"] = 'Bearer error="invalid_token"' if has_token else "Bearer"
    return response
