"""Modality Worklist: C-FIND on 1.2.840.10008.5.1.4.31 (PS3.4 annex K).

Only what was asked for is returned. FF01H says that some optional key is not supported for existence; then
the key is not in the answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag

from interfaces.dicom.message_exchange.command_set import CommandField
from interfaces.dicom.message_exchange.dimse_service import QueryRequest, QueryResult, QueryService
from interfaces.dicom.message_exchange.identifier import DOES_NOT_MATCH, IdentifierError
from interfaces.dicom.services import value_fitting
from interfaces.dicom.services.element_writer import CharacterSet, ElementWriter
from interfaces.dicom.services.worklist_item import (
    CODE_PARTS,
    CODES,
    EMPTY_SEQUENCES,
    LOCAL,
    PATIENT_LEVEL,
    STEP_LEVEL,
    TAGS,
    Code,
    Item,
    Read,
    Value,
)
from interfaces.dicom.services.worklist_keys import SELECTED, STEP_SEQUENCE, element_text, read, step_item
from ledger import wildcards
from worklist.models import Station
from worklist.mwl import query
from worklist.patients import person_names
from worklist.schedule import station_groups

MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
PENDING: Final = 0xFF00
PENDING_WITHOUT_SOME_KEYS: Final = 0xFF01
CHUNK: Final = 200
_STEP_TAG: Final = 0x00400100
_CHARACTER_SET: Final = 0x00080005

Write = Callable[[ElementWriter, Item], bytes]


class Matcher(NamedTuple):
    """A key that is matched on what would be returned."""

    keyword: str
    wanted: str
    read: Read
    fits: Callable[[str, str], bool]

    def __call__(self, item: Item) -> bool:
        return self.fits(self.wanted, str(self.read(item) or ""))


class Question:
    """An identifier, worked out once: what to match, what to return, what is not supported."""

    def __init__(self, identifier: Dataset) -> None:
        self.keys = read(identifier)
        self.is_complete = True
        self.needs_numbers = any("OrderNumber" in keyword for keyword in _keywords(identifier))
        self.matchers: list[Matcher] = []
        self.step_is_asked = STEP_SEQUENCE in identifier
        step = step_item(identifier)
        self._top = self._plan(identifier, PATIENT_LEVEL)
        self._step = self._plan(step, STEP_LEVEL) if len(step) else _everything_of_a_step()

    def answer(self, item: Item, writer: ElementWriter, character_set: str) -> bytes:
        """The answer for one step, its elements in the order of their tags."""
        parts = [(tag, write(writer, item)) for tag, write in self._top]
        if self.step_is_asked:
            body = b"".join(write(writer, item) for _, write in self._step)
            parts.append((_STEP_TAG, writer.sequence(_STEP_TAG, [body])))
        if character_set:
            parts.append((_CHARACTER_SET, writer.element(_CHARACTER_SET, "CS", character_set)))
        return b"".join(part for _, part in sorted(parts))

    def _plan(self, asked: Dataset, known: Mapping[str, Read]) -> list[tuple[int, Write]]:
        plan = []
        for element in asked:
            keyword = keyword_for_tag(element.tag)
            if keyword in (STEP_SEQUENCE, "SpecificCharacterSet"):
                continue
            read_value = known.get(keyword)
            if read_value is not None:
                read_fitting = _fitting(keyword, read_value)
                plan.append((int(element.tag), _value_writer(keyword, read_fitting)))
                self._add_matcher(keyword, element_text(element), read_fitting)
            elif keyword in CODES or keyword in EMPTY_SEQUENCES:
                plan.append((int(element.tag), _codes_writer(keyword, _code_keys(element.value))))
            elif element.tag.element != 0:
                self.is_complete = False
        return sorted(plan, key=lambda entry: entry[0])

    def _add_matcher(self, keyword: str, wanted: str, read_value: Read) -> None:
        if keyword in SELECTED or wildcards.fits_all(wanted):
            return
        if TAGS[keyword][1] == "PN":
            self.matchers.append(Matcher(keyword, wanted, read_value, person_names.matches))
        elif TAGS[keyword][1] not in ("US", "DS"):
            self.matchers.append(Matcher(keyword, wanted, read_value, wildcards.matches))


def find(request: QueryRequest) -> Iterator[QueryResult]:
    """Answer a worklist query, step by step from a server-side cursor.

    Raises `IdentifierError` (C000H, A900H) for an identifier that can't be read or does not fit.
    """
    identifier = request.identifier
    if "QueryRetrieveLevel" in identifier and identifier.QueryRetrieveLevel:
        raise IdentifierError("a worklist query has no Query/Retrieve Level", DOES_NOT_MATCH)
    question = Question(identifier)
    station = Station.objects.filter(ae_title=request.peer.calling_ae).first()
    steps = query.select(question.keys, station=station)
    if question.needs_numbers:
        steps = steps.prefetch_related("procedure__order__numbers")
    groups = station_groups.titles()
    status = PENDING if question.is_complete else PENDING_WITHOUT_SOME_KEYS
    writers = _Writers(request.transfer_syntax, station.character_set if station else "")
    for step in steps.iterator(chunk_size=CHUNK):
        item = Item.of(step, groups, numbers=question.needs_numbers)
        if all(matches(item) for matches in question.matchers):
            yield QueryResult(status, writers.answer(question, item))


SERVICE: Final = QueryService("worklist", frozenset({MODALITY_WORKLIST}), CommandField.C_FIND_RQ, find)


class _Writers:
    """Writes each answer in the set that the station takes, else in the one that the name came in."""

    def __init__(self, transfer_syntax: str, of_station: str) -> None:
        self._transfer_syntax = transfer_syntax
        self._of_station = of_station
        self._made: dict[tuple[str, bool], ElementWriter] = {}

    def answer(self, question: Question, item: Item) -> bytes:
        try:
            return question.answer(item, self._writer("ISO_IR 6", strict=True), "")
        except UnicodeError:
            pass
        if self._of_station:
            return question.answer(item, self._writer(self._of_station, strict=False), self._of_station)
        for name in (item.patient.character_set, "ISO_IR 192"):
            try:
                if name:
                    return question.answer(item, self._writer(name, strict=True), name)
            except (UnicodeError, LookupError):
                continue
        raise IdentifierError("an answer can't be encoded")

    def _writer(self, name: str, *, strict: bool) -> ElementWriter:
        if (name, strict) not in self._made:
            self._made[name, strict] = ElementWriter(self._transfer_syntax, CharacterSet(name), strict=strict)
        return self._made[name, strict]


def _keywords(identifier: Dataset) -> list[str]:
    return [keyword_for_tag(element.tag) for element in identifier]


def _fitting(keyword: str, read_value: Read) -> Read:
    vr = TAGS[keyword][1]
    return lambda item: value_fitting.fitting(keyword, vr, read_value(item))


def _value_writer(keyword: str, read_value: Read) -> Write:
    tag, vr = TAGS[keyword]
    return lambda writer, item: writer.element(tag, vr, read_value(item))


def _codes_writer(keyword: str, parts: Sequence[str]) -> Write:
    tag, _ = TAGS[keyword]
    read_codes = CODES.get(keyword)

    def write(writer: ElementWriter, item: Item) -> bytes:
        codes = read_codes(item) if read_codes else []
        return writer.sequence(tag, [_code(writer, code, parts) for code in codes])

    return write


def _code(writer: ElementWriter, code: Code, parts: Sequence[str]) -> bytes:
    written = [(TAGS[part][0], writer.element(*TAGS[part], _part(part, code))) for part in parts]
    return b"".join(part for _, part in sorted(written))


def _part(part: str, code: Code) -> Value:
    value = code.get(CODE_PARTS[part], "")
    if part == "CodingSchemeDesignator":
        return value if value and value_fitting.fits_short(value) else LOCAL
    return value_fitting.fitting(part, TAGS[part][1], value)


def _code_keys(items: Sequence[Dataset] | None) -> list[str]:
    """The parts of a code that are asked for; no item, or an empty one, asks for all."""
    asked = [keyword for keyword in _keywords(items[0]) if keyword in CODE_PARTS] if items else []
    return asked or list(CODE_PARTS)


def _everything_of_a_step() -> list[tuple[int, Write]]:
    plan = [
        (TAGS[keyword][0], _value_writer(keyword, _fitting(keyword, STEP_LEVEL[keyword])))
        for keyword in STEP_LEVEL
    ]
    protocol = "ScheduledProtocolCodeSequence"
    plan.append((TAGS[protocol][0], _codes_writer(protocol, list(CODE_PARTS))))
    return sorted(plan, key=lambda entry: entry[0])
