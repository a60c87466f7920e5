"""Orders: ORM^O01, OMG^O19, OMI^O23 (HL7 v2.5.1 4.4.1, 4.4.4, 4.4.8; IHE RAD TF-2 4.2, 4.3)."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import Model

from interfaces.hl7.code_tables import MODALITIES, PRIORITIES, SECTIONS, SECTIONS_WITHOUT_MODALITY
from interfaces.hl7.inbound import imaging_procedure, laterality, order_control, patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.inbound.order_control import Effect
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.data_types import Said
from interfaces.hl7.syntax.message_parts import NULL, Field, Path, Segment, Segments
from ledger.stamps import NONE
from worklist import value_limits
from worklist.change_set import ChangeSet, Group
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.value_limits import LONG, SHORT

_Read = TypeVar("_Read")
_UID: Final = re.compile(r"[012](\.(0|[1-9]\d*))+", re.ASCII)  # PS3.5 9.1
_FREE_TEXTS: Final = frozenset({"reason", "clinical_information", "danger", "transport"})
PLACED: Final = "NW"
"""The order control of an order that comes without ORC."""
DOTS: Final = "..."
_NUMBERS_OF_OBR: Final = (1, 2, 3)
"""Fields of OBR that count it, and name its order."""
_USUAL_CODE: Final = 4
_OF_OBR: Final = (
    *(("code", 4), ("scheme", 4), ("description", 4), ("protocol_codes", 4), ("service", 4)),
    *(("result_copies_to", 28), ("interpreter", 32), ("technician", 34), ("performing_physician", 34)),
)
"""Where fields of a procedure come from."""


@dataclass
class _Procedure:
    values: dict[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class _Order:
    placer: Number | None
    filler: Number | None
    index: int = 1
    act: StatusEvent.Kind | None = None
    reason: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    has_content: bool = False
    procedures: dict[tuple[str, int], _Procedure] = field(default_factory=dict)

    def update(self) -> OrderUpdate:
        """In the worklist's terms."""
        return OrderUpdate(
            placer=self.placer,
            filler=self.filler,
            act=self.act,
            reason=self.reason,
            content=OrderContent(**self.values),
            procedures=[
                ProcedureUpdate(
                    id=procedure_id,
                    place=place or 1,
                    content=ProcedureContent(**procedure.values),
                    steps=[StepUpdate(id_, StepContent(**values)) for id_, values in procedure.steps.items()],
                )
                for (procedure_id, place), procedure in self.procedures.items()
            ],
        )


def read(context: InboundContext) -> ChangeSet:
    """What the message says of each order; ORC and OBR that name the same numbers are one order.

    A message that only ends, holds or releases orders need not say whose they are.
    """
    patients.check_one(context)
    groups = _groups(context)
    orders: dict[tuple[Number | None, Number | None], _Order] = {}
    for group in groups:
        _read_group(context, group, orders)
    patient = None
    if any(order.has_content for order in orders.values()) or context.message.first("PID"):
        patient = patients.registration(context, context.message)
    named = [Group(patient, order=order.update(), index=order.index) for order in orders.values()]
    return ChangeSet(context.provenance, named)


def _groups(context: InboundContext) -> Sequence[Segments]:
    """The segments of each order. A source may leave ORC out: then each OBR is an order that is placed."""
    message = context.message
    if groups := message.groups("ORC"):
        return groups
    if not context.policy.options.orders_without_orc:
        raise Er7Error(100, "ORC", "the message has no ORC segment")
    groups = message.groups("OBR")
    if not groups:
        raise Er7Error(100, "OBR", "the message has neither an ORC nor an OBR segment")
    placed = (one.segments[0].of_same_message(PLACED, "ORC") for one in groups)
    return [Segments((orc, *one.segments)) for orc, one in zip(placed, groups, strict=True)]


def _read_group(
    context: InboundContext, group: Segments, orders: dict[tuple[Number | None, Number | None], _Order]
) -> None:
    orc, obr = group.first("ORC"), group.first("OBR")
    assert orc is not None
    taken = order_control.read(orc, context.policy.options)
    if taken.effect is Effect.PASSED_OVER:
        context.left_out.append(orc.location(1))
        return
    _note_contradictions(context, orc, group)
    placer = _with_namespace(context, _number(context, orc, obr, "placer", 2))
    filler = _number(context, orc, obr, "filler", 3)
    if placer is None and filler is None:
        where = obr if obr is not None and context.message.first("ORC") is None else orc
        raise Er7Error(101, where.location(2), "the order has neither a placer nor a filler order number")
    order = orders.setdefault((placer, filler), _Order(placer, filler, orc.index))
    order.act = taken.act or order.act
    order.reason = order.reason or orc.field(16).component(2) or orc.field(16).component(1)
    if obr is None and taken.needs_content:
        raise Er7Error(100, "OBR", "the order has no OBR segment")
    if obr is None or taken.effect is Effect.NUMBERS:
        return
    if taken.effect is Effect.STATUS and not _names_a_procedure(context, group):
        if _says_more_than_numbers(obr):
            context.leave_out(obr.location())
        return
    order.has_content = True
    for segment in group.all("OBR"):
        _read_procedure(context, group, segment, order)


def _names_a_procedure(context: InboundContext, group: Segments) -> bool:
    """Whether an OBR says what is to be done; a status needs none that does."""
    details = (_Fields(context, group, Segments(tuple(_following(group, one)))) for one in group.all("OBR"))
    has_modality = any(one.said("modality") for one in details)
    return has_modality or any(not one.field(n).is_empty for one in group.all("OBR") for n in (4, 44))


def _says_more_than_numbers(obr: Segment) -> bool:
    return any(part.strip() for part in obr.raw.split(obr.separator)[len(_NUMBERS_OF_OBR) + 1 :])


def _number(context: InboundContext, orc: Segment, obr: Segment | None, name: str, n: int) -> Number | None:
    """An order number, of ORC else of OBR."""
    for segment in (orc, obr):
        if segment is not None and (number := data_types.number(segment, n)):
            context.places.note(name, segment.location(n), group=orc.index)
            return number
    return None


def _note_contradictions(context: InboundContext, orc: Segment, group: Segments) -> None:
    """Note the order numbers of OBR that are others than the same of ORC."""
    for n in (2, 3):
        counts = data_types.number(orc, n)
        for obr in group.all("OBR"):
            other = data_types.number(obr, n)
            if counts and other and not _is_same(counts, other):
                context.contradicted.append(obr.location(n))


def _is_same(one: Number, other: Number) -> bool:
    are_known = one.namespace and other.namespace
    return one.value == other.value and (not are_known or one.namespace == other.namespace)


def _with_namespace(context: InboundContext, number: Number | None) -> Number | None:
    """A placer's number; without a namespace it is in the source's own, as the others that it sends."""
    own = context.policy.options.order_namespace or context.header.sending_application
    if number is None or number.namespace or not own:
        return number
    return number._replace(namespace=own, is_bare=True)


def _read_procedure(context: InboundContext, group: Segments, obr: Segment, order: _Order) -> None:
    following, key = list(_following(group, obr)), None
    for ipc in imaging_procedure.among(following):
        found = _Fields(context, group, imaging_procedure.with_only(following, ipc))
        if not order.procedures:
            order.values = _order_values(context, group, obr, found)
        procedure_id = found.text("requested_procedure_id")
        step_id = found.text("scheduled_procedure_step_id")
        if key is None or procedure_id:
            key = _key(order, procedure_id, step_id)
        procedure = order.procedures.setdefault(key, _Procedure({}))
        _fill(procedure.values, _procedure_values(context, group, obr, found))
        step = procedure.steps.setdefault(step_id, {})
        protocols = step.get("protocol_codes") or []
        _fill(step, _step_values(context, obr, found))
        more = imaging_procedure.protocols(ipc, protocols) if ipc else []
        if ipc and more:
            found.stands_for("protocol_codes", ipc.location(6))
        found.note_places(obr, list(order.procedures).index(key))
        step["protocol_codes"] = [*protocols, *(more or _protocols(obr, protocols))] or None


def _key(order: _Order, procedure_id: str, step_id: str) -> tuple[str, int]:
    """What names a procedure: its ID, else its place; a step that is there already shows its procedure."""
    if procedure_id:
        return procedure_id, 0
    if step_id:
        for key, procedure in order.procedures.items():
            if step_id in procedure.steps:
                return key
    return "", 1 + sum(not id_ for id_, _ in order.procedures)


def _fill(values: dict[str, Any], said: Mapping[str, Any]) -> None:
    """Set what nothing was said of yet."""
    for name, value in said.items():
        if values.get(name) is None:
            values[name] = value


class _Fields:
    """Finds an order's fields where the source's mapping says that they are."""

    def __init__(self, context: InboundContext, group: Segments, own: Segments) -> None:
        self._reading = context
        self._group = group
        self._own = own
        self._places: dict[str, str] = {}
        self._first: dict[str, tuple[Said, str]] = {}
        self._segments: dict[str, Sequence[Segment]] = {}

    def first(self, name: str) -> tuple[Said, str]:
        """The first field of the mapping that is present, and its location, which a refusal will name."""
        if name not in self._first:
            self._first[name] = next(self.present(name), (None, ""))
        return self._first[name]

    def present(self, name: str) -> Iterator[tuple[Said, str]]:
        """Each field of the mapping that is present, and its location."""
        for path in self._reading.policy.paths.get(name, ()):
            segment = self._segment(path)
            if segment is None:
                continue
            found = segment.field(path.field)
            if found.is_empty:
                continue
            if found.is_null:
                yield NONE, segment.location(path.field)
            elif value := _text(found, path, is_free=name in _FREE_TEXTS):
                yield value, segment.location(path.field)

    def _segment(self, path: Path) -> Segment | None:
        """The segment of the procedure, else of its order, else of those that are about all orders."""
        named = self._segments.get(path.segment)
        if named is None:
            among = (self._own, self._group, self._reading.before_orders)
            named = next((found for one in among if (found := one.named(path.segment))), ())
            self._segments[path.segment] = named
        return named[path.occurrence - 1] if path.occurrence <= len(named) else None

    def stands_for(self, name: str, location: str) -> None:
        """Have a refusal of a field name another place, which is the reason."""
        self._places[name] = location

    def note_places(self, obr: Segment, procedure: int) -> None:
        """Keep where the fields were found, for a refusal of this procedure or of its order."""
        where = {"group": self._group.segments[0].index, "procedure": procedure}
        self._reading.places.note_all(self._places, **where)
        self._reading.places.note_all({name: place for name, (_, place) in self._first.items()}, **where)
        self._reading.places.note_segment(obr, _OF_OBR, **where)

    def fitting(self, model: type[Model], name: str) -> Said:
        """A side value: the first that its column can hold."""

        def fitted(value: str, location: str) -> str | None:
            return self._reading.fitting(model, name, value, location)

        return self.readable(name, fitted)

    def readable(self, name: str, read: Callable[[str, str], _Read | None]) -> _Read | Said:
        """A side value: the first that can be read; what stands before it and can't be is left out."""
        for said, location in self.present(name):
            value: _Read | Said = said
            if isinstance(said, str):
                value = self._reading.side(lambda said=said, location=location: read(said, location))  # type: ignore[misc]
            if value is not None:
                self._first[name] = said, location
                return value
        return None

    def said(self, name: str) -> Said:
        return self.first(name)[0]

    def text(self, name: str) -> str:
        value = self.said(name)
        return value if isinstance(value, str) else ""


def _following(group: Segments, obr: Segment) -> Iterator[Segment]:
    """An OBR, and what comes before the next one."""
    start = group.segments.index(obr)
    yield obr
    yield from itertools.takewhile(lambda one: one.name != "OBR", group.segments[start + 1 :])


def _text(found: Field, path: Path, *, is_free: bool) -> str:
    """The value at a path; of free text all that stands there, with its repetitions."""
    component, subcomponent = path.component, path.subcomponent
    if not is_free or subcomponent > 1 or path.repetition > 1:
        repetitions = found.repetitions[path.repetition - 1 :]
        return repetitions[0].component(component, subcomponent).strip() if repetitions else ""
    texts = (one.whole(component).strip() for one in found.repetitions)
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _order_values(context: InboundContext, group: Segments, obr: Segment, found: _Fields) -> dict[str, Any]:
    orc, pv1 = group.first("ORC"), context.message.first("PV1")
    assert orc is not None
    requesting = context.provider(obr, 16, data_types.provider_name)
    requesting = requesting or context.provider(orc, 12, data_types.provider_name)
    referring = context.provider(pv1, 8, data_types.provider_name) if pv1 else None
    where = orc.location(12) if obr.field(16).is_empty else obr.location(16)
    for name in ("requesting_physician", "ordering_provider"):
        context.places.note(name, where, group=orc.index)
    names = ("reason", "clinical_information", "danger", "transport", "confidentiality", "requesting_service")
    accession, of_number = _accession(found)
    return {
        **{name: found.fitting(Order, name) for name in names},
        "accession_number": accession,
        "accession_of_number": of_number,
        "comments": _comments(context, group),
        "priority": found.readable("priority", _priority),
        "requesting_physician": requesting,
        "ordering_provider": context.as_sent(obr, 16) or context.as_sent(orc, 12),
        "result_copies_to": context.as_sent(obr, 28),
        "account": context.as_sent(context.message.first("PID"), 18),
        "attending_provider": context.as_sent(pv1, 7),
        "referring_provider": context.as_sent(pv1, 8),
        "referring_physician": referring or requesting,
        "patient_location": patients.location_without_visit(context, pv1),
    }


def _comments(context: InboundContext, group: Segments) -> str | None:
    """The notes under the patient, the order and its procedures (NTE-3, 2.15.10), a line each."""
    notes = [*context.before_orders.all("NTE"), *group.all("NTE")]
    if not notes:
        return None
    context.places.note("comments", notes[0].location(3), group=group.segments[0].index)
    lines = (text.text.strip() for note in notes for text in note.field(3).repetitions)
    text = "\n".join(line for line in lines if line and line != NULL) or None
    return context.fitting(Order, "comments", text, notes[0].location(3))


def _accession(found: _Fields) -> tuple[Said, Said]:
    """The accession number, which is refused later if it does not fit; else a number of the order that does.

    An order's number is only what its accession number is made of while nobody gives one.
    """
    value, location = found.first("accession_number")
    if not _is_order_number(location):
        return value, None
    return None, None if isinstance(value, str) and len(value) > SHORT else value


def _is_order_number(location: str) -> bool:
    parts = location.split("^")
    return parts[0] in ("ORC", "OBR") and parts[-1] in ("2", "3")


def _priority(value: str, location: str) -> str:
    known = PRIORITIES.get(value[:1].upper())
    if known is None:
        raise Er7Error(103, location, "is not a priority (S, A, R, P, C or T)")
    return known


def _procedure_values(
    context: InboundContext, group: Segments, obr: Segment, found: _Fields
) -> dict[str, Any]:
    n = 44 if obr.field(44).component(1) else _USUAL_CODE
    code, where = obr.field(n), obr.location(n)
    first = 1 if code.component(1) else 4
    if n != _USUAL_CODE:
        for name in ("code", "scheme", "description"):
            found.stands_for(name, where)
    return {
        "laterality": laterality.of_order_detail(obr),
        "code": code.component(first).strip() or None,
        "description": _description(context, code.component(first + 1).strip(), where),
        "scheme": _scheme(context, code.component(first + 2).strip(), f"{where}^1^{first + 2}"),
        "accession_number": _accession(found)[0],
        "study_instance_uid": _study_uid(context.message, found),
        "service": context.as_sent(obr, 4),
        "interpreter": context.as_sent(obr, 32),
        "technician": context.as_sent(obr, 34),
    }


def _description(context: InboundContext, text: str, where: str) -> str | None:
    """A code's text, so short that modalities can show it: what is missing shows as dots."""
    if len(text) <= LONG:
        return text or None
    context.shortened.append(where)
    return text[: LONG - len(DOTS)] + DOTS


def _scheme(context: InboundContext, scheme: str, where: str) -> str | None:
    """A code's scheme; one that is no designator in DICOM (SH) is left out, and the code is a local one."""
    if not value_limits.fits(scheme, SHORT):
        context.leave_out(where)
        return None
    return scheme or None


def _study_uid(message: Segments, found: _Fields) -> str | None:
    """ZDS-1.1 (IHE RAD TF-2 4.4.4.1.2); the message's only ZDS, at its end, is for all of its orders."""
    value, location = found.first("study_instance_uid")
    if not location and len(every := list(message.all("ZDS"))) == 1 and message.segments[-1] is every[0]:
        value, location = every[0].field(1).component(1).strip(), every[0].location(1)
    if not value or not isinstance(value, str):
        return None
    if len(value) > 64 or not _UID.fullmatch(value):
        raise Er7Error(102, location, "is not a UID")
    return value


def _step_values(context: InboundContext, obr: Segment, found: _Fields) -> dict[str, Any]:
    return {
        "modality": _modality(found),
        **{
            name: found.fitting(ScheduledProcedureStep, name)
            for name in ("station_ae_title", "station_name", "location")
        },
        "performing_physician": context.provider(obr, 34, data_types.named_location_person),
        "start": _start(context, found),
    }


def _start(context: InboundContext, found: _Fields) -> datetime | Said:
    """The first start that can be read; where it is a date alone, the first that has a time of that day."""
    days = ZoneInfo(context.policy.facility.time_zone)
    dates: list[tuple[str, datetime]] = []

    def read(value: str, location: str) -> datetime | None:
        start = data_types.start(value, context.zone, days, location)
        if start is None or len(value) > data_types.DATE_ALONE:
            return start if start is None or not dates or value.startswith(dates[0][0]) else None
        dates.append((value, start))
        return None

    start = found.readable("start", read)
    return dates[0][1] if dates and not isinstance(start, datetime) else start


def _modality(found: _Fields) -> Said:
    """What the catalogue decides where it says nothing; so a code that is none stands for what it lacks."""
    modality = found.readable("modality", _known_modality)
    said, location = found.first("modality")
    if modality is None and isinstance(said, str) and said.upper() not in SECTIONS_WITHOUT_MODALITY:
        found.stands_for("code", location)
    return modality


def _known_modality(value: str, location: str) -> Said:
    code = value.upper()
    if code in SECTIONS_WITHOUT_MODALITY:
        return None
    if code not in SECTIONS and code not in MODALITIES:
        raise Er7Error(103, location, "is neither a modality nor in HL7 Table 0074")
    return SECTIONS.get(code, code)


def _protocols(obr: Segment, known: list[dict[str, str]]) -> list[dict[str, str]]:
    """The protocol code of OBR-4.4 to 4.6, unless the step has it already."""
    field = obr.field(4)
    code = {
        "code": field.component(4).strip(),
        "scheme": field.component(6).strip() or "L",
        "meaning": field.component(5).strip() or field.component(4).strip(),
    }
    return [code] if code["code"] and field.component(1) and code not in known else []
