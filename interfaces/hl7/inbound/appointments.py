"""Appointments: SIU^S12 to S17 and S26 (HL7 v2.5.1 10.4, 10.6)."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import NULL, Field, Path, Segment, Segments
from worklist.change_set import ChangeSet, Group
from worklist.models import AppointmentReference, AppointmentStatus
from worklist.orders.order_update import Number
from worklist.schedule.appointment_update import AppointmentUpdate, Service

_Kind = AppointmentReference.Kind

_BY_EVENT: Final[Mapping[str, AppointmentStatus]] = {
    **dict.fromkeys(("S12", "S13", "S14"), AppointmentStatus.BOOKED),
    **dict.fromkeys(("S15", "S16"), AppointmentStatus.CANCELLED),
    "S17": AppointmentStatus.DELETED,
    "S26": AppointmentStatus.NO_SHOW,
}
_BY_STATUS: Final[Mapping[str, AppointmentStatus]] = {
    "CANCELLED": AppointmentStatus.CANCELLED,
    "CANCELED": AppointmentStatus.CANCELLED,
    "DC": AppointmentStatus.CANCELLED,
    "DELETED": AppointmentStatus.DELETED,
    "NOSHOW": AppointmentStatus.NO_SHOW,
}
"""SCH-25 (HL7 Table 0278) where it says that a new or modified appointment does not stand."""
_ORDERS: Final = (
    (_Kind.PLACER, "appointment_placer_order"),
    (_Kind.FILLER, "appointment_filler_order"),
    (_Kind.ACCESSION, "appointment_accession"),
)
_MINUTES: Final = {"": 1, "MIN": 1, "M": 1, "S": 1 / 60, "SEC": 1 / 60, "H": 60, "HR": 60}
_SHORT: Final = 16
_LONGEST_REASON: Final = 500


def read(context: InboundContext) -> ChangeSet:
    """What the message says of its appointment; whose it is where it has a PID."""
    sch = context.message.first("SCH")
    if sch is None:
        raise Er7Error(100, "SCH", "the message has no SCH segment")
    patients.check_one(context)
    patient = patients.registration(context, context.message) if context.message.first("PID") else None
    return ChangeSet(context.provenance, [Group(patient, appointment=_update(context, sch))])


def _update(context: InboundContext, sch: Segment) -> AppointmentUpdate:
    context.places.note("appointment", sch.location(2))
    named = list(_orders(context))
    status = _status(context, sch)
    is_booked = status == AppointmentStatus.BOOKED
    return AppointmentUpdate(
        number=_number(context, sch, named),
        status=status,
        orders=named,
        start=_start(context) if is_booked else None,
        location=_location(context) if is_booked else None,
        station_ae_title=_short(context, "appointment_station_ae_title") if is_booked else None,
        reason=context.side(lambda: _reason(sch)),
        services=list(_services(context)) if is_booked else (),
    )


def _reason(sch: Segment) -> str | None:
    """Why the appointment was made, moved or given up (SCH-6)."""
    text = (sch.field(6).component(2) or sch.field(6).component(1)).strip()
    if len(text) > _LONGEST_REASON:
        raise Er7Error(102, sch.location(6), f"has more than {_LONGEST_REASON} characters")
    return text or None


def _status(context: InboundContext, sch: Segment) -> AppointmentStatus:
    by_event = _BY_EVENT[context.header.trigger]
    said = sch.field(25).component(1).strip().upper()
    return _BY_STATUS.get(said, by_event) if by_event == AppointmentStatus.BOOKED else by_event


def _number(context: InboundContext, sch: Segment, named: list[tuple[_Kind, Number]]) -> Number:
    """What names the appointment, in its source's own namespace; without any number, that of its order."""
    for segment, found, path in _present(context, "appointment"):
        if number := _entity(found, 1):
            context.places.note("appointment", segment.location(path.field))
            return number if number.namespace else number._replace(namespace=_own(context))
    if named:
        context.places.note("appointment", sch.location(2))
        kind, number = named[0]
        return Number(f"{kind}:{number.value}"[:250], number.namespace)
    raise Er7Error(101, sch.location(2), "the appointment has no number, and names no order")


def _orders(context: InboundContext) -> Iterator[tuple[_Kind, Number]]:
    for kind, name in _ORDERS:
        for _, found, path in _present(context, name):
            numbers = (_entity(found, n, path) for n in range(1, len(found.repetitions) + 1))
            said = [number for number in numbers if number]
            for number in said:
                yield kind, _in_namespace(context, kind, number)
            if said:
                break


def _in_namespace(context: InboundContext, kind: _Kind, number: Number) -> Number:
    """A placer's number without a namespace is in its source's own, as in its orders."""
    if kind == _Kind.PLACER and not number.namespace:
        return number._replace(namespace=_own(context))
    return number


def _own(context: InboundContext) -> str:
    return context.policy.options.order_namespace or context.header.sending_application


def _entity(found: Field, repetition: int, path: Path | None = None) -> Number | None:
    """An entity identifier (2.A.28 EI) of a repetition."""
    one = found.repetitions[repetition - 1]
    value = one.component(path.component if path else 1).strip()
    if not value or value == NULL:
        return None
    namespace, uid, uid_type = (one.component(n).strip() for n in (2, 3, 4))
    return Number(value, namespace or uid, uid, uid_type, is_bare=not (namespace or uid))


def _start(context: InboundContext) -> datetime | None:
    """When it begins, as the source's mapping says: the first time that can be read.

    Raises `Er7Error` where all that is said can't be: an appointment is nothing without its time.
    """
    refused: list[Er7Error] = []
    for segment, found, path in _present(context, "appointment_start"):
        text = found.component(path.component, path.subcomponent)
        try:
            start = _time(context, text, segment.location(path.field))
        except Er7Error as error:
            refused.append(error)
            continue
        if start:
            for one in refused:
                context.leave_out(one.location)
            return start
    if refused:
        raise refused[0]
    return None


def _time(context: InboundContext, text: str, location: str) -> datetime | None:
    return data_types.start(text, context.zone, ZoneInfo(context.policy.facility.time_zone), location)


def _services(context: InboundContext) -> Iterator[Service]:
    """Each AIS: its code, and its own start, said at once or by an offset from the appointment's (10.6.4)."""
    start = _start(context)
    for ais in context.message.all("AIS"):
        code = ais.field(3)
        own = context.side(_own_start(context, ais))
        if own is None and start is not None:
            own = context.side(_offset(ais, start))
        if code.component(1).strip():
            yield Service(code.component(1).strip(), code.component(3).strip(), own)


def _own_start(context: InboundContext, ais: Segment) -> Callable[[], datetime | None]:
    return lambda: _time(context, ais.field(4).component(1), ais.location(4))


def _offset(ais: Segment, start: datetime) -> Callable[[], datetime | None]:
    def read() -> datetime | None:
        text, unit = ais.field(5).component(1).strip(), ais.field(6).component(1).strip().upper()
        if not text:
            return None
        if not text.isdigit() or len(text) > 5 or unit not in _MINUTES:
            raise Er7Error(102, ais.location(5), "is not an offset in minutes, seconds or hours")
        return start + timedelta(minutes=int(text) * _MINUTES[unit])

    return read


def _location(context: InboundContext) -> str | None:
    return _short(context, "appointment_location")


def _short(context: InboundContext, name: str) -> str | None:
    """A text that a worklist can hold (SH, AE); left out, and noted, where it is longer."""

    def read() -> str | None:
        for segment, found, path in _present(context, name):
            text = found.component(path.component, path.subcomponent).strip()
            if len(text) > _SHORT:
                raise Er7Error(102, segment.location(path.field), f"has more than {_SHORT} characters")
            if text and text != NULL:
                return text
        return None

    return context.side(read)


def _present(context: InboundContext, name: str) -> Iterator[tuple[Segment, Field, Path]]:
    """The fields of the mapping that say something."""
    message: Segments = context.message
    for path in context.policy.paths.get(name, ()):
        segment = message.first(path.segment)
        if segment is not None:
            found = segment.field(path.field)
            if not found.is_empty and not found.is_null:
                yield segment, found, path
