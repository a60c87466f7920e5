"""What ORC-1 and ORC-5 do to an order (HL7 v2.5.1 4.5.1.1, Tables 0119 and 0038)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from interfaces.hl7.source_options import SourceOptions
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segment
from worklist.models import StatusEvent

_BY_STATUS: Final[Mapping[str, StatusEvent.Kind | None]] = {
    "": None,
    "SC": None,
    "IP": StatusEvent.Kind.START,
    "A": StatusEvent.Kind.START,
    "CM": StatusEvent.Kind.COMPLETE,
    "CA": StatusEvent.Kind.CANCEL,
    "DC": StatusEvent.Kind.DISCONTINUE,
    "HD": StatusEvent.Kind.HOLD,
    "R": None,
    "ER": None,
    "RP": None,
}
"""What an order's status does to it; that it was replaced, or not found elsewhere, does nothing here."""


class Effect(Enum):
    """What is read of an order beside its numbers."""

    CONTENT = "all that OBR says, and the status of ORC-5"
    STATUS = "the status of ORC-5, and all that OBR says where there is one"
    NUMBERS = "nothing: it tells its numbers alone"
    PASSED_OVER = "nothing, not even its numbers: they are of something else"
    REFUSED = "nothing, and the message is refused"


class Control(NamedTuple):
    """A row of HL7 Table 0119: what it does, and why where that is not all that it says."""

    effect: Effect
    act: StatusEvent.Kind | None = None
    why: str = ""
    is_fillers: bool = False


class Taken(NamedTuple):
    """What one ORC does: the act, what is read, and whether an OBR has to be there."""

    act: StatusEvent.Kind | None
    effect: Effect
    needs_content: bool = False


def _ends(act: StatusEvent.Kind, *, by_filler: bool = False) -> Control:
    return Control(Effect.NUMBERS, act, is_fillers=by_filler)


_PHARMACY: Final = "is of prescriptions; an exam is not refilled or dispensed"
_UNABLE: Final = Control(
    Effect.NUMBERS, why="what was asked for was not done; the order is as it was", is_fillers=True
)

CONTROLS: Final[Mapping[str, Control]] = {
    # What both send, or the placer alone.
    "NW": Control(Effect.CONTENT),
    "XO": Control(Effect.CONTENT),
    "CH": Control(Effect.CONTENT),
    "RO": Control(Effect.CONTENT),
    "SC": Control(Effect.STATUS),
    "RE": Control(Effect.STATUS),
    "CA": _ends(StatusEvent.Kind.CANCEL),
    "DC": _ends(StatusEvent.Kind.DISCONTINUE),
    "RP": _ends(StatusEvent.Kind.CANCEL),
    "HD": _ends(StatusEvent.Kind.HOLD),
    "RL": _ends(StatusEvent.Kind.RELEASE),
    "NA": Control(Effect.NUMBERS),
    "RR": Control(Effect.NUMBERS),
    "PA": Control(Effect.NUMBERS, why="the parent stays as it is; its children are orders of their own"),
    "PR": Control(Effect.PASSED_OVER, why="it is of earlier results"),
    "DE": Control(Effect.REFUSED, why="tells of errors in a message; that is for MSA and ERR to say"),
    "SS": Control(Effect.REFUSED, why="asks for a status; destinations are told each change by itself"),
    "LI": Control(Effect.REFUSED, why="links problems of patient care, which are not kept here"),
    "UN": Control(Effect.REFUSED, why="unlinks problems of patient care, which are not kept here"),
    "MC": Control(Effect.REFUSED, why="is a charge without an order"),
    **dict.fromkeys(("RF", "AF", "DF", "OP", "PY"), Control(Effect.REFUSED, why=_PHARMACY)),
    # What a filler originates or answers.
    "SN": Control(Effect.CONTENT, is_fillers=True),
    "XX": Control(Effect.CONTENT, is_fillers=True),
    "XR": Control(Effect.STATUS, is_fillers=True),
    "SR": Control(Effect.STATUS, is_fillers=True),
    **dict.fromkeys(("OC", "CR", "RU", "RQ"), _ends(StatusEvent.Kind.CANCEL, by_filler=True)),
    **dict.fromkeys(("OD", "DR"), _ends(StatusEvent.Kind.DISCONTINUE, by_filler=True)),
    **dict.fromkeys(("OH", "HR"), _ends(StatusEvent.Kind.HOLD, by_filler=True)),
    **dict.fromkeys(("OE", "OR"), _ends(StatusEvent.Kind.RELEASE, by_filler=True)),
    "OK": Control(Effect.NUMBERS, is_fillers=True),
    **dict.fromkeys(("UA", "UC", "UD", "UF", "UH", "UM", "UR", "UX"), _UNABLE),
    "CN": Control(Effect.REFUSED, why="is of combined results, which come as ORU", is_fillers=True),
    **dict.fromkeys(("FU", "OF"), Control(Effect.REFUSED, why=_PHARMACY, is_fillers=True)),
}
"""Every code of HL7 Table 0119 (2.5.1, with what 2.2 to 2.8 have beside)."""


def read(orc: Segment, options: SourceOptions) -> Taken:
    """What was done to the order, and what the message says of it.

    The source's own `order_status` comes first. Raises `Er7Error` 101 without ORC-1, 103 for a control or a
    status that can't be taken from this source.
    """
    control, status = orc.field(1).value.strip(), orc.field(5).value.strip()
    if not control:
        raise Er7Error(101, orc.location(1), "the order control is missing")
    row = CONTROLS.get(control)
    if (chosen := options.order_status.get(f"{control}/{status}")) is not None:
        act = None if chosen == "none" else StatusEvent.Kind(chosen)
        has_content = row is not None and row.effect in (Effect.CONTENT, Effect.STATUS)
        return Taken(act, Effect.STATUS if has_content else Effect.NUMBERS)
    if row is None:
        raise Er7Error(103, orc.location(1), f"the order control {control[:20]!r} is not in HL7 Table 0119")
    _check(orc, control, row, options)
    if row.effect not in (Effect.CONTENT, Effect.STATUS):
        return Taken(row.act, row.effect)
    if status not in _BY_STATUS:
        text = f"the order status {status[:20]!r} can't be taken with {control}"
        raise Er7Error(103, orc.location(5), text)
    return Taken(_BY_STATUS[status], row.effect, row.effect is Effect.CONTENT)


def _check(orc: Segment, control: str, row: Control, options: SourceOptions) -> None:
    if row.is_fillers and options.role != "filler":
        text = f"the order control {control} is one that a filler sends, and this source is a placer"
        raise Er7Error(103, orc.location(1), text)
    if row.effect is Effect.REFUSED:
        raise Er7Error(103, orc.location(1), f"the order control {control} {row.why}")
