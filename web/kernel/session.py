"""Sessions that end when nobody works: what a page fetches by itself does not keep one alive."""

import time
from typing import ClassVar, Final

from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from web.kernel import signing_session

LIVE: Final = "X-Live"
"""The header of requests that a page makes by itself, on and on, or for an act."""
HEARTBEAT: Final = "heartbeat"
"""Its value where a page only says that it is still there, by whatever method."""
TICK: Final = "tick"
"""Its value where a page fetches itself anew and nobody has asked it to, or looks at it perhaps."""

HEALTH: Final = ("/healthz", "/readyz", "/metrics")
"""What monitors ask for, and get an answer to while nothing can be written."""
IMAGES: Final = "/dicom-web/"
SAVED_EVERY: Final = 60.0
"""Seconds between two writes of a session for images, which a viewer fetches by the hundred."""


class IdleSessionMiddleware(SessionMiddleware):
    """Saves the session on each request but those for live changes, so that the time without work counts."""

    _saved: ClassVar[dict[str, float]] = {}

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Leave the session as it is after a live request that changed nothing in it."""
        is_beat = request.headers.get(LIVE) == HEARTBEAT
        is_live = is_beat or (LIVE in request.headers and request.method == "GET")
        is_live = is_live or request.path in HEALTH or self._is_one_of_many(request)
        if is_live and not request.session.modified:
            patch_vary_headers(response, ("Cookie",))
            return response
        if not is_live:
            signing_session.note_work(request.session)
        answer: HttpResponse = super().process_response(request, response)
        return answer

    def _is_one_of_many(self, request: HttpRequest) -> bool:
        """Whether it is for an image, and another one saved the session a moment ago."""
        if request.method != "GET" or not request.path.startswith(IMAGES) or not request.session.session_key:
            return False
        key, now = request.session.session_key, time.monotonic()
        if now - self._saved.get(key, -SAVED_EVERY) < SAVED_EVERY:
            return True
        if len(self._saved) > 1000:
            self._saved.clear()
        self._saved[key] = now
        return False
