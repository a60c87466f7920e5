"""Whether what others report of an exam is still what its signer has read."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from reporting.errors import Block
from reporting.models import OutsideReportVersion, OutsideStatus, ReadingItem
from reporting.reports import outside_reports

_BECAME: Final = {OutsideStatus.CORRECTED: "was corrected", OutsideStatus.WITHDRAWN: "was withdrawn"}


def of_outside(item: ReadingItem, shown: Collection[str] | None) -> list[Block]:
    """What came, was changed or went since versions with these ids were read; None was not told.

    Each is asked about by itself: a yes to one version is none to the next.
    """
    if shown is None:
        return []
    newest = outside_reports.newest_of(item.studies.all())
    return [_asked(version, became) for version, became in _news(newest, shown)]


def _news(
    newest: Sequence[OutsideReportVersion], shown: Collection[str]
) -> Iterator[tuple[OutsideReportVersion, str]]:
    rows = OutsideReportVersion.objects.filter(public_id__in=list(shown)).select_related("report")
    read = {one.report_id: one for one in rows.order_by("stamp")}
    for one in newest:
        if one.public_id not in shown:
            changed = "was changed" if one.report_id in read else "came"
            yield one, _BECAME.get(OutsideStatus(one.status), changed)
    there = {one.report_id for one in newest}
    yield from ((one, "is no longer of this exam") for key, one in read.items() if key not in there)


def _asked(version: OutsideReportVersion, became: str) -> Block:
    title = f" “{version.title}”" if version.title else ""
    text = (
        f"since you worked on this, the outside report{title} from {version.report.sender} {became}:"
        " read it before you sign"
    )
    return Block(f"outside_report_{version.public_id}", text, asks=True)
