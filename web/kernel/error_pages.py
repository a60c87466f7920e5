"""What is shown when something is wrong: a plain page for people, a problem document for programs."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import loader

from accounts.models import User
from interfaces.problem import problem
from web.kernel import layout
from web.kernel.access_middleware import is_interface


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    return _answer(request, 400, "The request can't be read", "Nothing was changed.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403."""
    return _answer(
        request, 403, "You may not do this", "Your roles don't allow it. An administrator can change them."
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404; who is signed in keeps the shell around it."""
    title, text = "There is nothing here", "It never was here, or it belongs to others."
    if is_interface(request.path) or not isinstance(getattr(request, "user", None), User):
        return _answer(request, 404, title, text)
    return layout.refuse(request, 404, title, text)


def server_error(request: HttpRequest) -> HttpResponse:
    """500; it touches neither the database nor the session."""
    return _answer(
        request, 500, "Something went wrong here", "What was not saved is as before. The log says more."
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from one of our pages, or came too late."""
    return _answer(
        request,
        403,
        "This form is no longer valid",
        "It was open for too long, or cookies are off. Nothing was changed: go back, reload, try again.",
    )


def _answer(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    if is_interface(request.path):
        return problem(status, detail=f"{title}. {text}")
    context: dict[str, Any] = {"title": title, "text": text, "status": status}
    return HttpResponse(loader.render_to_string("web/error.html", context), status=status)
