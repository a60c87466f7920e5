"""The REST API, as the people of the department use it: with a token each."""

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from simulator.surroundings import Address

PATIENCE = 60.0
"""Seconds for which a system that does not answer is asked again."""


def wait_until_ready(address: Address, stop: threading.Event) -> bool:
    """Wait until the system says that it is ready; False if the day was stopped before.

    401: it is bound to an address outside loopback, where readiness is told to users only.
    """
    url = f"{_base(address)}/readyz"
    while not stop.is_set():
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return True
        except OSError:
            pass
        stop.wait(0.5)
    return False


def _base(address: Address) -> str:
    host, port = address
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Refused(Exception):
    """The system's answer was an error; `status` is that of HTTP."""

    def __init__(self, status: int, call: str, body: str) -> None:
        super().__init__(f"{call}: {status} {body[:200]}")
        self.status = status


class Api:
    """Calls under `/api/v1` in the name of one user."""

    def __init__(self, address: Address, token: str, stop: threading.Event) -> None:
        self._base = f"{_base(address)}/api/v1"
        self._token = token
        self._stop = stop

    def get(self, path: str, **query: str) -> Any:
        """The JSON that a GET answers."""
        return self._call("GET", path + (f"?{urllib.parse.urlencode(query)}" if query else ""), None)

    def post(self, path: str, data: Any = None) -> Any:
        """The JSON that a POST answers."""
        return self._call("POST", path, {} if data is None else data)

    def patch(self, path: str, data: Any) -> Any:
        """The JSON that a PATCH answers."""
        return self._call("PATCH", path, data)

    def study(self, uid: str) -> dict[str, Any]:
        """A study as the API shows it, empty before it is indexed."""
        results = self.get("/studies", study_instance_uid=uid)["results"]
        return results[0] if results else {}

    def step_of(self, accession_number: str) -> dict[str, Any]:
        """The first step of the order with this accession number, empty where there is none."""
        for order in self.get("/orders", accession_number=accession_number)["results"]:
            for procedure in order["procedures"]:
                for step in procedure["steps"]:
                    return dict(step)
        return {}

    def _call(self, method: str, path: str, data: Any) -> Any:
        end, pause = time.monotonic() + PATIENCE, 0.3
        while True:
            try:
                return self._try(method, path, data)
            except urllib.error.HTTPError as error:
                body = error.read().decode(errors="replace")
                # While it starts, and while a database is busy.
                if error.code not in (502, 503, 504) or time.monotonic() > end:
                    raise Refused(error.code, f"{method} {path}", body) from None
            except OSError:
                if time.monotonic() > end:
                    raise
            if self._stop.wait(pause):
                raise ConnectionError("the day was stopped")
            pause = min(2 * pause, 5.0)

    def _try(self, method: str, path: str, data: Any) -> Any:
        request = urllib.request.Request(self._base + path, method=method)  # noqa: S310
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Accept", "application/json")
        if data is not None:
            request.data = json.dumps(data).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            body = answer.read()
        return json.loads(body) if body else None
