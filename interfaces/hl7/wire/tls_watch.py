"""Keeps a listener's TLS as the site file and its certificate files say, without a restart."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import DatabaseError, connections, transaction

from interfaces.hl7 import hl7_events
from interfaces.hl7.hl7_section import HL7Section
from interfaces.hl7.tls_files import OfListener
from interfaces.hl7.wire import certificates
from interfaces.hl7.wire.mllp import Listener
from ledger import events, written_dates

logger = logging.getLogger(__name__)

_ABOUT: Final = [("source", "TLS")]
EVERY: Final = 5.0
"""Seconds between two looks."""


class TlsWatch:
    """Looks at the site file's section and the files that it names, and has the listener follow."""

    def __init__(self, listener: Listener, wanted: Callable[[], OfListener | None] | None = None) -> None:
        self._listener = listener
        self._wanted = wanted or _of_section
        self._known: Any = None
        self._address = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until `stop` is set."""
        while not stop.is_set():
            await self.look()
            try:
                await asyncio.wait_for(stop.wait(), EVERY)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Follow what has changed since the last look; what can't be used is told, and all stays as it is."""
        loop = asyncio.get_running_loop()
        try:
            files = await loop.run_in_executor(None, self._wanted)
        except DatabaseError:
            return
        now = (files, certificates.signature(files.files)) if files else None
        if now == self._known:
            return
        self._known = now
        if files is None:
            self._listener.stop_tls()
            self._address = ""
            return
        try:
            self._follow(files)
        except (certificates.Unusable, OSError) as error:
            logger.error("TLS of the listener can't be used: %s", error)
            await loop.run_in_executor(None, _tell_unusable, error)
            return
        await loop.run_in_executor(None, _tell_loaded, files)

    def _follow(self, files: OfListener) -> None:
        self._listener.tls = certificates.of_listener(files)
        if files.address != self._address:
            host, _, port = files.address.rpartition(":")
            self._listener.listen_with_tls(host, int(port))
            self._address = files.address


def _of_section() -> OfListener | None:
    try:
        return HL7Section.current().tls
    finally:
        connections.close_all()


def _tell_loaded(files: OfListener) -> None:
    ends = written_dates.day(certificates.expires_at(files.certificate))
    with _recording():
        events.record(hl7_events.TLS_LOADED, about=_ABOUT, ends=ends)


def _tell_unusable(error: Exception) -> None:
    with _recording():
        events.record(hl7_events.TLS_UNUSABLE, about=_ABOUT, error=str(error)[:500])


@contextmanager
def _recording() -> Iterator[None]:
    """A transaction of this thread alone; without a database it goes without the event."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        logger.error("an event is not recorded: %s", type(error).__name__)
    finally:
        connections.close_all()
