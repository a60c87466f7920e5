"""Whether what others report of an exam is still what its signer has read."""

from collections.abc import Collection, Iterator
from typing import Final

from reporting.errors import Block
from reporting.models import OutsideReportVersion, OutsideStatus, ReadingItem
from reporting.reports import outside_reports

_MOST_NAMED: Final = 5
_BECAME: Final = {OutsideStatus.CORRECTED: "was corrected", OutsideStatus.WITHDRAWN: "was withdrawn"}


def of_outside(item: ReadingItem, shown: Collection[str] | None) -> list[Block]:
    """What came, was changed or went since the page showed versions with these ids; None was not told."""
    if shown is None:
        return []
    news = list(_news(outside_reports.newest_of(item.studies.all()), shown))
    if not news:
        return []
    text = f"since you opened this, {'; '.join(news[:_MOST_NAMED])}: read it before you sign"
    return [Block("outside_reports", text, asks=True)]


def _news(newest: list[OutsideReportVersion], shown: Collection[str]) -> Iterator[str]:
    rows = OutsideReportVersion.objects.filter(public_id__in=list(shown)).select_related("report")
    read = {one.report_id: one for one in rows.order_by("stamp")}
    for one in newest:
        if one.public_id not in shown:
            changed = "was changed" if one.report_id in read else "came"
            yield f"{_called(one)} {_BECAME.get(OutsideStatus(one.status), changed)}"
    there = {one.report_id for one in newest}
    yield from (f"{_called(one)} is no longer of this exam" for key, one in read.items() if key not in there)


def _called(version: OutsideReportVersion) -> str:
    title = f" “{version.title}”" if version.title else ""
    return f"the outside report{title} from {version.report.sender}"
