"""Whose each second between ready and final was: the log of owners, summed up.

Moments are milliseconds since 1970 in UTC, NaN where nothing has happened; they are whole, so sums are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reporting.turnaround.intervals import Part

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Truths = NDArray[np.bool_]

PARTS: Final = tuple(Part)
CODE: Final[Mapping[str, int]] = {part.value: number for number, part in enumerate(PARTS)}
NOBODY: Final = -1
"""The code of an owner who is none: what it stands for stays with whom it was before."""
_OUTSIDE: Final = CODE[Part.OUTSIDE]
_QUEUE: Final = CODE[Part.QUEUE]


@dataclass(frozen=True)
class Log:
    """The log of owners of many items: from `at` on, the item of row `row` was `owner`'s (a `CODE`).

    The entries are in the order of row and time; within a row each lasts until the next.
    """

    row: Whole
    at: Floats
    owner: Whole

    @classmethod
    def of(cls, row: Whole, at: Floats, owner: Whole) -> "Log":
        """Sort entries; of those at the same moment the later given one lasts."""
        kept = owner != NOBODY
        row, at, owner = row[kept], at[kept], owner[kept]
        order = np.lexsort((np.arange(len(at)), at, row))
        return cls(row[order], at[order], owner[order])


@dataclass(frozen=True)
class Spent:
    """What the log comes to for each row, until the row's `stop`.

    `time[code]` is how long each owner had it, `since[code]` when it first did (NaN: never). `holder` is who
    had it last, a hold aside: whose turn it is after the hold. `is_held`: it is held.
    """

    time: Floats
    since: Floats
    holder: Whole
    is_held: Truths


def spend(log: Log, ready: Floats, stop: Floats) -> Spent:
    """Sum up between `ready` and `stop` of each row; time before a row's first entry is the queue's.

    The times of a row sum to `stop - ready` exactly; to 0 where either is NaN or stop is not later.
    """
    count = len(ready)
    row, owner, begin, until = _spells(log, ready)
    begin, end = np.maximum(begin, ready[row]), np.minimum(until, stop[row])
    is_part = (begin <= stop[row]) & (until >= ready[row])
    row, owner, begin, end = row[is_part], owner[is_part], begin[is_part], end[is_part]
    time = np.zeros((len(PARTS), count))
    np.add.at(time, (owner, row), end - begin)
    since = np.full((len(PARTS), count), np.nan)
    np.fmin.at(since, (owner, row), begin)
    holder, last = np.full(count, _QUEUE), np.full(count, _QUEUE)
    last[row] = owner  # of several the last one stays
    row, owner = row[owner != _OUTSIDE], owner[owner != _OUTSIDE]
    holder[row] = owner
    return Spent(time, since, holder, last == _OUTSIDE)


def held(log: Log, ready: Floats, start: Floats, stop: Floats) -> Floats:
    """How long each row was held for somebody outside between its `start` and `stop`."""
    row, owner, begin, end = _spells(log, ready)
    outside = owner == _OUTSIDE
    row, begin, end = row[outside], begin[outside], end[outside]
    length = np.fmin(end, stop[row]) - np.fmax(begin, start[row])
    known = (length > 0) & ~np.isnan(start[row])
    return np.bincount(row[known], length[known], minlength=len(ready)).astype(np.float64)


def _spells(log: Log, ready: Floats) -> tuple[Whole, Whole, Floats, Floats]:
    """Row, owner, begin and end of each entry; the queue has a row that was ever ready from the beginning."""
    rows = np.flatnonzero(~np.isnan(ready))
    row = np.concatenate([rows, log.row])
    at = np.concatenate([np.full(len(rows), -np.inf), log.at])
    owner = np.concatenate([np.full(len(rows), _QUEUE), log.owner])
    known = ~np.isnan(ready[row])
    row, at, owner = row[known], at[known], owner[known]
    order = np.lexsort((np.arange(len(at)), at, row))
    row, at, owner = row[order], at[order], owner[order]
    until = np.full(len(at), np.inf)
    is_followed = row[1:] == row[:-1]
    until[:-1][is_followed] = at[1:][is_followed]
    return row, owner, at, until
