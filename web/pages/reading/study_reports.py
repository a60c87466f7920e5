"""The reports of a study, for the study's own page: `web/reading/study_reports.html`."""

from dataclasses import dataclass

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger import clock
from reporting.models import ReadingItem
from reporting.reading_worklist import reader_inbox
from web.pages.reading import reading_rows as listing
from web.pages.reading import signed_report
from web.pages.reading.signed_report import SignedVersion


@dataclass(frozen=True)
class ItemOfStudy:
    """A report that is to be made or was made of a study: who has it, and what was signed, newest first."""

    item: ReadingItem
    holder: str
    wait: listing.Wait
    versions: list[SignedVersion]


def reading_items_of(study: Study, user: User) -> list[ItemOfStudy]:
    """All items of a study that `user` may see, the oldest first."""
    now = clock.now()
    rows = access.visible(ReadingItem.objects.filter(studies=study), user)
    rows = rows.select_related("lease__holder", "report__author", "reserved_for").order_by("pk")
    return [
        ItemOfStudy(
            item,
            listing.holder(item, now),
            listing.wait(item, now),
            _versions(item),
        )
        for item in rows
    ]


def _versions(item: ReadingItem) -> list[SignedVersion]:
    report = getattr(item, "report", None)
    return signed_report.versions(item, report, list(reader_inbox.versions_of(report))) if report else []
