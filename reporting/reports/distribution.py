"""Whom a released version is for: the orders that are told of it, and what is noted of its way."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from archive.models import Study
from ledger import clock, events
from ledger.event_types import EventType
from reporting import reporting_events
from reporting.models import ReadingItem, Report, ReportVersion
from reporting.reading_worklist import reading_status
from reporting.reports import frozen_identity, report_versions
from worklist.models import Order, RequestedProcedure

_ORDERS = (
    "order__facility",
    "order__visit__authority",
    "order__patient__authority",
    "order__patient__survivor__authority",
)
ByOrder = dict[Order, list[RequestedProcedure]]


def orders_of(version: ReportVersion) -> ByOrder:
    """The orders that its item answers, each with the procedures that were asked for."""
    return orders_of_item(version.report.item)


def orders_of_item(item: ReadingItem) -> ByOrder:
    """The orders that an item answers, each with the procedures that were asked for."""
    return _by_order(item.procedures.all())


def orders_named(public_ids: Iterable[str]) -> ByOrder:
    """These orders, with all their procedures."""
    return _by_order(RequestedProcedure.objects.filter(order__public_id__in=list(public_ids)))


def _by_order(rows: Iterable[RequestedProcedure]) -> ByOrder:
    found: ByOrder = defaultdict(list)
    rows = RequestedProcedure.objects.filter(pk__in=[row.pk for row in rows]).select_related(*_ORDERS)
    for procedure in rows.order_by("order_id", "pk"):
        found[procedure.order].append(procedure)
    return dict(found)


def is_for(version: ReportVersion, order: Order) -> bool:
    """Whether a version may go out for an order: it was signed for its patient, or its signer has said so.

    An order of nobody known is told under the item's patient; where none is known either, no name goes out,
    and the version has to name the order itself.
    """
    patient = order.patient or version.report.item.patient
    if patient is not None:
        return frozen_identity.is_for(version, patient)
    numbers = {one["accession_number"] for one in report_versions.content_of(version)["header"]["procedures"]}
    return any(_accession(order, one) in numbers for one in order.procedures.all())


def is_undecided(version: ReportVersion, order: Order) -> bool:
    """Whether a version waits for its signer, or for the record, before it is an order's patient's."""
    patient = order.patient or version.report.item.patient
    if patient is None or is_for(version, order):
        return False
    return frozen_identity.may_become(version, patient)


def _accession(order: Order, procedure: RequestedProcedure) -> str:
    return procedure.accession_number or order.accession_number


def newest_released(report: Report) -> ReportVersion | None:
    """The version of a report that counts outside, if any went out."""
    rows = ReportVersion.objects.filter(report=report, undone_at=None).exclude(released_at=None)
    return rows.select_related("report__item__patient", "signed_by").order_by("-number").first()


def reports_of(study: Study) -> Iterable[Report]:
    """The reports about a study of which something went out."""
    rows = Report.objects.filter(item__studies=study, versions__undone_at=None)
    return rows.exclude(versions__released_at=None).distinct().order_by("pk")


def undeliverable(version: ReportVersion, reason: str) -> None:
    """Note that there is nobody to tell of a version now."""
    _record(version, reporting_events.UNDELIVERABLE, reason=reason)


def delivered(version: ReportVersion) -> None:
    """Note, once, that everybody who has to has accepted a version. The caller holds its row's lock."""
    now = clock.now()
    if not ReportVersion.objects.filter(pk=version.pk, delivered_at=None).update(delivered_at=now):
        return
    ReadingItem.objects.filter(pk=version.report.item_id, delivered_at=None).update(delivered_at=now)
    _record(version, reporting_events.DELIVERED)


def _record(version: ReportVersion, event: EventType, **details: Any) -> None:
    about = [("report", version.report.public_id), *reading_status.things(version.report.item)]
    source = f"version:{version.public_id}"
    events.record(event, about=about, source=source, **{"version": version.number, **details})
