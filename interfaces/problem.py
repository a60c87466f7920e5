"""Errors as RFC 9457 problem details, the same on every HTTP interface."""

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse


def problem(status: int, title: str = "", detail: str = "", **members: Any) -> JsonResponse:
    """An answer of type `application/problem+json`; the title is by default that of the status."""
    content = {"type": "about:blank", "title": title or HTTPStatus(status).phrase, "status": status}
    if detail:
        content["detail"] = detail
    response = JsonResponse(content | members, status=status, content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    return response
