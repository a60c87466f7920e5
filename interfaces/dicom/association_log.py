"""Keep what peers did lately: associations with their end, worklist queries with their keys and answers.

Noting costs a peer nothing: a thread of its own writes it, many in one transaction. What can't be written is
logged and forgotten.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection, transaction
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID

from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.command_set import Status
from interfaces.dicom.message_exchange.dimse_service import Peer, QueryRequest, QueryResult
from interfaces.dicom.message_exchange.identifier import IdentifierError
from interfaces.dicom.models import StationContact
from interfaces.dicom.services.worklist_keys import STEP_SEQUENCE, element_text
from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.acceptor_config import AssociationFacts
from interfaces.dicom.upper_layer.pdu import Rejection

logger = logging.getLogger(__name__)

KEPT_EACH: Final = 200
"""Associations, and queries, that are kept of one AE title."""
KEPT_IN_ALL: Final = 50_000
WAITING: Final = 2_000
"""Contacts that may wait to be written; more are forgotten."""
LONGEST_IDENTIFIER: Final = 16 * 1024
GATHER: Final = 0.25
"""Seconds during which contacts are gathered for one transaction."""
KEYS: Final = 80
VALUE: Final = 100

REJECTIONS: Final = {
    pdu.NO_REASON: "no reason",
    pdu.APPLICATION_CONTEXT_NOT_SUPPORTED: "application context not supported",
    pdu.CALLING_AE_NOT_RECOGNIZED: "calling AE title not recognized",
    pdu.CALLED_AE_NOT_RECOGNIZED: "called AE title not recognized",
    pdu.PROTOCOL_VERSION_NOT_SUPPORTED: "protocol version not supported",
    pdu.TEMPORARY_CONGESTION: "temporary congestion",
    pdu.LOCAL_LIMIT_EXCEEDED: "too many associations",
}
"""Result, source and reason of an A-ASSOCIATE-RJ in words (PS3.8 table 9-21)."""

_PROBES: Final = ("closed", "")
"""Connections that end so without a word are probes of the port."""


@dataclass(frozen=True)
class _Query:
    request: QueryRequest
    at: datetime
    seconds: float
    answers: int
    status: int
    comment: str


class Recorder:
    """Takes contacts from any thread and writes them in its own."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Callable[[], StationContact] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="contacts", daemon=True)
        self._has_told = False

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, and end."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(timeout)

    def note(self, make: Callable[[], StationContact]) -> None:
        """Have the contact written that `make` makes; never waits, never raises."""
        try:
            self._waiting.put_nowait(make)
        except queue.Full:
            if not self._has_told:
                logger.warning("contacts of stations are not kept: more come than can be written")
            self._has_told = True

    def association(self, facts: AssociationFacts) -> None:
        """Note an association, or an attempt at one, that has ended."""
        if facts.peer is not None or facts.outcome not in _PROBES:
            self.note(lambda: _association(facts))

    def query(self, request: QueryRequest, results: Iterator[QueryResult]) -> Iterator[QueryResult]:
        """Pass on the answers to a query, and note it when the last has gone."""
        at, began, answers = datetime.now(UTC), time.monotonic(), 0
        status, comment = int(Status.CANCEL), ""  # unless it comes to another end
        try:
            for result in results:
                if result.status in (Status.PENDING, Status.PENDING_WARNING):
                    answers += 1
                else:
                    status, comment = result.status, result.comment
                yield result
            if status == Status.CANCEL:
                status = int(Status.SUCCESS)
        except IdentifierError as error:
            status, comment = error.status, error.comment
            raise
        except Exception:
            status, comment = int(Status.UNABLE_TO_PROCESS), "Internal error"
            raise
        finally:
            query = _Query(request, at, time.monotonic() - began, answers, status, comment)
            self.note(lambda: _query(query))

    def _run(self) -> None:
        is_open = True
        while is_open:
            makers = [self._waiting.get()]
            time.sleep(GATHER)
            with contextlib.suppress(queue.Empty):
                while len(makers) < WAITING:
                    makers.append(self._waiting.get_nowait())
            is_open = None not in makers
            try:
                write([make() for make in makers if make is not None])
                self._has_told = False
            except Exception as error:
                logger.warning("contacts of stations are not kept: %s", type(error).__name__)
            finally:
                with contextlib.suppress(Exception):
                    connection.close()


def write(contacts: list[StationContact]) -> None:
    """Write contacts and forget those that are too old, in one transaction."""
    if not contacts:
        return
    with transaction.atomic():
        StationContact.objects.bulk_create(contacts)
        for title, kind in {(contact.calling_ae_title, contact.kind) for contact in contacts}:
            rows = StationContact.objects.filter(calling_ae_title=title, kind=kind)
            oldest = rows.order_by("-id").values_list("id", flat=True)[KEPT_EACH : KEPT_EACH + 1].first()
            if oldest is not None:
                rows.filter(id__lte=oldest).delete()
        newest = StationContact.objects.order_by("-id").values_list("id", flat=True).first()
        StationContact.objects.filter(id__lte=(newest or 0) - KEPT_IN_ALL).delete()


def latest(calling_ae_title: str, kind: StationContact.Kind, limit: int = 50) -> list[StationContact]:
    """The newest contacts of one kind of a station."""
    rows = StationContact.objects.filter(calling_ae_title=calling_ae_title, kind=kind)
    return list(rows.order_by("-id")[:limit])


def _association(facts: AssociationFacts) -> StationContact:
    peer = facts.peer
    outcome, details = facts.outcome, _facts_of(peer)
    details |= {
        "seconds": round(facts.seconds, 3),
        "objects": facts.objects,
        "bytes": facts.bytes,
        "refused": [_clean(UID(uid).name)[:VALUE] for uid in facts.refused[:50]],
    }
    if facts.rejection:
        outcome = f"rejected: {_in_words(facts.rejection)}"
        details["rejection"] = list(facts.rejection)
    return StationContact(
        kind=StationContact.Kind.ASSOCIATION,
        calling_ae_title=_clean(peer.calling_ae)[:16] if peer else "",
        address=facts.address[:64],
        at=datetime.fromtimestamp(facts.began, UTC),
        outcome=outcome[:64],
        is_trouble=bool(facts.rejection or facts.aborted or facts.outcome not in _GOOD_ENDS),
        details=details,
    )


_GOOD_ENDS: Final = ("released", "released by us")


def _query(query: _Query) -> StationContact:
    request = query.request
    details: dict[str, Any] = {
        "answers": query.answers,
        "seconds": round(query.seconds, 4),
        "status": query.status,
        "comment": query.comment,
        **_asked(request),
    }
    is_whole = len(request.dataset) <= LONGEST_IDENTIFIER
    return StationContact(
        kind=StationContact.Kind.QUERY,
        calling_ae_title=_clean(request.peer.calling_ae)[:16],
        address=request.peer.address[:64],
        at=query.at,
        outcome=_ended(query)[:64],
        is_trouble=query.status not in (Status.SUCCESS, Status.CANCEL),
        details=details,
        identifier=bytes(request.dataset) if is_whole else None,
        transfer_syntax=request.transfer_syntax[:64],
    )


def _ended(query: _Query) -> str:
    if query.status == Status.SUCCESS:
        return "answered"
    if query.status == Status.CANCEL:
        return "cancelled by the station"
    return f"{query.status:04X}H {query.comment}".strip()


def _in_words(rejection: Rejection) -> str:
    return REJECTIONS.get(rejection, "/".join(map(str, rejection)))


def _facts_of(peer: Peer | None) -> dict[str, Any]:
    if peer is None:
        return {}
    return {
        "called": _clean(peer.called_ae),
        "implementation": _clean(peer.implementation_version or peer.implementation_class_uid),
        "tls": peer.certificate is not None,
    }


@dataclass
class _Asked:
    keys: list[list[str]] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)

    def read(self, dataset: Dataset) -> None:
        for element in dataset:
            name = keyword_for_tag(element.tag) or f"({element.tag.group:04X},{element.tag.element:04X})"
            if element.VR == "SQ":
                if name == STEP_SEQUENCE:
                    for item in element.value or ():
                        self.read(item)
                else:
                    self.returned.append(name)
            elif text := _clean(element_text(element))[:VALUE]:
                self.keys.append([name, text])
            else:
                self.returned.append(name)


def _asked(request: QueryRequest) -> dict[str, Any]:
    """The keys with a value, and the names of those that are only to be returned."""
    asked = _Asked()
    try:
        asked.read(identifier.decode(request.dataset, request.transfer_syntax))
    except Exception:  # the query was answered with an error; it is kept all the same
        return {"keys": [], "returned": [], "unreadable": True}
    return {"keys": asked.keys[:KEYS], "returned": asked.returned[:KEYS]}


def _clean(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
