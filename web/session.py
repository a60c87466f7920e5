"""Sessions that end when nobody works: what a page fetches by itself does not keep one alive."""

from typing import Final

from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

LIVE: Final = "X-Live"
"""The header of requests that a page makes by itself, on and on, or for an act."""


class IdleSessionMiddleware(SessionMiddleware):
    """Saves the session on each request but those for live changes, so that the time without work counts."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Leave the session as it is after a live request that changed nothing in it."""
        is_live = LIVE in request.headers and request.method == "GET"
        if is_live and not request.session.modified:
            patch_vary_headers(response, ("Cookie",))
            return response
        answer: HttpResponse = super().process_response(request, response)
        return answer
