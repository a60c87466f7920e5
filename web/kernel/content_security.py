"""Response headers that keep a page to its own origin."""

from collections.abc import Callable, MutableMapping
from typing import Final

from django.http import HttpRequest, HttpResponse

POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
VIEWER_POLICY: Final = (
    # Decoders are WebAssembly and run in workers, some of them made from blobs; styles are set by script.
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; media-src 'self' blob:; object-src 'self' blob:; "
    "frame-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
VIEWER_WORKER_POLICY: Final = VIEWER_POLICY.replace("'wasm-unsafe-eval'", "'wasm-unsafe-eval' 'unsafe-eval'")
"""Of its workers, which see no page: its JPEG 2000 decoder makes functions from text."""
VIEWER_FILES: Final = "/vendor/ohif-"


class ContentSecurityPolicyMiddleware:
    """Adds the policy to every response that does not bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


def static_headers(headers: MutableMapping[str, str], path: str, url: str) -> None:
    """Add the policy to static files: a worker has that of its script, not that of the page."""
    headers["Content-Security-Policy"] = VIEWER_WORKER_POLICY if VIEWER_FILES in url else POLICY
