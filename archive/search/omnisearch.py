"""The search box: what a text names, among patients, orders and studies that a user may see."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from accounts import access
from archive.models import Study
from archive.search import study_search
from worklist.models import Order, OrderNumber, Patient, RequestedProcedure, ScheduledProcedureStep
from worklist.patients import patient_search, typed_dates

MOST: Final = 50
"""How many of each kind are found at most."""
LONGEST_NUMBER: Final = 16
"""Characters of an accession number."""
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+", re.ASCII)


@dataclass
class Found:
    """What was found, and as what the text was looked up."""

    patients: list[Patient] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many things were found."""
        return len(self.patients) + len(self.orders) + len(self.studies)


def find(text: str, *, user: Any) -> Found:
    """What `text` names, cheap and exact ways first; the next way is gone only where the ones before fail."""
    found = Found()
    for name, way in _ways(text):
        found.looked_up.append(name)
        way(text, user, found)
        if found.count and way in _ENOUGH:
            break
    return found


_Way = Callable[[str, Any, Found], None]


def _ways(text: str) -> Iterator[tuple[str, _Way]]:
    if _UID.fullmatch(text):
        yield "Study UID", _by_uid
    yield "identifier of a patient", _by_identifier
    yield "accession number", _by_accession
    yield "number of an order or a step", _by_number
    yield "birth date", _by_birth_date
    if typed_dates.beside(text, timezone.localdate())[0]:
        yield "name and birth date", _by_name_and_birth_date
    yield "name", _by_name
    yield "other identifier of a patient", _by_other_identifier
    if patient_search.is_part_of_number(text):
        yield "part of an identifier", _by_part_of_identifier
    yield "part of a name", _by_part_of_name


def _by_uid(text: str, user: Any, found: Found) -> None:
    if access.can(user, "study.view"):
        found.studies = list(study_search.studies(user=user, study_instance_uids=[text])[:MOST])
    if not found.studies:
        found.orders = _orders(user, _of_procedures(study_instance_uid=text))


def _by_identifier(text: str, user: Any, found: Found) -> None:
    found.patients = _patients(user, patient_search.by_identifier(text))


def _by_accession(text: str, user: Any, found: Found) -> None:
    """An order by its accession number; a study by that in its header, unless it belongs to that order."""
    numbers = with_zeros(text)
    keys = Order.objects.filter(accession_number__in=numbers).values_list("pk", flat=True)[:MOST]
    named = {*keys, *_of_procedures(accession_number__in=numbers)}
    found.orders = _orders(user, named)
    if access.can(user, "study.view"):
        linked = Study.objects.filter(procedures__order__in=named).values_list("pk", flat=True)
        of_orders = Q(procedures__order__in=[order.pk for order in found.orders])
        rows = study_search.studies(user=user)
        rows = rows.filter(Q(accession_number__in=numbers) | Q(pk__in=list(linked[:MOST])))
        found.studies = list(rows.exclude(pk__in=Study.objects.filter(of_orders).values("pk"))[:MOST])


def with_zeros(text: str) -> list[str]:
    """A number with any leading zeros, as long as SH can be (PS3.5 6.2), since nobody types them.

    All of them count, also where the one that was typed exists: it may be somebody else's.
    """
    bare = text.lstrip("0")
    if not bare or not (text.isascii() and text.isdigit()):
        return [text]
    return [text, *(bare.zfill(size) for size in range(len(bare), LONGEST_NUMBER + 1))]


def _by_number(text: str, user: Any, found: Found) -> None:
    """Placer and filler order numbers, and the IDs of requested procedures and scheduled steps."""
    value, _, namespace = text.partition("^")
    numbers = OrderNumber.objects.filter(value=value)
    if namespace:
        numbers = numbers.filter(namespace=namespace.partition("^")[0])
    steps = ScheduledProcedureStep.objects.filter(scheduled_procedure_step_id=text)
    keys = {
        *numbers.values_list("order", flat=True)[:MOST],
        *steps.values_list("procedure__order", flat=True)[:MOST],
        *_of_procedures(requested_procedure_id=text),
    }
    found.orders += _orders(user, keys - {order.pk for order in found.orders})


def _by_birth_date(text: str, user: Any, found: Found) -> None:
    if not found.count and (days := typed_dates.days(text, timezone.localdate())):
        found.patients = _patients(user, patient_search.by_birth_date(days))


def _by_name_and_birth_date(text: str, user: Any, found: Found) -> None:
    if not found.count:
        rows = patient_search.by_name_and_birth_date(text, timezone.localdate())
        found.patients = _patients(user, rows)


def _by_name(text: str, user: Any, found: Found) -> None:
    found.patients = _patients(user, patient_search.by_name(text))


def _by_other_identifier(text: str, user: Any, found: Found) -> None:
    if not found.count:
        found.patients = _patients(user, patient_search.by_other_identifier(text))


def _by_part_of_identifier(text: str, user: Any, found: Found) -> None:
    """What lies inside an identifier, an accession number or a number of an order; of the newest of each."""
    if found.count:
        return
    found.patients = _patients(user, patient_search.by_part_of_identifier(text))
    orders = _keys_with(Order, "accession_number", "pk", text)
    orders |= _keys_with(OrderNumber, "value", "order", text)
    orders |= _keys_with(RequestedProcedure, "accession_number", "order", text)
    orders |= _keys_with(RequestedProcedure, "requested_procedure_id", "order", text)
    orders |= _keys_with(ScheduledProcedureStep, "scheduled_procedure_step_id", "procedure__order", text)
    found.orders = _orders(user, orders)
    if access.can(user, "study.view"):
        rows = patient_search.newest_with(study_search.studies(user=user), "accession_number", text)
        of_orders = Study.objects.filter(procedures__order__in=[order.pk for order in found.orders])
        found.studies = list(rows.exclude(pk__in=of_orders.values("pk"))[:MOST])


_ENOUGH: Final = (_by_uid, _by_number, _by_birth_date, _by_name_and_birth_date, _by_name)
"""Ways after which nothing more is looked for, where they found something."""


def _keys_with(model: type[Model], column: str, key: str, text: str) -> set[int]:
    rows = patient_search.newest_with(model._default_manager.all(), column, text)
    return set(rows.order_by("-pk").values_list(key, flat=True)[:MOST])


def _by_part_of_name(text: str, user: Any, found: Found) -> None:
    if not found.count and len(text) > 1:
        found.patients = _patients(user, patient_search.by_part_of_name(text))


def _patients(user: Any, rows: QuerySet[Patient]) -> list[Patient]:
    related = rows.select_related("authority", "survivor__authority")
    return list(access.visible(related, user).order_by("name_key", "pk")[:MOST])


def _orders(user: Any, keys: set[int]) -> list[Order]:
    if not keys or not access.can(user, "order.view"):
        return []
    rows = access.visible(Order.objects.filter(pk__in=keys), user)
    related = rows.select_related("patient__authority", "patient__survivor__authority")
    return list(related.prefetch_related("procedures__steps").order_by("-pk")[:MOST])


def _of_procedures(**key: Any) -> set[int]:
    """The keys of the orders of the procedures that `key` names."""
    return set(RequestedProcedure.objects.filter(**key).values_list("order", flat=True)[:MOST])
