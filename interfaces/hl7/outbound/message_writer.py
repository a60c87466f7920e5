"""Write segments in a version of HL7: what the version lacks is left out, what it requires must be there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from hl7apy import load_reference
from hl7apy.exceptions import HL7apyException

from interfaces.hl7.inbound.ack import escape
from interfaces.hl7.syntax import character_sets
from interfaces.hl7.syntax.escapes import DEFAULT_DELIMITERS
from ledger.errors import Invalid


class Formatted(str):
    r"""A value of the data type FT (2.A.33): its line feeds are written as `\.br\`."""


Components = str | Sequence[str | Sequence[str]]
"""One repetition of a field: a plain value, or components, each a value or its subcomponents."""
Value = Components | list[Components]
"""A field; a list (never a tuple) holds repetitions."""
Fields = dict[int, Value]
Segment = tuple[str, Fields]


@dataclass(frozen=True)
class _Shape:
    """A field in a version of HL7: whether it is required, how often, and its components' subcomponents."""

    required: bool
    repeats: int
    components: tuple[int, ...]


def write(
    segments: Sequence[Segment], *, message_type: str, version: str, charset: str = "UNICODE UTF-8"
) -> bytes:
    """The bytes of a message, its MSH first.

    Raises `Invalid` where the version lacks a segment, a field that it requires stays empty, or a character
    is not in the set: nothing is replaced.
    """
    try:
        segments = _fitting(segments, message_type, version)
        _check_order(message_type, version, [name for name, _ in segments])
        lines = [_segment(name, fields, version) for name, fields in segments]
    except HL7apyException as error:
        raise Invalid(f"HL7 {version}: {error}") from error
    return b"".join(_encoded(line, charset) + b"\r" for line in lines)


def _encoded(line: str, charset: str) -> bytes:
    try:
        return character_sets.encode_codec(line, character_sets.codec_for(charset))
    except UnicodeEncodeError as error:
        before = line[: error.start]
        place = before.count(DEFAULT_DELIMITERS.field) + (line[:3] == "MSH")
        text = f"{charset} has no {line[error.start]!r}, which {line[:3]}-{place} holds"
        raise Invalid(text) from error


def _fitting(segments: Sequence[Segment], message_type: str, version: str) -> list[Segment]:
    """The segments, without those that only some structures have, for what others say in fields."""
    has = set(_structure(message_type, version))
    return [(name, fields) for name, fields in segments if name not in _OPTIONAL or name in has]


_OPTIONAL: Final = frozenset({"TQ1"})


def _check_order(message_type: str, version: str, names: Sequence[str]) -> None:
    """Each segment is one that the message's structure has (2.12), in its place when it comes first."""
    structure = iter(_structure(message_type, version))
    known = [name for name in dict.fromkeys(names) if not name.startswith("Z")]
    if not all(name in structure for name in known):  # each found behind the one before
        raise Invalid(f"{message_type} of HL7 {version} can't hold {' '.join(known)}")


@lru_cache(maxsize=64)
def _structure(message_type: str, version: str) -> tuple[str, ...]:
    def names(reference: Any) -> Iterable[str]:
        for name, child, _, kind in reference[1]:
            if kind == "SEG":
                yield name
            else:
                yield from names(child)

    parts = message_type.split("^")
    return tuple(names(load_reference(parts[2] if len(parts) > 2 else "_".join(parts), "Message", version)))


@lru_cache(maxsize=256)
def _shapes(segment: str, version: str) -> dict[int, _Shape]:
    shapes = {}
    for name, reference, (least, most), _ in load_reference(segment, "Segment", version)[1]:
        components = reference[1] if isinstance(reference[1], tuple) else ((None, (None, None)),)
        counts = tuple(len(component[1][1] or (None,)) for component in components)
        shapes[int(name.rpartition("_")[2])] = _Shape(least > 0, most, counts)
    return shapes


def _segment(name: str, fields: Fields, version: str) -> str:
    """Write what the version has; what it lacks is left out, from the end of a field on."""
    separator = DEFAULT_DELIMITERS.field
    if name.startswith("Z"):
        texts = [_field(fields.get(n, ""), None) for n in range(1, max(fields) + 1)]
        return separator.join([name, *texts])
    shapes = _shapes(name, version)
    texts = []
    for n in range(1, max(shapes) + 1):
        shape = shapes.get(n)
        if (name, n) == _OF_ANY_TYPE:
            texts.append(_field(fields.get(n, ""), None))
            continue
        text = _field(fields.get(n, ""), shape) if shape else ""
        if shape and shape.required and not text and not (name == "MSH" and n <= 2):
            raise Invalid(f"{name}-{n} is required in HL7 {version}, and there is no value for it")
        texts.append(text)
    if name == "MSH":
        texts[:2] = [DEFAULT_DELIMITERS.encoding_characters]
    return separator.join([name, *texts]).rstrip(separator)


_OF_ANY_TYPE: Final = ("OBX", 5)
"""The field whose data type another field names, so that no version can say how many components it has."""


def _field(value: Value, shape: _Shape | None) -> str:
    repetitions: list[Components] = value if isinstance(value, list) else [value]
    if shape and shape.repeats > 0:
        repetitions = repetitions[: shape.repeats]
    texts = [_components(repetition, shape) for repetition in repetitions]
    return DEFAULT_DELIMITERS.repetition.join(text for text in texts if text)


def _components(value: Components, shape: _Shape | None) -> str:
    parts = [value] if isinstance(value, str) else list(value)
    texts = []
    for place, part in enumerate(parts[: len(shape.components)] if shape else parts):
        values = [part] if isinstance(part, str) else list(part)
        kept = values[: shape.components[place]] if shape else values
        joined = DEFAULT_DELIMITERS.subcomponent.join(_escaped(text) for text in kept)
        texts.append(joined.rstrip(DEFAULT_DELIMITERS.subcomponent))
    return DEFAULT_DELIMITERS.component.join(texts).rstrip(DEFAULT_DELIMITERS.component)


def _escaped(text: str) -> str:
    if not isinstance(text, Formatted):
        return escape(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return f"{DEFAULT_DELIMITERS.escape}.br{DEFAULT_DELIMITERS.escape}".join(map(escape, lines))
