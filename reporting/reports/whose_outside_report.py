"""Whose an outside report is: one that names another patient's order or study is for a person to look at."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from archive.models import Study
from ledger.row_sets import Table
from ledger.stamps import Stamp
from reporting.models import OutsideReportReference, OutsideReportVersion
from reporting.reports import outside_reports
from reporting.reports.outside_reports import OutsideReportUpdate, Reference
from worklist.change_set import Registration
from worklist.models import IdentityException, IdentityExceptionKind, Order, OrderNumber, RequestedProcedure
from worklist.orders.order_aggregate import OrderAggregate
from worklist.patients import identity_doubt, identity_exceptions
from worklist.patients.identity_doubt import IdentityDoubt, OrderOfAnother
from worklist.provenance import Provenance

_Kind = OutsideReportReference.Kind
_OTHER: Final = IdentityExceptionKind.REPORT_OF_ANOTHER
_REFERENCES: Final = Table(OutsideReportReference, OutsideReportReference)


@dataclass(frozen=True)
class _Holder:
    """An order or a study that a report names, and whose it is."""

    key: str
    patient: int
    order: int | None = None


def check(update: OutsideReportUpdate, patient: int, said: Registration) -> None:
    """Raises `OrderOfAnother` where the report names what is another patient's than the one of `said`."""
    for one in dict.fromkeys(update.references):
        if holder := _contradiction(one, patient):
            text, who = f"{_words(one)} is another patient's", identity_doubt.said_of(said)
            doubt = IdentityDoubt(
                _OTHER,
                key=f"{holder.key}|{who['identifiers'][0]}",
                text=text,
                patient=holder.patient,
                order=holder.order,
                said=who,
            )
            raise OrderOfAnother(text, "identifiers", doubt)


def follow_orders(sender: object, *, orders: Sequence[OrderAggregate], **others: Any) -> None:
    """List the reports that came before an order that they name and that is another patient's."""
    _look_again({name for one in orders for name in _names(one)})


def follow_study(sender: object, *, study: Study, **others: Any) -> None:
    """List the reports that came before a study that they name and that is another patient's."""
    if study.patient_id is not None:
        _look_again({(_Kind.STUDY.value, study.study_instance_uid)})


def _names(aggregate: OrderAggregate) -> Iterator[tuple[str, str]]:
    yield _Kind.ACCESSION.value, aggregate.order.accession_number
    for procedure in aggregate.procedures:
        yield _Kind.ACCESSION.value, procedure.accession_number
        yield _Kind.STUDY.value, procedure.study_instance_uid
    for number in aggregate.numbers:
        yield number.kind, number.value


def _look_again(names: Collection[tuple[str, str]]) -> None:
    """By sets: of the names of a batch of orders, those that a report has."""
    wanted = sorted(one for one in names if one[1])
    rows = _REFERENCES.select(*_REFERENCES.any_of(["kind", "value"], wanted)) if wanted else []
    if not rows:
        return
    newest = OutsideReportVersion.objects.filter(is_current=True).select_related("report__facility")
    versions = newest.in_bulk({row.version_id for row in rows})
    for row in rows:
        if version := versions.get(row.version_id):
            _list(version, Reference(_Kind(row.kind), row.value, row.namespace))


def _list(version: OutsideReportVersion, one: Reference) -> None:
    holder = _contradiction(one, version.patient_id)
    if holder is None:
        return
    report = version.report
    key = f"{holder.key}|{report.public_id}"
    if IdentityException.objects.filter(kind=_OTHER, key=key).exists():
        return
    doubt = IdentityDoubt(
        _OTHER,
        key=key,
        text=f"outside report {report.number} of another patient names {_words(one)}",
        patient=holder.patient,
        other=version.patient_id,
        order=holder.order,
    )
    now = timezone.now()
    identity_exceptions.open_all([doubt], Provenance(report.facility, Stamp(now), now, version.source))


def _contradiction(one: Reference, patient: int) -> _Holder | None:
    """What a report names and is another's, where nothing of that name is its own patient's."""
    holders = list(_holders(one))
    roots = outside_reports.roots({patient, *(holder.patient for holder in holders)})
    others = [holder for holder in holders if roots[holder.patient] != roots[patient]]
    if len(others) < len(holders) or not others or _is_of_own_study(one, patient):
        return None
    return others[0]


def _holders(one: Reference) -> Iterable[_Holder]:
    """Orders by number or procedure, and the study of a UID. A number without a namespace tells nothing."""
    if one.kind == _Kind.STUDY:
        studies = Study.objects.filter(study_instance_uid=one.value, patient__isnull=False)
        found = [_Holder(study.public_id, study.patient_id or 0) for study in studies]
        procedures = RequestedProcedure.objects.filter(study_instance_uid=one.value)
        return _of_orders(procedures.values_list("order", flat=True)) + found
    if one.kind == _Kind.ACCESSION:
        orders = Order.objects.filter(accession_number=one.value).values_list("pk", flat=True)
        procedures = RequestedProcedure.objects.filter(accession_number=one.value)
        return _of_orders([*orders, *procedures.values_list("order", flat=True)])
    if not one.namespace:
        return []
    numbers = OrderNumber.objects.filter(kind=one.kind, value=one.value, namespace=one.namespace)
    return _of_orders(numbers.values_list("order", flat=True))


def _of_orders(keys: Iterable[int]) -> list[_Holder]:
    rows = Order.objects.filter(pk__in=list(keys), patient__isnull=False).order_by("pk")
    return [_Holder(order.public_id, order.patient_id or 0, order.pk) for order in rows]


def _is_of_own_study(one: Reference, patient: int) -> bool:
    """Whether a study of the patient has the number in its headers: another hospital's may be like ours."""
    if one.kind != _Kind.ACCESSION:
        return False
    people = outside_reports.people([patient])
    return Study.objects.filter(Q(patient__in=people), accession_number=one.value).exists()


def _words(one: Reference) -> str:
    if one.kind == _Kind.STUDY:
        return f"study {one.value}"
    return f"the order with {one.kind.label.lower()} number {one.value}"
