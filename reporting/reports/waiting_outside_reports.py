"""Outside reports whose study is not here yet. Only reads."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from archive.models import Study
from reporting.models import OutsideReportReference, OutsideReportVersion, OutsideStatus
from reporting.reports import outside_reports
from worklist.models import Order, OrderNumber, RequestedProcedure

MOST: Final = 500
MOST_STUDIES: Final = 5_000
"""Reports that are looked at, the newest, and studies that may be theirs."""
_Kind = OutsideReportReference.Kind


def since(moment: datetime) -> list[OutsideReportVersion]:
    """The newest versions that came since a moment and show with no study, but for those withdrawn."""
    rows = OutsideReportVersion.objects.filter(is_current=True, received_at__gte=moment).order_by("-pk")
    rows = rows.exclude(status=OutsideStatus.WITHDRAWN).prefetch_related("references")
    found = list(rows[:MOST])
    shown = outside_reports.newest_of(_studies(ref for one in found for ref in one.references.all()))
    return [one for one in found if one not in shown]


def _studies(references: Iterable[OutsideReportReference]) -> list[Study]:
    """The studies that may be meant, whoever's they are."""
    values: dict[str, set[str]] = {kind: set() for kind in _Kind.values}
    for one in references:
        values[one.kind].add(one.value)
    accessions, orders = values[_Kind.ACCESSION], set[int]()
    for kind in (_Kind.PLACER, _Kind.FILLER):
        numbers = OrderNumber.objects.filter(kind=kind, value__in=values[kind])
        orders |= set(numbers.values_list("order_id", flat=True)[:MOST_STUDIES])
    orders |= set(Order.objects.filter(accession_number__in=accessions).values_list("pk", flat=True))
    procedures = RequestedProcedure.objects.filter(accession_number__in=accessions)
    orders |= set(procedures.values_list("order_id", flat=True))
    keys: set[int] = set()
    for rows in (
        Study.objects.filter(study_instance_uid__in=values[_Kind.STUDY]),
        Study.objects.filter(accession_number__in=accessions),
        Study.objects.filter(procedures__order__in=orders),
    ):
        keys |= set(rows.values_list("pk", flat=True)[:MOST_STUDIES])
    return list(Study.objects.filter(pk__in=keys)[:MOST_STUDIES])
