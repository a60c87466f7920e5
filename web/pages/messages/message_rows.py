"""Messages as rows of a list: with the patient and the order that each names, and what it did."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import message_index
from interfaces.hl7.inspect import awaited_orders, message_tree, named_patient
from interfaces.hl7.inspect.message_search import IN_TROUBLE, Row
from interfaces.hl7.inspect.named_patient import NamedPatient
from interfaces.hl7.models import InboundMessage, MessageKey
from ledger import event_types
from ledger.models import Event
from web.kernel import formats
from web.pages.timelines import path
from worklist.models import Order, OrderNumber, Patient
from worklist.patients.person_names import isolated


@dataclass(frozen=True)
class Named:
    """What a message names: as text, with a link where we know it."""

    text: str = ""
    more: str = ""
    url: str = ""


_NOTHING: Final = Named()
_WHOSE: Final = ("patient__survivor", "patient__authority")


@dataclass(frozen=True)
class Listed:
    """A row of the list."""

    message: Row
    is_received: bool
    at: datetime
    partner: str
    patient: Named
    order: Named
    effect: str
    error: str
    error_place: str
    error_text: str
    waits: bool = False
    anothers: Named = _NOTHING
    """Whose the order is, where that is not the one whom a message in trouble names."""


def listed(rows: Sequence[Row]) -> list[Listed]:
    """Rows of the list, made with as many queries for fifty as for one."""
    around = _Around(rows)
    return [around.row(row) for row in rows]


class _Around:
    """What the messages of a part of the list name and did."""

    def __init__(self, rows: Sequence[Row]) -> None:
        ins = [row for row in rows if isinstance(row, InboundMessage)]
        self.events = _events(row.public_id for row in ins)
        self.keys = _keys(row.pk for row in ins)
        self.said = _Said(ins)
        self.told = {
            row.pk: [(str(type_), str(key)) for type_, key in row.facts.get("about", ())]
            for row in rows
            if not isinstance(row, InboundMessage)
        }
        things = {thing for told in self.told.values() for thing in told}
        for events in self.events.values():
            things |= {(one.type, one.key) for event in events for one in event.subjects.all()}
        patients = Patient.objects.filter(public_id__in=[key for type_, key in things if type_ == "patient"])
        self.patients = {row.public_id: row for row in patients.select_related("survivor", "authority")}
        orders = Order.objects.filter(public_id__in=[key for type_, key in things if type_ == "order"])
        self.orders = {row.public_id: row for row in orders.select_related(*_WHOSE)}
        self.known_orders = _known(self.keys.values())

    def row(self, row: Row) -> Listed:
        return self._received(row) if isinstance(row, InboundMessage) else self._sent(row)

    def _received(self, row: InboundMessage) -> Listed:
        events = self.events[row.public_id]
        holding = [one for one in events if self._holds(one)]
        subjects = [(one.type, one.key) for event in events for one in event.subjects.all()]
        patient, order = self._named(subjects)
        number = _order_number(self.keys[row.pk])
        known = next((self.orders[key] for type_, key in subjects if key in self.orders), None)
        known = known or self.known_orders.get(number)
        is_in_trouble = row.status in IN_TROUBLE
        order = order or (_order(known, 0, number) if known else Named(number))
        anothers = self.said.anothers(row, known) if is_in_trouble else _NOTHING
        return Listed(
            message=row,
            is_received=True,
            at=row.received_at,
            partner=" · ".join(part or "(not said)" for part in row.source.split("|")),
            patient=self.said.patient(row) or (not is_in_trouble and patient) or _NOTHING,
            order=order,
            effect=_in_short(holding),
            waits=any(one.kind == hl7_events.WAITS_FOR_ORDER.kind for one in holding),
            error=str(row.error_code or ""),
            error_place=str(message_tree.Place.of(row.error_location)) if row.error_location else "",
            error_text=_with_owner(row.error_text, order, anothers),
            anothers=anothers,
        )

    def _holds(self, event: Event) -> bool:
        """Whether an event still tells how it stands: a message waits for its order a day at most."""
        if event.kind != hl7_events.WAITS_FOR_ORDER.kind:
            return True
        keys = (one.key for one in event.subjects.all() if one.type == "order")
        return any(key in self.orders and awaited_orders.is_awaited(self.orders[key]) for key in keys)

    def _sent(self, row: Row) -> Listed:
        assert not isinstance(row, InboundMessage)
        patient, order = self._named(self.told[row.pk])
        return Listed(
            message=row,
            is_received=False,
            at=row.created_at,
            partner=row.destination.name,
            patient=patient or _NOTHING,
            order=order or _NOTHING,
            effect="",
            error="",
            error_place="",
            error_text=row.last_error,
        )

    def _named(self, things: Iterable[tuple[str, str]]) -> tuple[Named | None, Named | None]:
        """The first patient and the first order among things; an order's own where there is no other."""
        things = list(things)
        orders = [self.orders[key] for type_, key in things if type_ == "order" and key in self.orders]
        patients = [
            self.patients[key] for type_, key in things if type_ == "patient" and key in self.patients
        ]
        patients += [order.patient for order in orders if order.patient is not None]
        return (
            _patient(patients[0]) if patients else None,
            _order(orders[0], len({order.pk for order in orders}) - 1) if orders else None,
        )


class _Said:
    """Whom received messages name, and which records of those are here."""

    def __init__(self, rows: Iterable[InboundMessage]) -> None:
        self.named = dict(named_patient.of_all((row.pk, bytes(row.raw)) for row in rows))
        named = [one for one in self.named.values() if one is not None]
        values = {one.value for said in named for one in said.identifiers}
        self.records: dict[str, list[Patient]] = defaultdict(list)
        for record in Patient.objects.filter(value__in=values).select_related("survivor", "authority"):
            self.records[record.value].append(record)

    def patient(self, row: InboundMessage) -> Named | None:
        """As sent, linked where the identifier is here; None where the message names nobody."""
        said = self.named[row.pk]
        if said is None or said == NamedPatient():
            return None
        record = self._record(row)
        name = formats.shown(said.name or (record.current.name if record else ""))
        url = path("patient", record.current.public_id) if record else ""
        return Named(name or said.number, said.number if name else "", url)

    def anothers(self, row: InboundMessage, order: Order | None) -> Named:
        """Whose an order is, unless the message names the same."""
        record = self._record(row)
        if self.named[row.pk] is None or order is None or order.patient is None:
            return _NOTHING
        is_same = record is not None and record.current.pk == order.patient.current.pk
        return _NOTHING if is_same else _patient(order.patient)

    def _record(self, row: InboundMessage) -> Patient | None:
        said = self.named[row.pk] or NamedPatient()
        records = [record for one in said.identifiers for record in self.records[one.value]]
        return next((one for one in records if said.is_of(one)), None)


def _patient(record: Patient) -> Named:
    current = record.current
    return Named(formats.shown(current.name), record.value, path("patient", current.public_id))


def _order(order: Order, more: int, number: str = "") -> Named:
    text = number or order.accession_number or "order"
    return Named(text, f"+{more}" if more else "", path("order", order.public_id))


def _with_owner(text: str, order: Named, owner: Named) -> str:
    if not owner.text:
        return text
    return f"{text}; {order.text} is of {isolated(owner.text)} {owner.more}".strip("; ")


def _order_number(named: Mapping[str, str]) -> str:
    return named.get(message_index.ACCESSION) or named.get(message_index.ORDER, "")


def _known(named: Iterable[Mapping[str, str]]) -> dict[str, Order]:
    """The orders that the numbers in messages name, where it is only one."""
    numbers = {number for one in named if (number := _order_number(one))}
    orders = Order.objects.filter(accession_number__in=numbers).select_related(*_WHOSE)
    by_number = OrderNumber.objects.filter(value__in=numbers)
    found: dict[str, dict[int, Order]] = defaultdict(dict)
    for order in orders:
        found[order.accession_number][order.pk] = order
    for one in by_number.select_related(*(f"order__{name}" for name in _WHOSE)):
        found[one.value][one.order.pk] = one.order
    return {number: next(iter(of.values())) for number, of in found.items() if len(of) == 1}


def _events(public_ids: Iterable[str]) -> dict[str, list[Event]]:
    sources = {f"hl7:{public_id}": public_id for public_id in public_ids}
    found: dict[str, list[Event]] = defaultdict(list)
    if sources:
        for event in Event.objects.filter(source__in=sources).prefetch_related("subjects").order_by("id"):
            found[sources[event.source]].append(event)
    return found


def _keys(pks: Iterable[int]) -> dict[int, dict[str, str]]:
    """The first number of each kind that each message names."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for pk, kind, value in (
        MessageKey.objects.filter(inbound__in=list(pks))
        .order_by("id")
        .values_list("inbound", "kind", "value")
    ):
        found[pk].setdefault(kind, value)
    return found


def _in_short(events: Sequence[Event]) -> str:
    counts = Counter(event_types.of(event.kind).in_short for event in events)
    return ", ".join(f"{words} ×{number}" if number > 1 else words for words, number in counts.items())
