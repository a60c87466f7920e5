"""Who a report goes to, for people to see: before it is signed, and how far each version is after that."""

from collections import defaultdict
from dataclasses import dataclass

from interfaces.hl7.outbound import message_types
from interfaces.hl7.outbound.messages import results
from reporting.models import ReadingItem, Report, ReportVersion, VersionKind
from reporting.reports import distribution


@dataclass(frozen=True)
class Leg:
    """A receiver of a version, the order it is told of, and how far that is: nothing before it is signed."""

    destination: str
    accession_number: str
    status: str = ""


def recipients(item: ReadingItem, kind: str) -> list[Leg]:
    """Who will be told if the item's report is signed as `kind` now; nobody where it can't be delivered."""
    if kind == VersionKind.RETRACTION:
        report = Report.objects.filter(item=item).first()
        told = results.told_of(report) if report else {}
        orders = distribution.orders_named(
            key for key, facts in told.items() if not results.is_withdrawn(facts)
        )
    else:
        orders = distribution.orders_of_item(item)
    numbers = [results.accession_of(order, procedures) for order, procedures in orders.items()]
    destinations = message_types.receivers(results.RESULTS)
    return [Leg(destination.name, number) for destination in destinations for number in numbers]


def ways(report: Report) -> dict[str, list[Leg]]:
    """By public id of a version, whom it was sent to and how far each message is."""
    found: dict[str, list[Leg]] = defaultdict(list)
    for row in results.messages_of(report).select_related("destination"):
        number = row.facts["accession_number"]
        found[row.facts["version"]].append(Leg(row.destination.name, number, row.status))
    return found


def obstacle(item: ReadingItem, version: ReportVersion | None = None) -> str:
    """Why a report that is for nobody can't be delivered; of a signed version, also whom it is not of."""
    orders = distribution.orders_of_item(item)
    if not orders:
        return "no order: cannot be delivered"
    if version is not None and not any(distribution.is_for(version, order) for order in orders):
        return "signed for another patient than the order's: not sent"
    return "no system takes reports of this order"
