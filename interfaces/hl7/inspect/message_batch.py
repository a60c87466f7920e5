"""Messages as a batch file (HL7 v2.5.1 2.10.3), as they came or went, byte for byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from interfaces.hl7.inspect import message_scan
from interfaces.hl7.inspect.message_query import MessageQuery
from interfaces.hl7.inspect.message_search import Filters, Row
from ledger import written_dates

MOST: Final = 20_000
"""Messages of a file."""
MOST_LOOKED: Final = 200_000
"""Messages that are read to find them, where no index does."""
MOST_SECONDS: Final = 60.0
_HEADER: Final = "|^~\\&|RISPACS|||"


@dataclass
class Cut:
    """Why some messages that fit are not in a file; empty where all are."""

    why: str = ""


def bounded(rows: Iterator[Row], cut: Cut) -> Iterator[Row]:
    """The first of some messages, as many as a file has."""
    for number, row in enumerate(rows):
        if number == MOST:
            cut.why = f"only the first {MOST} messages"
            return
        yield row


def written(rows: Iterator[Row], cut: Cut) -> Iterator[bytes]:
    """The file, in pieces; the trailer says how many messages there are, and whether some were left out."""
    at = timezone.now().strftime("%Y%m%d%H%M%S+0000")
    yield f"FHS{_HEADER}|{at}\rBHS{_HEADER}|{at}\r".encode()
    number = 0
    for row in rows:
        raw = bytes(row.raw or b"").strip(b"\r\n")
        if raw:
            number += 1
            yield raw + b"\r"
    yield f"BTS|{number}|{cut.why}\rFTS|1\r".encode()


def scanned(filters: Filters, query: MessageQuery, cut: Cut) -> Iterator[Row]:
    """The messages that have in them what is wanted, newest first, as far as the bounds go."""
    after, looked, seconds = None, 0, 0.0
    while looked < MOST_LOOKED and seconds < MOST_SECONDS:
        found = message_scan.scan(filters, query, after=after, limit=200)
        yield from found.rows
        looked += found.looked
        seconds += found.seconds
        after = found.more
        if after is None:
            return
    if after is not None:
        cut.why = f"searched back to {written_dates.minute(after.at)} UTC"
