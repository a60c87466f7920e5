"""When each field became true.

A value is kept with the stamp of the message that set it. A write wins if its stamp is newer, field by
field, so any order of arrival, with repeats, ends in the same state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

MAX_AHEAD: Final = timedelta(minutes=10)


class Null:
    """The type of `NONE`."""

    def __repr__(self) -> str:
        return "NONE"


NONE: Final = Null()
"""A value that says "there is none" (HL7's `""`), as against None, which says nothing."""


@dataclass(frozen=True, order=True)
class Stamp:
    """When a statement was made: by time, then sequence number, control ID or arrival, and digest."""

    made_at: datetime
    sequence: int = 0
    control_id: tuple[int, str] = (0, "")
    digest: str = ""

    def key(self) -> str:
        """A text that sorts as the stamp does, for columns and JSON."""
        return self._key

    @cached_property
    def aside(self) -> "Stamp":
        """The same of what is said by the way: it gives way to all that is said of the thing itself."""
        return _Aside(self.made_at, self.sequence, self.control_id, self.digest)

    @cached_property
    def _key(self) -> str:
        number, text = self.control_id
        return f"{_moment(self.made_at)}|{self.sequence:012d}|{number:020d}|{text}|{self.digest}"


@dataclass(frozen=True)
class _Aside(Stamp):
    def key(self) -> str:
        return f"-{self._key}"


def stamp(
    *,
    made_at: datetime,
    received_at: datetime,
    sequence: str = "",
    control_id: str = "",
    digest: str = "",
    control_ids_rise: bool = False,
) -> tuple[Stamp, bool]:
    """The stamp of a message, and whether its clock was ahead.

    A time more than ten minutes past the receipt is cut to the time of receipt, so that a clock that is
    ahead does not win for ever. Control IDs compare as numbers where they are some and their source says that
    these rise. Others tell nothing of what came first: among messages of one time, of whose clock only
    minutes may be known, arrival decides.
    """
    ahead = made_at > received_at + MAX_AHEAD
    is_number = control_ids_rise and control_id.isascii() and control_id.isdigit() and len(control_id) <= 18
    return (
        Stamp(
            made_at=received_at if ahead else made_at,
            sequence=int(sequence)
            if sequence.isascii() and sequence.isdigit() and len(sequence) <= 12
            else 0,
            control_id=(int(control_id), "")
            if is_number
            else (10**19, f"{_moment(received_at)} {control_id}|"),  # so that none begins with another
            digest=digest,
        ),
        ahead,
    )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f")


def moment_of(key: str) -> datetime:
    """When what bears this stamp's key was said."""
    text = key.removeprefix("-").split("|", 1)[0]
    return datetime.strptime(text, "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)


class Stamped(Protocol):
    """A record, a dataclass, with stamps beside its plain columns."""

    stamps: Any


def write(row: Stamped, values: Mapping[str, Any], stamp: Stamp, event: str = "") -> set[str]:
    """Set those of `values` on `row` whose stamp is newer than what is there; return the changed names.

    None says nothing and changes nothing; `NONE` sets the field's default. `row.stamps` becomes another
    mapping where one is newer, so that who has seen the old one can tell.
    """
    changed = set()
    key, known, newer = stamp.key(), row.stamps, {}
    for name, value in values.items():
        if value is None or (name in known and key <= known[name][0]):
            continue
        new = default_of(row, name) if value is NONE else value
        if getattr(row, name) != new:
            setattr(row, name, new)
            changed.add(name)
        newer[name] = [key, event]
    if newer:
        row.stamps = {**known, **newer}
    return changed


def take(row: Stamped, name: str, value: Any, stamp: list[str]) -> bool:
    """Set one field as of a stamp with its event, if that is newer; whether the value is another."""
    if stamp[0] <= row.stamps.get(name, [""])[0]:
        return False
    is_other: bool = getattr(row, name) != value
    setattr(row, name, value)
    row.stamps = {**row.stamps, name: stamp}
    return is_other


def join(row: Stamped, other: Stamped, names: Iterable[str]) -> None:
    """Bring the newer of two rows' values, field by field, into `row`."""
    newer = {}
    for name in names:
        theirs = other.stamps.get(name)
        if theirs and theirs[0] > row.stamps.get(name, [""])[0]:
            setattr(row, name, getattr(other, name))
            newer[name] = theirs
    if newer:
        row.stamps = {**row.stamps, **newer}


def default_of(record: Any, name: str) -> Any:
    """What a field of a record is where nothing is said of it."""
    field = record.__dataclass_fields__[name]
    return field.default if field.default_factory is MISSING else field.default_factory()
