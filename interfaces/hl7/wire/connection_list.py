"""Who is connected to a listener: kept in memory, and written down when it has changed, for people to see."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.models import OpenConnections
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger import heartbeat
from ledger.models import Heartbeat

MOST: Final = 500
"""Pairs of sender and address that are written down; the rest are connections all the same."""


@dataclass(eq=False, slots=True)
class Connection:
    """An open connection: from where, since when, and whose, once its first message has said so.

    `junk` are the bytes that came outside of frames.
    """

    peer: str
    since: datetime = field(default_factory=timezone.now)
    source: str = ""
    junk: int = 0

    def heard(self, message: bytes) -> None:
        """Learn whose it is from its first message."""
        if self.source:
            return
        try:
            self.source = Arrival.of(message[:4096], self.peer).source
        except Er7Error:
            return


class ConnectionList:
    """All connections of one listener."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._written: dict[tuple[str, str], tuple[int, datetime]] | None = None
        self._lock = threading.Lock()

    def opened(self, peer: str) -> Connection:
        """A new one."""
        connection = Connection(peer[:64])
        with self._lock:
            self._open.add(connection)
        return connection

    def closed(self, connection: Connection) -> None:
        """One that has ended."""
        with self._lock:
            self._open.discard(connection)

    def write(self) -> None:
        """Write down who is connected, if that has changed since the last time."""
        with self._lock:
            connections = list(self._open)
        groups: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        for one in connections:
            groups[one.source, one.peer].append(one.since)
        now = {key: (len(since), min(since)) for key, since in list(groups.items())[:MOST]}
        if now == self._written:
            return
        instance = heartbeat.instance()
        rows = [
            OpenConnections(instance=instance, source=source, peer=peer, number=number, since=since)
            for (source, peer), (number, since) in now.items()
        ]
        with transaction.atomic():
            alive = Heartbeat.objects.filter(process="hl7").values("instance")
            OpenConnections.objects.exclude(instance__in=alive).delete()
            OpenConnections.objects.filter(instance=instance).delete()
            OpenConnections.objects.bulk_create(rows)
        self._written = now
