"""A source's own values and dates in HL7's, before anything is read (`translations`, `date_formats`).

The segments that a table changes are made anew; each knows the segment as it came (`Segment.sent`), which is
what goes back to the source.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from interfaces.hl7.inbound.ack import escape
from interfaces.hl7.source_options import SourceOptions
from interfaces.hl7.syntax.escapes import unescape
from interfaces.hl7.syntax.message_parts import HEADER_SEGMENTS, NULL, Message, Path, Segment, parse_path

ANY: Final = "*"
_LONGEST_DATE: Final = 64

Meaning = Callable[[str], str | None]
"""What a value means; None where it is as it stands."""


class Rule(NamedTuple):
    """What the values at a path mean."""

    path: Path
    meaning: Meaning


def rules_of(options: SourceOptions) -> Mapping[str, Sequence[Rule]]:
    """The rules of a source, by the segment that they are for."""
    written = [
        *((path, partial(_of_table, table)) for path, table in options.translations.items()),
        *((path, partial(_of_formats, formats)) for path, formats in options.date_formats.items()),
    ]
    rules: dict[str, list[Rule]] = {}
    for text, meaning in written:
        path = parse_path(text)
        rules.setdefault(path.segment, []).append(Rule(path, meaning))
    return rules


def translated(message: Message, rules: Mapping[str, Sequence[Rule]]) -> Message:
    """The message as its source means it."""
    if not rules:
        return message
    segments = [
        _segment(one, rules[one.name], message) if one.name in rules else one for one in message.segments
    ]
    return Message(tuple(segments), message.delimiters, message.codec, message.declared)


def _of_table(table: Mapping[str, str], value: str) -> str | None:
    found = table.get(value)
    return table.get(ANY) if found is None and value else found


def _of_formats(formats: Sequence[str], value: str) -> str | None:
    """A date, and its time where the format has one, as HL7 writes it (2.A.22)."""
    for one in formats if 0 < len(value) <= _LONGEST_DATE else ():
        try:
            moment = datetime.strptime(value, one)
        except ValueError:
            continue
        if not {"%H", "%I"} & {one[n : n + 2] for n in range(len(one))}:
            return moment.strftime("%Y%m%d")
        fraction = f".{moment:%f}" if moment.microsecond else ""
        return f"{moment:%Y%m%d%H%M%S}{fraction}{moment:%z}"
    return None


def _segment(segment: Segment, rules: Sequence[Rule], message: Message) -> Segment:
    raw = segment.raw
    for rule in rules:
        raw = _with(raw, segment.name, rule, message)
    return segment if raw == segment.raw else segment.meaning(raw)


def _with(raw: str, name: str, rule: Rule, message: Message) -> str:
    """The text of a segment with the values of one field as they are meant."""
    separator = message.delimiters.field
    fields = raw.split(separator)
    place = rule.path.field - (name in HEADER_SEGMENTS)
    fields += [""] * (place + 1 - len(fields))
    repetition = message.delimiters.repetition
    parts = fields[place].split(repetition) if repetition else [fields[place]]
    meant = [_repetition(part, rule, message) for part in parts]
    if meant == parts:
        return raw
    fields[place] = repetition.join(meant)
    return separator.join(fields)


def _repetition(raw: str, rule: Rule, message: Message) -> str:
    if raw == NULL:
        return raw
    delimiters, path = message.delimiters, rule.path
    components = raw.split(delimiters.component) if delimiters.component else [raw]
    components += [""] * (path.component - len(components))
    parts = _split(components[path.component - 1], delimiters.subcomponent)
    parts += [""] * (path.subcomponent - len(parts))
    value = unescape(parts[path.subcomponent - 1], delimiters, message.codec).strip()
    meant = rule.meaning(value)
    if meant is None or value == NULL:
        return raw
    first, *others = meant.split("^")
    parts[path.subcomponent - 1] = escape(first, delimiters)
    if others:  # a code with its text and its scheme
        parts = parts[: path.subcomponent]
    components[path.component - 1] = delimiters.subcomponent.join(parts)
    components[path.component : path.component + len(others)] = [escape(one, delimiters) for one in others]
    return delimiters.component.join(components)


def _split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter) if delimiter else [text]
